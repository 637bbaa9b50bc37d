# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A disk from xenpvd in a stock PV and a stock PVH guest: everything that is done with a disk.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

IMAGE=/var/tmp/disk.img
SECOND=/var/tmp/second.img

# used FILE: KiB it takes on the file system.
used() {
	du -k "$1" | cut -f 1
}

# filesystem GUEST DISK: partition, file system, a file that is there again after a mount. Blocks of
# 1 KiB and a file of several MiB: writes whose buffers begin inside a page, as long as they get.
filesystem() {
	guest_run "$1" 120 "set -e
		echo ',,L' | sfdisk -q --no-reread /dev/$2
		blockdev --rereadpt /dev/$2 || true
		udevadm settle 2>/dev/null || true
		for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/${2}1 ] && break; sleep 0.2; done
		mkfs.ext4 -q -F -b 1024 /dev/${2}1
		mkdir -p /mnt/t; mount /dev/${2}1 /mnt/t
		seq 1000000 >/mnt/t/numbers; sync; md5sum /mnt/t/numbers >/tmp/sum
		umount /mnt/t; mount /dev/${2}1 /mnt/t
		md5sum -c /tmp/sum; umount /mnt/t; e2fsck -fn /dev/${2}1
		! dmesg | grep -E 'I/O error|Unable to map'"
}

FIO="fio --name=v --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --iodepth=8 \
	--rw=randwrite --bsrange=4k-256k --size=24m --offset=40m --randseed=7"

# write_pattern GUEST DISK, verify_pattern GUEST DISK: with fio, 4 KiB to 256 KiB.
write_pattern() {
	guest_run "$1" 200 "$FIO --filename=/dev/$2 --do_verify=0"
}
verify_pattern() {
	guest_run "$1" 200 "$FIO --filename=/dev/$2 --verify_only"
}

# inquiry GUEST SG: INQUIRY and every VPD page that the disk lists.
inquiry() {
	guest_run "$1" 60 "set -e
		sg_inq /dev/$2 | grep 'Vendor identification: XENPV'
		for page in \$(sg_vpd --page=0 --hex --raw /dev/$2 2>/dev/null | od -An -v -tx1 |
				tr -s ' \\n' '\\n\\n' | sed '/^\$/d' | tail -n +5); do
			sg_vpd --page=0x\$page /dev/$2
		done
		sg_vpd --page=sv /dev/$2"
}

# luns GUEST SG: REPORT LUNS with every buffer size; more than a page crashes dom0 with the kernel's
# backend.
luns() {
	guest_run "$1" 60 "for n in 16 512 4096 8192 16384 65536; do
		sg_luns --maxlen=\$n /dev/$2 || exit 1; done"
}

# reservations GUEST SG: register, reserve, read back, release.
reservations() {
	guest_run "$1" 60 "set -e
		sg_persist --out --register --param-sark=abc123 /dev/$2
		sg_persist --out --reserve --param-rk=abc123 --prout-type=5 /dev/$2
		sg_persist --in --read-keys /dev/$2 | grep -i 0xabc123
		sg_persist --in --read-reservation /dev/$2 | grep -i 'Write Exclusive, registrants only'
		sg_persist --in --read-full-status /dev/$2
		sg_persist --out --release --param-rk=abc123 --prout-type=5 /dev/$2
		sg_persist --out --register --param-rk=abc123 --param-sark=0 /dev/$2
		sg_persist --in --read-keys /dev/$2 | grep 'there are NO registered'"
}

# load GUEST DISK SECONDS: writes and reads in the background of the guest; load_ends GUEST waits and
# tells how it went.
load() {
	guest_run "$1" 20 "cd /tmp; rm -f load.rc
		(fio --name=load --filename=/dev/$2 --ioengine=libaio --direct=1 --rw=randrw --bs=4k \
			--iodepth=8 --size=32m --time_based --runtime=$3 >load.log 2>&1
		echo \$? >load.rc) </dev/null >/dev/null 2>&1 &"
}
load_ends() {
	# shellcheck disable=SC2016 # for the guest's shell
	guest_run "$1" 90 'for i in $(seq 800); do [ -s /tmp/load.rc ] && break; sleep 0.1; done
		cat /tmp/load.log; exit $(cat /tmp/load.rc)'
}

