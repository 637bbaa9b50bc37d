# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# backend=kernel: LIO and xen-scsiback set up and taken down by xenpv, without xenpvd; a disk, a file,
# a tape and a disk as they are; what a guest leaves that is destroyed; what is refused.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# clean GUESTID: nothing is left in configfs and in xenstore.
clean() {
	[[ -z $(lio) ]] && ! xenstore-exists "/local/domain/0/backend/vscsi/$1"
}

# written GUEST DISK FILE: what the guest writes to its disk is in FILE of dom0.
written() {
	local sum
	sum=$(guest_run "$1" 60 "dd if=/dev/urandom of=/tmp/r bs=64k count=16 2>/dev/null
		dd if=/tmp/r of=/dev/$2 bs=64k oflag=direct 2>/dev/null; md5sum </tmp/r") || return
	[[ $(dd if="$3" bs=64k count=16 iflag=direct 2>/dev/null | md5sum) == "$sum" ]]
}

modprobe brd rd_nr=2 rd_size=32768
modprobe -a sd_mod sg st
modprobe scsi_debug ptype=1 max_luns=1
truncate -s 32M /var/tmp/kernel.img
tape=/dev/$(basename "$(wait_for 20 ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/scsi_generic/*)")
guest_start g1 || bail "the guest starts"
id=$(guest_id g1)

# Refused, before anything is made. xenpvd does not run.
refused "null:" "null:1G.*backend=kernel" xenpv scsi-attach g1 null:1G 0:0:0:0,backend=kernel
refused "a file read-only" "'ro'.*losetup" xenpv scsi-attach g1 /var/tmp/kernel.img 0:0:0:0,ro,backend=kernel
refused "another word" "backend 'qemu': there is no such domain" xenpv scsi-attach g1 /dev/ram0 0:0:0:0,backend=qemu
refused "block-attach" "xl block-attach" xenpv block-attach g1 /dev/ram0,raw,xvdb,rw,backend=kernel
echo 'install target_core_file /bin/false' >/etc/modprobe.d/lab.conf
refused "a missing module" "target_core_file.*modprobe" \
	xenpv scsi-attach g1 /var/tmp/kernel.img 0:0:0:0,backend=kernel
rm /etc/modprobe.d/lab.conf
ok "nothing has been made" clean "$id"

ok "a block device" xenpv scsi-attach g1 /dev/ram0 0:0:0:0,backend=kernel,serial=LIO1 || tap_end
ok "a file, on the same controller" xenpv scsi-attach g1 /var/tmp/kernel.img 0:0:1:0,backend=kernel
ok "a tape drive, itself" xenpv scsi-attach g1 "$tape" 1:0:0:0,backend=kernel
lio | sed 's/^/# /'
xenpv scsi-list g1 | sed 's/^/# /'
like "scsi-list: who serves it" "$(xenpv scsi-list g1)" '/dev/ram0 +kernel +connected'
is "scsi-list --json" "$(xenpv scsi-list --json g1 | jq -r '.[1] | "\(.backend) \(.pdev) \(.size)"')" \
	"kernel /var/tmp/kernel.img 33554432"
guest_run g1 20 lsscsi | sed 's/^/# /'
like "the serial number is the one given" "$(guest_run g1 20 "sg_vpd -p sn /dev/$(guest_sg g1 0:0:0:0)")" LIO1
ok "the block device has what the guest writes" written g1 "$(guest_disk g1 0:0:0:0)" /dev/ram0
ok "the file, too" written g1 "$(guest_disk g1 0:0:1:0)" /var/tmp/kernel.img
like "the tape is the tape" "$(guest_run g1 20 "lsscsi; sg_inq /dev/$(guest_sg g1 1:0:0:0)")" 'tape.*scsi_debug'
refused "the place is taken" "0:0:0:0.*in use" xenpv scsi-attach g1 /dev/ram1 0:0:0:0,backend=kernel
refused "the device is taken" "ram0.*already" xenpv scsi-attach g1 /dev/ram0 0:0:2:0,backend=kernel
daemon_start || bail "xenpvd starts"
refused "a controller has one backend" "kernel's backend" xenpv scsi-attach g1 /dev/ram1 0:0:2:0
refused "detach without waiting" "no-wait" xenpv scsi-detach --no-wait g1 0:0:0:0

ok "detach of one" xenpv scsi-detach g1 0:0:0:0
is "one LUN of that controller is left" "$(lio | grep -c '/lun_')" 2
ok "of the others" eval 'xenpv scsi-detach g1 0:0:1:0 && xenpv scsi-detach g1 1:0:0:0'
is "the guest has none" "$(guest_run g1 20 'lsscsi | wc -l')" 0
ok "nothing is left" clean "$id"
rmmod scsi_debug
modprobe scsi_debug dev_size_mb=16 max_luns=1
disk=/dev/$(basename "$(wait_for 20 ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*)")
wait_for 20 test -b "$disk"
ok "a disk, itself" xenpv scsi-attach g1 "$disk" 1:0:0:0,passthrough,backend=kernel
like "the disk is the disk" "$(guest_run g1 20 "sg_inq /dev/$(guest_sg g1 1:0:0:0)")" scsi_debug
ok "it has what the guest writes" written g1 "$(guest_disk g1 1:0:0:0)" "$disk"
ok "detach of it" xenpv scsi-detach g1 1:0:0:0
ok "nothing is left" clean "$id"
ok "the device is free: xenpvd serves it" xenpv scsi-attach --timeout 120 g1 /dev/ram0 0:0:0:0
ok "and no more" xenpv scsi-detach g1 0:0:0:0

# A guest that goes: xenpvd removes what nobody else would.
ok "attach again" xenpv scsi-attach g1 /dev/ram0 0:0:0:0,backend=kernel
xl destroy g1
ok "destroyed: xenpvd removes all" wait_for 20 clean "$id"
daemon_stop
guest_start g1 || bail "the guest starts again"
id=$(guest_id g1)
ok "attach, without xenpvd" xenpv scsi-attach g1 /dev/ram0 3:0:0:0,backend=kernel
xl destroy g1
ok "it is left when the guest is destroyed" eval '! clean "$id"'
ok "scsi-detach of the name removes it" xenpv scsi-detach g1 3:0:0:0
ok "nothing is left" clean "$id"
refused "once" "g1.*does not exist" xenpv scsi-detach g1 3:0:0:0
ok "dom0 has nothing to complain of" eval '! dmesg | grep -E "BUG|Oops|WARNING|refcount"'
tap_end
