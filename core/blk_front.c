/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. A request has a tag until it is done; each pass of it is
 * a request on the ring:
 *
 *   FREE -> SENT -> FREE                    the usual
 *           SENT -> WAITING -> SENT         the next pass, or again after resume
 *   FREE -> WAITING -> SENT                 behind others that wait
 *           any  -> ENDED -> FREE           done() is called by the next poll
 *
 * Who waits is sent in the order of submission, as slots and grants are there.
 *
 * The id of a pass is its tag and a number that never comes again, so that no
 * response can be taken for another one.
 *
 * A bounced request has its pages from submission to its end. Grants are those
 * of one pass, in the order of its data; with `keep` they belong to the bounce
 * pages instead, and stay.
 */
#include "core/blk_front.h"

#define NIL BOUNCE_NIL

/* The operation that no backend has, and the two ids of the probe. */
#define PROBE_OP   0xff
#define PROBE_LOW  0x706e6578u
#define PROBE_MID  0x6265b62du
#define PROBE_HIGH 0x64636261u
#define PROBE_ID32 ((uint64_t)PROBE_MID << 32 | PROBE_LOW)
#define PROBE_ID64 ((uint64_t)PROBE_HIGH << 32 | PROBE_MID)

enum tag_state {
	TAG_FREE,
	TAG_WAITING,
	TAG_SENT,
	TAG_ENDED,
};

struct tag {
	enum tag_state state;
	int result;	/* ENDED */
	bool pinned;	/* a page of the owner's is */
	bool flush;	/* a flush is to follow the data */
	uint8_t op;	/* SENT: of the pass, WIRE_BLK_OP_* */
	bool indirect;	/* SENT */
	uint64_t id;	/* SENT */
	uint32_t index; /* SENT: of the pass in the ring */
	uint64_t order; /* of submission */
	struct blk_front_req req;
	uint32_t len;	     /* bytes of data */
	uint32_t moved;	     /* of these in the passes that have ended */
	uint32_t pass;	     /* SENT: of these in this one */
	struct bounce_at at; /* the first byte of the next pass, or of this */
	uint32_t segs;	     /* at most in a pass */
	uint32_t bounce;     /* first page, NIL: the owner's are granted */
	uint32_t list;	     /* page for descriptors, NIL: none */
	uint32_t list_gref;
	bool list_granted;
	uint32_t ngrefs;
	uint32_t *gref; /* room for segs_room */
};

struct blk_front {
	const struct blk_front_ops *ops;
	void *host;
	struct ring_front ring;
	enum blk_abi abi;
	bool detecting; /* the probe is not answered */
	uint16_t handle;
	uint32_t features;
	uint32_t indirect; /* segments of an indirect request; 0: none */
	uint32_t segs_room;
	uint32_t align, block_size;
	uint64_t sectors;
	bool stopped, suspended;
	bool dump;
	uint32_t depth, inflight, sent, waiting, ended;
	uint64_t next_order;
	uint64_t next_id;
	struct kept kept; /* bounce pages */
	struct tag *tags;
};

/* ------------------------------------------------------------------ making */

static uint32_t indirect_cut(uint32_t indirect_max)
{
	if (indirect_max <= WIRE_BLK_SEGS)
		return 0;
	return indirect_max < BLK_FRONT_SEGS_MAX ? indirect_max
						 : BLK_FRONT_SEGS_MAX;
}

static uint32_t segs_room(const struct blk_front_cfg *cfg)
{
	uint32_t n = indirect_cut(cfg->conn.indirect_max);

	return n > 0 ? n : WIRE_BLK_SEGS;
}

size_t blk_front_size(const struct blk_front_cfg *cfg)
{
	return sizeof(struct blk_front) +
	       (size_t)cfg->depth *
		       (sizeof(struct tag) +
			(size_t)segs_room(cfg) * sizeof(uint32_t)) +
	       (size_t)cfg->pages *
		       (sizeof(struct bounce) + sizeof(struct kept_page));
}

