# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# xenpv conform vscsi-frontend, or blk-frontend (KIND=blk): our suite as the backend of the stock Linux frontend.
# Nothing is wanted of it but that its domain lives and the suite comes to its end: what it falls short of is
# in the tables in $OUT. Cases of the families WANTED (a regular expression) are not to fail.
#
# Cases after which no further controller connects are the end of a run: those that were left out are
# run again, each in a guest of its own, for LEFT of them. All of them take most of an hour:
# LAB_LINUX_ARGS="ONLY=* LEFT=100" makes a table of all. What is left out by default is what the
# stock frontend is known to hang in, or waits for for minutes. A PV guest's driver is the same as a PVH guest's.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

KIND=${KIND:-vscsi}
TYPES=${TYPES:-pv}
ONLY=${ONLY:-'!(*.check-condition-without-sense-data|task.*|bogus.*)'}
LEFT=${LEFT:-0}
WANTED=${WANTED:-}
[[ -v GUEST_WORDS ]] || GUEST_WORDS=(vcpus=1)

# What makes a guest use the disk that the suite has just given it, and what says that it lives.
cat >/tmp/stimulus-vscsi <<'END'
#!/bin/bash
. /lab/helpers.sh
guest_run "$GUEST" 60 'cd /sys/bus/xen/devices/vscsi-'"$CONFORM_UNIT"' || exit 1
	disk=$(ls host*/target*/*:0:0:0/block) && disk=/dev/${disk##*/} &&
	dd if=$disk of=/dev/null bs=1M count=4 iflag=direct status=none &&
	dd if=/dev/zero of=$disk bs=256k count=4 oflag=direct conv=fsync status=none &&
	dd if=$disk of=/dev/null bs=4k skip=7 count=9 iflag=direct status=none'
END
cat >/tmp/stimulus-blk <<'END'
#!/bin/bash
. /lab/helpers.sh
guest_run "$GUEST" 60 'disk=/dev/$(ls /sys/bus/xen/devices/vbd-'"$CONFORM_UNIT"'/block) || exit 1
	[ $(blockdev --getsz $disk) = '"$CONFORM_SECTORS"' ] &&
	dd if=$disk of=/dev/null bs=1M iflag=direct status=none &&
	dd if=/dev/zero of=$disk bs=256k count=4 oflag=direct conv=fsync status=none &&
	dd if=$disk of=/dev/null bs=4k skip=7 count=9 iflag=direct status=none && { blkdiscard -o 1M -l 64k $disk; true; }'
END
cat >/tmp/check <<'END'
#!/bin/bash
. /lab/helpers.sh
guest_run "$GUEST" 60 true
END
chmod +x /tmp/stimulus-* /tmp/check

# front TYPE FILE PATTERN: cases, in a new guest.
front() {
	export GUEST=f$1
	guest_start "$GUEST" "type=$1" "${GUEST_WORDS[@]}" || bail "guest $GUEST starts"
	xenpv -v conform --json --stimulus "/tmp/stimulus-$KIND" --check /tmp/check --only "$3" "$KIND-frontend" "$GUEST" \
		>"$2.json" 2>>"$2.log"
	guest_exists "$GUEST"
	tap_result $? "$1, $3: the guest is there"
	# its kernel's last words
	tail -n 30 "/var/log/xen/guest-$GUEST.log" | grep -a '^\[' >>"$2.dmesg"
	xl destroy "$GUEST"
}

# left FILE: cases that an earlier one left out.
left() {
	jq -r '.results[] | select(.result == "skip" and (.detail | startswith("not after"))) | .case' "$1.json"
}

for type in $TYPES; do
	front "$type" "$OUT/$type" "$ONLY"
	for case in $(left "$OUT/$type" | head -n "$LEFT"); do
		front "$type" "$OUT/$type.one" "$case"
		jq -s '.[1].results[0] as $r | .[0] | .results |= map(if .case == $r.case then $r else . end)' \
			"$OUT/$type.json" "$OUT/$type.one.json" >"$OUT/$type.all" && mv "$OUT/$type.all" "$OUT/$type.json"
	done
	jq -r '"| case | protocol | result | detail |\n|---|---|---|---|", (.results[] |
		"| \(.case) | \(.where) | \(.result) | \(.detail | gsub("\\|"; "/")) |")' "$OUT/$type.json" >"$OUT/$type.md"
	jq -r '.results[] | "\(.result) \(.case) \(.detail)"' "$OUT/$type.json" | sed 's/^/# /'
	note "$type: $(jq -r '.results | group_by(.result)[] | "\(length) \(.[0].result)"' "$OUT/$type.json" | paste -s -d ' ')"
	[[ ! $WANTED ]] || is "$type: no failure of $WANTED" "$(jq -r --arg wanted "^($WANTED)\$" '.results[] |
		select((.family | test($wanted)) and .result == "fail").case' "$OUT/$type.json" | xargs)" ''
	ok "$type: there is a result" jq -e '.pass + .fail > 0' "$OUT/$type.json"
done
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'segfault|trap')" ''
tap_end
