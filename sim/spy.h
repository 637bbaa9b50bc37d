/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at a ring from outside: what has been asked, what has been answered.
 * It knows nothing of either engine, reads the shared page when one side has
 * just written to it, and tells the checkers.
 */
#ifndef SIM_SPY_H
#define SIM_SPY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/scsi.h"

struct controller;

#define SPY_SEGS_MAX 1024u

/* A request that is on its way. */
struct spied {
	bool used;
	bool sound; /* its segments could be read */
	struct wire_scsi_req req;
	uint32_t nsegs, len;
	struct wire_scsi_seg seg[SPY_SEGS_MAX];
};

struct spy {
	uint8_t *ring; /* NULL: not connected */
	bool loose;  /* the frontend changes requests after it has sent them */
	bool broken; /* it has broken the indexes: anything goes */
	uint32_t req_seen, rsp_seen;
	uint32_t open; /* requests without an answer */
	struct spied out[WIRE_SCSI_RING_SIZE];
};

/* Begin to look at a ring that is empty. */
void spy_begin(struct controller *c, uint8_t *ring);

/* The ring is given up; what was not answered never will be. */
void spy_end(struct controller *c);

/* The frontend may have sent requests. */
void spy_requests(struct controller *c);

/* The backend may have sent responses. */
void spy_responses(struct controller *c);

#endif