static bool power_of_two(uint32_t n, uint32_t from, uint32_t to)
{
	return n >= from && n <= to && (n & (n - 1)) == 0;
}

/* The probe: in each layout it has another id. */
static void put_probe(struct blk_front *f)
{
	uint32_t slot[BLK_SLOT_MAX / sizeof(uint32_t)] = {0};
	uint8_t *bytes = (uint8_t *)slot;

	bytes[0] = PROBE_OP;
	slot[1] = PROBE_LOW;
	slot[2] = PROBE_MID;
	slot[3] = PROBE_HIGH;
	ring_front_put(&f->ring, slot, f->ring.slot_size);
}

static int start_conn(struct blk_front *f, const struct blk_front_conn *c)
{
	uint32_t indirect = indirect_cut(c->indirect_max);
	int rc;

	if (c->abi >= BLK_ABIS ||
	    !power_of_two(c->block_size, WIRE_BLK_SECTOR, WIRE_PAGE_SIZE))
		return XPV_EINVAL;
	f->abi = c->detect ? BLK_ABI_64 : c->abi;
	rc = ring_front_init(&f->ring, c->ring, c->ring_pages,
			     blk_abi_slot(f->abi));
	if (rc < 0)
		return rc;
	f->handle = c->handle;
	f->features = c->features;
	f->indirect = indirect < f->segs_room ? indirect : f->segs_room;
	if (f->indirect <= WIRE_BLK_SEGS)
		f->indirect = 0;
	f->block_size = c->block_size;
	f->sectors = c->sectors;
	f->kept.keep = f->dump || (c->features & BLK_FRONT_F_PERSISTENT);
	f->detecting = c->detect;
	if (f->detecting)
		put_probe(f);
	return 0;
}

static int grant(void *engine, uint64_t frame, bool readonly, uint32_t *gref)
{
	struct blk_front *f = engine;

	return f->ops->grant(f->host, frame, readonly, gref);
}

/* Take a grant back; false when the backend can still reach the page. */
static bool revoke(void *engine, uint32_t gref)
{
	struct blk_front *f = engine;

	if (f->ops->revoke(f->host, gref))
		return true;
	f->ops->trace(f->host, BLK_FRONT_EV_PINNED, gref, 0);
	return false;
}

int blk_front_init(struct blk_front **out, void *mem, size_t len,
		   const struct blk_front_cfg *cfg,
		   const struct blk_front_ops *ops, void *host)
{
	struct blk_front *f = mem;
	uint32_t i, *gref;
	int rc;

	if (cfg->pages == 0 || cfg->pages > BOUNCE_MAX || cfg->depth == 0 ||
	    cfg->depth > BLK_FRONT_TAGS_MAX || (cfg->dump && cfg->depth > 1) ||
	    !power_of_two(cfg->align, WIRE_BLK_SECTOR, WIRE_PAGE_SIZE))
		return XPV_EINVAL;
	if (len < blk_front_size(cfg))
		return XPV_ENOMEM;
	xpv_zero(mem, blk_front_size(cfg));
	f->ops = ops;
	f->host = host;
	f->align = cfg->align;
	f->dump = cfg->dump;
	f->depth = cfg->depth;
	f->segs_room = segs_room(cfg);
	rc = start_conn(f, &cfg->conn);
	if (rc < 0)
		return rc;
	f->tags = (struct tag *)(f + 1);
	bounce_init(&f->kept.pool, (struct bounce *)(f->tags + f->depth),
		    cfg->page, cfg->pages);
	f->kept.page = (struct kept_page *)(f->kept.pool.page + cfg->pages);
	f->kept.pages = cfg->pages;
	f->kept.grant = grant;
	f->kept.revoke = revoke;
	f->kept.engine = f;
	gref = (uint32_t *)(f->kept.page + cfg->pages);
	for (i = 0; i < f->depth; i++)
		f->tags[i].gref = gref + (size_t)i * f->segs_room;
	/* A crash dump must not need a grant that there may not be then. */
	rc = f->dump ? kept_grant_all(&f->kept) : 0;
	if (rc < 0) {
		kept_drop(&f->kept, false);
		return rc;
	}
	*out = f;
	return 0;
}

