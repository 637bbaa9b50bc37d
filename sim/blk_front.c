/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend engine as a guest's driver, and rings. Memory is scarce in some
 * seeds, so that requests bounce, wait for each other and go in passes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/ring.h"
#include "sim/blk.h"
#include "sim/events.h"
#include "sim/mem.h"

/* ---- rings ---- */

bool blk_ring_up(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct mem *m = g->w->mem;
	struct ring_front empty;
	uint32_t i;

	q->frame = mem_pages(m, g->dom, g->pages);
	if (q->frame == MEM_NONE)
		return false;
	for (i = 0; i < g->pages; i++)
		if (!mem_grant(m, g->dom, 0, q->frame + i, false, &q->gref[i]))
			goto undo;
	q->ring = mem_va(m, g->dom, q->frame);
	q->slot_size = blk_abi_slot(g->abi);
	q->slots = ring_slots(g->pages, q->slot_size);
	q->prod = 0;
	if (ring_front_init(&empty, q->ring, g->pages, q->slot_size) < 0)
		abort();
	q->port = event_alloc(g->w->events, g->dom, blk_front_wake, q);
	q->ringed = true;
	return true;

undo:
	while (i-- > 0)
		(void)mem_revoke(m, g->dom, q->gref[i]);
	for (i = 0; i < g->pages; i++)
		mem_page_free(m, g->dom, q->frame + i);
	return false;
}

void blk_ring_down(struct blk_sim_queue *q, bool moved)
{
	struct blk_guest *g = q->g;
	uint32_t i;

	if (!q->ringed)
		return;
	q->ringed = false;
	q->spy.on = false;
	event_free(g->w->events, q->port);
	for (i = 0; i < g->pages; i++) {
		if (!moved && !mem_revoke(g->w->mem, g->dom, q->gref[i]))
			world_fail(g->w, "pages", "the ring stays mapped");
		mem_page_free(g->w->mem, g->dom, q->frame + i);
	}
}

/* ---- downcalls ---- */

static int on_grant(void *host, uint64_t frame, bool readonly, uint32_t *gref)
{
	struct blk_guest *g = ((struct blk_sim_queue *)host)->g;

	return mem_grant(g->w->mem, g->dom, 0, (uint32_t)frame, readonly, gref)
		       ? 0
		       : XPV_ENOSPC;
}

static bool on_revoke(void *host, uint32_t gref)
{
	struct blk_guest *g = ((struct blk_sim_queue *)host)->g;

	if (mem_revoke(g->w->mem, g->dom, gref))
		return true;
	if (g->kind != BLK_DECEIVED)
		world_fail(g->w, "pages", "the backend has grant %u mapped",
			   gref);
	if (g->pins == BLK_SIM_PINS)
		world_fail(g->w, "bound", "%u pages are pinned", g->pins);
	g->pin[g->pins++] = gref;
	return false;
}

static void on_notify(void *host)
{
	struct blk_sim_queue *q = host;

	event_send(q->g->w->events, q->port, END_FRONT);
}

static void on_done(void *host, uint64_t cookie, int result, bool pinned)
{
	struct blk_sim_queue *q = host;
	struct blk_guest *g = q->g;
	struct blk_op *o = &g->op[cookie % BLK_SIM_OPS];

	if (!o->used || !o->sent || o->q != q ||
	    cookie != o->id * (uint64_t)BLK_SIM_OPS + (uint64_t)(o - g->op))
		world_fail(g->w, "once", "done for what is not under way");
	if (pinned && g->kind != BLK_DECEIVED)
		world_fail(g->w, "pages", "an honest backend keeps a page");
	/* What had ended before is told now, if that needed no answer: for want
	 * of a grant, or since there is nothing to flush with. */
	if (q->suspending && g->kind != BLK_DECEIVED &&
	    (result == XPV_EIO ||
	     (result == 0 && o->op != BLK_FRONT_FLUSH && !o->fua)))
		world_fail(g->w, "once", "a request ends with its connection");
	blk_load_done(g, o, result, pinned, q->losing);
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	struct blk_guest *g = ((struct blk_sim_queue *)host)->g;

	world_note(g->w, "front-trace", event, a);
	if (g->kind != BLK_DECEIVED)
		world_fail(g->w, "front",
			   "event %u (%llu, %llu) of an honest backend", event,
			   (unsigned long long)a, (unsigned long long)b);
}

static const struct blk_front_ops ops = {
	.grant = on_grant,
	.revoke = on_revoke,
	.notify = on_notify,
	.done = on_done,
	.trace = on_trace,
};

/* ---- requests ---- */

static int send_op(struct blk_sim_queue *q, struct blk_op *o)
{
	struct blk_guest *g = q->g;
	uint32_t sectors = g->disk.block_size / WIRE_BLK_SECTOR;
	const struct blk_front_req r = {
		.cookie = o->id * (uint64_t)BLK_SIM_OPS + (uint64_t)(o - g->op),
		.op = o->op,
		.fua = o->fua,
		.sector = (uint64_t)o->lba * sectors,
		.count = o->op == BLK_FRONT_DISCARD
				 ? (uint64_t)o->blocks * sectors
				 : 0,
		.npieces = o->npieces,
		.piece = o->piece,
	};

	o->sent = true;
	return blk_front_submit(q->front, &r);
}

static void feed(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct blk_op *o;
	int rc;

	while (g->life == BLK_UP && (o = blk_load_next(q))) {
		rc = send_op(q, o);
		if (rc == XPV_EINVAL || rc == XPV_EROFS)
			world_fail(g->w, "front", "operation %u is refused",
				   o->id);
		if (rc < 0) {
			blk_load_back(g, o, rc != XPV_EBUSY);
			break;
		}
		if (rng_odds(&g->w->rng, 1, 8))
			break;
	}
	blk_front_flush(q->front);
}

