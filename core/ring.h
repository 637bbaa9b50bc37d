/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a shared ring. This is the only code that touches a page the
 * peer can write: it copies a whole slot into private memory once, and everyone
 * else works on the copy (the class of XSA-155).
 *
 * Indexes run freely modulo 2^32. The private ones are the truth: the shared
 * index that an end produces is only ever written by it, and the peer's is
 * checked at each look. Layout and index rules: Xen public/io/ring.h.
 *
 * One end of a ring belongs to one thread. Nothing here allocates or fails
 * later than ring_back_init() and ring_front_init().
 */
#ifndef CORE_RING_H
#define CORE_RING_H

#include "wire/ring.h"

struct ring_back {
	volatile struct wire_ring *shared; /* granted by the guest */
	uint32_t slots;			   /* a power of two */
	uint32_t slot_size;		   /* bytes, a multiple of 4 */
	uint32_t req_cons;		   /* requests taken */
	uint32_t rsp_prod;		   /* responses written */
	uint32_t rsp_seen;		   /* responses the guest may see */
};

/*
 * Slots of SLOT_SIZE bytes that fit a ring of PAGES pages: the largest power
 * of two, as __RING_SIZE of ring.h has it. 0 when none fits.
 */
uint32_t ring_slots(uint32_t pages, uint32_t slot_size);

/*
 * Use the ring at SHARED (PAGES pages, page aligned, mapped for as long as R is
 * used). RSP_PROD is the index of the first response to write and REQ_CONS that
 * of the first request to take: both 0 for a ring the guest has just made.
 * XPV_EINVAL when no slot fits or SLOT_SIZE is not a multiple of 4.
 */
int ring_back_init(struct ring_back *r, void *shared, uint32_t pages,
		   uint32_t slot_size, uint32_t rsp_prod,
		   uint32_t req_cons) XPV_MUST_CHECK;

/*
 * How many requests can be taken now. XPV_EPROTO when the guest claims more
 * than the ring can hold; the ring must then be stopped for good.
 */
int ring_back_pending(struct ring_back *r) XPV_MUST_CHECK;

/* Copy the next request, slot_size bytes, to COPY. Only after pending() > 0. */
void ring_back_take(struct ring_back *r, void *copy);

/*
 * Write a response of LEN bytes (a multiple of 4); the rest of its slot becomes
 * zero (XSA-216).
 * The caller answers each request once, so there is always a slot. Not visible
 * to the guest before ring_back_push().
 */
void ring_back_put(struct ring_back *r, const void *rsp, uint32_t len);

/* Make written responses visible. True when the guest wants a notification. */
bool ring_back_push(struct ring_back *r);

/*
 * The next push makes all responses visible, whatever the shared index says: of
 * a ring that another process has served, which may have died before that.
 */
void ring_back_republish(struct ring_back *r);

/*
 * Ask for a notification at the next request, then look once more: true when
 * one came meanwhile (or the ring broke), so that the caller must not sleep.
 */
bool ring_back_arm(struct ring_back *r);

/* A cheap look without asking for a notification, for polling. */
bool ring_back_has_work(const struct ring_back *r);

struct ring_front {
	volatile struct wire_ring *shared; /* granted to the backend */
	uint32_t slots;			   /* a power of two */
	uint32_t slot_size;		   /* bytes, a multiple of 4 */
	uint32_t req_prod;		   /* requests written */
	uint32_t req_seen;		   /* requests the backend may see */
	uint32_t rsp_cons;		   /* responses taken */
};

/*
 * Make an empty ring in the PAGES pages at SHARED (page aligned, ours for as
 * long as R is used; no backend has them yet): all of it is zeroed.
 * XPV_EINVAL as ring_back_init().
 */
int ring_front_init(struct ring_front *r, void *shared, uint32_t pages,
		    uint32_t slot_size) XPV_MUST_CHECK;

/* How many requests can be written now: slots whose response was taken. */
uint32_t ring_front_room(const struct ring_front *r);

/*
 * Write a request of LEN bytes (a multiple of 4); the rest of its slot becomes
 * zero. Only when there is room. Not visible before ring_front_push().
 */
void ring_front_put(struct ring_front *r, const void *req, uint32_t len);

/* Make written requests visible. True when the backend wants an event. */
bool ring_front_push(struct ring_front *r);

/* Can the backend have seen the request with this index, which was written? */
bool ring_front_seen(const struct ring_front *r, uint32_t index);

/*
 * Slots are of SLOT_SIZE bytes from now on, no more than before, and as many as
 * before. Only while no request is unanswered.
 */
void ring_front_relayout(struct ring_front *r, uint32_t slot_size);

/*
 * How many responses can be taken now. XPV_EPROTO when the backend claims more
 * than there are requests it could have seen; the ring is then to be stopped.
 */
int ring_front_pending(const struct ring_front *r) XPV_MUST_CHECK;

/* Copy the next response, slot_size bytes, to COPY. Only after pending() > 0.
 * Its slot is free for a request then. */
void ring_front_take(struct ring_front *r, void *copy);

/*
 * Ask for an event at the next response, then look once more: true when one
 * came meanwhile (or the ring broke), so that the caller must not sleep.
 */
bool ring_front_arm(struct ring_front *r);

/* A cheap look without asking for an event, for polling. */
bool ring_front_has_work(const struct ring_front *r);

#endif
