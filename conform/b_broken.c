/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a backend: a ring that is broken for good. The backend must see it,
 * and serve an honest frontend that comes back.
 */
#include <inttypes.h>
#include <string.h>

#include "conform/backend.h"

struct damage {
	void (*how)(struct backend *b, uint32_t by);
	uint32_t by;
};

static void jump(struct backend *b, uint32_t by)
{
	xpv_store32(&b->front.ring->req_prod, b->front.req_prod + by);
	raw_notify(&b->front);
}

/* The same while commands are in flight. */
static void jump_in_flight(struct backend *b, uint32_t by)
{
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	uint32_t i;

	for (i = 0; i < 8; i++)
		raw_put(&b->front, &req);
	raw_push(&b->front);
	jump(b, by);
}

/* Let the backend itself write the known data over the ring. */
static void overwrite(struct backend *b, uint32_t by)
{
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);

	(void)by;
	req.seg[0].gref = b->front.ring_gref;
	raw_put(&b->front, &req);
	raw_push(&b->front);
}

/*
 * That it closes the device is what ours does; the protocol leaves it open,
 * as long as it stops, and comes back (which is looked at after the case).
 */
static void broken(struct conform *c, const void *arg)
{
	const struct damage *damage = arg;
	struct backend *b = backend_of(c);
	uint32_t state;

	damage->how(b, damage->by);
	b->connected = false;
	state = raw_wait_leaf(&b->front, WIRE_BUS_STATE, WIRE_BUS_CLOSING,
			      WIRE_BUS_CLOSED,
			      c->opt->strict ? RAW_PATIENCE_MS : 3000);
	if (state == WIRE_BUS_CLOSING || state == WIRE_BUS_CLOSED)
		return;
	if (c->opt->strict)
		conform_fail(c, "its state is %" PRIu32, state);
	conform_note(c, "its state stays %" PRIu32, state);
}

#define BREAK(text, ...)                                                       \
	{                                                                      \
		.family = "broken", .name = (text),                            \
		.clause = &clause_ring_bounds, .flags = CONFORM_BREAKS,        \
		.seconds = 60, .run = broken, .arg = &(const struct damage)    \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct conform_case cases[] = {
	BREAK("req_prod jumps by 17", jump, 17),
	BREAK("req_prod jumps by 2^31", jump, 1u << 31),
	BREAK("req_prod goes back", jump, UINT32_MAX),
	BREAK("req_prod jumps with commands in flight", jump_in_flight, 100),
	BREAK("the ring is data-in", overwrite, 0),
};

const struct case_list backend_broken = {cases, XPV_ARRAY_SIZE(cases)};
