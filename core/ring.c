/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/ring.h"

uint32_t ring_slots(uint32_t pages, uint32_t slot_size)
{
	uint32_t room, n;

	if (pages == 0 || pages > 16 || slot_size == 0)
		return 0;
	room = (pages * WIRE_PAGE_SIZE - WIRE_RING_SLOTS_OFFS) / slot_size;
	if (room == 0)
		return 0;
	for (n = 1; n <= room / 2; n *= 2)
		;
	return n;
}

int ring_back_init(struct ring_back *r, void *shared, uint32_t pages,
		   uint32_t slot_size, uint32_t rsp_prod, uint32_t req_cons)
{
	uint32_t slots = ring_slots(pages, slot_size);

	if (slots == 0 || slot_size % sizeof(uint32_t) != 0)
		return XPV_EINVAL;
	r->shared = shared;
	r->slots = slots;
	r->slot_size = slot_size;
	r->req_cons = req_cons;
	r->rsp_prod = rsp_prod;
	r->rsp_seen = rsp_prod;
	return 0;
}

/* The slot that index I falls into. */
static volatile uint32_t *slot(const struct ring_back *r, uint32_t i)
{
	volatile uint32_t *words = (volatile void *)r->shared;
	uint32_t offs =
		WIRE_RING_SLOTS_OFFS + (i & (r->slots - 1)) * r->slot_size;

	return words + offs / sizeof(uint32_t);
}

int ring_back_pending(struct ring_back *r)
{
	uint32_t prod = xpv_load32(&r->shared->req_prod);

	/*
	 * Unanswered requests can be no more than the ring has slots; taken
	 * ones count until their response is written, because the response
	 * goes into a slot of the same ring.
	 */
	if (prod - r->rsp_prod > r->slots ||
	    prod - r->req_cons > prod - r->rsp_prod)
		return XPV_EPROTO;
	return (int)(prod - r->req_cons);
}

void ring_back_take(struct ring_back *r, void *copy)
{
	const volatile uint32_t *from = slot(r, r->req_cons);
	uint8_t *to = copy;
	uint32_t i, word;

	XPV_ASSERT(r->req_cons - r->rsp_prod < r->slots);
	for (i = 0; i < r->slot_size / sizeof(word); i++) {
		word = from[i]; /* volatile: fetched once, whatever follows */
		xpv_copy(to + i * sizeof(word), &word, sizeof(word));
	}
	r->req_cons++;
}

void ring_back_put(struct ring_back *r, const void *rsp, uint32_t len)
{
	volatile uint32_t *to = slot(r, r->rsp_prod);
	const uint8_t *from = rsp;
	uint32_t i, word;

	XPV_ASSERT(len <= r->slot_size && len % sizeof(word) == 0);
	XPV_ASSERT(r->req_cons != r->rsp_prod); /* one answer per request */
	for (i = 0; i < r->slot_size / sizeof(word); i++) {
		word = 0;
		if (i < len / sizeof(word))
			xpv_copy(&word, from + i * sizeof(word), sizeof(word));
		to[i] = word;
	}
	r->rsp_prod++;
}

bool ring_back_push(struct ring_back *r)
{
	uint32_t old = r->rsp_seen;
	uint32_t event;

	if (old == r->rsp_prod)
		return false;
	xpv_store32(&r->shared->rsp_prod, r->rsp_prod);
	r->rsp_seen = r->rsp_prod;
	/* The guest sets rsp_event and then looks at rsp_prod: pair with it. */
	xpv_mb();
	event = xpv_load32(&r->shared->rsp_event);
	return r->rsp_prod - event < r->rsp_prod - old;
}

bool ring_back_arm(struct ring_back *r)
{
	xpv_store32(&r->shared->req_event, r->req_cons + 1);
	xpv_mb();
	return ring_back_has_work(r);
}

bool ring_back_has_work(const struct ring_back *r)
{
	return xpv_load32(&r->shared->req_prod) != r->req_cons;
}
