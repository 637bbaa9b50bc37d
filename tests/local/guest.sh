# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# `xenpv guest`: its commands and what is said of wrong ones, buffers of every shape through the
# frontend engine, ABORT and RESET, and backends that go and come back.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# says TEXT GUEST COMMAND REGEX: one result: what the command says matches.
says() {
	like "$1" "$(guest_do "$2" "$3")" "$4"
}

# refused TEXT REGEX COMMAND...: it fails, with one line that matches.
refused() {
	local text=$1 want=$2 said rc
	shift 2
	said=$("$@" 2>&1 </dev/null)
	rc=$?
	like "$text" "$rc: $said" "^1: xenpv: [^"$'\n'"]*${want}[^"$'\n'"]*\$"
}

usage() {
	refused "no name" 'needs a name' xenpv guest
	refused "two names" 'too many arguments' xenpv guest a b
	refused "a bad name" 'letters' xenpv guest 'a b' -c list
	refused "no VDEV in --attach" 'PDEV,VDEV' xenpv guest u -a one.img
	refused "no such image" 'missing.img' xenpv guest u -a missing.img,0:0:0:0
	refused "an unknown command" "no command 'fly'" xenpv guest u -c fly
	refused "too few words" 'too few words' xenpv guest u -c read
	refused "no LUN there" 'no controller 3' xenpv guest u -c 'wait 3:0:0:0 1'
	refused "no place" 'nonsense' xenpv guest u -c 'wait nonsense'
	is "commands in their order, the first failure ends it" \
		"$(xenpv guest u -c 'echo a' -c 'fly' -c 'echo b' 2>/dev/null)" a
	is "with -k all are run" "$(xenpv guest u -k -c 'echo a' -c 'fly' -c 'echo b' 2>/dev/null)" $'a\nb'
	is "commands of standard input, the last line without an end" \
		"$(printf '# nothing\n\necho a\necho b  c' | xenpv guest u)" $'a\nb c'
	ok "a guest ends by a signal" timeout --preserve-status -s TERM 1 \
		"$XENPV_BUILD/xenpv" guest u -c 'echo' -c 'sleep 0.1'
}

# shapes VDEV: data of every alignment.
shapes() {
	local how
	for how in bs=4k bs=64k 'bs=256k qd=16' 'skew=512 bs=64k' 'skew=1 bs=4k qd=16' 'skew=77 bs=64k' \
		'skew=4095 bs=256k qd=4' 'cut=512 bs=64k' 'cut=512 skew=512 bs=128k' 'cut=1000 bs=32k qd=3' \
		'cut=32 bs=4k qd=2 skew=9' 'cut=4096 bs=16k qd=64'; do
		says "$1: $how" g "verify $1 2M $how" 'no difference'
	done
}

commands() {
	says "wait" g 'wait 0:0:0:0' '0:0:0:0 is there: disk XENPV DISK, 16 MiB, blocks of 512'
	says "wait, read-only" g 'wait 0:0:2:0' 'read-only'
	says "list" g list '0:0:0:0 +disk +XENPV +DISK .*0:0:1:0 .* 4096 .*0:0:2:0 .*read-only'
	says "inquiry" g 'inquiry 0:0:0:0' 'Vendor identification: XENPV'
	says "a page" g 'inquiry 0:0:0:0 80' 'serial number: '
	says "a page that is not there" g 'inquiry 0:0:0:0 c0' 'fails: sense key 0x5, ASC 0x24'
	says "cdb" g 'cdb 0:0:0:0 25000000000000000000 8' \
		'host 0, status 0x00, residual 0.*00 00 7f ff 00 00 02 00'
	says "a cdb that is none" g 'cdb 0:0:0:0 xy' 'no CDB'
	says "what is not known" g 'cdb 0:0:0:0 ff0000000000' 'status 0x02.*70 00 05'
	says "longer data than there is" g 'cdb 0:0:0:0 25000000000000000000 4096' 'residual 4088'
	head -c 100000 /dev/urandom >noise
	says "write a file" g 'write 0:0:0:0 1M noise' '100352 bytes written'
	says "read it" g 'read 0:0:0:0 1M 100352 back' '100352 bytes to back'
	ok "the same" cmp -n 100000 noise back
	ok "filled up with zeroes" cmp -n 352 -i 100000:0 back /dev/zero
	says "write zeroes" g 'write 0:0:0:0 1M 4k' '4096 bytes written'
	says "and show them" g 'read 0:0:0:0 1M 512' '000000  00 00 00 00 .*\*'
	says "beyond the end" g 'read 0:0:0:0 16M 512' '16777216 bytes only'
	says "no whole block" g 'read 0:0:1:0 512 512' 'multiples of the block, 4096'
	says "write protected" g 'verify 0:0:2:0 64k' 'fails: Read-only file system'
	says "what forgets is found out" g 'verify 0:0:3:0 64k' '1024 units of 64 bytes differ, the first at byte 0'
	says "bench" g 'bench 0:0:0:0 time=1' '1 disk, reads, 4096 bytes, QD 16: [1-9][0-9]* IOPS'
	says "bench of two, mixed, with spinning" g 'bench 0:0:0:0 0:0:1:0 rw=randrw qd=4 spin=20 time=1' \
		'2 disks, mixed'
	says "bench with an unknown word" g 'bench 0:0:0:0 colour=red' "'colour=red' is not understood"
}

