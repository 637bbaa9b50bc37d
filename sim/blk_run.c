/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of guests with disks, and their lives: see blk.h. */
#include <stdlib.h>
#include <string.h>

#include "sim/blk.h"
#include "sim/check.h"
#include "sim/events.h"
#include "sim/mem.h"
#include "sim/run.h"

/* Virtual time within which all must be done when nothing fails any more. */
#define QUIET_NS (20 * SEC)

static struct world world;
static struct mem mem;
static struct events events;
static struct blk_guest *guest[MEM_DOMS - 1];
static uint32_t guests;

struct blk_sim_queue *blk_queue_of(uint32_t dom, uint32_t gref)
{
	uint32_t i, k;

	for (i = 0; i < guests; i++)
		for (k = 0; k < guest[i]->queues; k++)
			if (guest[i]->dom == dom && guest[i]->q[k].ringed &&
			    guest[i]->q[k].gref[0] == gref)
				return &guest[i]->q[k];
	return NULL;
}

/* ---- making ---- */

static void draw_limits(struct blk_guest *g)
{
	struct rng *r = &g->w->rng;
	struct proto_limits l = {0};

	g->limit = limit_hold(g->dom);
	if (rng_odds(r, 1, 4))
		l.iops = rng_range(r, 2000, 100000);
	if (rng_odds(r, 1, 4))
		l.bps = (uint64_t)rng_range(r, 8, 1000) << 20;
	l.pause = rng_odds(r, 1, 3);
	limit_set(g->limit, &l);
}

static void draw_device(struct blk_guest *g)
{
	static const uint32_t segs[] = {0, 0, 16, 64, 256};
	struct rng *r = &g->w->rng;
	uint32_t size = rng_odds(r, 2, 3) ? 512 : 4096;

	disk_init(&g->disk, g->w, size, rng_range(r, 64, 400));
	model_init(&g->model, g->w, size, g->disk.blocks);
	g->abi = rng_odds(r, 1, 4) ? BLK_ABI_32 : BLK_ABI_64;
	g->queues =
		rng_range(r, 1, g->kind == BLK_HOSTILE ? 2 : BLK_SIM_QUEUES);
	g->pages = g->kind == BLK_HOSTILE ? 1 : 1u << rng_below(r, 3);
	g->indirect = segs[rng_below(r, XPV_ARRAY_SIZE(segs))];
	g->persistent = rng_odds(r, 1, 3) ? rng_range(r, 4, 64) : 0;
	g->features = rng_odds(r, 2, 3) ? BLK_BACK_F_FLUSH : BLK_BACK_F_BARRIER;
	if (rng_odds(r, 1, 3))
		g->features |= BLK_BACK_F_FLUSH | BLK_BACK_F_BARRIER;
	if (rng_odds(r, 2, 3))
		g->features |= BLK_BACK_F_DISCARD;
}

static void up(void *ctx, uint32_t arg);

static struct blk_guest *guest_new(struct world *w, uint32_t index)
{
	struct blk_guest *g = calloc(1, sizeof(*g));
	uint32_t i;

	if (!g)
		abort();
	g->w = w;
	g->index = index;
	g->dom = index + 1;
	g->kind = index == 0 ? BLK_HONEST
			     : (enum blk_kind)(rng_below(&w->rng, 4) % 3);
	draw_device(g);
	draw_limits(g);
	for (i = 0; i < g->queues; i++) {
		g->q[i].g = g;
		g->q[i].index = i;
	}
	if (g->kind == BLK_HOSTILE)
		blk_hostile_init(g);
	blk_load_init(g);
	world_at(w, 1000, up, g, g->gen);
	return g;
}

/* What a liar had kept it has let go by now. */
static void unpin(struct blk_guest *g)
{
	while (g->pins)
		if (!mem_revoke(g->w->mem, g->dom, g->pin[--g->pins]))
			world_fail(g->w, "pages", "pinned for ever");
	while (g->lost)
		mem_page_free(g->w->mem, g->dom, g->page_lost[--g->lost]);
}

static void guest_free(struct blk_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->queues; i++)
		blk_front_down(&g->q[i], false, true);
	unpin(g);
	for (i = 0; i < g->queues; i++)
		blk_front_fini(&g->q[i]);
	if (g->kind == BLK_HOSTILE)
		blk_hostile_fini(g);
	limit_drop(g->limit);
	disk_free(&g->disk);
	model_free(&g->model);
	free(g);
}

/* ---- connections ---- */

static void down(struct blk_guest *g, bool give_up)
{
	bool moved = g->moved;
	uint32_t i;

	g->life = BLK_DOWN;
	g->gen++;
	g->moved = false;
	if (moved) {
		mem_forget_grants(g->w->mem, g->dom);
		memset(g->granted, 0, sizeof(g->granted));
	}
	for (i = 0; i < g->queues; i++)
		blk_front_down(&g->q[i], moved,
			       give_up || rng_odds(&g->w->rng, 1, 8));
	world_note(g->w, "down", g->index, moved);
	world_at(g->w, rng_range(&g->w->rng, 10, 3000) * US, up, g, g->gen);
}

static bool open_all(struct blk_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->queues; i++)
		if (!blk_ring_up(&g->q[i]))
			return false;
	for (i = 0; i < g->queues; i++) {
		if (g->kind == BLK_DECEIVED) {
			g->q[i].alive = true;
			blk_liar_open(&g->q[i]);
		} else if (!blk_back_open(&g->q[i])) {
			return false;
		}
	}
	return true;
}

