# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# LUNs of iSCSI targets, which tgt serves: a disk, a tape and a changer. What is read and written, aborts and
# resets, passwords, what is refused, and targets that go away.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

name=iqn.2026-11.test:one
export TGT_IPC_SOCKET=$WORK/tgt XENPV_CONFDIR=$WORK

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

attach() {
	xenpv scsi-attach g "$@"
}
detach() {
	xenpv scsi-detach g "$1"
}

# refused PDEV REGEX: one line about it.
refused() {
	local said rc
	said=$(attach "$1" 0:0:9:0 2>&1)
	rc=$?
	like "refused: $1" "$rc: $said" "^1: xenpv: pdev '[^"$'\n'"]*$2[^"$'\n'"]*\$"
}

# find_tgt: Debian's package, if it is not installed, which would start its service: unpacked here.
find_tgt() {
	command -v tgtd >/dev/null && command -v tgtadm >/dev/null && return
	(mkdir pkg && cd pkg && apt-get -qq download tgt && dpkg -x ./*.deb .) >pkg.log 2>&1
	PATH=$WORK/pkg/usr/sbin:$PATH
	command -v tgtd >/dev/null
}

tgt() {
	tgtadm --lld iscsi --mode "$@"
}
tgt_is_there() {
	tgt target --op show >/dev/null 2>&1
}
# lun NUMBER TYPE FILE [OPTION]...
lun() {
	tgt logicalunit --op new --tid 1 --lun "$1" --device-type "$2" -b "$WORK/$3" "${@:4}"
}

# target_start: tgt, with the target and its LUNs.
target_start() {
	alone tgtd -f --iscsi "portal=127.0.0.1:$port" >>tgtd.log 2>&1 &
	guest_pid[tgtd]=$! # so that it ends with us
	wait_for 20 tgt_is_there && tgt target --op new --tid 1 --targetname "$name" && lun 1 disk disk &&
		lun 2 tape tape --bstype ssc && lun 3 changer smc && lun 300 disk disk300 &&
		tgt logicalunit --op update --tid 1 --lun 2 --params online=1 &&
		tgt target --op bind --tid 1 -I ALL
}
target_kill() {
	kill -CONT "${guest_pid[tgtd]}"
	kill -KILL "${guest_pid[tgtd]}"
	wait "${guest_pid[tgtd]}" 2>/dev/null
	unset "guest_pid[tgtd]"
}

# lost N: targets, as the log has it.
lost() {
	[[ $(grep -c 'iSCSI target lost' xenpvd.log) == "$1" ]]
}

disk() {
	like "a disk" "$(attach "$at/1" 0:0:0:0)" 'IET VIRTUAL-DISK'
	says "of its size" 'wait 0:0:0:0' 'disk IET VIRTUAL-DISK, 32 MiB, blocks of 512'
	for how in 'bs=512 qd=64 cut=512' 'bs=4k qd=16' 'bs=256k qd=16' 'skew=512 bs=64k qd=8'; do
		says "verify $how" "verify 0:0:0:0 4M $how" 'no difference'
	done
	says "many at once" 'bench 0:0:0:0 rw=randrw qd=64 time=1' '[1-9][0-9]* IOPS'
	says "aborts" 'abort 0:0:0:0 64' '64 reads, .* 0 other'
	says "reset" 'reset 0:0:0:0' '0:0:0:0: reset'
	says "it works" 'verify 0:0:0:0 1M' 'no difference'
	says "sense data" 'cdb 0:0:0:0 88000000000010000000000000010000 512' '70 00 05 00 .* 21 00'
	says "more than it has" 'cdb 0:0:0:0 120000002400 255' 'residual 219'
	like "it is in the list" "$(xenpv scsi-list g)" "$at/1"
	refused "$at/1" "already"
	like "by another name, too" "$(attach "iscsi://localhost:$port/${name^^}/1" 0:0:9:0 2>&1)" "already; detach it there"
	says "a high number" "wait 0:0:0:0" 'is there'
	ok "LUN 300" attach "$at/300" 0:0:1:0
	says "is another one" 'wait 0:0:1:0' '16 MiB'
	says "it works" 'verify 0:0:1:0 1M' 'no difference'
	ok "it leaves" detach 0:0:1:0
}

killed() {
	guest_send g 'bench 0:0:0:0 rw=randwrite qd=16 time=2'
	sleep 0.3
	ok "the worker is killed under load" kill -KILL "$(ours xenpv-worker)"
	says "the guest has its disk again" 'wait 0:0:0:0 20' 'is there'
	says "which works" 'verify 0:0:0:0 4M bs=64k' 'no difference'
	is "nothing but its session is there" "$(tgt conn --op show --tid 1 | grep -c Session)" 1
	ok "it leaves" detach 0:0:0:0
	is "with its session" "$(tgt conn --op show --tid 1 | grep -c Session)" 0
}

tape() {
	ok "a tape" attach "$at/2" 0:0:0:0
	ok "and its changer" attach "$at/3" 0:0:1:0
	says "the tape is one" 'list' '0:0:0:0 .*tape'
	says "blocks are written" 'tape-write 0:0:0:0 100 32k' 'block 100, 0 errors'
	says "a filemark" 'cdb 0:0:0:0 100000000100' 'status 0x00'
	says "rewind" 'cdb 0:0:0:0 010000000000' 'status 0x00'
	ok "the worker is killed" kill -KILL "$(ours xenpv-worker)"
	says "the new session's unit attention" 'cdb 0:0:0:0 000000000000' '70 00 06 .* 29 00'
	says "the blocks are there" 'tape-read 0:0:0:0 100 32k' '100 blocks are right'
	says "and the filemark behind them" 'cdb 0:0:0:0 080000100000 4096' 'f0 00 80 00 00 10 00'
	says "a short block" 'cdb 0:0:0:0 010000000000' 'status 0x00'
	says "and its ILI" 'cdb 0:0:0:0 080001000000 65536' 'f0 00 20 00 00 80 00'
	ok "it leaves" detach 0:0:0:0
	ok "the changer, too" detach 0:0:1:0
}

passwords() {
	target_kill
	target_start && tgt account --op new --user backup --password secret-secret &&
		tgt account --op bind --tid 1 --user backup
	refused "$at/1" 'Authentication failure'
	echo "* user=backup password=wrong-wrong" >iscsi-logins
	chmod 600 iscsi-logins
	refused "$at/1" 'Authentication failure'
	{
		echo "# who we are"
		echo "iqn.2026-11.test:other user=x password=y"
		echo "$name initiator=iqn.2026-11.test:us user=backup password=secret-secret # ours"
	} >iscsi-logins
	ok "with user and password" attach "$at/1" 0:0:0:0
	says "it works" 'verify 0:0:0:0 1M' 'no difference'
	like "by that name" "$(tgt conn --op show --tid 1)" 'iqn.2026-11.test:us'
	ok "they are nowhere in xenstore" bash -c '! xenstore-ls | grep secret'
	ok "it leaves" detach 0:0:0:0
	chmod 640 iscsi-logins
	refused "$at/1" 'others may read it; try chmod 600'
	chmod 600 iscsi-logins
	echo "* user=backup" >iscsi-logins
	refused "$at/1" 'line 1: a user and its password go together'
	echo "* pasword=secret" >iscsi-logins
	refused "$at/1" 'line 1: pasword= is not known'
	rm iscsi-logins
	tgt account --op unbind --tid 1 --user backup
}

others_refused() {
	refused "$at/7" 'no such LUN'
	refused "$at/16384" 'is not iscsi://'
	refused "${at}x/1" 'Target not found'
	refused "iscsi://127.0.0.1:1/$name/1" 'Connection refused'
	refused "iscsi://u%p@127.0.0.1/$name/1" 'iscsi-logins'
	refused "iscsi://127.0.0.1/one/1" 'is not iscsi://'
	refused "iscsi:/$name/1" 'is not iscsi://'
	refused "cdrom:$at/1" 'leave out cdrom:'
	like "no option of a disk of ours" "$(attach "$at/1" 0:0:9:0,ro 2>&1)" "no option 'ro'"
	like "not a block device" "$(xenpv block-attach g "vdev=xvdb,format=raw,access=rw,target=$at/1" 2>&1)" 'use scsi-attach'
}

troubles() {
	ok "a disk" attach "$at/1" 0:0:0:0
	ok "another one, of ours" attach null:16M 0:0:1:0
	target_kill
	ok "the target is killed" wait_for 10 lost 1
	guest_send g 'read 0:0:0:0 0 1M back'
	ok "a request waits for another one" wait_for 10 grep -q 'cannot be given to its new worker yet: pdev .*iscsi:' xenpvd.log
	ok "it starts again" target_start
	says "nothing is lost" 'verify 0:0:0:0 1M' 'no difference'
	guest_send g 'bench 0:0:0:0 rw=randwrite qd=64 time=3'
	sleep 0.5
	target_kill
	ok "it is killed under load" wait_for 10 lost 2
	target_start
	says "the load has seen no error" "wait 0:0:0:0" 'is there'
	like "it has come to its end" "$(tail -n 20 g.out)" '1 disk, writes.* IOPS'
	says "the disk works" 'verify 0:0:0:0 1M' 'no difference'
	ok "it stands still" freeze "${guest_pid[tgtd]}"
	guest_do g 'timeout 21' >/dev/null
	guest_send g 'read 0:0:0:0 0 4k back'
	ok "an abort that it does not answer: it is lost" wait_for 40 lost 3
	kill -CONT "${guest_pid[tgtd]}"
	guest_do g 'timeout 30' >/dev/null
	says "the disk works" 'verify 0:0:0:0 1M' 'no difference'
	target_kill
	says "none comes: errors in the end" 'read 0:0:0:0 0 4k' '0:0:0:0: .* fails'
	says "the other disk works" 'read 0:0:1:0 0 4k x' '4096 bytes'
	ok "the disk leaves" detach 0:0:0:0
	target_start
	ok "and comes back when there is a target" attach "$at/1" 0:0:0:0
	says "it works" 'verify 0:0:0:0 1M' 'no difference'
	ok "it leaves" detach 0:0:0:0
	freeze "${guest_pid[tgtd]}"
	refused "$at/1" 'does not answer'
	kill -CONT "${guest_pid[tgtd]}"
}

find_tgt || { note "no tgtd: $(cat pkg.log)"; bail "tgt"; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
at=iscsi://127.0.0.1:$port/$name
truncate -s 32M disk
truncate -s 16M disk300
PATH=$PATH:/usr/sbin tgtimg --op new --device-type tape --barcode A1 --size 64 --type data --file tape >/dev/null
: >smc
ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "the guest starts" guest_start g
ok "the target starts" target_start || bail "tgtd: $(cat tgtd.log)"
disk
killed
tape
others_refused
passwords
troubles
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
