# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# A virtual tape library on a local host: making one, moving its cartridges, reading and writing; and
# workers that are killed meanwhile.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "$here/../bad-input.sh"

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

CHANGER=0:0:0:0
TAPE=0:0:0:1
TUR=000000000000
REWIND=010000000000
MARK=100000000100
POSITION="cdb $TAPE 34060000000000000000 32"

# move FROM TO: a CDB, of addresses in hex.
move() {
	echo "cdb $CHANGER a5000000${1}${2}0000000000"
}

# exchange FROM TO SECOND
exchange() {
	echo "cdb $CHANGER a6000000${1}${2}${3}0000"
}

# heard VDEV: all unit attentions have been told.
heard() {
	local i
	for i in 1 2 3 4; do
		guest_do g "cdb $1 $TUR" | grep -q '^70 00 06\|00 06 00' || return 0
	done
}

create() {
	ok "a library" xenpv vtl create lib --drives 2 --slots 6 --tapes 4 --worm 1 --capacity 64M
	like "list" "$(xenpv vtl list lib)" 'slot 3 +XP0004LW +0 B +64 MiB +0 +worm'
	like "as JSON" "$(xenpv vtl list --json lib | tr -d ' \n')" '"drives":2,"slots":6,.*"place":"slot1","cartridge":"XP0002L6"'
	refused "a folder that is there" "lib.*exists" xenpv vtl create lib
	refused "too many drives" "drives.*1 to 8" xenpv vtl create x --drives 9
	refused "more cartridges than slots" "tapes.*0 to 6" xenpv vtl create x --slots 6 --tapes 7
	refused "a capacity that is none" "capacity" xenpv vtl create x --capacity 1k
	refused "an unknown subcommand" "create, list" xenpv vtl make lib
	refused "a word too few" "BARCODE" xenpv vtl export lib
	refused "no library" "vtl create" xenpv vtl list "$PWD"
	[[ ! -e x ]]
	tap_result $? "nothing is left"
}

bad() {
	refused "neither changer nor drive" "vtl:DIR:driveN" xenpv scsi-attach g vtl:lib:slot1 0:0:0:0
	refused "a drive that is not there" "2 drives" xenpv scsi-attach g vtl:lib:drive2 0:0:0:0
	refused "no such folder" "vtl create" xenpv scsi-attach g vtl:none:changer 0:0:0:0
	refused "read-only" "'ro'.*protect" xenpv scsi-attach g vtl:lib:drive0 0:0:0:0,ro
	refused "as a disk" "scsi-attach" xenpv block-attach g vtl:lib:drive0,raw,xvdb,rw
	cp lib/XP0002L6.tape kept
	head -c 8192 /dev/zero | dd of=lib/XP0002L6.tape conv=notrunc status=none
	refused "a damaged cartridge" "XP0002L6.*damaged" xenpv scsi-attach g vtl:lib:changer 0:0:0:0
	refused "is found by verify, too" "1 of 4" xenpv vtl verify lib
	cp kept lib/XP0002L6.tape
}

attach() {
	ok "the changer" xenpv scsi-attach g vtl:lib:changer $CHANGER
	ok "a drive" xenpv scsi-attach g vtl:lib:drive0 $TAPE
	says "the guest has them" "wait $TAPE" 'tape'
	like "scsi-list" "$(xenpv scsi-list g)" 'tape +XENPV +Ultrium 6-VTL .*vtl:/.*/lib:drive0'
	refused "the same drive twice" "drive0.*$TAPE" xenpv scsi-attach g vtl:lib:drive0 0:0:0:2
	refused "a part on another controller" "one controller" xenpv scsi-attach g vtl:lib:drive1 1:0:0:0
	refused "verify while it is used" "in use" xenpv vtl verify lib
	heard $CHANGER
	heard $TAPE
	says "the drive is empty" "cdb $TAPE $TUR" '70 00 02 .* 3a 00'
}

