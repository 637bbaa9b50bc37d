# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# Disks of xenpvd and its workers: given, used, resized and taken back; what of them is seen, what is
# refused; a worker that dies, a daemon that ends, a guest that goes.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "${BASH_SOURCE[0]%/*}/../bad-input.sh"

# says TEXT GUEST COMMAND REGEX: one result: what the command says matches.
says() {
	like "$1" "$(guest_do "$2" "$3")" "$4"
}

# back GUEST ID NODE: a node of the backend.
back() {
	xenstore-read "/local/domain/0/backend/xenpv-vbd/$(guest_id "$1")/$2/$3" 2>&1
}

# nodes GUEST: how many there are of its disks, at both ends.
nodes() {
	local id
	id=$(guest_id "$1")
	xenstore-ls -f /local/domain | grep -cE "/backend/xenpv-vbd/$id/|/domain/$id/device/vbd/"
}

# no_nodes GUEST
no_nodes() {
	(($(nodes "$1") == 0))
}

# gone_nodes DOMID: whether its backend nodes are gone.
gone_nodes() {
	! xenstore-ls -f /local/domain/0/backend | grep -q "/xenpv-vbd/$1/"
}

bad_disks() {
	truncate -s 64M good.img other.img
	truncate -s 0 empty.img
	truncate -s 1000 odd.img
	cp good.img readonly.img
	chmod 444 readonly.img
	refused "no specification" "too few" xenpv block-attach web
	refused "an empty one" "empty" xenpv block-attach web ''
	refused "unknown guest" "nobody" xenpv block-attach nobody good.img,raw,xvda
	refused "unknown guest id" "4711" xenpv block-attach 4711 good.img,raw,xvda
	refused "no target" "target" xenpv block-attach web ,raw,xvda,rw
	refused "no vdev" "vdev" xenpv block-attach web good.img,raw
	refused "an unknown vdev" "vda" xenpv block-attach web good.img,raw,vda,rw
	refused "a vdev out of range" "sdq" xenpv block-attach web good.img,raw,sdq,rw
	refused "another format" "qcow2" xenpv block-attach web good.img,qed,xvda,rw
	refused "no queues" "from 1 to 16" xenpv block-attach web good.img,raw,xvda,rw,queues=0
	refused "an unknown format" "elf" xenpv block-attach web good.img,elf,xvda,rw
	refused "an unknown access" "rx" xenpv block-attach web good.img,raw,xvda,rx
	refused "an unknown parameter" "colour" xenpv block-attach web good.img,raw,xvda,rw,colour=red
	refused "a script" "script" xenpv block-attach web good.img,raw,xvda,rw,script=block-x
	refused "a block size" "blocksize" xenpv block-attach web good.img,raw,xvda,rw,blocksize=1000
	refused "a time" "timeout" xenpv block-attach -t never web good.img,raw,xvda
	refused "missing target" "missing.img" xenpv block-attach web missing.img,raw,xvda
	refused "a directory" "$PWD" xenpv block-attach web "$PWD,raw,xvda"
	refused "empty target" "empty.img" xenpv block-attach web empty.img,raw,xvda
	refused "odd-sized target" "odd.img" xenpv block-attach web odd.img,raw,xvda
	refused "read-only target" "readonly.img" xenpv block-attach web readonly.img,raw,xvda,rw
	refused "detach of nothing" "xvda" xenpv block-detach web xvda
	refused "detach of no name" "xvd0" xenpv block-detach web xvd0
	refused "resize of nothing" "xvda" xenpv block-resize web xvda
}

