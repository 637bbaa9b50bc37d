# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# A CD drive on a local host: .iso files, another medium while it is used, what the guest has locked.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "$here/../bad-input.sh"

# says TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$1" "$(guest_do g "$2")" "$3"
}

TUR=000000000000
EVENT=4a0100001000000008000000

# media: three images, of which one is as large as a DVD.
media() {
	head -c 4M /dev/urandom >one.iso
	head -c 2M /dev/urandom >two.img
	truncate -s 1000M dvd.iso
	head -c 5000 /dev/urandom >odd.iso
}

bad() {
	refused "an odd image" "odd.iso.*5000" xenpv scsi-attach g odd.iso 0:0:0:0
	refused "blocksize of a CD" "blocksize" xenpv scsi-attach g one.iso 0:0:0:0,blocksize=512
	refused "a CD as a disk" "scsi-attach" xenpv block-attach g cdrom:one.iso,raw,xvdb,ro
	refused "faults of no medium" "no medium" xenpv scsi-attach g fault:eio:cdrom: 0:0:0:0
	refused "a CD that is not there" "No such file" xenpv scsi-attach g cdrom:none.iso 0:0:0:0
}

attach() {
	ok "a CD" xenpv scsi-attach g one.iso 0:0:0:0
	says "the guest has it" 'wait 0:0:0:0' '4 MiB'
	says "it is a CD drive, of removable media" 'inquiry 0:0:0:0' 'CD-ROM'
	says "and is ready" "cdb 0:0:0:0 $TUR" 'GOOD|status 0'
	ok "it is read" guest_do g 'read 0:0:0:0 0 4M copy'
	ok "as it is" cmp one.iso copy
	like "scsi-list" "$(xenpv scsi-list g)" 'cd/dvd +XENPV +CD-ROM.* 4 MiB +cdrom:/.*/one.iso +xenpv +connected'
	ok "another drive may have the same CD" xenpv scsi-attach g one.iso 0:0:5:0
	refused "but nobody as a disk" "one.iso.*'g'" xenpv block-attach g one.iso,raw,xvdb,rw
	ok "that drive goes" xenpv scsi-detach g 0:0:5:0
}

change() {
	ok "another medium" xenpv scsi-change-medium g 0:0:0:0 two.img
	says "the guest is told" "cdb 0:0:0:0 $TUR" '70 00 06 .* 28 00'
	says "once" "cdb 0:0:0:0 $TUR" 'GOOD|status 0'
	says "its event" "cdb 0:0:0:0 $EVENT 8" '02 02 00 00'
	says "it has another size" 'list' '0:0:0:0.* 2 MiB|2097152'
	ok "it is read" guest_do g 'read 0:0:0:0 0 2M copy'
	ok "as it is" cmp two.img copy
	like "scsi-list" "$(xenpv scsi-list g)" 'cdrom:/.*/two.img'
	ok "no medium" xenpv scsi-change-medium g 0:0:0:0 --eject
	says "it is gone" "cdb 0:0:0:0 $TUR" '70 00 02 .* 3a 01'
	like "scsi-list" "$(xenpv scsi-list g)" ' cdrom: '
	ok "a DVD" xenpv scsi-change-medium g 0:0:0:0 dvd.iso
	says "which GET CONFIGURATION says" "cdb 0:0:0:0 46000000000000000800 8" '00 10'
	ok "the same again" xenpv scsi-change-medium g 0:0:0:0 dvd.iso
}

locked() {
	ok "the first again" xenpv scsi-change-medium g 0:0:0:0 one.iso
	guest_do g "cdb 0:0:0:0 $TUR" >/dev/null
	says "the guest locks it" 'cdb 0:0:0:0 1e0000000100' 'GOOD|status 0'
	guest_do g "cdb 0:0:0:0 $EVENT 8" >/dev/null
	refused "a medium that is locked" "locked.*--force" xenpv scsi-change-medium g 0:0:0:0 two.img
	says "the guest is told that it is wanted" "cdb 0:0:0:0 $EVENT 8" '01 02 00 00'
	ok "it is read all the same" guest_do g 'read 0:0:0:0 0 1M copy'
	ok "as it is" cmp -n 1M one.iso copy
	ok "by force" xenpv scsi-change-medium --force g 0:0:0:0 two.img
	says "the guest is told" "cdb 0:0:0:0 $TUR" '70 00 06 .* 28 00'
}

