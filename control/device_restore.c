/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that outlive their worker, and us: their rings' journals, what an
 * earlier xenpvd has left of them, and how they are given to a worker again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device_round.h"
#include "control/guest_worker.h"
#include "control/rundir.h"
#include "host/log.h"
#include "worker/journal_file.h"

/* Before it is tried again, the first time. */
#define AGAIN_US 5000u

#define USEC_PER_S 1000000ull

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_S + (uint64_t)ts.tv_nsec / 1000u;
}

bool device_is_down(const struct device *dev)
{
	return dev->facts.connected && !dev->attached;
}

bool device_waited(const struct device *dev, unsigned int seconds)
{
	return dev->tries && now_us() - dev->tries_us >= seconds * USEC_PER_S;
}

/* ----------------------------------------------------------------- rings */

static void add_flags(struct proto_msg *msg, uint32_t flags)
{
	if (msg->type == PROTO_BLK_OPEN)
		msg->u.blk.flags |= flags;
	else
		msg->u.ring.flags |= flags;
}

/* Each worker gets the journal by a description of its own: the lock on it ends
 * with that. */
static void ask(struct device *dev, unsigned int n, struct proto_msg *msg,
		int storage)
{
	int fds[2] = {storage, -1};

	if (!dev->rc && dev->ring[n].journal >= 0)
		fds[1] = rundir_journal_open(dev->ring[n].journal);
	if (fds[1] < 0 && !dev->rc) {
		dev->rc = dev->ring[n].journal < 0 ? dev->ring[n].journal
						   : fds[1];
		snprintf(dev->why, sizeof(dev->why), "its journal: %s",
			 strerror(-dev->rc));
	}
	add_flags(msg, PROTO_RING_JOURNAL);
	device_ask(dev, msg, fds, 2);
}

void device_ask_ring(struct device *dev, unsigned int n, struct proto_msg *msg,
		     int storage)
{
	struct device_ring *ring = &dev->ring[n];

	XPV_ASSERT(n == dev->nrings && n < DEVICE_RINGS_MAX);
	*ring = (struct device_ring){
		.journal = rundir_journal_make(dev->guest->dir,
					       dev->class->word, dev->id, n)};
	dev->nrings = n + 1;
	ask(dev, n, msg, storage);
}

void device_resume_ring(struct device *dev, unsigned int n,
			struct proto_msg *msg, int storage)
{
	add_flags(msg, PROTO_RING_RECOVER);
	ask(dev, n, msg, storage);
}

static int look_at(const struct device_ring *ring, struct journal_look *look)
{
	int fd = rundir_journal_open(ring->journal), rc;

	if (fd < 0)
		return fd;
	rc = journal_file_look(fd, look);
	close(fd);
	return rc;
}

/* A journal that is that of ring N of this device? It is looked at then. */
static bool is_ours(struct device *dev, unsigned int n)
{
	struct device_ring *ring = &dev->ring[n];
	struct journal_look look;

	if (look_at(ring, &look) || look.domid != dev->guest->domid ||
	    look.open.class != dev->class->number ||
	    look.open.controller != dev->id || look.open.queue != n)
		return false;
	ring->open = malloc(sizeof(*ring->open));
	if (!ring->open)
		return false;
	*ring->open = look.open;
	ring->answered = look.answered;
	return true;
}

const struct proto_msg *device_ring_open(struct device *dev, unsigned int n)
{
	if (n < dev->nrings && (dev->ring[n].open || is_ours(dev, n)))
		return dev->ring[n].open;
	if (!dev->rc) {
		dev->rc = -EBADMSG;
		snprintf(dev->why, sizeof(dev->why),
			 "the journal of its ring cannot be read");
	}
	return NULL;
}

void device_drop_rings(struct device *dev)
{
	for (unsigned int i = 0; i < dev->nrings; i++) {
		if (dev->ring[i].journal >= 0)
			close(dev->ring[i].journal);
		free(dev->ring[i].open);
		rundir_journal_remove(dev->guest->dir, dev->class->word,
				      dev->id, i);
	}
	dev->nrings = 0;
}

