/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's queue: one of its rings with a storage of its own (worker/blk_path),
 * and what control asks of it. It ends when the ring is closed. After a
 * PROTO_BLK_OPEN that failed it stays without a ring, for another or until
 * PROTO_BLK_CLOSE.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "worker/blk_path.h"
#include "worker/queue_impl.h"

/* Memory that is registered, and so taken, at once. */
#define PIECE ((size_t)1 << 20)

/* Grants that were not used for so long, or twice that, are let go. */
#define AGE_S 30

struct blk_queue {
	struct queue queue;
	struct blk_path path;
	struct uring_op timer; /* while grants are kept mapped */
	bool timed;
	struct limit *limit; /* from the first opening to the end */
	bool closing;	     /* PROTO_BLK_CLOSE has come */
	uint32_t close_cookie;
};

static struct blk_queue *blk_of(struct queue *q)
{
	return (struct blk_queue *)q;
}

/* The storage of BLK, which has FD then. */
static int storage_for(struct blk_queue *b, const struct proto_blk *blk, int fd,
		       struct storage **out, const char **why)
{
	const struct storage_driver *driver = storage_find(blk->storage);
	const struct storage_cfg cfg = {
		.args = blk->args,
		.fd = fd,
		.size = blk->size,
		.read_only = blk->features & BLK_BACK_F_READONLY,
		.discard = blk->flags & PROTO_LUN_DISCARD,
		.zero = blk->flags & PROTO_LUN_ZERO,
		.fence = queue_fence(&b->queue, NULL),
		.lost = queue_make_way,
	};

	*why = "this worker has no such storage";
	if (!driver)
		return -EPROTONOSUPPORT;
	*why = "the storage is smaller than a block";
	if (blk->size < blk->block_size)
		return -EINVAL;
	*why = "the storage cannot do blocks as small as the disk's";
	if ((blk->flags & PROTO_LUN_DIRECT) && blk->align > blk->block_size)
		return -EINVAL;
	*why = "its storage cannot be used";
	return driver->open(out, &cfg, &b->queue.uring);
}

static void ring_open(struct blk_queue *b, struct mail *m)
{
	const struct proto_blk *blk = &m->msg.u.blk;
	uint32_t slot =
		blk->abi < BLK_ABIS ? blk_abi_slot((enum blk_abi)blk->abi) : 0;
	struct storage *storage;
	const char *why = "it is connected already";
	int rc = -EBUSY;

	if (b->path.engine)
		goto out;
	why = "out of memory";
	rc = -ENOMEM;
	if (!b->limit)
		b->limit = limit_hold(b->queue.id.controller);
	if (!b->limit)
		goto out;
	limit_set(b->limit, &blk->limits);
	rc = queue_journal(&b->queue, m, blk->flags,
			   ring_slots(blk->pages, slot), slot, &why);
	if (rc < 0)
		goto out;
	rc = storage_for(b, blk, m->nfds > 0 ? m->fds[0] : -1, &storage, &why);
	if (rc < 0)
		goto no_journal;
	/* The null storage takes none: it is closed as what is left over. */
	if (m->nfds > 0 && storage->driver != &storage_null)
		m->fds[0] = m->fds[--m->nfds];
	rc = blk_path_open(&b->path, blk, journal_file_mem(&b->queue.journal),
			   storage, b->limit, &why);
	if (rc < 0)
		goto no_storage;
	/* Without it all works as well. */
	(void)uring_memory(&b->queue.uring, b->path.arena.base, PIECE, PIECE,
			   b->path.arena.pages * WIRE_PAGE_SIZE / PIECE);
	b->queue.broken_told = false;
	queue_keep(&b->queue, &m->msg);
	goto out;

no_storage:
	storage->driver->close(storage);
no_journal:
	journal_file_close(&b->queue.journal);
out:
	queue_reply(&b->queue, m->msg.cookie, rc, rc < 0 ? why : NULL);
}

/* The thread ends after this, so that it comes once (queue_ends()). */
static void ring_close(struct blk_queue *b, uint32_t cookie)
{
	if (b->path.engine)
		blk_path_close(&b->path);
	b->closing = true;
	b->close_cookie = cookie;
}

