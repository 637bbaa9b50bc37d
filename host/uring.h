/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread's io_uring, shared by everything that thread does: events,
 * messages, storage. An operation embeds a struct uring_op, and its function is
 * called with the result when it is over. Not for use from another thread.
 */
#ifndef HOST_URING_H
#define HOST_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/* RES is the completion's result: >= 0, or a negative errno. */
struct uring_op {
	void (*done)(struct uring_op *op, int32_t res, uint32_t flags);
};

struct uring_memory {
	uint8_t *base;
	size_t stride, size; /* of a piece, bytes */
	uint8_t *state;	     /* of each; NULL: no memory */
	unsigned pieces;
};

struct uring {
	struct io_uring ring;
	struct uring_memory memory; /* of uring_memory() */
	unsigned queued;  /* entries filled in since the last submission */
	unsigned batch;	  /* of uring_batch() */
	unsigned leaving; /* operations of uring_cancel() that have not ended */
	uint64_t enters;  /* system calls made */
};

/*
 * Set up a ring with room for ENTRIES operations between submissions, for the
 * calling thread alone. It takes the operations that there are users of, and no
 * others: what is not in the table of uring.c ends with -EACCES. 0 or a negative
 * errno (-ENOSYS: this kernel has no io_uring, or it is switched off by
 * kernel.io_uring_disabled).
 */
int uring_init(struct uring *u, unsigned entries);

/* Free it. Operations still under way are cancelled by the kernel and not
 * heard of again, except those of uring_cancel(), which end before. */
void uring_fini(struct uring *u);

/*
 * uring_batch - submit whenever N entries are queued and another is wanted
 *
 * 0, as after uring_init(): only when there is no room. Few at a time cost
 * system calls, and let a device begin while the next ones are made.
 */
void uring_batch(struct uring *u, unsigned n);

/*
 * uring_may_lock - rings may register memory, which counts as locked
 *
 * For the whole process, before it has rings. Without it they do not: what they
 * lock would be missing where the limit of locked memory (RLIMIT_MEMLOCK, of all
 * processes of a user together) is for new rings, too.
 */
void uring_may_lock(void);

/*
 * uring_memory - memory for data, whose pages the kernel is to know beforehand
 *
 * PIECES of SIZE bytes, each STRIDE bytes after the one before it, from BASE on;
 * they stay there until uring_memory_end(). A piece is registered with the kernel
 * (io_uring_register_buffers(3)) when uring_buffer() is first asked for it, and
 * its pages are taken and locked from then on: an operation in it spares the
 * kernel the search for each of its pages.
 *
 * Return: 0; a negative errno: this kernel cannot (before Linux 5.19), there is no
 * memory, or no uring_may_lock(). Then uring_buffer() has none.
 */
int uring_memory(struct uring *u, void *base, size_t stride, size_t size,
		 unsigned pieces);

/* Forget it. No operation is under way there. */
void uring_memory_end(struct uring *u);

/*
 * uring_buffer - the index for io_uring_prep_read_fixed(3) and _write_fixed(3)
 *
 * Return: that of the piece that has all of the LEN bytes at BUF; -1: there is
 * none, or it cannot be registered.
 */
int uring_buffer(struct uring *u, const void *buf, size_t len);

/*
 * An entry for OP to be filled in by one of liburing's io_uring_prep_*.
 * Submits what is queued when there is no room, or as uring_batch() says; never
 * returns NULL.
 */
struct io_uring_sqe *uring_sqe(struct uring *u);
void uring_attach(struct io_uring_sqe *sqe, struct uring_op *op);

/*
 * Instead of uring_attach(): nobody wants to know that it went well, so that it
 * does not end a wait.
 */
void uring_detach(struct uring *u, struct io_uring_sqe *sqe);

/*
 * End OP, which its owner wants no more, but which the kernel may still know
 * of: done() is called once without IORING_CQE_F_MORE, now with -ECANCELED or
 * because it ended by itself. There it is to call uring_left(), and may free
 * OP.
 */
void uring_cancel(struct uring *u, struct uring_op *op);
void uring_left(struct uring *u);

/* Submit what is queued, and wait for an end of something if WAIT. */
void uring_submit(struct uring *u, bool wait);

/* Submit what is queued, and wait, but no longer than NS nanoseconds. */
void uring_wait(struct uring *u, uint64_t ns);

/* Call done() of everything that has ended. Returns how many. */
unsigned uring_reap(struct uring *u);

/* True when something has ended or must be fetched from the kernel. */
bool uring_ready(struct uring *u);

#endif
