# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# xenpv conform blk-backend without Xen: our backend, xenpvd and its worker, on a local host. Every case is
# a result.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# attach SPEC: the toolstack, as soon as the guest is there.
attach() {
	until xenpv block-attach --no-wait conform "$1" >/dev/null 2>&1; do sleep 0.05; done
}

# suite NAME ABI SPEC: all cases on xvda as SPEC says, in that layout of the ring.
suite() {
	rm -f known.img
	truncate -s 64M known.img
	attach "known.img,raw,xvda,$3" &
	timeout 120 "$XENPV_BUILD/xenpv" conform --json --strict --dangerous --protocol "$2" blk-backend \
		>conform.json 2>conform.log </dev/null
	tap_result $? "$1: no case fails"
	wait $!
	conform_results conform "$1: "
	ok "$1: no worker is left" wait_for 20 no_workers
}

mkdir host
ok "xenpvd answers" daemon_start || tap_end
suite "64 bits" x86_64-abi w,queues=2
suite "32 bits" x86_32-abi w,queues=2
suite "large blocks" x86_64-abi w,blocksize=4096
suite "large blocks, 32 bits" x86_32-abi w,blocksize=4096,queues=1
suite "read-only" x86_64-abi ro
ok "xenpvd ends" daemon_stop
((tap_count > 300)) || { tap_result 1 "all cases were run"; sed 's/^/# /' conform.log xenpvd.log; }
tap_end
