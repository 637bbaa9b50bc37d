/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Storage that forgets: reads are zeroes. For measuring everything else. With
 * the argument "gone" it is what is left of one that is lost: all of it fails.
 */
#include "storage/storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct null {
	struct storage storage;
	struct uring *uring;
	int result; /* of everything */
};

static void null_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct storage_io *io = (struct storage_io *)op;

	(void)res;
	(void)flags;
	io->done(io);
}

static void null_submit(struct storage *s, struct storage_io *io)
{
	struct null *n = (struct null *)s;
	struct io_uring_sqe *sqe = uring_sqe(n->uring);

	if (io->what == STORAGE_READ)
		memset(io->buf, 0, io->len);
	io->extent_len = io->len;
	io->extent_mapped = false;
	io->result = n->result;
	io->op.done = null_done;
	io_uring_prep_nop(sqe);
	uring_attach(sqe, &io->op);
}

static void null_cancel(struct storage *s, struct storage_io *io)
{
	(void)s; /* it ends at once anyway */
	(void)io;
}

static void null_close(struct storage *s)
{
	free(s);
}

static int null_open(struct storage **out, const struct storage_cfg *cfg,
		     struct uring *u)
{
	struct null *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	if (cfg->args && !strcmp(cfg->args, "gone"))
		n->result = XPV_EIO;
	n->storage.driver = &storage_null;
	n->uring = u;
	*out = &n->storage;
	return 0;
}

const struct storage_driver storage_null = {
	.name = "null",
	.open = null_open,
	.submit = null_submit,
	.cancel = null_cancel,
	.close = null_close,
};