use() {
	says "elements and barcodes" "cdb $CHANGER b8100000ffff000010000000 4096" 'XP0001L6'
	says "load" "$(move 0400 0100)" 'status 0x00'
	says "the drive says so" "cdb $TAPE $TUR" '70 00 06 .* 28 00'
	says "it is full now" "$(move 0401 0100)" '70 00 05 .* 3b 0d'
	like "list" "$(xenpv vtl list lib)" 'drive 0 +XP0001L6'
	says "write" "tape-write $TAPE 100 64k" 'block 100, 0 errors'
	says "a filemark" "cdb $TAPE $MARK" 'status 0x00'
	like "which the label knows" "$(xenpv vtl list lib)" 'drive 0 +XP0001L6 +6.[0-9]+ MiB +64 MiB +1 '
	says "rewind" "cdb $TAPE $REWIND" 'status 0x00'
	says "read" "tape-read $TAPE 100 64k" '100 blocks are right'
	says "the filemark" "cdb $TAPE 080000800000 32768" 'f0 00 80 00 00 80 00 0a  00 00 00 00 00 01'
	says "the end" "cdb $TAPE 080000800000 32768" 'f0 00 08 .* 00 05'
	says "another on the same controller" "$(move 0100 0400)" 'status 0x00'
	says "none" "cdb $TAPE $TUR" '70 00 02 .* 3a 00'
	says "back again" "$(move 0400 0100)" 'status 0x00'
	heard $TAPE
	says "space to the end" "cdb $TAPE 110300000000" 'status 0x00'
	says "where it is" "$POSITION" ' 00 65  '
	says "exchanged with another" "$(exchange 0402 0100 0402)" 'status 0x00'
	like "list" "$(xenpv vtl list lib | tr '\n' ' ')" 'drive 0 +XP0003L6.* slot 2 +XP0001L6'
	says "the drive says so" "cdb $TAPE $TUR" '70 00 06 .* 28 00'
	says "and has nothing to read" "cdb $TAPE 080000800000 32768" '70 00 08 .* 00 05|f0 00 08 .* 00 05'
	says "and back, the other to an empty slot" "$(exchange 0402 0100 0405)" 'status 0x00'
	like "list" "$(xenpv vtl list lib | tr '\n' ' ')" 'drive 0 +XP0001L6.* slot 5 +XP0003L6'
	says "which had it for a moment" "$(move 0405 0402)" 'status 0x00'
	heard $TAPE
	says "it is read as before" "tape-read $TAPE 100 64k" '100 blocks are right'
	says "locked" "cdb $TAPE 1e0000000100" 'status 0x00'
	says "it stays" "$(move 0100 0400)" '70 00 05 .* 53 02'
	says "and is not exchanged" "$(exchange 0402 0100 0402)" '70 00 05 .* 53 02'
	says "unlocked" "cdb $TAPE 1e0000000000" 'status 0x00'
}

# worker: the process that serves g.
worker() {
	xenpv status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["guests"][0]["worker"])'
}

served() {
	local pid
	pid=$(worker) && [[ $pid =~ ^[1-9] && $pid != "$1" ]] && xenpv status | grep -q running
}

# Killed while nothing is under way: the guest does not notice; the tape stands where it stood.
idle() {
	local pid i
	says "to block 40" "cdb $TAPE 2b000000000028000000" 'status 0x00'
	for i in 1 2 3; do
		pid=$(worker)
		kill -KILL "$pid"
		wait_for 20 served "$pid"
		says "killed $i: it stands where it stood" "$POSITION" ' 00 28  '
	done
	like "xenpv upgrade" "$(xenpv upgrade)" 'g.* ms'
	says "it stands there still" "$POSITION" ' 00 28  '
	says "and is read on" "tape-read $TAPE 100 64k" '100 blocks are right'
}

# successor PID: another worker has taken over from that one; it is pid then.
successor() {
	local last
	last=$(sed -n 's/.* worker pid=\([0-9]*\) has taken over.*/\1/p' xenpvd.log | tail -n 1)
	[[ $last && $last != "$1" ]] && pid=$last
}

