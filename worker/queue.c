/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. The thread turns in a loop; each turn handles
 * everything that is there as one batch:
 *
 *   reap      storage completions end commands: they go to `finished`
 *   finish    one grant copy call brings all data-in to the guest, then each
 *             command is completed at the engine
 *   poll      the engine publishes responses, notifies once, takes requests
 *             and submits commands: they go to `fresh`
 *   begin     one grant copy call brings all data-out from the guest, then
 *             each command starts at its LUN, which queues storage I/O
 *
 * When a turn has found nothing the thread looks for work for a while, asks the
 * guest for an event, submits all queued I/O and sleeps in one system call.
 *
 * An event costs the guest more than all our work for a small request, so that
 * several responses should share one: the guest is notified when half of what
 * it keeps in flight has been answered (at depth 1, each time), or nothing more
 * has come for a part of poll_max, and always before we sleep.
 *
 * Looking costs processor time, sleeping costs the guest's event, an interrupt
 * and a wake-up. How long is worth it depends on what a system call costs here:
 * poll_max is a multiple of that, measured at the start, and poll_ns adapts
 * below it to how soon work came after the last sleeps.
 */
#include "worker/queue.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker/queue_impl.h"

/*
 * Looking for work before sleeping is worth this many system calls, but never
 * more than POLL_LIMIT_NS. That is about 100 us on a machine of today, half of
 * the time that KVM looks before it lets a guest's processor sleep.
 */
#define POLL_CALLS    400u
#define POLL_LIMIT_NS 5000000u

/*
 * The part of poll_max for which answers wait for others to be told with. On a
 * single processor the guest does not run while we do: there they wait until
 * we sleep.
 */
#define HOLD_PART 8

/* Operations between two submissions: a few for each command. */
#define URING_ENTRIES 128

static void slots_init(struct slots *s)
{
	s->first = NULL;
	s->last = &s->first;
}

static void slots_put(struct slots *s, struct slot *slot)
{
	slot->next = NULL;
	*s->last = slot;
	s->last = &slot->next;
}

static struct slot *slots_take_all(struct slots *s)
{
	struct slot *first = s->first;

