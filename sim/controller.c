/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/controller.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim/liar.h"
#include "sim/mem.h"

static void up(void *ctx, uint32_t arg);

/* ---- making ---- */

static void lun_new(struct controller *c, uint32_t i)
{
	struct rng *r = &c->w->rng;
	struct lun_state *l = &c->lun[i];
	uint32_t size = rng_odds(r, 2, 3) ? 512 : 4096;
	uint32_t blocks = rng_range(r, 8, size == 512 ? 256 : 64);

	/* Some on one target, some on another. */
	l->addr = (struct scsi_addr){.channel = 0,
				     .id = (uint16_t)(i / 2),
				     .lun = (uint16_t)(i % 2 * 5)};
	l->keep_fd = memfd_create("keep", MFD_CLOEXEC);
	if (l->keep_fd < 0)
		abort();
	disk_init(&l->disk, c->w, size, blocks);
	model_init(&l->model, c->w, size, blocks);
}

static const struct front_type *draw_type(struct world *w, uint32_t index)
{
	if (index > 0 && rng_odds(&w->rng, 1, 3))
		return &front_hostile;
	return rng_odds(&w->rng, 1, 2) ? &front_engine : &front_raw;
}

struct controller *controller_new(struct world *w, uint32_t index, uint32_t dom)
{
	static const uint32_t segs[] = {26, 26, 64, 128, 256};
	struct controller *c =
		aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);
	uint32_t i;

	if (!c)
		abort();
	memset(c, 0, sizeof(*c));
	c->w = w;
	c->index = index;
	c->dom = dom;
	c->segs_max = segs[rng_below(&w->rng, XPV_ARRAY_SIZE(segs))];
	c->type = draw_type(w, index);
	c->lies = c->type == &front_engine && index > 0 &&
		  rng_odds(&w->rng, 1, 3);
	c->luns = rng_range(&w->rng, 1, CONTROLLER_LUNS);
	for (i = 0; i < c->luns; i++)
		lun_new(c, i);
	load_init(c);
	c->type->init(c);
	c->by_bus = c->type->honest && !c->lies && rng_odds(&w->rng, 1, 2);
	if (c->by_bus)
		bus_init(c, w->store);
	else
		world_at(w, 1000, up, c, c->gen);
	return c;
}

void controller_free(struct controller *c)
{
	uint32_t i;

	if (c->back.alive)
		backend_kill(c);
	c->type->fini(c);
	for (i = 0; i < c->luns; i++) {
		close(c->lun[i].keep_fd);
		disk_free(&c->lun[i].disk);
		model_free(&c->lun[i].model);
	}
	free(c);
}

/* ---- LUNs ---- */

/* A unit's neighbours on its target hear of a change of it. */
static void neighbours(struct controller *c, uint32_t i)
{
	uint32_t j;

	for (j = 0; j < c->luns; j++)
		if (j != i && c->lun[j].there &&
		    c->lun[j].addr.id == c->lun[i].addr.id) {
			c->lun[j].attentions++;
			c->lun[j].changes++;
		}
}

void controller_lun_add(struct controller *c, uint32_t i)
{
	struct lun_state *l = &c->lun[i];

	backend_lun_add(c, i, false);
	l->there = true;
	l->going = false;
	l->attentions = 1 + load_resets(c, l); /* those may still come */
	l->changes++;
	l->news = l->out == 0;
	l->stopped = l->out != 0;
	l->epoch++;
	neighbours(c, i);
	world_note(c->w, "lun-add", c->index, i);
}

void controller_lun_gone(struct controller *c, uint32_t i)
{
	struct lun_state *l = &c->lun[i];

	l->there = false;
	l->going = false;
	l->news = false;
	l->epoch++;
	neighbours(c, i);
	world_note(c->w, "lun-gone", c->index, i);
	if (c->by_bus)
		bus_back_changed(c);
}

void controller_lun_del(struct controller *c, uint32_t i)
{
	struct lun_state *l = &c->lun[i];

	l->going = true;
	l->news = false;
	l->epoch++;
	world_note(c->w, "lun-del", c->index, i);
	backend_lun_del(c, i);
}

static void luns_change(struct controller *c)
{
	uint32_t i = rng_below(&c->w->rng, c->luns);

	if (c->by_bus)
		bus_change_luns(c);
	else if (!c->back.alive || c->lun[i].going)
		return;
	else if (c->lun[i].there)
		controller_lun_del(c, i);
	else
		controller_lun_add(c, i);
}

