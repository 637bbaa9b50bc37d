/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated machine under a queue of a disk. */
#include <errno.h>
#include <stdlib.h>

#include "sim/blk.h"
#include "sim/events.h"
#include "sim/mem.h"

struct host_link {
	struct blk_sim_queue *q;
	uint32_t pages, port;
	uint32_t gref[BLK_SIM_PAGES];
	void (*call)(void *ctx);
	void *ctx;
};

static void on_event(void *ctx)
{
	struct host_link *l = ctx;

	if (l->call)
		l->call(l->ctx);
	blk_back_wake(l->q);
}

static void unmap_ring(struct host_link *l, uint32_t n)
{
	while (n-- > 0)
		mem_unmap(l->q->g->w->mem, l->q->g->dom, l->gref[n]);
}

static int sim_open(struct host_link **out, const char *place,
		    const struct host_ring *ring, void **shared,
		    const char **why)
{
	struct blk_sim_queue *q = blk_queue_of(ring->domid, ring->gref[0]);
	struct host_link *l;
	uint8_t *at;
	uint32_t i;

	(void)place;
	*why = "fault";
	if (!q || world_fault(q->g->w, FAULT_MAP))
		return -EIO;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	*l = (struct host_link){
		.q = q, .pages = ring->pages, .port = ring->port};
	for (i = 0; i < ring->pages; i++) {
		l->gref[i] = ring->gref[i];
		at = mem_map(q->g->w->mem, 0, q->g->dom, l->gref[i]);
		if (!at ||
		    (i > 0 && at != (uint8_t *)*shared + i * WIRE_PAGE_SIZE))
			world_fail(q->g->w, "pages", "a ring in pieces");
		if (i == 0)
			*shared = at;
	}
	if (!event_bind(q->g->w->events, q->g->dom, l->port, true, on_event,
			l)) {
		unmap_ring(l, l->pages);
		free(l);
		return -EINVAL;
	}
	*out = l;
	return 0;
}

static void sim_close(struct host_link *l)
{
	struct events *e = l->q->g->w->events;

	if (event_bound(e, l->port, l))
		event_unbind(e, l->port);
	unmap_ring(l, l->pages);
	free(l);
}

static void sim_copy(struct host_link *l, struct host_copy *c, unsigned n,
		     bool to_guest)
{
	struct world *w = l->q->g->w;
	unsigned i;

	for (i = 0; i < n; i++) {
		blk_spy_copy(l->q, &c[i], to_guest);
		c[i].ok = !world_fault(w, FAULT_COPY) &&
			  mem_copy(w->mem, 0, l->q->g->dom, c[i].gref,
				   c[i].offset, c[i].len, c[i].local, to_guest);
	}
}

static int sim_map(struct host_link *l, uint32_t gref, void **at)
{
	struct world *w = l->q->g->w;

	*at = world_fault(w, FAULT_COPY)
		      ? NULL
		      : mem_map(w->mem, 0, l->q->g->dom, gref);
	return *at ? 0 : -EINVAL;
}

static void sim_unmap(struct host_link *l, uint32_t gref, void *at)
{
	(void)at;
	mem_unmap(l->q->g->w->mem, l->q->g->dom, gref);
}

static void sim_notify(struct host_link *l)
{
	struct events *e = l->q->g->w->events;

	if (event_bound(e, l->port, l))
		event_send(e, l->port, END_BACK);
}

static void sim_listen(struct host_link *l, struct uring *u,
		       void (*call)(void *ctx), void *ctx)
{
	(void)u;
	l->call = call;
	l->ctx = ctx;
}

static void sim_rearm(struct host_link *l, struct uring *u)
{
	struct events *e = l->q->g->w->events;

	(void)u;
	if (event_bound(e, l->port, l))
		event_unmask(e, l->port, END_BACK);
}

const struct host_ops host_sim_blk = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.copy = sim_copy,
	.map = sim_map,
	.unmap = sim_unmap,
	.notify = sim_notify,
	.listen = sim_listen,
	.rearm = sim_rearm,
};