# Killed while it writes: the guest notices nothing.
killed() {
	local pid i kills=0 errors n=60000
	says "another cartridge" "$(move 0100 0400)" 'status 0x00'
	says "comes" "$(move 0401 0100)" 'status 0x00'
	heard $TAPE
	guest_send g "tape-write $TAPE $n 400"
	pid=$(worker)
	for ((i = 0; i < 50; i++)); do
		kill -KILL "$pid" && ((kills++))
		# not faster than they come: three that die at the same request are the request's fault
		wait_for 20 successor "$pid"
		sleep 0.0$((RANDOM % 10))
		grep -q "at block $n" g.out && break
	done
	ok "writing comes to its end" wait_for 300 grep -q "at block $n" g.out
	errors=$(sed -n "s/.*at block $n, \([0-9]*\) errors, 0 lost.*/\1/p" g.out)
	note "$kills kills, $errors errors"
	((kills >= 10 && errors == 0))
	tap_result $? "the guest has noticed none"
	says "a filemark" "cdb $TAPE $MARK" 'status 0x00'
	says "rewind" "cdb $TAPE $REWIND" 'status 0x00'
	says "no block twice, none missing" "tape-read $TAPE $n 400" "$n blocks are right"
	says "and none behind them" "cdb $TAPE 080000800000 32768" 'f0 00 80'
}

# Everything is killed while it writes: what was acknowledged is there.
all_killed() {
	says "a third" "$(move 0100 0401)" 'status 0x00'
	says "comes" "$(move 0402 0100)" 'status 0x00'
	heard $TAPE
	says "files" "tape-write $TAPE 200 20000" 'block 200, 0 errors'
	guest_send g "tape-write $TAPE 3000 20000"
	sleep 0.3
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(ours xenpv-worker) "$daemon_pid" "${guest_pid[g]}"
	wait 2>/dev/null
	daemon_pid=
	# shellcheck disable=SC2046 # numbers: a worker that was just being started, and the host
	kill -KILL $(ours) 2>/dev/null
	ok "xenpvd starts again" daemon_start
	ok "verify" wait_for 20 xenpv vtl verify lib
	like "what was acknowledged is there" "$(xenpv vtl verify lib)" 'XP0003L6: good: ([2-9][0-9]{2}|[1-9][0-9]{3}) blocks'
}

# Other programs' files, and what changes while no guest has it.
images() {
	local text
	ok "export" xenpv vtl export lib XP0001L6 one.tap
	is "as SIMH has it" "$(stat -c %s one.tap)" $((100 * (65536 + 8) + 4 + 4))
	ok "import" xenpv vtl import lib COPY1 one.tap
	ok "export of that" xenpv vtl export lib COPY1 two.tap
	ok "is the same" cmp one.tap two.tap
	refused "a file that is there" "exists" xenpv vtl export lib COPY1 two.tap
	refused "a barcode that is there" "COPY1" xenpv vtl import lib COPY1 one.tap
	refused "no barcode" "barcode" xenpv vtl import lib a/b one.tap
	head -c 70000 one.tap >cut.tap
	refused "half a record" "byte 65544" xenpv vtl import lib COPY2 cut.tap
	refused "no such cartridge" "COPY2" xenpv vtl export lib COPY2 x.tap
	ok "protect" xenpv vtl protect lib XP0001L6 on
	like "list" "$(xenpv vtl list lib)" 'XP0001L6 .* protected'
	printf x | dd of=lib/XP0001L6.tape bs=1 seek=$((8192 + 65600 * 3 + 5000)) conv=notrunc status=none
	refused "a byte that has changed" "1 of 5" xenpv vtl verify lib
	text=$(xenpv vtl verify lib 2>/dev/null)
	like "what is readable" "$text" 'XP0001L6: damaged: 3 blocks, 0 filemarks, 196608 bytes are readable; record 3'
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
guest_start g
create
bad
attach
use
idle
killed
all_killed
images
ok "xenpvd stops" daemon_stop
tap_end