/* ---- the connection ---- */

static bool all_luns(struct controller *c)
{
	uint32_t i;
	bool all = true;

	for (i = 0; i < c->luns; i++) {
		if (c->lun[i].going)
			all = false;
		else if (!c->lun[i].there)
			controller_lun_add(c, i);
	}
	return all;
}

/* The end of a connection, at both ends. */
static void down(struct controller *c, uint64_t again)
{
	bool was = c->life != LIFE_DOWN;

	c->life = LIFE_DOWN;
	c->gen++;
	c->planned = false;
	c->ringed = c->sending = false;
	spy_end(c);
	if (was)
		c->type->lost(c, c->moved);
	c->moved = false;
	c->paused = false;
	world_note(c->w, "down", c->index, 0);
	world_at(c->w, again, up, c, c->gen);
}

static void up(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;

	if (arg != c->gen || c->life != LIFE_DOWN || c->closed)
		return;
	if (!c->back.alive && !c->lies) {
		backend_start(c);
		all_luns(c);
	}
	if (!c->type->up(c)) {
		world_at(c->w, MS, up, c, c->gen);
		return;
	}
	if (!(c->lies ? liar_open(c) : backend_open(c, c->gref, c->port))) {
		c->type->lost(c, false);
		world_at(c->w, MS, up, c, c->gen);
		return;
	}
	c->life = LIFE_UP;
	if (!c->lies)
		spy_begin(c,
			  mem_va(c->w->mem, c->dom,
				 c->w->mem->dom[c->dom].grant[c->gref].frame));
	world_note(c->w, "up", c->index, c->gref);
	c->ringed = c->sending = true;
	c->type->begin(c);
}

bool controller_connect(struct controller *c, uint32_t gref, uint32_t port)
{
	if (c->life == LIFE_UP)
		return true;
	if (!c->back.alive)
		backend_start(c);
	if (c->life != LIFE_DOWN || !backend_open(c, gref, port))
		return false;
	c->life = LIFE_UP;
	spy_begin(c, mem_va(c->w->mem, c->dom,
			    c->w->mem->dom[c->dom].grant[gref].frame));
	world_note(c->w, "up", c->index, gref);
	return true;
}

bool controller_ring_up(struct controller *c)
{
	c->ringed = c->type->up(c);
	return c->ringed;
}

void controller_use(struct controller *c)
{
	c->sending = true;
	c->type->begin(c);
}

void controller_quiesce(struct controller *c)
{
	c->sending = false;
}

void controller_left(struct controller *c, uint32_t frame)
{
	if (!c->by_bus)
		world_fail(c->w, "pages", "the ring is still mapped");
	if (c->left == LEFT_MAX)
		world_fail(c->w, "bound", "%u rings are left mapped", c->left);
	c->left_gref[c->left] = c->gref;
	c->left_frame[c->left++] = frame;
}

/* The backend has let go of what it had. */
static void reclaim(struct controller *c)
{
	while (c->left) {
		c->left--;
		if (!mem_revoke(c->w->mem, c->dom, c->left_gref[c->left]))
			world_fail(c->w, "pages", "a ring stays mapped");
		mem_page_free(c->w->mem, c->dom, c->left_frame[c->left]);
	}
}

void controller_ring_down(struct controller *c)
{
	c->gen++;
	c->planned = false;
	c->ringed = c->sending = false;
	c->type->lost(c, false);
	world_note(c->w, "down", c->index, 0);
}

/* The backend's end only: the frontend will hear of it. */
static void back_down(struct controller *c)
{
	c->life = LIFE_DOWN;
	spy_end(c);
	reclaim(c);
	world_note(c->w, "back-down", c->index, 0);
	bus_back_changed(c);
	bus_front_changed(c);
}

void controller_closed(struct controller *c)
{
	if (c->by_bus) {
		spy_responses(c);
		backend_luns_gone(c);
		back_down(c);
		return;
	}
	down(c, rng_range(&c->w->rng, 10, 3000) * US);
}

static void close_ring(struct controller *c)
{
	if (c->life != LIFE_UP)
		return;
	c->life = LIFE_CLOSING;
	if (c->lies)
		liar_close(c);
	else
		backend_close(c);
}

void controller_disconnect(struct controller *c)
{
	close_ring(c);
}

