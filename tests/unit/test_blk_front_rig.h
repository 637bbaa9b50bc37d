/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands around a core/blk_front in a test: pages, a grant table that
 * checks what both ends do with it, an owner who keeps all results, and a
 * backend made by hand that reads requests field by field.
 */
#ifndef TEST_BLK_FRONT_RIG_H
#define TEST_BLK_FRONT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/blk_front.h"

#define FRAMES	1024u /* pages of memory; the number of one is its frame */
#define GRANTS	4096u
#define RESULTS 64u

/* Frames: the ring's pages, then the engine's, then the owner's. */
#define ENGINE_FRAME 16u
#define OWNER_FRAME  512u

#define SECTORS 4096u

struct grant {
	uint64_t frame;
	bool live, readonly, mapped;
};

struct owned_result {
	uint64_t cookie;
	int result;
	bool pinned;
};

struct rig {
	_Alignas(4096) uint8_t mem[FRAMES][4096];
	struct grant grant[GRANTS];
	uint32_t next_gref, live, granted;
	int grants_left; /* then XPV_ENOSPC; negative: no limit */
	bool frame_lost[FRAMES];
	uint32_t shared[FRAMES]; /* live grants of a frame */

	struct blk_front_cfg cfg;
	struct blk_front *f;
	void *engine;

	uint32_t notifies, events[BLK_FRONT_EVENTS];
	struct owned_result result[RESULTS];
	uint32_t results;
	void (*on_done)(struct rig *r, const struct owned_result *res);
	void *test; /* the test's own */

	/* the backend made by hand */
	uint32_t be_cons, be_prod;
	enum blk_abi be_abi;
};

static inline int rig_grant(void *host, uint64_t frame, bool readonly,
			    uint32_t *gref)
{
	struct rig *r = host;
	uint32_t i;

	assert_true(frame < FRAMES && frame >= ENGINE_FRAME);
	/* Never again, once a backend has kept it. */
	assert_false(r->frame_lost[frame]);
	/* The engine's own pages belong to one request at a time. */
	if (frame < ENGINE_FRAME + r->cfg.pages)
		assert_int_equal(r->shared[frame], 0);
	if (r->grants_left == 0)
		return XPV_ENOSPC;
	if (r->grants_left > 0)
		r->grants_left--;
	for (i = 0; i < GRANTS; i++) {
		r->next_gref = (r->next_gref + 1) % GRANTS;
		if (r->next_gref > 7 && !r->grant[r->next_gref].live)
			break;
	}
	assert_true(i < GRANTS);
	r->grant[r->next_gref] = (struct grant){
		.frame = frame, .live = true, .readonly = readonly};
	r->shared[frame]++;
	r->live++;
	r->granted++;
	*gref = r->next_gref;
	return 0;
}

static inline bool rig_revoke(void *host, uint32_t gref)
{
	struct rig *r = host;
	struct grant *g = &r->grant[gref];

	assert_true(gref < GRANTS && g->live);
	if (g->mapped) {
		r->frame_lost[g->frame] = true;
		return false;
	}
	g->live = false;
	r->shared[g->frame]--;
	r->live--;
	return true;
}

static inline void rig_notify(void *host)
{
	((struct rig *)host)->notifies++;
}

static inline void rig_done(void *host, uint64_t cookie, int result,
			    bool pinned)
{
	struct rig *r = host;
	struct owned_result *o = &r->result[r->results++ % RESULTS];

	*o = (struct owned_result){cookie, result, pinned};
	if (r->on_done)
		r->on_done(r, o);
}

static inline void rig_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
	assert_true(event < BLK_FRONT_EVENTS);
	((struct rig *)host)->events[event]++;
}

static const struct blk_front_ops rig_ops = {
	.grant = rig_grant,
	.revoke = rig_revoke,
	.notify = rig_notify,
	.done = rig_done,
	.trace = rig_trace,
};

