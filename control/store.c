/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore client; see store.h.
 *
 * A request is encoded when it is made and then sits in `waiting` until it is
 * written, and in `sent` until its reply comes. What takes several requests
 * is in store_job.c, and what waits for them in store_sync.c: both know of a
 * store only what store.h says.
 */
#include "control/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/xs.h"

/* Reads per dispatch: bounds the time a storm of events can take. */
#define READS_MAX 16

struct request {
	struct request *next;
	store_fn *fn;
	void *ctx;
	uint32_t req_id;
	uint32_t type;
	size_t len, done; /* bytes of msg, of these written */
	uint8_t msg[];
};

struct queue {
	struct request *first, **last;
};

struct store_watch {
	struct store_watch *next;
	store_watch_fn *fn;
	void *ctx;
	uintptr_t id; /* never used again: late events find nothing */
	int depth;
	char path[];
};

struct store {
	int fd;
	int lost; /* 0, or why there is no connection */
	bool socket;
	bool closed;	/* store_close() was called from a callback */
	uint32_t depth; /* of calls into callbacks: who frees on closing */
	uint32_t next_id;
	uint32_t in_flight; /* requests in sent */
	uintptr_t next_watch;
	struct queue waiting; /* the first may be written in part */
	struct queue sent;
	struct store_watch *watches;
	struct store_unanswered unanswered;
	store_lost_fn *lost_fn;
	void *lost_ctx;
	struct xs_reader reader;
	uint8_t scratch[XS_MSG_MAX]; /* one message while it is encoded */
	uint8_t in[8192];
};

/* ---------------------------------------------------------------- errors */

int store_errno(int xpv_err)
{
	static const uint8_t map[] = {
		[-XPV_EINVAL] = EINVAL,
		[-XPV_ENOMEM] = ENOMEM,
		[-XPV_ENOENT] = ENOENT,
		[-XPV_EEXIST] = EEXIST,
		[-XPV_EBUSY] = EBUSY,
		[-XPV_EPROTO] = EPROTO,
		[-XPV_EIO] = EIO,
		[-XPV_ENOSPC] = ENOSPC,
		[-XPV_EROFS] = EROFS,
		[-XPV_ENOTSUP] = EOPNOTSUPP,
		[-XPV_ECANCELED] = ECANCELED,
		[-XPV_EAGAIN] = EAGAIN,
		[-XPV_ETIMEDOUT] = ETIMEDOUT,
		[-XPV_EACCES] = EACCES,
	};

	if (xpv_err >= 0 || xpv_err <= -(int)XPV_ARRAY_SIZE(map) ||
	    map[-xpv_err] == 0)
		return EIO;
	return map[-xpv_err];
}

/* xenstored's own list is finer than ours: it keeps its numbers. */
static int wire_errno(const struct xs_msg *msg)
{
	static const uint8_t map[XS_ERR_COUNT] = {
		[XS_ERR_EINVAL] = EINVAL,	[XS_ERR_EACCES] = EACCES,
		[XS_ERR_EEXIST] = EEXIST,	[XS_ERR_EISDIR] = EISDIR,
		[XS_ERR_ENOENT] = ENOENT,	[XS_ERR_ENOMEM] = ENOMEM,
		[XS_ERR_ENOSPC] = ENOSPC,	[XS_ERR_EIO] = EIO,
		[XS_ERR_ENOTEMPTY] = ENOTEMPTY, [XS_ERR_ENOSYS] = ENOSYS,
		[XS_ERR_EROFS] = EROFS,		[XS_ERR_EBUSY] = EBUSY,
		[XS_ERR_EAGAIN] = EAGAIN,	[XS_ERR_EISCONN] = EISCONN,
		[XS_ERR_E2BIG] = E2BIG,		[XS_ERR_EPERM] = EPERM,
	};

	return -map[xs_err_parse(msg->payload, msg->len)];
}

