/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/events.h"

#include <string.h>

void events_init(struct events *e, struct world *w)
{
	memset(e, 0, sizeof(*e));
	e->w = w;
	w->events = e;
}

/* arg: port, end, and the generation of the port. */
static uint32_t arg_of(const struct events *e, uint32_t port, enum end end)
{
	return port | (uint32_t)end << 8 | (uint32_t)e->port[port].gen << 16;
}

static void deliver(struct events *e, uint32_t port, enum end end)
{
	struct port *p = &e->port[port];
	struct port_end *to = &p->end[end];

	if (!to->call)
		return;
	if (to->masked) {
		to->arrived = true;
		return;
	}
	to->arrived = false;
	to->pending = false;
	to->masked = to->masks;
	p->heard++;
	world_note(e->w, end == END_FRONT ? "event>front" : "event>back", port,
		   0);
	to->call(to->ctx);
}

static void arrive(void *ctx, uint32_t arg)
{
	struct events *e = ctx;
	uint32_t port = arg & 0xff;

	if (e->port[port].used && e->port[port].gen == arg >> 16)
		deliver(e, port, (enum end)((arg >> 8) & 1));
}

static uint64_t latency(struct events *e)
{
	uint64_t ns = rng_range(&e->w->rng, 500, 20000);

	if (world_fault(e->w, FAULT_EVENT_LATE))
		ns += rng_below(&e->w->rng, 20) * MS;
	return ns;
}

static void post(struct events *e, uint32_t port, enum end to)
{
	world_at(e->w, latency(e), arrive, e, arg_of(e, port, to));
}

uint32_t event_alloc(struct events *e, uint32_t dom, void (*call)(void *ctx),
		     void *ctx)
{
	uint32_t i;

	for (i = 1; i < PORTS_MAX && e->port[i].used; i++)
		;
	if (i == PORTS_MAX)
		world_fail(e->w, "memory", "event channels are not given back");
	e->port[i] = (struct port){.used = true,
				   .gen = (uint16_t)(e->port[i].gen + 1),
				   .dom = dom};
	e->port[i].end[END_FRONT].call = call;
	e->port[i].end[END_FRONT].ctx = ctx;
	return i;
}

void event_free(struct events *e, uint32_t port)
{
	e->port[port].used = false;
}

bool event_bind(struct events *e, uint32_t dom, uint32_t port, bool masks,
		void (*call)(void *ctx), void *ctx)
{
	struct port_end *to;

	if (port >= PORTS_MAX || !e->port[port].used ||
	    e->port[port].dom != dom || e->port[port].end[END_BACK].call)
		return false;
	to = &e->port[port].end[END_BACK];
	*to = (struct port_end){.call = call, .ctx = ctx, .masks = masks};
	/* Xen: a new binding begins with an event. */
	to->pending = true;
	post(e, port, END_BACK);
	return true;
}

void event_unbind(struct events *e, uint32_t port)
{
	e->port[port].end[END_BACK] = (struct port_end){0};
}

bool event_bound(const struct events *e, uint32_t port, const void *ctx)
{
	return e->port[port].used && e->port[port].end[END_BACK].ctx == ctx;
}

void event_send(struct events *e, uint32_t port, enum end from)
{
	enum end to = from == END_FRONT ? END_BACK : END_FRONT;
	struct port *p = &e->port[port];

	if (!p->used)
		return;
	p->sent++;
	world_note(e->w, from == END_FRONT ? "notify>back" : "notify>front",
		   port, 0);
	if (world_fault(e->w, FAULT_EVENT_LOST))
		return;
	if (world_fault(e->w, FAULT_EVENT_TWICE))
		post(e, port, to);
	if (p->end[to].pending)
		return; /* it will hear of both at once */
	p->end[to].pending = true;
	post(e, port, to);
}

void event_unmask(struct events *e, uint32_t port, enum end end)
{
	struct port_end *to = &e->port[port].end[end];

	to->masked = false;
	if (to->arrived)
		post(e, port, end);
	if (world_fault(e->w, FAULT_EVENT_NONE))
		post(e, port, end);
}

void event_kick_all(struct events *e)
{
	uint32_t i, end;

	for (i = 0; i < PORTS_MAX; i++)
		for (end = 0; end < 2 && e->port[i].used; end++)
			post(e, i, (enum end)end);
}
