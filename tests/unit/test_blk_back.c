/* SPDX-License-Identifier: BSD-2-Clause */
/* core/blk_back: what a request is, what it becomes, and what is refused. */
#include "tests/unit/test_blk_back_rig.h"

static const enum blk_abi abis[] = {BLK_ABI_64, BLK_ABI_32};

#define FOR_ABIS(a) for (unsigned a = 0; a < XPV_ARRAY_SIZE(abis); a++)

static void test_init(void **state)
{
	static const struct {
		size_t offs;
		uint32_t bad;
	} rows[] = {
		{offsetof(struct blk_back_cfg, pages), 0},
		{offsetof(struct blk_back_cfg, pages), 17},
		{offsetof(struct blk_back_cfg, abi), BLK_ABIS},
		{offsetof(struct blk_back_cfg, indirect_max), 4097},
		{offsetof(struct blk_back_cfg, persistent_max), 65537},
		{offsetof(struct blk_back_cfg, block_size), 0},
		{offsetof(struct blk_back_cfg, block_size), 256},
		{offsetof(struct blk_back_cfg, block_size), 513},
	};
	static uint8_t mem[1 << 20];
	struct blk_back_cfg cfg;
	struct blk_back *b;
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		cfg = rig_cfg(BLK_ABI_64);
		memcpy((uint8_t *)&cfg + rows[i].offs, &rows[i].bad, 4);
		assert_int_equal(blk_back_size(&cfg), 0);
		assert_int_equal(blk_back_init(&b, mem, sizeof(mem), &cfg,
					       &rig_ops, NULL),
				 XPV_EINVAL);
	}
	cfg = rig_cfg(BLK_ABI_64);
	assert_true(blk_back_size(&cfg) <= sizeof(mem));
	assert_int_equal(blk_back_init(&b, mem, blk_back_size(&cfg) - 1, &cfg,
				       &rig_ops, NULL),
			 XPV_ENOMEM);
	/* More segments, more mappings, more slots: more memory. */
	cfg.indirect_max = 0;
	assert_true(blk_back_size(&cfg) + 32 * 245 * 12 <=
		    blk_back_size(&(struct blk_back_cfg){.pages = 1,
							 .block_size = 512,
							 .indirect_max = 256}));
}

/* Each operation that moves data, in each layout. */
static void test_rw(void **state)
{
	(void)state;
	FOR_ABIS(a)
	{
		struct rig *r = rig_new(rig_cfg(abis[a]));
		struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE, ~7ull, 100, 3);

		q.seg[1].first_sect = q.seg[1].last_sect = 7;
		q.seg[2].first_sect = 2;
		q.seg[2].last_sect = 4;
		guest_put(&r->g, &q);
		q.op = WIRE_BLK_OP_READ;
		q.id = 5;
		guest_put(&r->g, &q);
		assert_int_equal(blk_back_poll(r->b, 1000), 2);
		assert_int_equal(r->cmds, 2);
		assert_int_equal(blk_back_inflight(r->b), 2);
		assert_int_equal(r->cmd[0].act, BLK_BACK_WRITE);
		assert_int_equal(r->cmd[1].act, BLK_BACK_READ);
		assert_int_equal(r->cmd[0].index, 0);
		assert_int_equal(r->cmd[1].index, 1);
		assert_int_not_equal(r->cmd[0].tag, r->cmd[1].tag);
		assert_int_equal(r->cmd[0].sector, 100);
		assert_int_equal(r->cmd[0].count, 12);
		assert_int_equal(r->cmd[0].nsegs, 3);
		assert_false(r->cmd[0].fua || r->cmd[0].secure);
		assert_int_equal(r->segs[0][0].gref, 8);
		assert_int_equal(r->segs[0][0].offset, 0);
		assert_int_equal(r->segs[0][0].len, 4096);
		assert_int_equal(r->segs[0][1].offset, 3584);
		assert_int_equal(r->segs[0][1].len, 512);
		assert_int_equal(r->segs[0][2].gref, 10);
		assert_int_equal(r->segs[0][2].offset, 1024);
		assert_int_equal(r->segs[0][2].len, 1536);
		assert_int_equal(r->segs[0][2].slot, PGRANT_NONE);
		/* Answers go out with the next poll, in order of their end. */
		blk_back_complete(r->b, r->cmd[1].tag, 0);
		blk_back_complete(r->b, r->cmd[0].tag, XPV_EIO);
		assert_int_equal(guest_answers(&r->g), 0);
		assert_true(blk_back_has_work(r->b));
		rig_poll(r, 0);
		assert_false(blk_back_has_work(r->b));
		guest_expect(&r->g, 5, WIRE_BLK_OP_READ, 0);
		guest_expect(&r->g, ~7ull, WIRE_BLK_OP_WRITE,
			     WIRE_BLK_RSP_ERROR);
		assert_int_equal(r->notifies, 0);
		blk_back_flush(r->b);
		blk_back_flush(r->b);
		assert_int_equal(r->notifies, 1);
		assert_int_equal(blk_back_inflight(r->b), 0);
		rig_free(r);
	}
}

