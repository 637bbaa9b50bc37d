/* SPDX-License-Identifier: BSD-2-Clause */
/* core/scsi_front against a backend that is written by hand. */
#include "tests/unit/test_scsi_front_rig.h"

/* -------------------------------------------------------------- start */

static void wrong_configurations(void **state)
{
	static _Alignas(4096) uint8_t page[4096];
	static _Alignas(16) uint8_t mem[1 << 20];
	static struct front_page list[20];
	static const struct {
		const char *what;
		uint32_t segs_max, pages, align;
		int rc;
	} cases[] = {
		{"usual", 128, 17, 512, 0},
		{"no lists needed", 26, 1, 512, 0},
		{"no page for bouncing", 26, 0, 512, XPV_EINVAL},
		{"only lists", 27, 16, 512, XPV_EINVAL},
		{"too many pages", 26, BOUNCE_MAX + 1, 512, XPV_EINVAL},
		{"no alignment", 26, 1, 0, XPV_EINVAL},
		{"not a power of two", 26, 1, 513, XPV_EINVAL},
		{"more than a page", 26, 1, 8192, XPV_EINVAL},
		{"a page", 26, 1, 4096, 0},
	};
	struct scsi_front *f;
	size_t i, len;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		struct scsi_front_cfg cfg = {
			.segs_max = cases[i].segs_max,
			.ring = page,
			.page = list,
			.pages = cases[i].pages,
			.align = cases[i].align,
		};

		print_message("# %s\n", cases[i].what);
		len = scsi_front_size(cfg.segs_max, cfg.pages);
		assert_int_equal(scsi_front_init(&f, mem, sizeof(mem), &cfg,
						 &rig_ops, NULL),
				 cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(scsi_front_init(&f, mem, len - 1, &cfg,
							 &rig_ops, NULL),
					 XPV_ENOMEM);
	}
	/* What the backend offers is cut. */
	assert_int_equal(scsi_front_size(0, 5), scsi_front_size(26, 5));
	assert_int_equal(scsi_front_size(512, 5), scsi_front_size(65535, 5));
}

static void a_slot_in_every_byte(void **state)
{
	struct rig *r = rig_new(26, 4);
	struct front_piece p[2];
	struct wire_scsi_req want;
	int tag;

	(void)state;
	/* The ring is empty and clean. */
	assert_int_equal(ring(r)->req_event, 1);
	assert_int_equal(ring(r)->rsp_event, 1);
	for (unsigned i = 16; i < 4096; i++)
		assert_int_equal(r->mem[RING_FRAME][i], 0);
	rig_pieces(r, p, 0, 1, 512, 1024);
	rig_pieces(r, p + 1, 1, 1, 0, 500);
	tag = submit(r, 7, IN, p, 2);
	assert_int_equal(ring(r)->req_prod, 0); /* not yet visible */
	memset(&want, 0, sizeof(want));
	want.rqid = (uint16_t)tag;
	want.act = WIRE_SCSI_ACT_CDB;
	want.cmd_len = 10;
	want.cmnd[0] = 0x28;
	want.cmnd[8] = 2;
	want.timeout_per_command = 30;
	want.id = 1;
	want.lun = 2;
	want.sc_data_direction = IN;
	want.nr_segments = 2;
	want.seg[0] = (struct wire_scsi_seg){8, 512, 1024};
	want.seg[1] = (struct wire_scsi_seg){9, 0, 500};
	assert_memory_equal(last(r), &want, sizeof(want));
	assert_int_equal(r->notifies, 1);
	scsi_front_flush(r->f);
	assert_int_equal(r->notifies, 1);
	assert_int_equal(r->grant[8].frame, OWNER_FRAME);
	assert_false(r->grant[8].readonly);
	assert_int_equal(scsi_front_inflight(r->f), 1);
	answer(r, (uint32_t)tag, 0);
	assert_int_equal(result(r, 7)->host, WIRE_SCSI_HOST_OK);
	assert_int_equal(result(r, 7)->residual, 0);
	assert_false(result(r, 7)->pinned);
	assert_int_equal(r->live, 0);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	/* To the device: the backend may only read. */
	tag = submit(r, 8, OUT, p, 2);
	assert_int_equal(last(r)->sc_data_direction, OUT);
	assert_true(r->grant[last(r)->seg[0].gref].readonly);
	assert_true(r->grant[last(r)->seg[1].gref].readonly);
	answer(r, (uint32_t)tag, 0);
	/* No data, although there could be. */
	submit(r, 9, IN, p, 0);
	assert_int_equal(last(r)->nr_segments, 0);
	rig_free(r);
}

