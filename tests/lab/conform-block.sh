# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# xenpv conform blk-backend in a stock guest, against xenpvd, in both layouts of the ring, the kernel's
# xen-blkback and QEMU's qdisk. $OUT/block.md has their tables beside each other.
#
# Of the others nothing is wanted but that the suite comes to its end: what they fall short of is in
# doc/conformance.md.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

QDISK_LINE=format=raw,backendtype=qdisk,vdev=xvdf,target=/var/tmp/qdisk.img

# conform NAME DISK OPTION...: the suite in the guest, as the frontend of DISK.
conform() {
	local name=$1 disk=$2
	shift 2
	guest_run g 600 "cd /tmp; ./xenpv -v conform blk-backend --json --dangerous ${*@Q} $disk >conform.json" >"$OUT/$name.log" 2>&1
	guest_get g /tmp/conform.json "$OUT/$name.json"
	note "$name: $(jq -r '.results | group_by(.result)[] | "\(length) \(.[0].result)"' "$OUT/$name.json" | paste -s -d ' ')"
}

# peer NAME DISK: somebody else's backend.
peer() {
	conform "$1" "$2"
	jq -r '.results[] | select(.result != "pass") | "\(.result) \(.case) \(.detail)"' "$OUT/$1.json" | sed "s/^/# $1: /"
	ok "$1: the suite came to its end" test "$(jq '.results | length' "$OUT/$1.json")" -gt 60
}

# table NAME...: a row for each case, a column for each backend.
table() {
	local files=() name
	printf '| case | protocol |'
	for name; do
		printf ' %s |' "$name"
		files+=("$OUT/$name.json")
	done
	printf '\n|---|---|'
	printf -- '---|%.0s' "$@"
	echo
	jq -rs 'map(.results | map({(.case): .}) | add) as $by | .[0].results[] | .case as $c |
		"| \($c) | \(.where) | \([$by[] | .[$c].result // "-"] | join(" | ")) |"' "${files[@]}"
}

modprobe brd rd_nr=1 rd_size=65536
truncate -s 64M /var/tmp/ours.img /var/tmp/ours32.img /var/tmp/qdisk.img
daemon_start || bail "xenpvd starts"
guest_start g disk="$QDISK_LINE" || bail "the guest starts"
ok "our command is in the guest" guest_xenpv g || tap_end
ok "drivers wait" guest_run g 20 'echo 0 >/sys/bus/xen/drivers_autoprobe'
ok "qdisk's disk is free" guest_run g 20 'echo vbd-51792 >/sys/bus/xen/drivers/vbd/unbind'

ok "a disk of xenpvd" xenpv block-attach --no-wait g /var/tmp/ours.img,raw,xvdb,w,queues=2
ok "another one" xenpv block-attach --no-wait g /var/tmp/ours32.img,raw,xvdc,w,queues=2
conform xenpvd xvdb --strict
conform_results "$OUT/xenpvd"
conform xenpvd-32 xvdc --strict --protocol x86_32-abi
conform_results "$OUT/xenpvd-32"
is "dom0's kernel has nothing to complain about" "$(complaints)" ''
ok "a disk of xen-blkback" xl block-attach g format=raw,vdev=xvdd,access=w,script=block-lab,target=/dev/ram0
peer blkback xvdd
peer qdisk xvdf
table xenpvd xenpvd-32 blkback qdisk >"$OUT/block.md"
xl destroy g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
complaints | sed 's/^/# dom0: /'
tap_end
