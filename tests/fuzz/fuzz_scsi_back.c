/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PVSCSI backend engine under a hostile frontend: any slots, indexes and
 * descriptor pages, changed again while the engine works (a value that is
 * fetched twice differs the second time), commands ended in any order.
 *
 * Beside it runs a model that decides from a copy of the slots, taken before
 * the poll, what has to become of each: the commands submitted must be those,
 * and each request is answered once, with what the model says.
 */
#include "core/scsi_back.h"
#include "tests/fuzz/fuzz.h"

#define SLOTS	 WIRE_SCSI_RING_SIZE
#define SEGS_MAX 64u /* small, so that its limit is often met */

enum fate {
	FATE_ERROR, /* answered DID_ERROR */
	FATE_CDB,
	FATE_TMF,
};

/* A request that was taken and is not answered yet. */
struct pending {
	bool used, submitted;
	bool begun, waiting; /* ABORT, RESET */
	uint16_t tag;
	uint8_t victim_host;
	uint32_t victims; /* bit for each of pending[] */
	struct wire_scsi_req req;
	struct wire_scsi_seg segs[SEGS_MAX];
	uint32_t nsegs, len;
};

struct world {
	struct fuzz_in *in;
	struct scsi_back *back;
	struct wire_ring *ring;
	uint32_t taken, answered, seen;
	bool broken, closed;
	struct pending pending[SLOTS];
	/* the poll under way */
	struct wire_scsi_req batch[SLOTS];
	enum fate fate[SLOTS];
	struct pending *started[SLOTS];
	uint32_t n, next; /* of batch: not started yet */
	uint32_t errors;  /* that are still found while slots are taken */
	bool fetch_failed[SLOTS];
	struct wire_scsi_seg fetched[SLOTS][SEGS_MAX];
	/* responses that must appear, in any order */
	struct wire_scsi_rsp want[2 * SLOTS];
	uint32_t wants;
};

static struct wire_scsi_req *slot(struct world *w, uint32_t i)
{
	uint8_t *page = (uint8_t *)w->ring + WIRE_RING_SLOTS_OFFS;

	return (void *)(page + (i % SLOTS) * sizeof(struct wire_scsi_req));
}

/*
 * Slots that were taken and hold no answer: the frontend writes them again. One
 * that it used too early may hold an answer which it has not seen.
 */
static void meddle(struct world *w, uint32_t from, uint32_t to)
{
	uint8_t what = fuzz_u8(w->in);

	for (uint32_t i = from; i < to; i++) {
		uint32_t at = w->taken - w->n + i;

		if (what & (1u << i % 8) && at - w->answered < SLOTS)
			memset(slot(w, at), what, sizeof(struct wire_scsi_req));
	}
}

/* ---- the model ---- */

static void want(struct world *w, const struct wire_scsi_req *req, int32_t rslt)
{
	FUZZ_CHECK(w->wants < XPV_ARRAY_SIZE(w->want));
	memset(&w->want[w->wants], 0, sizeof(w->want[0]));
	w->want[w->wants].rqid = req->rqid;
	w->want[w->wants++].rslt = rslt;
}

static bool seg_ok(const struct wire_scsi_seg *s)
{
	return (uint32_t)s->offset + s->length <= WIRE_PAGE_SIZE;
}

/* What the slot says of itself; *N: segments, those in other pages too. */
static enum fate judge(const struct wire_scsi_req *req, uint32_t *n)
{
	uint32_t pages = req->nr_segments & 0x7f;

	*n = req->nr_segments;
	if (req->act == WIRE_SCSI_ACT_ABORT || req->act == WIRE_SCSI_ACT_RESET)
		return FATE_TMF;
	if (req->act != WIRE_SCSI_ACT_CDB || !req->cmd_len ||
	    req->cmd_len > 16 || req->sc_data_direction > 3)
		return FATE_ERROR;
	if (!(req->nr_segments & WIRE_SCSI_SG_GRANT))
		return pages > WIRE_SCSI_SEGS ? FATE_ERROR : FATE_CDB;
	*n = 0;
	if (!pages || pages > WIRE_SCSI_SEGS)
		return FATE_ERROR;
	for (uint32_t i = 0; i < pages; i++) {
		if (!seg_ok(&req->seg[i]) || req->seg[i].offset > 4095 ||
		    req->seg[i].length % 8)
			return FATE_ERROR;
		*n += req->seg[i].length / 8;
	}
	return *n > SEGS_MAX ? FATE_ERROR : FATE_CDB;
}

/* The engine gives a request the first tag that is free, and so does this: two
 * RESETs of one LUN differ in nothing else when they are submitted. */
static struct pending *new_pending(struct world *w, uint32_t i)
{
	uint16_t k = 0;

