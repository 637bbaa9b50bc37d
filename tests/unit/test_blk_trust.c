/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/blk_front in front of backends that lie, keep pages, go away and come
 * again, or speak the other layout; and when there are no grants.
 */
#include "tests/unit/test_blk_front_rig.h"

static struct front_piece pc[64];

static struct blk_front_req one_page(struct rig *r, uint64_t cookie,
				     enum blk_front_op op)
{
	rig_pieces(r, pc + cookie, (uint32_t)cookie, 1, 0, 4096);
	return rig_req(cookie, op, cookie * 8, pc + cookie, 1);
}

static void submit(struct rig *r, uint64_t cookie, enum blk_front_op op)
{
	struct blk_front_req q = one_page(r, cookie, op);

	assert_int_equal(blk_front_submit(r->f, &q), 0);
}

/* The engine has stopped, and N requests have ended for it. */
static void stopped(struct rig *r, enum blk_front_event event, uint32_t n)
{
	struct blk_front_req q = one_page(r, 9, BLK_FRONT_READ);
	uint32_t before = r->results, i;

	assert_int_equal(blk_front_poll(r->f, 10), XPV_EPROTO);
	assert_int_equal(r->events[event], 1);
	assert_int_equal(r->results - before, n);
	for (i = before; i < r->results; i++)
		assert_int_equal(r->result[i].result, XPV_EIO);
	assert_int_equal(r->live, 0);
	assert_int_equal(blk_front_inflight(r->f), 0);
	assert_int_equal(blk_front_poll(r->f, 10), XPV_EPROTO);
	assert_int_equal(r->events[event], 1);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_EPROTO);
	assert_false(blk_front_arm(r->f));
	assert_false(blk_front_has_work(r->f));
	blk_front_flush(r->f);
}

/* Responses to nothing that was asked. */
static void test_bad_id(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 7; i++) {
		struct rig *r = rig_new(rig_cfg());
		uint64_t id;

		submit(r, 0, BLK_FRONT_READ);
		submit(r, 1, BLK_FRONT_READ);
		id = be_take(r)->id;
		switch (i) {
		case 0: /* no tag */
			be_answer(r, id + 32, 0, 0);
			break;
		case 1: /* a free tag */
			be_answer(r, id + 5, 0, 0);
			break;
		case 2: /* another one's number */
			be_answer(r, id + 0x10000, 0, 0);
			break;
		case 3:
			be_answer(r, id | 1ull << 63, 0, 0);
			break;
		case 4: /* twice */
			be_answer(r, id, 0, 0);
			assert_int_equal(blk_front_poll(r->f, 1), 1);
			be_answer(r, id, 0, 0);
			break;
		case 5: /* an older one of the same tag */
			be_answer(r, id, 0, 0);
			assert_int_equal(blk_front_poll(r->f, 1), 1);
			submit(r, 2, BLK_FRONT_READ);
			blk_front_flush(r->f);
			be_answer(r, id, 0, 0);
			break;
		default: /* one that it has not seen */
			submit(r, 2, BLK_FRONT_READ);
			be_answer(r, (2ull << 16) + 2, 0, 0);
		}
		stopped(r, BLK_FRONT_EV_BAD_ID, i == 4 ? 1 : i == 6 ? 3 : 2);
		rig_free(r);
	}
}

