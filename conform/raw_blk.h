/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend's end of a block device, raw, as conform/raw_front.h is that of
 * PVSCSI: the handshake and rings of one page or several, one for each queue.
 * Callers have requests and responses in the layout x86_64-abi; what is in the
 * rings has that of `abi` (core/blk_abi.h).
 */
#ifndef CONFORM_RAW_BLK_H
#define CONFORM_RAW_BLK_H

#include "conform/raw_front.h"
#include "core/blk_abi.h"
#include "wire/blk.h"

#define RAW_QUEUES_MAX 16u

/* A queue that is not in use. */
struct raw_blk_queue {
	struct raw_pages ring;
	uint32_t req_prod, rsp_cons, port;
	bool ported;
};

struct raw_blk {
	struct raw_front f;
	enum blk_abi abi; /* set before the first connection */
	/* of the queue in use, as f.port is; new with each connection */
	struct raw_pages ring;
	uint32_t slots;
	uint32_t req_prod; /* requests written, published or not */
	uint32_t rsp_cons; /* answers taken */
	uint32_t at;	   /* the queue in use */
	struct raw_blk_queue other[RAW_QUEUES_MAX];
};

/* A handshake. NULL is the truth. */
struct raw_blk_how {
	uint32_t pages;	 /* 0 is 1 */
	uint32_t queues; /* with directories of their own; 0: without */
	bool persistent; /* feature-persistent */
	const char *ring_ref, *port, *protocol, *order;
};

/*
 * The handshake with a new ring, when the backend is at 2 or, if NOW, wherever
 * it is. Returns its state afterwards: WIRE_BUS_CONNECTED, or another if it
 * would not.
 */
uint32_t raw_blk_connect(struct raw_blk *k, const struct raw_blk_how *how,
			 bool now);

/* Use queue N, of those that were connected: all that is below. */
void raw_blk_use(struct raw_blk *k, uint32_t n);

/* As raw_close(). */
void raw_blk_close(struct raw_blk *k);

/* As those of raw_front.h without `blk`. */
struct wire_ring *raw_blk_ring(const struct raw_blk *k);
uint8_t *raw_blk_slot(const struct raw_blk *k, uint32_t index);
uint32_t raw_blk_room(const struct raw_blk *k);
void raw_blk_put(struct raw_blk *k, const struct wire_blk_req64 *req);
void raw_blk_publish(struct raw_blk *k);
void raw_blk_push(struct raw_blk *k);
uint32_t raw_blk_answers(const struct raw_blk *k);
bool raw_blk_get(struct raw_blk *k, struct wire_blk_rsp64 *rsp, int64_t ms);

#endif
