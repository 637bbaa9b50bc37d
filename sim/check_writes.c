/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend writes only to memory that an open request offers it for that,
 * and reads only what one offers it to read: a grant alone is not enough. And a
 * frontend does not let it write to what is only to be read.
 */
#include "sim/check.h"
#include "sim/controller.h"
#include "sim/mem.h"
#include "wire/scsi.h"

static bool inside(const struct wire_scsi_seg *s, const struct host_copy *copy)
{
	return s->gref == copy->gref && copy->offset >= s->offset &&
	       copy->offset + copy->len <= s->offset + s->length;
}

static bool offered(const struct spied *r, const struct host_copy *copy,
		    bool to_guest)
{
	uint8_t dir = r->req.sc_data_direction;
	uint32_t i;

	if (!to_guest && (r->req.nr_segments & WIRE_SCSI_SG_GRANT))
		for (i = 0; i < (r->req.nr_segments & 0x7fu); i++)
			if (i < WIRE_SCSI_SEGS && inside(&r->req.seg[i], copy))
				return true;
	if (to_guest ? dir != WIRE_SCSI_DIR_IN && dir != WIRE_SCSI_DIR_BIDI
		     : dir != WIRE_SCSI_DIR_OUT && dir != WIRE_SCSI_DIR_BIDI)
		return false;
	for (i = 0; i < r->nsegs; i++)
		if (inside(&r->seg[i], copy))
			return true;
	return false;
}

static void readonly(struct controller *c, uint32_t gref)
{
	const struct mem_grant *g = mem_grant_of(c->w->mem, c->dom, 0, gref);

	if (!g || !g->readonly)
		world_fail(c->w, "writes",
			   "controller %u: grant %u is writable, but only to "
			   "be read",
			   c->index, gref);
}

static void request(struct controller *c, const struct spied *r)
{
	uint32_t i;

	if (!c->type->honest)
		return;
	for (i = 0; r->req.nr_segments & WIRE_SCSI_SG_GRANT &&
		    i < (r->req.nr_segments & 0x7fu);
	     i++)
		readonly(c, r->req.seg[i].gref);
	for (i = 0;
	     r->req.sc_data_direction == WIRE_SCSI_DIR_OUT && i < r->nsegs; i++)
		readonly(c, r->seg[i].gref);
}

static void copy(struct controller *c, const struct host_copy *copy,
		 bool to_guest)
{
	uint32_t i;

	/* One who changes what he has sent has offered anything. */
	if (!c->type->honest || c->spy.broken)
		return;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (c->spy.out[i].used &&
		    offered(&c->spy.out[i], copy, to_guest))
			return;
	world_fail(c->w, "writes",
		   "controller %u: copy %s grant %u, %u bytes at %u, which no "
		   "request offers",
		   c->index, to_guest ? "to" : "from", copy->gref, copy->len,
		   copy->offset);
}

const struct checker check_writes = {
	.name = "writes",
	.request = request,
	.copy = copy,
};