/* An event goes out when the backend wants one, and comes when we want one. */
static void events(void **state)
{
	struct rig *r = rig_new(26, 1);

	(void)state;
	ring(r)->req_event = 3;
	plain(r, 0);
	plain(r, 1);
	scsi_front_flush(r->f);
	assert_int_equal(r->notifies, 0);
	plain(r, 2);
	scsi_front_flush(r->f);
	assert_int_equal(r->notifies, 1);
	assert_false(scsi_front_has_work(r->f));
	assert_false(scsi_front_arm(r->f));
	assert_int_equal(ring(r)->rsp_event, 1);
	respond(r, 0, 0);
	respond(r, 1, 0);
	assert_true(scsi_front_has_work(r->f));
	assert_true(scsi_front_arm(r->f));
	assert_int_equal(scsi_front_poll(r->f, 1), 1); /* the budget holds */
	assert_int_equal(scsi_front_poll(r->f, 0), 0);
	assert_int_equal(scsi_front_poll(r->f, 5), 1);
	assert_false(scsi_front_arm(r->f));
	assert_int_equal(ring(r)->rsp_event, 3);
	rig_free(r);
}

static void what_is_no_command(void **state)
{
	struct rig *r = rig_new(26, 1);
	struct front_piece p[2];
	struct scsi_front_cmd c;

	(void)state;
	rig_pieces(r, p, 0, 2, 0, 512);
#define REFUSED(change)                                                        \
	do {                                                                   \
		c = rig_cmd(1, IN, p, 2);                                      \
		change;                                                        \
		assert_int_equal(scsi_front_submit(r->f, &c), XPV_EINVAL);     \
		rig_pieces(r, p, 0, 2, 0, 512);                                \
	} while (0)
	REFUSED(c.cdb_len = 0);
	REFUSED(c.cdb_len = 17);
	REFUSED(c.dir = WIRE_SCSI_DIR_BIDI);
	REFUSED(c.dir = 4);
	REFUSED(c.dir = NONE);
	REFUSED(c.npieces = UINT32_MAX);
	REFUSED(p[1].len = 0);
	REFUSED(p[1].len = 4097);
	REFUSED(p[1].offset = 3585);
	REFUSED(p[1].offset = 4096);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	assert_int_equal(r->live, 0);
	assert_ptr_equal(last(r), slot(r, 15)); /* none */
	rig_free(r);
}

/* ---------------------------------------------------------------- results */

static const struct {
	int32_t rslt;
	uint8_t host, status;
	bool traced;
} codes[] = {
	{0, WIRE_SCSI_HOST_OK, 0, false},
	{2, WIRE_SCSI_HOST_OK, 2, false},
	{0x18, WIRE_SCSI_HOST_OK, 0x18, false},
	{0x08000002, WIRE_SCSI_HOST_OK, 2, false}, /* "there is sense" */
	{0x08000000, WIRE_SCSI_HOST_OK, 0, false},
	{0x04000002, WIRE_SCSI_HOST_OK, 2, false},
	{0x00010000, WIRE_SCSI_HOST_NO_CONNECT, 0, false},
	{0x00050000, WIRE_SCSI_HOST_ABORT, 0, false},
	{0x00140000, WIRE_SCSI_HOST_TRANSPORT_MARGINAL, 0, false},
	{0x00150000, WIRE_SCSI_HOST_ERROR, 0, true},
	{0x00ff0000, WIRE_SCSI_HOST_ERROR, 0, true},
	{-1, WIRE_SCSI_HOST_ERROR, 0, true},
	/* Linux before 5.19 */
	{0x01000000, WIRE_SCSI_HOST_NO_CONNECT, 0, false},
	{0x04000000, WIRE_SCSI_HOST_ERROR, 0, false},
	/* answers to ABORT and RESET */
	{0x2002, WIRE_SCSI_HOST_ERROR, 0, true},
	{0x2003, WIRE_SCSI_HOST_ERROR, 0, true},
};

