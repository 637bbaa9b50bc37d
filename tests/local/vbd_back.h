/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block backend for tests of a frontend: core/blk_back over a local host, on
 * a disk in memory, with the nodes that a toolstack and a backend write. It runs
 * in a thread of its own, and closes as the kernel's does: it lets go of the
 * ring when the frontend is at 6, not at 5.
 */
#ifndef TEST_VBD_BACK_H
#define TEST_VBD_BACK_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/store.h"
#include "core/blk_back.h"
#include "host/host.h"
#include "wire/bus.h"

#define BACK_DISK_MAX (64u << 20)
#define BACK_UNIT     51712u

struct back_cfg {
	uint32_t order, indirect, queues; /* 0: not announced */
	uint32_t block, info;
	uint32_t features;   /* of enum blk_back_feature */
	uint32_t persistent; /* and the pages stay granted */
	uint64_t sectors;
};

/* What the test tells the thread. */
enum back_order {
	BACK_SERVE = 1,
	BACK_FREEZE, /* answer nothing */
	BACK_CLOSE,  /* answer nothing, go to 5, and stay at 6 */
	BACK_REMOVE, /* the nodes go */
	BACK_QUIT,
};

struct back {
	struct back_cfg cfg;
	char dir[128];
	uint32_t domid;
	pthread_t thread;
	atomic_uint order;
	_Atomic uint64_t resize;  /* sectors, or 0 */
	_Atomic uint64_t fail_at; /* sector of requests that fail; 0: none */
	/* what it has seen */
	atomic_uint state, conns, pages, requests, segs_most, flushes, discards,
		misdeeds, bad_nodes, events;

	/* the thread's */
	struct store *st;
	struct uring uring;
	struct host_link *link;
	struct blk_back *engine;
	void *mem;
	struct blk_back_cmd cmd[BLK_BACK_TAGS_MAX];
	uint32_t cmds;
	bool event, more, told;
	uint8_t *disk;
};

static inline void back_path(const struct back *b, bool front, const char *leaf,
			     char path[160])
{
	if (front)
		snprintf(path, 160, "/local/domain/%u/device/vbd/%u/%s",
			 b->domid, BACK_UNIT, leaf);
	else
		snprintf(path, 160, "/local/domain/0/backend/vbd/%u/%u/%s",
			 b->domid, BACK_UNIT, leaf);
}

static inline void back_write(struct back *b, bool front, const char *leaf,
			      uint64_t value)
{
	char path[160], text[24];

	back_path(b, front, leaf, path);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (store_sync_write(b->st, 0, path, text))
		abort();
}

static inline bool back_read(struct back *b, const char *leaf, uint32_t *value)
{
	char path[160], *text, *end;
	unsigned long number;

	back_path(b, true, leaf, path);
	if (store_sync_read(b->st, 0, path, &text, NULL))
		return false;
	number = strtoul(text, &end, 10);
	*value = (uint32_t)number;
	number = end == text || *end || number > UINT32_MAX || *text == '-';
	free(text);
	return !number;
}

static inline void back_state(struct back *b, uint32_t state)
{
	back_write(b, false, WIRE_BUS_STATE, state);
	b->state = state;
}

/* ------------------------------------------------------------------ engine */

static inline void back_copy(struct back *b, uint32_t gref, uint32_t offset,
			     uint32_t len, void *local, bool to_guest, bool *ok)
{
	struct host_copy c = {gref, (uint16_t)offset, (uint16_t)len, local,
			      false};

	host_local.copy(b->link, &c, 1, to_guest);
	*ok = c.ok;
}

static inline void back_submit(void *host, const struct blk_back_cmd *cmd)
{
	struct back *b = host;

	b->cmd[b->cmds++] = *cmd;
}

static inline void back_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		back_copy(host, f[i].gref, f[i].offset, f[i].len, f[i].to,
			  false, &f[i].ok);
}

static inline void back_notify(void *host)
{
	host_local.notify(((struct back *)host)->link);
}

