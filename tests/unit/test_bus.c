/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/bus: every combination of states, the handshakes as they are written
 * down, and a model of the stock frontend under random interleavings.
 */
#include "tests/unit/test_bus_world.h"

/* ------------------------------------------------------- all combinations */

static const uint32_t states[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, UINT32_MAX};

/* Carry a step out as a daemon would, all actions successful. */
static void carry_out(struct bus_facts *f, const struct bus_step *s)
{
	if (s->action == BUS_CONNECT) {
		assert_false(f->connected);
		f->connected = true;
		f->ring_changed = false;
	} else if (s->action == BUS_DISCONNECT) {
		assert_true(f->connected);
		f->connected = false;
	} else if (s->action == BUS_REMOVE) {
		assert_false(f->connected);
	}
	f->own = s->next;
}

static void settles(struct bus_facts f)
{
	struct bus_facts was = f;
	int i;

	for (i = 0; i <= BUS_STEPS_MAX; i++) {
		struct bus_step s = bus_back_step(&f);

		/* What we write is a state. */
		if (s.next != f.own)
			assert_in_range(s.next, 1, 8);
		/* Nobody removed: nothing may be made anew. */
		if (was.own == 0)
			assert_int_equal(s.next, 0);
		/* A failure never ends in a connection. */
		if (f.failed)
			assert_true(s.action != BUS_CONNECT &&
				    s.action != BUS_RECONFIGURE);
		if (s.action == BUS_REMOVE)
			return;
		if (s.action == BUS_NONE && s.next == f.own)
			return;
		carry_out(&f, &s);
	}
	fail_msg("own %u front %u: does not settle", was.own, was.front);
}

static void every_combination_settles(void **state)
{
	size_t i, j;
	uint32_t bits;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++)
		for (j = 0; j < XPV_ARRAY_SIZE(states); j++)
			for (bits = 0; bits < 32; bits++)
				settles((struct bus_facts){
					.own = states[i],
					.front = states[j],
					.online = bits & 1,
					.front_gone = bits & 2,
					.connected = bits & 4,
					.ring_changed = bits & 8,
					.failed = bits & 16,
				});
}

static void every_lun_state_is_known(void **state)
{
	size_t i, j, k, l;
	uint32_t bits;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++)
		for (j = 0; j < XPV_ARRAY_SIZE(states); j++)
			for (k = 0; k < XPV_ARRAY_SIZE(states); k++)
				for (l = 0; l < XPV_ARRAY_SIZE(states); l++)
					for (bits = 0; bits < 32; bits++) {
						struct bus_facts f = {
							.own = states[i],
							.front = states[j],
							.online = bits & 1,
							.front_gone = bits & 2,
							.connected = bits & 4,
							.ring_changed =
								bits & 8,
							.failed = bits & 16,
						};
						struct bus_step s =
							bus_back_step(&f);
						struct bus_lun_step u =
							bus_lun_step(&f, &s,
								     states[k],
								     states[l]);

						assert_int_equal(
							u.failed,
							WIRE_BUS_CLOSED);
						if (u.next != states[k])
							assert_in_range(u.next,
									1, 6);
						if (u.action != BUS_LUN_NONE)
							assert_true(
								s.action ==
									BUS_CONNECT ||
								f.connected);
						if (u.action == BUS_LUN_ADD)
							assert_true(
								s.action ==
									BUS_CONNECT ||
								s.action ==
									BUS_RECONFIGURE);
						if (s.action == BUS_REMOVE ||
						    states[k] > 8)
							assert_true(
								u.action ==
									BUS_LUN_NONE &&
								u.next ==
									states[k]);
					}
}

/* ---------------------------------------------------------------- scripts */

/* One line of a script: what stands there, and what is to be done. */
struct line {
	uint32_t own, front;
	const char *facts; /* c connected, f failed, o online, g gone, r ring */
	enum bus_action action;
	uint32_t next;
	/* one LUN: states, and what is to become of it */
	uint32_t lun_own, lun_front;
	enum bus_lun_action lun_action;
	uint32_t lun_next;
};

