# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2317
#
# The worker's sandbox on the real Xen: what a worker that has been taken over can still do, and what the
# kernel says of one that serves a guest.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

programs=$TREE/build/tests/local

# of FIELD: of the process's status file.
of() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$worker/status"
}

daemon_start || bail "xenpvd starts"
guest_start g1 || bail "guest g1 starts"
guest_start g2 tools=no || bail "guest g2 starts"
id=$(guest_id g1) other=$(guest_id g2)

# Attempts, each in the sandbox and without; their results become ours.
while IFS= read -r line; do
	case $line in
	ok\ *) tap_result 0 "${line#ok * - }" ;;
	not\ ok\ *) tap_result 1 "${line#not ok * - }" ;;
	1..*) ended=yes ;;
	*) echo "# $line" ;;
	esac
done < <(XENPV_WORKER=$programs/sandbox_worker "$programs/test_sandbox" xen "$id" "$other" 2>&1)
is "all attempts were made" "${ended:-}" yes

truncate -s 64M /var/tmp/disk.img /var/tmp/block.img
ok "a disk" xenpv scsi-attach --timeout 120 g1 /var/tmp/disk.img 0:0:0:0
disk=$(guest_disk g1 0:0:0:0)
ok "which the guest writes and verifies" guest_run g1 60 "fio --name=v --filename=/dev/$disk --ioengine=libaio \
	--direct=1 --rw=randwrite --bsrange=4k-64k --iodepth=8 --size=4m --verify=crc32c --verify_fatal=1"
ok "a disk of the block protocol" xenpv block-attach --timeout 120 g1 /var/tmp/block.img,raw,xvdf,w
ok "likewise" guest_run g1 60 "fio --name=v --filename=/dev/xvdf --ioengine=libaio --direct=1 --rw=randwrite \
	--bsrange=4k-64k --iodepth=8 --size=4m --verify=crc32c --verify_fatal=1"
worker=$(xenpv status --json | jq '.guests[0].worker')
user=$((1879048192 + id))
is "status says that the worker is in its sandbox" "$(xenpv status --json | jq '.guests[0].sandbox')" true
is "it has a user of its own" "$(of Uid)" "$user"$'\t'"$user"$'\t'"$user"$'\t'"$user"
is "and no other groups" "$(of Groups)" ''
is "its root directory is empty" "$(find "/proc/$worker/root/" | wc -l)" 1
is "it has no network" "$(nsenter -t "$worker" -n ip -o link show up | wc -l)" 0
is "its threads, too, have no capabilities" "$(cat /proc/"$worker"/task/*/status | grep '^Cap' | sort -u |
	grep -vc '0000000000000000')" 0
is "and their calls are filtered" "$(cat /proc/"$worker"/task/*/status | sed -n 's/^Seccomp:\s*//p' | sort -u)" 2

# A real device: its node is opened, and reset, by the helper.
modprobe -a sd_mod sg && modprobe scsi_debug dev_size_mb=16 delay=0
wait_for 20 eval 'ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/scsi_generic/*' >/dev/null 2>&1
sg=/dev/$(basename /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/scsi_generic/*)
ok "a real device" xenpv scsi-attach --timeout 120 g1 "$sg" 0:0:1:0
gsg=$(guest_sg g1 0:0:1:0)
ok "the guest reads it" guest_run g1 60 "sg_dd if=/dev/$gsg of=/dev/null bs=512 count=64"
is "its node is gone from the root directory" "$(find "/proc/$worker/root/" | wc -l)" 1
ok "sg_reset in the guest" guest_run g1 60 "sg_reset --device /dev/$gsg"
ok "the device has been reset: its unit attention" eval '! guest_run g1 30 "sg_turs /dev/$gsg"'
ok "once" guest_run g1 30 "sg_turs /dev/$gsg"
ok "it leaves" xenpv scsi-detach g1 0:0:1:0

ok "the disk leaves" xenpv scsi-detach g1 0:0:0:0
# Its descriptors of event channels are used again.
for i in 2 3; do
	ok "attach, the ${i}th time" xenpv scsi-attach --timeout 120 g1 /var/tmp/disk.img 0:0:0:0
	ok "read" guest_run g1 30 "dd if=/dev/$(guest_disk g1 0:0:0:0) of=/dev/null bs=64k count=16"
	ok "detach" xenpv scsi-detach g1 0:0:0:0
done
for g in g1 g2; do xl destroy $g; done
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd stops in an orderly way" daemon_stop
# The standby has had one until now.
ok "no helper is left" wait_for 20 eval '! pgrep -f xenpv-sg-helper'
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'segfault')" ''
tap_end
