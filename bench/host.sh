# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For the programs of this folder that measure on a local host: sourced with the build's folder as first argument. They
# have a folder of their own then, $work, below $DIR or the build; it and all processes end with the script.
build=$(realpath "${1:-build}")
work=$(realpath "$(mktemp -d "${DIR:-$build}/bench.XXXXXX")")
export XENPV_HOST=local:$work/host
pids=()
daemon=

# xenpvd that is only terminated leaves its workers to the next one.
end_all() {
	[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || :
	[[ ! $daemon ]] || kill -INT "$daemon" 2>/dev/null || :
	wait
	rm -rf "$work"
}
trap end_all EXIT

# fail TEXT: with what was said.
fail() {
	echo "bench/${0##*/}: $*" >&2
	tail -n 20 "$work"/*.out "$work/log" >&2
	exit 1
}

# start COMMAND...: in the background, until we end.
start() {
	"$@" >>"$work/log" 2>&1 &
	pids+=($!)
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	fail "no success in 30 s: $*"
}

xenpv() {
	"$build/xenpv" "$@"
}

# serve: xenpvd for the host.
serve() {
	mkdir "$work/host"
	"$build/xenpvd" --host "$XENPV_HOST" --worker "$build/xenpv-worker" --log-level warning >>"$work/log" 2>&1 &
	daemon=$!
	wait_for xenpv status
}
