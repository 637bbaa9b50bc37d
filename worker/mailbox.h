/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages for a queue thread: a list under a lock, and an eventfd to wake. */
#ifndef WORKER_MAILBOX_H
#define WORKER_MAILBOX_H

#include <pthread.h>

#include "host/uring.h"
#include "worker/proto.h"

struct mail {
	struct mail *next;
	struct proto_msg msg;
	int fds[PROTO_FDS_MAX];
	int nfds;
};

struct mailbox {
	pthread_mutex_t lock;
	struct mail *first, **last;
	int fd;
	/* the reader's */
	struct uring *uring;
	struct uring_op op;
	uint64_t count;
	bool rung;
};

/* 0 or a negative errno. */
int mailbox_init(struct mailbox *m);
/* Closes the descriptors of messages nobody took. */
void mailbox_fini(struct mailbox *m);

/* Any thread. The descriptors are the mailbox's from now on. Never fails: out
 * of memory ends the process, which control replaces. */
void mailbox_put(struct mailbox *m, const struct proto_msg *msg, const int *fds,
		 int nfds);

/* The reader: be woken by U from now on. */
void mailbox_listen(struct mailbox *m, struct uring *u);

/* The reader: the oldest message, to be freed with free(), or NULL. */
struct mail *mailbox_get(struct mailbox *m);

#endif
