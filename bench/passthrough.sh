# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2086
#
# In dom0 of the lab: SCSI devices given to a guest as they are, by xenpv and by the kernel's xen-scsiback + LIO
# pscsi, in turn for several rounds: the same disk (scsi_debug) and the same tape drive (tgt's) in the same guest of
# the same boot; the tape natively in dom0, too. Writes, a line a measurement, $OUT/disk.tsv and $OUT/tape.tsv:
#
#	job	backend	round	iops	mib_s	lat_us	cpu_us
#	job	way	round	mib_s
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-3}
BLOCKS=${BLOCKS:-128} # of 256 KiB, to and from the tape
# shellcheck source=tests/lab/tgt.sh
. "$TREE/tests/lab/tgt.sh"

# shellcheck source=bench/fio.sh
. "$TREE/bench/fio.sh"

# node H CLASS [PREFIX]: the guest's node of the device at H:0:0:0; with several, the one that is PREFIX and a number.
node() {
	guest_run b 60 "ls /sys/bus/xen/devices/vscsi-$1/host*/target*/*:0:0:0/$2" | grep -E "^${3:+$3[0-9]+\$}" | tail -n 1
}

# disk_jobs BACKEND ROUND DISK
disk_jobs() {
	local job
	for job in "${JOBS[@]}"; do
		fio_job b "$job" "$3" "$OUT/disk.tsv" "${job%% *}"$'\t'"$1"$'\t'"$2" || return 1
	done
}

# tape_jobs WAY ROUND TAPE COMMAND...: writes and reads it where COMMAND runs a line of shell.
tape_jobs() {
	local way=$1 round=$2 tape=/dev/n$3 job said
	shift 3
	for job in write read; do
		said="if=/dev/zero of=$tape"
		[[ $job == write ]] || said="if=$tape of=/dev/null"
		said=$("$@" "mt-st -f $tape rewind && mt-st -f $tape setblk 0 && dd $said bs=256k count=$BLOCKS 2>&1") ||
			{ echo "$said"; return 1; }
		awk -v OFS='\t' -v way="$way" -v job="256k-$job" -v round="$round" -v all="$((BLOCKS * 262144))" '
			/copied/ && $1 == all { print job, way, round, $1 / 1048576 / $(NF - 3); done = 1 }
			END { exit !done }' <<<"$said" | tee -a "$OUT/tape.tsv" || { echo "$said"; return 1; }
	done
}

# with H OPTIONS DEVICE COMMAND...: while the guest has the device at H:0:0:0.
with() {
	local h=$1 options=$2 device=$3
	shift 3
	xenpv scsi-attach --timeout 120 b "$device" "$h:0:0:0$options" >/dev/null && "$@" &&
		xenpv scsi-detach --timeout 120 b "$h:0:0:0" >/dev/null
}

# on_disk H BACKEND ROUND, on_tape H BACKEND ROUND
on_disk() {
	disk_jobs "$2" "$3" "$(node "$1" block)"
}
on_tape() {
	tape_jobs "$2" "$3" "$(node "$1" scsi_tape st)" guest_run b 300
}

set -o pipefail
modprobe -a sd_mod sg
modprobe scsi_debug dev_size_mb=128 delay=0 || fail "scsi_debug"
debug=/sys/bus/pseudo/drivers/scsi_debug/adapter0
wait_for 60 compgen -G "$debug/host*/target*/*/block/sd*" >/dev/null || fail "scsi_debug has no disk"
disk=/dev/$(basename "$debug"/host*/target*/*/block/sd*)
dd if=/dev/zero of="$disk" bs=1M 2>/dev/null
{ tgt_make 256 && tgt_login; } || fail "the tape drive"
mtx -f "/dev/$(tgt_node 3 scsi_generic)" load 1 0 || fail "a tape is loaded"
tape=$(tgt_node 1 scsi_tape st)
xenpvd >"$OUT/xenpvd.log" 2>&1 &
wait_for 20 xenpv status >/dev/null 2>&1 || fail "xenpvd does not start"
guest_start b || exit 1
guest_run b 60 'modprobe -a st sg'
rm -f "$OUT"/*.tsv
for ((round = 1; round <= ROUNDS; round++)); do
	with 0 ,passthrough "$disk" on_disk 0 xenpv $round || fail "the disk, xenpv"
	with 1 ,passthrough,backend=kernel "$disk" on_disk 1 kernel $round || fail "the disk, kernel"
	tape_jobs native $round "$tape" bash -c || fail "the tape, native"
	with 0 '' "$(tgt_address 1)" on_tape 0 xenpv $round || fail "the tape, xenpv"
	with 1 ,backend=kernel "$(tgt_address 1)" on_tape 1 kernel $round || fail "the tape, kernel"
done
xl destroy b
