# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# In dom0 of the lab, where the clock counts instructions: the processor time that a worker of the local host takes for
# one I/O on a RAM disk, and fio with io_uring on the same disk. The local host, because there the worker has no
# hypercalls to wait for: it's the path that bench/local times. Writes $OUT/instructions.tsv, a line a measurement:
#
#	job	who	I/Os	ns in user space	ns in the kernel
SECONDS_EACH=${SECONDS_EACH:-5}
HOST=local:/run/bench

JOBS=("randread 4k 16" "randwrite 4k 16" "read 128k 4")

# times PID: what it has taken so far, ns in user space and in the kernel.
times() {
	local hz
	hz=$(getconf CLK_TCK)
	sed 's/.*) //' "/proc/$1/stat" | awk -v ns=$((1000000000 / hz)) '{printf "%.0f %.0f\n", $12 * ns, $13 * ns}'
}

# results FILE N: whether N benches have said theirs.
results() {
	(($(grep -c '^{' "$1") >= $2))
}

# worker: the process of the only guest.
worker() {
	xenpv --host "$HOST" status --json | jq '.. | .worker? // empty' | tail -n 1
}

# The guest's disk, and how it gets it.
declare -A VDEV=([PVSCSI]=0:0:0:0 [block]=xvda) ATTACH=(
	[PVSCSI]="scsi-attach count /dev/ram0 0:0:0:0"
	[block]="block-attach count /dev/ram0,raw,xvda,w"
)

# attach WHO: once the guest is there.
attach() {
	# shellcheck disable=SC2086 # words
	wait_for 60 xenpv --host "$HOST" ${ATTACH[$1]} >"$OUT/attach.txt" 2>&1
}

# measure WHO RW BS QD: the first bench is for all that is done once.
measure() {
	local who=$1 vdev=${VDEV[$1]} bench guest pid user system user2 system2
	bench="bench $vdev rw=$2 bs=$3 qd=$4 --json"
	xenpv --host "$HOST" guest count -c "wait $vdev 60" -c "$bench time=1" -c "sleep 2" \
		-c "$bench time=$SECONDS_EACH" -c "sleep 60" >"$OUT/guest.txt" 2>&1 &
	guest=$!
	attach "$who" && wait_for 60 results "$OUT/guest.txt" 1 || return
	pid=$(worker)
	read -r user system < <(times "$pid")
	wait_for 60 results "$OUT/guest.txt" 2 || return
	read -r user2 system2 < <(times "$pid")
	printf '%s\t%s\t%s\t%s\t%s\n' "$2 $3 $4" "$who" "$(grep '^{' "$OUT/guest.txt" | tail -n 1 | jq .ios)" \
		$((user2 - user)) $((system2 - system)) | tee -a "$OUT/instructions.tsv"
	kill "$guest"
	wait "$guest"
	wait_for 30 test ! -e "/proc/$pid"
}

# fio_times RW BS QD
fio_times() {
	fio --name=b --thread --direct=1 --ioengine=io_uring --filename=/dev/ram0 --rw="$1" --bs="$2" --iodepth="$3" \
		--time_based --runtime="$SECONDS_EACH" --output-format=json | sed -n '/^{/,$p' |
		jq -r --arg job "$1 $2 $3" '.jobs[0] | [$job, "fio", .read.total_ios + .write.total_ios,
			(.usr_cpu * .job_runtime * 1e4 | round), (.sys_cpu * .job_runtime * 1e4 | round)] | @tsv' |
		tee -a "$OUT/instructions.tsv"
}

modprobe brd rd_nr=1 rd_size=65536
mkdir -p "${HOST#local:}"
xenpvd --host "$HOST" --log-level warning >"$OUT/xenpvd.log" 2>&1 &
wait_for 60 xenpv --host "$HOST" status >/dev/null 2>&1 || fail "xenpvd does not start: $(cat "$OUT/xenpvd.log")"
for job in "${JOBS[@]}"; do
	# shellcheck disable=SC2086 # three words
	{ measure PVSCSI $job && measure block $job && fio_times $job; } ||
		fail "$job: $(cat "$OUT"/{attach,guest}.txt "$OUT/xenpvd.log")"
done
