/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handshake of a controller: see pvscsi_bus.h.
 *
 *     changed -> snapshot of our nodes -> of the backend's -> decide, carry out
 *        ^              (both in one transaction)                  |
 *        +------ our own watch fires <--- one transaction <--------+
 *
 * One round at a time; what changes meanwhile begins another. The reads must be
 * of one moment: a state stands for the nodes that were written with it.
 */
#include "guest/pvscsi_bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/tree.h"
#include "core/bus.h"
#include "core/xs.h"
#include "wire/bus.h"

/* Nothing has changed for so long: see struct bus_front_facts. */
#define LATE_NS 1000000000ull

/* How often a controller that failed is tried again. */
#define RETRIES 8

/* The backend's path as the toolstack wrote it, at most. */
#define BACK_MAX 256
#define PATH_LEN (BACK_MAX + 64)

/* What a backend, which is not trusted, may have below its directory. */
static const struct store_limits back_limits = {
	.max_nodes = 32 + 8 * PVSCSI_LUNS_MAX,
	.max_depth = 8,
	.max_bytes = 1 << 20,
};

static void begin(struct pvscsi *v);

static void trouble(struct pvscsi *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What went wrong; all is looked at again in a while. */
static void trouble(struct pvscsi *v, const char *fmt, ...)
{
	va_list ap;

	v->late = false;
	v->changed = v->session->now;
	va_start(ap, fmt);
	vsnprintf(v->trouble, sizeof(v->trouble), fmt, ap);
	va_end(ap);
}

static void front_path(const struct pvscsi *v, char *out, const char *leaf)
{
	snprintf(out, PATH_LEN, "device/vscsi/%" PRIu32 "%s%s", v->unit,
		 *leaf ? "/" : "", leaf);
}

/* All is read. */
static void end_reading(struct pvscsi *v)
{
	/* If it cannot be sent, the connection is lost, and the transaction. */
	if (v->tx && store_end(v->session->store, v->tx, false, NULL, NULL))
		v->dirty = false;
	v->tx = 0;
}

/* The round is over. */
static void end_round(struct pvscsi *v)
{
	end_reading(v);
	v->busy = false;
	if (v->dirty && !v->session->lost)
		begin(v);
}

/* ------------------------------------------------------------ connection */

static void drop_ring(struct pvscsi *v)
{
	struct session *s = v->session;

	pvscsi_stop(v);
	if (v->port)
		s->ops->channel_close(s->front, v->port);
	v->port = 0;
	/* A page that the backend keeps is not used again. */
	if (v->ring_granted && !s->ops->revoke(s->front, v->ring_ref))
		v->ring = NULL;
	v->ring_granted = false;
	for (uint32_t i = 0; i < v->nluns; i++)
		v->lun[i].present = false;
}

/* A ring and an event channel: what BUS_FRONT_PUBLISH asks for. */
static bool make_ring(struct pvscsi *v)
{
	struct session *s = v->session;
	uint32_t segs = 0;
	int rc;

	/* Every backend says so before its state 2, for which we wait. */
	if (tree_u32(v->back_tree, WIRE_BUS_SCSI_SG_GRANT, &segs))
		segs = 0;
	drop_ring(v);
	rc = s->ops->channel(s->front, v->back_id, &v->port);
	if (rc)
		v->port = 0;
	if (!rc)
		rc = pvscsi_start(v, v->back_id, segs);
	if (!rc)
		rc = s->ops->grant(s->front, v->ring_frame, false, &v->ring_ref)
			     ? -ENOSPC
			     : 0;
	v->ring_granted = !rc;
	if (!rc)
		return true;
	drop_ring(v);
	trouble(v, "no ring for domain %" PRIu32 ": %s", v->back_id,
		strerror(-rc));
	return false;
}

/* ------------------------------------------------------------------ LUNs */

/* "H:C:T:L" of a v-dev node; only the last three matter here. */
static bool parse_vdev(const char *text, struct scsi_addr *addr)
{
	unsigned h, c, t, l;
	char rest;

	if (!text ||
	    sscanf(text, "%u:%u:%u:%u%c", &h, &c, &t, &l, &rest) != 4 ||
	    c > UINT16_MAX || t > UINT16_MAX || l > UINT16_MAX)
		return false;
	*addr = (struct scsi_addr){(uint16_t)c, (uint16_t)t, (uint16_t)l};
	return true;
}

/* N of a node dev-N, or false. */
static bool parse_dev(const char *name, uint32_t *dev)
{
	const size_t n = sizeof(WIRE_BUS_SCSI_DEV) - 1;

	return !strncmp(name, WIRE_BUS_SCSI_DEV, n) &&
	       !xs_parse_u32(name + n, strlen(name + n), dev);
}

static uint32_t state_of(const struct store_tree *tree, const char *path)
{
	const char *text = tree_get(tree, path);

	return text ? bus_state_parse(text, strlen(text)) : 0;
}

/* The LUN that a child of vscsi-devs in TREE is; false: it is none. */
static bool read_lun(struct pvscsi *v, const struct store_tree *tree,
		     const struct store_node *node, struct pvscsi_lun *lun)
{
	char path[PATH_LEN];

	*lun = (struct pvscsi_lun){0};
	if (!parse_dev(tree_name(node), &lun->dev))
		return false;
	snprintf(path, sizeof(path), "%s/v-dev", node->path);
	lun->named = parse_vdev(tree_get(tree, path), &lun->addr);
	snprintf(path, sizeof(path), "%s/state", node->path);
	lun->state = state_of(v->back_tree, path);
	lun->own = state_of(v->front_tree, path);
	return true;
}

/* Add LUN to the first N, with what is known of it. How many there are. */
static uint32_t keep_lun(struct pvscsi *v, uint32_t n, struct pvscsi_lun lun)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (v->lun[i].dev == lun.dev)
			return n; /* the backend's end was first */
	for (i = n; i < v->nluns && v->lun[i].dev != lun.dev;)
		i++;
	if (i < v->nluns) {
		lun.present = v->lun[i].present;
		lun.block = lun.present ? v->lun[i].block : 0;
		v->lun[i] = v->lun[n];
	}
	v->lun[n] = lun;
	if (n == v->nluns)
		v->nluns++;
	return n + 1;
}

