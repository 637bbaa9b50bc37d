/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_vbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ring.h"
#include "core/xs.h"

/* ---- nodes ---- */

static void put_some(struct raw_back *b, const char *leaf, uint32_t value)
{
	if (value)
		raw_back_put_u32(b, leaf, value);
}

static void other_value(struct raw_back *b)
{
	const struct vbd_offer *offer = &raw_vbd(b)->offer;

	if (offer->leaf)
		raw_back_put(b, offer->leaf, offer->value);
}

static void nodes(struct raw_back *b)
{
	const struct vbd_offer *offer = &raw_vbd(b)->offer;
	char number[XS_NUM_MAX];

	xs_format_u64(number, b->unit);
	raw_front_put(b, WIRE_BLK_KEY_VIRTUAL_DEVICE, number);
	raw_front_put(b, WIRE_BLK_KEY_DEVICE_TYPE, "disk");
	put_some(b, WIRE_BLK_KEY_MAX_RING_ORDER, offer->order);
	put_some(b, WIRE_BLK_KEY_MAX_QUEUES, offer->queues);
	put_some(b, WIRE_BLK_KEY_INDIRECT, offer->indirect);
	put_some(b, WIRE_BLK_KEY_FLUSH, offer->flush);
	put_some(b, WIRE_BLK_KEY_BARRIER, offer->barrier);
	put_some(b, WIRE_BLK_KEY_DISCARD, offer->discard);
	put_some(b, WIRE_BLK_KEY_PERSISTENT, offer->persistent);
	other_value(b);
}

/* Before state 4: "Backend Device Properties" of blkif.h. */
static void connecting(struct raw_back *b)
{
	struct raw_vbd *k = raw_vbd(b);

	raw_back_put_u32(b, WIRE_BLK_KEY_SECTORS, k->sectors);
	raw_back_put_u32(b, WIRE_BLK_KEY_INFO, k->offer.info);
	raw_back_put_u32(b, WIRE_BLK_KEY_SECTOR_SIZE,
			 k->offer.block ? k->offer.block : WIRE_BLK_SECTOR);
	other_value(b);
}

bool raw_vbd_make(struct raw_vbd *k, const struct vbd_offer *offer)
{
	k->script = NULL;
	k->offer = *offer;
	k->sectors = RAW_VBD_SECTORS;
	k->rings_used = 0;
	memset(k->count, 0, sizeof(k->count));
	for (uint32_t i = 0; i < RAW_VBD_OPEN; i++)
		k->req[i].open = false;
	return raw_make(&k->b);
}

void raw_vbd_resize(struct raw_vbd *k, uint32_t sectors)
{
	XPV_ASSERT(sectors <= RAW_VBD_MOST);
	k->sectors = sectors;
	raw_back_put_u32(&k->b, WIRE_BLK_KEY_SECTORS, sectors);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
}

/* ---- rings ---- */

/* The layout that the frontend's node says, or that of whoever says nothing. */
static bool read_abi(struct raw_vbd *k)
{
	char text[32];

	k->abi = BLK_ABI_NATIVE;
	if (!raw_front_text(&k->b, WIRE_BLK_KEY_PROTOCOL, text, sizeof(text)))
		return true;
	if (!strcmp(text, WIRE_BLK_PROTO_X86_32))
		k->abi = BLK_ABI_32;
	else if (!strcmp(text, WIRE_BLK_PROTO_X86_64) ||
		 !strcmp(text, WIRE_BLK_PROTO_ARM))
		k->abi = BLK_ABI_64;
	else
		return conform_fail(k->b.c, "protocol is '%s'", text);
	return true;
}

/* One ring, whose nodes are in DIR, "" or "queue-N/". */
static bool map_ring(struct raw_vbd *k, const char *dir)
{
	struct host_ring ring = {.domid = k->b.domid, .pages = 1u << k->order};
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "%s" WIRE_BLK_KEY_EVENT_CHANNEL, dir);
	ring.port = raw_front_u32(&k->b, leaf);
	for (uint32_t i = 0; i < ring.pages; i++) {
		if (k->order)
			snprintf(leaf, sizeof(leaf),
				 "%s" WIRE_BLK_KEY_RING_REF_N, dir, i);
		else
			snprintf(leaf, sizeof(leaf), "%s" WIRE_BLK_KEY_RING_REF,
				 dir);
		ring.gref[i] = raw_front_u32(&k->b, leaf);
	}
	return raw_map(&k->b, &ring);
}