/* ------------------------------------------------------- pages and grants */

/*
 * Take back the grants of the pass of T. GONE: they do not exist any more.
 * False when the backend can still reach a page: T's own are marked as lost,
 * the owner's make T pinned.
 */
static bool end_pass(struct blk_front *f, struct tag *t, bool gone)
{
	uint32_t page = t->bounce, i;
	bool keep = f->kept.keep, all = true;

	for (i = 0; i < t->ngrefs; i++) {
		bool good =
			gone || (keep && page != NIL) || revoke(f, t->gref[i]);

		all &= good;
		if (page == NIL) {
			t->pinned |= !good;
		} else {
			f->kept.page[page].lost |= !good;
			page = bounce_next(&f->kept.pool, page);
		}
	}
	if (t->list_granted && !gone && !keep && !revoke(f, t->list_gref)) {
		f->kept.page[t->list].lost = true;
		all = false;
	}
	t->list_granted = false;
	t->ngrefs = 0;
	return all;
}

/* T is done with its pages. */
static void give_pages(struct blk_front *f, struct tag *t)
{
	kept_give_chain(&f->kept, t->bounce);
	kept_give_chain(&f->kept, t->list);
	t->bounce = t->list = NIL;
}

/* Segments that a request can have now. */
static uint32_t segs_limit(const struct blk_front *f)
{
	return f->indirect > 0 && f->kept.pool.good > 0 ? f->indirect
							: WIRE_BLK_SEGS;
}

/*
 * Take bounce pages for T, as many as one pass can use of those that there are
 * (GOOD of them), and one for descriptors.
 */
static int take_bounce(struct blk_front *f, struct tag *t, uint32_t good)
{
	uint32_t left = t->len - t->moved, list;
	uint32_t n = left / WIRE_PAGE_SIZE + (left % WIRE_PAGE_SIZE != 0);

	if (n > segs_limit(f))
		n = segs_limit(f);
	if (n + (n > WIRE_BLK_SEGS) > good)
		n = good > WIRE_BLK_SEGS ? good - 1 : good;
	list = n > WIRE_BLK_SEGS;
	if (n == 0)
		return XPV_ENOMEM;
	if (n + list > f->kept.pool.free)
		return XPV_EBUSY;
	t->bounce = bounce_take(&f->kept.pool, n);
	t->list = bounce_take(&f->kept.pool, list);
	t->segs = n;
	return 0;
}

/* The owner's pages are granted: only descriptors may need a page. */
static void take_list(struct blk_front *f, struct tag *t)
{
	t->segs =
		t->req.npieces < segs_limit(f) ? t->req.npieces : segs_limit(f);
	if (t->segs <= WIRE_BLK_SEGS)
		return;
	if (f->kept.pool.free > 0)
		t->list = bounce_take(&f->kept.pool, 1);
	else
		t->segs = WIRE_BLK_SEGS; /* in more passes, then */
}

/* ------------------------------------------------------- writing requests */

/* What flushes, or 0. */
static uint8_t flush_op(const struct blk_front *f)
{
	if (f->features & BLK_FRONT_F_FLUSH)
		return WIRE_BLK_OP_FLUSH;
	return f->features & BLK_FRONT_F_BARRIER ? WIRE_BLK_OP_WRITE_BARRIER
						 : 0;
}

/* Is a flush all that T still needs? */
static bool to_flush(const struct tag *t)
{
	return t->moved == t->len && t->req.op != BLK_FRONT_DISCARD;
}

/* Grant the next page of T's data, as segment *W; its bytes, or XPV_EBUSY. */
static int put_seg(struct blk_front *f, struct tag *t, uint32_t *page,
		   struct wire_blk_seg *w)
{
	bool readonly = t->req.op == BLK_FRONT_WRITE;
	uint32_t offset = 0, len = t->len - t->moved - t->pass;
	uint32_t *gref = &t->gref[t->ngrefs];
	int rc;

