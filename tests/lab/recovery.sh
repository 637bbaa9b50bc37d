# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Workers and xenpvd are killed under verified load of a stock guest on a PVSCSI and on a block
# disk, and the guest notices nothing. KILLS of them, ten unless the environment says otherwise.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

: "${KILLS:=10}"

# load DISK NAME SECONDS: fio with verification in the background of the guest.
load() {
	guest_run grec 20 "cd /tmp; rm -f $2.rc
		(fio --name=$2 --filename=/dev/$1 --ioengine=libaio --direct=1 --rw=randrw --bsrange=4k-64k \
			--iodepth=8 --size=48m --verify=crc32c --verify_fatal=1 --verify_backlog=64 \
			--time_based --runtime=$3 >$2.log 2>&1
		echo \$? >$2.rc) </dev/null >/dev/null 2>&1 &"
}

# load_ends NAME: waits for it, and is its status.
load_ends() {
	guest_run grec 120 "for i in \$(seq 1000); do [ -s /tmp/$1.rc ] && break; sleep 0.1; done
		cat /tmp/$1.log; exit \$(cat /tmp/$1.rc)"
}

# strike N: kills the worker, xenpvd, or both, in turn; xenpvd begins again.
strike() {
	case $(($1 % 4)) in
	0 | 1) pkill -KILL -x xenpv-worker ;;
	2) kill -KILL "$daemon_pid" ;;
	3) pkill -KILL -x xenpv-worker
		kill -KILL "$daemon_pid" ;;
	esac
	(($1 % 4 < 2)) || daemon_start
}

# served: both devices are connected, as xenpvd knows it.
served() {
	[[ $(xenpv status --json | jq '[.guests[].devices[] | select(.connected and (.down | not))] | length') == 2 ]]
}

daemon_start || bail "xenpvd starts"
truncate -s 128M /var/tmp/scsi.img /var/tmp/blk.img
ok "the guest starts" guest_start grec type=pv || bail "no guest"
ok "scsi-attach" xenpv scsi-attach grec /var/tmp/scsi.img 0:0:0:0
ok "block-attach" xenpv block-attach grec /var/tmp/blk.img,raw,xvdf,w
ok "the guest has both" wait_for 30 guest_run grec 10 'test -b /dev/sda && test -b /dev/xvdf'
guest_run grec 20 'dmesg >/tmp/before'
nodes=$(xenstore-ls -f /local/domain/0/backend | grep xenpv-)
ok "load on the PVSCSI disk" load sda scsi $((KILLS * 3 + 5))
ok "load on the block disk" load xvdf blk $((KILLS * 3 + 5))
for ((i = 0; i < KILLS; i++)); do
	sleep "2.$((RANDOM % 10))" # a time that has nothing to do with what goes on
	ok "kill $i" strike "$i"
done
ok "both devices are served" wait_for 30 served
ok "the load on the PVSCSI disk saw no error" load_ends scsi
ok "the load on the block disk saw no error" load_ends blk
is "xenstore is as it was" "$(xenstore-ls -f /local/domain/0/backend | grep xenpv-)" "$nodes"
is "the guest's kernel has nothing to say" "$(guest_run grec 20 'dmesg | tail -n +$(($(wc -l </tmp/before) + 1))')" ''
xenpv status --json | jq -c '.guests[] | {restarts, gap_us, gap_max_us}' | sed 's/^/# /'
ok "detach" xenpv scsi-detach grec 0:0:0:0
ok "detach of the other" xenpv block-detach grec xvdf
ok "no worker is left" wait_for 20 no_workers
pgrep -af xenpv | sed 's/^/# /'
ok "xenpvd ends" daemon_stop
tap_end