static void test_results(void **state)
{
	static const struct {
		int result;
		int16_t status;
	} rows[] = {
		{0, 0},
		{XPV_ENOTSUP, WIRE_BLK_RSP_EOPNOTSUPP},
		{XPV_EINVAL, WIRE_BLK_RSP_ERROR},
		{XPV_ENOSPC, WIRE_BLK_RSP_ERROR},
		{-99, WIRE_BLK_RSP_ERROR},
	};
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct guest_req q = guest_rw(WIRE_BLK_OP_READ, i, 0, 1);

		guest_put(&r->g, &q);
		rig_poll(r, 1);
		blk_back_complete(r->b, r->cmd[i].tag, rows[i].result);
		rig_poll(r, 0);
		guest_expect(&r->g, i, WIRE_BLK_OP_READ, rows[i].status);
	}
	rig_free(r);
}

/* Each field wrong, one after the other, on a device of 4096-byte blocks. */
static void test_refused(void **state)
{
	static const struct {
		uint8_t op, indirect_op;
		uint16_t nsegs;
		uint8_t first, last; /* of the second segment */
		uint64_t sector, count;
		uint8_t answer; /* its operation */
		int16_t status;
		enum blk_back_event event;
	} rows[] = {
		{255, 0, 1, 0, 7, 0, 0, 255, -2, BLK_BACK_EV_BAD_OP},
		{4, 0, 1, 0, 7, 0, 0, 4, -2, BLK_BACK_EV_BAD_OP},
		{7, 0, 1, 0, 7, 0, 0, 7, -2, BLK_BACK_EV_BAD_OP},
		{6, 2, 2, 0, 7, 0, 0, 2, -1, BLK_BACK_EV_BAD_OP},
		{6, 6, 2, 0, 7, 0, 0, 6, -1, BLK_BACK_EV_BAD_OP},
		{6, 255, 2, 0, 7, 0, 0, 255, -1, BLK_BACK_EV_BAD_OP},
		{6, 0, 0, 0, 7, 0, 0, 0, -1, BLK_BACK_EV_BAD_SEGS},
		{6, 1, 257, 0, 7, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEGS},
		{6, 1, 65535, 0, 7, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEGS},
		{0, 0, 0, 0, 7, 0, 0, 0, -1, BLK_BACK_EV_BAD_SEGS},
		{1, 0, 0, 0, 7, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEGS},
		{0, 0, 12, 0, 7, 0, 0, 0, -1, BLK_BACK_EV_BAD_SEGS},
		{2, 0, 12, 0, 7, 0, 0, 2, -1, BLK_BACK_EV_BAD_SEGS},
		{3, 0, 255, 0, 7, 0, 0, 3, -1, BLK_BACK_EV_BAD_SEGS},
		{0, 0, 2, 1, 0, 0, 0, 0, -1, BLK_BACK_EV_BAD_SEG},
		{1, 0, 2, 0, 8, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEG},
		{1, 0, 2, 8, 15, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEG},
		{6, 1, 2, 255, 255, 0, 0, 1, -1, BLK_BACK_EV_BAD_SEG},
		{6, 0, 2, 7, 0, 0, 0, 0, -1, BLK_BACK_EV_BAD_SEG},
		{0, 0, 2, 0, 7, 8192 - 8, 0, 0, -1, BLK_BACK_EV_BAD_RANGE},
		{0, 0, 2, 0, 7, 8192, 0, 0, -1, BLK_BACK_EV_BAD_RANGE},
		{1, 0, 2, 0, 7, 8200, 0, 1, -1, BLK_BACK_EV_BAD_RANGE},
		{1, 0, 2, 0, 7, -8ull, 0, 1, -1, BLK_BACK_EV_BAD_RANGE},
		{6, 1, 2, 0, 7, -16ull, 0, 1, -1, BLK_BACK_EV_BAD_RANGE},
		{3, 0, 2, 0, 7, -16ull, 0, 3, -1, BLK_BACK_EV_BAD_RANGE},
		{0, 0, 2, 0, 7, 4, 0, 0, -1, BLK_BACK_EV_UNALIGNED},
		{1, 0, 2, 0, 6, 0, 0, 1, -1, BLK_BACK_EV_UNALIGNED},
		{6, 1, 2, 1, 7, 8, 0, 1, -1, BLK_BACK_EV_UNALIGNED},
		{5, 0, 0, 0, 0, 0, 7, 5, -1, BLK_BACK_EV_UNALIGNED},
		{5, 0, 0, 0, 0, 1, 8, 5, -1, BLK_BACK_EV_UNALIGNED},
		{5, 0, 0, 0, 0, 8, 8192, 5, -1, BLK_BACK_EV_BAD_RANGE},
		{5, 0, 0, 0, 0, 8, -8ull, 5, -1, BLK_BACK_EV_BAD_RANGE},
		{5, 0, 0, 0, 0, -8ull, 16, 5, -1, BLK_BACK_EV_BAD_RANGE},
	};
	struct blk_back_cfg cfg;
	unsigned i;

	(void)state;
	FOR_ABIS(a)
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct guest_req q =
			guest_rw(rows[i].op, i, rows[i].sector, rows[i].nsegs);
		struct rig *r;
		unsigned e;

		cfg = rig_cfg(abis[a]);
		cfg.block_size = 4096;
		r = rig_new(cfg);
		q.indirect_op = rows[i].indirect_op;
		q.count = rows[i].count;
		q.gref[0] = 100;
		q.seg[1].first_sect = rows[i].first;
		q.seg[1].last_sect = rows[i].last;
		memcpy(r->list[0], q.seg, sizeof(q.seg));
		rig_refused(r, &q, rows[i].answer, rows[i].status);
		for (e = 0; e < BLK_BACK_EVENTS; e++)
			assert_int_equal(r->events[e], e == rows[i].event);
		rig_free(r);
	}
}

