/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that an NBD server serves. Control has connected and negotiated (with
 * libnbd) and hands over the socket in the protocol's transmission phase; this
 * is that phase, and no more: requests and simple replies, by io_uring.
 *
 *   submit -> queue -> batch -> sendmsg     requests, writes with their data
 *                        |
 *                      slots, by cookie
 *                        |
 *   done   <- its data <- header <- recv    replies, in the server's order
 *
 * libnbd itself is not used here: it allocates for each command, makes system
 * calls of its own beside io_uring, and brings 18 libraries into each guest's
 * worker, TLS and XML among them: an empty program takes 3.7 ms to start and
 * end with them, 1.0 ms without (200 runs of each, one machine). And one
 * connection is enough, of which a server may offer no more.
 *
 * Arguments: "FLAGS MAX", the transmission flags (hexadecimal) and the most
 * bytes that one request may move. A request that is wrong is the server's to
 * refuse. When the connection is lost, or the server says what makes no sense,
 * that is logged once, and what is under way or comes later is for a successor
 * (cfg.lost), which gets another connection; without that it fails with XPV_EIO.
 * A server that does not answer is waited for, as a disk is.
 */
#include "storage/storage.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/log.h"

#define SLOTS	  64 /* requests under way; others wait in the queue */
#define BATCH	  16 /* requests in one sendmsg */
#define ZERO_MAX  (1u << 30)
#define MAX_LIMIT (32u << 20) /* what every server takes */

/* The NBD protocol, "Transmission phase". */
#define REQUEST_MAGIC	 0x25609513u
#define REPLY_MAGIC	 0x67446698u
#define FLAG_SEND_FLUSH	 (1u << 2)
#define FLAG_SEND_FUA	 (1u << 3)
#define FLAG_SEND_ZEROES (1u << 6)
#define CMD_FLAG_FUA	 (1u << 0)
#define CMD_FLAG_NO_HOLE (1u << 1)

enum cmd {
	CMD_READ = 0,
	CMD_WRITE = 1,
	CMD_DISC = 2,
	CMD_FLUSH = 3,
	CMD_WRITE_ZEROES = 6,
};

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));

struct slot {
	struct storage_io *io; /* NULL: free */
	uint32_t len;	       /* of this request; an io may need several */
};

struct nbd {
	struct storage storage;
	struct uring *uring;
	int fd;
	uint32_t flags, max;
	struct storage_io *first, **last; /* queue, linked by next */
	struct slot slot[SLOTS];
	uint32_t used;

	struct uring_op send_op;
	bool sending;
	struct request request[BATCH];
	struct iovec iov[2 * BATCH];
	struct msghdr msg;

	struct uring_op recv_op;
	bool receiving, closing, lost;
	void (*make_way)(void); /* cfg.lost */
	struct reply reply;
	struct slot *into; /* whose data is being received; NULL: a header */
	uint32_t got;	   /* of it, bytes */
};

static void put(struct nbd *n, struct storage_io *io)
{
	io->next = NULL;
	*n->last = io;
	n->last = &io->next;
}

static struct storage_io *take(struct nbd *n)
{
	struct storage_io *io = n->first;

	n->first = io->next;
	if (!n->first)
		n->last = &n->first;
	return io;
}

/* ---- the end of things ---- */

static void end(struct storage_io *io, int result)
{
	io->result = result;
	io->done(io);
}

static void answered(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct storage_io *io = (struct storage_io *)op;

	(void)res;
	(void)flags;
	io->done(io);
}

/* Complete IO with RESULT, but not from within submit. */
static void answer(struct nbd *n, struct storage_io *io, int result)
{
	struct io_uring_sqe *sqe = uring_sqe(n->uring);

	io->result = result;
	io->op.done = answered;
	io_uring_prep_nop(sqe);
	uring_attach(sqe, &io->op);
}

/* Is somebody to go on with what is under way? Not with nothing: a server that
 * ends, and is back before it is needed, has not been missed. */
static void succeed(struct nbd *n)
{
	if (n->lost && n->make_way && (n->used || n->first))
		n->make_way();
}

/* The connection cannot be used any more: say why, once. */
static void lose(struct nbd *n, const char *why)
{
	if (n->lost)
		return;
	n->lost = true;
	if (!n->closing)
		log_line(LOG_ERR, NULL, "NBD server lost: %s; %s", why,
			 n->make_way
				 ? "it is connected to again when it is needed"
				 : "its disk has I/O errors");
	succeed(n);
	/* Buffers are the kernel's until its operations have ended. */
	shutdown(n->fd, SHUT_RDWR);
}

/* An operation that close() did not want any more has ended. */
static void left(struct nbd *n)
{
	uring_left(n->uring);
	if (n->sending || n->receiving)
		return;
	close(n->fd);
	free(n);
}

