# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# The nbdkit plugin: NBD's usual clients on a disk of xenpvd, through frontend engine, ring, worker and
# storage; for disks of 512 and of 4096 byte blocks.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

PLUGIN=$XENPV_BUILD/nbd/nbdkit-xenpv-plugin.so

# server_start NAME [WORD]...: nbdkit as the guest NAME, exporting 0:0:0:0.
server_start() {
	local name=$1
	shift
	nbdkit -f -U "$WORK/$name.sock" -P "$name.pid" "$PLUGIN" "name=$name" vdev=0:0:0:0 "$@" \
		2>"$name.err" &
	guest_pid[$name]=$!
	wait_for 20 test -s "$name.pid"
}

# server_stop NAME
server_stop() {
	local pid=${guest_pid[$1]}
	unset "guest_pid[$1]"
	kill "$pid" && wait_for 20 ends "$pid" && wait "$pid"
}

# uri NAME: where a client finds it.
uri() {
	echo "nbd+unix:///?socket=$WORK/$1.sock"
}

# client COMMAND...: no client may hang.
client() {
	timeout 60 "$@"
}

# info NAME EXPRESSION: of x, the export as nbdinfo sees it.
info() {
	client nbdinfo --json "$(uri "$1")" |
		python3 -c "import json, sys; x = json.load(sys.stdin)['exports'][0]; print($2)"
}

# verified NAME RW BS [WORD]...: fio writes and verifies.
verified() {
	local name=$1 rw=$2 bs=$3
	shift 3
	client fio --name=v --ioengine=nbd --uri="$(uri "$name")" --rw="$rw" --bs="$bs" --iodepth=16 \
		--size=8m --verify=crc32c --verify_fatal=1 --randseed=1 "$@" >fio.out 2>&1 &&
		grep -q 'err= 0' fio.out && return
	cat fio.out
	return 1
}

# io NAME...: with qemu-io, each word one of its commands.
io() {
	local name=$1 c words=()
	shift
	for c; do words+=(-c "$c"); done
	client qemu-io -f raw "${words[@]}" "$(uri "$name")" >qemu-io.out 2>&1 &&
		! grep -qiE 'failed|error' qemu-io.out && return
	cat qemu-io.out
	return 1
}

# same FILE FILE OFFSET LEN
same() {
	cmp -n "$4" -i "$3" "$1" "$2"
}

# blocks SIZE: everything with a disk of such blocks.
blocks() {
	local b=$1 name=n$1 img=d$1.img
	truncate -s 16M "$img"
	ok "$b: nbdkit is a guest" server_start "$name" || bail "$(cat "$name.err")"
	ok "$b: it gets a disk" xenpv scsi-attach "$name" "$img" "0:0:0:0,blocksize=$b"
	is "$b: size, blocks, what it can" "$(info "$name" '(x["export-size"], x["block_size_minimum"],
		x["is_read_only"], x["can_flush"], x["can_fua"], x["can_trim"], x["can_zero"],
		x["can_multi_conn"])')" "(16777216, $b, False, True, True, True, True, True)"
	head -c 16M /dev/urandom >noise
	ok "$b: nbdcopy writes" client nbdcopy noise "$(uri "$name")"
	ok "$b: it is in the image" cmp noise "$img"
	ok "$b: nbdcopy reads" client nbdcopy "$(uri "$name")" back
	ok "$b: the same" cmp noise back
	ok "$b: qemu-img compares" client qemu-img compare -f raw -F raw noise "$(uri "$name")"
	ok "$b: zeroes, trim, flush" io "$name" 'write -z 1M 1M' 'write -z -u 3M 64k' 'discard 4M 1M' \
		'write -f -P 0xab 6M 12k' flush
	ok "$b: zeroes are there" same "$img" /dev/zero $((1 << 20)):0 $((1 << 20))
	ok "$b: what is around is untouched" same "$img" noise $((2 << 20)) $((1 << 20))
	ok "$b: what was written with FUA" io "$name" 'read -P 0xab 6M 12k'
	ok "$b: fio, random writes of a block" verified "$name" randwrite "$b" --size=1m
	ok "$b: fio, random writes of 4 KiB" verified "$name" randwrite 4k
	ok "$b: fio, longer than a transfer" verified "$name" write 1m
	ok "$b: fio, mixed sizes, with flushes" verified "$name" randwrite 4k --bsrange=4k-128k --fsync=16
	ok "$b: fio on two connections" client fio --ioengine=nbd --uri="$(uri "$name")" --rw=randwrite \
		--bs=4k --iodepth=8 --size=2m --verify=crc32c --verify_fatal=1 \
		--name=a --offset=0 --name=b --offset=8m
}

# What goes wrong.
troubles() {
	local word
	for word in vdev=nonsense colour=red 'wait=99999999' queues=5; do
		nbdkit "$PLUGIN" name=x vdev=0:0:0:0 "$word" >said 2>&1
		like "$word is refused" "$? $(cat said)" '^1 nbdkit: error: .*'
	done
	ok "a guest without a disk" server_start none wait=1
	ok "a client is told so" grep -q 'there is no disk at 0:0:0:0' <(
		client nbdinfo "$(uri none)" >/dev/null 2>&1
		cat none.err
	)
	truncate -s 1M ro.img
	ok "then it gets one, read-only" xenpv scsi-attach none ro.img 0:0:0:0,ro
	is "the export is read-only" "$(info none 'x["is_read_only"]')" True
	ok "nbdkit ends" server_stop none
	client fio --name=l --ioengine=nbd --uri="$(uri n512)" --rw=randread --bs=4k --iodepth=8 --size=8m \
		--time_based --runtime=20 >load.out 2>&1 &
	load=$!
	wait_for 20 grep -qs 'connected to NBD server' load.out
	sleep 0.3
	ok "the disk goes away under load" xenpv scsi-detach n512 0:0:0:0
	wait $load
	like "the client gets an error" "$(cat load.out)" 'err=|error'
	ok "the disk comes back" xenpv scsi-attach n512 d512.img 0:0:0:0
	ok "and is served, by the same nbdkit" verified n512 randwrite 4k
}

ldd "$PLUGIN" | grep -q libasan && { echo "1..0 # SKIP nbdkit has no address sanitizer, the plugin has"; exit 0; }
[[ -e $PLUGIN ]] || { echo "1..0 # SKIP the plugin is not in this build"; exit 0; }
ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
blocks 512
blocks 4096
troubles
ok "nbdkit ends in an orderly way" server_stop n512
ok "the other, too" server_stop n4096
ok "their workers end" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
