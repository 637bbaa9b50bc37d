/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a frontend: states in any order, features, closing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/vscsi_front.h"

static void usual(struct conform *c, const void *arg)
{
	(void)arg;
	vscsi_connect(c, 128, NULL);
}

static void ring_nodes(struct conform *c, const void *arg)
{
	static const char *const leaf[] = {WIRE_BUS_RING_REF,
					   WIRE_BUS_EVENT_CHANNEL};
	struct raw_vscsi *k = vscsi_of(c);
	char text[64];
	size_t i;

	(void)arg;
	raw_make_luns(k, RAW_LUNS);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	if (!frontend_wants(c, WIRE_BUS_INITIALISED, "at 2"))
		return;
	for (i = 0; i < XPV_ARRAY_SIZE(leaf); i++)
		if (!raw_front_text(&k->b, leaf[i], text, sizeof(text)) ||
		    strspn(text, "0123456789") != strlen(text) || !*text)
			conform_fail(c, "%s is '%s'", leaf[i], text);
	raw_attach(&k->b);
}

static void protocol_node(struct conform *c, const void *arg)
{
	char text[64];

	(void)arg;
	if (!vscsi_connect(c, 0, NULL))
		return;
	if (!raw_front_text(back_of(c), WIRE_BUS_PROTOCOL, text, sizeof(text)))
		conform_note(c, "not written");
	else if (strcmp(text, "x86_64-abi") && strcmp(text, "x86_32-abi") &&
		 strcmp(text, "arm-abi"))
		conform_fail(c, "it is '%s'", text);
	else
		conform_note(c, "%s", text);
}

/* The backend comes a second after the frontend's directory. */
static void late(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	(void)arg;
	raw_make_luns(k, RAW_LUNS);
	conform_sleep(1500);
	raw_back_connect(&k->b);
}

/* State 4 for a frontend that has never seen 2. */
static void without_init_wait(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t n;

	(void)arg;
	raw_make_luns(k, RAW_LUNS);
	n = raw_serve_until(&k->b, WIRE_BUS_STATE, WIRE_BUS_INITIALISED,
			    WIRE_BUS_INITIALISED, 5000);
	if (n != WIRE_BUS_INITIALISED) {
		conform_note(c, "it waits for 2");
		return;
	}
	if (!raw_attach(&k->b))
		return;
	for (n = 0; n < RAW_LUNS; n++)
		raw_dev_state(k, n, WIRE_BUS_INITIALISED);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	frontend_wants(c, WIRE_BUS_CONNECTED, "at 4");
}

/* States that nobody has heard of, and some in the wrong place. */
static void strange_states(struct conform *c, const void *arg)
{
	static const char *const states[] = {"0",    "9", "4294967295", "-1",
					     "four", "",  "3"};
	struct raw_vscsi *k = vscsi_of(c);
	size_t i;

	(void)arg;
	if (!vscsi_connect(c, 0, NULL))
		return;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++) {
		raw_back_put(&k->b, WIRE_BUS_STATE, states[i]);
		raw_serve(&k->b, 200, NULL);
	}
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	raw_serve(&k->b, 500, NULL);
	conform_note(c, "its state is %" PRIu32,
		     raw_front_u32(&k->b, WIRE_BUS_STATE));
}

static void closes(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	(void)arg;
	if (!vscsi_connect(c, 0, NULL))
		return;
	frontend_idle(&k->b, 10000);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	frontend_wants(c, WIRE_BUS_CLOSED, "after it");
}

/* State 6, and no 5 before it. A frontend may begin anew at once, as the device
 * is online: it is seen to have left state 4. */
static void closed_at_once(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t state;
	int i;

	(void)arg;
	if (!vscsi_connect(c, 0, NULL))
		return;
	frontend_idle(&k->b, 10000);
	raw_detach(&k->b);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	for (i = 0; i < 100; i++) {
		state = raw_front_u32(&k->b, WIRE_BUS_STATE);
		if (state != WIRE_BUS_CONNECTED && state != WIRE_BUS_CLOSING)
			break;
		raw_serve(&k->b, 100, NULL);
	}
	conform_note(c, "its state is %" PRIu32, state);
	if (i == 100)
		conform_fail(c, "its state stays %" PRIu32, state);
}

/* Before it has ever been connected. */
static void closes_early(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	(void)arg;
	raw_make_luns(k, RAW_LUNS);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	if (!frontend_wants(c, WIRE_BUS_INITIALISED, "at 2"))
		return;
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	frontend_wants(c, WIRE_BUS_CLOSED, "at 5");
}

/* The same unit again, at once. */
static void again(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		if (!vscsi_connect(c, i == 1 ? 64 : 0, NULL))
			return;
		frontend_idle(&k->b, 10000);
		if (!raw_unmake(&k->b)) {
			conform_fail(c, "it does not close");
			return;
		}
		k->b.unit--;
	}
	k->b.unit++;
}

/* What is offered, in text; what is kept to is looked at in each request. */
static void offers(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t before = k->b.ill;
	char *end;

	k->sg_grant = 0;
	raw_make_luns(k, RAW_LUNS);
	raw_back_put(&k->b, WIRE_BUS_SCSI_SG_GRANT, arg);
	k->sg_grant = (uint32_t)strtoul(arg, &end, 10);
	if (*end || k->sg_grant < WIRE_SCSI_SEGS || k->sg_grant > 65535)
		k->sg_grant = 0;
	if (!raw_back_connect(&k->b))
		return;
	frontend_idle(&k->b, 10000);
	frontend_stimulate(&k->b);
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " with lists", k->cdbs,
		     k->listed);
}

#define SHAKE(text, rule, function, ...)                                       \
	{                                                                      \
		.family = "handshake", .name = (text), .clause = &(rule),      \
		.run = (function), .arg = (__VA_ARGS__)                        \
	}

static const struct conform_case cases[] = {
	SHAKE("connects", clause_connected, usual, NULL),
	SHAKE("ring-ref and event-channel", clause_ring_ref, ring_nodes, NULL),
	SHAKE("protocol", clause_protocol, protocol_node, NULL),
	SHAKE("the backend is late", clause_init_wait, late, NULL),
	SHAKE("state 4 without state 2", clause_initialised, without_init_wait,
	      NULL),
	SHAKE("states that are none", clause_survive, strange_states, NULL),
	SHAKE("the backend closes", clause_closing, closes, NULL),
	SHAKE("the backend is closed at once", clause_closed, closed_at_once,
	      NULL),
	SHAKE("the backend closes before it is connected", clause_closing,
	      closes_early, NULL),
	SHAKE("close and reopen", clause_reopen, again, NULL),
	SHAKE("feature-sg-grant 26", clause_sg_grant, offers, "26"),
	SHAKE("feature-sg-grant 64", clause_sg_grant, offers, "64"),
	SHAKE("feature-sg-grant 65535", clause_sg_grant, offers, "65535"),
	SHAKE("feature-sg-grant 0", clause_sg_grant, offers, "0"),
	SHAKE("feature-sg-grant 7", clause_sg_grant, offers, "7"),
	SHAKE("feature-sg-grant is a word", clause_sg_grant, offers, "many"),
	SHAKE("feature-sg-grant is negative", clause_sg_grant, offers, "-1"),
	SHAKE("feature-sg-grant is 2^32", clause_sg_grant, offers,
	      "4294967296"),
};

const struct front_list frontend_handshake = {cases, XPV_ARRAY_SIZE(cases)};
