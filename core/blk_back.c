/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. A poll takes requests in batches, and each batch goes
 * through four passes, so that the host is asked for many things at once:
 *
 *   take    copy the slot, give it a tag, check what needs no other memory
 *   fetch   read the descriptors of indirect requests
 *   map     find a slot for each reference, if grants are persistent
 *   start   submit, or let it wait; or answer what is refused
 *
 * The journal has an entry for each tag, with the copy of its slot. To resume,
 * the first poll makes batches of what is in it.
 *
 * A tag's life:  FREE -> TAKEN -> RUNNING -> FREE
 *                FREE -> TAKEN -> HELD -> READY -> RUNNING -> FREE
 * RUNNING -> READY between the FLUSH and the WRITE of a barrier. READY is
 * submitted by the next poll.
 *
 * `writes` has the tags of all writes, discards and barriers that have not
 * ended. One that comes counts those it has to wait for (must_wait()); each of
 * them that ends is counted off.
 */
#include "core/blk_back.h"

#define BATCH 32u

#define NOWHERE UINT16_MAX

enum tag_state {
	TAG_FREE,
	TAG_TAKEN,
	TAG_HELD,
	TAG_READY,
	TAG_RUNNING,
};

/* What a request still has to have done, in this order. */
enum {
	TODO_FLUSH = 1,
	TODO_DATA = 2, /* READ, WRITE, DISCARD */
};

struct tag {
	enum tag_state state;
	uint8_t todo;
	enum blk_back_act act; /* of TODO_DATA */
	bool barrier, secure;
	bool fetch;	   /* its descriptors are in pages of their own */
	uint8_t op;	   /* for the response */
	int16_t status;	   /* TAKEN: refused already, if not OKAY */
	uint16_t write;	   /* where it is in writes, or NOWHERE */
	uint32_t index;	   /* in the ring */
	uint32_t blockers; /* HELD: writes it waits for */
	uint64_t id;
	uint64_t sector, count;
	uint32_t nsegs;
	struct blk_back_seg *segs; /* segs_max of them */
	const uint8_t *raw;	   /* the copy of its slot, in the journal */
};

struct blk_back {
	const struct blk_back_ops *ops;
	void *host;
	struct ring_back ring;
	struct journal journal;
	struct pgrant_pool pool;
	enum blk_abi abi;
	uint32_t features, indirect_max;
	uint32_t block_sectors; /* of a logical block */
	uint64_t sectors;
	bool closed, broken;
	bool resume;	  /* what the journal has is not begun yet */
	bool owed;	  /* the guest waits for an event not sent yet */
	uint32_t running; /* tags that the host has */
	uint32_t ready, held;
	uint32_t nfree, nwrites;
	uint16_t free[BLK_BACK_TAGS_MAX];
	uint16_t writes[BLK_BACK_TAGS_MAX];
	struct tag *tags;	   /* ring.slots of them */
	struct wire_blk_seg *wire; /* BATCH * segs_max */
	uint32_t segs_max;
	struct grant_fetch fetch[BATCH * WIRE_BLK_INDIRECT_PAGES];
};

/* A part of the engine's memory: LEN bytes, at a multiple of 16. */
static size_t part(size_t *total, size_t len)
{
	size_t at = *total;

	*total += (len + 15) & ~(size_t)15;
	return at;
}

/* Where everything is in the engine's memory. */
struct plan {
	uint32_t slots, segs_max;
	size_t journal_len;
	size_t tags, segs, wire, pool, journal, total;
};

