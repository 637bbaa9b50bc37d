# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Real SCSI devices given to a guest as they are: a disk of scsi_debug, with its errors and delays.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"
# shellcheck source=tests/lab/scsi-debug.sh
. "$SCENARIO_DIR/scsi-debug.sh"

# raw GUEST SG STATUS REGEX OPTION...: sg_raw in the guest ends with STATUS and says REGEX.
raw() {
	local guest=$1 sg=$2 status=$3 regex=$4 said rc
	shift 4
	said=$(guest_run "$guest" 60 "sg_raw $* 2>&1")
	rc=$?
	echo "$said"
	[[ $rc == "$status" && $said =~ $regex ]]
}

# medium_error GUEST SG: a READ of the block that scsi_debug cannot read: its own sense data.
medium_error() {
	raw "$1" "$2" 3 'Medium Error.*[Uu]nrecovered read error' \
		"-r 512 /dev/$2 28 00 00 00 12 34 00 00 01 00"
}

# recovered GUEST SG: CHECK CONDITION, and data beside it.
recovered() {
	guest_run "$1" 60 "set -e
		dd if=/dev/urandom of=/tmp/block bs=512 count=1 2>/dev/null
		sg_raw -s 512 -i /tmp/block /dev/$2 2a 00 00 00 00 64 00 00 01 00"
	knob opts 8 && knob every_nth 1 || return
	guest_run "$1" 60 "sg_raw -r 512 -o /tmp/back /dev/$2 28 00 00 00 00 64 00 00 01 00 >/tmp/said 2>&1
		cat /tmp/said; grep -qi 'recovered' /tmp/said && cmp /tmp/block /tmp/back"
}

# aborted GUEST SG: a READ takes 20 s at the device; the guest gives it 3. The guest has its answer
# long before the device has.
aborted() {
	local start=$SECONDS took
	guest_run "$1" 60 "sg_raw -t 3 -r 512 /dev/$2 28 00 00 00 00 00 00 00 01 00 2>&1; echo status \$?; true"
	took=$((SECONDS - start))
	echo "took $took s"
	((took < 15))
}

# files GUEST DISK: a file system, a file that is there again after a mount.
files() {
	guest_run "$1" 120 "set -e
		mkfs.ext4 -q -F -b 1024 /dev/$2
		mkdir -p /mnt/t; mount /dev/$2 /mnt/t
		seq 500000 >/mnt/t/numbers; sync; md5sum /mnt/t/numbers >/tmp/sum
		umount /mnt/t; mount /dev/$2 /mnt/t
		md5sum -c /tmp/sum; umount /mnt/t; e2fsck -fn /dev/$2
		! dmesg | grep -E 'I/O error|Unable to map'"
}

