/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PVSCSI frontend engine against any backend. As long as the backend is
 * honest (it may fail commands, answer in any order, leave aborted ones
 * unanswered) the engine must not stop and data must be right; a hostile one
 * may end the device, but every command ends once, in bounds, with all its
 * pages back or called pinned.
 */
#include "core/scsi_front.h"
#include "tests/fuzz/fuzz.h"

#define PAGES  40u /* of the engine */
#define CMDS   20u
#define PIECES 40u
#define GRANTS 1024u
#define ARENA  (PAGES + CMDS * PIECES)
#define GUARD  0xcc

struct cmd {
	bool used, spoilt; /* spoilt: a page of it is pinned, for ever */
	bool flushed;	   /* the backend could have seen it */
	uint8_t seed;
	uint64_t cookie;
	uint32_t len;
	int tag;
	struct scsi_front_cmd c;
	struct front_piece piece[PIECES];
};

struct world {
	struct fuzz_in *in;
	struct scsi_front *f;
	struct wire_ring *ring;
	uint8_t *arena;
	uint64_t cookies;
	uint32_t running, depth;
	bool hostile, gone;
	uint8_t grants_left, map_after; /* what fails next; 0: nothing */
	struct {
		bool used, ro;
		uint32_t frame;
	} grant[GRANTS];
	uint32_t next_grant, grants;
	uint8_t granted[ARENA]; /* how often */
	bool pinned[ARENA];
	struct cmd cmd[CMDS];
	/* the backend */
	uint32_t req_cons, rsp_prod, reqs;
	struct wire_scsi_req req[64];
};

/* The data of a command, from byte AT on. */
static const uint8_t *pattern(uint8_t seed, uint32_t at)
{
	static uint8_t all[256 * 977 + PIECES * WIRE_PAGE_SIZE];

	for (uint32_t i = 0; !all[1] && i < sizeof(all); i++)
		all[i] = (uint8_t)(i + i / 251);
	FUZZ_CHECK(at <= PIECES * WIRE_PAGE_SIZE);
	return all + seed * 977u + at;
}

static uint8_t *page(struct world *w, uint64_t frame)
{
	FUZZ_CHECK(frame < ARENA);
	return w->arena + frame * WIRE_PAGE_SIZE;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- what the engine calls ---- */

static int grant(void *host, uint64_t frame, bool ro, uint32_t *gref)
{
	struct world *w = host;
	uint32_t g;

	FUZZ_CHECK(frame < ARENA && !w->pinned[frame]);
	if (w->grants_left && --w->grants_left == 0)
		return XPV_ENOSPC;
	FUZZ_CHECK(frame >= PAGES || !w->granted[frame]);
	FUZZ_CHECK(w->grants < GRANTS);
	while (w->grant[w->next_grant % GRANTS].used)
		w->next_grant++;
	g = w->next_grant++ % GRANTS;
	w->grant[g].used = true;
	w->grant[g].ro = ro;
	w->grant[g].frame = (uint32_t)frame;
	w->granted[frame]++;
	w->grants++;
	*gref = g + 8;
	return 0;
}

static bool revoke(void *host, uint32_t gref)
{
	struct world *w = host;

	FUZZ_CHECK(gref >= 8 && gref < 8 + GRANTS && !w->gone);
	FUZZ_CHECK(w->grant[gref - 8].used);
	w->grant[gref - 8].used = false;
	w->granted[w->grant[gref - 8].frame]--;
	w->grants--;
	if (!w->map_after || --w->map_after)
		return true;
	w->pinned[w->grant[gref - 8].frame] = true;
	return false;
}

static void notify(void *host)
{
	(void)host;
}

static void act(struct world *w);

/* Data is what was asked for, and nothing beside the pieces was written. */
static void check_data(struct world *w, const struct cmd *c, uint32_t good)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < c->c.npieces; i++) {
		const struct front_piece *p = &c->piece[i];
		const uint8_t *va = page(w, p->frame);
		uint32_t end = p->offset + p->len, n = p->len;

		if (n > good - at)
			n = good - at;
		FUZZ_CHECK(!memcmp(p->va, pattern(c->seed, at), n));
		at += n;
		for (uint32_t k = 0; k < 16; k++)
			FUZZ_CHECK((k >= p->offset ||
				    va[p->offset - 1 - k] == GUARD) &&
				   (end + k >= WIRE_PAGE_SIZE ||
				    va[end + k] == GUARD));
	}
}