/* Fail everything, when nothing of it is in the kernel. */
static void bury(struct nbd *n)
{
	struct storage_io *io;
	uint32_t i;

	if (!n->lost || n->sending || n->receiving)
		return;
	for (i = 0; i < SLOTS; i++) {
		io = n->slot[i].io;
		n->slot[i].io = NULL;
		if (io)
			end(io, XPV_EIO);
	}
	n->used = 0;
	while (n->first)
		end(take(n), XPV_EIO);
}

/* ---- requests ---- */

static uint32_t length(const struct nbd *n, const struct storage_io *io)
{
	uint64_t left = io->len - io->progress;
	uint32_t max = io->what == STORAGE_READ || io->what == STORAGE_WRITE
			       ? n->max
			       : ZERO_MAX;

	if (io->what == STORAGE_FLUSH)
		return 0;
	return left < max ? (uint32_t)left : max;
}

/* Fill in R for the next part of IO. */
static void fill(const struct nbd *n, struct request *r,
		 const struct storage_io *io, uint32_t slot, uint32_t len)
{
	static const uint16_t type[] = {
		[STORAGE_READ] = CMD_READ,
		[STORAGE_WRITE] = CMD_WRITE,
		[STORAGE_FLUSH] = CMD_FLUSH,
		[STORAGE_DISCARD] = CMD_WRITE_ZEROES,
		[STORAGE_ZERO] = CMD_WRITE_ZEROES,
	};
	bool flush = io->what == STORAGE_FLUSH;
	uint16_t flags = 0;

	if (io->fua && io->what != STORAGE_READ && !flush &&
	    n->flags & FLAG_SEND_FUA)
		flags |= CMD_FLAG_FUA;
	if (io->what == STORAGE_ZERO && !io->unmap)
		flags |= CMD_FLAG_NO_HOLE;
	r->magic = htobe32(REQUEST_MAGIC);
	r->flags = htobe16(flags);
	r->type = htobe16(type[io->what]);
	r->cookie = htobe64(slot);
	r->offset = htobe64(flush ? 0 : io->offset + io->progress);
	r->length = htobe32(len);
}

static void push(struct nbd *n)
{
	struct io_uring_sqe *sqe = uring_sqe(n->uring);

	io_uring_prep_sendmsg(sqe, n->fd, &n->msg, MSG_NOSIGNAL);
	uring_attach(sqe, &n->send_op);
	n->sending = true;
}

/* The queue's next requests, as many as there are slots and places for. */
static void send_more(struct nbd *n)
{
	uint32_t i, at = 0, k = 0;

	if (n->sending || n->lost)
		return;
	for (i = 0; i < BATCH && n->first && n->used < SLOTS; i++) {
		struct storage_io *io = take(n);

		while (n->slot[at].io)
			at++;
		n->slot[at].io = io;
		n->slot[at].len = length(n, io);
		n->used++;
		fill(n, &n->request[i], io, at, n->slot[at].len);
		n->iov[k++] =
			(struct iovec){&n->request[i], sizeof(n->request[i])};
		if (io->what == STORAGE_WRITE)
			n->iov[k++] = (struct iovec){io->buf + io->progress,
						     n->slot[at].len};
	}
	if (!i)
		return;
	n->msg = (struct msghdr){.msg_iov = n->iov, .msg_iovlen = k};
	push(n);
}

