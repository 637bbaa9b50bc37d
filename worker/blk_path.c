/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/blk_path.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Bytes in flight, a ring: 16 MiB, which is 256 requests of 64 KiB, or the one
 * largest that can be announced. */
#define ARENA_PAGES 4096u

_Static_assert(ARENA_PAGES >= BLK_BACK_SEGS_MAX, "the largest request");
_Static_assert(ARENA_PAGES <= ARENA_PAGES_MAX, "worker/arena");

/*
 * The most bytes of one operation that is made of several requests. Frontends
 * merge what they can into a request, but stock Linux has no more than 128 KiB
 * in one, and those without indirect requests 44 KiB: a sequential load is a
 * ring full of neighbours. Beyond 512 KiB devices gain nothing, and the first
 * would wait for the last.
 */
#define MERGE_PAGES 128u

/* How long what found no space waits before it is tried again. */
#define RETRY_NS 1000000000u

static void slots_init(struct blk_slots *s)
{
	s->first = NULL;
	s->last = &s->first;
}

static void slots_put(struct blk_slots *s, struct blk_slot *slot)
{
	slot->next = NULL;
	*s->last = slot;
	s->last = &slot->next;
}

static struct blk_slot *slots_take(struct blk_slots *s)
{
	struct blk_slot *first = s->first;

	if (first)
		s->first = first->next;
	if (!s->first)
		slots_init(s);
	return first;
}

static uint64_t now(const struct blk_path *p)
{
	return p->peer.cfg.now_ns(p->peer.cfg.ctx);
}

static void io_done(struct storage_io *io)
{
	struct blk_slot *s =
		(struct blk_slot *)((char *)io - offsetof(struct blk_slot, io));

	slots_put(&s->path->finished, s);
}

/* ---- the engine's downcalls ---- */

static void on_submit(void *host, const struct blk_back_cmd *c)
{
	static const enum storage_op what[] = {
		[BLK_BACK_READ] = STORAGE_READ,
		[BLK_BACK_WRITE] = STORAGE_WRITE,
		[BLK_BACK_FLUSH] = STORAGE_FLUSH,
		[BLK_BACK_DISCARD] = STORAGE_DISCARD,
	};
	struct blk_path *p = host;
	struct blk_slot *s = &p->slot[c->tag];

	s->tag = c->tag;
	s->lost = false;
	s->secure = c->secure;
	s->ticket = (struct limit_ticket){0};
	s->segs = c->segs;
	s->nsegs = c->nsegs;
	s->pages = 0;
	s->more = NULL;
	s->len = c->count * WIRE_BLK_SECTOR;
	s->io = (struct storage_io){
		.what = what[c->act],
		.fua = c->fua,
		.offset = c->sector * WIRE_BLK_SECTOR,
		.len = c->count * WIRE_BLK_SECTOR,
		.done = io_done,
	};
	s->taken = peer_taken(&p->peer);
	slots_put(&p->fresh, s);
}

static void on_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct blk_path *p = host;

	peer_fetch(&p->peer, f, n);
}

static void on_notify(void *host)
{
	struct blk_path *p = host;

	peer_notify(&p->peer);
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	static const char *const text[] = {
		[BLK_BACK_EV_BAD_OP] = "unknown operation",
		[BLK_BACK_EV_READONLY] = "write to a read-only disk",
		[BLK_BACK_EV_BAD_SEGS] = "bad number of segments",
		[BLK_BACK_EV_BAD_SEG] = "segment outside its page",
		[BLK_BACK_EV_BAD_FETCH] = "segment list cannot be read",
		[BLK_BACK_EV_BAD_RANGE] = "beyond the end of the disk",
		[BLK_BACK_EV_UNALIGNED] = "part of a block",
		[BLK_BACK_EV_BAD_MAP] = "page cannot be mapped",
		[BLK_BACK_EV_BAD_RING] = "ring index out of range",
	};
	struct blk_path *p = host;

	peer_error(&p->peer, text[event], a, b);
}

static void on_map(void *host, struct pgrant_map *m, uint32_t n)
{
	struct blk_path *p = host;
	const struct host_ops *ops = p->peer.cfg.host;
	void *at;

	for (uint32_t i = 0; i < n; i++) {
		m[i].ok = ops->map(p->peer.link, m[i].gref, &at) == 0;
		if (m[i].ok)
			p->map[m[i].slot] = (struct blk_map){at, m[i].gref};
	}
}

static void on_unmap(void *host, const uint32_t *slot, uint32_t n)
{
	struct blk_path *p = host;

	for (uint32_t i = 0; i < n; i++) {
		struct blk_map *m = &p->map[slot[i]];

		p->peer.cfg.host->unmap(p->peer.link, m->gref, m->at);
		m->at = NULL;
	}
}

