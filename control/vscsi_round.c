/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one round of a PVSCSI controller does: see vscsi_round.h.
 */
#include "control/vscsi_round.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/daemon.h"
#include "core/xs.h"
#include "host/log.h"

#define RETRY_US 1000000u
#define BUSY_US	 100000u

#define PATH_LEN 128

/* States are one digit. */
#define STATE_LEN 2

static void run_luns(struct vscsi *dev);
static void run_write(struct vscsi *dev);

void vscsi_path(const struct vscsi *dev, const char *name, char *path,
		size_t len)
{
	snprintf(path, len, DAEMON_BACKEND "/%" PRIu32 "/%" PRIu32 "%s%s",
		 dev->guest->domid, dev->controller, name[0] ? "/" : "", name);
}

bool vscsi_number(const char *text, uint32_t *value)
{
	return !xs_parse_u32(text, strlen(text), value);
}

/* --------------------------------------------------- asking the worker */

static void next_phase(struct vscsi *dev)
{
	/* The daemon has ended underneath: nothing goes on. */
	if (!dev->calls && dev->guest->daemon->store)
		dev->then(dev);
}

static void on_reply(void *ctx, int rc, const struct proto_msg *reply)
{
	struct vscsi *dev = ctx;

	dev->calls--;
	dev->rc = rc;
	snprintf(dev->why, sizeof(dev->why), "%s",
		 reply && reply->text[0] ? reply->text : strerror(-rc));
	next_phase(dev);
}

static void on_lun_reply(void *ctx, int rc, const struct proto_msg *reply)
{
	struct vscsi_lun *lun = ctx;
	struct vscsi *dev = lun->dev;

	dev->calls--;
	lun->rc = rc;
	if (!reply)
		dev->rc = rc; /* the worker is lost, not this LUN */
	if (rc && !lun->error[0])
		snprintf(lun->error, sizeof(lun->error), "%s%s%s",
			 reply ? reply->text : "its worker died",
			 reply && reply->text[0] ? ": " : "", strerror(-rc));
	next_phase(dev);
}

/* One question about the whole controller, then THEN. */
static void ask(struct vscsi *dev, const struct proto_msg *msg,
		void (*then)(struct vscsi *dev))
{
	dev->then = then;
	dev->calls = 1;
	dev->rc = dev->guest->usable ? link_call(dev->guest->link, msg, NULL, 0,
						 on_reply, dev)
				     : -ECONNRESET;
	if (dev->rc) {
		snprintf(dev->why, sizeof(dev->why), "%s", strerror(-dev->rc));
		dev->calls = 0;
		next_phase(dev);
	}
}

static void ask_forget(struct vscsi *dev, void (*then)(struct vscsi *dev))
{
	struct proto_msg msg = {.type = PROTO_SCSI_FORGET,
				.controller = dev->controller};

	ask(dev, &msg, then);
}

static void forgotten(struct vscsi *dev)
{
	for (size_t i = 0; i < dev->nluns; i++)
		lun_release(dev->luns[i]);
	dev->facts.connected = false;
	dev->seen = true;
	memset(&dev->stats, 0, sizeof(dev->stats));
}

/* ---------------------------------------------------------- disconnecting */

static void disconnected(struct vscsi *dev)
{
	struct log_where where = vscsi_where(dev);

	if (dev->rc == -ECONNRESET || !dev->rc)
		log_limited(&dev->guest->rate, LOG_INFO, &where,
			    dev->facts.ring_changed
				    ? "disconnected: the guest has a new ring"
				    : "disconnected");
	else
		/* It has answered that it cannot: then it is of no use. */
		guest_worker_kill(dev->guest, dev->why);
	forgotten(dev);
	run_write(dev);
}

static void on_removed(struct store *st, const struct store_txn_result *res,
		       void *ctx)
{
	struct vscsi *dev = ctx;

	(void)st;
	if (res->err == -ECANCELED || res->err == -ECONNRESET)
		return;
	if (res->err)
		dev->dirty = true;
	else
		dev->ended = true;
	vscsi_round_end(dev, 0);
}

static void run_remove(struct vscsi *dev)
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
		vscsi_round_end(dev, 0);
		return;
	}
	vscsi_path(dev, "", path, sizeof(path));
	vscsi_path(dev, WIRE_BUS_STATE, state, sizeof(state));
	if (store_txn(dev->guest->daemon->store, op, XPV_ARRAY_SIZE(op), 0,
		      on_removed, dev))
		vscsi_round_end(dev, RETRY_US);
}

