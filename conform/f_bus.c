/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a frontend of any device: states in any order, closing. */
#include <inttypes.h>
#include <string.h>

#include "conform/frontend.h"

static void usual(struct conform *c, const void *arg)
{
	(void)arg;
	frontend_of(c)->connect(c);
}

static void ring_nodes(struct conform *c, const void *arg)
{
	static const char *const leaf[] = {WIRE_BUS_RING_REF,
					   WIRE_BUS_EVENT_CHANNEL};
	struct raw_back *b = back_of(c);
	char text[64];
	size_t i;

	(void)arg;
	frontend_of(c)->make(c);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	if (!frontend_wants(c, WIRE_BUS_INITIALISED, "at 2"))
		return;
	for (i = 0; i < XPV_ARRAY_SIZE(leaf); i++)
		if (!raw_front_text(b, leaf[i], text, sizeof(text)) ||
		    strspn(text, "0123456789") != strlen(text) || !*text)
			conform_fail(c, "%s is '%s'", leaf[i], text);
	raw_attach(b);
}

static void protocol_node(struct conform *c, const void *arg)
{
	char text[64];

	(void)arg;
	if (!frontend_of(c)->connect(c))
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
	struct raw_back *b = back_of(c);

	(void)arg;
	frontend_of(c)->make(c);
	conform_sleep(1500);
	raw_back_connect(b);
}

/* State 4 for a frontend that has never seen 2. */
static void without_init_wait(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);
	uint32_t n;

	(void)arg;
	frontend_of(c)->make(c);
	n = raw_serve_until(b, WIRE_BUS_STATE, WIRE_BUS_INITIALISED,
			    WIRE_BUS_INITIALISED, 5000);
	if (n != WIRE_BUS_INITIALISED) {
		conform_note(c, "it waits for 2");
		return;
	}
	if (!raw_attach(b))
		return;
	b->kind->connecting(b);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	frontend_wants(c, WIRE_BUS_CONNECTED, "at 4");
}

/* States that nobody has heard of, and some in the wrong place. */
static void strange_states(struct conform *c, const void *arg)
{
	static const char *const states[] = {"0",    "9", "4294967295", "-1",
					     "four", "",  "3"};
	struct raw_back *b = back_of(c);
	size_t i;

	(void)arg;
	if (!frontend_of(c)->connect(c))
		return;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++) {
		raw_back_put(b, WIRE_BUS_STATE, states[i]);
		raw_serve(b, 200, NULL);
	}
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	raw_serve(b, 500, NULL);
	conform_note(c, "its state is %" PRIu32,
		     raw_front_u32(b, WIRE_BUS_STATE));
}

static void closes(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);

	(void)arg;
	if (!frontend_of(c)->connect(c))
		return;
	frontend_idle(b, 10000);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	frontend_wants(c, WIRE_BUS_CLOSED, "after it");
}

/* State 6, and no 5 before it. A frontend may begin anew at once, as the device
 * is online: it is seen to have left state 4. */
static void closed_at_once(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);
	uint32_t state;
	int i;

	(void)arg;
	if (!frontend_of(c)->connect(c))
		return;
	frontend_idle(b, 10000);
	raw_detach(b);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	for (i = 0; i < 100; i++) {
		state = raw_front_u32(b, WIRE_BUS_STATE);
		if (state != WIRE_BUS_CONNECTED && state != WIRE_BUS_CLOSING)
			break;
		raw_serve(b, 100, NULL);
	}
	conform_note(c, "its state is %" PRIu32, state);
	if (i == 100)
		conform_fail(c, "its state stays %" PRIu32, state);
}

/* Before it has ever been connected. */
static void closes_early(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);

	(void)arg;
	frontend_of(c)->make(c);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	if (!frontend_wants(c, WIRE_BUS_INITIALISED, "at 2"))
		return;
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	frontend_wants(c, WIRE_BUS_CLOSED, "at 5");
}

/* The same unit again, at once. */
static void again(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		if (!frontend_of(c)->connect(c))
			return;
		frontend_idle(b, 10000);
		if (!raw_unmake(b)) {
			conform_fail(c, "it does not close");
			return;
		}
		b->unit -= b->kind->next;
	}
	b->unit += b->kind->next;
}

/* The backend dies: its mapping and its event channel are gone. */
static void dies(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);

	(void)arg;
	if (!frontend_of(c)->connect(c))
		return;
	frontend_idle(b, 10000);
	raw_detach(b);
	conform_sleep(1000);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	raw_serve(b, 1000, NULL);
	conform_note(c, "its state is %" PRIu32,
		     raw_front_u32(b, WIRE_BUS_STATE));
}

#define SHAKE(text, rule, function)                                            \
	{                                                                      \
		.family = "handshake", .name = (text), .clause = &(rule),      \
		.run = (function)                                              \
	}

static const struct conform_case cases[] = {
	SHAKE("connects", clause_connected, usual),
	SHAKE("ring-ref and event-channel", clause_ring_ref, ring_nodes),
	SHAKE("protocol", clause_protocol, protocol_node),
	SHAKE("the backend is late", clause_init_wait, late),
	SHAKE("state 4 without state 2", clause_initialised, without_init_wait),
	SHAKE("states that are none", clause_survive, strange_states),
	SHAKE("the backend closes", clause_closing, closes),
	SHAKE("the backend is closed at once", clause_closed, closed_at_once),
	SHAKE("the backend closes before it is connected", clause_closing,
	      closes_early),
	SHAKE("close and reopen", clause_reopen, again),
	{.family = "bogus",
	 .name = "the backend dies",
	 .clause = &clause_survive,
	 .flags = CONFORM_BREAKS,
	 .seconds = 90,
	 .run = dies},
};

const struct front_list frontend_bus = {cases, XPV_ARRAY_SIZE(cases)};
