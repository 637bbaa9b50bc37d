/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated machine under a worker: grants and events of the world. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/backend.h"
#include "sim/check.h"
#include "sim/controller.h"
#include "sim/events.h"
#include "sim/mem.h"

struct host_link {
	struct world *w;
	struct controller *c;
	uint32_t gref, port;
	void (*call)(void *ctx);
	void *ctx;
};

/* The controller whose ring is GREF of DOM. */
static struct controller *owner(struct world *w, uint32_t dom, uint32_t gref)
{
	uint32_t i;

	for (i = 0; i < w->controllers; i++)
		if (w->controller[i]->dom == dom &&
		    w->controller[i]->gref == gref)
			return w->controller[i];
	return NULL;
}

static void on_event(void *ctx)
{
	struct host_link *l = ctx;

	if (l->call)
		l->call(l->ctx);
	backend_wake(&l->c->back);
}

static int sim_open(struct host_link **out, const char *place,
		    const struct host_ring *ring, void **shared,
		    const char **why)
{
	const uint32_t domid = ring->domid, gref = ring->gref[0];
	struct world *w = world_now;
	struct controller *c = owner(w, domid, gref);
	struct host_link *l;

	(void)place;
	*why = "fault";
	if (!c || ring->pages != 1 || world_fault(w, FAULT_MAP))
		return -EIO;
	*shared = mem_map(w->mem, 0, domid, gref);
	if (!*shared)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	*l = (struct host_link){
		.w = w, .c = c, .gref = gref, .port = ring->port};
	if (!event_bind(w->events, domid, ring->port, true, on_event, l)) {
		mem_unmap(w->mem, domid, gref);
		free(l);
		return -EINVAL;
	}
	*out = l;
	return 0;
}

static void sim_close(struct host_link *l)
{
	if (event_bound(l->w->events, l->port, l))
		event_unbind(l->w->events, l->port);
	mem_unmap(l->w->mem, l->c->dom, l->gref);
	free(l);
}

static void sim_copy(struct host_link *l, struct host_copy *c, unsigned n,
		     bool to_guest)
{
	unsigned i;

	controller_meanwhile(l->c);
	for (i = 0; i < n; i++) {
		check_copy(l->c, &c[i], to_guest);
		c[i].ok = !world_fault(l->w, FAULT_COPY) &&
			  mem_copy(l->w->mem, 0, l->c->dom, c[i].gref,
				   c[i].offset, c[i].len, c[i].local, to_guest);
	}
}

static void sim_notify(struct host_link *l)
{
	if (event_bound(l->w->events, l->port, l))
		event_send(l->w->events, l->port, END_BACK);
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
	(void)u;
	if (event_bound(l->w->events, l->port, l))
		event_unmask(l->w->events, l->port, END_BACK);
}

const struct host_ops host_sim = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.copy = sim_copy,
	.notify = sim_notify,
	.listen = sim_listen,
	.rearm = sim_rearm,
};
