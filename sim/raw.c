/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/raw.h"

#include <stdlib.h>
#include <string.h>

#include "sim/controller.h"
#include "sim/events.h"
#include "sim/mem.h"

/* A request on the ring. */
struct tag {
	bool used;
	struct op *op; /* NULL: an ABORT */
	uint16_t rqid;
	uint32_t grants, pages;
	uint32_t gref[PIECES_MAX + WIRE_SCSI_SEGS];
	uint32_t page[WIRE_SCSI_SEGS]; /* of segment descriptors */
};

struct raw {
	struct controller *c;
	struct raw_ring ring;
	struct tag tag[WIRE_SCSI_RING_SIZE];
	uint32_t used;
	bool ticking;
};

/* ---- the ring ---- */

void *raw_slot(const struct raw_ring *r, uint32_t i)
{
	return (uint8_t *)r->shared + WIRE_RING_SLOTS_OFFS +
	       i % WIRE_SCSI_RING_SIZE * sizeof(struct wire_scsi_req);
}

bool raw_ring_up(struct controller *c, struct raw_ring *r)
{
	r->frame = mem_page(c->w->mem, c->dom);
	if (r->frame == MEM_NONE)
		return false;
	if (!mem_grant(c->w->mem, c->dom, 0, r->frame, false, &c->gref)) {
		mem_page_free(c->w->mem, c->dom, r->frame);
		return false;
	}
	r->shared = (void *)mem_va(c->w->mem, c->dom, r->frame);
	memset(r->shared, 0, WIRE_PAGE_SIZE);
	r->shared->req_event = 1;
	r->shared->rsp_event = 1;
	r->req_prod = 0;
	r->req_told = 0;
	r->rsp_cons = 0;
	c->port = event_alloc(c->w->events, c->dom, controller_wake, c);
	return true;
}

void raw_ring_down(struct controller *c, struct raw_ring *r, bool moved)
{
	event_free(c->w->events, c->port);
	if (moved || mem_revoke(c->w->mem, c->dom, c->gref))
		mem_page_free(c->w->mem, c->dom, r->frame);
	else
		controller_left(c, r->frame);
	c->gref = 0;
}

void raw_push(struct controller *c, struct raw_ring *r)
{
	uint32_t old = r->req_told;

	if (old == r->req_prod)
		return;
	r->shared->req_prod = r->req_prod;
	r->req_told = r->req_prod;
	if (r->req_prod - r->shared->req_event < r->req_prod - old)
		event_send(c->w->events, c->port, END_FRONT);
}

/* ---- requests ---- */

static struct tag *free_tag(struct raw *r)
{
	uint32_t i;

	if (r->used == WIRE_SCSI_RING_SIZE)
		return NULL;
	for (i = 0; r->tag[i].used; i++)
		;
	r->tag[i].grants = 0;
	r->tag[i].pages = 0;
	return &r->tag[i];
}

/* Any number that no other request has. */
static uint16_t new_rqid(struct raw *r)
{
	uint16_t rqid;
	uint32_t i;

	do {
		rqid = (uint16_t)rng_next(&r->c->w->rng);
		for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
			if (r->tag[i].used && r->tag[i].rqid == rqid)
				break;
	} while (i < WIRE_SCSI_RING_SIZE);
	return rqid;
}

static bool grant(struct raw *r, struct tag *t, uint32_t frame, bool readonly,
		  uint32_t *gref)
{
	struct controller *c = r->c;

	if (!mem_grant(c->w->mem, c->dom, 0, frame, readonly, gref))
		return false;
	t->gref[t->grants++] = *gref;
	return true;
}

static void ungrant(struct raw *r, struct tag *t, bool moved)
{
	struct controller *c = r->c;
	uint32_t i;

	for (i = 0; i < t->grants && !moved; i++)
		if (!mem_revoke(c->w->mem, c->dom, t->gref[i]))
			world_fail(c->w, "pages",
				   "the backend has a data page mapped");
	for (i = 0; i < t->pages; i++)
		mem_page_free(c->w->mem, c->dom, t->page[i]);
}

