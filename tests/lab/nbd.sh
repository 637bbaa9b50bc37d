# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Disks that an NBD server serves, in a stock guest: the server is killed under verified load, and comes back;
# the guest notices nothing. When it does not come back, the guest gets errors.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/load.sh
. "$SCENARIO_DIR/load.sh"

# server NAME: qemu-nbd with that image, which forks when it listens.
server() {
	qemu-nbd --fork --persistent --pid-file="/run/$1.pid" --format=raw --discard=unmap --cache=none \
		--socket="/run/$1.sock" "/var/tmp/$1.img"
}

# kill_server NAME: when it returns the process has gone.
kill_server() {
	local pid
	pid=$(<"/run/$1.pid")
	kill -KILL "$pid" && wait_for 10 ended "$pid" && rm -f "/run/$1.sock"
}
ended() {
	[[ ! -d /proc/$1 ]]
}

# read_of DISK: what the guest gets for its first block.
read_of() {
	guest_run g 120 "dd if=/dev/$1 of=/dev/null bs=4k count=1 iflag=direct"
}

truncate -s 128M /var/tmp/s.img /var/tmp/b.img
daemon_start || bail "xenpvd starts"
ok "a guest" guest_start g || bail "no guest"
ok "two servers" eval 'server s && server b' || bail "no servers"
ok "scsi-attach" xenpv scsi-attach g nbd:unix:/run/s.sock 0:0:0:0
ok "block-attach" xenpv block-attach g vdev=xvdf,format=raw,access=rw,target=nbd:unix:/run/b.sock
ok "the guest has both" wait_for 30 guest_run g 60 'test -b /dev/sda && test -b /dev/xvdf'
ok "load on the PVSCSI disk" load g sda scsi
ok "load on the block disk" load g xvdf blk
for i in 1 2 3; do
	sleep 3
	ok "both servers are killed ($i)" eval 'kill_server s && kill_server b'
	sleep 1
	ok "and started again" eval 'server s && server b'
	ok "both devices are served" wait_for 60 served
done
for name in scsi scsi-trim blk blk-trim; do
	ok "the load saw no error: $name" load_ends g "$name"
done
like "xenpvd has made new connections" "$(grep -c 'makes way for one that has a connection' "$OUT/xenpvd.log")" '^[1-9]'
xenpv status --json | jq -c '.guests[] | {restarts, gap_max_us}' | sed 's/^/# /'
say "the slowest request took $(slowest g scsi) ms on PVSCSI, $(slowest g blk) ms on the block disk"
ok "the servers are killed for good" eval 'kill_server s && kill_server b'
ok "the PVSCSI disk has errors in the end" eval '! read_of sda'
ok "the block disk, too" eval '! read_of xvdf'
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "block-detach" xenpv block-detach g xvdf
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
