# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# What an administrator can get wrong: one line on stderr that names what and where, status 1, and
# nothing changed in xenstore.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

guest_start g1 || bail "guest g1 starts"
guest_start g2 tools=no memory=192 || bail "guest g2 starts"
cd /var/tmp || exit 1
truncate -s 64M good.img
refused "daemon not running" "xenpvd is not running" xenpv scsi-attach g1 good.img 0:0:0:0
daemon_start || bail "xenpvd starts"
bad_input g1
refused "given to another guest" "good.img.*g1|g1.*good.img" xenpv scsi-attach g2 good.img 0:0:0:0
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
