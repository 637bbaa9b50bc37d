# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# A guest that writes its nodes in xenstore as fast as it can, of several devices: how much xenpvd does
# for it is bounded, and another guest gets its disk meanwhile.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# flood DOMID SECONDS NODE: written for all its controllers, three hundred in one transaction after the
# other. Each value is one that a state can have.
flood() {
	local end=$((SECONDS + $2)) pairs=() i
	for ((i = 0; i < 300; i++)); do
		pairs+=("/local/domain/$1/device/vscsi/$((i % 8))/$3" 4)
	done
	while ((SECONDS < end)); do
		xenstore-write "${pairs[@]}" && echo 300
	done >flood.log
}

# rounds: those of guest bad's devices so far.
rounds() {
	grep -c 'dom=1 .*own=.*action' xenpvd.log
}

rounds_are() {
	[[ $(rounds) == "$1" ]]
}

ok "xenpvd starts" daemon_start --log-level debug || bail "no daemon"
ok "a guest" guest_start bad
ok "another guest" guest_start good
truncate -s 16M bad.img good.img
for i in 0 1 2 3 4 5 6 7; do
	cp bad.img "bad$i.img"
	ok "a controller of the bad guest" xenpv scsi-attach bad "bad$i.img" "$i:0:0:0"
done
# Also those that look once more after what was done.
sleep 2
before=$(rounds)
# Announced, connected, the LUN is, and a last look; none for what xenpvd itself has written.
ok "a controller costs four rounds, $before for eight" test "$before" -ge 28 -a "$before" -le 34
flood 1 2 tease
is "nodes that say nothing make no round" "$(rounds)" "$before"
xenstore-write /local/domain/1/device/vscsi/3/vscsi-devs/dev-0/state 4
ok "the state of a LUN does" wait_for 5 rounds_are $((before + 1))
before=$(rounds) begin=$EPOCHREALTIME
flood 1 10 state &
flood=$!
sleep 2
start=${EPOCHREALTIME/./}
ok "the good guest gets a disk during the flood" xenpv scsi-attach good good.img 0:0:0:0
took=$(((${EPOCHREALTIME/./} - start) / 1000))
like "and verifies it" "$(guest_do good 'verify 0:0:0:0 4M bs=64k')" 'no difference'
wait $flood
elapsed=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
sleep 1
done_for=$(($(rounds) - before))
events=$(awk '{ n += $1 } END { print n }' flood.log)
note "$events writes in $elapsed ms: $done_for rounds for them; the other guest's disk took $took ms"
ok "there was a flood" test "$events" -gt 3000
# 512 at once, and one each 10 ms; the second since then, too.
ok "it cost a bounded number of rounds" test "$done_for" -lt $((512 + (elapsed + 1000) / 10 + 64))
like "the bad guest is served afterwards" "$(guest_do bad 'verify 3:0:0:0 1M bs=64k')" 'no difference'
ok "xenpvd stops" daemon_stop
tap_end
