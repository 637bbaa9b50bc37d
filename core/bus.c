/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenbus handshake; see bus.h.
 */
#include "core/bus.h"

#include "core/xs.h"

/* Columns: the frontend's states 0 to 8, then everything else. */
#define FRONTS 10
/* Rows: our states 0 to 8, then everything else. */
#define OWNS 10

struct entry {
	uint8_t action; /* enum bus_action */
	uint8_t next;
};

/* clang-format off */
#define NONE(s) {BUS_NONE, s}
#define ANNO(s) {BUS_ANNOUNCE, s}
#define CONN(s) {BUS_CONNECT, s}
#define RECO(s) {BUS_RECONFIGURE, s}
#define DISC(s) {BUS_DISCONNECT, s}
#define REMO(s) {BUS_REMOVE, s}

/*
 * Without rings. Row 6 is for online = 1.
 *
 * 2/7 and 7/3 lead over 8: the frontend may have seen our 7 (see bus.h).
 * 2/4: it is Connected without having looked for LUNs: 7 makes it look.
 * 4/3, 4/4, 4/7, 7/4, 8/4 and 8/7 are ours after a restart: take the rings up
 * again and leave the state as it is.
 * 6/3: the frontend has been elsewhere since our 6 and did not wait for our 2.
 * 6/4: it has not noticed our 6 yet.
 * 8 and more at the frontend: none has such a state; the device is closed.
 */
static const struct entry apart[OWNS][FRONTS] = {
/* front: 0        1        2        3        4        5        6        7        8        more */
[0] = {REMO(0), REMO(0), REMO(0), REMO(0), REMO(0), REMO(0), REMO(0), REMO(0), REMO(0), REMO(0)},
[1] = {ANNO(2), ANNO(2), ANNO(2), ANNO(2), ANNO(2), NONE(5), NONE(6), ANNO(2), NONE(5), NONE(5)},
[2] = {NONE(2), NONE(2), NONE(2), CONN(4), CONN(7), NONE(5), NONE(6), CONN(8), NONE(5), NONE(5)},
[3] = {NONE(3), NONE(3), NONE(3), CONN(4), CONN(7), NONE(5), NONE(6), CONN(8), NONE(5), NONE(5)},
[4] = {NONE(6), ANNO(2), ANNO(2), CONN(4), CONN(4), NONE(5), NONE(6), CONN(4), NONE(5), NONE(5)},
[5] = {NONE(6), NONE(6), NONE(6), NONE(5), NONE(5), NONE(5), NONE(6), NONE(5), NONE(6), NONE(6)},
[6] = {NONE(6), ANNO(2), ANNO(2), ANNO(2), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6)},
[7] = {ANNO(2), ANNO(2), ANNO(2), CONN(8), CONN(7), NONE(5), NONE(6), CONN(8), NONE(5), NONE(5)},
[8] = {ANNO(2), ANNO(2), ANNO(2), CONN(8), CONN(8), NONE(5), NONE(6), CONN(8), NONE(5), NONE(5)},
[9] = {NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6), NONE(6)},
};

/*
 * With rings.
 *
 * Rows 1, 4 and 8 in columns 1 and 2, and row 7: the frontend starts anew. Let
 * go first; the next step, without rings, announces.
 * Row 1: the nodes were made anew under our rings.
 * Rows 2 and 3: connected, but the state that says so could not be written.
 * 5/3, 5/4, 5/7: the toolstack wants the device closed. The frontend still
 * needs its rings, to flush, until it goes to 5 or 6 itself.
 * 7/4: the frontend has not seen our 7 yet; or it is at 4 because of an 8 that
 * the toolstack has overwritten: it will answer this 7 too.
 */
