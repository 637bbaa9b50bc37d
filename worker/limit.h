/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of a device: so many requests and so many bytes a second, with bursts.
 * All queues of the device take from one struct limit, each in its thread, and
 * without locks.
 *
 * Of each of the two there is one word: the time until which everything that was
 * taken is paid for at the rate. Who takes moves it on, from now at the earliest,
 * and may go as soon as it is no more than the burst ahead. (The generic cell
 * rate algorithm, ITU-T I.371: a bucket of tokens without a clock of its own.)
 * So the rate holds over any time but for one burst, and who comes first goes
 * first.
 */
#ifndef WORKER_LIMIT_H
#define WORKER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/proto.h"

/* Without one that is set, a burst is what the rate gives in this time: little
 * enough to be no more than 5 % of any second. */
#define LIMIT_BURST_NS 40000000u

struct limit_rate {
	uint64_t rate;	   /* a second; 0: no limit */
	uint64_t burst_ns; /* time in which the rate gives a burst */
	uint64_t paid;	   /* the word */
};

struct limit {
	struct limit_rate ops, bytes;
	uint64_t pause; /* what finds no space waits for some */
	uint32_t round; /* is another after each change */
};

/* What a request waits for. Zeroes: it has not taken. */
struct limit_ticket {
	uint64_t at;
	uint32_t round;
	bool taken;
};

/*
 * limit_hold, limit_drop - the limits of device @id of this process
 *
 * The first who holds one makes it, without limits; with the last it goes. NULL:
 * no memory. From any thread.
 */
struct limit *limit_hold(uint32_t id);
void limit_drop(struct limit *l);

/* limit_set - change the limits, for what has not gone yet, too. From any
 * thread; the same again changes nothing. */
void limit_set(struct limit *l, const struct proto_limits *to);

/* limit_any - is there a limit? A cheap look. */
bool limit_any(const struct limit *l);

/* limit_pause - does what finds no space wait for some? */
bool limit_pause(const struct limit *l);

/*
 * limit_may_go - may a request of @bytes go at @now_ns?
 *
 * It takes once, at the first time it asks, and again after a change. If not
 * yet, @t->at is when it may.
 */
bool limit_may_go(struct limit *l, struct limit_ticket *t, uint64_t bytes,
		  uint64_t now_ns);

#endif
