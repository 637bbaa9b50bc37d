#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2317 # cleanup is a trap
#
# xenpv conform blk-backend without Xen, on the backend of vbd_back.h: core/blk_back on a local host.
# Every case is a result. BUILD is the folder that the programs are in.
# shellcheck source=tests/tap.sh
. "${0%/*}/../tap.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/conform-block.XXXXXX") || exit 1
export XENPV_HOST=local:$dir/host XENSTORED_PATH=$dir/host/xenstore
pids=()

# stop: ends what was started here.
stop() {
	local pid
	exec 3>&-
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	pids=()
}
trap 'stop; rm -rf "$dir"' EXIT

# guest_id: the domain that the suite is, once it is there.
guest_id() {
	xenstore-ls -f /local/domain 2>/dev/null |
		sed -n 's|^/local/domain/\([0-9]*\)/name = "conform"$|\1|p'
}

# attach [KEY=VALUE]...: the toolstack and the backend. Its standard input stays open until the end.
attach() {
	local i id
	for ((i = 0; i < 400; i++)); do
		id=$(guest_id)
		[[ -n $id ]] && exec "$BUILD/tests/local/vbd_backend" "$dir/host" "$id" "$@" <"$dir/orders"
		sleep 0.05
	done
}

# suite NAME [KEY=VALUE]...: all cases on such a backend.
suite() {
	local name=$1 pid verdict case detail
	shift
	attach "$@" 3>&- >/dev/null 2>"$dir/backend.log" &
	pid=$!
	pids+=("$pid")
	timeout 120 "$BUILD/xenpv" conform --json --strict --dangerous blk-backend xvda 3>&- \
		>"$dir/conform.json" 2>"$dir/conform.log" </dev/null
	tap_result $? "$name: no case fails"
	while IFS=$'\t' read -r verdict case detail; do
		case $verdict in
		skip) echo "ok $((++tap_count)) - $name: $case # SKIP $detail" ;;
		*)
			[[ $verdict == pass ]]
			tap_result $? "$name: $case${detail:+: $detail}"
			;;
		esac
	done < <(jq -r '.results[] | [.result, .case, .detail] | @tsv' "$dir/conform.json")
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

mkdir "$dir/host"
mkfifo "$dir/orders"
exec 3<>"$dir/orders"
"$BUILD/xenpv-local" "$dir/host" 3>&- >"$dir/local.log" 2>&1 &
pids+=($!)
for ((i = 0; i < 100; i++)); do
	[[ -S $dir/host/xenstore ]] && break
	sleep 0.05
done
suite "plain" features=0
suite "all" order=4 indirect=64 block=4096
suite "read-only" info=4 indirect=600
((tap_count > 150)) || { tap_result 1 "all cases were run"; sed 's/^/# /' "$dir"/*.log; }
stop
tap_end
