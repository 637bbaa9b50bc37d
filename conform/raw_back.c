/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_back.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"

#define PATH_LEN 256

/* Something that is no part of the test does not work. */
static void __attribute__((format(printf, 2, 3)))
broken(struct raw_back *b, const char *fmt, ...)
{
	va_list ap;

	if (*b->broken)
		return;
	va_start(ap, fmt);
	vsnprintf(b->broken, sizeof(b->broken), fmt, ap);
	va_end(ap);
}

/* ---- xenstore ---- */

static bool read_text(struct raw_back *b, const char *path, char *out,
		      size_t size)
{
	char *value = NULL;
	int rc = store_sync_read(b->st, 0, path, &value, NULL);

	*out = '\0';
	if (rc == 0)
		snprintf(out, size, "%s", value);
	free(value);
	return rc == 0;
}

bool raw_front_text(struct raw_back *b, const char *leaf, char *out, size_t len)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", b->front, leaf);
	return read_text(b, path, out, len);
}

uint32_t raw_front_u32(struct raw_back *b, const char *leaf)
{
	char text[32];
	uint32_t value;

	if (!raw_front_text(b, leaf, text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &value) < 0)
		return 0;
	return value;
}

static void put(struct raw_back *b, const char *dir, const char *leaf,
		const char *value)
{
	char path[PATH_LEN];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, leaf);
	rc = store_sync_write(b->st, 0, path, value);
	if (rc)
		broken(b, "xenstore, %s cannot be written: %s", path,
		       strerror(-rc));
}

void raw_back_put(struct raw_back *b, const char *leaf, const char *value)
{
	put(b, b->back, leaf, value);
}

void raw_front_put(struct raw_back *b, const char *leaf, const char *value)
{
	put(b, b->front, leaf, value);
}

void raw_back_put_u32(struct raw_back *b, const char *leaf, uint32_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	raw_back_put(b, leaf, text);
}

bool raw_domain(struct raw_back *b)
{
	char path[PATH_LEN], text[64];

	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/domid",
		 b->domid);
	return read_text(b, path, text, sizeof(text));
}

/* One transaction, so that no driver sees half of it. */
static bool write_nodes(struct raw_back *b)
{
	char path[7][PATH_LEN], domid[XS_NUM_MAX], own[XS_NUM_MAX];
	struct store_op op[] = {
		{.kind = STORE_OP_MKDIR, .path = b->back},
		{.kind = STORE_OP_PERMS,
		 .path = b->back,
		 .owner = b->own,
		 .reader = b->domid},
		{.path = path[0], .value = b->front},
		{.path = path[1], .value = domid},
		{.path = path[2], .value = "1"},
		{.path = path[3], .value = "1"},
		{.kind = STORE_OP_MKDIR, .path = b->front},
		{.kind = STORE_OP_PERMS,
		 .path = b->front,
		 .owner = b->domid,
		 .reader = b->own},
		{.path = path[4], .value = b->back},
		{.path = path[5], .value = own},
		{.path = path[6], .value = "1"},
	};
	int rc;

	snprintf(path[0], PATH_LEN, "%s/frontend", b->back);
	snprintf(path[1], PATH_LEN, "%s/frontend-id", b->back);
	snprintf(path[2], PATH_LEN, "%s/online", b->back);
	snprintf(path[3], PATH_LEN, "%s/state", b->back);
	snprintf(path[4], PATH_LEN, "%s/backend", b->front);
	snprintf(path[5], PATH_LEN, "%s/backend-id", b->front);
	snprintf(path[6], PATH_LEN, "%s/state", b->front);
	xs_format_u64(domid, b->domid);
	xs_format_u64(own, b->own);
	rc = store_sync_txn(b->st, op, XPV_ARRAY_SIZE(op), NULL);
	if (rc)
		broken(b, "xenstore, %s cannot be written: %s", b->back,
		       strerror(-rc));
	return rc == 0;
}

bool raw_make(struct raw_back *b)
{
	char number[XS_NUM_MAX];

	(void)raw_unmake(b); /* what a case has left that was skipped */
	b->unit += b->kind->next;
	xs_format_u64(number, b->unit);
	snprintf(b->back, sizeof(b->back),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%s", b->own,
		 b->kind->type, b->domid, number);
	snprintf(b->front, sizeof(b->front),
		 "/local/domain/%" PRIu32 "/device/%s/%s", b->domid,
		 b->kind->device, number);
	setenv("CONFORM_UNIT", number, 1);
	b->each = NULL;
	b->step = 0;
	b->patience = RAW_BACK_WAIT_MS;
	b->requests = 0;
	b->made = true;
	/* Its own first: a driver that comes early finds them. */
	if (store_sync_mkdir(b->st, 0, b->back))
		broken(b, "xenstore, %s cannot be written", b->back);
	if (store_sync_set_perms(b->st, 0, b->back, b->own, b->domid))
		broken(b, "xenstore, %s has no permissions", b->back);
	b->kind->nodes(b);
	return !*b->broken && write_nodes(b);
}

