# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# xenpv conform: our suite against backends. A guest's kernel is the same for all; what differs is who
# serves it. Tables are left in $OUT, and $OUT/conformance.md puts those of the two backends beside each
# other.
#
# What takes long is left out unless WHOLE=1 wants the tables of doc/conformance.md: the cases for xenpvd
# that hostile.sh has, too, which are all but those of hot plug; those that the kernel's backend left out at
# first, and two in which it waits until time is up.
#
# Of the kernel's parts nothing is wanted but that the suite comes to its end: what they fall short of
# is written down in doc/conformance.md. DANGEROUS=1 runs the cases that may crash dom0, too.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

DANGEROUS=${DANGEROUS:-0}
WHOLE=${WHOLE:-0}

# plug GUEST ADD REMOVE: does what the guest asks for by its node data/plug, until it is killed.
plug() {
	local node want
	node=/local/domain/$(guest_id "$1")/data/plug
	while :; do
		want=$(xenstore-read "$node" 2>/dev/null)
		case $want in
		add) xenstore-write "$node" taken; eval "$2" ;;
		remove) xenstore-write "$node" taken; eval "$3" ;;
		esac
		sleep 0.2
	done
}

# with_plug GUEST ADD REMOVE COMMAND...: a command, with it in the background.
with_plug() {
	local guest=$1 add=$2 remove=$3 pid
	shift 3
	plug "$guest" "$add" "$remove" >>"$OUT/plug.log" 2>&1 &
	pid=$!
	"$@"
	kill $pid
	wait $pid 2>/dev/null
}

# short FILE: counts of a table.
short() {
	jq -r '.results | group_by(.result)[] | "\(length) \(.[0].result)"' "$1.json" | paste -s -d ' '
}

# both: the tables of the backends, beside each other.
both() {
	echo "| case | protocol | xenpvd on Xen | kernel xen-scsiback | detail (kernel) |"
	echo "|---|---|---|---|---|"
	jq -rs '(.[1].results | map({(.case): .}) | add) as $k | .[0].results[] |
		"| \(.case) | \(.where) | \(.result) | \($k[.case].result // "-") | " +
		"\($k[.case].detail // "" | gsub("\\|"; "/")) |"' "$1" "$2"
}

cd /var/tmp || exit 1
truncate -s 64M known.img
truncate -s 16M scratch.img more.img
modprobe brd rd_nr=32 rd_size=32768
daemon_start || bail "xenpvd starts"
guest_start g1 vcpus=2 || bail "the guest starts"
ok "our command is in the guest" guest_xenpv g1 || tap_end
guest_run g1 20 'echo 0 >/sys/bus/xen/drivers_autoprobe'
PLUG='xenstore-write data/plug'

ok "xenpvd: two LUNs" xenpv scsi-attach --no-wait g1 known.img 1:0:0:0
ok "xenpvd: two LUNs" xenpv scsi-attach --no-wait g1 scratch.img 1:0:0:1
cases=(--only 'hotplug.*')
of_kernel='!(handshake.ring-ref-is-2-32|handshake.close-without-closing-and-reopen)'
more=0
((WHOLE)) && cases=() of_kernel='*' more=12
with_plug g1 'xenpv scsi-attach g1 more.img 1:0:0:2' 'xenpv scsi-detach g1 1:0:0:2' \
	guest_conform g1 600 "$OUT/xenpvd" "${cases[@]}" --dangerous --hotplug "$PLUG" --time 10 1
conform_results "$OUT/xenpvd"
note "xenpvd: $(short "$OUT/xenpvd")"

# kernel HOST FILE PATTERN: cases on controller HOST, a new one, of the kernel's backend.
kernel() {
	kernel_vscsi_attach g1 "/dev/ram$(($1 * 2))" "$1:0:0:0" || return
	kernel_vscsi_attach g1 "/dev/ram$(($1 * 2 + 1))" "$1:0:0:1" || return
	with_plug g1 "KERNEL_VSCSI_WAIT=yes kernel_vscsi_attach g1 /dev/ram31 $1:0:0:2" \
		"KERNEL_VSCSI_WAIT=yes kernel_vscsi_detach g1 $1:0:0:2" \
		guest_conform g1 900 "$2" "${danger[@]}" --hotplug "$PLUG" --time 10 --only "$3" "$1"
}

# left: cases of the kernel's that an earlier one left out.
left() {
	jq -r '.results[] | select(.result == "skip" and (.detail | startswith("not after"))) | .case' "$OUT/kernel.json"
}

# A case that the kernel's device does not survive is the end of a run: each that is left gets a device of
# its own.
export KERNEL_VSCSI_WAIT=no
danger=()
((DANGEROUS)) && danger=(--dangerous)
kernel 0 "$OUT/kernel" "$of_kernel"
host=2
for case in $(left | head -n $more); do
	kernel $host "$OUT/kernel.one" "$case"
	jq -s '.[1].results[0] as $r | .[0] | .results |= map(if .case == $r.case then $r else . end)' \
		"$OUT/kernel.json" "$OUT/kernel.one.json" >"$OUT/kernel.all" && mv "$OUT/kernel.all" "$OUT/kernel.json"
	((++host))
done
jq -r '.results[] | "\(.result) \(.case) \(.detail)"' "$OUT/kernel.json" | sed 's/^/# /'
note "kernel: $(short "$OUT/kernel")"
ok "the suite came to its end with the kernel's backend" test "$(jq '.results | length' "$OUT/kernel.json")" -gt 150
both "$OUT/xenpvd.json" "$OUT/kernel.json" >"$OUT/conformance.md"
dmesg | grep -E 'BUG:|Oops|WARNING:|general protection' | sed 's/^/# dom0: /'

id=$(guest_id g1)
xl destroy g1
kernel_vscsi_forget "$id"
ok "xenpvd stops in an orderly way" daemon_stop
tap_end
