/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a queue, for worker/queue.c (the loop and the data path) and
 * worker/orders.c (what control asks for).
 */
#ifndef WORKER_QUEUE_IMPL_H
#define WORKER_QUEUE_IMPL_H

#include <pthread.h>
#include <semaphore.h>

#include "core/scsi_back.h"
#include "host/log.h"
#include "lun/lun.h"
#include "worker/mailbox.h"
#include "worker/queue.h"
#include "worker/target.h"

/* A command from submit until its answer is on the ring. */
struct slot {
	struct lun_cmd cmd;
	struct queue *queue;
	struct slot *next; /* in fresh or finished */
	uint16_t tag;
	bool reset;
	struct target_lun *tl; /* NULL: answered by the target itself */
	struct scsi_back_addr addr;
	const struct wire_scsi_seg *segs; /* the engine's, until completed */
	uint32_t nsegs, len;
	uint8_t *data; /* segs_max pages, then the scratch */
};

/* First in, first out. */
struct slots {
	struct slot *first, **last;
};

struct queue {
	/* set at the start */
	const struct host_ops *host;
	uint32_t domid, controller;
	int control_fd;
	pthread_t thread;
	char name[16]; /* "scsi/0" */
	struct log_where where;
	struct log_rate rate;
	sem_t started;
	int start_rc;
	/* for other threads */
	struct mailbox mail;
	/* the thread's own */
	struct uring uring;
	struct target target;
	struct proto_stats stats;
	bool forget; /* end when the ring is closed */
	uint32_t forget_cookie;
	/* the ring, while it is open */
	struct host_link *link;
	struct scsi_back *engine;
	void *engine_mem;
	bool broken, closing;
	uint32_t close_cookie;
	uint32_t segs_max;
	uint8_t *arena; /* of all slots' data */
	size_t arena_len;
	struct slot slot[SCSI_BACK_TAGS];
	struct slots fresh, finished;
	struct host_copy copy[HOST_COPY_MAX];
	struct slot *owner[HOST_COPY_MAX]; /* whose piece copy[i] is */
	/* polling before sleep */
	uint64_t poll_ns, poll_max, hold_ns;
	uint32_t untold; /* responses since the guest was last notified */
	uint32_t depth;	 /* the most it kept in flight lately */
	uint64_t untold_since;
};

/* Handle what is in the mailbox. */
void queue_orders(struct queue *q);

/* After commands have ended: do what was waiting for that. */
void queue_settle(struct queue *q);

/* The thread ends: answer the PROTO_SCSI_FORGET that made it. */
void queue_forgotten(struct queue *q);

/* What the engine calls. */
extern const struct scsi_back_ops queue_engine_ops;

#endif
