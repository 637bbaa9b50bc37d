/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend's end of a block device, raw, as conform/raw_front.h is that of
 * PVSCSI: the handshake and a ring of one page or several. Slots are in the
 * layout x86_64-abi.
 */
#ifndef CONFORM_RAW_BLK_H
#define CONFORM_RAW_BLK_H

#include "conform/raw_front.h"
#include "wire/blk.h"

struct raw_blk {
	struct raw_front f;
	struct raw_pages ring; /* new with each connection */
	uint32_t slots;
	uint32_t req_prod; /* requests written, published or not */
	uint32_t rsp_cons; /* answers taken */
};

/* A handshake. NULL is the truth. */
struct raw_blk_how {
	uint32_t pages; /* 0 is 1 */
	const char *ring_ref, *port, *protocol, *order;
};

/*
 * The handshake with a new ring, when the backend is at 2 or, if NOW, wherever
 * it is. Returns its state afterwards: WIRE_BUS_CONNECTED, or another if it
 * would not.
 */
uint32_t raw_blk_connect(struct raw_blk *k, const struct raw_blk_how *how,
			 bool now);

/* As raw_close(). */
void raw_blk_close(struct raw_blk *k);

/* As those of raw_front.h without `blk`. */
struct wire_ring *raw_blk_ring(const struct raw_blk *k);
uint32_t raw_blk_room(const struct raw_blk *k);
void raw_blk_put(struct raw_blk *k, const struct wire_blk_req64 *req);
void raw_blk_publish(struct raw_blk *k);
void raw_blk_push(struct raw_blk *k);
uint32_t raw_blk_answers(const struct raw_blk *k);
bool raw_blk_get(struct raw_blk *k, struct wire_blk_rsp64 *rsp, int64_t ms);

#endif