static bool attach(struct raw_back *b)
{
	struct raw_vbd *k = raw_vbd(b);
	char dir[32];

	k->order = raw_front_u32(b, WIRE_BLK_KEY_RING_ORDER);
	k->queues = raw_front_u32(b, WIRE_BLK_KEY_QUEUES);
	if (k->order > k->offer.order || k->order > 4)
		return conform_fail(b->c, "ring-page-order is %" PRIu32,
				    k->order);
	if (k->queues > (k->offer.queues ? k->offer.queues : 1) ||
	    k->queues > RAW_RINGS_MAX)
		return conform_fail(b->c, "multi-queue-num-queues is %" PRIu32,
				    k->queues);
	if (!read_abi(k))
		return false;
	k->slots = ring_slots(1u << k->order, blk_abi_slot(k->abi));
	if (k->queues < 2)
		return map_ring(k, "");
	for (uint32_t i = 0; i < k->queues; i++) {
		snprintf(dir, sizeof(dir), WIRE_BLK_KEY_QUEUE "/", i);
		if (!map_ring(k, dir))
			return false;
	}
	return true;
}

static uint8_t *slot(const struct raw_vbd *k, uint32_t ring, uint32_t index)
{
	return (uint8_t *)k->b.ring[ring].shared + WIRE_RING_SLOTS_OFFS +
	       (size_t)(index % k->slots) * blk_abi_slot(k->abi);
}

/* ---- requests ---- */

static void ill(struct raw_vbd *k, const struct raw_vbd_req *r,
		const char *what, uint64_t value)
{
	raw_ill(&k->b,
		"%s %" PRIu64 " (operation %u, sector %" PRIu64
		", %u segments)",
		what, value, r->req.op, r->req.sector, r->req.nsegs);
}

/* The segments into R; those of an indirect request from its pages. */
static void take_segments(struct raw_vbd *k, struct raw_vbd_req *r)
{
	const struct blk_req *req = &r->req;
	uint32_t max = req->indirect ? k->offer.indirect : WIRE_BLK_SEGS;
	struct host_copy piece[WIRE_BLK_INDIRECT_PAGES];
	uint32_t n = 0, at = 0, here;

	r->segs = req->nsegs;
	if (r->segs > max || r->segs > RAW_VBD_SEGS_MAX) {
		ill(k, r, "segments, of so many that are offered:", max);
		r->segs = 0;
	}
	if (!req->indirect) {
		memcpy(r->seg, req->seg, r->segs * sizeof(r->seg[0]));
		return;
	}
	for (; at < r->segs; at += here) {
		here = r->segs - at < WIRE_BLK_SEGS_PER_PAGE
			       ? r->segs - at
			       : (uint32_t)WIRE_BLK_SEGS_PER_PAGE;
		piece[n] = (struct host_copy){
			.gref = req->gref[n],
			.len = (uint16_t)(here * sizeof(r->seg[0])),
			.local = &r->seg[at],
		};
		n++;
	}
	if (raw_pieces(&k->b, &k->b.ring[r->ring], piece, n, false))
		return;
	ill(k, r, "a page of segments is not granted, first reference",
	    req->gref[0]);
	r->segs = 0;
}

static bool transfers(const struct blk_req *req)
{
	return req->op == WIRE_BLK_OP_READ || req->op == WIRE_BLK_OP_WRITE ||
	       req->op == WIRE_BLK_OP_WRITE_BARRIER;
}

/* Is it one that was offered? */
static bool offered(const struct raw_vbd *k, const struct blk_req *req)
{
	const struct vbd_offer *offer = &k->offer;

	if (req->indirect)
		return offer->indirect && (req->op == WIRE_BLK_OP_READ ||
					   req->op == WIRE_BLK_OP_WRITE);
	switch (req->op) {
	case WIRE_BLK_OP_READ:
	case WIRE_BLK_OP_WRITE:
		return true;
	case WIRE_BLK_OP_WRITE_BARRIER:
		return offer->barrier;
	case WIRE_BLK_OP_FLUSH:
		return offer->flush;
	case WIRE_BLK_OP_DISCARD:
		return offer->discard;
	default:
		return false;
	}
}