static const struct entry joined[OWNS][FRONTS] = {
/* front: 0        1        2        3        4        5        6        7        8        more */
[0] = {DISC(0), DISC(0), DISC(0), DISC(0), DISC(0), DISC(0), DISC(0), DISC(0), DISC(0), DISC(0)},
[1] = {DISC(1), DISC(1), DISC(1), DISC(1), DISC(1), DISC(1), DISC(1), DISC(1), DISC(1), DISC(1)},
[2] = {DISC(2), DISC(2), DISC(2), RECO(4), RECO(7), DISC(5), DISC(6), RECO(8), DISC(5), DISC(5)},
[3] = {DISC(3), DISC(3), DISC(3), RECO(4), RECO(7), DISC(5), DISC(6), RECO(8), DISC(5), DISC(5)},
[4] = {DISC(6), DISC(4), DISC(4), NONE(4), NONE(4), DISC(5), DISC(6), RECO(8), DISC(5), DISC(5)},
[5] = {DISC(6), DISC(6), DISC(6), NONE(5), NONE(5), DISC(5), DISC(6), NONE(5), DISC(6), DISC(6)},
[6] = {DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6)},
[7] = {DISC(6), DISC(7), DISC(7), RECO(8), NONE(7), DISC(5), DISC(6), RECO(8), DISC(5), DISC(5)},
[8] = {DISC(6), DISC(8), DISC(8), NONE(8), NONE(4), DISC(5), DISC(6), NONE(8), DISC(5), DISC(5)},
[9] = {DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6), DISC(6)},
};

/* What the device's step means for its LUNs. */
enum phase {
	PHASE_NONE,    /* nothing may change now */
	PHASE_IDLE,    /* no rings: nothing is attached */
	PHASE_ANEW,    /* the frontend starts anew after it had been connected */
	PHASE_CONNECT, /* the rings are new */
	PHASE_AGAIN,   /* they are, and it had others: it has forgotten its LUNs */
	PHASE_RESUME,  /* the rings are taken up again after our restart */
	PHASE_CHANGE,  /* the frontend waits for changes */
	PHASE_STEADY,  /* both ends are at 4 */
	PHASES,
};

#define STATES 9

struct lun_entry {
	uint8_t action; /* enum bus_lun_action */
	uint8_t next;   /* 0: as it is */
};

#define STAY    {BUS_LUN_NONE, 0}
#define SET(s)  {BUS_LUN_NONE, s}
#define ADD(s)  {BUS_LUN_ADD, s}
#define DEL(s)  {BUS_LUN_DEL, s}

static const struct lun_entry lun_table[PHASES][STATES] = {
/* LUN's own state: 0     1       2     3       4       5       6     7     8 */
[PHASE_NONE] =    {STAY, STAY,   STAY, STAY,   STAY,   STAY,   STAY, STAY, STAY},
[PHASE_IDLE] =    {STAY, STAY,   STAY, STAY,   STAY,   SET(6), STAY, STAY, STAY},
[PHASE_ANEW] =    {STAY, STAY,   STAY, SET(1), SET(1), SET(6), STAY, STAY, STAY},
[PHASE_CONNECT] = {STAY, ADD(3), STAY, ADD(3), ADD(4), SET(6), STAY, STAY, STAY},
[PHASE_AGAIN] =   {STAY, ADD(3), STAY, ADD(3), ADD(3), ADD(5), STAY, STAY, STAY},
[PHASE_RESUME] =  {STAY, STAY,   STAY, ADD(3), ADD(4), ADD(5), STAY, STAY, STAY},
[PHASE_CHANGE] =  {STAY, ADD(3), STAY, STAY,   STAY,   DEL(6), STAY, STAY, STAY},
[PHASE_STEADY] =  {STAY, STAY,   STAY, SET(4), STAY,   STAY,   STAY, STAY, STAY},
};
/* clang-format on */

static uint32_t row(uint32_t state)
{
	return state <= WIRE_BUS_RECONFIGURED ? state : OWNS - 1;
}

static struct bus_step step_of(enum bus_action action, uint32_t next)
{
	return (struct bus_step){.action = action, .next = next};
}

/* Has the frontend new rings, of which no state of it has told us? */
static bool anew_unseen(const struct bus_facts *facts)
{
	switch (facts->own) {
	case WIRE_BUS_CONNECTED:
	case WIRE_BUS_RECONFIGURING:
	case WIRE_BUS_RECONFIGURED:
		break;
	case WIRE_BUS_INIT_WAIT:
	case WIRE_BUS_INITIALISED:
		/* Without rings this is the usual way to them. */
		if (facts->connected)
			break;
		return false;
	default:
		return false;
	}
	return facts->ring_changed && (facts->front == WIRE_BUS_INITIALISED ||
				       facts->front == WIRE_BUS_CONNECTED ||
				       facts->front == WIRE_BUS_RECONFIGURING);
}

