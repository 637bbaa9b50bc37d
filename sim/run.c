/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/run.h"

#include "sim/check.h"
#include "sim/controller.h"
#include "sim/events.h"
#include "sim/mem.h"
#include "sim/store.h"
#include "sim/world.h"

/* Virtual time within which all must be done when nothing fails any more. */
#define QUIET_NS (20 * SEC)

static struct world world;
static struct mem mem;
static struct events events;
static struct store store;

/* One to three guests, each with one or two controllers. */
static void populate(struct world *w)
{
	uint32_t guests = rng_range(&w->rng, 1, MEM_DOMS - 1), dom, n;

	for (dom = 1; dom <= guests; dom++) {
		n = rng_range(&w->rng, 1, 2);
		while (n--) {
			struct controller *c =
				controller_new(w, w->controllers, dom);

			w->controller[w->controllers++] = c;
		}
	}
	for (n = 0; n < w->controllers; n++) {
		struct controller *c = w->controller[n];

		c->alone = (n == 0 || w->controller[n - 1]->dom != c->dom) &&
			   (n + 1 == w->controllers ||
			    w->controller[n + 1]->dom != c->dom);
		controller_begin(c);
	}
}

static bool quiet(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->controllers; i++)
		if (!controller_quiet(w->controller[i]))
			return false;
	return true;
}

static void until_quiet(struct world *w, const char *what)
{
	uint64_t limit = w->now + QUIET_NS;
	uint32_t i;

	while (!quiet(w)) {
		if (world_step(w, limit))
			continue;
		for (i = 0; controller_quiet(w->controller[i]); i++)
			;
		world_fail(w, "live",
			   "controller %u (%s) %s: %u commands, %u requests "
			   "open",
			   i, w->controller[i]->type->name, what,
			   w->controller[i]->load.out,
			   w->controller[i]->spy.open);
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

uint64_t run_seed(uint64_t seed, uint64_t steps, bool trace,
		  struct run_sum *sum)
{
	struct world *w = &world;
	uint32_t i;

	world_init(w, seed, steps, trace);
	check_begin(w);
	mem_init(&mem, w);
	events_init(&events, w);
	store_init(&store, w);
	w->store = &store;
	populate(w);
	while (w->step < steps && world_step(w, UINT64_MAX))
		;
	w->live = true;
	world_note(w, "second-phase", 0, 0);
	if (world_has(w, FAULT_EVENT_LOST))
		event_kick_all(w->events);
	for (i = 0; i < w->controllers; i++)
		controller_live(w->controller[i]);
	until_quiet(w, "does not come to rest");
	for (i = 0; i < w->controllers; i++)
		check_settled(w->controller[i]);
	for (i = 0; i < w->controllers; i++)
		controller_close(w->controller[i]);
	until_quiet(w, "does not close");
	sum->steps += w->step;
	sum->ops += w->ops;
	sum->hash = sum->hash * 31 + w->hash;
	for (i = 0; i < w->controllers; i++)
		controller_free(w->controller[i]);
	store_fini(&store);
	check_given_back(w);
	check_end(w);
	return w->hash;
}