abort_and_reset() {
	says "aborts" g 'abort 0:0:0:0 256' '256 reads, [0-9]+ GOOD, [1-9][0-9]* aborted, [0-9]+ not sent, 0 other'
	says "again, on another LUN" g 'abort 0:0:1:0 200' '200 reads, .* 0 other'
	says "reset" g 'reset 0:0:0:0' '0:0:0:0: reset'
	says "the first command after it is told so" g 'cdb 0:0:0:0 000000000000' '70 00 06 .*29 0'
	says "the other LUN is not" g 'cdb 0:0:1:0 000000000000' 'status 0x00'
	says "reset again" g 'reset 0:0:0:0' '0:0:0:0: reset'
	says "and all goes on" g 'verify 0:0:0:0 1M' 'no difference'
}

frozen() {
	local worker
	worker=$(ours xenpv-worker)
	ok "commands may take a second" guest_do g 'timeout 1'
	ok "its backend stops" freeze "$worker"
	says "a backend that does not answer, nor to ABORT and RESET" g 'read 0:0:0:0 0 512' \
		'0:0:0:0: .* fails: Connection timed out'
	kill -CONT "$worker"
	guest_do g 'timeout 30'
	says "it is connected anew" g 'wait 0:0:0:0 20' 'is there'
	says "and works" g 'verify 0:0:0:0 1M' 'no difference'
}

come_back() {
	local worker
	guest_send g 'bench 0:0:0:0 time=3'
	sleep 0.5
	worker=$(ours xenpv-worker)
	ok "the worker is killed under load" kill -KILL "$worker"
	says "the guest has its disk again" g 'wait 0:0:0:0 20' 'is there'
	says "and works on it" g 'verify 0:0:0:0 1M' 'no difference'
	is "in a new worker" "$([[ $(ours xenpv-worker) != "$worker" ]]; echo $?)" 0
	ok "xenpvd ends" daemon_stop
	says "the disk is gone" g 'wait 0:0:0:0 1' 'not connected|no LUN'
	ok "xenpvd starts" daemon_start
	xenpv scsi-detach -f g 0:0:0:0 >/dev/null 2>&1
	xenpv scsi-attach g one.img 0:0:0:0 >attach.out 2>&1
	says "the disk comes back" g 'wait 0:0:0:0 20' 'is there' || cat attach.out
	says "and works" g 'verify 0:0:0:0 1M' 'no difference'
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
truncate -s 16M one.img two.img ro.img
usage
ok "the guest starts" guest_start g
ok "a disk" xenpv scsi-attach g one.img 0:0:0:0
ok "of 4096-byte blocks" xenpv scsi-attach g two.img 0:0:1:0,blocksize=4096
ok "read-only" xenpv scsi-attach g ro.img 0:0:2:0,ro
ok "that forgets" xenpv scsi-attach g null:16M 0:0:3:0
commands
shapes 0:0:0:0
shapes 0:0:1:0
abort_and_reset
frozen
come_back
says "it lists to the end" g list '0:0:0:0 +disk'
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