	if (*page == NIL) {
		const struct front_piece *p =
			&t->req.piece[t->at.piece + t->ngrefs];

		rc = f->ops->grant(f->host, p->frame, readonly, gref);
		offset = p->offset;
		len = p->len;
	} else {
		rc = kept_grant(&f->kept, *page, readonly, gref);
		*page = bounce_next(&f->kept.pool, *page);
		if (len > WIRE_PAGE_SIZE)
			len = WIRE_PAGE_SIZE;
	}
	if (rc < 0)
		return XPV_EBUSY;
	w->gref = *gref;
	w->first_sect = (uint8_t)(offset / WIRE_BLK_SECTOR);
	w->last_sect = (uint8_t)((offset + len) / WIRE_BLK_SECTOR - 1);
	w->pad = 0;
	t->ngrefs++;
	t->pass += len;
	return 0;
}

/* The next pass of data of T. What was granted if it fails, end_pass() takes
 * back. */
static int put_data(struct blk_front *f, struct tag *t, struct blk_req *req)
{
	struct wire_blk_seg *seg = req->seg;
	uint32_t page = t->bounce, left = t->req.npieces - t->at.piece;
	struct bounce_at at = t->at;
	int rc;

	if (page != NIL)
		left = (t->len - t->moved + WIRE_PAGE_SIZE - 1) /
		       WIRE_PAGE_SIZE;
	if (left > t->segs)
		left = t->segs;
	req->op = t->req.op == BLK_FRONT_READ ? WIRE_BLK_OP_READ
					      : WIRE_BLK_OP_WRITE;
	req->nsegs = (uint16_t)left;
	req->sector += t->moved / WIRE_BLK_SECTOR;
	if (left > WIRE_BLK_SEGS) {
		req->indirect = true;
		seg = (struct wire_blk_seg *)(void *)f->kept.pool.page[t->list]
			      .page.va;
		xpv_zero(seg, WIRE_PAGE_SIZE);
		if (kept_grant(&f->kept, t->list, true, &t->list_gref) < 0)
			return XPV_EBUSY;
		t->list_granted = true;
		req->gref[0] = t->list_gref;
	}
	while (t->ngrefs < left) {
		rc = put_seg(f, t, &page, &seg[t->ngrefs]);
		if (rc < 0)
			return rc;
	}
	if (t->bounce != NIL) /* reading: nothing but zeros */
		bounce_fill(&f->kept.pool, t->bounce, t->req.piece, &at,
			    t->req.op == BLK_FRONT_WRITE ? t->pass : 0);
	return 0;
}

/* Send the next pass of T. There is room. XPV_EBUSY: no grants. */
static int put_pass(struct blk_front *f, struct tag *t)
{
	struct blk_req req;
	uint8_t slot[BLK_SLOT_MAX];
	int rc;

	xpv_zero(&req, sizeof(req));
	req.id = f->next_id << 16 | (uint64_t)(t - f->tags);
	req.handle = f->handle;
	req.sector = t->req.sector;
	t->pass = 0;
	if (t->moved < t->len) {
		rc = put_data(f, t, &req);
		if (rc < 0) {
			(void)end_pass(f, t, false);
			return rc;
		}
	} else if (t->req.op == BLK_FRONT_DISCARD) {
		req.op = WIRE_BLK_OP_DISCARD;
		req.count = t->req.count;
		req.flag = t->req.secure ? WIRE_BLK_DISCARD_SECURE : 0;
	} else {
		req.op = flush_op(f);
		req.sector = 0;
	}
	blk_abi_put_req(f->abi, slot, &req);
	t->op = req.op;
	t->indirect = req.indirect;
	t->id = req.id;
	t->index = f->ring.req_prod;
	ring_front_put(&f->ring, slot, f->ring.slot_size);
	f->next_id++;
	t->state = TAG_SENT;
	f->sent++;
	return 0;
}

static void wait_for_slot(struct blk_front *f, struct tag *t)
{
	t->state = TAG_WAITING;
	f->waiting++;
}

