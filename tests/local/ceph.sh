# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2119,SC2317
#
# A disk that lies in a Ceph cluster: Debian's monitor and OSD, one of each, on loopback, and qemu-nbd between. Packages:
# ceph-mon ceph-osd ceph-common qemu-block-extra; nobody installs them for this, `tools/check build local-more` runs it.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

for tool in ceph ceph-mon ceph-osd monmaptool rbd qemu-nbd; do
	command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is missing"; exit 0; }
done
qemu-img --help | grep -q '^Supported formats:.* rbd' || { echo "1..0 # SKIP no rbd: qemu-block-extra is missing"; exit 0; }

PORT=${PORT:-46789}

# run NAME COMMAND...: in the background, until the end of the script.
run() {
	local name=$1
	shift
	alone "$@" >"$name.log" 2>&1 &
	guest_pid[$name]=$!
}

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

# here COMMAND...: of Ceph's, on this cluster.
here() {
	timeout 60 "$@" -c "$WORK/ceph.conf"
}
osd_is_up() {
	here ceph osd stat | grep -q '1 up.*1 in'
}

configure() {
	local fsid=$1

	cat >ceph.conf <<-END
		[global]
		fsid = $fsid
		mon host = [v2:127.0.0.1:$PORT]
		public addr = 127.0.0.1
		auth cluster required = none
		auth service required = none
		auth client required = none
		osd pool default size = 1
		osd pool default min size = 1
		osd crush chooseleaf type = 0
		mon allow pool size one = true
		osd pool default pg autoscale mode = off
		osd objectstore = memstore
		memstore device bytes = 536870912
		run dir = $WORK
		admin socket = $WORK/\$name.asok
		log file = $WORK/\$name.log
		pid file =
		mon data = $WORK/mon
		osd data = $WORK/osd
		keyring = $WORK/keyring
		mon data avail warn = 1
		mon data avail crit = 1
	END
}

# cluster: a monitor, an OSD whose objects are in memory, a pool with an image.
cluster() {
	local fsid uuid

	fsid=$(cat /proc/sys/kernel/random/uuid)
	mkdir mon osd
	configure "$fsid"
	ok "a map of monitors" monmaptool --create --addv a "[v2:127.0.0.1:$PORT]" --fsid "$fsid" monmap || return
	ok "a monitor's data" here ceph-mon --mkfs -i a --monmap monmap || return
	run mon ceph-mon -f -i a -c ceph.conf
	ok "the monitor runs" wait_for 60 here ceph mon stat || return
	uuid=$(cat /proc/sys/kernel/random/uuid)
	is "an OSD" "$(here ceph osd new "$uuid" 2>/dev/null)" 0 || return
	ok "its data" here ceph-osd --mkfs -i 0 --osd-uuid "$uuid" || return
	run osd ceph-osd -f -i 0 -c ceph.conf
	ok "the OSD is up" wait_for 60 osd_is_up || return
	ok "a pool" here ceph osd pool create rbd 8 || return
	ok "for block devices" here rbd pool init rbd
	ok "an image" here rbd create rbd/disk --size 64M
}

disk() {
	run nbd qemu-nbd -f raw -t -e 4 --cache=none --discard=unmap -k "$WORK/nbd.sock" "rbd:rbd/disk:conf=$WORK/ceph.conf"
	ok "qemu-nbd serves it" wait_for 20 test -S nbd.sock || return
	ok "scsi-attach" xenpv scsi-attach g "nbd:unix:$WORK/nbd.sock" 0:0:0:0 || return
	says "the guest has it" 'wait 0:0:0:0' '0:0:0:0 is there: disk XENPV DISK, 64 MiB, blocks of 512'
	says "data" 'verify 0:0:0:0 8M bs=64k qd=16' 'no difference'
	says "small ones" 'verify 0:0:0:0 2M bs=512 qd=64' 'no difference'
	head -c 3000000 /dev/urandom >noise
	says "a file" 'write 0:0:0:0 16M noise' '3000320 bytes written'
	says "on the medium" 'flush 0:0:0:0' 'flushed'
	ok "rbd export" here rbd export --no-progress rbd/disk image
	ok "is what the guest wrote" cmp -n 3000000 -i 0:16777216 noise image
	note "$(here rbd du rbd/disk 2>&1 | tail -n 1)"
}

# stops: the cluster stands still for a while; what the guest has sent waits for it.
stops() {
	freeze "${guest_pid[osd]}"
	guest_send g 'verify 0:0:0:0 4M bs=16k qd=8'
	sleep 5 # of no answers
	ok "the OSD stood still, and goes on" kill -CONT "${guest_pid[osd]}"
	says "nothing is lost" 'read 0:0:0:0 16M 3000320 back' '3000320 bytes to back'
	ok "the same" cmp -n 3000000 noise back
	like "what had to wait is there" "$(cat g.out)" 'no difference.*no difference.*no difference'
}

# snapshot: of Ceph's, while the guest writes elsewhere.
snapshot() {
	ok "rbd snap create" here rbd snap create --no-progress rbd/disk@before
	says "the guest overwrites" 'verify 0:0:0:0 24M bs=256k' 'no difference'
	ok "rbd export of the snapshot" here rbd export --no-progress rbd/disk@before snapshot
	ok "has what was there before" cmp -n 3000000 -i 0:16777216 noise snapshot
}

daemon_start || bail "xenpvd starts"
guest_start g || bail "a guest"
cluster && disk && stops && snapshot
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "the guest leaves" guest_stop g
ok "xenpvd ends" daemon_stop
tap_end