	while (k < SLOTS && w->pending[k].used)
		k++;
	FUZZ_CHECK(k < SLOTS);
	w->pending[k] =
		(struct pending){.used = true, .tag = k, .req = w->batch[i]};
	return &w->pending[k];
}

/* An ABORT or RESET has nobody to wait for any more. */
static void unblocked(struct world *w, struct pending *p)
{
	if (p->req.act == WIRE_SCSI_ACT_ABORT) {
		want(w, &p->req, WIRE_SCSI_RESET_SUCCESS);
		p->used = false;
	}
	p->waiting = false; /* a RESET must be submitted now */
}

static void begin_tmf(struct world *w, uint32_t i)
{
	struct pending *p = w->started[i];
	bool reset = p->req.act == WIRE_SCSI_ACT_RESET;

	p->begun = p->waiting = true;
	for (uint32_t k = 0; k < SLOTS; k++) {
		struct pending *v = &w->pending[k];

		if (!v->used || !v->submitted ||
		    v->req.act != WIRE_SCSI_ACT_CDB ||
		    v->req.channel != p->req.channel ||
		    v->req.id != p->req.id || v->req.lun != p->req.lun ||
		    (!reset && v->req.rqid != p->req.ref_rqid))
			continue;
		p->victims |= 1u << k;
		if (!v->victim_host)
			v->victim_host = reset ? WIRE_SCSI_HOST_RESET
					       : WIRE_SCSI_HOST_ABORT;
	}
	if (!p->victims)
		unblocked(w, p);
}

/* The segments that a command must have; false: one of them is wrong. */
static bool expect_segs(struct world *w, uint32_t i, struct pending *p)
{
	const struct wire_scsi_req *req = &w->batch[i];
	bool far = req->nr_segments & WIRE_SCSI_SG_GRANT;
	uint32_t n;

	(void)judge(req, &n);
	for (uint32_t k = 0; k < n; k++) {
		const struct wire_scsi_seg *s =
			far ? &w->fetched[i][k] : &req->seg[k];

		if (!seg_ok(s))
			return false;
		if (!s->length)
			continue;
		p->segs[p->nsegs++] = *s;
		p->len += s->length;
	}
	if (req->sc_data_direction == WIRE_SCSI_DIR_NONE)
		p->nsegs = p->len = 0;
	return true;
}

/* Goes on to the next request that is submitted as a CDB; NULL: none. */
static struct pending *advance(struct world *w)
{
	for (; w->next < w->n; w->next++) {
		struct pending *p;

		if (w->fate[w->next] == FATE_TMF) {
			begin_tmf(w, w->next);
			/* a RESET with nothing in its way comes out at once */
			if (w->batch[w->next].act == WIRE_SCSI_ACT_RESET) {
				w->next++;
				return NULL;
			}
			continue;
		}
		p = w->started[w->next];
		if (w->fate[w->next] == FATE_CDB && !w->fetch_failed[w->next] &&
		    expect_segs(w, w->next, p)) {
			w->next++;
			return p;
		}
		want(w, &p->req, WIRE_SCSI_HOST_ERROR << 16);
		p->used = false;
	}
	return NULL;
}

/* ---- what the engine calls ---- */

static void submit(void *host, const struct scsi_back_cmd *cmd)
{
	struct world *w = host;
	struct pending *p = &w->pending[cmd->tag % SLOTS], *next = NULL;

	FUZZ_CHECK(cmd->tag < SCSI_BACK_TAGS && p->used && !p->submitted);
	if (cmd->act == SCSI_BACK_RESET) {
		while ((p->waiting || !p->begun) && w->next < w->n)
			FUZZ_CHECK(!advance(w));
		FUZZ_CHECK(p->begun && !p->waiting && !cmd->nsegs);
	} else {
		while (!next && w->next < w->n)
			next = advance(w);
		FUZZ_CHECK(next == p && cmd->act == SCSI_BACK_CDB);
		FUZZ_CHECK(cmd->cdb_len == p->req.cmd_len &&
			   !memcmp(cmd->cdb, p->req.cmnd, cmd->cdb_len));
		FUZZ_CHECK(cmd->dir == p->req.sc_data_direction);
		FUZZ_CHECK(cmd->nsegs == p->nsegs && cmd->len == p->len);
		FUZZ_CHECK(!p->nsegs || !memcmp(cmd->segs, p->segs,
						p->nsegs * sizeof(*p->segs)));
	}
	FUZZ_CHECK(cmd->addr.channel == p->req.channel &&
		   cmd->addr.id == p->req.id && cmd->addr.lun == p->req.lun);
	p->submitted = true;
	meddle(w, w->next, w->n);
}

static void cancel(void *host, uint16_t tag)
{
	struct world *w = host;

	FUZZ_CHECK(tag < SCSI_BACK_TAGS);
	FUZZ_CHECK(w->pending[tag].used && w->pending[tag].submitted);
}

