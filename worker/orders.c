/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What control asks of a queue, and what it is told. Runs in the queue's
 * thread, between turns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- what is there ---- */

static bool is(const struct given *g, uint32_t type,
	       const struct proto_addr *addr)
{
	return g->msg.type == type &&
	       (!addr || memcmp(&g->msg.addr, addr, sizeof(*addr)) == 0);
}

void queue_keep(struct queue *q, const struct proto_msg *msg)
{
	struct given *g = calloc(1, sizeof(*g));

	if (!g)
		return;
	g->msg = *msg;
	g->next = q->given;
	q->given = g;
}

void queue_drop(struct queue *q, uint32_t type, const struct proto_addr *addr)
{
	struct given **at = &q->given, *g;

	while ((g = *at)) {
		if (is(g, type, addr)) {
			*at = g->next;
			free(g);
		} else {
			at = &g->next;
		}
	}
}

struct proto_msg *queue_kept(struct queue *q, uint32_t type)
{
	struct given *g;

	for (g = q->given; g; g = g->next)
		if (is(g, type, NULL))
			return &g->msg;
	return NULL;
}

static void list(struct queue *q, uint32_t cookie)
{
	const struct given *g;
	struct proto_msg msg;

	for (g = q->given; g; g = g->next) {
		msg = g->msg;
		msg.item = msg.type;
		msg.type = PROTO_ITEM;
		msg.cookie = cookie;
		msg.rc = q->broken_told && msg.item != PROTO_LUN_ADD ? -EPROTO
								     : 0;
		queue_send(q, &msg);
	}
	queue_reply(q, cookie, 0, NULL);
}

static void order(struct queue *q, struct mail *m)
{
	switch (m->msg.type) {
	case PROTO_STATS:
		stats(q, m->msg.cookie);
		break;
	case PROTO_LIST:
		list(q, m->msg.cookie);
		break;
	default:
		q->class->order(q, m);
	}
}

void queue_orders(struct queue *q)
{
	struct mail *m;

	while ((m = mailbox_get(&q->mail))) {
		order(q, m);
		while (m->nfds > 0)
			close(m->fds[--m->nfds]);
		free(m);
	}
	q->class->settle(q);
}
