/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one round of a device does: see device_round.h.
 */
#include "control/device_round.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/guest_worker.h"
#include "core/xs.h"
#include "host/log.h"

#define BUSY_US 100000u

#define PATH_LEN 128

/* States are one digit. */
#define STATE_LEN 2

void device_path(const struct device *dev, const char *name, char *path,
		 size_t len)
{
	snprintf(path, len, "%s/%" PRIu32 "/%" PRIu32 "%s%s", dev->class->dir,
		 dev->guest->domid, dev->id, name[0] ? "/" : "", name);
}

bool device_number(const char *text, uint32_t *value)
{
	return !xs_parse_u32(text, strlen(text), value);
}

/* --------------------------------------------------- asking the worker */

static void next_phase(struct device *dev)
{
	/* The daemon has ended underneath: nothing goes on. */
	if (!dev->calls && dev->guest->daemon->store)
		dev->then(dev);
}

static void note_failure(struct device *dev, int rc, const char *why)
{
	if (!rc || dev->rc)
		return;
	dev->rc = rc;
	snprintf(dev->why, sizeof(dev->why), "%s", why);
}

static void on_reply(void *ctx, int rc, const struct proto_msg *reply)
{
	struct device *dev = ctx;

	dev->calls--;
	note_failure(dev, rc,
		     reply && reply->text[0] ? reply->text : strerror(-rc));
	next_phase(dev);
}

void device_begin(struct device *dev, void (*then)(struct device *dev))
{
	dev->then = then;
	dev->calls = 1; /* ours, until all are asked */
	dev->rc = 0;
}

void device_message(const struct device *dev, struct proto_msg *msg)
{
	msg->class = (uint16_t)dev->class->number;
	msg->controller = dev->id;
}

void device_ask(struct device *dev, struct proto_msg *msg, const int *fds,
		int nfds)
{
	int rc;

	if (dev->rc || !dev->guest->usable) {
		for (int i = 0; i < nfds; i++) {
			if (fds[i] >= 0)
				close(fds[i]);
		}
		note_failure(dev, -ECONNRESET, strerror(ECONNRESET));
		return;
	}
	device_message(dev, msg);
	rc = link_call(dev->guest->link, msg, fds, nfds, on_reply, dev);
	if (!rc)
		dev->calls++;
	note_failure(dev, rc, strerror(-rc));
}

void device_end(struct device *dev)
{
	dev->calls--;
	next_phase(dev);
}

static void ask_forget(struct device *dev, void (*then)(struct device *dev))
{
	device_begin(dev, then);
	dev->class->forget(dev);
	device_end(dev);
}

static void forgotten(struct device *dev)
{
	dev->class->forgotten(dev);
	device_drop_rings(dev);
	dev->facts.connected = false;
	dev->attached = false;
	dev->seen = true;
	memset(&dev->stats, 0, sizeof(dev->stats));
}

/* ---------------------------------------------------------- disconnecting */

static void disconnected(struct device *dev)
{
	struct log_where where = device_where(dev);

	if (dev->rc == -ECONNRESET || !dev->rc)
		log_limited(&dev->guest->rate, LOG_INFO, &where,
			    dev->facts.ring_changed
				    ? "disconnected: the guest has a new ring"
				    : "disconnected");
	else
		/* It has answered that it cannot: then it is of no use. */
		guest_worker_kill(dev->guest, dev->why);
	forgotten(dev);
	device_write(dev);
}

static void on_removed(struct store *st, const struct store_txn_result *res,
		       void *ctx)
{
	struct device *dev = ctx;

	(void)st;
	if (res->err == -ECANCELED || res->err == -ECONNRESET)
		return;
	if (res->err)
		dev->dirty = true;
	else
		dev->ended = true;
	device_round_end(dev, 0);
}

static void run_remove(struct device *dev)
{
	char path[PATH_LEN], state[PATH_LEN];
	struct store_op op[2] = {
		{.kind = STORE_OP_EXPECT,
		 .path = state,
		 .value = dev->own_text},
		{.kind = STORE_OP_RM, .path = path},
	};

	/* Without a state there is nothing, or not yet everything. */
	if (!dev->facts.own) {
		dev->ended = true;
		device_round_end(dev, 0);
		return;
	}
	device_path(dev, "", path, sizeof(path));
	device_path(dev, WIRE_BUS_STATE, state, sizeof(state));
	if (store_txn(dev->guest->daemon->store, op, XPV_ARRAY_SIZE(op), 0,
		      on_removed, dev))
		device_round_end(dev, DEVICE_RETRY_US);
}

/* ------------------------------------------------------------- connecting */

void device_failed(struct device *dev)
{
	forgotten(dev);
	dev->facts.failed = true;
	device_decide(dev);
}

