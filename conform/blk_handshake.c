/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block backend: what it announces, and coming and going. */
#include <inttypes.h>
#include <string.h>

#include "conform/blk.h"

static void announced(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);

	(void)arg;
	if (!b->sectors)
		conform_fail(c, "sectors is missing, or 0");
	if (b->block < 512 || (b->block & (b->block - 1)))
		conform_fail(c, "sector-size is %" PRIu32, b->block);
	else if (b->sectors % (b->block / 512))
		conform_fail(c, "sectors are no whole blocks");
	if (b->indirect && b->indirect <= WIRE_BLK_SEGS)
		conform_fail(c, "feature-max-indirect-segments is %" PRIu32,
			     b->indirect);
	conform_note(c,
		     "%" PRIu64 " sectors, blocks of %" PRIu32 ", %" PRIu32
		     " segments, ring order %" PRIu32 "%s%s%s",
		     b->sectors, b->block, b->indirect, b->order,
		     b->flush ? ", flush" : "", b->barrier ? ", barrier" : "",
		     b->discard ? ", discard" : "");
}

static void again(struct conform *c, const void *arg)
{
	static const struct raw_blk_how plain;
	struct blk_suite *b = blk_of(c);
	const bool *politely = arg;
	char why[CONFORM_DETAIL_MAX];

	for (int i = 0; i < 5; i++)
		if (!blk_reconnect(b, &plain, *politely) ||
		    (!blk_serves(b, why, sizeof(why)) &&
		     !conform_fail(c, "%s", why)))
			return;
}

/* Requests are under way when the frontend closes. */
static void busy(struct conform *c, const void *arg)
{
	static const struct raw_blk_how plain;
	struct blk_suite *b = blk_of(c);
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 88, 0);

	(void)arg;
	for (int i = 0; i < 5; i++) {
		while (raw_blk_room(&b->k))
			raw_blk_put(&b->k, &req);
		raw_blk_push(&b->k);
		if (!blk_reconnect(b, &plain, i % 2))
			return;
	}
}

/* A handshake that cannot work: the backend does not connect, and an honest
 * one after it does. */
static void refused(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	uint32_t state;

	(void)raw_again(&b->k.f, true);
	b->connected = false;
	state = raw_blk_connect(&b->k, arg, true);
	if (state == WIRE_BUS_CONNECTED)
		conform_fail(c, "the backend connects");
}

static const bool yes = true, no = false;
static const struct raw_blk_how no_ref = {.ring_ref = "4294967295"},
				word_ref = {.ring_ref = "ring"},
				empty_ref = {.ring_ref = ""},
				no_port = {.port = "4294967295"},
				word_port = {.port = "-1"},
				protocol = {.protocol = "vax-abi"},
				order = {.order = "31"};

#define REFUSED(what, how, sentence)                                           \
	{                                                                      \
		.family = "handshake", .name = what, .clause = &(sentence),    \
		.flags = CONFORM_BREAKS, .run = refused, .arg = &(how)         \
	}

static const struct conform_case cases[] = {
	{.family = "handshake",
	 .name = "what is announced",
	 .clause = &clause_blk_properties,
	 .run = announced},
	{.family = "handshake",
	 .name = "closed by way of 5, and opened again",
	 .clause = &clause_reopen,
	 .flags = CONFORM_BREAKS,
	 .run = again,
	 .arg = &yes},
	{.family = "handshake",
	 .name = "closed at once, and opened again",
	 .clause = &clause_reopen,
	 .flags = CONFORM_BREAKS,
	 .run = again,
	 .arg = &no},
	{.family = "handshake",
	 .name = "closed while requests are under way",
	 .clause = &clause_reopen,
	 .flags = CONFORM_BREAKS,
	 .run = busy},
	REFUSED("a ring that was never granted", no_ref, clause_blk_ring_ref),
	REFUSED("a ring-ref that is no number", word_ref, clause_blk_ring_ref),
	REFUSED("a ring-ref of no text", empty_ref, clause_blk_ring_ref),
	REFUSED("a port that there is not", no_port, clause_blk_event_channel),
	REFUSED("a port that is no number", word_port,
		clause_blk_event_channel),
	REFUSED("a protocol that there is not", protocol, clause_blk_protocol),
	REFUSED("a ring of too many pages", order, clause_blk_ring_order),
};

const struct blk_list blk_handshake = {cases, XPV_ARRAY_SIZE(cases)};
