# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scenarios of the suite "lab": TAP, and what they share.
# shellcheck source=tests/tap.sh
. "$TREE/tests/tap.sh"

# say TEXT: the lab's own words are no results.
say() {
	echo "# $*"
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

# daemon_stop: with all devices, in an orderly way.
daemon_stop() {
	kill -INT "$daemon_pid" 2>/dev/null && wait "$daemon_pid"
}

# worker_pid: of the worker that was started, or has taken over, last.
worker_pid() {
	sed -n 's/.* worker pid=\([0-9]*\) \(started\|has taken over\).*/\1/p' "$OUT/xenpvd.log" | tail -n 1
}

# successor: another worker has taken over from $pid; it is pid then.
successor() {
	local last
	last=$(sed -n 's/.* worker pid=\([0-9]*\) has taken over.*/\1/p' "$OUT/xenpvd.log" | tail -n 1)
	[[ $last && $last != "$pid" ]] && pid=$last
}

# complaints [REGEX]: what dom0's kernel has said that it should not have, and what matches REGEX. Its own trouble is not
# ours: Linux 6.1 warns of the order of its workqueues when its initiator ends a session.
complaints() {
	dmesg | grep -E "BUG:|Oops|WARNING:|general protection${1:+|$1}" | grep -v ' check_flush_dependency'
}

# guest_xenpv GUEST: puts our command into a guest, as /tmp/xenpv. The guest has the libraries.
guest_xenpv() {
	gzip -9 <"$(command -v xenpv)" | guest_feed "$1" 120 'gunzip >/tmp/xenpv && chmod 755 /tmp/xenpv'
}

# guest_conform GUEST SECONDS FILE OPTION...: runs the conformance suite in a guest, as the frontend of
# one of its controllers. Each result is a line in FILE.log as it comes; FILE.json is the whole.
guest_conform() {
	local guest=$1 seconds=$2 file=$3
	shift 3
	guest_run "$guest" "$seconds" "cd /tmp; ./xenpv -v conform vscsi-backend --json ${*@Q} >conform.json" \
		>"$file.log" 2>&1
	guest_get "$guest" /tmp/conform.json "$file.json"
}

# no_workers: whether every worker process has ended. Those whose xenpvd was killed are the children of dom0's
# init, which takes its time to ask for their status.
no_workers() {
	! pgrep -x -r D,R,S,T xenpv-worker >/dev/null
}

# lio: what xenpv has in the kernel's target: backstores and LUNs.
lio() {
	find /sys/kernel/config/target/{core,xen-pvscsi} -mindepth 2 -maxdepth 5 \
		\( -name 'xenpv.d*' -o -name 'lun_*' -o -name 'naa.378656e*' -o -name '*_30832' \) 2>/dev/null | sort
}

# nothing_left: no nodes of ours, no records, no processes.
nothing_left() {
	no_workers && [[ ! -e /run/xenpv/guests ]] &&
		! xenstore-ls -f /local/domain/0/backend | grep -qE '/xenpv-(vscsi|vbd)/[0-9]' &&
		! pgrep -f 'xenpv.*config-attach' >/dev/null && [[ -z $(lio) ]]
}
what_is_left() {
	xenstore-ls -f /local/domain/0/backend | grep -E '/xenpv-(vscsi|vbd)/[0-9]'
	ls -l /run/xenpv/guests
	pgrep -fa xenpv
	lio
	return 1
}

# another GUEST DOMID: it is another domain, which has its console already.
another() {
	local id
	id=$(guest_id "$1" 2>/dev/null) && [[ $id != "$2" ]] &&
		xenstore-read "/local/domain/$id/console/tty" >/dev/null 2>&1
}

# reboot_inside GUEST: as an administrator in the guest does; until it is ready again.
reboot_inside() {
	local offset before
	offset=$(guest_log_size "$1")
	before=$(guest_id "$1")
	guest_run "$1" 60 'reboot -f >/dev/null 2>&1 &' # -f: to busybox it means now
	wait_for 240 another "$1" "$before" && guest_wait "$1" "$offset"
}

# guest_node GUEST VDEV CLASS [PREFIX]: the name of a node of the guest's device at H:C:T:L of the
# frontend: of class block, scsi_generic, scsi_tape ..., and if it has several of those, the one that is
# PREFIX and a number. The frontend's number in the guest is not H, so it is found by the device in
# xenstore.
guest_node() {
	local h c t l
	IFS=: read -r h c t l <<<"$2"
	guest_run "$1" 60 "
		for host in /sys/bus/xen/devices/vscsi-$h/host*; do
			ls \$host/target*/*:$c:$t:$l/$3 2>/dev/null
		done" | grep -E "^${4:+$4[0-9]+\$}" | tail -n 1
}

# guest_disk GUEST VDEV, guest_sg GUEST VDEV: its block device, its sg node.
guest_disk() {
	guest_node "$1" "$2" block
}
guest_sg() {
	guest_node "$1" "$2" scsi_generic
}

# attach GUEST PDEV VDEV..., detach GUEST VDEV: with time for a machine that has other work.
attach() {
	xenpv scsi-attach --timeout 240 "$@"
}
detach() {
	xenpv scsi-detach --timeout 240 "$@"
}

# has_disk GUEST VDEV, has_no_disk GUEST VDEV: for wait_for.
has_disk() {
	[[ -n $(guest_disk "$1" "$2") ]]
}
has_no_disk() {
	[[ -z $(guest_disk "$1" "$2") ]]
}