/* ---- waiting ---- */

static void ticked(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct raw_back *b =
		(struct raw_back *)((char *)op -
				    offsetof(struct raw_back, tick));

	(void)res, (void)flags;
	b->ticking = false;
}

static void woken(void *ctx)
{
	(void)ctx; /* the ring is looked at after each wait */
}

/* Until an event comes, at most 10 ms. */
static void wait_a_little(struct raw_back *b)
{
	static struct __kernel_timespec t = {.tv_nsec = 10000000};
	struct io_uring_sqe *sqe;

	if (!b->rings) {
		conform_sleep(10);
		return;
	}
	if (!b->ticking) {
		sqe = uring_sqe(&b->u);
		io_uring_prep_timeout(sqe, &t, 0, 0);
		uring_attach(sqe, &b->tick);
		b->ticking = true;
	}
	for (uint32_t i = 0; i < b->rings; i++)
		b->ops->rearm(b->ring[i].link, &b->u);
	uring_submit(&b->u, true);
	uring_reap(&b->u);
}

int raw_back_open(struct raw_back *b, const struct raw_kind *kind,
		  const struct host_ops *ops, const char *place,
		  const char *store, uint32_t domid, uint32_t unit, char *why,
		  size_t len)
{
	char text[32];
	int rc;

	memset(b, 0, sizeof(*b));
	b->kind = kind;
	b->ops = ops;
	b->place = place;
	b->domid = domid;
	b->unit = unit - kind->next; /* of the next raw_make() */
	b->tick.done = ticked;
	rc = store_open(&b->st, store, NULL, NULL);
	if (rc) {
		snprintf(why, len, "xenstore cannot be reached: %s",
			 strerror(-rc));
		return rc;
	}
	if (!read_text(b, "domid", text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &b->own))
		b->own = 0;
	return 0;
}

void raw_detach(struct raw_back *b)
{
	if (!b->rings)
		return;
	while (b->rings) {
		b->rings--;
		b->ops->close(b->ring[b->rings].link);
	}
	uring_fini(&b->u);
	b->ticking = false;
}

void raw_back_close(struct raw_back *b)
{
	if (b->st)
		(void)raw_unmake(b);
	raw_detach(b);
	store_close(b->st);
	memset(b, 0, sizeof(*b));
}

/* ---- rings ---- */

void raw_ill(struct raw_back *b, const char *fmt, ...)
{
	va_list ap;

	if (b->ill++)
		return;
	va_start(ap, fmt);
	vsnprintf(b->ill_why, sizeof(b->ill_why), fmt, ap);
	va_end(ap);
}

bool raw_pieces(struct raw_back *b, struct raw_ring *r, struct host_copy *piece,
		uint32_t n, bool to_guest)
{
	bool good = true;
	uint32_t i, at, now;

	for (at = 0; at < n; at += now) {
		now = n - at < HOST_COPY_MAX ? n - at : HOST_COPY_MAX;
		b->ops->copy(r->link, piece + at, now, to_guest);
	}
	for (i = 0; i < n; i++)
		good = good && piece[i].ok;
	return good;
}

uint32_t raw_pending(struct raw_back *b, struct raw_ring *r, uint32_t slots)
{
	const struct wire_ring *ring = r->shared;
	uint32_t prod = xpv_load32(&ring->req_prod);

	/* by requests taken: answers may be lies of ours */
	if (prod - r->req_cons <= slots)
		return prod - r->req_cons;
	raw_ill(b, "req_prod claims %" PRIu32 " requests", prod - r->req_cons);
	r->req_cons = prod;
	return 0;
}

void raw_back_notify(struct raw_back *b, struct raw_ring *r)
{
	b->ops->notify(r->link);
}

void raw_back_push(struct raw_back *b, struct raw_ring *r)
{
	struct wire_ring *ring = r->shared;

	if (r->rsp_prod == r->rsp_seen)
		return;
	xpv_store32(&ring->rsp_prod, r->rsp_prod);
	xpv_mb();
	raw_back_notify(b, r);
	r->rsp_seen = r->rsp_prod;
}

void raw_back_jump(struct raw_back *b, struct raw_ring *r, uint32_t by)
{
	struct wire_ring *ring = r->shared;

	xpv_store32(&ring->rsp_prod, r->rsp_prod + by);
	raw_back_notify(b, r);
}