void controller_broken(struct controller *c)
{
	if (c->type->honest)
		world_fail(c->w, "once",
			   "controller %u: the backend says that the ring is "
			   "broken",
			   c->index);
	close_ring(c);
}

/* The worker dies; its disks lose their power, too, if POWER. */
static void die(struct controller *c, bool power)
{
	uint32_t i;

	if (!c->back.alive)
		return;
	world_note(c->w, power ? "power-loss" : "worker-dies", c->index, 0);
	if (c->life != LIFE_DOWN)
		spy_responses(c);
	backend_kill(c);
	for (i = 0; i < c->luns && power; i++) {
		disk_power_loss(&c->lun[i].disk);
		model_power_loss(&c->lun[i].model);
	}
	if (c->by_bus) {
		c->bus.failed = true;
		back_down(c);
	} else {
		down(c, rng_range(&c->w->rng, 10, 3000) * US);
	}
}

/* ---- frontends ---- */

static void run(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;

	if (arg != c->gen)
		return;
	c->planned = false;
	if (!c->ringed || c->paused)
		return;
	if (c->frozen > c->w->now) {
		c->planned = true;
		world_at(c->w, c->frozen - c->w->now, run, c, c->gen);
		return;
	}
	c->running = true;
	spy_responses(c);
	c->type->run(c);
	spy_requests(c);
	c->running = false;
}

void controller_wake(void *ctx)
{
	struct controller *c = ctx;

	if (c->planned)
		return;
	c->planned = true;
	world_at(c->w, rng_range(&c->w->rng, 300, 6000), run, c, c->gen);
}

void controller_meanwhile(struct controller *c)
{
	if (c->running || c->life != LIFE_UP || c->paused ||
	    c->frozen > c->w->now || !world_fault(c->w, FAULT_MEANWHILE))
		return;
	c->running = true;
	spy_responses(c);
	c->type->meanwhile(c);
	spy_requests(c);
	c->running = false;
}

/* ---- its life ---- */

static void freeze(struct world *w, uint64_t *until)
{
	*until = w->now + rng_below(&w->rng, 5000) * US;
}

/* Close the ring in order; who is PAUSED does not look at it meanwhile. */
static void leave(struct controller *c, bool paused, bool moved)
{
	if (c->by_bus)
		bus_leave(c);
	if (c->by_bus || c->life != LIFE_UP)
		return;
	c->paused = paused;
	c->moved = moved;
	close_ring(c);
}

void controller_leave(struct controller *c)
{
	leave(c, false, false);
}

static void live_on(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;
	struct world *w = c->w;

	(void)arg;
	if (w->live)
		return;
	if (world_fault(w, FAULT_FREEZE_FRONT))
		freeze(w, &c->frozen);
	if (world_fault(w, FAULT_FREEZE_BACK))
		freeze(w, &c->back.frozen);
	if (world_fault(w, FAULT_KILL_BACK))
		die(c, false);
	if (world_fault(w, FAULT_POWER))
		die(c, true);
	if (c->life == LIFE_UP && c->back.alive &&
	    world_fault(w, FAULT_TAKE_OVER))
		backend_take_over(c);
	if (!c->by_bus && world_fault(w, FAULT_KILL_FRONT))
		leave(c, true, false);
	if (!c->by_bus && world_fault(w, FAULT_SUSPEND))
		leave(c, true, c->alone);
	if (world_fault(w, FAULT_RECONNECT))
		leave(c, false, false);
	if (world_fault(w, FAULT_LUNS))
		luns_change(c);
	world_at(w, rng_range(&w->rng, 20, 200) * US, live_on, c, 0);
}

void controller_begin(struct controller *c)
{
	world_at(c->w, 0, live_on, c, 0);
}

void controller_live(struct controller *c)
{
	c->frozen = 0;
	c->back.frozen = 0;
	if (!c->type->honest || c->lies) {
		controller_close(c);
		return;
	}
	if (c->by_bus)
		bus_wanted(c);
	if (c->ringed)
		controller_wake(c);
}

bool controller_quiet(struct controller *c)
{
	if (c->by_bus)
		return bus_settled(c) && (c->closed || load_finished(c));
	if (c->closed || !c->type->honest || c->lies)
		return c->life == LIFE_DOWN;
	if (c->life != LIFE_UP || !all_luns(c))
		return false;
	return load_finished(c);
}

void controller_close(struct controller *c)
{
	c->closed = true;
	if (c->by_bus)
		bus_remove(c);
	else
		close_ring(c);
}
