/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frontend that writes to its ring whatever comes to mind: requests that are
 * nearly right, indexes that cannot be, grants that end too early; and, in some
 * seeds, requests that change after they have been sent. Nothing is expected of
 * the answers; the backend must live, stay within bounds, and serve others.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/controller.h"
#include "sim/events.h"
#include "sim/mem.h"
#include "sim/raw.h"

#define PAGES 8u

struct hostile {
	struct controller *c;
	struct raw_ring ring;
	uint32_t page[PAGES], gref[PAGES];
	bool granted[PAGES];
	uint32_t madness; /* 0: only single requests are wrong */
};

static uint32_t any_gref(struct hostile *h)
{
	struct rng *r = &h->c->w->rng;
	uint32_t i = rng_below(r, PAGES);

	if (rng_odds(r, 1, 16))
		return (uint32_t)rng_next(r);
	if (h->madness && rng_odds(r, 1, 16))
		return h->c->gref; /* the ring itself */
	return h->gref[i];
}

static struct wire_scsi_seg any_seg(struct hostile *h)
{
	struct rng *r = &h->c->w->rng;
	struct wire_scsi_seg s = {
		.gref = any_gref(h),
		.offset = (uint16_t)(512 * rng_below(r, 9)),
		.length = (uint16_t)(8 * rng_below(r, 80)),
	};

	if (rng_odds(r, 1, 8))
		s.offset = (uint16_t)rng_next(r);
	if (rng_odds(r, 1, 8))
		s.length = (uint16_t)rng_next(r);
	return s;
}

/* Pages of the guest get lists of segments, good and bad. */
static void fill_page(struct hostile *h, uint32_t i)
{
	struct controller *c = h->c;
	struct wire_scsi_seg *s = (void *)mem_va(c->w->mem, c->dom, h->page[i]);
	uint32_t k, n = rng_range(&c->w->rng, 1, WIRE_SCSI_SEGS_PER_PAGE);

	for (k = 0; k < n; k++)
		s[k] = any_seg(h);
}

static void any_request(struct hostile *h, struct wire_scsi_req *req)
{
	static const uint8_t opcodes[] = {0x28, 0x2a, 0x12, 0x1a, 0x88, 0x8a,
					  0xa0, 0x41, 0x42, 0x00, 0x03, 0x5e,
					  0x5f, 0x15, 0x89, 0x2f, 0x93, 0x9e};
	struct rng *r = &h->c->w->rng;
	const struct lun_state *l = &h->c->lun[rng_below(r, h->c->luns)];
	uint32_t i;

	memset(req, 0, sizeof(*req));
	req->rqid = (uint16_t)rng_below(r, 64);
	req->act = rng_odds(r, 1, 8) ? (uint8_t)rng_below(r, 6)
				     : WIRE_SCSI_ACT_CDB;
	req->cmd_len = rng_odds(r, 1, 16) ? (uint8_t)rng_next(r) : 16;
	for (i = 1; i < WIRE_SCSI_CDB; i++)
		req->cmnd[i] = rng_odds(r, 1, 4) ? (uint8_t)rng_next(r) : 0;
	req->cmnd[0] = opcodes[rng_below(r, XPV_ARRAY_SIZE(opcodes))];
	if (rng_odds(r, 1, 16))
		req->cmnd[0] = (uint8_t)rng_next(r);
	req->channel = l->addr.channel;
	req->id = l->addr.id;
	req->lun = rng_odds(r, 1, 16) ? (uint16_t)rng_next(r) : l->addr.lun;
	req->ref_rqid = (uint16_t)rng_below(r, 64);
	req->sc_data_direction = (uint8_t)rng_below(r, 4);
	req->nr_segments = (uint8_t)rng_below(r, 12);
	if (rng_odds(r, 1, 4))
		req->nr_segments =
			WIRE_SCSI_SG_GRANT | (uint8_t)rng_below(r, 4);
	if (rng_odds(r, 1, 16))
		req->nr_segments = (uint8_t)rng_next(r);
	for (i = 0; i < WIRE_SCSI_SEGS; i++)
		req->seg[i] = any_seg(h);
	if (rng_odds(r, 1, 32)) { /* many pages with little in them */
		req->nr_segments =
			WIRE_SCSI_SG_GRANT | (uint8_t)rng_below(r, 128);
		for (i = 0; i < WIRE_SCSI_SEGS; i++) {
			req->seg[i].offset = 0;
			req->seg[i].length = (uint16_t)(8 * rng_below(r, 2));
		}
	}
	if (rng_odds(r, 1, 64))
		for (i = 0; i < sizeof(*req); i++)
			((uint8_t *)req)[i] = (uint8_t)rng_next(r);
}

static void send_some(struct hostile *h)
{
	struct raw_ring *g = &h->ring;
	struct wire_scsi_req req;
	uint32_t room = WIRE_SCSI_RING_SIZE - (g->req_prod - g->rsp_cons);
	uint32_t n = rng_below(&h->c->w->rng, 6);

	while (n-- && room--) {
		any_request(h, &req);
		memcpy(raw_slot(g, g->req_prod++), &req, sizeof(req));
	}
	raw_push(h->c, g);
}