static void done(void *host, uint64_t cookie,
		 const struct scsi_front_result *res)
{
	struct world *w = host;
	struct cmd *c = &w->cmd[cookie % CMDS];
	bool pinned = false;

	FUZZ_CHECK(c->used && c->cookie == cookie);
	FUZZ_CHECK(res->host <= WIRE_SCSI_HOST_TRANSPORT_MARGINAL &&
		   res->sense_len <= WIRE_SCSI_SENSE &&
		   res->residual <= c->len);
	for (uint32_t i = 0; i < PIECES; i++) {
		uint64_t frame = PAGES + (cookie % CMDS) * PIECES + i;

		pinned |= w->pinned[frame];
		FUZZ_CHECK(w->gone || !w->granted[frame]);
	}
	FUZZ_CHECK(res->pinned == pinned);
	FUZZ_CHECK(res->host != WIRE_SCSI_HOST_OK || c->flushed);
	if (c->c.dir == WIRE_SCSI_DIR_OUT)
		check_data(w, c, c->len);
	else
		check_data(w, c,
			   w->hostile || res->host ? 0
						   : c->len - res->residual);
	c->spoilt = pinned;
	c->used = false;
	w->running--;
	if (w->depth++ < 3)
		act(w);
	w->depth--;
}

static bool slice(void *host, const struct scsi_front_cmd *cmd, uint32_t offset,
		  uint32_t len, uint8_t *to)
{
	(void)host;
	FUZZ_CHECK(offset % WIRE_PAGE_SIZE == 0 && len);
	if (cmd->cdb[0] & 1) /* some cannot be divided */
		return false;
	memcpy(to + 2, &offset, 4);
	memcpy(to + 6, &len, 4);
	return true;
}

static void trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)host;
	(void)a;
	(void)b;
	FUZZ_CHECK(event < SCSI_FRONT_EVENTS);
}

static const struct scsi_front_ops ops = {
	.grant = grant,
	.revoke = revoke,
	.notify = notify,
	.done = done,
	.slice = slice,
	.trace = trace,
};

/* ---- the owner ---- */

static void submit(struct world *w)
{
	struct cmd *c = &w->cmd[w->cookies % CMDS];
	uint8_t what = fuzz_u8(w->in), dir = what & 3;
	uint32_t n = what & 4 ? fuzz_u8(w->in) % PIECES : what >> 5;
	uint32_t first = PAGES + (uint32_t)(w->cookies % CMDS) * PIECES;
	uint32_t at = 0;
	int rc;

	if (c->used || c->spoilt) {
		w->cookies++;
		return;
	}
	memset(c, 0, sizeof(*c));
	c->seed = (uint8_t)w->cookies;
	c->cookie = w->cookies++;
	for (uint32_t i = 0; i < n; i++) {
		struct front_piece *p = &c->piece[i];
		uint8_t *va = page(w, first + i);
		uint16_t how = what & 8 ? fuzz_u16(w->in) : 0;

		/* whole pages, blocks, or any part */
		p->offset = what & 16 ? how & 0xfff : how & 0xe00;
		p->len = (uint16_t)(WIRE_PAGE_SIZE - p->offset);
		if (how & 0x8000)
			p->len = (uint16_t)(1 + how % p->len);
		p->frame = first + i;
		p->va = va + p->offset;
		memset(va, GUARD, WIRE_PAGE_SIZE);
		if (dir == WIRE_SCSI_DIR_OUT)
			memcpy(p->va, pattern(c->seed, at), p->len);
		at += p->len;
	}
	c->len = at;
	c->c = (struct scsi_front_cmd){
		.cookie = c->cookie,
		.addr = {0, 0, (uint16_t)(what >> 7)},
		.cdb_len = 10,
		.cdb = {what & 0x10 ? 0x28 : 0x29, c->seed},
		.dir = dir,
		.npieces = n,
		.piece = c->piece,
	};
	memcpy(c->c.cdb + 6, &at, 4);
	c->used = true;
	w->running++;
	c->tag = rc = scsi_front_submit(w->f, &c->c);
	if (dir == WIRE_SCSI_DIR_BIDI || (n && dir == WIRE_SCSI_DIR_NONE))
		FUZZ_CHECK(rc < 0);
	if (rc >= 0)
		return;
	c->used = false;
	w->running--;
	for (uint32_t i = 0; i < PIECES; i++) /* nothing stays behind */
		FUZZ_CHECK(w->gone || !w->granted[first + i]);
}