# under_way: commands that the disk of scsi_debug has been given and has not ended.
under_way() {
	local dir=/sys/block/${disk#/dev/}/device
	(($(<"$dir/iorequest_cnt") > $(<"$dir/iodone_cnt")))
}

# in_flight GUEST DISK: writes that take two seconds each, eight at once, and are verified; in the background.
in_flight() {
	guest_run "$1" 20 "cd /tmp; dmesg -C; rm -f k.*
		(fio --name=k --filename=/dev/$2 --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 \
			--iodepth=8 --rw=randwrite --bs=4k --size=128k --offset=28m >k.log 2>&1
		echo \$? >k.rc) </dev/null >/dev/null 2>&1 &"
}
# killed_under_way: until a successor finds commands with the disk: those that were there when the worker died may
# have ended before it looks.
killed_under_way() {
	for _ in 1 2 3 4; do
		wait_for 20 under_way && pkill -KILL -x xenpv-worker || return
		wait_for 5 grep "commands of its last worker are with the disk still" "$OUT/xenpvd.log" && return
	done
	return 1
}
in_flight_ends() {
	# shellcheck disable=SC2016 # for the guest's shell
	guest_run "$1" 120 'for i in $(seq 1000); do [ -s /tmp/k.rc ] && break; sleep 0.1; done
		cat /tmp/k.log; exit $(cat /tmp/k.rc)'
}

FIO="fio --name=v --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --iodepth=16 \
	--rw=randwrite --bsrange=4k-256k --size=12m --offset=8m --randseed=7"

modprobe -a sd_mod sg
modprobe scsi_debug dev_size_mb=32 delay=0 || bail "scsi_debug"
wait_for 20 debug_node block >/dev/null || bail "scsi_debug has a disk"
wait_for 20 debug_node scsi_generic >/dev/null || bail "scsi_debug has an sg node"
disk=/dev/$(debug_node block) sg=/dev/$(debug_node scsi_generic)
daemon_start || bail "xenpvd starts"
guest_start g1 || bail "the guest starts"

# What is refused.
refused "a character device of no SCSI device" "no SCSI device" xenpv scsi-attach g1 /dev/null 0:0:0:0
truncate -s 16M /var/tmp/file.img
refused "passthrough of a file" "passthrough" xenpv scsi-attach g1 /var/tmp/file.img 0:0:0:0,passthrough
refused "an option that is not for devices" "'ro'" xenpv scsi-attach g1 "$sg" 0:0:0:0,ro
refused "a device that is not there" "wwid=?.*|naa.3333" xenpv scsi-attach g1 "$sg" 0:0:0:0,wwid=naa.3333
mkfs.ext4 -q -F "$disk"
mkdir -p /mnt/used
mount "$disk" /mnt/used
refused "mounted in dom0" "mounted on /mnt/used" xenpv scsi-attach g1 "$sg" 0:0:0:0
umount /mnt/used
sleep 600 7<>"$sg" &
user=$!
wait_for 5 test -e "/proc/$user/fd/7"
refused "open in dom0" "sleep .process $user" xenpv scsi-attach g1 "$disk" 0:0:0:0,passthrough
kill $user
wait $user 2>/dev/null

ok "scsi-attach of a disk, passthrough" xenpv scsi-attach g1 "$disk" 0:0:0:0,passthrough ||
	{ sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
gdisk=$(guest_disk g1 0:0:0:0) gsg=$(guest_sg g1 0:0:0:0)
like "the guest has a disk and an sg node" "$gdisk $gsg" '^sd[a-z]+ sg[0-9]+$' || tap_end
xenpv scsi-list g1 | sed 's/^/# /'
like "scsi-list tells what it is" "$(xenpv scsi-list g1)" 'disk +Linux +scsi_debug'
like "INQUIRY is the device's own" "$(guest_run g1 20 "sg_inq /dev/$gsg")" 'scsi_debug'
is "its identity, too" "$(guest_run g1 20 "cat /sys/block/$gdisk/device/wwid")" \
	"$(cat "/sys/block/${disk#/dev/}/device/wwid")"
ok "REPORT LUNS is the target's" guest_run g1 20 "sg_luns /dev/$gsg | grep '1 lun entry'"
like "transfers are limited to what requests carry" \
	"$(guest_run g1 20 "sg_vpd --page=bl /dev/$gsg")" 'Maximum transfer length: 512 blocks'
refused "twice" "0:0:0:0" xenpv scsi-attach g1 "$sg" 0:0:1:0
ok "dom0 cannot mount it meanwhile" eval '! mount "$disk" /mnt/used'
ok "mkfs, fill, check" files g1 "$gdisk"
ok "fio writes and verifies, 16 commands at once" guest_run g1 200 "$FIO --filename=/dev/$gdisk"

# What goes wrong.
knob opts 2
ok "a medium error, with its sense data" medium_error g1 "$gsg"
ok "a recovered error: sense data, and data" recovered g1 "$gsg"
knob every_nth 0
knob opts 0
knob delay 5000
ok "a guest's abort is answered before the device is ready" aborted g1 "$gsg"
ok "the device is ready" knob delay 0
ok "and goes on after that" guest_run g1 30 "sg_turs /dev/$gsg || sg_turs /dev/$gsg"
ok "sg_reset in the guest" guest_run g1 60 "sg_reset --device /dev/$gsg"
ok "the device's unit attention for it reaches the guest" eval '! guest_run g1 30 "sg_turs /dev/$gsg"'
ok "once" guest_run g1 30 "sg_turs /dev/$gsg"

ok "detach" xenpv scsi-detach g1 0:0:0:0
ok "the guest has no disk any more" wait_for 20 has_no_disk g1 0:0:0:0
ok "dom0 may read it again" dd if="$sg" of=/dev/null bs=1 count=0
ok "attach again, by the sg node" xenpv scsi-attach g1 "$sg" 0:0:0:0
gdisk=$(guest_disk g1 0:0:0:0)
ok "what was written is there" guest_run g1 200 "$FIO --verify_only --filename=/dev/$gdisk"

# What the dead worker had begun may not land after what its successor does.
knob delay 500
ok "writes that take their time" in_flight g1 "$gdisk"
ok "are with the device" wait_for 20 under_way
ok "when the worker is killed, the next one waits for them" killed_under_way
ok "and does them again: no error" in_flight_ends g1
is "the guest hears of no reset" "$(guest_run g1 20 'dmesg | grep -i "reset\|error"')" ''
ok "the device is fast again" knob delay 0

ok "load on it for the end" guest_run g1 20 "(fio --name=l --filename=/dev/$gdisk --ioengine=libaio --direct=1 \
	--rw=randrw --bs=4k --iodepth=8 --size=16m --time_based --runtime=60 >/dev/null 2>&1) </dev/null >/dev/null 2>&1 &"
ok "xl destroy under load" xl destroy g1
ok "no worker is left" wait_for 20 no_workers
ok "the device is free" wait_for 60 rmmod scsi_debug
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'changed security contexts')" ''
tap_end
