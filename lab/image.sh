#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Builds what the lab boots: the hypervisor, one Debian image that dom0 and the guests share, and
# the initramfs of both. Sourced by lab/lab; every step is cached under a hash of what it is made of.
#
#	kernel-KEY/	xen, vmlinuz (for dom0), vmlinux (for guests), lib/modules
#	root-KEY/	root.ext4: the Debian tree with modules, vmlinux; dom0's disk, and the guests'
#	boot-KEY/	boot.cpio.gz: dom0's initramfs, with the lab's own scripts and tools in it,
#			the guests' initramfs among them
#	ready-KEY/	machine, root.qcow2: the emulated machine when its dom0 had booted, and what was
#			changed on the disk until then
#
# The lab's own scripts are in the last two, so that a change of them costs no new image of a disk.
#
# Nothing here needs root or mounts anything.

: "${LAB_DIR:?image.sh is sourced by lab/lab}"
: "${LAB_CACHE:?}"

# Kernel modules of the image, as find(1) arguments below lib/modules/VERSION/kernel.
readonly -a IMAGE_MODULES=(
	arch/x86/crypto block crypto lib mm
	fs/9p fs/btrfs fs/configfs fs/ext4 fs/fat fs/fscache fs/fuse fs/isofs fs/jbd2 fs/mbcache.ko
	fs/netfs fs/nls fs/overlayfs fs/udf
	drivers/ata drivers/block drivers/cdrom drivers/char drivers/dca drivers/md drivers/nvme
	drivers/scsi drivers/target drivers/uio drivers/vhost drivers/virtio
	drivers/watchdog/xen_wdt.ko drivers/xen
	drivers/net/bonding drivers/net/dummy.ko drivers/net/net_failover.ko drivers/net/tap.ko
	drivers/net/tun.ko drivers/net/veth.ko drivers/net/virtio_net.ko drivers/net/vxlan
	drivers/net/xen-netback drivers/net/xen-netfront.ko
	net/802 net/8021q net/9p net/bridge net/core net/ipv4 net/ipv6 net/llc net/mpls
	net/netfilter net/nsh net/openvswitch net/packet net/sched net/tls net/unix
)

# Modules that bring dom0 as far as its disk.
readonly -a DOM0_BOOT_MODULES=(virtio_pci virtio_blk ext4 crc32c_generic crc32c_intel)

# Modules of the guests' initramfs: all that a guest without the Debian image has.
readonly -a GUEST_MODULES=(
	xen-blkfront ext4 overlay crc32c_generic crc32c_intel
	xen-scsifront sd_mod sr_mod st ch sg xen-netfront
	xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs
)

# step TEXT: says what is being done, with the seconds since the command began.
step() {
	printf 'lab: %3d s  %s\n' "$SECONDS" "$*" >&2
}

# packages FILE...: the names in package lists, comments removed.
packages() {
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@" | sort -u
}

# depends_on PREFIX <DEPENDS: the dependency that starts with PREFIX and a number.
depends_on() {
	local found
	found=$(sed -n "0,/^ *Depends: \($1[0-9].*\)\$/s//=\1/p" | sed -n 's/^=//p')
	[[ $found ]] || die "apt knows of no $1*: run apt-get update"
	echo "$found"
}

