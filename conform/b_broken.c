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

/*
 * The frontend is back with a new ring before anybody has looked: stock ones do
 * not wait for InitWait.
 */
static void in_haste(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t state;

	broken(c, arg);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	raw_wait(&b->front, WIRE_BUS_CLOSED, WIRE_BUS_CLOSED);
	raw_remove(&b->front, WIRE_BUS_SCSI_DEVS);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_INITIALISING);
	state = raw_connect_now(&b->front, NULL, NULL);
	b->connected = state == WIRE_BUS_CONNECTED;
	if (!b->connected)
		conform_fail(
			c,
			"it comes back in haste: the backend's state is %" PRIu32,
			state);
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
	{
		.family = "broken",
		.name = "it comes back in haste",
		.clause = &clause_reopen,
		.flags = CONFORM_BREAKS,
		.seconds = 90,
		.run = in_haste,
		.arg = &(const struct damage){jump, 17},
	},
};

const struct case_list backend_broken = {cases, XPV_ARRAY_SIZE(cases)};
