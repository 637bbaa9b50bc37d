# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# `xenpv guest` and the nbdkit plugin on block devices, with the backend of vbd_back.h: what the commands
# say, data of every shape, a disk that is resized, closed, removed, or does not answer.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

PLUGIN=$XENPV_BUILD/nbd/nbdkit-xenpv-plugin.so
BACKEND=$XENPV_BUILD/vbd_backend
[[ -x $BACKEND ]] || BACKEND=$XENPV_BUILD/tests/local/vbd_backend
declare -A back_pid back_fd

# back_start GUEST [KEY=VALUE]...: xvda for it; what it counts goes to GUEST.counts.
back_start() {
	local fd name=$1
	shift
	mkfifo "$name.back" && exec {fd}<>"$name.back"
	back_fd[$name]=$fd
	alone "$BACKEND" "$WORK/host" "$(guest_id "$name")" "$@" <"$name.back" >"$name.counts" &
	back_pid[$name]=$!
	guest_pid[$name.back]=$! # ends with the script
}

# back_do GUEST WORD: when it returns, the backend has read it.
back_do() {
	echo "$2" >&"${back_fd[$1]}"
	counts "$1" >/dev/null
}

# counts GUEST: what its backend has counted.
counts() {
	: >"$1.counts"
	echo counts >&"${back_fd[$1]}"
	wait_for 10 test -s "$1.counts" && tr -d '\0' <"$1.counts"
}

# back_stop GUEST
back_stop() {
	kill "${back_pid[$1]}"
	wait "${back_pid[$1]}" 2>/dev/null
	unset "guest_pid[$1.back]"
	rm "$1.back"
	return 0
}

# says TEXT GUEST COMMAND REGEX: one result: what the command says matches.
says() {
	like "$1" "$(guest_do "$2" "$3")" "$4"
}

shapes() {
	local how
	for how in bs=4k bs=64k 'bs=256k qd=16' 'bs=1M qd=4' 'skew=512 bs=64k' 'skew=1 bs=4k qd=16' \
		'skew=77 bs=64k' 'skew=4095 bs=256k qd=4' 'cut=512 bs=64k' 'cut=512 skew=512 bs=64k' \
		'cut=1000 bs=32k qd=3' 'cut=32 bs=4k qd=2 skew=9' 'cut=4096 bs=16k qd=64'; do
		says "$1: $how" "$1" "verify xvda 2M $how" 'no difference'
	done
}

commands() {
	says "wait" g 'wait xvda' 'xvda is there: disk, 16 MiB, blocks of 512$'
	says "by its number" g 'wait vbd/51712' 'vbd/51712 is there: disk, 16 MiB'
	says "list" g list 'xvda +disk +- +- +- +16 MiB +512 +running'
	says "no disk of this name" g 'wait xvdb 1' "there is no disk 51728: has xvdb been attached"
	says "no name" g 'wait nonsense 1' "'nonsense' is no place of a disk"
	head -c 100000 /dev/urandom >noise
	says "write a file" g 'write xvda 1M noise' '100352 bytes written'
	says "read it" g 'read xvda 1M 100352 back' '100352 bytes to back'
	ok "the same" cmp -n 100000 noise back
	says "discard" g 'discard xvda 1M 64k' '65536 bytes discarded'
	says "it is gone" g 'read xvda 1M 512' '000000  00 00 00 00 .*\*'
	says "and no more" g 'read xvda 1114112 512 back' '512 bytes to back'
	ok "what is behind it stays" cmp -n 512 -i 65536:0 noise back
	says "flush" g 'flush xvda' 'xvda: flushed'
	says "beyond the end" g 'read xvda 16M 512' '16777216 bytes only'
	says "no whole block" g 'discard xvda 100 512' 'multiples of the block, 512'
	for c in 'inquiry xvda' 'cdb xvda 00' 'reset xvda' 'abort xvda'; do
		says "$c" g "$c" 'xvda is a block device: this command is for SCSI devices'
	done
	says "bench" g 'bench xvda time=1' '1 disk, reads, 4096 bytes, QD 16: [1-9][0-9]* IOPS'
	says "bench, mixed, 1 MiB" g 'bench xvda rw=randrw bs=1M qd=4 spin=20 time=1' '1 disk, mixed'
}