static void resize(struct blk_queue *b, const struct proto_msg *msg)
{
	struct proto_msg *open = queue_kept(&b->queue, PROTO_BLK_OPEN);

	blk_path_resize(&b->path, msg->u.size);
	if (open)
		open->u.blk.size = msg->u.size;
	queue_reply(&b->queue, msg->cookie, b->path.engine ? 0 : -ENOENT, NULL);
}

/* They are one device's: the first queue that is told sets them for all. The
 * others are told so that they look. */
static void set_limits(struct blk_queue *b, const struct proto_msg *msg)
{
	if (b->limit)
		limit_set(b->limit, &msg->u.limits);
	queue_reply(&b->queue, msg->cookie, b->path.engine ? 0 : -ENOENT, NULL);
}

static void blk_order(struct queue *q, struct mail *m)
{
	struct blk_queue *b = blk_of(q);

	switch (m->msg.type) {
	case PROTO_BLK_OPEN:
		ring_open(b, m);
		break;
	case PROTO_BLK_CLOSE:
		ring_close(b, m->msg.cookie);
		break;
	case PROTO_BLK_RESIZE:
		resize(b, &m->msg);
		break;
	case PROTO_BLK_LIMITS:
		set_limits(b, &m->msg);
		break;
	default:
		queue_reply(q, m->msg.cookie, -EPROTO, "unknown message");
	}
}

/* ---- grants that are kept mapped ---- */

static void start_timer(struct blk_queue *b)
{
	static struct __kernel_timespec age = {.tv_sec = AGE_S};
	struct io_uring_sqe *sqe = uring_sqe(&b->queue.uring);

	io_uring_prep_timeout(sqe, &age, 0, 0);
	uring_attach(sqe, &b->timer);
	b->timed = true;
}

static void time_over(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct blk_queue *b =
		(struct blk_queue *)((char *)op -
				     offsetof(struct blk_queue, timer));

	(void)res; /* its time has come */
	(void)flags;
	b->timed = false;
	blk_path_age(&b->path);
}

/* ---- for worker/queue ---- */

static void blk_count(const struct queue *q, struct proto_stats *st)
{
	const struct blk_queue *b = (const struct blk_queue *)q;

	if (b->path.engine)
		st->inflight = blk_back_inflight(b->path.engine);
	if (b->path.engine)
		st->mapped = blk_back_mapped(b->path.engine);
}

static bool blk_turn(struct queue *q)
{
	struct blk_queue *b = blk_of(q);
	bool busy = blk_path_turn(&b->path);

	if (!b->timed && blk_path_maps(&b->path))
		start_timer(b);
	return busy;
}

static void blk_settle(struct queue *q)
{
	struct blk_queue *b = blk_of(q);

	if (blk_path_closed(&b->path)) {
		uring_memory_end(&b->queue.uring);
		journal_file_close(&b->queue.journal);
	}
	if (b->closing && !b->path.engine && !q->over) {
		limit_drop(b->limit);
		b->limit = NULL;
		queue_reply(q, b->close_cookie, 0, NULL);
		q->over = true;
	}
}

static bool blk_look(struct queue *q)
{
	struct blk_path *p = &blk_of(q)->path;

	if (blk_path_has_work(p))
		return true;
	blk_path_tell_some(p);
	return false;
}

static bool blk_rest(struct queue *q)
{
	return blk_path_rest(&blk_of(q)->path);
}

static uint64_t blk_deadline(const struct queue *q)
{
	return blk_path_deadline(&((const struct blk_queue *)q)->path);
}

static void blk_init(struct queue *q, const struct peer_cfg *cfg)
{
	struct blk_queue *b = blk_of(q);

	snprintf(q->name, sizeof(q->name), "vbd/%u/%u", q->id.controller,
		 q->id.queue);
	blk_path_init(&b->path, cfg);
	b->timer.done = time_over;
	q->peer = &b->path.peer;
}

const struct queue_class queue_blk = {
	.size = sizeof(struct blk_queue),
	.opens = 1u << PROTO_BLK_OPEN,
	.gone = 1u << PROTO_BLK_CLOSE | 1u << PROTO_STATS,
	.ends = PROTO_BLK_CLOSE,
	.init = blk_init,
	.order = blk_order,
	.count = blk_count,
	.turn = blk_turn,
	.settle = blk_settle,
	.look = blk_look,
	.rest = blk_rest,
	.deadline = blk_deadline,
};
