# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Whole adapters, and devices that come and go while a guest uses them: a scsi_debug of several LUNs, some of which are
# removed and found again under load; a device that vanishes and comes back, at the same address and, behind iSCSI, at
# another; aborts and resets under load; two guests on one shared LUN and its reservations; blocks of 4096 bytes.
#
#	HBA_PARTS	only these of its functions, with + between them
#	HBA_ROUNDS	how often the device vanishes and comes back at the same address: 1
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/scsi-debug.sh
. "$SCENARIO_DIR/scsi-debug.sh"
# shellcheck source=tests/lab/tgt.sh
. "$SCENARIO_DIR/tgt.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# listed_is GUEST PLACES: those are the LUNs that it has, in order.
listed_is() {
	[[ $(xenpv scsi-list --json "$1" |
		jq -r 'map(select(.state == "connected") | .vdev) | sort | join(" ")') == "$2" ]]
}

# seen_is GUEST N: so many disks of scsi_debug are in the guest.
seen_is() {
	[[ $(guest_run "$1" 120 'lsscsi | grep -c scsi_debug') == "$2" ]]
}

# load GUEST DISK: I/O of fio in the background, again and again, whatever comes of it, until load_end. Returns
# when the disk has some.
load() {
	guest_run "$1" 120 "cd /tmp; rm -f load.*; dmesg -C
		(good=0 bad=0
		until [ -e load.stop ]; do
			if fio --name=l --filename=/dev/$2 --ioengine=libaio --direct=1 --rw=randrw --bs=4k --iodepth=8 \
				--size=4m --time_based --runtime=2 >load.said 2>&1; then
				good=\$((good + 1))
			else
				bad=\$((bad + 1))
			fi
			echo good \$good bad \$bad >load.now
		done
		mv load.now load.rc) </dev/null >/dev/null 2>&1 &
		until grep -q '[1-9]' /sys/block/$2/inflight; do sleep 0.1; done"
}

# load_fails GUEST: a run of it has failed.
load_fails() {
	guest_run "$1" 120 "grep -q 'bad [1-9]' /tmp/load.now 2>/dev/null"
}

# load_end GUEST: it ends. Says how many runs went well and how many did not.
load_end() {
	guest_run "$1" 120 'cd /tmp; touch load.stop; until [ -s load.rc ]; do sleep 0.1; done; cat load.rc'
}

# load_went_well GUEST: it has had no error.
load_went_well() {
	local said
	said=$(load_end "$1")
	echo "$said"
	[[ $said =~ ^good\ [1-9][0-9]*\ bad\ 0$ ]] && ! guest_run "$1" 60 "dmesg | grep 'I/O error'" && return
	guest_run "$1" 60 'tail -n 20 /tmp/load.said; dmesg | tail -n 20'
	return 1
}

# descriptors: how many xenpvd, its workers and their helpers have open.
descriptors() {
	# shellcheck disable=SC2046
	find "/proc/$daemon_pid/fd" $(pgrep xenpv- | sed 's:.*:/proc/&/fd:') -mindepth 1 2>/dev/null | wc -l
}

# descriptors_are N
descriptors_are() {
	[[ $(descriptors) == "$1" ]]
}

# reads GUEST DISK: a direct read of it works.
reads() {
	guest_run "$1" 120 "dd if=/dev/$2 of=/dev/null bs=4k count=4 iflag=direct 2>/dev/null"
}

# reads_not GUEST DISK
reads_not() {
	! reads "$1" "$2"
}

# persist GUEST OPTION...: sg_persist on its LUN 0:0:0:0.
persist() {
	local guest=$1
	shift
	guest_run "$guest" 120 "sg_persist $* /dev/$(guest_sg "$guest" 0:0:0:0) 2>&1"
}

