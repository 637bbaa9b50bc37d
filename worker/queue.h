/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One controller's queue: a thread with its own io_uring, which owns the ring,
 * the event channel, the buffers and the LUNs of that controller and shares
 * nothing with other threads. Others give it messages; it answers them to
 * control by itself.
 *
 *     sleep -> events, completions -> data to the guest, responses
 *                -> new requests -> data from the guest -> LUNs -> sleep
 */
#ifndef WORKER_QUEUE_H
#define WORKER_QUEUE_H

#include <stdint.h>

#include "host/host.h"
#include "worker/proto.h"

struct queue;

/*
 * Start the thread of CONTROLLER of guest DOMID on HOST at PLACE (see
 * host_ops.open; must stay valid). Replies go to CONTROL_FD, which stays open
 * until queue_join(). Negative errno on failure.
 */
int queue_start(struct queue **out, const struct host_ops *host,
		const char *place, uint32_t domid, uint32_t controller,
		int control_fd);

/*
 * Give the thread a message, with its descriptors (now the queue's). From any
 * thread; never blocks for long. It is answered by a PROTO_REPLY.
 */
void queue_post(struct queue *q, const struct proto_msg *msg, const int *fds,
		int nfds);

/*
 * Free the queue if its thread has ended, which it does after
 * PROTO_SCSI_FORGET when nothing is in flight any more; wait for that if WAIT.
 * False when it has not ended yet.
 */
bool queue_join(struct queue *q, bool wait);

#endif
