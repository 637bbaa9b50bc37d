/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of a shared ring. This is the only code that touches a
 * page the guest can write: it copies a whole slot into private memory once,
 * and everyone else works on the copy (the class of XSA-155).
 *
 * Indexes run freely modulo 2^32. The private ones are the truth; the shared
 * rsp_prod is only ever written, and req_prod is checked at each look.
 * Layout and index rules: Xen public/io/ring.h.
 *
 * One ring belongs to one thread. Nothing here allocates or fails later than
 * ring_back_init().
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
 * Ask for a notification at the next request, then look once more: true when
 * one came meanwhile (or the ring broke), so that the caller must not sleep.
 */
bool ring_back_arm(struct ring_back *r);

/* A cheap look without asking for a notification, for polling. */
bool ring_back_has_work(const struct ring_back *r);

#endif