static void test_bad_answer(void **state)
{
	static const int16_t strange[] = {1, -3, 32767, -32768};
	struct blk_front_cfg cfg = rig_cfg();
	struct rig *r = rig_new(cfg);
	struct blk_front_req q;
	struct be_req *b;
	unsigned i;

	(void)state;
	/* A status that there is not: an error, but no more than that. */
	for (i = 0; i < XPV_ARRAY_SIZE(strange); i++) {
		submit(r, 0, BLK_FRONT_READ);
		be_serve(r, strange[i]);
		rig_poll(r, 1);
		rig_last(r, 0, XPV_EIO);
		assert_int_equal(r->events[BLK_FRONT_EV_BAD_STATUS], i + 1);
	}
	submit(r, 0, BLK_FRONT_READ);
	b = be_take(r);
	be_answer(r, b->id, WIRE_BLK_OP_WRITE, 0);
	stopped(r, BLK_FRONT_EV_BAD_OP, 1);
	rig_free(r);

	/* Only an indirect request may be answered as one. */
	r = rig_new(rig_cfg());
	submit(r, 0, BLK_FRONT_READ);
	b = be_take(r);
	be_answer(r, b->id, WIRE_BLK_OP_INDIRECT, 0);
	stopped(r, BLK_FRONT_EV_BAD_OP, 1);
	rig_free(r);

	cfg.conn.indirect_max = 32;
	r = rig_new(cfg);
	rig_pieces(r, pc, 0, 12, 0, 4096);
	q = rig_req(0, BLK_FRONT_READ, 0, pc, 12);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_take(r);
	be_answer(r, b->id, WIRE_BLK_OP_WRITE, 0);
	stopped(r, BLK_FRONT_EV_BAD_OP, 1);
	rig_free(r);

	r = rig_new(rig_cfg());
	submit(r, 0, BLK_FRONT_READ);
	be_take(r);
	be_ring(r)->rsp_prod = 2; /* of one */
	stopped(r, BLK_FRONT_EV_BAD_RING, 1);
	rig_free(r);
}

/* ---- the other layout ---- */

static void test_detect(void **state)
{
	unsigned abi;

	(void)state;
	for (abi = 0; abi < BLK_ABIS; abi++) {
		struct blk_front_cfg cfg = rig_cfg();
		struct be_req *b;
		struct rig *r;
		uint32_t i;

		cfg.conn.detect = true;
		cfg.conn.abi = BLK_ABI_32; /* says nothing then */
		r = rig_new(cfg);
		r->be_abi = (enum blk_abi)abi;
		submit(r, 0, BLK_FRONT_WRITE);
		submit(r, 1, BLK_FRONT_READ);
		b = be_take(r);
		assert_int_equal(b->op, 0xff);
		assert_int_equal(b->nsegs, 0);
		assert_true(be_empty(r));
		be_answer(r, b->id, b->op, abi ? -1 : -2);
		rig_poll(r, 0);
		/* What was waiting comes in order, and a ring full of others */
		for (i = 0; i < 40; i++) {
			b = be_serve(r, 0);
			assert_int_equal(b->sector, i % 2 * 8);
			assert_int_equal(b->nsegs, 1);
			rig_poll(r, 1);
			submit(r, i % 2, BLK_FRONT_READ);
		}
		rig_free(r);
	}
}

static void test_detect_lies(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct blk_front_cfg cfg = rig_cfg();
		struct be_req *b;
		struct rig *r;

		cfg.conn.detect = true;
		r = rig_new(cfg);
		submit(r, 0, BLK_FRONT_WRITE);
		b = be_take(r);
		if (i == 0)
			be_answer(r, b->id + 1, b->op, -1);
		else if (i == 1)
			be_answer(r, b->id, 0, -1);
		else
			be_answer(r, 0, b->op, -1);
		stopped(r, i == 1 ? BLK_FRONT_EV_BAD_OP : BLK_FRONT_EV_BAD_ID,
			1);
		rig_free(r);
	}
}

/* ---- grants ---- */

/* The N-th grant fails: nothing is left behind, and later it goes. */
static void test_no_grants(void **state)
{
	/* 12 pages and their descriptors; 11 bounce pages */
	static const uint32_t needs[] = {13, 11};
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	uint32_t n, kind;

	(void)state;
	cfg.conn.indirect_max = 64;
	for (kind = 0; kind < 2; kind++)
		for (n = 0; n < needs[kind]; n++) {
			struct rig *r = rig_new(cfg);

			rig_pieces(r, pc, 0, 12, kind, 4096 - 512 * kind);
			q = rig_req(1, BLK_FRONT_WRITE, 0, pc, 12);
			r->grants_left = (int)n;
			assert_int_equal(blk_front_submit(r->f, &q), XPV_EBUSY);
			assert_int_equal(r->live, 0);
			assert_int_equal(blk_front_inflight(r->f), 0);
			r->grants_left = (int)needs[kind];
			assert_int_equal(blk_front_submit(r->f, &q), 0);
			be_serve(r, 0);
			rig_poll(r, 1);
			rig_last(r, 1, 0);
			rig_free(r);
		}
}

