/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVSCSI controllers: see vscsi.h.
 */
#include "control/vscsi.h"
#include "control/guest_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/ctl.h"
#include "control/daemon.h"
#include "control/device_round.h"
#include "host/log.h"

static struct vscsi *vscsi_of(struct device *dev)
{
	return (struct vscsi *)dev; /* its first member */
}

static const struct vscsi *vscsi_of_const(const struct device *dev)
{
	return (const struct vscsi *)dev;
}

/* ------------------------------------------------------- what stands there */

static void forget_luns(struct vscsi *ctl, bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < ctl->nluns; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		if (all || (!lun->present && !lun->claim.held))
			lun_free(lun);
		else
			ctl->luns[n++] = lun;
	}
	ctl->nluns = n;
}

static struct vscsi_lun *lun_get(struct vscsi *ctl, uint32_t number)
{
	struct log_where where = device_where(&ctl->dev);

	for (size_t i = 0; i < ctl->nluns; i++)
		if (ctl->luns[i]->number == number)
			return ctl->luns[i];
	if (ctl->nluns == VSCSI_LUNS_MAX) {
		log_limited(&ctl->dev.guest->rate, LOG_ERR, &where,
			    "dev-%" PRIu32
			    " is left out: a controller has at most %d LUNs",
			    number, VSCSI_LUNS_MAX);
		return NULL;
	}
	ctl->luns[ctl->nluns] = lun_new(ctl, number);
	return ctl->luns[ctl->nluns] ? ctl->luns[ctl->nluns++] : NULL;
}

static int read_luns(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);
	static const char prefix[] = WIRE_BUS_SCSI_DEV;
	const size_t len = sizeof(prefix) - 1;
	const struct store_node *node;
	uint32_t number;
	const char *name;
	int rc;

	for (node = tree_child(dev->back, WIRE_BUS_SCSI_DEVS, NULL); node;
	     node = tree_child(dev->back, WIRE_BUS_SCSI_DEVS, node)) {
		name = tree_name(node);
		/* "dev-01" would be written to as "dev-1". */
		if (strncmp(name, prefix, len) ||
		    (name[len] == '0' && name[len + 1]))
			continue;
		if (device_number(name + len, &number))
			(void)lun_get(ctl, number);
	}
	for (size_t i = 0; i < ctl->nluns; i++) {
		rc = lun_read(ctl->luns[i], dev->back, dev->front);
		if (rc)
			return rc;
	}
	forget_luns(ctl, false);
	vscsi_host_read(ctl);
	return 0;
}

/* --------------------------------------------------------------- the ring */

static void opened(struct device *dev)
{
	if (dev->rc) {
		device_give_up(dev, "the ring", dev->why);
		return;
	}
	device_connected(dev);
	device_write(dev);
}

static void run_open(struct device *dev)
{
	struct proto_msg msg = {.type = PROTO_SCSI_OPEN,
				.u.ring.segs_max = PROTO_SEGS_MAX};

	if (tree_u32(dev->front, WIRE_BUS_RING_REF, &msg.u.ring.gref)) {
		device_give_up(dev, "the frontend's node " WIRE_BUS_RING_REF,
			       "missing, or not a number");
		return;
	}
	if (tree_u32(dev->front, WIRE_BUS_EVENT_CHANNEL, &msg.u.ring.port)) {
		device_give_up(dev,
			       "the frontend's node " WIRE_BUS_EVENT_CHANNEL,
			       "missing, or not a number");
		return;
	}
	device_begin(dev, opened);
	device_ask_ring(dev, 0, &msg, -1);
	device_end(dev);
}

static void ask_forget(struct device *dev)
{
	struct proto_msg msg = {.type = PROTO_SCSI_FORGET};

	device_ask(dev, &msg, NULL, 0);
}

static void forgotten(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);

	for (size_t i = 0; i < ctl->nluns; i++)
		lun_release(ctl->luns[i]);
}

/* ----------------------------------------------------------------- LUNs */

