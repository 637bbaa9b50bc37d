/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold, as objects of their own: each checker is one file, ends in
 * one struct, and ends the run by world_fail() when it does not hold. Every hook
 * may be absent. Checkers keep what they remember in static memory, which
 * begin() makes new: there is one world at a time.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include <stdbool.h>

#include "host/host.h"
#include "sim/spy.h"

struct world;
struct controller;
struct path;

struct checker {
	const char *name;
	/* A run begins. */
	void (*begin)(struct world *w);
	/* A request has been published, or a response. REQ: what it answers,
	 * or NULL if nothing has that number. */
	void (*request)(struct controller *c, const struct spied *req);
	void (*response)(struct controller *c, const struct spied *req,
			 const struct wire_scsi_rsp *rsp);
	/* The backend asks for a grant copy. */
	void (*copy)(struct controller *c, const struct host_copy *copy,
		     bool to_guest);
	/* The backend is about to do a turn, and has done it. */
	void (*turn)(struct controller *c, struct path *p);
	void (*turned)(struct controller *c, struct path *p);
	/* The second phase is over: all is quiet. */
	void (*settled)(struct controller *c);
	/* Everything has been taken down. */
	void (*end)(struct world *w);
};

/* NULL-terminated. */
extern const struct checker *const checkers[];

extern const struct checker check_once;
extern const struct checker check_wire;
extern const struct checker check_writes;
extern const struct checker check_leak;
extern const struct checker check_bound;
extern const struct checker check_fetch;

/* Call that hook of all. */
void check_begin(struct world *w);
void check_request(struct controller *c, const struct spied *req);
void check_response(struct controller *c, const struct spied *req,
		    const struct wire_scsi_rsp *rsp);
void check_copy(struct controller *c, const struct host_copy *copy,
		bool to_guest);
void check_turn(struct controller *c, struct path *p);
void check_turned(struct controller *c, struct path *p);
void check_settled(struct controller *c);
void check_end(struct world *w);

#endif
