/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's handshake: see device.h. */
#include "guest/gdev.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bus.h"
#include "wire/blk.h"

/* Nothing has changed for so long: see struct bus_front_facts. */
#define LATE_NS 1000000000ull

/* How often a device that failed is tried again. */
#define RETRIES 8

/* The backend's path as the toolstack wrote it, at most. */
#define BACK_MAX (DEVICE_PATH_LEN - 64)

static void begin(struct gdev *d);

static void trouble(struct gdev *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What went wrong; all is looked at again in a while. */
static void trouble(struct gdev *d, const char *fmt, ...)
{
	va_list ap;

	d->late = false;
	d->changed = d->session->now;
	va_start(ap, fmt);
	vsnprintf(d->trouble, sizeof(d->trouble), fmt, ap);
	va_end(ap);
}

static void front_path(const struct gdev *d, char *out, const char *leaf)
{
	snprintf(out, DEVICE_PATH_LEN, "device/%s/%" PRIu32 "%s%s",
		 d->ops->type, d->unit, *leaf ? "/" : "", leaf);
}

struct gdev *gdev_find(struct session *s, const struct gdev_ops *ops,
		       uint32_t unit)
{
	for (struct gdev *d = s->devices; d; d = d->next)
		if (d->ops == ops && d->unit == unit && !d->gone)
			return d;
	return NULL;
}

int gdev_memory(struct gdev *d, uint32_t n, uint8_t **va, uint64_t *frame)
{
	if (!d->connected)
		return -ENOTCONN;
	return d->session->ops->alloc(d->session->front, d->back_id, n, va,
				      frame);
}

void gdev_memory_free(struct gdev *d, uint64_t frame)
{
	if (d->session->ops->release)
		d->session->ops->release(d->session->front, frame);
}

void gdev_abandon(struct gdev *d)
{
	d->ops->abandon(d);
}

/* All is read. */
static void end_reading(struct gdev *d)
{
	/* If it cannot be sent, the connection is lost, and the transaction. */
	if (d->tx && store_end(d->session->store, d->tx, false, NULL, NULL))
		d->dirty = false;
	d->tx = 0;
}

/* The round is over. */
static void end_round(struct gdev *d)
{
	end_reading(d);
	d->busy = false;
	if (d->dirty && !d->session->lost)
		begin(d);
}

/* ------------------------------------------------------------ connection */

/* The backend has let go of the rings, or it shall. */
static void free_rings(struct gdev *d)
{
	struct session *s = d->session;

	d->connected = d->joined = false;
	d->ops->stop(d);
	for (uint32_t q = 0; q < DEVICE_RINGS_MAX; q++) {
		struct gdev_ring *r = &d->ring[q];

		if (r->port)
			s->ops->channel_close(s->front, r->port);
		r->port = 0;
		/* A page that the backend keeps is not used again. */
		while (r->granted)
			if (!s->ops->revoke(s->front, r->ref[--r->granted]))
				r->va = NULL;
	}
}

/* Our nodes do not stand for the ring any more. */
static void leave_ring(struct gdev *d)
{
	if (!d->ops->lingers) {
		free_rings(d);
		return;
	}
	d->connected = d->joined = false;
}

/* Does the backend use nothing that we have left? */
static bool let_go(const struct gdev *d)
{
	switch (gdev_state(d->back_tree, WIRE_BUS_STATE)) {
	case WIRE_BUS_INITIALISED:
	case WIRE_BUS_CONNECTED:
	case WIRE_BUS_CLOSING:
	case WIRE_BUS_RECONFIGURING:
	case WIRE_BUS_RECONFIGURED:
		return false;
	default:
		return true;
	}
}

static int grant_ring(struct gdev *d, struct gdev_ring *r)
{
	struct session *s = d->session;
	int rc;

	rc = s->ops->channel(s->front, d->back_id, &r->port);
	if (rc) {
		r->port = 0;
		return rc;
	}
	for (uint32_t i = 0; i < r->pages; i++) {
		if (s->ops->grant(s->front, r->frame + i, false, &r->ref[i]))
			return -ENOSPC;
		r->granted++;
	}
	return 0;
}

/* Rings and event channels: what BUS_FRONT_PUBLISH asks for. */
static bool make_rings(struct gdev *d)
{
	int rc;

	free_rings(d);
	rc = d->ops->publish(d);
	for (uint32_t q = 0; !rc && q < d->rings; q++)
		rc = grant_ring(d, &d->ring[q]);
	d->joined = !rc;
	if (!rc)
		return true;
	free_rings(d);
	trouble(d, "no ring for domain %" PRIu32 ": %s", d->back_id,
		strerror(-rc));
	return false;
}

static bool join(struct gdev *d)
{
	int rc = 0;

	if (!d->connected && d->ops->connect)
		rc = d->ops->connect(d);
	if (rc) {
		trouble(d, "what the backend announces cannot be used: %s",
			strerror(-rc));
		return false;
	}
	d->connected = true;
	*d->trouble = '\0';
	return true;
}

uint32_t gdev_state(const struct store_tree *tree, const char *path)
{
	const char *text = tree_get(tree, path);

	return text ? bus_state_parse(text, strlen(text)) : 0;
}

/* ------------------------------------------------------------- one round */

/* What is written at the end of a round. */
struct gdev_change {
	struct store_op op[DEVICE_CHANGES_MAX];
	char path[DEVICE_CHANGES_MAX][DEVICE_PATH_LEN];
	char text[DEVICE_CHANGES_MAX][XS_NUM_MAX];
	size_t n;
};

static void change_expect(struct gdev_change *c, const char *path,
			  const char *value)
{
	struct store_op *op = &c->op[c->n];

	XPV_ASSERT(c->n < DEVICE_CHANGES_MAX);
	snprintf(c->path[c->n], DEVICE_PATH_LEN, "%s", path);
	*op = (struct store_op){STORE_OP_EXPECT, .path = c->path[c->n],
				.value = value,
				.len = value ? strlen(value) : 0};
	c->n++;
}

static struct store_op *change(struct gdev_change *c, const struct gdev *d,
			       enum store_op_kind kind, const char *leaf)
{
	struct store_op *op = &c->op[c->n];

	XPV_ASSERT(c->n < DEVICE_CHANGES_MAX);
	front_path(d, c->path[c->n], leaf);
	*op = (struct store_op){kind, .path = c->path[c->n]};
	c->n++;
	return op;
}

void gdev_write_text(struct gdev_change *c, const struct gdev *d,
		     const char *leaf, const char *text)
{
	change(c, d, STORE_OP_WRITE, leaf)->value = text;
}

void gdev_write(struct gdev_change *c, const struct gdev *d, const char *leaf,
		uint32_t value)
{
	struct store_op *op = change(c, d, STORE_OP_WRITE, leaf);

	op->value = c->text[c->n - 1];
	xs_format_u64(c->text[c->n - 1], value);
}

void gdev_remove(struct gdev_change *c, const struct gdev *d, const char *leaf)
{
	(void)change(c, d, STORE_OP_RM, leaf);
}

static void written(struct store *st, const struct store_txn_result *res,
		    void *ctx)
{
	struct gdev *d = ctx;

	(void)st;
	if (res->err && d->step.action == BUS_FRONT_PUBLISH)
		free_rings(d); /* nobody was told of it */
	if (res->err == -ESTALE || res->err == -EAGAIN)
		d->dirty = true;
	else if (res->err)
		trouble(d, "xenstore refuses %s: %s", res->path,
			strerror(-res->err));
	end_round(d);
}

static void write_change(struct gdev *d, struct gdev_change *c)
{
	int rc;

	rc = store_txn(d->session->store, c->op, c->n, 0, written, d);
	if (!rc)
		return;
	trouble(d, "nothing can be written to xenstore: %s", strerror(-rc));
	end_round(d);
}

/* Do what the step says; false: it cannot be done. */
static bool carry_out(struct gdev *d)
{
	switch (d->step.action) {
	case BUS_FRONT_NONE:
	case BUS_FRONT_REMOVE:
		return true;
	case BUS_FRONT_PUBLISH:
		return make_rings(d);
	case BUS_FRONT_CONNECT:
		return join(d);
	case BUS_FRONT_DISCONNECT:
		leave_ring(d);
		return true;
	}
	return true;
}

/* The node LEAF of ring Q; of page I of it. */
static void ring_leaf(const struct gdev *d, uint32_t q, const char *leaf,
		      char out[32])
{
	if (d->rings == 1)
		snprintf(out, 32, "%s", leaf);
	else
		snprintf(out, 32, WIRE_BLK_KEY_QUEUE "/%s", q, leaf);
}

static void ref_leaf(const struct gdev *d, uint32_t q, uint32_t i, char out[32])
{
	char leaf[32] = WIRE_BUS_RING_REF;

	if (d->ring[q].pages > 1)
		snprintf(leaf, sizeof(leaf), WIRE_BUS_RING_REF "%" PRIu32, i);
	ring_leaf(d, q, leaf, out);
}

static bool names_ring(const struct gdev *d, uint32_t q)
{
	const struct gdev_ring *r = &d->ring[q];
	uint32_t ref, port;
	char leaf[32];

	for (uint32_t i = 0; i < r->pages; i++) {
		ref_leaf(d, q, i, leaf);
		if (tree_u32(d->front_tree, leaf, &ref) || ref != r->ref[i])
			return false;
	}
	ring_leaf(d, q, WIRE_BUS_EVENT_CHANNEL, leaf);
	return !tree_u32(d->front_tree, leaf, &port) && port == r->port;
}

/*
 * Do our nodes name our rings? They do not when the device was removed and made
 * anew before we looked: then the rings belong to the one that was removed.
 */
static bool names_rings(const struct gdev *d)
{
	for (uint32_t q = 0; q < d->rings; q++)
		if (!names_ring(d, q))
			return false;
	return true;
}

static void publish_rings(const struct gdev *d, struct gdev_change *c)
{
	char leaf[32];

	if (d->ops->nodes)
		d->ops->nodes((struct gdev *)d, c);
	for (uint32_t q = 0; q < d->rings; q++) {
		for (uint32_t i = 0; i < d->ring[q].pages; i++) {
			ref_leaf(d, q, i, leaf);
			gdev_write(c, d, leaf, d->ring[q].ref[i]);
		}
		ring_leaf(d, q, WIRE_BUS_EVENT_CHANNEL, leaf);
		gdev_write(c, d, leaf, d->ring[q].port);
	}
}

/* What is to be done, and do it. */
static void take_step(struct gdev *d)
{
	d->facts = (struct bus_front_facts){
		.own = gdev_state(d->front_tree, WIRE_BUS_STATE),
		.back = gdev_state(d->back_tree, WIRE_BUS_STATE),
		.online = !tree_is(d->back_tree, WIRE_BUS_ONLINE, "0"),
		.back_gone = !d->back_tree->n,
		.ring = d->joined,
		.wanted = !d->leave && !d->failed,
		.late = d->late,
	};
	d->step = bus_front_step(&d->facts);
	if (carry_out(d))
		return;
	d->failed = true;
	d->facts.wanted = false;
	d->facts.ring = d->joined;
	d->step = bus_front_step(&d->facts);
	(void)carry_out(d);
}

static void decide(struct gdev *d)
{
	/* One thread, and copied by store_txn(). */
	static struct gdev_change c;
	char path[DEVICE_PATH_LEN];
	size_t expected;

	if (d->ring[0].port && (d->joined ? !names_rings(d) : let_go(d)))
		free_rings(d);
	take_step(d);
	c.n = 0;
	front_path(d, path, WIRE_BUS_STATE);
	change_expect(&c, path, tree_get(d->front_tree, WIRE_BUS_STATE));
	snprintf(path, sizeof(path), "%s/" WIRE_BUS_STATE, d->back);
	change_expect(&c, path, tree_get(d->back_tree, WIRE_BUS_STATE));
	expected = c.n;
	if (d->step.action == BUS_FRONT_PUBLISH)
		publish_rings(d, &c);
	if (d->ops->write)
		d->ops->write(d, &c);
	if (d->step.next != d->facts.own)
		gdev_write(&c, d, WIRE_BUS_STATE, d->step.next);
	if (c.n == expected)
		end_round(d);
	else
		write_change(d, &c);
}

static void got_back(struct store *st, int err, struct store_tree *tree,
		     void *ctx)
{
	struct gdev *d = ctx;

	(void)st;
	if (err) {
		trouble(d, "the backend's nodes cannot be read: %s",
			strerror(-err));
		end_round(d);
		return;
	}
	end_reading(d);
	tree_free(d->back_tree);
	d->back_tree = tree;
	if (d->ops->seen)
		d->ops->seen(d);
	decide(d);
}

static void back_event(struct store *st, int err, const char *path, void *ctx)
{
	(void)st, (void)path;
	if (!err)
		gdev_changed(ctx);
}

static void forget_backend(struct gdev *d)
{
	store_unwatch(d->session->store, d->watch);
	d->watch = NULL;
	free(d->back);
	d->back = NULL;
}

/* Watch the backend that our nodes name. */
static int follow_backend(struct gdev *d)
{
	const char *back = tree_get(d->front_tree, WIRE_BUS_BACKEND);
	struct store *st = d->session->store;
	int rc;

	if (!back || strlen(back) > BACK_MAX ||
	    tree_u32(d->front_tree, WIRE_BUS_BACKEND_ID, &d->back_id)) {
		trouble(d, "our nodes name no backend");
		return -EINVAL;
	}
	if (d->back && !strcmp(d->back, back))
		return 0;
	forget_backend(d);
	d->back = strdup(back);
	rc = d->back ? store_watch(st, d->back, -1, back_event, d, &d->watch)
		     : -ENOMEM;
	if (!rc)
		return 0;
	trouble(d, "%.80s cannot be watched: %s", back, strerror(-rc));
	forget_backend(d);
	return rc;
}

static void went_away(struct gdev *d)
{
	free_rings(d);
	d->gone = true;
	d->failed = false;
	if (d->ops->seen)
		d->ops->seen(d);
	forget_backend(d);
	end_round(d);
}

/* Does a driver of our own kernel have this device? Then hands off. */
static bool is_foreign(const struct gdev *d)
{
	char path[DEVICE_PATH_LEN];

	if (d->session->ops != &front_xen)
		return false;
	snprintf(path, sizeof(path),
		 "/sys/bus/xen/devices/%s-%" PRIu32 "/driver", d->ops->type,
		 d->unit);
	return access(path, F_OK) == 0;
}

static void got_front(struct store *st, int err, struct store_tree *tree,
		      void *ctx)
{
	struct gdev *d = ctx;

	if (err) {
		trouble(d, "our nodes cannot be read: %s", strerror(-err));
		end_round(d);
		return;
	}
	tree_free(d->front_tree);
	d->front_tree = tree;
	if (!tree->n) {
		went_away(d);
		return;
	}
	d->gone = false;
	d->foreign = is_foreign(d);
	if (d->foreign || follow_backend(d)) {
		end_round(d);
		return;
	}
	err = store_snapshot(st, d->tx, d->back, &d->ops->limits, got_back, d);
	if (!err)
		return;
	trouble(d, "the backend's nodes cannot be read: %s", strerror(-err));
	end_round(d);
}

static void begun(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct gdev *d = ctx;
	char path[DEVICE_PATH_LEN];
	int rc = rsp->err;

	if (!rc) {
		d->tx = rsp->tx;
		front_path(d, path, "");
		rc = store_snapshot(st, d->tx, path, NULL, got_front, d);
	}
	if (!rc)
		return;
	trouble(d, "xenstore cannot be read: %s", strerror(-rc));
	end_round(d);
}

static void begin(struct gdev *d)
{
	d->dirty = false;
	d->busy = true;
	if (store_begin(d->session->store, begun, d))
		d->busy = false; /* the connection is lost */
}

void gdev_changed(struct gdev *d)
{
	d->dirty = true;
	d->late = false;
	d->changed = d->session->now;
	if (!d->busy && !d->session->lost)
		begin(d);
}

void gdev_failed(struct gdev *d)
{
	d->failed = true;
	gdev_changed(d);
}

void gdev_times(struct gdev *d)
{
	if (d->late || d->gone || d->busy ||
	    d->session->now - d->changed < LATE_NS)
		return;
	/* Quiet for so long: what was given up is tried again, some times. */
	if (d->failed && d->retries < RETRIES) {
		d->retries++;
		d->failed = false;
	}
	d->late = true;
	begin(d);
}

void gdev_leave(struct gdev *d)
{
	d->leave = true;
	gdev_changed(d);
}

bool gdev_left(const struct gdev *d)
{
	return d->gone || d->foreign ||
	       (!d->busy && !d->dirty && !d->ring[0].port);
}

void gdev_free(struct gdev *d)
{
	free_rings(d);
	/* The watch ended with the store, which was closed before. */
	tree_free(d->front_tree);
	tree_free(d->back_tree);
	free(d->back);
	d->ops->destroy(d);
}