static void reset(struct world *w)
{
	struct cmd *c = &w->cmd[w->cookies % CMDS];
	struct scsi_addr addr = {0, 0, (uint16_t)fuzz_below(w->in, 2)};

	if (c->used || c->spoilt) {
		w->cookies++;
		return;
	}
	memset(c, 0, sizeof(*c));
	c->cookie = w->cookies++;
	c->tag = scsi_front_reset(w->f, addr, c->cookie);
	c->used = c->tag >= 0;
	w->running += c->used;
}

/* Also from within done(). */
static void act(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
	case 3:
		submit(w);
		break;
	case 4:
		(void)!scsi_front_abort(w->f, what / 8 % 17u);
		break;
	case 5:
		reset(w);
		break;
	default:
		break;
	}
}

/* ---- the backend ---- */

/* The segments of a request; each must be one that the engine has granted. */
static uint32_t segs_of(struct world *w, const struct wire_scsi_req *req,
			struct wire_scsi_seg *seg)
{
	uint32_t n = req->nr_segments & 0x7f;

	if (req->nr_segments & WIRE_SCSI_SG_GRANT) {
		uint32_t g = req->seg[0].gref - 8;

		FUZZ_CHECK(n == 1 && g < GRANTS && w->grant[g].used &&
			   w->grant[g].ro && w->grant[g].frame < PAGES);
		n = req->seg[0].length / 8;
		FUZZ_CHECK(n && n <= WIRE_SCSI_SEGS_PER_PAGE &&
			   req->seg[0].offset == 0);
		memcpy(seg, page(w, w->grant[g].frame), n * sizeof(*seg));
	} else {
		FUZZ_CHECK(n <= WIRE_SCSI_SEGS);
		memcpy(seg, req->seg, n * sizeof(*seg));
	}
	for (uint32_t i = 0; i < n; i++)
		FUZZ_CHECK(seg[i].gref - 8 < GRANTS &&
			   w->grant[seg[i].gref - 8].used && seg[i].length &&
			   seg[i].offset + seg[i].length <= WIRE_PAGE_SIZE);
	return n;
}

/* Moves the data of a request, and looks at what it is. */
static void move_data(struct world *w, const struct wire_scsi_req *req)
{
	static const uint8_t nothing[WIRE_PAGE_SIZE];
	struct wire_scsi_seg seg[WIRE_SCSI_SEGS_PER_PAGE];
	uint32_t n = segs_of(w, req, seg), at = get32(req->cmnd + 2), len = 0;
	bool out = req->sc_data_direction == WIRE_SCSI_DIR_OUT;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame = w->grant[seg[i].gref - 8].frame;
		uint8_t *va = page(w, frame);

		FUZZ_CHECK(w->grant[seg[i].gref - 8].ro == out);
		/* no byte of anything else goes to the backend */
		if (frame < PAGES)
			FUZZ_CHECK(!memcmp(
				va + (out ? seg[i].length : 0), nothing,
				WIRE_PAGE_SIZE - (out ? seg[i].length : 0)));
		va += seg[i].offset;
		if (out)
			FUZZ_CHECK(!memcmp(va, pattern(req->cmnd[1], at + len),
					   seg[i].length));
		else
			memcpy(va, pattern(req->cmnd[1], at + len),
			       seg[i].length);
		len += seg[i].length;
	}
	FUZZ_CHECK(req->act != WIRE_SCSI_ACT_CDB ||
		   len == get32(req->cmnd + 6));
}