static bool make_plan(struct plan *p, const struct blk_back_cfg *cfg)
{
	if (cfg->abi >= BLK_ABIS || cfg->indirect_max > BLK_BACK_SEGS_MAX ||
	    cfg->persistent_max > PGRANT_MAX ||
	    cfg->block_size < WIRE_BLK_SECTOR ||
	    (cfg->block_size & (cfg->block_size - 1)) != 0)
		return false;
	p->slots = ring_slots(cfg->pages, blk_abi_slot(cfg->abi));
	if (p->slots == 0)
		return false;
	p->segs_max = cfg->indirect_max > WIRE_BLK_SEGS ? cfg->indirect_max
							: WIRE_BLK_SEGS;
	p->total = 0;
	part(&p->total, sizeof(struct blk_back));
	p->tags = part(&p->total, p->slots * sizeof(struct tag));
	p->segs = part(&p->total, (size_t)p->slots * p->segs_max *
					  sizeof(struct blk_back_seg));
	p->wire = part(&p->total, (size_t)BATCH * p->segs_max *
					  sizeof(struct wire_blk_seg));
	p->pool = part(&p->total, pgrant_size(cfg->persistent_max));
	p->journal_len = journal_size(p->slots, blk_abi_slot(cfg->abi));
	p->journal = part(&p->total, cfg->journal ? 0 : p->journal_len);
	return true;
}

size_t blk_back_journal_size(const struct blk_back_cfg *cfg)
{
	struct plan plan;

	return make_plan(&plan, cfg) ? plan.journal_len : 0;
}

size_t blk_back_size(const struct blk_back_cfg *cfg)
{
	struct plan plan;

	return make_plan(&plan, cfg) ? plan.total : 0;
}

/* The journal, new or taken over, and where on the ring to go on. */
static int init_journal(struct blk_back *b, const struct blk_back_cfg *cfg,
			void *mem, uint32_t *rsp_prod, uint32_t *req_cons)
{
	uint32_t size = blk_abi_slot(cfg->abi);
	uint32_t slots = ring_slots(cfg->pages, size);

	if (cfg->resume)
		return journal_resume(&b->journal, mem, slots, size, rsp_prod,
				      req_cons);
	journal_init(&b->journal, mem, slots, size, cfg->first);
	*rsp_prod = *req_cons = cfg->first;
	return 0;
}

int blk_back_init(struct blk_back **out, void *mem, size_t len,
		  const struct blk_back_cfg *cfg,
		  const struct blk_back_ops *ops, void *host)
{
	struct blk_back *b = mem;
	uint8_t *base = mem;
	uint32_t i, rsp_prod, req_cons;
	struct plan plan;
	int rc;

	if (!make_plan(&plan, cfg))
		return XPV_EINVAL;
	if (len < plan.total)
		return XPV_ENOMEM;
	xpv_zero(mem, plan.total);
	rc = init_journal(b, cfg,
			  cfg->journal ? cfg->journal : base + plan.journal,
			  &rsp_prod, &req_cons);
	if (rc < 0)
		return rc;
	rc = ring_back_init(&b->ring, cfg->shared, cfg->pages,
			    blk_abi_slot(cfg->abi), rsp_prod, req_cons);
	XPV_ASSERT(rc == 0 && b->ring.slots <= BLK_BACK_TAGS_MAX);
	b->ops = ops;
	b->host = host;
	b->abi = cfg->abi;
	b->features = cfg->features;
	b->indirect_max = cfg->indirect_max;
	b->block_sectors = cfg->block_size / WIRE_BLK_SECTOR;
	b->sectors = cfg->sectors;
	b->segs_max = plan.segs_max;
	b->tags = (struct tag *)(void *)(base + plan.tags);
	b->wire = (struct wire_blk_seg *)(void *)(base + plan.wire);
	for (i = plan.slots; i-- > 0;) {
		b->tags[i].segs =
			(struct blk_back_seg *)(void *)(base + plan.segs) +
			(size_t)i * plan.segs_max;
		b->tags[i].raw = journal_slot(&b->journal, i);
		b->free[b->nfree++] = (uint16_t)i;
	}
	b->resume = b->owed = cfg->resume;
	if (cfg->resume)
		ring_back_republish(&b->ring);
	pgrant_init(&b->pool, base + plan.pool, cfg->persistent_max, cfg->salt);
	*out = b;
	return 0;
}

/* --------------------------------------------------------------- answering */

