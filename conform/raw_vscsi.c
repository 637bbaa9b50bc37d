/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_vscsi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/target.h"

/* ---- nodes ---- */

uint32_t raw_front_dev(struct raw_vscsi *k, uint32_t n)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state", n);
	return raw_front_u32(&k->b, leaf);
}

void raw_dev_state(struct raw_vscsi *k, uint32_t n, uint32_t state)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state", n);
	raw_back_put_u32(&k->b, leaf, state);
}

void raw_add_dev(struct raw_vscsi *k, uint32_t n, const char *vdev,
		 uint32_t state)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/p-dev", n);
	raw_back_put(&k->b, leaf, "0:0:0:0");
	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/p-devname", n);
	raw_back_put(&k->b, leaf, "conform");
	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/v-dev", n);
	raw_back_put(&k->b, leaf, vdev);
	raw_dev_state(k, n, state);
}

static void nodes(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);
	char vdev[32];
	uint32_t n;

	for (n = 0; n < k->luns; n++) {
		snprintf(vdev, sizeof(vdev), "%" PRIu32 ":0:0:%" PRIu32,
			 b->unit, n);
		raw_add_dev(k, n, vdev, WIRE_BUS_INITIALISING);
	}
	if (k->sg_grant)
		raw_back_put_u32(b, WIRE_BUS_SCSI_SG_GRANT, k->sg_grant);
}

bool raw_make_luns(struct raw_vscsi *k, uint32_t luns)
{
	k->script = NULL;
	k->luns = luns;
	k->cdbs = k->reads = k->aborts = k->resets = 0;
	k->listed = 0;
	memset(k->req, 0, sizeof(k->req));
	return raw_make(&k->b);
}

static bool attach(struct raw_back *b)
{
	const struct host_ring ring = {
		.domid = b->domid,
		.port = raw_front_u32(b, WIRE_BUS_EVENT_CHANNEL),
		.pages = 1,
		.gref = {raw_front_u32(b, WIRE_BUS_RING_REF)},
	};

	return raw_map(b, &ring);
}

static void connecting(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);

	for (uint32_t n = 0; n < k->luns; n++)
		raw_dev_state(k, n, WIRE_BUS_INITIALISED);
}

static void connected(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);

	for (uint32_t n = 0; n < k->luns; n++)
		if (raw_front_dev(k, n) == WIRE_BUS_CONNECTED)
			raw_dev_state(k, n, WIRE_BUS_CONNECTED);
}

/* ---- requests ---- */

static uint8_t *slot(const struct raw_vscsi *k, uint32_t index)
{
	return (uint8_t *)k->b.ring[0].shared + WIRE_RING_SLOTS_OFFS +
	       (index % WIRE_SCSI_RING_SIZE) * sizeof(struct wire_scsi_req);
}

static void ill(struct raw_vscsi *k, const struct wire_scsi_req *req,
		const char *what, uint32_t value)
{
	raw_ill(&k->b, "%s %" PRIu32 " (rqid %u, act %u, CDB %02x)", what,
		value, req->rqid, req->act, req->cmnd[0]);
}

bool raw_copy(struct raw_vscsi *k, const struct raw_req *r, uint32_t len,
	      bool to_guest)
{
	static struct host_copy piece[RAW_SEGS_MAX];
	uint32_t i, n = 0, at = 0;
	bool good;

	for (i = 0; i < r->segs && at < len; i++) {
		uint32_t here = r->seg[i].length;

		if (here > len - at)
			here = len - at;
		piece[n++] = (struct host_copy){
			.gref = r->seg[i].gref,
			.offset = r->seg[i].offset,
			.len = (uint16_t)here,
			.local = k->buffer + at,
		};
		at += here;
	}
	good = raw_pieces(&k->b, &k->b.ring[0], piece, n, to_guest);
	if (!good)
		ill(k, &r->req, "a grant does not hold, of segments:", r->segs);
	return good;
}

/* Segments, direct or listed, into R; what is wrong with them is noted. */
static void take_segments(struct raw_vscsi *k, struct raw_req *r)
{
	const struct wire_scsi_req *req = &r->req;
	uint32_t i, n = req->nr_segments & ~(uint32_t)WIRE_SCSI_SG_GRANT, here;
	bool list = req->nr_segments & WIRE_SCSI_SG_GRANT;

	r->segs = r->bytes = 0;
	if (n > WIRE_SCSI_SEGS) {
		ill(k, req, "nr_segments", req->nr_segments);
		return;
	}
	k->listed += list;
	if (list && !k->sg_grant)
		ill(k, req, "a list, which is not offered, of pages:", n);
	for (i = 0; i < n; i++) {
		struct wire_scsi_seg s = req->seg[i];
		struct host_copy copy = {s.gref, s.offset, s.length,
					 &r->seg[r->segs], false};

		if (s.offset + (uint32_t)s.length > WIRE_PAGE_SIZE) {
			ill(k, req, "a segment passes its page, by its end",
			    s.offset + (uint32_t)s.length);
			continue;
		}
		if (!list) {
			r->seg[r->segs++] = s;
			continue;
		}
		here = s.length / sizeof(s);
		if (s.length % sizeof(s) || here > RAW_SEGS_MAX - r->segs ||
		    r->segs + here > k->sg_grant) {
			ill(k, req, "a list's length in bytes is", s.length);
			continue;
		}
		if (!raw_pieces(&k->b, &k->b.ring[0], &copy, 1, false))
			ill(k, req, "a list is not granted, gref", s.gref);
		else
			r->segs += here;
	}
	for (i = 0; i < r->segs; i++) {
		if (r->seg[i].offset + (uint32_t)r->seg[i].length >
			    WIRE_PAGE_SIZE ||
		    !r->seg[i].length)
			ill(k, req, "a segment has the length",
			    r->seg[i].length);
		r->bytes += r->seg[i].length;
	}
}

