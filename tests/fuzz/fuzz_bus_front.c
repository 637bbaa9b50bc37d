/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend's xenbus handshake from any combination of states, with changes
 * by the backend and the owner in between: nothing undefined, and after the
 * last change the steps come to an end as bus_front.h promises.
 */
#include "core/bus_front.h"
#include "tests/fuzz/fuzz.h"

#define LUNS 3

struct world {
	struct bus_front_facts facts;
	uint32_t own[LUNS], back[LUNS];
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

	switch (fuzz_below(in, 7)) {
	case 0:
		w->facts.own = state(in);
		break;
	case 1:
	case 2:
		w->facts.back = state(in);
		break;
	case 3:
		w->back[lun] = state(in);
		break;
	case 4:
		w->own[lun] = state(in);
		break;
	case 5:
		w->facts.online ^= true;
		w->facts.wanted ^= fuzz_below(in, 2);
		break;
	default:
		w->facts.back_gone ^= true;
		w->facts.late ^= fuzz_below(in, 2);
		break;
	}
}

/* One turn of the frontend; true if there was nothing to do. */
static bool turn(struct world *w, bool fail)
{
	struct bus_front_facts was = w->facts;
	struct bus_front_step step = bus_front_step(&w->facts);

	FUZZ_CHECK(step.action <= BUS_FRONT_REMOVE);
	FUZZ_CHECK(step.next == was.own || step.next <= WIRE_BUS_RECONFIGURED);
	if (fail && step.action == BUS_FRONT_PUBLISH) {
		w->facts.wanted = false;
		return false;
	}
	switch (step.action) {
	case BUS_FRONT_PUBLISH:
		w->facts.ring = true;
		break;
	case BUS_FRONT_CONNECT:
		FUZZ_CHECK(was.ring);
		break;
	case BUS_FRONT_DISCONNECT:
		w->facts.ring = false;
		break;
	case BUS_FRONT_REMOVE:
		w->removed = true;
		return true;
	case BUS_FRONT_NONE:
		break;
	}
	for (int i = 0; i < LUNS; i++) {
		struct bus_front_lun_step lun =
			bus_front_lun_step(&was, &step, w->own[i], w->back[i]);

		FUZZ_CHECK(lun.action <= BUS_FRONT_LUN_DEL);
		FUZZ_CHECK(lun.action != BUS_FRONT_LUN_ADD || w->facts.ring);
		w->own[i] = fail && lun.action ? lun.failed : lun.next;
	}
	w->facts.own = step.next;
	return step.action == BUS_FRONT_NONE && step.next == was.own;
}

/* Nobody else does anything: it ends, and stays ended. */
static void settle(struct world *w)
{
	int n;

	for (n = 0; n <= BUS_FRONT_STEPS_MAX && !turn(w, false); n++)
		;
	FUZZ_CHECK(n <= BUS_FRONT_STEPS_MAX);
	FUZZ_CHECK(w->removed || turn(w, false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	struct world w = {0};
	uint8_t flags = fuzz_u8(&in);

	w.facts.own = state(&in);
	w.facts.back = state(&in);
	w.facts.online = flags & 1;
	w.facts.back_gone = flags & 2;
	w.facts.ring = flags & 4;
	w.facts.wanted = flags & 8;
	w.facts.late = flags & 16;
	while (in.left && !w.removed) {
		uint8_t what = fuzz_u8(&in);

		if (what & 1)
			change(&w, &in);
		else if (what & 2)
			(void)turn(&w, what & 4);
		else
			settle(&w);
	}
	if (!w.removed)
		settle(&w);
	return 0;
}