static void on_lun_reply(void *ctx, int rc, const struct proto_msg *reply)
{
	struct vscsi_lun *lun = ctx;
	struct device *dev = &lun->ctl->dev;

	lun->rc = rc;
	if (!reply)
		dev->rc = rc; /* the worker is lost, not this LUN */
	if (rc && !lun->error[0])
		snprintf(lun->error, sizeof(lun->error), "%s%s%s",
			 reply ? reply->text : "its worker died",
			 reply && reply->text[0] ? ": " : "", strerror(-rc));
	device_end(dev);
}

static void add_lun(struct vscsi_lun *lun)
{
	int fds[PROTO_FDS_MAX];
	struct proto_msg msg;

	lun->rc = lun_prepare(lun, &msg, fds);
	if (lun->rc)
		return;
	lun_note_idle(lun);
	/* Held from now on: the next LUN of this round must see it. */
	lun->added = true;
	lun->rc = link_call(lun->ctl->dev.guest->link, &msg, fds, PROTO_FDS_MAX,
			    on_lun_reply, lun);
	if (!lun->rc)
		lun->ctl->dev.calls++;
	else
		snprintf(lun->error, sizeof(lun->error),
			 "cannot ask the worker: %s; try again",
			 strerror(-lun->rc));
}

static void change_medium(struct vscsi_lun *lun)
{
	struct proto_msg msg;
	int fd;

	lun->rc = lun_medium_prepare(lun, &msg, &fd);
	if (lun->rc)
		return;
	lun->error[0] = '\0';
	lun->rc = link_call(lun->ctl->dev.guest->link, &msg, &fd, 1,
			    on_lun_reply, lun);
	if (!lun->rc)
		lun->ctl->dev.calls++;
	else
		snprintf(lun->medium_error, sizeof(lun->medium_error),
			 "cannot ask the worker: %s; try again",
			 strerror(-lun->rc));
}

static void delete_lun(struct vscsi_lun *lun)
{
	struct proto_msg msg = {.type = PROTO_LUN_DEL,
				.addr = lun_proto_addr(lun)};

	device_message(&lun->ctl->dev, &msg);
	lun->rc = link_call(lun->ctl->dev.guest->link, &msg, NULL, 0,
			    on_lun_reply, lun);
	if (!lun->rc)
		lun->ctl->dev.calls++;
}

/* What was asked for LUN has been answered, if anything was. */
static void lun_settle(struct vscsi_lun *lun)
{
	char text[PDEV_ERR_MAX + 64];

	switch (lun->action) {
	case BUS_LUN_NONE:
		if (lun->change)
			lun_medium_settle(lun);
		return;
	case BUS_LUN_ADD:
		lun->given = !lun->rc;
		if (!lun->rc) {
			lun->again = false;
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
		if (lun->again) {
			lun->ctl->dev.dirty = true;
			lun_log(lun, LOG_NOTICE,
				"the device is another one now, which is taken instead");
			return;
		}
		/* Not by the toolstack's wish. */
		if (lun->state != WIRE_BUS_CLOSING && lun->present)
			snprintf(
				lun->error, sizeof(lun->error),
				"the guest could not add it; see the guest's kernel log");
		lun_log(lun, LOG_INFO, "detached");
		return;
	}
}

static void luns_done(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);
	if (dev->rc) { /* the worker is lost */
		for (size_t i = 0; i < ctl->nluns; i++)
			lun_medium_clear(ctl->luns[i]);
		if (dev->step.action == BUS_CONNECT)
			device_give_up(dev, "the worker", dev->why);
		else /* device_worker_died() will see to it */
			device_round_end(dev, DEVICE_RETRY_US);
		return;
	}
	for (size_t i = 0; i < ctl->nluns; i++)
		lun_settle(ctl->luns[i]);
	if (dev->step.action == BUS_CONNECT)
		run_open(dev);
	else
		device_write(dev);
}

/*
 * A real device that has come back, as another: the worker lets go of the old
 * one in this round, and has the new one in the next. The guest is told nothing,
 * it has a LUN all the time.
 */