/* ------------------------------------------------- what the worker has */

void device_item(struct device *dev, const struct proto_msg *msg)
{
	struct device_item *item = calloc(1, sizeof(*item));

	/* Without it the worker will say that it has it, when it is given. */
	if (!item)
		return;
	item->msg = *msg;
	item->next = dev->items;
	dev->items = item;
}

void device_drop_items(struct device *dev)
{
	struct device_item *item;

	while ((item = dev->items)) {
		dev->items = item->next;
		free(item);
	}
}

struct proto_msg *device_item_of(struct device *dev, enum proto_type type,
				 const struct proto_addr *addr,
				 unsigned int queue)
{
	struct device_item *item;

	for (item = dev->items; item; item = item->next) {
		if (item->msg.item != type || item->msg.queue != queue ||
		    (addr && memcmp(&item->msg.addr, addr, sizeof(*addr))))
			continue;
		item->taken = true;
		if (item->msg.rc == -EPROTO)
			device_broken(dev, "while no xenpvd was there");
		return &item->msg;
	}
	return NULL;
}

struct proto_msg *device_item_left(struct device *dev, enum proto_type type)
{
	struct device_item *item;

	for (item = dev->items; item; item = item->next) {
		if (item->msg.item != type || item->taken)
			continue;
		item->taken = true;
		return &item->msg;
	}
	return NULL;
}

/* --------------------------------------------- left by an earlier xenpvd */

static void take_up(struct device *dev)
{
	struct log_where where = device_where(dev);
	bool ours = true;

	for (unsigned int i = 0; i < dev->nrings; i++)
		ours = ours && is_ours(dev, i);
	if (!ours) {
		log_line(
			LOG_WARNING, &where,
			"a journal that an earlier xenpvd has left cannot be read; it is removed");
		device_drop_rings(dev);
		return;
	}
	for (unsigned int i = 0; i < dev->nrings; i++)
		dev->class->take_up(dev, i, dev->ring[i].open);
	dev->found = dev->facts.connected = true;
	log_line(LOG_INFO, &where, "connected by an earlier xenpvd");
}

static void find_rings(struct device *dev)
{
	int named;

	while (dev->nrings < DEVICE_RINGS_MAX) {
		named = rundir_journal_find(dev->guest->dir, dev->class->word,
					    dev->id, dev->nrings);
		if (named < 0)
			break;
		dev->ring[dev->nrings++] =
			(struct device_ring){.journal = named};
	}
}

static void on_list(void *ctx, int rc, const struct proto_msg *reply)
{
	struct device *dev = ctx;

	(void)rc; /* -ENOENT: it has nothing of it; all others will be seen */
	(void)reply;
	device_end(dev);
}

static void ask_list(struct device *dev, unsigned int queue)
{
	struct proto_msg msg = {.type = PROTO_LIST, .queue = (uint16_t)queue};

	device_message(dev, &msg);
	if (!link_call(dev->guest->link, &msg, NULL, 0, on_list, dev))
		dev->calls++;
}

static void listed(struct device *dev)
{
	if (dev->nrings)
		take_up(dev);
	dev->look_then(dev);
}

void device_look(struct device *dev, void (*then)(struct device *dev))
{
	if (dev->looked) {
		then(dev);
		return;
	}
	dev->looked = true;
	dev->look_then = then;
	if (dev->guest->dir >= 0)
		find_rings(dev);
	device_begin(dev, listed);
	for (unsigned int i = 0; i < dev->nrings; i++)
		if (dev->guest->adopted && dev->guest->usable)
			ask_list(dev, i);
	device_end(dev);
}

/* -------------------------------------------------------- given once more */

