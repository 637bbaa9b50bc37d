/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block backend engine under a hostile frontend: any slots, indexes and
 * descriptor pages, changed again while the engine works (a value that is
 * fetched twice differs the second time), commands ended in any order.
 *
 * Beside it runs a model that decides from a copy of the slots, taken before
 * the poll, what has to become of each: the commands submitted must be those,
 * in an order that is allowed, and each request is answered once, with what the
 * model says. No command waits without a reason.
 */
#include "core/blk_back.h"
#include "tests/fuzz/fuzz.h"

#define SLOTS_MAX 64u /* of a ring of two pages */
#define SEGS_MAX  20u
#define POOL_MAX  16u
#define SECTORS	  1000u
#define BLOCK	  2u /* sectors of a logical block */

enum state {
	UNUSED,
	HELD,	 /* not submitted */
	RUNNING, /* the host has it */
	DUE,	 /* the next poll must submit it */
};

/* A request that was taken and is not answered. */
struct pending {
	enum state state;
	uint32_t index;
	uint64_t order;
	uint16_t tag;
	uint8_t raw[BLK_SLOT_MAX];
	/* what the model says */
	uint64_t id;
	uint8_t op; /* of the answer */
	bool now;   /* answered at once */
	int16_t status;
	bool fetch, barrier, write;
	bool flush, data; /* what is still to be done */
	bool secure;
	enum blk_back_act act;
	uint64_t sector, count;
	uint32_t nsegs;
	struct wire_blk_seg segs[SEGS_MAX];
};

struct world {
	struct fuzz_in *in;
	struct blk_back *back;
	struct wire_ring *ring;
	enum blk_abi abi;
	uint32_t slots, features, indirect_max, pool_max;
	uint32_t taken, answered;
	uint64_t order;
	bool broken, closed;
	struct pending pending[SLOTS_MAX];
	uint32_t n, first; /* taken by the poll under way */
	struct blk_rsp want[2 * SLOTS_MAX];
	uint32_t wants;
	uint32_t mapped[POOL_MAX]; /* gref + 1, by slot */
};

static uint8_t *slot(struct world *w, uint32_t i)
{
	return (uint8_t *)w->ring + WIRE_RING_SLOTS_OFFS +
	       (i % w->slots) * (w->abi == BLK_ABI_32 ? 108u : 112u);
}

static struct pending *find(struct world *w, uint32_t index)
{
	for (uint32_t i = 0; i < w->slots; i++)
		if (w->pending[i].state != UNUSED &&
		    w->pending[i].index == index)
			return &w->pending[i];
	return NULL;
}

/*
 * The frontend writes slots again that were taken, which all up to that of P
 * were, if P is of this poll; but none that may hold an answer which it has not
 * seen.
 */
static void meddle(struct world *w, const struct pending *p)
{
	uint32_t answers = w->wants, i;
	uint8_t what = fuzz_u8(w->in);

	for (i = 0; i < w->slots; i++)
		answers += w->pending[i].state != UNUSED && w->pending[i].now;
	for (i = 0;
	     i < w->n && p->index - w->first < w->n && i <= p->index - w->first;
	     i++)
		if (what & (1u << i % 8) &&
		    (w->first + i - w->answered) % w->slots >= answers &&
		    find(w, w->first + i))
			memset(slot(w, w->first + i), what, 108);
}

/* ---- the model ---- */