/* The segments of O into pages of descriptors. */
static bool indirect(struct raw *r, struct tag *t, struct wire_scsi_req *req,
		     const struct wire_scsi_seg *segs, uint32_t n)
{
	struct controller *c = r->c;
	uint32_t i = 0, k, frame, gref, offset;

	while (i < n) {
		k = n - i < WIRE_SCSI_SEGS_PER_PAGE ? n - i
						    : WIRE_SCSI_SEGS_PER_PAGE;
		if (t->pages < 3 && rng_odds(&c->w->rng, 1, 4))
			k = rng_range(&c->w->rng, 1, k);
		frame = mem_page(c->w->mem, c->dom);
		if (frame == MEM_NONE)
			return false;
		t->page[t->pages++] = frame;
		offset = 8 *
			 rng_below(&c->w->rng, WIRE_SCSI_SEGS_PER_PAGE - k + 1);
		memcpy(mem_va(c->w->mem, c->dom, frame) + offset, segs + i,
		       k * sizeof(*segs));
		if (!grant(r, t, frame, true, &gref))
			return false;
		req->seg[t->pages - 1] = (struct wire_scsi_seg){
			.gref = gref,
			.offset = (uint16_t)offset,
			.length = (uint16_t)(k * sizeof(*segs)),
		};
		i += k;
	}
	req->nr_segments = (uint8_t)(WIRE_SCSI_SG_GRANT | t->pages);
	return true;
}

static bool segments(struct raw *r, struct tag *t, struct wire_scsi_req *req,
		     const struct op *o)
{
	struct wire_scsi_seg segs[PIECES_MAX];
	struct controller *c = r->c;
	uint32_t i;

	for (i = 0; i < o->npieces; i++) {
		segs[i].offset = o->piece[i].offset;
		segs[i].length = o->piece[i].len;
		if (!grant(r, t, (uint32_t)o->piece[i].frame,
			   o->dir == WIRE_SCSI_DIR_OUT, &segs[i].gref))
			return false;
	}
	if (o->npieces > WIRE_SCSI_SEGS ||
	    (o->npieces && c->segs_max > WIRE_SCSI_SEGS &&
	     rng_odds(&c->w->rng, 1, 4)))
		return indirect(r, t, req, segs, o->npieces);
	memcpy(req->seg, segs, o->npieces * sizeof(*segs));
	req->nr_segments = (uint8_t)o->npieces;
	return true;
}

static void address(struct wire_scsi_req *req, const struct lun_state *l)
{
	req->channel = l->addr.channel;
	req->id = l->addr.id;
	req->lun = l->addr.lun;
}

static void put(struct raw *r, struct tag *t, struct wire_scsi_req *req)
{
	t->used = true;
	t->rqid = new_rqid(r);
	req->rqid = t->rqid;
	memcpy(raw_slot(&r->ring, r->ring.req_prod), req, sizeof(*req));
	r->ring.req_prod++;
	r->used++;
}

/* False when there is no room now. */
static bool send_op(struct raw *r, struct op *o)
{
	struct tag *t = free_tag(r);
	struct wire_scsi_req req = {0};

	if (!t || o->npieces > r->c->segs_max)
		return false;
	req.act = o->kind == OP_RESET ? WIRE_SCSI_ACT_RESET : WIRE_SCSI_ACT_CDB;
	req.cmd_len = o->cdb_len;
	memcpy(req.cmnd, o->cdb, o->cdb_len);
	req.sc_data_direction = o->dir;
	address(&req, o->lun);
	if (!segments(r, t, &req, o)) {
		ungrant(r, t, false);
		return false;
	}
	t->op = o;
	put(r, t, &req);
	return true;
}

static void abort_one(struct raw *r)
{
	struct tag *victim =
		&r->tag[rng_below(&r->c->w->rng, WIRE_SCSI_RING_SIZE)];
	struct tag *t = free_tag(r);
	struct wire_scsi_req req = {.act = WIRE_SCSI_ACT_ABORT};

	if (!t || !victim->used || !victim->op || victim->op->kind == OP_RESET)
		return;
	victim->op->victim = true;
	req.ref_rqid = victim->rqid;
	req.sc_data_direction = WIRE_SCSI_DIR_NONE;
	address(&req, victim->op->lun);
	t->op = NULL;
	put(r, t, &req);
}

