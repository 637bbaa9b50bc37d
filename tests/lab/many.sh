# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Many LUNs, what they cost in memory, and the daemon's own life: an orderly stop with a guest
# connected, and a start after it.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# memory: resident KiB of the worker, and how much of it is its own.
memory() {
	awk '/^Rss:/ {rss = $2} /^Private_(Clean|Dirty):/ {own += $2}
		END {print rss " KiB resident, " own " KiB of it private"}' \
		"/proc/$(pgrep -x xenpv-worker | head -n 1)/smaps_rollup"
}

# threads: of the worker.
threads() {
	find "/proc/$(pgrep -x xenpv-worker | head -n 1)/task" -maxdepth 1 -mindepth 1 | wc -l
}

# disks N, listed N: as many has the guest; has scsi-list.
disks() {
	[[ $(guest_run g 60 'lsscsi | grep -c XENPV') == "$1" ]]
}
listed() {
	[[ $(xenpv scsi-list --json g | jq length) == "$1" ]]
}

cd /var/tmp || exit 1
daemon_start || bail "xenpvd starts"
guest_start g type=pv memory=512 || bail "the guest starts"
for ((i = 0; i < 64; i++)); do truncate -s 16M many$i.img; done

ok "the first LUN" xenpv scsi-attach g many0.img 0:0:0:0
note "1 LUN: $(memory), $(threads) threads"
first=$(memory)
failed=0
for ((i = 1; i < 64; i++)); do
	xenpv scsi-attach --no-wait g many$i.img $((i / 16)):0:$((i % 16 / 4)):$((i % 4)) >/dev/null || failed=1
done
tap_result $failed "63 more, on four controllers with four targets of four LUNs"
note "64 LUNs on 4 controllers: $(memory), $(threads) threads"
ok "the guest has 64 disks" wait_for 120 disks 64
ok "scsi-list has 64 lines" listed 64
ok "each reads and writes" guest_run g 120 'for d in $(lsscsi | awk "/XENPV/ {print \$NF}"); do
	echo $d >/tmp/x; dd if=/tmp/x of=$d bs=512 count=1 conv=sync oflag=direct 2>/dev/null || exit 1
	dd if=$d bs=512 count=1 iflag=direct 2>/dev/null | grep -qa "^$d\$" || exit 1; done'
after=$(memory)
note "64 LUNs, each used: $after"
is "REPORT LUNS tells a target's four" \
	"$(guest_run g 20 "sg_luns --quiet /dev/$(guest_sg g 2:0:1:0) | wc -l")" 4
# take HOST: the LUNs of a controller, but the very first.
take() {
	local i rc=0
	for ((i = 15; i >= ($1 == 0); i--)); do
		detach g "$1:0:$((i / 4)):$((i % 4))" >/dev/null || rc=1
	done
	return $rc
}
pids=() failed=0
for host in 0 1 2 3; do take $host & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
tap_result $failed "63 are detached, four at a time"
ok "the guest has one disk" disks 1
note "1 LUN again: $(memory) (at first: $first)"

ok "xenpvd stops with a guest connected" daemon_stop
ok "no worker is left" wait_for 20 no_workers
ok "the guest has lost the disk, and lives" wait_for 30 has_no_disk g 0:0:0:0
daemon_start || bail "xenpvd starts again"
xenpv scsi-list g | sed 's/^/# /'
xenpv scsi-detach --force g 0:0:0:0 >/dev/null 2>&1
ok "the disk can be attached again" xenpv scsi-attach g many0.img 0:0:0:0
ok "and is read" guest_run g 20 "dd if=/dev/$(guest_disk g 0:0:0:0) bs=512 count=1 | grep -a sd"
guest_stop g
ok "no worker is left after the guest's shutdown" wait_for 20 no_workers
is "nothing is left in xenstore" "$(xenstore-ls -f /local/domain/0/backend/xenpv-vscsi 2>/dev/null |
	grep -v 'xenpv-vscsi = ')" ''
ok "xenpvd stops" daemon_stop
tap_end