static void want(struct world *w, struct pending *p, int16_t status)
{
	FUZZ_CHECK(w->wants < XPV_ARRAY_SIZE(w->want));
	w->want[w->wants++] = (struct blk_rsp){p->id, p->op, status};
	p->state = UNUSED;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void refuse(struct pending *p, int16_t status)
{
	p->now = true;
	p->status = status;
}

static bool announced(const struct world *w, uint8_t op)
{
	switch (op) {
	case WIRE_BLK_OP_READ:
	case WIRE_BLK_OP_WRITE:
		return true;
	case WIRE_BLK_OP_WRITE_BARRIER:
		return w->features & BLK_BACK_F_BARRIER;
	case WIRE_BLK_OP_FLUSH:
		return w->features & BLK_BACK_F_FLUSH;
	case WIRE_BLK_OP_DISCARD:
		return w->features & BLK_BACK_F_DISCARD;
	case WIRE_BLK_OP_INDIRECT:
		return w->indirect_max > 0;
	default:
		return false;
	}
}

/* Whether the segments, once they are all here, make a request. */
static void judge_segs(struct pending *p)
{
	if (p->op != WIRE_BLK_OP_DISCARD || p->fetch) {
		p->count = 0;
		for (uint32_t i = 0; i < p->nsegs; i++) {
			const struct wire_blk_seg *s = &p->segs[i];

			if (s->first_sect > s->last_sect || s->last_sect > 7) {
				refuse(p, WIRE_BLK_RSP_ERROR);
				return;
			}
			p->count += s->last_sect - s->first_sect + 1u;
		}
	}
	if (p->data && (p->sector > SECTORS || p->count > SECTORS ||
			p->sector + p->count > SECTORS || p->sector % BLOCK ||
			p->count % BLOCK))
		refuse(p, WIRE_BLK_RSP_ERROR);
}

/* What the slot says of itself. */
static void judge(const struct world *w, struct pending *p)
{
	uint32_t base = w->abi == BLK_ABI_32 ? 4 : 8;
	const uint8_t *raw = p->raw;
	uint8_t op = raw[0];

	p->op = op == WIRE_BLK_OP_INDIRECT ? raw[1] : op;
	p->id = u64_at(raw + base);
	p->sector = u64_at(raw + base + 8);
	if (!announced(w, op)) {
		refuse(p, WIRE_BLK_RSP_EOPNOTSUPP);
		return;
	}
	if (op == WIRE_BLK_OP_INDIRECT) {
		p->nsegs = u16_at(raw + 2);
		p->fetch = p->data = true;
		if (p->op > 1 || !p->nsegs || p->nsegs > w->indirect_max)
			refuse(p, WIRE_BLK_RSP_ERROR);
	} else if (op == WIRE_BLK_OP_DISCARD) {
		p->count = u64_at(raw + base + 16);
		p->data = p->count > 0;
		p->secure = raw[1] & 1 && w->features & BLK_BACK_F_SECURE;
		if (!p->data)
			refuse(p, WIRE_BLK_RSP_OKAY);
	} else {
		p->nsegs = raw[1];
		p->data = p->nsegs > 0;
		p->flush = op >= WIRE_BLK_OP_WRITE_BARRIER;
		p->barrier = op == WIRE_BLK_OP_WRITE_BARRIER;
		if (p->nsegs > 11 || (!p->nsegs && !p->flush))
			refuse(p, WIRE_BLK_RSP_ERROR);
		else
			memcpy(p->segs, raw + base + 16,
			       p->nsegs * sizeof(p->segs[0]));
	}
	p->act = p->op == WIRE_BLK_OP_READ	? BLK_BACK_READ
		 : p->op == WIRE_BLK_OP_DISCARD ? BLK_BACK_DISCARD
						: BLK_BACK_WRITE;
	p->write = p->barrier || (p->data && p->act != BLK_BACK_READ);
	if (!p->now && p->write && p->data && w->features & BLK_BACK_F_READONLY)
		refuse(p, WIRE_BLK_RSP_ERROR);
	if (!p->now && !p->fetch)
		judge_segs(p);
}

/* Is there anything that P has to wait for? */
static bool blocked(const struct world *w, const struct pending *p)
{
	for (uint32_t i = 0; i < w->slots && p->write; i++) {
		const struct pending *x = &w->pending[i];

		if (x->state == UNUSED || x->now || !x->write ||
		    x->order >= p->order)
			continue;
		if (x->barrier || p->barrier ||
		    (x->sector < p->sector + p->count &&
		     p->sector < x->sector + x->count))
			return true;
	}
	return false;
}

/* ---- what the engine calls ---- */

static void submit(void *host, const struct blk_back_cmd *cmd)
{
	struct world *w = host;
	struct pending *p = find(w, cmd->index);

	FUZZ_CHECK(p && !p->now && cmd->tag < w->slots);
	FUZZ_CHECK(p->state == HELD || (p->state == DUE && p->tag == cmd->tag));
	FUZZ_CHECK(!blocked(w, p));
	p->tag = cmd->tag;
	p->state = RUNNING;
	if (p->flush) {
		FUZZ_CHECK(cmd->act == BLK_BACK_FLUSH && !cmd->nsegs);
	} else {
		FUZZ_CHECK(p->data && cmd->act == p->act);
		FUZZ_CHECK(cmd->fua == p->barrier && cmd->secure == p->secure);
		FUZZ_CHECK(cmd->sector == p->sector && cmd->count == p->count);
		FUZZ_CHECK(cmd->nsegs == p->nsegs);
	}
	for (uint32_t i = 0; i < cmd->nsegs; i++) {
		const struct blk_back_seg *s = &cmd->segs[i];
		const struct wire_blk_seg *m = &p->segs[i];

		FUZZ_CHECK(s->gref == m->gref);
		FUZZ_CHECK(s->offset == m->first_sect * 512u);
		FUZZ_CHECK(s->len == (m->last_sect - m->first_sect + 1u) * 512);
		FUZZ_CHECK(s->slot == PGRANT_NONE ||
			   (s->slot < w->pool_max &&
			    w->mapped[s->slot] == s->gref + 1));
	}
	meddle(w, p);
}

/* Descriptors: whatever the frontend likes, at times none at all. */
static void fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct world *w = host;
	struct pending *p, *last = NULL;
	struct wire_blk_seg s;
	uint32_t at = 0;

	/* A poll takes several batches; each asks for its own. */
	for (uint32_t i = 0; i < w->n && at < n; i++) {
		uint32_t gref;

		p = find(w, w->first + i);
		if (!p || !p->fetch || p->now || p->state != HELD ||
		    p->count != UINT64_MAX)
			continue;
		memcpy(&gref, p->raw + (w->abi == BLK_ABI_32 ? 24 : 28), 4);
		FUZZ_CHECK(f[at].gref == gref && f[at].offset == 0 &&
			   f[at].len == p->nsegs * 8);
		f[at].ok = fuzz_below(w->in, 16) != 15;
		for (uint32_t k = 0; k < p->nsegs; k++) {
			fuzz_take(w->in, &s, sizeof(s));
			if (fuzz_below(w->in, 16)) {
				s.gref &= 31;
				s.last_sect &= 7;
				s.first_sect &= s.last_sect;
			}
			p->segs[k] = s;
		}
		memcpy(f[at].to, p->segs, p->nsegs * 8);
		p->count = 0;
		if (f[at].ok)
			judge_segs(p);
		else
			refuse(p, WIRE_BLK_RSP_ERROR);
		at++;
		last = p;
	}
	FUZZ_CHECK(at == n);
	meddle(w, last);
}

