/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiled for 32 bit x86, and not run: the layout of a 32 bit guest's block
 * requests is that of Xen's own header there, and ours of 64 bits stays what it
 * is.
 */
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>

#include "core/blk_abi.h"
#include "tests/abi/same.h"
#include "wire/ring.h"

#define SAME(ours, theirs)                                                     \
	_Static_assert((ours) == (theirs), #ours " is " #theirs)

void blk(void);

void blk(void)
{
	SAME(sizeof(void *), 4);
	SAME_BLK(32);
	SAME(sizeof(struct wire_blk_req64), 112);
	SAME(sizeof(struct wire_blk_indirect64), 64);
	SAME(sizeof(struct wire_blk_discard64), 32);
	SAME(sizeof(struct wire_blk_rsp64), 16);
	SAME(offsetof(struct wire_blk_req64, id), 8);
	SAME(offsetof(struct wire_blk_discard64, nr_sectors), 24);
	SAME(offsetof(struct wire_blk_indirect64, indirect_grefs), 28);
	SAME((int)BLK_ABI_NATIVE, (int)BLK_ABI_32);
	SAME(sizeof(XEN_IO_PROTO_ABI_NATIVE), sizeof(WIRE_BLK_PROTO_X86_32));
	SAME(WIRE_PAGE_SIZE, 4096);
}
