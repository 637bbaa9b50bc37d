/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life cycle of one PVSCSI controller: see vscsi.h. This file has the
 * rounds: when there is one, what it reads, and its end. What a round does is in
 * vscsi_round.c.
 */
#include "control/vscsi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/ctl.h"
#include "control/daemon.h"
#include "control/vscsi_round.h"
#include "host/log.h"

/* After an error that is nobody's fault in particular. */
#define RETRY_US 1000000u

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

struct log_where vscsi_where(const struct vscsi *dev)
{
	struct log_where where = guest_where(dev->guest);

	where.dev = dev->dev;
	return where;
}

/* ------------------------------------------------------- what stands there */

static void forget_luns(struct vscsi *dev, bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < dev->nluns; i++) {
		struct vscsi_lun *lun = dev->luns[i];

		if (all || (!lun->present && !lun->naa))
			lun_free(lun);
		else
			dev->luns[n++] = lun;
	}
	dev->nluns = n;
}

static struct vscsi_lun *lun_get(struct vscsi *dev, uint32_t number)
{
	struct log_where where = vscsi_where(dev);

	for (size_t i = 0; i < dev->nluns; i++)
		if (dev->luns[i]->number == number)
			return dev->luns[i];
	if (dev->nluns == VSCSI_LUNS_MAX) {
		log_limited(&dev->guest->rate, LOG_ERR, &where,
			    "dev-%" PRIu32
			    " is left out: a controller has at most %d LUNs",
			    number, VSCSI_LUNS_MAX);
		return NULL;
	}
	dev->luns[dev->nluns] = lun_new(dev, number);
	return dev->luns[dev->nluns] ? dev->luns[dev->nluns++] : NULL;
}

static int read_luns(struct vscsi *dev)
{
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
		if (vscsi_number(name + len, &number))
			(void)lun_get(dev, number);
	}
	for (size_t i = 0; i < dev->nluns; i++) {
		rc = lun_read(dev->luns[i], dev->back, dev->front);
		if (rc)
			return rc;
	}
	forget_luns(dev, false);
	return 0;
}

static int read_facts(struct vscsi *dev)
{
	struct bus_facts *facts = &dev->facts;
	const char *text = dev->own_text;
	struct vscsi_ring ring;

	facts->own = text ? bus_state_parse(text, strlen(text)) : 0;
	facts->online = tree_is(dev->back, WIRE_BUS_ONLINE, "1");
	/* A frontend whose nodes exceed all bounds is one in no known state:
	 * the device is closed. */
	facts->front = dev->front ? dev->front_state : UINT32_MAX;
	facts->front_gone = dev->guest->gone || (dev->front && !dev->front->n);
	/* It comes back after its device was closed: begin anew. */
	if (facts->failed && facts->front == WIRE_BUS_INITIALISING &&
	    (facts->own == WIRE_BUS_CLOSED ||
	     facts->own == WIRE_BUS_INITIALISING))
		facts->failed = dev->died = dev->broken = false;
	if (!dev->front) {
		dev->front = tree_new();
		if (!dev->front)
			return -ENOMEM;
	}
	ring = vscsi_ring_read(dev->front);
	facts->ring_changed =
		vscsi_ring_changed(&dev->rings, facts->connected, &ring);
	return read_luns(dev);
}

/* ----------------------------------------------------------------- rounds */

static int on_start(sd_event_source *s, uint64_t usec, void *ctx);

static void schedule(struct vscsi *dev, uint64_t delay_us)
{
	uint64_t now = now_us(), earliest = dev->started_us + VSCSI_PACE_US;

	if (earliest > now + delay_us)
		delay_us = earliest - now;
	(void)sd_event_add_time_relative(dev->guest->daemon->event, &dev->start,
					 CLOCK_MONOTONIC, delay_us, 1, on_start,
					 dev);
}

static void drop_trees(struct vscsi *dev)
{
	tree_free(dev->back);
	tree_free(dev->front);
	dev->back = dev->front = NULL;
	free(dev->own_text);
	dev->own_text = NULL;
}

