/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world of core/bus for tests: xenstore, a backend that lets bus_back_step()
 * decide, and a toolstack. The frontend is the includer's: it defines
 * front_turn(), one step of it, which says whether there was anything to do.
 */
#ifndef TEST_BUS_WORLD_H
#define TEST_BUS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bus.h"

#define LUNS 4

/* Xenstore. */
struct nodes {
	uint32_t own, front, online, ring;
	uint32_t lun_own[LUNS], lun_front[LUNS];
};

/* The frontend: either a model of the stock driver, or ours. */
struct front {
	bool event; /* a change of the backend's state it has not read */
	bool busy;  /* has read, has not acted */
	bool has[LUNS];
	bool refuses[LUNS]; /* cannot add this one */
	/* Linux' xen-scsifront, an action in two steps */
	bool present;
	uint32_t state; /* what the driver thinks its state is */
	uint32_t state_seen;
	bool paused; /* suspended and not yet connected again */
	bool reset;  /* kexec: walks 5, 6, 1, then probes */
	/* bus_front_step() */
	struct nodes seen;
	bool late;	/* a fact */
	bool connected; /* the engine is in use */
	bool unwanted;
	uint32_t writes; /* of our state */
	uint32_t ring;	 /* ours, if it is the one in the nodes; else 0 */
};

struct back {
	struct nodes seen;
	bool busy; /* has read `seen`, has not written */
	bool connected, failed;
	uint32_t held; /* the ring that we are connected to */
	uint32_t ring; /* the ring whose states were written */
	bool has[LUNS];
	bool removed;
};

struct world {
	struct nodes xs;
	struct front front;
	struct back back;
	uint32_t rings;
	uint64_t seed;
};

static uint32_t pick(struct world *w, uint32_t n)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->seed >> 33) % n;
}

static void write_own(struct world *w, uint32_t state)
{
	w->xs.own = state;
	w->front.event = true;
}

static bool front_turn(struct world *w);

static struct bus_facts facts_of(const struct world *w, const struct nodes *n)
{
	return (struct bus_facts){
		.own = n->own,
		.front = n->front,
		.online = n->online,
		.connected = w->back.connected,
		.failed = w->back.failed,
		.ring_changed = (w->back.ring && w->back.ring != n->ring) ||
				(w->back.connected && w->back.held != n->ring),
	};
}

/* Acts on what was read, and writes only if the states still stand. */
static bool back_act(struct world *w)
{
	struct back *b = &w->back;
	struct bus_facts f = facts_of(w, &b->seen);
	struct bus_step s = bus_back_step(&f);
	uint32_t lun[LUNS];
	bool change = s.action != BUS_NONE || s.next != f.own;
	int i;

	if (s.action == BUS_REMOVE) {
		change = !b->removed;
		b->removed = true;
		return change;
	}
	if (s.action == BUS_CONNECT) {
		b->connected = true;
		b->held = b->seen.ring;
	} else if (s.action == BUS_DISCONNECT) {
		b->connected = false;
		memset(b->has, 0, sizeof(b->has));
	}
	for (i = 0; i < LUNS; i++) {
		struct bus_lun_step u = bus_lun_step(&f, &s, b->seen.lun_own[i],
						     b->seen.lun_front[i]);

		if (u.action != BUS_LUN_NONE)
			b->has[i] = u.action == BUS_LUN_ADD;
		lun[i] = u.next;
		change |= u.next != b->seen.lun_own[i];
	}
	if (!change)
		return false;
	if (w->xs.own != b->seen.own || w->xs.front != b->seen.front)
		return true;
	if (s.action == BUS_CONNECT)
		b->ring = b->held;
	memcpy(w->xs.lun_own, lun, sizeof(lun));
	if (w->xs.own != s.next)
		write_own(w, s.next);
	return true;
}

/* Returns whether anything is left to do: nothing, once read and decided. */
static bool back_turn(struct world *w)
{
	if (!w->back.busy) {
		w->back.seen = w->xs;
		w->back.busy = true;
		return true;
	}
	w->back.busy = false;
	return back_act(w);
}

/* Our process dies and starts again: only the journal's ring is left. */
static void back_restart(struct world *w)
{
	w->back = (struct back){.ring = w->back.ring};
}

/* Both ends in any order until nothing moves. */
static void settle(struct world *w)
{
	uint32_t i, quiet = 0;

	for (i = 0; i < 10000 && quiet < 3; i++) {
		bool moved = false;

		if (pick(w, 2)) {
			moved |= front_turn(w);
		} else {
			moved |= back_turn(w);
		}
		if (moved) {
			quiet = 0;
			continue;
		}
		/* One was idle: give all of them a whole turn to be sure. */
		if (!front_turn(w) && !w->back.busy) {
			back_turn(w);
			if (!back_turn(w))
				quiet++;
			else
				quiet = 0;
		} else {
			quiet = 0;
		}
	}
	if (i == 10000)
		fail_msg("never quiet: own %u front %u", w->xs.own,
			 w->xs.front);
}

static void some_turns(struct world *w, uint32_t max)
{
	uint32_t n = pick(w, max + 1);

	while (n--) {
		if (pick(w, 2))
			front_turn(w);
		else
			back_turn(w);
	}
}

/* The toolstack's two changes, each one transaction; only if it may. */
static bool tool_add(struct world *w, int i)
{
	if (w->xs.own != 4 && w->xs.own != 2 && w->xs.own != 1)
		return false;
	w->xs.lun_own[i] = 1;
	if (w->xs.own == 4)
		write_own(w, 7);
	return true;
}

static bool tool_remove(struct world *w, int i)
{
	if (w->xs.own != 4 && w->xs.own != 2 && w->xs.own != 1)
		return false;
	w->xs.lun_own[i] = 5;
	if (w->xs.own == 4)
		write_own(w, 7);
	return true;
}

static void connected_well(struct world *w, uint64_t seed)
{
	int i;

	if (w->xs.own != 4 || w->xs.front != 4 || !w->back.connected ||
	    w->back.held != w->xs.ring)
		fail_msg("seed %llu: own %u front %u connected %d ring %u/%u",
			 (unsigned long long)seed, w->xs.own, w->xs.front,
			 w->back.connected, w->back.held, w->xs.ring);
	for (i = 0; i < LUNS; i++) {
		bool there = w->xs.lun_own[i] == 4;

		if ((w->xs.lun_own[i] != 4 && w->xs.lun_own[i] != 6 &&
		     w->xs.lun_own[i] != 0) ||
		    w->back.has[i] != there || w->front.has[i] != there)
			fail_msg("seed %llu: lun %d %u/%u back %d front %d",
				 (unsigned long long)seed, i, w->xs.lun_own[i],
				 w->xs.lun_front[i], w->back.has[i],
				 w->front.has[i]);
	}
}

static void create(struct world *w, uint64_t seed)
{
	int i, n;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->xs.own = 1;
	w->xs.front = 1;
	w->xs.online = 1;
	n = (int)pick(w, LUNS);
	for (i = 0; i < n; i++)
		w->xs.lun_own[i] = 1;
	w->front.refuses[LUNS - 1] = pick(w, 2);
}

#endif
