# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# iscsi-test-cu, a process per suite, inside a guest against our disk, and natively in dom0 against
# the kernel's scsi_debug. A test passes, fails or is skipped: the tool counts skipped as passed, this
# does not. The table of both is $OUT/conformance.md.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# Of the suites of family ALL not run: those that need an iSCSI session, and
#   Sanitize	the tool itself crashes on a sg node (it reads a struct of an iSCSI session)
#   GetLBAStatus on scsi_debug	crashes dom0's kernel when scsi_debug has unmapping
SUITES=$(iscsi-test-cu -l | sed -n 's/^ALL\.\([^.]*\)$/\1/p' | grep -vE '^(iSCSI|Multipath|Sanitize)')

# run_suites NODE: the tool's words of every suite, each after "== SUITE", and its status.
# In dom0 and in the guest.
run_suites='for s in $SUITES; do
	echo "== $s"
	timeout 300 iscsi-test-cu -d -v -t ALL.$s $NODE 2>&1 </dev/null
	echo "== status $?"
done'

# results FILE: "SUITE.TEST pass|fail|skip reason" of what run_suites said.
results() {
	awk '
	function flush() {
		if (test == "") return
		r = failed ? "fail" : skipped ? "skip" : "pass"
		print suite "." test, r, why
		test = ""; failed = skipped = 0; why = ""
	}
	/^== status/ { flush(); if ($3 > 1) print suite ".(all)", "fail", "status " $3; next }
	/^== / { flush(); suite = $2; next }
	/^ *Test: / { flush(); test = $2; sub(/\.\.\..*/, "", test) }
	/\[SKIPPED\]/ { skipped = 1; if (why == "") { why = $0; sub(/.*\[SKIPPED\] */, "", why) } }
	/\[FAILED\]/ { failed = 1; if (why == "") { why = $0; sub(/.*\[FAILED\] */, "", why) } }
	/FAILED *$/ { failed = 1 }
	/^ *[0-9]+\. .*\.c:[0-9]+/ { failed = 1; if (why == "") why = $0 }
	END { flush() }' "$1"
}

# Failures that we take for the tool's own, each with its reason. The two about UNMAP rest on our
# reading of SBC-3 from memory: see doc/conformance.md.
declare -A KNOWN=(
	[GetLBAStatus.UnmapSingle]="asks for LBA i+1 and wants i+8 back where a physical block has 8 logical ones"
	[WriteSame16.Unmap]="reads 32 MiB with one command, which SG_IO does not carry"
	[WriteSame10.UnmapUntilEnd]="sends blocks of 0xff with UNMAP and wants zeroes: we write them"
	[WriteSame16.UnmapUntilEnd]="sends blocks of 0xff with UNMAP and wants zeroes: we write them"
)

daemon_start || bail "xenpvd starts"
guest_start g type=pv memory=512 || bail "the guest starts"
truncate -s 64M /var/tmp/conform.img
ok "attach" xenpv scsi-attach g /var/tmp/conform.img 0:0:0:0 || tap_end
sg=$(guest_sg g 0:0:0:0)
guest_run g 900 "SUITES='${SUITES//$'\n'/ }' NODE=/dev/$sg; $run_suites" >"$OUT/xenpv.txt" ||
	bail "the suites run in the guest"
modprobe -a sg sd_mod
modprobe scsi_debug dev_size_mb=64 delay=0 || bail "scsi_debug loads"
# debug_node: its sg node.
debug_node() {
	lsscsi -g | awk '/scsi_debug/ && $NF ~ /sg/ {print $NF}' | grep .
}
wait_for 20 debug_node >/dev/null || bail "scsi_debug has a node"
native=$(debug_node)
SUITES=$SUITES NODE=$native bash -c "$run_suites" >"$OUT/scsi_debug.txt"

results "$OUT/xenpv.txt" >"$OUT/xenpv.results"
results "$OUT/scsi_debug.txt" >"$OUT/scsi_debug.results"
{
	echo "| test | xenpv in a guest | scsi_debug, native | why not passed (xenpv) |"
	echo "|---|---|---|---|"
	awk 'NR == FNR { native[$1] = $2; next }
	{ w = ""; for (i = 3; i <= NF; i++) w = w (i > 3 ? " " : "") $i; gsub(/\|/, "/", w)
	  print "| " $1 " | " $2 " | " ($1 in native ? native[$1] : "-") " | " w " |" }' \
		"$OUT/scsi_debug.results" "$OUT/xenpv.results"
	printf '\nFailures that we take for the tool'"'"'s own:\n\n'
	for test in "${!KNOWN[@]}"; do echo "- $test ${KNOWN[$test]}"; done | sort
} >"$OUT/conformance.md"

count() { grep -c " $2\b" "$OUT/$1.results"; }
for who in xenpv scsi_debug; do
	note "$who: $(count $who pass) pass, $(count $who fail) fail, $(count $who skip) skipped"
done
grep ' fail' "$OUT/xenpv.results" | sed 's/^/# xenpv /'
while read -r test result why; do
	case $result in
	pass) tap_result 0 "$test" ;;
	skip) echo "ok $((++tap_count)) - $test # SKIP $why" ;;
	*)
		if [[ -v KNOWN[$test] ]]; then
			echo "ok $((++tap_count)) - $test # SKIP the tool: ${KNOWN[$test]}"
		else
			tap_result 1 "$test: $why"
		fi
		;;
	esac
done <"$OUT/xenpv.results"
ok "scsi_debug ran, too" test "$(count scsi_debug pass)" -gt 40
is "no test that scsi_debug passes is failed or skipped" \
	"$(awk 'NR == FNR { if ($2 == "pass") n[$1]; next } $2 != "pass" && $1 in n { print $1, $2 }' \
		"$OUT/scsi_debug.results" "$OUT/xenpv.results")" ''
xl destroy g
daemon_stop
tap_end
