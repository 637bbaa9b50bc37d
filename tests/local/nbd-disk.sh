# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# Disks that NBD servers serve, nbdkit and qemu-nbd: what a guest writes is in the image, as qemu-img
# sees it; what servers refuse, and servers that go away.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

# serve NAME COMMAND...: a server in the background, until its socket NAME.sock is there.
serve() {
	local name=$1
	shift
	rm -f "$name.sock"
	alone "$@" >"$name.log" 2>&1 &
	guest_pid[$name]=$! # so that it ends with us
	wait_for 10 test -S "$name.sock"
}

# kit NAME WORD...: nbdkit.
kit() {
	local name=$1
	shift
	serve "$name" nbdkit -f -U "$name.sock" "$@"
}

# end NAME: that server.
end() {
	local pid=${guest_pid[$1]}
	kill -CONT "$pid" && kill "$pid"
	wait "$pid" 2>/dev/null
	unset "guest_pid[$1]"
}

# attach PDEV VDEV, detach VDEV
attach() {
	xenpv scsi-attach g "$@"
}
detach() {
	xenpv scsi-detach g "$1"
}

refused() {
	local said rc
	said=$(attach "$1" 0:0:9:0 2>&1)
	rc=$?
	like "refused: $1" "$rc: $said" "^1: xenpv: pdev '[^"$'\n'"]*$2[^"$'\n'"]*\$"
}

sockets="nbd:unix:$WORK"

nbdkit_serves() {
	ok "nbdkit" kit mem memory 32M
	ok "its export is a disk" attach "$sockets/mem.sock" 0:0:0:0
	says "of its size" 'wait 0:0:0:0' '0:0:0:0 is there: disk XENPV DISK, 32 MiB, blocks of 512'
	for how in 'bs=512 qd=64 cut=512' 'bs=4k qd=16' 'bs=256k qd=16' 'skew=512 bs=64k qd=8'; do
		says "verify $how" "verify 0:0:0:0 4M $how" 'no difference'
	done
	says "all of it" 'verify 0:0:0:0' 'no difference'
	says "many at once" 'bench 0:0:0:0 rw=randrw qd=64 time=1' '[1-9][0-9]* IOPS'
	says "aborts" 'abort 0:0:0:0 64' '64 reads, .* 0 other'
	says "reset" 'reset 0:0:0:0' '0:0:0:0: reset'
	guest_do g 'cdb 0:0:0:0 000000000000' >/dev/null
	like "it is in the list" "$(xenpv scsi-list g)" "$sockets/mem.sock"
	refused "$sockets/mem.sock" "already"
	worker=$(ours xenpv-worker)
	guest_send g 'bench 0:0:0:0 time=2'
	sleep 0.3
	ok "the worker is killed under load" kill -KILL "$worker"
	says "the guest has its disk again" 'wait 0:0:0:0 20' 'is there' || sed "s|^|# |" mem.log
	says "by another connection" 'verify 0:0:0:0 8M bs=64k' 'no difference'
	ok "it leaves" detach 0:0:0:0
	ok "and comes back" attach "$sockets/mem.sock" 0:0:0:0,blocksize=4096
	says "in blocks of 4096" 'verify 0:0:0:0 8M' 'no difference'
	ok "it leaves" detach 0:0:0:0
	ok "with faults of ours" attach "fault:eio/read/1M-2M:$sockets/mem.sock" 0:0:0:0
	says "beside them" 'verify 0:0:0:0 1M' 'no difference'
	says "in them" 'read 0:0:0:0 1M 4k' 'sense key 0x3, ASC/ASCQ 0x1100'
	ok "it leaves" detach 0:0:0:0
	end mem
}

# of_server NAME COMMAND REGEX KIT...: what the guest sees of an nbdkit with filters.
of_server() {
	local name=$1 command=$2 want=$3
	shift 3
	kit "$name" "$@"
	ok "$name" attach "$sockets/$name.sock" 0:0:1:0
	says "$name: $command" "$command" "$want"
	ok "$name leaves" detach 0:0:1:0
	end "$name"
}

