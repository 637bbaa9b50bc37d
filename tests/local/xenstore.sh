#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The stock clients of xenstore (package xenstore-utils) on xenpv-local, and how
# that starts and ends. Not as root: nothing of it needs that.
#
# usage: tests/local/xenstore.sh XENPV-LOCAL
# shellcheck disable=SC2317 # functions are called by name
set -u

here=$(cd "${0%/*}" && pwd)
if [ "$(id -u)" -eq 0 ]; then
	dir=$(mktemp -d /tmp/xenpv-local.XXXXXX)
	# The nobody of this run need not reach where it was built.
	mkdir -p "$dir/tests/local"
	cp "$here/../tap.sh" "$dir/tests"
	cp "$0" "$dir/tests/local"
	cp "$1" "$dir/xenpv-local"
	chmod -R a+rX "$dir"
	chown 65534:65534 "$dir"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$dir/tests/local/xenstore.sh" "$dir/xenpv-local"
	rc=$?
	rm -rf "$dir"
	exit $rc
fi

# shellcheck source=../tap.sh
. "$here/../tap.sh" || exit 1
program=$1
TMPDIR=$(mktemp -d /tmp/xenpv-local.XXXXXX)
export TMPDIR
host=$TMPDIR/host
export XENSTORED_PATH=$host/xenstore

stop_all() {
	pid=$(cat "$host/lock" 2>/dev/null) && kill "$pid" 2>/dev/null
	rm -rf "$TMPDIR"
}
trap stop_all EXIT

# xs COMMAND ARGUMENT...: a stock client, that may not hang.
xs() {
	timeout 20 "xenstore-$1" "${@:2}"
}

# says COMMAND...: what it writes, and its status when that isn't 0.
says() {
	"$@" 2>&1 || echo "status $?"
}

# soon COMMAND...: succeeds within five seconds.
soon() {
	for _ in $(seq 250); do
		"$@" && return
		sleep 0.02
	done
	return 1
}

# ---- start ----
ok "starts in the background" timeout 20 "$program" --background "$host"
ok "again: it runs" timeout 20 "$program" --background "$host"
like "a second one in the foreground says so" \
	"$(says timeout 20 "$program" "$host")" \
	"^xenpv-local: '.*' is taken: process [0-9]+ serves it; use another \
directory, or stop that
status 1$"
is "the directory is its user's alone" "$(stat -c %a "$host")" 700

# ---- reading and writing ----
is "xenstore-ls -f shows what is there at the start" "$(says xs ls -f)" \
'/libxl = ""
/local = ""
/local/domain = ""
/local/domain/0 = ""
/local/domain/0/backend = ""
/local/domain/0/control = ""
/local/domain/0/domid = "0"
/local/domain/0/name = "Domain-0"
/tool = ""
/tool/xenstored = ""
/vm = ""'
ok "xenstore-write, two at once" xs write /a/b/c hello /a/d "two words"
is "xenstore-read" "$(says xs read /a/b/c /a/d)" "hello
two words"
is "xenstore-read -p" "$(says xs read -p /a/d)" "/a/d: two words"
is "xenstore-read of what is not there" "$(says xs read /nothing)" \
	"xenstore-read: couldn't read path /nothing
status 1"
is "xenstore-list" "$(says xs list /a)" "b
d"
is "a path relative to domain 0's" "$(says xs read name)" Domain-0
ok "xenstore-exists" xs exists /a/b
is "xenstore-exists of what is not there" "$(says xs exists /a/x)" "status 1"
ok "xenstore-rm" xs rm /a/b
is "and all below it is gone" "$(says xs ls /a)" 'd = "two words"'
ok "xenstore-rm -t takes empty nodes above along" xs rm -t /a/d
is "indeed" "$(says xs exists /a)" "status 1"
is "a path that is none" "$(says xs write /a//b x)" \
	"xenstore-write: could not write path /a//b
status 1"

# ---- permissions ----
ok "a node for a guest" xs write /guest/node x
ok "xenstore-chmod" xs chmod /guest n0 r5
ok "xenstore-chmod -r" xs chmod -r /guest b7 r0
is "xenstore-ls -p" "$(says xs ls -fp /guest | tr -s ' .')" \
	'/guest/node = "x" (b7,r0)'

# ---- more names than one message holds ----
many() {
	for i in $(seq 60); do
		# shellcheck disable=SC2046 # a list
		xs write $(seq -f "/many/a-rather-long-name-%g-of-$i v" 20) ||
			return
	done
}
ok "1200 nodes in one directory" many
is "xenstore-list of them, in parts" "$(xs list /many | sort | uniq | wc -l)" \
	1200
is "xenstore-ls of them" "$(xs ls /many | wc -l)" 1200
value=$(head -c 3000 /dev/zero | tr '\0' v)
ok "a value of 3000 bytes" xs write /large "$value"
is "and back" "$(xs read /large)" "$value"

# ---- watches ----
xs watch -n 6 /w >"$TMPDIR/seen" 2>&1 &
watcher=$!
soon grep -qx /w "$TMPDIR/seen"
xs write /w/one 1
xs write /w/one 2
xs chmod /w/one r3
xs write /x 1
xs rm /w
xs write /w/two/deep 1
ok "xenstore-watch has seen enough" wait $watcher
is "xenstore-watch" "$(cat "$TMPDIR/seen")" "/w
/w/one
/w/one
/w/one
/w
/w/two/deep"

# ---- many at a time ----
crowd() {
	local pids=()
	for i in $(seq 20); do
		xs write "/crowd/$i" "$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || return
	done
	[ "$(xs list /crowd | wc -l)" -eq 20 ]
}
ok "twenty clients at the same time" crowd

# ---- end ----
pid=$(cat "$host/lock")
kill -KILL "$pid"
soon test ! -d "/proc/$pid"
ok "after kill -9 another one takes its place" \
	timeout 20 "$program" --background --idle 1 "$host"
is "which begins anew" "$(says xs exists /large)" "status 1"
pid=$(cat "$host/lock")
xenstore-watch /w >/dev/null 2>&1 &
watcher=$!
sleep 2.5
ok "--idle: not while somebody is connected" kill -0 "$pid"
kill $watcher
wait $watcher 2>/dev/null
ok "--idle: it ends by itself" soon test ! -e "/proc/$pid"
is "--idle: and takes its sockets away" "$(ls "$host")" lock
"$program" "$host" &
pid=$!
soon test -S "$host/xenstore"
kill -TERM $pid
ok "SIGTERM ends it" wait $pid
is "its sockets are gone" "$(ls "$host")" lock

# ---- what is typed ----
is "no directory" "$(says "$program")" \
	"xenpv-local: which directory? See xenpv-local --help
status 1"
is "one that cannot be made" "$(says "$program" /nowhere/at/all)" \
	"xenpv-local: cannot make the directory '/nowhere/at/all': No such file \
or directory
status 1"
is "one that is none" "$(says "$program" "$TMPDIR/seen")" \
	"xenpv-local: cannot use '$TMPDIR/seen' as a directory: Not a directory
status 1"
mkdir -m 500 "$TMPDIR/closed"
is "one that cannot be written" "$(says "$program" "$TMPDIR/closed")" \
	"xenpv-local: cannot write in '$TMPDIR/closed': Permission denied
status 1"
is "no number of seconds" "$(says "$program" --idle soon "$host")" \
	"xenpv-local: --idle 'soon': not a number of seconds, at least 1
status 1"
like "--version" "$("$program" --version)" '^xenpv-local [0-9.]+$'
tap_end
