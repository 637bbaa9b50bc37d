/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenbus handshake of a frontend, and of each PVSCSI device inside one: the
 * other end of core/bus.h, and an engine without I/O and without memory like
 * it.
 *
 *     something changed -> read both ends, in one transaction
 *        -> bus_front_step()
 *        -> carry out the action            (publish, connect, disconnect, ..)
 *        -> bus_front_lun_step() for every dev-N of the backend  (add, remove)
 *        -> write all new states in ONE transaction, with the states that were
 *           read as its condition; if it does not hold: read again
 *        -> again from the start, until a step has nothing to do
 *
 * The usual ways are those of core/bus.h. What this end does differently from
 * the stock frontend, and why nothing is lost thereby:
 *
 * - it waits for the backend's 2 before it publishes its ring, so that it never
 *   talks to a backend that is about to forget what it has read;
 * - it adds LUNs in state 3 or 4 whenever it is Connected and something has
 *   changed, not in some changes only: a backend needs not lead it over 8;
 * - it closes over 5, then 6, each when the backend has followed: the kernel's
 *   backend lets go of the ring at 5 only;
 * - it comes back by itself: from 6, when the backend is closed too and online,
 *   or is there anew.
 *
 * Without a ring, but with a state that says that there is one (our program was
 * restarted, or its domain resumed), and where the backend is in use although
 * we are only beginning: the way is 5, 6, 1, in step with the backend, as a
 * kernel does after kexec. So the backend can never go on with an old ring.
 *
 * Where the backend is at 6 while we are at 1 or 5, it depends on the backend
 * whether it goes on by itself: ours follows our 1 with 2, the kernel's waits
 * for 3; the kernel's follows our 5 with 5, ours stays. The fact `late` decides.
 *
 * All functions may be called in any context; they have no state of their own.
 */
#ifndef CORE_BUS_FRONT_H
#define CORE_BUS_FRONT_H

#include "wire/bus.h"
#include "wire/port.h"

/* What is known when a step is decided. */
struct bus_front_facts {
	uint32_t own;	/* our state node: any number; 0 if there is none, or it
			  is no number */
	uint32_t back;	/* the backend's state node, likewise */
	bool online;	/* the backend's node "online" is not 0 */
	bool back_gone; /* the backend's directory is not there, or its domain
			   has ended */
	bool ring;	/* we have a ring, and our nodes name it (or did when we
			wrote them) */
	bool wanted; /* the owner wants the device. False also when the engine
			has stopped, or BUS_FRONT_PUBLISH has failed, until the
			owner tries again; who does that without waiting may
			do it for ever */
	bool late;   /* neither state has changed for a second */
};

enum bus_front_action {
	BUS_FRONT_NONE,
	BUS_FRONT_PUBLISH,    /* make a ring and an event channel; write their
			      nodes in the transaction of the new state. If that
			      is refused, there is no `ring` yet */
	BUS_FRONT_CONNECT,    /* read the backend's features, begin to use the
			      ring; if it is used already, that is success */
	BUS_FRONT_DISCONNECT, /* let LUNs be flushed and go, then the ring */
	BUS_FRONT_REMOVE,     /* forget the device; there are no nodes */
};

struct bus_front_step {
	enum bus_front_action action;
	uint32_t next; /* our state afterwards; write it if it is not facts->own
			  (and the action was successful: else write nothing,
			  clear `wanted`, and step again) */
};

/*
 * bus_front_step - what a frontend has to do now
 *
 * Any combination of values is allowed. With an unchanged backend, repeating
 * steps comes to BUS_FRONT_NONE and an unchanged state, or to BUS_FRONT_REMOVE,
 * after at most BUS_FRONT_STEPS_MAX of them, whatever the states were.
 */
struct bus_front_step bus_front_step(const struct bus_front_facts *facts);

#define BUS_FRONT_STEPS_MAX 6

enum bus_front_lun_action {
	BUS_FRONT_LUN_NONE,
	BUS_FRONT_LUN_ADD, /* attach; if it is attached already, that is
			      success */
	BUS_FRONT_LUN_DEL, /* detach; if it is not attached, that is success */
};

struct bus_front_lun_step {
	enum bus_front_lun_action action;
	uint32_t next; /* our dev-N state afterwards; write it if it differs */
	uint32_t failed; /* that state if the action fails */
};

/*
 * bus_front_lun_step - what to do with one device of a PVSCSI frontend
 * @facts: as given to bus_front_step()
 * @step: what it answered; after BUS_FRONT_CONNECT, call this when connected
 * @own: our dev-N/state, any number, 0 if there is none
 * @back: the backend's dev-N/state, likewise
 *
 * Call it for every dev-N that either end has, whenever a step was decided,
 * also for BUS_FRONT_NONE. After BUS_FRONT_DISCONNECT all LUNs are detached,
 * and it answers that nothing is to be done.
 */
struct bus_front_lun_step
bus_front_lun_step(const struct bus_front_facts *facts,
		   const struct bus_front_step *step, uint32_t own,
		   uint32_t back);

#endif