# killed: the drive's worker; the next one has taken over when the drive answers.
killed() {
	local worker
	worker=$(ours xenpv-worker)
	kill -KILL "$worker"
	wait_for 10 ends "$worker"
}

# What the guest has done to its drive outlives the worker.
dies() {
	guest_do g "cdb 0:0:0:0 $TUR" >/dev/null
	says "the guest locks the medium" 'cdb 0:0:0:0 1e0000000100' 'GOOD|status 0'
	ok "the worker is killed" killed
	says "it is locked still" 'cdb 0:0:0:0 1b0000000200' '70 00 05 .* 53 02'
	says "the guest unlocks it" 'cdb 0:0:0:0 1e0000000000' 'GOOD|status 0'
	says "and opens the tray" 'cdb 0:0:0:0 1b0000000200' 'GOOD|status 0'
	ok "the worker is killed" killed
	says "the tray is open" "cdb 0:0:0:0 $TUR" '70 00 02 .* 3a 02'
	ok "another medium closes it" xenpv scsi-change-medium g 0:0:0:0 one.iso
	ok "the worker is killed" killed
	says "the guest is told of that medium" "cdb 0:0:0:0 $TUR" '70 00 06 .* 28 00'
	says "and has it" "cdb 0:0:0:0 $TUR" 'GOOD|status 0'
}

wrong() {
	truncate -s 16M disk.img
	ok "a disk beside it" xenpv scsi-attach g disk.img 0:0:1:0
	refused "the medium of a disk" "no CD drive" xenpv scsi-change-medium g 0:0:1:0 one.iso
	refused "no such LUN" "no vdev" xenpv scsi-change-medium g 0:0:7:0 one.iso
	refused "no such file" "No such file" xenpv scsi-change-medium g 0:0:0:0 none.iso
	refused "neither file nor eject" "--eject" xenpv scsi-change-medium g 0:0:0:0
	refused "both" "--eject" xenpv scsi-change-medium --eject g 0:0:0:0 one.iso
	refused "what somebody writes" "disk.img.*0:0:1:0" xenpv scsi-change-medium g 0:0:0:0 disk.img
	refused "an odd one" "5000" xenpv scsi-change-medium g 0:0:0:0 odd.iso
}

# While it is read: a medium that takes its time, and another one.
busy() {
	ok "a slow medium" xenpv scsi-change-medium g 0:0:0:0 fault:slow=2s/read/x1:one.iso
	guest_do g "cdb 0:0:0:0 $TUR" >/dev/null
	guest_send g 'read 0:0:0:0 0 1M slow'
	ok "is changed" xenpv scsi-change-medium g 0:0:0:0 two.img
	says "after its last command" "cdb 0:0:0:0 $TUR" '70 00 06 .* 28 00|GOOD|status 0'
	ok "the drive goes" xenpv scsi-detach g 0:0:0:0
	ok "an empty one comes" xenpv scsi-attach g cdrom: 0:0:0:0
	guest_do g "cdb 0:0:0:0 $TUR" >/dev/null
	says "it has no medium" "cdb 0:0:0:0 $TUR" '70 00 02 .* 3a 01'
	ok "then one" xenpv scsi-change-medium g 0:0:0:0 one.iso
	ok "it is free again" xenpv scsi-detach g 0:0:0:0
	ok "as a disk, too" xenpv block-attach g one.iso,raw,xvdb,rw
}

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
guest_start g
media
bad
attach
change
locked
dies
wrong
busy
guest_stop g
ok "xenpvd stops" daemon_stop
tap_end