static void map(void *host, struct pgrant_map *m, uint32_t n)
{
	struct world *w = host;

	for (uint32_t i = 0; i < n; i++) {
		FUZZ_CHECK(m[i].slot < w->pool_max && !w->mapped[m[i].slot]);
		m[i].ok = fuzz_below(w->in, 16) != 15;
		if (m[i].ok)
			w->mapped[m[i].slot] = m[i].gref + 1;
	}
}

static void unmap(void *host, const uint32_t *slots, uint32_t n)
{
	struct world *w = host;

	for (uint32_t i = 0; i < n; i++) {
		FUZZ_CHECK(slots[i] < w->pool_max && w->mapped[slots[i]]);
		w->mapped[slots[i]] = 0;
	}
}

static void notify(void *host)
{
	(void)host;
}

static void trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)host;
	(void)a;
	(void)b;
	FUZZ_CHECK(event < BLK_BACK_EVENTS);
}

static const struct blk_back_ops ops = {
	.submit = submit,
	.fetch = fetch,
	.map = map,
	.unmap = unmap,
	.notify = notify,
	.trace = trace,
};

/* ---- what the frontend and the host do ---- */

/* Most of what is random is brought near to what is allowed. */
static void write_slot(struct world *w, uint32_t i)
{
	uint32_t base = w->abi == BLK_ABI_32 ? 4 : 8, k;
	uint8_t *to = slot(w, i), wild = fuzz_u8(w->in);
	uint64_t v;

	memset(to, 0, 108);
	fuzz_take(w->in, to, base + 24);
	if (!(wild & 1))
		to[0] %= 7;
	if (!(wild & 2))
		to[1] = (uint8_t)(to[1] % 4);
	if (!(wild & 4))
		to[3] = 0;
	if (!(wild & 8)) {
		v = u64_at(to + base + 8) % (SECTORS / 16) * 2;
		memcpy(to + base + 8, &v, sizeof(v));
	}
	if (!(wild & 16) && to[0] == WIRE_BLK_OP_DISCARD) {
		v = u64_at(to + base + 16) % 64 * 2;
		memcpy(to + base + 16, &v, sizeof(v));
	}
	for (k = 0; k < to[1] && k < 11 && to[0] < 4; k++) {
		uint8_t *seg = to + base + 16 + k * 8;

		fuzz_take(w->in, seg, 6);
		if (wild & 32)
			continue;
		memset(seg + 1, 0, 3);
		seg[0] &= 31;
		seg[5] = (uint8_t)((seg[5] & 7) | 1);
		seg[4] = (uint8_t)(seg[4] & seg[5] & 6);
	}
}

