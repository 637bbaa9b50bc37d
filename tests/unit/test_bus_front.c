/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/bus_front: every combination of states, the handshakes as they are
 * written down, and both ends against each other: every state that they can
 * reach with one LUN, random lives with several, a model of the kernel's
 * backend, and a backend that lies.
 */
#include "tests/unit/test_bus_world.h"

#include "core/bus_front.h"

/* ------------------------------------------------------- all combinations */

static const uint32_t states[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, UINT32_MAX};

static struct bus_front_facts facts_from(uint32_t own, uint32_t back,
					 uint32_t bits)
{
	return (struct bus_front_facts){
		.own = own,
		.back = back,
		.online = bits & 1,
		.back_gone = bits & 2,
		.ring = bits & 4,
		.wanted = bits & 8,
		.late = bits & 16,
	};
}

static void settles(struct bus_front_facts f)
{
	struct bus_front_facts was = f;
	int i;

	for (i = 0; i <= BUS_FRONT_STEPS_MAX; i++) {
		struct bus_front_step s = bus_front_step(&f);

		/* What we write is a state that frontends of vscsi have. */
		if (s.next != f.own)
			assert_true(s.next == 1 || s.next == 3 || s.next == 4 ||
				    s.next == 5 || s.next == 6 || s.next == 7);
		/* Nobody removed: nothing may be made anew. */
		if (was.own == 0)
			assert_int_equal(s.next, 0);
		/* An owner who does not want it gets no connection. */
		if (!f.wanted)
			assert_true(s.action != BUS_FRONT_PUBLISH &&
				    s.action != BUS_FRONT_CONNECT);
		/* Only with a ring is there a state that says so. */
		if (s.next != f.own &&
		    (s.next == 3 || s.next == 4 || s.next == 7))
			assert_true(f.ring || s.action == BUS_FRONT_PUBLISH);
		if (s.action == BUS_FRONT_REMOVE) {
			assert_false(f.ring);
			return;
		}
		if (s.action == BUS_FRONT_NONE && s.next == f.own)
			return;
		if (s.action == BUS_FRONT_PUBLISH) {
			assert_false(f.ring);
			f.ring = true;
		} else if (s.action == BUS_FRONT_CONNECT) {
			assert_true(f.ring);
		} else if (s.action == BUS_FRONT_DISCONNECT) {
			assert_true(f.ring);
			f.ring = false;
		}
		f.own = s.next;
	}
	fail_msg("own %u back %u: does not settle", was.own, was.back);
}

static void every_combination_settles(void **state)
{
	size_t i, j;
	uint32_t bits;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++)
		for (j = 0; j < XPV_ARRAY_SIZE(states); j++)
			for (bits = 0; bits < 32; bits++)
				settles(facts_from(states[i], states[j], bits));
}

static void check_lun(const struct bus_front_facts *f, uint32_t own,
		      uint32_t back)
{
	struct bus_front_step s = bus_front_step(f);
	struct bus_front_lun_step u = bus_front_lun_step(f, &s, own, back);

	assert_int_equal(u.failed, WIRE_BUS_CLOSED);
	switch (u.action) {
	case BUS_FRONT_LUN_NONE:
		assert_int_equal(u.next, own);
		break;
	case BUS_FRONT_LUN_ADD:
		assert_int_equal(u.next, 4);
		assert_true(back == 3 || back == 4);
		assert_true(f->ring && f->wanted && s.next == 4);
		break;
	case BUS_FRONT_LUN_DEL:
		assert_int_equal(u.next, 6);
		assert_true(back == 0 || back == 5 || back == 6);
		assert_true(own != 0 && own != 6);
		assert_true(f->ring && (s.next == 4 || s.next == 7));
		break;
	}
}

static void every_lun_state_is_known(void **state)
{
	size_t i, j, k, l;
	uint32_t bits;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(states); i++)
		for (j = 0; j < XPV_ARRAY_SIZE(states); j++)
			for (bits = 0; bits < 32; bits++) {
				struct bus_front_facts f =
					facts_from(states[i], states[j], bits);

				for (k = 0; k < XPV_ARRAY_SIZE(states); k++)
					for (l = 0; l < XPV_ARRAY_SIZE(states);
					     l++)
						check_lun(&f, states[k],
							  states[l]);
			}
}

