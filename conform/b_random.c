/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a backend: requests at random, on the second LUN. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

static uint32_t rnd(struct backend *b, uint32_t below)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return (uint32_t)(b->seed >> 32) % below;
}

/* True in N of 100 cases. */
static bool chance(struct backend *b, uint32_t n)
{
	return rnd(b, 100) < n;
}

/* BAD_SEGS: how many of 100 are not honest. */
static uint32_t rnd_gref(struct backend *b, uint32_t bad_segs)
{
	if (!chance(b, bad_segs))
		return b->pages.gref[rnd(b, PAGES)];
	if (chance(b, 50))
		return b->read_only.gref[0];
	/* never one that the kernel may have granted */
	return 0x10000 + rnd(b, UINT32_MAX - 0x10000);
}

static struct wire_scsi_seg rnd_seg(struct backend *b, uint32_t bad_segs)
{
	struct wire_scsi_seg s = {.gref = rnd_gref(b, bad_segs)};

	if (chance(b, bad_segs)) {
		s.offset = (uint16_t)rnd(b, 65536);
		s.length = (uint16_t)rnd(b, 65536);
	} else {
		s.offset = (uint16_t)(rnd(b, 8) * 512);
		s.length = (uint16_t)(rnd(b, WIRE_PAGE_SIZE - s.offset + 1));
	}
	return s;
}

static void rnd_cdb(struct backend *b, struct wire_scsi_req *req)
{
	/* what a disk may know */
	static const uint8_t op[] = {
		0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x16, 0x17, 0x1a, 0x1b,
		0x1e, 0x25, 0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x37, 0x41,
		0x42, 0x4c, 0x4d, 0x55, 0x56, 0x57, 0x5a, 0x5e, 0x5f, 0x7f,
		0x83, 0x84, 0x88, 0x89, 0x8a, 0x8e, 0x8f, 0x90, 0x91, 0x93,
		0x9e, 0xa0, 0xa3, 0xa4, 0xa8, 0xaa, 0xae, 0xaf, 0xb7};
	static const uint8_t len[8] = {6, 10, 10, 16, 16, 12, 16, 16};
	/* most of what is set at random is a bit that must not be */
	uint32_t i, zeros = chance(b, 50) ? 60 : 90;

	for (i = 0; i < WIRE_SCSI_CDB; i++)
		req->cmnd[i] = (uint8_t)(chance(b, zeros) ? 0 : rnd(b, 256));
	if (chance(b, 90))
		req->cmnd[0] = op[rnd(b, XPV_ARRAY_SIZE(op))];
	req->cmd_len =
		chance(b, 95) ? len[req->cmnd[0] >> 5] : (uint8_t)rnd(b, 256);
}

static void rnd_segs(struct backend *b, struct wire_scsi_req *req)
{
	struct wire_scsi_seg *entry = (void *)b->list.at;
	uint32_t i, n = rnd(b, WIRE_SCSI_SEGS + 1);
	uint32_t bad_segs = chance(b, 70) ? 0 : 8;

	for (i = 0; i < WIRE_SCSI_SEGS; i++)
		req->seg[i] = rnd_seg(b, bad_segs);
	req->nr_segments = (uint8_t)n;
	if (chance(b, 5)) {
		req->nr_segments = (uint8_t)rnd(b, 256);
	} else if (chance(b, 20)) {
		/* the lists are shared, so they change in flight, too */
		for (i = 0; i < 64; i++)
			entry[rnd(b, LISTS * WIRE_SCSI_SEGS_PER_PAGE)] =
				rnd_seg(b, chance(b, 98) ? 0 : 50);
		n = 1 + rnd(b, 3);
		req->nr_segments = (uint8_t)(WIRE_SCSI_SG_GRANT | n);
		for (i = 0; i < n; i++)
			req->seg[i] = (struct wire_scsi_seg){
				b->list.gref[rnd(b, LISTS)],
				(uint16_t)(rnd(b, 64) * 8),
				(uint16_t)(rnd(b, 100) * 8)};
	}
}

/* The first LUN holds what is known: it stays out of this. */
static void rnd_address(struct backend *b, struct wire_scsi_req *req)
{
	const struct scsi_addr *known = &b->addr[0], *at = &b->addr[1];

	do {
		req->lun = (uint16_t)(chance(b, 90) ? at->lun : rnd(b, 65536));
		req->id = (uint16_t)(chance(b, 95) ? at->id : rnd(b, 65536));
		req->channel =
			(uint16_t)(chance(b, 95) ? at->channel : rnd(b, 65536));
	} while (req->lun == known->lun && req->id == known->id &&
		 req->channel == known->channel);
}

static void rnd_request(struct backend *b, struct wire_scsi_req *req)
{
	memset(req, 0, sizeof(*req));
	req->act = WIRE_SCSI_ACT_CDB;
	if (chance(b, 8))
		req->act = (uint8_t)(chance(b, 60) ? WIRE_SCSI_ACT_ABORT
						   : rnd(b, 256));
	rnd_cdb(b, req);
	req->timeout_per_command = (uint16_t)rnd(b, 65536);
	rnd_address(b, req);
	req->sc_data_direction =
		(uint8_t)(chance(b, 95) ? rnd(b, 4) : rnd(b, 256));
	rnd_segs(b, req);
}

