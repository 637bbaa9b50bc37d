/* SPDX-License-Identifier: BSD-2-Clause */
/* The domain and its event loop: see session.h. */
#include "guest/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "guest/gdev.h"
#include "guest/pvscsi.h"
#include "guest/vbd.h"

/* Turns without a look at the descriptors, while there is work. */
#define TURNS 32

/* What backends may take to let go of a device when we leave. */
#define LEAVE_MS 5000

/* How often handshakes are looked at while nothing happens. */
#define SETTLE_MS 500

/* How often commands are looked at for their time, at least. */
#define LOOK_MS 20

static const struct front_ops *const hosts[] = {&front_xen, &front_local};

uint64_t session_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const struct front_ops *session_host(const char *name)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(hosts); i++)
		if (!strcmp(hosts[i]->name, name))
			return hosts[i];
	return NULL;
}

/* ---------------------------------------------------------------- devices */

static const struct gdev_ops *const kinds[SESSION_KINDS] = {&pvscsi_device,
							    &vbd_device};

/* Where a domain's devices of a kind are, below its own directory. */
static int place(const struct session_kind *k, char path[32])
{
	return snprintf(path, 32, "device/%s", k->ops->type);
}

static void create(struct session_kind *k, uint32_t unit)
{
	struct session *s = k->session;
	struct gdev *d = k->ops->create(s);

	if (!d)
		return;
	d->ops = k->ops;
	d->session = s;
	d->unit = unit;
	d->next = s->devices;
	s->devices = d;
	gdev_changed(d);
}

static void appeared(struct session_kind *k, const char *name)
{
	struct gdev *d;
	char *end;
	unsigned long unit;

	errno = 0;
	unit = strtoul(name, &end, 10);
	if (errno || end == name || (*end && *end != '/') || unit > UINT32_MAX)
		return;
	d = k->session->devices;
	while (d && (d->ops != k->ops || d->unit != unit))
		d = d->next;
	if (d)
		gdev_changed(d);
	else
		create(k, (uint32_t)unit);
}

static void listed(struct store *st, const struct store_reply *rsp, void *ctx)
{
	const char *name = rsp->value, *end = rsp->value + rsp->len;

	(void)st;
	((struct session_kind *)ctx)->listed = true;
	for (; name < end; name += strlen(name) + 1)
		appeared(ctx, name);
}

static void gdev_event(struct store *st, int err, const char *path, void *ctx)
{
	char dir[32];
	size_t skip = (size_t)place(ctx, dir);

	if (err)
		return;
	if (path[skip] == '/')
		appeared(ctx, path + skip + 1);
	else if (store_ls(st, 0, dir, listed, ctx))
		return; /* the connection is lost, which is told elsewhere */
}

static int watch(struct session *s)
{
	char dir[32];
	int rc = 0;

	for (size_t i = 0; i < SESSION_KINDS && !rc; i++) {
		s->kind[i].session = s;
		s->kind[i].ops = kinds[i];
		(void)place(&s->kind[i], dir);
		rc = store_watch(s->store, dir, -1, gdev_event, &s->kind[i],
				 NULL);
	}
	return rc;
}

bool session_settled(const struct session *s)
{
	for (size_t i = 0; i < SESSION_KINDS; i++)
		if (!s->kind[i].listed)
			return false;
	for (const struct gdev *d = s->devices; d; d = d->next)
		if (!d->gone && !d->foreign &&
		    (!d->connected || d->busy || d->dirty))
			return false;
	return true;
}

/* ----------------------------------------------------------- open, close */

static void lost(struct store *st, int err, void *ctx)
{
	struct session *s = ctx;

	(void)st;
	s->lost = err;
}

static int connect_store(struct session *s, char *err, size_t len)
{
	int fd, rc;

	fd = s->ops->store(s->front);
	rc = fd < 0 ? fd : store_open_fd(&s->store, fd, lost, s);
	if (rc && fd >= 0)
		close(fd);
	if (!rc)
		rc = watch(s);
	if (rc)
		snprintf(err, len, "xenstore cannot be reached: %s",
			 strerror(-rc));
	return rc;
}

int session_open(struct session **out, const struct session_cfg *cfg, char *err,
		 size_t len)
{
	struct session *s = calloc(1, sizeof(*s));
	const char *why = "out of memory";
	int rc = -ENOMEM;

	if (!s) {
		snprintf(err, len, "%s", why);
		return rc;
	}
	s->ops = cfg->ops;
	s->spin_ns = cfg->spin_us * 1000ull;
	s->blk_abi = cfg->blk_abi;
	s->blk_queues = cfg->blk_queues ? cfg->blk_queues : 1;
	XPV_ASSERT(s->blk_queues <= DEVICE_RINGS_MAX);
	s->now = session_clock();
	s->extra_fd = -1;
	s->timeout_ms = SESSION_TIMEOUT_MS;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0) {
		rc = -errno;
		why = "eventfd";
	} else {
		rc = s->ops->open(&s->front, cfg->where, cfg->name, &why);
	}
	if (rc) {
		snprintf(err, len, "%s: %s", why, strerror(-rc));
		goto fail;
	}
	s->domid = s->ops->domid(s->front);
	rc = connect_store(s, err, len);
	if (rc)
		goto fail;
	*out = s;
	return 0;

fail:
	session_close(s);
	return rc;
}

static bool all_left(void *ctx)
{
	struct session *s = ctx;

	for (struct gdev *d = s->devices; d; d = d->next)
		if (!gdev_left(d))
			return false;
	return true;
}