/* None for the second pass: it waits for others, and ends if there are none. */
static void test_no_grants_later(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q;

	(void)state;
	submit(r, 0, BLK_FRONT_READ);
	rig_pieces(r, pc + 20, 20, 12, 0, 4096);
	q = rig_req(1, BLK_FRONT_WRITE, 0, pc + 20, 12);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	be_serve(r, 0);
	be_take(r);
	rig_poll(r, 1);
	r->grants_left = 0;
	be_answer(r, 0x10001, WIRE_BLK_OP_WRITE, 0);
	rig_poll(r, 0); /* nothing is in flight */
	rig_poll(r, 1);
	rig_last(r, 1, XPV_ENOSPC);

	rig_free(r);

	r = rig_new(rig_cfg());
	rig_pieces(r, pc + 20, 20, 12, 0, 4096);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	submit(r, 0, BLK_FRONT_READ);
	be_serve(r, 0);
	r->grants_left = 0;
	rig_poll(r, 0);		      /* waits: the other one is in flight */
	submit(r, 2, BLK_FRONT_READ); /* behind it */
	be_serve(r, 0);
	r->grants_left = -1;
	rig_poll(r, 1);
	rig_last(r, 0, 0);
	assert_int_equal(be_serve(r, 0)->sector, 88);
	assert_int_equal(be_serve(r, 0)->sector, 16);
	rig_poll(r, 2);
	rig_free(r);
}

/* The backend has a page of ours mapped, or one of the owner's. */
static void test_pinned(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;

	(void)state;
	cfg.pages = 2;
	r = rig_new(cfg);
	submit(r, 0, BLK_FRONT_READ);
	b = be_serve(r, 0);
	r->grant[b->seg[0].gref].mapped = true;
	rig_poll(r, 1);
	assert_true(r->result[0].pinned);
	assert_int_equal(r->result[0].result, 0);
	assert_int_equal(r->events[BLK_FRONT_EV_PINNED], 1);
	/* A bounce page: lost, the other one is used from then on. */
	rig_pieces(r, pc, 1, 1, 1, 512);
	q = rig_req(1, BLK_FRONT_READ, 0, pc, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_serve(r, 0);
	r->grant[b->seg[0].gref].mapped = true;
	rig_poll(r, 1);
	rig_last(r, 1, 0);
	/* In the midst of several passes: that is no good end. */
	rig_pieces(r, pc, 1, 2, 1, 3584);
	q = rig_req(2, BLK_FRONT_READ, 0, pc, 2);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_serve(r, 0);
	assert_int_equal(b->nsegs, 1);
	r->grant[b->seg[0].gref].mapped = true;
	rig_poll(r, 1);
	rig_last(r, 2, XPV_EIO);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_ENOMEM);
	/* Without bounce pages: the owner's, by 11. */
	rig_pieces(r, pc, 1, 12, 0, 512);
	q = rig_req(3, BLK_FRONT_READ, 0, pc, 12);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, 0)->nsegs, 11);
	rig_poll(r, 0);
	assert_int_equal(be_serve(r, 0)->nsegs, 1);
	rig_poll(r, 1);
	rig_free(r);
}

/* The descriptor page stays mapped. */
static void test_pinned_list(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	unsigned i;

	(void)state;
	cfg.pages = 1;
	cfg.conn.indirect_max = 32;
	for (i = 0; i < 2; i++) {
		r = rig_new(cfg);
		rig_pieces(r, pc, 0, 40, 0, 512);
		q = rig_req(1, BLK_FRONT_READ, 0, pc, i ? 40 : 32);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		b = be_serve(r, 0);
		assert_int_equal(b->nsegs, 32);
		r->grant[b->gref].mapped = true;
		rig_poll(r, 1);
		rig_last(r, 1, i ? XPV_EIO : 0);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(be_serve(r, 0)->nsegs, 11);
		rig_free(r);
	}
}