#define FLUSH	   BLK_FRONT_F_FLUSH
#define BARRIER	   BLK_FRONT_F_BARRIER
#define DISCARD	   BLK_FRONT_F_DISCARD
#define SECURE	   BLK_FRONT_F_SECURE
#define PERSISTENT BLK_FRONT_F_PERSISTENT

/* What most tests begin with; `page` and conn.ring are set by rig_new(). */
static inline struct blk_front_cfg rig_cfg(void)
{
	return (struct blk_front_cfg){
		.conn = {.ring_pages = 1,
			 .abi = BLK_ABI_64,
			 .handle = 0x0a51,
			 .features = FLUSH | DISCARD | SECURE,
			 .block_size = 512,
			 .sectors = SECTORS},
		.pages = 16,
		.depth = 32,
		.align = 512,
	};
}

static inline struct rig *rig_new_ops(struct blk_front_cfg cfg,
				      const struct blk_front_ops *ops)
{
	struct rig *r = aligned_alloc(4096, (sizeof(*r) + 4095) & ~4095ul);
	static struct front_page page[512 - ENGINE_FRAME];
	uint32_t i;
	size_t len;

	memset(r, 0, sizeof(*r));
	r->grants_left = -1;
	for (i = 0; i < cfg.pages; i++) {
		page[i].va = r->mem[ENGINE_FRAME + i];
		page[i].frame = ENGINE_FRAME + i;
		memset(page[i].va, 0xd5, 4096);
	}
	cfg.page = page;
	cfg.conn.ring = r->mem[0];
	memset(r->mem[0], 0xd5, 16 * 4096);
	r->cfg = cfg;
	r->be_abi = cfg.conn.abi;
	len = blk_front_size(&cfg);
	r->engine = malloc(len);
	memset(r->engine, 0xd5, len);
	assert_int_equal(blk_front_init(&r->f, r->engine, len, &cfg, ops, r),
			 0);
	memset(page, 0xd5, sizeof(page)); /* the list is copied */
	return r;
}

static inline struct rig *rig_new(struct blk_front_cfg cfg)
{
	return rig_new_ops(cfg, &rig_ops);
}

static inline void rig_free(struct rig *r)
{
	free(r->engine);
	free(r);
}

/* Pieces of the owner's from its frame FIRST on: N pieces of LEN at OFFSET. */
static inline void rig_pieces(struct rig *r, struct front_piece *p,
			      uint32_t first, uint32_t n, uint32_t offset,
			      uint32_t len)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		p[i].frame = OWNER_FRAME + first + i;
		p[i].va = r->mem[p[i].frame] + offset;
		p[i].offset = (uint16_t)offset;
		p[i].len = (uint16_t)len;
	}
}

static inline struct blk_front_req
rig_req(uint64_t cookie, enum blk_front_op op, uint64_t sector,
	const struct front_piece *p, uint32_t n)
{
	return (struct blk_front_req){
		.cookie = cookie,
		.op = op,
		.sector = sector,
		.npieces = n,
		.piece = p,
	};
}

/* ---- the backend ---- */

static inline struct wire_ring *be_ring(struct rig *r)
{
	return (struct wire_ring *)r->mem[0];
}

static inline uint8_t *be_slot(struct rig *r, uint32_t i)
{
	size_t size = r->be_abi == BLK_ABI_32 ? 108 : 112;

	return (uint8_t *)r->mem + 64 +
	       (i & (r->cfg.conn.ring_pages * 32 - 1)) * size;
}

/* A request as the backend finds it. */
struct be_req {
	uint8_t op, indirect_op, flag;
	uint16_t handle, nsegs;
	uint64_t id, sector, count;
	struct wire_blk_seg seg[512];
	uint32_t gref;
};

