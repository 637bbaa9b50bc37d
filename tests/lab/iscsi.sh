# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Disks of two iSCSI targets in dom0, tgt's and the kernel's own (LIO), by the loopback, in a stock PVH guest; the worker
# reaches them itself. Load with verify while the worker, the session and the whole target are killed; resets;
# reservations, which are an initiator port's and so outlive its sessions (tgt takes each session for another one).
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/tgt.sh
. "$SCENARIO_DIR/tgt.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"
# shellcheck source=tests/lab/load.sh
. "$SCENARIO_DIR/load.sh"

at=iscsi://127.0.0.1/$TGT_IQN
us=iqn.2026-11.lab:xenpv

# sessions: of the target, their numbers.
sessions() {
	tgtadm --lld iscsi --mode conn --op show --tid 1 | sed -n 's/^Session: *//p'
}

# end_sessions: as an administrator of the target would.
end_sessions() {
	local sid
	for sid in $(sessions); do
		tgtadm --lld iscsi --mode conn --op delete --tid 1 --sid "$sid" --cid 0 || return
	done
}

# lost N: sessions, as the log has it.
lost() {
	(($(grep -c 'iSCSI target lost' "$OUT/xenpvd.log") >= $1))
}

# kill_target, start_target: the daemon, with the same disk.
kill_target() {
	local pid
	pid=$(pgrep -xo tgtd)
	kill -KILL "$pid" && wait_for 10 ended "$pid"
}
ended() {
	[[ ! -d /proc/$1 ]]
}
start_target() {
	tgtd >/dev/null 2>&1 && wait_for 20 tgtadm --lld iscsi --mode target --op show >/dev/null 2>&1 &&
		tgtadm --lld iscsi --mode target --op new --tid 1 --targetname "$TGT_IQN" &&
		tgt_lun 5 disk "$TGT/disk" && tgt_set 5 thin_provisioning=1 && tgtadm --lld iscsi --mode target --op bind --tid 1 -I ALL
}

# lio_target: the kernel's, on the next port, with one disk.
lio_target() {
	local dir=/sys/kernel/config/target tpg acl
	tpg=$dir/iscsi/$TGT_IQN-lio/tpgt_1
	acl=$tpg/acls/$us
	truncate -s 64M "$TGT/lio"
	mkdir -p /var/target/pr # where it keeps reservations
	modprobe -a target_core_file iscsi_target_mod && mkdir -p "$dir/core/fileio_0/disk" &&
		echo "fd_dev_name=$TGT/lio,fd_dev_size=$((64 << 20))" >"$dir/core/fileio_0/disk/control" &&
		echo 1 >"$dir/core/fileio_0/disk/enable" &&
		mkdir -p "$tpg/lun/lun_7" "$tpg/np/127.0.0.1:3261" &&
		ln -s "$dir/core/fileio_0/disk" "$tpg/lun/lun_7/disk" &&
		mkdir -p "$acl" && mkdir "$acl/lun_7" && ln -s "$tpg/lun/lun_7" "$acl/lun_7/disk" &&
		echo 1 >"$tpg/attrib/authentication" && echo -n web >"$acl/auth/userid" &&
		echo -n twelve-letters >"$acl/auth/password" && echo 1 >"$tpg/enable"
}

# with_lio: a reservation that the guest goes on with after its worker's death.
with_lio() {
	ok "the kernel's own target" lio_target || return
	refused "who is not known" 'Authorization failure' xenpv scsi-attach g "iscsi://127.0.0.1:3261/$TGT_IQN-lio/7" 0:0:1:0
	mkdir -p /etc/xenpv
	(umask 077 && echo "$TGT_IQN-lio initiator=$us user=web password=twelve-letters" >/etc/xenpv/iscsi-logins)
	like "scsi-attach" "$(xenpv scsi-attach g "iscsi://127.0.0.1:3261/$TGT_IQN-lio/7" 0:0:1:0)" 'LIO-ORG FILEIO'
	ok "the guest has it" wait_for 30 guest_run g 60 'test -b /dev/sda'
	like "a reservation" "$(guest_run g 60 'K=/dev/sg0; sg_persist -o -G -S 0xabc $K >/dev/null &&
		sg_persist -o -R -K 0xabc -T 5 $K >/dev/null && sg_persist -r $K')" 'Key=0xabc'
	ok "load" load g sda lio
	for i in 1 2 3; do
		sleep 3
		pid=$(worker_pid)
		ok "the worker is killed ($i)" kill -KILL "$pid"
		ok "another one takes over" wait_for 60 successor
	done
	sleep 3
	ok "the load saw no error" load_ends g lio
	like "the reservation is there" "$(guest_run g 60 'sg_persist -r /dev/sg0')" 'Key=0xabc'
	ok "a reset" guest_run g 60 'sg_reset -d /dev/sg0'
	ok "the disk works" guest_run g 120 'dd if=/dev/zero of=/dev/sda bs=64k count=16 oflag=direct'
	ok "scsi-detach" xenpv scsi-detach g 0:0:1:0
}

mkdir -p "$TGT"
ip link set lo up
truncate -s 128M "$TGT/disk"
ok "a target in dom0" start_target || bail "tgt"
daemon_start || bail "xenpvd starts"
ok "a guest" guest_start g type=pvh || bail "no guest"
like "scsi-attach" "$(xenpv scsi-attach g "$at/5" 0:0:0:0)" 'IET VIRTUAL-DISK'
ok "the guest has it" wait_for 30 guest_run g 60 'test -b /dev/sda'
is "dom0 has no device of it" "$(cat /sys/bus/scsi/devices/*/vendor 2>/dev/null | grep -c IET)" 0
like "sg_inq" "$(guest_run g 60 'sg_inq /dev/sda')" 'Vendor identification: IET'
ok "load" load g sda load
for i in 1 2 3; do
	sleep 3
	pid=$(worker_pid)
	ok "the worker is killed ($i)" kill -KILL "$pid"
	ok "another one takes over" wait_for 60 successor
done
is "with one session" "$(sessions | wc -l)" 1
ok "the target ends the session" end_sessions
ok "which is lost" wait_for 60 lost 1
ok "another worker has one" wait_for 60 successor
sleep 3
ok "the target is killed" kill_target
ok "which is lost, too" wait_for 60 lost 2
ok "and started again" start_target
ok "another worker has it" wait_for 60 successor
sleep 3
for name in load load-trim; do
	ok "the load saw no error: $name" load_ends g "$name"
done
xenpv status --json | jq -c '.guests[] | {restarts, gap_max_us}' | sed 's/^/# /'
say "the slowest request took $(slowest g load) ms"
ok "a reset" guest_run g 60 'sg_reset -d /dev/sg0'
ok "the disk works" guest_run g 120 'dd if=/dev/zero of=/dev/sda bs=64k count=16 oflag=direct'
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "no session is left" eval '[[ -z $(sessions) ]]'
with_lio
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
is "dom0's kernel has nothing to complain about" "$(complaints)" ''
tap_end