/* ------------------------------------------------------------- connecting */

/* The ring is not to be had: what the worker got for it is taken back, and the
 * next decision is made with that knowledge. */
static void failed(struct vscsi *dev)
{
	forgotten(dev);
	dev->facts.failed = true;
	vscsi_decide(dev);
}

static void give_up(struct vscsi *dev, const char *what, const char *why)
{
	struct log_where where = vscsi_where(dev);

	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot connect: %s: %s; the device is closed", what, why);
	ask_forget(dev, failed);
}

static void opened(struct vscsi *dev)
{
	struct log_where where = vscsi_where(dev);

	if (dev->rc) {
		give_up(dev, "the ring", dev->why);
		return;
	}
	dev->facts.connected = true;
	dev->rings.held = vscsi_ring_read(dev->front);
	log_limited(&dev->guest->rate, LOG_INFO, &where, "connected");
	run_write(dev);
}

static void run_open(struct vscsi *dev)
{
	struct proto_msg msg = {.type = PROTO_SCSI_OPEN,
				.controller = dev->controller,
				.u.ring.segs_max = PROTO_SEGS_MAX};

	if (tree_u32(dev->front, WIRE_BUS_RING_REF, &msg.u.ring.gref)) {
		give_up(dev, "the frontend's node " WIRE_BUS_RING_REF,
			"missing, or not a number");
		return;
	}
	if (tree_u32(dev->front, WIRE_BUS_EVENT_CHANNEL, &msg.u.ring.port)) {
		give_up(dev, "the frontend's node " WIRE_BUS_EVENT_CHANNEL,
			"missing, or not a number");
		return;
	}
	ask(dev, &msg, opened);
}

/*
 * Does the ring belong to a worker of an earlier xenpvd? Requests it had in
 * flight are known to its journal alone; to begin this ring anew would answer
 * some of them twice and others never. Here adoption and recovery will go on
 * instead.
 */
static bool is_left_behind(const struct vscsi *dev)
{
	if (dev->facts.ring_changed)
		return false;
	if (dev->step.next == dev->facts.own)
		return true;
	return !dev->seen && dev->facts.front == WIRE_BUS_RECONFIGURING &&
	       (dev->facts.own == WIRE_BUS_RECONFIGURING ||
		dev->facts.own == WIRE_BUS_RECONFIGURED);
}

/* ----------------------------------------------------------------- LUNs */

static void add_lun(struct vscsi_lun *lun)
{
	int fds[PROTO_FDS_MAX];
	struct proto_msg msg;

	lun->rc = lun_prepare(lun, &msg, fds);
	if (lun->rc)
		return;
	/* Held from now on: the next LUN of this round must see it. */
	lun->added = true;
	lun->rc = link_call(lun->dev->guest->link, &msg, fds, PROTO_FDS_MAX,
			    on_lun_reply, lun);
	if (!lun->rc)
		lun->dev->calls++;
	else
		snprintf(lun->error, sizeof(lun->error),
			 "cannot ask the worker: %s; try again",
			 strerror(-lun->rc));
}

static void delete_lun(struct vscsi_lun *lun)
{
	struct proto_msg msg = {.type = PROTO_LUN_DEL,
				.controller = lun->dev->controller,
				.addr = lun_proto_addr(lun)};

	lun->rc = link_call(lun->dev->guest->link, &msg, NULL, 0, on_lun_reply,
			    lun);
	if (!lun->rc)
		lun->dev->calls++;
}

/* What was asked for LUN has been answered, if anything was. */
static void lun_settle(struct vscsi_lun *lun)
{
	char text[PDEV_ERR_MAX + 64];

	switch (lun->action) {
	case BUS_LUN_NONE:
		return;
	case BUS_LUN_ADD:
		if (!lun->rc) {
			snprintf(text, sizeof(text),
				 "serving %s, %" PRIu64 " bytes%s", lun->pname,
				 lun->size,
				 lun->read_only ? ", read-only" : "");
			lun_log(lun, LOG_INFO, text);
			return;
		}
		lun_release(lun);
		lun->next = lun->failed;
		lun_log(lun, LOG_ERR, lun->error);
		return;
	case BUS_LUN_DEL:
		lun_release(lun);
		/* Not by the toolstack's wish. */
		if (lun->state != WIRE_BUS_CLOSING && lun->present)
			snprintf(
				lun->error, sizeof(lun->error),
				"the guest could not add it; see the guest's kernel log");
		lun_log(lun, LOG_INFO, "detached");
		return;
	}
}

