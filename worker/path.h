/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data path of one controller: between its ring and its LUNs, without a
 * thread, a clock or a system call of its own. A queue (worker/queue.c) turns it
 * on a real machine, the simulator in its world.
 *
 *     finish    one grant copy call brings all data-in to the guest, then each
 *               command is completed at the engine
 *     poll      the engine publishes responses, takes requests and submits
 *               commands: they go to `fresh`
 *     begin     one grant copy call brings all data-out from the guest, then
 *               each command starts at its LUN
 *     tell      one event for several responses
 *
 * It reaches the guest through host_ops, and whoever executes commands through
 * lun_type. A path belongs to one thread. Errors are negative errno.
 */
#ifndef WORKER_PATH_H
#define WORKER_PATH_H

#include "core/scsi_back.h"
#include "lun/lun.h"
#include "worker/peer.h"
#include "worker/target.h"

struct path;

/* A command from submit until its answer is on the ring. */
struct slot {
	struct lun_cmd cmd;
	struct path *path;
	struct slot *next; /* in fresh or finished */
	uint16_t tag;
	bool reset;
	bool lost;	       /* a copy of its data failed */
	struct target_lun *tl; /* NULL: answered by the target itself */
	struct scsi_addr addr;
	const struct wire_scsi_seg *segs; /* the engine's, until completed */
	uint32_t nsegs, len;
	uint64_t taken; /* peer_taken() */
	uint8_t *data;	/* segs_max pages, then the scratch */
};

/* First in, first out. */
struct slots {
	struct slot *first, **last;
};

struct path {
	struct peer peer;
	struct target target;
	/* the ring, while it is open */
	struct scsi_back *engine;
	void *engine_mem;
	uint32_t segs_max;
	uint8_t *arena; /* of all slots' data */
	size_t arena_len;
	struct slot slot[SCSI_BACK_TAGS];
	struct slots fresh, finished;
};

/* Make a path without a ring and without LUNs in P. */
void path_init(struct path *p, const struct peer_cfg *cfg);

/* A ring, as the guest and we have agreed on it. */
struct path_ring {
	uint32_t gref, port;
	uint32_t segs_max; /* announced as feature-sg-grant */
	void *journal;	   /* scsi_back_journal_size() bytes, or NULL */
	bool resume;	   /* go on with what is in the journal */
};

/*
 * Connect a ring. To resume, its LUNs are there already. On failure *WHY says
 * what failed.
 */
int path_open(struct path *p, const struct path_ring *ring, const char **why);

/* Take no more requests; what is in flight goes on. */
void path_close(struct path *p);

/* The ring is closing and nothing is in flight: give it back. True if so. */
bool path_closed(struct path *p);

/*
 * Forget a LUN that is going (every LUN if ALL) and has nothing in flight, and
 * say in *COOKIE for whom. False when there is none left.
 */
bool path_lun_gone(struct path *p, bool all, uint32_t *cookie);

/*
 * One turn: finish, poll, begin. True when there was something to do. Sets
 * p->peer.broken when the ring is.
 */
bool path_turn(struct path *p);

/* Notify the guest if it has to be. */
void path_tell(struct path *p);

/* Notify now, or wait for company? */
void path_tell_some(struct path *p);

/* A cheap look: would a turn find requests? */
bool path_has_work(const struct path *p);

/*
 * Before sleeping: notify, ask the guest for an event, let the next one
 * through. False when there is work already.
 */
bool path_rest(struct path *p);

#endif
