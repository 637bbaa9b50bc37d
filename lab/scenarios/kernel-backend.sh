# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# The kernel's PVSCSI backend under a PV guest: attach, see, measure, detach. What ours is compared with.
set -u
modprobe brd rd_nr=2 rd_size=65536
guest_start g1 || exit

kernel_vscsi_attach g1 /dev/ram0 0:0:0:0 || fail "attach"
kernel_vscsi_attach g1 /dev/ram1 0:0:1:0 || fail "attach a second unit"
guest_run g1 60 'lsscsi; sg_inq /dev/sda | head -n 6; sg_luns --maxlen=512 /dev/sda' || fail "not seen"

for depth in 1 16; do
	guest_run g1 120 "fio --name=randread --filename=/dev/sda --readonly --direct=1 --bs=4k \
		--rw=randread --iodepth=$depth --ioengine=libaio --runtime=5 --time_based" \
		>"$OUT/fio-qd$depth.txt" || fail "fio"
	echo "QD$depth: $(grep -m 1 IOPS= "$OUT/fio-qd$depth.txt")"
done

kernel_vscsi_detach g1 0:0:1:0 || fail "detach"
[[ $(guest_run g1 20 'lsscsi | wc -l') == 1 ]] || fail "still there"
id=$(guest_id g1)
guest_stop g1
kernel_vscsi_forget "$id"
! xenstore-exists "/local/domain/0/backend/vscsi/$id" || fail "nodes left behind"
say "done"