/* T, which is in no state that is counted, is done by the next poll. */
static void end_later(struct blk_front *f, struct tag *t, int result)
{
	t->state = TAG_ENDED;
	t->result = result;
	f->ended++;
}

/* Does T hold a page that the backend can still reach? */
static bool spoilt(const struct blk_front *f, const struct tag *t)
{
	uint32_t page;

	for (page = t->bounce; page != NIL;
	     page = bounce_next(&f->kept.pool, page))
		if (f->kept.page[page].lost)
			return true;
	return t->pinned || (t->list != NIL && f->kept.page[t->list].lost);
}

/* Who waits and was submitted first, of those from ORDER on; NULL. */
static struct tag *first_waiting(struct blk_front *f, uint64_t order)
{
	struct tag *first = NULL;
	uint32_t i;

	for (i = 0; i < f->depth; i++) {
		struct tag *t = &f->tags[i];

		if (t->state == TAG_WAITING && t->order >= order &&
		    (!first || t->order < first->order))
			first = t;
	}
	return first;
}

/* T waits no more: it is done by the next poll. */
static void give_up(struct blk_front *f, struct tag *t, int result)
{
	f->waiting--;
	end_later(f, t, result);
}

/*
 * T was submitted before grants were persistent. The owner's pages must not be
 * granted now: the backend would keep them. True if it has bounce pages.
 */
static bool bounced_now(struct blk_front *f, struct tag *t)
{
	if (!f->kept.keep || t->bounce != NIL || t->moved == t->len)
		return true;
	give_pages(f, t);
	return take_bounce(f, t, f->kept.pool.free) == 0;
}

/* Send what has been waiting. Who waits for bounce pages lets others pass,
 * since they may have them. */
static void pump(struct blk_front *f)
{
	struct tag *t = NULL;

	if (f->waiting == 0 || f->detecting)
		return;
	while (ring_front_room(&f->ring) > 0) {
		t = first_waiting(f, t ? t->order + 1 : 0);
		if (!t)
			return;
		if (to_flush(t) && flush_op(f) == 0)
			give_up(f, t, XPV_ENOTSUP);
		else if (f->kept.keep && f->kept.pool.good == 0)
			give_up(f, t, XPV_ENOMEM);
		else if (!bounced_now(f, t))
			continue;
		else if (put_pass(f, t) == 0)
			f->waiting--;
		else if (spoilt(f, t))
			give_up(f, t, XPV_EIO);
		else if (f->sent == 0)
			give_up(f, t, XPV_ENOSPC);
		else
			return;
	}
}

/* ------------------------------------------------------------- submitting */

static int may_send(const struct blk_front *f)
{
	if (f->suspended)
		return XPV_ECANCELED;
	return f->stopped ? XPV_EPROTO : 0;
}

/* Pieces that are granted as they are begin and end at multiples of this. */
static uint32_t piece_align(const struct blk_front *f)
{
	return f->align > f->block_size ? f->align : f->block_size;
}

/* Are SECTOR and COUNT whole blocks of the disk? */
static bool whole_blocks(const struct blk_front *f, uint64_t sector,
			 uint64_t count)
{
	return ((sector | count) & (f->block_size / WIRE_BLK_SECTOR - 1)) == 0;
}

/* Is R a request for this disk? How many bytes, and are they aligned? */
static int check_req(const struct blk_front *f, const struct blk_front_req *r,
		     uint32_t *len, bool *aligned)
{
	uint64_t count = r->count;
	int rc;

	*len = 0;
	*aligned = true;
	if (r->op >= BLK_FRONT_OPS)
		return XPV_EINVAL;
	if (r->op == BLK_FRONT_FLUSH)
		return 0;
	if (r->op != BLK_FRONT_READ && (f->features & BLK_FRONT_F_READONLY))
		return XPV_EROFS;
	if (r->op == BLK_FRONT_DISCARD) {
		if (!(f->features & BLK_FRONT_F_DISCARD) ||
		    (r->secure && !(f->features & BLK_FRONT_F_SECURE)))
			return XPV_ENOTSUP;
	} else {
		rc = front_pieces(r->piece, r->npieces, piece_align(f), len,
				  aligned);
		if (rc < 0)
			return rc;
		if (*len % WIRE_BLK_SECTOR != 0)
			return XPV_EINVAL;
		*aligned &= !r->bounce;
		count = *len / WIRE_BLK_SECTOR;
	}
	if (count == 0 || !whole_blocks(f, r->sector, count) ||
	    r->sector > f->sectors || count > f->sectors - r->sector)
		return XPV_EINVAL;
	return 0;
}

