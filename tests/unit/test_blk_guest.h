/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frontend made by hand, for tests of core/blk_back: it writes slots field by
 * field in each layout, and reads responses as strictly as it can.
 */
#ifndef TEST_BLK_GUEST_H
#define TEST_BLK_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/blk_abi.h"
#include "wire/ring.h"

struct guest {
	_Alignas(4096) uint8_t page[16][4096];
	struct wire_ring *ring;
	enum blk_abi abi;
	uint32_t slots, rsp_cons;
};

/* What a request says; of seg and gref the first are used. */
struct guest_req {
	uint8_t op;
	uint8_t indirect_op, flag;
	uint16_t nsegs;
	uint64_t id, sector, count;
	struct wire_blk_seg seg[WIRE_BLK_SEGS];
	uint32_t gref[WIRE_BLK_INDIRECT_PAGES];
};

static inline void guest_init(struct guest *g, enum blk_abi abi, uint32_t slots,
			      uint32_t from)
{
	memset(g->page, 0, sizeof(g->page));
	g->ring = (struct wire_ring *)g->page;
	g->ring->req_prod = g->ring->rsp_prod = from;
	g->ring->req_event = g->ring->rsp_event = from + 1;
	g->abi = abi;
	g->slots = slots;
	g->rsp_cons = from;
}

static inline uint8_t *guest_slot(struct guest *g, uint32_t i)
{
	size_t size = g->abi == BLK_ABI_32 ? 108 : 112;

	return (uint8_t *)g->page + 64 + (i & (g->slots - 1)) * size;
}

#define GUEST_PUT(bits, slot, r)                                               \
	do {                                                                   \
		struct wire_blk_req##bits *q = (void *)(slot);                 \
		struct wire_blk_indirect##bits *in = (void *)(slot);           \
		struct wire_blk_discard##bits *di = (void *)(slot);            \
		memset(slot, 0xd5, sizeof(*q));                                \
		q->operation = (r)->op;                                        \
		q->id = (r)->id;                                               \
		q->sector_number = (r)->sector;                                \
		if ((r)->op == WIRE_BLK_OP_INDIRECT) {                         \
			in->indirect_op = (r)->indirect_op;                    \
			in->nr_segments = (r)->nsegs;                          \
			memcpy(in->indirect_grefs, (r)->gref,                  \
			       sizeof((r)->gref));                             \
		} else if ((r)->op == WIRE_BLK_OP_DISCARD) {                   \
			di->flag = (r)->flag;                                  \
			di->nr_sectors = (r)->count;                           \
		} else {                                                       \
			q->nr_segments = (uint8_t)(r)->nsegs;                  \
			memcpy(q->seg, (r)->seg, sizeof((r)->seg));            \
		}                                                              \
	} while (0)

/* Write R into the slot at SLOT. */
static inline void guest_write(const struct guest *g, uint8_t *slot,
			       const struct guest_req *r)
{
	if (g->abi == BLK_ABI_32)
		GUEST_PUT(32, slot, r);
	else
		GUEST_PUT(64, slot, r);
}

/* Put R on the ring, visible at once. */
static inline void guest_put(struct guest *g, const struct guest_req *r)
{
	guest_write(g, guest_slot(g, g->ring->req_prod), r);
	g->ring->req_prod++;
}

static inline uint32_t guest_answers(const struct guest *g)
{
	return g->ring->rsp_prod - g->rsp_cons;
}

/* Take the next response: its id; the rest of its slot must be zero. */
static inline uint64_t guest_take(struct guest *g, uint8_t *op, int16_t *status)
{
	const uint8_t *slot = guest_slot(g, g->rsp_cons++);
	size_t size = g->abi == BLK_ABI_32 ? 108 : 112, i;
	struct wire_blk_rsp32 rsp;

	memcpy(&rsp, slot, sizeof(rsp));
	assert_int_equal(rsp.pad, 0);
	for (i = sizeof(rsp); i < size; i++)
		assert_int_equal(slot[i], 0);
	*op = rsp.operation;
	*status = rsp.status;
	return rsp.id;
}

/* The next response must be this. */
static inline void guest_expect(struct guest *g, uint64_t id, uint8_t op,
				int16_t status)
{
	int16_t got_status;
	uint8_t got_op;

	assert_int_not_equal(guest_answers(g), 0);
	assert_int_equal(guest_take(g, &got_op, &got_status), id);
	assert_int_equal(got_op, op);
	assert_int_equal(got_status, status);
}

/* A request for N whole pages from SECTOR on; references are 8, 9, ... */
static inline struct guest_req guest_rw(uint8_t op, uint64_t id,
					uint64_t sector, uint16_t n)
{
	struct guest_req r = {.op = op, .id = id, .sector = sector, .nsegs = n};
	uint32_t i;

	for (i = 0; i < WIRE_BLK_SEGS; i++)
		r.seg[i] = (struct wire_blk_seg){8 + i, 0, 7, 0xd5d5};
	return r;
}

#endif