# one TYPE: all of it in a guest of that type.
one() {
	local g=g$1 disk sg before after dom
	guest_start "$g" type="$1" || { tap_result 1 "$1: the guest starts"; return; }
	rm -f "$IMAGE" "$SECOND"
	truncate -s 128M "$IMAGE"
	truncate -s 64M "$SECOND"
	ok "$1: scsi-attach" xenpv scsi-attach "$g" "$IMAGE" 0:0:0:0 || return
	disk=$(guest_disk "$g" 0:0:0:0)
	sg=$(guest_sg "$g" 0:0:0:0)
	like "$1: the guest has a disk and an sg node" "$disk $sg" '^sd[a-z]+ sg[0-9]+$' || return
	xenpv scsi-list "$g" | sed 's/^/# /'
	like "$1: scsi-list --json shows it connected" "$(xenpv scsi-list --json "$g")" \
		'"0:0:0:0"'
	ok "$1: partition, mkfs.ext4, fill, check" filesystem "$g" "$disk"
	ok "$1: fio writes" write_pattern "$g" "$disk"
	ok "$1: detach" xenpv scsi-detach "$g" 0:0:0:0
	ok "$1: the guest has no disk any more" wait_for 20 has_no_disk "$g" 0:0:0:0
	ok "$1: attach again" xenpv scsi-attach "$g" "$IMAGE" 0:0:0:0
	disk=$(guest_disk "$g" 0:0:0:0)
	sg=$(guest_sg "$g" 0:0:0:0)
	ok "$1: fio verifies what it wrote before" verify_pattern "$g" "$disk"
	ok "$1: INQUIRY and every VPD page" inquiry "$g" "$sg"
	ok "$1: REPORT LUNS with 16 to 65536 bytes" luns "$g" "$sg"
	ok "$1: persistent reservations" reservations "$g" "$sg"
	ok "$1: sg_reset of the device" guest_run "$g" 60 "sg_reset --device /dev/$sg && sg_turs /dev/$sg ||
		sg_turs /dev/$sg"
	before=$(used "$IMAGE")
	ok "$1: blkdiscard" guest_run "$g" 60 "blkdiscard -f /dev/$disk"
	after=$(used "$IMAGE")
	note "$1: the image took $before KiB before blkdiscard and $after KiB after"
	ok "$1: blkdiscard frees space in the image" test "$after" -lt $((before / 10 + 64))
	ok "$1: load on the disk" load "$g" "$disk" 8
	ok "$1: a second LUN is added under load" xenpv scsi-attach "$g" "$SECOND" 0:0:0:1
	ok "$1: the guest writes to it" guest_run "$g" 60 \
		"dd if=/dev/urandom of=/dev/$(guest_disk "$g" 0:0:0:1) bs=1M count=8 oflag=direct"
	ok "$1: it is removed under load" xenpv scsi-detach "$g" 0:0:0:1
	ok "$1: the load saw no error" load_ends "$g"
	ok "$1: load for the end" load "$g" "$disk" 60
	dom=$(xl domid "$g")
	ok "$1: xl destroy under load" xl destroy "$g"
	ok "$1: no worker is left" wait_for 20 no_workers
	ok "$1: no backend node is left" wait_for 20 no_nodes "$dom"
}

# no_nodes DOMID: our part of xenstore has nothing of it.
no_nodes() {
	! xenstore-ls -f /local/domain/0/backend/xenpv-vscsi 2>/dev/null | grep -q "xenpv-vscsi/$1"
}

daemon_start || bail "xenpvd starts"
for type in pv pvh; do
	one $type
done
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints)" ''
tap_end