static void plan_moved(struct vscsi_lun *lun)
{
	if (!lun->ctl->dev.facts.connected || lun->state != WIRE_BUS_CONNECTED)
		return;
	if (lun->added && lun_moved(lun)) {
		lun->action = BUS_LUN_DEL;
		lun->again = true;
	} else if (!lun->added && lun->again) {
		lun->action = BUS_LUN_ADD;
		lun->failed = WIRE_BUS_CONNECTED;
	}
}

/* Find out what each LUN needs; true if that takes a worker. */
static bool plan_luns(struct vscsi *ctl)
{
	struct device *dev = &ctl->dev;
	bool any = dev->step.action == BUS_CONNECT;
	struct bus_lun_step step;

	for (size_t i = 0; i < ctl->nluns; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		lun->rc = 0;
		lun_medium_clear(lun);
		lun->action = BUS_LUN_NONE;
		lun->next = lun->state;
		if (lun->lost && lun->present) {
			lun->next = WIRE_BUS_CLOSED;
		} else if (!lun->present) {
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
			else
				plan_moved(lun);
		}
		lun->change = lun->present && lun->action == BUS_LUN_NONE &&
			      dev->step.action == BUS_NONE &&
			      dev->facts.connected && lun_medium_wanted(lun);
		any = any || lun->change || lun->action != BUS_LUN_NONE;
	}
	return any;
}

static void run_luns(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);
	struct link *link;

	bool busy;

	device_begin(dev, luns_done);
	busy = plan_luns(ctl);
	vscsi_host_plan(ctl);
	if (busy) {
		dev->rc = guest_worker(dev->guest, &link);
		if (dev->rc == -EAGAIN) {
			/* Kicked when the last one has been reaped. */
			dev->calls = 0;
			device_round_end(dev, 0);
			return;
		}
	}
	/* What an earlier xenpvd had begun. */
	if (dev->step.action == BUS_CONNECT && dev->guest->adopted && !dev->rc)
		ask_forget(dev);
	for (size_t i = 0; i < ctl->nluns && !dev->rc; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		/* Deletions first: their places and pdevs may be wanted. */
		if (lun->action == BUS_LUN_DEL)
			delete_lun(lun);
	}
	for (size_t i = 0; i < ctl->nluns && !dev->rc; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		if (lun->action == BUS_LUN_ADD)
			add_lun(lun);
		if (lun->change)
			change_medium(lun);
	}
	device_end(dev);
}

/* ------------------------------------------------------------- once more */

static void take_up(struct device *dev, unsigned int n,
		    const struct proto_msg *open)
{
	(void)n;
	dev->rings.held = (struct ring_id){.known = true,
					   .gref = open->u.ring.gref,
					   .port = open->u.ring.port};
}

static void ring_resumed(struct device *dev)
{
	device_restored(dev, dev->rc, dev->why);
}

static void resume_ring(struct vscsi *ctl)
{
	struct device *dev = &ctl->dev;
	const struct proto_msg *open;
	struct proto_msg msg;

	device_begin(dev, ring_resumed);
	if (!device_item_of(dev, PROTO_SCSI_OPEN, NULL, 0) &&
	    (open = device_ring_open(dev, 0))) {
		msg = *open;
		device_resume_ring(dev, 0, &msg, -1);
	}
	device_end(dev);
}

/* A LUN that does not come back does not keep the others from doing so. */
static void lose_lun(struct vscsi_lun *lun)
{
	lun_release(lun);
	lun->lost = true;
	lun_log(lun, LOG_ERR, lun->error);
}

/* A server may be away for DEVICE_CONN_S, after which LUN is given without. */
static bool is_hopeless(const struct vscsi_lun *lun)
{
	const struct device *dev = &lun->ctl->dev;

	return dev->tries >= VSCSI_LUN_TRIES &&
	       (!lun_is_connection(lun) ||
		device_waited(dev, DEVICE_CONN_S + 5));
}

