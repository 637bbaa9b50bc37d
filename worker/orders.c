/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What control asks of a queue: connect and disconnect the ring, add and
 * remove LUNs. Runs in the queue's thread, between turns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/queue_impl.h"

/*
 * MAXIMUM TRANSFER LENGTH, bytes. The stock Linux frontend has 128 segments
 * and lets the block layer fill 127 pages, but counts a page more for every
 * piece of a buffer that begins inside a page: a large write of a file system
 * with small blocks then fails in the guest ("Unable to map request_buffer"),
 * and its data is lost. With half of the pages each may cost two.
 */
#define TRANSFER_MAX (64 * WIRE_PAGE_SIZE)

static void reply(struct queue *q, uint32_t cookie, int rc, const char *text)
{
	struct proto_msg msg = {
		.type = PROTO_REPLY,
		.cookie = cookie,
		.controller = q->controller,
		.rc = rc,
	};

	snprintf(msg.text, sizeof(msg.text), "%s", text ? text : "");
	/* When control has gone there is nobody to tell. */
	(void)proto_send(q->control_fd, &msg, NULL, 0);
}

static struct scsi_addr addr_of(const struct proto_msg *msg)
{
	struct scsi_addr a = {
		.channel = msg->addr.channel,
		.id = msg->addr.target,
		.lun = msg->addr.lun,
	};

	return a;
}

/* ---- the ring ---- */

static void ring_open(struct queue *q, const struct proto_msg *msg)
{
	const struct proto_ring *ring = &msg->u.ring;
	const char *why;
	int rc = path_open(&q->path, ring->gref, ring->port, ring->segs_max,
			   &why);

	if (rc == 0)
		q->broken_told = false;
	reply(q, msg->cookie, rc, rc < 0 ? why : NULL);
}

static void ring_close(struct queue *q, uint32_t cookie)
{
	if (!q->path.engine || q->path.peer.closing) {
		reply(q, cookie, q->path.engine ? -EBUSY : 0, NULL);
		return;
	}
	path_close(&q->path);
	q->close_cookie = cookie;
}

/* ---- LUNs ---- */

static int lun_open(struct queue *q, const struct proto_lun *p, int fd,
		    int state_fd, struct lun **out, const char **why)
{
	const struct lun_type *type = lun_find(p->kind);
	struct lun_cfg cfg = {
		.storage = storage_find(p->storage),
		.storage_args = p->args,
		.fd = fd,
		.state_fd = state_fd,
		.size = p->size,
		.block_size = p->block_size,
		.phys_size = p->phys_size,
		.discard_granularity = p->discard_granularity,
		.max_transfer = TRANSFER_MAX,
		.read_only = p->flags & PROTO_LUN_READ_ONLY,
		.discard = p->flags & PROTO_LUN_DISCARD,
		.zero = p->flags & PROTO_LUN_ZERO,
		.rotational = p->flags & PROTO_LUN_ROTATIONAL,
		.shared = p->flags & PROTO_LUN_SHARED,
		.naa = p->naa,
		.initiator = p->initiator,
		.serial = p->serial,
		.product = p->product,
	};

	*why = "this worker has no such kind of LUN or storage";
	if (!type || !cfg.storage)
		return -EPROTONOSUPPORT;
	if (cfg.block_size == 0 || cfg.size < cfg.block_size) {
		*why = "the storage is smaller than a block";
		return -EINVAL;
	}
	*why = "its storage or state file cannot be used";
	return type->open(out, &cfg, &q->uring);
}

static void lun_add(struct queue *q, struct mail *m)
{
	const struct proto_lun *p = &m->msg.u.lun;
	struct scsi_addr addr = addr_of(&m->msg);
	bool has_fd = strcmp(p->storage, storage_null.name) != 0;
	const char *why = "its address is taken";
	struct lun *lun;
	int at = 0, fd, state_fd, rc = -EEXIST;

	if (target_find(&q->path.target, &addr))
		goto out;
	fd = has_fd && m->nfds > 0 ? m->fds[at++] : -1;
	state_fd = at < m->nfds ? m->fds[at] : -1;
	rc = lun_open(q, p, fd, state_fd, &lun, &why);
	if (rc < 0)
		goto out;
	m->nfds = 0; /* the LUN's now */
	why = "no more LUNs fit on this controller";
	rc = target_add(&q->path.target, &addr, lun);
	if (rc < 0)
		lun->type->close(lun);
	else
		why = NULL;
out:
	reply(q, m->msg.cookie, rc, why);
}

static void lun_del(struct queue *q, const struct proto_msg *msg)
{
	struct scsi_addr addr = addr_of(msg);
	struct target_lun *tl = target_find(&q->path.target, &addr);

	if (!tl || tl->going) {
		reply(q, msg->cookie, -ENOENT, "no such LUN");
		return;
	}
	tl->going = true;
	tl->going_cookie = msg->cookie;
}

/* ---- all of them ---- */

static void stats(struct queue *q, const struct proto_msg *msg)
{
	struct proto_msg out = {
		.type = PROTO_REPLY,
		.cookie = msg->cookie,
		.controller = q->controller,
		.u.stats = q->path.peer.stats,
	};

	out.u.stats.luns = q->path.target.count;
	if (q->path.engine)
		out.u.stats.inflight = scsi_back_inflight(q->path.engine);
	(void)proto_send(q->control_fd, &out, NULL, 0);
}

static void forget(struct queue *q, uint32_t cookie)
{
	if (q->path.engine && !q->path.peer.closing)
		path_close(&q->path);
	q->forget = true;
	q->forget_cookie = cookie;
}

static void order(struct queue *q, struct mail *m)
{
	switch (m->msg.type) {
	case PROTO_SCSI_OPEN:
		ring_open(q, &m->msg);
		break;
	case PROTO_SCSI_CLOSE:
		ring_close(q, m->msg.cookie);
		break;
	case PROTO_LUN_ADD:
		lun_add(q, m);
		break;
	case PROTO_LUN_DEL:
		lun_del(q, &m->msg);
		break;
	case PROTO_STATS:
		stats(q, &m->msg);
		break;
	case PROTO_SCSI_FORGET:
		forget(q, m->msg.cookie);
		break;
	default:
		reply(q, m->msg.cookie, -EPROTO, "unknown message");
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
	queue_settle(q);
}

void queue_settle(struct queue *q)
{
	uint32_t cookie;

	if (path_closed(&q->path)) {
		if (q->close_cookie)
			reply(q, q->close_cookie, 0, NULL);
		q->close_cookie = 0;
	}
	while (path_lun_gone(&q->path, q->forget && !q->path.engine, &cookie))
		if (cookie)
			reply(q, cookie, 0, NULL);
}

void queue_forgotten(struct queue *q)
{
	reply(q, q->forget_cookie, 0, NULL);
}
