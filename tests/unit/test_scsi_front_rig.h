/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands around a core/scsi_front in a test: pages, a grant table that
 * checks what both ends do with it, and an owner who keeps all results.
 */
#ifndef TEST_SCSI_FRONT_RIG_H
#define TEST_SCSI_FRONT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/scsi_front.h"
#include "scsi/slice.h"

#define FRAMES	1024u /* pages of memory; the number of one is its frame */
#define GRANTS	2048u
#define RESULTS 64u

/* Frames: the ring's page, then the engine's, then the owner's. */
#define RING_FRAME   0u
#define ENGINE_FRAME 1u
#define OWNER_FRAME  512u

struct grant {
	uint64_t frame;
	bool live, readonly, mapped;
};

struct owned_result {
	uint64_t cookie;
	struct scsi_front_result res;
};

struct rig {
	_Alignas(4096) uint8_t mem[FRAMES][4096];
	struct grant grant[GRANTS];
	uint32_t next_gref, live;
	int grants_left; /* then XPV_ENOSPC; negative: no limit */
	bool frame_lost[FRAMES];
	uint32_t shared[FRAMES]; /* live grants of a frame */

	struct scsi_front *f;
	void *engine;
	uint32_t engine_frames;

	uint32_t notifies, events[SCSI_FRONT_EVENTS];
	struct owned_result result[RESULTS];
	uint32_t results;
	/* called for each result, if set */
	void (*on_done)(struct rig *r, const struct owned_result *res);
	uint32_t slices, slice_fails_at; /* 0: never */
	bool map_all; /* a backend that maps whatever is granted, and keeps it */
	uint64_t revokes;
	uint64_t seed;
	void *test; /* the test's own */
};

static inline uint32_t pick(struct rig *r, uint32_t n)
{
	r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->seed >> 33) % n;
}

static inline bool of_engine(const struct rig *r, uint64_t frame)
{
	return frame >= ENGINE_FRAME && frame < ENGINE_FRAME + r->engine_frames;
}

static int rig_grant(void *host, uint64_t frame, bool readonly, uint32_t *gref)
{
	struct rig *r = host;
	uint32_t i;

	assert_true(frame < FRAMES && frame != RING_FRAME);
	/* Never again, once a backend has kept it. */
	assert_false(r->frame_lost[frame]);
	/* The engine's own pages belong to one command at a time. */
	if (of_engine(r, frame))
		assert_int_equal(r->shared[frame], 0);
	if (r->grants_left == 0)
		return XPV_ENOSPC;
	if (r->grants_left > 0)
		r->grants_left--;
	for (i = 0; i < GRANTS; i++) {
		r->next_gref = (r->next_gref + 1) % GRANTS;
		if (r->next_gref > 7 && !r->grant[r->next_gref].live)
			break;
	}
	assert_true(i < GRANTS);
	r->grant[r->next_gref] = (struct grant){.frame = frame,
						.live = true,
						.readonly = readonly,
						.mapped = r->map_all};
	r->shared[frame]++;
	r->live++;
	*gref = r->next_gref;
	return 0;
}

static bool rig_revoke(void *host, uint32_t gref)
{
	struct rig *r = host;
	struct grant *g = &r->grant[gref];

	assert_true(gref < GRANTS && g->live);
	r->revokes++;
	if (g->mapped) {
		r->frame_lost[g->frame] = true;
		return false;
	}
	g->live = false;
	r->shared[g->frame]--;
	r->live--;
	return true;
}

static void rig_notify(void *host)
{
	((struct rig *)host)->notifies++;
}

static void rig_done(void *host, uint64_t cookie,
		     const struct scsi_front_result *res)
{
	struct rig *r = host;
	struct owned_result *o = &r->result[r->results++ % RESULTS];

	o->cookie = cookie;
	o->res = *res;
	if (r->on_done)
		r->on_done(r, o);
}

/* A disk with blocks of 512 bytes. */
static bool rig_slice(void *host, const struct scsi_front_cmd *cmd,
		      uint32_t offset, uint32_t len, uint8_t *to)
{
	struct rig *r = host;

	assert_int_equal(offset % 4096, 0);
	if (++r->slices == r->slice_fails_at)
		return false;
	return scsi_cdb_slice(cmd->cdb, cmd->cdb_len, 512, offset, len, to);
}

static void rig_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
	assert_true(event < SCSI_FRONT_EVENTS);
	((struct rig *)host)->events[event]++;
}

static const struct scsi_front_ops rig_ops = {
	.grant = rig_grant,
	.revoke = rig_revoke,
	.notify = rig_notify,
	.done = rig_done,
	.slice = rig_slice,
	.trace = rig_trace,
};