static void up(void *ctx, uint32_t arg)
{
	struct blk_guest *g = ctx;
	uint32_t i;

	if (arg != g->gen || g->life != BLK_DOWN || g->closed)
		return;
	unpin(g);
	if (!open_all(g)) {
		for (i = 0; i < g->queues; i++) {
			blk_back_kill(&g->q[i]);
			blk_ring_down(&g->q[i], false);
		}
		world_at(g->w, MS, up, g, g->gen);
		return;
	}
	g->life = BLK_UP;
	world_note(g->w, "up", g->index, g->queues);
	for (i = 0; i < g->queues; i++) {
		blk_spy_begin(&g->q[i]);
		blk_front_up(&g->q[i]);
	}
}

void blk_leave(struct blk_guest *g)
{
	uint32_t i;

	if (g->life != BLK_UP)
		return;
	g->life = BLK_CLOSING;
	for (i = 0; i < g->queues; i++) {
		if (g->kind == BLK_DECEIVED)
			blk_liar_close(&g->q[i]);
		else
			blk_back_shut(&g->q[i]);
	}
}

void blk_closed(struct blk_guest *g)
{
	uint32_t i;

	for (i = 0; i < g->queues; i++)
		if (g->q[i].alive)
			return;
	down(g, false);
}

void blk_broken(struct blk_sim_queue *q)
{
	if (q->g->kind == BLK_HONEST)
		world_fail(q->g->w, "once",
			   "the backend says that the ring is broken");
	blk_leave(q->g);
}

/* The worker dies; the disk loses its power, too, if POWER. */
static void die(struct blk_guest *g, bool power)
{
	bool known = true;
	uint32_t i;

	if (g->kind == BLK_DECEIVED || g->life == BLK_DOWN)
		return;
	world_note(g->w, power ? "power-loss" : "worker-dies", g->index, 0);
	for (i = 0; i < g->queues; i++)
		blk_spy_responses(&g->q[i]);
	disk_orphan(&g->disk);
	for (i = 0; i < g->queues; i++)
		blk_back_kill(&g->q[i]);
	if (power) {
		disk_power_loss(&g->disk);
		model_power_loss(&g->model);
		known = blk_load_again(g);
	}
	down(g, !known);
}

/* ---- its life ---- */

static void live_on(void *ctx, uint32_t arg)
{
	struct blk_guest *g = ctx;
	struct world *w = g->w;

	(void)arg;
	if (w->live)
		return;
	if (world_fault(w, FAULT_FREEZE_FRONT))
		g->frozen = w->now + rng_below(&w->rng, 5000) * US;
	if (world_fault(w, FAULT_FREEZE_BACK))
		g->back_frozen = w->now + rng_below(&w->rng, 5000) * US;
	if (world_fault(w, FAULT_KILL_BACK))
		die(g, false);
	if (world_fault(w, FAULT_POWER))
		die(g, true);
	if (world_fault(w, FAULT_SUSPEND) && g->life == BLK_UP) {
		g->moved = g->kind != BLK_DECEIVED;
		blk_leave(g);
	}
	if (world_fault(w, FAULT_RECONNECT))
		blk_leave(g);
	world_at(w, rng_range(&w->rng, 20, 200) * US, live_on, g, 0);
}

static void second_phase(struct blk_guest *g)
{
	uint32_t i;

	g->frozen = g->back_frozen = 0;
	if (g->kind != BLK_HONEST) {
		g->closed = true;
		blk_leave(g);
	}
	for (i = 0; i < g->queues && g->life == BLK_UP; i++)
		blk_front_wake(&g->q[i]);
}

static bool quiet(const struct blk_guest *g)
{
	if (g->closed)
		return g->life == BLK_DOWN;
	return g->life == BLK_UP && blk_load_finished(g);
}

static void until_quiet(struct world *w, const char *what)
{
	uint64_t limit = w->now + QUIET_NS;
	uint32_t i = 0;

	while (i < guests) {
		if (quiet(guest[i])) {
			i++;
			continue;
		}
		if (!world_step(w, limit))
			world_fail(w, "live", "guest %u (kind %u) %s: %u open",
				   i, guest[i]->kind, what, guest[i]->out);
	}
}

/* Nothing may be left that belongs to a guest. */
static void check_given_back(struct world *w)
{
	uint32_t d;

	for (d = 0; d < MEM_DOMS; d++)
		if (w->mem->dom[d].grants || w->mem->dom[d].free != MEM_FRAMES)
			world_fail(w, "pages",
				   "domain %u: %u grants, %u pages are left", d,
				   w->mem->dom[d].grants,
				   MEM_FRAMES - w->mem->dom[d].free);
}

uint64_t blk_run_seed(uint64_t seed, uint64_t steps, bool trace,
		      struct run_sum *sum)
{
	struct world *w = &world;
	uint32_t i;

	world_init(w, seed, steps, trace);
	w->blk = true;
	check_begin(w);
	mem_init(&mem, w);
	events_init(&events, w);
	guests = rng_range(&w->rng, 1, MEM_DOMS - 1);
	for (i = 0; i < guests; i++)
		guest[i] = guest_new(w, i);
	for (i = 0; i < guests; i++)
		world_at(w, 0, live_on, guest[i], 0);
	while (w->step < steps && world_step(w, UINT64_MAX))
		;
	w->live = true;
	world_note(w, "second-phase", 0, 0);
	if (world_has(w, FAULT_EVENT_LOST))
		event_kick_all(w->events);
	for (i = 0; i < guests; i++)
		second_phase(guest[i]);
	until_quiet(w, "does not come to rest");
	for (i = 0; i < guests; i++) {
		guest[i]->closed = true;
		blk_leave(guest[i]);
	}
	until_quiet(w, "does not close");
	sum->steps += w->step;
	sum->ops += w->ops;
	sum->hash = sum->hash * 31 + w->hash;
	for (i = 0; i < guests; i++)
		guest_free(guest[i]);
	check_given_back(w);
	return w->hash;
}