static void respond(struct world *w, const struct wire_scsi_rsp *rsp)
{
	uint8_t *slots = (uint8_t *)w->ring + WIRE_RING_SLOTS_OFFS;

	memcpy(slots + (w->rsp_prod++ % 16) * sizeof(*rsp), rsp, sizeof(*rsp));
	w->ring->rsp_prod = w->rsp_prod;
}

static void serve(struct world *w)
{
	const uint8_t *slots = (const uint8_t *)w->ring + WIRE_RING_SLOTS_OFFS;

	if (w->hostile)
		return;
	FUZZ_CHECK(w->ring->req_prod - w->rsp_prod <= 16);
	for (; w->req_cons != w->ring->req_prod; w->req_cons++) {
		FUZZ_CHECK(w->reqs < XPV_ARRAY_SIZE(w->req));
		memcpy(&w->req[w->reqs],
		       slots + (w->req_cons % 16) * sizeof(w->req[0]),
		       sizeof(w->req[0]));
		w->req[w->reqs].reserved[0] = w->req_cons; /* its age */
		w->req[w->reqs++].reserved[1] = false;
	}
}

static void flush(struct world *w)
{
	for (uint32_t i = 0; i < CMDS; i++)
		w->cmd[i].flushed |= w->cmd[i].used;
	scsi_front_flush(w->f);
}

static void drop(struct world *w, uint32_t k)
{
	w->req[k] = w->req[--w->reqs];
}

/*
 * The older commands that an ABORT or RESET has ended: their pages are gone.
 * They are answered late, or never.
 */
static void end_victims(struct world *w, const struct wire_scsi_req *tmf,
			bool never)
{
	for (uint32_t k = w->reqs; k-- > 0;) {
		struct wire_scsi_req *v = &w->req[k];

		if (v->act != WIRE_SCSI_ACT_CDB ||
		    v->reserved[0] >= tmf->reserved[0] ||
		    (tmf->act == WIRE_SCSI_ACT_RESET
			     ? v->lun != tmf->lun
			     : v->rqid != tmf->ref_rqid))
			continue;
		v->reserved[1] = true;
		if (never)
			drop(w, k);
	}
}

/* Answers request K as a good backend could. */
static void answer(struct world *w, uint32_t k, uint8_t how)
{
	struct wire_scsi_req req = w->req[k];
	struct wire_scsi_rsp rsp = {.rqid = req.rqid, .act = how};
	uint8_t kind = how % 8;

	drop(w, k);
	if (req.act != WIRE_SCSI_ACT_CDB) {
		rsp.rslt = kind < 6 ? WIRE_SCSI_RESET_SUCCESS
				    : WIRE_SCSI_RESET_FAILED;
		if (kind < 6)
			end_victims(w, &req, kind < 2);
		respond(w, &rsp);
		return;
	}
	if (req.reserved[1])
		kind = 6;
	if (kind != 6)
		move_data(w, &req);
	if (kind == 4) { /* not all, but what there is is right */
		rsp.residual_len = fuzz_u16(w->in);
	} else if (kind == 5) {
		rsp.rslt = 2;
		rsp.sense_len = fuzz_u8(w->in) % 97;
		memset(rsp.sense, how, sizeof(rsp.sense));
	} else if (kind == 6) {
		rsp.rslt = (how >> 3) % 21 << 16;
		if (!rsp.rslt)
			rsp.rslt = 7 << 16;
	}
	respond(w, &rsp);
}

/* Anything at all. */
static void lie(struct world *w)
{
	struct wire_scsi_rsp rsp;
	uint8_t what = fuzz_u8(w->in);
	uint8_t *bytes = (uint8_t *)w->ring;

	w->hostile = true;
	fuzz_take(w->in, &rsp, 16);
	rsp.sense_len = what & 4 ? rsp.sense_len : rsp.sense_len % 97;
	rsp.rslt = (int32_t)fuzz_u32(w->in);
	rsp.residual_len = fuzz_u32(w->in);
	if (what & 8)
		rsp.rqid %= 34;
	if (what & 1)
		respond(w, &rsp);
	else if (what & 2)
		w->ring->rsp_prod = w->rsp_prod + what / 8 - 1;
	else
		bytes[fuzz_u16(w->in) % WIRE_PAGE_SIZE] = what;
}

