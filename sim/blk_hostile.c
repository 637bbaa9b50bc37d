/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that writes what it likes to its rings: see blk.h. */
#include <string.h>

#include "core/ring.h"
#include "sim/blk.h"
#include "sim/events.h"
#include "sim/mem.h"

#define PAGES XPV_ARRAY_SIZE(((struct blk_guest *)0)->page)

void blk_hostile_init(struct blk_guest *g)
{
	uint32_t i;

	g->madness = rng_below(&g->w->rng, 3);
	for (i = 0; i < PAGES; i++)
		g->page[i] = mem_page(g->w->mem, g->dom);
}

void blk_hostile_fini(struct blk_guest *g)
{
	uint32_t i;

	for (i = 0; i < PAGES; i++) {
		if (g->granted[i] && !mem_revoke(g->w->mem, g->dom, g->gref[i]))
			world_fail(g->w, "pages", "a data page is mapped");
		mem_page_free(g->w->mem, g->dom, g->page[i]);
	}
}

static struct wire_blk_seg any_seg(struct blk_sim_queue *q)
{
	struct rng *r = &q->g->w->rng;
	struct wire_blk_seg s = {
		.gref = q->g->gref[rng_below(r, PAGES)],
		.first_sect = (uint8_t)rng_below(r, 4),
		.last_sect = (uint8_t)rng_range(r, 4, 7),
	};

	if (rng_odds(r, 1, 16))
		s.gref = q->g->madness ? q->gref[0] : (uint32_t)rng_next(r);
	if (rng_odds(r, 1, 16))
		s.first_sect = (uint8_t)rng_next(r);
	if (rng_odds(r, 1, 16))
		s.last_sect = (uint8_t)rng_next(r);
	return s;
}

static void fill_page(struct blk_sim_queue *q, uint32_t i)
{
	struct blk_guest *g = q->g;
	struct wire_blk_seg *s = (void *)mem_va(g->w->mem, g->dom, g->page[i]);
	uint32_t k;

	for (k = 0; k < 64; k++)
		s[k] = any_seg(q);
}

static void any_request(struct blk_sim_queue *q, struct blk_req *req)
{
	struct blk_guest *g = q->g;
	struct rng *r = &g->w->rng;
	uint64_t end = (uint64_t)g->disk.blocks * g->disk.block_size / 512;
	uint32_t i;

	*req = (struct blk_req){
		.op = (uint8_t)rng_below(r, 6),
		.flag = (uint8_t)rng_below(r, 2),
		.id = rng_below(r, 16),
		.nsegs = (uint16_t)rng_below(r, 13),
		.sector = rng_below(r, (uint32_t)end) & ~7ull,
		.count = rng_below(r, 64),
		.indirect = rng_odds(r, 1, 4),
	};
	if (rng_odds(r, 1, 4)) /* across the end, or nearly */
		req->sector = end - rng_below(r, 24);
	if (rng_odds(r, 1, 16))
		req->op = (uint8_t)rng_next(r);
	if (rng_odds(r, 1, 16))
		req->sector = rng_next(r);
	if (rng_odds(r, 1, 16))
		req->count = rng_next(r);
	if (req->indirect && rng_odds(r, 1, 2))
		req->nsegs = (uint16_t)rng_below(r, 80);
	if (rng_odds(r, 1, 32))
		req->nsegs = (uint16_t)rng_next(r);
	for (i = 0; i < WIRE_BLK_SEGS; i++)
		req->seg[i] = any_seg(q);
	for (i = 0; i < WIRE_BLK_INDIRECT_PAGES; i++)
		req->gref[i] = g->gref[rng_below(r, PAGES)];
}

static struct wire_ring *shared(const struct blk_sim_queue *q)
{
	return (struct wire_ring *)(void *)q->ring;
}

static void send_some(struct blk_sim_queue *q)
{
	struct rng *r = &q->g->w->rng;
	uint32_t n = rng_odds(r, 1, 16) ? q->slots : rng_below(r, 6);
	uint8_t raw[BLK_SLOT_MAX];
	struct blk_req req;
	uint32_t i;

	while (n-- && q->prod - q->spy.rsp_seen < q->slots) {
		any_request(q, &req);
		blk_abi_put_req(q->g->abi, raw, &req);
		if (rng_odds(r, 1, 64))
			for (i = 0; i < sizeof(raw); i++)
				raw[i] = (uint8_t)rng_next(r);
		memcpy(q->ring + WIRE_RING_SLOTS_OFFS +
			       q->prod % q->slots * q->slot_size,
		       raw, q->slot_size);
		q->prod++;
	}
	shared(q)->req_prod = q->prod;
}

static void change_grants(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct rng *r = &g->w->rng;
	uint32_t i = rng_below(r, PAGES);

	if (g->granted[i]) {
		if (mem_revoke(g->w->mem, g->dom, g->gref[i]))
			g->granted[i] = false;
		return;
	}
	fill_page(q, i);
	g->granted[i] = mem_grant(g->w->mem, g->dom, 0, g->page[i],
				  rng_odds(r, 1, 3), &g->gref[i]);
}

static void scribble(struct blk_sim_queue *q)
{
	struct rng *r = &q->g->w->rng;
	uint32_t n = rng_below(r, 8);

	while (n--)
		q->ring[WIRE_RING_SLOTS_OFFS +
			rng_below(r, WIRE_PAGE_SIZE - WIRE_RING_SLOTS_OFFS)] =
			(uint8_t)rng_next(r);
	fill_page(q, rng_below(r, PAGES));
}

static void break_indexes(struct blk_sim_queue *q)
{
	struct rng *r = &q->g->w->rng;
	struct wire_ring *s = shared(q);

	q->spy.on = false;
	if (rng_odds(r, 1, 2))
		s->req_prod = (uint32_t)rng_next(r);
	else
		s->req_prod = s->rsp_prod + q->slots + 1 + rng_below(r, 3);
}

void blk_hostile_run(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct rng *r = &g->w->rng;

	if (g->w->live || g->life != BLK_UP || !q->spy.on)
		return;
	if (rng_odds(r, 1, 4))
		change_grants(q);
	if (g->madness > 0 && rng_odds(r, 1, 2))
		scribble(q);
	send_some(q);
	shared(q)->rsp_event = (uint32_t)rng_next(r);
	if (g->madness > 1 && rng_odds(r, 1, 64))
		break_indexes(q);
	event_send(g->w->events, q->port, END_FRONT);
}
