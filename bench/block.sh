# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2086
#
# In dom0 of the lab: block devices of xenpvd (without persistent grants, too), of the kernel's xen-blkback and of QEMU's qdisk,
# on identical RAM disks, in the same guest of the same boot, in turn for several rounds; in an HVM guest the IDE disk that
# QEMU emulates, too. Writes $OUT/raw.tsv, as bench/disk.sh does.
ROUNDS=${ROUNDS:-2}
SECONDS_EACH=${SECONDS_EACH:-2}
GUESTS=${GUESTS:-pv pvh}

# shellcheck source=bench/fio.sh
. "$TREE/bench/fio.sh"

random=(
	"4k-randread-qd1 --rw=randread --bs=4k --iodepth=1"
	"4k-randread-qd32 --rw=randread --bs=4k --iodepth=32"
	"4k-randread-4jobs-qd8 --rw=randread --bs=4k --iodepth=8 --numjobs=4"
	"4k-randwrite-qd1 --rw=randwrite --bs=4k --iodepth=1"
	"4k-randwrite-qd32 --rw=randwrite --bs=4k --iodepth=32"
	"4k-randwrite-4jobs-qd8 --rw=randwrite --bs=4k --iodepth=8 --numjobs=4"
)
sequential=(
	"128k-read-qd4 --rw=read --bs=128k --iodepth=4"
	"128k-write-qd4 --rw=write --bs=128k --iodepth=4"
	"1m-read-qd2 --rw=read --bs=1m --iodepth=2"
	"1m-write-qd2 --rw=write --bs=1m --iodepth=2"
)

# others TYPE: words for guest_start: the disks that xl gives a guest, each on a RAM disk.
others() {
	echo "disk=format=raw,vdev=xvdg,access=w,script=block-lab,target=/dev/ram1"
	echo "disk=format=raw,vdev=xvdh,access=w,backendtype=qdisk,target=/dev/ram2"
	# Emulated disks stay beside those of PV drivers: it gets both.
	[[ $1 != hvm ]] || printf '%s\n' "disk=format=raw,vdev=hda,access=w,backendtype=qdisk,target=/dev/ram4" \
		cmdline=xen_emul_unplug=unnecessary
}

# ide GUEST: its emulated disk.
ide() {
	guest_run "$1" 120 'modprobe -a ata_piix sd_mod; for disk in /sys/block/sd*; do
		grep -q "QEMU HARDDISK" $disk/device/model && echo ${disk##*/}; done' | tail -n 1
}

modprobe brd rd_nr=5 rd_size=65536
for n in 0 1 2 3 4; do
	dd if=/dev/zero of=/dev/ram$n bs=1M 2>/dev/null
done
xenpvd >"$OUT/xenpvd.log" 2>&1 &
wait_for 20 xenpv status >/dev/null 2>&1 || fail "xenpvd does not start"
for type in $GUESTS; do
	readarray -t disks < <(others $type)
	guest_start b$type type="$type" "${disks[@]}" || exit 1
	xenpv block-attach b$type /dev/ram0,raw,xvdf,w || exit 1
	xenpv block-attach b$type /dev/ram3,raw,xvde,w,persistent=0 || exit 1
	wait_for 60 guest_run b$type 20 'test -b /dev/xvdf && test -b /dev/xvde' || fail "no disks of ours"
	backends=(xenpv=xvdf copies=xvde kernel=xvdg qdisk=xvdh)
	case $type in
	hvm)
		disk=$(ide bhvm)
		[[ $disk ]] || fail "no emulated disk"
		backends+=(ide="$disk")
		JOBS=("${random[@]::2}" "${random[@]:3:2}" "${sequential[@]}")
		;;
	*) JOBS=("${random[@]}" "${sequential[@]}") ;;
	esac
	rounds $type b$type "${backends[@]}" || exit 1
	xenpv status | tee "$OUT/status-$type.txt"
	xl destroy b$type
done