static void every_coding_of_results(void **state)
{
	struct rig *r = rig_new(26, 1);
	struct front_piece p;
	size_t i;

	(void)state;
	rig_pieces(r, &p, 0, 1, 0, 512);
	for (i = 0; i < XPV_ARRAY_SIZE(codes); i++) {
		uint32_t before = r->events[SCSI_FRONT_EV_BAD_RESULT];
		int tag = submit(r, i, IN, &p, 1);

		answer(r, (uint32_t)tag, codes[i].rslt);
		assert_int_equal(result(r, i)->host, codes[i].host);
		assert_int_equal(result(r, i)->status, codes[i].status);
		assert_int_equal(result(r, i)->residual,
				 codes[i].host ? 512 : 0);
		assert_int_equal(r->events[SCSI_FRONT_EV_BAD_RESULT] - before,
				 codes[i].traced);
	}
	rig_free(r);
}

static void sense_and_residual(void **state)
{
	struct rig *r = rig_new(26, 1);
	struct front_piece p;
	struct wire_scsi_rsp *rsp;

	(void)state;
	rig_pieces(r, &p, 0, 1, 0, 512);
	submit(r, 1, IN, &p, 1);
	rsp = respond(r, 0, 2);
	rsp->sense_len = WIRE_SCSI_SENSE;
	memset(rsp->sense, 0x70, WIRE_SCSI_SENSE);
	rsp->residual_len = 512;
	rsp->act = 99; /* deprecated: anything may stand there */
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(result(r, 1)->status, 2);
	assert_int_equal(result(r, 1)->sense_len, WIRE_SCSI_SENSE);
	assert_int_equal(result(r, 1)->sense[95], 0x70);
	assert_int_equal(result(r, 1)->residual, 512);
	/* A CDB that names more than the buffers hold. */
	submit(r, 2, IN, &p, 1);
	respond(r, 0, 0)->residual_len = 513;
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(r->events[SCSI_FRONT_EV_BAD_RESIDUAL], 1);
	assert_int_equal(result(r, 2)->residual, 0);
	assert_int_equal(result(r, 2)->sense_len, 0);
	assert_int_equal(result(r, 2)->sense[95], 0);
	rig_free(r);
}

/* ------------------------------------------------------------------ data */

/* Unaligned: through a page of ours, nothing else is in it. */
static void bounced(void **state)
{
	struct rig *r = rig_new(26, 4);
	struct front_piece p[2];
	uint8_t *page;
	unsigned i;

	(void)state;
	rig_pieces(r, p, 0, 2, 100, 1024);
	memset(r->mem[OWNER_FRAME], 1, 4096);
	memset(r->mem[OWNER_FRAME + 1], 2, 4096);
	submit(r, 1, OUT, p, 2);
	assert_int_equal(last(r)->nr_segments, 1);
	assert_int_equal(last(r)->seg[0].length, 2048);
	assert_int_equal(last(r)->seg[0].offset, 0);
	assert_true(r->grant[last(r)->seg[0].gref].readonly);
	assert_true(of_engine(r, r->grant[last(r)->seg[0].gref].frame));
	page = granted(r, last(r)->seg[0].gref);
	for (i = 0; i < 4096; i++)
		assert_int_equal(page[i], i < 1024 ? 1 : i < 2048 ? 2 : 0);
	answer(r, 0, 0);
	assert_int_equal(r->live, 0);

	/* Back, but only what came, and no other byte of the owner's. */
	submit(r, 2, IN, p, 2);
	page = granted(r, last(r)->seg[0].gref);
	for (i = 0; i < 4096; i++)
		assert_int_equal(page[i], 0);
	memset(page, 9, 4096);
	respond(r, 0, 0)->residual_len = 500;
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(result(r, 2)->residual, 500);
	for (i = 0; i < 4096; i++) {
		assert_int_equal(r->mem[OWNER_FRAME][i],
				 i >= 100 && i < 1124 ? 9 : 1);
		assert_int_equal(r->mem[OWNER_FRAME + 1][i],
				 i >= 100 && i < 624 ? 9 : 2);
	}
	/* And nothing when it has failed. */
	submit(r, 3, IN, p, 2);
	memset(granted(r, last(r)->seg[0].gref), 7, 4096);
	answer(r, 0, WIRE_SCSI_HOST_ERROR << 16);
	assert_int_equal(result(r, 3)->residual, 2048);
	assert_int_equal(r->mem[OWNER_FRAME][100], 9);
	rig_free(r);
}