static const struct blk_back_ops engine_ops = {
	.submit = on_submit,
	.fetch = on_fetch,
	.map = on_map,
	.unmap = on_unmap,
	.notify = on_notify,
	.trace = on_trace,
};

/* ---- moving data ---- */

static bool has_data(const struct blk_slot *s)
{
	return s->io.what == STORAGE_READ || s->io.what == STORAGE_WRITE;
}

/* Through a page that is mapped: the guest may change it meanwhile. */
static void copy_mapped(const struct blk_path *p, const struct blk_back_seg *g,
			uint8_t *ours, bool to_guest)
{
	uint8_t *theirs = p->map[g->slot].at + g->offset;

	if (to_guest)
		memcpy(theirs, ours, g->len);
	else
		memcpy(ours, theirs, g->len);
}

/* Copy all segments of S: their lengths make up that of its buffer. */
static void copy(struct blk_path *p, struct blk_slot *s, bool to_guest)
{
	uint8_t *at = s->io.buf;
	uint32_t i;

	for (i = 0; i < s->nsegs; i++) {
		const struct blk_back_seg *g = &s->segs[i];
		const struct host_copy piece = {
			.gref = g->gref,
			.offset = g->offset,
			.len = g->len,
			.local = at,
		};

		if (g->slot == PGRANT_NONE)
			peer_copy(&p->peer, to_guest, &piece, &s->lost);
		else
			copy_mapped(p, g, at, to_guest);
		at += piece.len;
	}
}

/* ---- the turn ---- */

static void count(struct proto_stats *st, const struct storage_io *io)
{
	if (io->what == STORAGE_READ) {
		st->read_ops++;
		st->read_bytes += io->len;
	} else if (io->what == STORAGE_WRITE) {
		st->write_ops++;
		st->write_bytes += io->len;
	}
}

/* Tell the engine how S ended. */
static void complete(struct blk_path *p, struct blk_slot *s)
{
	int result = s->lost ? XPV_EIO : s->io.result;

	if (s->pages > 0)
		arena_put(&p->arena, s->io.buf, s->pages);
	s->pages = 0;
	if (result >= 0)
		count(&p->peer.stats, &s->io);
	peer_answered(&p->peer, s->taken, result >= 0);
	blk_back_complete(p->engine, s->tag, result);
}

/* Does M, which failed, wait for space? */
static bool pauses(struct blk_path *p, const struct blk_slot *m, int result)
{
	if (result != XPV_ENOSPC || m->lost || p->peer.closing || !p->limit ||
	    !limit_pause(p->limit))
		return false;
	if (p->retry == 0) {
		p->retry = now(p) + RETRY_NS;
		log_limited(&p->peer.rate, LOG_WARNING, p->peer.cfg.where,
			    "no space left on its storage: what is to be "
			    "written waits (on-enospc=pause)");
	}
	return true;
}

/* What S was together with others, each for itself: to DONE, or, when it failed,
 * to be done again alone. */
static void take_apart(struct blk_path *p, struct blk_slot *s,
		       struct blk_slots *done)
{
	struct blk_slot *m, *more;
	int result = s->io.result;
	bool again = s->more && result < 0;

	for (m = s; m; m = more) {
		more = m->more;
		m->more = NULL;
		m->io.len = m->len;
		m->io.result = result;
		if (again)
			slots_put(&p->alone, m);
		else if (pauses(p, m, result))
			slots_put(&p->paused, m);
		else
			slots_put(done, m);
	}
}

static bool finish(struct blk_path *p)
{
	struct blk_slot *s, *next;
	struct blk_slots done;

	if (!p->finished.first)
		return false;
	peer_part(&p->peer);
	slots_init(&done);
	while ((s = slots_take(&p->finished)))
		take_apart(p, s, &done);
	for (s = done.first; s; s = s->next)
		if (s->io.what == STORAGE_READ && s->io.result >= 0)
			copy(p, s, true);
	peer_copy_end(&p->peer);
	for (s = done.first; s; s = next) {
		next = s->next;
		complete(p, s);
	}
	return true;
}

/* Pages for the data of S: at most BLK_BACK_SEGS_MAX, since a segment is no
 * more than one. */
static uint32_t pages_of(const struct blk_slot *s)
{
	return has_data(s) ? (uint32_t)((s->len + WIRE_PAGE_SIZE - 1) /
					WIRE_PAGE_SIZE)
			   : 0;
}

/* Do the device's limits let S go? Else p->wake is when. */
static bool may_go(struct blk_path *p, struct blk_slot *s)
{
	uint64_t bytes = has_data(s) ? s->io.len : 0;

	p->wake = 0;
	if (p->peer.closing || !p->limit || !limit_any(p->limit))
		return true;
	if (limit_may_go(p->limit, &s->ticket, bytes, now(p)))
		return true;
	p->wake = s->ticket.at;
	return false;
}