static void sent(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct nbd *n =
		(struct nbd *)((char *)op - offsetof(struct nbd, send_op));
	size_t done = res > 0 ? (size_t)res : 0;
	struct msghdr *m = &n->msg;

	(void)flags;
	n->sending = false;
	if (n->closing) {
		left(n);
		return;
	}
	if (res < 0 && res != -EINTR && res != -EAGAIN)
		lose(n, strerror(-res));
	while (m->msg_iovlen && done >= m->msg_iov->iov_len) {
		done -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (!n->lost && m->msg_iovlen) {
		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + done;
		m->msg_iov->iov_len -= done;
		push(n);
		return;
	}
	send_more(n);
	bury(n);
}

/* ---- replies ---- */

static void receive(struct nbd *n)
{
	struct io_uring_sqe *sqe = uring_sqe(n->uring);
	uint8_t *to = (uint8_t *)&n->reply;
	size_t len = sizeof(n->reply);

	if (n->into) {
		to = n->into->io->buf + n->into->io->progress;
		len = n->into->len;
	}
	io_uring_prep_recv(sqe, n->fd, to + n->got, len - n->got, MSG_WAITALL);
	uring_attach(sqe, &n->recv_op);
	n->receiving = true;
}

/* The server has done the request in S, or failed with ERROR of its own. */
static void over(struct nbd *n, struct slot *s, uint32_t error)
{
	struct storage_io *io = s->io;
	int rc = 0;

	s->io = NULL;
	n->used--;
	n->into = NULL;
	/* The protocol's numbers are Linux's. */
	if (error)
		rc = storage_result(error < 4096 ? -(int)error : -EIO);
	io->progress += s->len;
	if (!rc && io->what != STORAGE_FLUSH && io->progress < io->len) {
		put(n, io);
	} else if (!rc && io->fua && io->what != STORAGE_FLUSH &&
		   io->what != STORAGE_READ && !(n->flags & FLAG_SEND_FUA) &&
		   n->flags & FLAG_SEND_FLUSH) {
		io->what = STORAGE_FLUSH; /* the other way to make it stable */
		put(n, io);
	} else {
		end(io, rc);
	}
	send_more(n);
}

/* A header is there: what it says. False if it makes no sense. */
static bool understand(struct nbd *n)
{
	uint64_t cookie = be64toh(n->reply.cookie);
	uint32_t error = be32toh(n->reply.error);
	struct slot *s;

	if (be32toh(n->reply.magic) != REPLY_MAGIC || cookie >= SLOTS ||
	    !n->slot[cookie].io)
		return false;
	s = &n->slot[cookie];
	if (!error && s->io->what == STORAGE_READ)
		n->into = s;
	else
		over(n, s, error);
	return true;
}

/* All that was waited for has come. */
static void complete(struct nbd *n)
{
	n->got = 0;
	if (n->into)
		over(n, n->into, 0);
	else if (!understand(n))
		lose(n, "it answers what makes no sense");
}

static void received(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct nbd *n =
		(struct nbd *)((char *)op - offsetof(struct nbd, recv_op));

	(void)flags;
	n->receiving = false;
	if (n->closing) {
		left(n);
		return;
	}
	if (res > 0) {
		n->got += (uint32_t)res;
		if (n->got == (n->into ? n->into->len : sizeof(n->reply)))
			complete(n);
	} else if (res == 0) {
		lose(n, "it has closed the connection");
	} else if (res != -EINTR && res != -EAGAIN) {
		lose(n, strerror(-res));
	}
	if (!n->lost)
		receive(n);
	bury(n);
}

/* ---- the driver ---- */

/* What is never asked of the server: its result, or 1. */
static int without_server(const struct nbd *n, const struct storage_io *io)
{
	if (n->lost && !n->make_way)
		return XPV_EIO;
	switch (io->what) {
	case STORAGE_FLUSH:
		return n->flags & FLAG_SEND_FLUSH ? 1 : 0;
	case STORAGE_DISCARD: /* TRIM would not promise zeroes */
	case STORAGE_ZERO:
		return n->flags & FLAG_SEND_ZEROES ? 1 : XPV_ENOTSUP;
	case STORAGE_EXTENT: /* that takes structured replies */
	case STORAGE_CUT:
		return XPV_ENOTSUP;
	case STORAGE_READ:
	case STORAGE_WRITE:
		break;
	}
	return 1;
}

static void nbd_submit(struct storage *s, struct storage_io *io)
{
	struct nbd *n = (struct nbd *)s;
	int rc = without_server(n, io);

	io->storage = s;
	io->progress = 0;
	if (rc <= 0) {
		answer(n, io, rc);
		return;
	}
	put(n, io);
	succeed(n);
	send_more(n);
}

static void nbd_cancel(struct storage *s, struct storage_io *io)
{
	(void)s; /* the protocol has nothing for it */
	(void)io;
}

static void nbd_close(struct storage *s)
{
	struct nbd *n = (struct nbd *)s;
	struct request bye = {.magic = htobe32(REQUEST_MAGIC),
			      .type = htobe16(CMD_DISC)};

	assert(n->used == 0 && !n->first);
	n->closing = true;
	if (!n->lost)
		(void)send(n->fd, &bye, sizeof(bye),
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Sending: it has answered what it had not yet got to the end of. */
	if (n->sending)
		uring_cancel(n->uring, &n->send_op);
	if (n->receiving)
		uring_cancel(n->uring, &n->recv_op);
	if (n->sending || n->receiving)
		return;
	close(n->fd);
	free(n);
}

static int nbd_open(struct storage **out, const struct storage_cfg *cfg,
		    struct uring *u)
{
	struct nbd *n;

	if (cfg->fd < 0)
		return -EBADF;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	if (!cfg->args || sscanf(cfg->args, "%x %u", &n->flags, &n->max) != 2 ||
	    n->max < 4096) {
		free(n);
		return -EINVAL;
	}
	if (n->max > MAX_LIMIT)
		n->max = MAX_LIMIT;
	n->storage.driver = &storage_nbd;
	n->uring = u;
	n->fd = cfg->fd;
	n->make_way = cfg->lost;
	n->last = &n->first;
	n->send_op.done = sent;
	n->recv_op.done = received;
	receive(n);
	*out = &n->storage;
	return 0;
}

const struct storage_driver storage_nbd = {
	.name = "nbd",
	.open = nbd_open,
	.submit = nbd_submit,
	.cancel = nbd_cancel,
	.close = nbd_close,
};