constraints() {
	of_server blocks 'wait 0:0:1:0' 'blocks of 4096' --filter=blocksize-policy memory 16M \
		blocksize-minimum=4096 blocksize-error-policy=error
	of_server small 'verify 0:0:1:0 2M bs=256k' 'no difference' --filter=blocksize-policy memory 16M \
		blocksize-minimum=512 blocksize-preferred=4k blocksize-maximum=64k blocksize-error-policy=error
	of_server plain 'verify 0:0:1:0 2M' 'no difference' --filter=nozero --filter=fua memory 16M
	of_server unreadable 'read 0:0:1:0 0 4k' 'sense key 0x3, ASC/ASCQ 0x1100' --filter=error memory 16M \
		error-pread-rate=100%
	of_server full 'write 0:0:1:0 0 4k' 'sense key 0x7, ASC/ASCQ 0x2707' --filter=error memory 16M \
		error=ENOSPC error-pwrite-rate=100%
	of_server late 'verify 0:0:1:0 64k bs=4k qd=16' 'no difference' --filter=delay memory 16M wdelay=200ms
	kit ro -r memory 16M
	refused "$sockets/ro.sock" 'read-only at its server; add the option ro'
	ok "read-only, when that is asked for" attach "$sockets/ro.sock" 0:0:1:0,ro
	says "and it is" 'wait 0:0:1:0' 'read-only'
	ok "it leaves" detach 0:0:1:0
	end ro
	kit large --filter=blocksize-policy memory 16M blocksize-minimum=16384 blocksize-preferred=16384 \
		blocksize-error-policy=error
	refused "$sockets/large.sock" 'blocks of 16384 bytes; only 512 and 4096'
	end large
}

by_tcp() {
	local port name=tcp
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	alone nbdkit -f -i 127.0.0.1 -p "$port" memory 16M >tcp.log 2>&1 &
	guest_pid[$name]=$!
	wait_for 10 bash -c "true <>/dev/tcp/127.0.0.1/$port" 2>/dev/null
	ok "over TCP" attach "nbd://127.0.0.1:$port" 0:0:1:0
	says "it works" 'verify 0:0:1:0' 'no difference'
	ok "it leaves" detach 0:0:1:0
	end $name
	refused "nbd://127.0.0.1:$port" 'Connection refused'
}

# qemu NAME WORD...: qemu-nbd.
qemu() {
	local name=$1
	shift
	serve "$name" qemu-nbd -t -k "$WORK/$name.sock" "$@"
}

# image FORMAT: what the guest writes is what qemu-img finds in the image.
image() {
	qemu-img create -q -f "$1" "image.$1" 16M
	ok "$1: qemu-nbd" qemu "$1" -f "$1" -x data --discard=unmap "image.$1"
	ok "$1: its export is a disk" attach "$sockets/$1.sock:data" 0:0:2:0
	says "$1: it works" 'verify 0:0:2:0' 'no difference'
	says "$1: a file into it" "write 0:0:2:0 0 noise" 'bytes written'
	ok "$1: it leaves" detach 0:0:2:0
	end "$1"
	ok "$1: the file is in the image" qemu-img compare -f raw -F "$1" noise "image.$1"
	ok "$1: which is in order" sound "$1"
}
sound() {
	[[ $1 == vpc ]] || qemu-img check -q -f "$1" "image.$1" # vpc has no check
}