static void take_responses(struct world *w)
{
	static const uint8_t zero[112];
	uint32_t size = w->abi == BLK_ABI_32 ? 108 : 112, k;
	uint32_t n = w->ring->rsp_prod - w->answered;

	/* More than there are slots: the frontend has claimed requests in place
	 * of answers that it did not take. Only their number can be seen. */
	if (n > w->slots) {
		FUZZ_CHECK(n == w->wants);
		w->wants = 0;
		w->answered += n;
	}
	for (; w->answered != w->ring->rsp_prod; w->answered++) {
		const uint8_t *raw = slot(w, w->answered);

		for (k = 0; k < w->wants; k++)
			if (u64_at(raw) == w->want[k].id &&
			    raw[8] == w->want[k].op &&
			    (int16_t)u16_at(raw + 10) == w->want[k].status)
				break;
		FUZZ_CHECK(k < w->wants && raw[9] == 0);
		FUZZ_CHECK(!memcmp(raw + 12, zero, size - 12));
		w->want[k] = w->want[--w->wants];
	}
	FUZZ_CHECK(w->wants == 0); /* all that is due has been answered */
}

/* Remember what is on the ring, and what has to become of it. */
static void foresee(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct pending *p = w->pending;

		while (p->state != UNUSED)
			p++;
		FUZZ_CHECK(p < w->pending + w->slots);
		memset(p, 0, sizeof(*p));
		p->state = HELD;
		p->index = w->first + i;
		p->order = w->order++;
		memcpy(p->raw, slot(w, p->index),
		       w->abi == BLK_ABI_32 ? 108 : 112);
		judge(w, p);
		if (p->fetch)
			p->count = UINT64_MAX; /* not known before fetch() */
	}
}

static void poll(struct world *w)
{
	uint32_t budget = fuzz_u8(w->in), prod = w->ring->req_prod;
	uint32_t open = prod - w->answered - w->wants;
	bool bad = !w->closed && (open > w->slots || prod - w->taken > open);
	int n;

	w->n = 0;
	w->first = w->taken;
	if (!bad && !w->broken && !w->closed)
		w->n = prod - w->taken < budget ? prod - w->taken : budget;
	foresee(w);
	w->taken += w->n;
	n = blk_back_poll(w->back, budget);
	FUZZ_CHECK(n == (bad || w->broken ? XPV_EPROTO : (int)w->n));
	w->broken |= bad;
	if (w->broken)
		return;
	for (uint32_t i = 0; i < w->slots; i++) {
		struct pending *p = &w->pending[i];

		FUZZ_CHECK(p->state != DUE);
		if (p->state != HELD)
			continue;
		if (p->now)
			want(w, p, p->status);
		else
			FUZZ_CHECK(blocked(w, p));
	}
	take_responses(w);
}