/* A guest's mistake: tell the host, and let the request end with ERROR. */
static void refuse(struct blk_back *b, struct tag *t, uint32_t event,
		   uint64_t x, uint64_t y)
{
	t->status = WIRE_BLK_RSP_ERROR;
	b->ops->trace(b->host, event, x, y);
}

static void free_tag(struct blk_back *b, struct tag *t)
{
	uint32_t i;

	for (i = 0; i < t->nsegs; i++)
		if (t->segs[i].slot != PGRANT_NONE)
			pgrant_put(&b->pool, t->segs[i].slot);
	t->state = TAG_FREE;
	b->free[b->nfree++] = (uint16_t)(t - b->tags);
}

/* Write the response of T and free it. */
static void answer(struct blk_back *b, struct tag *t, int16_t status)
{
	const struct blk_rsp rsp = {t->id, t->op, status};
	uint8_t slot[BLK_SLOT_MAX];

	blk_abi_put_rsp(b->abi, slot, &rsp);
	ring_back_put(&b->ring, slot, blk_abi_rsp(b->abi));
	journal_answer(&b->journal, (uint32_t)(t - b->tags), b->ring.rsp_prod);
	free_tag(b, t);
}

static int16_t status_of(int result)
{
	if (result >= 0)
		return WIRE_BLK_RSP_OKAY;
	return result == XPV_ENOTSUP ? WIRE_BLK_RSP_EOPNOTSUPP
				     : WIRE_BLK_RSP_ERROR;
}

/* ------------------------------------------------------------------- order */

static bool overlap(const struct tag *x, const struct tag *y)
{
	return x->sector < y->sector + y->count &&
	       y->sector < x->sector + x->count;
}

/* Must Y, which came later, wait for the end of X? */
static bool must_wait(const struct tag *x, const struct tag *y)
{
	return x->barrier || y->barrier || overlap(x, y);
}

/* T is a write: remember it, and count whom it has to wait for. */
static void write_begins(struct blk_back *b, struct tag *t)
{
	uint32_t i;

	for (i = 0; i < b->nwrites; i++)
		if (must_wait(&b->tags[b->writes[i]], t))
			t->blockers++;
	t->write = (uint16_t)b->nwrites;
	b->writes[b->nwrites++] = (uint16_t)(t - b->tags);
}

static void make_ready(struct blk_back *b, struct tag *t)
{
	t->state = TAG_READY;
	b->ready++;
}

/* T is answered next: let go on whoever waited for it. */
static void write_ends(struct blk_back *b, struct tag *t)
{
	uint16_t moved = b->writes[--b->nwrites];
	uint32_t i;

	b->writes[t->write] = moved;
	b->tags[moved].write = t->write;
	for (i = 0; i < b->nwrites && b->held > 0; i++) {
		struct tag *y = &b->tags[b->writes[i]];

		/* Those that came before T have ended, or T had waited. */
		if (y->state != TAG_HELD || !must_wait(t, y) ||
		    --y->blockers > 0)
			continue;
		b->held--;
		make_ready(b, y);
	}
}

static void submit(struct blk_back *b, struct tag *t)
{
	struct blk_back_cmd cmd;

	xpv_zero(&cmd, sizeof(cmd));
	cmd.act = BLK_BACK_FLUSH;
	cmd.tag = (uint16_t)(t - b->tags);
	cmd.index = t->index;
	if (!(t->todo & TODO_FLUSH)) {
		cmd.act = t->act;
		cmd.fua = t->barrier;
		cmd.secure = t->secure;
		cmd.sector = t->sector;
		cmd.count = t->count;
		cmd.nsegs = t->nsegs;
		cmd.segs = t->segs;
	}
	t->state = TAG_RUNNING;
	b->running++;
	b->ops->submit(b->host, &cmd);
}

