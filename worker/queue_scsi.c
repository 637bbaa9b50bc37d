/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A controller's queue: its ring and its LUNs (worker/path), and what control
 * asks of it: connect and disconnect the ring, add and remove LUNs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/path.h"
#include "worker/queue_impl.h"

/*
 * MAXIMUM TRANSFER LENGTH, bytes. The stock Linux frontend has 128 segments
 * and lets the block layer fill 127 pages, but counts a page more for every
 * piece of a buffer that begins inside a page: a large write of a file system
 * with small blocks then fails in the guest ("Unable to map request_buffer"),
 * and its data is lost. With half of the pages each may cost two.
 */
#define TRANSFER_MAX (64 * WIRE_PAGE_SIZE)

/* The memory of each command that is registered, and so taken, when it is first
 * used: larger ones go without. */
#define PIECE (128u * 1024)

struct scsi_queue {
	struct queue queue;
	struct path path;
	bool changing; /* a medium of one of its LUNs is */
	bool forget;   /* end when the ring is closed and no LUN is left */
	uint32_t forget_cookie, close_cookie;
};

static struct scsi_queue *scsi_of(struct queue *q)
{
	return (struct scsi_queue *)q;
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

static void ring_open(struct scsi_queue *s, struct mail *m)
{
	const struct proto_ring *msg = &m->msg.u.ring;
	struct path_ring ring = {
		.gref = msg->gref,
		.port = msg->port,
		.segs_max = msg->segs_max,
		.resume = msg->flags & PROTO_RING_RECOVER,
	};
	const char *why = "it is connected already";
	int rc = -EBUSY;

	if (s->path.engine)
		goto out;
	rc = queue_journal(&s->queue, m, msg->flags, SCSI_BACK_TAGS,
			   sizeof(struct wire_scsi_req), &why);
	if (rc < 0)
		goto out;
	ring.journal = journal_file_mem(&s->queue.journal);
	rc = path_open(&s->path, &ring, &why);
	if (rc < 0) {
		journal_file_close(&s->queue.journal);
	} else {
		/* Without it all works as well. */
		(void)uring_memory(&s->queue.uring, s->path.arena,
				   s->path.arena_len / SCSI_BACK_TAGS, PIECE,
				   SCSI_BACK_TAGS);
		s->queue.broken_told = false;
		queue_keep(&s->queue, &m->msg);
	}
out:
	queue_reply(&s->queue, m->msg.cookie, rc, rc < 0 ? why : NULL);
}

static void ring_close(struct scsi_queue *s, uint32_t cookie)
{
	if (!s->path.engine || s->path.peer.closing) {
		queue_reply(&s->queue, cookie, s->path.engine ? -EBUSY : 0,
			    NULL);
		return;
	}
	path_close(&s->path);
	queue_drop(&s->queue, PROTO_SCSI_OPEN, NULL);
	s->close_cookie = cookie;
}

/* ---- LUNs ---- */

static struct lun_cfg cfg_of(const struct proto_lun *p, int fd, int state_fd)
{
	struct lun_cfg cfg = {
		.storage = storage_find(p->storage),
		.storage_args = p->args,
		.fd = fd,
		.state_fd = state_fd,
		.keep_fd = -1,
		.size = p->size,
		.block_size = p->block_size,
		.phys_size = p->phys_size,
		.discard_granularity = p->discard_granularity,
		.depth = p->depth,
		.max_transfer = TRANSFER_MAX,
		.read_only = p->flags & PROTO_LUN_READ_ONLY,
		.discard = p->flags & PROTO_LUN_DISCARD,
		.zero = p->flags & PROTO_LUN_ZERO,
		.rotational = p->flags & PROTO_LUN_ROTATIONAL,
		.shared = p->flags & PROTO_LUN_SHARED,
		.resumed = p->flags & PROTO_LUN_RESUME,
		.fenced = p->flags & PROTO_LUN_FENCED,
		.naa = p->naa,
		.initiator = p->initiator,
		.serial = p->serial,
		.product = p->product,
	};