static inline void back_trace(void *host, uint32_t event, uint64_t a,
			      uint64_t c)
{
	(void)event, (void)a, (void)c;
	((struct back *)host)->misdeeds++;
}

static const struct blk_back_ops back_ops = {
	.submit = back_submit,
	.fetch = back_fetch,
	.notify = back_notify,
	.trace = back_trace,
};

static inline int back_execute(struct back *b, const struct blk_back_cmd *c)
{
	uint8_t *at = b->disk + c->sector * 512;
	bool ok = true;

	b->requests++;
	if (c->nsegs > b->segs_most)
		b->segs_most = c->nsegs;
	if (c->act == BLK_BACK_FLUSH)
		b->flushes++;
	if (c->act == BLK_BACK_DISCARD) {
		b->discards++;
		memset(at, 0, c->count * 512);
	}
	if (b->fail_at && c->sector == b->fail_at)
		return XPV_EIO;
	for (uint32_t i = 0; i < c->nsegs && ok; i++) {
		const struct blk_back_seg *s = &c->segs[i];

		back_copy(b, s->gref, s->offset, s->len, at,
			  c->act == BLK_BACK_READ, &ok);
		at += s->len;
	}
	return ok ? 0 : XPV_EIO;
}

static inline void back_serve(struct back *b)
{
	if (!b->event && !b->more)
		return;
	b->event = false;
	if (blk_back_poll(b->engine, 1024) < 0 &&
	    b->state == WIRE_BUS_CONNECTED) {
		b->misdeeds++;
		back_state(b, WIRE_BUS_CLOSING);
	}
	for (uint32_t i = 0; i < b->cmds; i++)
		blk_back_complete(b->engine, b->cmd[i].tag,
				  back_execute(b, &b->cmd[i]));
	b->more = b->cmds > 0;
	b->cmds = 0;
	blk_back_flush(b->engine);
	if (!b->more) {
		host_local.rearm(b->link, &b->uring);
		b->more = blk_back_arm(b->engine);
	}
}

static inline void back_event(void *ctx)
{
	((struct back *)ctx)->event = true;
	((struct back *)ctx)->events++;
}

/* --------------------------------------------------------------- handshake */

static inline void back_announce(struct back *b)
{
	const struct {
		const char *leaf;
		uint32_t value;
		bool said;
	} node[] = {
		{WIRE_BLK_KEY_FLUSH, 1, b->cfg.features & BLK_BACK_F_FLUSH},
		{WIRE_BLK_KEY_BARRIER, 1, b->cfg.features & BLK_BACK_F_BARRIER},
		{WIRE_BLK_KEY_DISCARD, 1, b->cfg.features & BLK_BACK_F_DISCARD},
		{WIRE_BLK_KEY_PERSISTENT, 1, b->cfg.persistent},
		{WIRE_BLK_KEY_INDIRECT, b->cfg.indirect, b->cfg.indirect},
		{WIRE_BLK_KEY_MAX_RING_ORDER, b->cfg.order, b->cfg.order},
		{WIRE_BLK_KEY_MAX_QUEUES, b->cfg.queues, b->cfg.queues},
	};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(node); i++)
		if (node[i].said)
			back_write(b, false, node[i].leaf, node[i].value);
	back_state(b, WIRE_BUS_INIT_WAIT);
}