/* As many good requests as fit, and one more. */
static void flood(struct hostile *h)
{
	struct raw_ring *g = &h->ring;
	const struct lun_state *l = &h->c->lun[0];
	struct wire_scsi_req req = {
		.act = WIRE_SCSI_ACT_CDB,
		.cmd_len = 10,
		.cmnd = {0x28, [8] = 1},
		.sc_data_direction = WIRE_SCSI_DIR_IN,
		.nr_segments = 1,
		.seg = {{.gref = h->gref[0], .length = WIRE_PAGE_SIZE}},
	};

	req.channel = l->addr.channel;
	req.id = l->addr.id;
	req.lun = l->addr.lun;
	while (g->req_prod - g->rsp_cons < WIRE_SCSI_RING_SIZE)
		memcpy(raw_slot(g, g->req_prod++), &req, sizeof(req));
	g->req_prod++;
	raw_push(h->c, g);
}

static void change_grants(struct hostile *h)
{
	struct controller *c = h->c;
	struct rng *r = &c->w->rng;
	uint32_t i = rng_below(r, PAGES);

	if (h->granted[i]) {
		if (mem_revoke(c->w->mem, c->dom, h->gref[i]))
			h->granted[i] = false;
		return;
	}
	fill_page(h, i);
	h->granted[i] = mem_grant(c->w->mem, c->dom, 0, h->page[i],
				  rng_odds(r, 1, 3), &h->gref[i]);
}

/* Requests change, in the ring and in the pages they name. */
static void scribble(struct hostile *h)
{
	struct rng *r = &h->c->w->rng;
	uint8_t *ring = (uint8_t *)h->ring.shared;
	uint32_t n = rng_below(r, 8);

	while (n--)
		ring[WIRE_RING_SLOTS_OFFS +
		     rng_below(r, WIRE_PAGE_SIZE - WIRE_RING_SLOTS_OFFS)] =
			(uint8_t)rng_next(r);
	if (rng_odds(r, 1, 4))
		fill_page(h, rng_below(r, PAGES));
}

static void break_indexes(struct hostile *h)
{
	struct rng *r = &h->c->w->rng;
	struct wire_ring *s = h->ring.shared;

	switch (rng_below(r, 5)) {
	case 0:
		s->req_prod = (uint32_t)rng_next(r);
		break;
	case 1:
		s->req_prod -= rng_below(r, 20);
		break;
	case 2:
		s->req_prod += rng_below(r, 20);
		break;
	case 3:
		s->req_prod = h->ring.rsp_cons + WIRE_SCSI_RING_SIZE + 1;
		break;
	default:
		s->rsp_event = (uint32_t)rng_next(r);
		s->req_event = (uint32_t)rng_next(r);
	}
}

static void hostile_run(struct controller *c)
{
	struct hostile *h = c->front;
	struct rng *r = &c->w->rng;

	if (c->w->live)
		return;
	if (c->life == LIFE_UP && !c->spy.broken)
		h->ring.rsp_cons = c->spy.rsp_seen;
	if (rng_odds(r, 1, 4))
		change_grants(h);
	if (h->madness > 0 && rng_odds(r, 1, 2))
		scribble(h);
	if (c->life == LIFE_UP)
		send_some(h);
	if (h->madness > 1 && rng_odds(r, 1, 64))
		break_indexes(h);
	if (h->madness > 1 && c->life == LIFE_UP && rng_odds(r, 1, 128))
		flood(h);
	h->ring.shared->rsp_event = (uint32_t)rng_next(r);
	if (rng_odds(r, 1, 4))
		event_send(c->w->events, c->port, END_FRONT);
}

static void tick(void *ctx, uint32_t arg)
{
	struct hostile *h = ctx;
	struct controller *c = h->c;

	if (arg != c->gen || c->life != LIFE_UP)
		return;
	controller_wake(c);
	world_at(c->w, rng_range(&c->w->rng, 5, 200) * US, tick, h, c->gen);
}

static void hostile_init(struct controller *c)
{
	struct hostile *h = calloc(1, sizeof(*h));
	uint32_t i;

	if (!h)
		abort();
	h->c = c;
	h->madness = rng_below(&c->w->rng, 3);
	c->spy.loose = h->madness > 0;
	c->front = h;
	for (i = 0; i < PAGES; i++)
		h->page[i] = mem_page(c->w->mem, c->dom);
}

static void hostile_fini(struct controller *c)
{
	struct hostile *h = c->front;
	uint32_t i;

	for (i = 0; i < PAGES; i++) {
		if (h->granted[i] && !mem_revoke(c->w->mem, c->dom, h->gref[i]))
			world_fail(c->w, "pages", "a data page is mapped");
		mem_page_free(c->w->mem, c->dom, h->page[i]);
	}
	free(h);
}

static bool hostile_up(struct controller *c)
{
	return raw_ring_up(c, &((struct hostile *)c->front)->ring);
}

static void hostile_begin(struct controller *c)
{
	world_at(c->w, 1000, tick, c->front, c->gen);
}

static void hostile_lost(struct controller *c, bool moved)
{
	struct hostile *h = c->front;

	if (moved) {
		mem_forget_grants(c->w->mem, c->dom);
		memset(h->granted, 0, sizeof(h->granted));
	}
	raw_ring_down(c, &h->ring, moved);
}

const struct front_type front_hostile = {
	.name = "hostile",
	.init = hostile_init,
	.fini = hostile_fini,
	.up = hostile_up,
	.begin = hostile_begin,
	.lost = hostile_lost,
	.run = hostile_run,
	.meanwhile = hostile_run,
};
