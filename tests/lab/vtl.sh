# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A virtual tape library in a stock PV guest: what a backup does with it (tape-cases.sh), cartridges that are
# protected, come and go, and a worker that is killed again and again while tar writes.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# expected: what comes of each case.
expected() {
	cat <<-'END'
		inquiry|Medium Changer 'XENPV   ' 'VTL changer     '
		status|2 drives, 8 slots, 4 full
		transfer|there; and back
		load|loaded; BOT ONLINE
		load_empty|Empty
		position|0.0; 2.0; 0+3 3.0; 2.-1; 1.0; 0+2 0.1; 1.2; 1.1; 4.-1; Input/output error 0+0
		seek|At block 10.; At block 2.; -1.-1; 0+2 -1.-1; At block 6.; At block 9.; 0+0 2
		compression|0+2 0+2
		erase|0.0; Input/output error 0+0
		filemark|0+10 0+5 0+0 Input/output error 0+0
		filemark_sense|SCSI Status: Good  Received 4096 bytes SCSI Status: Check Condition  Filemark detected Info fld=0x1000
		short|0+3 Cannot allocate memory 0+0 SCSI Status: Check Condition  Info fld=0x1000 4096; SCSI Status: Good
		variable|512 ok; 1000 ok; 10240 ok; 65536 ok; 262144 ok; 507904 ok
		fixed|512 ok; 0.1; 32768 ok; 0.1
		end|No space left 187+ 186+ 186+0
		unload|Element 0:Empty; Element 1:Full; DR_OPEN
	END
}

attach_all() {
	attach g1 vtl:lib:changer 0:0:0:0 && attach g1 vtl:lib:drive0 0:0:0:1 && attach g1 vtl:lib:drive1 0:0:0:2
}
detach_all() {
	detach g1 0:0:0:0 && detach g1 0:0:0:1 && detach g1 0:0:0:2
}

# nodes: finds those in the guest.
nodes() {
	tape=$(guest_node g1 0:0:0:1 scsi_tape st) other=$(guest_node g1 0:0:0:2 scsi_tape st)
	sg=$(guest_sg g1 0:0:0:1) changer=$(guest_sg g1 0:0:0:0)
	[[ "$tape $other $sg $changer" =~ ^st[0-9]+\ st[0-9]+\ sg[0-9]+\ sg[0-9]+$ ]]
}

# in_guest COMMAND: with the devices as $T, $T2, $C.
in_guest() {
	guest_run g1 600 "T=/dev/n$tape T2=/dev/n$other C=/dev/$changer; mt() { mt-st \"\$@\"; }
		$1" 2>&1
}

listed() {
	guest_run g1 60 'lsscsi -g' | sed 's/^/# /'
	is "lsscsi" "$(guest_run g1 60 'lsscsi -g' | awk '/XENPV/ { print $2, NF }' | sort | paste -sd,)" \
		"mediumx 8,tape 8,tape 8"
	guest_run g1 60 "dmesg | grep -iE ' st|st[0-9]|ch[0-9]' | tail -n 15; mtx -f /dev/$changer inquiry; mt-st -f /dev/n$tape status" | sed 's/^/# /'
}

cases() {
	guest_put g1 "$SCENARIO_DIR/tape-cases.sh" /tmp/cases
	guest_run g1 2400 "bash /tmp/cases $tape $sg $changer - $(expected | sed 's/|.*//' | paste -sd ' ')" >"$OUT/cases" 2>"$OUT/times"
	sed 's/^/# /' "$OUT/cases" "$OUT/times"
	while IFS='|' read -r name text; do
		is "$name" "$(sed -n "s/^$name|//p" "$OUT/cases")" "$text"
	done < <(expected)
}

# Cartridge 4 is protected.
protected() {
	in_guest 'mtx -f $C load 4 1; mt -f $T2 rewind; mt -f $T2 status; echo x | dd of=$T2 bs=512 conv=sync' >"$OUT/protected"
	sed 's/^/# /' "$OUT/protected"
	like "a protected cartridge says so" "$(<"$OUT/protected")" 'WR_PROT'
	like "it is not written" "$(<"$OUT/protected")" "failed to open.*Read-only file system|Permission denied"
	ok "it goes back" in_guest 'mtx -f $C unload 4 1'
}

# barcodes: of drive 0 and the first four slots.
barcodes() {
	in_guest 'mtx -f $C status' | sed -n 's/.*Transfer Element 0:.*VolumeTag *= *\([^ ]*\).*/\1/p;s/.*Storage Element [1-4]:.*VolumeTag *= *\([^ ]*\).*/\1/p' |
		paste -sd ' '
}

