# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Power cuts: a stock guest writes to ext4 and btrfs on disks of ours and is destroyed in the midst of it. Each file that
# it was told is on the disk is there afterwards, whole; both file systems are clean once their logs have been replayed.
# CUTS of them for each of TYPES.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

CUTS=${CUTS:-1}
# raid6_pq, which btrfs wants, tries AVX where there is: QEMU emulates none in a guest of a guest.
NO_AVX=cpuid=host,avx=0,avx2=0
FILES=20 # that are acknowledged on either file system before a cut

declare -A vdev=([ext4]=xvdf [btrfs]=xvdg)

# attach_both GUEST: and it has them.
attach_both() {
	local fs
	for fs in ext4 btrfs; do
		xenpv block-attach "$1" "/var/tmp/$fs.img,raw,${vdev[$fs]},w" || return
	done
	wait_for 60 guest_run "$1" 10 'test -b /dev/xvdf && test -b /dev/xvdg'
}

# In the guest: small files, of which each is known by its name; it is told when file and folder are on the disk. Beside
# it fio, whose writes the cut is to catch, and which checks what it has written as it goes.
WRITER='
	content() { seq $(($1 * 7)) $(($1 * 7 + $1 % 9000 + 100)); }
	load() {
		fio --name=load --directory=$1 --size=24m --rw=randwrite --bsrange=4k-256k --ioengine=libaio --iodepth=8 \
			--verify=crc32c --verify_backlog=64 --verify_fatal=1 --fsync=32 --time_based --runtime=600 >/dev/null
	}
	files() {
		n=$2
		while n=$((n + 1)); do
			content $n >$1/$n && sync $1/$n $1 && echo on ${1##*/} $n || { echo failed $1 $n; exit 1; }
		done
	}
	for fs in ext4 btrfs; do
		load /mnt/$fs & files /mnt/$fs '

# acknowledged FS CUT: files that it was told of.
acknowledged() {
	grep -c "^on $1 " "$OUT/writer-$2.log"
}
enough() {
	[[ $(acknowledged ext4 "$1") -ge $FILES && $(acknowledged btrfs "$1") -ge $FILES ]]
}

# cut TYPE N: a guest that writes, until it has no power any more.
cut() {
	local g=c$1 writer
	guest_start "$g" type="$1" "$NO_AVX" || bail "$1: the guest starts"
	ok "$1, $2: disks" attach_both "$g" || return
	if (($2 == 1)); then
		ok "$1: mkfs" guest_run "$g" 240 'mkfs.ext4 -q -F /dev/xvdf && mkfs.btrfs -q -f /dev/xvdg' || return
	fi
	ok "$1, $2: mounted" guest_run "$g" 120 'cd /mnt && mkdir -p ext4 btrfs && mount /dev/xvdf ext4 && mount /dev/xvdg btrfs' ||
		return
	guest_run "$g" 900 "$WRITER $(($2 * 100000)) & done; wait" >"$OUT/writer-$1-$2.log" 2>&1 &
	writer=$!
	ok "$1, $2: it writes" wait_for 300 enough "$1-$2"
	ok "$1, $2: power is cut" xl destroy "$g"
	wait "$writer"
	note "$1, $2: acknowledged: $(acknowledged ext4 "$1-$2") on ext4, $(acknowledged btrfs "$1-$2") on btrfs"
	is "$1, $2: nothing failed before" "$(grep -c failed "$OUT/writer-$1-$2.log")" 0
	ok "$1, $2: no worker is left" wait_for 60 no_workers
}

# In the guest, with the list of files on its input: those that are not what they were.
CHECKER='
	content() { seq $(($1 * 7)) $(($1 * 7 + $1 % 9000 + 100)); }
	while read -r _ fs n; do
		content $n | cmp -s - /mnt/$fs/$n || echo "$fs $n: $(ls -l /mnt/$fs/$n 2>&1)"
	done'

# examine TYPE N: in a guest that has the disks next.
examine() {
	local g=e$1
	guest_start "$g" type="$1" "$NO_AVX" || bail "$1: another guest starts"
	ok "$1, $2: it has the disks" attach_both "$g" || return
	ok "$1, $2: logs are replayed" guest_run "$g" 120 \
		'cd /mnt && mkdir -p ext4 btrfs && mount /dev/xvdf ext4 && mount /dev/xvdg btrfs'
	is "$1, $2: each file that was acknowledged is whole" \
		"$(grep -h '^on ' "$OUT/writer-$1-"*.log | guest_feed "$g" 300 "$CHECKER" 2>&1)" ''
	ok "$1, $2: fio writes and verifies on both" guest_run "$g" 400 'for fs in ext4 btrfs; do
		rm -f /mnt/$fs/load.* && fio --name=v --directory=/mnt/$fs --size=12m --rw=randwrite --bsrange=4k-256k \
			--ioengine=libaio --direct=1 --iodepth=8 --verify=crc32c --verify_fatal=1 >/dev/null &&
			rm /mnt/$fs/v.* || exit; done'
	ok "$1, $2: umount" guest_run "$g" 60 'umount /mnt/ext4 /mnt/btrfs'
	ok "$1, $2: e2fsck finds nothing" guest_run "$g" 120 'e2fsck -fn /dev/xvdf'
	ok "$1, $2: btrfs check finds nothing" guest_run "$g" 120 'btrfs check --readonly /dev/xvdg >/tmp/said 2>&1 ||
		{ cat /tmp/said; false; }'
	is "$1, $2: no error in its kernel" "$(guest_run "$g" 20 "dmesg | grep -E 'I/O error|EXT4-fs error|BTRFS (error|critical)'")" ''
	xl destroy "$g"
	ok "$1, $2: no worker is left again" wait_for 60 no_workers
}

rm -f "$OUT"/writer-*.log # of another run
daemon_start || bail "xenpvd starts"
for type in ${TYPES:-pv pvh}; do
	rm -f /var/tmp/ext4.img /var/tmp/btrfs.img
	truncate -s 256M /var/tmp/ext4.img /var/tmp/btrfs.img
	for ((n = 1; n <= CUTS; n++)); do
		cut "$type" "$n"
		examine "$type" "$n"
	done
done
ok "xenpvd ends" daemon_stop
tap_end
