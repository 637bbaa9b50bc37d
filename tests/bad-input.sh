# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What an administrator can get wrong, on any host: one line on stderr that names what and where,
# status 1, and nothing changed in xenstore. A script sources this behind tap.sh and has xenpv in its
# PATH, or as a function.

# tree: all of xenstore that belongs to devices of guests.
tree() {
	xenstore-ls -f /local/domain | grep -E '/(backend|device)/' | sort
}

# refused TEXT REGEX COMMAND...: it fails as it should.
refused() {
	local text=$1 regex=$2 before after said rc lines
	shift 2
	before=$(tree)
	said=$("$@" 2>&1 >/dev/null)
	rc=$?
	after=$(tree)
	lines=$(printf '%s\n' "$said" | wc -l)
	note "$said"
	is "$text: status 1" $rc 1
	is "$text: one line" "$lines" 1
	like "$text: says what" "$said" "$regex"
	is "$text: xenstore is as it was" "$after" "$before"
}

# bad_input GUEST: while xenpvd runs; GUEST has no devices. Makes its files in the current directory,
# two of which may be used afterwards: good.img and readonly.img.
bad_input() {
	truncate -s 64M good.img other.img
	truncate -s 0 empty.img
	truncate -s 1000 odd.img
	cp good.img readonly.img
	chmod 444 readonly.img
	refused "unknown guest" "nobody" xenpv scsi-attach nobody good.img 0:0:0:0
	refused "unknown guest id" "4711" xenpv scsi-attach 4711 good.img 0:0:0:0
	refused "malformed vdev" "0:0:0" xenpv scsi-attach "$1" good.img 0:0:0
	refused "vdev with words" "0:0:x:0" xenpv scsi-attach "$1" good.img 0:0:x:0
	refused "vdev out of range" "0:0:99:0" xenpv scsi-attach "$1" good.img 0:0:99:0
	refused "unknown option" "shred.*shared" xenpv scsi-attach "$1" good.img 0:0:0:0,shred
	refused "missing pdev" "missing.img" xenpv scsi-attach "$1" missing.img 0:0:0:0
	refused "a directory" "$PWD" xenpv scsi-attach "$1" "$PWD" 0:0:0:0
	refused "empty pdev" "empty.img" xenpv scsi-attach "$1" empty.img 0:0:0:0
	refused "odd-sized pdev" "odd.img" xenpv scsi-attach "$1" odd.img 0:0:0:0
	refused "read-only pdev" "readonly.img.*ro" xenpv scsi-attach "$1" readonly.img 0:0:0:0
	refused "detach of nothing" "0:0:0:0" xenpv scsi-detach "$1" 0:0:0:0

	ok "attach" xenpv scsi-attach "$1" good.img 0:0:0:0
	refused "occupied vdev" "0:0:0:0" xenpv scsi-attach "$1" other.img 0:0:0:0
	refused "given to the same guest" "good.img" xenpv scsi-attach "$1" good.img 0:0:0:1
	ok "a read-only disk with ro" xenpv scsi-attach "$1" readonly.img 0:0:1:0,ro
}
