/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend's xenbus handshake; see bus_front.h.
 */
#include "core/bus_front.h"

/* Columns: the backend's states 0 to 8, then everything else. Rows: ours. */
#define STATES 10

struct entry {
	uint8_t action; /* enum bus_front_action */
	uint8_t next;
};

/* clang-format off */
#define NONE(s) {BUS_FRONT_NONE, s}
#define PUBL(s) {BUS_FRONT_PUBLISH, s}
#define CONN(s) {BUS_FRONT_CONNECT, s}
#define DISC(s) {BUS_FRONT_DISCONNECT, s}
#define REMO(s) {BUS_FRONT_REMOVE, s}
#define ALL(e)  {e, e, e, e, e, e, e, e, e, e}

/*
 * Without a ring.
 *
 * Row 1: whoever the backend was connected to before, it has to let go of it.
 * 1/6, 5/6 and 6/6: see closed_may().
 * Rows 3, 4, 7 and 8: there was a ring, and nobody knows it any more.
 */
static const struct entry apart[STATES][STATES] = {
/* back: 0        1        2        3        4        5        6        7        8        more */
[0] = ALL(REMO(0)),
[1] = {NONE(1), NONE(1), PUBL(3), NONE(5), NONE(5), NONE(5), PUBL(3), NONE(5), NONE(5), NONE(1)},
[2] = ALL(NONE(1)),
[3] = ALL(NONE(5)),
[4] = ALL(NONE(5)),
[5] = {NONE(6), NONE(5), NONE(5), NONE(5), NONE(5), NONE(6), NONE(6), NONE(5), NONE(5), NONE(6)},
[6] = {NONE(6), NONE(1), NONE(1), NONE(6), NONE(6), NONE(6), NONE(1), NONE(6), NONE(6), NONE(6)},
[7] = ALL(NONE(5)),
[8] = ALL(NONE(5)),
[9] = ALL(NONE(5)),
};

/*
 * With a ring.
 *
 * Rows 1 and 2: the nodes were made anew under our ring.
 * 3/6: the backend has not noticed our 3 yet; it does not go to 6 by itself.
 * 3/7, 3/8: the backend was at 4, and we have not seen it.
 * 4 and 7 with 1 to 3: the backend was made anew, and does not know our ring.
 * 7/4: it has not noticed our 7 yet.
 */
static const struct entry joined[STATES][STATES] = {
/* back: 0        1        2        3        4        5        6        7        8        more */
[0] = ALL(DISC(0)),
[1] = ALL(DISC(1)),
[2] = ALL(DISC(1)),
[3] = {NONE(3), NONE(3), NONE(3), NONE(3), CONN(4), DISC(5), NONE(3), CONN(7), CONN(4), NONE(3)},
[4] = {NONE(4), DISC(5), DISC(5), DISC(5), NONE(4), DISC(5), DISC(5), NONE(7), NONE(4), NONE(4)},
[5] = ALL(DISC(5)),
[6] = ALL(DISC(6)),
[7] = {NONE(7), DISC(5), DISC(5), DISC(5), NONE(7), DISC(5), DISC(5), NONE(7), NONE(4), NONE(7)},
[8] = ALL(DISC(5)),
[9] = ALL(DISC(5)),
};

/* The owner does not want the device: columns without a ring, with one. */
static const struct entry unwanted[STATES][2] = {
[0] = {REMO(0), DISC(0)},
[1] = {NONE(6), DISC(6)},
[2] = {NONE(6), DISC(6)},
[3] = {NONE(5), DISC(5)},
[4] = {NONE(5), DISC(5)},
[5] = {NONE(5), DISC(5)}, /* without: as when it is wanted */
[6] = {NONE(6), DISC(6)},
[7] = {NONE(5), DISC(5)},
[8] = {NONE(5), DISC(5)},
[9] = {NONE(5), DISC(5)},
};