static void luns_resumed(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);
	struct vscsi_lun *bad = NULL;

	for (size_t i = 0; i < ctl->nluns; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		if (lun->given || !(lun->added || lun_in_use(lun)))
			continue;
		if (is_hopeless(lun))
			lose_lun(lun);
		else
			bad = lun;
	}
	if (dev->rc || bad)
		device_restored(dev, dev->rc ? dev->rc : bad->rc,
				dev->rc ? dev->why : bad->error);
	else
		resume_ring(ctl);
}

static void on_lun_resumed(void *ctx, int rc, const struct proto_msg *reply)
{
	struct vscsi_lun *lun = ctx;
	struct device *dev = &lun->ctl->dev;

	lun->rc = rc;
	lun->given = !rc;
	if (!rc) {
		lun->added = true;
		lun->error[0] = '\0';
	} else if (reply)
		snprintf(lun->error, sizeof(lun->error), "%s: %s", reply->text,
			 strerror(-rc));
	else
		dev->rc = rc; /* the worker is lost, not this LUN */
	device_end(dev);
}

static void resume_lun(struct vscsi_lun *lun)
{
	int fds[PROTO_FDS_MAX];
	struct proto_msg msg;

	lun->rc = lun_again(lun, &msg, fds);
	if (!lun->rc)
		lun->rc = link_call(lun->ctl->dev.guest->link, &msg, fds,
				    PROTO_FDS_MAX, on_lun_resumed, lun);
	if (!lun->rc)
		lun->ctl->dev.calls++;
}

/* Of all disks once, so that they are waited for once. */
static void look_at_disks(struct vscsi *ctl)
{
	const struct timespec pause = {.tv_nsec = LUN_LOOK_NS};
	bool any = false;

	for (size_t i = 0; i < ctl->nluns; i++)
		any |= !ctl->luns[i]->given && lun_look(ctl->luns[i]);
	if (any)
		nanosleep(&pause, NULL);
}

static void restore(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);
	const struct proto_msg *item;
	struct proto_addr addr;

	look_at_disks(ctl);
	device_begin(dev, luns_resumed);
	for (size_t i = 0; i < ctl->nluns; i++) {
		struct vscsi_lun *lun = ctl->luns[i];

		if (lun->given || !(lun->added || lun_in_use(lun)) ||
		    lun_place(lun))
			continue;
		addr = lun_proto_addr(lun);
		item = device_item_of(dev, PROTO_LUN_ADD, &addr, 0);
		if (item)
			lun_take_over(lun, item);
		else
			resume_lun(lun);
	}
	/* What an earlier xenpvd has added, and nobody knows of any more. */
	while ((item = device_item_left(dev, PROTO_LUN_ADD))) {
		struct proto_msg msg = {.type = PROTO_LUN_DEL,
					.addr = item->addr};

		device_ask(dev, &msg, NULL, 0);
	}
	device_end(dev);
}

/* Of the worker that has died. */
static void detached(struct device *dev)
{
	struct vscsi *ctl = vscsi_of(dev);

	for (size_t i = 0; i < ctl->nluns; i++)
		ctl->luns[i]->given = false;
}

/* ---------------------------------------------------------------- writing */

static void add_lun_writes(struct device_writes *w, const struct device *dev,
			   const struct vscsi_lun *lun)
{
	char state[48], error[48];

	snprintf(state, sizeof(state), "vscsi-devs/dev-%" PRIu32 "/state",
		 lun->number);
	snprintf(error, sizeof(error), "vscsi-devs/dev-%" PRIu32 "/error",
		 lun->number);
	if (lun->next != lun->state) {
		/* A state that we act on was a number that we understood. */
		device_add_number(w, dev, STORE_OP_EXPECT, state, lun->state);
		device_add_number(w, dev, STORE_OP_WRITE, state, lun->next);
		if (lun->error[0] && lun->next == WIRE_BUS_CLOSED)
			device_add_write(w, dev, STORE_OP_WRITE, error,
					 lun->error);
	}
	if (lun->added && lun->error_node)
		device_add_write(w, dev, STORE_OP_RM, error, NULL);
	if (lun->change)
		lun_medium_writes(lun, w);
}

