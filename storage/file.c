/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A regular file or a block device, through io_uring. Discard, zeroing and
 * flush are the real operations: fallocate(2) and fdatasync(2).
 */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct file {
	struct storage storage;
	struct uring *uring;
	int fd;
	bool discard, zero; /* false: do not even try */
};

/* One io_uring transfer: the kernel's own limit is INT_MAX less a page. */
#define CHUNK_MAX (1u << 30)

static void file_done(struct uring_op *op, int32_t res, uint32_t flags);

/* Where the data of IO is registered, that spares much of a large one. */
static void transfer(struct file *f, struct io_uring_sqe *sqe,
		     const struct storage_io *io, unsigned n, uint64_t at)
{
	uint8_t *buf = io->buf + io->progress;
	int known = uring_buffer(f->uring, buf, n);

	if (io->what == STORAGE_READ && known >= 0)
		io_uring_prep_read_fixed(sqe, f->fd, buf, n, at, known);
	else if (io->what == STORAGE_READ)
		io_uring_prep_read(sqe, f->fd, buf, n, at);
	else if (known >= 0)
		io_uring_prep_write_fixed(sqe, f->fd, buf, n, at, known);
	else
		io_uring_prep_write(sqe, f->fd, buf, n, at);
	if (io->what == STORAGE_WRITE && io->fua)
		sqe->rw_flags = RWF_DSYNC;
}

/* Queue what is left of IO. */
static void queue(struct file *f, struct storage_io *io)
{
	struct io_uring_sqe *sqe = uring_sqe(f->uring);
	uint64_t at = io->offset + io->progress;
	uint64_t left = io->len - io->progress;
	unsigned n = left < CHUNK_MAX ? (unsigned)left : CHUNK_MAX;
	int mode = FALLOC_FL_KEEP_SIZE;

	switch (io->what) {
	case STORAGE_READ:
	case STORAGE_WRITE:
		transfer(f, sqe, io, n, at);
		break;
	case STORAGE_FLUSH:
		io_uring_prep_fsync(sqe, f->fd, IORING_FSYNC_DATASYNC);
		break;
	case STORAGE_DISCARD:
		mode |= FALLOC_FL_PUNCH_HOLE;
		io_uring_prep_fallocate(sqe, f->fd, mode, (off_t)io->offset,
					(off_t)io->len);
		break;
	case STORAGE_ZERO:
		mode |= io->unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
		io_uring_prep_fallocate(sqe, f->fd, mode, (off_t)io->offset,
					(off_t)io->len);
		break;
	case STORAGE_EXTENT: /* answered already; complete like the others */
	case STORAGE_CUT:
		io_uring_prep_nop(sqe);
		break;
	}
	uring_attach(sqe, &io->op);
}

/* lseek() has no io_uring form; it does not wait for the device. */
static void find_extent(struct file *f, struct storage_io *io)
{
	off_t at = (off_t)io->offset, next;

	io->extent_mapped = true;
	io->extent_len = io->len;
	next = lseek(f->fd, at, SEEK_DATA);
	if (next < 0 && errno == ENXIO) { /* no data up to the end */
		io->extent_mapped = false;
		return;
	}
	if (next < 0) /* cannot tell: say mapped */
		return;
	io->extent_mapped = next == at;
	if (io->extent_mapped)
		next = lseek(f->fd, at, SEEK_HOLE);
	if (next > at && (uint64_t)(next - at) < io->len)
		io->extent_len = (uint64_t)(next - at);
}

/* True when IO has not done all it should and must be queued again. */
static bool again(struct storage_io *io, int32_t res)
{
	if (res == -EINTR || res == -EAGAIN)
		return true;
	if (res <= 0 || (io->what != STORAGE_READ && io->what != STORAGE_WRITE))
		return false;
	io->progress += (uint32_t)res;
	return io->progress < io->len;
}

static void file_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct storage_io *io = (struct storage_io *)op;
	struct file *f = (struct file *)io->storage;
	bool moves = io->what == STORAGE_READ || io->what == STORAGE_WRITE;

	(void)flags;
	if (again(io, res)) {
		queue(f, io);
		return;
	}
	if (io->what == STORAGE_ZERO && res >= 0 && io->fua) {
		/* fallocate has no FUA: make it stable before saying so */
		io->what = STORAGE_FLUSH;
		queue(f, io);
		return;
	}
	if (io->what == STORAGE_CUT && res >= 0)
		res = io->result;
	if (moves && res == 0)
		res = -EIO; /* the file has become shorter under us */
	io->result = storage_result(res < 0 ? res : 0);
	io->done(io);
}

/* False for what the backing was found not to be able to do. */
static bool offered(const struct file *f, const struct storage_io *io)
{
	if (io->what == STORAGE_DISCARD ||
	    (io->what == STORAGE_ZERO && io->unmap))
		return f->discard;
	return io->what != STORAGE_ZERO || f->zero;
}

static void file_refused(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct storage_io *io = (struct storage_io *)op;

	(void)res;
	(void)flags;
	io->result = XPV_ENOTSUP;
	io->done(io);
}

/* Complete IO with XPV_ENOTSUP, but not from within submit. */
static void refuse(struct file *f, struct storage_io *io)
{
	struct io_uring_sqe *sqe = uring_sqe(f->uring);

	io->op.done = file_refused;
	io_uring_prep_nop(sqe);
	uring_attach(sqe, &io->op);
}

static void file_submit(struct storage *s, struct storage_io *io)
{
	struct file *f = (struct file *)s;

	io->storage = s;
	io->progress = 0;
	io->op.done = file_done;
	io->result = 0;
	if (io->what == STORAGE_EXTENT)
		find_extent(f, io);
	/* has no io_uring form in the kernels of its day, either */
	if (io->what == STORAGE_CUT && ftruncate(f->fd, (off_t)io->offset) < 0)
		io->result = -errno;
	if (offered(f, io))
		queue(f, io);
	else
		refuse(f, io);
}

static void file_cancel(struct storage *s, struct storage_io *io)
{
	struct file *f = (struct file *)s;
	struct io_uring_sqe *sqe = uring_sqe(f->uring);

	io_uring_prep_cancel(sqe, &io->op, 0);
	uring_detach(f->uring, sqe);
}

/*
 * Operations that the kernel has of a killed process go on after its end, and
 * each keeps the open file until it has ended: a lock of the open file lasts as
 * long. It is on a byte that no storage has, one for each user.
 */
static int wait_for_predecessor(int fd, uint64_t fence)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(fence & INT64_MAX) | (off_t)1 << 62,
		.l_len = 1,
	};
	int ms;

	for (ms = 0; ms < STORAGE_FENCE_MS; ms++) {
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
		usleep(1000);
	}
	return -EBUSY;
}

static void file_close(struct storage *s)
{
	struct file *f = (struct file *)s;

	close(f->fd);
	free(f);
}

static int file_open(struct storage **out, const struct storage_cfg *cfg,
		     struct uring *u)
{
	struct file *f;
	int rc = 0;

	if (cfg->fd < 0)
		return -EBADF;
	if (cfg->fence && !cfg->read_only)
		rc = wait_for_predecessor(cfg->fd, cfg->fence);
	if (rc < 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->storage.driver = &storage_file;
	f->uring = u;
	f->fd = cfg->fd;
	f->discard = cfg->discard;
	f->zero = cfg->zero;
	*out = &f->storage;
	return 0;
}

const struct storage_driver storage_file = {
	.name = "file",
	.open = file_open,
	.submit = file_submit,
	.cancel = file_cancel,
	.close = file_close,
};
