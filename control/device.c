/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life cycle of one device: see device.h. This file has the rounds: when
 * there is one, what it reads, and its end. What a round does is in
 * device_round.c, and in the device's class.
 */
#include "control/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/ctl.h"
#include "control/daemon.h"
#include "control/device_round.h"
#include "control/vbd.h"
#include "control/vscsi.h"
#include "host/log.h"

const struct device_class *const device_classes[] = {
	&vscsi_class,
	&vbd_class,
	NULL,
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

struct log_where device_where(const struct device *dev)
{
	struct log_where where = guest_where(dev->guest);

	where.dev = dev->name;
	return where;
}

/* ----------------------------------------------------------------- echoes */

void device_echo(struct device *dev, const char *name)
{
	size_t size = strlen(name) + 1;
	struct device_echo *echo = malloc(sizeof(*echo) + size);

	/* Without it there will be a round. */
	if (!echo)
		return;
	echo->txn = dev->txn;
	memcpy(echo->name, name, size);
	echo->next = dev->echoes;
	dev->echoes = echo;
}

static void drop_echo(struct device_echo **at)
{
	struct device_echo *echo = *at;

	*at = echo->next;
	free(echo);
}

/* The last transaction's are the first. */
void device_echo_drop(struct device *dev)
{
	while (dev->echoes && dev->echoes->txn == dev->txn)
		drop_echo(&dev->echoes);
}

void device_kick_own(struct device *dev, const char *name)
{
	struct device_echo **at = &dev->echoes;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if (*at)
		drop_echo(at);
	else
		device_kick(dev);
}

/* ------------------------------------------------------- what stands there */

static int read_facts(struct device *dev)
{
	struct bus_facts *facts = &dev->facts;
	const char *text = dev->own_text;
	struct ring_id ring;

	facts->own = text ? bus_state_parse(text, strlen(text)) : 0;
	facts->online = tree_is(dev->back, WIRE_BUS_ONLINE, "1");
	/* A frontend whose nodes exceed all bounds is one in no known state:
	 * the device is closed. */
	facts->front = dev->front ? dev->front_state : UINT32_MAX;
	facts->front_gone = dev->guest->gone || (dev->front && !dev->front->n);
	/* It comes back after its device was closed, or the toolstack has made
	 * it anew, for which what workers die of waits: begin anew. */
	if ((bus_back_forgives(facts) && !dev->quarantined) ||
	    (facts->failed && facts->own == WIRE_BUS_INITIALISING &&
	     facts->front == WIRE_BUS_INITIALISING))
		facts->failed = dev->broken = dev->quarantined = false;
	if (!dev->front) {
		dev->front = tree_new();
		if (!dev->front)
			return -ENOMEM;
	}
	if (!facts->failed)
		dev->reason[0] = '\0';
	ring = dev->class->ring(dev->front);
	facts->ring_changed =
		ring_id_changed(&dev->rings, facts->connected, &ring);
	dev->known = true;
	return dev->class->read(dev);
}

/* ----------------------------------------------------------------- rounds */

static int on_start(sd_event_source *s, uint64_t usec, void *ctx);

/* Count a round of GUEST at NOW; how long it has to wait for it, us. */
static uint64_t guest_pace(struct guest *guest, uint64_t now)
{
	uint64_t earned = (now - guest->rounds_us) / GUEST_PACE_US;

	if (earned >= guest->rounds) {
		guest->rounds = 0;
		guest->rounds_us = now;
	} else {
		guest->rounds -= (uint32_t)earned;
		guest->rounds_us += earned * GUEST_PACE_US;
	}
	guest->rounds++;
	return guest->rounds <= GUEST_ROUNDS
		       ? 0
		       : (guest->rounds - GUEST_ROUNDS) * GUEST_PACE_US;
}

static void schedule(struct device *dev, uint64_t delay_us)
{
	uint64_t now = now_us(), earliest = dev->started_us + DEVICE_PACE_US;
	uint64_t wait = guest_pace(dev->guest, now);

	if (earliest > now + delay_us)
		delay_us = earliest - now;
	if (wait > delay_us)
		delay_us = wait;
	/* A restored device may have one to come from before. */
	dev->start = sd_event_source_disable_unref(dev->start);
	(void)sd_event_add_time_relative(dev->guest->daemon->event, &dev->start,
					 CLOCK_MONOTONIC, delay_us, 1, on_start,
					 dev);
}

static void drop_trees(struct device *dev)
{
	tree_free(dev->back);
	tree_free(dev->front);
	dev->back = dev->front = NULL;
	free(dev->own_text);
	dev->own_text = NULL;
}

/* Their journals stay. */
static void close_rings(struct device *dev)
{
	for (unsigned int i = 0; i < dev->nrings; i++) {
		if (dev->ring[i].journal >= 0)
			close(dev->ring[i].journal);
		free(dev->ring[i].open);
	}
}

static void destroy(struct device *dev)
{
	struct guest *guest = dev->guest;

	TAILQ_REMOVE(&guest->devices, dev, entry);
	guest->ndevices--;
	if (guest->daemon->store)
		store_unwatch(guest->daemon->store, dev->watch);
	sd_event_source_disable_unref(dev->start);
	drop_trees(dev);
	device_drop_items(dev);
	while (dev->echoes)
		drop_echo(&dev->echoes);
	dev->class->clean(dev);
	close_rings(dev);
	free(dev);
}

void device_round_end(struct device *dev, uint64_t retry_us)
{
	struct guest *guest = dev->guest;

	drop_trees(dev);
	dev->busy = false;
	/* Made anew, perhaps, after we had read that it is gone. */
	if ((dev->dirty || dev->settle) && !dev->leave)
		dev->ended = false;
	if (dev->ended) {
		/* The answer to PROTO_STATS still points here. */
		if (!dev->stats_asked) {
			destroy(dev);
			guest_put(guest);
		}
		return;
	}
	if (!dev->dirty && dev->settle &&
	    (!retry_us || retry_us > DEVICE_SETTLE_US))
		retry_us = DEVICE_SETTLE_US;
	if (dev->dirty || retry_us)
		schedule(dev, dev->dirty ? 0 : retry_us);
}

/* One answer less to wait for; with the last one there is something to decide. */
static void reading_step(struct device *dev, const char *which, int err)
{
	struct log_where where = device_where(dev);

	if (err && !dev->read_err) {
		dev->read_err = err;
		dev->read_which = which;
	}
	if (--dev->reads)
		return;
	if (!dev->read_err)
		dev->read_err = read_facts(dev);
	if (!dev->read_err) {
		device_decide(dev);
		return;
	}
	/* Or the daemon ends. */
	if (dev->read_err == -ECANCELED || dev->read_err == -ECONNRESET ||
	    dev->read_err == -ENOTCONN)
		return;
	log_limited(&dev->guest->rate, LOG_ERR, &where,
		    "cannot read the %s's nodes: %s", dev->read_which,
		    strerror(-dev->read_err));
	device_round_end(dev, DEVICE_RETRY_US);
}

static void on_own_state(struct store *st, const struct store_reply *rsp,
			 void *ctx)
{
	struct device *dev = ctx;
	int rc = rsp->err == -ENOENT ? 0 : rsp->err;

	(void)st;
	if (!rsp->err) {
		dev->own_text = strdup(rsp->value);
		rc = dev->own_text ? 0 : -ENOMEM;
	}
	reading_step(dev, "backend", rc);
}

static void on_back(struct store *st, int err, struct store_tree *tree,
		    void *ctx)
{
	struct device *dev = ctx;

	(void)st;
	dev->back = tree;
	reading_step(dev, "backend", err);
}

static void on_front_state(struct store *st, const struct store_reply *rsp,
			   void *ctx)
{
	struct device *dev = ctx;
	int rc = rsp->err;

	(void)st;
	dev->front_state = rc ? 0 : bus_state_parse(rsp->value, rsp->len);
	/* What may not be read is not there, as in a snapshot. */
	if (rc == -ENOENT || rc == -EACCES)
		rc = 0;
	reading_step(dev, "frontend", rc);
}

static void on_front(struct store *st, int err, struct store_tree *tree,
		     void *ctx)
{
	struct device *dev = ctx;
	struct log_where where = device_where(dev);

	(void)st;
	dev->front = tree;
	/* In a driver domain, where nothing else of the guest may be read. */
	if (err == -EACCES) {
		dev->front = tree_new();
		err = dev->front ? 0 : -ENOMEM;
	}
	if (err == -EOVERFLOW)
		log_limited(
			&dev->guest->rate, LOG_WARNING, &where,
			"the guest has more nodes at its end than a device can have; it is closed");
	reading_step(dev, "frontend", err == -EOVERFLOW ? 0 : err);
}

static void front_path(const struct device *dev, const char *name, char *path,
		       size_t len)
{
	snprintf(path, len,
		 "/local/domain/%" PRIu32 "/device/%s/%" PRIu32 "%s%s",
		 dev->guest->domid, dev->class->front, dev->id,
		 name[0] ? "/" : "", name);
}

/* A request that returned RC: no answer comes to one that failed. */
static void not_asked(struct device *dev, int rc)
{
	if (rc)
		reading_step(dev, "device", rc);
}

/* Both ends at once, of each the state first: xenstored answers in the order in
 * which it is asked. */
static void begin_reading(struct device *dev)
{
	struct store_limits back_limits = store_limits_default;
	struct store *st = dev->guest->daemon->store;
	char path[96];

	back_limits.skip = dev->class->skip;
	dev->read_err = 0;
	dev->read_which = "device";
	dev->reads = 5; /* the last one is ours */
	device_path(dev, WIRE_BUS_STATE, path, sizeof(path));
	not_asked(dev, store_read(st, 0, path, on_own_state, dev));
	device_path(dev, "", path, sizeof(path));
	not_asked(dev, store_snapshot(st, 0, path, &back_limits, on_back, dev));
	front_path(dev, WIRE_BUS_STATE, path, sizeof(path));
	not_asked(dev, store_read(st, 0, path, on_front_state, dev));
	front_path(dev, "", path, sizeof(path));
	not_asked(dev, store_snapshot(st, 0, path, &dev->class->limits,
				      on_front, dev));
	reading_step(dev, "device", 0);
}

static int on_start(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct device *dev = ctx;

	(void)s;
	(void)usec;
	dev->start = sd_event_source_disable_unref(dev->start);
	/* It is being restored; the round comes after that. */
	if (dev->busy) {
		dev->dirty = true;
		return 0;
	}
	/* Kicked again when they are known. */
	if (!dev->guest->known && !dev->guest->gone)
		return 0;
	dev->busy = true;
	dev->dirty = dev->settle = false;
	dev->rc = 0;
	dev->started_us = now_us();
	device_look(dev, begin_reading);
	return 0;
}

void device_kick(struct device *dev)
{
	dev->dirty = true;
	if (dev->busy || dev->ended)
		return;
	/* What can wait does not make this wait. */
	if (dev->start && dev->settle)
		dev->start = sd_event_source_disable_unref(dev->start);
	dev->settle = false;
	if (!dev->start)
		schedule(dev, 0);
}

/* -------------------------------------------------------------- beginning */

/*
 * Of what the guest writes, its states are what we go by: a frontend writes its
 * ring's nodes, and says so by its state. What is not below its directory is about
 * all of it.
 */
static bool is_news(const struct device *dev, const char *path)
{
	const char *name = strrchr(path, '/');
	char dir[96];
	size_t len;

	front_path(dev, "", dir, sizeof(dir));
	len = strlen(dir);
	return strncmp(path, dir, len) != 0 || path[len] != '/' ||
	       !strcmp(name + 1, WIRE_BUS_STATE);
}

static void on_change(struct store *st, int err, const char *path, void *ctx)
{
	struct device *dev = ctx;
	struct log_where where = device_where(dev);

	(void)st;
	if (err) {
		log_line(LOG_ERR, &where,
			 "xenstore refuses to watch the frontend: %s",
			 strerror(-err));
		return;
	}
	/* A watch fires at once, and the first round is after that. */
	if (!dev->watching)
		dev->watching = true;
	else if (is_news(dev, path))
		device_kick(dev);
}

int device_new(struct guest *guest, const struct device_class *class,
	       uint32_t id)
{
	struct device *dev;
	char path[96];
	int rc;

	if (guest->ndevices == GUEST_DEVICES_MAX)
		return -ENOSPC;
	dev = calloc(1, class->size);
	if (!dev)
		return -ENOMEM;
	dev->class = class;
	dev->guest = guest;
	dev->id = id;
	snprintf(dev->name, sizeof(dev->name), "%s/%" PRIu32, class->word, id);
	front_path(dev, "", path, sizeof(path));
	rc = store_watch(guest->daemon->store, path, 3, on_change, dev,
			 &dev->watch);
	if (rc) {
		free(dev);
		return rc;
	}
	TAILQ_INSERT_TAIL(&guest->devices, dev, entry);
	guest->ndevices++;
	device_kick(dev);
	return 0;
}

void device_free(struct device *dev)
{
	destroy(dev);
}

/* ----------------------------------------------------------------- events */

void device_leave(struct device *dev, bool force)
{
	struct log_where where = device_where(dev);

	if (!dev->leave && dev->facts.connected)
		log_line(
			LOG_WARNING, &where,
			"the guest loses this device because xenpvd stops; attach it again after the next start");
	dev->leave = true;
	dev->force = force;
	device_kick(dev);
}

void device_broken(struct device *dev, const char *text)
{
	struct log_where where = device_where(dev);

	log_limited(
		&dev->guest->rate, LOG_WARNING, &where,
		"the guest broke the ring's rules: %s; the device is closed",
		text);
	dev->broken = true;
	snprintf(dev->reason, sizeof(dev->reason),
		 "the guest broke the ring's rules; see xenpvd's log");
	dev->facts.failed = true;
	device_kick(dev);
}

static void add_stats(struct proto_stats *sum, const struct proto_stats *one)
{
	sum->requests += one->requests;
	sum->responses += one->responses;
	sum->guest_errors += one->guest_errors;
	sum->errors += one->errors;
	sum->read_ops += one->read_ops;
	sum->read_bytes += one->read_bytes;
	sum->write_ops += one->write_ops;
	sum->write_bytes += one->write_bytes;
	sum->wakeups += one->wakeups;
	sum->notifies += one->notifies;
	sum->copies += one->copies;
	sum->latency_ns += one->latency_ns;
	for (size_t i = 0; i < PROTO_LATENCY_STEPS; i++)
		sum->latency[i] += one->latency[i];
	sum->inflight += one->inflight;
	sum->mapped += one->mapped;
}

static void on_stats(void *ctx, int rc, const struct proto_msg *reply)
{
	struct device *dev = ctx;
	struct guest *guest = dev->guest;
	struct daemon *daemon = guest->daemon;

	dev->stats_asked--;
	if (!rc && reply)
		add_stats(&dev->stats_sum, &reply->u.stats);
	if (!dev->stats_asked && dev->facts.connected)
		dev->stats = dev->stats_sum;
	if (!dev->stats_asked && dev->ended && !dev->busy) {
		destroy(dev);
		guest_put(guest);
	}
	if (!--daemon->stats_pending)
		ctl_stats_done(daemon->ctl);
}

void device_ask_stats(struct device *dev, uint16_t queue)
{
	struct proto_msg msg = {.type = PROTO_STATS, .queue = queue};

	device_message(dev, &msg);
	if (link_call(dev->guest->link, &msg, NULL, 0, on_stats, dev))
		return;
	dev->stats_asked++;
	dev->guest->daemon->stats_pending++;
}

void device_stats(struct device *dev)
{
	if (!dev->attached || dev->stats_asked || !dev->guest->usable)
		return;
	memset(&dev->stats_sum, 0, sizeof(dev->stats_sum));
	dev->class->stats(dev);
}
