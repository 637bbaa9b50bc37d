# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Two tapes of a guest are written while its worker is killed again and again: a real one (tgt's) by a backup that finds
# its place after errors (tape-writer.sh), and a virtual one by tar, which must not notice. No block may be there
# twice, and none may be missing.
#
#	TAPE_KILLS	how often: 50
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/tgt.sh
. "$SCENARIO_DIR/tgt.sh"

# The writer must have seen at least one of so many kills.
SEEN=3

# natively COMMAND...: on the real tape, in dom0.
natively() {
	"$1" -f "/dev/$(tgt_node 1 scsi_tape nst)" "${@:2}"
}

# begin: both begin to write.
begin() {
	guest_run g 120 "mkdir -p /tmp/w/tree; cd /tmp/w; dmesg -C
		for n in 1 2 3 4; do dd if=/dev/urandom of=tree/\$n bs=64k count=8 2>/dev/null; done
		tar -b 32 -cf archive tree
		(bash /tmp/writer n$real $real_sg /tmp/w) </dev/null >writer 2>&1 &
		mt-st -f /dev/n$virtual rewind
		(n=0; until [ -e stop ]; do tar -b 32 -cf /dev/n$virtual tree 2>>tar.err || break; n=\$((n + 1)); sleep 2; done
			echo \$n >tar.end) </dev/null >/dev/null 2>&1 &"
}

# under_way: the real drive has been given a command that it has not ended.
under_way() {
	local begun ended
	read -r begun <"$DRIVE/iorequest_cnt" && read -r ended <"$DRIVE/iodone_cnt" && ((begun > ended))
}

# kill_it N: the worker, so often: four times while the writer writes, in the middle of a WRITE if it can be; the fifth
# time whatever it does, which may be to look for its place.
kill_it() {
	local pid kills tries
	pid=$(worker_pid)
	for ((kills = 0; kills < $1; kills++)); do
		((kills % 5 == 4)) || guest_run g 300 'cd /tmp/w; until [ -e writing ] || [ -s end ]; do sleep 0.2; done'
		sleep "0.$((RANDOM % 10))"
		for ((tries = 0; tries < 10000; tries++)); do
			under_way && break
		done
		kill -KILL "$pid" || break
		wait_for 120 successor || break
	done
	echo "$kills kills"
	((kills == $1))
}

# on_the_real: what is on the real tape, read in dom0, is N numbered blocks.
on_the_real() {
	natively mt rewind && natively mt setblk 0 || return
	dd if="/dev/$(tgt_node 1 scsi_tape nst)" bs=16384 2>"$OUT/dd" |
		cmp - <(bash "$SCENARIO_DIR/tape-writer.sh" --numbered 0 "$1")
	[[ "${PIPESTATUS[*]}" == "0 0" ]] && grep "^$1+0 records in" "$OUT/dd"
}

# on_the_virtual: N archives, which are what tar makes; nothing behind them.
on_the_virtual() {
	guest_run g 600 "cd /tmp/w; mt-st -f /dev/n$virtual rewind
		for i in \$(seq $1); do dd if=/dev/n$virtual bs=16k 2>/dev/null | cmp - archive || exit; done
		dd if=/dev/n$virtual bs=16k 2>/dev/null | wc -c | grep -x 0"
}