given() {
	is "attach says what" "$(xenpv block-attach web good.img,raw,xvda,rw)" "guest web has xvda: $PWD/good.img, 64 MiB"
	says "the guest has it" web 'wait xvda' 'xvda is there.*64 MiB'
	says "data stays" web 'verify xvda 8M bs=128k' 'no difference'
	ok "several words, by name, read-only" xenpv block-attach web vdev=xvdb format=raw access=ro target=readonly.img
	says "read-only" web 'wait xvdb' 'read-only'
	says "it cannot be written" web 'verify xvdb 64k' 'fails'
	ok "blocks of 4096" xenpv block-attach web other.img,,xvdc,,blocksize=4096
	says "blocks of 4096" web 'wait xvdc' 'blocks of 4096'
	says "data stays on them" web 'verify xvdc 8M bs=64k qd=16' 'no difference'
	ok "a CD-ROM beyond the letters" xenpv block-attach web null:16M,,d26p0,cdrom
	is "the number of the disk" "$(back web $(((1 << 28) + (26 << 8))) dev)" d26p0
	is "info of a CD-ROM" "$(back web $(((1 << 28) + (26 << 8))) info)" 7
	ok "and it goes by another name" xenpv block-detach web xvdaa
	is "sectors are of 512 bytes" "$(back web 51744 sectors)" 131072
	is "sector-size" "$(back web 51744 sector-size)" 4096
	is "info of a disk" "$(back web 51712 info)" 0
	is "info of a read-only one" "$(back web 51728 info)" 4
	is "copies are as good here" "$(back web 51712 feature-persistent)" 0
	ok "one whose grants stay" xenpv block-attach web null:16M,,xvdo,rw,persistent=64
	is "that is announced" "$(back web 51936 feature-persistent)" 1
	ok "detach it again" xenpv block-detach web xvdo
	is "queues announced" "$(back web 51712 multi-queue-max-queues)" "$(($(nproc) < 4 ? $(nproc) : 4))"
	is "pages of a ring announced" "$(back web 51712 max-ring-page-order) $(back web 51712 max-ring-pages)" "4 16"
	ok "more queues" xenpv block-attach web null:16M,,xvdp,rw,queues=11
	is "they are announced" "$(back web 51952 multi-queue-max-queues)" 11
	ok "detach it" xenpv block-detach web xvdp
}

refused_now() {
	truncate -s 16M third.img
	refused "occupied vdev" "xvda.*good.img" xenpv block-attach web third.img,raw,xvda
	refused "by its number" "in use" xenpv block-attach web third.img,raw,51712
	refused "given already" "good.img.*xvda" xenpv block-attach web good.img,raw,xvdf
	refused "given as a disk, wanted as a LUN" "good.img.*xvda" xenpv scsi-attach web good.img 0:0:0:0
	ok "a LUN" xenpv scsi-attach web third.img 0:0:0:0
	refused "given as a LUN, wanted as a disk" "third.img.*0:0:0:0" xenpv block-attach web third.img,raw,xvdf
	says "both at once" web list '(xvda.*0:0:0:0|0:0:0:0.*xvda)'
	ok "the LUN is taken" xenpv scsi-detach web 0:0:0:0
	ok "shared" xenpv block-attach web third.img,raw,xvdf,rw,shared
	refused "shared with one who is not" "third.img" xenpv block-attach web third.img,raw,xvdg
	ok "shared with one who is" xenpv block-attach web third.img,raw,xvdg,rw,shared
	ok "taken" xenpv block-detach web xvdf
	ok "taken, too" xenpv block-detach web xvdg
}

seen() {
	like "block-list" "$(xenpv block-list web)" "web +xvda +disk +rw +64 MiB +$PWD/good.img +51712 +xenpv +connected"
	is "block-list --json" "$(xenpv block-list --json web | jq -c '.[] | [.vdev, .id, .read_only, .size, .state]' | tr '\n' ' ')" \
		'["xvda",51712,false,67108864,"connected"] ["xvdb",51728,true,67108864,"connected"] ["xvdc",51744,false,67108864,"connected"] '
	like "block-list of nobody" "$(xenpv block-list nobody 2>&1)" 'nobody'
	like "status" "$(xenpv status)" 'web +[0-9]+ +[0-9]+ +[0-9.]+ [KM]iB +(yes|no) +xvda +- +[1-9][0-9]* '
	is "its counters" "$(xenpv status --json | jq '[.guests[].devices[] | select(.vdev == "xvda") |
		.stats.write_bytes >= 8388608, .stats.read_bytes >= 8388608, .stats.guest_errors == 0] | all')" true
}

resized() {
	truncate -s 96M good.img
	ok "larger" xenpv block-resize web xvda
	is "sectors" "$(back web 51712 sectors)" 196608
	says "the guest knows" web 'wait xvda' '96 MiB'
	head -c 1M /dev/urandom >noise
	says "it writes at the end" web 'write xvda 95M noise' '1048576 bytes written'
	ok "which is there" cmp -n 1048576 noise good.img 0 99614720
	truncate -s 1000 odd.img && cp odd.img "$PWD/other.img"
	refused "to what is no size" "other.img.*1000 bytes" xenpv block-resize web xvdc
	truncate -s 64M other.img
}