static struct tag *free_tag(struct blk_front *f)
{
	uint32_t i;

	for (i = 0; i < f->depth; i++)
		if (f->tags[i].state == TAG_FREE)
			return &f->tags[i];
	return NULL;
}

static void begin(struct blk_front *f, struct tag *t,
		  const struct blk_front_req *r, uint32_t len)
{
	t->req = *r;
	if (len == 0)
		t->req.npieces = 0;
	t->len = len;
	t->moved = t->pass = 0;
	t->at.piece = t->at.offset = 0;
	t->bounce = t->list = NIL;
	t->ngrefs = 0;
	t->pinned = t->list_granted = false;
	t->flush = r->op == BLK_FRONT_FLUSH ||
		   (r->op == BLK_FRONT_WRITE && r->fua);
	t->order = f->next_order++;
}

/* Send T, which has begun, or let it wait behind others. */
static int send(struct blk_front *f, struct tag *t)
{
	int rc;

	if (t->req.op == BLK_FRONT_FLUSH && flush_op(f) == 0) {
		end_later(f, t, 0);
		return 0;
	}
	if (f->waiting > 0 || f->detecting) {
		wait_for_slot(f, t);
		return 0;
	}
	if (ring_front_room(&f->ring) == 0)
		return XPV_EBUSY;
	rc = put_pass(f, t);
	if (rc < 0 && t->pinned) {
		/* Only done() can say so. */
		end_later(f, t, XPV_EIO);
		return 0;
	}
	return rc;
}

int blk_front_submit(struct blk_front *f, const struct blk_front_req *r)
{
	struct tag *t;
	uint32_t len;
	bool aligned;
	int rc;

	rc = may_send(f);
	if (rc < 0)
		return rc;
	rc = check_req(f, r, &len, &aligned);
	if (rc < 0)
		return rc;
	pump(f); /* who waits was here before */
	t = free_tag(f);
	if (!t)
		return XPV_EBUSY;
	begin(f, t, r, len);
	if (len > 0 && (f->kept.keep || !aligned))
		rc = take_bounce(f, t, f->kept.pool.good);
	else
		take_list(f, t);
	if (rc == 0)
		rc = send(f, t);
	if (rc < 0) {
		give_pages(f, t);
		return rc;
	}
	f->inflight++;
	return 0;
}

/* -------------------------------------------------------------- responses */

/* The request T has ended; its grants have been taken back. */
static void finish(struct blk_front *f, struct tag *t, int result)
{
	give_pages(f, t);
	t->state = TAG_FREE;
	f->inflight--;
	f->ops->done(f->host, t->req.cookie, result, t->pinned);
}

/* What was to end at the next poll. */
static void finish_ended(struct blk_front *f)
{
	uint32_t i;

	for (i = 0; i < f->depth && f->ended > 0; i++) {
		if (f->tags[i].state != TAG_ENDED)
			continue;
		f->ended--;
		finish(f, &f->tags[i], f->tags[i].result);
	}
}

/* Everything outstanding ends. */
static void finish_all(struct blk_front *f, int result)
{
	uint32_t i;

	finish_ended(f);
	for (i = 0; i < f->depth; i++) {
		if (f->tags[i].state == TAG_FREE)
			continue;
		(void)end_pass(f, &f->tags[i], false);
		finish(f, &f->tags[i], result);
	}
	f->sent = f->waiting = 0;
}

/* The backend has broken the protocol. */
static int stop(struct blk_front *f, uint32_t event, uint64_t a, uint64_t b)
{
	f->stopped = true;
	f->ops->trace(f->host, event, a, b);
	finish_all(f, XPV_EIO);
	return XPV_EPROTO;
}

