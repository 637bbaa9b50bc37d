/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue: a thread with its own io_uring, which owns one ring with all that is
 * behind it (of a controller its LUNs, of a disk its storage) and shares
 * nothing with other threads. Others give it messages; it answers them to
 * control by itself.
 *
 *     sleep -> events, completions -> data to the guest, responses
 *                -> new requests -> data from the guest -> storage -> sleep
 */
#ifndef WORKER_QUEUE_H
#define WORKER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/host.h"
#include "worker/proto.h"

struct queue;

/* Whose queue it is, as in struct proto_msg. */
struct queue_id {
	uint16_t class; /* enum proto_class */
	uint16_t queue;
	uint32_t controller;
};

/*
 * What MSG means to a queue. To one that is not there: does it begin with it?
 * Else MSG is answered with queue_absent(): 0 or a negative errno. To Q, which
 * is there: does it end after it?
 */
bool queue_begins(const struct proto_msg *msg);
int queue_absent(const struct proto_msg *msg);
bool queue_ends(const struct queue *q, const struct proto_msg *msg);

/*
 * Start the thread of queue ID of guest DOMID on HOST at PLACE (see
 * host_ops.open; must stay valid). Replies go to CONTROL_FD, which stays open
 * until queue_join(). Negative errno on failure.
 */
int queue_start(struct queue **out, const struct host_ops *host,
		const char *place, uint32_t domid, const struct queue_id *id,
		int control_fd);

/*
 * Give the thread a message, with its descriptors (now the queue's). From any
 * thread; never blocks for long. It is answered by a PROTO_REPLY.
 */
void queue_post(struct queue *q, const struct proto_msg *msg, const int *fds,
		int nfds);

/* Let it end, as the message for that does. From any thread. */
void queue_end(struct queue *q);

/*
 * Free the queue if its thread has ended, which it does after the message for
 * that when nothing is in flight any more; wait for that if WAIT. False when it
 * has not ended yet.
 */
bool queue_join(struct queue *q, bool wait);

#endif