/* The last pass: T is checked, its references have slots. */
static void start(struct blk_back *b, struct tag *t)
{
	if (t->status != WIRE_BLK_RSP_OKAY || t->todo == 0) {
		answer(b, t, t->status);
		return;
	}
	if (t->barrier || ((t->todo & TODO_DATA) && t->act != BLK_BACK_READ))
		write_begins(b, t);
	if (t->blockers > 0) {
		t->state = TAG_HELD;
		b->held++;
	} else {
		submit(b, t);
	}
}

static void submit_ready(struct blk_back *b)
{
	uint32_t i;

	for (i = 0; i < b->ring.slots && b->ready > 0; i++) {
		if (b->tags[i].state != TAG_READY)
			continue;
		b->ready--;
		submit(b, &b->tags[i]);
	}
}

/* ---------------------------------------------------------------- checking */

/* What an operation needs, and what it is. */
struct op {
	uint32_t needs; /* one of enum blk_back_feature, or 0 */
	uint8_t todo;	/* without TODO_DATA if it may have none */
	enum blk_back_act act;
	bool barrier;
	bool known;
};

/* FLUSH may bring data: it is written then, as all backends do it. */
static const struct op ops_table[] = {
	[WIRE_BLK_OP_READ] = {0, TODO_DATA, BLK_BACK_READ, false, true},
	[WIRE_BLK_OP_WRITE] = {0, TODO_DATA, BLK_BACK_WRITE, false, true},
	[WIRE_BLK_OP_WRITE_BARRIER] = {BLK_BACK_F_BARRIER, TODO_FLUSH,
				       BLK_BACK_WRITE, true, true},
	[WIRE_BLK_OP_FLUSH] = {BLK_BACK_F_FLUSH, TODO_FLUSH, BLK_BACK_WRITE,
			       false, true},
	[WIRE_BLK_OP_DISCARD] = {BLK_BACK_F_DISCARD, TODO_DATA,
				 BLK_BACK_DISCARD, false, true},
};

/* Is REQ an operation that was announced? */
static bool known(const struct blk_back *b, const struct blk_req *req)
{
	const struct op *op;

	if (req->indirect)
		return b->indirect_max > 0;
	if (req->op >= XPV_ARRAY_SIZE(ops_table))
		return false;
	op = &ops_table[req->op];
	return op->known && (b->features & op->needs) == op->needs;
}

/* May the segments of REQ be so many? */
static bool segs_ok(const struct blk_back *b, const struct blk_req *req,
		    const struct op *op)
{
	if (req->indirect)
		return req->nsegs > 0 && req->nsegs <= b->indirect_max;
	if (op->act == BLK_BACK_DISCARD)
		return true;
	return req->nsegs <= WIRE_BLK_SEGS &&
	       (req->nsegs > 0 || op->todo == TODO_FLUSH);
}

/* Check what REQ says of itself, and what T needs of it. */
static void check_slot(struct blk_back *b, struct tag *t,
		       const struct blk_req *req)
{
	const struct op *op;

	if (!known(b, req)) {
		refuse(b, t, BLK_BACK_EV_BAD_OP, t->raw[0], 0);
		t->status = WIRE_BLK_RSP_EOPNOTSUPP;
		return;
	}
	if (req->indirect && req->op > WIRE_BLK_OP_WRITE) {
		refuse(b, t, BLK_BACK_EV_BAD_OP, req->op, 0);
		return;
	}
	op = &ops_table[req->op];
	if (!segs_ok(b, req, op)) {
		refuse(b, t, BLK_BACK_EV_BAD_SEGS, req->nsegs, 0);
		return;
	}
	t->todo = op->todo;
	t->act = op->act;
	t->barrier = op->barrier;
	if (req->nsegs > 0)
		t->todo |= TODO_DATA;
	if (op->act == BLK_BACK_DISCARD) {
		t->count = req->count;
		t->secure = (b->features & BLK_BACK_F_SECURE) &&
			    (req->flag & WIRE_BLK_DISCARD_SECURE);
		if (t->count == 0)
			t->todo = 0; /* nothing to be done, and that is well */
	}
	if ((b->features & BLK_BACK_F_READONLY) && (t->todo & TODO_DATA) &&
	    op->act != BLK_BACK_READ)
		refuse(b, t, BLK_BACK_EV_READONLY, req->op, 0);
}

