/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another storage, and what goes wrong with it on purpose: for tests of what
 * guests see then. The arguments are "DRIVER SPEC [ARGS]": the storage that is
 * behind it, what to break (fault_spec.h), and that storage's own arguments.
 * What is not broken goes there as it is.
 */
#include "storage/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/fault_spec.h"

/* A part's own generator, and how often it has struck. */
struct chance {
	uint64_t state;
	uint32_t struck;
};

struct fault {
	struct storage storage;
	struct uring *uring;
	struct storage *inner;
	struct fault_spec spec;
	struct chance chance[FAULT_PARTS_MAX];
	/* The kernel reads it at submission, which may be much later. */
	struct __kernel_timespec delay[FAULT_PARTS_MAX];
};

/* The half of an operation that is done before it fails. */
struct half {
	struct storage_io io;
	struct storage_io *whole;
};

/* What the pieces of "short" must be aligned to: direct I/O's worst. */
#define HALF_ALIGN 4096u

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static bool is_about(const struct fault_part *p, const struct storage_io *io)
{
	if (!(p->ops & 1u << io->what))
		return false;
	if (p->from == 0 && p->to == UINT64_MAX)
		return true;
	if (io->what == STORAGE_FLUSH) /* touches no bytes */
		return false;
	return io->offset < p->to &&
	       (io->offset >= p->from || io->len > p->from - io->offset);
}

/* The part that IO falls victim to, or -1. */
static int strikes(struct fault *f, const struct storage_io *io)
{
	for (uint32_t i = 0; i < f->spec.n; i++) {
		const struct fault_part *p = &f->spec.part[i];
		struct chance *c = &f->chance[i];

		if (!is_about(p, io) || (p->times && c->struck == p->times) ||
		    draw(&c->state) % FAULT_CERTAIN >= p->chance)
			continue;
		c->struck += p->times != 0;
		return (int)i;
	}
	return -1;
}

static void pass_on(struct fault *f, struct storage_io *io)
{
	io->storage = f->inner; /* whose to cancel; not every driver says so */
	f->inner->driver->submit(f->inner, io);
}

static void end(struct storage_io *io, int result)
{
	io->result = result;
	io->done(io);
}

/* The operation of IO is a NOP or the delay of io->progress, a part. */
static void struck(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct storage_io *io = (struct storage_io *)op;
	struct fault *f = (struct fault *)io->storage;

	(void)flags;
	switch (f->spec.part[io->progress].effect) {
	case FAULT_SLOW:
		if (res == -ECANCELED)
			end(io, XPV_ECANCELED);
		else
			pass_on(f, io);
		break;
	case FAULT_ENOSPC:
		end(io, XPV_ENOSPC);
		break;
	case FAULT_EIO:
	case FAULT_SHORT:
	case FAULT_HANG:
	case FAULT_CRASH:
		end(io, XPV_EIO);
		break;
	}
}

static void half_done(struct storage_io *io)
{
	struct half *h = (struct half *)io;
	struct storage_io *whole = h->whole;

	free(h);
	end(whole, XPV_EIO);
}

/* Give the first half of IO to the storage; false when there is none. */
static bool half_begun(struct fault *f, struct storage_io *io)
{
	uint64_t len = io->len / 2 & ~(uint64_t)(HALF_ALIGN - 1);
	struct half *h = len ? malloc(sizeof(*h)) : NULL;

	if (!h)
		return false;
	h->io = *io;
	h->io.len = len;
	h->io.done = half_done;
	h->whole = io;
	f->inner->driver->submit(f->inner, &h->io);
	return true;
}

static void fault_submit(struct storage *s, struct storage_io *io)
{
	struct fault *f = (struct fault *)s;
	struct io_uring_sqe *sqe;
	int at = strikes(f, io);

	if (at < 0) {
		pass_on(f, io);
		return;
	}
	io->storage = s;
	io->progress = (uint64_t)at;
	if (f->spec.part[at].effect == FAULT_CRASH)
		abort(); /* as one of our assertions */
	if (f->spec.part[at].effect == FAULT_SHORT && half_begun(f, io))
		return;
	io->op.done = struck;
	sqe = uring_sqe(f->uring);
	if (f->spec.part[at].delay_ms)
		io_uring_prep_timeout(sqe, &f->delay[at], 0, 0);
	else
		io_uring_prep_nop(sqe);
	uring_attach(sqe, &io->op);
}

static void fault_cancel(struct storage *s, struct storage_io *io)
{
	struct fault *f = (struct fault *)s;
	struct io_uring_sqe *sqe;

	if (io->storage != s) {
		f->inner->driver->cancel(f->inner, io);
		return;
	}
	if (f->spec.part[io->progress].effect != FAULT_SLOW)
		return;
	sqe = uring_sqe(f->uring);
	io_uring_prep_cancel(sqe, &io->op, 0);
	uring_detach(f->uring, sqe);
}

static void fault_close(struct storage *s)
{
	struct fault *f = (struct fault *)s;

	f->inner->driver->close(f->inner);
	free(f);
}

/* "DRIVER SPEC [ARGS]" into F and *INNER; the driver. */
static const struct storage_driver *parse(struct fault *f, const char *args,
					  const char **inner)
{
	char name[16], spec[FAULT_TEXT_MAX], why[160];
	const struct storage_driver *d;
	int n = 0;

	_Static_assert(FAULT_TEXT_MAX == 96, "%95s");
	if (!args || sscanf(args, "%15s %95s %n", name, spec, &n) != 2 ||
	    fault_spec_parse(&f->spec, spec, why, sizeof(why)))
		return NULL;
	*inner = n ? args + n : "";
	d = storage_find(name);
	return d == &storage_fault ? NULL : d;
}

static int fault_open(struct storage **out, const struct storage_cfg *cfg,
		      struct uring *u)
{
	const struct storage_driver *d;
	struct storage_cfg inner = *cfg;
	struct fault *f = calloc(1, sizeof(*f));
	int rc = -ENOMEM;

	if (!f)
		return rc;
	rc = -EINVAL;
	d = parse(f, cfg->args, &inner.args);
	if (d)
		rc = d->open(&f->inner, &inner, u);
	if (rc < 0) {
		free(f);
		return rc;
	}
	f->storage.driver = &storage_fault;
	f->uring = u;
	for (uint32_t i = 0; i < f->spec.n; i++) {
		uint32_t ms = f->spec.part[i].delay_ms;

		f->chance[i].state = f->spec.seed * FAULT_PARTS_MAX + i;
		f->delay[i].tv_sec = ms / 1000;
		f->delay[i].tv_nsec = ms % 1000 * 1000000L;
	}
	*out = &f->storage;
	return 0;
}

const struct storage_driver storage_fault = {
	.name = "fault",
	.open = fault_open,
	.submit = fault_submit,
	.cancel = fault_cancel,
	.close = fault_close,
};
