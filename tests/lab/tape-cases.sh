# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What a backup does with a tape drive and a changer, one line each: "name|what came of it". Runs where
# the devices are, in dom0 or in a guest, so that the lines can be compared. The changer has at least 8
# slots, tapes in the first four, and none in its drive.
#
#	tape-cases.sh TAPE SG CHANGER CD [CASE]...	st1 sg2 sg3 sr0; all cases, or these. The changer
#							is an sg node, too; CD may be -
set -u
ST=/dev/n$1 SG=/dev/$2 CH=/dev/$3 CD=/dev/$4
# What a case may take, seconds; and blocks that a read takes that never meets a filemark.
LIMIT=${LIMIT:-120}
MOST=400

MT=$(command -v mt-st || command -v mt)
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

mt() { "$MT" -f "$ST" "$@" 2>&1; }
# blocks N SIZE: N blocks to the tape, and a filemark, which the driver writes when it is closed.
blocks() { dd if=/dev/urandom of="$ST" bs="$2" count="$1" 2>/dev/null; }
# count [SIZE]: how many blocks are read before a filemark, "0+0" at the end of data; or the error.
count() {
	dd if="$ST" of=/dev/null bs="${1:-64k}" count=$MOST 2>&1 |
		sed -n 's/^\([0-9+]*\) records in/\1/p;s/.*: \(Cannot allocate memory\|Input.output error\|Invalid.*\)/\1/p' | tr '\n' ' '
}
fileno() { mt status | sed -n 's/^File number=\([-0-9]*\), block number=\([-0-9]*\).*/\1.\2/p'; }
# sense COMMAND...: what sg_raw says of it, in few words.
sense() {
	sg_raw "$@" 2>&1 | grep -oiE 'filemark detected|filemark=1|ILI=1|incorrect length|Info fld=[^ ,]+|SCSI Status: [A-Za-z ]+|blank check|end-of-data|Received [0-9]+ bytes' | tr '\n' ' '
}
changer() { mtx -f "$CH" "$@" 2>&1; }
# tag KIND NUMBER: the bar code of what is in an element.
tag() { changer status | sed -n "s/.*$1 $2:Full.*VolumeTag *= *\([^ ]*\).*/\1/p"; }
# loaded: the slot from which drive 0 was loaded.
loaded() { changer status | sed -n 's/.*Element 0:Full (Storage Element \([0-9]*\) Loaded).*/\1/p'; }