/* A controller has no node for it; its LUNs do. */
static void add_reason(struct device_writes *w, const struct vscsi *ctl)
{
	char error[48];

	for (size_t i = 0; i < ctl->nluns; i++) {
		if (!ctl->luns[i]->present || ctl->luns[i]->error_node)
			continue;
		snprintf(error, sizeof(error),
			 "vscsi-devs/dev-%" PRIu32 "/error",
			 ctl->luns[i]->number);
		device_add_write(w, &ctl->dev, STORE_OP_WRITE, error,
				 ctl->dev.reason);
	}
}

/* States that are expected and written, an error that is written or removed, and
 * a reason. */
#define LUN_WRITES 4

static size_t writes_max(const struct device *dev)
{
	/* and what is announced */
	return (LUN_WRITES + LUN_MEDIUM_WRITES) * vscsi_of_const(dev)->nluns +
	       1 + vscsi_host_writes_max(vscsi_of_const(dev));
}

static void add_writes(const struct device *dev, struct device_writes *w)
{
	const struct vscsi *ctl = vscsi_of_const(dev);

	if (dev->step.action == BUS_ANNOUNCE)
		device_add_number(w, dev, STORE_OP_WRITE,
				  WIRE_BUS_SCSI_SG_GRANT, PROTO_SEGS_MAX);
	if (dev->step.action == BUS_DISCONNECT)
		return;
	if (dev->reason[0])
		add_reason(w, ctl);
	for (size_t i = 0; i < ctl->nluns; i++)
		if (ctl->luns[i]->present)
			add_lun_writes(w, dev, ctl->luns[i]);
	vscsi_host_writes(ctl, w);
}

/* ----------------------------------------------------------------- status */

static void ask_stats(struct device *dev)
{
	device_ask_stats(dev, 0);
}

static json_t *lun_json(const struct vscsi_lun *lun)
{
	char naa[24];

	snprintf(naa, sizeof(naa), "%016" PRIx64, lun->naa);
	return json_pack(
		"{si so si so sI ss sb sb sb so}", "dev", (int)lun->number,
		"vdev", ctl_text(lun->vdev ? lun->vdev : ""), "state",
		(int)lun->state, "pdev", ctl_text(lun->pname ? lun->pname : ""),
		"size", (json_int_t)lun->size, "naa", naa, "read_only",
		lun->read_only, "shared", lun->claim.shared, "serving",
		lun->added, "error", ctl_text(lun->error));
}

static void describe(const struct device *dev, json_t *object)
{
	const struct vscsi *ctl = vscsi_of_const(dev);
	json_t *luns = json_array();

	for (size_t i = 0; i < ctl->nluns; i++)
		json_array_append_new(luns, lun_json(ctl->luns[i]));
	json_object_set_new(object, "luns", luns);
}

static void clean(struct device *dev)
{
	forget_luns(vscsi_of(dev), true);
	vscsi_host_clean(vscsi_of(dev));
}

/* Nobody here asks for them: the states are read by themselves. */
static const char *const back_skip[] = {
	"frontend", "frontend-id", "state", "feature-*", NULL,
};
static const char *const front_skip[] = {
	"backend",
	"backend-id",
	"state",
	NULL,
};

const struct device_class vscsi_class = {
	.word = "scsi",
	.dir = "backend/xenpv-vscsi",
	.front = "vscsi",
	.number = PROTO_CLASS_SCSI,
	.id_end = UINT16_MAX + 1u,
	.size = sizeof(struct vscsi),
	.limits = {.max_nodes = VSCSI_FRONT_NODES,
		   .max_depth = 3,
		   .max_bytes = VSCSI_FRONT_BYTES,
		   .skip = front_skip},
	.skip = back_skip,
	.read = read_luns,
	.ring = ring_id_read,
	.step = bus_back_step,
	.run = run_luns,
	.take_up = take_up,
	.restore = restore,
	.detached = detached,
	.forget = ask_forget,
	.forgotten = forgotten,
	.writes_max = writes_max,
	.writes = add_writes,
	.stats = ask_stats,
	.describe = describe,
	.hotplug = true,
	.clean = clean,
};