/* Take the segments of T from WIRE, N of them. */
static void check_segs(struct blk_back *b, struct tag *t,
		       const struct wire_blk_seg *wire, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct wire_blk_seg *w = &wire[i];
		struct blk_back_seg *s = &t->segs[i];
		uint32_t count;

		if (w->first_sect > w->last_sect ||
		    w->last_sect >= WIRE_PAGE_SIZE / WIRE_BLK_SECTOR) {
			refuse(b, t, BLK_BACK_EV_BAD_SEG, w->first_sect,
			       w->last_sect);
			return;
		}
		count = w->last_sect - w->first_sect + 1u;
		s->gref = w->gref;
		s->slot = PGRANT_NONE;
		s->offset = (uint16_t)(w->first_sect * WIRE_BLK_SECTOR);
		s->len = (uint16_t)(count * WIRE_BLK_SECTOR);
		t->count += count;
	}
	t->nsegs = n;
}

/* Check where T is on the device. */
static void check_range(struct blk_back *b, struct tag *t)
{
	if (t->sector > b->sectors || t->count > b->sectors - t->sector)
		refuse(b, t, BLK_BACK_EV_BAD_RANGE, t->sector, t->count);
	else if (((t->sector | t->count) & (b->block_sectors - 1)) != 0)
		refuse(b, t, BLK_BACK_EV_UNALIGNED, t->sector, t->count);
}

/* ------------------------------------------------------------------ batches */

/* Requests on their way through the passes. */
struct batch {
	uint32_t n;
	uint32_t pieces; /* to fetch */
	uint16_t tag[BATCH];
	uint16_t nsegs[BATCH]; /* as sent */
};

/* Let the descriptor pages of T be fetched. */
static void queue_fetch(struct blk_back *b, struct batch *q,
			const struct blk_req *req)
{
	uint32_t size = sizeof(struct wire_blk_seg);
	uint32_t left = req->nsegs, page, n;
	struct wire_blk_seg *to = b->wire + (size_t)q->n * b->segs_max;

	for (page = 0; left > 0; page++) {
		struct grant_fetch *f = &b->fetch[q->pieces++];

		n = left < WIRE_BLK_SEGS_PER_PAGE
			    ? left
			    : (uint32_t)WIRE_BLK_SEGS_PER_PAGE;
		f->gref = req->gref[page];
		f->offset = 0;
		f->len = (uint16_t)(n * size);
		f->to = to;
		f->ok = false;
		to += n;
		left -= n;
	}
}

/* The first pass: the copy of a slot is in the next free tag. */
static void add(struct blk_back *b, struct batch *q, uint32_t index,
		struct tag *t)
{
	struct blk_req req;

	blk_abi_get_req(b->abi, t->raw, &req);
	t->state = TAG_TAKEN;
	t->todo = 0;
	t->barrier = t->secure = t->fetch = false;
	t->op = req.op;
	t->status = WIRE_BLK_RSP_OKAY;
	t->write = NOWHERE;
	t->index = index;
	t->blockers = 0;
	t->id = req.id;
	t->sector = req.sector;
	t->count = 0;
	t->nsegs = 0;
	check_slot(b, t, &req);
	q->tag[q->n] = (uint16_t)(t - b->tags);
	q->nsegs[q->n] = req.nsegs;
	if (t->status == WIRE_BLK_RSP_OKAY) {
		t->fetch = req.indirect;
		if (t->fetch)
			queue_fetch(b, q, &req);
		else
			check_segs(b, t, req.seg, req.nsegs);
	}
	q->n++;
}

/* A tag for a request. There is one for each that the ring lets through, since
 * both count unanswered requests. */
static struct tag *take_tag(struct blk_back *b)
{
	XPV_ASSERT(b->nfree > 0);
	return &b->tags[b->free[--b->nfree]];
}