static void destroy(struct vscsi *dev)
{
	struct guest *guest = dev->guest;

	TAILQ_REMOVE(&guest->devices, dev, entry);
	guest->ndevices--;
	if (guest->daemon->store)
		store_unwatch(guest->daemon->store, dev->watch);
	sd_event_source_disable_unref(dev->start);
	drop_trees(dev);
	forget_luns(dev, true);
	free(dev);
}

void vscsi_round_end(struct vscsi *dev, uint64_t retry_us)
{
	struct guest *guest = dev->guest;

	drop_trees(dev);
	dev->busy = false;
	/* Made anew, perhaps, after we had read that it is gone. */
	if (dev->dirty && !dev->leave)
		dev->ended = false;
	if (dev->ended) {
		/* The answer to PROTO_STATS still points here. */
		if (!dev->stats_asked) {
			destroy(dev);
			guest_put(guest);
		}
		return;
	}
	if (dev->dirty || retry_us)
		schedule(dev, dev->dirty ? 0 : retry_us);
}

/* A snapshot could not be taken; true: the daemon ends, do nothing. */
static bool snapshot_failed(struct vscsi *dev, int err, const char *which)
{
	struct log_where where = vscsi_where(dev);

	if (err == -ECANCELED || err == -ECONNRESET || err == -ENOTCONN)
		return true;
	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot read the %s's nodes: %s", which, strerror(-err));
	vscsi_round_end(dev, RETRY_US);
	return true;
}

static void on_front(struct store *st, int err, struct store_tree *tree,
		     void *ctx)
{
	struct vscsi *dev = ctx;
	struct log_where where = vscsi_where(dev);
	int rc;

	(void)st;
	if (err == -EOVERFLOW) {
		log_limited(
			&dev->guest->rate, LOG_WARNING, &where,
			"the guest has more nodes at its end than a device can have; it is closed");
	} else if (err) {
		(void)snapshot_failed(dev, err, "frontend");
		return;
	}
	dev->front = tree;
	rc = read_facts(dev);
	if (rc)
		(void)snapshot_failed(dev, rc, "device");
	else
		vscsi_decide(dev);
}

static void front_path(const struct vscsi *dev, const char *name, char *path,
		       size_t len)
{
	snprintf(path, len,
		 "/local/domain/%" PRIu32 "/device/vscsi/%" PRIu32 "%s%s",
		 dev->guest->domid, dev->controller, name[0] ? "/" : "", name);
}

static void on_front_state(struct store *st, const struct store_reply *rsp,
			   void *ctx)
{
	static const struct store_limits limits = {
		.max_nodes = VSCSI_FRONT_NODES,
		.max_depth = 3,
		.max_bytes = VSCSI_FRONT_BYTES,
	};
	struct vscsi *dev = ctx;
	char path[96];
	int rc = rsp->err;

	dev->front_state = rc ? 0 : bus_state_parse(rsp->value, rsp->len);
	/* What may not be read is not there, as in a snapshot. */
	if (rc == -ENOENT || rc == -EACCES)
		rc = 0;
	front_path(dev, "", path, sizeof(path));
	if (!rc)
		rc = store_snapshot(st, 0, path, &limits, on_front, dev);
	if (rc)
		(void)snapshot_failed(dev, rc, "frontend");
}

static void on_back(struct store *st, int err, struct store_tree *tree,
		    void *ctx)
{
	struct vscsi *dev = ctx;
	char path[96];
	int rc;

	if (err) {
		(void)snapshot_failed(dev, err, "backend");
		return;
	}
	dev->back = tree;
	front_path(dev, WIRE_BUS_STATE, path, sizeof(path));
	rc = store_read(st, 0, path, on_front_state, dev);
	if (rc)
		(void)snapshot_failed(dev, rc, "frontend");
}

static void on_own_state(struct store *st, const struct store_reply *rsp,
			 void *ctx)
{
	struct vscsi *dev = ctx;
	char path[64];
	int rc = rsp->err == -ENOENT ? 0 : rsp->err;

	if (!rsp->err) {
		dev->own_text = strdup(rsp->value);
		rc = dev->own_text ? 0 : -ENOMEM;
	}
	vscsi_path(dev, "", path, sizeof(path));
	if (!rc)
		rc = store_snapshot(st, 0, path, NULL, on_back, dev);
	if (rc)
		(void)snapshot_failed(dev, rc, "backend");
}

