# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Workers and xenpvd are killed, stopped and replaced under verified load of stock guests, each with a
# PVSCSI and a block disk, and the guests notice nothing. Variables:
#
#	KILLS		strikes for each guest: 10
#	STRIKES		how many of the six kinds: 6; with 4 all of them are kill -9
#	GUEST_TYPES	pv; pv+pvh is both
#	QDISK		yes: the same is done to QEMU's backend, to compare
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/load.sh
. "$SCENARIO_DIR/load.sh"

: "${KILLS:=10}" "${STRIKES:=6}" "${GUEST_TYPES:=pv}"

# strike N: kills the worker, xenpvd, or both, in turn; or stops xenpvd, which begins again, as systemd
# does it; or has both replaced.
strike() {
	case $(($1 % STRIKES)) in
	0 | 1) pkill -KILL -x xenpv-worker ;;
	2) kill -KILL "$daemon_pid" ;;
	3) pkill -KILL -x xenpv-worker
		kill -KILL "$daemon_pid" ;;
	4) kill -TERM "$daemon_pid" && wait "$daemon_pid" ;;
	5) xenpv upgrade && return ;;
	esac
	(($1 % STRIKES < 2)) || daemon_start
}

# survives TYPE
survives() {
	local g=r$1 nodes i
	ok "$g: the guest starts" guest_start "$g" type="$1" || bail "no guest"
	ok "$g: scsi-attach" xenpv scsi-attach "$g" /var/tmp/scsi.img 0:0:0:0
	ok "$g: block-attach" xenpv block-attach "$g" /var/tmp/blk.img,raw,xvdf,w
	ok "$g: the guest has both" wait_for 30 guest_run "$g" 60 'test -b /dev/sda && test -b /dev/xvdf'
	guest_run "$g" 60 dmesg >"$OUT/dmesg.$g"
	ok "$g: what its kernel has said so far" test -s "$OUT/dmesg.$g"
	nodes=$(xenstore-ls -f /local/domain/0/backend | grep xenpv-)
	ok "$g: load on the PVSCSI disk" load "$g" sda scsi
	ok "$g: load on the block disk" load "$g" xvdf blk
	for ((i = 0; i < KILLS; i++)); do
		sleep "2.$((RANDOM % 10))" # a time that has nothing to do with what goes on
		ok "$g: kill $i" strike "$i"
		xenpv status --json | jq -c '[.guests[].gap_us]' >>"$OUT/gaps.$g"
	done
	ok "$g: both devices are served" wait_for 30 served
	ok "$g: the load on the PVSCSI disk saw no error" load_ends "$g" scsi
	ok "$g: nor did the discards" load_ends "$g" scsi-trim
	ok "$g: the load on the block disk saw no error" load_ends "$g" blk
	ok "$g: nor did the discards there" load_ends "$g" blk-trim
	is "$g: xenstore is as it was" "$(xenstore-ls -f /local/domain/0/backend | grep xenpv-)" "$nodes"
	# That the emulation is late is no news.
	is "$g: the guest's kernel has nothing to say" "$(guest_run "$g" 60 dmesg |
		tail -n +$(($(wc -l <"$OUT/dmesg.$g") + 1)) |
		grep -vE "hrtimer: interrupt took|clocksource|tsc: Marking")" ''
	xenpv status --json | jq -c '.guests[] | {restarts, gap_max_us}' | sed 's/^/# /'
	say "$g: without service: $(jq -rs 'flatten | map(select(. > 0) / 1000 | round) | sort |
		"median \(.[length / 2 | floor]) ms, worst \(last) ms, of \(length)"' "$OUT/gaps.$g")"
	say "$g: the slowest request took $(slowest "$g" scsi) ms on PVSCSI, $(slowest "$g" blk) ms on the block disk"
	ok "$g: detach" xenpv scsi-detach "$g" 0:0:0:0
	ok "$g: detach of the other" xenpv block-detach "$g" xvdf
	guest_stop "$g"
	ok "$g: no worker is left" wait_for 20 no_workers
	pgrep -af xenpv | sed 's/^/# /'
}

# progress: requests that the guest q has finished on its disk, and those that it waits for.
progress() {
	guest_run q 60 'read -r r _ _ _ w _ _ _ waits _ </sys/block/xvdf/stat; echo "$((r + w)) done, $waits wait"'
}

# compare: the process of QEMU that is a guest's backend is killed. What comes of it is no result of ours.
compare() {
	local qemu
	guest_start q disk=format=raw,backendtype=qdisk,vdev=xvdf,target=/var/tmp/blk.img || return
	qemu=$(pgrep -f "xen-domid $(guest_id q) ")
	load q xvdf qdisk
	sleep 5
	say "qdisk: $(progress)"
	kill -KILL "$qemu"
	for i in 0 10 20 30; do
		say "qdisk: $i s after SIGKILL of QEMU: $(progress)"
		sleep 10
	done
	say "qdisk: states: $(xenstore-ls -f /local/domain/0/backend/qdisk | grep /state)"
	xl destroy q
}

daemon_start || bail "xenpvd starts"
truncate -s 128M /var/tmp/scsi.img /var/tmp/blk.img
for type in ${GUEST_TYPES//+/ }; do
	survives "$type"
done
[[ ! ${QDISK-} ]] || compare
ok "xenpvd ends" daemon_stop
tap_end
