# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
#
# Guests that are saved and restored (PV), and migrate within this host (PVH, live), while fio writes and
# verifies on a SCSI disk and on a disk of the block protocol.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

SSH=/tmp/ssh
printf '#!/bin/sh\nshift\nexec "$@"\n' >$SSH
chmod 755 $SSH

# fio_start GUEST SECONDS DISK...: in the background: what is written is read again and checked all the time.
fio_start() {
	local guest=$1 seconds=$2 jobs='' disk
	shift 2
	for disk; do
		jobs+=" --name=$disk --filename=/dev/$disk"
	done
	guest_run "$guest" 60 "rm -f /tmp/fio.rc; (fio --ioengine=libaio --direct=1 --rw=randwrite --bsrange=4k-64k \
		--size=16m --iodepth=8 --verify=crc32c --verify_fatal=1 --verify_backlog=32 --time_based \
		--runtime=$seconds $jobs >/tmp/fio.out 2>&1; echo \$? >/tmp/fio.rc) >/dev/null 2>&1 &"
}

# fio_ok GUEST: it has ended, without an error, and nor has the kernel one.
fio_ok() {
	wait_for 300 guest_run "$1" 60 'test -e /tmp/fio.rc' || return
	guest_run "$1" 120 'cat /tmp/fio.out | grep -E "verify|err=|WRITE|READ"; dmesg | tail -n 20
		test "$(cat /tmp/fio.rc)" = 0 && ! dmesg | grep -E "I/O error|Unable to map"'
}

nothing_left() {
	no_workers && [[ ! -e /run/xenpv/guests ]] &&
		! xenstore-ls -f /local/domain/0/backend | grep -qE '/xenpv-(vscsi|vbd)/[0-9]'
}

devices=(vscsi='["/var/tmp/a.img,0:0:0:0"]' xenpv_disk='["/var/tmp/b.img,raw,xvdf,rw"]')
truncate -s 64M /var/tmp/a.img /var/tmp/b.img
daemon_start || bail "xenpvd starts"
GUEST_CREATE='xenpv create -q'

note "save and restore, PV"
ok "pv: it starts" guest_start pv1 "${devices[@]}" || bail "no guest"
ok "pv: fio begins" fio_start pv1 20 sda xvdf
sleep 4
ok "pv: save" xenpv save pv1 /var/tmp/pv1.save
ok "pv: nothing is left of it" wait_for 60 nothing_left
mv /var/tmp/a.img /var/tmp/a.away
refused "restore without its device" "vscsi: pdev '/var/tmp/a.img'" xenpv restore /var/tmp/pv1.save
mv /var/tmp/a.away /var/tmp/a.img
ok "pv: restore" xenpv restore /var/tmp/pv1.save
xenpv scsi-list | sed 's/^/# /'
ok "pv: fio has seen no error" fio_ok pv1
rm -f /var/tmp/pv1.save
ok "pv: shutdown" guest_stop pv1 240
ok "pv: nothing is left" wait_for 60 nothing_left

note "live migration, PVH"
ok "pvh: it starts" guest_start pvh1 type=pvh memory=256 "${devices[@]}" || bail "no guest"
before=$(guest_id pvh1)
refused "a target that cannot be reached" "host 'localhost' cannot be asked" xenpv migrate -s /none pvh1 localhost
printf '#!/bin/sh\nshift\nmv /run/xenpv/control /run/xenpv/away\n"$@"\nrc=$?\nmv /run/xenpv/away /run/xenpv/control\nexit $rc\n' >/tmp/ssh-down
chmod 755 /tmp/ssh-down
said=$(xenpv migrate -s /tmp/ssh-down pvh1 localhost 2>&1)
is "a target without xenpvd: status 1" $? 1
like "a target without xenpvd: says so" "$said" "xenpvd is not running.*cannot have guest 'pvh1'"
is "the guest is where it was" "$(guest_id pvh1)" "$before"
ok "migrate --check" xenpv migrate --check -s $SSH pvh1 localhost
ok "pvh: fio begins" fio_start pvh1 25 sda xvdf
sleep 3
ok "pvh: migrate" xenpv migrate -s $SSH pvh1 localhost
ln -sf guest-pvh1--incoming.log /var/log/xen/guest-pvh1.log
after=$(guest_id pvh1)
ok "pvh: it is another domain" test "$before" != "$after"
xenpv scsi-list | sed 's/^/# /'
ok "pvh: fio has seen no error" fio_ok pvh1
ok "pvh: destroy" xl destroy pvh1
ok "pvh: nothing is left" wait_for 60 nothing_left
ok "xenpvd ends" daemon_stop
tap_end