/* Take over what both ends say of LUNs. */
static void read_luns(struct pvscsi *v)
{
	const struct store_tree *tree[] = {v->back_tree, v->front_tree};
	const struct store_node *c;
	struct pvscsi_lun lun;
	uint32_t n = 0;

	for (size_t t = 0; t < XPV_ARRAY_SIZE(tree); t++)
		for (c = NULL;
		     n < PVSCSI_LUNS_MAX &&
		     (c = tree_child(tree[t], WIRE_BUS_SCSI_DEVS, c));)
			if (read_lun(v, tree[t], c, &lun))
				n = keep_lun(v, n, lun);
	v->nluns = n;
}

/* ------------------------------------------------------------- one round */

/* What is written at the end of a round. */
struct change {
	struct store_op op[8 + 2 * PVSCSI_LUNS_MAX];
	char path[8 + 2 * PVSCSI_LUNS_MAX][PATH_LEN];
	char text[8 + 2 * PVSCSI_LUNS_MAX][XS_NUM_MAX];
	size_t n;
};

static void change_expect(struct change *c, const char *path, const char *value)
{
	struct store_op *op = &c->op[c->n];

	snprintf(c->path[c->n], PATH_LEN, "%s", path);
	*op = (struct store_op){STORE_OP_EXPECT, .path = c->path[c->n],
				.value = value,
				.len = value ? strlen(value) : 0};
	c->n++;
}

static void change_write(struct change *c, const struct pvscsi *v,
			 const char *leaf, uint32_t value)
{
	struct store_op *op = &c->op[c->n];

	front_path(v, c->path[c->n], leaf);
	xs_format_u64(c->text[c->n], value);
	*op = (struct store_op){STORE_OP_WRITE, .path = c->path[c->n],
				.value = c->text[c->n]};
	c->n++;
}

static void written(struct store *st, const struct store_txn_result *res,
		    void *ctx)
{
	struct pvscsi *v = ctx;

	(void)st;
	if (res->err && v->step.action == BUS_FRONT_PUBLISH)
		drop_ring(v); /* nobody was told of it */
	if (res->err == -ESTALE || res->err == -EAGAIN)
		v->dirty = true;
	else if (res->err)
		trouble(v, "xenstore refuses %s: %s", res->path,
			strerror(-res->err));
	end_round(v);
}