# Two cartridges change places, in slots, and one of them in a drive.
exchanged() {
	ok "mtx exchange" in_guest 'mtx -f $C exchange 1 3'
	is "two slots have what the other had" "$(barcodes)" "XP0003L6 XP0002L6 XP0001L6 XP0004L6"
	ok "and back" in_guest 'mtx -f $C exchange 3 1'
	ok "a file on a tape" in_guest 'set -e; mtx -f $C load 2 0; mt -f $T rewind; seq 5000 | dd of=$T bs=64k 2>/dev/null'
	ok "it is exchanged with another" in_guest 'sg_raw $C a6 00 00 00 04 02 01 00 04 02 00 00'
	is "which is in the drive" "$(barcodes)" "XP0003L6 XP0001L6 XP0002L6 XP0004L6"
	ok "and is an empty tape" in_guest 'mt -f $T rewind; dd if=$T bs=64k 2>/dev/null | cmp - /dev/null'
	ok "back" in_guest 'sg_raw $C a6 00 00 00 04 02 01 00 04 02 00 00'
	ok "the file is there" in_guest 'set -e; mt -f $T rewind; seq 5000 >/tmp/five; dd if=$T bs=64k 2>/dev/null | cmp - /tmp/five'
	ok "an empty slot has nothing to exchange" in_guest '! mtx -f $C exchange 1 8'
	like "sg_opcodes names it" "$(in_guest 'sg_opcodes $C')" 'a6 .*[Ee]xchange medium'
	ok "it goes back" in_guest 'mtx -f $C unload 2 0'
	is "all are where they were" "$(barcodes)" "XP0001L6 XP0002L6 XP0003L6 XP0004L6"
}

# While the guest has the library nobody else has; between two times, cartridges come and go.
come_and_go() {
	ok "two files on a tape" in_guest 'set -e; mtx -f $C load 2 0; mt -f $T rewind; cd /tmp; seq 50000 >one
		dd if=one of=$T bs=10000 2>/dev/null; tar -b 20 -cf $T one; mt -f $T rewind'
	refused "an export meanwhile" "in use" xenpv vtl export lib XP0002L6 out.tap
	: >empty.tap
	refused "an import meanwhile" "in use" xenpv vtl import lib NEW001L6 empty.tap
	ok "detach with a cartridge in a drive" detach_all
	ok "export" xenpv vtl export lib XP0002L6 out.tap
	ok "import" xenpv vtl import lib NEW001L6 out.tap
	ok "verify" xenpv vtl verify lib
	ok "attach" attach_all
	nodes
	ok "the guest reads the copy" in_guest 'set -e; mtx -f $C status | grep -q NEW001L6
		slot=$(mtx -f $C status | sed -n "s/.*Element \([0-9]*\):Full.*NEW001L6.*/\1/p"); mtx -f $C load $slot 1
		cd /tmp; dd if=$T2 bs=64k 2>/dev/null | cmp - one; tar -b 20 -df $T2'
	ok "and the original, where it was" in_guest 'set -e; cd /tmp; mt -f $T rewind
		dd if=$T bs=64k 2>/dev/null | cmp - one; tar -b 20 -df $T'
}

# tar writes; each worker that has taken over is killed a moment later.
killed() {
	local pid kills=0
	in_guest 'dmesg -C; mkdir -p /tmp/tree; cd /tmp; for n in 1 2 3 4; do dd if=/dev/urandom of=tree/$n bs=64k count=32 2>/dev/null; done
		mtx -f $C unload 2 0; mtx -f $C load 3 0; mt -f $T rewind
		(tar -b 8 -cf $T tree 2>tar.err; echo "status $?" >>tar.err) </dev/null >/dev/null 2>&1 &' | sed 's/^/# /'
	pid=$(worker_pid)
	while ((kills < 6)); do
		kill -KILL "$pid" && ((++kills))
		wait_for 60 successor || break
		((kills != 3)) || ok "tar is writing" guest_run g1 60 'pgrep -x tar'
		sleep 0.$((RANDOM % 5))
	done
	ok "tar comes to its end" wait_for 120 guest_run g1 60 'grep -q status /tmp/tar.err'
	is "six workers were killed" "$kills" 6
	is "it sees no error" "$(guest_run g1 60 'cat /tmp/tar.err')" "status 0"
	is "nor does the guest" "$(guest_run g1 60 'dmesg | grep -E "st[0-9]:|reset|error"')" ""
	is "no block is there twice, and none is missing" "$(in_guest 'mt -f $T rewind; cd /tmp; tar -b 8 -cf written tree
		dd if=$T bs=4k 2>/dev/null | cmp - written && echo the same; mt -f $T status | grep -o "File number=1, block number=0"')" \
		"the same
File number=1, block number=0"
}

cd /var/tmp || exit 1
ok "a library" xenpv vtl create lib --drives 2 --slots 8 --tapes 4 --capacity 12M
ok "protect" xenpv vtl protect lib XP0004L6 on
daemon_start || bail "xenpvd starts"
guest_start g1 || bail "the guest starts"
guest_run g1 60 'modprobe -a st ch sg'
ok "attach" attach_all || { sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
ok "the guest has them" nodes || tap_end
for part in ${VTL_PARTS:-listed cases protected exchanged come_and_go killed}; do
	start=$SECONDS
	$part
	note "$part: $((SECONDS - start)) s"
done
ok "detach" detach_all
ok "verify" xenpv vtl verify lib
xenpv vtl list lib | sed 's/^/# /'
xl destroy g1
ok "no worker is left" wait_for 60 no_workers
ok "xenpvd stops" daemon_stop
tap_end