/* End a command, well or not. */
static void complete(struct world *w, struct pending *p)
{
	static const int results[] = {0, 0, 0, 0, 0, 0, XPV_EIO, XPV_ENOTSUP};
	int result = results[fuzz_below(w->in, 8)];

	blk_back_complete(w->back, p->tag, result);
	if (w->broken) {
		p->state = UNUSED;
		return;
	}
	if (result == 0 && p->flush && p->data) {
		p->flush = false;
		p->state = DUE;
		return;
	}
	want(w, p,
	     result == 0	     ? WIRE_BLK_RSP_OKAY
	     : result == XPV_ENOTSUP ? WIRE_BLK_RSP_EOPNOTSUPP
				     : WIRE_BLK_RSP_ERROR);
}

static void complete_some(struct world *w)
{
	uint8_t which = fuzz_u8(w->in);

	for (uint32_t i = 0; i < w->slots; i++)
		if (which & (1u << i % 8) && w->pending[i].state == RUNNING)
			complete(w, &w->pending[i]);
}

static void step(struct world *w)
{
	uint32_t n;

	switch (fuzz_below(w->in, 16)) {
	case 0:
		w->ring->req_prod = fuzz_u32(w->in);
		break;
	case 1:
		blk_back_close(w->back);
		w->closed = true;
		break;
	case 2:
		blk_back_trim(w->back, fuzz_below(w->in, POOL_MAX));
		break;
	case 3:
		blk_back_age(w->back);
		break;
	case 4:
		(void)blk_back_arm(w->back);
		(void)blk_back_has_work(w->back);
		blk_back_flush(w->back);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		complete_some(w);
		break;
	case 9:
	case 10:
	case 11:
		poll(w);
		break;
	default: /* no slot whose answer was not seen: that may be there */
		for (n = fuzz_below(w->in, 40);
		     n > 0 && w->ring->req_prod - w->answered < w->slots &&
		     w->ring->req_prod - w->answered >= w->taken - w->answered;
		     n--)
			write_slot(w, w->ring->req_prod++);
		poll(w);
	}
}

/* Everything ends, whatever has been done. */
static void finish(struct world *w)
{
	uint32_t i, k;

	for (k = 0; k < 3 * SLOTS_MAX + 3 && !w->broken; k++) {
		blk_back_close(w->back);
		w->closed = true;
		for (i = 0; i < w->slots; i++)
			if (w->pending[i].state == RUNNING)
				complete(w, &w->pending[i]);
		poll(w);
	}
	for (i = 0; i < w->slots; i++) {
		if (w->pending[i].state == RUNNING)
			complete(w, &w->pending[i]);
		FUZZ_CHECK(w->broken || w->pending[i].state == UNUSED);
	}
	FUZZ_CHECK(blk_back_inflight(w->back) == 0);
	blk_back_trim(w->back, 0);
	for (i = 0; i < POOL_MAX; i++)
		FUZZ_CHECK(!w->mapped[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	struct world *w = calloc(1, sizeof(*w));
	struct blk_back_cfg cfg;
	uint8_t how = fuzz_u8(&in);
	void *mem;

	FUZZ_CHECK(w);
	w->in = &in;
	w->abi = how & 1 ? BLK_ABI_32 : BLK_ABI_64;
	w->slots = how & 2 ? 64 : 32;
	w->indirect_max = how & 4 ? SEGS_MAX : 0;
	w->pool_max = how & 8 ? 1 + fuzz_below(&in, POOL_MAX) : 0;
	w->features = fuzz_u8(&in);
	w->ring = aligned_alloc(4096, 2 * 4096);
	FUZZ_CHECK(w->ring);
	memset(w->ring, 0, 2 * 4096);
	w->taken = w->answered = how & 16 ? 0xfffffff0u : 0;
	w->ring->req_prod = w->ring->rsp_prod = w->taken;
	cfg = (struct blk_back_cfg){
		.shared = w->ring,
		.pages = w->slots / 32,
		.abi = w->abi,
		.first = w->taken,
		.features = w->features & 31,
		.indirect_max = w->indirect_max,
		.persistent_max = w->pool_max,
		.block_size = BLOCK * 512,
		.sectors = SECTORS,
	};
	mem = malloc(blk_back_size(&cfg));
	FUZZ_CHECK(mem);
	FUZZ_CHECK(blk_back_init(&w->back, mem, blk_back_size(&cfg), &cfg, &ops,
				 w) == 0);
	while (in.left)
		step(w);
	finish(w);
	free(mem);
	free(w->ring);
	free(w);
	return 0;
}