/* What was offered is not there. Can it be done in another way? */
static bool unsupported(struct blk_front *f, struct tag *t)
{
	switch (t->op) {
	case WIRE_BLK_OP_FLUSH:
		f->features &= ~(uint32_t)BLK_FRONT_F_FLUSH;
		return flush_op(f) != 0;
	case WIRE_BLK_OP_WRITE_BARRIER:
		f->features &= ~(uint32_t)BLK_FRONT_F_BARRIER;
		return flush_op(f) != 0;
	case WIRE_BLK_OP_DISCARD:
		f->features &=
			~(uint32_t)(BLK_FRONT_F_DISCARD | BLK_FRONT_F_SECURE);
		return false;
	default:
		return false;
	}
}

/* The pass of T has ended well. */
static void pass_done(struct blk_front *f, struct tag *t, bool all_back)
{
	if (t->pass == 0)
		t->flush = false; /* it was the flush, or a discard */
	else if (t->bounce != NIL && t->req.op == BLK_FRONT_READ)
		bounce_read(&f->kept.pool, t->bounce, t->req.piece, &t->at,
			    t->pass);
	else
		front_skip(t->req.piece, &t->at, t->pass);
	t->moved += t->pass;
	if (t->moved == t->len && (!t->flush || flush_op(f) == 0))
		finish(f, t, 0);
	else if (all_back)
		wait_for_slot(f, t);
	else
		finish(f, t, XPV_EIO);
}

/* The pass of T is answered. */
static void answered(struct blk_front *f, struct tag *t, int16_t status)
{
	bool all_back = end_pass(f, t, false);
	int result = XPV_EIO;

	f->sent--;
	if (status == WIRE_BLK_RSP_OKAY) {
		pass_done(f, t, all_back);
		return;
	}
	if (status == WIRE_BLK_RSP_EOPNOTSUPP) {
		if (unsupported(f, t)) {
			wait_for_slot(f, t);
			return;
		}
		result = XPV_ENOTSUP;
	} else if (status != WIRE_BLK_RSP_ERROR) {
		f->ops->trace(f->host, BLK_FRONT_EV_BAD_STATUS, t->op,
			      (uint64_t)(int64_t)status);
	}
	finish(f, t, result);
}

/* The answer to the probe: which layout does the backend have? */
static int probe_done(struct blk_front *f, const struct blk_rsp *rsp)
{
	if (rsp->id != PROBE_ID64 && rsp->id != PROBE_ID32)
		return stop(f, BLK_FRONT_EV_BAD_ID, rsp->id, 0);
	if (rsp->op != PROBE_OP)
		return stop(f, BLK_FRONT_EV_BAD_OP, rsp->op, PROBE_OP);
	f->abi = rsp->id == PROBE_ID64 ? BLK_ABI_64 : BLK_ABI_32;
	ring_front_relayout(&f->ring, blk_abi_slot(f->abi));
	f->detecting = false;
	return 0;
}

/* Judge one response, and end what it answers. */
static int response(struct blk_front *f, const struct blk_rsp *rsp)
{
	uint32_t tag = rsp->id & 0xffff;
	struct tag *t;

	if (f->detecting)
		return probe_done(f, rsp);
	if (tag >= f->depth)
		return stop(f, BLK_FRONT_EV_BAD_ID, rsp->id, 0);
	t = &f->tags[tag];
	if (t->state != TAG_SENT || t->id != rsp->id ||
	    !ring_front_seen(&f->ring, t->index))
		return stop(f, BLK_FRONT_EV_BAD_ID, rsp->id, 0);
	/* The kernel's backend names an indirect request by what it stands
	 * for, others as it was sent. */
	if (rsp->op != t->op &&
	    !(t->indirect && rsp->op == WIRE_BLK_OP_INDIRECT))
		return stop(f, BLK_FRONT_EV_BAD_OP, rsp->op, t->op);
	answered(f, t, rsp->status);
	return 0;
}