no_space() {
	truncate -s 16M full.img
	ok "a disk that is full at first" xenpv block-attach web "fault:enospc/write/x2:$PWD/full.img,,xvdm,rw"
	says "writes fail" web 'verify xvdm 64k bs=64k' 'fails'
	ok "detach it now" xenpv block-detach web xvdm
	ok "and one that waits" xenpv block-attach web "fault:enospc/write/x2:$PWD/full.img,,xvdm,rw,on-enospc=pause"
	is "its node" "$(back web 51904 on-enospc)" pause
	says "writes are done" web 'verify xvdm 64k bs=64k' 'no difference'
	like "it was logged" "$(cat xenpvd.log)" 'no space left on its storage'
	ok "detach it, too" xenpv block-detach web xvdm
	ok "one that stays full" xenpv block-attach web "fault:enospc/write:$PWD/full.img,,xvdm,rw,on-enospc=pause"
	guest_send web 'verify xvdm 64k bs=64k'
	guest_send web 'echo it has failed'
	ok "waits" wait_for 20 grep -q 'vbd/51904/0 no space left' xenpvd.log
	ok "until it is to fail" xenpv block-set web xvdm on-enospc=fail
	ok "then it does" wait_for 30 grep -q '^it has failed' web.out
	ok "and it goes" xenpv block-detach web xvdm
}

# limits GUEST VDEV: those that its worker has, as JSON.
limits() {
	xenpv status --json | jq -cS ".guests[] | select(.name == \"$1\").devices[] | select(.vdev == \"$2\").limits"
}
limits_are() {
	[[ $(limits "$1" "$2") == "$3" ]]
}

# now: microseconds.
now() {
	echo "${EPOCHREALTIME/./}"
}

limited() {
	local before
	refused "no number" "iops=0x5" xenpv block-set web xvda iops=0x5
	refused "bytes too few" "4096" xenpv block-set web xvda bps=100
	refused "a setting twice" "twice" xenpv block-set web xvda bps=1M bps=2M
	refused "an unknown setting" "colour=red" xenpv block-set web xvda colour=red
	refused "what cannot be changed" "attach it" xenpv block-set web xvda iops=5 queues=2
	refused "limits of nothing" "xvdq" xenpv block-set web xvdq iops=5
	is "no limits yet" "$(limits web xvda)" null
	ok "limits" xenpv block-set web xvda iops=256 bps=100M
	ok "are there" wait_for 10 limits_are web xvda '{"bps":104857600,"iops":256,"pause":false}'
	before=$(now)
	says "512 requests" web 'verify xvda 1M bs=4k' 'no difference'
	ok "take 1.9 seconds at least" test $(($(now) - before)) -ge 1900000
	ok "bytes" xenpv block-set web xvda iops=0 bps=1M
	ok "are there instead" wait_for 10 limits_are web xvda '{"bps":1048576,"iops":0,"pause":false}'
	before=$(now)
	says "2 MiB" web 'verify xvda 1M bs=64k' 'no difference'
	ok "take 1.9 seconds at least, too" test $(($(now) - before)) -ge 1900000
	ok "slow" xenpv block-set web xvda iops=10 bps=0
	ok "is there" wait_for 10 limits_are web xvda '{"bps":0,"iops":10,"pause":false}'
	ok "a neighbour" guest_start next
	ok "with a disk, limited from the start" xenpv block-attach next null:16M,,xvda,rw,iops=1000000,bps-burst=1M
	is "so its worker has it" "$(limits next xvda)" '{"bps":0,"iops":1000000,"pause":false}'
	guest_send web 'verify xvda 1M bs=4k qd=32'
	guest_send web 'echo the flood is over'
	says "does all of it" next 'bench xvda bs=4k qd=8 time=1' '[1-9][0-9]* IOPS'
	ok "while the other waits" not grep -q '^the flood is over' web.out
	ok "without limits" xenpv block-set web xvda iops=0
	ok "it ends" wait_for 30 grep -q '^the flood is over' web.out
	is "and has none" "$(limits web xvda)" null
	guest_kill next
}

not() {
	! "$@"
}

worker_dies() {
	local worker
	worker=$(ours xenpv-worker)
	ok "the worker is killed" kill -KILL "$worker"
	says "the guest has its disk again" web 'wait xvda 20' 'is there'
	says "and works on it" web 'verify xvda 1M' 'no difference'
	says "the others, too" web 'wait xvdc 20' 'is there'
	is "in a new worker" "$([[ $(ours xenpv-worker) != "$worker" ]]; echo $?)" 0
}