/* A grant fails, and what was granted before it cannot be taken back. */
static bool keep_first;

static bool revoke_some(void *host, uint32_t gref)
{
	if (keep_first) {
		keep_first = false;
		((struct rig *)host)->grant[gref].mapped = true;
	}
	return rig_revoke(host, gref);
}

static void test_pinned_unsent(void **state)
{
	struct blk_front_ops ops = rig_ops;
	struct blk_front_req q;
	unsigned bounced;

	(void)state;
	ops.revoke = revoke_some;
	for (bounced = 0; bounced < 2; bounced++) {
		struct rig *r = rig_new_ops(rig_cfg(), &ops);

		rig_pieces(r, pc, 0, 2, bounced, 3584);
		q = rig_req(1, BLK_FRONT_READ, 0, pc, 2);
		r->grants_left = 1;
		keep_first = true;
		/* Only done() can tell of the owner's page. */
		assert_int_equal(blk_front_submit(r->f, &q),
				 bounced ? XPV_EBUSY : 0);
		rig_poll(r, !bounced);
		if (!bounced) {
			assert_int_equal(r->result[0].result, XPV_EIO);
			assert_true(r->result[0].pinned);
		}
		assert_int_equal(blk_front_inflight(r->f), 0);
		rig_free(r);
	}
}

/* Likewise, of a later pass. */
static void test_pinned_later(void **state)
{
	struct blk_front_ops ops = rig_ops;
	struct blk_front_req q;
	struct rig *r;

	(void)state;
	ops.revoke = revoke_some;
	r = rig_new_ops(rig_cfg(), &ops);
	rig_pieces(r, pc, 0, 13, 0, 4096);
	q = rig_req(0, BLK_FRONT_READ, 0, pc, 13);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	submit(r, 20, BLK_FRONT_READ);
	be_serve(r, 0);
	r->grants_left = 0;
	rig_poll(r, 0); /* the second pass waits */
	keep_first = true;
	r->grants_left = 1; /* of the two that it needs */
	rig_poll(r, 0);
	rig_poll(r, 1);
	assert_int_equal(r->result[0].cookie, 0);
	assert_int_equal(r->result[0].result, XPV_EIO);
	assert_true(r->result[0].pinned);
	be_serve(r, 0);
	rig_poll(r, 1);
	rig_last(r, 20, 0);
	rig_free(r);
}

/* ---- suspend and resume ---- */

/* Begin again over a ring of PAGES. */
static int resume(struct rig *r, uint32_t pages)
{
	r->cfg.conn.ring_pages = pages;
	r->be_cons = r->be_prod = 0;
	return blk_front_resume(r->f, &r->cfg.conn);
}

static void test_resume(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct be_req *b;
	struct rig *r;
	uint32_t i, gone;

	(void)state;
	for (gone = 0; gone < 2; gone++) {
		cfg.conn.ring_pages = 2;
		cfg.depth = 64;
		r = rig_new(cfg);
		assert_int_equal(resume(r, 2), XPV_EBUSY);
		for (i = 0; i < 40; i++)
			submit(r, i, i % 2 ? BLK_FRONT_WRITE : BLK_FRONT_READ);
		/* The second is answered, the first is not. */
		be_take(r);
		be_serve(r, 0);
		rig_poll(r, 1);
		rig_last(r, 1, 0);
		blk_front_suspend(r->f, gone);
		blk_front_suspend(r->f, gone);
		if (gone) {
			assert_int_equal(r->live, 39);
			memset(r->grant, 0, sizeof(r->grant));
			memset(r->shared, 0, sizeof(r->shared));
			r->live = 0;
		}
		assert_int_equal(r->live, 0);
		assert_int_equal(blk_front_inflight(r->f), 39);
		assert_int_equal(r->results, 1);
		assert_int_equal(blk_front_poll(r->f, 9), 0);
		assert_false(blk_front_arm(r->f));
		assert_false(blk_front_has_work(r->f));
		blk_front_flush(r->f);
		rig_pieces(r, pc + 50, 50, 1, 0, 512);
		assert_int_equal(blk_front_submit(r->f,
						  &(struct blk_front_req){
							  .npieces = 1,
							  .piece = pc + 50}),
				 XPV_ECANCELED);
		/* A smaller ring of the other layout. */
		r->cfg.conn.abi = r->be_abi = BLK_ABI_32;
		assert_int_equal(resume(r, 17), XPV_EINVAL);
		assert_int_equal(blk_front_poll(r->f, 9), 0);
		assert_int_equal(resume(r, 1), 0);
		for (i = 0; i < 40; i++) {
			if (i == 1)
				continue;
			if (i == 33)
				rig_poll(r, 32);
			b = be_serve(r, 0);
			assert_int_equal(b->sector, i * 8);
			assert_int_equal(b->op, i % 2);
		}
		rig_poll(r, 7);
		assert_int_equal(blk_front_inflight(r->f), 0);
		rig_free(r);
	}
}