/* Descriptors: whatever the frontend likes, at times none at all. */
static void fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct world *w = host;
	uint32_t at = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct wire_scsi_req *req = &w->batch[i];
		uint32_t segs = 0, k, pages = req->nr_segments & 0x7f;

		if (w->fate[i] != FATE_CDB ||
		    !(req->nr_segments & WIRE_SCSI_SG_GRANT))
			continue;
		for (k = 0; k < pages; k++, f++, at++) {
			uint32_t many = req->seg[k].length / 8;

			FUZZ_CHECK(at < n && f->gref == req->seg[k].gref &&
				   f->offset == req->seg[k].offset &&
				   f->len == req->seg[k].length);
			f->ok = fuzz_below(w->in, 16) != 15;
			w->fetch_failed[i] |= !f->ok;
			for (uint32_t s = 0; s < many; s++) {
				struct wire_scsi_seg seg;

				fuzz_take(w->in, &seg, sizeof(seg));
				if (fuzz_below(w->in, 4)) {
					seg.offset &= 0xfff;
					seg.length &= 0xfff;
					if (!seg_ok(&seg))
						seg.offset = 0;
				}
				w->fetched[i][segs++] = seg;
			}
			if (many)
				memcpy(f->to, &w->fetched[i][segs - many],
				       many * 8);
		}
	}
	FUZZ_CHECK(at == n);
	meddle(w, 0, w->n);
}

static void notify(void *host)
{
	(void)host;
}

/* In the middle of taking slots the first one is surely taken. */
static void trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	struct world *w = host;

	(void)a;
	(void)b;
	FUZZ_CHECK(event <= SCSI_BACK_EV_BAD_RING);
	if (w->errors) {
		w->errors--;
		meddle(w, 0, 1);
	}
}

static const struct scsi_back_ops ops = {
	.submit = submit,
	.cancel = cancel,
	.fetch = fetch,
	.notify = notify,
	.trace = trace,
};

/* ---- what the frontend and the host do ---- */

/* Half of what is random is brought near to what is allowed. */
static void write_slot(struct world *w, uint32_t i)
{
	struct wire_scsi_req *req = slot(w, i);
	uint32_t rqid = fuzz_below(w->in, 8), sane = fuzz_u8(w->in), n;

	memset(req, 0, sizeof(*req));
	fuzz_take(w->in, req, 32);
	n = req->nr_segments & 0x7f;
	for (uint32_t k = 0; k < n && k < WIRE_SCSI_SEGS; k++) {
		fuzz_take(w->in, &req->seg[k], sizeof(req->seg[k]));
		if (sane & 1) {
			req->seg[k].offset &= 0xff8;
			req->seg[k].length &=
				req->nr_segments & 0x80 ? 0x78 : 0x7ff;
		}
	}
	if (sane & 2)
		req->act = (uint8_t)(1 + req->act % 3);
	if (sane & 4)
		req->cmd_len = 10;
	if (sane & 8)
		req->sc_data_direction &= 3;
	if (sane & 16)
		req->nr_segments &= 0x87;
	if (sane & 32)
		req->channel = req->id = req->lun &= 1;
	if (sane & 64)
		req->ref_rqid = (uint16_t)fuzz_below(w->in, 8);
	req->rqid = (uint16_t)rqid;
}

static void take_responses(struct world *w)
{
	uint32_t n = w->ring->rsp_prod - w->seen, k;

	/* More than there are slots: the frontend has claimed requests in place
	 * of answers that it did not take. Only their number can be seen. */
	if (n > SLOTS) {
		FUZZ_CHECK(n == w->wants);
		w->wants = 0;
		w->answered += n;
		w->seen += n;
	}
	for (; w->seen != w->ring->rsp_prod; w->seen++) {
		const struct wire_scsi_rsp *rsp = (void *)slot(w, w->seen);

		for (k = 0; k < w->wants; k++)
			if (!memcmp(rsp, &w->want[k], sizeof(*rsp)))
				break;
		FUZZ_CHECK(k < w->wants);
		w->want[k] = w->want[--w->wants];
		w->answered++;
	}
}

static void poll(struct world *w)
{
	uint32_t budget = fuzz_u8(w->in), dead, prod = w->ring->req_prod;
	bool bad =
		!w->closed && (prod - w->answered - w->wants > SLOTS ||
			       prod - w->taken > prod - w->answered - w->wants);
	int n;

	w->n = w->next = w->errors = 0;
	if (!bad && !w->broken && !w->closed)
		w->n = prod - w->taken < budget ? prod - w->taken : budget;
	memset(w->fetch_failed, 0, sizeof(w->fetch_failed));
	for (uint32_t i = 0; i < w->n; i++) {
		w->batch[i] = *slot(w, w->taken + i);
		w->fate[i] = judge(&w->batch[i], &dead);
		w->started[i] = new_pending(w, i);
		w->errors += w->fate[i] == FATE_ERROR;
	}
	w->taken += w->n;
	n = scsi_back_poll(w->back, budget);
	FUZZ_CHECK(n == (bad || w->broken ? XPV_EPROTO : (int)w->n));
	w->broken |= bad;
	while (w->next < w->n)
		FUZZ_CHECK(!advance(w));
	if (w->broken)
		return;
	take_responses(w);
	FUZZ_CHECK(!w->wants); /* all that is due has been answered */
}