/* Is B, which came after A, its neighbour on the disk? A fills its pages, so that
 * their data is contiguous, too. */
static bool adjacent(const struct blk_slot *a, const struct blk_slot *b)
{
	return has_data(a) && b->io.what == a->io.what && !a->io.fua &&
	       !b->io.fua && a->len % WIRE_PAGE_SIZE == 0 &&
	       b->io.offset == a->io.offset + a->len;
}

/* How many of the first in fresh can be one operation, and their PAGES. */
static uint32_t gather(struct blk_path *p, uint32_t *pages)
{
	const struct blk_slot *s = p->fresh.first;
	uint32_t n = 1;

	for (*pages = pages_of(s); s->next && adjacent(s, s->next);
	     s = s->next) {
		if (pages_of(s->next) > MERGE_PAGES - *pages ||
		    *pages > MERGE_PAGES || !may_go(p, s->next))
			break;
		*pages += pages_of(s->next);
		n++;
	}
	return n;
}

/* The first of fresh, with those that go with it and memory for all their data;
 * NULL when there is none now. */
static struct blk_slot *take_fresh(struct blk_path *p)
{
	struct blk_slot *first = p->fresh.first, *s;
	uint32_t pages, n = gather(p, &pages);
	uint8_t *buf = NULL;

	if (pages > 0)
		buf = arena_get(&p->arena, pages);
	if (pages > 0 && !buf && n > 1) { /* then without the others */
		n = 1;
		pages = pages_of(first);
		buf = arena_get(&p->arena, pages);
	}
	if (pages > 0 && !buf)
		return NULL;
	for (s = first; n > 0; n--) {
		(void)slots_take(&p->fresh);
		s->pages = pages_of(s);
		s->io.buf = buf;
		if (s->pages > 0)
			buf += s->len;
		s->more = n > 1 ? p->fresh.first : NULL;
		s = s->more;
	}
	return first;
}

static void execute(struct blk_path *p, struct blk_slot *s)
{
	if (s->lost) { /* its data could not be had */
		io_done(&s->io);
	} else if (s->secure) { /* no storage knows where copies are */
		s->io.result = XPV_ENOTSUP;
		io_done(&s->io);
	} else {
		p->storage->driver->submit(p->storage, &s->io);
	}
}

/* Execute S and those that go with it, as one if the data of all is there. */
static void execute_all(struct blk_path *p, struct blk_slot *s)
{
	struct blk_slot *m, *more;
	uint64_t len = 0;
	bool lost = false;

	for (m = s; m; m = m->more) {
		lost |= m->lost;
		len += m->len;
	}
	if (!lost) {
		s->io.len = len;
		execute(p, s);
		return;
	}
	for (m = s; m; m = more) {
		more = m->more;
		m->more = NULL;
		execute(p, m);
	}
}

/* What found no space, when its time has come or it is not to wait any more. */
static void retry(struct blk_path *p)
{
	struct blk_slot *s;

	if (p->retry == 0 ||
	    (now(p) < p->retry && !p->peer.closing && limit_pause(p->limit)))
		return;
	p->retry = 0;
	while ((s = slots_take(&p->paused)))
		slots_put(&p->alone, s);
}

static bool begin(struct blk_path *p)
{
	struct blk_slot *s, *m;
	struct blk_slots now;

	retry(p);
	slots_init(&now);
	while ((s = slots_take(&p->alone)))
		slots_put(&now, s);
	while (p->fresh.first && may_go(p, p->fresh.first)) {
		s = take_fresh(p);
		if (!s)
			break;
		for (m = s; m && m->io.what == STORAGE_WRITE; m = m->more)
			copy(p, m, false);
		slots_put(&now, s);
	}
	if (!now.first)
		return false;
	peer_copy_end(&p->peer);
	while ((s = slots_take(&now)))
		execute_all(p, s);
	return true;
}

bool blk_path_turn(struct blk_path *p)
{
	bool busy;
	int taken;

	if (!p->engine)
		return false;
	busy = finish(p);
	peer_part(&p->peer);
	taken = blk_back_poll(p->engine, BLK_BACK_TAGS_MAX);
	if (taken < 0)
		p->peer.broken = true;
	busy |= taken > 0;
	busy |= begin(p);
	blk_path_tell_some(p);
	return busy || p->finished.first;
}

uint64_t blk_path_deadline(const struct blk_path *p)
{
	uint64_t due = p->retry;

	if (p->wake && (due == 0 || p->wake < due))
		due = p->wake;
	return due;
}

