# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# A backup that does not give up: writes numbered blocks to a tape, one after the other. After an error it reads the tape
# from its beginning: each block that was acknowledged must be there, once and in its place; behind the last one that is
# there it goes on with the next number. Runs in a guest, until FOLDER/stop exists.
#
#	tape-writer.sh TAPE SG FOLDER	nst0 sg1 /tmp/w
#	tape-writer.sh --numbered N K	only says what blocks N to N + K - 1 are
#
# In FOLDER: writing is there while blocks are written; errors has a line for each error, and status and dmesg more of
# the first; found one for each block that nobody had acknowledged and which is there; end at last the number of all that
# are on the tape, or what is wrong with it.
set -u
SIZE=16384

numbered() {
	awk -v n="$1" -v k="$2" 'BEGIN {
		for (end = n + k; n < end; n++)
			for (i = 0; i < 16; i++)
				printf "%-1023s\n", "block " n " part " i
	}'
}
if [[ $1 == --numbered ]]; then
	numbered "$2" "$3"
	exit
fi
ST=/dev/$1 SG=/dev/$2 DIR=$3

end() {
	echo "$*" >"$DIR/end"
	exit
}

# stream N: blocks from there on, at least one, while they are wanted. Not so fast that reading them takes longer than
# kills are apart.
stream() {
	local n
	for ((n = $1; ; n++)); do
		numbered "$n" 1 || break
		[[ ! -e $DIR/stop ]] || break
		sleep 0.05
	done
}

# same N K: whether $DIR/back is blocks N to N + K - 1.
same() {
	numbered "$1" "$2" | cmp -s - "$DIR/back"
}

# back N: to the beginning of the tape, and behind so many blocks, all of which must be right. Not by spacing: for tgt's
# drive the way to the end of the data is too far.
back() {
	mt-st -f "$ST" rewind || return
	(($1 == 0)) && return
	dd if="$ST" of="$DIR/back" bs=$SIZE count="$1" 2>"$DIR/said" || return
	same 0 "$1" || end "the first $1 blocks are not what was acknowledged: $(sed -n 1p "$DIR/said")"
}

# read_one: the next block into $DIR/back: 0; 1: there is none; 2: there is a filemark; 3: that cannot be told now. By sg:
# tgt's drive says EOM at the end of the data, too, which st takes for a block.
read_one() {
	rm -f "$DIR/back"
	sg_raw -r $SIZE -o "$DIR/back" "$SG" 08 00 00 40 00 00 >"$DIR/said" 2>&1
	if grep -qi 'blank check' "$DIR/said"; then
		return 1
	elif grep -qi 'filemark detected' "$DIR/said"; then
		return 2
	fi
	grep -q 'SCSI Status: Good' "$DIR/said" || return 3
}

# go_behind N: N blocks are acknowledged. How many there are is $next then, and the tape stands behind them.
go_behind() {
	local rc
	next=$1
	back "$next" || return
	while read_one; rc=$?; ((rc == 0)); do
		same "$next" 1 || end "in the place of block $next there is: $(head -c 20 "$DIR/back")"
		((next++ < $1 + 1)) || end "blocks are there that have not been written: $(head -c 20 "$DIR/back")"
	done
	((rc == 1)) || { ((rc == 2)) && back "$next"; }
}

# find N: as go_behind, which fails when there is another kill.
find() {
	local try
	for ((try = 0; try < 30; try++)); do
		go_behind "$1" && return
		echo "$1: again: $(tail -n 1 "$DIR/said")"
	done
	end "after block $1 the tape cannot be positioned: $(cat "$DIR/said")"
}

next=0
{ back 0 && mt-st -f "$ST" setblk 0 && mt-st -f "$ST" stclearoptions buffer-writes async-writes; } || end "cannot begin"
while :; do
	status=1
	: >"$DIR/dd"
	: >"$DIR/writing"
	# The shell closes the tape: dd would not say how much it has written if that fails.
	{
		stream "$next" 2>/dev/null | dd bs=$SIZE iflag=fullblock 2>"$DIR/dd" >&4
		status=${PIPESTATUS[1]}
	} 4>"$ST"
	((next += $(sed -n 's/+.* records out//p' "$DIR/dd" | grep . || echo 0)))
	((status == 0)) && end "$next"
	rm "$DIR/writing"
	if ! [[ -e $DIR/errors ]]; then
		mt-st -f "$ST" status >"$DIR/status" 2>&1
		dmesg | tail -n 10 >"$DIR/dmesg"
	fi
	sed -n 's/^dd: //p' "$DIR/dd" | grep . >>"$DIR/errors" || echo "it cannot be opened" >>"$DIR/errors"
	acknowledged=$next
	find "$acknowledged" >>"$DIR/find" 2>&1
	((next == acknowledged)) || echo "$acknowledged" >>"$DIR/found"
done