void session_close(struct session *s)
{
	struct gdev *d;

	if (!s)
		return;
	for (d = s->devices; d; d = d->next)
		gdev_leave(d);
	if (s->store && session_wait(s, LEAVE_MS, NULL, all_left, s))
		s->lost = -ETIMEDOUT; /* go without them */
	s->lost = s->lost ? s->lost : -ECANCELED;
	store_close(s->store); /* calls back for what is outstanding */
	s->store = NULL;
	while ((d = s->devices)) {
		s->devices = d->next;
		gdev_free(d);
	}
	if (s->front)
		s->ops->close(s->front);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s);
}

/* ------------------------------------------------------------- the loop */

/* Let all devices work. True if there was anything to do, or a request has
 * ended: whoever waits for that looks again, before anything is waited for. */
static bool work(struct session *s)
{
	uint64_t ended = s->ended;
	bool any = false;

	for (struct gdev *d = s->devices; d; d = d->next) {
		if (d->connected)
			any |= d->ops->poll(d);
		d->ops->times(d);
	}
	return any || s->ended != ended;
}

static bool has_work(const struct session *s)
{
	for (const struct gdev *d = s->devices; d; d = d->next)
		if (d->connected && d->ops->has_work(d))
			return true;
	return false;
}

/* Ask all backends for an event. True: there is something already. */
static bool arm(struct session *s)
{
	bool any = false;

	for (struct gdev *d = s->devices; d; d = d->next)
		if (d->connected)
			any |= d->ops->arm(d);
	return any;
}

/* Something is under way, whose time may come. */
static bool outstanding(const struct session *s)
{
	for (const struct gdev *d = s->devices; d; d = d->next)
		if (d->ops->outstanding(d))
			return true;
	return false;
}

/* A handshake that may have to go on when nothing happens. */
static bool unsettled(const struct session *s)
{
	for (const struct gdev *d = s->devices; d; d = d->next)
		if (!d->late && !d->gone)
			return true;
	return false;
}

static int sooner(int timeout_ms, int limit)
{
	return timeout_ms < 0 || timeout_ms > limit ? limit : timeout_ms;
}

static bool spin(struct session *s)
{
	uint64_t end = s->now + s->spin_ns;

	if (!s->spin_ns || !outstanding(s))
		return false;
	do {
		for (int i = 0; i < 16; i++) {
			if (has_work(s))
				return true;
			__builtin_ia32_pause();
		}
	} while (session_clock() < end);
	return false;
}

/* The wait itself, and what it brings. */
static void wait_for(struct session *s, int timeout_ms)
{
	struct pollfd p[] = {
		{.fd = s->ops->event_fd(s->front), .events = POLLIN},
		{.fd = s->wake_fd, .events = POLLIN},
		{.fd = store_fd(s->store), .events = store_events(s->store)},
		{.fd = s->extra_ready ? -1 : s->extra_fd, .events = POLLIN},
	};
	uint64_t count;
	uint32_t port;

	s->turns = 0;
	if (poll(p, XPV_ARRAY_SIZE(p), timeout_ms) <= 0)
		return;
	/* Which port does not matter: all rings are looked at. */
	if (p[0].revents)
		while (s->ops->event(s->front, &port))
			;
	if (p[1].revents &&
	    read(s->wake_fd, &count, sizeof(count)) == sizeof(count) &&
	    s->wake_fn)
		s->wake_fn(s->wake_ctx);
	if (p[2].revents)
		(void)store_dispatch(s->store); /* tells lost() */
	if (p[3].revents)
		s->extra_ready = true;
}

/* Wait for the descriptors, and handle what they have. */
static void look(struct session *s, int timeout_ms)
{
	/* /dev/xen/xenbus never says that it can be written. */
	if (store_events(s->store) & POLLOUT) {
		(void)store_dispatch(s->store);
		timeout_ms = 0; /* something may have come, too */
	}
	wait_for(s, timeout_ms);
}

int session_step(struct session *s, int timeout_ms)
{
	if (s->lost)
		return s->lost;
	s->now = session_clock();
	if (work(s)) {
		if (++s->turns >= TURNS)
			look(s, 0);
		return s->lost;
	}
	if (timeout_ms && spin(s)) {
		s->now = session_clock();
		work(s);
		if (++s->turns >= TURNS)
			look(s, 0);
		return s->lost;
	}
	if (arm(s))
		timeout_ms = 0;
	else if (outstanding(s))
		timeout_ms = sooner(timeout_ms, LOOK_MS);
	else if (unsettled(s))
		timeout_ms = sooner(timeout_ms, SETTLE_MS);
	look(s, timeout_ms);
	s->now = session_clock();
	work(s);
	return s->lost;
}

int session_wait(struct session *s, int timeout_ms,
		 const volatile sig_atomic_t *stop, bool (*pred)(void *ctx),
		 void *ctx)
{
	uint64_t end = timeout_ms < 0
			       ? UINT64_MAX
			       : session_clock() + timeout_ms * 1000000ull;
	int rc = 0, left = -1;

	while (!pred(ctx)) {
		if (stop && *stop)
			return -EINTR;
		if (timeout_ms >= 0) {
			if (s->now >= end)
				return -ETIMEDOUT;
			left = (int)((end - s->now) / 1000000) + 1;
		}
		/* A signal may come right before the wait. */
		if (stop && (left < 0 || left > LOOK_MS))
			left = LOOK_MS;
		rc = session_step(s, left);
		if (rc)
			return rc;
	}
	return 0;
}

void session_on_wake(struct session *s, void (*fn)(void *ctx), void *ctx)
{
	s->wake_fn = fn;
	s->wake_ctx = ctx;
}

void session_pause(struct session *s)
{
	struct pollfd p = {.fd = s->wake_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, -1) > 0 && read(s->wake_fd, &count, sizeof(count)) < 0)
		return; /* another look does no harm */
}

void session_wake(struct session *s)
{
	const uint64_t one = 1;

	/* Full is impossible, and anything else means that we are closing. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}