# tar_alone: tar writes to the real tape until a kill has told it.
tar_alone() {
	local pid tries
	pid=$(worker_pid)
	for ((tries = 0; tries < 20; tries++)); do
		guest_run g 120 "cd /tmp/w; rm -f alone; mt-st -f /dev/n$real rewind
			(tar -b 32 -cf /dev/n$real tree tree tree tree tree tree >said 2>&1
				echo \"status \$?\" >alone) </dev/null >/dev/null 2>&1 &
			while ! grep -q '[1-9]' /sys/class/scsi_tape/$real/stats/in_flight; do [ ! -s alone ] || exit 0; done"
		kill -KILL "$pid"
		wait_for 120 successor || return
		guest_run g 300 'cd /tmp/w; until [ -s alone ]; do sleep 0.1; done; cat alone; cat said' >"$OUT/tar"
		grep -q '^status 0' "$OUT/tar" || break
	done
	cat "$OUT/tar"
	grep -q '^status 2' "$OUT/tar"
}

# tar_prefix: what tar has written is there, as far as it came, and nothing behind it. By sg: see tape-writer.sh.
tar_prefix() {
	guest_run g 400 "cd /tmp/w; tar -b 32 -cf alone.tar tree tree tree tree tree tree
		mt-st -f /dev/n$real rewind; : >back
		while sg_raw -r 16384 -o block /dev/$real_sg 08 00 00 40 00 00 >said 2>&1; do cat block >>back; done
		stat -c %s back; cat said; cmp back alone.tar 2>&1 | tee cmp; ! grep differ cmp" >"$OUT/prefix" &&
		(($(head -n 1 "$OUT/prefix") > 0)) && grep -qiE 'blank check|filemark detected' "$OUT/prefix"
}

{ tgt_make 512 && tgt_login; } || bail "the tape library"
cd /var/tmp || exit 1
mtx -f "/dev/$(tgt_node 3 scsi_generic)" load 1 0 || bail "a tape is loaded"
xenpv vtl create lib --drives 1 --slots 2 --tapes 1 --capacity 1G || bail "a virtual library"
daemon_start || bail "xenpvd starts"
guest_start g memory=512 || bail "the guest starts"
guest_run g 60 'modprobe -a st ch sg'
ok "a real drive" attach g "$(tgt_address 1)" 0:0:0:0 || { sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
ok "a virtual one" attach g vtl:lib:drive0 0:0:1:1
ok "and its changer" attach g vtl:lib:changer 0:0:1:0
DRIVE=/sys/class/scsi_device/$(tgt_address 1)/device
real=$(guest_node g 0:0:0:0 scsi_tape st) real_sg=$(guest_sg g 0:0:0:0) virtual=$(guest_node g 0:0:1:1 scsi_tape st)
ok "a cartridge is loaded" guest_run g 120 "mtx -f /dev/$(guest_sg g 0:0:1:0) load 1 0
	mt-st -f /dev/n$virtual rewind; mt-st -f /dev/n$real rewind"
guest_put g "$SCENARIO_DIR/tape-writer.sh" /tmp/writer
begin
start=$SECONDS
ok "the worker is killed ${TAPE_KILLS:-50} times" kill_it "${TAPE_KILLS:-50}"
note "$((SECONDS - start)) s"
ok "both writers come to their end" guest_run g 600 'cd /tmp/w; touch stop
	for n in $(seq 2500); do [ -s end ] && [ -s tar.end ] && break; sleep 0.2; done; [ -s end ] && [ -s tar.end ]'
guest_run g 60 'cd /tmp/w; wc -l <errors; cat found 2>/dev/null | wc -l
	sort errors | uniq -c; cat find writer status dmesg' >"$OUT/seen"
sed 's/^/# /' "$OUT/seen"
blocks=$(guest_run g 60 'cat /tmp/w/end') archives=$(guest_run g 60 'cat /tmp/w/tar.end')
note "$blocks blocks, $archives archives"
like "the writer knows how many blocks there are" "$blocks" '^[1-9][0-9]*$'
ok "it has seen many of the kills" test "$(head -n 1 "$OUT/seen")" -ge $((${TAPE_KILLS:-50} / SEEN))
is "tar has seen none of them" "$(guest_run g 60 'cat /tmp/w/tar.err')" ''
ok "its archives are on the virtual tape" on_the_virtual "$archives"
ok "detach the real drive" detach g 0:0:0:0
ok "in dom0 no block of the real tape is there twice, and none is missing" on_the_real "$blocks"
changer=/dev/$(tgt_node 3 scsi_generic)
{ mtx -f "$changer" unload 1 0 && mtx -f "$changer" load 2 0; } || bail "another tape is loaded"
ok "attach it" attach g "$(tgt_address 1)" 0:0:0:0
real=$(guest_node g 0:0:0:0 scsi_tape st) real_sg=$(guest_sg g 0:0:0:0)
ok "tar on a real tape gives up" tar_alone
sed 's/^/# /' "$OUT/tar"
ok "what it has written is there" tar_prefix
sed 's/^/# /' "$OUT/prefix"
for unit in 0:0:0:0 0:0:1:0 0:0:1:1; do
	ok "detach $unit" detach g $unit
done
ok "verify" xenpv vtl verify lib
xl destroy g
ok "no worker is left" wait_for 60 no_workers
ok "xenpvd stops" daemon_stop
tap_end
