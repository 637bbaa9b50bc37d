#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The machine of the lab: a QEMU with Xen, dom0 and folders of the host in it. Sourced by lab/lab. A machine
# has a folder STATE of its own:
#
#	share/		what dom0 and we tell each other, see dom0/init
#	console.sock	the first serial port, which is Xen's console; console.log has all it said
#	qemu.pid, qemu.log

: "${LAB_DIR:?machine.sh is sourced by lab/lab}"

# folder TAG PATH [OPTION]: words for QEMU that show dom0 a folder of ours.
folder() {
	local path=${2//,/,,}
	qemu+=(-virtfs "local,path=$path,mount_tag=$1,security_model=none,multidevs=remap${3:+,$3}")
}

# boot STATE OUT [SCENARIO_DIR]: starts QEMU and waits for dom0.
boot() {
	local state=$1 out=$2 scenario_dir=${3:-} start=${EPOCHREALTIME/./} end xen linux
	local -a qemu dies=()

	for tool in qemu-system-x86_64 mmdebstrap mke2fs cpio busybox; do
		command -v $tool >/dev/null || PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null ||
			die "no $tool here: install the packages of lab/packages.host"
	done
	image_build
	mkdir -p "$state"/share/cmd "$state/tmp" "$out" || die "cannot write to $state or $out"

	# eager-fpu: QEMU 7.2 raises no #NM for AVX instructions while CR0.TS is set, so that a Xen
	#   that switches the FPU lazily corrupts registers of dom0's programs once a guest is busy.
	xen="com1=115200,8n1 console=com1 dom0_mem=${LAB_DOM0_MEMORY}M,max:${LAB_DOM0_MEMORY}M"
	xen+=" dom0_max_vcpus=$LAB_CPUS loglvl=all guest_loglvl=all spec-ctrl=no,eager-fpu"
	xen+=" $LAB_XEN_ARGS"
	# rodata=off, cryptomgr.notests: work that is slow under emulation and no part of any test.
	# panic=5 with QEMU's -no-reboot: a dead dom0 is noticed, by QEMU's end.
	linux="console=hvc0 quiet mitigations=off rodata=off cryptomgr.notests panic=5 $LAB_LINUX_ARGS"
	# -smap: with SMAP, dom0 crashes early in its boot (create_bounce_frame).
	# -la57,-pku,-smep: not needed by dom0, and paid for in every page walk.
	# -erms: with it Linux and libc copy and clear memory by REP MOVSB and STOSB, which are fast on
	#   processors, and a loop that moves one byte at a time in QEMU.
	# shellcheck disable=SC2054 # the commas are QEMU's
	qemu=(qemu-system-x86_64 -cpu max,-la57,-pku,-smap,-smep,-erms -smp "$LAB_CPUS" -m "$LAB_MEMORY"
		-nodefaults -no-reboot -display none
		-chardev "socket,id=com1,path=console.sock,server=on,wait=off,logfile=console.log"
		-serial chardev:com1
		-kernel "$KERNEL_DIR/xen" -append "$xen"
		-initrd "$KERNEL_DIR/vmlinuz $linux,$BOOT_DIR/boot.cpio.gz"
		# The same image twice: dom0's disk, whose changes are thrown away, and the guests'.
		-drive "file=$ROOT_DIR/root.ext4,if=none,id=root,format=raw,snapshot=on"
		-device virtio-blk-pci,drive=root
		-drive "file=$ROOT_DIR/root.ext4,if=none,id=tools,format=raw,readonly=on"
		-device virtio-blk-pci,drive=tools)
	if [[ $LAB_ICOUNT ]]; then
		qemu+=(-accel "tcg,thread=single,tb-size=512" -icount "shift=$LAB_ICOUNT")
	else
		qemu+=(-accel "tcg,thread=multi,tb-size=512")
	fi
	folder lab "$state/share"
	folder out "$out"
	folder tree "$TREE" readonly=on
	[[ ! $scenario_dir ]] || folder scenario "$scenario_dir" readonly=on
	if [[ -d $LAB_DESTDIR ]]; then
		folder dest "$LAB_DESTDIR" readonly=on
	else
		note "no build in $LAB_DESTDIR: booting without one"
	fi

	# In its own session: Ctrl-C is for us to handle. A run's QEMU doesn't outlive us, however we
	# end. In its own folder: a socket's path is short.
	[[ ! $scenario_dir ]] || dies=(setpriv --pdeathsig TERM)
	(cd "$state" && TMPDIR=$state/tmp exec setsid ${dies[@]+"${dies[@]}"} "${qemu[@]}" \
		</dev/null >qemu.log 2>&1) &
	QEMU_PID=$!
	echo "$QEMU_PID" >"$state/qemu.pid"
	end=$((SECONDS + LAB_BOOT_SECONDS))
	until [[ -e $state/share/ready ]]; do
		kill -0 "$QEMU_PID" 2>/dev/null || lost "$state" "$out" "QEMU ended while dom0 booted"
		((SECONDS < end)) || lost "$state" "$out" "dom0 did not boot in $LAB_BOOT_SECONDS s"
		sleep 0.5
	done
	note "dom0 is up after $(seconds_since "$start") s"
}

# lost STATE OUT REASON: the lab failed: says why, with the console's last lines.
lost() {
	{
		echo "lab: $3; the last lines of QEMU and of the console:"
		tail -n 5 "$1/qemu.log"
		tail -n 30 "$1/console.log" | tr -d '\r'
	} >&2
	cp "$1/console.log" "$2/console.log" 2>/dev/null
	end_qemu "$1"
	exit "$STATUS_LAB"
}

# alive STATE: whether its QEMU runs.
alive() {
	local pid
	pid=$(cat "$1/qemu.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) == qemu-system* ]]
}

# end_qemu STATE: ends its QEMU, now.
end_qemu() {
	local tries
	alive "$1" || return 0
	kill "$(cat "$1/qemu.pid")"
	for ((tries = 0; tries < 50; tries++)); do
		alive "$1" || return 0
		sleep 0.1
	done
	kill -KILL "$(cat "$1/qemu.pid")"
}

# power_off STATE OUT: has dom0 leave its logs and go.
power_off() {
	local tries
	touch "$1/share/stop"
	for ((tries = 0; tries < 300; tries++)); do
		alive "$1" || break
		sleep 0.1
	done
	cp "$1/console.log" "$2/console.log"
	! alive "$1" || note "dom0 does not power off: ending it"
	end_qemu "$1"
}
