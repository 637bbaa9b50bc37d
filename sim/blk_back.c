/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's queues of disks in the world: see blk.h. */
#include <stdlib.h>
#include <string.h>

#include "sim/blk.h"
#include "sim/world.h"

static const struct log_where nowhere;

static uint64_t now_ns(void *ctx)
{
	return ((struct blk_sim_queue *)ctx)->g->w->now;
}

static void turn(void *ctx, uint32_t arg);

static void plan(struct blk_sim_queue *q, uint64_t delay)
{
	if (q->back_planned || !q->alive)
		return;
	q->back_planned = true;
	world_at(q->g->w, delay, turn, q, q->back_gen);
}

void blk_back_wake(struct blk_sim_queue *q)
{
	plan(q, rng_range(&q->g->w->rng, 500, 8000));
}

/* As worker/queue.c: look for some time, then ask for an event and sleep, with
 * a limit's deadline. */
static void rest(struct blk_sim_queue *q)
{
	uint64_t due = blk_path_deadline(&q->path), now = q->g->w->now;

	if (q->path.engine && q->looks < q->look_max) {
		q->looks++;
		if (blk_path_has_work(&q->path)) {
			q->looks = 0;
			plan(q, 200);
			return;
		}
		blk_path_tell_some(&q->path);
		plan(q, 3000);
		return;
	}
	q->looks = 0;
	if (!blk_path_rest(&q->path))
		plan(q, 200);
	/* It may be woken earlier, and looks then. */
	else if (due && due < now + SEC)
		plan(q, due > now ? due - now : 200);
}

static void settle(struct blk_sim_queue *q)
{
	if (q->path.peer.broken)
		blk_broken(q);
	if (blk_path_closed(&q->path)) {
		limit_drop(q->g->limit);
		q->alive = false;
		q->back_gen++;
		blk_closed(q->g);
	}
}

static void turn(void *ctx, uint32_t arg)
{
	struct blk_sim_queue *q = ctx;
	struct world *w = q->g->w;
	bool busy;

	if (arg != q->back_gen)
		return;
	q->back_planned = false;
	if (q->g->back_frozen > w->now) {
		plan(q, q->g->back_frozen - w->now);
		return;
	}
	blk_spy_requests(q);
	busy = blk_path_turn(&q->path);
	blk_spy_responses(q);
	if (busy) {
		q->looks = 0;
		plan(q, rng_range(&w->rng, 500, 5000));
	} else {
		rest(q);
	}
	settle(q);
}

static void disk_woke(void *ctx)
{
	struct blk_guest *g = ctx;
	uint32_t i;

	for (i = 0; i < g->queues; i++)
		if (g->q[i].alive)
			blk_back_wake(&g->q[i]);
}

bool blk_back_open(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct rng *r = &g->w->rng;
	const struct peer_cfg cfg = {
		.host = &host_sim_blk,
		.domid = g->dom,
		.where = &nowhere,
		.now_ns = now_ns,
		.ctx = q,
		.hold_ns = rng_range(r, 0, 60) * US,
		.eager = rng_odds(r, 1, 2),
	};
	struct proto_blk blk = {
		.pages = g->pages,
		.port = q->port,
		.abi = g->abi,
		.features = g->features,
		.indirect_max = g->indirect,
		.persistent_max = g->persistent,
		.salt = (uint32_t)rng_next(r),
		.block_size = g->disk.block_size,
		.size = (uint64_t)g->disk.blocks * g->disk.block_size,
	};
	const struct storage_cfg storage_cfg = {.fd = -1};
	struct storage *storage;
	const char *why;

	memcpy(blk.gref, q->gref, sizeof(q->gref));
	g->disk.woken = disk_woke;
	g->disk.ctx = g;
	disk_next = &g->disk;
	if (storage_sim.open(&storage, &storage_cfg, NULL) < 0)
		abort();
	blk_path_init(&q->path, &cfg);
	if (blk_path_open(&q->path, &blk, NULL, storage, g->limit, &why) < 0) {
		storage->driver->close(storage);
		return false;
	}
	(void)limit_hold(g->dom);
	q->alive = true;
	q->back_planned = false;
	q->looks = 0;
	q->look_max = rng_below(r, 12);
	blk_back_wake(q);
	return true;
}

void blk_back_shut(struct blk_sim_queue *q)
{
	if (!q->alive || q->path.peer.closing)
		return;
	blk_path_close(&q->path);
	blk_back_wake(q);
}

/* The process is gone; the kernel gives back what it had. The disk has been told
 * already (disk_orphan()). */
void blk_back_kill(struct blk_sim_queue *q)
{
	struct blk_path *p = &q->path;
	uint32_t i;

	if (!q->alive)
		return;
	for (i = 0; i < q->g->persistent; i++)
		if (p->map[i].at)
			host_sim_blk.unmap(p->peer.link, p->map[i].gref,
					   p->map[i].at);
	p->storage->driver->close(p->storage);
	peer_close(&p->peer);
	arena_fini(&p->arena);
	free(p->slot);
	free(p->map);
	free(p->engine_mem);
	memset(p, 0, sizeof(*p));
	limit_drop(q->g->limit);
	q->alive = false;
	q->back_gen++;
}
