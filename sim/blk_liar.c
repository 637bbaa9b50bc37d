/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backend that is not what it says: it answers at once and anything, keeps
 * grants mapped, and in some seeds breaks the ring. The engine in front of it
 * must end each request once, and never use a page again that the other still
 * has.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/blk.h"
#include "sim/events.h"
#include "sim/mem.h"
#include "wire/ring.h"

#define MAPS_MAX 48u

struct blk_liar {
	struct blk_sim_queue *q;
	uint32_t req_cons, rsp_prod, held, maps;
	uint32_t map[MAPS_MAX];
	struct blk_req req[BLK_SIM_SLOTS];
	uint32_t honesty; /* one in so many answers is a lie */
	bool breaks, closing;
};

static struct wire_ring *shared(const struct blk_liar *l)
{
	return (struct wire_ring *)(void *)l->q->ring;
}

static uint8_t *slot(const struct blk_liar *l, uint32_t i)
{
	return l->q->ring + WIRE_RING_SLOTS_OFFS +
	       i % l->q->slots * l->q->slot_size;
}

static void keep(struct blk_liar *l, uint32_t gref)
{
	struct blk_guest *g = l->q->g;

	if (l->maps < MAPS_MAX && mem_map(g->w->mem, 0, g->dom, gref))
		l->map[l->maps++] = gref;
}

static void let_go(struct blk_liar *l, uint32_t left)
{
	struct blk_guest *g = l->q->g;

	while (l->maps > left)
		mem_unmap(g->w->mem, g->dom, l->map[--l->maps]);
}

static void take(struct blk_liar *l)
{
	struct rng *r = &l->q->g->w->rng;

	while (l->req_cons != shared(l)->req_prod && l->held < l->q->slots) {
		struct blk_req *req = &l->req[l->held++];

		blk_abi_get_req(l->q->g->abi, slot(l, l->req_cons++), req);
		if (rng_odds(r, 1, 8))
			keep(l,
			     req->indirect ? req->gref[0] : req->seg[0].gref);
	}
}

static void lie(struct blk_liar *l, struct blk_rsp *rsp)
{
	struct rng *r = &l->q->g->w->rng;

	switch (rng_below(r, l->breaks ? 5 : 2)) {
	case 0:
		rsp->status = WIRE_BLK_RSP_ERROR;
		break;
	case 1:
		rsp->status = WIRE_BLK_RSP_EOPNOTSUPP;
		break;
	case 2:
		rsp->status = (int16_t)rng_next(r);
		break;
	case 3:
		rsp->id = rng_next(r) >> rng_below(r, 64);
		break;
	default:
		rsp->op = (uint8_t)rng_next(r);
	}
}

static void answer(struct blk_liar *l)
{
	struct rng *r = &l->q->g->w->rng;
	uint32_t i = rng_below(r, l->held);
	struct blk_rsp rsp = {l->req[i].id, l->req[i].op, WIRE_BLK_RSP_OKAY};

	if (rng_odds(r, 1, l->honesty))
		lie(l, &rsp);
	blk_abi_put_rsp(l->q->g->abi, slot(l, l->rsp_prod++), &rsp);
	/* answered; or once more later */
	if (!l->breaks || !rng_odds(r, 1, 32))
		l->req[i] = l->req[--l->held];
}

static void step(void *ctx, uint32_t arg)
{
	struct blk_sim_queue *q = ctx;
	struct blk_liar *l = q->liar;
	struct rng *r = &q->g->w->rng;
	uint32_t n;

	if (arg != q->back_gen || !l || l->closing)
		return;
	take(l);
	for (n = rng_below(r, 4); n && l->held; n--)
		answer(l);
	shared(l)->rsp_prod = l->rsp_prod;
	shared(l)->req_event = l->req_cons + 1;
	if (l->breaks && rng_odds(r, 1, 128))
		shared(l)->rsp_prod = rng_odds(r, 1, 2)
					      ? (uint32_t)rng_next(r)
					      : l->rsp_prod + q->slots + 1;
	if (l->breaks && rng_odds(r, 1, 8))
		slot(l, 0)[rng_below(r, q->slot_size)] = (uint8_t)rng_next(r);
	if (rng_odds(r, 1, 4))
		let_go(l, rng_below(r, l->maps + 1));
	event_send(q->g->w->events, q->port, END_BACK);
	world_at(q->g->w, rng_range(r, 2, 60) * US, step, q, arg);
}

static void on_event(void *ctx)
{
	(void)ctx; /* it comes when it likes */
}

void blk_liar_open(struct blk_sim_queue *q)
{
	struct blk_liar *l = calloc(1, sizeof(*l));
	struct rng *r = &q->g->w->rng;

	if (!l)
		abort();
	l->q = q;
	l->honesty = rng_range(r, 1, 64);
	l->breaks = rng_odds(r, 1, 2);
	q->liar = l;
	if (!event_bind(q->g->w->events, q->g->dom, q->port, false, on_event,
			l))
		world_fail(q->g->w, "live", "the liar cannot open");
	world_at(q->g->w, 1000, step, q, q->back_gen);
}

static void closed(void *ctx, uint32_t arg)
{
	struct blk_sim_queue *q = ctx;

	(void)arg;
	event_unbind(q->g->w->events, q->port);
	/* Some let go before they say so, some do not. */
	if (rng_odds(&q->g->w->rng, 1, 2))
		let_go(q->liar, 0);
	q->alive = false;
	blk_closed(q->g);
	let_go(q->liar, 0);
	free(q->liar);
	q->liar = NULL;
}

void blk_liar_close(struct blk_sim_queue *q)
{
	if (!q->liar || q->liar->closing)
		return;
	q->liar->closing = true;
	q->back_gen++;
	world_at(q->g->w, rng_range(&q->g->w->rng, 1000, 9000), closed, q, 0);
}
