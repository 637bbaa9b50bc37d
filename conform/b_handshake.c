/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a backend: the handshake, what it offers, closing and reopening. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

/* Before a ring is there: as a driver that has just been loaded finds it. */
static void waits(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t state = raw_again(&b->front, true);

	(void)arg;
	b->connected = false;
	if (state != WIRE_BUS_INIT_WAIT)
		conform_fail(c,
			     "the frontend is in state 1, the backend stays in "
			     "%" PRIu32,
			     state);
}

static void reopens(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const bool *politely = arg;
	uint32_t state;

	raw_again(&b->front, *politely);
	state = raw_connect_now(&b->front, NULL, NULL);
	b->connected = state == WIRE_BUS_CONNECTED;
	if (!b->connected)
		conform_fail(c, "the backend's state is %" PRIu32, state);
}

static void closes(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t state;

	(void)arg;
	b->connected = false;
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	state = raw_wait(&b->front, WIRE_BUS_CLOSING, WIRE_BUS_CLOSED);
	if (state != WIRE_BUS_CLOSING && state != WIRE_BUS_CLOSED)
		conform_fail(c, "frontend 5, backend %" PRIu32, state);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	state = raw_wait(&b->front, WIRE_BUS_CLOSED, WIRE_BUS_CLOSED);
	if (state != WIRE_BUS_CLOSED)
		conform_fail(c, "frontend 6, backend %" PRIu32, state);
}

static void feature_sg_grant(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	char text[32];
	uint32_t n;

	(void)arg;
	if (!raw_back_text(&b->front, WIRE_BUS_SCSI_SG_GRANT, text,
			   sizeof(text))) {
		conform_note(c, "not offered");
		return;
	}
	n = raw_back_u32(&b->front, WIRE_BUS_SCSI_SG_GRANT);
	conform_note(c, "%s", text);
	if (n < WIRE_SCSI_SEGS || n > 65535)
		conform_fail(c, "its value is '%s'", text);
}

static void devices(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	char leaf[64], text[128];
	unsigned n, h, ch, id, lun;
	uint32_t state;
	char end;

	(void)arg;
	for (n = 0;; n++) {
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%u/state", n);
		if (!raw_back_text(&b->front, leaf, text, sizeof(text)))
			break;
		state = raw_wait_leaf(&b->front, leaf, WIRE_BUS_CONNECTED,
				      WIRE_BUS_CONNECTED, 5000);
		if (state != WIRE_BUS_CONNECTED)
			conform_fail(c, "%s is %" PRIu32, leaf, state);
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%u/v-dev", n);
		if (!raw_back_text(&b->front, leaf, text, sizeof(text)) ||
		    sscanf(text, "%u:%u:%u:%u%c", &h, &ch, &id, &lun, &end) !=
			    4)
			conform_fail(c, "%s is '%s'", leaf, text);
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%u/p-dev", n);
		if (!raw_back_text(&b->front, leaf, text, sizeof(text)))
			conform_fail(c, "there is no %s", leaf);
	}
	conform_note(c, "%u", n);
	if (n == 0)
		conform_fail(c, "there is no dev-0");
}

static void protocol(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);

	raw_again(&b->front, true);
	raw_put_node(&b->front, WIRE_BUS_PROTOCOL, arg);
	b->connected =
		raw_connect_now(&b->front, NULL, NULL) == WIRE_BUS_CONNECTED;
	raw_remove(&b->front, WIRE_BUS_PROTOCOL);
	if (!b->connected)
		conform_fail(c, "the backend does not connect");
}

/* Ring nodes that cannot be connected to. */
struct lie {
	const char *ring_ref, *port;
};

static void lies(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const struct lie *lie = arg;
	uint32_t state;

	b->connected = false;
	raw_again(&b->front, true);
	state = raw_connect_now(&b->front, lie->ring_ref, lie->port);
	if (state == WIRE_BUS_CONNECTED)
		conform_fail(c, "the backend is connected");
	else if (state != WIRE_BUS_CLOSING && state != WIRE_BUS_CLOSED)
		conform_fail(c, "the backend's state is %" PRIu32, state);
}

#define LIE(text, ref, evt, rule)                                              \
	{                                                                      \
		.family = "handshake", .name = (text), .clause = &(rule),      \
		.flags = CONFORM_BREAKS, .run = lies,                          \
		.arg = &(const struct lie)                                     \
		{                                                              \
			(ref), (evt)                                           \
		}                                                              \
	}

static const bool yes = true, no;

static const struct conform_case cases[] = {
	{.family = "handshake",
	 .name = "devices are as described",
	 .clause = &clause_devs,
	 .run = devices},
	{.family = "handshake",
	 .name = "feature-sg-grant",
	 .clause = &clause_sg_grant,
	 .run = feature_sg_grant},
	{.family = "handshake",
	 .name = "the frontend closes",
	 .clause = &clause_closing,
	 .run = closes},
	{.family = "handshake",
	 .name = "state 2 before a ring is there",
	 .clause = &clause_init_wait,
	 .run = waits},
	{.family = "handshake",
	 .name = "close and reopen",
	 .clause = &clause_reopen,
	 .run = reopens,
	 .arg = &yes},
	{.family = "handshake",
	 .name = "close without Closing and reopen",
	 .clause = &clause_reopen,
	 .run = reopens,
	 .arg = &no},
	{.family = "handshake",
	 .name = "protocol x86_64-abi",
	 .clause = &clause_protocol,
	 .run = protocol,
	 .arg = "x86_64-abi"},
	{.family = "handshake",
	 .name = "protocol x86_32-abi",
	 .clause = &clause_protocol,
	 .run = protocol,
	 .arg = "x86_32-abi"},
	LIE("ring-ref is a word", "ring", NULL, clause_ring_ref),
	LIE("ring-ref is negative", "-1", NULL, clause_ring_ref),
	LIE("ring-ref is empty", "", NULL, clause_ring_ref),
	LIE("ring-ref is not granted", "4294967295", NULL, clause_grant),
	LIE("ring-ref is 2^32", "4294967296", NULL, clause_ring_ref),
	LIE("event-channel is a word", NULL, "port", clause_event_channel),
	LIE("event-channel is not there", NULL, "4000", clause_event_channel),
	LIE("event-channel is 2^32 - 1", NULL, "4294967295",
	    clause_event_channel),
};

const struct case_list backend_handshake = {cases, XPV_ARRAY_SIZE(cases)};
