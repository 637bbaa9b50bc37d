# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2119,SC2317
#
# Our frontend engine on the real Xen: `xenpv guest` is the driver inside a stock guest, whose own
# xen-scsifront is unloaded; against the kernel's backend and against xenpvd. And in dom0 without any guest:
# both ends there, real grants and event channels. GUEST_TYPES="pv pvh" has guests of both types.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# A command of ours may take so long, in an emulated machine that is busy.
PATIENCE=240

# on GUEST COMMAND: a shell command in that guest; "dom0" is here.
on() {
	if [[ $1 == dom0 ]]; then
		bash -c "$2" </dev/null
	else
		guest_run "$1" "$PATIENCE" "$2"
	fi
}

# program_start GUEST: the driver, which takes its commands from a pipe.
program_start() {
	# shellcheck disable=SC2016 # for the other shell
	on "$1" 'cd /tmp; rm -f in out; mkfifo in; : >out
		[ -x xenpv ] && PATH=/tmp:$PATH
		(exec 3<>in
		sh -c "echo \$\$ >pid; exec xenpv guest -k" <in >>out 2>&1
		echo "ended $?" >>out) >/dev/null 2>&1 </dev/null &'
}

# program GUEST COMMAND: one of its commands; what it says.
program() {
	local mark="mark ${EPOCHREALTIME/./}"
	on "$1" "cd /tmp; size=\$(stat -c %s out); echo '$2' >in; echo 'echo $mark' >in
		for i in \$(seq $((PATIENCE * 10 - 50))); do
			grep -q '^$mark\$\|^ended' out && break
			sleep 0.1
		done
		tail -c +\$((size + 1)) out | grep -v '^mark'; true" 2>&1
}

# program_stop GUEST: it leaves in an orderly way.
program_stop() {
	on "$1" "cd /tmp; kill \$(cat pid)
		for i in \$(seq 300); do grep -q '^ended' out && break; sleep 0.1; done; tail -n 1 out"
}

# said TEXT GUEST COMMAND REGEX: one result: what the command says matches.
said() {
	like "$1" "$(program "$2" "$3")" "$4"
}

# io WHO GUEST VDEV: everything that is done with one disk of 512-byte blocks.
io() {
	local who=$1 g=$2 vdev=$3
	said "$who: wait" "$g" "wait $vdev 60" "$vdev is there: disk "
	said "$who: list" "$g" list "$vdev +disk"
	said "$who: inquiry" "$g" "inquiry $vdev" 'Vendor identification: '
	said "$who: block limits" "$g" "inquiry $vdev b0" 'maximum transfer length, blocks: '
	said "$who: REPORT LUNS" "$g" "cdb $vdev a00000000000000002000000 512" 'host 0, status 0x00'
	said "$who: what does not exist is refused" "$g" "cdb $vdev ff00000000000000000000" 'status 0x02'
	said "$who: verified I/O" "$g" "verify $vdev 4M" 'no difference'
	said "$who: unaligned buffers, bounced" "$g" "verify $vdev 1M skew=77 bs=32k qd=4" 'no difference'
	said "$who: fragments of 512 bytes" "$g" "verify $vdev 1M cut=512 bs=16k qd=4" 'no difference'
	said "$who: fragments of 1000 bytes, unaligned" "$g" "verify $vdev 1M cut=1000 skew=3 bs=32k" \
		'no difference'
	said "$who: reads aborted at once" "$g" "abort $vdev 32" '32 reads, .* 0 other'
	said "$who: reset" "$g" "reset $vdev" "$vdev: reset"
	said "$who: and I/O after it" "$g" "verify $vdev 1M" 'no difference'
	program "$g" "bench $vdev time=3 qd=1" | sed "s/^/# $who: /"
	program "$g" "bench $vdev time=3 qd=16" | sed "s/^/# $who: /"
}

# both TYPE: a guest of that type under both backends.
both() {
	local g=g$1
	guest_start "$g" type="$1" vcpus=2 || bail "guest $g starts"
	ok "$g: its driver is unloaded" guest_run "$g" 120 'modprobe -r xen_scsifront && ! lsmod | grep scsifront'
	ok "$g: our program gets there" guest_xenpv "$g" || return
	ok "$g: the program runs" program_start "$g"
	ok "$g: a disk of the kernel's backend" kernel_vscsi_attach "$g" /dev/ram0 0:0:0:0
	io "$g, kernel" "$g" 0:0:0:0
	ok "$g, kernel: a LUN is added" kernel_vscsi_attach "$g" /dev/ram1 0:0:1:0
	said "$g, kernel: it is there" "$g" "verify 0:0:1:0 256k" 'no difference'
	ok "$g, kernel: it is removed" kernel_vscsi_detach "$g" 0:0:1:0
	said "$g, kernel: it is gone" "$g" "wait 0:0:1:0 1" 'there is no LUN at 0:0:1:0'

	ok "$g: a disk of xenpvd" xenpv scsi-attach "$g" one.img 1:0:0:0
	io "$g, xenpvd" "$g" 1:0:0:0
	ok "$g, xenpvd: a LUN of 4096-byte blocks is added" \
		xenpv scsi-attach "$g" two.img 1:0:1:0,blocksize=4096
	said "$g, xenpvd: it is there" "$g" "verify 1:0:1:0 1M" 'no difference'
	ok "$g, xenpvd: it is removed" xenpv scsi-detach "$g" 1:0:1:0
	said "$g, xenpvd: it is gone" "$g" "wait 1:0:1:0 1" 'there is no LUN at 1:0:1:0'
	like "$g: the program leaves" "$(program_stop "$g")" '^ended [01]$'
	program_start "$g"
	said "$g: comes back" "$g" "wait 1:0:0:0 60" '1:0:0:0 is there'
	said "$g: and both backends serve it again" "$g" "verify 0:0:0:0 256k" 'no difference'
	id=$(guest_id "$g")
	guest_stop "$g"
	kernel_vscsi_forget "$id"
}

# loopback_nodes: both ends of a controller of dom0's own, as a toolstack would write them.
loopback_nodes() {
	local back=/local/domain/0/backend/xenpv-vscsi/0/0 front=/local/domain/0/device/vscsi/0
	printf '%s\n' "w $back" "w $back/frontend $front" "w $back/frontend-id 0" "w $back/online 1" \
		"w $back/feature-host 0" "w $back/state 1" "w $back/vscsi-devs/dev-0/p-dev $PWD/one.img" \
		"w $back/vscsi-devs/dev-0/p-devname $PWD/one.img" "w $back/vscsi-devs/dev-0/v-dev 0:0:0:0" \
		"w $back/vscsi-devs/dev-0/state 1" "w $front" "w $front/backend $back" \
		"w $front/backend-id 0" "w $front/state 1" | xs-commit
}

cd /var/tmp || exit 1
truncate -s 64M one.img two.img
modprobe brd rd_nr=2 rd_size=16384
modprobe -a xen-gntalloc
daemon_start || bail "xenpvd starts"

ok "dom0: both ends in one domain" loopback_nodes
ok "dom0: the program runs" program_start dom0
io "dom0, xenpvd" dom0 0:0:0:0
like "dom0: the program leaves" "$(program_stop dom0)" '^ended [01]$'
printf '%s\n' "r /local/domain/0/device/vscsi" "r /local/domain/0/backend/xenpv-vscsi/0" | xs-commit

for type in ${GUEST_TYPES:-pv}; do
	both "$type"
done
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'segfault|trap')" ''
tap_end
