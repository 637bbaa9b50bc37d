# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# 64 LUNs on four controllers: four adapters of scsi_debug with sixteen LUNs each, all of which a guest uses at once
# while one adapter loses and gains some.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/scsi-debug.sh
. "$SCENARIO_DIR/scsi-debug.sh"

# in_dom0: where the guest must see each LUN, and which one it is there.
in_dom0() {
	grep -H . "$DRIVER"/adapter*/host*/target*/*:*:*:*/wwid |
		sed 's,.*/adapter\([0-9]*\)/.*/[0-9]*:\([0-9:]*\)/wwid:,\1:\2 ,' | sort
}

# in_guest: where it sees them.
in_guest() {
	guest_run g 120 'cd /sys/bus/xen/devices; grep -H . vscsi-*/host*/target*/*:*:*:*/wwid' |
		sed 's,vscsi-\([0-9]*\)/.*/[0-9]*:\([0-9:]*\)/wwid:,\1:\2 ,' | sort
}

# same: the guest has what dom0 has.
same() {
	in_dom0 >"$OUT/in-dom0"
	in_guest >"$OUT/in-guest"
	diff "$OUT/in-dom0" "$OUT/in-guest"
}

# counted N: of so many LUNs xenpv says that the guest uses them.
counted() {
	[[ $(xenpv scsi-list --json g | jq '[.[] | select(.state == "connected")] | length') == "$1" ]]
}

# all_same N: so it is at both ends.
all_same() {
	wait_for 200 counted "$1" && wait_for 60 same
}

# The LUNs of an adapter share its memory: LUN n has what is at n MiB for itself. In the guest, "io H L DISK" writes
# something there that names it, and compares what it reads. A list of all, "H L DISK", is in /tmp/disks.
IO='
printf "%-16383s\n" "adapter $1 LUN $2, process $$" >"/tmp/data.$3"
dd if="/tmp/data.$3" of="/dev/$3" bs=4k oflag=direct seek=$(($2 * 256)) conv=notrunc 2>/dev/null &&
	dd if="/dev/$3" bs=4k iflag=direct skip=$(($2 * 256)) count=4 2>/dev/null | cmp - "/tmp/data.$3"
'

# disks: makes them; how many there are.
disks() {
	guest_feed g 60 'cat >/tmp/io' <<<"$IO"
	guest_run g 120 'cd /sys/bus/xen/devices; for d in vscsi-*/host*/target*/*:*:*:*/block/*; do
		h=${d#vscsi-} l=${d%/block/*}; echo "${h%%/*} ${l##*:} ${d##*/}"; done >/tmp/disks; wc -l </tmp/disks'
}

# io_once: on all at once.
io_once() {
	guest_run g 200 'cd /tmp; rm -f bad; while read -r args; do (sh io $args || echo $args >>bad) & done <disks; wait
		cat bad 2>/dev/null; [ ! -e bad ]'
}

# load CONDITION: those of awk's CONDITION are read, by one process, until load_end; which says whether there was an
# error, and how many KiB there were. (To find what counts for each disk, fio would search all of sysfs, for minutes.)
load() {
	guest_run g 120 "cd /tmp; dmesg -C
		(fio --name=l --thread --readonly --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=64 --time_based \
		--runtime=1000 --file_service_type=roundrobin --disk_util=0 --output=load --output-format=terse \
		--filename=\$(awk '$1 { print \"/dev/\" \$3 }' disks | paste -sd :); echo \$? >ended) </dev/null >said 2>&1 &
		until grep -q '[1-9]' /sys/block/sd*/inflight; do sleep 0.2; done"
}
load_end() {
	guest_run g 200 'cd /tmp; pkill -x fio; until [ -e ended ]; do sleep 0.2; done
		grep "^3;" load | cut -d ";" -f 5,6'
}

# named: dom0 finds there what the guest has written.
named() {
	local h l disk
	for h in 0 1 2 3; do
		for l in {0..15}; do
			disk=$(basename "$DRIVER/adapter$h"/host*/target*/*:0:0:"$l"/block/*)
			dd if="/dev/$disk" bs=512 count=1 iflag=direct skip=$((l * 2048)) 2>/dev/null |
				grep -qa "^adapter $h LUN $l, " || { echo "adapter $h LUN $l: $disk"; return 1; }
		done
	done
}

# each COMMAND...: for the four, at once.
each() {
	local h pid rc=0 pids=()
	for h in 0 1 2 3; do
		"$@" "$h" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || rc=1
	done
	return "$rc"
}
give() {
	attach g "host:$(debug_host "$1")" "$1:0:0:0"
}
take() {
	detach g "$1:0:0:0"
}

# nothing_in_the_guest: no disk of scsi_debug, no controller.
nothing_in_the_guest() {
	[[ $(guest_run g 120 'lsscsi | grep -c scsi_debug; ls /sys/bus/xen/devices | grep -c vscsi') == $'0\n0' ]]
}

modprobe -a sd_mod sg
modprobe scsi_debug add_host=4 max_luns=16 per_host_store=1 dev_size_mb=20 delay=0 || bail "scsi_debug"
wait_for 120 test -e "/sys/class/scsi_device/$(debug_host 3):0:0:15/device/scsi_generic" ||
	bail "scsi_debug has four adapters"
daemon_start || bail "xenpvd starts"
guest_start g memory=512 || bail "the guest starts"

start=$SECONDS
ok "four adapters are attached at once" each give || { sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
ok "the guest has the 64 LUNs, each in its place" all_same 64 || {
	xenpv scsi-list g | grep -v connected | sed 's/^/# /'
	guest_run g 60 'dmesg | tail -n 20' | sed 's/^/# /'
	tap_end
}
is "no two are the same" "$(cut -d ' ' -f 2 "$OUT/in-guest" | sort -u | wc -l)" 64
note "attached: $((SECONDS - start)) s"
start=$SECONDS
is "all are disks" "$(disks)" 64
ok "all 64 are written and read at once" io_once
note "I/O: $((SECONDS - start)) s"

start=$SECONDS
load '$1 != 3 || $2 != 15'
scsi_remove "$(debug_host 3):0:0:15"
ok "one goes, under load on the other 63" all_same 63
echo 17 >"$DRIVER/max_luns"
scsi_rescan "$(debug_host 3)"
ok "it comes back, and a new one" all_same 65
is "the new one is in its place" "$(grep -c '^3:0:0:16 ' "$OUT/in-guest")" 1
scsi_remove "$(debug_host 3):0:0:16"
ok "the new one goes" all_same 64
like "nothing happened to the load" "$(load_end)" '^0;[1-9][0-9]*$'
is "the guest's kernel saw no error" "$(guest_run g 60 "dmesg | grep -E 'I/O error|rejecting I/O'")" ''
note "coming and going: $((SECONDS - start)) s"

start=$SECONDS
ok "all four are detached at once" each take
ok "the guest has none of it" wait_for 120 nothing_in_the_guest
ok "nothing is left" wait_for 60 nothing_left || what_is_left | sed 's/^/# /'
ok "in dom0 each LUN has what the guest has written to it" named
note "detached: $((SECONDS - start)) s"
xl destroy g
ok "scsi_debug is free" wait_for 60 rmmod scsi_debug
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'changed security contexts')" ''
tap_end