/* Ends one command, in any way the host could. */
static void complete(struct world *w, uint32_t k)
{
	struct pending *p = &w->pending[k];
	struct scsi_back_result res = {
		.host = (uint8_t)fuzz_below(w->in, 3),
		.status = (uint8_t)(fuzz_u8(w->in) & 2),
		.sense_len = fuzz_u8(w->in),
		.residual = fuzz_u16(w->in),
	};
	uint8_t *sense = malloc(res.sense_len ? res.sense_len : 1);
	struct wire_scsi_rsp *rsp;

	FUZZ_CHECK(sense);
	memset(sense, 0x70 + (int)k, res.sense_len);
	res.sense = sense;
	if (p->req.act == WIRE_SCSI_ACT_RESET) {
		want(w, &p->req,
		     res.host ? WIRE_SCSI_RESET_FAILED
			      : WIRE_SCSI_RESET_SUCCESS);
	} else if (p->victim_host &&
		   p->victim_host << 16 != (res.host << 16 | res.status)) {
		want(w, &p->req, p->victim_host << 16);
	} else {
		want(w, &p->req, res.host << 16 | res.status);
		rsp = &w->want[w->wants - 1];
		rsp->residual_len = res.residual;
		rsp->sense_len = res.sense_len < 96 ? res.sense_len : 96;
		memcpy(rsp->sense, sense, rsp->sense_len);
	}
	p->used = false;
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct pending *t = &w->pending[i];

		if (!t->used || !t->waiting || !(t->victims & (1u << k)))
			continue;
		t->victims &= ~(1u << k);
		if (!t->victims)
			unblocked(w, t);
	}
	w->n = w->next = 0;
	scsi_back_complete(w->back, p->tag, &res);
	if (w->broken)
		w->wants = 0;
	free(sense);
}

static void complete_one(struct world *w, uint32_t from)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t k = (from + i) % SLOTS;

		if (w->pending[k].used && w->pending[k].submitted) {
			complete(w, k);
			return;
		}
	}
}

static uint32_t running(const struct world *w)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < SLOTS; k++)
		n += w->pending[k].used && w->pending[k].submitted;
	return n;
}

static void step(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);
	uint32_t n = what >> 4;

	switch (what % 8) {
	case 0:
	case 1:
	case 2: /* as many requests as there is room for */
		while (n-- && w->ring->req_prod - w->answered < SLOTS &&
		       w->ring->req_prod - w->answered >=
			       w->taken - w->answered)
			write_slot(w, w->ring->req_prod++);
		break;
	case 3:
	case 4:
		poll(w);
		break;
	case 5:
	case 6:
		complete_one(w, n);
		break;
	default:
		if (n == 15)
			w->ring->req_prod = fuzz_u32(w->in);
		else if (n > 7)
			w->ring->rsp_event = w->seen + n - 7;
		else if (!scsi_back_arm(w->back) && !w->broken)
			FUZZ_CHECK(w->ring->req_prod == w->taken);
		scsi_back_flush(w->back);
		break;
	}
	FUZZ_CHECK(scsi_back_inflight(w->back) == running(w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	uint32_t at = fuzz_below(&in, 4) ? 0 : fuzz_u32(&in);
	struct world w = {.in = &in, .taken = at, .answered = at, .seen = at};
	struct scsi_back_cfg cfg = {.segs_max = SEGS_MAX, .first = at};
	size_t len = scsi_back_size(SEGS_MAX);
	void *mem = NULL, *page = NULL;

	FUZZ_CHECK(!posix_memalign(&mem, 64, len) &&
		   !posix_memalign(&page, WIRE_PAGE_SIZE, WIRE_PAGE_SIZE));
	memset(page, 0, WIRE_PAGE_SIZE);
	w.ring = page;
	w.ring->req_prod = w.ring->rsp_prod = at;
	cfg.shared = page;
	FUZZ_CHECK(!scsi_back_init(&w.back, mem, len, &cfg, &ops, &w));
	while (in.left && !w.broken)
		step(&w);
	/* everything that was taken is answered in the end */
	while (running(&w))
		complete_one(&w, 0);
	if (!w.broken) {
		scsi_back_close(w.back);
		w.closed = true;
		poll(&w);
		FUZZ_CHECK(w.answered == w.taken);
	}
	free(page);
	free(mem);
	return 0;
}
