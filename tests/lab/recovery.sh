# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Workers and xenpvd are killed, stopped and replaced under verified load of stock guests, each with a
# PVSCSI and a block disk, and the guests notice nothing. From the environment: KILLS for each guest
# (ten), GUEST_TYPES (pv).
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

: "${KILLS:=10}" "${GUEST_TYPES:=pv}"

# load GUEST DISK NAME SECONDS: fio with verification in the background of the guest, of blocks of all sizes,
# with flushes; and beside it discards, and writes where they were. The guest has one processor: what else runs
# there comes first.
load() {
	guest_run "$1" 60 "cd /tmp; rm -f $3*.rc
		run() {
			nice -n 19 fio --name=\$1 --filename=/dev/$2 --ioengine=libaio --direct=1 --time_based --runtime=$4 \
				--output-format=json --output=\$1.json \"\${@:2}\" >\$1.log 2>&1
			echo \$? >\$1.rc
		}
		run $3 --rw=randrw --bsrange=4k-1m --iodepth=8 --size=48m --fdatasync=32 \
			--verify=crc32c --verify_fatal=1 --verify_backlog=64 </dev/null >/dev/null 2>&1 &
		run $3-trim --rw=randtrimwrite --bs=64k --offset=64m --size=32m --rate_iops=40 \
			</dev/null >/dev/null 2>&1 &"
}

# load_ends GUEST NAME: waits for it, and is its status.
load_ends() {
	guest_run "$1" 240 "cd /tmp; for i in \$(seq 2000); do [ -s $2.rc ] && break; sleep 0.1; done
		cat $2.log; exit \$(cat $2.rc)"
}

# slowest GUEST NAME: what its load has seen at worst, in ms.
slowest() {
	guest_run "$1" 60 "cat /tmp/$2.json" | sed -n '/^{/,$p' |
		jq '[.jobs[0] | .read, .write, .trim | .clat_ns.max // 0] | max / 1e6 | round'
}

# strike N: kills the worker, xenpvd, or both, in turn; or stops xenpvd, which begins again, as systemd
# does it; or has both replaced.
strike() {
	case $(($1 % 6)) in
	0 | 1) pkill -KILL -x xenpv-worker ;;
	2) kill -KILL "$daemon_pid" ;;
	3) pkill -KILL -x xenpv-worker
		kill -KILL "$daemon_pid" ;;
	4) kill -TERM "$daemon_pid" && wait "$daemon_pid" ;;
	5) xenpv upgrade && return ;;
	esac
	(($1 % 6 < 2)) || daemon_start
}

# served: both devices are connected, as xenpvd knows it.
served() {
	[[ $(xenpv status --json | jq '[.guests[].devices[] | select(.connected and (.down | not))] | length') == 2 ]]
}

# survives TYPE
survives() {
	local g=r$1 nodes seconds=$((KILLS * 3 + 5)) i
	ok "$g: the guest starts" guest_start "$g" type="$1" || bail "no guest"
	ok "$g: scsi-attach" xenpv scsi-attach "$g" /var/tmp/scsi.img 0:0:0:0
	ok "$g: block-attach" xenpv block-attach "$g" /var/tmp/blk.img,raw,xvdf,w
	ok "$g: the guest has both" wait_for 30 guest_run "$g" 60 'test -b /dev/sda && test -b /dev/xvdf'
	guest_run "$g" 60 'dmesg >/tmp/before'
	nodes=$(xenstore-ls -f /local/domain/0/backend | grep xenpv-)
	ok "$g: load on the PVSCSI disk" load "$g" sda scsi $seconds
	ok "$g: load on the block disk" load "$g" xvdf blk $seconds
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
	is "$g: the guest's kernel has nothing to say" "$(guest_run "$g" 60 \
		'dmesg | tail -n +$(($(wc -l </tmp/before) + 1)) | grep -vE "hrtimer: interrupt took|clocksource: "')" ''
	xenpv status --json | jq -c '.guests[] | {restarts, gap_us, gap_max_us}' | sed 's/^/# /'
	say "$g: the slowest request took $(slowest "$g" scsi) ms on PVSCSI, $(slowest "$g" blk) ms on the block disk"
	ok "$g: detach" xenpv scsi-detach "$g" 0:0:0:0
	ok "$g: detach of the other" xenpv block-detach "$g" xvdf
	guest_stop "$g"
	ok "$g: no worker is left" wait_for 20 no_workers
	pgrep -af xenpv | sed 's/^/# /'
}

daemon_start || bail "xenpvd starts"
truncate -s 128M /var/tmp/scsi.img /var/tmp/blk.img
for type in $GUEST_TYPES; do
	survives "$type"
done
ok "xenpvd ends" daemon_stop
tap_end
