/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frontend written down from the protocol alone, sharing no code with the
 * engine: a second opinion on what a guest may do, and the ground that the
 * hostile one stands on.
 */
#ifndef SIM_RAW_H
#define SIM_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/ring.h"
#include "wire/scsi.h"

struct controller;

/* The frontend's end of a ring in its own page. */
struct raw_ring {
	uint32_t frame;
	struct wire_ring *shared;
	uint32_t req_prod, req_told, rsp_cons;
};

/* Make an empty ring, grant it, and a channel: sets c->gref and c->port. */
bool raw_ring_up(struct controller *c, struct raw_ring *r);
/* Give all of it back; MOVED: the grants are gone already. */
void raw_ring_down(struct controller *c, struct raw_ring *r, bool moved);

/* Where request number I goes, and where response I is. */
void *raw_slot(const struct raw_ring *r, uint32_t i);

/* Publish the requests written, and notify if the backend wants it. */
void raw_push(struct controller *c, struct raw_ring *r);

#endif
