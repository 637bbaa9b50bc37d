/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim/check.h"
#include "sim/controller.h"
#include "sim/fetch.h"

/* What one MAXIMUM TRANSFER LENGTH of the daemon is, pages. */
#define TRANSFER_PAGES 64u

static const struct log_where nowhere;

static uint64_t now_ns(void *ctx)
{
	struct backend *b = ctx;

	return b->c->w->now;
}

static void turn(void *ctx, uint32_t arg);

static void plan(struct backend *b, uint64_t delay)
{
	if (b->planned || !b->alive)
		return;
	b->planned = true;
	world_at(b->c->w, delay, turn, b, b->gen);
}

void backend_wake(struct backend *b)
{
	plan(b, rng_range(&b->c->w->rng, 500, 8000));
}

/* What worker/orders.c does after a turn. */
static void settle(struct backend *b)
{
	uint32_t cookie;

	while (path_lun_gone(&b->path, false, &cookie))
		controller_lun_gone(b->c, cookie - 1);
	if (b->path.peer.broken)
		controller_broken(b->c);
	if (path_closed(&b->path))
		controller_closed(b->c);
}

/* Nothing was to do: look for some time before sleeping. */
static void rest(struct backend *b)
{
	if (b->path.engine && b->looks < b->look_max) {
		b->looks++;
		if (path_has_work(&b->path)) {
			b->looks = 0;
			plan(b, 200);
			return;
		}
		path_tell_some(&b->path);
		plan(b, 3000);
		return;
	}
	b->looks = 0;
	if (!path_rest(&b->path))
		plan(b, 200);
}

void backend_stores(struct controller *c)
{
	struct backend *b = &c->back;

	if (b->mortal && b->fuse && --b->fuse == 0)
		longjmp(b->dead, 1);
}

/* A step; it may be the last one of this process, in the middle of it. */
static bool path_step(struct backend *b)
{
	struct controller *c = b->c;
	volatile bool busy = true;

	spy_requests(c);
	check_turn(c, &b->path);
	if (!b->fuse && world_fault(c->w, FAULT_DIE))
		b->fuse = rng_range(&c->w->rng, 1, 1500);
	b->mortal = c->life == LIFE_UP;
	fetch_step(c, true);
	if (setjmp(b->dead) == 0)
		busy = path_turn(&b->path);
	else
		b->coming = true;
	fetch_step_end();
	b->mortal = false;
	spy_responses(c);
	if (b->coming)
		backend_take_over(c);
	else
		check_turned(c, &b->path);
	return busy;
}

void backend_meanwhile(struct controller *c)
{
	struct backend *b = &c->back;

	if (!b->alive || b->busy || b->frozen > c->w->now || !b->path.engine ||
	    !world_fault(c->w, FAULT_MEANWHILE))
		return;
	b->busy = true;
	path_step(b);
	b->busy = false;
	backend_wake(b);
}

static void turn(void *ctx, uint32_t arg)
{
	struct backend *b = ctx;
	struct controller *c = b->c;
	bool busy;

	if (arg != b->gen)
		return;
	b->planned = false;
	if (b->frozen > c->w->now) {
		plan(b, b->frozen - c->w->now);
		return;
	}
	b->busy = true;
	busy = path_step(b);
	if (!b->alive || arg != b->gen) {
		b->busy = false;
		return;
	}
	fetch_step(c, true);
	if (busy) {
		b->looks = 0;
		plan(b, rng_range(&c->w->rng, 500, 5000));
	} else {
		rest(b);
	}
	fetch_step_end();
	b->busy = false;
	settle(b);
}

void backend_start(struct controller *c)
{
	struct backend *b = &c->back;
	struct peer_cfg cfg = {
		.host = &host_sim,
		.domid = c->dom,
		.where = &nowhere,
		.now_ns = now_ns,
		.ctx = b,
		.hold_ns = rng_range(&c->w->rng, 0, 60) * US,
		.eager = rng_odds(&c->w->rng, 1, 2),
	};

	b->c = c;
	b->gen++;
	b->alive = true;
	b->planned = false;
	b->frozen = 0;
	b->looks = 0;
	b->look_max = rng_below(&c->w->rng, 12);
	path_init(&b->path, &cfg);
}

/* The process is gone, with all that it had. */
static void vanish(struct controller *c)
{
	struct backend *b = &c->back;
	struct path *p = &b->path;
	uint32_t i;

	for (i = 0; i < c->luns; i++)
		disk_orphan(&c->lun[i].disk);
	/* Not target_remove(): the dead tell nobody of it. */
	for (i = 0; i < p->target.count; i++) {
		p->target.lun[i]->lun->type->close(p->target.lun[i]->lun);
		free(p->target.lun[i]);
	}
	peer_close(&p->peer);
	if (p->arena)
		munmap(p->arena, p->arena_len);
	free(p->engine_mem);
	memset(p, 0, sizeof(*p));
	b->alive = false;
	b->gen++;
}

