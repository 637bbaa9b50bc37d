/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ring a frontend has, and whether it is another one than ours: a module
 * that is loaded again, or a guest that is resumed, may be back with a new ring
 * before anybody has seen that it was away.
 *
 * Rings are told apart by the two numbers the frontend writes for them. A
 * kernel does not use a grant reference again while its page is mapped, so the
 * ring that the worker holds is never mistaken for a new one.
 */
#ifndef CONTROL_RING_ID_H
#define CONTROL_RING_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "control/tree.h"

/* What names a ring; `known` is false if the frontend has none. */
struct ring_id {
	bool known;
	uint32_t gref, port;
};

/* The rings a device has had. */
struct ring_ids {
	struct ring_id held; /* the worker has it, or had it last */
	struct ring_id told; /* the last that a state of ours, written after
				   connecting, has told the frontend of */
};

/* ring_id_read - the ring in the nodes of a frontend. */
struct ring_id ring_id_read(const struct store_tree *front);

/*
 * ring_id_changed - bus_facts.ring_changed
 * @connected: the worker has rings->held
 * @now: the frontend's ring as it is
 *
 * A frontend without a ring is on its way from or to one, and its state says
 * more than this: false.
 */
bool ring_id_changed(const struct ring_ids *rings, bool connected,
		     const struct ring_id *now);

#endif