void device_give_up(struct device *dev, const char *what, const char *why)
{
	struct log_where where = device_where(dev);

	/* Not its fault, perhaps: another device's. The frontend has not been
	 * told anything yet. */
	if (dev->rc == -ECONNRESET && dev->strikes++ < GUEST_STRIKES) {
		forgotten(dev);
		device_round_end(dev, 1);
		return;
	}
	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot connect: %s: %s; the device is closed", what, why);
	ask_forget(dev, device_failed);
}

void device_connected(struct device *dev)
{
	struct log_where where = device_where(dev);

	dev->facts.connected = dev->attached = true;
	dev->strikes = 0;
	dev->rings.held = dev->class->ring(dev->front);
	log_limited(&dev->guest->rate, LOG_INFO, &where, "connected");
}

/*
 * Was the ring served by somebody who has left no journal? Requests that were in
 * flight are known to nobody: to begin this ring anew would answer some of them
 * twice and others never.
 */
static bool is_left_behind(const struct device *dev)
{
	if (dev->facts.ring_changed)
		return false;
	if (dev->step.next == dev->facts.own)
		return true;
	return !dev->seen && dev->facts.front == WIRE_BUS_RECONFIGURING &&
	       (dev->facts.own == WIRE_BUS_RECONFIGURING ||
		dev->facts.own == WIRE_BUS_RECONFIGURED);
}

/* ---------------------------------------------------------------- writing */

/* Beside what the class adds: the state expected, and written. */
#define OWN_WRITES 2

/* Changes for store_txn(); their texts live in `text` until it has copied
 * them. */
struct device_writes {
	size_t n, max;
	bool changes; /* not only expectations */
	struct store_op *op;
	struct {
		char path[PATH_LEN];
		char value[XS_NUM_MAX];
	} * text;
};

static struct device_writes *new_writes(size_t max)
{
	struct device_writes *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->max = max;
	w->op = calloc(max, sizeof(*w->op));
	w->text = calloc(max, sizeof(*w->text));
	return w;
}

static void free_writes(struct device_writes *w)
{
	if (!w)
		return;
	free(w->op);
	free(w->text);
	free(w);
}

void device_add_write(struct device_writes *w, const struct device *dev,
		      enum store_op_kind kind, const char *name,
		      const char *value)
{
	struct store_op *op = &w->op[w->n];

	XPV_ASSERT(w->n < w->max);
	device_path(dev, name, w->text[w->n].path, PATH_LEN);
	*op = (struct store_op){.kind = kind, .path = w->text[w->n].path};
	if (value && strlen(value) < sizeof(w->text[w->n].value)) {
		strcpy(w->text[w->n].value, value);
		op->value = w->text[w->n].value;
	} else {
		op->value = value;
	}
	w->changes = w->changes || kind != STORE_OP_EXPECT;
	w->n++;
}

void device_add_front_rm(struct device_writes *w, const struct device *dev,
			 const char *name)
{
	XPV_ASSERT(w->n < w->max);
	snprintf(w->text[w->n].path, PATH_LEN,
		 "/local/domain/%" PRIu32 "/device/%s/%" PRIu32 "/%s",
		 dev->guest->domid, dev->class->front, dev->id, name);
	w->op[w->n] = (struct store_op){.kind = STORE_OP_RM,
					.path = w->text[w->n].path};
	w->changes = true;
	w->n++;
}

void device_add_number(struct device_writes *w, const struct device *dev,
		       enum store_op_kind kind, const char *name,
		       uint64_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	device_add_write(w, dev, kind, name, text);
}

/* The frontend may have a ring before it is offered one: of that nothing will tell
 * us any more. */
static bool in_haste(const struct device *dev)
{
	struct bus_facts facts = dev->facts;

	facts.own = dev->step.next;
	return dev->step.action == BUS_ANNOUNCE &&
	       dev->class->step(&facts).action == BUS_CONNECT;
}

/* After a round in which something was done, if only a node of ours written, another
 * one looks whether there is more to do. It is the guest's turn, unless the ring is
 * gone or we have closed: then there may be something to remove. */
static void written(struct device *dev, bool wrote)
{
	if (dev->step.action == BUS_DISCONNECT || in_haste(dev) ||
	    (wrote && dev->step.next == WIRE_BUS_CLOSED))
		dev->dirty = true;
	else if (dev->step.action != BUS_NONE || wrote)
		dev->settle = true;
	if (dev->step.action == BUS_CONNECT)
		dev->rings.told = dev->rings.held;
	if (dev->leave && !dev->facts.connected &&
	    dev->step.next == WIRE_BUS_CLOSED)
		dev->ended = true;
	device_round_end(dev, 0);
}