/* What was not announced is not done. */
static void test_features(void **state)
{
	static const struct {
		uint8_t op;
		uint32_t feature; /* 0: indirect */
	} rows[] = {
		{WIRE_BLK_OP_WRITE_BARRIER, BLK_BACK_F_BARRIER},
		{WIRE_BLK_OP_FLUSH, BLK_BACK_F_FLUSH},
		{WIRE_BLK_OP_DISCARD, BLK_BACK_F_DISCARD},
		{WIRE_BLK_OP_INDIRECT, 0},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct blk_back_cfg cfg = rig_cfg(BLK_ABI_32);
		struct guest_req q = guest_rw(rows[i].op, 9, 0, 1);
		struct rig *r;

		q.count = 8;
		q.gref[0] = 100;
		cfg.features &= ~rows[i].feature;
		if (!rows[i].feature)
			cfg.indirect_max = 0;
		r = rig_new(cfg);
		rig_refused(r, &q,
			    rows[i].op == WIRE_BLK_OP_INDIRECT ? 0 : rows[i].op,
			    WIRE_BLK_RSP_EOPNOTSUPP);
		assert_int_equal(r->events[BLK_BACK_EV_BAD_OP], 1);
		assert_int_equal(r->event_a[BLK_BACK_EV_BAD_OP], rows[i].op);
		rig_free(r);
	}
}

