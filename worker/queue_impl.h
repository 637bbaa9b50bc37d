/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a queue: for worker/queue.c (the loop), worker/orders.c (what
 * control asks), and the classes, one file each (worker/queue_scsi.c,
 * worker/queue_blk.c).
 */
#ifndef WORKER_QUEUE_IMPL_H
#define WORKER_QUEUE_IMPL_H

#include <pthread.h>
#include <semaphore.h>

#include "host/log.h"
#include "worker/journal_file.h"
#include "worker/mailbox.h"
#include "worker/peer.h"
#include "worker/queue.h"

/*
 * What differs between classes of queues. Each file of one ends in one of
 * these, and worker/queue.c lists them. All run in the queue's thread but init.
 */
struct queue_class {
	size_t size; /* of its own struct, which begins with a struct queue */

	/* What a message does to a queue that is not there; bits 1 << type. */
	uint32_t opens; /* it is started */
	uint32_t gone;	/* answered with 0; all others with -ENOENT */
	uint32_t ends;	/* type after which it ends */

	/* Write q->name, make q->peer with CFG. */
	void (*init)(struct queue *q, const struct peer_cfg *cfg);

	/* Do what M asks for, and see that it is answered. Descriptors that
	 * stay in M are closed by the caller. */
	void (*order)(struct queue *q, struct mail *m);

	/* Add to ST what the peer does not count: inflight, luns. */
	void (*count)(const struct queue *q, struct proto_stats *st);

	/* One turn of the data path; true when there was something to do. */
	bool (*turn)(struct queue *q);

	/* After a turn or orders: do what was waiting for the end of commands.
	 * Sets q->over when the queue is to end. */
	void (*settle)(struct queue *q);

	/* The ring is open, and the thread looks for work: is there some for a
	 * turn? If not, notify the guest if that has waited long enough. */
	bool (*look)(struct queue *q);

	/* Before sleeping: notify, ask the guest for an event. False when there
	 * is work already. */
	bool (*rest)(struct queue *q);

	/* When a turn is due though nothing has come, on queue_now()'s clock;
	 * 0: never. NULL: never. */
	uint64_t (*deadline)(const struct queue *q);
};

extern const struct queue_class queue_scsi;
extern const struct queue_class queue_blk;

/* Every class's struct starts with this. */
struct queue {
	/* set at the start */
	const struct queue_class *class;
	struct queue_id id;
	int control_fd;
	pthread_t thread;
	char name[32]; /* "scsi/0" */
	struct log_where where;
	sem_t started;
	int start_rc;
	/* for other threads */
	struct mailbox mail;
	/* the thread's own */
	struct uring uring;
	struct peer *peer;
	struct journal_file journal; /* of the ring, while it is open */
	struct given *given;	     /* what PROTO_LIST shows */
	bool over;		     /* the thread ends */
	bool broken_told; /* of this ring; cleared when another is opened */
	/* polling before sleep */
	uint64_t poll_ns, poll_max;
};

/* An order that has been carried out, and is still so. */
struct given {
	struct given *next;
	struct proto_msg msg;
};
/*
 * Open the journal of the ring that M opens, with SLOTS requests of SLOT_SIZE
 * bytes, and take its descriptor from M. Without one: nothing. FLAGS are
 * PROTO_RING_*. 0 or a negative errno, and *WHY.
 */
int queue_journal(struct queue *q, struct mail *m, uint32_t flags,
		  uint32_t slots, uint32_t slot_size, const char **why);

/* Whose storage it is: the same for a successor, another for anyone else. ADDR
 * is of a LUN, or NULL. */
uint64_t queue_fence(const struct queue *q, const struct proto_addr *addr);

/* queue_make_way - struct storage_cfg's `lost`: end this process. The rings'
 * journals have all that is under way, of every queue. */
void queue_make_way(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t queue_now(void);

/* Handle what is in the mailbox. */
void queue_orders(struct queue *q);

/* Send control MSG, filled in with whose it is. */
void queue_send(struct queue *q, struct proto_msg *msg);

/* Answer the message with COOKIE. TEXT may be NULL. */
void queue_reply(struct queue *q, uint32_t cookie, int rc, const char *text);

/* Remember MSG, which has been carried out, for the control after this one; out
 * of memory it is not, and will be given again. */
void queue_keep(struct queue *q, const struct proto_msg *msg);

/* Forget the order of TYPE, for ADDR (NULL: whatever that is). */
void queue_drop(struct queue *q, uint32_t type, const struct proto_addr *addr);

/* The order of TYPE that is remembered, or NULL. */
struct proto_msg *queue_kept(struct queue *q, uint32_t type);

#endif
