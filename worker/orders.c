/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What control asks of a queue, and what it is told. Runs in the queue's
 * thread, between turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/queue_impl.h"

void queue_send(struct queue *q, struct proto_msg *msg)
{
	msg->class = q->id.class;
	msg->controller = q->id.controller;
	msg->queue = q->id.queue;
	/* When control has gone there is nobody to tell. */
	(void)proto_send(q->control_fd, msg, NULL, 0);
}

void queue_reply(struct queue *q, uint32_t cookie, int rc, const char *text)
{
	struct proto_msg msg = {
		.type = PROTO_REPLY, .cookie = cookie, .rc = rc};

	snprintf(msg.text, sizeof(msg.text), "%s", text ? text : "");
	queue_send(q, &msg);
}

static void stats(struct queue *q, uint32_t cookie)
{
	struct proto_msg out = {
		.type = PROTO_REPLY,
		.cookie = cookie,
		.u.stats = q->peer->stats,
	};

	q->class->count(q, &out.u.stats);
	queue_send(q, &out);
}

void queue_orders(struct queue *q)
{
	struct mail *m;

	while ((m = mailbox_get(&q->mail))) {
		if (m->msg.type == PROTO_STATS)
			stats(q, m->msg.cookie);
		else
			q->class->order(q, m);
		while (m->nfds > 0)
			close(m->fds[--m->nfds]);
		free(m);
	}
	q->class->settle(q);
}