static void test_readonly(void **state)
{
	static const uint8_t bad[] = {WIRE_BLK_OP_WRITE, WIRE_BLK_OP_DISCARD,
				      WIRE_BLK_OP_WRITE_BARRIER,
				      WIRE_BLK_OP_FLUSH};
	struct blk_back_cfg cfg = rig_cfg(BLK_ABI_64);
	struct guest_req q;
	struct rig *r;
	unsigned i;

	(void)state;
	cfg.features |= BLK_BACK_F_READONLY;
	r = rig_new(cfg);
	for (i = 0; i < sizeof(bad); i++) {
		q = guest_rw(bad[i], i, 0, 1);
		q.count = 8;
		rig_refused(r, &q, bad[i], WIRE_BLK_RSP_ERROR);
		assert_int_equal(r->events[BLK_BACK_EV_READONLY], i + 1);
	}
	q = guest_rw(WIRE_BLK_OP_INDIRECT, i, 0, 1);
	q.indirect_op = WIRE_BLK_OP_WRITE;
	q.gref[0] = 100;
	rig_refused(r, &q, WIRE_BLK_OP_WRITE, WIRE_BLK_RSP_ERROR);
	assert_int_equal(r->fetches, 0);
	/* Reading, and flushing without data, are well. */
	q = guest_rw(WIRE_BLK_OP_READ, 6, 0, 1);
	guest_put(&r->g, &q);
	q = guest_rw(WIRE_BLK_OP_FLUSH, 7, ~0ull, 0);
	guest_put(&r->g, &q);
	rig_poll(r, 2);
	assert_int_equal(r->cmd[1].act, BLK_BACK_FLUSH);
	rig_free(r);
}

/* Pieces of a block may be in several segments; the request is of whole ones. */
static void test_large_blocks(void **state)
{
	struct blk_back_cfg cfg = rig_cfg(BLK_ABI_64);
	struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE, 1, 8184, 2);
	struct rig *r;

	(void)state;
	cfg.block_size = 4096;
	r = rig_new(cfg);
	q.seg[0].last_sect = 2;
	q.seg[1].first_sect = 3;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[0].count, 8);
	assert_int_equal(r->segs[0][1].offset, 1536);
	rig_free(r);
}

static void test_flush(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_32));
	struct guest_req q = guest_rw(WIRE_BLK_OP_FLUSH, 1, ~0ull, 0);

	(void)state;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[0].act, BLK_BACK_FLUSH);
	assert_int_equal(r->cmd[0].nsegs, 0);
	assert_int_equal(r->cmd[0].count, 0);
	blk_back_complete(r->b, r->cmd[0].tag, 0);
	rig_poll(r, 0);
	guest_expect(&r->g, 1, WIRE_BLK_OP_FLUSH, 0);
	/* With data: that is written after it, without waiting for others. */
	q = guest_rw(WIRE_BLK_OP_WRITE, 2, 0, 1);
	guest_put(&r->g, &q);
	q = guest_rw(WIRE_BLK_OP_FLUSH, 3, 8, 1);
	guest_put(&r->g, &q);
	rig_poll(r, 2);
	assert_int_equal(r->cmd[2].act, BLK_BACK_FLUSH);
	blk_back_complete(r->b, r->cmd[2].tag, 0);
	assert_true(blk_back_has_work(r->b));
	rig_poll(r, 1);
	assert_int_equal(r->cmd[3].act, BLK_BACK_WRITE);
	assert_int_equal(r->cmd[3].tag, r->cmd[2].tag);
	assert_int_equal(r->cmd[3].sector, 8);
	assert_int_equal(r->cmd[3].nsegs, 1);
	assert_false(r->cmd[3].fua);
	blk_back_complete(r->b, r->cmd[3].tag, 0);
	rig_poll(r, 0);
	guest_expect(&r->g, 3, WIRE_BLK_OP_FLUSH, 0);
	rig_free(r);
}