static void luns_done(struct vscsi *dev)
{
	if (dev->rc) { /* the worker is lost */
		if (dev->step.action == BUS_CONNECT)
			failed(dev);
		else /* vscsi_worker_died() will see to it */
			vscsi_round_end(dev, RETRY_US);
		return;
	}
	for (size_t i = 0; i < dev->nluns; i++)
		lun_settle(dev->luns[i]);
	if (dev->step.action == BUS_CONNECT)
		run_open(dev);
	else
		run_write(dev);
}

/* Find out what each LUN needs; true if that takes a worker. */
static bool plan_luns(struct vscsi *dev)
{
	bool any = dev->step.action == BUS_CONNECT;
	struct bus_lun_step step;

	for (size_t i = 0; i < dev->nluns; i++) {
		struct vscsi_lun *lun = dev->luns[i];

		lun->rc = 0;
		lun->action = BUS_LUN_NONE;
		lun->next = lun->state;
		if (!lun->present) {
			/* Its nodes are gone without a word. */
			if (lun->added)
				lun->action = BUS_LUN_DEL;
		} else {
			step = bus_lun_step(&dev->facts, &dev->step, lun->state,
					    lun->front);
			lun->next = step.next;
			lun->failed = step.failed;
			if ((step.action == BUS_LUN_ADD && !lun->added) ||
			    (step.action == BUS_LUN_DEL && lun->added))
				lun->action = step.action;
		}
		any = any || lun->action != BUS_LUN_NONE;
	}
	return any;
}

static void run_luns(struct vscsi *dev)
{
	struct link *link;

	dev->then = luns_done;
	dev->calls = 1; /* ours, until all are asked */
	dev->rc = 0;
	if (plan_luns(dev)) {
		dev->rc = guest_worker(dev->guest, &link);
		if (dev->rc == -EAGAIN) {
			/* Kicked when the last one has been reaped. */
			dev->calls = 0;
			vscsi_round_end(dev, 0);
			return;
		}
	}
	for (size_t i = 0; i < dev->nluns && !dev->rc; i++) {
		struct vscsi_lun *lun = dev->luns[i];

		/* Deletions first: their places and pdevs may be wanted. */
		if (lun->action == BUS_LUN_DEL)
			delete_lun(lun);
	}
	for (size_t i = 0; i < dev->nluns && !dev->rc; i++) {
		struct vscsi_lun *lun = dev->luns[i];

		if (lun->action == BUS_LUN_ADD)
			add_lun(lun);
	}
	dev->calls--;
	next_phase(dev);
}

/* ---------------------------------------------------------------- writing */

/* Changes for store_txn(); their texts live in `text` until it has copied
 * them. 4 for each LUN, and a few of the device. */
#define WRITES_MAX (4 * VSCSI_LUNS_MAX + 8)

struct writes {
	size_t n;
	bool changes; /* not only expectations */
	struct store_op op[WRITES_MAX];
	struct {
		char path[PATH_LEN];
		char value[16];
	} text[WRITES_MAX];
};

