# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# What a guest sees of storage that fails: errors that are made on purpose (fault:SPEC:PDEV), each where
# it should be and nowhere else; storage that hangs, and what goes on meanwhile; an image that becomes
# shorter.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

# disk SPEC VDEV: a disk of 16 MiB with these faults.
disk() {
	truncate -s 16M "d$2.img"
	ok "a disk with $1" xenpv scsi-attach g "fault:$1:d$2.img" "$2"
	says "the guest has it" "wait $2" '16 MiB'
}

refused() {
	local said rc
	said=$(xenpv scsi-attach g "$1" 0:0:63:0 2>&1)
	rc=$?
	like "refused: $1" "$rc: $said" "^1: xenpv: pdev '[^"$'\n'"]*$2[^"$'\n'"]*\$"
}

malformed() {
	truncate -s 16M plain.img
	refused fault:plain.img 'not fault:SPEC:PDEV'
	refused fault::plain.img 'none of eio'
	refused fault:bang:plain.img "'bang' is none of eio"
	refused fault:eio/reed:plain.img "'reed' is no operation"
	refused fault:eio/2M-1M:plain.img "'2M-1M' is no operation"
	refused fault:slow:plain.img 'needs a time'
	refused fault:eio:fault:eio:plain.img 'twice'
	refused fault:eio:missing.img 'No such file'
	refused "fault:eio$(printf '/read%.0s' {1..30}):plain.img" 'longer than'
}

# Sense data: fixed format, key, ASC and ASCQ at 12.
errors() {
	disk eio/read/1M-2M+eio/write/2M-3M+enospc/3M-4M+eio/flush/x1+short/8M-9M 0:0:0:0
	says "the first flush fails" 'verify 0:0:0:0 1M bs=64k' 'flush at byte 0 fails.*sense key 0x3, ASC/ASCQ 0x0c00'
	says "and only that; before the range" 'verify 0:0:0:0 1M bs=64k' 'no difference'
	says "a bad place is read" 'read 0:0:0:0 1M 512' 'sense key 0x3, ASC/ASCQ 0x1100'
	says "its last byte" 'read 0:0:0:0 1048064 1M x' 'sense key 0x3, ASC/ASCQ 0x1100'
	says "the last block of it" 'read 0:0:0:0 2096640 512' 'sense key 0x3, ASC/ASCQ 0x1100'
	says "the block before it" 'read 0:0:0:0 1048064 512 x' '512 bytes'
	says "the block behind it" 'read 0:0:0:0 2M 512 x' '512 bytes'
	says "it can be written" 'write 0:0:0:0 1M 4k' '4096 bytes written'
	says "a bad place is written" 'write 0:0:0:0 2M 4k' 'write at byte 2097152 .*sense key 0x3, ASC/ASCQ 0x0c00'
	says "the disk is full" 'write 0:0:0:0 3M 4k' 'write at byte 3145728 .*sense key 0x7, ASC/ASCQ 0x2707'
	says "behind it" 'write 0:0:0:0 4M 1M' '1048576 bytes written'
	tr '\0' x </dev/zero | head -c 64k >xs
	says "half is written" 'write 0:0:0:0 8M xs' 'sense key 0x3, ASC/ASCQ 0x0c00'
	ok "the first half is there" cmp -n 32768 -i 0:8388608 xs d0:0:0:0.img
	ok "the second is not" cmp -n 32768 -i 0:8421376 /dev/zero d0:0:0:0.img
	ok "the disk leaves" xenpv scsi-detach g 0:0:0:0
	ok "it has no faults any more" xenpv scsi-attach g d0:0:0:0.img 0:0:0:0
	says "as one can see" 'verify 0:0:0:0' 'no difference'
	ok "it leaves again" xenpv scsi-detach g 0:0:0:0
}

# fails: which of 64 reads of 4 KiB do.
fails() {
	local i
	for ((i = 0; i < 64; i++)); do
		guest_do g "read 0:0:1:0 $((4096 * i)) 4096 x" >/dev/null || echo -n "$i "
	done
}