static void run(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;

	/* what a poll ends may be so because the backend lies */
	q->losing = g->kind == BLK_DECEIVED;
	if (blk_front_poll(q->front, rng_range(&g->w->rng, 1, 32)) < 0) {
		q->losing = false;
		if (g->kind != BLK_DECEIVED)
			world_fail(g->w, "front",
				   "the engine has stopped over an honest "
				   "backend");
		blk_leave(g);
		return;
	}
	q->losing = false;
	feed(q);
	if (blk_front_arm(q->front))
		blk_front_wake(q);
}

static void turn(void *ctx, uint32_t arg)
{
	struct blk_sim_queue *q = ctx;
	struct blk_guest *g = q->g;

	if (arg != q->gen)
		return;
	q->planned = false;
	if (g->life == BLK_DOWN)
		return;
	if (g->frozen > g->w->now) {
		q->planned = true;
		world_at(g->w, g->frozen - g->w->now, turn, q, q->gen);
		return;
	}
	blk_spy_responses(q);
	if (g->kind == BLK_HOSTILE)
		blk_hostile_run(q);
	else
		run(q);
	blk_spy_requests(q);
}

void blk_front_wake(void *ctx)
{
	struct blk_sim_queue *q = ctx;

	if (q->planned)
		return;
	q->planned = true;
	world_at(q->g->w, rng_range(&q->g->w->rng, 300, 6000), turn, q, q->gen);
}

/* A guest has something new to ask now and then. */
static void tick(void *ctx, uint32_t arg)
{
	struct blk_sim_queue *q = ctx;
	struct blk_guest *g = q->g;

	if (arg != q->gen || g->life == BLK_DOWN)
		return;
	if (g->kind == BLK_HOSTILE) {
		blk_front_wake(q);
	} else if (g->life == BLK_UP && g->frozen <= g->w->now) {
		feed(q);
		blk_spy_requests(q);
	}
	world_at(g->w, rng_range(&g->w->rng, 5, 300) * US, tick, q, q->gen);
}

/* ---- connections ---- */

static void make_engine(struct blk_sim_queue *q, struct blk_front_cfg *cfg)
{
	struct blk_guest *g = q->g;
	size_t len;

	cfg->page = q->page;
	cfg->pages = q->pages;
	cfg->depth = rng_range(&g->w->rng, 1, 40);
	cfg->align = rng_odds(&g->w->rng, 1, 4) ? 4096 : 512;
	len = blk_front_size(cfg);
	q->front_mem = aligned_alloc(64, (len + 63) & ~(size_t)63);
	if (!q->front_mem ||
	    blk_front_init(&q->front, q->front_mem, len, cfg, &ops, q) < 0)
		world_fail(g->w, "front", "the engine cannot be made");
}

static void get_pages(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	uint32_t want = rng_odds(&g->w->rng, 1, 4)
				? 2
				: rng_range(&g->w->rng, 2, BLK_SIM_POOL);

	while (q->pages < want) {
		uint32_t frame = mem_page(g->w->mem, g->dom);

		q->page[q->pages].va = mem_va(g->w->mem, g->dom, frame);
		q->page[q->pages++].frame = frame;
	}
}

void blk_front_up(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct blk_front_cfg cfg = {
		.conn = {.ring = q->ring,
			 .ring_pages = g->pages,
			 .abi = g->abi,
			 .indirect_max = g->indirect,
			 .block_size = g->disk.block_size,
			 .sectors = (uint64_t)g->disk.blocks *
				    g->disk.block_size / WIRE_BLK_SECTOR},
	};
	int rc;

	if (g->features & BLK_BACK_F_FLUSH)
		cfg.conn.features |= BLK_FRONT_F_FLUSH;
	if (g->features & BLK_BACK_F_BARRIER)
		cfg.conn.features |= BLK_FRONT_F_BARRIER;
	if (g->features & BLK_BACK_F_DISCARD)
		cfg.conn.features |= BLK_FRONT_F_DISCARD;
	if (g->persistent)
		cfg.conn.features |= BLK_FRONT_F_PERSISTENT;
	if (g->kind != BLK_HOSTILE && !q->front) {
		if (q->pages == 0)
			get_pages(q);
		make_engine(q, &cfg);
	} else if (g->kind != BLK_HOSTILE) {
		rc = blk_front_resume(q->front, &cfg.conn);
		if (rc < 0)
			world_fail(g->w, "front", "resume: %d", rc);
		blk_front_flush(q->front);
	}
	blk_spy_requests(q);
	world_at(g->w, 1000, tick, q, q->gen);
}

void blk_front_down(struct blk_sim_queue *q, bool moved, bool give_up)
{
	struct blk_guest *g = q->g;
	uint32_t i;

	q->gen++;
	q->planned = false;
	for (i = 0; i < BLK_SIM_OPS; i++)
		if (g->op[i].used && g->op[i].q == q)
			g->op[i].again |= g->op[i].sent;
	if (g->kind != BLK_HOSTILE && q->front) {
		q->losing = true;
		q->suspending = true;
		blk_front_suspend(q->front, moved);
		q->suspending = false;
		if (give_up) {
			blk_front_abandon(q->front);
			if (blk_front_inflight(q->front))
				world_fail(g->w, "once", "not all were ended");
			free(q->front_mem);
			q->front = NULL;
		}
		q->losing = false;
	}
	blk_ring_down(q, moved);
}

void blk_front_fini(struct blk_sim_queue *q)
{
	while (q->pages > 0)
		mem_page_free(q->g->w->mem, q->g->dom,
			      (uint32_t)q->page[--q->pages].frame);
}