static void on_written(struct store *st, const struct store_txn_result *res,
		       void *ctx)
{
	struct device *dev = ctx;
	struct log_where where = device_where(dev);

	(void)st;
	if (res->err == -ECANCELED || res->err == -ECONNRESET)
		return;
	if (!res->err) {
		written(dev, true);
		return;
	}
	device_echo_drop(dev);
	/* Somebody was faster: another round, on what they wrote. EAGAIN: again
	 * and again, let them finish. */
	if (res->err == -ESTALE || res->err == -EAGAIN) {
		dev->dirty = res->err == -ESTALE;
		device_round_end(dev, BUSY_US);
		return;
	}
	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot write to xenstore: %s%s%s", strerror(-res->err),
		    res->path[0] ? ": " : "", res->path);
	device_round_end(dev, DEVICE_RETRY_US);
}

/* Of what is written at our own end, though not of what is removed, which may
 * not be there. */
static void expect_echoes(struct device *dev, const struct device_writes *w)
{
	char dir[PATH_LEN];
	size_t len;

	device_path(dev, "", dir, sizeof(dir));
	len = strlen(dir);
	dev->txn++;
	for (size_t i = 0; i < w->n; i++) {
		if (w->op[i].kind == STORE_OP_WRITE &&
		    !strncmp(w->op[i].path, dir, len) &&
		    w->op[i].path[len] == '/')
			device_echo(dev, w->op[i].path + len + 1);
	}
}

void device_write(struct device *dev)
{
	size_t max = OWN_WRITES + dev->class->writes_max(dev);
	struct device_writes *w = new_writes(max);
	int rc = -ENOMEM;

	if (!w || !w->op || !w->text)
		goto out;
	if (dev->own_text)
		device_add_write(w, dev, STORE_OP_EXPECT, WIRE_BUS_STATE,
				 dev->own_text);
	dev->class->writes(dev, w);
	/* Last: who watches it finds everything else written. */
	if (dev->step.next != dev->facts.own)
		device_add_number(w, dev, STORE_OP_WRITE, WIRE_BUS_STATE,
				  dev->step.next);
	rc = 0;
	if (w->changes) {
		expect_echoes(dev, w);
		rc = store_txn(dev->guest->daemon->store, w->op, w->n, 0,
			       on_written, dev);
	} else {
		written(dev, false);
	}
out:
	free_writes(w);
	if (!rc)
		return;
	device_echo_drop(dev);
	device_round_end(dev, DEVICE_RETRY_US);
}

/* --------------------------------------------------------------- deciding */

/* The daemon stops: as if the toolstack had asked for it. */
static struct bus_step leave_step(const struct device *dev)
{
	const struct bus_facts *facts = &dev->facts;
	struct bus_step step = {BUS_NONE, WIRE_BUS_CLOSED};

	if (!facts->own)
		return dev->class->step(facts);
	if (dev->force && facts->connected)
		step.action = BUS_DISCONNECT;
	else if (facts->connected && facts->own != WIRE_BUS_CLOSING &&
		 facts->own != WIRE_BUS_CLOSED)
		step.next = WIRE_BUS_CLOSING;
	else if (facts->connected)
		step = dev->class->step(facts);
	return step;
}

void device_decide(struct device *dev)
{
	struct log_where where = device_where(dev);

	dev->step =
		dev->leave ? leave_step(dev) : dev->class->step(&dev->facts);
	/* Opened by an earlier xenpvd, which has not told the guest. */
	if (dev->found && (dev->facts.own == WIRE_BUS_INIT_WAIT ||
			   dev->facts.own == WIRE_BUS_INITIALISED))
		dev->step = (struct bus_step){BUS_DISCONNECT, dev->facts.own};
	else if (dev->found)
		dev->rings.told = dev->rings.held;
	dev->found = false;
	if (dev->step.action == BUS_CONNECT && is_left_behind(dev)) {
		log_limited(
			&dev->guest->rate, LOG_ERR, &where,
			"an earlier xenpvd has left this device in use, and no journal of it; it is closed, attach it again");
		dev->facts.failed = true;
		dev->step = dev->class->step(&dev->facts);
	}
	log_line(
		LOG_DEBUG, &where,
		"own=%u front=%u online=%d gone=%d connected=%d ring_changed=%d failed=%d: action %d, next %u",
		dev->facts.own, dev->facts.front, dev->facts.online,
		dev->facts.front_gone, dev->facts.connected,
		dev->facts.ring_changed, dev->facts.failed,
		(int)dev->step.action, dev->step.next);
	if (device_is_down(dev) && dev->step.action != BUS_DISCONNECT &&
	    dev->step.action != BUS_REMOVE) {
		device_restore_now(dev);
		return;
	}
	switch (dev->step.action) {
	case BUS_DISCONNECT:
		ask_forget(dev, disconnected);
		return;
	case BUS_REMOVE:
		run_remove(dev);
		return;
	case BUS_ANNOUNCE:
		dev->seen = true;
		break;
	case BUS_NONE:
	case BUS_CONNECT:
	case BUS_RECONFIGURE:
		break;
	}
	dev->class->run(dev);
}
