/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/ring_id: what counts as a ring, and when it is another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "control/ring_id.h"
#include "core/bus.h"
#include "wire/bus.h"
#include "wire/port.h"

static void a_ring_is_two_numbers(void **state)
{
	static const struct {
		const char *gref, *port;
		bool known;
	} rows[] = {
		{"8", "15", true},	     {"0", "0", true},
		{NULL, NULL, false},	     {"8", NULL, false},
		{NULL, "15", false},	     {"8", "", false},
		{"8 ", "15", false},	     {"-8", "15", false},
		{"4294967296", "15", false},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct store_tree *tree = tree_new();
		struct ring_id ring;

		assert_non_null(tree);
		assert_int_equal(tree_add(tree, "", "", 0), 0);
		if (rows[i].port)
			assert_int_equal(tree_add(tree, WIRE_BUS_EVENT_CHANNEL,
						  rows[i].port,
						  strlen(rows[i].port)),
					 0);
		if (rows[i].gref)
			assert_int_equal(tree_add(tree, WIRE_BUS_RING_REF,
						  rows[i].gref,
						  strlen(rows[i].gref)),
					 0);
		tree_sort(tree);
		ring = ring_id_read(tree);
		if (ring.known != rows[i].known)
			fail_msg("row %zu", i);
		if (i == 0) {
			assert_int_equal(ring.gref, 8);
			assert_int_equal(ring.port, 15);
		}
		tree_free(tree);
	}
}

#define NONE                                                                   \
	{                                                                      \
		.known = false                                                 \
	}
#define A                                                                      \
	{                                                                      \
		.known = true, .gref = 8, .port = 15                           \
	}
#define A_REF                                                                  \
	{                                                                      \
		.known = true, .gref = 9, .port = 15                           \
	}
#define A_EVT                                                                  \
	{                                                                      \
		.known = true, .gref = 8, .port = 16                           \
	}

static void it_is_compared_with_what_was(void **state)
{
	static const struct {
		struct ring_ids rings;
		bool connected;
		struct ring_id now;
		bool changed;
	} rows[] = {
		/* the first */
		{{NONE, NONE}, false, A, false},
		/* held, not told yet; then let go of untold */
		{{A, NONE}, true, A, false},
		{{A, NONE}, true, A_REF, true},
		{{A, NONE}, false, A_REF, false},
		/* the usual state of things */
		{{A, A}, true, A, false},
		{{A, A}, true, A_REF, true},
		{{A, A}, true, A_EVT, true},
		/* let go of: what we held last counts */
		{{A, A}, false, A, false},
		{{A, A}, false, A_EVT, true},
		/* connected to the new one, and that is not told yet */
		{{A_REF, A}, true, A_REF, true},
		{{A_REF, A_REF}, true, A_REF, false},
		/* back to the old one meanwhile */
		{{A_REF, A}, true, A, true},
		/* on its way from a ring or to one */
		{{A, A}, true, NONE, false},
		{{A, A}, false, NONE, false},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++)
		if (ring_id_changed(&rows[i].rings, rows[i].connected,
				    &rows[i].now) != rows[i].changed)
			fail_msg("row %zu", i);
}

/* A driver loaded again unseen, and a transaction that is refused once: what
 * vscsi_round.c does with its rings, and what core/bus makes of them. */
static void a_reload_is_walked_to_its_end(void **state)
{
	static const struct {
		bool written;
		enum bus_action action;
		uint32_t next;
	} want[] = {
		{true, BUS_DISCONNECT, 4}, {false, BUS_CONNECT, 7},
		{true, BUS_DISCONNECT, 4}, {true, BUS_CONNECT, 7},
		{true, BUS_NONE, 7},
	};
	struct bus_facts facts = {
		.own = 4, .front = 4, .online = true, .connected = true};
	struct ring_ids rings = {A, A};
	struct ring_id now = A_REF;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(want); i++) {
		struct bus_step step;

		facts.ring_changed =
			ring_id_changed(&rings, facts.connected, &now);
		step = bus_back_step(&facts);
		if (step.action != want[i].action || step.next != want[i].next)
			fail_msg("step %zu: action %d, next %u", i,
				 (int)step.action, step.next);
		if (step.action == BUS_DISCONNECT)
			facts.connected = false;
		if (step.action == BUS_CONNECT) {
			facts.connected = true;
			rings.held = now;
		}
		if (!want[i].written)
			continue;
		facts.own = step.next;
		if (step.action == BUS_CONNECT)
			rings.told = rings.held;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_is_two_numbers),
		cmocka_unit_test(it_is_compared_with_what_was),
		cmocka_unit_test(a_reload_is_walked_to_its_end),
	};

	return cmocka_run_group_tests_name("ring_id", tests, NULL, NULL);
}