int blk_front_poll(struct blk_front *f, uint32_t budget)
{
	uint8_t slot[BLK_SLOT_MAX];
	struct blk_rsp rsp;
	uint32_t i;
	int pending, rc;

	rc = may_send(f);
	if (rc < 0)
		return f->suspended ? 0 : rc;
	finish_ended(f);
	pending = ring_front_pending(&f->ring);
	if (pending < 0)
		return stop(f, BLK_FRONT_EV_BAD_RING,
			    xpv_load32(&f->ring.shared->rsp_prod) -
				    f->ring.rsp_cons,
			    0);
	for (i = 0; i < (uint32_t)pending && i < budget; i++) {
		ring_front_take(&f->ring, slot);
		blk_abi_get_rsp(slot, &rsp);
		rc = response(f, &rsp);
		if (rc < 0)
			return rc;
	}
	pump(f);
	return (int)i;
}

void blk_front_flush(struct blk_front *f)
{
	if (may_send(f) == 0 && ring_front_push(&f->ring))
		f->ops->notify(f->host);
}

bool blk_front_arm(struct blk_front *f)
{
	if (may_send(f) < 0)
		return false;
	if (f->dump)
		return blk_front_has_work(f);
	/* No shortcut: the event is asked for in any case. */
	return ring_front_arm(&f->ring) || f->ended > 0;
}

bool blk_front_has_work(const struct blk_front *f)
{
	return may_send(f) == 0 &&
	       (f->ended > 0 || ring_front_has_work(&f->ring));
}

void blk_front_resize(struct blk_front *f, uint64_t sectors)
{
	f->sectors = sectors;
}

uint32_t blk_front_features(const struct blk_front *f)
{
	return f->features;
}

/* ------------------------------------------------------ suspend and resume */

void blk_front_suspend(struct blk_front *f, bool grants_gone)
{
	uint32_t i;

	if (f->suspended)
		return;
	f->suspended = true;
	for (i = 0; i < f->depth; i++) {
		struct tag *t = &f->tags[i];

		if (t->state != TAG_SENT)
			continue;
		(void)end_pass(f, t, grants_gone);
		wait_for_slot(f, t);
	}
	f->sent = 0;
	kept_drop(&f->kept, grants_gone);
	for (i = 0; i < f->depth; i++) {
		struct tag *t = &f->tags[i];

		if (t->state == TAG_WAITING && spoilt(f, t))
			give_up(f, t, XPV_EIO);
	}
	finish_ended(f);
}

/* Can T, which waits, go on over the new connection? 0, or how it ends. */
static int check_again(const struct blk_front *f, struct tag *t)
{
	uint32_t len;
	bool aligned;
	int rc;

	rc = check_req(f, &t->req, &len, &aligned);
	if (rc < 0)
		return rc;
	if (t->segs > segs_limit(f))
		t->segs = segs_limit(f);
	if ((!aligned && t->bounce == NIL && !f->kept.keep) ||
	    t->moved % f->block_size != 0)
		return XPV_EIO;
	return 0;
}

int blk_front_resume(struct blk_front *f, const struct blk_front_conn *conn)
{
	uint32_t i;
	int rc;

	if (!f->suspended)
		return XPV_EBUSY;
	rc = start_conn(f, conn);
	if (rc == 0 && f->dump)
		rc = kept_grant_all(&f->kept);
	if (rc < 0)
		return rc;
	f->suspended = f->stopped = false;
	for (i = 0; i < f->depth; i++) {
		struct tag *t = &f->tags[i];

		if (t->state != TAG_WAITING)
			continue;
		rc = check_again(f, t);
		if (rc < 0)
			give_up(f, t, rc);
		else if (to_flush(t) && flush_op(f) == 0)
			give_up(f, t, 0);
	}
	pump(f);
	return 0;
}

void blk_front_abandon(struct blk_front *f)
{
	blk_front_suspend(f, false);
	finish_all(f, XPV_ECANCELED);
}

uint32_t blk_front_inflight(const struct blk_front *f)
{
	return f->inflight;
}
