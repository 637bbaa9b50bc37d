# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scripts that run a whole local host, daemon, workers and guests, out of the folder XENPV_BUILD
# (default: build). They source this, and are in a directory of their own then: $WORK, which has the
# host ($WORK/host) and what the guests say ($WORK/NAME.out). All ends with the script.
#
# Nothing of it needs root: root becomes nobody first, with copies of what that takes.
set -u

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
XENPV_BUILD=$(cd "${XENPV_BUILD:-build}" && pwd)
script=${0##*/}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/xenpv-${script%.sh}.XXXXXX") || exit 1
programs=(xenpv xenpvd xenpv-worker xenpv-local)

if ((EUID == 0)); then
	mkdir -p "$WORK/bin/nbd" "$WORK/tests"
	cp "${programs[@]/#/$XENPV_BUILD/}" "$WORK/bin"
	cp "$XENPV_BUILD"/nbd/*.so "$WORK/bin/nbd" 2>/dev/null # where there is nbdkit
	cp "$XENPV_BUILD/tests/local/vbd_backend" "$WORK/bin" 2>/dev/null # where tests are built
	cp -r "$here" "$here"/../*.sh "$WORK/tests"
	chmod -R a+rX "$WORK"
	child=
	# shellcheck disable=SC2086 # a number, or nothing
	trap 'kill $child 2>/dev/null; wait; rm -rf "$WORK"' EXIT
	trap 'exit 1' INT TERM
	setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ \
		XENPV_BUILD="$WORK/bin" bash "$WORK/tests/local/$script" &
	child=$!
	wait $child
	exit $?
fi

# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
cd "$WORK" || exit 1
export XENPV_HOST=local:$WORK/host XENSTORED_PATH=$WORK/host/xenstore
declare -A guest_pid guest_fd
daemon_pid=

# xenpv ARGUMENT...: no command may hang.
xenpv() {
	timeout 60 "$XENPV_BUILD/xenpv" "$@"
}

# clean_up: whatever happened, nothing stays.
clean_up() {
	local pid
	exec 2>/dev/null # of what the shell says about dead children
	for pid in $daemon_pid "${guest_pid[@]}" $(ours); do
		kill -KILL "$pid"
	done
	wait
	cd / && rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# ours [NAME]: processes that work for this host, of that name: those whose environment says so.
ours() {
	local dir
	for dir in /proc/[0-9]*; do
		[[ ${dir#/proc/} != "$$" && ${dir#/proc/} != "$BASHPID" ]] || continue
		grep -qz "^XENPV_HOST=local:$WORK/host\$" "$dir/environ" 2>/dev/null || continue
		[[ $(cat "$dir/comm" 2>/dev/null) == "${1:-xenpv}"* ]] && echo "${dir#/proc/}"
	done
}

# freeze PID: stop it, and return when every thread of it stands.
freeze() {
	kill -STOP "$1" && wait_for 10 frozen_now "$1"
}
frozen_now() {
	! cat "/proc/$1"/task/*/stat | sed 's/.*) //' | grep -qv '^T'
}

# wait_for SECONDS COMMAND...: until it succeeds; 124 past the time.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 124
		sleep 0.05
	done
}

# ends PID: whether it has.
ends() {
	[[ ! -d /proc/$1 ]] || [[ $(<"/proc/$1/stat") == *') Z '* ]]
}

# alone COMMAND...: without the other guests' pipes, whose ends would not be seen. For subshells.
alone() {
	local fd
	for fd in "${guest_fd[@]}"; do
		exec {fd}>&-
	done
	exec "$@"
}

# daemon_start [OPTION]...: xenpvd, with its log in xenpvd.log.
daemon_start() {
	alone "$XENPV_BUILD/xenpvd" --worker "$XENPV_BUILD/xenpv-worker" "$@" >>xenpvd.log 2>&1 &
	daemon_pid=$!
	wait_for 20 xenpv status >/dev/null 2>&1
}

# daemon_stop: with all devices, in an orderly way, and not slowly.
daemon_stop() {
	local pid=$daemon_pid
	kill -INT "$pid" && wait_for 30 ends "$pid" || return
	daemon_pid=
	wait "$pid"
}

# no_workers: whether every worker process has ended.
no_workers() {
	[[ -z $(ours xenpv-worker) ]]
}

# guest_start NAME [OPTION]...: a guest that waits for commands.
guest_start() {
	local fd
	mkfifo "$1.in" && exec {fd}<>"$1.in"
	guest_fd[$1]=$fd
	alone "$XENPV_BUILD/xenpv" guest --keep-going "${@:2}" "$1" <"$1.in" >"$1.out" 2>&1 &
	guest_pid[$1]=$!
	guest_do "$1" list >/dev/null
}

# guest_send NAME COMMAND: without waiting for its end.
guest_send() {
	echo "$2" >&"${guest_fd[$1]}"
}

# guest_do NAME COMMAND: what the guest says to it; fails if that has an error in it, or after 60 s.
guest_do() {
	local mark said
	mark="-- $EPOCHREALTIME"
	guest_send "$1" "echo $mark begins"
	guest_send "$1" "$2"
	guest_send "$1" "echo $mark ends"
	wait_for 60 grep -q "^$mark ends" "$1.out" || { echo "guest $1 does not answer to: $2"; return 1; }
	said=$(sed -n "/^$mark begins/,/^$mark ends/p" "$1.out" | sed '1d;$d')
	echo "$said"
	[[ $said != *"xenpv: "* ]]
}

# guest_stop NAME: in an orderly way. Its status is that of the worst command.
guest_stop() {
	local fd=${guest_fd[$1]} pid=${guest_pid[$1]}
	exec {fd}>&-
	unset "guest_pid[$1]" "guest_fd[$1]"
	wait_for 20 ends "$pid" && wait "$pid"
}

# guest_kill NAME: without a word.
guest_kill() {
	local fd=${guest_fd[$1]} pid=${guest_pid[$1]}
	exec {fd}>&-
	unset "guest_pid[$1]" "guest_fd[$1]"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	return 0
}

# guest_id NAME: its number.
guest_id() {
	xenstore-ls -f /local/domain | sed -n "s|^/local/domain/\([0-9]*\)/name = \"$1\"$|\1|p"
}