/* ---------------------------------------------------------------- scripts */

static const struct line {
	uint32_t own, back;
	const char *facts; /* o online, g gone, r ring, w wanted, l late */
	enum bus_front_action action;
	uint32_t next;
	/* one LUN: states, and what is to become of it */
	uint32_t lun_own, lun_back;
	enum bus_front_lun_action lun_action;
	uint32_t lun_next;
} lines[] = {
	/* create */
	{1, 1, "ow", BUS_FRONT_NONE, 1, 0, 1, BUS_FRONT_LUN_NONE, 0},
	{1, 2, "ow", BUS_FRONT_PUBLISH, 3, 0, 1, BUS_FRONT_LUN_NONE, 0},
	{3, 2, "owr", BUS_FRONT_NONE, 3, 0, 1, BUS_FRONT_LUN_NONE, 0},
	{3, 4, "owr", BUS_FRONT_CONNECT, 4, 0, 3, BUS_FRONT_LUN_ADD, 4},
	{4, 4, "owr", BUS_FRONT_NONE, 4, 4, 4, BUS_FRONT_LUN_ADD, 4},
	/* add */
	{4, 7, "owr", BUS_FRONT_NONE, 7, 0, 1, BUS_FRONT_LUN_NONE, 0},
	{7, 7, "owr", BUS_FRONT_NONE, 7, 0, 1, BUS_FRONT_LUN_NONE, 0},
	{7, 8, "owr", BUS_FRONT_NONE, 4, 0, 3, BUS_FRONT_LUN_ADD, 4},
	{4, 8, "owr", BUS_FRONT_NONE, 4, 4, 3, BUS_FRONT_LUN_ADD, 4},
	/* remove */
	{4, 7, "owr", BUS_FRONT_NONE, 7, 4, 5, BUS_FRONT_LUN_DEL, 6},
	{7, 8, "owr", BUS_FRONT_NONE, 4, 6, 6, BUS_FRONT_LUN_NONE, 6},
	{4, 4, "owr", BUS_FRONT_NONE, 4, 4, 0, BUS_FRONT_LUN_DEL, 6},
	/* we have not seen that it was Connected */
	{3, 7, "owr", BUS_FRONT_CONNECT, 7, 0, 3, BUS_FRONT_LUN_NONE, 0},
	{3, 8, "owr", BUS_FRONT_CONNECT, 4, 0, 3, BUS_FRONT_LUN_ADD, 4},
	{7, 4, "owr", BUS_FRONT_NONE, 7, 0, 3, BUS_FRONT_LUN_NONE, 0},
	/* close by the owner */
	{4, 4, "or", BUS_FRONT_DISCONNECT, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 4, "o", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 5, "o", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{6, 6, "o", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	/* close by the backend or the toolstack */
	{4, 5, "owr", BUS_FRONT_DISCONNECT, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{4, 6, "owr", BUS_FRONT_DISCONNECT, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 5, "w", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 6, "ow", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 6, "o", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{5, 6, "owl", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{6, 6, "w", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{0, 0, "wr", BUS_FRONT_DISCONNECT, 0, 4, 0, BUS_FRONT_LUN_NONE, 4},
	{0, 0, "w", BUS_FRONT_REMOVE, 0, 0, 0, BUS_FRONT_LUN_NONE, 0},
	/* come back */
	{6, 5, "ow", BUS_FRONT_NONE, 6, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{6, 6, "ow", BUS_FRONT_NONE, 1, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{1, 6, "ow", BUS_FRONT_NONE, 1, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{1, 6, "owl", BUS_FRONT_PUBLISH, 3, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{1, 6, "wl", BUS_FRONT_NONE, 1, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{3, 6, "owr", BUS_FRONT_NONE, 3, 4, 4, BUS_FRONT_LUN_NONE, 4},
	/* our restart, or a resume in place */
	{4, 4, "ow", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{3, 2, "ow", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	{1, 4, "ow", BUS_FRONT_NONE, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
	/* restore: all nodes anew, the LUN is in use */
	{1, 2, "ow", BUS_FRONT_PUBLISH, 3, 0, 4, BUS_FRONT_LUN_NONE, 0},
	{3, 4, "owr", BUS_FRONT_CONNECT, 4, 0, 4, BUS_FRONT_LUN_ADD, 4},
	{1, 1, "owr", BUS_FRONT_DISCONNECT, 1, 0, 4, BUS_FRONT_LUN_NONE, 0},
	/* the backend was made anew, or is gone */
	{4, 2, "owr", BUS_FRONT_DISCONNECT, 5, 4, 1, BUS_FRONT_LUN_NONE, 4},
	{4, 0, "owgr", BUS_FRONT_DISCONNECT, 6, 4, 0, BUS_FRONT_LUN_NONE, 4},
	{6, 0, "owg", BUS_FRONT_NONE, 6, 4, 0, BUS_FRONT_LUN_NONE, 4},
	{6, 1, "ow", BUS_FRONT_NONE, 1, 4, 1, BUS_FRONT_LUN_NONE, 4},
	{1, 0, "owg", BUS_FRONT_NONE, 1, 0, 0, BUS_FRONT_LUN_NONE, 0},
	/* nonsense */
	{4, 99, "owr", BUS_FRONT_NONE, 4, 4, 99, BUS_FRONT_LUN_NONE, 4},
	{99, 4, "owr", BUS_FRONT_DISCONNECT, 5, 4, 4, BUS_FRONT_LUN_NONE, 4},
};

static void the_written_handshakes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(lines); i++) {
		const struct line *l = &lines[i];
		struct bus_front_facts f = {
			.own = l->own,
			.back = l->back,
			.online = strchr(l->facts, 'o'),
			.back_gone = strchr(l->facts, 'g'),
			.ring = strchr(l->facts, 'r'),
			.wanted = strchr(l->facts, 'w'),
			.late = strchr(l->facts, 'l'),
		};
		struct bus_front_step s = bus_front_step(&f);
		struct bus_front_lun_step u =
			bus_front_lun_step(&f, &s, l->lun_own, l->lun_back);

		if (s.action != l->action || s.next != l->next ||
		    u.action != l->lun_action || u.next != l->lun_next)
			fail_msg("line %zu: %u/%u %s: action %d next %u, "
				 "lun %d %u",
				 i, l->own, l->back, l->facts, (int)s.action,
				 s.next, (int)u.action, u.next);
	}
}

/* ------------------------------------------------------------------ model */

static struct bus_front_facts facts_seen(const struct world *w)
{
	const struct nodes *n = &w->front.seen;

	return (struct bus_front_facts){
		.own = n->front,
		.back = n->own,
		.online = n->online,
		.ring = w->front.ring,
		.wanted = !w->front.unwanted,
		.late = w->front.late,
	};
}

/* Acts on what was read, and writes only if the states still stand. */
static bool front_act(struct world *w)
{
	struct front *f = &w->front;
	struct bus_front_facts facts = facts_seen(w);
	struct bus_front_step s = bus_front_step(&facts);
	bool change = s.action != BUS_FRONT_NONE || s.next != facts.own;
	uint32_t lun[LUNS];
	int i;

	if (s.action == BUS_FRONT_CONNECT) {
		f->connected = true;
	} else if (s.action == BUS_FRONT_DISCONNECT) {
		f->ring = 0;
		f->connected = false;
		memset(f->has, 0, sizeof(f->has));
	}
	for (i = 0; i < LUNS; i++) {
		struct bus_front_lun_step u = bus_front_lun_step(
			&facts, &s, f->seen.lun_front[i], f->seen.lun_own[i]);

		lun[i] = u.next;
		if (u.action == BUS_FRONT_LUN_ADD) {
			change |= !f->has[i] && !f->refuses[i];
			f->has[i] = !f->refuses[i];
			lun[i] = f->refuses[i] ? u.failed : u.next;
		} else if (u.action == BUS_FRONT_LUN_DEL) {
			change |= f->has[i];
			f->has[i] = false;
		}
		change |= lun[i] != f->seen.lun_front[i];
	}
	if (!change)
		return false;
	if (w->xs.own != f->seen.own || w->xs.front != f->seen.front)
		return true;
	if (s.action == BUS_FRONT_PUBLISH)
		w->xs.ring = f->ring = ++w->rings;
	memcpy(w->xs.lun_front, lun, sizeof(lun));
	if (w->xs.front != s.next)
		f->writes++;
	w->xs.front = s.next;
	return true;
}

static bool front_turn(struct world *w)
{
	struct world was;

	if (w->front.busy) {
		w->front.busy = false;
		return front_act(w);
	}
	/* Read; but if there is nothing to do, it was only a look. */
	w->front.seen = w->xs;
	was = *w;
	w->front.busy = front_act(&was);
	return w->front.busy;
}

/* Our program dies and starts again; or its domain is resumed in place. */
static void front_restart(struct world *w)
{
	struct front *f = &w->front;

	f->busy = f->connected = false;
	f->ring = 0;
	memset(f->has, 0, sizeof(f->has));
}

static void settled_well(struct world *w, uint64_t seed)
{
	connected_well(w, seed);
	if (!w->front.connected || w->front.ring != w->xs.ring)
		fail_msg("seed %llu: our ring %u, in the nodes %u",
			 (unsigned long long)seed, w->front.ring, w->xs.ring);
}

/* The backend's caller: its failure is forgotten when we come back. */
static void back_forgives(struct world *w)
{
	const struct bus_facts f = {
		.own = w->xs.own,
		.front = w->xs.front,
		.connected = w->back.connected,
		.failed = w->back.failed,
	};

	if (bus_back_forgives(&f))
		w->back.failed = false;
}

static void some_life(struct world *w)
{
	int lun = (int)pick(w, LUNS);

	switch (pick(w, 7)) {
	case 0:
	case 1:
		if (w->xs.lun_own[lun] == 0 || w->xs.lun_own[lun] == 6)
			tool_add(w, lun);
		break;
	case 2:
		if (w->xs.lun_own[lun] == 4)
			tool_remove(w, lun);
		break;
	case 3:
		front_restart(w);
		break;
	case 4:
		back_restart(w);
		break;
	case 5:
		w->front.unwanted = !w->front.unwanted;
		break;
	case 6:
		if (!w->front.late)
			w->back.failed = true;
		break;
	}
}

static void any_interleaving_converges(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 50000; seed++) {
		struct world w;
		int i, n;

		create(&w, seed);
		w.front.late = pick(&w, 2);
		some_turns(&w, 20);
		n = (int)pick(&w, 8);
		for (i = 0; i < n; i++) {
			some_life(&w);
			some_turns(&w, 12);
			back_forgives(&w);
			if (pick(&w, 2))
				settle(&w);
		}
		w.front.unwanted = false;
		do {
			settle(&w);
			back_forgives(&w);
			settle(&w);
		} while (w.back.failed);
		settled_well(&w, seed);
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
		some_turns(&w, 30);
		by_tool = pick(&w, 2);
		if (by_tool) {
			w.xs.online = 0;
			write_own(&w, 5);
		} else {
			w.front.unwanted = true;
		}
		settle(&w);
		assert_int_equal(w.xs.own, 6);
		assert_true(w.xs.front == 6 || (by_tool && w.xs.front == 1));
		assert_false(w.back.connected);
		assert_int_equal(w.front.ring, 0);
		assert_int_equal(w.back.removed, by_tool);
	}
}

/* A domain saved and restored: new nodes, its LUNs are in use. */
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
		if (pick(&w, 2)) { /* nobody has told us */
			w.front.ring = 77;
			w.front.connected = true;
		}
		settle(&w);
		settled_well(&w, seed);
		for (i = 0; i < LUNS; i++)
			assert_true(w.front.has[i]);
	}
}

/* A backend that writes anything, and loses only itself. */
static void a_lying_backend_is_survived(void **state)
{
	uint64_t seed;
	int i;

	(void)state;
	for (seed = 1; seed <= 2000; seed++) {
		struct world w;

		create(&w, seed);
		for (i = 0; i < 200; i++) {
			w.xs.own = pick(&w, 12);
			w.xs.online = pick(&w, 2);
			w.xs.lun_own[pick(&w, LUNS)] = pick(&w, 12);
			front_turn(&w);
			if (pick(&w, 3))
				front_turn(&w);
			if (w.front.connected)
				assert_int_not_equal(w.front.ring, 0);
		}
		w.front.unwanted = w.front.late = true;
		w.xs.own = 6;
		for (i = 0; i < 20; i++)
			front_turn(&w);
		assert_int_equal(w.xs.front, 6);
		assert_int_equal(w.front.ring, 0);
		w.front.unwanted = false;
		w.xs.own = 1;
		w.xs.online = 1;
		w.back = (struct back){0};
		memset(w.xs.lun_own, 0, sizeof(w.xs.lun_own));
		settle(&w);
		settled_well(&w, seed);
	}
}

/* ------------------------------------------------ every state there can be */

#define TABLE (1u << 22)

static uint64_t *table;
static uint32_t table_used;

static uint64_t hash_of(const void *data, size_t len)
{
	const uint8_t *byte = data;
	uint64_t h = 1469598103934665603u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ byte[i]) * 1099511628211u;
	return h ? h : 1;
}

static void rename_ring(uint32_t *ring, uint32_t *names, uint32_t *n)
{
	uint32_t i;

	if (*ring == 0)
		return;
	for (i = 0; i < *n && names[i] != *ring; i++)
		;
	names[i] = *ring;
	if (i == *n)
		++*n;
	*ring = i + 1;
}

/* Rings are the same but for their numbers; what is not in use is zero. */
static void normalise(struct world *w)
{
	uint32_t names[8], n = 0;

	if (!w->back.busy)
		memset(&w->back.seen, 0, sizeof(w->back.seen));
	if (!w->front.busy)
		memset(&w->front.seen, 0, sizeof(w->front.seen));
	if (!w->back.connected)
		w->back.held = 0;
	w->front.event = false;
	w->front.writes = 0;
	w->seed = 0;
	rename_ring(&w->xs.ring, names, &n);
	rename_ring(&w->front.ring, names, &n);
	rename_ring(&w->back.held, names, &n);
	rename_ring(&w->back.ring, names, &n);
	rename_ring(&w->back.seen.ring, names, &n);
	rename_ring(&w->front.seen.ring, names, &n);
	w->rings = n;
}

/* True for a state that is new. */
static bool remember(const struct world *w)
{
	uint64_t h = hash_of(w, sizeof(*w));
	uint32_t i;

	for (i = (uint32_t)h & (TABLE - 1); table[i]; i = (i + 1) & (TABLE - 1))
		if (table[i] == h)
			return false;
	assert_true(++table_used < TABLE / 4 * 3);
	table[i] = h;
	return true;
}

/* What can happen next; false: not here. */
static bool happen(struct world *w, uint32_t what)
{
	switch (what) {
	case 0:
		front_turn(w);
		return true;
	case 1:
		back_turn(w);
		return true;
	case 2:
		return (w->xs.lun_own[0] == 0 || w->xs.lun_own[0] == 6) &&
		       tool_add(w, 0);
	case 3:
		return w->xs.lun_own[0] == 4 && tool_remove(w, 0);
	case 4:
		front_restart(w);
		return true;
	case 5:
		back_restart(w);
		return true;
	case 6:
		w->front.unwanted = !w->front.unwanted;
		return true;
	default:
		return false;
	}
}

/* In turns, which is fair; 60 are more than any way has. */
static void converge(struct world w)
{
	uint32_t i;

	w.front.unwanted = false;
	for (i = 0; i < 60; i++)
		happen(&w, i % 2);
	settled_well(&w, 0);
}

static void every_state_converges(void **state)
{
	static struct world stack[1 << 16];
	uint32_t top = 0, what, late;

	(void)state;
	table = calloc(TABLE, sizeof(*table));
	for (late = 0; late < 2; late++) {
		memset(&stack[0], 0, sizeof(stack[0]));
		stack[0].xs.own = stack[0].xs.front = stack[0].xs.online = 1;
		stack[0].front.late = late;
		remember(&stack[0]);
		top = 1;
		while (top) {
			struct world w = stack[--top], next;

			converge(w);
			for (what = 0; what < 7; what++) {
				next = w;
				if (!happen(&next, what))
					continue;
				normalise(&next);
				if (!remember(&next))
					continue;
				assert_true(top < XPV_ARRAY_SIZE(stack));
				stack[top++] = next;
			}
		}
	}
	print_message("# %u states\n", table_used);
	assert_true(table_used > 1000);
	free(table);
}

/* --------------------------------------------------- the kernel's backend */

/* Linux' xen-scsiback: acts on each change of our state, in two steps. */
struct kernel {
	uint32_t state;	 /* what the driver thinks its state is */
	uint32_t writes; /* of ours, that it has had events for */
	uint32_t seen;
	bool busy;
	uint32_t held; /* the ring that it has mapped, 0: none */
	bool has[LUNS];
};

static void kernel_switch(struct world *w, struct kernel *k, uint32_t state)
{
	if (state != k->state)
		w->xs.own = k->state = state;
}

static void kernel_luns(struct world *w, struct kernel *k)
{
	int i;

	for (i = 0; i < LUNS; i++) {
		uint32_t *lun = &w->xs.lun_own[i];

		if (*lun == 1) {
			*lun = k->has[i] ? 6 : 3;
			k->has[i] = true;
		} else if (*lun == 4 && !k->has[i]) {
			*lun = 3;
			k->has[i] = true;
		} else if (*lun == 5 && k->has[i]) {
			*lun = 6;
			k->has[i] = false;
		}
	}
}

static void kernel_act(struct world *w, struct kernel *k)
{
	int i;

	switch (k->seen) {
	case 3:
		if (k->held)
			break;
		k->held = w->xs.ring;
		kernel_luns(w, k);
		kernel_switch(w, k, 4);
		break;
	case 4:
		for (i = 0; i < LUNS; i++)
			if (w->xs.lun_own[i] == 3)
				w->xs.lun_own[i] = 4;
		kernel_switch(w, k, 4);
		break;
	case 5:
		k->held = 0;
		kernel_switch(w, k, 5);
		break;
	case 6:
		kernel_switch(w, k, 6);
		break;
	case 7:
		kernel_luns(w, k);
		kernel_switch(w, k, 8);
		break;
	default:
		break;
	}
}

static bool kernel_turn(struct world *w, struct kernel *k)
{
	if (k->state == 0) { /* probe */
		kernel_switch(w, k, 2);
		return true;
	}
	if (k->busy) {
		k->busy = false;
		kernel_act(w, k);
		return true;
	}
	if (k->writes == w->front.writes)
		return false;
	/* One event for several writes, sometimes. */
	k->writes += pick(w, 2) ? 1 : w->front.writes - k->writes;
	k->seen = w->xs.front;
	k->busy = true;
	return true;
}

static bool kernel_or_front(struct world *w, struct kernel *k)
{
	/* A second is more than it takes. */
	w->front.late = !k->busy && k->writes == w->front.writes;
	return pick(w, 2) ? front_turn(w) : kernel_turn(w, k);
}

static void kernel_settle(struct world *w, struct kernel *k)
{
	uint32_t quiet = 0, i;

	for (i = 0; i < 2000 && quiet < 40; i++)
		if (kernel_or_front(w, k))
			quiet = 0;
		else
			quiet++;
	assert_true(i < 2000);
}

static void kernel_life(struct world *w)
{
	int lun = (int)pick(w, LUNS);

	switch (pick(w, 5)) {
	case 0:
	case 1:
		/* The toolstack waits for 4. */
		if ((w->xs.lun_own[lun] == 0 || w->xs.lun_own[lun] == 6) &&
		    w->xs.own == 4)
			tool_add(w, lun);
		break;
	case 2:
		if (w->xs.lun_own[lun] == 4 && w->xs.own == 4)
			tool_remove(w, lun);
		break;
	case 3:
		front_restart(w);
		break;
	case 4:
		w->front.unwanted = !w->front.unwanted;
		break;
	}
}

static void the_kernels_backend_is_understood(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 50000; seed++) {
		struct kernel k = {0};
		struct world w;
		int i, n;

		create(&w, seed);
		w.front.refuses[LUNS - 1] = false;
		n = (int)pick(&w, 8);
		for (i = 0; i < n; i++) {
			int turns = (int)pick(&w, 12);

			while (turns--)
				kernel_or_front(&w, &k);
			kernel_life(&w);
			if (pick(&w, 2))
				kernel_settle(&w, &k);
		}
		w.front.unwanted = false;
		kernel_settle(&w, &k);
		w.back.connected = k.held;
		w.back.held = k.held;
		memcpy(w.back.has, k.has, sizeof(k.has));
		settled_well(&w, seed);
	}
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
		cmocka_unit_test(a_lying_backend_is_survived),
		cmocka_unit_test(every_state_converges),
		cmocka_unit_test(the_kernels_backend_is_understood),
	};

	return cmocka_run_group_tests_name("bus_front", tests, NULL, NULL);
}