/* The ring as the frontend's nodes name it. */
static inline bool back_ring(struct back *b, struct host_ring *ring)
{
	char path[160], leaf[24], *text = NULL;
	uint32_t order, n = 0;
	bool good;

	*ring = (struct host_ring){.domid = b->domid, .pages = 1};
	if (back_read(b, WIRE_BLK_KEY_RING_ORDER, &order))
		ring->pages = order <= b->cfg.order ? 1u << order : 0;
	good = ring->pages &&
	       back_read(b, WIRE_BLK_KEY_EVENT_CHANNEL, &ring->port);
	if (ring->pages == 1)
		good &= back_read(b, WIRE_BLK_KEY_RING_REF, &ring->gref[0]);
	for (; ring->pages > 1 && good && n < ring->pages; n++) {
		snprintf(leaf, sizeof(leaf), WIRE_BLK_KEY_RING_REF_N, n);
		good = back_read(b, leaf, &ring->gref[n]);
	}
	/* and nothing of another connection */
	if (ring->pages > 1 && back_read(b, WIRE_BLK_KEY_RING_REF, &n))
		good = false;
	if (ring->pages == 1 && back_read(b, "ring-ref0", &n))
		good = false;
	good &= back_read(b, WIRE_BLK_KEY_QUEUES, &n) == (b->cfg.queues > 0);
	back_path(b, true, WIRE_BLK_KEY_PROTOCOL, path);
	good &= !store_sync_read(b->st, 0, path, &text, NULL) &&
		!strcmp(text, WIRE_BLK_PROTO_X86_64);
	free(text);
	return good;
}

static inline void back_attach(struct back *b)
{
	struct blk_back_cfg cfg = {
		.abi = BLK_ABI_64,
		.features = b->cfg.features,
		.indirect_max = b->cfg.indirect,
		.block_size = b->cfg.block,
		.sectors = b->cfg.sectors,
	};
	struct host_ring ring;
	const char *why;

	if (b->cfg.info & WIRE_BLK_INFO_READONLY)
		cfg.features |= BLK_BACK_F_READONLY;
	if (!back_ring(b, &ring) ||
	    host_local.open(&b->link, b->dir, &ring, &cfg.shared, &why)) {
		b->bad_nodes++;
		b->link = NULL;
		back_state(b, WIRE_BUS_CLOSING);
		return;
	}
	cfg.pages = ring.pages;
	b->mem = aligned_alloc(64, (blk_back_size(&cfg) + 63) & ~63ul);
	if (blk_back_init(&b->engine, b->mem, blk_back_size(&cfg), &cfg,
			  &back_ops, b))
		abort();
	host_local.listen(b->link, &b->uring, back_event, b);
	b->more = true;
	b->pages = ring.pages;
	back_write(b, false, WIRE_BLK_KEY_SECTORS, b->cfg.sectors);
	back_write(b, false, WIRE_BLK_KEY_SECTOR_SIZE, b->cfg.block);
	back_write(b, false, WIRE_BLK_KEY_INFO, b->cfg.info);
	back_state(b, WIRE_BUS_CONNECTED);
	b->conns++;
}

static inline void back_detach(struct back *b)
{
	if (b->link)
		host_local.close(b->link);
	b->link = NULL;
	free(b->mem);
	b->mem = NULL;
}

static inline void back_follow(struct back *b, uint32_t front)
{
	uint32_t state = b->state;

	if (front == WIRE_BUS_CLOSING && b->link && state != WIRE_BUS_CLOSING) {
		back_state(b, WIRE_BUS_CLOSING);
	} else if ((front == WIRE_BUS_CLOSED || !front) &&
		   state != WIRE_BUS_CLOSED && state != WIRE_BUS_INIT_WAIT) {
		back_detach(b);
		back_state(b, WIRE_BUS_CLOSED);
	} else if (front == WIRE_BUS_INITIALISING && state == WIRE_BUS_CLOSED &&
		   b->order != BACK_CLOSE) {
		back_state(b, WIRE_BUS_INIT_WAIT);
	} else if (front == WIRE_BUS_INITIALISED &&
		   state == WIRE_BUS_INIT_WAIT) {
		back_attach(b);
	}
}

