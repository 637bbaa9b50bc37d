/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control's end of the socket to one worker: requests with a callback for the
 * reply, over worker/proto.h, in the event loop.
 *
 * Requests are sent in the order in which they were made, after the worker's
 * PROTO_HELLO has come and its version is right. What the socket does not take
 * waits in memory. Every request that link_call() accepted is answered exactly
 * once, never from inside link_call(): by the worker, or with -ECONNRESET when
 * the link is lost.
 *
 * A link is lost when the worker closes it or says something wrong, or does
 * not answer a request in time: LINK_TIMEOUT_S, or LINK_TIMEOUT_IO_S for those
 * that wait for commands in flight at the storage. A request waits its turn while
 * earlier ones for the same device are answered: its time begins anew with each of
 * them. When a link is lost all outstanding requests are answered, `lost` is called
 * once, and nothing more happens until link_free().
 */
#ifndef CONTROL_LINK_H
#define CONTROL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "wire/port.h"
#include "worker/proto.h"

#define LINK_TIMEOUT_S	  10
#define LINK_TIMEOUT_IO_S 60

/* Requests outstanding, sent or not. */
#define LINK_CALLS_MAX 4096

struct link;

struct link_ops {
	/* It has said who it is; requests made before go out after this. */
	void (*hello)(void *ctx, const struct proto_hello *hello);
	/* PROTO_ITEM: part of the answer to a PROTO_LIST. */
	void (*item)(void *ctx, const struct proto_msg *msg);
	/* The worker says that a ring of device @id of @class is broken.
	 * @text is for people. */
	void (*broken)(void *ctx, enum proto_class class, uint32_t id,
		       const char *text);
	/* -ECONNRESET, -EPROTO, -ETIMEDOUT, -ESTALE (it speaks another version)
	 * or the error of the socket; @why is for people. link_free() may not
	 * be called from here. */
	void (*lost)(void *ctx, int err, const char *why);
};

/*
 * @rc: what the worker answered, 0 or a negative errno; -ECONNRESET: the link
 * is lost. @reply is NULL then. link_call() may be called from it,
 * link_free() not.
 */
typedef void link_reply_fn(void *ctx, int rc, const struct proto_msg *reply);

/* link_new - @fd is the link's from now on, also on error. */
int link_new(struct link **out, sd_event *event, int fd,
	     const struct link_ops *ops, void *ctx) XPV_MUST_CHECK;

/* link_free - close; outstanding requests are answered with -ECONNRESET
 * before it returns, `lost` is not called. NULL is allowed. */
void link_free(struct link *link);

/*
 * link_call - make a request; the cookie is set here
 * @fds: sent along, and closed in any case (-1 entries are skipped)
 *
 * Return: 0; -ECONNRESET when the link is lost, -ENOBUFS when LINK_CALLS_MAX
 * are waiting, -ENOMEM. Then @fn is not called.
 */
int link_call(struct link *link, const struct proto_msg *msg, const int *fds,
	      int nfds, link_reply_fn *fn, void *ctx) XPV_MUST_CHECK;

/* link_deadline_us - when the link is lost unless an answer comes, in
 * CLOCK_MONOTONIC's time; UINT64_MAX: nothing is awaited */
uint64_t link_deadline_us(const struct link *link);

#endif
