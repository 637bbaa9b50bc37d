/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenbus handshake from any combination of states, with changes by the
 * toolstack and the frontend in between: nothing undefined, and after the last
 * change the steps come to an end as bus.h promises.
 */
#include "core/bus.h"
#include "tests/fuzz/fuzz.h"

#define LUNS 3

struct world {
	struct bus_facts facts;
	struct {
		uint32_t own, front;
		bool has;
	} lun[LUNS];
	bool removed;
};

/* Mostly a state, at times any number. */
static uint32_t state(struct fuzz_in *in)
{
	uint32_t v = fuzz_u8(in);

	return v < 0xf0 ? v % 9 : v == 0xff ? UINT32_MAX : v;
}

static void change(struct world *w, struct fuzz_in *in)
{
	uint32_t lun = fuzz_below(in, LUNS);

	switch (fuzz_below(in, 8)) {
	case 0:
		w->facts.own = state(in);
		break;
	case 1:
	case 2:
		w->facts.front = state(in);
		break;
	case 3:
		w->lun[lun].own = state(in);
		break;
	case 4:
		w->lun[lun].front = state(in);
		break;
	case 5:
		w->facts.online ^= true;
		break;
	case 6:
		w->facts.front_gone ^= true;
		break;
	default:
		w->facts.ring_changed ^= true;
		break;
	}
}

static void step_luns(struct world *w, const struct bus_facts *facts,
		      const struct bus_step *step, bool fail)
{
	for (int i = 0; i < LUNS; i++) {
		struct bus_lun_step lun = bus_lun_step(
			facts, step, w->lun[i].own, w->lun[i].front);

		FUZZ_CHECK(lun.action <= BUS_LUN_DEL);
		if (lun.action == BUS_LUN_NONE) {
			w->lun[i].own = lun.next;
			continue;
		}
		/* without rings there is nothing to attach to */
		FUZZ_CHECK(facts->connected || step->action == BUS_CONNECT);
		w->lun[i].own = fail ? lun.failed : lun.next;
		w->lun[i].has = !fail && lun.action == BUS_LUN_ADD;
	}
}

/* One turn of the backend; true if there was nothing to do. */
static bool turn(struct world *w, bool fail, bool fail_lun)
{
	struct bus_facts was = w->facts;
	struct bus_step step = bus_back_step(&w->facts);

	FUZZ_CHECK(step.action <= BUS_REMOVE);
	/* nodes that are gone are not written; a state of ours is a state */
	if (was.own == WIRE_BUS_UNKNOWN)
		FUZZ_CHECK(step.next == WIRE_BUS_UNKNOWN);
	else
		FUZZ_CHECK(step.next == was.own ||
			   (step.next >= WIRE_BUS_INITIALISING &&
			    step.next <= WIRE_BUS_RECONFIGURED));
	switch (step.action) {
	case BUS_CONNECT:
		FUZZ_CHECK(!was.connected);
		if (fail) {
			w->facts.failed = true;
			return false;
		}
		w->facts.connected = true;
		w->facts.ring_changed = false;
		break;
	case BUS_DISCONNECT:
		FUZZ_CHECK(was.connected);
		w->facts.connected = false;
		for (int i = 0; i < LUNS; i++)
			w->lun[i].has = false;
		break;
	case BUS_REMOVE:
		FUZZ_CHECK(!was.connected);
		w->removed = true;
		return true;
	case BUS_RECONFIGURE:
		FUZZ_CHECK(was.connected);
		break;
	case BUS_ANNOUNCE:
		FUZZ_CHECK(!was.connected);
		break;
	case BUS_NONE:
		break;
	}
	step_luns(w, &was, &step, fail_lun);
	w->facts.own = step.next;
	return step.action == BUS_NONE && step.next == was.own;
}

/* Nobody else does anything: it ends, and stays ended. */
static void settle(struct world *w)
{
	int n;

	for (n = 0; n <= BUS_STEPS_MAX && !turn(w, false, false); n++)
		;
	FUZZ_CHECK(n <= BUS_STEPS_MAX);
	if (w->removed)
		return;
	FUZZ_CHECK(turn(w, false, false));
	for (int i = 0; i < LUNS; i++)
		FUZZ_CHECK(!w->lun[i].has || w->facts.connected);
	if (w->facts.front_gone)
		FUZZ_CHECK(!w->facts.connected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	struct world w = {0};
	uint8_t flags = fuzz_u8(&in);
	char number[12];

	fuzz_take(&in, number, sizeof(number));
	(void)bus_state_parse(number, sizeof(number));
	w.facts.own = state(&in);
	w.facts.front = state(&in);
	w.facts.online = flags & 1;
	w.facts.front_gone = flags & 2;
	w.facts.connected = flags & 4;
	w.facts.ring_changed = flags & 8;
	w.facts.failed = flags & 16;
	while (in.left && !w.removed) {
		uint8_t what = fuzz_u8(&in);

		if (what & 1)
			change(&w, &in);
		else if (what & 2)
			(void)turn(&w, what & 4, what & 8);
		else
			settle(&w);
	}
	if (!w.removed)
		settle(&w);
	return 0;
}