static void write_change(struct pvscsi *v, struct change *c)
{
	int rc;

	rc = store_txn(v->session->store, c->op, c->n, 0, written, v);
	if (!rc)
		return;
	trouble(v, "nothing can be written to xenstore: %s", strerror(-rc));
	end_round(v);
}

static void add_luns(struct pvscsi *v, struct change *c)
{
	struct bus_front_lun_step step;
	char leaf[64];

	for (uint32_t i = 0; i < v->nluns; i++) {
		struct pvscsi_lun *lun = &v->lun[i];

		step = bus_front_lun_step(&v->facts, &v->step, lun->own,
					  lun->state);
		if (step.action == BUS_FRONT_LUN_ADD)
			lun->present = lun->named;
		else if (step.action == BUS_FRONT_LUN_DEL)
			lun->present = false;
		if (step.next == lun->own)
			continue;
		snprintf(leaf, sizeof(leaf),
			 WIRE_BUS_SCSI_DEVS "/" WIRE_BUS_SCSI_DEV "%" PRIu32
					    "/" WIRE_BUS_STATE,
			 lun->dev);
		change_write(c, v, leaf, step.next);
	}
}

/* Do what the step says; false: it cannot be done. */
static bool carry_out(struct pvscsi *v)
{
	switch (v->step.action) {
	case BUS_FRONT_NONE:
	case BUS_FRONT_REMOVE:
		return true;
	case BUS_FRONT_PUBLISH:
		return make_ring(v);
	case BUS_FRONT_CONNECT:
		v->connected = true;
		*v->trouble = '\0';
		return true;
	case BUS_FRONT_DISCONNECT:
		drop_ring(v);
		return true;
	}
	return true;
}

/*
 * Do our nodes name our ring? They do not when the device was removed and made
 * anew before we looked: then the ring belongs to the one that was removed.
 */
static bool names_ring(const struct pvscsi *v)
{
	uint32_t ref, port;

	return !tree_u32(v->front_tree, WIRE_BUS_RING_REF, &ref) &&
	       !tree_u32(v->front_tree, WIRE_BUS_EVENT_CHANNEL, &port) &&
	       ref == v->ring_ref && port == v->port;
}

static void decide(struct pvscsi *v)
{
	static struct change c; /* one thread, and copied by store_txn() */
	char path[PATH_LEN];
	size_t expected;

	if (v->port && !names_ring(v))
		drop_ring(v);
	v->facts = (struct bus_front_facts){
		.own = state_of(v->front_tree, WIRE_BUS_STATE),
		.back = state_of(v->back_tree, WIRE_BUS_STATE),
		.online = !tree_is(v->back_tree, WIRE_BUS_ONLINE, "0"),
		.back_gone = !v->back_tree->n,
		.ring = v->port != 0,
		.wanted = !v->leave && !v->failed,
		.late = v->late,
	};
	v->step = bus_front_step(&v->facts);
	if (!carry_out(v)) {
		v->failed = true;
		v->facts.wanted = false;
		v->step = bus_front_step(&v->facts);
		(void)carry_out(v);
	}
	c.n = 0;
	front_path(v, path, WIRE_BUS_STATE);
	change_expect(&c, path, tree_get(v->front_tree, WIRE_BUS_STATE));
	snprintf(path, sizeof(path), "%s/" WIRE_BUS_STATE, v->back);
	change_expect(&c, path, tree_get(v->back_tree, WIRE_BUS_STATE));
	expected = c.n;
	if (v->step.action == BUS_FRONT_PUBLISH) {
		change_write(&c, v, WIRE_BUS_RING_REF, v->ring_ref);
		change_write(&c, v, WIRE_BUS_EVENT_CHANNEL, v->port);
	}
	add_luns(v, &c);
	if (v->step.next != v->facts.own)
		change_write(&c, v, WIRE_BUS_STATE, v->step.next);
	if (c.n == expected)
		end_round(v);
	else
		write_change(v, &c);
}

static void got_back(struct store *st, int err, struct store_tree *tree,
		     void *ctx)
{
	struct pvscsi *v = ctx;

	(void)st;
	if (err) {
		trouble(v, "the backend's nodes cannot be read: %s",
			strerror(-err));
		end_round(v);
		return;
	}
	end_reading(v);
	tree_free(v->back_tree);
	v->back_tree = tree;
	read_luns(v);
	decide(v);
}

static void back_event(struct store *st, int err, const char *path, void *ctx)
{
	(void)st, (void)path;
	if (!err)
		pvscsi_bus_changed(ctx);
}