static void test_discard(void **state)
{
	(void)state;
	FOR_ABIS(a)
	for (unsigned secure = 0; secure < 2; secure++) {
		struct blk_back_cfg cfg = rig_cfg(abis[a]);
		struct guest_req q = {.op = WIRE_BLK_OP_DISCARD,
				      .id = 1,
				      .sector = 3,
				      .count = SECTORS - 3};
		struct rig *r;

		if (!secure)
			cfg.features &= ~(uint32_t)BLK_BACK_F_SECURE;
		r = rig_new(cfg);
		guest_put(&r->g, &q);
		rig_poll(r, 1);
		assert_int_equal(r->cmd[0].act, BLK_BACK_DISCARD);
		assert_int_equal(r->cmd[0].sector, 3);
		assert_int_equal(r->cmd[0].count, SECTORS - 3);
		assert_false(r->cmd[0].secure);
		blk_back_complete(r->b, r->cmd[0].tag, 0);
		q.flag = WIRE_BLK_DISCARD_SECURE;
		guest_put(&r->g, &q);
		rig_poll(r, 1);
		assert_int_equal(r->cmd[1].secure, secure);
		blk_back_complete(r->b, r->cmd[1].tag, XPV_ENOTSUP);
		rig_poll(r, 0);
		guest_expect(&r->g, 1, WIRE_BLK_OP_DISCARD, 0);
		guest_expect(&r->g, 1, WIRE_BLK_OP_DISCARD, -2);
		/* Nothing to discard: well, and the host is not asked. */
		q.sector = ~0ull;
		q.count = 0;
		rig_refused(r, &q, WIRE_BLK_OP_DISCARD, 0);
		rig_free(r);
	}
}

static void test_indirect(void **state)
{
	static const uint16_t counts[] = {1, 11, 12, 256, 512, 513, 4096};
	unsigned i, j;

	(void)state;
	FOR_ABIS(a)
	for (i = 0; i < XPV_ARRAY_SIZE(counts); i++) {
		struct blk_back_cfg cfg = rig_cfg(abis[a]);
		struct guest_req q =
			guest_rw(WIRE_BLK_OP_INDIRECT, i, 16, counts[i]);
		uint32_t pages = (counts[i] + 511u) / 512;
		struct rig *r;

		cfg.indirect_max = 4096;
		cfg.sectors = 4096 * 8 + 16;
		r = rig_new(cfg);
		q.indirect_op = WIRE_BLK_OP_WRITE;
		for (j = 0; j < 8; j++)
			q.gref[j] = j < pages ? 107 - j : 0xffffffffu;
		for (j = 0; j < counts[i]; j++)
			r->list[7 - j / 512][j % 512] =
				(struct wire_blk_seg){1000 + j, 1, 6, 0xd5};
		guest_put(&r->g, &q);
		rig_poll(r, 1);
		assert_int_equal(r->fetches, 1);
		assert_int_equal(r->pieces, pages);
		assert_int_equal(r->cmd[0].act, BLK_BACK_WRITE);
		assert_int_equal(r->cmd[0].nsegs, counts[i]);
		assert_int_equal(r->cmd[0].count, counts[i] * 6u);
		for (j = 0; j < counts[i]; j++) {
			assert_int_equal(r->cmd[0].segs[j].gref, 1000 + j);
			assert_int_equal(r->cmd[0].segs[j].offset, 512);
			assert_int_equal(r->cmd[0].segs[j].len, 3072);
		}
		blk_back_complete(r->b, r->cmd[0].tag, 0);
		rig_poll(r, 0);
		/* By what it stands for: blkfront wants that. */
		guest_expect(&r->g, i, WIRE_BLK_OP_WRITE, 0);
		rig_free(r);
	}
}

