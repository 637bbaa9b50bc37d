/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's door: where control comes in, and the next one when that has
 * died (worker/proto.h). Belongs to the main thread; others send on PROTO_FD,
 * which is always the control of the moment or one that has gone.
 */
#ifndef WORKER_DOOR_H
#define WORKER_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/port.h"
#include "worker/proto.h"

struct door {
	int knock;    /* socket at which the next control comes; -1 */
	int sig;      /* signalfd of SIGTERM */
	bool control; /* somebody is at PROTO_FD */
	struct proto_hello hello;
};

/* Begin, and greet who is at PROTO_FD. Blocks SIGTERM, for threads that are
 * started afterwards, too. Negative errno. */
int door_open(struct door *d) XPV_MUST_CHECK;

/* The worker is that of HELLO's guest; LISTEN is where to wait for the next
 * control, or -1, and the door's. Negative errno. */
int door_begin(struct door *d, const struct proto_hello *hello,
	       int listen) XPV_MUST_CHECK;

/*
 * Wait for a message, as proto_recv() gives it. Return: 1; 0: end in an orderly
 * way, since SIGTERM has come, or control has gone and there is no door for
 * another; -ECHILD: control has gone, and another may come: call again, unless
 * there is nothing to serve; another negative errno.
 */
int door_wait(struct door *d, struct proto_msg *msg, int *fds, int *nfds);

#endif