/* Errors of xs_enc_*(): too large is known by its own number here. */
static int encode_errno(int xpv_err)
{
	return xpv_err == XPV_ENOSPC ? -E2BIG : -store_errno(xpv_err);
}

/* ---------------------------------------------------------------- queues */

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_add(struct queue *q, struct request *req)
{
	req->next = NULL;
	*q->last = req;
	q->last = &req->next;
}

/* Take the request at *at out of the queue. */
static struct request *queue_take(struct queue *q, struct request **at)
{
	struct request *req = *at;

	*at = req->next;
	if (q->last == &req->next)
		q->last = at;
	return req;
}

static struct xs_out out_to(struct store *st, store_tx tx)
{
	return (struct xs_out){
		.buf = st->scratch,
		.room = sizeof(st->scratch),
		.req_id = ++st->next_id,
		.tx_id = tx,
	};
}

/* Queue what was encoded: `len` is the result of xs_enc_*(). */
static int enqueue(struct store *st, int len, store_fn *fn, void *ctx)
{
	struct wire_xs_hdr hdr;
	struct request *req;

	if (st->lost)
		return -ENOTCONN;
	if (len < 0)
		return encode_errno(len);
	req = malloc(sizeof(*req) + (size_t)len);
	if (!req)
		return -ENOMEM;
	memcpy(&hdr, st->scratch, sizeof(hdr));
	memcpy(req->msg, st->scratch, (size_t)len);
	req->fn = fn;
	req->ctx = ctx;
	req->req_id = hdr.req_id;
	req->type = hdr.type;
	req->len = (size_t)len;
	req->done = 0;
	queue_add(&st->waiting, req);
	return 0;
}

/* Answer a request and free it. */
static void answer(struct store *st, struct request *req,
		   const struct store_reply *rsp)
{
	if (req->fn)
		req->fn(st, rsp, req->ctx);
	free(req);
}

static void answer_all(struct store *st, int err)
{
	struct store_reply rsp = {.err = err, .value = ""};

	/* Callbacks cannot add any: st->lost is set. */
	while (st->sent.first)
		answer(st, queue_take(&st->sent, &st->sent.first), &rsp);
	while (st->waiting.first)
		answer(st, queue_take(&st->waiting, &st->waiting.first), &rsp);
	st->in_flight = 0;
}

/* ------------------------------------------------------------ connection */

int store_open_fd(struct store **out, int fd, store_lost_fn *lost, void *ctx)
{
	struct store *st;
	struct stat sb;
	int flags;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fstat(fd, &sb) < 0)
		return -errno;
	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->fd = fd;
	st->socket = S_ISSOCK(sb.st_mode);
	st->lost_fn = lost;
	st->lost_ctx = ctx;
	queue_init(&st->waiting);
	queue_init(&st->sent);
	xs_reader_init(&st->reader);
	*out = st;
	return 0;
}

