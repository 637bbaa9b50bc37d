# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2086
#
# In dom0 of the lab: xenpvd beside the kernel's xen-scsiback + iblock, on identical RAM disks, in the
# same guest of the same boot, in turn for several rounds. Writes $OUT/raw.tsv, a line a measurement:
#
#	guest	job	backend	round	iops	mib_s	lat_us	cpu_us
#
# cpu_us is dom0's CPU time (all processors, idle excepted) per I/O.
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-4}
GUESTS=${GUESTS:-pv pvh}

FIO="fio --name=b --direct=1 --time_based --runtime=$SECONDS_EACH --ramp_time=1 --ioengine=libaio \
	--group_reporting --output-format=json"

# Name, then fio's words.
JOBS=(
	"4k-randread-qd1 --rw=randread --bs=4k --iodepth=1"
	"4k-randread-qd16 --rw=randread --bs=4k --iodepth=16"
	"4k-randwrite-qd1 --rw=randwrite --bs=4k --iodepth=1"
	"4k-randwrite-qd16 --rw=randwrite --bs=4k --iodepth=16"
	"128k-read-qd4 --rw=read --bs=128k --iodepth=4"
	"128k-write-qd4 --rw=write --bs=128k --iodepth=4"
)

# busy: jiffies that dom0's processors have worked.
busy() {
	awk '/^cpu /{print $2 + $3 + $4 + $7 + $8}' /proc/stat
}

# disk_of GUEST H: the guest's block device of controller H.
disk_of() {
	guest_run "$1" 20 "ls /sys/bus/xen/devices/vscsi-$2/host*/target*/*:0:0:0/block" | tail -n 1
}

# measure TYPE GUEST JOB BACKEND ROUND DISK: one line of the table.
measure() {
	local name=${3%% *} words=${3#* } before after json
	before=$(busy)
	json=$(guest_run "$2" 60 "$FIO $words --filename=/dev/$6") || { echo "$json"; return 1; }
	after=$(busy)
	# fio's warnings come before the object.
	sed -n '/^{/,$p' <<<"$json" | jq -r --arg t "$1" --arg n "$name" --arg b "$4" --arg r "$5" \
		--argjson busy $((after - before)) --argjson s $((SECONDS_EACH + 1)) '
		.jobs[0] as $j | (if $j.read.iops > 0 then $j.read else $j.write end) as $d |
		[$t, $n, $b, $r, $d.iops, $d.bw / 1024, $d.lat_ns.mean / 1000,
		 $busy * 10000 / ($d.iops * $s)] | @tsv' | tee -a "$OUT/raw.tsv"
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
	for ((round = 1; round <= ROUNDS; round++)); do
		for job in "${JOBS[@]}"; do
			measure "$type" b$type "$job" xenpv $round "$ours" || exit 1
			measure "$type" b$type "$job" kernel $round "$kernel" || exit 1
		done
	done
	xenpv status | tee "$OUT/status-$type.txt"
	xl destroy b$type
done
kernel_version=$(uname -r)
echo "Xen $(xl info | sed -n 's/^xen_version *: //p') on $(xl info | sed -n 's/^nr_cpus *: //p') processor(s)," \
	"Linux $kernel_version in dom0 ($(nproc) virtual processors) and guest (1)" >"$OUT/where.txt"
