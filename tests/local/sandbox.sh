# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# Workers in their sandbox, and without: what xenpv status says of them, from what the kernel says. What a
# worker can do there is the test sandbox-attempts.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# of FIELD: of the only guest.
of() {
	xenpv status --json | jq -r ".guests[0].$1"
}

# few_threads: what the kernel adds for files (iou-wrk) leaves after some seconds.
few_threads() {
	[[ $(of threads) == [2-9] ]]
}

# serves: a disk there and back.
serves() {
	truncate -s 16M disk.img
	ok "scsi-attach" xenpv scsi-attach g disk.img 0:0:0:0
	like "the guest has the disk" "$(guest_do g 'wait 0:0:0:0')" '16 MiB'
	like "and fills and verifies it" "$(guest_do g 'verify 0:0:0:0 4M bs=64k')" 'no difference'
}

ok "xenpvd starts" daemon_start || bail "no daemon"
ok "a guest" guest_start g
serves
is "its worker is in its sandbox" "$(of sandbox)" true
like "which the table says, too" "$(xenpv status)" $'\n'"g +[0-9]+ +[0-9]+ +[0-9.]+ [KM]iB +yes "
like "and how much memory it takes" "$(of memory)" '^[1-9][0-9]{6,}$'
ok "in how many threads" wait_for 30 few_threads
is "nothing was said to be missing" "$(grep -c "the sandbox is without" xenpvd.log)" 0
ok "it leaves" xenpv scsi-detach g 0:0:0:0
ok "xenpvd stops" daemon_stop
ok "no worker is left" wait_for 20 no_workers

ok "xenpvd starts with --no-sandbox" daemon_start --no-sandbox
serves
is "its worker is in none" "$(of sandbox)" false
like "which the table says, too" "$(xenpv status)" $'\n'"g +[0-9]+ +[0-9]+ +[0-9.]+ [KM]iB +no "
ok "it leaves" xenpv scsi-detach g 0:0:0:0
ok "xenpvd stops" daemon_stop
tap_end
