# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2086
#
# In dom0 of the lab: the jobs that disks are measured with.

# Before each of them; an HVM guest's wants more, since its pages are first mapped by the clock on the wall.
RAMP=${RAMP:-1}

FIO="fio --name=b --direct=1 --time_based --runtime=$SECONDS_EACH --ramp_time=$RAMP --ioengine=libaio \
	--group_reporting --output-format=json"

# Name, then fio's words; for who sources this.
# shellcheck disable=SC2034
JOBS=(
	"4k-randread-qd1 --rw=randread --bs=4k --iodepth=1"
	"4k-randread-qd16 --rw=randread --bs=4k --iodepth=16"
	"4k-randwrite-qd1 --rw=randwrite --bs=4k --iodepth=1"
	"4k-randwrite-qd16 --rw=randwrite --bs=4k --iodepth=16"
	"128k-read-qd4 --rw=read --bs=128k --iodepth=4"
	"128k-write-qd4 --rw=write --bs=128k --iodepth=4"
)

# dom0_time: the processor time that it has had, seconds. Linux's own figure (/proc/stat) is a sample of each tick, and
# less than half of it.
dom0_time() {
	xl list 0 | awk 'NR == 2 { print $NF }'
}

# fio_job GUEST JOB DISK FILE KEYS: adds a line to FILE: KEYS, I/Os a second, MiB a second, microseconds of an I/O, and
# microseconds that dom0 has worked for it.
fio_job() {
	local before after json
	before=$(dom0_time)
	json=$(guest_run "$1" 240 "$FIO ${2#* } --filename=/dev/$3") || { echo "$json"; return 1; }
	after=$(dom0_time)
	# fio's warnings come before the object.
	sed -n '/^{/,$p' <<<"$json" | jq -r --arg keys "$5" --argjson from "$before" --argjson to "$after" \
		--argjson s $((SECONDS_EACH + RAMP)) '
		.jobs[0] as $j | (if $j.read.iops > 0 then $j.read else $j.write end) as $d |
		[$keys, $d.iops, $d.bw / 1024, $d.lat_ns.mean / 1000, ($to - $from) * 1e6 / ($d.iops * $s)] | join("\t")' |
		tee -a "$4"
}

# rounds TYPE GUEST BACKEND=DISK...: each of JOBS on each disk of the guest in turn, ROUNDS times; lines of $OUT/raw.tsv.
rounds() {
	local type=$1 guest=$2 round job backend
	shift 2
	for ((round = 1; round <= ROUNDS; round++)); do
		for job in "${JOBS[@]}"; do
			for backend; do
				fio_job "$guest" "$job" "${backend#*=}" "$OUT/raw.tsv" \
					"$type"$'\t'"${job%% *}"$'\t'"${backend%%=*}"$'\t'"$round" || return 1
			done
		done
	done
}
