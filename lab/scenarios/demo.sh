# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# `make demo`: a stock guest on the real Xen gets a SCSI disk from xenpvd; it partitions, formats,
# fills and verifies it. Ends with a picture of what happened.
set -u

# quiet TEXT COMMAND...: a step; what it says is shown when it fails.
quiet() {
	local text=$1 said
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

# figure JSON: MiB/s of a fio run.
figure() {
	sed -n '/^{/,$p' | jq -r '.jobs[0] | (.read.bw + .write.bw) / 1024 | round'
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
quiet "partition, ext4, fill" guest_run web 120 "set -e
	echo ',,L' | sfdisk -q --no-reread $disk
	blockdev --rereadpt $disk || true
	for i in 1 2 3 4 5 6 7 8 9 10; do [ -b ${disk}1 ] && break; sleep 0.2; done
	mkfs.ext4 -q -F ${disk}1
	mkdir -p /mnt/t
	mount ${disk}1 /mnt/t
	seq 1000000 >/mnt/t/numbers
	md5sum /mnt/t/numbers >/tmp/sum
	umount /mnt/t"
quiet "verify: mount again, checksum, file system check" guest_run web 60 "set -e
	mount ${disk}1 /mnt/t
	md5sum -c /tmp/sum
	umount /mnt/t
	e2fsck -fn ${disk}1"
FIO="fio --name=d --direct=1 --ioengine=libaio --iodepth=8 --bs=64k --size=32m --offset=64m \
	--filename=$disk --output-format=json"
say "fio: write with checksums, read back and verify"
write=$(guest_run web 60 "$FIO --rw=write --verify=crc32c --do_verify=0" | figure)
read=$(guest_run web 60 "$FIO --rw=read --verify=crc32c" | figure)
[[ $write -gt 0 && $read -gt 0 ]] || fail "fio"
guest_stop web
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

  file system    partitioned, formatted, filled, mounted again: checksum and fsck are clean
  fio            $write MiB/s written, $read MiB/s read back, every block verified
                 (under emulation; only ratios mean anything: bench/results.md)

END