static void give(struct device *dev)
{
	struct link *link;
	int rc = -EAGAIN;

	if (guest_turn(dev->guest, dev))
		rc = guest_worker(dev->guest, &link);
	/* Told when it is time. */
	if (rc) {
		device_round_end(dev, rc == -EAGAIN ? 0 : DEVICE_RETRY_US);
		return;
	}
	dev->restoring = true;
	dev->class->restore(dev);
}

void device_restore_now(struct device *dev)
{
	give(dev);
}

void device_restore(struct device *dev)
{
	if (!device_is_down(dev) || dev->restoring || !dev->known ||
	    dev->guest->gone || dev->facts.front_gone)
		return;
	if (dev->busy) {
		dev->dirty = true;
		return;
	}
	dev->busy = true;
	give(dev);
}

/* Nobody can serve it: the guest is told. */
static void close_down(struct device *dev)
{
	struct log_where where = device_where(dev);

	log_line(LOG_ERR, &where, "the device is closed: %s", dev->reason);
	dev->facts.failed = true;
}

static void failed(struct device *dev, const char *why)
{
	struct log_where where = device_where(dev);
	uint64_t us = AGAIN_US << (dev->tries < 8 ? dev->tries : 8);

	if (!dev->tries++) {
		dev->tries_us = now_us();
		log_line(LOG_WARNING, &where,
			 "cannot be given to its new worker yet: %s", why);
	}
	if (!device_waited(dev, DEVICE_RESTORE_S)) {
		device_round_end(dev, us);
		return;
	}
	snprintf(dev->reason, sizeof(dev->reason),
		 "its worker died, and a new one cannot have it: %.100s", why);
	close_down(dev);
	dev->tries = 0;
	device_round_end(dev, 1);
}

void device_restored(struct device *dev, int rc, const char *why)
{
	struct guest *guest = dev->guest;

	dev->restoring = false;
	/* The next worker will get it; or: it takes a round. */
	if (rc == -ECONNRESET || rc == -EAGAIN) {
		device_round_end(dev, rc == -EAGAIN ? 1 : DEVICE_RETRY_US);
		return;
	}
	device_drop_items(dev);
	if (rc) {
		failed(dev, why);
		return;
	}
	dev->attached = true;
	dev->tries = 0;
	guest_restored(guest);
	/* What was done is no round: trees were read in one only. */
	if (dev->front)
		device_decide(dev);
	else
		device_round_end(dev, 0);
}

/* --------------------------------------------------------- its last worker */

/* What the journals say: had the worker got on since the last death, and was it
 * at work for this device when it died? */
static bool autopsy(struct device *dev, bool *busy)
{
	struct journal_look look;
	bool got_on = false;

	*busy = dev->restoring;
	for (unsigned int i = 0; i < dev->nrings; i++) {
		struct device_ring *ring = &dev->ring[i];

		if (ring->journal < 0 || look_at(ring, &look))
			continue;
		got_on |= look.answered != ring->answered;
		*busy |= look.busy;
		ring->answered = look.answered;
	}
	return got_on;
}

static void quarantine(struct device *dev)
{
	snprintf(
		dev->reason, sizeof(dev->reason),
		"quarantined: %u workers died at the same request of it; see xenpvd's log, and attach it again",
		dev->strikes);
	dev->quarantined = true;
	close_down(dev);
	dev->class->forgotten(dev);
	device_drop_rings(dev);
	dev->facts.connected = false;
}

bool device_worker_died(struct device *dev, bool expected)
{
	bool busy = false, got_on = false;

	dev->attached = false;
	device_drop_items(dev);
	if (dev->class->detached)
		dev->class->detached(dev);
	if (!dev->facts.connected) {
		dev->class->forgotten(dev);
		device_drop_rings(dev);
		return false;
	}
	got_on = autopsy(dev, &busy);
	dev->restoring = false;
	if (expected)
		return got_on;
	if (!busy)
		dev->strikes = 0;
	else
		dev->strikes = got_on ? 1 : dev->strikes + 1;
	if (dev->strikes >= GUEST_STRIKES)
		quarantine(dev);
	return got_on;
}
