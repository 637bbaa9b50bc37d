/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A deterministic world: virtual time, a queue of events, one seed. Everything
 * that happens is an event's function; between two events time passes as the
 * second says, and nothing else. Two runs of one seed are the same run.
 *
 * A run has two phases. In the first, faults happen: which kinds, and how often,
 * is drawn from the seed as well (each seed has its own mixture, so that rare
 * combinations come up without one fault hiding the others). In the second
 * there are none any more: within bounded time everything must have been
 * answered, and everything written must be there.
 *
 * What must hold is said by checkers (sim/check.h). The first one that does not
 * ends the process by world_fail().
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/rng.h"

#define US  1000ull
#define MS  1000000ull
#define SEC 1000000000ull

/* What can go wrong; names in world.c. */
enum fault {
	/* events */
	FAULT_EVENT_LATE,
	FAULT_EVENT_LOST, /* the receiver hears of it with the next one */
	FAULT_EVENT_TWICE,
	FAULT_EVENT_NONE, /* one that nobody sent */
	/* grants */
	FAULT_COPY,  /* a grant copy fails */
	FAULT_GRANT, /* no grant is free */
	FAULT_MAP,   /* a ring cannot be mapped */
	/* storage */
	FAULT_READ,
	FAULT_WRITE, /* some blocks of it may have been written */
	FAULT_FLUSH,
	FAULT_FULL,
	FAULT_UNSUPPORTED, /* zeroing, discarding and extents */
	FAULT_SLOW,
	FAULT_POWER, /* what was not flushed is old or new, block by block */
	/* peers */
	FAULT_FREEZE_FRONT,
	FAULT_FREEZE_BACK,
	FAULT_KILL_FRONT,
	FAULT_KILL_BACK,
	FAULT_TAKE_OVER, /* the worker dies, another goes on */
	FAULT_DIE,	 /* the same, before any store of an engine */
	FAULT_SUSPEND,
	FAULT_RECONNECT,
	FAULT_LUNS, /* they come and go */
	/* what a guest asks for */
	FAULT_ABORT,
	FAULT_RESET,
	FAULT_ODD,   /* commands that are refused */
	FAULT_STATE, /* stop, modes, reservations */
	/* what two processors make possible */
	FAULT_MEANWHILE, /* the peer runs in the middle of a step */
	FAULTS,
};

struct mem;
struct events;
struct store;
struct controller;

#define CONTROLLERS_MAX 8

/* Called at its time. ARG is what world_at() was given. */
typedef void event_fn(void *ctx, uint32_t arg);

struct event {
	uint64_t at, seq;
	event_fn *fn;
	void *ctx;
	uint32_t arg;
};

struct world {
	uint64_t seed, now, step, steps_max;
	struct rng rng;
	uint32_t rate[FAULTS]; /* in RATE_ONE */
	bool live;	       /* the second phase */
	bool trace;	       /* write what happens to stdout */
	bool blk;	       /* it is one of disks (sim/blk.h) */
	uint64_t hash;	       /* of all that has happened */
	struct mem *mem;
	struct events *events;
	struct store *store;
	struct controller *controller[CONTROLLERS_MAX];
	uint32_t controllers;
	uint64_t ops; /* commands that have ended */
	/* the queue: a binary heap */
	struct event *heap;
	uint32_t queued;
	uint64_t seq;
};

#define RATE_ONE 65536u

/* The only world of this process, for what has no context of its own. */
extern struct world *world_now;

/* Begin the run of SEED. The heap's memory is kept from the last one. */
void world_init(struct world *w, uint64_t seed, uint64_t steps, bool trace);

/* Call FN(CTX, ARG) in DELAY ns. */
void world_at(struct world *w, uint64_t delay, event_fn *fn, void *ctx,
	      uint32_t arg);

/* The next event, if there is one at or before UNTIL. False: there is none. */
bool world_step(struct world *w, uint64_t until);

/* Does F happen now? Never in the second phase. */
bool world_fault(struct world *w, enum fault f);

/* Is F among the faults of this seed? */
bool world_has(const struct world *w, enum fault f);

/* Note that WHAT has happened: a part of the hash, a line with --trace. */
void world_note(struct world *w, const char *what, uint64_t a, uint64_t b);

/* CHECKER has found that something does not hold. Does not return. */
void world_fail(struct world *w, const char *checker, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* Print failures as JSON from now on. */
void world_json(bool on);

const char *world_fault_name(enum fault f);

#endif
