/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal of a ring (core/journal) as a file in memory (tmpfs), that
 * outlives the worker and xenpvd. Control makes an empty one for each ring, and
 * removes it when the ring is closed in order or its guest is gone. The worker
 * that opens the ring gives it its size, writes down which ring it is, locks
 * it, and maps it.
 *
 *     page 0   magic, version, checksum, whose ring it is: the message that
 *              opened it, the domain
 *     page 1   core/journal
 *
 * Control opens the file anew for each worker and keeps no descriptor of what
 * it has passed: the lock (flock) belongs to the open file, and says that a
 * process lives which serves this ring.
 *
 * Errors are negative errno.
 */
#ifndef WORKER_JOURNAL_FILE_H
#define WORKER_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/proto.h"

struct journal_file {
	int fd; /* -1: none */
	void *map;
	size_t len;
};

/* What can be seen of a journal from outside. */
struct journal_look {
	struct proto_msg open; /* as it was when the ring was opened first */
	uint32_t domid;
	uint32_t answered; /* rises, modulo 2^32, with each answer */
	uint32_t inflight; /* requests taken and not answered */
	uint32_t resumed;  /* times that a worker has taken it over */
	bool busy; /* its thread was in a turn, not asleep: of a worker that
		      died of its own doing one ring at least was */
};

/* Make F one without a file. */
void journal_file_none(struct journal_file *f);

/*
 * Make the journal in FD that of the ring that MSG opens for DOMID, with SLOTS
 * requests of SLOT_SIZE bytes; with PROTO_RING_RECOVER take over what is in it.
 * FD is the file's then, otherwise the caller's, and *WHY says what failed:
 * -EBUSY when another process serves the ring, -EBADMSG when it is no journal
 * of this ring.
 */
int journal_file_open(struct journal_file *f, int fd,
		      const struct proto_msg *msg, uint32_t domid,
		      uint32_t slots, uint32_t slot_size, const char **why);

/* For core/journal; NULL without a file. */
void *journal_file_mem(const struct journal_file *f);

/* The thread of the ring is at work, or goes to sleep. For the data path: one
 * store. */
void journal_file_busy(struct journal_file *f, bool busy);

/* Unmap and close. */
void journal_file_close(struct journal_file *f);

/*
 * Look at the journal in FD, of a worker that may be alive. For any process.
 * -EBADMSG when it is none.
 */
int journal_file_look(int fd, struct journal_look *look);

#endif
