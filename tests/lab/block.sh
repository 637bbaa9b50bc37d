# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Block devices from xenpvd in a stock PV and a stock PVH guest: the guest's own blkfront.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

IMAGE=/var/tmp/disk.img

# gone GUEST: the guest has no /dev/xvdf.
gone() {
	guest_run "$1" 10 'test ! -e /dev/xvdf'
}

# filesystem GUEST: a file system, a file that is there again after a mount.
filesystem() {
	guest_run "$1" 120 "set -e
		mkfs.ext4 -q -F /dev/xvdf
		mkdir -p /mnt/t; mount /dev/xvdf /mnt/t
		seq 1000000 >/mnt/t/numbers; sync; md5sum /mnt/t/numbers >/tmp/sum
		umount /mnt/t; mount /dev/xvdf /mnt/t
		md5sum -c /tmp/sum; umount /mnt/t; e2fsck -fn /dev/xvdf
		! dmesg | grep 'I/O error'"
}

FIO="fio --name=v --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --iodepth=16 \
	--rw=randwrite --bsrange=4k-1m --size=24m --offset=40m --randseed=7 --filename=/dev/xvdf"

# What the kernel was told of the worker's memory (VmPin), KiB.
pinned() {
	sed -n 's/^VmPin:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pgrep -x xenpv-worker)/status"
}

# one TYPE: all of it in a guest of that type.
one() {
	local g=g$1 before after
	guest_start "$g" type="$1" || { tap_result 1 "$1: the guest starts"; return; }
	rm -f "$IMAGE"
	truncate -s 128M "$IMAGE"
	ok "$1: block-attach" xenpv block-attach "$g" "$IMAGE,raw,xvdf,w" || return
	ok "$1: the guest has it" wait_for 20 guest_run "$g" 10 'test -b /dev/xvdf'
	guest_run "$g" 20 'dmesg | grep xvdf; cat /sys/block/xvdf/queue/max_sectors_kb' | sed 's/^/# /'
	is "$1: its size" "$(guest_run "$g" 20 'blockdev --getsize64 /dev/xvdf')" $((128 << 20))
	xenpv block-list "$g" | sed 's/^/# /'
	ok "$1: mkfs.ext4, fill, check" filesystem "$g"
	ok "$1: fio writes" guest_run "$g" 200 "$FIO --do_verify=0"
	ok "$1: from memory that is registered" test "$(pinned)" -ge 1024
	ok "$1: detach" xenpv block-detach "$g" xvdf
	ok "$1: the guest has no disk any more" wait_for 20 gone "$g"
	ok "$1: attach again" xenpv block-attach "$g" "$IMAGE,raw,xvdf,w"
	ok "$1: fio verifies what it wrote before" guest_run "$g" 200 "$FIO --verify_only"
	before=$(du -k "$IMAGE" | cut -f 1)
	ok "$1: blkdiscard" guest_run "$g" 60 'blkdiscard -f /dev/xvdf'
	after=$(du -k "$IMAGE" | cut -f 1)
	note "$1: the image took $before KiB before blkdiscard and $after KiB after"
	ok "$1: blkdiscard frees space in the image" test "$after" -lt $((before / 10 + 64))
	truncate -s 192M "$IMAGE"
	ok "$1: block-resize" xenpv block-resize "$g" xvdf
	ok "$1: the guest sees it" wait_for 20 guest_run "$g" 10 "[ \$(blockdev --getsize64 /dev/xvdf) = $((192 << 20)) ]"
	ok "$1: xl destroy" xl destroy "$g"
	ok "$1: no worker is left" wait_for 20 no_workers
	is "$1: nothing is left in xenstore" "$(xenstore-ls -f /local/domain/0/backend/xenpv-vbd 2>/dev/null |
		grep -c '/xenpv-vbd/[0-9]')" 0
}

daemon_start || bail "xenpvd starts"
one pv
one pvh
ok "xenpvd ends" daemon_stop
tap_end