/* In the midst of passes, with less than before, or more. */
static void test_resume_passes(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.conn.indirect_max = 14;
	cfg.pages = 40;
	r = rig_new(cfg);
	rig_pieces(r, pc, 0, 30, 256, 2048); /* 15 pages */
	for (i = 0; i < 30; i++)
		memset(pc[i].va, (int)i + 1, 2048);
	q = rig_req(1, BLK_FRONT_WRITE, 0, pc, 30);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, 0)->nsegs, 14);
	rig_poll(r, 0);
	b = be_take(r);
	assert_int_equal(b->sector, 112);
	assert_int_equal(b->nsegs, 1);
	blk_front_suspend(r->f, false);
	assert_int_equal(resume(r, 1), 0);
	b = be_take(r);
	assert_int_equal(b->sector, 112);
	assert_int_equal(be_data(r, b, 0)[0], 29);
	assert_int_equal(be_data(r, b, 0)[2048], 30);
	be_answer(r, b->id, b->op, 0);
	rig_poll(r, 1);
	/* The first pass of 14, again as 11 and 4. */
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->nsegs, 14);
	blk_front_suspend(r->f, false);
	r->cfg.conn.indirect_max = 0;
	assert_int_equal(resume(r, 1), 0);
	b = be_serve(r, 0);
	assert_int_equal(b->nsegs, 11);
	assert_int_equal(be_data(r, b, 10)[0], 21);
	rig_poll(r, 0);
	b = be_serve(r, 0);
	assert_int_equal(b->nsegs, 4);
	assert_int_equal(be_data(r, b, 3)[2048], 30);
	rig_poll(r, 1);
	rig_last(r, 1, 0);
	/* No more than init had memory for. */
	blk_front_suspend(r->f, false);
	r->cfg.conn.indirect_max = 256;
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, 0)->nsegs, 14);
	rig_free(r);

	/* Without memory for any: none. */
	cfg.conn.indirect_max = 0;
	r = rig_new(cfg);
	blk_front_suspend(r->f, false);
	r->cfg.conn.indirect_max = 256;
	assert_int_equal(resume(r, 1), 0);
	rig_pieces(r, pc, 0, 30, 0, 4096);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, 0)->nsegs, 11);
	rig_free(r);
}

/* Blocks are larger, flushes are not there any more. */
static void test_resume_other_disk(void **state)
{
	static const struct {
		enum blk_front_op op;
		uint32_t offset, len;
		uint64_t sector;
		bool fua;
		int result; /* 1: it is sent again */
	} rows[] = {
		{BLK_FRONT_READ, 0, 4096, 8, false, 1},
		{BLK_FRONT_READ, 1, 4095, 8, false, 2}, /* refused before */
		{BLK_FRONT_READ, 0, 512, 8, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 4096, 4, false, XPV_EINVAL},
		{BLK_FRONT_FLUSH, 0, 0, 0, false, 0},
		{BLK_FRONT_DISCARD, 0, 0, 8, false, 1},
		{BLK_FRONT_DISCARD, 0, 0, 9, false, XPV_EINVAL},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct rig *r = rig_new(rig_cfg());
		struct blk_front_req q;

		rig_pieces(r, pc, 0, 1, rows[i].offset, rows[i].len);
		q = rig_req(1, rows[i].op, rows[i].sector, pc, 1);
		q.count = 8;
		assert_int_equal(blk_front_submit(r->f, &q),
				 rows[i].result == 2 ? XPV_EINVAL : 0);
		blk_front_suspend(r->f, false);
		r->cfg.conn.block_size = 4096;
		r->cfg.conn.features = DISCARD;
		assert_int_equal(resume(r, 1), 0);
		assert_int_equal(be_empty(r), rows[i].result != 1);
		if (rows[i].result <= 0) {
			rig_poll(r, 1);
			rig_last(r, 1, rows[i].result);
		}
		rig_free(r);
	}
}