struct bus_step bus_back_step(const struct bus_facts *facts)
{
	uint32_t own = row(facts->own), front = row(facts->front);
	const struct entry *e;

	/* Our nodes are gone: nothing may be written, it would make them anew. */
	if (own == WIRE_BUS_UNKNOWN)
		return step_of(facts->connected ? BUS_DISCONNECT : BUS_REMOVE,
			       WIRE_BUS_UNKNOWN);
	if (facts->front_gone)
		return facts->connected
			       ? step_of(BUS_DISCONNECT, WIRE_BUS_CLOSED)
			       : step_of(BUS_REMOVE, facts->own);
	if (facts->failed && facts->connected)
		return step_of(BUS_DISCONNECT, own == WIRE_BUS_CLOSED
						       ? WIRE_BUS_CLOSED
						       : WIRE_BUS_CLOSING);
	if (own == WIRE_BUS_CLOSED && !facts->connected) {
		if (!facts->online)
			return step_of(BUS_REMOVE, WIRE_BUS_CLOSED);
		if (facts->failed)
			return step_of(BUS_NONE, WIRE_BUS_CLOSED);
	}
	/* Not connected and not Closed: those were answered above. */
	if (facts->failed && own != WIRE_BUS_CLOSING)
		return step_of(BUS_NONE, WIRE_BUS_CLOSING);
	/*
	 * It may be about to act on any state it has read of us: 7 makes it
	 * look for its LUNs, whatever it does before.
	 */
	if (anew_unseen(facts) && !facts->connected)
		return step_of(BUS_CONNECT, WIRE_BUS_RECONFIGURING);
	if (anew_unseen(facts))
		return step_of(BUS_DISCONNECT, facts->own);
	e = facts->connected ? &joined[own][front] : &apart[own][front];
	return step_of((enum bus_action)e->action, e->next);
}

bool bus_back_forgives(const struct bus_facts *facts)
{
	return facts->failed && !facts->connected &&
	       facts->own == WIRE_BUS_CLOSED &&
	       (facts->front == WIRE_BUS_INITIALISING ||
		facts->front == WIRE_BUS_INITIALISED);
}

static enum phase phase_of(const struct bus_facts *facts,
			   const struct bus_step *step)
{
	switch (step->action) {
	case BUS_CONNECT:
		if (facts->ring_changed && step->next == WIRE_BUS_RECONFIGURING)
			return PHASE_AGAIN;
		return step->next == facts->own ? PHASE_RESUME : PHASE_CONNECT;
	case BUS_RECONFIGURE:
		return PHASE_CHANGE;
	case BUS_ANNOUNCE:
		/* At 1 the toolstack has just set the LUNs' states itself. */
		return facts->own == WIRE_BUS_INITIALISING ? PHASE_IDLE
							   : PHASE_ANEW;
	case BUS_NONE:
		break;
	case BUS_DISCONNECT:
	case BUS_REMOVE:
	default:
		return PHASE_NONE;
	}
	if (!facts->connected)
		return PHASE_IDLE;
	return facts->front == WIRE_BUS_CONNECTED &&
			       step->next == WIRE_BUS_CONNECTED
		       ? PHASE_STEADY
		       : PHASE_NONE;
}

struct bus_lun_step bus_lun_step(const struct bus_facts *facts,
				 const struct bus_step *step, uint32_t own,
				 uint32_t front)
{
	enum phase phase = phase_of(facts, step);
	struct bus_lun_step lun = {
		.action = BUS_LUN_NONE,
		.next = own,
		.failed = WIRE_BUS_CLOSED,
	};
	const struct lun_entry *e;

	/* What is not a state was not written by a toolstack we know. */
	if (own >= STATES)
		return lun;
	e = &lun_table[phase][own];
	lun.action = (enum bus_lun_action)e->action;
	if (e->next)
		lun.next = e->next;
	/* The frontend could not add it: say so instead of Connected. */
	if (phase == PHASE_STEADY && own == WIRE_BUS_INITIALISED &&
	    front == WIRE_BUS_CLOSED) {
		lun.action = BUS_LUN_DEL;
		lun.next = WIRE_BUS_CLOSED;
	}
	return lun;
}

uint32_t bus_state_parse(const char *s, size_t len)
{
	uint32_t v;

	return xs_parse_u32(s, len, &v) < 0 ? WIRE_BUS_UNKNOWN : v;
}
