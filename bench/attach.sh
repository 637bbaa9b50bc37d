# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016
#
# In dom0 of the lab: the time from a command to the device in the guest, xenpv beside xl, in one guest
# of one boot, in turn. Writes $OUT/attach.tsv, a line a measurement, in milliseconds:
#
#	way	round	seen	returned
#
# "seen" is when the guest's kernel says that it has the disk, with its size (lab/tools/disks.c), on its
# console, which is a file in dom0. "returned" is the command's end.
ROUNDS=${ROUNDS:-20}

# Way, the guest's disk, commands.
WAYS=(
	"scsi|sda|xenpv scsi-attach a /dev/ram0 0:0:0:0|xenpv scsi-detach a 0:0:0:0"
	"block|xvdb|xenpv block-attach a /dev/ram1,raw,xvdb,rw|xenpv block-detach a xvdb"
	"xl|xvdc|xl block-attach a phy:/dev/ram2,xvdc,w|xl block-detach a xvdc"
)

# hears DISK NOW: waits for that line of the guest; everything before it is passed over.
hears() {
	local line
	while read -r -t 60 -u 8 line; do
		[[ $line != *"DISK $1 $2"* ]] || return 0
	done
	return 1
}

# run_way ROUND WAY DISK ATTACH DETACH
run_way() {
	local start seen returned pid
	start=${EPOCHREALTIME/./}
	$4 >>"$OUT/attach.log" 2>&1 &
	pid=$!
	hears "$3" 1 || return
	seen=${EPOCHREALTIME/./}
	wait "$pid" || return
	returned=${EPOCHREALTIME/./}
	printf '%s\t%d\t%d.%03d\t%d.%03d\n' "$2" "$1" \
		$(((seen - start) / 1000)) $(((seen - start) % 1000)) \
		$(((returned - start) / 1000)) $(((returned - start) % 1000)) | tee -a "$OUT/attach.tsv"
	$5 >>"$OUT/attach.log" 2>&1 && hears "$3" 0
}

modprobe brd rd_nr=3 rd_size=32768
xenpvd >"$OUT/xenpvd.log" 2>&1 &
wait_for 20 xenpv status >/dev/null 2>&1 || fail "xenpvd does not start"
guest_start a || exit
exec 8< <(exec tail -n 0 -F /var/log/xen/guest-a.log)
guest_run a 30 'setsid /lab/disks </dev/null >/dev/hvc0 2>&1 &'
for ((round = 0; round <= ROUNDS; round++)); do
	# The first is for all that is done once: workers, modules, caches.
	((round != 1)) || rm -f "$OUT/attach.tsv"
	for way in "${WAYS[@]}"; do
		IFS='|' read -r name disk attach detach <<<"$way"
		run_way "$round" "$name" "$disk" "$attach" "$detach" ||
			{ cat "$OUT/attach.log"; fail "$name, round $round"; }
	done
done
