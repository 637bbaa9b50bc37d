/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/liar.h"

#include <stdlib.h>
#include <string.h>

#include "sim/controller.h"
#include "sim/events.h"
#include "sim/mem.h"
#include "wire/ring.h"

#define MAPS_MAX 32u

struct liar {
	struct controller *c;
	struct wire_ring *ring;
	uint32_t gref, port, req_cons, rsp_prod;
	uint32_t maps, map[MAPS_MAX]; /* grants that it keeps */
	uint32_t held;		      /* requests that it has not answered */
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	uint32_t honesty; /* one in so many answers is a lie */
	bool scribbles, breaks;
};

static void *slot(struct liar *l, uint32_t i)
{
	return (uint8_t *)l->ring + WIRE_RING_SLOTS_OFFS +
	       i % WIRE_SCSI_RING_SIZE * sizeof(struct wire_scsi_req);
}

/* A grant that the frontend may want back. */
static void keep(struct liar *l, uint32_t gref)
{
	struct controller *c = l->c;

	if (l->maps < MAPS_MAX && mem_map(c->w->mem, 0, c->dom, gref))
		l->map[l->maps++] = gref;
}

static void let_go(struct liar *l, uint32_t left)
{
	while (l->maps > left)
		mem_unmap(l->c->w->mem, l->c->dom, l->map[--l->maps]);
}

static void truth(const struct wire_scsi_req *req, struct wire_scsi_rsp *rsp)
{
	memset(rsp, 0, sizeof(*rsp));
	rsp->rqid = req->rqid;
	if (req->act != WIRE_SCSI_ACT_CDB)
		rsp->rslt = WIRE_SCSI_RESET_SUCCESS;
}

static void lie(struct liar *l, struct wire_scsi_rsp *rsp)
{
	struct rng *r = &l->c->w->rng;

	switch (rng_below(r, l->breaks ? 9 : 4)) {
	case 0: /* allowed, if odd */
		rsp->rslt = (int32_t)(rng_below(r, 21) << 16);
		break;
	case 1:
		rsp->rslt = 2;
		rsp->sense_len = (uint8_t)rng_below(r, 97);
		break;
	case 2:
		rsp->residual_len = rng_below(r, 512);
		break;
	case 3:
		memset(rsp->sense, 0xff, sizeof(rsp->sense));
		break;
	case 4:
		rsp->rqid = (uint16_t)rng_next(r);
		break;
	case 5:
		rsp->sense_len = (uint8_t)rng_next(r);
		break;
	case 6:
		rsp->residual_len = (uint32_t)rng_next(r);
		break;
	case 7:
		rsp->rslt = (int32_t)rng_next(r);
		break;
	default:
		rsp->rqid ^= 1;
	}
}

static void answer(struct liar *l)
{
	struct rng *r = &l->c->w->rng;
	uint32_t i = rng_below(r, l->held);
	struct wire_scsi_rsp rsp;

	truth(&l->req[i], &rsp);
	if (rng_odds(r, 1, l->honesty))
		lie(l, &rsp);
	memcpy(slot(l, l->rsp_prod++), &rsp, sizeof(rsp));
	/* Answered; or once more later. */
	if (!l->breaks || !rng_odds(r, 1, 32))
		l->req[i] = l->req[--l->held];
}

static void take(struct liar *l)
{
	struct rng *r = &l->c->w->rng;
	struct wire_scsi_req *req;

	while (l->req_cons != l->ring->req_prod &&
	       l->held < WIRE_SCSI_RING_SIZE) {
		req = &l->req[l->held++];
		memcpy(req, slot(l, l->req_cons++), sizeof(*req));
		if ((req->nr_segments & 0x7f) && rng_odds(r, 1, 8))
			keep(l, req->seg[0].gref);
	}
}

/* What no backend does. */
static void break_ring(struct liar *l)
{
	struct rng *r = &l->c->w->rng;

	switch (rng_below(r, 4)) {
	case 0:
		l->ring->rsp_prod = (uint32_t)rng_next(r);
		break;
	case 1:
		l->ring->rsp_prod = l->rsp_prod + WIRE_SCSI_RING_SIZE + 1;
		break;
	case 2:
		l->ring->req_prod = (uint32_t)rng_next(r);
		break;
	default:
		l->ring->rsp_prod -= rng_below(r, 5);
	}
}

static void scribble(struct liar *l)
{
	struct rng *r = &l->c->w->rng;
	uint32_t n = rng_below(r, 8);

	while (n--)
		((uint8_t *)
			 l->ring)[WIRE_RING_SLOTS_OFFS +
				  rng_below(r, WIRE_PAGE_SIZE -
						       WIRE_RING_SLOTS_OFFS)] =
			(uint8_t)rng_next(r);
}

static void step(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;
	struct liar *l = c->liar;
	struct rng *r = &c->w->rng;
	uint32_t n;

	if (arg != c->gen || !l)
		return;
	take(l);
	for (n = rng_below(r, 4); n && l->held; n--)
		answer(l);
	l->ring->rsp_prod = l->rsp_prod;
	l->ring->req_event = l->req_cons + 1;
	if (l->scribbles && rng_odds(r, 1, 8))
		scribble(l);
	if (l->breaks && rng_odds(r, 1, 128))
		break_ring(l);
	if (rng_odds(r, 1, 4))
		let_go(l, rng_below(r, l->maps + 1));
	event_send(c->w->events, l->port, END_BACK);
	world_at(c->w, rng_range(r, 2, 60) * US, step, c, arg);
}

static void on_event(void *ctx)
{
	(void)ctx; /* it comes when it likes */
}

bool liar_open(struct controller *c)
{
	struct liar *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->c = c;
	l->gref = c->gref;
	l->port = c->port;
	l->ring = (void *)mem_map(c->w->mem, 0, c->dom, c->gref);
	if (!l->ring ||
	    !event_bind(c->w->events, c->dom, c->port, false, on_event, l))
		world_fail(c->w, "live", "the liar cannot open");
	l->honesty = rng_range(&c->w->rng, 1, 64);
	l->scribbles = rng_odds(&c->w->rng, 1, 2);
	l->breaks = rng_odds(&c->w->rng, 1, 2);
	c->liar = l;
	world_at(c->w, 1000, step, c, c->gen);
	return true;
}

static void closed(void *ctx, uint32_t arg)
{
	struct liar *l = ctx;
	struct controller *c = l->c;

	(void)arg;
	event_unbind(c->w->events, l->port);
	let_go(l, 0);
	mem_unmap(c->w->mem, c->dom, l->gref);
	free(l);
	controller_closed(c);
}

void liar_close(struct controller *c)
{
	struct liar *l = c->liar;

	if (!l)
		return;
	c->liar = NULL;
	world_at(c->w, 5000, closed, l, 0);
}
