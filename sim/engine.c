/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend engine (core/scsi_front) as a guest's driver: the machine under
 * it is the world, the midlayer above it is sim/load. Memory is scarce in some
 * seeds, so that commands are bounced, and divided into passes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/scsi_front.h"
#include "scsi/slice.h"
#include "sim/controller.h"
#include "sim/events.h"
#include "sim/fetch.h"
#include "sim/mem.h"
#include "sim/raw.h"

#define PAGES_MAX (SCSI_FRONT_TAGS + 24u)
/* Commands that a backend can pin before the engine stops: one more than it
 * forgives, what one poll ends, and all that end with the connection. */
#define PINNED_MAX (SCSI_FRONT_PINNED_MAX + 1 + 2 * SCSI_FRONT_TAGS)
#define PINS_MAX   (PINNED_MAX * PIECES_MAX)

struct engine {
	struct controller *c;
	struct scsi_front *front;
	void *mem;
	struct raw_ring ring; /* only its page and channel */
	struct front_page page[PAGES_MAX];
	uint32_t pages;
	bool losing; /* what ends now was lost */
	bool broken; /* the backend has broken the protocol */
	/* Grants that a lying backend keeps mapped, and pages lost thereby. */
	uint32_t pins, pin[PINS_MAX];
	uint32_t pinned; /* commands */
	uint32_t lost, page_lost[PINS_MAX];
};

/* ---- downcalls ---- */

static int on_grant(void *host, uint64_t frame, bool readonly, uint32_t *gref)
{
	struct engine *e = host;

	return mem_grant(e->c->w->mem, e->c->dom, 0, (uint32_t)frame, readonly,
			 gref)
		       ? 0
		       : XPV_ENOSPC;
}

static bool on_revoke(void *host, uint32_t gref)
{
	struct engine *e = host;

	if (mem_revoke(e->c->w->mem, e->c->dom, gref))
		return true;
	if (!e->c->lies)
		world_fail(e->c->w, "pages", "the backend has grant %u mapped",
			   gref);
	if (e->pins == PINS_MAX)
		world_fail(e->c->w, "bound", "%u pages are pinned", e->pins);
	e->pin[e->pins++] = gref;
	return false;
}

static void on_notify(void *host)
{
	struct engine *e = host;

	event_send(e->c->w->events, e->c->port, END_FRONT);
}

static void on_done(void *host, uint64_t cookie,
		    const struct scsi_front_result *r)
{
	struct engine *e = host;
	struct op *o = &e->c->load.op[cookie % OPS_MAX];
	struct op_result res = {.r = *r};

	if (!o->used || !o->sent ||
	    cookie != o->id * (uint64_t)OPS_MAX + (uint64_t)(o - e->c->load.op))
		world_fail(e->c->w, "once", "done for what is not under way");
	if (r->sense_len > WIRE_SCSI_SENSE || r->residual > o->len)
		world_fail(e->c->w, "front", "sense %u, residual %u of %u",
			   r->sense_len, r->residual, o->len);
	res.lost = e->losing || e->broken;
	res.pinned = r->pinned;
	if (r->pinned) {
		if (++e->pinned > PINNED_MAX)
			world_fail(e->c->w, "bound", "%u commands are pinned",
				   e->pinned);
		memcpy(e->page_lost + e->lost, o->page,
		       o->npieces * sizeof(o->page[0]));
		e->lost += o->npieces;
	}
	load_done(e->c, o, &res);
}

static bool on_slice(void *host, const struct scsi_front_cmd *cmd,
		     uint32_t offset, uint32_t len, uint8_t *to)
{
	struct engine *e = host;
	const struct op *o = &e->c->load.op[cmd->cookie % OPS_MAX];

	/* Its data must be the blocks that it names. */
	return o->len == o->blocks * o->lun->disk.block_size &&
	       scsi_cdb_slice(cmd->cdb, cmd->cdb_len, o->lun->disk.block_size,
			      offset, len, to);
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	struct engine *e = host;

	world_note(e->c->w, "front-trace", event, a);
	if (!e->c->lies)
		world_fail(e->c->w, "front",
			   "event %u (%llu, %llu) of an honest backend", event,
			   (unsigned long long)a, (unsigned long long)b);
}

static const struct scsi_front_ops ops = {
	.grant = on_grant,
	.revoke = on_revoke,
	.notify = on_notify,
	.done = on_done,
	.slice = on_slice,
	.trace = on_trace,
};

/* ---- commands ---- */

/* False when it has to wait. */
static bool send_op(struct engine *e, struct op *o)
{
	struct scsi_front_cmd cmd = {
		.cookie = o->id * (uint64_t)OPS_MAX +
			  (uint64_t)(o - e->c->load.op),
		.addr = o->lun->addr,
		.cdb_len = o->cdb_len,
		.dir = o->dir,
		.npieces = o->npieces,
		.piece = o->piece,
	};
	int rc;

	memcpy(cmd.cdb, o->cdb, o->cdb_len);
	o->sent = true;
	if (o->kind == OP_RESET)
		rc = scsi_front_reset(e->front, o->lun->addr, cmd.cookie);
	else
		rc = scsi_front_submit(e->front, &cmd);
	if (rc == XPV_EINVAL)
		world_fail(e->c->w, "front", "command %u is refused", o->id);
	if (rc >= (int)SCSI_FRONT_TAGS)
		world_fail(e->c->w, "front", "tag %d", rc);
	o->tag = (uint16_t)rc;
	return rc >= 0;
}

