# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2086
#
# In dom0 of the lab: xenpvd beside the kernel's xen-scsiback + iblock, on identical RAM disks, in the
# same guest of the same boot, in turn for several rounds. Writes $OUT/raw.tsv, a line a measurement:
#
#	guest	job	backend	round	iops	mib_s	lat_us	cpu_us
#
# cpu_us is dom0's CPU time per I/O.
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-3}
GUESTS=${GUESTS:-pv pvh}

# shellcheck source=bench/fio.sh
. "$TREE/bench/fio.sh"

# disk_of GUEST H: the guest's block device of controller H.
disk_of() {
	guest_run "$1" 20 "ls /sys/bus/xen/devices/vscsi-$2/host*/target*/*:0:0:0/block" | tail -n 1
}

modprobe brd rd_nr=2 rd_size=131072
dd if=/dev/zero of=/dev/ram0 bs=1M 2>/dev/null
dd if=/dev/zero of=/dev/ram1 bs=1M 2>/dev/null
xenpvd >"$OUT/xenpvd.log" 2>&1 &
wait_for 20 xenpv status >/dev/null 2>&1 || fail "xenpvd does not start"
for type in $GUESTS; do
	guest_start b$type type="$type" || exit 1
	xenpv scsi-attach b$type /dev/ram0 0:0:0:0 || exit 1
	xenpv scsi-attach b$type /dev/ram1 1:0:0:0,backend=kernel || exit 1
	ours=$(disk_of b$type 0)
	kernel=$(disk_of b$type 1)
	say "$type guest: xenpv is $ours, xen-scsiback is $kernel"
	rounds $type b$type xenpv="$ours" kernel="$kernel" || exit 1
	xenpv status | tee "$OUT/status-$type.txt"
	xl destroy b$type
done