	return cfg;
}

/* Is there a storage behind it that this worker knows, and as much of it? */
static int check_storage(const struct lun_type *type, const struct lun_cfg *cfg,
			 const char **why)
{
	*why = "this worker has no such kind of LUN or storage";
	if (!type || (type->stored && !cfg->storage))
		return -EPROTONOSUPPORT;
	if (!type->stored || (type->change && cfg->size == 0))
		return 0;
	*why = "the storage is smaller than a block";
	return cfg->block_size == 0 || cfg->size < cfg->block_size ? -EINVAL
								   : 0;
}

static int lun_open(struct scsi_queue *s, const struct proto_lun *p, int fd,
		    int state_fd, int keep_fd, uint64_t fence, struct lun **out,
		    const char **why)
{
	const struct lun_type *type = lun_find(p->kind);
	struct lun_cfg cfg = cfg_of(p, fd, state_fd);
	int rc = check_storage(type, &cfg, why);

	if (rc < 0)
		return rc;
	cfg.keep_fd = keep_fd;
	cfg.fence = fence;
	cfg.lost = queue_make_way;
	*why = type->stored ? "its storage or state file cannot be used"
			    : "its device cannot be used; see the log";
	return type->open(out, &cfg, &s->queue.uring);
}

static void lun_add(struct scsi_queue *s, struct mail *m)
{
	const struct proto_lun *p = &m->msg.u.lun;
	struct scsi_addr addr = addr_of(&m->msg);
	bool has_fd = strcmp(p->storage, storage_null.name) != 0;
	const char *why = "its address is taken";
	struct lun *lun;
	int at = 0, nfds = m->nfds, keep_fd = -1, fd, state_fd, rc = -EEXIST;

	if (target_find(&s->path.target, &addr))
		goto out;
	if ((p->flags & PROTO_LUN_KEEP) && nfds > 0)
		keep_fd = m->fds[--nfds];
	fd = has_fd && nfds > 0 ? m->fds[at++] : -1;
	state_fd = at < nfds ? m->fds[at] : -1;
	rc = lun_open(s, p, fd, state_fd, keep_fd,
		      queue_fence(&s->queue, &m->msg.addr), &lun, &why);
	if (rc < 0)
		goto out;
	m->nfds = 0; /* the LUN's now */
	why = "no more LUNs fit on this controller";
	rc = target_add(&s->path.target, &addr, lun,
			p->flags & PROTO_LUN_RESUME);
	if (rc < 0) {
		lun->type->close(lun);
	} else {
		why = NULL;
		queue_keep(&s->queue, &m->msg);
	}
out:
	queue_reply(&s->queue, m->msg.cookie, rc, why);
}

static void lun_del(struct scsi_queue *s, const struct proto_msg *msg)
{
	struct scsi_addr addr = addr_of(msg);
	struct target_lun *tl = target_find(&s->path.target, &addr);

	if (!tl || tl->going) {
		queue_reply(&s->queue, msg->cookie, -ENOENT, "no such LUN");
		return;
	}
	queue_drop(&s->queue, PROTO_LUN_ADD, &msg->addr);
	tl->going = true;
	tl->going_cookie = msg->cookie;
}

static void lun_medium(struct scsi_queue *s, struct mail *m)
{
	const struct proto_lun *p = &m->msg.u.lun;
	struct scsi_addr addr = addr_of(&m->msg);
	struct target_lun *tl = target_find(&s->path.target, &addr);
	struct lun_cfg cfg = cfg_of(p, m->nfds > 0 ? m->fds[0] : -1, -1);
	const char *why = "no such LUN";
	int rc = -ENOENT;

	if (!tl || tl->going)
		goto out;
	rc = check_storage(tl->lun->type, &cfg, &why);
	if (rc < 0)
		goto out;
	why = "its media cannot be changed";
	rc = -ENOTTY;
	if (!tl->lun->type->change)
		goto out;
	rc = tl->lun->type->change(tl->lun, &cfg, p->flags & PROTO_LUN_FORCE);
	why = rc == -EBUSY ? "the guest keeps its medium locked"
			   : "the medium cannot be used";
out:
	if (rc < 0) {
		queue_reply(&s->queue, m->msg.cookie, rc, why);
		return;
	}
	m->nfds = 0; /* the LUN's now */
	tl->change_cookie = m->msg.cookie;
	s->changing = true;
}

/* Answer for those media that are in now. */
static void changed(struct scsi_queue *s)
{
	const struct target *t = &s->path.target;

	s->changing = false;
	for (uint32_t i = 0; i < t->count; i++) {
		struct target_lun *tl = t->lun[i];

		if (!tl->change_cookie)
			continue;
		if (tl->lun->type->changing(tl->lun)) {
			s->changing = true;
			continue;
		}
		queue_reply(&s->queue, tl->change_cookie, 0, NULL);
		tl->change_cookie = 0;
	}
}

/* ---- the class ---- */

static void forget(struct scsi_queue *s, uint32_t cookie)
{
	if (s->path.engine && !s->path.peer.closing)
		path_close(&s->path);
	s->forget = true;
	s->forget_cookie = cookie;
}

static void scsi_order(struct queue *q, struct mail *m)
{
	struct scsi_queue *s = scsi_of(q);

	switch (m->msg.type) {
	case PROTO_SCSI_OPEN:
		ring_open(s, m);
		break;
	case PROTO_SCSI_CLOSE:
		ring_close(s, m->msg.cookie);
		break;
	case PROTO_LUN_ADD:
		lun_add(s, m);
		break;
	case PROTO_LUN_DEL:
		lun_del(s, &m->msg);
		break;
	case PROTO_LUN_MEDIUM:
		lun_medium(s, m);
		break;
	case PROTO_SCSI_FORGET:
		forget(s, m->msg.cookie);
		break;
	default:
		queue_reply(q, m->msg.cookie, -EPROTO, "unknown message");
	}
}

static void scsi_count(const struct queue *q, struct proto_stats *st)
{
	const struct scsi_queue *s = (const struct scsi_queue *)q;

	st->luns = s->path.target.count;
	if (s->path.engine)
		st->inflight = scsi_back_inflight(s->path.engine);
}

static bool scsi_turn(struct queue *q)
{
	return path_turn(&scsi_of(q)->path);
}

static void scsi_settle(struct queue *q)
{
	struct scsi_queue *s = scsi_of(q);
	uint32_t cookie;

	if (s->changing)
		changed(s);
	if (path_closed(&s->path)) {
		uring_memory_end(&s->queue.uring);
		journal_file_close(&s->queue.journal);
		if (s->close_cookie)
			queue_reply(q, s->close_cookie, 0, NULL);
		s->close_cookie = 0;
	}
	while (path_lun_gone(&s->path, s->forget && !s->path.engine, &cookie))
		if (cookie)
			queue_reply(q, cookie, 0, NULL);
	if (s->forget && !s->path.engine && s->path.target.count == 0 &&
	    !q->over) {
		queue_reply(q, s->forget_cookie, 0, NULL);
		q->over = true;
	}
}

static bool scsi_look(struct queue *q)
{
	struct path *p = &scsi_of(q)->path;

	if (path_has_work(p))
		return true;
	path_tell_some(p);
	return false;
}

static bool scsi_rest(struct queue *q)
{
	return path_rest(&scsi_of(q)->path);
}

static void scsi_init(struct queue *q, const struct peer_cfg *cfg)
{
	struct scsi_queue *s = scsi_of(q);

	snprintf(q->name, sizeof(q->name), "scsi/%u", q->id.controller);
	path_init(&s->path, cfg);
	q->peer = &s->path.peer;
}

const struct queue_class queue_scsi = {
	.size = sizeof(struct scsi_queue),
	.opens = 1u << PROTO_SCSI_OPEN | 1u << PROTO_LUN_ADD,
	.gone = 1u << PROTO_SCSI_CLOSE | 1u << PROTO_SCSI_FORGET |
		1u << PROTO_STATS,
	.ends = PROTO_SCSI_FORGET,
	.init = scsi_init,
	.order = scsi_order,
	.count = scsi_count,
	.turn = scsi_turn,
	.settle = scsi_settle,
	.look = scsi_look,
	.rest = scsi_rest,
};
