# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# A tape library in dom0 for scenarios: tgt's, two drives, a changer with eight slots, a CD drive and a
# disk, which come in over iSCSI and the loopback, so that they are SCSI devices of dom0 like others.

TGT=/var/tmp/tgt
TGT_IQN=iqn.2026-11.lab:tgt

# tgt_lun LUN TYPE FILE [OPTION]...: adds a logical unit.
tgt_lun() {
	local lun=$1 type=$2 file=$3
	shift 3
	tgtadm --lld iscsi --mode logicalunit --op new --tid 1 --lun "$lun" --device-type "$type" -b "$file" "$@"
}

# tgt_set LUN PARAMS: changes one.
tgt_set() {
	tgtadm --lld iscsi --mode logicalunit --op update --tid 1 --lun "$1" --params "$2"
}

# tgt_make MB: the target with tapes of MB; nobody is logged in yet.
tgt_make() {
	local n barcode
	mkdir -p "$TGT/media" /etc/iscsi /run/lock/iscsi
	echo "InitiatorName=iqn.2026-11.lab:dom0" >/etc/iscsi/initiatorname.iscsi
	modprobe -a iscsi_tcp st ch sg sd_mod sr_mod || return
	pgrep -x tgtd >/dev/null || tgtd >/dev/null 2>&1 || return
	wait_for 20 tgtadm --lld iscsi --mode target --op show >/dev/null 2>&1 || return
	tgtadm --lld iscsi --mode target --op new --tid 1 --targetname "$TGT_IQN" || return
	for n in 1 2 3 4; do
		tgtimg --op new --device-type tape --barcode "A000000$n" --size "$1" --type data \
			--file "$TGT/media/A000000$n" >/dev/null || return
	done
	for n in 1 2; do
		cp "$TGT/media/A0000001" "$TGT/drive$n"
		tgt_lun $n tape "$TGT/drive$n" --bstype ssc || return
		tgt_set $n "vendor_id=HP,product_id=Ultrium 3-SCSI,product_rev=G24S,scsi_sn=DRV000$n,removable=1,online=0"
	done
	: >"$TGT/smc"
	tgt_lun 3 changer "$TGT/smc" || return
	tgt_set 3 "media_home=$TGT/media"
	tgt_set 3 "vendor_id=STK,product_id=L700,product_rev=0010,scsi_sn=CHG0001,removable=1"
	tgt_set 3 "element_type=4,start_address=1,quantity=2"
	tgt_set 3 "element_type=4,address=1,tid=1,lun=1"
	tgt_set 3 "element_type=4,address=2,tid=1,lun=2"
	tgt_set 3 "element_type=1,start_address=16,quantity=1"
	tgt_set 3 "element_type=2,start_address=1024,quantity=8"
	tgt_set 3 "element_type=3,start_address=32,quantity=2"
	n=1024
	for barcode in A0000001 A0000002 A0000003 A0000004; do
		tgt_set 3 "element_type=2,address=$n,barcode=$barcode,sides=1" || return
		((++n))
	done
	dd if=/dev/urandom of="$TGT/cd.iso" bs=1M count=4 2>/dev/null
	tgt_lun 4 cd "$TGT/cd.iso" || return
	truncate -s 32M "$TGT/disk"
	tgt_lun 5 disk "$TGT/disk" || return
	tgtadm --lld iscsi --mode target --op bind --tid 1 -I ALL || return
	ip link set lo up
	pgrep -x iscsid >/dev/null || iscsid || return
	iscsiadm -m discovery -t st -p 127.0.0.1 >/dev/null
}

# tgt_login, tgt_logout: dom0 gets and loses all its devices.
tgt_login() {
	iscsiadm -m node -T "$TGT_IQN" -p 127.0.0.1 -l >/dev/null && wait_for 120 tgt_here
}
tgt_logout() {
	iscsiadm -m node -T "$TGT_IQN" -p 127.0.0.1 -u >/dev/null
}

# tgt_address LUN: where it is in dom0, as H:C:T:L.
tgt_address() {
	basename "$(ls -d /sys/class/iscsi_session/session*/device/target*/*:0:0:"$1" 2>/dev/null)"
}

# tgt_node LUN CLASS [PREFIX]: its node in dom0, of class scsi_generic, scsi_tape, block; if it has several,
# the one that is PREFIX and a number.
tgt_node() {
	local node like="^${3:+$3[0-9]+\$}"
	for node in "/sys/class/scsi_device/$(tgt_address "$1")/device/$2"/*; do
		[[ -e $node && ${node##*/} =~ $like ]] && echo "${node##*/}"
	done
	return 0
}

# tgt_here: whether all of them have their nodes.
tgt_here() {
	local lun
	for lun in 1 2 3 4 5; do
		[[ $(tgt_node $lun scsi_generic) ]] || return
	done
	[[ $(tgt_node 1 scsi_tape nst) && $(tgt_node 2 scsi_tape nst) && $(tgt_node 4 block) && $(tgt_node 5 block) ]]
}
