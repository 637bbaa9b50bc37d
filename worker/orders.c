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

int queue_journal(struct queue *q, struct mail *m, uint32_t flags,
		  uint32_t slots, uint32_t slot_size, const char **why)
{
	int rc;

	journal_file_none(&q->journal);
	if (!(flags & PROTO_RING_JOURNAL))
		return 0;
	*why = "there is no journal";
	if (m->nfds == 0)
		return -EBADF;
	rc = journal_file_open(&q->journal, m->fds[m->nfds - 1], &m->msg,
			       q->peer->cfg.domid, slots, slot_size, why);
	if (rc == 0)
		m->nfds--;
	return rc;
}

uint64_t queue_fence(const struct queue *q, const struct proto_addr *addr)
{
	const uint32_t parts[] = {
		q->peer->cfg.domid,
		q->id.class,
		q->id.controller,
		q->id.queue,
		addr ? addr->target : 0,
		addr ? (uint32_t)addr->channel << 16 | addr->lun : 0};
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a, of words */
	size_t i;

	for (i = 0; i < XPV_ARRAY_SIZE(parts); i++)
		h = (h ^ parts[i]) * 0x100000001b3ull;
	return h;
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
