# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scenarios: SCSI devices that are none, of dom0's driver scsi_debug.

DRIVER=/sys/bus/pseudo/drivers/scsi_debug

# debug_host [N]: the number of the SCSI host of scsi_debug's adapter N; of the first.
debug_host() {
	basename "$(ls -d "$DRIVER/adapter${1:-0}"/host* 2>/dev/null)" | sed 's/host//'
}

# debug_node CLASS: the name of its first device's node of that class: block, scsi_generic.
debug_node() {
	local path
	for path in "$DRIVER"/adapter0/host*/target*/*/"$1"/*; do
		[[ -e $path ]] && basename "$path" && return
	done
	return 1
}

# knob NAME VALUE: of scsi_debug; refused while commands are under way.
knob() {
	wait_for 30 knob_set "$1" "$2"
}
knob_set() {
	{ echo "$2" >"$DRIVER/$1"; } 2>/dev/null
}

# scsi_remove H:C:T:L, scsi_rescan H: a device leaves dom0; what there is comes.
scsi_remove() {
	echo 1 >"/sys/class/scsi_device/$1/device/delete"
}
scsi_rescan() {
	echo '- - -' >"/sys/class/scsi_host/host$1/scan"
}
