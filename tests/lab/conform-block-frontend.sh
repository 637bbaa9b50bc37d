# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034 # for what is sourced
#
# xenpv conform blk-frontend: the stock blkfront, as conform-frontend.sh does it for xen-scsifront.
KIND=blk
ONLY=${ONLY:-'*'}
WANTED='handshake|offers'
# for several queues and rings of several pages
GUEST_WORDS=(vcpus=2 cmdline=xen_blkfront.max_ring_page_order=4)
# shellcheck source=tests/lab/conform-frontend.sh
. "$SCENARIO_DIR/conform-frontend.sh"