/*
 * Keep the ring full. The low bits of a rqid say which of the open requests it
 * is, the others count, so that no answer is taken for another.
 */
struct flood {
	uint16_t open[WIRE_SCSI_RING_SIZE]; /* rqid; 0: none is */
	uint32_t sent, answers;
	uint32_t by[3]; /* good, refused, other */
};

static void flood_fill(struct backend *b, struct flood *f)
{
	struct wire_scsi_req req;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
		if (f->open[i])
			continue;
		rnd_request(b, &req);
		f->open[i] = (uint16_t)((1 + f->sent++ % 4095) << 4 | i);
		req.rqid = f->open[i];
		req.ref_rqid = f->open[rnd(b, WIRE_SCSI_RING_SIZE)];
		raw_put(&b->front, &req);
	}
	raw_push(&b->front);
}

static bool flood_take(struct backend *b, struct flood *f)
{
	struct wire_scsi_rsp rsp;

	if (!backend_get(b, &rsp, RAW_PATIENCE_MS)) {
		b->connected = false;
		return conform_fail(&b->c, "%" PRIu32 " of %" PRIu32 " answers",
				    f->answers, f->sent);
	}
	if (!rsp.rqid || f->open[rsp.rqid & 15] != rsp.rqid) {
		b->connected = false;
		return conform_fail(
			&b->c, "an answer to %#x, which is not open", rsp.rqid);
	}
	f->open[rsp.rqid & 15] = 0;
	f->answers++;
	f->by[rsp.rslt == GOOD			       ? 0
	      : rsp.rslt == WIRE_SCSI_HOST_ERROR << 16 ? 1
						       : 2]++;
	return true;
}

static void random_requests(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint64_t seed = b->seed;
	struct flood f = {0};
	int64_t end;

	(void)arg;
	if (!c->opt->seconds) {
		conform_skip(c, "no time is given to it: --seconds");
		return;
	}
	if (!backend_second(b))
		return;
	c->deadline += 1000 * (int64_t)c->opt->seconds;
	end = conform_now() + 1000 * (int64_t)c->opt->seconds;
	while (conform_now() < end || f.answers < f.sent) {
		if (conform_now() < end)
			flood_fill(b, &f);
		if (!flood_take(b, &f))
			break;
	}
	conform_note(c,
		     "seed %" PRIu64 ", %" PRIu32 " requests: %" PRIu32
		     " good, %" PRIu32 " refused, %" PRIu32 " other",
		     seed, f.sent, f.by[0], f.by[1], f.by[2]);
	if (f.sent < 100)
		conform_fail(c, "no more than %" PRIu32 " requests", f.sent);
}

/* What random commands may have left behind: stopped, reserved, protected. */
static void repair(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req reset, start;
	struct wire_scsi_rsp rsp;
	int i;

	(void)arg;
	if (!backend_second(b))
		return;
	reset = backend_plain(b, 1, WIRE_SCSI_ACT_RESET);
	start = backend_plain(b, 1, WIRE_SCSI_ACT_CDB);
	start.cmnd[0] = 0x1b;
	start.cmnd[4] = 1;
	if (backend_one(b, &reset, &rsp) != WIRE_SCSI_RESET_SUCCESS)
		conform_fail(c, "RESET: rslt %#" PRIx32, (uint32_t)rsp.rslt);
	/* once more for each unit attention */
	for (i = 0; i < 8 && backend_one(b, &start, &rsp) != GOOD; i++)
		;
	if (rsp.rslt != GOOD)
		conform_fail(c, "START: rslt %#" PRIx32, (uint32_t)rsp.rslt);
}

/*
 * Commands that a backend maps pages for are among them: see REPORT LUNS. The
 * second LUN may be stopped after them, which is why both are one case for the
 * look afterwards.
 */
static void random_and_repair(struct conform *c, const void *arg)
{
	random_requests(c, arg);
	if (c->verdict == CONFORM_PASS && backend_of(c)->connected) {
		char detail[CONFORM_DETAIL_MAX];

		memcpy(detail, c->detail, sizeof(detail));
		repair(c, arg);
		if (c->verdict == CONFORM_PASS)
			memcpy(c->detail, detail, sizeof(detail));
	}
}

static const struct conform_case cases[] = {
	{.family = "random",
	 .name = "each request has one answer",
	 .clause = &clause_ring_once,
	 .flags = CONFORM_DANGEROUS,
	 .run = random_and_repair},
	{.family = "random",
	 .name = "reset and start afterwards",
	 .clause = &clause_reset,
	 .flags = CONFORM_DANGEROUS,
	 .run = repair},
};

const struct case_list backend_random = {cases, XPV_ARRAY_SIZE(cases)};