/* The rule: multiples of 512, but for the end of the last piece. */
static void what_is_bounced(void **state)
{
	static const struct {
		uint16_t offset[2], len[2];
		bool bounced;
	} cases[] = {
		{{0, 0}, {4096, 4096}, false},
		{{512, 1024}, {512, 1024}, false},
		{{512, 1024}, {512, 1000}, false},
		{{512, 1024}, {500, 1024}, true},
		{{513, 1024}, {511, 1024}, true},
		{{0, 256}, {512, 512}, true},
	};
	struct rig *r = rig_new(26, 4);
	struct front_piece p[2];
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		rig_pieces(r, p, 0, 1, cases[i].offset[0], cases[i].len[0]);
		rig_pieces(r, p + 1, 1, 1, cases[i].offset[1], cases[i].len[1]);
		submit(r, 1, IN, p, 2);
		assert_int_equal(
			of_engine(r, r->grant[last(r)->seg[0].gref].frame),
			cases[i].bounced);
		answer(r, 0, 0);
	}
	rig_free(r);
}

/* 8 pages through 3: three requests, one result. */
static void passes(void **state)
{
	struct rig *r = rig_new(26, 3);
	struct front_piece p[9];
	unsigned i, k;

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 4095);
	rig_pieces(r, p + 8, 8, 1, 1, 8);
	for (i = 0; i < 9; i++)
		memset(p[i].va, (int)i + 1, p[i].len);
	submit(r, 1, OUT, p, 9);
	assert_int_equal(r->live, 3);
	for (k = 0; k < 3; k++) {
		const struct wire_scsi_req *req = last(r);
		uint32_t n = k < 2 ? 3 : 2, at = k * 3 * 4096;

		assert_int_equal(ring(r)->req_prod, k + 1);
		assert_int_equal(req->nr_segments, n);
		assert_int_equal(lba_of(req), k * 24);
		assert_int_equal(req->cmnd[8], n * 8);
		for (i = 0; i < n * 4096; i++, at++)
			assert_int_equal(
				granted(r, req->seg[i / 4096].gref)[i % 4096],
				at / 4095 + 1);
		assert_int_equal(r->results, 0);
		answer(r, 0, 0);
	}
	assert_int_equal(result(r, 1)->host, 0);
	assert_int_equal(result(r, 1)->residual, 0);
	assert_int_equal(r->live, 0);
	assert_int_equal(scsi_front_inflight(r->f), 0);

	/* In: old contents of a page do not stand in for data. */
	submit(r, 2, IN, p, 9);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			memset(granted(r, last(r)->seg[i].gref), 0x10, 4096);
		answer(r, 0, 0);
	}
	answer(r, 0, 0); /* this time it has written nothing */
	assert_int_equal(p[0].va[0], 0x10);
	assert_int_equal(p[6].va[5], 0x10);
	assert_int_equal(p[6].va[6], 0);
	assert_int_equal(p[8].va[7], 0);
	rig_free(r);
}

