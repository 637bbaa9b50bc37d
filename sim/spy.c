/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/spy.h"

#include <string.h>

#include "sim/check.h"
#include "sim/controller.h"
#include "sim/mem.h"
#include "wire/ring.h"

static uint32_t read32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static const uint8_t *slot(const struct spy *s, uint32_t i)
{
	return s->ring + WIRE_RING_SLOTS_OFFS +
	       (i % WIRE_SCSI_RING_SIZE) * sizeof(struct wire_scsi_req);
}

void spy_begin(struct controller *c, uint8_t *ring)
{
	struct spy *s = &c->spy;
	bool loose = s->loose;
	uint32_t i;

	s->ring = ring;
	s->loose = loose;
	s->broken = false;
	s->req_seen = 0;
	s->rsp_seen = 0;
	s->open = 0;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		s->out[i].used = false;
}

void spy_end(struct controller *c)
{
	c->spy.ring = NULL;
}

/* The segments of R, from the slot or from the pages it names. */
static void read_segs(struct controller *c, struct spied *r)
{
	uint32_t pages = r->req.nr_segments & 0x7fu, i, n = 0;
	struct wire_scsi_seg *in = r->req.seg;

	r->nsegs = 0;
	r->len = 0;
	r->sound = pages <= WIRE_SCSI_SEGS;
	if (!r->sound || r->req.act != WIRE_SCSI_ACT_CDB)
		return;
	if (!(r->req.nr_segments & WIRE_SCSI_SG_GRANT)) {
		memcpy(r->seg, in, pages * sizeof(*in));
		n = pages;
	} else {
		for (i = 0; i < pages && r->sound; i++) {
			uint32_t k = in[i].length / (uint32_t)sizeof(*in);

			r->sound = n + k <= SPY_SEGS_MAX &&
				   mem_copy(c->w->mem, 0, c->dom, in[i].gref,
					    in[i].offset, in[i].length,
					    r->seg + n, false);
			n += k;
		}
	}
	if (!r->sound)
		return;
	r->nsegs = n;
	for (i = 0; i < n; i++)
		r->len += r->seg[i].length;
}

static void one_request(struct controller *c)
{
	struct spy *s = &c->spy;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE && s->out[i].used; i++)
		;
	if (i == WIRE_SCSI_RING_SIZE) {
		s->broken = true;
		return;
	}
	memcpy(&s->out[i].req, slot(s, s->req_seen), sizeof(s->out[i].req));
	s->out[i].used = true;
	read_segs(c, &s->out[i]);
	s->open++;
	s->req_seen++;
	world_note(c->w, "request", s->out[i].req.rqid, s->out[i].req.act);
	check_request(c, &s->out[i]);
}

void spy_requests(struct controller *c)
{
	struct spy *s = &c->spy;
	uint32_t prod;

	if (!s->ring || s->broken)
		return;
	prod = read32(s->ring);
	if (prod - s->rsp_seen > WIRE_SCSI_RING_SIZE) {
		s->broken = true;
		world_note(c->w, "ring-broken", c->index, prod);
		return;
	}
	while (s->req_seen != prod && !s->broken)
		one_request(c);
}

/*
 * Is R what RSP answers, rather than BEST? A hostile frontend may use a number
 * twice at once; the kind of result then says which it is.
 */
static bool fits(const struct spy *s, const struct spied *r,
		 const struct wire_scsi_rsp *rsp, const struct spied *best)
{
	bool tmf = r->req.act == WIRE_SCSI_ACT_ABORT ||
		   r->req.act == WIRE_SCSI_ACT_RESET;

	if (s->loose || r->req.rqid != rsp->rqid)
		return s->loose;
	return !best || tmf == (rsp->rslt == WIRE_SCSI_RESET_SUCCESS ||
				rsp->rslt == WIRE_SCSI_RESET_FAILED);
}

static void one_response(struct controller *c)
{
	struct spy *s = &c->spy;
	struct wire_scsi_rsp rsp;
	struct spied *req = NULL;
	uint32_t i;

	memcpy(&rsp, slot(s, s->rsp_seen), sizeof(rsp));
	s->rsp_seen++;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (s->out[i].used && fits(s, &s->out[i], &rsp, req))
			req = &s->out[i];
	world_note(c->w, "response", rsp.rqid, (uint32_t)rsp.rslt);
	check_response(c, req, &rsp);
	if (req) {
		req->used = false;
		s->open--;
	}
}

void spy_responses(struct controller *c)
{
	struct spy *s = &c->spy;
	uint32_t prod;

	if (!s->ring)
		return;
	prod = read32(s->ring + 8);
	if (s->broken) /* what the frontend wrote itself cannot be told apart */
		return;
	if (prod - s->rsp_seen > WIRE_SCSI_RING_SIZE) {
		/* It may offer the ring itself as a buffer. */
		s->broken = !c->type->honest;
		if (s->broken)
			return;
		world_fail(c->w, "once", "controller %u: %u responses at once",
			   c->index, prod - s->rsp_seen);
	}
	while (s->rsp_seen != prod)
		one_response(c);
}