static inline void back_obey(struct back *b)
{
	char path[160];

	if (b->resize) {
		blk_back_resize(b->engine, b->resize);
		b->cfg.sectors = b->resize;
		b->resize = 0;
		back_write(b, false, WIRE_BLK_KEY_SECTORS, b->cfg.sectors);
		back_state(b, WIRE_BUS_CONNECTED);
	}
	if (b->order == BACK_CLOSE && b->state == WIRE_BUS_CONNECTED)
		back_state(b, WIRE_BUS_CLOSING);
	if (b->order == BACK_REMOVE && !b->told) {
		b->told = true;
		back_path(b, true, "", path);
		path[strlen(path) - 1] = '\0';
		if (store_sync_rm(b->st, 0, path))
			abort();
		back_detach(b);
		back_path(b, false, "", path);
		path[strlen(path) - 1] = '\0';
		if (store_sync_rm(b->st, 0, path))
			abort();
		b->state = 0;
	}
}

static inline void *back_thread(void *arg)
{
	struct back *b = arg;
	uint32_t front, turns = 0;

	if (uring_init(&b->uring, 8))
		abort();
	back_announce(b);
	while (b->order != BACK_QUIT) {
		uring_submit(&b->uring, false);
		(void)io_uring_get_events(&b->uring.ring);
		uring_reap(&b->uring);
		if (b->link && b->order == BACK_SERVE)
			back_serve(b);
		if (!b->more || ++turns % 64 == 0) {
			if (!b->told) {
				if (!back_read(b, WIRE_BUS_STATE, &front))
					front = 0;
				back_follow(b, front);
			}
			back_obey(b);
			usleep(100);
		}
	}
	back_detach(b);
	uring_fini(&b->uring);
	return NULL;
}

/* ------------------------------------------------------------- toolstack */

/*
 * The nodes of both ends, and a backend for them. The disk stays as it is. All
 * at once, as a toolstack does: a device without a state is no free one.
 */
static inline void back_start(struct back *b)
{
	char front[160], back[160], dir[160], domid[16], unit[16], path[7][160];
	const struct {
		bool front;
		const char *leaf, *value;
	} node[XPV_ARRAY_SIZE(path)] = {
		{false, WIRE_BUS_FRONTEND_ID, domid},
		{false, WIRE_BUS_ONLINE, "1"},
		{false, WIRE_BUS_STATE, "1"},
		{true, WIRE_BUS_BACKEND, back},
		{true, WIRE_BUS_BACKEND_ID, "0"},
		{true, WIRE_BLK_KEY_VIRTUAL_DEVICE, unit},
		{true, WIRE_BUS_STATE, "1"},
	};
	struct store_op op[4 + XPV_ARRAY_SIZE(path)] = {
		{STORE_OP_MKDIR, .path = back},
		{STORE_OP_PERMS, .path = back, .owner = 0, .reader = b->domid},
		{STORE_OP_MKDIR, .path = front},
		{STORE_OP_PERMS, .path = front, .owner = b->domid},
	};

	b->told = false;
	b->order = BACK_SERVE;
	b->state = WIRE_BUS_INITIALISING;
	snprintf(dir, sizeof(dir), "%s/xenstore", b->dir);
	snprintf(domid, sizeof(domid), "%" PRIu32, b->domid);
	snprintf(unit, sizeof(unit), "%u", BACK_UNIT);
	if (!b->st && store_open(&b->st, dir, NULL, NULL))
		abort();
	back_path(b, true, "", front);
	back_path(b, false, "", back);
	front[strlen(front) - 1] = back[strlen(back) - 1] = '\0';
	for (size_t i = 0; i < XPV_ARRAY_SIZE(path); i++) {
		back_path(b, node[i].front, node[i].leaf, path[i]);
		op[4 + i] = (struct store_op){STORE_OP_WRITE, .path = path[i],
					      .value = node[i].value};
	}
	if (store_sync_txn(b->st, op, XPV_ARRAY_SIZE(op), NULL))
		abort();
	if (pthread_create(&b->thread, NULL, back_thread, b))
		abort();
}

static inline void back_end(struct back *b)
{
	b->order = BACK_QUIT;
	pthread_join(b->thread, NULL);
	store_close(b->st);
	free(b->disk);
}

#endif