coming_and_going() {
	back_do g resize=24
	ok "a new size is seen" wait_for 10 resized
	says "and used" g 'write xvda 20M 1M' '1048576 bytes written'
	guest_send g 'bench xvda time=3 rw=randwrite'
	sleep 0.5
	back_do g close
	sleep 0.5
	back_do g serve
	says "the backend closes under load, and comes back" g 'wait xvda 20' '1 disk, writes|is there'
	says "it works" g 'verify xvda 1M' 'no difference'
	ok "requests may take a second" guest_do g 'timeout 1'
	back_do g freeze
	says "a backend that does not answer" g 'read xvda 0 512' 'xvda: .* fails: Connection timed out'
	back_do g serve
	guest_do g 'timeout 30'
	says "it is connected anew" g 'wait xvda 20' 'is there'
	says "and works" g 'verify xvda 1M' 'no difference'
	like "by the book" "$(counts g)" '^conns 3 pages 1 .* misdeeds 0 bad-nodes 0$'
	back_do g remove
	says "removed" g 'sleep 1' ''
	says "it is gone" g list 'there is no disk'
}

resized() {
	[[ $(guest_do g 'wait xvda') == *"24 MiB"* ]]
}

# server_start NAME [WORD]...: nbdkit as the guest NAME, exporting xvda.
server_start() {
	local name=$1
	shift
	nbdkit -f -U "$WORK/$name.sock" -P "$name.pid" "$PLUGIN" "name=$name" vdev=xvda "$@" \
		2>"$name.err" &
	guest_pid[$name]=$!
	wait_for 20 test -s "$name.pid"
}

nbd() {
	local uri="nbd+unix:///?socket=$WORK/n.sock"
	ok "nbdkit is a guest" server_start n || bail "$(cat n.err)"
	back_start n block=4096 order=2 indirect=64 persistent=1
	is "the export" "$(timeout 60 nbdinfo --json "$uri" | python3 -c 'import json, sys
x = json.load(sys.stdin)["exports"][0]
print(x["export-size"], x["block_size_minimum"], x["is_read_only"], x["can_flush"], x["can_fua"], x["can_trim"])')" \
		"16777216 4096 False True True True"
	head -c 16M /dev/urandom >noise
	ok "nbdcopy writes" timeout 60 nbdcopy noise "$uri"
	ok "nbdcopy reads" timeout 60 nbdcopy "$uri" back
	ok "the same" cmp noise back
	ok "fio, random writes, verified" timeout 60 fio --name=v --ioengine=nbd --uri="$uri" --rw=randwrite \
		--bs=4k --iodepth=16 --size=8m --verify=crc32c --verify_fatal=1 --fsync=64 --output=fio.out
	ok "qemu-io: zeroes, trim, flush" timeout 60 qemu-io -f raw -c 'write -z 1M 1M' -c 'discard 4M 1M' \
		-c 'write -f -P 0xab 6M 12k' -c flush -c 'read -P 0xab 6M 12k' -c 'read -P 0 1M 1M' "$uri"
	like "by the book" "$(counts n)" '^conns 1 pages 4 segs 64 .* misdeeds 0 bad-nodes 0$'
	kill "${guest_pid[n]}" && wait_for 20 ends "${guest_pid[n]}"
	unset "guest_pid[n]"
	back_stop n
}

ok "xenpvd starts the host" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "the guest starts" guest_start g || bail "$(cat g.out)"
says "there is nothing" g list 'there is no disk'
back_start g
commands
shapes g
coming_and_going
back_stop g
guest_stop g

ok "another guest" guest_start h
back_start h block=4096 order=4 indirect=256 queues=4 persistent=1 features=2
says "with all that there is" h 'wait xvda' 'xvda is there: disk, 16 MiB, blocks of 4096'
shapes h
says "no discard" h 'discard xvda 0 4096' 'fails: Operation not supported'
like "by the book" "$(counts h)" '^conns 1 pages 4 segs [0-9]+ .* misdeeds 0 bad-nodes 0$'
guest_stop h
back_stop h

ok "a guest" guest_start r
back_start r info=5 features=0
says "a read-only CD" r 'wait xvda' 'xvda is there: cd/dvd, .*, read-only'
says "is not written" r 'write xvda 0 4096' 'fails: Read-only file system'
says "list" r list 'xvda +cd/dvd .*read-only'
guest_stop r
back_stop r

if [[ -e $PLUGIN ]] && ! ldd "$PLUGIN" | grep -q libasan; then nbd; fi
ok "xenpvd ends" daemon_stop
tap_end