/* Each descriptor page that cannot be read fails its own request only. */
static void test_fetch_fails(void **state)
{
	int n;

	(void)state;
	for (n = 0; n <= 6; n++) {
		struct blk_back_cfg cfg = rig_cfg(BLK_ABI_64);
		struct guest_req q = guest_rw(WIRE_BLK_OP_INDIRECT, 0, 0, 1024);
		struct rig *r;
		unsigned i;

		cfg.indirect_max = 2048;
		cfg.sectors = 1u << 20;
		r = rig_new(cfg);
		r->fail_piece = n;
		for (i = 0; i < 512; i++)
			r->list[0][i] = (struct wire_blk_seg){8, 0, 7, 0};
		q.gref[0] = q.gref[1] = 100;
		if (n == 6) /* both of the last one */
			r->fail_piece = -1;
		for (i = 0; i < 3; i++) {
			q.id = i;
			if (n == 6 && i == 2)
				q.gref[0] = q.gref[1] = 99;
			guest_put(&r->g, &q);
		}
		rig_poll(r, 2);
		assert_int_equal(r->fetches, 1);
		assert_int_equal(r->events[BLK_BACK_EV_BAD_FETCH], 1);
		guest_expect(&r->g, n == 6 ? 2 : (uint64_t)n / 2,
			     WIRE_BLK_OP_READ, WIRE_BLK_RSP_ERROR);
		for (i = 0; i < 2; i++)
			assert_int_equal(r->cmd[i].nsegs, 1024);
		rig_free(r);
	}
}

/* A full ring of each size, in batches, and answered the other way round. */
static void test_ring_sizes(void **state)
{
	uint32_t pages, i, n;

	(void)state;
	FOR_ABIS(a)
	for (pages = 1; pages <= 16; pages *= 2) {
		struct blk_back_cfg cfg = rig_cfg(abis[a]);
		struct guest_req q = guest_rw(WIRE_BLK_OP_READ, 0, 0, 11);
		struct rig *r;

		cfg.pages = pages;
		cfg.first = 0xffffffe0u; /* and over the end */
		r = rig_new(cfg);
		n = pages * 32;
		for (i = 0; i < n; i++) {
			q.id = i;
			guest_put(&r->g, &q);
		}
		assert_int_equal(blk_back_poll(r->b, 5), 5);
		assert_int_equal(r->cmds, 5);
		assert_int_equal(blk_back_poll(r->b, 1000), n - 5);
		assert_int_equal(r->cmds, n);
		assert_int_equal(r->cmd[n - 1].index, 0xffffffe0u + n - 1);
		assert_int_equal(blk_back_inflight(r->b), n);
		for (i = n; i-- > 0;)
			blk_back_complete(r->b, r->cmd[i].tag, 0);
		rig_poll(r, 0);
		assert_int_equal(guest_answers(&r->g), n);
		for (i = n; i-- > 0;)
			guest_expect(&r->g, i, WIRE_BLK_OP_READ, 0);
		rig_free(r);
	}
}

static void test_notify(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));
	struct guest_req q = guest_rw(WIRE_BLK_OP_READ, 0, 0, 1);

	(void)state;
	r->g.ring->rsp_event = 2; /* not for the first */
	guest_put(&r->g, &q);
	guest_put(&r->g, &q);
	rig_poll(r, 2);
	blk_back_complete(r->b, r->cmd[0].tag, 0);
	rig_poll(r, 0);
	blk_back_flush(r->b);
	assert_int_equal(r->notifies, 0);
	assert_false(blk_back_arm(r->b));
	assert_int_equal(r->g.ring->req_event, 3);
	blk_back_complete(r->b, r->cmd[1].tag, 0);
	rig_poll(r, 0);
	rig_poll(r, 0); /* it is not forgotten until it is sent */
	blk_back_flush(r->b);
	assert_int_equal(r->notifies, 1);
	guest_put(&r->g, &q);
	assert_true(blk_back_arm(r->b));
	assert_true(blk_back_has_work(r->b));
	rig_free(r);
}