# Images that a qemu-nbd is started for.
own_server() {
	local said
	qemu-img create -q -f qcow2 own.qcow2 16M
	ok "an image" attach own.qcow2 0:0:5:0,format=qcow2
	says "is a disk of the size in it" 'wait 0:0:5:0' '16 MiB'
	says "it works" 'verify 0:0:5:0' 'no difference'
	is "by one server" "$(ours qemu-nbd | wc -l)" 1
	said=$(attach own.qcow2 0:0:6:0,ro 2>&1)
	like "nobody else gets it, raw" "$said" 'already'
	guest_send g 'bench 0:0:5:0 rw=randwrite time=2'
	sleep 0.3
	ok "the worker is killed under load" kill -KILL "$(ours xenpv-worker)"
	says "the guest has its disk again" 'wait 0:0:5:0 20' 'is there'
	says "and works on it" 'verify 0:0:5:0' 'no difference'
	ok "the old server has ended" wait_for 10 one_server
	says "a file into it" "write 0:0:5:0 0 noise" 'bytes written'
	ok "it leaves" detach 0:0:5:0
	ok "its server ends" wait_for 10 no_server
	ok "the file is in the image" qemu-img compare -f raw -F qcow2 noise own.qcow2
	ok "which is in order" qemu-img check -q -f qcow2 own.qcow2
	ok "read-only" attach own.qcow2 0:0:5:0,ro,format=qcow2
	says "it is" 'wait 0:0:5:0' 'read-only'
	says "what is in it" 'read 0:0:5:0 0 16M back' '16777216 bytes'
	ok "is that file" cmp noise back
	ok "its server is killed" kill -KILL "$(ours qemu-nbd)"
	says "the guest gets what it wants of another one" 'read 0:0:5:0 0 16M back' '16777216 bytes'
	ok "which is that file" cmp noise back
	ok "it leaves" detach 0:0:5:0
	said=$(attach noise 0:0:5:0,format=qcow2 2>&1)
	like "no such image" "$? $said" "^1 xenpv: pdev '[^"$'\n'"]* cannot be served as qcow2: [^"$'\n'"]*not in qcow2 format[^"$'\n'"]*\$"
	said=$(attach null:1G 0:0:5:0,format=vmdk 2>&1)
	like "no file" "$? $said" '^1 .*is no file'
	ok "no server is left" wait_for 10 no_server
}
one_server() {
	[[ $(ours qemu-nbd | wc -l) == 1 ]]
}
no_server() {
	[[ -z $(ours qemu-nbd) ]]
}

# Zeroes, holes and flushes, by a guest that is an NBD server itself.
zeroes() {
	local plugin=$XENPV_BUILD/nbd/nbdkit-xenpv-plugin.so uri="nbd+unix:///?socket=$WORK/guest.sock"
	[[ -e $plugin ]] || { note "no plugin, no zeroes"; return; } # with sanitizers
	qemu-img create -q -f qcow2 z.qcow2 16M
	ok "qemu-nbd" qemu z -f qcow2 --discard=unmap z.qcow2
	ok "a guest for NBD clients" kit guest "$plugin" name=n vdev=0:0:0:0
	ok "its disk is another server's" xenpv scsi-attach n "$sockets/z.sock" 0:0:0:0
	ok "all of it is written" timeout 60 qemu-io -f raw -c 'write -P 0xab 0 16M' "$uri"
	ok "zeroes, holes, FUA, flush" timeout 60 qemu-io -f raw -c 'write -z 1M 1M' -c 'write -z -u 3M 1M' \
		-c 'discard 5M 1M' -c 'write -f -P 0xcd 7M 64k' -c flush "$uri"
	ok "the disk leaves" xenpv scsi-detach n 0:0:0:0
	end guest
	end z
	ok "what was written, zeroed and given back" qemu-io -f qcow2 -c 'read -P 0xab 0 1M' -c 'read -P 0 1M 1M' \
		-c 'read -P 0xab 2M 1M' -c 'read -P 0 3M 1M' -c 'read -P 0xab 4M 1M' -c 'read -P 0 5M 1M' \
		-c 'read -P 0xab 6M 1M' -c 'read -P 0xcd 7M 64k' -c 'read -P 0xab 7232k 960k' z.qcow2
	is "was all that" "$(qemu-io -f qcow2 -c 'read -P 0 1M 1M' -c 'read -P 0 3M 1M' -c 'read -P 0 5M 1M' \
		-c 'read -P 0xcd 7M 64k' -c 'read -P 0xab 7232k 960k' z.qcow2 | grep -c 'ops; ')" 5
	is "holes are holes" "$(qemu-img map --output=json z.qcow2 |
		jq -c '[.[] | select(.zero and (.data | not)) | .start / 1048576 | floor]')" '[1,3,5]'
}

# lost N: servers, as the log has it.
lost() {
	[[ $(grep -c 'NBD server lost' xenpvd.log) == "$1" ]]
}