# look_up_versions: asks apt, which takes it seconds, for the names and the candidate versions of what the images
# are made of.
look_up_versions() {
	local depends linux xen versions
	depends=$(apt-cache depends linux-image-amd64 xen-system-amd64) || die "apt-cache failed"
	linux=$(depends_on linux-image- <<<"$depends") || exit
	xen=$(depends_on xen-hypervisor- <<<"$depends") || exit
	xen=${xen#xen-hypervisor-}
	versions=$(apt-cache policy "linux-image-${linux#linux-image-}" "xen-hypervisor-$xen" \
		"xen-utils-${xen%-amd64}" qemu-system-xen | grep -E '^( *Candidate:|[^ ])')
	! grep -q '(none)' <<<"$versions" || die "apt lacks one of: $versions"
	echo "LINUX_VERSION=${linux#linux-image-} XEN_VERSION=${xen%-amd64}"
	echo "$versions"
}

# find_versions: the same from the last look, as long as apt would say it again; sets LINUX_VERSION, XEN_VERSION
# and VERSIONS.
find_versions() {
	local seen stamp
	# What apt-get update, a change of the sources or of preferences leaves traces in.
	stamp=$({ stat -c '%n %s %Y' /etc/apt/* /etc/apt/*/* /var/lib/apt/lists/* &&
		declare -f look_up_versions; } 2>/dev/null | digest)
	seen=$LAB_CACHE/versions-$stamp
	if [[ ! -s $seen ]]; then
		look_up_versions >"$seen.$$" || exit
		rm -f "$LAB_CACHE"/versions-????????????????
		mv "$seen.$$" "$seen"
	fi
	VERSIONS=$(<"$seen")
	eval "$(head -n 1 "$seen")"
}

# digest: a short name for what comes in.
digest() {
	sha256sum | cut -c1-16
}

# image_keys: finds out the versions and sets KERNEL_DIR, ROOT_DIR, BOOT_DIR and READY_DIR. The last is empty
# when a run is to boot a dom0 of its own.
image_keys() {
	local kernel_key root_key boot_key ready_key
	local -a own

	find_versions
	LINUX_PACKAGE=linux-image-$LINUX_VERSION
	XEN_PACKAGE=xen-hypervisor-$XEN_VERSION-amd64
	SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")

	kernel_key=$({ echo "$VERSIONS" && declare -f unpack_kernel build_kernel; } | digest)
	root_key=$({ echo "$kernel_key" "$SUITE" "${IMAGE_MODULES[@]}" &&
		packages "$LAB_DIR"/packages.dom0 "$LAB_DIR"/packages.guest &&
		declare -f make_tree strip_modules build_root; } | digest)
	mapfile -t own < <(find "$LAB_DIR"/{dom0,guest,tools} -type f | LC_ALL=C sort)
	boot_key=$({ echo "$root_key" "${DOM0_BOOT_MODULES[@]}" "${GUEST_MODULES[@]}" &&
		sha256sum "${own[@]}" && declare -f initramfs build_boot; } | digest)

	KERNEL_DIR=$LAB_CACHE/kernel-$kernel_key
	ROOT_DIR=$LAB_CACHE/root-$root_key
	BOOT_DIR=$LAB_CACHE/boot-$boot_key
	READY_DIR=
	if [[ $LAB_BOOT == ready && ! $LAB_ICOUNT$LAB_XEN_ARGS$LAB_LINUX_ARGS ]]; then
		ready_key=$({ echo "$boot_key" "$LAB_MEMORY" "$LAB_DOM0_MEMORY" "$LAB_CPUS" &&
			qemu-system-x86_64 --version 2>/dev/null && declare -f words build_ready; } | digest)
		READY_DIR=$LAB_CACHE/ready-$ready_key
	fi
}

# image_build [disk]: makes whatever of the images is missing, or only kernel and disk; one builder at a time in a
# cache.
image_build() {
	mkdir -p "$LAB_CACHE"
	image_keys
	{
		flock 9
		# At once: it's mostly a download, and the other is mostly not.
		cached "$KERNEL_DIR" build_kernel &
		KERNEL_JOB=$!
		cached "$ROOT_DIR" build_root
		await_kernel
		[[ ${1:-} != disk ]] || return 0
		cached "$BOOT_DIR" build_boot
		[[ ! $READY_DIR ]] || cached "$READY_DIR" build_ready
	} 9>"$LAB_CACHE/lock"
	forget_unused
}

# await_kernel: until the kernel is in KERNEL_DIR.
await_kernel() {
	wait "$KERNEL_JOB"
	[[ -d $KERNEL_DIR ]] || die "no kernel"
}

# cached DIR FUNCTION: has FUNCTION fill a new DIR unless it is there already.
cached() {
	local dir=$1 work=$1.new
	if [[ ! -d $dir ]]; then
		rm -rf "$work"
		mkdir -p "$work"
		"$2" "$work" 9>&- || die "building $(basename "$dir") failed"
		rm -rf "$work/tmp"
		mv "$work" "$dir"
	fi
	touch "$dir"
}

# forget_unused: removes images that no lab has asked for in two weeks, and machines in a day: each change of the
# lab's scripts makes one of 0.2 GiB.
forget_unused() {
	find "$LAB_CACHE" -mindepth 1 -maxdepth 1 -type d \( -mtime +14 -o -name 'ready-*' -mtime +0 \) -exec rm -rf {} +
}

# unpack_kernel VMLINUZ: the ELF image inside a bzImage, to stdout.
# Guests boot from this: xl unpacks a compressed one itself, which takes it 8 s under emulation.
# The layout is that of Documentation/x86/boot.rst: payload_offset and payload_length at 0x248
# and 0x24c, counted from the end of the setup sectors; its last four bytes are the length.
unpack_kernel() {
	local setup_sectors offset length magic
	setup_sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	offset=$(od -An -tu4 -j $((0x248)) -N 4 "$1")
	length=$(od -An -tu4 -j $((0x24c)) -N 4 "$1")
	offset=$(((setup_sectors + 1) * 512 + offset))
	magic=$(od -An -tx4 -j "$offset" -N 4 "$1")
	case ${magic// /} in
	587a37fd) set -- "$1" xz -dc ;;
	fd2fb528) set -- "$1" zstd -dcq ;;
	*) die "do not know how $1 is compressed (magic $magic)" ;;
	esac
	dd if="$1" iflag=skip_bytes,count_bytes skip="$offset" count=$((length - 4)) bs=64K \
		status=none | "${@:2}"
}

# build_kernel DIR: downloads the kernel and the hypervisor and takes what is needed out of them.
build_kernel() {
	local dir=$1 tmp=$1/tmp deb
	mkdir -p "$tmp"
	step "downloading $LINUX_PACKAGE and $XEN_PACKAGE"
	(cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root download \
		"$LINUX_PACKAGE" "$XEN_PACKAGE") || return
	step "unpacking them"
	for deb in "$tmp"/*.deb; do
		dpkg -x "$deb" "$tmp/root" || return
	done
	gunzip -c "$tmp/root/boot/xen-$XEN_VERSION-amd64.gz" >"$dir/xen" || return
	mv "$tmp/root/boot/vmlinuz-$LINUX_VERSION" "$dir/vmlinuz" || return
	unpack_kernel "$dir/vmlinuz" >"$tmp/vmlinux" || return
	strip -s -o "$dir/vmlinux" "$tmp/vmlinux" || return
	mkdir -p "$dir/lib"
	mv "$tmp/root/lib/modules" "$dir/lib/modules"
}

# build_root DIR: the Debian tree, as a disk image.
build_root() {
	local dir=$1 tmp=$1/tmp names unwanted='doc info man locale' target
	local -a sources
	mkdir -p "$tmp"
	names=$({ echo "xen-utils-$XEN_VERSION"
		packages "$LAB_DIR"/packages.dom0 "$LAB_DIR"/packages.guest; } | paste -sd,)
	mapfile -t sources < <(apt_sources)
	# Only root makes a tree at once; others get a tar, for fakeroot.
	((EUID == 0)) && target=$tmp/tree || target=$tmp/root.tar
	step "installing $(tr ',' '\n' <<<"$names" | wc -l) packages and what they need (mmdebstrap)"
	# Told to dpkg when it's there: mmdebstrap, told itself, sends each package through a filter.
	mmdebstrap --quiet --variant=essential \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--essential-hook="printf 'path-exclude=/usr/share/%s/*\n' $unwanted \
			>\"\$1/etc/dpkg/dpkg.cfg.d/lab\"" \
		--customize-hook="cd \"\$1/usr/share\" && find $unwanted -mindepth 1 -delete" \
		--include="$names" "$SUITE" "$target" "${sources[@]}" \
		>"$dir/mmdebstrap.log" 2>&1 ||
		{ tail -n 20 "$dir/mmdebstrap.log" >&2; return 1; }
	await_kernel
	step "making the disk image"
	# As text: fakeroot is a script of a shell that hands on no functions of bash.
	as_root bash -ec "$(declare -f make_tree strip_modules); make_tree \"\$@\"" - "$KERNEL_DIR" "$LINUX_VERSION" "$tmp" "$dir" \
		"${IMAGE_MODULES[@]}" || return
	step "root.ext4: $(du -m "$dir/root.ext4" | cut -f1) MiB on disk"
}

# apt_sources: where the packages come from: LAB_APT_SOURCES, or what this machine itself uses.
apt_sources() {
	if [[ ${LAB_APT_SOURCES:-} ]]; then
		echo "$LAB_APT_SOURCES"
	elif [[ -r /etc/apt/sources.list.d/debian.sources ]]; then
		echo /etc/apt/sources.list.d/debian.sources
	elif [[ -s /etc/apt/sources.list ]]; then
		echo /etc/apt/sources.list
	fi
}

# as_root COMMAND...: runs it as root, or as somebody who believes to be.
as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		fakeroot -- "$@"
	fi
}

# make_tree KERNEL_DIR VERSION TMP DIR MODULES...: TMP/tree, or TMP/root.tar, to root.ext4. Runs under fakeroot.
make_tree() {
	local kernel=$1 version=$2 tmp=$3 dir=$4 tree=$3/tree
	shift 4
	if [[ ! -d $tree ]]; then
		mkdir "$tree"
		tar -C "$tree" --exclude='./dev/*' -xf "$tmp/root.tar"
		rm "$tmp/root.tar"
	fi
	mkdir -p "$tree/lib/modules/$version" "$tree/lab" "$tree/proc/xen"
	(
		cd "$kernel/lib/modules/$version" || exit
		cp modules.builtin modules.builtin.modinfo modules.order "$tree/lib/modules/$version"
		find "${@/#/kernel/}" -name '*.ko' 2>/dev/null |
			cpio -pdm --quiet "$tree/lib/modules/$version"
	)
	strip_modules "$tree"
	depmod -b "$tree" "$version"
	install -m 644 "$kernel"/vmlinu[xz] "$tree/boot"
	# No resolver and no mirrors of the machine that built it.
	rm -f "$tree/etc/resolv.conf" "$tree"/etc/apt/sources.list{,.d/*}
	echo lab >"$tree/etc/hostname"
	echo '127.0.0.1 localhost lab' >"$tree/etc/hosts"
	# Sparse: what is not used costs no space. The journal would be of no use to disks that
	# are thrown away, or never written.
	truncate -s 4G "$dir/root.ext4"
	mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -E lazy_itable_init=1,nodiscard -L lab \
		-d "$tree" "$dir/root.ext4"
	rm -rf "$tree"
}

# strip_modules TREE: takes the signatures off its kernel modules. Checking one costs a tenth of a
# second under emulation; a missing one costs a line in the kernel's log.
strip_modules() {
	find "$1/lib/modules" -name '*.ko' -print0 | xargs -0 strip --strip-debug
}

# initramfs TREE MODULES...: adds busybox and modules with what they depend on to a tree.
initramfs() {
	local tree=$1 module modules=$KERNEL_DIR/lib/modules/$LINUX_VERSION
	shift
	mkdir -p "$tree"/{bin,dev,etc,new,proc,run,sys,tmp} "$tree/lib/modules/$LINUX_VERSION"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	cp "$modules"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$LINUX_VERSION"
	[[ -e $modules/modules.dep ]] || depmod -b "$KERNEL_DIR" "$LINUX_VERSION"
	for module; do
		modprobe -d "$KERNEL_DIR" -S "$LINUX_VERSION" --show-depends "$module" ||
			die "no module $module in $LINUX_PACKAGE"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r module; do
		install -D -m 644 "$module" "$tree/${module#"$KERNEL_DIR"/}"
	done
	strip_modules "$tree" || return
	depmod -b "$tree" "$LINUX_VERSION"
}

# pack TREE: a tree as an initramfs, to stdout.
pack() {
	(cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0)
}

# compile OUT SOURCE...: one of the lab's small tools; static, because it meets two root trees.
compile() {
	"${CC:-cc}" -std=gnu11 -O2 -g0 -Wall -Wextra -static -s -o "$@"
}

# build_boot DIR: dom0's initramfs, with all that is the lab's own in /overlay.
build_boot() {
	local dir=$1 tmp=$1/tmp over=$1/tmp/dom0/overlay tools=$LAB_DIR/tools
	mkdir -p "$tmp"/{dom0,guest} "$over"/{boot,lab/bin,etc/xen/scripts}
	step "making the initramfs of dom0 and of the guests"

	initramfs "$tmp/guest" "${GUEST_MODULES[@]}" || return
	install -m 755 "$LAB_DIR/guest/init" "$tmp/guest/init" || return
	mkdir "$tmp/guest/lab"
	install -m 755 "$LAB_DIR/guest/poweroff" "$tmp/guest/lab" || return
	ln -s /bin/busybox "$tmp/guest/lab/busybox"
	echo "${GUEST_MODULES[@]}" >"$tmp/guest/lab/modules"
	compile "$tmp/guest/lab/agent" "$tools/agent.c" "$tools/base64.c" || return
	compile "$tmp/guest/lab/disks" "$tools/disks.c" || return
	pack "$tmp/guest" | gzip -1 >"$over/boot/guest.cpio.gz" || return

	initramfs "$tmp/dom0" "${DOM0_BOOT_MODULES[@]}" || return
	install -m 755 "$LAB_DIR/dom0/boot" "$tmp/dom0/init" || return
	install -m 755 "$LAB_DIR/dom0/init" "$over/lab/init" || return
	install -m 644 "$LAB_DIR"/dom0/*.sh "$over/lab" || return
	install -m 755 "$LAB_DIR/dom0/block-lab" "$over/etc/xen/scripts/block-lab" || return
	compile "$over/lab/bin/guest-run" "$tools"/{guest-run,base64,xs}.c || return
	compile "$over/lab/bin/xs-commit" "$tools"/{xs-commit,xs}.c || return
	pack "$tmp/dom0" | gzip -1 >"$dir/boot.cpio.gz"
}