static void test_resize(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));
	struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE, 1, SECTORS, 1);

	(void)state;
	rig_refused(r, &q, WIRE_BLK_OP_WRITE, WIRE_BLK_RSP_ERROR);
	blk_back_resize(r->b, SECTORS + 8);
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	blk_back_resize(r->b, SECTORS + 7); /* what is in flight goes on */
	blk_back_complete(r->b, r->cmd[0].tag, 0);
	rig_poll(r, 0);
	guest_expect(&r->g, 1, WIRE_BLK_OP_WRITE, 0);
	rig_refused(r, &q, WIRE_BLK_OP_WRITE, WIRE_BLK_RSP_ERROR);
	rig_free(r);
}

static void test_close(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));
	struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE_BARRIER, 1, 0, 1);

	(void)state;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	blk_back_close(r->b);
	guest_put(&r->g, &q);
	assert_false(blk_back_has_work(r->b));
	assert_false(blk_back_arm(r->b));
	rig_poll(r, 0);
	/* What was taken goes on to its end. */
	blk_back_complete(r->b, r->cmd[0].tag, 0);
	assert_int_equal(blk_back_inflight(r->b), 1);
	rig_poll(r, 1);
	blk_back_complete(r->b, r->cmd[1].tag, 0);
	assert_int_equal(blk_back_inflight(r->b), 0);
	rig_poll(r, 0);
	guest_expect(&r->g, 1, WIRE_BLK_OP_WRITE_BARRIER, 0);
	rig_free(r);
}

static void test_broken(void **state)
{
	static const uint32_t claims[] = {34, 0xffffffffu, 0x80000000u};
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(claims); i++) {
		struct blk_back_cfg cfg = rig_cfg(BLK_ABI_64);
		uint8_t before[16 * 4096];
		struct guest_req q;
		struct rig *r;

		cfg.persistent_max = 4;
		r = rig_new(cfg);
		q = guest_rw(WIRE_BLK_OP_WRITE, 1, 0, 1);
		guest_put(&r->g, &q); /* one is running */
		guest_put(&r->g, &q); /* one waits for it */
		q.sector = 80;
		q.op = WIRE_BLK_OP_FLUSH;
		guest_put(&r->g, &q); /* one could go on */
		q.op = 77;
		guest_put(&r->g, &q); /* one is refused, and untold */
		rig_poll(r, 2);
		blk_back_complete(r->b, r->cmd[1].tag, 0);
		assert_int_equal(blk_back_inflight(r->b), 3);
		r->g.ring->req_prod = claims[i];
		memcpy(before, r->g.page, sizeof(before));
		assert_int_equal(blk_back_poll(r->b, 9), XPV_EPROTO);
		assert_int_equal(r->events[BLK_BACK_EV_BAD_RING], 1);
		assert_int_equal(r->event_a[BLK_BACK_EV_BAD_RING],
				 claims[i] - 4);
		assert_int_equal(blk_back_inflight(r->b), 1);
		assert_int_equal(blk_back_poll(r->b, 9), XPV_EPROTO);
		assert_int_equal(r->events[BLK_BACK_EV_BAD_RING], 1);
		assert_false(blk_back_has_work(r->b));
		assert_false(blk_back_arm(r->b));
		blk_back_complete(r->b, r->cmd[0].tag, 0);
		blk_back_flush(r->b);
		assert_int_equal(blk_back_inflight(r->b), 0);
		assert_int_equal(r->cmds, 2);
		assert_int_equal(r->notifies, 0);
		assert_memory_equal(before, r->g.page, sizeof(before));
		/* No mapping is in use any more. */
		blk_back_trim(r->b, 0);
		assert_int_equal(r->unmaps, r->maps);
		rig_free(r);
	}
}