/* There is no backend. */
static const struct entry alone[STATES][2] = {
[0] = {REMO(0), DISC(0)},
[1] = {NONE(1), DISC(1)},
[2] = {NONE(1), DISC(1)},
[3] = {NONE(6), DISC(6)},
[4] = {NONE(6), DISC(6)},
[5] = {NONE(6), DISC(6)},
[6] = {NONE(6), DISC(6)},
[7] = {NONE(6), DISC(6)},
[8] = {NONE(6), DISC(6)},
[9] = {NONE(6), DISC(6)},
};
/* clang-format on */

static uint32_t row(uint32_t state)
{
	return state <= WIRE_BUS_RECONFIGURED ? state : STATES - 1;
}

static const struct entry *entry_of(const struct bus_front_facts *facts)
{
	uint32_t own = row(facts->own), back = row(facts->back);

	if (!facts->wanted && (facts->ring || own != WIRE_BUS_CLOSING))
		return &unwanted[own][facts->ring];
	if (facts->back_gone)
		return &alone[own][facts->ring];
	return facts->ring ? &joined[own][back] : &apart[own][back];
}

/*
 * The backend is closed, and we have no ring. May we go on?
 *
 * From 6, if it is not about to be removed. From 1 to 3, and from 5 to 6, when
 * it is sure that it does not move: ours goes from 6 to 2 when it sees our 1,
 * the kernel's to 5 when it sees our 5, and each must have seen it.
 */
static bool closed_may(const struct bus_front_facts *facts)
{
	if (facts->back_gone ||
	    (!facts->wanted && facts->own != WIRE_BUS_CLOSING))
		return true;
	switch (facts->own) {
	case WIRE_BUS_INITIALISING:
		return facts->online && facts->late;
	case WIRE_BUS_CLOSING:
		return facts->late;
	case WIRE_BUS_CLOSED:
		return facts->online;
	default:
		return true;
	}
}

struct bus_front_step bus_front_step(const struct bus_front_facts *facts)
{
	const struct entry *e = entry_of(facts);
	struct bus_front_step step = {
		.action = (enum bus_front_action)e->action,
		.next = e->next,
	};

	if (facts->back == WIRE_BUS_CLOSED && !facts->ring &&
	    !closed_may(facts)) {
		step.action = BUS_FRONT_NONE;
		step.next = facts->own;
	}
	return step;
}

/* What a LUN's state at the backend means. */
enum meaning {
	MEANS_NOTHING, /* not yet, or not for us to judge */
	MEANS_THERE,
	MEANS_GONE,
};

static const uint8_t meaning[] = {
	[WIRE_BUS_UNKNOWN] = MEANS_GONE,
	[WIRE_BUS_INITIALISED] = MEANS_THERE,
	[WIRE_BUS_CONNECTED] = MEANS_THERE,
	[WIRE_BUS_CLOSING] = MEANS_GONE,
	[WIRE_BUS_CLOSED] = MEANS_GONE,
	[WIRE_BUS_RECONFIGURED] = MEANS_NOTHING,
};

struct bus_front_lun_step
bus_front_lun_step(const struct bus_front_facts *facts,
		   const struct bus_front_step *step, uint32_t own,
		   uint32_t back)
{
	struct bus_front_lun_step lun = {
		.action = BUS_FRONT_LUN_NONE,
		.next = own,
		.failed = WIRE_BUS_CLOSED,
	};
	uint8_t means = MEANS_NOTHING;

	if (!facts->ring || step->action == BUS_FRONT_DISCONNECT ||
	    (step->next != WIRE_BUS_CONNECTED &&
	     step->next != WIRE_BUS_RECONFIGURING))
		return lun;
	if (back < XPV_ARRAY_SIZE(meaning))
		means = meaning[back];
	/* Commands can be sent when both ends are Connected, or about to be. */
	if (means == MEANS_THERE && step->next == WIRE_BUS_CONNECTED) {
		lun.action = BUS_FRONT_LUN_ADD;
		lun.next = WIRE_BUS_CONNECTED;
	} else if (means == MEANS_GONE && own != WIRE_BUS_UNKNOWN &&
		   own != WIRE_BUS_CLOSED) {
		lun.action = BUS_FRONT_LUN_DEL;
		lun.next = WIRE_BUS_CLOSED;
	}
	return lun;
}