/* ---- the ring ---- */

void blk_path_init(struct blk_path *p, const struct peer_cfg *cfg)
{
	memset(p, 0, sizeof(*p));
	peer_init(&p->peer, cfg);
	slots_init(&p->fresh);
	slots_init(&p->finished);
	slots_init(&p->alone);
	slots_init(&p->paused);
}

static void ring_free(struct blk_path *p)
{
	peer_close(&p->peer);
	arena_fini(&p->arena);
	free(p->slot);
	free(p->map);
	free(p->engine_mem);
	p->slot = NULL;
	p->map = NULL;
	p->engine = NULL;
	p->engine_mem = NULL;
}

static int slots_new(struct blk_path *p, const struct blk_back_cfg *cfg)
{
	uint32_t i, n = ring_slots(cfg->pages, blk_abi_slot(cfg->abi));

	p->slot = calloc(n, sizeof(*p->slot));
	if (cfg->persistent_max)
		p->map = calloc(cfg->persistent_max, sizeof(*p->map));
	if (!p->slot || (cfg->persistent_max && !p->map))
		return -ENOMEM;
	for (i = 0; i < n; i++)
		p->slot[i].path = p;
	return 0;
}

int blk_path_open(struct blk_path *p, const struct proto_blk *blk,
		  void *journal, struct storage *storage, struct limit *limit,
		  const char **why)
{
	struct blk_back_cfg cfg = {
		.pages = blk->pages,
		.abi = (enum blk_abi)blk->abi,
		.journal = journal,
		.resume = blk->flags & PROTO_RING_RECOVER,
		.features = blk->features,
		.indirect_max = blk->indirect_max,
		.persistent_max = blk->persistent_max,
		.salt = blk->salt,
		.block_size = blk->block_size,
		.sectors = blk->size / WIRE_BLK_SECTOR,
	};
	size_t len;
	int rc;

	*why = "it is connected already";
	if (p->engine)
		return -EBUSY;
	*why = "no such ring can be served";
	len = blk_back_size(&cfg);
	if (len == 0)
		return -EINVAL;
	*why = "out of memory";
	p->engine_mem = aligned_alloc(64, (len + 63) & ~(size_t)63);
	rc = p->engine_mem ? slots_new(p, &cfg) : -ENOMEM;
	if (rc == 0)
		rc = arena_init(&p->arena, ARENA_PAGES);
	if (rc < 0)
		goto fail;
	rc = peer_open(&p->peer, blk->port, blk->gref, blk->pages, &cfg.shared,
		       why);
	if (rc < 0)
		goto fail;
	rc = blk_back_init(&p->engine, p->engine_mem, len, &cfg, &engine_ops,
			   p);
	*why = rc == XPV_EPROTO ? "its journal is damaged"
				: "no such ring can be served";
	if (rc < 0) {
		rc = rc == XPV_EPROTO ? -EBADMSG : -EINVAL;
		goto fail;
	}
	p->storage = storage;
	p->limit = limit;
	p->wake = 0;
	return 0;

fail:
	ring_free(p);
	return rc;
}

void blk_path_resize(struct blk_path *p, uint64_t size)
{
	if (p->engine)
		blk_back_resize(p->engine, size / WIRE_BLK_SECTOR);
}

void blk_path_close(struct blk_path *p)
{
	blk_back_close(p->engine);
	p->peer.closing = true;
}

bool blk_path_closed(struct blk_path *p)
{
	if (!p->peer.closing || blk_back_inflight(p->engine) != 0)
		return false;
	blk_back_flush(p->engine);
	blk_back_trim(p->engine, 0);
	ring_free(p);
	p->storage->driver->close(p->storage);
	p->storage = NULL;
	p->limit = NULL;
	p->wake = p->retry = 0;
	return true;
}

bool blk_path_maps(const struct blk_path *p)
{
	return p->engine && blk_back_mapped(p->engine) > 0;
}

void blk_path_age(struct blk_path *p)
{
	if (p->engine)
		blk_back_age(p->engine);
}

void blk_path_tell(struct blk_path *p)
{
	if (p->engine)
		blk_back_flush(p->engine);
	peer_told(&p->peer);
}

void blk_path_tell_some(struct blk_path *p)
{
	if (peer_tell_now(&p->peer, blk_back_inflight(p->engine)))
		blk_path_tell(p);
}

bool blk_path_has_work(const struct blk_path *p)
{
	return p->engine && blk_back_has_work(p->engine);
}

bool blk_path_rest(struct blk_path *p)
{
	blk_path_tell(p);
	if (p->engine && blk_back_arm(p->engine))
		return false;
	if (p->engine && !p->peer.broken)
		peer_rearm(&p->peer);
	return true;
}
