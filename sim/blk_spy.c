/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at a ring of a disk from outside. Each request is answered exactly once,
 * with its own operation and a status that there is; the backend copies only
 * from and to what an open request names. Of a hostile guest only the number of
 * answers means anything.
 */
#include "sim/blk.h"

#include <string.h>

#include "core/ring.h"
#include "sim/mem.h"

static struct wire_ring *shared(const struct blk_sim_queue *q)
{
	return (struct wire_ring *)(void *)q->ring;
}

static const uint8_t *slot(const struct blk_sim_queue *q, uint32_t i)
{
	return q->ring + WIRE_RING_SLOTS_OFFS + i % q->slots * q->slot_size;
}

void blk_spy_begin(struct blk_sim_queue *q)
{
	memset(&q->spy, 0, sizeof(q->spy));
	q->spy.on = q->g->kind != BLK_DECEIVED;
}

/* The segments, also those in pages of descriptors. */
static void read_segs(struct blk_sim_queue *q, struct blk_seen *s)
{
	struct world *w = q->g->w;
	uint32_t i, n = s->req.nsegs;

	s->nsegs = 0;
	if (!s->req.indirect) {
		if (s->req.op == WIRE_BLK_OP_DISCARD || n > WIRE_BLK_SEGS)
			return;
		memcpy(s->seg, s->req.seg, n * sizeof(s->seg[0]));
		s->nsegs = n;
		return;
	}
	for (i = 0; i < n && i < WIRE_BLK_SEGS_PER_PAGE; i++)
		if (!mem_copy(w->mem, 0, q->g->dom, s->req.gref[0],
			      i * (uint32_t)sizeof(s->seg[0]),
			      sizeof(s->seg[0]), &s->seg[i], false))
			world_fail(w, "front", "descriptors are not granted");
	s->nsegs = i;
}

void blk_spy_requests(struct blk_sim_queue *q)
{
	struct blk_spy *y = &q->spy;
	uint32_t prod;

	if (!y->on)
		return;
	/* Too far, or back again. */
	prod = shared(q)->req_prod;
	if (prod - y->rsp_seen > q->slots || prod - y->req_seen > q->slots) {
		if (q->g->kind == BLK_HONEST)
			world_fail(q->g->w, "once", "more requests than slots");
		y->on = false; /* it has broken the ring: anything goes */
		return;
	}
	for (; y->req_seen != prod; y->req_seen++) {
		struct blk_seen *s = y->out;

		y->open++;
		if (q->g->kind == BLK_HOSTILE)
			continue;
		while (s->used)
			s++;
		s->used = true;
		blk_abi_get_req(q->g->abi, slot(q, y->req_seen), &s->req);
		read_segs(q, s);
	}
}

static void check(struct blk_sim_queue *q, const struct blk_rsp *rsp)
{
	struct world *w = q->g->w;
	uint32_t i;

	if (rsp->status > 0 || rsp->status < WIRE_BLK_RSP_EOPNOTSUPP)
		world_fail(w, "wire", "status %d", rsp->status);
	if (q->g->kind == BLK_HOSTILE)
		return;
	for (i = 0; i < BLK_SIM_SLOTS; i++)
		if (q->spy.out[i].used && q->spy.out[i].req.id == rsp->id)
			break;
	if (i == BLK_SIM_SLOTS)
		world_fail(w, "once", "response %llx answers nothing",
			   (unsigned long long)rsp->id);
	if (q->spy.out[i].req.op != rsp->op)
		world_fail(w, "wire", "operation %u is answered as %u",
			   q->spy.out[i].req.op, rsp->op);
	q->spy.out[i].used = false;
}

void blk_spy_responses(struct blk_sim_queue *q)
{
	struct blk_spy *y = &q->spy;

	if (!y->on || !q->ringed)
		return;
	if (q->g->madness > 0) { /* its ring may be the data of a READ */
		y->rsp_seen = shared(q)->rsp_prod;
		y->open = 0;
		return;
	}
	for (; y->rsp_seen != shared(q)->rsp_prod; y->rsp_seen++) {
		const uint8_t *raw = slot(q, y->rsp_seen);
		struct blk_rsp rsp;

		if (y->open-- == 0)
			world_fail(q->g->w, "once", "an answer too many");
		blk_abi_get_rsp(raw, &rsp);
		check(q, &rsp);
	}
}

static bool names(const struct blk_seen *s, const struct host_copy *c,
		  bool to_guest)
{
	uint32_t i;

	if (!to_guest && s->req.indirect && s->req.gref[0] == c->gref)
		return true;
	if (to_guest ? s->req.op != WIRE_BLK_OP_READ
		     : s->req.op == WIRE_BLK_OP_READ)
		return false;
	for (i = 0; i < s->nsegs; i++)
		if (s->seg[i].gref == c->gref &&
		    c->offset >= s->seg[i].first_sect * WIRE_BLK_SECTOR &&
		    c->offset + c->len <=
			    (s->seg[i].last_sect + 1u) * WIRE_BLK_SECTOR)
			return true;
	return false;
}

void blk_spy_copy(struct blk_sim_queue *q, const struct host_copy *c,
		  bool to_guest)
{
	uint32_t i;

	if (!q->spy.on || q->g->kind != BLK_HONEST)
		return;
	for (i = 0; i < BLK_SIM_SLOTS; i++)
		if (q->spy.out[i].used && names(&q->spy.out[i], c, to_guest))
			return;
	world_fail(q->g->w, "writes",
		   "copy %s grant %u, %u bytes at %u, which no request names",
		   to_guest ? "to" : "from", c->gref, c->len, c->offset);
}
