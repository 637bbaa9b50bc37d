/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenbus handshake of a backend, and of each PVSCSI device inside one, as
 * an engine without I/O: given what stands in xenstore and what we have, say
 * what to do and which state to write.
 *
 * Theory of operation
 *
 * Watch events say only that something changed, may come once for many
 * changes, and tell nothing about the order. So nothing here remembers: every
 * decision is made from both states as they are now, in whatever combination.
 *
 *     something changed -> read both ends -> bus_back_step()
 *        -> carry out the action                     (connect, disconnect, ..)
 *        -> bus_lun_step() for every dev-N           (add, delete)
 *        -> write all new states in ONE transaction, with the states that were
 *           read as its condition; if it does not hold: read again
 *        -> again from the start, until a step has nothing to do
 *
 * The condition matters: the toolstack writes 7 whenever it likes, and what it
 * wrote must not be overwritten by a decision on the state before.
 *
 * The usual ways (B backend, F frontend, T toolstack; xenbus states; the LUN's
 * own states, backend/frontend, in brackets):
 *
 *     create      T: B1 F1 [1/-]   B: announce, B2      F: ring, F3
 *                 B: connect, add LUNs, B4 [3/-]        F: finds LUNs, F4 [3/4]
 *                 B: [4/4]
 *     add         T: B7 [1/-]      F: F7    B: add, B8 [3/-]   F: F4 [3/4]
 *                 B: B4 [4/4]
 *     remove      T: B7 [5/4]      F: lets go, F7 [5/6]   B: delete, B8 [6/6]
 *                 F: F4            B: B4
 *     close       F: F5            B: disconnect, B5    F: F6    B: B6
 *     by T        T: online=0, B5  F: F6    B: disconnect, B6, then remove
 *     come back   F: F1 (online)   B: announce, B2 [1/-], then as create
 *     restore     T: B1 [1/- or 4/-]   F: F3 at once   B: B2, connect, B4
 *     our error   B: disconnect, B5    F: F6    B: B6
 *
 * The stock frontend goes to F3 without waiting for B2, adds LUNs in state 3
 * when it sees B4 at F3, or B8 in any state, and answers B7 by F7 in any
 * state. Therefore, where it may have seen B7 before it was connected, the way
 * leads over B8: B4 would make it Connected without looking for its LUNs.
 *
 * Where the frontend is at 4 before we were connected, it does not look for LUNs
 * at B4 either: then B7 follows, and the whole way of adding.
 *
 * A frontend that has started anew unseen (ring_changed) may be about to act on
 * any of our states that it has read; again 7 makes it look, whatever it does.
 *
 * Adding when nobody is there yet: if the toolstack writes B7 and the frontend
 * has never connected (F1), we go back to B2; the LUN is added with the
 * others when the frontend comes, and one in state 5 is 6 at once. A toolstack
 * does better to write B7 only if it finds B4 (and otherwise just the dev-N
 * nodes): a frontend that sees this B7 late and the later B4 at once would end
 * at F4 without its LUNs.
 *
 * Rules: Xen's public/io/vscsiif.h and io/xenbus.h; behaviour of Linux'
 * xen-scsifront, xen-scsiback and xenbus.
 *
 * All functions may be called in any context; they have no state of their own.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include "wire/bus.h"
#include "wire/port.h"

/* What is known when a step is decided. */
struct bus_facts {
	uint32_t own;	/* our state node: any number; 0 if there is none, or it
			    is no number */
	uint32_t front; /* the frontend's state node, likewise */
	bool online;	/* our node "online" is 1: the device is to stay */
	bool front_gone; /* the frontend's directory is not there, or its domain
			    has ended */
	bool connected;	 /* we hold the rings, or a worker holds them for us */
	/* The frontend's ring nodes are not those of the rings that we hold, or
	 * held last (before we let go of them, or before our restart: by the
	 * journal): it has started anew, or was resumed, so quickly that we
	 * have seen nothing of it. False if we never had any. Once true, it
	 * stays so until the states after a BUS_CONNECT have been written: if
	 * that is refused, it is all to be done again. */
	bool ring_changed;
	bool failed; /* connecting has failed, or the engine has given up the
			    ring. The caller keeps it set until
			    bus_back_forgives(), and then clears it */
};

enum bus_action {
	BUS_NONE,
	BUS_ANNOUNCE,	 /* write our feature nodes */
	BUS_CONNECT,	 /* read the frontend's ring nodes, get hold of the
			    rings; if a worker or a journal of ours still
			    belongs to them, take that up again */
	BUS_RECONFIGURE, /* the frontend has seen state 7: LUNs may change */
	BUS_DISCONNECT, /* let go of the rings; all LUNs are detached thereby */
	BUS_REMOVE, /* forget the device; remove our nodes if there are any */
};

struct bus_step {
	enum bus_action action;
	uint32_t next; /* our state afterwards; write it if it is not facts->own
			  (and the action was successful: else set `failed`,
			  write nothing, and step again) */
};

/*
 * bus_back_step - what a backend has to do now
 *
 * Any combination of values is allowed. With an unchanged frontend, repeating
 * steps comes to BUS_NONE and an unchanged state, or to BUS_REMOVE, after at
 * most BUS_STEPS_MAX of them, whatever the states were.
 */
struct bus_step bus_back_step(const struct bus_facts *facts);

/*
 * bus_back_forgives - has a frontend come back whose device had failed?
 *
 * Ask before each step; `failed` is to be cleared when it is true: after our
 * state 6 the frontend begins anew. It need not wait for our state 2 (stock
 * frontends write 3 as soon as they have a ring), so its state 1 may not be
 * seen; from where it was before our 6 it cannot have come to 3 otherwise.
 */
bool bus_back_forgives(const struct bus_facts *facts);

#define BUS_STEPS_MAX 6

enum bus_lun_action {
	BUS_LUN_NONE,
	BUS_LUN_ADD, /* attach; if it is attached already, that is success */
	BUS_LUN_DEL, /* detach; if it is not attached, that is success */
};

struct bus_lun_step {
	enum bus_lun_action action;
	uint32_t next;	 /* the backend's dev-N state afterwards; write it if it
			    differs */
	uint32_t failed; /* that state if the action fails */
};

/*
 * bus_lun_step - what to do with one device of a PVSCSI backend
 * @facts: as given to bus_back_step()
 * @step: what it answered; after BUS_CONNECT, call this when connected
 * @own: the backend's dev-N/state, any number, 0 if there is none
 * @front: the frontend's dev-N/state, likewise
 *
 * Call it for every dev-N whenever a step was decided, also for BUS_NONE. It
 * is not needed for BUS_REMOVE (and answers that nothing is to be done).
 *
 * A LUN in state 4 when the rings are connected is attached and stays in 4: a
 * restored guest has it already. A LUN that was in use before the frontend
 * started anew (module loaded again, kexec) goes back to 1, because such a
 * frontend looks for LUNs in state 3 only.
 */
struct bus_lun_step bus_lun_step(const struct bus_facts *facts,
				 const struct bus_step *step, uint32_t own,
				 uint32_t front);

/* bus_state_parse - the number of a state node's @len bytes; 0 if it is no
 * decimal number. Numbers above 8 are passed on: a step knows them. */
uint32_t bus_state_parse(const char *s, size_t len);

#endif