by_chance() {
	local first
	disk eio/read/4194304-/0.1%+eio/read/0-4M/20%+seed=11 0:0:1:0
	first=$(fails)
	like "some reads fail" "$first" '^([0-9]+ ){4,28}$'
	ok "the disk leaves" xenpv scsi-detach g 0:0:1:0
	ok "and comes back" xenpv scsi-attach g fault:eio/read/4194304-/0.1%+eio/read/0-4M/20%+seed=11:d0:0:1:0.img 0:0:1:0
	is "the same fail" "$(fails)" "$first"
	ok "it leaves" xenpv scsi-detach g 0:0:1:0
}

# since MILLISECONDS: those that have passed since.
since() {
	echo $((${EPOCHREALTIME/./} / 1000 - $1))
}

hanging() {
	local start
	disk hang=2s/read/0-4k/x4+slow=100ms/read/4M-4100k+slow=300s/write/8M-9M 0:0:0:0
	ok "another disk" xenpv scsi-attach g plain.img 0:0:1:0
	start=$((${EPOCHREALTIME/./} / 1000))
	says "late, and good" 'read 0:0:0:0 4M 4k x' '4096 bytes'
	ok "not before its time" test "$(since "$start")" -ge 100
	start=$((${EPOCHREALTIME/./} / 1000))
	says "four reads hang, two of them are aborted, the others go on" 'abort 0:0:0:0 64' \
		'64 reads, [1-9][0-9]* GOOD, [1-9][0-9]* aborted, [0-9]+ not sent, 2 other'
	ok "all of which takes as long as they hang" test "$(since "$start")" -ge 2000 -a "$(since "$start")" -lt 6000
	says "and it works" 'verify 0:0:0:0 4M' 'no difference'
	guest_do g 'timeout 1' >/dev/null
	start=$((${EPOCHREALTIME/./} / 1000))
	says "a write that takes minutes is aborted" 'write 0:0:0:0 8M 4k' 'write at byte 8388608 fails'
	ok "within seconds" test "$(since "$start")" -lt 5000
	guest_do g 'timeout 30' >/dev/null
	says "reset" 'reset 0:0:0:0' '0:0:0:0: reset'
	like "which the next command is told of" "$(guest_do g 'cdb 0:0:0:0 000000000000')" '70 00 06 .*29 0'
	says "the disk works" 'verify 0:0:0:0 4M' 'no difference'
	ok "it leaves" xenpv scsi-detach g 0:0:0:0
}

# A guest that does not wait as long as the storage takes, and its other disk.
impatience() {
	local start
	disk hang=6s/write/1M-2M/x1 0:0:0:0
	guest_do g 'timeout 1' >/dev/null
	start=$((${EPOCHREALTIME/./} / 1000))
	says "a write hangs that nobody can take back" 'write 0:0:0:0 1M 4k' 'write at byte 1048576 fails'
	ok "the guest has not waited for it" test "$(since "$start")" -lt 5500
	guest_do g 'timeout 30' >/dev/null
	says "when it has ended the guest is connected anew" 'wait 0:0:1:0 20' 'is there'
	says "its other disk works" 'verify 0:0:1:0 1M' 'no difference'
	says "and this one, where it does not hang" 'wait 0:0:0:0 20' 'is there'
	says "as ever" 'verify 0:0:0:0 1M' 'no difference'
	ok "it leaves" xenpv scsi-detach g 0:0:0:0
}

shorter() {
	truncate -s 16M short.img
	ok "a disk" xenpv scsi-attach g short.img 0:0:2:0
	says "it works" 'verify 0:0:2:0' 'no difference'
	truncate -s 8M short.img
	says "its image has become shorter" 'read 0:0:2:0 8M 4k' 'sense key 0x3, ASC/ASCQ 0x1100'
	says "across the end" 'read 0:0:2:0 8384512 8k' 'sense key 0x3, ASC/ASCQ 0x1100'
	says "what is there is served" 'verify 0:0:2:0 8M' 'no difference'
	ok "it leaves" xenpv scsi-detach g 0:0:2:0
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "the guest starts" guest_start g
malformed
errors
by_chance
hanging
impatience
shorter
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