whole_adapter() {
	local disk
	refused "no such adapter" "no such SCSI adapter" xenpv scsi-attach g1 host:4711 1:0:0:0
	ok "scsi-attach of an adapter" attach g1 "host:$h" 1:0:0:0 ||
		{ sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
	ok "all its LUNs are there" wait_for 120 listed_is g1 "1:0:0:0 1:0:0:1 1:0:0:2 1:0:0:3"
	ok "so in the guest" wait_for 120 seen_is g1 4
	refused "a LUN on an adapter's controller" "is an adapter" xenpv scsi-attach g1 null:1M 1:0:9:0
	refused "an adapter on its controller" "is in use" xenpv scsi-attach g1 "host:$h" 1:0:0:0
	disk=$(guest_disk g1 1:0:0:0)
	load g1 "$disk"
	scsi_remove "$h:0:0:2"
	ok "one that dom0 removes is gone, under load on another" wait_for 120 listed_is g1 "1:0:0:0 1:0:0:1 1:0:0:3"
	ok "so in the guest" wait_for 120 seen_is g1 3
	echo 5 >"$DRIVER/max_luns"
	scsi_rescan "$h"
	ok "new ones come, the removed one again" wait_for 120 listed_is g1 "1:0:0:0 1:0:0:1 1:0:0:2 1:0:0:3 1:0:0:4"
	ok "so in the guest" wait_for 120 seen_is g1 5
	ok "which can be read" eval 'reads g1 "$(guest_disk g1 1:0:0:4)" && reads g1 "$(guest_disk g1 1:0:0:2)"'
	one_burst
	ok "nothing happened to the load" load_went_well g1
	xenpv scsi-list g1 | sed 's/^/# /'
	ok "scsi-detach takes the adapter as a whole" detach g1 1:0:0:0
	is "nothing is left of it" "$(xenpv scsi-list --json g1 | jq length)" 0
	ok "nothing in the guest" seen_is g1 0
}

# one_burst: a device is made anew and another one comes, before xenpvd can hear of either.
one_burst() {
	kill -STOP "$daemon_pid"
	scsi_remove "$h:0:0:2"
	echo 6 >"$DRIVER/max_luns"
	scsi_rescan "$h"
	kill -CONT "$daemon_pid"
	ok "one made anew and a new one, at once" wait_for 120 listed_is g1 \
		"1:0:0:0 1:0:0:1 1:0:0:2 1:0:0:3 1:0:0:4 1:0:0:5"
	ok "so in the guest" wait_for 120 seen_is g1 6
	ok "both can be read" eval 'reads g1 "$(guest_disk g1 1:0:0:2)" && reads g1 "$(guest_disk g1 1:0:0:5)"'
}

# vanishes GUEST DISK: it goes under load by the command before "--", and comes by the one behind.
vanishes() {
	local guest=$1 disk=$2 text=$3
	local -a go=() come=()
	shift 3
	while [[ $1 != -- ]]; do
		go+=("$1")
		shift
	done
	shift
	come=("$@")
	load "$guest" "$disk"
	"${go[@]}"
	ok "$text: it vanishes under load: errors in the guest" wait_for 120 reads_not "$guest" "$disk"
	ok "$text: the load has seen it" wait_for 120 load_fails "$guest"
	"${come[@]}"
	ok "$text: it is back: the guest goes on" wait_for 120 reads "$guest" "$disk"
	note "$(load_end "$guest")"
}

# tgt_elsewhere: dom0 gets the iSCSI devices back, but another host has taken the number of theirs.
tgt_elsewhere() {
	echo 1 >"$DRIVER/add_host"
	tgt_login
}

coming_and_going() {
	local disk before n address
	refused "an address that is none" "no such SCSI device" xenpv scsi-attach g1 "$h:0:9:0" 0:0:0:0
	ok "scsi-attach by address" attach g1 "$h:0:0:1" 0:0:0:0
	disk=$(guest_disk g1 0:0:0:0)
	ok "it can be read" reads g1 "$disk"
	before=$(descriptors)
	for ((n = 1; n <= ${HBA_ROUNDS:-1}; n++)); do
		vanishes g1 "$disk" "removed, $n" scsi_remove "$h:0:0:1" -- scsi_rescan "$h"
	done
	ok "no descriptor is left over" wait_for 120 descriptors_are "$before" ||
		note "$(descriptors), not $before: $(ls -l /proc/"$daemon_pid"/fd)"
	abort_and_reset "$disk"
	ok "detach" detach g1 0:0:0:0

	address=$(tgt_address 5)
	ok "a disk behind iSCSI" attach g1 "$address" 0:0:0:0
	disk=$(guest_disk g1 0:0:0:0)
	vanishes g1 "$disk" "logged out" tgt_logout -- tgt_elsewhere
	note "it was $address, and is $(tgt_address 5)"
	ok "it came back at another address" test "$address" != "$(tgt_address 5)"
	ok "detach" detach g1 0:0:0:0
}

# abort_and_reset DISK: of g1, 0:0:0:0. At the device a command takes 6 s; the guest gives three of them 1 s.
abort_and_reset() {
	local sg start=$SECONDS
	ok "a slow device" knob delay 1500
	load g1 "$1"
	sg=$(guest_sg g1 0:0:0:0)
	ok "aborts under load" guest_run g1 120 "for i in 1 2 3; do
		sg_raw -t 1 -r 512 /dev/$sg 28 00 00 00 00 00 00 00 01 00 && exit 1; done; true"
	ok "resets under load" guest_run g1 120 "sg_reset --device /dev/$sg && sg_reset --device /dev/$sg"
	ok "nothing happened to the load" load_went_well g1
	ok "the device is quick again" knob delay 0
	note "$((SECONDS - start)) s"
}

# To the device both guests are the host.
two_guests() {
	local address
	address=$(tgt_address 5)
	guest_start g2 || bail "the second guest starts"
	ok "shared, to the first" attach g1 "$address" 0:0:0:0,shared
	refused "not shared, to the second" "shared" xenpv scsi-attach g2 "$address" 0:0:0:0
	ok "shared, to the second" attach g2 "$address" 0:0:0:0,shared
	guest_run g1 120 "echo together | dd of=/dev/$(guest_disk g1 0:0:0:0) bs=512 conv=sync oflag=direct 2>/dev/null"
	is "the second reads what the first writes" "$(guest_run g2 120 "dd if=/dev/$(guest_disk g2 0:0:0:0) bs=512 \
		count=1 iflag=direct 2>/dev/null | head -n 1")" together
	ok "one registers a key" persist g1 --out -G -S 0x1234
	ok "and reserves" persist g1 --out -R -T 5 -K 0x1234
	like "the other reads the key" "$(persist g2 --in -k)" '0x1234'
	like "and the reservation" "$(persist g2 --in -r)" 'Write Exclusive, registrants only'
	like "so does dom0" "$(sg_persist -k "/dev/$(tgt_node 5 scsi_generic)" 2>&1)" 0x1234
	ok "the other releases it, with the key" persist g2 --out -L -T 5 -K 0x1234
	like "it is released" "$(persist g1 --in -r)" 'there is NO reservation'
	is "a wrong key is refused by the device, as in dom0" "$(persist g2 --out -G -K 0x99 -S 0x5 >/dev/null
		echo $?) $(sg_persist --out -G -K 0x99 -S 0x5 "/dev/$(tgt_node 5 scsi_generic)" >/dev/null 2>&1
		echo $?)" "24 24"
	ok "the key goes" persist g2 --out -C -K 0x1234
	like "for both" "$(persist g1 --in -k)" 'NO registered'
	ok "detach the first" detach g1 0:0:0:0
	ok "detach the second" detach g2 0:0:0:0
	xl destroy g2
}

