#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2317 # cleanup is a trap
#
# xenpv conform without Xen: our backend, xenpvd and its worker, on a local host. Every case is a
# result. BUILD is the folder that the programs are in; what comes out stays in $OUT, if that is set.
# shellcheck source=tests/tap.sh
. "${0%/*}/../tap.sh"

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

# wait_for COMMAND...: until it succeeds, at most 20 s.
wait_for() {
	local i
	for ((i = 0; i < 400; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}

mkdir "$dir/host"
truncate -s 64M "$dir/known.img"
truncate -s 16M "$dir/scratch.img" "$dir/more.img"
"$BUILD/xenpv-local" "$dir/host" >"$out/local.log" 2>&1 &
pids+=($!)
wait_for test -S "$dir/host/xenstore"
"$BUILD/xenpvd" --worker "$BUILD/xenpv-worker" >"$out/xenpvd.log" 2>&1 &
pids=($! "${pids[@]}")
ok "xenpvd answers" wait_for "$BUILD/xenpv" status || tap_end

# The toolstack: two LUNs as soon as the guest is there, and a third when it is asked for.
cat >"$dir/attach" <<END
until "$BUILD/xenpv" scsi-attach --no-wait conform "$dir/known.img" 0:0:0:0; do sleep 0.05; done
"$BUILD/xenpv" scsi-attach --no-wait conform "$dir/scratch.img" 0:0:0:1
END
cat >"$dir/plug" <<END
case \$1 in
add) "$BUILD/xenpv" scsi-attach conform "$dir/more.img" 0:0:0:2 & ;;
remove) "$BUILD/xenpv" scsi-detach conform 0:0:0:2 & ;;
esac
END
sh "$dir/attach" >"$out/attach.log" 2>&1 &
"$BUILD/xenpv" conform --json --strict --dangerous --time 2 --hotplug "sh $dir/plug" vscsi-backend \
	>"$out/conform.json" 2>"$out/conform.log"
tap_result $? "no case fails"
conform_results "$out/conform"
((tap_count > 150)) || { tap_result 1 "all cases were run"; sed 's/^/# /' "$out"/*.log; }
stop
tap_end
