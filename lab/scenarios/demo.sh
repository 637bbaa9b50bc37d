# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# `make demo`: a stock guest on the real Xen gets a SCSI disk from xenpvd; it partitions, formats,
# fills and verifies it. Ends with a picture of what happened.
set -u

# quiet TEXT COMMAND...: a step; what it says is in said, and is shown when it fails.
quiet() {
	local text=$1
	shift
	say "$text"
	said=$("$@" 2>&1) && return
	printf '%s\n' "$said"
	fail "$text"
}

# indent TEXT: four columns to the right.
indent() {
	printf '    %s\n' "${1//$'\n'/$'\n'    }"
}

say "Xen $(xl info | sed -n 's/^xen_version *: //p'), dom0 Linux $(uname -r)"
xenpvd >"$OUT/xenpvd.log" 2>&1 &
wait_for 20 xenpv status >/dev/null 2>&1 || fail "xenpvd does not start: $(cat "$OUT/xenpvd.log")"
say "starting guest 'web' (PV, the distribution's own kernel)"
guest_start web type=pv || fail "the guest does not start"
truncate -s 128M /var/tmp/disk.img
say "\$ xenpv scsi-attach web /var/tmp/disk.img 0:0:0:0"
xenpv scsi-attach web /var/tmp/disk.img 0:0:0:0 || fail "attach"
disk=$(guest_run web 20 'lsscsi' | awk '/XENPV/ {print $NF}')
luns=$(xenpv scsi-list web)
scsi=$(guest_run web 20 'lsscsi -g -s')
quiet "partition, ext4, fill with 8 MiB of random data" guest_run web 120 "set -e
	head -c 8M /dev/urandom >/tmp/data
	echo ',,L' | sfdisk -q --no-reread $disk
	blockdev --rereadpt $disk || true
	for i in 1 2 3 4 5 6 7 8 9 10; do [ -b ${disk}1 ] && break; sleep 0.2; done
	mkfs.ext4 -q -F ${disk}1
	mkdir -p /mnt/t
	mount ${disk}1 /mnt/t
	dd if=/tmp/data of=/mnt/t/data bs=256k oflag=direct conv=fsync 2>/tmp/speed
	umount /mnt/t
	sed -n 's/.*, //p' /tmp/speed"
write=$said
quiet "verify: mount again, compare, file system check" guest_run web 60 "set -e
	mount ${disk}1 /mnt/t
	dd if=/mnt/t/data bs=256k iflag=direct 2>/tmp/speed | cmp - /tmp/data
	umount /mnt/t
	e2fsck -fn ${disk}1 2>&1
	sed -n 's/.*, //p' /tmp/speed"
read=${said##*$'\n'}
cat <<END

  guest 'web'                                                dom0
  +-------------------+    requests, grants, events    +-----------------------------+
  | ext4 on $(printf %-9s "${disk}1") |  --------------------------->  | xenpv-worker -> disk.img    |
  | sd, xen-scsifront |  <---------------------------  | xenpvd (xenstore, policy)   |
  +-------------------+                                +-----------------------------+

  in dom0, xenpv scsi-list web:
$(indent "$luns")

  in the guest, lsscsi:
$(indent "$scsi")

  verification   partitioned, formatted, filled, mounted again: every byte is the same, fsck finds nothing
  throughput     $write written, $read read, direct and of 256 KiB
                 (under emulation; only ratios mean anything: bench/results.md)

END