/* Read all descriptor pages at once; whose page failed is refused. */
static void fetch_all(struct blk_back *b, const struct batch *q)
{
	uint32_t i, j, pages, at = 0;

	if (q->pieces == 0)
		return;
	b->ops->fetch(b->host, b->fetch, q->pieces);
	for (i = 0; i < q->n; i++) {
		struct tag *t = &b->tags[q->tag[i]];

		if (!t->fetch)
			continue;
		pages = blk_abi_pages(q->nsegs[i]);
		for (j = 0; j < pages; j++, at++)
			if (!b->fetch[at].ok && t->status == WIRE_BLK_RSP_OKAY)
				refuse(b, t, BLK_BACK_EV_BAD_FETCH,
				       b->fetch[at].gref, 0);
		if (t->status == WIRE_BLK_RSP_OKAY)
			check_segs(b, t, b->wire + (size_t)i * b->segs_max,
				   q->nsegs[i]);
	}
}

static void pool_unmap(struct blk_back *b)
{
	if (b->pool.nstale > 0)
		b->ops->unmap(b->host, b->pool.stale, b->pool.nstale);
}

/* Segments of T whose references could not be mapped are copied. */
static void drop_bad(struct blk_back *b, struct tag *t)
{
	uint32_t i;

	for (i = 0; i < t->nsegs; i++) {
		struct blk_back_seg *s = &t->segs[i];

		if (s->slot == PGRANT_NONE || !pgrant_bad(&b->pool, s->slot))
			continue;
		b->ops->trace(b->host, BLK_BACK_EV_BAD_MAP, s->gref, 0);
		pgrant_put(&b->pool, s->slot);
		s->slot = PGRANT_NONE;
	}
}

/* Find slots for all references of the batch. */
static void map_all(struct blk_back *b, const struct batch *q)
{
	uint32_t i, j;

	for (i = 0; i < q->n && b->pool.max > 0; i++) {
		struct tag *t = &b->tags[q->tag[i]];

		if (t->status != WIRE_BLK_RSP_OKAY)
			continue;
		for (j = 0; j < t->nsegs; j++)
			t->segs[j].slot = pgrant_get(&b->pool, t->segs[j].gref);
	}
	pool_unmap(b);
	if (b->pool.nfresh > 0)
		b->ops->map(b->host, b->pool.fresh, b->pool.nfresh);
	if (!pgrant_done(&b->pool))
		return;
	for (i = 0; i < q->n; i++)
		drop_bad(b, &b->tags[q->tag[i]]);
}

/* All passes but the first. */
static void run(struct blk_back *b, const struct batch *q)
{
	uint32_t i;

	fetch_all(b, q);
	for (i = 0; i < q->n; i++) {
		struct tag *t = &b->tags[q->tag[i]];

		if (t->status == WIRE_BLK_RSP_OKAY && (t->todo & TODO_DATA))
			check_range(b, t);
	}
	map_all(b, q);
	for (i = 0; i < q->n; i++)
		start(b, &b->tags[q->tag[i]]);
}

/* Where the copy of the slot of T is to be written. */
static void *slot_of(const struct blk_back *b, const struct tag *t)
{
	return journal_slot(&b->journal, (uint32_t)(t - b->tags));
}

/* Tags of what is in the journal are not free. */
static void resume_tags(struct blk_back *b)
{
	uint32_t i, kept = 0, age = UINT32_MAX;

	for (;;) {
		i = journal_next(&b->journal, b->ring.req_cons, &age);
		if (i == b->ring.slots)
			break;
		b->tags[i].state = TAG_TAKEN;
	}
	for (i = 0; i < b->nfree; i++)
		if (b->tags[b->free[i]].state == TAG_FREE)
			b->free[kept++] = b->free[i];
	b->nfree = kept;
}