static void forget_backend(struct pvscsi *v)
{
	store_unwatch(v->session->store, v->watch);
	v->watch = NULL;
	free(v->back);
	v->back = NULL;
}

/* Watch the backend that our nodes name. */
static int follow_backend(struct pvscsi *v)
{
	const char *back = tree_get(v->front_tree, WIRE_BUS_BACKEND);
	struct store *st = v->session->store;
	int rc;

	if (!back || strlen(back) > BACK_MAX ||
	    tree_u32(v->front_tree, WIRE_BUS_BACKEND_ID, &v->back_id)) {
		trouble(v, "our nodes name no backend");
		return -EINVAL;
	}
	if (v->back && !strcmp(v->back, back))
		return 0;
	forget_backend(v);
	v->back = strdup(back);
	rc = v->back ? store_watch(st, v->back, -1, back_event, v, &v->watch)
		     : -ENOMEM;
	if (!rc)
		return 0;
	trouble(v, "%.80s cannot be watched: %s", back, strerror(-rc));
	forget_backend(v);
	return rc;
}

static void went_away(struct pvscsi *v)
{
	drop_ring(v);
	v->gone = true;
	v->failed = false;
	v->nluns = 0;
	forget_backend(v);
	end_round(v);
}

/* Does a driver of our own kernel have this device? Then hands off. */
static bool is_foreign(const struct pvscsi *v)
{
	char path[PATH_LEN];

	if (v->session->ops != &front_xen)
		return false;
	snprintf(path, sizeof(path),
		 "/sys/bus/xen/devices/vscsi-%" PRIu32 "/driver", v->unit);
	return access(path, F_OK) == 0;
}

static void got_front(struct store *st, int err, struct store_tree *tree,
		      void *ctx)
{
	struct pvscsi *v = ctx;

	if (err) {
		trouble(v, "our nodes cannot be read: %s", strerror(-err));
		end_round(v);
		return;
	}
	tree_free(v->front_tree);
	v->front_tree = tree;
	if (!tree->n) {
		went_away(v);
		return;
	}
	v->gone = false;
	v->foreign = is_foreign(v);
	if (v->foreign || follow_backend(v)) {
		end_round(v);
		return;
	}
	err = store_snapshot(st, v->tx, v->back, &back_limits, got_back, v);
	if (!err)
		return;
	trouble(v, "the backend's nodes cannot be read: %s", strerror(-err));
	end_round(v);
}

static void begun(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct pvscsi *v = ctx;
	char path[PATH_LEN];
	int rc = rsp->err;

	if (!rc) {
		v->tx = rsp->tx;
		front_path(v, path, "");
		rc = store_snapshot(st, v->tx, path, NULL, got_front, v);
	}
	if (!rc)
		return;
	trouble(v, "xenstore cannot be read: %s", strerror(-rc));
	end_round(v);
}

static void begin(struct pvscsi *v)
{
	v->dirty = false;
	v->busy = true;
	if (store_begin(v->session->store, begun, v))
		v->busy = false; /* the connection is lost */
}

void pvscsi_bus_changed(struct pvscsi *v)
{
	v->dirty = true;
	v->late = false;
	v->changed = v->session->now;
	if (!v->busy && !v->session->lost)
		begin(v);
}

void pvscsi_bus_failed(struct pvscsi *v)
{
	v->failed = true;
	pvscsi_bus_changed(v);
}

void pvscsi_bus_times(struct pvscsi *v)
{
	if (v->late || v->gone || v->busy ||
	    v->session->now - v->changed < LATE_NS)
		return;
	/* Quiet for so long: what was given up is tried again, some times. */
	if (v->failed && v->retries < RETRIES) {
		v->retries++;
		v->failed = false;
	}
	v->late = true;
	begin(v);
}

void pvscsi_bus_leave(struct pvscsi *v)
{
	v->leave = true;
	pvscsi_bus_changed(v);
}

bool pvscsi_bus_left(const struct pvscsi *v)
{
	return v->gone || v->foreign || (!v->busy && !v->dirty && !v->port);
}

void pvscsi_bus_free(struct pvscsi *v)
{
	drop_ring(v);
	/* The watch ended with the store, which was closed before. */
	tree_free(v->front_tree);
	tree_free(v->back_tree);
	free(v->back);
}
