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

readonly -a WITH_US=(setpriv --pdeathsig TERM)

# folder TAG PATH [OPTION]: words for QEMU that show dom0 a folder of ours.
folder() {
	local path=${2//,/,,}
	qemu+=(-virtfs "local,path=$path,mount_tag=$1,security_model=none,multidevs=remap${3:+,$3}")
}

# words STATE OUT SCENARIO_DIR DISK: sets qemu to the words that make QEMU the lab's machine. DISK is dom0's.
words() {
	local state=$1 out=$2 scenario_dir=$3 xen linux

	# eager-fpu: QEMU 7.2 raises no #NM for AVX instructions while CR0.TS is set, so that a Xen
	#   that switches the FPU lazily corrupts registers of dom0's programs once a guest is busy.
	xen="com1=115200,8n1 console=com1 dom0_mem=${LAB_DOM0_MEMORY}M,max:${LAB_DOM0_MEMORY}M"
	xen+=" dom0_max_vcpus=$LAB_CPUS loglvl=all guest_loglvl=all spec-ctrl=no,eager-fpu"
	# QEMU's memory is zero.
	xen+=" bootscrub=0"
	xen+=" $LAB_XEN_ARGS"
	# rodata=off, cryptomgr.notests: work that is slow under emulation and no part of any test.
	# panic=5 with QEMU's -no-reboot: a dead dom0 is noticed, by QEMU's end.
	linux="console=hvc0 quiet mitigations=off rodata=off cryptomgr.notests panic=5 $LAB_LINUX_ARGS"
	linux+=${READY_DIR:+ lab.hold}
	# -smap: with SMAP, dom0 crashes early in its boot (create_bounce_frame).
	# -la57,-pku,-smep: not needed by dom0, and paid for in every page walk.
	# -erms: with it Linux and libc copy and clear memory by REP MOVSB and STOSB, which are fast on
	#   processors, and a loop that moves one byte at a time in QEMU.
	# shellcheck disable=SC2054 # the commas are QEMU's
	qemu=(qemu-system-x86_64 -cpu max,-la57,-pku,-smap,-smep,-erms -smp "$LAB_CPUS" -m "$LAB_MEMORY"
		-nodefaults -no-reboot -display none
		-chardev "socket,id=com1,path=console.sock,server=on,wait=off,logfile=console.log"
		-serial chardev:com1
		-monitor unix:monitor.sock,server=on,wait=off
		-kernel "$KERNEL_DIR/xen" -append "$xen"
		-initrd "$KERNEL_DIR/vmlinuz $linux,$BOOT_DIR/boot.cpio.gz"
		-drive "$4,if=none,id=root"
		-device virtio-blk-pci,drive=root
		# Once more as it was built, for the guests.
		-drive "file=$ROOT_DIR/root.ext4,if=none,id=tools,format=raw,readonly=on"
		-device virtio-blk-pci,drive=tools)
	if [[ $LAB_ICOUNT ]]; then
		qemu+=(-accel "tcg,thread=single,tb-size=512" -icount "shift=$LAB_ICOUNT")
	else
		qemu+=(-accel "tcg,thread=multi,tb-size=512")
	fi
	# All are always there: a machine that goes on from READY_DIR has to be the same.
	folder share "$state/share"
	folder out "$out"
	folder tree "$TREE" readonly=on
	folder scenario "$scenario_dir" readonly=on
	folder dest "$state/dest" readonly=on
}

# start STATE [WORDS...]: starts QEMU, by these words and those in qemu.
start() {
	# In its own session: Ctrl-C is for us to handle. In its own folder: a socket's path is short.
	(cd "$1" && TMPDIR=$1/tmp exec setsid "${@:2}" "${qemu[@]}" \
		</dev/null >qemu.log 2>&1) &
	QEMU_PID=$!
	echo "$QEMU_PID" >"$1/qemu.pid"
}

# await SECONDS COMMAND...: waits until COMMAND succeeds, which says how far dom0 is. If it doesn't, WHY says why.
await() {
	local seconds=$1 end=$((SECONDS + $1))
	shift
	until "$@"; do
		kill -0 "$QEMU_PID" 2>/dev/null || { WHY="QEMU ended while dom0 booted" && return 1; }
		((SECONDS < end)) || { WHY="dom0 did not boot in $seconds s" && return 1; }
		sleep 0.2
	done
}

# monitor STATE COMMAND: what QEMU's monitor answers.
monitor() {
	(cd "$1" && socat -t 5 - UNIX-CONNECT:monitor.sock <<<"$2") 2>/dev/null
}

# monitor_says STATE COMMAND TEXT: whether that is in it.
monitor_says() {
	[[ $(monitor "$1" "$2") == *"$3"* ]]
}

# running STATE: has a machine that was kept go on, once it's complete.
running() {
	monitor_says "$1" $'cont\ninfo status' "VM status: running"
}

# console_says STATE TEXT: whether the console has said it.
console_says() {
	grep -qaF "$2" "$1/console.log" 2>/dev/null
}

# boot STATE OUT [SCENARIO_DIR]: starts a machine and waits for its dom0.
boot() {
	local state=$1 out=$2 scenario_dir=${3:-$1/none} start=${EPOCHREALTIME/./}
	local -a qemu dies=()

	for tool in qemu-system-x86_64 qemu-img mmdebstrap mke2fs cpio busybox socat; do
		command -v $tool >/dev/null || PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null ||
			die "no $tool here: install the packages of lab/packages.host and .image"
	done
	image_build
	mkdir -p "$state"/{share/cmd,tmp,none} "$out" || die "cannot write to $state or $out"
	if [[ -d $LAB_DESTDIR ]]; then
		ln -sfn "$(realpath "$LAB_DESTDIR")" "$state/dest"
	else
		note "no build in $LAB_DESTDIR: booting without one"
		mkdir -p "$state/dest"
	fi

	# A run's QEMU doesn't outlive us, however we end.
	[[ ! ${3:-} ]] || dies=("${WITH_US[@]}")
	if [[ ! $READY_DIR ]] || ! go_on; then
		words "$state" "$out" "$scenario_dir" "file=$ROOT_DIR/root.ext4,format=raw,snapshot=on"
		start "$state" ${dies[@]+"${dies[@]}"}
		await "$LAB_BOOT_SECONDS" test -e "$state/share/ready" || lost "$state" "$out" "$WHY"
	fi
	note "dom0 is up after $(seconds_since "$start") s"
}

# go_on: starts boot's machine as the one that was kept. When that fails, it is kept no longer, and dom0 has to boot.
go_on() {
	words "$state" "$out" "$scenario_dir" "file=$READY_DIR/root.qcow2,format=qcow2,snapshot=on"
	qemu+=(-incoming "exec:cat '$READY_DIR/machine'")
	date +%s >"$state/share/now"
	head -c 64 /dev/urandom | base64 -w 0 >"$state/share/seed"
	start "$state" ${dies[@]+"${dies[@]}"}
	await 100 running "$state" &&
		(cd "$state" && socat - UNIX-CONNECT:console.sock <<<'' >/dev/null) &&
		await 100 test -e "$state/share/ready" && return
	note "the machine of $READY_DIR does not go on: $WHY; it is removed, and dom0 boots"
	end_qemu "$state"
	cp "$state/console.log" "$out/console-kept.log"
	rm -rf "$READY_DIR" "$state/console.log"
	READY_DIR=
	return 1
}

# build_ready DIR: boots a dom0 and keeps the machine as it is then, at lab.hold of dom0/init.
build_ready() (
	dir=$1
	step "booting a dom0, from which all others go on"
	mkdir -p "$dir"/tmp/{share/cmd,tmp,none,dest}
	# shellcheck disable=SC2064 # dir is wanted as it is now
	trap "end_qemu '$dir/tmp'" EXIT
	trap 'exit 130' INT TERM HUP
	# By a relative path: a cache can be moved.
	qemu-img create -q -f qcow2 -F raw -b "../${ROOT_DIR##*/}/root.ext4" "$dir/root.qcow2" || exit
	words "$dir/tmp" "$dir/tmp/none" "$dir/tmp/none" "file=$dir/root.qcow2,format=qcow2"
	start "$dir/tmp" "${WITH_US[@]}"
	await "$LAB_BOOT_SECONDS" console_says "$dir/tmp" "lab.hold: waiting" || lost "$dir/tmp" "$dir/tmp" "$WHY"
	# Stopped: otherwise its memory changes while it is being written.
	monitor "$dir/tmp" stop >/dev/null
	monitor "$dir/tmp" 'migrate_set_parameter max-bandwidth 64G' >/dev/null
	monitor "$dir/tmp" "migrate -d \"exec:cat >'$dir/machine'\"" >/dev/null
	await 100 monitor_says "$dir/tmp" "info migrate" "Migration status: completed" ||
		lost "$dir/tmp" "$dir/tmp" "QEMU does not save the machine"
	step "machine: $(du -m "$dir/machine" | cut -f1) MiB on disk"
)

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