void raw_back_garbage(struct raw_back *b, struct raw_ring *r, uint8_t byte)
{
	memset((uint8_t *)r->shared + WIRE_RING_SLOTS_OFFS, byte,
	       WIRE_PAGE_SIZE - WIRE_RING_SLOTS_OFFS);
	r->rsp_prod++;
	raw_back_push(b, r);
}

void raw_back_storm(struct raw_back *b, struct raw_ring *r, uint32_t n)
{
	while (n--)
		raw_back_notify(b, r);
}

static void ask_for_events(struct raw_back *b)
{
	for (uint32_t i = 0; i < b->rings; i++) {
		struct wire_ring *ring = b->ring[i].shared;

		xpv_store32(&ring->req_event, b->ring[i].req_cons + 1);
	}
	xpv_mb();
}

static void work(struct raw_back *b)
{
	b->kind->work(b);
	/* what has come meanwhile has told nobody */
	ask_for_events(b);
	b->kind->work(b);
	if (b->each)
		b->each(b);
	for (uint32_t i = 0; i < b->rings; i++)
		raw_back_push(b, &b->ring[i]);
}

/* ---- serving ---- */

void raw_serve(struct raw_back *b, int64_t ms, bool (*done)(struct raw_back *b))
{
	int64_t end = conform_now() + conform_left(b->c, ms);

	while (!*b->broken && conform_now() < end && !(done && done(b))) {
		if (b->rings)
			work(b);
		wait_a_little(b);
	}
}

uint32_t raw_serve_until(struct raw_back *b, const char *leaf, uint32_t want,
			 uint32_t other, int64_t ms)
{
	int64_t end = conform_now() + conform_left(b->c, ms);
	uint32_t state;

	for (;;) {
		state = raw_front_u32(b, leaf);
		if (state == want || state == other || conform_now() >= end ||
		    *b->broken)
			return state;
		raw_serve(b, 20, NULL);
	}
}

bool raw_map(struct raw_back *b, const struct host_ring *ring)
{
	struct raw_ring *r = &b->ring[b->rings];
	const char *why = "";

	XPV_ASSERT(b->rings < RAW_RINGS_MAX);
	*r = (struct raw_ring){0};
	if (b->ops->open(&r->link, b->place, ring, &r->shared, &why))
		return conform_fail(b->c,
				    "ring-ref %" PRIu32
				    ", event-channel %" PRIu32 ": %s",
				    ring->gref[0], ring->port, why);
	b->rings++;
	b->ops->listen(r->link, &b->u, woken, b);
	return true;
}

bool raw_attach(struct raw_back *b)
{
	int rc = uring_init(&b->u, 64);

	if (rc)
		return conform_fail(b->c, "no io_uring: %s", strerror(-rc));
	if (b->kind->attach(b))
		return true;
	if (b->rings)
		raw_detach(b);
	else
		uring_fini(&b->u);
	return false;
}

bool raw_back_connect(struct raw_back *b)
{
	uint32_t state;

	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	state = raw_serve_until(b, WIRE_BUS_STATE, WIRE_BUS_INITIALISED,
				WIRE_BUS_CONNECTED, b->patience);
	if (state != WIRE_BUS_INITIALISED)
		return conform_fail(b->c,
				    "the frontend's state is %" PRIu32
				    " instead of 3",
				    state);
	if (!raw_attach(b))
		return false;
	if (b->kind->connecting)
		b->kind->connecting(b);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	state = raw_serve_until(b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED,
				WIRE_BUS_CLOSED, b->patience);
	if (state != WIRE_BUS_CONNECTED)
		return conform_fail(b->c,
				    "the frontend's state is %" PRIu32
				    " instead of 4",
				    state);
	if (b->kind->connected)
		b->kind->connected(b);
	return true;
}

bool raw_unmake(struct raw_back *b)
{
	uint32_t state, i;

	if (!b->made)
		return true;
	b->each = NULL;
	b->kind->end(b);
	for (i = 0; i < b->rings; i++)
		raw_back_push(b, &b->ring[i]);
	raw_back_put(b, WIRE_BUS_ONLINE, "0");
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	/* no directory (0): the frontend was never there, or is gone */
	state = raw_serve_until(b, WIRE_BUS_STATE, WIRE_BUS_CLOSED, 0, 20000);
	raw_detach(b);
	raw_back_put_u32(b, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	if (store_sync_rm(b->st, 0, b->front) ||
	    store_sync_rm(b->st, 0, b->back))
		broken(b, "xenstore, %s cannot be removed", b->front);
	b->made = false;
	return state == WIRE_BUS_CLOSED || state == 0;
}