static const struct line lines[] = {
	/* create */
	{1, 1, "o", BUS_ANNOUNCE, 2, 1, 0, BUS_LUN_NONE, 1},
	{2, 1, "o", BUS_NONE, 2, 1, 0, BUS_LUN_NONE, 1},
	{2, 3, "o", BUS_CONNECT, 4, 1, 0, BUS_LUN_ADD, 3},
	{4, 3, "oc", BUS_NONE, 4, 3, 0, BUS_LUN_NONE, 3},
	{4, 4, "oc", BUS_NONE, 4, 3, 4, BUS_LUN_NONE, 4},
	{4, 4, "oc", BUS_NONE, 4, 4, 4, BUS_LUN_NONE, 4},
	/* the frontend could not add it */
	{4, 4, "oc", BUS_NONE, 4, 3, 6, BUS_LUN_DEL, 6},
	/* add */
	{7, 4, "oc", BUS_NONE, 7, 1, 0, BUS_LUN_NONE, 1},
	{7, 7, "oc", BUS_RECONFIGURE, 8, 1, 0, BUS_LUN_ADD, 3},
	{8, 7, "oc", BUS_NONE, 8, 3, 0, BUS_LUN_NONE, 3},
	{8, 4, "oc", BUS_NONE, 4, 3, 4, BUS_LUN_NONE, 4},
	/* remove */
	{7, 4, "oc", BUS_NONE, 7, 5, 4, BUS_LUN_NONE, 5},
	{7, 7, "oc", BUS_RECONFIGURE, 8, 5, 6, BUS_LUN_DEL, 6},
	{8, 4, "oc", BUS_NONE, 4, 6, 6, BUS_LUN_NONE, 6},
	/* nobody there yet */
	{7, 1, "o", BUS_ANNOUNCE, 2, 1, 0, BUS_LUN_NONE, 1},
	{7, 1, "o", BUS_ANNOUNCE, 2, 5, 0, BUS_LUN_NONE, 6},
	{2, 1, "o", BUS_NONE, 2, 5, 0, BUS_LUN_NONE, 6},
	/* it came between the two */
	{7, 3, "o", BUS_CONNECT, 8, 1, 0, BUS_LUN_ADD, 3},
	{2, 7, "o", BUS_CONNECT, 8, 1, 0, BUS_LUN_ADD, 3},
	{2, 4, "o", BUS_CONNECT, 7, 1, 0, BUS_LUN_ADD, 3},
	{7, 3, "oc", BUS_RECONFIGURE, 8, 1, 0, BUS_LUN_ADD, 3},
	/* close by the frontend */
	{4, 5, "oc", BUS_DISCONNECT, 5, 4, 4, BUS_LUN_NONE, 4},
	{5, 6, "o", BUS_NONE, 6, 4, 4, BUS_LUN_NONE, 4},
	{6, 6, "o", BUS_NONE, 6, 4, 4, BUS_LUN_NONE, 4},
	{6, 6, "", BUS_REMOVE, 6, 4, 4, BUS_LUN_NONE, 4},
	{4, 6, "oc", BUS_DISCONNECT, 6, 4, 4, BUS_LUN_NONE, 4},
	/* close by the toolstack */
	{5, 4, "c", BUS_NONE, 5, 4, 4, BUS_LUN_NONE, 4},
	{5, 6, "c", BUS_DISCONNECT, 6, 4, 4, BUS_LUN_NONE, 4},
	{5, 1, "", BUS_NONE, 6, 1, 0, BUS_LUN_NONE, 1},
	/* come back */
	{6, 1, "o", BUS_ANNOUNCE, 2, 4, 6, BUS_LUN_NONE, 1},
	{6, 1, "", BUS_REMOVE, 6, 4, 6, BUS_LUN_NONE, 4},
	{4, 1, "oc", BUS_DISCONNECT, 4, 4, 4, BUS_LUN_NONE, 4},
	{4, 1, "o", BUS_ANNOUNCE, 2, 4, 4, BUS_LUN_NONE, 1},
	{4, 3, "ocr", BUS_DISCONNECT, 4, 4, 4, BUS_LUN_NONE, 4},
	{4, 4, "ocr", BUS_DISCONNECT, 4, 4, 4, BUS_LUN_NONE, 4},
	{4, 4, "or", BUS_CONNECT, 7, 4, 4, BUS_LUN_ADD, 3},
	{7, 3, "or", BUS_CONNECT, 7, 1, 0, BUS_LUN_ADD, 3},
	{2, 3, "or", BUS_CONNECT, 4, 1, 4, BUS_LUN_ADD, 3},
	{2, 3, "ocr", BUS_DISCONNECT, 2, 3, 4, BUS_LUN_NONE, 3},
	{5, 4, "ocr", BUS_NONE, 5, 4, 4, BUS_LUN_NONE, 4},
	/* restore */
	{1, 3, "o", BUS_ANNOUNCE, 2, 4, 0, BUS_LUN_NONE, 4},
	{2, 3, "o", BUS_CONNECT, 4, 4, 0, BUS_LUN_ADD, 4},
	/* our restart */
	{4, 4, "o", BUS_CONNECT, 4, 4, 4, BUS_LUN_ADD, 4},
	{4, 4, "o", BUS_CONNECT, 4, 1, 0, BUS_LUN_NONE, 1},
	{7, 4, "o", BUS_CONNECT, 7, 5, 4, BUS_LUN_ADD, 5},
	{8, 4, "o", BUS_CONNECT, 8, 3, 4, BUS_LUN_ADD, 3},
	{4, 7, "oc", BUS_RECONFIGURE, 8, 5, 6, BUS_LUN_DEL, 6},
	/* ours and the guest's errors */
	{4, 4, "ocf", BUS_DISCONNECT, 5, 4, 4, BUS_LUN_NONE, 4},
	{2, 3, "of", BUS_NONE, 5, 1, 0, BUS_LUN_NONE, 1},
	{5, 4, "of", BUS_NONE, 5, 4, 4, BUS_LUN_NONE, 4},
	{5, 6, "of", BUS_NONE, 6, 4, 4, BUS_LUN_NONE, 4},
	{6, 1, "of", BUS_NONE, 6, 4, 4, BUS_LUN_NONE, 4},
	{6, 4, "ocf", BUS_DISCONNECT, 6, 4, 4, BUS_LUN_NONE, 4},
	{4, 99, "oc", BUS_DISCONNECT, 5, 4, 99, BUS_LUN_NONE, 4},
	/* the end of the guest, or of our nodes */
	{4, 0, "ocg", BUS_DISCONNECT, 6, 4, 0, BUS_LUN_NONE, 4},
	{6, 0, "og", BUS_REMOVE, 6, 4, 0, BUS_LUN_NONE, 4},
	{0, 4, "c", BUS_DISCONNECT, 0, 0, 4, BUS_LUN_NONE, 0},
	{0, 0, "", BUS_REMOVE, 0, 0, 0, BUS_LUN_NONE, 0},
};