# fronts_ready NAME: the guest has closed all its disks, made new rings for them, and waits.
fronts_ready() {
	! xenstore-ls -f "/local/domain/$(guest_id "$1")/device/vbd" | grep '/state = ' | grep -qv '"3"$'
}

daemon_ends() {
	ok "xenpvd ends" daemon_stop
	is "the backend is closed" "$(back web 51712 state)" 6
	ok "and the guest waits for another one" wait_for 20 fronts_ready web
	refused "attach without xenpvd" "not running" xenpv block-attach web null:1M,,xvdz
	ok "xenpvd starts" daemon_start
	xenpv block-detach -f web xvda >/dev/null 2>&1
	ok "attached again" xenpv block-attach web good.img,raw,xvda,rw
	says "it is there" web 'wait xvda 20' 'is there'
	says "and works" web 'verify xvda 1M' 'no difference'
}

taken() {
	local disk
	for disk in xvda xvdb xvdc; do
		ok "detach $disk" xenpv block-detach -f web $disk
	done
	ok "no node is left" no_nodes web
	ok "no worker is left" wait_for 20 no_workers
	is "block-list shows none" "$(xenpv block-list | wc -l)" 1
	ok "and again" xenpv block-attach web good.img,raw,hda,rw
	says "hda" web 'wait hda' 'is there'
}

guest_goes() {
	local id
	id=$(guest_id web)
	guest_kill web
	ok "its nodes go with the guest" wait_for 20 gone_nodes "$id"
	ok "its worker, too" wait_for 20 no_workers
	ok "its storage is free" guest_start again
	ok "for another" xenpv block-attach again good.img,raw,xvda,rw
}

# closed GUEST ID: whether the backend has given the disk up.
closed() {
	[[ $(back "$1" "$2" state) == [56] ]]
}