static void inspect_segments(struct raw_vbd *k, struct raw_vbd_req *r)
{
	uint32_t block = (k->offer.block ? k->offer.block : 512) / 512;

	for (uint32_t i = 0; i < r->segs; i++) {
		const struct wire_blk_seg *s = &r->seg[i];

		if (s->first_sect > s->last_sect || s->last_sect > 7) {
			ill(k, r, "a segment's last_sect is", s->last_sect);
			r->segs = 0;
			return;
		}
		r->sectors += s->last_sect - s->first_sect + 1u;
		if ((s->last_sect - s->first_sect + 1u) % block)
			ill(k, r, "a segment is no whole blocks: last_sect",
			    s->last_sect);
	}
	if (r->req.sector % block)
		ill(k, r, "it begins inside a block, of sectors:", block);
}

/* What blkif.h says of a request, looked at in each one. */
static void inspect(struct raw_vbd *k, struct raw_vbd_req *r)
{
	const struct blk_req *req = &r->req;
	uint64_t n;

	k->b.all++;
	for (uint32_t i = 0; i < RAW_VBD_OPEN; i++)
		if (&k->req[i] != r && k->req[i].open &&
		    k->req[i].ring == r->ring && k->req[i].req.id == req->id)
			ill(k, r, "an id is used twice:", req->id);
	if (!offered(k, req))
		ill(k, r, "an operation that was not offered:", req->op);
	r->sectors = 0;
	if (transfers(req)) {
		inspect_segments(k, r);
		if (!r->segs && req->op != WIRE_BLK_OP_WRITE_BARRIER)
			ill(k, r, "no segments:", req->nsegs);
	}
	n = req->op == WIRE_BLK_OP_DISCARD ? req->count : r->sectors;
	if (n && (req->sector > k->sectors || n > k->sectors - req->sector))
		ill(k, r, "it passes the end of the disk, sectors", k->sectors);
	if ((k->offer.info & WIRE_BLK_INFO_READONLY) &&
	    (req->op == WIRE_BLK_OP_WRITE || req->op == WIRE_BLK_OP_DISCARD))
		ill(k, r, "the disk is read-only: operation", req->op);
}

/* ---- the disk ---- */

static int16_t transfer(struct raw_vbd *k, const struct raw_vbd_req *r)
{
	struct host_copy piece[RAW_VBD_SEGS_MAX];
	bool rd = r->req.op == WIRE_BLK_OP_READ;
	uint8_t *at;

	if (r->req.sector > k->sectors ||
	    r->sectors > k->sectors - r->req.sector)
		return WIRE_BLK_RSP_ERROR;
	at = k->disk + r->req.sector * 512;
	for (uint32_t i = 0; i < r->segs; i++) {
		const struct wire_blk_seg *s = &r->seg[i];
		uint32_t len = (s->last_sect - s->first_sect + 1u) * 512;

		piece[i] = (struct host_copy){
			.gref = s->gref,
			.offset = (uint16_t)(s->first_sect * 512),
			.len = (uint16_t)len,
			.local = at,
		};
		at += len;
	}
	if (raw_pieces(&k->b, &k->b.ring[r->ring], piece, r->segs, rd))
		return WIRE_BLK_RSP_OKAY;
	ill(k, r, "a grant does not hold, of segments:", r->segs);
	return WIRE_BLK_RSP_ERROR;
}

static int16_t execute(struct raw_vbd *k, const struct raw_vbd_req *r)
{
	const struct blk_req *req = &r->req;

	if (!offered(k, req))
		return WIRE_BLK_RSP_EOPNOTSUPP;
	if (transfers(req))
		return transfer(k, r);
	if (req->op != WIRE_BLK_OP_DISCARD)
		return WIRE_BLK_RSP_OKAY;
	if (req->sector > k->sectors || req->count > k->sectors - req->sector)
		return WIRE_BLK_RSP_ERROR;
	memset(k->disk + req->sector * 512, 0, req->count * 512);
	return WIRE_BLK_RSP_OKAY;
}

