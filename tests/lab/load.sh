# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154
#
# For scenarios in which backends come and go: verified load of a guest, and whether it is served.

# load GUEST DISK NAME [OPTION...]: fio with verification in the background of the guest, of blocks of all sizes, with
# flushes; and beside it, as NAME-trim, discards, and writes where they were; again and again until
# load_ends. The guest has one processor: what else runs there comes first. The options are fio's, for NAME.
load() {
	local options=${*:4}
	guest_run "$1" 60 "cd /tmp; rm -f $3.stop $3*.rc $3*.json
		run() {
			rc=0
			until [ \$rc != 0 ] || [ -e $3.stop ]; do
				nice -n 19 fio --name=\$1 --filename=/dev/$2 --ioengine=libaio --direct=1 --time_based --runtime=10 \
					--output-format=json --output=\$1.part \"\${@:2}\" >\$1.log 2>&1
				rc=\$?
				cat \$1.part >>\$1.json
			done
			echo \$rc >\$1.rc
		}
		run $3 --rw=randrw --bsrange=4k-1m --iodepth=8 --size=48m --fdatasync=32 \
			--verify=crc32c --verify_fatal=1 --verify_backlog=64 $options </dev/null >/dev/null 2>&1 &
		run $3-trim --rw=randtrimwrite --bs=64k --offset=64m --size=32m --rate_iops=40 \
			</dev/null >/dev/null 2>&1 &"
}

# load_ends GUEST NAME: tells it to, waits for it, and is its status. For both of load's: NAME, NAME-trim.
load_ends() {
	guest_run "$1" 600 "cd /tmp; touch ${2%-trim}.stop; until [ -s $2.rc ]; do sleep 0.1; done
		cat $2.log; exit \$(cat $2.rc)"
}

# slowest GUEST NAME: what its load has seen at worst, in ms.
slowest() {
	guest_run "$1" 60 "grep -v '^fio:' /tmp/$2.json" |
		jq -s '[.[].jobs[0] | .read, .write, .trim | .clat_ns.max // 0] | max / 1e6 | round'
}

# served: both devices are connected, as xenpvd knows it.
served() {
	[[ $(xenpv status --json | jq '[.guests[].devices[] | select(.connected and (.down | not))] | length') == 2 ]]
}