# killed_under_load DISK N: its server "raw"; another one is started, which is killed for good in the end. With
# the first one N are lost.
killed_under_load() {
	guest_send g "bench $1 rw=randwrite qd=64 time=3"
	sleep 0.5
	kill -KILL "${guest_pid[raw]}"
	end raw 2>/dev/null
	ok "$1: its server is killed under load" wait_for 10 lost "$2"
	qemu raw -f raw -x data raw.img
	says "$1: the load has seen no error" "wait $1" 'is there'
	like "$1: it has come to its end" "$(tail -n 20 g.out)" '1 disk, writes.* IOPS'
	says "$1: the disk works" "verify $1 1M" 'no difference'
	kill -KILL "${guest_pid[raw]}"
	end raw 2>/dev/null
}

troubles() {
	local before worker waited
	before=$(grep -c 'NBD server lost' xenpvd.log)
	refused "$sockets/none.sock" 'No such file'
	refused "$sockets/none.sock:" 'is neither nbd:unix:'
	qemu-img create -q -f raw raw.img 16M
	qemu raw -f raw -x data raw.img
	refused "$sockets/raw.sock:other" 'does it have this export'
	ok "a server" attach "$sockets/raw.sock:data" 0:0:3:0
	ok "another disk" attach null:16M 0:0:4:0
	says "it works" 'verify 0:0:3:0 1M' 'no difference'
	worker=$(ours xenpv-worker)
	kill -KILL "${guest_pid[raw]}"
	end raw 2>/dev/null
	ok "it is killed" wait_for 10 lost $((before + 1))
	is "which alone makes no difference" "$(ours xenpv-worker)" "$worker"
	guest_send g 'read 0:0:3:0 0 1M back'
	ok "a request waits for another one" wait_for 10 grep -q 'cannot be given to its new worker yet: pdev .*raw.sock' xenpvd.log
	qemu raw -f raw -x data raw.img
	says "nothing is lost when there is a server" 'verify 0:0:3:0 1M' 'no difference'
	killed_under_load 0:0:3:0 $((before + 2))
	says "none comes: errors in the end" 'read 0:0:3:0 0 4k' 'sense key 0x3'
	says "again" 'write 0:0:3:0 0 4k' 'sense key 0x3'
	says "the other disk works" 'read 0:0:4:0 0 4k x' '4096 bytes'
	waited=$(grep -c 'cannot be given to its new worker yet' xenpvd.log)
	ok "the worker is killed" kill -KILL "$(ours xenpv-worker)"
	says "the other disk works" 'read 0:0:4:0 0 4k x' '4096 bytes'
	is "which has not waited for the server once more" \
		"$(grep -c 'cannot be given to its new worker yet' xenpvd.log)" "$waited"
	ok "the disk leaves" detach 0:0:3:0
	qemu raw -f raw -x data raw.img
	ok "and comes back when there is a server" attach "$sockets/raw.sock:data" 0:0:3:0
	says "it works" 'verify 0:0:3:0 1M' 'no difference'
	ok "it leaves" detach 0:0:3:0
	end raw
	kit stopped memory 16M
	ok "a server stands still" freeze "${guest_pid[stopped]}"
	refused "$sockets/stopped.sock" 'does not answer'
	end stopped
}

# The same of a block device.
block_troubles() {
	local before
	before=$(grep -c 'NBD server lost' xenpvd.log)
	qemu raw -f raw -x data raw.img
	ok "a block device" xenpv block-attach g "vdev=xvdb,format=raw,access=rw,target=$sockets/raw.sock:data"
	says "it works" 'verify xvdb 1M' 'no difference'
	killed_under_load xvdb $((before + 1))
	says "none comes: errors in the end" 'read xvdb 0 4k' 'xvdb: .* fails: Input/output error'
	ok "it leaves" xenpv block-detach g xvdb
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "the guest starts" guest_start g
head -c 16M /dev/urandom >noise
nbdkit_serves
constraints
by_tcp
image qcow2
image vmdk
own_server
zeroes
troubles
block_troubles
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
