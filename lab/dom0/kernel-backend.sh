# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# The kernel's own PVSCSI backend, xen-scsiback over LIO: the peer to compare with.
#
#	kernel_vscsi_attach GUEST BLOCKDEV H:C:T:L	a disk of dom0; or, as BLOCKDEV, the SCSI address of
#							a device that is given as it is (pscsi)
#	kernel_vscsi_detach GUEST H:C:T:L
#
# In LIO each unit is an iblock backstore, and a LUN of a target that belongs to the guest's host H.
# What was set up is remembered in /run/lab/vscsi/DOMID/H/N, N being the device's number: two words,
# v-dev and the backstore. The target's LUN has the same number.
#
# Known of this backend on Linux 6.1: REPORT LUNS with more than a page of allocation length oopses
# dom0 (use "sg_luns --maxlen=512"), and a tape's read at a filemark returns GOOD.

readonly _TARGET=/sys/kernel/config/target
readonly _VSCSI=/run/lab/vscsi
# What a handshake may take. A guest scans a bus in a second, on a busy host in a minute.
: "${_VSCSI_SECONDS:=120}"
# "no": attach only asks, and returns.
: "${KERNEL_VSCSI_WAIT:=yes}"

# _vscsi_tport DOMID HOST: the WWN of the target that serves a host of a guest.
_vscsi_tport() {
	printf 'naa.6001405%05x%04x' "$1" "$2"
}

# _vscsi_state PATH STATE: whether a xenstore node says so.
_vscsi_state() {
	[[ $(xenstore-read "$1" 2>/dev/null) == "$2" ]]
}

# _vscsi_target TPORT: makes the target if it isn't there.
_vscsi_target() {
	local tpg=$_TARGET/xen-pvscsi/$1/tpgt_0
	modprobe -a target_core_mod target_core_iblock xen-scsiback || return
	[[ ! -d $tpg ]] || return 0
	mkdir -p "$tpg" && echo "$1" >"$tpg/nexus"
}

# _vscsi_pscsi STORE ADDRESS: a backstore that is a SCSI device itself. Disks and CDs want their block
# device's name, too.
_vscsi_pscsi() {
	local h c t l block
	IFS=: read -r h c t l <<<"$2"
	modprobe target_core_pscsi || return
	block=$(ls "/sys/class/scsi_device/$2/device/block" 2>/dev/null)
	mkdir -p "$1" || return
	echo "scsi_host_id=$h,scsi_channel_id=$c,scsi_target_id=$t,scsi_lun_id=$l" >"$1/control" || return
	echo "/dev/${block:-null}" >"$1/udev_path" && echo 1 >"$1/enable"
}

# _vscsi_unit BACKSTORE BLOCKDEV LUN_DIR: makes the backstore and puts it into the target.
_vscsi_unit() {
	local store=$_TARGET/core/$1
	if [[ $1 == pscsi_* ]]; then
		_vscsi_pscsi "$store" "$2" && mkdir -p "$3" && ln -s "$store" "$3/unit"
		return
	fi
	mkdir -p "$store" || return
	echo "udev_path=$2" >"$store/control" || return
	echo "$2" >"$store/udev_path" || return
	echo 1 >"$store/enable" || return
	mkdir -p "$3" && ln -s "$store" "$3/unit"
}

# _vscsi_unit_nodes PATH P_DEV V_DEV: lines for xs-commit: one unit of a backend.
_vscsi_unit_nodes() {
	printf 'w %s\n' "$1/p-dev $2" "$1/p-devname $2" "$1/v-dev $3" "$1/state 1"
}

# _vscsi_host_nodes DOMID HOST BACKEND FRONTEND: lines for xs-commit: both ends of a host.
# The frontend can write its own nodes only if the permissions come with them.
_vscsi_host_nodes() {
	printf '%s\n' "w $3" "p $3 n0 r$1" "w $3/frontend $4" "w $3/frontend-id $1" \
		"w $3/online 1" "w $3/feature-host 0" "w $3/state 1" \
		"w $4" "p $4 n$1 r0" "w $4/backend $3" "w $4/backend-id 0" "w $4/state 1"
}