/* ---- */

static void suspend(struct world *w, bool gone)
{
	w->gone = gone;
	scsi_front_suspend(w->f, gone);
	w->gone = false;
	if (gone) {
		memset(w->grant, 0, sizeof(w->grant));
		memset(w->granted, 0, sizeof(w->granted));
		w->grants = 0;
	}
	FUZZ_CHECK(!w->running && !scsi_front_inflight(w->f) && !w->grants);
	FUZZ_CHECK(!scsi_front_resume(w->f, w->ring, fuzz_u8(w->in)));
	w->hostile = false;
	w->req_cons = w->rsp_prod = w->reqs = 0;
}

static void poll(struct world *w, uint32_t budget)
{
	int rc = scsi_front_poll(w->f, budget);

	FUZZ_CHECK(rc == XPV_EPROTO || (rc >= 0 && (uint32_t)rc <= budget));
	FUZZ_CHECK(rc >= 0 || w->hostile);
	if (rc < 0)
		FUZZ_CHECK(!w->running);
}

static void step(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);

	switch (what % 8) {
	case 0:
	case 1:
		act(w);
		break;
	case 2:
		flush(w);
		serve(w);
		break;
	case 3:
	case 4:
		if (w->reqs && !w->hostile)
			answer(w, what / 8 % w->reqs, fuzz_u8(w->in));
		break;
	case 5:
		poll(w, what / 8);
		break;
	case 6:
		if (what >= 0xf0)
			suspend(w, what & 8);
		else if (what >= 0xc0)
			w->grants_left = what & 31;
		else if (what >= 0x90)
			w->map_after = what & 31;
		else
			(void)scsi_front_arm(w->f);
		break;
	default:
		if (what >= 0xe0)
			lie(w);
		break;
	}
	FUZZ_CHECK(scsi_front_inflight(w->f) == w->running);
}

/* A good backend from now on: everything ends. */
static void finish(struct world *w)
{
	w->in->left = 0;
	for (int turn = 0; turn < 200 && w->running && !w->hostile; turn++) {
		flush(w);
		serve(w);
		while (w->reqs)
			answer(w, 0, 3);
		poll(w, 16);
	}
	FUZZ_CHECK(!w->running || w->hostile);
	suspend(w, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	static uint8_t *arena;
	struct fuzz_in in = {data, size};
	struct front_page pages[PAGES];
	struct scsi_front_cfg cfg = {.page = pages};
	void *mem, *ring = NULL;
	size_t len;

	if (!arena)
		arena = aligned_alloc(WIRE_PAGE_SIZE, ARENA * WIRE_PAGE_SIZE);
	FUZZ_CHECK(arena);
	memset(&w, 0, sizeof(w));
	w.in = &in;
	w.arena = arena;
	for (uint32_t i = 0; i < PAGES; i++)
		pages[i] = (struct front_page){page(&w, i), i};
	/* what was in memory before must not be seen by the backend */
	memset(arena, 0xee, PAGES * WIRE_PAGE_SIZE);
	cfg.segs_max = fuzz_u8(&in);
	cfg.pages = 1 + fuzz_u8(&in) % PAGES;
	cfg.align = 1u << fuzz_below(&in, 14);
	len = scsi_front_size(cfg.segs_max, cfg.pages);
	FUZZ_CHECK(!posix_memalign(&mem, 16, len) &&
		   !posix_memalign(&ring, WIRE_PAGE_SIZE, WIRE_PAGE_SIZE));
	cfg.ring = w.ring = ring;
	if (scsi_front_init(&w.f, mem, len, &cfg, &ops, &w) == 0) {
		while (in.left)
			step(&w);
		finish(&w);
	}
	free(ring);
	free(mem);
	return 0;
}