/* The first pass that does not succeed is the last. */
static void passes_that_fail(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[8];

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 1024);
	submit(r, 1, IN, p, 8); /* fits */
	answer(r, 0, 0);
	assert_int_equal(r->slices, 0);
	rig_pieces(r, p, 0, 8, 1, 3072);
	submit(r, 1, IN, p, 8);
	answer(r, 0, 0);
	respond(r, 0, 2)->residual_len = 100;
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(result(r, 1)->status, 2);
	assert_int_equal(result(r, 1)->residual, 8 * 3072 - 16384 + 100);
	submit(r, 2, IN, p, 8);
	respond(r, 0, 0)->residual_len = 1;
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(result(r, 2)->status, 0);
	assert_int_equal(result(r, 2)->residual, 8 * 3072 - 8192 + 1);
	submit(r, 3, IN, p, 8);
	/* More than the pass has, if less than the command: nonsense. */
	respond(r, 0, 0)->residual_len = 8193;
	assert_int_equal(scsi_front_poll(r->f, 1), 1);
	assert_int_equal(r->events[SCSI_FRONT_EV_BAD_RESIDUAL], 1);
	answer(r, 0, WIRE_SCSI_HOST_BUS_BUSY << 16);
	assert_int_equal(result(r, 3)->host, WIRE_SCSI_HOST_BUS_BUSY);
	assert_int_equal(result(r, 3)->residual, 8 * 3072 - 8192);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

static void what_cannot_be_sliced(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[8];
	struct scsi_front_ops ops = rig_ops;
	struct scsi_front_cmd c;
	uint32_t i;

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 3072);
	for (i = 1; i <= 3; i++) { /* any pass */
		r->slices = 0;
		r->slice_fails_at = i;
		assert_int_equal(submit(r, 1, IN, p, 8), XPV_ENOMEM);
	}
	assert_int_equal(ring(r)->req_prod, 0);
	c = rig_cmd(1, IN, p, 8);
	c.cdb[0] = 0x12;
	assert_int_equal(scsi_front_submit(r->f, &c), XPV_ENOMEM);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	/* One who changes his mind, between the passes. */
	r->slices = 0;
	r->slice_fails_at = 5;
	assert_int_equal(submit(r, 2, IN, p, 8), 0);
	answer(r, 0, 0);
	assert_int_equal(r->results, 0);
	assert_true(scsi_front_has_work(r->f));
	assert_true(scsi_front_arm(r->f));
	assert_int_equal(scsi_front_poll(r->f, 1), 0);
	assert_int_equal(result(r, 2)->host, WIRE_SCSI_HOST_ERROR);
	assert_int_equal(result(r, 2)->residual, 8 * 3072 - 8192);
	assert_false(scsi_front_has_work(r->f));
	assert_int_equal(r->live, 0);
	rig_free(r);

	/* Nobody to ask. */
	r = rig_new(26, 2);
	ops.slice = NULL;
	{
		struct front_page page[1] = {
			{r->mem[ENGINE_FRAME], ENGINE_FRAME}};
		struct scsi_front_cfg cfg = {.ring = r->mem[RING_FRAME],
					     .page = page,
					     .pages = 1,
					     .align = 512};

		assert_int_equal(scsi_front_init(&r->f, r->engine,
						 scsi_front_size(0, 1), &cfg,
						 &ops, r),
				 0);
	}
	assert_int_equal(submit(r, 1, IN, p, 8), XPV_ENOMEM);
	rig_free(r);
}

/* ------------------------------------------------------------ descriptors */

static void a_page_of_descriptors(void **state)
{
	struct rig *r = rig_new(200, 4);
	struct front_piece p[200];
	const struct wire_scsi_seg *seg;
	const struct wire_scsi_req *req;
	unsigned i;

	(void)state;
	/* Few need none. */
	rig_pieces(r, p, 0, 200, 0, 4096);
	submit(r, 1, OUT, p, 26);
	assert_int_equal(last(r)->nr_segments, 26);
	answer(r, 0, 0);
	p[199].len = 1000;
	submit(r, 2, OUT, p, 200);
	req = last(r);
	assert_int_equal(req->nr_segments, WIRE_SCSI_SG_GRANT | 1);
	assert_int_equal(req->seg[0].offset, 0);
	assert_int_equal(req->seg[0].length, 200 * 8);
	assert_int_equal(req->seg[1].gref, 0);
	assert_true(r->grant[req->seg[0].gref].readonly);
	assert_int_equal(r->live, 201);
	seg = (const void *)granted(r, req->seg[0].gref);
	for (i = 0; i < 200; i++) {
		assert_int_equal(r->grant[seg[i].gref].frame, OWNER_FRAME + i);
		assert_true(r->grant[seg[i].gref].readonly);
		assert_int_equal(seg[i].offset, 0);
		assert_int_equal(seg[i].length, i < 199 ? 4096 : 1000);
	}
	answer(r, 0, 0);
	assert_int_equal(r->live, 0);
	/* The list is read-only for reads, too; the data is not. */
	submit(r, 3, IN, p, 27);
	req = last(r);
	assert_true(r->grant[req->seg[0].gref].readonly);
	seg = (const void *)granted(r, req->seg[0].gref);
	assert_false(r->grant[seg[26].gref].readonly);
	answer(r, 0, 0);
	rig_free(r);
}

