# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# Disks from xenpvd in guests of a local host: what an administrator does, what goes wrong, and what
# dies, with the processes themselves.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "$here/../bad-input.sh"

# json EXPRESSION: of x, which is read.
json() {
	python3 -c "import json, sys; x = json.load(sys.stdin); print($1)"
}

# no_nodes DOMID: our part of xenstore has nothing of it.
no_nodes() {
	! xenstore-ls -f /local/domain/0/backend | grep -q "xenpv-vscsi/$1\b"
}

# no_devices: of any guest.
no_devices() {
	! tree | grep -q vscsi-devs
}

# pages GUEST VDEV: INQUIRY, and every VPD page that the disk lists.
pages() {
	local page list pages
	guest_do "$1" "inquiry $2" && list=$(guest_do "$1" "inquiry $2 0x00") || return
	read -ra pages <<<"${list#*pages: }"
	for page in "${pages[@]}"; do
		guest_do "$1" "inquiry $2 $page" || return
	done
	[[ ${#pages[@]} -ge 6 ]]
}

# in_image GUEST VDEV IMAGE: what the guest writes is in the image, and read back.
in_image() {
	head -c 3M /dev/urandom >noise
	guest_do "$1" "write $2 5M noise" || return
	cmp -n 3145728 noise "$3" 0 5242880 || return
	guest_do "$1" "read $2 5M 3M back" || return
	cmp noise back
}

# load GUEST VDEV SECONDS, load_said GUEST: reads in the background; what came of them.
load() {
	load="load $EPOCHREALTIME"
	guest_send "$1" "echo $load begins"
	guest_send "$1" "bench $2 time=$3 qd=8"
	guest_send "$1" "echo $load ends"
	wait_for 10 grep -q "^$load begins" "$1.out" && sleep 0.3
}
load_said() {
	wait_for 60 grep -q "^$load ends" "$1.out"
	sed -n "/^$load begins/,/^$load ends/p" "$1.out"
}

start() {
	ok "xenpvd starts where there is nothing yet" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
	is "the host is its user's alone" "$(stat -c '%a %u' host)" "700 $EUID"
	like "a second xenpvd there is refused" "$(timeout 10 "$XENPV_BUILD/xenpvd" --worker \
		"$XENPV_BUILD/xenpv-worker" 2>&1)" "xenpvd runs already"
	ok "it has done nothing to the first" xenpv status
	like "the stock xenstore-ls shows the host" "$(xenstore-ls -f)" '/local/domain/0/name = "Domain-0"'
}

# xenpvd_host HOST: that cannot be, so it ends at once.
xenpvd_host() {
	timeout 10 "$XENPV_BUILD/xenpvd" --worker "$XENPV_BUILD/xenpv-worker" --host "$1"
}

bad_hosts() {
	local long
	long=/$(printf '%0100d' 0)
	touch file
	refused "no such host" "'kvm' is not known: use xen or local:DIR" xenpv --host kvm scsi-list
	refused "nowhere" "'local:' needs a directory" xenpv --host local: scsi-list
	refused "a path too long for sockets" "too long" xenpv --host "local:$long" scsi-list
	refused "a directory without a host" "local:$WORK/none: start it with 'xenpvd --host local:$WORK/none'" \
		xenpv --host local:none scsi-list
	refused "xenpvd: no such host" "'kvm' is not known" xenpvd_host kvm
	refused "xenpvd: a file" "$WORK/file" xenpvd_host local:file
	refused "xenpvd: no place for a directory" "/proc/none" xenpvd_host local:/proc/none
	ok "an empty XENPV_HOST is the real Xen" env XENPV_HOST= "$XENPV_BUILD/xenpv" help
}

input() {
	ok "guest g0 starts" guest_start g0
	bad_input g0
	like "the guest sees it write protected" "$(guest_do g0 'wait 0:0:1:0')" 'read-only'
	ok "guest g0 ends" guest_stop g0
	ok "no device is left" wait_for 20 no_devices
}

# Frontends connect while xenpvd reads their nodes: each time another moment of it.
many_times() {
	local i failed=0
	for i in {1..12}; do
		guest_start "t$i" || failed=1
		xenpv scsi-attach "t$i" null:1G 0:0:0:0 || failed=1
		xenpv scsi-detach "t$i" 0:0:0:0 || failed=1
		xenpv scsi-attach "t$i" null:1G 0:0:0:0 || failed=1
		guest_stop "t$i" || failed=1
	done
	return "$failed"
}

one_guest() {
	truncate -s 64M a.img b.img
	ok "guest g1 starts" guest_start g1
	ok "attach, blocks of 512" xenpv scsi-attach g1 a.img 0:0:0:0
	ok "attach, blocks of 4096" xenpv scsi-attach g1 b.img 0:0:0:1,blocksize=4096,serial=SER1
	like "the guest lists both" "$(guest_do g1 list)" '0:0:0:0 .* 512 .*0:0:0:1 .* 4096 '
	like "scsi-list has both" "$(xenpv scsi-list g1)" \
		'g1 +0:0:0:0 +disk .*a.img +xenpv +connected.*0:0:0:1 .*b.img +xenpv +connected'
	is "scsi-list --json likewise" \
		"$(xenpv scsi-list --json | json '[(l["guest"], l["vdev"], l["size"] >> 20, l["dev_state"]) for l in x]')" \
		"[('g1', '0:0:0:0', 64, 4), ('g1', '0:0:0:1', 64, 4)]"
	ok "INQUIRY and every VPD page, 512" pages g1 0:0:0:0
	ok "INQUIRY and every VPD page, 4096" pages g1 0:0:0:1
	like "the serial number is as given" "$(guest_do g1 'inquiry 0:0:0:1 0x80')" 'SER1'
	for vdev in 0:0:0:0 0:0:0:1; do
		ok "$vdev: write a pattern, read back, compare" guest_do g1 "verify $vdev 24M"
		ok "$vdev: with long transfers" guest_do g1 "verify $vdev 24M bs=256k qd=4"
	done
	ok "what is written is in the image, 512" in_image g1 0:0:0:0 a.img
	ok "what is written is in the image, 4096" in_image g1 0:0:0:1 b.img
	like "bench" "$(guest_do g1 'bench 0:0:0:0 time=1 --json' | json 'x["iops"] > 0')" True
	ok "attach, detach and attach to many guests" many_times
	is "status counts" "$(xenpv status --json | json \
		'x["guests"][0]["devices"][0]["stats"]["write_bytes"] >= 96 << 20')" True
}

under_load() {
	ok "load on one disk" load g1 0:0:0:0 3
	ok "the other one is taken away under it" xenpv scsi-detach g1 0:0:0:1
	ok "and given again" xenpv scsi-attach g1 b.img 0:0:0:1
	like "the load has seen nothing of it" "$(load_said g1)" ' IOPS'
	like "no error came to the guest" "$(grep -c 'xenpv: ' g1.out)" '^0$'
	ok "load on a disk" load g1 0:0:0:1 20
	ok "which is taken away" xenpv scsi-detach g1 0:0:0:1
	like "the guest gets errors" "$(load_said g1)" 'xenpv: '
	ok "and goes on with the other one" guest_do g1 "verify 0:0:0:0 8M"
	ok "detach of the last one" xenpv scsi-detach g1 0:0:0:0
	ok "its controller goes, too" no_nodes "$(guest_id g1)"
	ok "attach again" xenpv scsi-attach g1 a.img 0:0:0:0
	ok "the guest works on it" guest_do g1 "verify 0:0:0:0 8M"
}

# never_connected BACKEND COMMAND...: made by that command, offered to a guest that does not come, and told to
# close, as the stock tools do it: they leave the rest to the backend.
never_connected() {
	local back=/local/domain/0/backend/$1
	ok "$2: offered to a guest that does not come" xenpv "$2" --no-wait "${@:3}"
	ok "it waits" wait_for 10 eval "[[ \$(xenstore-read $back/state) == 2 ]]"
	xenstore-write "$back/online" 0 "$back/state" 5
	ok "it closes, and removes its nodes" wait_for 10 eval "! xenstore-exists $back"
}

two_guests() {
	ok "guest g2 starts" guest_start g2
	ok "attach to g2" xenpv scsi-attach g2 b.img 0:0:0:0
	guest_send g1 "verify 0:0:0:0 32M seed=1"
	guest_send g2 "verify 0:0:0:0 32M seed=2"
	like "both verify at a time: g1" "$(guest_do g1 'verify 0:0:0:0 32M seed=3')" 'no difference'
	like "both verify at a time: g2" "$(guest_do g2 'verify 0:0:0:0 32M seed=4')" 'no difference'
	is "each has its own worker" "$(ours xenpv-worker | wc -l)" 2
	truncate -s 16M shared.img
	refused "one disk for two" "b.img" xenpv scsi-attach g1 b.img 1:0:0:0
	ok "shared with g1" xenpv scsi-attach g1 shared.img 1:0:0:0,shared
	ok "shared with g2" xenpv scsi-attach g2 shared.img 1:0:0:0,shared
	head -c 1M /dev/urandom >noise
	guest_do g1 'write 1:0:0:0 2M noise' >/dev/null
	guest_do g2 'read 1:0:0:0 2M 1M back' >/dev/null
	ok "g2 reads what g1 has written" cmp noise back
	freeze "${guest_pid[g2]}"
	truncate -s 16M silent.img b2.img
	refused "a guest that does not answer" "g2.* within 2 s" \
		xenpv scsi-attach --timeout 2 g2 silent.img 3:0:0:0
	refused "a guest that does not let go" "g2.* within 2 s" \
		xenpv scsi-detach --timeout 2 g2 1:0:0:0
	ok "what was taken back can be given to another" xenpv scsi-attach g1 silent.img 3:0:0:0
	never_connected "xenpv-vscsi/$(guest_id g2)/4" scsi-attach g2 null:1M 4:0:0:0
	never_connected "xenpv-vbd/$(guest_id g2)/51712" block-attach g2 "$WORK/b2.img,raw,xvda,rw"
	kill -CONT "${guest_pid[g2]}"
	ok "g2 goes on" guest_do g2 "verify 0:0:0:0 4M"
}

deaths() {
	local dom pid
	dom=$(guest_id g2)
	ok "load on g2" load g2 0:0:0:0 20
	guest_kill g2
	ok "kill -9 of g2: none of its nodes is left" wait_for 20 no_nodes "$dom"
	is "nor is its name" "$(guest_id g2)" ""
	is "its worker has ended" "$(wait_for 20 test "$(ours xenpv-worker | wc -l)" = 1; ours xenpv-worker | wc -l)" 1
	ok "its disk can be given to another" xenpv scsi-attach g1 b.img 0:0:2:0
	ok "which works on it" guest_do g1 "verify 0:0:2:0 8M"

	pid=$(ours xenpv-worker)
	kill -KILL "$pid"
	ok "kill -9 of g1's worker: xenpvd says so" wait_for 20 grep -q "dom=.*name=g1.*killed by signal 9" xenpvd.log
	ok "the guest is there, and detaching works" xenpv scsi-detach --force --timeout 5 g1 0:0:2:0
	for vdev in 0:0:0:0 1:0:0:0 3:0:0:0; do
		xenpv scsi-detach --force --timeout 5 g1 $vdev >/dev/null 2>&1
	done
	ok "attach again" xenpv scsi-attach g1 a.img 0:0:0:0
	ok "the guest works on it" guest_do g1 "verify 0:0:0:0 8M"
}

# A device that is restored has a round to come that was there before; it goes with the device.
gone_while_waiting() {
	for i in 1 2 3; do
		ok "attach ($i)" xenpv scsi-attach g1 null:16M 5:0:0:0
		kill -KILL "$(ours xenpv-worker)"
		ok "its worker is killed, and there is another one" wait_for 20 served_again
		ok "detach" xenpv scsi-detach g1 5:0:0:0
	done
	sleep 1.2
	ok "xenpvd lives" xenpv status
}
served_again() {
	[[ $(xenpv status --json | jq '[.guests[].devices[] | select(.connected and (.down | not))] | length') == 2 ]]
}

# has_seen GUEST: its frontend knows that the backend has closed, and offers a new ring, for which it takes its time.
has_seen() {
	[[ $(xenstore-read "/local/domain/$(guest_id "$1")/device/vscsi/0/state") == 3 ]]
}

stop() {
	ok "an orderly stop of xenpvd" daemon_stop
	is "nobody complains" "$(grep -E 'error|crit' xenpvd.log | grep -v 'signal 9\|worker died')" ''
	ok "no worker is left" no_workers
	ok "the guest has seen it" wait_for 20 has_seen g1
	refused "xenpvd does not run" "xenpvd is not running.*xenpvd --host local:" \
		xenpv scsi-attach g1 b.img 2:0:0:0
	ok "the guest lives" guest_do g1 "echo yes"
	ok "xenpvd starts again" daemon_start
	ok "detach what the stop has closed" xenpv scsi-detach --force --timeout 5 g1 0:0:0:0
	ok "attach" xenpv scsi-attach g1 a.img 0:0:0:0
	ok "the guest works on it" guest_do g1 "verify 0:0:0:0 8M"
	guest_stop g1
	is "the guest ends, and says that it saw errors" $? 1
	ok "no worker is left" wait_for 20 no_workers
	ok "no device is left" wait_for 20 no_devices
}

host_gone() {
	kill -KILL "$(cat host/lock)"
	ok "kill -9 of the host: xenpvd ends" wait_for 20 ends "$daemon_pid"
	like "and says why" "$(cat xenpvd.log)" 'connection to xenstore is lost'
	daemon_pid=
	like "a command says what to do" "$(xenpv scsi-list 2>&1)" \
		"no host local:$WORK/host: start it with 'xenpvd --host local:$WORK/host'"
	ok "xenpvd makes the host anew" daemon_start
	ok "a guest" guest_start g3
	ok "attach" xenpv scsi-attach g3 a.img 0:0:0:0
	ok "the guest works" guest_do g3 "verify 0:0:0:0 8M"
	ok "an orderly stop of xenpvd under load" load g3 0:0:0:0 20
	ok "takes the disk from the guest" daemon_stop
	guest_kill g3
	ok "another guest, while nobody serves" guest_start g4
	ok "it ends in an orderly way" guest_stop g4
}

start
bad_hosts
input
one_guest
under_load
two_guests
deaths
gone_while_waiting
stop
host_gone
tap_end
