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
#ifndef CONTROL_VSCSI_RING_H
#define CONTROL_VSCSI_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "control/tree.h"

/* What names a ring; `known` is false if the frontend has none. */
struct vscsi_ring {
	bool known;
	uint32_t gref, port;
};

/* The rings a controller has had. */
struct vscsi_rings {
	struct vscsi_ring held; /* the worker has it, or had it last */
	struct vscsi_ring told; /* the last that a state of ours, written after
				   connecting, has told the frontend of */
};

/* vscsi_ring_read - the ring in the nodes of a frontend. */
struct vscsi_ring vscsi_ring_read(const struct store_tree *front);

/*
 * vscsi_ring_changed - bus_facts.ring_changed
 * @connected: the worker has rings->held
 * @now: the frontend's ring as it is
 *
 * A frontend without a ring is on its way from or to one, and its state says
 * more than this: false.
 */
bool vscsi_ring_changed(const struct vscsi_rings *rings, bool connected,
			const struct vscsi_ring *now);

#endif
