/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a queue, for worker/queue.c (the loop) and worker/orders.c
 * (what control asks for).
 */
#ifndef WORKER_QUEUE_IMPL_H
#define WORKER_QUEUE_IMPL_H

#include <pthread.h>
#include <semaphore.h>

#include "host/log.h"
#include "worker/mailbox.h"
#include "worker/path.h"
#include "worker/queue.h"

struct queue {
	/* set at the start */
	uint32_t controller;
	int control_fd;
	pthread_t thread;
	char name[16]; /* "scsi/0" */
	struct log_where where;
	sem_t started;
	int start_rc;
	/* for other threads */
	struct mailbox mail;
	/* the thread's own */
	struct uring uring;
	struct path path;
	bool forget; /* end when the ring is closed */
	uint32_t forget_cookie, close_cookie;
	bool broken_told;
	/* polling before sleep */
	uint64_t poll_ns, poll_max;
};

/* Handle what is in the mailbox. */
void queue_orders(struct queue *q);

/* After commands have ended: do what was waiting for that. */
void queue_settle(struct queue *q);

/* The thread ends: answer the PROTO_SCSI_FORGET that made it. */
void queue_forgotten(struct queue *q);

#endif