	slots_init(s);
	return first;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A LUN has ended its command. */
static void cmd_done(struct lun_cmd *cmd)
{
	struct slot *s =
		(struct slot *)((char *)cmd - offsetof(struct slot, cmd));

	slots_put(&s->queue->finished, s);
}

/* ---- the engine's downcalls ---- */

static void on_submit(void *host, const struct scsi_back_cmd *c)
{
	struct queue *q = host;
	struct slot *s = &q->slot[c->tag];
	struct scsi_task *t = &s->cmd.task;

	s->tag = c->tag;
	s->reset = c->act == SCSI_BACK_RESET;
	s->addr = c->addr;
	s->segs = c->segs;
	s->nsegs = c->nsegs;
	s->len = c->len;
	s->tl = NULL;
	s->cmd.done = cmd_done;
	scsi_task_init(t);
	memcpy(t->cdb, c->cdb, sizeof(t->cdb));
	t->cdb_len = c->cdb_len;
	t->data = s->data;
	t->scratch = s->data + (size_t)q->segs_max * WIRE_PAGE_SIZE;
	t->scratch_len = SCSI_SCRATCH_MIN;
	if (c->dir == WIRE_SCSI_DIR_OUT || c->dir == WIRE_SCSI_DIR_BIDI)
		t->out_len = c->len;
	if (c->dir == WIRE_SCSI_DIR_IN || c->dir == WIRE_SCSI_DIR_BIDI)
		t->in_max = c->len;
	q->stats.requests++;
	slots_put(&q->fresh, s);
}

static void on_cancel(void *host, uint16_t tag)
{
	struct queue *q = host;
	struct slot *s = &q->slot[tag];

	/* Not begun yet, or ended already: it will be answered anyway. */
	if (s->tl)
		s->tl->lun->type->cancel(s->tl->lun, &s->cmd);
}

static void on_fetch(void *host, struct scsi_back_fetch *f, uint32_t n)
{
	struct queue *q = host;
	uint32_t i, j, batch;

	for (i = 0; i < n; i += batch) {
		batch = n - i < HOST_COPY_MAX ? n - i : HOST_COPY_MAX;
		for (j = 0; j < batch; j++)
			q->copy[j] = (struct host_copy){
				.gref = f[i + j].gref,
				.offset = f[i + j].offset,
				.len = f[i + j].len,
				.local = f[i + j].to,
			};
		q->host->copy(q->link, q->copy, batch, false);
		for (j = 0; j < batch; j++)
			f[i + j].ok = q->copy[j].ok;
	}
	q->stats.copies += n;
}

static void on_notify(void *host)
{
	struct queue *q = host;

	q->host->notify(q->link);
	q->stats.notifies++;
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	static const char *const text[] = {
		[SCSI_BACK_EV_BAD_ACT] = "unknown request type",
		[SCSI_BACK_EV_BAD_CDB] = "bad CDB length",
		[SCSI_BACK_EV_BAD_DIR] = "bad data direction",
		[SCSI_BACK_EV_BAD_SEGS] = "bad number of segments",
		[SCSI_BACK_EV_BAD_SEG] = "segment outside its page",
		[SCSI_BACK_EV_BAD_FETCH] = "segment list cannot be read",
		[SCSI_BACK_EV_BAD_RING] = "ring index out of range",
	};
	struct queue *q = host;

	q->stats.guest_errors++;
	log_limited(&q->rate, LOG_WARNING, &q->where,
		    "guest error: %s (%llu, %llu)", text[event],
		    (unsigned long long)a, (unsigned long long)b);
}

const struct scsi_back_ops queue_engine_ops = {
	.submit = on_submit,
	.cancel = on_cancel,
	.fetch = on_fetch,
	.notify = on_notify,
	.trace = on_trace,
};

/* ---- moving data ---- */

/*
 * A batch of copies in one direction. Elements remember their slot so that a
 * failed one fails only its own command.
 */
struct batch {
	struct queue *q;
	bool to_guest;
	unsigned n;
};

static void batch_flush(struct batch *b)
{
	struct queue *q = b->q;
	unsigned i;

	if (b->n == 0)
		return;
	q->host->copy(q->link, q->copy, b->n, b->to_guest);
	q->stats.copies += b->n;
	for (i = 0; i < b->n; i++)
		if (!q->copy[i].ok)
			q->owner[i]->cmd.host = WIRE_SCSI_HOST_ERROR;
	b->n = 0;
}

/* Add the first LEN bytes of the segments of S. */
static void batch_add(struct batch *b, struct slot *s, uint32_t len)
{
	uint32_t i, n, at = 0;

	for (i = 0; i < s->nsegs && at < len; i++) {
		n = s->segs[i].length;
		if (n > len - at)
			n = len - at;
		if (b->n == HOST_COPY_MAX)
			batch_flush(b);
		b->q->owner[b->n] = s;
		b->q->copy[b->n++] = (struct host_copy){
			.gref = s->segs[i].gref,
			.offset = s->segs[i].offset,
			.len = (uint16_t)n,
			.local = s->data + at,
		};
		at += n;
	}
}

/* ---- the turn ---- */

static void count(struct proto_stats *st, const struct lun_cmd *cmd)
{
	if (cmd->task.in_len) {
		st->read_ops++;
		st->read_bytes += cmd->task.in_len;
	} else if (cmd->task.out_len) {
		st->write_ops++;
		st->write_bytes += cmd->task.out_len;
	}
}

/* Tell the engine how S ended. */
static void complete(struct queue *q, struct slot *s)
{
	const struct scsi_task *t = &s->cmd.task;
	struct scsi_back_result res = {.host = s->cmd.host};

	if (s->tl) {
		s->tl->inflight--;
		s->tl = NULL;
	}
	if (res.host == WIRE_SCSI_HOST_OK) {
		res.status = t->status;
		res.sense = t->sense;
		res.sense_len = t->sense_len;
		res.residual = t->residual;
		count(&q->stats, &s->cmd);
	} else {
		res.residual = s->len;
	}
	q->stats.responses++;
	q->untold++;
	scsi_back_complete(q->engine, s->tag, &res);
}

static bool finish(struct queue *q)
{
	struct slot *s, *next, *first = slots_take_all(&q->finished);
	struct batch b = {.q = q, .to_guest = true};

	if (!first)
		return false;
	for (s = first; s; s = s->next)
		if (s->cmd.host == WIRE_SCSI_HOST_OK && s->cmd.task.in_len)
			batch_add(&b, s, s->cmd.task.in_len);
	batch_flush(&b);
	for (s = first; s; s = next) {
		next = s->next;
		complete(q, s);
	}
	return true;
}

/* Start S at its LUN; its data-out is here. */
static void execute(struct queue *q, struct slot *s)
{
	struct target_lun *tl;

	if (s->cmd.host != WIRE_SCSI_HOST_OK) { /* its data could not be had */
		cmd_done(&s->cmd);
		return;
	}
	if (s->reset) {
		tl = target_find(&q->target, &s->addr);
		if (tl && !tl->going)
			tl->lun->type->reset(tl->lun);
		else
			s->cmd.host = WIRE_SCSI_HOST_NO_CONNECT;
		cmd_done(&s->cmd);
		return;
	}
	if (target_answer(&q->target, &s->addr, &s->cmd)) {
		cmd_done(&s->cmd);
		return;
	}
	s->tl = target_find(&q->target, &s->addr);
	s->tl->inflight++;
	s->tl->lun->type->submit(s->tl->lun, &s->cmd);
}

static bool begin(struct queue *q)
{
	struct slot *s, *next, *first = slots_take_all(&q->fresh);
	struct batch b = {.q = q, .to_guest = false};

	if (!first)
		return false;
	for (s = first; s; s = s->next) {
		s->cmd.host = WIRE_SCSI_HOST_OK;
		if (s->cmd.task.out_len)
			batch_add(&b, s, s->cmd.task.out_len);
	}
	batch_flush(&b);
	for (s = first; s; s = next) {
		next = s->next;
		execute(q, s);
	}
	return true;
}

static void ring_broke(struct queue *q)
{
	struct proto_msg msg = {.type = PROTO_BROKEN,
				.controller = q->controller};

	if (q->broken)
		return;
	q->broken = true;
	snprintf(msg.text, sizeof(msg.text),
		 "the guest wrote a request index that cannot be");
	(void)proto_send(q->control_fd, &msg, NULL, 0);
}

/* Notify the guest if it has to be. */
static void tell(struct queue *q)
{
	if (q->engine)
		scsi_back_flush(q->engine);
	q->untold = 0;
}

/* Notify now, or wait for company? */
static void tell_some(struct queue *q)
{
	uint32_t depth = scsi_back_inflight(q->engine) + q->untold;

	if (depth > q->depth)
		q->depth = depth;
	if (q->untold == 0)
		return;
	if (q->poll_max && 2 * q->untold >= q->depth) {
		tell(q);
	} else if (q->untold_since == 0) {
		q->untold_since = now_ns();
	} else if (now_ns() - q->untold_since > q->hold_ns) {
		q->depth = depth; /* it keeps fewer in flight than it did */
		tell(q);
	}
	if (q->untold == 0)
		q->untold_since = 0;
}

/* One turn. True when there was something to do. */
static bool turn(struct queue *q)
{
	bool busy;
	int taken;

	busy = uring_reap(&q->uring) > 0;
	if (q->mail.rung) {
		queue_orders(q);
		busy = true;
	}
	if (!q->engine)
		return busy;
	busy |= finish(q);
	taken = scsi_back_poll(q->engine, SCSI_BACK_TAGS);
	if (taken < 0)
		ring_broke(q);
	busy |= taken > 0;
	busy |= begin(q);
	tell_some(q);
	if (q->finished.first)
		return true;
	queue_settle(q);
	return busy;
}

/* ---- sleeping ---- */

/* Look for work without a system call; true when there is some. */
static bool look(struct queue *q)
{
	uint64_t end;

	if (q->poll_ns == 0 || !q->engine)
		return false;
	end = now_ns() + q->poll_ns;
	do {
		if (uring_ready(&q->uring) || scsi_back_has_work(q->engine))
			return true;
		tell_some(q);
	} while (now_ns() < end);
	return false;
}

/*
 * Grow the time to look when work came soon after falling asleep, shrink it
 * when it did not (as KVM's halt polling does).
 */
static void adapt(struct queue *q, uint64_t slept)
{
	uint64_t first = q->poll_max / 4;

	if (slept > q->poll_max)
		q->poll_ns = q->poll_ns > first ? q->poll_ns / 2 : 0;
	else if (q->poll_ns < first)
		q->poll_ns = first;
	else
		q->poll_ns = 2 * q->poll_ns < q->poll_max ? 2 * q->poll_ns
							  : q->poll_max;
}

/*
 * The longest time to look. None on a single processor: what we wait for would
 * wait for us.
 */
static uint64_t poll_max(void)
{
	uint64_t before, cost, least = UINT64_MAX;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 0;
	for (i = 0; i < 32; i++) {
		before = now_ns();
		syscall(SYS_getppid);
		cost = now_ns() - before;
		if (cost < least)
			least = cost;
	}
	return least < POLL_LIMIT_NS / POLL_CALLS ? least * POLL_CALLS
						  : POLL_LIMIT_NS;
}

static void sleep_on(struct queue *q)
{
	uint64_t before;

	/* Start queued I/O now; a RAM disk has it done at once. */
	uring_submit(&q->uring, false);
	if (uring_ready(&q->uring))
		return;
	if (look(q))
		return;
	tell(q);
	if (q->engine && scsi_back_arm(q->engine))
		return;
	if (q->engine && !q->broken)
		q->host->rearm(q->link, &q->uring);
	before = now_ns();
	uring_submit(&q->uring, true);
	q->stats.wakeups++;
	adapt(q, now_ns() - before);
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;

	char name[16];

	/* Without a slash: the kernel names the interrupt after the thread. */
	snprintf(name, sizeof(name), "scsi-%u", q->controller);
	pthread_setname_np(pthread_self(), name);
	/* Here and not in queue_start(): the ring belongs to this thread. */
	q->start_rc = uring_init(&q->uring, URING_ENTRIES);
	sem_post(&q->started);
	if (q->start_rc < 0)
		return NULL;
	q->poll_max = poll_max();
	q->hold_ns = (q->poll_max ? q->poll_max : POLL_LIMIT_NS) / HOLD_PART;
	mailbox_listen(&q->mail, &q->uring);
	while (!(q->forget && !q->engine && q->target.count == 0))
		if (!turn(q))
			sleep_on(q);
	queue_forgotten(q);
	uring_fini(&q->uring);
	return NULL;
}

/* ---- for other threads ---- */

int queue_start(struct queue **out, const struct host_ops *host, uint32_t domid,
		uint32_t controller, int control_fd)
{
	struct queue *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->host = host;
	q->domid = domid;
	q->controller = controller;
	q->control_fd = control_fd;
	snprintf(q->name, sizeof(q->name), "scsi/%u", controller);
	q->where =
		(struct log_where){.guest = true, .dom = domid, .dev = q->name};
	slots_init(&q->fresh);
	slots_init(&q->finished);
	sem_init(&q->started, 0, 0);
	rc = mailbox_init(&q->mail);
	if (rc < 0)
		goto free_queue;
	rc = -pthread_create(&q->thread, NULL, queue_main, q);
	if (rc < 0)
		goto free_mail;
	while (sem_wait(&q->started) < 0)
		;
	rc = q->start_rc;
	if (rc < 0) {
		pthread_join(q->thread, NULL);
		goto free_mail;
	}
	*out = q;
	return 0;

free_mail:
	mailbox_fini(&q->mail);
free_queue:
	free(q);
	return rc;
}

void queue_post(struct queue *q, const struct proto_msg *msg, const int *fds,
		int nfds)
{
	mailbox_put(&q->mail, msg, fds, nfds);
}

bool queue_join(struct queue *q, bool wait)
{
	int r = wait ? pthread_join(q->thread, NULL)
		     : pthread_tryjoin_np(q->thread, NULL);

	if (r == EBUSY)
		return false;
	mailbox_fini(&q->mail);
	sem_destroy(&q->started);
	free(q);
	return true;
}