static int open_path(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat sb;
	int fd, r;

	if (stat(path, &sb) < 0)
		return -errno;
	if (!S_ISSOCK(sb.st_mode)) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int store_open(struct store **out, const char *path, store_lost_fn *lost,
	       void *ctx)
{
	static const char *const usual[] = {
		"/run/xenstored/socket",
		"/var/run/xenstored/socket",
		"/dev/xen/xenbus",
	};
	size_t i;
	int fd, rc;

	if (!path)
		path = getenv("XENSTORED_PATH");
	if (path) {
		fd = open_path(path);
	} else {
		fd = -ENOENT;
		for (i = 0; i < XPV_ARRAY_SIZE(usual) && fd < 0; i++)
			fd = open_path(usual[i]);
	}
	if (fd < 0)
		return fd;
	rc = store_open_fd(out, fd, lost, ctx);
	if (rc < 0)
		close(fd);
	return rc;
}

static void destroy(struct store *st)
{
	struct store_watch *w;

	while ((w = st->watches)) {
		st->watches = w->next;
		free(w);
	}
	free(st);
}

static void disconnect(struct store *st, int err)
{
	if (st->fd >= 0)
		close(st->fd);
	st->fd = -1;
	st->lost = err;
	st->depth++;
	answer_all(st, err);
	st->depth--;
}

void store_close(struct store *st)
{
	if (!st || st->closed)
		return;
	st->closed = true;
	if (!st->lost)
		disconnect(st, -ECANCELED);
	else
		/* Called while the loss is being told: tell the others now. */
		answer_all(st, -ECANCELED);
	if (st->depth == 0)
		destroy(st);
}

static void lose(struct store *st, int err)
{
	disconnect(st, err);
	if (st->lost_fn && !st->closed)
		st->lost_fn(st, err, st->lost_ctx);
}

void store_fail(struct store *st, int err)
{
	if (st->lost)
		return;
	st->depth++;
	lose(st, err);
	st->depth--;
	if (st->closed)
		destroy(st);
}

struct store_unanswered *store_unanswered(struct store *st)
{
	return &st->unanswered;
}

bool store_in_callback(const struct store *st)
{
	return st->depth > 0;
}

int store_fd(const struct store *st)
{
	return st->fd;
}

/*
 * To the kernel's device one at a time: it does not copy a request before it
 * sends it to xenstored, and the next write(2) would change it (seen on Linux
 * 6.1: paths made of two, and an xenstored that gave up).
 */
static bool may_write(const struct store *st)
{
	return st->waiting.first &&
	       st->in_flight < (st->socket ? STORE_WINDOW : 1);
}

short store_events(const struct store *st)
{
	if (st->lost)
		return 0;
	return may_write(st) ? POLLIN | POLLOUT : POLLIN;
}

/* -------------------------------------------------------------- transport */

/* What may be written now, in IOV; the first may have been written in part. */
static size_t gather(const struct store *st, struct iovec *iov)
{
	size_t room = st->socket ? STORE_WINDOW - st->in_flight : 1, n = 0;
	struct request *req = st->waiting.first;

	for (; req && n < room; req = req->next)
		iov[n++] = (struct iovec){
			.iov_base = req->msg + req->done,
			.iov_len = req->len - req->done,
		};
	return n;
}

/* N bytes of what waits were written. */
static void wrote(struct store *st, size_t n)
{
	while (n) {
		struct request *req = st->waiting.first;
		size_t left = req->len - req->done;
		size_t part = n < left ? n : left;

		req->done += part;
		n -= part;
		if (req->done < req->len)
			return;
		queue_add(&st->sent,
			  queue_take(&st->waiting, &st->waiting.first));
		st->in_flight++;
	}
}

/*
 * To a socket all at once: each write wakes xenstored, and then us. Of a write
 * with two messages the kernel's device takes the first and drops the rest.
 */
static int flush(struct store *st)
{
	struct iovec iov[STORE_WINDOW];
	struct msghdr hdr = {.msg_iov = iov};

	while (may_write(st)) {
		ssize_t r;

		hdr.msg_iovlen = gather(st, iov);
		r = st->socket ? sendmsg(st->fd, &hdr, MSG_NOSIGNAL)
			       : writev(st->fd, iov, 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (r < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		wrote(st, (size_t)r);
	}
	return 0;
}

int store_flush(struct store *st)
{
	return st->lost || st->depth ? 0 : flush(st);
}

static struct store_watch **find_watch(struct store *st, uintptr_t id)
{
	struct store_watch **at;

	for (at = &st->watches; *at; at = &(*at)->next)
		if ((*at)->id == id)
			return at;
	return NULL;
}

static int got_event(struct store *st, const struct xs_msg *msg)
{
	const char *path, *token;
	struct store_watch **at, *w;
	uint64_t id;
	int depth;

	if (xs_parse_event(msg->payload, msg->len, &path, &token) < 0)
		return -EPROTO;
	/* Not ours, or not any more: an event may cross an UNWATCH. */
	if (xs_parse_token(token, &id) < 0)
		return 0;
	at = find_watch(st, (uintptr_t)id);
	if (!at)
		return 0;
	w = *at;
	depth = xs_path_depth(w->path, path);
	if (w->depth >= 0 && depth > w->depth)
		return 0;
	w->fn(st, 0, path, w->ctx);
	return 0;
}

/* Replies that are text have their NUL counted on the wire. */
static bool is_text(uint32_t type)
{
	return type == WIRE_XS_GET_DOMAIN_PATH ||
	       type == WIRE_XS_IS_DOMAIN_INTRODUCED;
}

static int got_reply(struct store *st, const struct xs_msg *msg)
{
	struct store_reply rsp = {.value = ""};
	struct request **at, *req;

	for (at = &st->sent.first; *at; at = &(*at)->next)
		if ((*at)->req_id == msg->req_id)
			break;
	req = *at;
	if (!req || (msg->type != req->type && msg->type != WIRE_XS_ERROR))
		return -EPROTO;
	if (msg->type == WIRE_XS_ERROR) {
		rsp.err = wire_errno(msg);
	} else if (msg->type == WIRE_XS_TRANSACTION_START) {
		if (xs_parse_tx(msg->payload, msg->len, &rsp.tx) < 0)
			return -EPROTO;
	} else {
		rsp.value = msg->payload;
		rsp.len = msg->len;
		if (is_text(msg->type) && rsp.len && !rsp.value[rsp.len - 1])
			rsp.len--;
	}
	queue_take(&st->sent, at);
	st->in_flight--;
	answer(st, req, &rsp);
	return 0;
}

static int got_bytes(struct store *st, size_t n)
{
	const uint8_t *p = st->in;

	while (!st->closed) {
		struct xs_msg msg;
		size_t used;
		int rc = xs_reader_feed(&st->reader, p, n, &used, &msg);

		if (rc < 0)
			return -store_errno(rc);
		if (rc == 0)
			return 0;
		p += used;
		n -= used;
		rc = msg.type == WIRE_XS_WATCH_EVENT ? got_event(st, &msg)
						     : got_reply(st, &msg);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int drain(struct store *st)
{
	int i, rc;

	for (i = 0; i < READS_MAX && !st->closed; i++) {
		ssize_t r = read(st->fd, st->in, sizeof(st->in));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -ECONNRESET;
		rc = got_bytes(st, (size_t)r);
		if (rc < 0)
			return rc;
		/* That was all, or poll() says that there is more. */
		if ((size_t)r < sizeof(st->in))
			return 0;
	}
	return 0;
}

int store_dispatch(struct store *st)
{
	int rc;

	if (st->depth)
		return -EDEADLK;
	if (st->lost)
		return st->lost;
	st->depth++;
	rc = flush(st);
	/* What xenstored said before it went away is still worth reading. */
	if (rc == 0 || rc == -ECONNRESET) {
		int r = drain(st);

		rc = r < 0 ? r : rc;
	}
	if (rc == 0 && !st->closed)
		rc = flush(st);
	if (rc < 0 && !st->closed)
		lose(st, rc);
	st->depth--;
	rc = st->lost;
	if (st->closed)
		destroy(st);
	return rc;
}

/* --------------------------------------------------------------- requests */

static int path_request(struct store *st, enum wire_xs_type type, store_tx tx,
			const char *path, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, tx);

	return enqueue(st, xs_enc_path(&o, type, path), fn, ctx);
}

int store_read(struct store *st, store_tx tx, const char *path, store_fn *fn,
	       void *ctx)
{
	return path_request(st, WIRE_XS_READ, tx, path, fn, ctx);
}

int store_ls(struct store *st, store_tx tx, const char *path, store_fn *fn,
	     void *ctx)
{
	return path_request(st, WIRE_XS_DIRECTORY, tx, path, fn, ctx);
}

int store_ls_part(struct store *st, store_tx tx, const char *path,
		  uint32_t offset, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, tx);

	return enqueue(st, xs_enc_directory_part(&o, path, offset), fn, ctx);
}

int store_mkdir(struct store *st, store_tx tx, const char *path, store_fn *fn,
		void *ctx)
{
	return path_request(st, WIRE_XS_MKDIR, tx, path, fn, ctx);
}

int store_rm(struct store *st, store_tx tx, const char *path, store_fn *fn,
	     void *ctx)
{
	return path_request(st, WIRE_XS_RM, tx, path, fn, ctx);
}

int store_write(struct store *st, store_tx tx, const char *path,
		const void *value, size_t len, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, tx);

	return enqueue(st, xs_enc_write(&o, path, value, len), fn, ctx);
}

int store_set_perms(struct store *st, store_tx tx, const char *path,
		    uint32_t owner, uint32_t reader, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, tx);
	struct xs_perm perm[2] = {
		{.domid = owner, .access = XS_ACCESS_NONE},
		{.domid = reader, .access = XS_ACCESS_READ},
	};
	size_t n = owner == reader ? 1 : 2;

	return enqueue(st, xs_enc_set_perms(&o, path, perm, n), fn, ctx);
}

static int domid_request(struct store *st, enum wire_xs_type type,
			 uint32_t domid, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, 0);

	return enqueue(st, xs_enc_domid(&o, type, domid), fn, ctx);
}

