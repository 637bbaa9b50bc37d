#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2317 # cleanup is a trap
#
# xenpv conform without Xen: our frontend, xenpv guest, on a local host. The suite is its backend. BUILD
# is the folder that the programs are in; what comes out stays in $OUT, if that is set. CASES are
# patterns, with a guest for each; all of them: CASES='handshake* luns* results* requests* bogus*'.
# shellcheck source=tests/tap.sh
. "${0%/*}/../tap.sh"

: "${CASES:=handshake.[!f]* handshake.feature-sg-grant-[26]* luns.[bo]* requests* results.*attention bogus.*-17 bogus.*-65535}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/conform.XXXXXX") || exit 1
out=${OUT:-$dir}
export XENPV_HOST=local:$dir/host
pids=()

# stop: ends what was started here.
stop() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	pids=()
}
trap 'stop; rm -rf "$dir"' EXIT

# Makes the guest read and write, and waits until it has.
cat >"$dir/stimulus" <<END
u=\$CONFORM_UNIT token=token\$\$
printf '%s\n' "read \$u:0:0:0 0 4096 /dev/null" "read \$u:0:0:1 0 4096 /dev/null" \
	"read \$u:0:0:0 8192 589824 /dev/null" "write \$u:0:0:0 65536 262144" "echo \$token" >"$dir/commands"
i=0
until grep -q "\$token" "$dir/guest.log"; do
	i=\$((i + 1))
	[ \$i -lt 200 ] || exit 1
	sleep 0.05
done
END

# conform_in PATTERN: cases, in a guest of their own.
conform_in() {
	local guest i
	rm -f "$dir/commands"
	mkfifo "$dir/commands"
	exec 9<>"$dir/commands"
	"$BUILD/xenpv" guest -k web <"$dir/commands" >"$dir/guest.log" 2>&1 9<&- &
	guest=$!
	for ((i = 0; i < 400; i++)); do
		"$BUILD/xenpv" scsi-list web >/dev/null 2>&1 && break
		sleep 0.05
	done
	"$BUILD/xenpv" conform --json --only "$1" --stimulus "sh $dir/stimulus" --check "kill -0 $guest" \
		vscsi-frontend web >"$dir/one.json" 2>"$dir/one.log" 9<&-
	kill "$guest"
	wait "$guest" 2>/dev/null
	exec 9<&-
	conform_results "$dir/one"
}

mkdir "$dir/host"
"$BUILD/xenpv-local" "$dir/host" >"$out/local.log" 2>&1 &
pids+=($!)
for ((i = 0; i < 400; i++)); do
	[[ -S $dir/host/xenstore ]] && break
	sleep 0.05
done
set -f # patterns are the suite's
for cases in $CASES; do
	conform_in "$cases"
done
stop
tap_end
