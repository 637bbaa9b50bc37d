# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What a scenario finds: guests by name, and a few things of dom0. Sourced before every scenario.
# Works with and without "set -eu".

export PATH=/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# A folder whose files come back to the host.
export OUT=/lab/out
# The project's source tree, read-only; and the folder that the scenario's script is in.
export TREE=/lab/tree
export SCENARIO_DIR=/lab/scenario

# The block device with the Debian image, and the time a guest may take to boot.
: "${GUEST_IMAGE:=/dev/vdb}"
: "${GUEST_BOOT_SECONDS:=300}"
# What creates a guest: "$GUEST_CREATE FILE"; for example "xenpv create".
: "${GUEST_CREATE:=xl create -q}"

# shellcheck source=lab/dom0/kernel-backend.sh
. /lab/kernel-backend.sh

# say TEXT: a line in the output, with the seconds since dom0's kernel started.
say() {
	local up
	read -r up _ </proc/uptime
	printf '[%7.2f] %s\n' "$up" "$*"
}

# fail TEXT: ends the scenario with status 1.
fail() {
	say "FAILED: $*"
	exit 1
}

# wait_for SECONDS COMMAND...: runs a command until it succeeds; 124 past the time.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 124
		sleep 0.05
	done
}

# _log NAME: the file with all that a guest ever wrote on its console.
_log() {
	echo "/var/log/xen/guest-$1.log"
}

# guest_config NAME KEY=VALUE...: writes /etc/xen/NAME.cfg. Keys:
#	type=pv|pvh|hvm		pv unless told
#	memory=MIB vcpus=N	384 and 1 unless told
#	disk=SPEC		one disk as xl spells it; may be given more than once
#	vif=SPEC		one network card; may be given more than once
#	tools=no		no Debian image: a guest that has nothing but busybox
#	root=DEVICE		the Debian image is to be this device of the guest, or LABEL=lab, any
#				device that has it: who attaches it is somebody else
#	cmdline=WORDS		more of them for the guest's kernel
#	anything else		a line of the file: KEY = VALUE; a value that is no number and no
#				list gets quoted
guest_config() {
	local name=$1 arg key value
	local type=pv memory=384 vcpus=1 tools=yes cmdline='' lines='' disks='' vifs=''
	shift
	for arg; do
		key=${arg%%=*} value=${arg#*=}
		[[ $arg == *=* ]] || { echo "guest_config: no value: $arg" >&2; return 125; }
		case $key in
		type | memory | vcpus | tools) printf -v "$key" %s "$value" ;;
		cmdline) cmdline+=" $value" ;;
		root) cmdline+=" lab.tools=$value" tools=no ;;
		disk) disks+="\"$value\", " ;;
		vif) vifs+="\"$value\", " ;;
		*)
			[[ $value =~ ^[0-9]+$ || $value == [\[\"\']* ]] || value="\"$value\""
			lines+="$key = $value"$'\n'
			;;
		esac
	done
	if [[ $tools != no ]]; then
		disks+="\"format=raw,vdev=xvdz,access=r,script=block-lab,target=$GUEST_IMAGE\""
		cmdline+=" lab.tools"
	fi
	# Native: QEMU's SVM reports the exit of RDTSC for RDTSCP, which Xen then fails to emulate,
	# and the guest crashes.
	[[ $type == pv ]] || lines+='tsc_mode = "native"'$'\n'
	# No screen, no emulated disks or network cards. The PV console works in all types.
	[[ $type != hvm ]] || lines+=$'vga = "none"\nvnc = 0\nsdl = 0\nserial = "pty"\n'
	# rodata=off, cryptomgr.notests: work that is slow under emulation and no part of any test.
	cmdline="console=hvc0 quiet mitigations=off rodata=off cryptomgr.notests panic=1$cmdline"
	cat >"/etc/xen/$name.cfg" <<-END
		name = "$name"
		type = "$type"
		kernel = "/boot/vmlinux"
		ramdisk = "/boot/guest.cpio.gz"
		extra = "$cmdline"
		memory = $memory
		vcpus = $vcpus
		disk = [ $disks ]
		vif = [ $vifs ]
		$lines
	END
	# HVM: libxl loads the kernel with QEMU, which wants the kernel as it is distributed.
	[[ $type != hvm ]] || sed -i 's:/boot/vmlinux:/boot/vmlinuz:' "/etc/xen/$name.cfg"
}

# guest_wait NAME OFFSET [SECONDS]: waits until a guest says that it is ready, in its console's log
# behind OFFSET; use it when something else than guest_start creates the guest.
guest_wait() {
	guest-run -r "$2" "$1" "${3:-$GUEST_BOOT_SECONDS}" && return
	echo "guest $1 did not get ready; the end of its console:" >&2
	tail -n 15 "$(_log "$1")" >&2
	return 1
}

# guest_log_size NAME: how much is in the log of a guest's console: the OFFSET of guest_wait.
guest_log_size() {
	stat -c %s "$(_log "$1")" 2>/dev/null || echo 0
}

# guest_start NAME KEY=VALUE...: creates a guest and waits until its userland is ready.
guest_start() {
	local name=$1 offset start=${EPOCHREALTIME/./} created
	guest_config "$@" || return
	offset=$(guest_log_size "$name")
	# Its own words are wanted split.
	# shellcheck disable=SC2086
	$GUEST_CREATE "/etc/xen/$name.cfg" || return
	created=${EPOCHREALTIME/./}
	guest_wait "$name" "$offset" || return
	say "guest $name: created in $(((created - start) / 1000)) ms," \
		"ready after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
}

# guest_run NAME SECONDS COMMAND: runs it in the guest's shell, with no input. Its output is ours,
# standard error included; so is its exit status. 124 past the time, 125 without a guest.
guest_run() {
	guest-run "$1" "$2" "$3" </dev/null
}

# guest_feed NAME SECONDS COMMAND: as guest_run, with our standard input.
guest_feed() {
	guest-run -i "$1" "$2" "$3"
}

# guest_put NAME FILE PATH: copies a file of dom0 into the guest, mode included.
guest_put() {
	local mode
	mode=$(stat -L -c %a "$2") || return
	guest-run -i "$1" 600 "cat >${3@Q} && chmod $mode ${3@Q}" <"$2"
}

# guest_get NAME PATH FILE: copies a file of the guest to dom0.
guest_get() {
	guest-run "$1" 600 "cat ${2@Q}" </dev/null >"$3"
}

# guest_id NAME: its domain's number.
guest_id() {
	xl domid "$1"
}

# guest_exists NAME: whether there's a domain of that name.
guest_exists() {
	xl domid "$1" >/dev/null 2>&1
}

# _gone NAME: the opposite.
_gone() {
	! guest_exists "$1"
}

# guest_stop NAME [SECONDS]: shuts a guest down; destroys it when it isn't gone after 60 s.
guest_stop() {
	guest_exists "$1" || return 0
	xl shutdown "$1" >/dev/null 2>&1
	wait_for "${2:-60}" _gone "$1" && return
	echo "guest $1 did not shut down; destroying it" >&2
	xl destroy "$1"
}

# dom0_udev: starts udev, for /dev/disk/by-* and drivers that load themselves. Not running unless
# a scenario wants it, because it takes seconds.
dom0_udev() {
	pgrep -x systemd-udevd >/dev/null || /lib/systemd/systemd-udevd --daemon || return
	udevadm trigger --subsystem-match=block --subsystem-match=scsi_generic --action=add
	udevadm settle
}