#define BE_GET(bits, slot, q)                                                  \
	do {                                                                   \
		const struct wire_blk_req##bits *w = (const void *)(slot);     \
		const struct wire_blk_indirect##bits *in =                     \
			(const void *)(slot);                                  \
		const struct wire_blk_discard##bits *di =                      \
			(const void *)(slot);                                  \
		(q)->op = w->operation;                                        \
		(q)->id = w->id;                                               \
		(q)->sector = w->sector_number;                                \
		(q)->handle = w->handle;                                       \
		(q)->nsegs = w->nr_segments;                                   \
		if ((q)->op == WIRE_BLK_OP_INDIRECT) {                         \
			(q)->indirect_op = in->indirect_op;                    \
			(q)->nsegs = in->nr_segments;                          \
			(q)->handle = in->handle;                              \
			(q)->gref = in->indirect_grefs[0];                     \
			assert_int_equal(in->indirect_grefs[1], 0);            \
		} else if ((q)->op == WIRE_BLK_OP_DISCARD) {                   \
			(q)->nsegs = 0;                                        \
			(q)->flag = di->flag;                                  \
			(q)->count = di->nr_sectors;                           \
		} else {                                                       \
			memcpy((q)->seg, w->seg, sizeof(w->seg));              \
		}                                                              \
	} while (0)

/* Take the next request, which must be there, and check its grants. */
static inline struct be_req *be_take(struct rig *r)
{
	static struct be_req q;
	const uint8_t *slot = be_slot(r, r->be_cons);
	bool writes;
	uint32_t i;

	blk_front_flush(r->f);
	assert_int_not_equal(be_ring(r)->req_prod, r->be_cons);
	r->be_cons++;
	memset(&q, 0, sizeof(q));
	if (r->be_abi == BLK_ABI_32)
		BE_GET(32, slot, &q);
	else
		BE_GET(64, slot, &q);
	if (q.op == WIRE_BLK_OP_INDIRECT) {
		const struct grant *g = &r->grant[q.gref];

		assert_true(q.gref < GRANTS && g->live);
		memcpy(q.seg, r->mem[g->frame], sizeof(q.seg));
	}
	writes =
		q.op == WIRE_BLK_OP_READ || (q.op == WIRE_BLK_OP_INDIRECT &&
					     q.indirect_op == WIRE_BLK_OP_READ);
	for (i = 0; i < q.nsegs; i++) {
		assert_true(q.seg[i].gref < GRANTS);
		assert_true(r->grant[q.seg[i].gref].live);
		assert_false(writes && r->grant[q.seg[i].gref].readonly);
		assert_true(q.seg[i].first_sect <= q.seg[i].last_sect &&
			    q.seg[i].last_sect < 8);
	}
	return &q;
}

static inline bool be_empty(struct rig *r)
{
	blk_front_flush(r->f);
	return be_ring(r)->req_prod == r->be_cons;
}

/* The bytes of segment I of Q. */
static inline uint8_t *be_data(struct rig *r, const struct be_req *q,
			       uint32_t i)
{
	return r->mem[r->grant[q->seg[i].gref].frame] +
	       q->seg[i].first_sect * 512;
}

/* Answer, visible at once. */
static inline void be_answer(struct rig *r, uint64_t id, uint8_t op,
			     int16_t status)
{
	struct wire_blk_rsp32 rsp = {
		.id = id, .operation = op, .status = status};

	memcpy(be_slot(r, r->be_prod), &rsp, sizeof(rsp));
	be_ring(r)->rsp_prod = ++r->be_prod;
}

static inline uint8_t be_op(const struct be_req *q)
{
	return q->op == WIRE_BLK_OP_INDIRECT ? q->indirect_op : q->op;
}

/* Take the next request and answer it. */
static inline struct be_req *be_serve(struct rig *r, int16_t status)
{
	struct be_req *q = be_take(r);

	be_answer(r, q->id, be_op(q), status);
	return q;
}

/* Poll: so many results must come. */
static inline void rig_poll(struct rig *r, uint32_t n)
{
	uint32_t before = r->results;

	assert_true(blk_front_poll(r->f, 1000) >= 0);
	assert_int_equal(r->results - before, n);
}

/* The last result. */
static inline void rig_last(struct rig *r, uint64_t cookie, int result)
{
	const struct owned_result *o = &r->result[(r->results - 1) % RESULTS];

	assert_int_equal(o->cookie, cookie);
	assert_int_equal(o->result, result);
	assert_false(o->pinned);
}

#endif
