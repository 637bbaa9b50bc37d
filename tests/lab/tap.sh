# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scenarios of the suite "lab": each check is one TAP line. A scenario sources this, checks, and
# ends with `tap_end`.

tap_count=0
tap_failed=0

# tap_result STATUS TEXT: one result.
tap_result() {
	((++tap_count))
	if (($1)); then
		((++tap_failed))
		echo "not ok $tap_count - $2"
	else
		echo "ok $tap_count - $2"
	fi
}

# ok TEXT COMMAND...: it succeeds. What it says is shown when it does not.
ok() {
	local text=$1 rc
	shift
	"$@" >/tmp/tap.said 2>&1 # not in a subshell, so that it can wait for our children
	rc=$?
	tap_result $rc "$text"
	((rc == 0)) || { echo "status $rc of: $*"; tail -n 40 /tmp/tap.said; } | sed 's/^/# /'
	return $rc
}

# is TEXT GOT WANTED: they are equal.
is() {
	[[ $2 == "$3" ]]
	local rc=$?
	tap_result $rc "$1"
	((rc == 0)) || printf '%s\n' "got:" "$2" "wanted:" "$3" | sed 's/^/# /'
	return $rc
}

# like TEXT GOT REGEX: it matches.
like() {
	[[ $2 =~ $3 ]]
	local rc=$?
	tap_result $rc "$1"
	((rc == 0)) || printf '%s\n' "got:" "$2" "wanted to match: $3" | sed 's/^/# /'
	return $rc
}

# say TEXT: the lab's own words are no results.
say() {
	echo "# $*"
}

# note TEXT: for people.
note() {
	echo "# $*"
}

# bail TEXT: nothing else can be checked.
bail() {
	tap_result 1 "$*"
	tap_end
}

# tap_end: the plan, and the status.
tap_end() {
	echo "1..$tap_count"
	exit $((tap_failed > 0))
}

# daemon_start [OPTION]...: xenpvd, with its log in $OUT.
daemon_start() {
	xenpvd "$@" >>"$OUT/xenpvd.log" 2>&1 &
	daemon_pid=$!
	wait_for 20 xenpv status >/dev/null 2>&1 && return
	echo "# xenpvd did not start:"
	sed 's/^/# /' "$OUT/xenpvd.log"
	return 1
}

# daemon_stop: in an orderly way.
daemon_stop() {
	kill "$daemon_pid" 2>/dev/null && wait "$daemon_pid"
}

# no_workers: whether every worker process has ended.
no_workers() {
	! pgrep -f xenpv-worker >/dev/null
}

# guest_disk GUEST VDEV: the name of the guest's block device at H:C:T:L of the frontend; the
# frontend's number in the guest is not H, so it is found by the device in xenstore.
guest_disk() {
	local h c t l
	IFS=: read -r h c t l <<<"$2"
	guest_run "$1" 20 "
		for host in /sys/bus/xen/devices/vscsi-$h/host*; do
			ls \$host/target*/*:$c:$t:$l/block 2>/dev/null
		done" | tail -n 1
}

# guest_sg GUEST VDEV: likewise its sg node.
guest_sg() {
	local h c t l
	IFS=: read -r h c t l <<<"$2"
	guest_run "$1" 20 "
		for host in /sys/bus/xen/devices/vscsi-$h/host*; do
			ls \$host/target*/*:$c:$t:$l/scsi_generic 2>/dev/null
		done" | tail -n 1
}

# has_disk GUEST VDEV, has_no_disk GUEST VDEV: for wait_for.
has_disk() {
	[[ -n $(guest_disk "$1" "$2") ]]
}
has_no_disk() {
	[[ -z $(guest_disk "$1" "$2") ]]
}
