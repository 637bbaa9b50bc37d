# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2317
#
# What a guest notices when processes of ours die: nothing. Workers, the daemon, both are killed at random
# moments (KILLS of them, 30), while guests write and compare on a SCSI disk and on block disks; they are
# replaced in an orderly way; one dies again and again at the same request.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

KILLS=${KILLS:-30}

# json EXPRESSION: of x, which is read.
json() {
	python3 -c "import json, sys; x = json.load(sys.stdin); print($1)"
}

# status EXPRESSION: of g, the guest NAME in the status.
status() {
	xenpv status --json | json "[$2 for g in x['guests'] if g['name'] == '$1'][0]" 2>/dev/null
}

# worker NAME: the process.
worker() {
	status "$1" 'g["worker"]'
}

# served: whether all devices of all guests are.
served() {
	[[ $(xenpv status --json 2>/dev/null | json 'x["ready"] and len(x["guests"]) >= 2 and all(g["worker"] and
		not g["down"] and all(d["connected"] or d["quarantined"] for d in g["devices"]) for g in x["guests"])' 2>/dev/null) == True ]]
}

# nodes: all of xenstore that a guest can see of its devices, and our end.
nodes() {
	xenstore-ls -f /local/domain | grep -E '/backend/xenpv-|/device/(vbd|vscsi)/'
}

# unchanged TEXT NODES: one result: nodes() says the same as then.
unchanged() {
	is "$1" "$(diff <(echo "$2") <(nodes))" ""
}

# daemon_kill: without a word.
daemon_kill() {
	kill -KILL "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	daemon_pid=
}

# work NAME: write and compare on both its disks, until $WORK/enough is there.
work() {
	(
		seed=0
		until [[ -e enough ]]; do
			for disk in ${disks[$1]}; do
				guest_do "$1" "verify $disk 8M seed=$((++seed)) qd=8" || touch "failed.$1"
			done
		done
	) >"work.$1" 2>&1 &
	workers_of[$1]=$!
}
declare -A disks=([g]='0:0:0:0 xvda' [h]='0:0:0:1 xvdb') workers_of

begin() {
	truncate -s 64M a.img b.img c.img d.img
	ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
	ok "guest g" guest_start g
	ok "guest h" guest_start h
	ok "a SCSI disk for g" xenpv scsi-attach g a.img 0:0:0:0
	ok "a block disk for g" xenpv block-attach g b.img,raw,xvda,rw
	ok "a SCSI disk for h" xenpv scsi-attach h c.img 0:0:0:1
	ok "a block disk for h" xenpv block-attach h d.img,raw,xvdb,rw
	for name in g h; do
		for disk in ${disks[$name]}; do
			like "$name has $disk" "$(guest_do $name "wait $disk")" "$disk"
		done
	done
}

idle() {
	local before pid pids
	before=$(nodes)
	pid=$(worker g)
	ok "kill -9 of g's worker, which does nothing" kill -KILL "$pid"
	ok "it is noticed" wait_for 10 grep -q "name=g worker pid=$pid was killed by signal 9" xenpvd.log
	ok "all is served" wait_for 10 served
	[[ $(worker g) != "$pid" ]]
	tap_result $? "by another worker"
	unchanged "no node has changed" "$before"
	is "it is counted" "$(status g 'g["restarts"]')" 1
	like "g works on its SCSI disk" "$(guest_do g 'verify 0:0:0:0 8M')" 'no difference'
	like "and on its block disk" "$(guest_do g 'verify xvda 8M')" 'no difference'

	pid=$(worker g)
	daemon_kill
	like "kill -9 of xenpvd: the guest works all the same" "$(guest_do g 'verify 0:0:0:0 8M')" 'no difference'
	ok "xenpvd starts again" daemon_start
	ok "all is served" wait_for 10 served
	is "by the same worker" "$(worker g)" "$pid"
	unchanged "no node has changed" "$before"
	like "g works" "$(guest_do g 'verify xvda 8M')" 'no difference'
	ok "a LUN is added by the new xenpvd" xenpv scsi-attach g null:16M 0:0:0:5
	ok "and taken away" xenpv scsi-detach g 0:0:0:5

	mapfile -t pids < <(pids)
	daemon_kill
	kill -KILL "${pids[@]}"
	ok "kill -9 of everything: xenpvd starts again" daemon_start
	ok "all is served" wait_for 10 served
	unchanged "no node has changed" "$before"
	for name in g h; do
		for disk in ${disks[$name]}; do
			like "$name works on $disk" "$(guest_do $name "verify $disk 8M")" 'no difference'
		done
	done
}

# pids: of all workers; ours() looks at every process of the machine.
pids() {
	xenpv status --json | json '"\n".join(str(g["worker"]) for g in x["guests"])'
}

# one_kill: of what, says $RANDOM.
one_kill() {
	local pids
	mapfile -t pids < <(pids)
	case $((RANDOM % 4)) in
	0 | 1) kill -KILL "${pids[RANDOM % ${#pids[@]}]}" ;;
	2) daemon_kill && daemon_start ;;
	3)
		daemon_kill
		kill -KILL "${pids[@]}"
		daemon_start
		;;
	esac
}

