/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/uring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "wire/port.h"

/*
 * What a ring is good for, and for whom; the kernel refuses all else (-EACCES).
 * The gate `calls` of tests/tidy holds it to what the sources use.
 */
#define OP(op, where) IORING_OP_##op
static const uint8_t ops[] = {
	OP(POLL_ADD, "host/local.c host/xen.c lun/iscsi.c lun/sg.c"),
	OP(NOP, "host/local.c storage/fault.c storage/file.c storage/nbd.c "
		"storage/null.c"),
	OP(ASYNC_CANCEL, "host/uring.c storage/fault.c storage/file.c"),
	OP(READ, "host/xen.c lun/sg.c storage/file.c worker/mailbox.c"),
	OP(WRITE, "host/xen.c storage/file.c"),
	OP(READ_FIXED, "storage/file.c"),
	OP(WRITE_FIXED, "storage/file.c"),
	OP(FSYNC, "storage/file.c"),
	OP(FALLOCATE, "storage/file.c"),
	OP(SENDMSG, "storage/nbd.c"),
	OP(RECV, "storage/nbd.c"),
	OP(TIMEOUT, "lun/iscsi.c storage/fault.c worker/queue_blk.c"),
};

/* What may be registered: io_uring_register_ring_fd(), uring_memory(), and their
 * undoing at the end. */
static const uint8_t registers[] = {
	IORING_REGISTER_RING_FDS,  IORING_UNREGISTER_RING_FDS,
	IORING_REGISTER_BUFFERS2,  IORING_REGISTER_BUFFERS_UPDATE,
	IORING_UNREGISTER_BUFFERS,
};

/* Enable a ring for that, and for nothing else. */
static int restrict_ring(struct io_uring *ring)
{
	struct io_uring_restriction
		r[XPV_ARRAY_SIZE(ops) + XPV_ARRAY_SIZE(registers) + 1] = {0};
	unsigned n = 0, i;
	int rc;

	for (i = 0; i < XPV_ARRAY_SIZE(ops); i++) {
		r[n].opcode = IORING_RESTRICTION_SQE_OP;
		r[n++].sqe_op = ops[i];
	}
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	r[n++].sqe_flags = IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
	for (i = 0; i < XPV_ARRAY_SIZE(registers); i++) {
		r[n].opcode = IORING_RESTRICTION_REGISTER_OP;
		r[n++].register_op = registers[i];
	}
	/* liburing 2.3 has names for these two, but does not export them. */
	rc = io_uring_register((unsigned)ring->ring_fd,
			       IORING_REGISTER_RESTRICTIONS, r, n);
	if (rc < 0)
		return rc;
	return io_uring_register((unsigned)ring->ring_fd,
				 IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int uring_init(struct uring *u, unsigned entries)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
			 IORING_SETUP_R_DISABLED,
		.cq_entries = 4 * entries,
	};
	int r;

	u->memory = (struct uring_memory){0};
	u->queued = 0;
	u->batch = 0;
	u->leaving = 0;
	u->enters = 0;
	r = io_uring_queue_init_params(entries, &u->ring, &p);
	if (r == -EINVAL) {
		/* Before Linux 6.1: completions by task work, any issuer. */
		p = (struct io_uring_params){
			.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
			.cq_entries = 4 * entries,
		};
		r = io_uring_queue_init_params(entries, &u->ring, &p);
	}
	if (r < 0)
		return r;
	r = restrict_ring(&u->ring);
	if (r < 0) {
		io_uring_queue_exit(&u->ring);
		return r;
	}
	/* Spares a reference on the ring's file at every system call. */
	io_uring_register_ring_fd(&u->ring);
	return 0;
}

void uring_fini(struct uring *u)
{
	while (u->leaving) {
		uring_submit(u, true);
		uring_reap(u);
	}
	uring_memory_end(u);
	io_uring_queue_exit(&u->ring);
}

/* ---- registered memory ---- */

enum {
	PIECE_NEW, /* nobody has asked for it */
	PIECE_KNOWN,
	PIECE_UNKNOWN, /* the kernel did not want it */
};

static bool may_lock;

void uring_may_lock(void)
{
	may_lock = true;
}