/* Pieces that could be granted cannot any more: two halves of a block. */
static void test_resume_unaligned(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q;

	(void)state;
	rig_pieces(r, pc, 0, 2, 0, 2048);
	q = rig_req(1, BLK_FRONT_READ, 8, pc, 2);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	rig_pieces(r, pc + 2, 2, 2, 1, 2048); /* bounced: that can */
	q = rig_req(2, BLK_FRONT_READ, 16, pc + 2, 2);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	blk_front_suspend(r->f, false);
	r->cfg.conn.block_size = 4096;
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(be_take(r)->sector, 16);
	rig_poll(r, 1);
	rig_last(r, 1, XPV_EIO);
	rig_free(r);
}

/* Half of a block has been read, over a connection whose blocks were small. */
static void test_resume_half(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct rig *r;
	uint32_t n;

	(void)state;
	for (n = 16; n <= 24; n += 8) {
		r = rig_new(cfg);
		rig_pieces(r, pc, 0, n, 0, 512);
		q = rig_req(1, BLK_FRONT_READ, 8, pc, n);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		be_serve(r, 0);
		rig_poll(r, 0);
		blk_front_suspend(r->f, false);
		r->cfg.conn.block_size = 4096;
		r->cfg.conn.features = n == 16 ? PERSISTENT : 0;
		assert_int_equal(resume(r, 1), 0);
		assert_true(be_empty(r));
		rig_poll(r, 1);
		rig_last(r, 1, XPV_EIO);
		rig_free(r);
	}
}

/* The backend is gone, but not what it has mapped. */
static void test_suspend_pinned(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q;
	struct be_req *b;

	(void)state;
	submit(r, 0, BLK_FRONT_WRITE);
	submit(r, 1, BLK_FRONT_WRITE);
	rig_pieces(r, pc + 2, 2, 1, 1, 512);
	q = rig_req(2, BLK_FRONT_WRITE, 0, pc + 2, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_take(r);
	r->grant[b->seg[0].gref].mapped = true;
	be_take(r);
	b = be_take(r);
	r->grant[b->seg[0].gref].mapped = true;
	blk_front_suspend(r->f, false);
	assert_int_equal(r->results, 2);
	assert_int_equal(r->result[0].cookie, 0);
	assert_int_equal(r->result[0].result, XPV_EIO);
	assert_true(r->result[0].pinned);
	assert_int_equal(r->result[1].cookie, 2);
	assert_false(r->result[1].pinned);
	assert_int_equal(blk_front_inflight(r->f), 1);
	blk_front_abandon(r->f);
	rig_last(r, 1, XPV_ECANCELED);
	assert_int_equal(blk_front_inflight(r->f), 0);
	rig_free(r);
}

static void test_abandon(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q;

	(void)state;
	submit(r, 0, BLK_FRONT_WRITE);
	be_take(r);
	blk_front_abandon(r->f);
	rig_last(r, 0, XPV_ECANCELED);
	assert_int_equal(r->live, 0);
	q = one_page(r, 1, BLK_FRONT_READ);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_ECANCELED);
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	/* Stopped: nothing is outstanding, and it can go on as well. */
	be_ring(r)->rsp_prod = 5;
	assert_int_equal(blk_front_poll(r->f, 1), XPV_EPROTO);
	assert_int_equal(resume(r, 1), XPV_EBUSY);
	blk_front_suspend(r->f, false);
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->sector, 8);
	rig_free(r);
}