# front_writes TEXT WANT NODE VALUE...: a frontend that writes this is closed, in the log, in a node and
# in the list with the reason WANT. There is a guest that does nothing itself.
front_writes() {
	local text=$1 want=$2 front disk
	shift 2
	disk=$((disk_letter++))
	front=/local/domain/$(guest_id bad)/device/vbd/$((51712 + disk * 16))
	xenpv block-attach --no-wait bad "null:1M,,d${disk}p0" >/dev/null
	wait_for 10 test "$(back bad $((51712 + disk * 16)) state)" = 2
	while (($#)); do
		xenstore-write "$front/$1" "$2"
		shift 2
	done
	xenstore-write "$front/state" 3
	ok "$text: closed" wait_for 10 closed bad $((51712 + disk * 16))
	like "$text: in a node" "$(back bad $((51712 + disk * 16)) error)" "$want"
	like "$text: in the log" "$(grep "vbd/$((51712 + disk * 16)) " xenpvd.log)" "$want.*; the device is closed"
}

hostile() {
	local disk_letter=0
	ok "a guest" guest_start bad
	ok "that does nothing by itself" freeze "${guest_pid[bad]}"
	front_writes "a ring too large" 'ring-page-order is 31' ring-ref 8 event-channel 1 ring-page-order 31
	front_writes "queues too many" 'num-queues is 4294967295' ring-ref 8 event-channel 1 \
		multi-queue-num-queues 4294967295
	front_writes "no queue" 'num-queues is 0' ring-ref 8 event-channel 1 multi-queue-num-queues 0
	front_writes "an unknown layout" 'protocol is not' ring-ref 8 event-channel 1 protocol x86_128-abi
	front_writes "no number" 'ring-ref is not a number' ring-ref 0x8 event-channel 1
	front_writes "no ring" 'ring-ref0 is missing' event-channel 1
	front_writes "a page that is not granted" '.' ring-ref 4000000000 event-channel 1
	front_writes "no such port" '.' ring-ref 8 event-channel 4000000000
	like "they are listed" "$(xenpv block-list bad)" 'failed: node ring-page-order'
	ok "others have theirs" guest_do again 'verify xvda 1M'
	guest_kill bad
}

# queues GUEST: of its xvda, as xenpvd has them.
queues() {
	xenpv status --json | jq ".guests[] | select(.name == \"$1\").devices[] | select(.vdev == \"xvda\").queues"
}

# rings GUEST: where its nodes name event channels.
rings() {
	xenstore-ls -f "/local/domain/$(guest_id "$1")/device/vbd/51712" | sed -n 's|.*/51712/\(.*event-channel\) =.*|\1|p' |
		paste -s -d ' '
}

# woken NAME: how often each thread of the worker called NAME-... has slept.
woken() {
	local task
	for task in /proc/"$(ours xenpv-worker)"/task/*; do
		[[ $(<"$task/comm") == "$1"* ]] && awk '/^voluntary/ { print $2 }' "$task/status"
	done
}

several() {
	local n
	truncate -s 64M many.img
	for n in 0 5 2x ''; do
		refused "$n queues" "'$n' is not a number from 1 to 4" xenpv guest --queues "$n" other
	done
	ok "a guest that takes three queues" guest_start many --queues 3
	ok "and a disk that may have four" xenpv block-attach many many.img,raw,xvda,rw,queues=4
	says "several queues" many 'wait xvda' 'is there'
	is "three are served" "$(queues many)" 3
	is "by what its nodes say" "$(rings many)" "queue-0/event-channel queue-1/event-channel queue-2/event-channel"
	says "data on all of them" many 'verify xvda 16M bs=64k qd=16' 'no difference'
	says "in small pieces" many 'verify xvda 2M bs=4k qd=64 skew=512' 'no difference'
	is "each queue had something to do" "$(woken vbd-51712- | awk '$1 > 20' | wc -l)" 3
	truncate -s 80M many.img
	ok "larger" xenpv block-resize many xvda
	says "on all queues" many 'verify xvda 80M bs=1M qd=4' 'no difference'
	guest_send many 'verify xvda 16M bs=16k qd=32'
	ok "the worker is killed under load" kill -KILL "$(ours xenpv-worker)"
	says "the disk is there again" many 'wait xvda 20' 'is there'
	is "with its queues" "$(queues many)" 3
	is "nothing was lost" "$(grep -c 'no difference' many.out)" 4
	ok "detached" xenpv block-detach many xvda
	ok "attached with two" xenpv block-attach many many.img,raw,xvda,rw,queues=2
	says "two" many 'verify xvda 4M bs=4k' 'no difference'
	is "two of them" "$(queues many)" 2
	ok "detached again" xenpv block-detach many xvda
	ok "attached with one" xenpv block-attach many many.img,raw,xvda,rw,queues=1
	says "one" many 'verify xvda 4M bs=4k' 'no difference'
	is "one ring, where it always was" "$(rings many)" event-channel
	ok "detached once more" xenpv block-detach many xvda
}

# mapped GUEST VDEV: pages of the guest that are kept mapped.
mapped() {
	xenpv status --json | jq ".guests[] | select(.name == \"$1\").devices[] | select(.vdev == \"$2\").stats.mapped"
}
none_mapped() {
	[[ $(mapped many xvda) == 0 ]]
}

# Persistent grants: bounded for each ring, and they do not stay for ever.
kept() {
	local n
	ok "one that keeps three pages" xenpv block-attach many null:16M,,xvdb,rw,queues=1,persistent=3
	says "more are used" many 'bench xvdb qd=8 bs=64k time=1' '.'
	is "three are kept" "$(mapped many xvdb)" 3
	ok "one that keeps none" xenpv block-attach many null:16M,,xvdc,rw,queues=1,persistent=0
	says "it works, too" many 'bench xvdc qd=8 bs=64k time=1' '.'
	is "none is kept" "$(mapped many xvdc)" 0
	ok "one that keeps many" xenpv block-attach many many.img,raw,xvda,rw,queues=1,persistent=1056
	says "it is used" many 'verify xvda 16M bs=64k qd=16' 'no difference'
	n=$(mapped many xvda)
	ok "many are kept: $n" test "$n" -gt 64
	guest_send many 'verify xvda 16M bs=64k qd=16'
	ok "the worker is killed under load" kill -KILL "$(ours xenpv-worker)"
	says "the disk is there again" many 'wait xvda 20' 'is there'
	says "it goes on" many 'verify xvda 16M bs=64k qd=16' 'no difference'
	n=$(mapped many xvda)
	ok "many are kept again: $n" test "$n" -gt 64
	ok "they are let go when they are not used" wait_for 70 none_mapped
	says "it is used again" many 'verify xvda 1M bs=64k qd=4' 'no difference'
	ok "and keeps some again" not none_mapped
	ok "the guest leaves" guest_stop many
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
several
kept
ok "the guest starts" guest_start web
bad_disks
ok "no node was written" no_nodes web
given
refused_now
seen
resized
limited
no_space
worker_dies
daemon_ends
taken
guest_goes
hostile
guest_stop again
ok "no worker is left at the end" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
