/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. The thread turns in a loop; each turn handles
 * everything that is there as one batch: storage completions end commands, and
 * the path (worker/path.h, worker/blk_path.h) takes requests and gives answers.
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

#include <errno.h>
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

/*
 * So many are submitted at once, so that the device is at work while the others
 * are made: all 16 or 32 of a guest's together took a third longer (a virtual
 * disk on two processors; 1 and 2 differ from 4 by less than the spread). On a
 * single processor, where a RAM disk is done when it has been asked, they only
 * cost system calls.
 */
#define URING_BATCH 4

uint64_t queue_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t peer_now(void *ctx)
{
	(void)ctx;
	return queue_now();
}

/* Tell control, once for each ring. */
static void ring_broke(struct queue *q)
{
	struct proto_msg msg = {.type = PROTO_BROKEN};

	if (q->broken_told)
		return;
	q->broken_told = true;
	snprintf(msg.text, sizeof(msg.text),
		 "the guest wrote a request index that cannot be");
	queue_send(q, &msg);
}

/* One turn. True when there was something to do. */
static bool turn(struct queue *q)
{
	bool busy;

	journal_file_busy(&q->journal, true);
	busy = uring_reap(&q->uring) > 0;
	if (q->mail.rung) {
		queue_orders(q);
		busy = true;
	}
	busy |= q->class->turn(q);
	if (q->peer->broken)
		ring_broke(q);
	q->class->settle(q);
	return busy;
}

/* ---- sleeping ---- */

static uint64_t deadline(const struct queue *q)
{
	return q->class->deadline ? q->class->deadline(q) : 0;
}

/* Look for work without a system call; true when there is some. */
static bool look(struct queue *q)
{
	uint64_t end, due = deadline(q);

	if (q->poll_ns == 0 || !q->peer->link)
		return false;
	end = queue_now() + q->poll_ns;
	if (due && due < end)
		end = due;
	do {
		if (uring_ready(&q->uring) || q->class->look(q))
			return true;
	} while (queue_now() < end);
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
		before = queue_now();
		syscall(SYS_getppid);
		cost = queue_now() - before;
		if (cost < least)
			least = cost;
	}
	return least < POLL_LIMIT_NS / POLL_CALLS ? least * POLL_CALLS
						  : POLL_LIMIT_NS;
}

/* The guest sends events that bring nothing: it has to wait for us. */
static void pause_for(uint64_t ns)
{
	const struct timespec t = {.tv_nsec = (long)ns};

	if (ns)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void sleep_on(struct queue *q)
{
	uint64_t before, due;

	/* Start queued I/O now; a RAM disk has it done at once. */
	uring_submit(&q->uring, false);
	if (uring_ready(&q->uring))
		return;
	if (look(q))
		return;
	if (!q->class->rest(q))
		return;
	journal_file_busy(&q->journal, false);
	before = queue_now();
	due = deadline(q);
	if (due == 0)
		uring_submit(&q->uring, true);
	else
		uring_wait(&q->uring, due > before ? due - before : 0);
	q->peer->stats.wakeups++;
	adapt(q, queue_now() - before);
}

/* Without slashes: the kernel names the interrupt after the thread. */
static void name_thread(const struct queue *q)
{
	char name[16], *p;

	snprintf(name, sizeof(name), "%.15s", q->name);
	while ((p = strchr(name, '/')))
		*p = '-';
	pthread_setname_np(pthread_self(), name);
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;

	name_thread(q);
	/* Here and not in queue_start(): the ring belongs to this thread. */
	q->start_rc = uring_init(&q->uring, URING_ENTRIES);
	sem_post(&q->started);
	if (q->start_rc < 0)
		return NULL;
	q->poll_max = poll_max();
	uring_batch(&q->uring, q->poll_max ? URING_BATCH : 0);
	q->peer->cfg.eager = q->poll_max > 0;
	q->peer->cfg.hold_ns =
		(q->poll_max ? q->poll_max : POLL_LIMIT_NS) / HOLD_PART;
	mailbox_listen(&q->mail, &q->uring);
	while (!q->over) {
		if (!turn(q))
			sleep_on(q);
		pause_for(peer_storm(q->peer));
	}
	uring_fini(&q->uring);
	return NULL;
}

void queue_make_way(void)
{
	_exit(PROTO_STATUS_LOST);
}

/* ---- for other threads ---- */

static const struct queue_class *const classes[] = {
	[PROTO_CLASS_SCSI] = &queue_scsi,
	[PROTO_CLASS_BLK] = &queue_blk,
};

static const struct queue_class *class_of(uint16_t class)
{
	return class < XPV_ARRAY_SIZE(classes) ? classes[class] : NULL;
}

static bool in(uint32_t set, uint32_t type)
{
	return type < 32 && (set & 1u << type);
}

bool queue_begins(const struct proto_msg *msg)
{
	const struct queue_class *class = class_of(msg->class);

	return class && in(class->opens, msg->type);
}

bool queue_ends(const struct queue *q, const struct proto_msg *msg)
{
	return msg->type == q->class->ends;
}

int queue_absent(const struct proto_msg *msg)
{
	const struct queue_class *class = class_of(msg->class);

	if (!class)
		return -EPROTO;
	return in(class->gone, msg->type) ? 0 : -ENOENT;
}

int queue_start(struct queue **out, const struct host_ops *host,
		const char *place, uint32_t domid, const struct queue_id *id,
		int control_fd)
{
	const struct queue_class *class = class_of(id->class);
	struct queue *q = class ? calloc(1, class->size) : NULL;
	struct peer_cfg cfg = {
		.host = host,
		.place = place,
		.domid = domid,
		.now_ns = peer_now,
	};
	int rc;

	if (!q)
		return -ENOMEM;
	q->class = class;
	q->id = *id;
	q->control_fd = control_fd;
	q->where =
		(struct log_where){.guest = true, .dom = domid, .dev = q->name};
	cfg.uring = &q->uring;
	cfg.where = &q->where;
	journal_file_none(&q->journal);
	class->init(q, &cfg);
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

void queue_end(struct queue *q)
{
	const struct proto_msg msg = {.type = q->class->ends};

	mailbox_put(&q->mail, &msg, NULL, 0);
}

bool queue_join(struct queue *q, bool wait)
{
	int r = wait ? pthread_join(q->thread, NULL)
		     : pthread_tryjoin_np(q->thread, NULL);
	struct given *g;

	if (r == EBUSY)
		return false;
	mailbox_fini(&q->mail);
	sem_destroy(&q->started);
	while ((g = q->given)) {
		q->given = g->next;
		free(g);
	}
	free(q);
	return true;
}
