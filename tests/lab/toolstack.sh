# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2154,SC2317
#
# Guests with vscsi= and xenpv_disk= in their files: made by xenpv create and by plain xl create, with their
# root file system on such a device, rebooted from inside, shut down. With SHORT=yes only the first part.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# nothing_left: no nodes of ours, no records, no processes.
nothing_left() {
	no_workers && [[ ! -e /run/xenpv/guests ]] &&
		! xenstore-ls -f /local/domain/0/backend | grep -qE '/xenpv-(vscsi|vbd)/[0-9]' &&
		! pgrep -f 'xenpv.*config-attach' >/dev/null
}
what_is_left() {
	xenstore-ls -f /local/domain/0/backend | grep -E '/xenpv-(vscsi|vbd)/[0-9]'
	ls -l /run/xenpv/guests
	pgrep -fa xenpv
	return 1
}

# devices GUEST: kinds of SCSI devices, and disks, as the guest has them.
devices() {
	guest_run "$1" 120 "lsscsi | awk '{print \$2}' | sort | tr '\n' ' '; cd /sys/block; echo xvd*"
}

# another GUEST DOMID: it is another domain, which has its console already.
another() {
	local id
	id=$(guest_id "$1" 2>/dev/null) && [[ $id != "$2" ]] &&
		xenstore-read "/local/domain/$id/console/tty" >/dev/null 2>&1
}

# reboot_inside GUEST: as an administrator in the guest does; until it is ready again.
reboot_inside() {
	local offset before
	offset=$(guest_log_size "$1")
	before=$(guest_id "$1")
	guest_run "$1" 60 'reboot >/dev/null 2>&1 &'
	wait_for 240 another "$1" "$before" && guest_wait "$1" "$offset"
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

note "xenpv create, PV: root on a SCSI disk, a tape, a disk of the block protocol"
pv_vscsi='["/dev/vdb,0:0:0:0,ro,shared", "/var/tmp/data.img,0:0:1:0", "/dev/nst0, 1:0:0:0"]'
guest_config pv1 root=LABEL=lab vscsi="$pv_vscsi" xenpv_disk='["/var/tmp/more.img,raw,xvdf,rw"]'
ok "create -n" xenpv create -n /etc/xen/pv1.cfg
GUEST_CREATE='xenpv create -q'
ok "pv: create, and it boots from there" guest_start pv1 root=LABEL=lab vscsi="$pv_vscsi" \
	xenpv_disk='["/var/tmp/more.img,raw,xvdf,rw"]' || bail "no guest"
is "pv: its devices" "$(devices pv1)" "disk disk tape xvdf"
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
is "pv: it has its devices again" "$(devices pv1)" "disk disk tape xvdf"
ok "pv: shutdown" guest_stop pv1 240
ok "pv: nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left

if [[ ${SHORT:-} != yes ]]; then
	note "plain xl create, PVH: root on a disk of the block protocol"
	GUEST_CREATE='xl create -q'
	pvh=(type=pvh root=/dev/xvda vscsi='["/var/tmp/data.img,0:0:0:0"]' xenpv_disk='["/dev/vdb,raw,xvda,ro,shared"]')
	ok "pvh: xl create, and it boots from there" guest_start pvh1 "${pvh[@]}" || bail "no guest"
	ok "pvh: its SCSI disk comes" wait_for 60 has_disk pvh1 0:0:0:0
	is "pvh: its devices" "$(devices pvh1)" "disk xvda"
	ok "pvh: reboot from inside" reboot_inside pvh1
	ok "pvh: its SCSI disk comes" wait_for 60 has_disk pvh1 0:0:0:0
	is "pvh: it has its devices again" "$(devices pvh1)" "disk xvda"
	ok "pvh: xl destroy" xl destroy pvh1
	ok "pvh: nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left
fi
ok "xenpvd ends" daemon_stop
tap_end