/* What a predecessor had taken is taken once more, in the same order. */
static void resume(struct blk_back *b)
{
	uint32_t i, age = UINT32_MAX;
	struct batch q;

	b->resume = false;
	resume_tags(b);
	do {
		q.n = q.pieces = 0;
		while (q.n < BATCH) {
			i = journal_next(&b->journal, b->ring.req_cons, &age);
			if (i == b->ring.slots)
				break;
			add(b, &q, journal_index(&b->journal, i), &b->tags[i]);
		}
		run(b, &q);
	} while (q.n == BATCH);
}

/* Nothing will be written to this ring any more: forget what waits. */
static void break_ring(struct blk_back *b)
{
	uint32_t i;

	b->broken = true;
	b->ops->trace(b->host, BLK_BACK_EV_BAD_RING,
		      xpv_load32(&b->ring.shared->req_prod) - b->ring.req_cons,
		      0);
	for (i = 0; i < b->ring.slots; i++)
		if (b->tags[i].state == TAG_HELD ||
		    b->tags[i].state == TAG_READY)
			free_tag(b, &b->tags[i]);
	b->ready = b->held = 0;
}

int blk_back_poll(struct blk_back *b, uint32_t budget)
{
	uint32_t n, taken = 0;
	struct batch q;
	int pending;

	if (b->broken)
		return XPV_EPROTO;
	pending = b->closed ? 0 : ring_back_pending(&b->ring);
	if (pending < 0) {
		break_ring(b);
		return pending;
	}
	if (b->resume)
		resume(b);
	submit_ready(b);
	n = (uint32_t)pending < budget ? (uint32_t)pending : budget;
	while (taken < n) {
		q.n = q.pieces = 0;
		for (; taken < n && q.n < BATCH; taken++) {
			struct tag *t = take_tag(b);
			uint32_t index = b->ring.req_cons;

			ring_back_take(&b->ring, slot_of(b, t));
			journal_accept(&b->journal, (uint32_t)(t - b->tags),
				       index);
			add(b, &q, index, t);
		}
		run(b, &q);
	}
	b->owed |= ring_back_push(&b->ring);
	return (int)n;
}

void blk_back_flush(struct blk_back *b)
{
	if (!b->owed || b->broken)
		return;
	b->owed = false;
	b->ops->notify(b->host);
}

void blk_back_complete(struct blk_back *b, uint16_t tag, int result)
{
	struct tag *t;

	XPV_ASSERT(tag < b->ring.slots);
	t = &b->tags[tag];
	XPV_ASSERT(t->state == TAG_RUNNING);
	b->running--;
	if (b->broken) {
		free_tag(b, t);
		return;
	}
	t->todo = t->todo & TODO_FLUSH ? t->todo & TODO_DATA : 0;
	if (result >= 0 && t->todo != 0) {
		make_ready(b, t);
		return;
	}
	if (t->write != NOWHERE)
		write_ends(b, t);
	answer(b, t, status_of(result));
}

void blk_back_resize(struct blk_back *b, uint64_t sectors)
{
	b->sectors = sectors;
}

void blk_back_trim(struct blk_back *b, uint32_t keep)
{
	pgrant_trim(&b->pool, keep);
	pool_unmap(b);
	(void)pgrant_done(&b->pool);
}

void blk_back_age(struct blk_back *b)
{
	pgrant_age(&b->pool);
	pool_unmap(b);
	(void)pgrant_done(&b->pool);
}

uint32_t blk_back_mapped(const struct blk_back *b)
{
	return b->pool.used;
}

bool blk_back_arm(struct blk_back *b)
{
	return !b->closed && !b->broken && ring_back_arm(&b->ring);
}

bool blk_back_has_work(const struct blk_back *b)
{
	if (b->broken)
		return false;
	return b->ring.rsp_prod != b->ring.rsp_seen || b->ready > 0 ||
	       (!b->closed && ring_back_has_work(&b->ring));
}

void blk_back_close(struct blk_back *b)
{
	b->closed = true;
}

uint32_t blk_back_inflight(const struct blk_back *b)
{
	return b->broken ? b->running : b->ring.slots - b->nfree;
}
