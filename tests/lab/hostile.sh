# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2119,SC2317
#
# A guest whose frontend is a program that sends what no driver would (xenpv conform), on one of its
# controllers; its other controller, of the same worker, and another guest go on under load, and every
# byte they read is what they wrote.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# For the random requests.
RANDOM_SECONDS=${RANDOM_SECONDS:-20}
SEED=${SEED:-0}
# Of each guest's load, a second, if all its requests were of 4 KiB (fio's rate_iops; they are 66 KiB on average);
# empty: as many as it can, which takes the emulated processor from the suite.
LOAD_RATE=${LOAD_RATE-4}
NEIGHBOUR_RATE=${NEIGHBOUR_RATE-$LOAD_RATE}
# Of the one processor that all have here, what the attacker's own programs get, in percent; empty: their share. Where it
# has a processor of its own its programs take nothing from anybody, and what an attack costs is what backends do for it.
ATTACKER_CAP=${ATTACKER_CAP-}
# Of each look at how fast the neighbour is without an attack; 0: nobody looks, which takes minutes.
PACE_SECONDS=${PACE_SECONDS:-0}
# A worker's data area for one controller is 18 MiB; each of its pages is taken when it is first used.
RSS_MORE_KIB=$((48 * 1024))

# load GUEST DISK [RATE]: writes and verifies in the background, pass after pass, until load_ends GUEST,
# which tells how it went (a pass at a low rate takes minutes). It verifies while it writes: a pass whose reads all
# come at its end is no measure.
load() {
	guest_run "$1" 20 "cd /tmp; rm -f load.*
		(passes=0
		until [ -e load.stop ]; do
			fio --name=load --filename=/dev/$2 --ioengine=libaio --direct=1 --rw=randwrite \
				--bsrange=4k-128k --iodepth=8 --size=1m ${3:+--rate_iops=$3} \
				--verify=crc32c --verify_fatal=1 --verify_backlog=8 --randseed=\$passes >load.log 2>&1 || break
			passes=\$((passes + 1))
		done
		echo \"\$passes passes\" >>load.log
		[ -e load.stop ]; echo \$? >load.rc) </dev/null >/dev/null 2>&1 &"
}
load_ends() {
	# shellcheck disable=SC2016 # for the guest's shell
	guest_run "$1" 620 'cd /tmp; touch load.stop
		for i in $(seq 6000); do [ -s load.rc ] && break; sleep 0.1; done
		cat load.log; grep -q "^[1-9][0-9]* passes" load.log && exit $(cat load.rc)'
}

# ios GUEST DISK: what its kernel has had done so far, requests read and written.
ios() {
	# shellcheck disable=SC2016 # for the guest's awk
	guest_run "$1" 60 "awk '{ print \$1 + \$5 }' /sys/block/$2/stat"
}

# times: the processor time that each domain and each worker has had, a line each: NAME SECONDS.
times() {
	local pid
	xl list | awk 'NR > 1 { print $1, $NF }'
	for pid in $(workers); do
		awk -v hz="$(getconf CLK_TCK)" '{ print "worker-" $1, ($14 + $15) / hz }' "/proc/$pid/stat"
	done
}

# pace WHAT COMMAND...: how many requests a second the neighbour has done while COMMAND ran, and who had the
# processor.
pace() {
	local what=$1 since begun ended ms times
	shift
	((PACE_SECONDS)) || { "$@"; return; }
	begun=$(ios g2 "$other")
	times=$(times)
	since=$(now_ms)
	"$@"
	ended=$(ios g2 "$other")
	ms=$(($(now_ms) - since))
	note "the neighbour, $what: $(((ended - begun) * 100000 / ms)) requests in 100 s"
	note "of the processor:$(join <(sort <<<"$times") <(times | sort) |
		awk -v ms=$ms '{ printf " %s %.0f %%", $1, ($3 - $2) * 100000 / ms }')"
}
# counts: g1's processor has something to do.
counts() {
	((!PACE_SECONDS)) || guest_run g1 $((PACE_SECONDS + 60)) "timeout $PACE_SECONDS sh -c 'while :; do :; done'; :"
}
now_ms() {
	date +%s%3N
}

