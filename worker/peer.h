/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest at the other end of a ring, as every data path has it: its pages
 * and event channel, copies to and from it in batches, when to send it an
 * event, what is counted and logged of it. Without a thread, a clock or a
 * system call of its own: it reaches the machine through host_ops.
 *
 * A peer belongs to one thread. Errors are negative errno.
 */
#ifndef WORKER_PEER_H
#define WORKER_PEER_H

#include "core/grant.h"
#include "host/host.h"
#include "host/log.h"
#include "worker/proto.h"

/* What a peer is made of; all of it stays valid while the peer is used. */
struct peer_cfg {
	const struct host_ops *host;
	const char *place;   /* of the host, for its open() */
	struct uring *uring; /* for the host's events */
	uint32_t domid;
	const struct log_where *where; /* guest errors are logged there */
	uint64_t (*now_ns)(void *ctx); /* any clock that does not go back */
	void *ctx;
	/* How long a response may wait for others to be told with. */
	uint64_t hold_ns;
	/* The guest runs beside us: tell it as soon as half of what it keeps
	 * in flight has been answered. */
	bool eager;
};

/*
 * So many events in a row may come without a request: the guest sends one for
 * what was taken before it came, too. After each further one there is a pause,
 * twice as long as the one before, up to 6.4 ms: a guest that does nothing but
 * send events costs some hundred wake-ups a second.
 */
#define PEER_STORM_FREE	 16u
#define PEER_STORM_STEPS 7u
#define PEER_STORM_NS	 100000ull

struct peer {
	struct peer_cfg cfg;
	struct proto_stats stats;
	struct log_rate rate;
	struct host_link *link; /* while a ring is open */
	bool broken;		/* the guest has broken the ring's contract */
	bool closing;		/* no more requests are taken */
	/* the batch of copies */
	struct host_copy copy[HOST_COPY_MAX];
	bool *lost[HOST_COPY_MAX]; /* set when copy[i] cannot be made */
	unsigned copies;
	bool to_guest;
	uint64_t time; /* of this part of the turn; 0: not looked at yet */
	/* events for the guest */
	uint32_t untold; /* responses since the guest was last notified */
	uint32_t depth;	 /* the most it kept in flight lately */
	uint64_t untold_since;
	/* events from it */
	uint64_t events;		       /* all */
	uint64_t storm_events, storm_requests; /* when last looked at */
	uint32_t storm; /* of them in a row without a request */
};

/*
 * peer_part - another part of a turn begins; all that is taken or answered in
 *	it has one time, so that the clock is read once
 * peer_taken - a request has been taken off the ring; its time
 * peer_answered - it is answered, GOOD or not; TAKEN is peer_taken()'s
 */
void peer_part(struct peer *p);
uint64_t peer_taken(struct peer *p);
void peer_answered(struct peer *p, uint64_t taken, bool good);

/* Make a peer without a ring in P. */
void peer_init(struct peer *p, const struct peer_cfg *cfg);

/*
 * Connect the ring of PAGES pages that the guest granted as GREF, with its
 * event channel PORT. They are at *SHARED until peer_close(). On failure *WHY
 * says what failed.
 */
int peer_open(struct peer *p, uint32_t port, const uint32_t *gref,
	      uint32_t pages, void **shared, const char **why);

/* Give the ring back, if there is one. */
void peer_close(struct peer *p);

/*
 * Add a piece to the batch, which goes TO_GUEST or from it, all in one
 * direction. What does not fit is copied now. *LOST becomes true when the piece
 * cannot be copied; it and LOCAL stay valid until peer_copy_end().
 */
void peer_copy(struct peer *p, bool to_guest, const struct host_copy *piece,
	       bool *lost);

/* Copy all that is in the batch. */
void peer_copy_end(struct peer *p);

/* Copy N pieces from the guest now, and set ok of each: for an engine. The
 * batch is empty. */
void peer_fetch(struct peer *p, struct grant_fetch *f, uint32_t n);

/* Send the guest an event. */
void peer_notify(struct peer *p);

/* Count a mistake of the guest, and log it unless there were many. */
void peer_error(struct peer *p, const char *text, uint64_t a, uint64_t b);

/*
 * There are answers that the guest was not notified of (untold); INFLIGHT
 * requests are still to be answered. True to notify it now, false to wait for
 * company.
 */
bool peer_tell_now(struct peer *p, uint32_t inflight);

/* It was notified of everything. */
void peer_told(struct peer *p);

/* After every turn: how long to do nothing, because too many events have come
 * that brought nothing; ns, 0 as a rule. */
uint64_t peer_storm(struct peer *p);

/* Before sleeping: let the next event through. */
void peer_rearm(struct peer *p);

#endif