static void the_written_handshakes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(lines); i++) {
		const struct line *l = &lines[i];
		struct bus_facts f = {
			.own = l->own,
			.front = l->front,
			.online = strchr(l->facts, 'o'),
			.connected = strchr(l->facts, 'c'),
			.failed = strchr(l->facts, 'f'),
			.front_gone = strchr(l->facts, 'g'),
			.ring_changed = strchr(l->facts, 'r'),
		};
		struct bus_step s = bus_back_step(&f);
		struct bus_lun_step u =
			bus_lun_step(&f, &s, l->lun_own, l->lun_front);

		if (s.action != l->action || s.next != l->next ||
		    u.action != l->lun_action || u.next != l->lun_next)
			fail_msg("line %zu: %u/%u %s: action %d next %u, "
				 "lun %d %u",
				 i, l->own, l->front, l->facts, (int)s.action,
				 s.next, (int)u.action, u.next);
	}
}

/* ------------------------------------------------------------------ model */

static void front_ring(struct world *w)
{
	w->xs.ring = ++w->rings;
	w->xs.front = w->front.state = 3;
}

static void front_probe(struct world *w)
{
	memset(w->front.has, 0, sizeof(w->front.has));
	w->front.present = true;
	w->front.event = true;
	w->front.busy = false;
	w->front.paused = false;
	w->front.reset = false;
	front_ring(w);
}

static void front_add(struct world *w)
{
	int i;

	for (i = 0; i < LUNS; i++) {
		if (w->xs.lun_own[i] != 3)
			continue;
		if (w->front.refuses[i]) {
			w->xs.lun_front[i] = 6;
		} else {
			w->front.has[i] = true;
			w->xs.lun_front[i] = 4;
		}
	}
}

static void front_del(struct world *w)
{
	int i;

	for (i = 0; i < LUNS; i++)
		if (w->xs.lun_own[i] == 5 && w->front.has[i]) {
			w->front.has[i] = false;
			w->xs.lun_front[i] = 6;
		}
}

static void front_act(struct world *w)
{
	struct front *f = &w->front;
	int i;

	switch (f->state_seen) {
	case 4:
		if (f->paused) {
			for (i = 0; i < LUNS; i++)
				if (w->xs.lun_own[i] == 4)
					w->xs.lun_front[i] = 4;
			f->paused = false;
		} else if (w->xs.front == 3) {
			front_add(w);
		}
		w->xs.front = f->state = 4;
		break;
	case 5:
	case 6:
		if (f->state_seen == 6 && f->state == 6)
			break;
		memset(f->has, 0, sizeof(f->has));
		w->xs.front = f->state = 6;
		break;
	case 7:
		front_del(w);
		w->xs.front = f->state = 7;
		break;
	case 8:
		front_add(w);
		w->xs.front = f->state = 4;
		break;
	default:
		break;
	}
}

/* A kernel that starts by kexec resets each device, in step with the backend;
 * then it probes. */
