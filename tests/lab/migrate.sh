# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
#
# A PV guest that is saved and restored, and a PVH guest that migrates within this host, live, while fio writes
# and verifies on a SCSI disk and on a disk of the block protocol.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# fio_start GUEST: until fio_ok; what is written is read again and checked all the time. Far from as fast as
# it can: dom0 has the same emulated processor, and a live migration has to catch up.
fio_start() {
	guest_run "$1" 120 'fio --ioengine=libaio --direct=1 --rw=randwrite --bsrange=4k-32k --size=8m --iodepth=4 \
		--rate_iops=3 --verify=crc32c --verify_fatal=1 --verify_backlog=8 --time_based --runtime=1d \
		--name=sda --filename=/dev/sda --name=xvdf --filename=/dev/xvdf </dev/null >/tmp/fio.out 2>&1 &'
	fio_goes_on "$1"
}

# fio_done GUEST: reads and writes that each disk has ended.
fio_done() {
	guest_run "$1" 120 'cat /sys/block/sda/stat /sys/block/xvdf/stat' | awk '{print $1, $5}'
}

# fio_beyond GUEST COUNTS: it has got on by some of each.
fio_beyond() {
	paste -d ' ' <(fio_done "$1") - <<<"$2" | awk 'NF == 4 && $1 >= $3 + 8 && $2 >= $4 + 8 {n++} END {exit n != 2}'
}
fio_goes_on() {
	wait_for 240 fio_beyond "$1" "$(fio_done "$1")"
}

# fio_ok GUEST: it still works, and has seen no error until it is told to stop; nor has the kernel.
fio_ok() {
	fio_goes_on "$1" || echo "fio does not go on"
	guest_run "$1" 120 'pkill -INT -o fio; while pgrep -x fio >/dev/null; do sleep 0.1; done
		grep -E "verify:|err=|WRITE:|READ:" /tmp/fio.out; dmesg | tail -n 20
		test "$(grep -c "err= 0:" /tmp/fio.out)" = 2 && ! grep verify: /tmp/fio.out &&
			! dmesg | grep -E "I/O error|Unable to map"'
}

nothing_left() {
	no_workers && [[ ! -e /run/xenpv/guests ]] &&
		! xenstore-ls -f /local/domain/0/backend | grep -qE '/xenpv-(vscsi|vbd)/[0-9]'
}

# reach NAME LINE...: a command in the place of ssh, which reaches this host.
reach() {
	printf '%s\n' '#!/bin/sh' shift "${@:2}" >"/tmp/$1"
	chmod 755 "/tmp/$1"
}

devices=(vscsi='["/var/tmp/a.img,0:0:0:0"]' xenpv_disk='["/var/tmp/b.img,raw,xvdf,rw"]')
truncate -s 64M /var/tmp/a.img /var/tmp/b.img
daemon_start || bail "xenpvd starts"
GUEST_CREATE='xenpv create -q'

note "save and restore, PV"
ok "pv: it starts" guest_start pv1 memory=192 "${devices[@]}" || bail "no guest"
refused "save to where nothing can be" "/none/x.devices cannot be written" xenpv save pv1 /none/x
ok "pv: fio begins" fio_start pv1
ok "pv: save" xenpv save pv1 /var/tmp/pv1.save
ok "pv: nothing is left of it" wait_for 60 nothing_left
ok "pv: nor beside the file" test ! -e /var/tmp/pv1.save.devices
mv /var/tmp/a.img /var/tmp/a.away
refused "restore without its device" "vscsi: pdev '/var/tmp/a.img'" xenpv restore /var/tmp/pv1.save
mv /var/tmp/a.away /var/tmp/a.img
ok "pv: restore" xenpv restore /var/tmp/pv1.save
ok "pv: fio has seen no error" fio_ok pv1
refused "restore while it is there" "is that of guest 'pv1'" xenpv restore /var/tmp/pv1.save
rm -f /var/tmp/pv1.save
ok "pv: it ends" xl destroy pv1
ok "pv: nothing is left" wait_for 60 nothing_left

note "live migration, PVH"
reach ssh 'exec "$@"'
reach no-xenpvd 'mv /run/xenpv/control /run/xenpv/away' '"$@"' 'rc=$?' 'mv /run/xenpv/away /run/xenpv/control' 'exit $rc'
reach no-device 'exec unshare -m sh -c "mount -t tmpfs none /var/tmp && exec \"\$@\"" sh "$@"'
reach no-way 'case $* in' '*--check*) exec "$@" ;;' 'esac' 'echo the way is closed >&2' 'exit 255'
ok "pvh: it starts" guest_start pvh1 type=pvh memory=192 "${devices[@]}" || bail "no guest"
before=$(guest_id pvh1)
refused "a target that cannot be reached" "host 'localhost' cannot be asked .*/none: not found; guest 'pvh1' goes on" \
	xenpv migrate -s /none pvh1 localhost
refused "a target without xenpvd" "cannot have guest 'pvh1', which goes on here: xenpvd is not running" \
	xenpv migrate -s /tmp/no-xenpvd pvh1 localhost
refused "a target without a device" "goes on here: .*vscsi: pdev '/var/tmp/a.img': No such file" \
	xenpv migrate -s /tmp/no-device pvh1 localhost
said=$(xenpv migrate -s /tmp/no-way pvh1 localhost 2>&1)
is "a way that ends: status 1" $? 1
like "a way that ends: the guest is here" "$said" "guest 'pvh1' is still here: xl migrate failed"
is "it is" "$(guest_id pvh1)" "$before"
ok "migrate --check" xenpv migrate --check -s /tmp/ssh pvh1 localhost
ok "pvh: fio begins" fio_start pvh1
ok "pvh: migrate" xenpv migrate -s /tmp/ssh pvh1 localhost
ok "pvh: it is another domain" test "$(guest_id pvh1)" != "$before"
ok "pvh: fio has seen no error" fio_ok pvh1
ok "pvh: it ends" xl destroy pvh1
ok "pvh: nothing is left" wait_for 60 nothing_left
ok "xenpvd ends" daemon_stop
tap_end