/* Bounced, more pages than a slot has segments: a list as well. */
static void bounced_with_a_list(void **state)
{
	struct rig *r = rig_new(30, 64);
	struct front_piece p[80];
	const struct wire_scsi_seg *seg;

	(void)state;
	rig_pieces(r, p, 0, 80, 0, 2048); /* too many pieces */
	submit(r, 1, IN, p, 80);
	/* 40 pages, 30 at once */
	assert_int_equal(last(r)->nr_segments, WIRE_SCSI_SG_GRANT | 1);
	assert_int_equal(last(r)->seg[0].length, 30 * 8);
	seg = (const void *)granted(r, last(r)->seg[0].gref);
	assert_int_equal(seg[29].length, 4096);
	assert_true(of_engine(r, r->grant[seg[29].gref].frame));
	answer(r, 0, 0);
	assert_int_equal(last(r)->nr_segments, 10); /* in the slot */
	assert_int_equal(lba_of(last(r)), 240);
	answer(r, 0, 0);
	assert_int_equal(result(r, 1)->residual, 0);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

/* -------------------------------------------------- what may be missing */

/* Grant number N fails, for every N: nothing stays, and then it works. */
static void every_grant_may_fail(void **state)
{
	static const struct {
		uint32_t pieces, offset, len, grants;
	} cases[] = {
		{5, 0, 512, 5},	   /* direct */
		{40, 0, 4096, 41}, /* with a list */
		{5, 1, 4000, 5},   /* bounced */
		{60, 1, 4000, 32}, /* in passes, with a list */
	};
	struct front_piece p[60];
	unsigned i;
	int n;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		struct rig *r = rig_new(31, 31);

		rig_pieces(r, p, 0, cases[i].pieces, cases[i].offset,
			   cases[i].len);
		p[0].len = (uint16_t)(p[0].len -
				      cases[i].pieces * cases[i].len % 512);
		if (cases[i].grants == 41)
			rig_free(r), r = rig_new(64, 31);
		for (n = 0; n < (int)cases[i].grants; n++) {
			r->grants_left = n;
			assert_int_equal(submit(r, 1, IN, p, cases[i].pieces),
					 XPV_EBUSY);
			assert_int_equal(r->live, 0);
			assert_int_equal(scsi_front_inflight(r->f), 0);
		}
		r->grants_left = n;
		assert_int_equal(submit(r, 1, IN, p, cases[i].pieces), 0);
		assert_int_equal(r->live, n);
		r->grants_left = 0; /* the next passes need none */
		while (r->results == 0) {
			last(r);
			answer(r, 0, 0);
		}
		assert_int_equal(result(r, 1)->residual, 0);
		assert_int_equal(r->live, 0);
		rig_free(r);
	}
}

static void no_slot_no_page_no_list(void **state)
{
	struct rig *r = rig_new(64, 4);
	struct front_piece p[64];
	unsigned i;

	(void)state;
	rig_pieces(r, p, 0, 64, 1, 2048);
	assert_int_equal(submit(r, 0, IN, p, 6), 0); /* 3 pages of 4 */
	assert_int_equal(submit(r, 1, IN, p, 4), XPV_EBUSY);
	assert_int_equal(submit(r, 1, IN, p, 2), 1);
	assert_int_equal(submit(r, 2, IN, p, 2), XPV_EBUSY);
	rig_pieces(r, p, 0, 64, 0, 512);
	for (i = 2; i < FULL; i++)
		assert_int_equal(submit(r, i, IN, p, 30), i);
	assert_int_equal(submit(r, 99, NONE, NULL, 0), XPV_EBUSY);
	assert_int_equal(scsi_front_reset(r->f, lun, 99), XPV_EBUSY);
	assert_int_equal(scsi_front_inflight(r->f), FULL);
	answer(r, 5, 0);
	assert_int_equal(result(r, 5)->host, 0);
	assert_int_equal(submit(r, 5, IN, p, 30), 5);
	rig_free(r);
}

