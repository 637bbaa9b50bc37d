# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# What an administrator can get wrong: one line on stderr that names what and where, status 1, and
# nothing changed in xenstore.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# tree: all of xenstore that belongs to devices of guests.
tree() {
	xenstore-ls -f /local/domain | grep -E '/(backend|device)/' | sort
}

# refused TEXT REGEX COMMAND...: it fails as it should.
refused() {
	local text=$1 regex=$2 before after said rc lines
	shift 2
	before=$(tree)
	said=$("$@" 2>&1 >/dev/null)
	rc=$?
	after=$(tree)
	lines=$(printf '%s\n' "$said" | wc -l)
	note "$said"
	is "$text: status 1" $rc 1
	is "$text: one line" "$lines" 1
	like "$text: says what" "$said" "$regex"
	is "$text: xenstore is as it was" "$after" "$before"
}

guest_start g1 || bail "guest g1 starts"
guest_start g2 tools=no memory=192 || bail "guest g2 starts"
cd /var/tmp || exit 1
truncate -s 64M good.img other.img
truncate -s 0 empty.img
truncate -s 1000 odd.img
cp good.img readonly.img
chmod 444 readonly.img
chattr +i readonly.img 2>/dev/null

refused "daemon not running" "xenpvd is not running" xenpv scsi-attach g1 good.img 0:0:0:0
daemon_start || bail "xenpvd starts"
refused "unknown guest" "nobody" xenpv scsi-attach nobody good.img 0:0:0:0
refused "unknown guest id" "4711" xenpv scsi-attach 4711 good.img 0:0:0:0
refused "malformed vdev" "0:0:0" xenpv scsi-attach g1 good.img 0:0:0
refused "vdev with words" "0:0:x:0" xenpv scsi-attach g1 good.img 0:0:x:0
refused "vdev out of range" "0:0:99:0" xenpv scsi-attach g1 good.img 0:0:99:0
refused "unknown option" "shred.*shared" xenpv scsi-attach g1 good.img 0:0:0:0,shred
refused "missing pdev" "missing.img" xenpv scsi-attach g1 missing.img 0:0:0:0
refused "a directory" "/var/tmp" xenpv scsi-attach g1 /var/tmp 0:0:0:0
refused "empty pdev" "empty.img" xenpv scsi-attach g1 empty.img 0:0:0:0
refused "odd-sized pdev" "odd.img" xenpv scsi-attach g1 odd.img 0:0:0:0
refused "read-only pdev" "readonly.img.*ro" xenpv scsi-attach g1 readonly.img 0:0:0:0
refused "detach of nothing" "0:0:0:0" xenpv scsi-detach g1 0:0:0:0

ok "attach" xenpv scsi-attach g1 good.img 0:0:0:0
refused "occupied vdev" "0:0:0:0" xenpv scsi-attach g1 other.img 0:0:0:0
refused "given to another guest" "good.img.*g1|g1.*good.img" xenpv scsi-attach g2 good.img 0:0:0:0
refused "given to the same guest" "good.img" xenpv scsi-attach g1 good.img 0:0:0:1
ok "a read-only disk with ro" xenpv scsi-attach g1 readonly.img 0:0:1:0,ro
ro=$(guest_disk g1 0:0:1:0)
is "the guest sees it write protected" "$(guest_run g1 20 "cat /sys/block/$ro/ro")" 1
ok "shared by two guests" xenpv scsi-attach g1 other.img 0:0:2:0,shared
ok "shared by two guests" xenpv scsi-attach g2 other.img 0:0:2:0,shared
refused "shared only by one side" "other.img" xenpv scsi-attach g2 other.img 1:0:0:0

# A guest that never answers: its frontend is not there.
guest_run g2 20 'rmmod xen-scsifront || echo -n blocked' >/dev/null
ok "a frontend that goes away takes nothing else along" guest_run g1 20 "sg_turs /dev/$(guest_sg g1 0:0:0:0)"
xl pause g2
truncate -s 16M silent.img
refused "frontend that never answers" "g2" xenpv scsi-attach --timeout 5 g2 silent.img 3:0:0:0
ok "what was taken back can be given again" xenpv scsi-attach g1 silent.img 0:0:3:0
xl unpause g2

for g in g1 g2; do xl destroy $g; done
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd stops" daemon_stop
tap_end
