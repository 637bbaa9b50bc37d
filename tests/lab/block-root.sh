# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Stock PV and PVH guests (TYPES; block-root-hvm: HVM) whose root is a disk of ours, created paused and attached before
# they run; with several queues, rings of several pages, persistent grants, limits, and more disks than letters. PVH
# and HVM guests have one processor: with two their programs die of illegal instructions under emulation.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

ROOT=$(((1 << 28) + (25 << 8))) # xvdz

# front GUEST NUMBER NODE: a node that the guest has written.
front() {
	xenstore-read "/local/domain/$(guest_id "$1")/device/vbd/$2/$3" 2>&1
}

# boot TYPE QUEUES DISK...: a guest rTYPE on our disk, with these disks besides.
boot() {
	local type=$1 queues=$2 g=r$1 offset disk
	shift 2
	guest_config "$g" type="$type" root=/dev/xvdz vcpus="$queues" memory=512 \
		cmdline=xen_blkfront.max_ring_page_order=2
	offset=$(guest_log_size "$g")
	ok "$type: created, paused" xl create -q -p "/etc/xen/$g.cfg" || return
	ok "$type: its root" xenpv block-attach --no-wait "$g" "$GUEST_IMAGE,raw,xvdz,ro,shared,queues=$queues" || return
	for disk; do
		xenpv block-attach --no-wait "$g" "$disk" >/dev/null || tap_result 1 "$type: $disk"
	done
	ok "$type: runs" xl unpause "$g"
	ok "$type: has booted from it" guest_wait "$g" "$offset" || return
	ok "$type: its programs come from there" guest_run "$g" 20 'read -r reads _ </sys/block/xvdz/stat; [ "$reads" -gt 100 ]'
	((queues == 1)) || # one needs no word
		is "$type: its queues" "$(front "$g" $ROOT multi-queue-num-queues)" "$queues"
	is "$type: has rings of four pages" "$(front "$g" $ROOT ring-page-order)" 2
	is "$type: sees the queues" "$(guest_run "$g" 20 'cd /sys/block/xvdz/mq; set -- *; echo $#')" "$queues"
}

FIO="fio --ioengine=libaio --direct=1 --iodepth=16 --numjobs=2 --group_reporting --randseed=3 --size=2m"

# use TYPE QUEUES: /dev/xvdf.
use() {
	local type=$1 queues=$2 g=r$1 iops
	ok "$type: two jobs write, and all of it is there" guest_run "$g" 600 \
		"$FIO --name=w --filename=/dev/xvdf --offset_increment=16m --rw=randwrite --bs=4k --verify=crc32c --verify_fatal=1"
	is "$type: on its queues" "$(xenpv status --json |
		jq "[.guests[].devices[] | select(.vdev == \"xvdf\").queues] | first")" "$queues"
	ok "$type: a limit" xenpv block-set "$g" xvdf iops=20
	iops=$(guest_run "$g" 120 "$FIO --name=r --filename=/dev/xvdf --rw=randread --bs=4k --runtime=5 --time_based \
		--output-format=json" | sed -n '/^{/,$p' | jq '.jobs[0].read.iops | floor')
	note "$type: $iops requests a second"
	ok "$type: is not passed" test "${iops:-9999}" -le 24
	ok "$type: and goes" xenpv block-set "$g" xvdf iops=0
}

# announced GUEST NUMBER: are persistent grants?
announced() {
	xenstore-read "/local/domain/0/backend/xenpv-vbd/$(guest_id "$1")/$2/feature-persistent" 2>&1
}

# mapped VDEV: pages of the guest that are kept mapped.
mapped() {
	xenpv status --json | jq ".guests[].devices[] | select(.vdev == \"$1\").stats.mapped"
}

# persistent TYPE: /dev/xvdg, whose grants stay.
persistent() {
	local type=$1 g=r$1
	is "$type: persistent grants" "$(front "$g" $((202 * 256 + 6 * 16)) feature-persistent)" 1
	ok "$type: data through them" guest_run "$g" 200 \
		"$FIO --name=p --filename=/dev/xvdg --offset_increment=16m --rw=randrw --bsrange=4k-64k --verify=crc32c --verify_fatal=1"
	ok "$type: some are kept" test "$(mapped xvdg)" -gt 64
	is "$type: the first disks have them" "$(announced "$g" $ROOT)" 1
	is "$type: the last ones copy" "$(announced "$g" $(((1 << 28) + (51 << 8))))" 0
}

many=()
for ((n = 26; n < 52; n++)); do
	many+=("null:16M,,d${n}p0,rw,queues=1")
done
truncate -s 64M /var/tmp/f.img /var/tmp/g.img

# forget TYPE: its guest.
forget() {
	ok "$1: xl destroy" xl destroy "r$1"
	ok "$1: no worker is left" wait_for 90 no_workers
}

daemon_start || bail "xenpvd starts"
for type in ${TYPES:-pv pvh}; do
	case $type in
	pv)
		boot pv 2 /var/tmp/f.img,raw,xvdf,rw,queues=2 /var/tmp/g.img,raw,xvdg,rw,persistent=512 "${many[@]}" ||
			bail pv
		is "29 disks" "$(guest_run rpv 20 'ls -d /sys/block/xvd* | wc -l')" 29
		use pv 2
		persistent pv
		;;
	*)
		boot "$type" 1 /var/tmp/f.img,raw,xvdf,rw || bail "$type"
		use "$type" 1
		;;
	esac
	forget "$type"
done
ok "xenpvd ends" daemon_stop
tap_end