/* ---------------------------------------------------------------- pinned */

static void pinned_pages(void **state)
{
	struct rig *r = rig_new(64, 2);
	struct front_piece p[64], q[64];
	uint32_t i;

	(void)state;
	/* The owner's: it is told. */
	rig_pieces(r, p, 0, 64, 0, 512);
	submit(r, 1, IN, p, 2);
	r->grant[last(r)->seg[1].gref].mapped = true;
	answer(r, 0, 0);
	assert_true(result(r, 1)->pinned);
	assert_int_equal(result(r, 1)->host, 0);
	assert_int_equal(r->events[SCSI_FRONT_EV_PINNED], 1);
	assert_int_equal(r->live, 1);
	/* One of ours for bouncing: it is never used again, see rig_grant(). */
	rig_pieces(r, q, 10, 4, 1, 2048);
	submit(r, 2, IN, q, 4);
	r->grant[last(r)->seg[0].gref].mapped = true;
	answer(r, 0, 0);
	assert_false(result(r, 2)->pinned);
	assert_int_equal(submit(r, 3, IN, q, 4), 0); /* in passes now */
	assert_int_equal(last(r)->nr_segments, 1);
	answer(r, 0, 0);
	r->grant[last(r)->seg[0].gref].mapped = true;
	answer(r, 0, 0);
	assert_int_equal(submit(r, 3, IN, q, 1), XPV_ENOMEM); /* none left */
	/* Lists, one after the other; then there are only slots. */
	for (i = 0; i < FULL; i++) {
		rig_pieces(r, p, 20, 30, 0, 4096);
		assert_int_equal(submit(r, 4, IN, p, 30), 0);
		r->grant[last(r)->seg[0].gref].mapped = true;
		answer(r, 0, 0);
		assert_false(result(r, 4)->pinned);
	}
	assert_int_equal(submit(r, 5, IN, p, 27), XPV_ENOMEM);
	assert_int_equal(submit(r, 5, IN, p, 26), 0);
	rig_free(r);
}

/* A backend that keeps page after page is stopped. */
static void pinned_too_often(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[4];
	unsigned i;

	(void)state;
	for (i = 0; i <= SCSI_FRONT_PINNED_MAX; i++) {
		rig_pieces(r, p, i, 1, 0, 512);
		assert_int_equal(submit(r, i, IN, p, 1), 0);
		assert_int_equal(r->events[SCSI_FRONT_EV_MANY_PINNED], 0);
		r->grant[last(r)->seg[0].gref].mapped = true;
		respond(r, 0, 0);
		assert_int_equal(scsi_front_poll(r->f, 1),
				 i < SCSI_FRONT_PINNED_MAX ? 1 : XPV_EPROTO);
		assert_true(result(r, i)->pinned);
	}
	assert_int_equal(r->events[SCSI_FRONT_EV_MANY_PINNED], 1);
	assert_int_equal(scsi_front_poll(r->f, 1), XPV_EPROTO);
	rig_pieces(r, p, 20, 1, 0, 512);
	assert_int_equal(submit(r, 90, IN, p, 1), XPV_EPROTO);
	rig_free(r);
}

/* All lists are in use, or pinned: again later. */
static void lists_in_use(void **state)
{
	struct rig *r = rig_new(64, 2);
	struct front_piece p[64];

	(void)state;
	rig_pieces(r, p, 20, 30, 0, 4096);
	for (unsigned i = 0; i < FULL - 1; i++) {
		submit(r, i, IN, p, 30);
		r->grant[last(r)->seg[0].gref].mapped = true;
		answer(r, 0, 0);
	}
	assert_int_equal(submit(r, 90, IN, p, 30), 0);
	assert_int_equal(submit(r, 91, IN, p, 30), XPV_EBUSY);
	answer(r, 0, 0);
	assert_int_equal(submit(r, 91, IN, p, 30), 0);
	rig_free(r);
}