# workers: the processes, in order; rss: what they take, in KiB.
workers() {
	pgrep -x xenpv-worker | sort -n | paste -s -d ' '
}
rss() {
	local pid sum=0 kib
	for pid in $(workers); do
		kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
		sum=$((sum + kib))
	done
	echo "$sum"
}

# attack GUEST UNIT: all cases of the conformance suite, the dangerous ones too, with the answers that
# our backend promises; their results become ours.
attack() {
	guest_conform "$1" $((1200 + RANDOM_SECONDS)) "$OUT/conform" --strict --dangerous --time "$RANDOM_SECONDS" --seed "$SEED" "$2"
	conform_results "$OUT/conform"
	is "the suite came to its end" "$(jq '.results | length > 150' "$OUT/conform.json")" true
	is "no case was skipped but those of the toolstack" \
		"$(jq -r '.results[] | select(.result == "skip" and .family != "hotplug") | .case' "$OUT/conform.json")" ''
}

cd /var/tmp || exit 1
truncate -s 64M good.img other.img known.img
truncate -s 16M scratch.img
daemon_start || bail "xenpvd starts"
guest_start g1 vcpus=2 || bail "guest g1 starts"
guest_start g2 || bail "guest g2 starts"
guest_xenpv g1 || bail "the program gets into the guest"
ok "g1: a disk for its kernel" xenpv scsi-attach g1 good.img 0:0:0:0
ok "g2: a disk for its kernel" xenpv scsi-attach g2 other.img 0:0:0:0
# What comes from now on is left alone by the kernel's driver.
ok "g1: drivers wait" guest_run g1 20 'echo 0 >/sys/bus/xen/drivers_autoprobe'
ok "g1: a controller for the program" xenpv scsi-attach --no-wait g1 known.img 1:0:0:0
ok "g1: with two LUNs" xenpv scsi-attach --no-wait g1 scratch.img 1:0:0:1

[[ ! $ATTACKER_CAP ]] || ok "g1: a cap" xl sched-credit2 -d g1 -c "$ATTACKER_CAP"
good=$(guest_disk g1 0:0:0:0)
other=$(guest_disk g2 0:0:0:0)
like "both kernels have their disks" "$good $other" '^sd[a-z]+ sd[a-z]+$' || bail "no disks"
ok "g1: load" load g1 "$good" "$LOAD_RATE"
ok "g2: load" load g2 "$other" "$NEIGHBOUR_RATE"
before=$(workers)
rss_before=$(rss)
while sleep 10; do rss; done >"$OUT/rss" &
rss_pid=$!

# What the attack costs the neighbour is more than what a guest that only takes its processor time does:
# the hypervisor shares that out, not the backend.
sleep $((PACE_SECONDS / 5)) # the first pass has begun
pace "g1 without an attack" sleep "$PACE_SECONDS"
pace "g1 counts" counts
pace "g1 attacks" attack g1 1
pace "g1 counts again" counts

kill "$rss_pid"
note "RSS of the workers in the attack: $(sort -n "$OUT/rss" | sed -n '1p;$p' | paste -s -d ' ') KiB at" \
	"least and at most"
after=$(workers)
rss_after=$(rss)
is "the workers are the same processes" "$after" "$before"
note "RSS of the workers: $rss_before KiB before, $rss_after KiB after"
ok "and have not grown without bound" test "$rss_after" -lt $((rss_before + RSS_MORE_KIB))
ok "g1: the load on its other controller saw no error" load_ends g1
ok "g2: the load saw no error" load_ends g2
for g in g1 g2; do note "$g: $(guest_run $g 20 'tail -n 1 /tmp/load.log') of the load"; done
lines=$(grep -c 'guest error' "$OUT/xenpvd.log")
note "$lines lines about guest errors"
like "the guest's errors were logged, at a limited rate" "$lines" '^[1-9][0-9]?[0-9]?$'
xenpv status | sed 's/^/# /'
for g in g1 g2; do xl destroy $g; done
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'segfault|trap')" ''
tap_end
