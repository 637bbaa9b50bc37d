/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *world_now;

/* Events that may be waiting. */
#define ROOM 4096u

static bool as_json;

/* How often at most, in RATE_ONE; 0 in the name's place ends nothing. */
static const struct {
	const char *name;
	uint32_t most;
} faults[FAULTS] = {
	[FAULT_EVENT_LATE] = {"event-late", RATE_ONE / 4},
	[FAULT_EVENT_LOST] = {"event-lost", RATE_ONE / 8},
	[FAULT_EVENT_TWICE] = {"event-twice", RATE_ONE / 4},
	[FAULT_EVENT_NONE] = {"event-none", RATE_ONE / 16},
	[FAULT_COPY] = {"copy", RATE_ONE / 64},
	[FAULT_GRANT] = {"grant", RATE_ONE / 16},
	[FAULT_MAP] = {"map", RATE_ONE / 4},
	[FAULT_READ] = {"read", RATE_ONE / 16},
	[FAULT_WRITE] = {"write", RATE_ONE / 16},
	[FAULT_FLUSH] = {"flush", RATE_ONE / 4},
	[FAULT_FULL] = {"full", RATE_ONE / 16},
	[FAULT_UNSUPPORTED] = {"unsupported", RATE_ONE / 2},
	[FAULT_SLOW] = {"slow", RATE_ONE / 8},
	[FAULT_POWER] = {"power", RATE_ONE / 512},
	[FAULT_FREEZE_FRONT] = {"freeze-front", RATE_ONE / 128},
	[FAULT_FREEZE_BACK] = {"freeze-back", RATE_ONE / 128},
	[FAULT_KILL_FRONT] = {"kill-front", RATE_ONE / 512},
	[FAULT_KILL_BACK] = {"kill-back", RATE_ONE / 512},
	[FAULT_TAKE_OVER] = {"take-over", RATE_ONE / 256},
	[FAULT_DIE] = {"die", RATE_ONE / 32},
	[FAULT_SUSPEND] = {"suspend", RATE_ONE / 512},
	[FAULT_RECONNECT] = {"reconnect", RATE_ONE / 512},
	[FAULT_LUNS] = {"luns", RATE_ONE / 256},
	[FAULT_ABORT] = {"abort", RATE_ONE / 8},
	[FAULT_RESET] = {"reset", RATE_ONE / 32},
	[FAULT_ODD] = {"odd", RATE_ONE / 4},
	[FAULT_STATE] = {"state", RATE_ONE / 16},
	[FAULT_MEANWHILE] = {"meanwhile", RATE_ONE / 8},
};

const char *world_fault_name(enum fault f)
{
	return faults[f].name;
}

void world_json(bool on)
{
	as_json = on;
}

/* Half of the kinds of fault, each from rare to as often as it may be. */
static void draw_faults(struct world *w)
{
	uint32_t i;

	for (i = 0; i < FAULTS; i++) {
		w->rate[i] = 0;
		if (rng_odds(&w->rng, 1, 2))
			w->rate[i] =
				1 + (faults[i].most >> rng_below(&w->rng, 5));
	}
	/* One in four has none of those that hide missing events. */
	if (rng_odds(&w->rng, 1, 2)) {
		w->rate[FAULT_EVENT_LOST] = 0;
		w->rate[FAULT_EVENT_TWICE] = 0;
		w->rate[FAULT_EVENT_NONE] = 0;
	}
}

void world_init(struct world *w, uint64_t seed, uint64_t steps, bool trace)
{
	struct event *heap = w->heap;

	memset(w, 0, sizeof(*w));
	w->heap = heap ? heap : malloc(ROOM * sizeof(*heap));
	if (!w->heap)
		abort();
	w->seed = seed;
	w->steps_max = steps;
	w->trace = trace;
	w->now = SEC;
	w->hash = 0xcbf29ce484222325ull;
	rng_init(&w->rng, seed);
	draw_faults(w);
	world_now = w;
}

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void world_at(struct world *w, uint64_t delay, event_fn *fn, void *ctx,
	      uint32_t arg)
{
	struct event e = {w->now + delay, w->seq++, fn, ctx, arg};
	uint32_t i;

	if (w->queued == ROOM)
		world_fail(w, "memory", "%u events are waiting", ROOM);
	for (i = w->queued++; i > 0; i = (i - 1) / 2) {
		if (!before(&e, &w->heap[(i - 1) / 2]))
			break;
		w->heap[i] = w->heap[(i - 1) / 2];
	}
	w->heap[i] = e;
}

/* Take the first one out; put the last one in its place and let it sink. */
static struct event take(struct world *w)
{
	struct event first = w->heap[0], last = w->heap[--w->queued];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < w->queued) {
		if (child + 1 < w->queued &&
		    before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return first;
}

bool world_step(struct world *w, uint64_t until)
{
	struct event e;

	if (w->queued == 0 || w->heap[0].at > until)
		return false;
	e = take(w);
	w->now = e.at;
	w->step++;
	e.fn(e.ctx, e.arg);
	return true;
}

bool world_has(const struct world *w, enum fault f)
{
	return w->rate[f] != 0;
}

bool world_fault(struct world *w, enum fault f)
{
	if (w->live || !rng_odds(&w->rng, w->rate[f], RATE_ONE))
		return false;
	world_note(w, faults[f].name, 0, 0);
	return true;
}

static void mix(struct world *w, uint64_t v)
{
	w->hash = (w->hash ^ v) * 0x9e3779b97f4a7c15ull;
	w->hash ^= w->hash >> 29;
}

void world_note(struct world *w, const char *what, uint64_t a, uint64_t b)
{
	const char *c;
	uint64_t name = 0;

	for (c = what; *c; c++)
		name = name * 31 + (uint8_t)*c;
	mix(w, w->now);
	mix(w, name);
	mix(w, a);
	mix(w, b);
	if (w->trace)
		printf("%12" PRIu64 ".%03u us  %-16s %" PRIx64 " %" PRIx64 "\n",
		       (uint64_t)(w->now / US), (unsigned)(w->now % US), what,
		       a, b);
}

static void print_faults(const struct world *w)
{
	uint32_t i;

	for (i = 0; i < FAULTS; i++)
		if (w->rate[i])
			fprintf(stderr, " %s=1/%u", faults[i].name,
				RATE_ONE / w->rate[i]);
}

void world_fail(struct world *w, const char *checker, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (as_json)
		printf("{\"ok\": false, \"seed\": %" PRIu64
		       ", \"step\": %" PRIu64
		       ", \"checker\": \"%s\", \"text\": \"%s\"}\n",
		       w->seed, w->step, checker, text);
	fflush(stdout);
	fprintf(stderr,
		"seed %" PRIu64 ", step %" PRIu64 ", %s phase, checker %s: %s\n"
		"faults of this seed:",
		w->seed, w->step, w->live ? "second" : "first", checker, text);
	print_faults(w);
	fprintf(stderr,
		"\nagain: xenpv-sim %s--seed %" PRIu64 " --steps %" PRIu64
		" --trace\n",
		w->blk ? "--blk " : "", w->seed, w->steps_max);
	_Exit(1);
}