/* A backend that maps before it has been asked, and a grant that fails. */
static void pinned_before_it_is_sent(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[4];

	(void)state;
	rig_pieces(r, p, 0, 4, 0, 512);
	r->map_all = true;
	r->grants_left = 2;
	assert_int_equal(submit(r, 1, IN, p, 4), 0);
	assert_int_equal(scsi_front_inflight(r->f), 1);
	assert_int_equal(r->results, 0);
	assert_ptr_equal(last(r), slot(r, 15)); /* nothing is on the ring */
	assert_true(scsi_front_has_work(r->f));
	assert_true(scsi_front_arm(r->f));
	assert_int_equal(scsi_front_abort(r->f, 0), 0); /* it ends anyway */
	assert_int_equal(scsi_front_poll(r->f, 1), 0);
	assert_true(result(r, 1)->pinned);
	assert_int_equal(result(r, 1)->host, WIRE_SCSI_HOST_ERROR);
	assert_int_equal(result(r, 1)->residual, 2048);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	/* Pages of ours: only fewer. */
	rig_pieces(r, p, 10, 4, 1, 2048);
	r->grants_left = 1;
	assert_int_equal(submit(r, 2, IN, p, 4), XPV_EBUSY);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	r->map_all = false;
	r->grants_left = -1;
	assert_int_equal(submit(r, 2, IN, p, 4), 0);
	assert_int_equal(last(r)->nr_segments, 1);
	rig_free(r);
}

static void submit_again(struct rig *r, const struct owned_result *o)
{
	struct front_piece p[4];

	if (r->results > FULL)
		return;
	rig_pieces(r, p, 200 + 4 * r->results, 4, 0, 512);
	r->grants_left = 1;
	assert_in_range(submit(r, o->cookie, IN, p, 4), 0, FULL - 1);
}

/* Many of them, some of them new ones while the old ones end. */
static void many_that_end_unsent(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[4];
	unsigned i;

	(void)state;
	plain(r, 0); /* this one is sent */
	r->map_all = true;
	for (i = 1; i < FULL; i++) {
		rig_pieces(r, p, i, 4, 0, 512);
		r->grants_left = 1;
		assert_int_equal(submit(r, i, IN, p, 4), i);
	}
	/* There is room on the ring, but no tag. */
	assert_int_equal(submit(r, 99, NONE, NULL, 0), XPV_EBUSY);
	assert_int_equal(scsi_front_reset(r->f, lun, 99), XPV_EBUSY);
	r->on_done = submit_again;
	assert_int_equal(scsi_front_poll(r->f, 1), 0);
	assert_int_equal(scsi_front_inflight(r->f), FULL);
	assert_true(scsi_front_has_work(r->f));
	r->on_done = NULL;
	assert_int_equal(scsi_front_poll(r->f, 1), 0);
	assert_int_equal(scsi_front_inflight(r->f), 1);
	assert_false(scsi_front_has_work(r->f));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_configurations),
		cmocka_unit_test(a_slot_in_every_byte),
		cmocka_unit_test(events),
		cmocka_unit_test(what_is_no_command),
		cmocka_unit_test(every_coding_of_results),
		cmocka_unit_test(sense_and_residual),
		cmocka_unit_test(bounced),
		cmocka_unit_test(what_is_bounced),
		cmocka_unit_test(passes),
		cmocka_unit_test(passes_that_fail),
		cmocka_unit_test(what_cannot_be_sliced),
		cmocka_unit_test(a_page_of_descriptors),
		cmocka_unit_test(bounced_with_a_list),
		cmocka_unit_test(every_grant_may_fail),
		cmocka_unit_test(no_slot_no_page_no_list),
		cmocka_unit_test(pinned_pages),
		cmocka_unit_test(pinned_too_often),
		cmocka_unit_test(lists_in_use),
		cmocka_unit_test(pinned_before_it_is_sent),
		cmocka_unit_test(many_that_end_unsent),
	};

	return cmocka_run_group_tests_name("scsi_front", tests, NULL, NULL);
}