case_inquiry() { changer inquiry | sed -n "s/^\(Product Type\|Vendor ID\|Product ID\): //p" | tr '\n' ' '; }
case_status() {
	changer status | awk '/Data Transfer|Storage Element/ { n[$1]++; full += /:Full/ }
		END { print n["Data"] " drives, " n["Storage"] " slots, " full " full" }'
}
case_transfer() {
	local what
	what=$(tag Element 4)
	changer transfer 4 6 >/dev/null && [[ $(tag Element 6) == "$what" && -z $(tag Element 4) ]] && echo there
	changer transfer 6 4 >/dev/null && [[ $(tag Element 4) == "$what" && -z $(tag Element 6) ]] && echo and back
}
case_load() {
	local what
	what=$(tag Element 1)
	changer load 1 0 >/dev/null
	[[ $(loaded) == 1 && $(tag "Data Transfer Element" 0) == "$what" || $(loaded) == 1 ]] && echo loaded
	mt rewind && mt status | grep -oE 'BOT|ONLINE' | sort | tr '\n' ' '
}
case_load_empty() { changer load 8 1 | grep -oE 'Empty|Sense Key=[A-Za-z ]+|ASC = ..' | tr '\n' ' '; }
case_position() {
	mt rewind && mt setblk 0
	for n in 1 2 3; do
		blocks $n 4096
	done
	mt weof 1
	mt rewind; fileno; mt fsf 2; fileno; count; fileno
	mt bsf 1; fileno; mt bsfm 2; fileno; count
	mt rewind; mt fsr 1; fileno; mt fsf 1; mt fsr 2; fileno; mt bsr 1; fileno; mt eod; fileno; count
}
# Blocks are numbered, filemarks among them.
case_seek() {
	mt rewind; blocks 4 4096; blocks 4 4096; mt tell
	mt seek 2; mt tell; fileno; count; mt seek 6; fileno; mt tell; mt seek 9; mt tell; count
	mt seek 4711 >/dev/null; echo "$?"; mt rewind
}
case_compression() {
	mt rewind; mt compression 1; blocks 2 4096; mt compression 0; blocks 2 4096
	mt rewind; count; count; mt rewind
}
case_erase() { mt rewind; blocks 2 4096; mt rewind; mt erase; fileno; mt rewind; count; mt rewind; }
case_filemark() {
	mt rewind; blocks 10 32768; blocks 5 32768
	mt rewind; count; count; count; count
}
case_filemark_sense() {
	mt rewind; blocks 1 4096; mt rewind
	sense -r 4096 "$SG" 08 00 00 10 00 00; sense -r 4096 "$SG" 08 00 00 10 00 00
}
case_short() {
	mt rewind; blocks 3 4096
	mt rewind; count 64k; mt rewind; count 1024
	mt rewind; sense -r 8192 -o out "$SG" 08 00 00 20 00 00; stat -c %s out
	sense -r 8192 -o out2 "$SG" 08 02 00 20 00 00
}
# sizes SIZE...: three blocks of each size there and back.
sizes() {
	local size
	for size; do
		mt rewind
		dd if=/dev/urandom of=block bs="$size" count=1 2>/dev/null
		if ! cat block block block 2>/dev/null | dd of="$ST" bs="$size" iflag=fullblock 2>/dev/null; then
			echo "$size refused"
			continue
		fi
		mt rewind
		dd if="$ST" of=back bs="$size" count=3 2>/dev/null
		cat block block block | cmp -s - back && echo "$size ok" || echo "$size differs"
	done
	mt rewind
}
case_variable() { sizes 512 1000 10240 65536 262144 507904; }
# More than the stock frontend of a Linux guest can send in one command.
case_large() { sizes 524288 1048576; }
case_fixed() {
	local size
	for size in 512 32768; do
		mt rewind; mt setblk $size
		dd if=/dev/urandom of=data bs=65536 count=4 2>/dev/null
		dd if=data of="$ST" bs=65536 2>/dev/null; mt rewind
		dd if="$ST" of=back bs=131072 count=$MOST 2>/dev/null
		cmp -s data back && echo "$size ok" || echo "$size differs"
		mt rewind; dd if="$ST" of=back bs=$size count=1 2>/dev/null; fileno
	done
	mt setblk 0; mt rewind
}
# A tree over several tapes: the script changes them when tar asks.
case_tar() {
	local n
	mkdir -p tree/sub
	dd if=/dev/urandom of=tree/big bs=1M count=5 2>/dev/null
	for n in $(seq 60); do seq "$n" "$((n * 40))" >"tree/sub/$n"; done
	ln -s big tree/link
	cat >next <<-END
		#!/bin/bash
		$MT -f $ST offline >/dev/null 2>&1
		now=\$(mtx -f $CH status | sed -n 's/.*Element 0:Full (Storage Element \([0-9]*\) Loaded).*/\1/p')
		mtx -f $CH unload \$now 0 >/dev/null && mtx -f $CH load \$((now + 1)) 0 >/dev/null && $MT -f $ST rewind >/dev/null
	END
	chmod +x next
	mt rewind
	"$TAR" -b 128 -cM -L 2048 -F ./next -f "$ST" tree >/dev/null 2>tar.err; echo "written $?"
	echo "on tape $(loaded)"
	change_back
	"$TAR" -b 128 -dM -F ./next -f "$ST" >/dev/null 2>tar.err2; echo "compared $?"
	change_back
	head -n 2 tar.err tar.err2 | grep tar: | head -n 2
}
# change_back: the first tape, rewound.
change_back() {
	mt offline >/dev/null
	changer unload "$(loaded)" 0 >/dev/null && changer load 1 0 >/dev/null && mt rewind
}
# Two archives behind one another: the restore of the first stops where it ends.
case_restore() {
	mkdir -p a b out; seq 20000 >a/1; seq 30000 >b/2
	mt rewind; "$TAR" -b 64 -cf "$ST" a; "$TAR" -b 64 -cf "$ST" b
	mt rewind; "$TAR" -b 64 -xf "$ST" -C out; echo "$? $(ls out)"; cmp a/1 out/a/1 && fileno
	mt rewind; mt fsf 1; "$TAR" -b 64 -tf "$ST" | tr '\n' ' '
}
# A file is read as a whole, by a program that knows no more than that it ends: cat, for a dump.
case_whole_file() {
	mt rewind; seq 40000 | dd of="$ST" bs=64k iflag=fullblock 2>/dev/null; blocks 3 65536
	mt rewind; dd if="$ST" bs=64k count=$MOST 2>/dev/null >whole; seq 40000 | cmp - whole && echo as it was
}
# To the end of the tape: the drive says when, and nothing is lost until then.
case_end() {
	mt rewind
	dd if=/dev/zero of="$ST" bs=64k 2>&1 | grep -oE 'No space left|Input.output error|^[0-9]+\+' | tr '\n' ' '
	mt rewind; count; mt rewind
}
case_unload() {
	mt offline >/dev/null; changer unload 1 0 >/dev/null
	changer status | grep -oE 'Element 0:Empty|Element 1:Full'
	mt status | grep -oE 'DR_OPEN|No medium' | head -n 1
}
case_cd() { [[ $CD == /dev/- ]] || dd if="$CD" bs=64k 2>/dev/null | md5sum | cut -c 1-12; }

TAR=/usr/bin/tar
[[ -x $TAR ]] || TAR=/bin/tar
if [[ ${5:-} == --one ]]; then
	DIR=$(mktemp -d)
	trap 'rm -rf "$DIR"' EXIT
	cd "$DIR" || exit
	"case_$6" 2>&1 | tr '\n' ';' | sed 's/[ ;]*;[ ;]*/; /g;s/[ ;]*$//'
	exit 0
fi
cases=(inquiry status transfer load load_empty position seek compression erase filemark filemark_sense short variable large fixed
	whole_file restore tar end unload cd)
(($# > 4)) && cases=("${@:5}")
for name in "${cases[@]}"; do
	start=$SECONDS
	said=$(timeout "$LIMIT" bash "$0" "${@:1:4}" --one "$name") || said+=" (no end)"
	echo "$name|$said"
	echo "$name: $((SECONDS - start)) s" >&2
done