/* An engine with BOUNCE pages for bouncing. */
static inline struct rig *rig_new(uint32_t segs_max, uint32_t bounce)
{
	struct rig *r = aligned_alloc(4096, (sizeof(*r) + 4095) & ~4095ul);
	struct front_page page[512];
	struct scsi_front_cfg cfg = {
		.segs_max = segs_max, .page = page, .align = 512};
	uint32_t i;
	size_t len;

	memset(r, 0, sizeof(*r));
	r->seed = 1;
	r->grants_left = -1;
	cfg.ring = r->mem[RING_FRAME];
	cfg.pages = bounce + (segs_max > 26 ? SCSI_FRONT_TAGS : 0);
	r->engine_frames = cfg.pages;
	for (i = 0; i < cfg.pages; i++) {
		page[i].va = r->mem[ENGINE_FRAME + i];
		page[i].frame = ENGINE_FRAME + i;
		memset(page[i].va, 0xd5, 4096);
	}
	memset(r->mem[RING_FRAME], 0xd5, 4096);
	len = scsi_front_size(segs_max, cfg.pages);
	r->engine = malloc(len);
	memset(r->engine, 0xd5, len);
	assert_int_equal(
		scsi_front_init(&r->f, r->engine, len, &cfg, &rig_ops, r), 0);
	memset(page, 0xd5, sizeof(page)); /* the list is copied */
	return r;
}

static inline void rig_free(struct rig *r)
{
	free(r->engine);
	free(r);
}

/* Pieces of the owner's from its frame FIRST on: N pieces of LEN at OFFSET. */
static inline void rig_pieces(struct rig *r, struct front_piece *p,
			      uint32_t first, uint32_t n, uint32_t offset,
			      uint32_t len)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		p[i].frame = OWNER_FRAME + first + i;
		p[i].va = r->mem[p[i].frame] + offset;
		p[i].offset = (uint16_t)offset;
		p[i].len = (uint16_t)len;
	}
}

/* READ(10) or WRITE(10), or TEST UNIT READY when there are no pieces. */
static inline struct scsi_front_cmd
rig_cmd(uint64_t cookie, uint8_t dir, const struct front_piece *p, uint32_t n)
{
	struct scsi_front_cmd c = {
		.cookie = cookie,
		.addr = {0, 1, 2},
		.cdb_len = n ? 10 : 6,
		.dir = n ? dir : WIRE_SCSI_DIR_NONE,
		.timeout = 30,
		.npieces = n,
		.piece = p,
	};
	uint32_t i, len = 0;

	for (i = 0; i < n; i++)
		len += p[i].len;
	memset(c.cdb, 0xd5, sizeof(c.cdb)); /* not all of it is the CDB */
	memset(c.cdb, 0, c.cdb_len);
	if (n) {
		c.cdb[0] = dir == WIRE_SCSI_DIR_IN ? 0x28 : 0x2a;
		c.cdb[7] = (uint8_t)(len / 512 >> 8);
		c.cdb[8] = (uint8_t)(len / 512);
	}
	return c;
}

#define FULL  SCSI_FRONT_TAGS
#define ABORT SCSI_FRONT_TAGS /* rqid of an ABORT: this and the tag */
#define IN    WIRE_SCSI_DIR_IN
#define OUT   WIRE_SCSI_DIR_OUT
#define NONE  WIRE_SCSI_DIR_NONE

/* ------------------------------------------- a backend written by hand */

static inline struct wire_ring *ring(struct rig *r)
{
	return (struct wire_ring *)r->mem[RING_FRAME];
}

static inline void *slot(struct rig *r, uint32_t i)
{
	return r->mem[RING_FRAME] + 64 + (size_t)(i % FULL) * 252;
}

/* The latest request. */
static inline const struct wire_scsi_req *last(struct rig *r)
{
	scsi_front_flush(r->f);
	return slot(r, ring(r)->req_prod - 1);
}

/* A response; all that is not said is zero. */
static inline struct wire_scsi_rsp *respond(struct rig *r, uint32_t rqid,
					    int32_t rslt)
{
	struct wire_scsi_rsp *rsp = slot(r, ring(r)->rsp_prod);

	scsi_front_flush(r->f);
	memset(rsp, 0, sizeof(*rsp));
	rsp->rqid = (uint16_t)rqid;
	rsp->rslt = rslt;
	ring(r)->rsp_prod++;
	return rsp;
}

/* Answer and take. */
static inline void answer(struct rig *r, uint32_t rqid, int32_t rslt)
{
	respond(r, rqid, rslt);
	assert_int_equal(scsi_front_poll(r->f, FULL), 1);
}

static inline uint8_t *granted(struct rig *r, uint32_t gref)
{
	assert_true(gref < GRANTS && r->grant[gref].live);
	return r->mem[r->grant[gref].frame];
}

/* The newest result is that of COOKIE. */
static inline const struct scsi_front_result *result(struct rig *r,
						     uint64_t cookie)
{
	const struct owned_result *o = &r->result[(r->results - 1) % RESULTS];

	assert_true(r->results > 0);
	assert_int_equal(o->cookie, cookie);
	return &o->res;
}

static inline int submit(struct rig *r, uint64_t cookie, uint8_t dir,
			 const struct front_piece *p, uint32_t n)
{
	struct scsi_front_cmd c = rig_cmd(cookie, dir, p, n);

	return scsi_front_submit(r->f, &c);
}

/* A command without data. */
static inline uint16_t plain(struct rig *r, uint64_t cookie)
{
	int tag = submit(r, cookie, NONE, NULL, 0);

	assert_in_range(tag, 0, FULL - 1);
	return (uint16_t)tag;
}

static const struct scsi_addr lun = {0, 1, 2};

static inline uint32_t lba_of(const struct wire_scsi_req *req)
{
	return (uint32_t)req->cmnd[2] << 24 | req->cmnd[3] << 16 |
	       req->cmnd[4] << 8 | req->cmnd[5];
}

#endif
