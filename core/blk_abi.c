/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/blk_abi.h"

/* What differs; offsets in bytes. */
struct layout {
	uint8_t req_size, rsp_size;
	uint8_t id, sector;
	uint8_t seg, nr_sectors, indirect_handle, indirect_grefs;
};

#define LAYOUT(bits)                                                           \
	{                                                                      \
		.req_size = sizeof(struct wire_blk_req##bits),                 \
		.rsp_size = sizeof(struct wire_blk_rsp##bits),                 \
		.id = offsetof(struct wire_blk_req##bits, id),                 \
		.sector = offsetof(struct wire_blk_req##bits, sector_number),  \
		.seg = offsetof(struct wire_blk_req##bits, seg),               \
		.nr_sectors =                                                  \
			offsetof(struct wire_blk_discard##bits, nr_sectors),   \
		.indirect_handle =                                             \
			offsetof(struct wire_blk_indirect##bits, handle),      \
		.indirect_grefs = offsetof(struct wire_blk_indirect##bits,     \
					   indirect_grefs),                    \
	}

static const struct layout layouts[BLK_ABIS] = {
	[BLK_ABI_64] = LAYOUT(64),
	[BLK_ABI_32] = LAYOUT(32),
};

/* The same in all layouts, and for all operations. */
enum {
	OP = 0,
	SMALL = 1, /* nr_segments, flag, indirect_op */
	WIDE = 2,  /* handle; indirect: nr_segments */
	RSP_OP = 8,
	RSP_STATUS = 10,
};

_Static_assert(offsetof(struct wire_blk_rsp64, operation) == RSP_OP &&
		       offsetof(struct wire_blk_rsp32, operation) == RSP_OP &&
		       offsetof(struct wire_blk_rsp64, status) == RSP_STATUS &&
		       offsetof(struct wire_blk_rsp32, status) == RSP_STATUS,
	       "blkif.h");

uint32_t blk_abi_slot(enum blk_abi abi)
{
	return layouts[abi].req_size;
}

uint32_t blk_abi_rsp(enum blk_abi abi)
{
	return layouts[abi].rsp_size;
}

/* Segments that are in the slot, references that are. */
static uint32_t segs_here(const struct blk_req *req)
{
	return req->nsegs < WIRE_BLK_SEGS ? req->nsegs : WIRE_BLK_SEGS;
}

static uint32_t grefs_here(const struct blk_req *req)
{
	uint32_t n = blk_abi_pages(req->nsegs);

	return n < WIRE_BLK_INDIRECT_PAGES ? n : WIRE_BLK_INDIRECT_PAGES;
}

void blk_abi_get_req(enum blk_abi abi, const uint8_t *slot, struct blk_req *req)
{
	const struct layout *l = &layouts[abi];

	req->op = slot[OP];
	req->indirect = req->op == WIRE_BLK_OP_INDIRECT;
	req->flag = 0;
	req->nsegs = 0;
	req->count = 0;
	xpv_copy(&req->id, slot + l->id, sizeof(req->id));
	xpv_copy(&req->sector, slot + l->sector, sizeof(req->sector));
	xpv_copy(&req->handle, slot + WIDE, sizeof(req->handle));
	if (req->indirect) {
		req->op = slot[SMALL];
		xpv_copy(&req->nsegs, slot + WIDE, sizeof(req->nsegs));
		xpv_copy(&req->handle, slot + l->indirect_handle,
			 sizeof(req->handle));
		xpv_copy(req->gref, slot + l->indirect_grefs,
			 grefs_here(req) * sizeof(req->gref[0]));
	} else if (req->op == WIRE_BLK_OP_DISCARD) {
		req->flag = slot[SMALL];
		xpv_copy(&req->count, slot + l->nr_sectors, sizeof(req->count));
	} else {
		req->nsegs = slot[SMALL];
		xpv_copy(req->seg, slot + l->seg,
			 segs_here(req) * sizeof(req->seg[0]));
	}
}

void blk_abi_put_req(enum blk_abi abi, uint8_t *slot, const struct blk_req *req)
{
	const struct layout *l = &layouts[abi];

	xpv_zero(slot, BLK_SLOT_MAX);
	slot[OP] = req->op;
	xpv_copy(slot + l->id, &req->id, sizeof(req->id));
	xpv_copy(slot + l->sector, &req->sector, sizeof(req->sector));
	xpv_copy(slot + WIDE, &req->handle, sizeof(req->handle));
	if (req->indirect) {
		slot[OP] = WIRE_BLK_OP_INDIRECT;
		slot[SMALL] = req->op;
		xpv_copy(slot + WIDE, &req->nsegs, sizeof(req->nsegs));
		xpv_copy(slot + l->indirect_handle, &req->handle,
			 sizeof(req->handle));
		xpv_copy(slot + l->indirect_grefs, req->gref,
			 grefs_here(req) * sizeof(req->gref[0]));
	} else if (req->op == WIRE_BLK_OP_DISCARD) {
		slot[SMALL] = req->flag;
		xpv_copy(slot + l->nr_sectors, &req->count, sizeof(req->count));
	} else {
		slot[SMALL] = (uint8_t)req->nsegs;
		xpv_copy(slot + l->seg, req->seg,
			 segs_here(req) * sizeof(req->seg[0]));
	}
}

void blk_abi_get_rsp(const uint8_t *slot, struct blk_rsp *rsp)
{
	xpv_copy(&rsp->id, slot, sizeof(rsp->id));
	rsp->op = slot[RSP_OP];
	xpv_copy(&rsp->status, slot + RSP_STATUS, sizeof(rsp->status));
}

void blk_abi_put_rsp(enum blk_abi abi, uint8_t *slot, const struct blk_rsp *rsp)
{
	xpv_zero(slot, layouts[abi].rsp_size);
	xpv_copy(slot, &rsp->id, sizeof(rsp->id));
	slot[RSP_OP] = rsp->op;
	xpv_copy(slot + RSP_STATUS, &rsp->status, sizeof(rsp->status));
}
