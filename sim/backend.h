/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's queue in the world: the daemon's own data path (worker/path), its
 * emulated disks (lun/emulated over scsi/) and what worker/queue.c does around
 * them, with virtual time: turn until there is nothing to do, look for a while,
 * notify, ask for an event, sleep.
 */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include <setjmp.h>

#include "worker/path.h"

struct controller;

struct backend {
	struct controller *c;
	bool alive, planned, busy;
	uint64_t frozen; /* until then */
	uint32_t gen;
	uint32_t looks, look_max;
	uint32_t fuse; /* stores until it dies; 0: it does not */
	bool mortal;   /* here it may */
	jmp_buf dead;
	bool coming; /* a successor will take over */
	struct path path;
};

/* A new process without a ring and without LUNs. */
void backend_start(struct controller *c);

/* It is gone: what it had mapped and bound is given back by the kernel. */
void backend_kill(struct controller *c);

/*
 * The process dies, and another one goes on with the ring and the LUNs, which
 * the frontend does not notice.
 */
void backend_take_over(struct controller *c);

/* For sim/fetch: an engine of the backend is about to store. It may not. */
void backend_stores(struct controller *c);

/* Connect to a ring. False as the host says. */
bool backend_open(struct controller *c, uint32_t gref, uint32_t port);

/* All LUNs go: nothing is in flight. */
void backend_luns_gone(struct controller *c);

/* End what is in flight, then controller_closed(). */
void backend_close(struct controller *c);

/* Attach LUN I, which a dead process had if RESUMED, or detach it (then
 * controller_lun_gone()). */
void backend_lun_add(struct controller *c, uint32_t i, bool resumed);
void backend_lun_del(struct controller *c, uint32_t i);

/* Turn soon. */
void backend_wake(struct backend *b);

/* It runs on another processor while the frontend is in a step. */
void backend_meanwhile(struct controller *c);

/* The simulated machine under worker/path. */
extern const struct host_ops host_sim;

#endif