under_load() {
	local i down=0
	rm -f enough
	work g
	work h
	for ((i = 0; i < KILLS; i++)); do
		sleep "0.$((RANDOM % 800 + 100))"
		one_kill
		wait_for 20 served || { down=1; break; }
	done
	is "after each of $i kills at random moments all was served again" "$down" 0
	touch enough
	for name in g h; do
		ok "$name has ended its work" wait_for 60 ends "${workers_of[$name]}"
		like "$name has seen no error" "$(grep 'xenpv: ' $name.out)$(ls failed.$name 2>&1)" '^ls: '
		like "$name has compared much" "$(grep -c 'no difference' $name.out)" '^[0-9]{1,}$'
	done
	sed -n 's/.* has taken over, \([0-9.]*\) ms.*/\1/p' xenpvd.log | sort -n | awk '
		{gap[NR] = $1}
		END {print "# without service: median " gap[int((NR + 1) / 2)] " ms, worst " gap[NR] " ms, of " NR}'
}

orderly() {
	local before pid said
	before=$(nodes)
	pid=$(worker g)
	rm -f enough
	work g
	kill -TERM "$daemon_pid"
	ok "SIGTERM: xenpvd ends" wait_for 10 ends "$daemon_pid"
	wait "$daemon_pid"
	is "without an error" $? 0
	daemon_pid=
	ok "and starts again" daemon_start
	ok "all is served" wait_for 10 served
	is "by the same worker" "$(worker g)" "$pid"
	said=$(xenpv upgrade)
	note "${said//$'\n'/$'\n'# }"
	like "xenpv upgrade" "$said" "xenpvd .*, process $daemon_pid.*g .* ms"
	[[ $(worker g) != "$pid" ]]
	tap_result $? "there is another worker"
	is "which has not died" "$(status g 'g["restarts"]')" 0
	pid=$(worker g)
	kill -TERM "$pid"
	ok "SIGTERM for a worker" wait_for 10 ends "$pid"
	ok "all is served" wait_for 10 served
	touch enough
	ok "g has ended its work" wait_for 60 ends "${workers_of[g]}"
	like "and has seen no error" "$(grep 'xenpv: ' g.out)$(ls failed.g 2>&1)" '^ls: '
	unchanged "no node has changed" "$before"
}

# A request at which every worker dies.
quarantine() {
	truncate -s 16M bad.img
	ok "a disk at which workers die" xenpv scsi-attach g fault:crash/write/1M-2M:bad.img 1:0:0:0
	like "it works elsewhere" "$(guest_do g 'verify 1:0:0:0 512k')" 'no difference'
	guest_send g 'timeout 20'
	like "a request there is never answered" "$(guest_do g 'write 1:0:0:0 1M 4k')" 'xenpv: '
	ok "its device is closed" wait_for 20 grep -q 'scsi/1 the device is closed: quarantined' xenpvd.log
	ok "the others are served" wait_for 10 served
	like "status says so" "$(xenpv status)" 'scsi/1 .*quarantined'
	like "and the disk" "$(xenstore-ls -f /local/domain/0/backend/xenpv-vscsi)" '/1/vscsi-devs/dev-0/error = "quarantined'
	guest_send g 'timeout 30'
	like "the others work" "$(guest_do g 'verify 0:0:0:0 8M')" 'no difference'
	ok "it is taken away" xenpv scsi-detach --force --timeout 5 g 1:0:0:0
}

gone() {
	local dom pid
	dom=$(guest_id h)
	pid=$(worker h)
	daemon_kill
	guest_kill h
	ok "a guest goes while there is no xenpvd; its worker stays" test -d "/proc/$pid"
	ok "xenpvd starts" daemon_start
	ok "the worker has ended" wait_for 20 ends "$pid"
	ok "and the nodes are gone" wait_for 20 eval "! nodes | grep -q 'xenpv-[a-z]*/$dom/'"
	is "and its directory" "$(find host/run/guest -name "$dom.*")" ''
	guest_stop g
	ok "no worker is left" wait_for 20 no_workers
	is "nor a journal" "$(wait_for 5 eval '[[ -z $(ls host/run/guest) ]]'; ls host/run/guest)" ''
	ok "xenpvd ends" daemon_stop
}

begin
idle
under_load
orderly
[[ ${NO_CRASH-} ]] || quarantine
gone
tap_end