int store_get_domain_path(struct store *st, uint32_t domid, store_fn *fn,
			  void *ctx)
{
	return domid_request(st, WIRE_XS_GET_DOMAIN_PATH, domid, fn, ctx);
}

int store_is_introduced(struct store *st, uint32_t domid, store_fn *fn,
			void *ctx)
{
	return domid_request(st, WIRE_XS_IS_DOMAIN_INTRODUCED, domid, fn, ctx);
}

int store_begin(struct store *st, store_fn *fn, void *ctx)
{
	struct xs_out o = out_to(st, 0);

	return enqueue(st, xs_enc_begin(&o), fn, ctx);
}

int store_end(struct store *st, store_tx tx, bool commit, store_fn *fn,
	      void *ctx)
{
	struct xs_out o = out_to(st, tx);

	return enqueue(st, xs_enc_end(&o, commit), fn, ctx);
}

/* ---------------------------------------------------------------- watches */

/* The answer to WATCH. By number: the watch may be gone by now. */
static void watch_set(struct store *st, const struct store_reply *rsp,
		      void *ctx)
{
	struct store_watch **at = find_watch(st, (uintptr_t)ctx);

	/* The loss of the connection is told by the store, not by watches. */
	if (at && rsp->err && !st->lost)
		(*at)->fn(st, rsp->err, "", (*at)->ctx);
}

int store_watch(struct store *st, const char *path, int depth,
		store_watch_fn *fn, void *ctx, struct store_watch **out)
{
	struct xs_out o = out_to(st, 0);
	char token[XS_TOKEN_MAX];
	struct store_watch *w;
	int rc;

	w = malloc(sizeof(*w) + strlen(path) + 1);
	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->id = ++st->next_watch;
	w->depth = depth;
	strcpy(w->path, path);
	xs_token(token, w->id);
	rc = enqueue(st, xs_enc_watch(&o, path, token, -1), watch_set,
		     (void *)w->id);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->next = st->watches;
	st->watches = w;
	if (out)
		*out = w;
	return 0;
}

void store_unwatch(struct store *st, struct store_watch *watch)
{
	struct xs_out o = out_to(st, 0);
	char token[XS_TOKEN_MAX];
	struct store_watch **at;

	if (!watch)
		return;
	xs_token(token, watch->id);
	/* If this fails, its events find no watch: the same for the caller. */
	(void)!enqueue(st, xs_enc_unwatch(&o, watch->path, token), NULL, NULL);
	at = find_watch(st, watch->id);
	XPV_ASSERT(at);
	*at = watch->next;
	free(watch);
}
