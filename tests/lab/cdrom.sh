# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A CD drive in a stock PV guest: an image is read, mounted, ejected, changed, and locked.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# sum FILE: of a file here.
sum() {
	md5sum <"$1" | cut -d ' ' -f 1
}

# cd_sum GUEST DEVICE: of all that the guest reads from it.
cd_sum() {
	guest_run "$1" 120 "dd if=/dev/$2 bs=64k status=none | md5sum | cut -d ' ' -f 1" | tail -n 1
}

# medium FILE TEXT: a file system with a file that says TEXT, as an image of a CD.
medium() {
	truncate -s 8M "$1"
	mkfs.ext4 -q -F -b 2048 -O ^has_journal "$1"
	mount -o loop "$1" /mnt && echo "$2" >/mnt/what && seq 300000 >/mnt/numbers && umount /mnt
}

# holds GUEST DEVICE TEXT: what is in the drive, mounted, says TEXT.
holds() {
	guest_run "$1" 120 "set -e; mkdir -p /mnt/cd; mount -o ro /dev/$2 /mnt/cd
		grep -x '$3' /mnt/cd/what; seq 300000 | cmp - /mnt/cd/numbers; umount /mnt/cd"
}

# change [--force] GUEST VDEV FILE|--eject: another medium.
change() {
	xenpv scsi-change-medium --timeout 240 "$@"
}

cd /var/tmp || exit 1
medium one.iso 'the first'
medium two.img 'the second'
truncate -s 900M dvd.iso
head -c 5000 /dev/urandom >odd.iso
daemon_start || bail "xenpvd starts"
guest_start g1 || bail "the guest starts"
guest_run g1 120 'modprobe -a sr_mod sg'
refused "an odd image" "5000 bytes" xenpv scsi-attach g1 odd.iso 0:0:0:0
ok "attach" attach g1 one.iso 0:0:0:0 || { sed 's/^/# /' "$OUT/xenpvd.log"; tap_end; }
ok "another drive with the same CD" attach g1 one.iso 0:0:1:0
refused "which nobody may write meanwhile" "one.iso" xenpv block-attach g1 one.iso,raw,xvdf,rw
xenpv scsi-list g1 | sed 's/^/# /'
sr=$(guest_disk g1 0:0:0:0) sg=$(guest_sg g1 0:0:0:0)
like "the guest has a CD drive" "$sr $sg" '^sr[0-9]+ sg[0-9]+$' || tap_end
guest_run g1 120 "dmesg | grep -E 'sr [0-9]|$sr'; sg_inq /dev/$sg; sg_get_config /dev/$sg" >"$OUT/drive.txt"
like "INQUIRY" "$(<"$OUT/drive.txt")" 'XENPV.*CD-ROM'
like "Linux has read what it can do" "$(<"$OUT/drive.txt")" 'scsi3-mmc drive: 48x/.*tray'
is "all of the image is read" "$(cd_sum g1 "$sr")" "$(sum one.iso)"
ok "and a file system on it" holds g1 "$sr" 'the first'
ok "it cannot be written" eval '! guest_run g1 120 "dd if=/dev/zero of=/dev/$sr bs=2k count=1 2>/dev/null"'

ok "another medium" change g1 0:0:0:0 two.img
is "all of it is read" "$(cd_sum g1 "$sr")" "$(sum two.img)"
ok "and its file system" holds g1 "$sr" 'the second'
ok "the guest opens the tray" guest_run g1 120 "sg_start --eject /dev/$sg"
ok "there is nothing to read" eval '! guest_run g1 120 "dd if=/dev/$sr of=/dev/null bs=2k count=1 2>/dev/null"'
ok "the guest closes it" guest_run g1 120 "sg_start --load /dev/$sg; sg_turs /dev/$sg || sg_turs /dev/$sg"
ok "the medium is there" holds g1 "$sr" 'the second'

guest_run g1 120 "mount -o ro /dev/$sr /mnt/cd"
refused "a medium that is mounted" "locked.*--force" change g1 0:0:0:0 one.iso
ok "the guest has it still" guest_run g1 120 "grep -x 'the second' /mnt/cd/what"
guest_run g1 120 "umount /mnt/cd"
ok "not mounted, it is changed" change g1 0:0:0:0 one.iso
ok "to the first" holds g1 "$sr" 'the first'
guest_run g1 120 "mount -o ro /dev/$sr /mnt/cd"
ok "by force" change --force g1 0:0:0:0 --eject
ok "what is read then are errors" eval '! guest_run g1 120 "echo 3 >/proc/sys/vm/drop_caches; cat /mnt/cd/numbers >/dev/null 2>&1"'
guest_run g1 120 "umount -l /mnt/cd"
like "there is no medium" "$(xenpv scsi-list g1)" ' cdrom: '
ok "a DVD" change g1 0:0:0:0 dvd.iso
like "the guest knows it for one" "$(guest_run g1 120 "sg_turs /dev/$sg; sg_get_config /dev/$sg")" \
	'[Cc]urrent profile: DVD-ROM'
is "its size" "$(guest_run g1 120 "blockdev --getsize64 /dev/$sr")" $((900 * 1024 * 1024))

# Changes under load.
guest_run g1 120 "(while :; do dd if=/dev/$sr iflag=direct bs=64k of=/dev/null 2>/dev/null; done) \
	</dev/null >/dev/null 2>&1 & echo \$! >/tmp/load"
failed=0
for i in 1 2 3 4; do
	for file in one.iso two.img; do
		change --force g1 0:0:0:0 $file >/dev/null || failed=$i
	done
done
is "eight changes under load" $failed 0
guest_run g1 120 'kill $(cat /tmp/load)'
ok "the last one is there" holds g1 "$sr" 'the second'
is "the other drive is as it was" "$(cd_sum g1 "$(guest_disk g1 0:0:1:0)")" "$(sum one.iso)"
ok "detach" detach g1 0:0:0:0
xl destroy g1
ok "no worker is left" wait_for 120 no_workers
ok "xenpvd stops" daemon_stop
tap_end