static void abort_one(struct engine *e)
{
	struct load *l = &e->c->load;
	struct op *o = &l->op[rng_below(&e->c->w->rng, OPS_MAX)];

	if (!o->used || !o->sent || o->kind == OP_RESET)
		return;
	if (scsi_front_abort(e->front, o->tag) == 0)
		o->victim = true;
}

static void feed(struct engine *e)
{
	struct controller *c = e->c;
	struct op *o;

	while (c->sending && !e->broken) {
		if (world_fault(c->w, FAULT_ABORT))
			abort_one(e);
		o = load_next(c);
		if (!o)
			break;
		if (!send_op(e, o)) {
			load_back(c, o);
			break;
		}
		if (rng_odds(&c->w->rng, 1, 8))
			break;
	}
	scsi_front_flush(e->front);
}

/* ---- the frontend ---- */

static void stopped(struct engine *e)
{
	if (!e->c->lies)
		world_fail(e->c->w, "front",
			   "the engine has stopped over an honest backend");
	controller_leave(e->c);
}

static void engine_run(struct controller *c)
{
	struct engine *e = c->front;

	fetch_step(c, false);
	e->broken =
		c->lies; /* what is done by a poll may be so because of it */
	if (scsi_front_poll(e->front, rng_range(&c->w->rng, 1, 32)) < 0) {
		fetch_step_end();
		stopped(e);
		return;
	}
	e->broken = false;
	feed(e);
	if (scsi_front_arm(e->front))
		controller_wake(c);
	fetch_step_end();
}

static void tick(void *ctx, uint32_t arg)
{
	struct engine *e = ctx;
	struct controller *c = e->c;

	if (arg != c->gen || !c->sending)
		return;
	c->running = true;
	if (!c->paused && c->frozen <= c->w->now) {
		fetch_step(c, false);
		feed(e);
		fetch_step_end();
	}
	spy_requests(c);
	c->running = false;
	world_at(c->w, rng_range(&c->w->rng, 5, 300) * US, tick, e, c->gen);
}

static void engine_init(struct controller *c)
{
	struct engine *e = calloc(1, sizeof(*e));
	uint32_t i;

	if (!e)
		abort();
	e->c = c;
	c->front = e;
	e->pages = c->segs_max > WIRE_SCSI_SEGS ? SCSI_FRONT_TAGS : 0;
	e->pages +=
		rng_odds(&c->w->rng, 1, 4)
			? 1
			: rng_range(&c->w->rng, 1, PAGES_MAX - SCSI_FRONT_TAGS);
	for (i = 0; i < e->pages; i++) {
		uint32_t frame = mem_page(c->w->mem, c->dom);

		e->page[i].va = mem_va(c->w->mem, c->dom, frame);
		e->page[i].frame = frame;
	}
}

static void engine_fini(struct controller *c)
{
	struct engine *e = c->front;
	uint32_t i;

	for (i = 0; i < e->pages; i++)
		mem_page_free(c->w->mem, c->dom, (uint32_t)e->page[i].frame);
	free(e->mem);
	free(e);
}

static void engine_new(struct engine *e)
{
	struct controller *c = e->c;
	struct scsi_front_cfg cfg = {
		.segs_max = c->segs_max,
		.ring = e->ring.shared,
		.page = e->page,
		.pages = e->pages,
		.align = 512,
	};
	size_t len = scsi_front_size(c->segs_max, e->pages);

	e->mem = aligned_alloc(64, (len + 63) & ~(size_t)63);
	if (!e->mem || scsi_front_init(&e->front, e->mem, len, &cfg, &ops, e))
		world_fail(c->w, "front", "the engine cannot be made");
}

static bool engine_up(struct controller *c)
{
	struct engine *e = c->front;
	int rc;

	if (!raw_ring_up(c, &e->ring))
		return false;
	e->broken = false;
	if (!e->front) {
		engine_new(e);
		return true;
	}
	rc = scsi_front_resume(e->front, e->ring.shared, c->segs_max);
	if (rc < 0)
		world_fail(c->w, "front", "resume: %d", rc);
	return true;
}

static void engine_begin(struct controller *c)
{
	world_at(c->w, 1000, tick, c->front, c->gen);
}

/* A backend that lied has let go by now: take back what it had pinned. */
static void unpin(struct engine *e)
{
	struct mem *m = e->c->w->mem;
	uint32_t i;

	for (i = 0; i < e->pins; i++)
		if (!mem_revoke(m, e->c->dom, e->pin[i]))
			world_fail(e->c->w, "pages", "pinned for ever");
	e->pins = 0;
	for (i = 0; i < e->lost; i++)
		mem_page_free(m, e->c->dom, e->page_lost[i]);
	e->lost = e->pinned = 0;
}

static void engine_lost(struct controller *c, bool moved)
{
	struct engine *e = c->front;

	if (moved)
		mem_forget_grants(c->w->mem, c->dom);
	e->losing = true;
	scsi_front_suspend(e->front, moved);
	e->losing = false;
	if (scsi_front_inflight(e->front) || c->load.out)
		world_fail(c->w, "once",
			   "%u commands did not end with the connection",
			   c->load.out);
	raw_ring_down(c, &e->ring, moved);
	if (moved)
		e->pins = 0;
	unpin(e);
}

const struct front_type front_engine = {
	.name = "engine",
	.honest = true,
	.init = engine_init,
	.fini = engine_fini,
	.up = engine_up,
	.begin = engine_begin,
	.lost = engine_lost,
	.run = engine_run,
	.meanwhile = engine_run,
};
