# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
#
# Guests with vscsi= and xenpv_disk= in their files: made by xenpv create and by plain xl create, with their
# root file system on such a device, rebooted from inside, shut down; and one file for xenpvd and for the
# kernel's backend.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# devices GUEST: kinds of SCSI devices, and disks, as the guest has them.
devices() {
	guest_run "$1" 120 "lsscsi | awk '{print \$2}' | sort | tr '\n' ' '; cd /sys/block; echo xvd*"
}

# has GUEST DEVICES: for wait_for: those that are not needed to boot may come later.
has() {
	[[ $(devices "$1") == "$2" ]]
}

# not_made GUEST REGEX FILE: xenpv create fails, says why, and leaves nothing.
not_made() {
	local said
	said=$(xenpv create -q "$3" 2>&1) && return
	echo "$said"
	[[ $said =~ $2 ]] && ! guest_exists "$1"
}

truncate -s 64M /var/tmp/data.img /var/tmp/more.img
modprobe -a st sg
modprobe scsi_debug ptype=1 dev_size_mb=8 delay=0 || bail "scsi_debug"
wait_for 20 test -c /dev/nst0 || bail "scsi_debug is a tape"
daemon_start || bail "xenpvd starts"

note "xenpv create, PV: root on a SCSI disk, tapes, a changer, a disk of the block protocol"
ok "a virtual tape library" xenpv vtl create /var/tmp/library --drives 1 --slots 2
pv_vscsi='["/dev/vdb,0:0:0:0,ro,shared", "/var/tmp/data.img,0:0:1:0", "/dev/nst0, 1:0:0:0",
	"vtl:/var/tmp/library:changer,2:0:0:0", "vtl:/var/tmp/library:drive0,2:0:1:0"]'
pv_devices="disk disk mediumx tape tape xvdf"
guest_config pv1 root=LABEL=lab vscsi="$pv_vscsi" xenpv_disk='["/var/tmp/more.img,raw,xvdf,rw"]'
ok "create -n" xenpv create -n /etc/xen/pv1.cfg
GUEST_CREATE='xenpv create -q'
ok "pv: create, and it boots from there" guest_start pv1 root=LABEL=lab vscsi="$pv_vscsi" \
	xenpv_disk='["/var/tmp/more.img,raw,xvdf,rw"]' || bail "no guest"
is "pv: its devices" "$(devices pv1)" "$pv_devices"
ok "pv: its root is one of them" guest_run pv1 120 'test -x /usr/bin/fio && ! grep xvdz /proc/partitions'

note "what is refused while it runs"
guest_config pv2 tools=no vscsi='["/var/tmp/data.img,0:0:0:0"]'
ok "a device of a running guest" not_made pv2 \
	"pv2.cfg:.*: vscsi: pdev '/var/tmp/data.img' is vdev 0:0:1:0 of guest 'pv1' already" /etc/xen/pv2.cfg
guest_config pv2 tools=no vscsi='["/var/tmp/none.img,0:0:0:0"]'
ok "a device that is not there" not_made pv2 "pv2.cfg:.*: vscsi: pdev '/var/tmp/none.img'" /etc/xen/pv2.cfg
guest_config pv2 tools=no vscsi='["null:1M,0:0:0:0"]' kernel=/none
ok "what xl refuses" not_made pv2 "no guest was made: xl create failed" /etc/xen/pv2.cfg
is "only the guest's record is there" "$(find /run/xenpv/guests -type f | wc -l)" 1

note "reboot, shutdown"
ok "pv: reboot from inside" reboot_inside pv1
ok "pv: its devices come again" wait_for 60 has pv1 "$pv_devices"
ok "pv: shutdown" guest_stop pv1 240
ok "pv: nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left

note "one file, with the kernel's backend and without"
for backend in kernel xenpv; do
	ok "$backend: it starts" guest_start pv3 vscsi="[\"/var/tmp/data.img,0:0:0:0,backend=$backend\"]"
	like "$backend: who serves it" "$(xenpv scsi-list pv3)" "data.img .*$backend .*connected"
	ok "$backend: it is read" guest_run pv3 60 "dd if=/dev/$(guest_disk pv3 0:0:0:0) of=/dev/null bs=64k count=64"
	ok "$backend: shutdown" guest_stop pv3 240
	ok "$backend: nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left
done

note "plain xl create, as at boot by xendomains, PVH: root on a SCSI disk, a changer and a tape"
# at_boot FILE: Debian's script, which runs xl create for each file there.
at_boot() {
	mkdir -p /etc/xen/auto
	ln -sf "$1" /etc/xen/auto/
	/etc/init.d/xendomains start && guest_exists "$(basename "$1" .cfg)"
}
GUEST_CREATE=at_boot
pvh=(type=pvh root=LABEL=lab xenpv_disk='["/var/tmp/more.img,raw,xvdf,rw"]' vscsi='["/dev/vdb,0:0:0:0,ro,shared",
	"vtl:/var/tmp/library:changer,2:0:0:0", "vtl:/var/tmp/library:drive0,2:0:1:0"]')
pvh_devices="disk mediumx tape xvdf"
ok "pvh: xendomains starts it, and it boots from there" guest_start pvh1 "${pvh[@]}" || bail "no guest"
ok "pvh: its devices come" wait_for 60 has pvh1 "$pvh_devices"
ok "pvh: reboot from inside" reboot_inside pvh1
ok "pvh: its devices come again" wait_for 60 has pvh1 "$pvh_devices"
ok "pvh: xl destroy" xl destroy pvh1
ok "pvh: nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left
ok "xenpvd ends" daemon_stop
tap_end
