/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/peer.h"

#include <errno.h>
#include <string.h>

_Static_assert(PROTO_BLK_PAGES_MAX <= HOST_RING_MAX,
	       "rings that are asked for");

void peer_init(struct peer *p, const struct peer_cfg *cfg)
{
	memset(p, 0, sizeof(*p));
	p->cfg = *cfg;
}

/* Having woken is all: each turn looks at the ring. */
static void on_event(void *ctx)
{
	struct peer *p = ctx;

	p->events++;
}

int peer_open(struct peer *p, uint32_t port, const uint32_t *gref,
	      uint32_t pages, void **shared, const char **why)
{
	struct host_ring ring = {
		.domid = p->cfg.domid, .port = port, .pages = pages};
	int rc;

	*why = "a ring has no such number of pages";
	if (pages > HOST_RING_MAX)
		return -EINVAL;
	memcpy(ring.gref, gref, pages * sizeof(*gref));
	rc = p->cfg.host->open(&p->link, p->cfg.place, &ring, shared, why);
	if (rc < 0) {
		p->link = NULL;
		return rc;
	}
	p->broken = false;
	p->closing = false;
	p->cfg.host->listen(p->link, p->cfg.uring, on_event, p);
	return 0;
}

void peer_close(struct peer *p)
{
	if (p->link)
		p->cfg.host->close(p->link);
	p->link = NULL;
	p->closing = false;
}

/* ---- copies ---- */

void peer_copy_end(struct peer *p)
{
	unsigned i;

	if (p->copies == 0)
		return;
	p->cfg.host->copy(p->link, p->copy, p->copies, p->to_guest);
	p->stats.copies += p->copies;
	for (i = 0; i < p->copies; i++)
		if (!p->copy[i].ok)
			*p->lost[i] = true;
	p->copies = 0;
}

void peer_copy(struct peer *p, bool to_guest, const struct host_copy *piece,
	       bool *lost)
{
	if (p->copies == HOST_COPY_MAX)
		peer_copy_end(p);
	p->to_guest = to_guest;
	p->lost[p->copies] = lost;
	p->copy[p->copies++] = *piece;
}

void peer_fetch(struct peer *p, struct grant_fetch *f, uint32_t n)
{
	uint32_t i, j, batch;

	for (i = 0; i < n; i += batch) {
		batch = n - i < HOST_COPY_MAX ? n - i : HOST_COPY_MAX;
		for (j = 0; j < batch; j++)
			p->copy[j] = (struct host_copy){
				.gref = f[i + j].gref,
				.offset = f[i + j].offset,
				.len = f[i + j].len,
				.local = f[i + j].to,
			};
		p->cfg.host->copy(p->link, p->copy, batch, false);
		for (j = 0; j < batch; j++)
			f[i + j].ok = p->copy[j].ok;
	}
	p->stats.copies += n;
}

/* ---- what it asked for ---- */

void peer_part(struct peer *p)
{
	p->time = 0;
}

static uint64_t part_time(struct peer *p)
{
	if (p->time == 0)
		p->time = p->cfg.now_ns(p->cfg.ctx);
	return p->time;
}

uint64_t peer_taken(struct peer *p)
{
	p->stats.requests++;
	return part_time(p);
}

void peer_answered(struct peer *p, uint64_t taken, bool good)
{
	uint64_t took = part_time(p) - taken, us = took / 1000u;
	unsigned step = us ? 64u - (unsigned)__builtin_clzll(us) : 0;

	p->stats.responses++;
	p->stats.errors += !good;
	p->stats.latency_ns += took;
	p->stats.latency[step < PROTO_LATENCY_STEPS
				 ? step
				 : PROTO_LATENCY_STEPS - 1]++;
	p->untold++;
}

/* ---- events ---- */

void peer_notify(struct peer *p)
{
	p->cfg.host->notify(p->link);
	p->stats.notifies++;
}

void peer_told(struct peer *p)
{
	p->untold = 0;
	p->untold_since = 0;
}

bool peer_tell_now(struct peer *p, uint32_t inflight)
{
	uint32_t depth = inflight + p->untold;
	uint64_t now;

	if (depth > p->depth)
		p->depth = depth;
	if (p->untold == 0) {
		p->untold_since = 0;
		return false;
	}
	if (p->cfg.eager && 2 * p->untold >= p->depth)
		return true;
	now = p->cfg.now_ns(p->cfg.ctx);
	if (p->untold_since == 0) {
		p->untold_since = now;
		return false;
	}
	if (now - p->untold_since <= p->cfg.hold_ns)
		return false;
	/* it keeps fewer in flight than it did */
	p->depth = depth;
	return true;
}

void peer_rearm(struct peer *p)
{
	p->cfg.host->rearm(p->link, p->cfg.uring);
}

uint64_t peer_storm(struct peer *p)
{
	bool useless = p->events != p->storm_events &&
		       p->stats.requests == p->storm_requests;

	if (p->stats.requests != p->storm_requests)
		p->storm = 0;
	p->storm_events = p->events;
	p->storm_requests = p->stats.requests;
	if (!useless)
		return 0;
	if (p->storm < PEER_STORM_FREE + PEER_STORM_STEPS)
		p->storm++;
	return p->storm > PEER_STORM_FREE
		       ? PEER_STORM_NS << (p->storm - PEER_STORM_FREE - 1)
		       : 0;
}

void peer_error(struct peer *p, const char *text, uint64_t a, uint64_t b)
{
	p->stats.guest_errors++;
	log_limited(&p->rate, LOG_WARNING, p->cfg.where,
		    "guest error: %s (%llu, %llu)", text, (unsigned long long)a,
		    (unsigned long long)b);
}
