# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# xenpv conform blk-frontend without Xen: our frontend, xenpv guest, on a local host. The suite is its backend, and
# every case is a result. What breaks a device is run in a guest of its own; all of that with ALL=1.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

ALL=${ALL:-0}

# What makes the guest use its disk: all of it, writes, flushes and gives back.
cat >stimulus <<'END'
disk=vbd/$CONFORM_UNIT token=token$$
printf '%s\n' "read $disk 0 $((CONFORM_SECTORS * 512)) /dev/null" "write $disk 65536 262144" \
	"discard $disk 1048576 65536" "echo $token" >commands
i=0
until grep -q "$token" guest.log; do
	i=$((i + 1))
	[ $i -lt 1000 ] || exit 1
	sleep 0.05
done
END

# in_guest PATTERN [OPTION...]: these cases, in a new guest.
in_guest() {
	local guest
	rm -f commands
	mkfifo commands
	exec 9<>commands
	"$XENPV_BUILD/xenpv" guest -k "${@:2}" web <commands >guest.log 2>&1 9<&- &
	guest=$!
	wait_for 20 xenpv block-list web >/dev/null 2>&1
	timeout 300 "$XENPV_BUILD/xenpv" -v conform --json --strict --dangerous --only "$1" --stimulus "sh stimulus" \
		--check "kill -0 $guest" blk-frontend web >conform.json 2>conform.log 9<&-
	kill "$guest"
	wait "$guest" 2>/dev/null
	exec 9<&-
	conform_results conform
}

mkdir host
ok "xenpvd answers" daemon_start || tap_end
# Lies of each kind are enough: what the engine makes of all others its unit tests and fuzzers know.
breaking='.*(dies|id-4096|one-request|discard|by-2-31|0xff)$'
((ALL)) && breaking=.
breaking=$(xenpv conform --list --json blk-frontend |
	jq -r --arg which "$breaking" '.[].case | select(startswith("bogus") and test($which))')
set -f # patterns are the suite's
for cases in ${CASES:-handshake* offers* properties* resize* results* requests* $breaking}; do
	in_guest "$cases"
done
in_guest '@(handshake.protocol|offers.nothing|offers.everything|results.answers-in-another-order)' --protocol x86_32-abi
like "the layout was that of 32 bits" "$(jq -r '.results[] | select(.case == "handshake.protocol").detail' conform.json)" \
	'^x86_32-abi$'
is "a pattern that is no case's is refused" "$(xenpv conform --only 'offer.*' blk-frontend web 2>&1)" \
	"xenpv: no case is named 'offer.*': 'xenpv conform --list blk-frontend' shows all"
ok "xenpvd ends" daemon_stop
tap_end
