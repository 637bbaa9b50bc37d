# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# GRUB as the kernel of a guest (grub-xen-host), with a block frontend of its own: it finds its configuration,
# the stock kernel and an initramfs on a disk of ours, reads them, closes the disk, and Linux connects to it anew.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# make_disk FILE: an ext4 file system with what a distribution has in /boot.
make_disk() {
	local tree=/tmp/boot-tree
	mkdir -p "$tree/boot/grub" || return
	cp /boot/vmlinuz /boot/guest.cpio.gz "$tree/boot" || return
	cat >"$tree/boot/grub/grub.cfg" <<-END
		set timeout=0
		linux /boot/vmlinuz console=hvc0 quiet mitigations=off rodata=off cryptomgr.notests panic=1 \
			lab.tools=/dev/xvdz lab.by=grub
		initrd /boot/guest.cpio.gz
		boot
	END
	truncate -s 64M "$1"
	mke2fs -q -F -t ext4 -d "$tree" "$1"
}

# boots TYPE GRUB: a guest whose kernel is that GRUB.
boots() {
	local type=$1 g=g$1 offset
	guest_config "$g" type="$type" tools=no memory=512
	sed -i "s:^kernel = .*:kernel = \"/usr/lib/grub-xen/$2\":; /^ramdisk/d; /^extra/d" "/etc/xen/$g.cfg"
	offset=$(guest_log_size "$g")
	ok "$type: created, paused, without a disk" xl create -q -p "/etc/xen/$g.cfg" || return
	ok "$type: the disk to boot from" xenpv block-attach --no-wait "$g" /var/tmp/boot.img,raw,xvda,rw || return
	ok "$type: the guest's Debian" xenpv block-attach --no-wait "$g" "$GUEST_IMAGE,raw,xvdz,ro,shared" || return
	ok "$type: runs" xl unpause "$g"
	ok "$type: GRUB has found the kernel, and it has booted" guest_wait "$g" "$offset" || return
	ok "$type: as GRUB was told to" guest_run "$g" 20 'grep -q lab.by=grub /proc/cmdline'
	ok "$type: Linux has the disk that GRUB had" guest_run "$g" 60 \
		'mkdir -p /mnt/b && mount /dev/xvda /mnt/b && gunzip -t /mnt/b/boot/guest.cpio.gz &&
		touch /mnt/b/seen && umount /mnt/b'
	ok "$type: shut down" guest_stop "$g"
	ok "$type: no worker is left" wait_for 90 no_workers
	ok "$type: the file system is clean" e2fsck -fn /var/tmp/boot.img
}

ok "a disk with a kernel, an initramfs and GRUB's configuration" make_disk /var/tmp/boot.img
daemon_start || bail "xenpvd starts"
boots pv grub-x86_64-xen.bin
boots pvh grub-i386-xen_pvh.bin
ok "xenpvd ends" daemon_stop
tap_end