/* VALUE is kept by reference if it is longer than a number. */
static void add_write(struct writes *w, const struct vscsi *dev,
		      enum store_op_kind kind, const char *name,
		      const char *value)
{
	struct store_op *op = &w->op[w->n];

	XPV_ASSERT(w->n < WRITES_MAX);
	vscsi_path(dev, name, w->text[w->n].path, PATH_LEN);
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

static void add_number(struct writes *w, const struct vscsi *dev,
		       enum store_op_kind kind, const char *name,
		       uint32_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	add_write(w, dev, kind, name, text);
}

static void add_lun_writes(struct writes *w, const struct vscsi *dev,
			   const struct vscsi_lun *lun)
{
	char state[48], error[48];

	snprintf(state, sizeof(state), "vscsi-devs/dev-%" PRIu32 "/state",
		 lun->number);
	snprintf(error, sizeof(error), "vscsi-devs/dev-%" PRIu32 "/error",
		 lun->number);
	if (lun->next != lun->state) {
		/* A state that we act on was a number that we understood. */
		add_number(w, dev, STORE_OP_EXPECT, state, lun->state);
		add_number(w, dev, STORE_OP_WRITE, state, lun->next);
		if (lun->error[0] && lun->next == WIRE_BUS_CLOSED)
			add_write(w, dev, STORE_OP_WRITE, error, lun->error);
	}
	if (lun->added && lun->error_node)
		add_write(w, dev, STORE_OP_RM, error, NULL);
}

static void add_announcement(struct writes *w, const struct vscsi *dev)
{
	add_number(w, dev, STORE_OP_WRITE, WIRE_BUS_SCSI_SG_GRANT,
		   PROTO_SEGS_MAX);
}

/* After a round in which something was done another one looks whether there
 * is more to do. */
static void written(struct vscsi *dev)
{
	if (dev->step.action != BUS_NONE)
		dev->dirty = true;
	if (dev->step.action == BUS_CONNECT)
		dev->rings.told = dev->rings.held;
	if (dev->leave && !dev->facts.connected &&
	    dev->step.next == WIRE_BUS_CLOSED)
		dev->ended = true;
	vscsi_round_end(dev, 0);
}

static void on_written(struct store *st, const struct store_txn_result *res,
		       void *ctx)
{
	struct vscsi *dev = ctx;
	struct log_where where = vscsi_where(dev);

	(void)st;
	if (res->err == -ECANCELED || res->err == -ECONNRESET)
		return;
	if (!res->err) {
		written(dev);
		return;
	}
	/* Somebody was faster: another round, on what they wrote. EAGAIN: again
	 * and again, let them finish. */
	if (res->err == -ESTALE || res->err == -EAGAIN) {
		dev->dirty = res->err == -ESTALE;
		vscsi_round_end(dev, BUSY_US);
		return;
	}
	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot write to xenstore: %s%s%s", strerror(-res->err),
		    res->path[0] ? ": " : "", res->path);
	vscsi_round_end(dev, RETRY_US);
}

static void run_write(struct vscsi *dev)
{
	struct writes *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	if (!w)
		goto out;
	if (dev->own_text)
		add_write(w, dev, STORE_OP_EXPECT, WIRE_BUS_STATE,
			  dev->own_text);
	if (dev->step.action == BUS_ANNOUNCE)
		add_announcement(w, dev);
	if (dev->step.action != BUS_DISCONNECT) {
		for (size_t i = 0; i < dev->nluns; i++)
			if (dev->luns[i]->present)
				add_lun_writes(w, dev, dev->luns[i]);
	}
	/* Last: who watches it finds everything else written. */
	if (dev->step.next != dev->facts.own)
		add_number(w, dev, STORE_OP_WRITE, WIRE_BUS_STATE,
			   dev->step.next);
	rc = 0;
	if (w->changes)
		rc = store_txn(dev->guest->daemon->store, w->op, w->n, 0,
			       on_written, dev);
	else
		written(dev);
out:
	free(w);
	if (rc)
		vscsi_round_end(dev, RETRY_US);
}

/* --------------------------------------------------------------- deciding */

/* The daemon stops: as if the toolstack had asked for it. */
static struct bus_step leave_step(const struct vscsi *dev)
{
	const struct bus_facts *facts = &dev->facts;
	struct bus_step step = {BUS_NONE, WIRE_BUS_CLOSED};

	if (!facts->own)
		return bus_back_step(facts);
	if (dev->force && facts->connected)
		step.action = BUS_DISCONNECT;
	else if (facts->connected && facts->own != WIRE_BUS_CLOSING &&
		 facts->own != WIRE_BUS_CLOSED)
		step.next = WIRE_BUS_CLOSING;
	else if (facts->connected)
		step = bus_back_step(facts);
	return step;
}

void vscsi_decide(struct vscsi *dev)
{
	struct log_where where = vscsi_where(dev);

	dev->step = dev->leave ? leave_step(dev) : bus_back_step(&dev->facts);
	if (dev->step.action == BUS_CONNECT && is_left_behind(dev)) {
		log_limited(
			&dev->guest->rate, LOG_ERR, &where,
			"an earlier xenpvd has left this device in use; it is closed, attach it again");
		dev->facts.failed = true;
		dev->step = bus_back_step(&dev->facts);
	}
	log_line(
		LOG_DEBUG, &where,
		"own=%u front=%u online=%d gone=%d connected=%d ring_changed=%d failed=%d: action %d, next %u",
		dev->facts.own, dev->facts.front, dev->facts.online,
		dev->facts.front_gone, dev->facts.connected,
		dev->facts.ring_changed, dev->facts.failed,
		(int)dev->step.action, dev->step.next);
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
	run_luns(dev);
}