/* ---- grants that stay ---- */

static void test_persistent(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	uint32_t gref, i;
	struct be_req *b;
	struct rig *r;

	(void)state;
	cfg.conn.features = PERSISTENT;
	r = rig_new(cfg);
	submit(r, 0, BLK_FRONT_WRITE);
	b = be_serve(r, 0);
	gref = b->seg[0].gref;
	assert_false(r->grant[gref].readonly);
	r->grant[gref].mapped = true; /* which is well, now */
	rig_poll(r, 1);
	rig_last(r, 0, 0);
	assert_int_equal(r->live, 1);
	for (i = 0; i < 3; i++) { /* the same page again and again */
		submit(r, 0, BLK_FRONT_READ);
		b = be_serve(r, 0);
		assert_int_equal(b->seg[0].gref, gref);
		rig_poll(r, 1);
	}
	/* The N-th grant fails: what is granted stays for the next time. */
	r->grants_left = 0;
	rig_pieces(r, pc, 0, 3, 0, 4096);
	assert_int_equal(
		blk_front_submit(r->f, &(struct blk_front_req){.npieces = 3,
							       .piece = pc}),
		XPV_EBUSY);
	assert_int_equal(r->live, 1);
	r->grants_left = -1;
	submit(r, 0, BLK_FRONT_READ);
	be_take(r);
	assert_int_equal(r->live, 1);
	/* Gone: taken back, but for what the backend keeps. */
	blk_front_suspend(r->f, false);
	rig_last(r, 0, XPV_EIO);
	assert_int_equal(r->events[BLK_FRONT_EV_PINNED], 1);
	assert_int_equal(resume(r, 1), 0);
	for (i = 0; i < 15; i++)
		submit(r, i, BLK_FRONT_READ);
	for (i = 0; i < 15; i++)
		be_serve(r, 0);
	assert_int_equal(blk_front_inflight(r->f), 15);
	assert_int_equal(
		blk_front_submit(r->f, &(struct blk_front_req){.npieces = 1,
							       .piece = pc}),
		XPV_EBUSY);
	rig_poll(r, 15);
	/* A free page is pinned: it is lost all the same. */
	r->grant[r->next_gref].mapped = true;
	blk_front_suspend(r->f, false);
	assert_int_equal(r->live, 2);
	assert_int_equal(resume(r, 1), 0);
	for (i = 0; i < 14; i++)
		submit(r, i, BLK_FRONT_READ);
	assert_int_equal(
		blk_front_submit(r->f, &(struct blk_front_req){.npieces = 1,
							       .piece = pc}),
		XPV_EBUSY);
	rig_free(r);
}