static int on_start(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct vscsi *dev = ctx;
	char path[64];
	int rc;

	(void)s;
	(void)usec;
	dev->start = sd_event_source_disable_unref(dev->start);
	/* Kicked again when they are known. */
	if (!dev->guest->known && !dev->guest->gone)
		return 0;
	dev->busy = true;
	dev->dirty = false;
	dev->started_us = now_us();
	vscsi_path(dev, WIRE_BUS_STATE, path, sizeof(path));
	rc = store_read(dev->guest->daemon->store, 0, path, on_own_state, dev);
	if (rc)
		(void)snapshot_failed(dev, rc, "backend");
	return 0;
}

void vscsi_kick(struct vscsi *dev)
{
	dev->dirty = true;
	if (!dev->busy && !dev->start && !dev->ended)
		schedule(dev, 0);
}

/* -------------------------------------------------------------- beginning */

static void on_change(struct store *st, int err, const char *path, void *ctx)
{
	struct vscsi *dev = ctx;
	struct log_where where = vscsi_where(dev);

	(void)st;
	(void)path;
	if (err)
		log_line(LOG_ERR, &where,
			 "xenstore refuses to watch the frontend: %s",
			 strerror(-err));
	else
		vscsi_kick(dev);
}

int vscsi_new(struct guest *guest, uint32_t controller)
{
	struct vscsi *dev;
	char path[96];
	int rc;

	if (guest->ndevices == GUEST_DEVICES_MAX)
		return -ENOSPC;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->guest = guest;
	dev->controller = controller;
	snprintf(dev->dev, sizeof(dev->dev), "scsi/%" PRIu32, controller);
	front_path(dev, "", path, sizeof(path));
	rc = store_watch(guest->daemon->store, path, 3, on_change, dev,
			 &dev->watch);
	if (rc) {
		free(dev);
		return rc;
	}
	TAILQ_INSERT_TAIL(&guest->devices, dev, entry);
	guest->ndevices++;
	vscsi_kick(dev);
	return 0;
}

void vscsi_free(struct vscsi *dev)
{
	destroy(dev);
}

/* ----------------------------------------------------------------- events */

void vscsi_leave(struct vscsi *dev, bool force)
{
	struct log_where where = vscsi_where(dev);

	if (!dev->leave && dev->facts.connected)
		log_line(
			LOG_WARNING, &where,
			"the guest loses this device because xenpvd stops; attach it again after the next start");
	dev->leave = true;
	dev->force = force;
	vscsi_kick(dev);
}

void vscsi_broken(struct vscsi *dev, const char *text)
{
	struct log_where where = vscsi_where(dev);

	log_limited(
		&dev->guest->rate, LOG_WARNING, &where,
		"the guest broke the ring's rules: %s; the device is closed",
		text);
	dev->broken = true;
	dev->facts.failed = true;
	vscsi_kick(dev);
}

void vscsi_worker_died(struct vscsi *dev)
{
	struct log_where where = vscsi_where(dev);

	if (dev->facts.connected) {
		log_line(
			LOG_ERR, &where,
			"the device is closed because its worker died; attach it again");
		dev->died = true;
		dev->facts.failed = true;
		dev->facts.connected = false;
	}
	for (size_t i = 0; i < dev->nluns; i++)
		lun_release(dev->luns[i]);
	vscsi_kick(dev);
}

static void on_stats(void *ctx, int rc, const struct proto_msg *reply)
{
	struct vscsi *dev = ctx;
	struct guest *guest = dev->guest;
	struct daemon *daemon = guest->daemon;

	dev->stats_asked = false;
	if (!rc && reply)
		dev->stats = reply->u.stats;
	if (dev->ended && !dev->busy) {
		destroy(dev);
		guest_put(guest);
	}
	if (!--daemon->stats_pending)
		ctl_stats_done(daemon->ctl);
}

void vscsi_ask_stats(struct vscsi *dev)
{
	struct proto_msg msg = {.type = PROTO_STATS,
				.controller = dev->controller};

	if (!dev->facts.connected || dev->stats_asked || !dev->guest->usable)
		return;
	if (link_call(dev->guest->link, &msg, NULL, 0, on_stats, dev))
		return;
	dev->stats_asked = true;
	dev->guest->daemon->stats_pending++;
}
