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

/* The slot that index I falls into, in a ring of SLOTS slots. */
static volatile uint32_t *slot(volatile struct wire_ring *shared,
			       uint32_t slots, uint32_t slot_size, uint32_t i)
{
	volatile uint32_t *words = (volatile void *)shared;
	uint32_t offs = WIRE_RING_SLOTS_OFFS + (i & (slots - 1)) * slot_size;

	return words + offs / sizeof(uint32_t);
}

/* Eight bytes of a slot, which begins at a multiple of four. */
struct wide {
	uint64_t v;
} __attribute__((packed, may_alias));

/* Copy a whole slot. Volatile: each byte is fetched once, whatever follows. */
static void read_slot(const volatile uint32_t *from, void *copy, uint32_t size)
{
	const volatile struct wide *wide = (const volatile void *)from;
	uint8_t *to = copy, *end = to + size / sizeof(*wide) * sizeof(*wide);
	uint64_t word;
	uint32_t last;

	for (; to != end; to += sizeof(word), wide++) {
		word = wide->v;
		xpv_copy(to, &word, sizeof(word));
	}
	if (size % sizeof(word)) {
		last = from[size / sizeof(last) - 1];
		xpv_copy(to, &last, sizeof(last));
	}
}

/* Fill a whole slot: LEN bytes, then zeros, so that nothing old is told. */
static void write_slot(volatile uint32_t *to, const void *data, uint32_t len,
		       uint32_t size)
{
	volatile uint32_t *end = to + size / sizeof(*to);
	const uint8_t *from = data;
	uint64_t word;
	uint32_t last;

	XPV_ASSERT(len <= size && len % sizeof(last) == 0);
	for (; len >= sizeof(word); len -= (uint32_t)sizeof(word)) {
		xpv_copy(&word, from, sizeof(word));
		((volatile struct wide *)(volatile void *)to)->v = word;
		from += sizeof(word);
		to += 2;
	}
	if (len) {
		xpv_copy(&last, from, sizeof(last));
		*to++ = last;
	}
	for (; end - to >= 2; to += 2)
		((volatile struct wide *)(volatile void *)to)->v = 0;
	if (to != end)
		*to = 0;
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
	XPV_ASSERT(r->req_cons - r->rsp_prod < r->slots);
	read_slot(slot(r->shared, r->slots, r->slot_size, r->req_cons), copy,
		  r->slot_size);
	r->req_cons++;
}

void ring_back_put(struct ring_back *r, const void *rsp, uint32_t len)
{
	XPV_ASSERT(r->req_cons != r->rsp_prod); /* one answer per request */
	write_slot(slot(r->shared, r->slots, r->slot_size, r->rsp_prod), rsp,
		   len, r->slot_size);
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

void ring_back_republish(struct ring_back *r)
{
	r->rsp_seen = r->rsp_prod - 1;
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

int ring_front_init(struct ring_front *r, void *shared, uint32_t pages,
		    uint32_t slot_size)
{
	uint32_t slots = ring_slots(pages, slot_size);

	if (slots == 0 || slot_size % sizeof(uint32_t) != 0)
		return XPV_EINVAL;
	xpv_zero(shared, (size_t)pages * WIRE_PAGE_SIZE);
	xpv_zero(r, sizeof(*r));
	r->shared = shared;
	r->slots = slots;
	r->slot_size = slot_size;
	xpv_store32(&r->shared->req_event, 1);
	xpv_store32(&r->shared->rsp_event, 1);
	return 0;
}

uint32_t ring_front_room(const struct ring_front *r)
{
	return r->slots - (r->req_prod - r->rsp_cons);
}

void ring_front_put(struct ring_front *r, const void *req, uint32_t len)
{
	XPV_ASSERT(ring_front_room(r) > 0);
	write_slot(slot(r->shared, r->slots, r->slot_size, r->req_prod), req,
		   len, r->slot_size);
	r->req_prod++;
}

bool ring_front_push(struct ring_front *r)
{
	uint32_t old = r->req_seen;
	uint32_t event;

	if (old == r->req_prod)
		return false;
	xpv_store32(&r->shared->req_prod, r->req_prod);
	r->req_seen = r->req_prod;
	/* The backend sets req_event and then looks at req_prod. */
	xpv_mb();
	event = xpv_load32(&r->shared->req_event);
	return r->req_prod - event < r->req_prod - old;
}

bool ring_front_seen(const struct ring_front *r, uint32_t index)
{
	return r->req_prod - index > r->req_prod - r->req_seen;
}

void ring_front_relayout(struct ring_front *r, uint32_t slot_size)
{
	XPV_ASSERT(r->req_prod == r->rsp_cons && slot_size <= r->slot_size);
	r->slot_size = slot_size;
}

int ring_front_pending(const struct ring_front *r)
{
	uint32_t n = xpv_load32(&r->shared->rsp_prod) - r->rsp_cons;

	/* What it has not seen yet it cannot have answered. */
	return n > r->req_seen - r->rsp_cons ? XPV_EPROTO : (int)n;
}

void ring_front_take(struct ring_front *r, void *copy)
{
	XPV_ASSERT(r->rsp_cons != r->req_seen);
	read_slot(slot(r->shared, r->slots, r->slot_size, r->rsp_cons), copy,
		  r->slot_size);
	r->rsp_cons++;
}

bool ring_front_arm(struct ring_front *r)
{
	xpv_store32(&r->shared->rsp_event, r->rsp_cons + 1);
	xpv_mb();
	return ring_front_has_work(r);
}

bool ring_front_has_work(const struct ring_front *r)
{
	return xpv_load32(&r->shared->rsp_prod) != r->rsp_cons;
}