void raw_vbd_put(struct raw_vbd *k, uint32_t ring, const struct blk_rsp *rsp)
{
	uint8_t bytes[BLK_SLOT_MAX];

	blk_abi_put_rsp(k->abi, bytes, rsp);
	memcpy(slot(k, ring, k->b.ring[ring].rsp_prod++), bytes,
	       blk_abi_rsp(k->abi));
}

/* "Copied from request" (blkif.h) is of an indirect one what it does, not that
 * it's indirect: so answers xen-blkback, and xen-blkfront takes nothing else
 * since it looks ("response has wrong operation"). */
void raw_vbd_answer(struct raw_vbd *k, struct raw_vbd_req *r, int16_t status)
{
	struct blk_rsp rsp = {
		.id = r->req.id, .op = r->req.op, .status = status};

	raw_vbd_put(k, r->ring, &rsp);
	r->open = false;
}

void raw_vbd_answer_as_disk(struct raw_vbd *k, struct raw_vbd_req *r)
{
	raw_vbd_answer(k, r, execute(k, r));
}

/* ---- serving ---- */

static struct raw_vbd_req *free_place(struct raw_vbd *k)
{
	for (uint32_t i = 0; i < RAW_VBD_OPEN; i++)
		if (!k->req[i].open)
			return &k->req[i];
	return NULL;
}

static void count(struct raw_vbd *k, const struct raw_vbd_req *r)
{
	k->b.requests++;
	if (r->req.op < WIRE_BLK_OP_INDIRECT)
		k->count[r->req.op]++;
	k->count[WIRE_BLK_OP_INDIRECT] += r->req.indirect;
	k->rings_used |= 1u << r->ring;
}

static void take(struct raw_vbd *k, uint32_t ring)
{
	struct raw_ring *at = &k->b.ring[ring];
	uint32_t n = raw_pending(&k->b, at, k->slots);
	uint8_t bytes[BLK_SLOT_MAX] = {0};
	struct raw_vbd_req *r;

	while (n-- && (r = free_place(k))) {
		memcpy(bytes, slot(k, ring, at->req_cons),
		       blk_abi_slot(k->abi));
		at->req_cons++;
		blk_abi_get_req(k->abi, bytes, &r->req);
		r->ring = ring;
		count(k, r);
		take_segments(k, r);
		inspect(k, r);
		r->open = true;
		if (!k->script || !k->script(k, r))
			raw_vbd_answer_as_disk(k, r);
	}
}

static void work(struct raw_back *b)
{
	for (uint32_t i = 0; i < b->rings; i++)
		take(raw_vbd(b), i);
}

static void end(struct raw_back *b)
{
	struct raw_vbd *k = raw_vbd(b);

	k->script = NULL;
	for (uint32_t i = 0; b->rings && i < RAW_VBD_OPEN; i++)
		if (k->req[i].open)
			raw_vbd_answer_as_disk(k, &k->req[i]);
}

static const struct raw_kind kind = {
	.type = "conform-vbd",
	.device = "vbd",
	.next = 256, /* disks of the extended numbers */
	.nodes = nodes,
	.attach = attach,
	.connecting = connecting,
	.work = work,
	.end = end,
};

int raw_vbd_open(struct raw_vbd *k, const struct frontend_cfg *cfg, char *why,
		 size_t len)
{
	int rc = raw_back_open(&k->b, &kind, cfg->ops, cfg->place, cfg->store,
			       cfg->domid, cfg->unit, why, len);

	if (rc)
		return rc;
	k->disk = calloc(RAW_VBD_MOST, WIRE_BLK_SECTOR);
	k->req = calloc(RAW_VBD_OPEN, sizeof(*k->req));
	if (k->disk && k->req)
		return 0;
	snprintf(why, len, "out of memory");
	raw_vbd_close(k);
	return -ENOMEM;
}

void raw_vbd_close(struct raw_vbd *k)
{
	free(k->disk);
	free(k->req);
	raw_back_close(&k->b);
}