/* A predecessor took Q as the request INDEX, and died. */
static void was_taken(struct rig *r, struct journal *j, uint32_t entry,
		      uint32_t index, const struct guest_req *q)
{
	guest_write(&r->g, journal_slot(j, entry), q);
	journal_accept(j, entry, index);
}

/* What a predecessor took is executed again, in order, and told once. */
static void test_resume(void **state)
{
	static _Alignas(16) uint8_t mem[8192];
	struct blk_back_cfg cfg = rig_cfg(BLK_ABI_32);
	struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE, 10, 0, 1);
	struct rig *r = rig_new(cfg);
	struct journal j;

	(void)state;
	assert_true(blk_back_journal_size(&cfg) <= sizeof(mem));
	cfg.shared = r->g.page;
	cfg.persistent_max = 8;
	cfg.journal = mem;
	cfg.resume = true;
	free(r->mem);
	r->mem = malloc(blk_back_size(&cfg));
	assert_int_equal(blk_back_init(&r->b, r->mem, blk_back_size(&cfg), &cfg,
				       &rig_ops, r),
			 XPV_EPROTO);

	journal_init(&j, mem, 32, 108, 0xfffffffeu);
	/* 5 unanswered; the oldest is far behind. */
	was_taken(r, &j, 7, 0xfffff000u, &q);
	q = guest_rw(WIRE_BLK_OP_WRITE, 13, 4, 1); /* overlaps the first */
	was_taken(r, &j, 3, 1, &q);
	q = guest_rw(WIRE_BLK_OP_READ, 12, 8, 11);
	was_taken(r, &j, 31, 0, &q);
	q = guest_rw(77, 14, 4, 1); /* had not been judged yet */
	was_taken(r, &j, 0, 2, &q);
	q = guest_rw(WIRE_BLK_OP_READ, 11, 100, 1);
	was_taken(r, &j, 1, 0xffffffffu, &q);
	guest_init(&r->g, cfg.abi, 32, 3);
	r->g.ring->rsp_prod = 0xfffffffcu; /* died before it was pushed */
	r->g.rsp_cons = 0xfffffffeu;

	assert_int_equal(blk_back_init(&r->b, r->mem, blk_back_size(&cfg), &cfg,
				       &rig_ops, r),
			 0);
	assert_true(blk_back_has_work(r->b));
	q = guest_rw(WIRE_BLK_OP_READ, 15, 0, 1);
	guest_put(&r->g, &q);
	rig_poll(r, 4);
	assert_int_equal(r->cmd[0].index, 0xfffff000u);
	assert_int_equal(r->cmd[1].index, 0xffffffffu);
	assert_int_equal(r->cmd[2].index, 0);
	assert_int_equal(r->cmd[3].index, 3);
	guest_expect(&r->g, 14, 77, WIRE_BLK_RSP_EOPNOTSUPP);
	blk_back_flush(r->b);
	assert_int_equal(r->notifies, 1);
	blk_back_complete(r->b, r->cmd[0].tag, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[4].index, 1);
	guest_expect(&r->g, 10, WIRE_BLK_OP_WRITE, 0);
	blk_back_complete(r->b, r->cmd[1].tag, 0);
	blk_back_complete(r->b, r->cmd[2].tag, XPV_EIO);
	rig_poll(r, 0);
	guest_expect(&r->g, 11, WIRE_BLK_OP_READ, 0);
	guest_expect(&r->g, 12, WIRE_BLK_OP_READ, WIRE_BLK_RSP_ERROR);
	assert_int_equal(journal_inflight(&j), 2);
	assert_int_equal(journal_answered(&j), 2);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_rw),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_large_blocks),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_ring_sizes),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