/* New commands, as many as fit. */
static void feed(struct raw *r)
{
	struct controller *c = r->c;
	struct op *o;

	while (c->sending && r->used < WIRE_SCSI_RING_SIZE) {
		if (world_fault(c->w, FAULT_ABORT))
			abort_one(r);
		o = load_next(c);
		if (!o)
			break;
		if (!send_op(r, o)) {
			load_back(c, o);
			break;
		}
		if (rng_odds(&c->w->rng, 1, 8))
			break;
	}
	raw_push(c, &r->ring);
}

/* ---- responses ---- */

static void response(struct raw *r, const struct wire_scsi_rsp *rsp)
{
	struct op_result res = {0};
	struct tag *t = NULL;
	struct op *o;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE && !t; i++)
		if (r->tag[i].used && r->tag[i].rqid == rsp->rqid)
			t = &r->tag[i];
	if (!t)
		world_fail(r->c->w, "once", "response %u is for nothing",
			   rsp->rqid);
	ungrant(r, t, false);
	t->used = false;
	r->used--;
	o = t->op;
	if (!o)
		return;
	res.r.host = (uint8_t)((uint32_t)rsp->rslt >> 16);
	res.r.status = (uint8_t)rsp->rslt;
	if (o->kind == OP_RESET) {
		res.r.host = rsp->rslt == WIRE_SCSI_RESET_SUCCESS
				     ? WIRE_SCSI_HOST_OK
				     : WIRE_SCSI_HOST_ERROR;
		res.r.status = 0;
	}
	res.r.sense_len = rsp->sense_len;
	memcpy(res.r.sense, rsp->sense, sizeof(res.r.sense));
	res.r.residual = rsp->residual_len;
	load_done(r->c, o, &res);
}

static void take(struct raw *r)
{
	struct wire_scsi_rsp rsp;
	uint32_t prod = r->ring.shared->rsp_prod;

	while (r->ring.rsp_cons != prod) {
		memcpy(&rsp, raw_slot(&r->ring, r->ring.rsp_cons), sizeof(rsp));
		r->ring.rsp_cons++;
		response(r, &rsp);
	}
}

/* ---- the frontend ---- */

static void raw_run(struct controller *c)
{
	struct raw *r = c->front;

	take(r);
	feed(r);
	r->ring.shared->rsp_event = r->ring.rsp_cons + 1;
	if (r->ring.shared->rsp_prod != r->ring.rsp_cons)
		controller_wake(c);
}

/*
 * Programs of the guest want something, at any time. Responses are not looked
 * at here: nothing but an event brings those to it.
 */
static void tick(void *ctx, uint32_t arg)
{
	struct raw *r = ctx;
	struct controller *c = r->c;

	if (arg != c->gen || !c->sending)
		return;
	c->running = true;
	if (!c->paused && c->frozen <= c->w->now)
		feed(r);
	spy_requests(c);
	c->running = false;
	world_at(c->w, rng_range(&c->w->rng, 5, 300) * US, tick, r, c->gen);
}

static void raw_init(struct controller *c)
{
	struct raw *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->c = c;
	c->front = r;
}

static void raw_fini(struct controller *c)
{
	free(c->front);
}

static bool raw_up(struct controller *c)
{
	return raw_ring_up(c, &((struct raw *)c->front)->ring);
}

static void raw_begin(struct controller *c)
{
	world_at(c->w, 1000, tick, c->front, c->gen);
}

static void raw_lost(struct controller *c, bool moved)
{
	struct raw *r = c->front;
	uint32_t i;

	if (moved)
		mem_forget_grants(c->w->mem, c->dom);
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
		if (r->tag[i].used)
			ungrant(r, &r->tag[i], moved);
		r->tag[i].used = false;
	}
	r->used = 0;
	load_lost(c);
	raw_ring_down(c, &r->ring, moved);
}

const struct front_type front_raw = {
	.name = "raw",
	.honest = true,
	.init = raw_init,
	.fini = raw_fini,
	.up = raw_up,
	.begin = raw_begin,
	.lost = raw_lost,
	.run = raw_run,
	.meanwhile = raw_run,
};