/* What vscsiif.h says of a request, looked at in each one. */
static void inspect(struct raw_vscsi *k, const struct raw_req *r)
{
	const struct wire_scsi_req *req = &r->req;
	const uint8_t *byte = (const uint8_t *)req;
	uint32_t i, blocks, rests = 0;
	uint64_t block;

	k->b.all++;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (&k->req[i] != r && k->req[i].open &&
		    k->req[i].req.rqid == req->rqid)
			ill(k, req, "an rqid is used twice:", req->rqid);
	if (req->act < WIRE_SCSI_ACT_CDB || req->act > WIRE_SCSI_ACT_RESET)
		ill(k, req, "act is", req->act);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    (req->cmd_len == 0 || req->cmd_len > WIRE_SCSI_CDB))
		ill(k, req, "cmd_len is", req->cmd_len);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    (req->sc_data_direction < WIRE_SCSI_DIR_OUT ||
	     req->sc_data_direction > WIRE_SCSI_DIR_NONE))
		ill(k, req, "sc_data_direction is", req->sc_data_direction);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    req->sc_data_direction == WIRE_SCSI_DIR_NONE && r->bytes)
		ill(k, req, "no direction, and bytes:", r->bytes);
	if (req->act == WIRE_SCSI_ACT_CDB && target_range(req, &block, &blocks))
		if (r->bytes != (uint64_t)blocks * 512)
			ill(k, req,
			    "data is not as long as the CDB says:", r->bytes);
	for (i = offsetof(struct wire_scsi_req, reserved); i < sizeof(*req);
	     i++)
		rests += byte[i] != 0;
	for (i = req->cmd_len; i < WIRE_SCSI_CDB; i++)
		rests += req->cmnd[i] != 0;
	k->unclean += rests != 0;
}

static struct raw_req *free_place(struct raw_vscsi *k)
{
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (!k->req[i].open)
			return &k->req[i];
	return NULL;
}

void raw_answer_with(struct raw_vscsi *k, struct raw_req *r,
		     const struct wire_scsi_rsp *rsp)
{
	memcpy(slot(k, k->b.ring[0].rsp_prod++), rsp, sizeof(*rsp));
	if (r)
		r->open = false;
}

void raw_answer(struct raw_vscsi *k, struct raw_req *r, int32_t rslt)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid, .rslt = rslt};

	if (r->req.act == WIRE_SCSI_ACT_CDB && rslt)
		rsp.residual_len = r->bytes;
	raw_answer_with(k, r, &rsp);
}

void raw_answer_as_disk(struct raw_vscsi *k, struct raw_req *r)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid};

	if (r->req.act == WIRE_SCSI_ACT_CDB)
		target_execute(k, r, &rsp);
	else
		rsp.rslt = WIRE_SCSI_RESET_SUCCESS;
	raw_answer_with(k, r, &rsp);
}

static void count(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	k->b.requests++;
	k->cdbs += req->act == WIRE_SCSI_ACT_CDB;
	k->reads += target_is_read(req);
	k->aborts += req->act == WIRE_SCSI_ACT_ABORT;
	k->resets += req->act == WIRE_SCSI_ACT_RESET;
	if (req->act == WIRE_SCSI_ACT_ABORT)
		k->abort_ref = req->ref_rqid;
}

static void work(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);
	struct raw_ring *ring = &b->ring[0];
	uint32_t n = raw_pending(b, ring, WIRE_SCSI_RING_SIZE);
	struct raw_req *r;

	while (n-- && (r = free_place(k))) {
		memcpy(&r->req, slot(k, ring->req_cons), sizeof(r->req));
		ring->req_cons++;
		count(k, &r->req);
		r->segs = r->bytes = 0;
		if (r->req.act == WIRE_SCSI_ACT_CDB)
			take_segments(k, r);
		inspect(k, r);
		r->open = true;
		if (!k->script || !k->script(k, r))
			raw_answer_as_disk(k, r);
	}
}

static void end(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);

	k->script = NULL;
	for (uint32_t i = 0; b->rings && i < WIRE_SCSI_RING_SIZE; i++)
		if (k->req[i].open)
			raw_answer_as_disk(k, &k->req[i]);
}

static const struct raw_kind kind = {
	.type = "conform-vscsi",
	.device = "vscsi",
	.next = 1,
	.nodes = nodes,
	.attach = attach,
	.connecting = connecting,
	.connected = connected,
	.work = work,
	.end = end,
};

int raw_vscsi_open(struct raw_vscsi *k, const struct frontend_cfg *cfg,
		   char *why, size_t len)
{
	int rc;

	rc = raw_back_open(&k->b, &kind, cfg->ops, cfg->place, cfg->store,
			   cfg->domid, cfg->unit, why, len);
	if (rc)
		return rc;
	k->buffer = calloc(1, RAW_BUFFER);
	for (uint32_t i = 0; i < RAW_LUNS; i++)
		k->disk[i] = calloc(1, RAW_DISK_BYTES);
	if (k->buffer && k->disk[0] && k->disk[1])
		return 0;
	snprintf(why, len, "out of memory");
	raw_vscsi_close(k);
	return -ENOMEM;
}

void raw_vscsi_close(struct raw_vscsi *k)
{
	for (uint32_t i = 0; i < RAW_LUNS; i++)
		free(k->disk[i]);
	free(k->buffer);
	raw_back_close(&k->b);
}