large_blocks() {
	local disk sg
	ok "scsi_debug is free" wait_for 120 rmmod scsi_debug
	modprobe scsi_debug dev_size_mb=16 sector_size=4096 delay=0
	wait_for 120 test -e "/sys/class/scsi_device/$(debug_host):0:0:0/device/scsi_generic"
	ok "a disk of 4096 byte blocks" attach g1 "$(debug_host):0:0:0" 0:0:0:0
	disk=$(guest_disk g1 0:0:0:0) sg=$(guest_sg g1 0:0:0:0)
	is "so in the guest" "$(guest_run g1 120 "cat /sys/block/$disk/queue/logical_block_size")" 4096
	like "transfers are limited to what requests carry" "$(guest_run g1 120 "sg_vpd --page=bl /dev/$sg")" \
		'Maximum transfer length: 64 blocks'
	ok "fio writes and verifies" guest_run g1 200 "fio --name=v --filename=/dev/$disk --ioengine=libaio --direct=1 \
		--verify=crc32c --iodepth=8 --rw=randwrite --bsrange=4k-256k --size=8m"
	like "a block that is not there" "$(guest_run g1 120 "sg_raw -r 4096 /dev/$sg 28 00 00 00 12 34 00 00 01 00 2>&1")" \
		'Logical block address out of range'
}

modprobe -a sd_mod sg
modprobe scsi_debug dev_size_mb=8 max_luns=4 delay=0 || bail "scsi_debug"
wait_for 120 test -e "/sys/class/scsi_device/$(debug_host):0:0:3/device/scsi_generic" || bail "scsi_debug has four LUNs"
h=$(debug_host)
tgt_make 4 || bail "the iSCSI target"
tgt_login || bail "the iSCSI session"
daemon_start || bail "xenpvd starts"
# Two processors: with one, a guest's frontend of Linux 6.1 ends a command in the interrupt, under the lock that ending
# it takes again while the guest's own sg_reset is under way (scsi_dec_host_busy()): the guest hangs.
guest_start g1 vcpus=2 || bail "the guest starts"
parts=${HBA_PARTS:-whole_adapter+coming_and_going+two_guests+large_blocks}
for part in ${parts//+/ }; do
	start=$SECONDS
	$part
	note "$part: $((SECONDS - start)) s"
done
xl destroy g1
ok "no worker is left" wait_for 120 no_workers
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'changed security contexts')" ''
tap_end