void backend_kill(struct controller *c)
{
	uint32_t i;

	vanish(c);
	c->back.coming = false;
	for (i = 0; i < c->luns; i++)
		if (c->lun[i].there)
			controller_lun_gone(c, i);
}

static bool ring_open(struct controller *c, uint32_t gref, uint32_t port,
		      bool resume)
{
	const struct path_ring ring = {.gref = gref,
				       .port = port,
				       .segs_max = c->segs_max,
				       .journal = c->journal,
				       .resume = resume};
	const char *why;

	if (path_open(&c->back.path, &ring, &why) < 0)
		return false;
	backend_wake(&c->back);
	return true;
}

/* The successor begins; as often as it needs to get the ring mapped. */
static void successor(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;
	struct backend *b = &c->back;
	uint32_t i;

	if (arg != b->gen || !b->coming)
		return;
	backend_start(c);
	for (i = 0; i < c->luns; i++)
		if (c->lun[i].there)
			backend_lun_add(c, i, true);
	for (i = 0; i < c->luns; i++)
		if (c->lun[i].there && c->lun[i].going)
			backend_lun_del(c, i);
	for (i = 0; !ring_open(c, c->gref, c->port, true); i++) {
		/* Its frontend has let go of the ring before it said so. */
		if (c->by_bus && !c->ringed) {
			b->coming = false;
			fetch_forget(c);
			controller_closed(c);
			return;
		}
		if (i == 1000)
			world_fail(c->w, "once",
				   "controller %u: no successor can open the "
				   "ring",
				   c->index);
	}
	b->coming = false;
	fetch_forget(c);
	if (c->life == LIFE_CLOSING)
		path_close(&b->path);
}

void backend_take_over(struct controller *c)
{
	struct backend *b = &c->back;

	world_note(c->w, "dies", c->index, 0);
	spy_responses(c);
	load_interrupted(c);
	vanish(c);
	b->coming = true;
	/* Where xenstore takes part, control keeps order: no gap for it. */
	if (c->by_bus)
		successor(c, b->gen);
	else
		world_at(c->w, rng_range(&c->w->rng, 10, 3000) * US, successor,
			 c, b->gen);
}

void backend_luns_gone(struct controller *c)
{
	uint32_t i, cookie;

	while (path_lun_gone(&c->back.path, true, &cookie))
		;
	for (i = 0; i < c->luns; i++)
		if (c->lun[i].there)
			controller_lun_gone(c, i);
}

bool backend_open(struct controller *c, uint32_t gref, uint32_t port)
{
	return ring_open(c, gref, port, false);
}

void backend_close(struct controller *c)
{
	if (c->back.path.engine && !c->back.path.peer.closing)
		path_close(&c->back.path);
	backend_wake(&c->back);
}

static void disk_woke(void *ctx)
{
	backend_wake(ctx);
}

void backend_lun_add(struct controller *c, uint32_t i, bool resumed)
{
	struct lun_state *l = &c->lun[i];
	struct lun_cfg cfg = {
		.storage = &storage_sim,
		.fd = -1,
		.state_fd = -1,
		.keep_fd = dup(l->keep_fd),
		.resumed = resumed,
		.size = (uint64_t)l->disk.blocks * l->disk.block_size,
		.block_size = l->disk.block_size,
		.phys_size = 4096,
		.discard_granularity = l->disk.block_size,
		.max_transfer = TRANSFER_PAGES * WIRE_PAGE_SIZE,
		.discard = l->disk.supports,
		.zero = l->disk.supports,
		.naa = 0x3000000000000000ull + i,
		.initiator = c->index,
		.serial = "SIM",
		.product = "SIMULATED",
	};
	struct lun *lun;

	if (!resumed && ftruncate(l->keep_fd, 0) < 0)
		abort();
	l->disk.woken = disk_woke;
	l->disk.ctx = &c->back;
	disk_next = &l->disk;
	if (lun_emulated.open(&lun, &cfg, NULL) < 0 ||
	    target_add(&c->back.path.target, &l->addr, lun, resumed) < 0)
		abort();
}

void backend_lun_del(struct controller *c, uint32_t i)
{
	struct target_lun *tl =
		target_find(&c->back.path.target, &c->lun[i].addr);

	tl->going = true;
	tl->going_cookie = i + 1;
	backend_wake(&c->back);
}