/* From granted pages to persistent grants and back, while in flight. */
static void test_persistent_changes(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.pages = 2;
	r = rig_new(cfg);
	for (i = 0; i < 4; i++) {
		submit(r, i, BLK_FRONT_WRITE);
		memset(pc[i].va, (int)i + 1, 4096);
	}
	rig_pieces(r, pc + 4, 4, 1, 1, 512);
	q = rig_req(4, BLK_FRONT_WRITE, 0, pc + 4, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->nsegs, 1);
	blk_front_suspend(r->f, false);
	r->cfg.conn.features = PERSISTENT;
	assert_int_equal(resume(r, 1), 0);
	/* The owner's pages were granted; they must not be now. Who has a
	 * bounce page goes first, since there is only one more. */
	for (i = 0; i < 5; i++) {
		b = be_serve(r, 0);
		assert_int_equal(b->sector, i == 1 ? 0 : (i - (i > 1)) * 8);
		assert_true(r->grant[b->seg[0].gref].frame < OWNER_FRAME);
		if (i != 1)
			assert_int_equal(be_data(r, b, 0)[9], i + (i < 1));
		if (i > 0)
			rig_poll(r, i == 1 ? 2 : 1);
	}
	assert_int_equal(r->live, 2);
	submit(r, 0, BLK_FRONT_WRITE);
	be_take(r);
	blk_front_suspend(r->f, true);
	memset(r->grant, 0, sizeof(r->grant));
	memset(r->shared, 0, sizeof(r->shared));
	r->live = 0;
	r->cfg.conn.features = 0;
	assert_int_equal(resume(r, 1), 0);
	be_serve(r, 0);
	rig_poll(r, 1);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

/* No bounce page is left, and the owner's must not be granted. */
static void test_persistent_none(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;

	(void)state;
	cfg.pages = 1;
	r = rig_new(cfg);
	submit(r, 0, BLK_FRONT_WRITE);
	be_take(r);
	rig_pieces(r, pc + 1, 1, 1, 1, 512);
	q = rig_req(1, BLK_FRONT_READ, 0, pc + 1, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_take(r);
	r->grant[b->seg[0].gref].mapped = true;
	blk_front_suspend(r->f, false);
	rig_last(r, 1, XPV_EIO);
	r->cfg.conn.features = PERSISTENT;
	assert_int_equal(resume(r, 1), 0);
	assert_true(be_empty(r));
	rig_poll(r, 1);
	rig_last(r, 0, XPV_ENOMEM);
	rig_free(r);
}

/* ---- crash dumps ---- */

static void test_dump(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.dump = true;
	cfg.depth = 1;
	cfg.pages = 4;
	cfg.conn.features = 0;
	r = rig_new(cfg);
	assert_int_equal(r->granted, 4);
	r->grants_left = 0; /* there is nobody any more who could grant */
	for (i = 0; i < 20; i++) {
		rig_pieces(r, pc, 0, 8, 0, 4096);
		memset(pc[5].va, (int)i, 4096);
		q = rig_req(i, BLK_FRONT_WRITE, i * 64, pc, 8);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(blk_front_submit(r->f, &q), XPV_EBUSY);
		assert_false(blk_front_arm(r->f));
		be_serve(r, 0);
		assert_true(blk_front_arm(r->f));
		assert_int_equal(be_ring(r)->rsp_event, 1);
		rig_poll(r, 0);
		b = be_serve(r, 0);
		assert_int_equal(be_data(r, b, 1)[0], i);
		rig_poll(r, 1);
		rig_last(r, i, 0);
	}
	assert_int_equal(r->live, 4);
	/* The next one gets no grants. */
	blk_front_suspend(r->f, false);
	assert_int_equal(r->live, 0);
	r->grants_left = 2;
	assert_int_equal(resume(r, 1), XPV_ENOSPC);
	r->grants_left = 2;
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(r->live, 4);
	/* One of them is never got back; the others suffice. */
	r->grant[r->next_gref].mapped = true;
	blk_front_suspend(r->f, false);
	r->grants_left = 3;
	assert_int_equal(resume(r, 1), 0);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->nsegs, 3);
	blk_front_abandon(r->f);
	assert_int_equal(r->live, 1);
	rig_free(r);
}

/* Grants that cannot be made are found missing at once. */
static void test_dump_no_grants(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct front_page page[4];
	struct blk_front *f;
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		page[i] = (struct front_page){r->mem[ENGINE_FRAME + i],
					      ENGINE_FRAME + i};
	r->cfg.dump = true;
	r->cfg.depth = 1;
	r->cfg.pages = 4;
	r->cfg.page = page;
	r->grants_left = 3;
	assert_int_equal(blk_front_init(&f, r->engine, blk_front_size(&r->cfg),
					&r->cfg, &rig_ops, r),
			 XPV_ENOSPC);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_id),
		cmocka_unit_test(test_bad_answer),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_detect_lies),
		cmocka_unit_test(test_no_grants),
		cmocka_unit_test(test_no_grants_later),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_pinned_list),
		cmocka_unit_test(test_pinned_unsent),
		cmocka_unit_test(test_pinned_later),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_resume_passes),
		cmocka_unit_test(test_resume_other_disk),
		cmocka_unit_test(test_resume_unaligned),
		cmocka_unit_test(test_resume_half),
		cmocka_unit_test(test_suspend_pinned),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_persistent_changes),
		cmocka_unit_test(test_persistent_none),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_dump_no_grants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