int uring_memory(struct uring *u, void *base, size_t stride, size_t size,
		 unsigned pieces)
{
	uint8_t *state;
	int rc;

	assert(!u->memory.state && size <= stride);
	if (!may_lock)
		return -EPERM;
	state = calloc(pieces, 1);
	if (!state)
		return -ENOMEM;
	rc = io_uring_register_buffers_sparse(&u->ring, pieces);
	if (rc < 0) {
		free(state);
		return rc;
	}
	u->memory = (struct uring_memory){.base = base,
					  .stride = stride,
					  .size = size,
					  .state = state,
					  .pieces = pieces};
	return 0;
}

void uring_memory_end(struct uring *u)
{
	if (!u->memory.state)
		return;
	(void)io_uring_unregister_buffers(&u->ring);
	free(u->memory.state);
	u->memory = (struct uring_memory){0};
}

static void make_known(struct uring *u, size_t i)
{
	struct uring_memory *m = &u->memory;
	const struct iovec piece = {.iov_base = m->base + i * m->stride,
				    .iov_len = m->size};
	int rc = io_uring_register_buffers_update_tag(&u->ring, (unsigned)i,
						      &piece, NULL, 1);

	m->state[i] = rc == 1 ? PIECE_KNOWN : PIECE_UNKNOWN;
}

int uring_buffer(struct uring *u, const void *buf, size_t len)
{
	const struct uring_memory *m = &u->memory;
	size_t at, i;

	if (!m->state)
		return -1;
	at = (size_t)((uintptr_t)buf - (uintptr_t)m->base);
	i = at / m->stride;
	if (i >= m->pieces || len > m->size || at % m->stride > m->size - len)
		return -1;
	if (m->state[i] == PIECE_NEW)
		make_known(u, i);
	return m->state[i] == PIECE_KNOWN ? (int)i : -1;
}

void uring_batch(struct uring *u, unsigned n)
{
	u->batch = n;
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->batch && u->queued >= u->batch)
		uring_submit(u, false);
	sqe = io_uring_get_sqe(&u->ring);
	while (!sqe) {
		uring_submit(u, false);
		sqe = io_uring_get_sqe(&u->ring);
	}
	u->queued++;
	return sqe;
}

void uring_attach(struct io_uring_sqe *sqe, struct uring_op *op)
{
	io_uring_sqe_set_data(sqe, op);
}

void uring_detach(struct uring *u, struct io_uring_sqe *sqe)
{
	io_uring_sqe_set_data(sqe, NULL);
	if (u->ring.features & IORING_FEAT_CQE_SKIP)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void uring_cancel(struct uring *u, struct uring_op *op)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	/* -ENOENT: its end is on the way already. */
	io_uring_prep_cancel(sqe, op, 0);
	uring_detach(u, sqe);
	u->leaving++;
}

void uring_left(struct uring *u)
{
	assert(u->leaving > 0);
	u->leaving--;
}

static void submitted(struct uring *u, int r)
{
	u->enters++;
	/* Everything else would be an entry of ours that makes no sense. */
	assert(r >= 0 || r == -EINTR || r == -EAGAIN || r == -EBUSY ||
	       r == -ETIME);
	if (r >= 0)
		u->queued = 0;
}

void uring_submit(struct uring *u, bool wait)
{
	if (!wait && u->queued == 0)
		return;
	/* Without waiting, too, take along what ends at once. */
	submitted(u, wait ? io_uring_submit_and_wait(&u->ring, 1)
			  : io_uring_submit_and_get_events(&u->ring));
}

void uring_wait(struct uring *u, uint64_t ns)
{
	struct __kernel_timespec t = {
		.tv_sec = (int64_t)(ns / 1000000000u),
		.tv_nsec = (int64_t)(ns % 1000000000u),
	};
	struct io_uring_cqe *cqe;

	/* The library would wait twice when there is something to submit. */
	uring_submit(u, false);
	submitted(u, io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &t,
						      NULL));
}

unsigned uring_reap(struct uring *u)
{
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0 && cqe) {
		struct uring_op *op = io_uring_cqe_get_data(cqe);
		int32_t res = cqe->res;
		uint32_t flags = cqe->flags;

		io_uring_cqe_seen(&u->ring, cqe);
		if (op)
			op->done(op, res, flags);
		n++;
	}
	return n;
}

bool uring_ready(struct uring *u)
{
	return io_uring_cq_ready(&u->ring) ||
	       (IO_URING_READ_ONCE(*u->ring.sq.kflags) &
		(IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}