static bool front_reset(struct world *w)
{
	uint32_t own = w->xs.own;

	switch (w->xs.front) {
	case 5:
		if (own != 5 && own != 6)
			return false;
		w->xs.front = 6;
		return true;
	case 6:
		if (own != 6)
			return false;
		w->xs.front = 1;
		return true;
	case 1:
		if (own != 2)
			return false;
		front_probe(w);
		return true;
	default:
		w->xs.front = 5;
		return true;
	}
}

static bool front_turn(struct world *w)
{
	struct front *f = &w->front;

	if (!f->present)
		return false;
	if (f->reset)
		return front_reset(w);
	if (f->busy) {
		f->busy = false;
		front_act(w);
		return true;
	}
	if (!f->event)
		return false;
	f->event = false;
	f->state_seen = w->xs.own;
	f->busy = true;
	return true;
}

/* The whole life: create, plug and unplug, kexec, reload, our restart. */
static void any_interleaving_converges(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 100000; seed++) {
		struct world w;
		int i, n;

		create(&w, seed);
		some_turns(&w, 6);
		front_probe(&w);
		some_turns(&w, 12);
		n = (int)pick(&w, 8);
		for (i = 0; i < n; i++) {
			int lun = (int)pick(&w, LUNS);

			switch (pick(&w, 6)) {
			case 0:
			case 1:
				if (w.xs.lun_own[lun] == 0 ||
				    w.xs.lun_own[lun] == 6)
					tool_add(&w, lun);
				break;
			case 2:
				if (w.xs.lun_own[lun] == 4)
					tool_remove(&w, lun);
				break;
			case 3: /* kexec */
				w.front.reset = true;
				break;
			case 4: /* module loaded again, nobody looked */
				if (!w.front.reset && w.xs.own == 4)
					front_probe(&w);
				break;
			case 5: /* our process dies and starts again */
				back_restart(&w);
				break;
			}
			some_turns(&w, 12);
			if (pick(&w, 2))
				settle(&w);
		}
		settle(&w);
		connected_well(&w, seed);
	}
}

static void closing_always_ends(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 5000; seed++) {
		struct world w;
		bool by_tool;

		create(&w, seed);
		front_probe(&w);
		some_turns(&w, 20);
		by_tool = pick(&w, 2);
		if (by_tool) {
			w.xs.online = 0;
			write_own(&w, 5);
		} else {
			w.back.failed = true;
		}
		settle(&w);
		assert_int_equal(w.xs.own, 6);
		assert_int_equal(w.xs.front, 6);
		assert_false(w.back.connected);
		assert_int_equal(w.back.removed, by_tool);
	}
}

static void a_restored_guest_keeps_its_luns(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 5000; seed++) {
		struct world w;
		int i;

		create(&w, seed);
		w.front.refuses[LUNS - 1] = false;
		for (i = 0; i < LUNS; i++)
			w.xs.lun_own[i] = pick(&w, 2) ? 1 : 4;
		some_turns(&w, 4);
		front_probe(&w);
		w.front.paused = true;
		for (i = 0; i < LUNS; i++)
			w.front.has[i] = true;
		settle(&w);
		connected_well(&w, seed);
	}
}

/* A guest that writes anything into its nodes, and loses only itself. */
static void a_hostile_guest_is_served(void **state)
{
	uint64_t seed;
	int i;

	(void)state;
	for (seed = 1; seed <= 2000; seed++) {
		struct world w;

		create(&w, seed);
		for (i = 0; i < 200; i++) {
			w.xs.front = pick(&w, 12);
			w.xs.lun_front[pick(&w, LUNS)] = pick(&w, 12);
			w.xs.ring = pick(&w, 3);
			some_turns(&w, 4);
		}
		for (i = 0; i < 20; i++)
			back_turn(&w);
		back_turn(&w);
		w.xs.front = 6;
		for (i = 0; i < 20; i++)
			back_turn(&w);
		assert_int_equal(w.xs.own, 6);
		assert_false(w.back.connected);
	}
}

static void states_are_numbers(void **state)
{
	(void)state;
	assert_int_equal(bus_state_parse("4", 1), 4);
	assert_int_equal(bus_state_parse("99", 2), 99);
	assert_int_equal(bus_state_parse("", 0), 0);
	assert_int_equal(bus_state_parse("4 ", 2), 0);
	assert_int_equal(bus_state_parse("-4", 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_settles),
		cmocka_unit_test(every_lun_state_is_known),
		cmocka_unit_test(the_written_handshakes),
		cmocka_unit_test(any_interleaving_converges),
		cmocka_unit_test(closing_always_ends),
		cmocka_unit_test(a_restored_guest_keeps_its_luns),
		cmocka_unit_test(a_hostile_guest_is_served),
		cmocka_unit_test(states_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