# kernel_vscsi_attach GUEST BLOCKDEV H:C:T:L: gives a guest a block device of dom0 as a SCSI disk;
# returns when the frontend has it.
kernel_vscsi_attach() {
	local dom host=${3%%:*} n=0 tport back front unit store
	dom=$(xl domid "$1") || return
	back=/local/domain/0/backend/vscsi/$dom/$host
	front=/local/domain/$dom/device/vscsi/$host
	tport=$(_vscsi_tport "$dom" "$host")
	while [[ -e $_VSCSI/$dom/$host/$n ]]; do ((++n)); done
	unit=$back/vscsi-devs/dev-$n
	store=iblock_0/d$dom.h$host.n$n
	[[ $2 == /* ]] || store=pscsi_0/d$dom.h$host.n$n
	_vscsi_target "$tport" || return
	_vscsi_unit "$store" "$2" "$_TARGET/xen-pvscsi/$tport/tpgt_0/lun/lun_$n" || return
	mkdir -p "$_VSCSI/$dom/$host"
	echo "$3 $store" >"$_VSCSI/$dom/$host/$n"
	{
		# The host first: a new node has its parent's permissions.
		# And state 7 only where somebody sees it: before, the unit is found without.
		if _vscsi_state "$back/state" 4; then
			echo "w $back/state 7"
		elif ! xenstore-exists "$back"; then
			_vscsi_host_nodes "$dom" "$host" "$back" "$front"
		fi
		_vscsi_unit_nodes "$unit" "$tport:$n" "$3"
	} | xs-commit || return
	[[ $KERNEL_VSCSI_WAIT == yes ]] || return 0
	wait_for "$_VSCSI_SECONDS" _vscsi_state "$unit/state" 4 && wait_for "$_VSCSI_SECONDS" _vscsi_state "$back/state" 4 &&
		wait_for "$_VSCSI_SECONDS" _vscsi_state "$front/vscsi-devs/dev-$n/state" 4 && return
	echo "kernel_vscsi_attach $*: not connected:" >&2
	xenstore-ls "$back" >&2
	xenstore-ls "$front" >&2
	return 1
}

# _vscsi_forget DOMID HOST N: removes what LIO has of a unit.
_vscsi_forget() {
	local record=$_VSCSI/$1/$2/$3 store lun
	lun=$_TARGET/xen-pvscsi/$(_vscsi_tport "$1" "$2")/tpgt_0/lun/lun_$3
	read -r _ store <"$record" || return
	rm -f "$lun/unit"
	rmdir "$lun" "$_TARGET/core/$store"
	rm -f "$record"
}

# kernel_vscsi_detach GUEST H:C:T:L: takes a unit away again.
kernel_vscsi_detach() {
	local dom host=${2%%:*} record n back
	dom=$(xl domid "$1") || return
	back=/local/domain/0/backend/vscsi/$dom/$host
	record=$(grep -ls "^$2 " "$_VSCSI/$dom/$host"/*) ||
		{ echo "kernel_vscsi_detach: $1 has no $2" >&2; return 1; }
	n=${record##*/}
	printf 'w %s\n' "$back/vscsi-devs/dev-$n/state 5" "$back/state 7" | xs-commit || return
	wait_for "$_VSCSI_SECONDS" _vscsi_state "$back/vscsi-devs/dev-$n/state" 6 || return
	wait_for "$_VSCSI_SECONDS" _vscsi_state "$back/state" 4 || return
	echo "r $back/vscsi-devs/dev-$n" | xs-commit
	_vscsi_forget "$dom" "$host" "$n"
}

# kernel_vscsi_forget DOMID: removes what is left of a domain that is gone: LIO's units, and the
# backend's nodes, which xl leaves in xenstore for ever.
kernel_vscsi_forget() {
	local record
	for record in "$_VSCSI/$1"/*/*; do
		[[ -e $record ]] || continue
		_vscsi_forget "$1" "$(basename "$(dirname "$record")")" "${record##*/}"
	done
	echo "r /local/domain/0/backend/vscsi/$1" | xs-commit
}
