/* SPDX-License-Identifier: BSD-2-Clause */
/* core/blk_front: requests and responses, in front of a backend by hand. */
#include "tests/unit/test_blk_front_rig.h"

static struct front_piece pc[600];

static void test_init(void **state)
{
	static const struct {
		size_t offs;
		uint32_t bad;
	} rows[] = {
		{offsetof(struct blk_front_cfg, pages), 0},
		{offsetof(struct blk_front_cfg, pages), BOUNCE_MAX + 1},
		{offsetof(struct blk_front_cfg, depth), 0},
		{offsetof(struct blk_front_cfg, depth), 513},
		{offsetof(struct blk_front_cfg, align), 0},
		{offsetof(struct blk_front_cfg, align), 256},
		{offsetof(struct blk_front_cfg, align), 513},
		{offsetof(struct blk_front_cfg, align), 8192},
		{offsetof(struct blk_front_cfg, conn.ring_pages), 0},
		{offsetof(struct blk_front_cfg, conn.ring_pages), 17},
		{offsetof(struct blk_front_cfg, conn.abi), BLK_ABIS},
		{offsetof(struct blk_front_cfg, conn.block_size), 256},
		{offsetof(struct blk_front_cfg, conn.block_size), 8192},
		{offsetof(struct blk_front_cfg, conn.block_size), 1000},
	};
	struct rig *r = rig_new(rig_cfg());
	static uint8_t mem[1 << 17];
	struct blk_front_cfg cfg;
	struct blk_front *f;
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		cfg = r->cfg;
		memcpy((uint8_t *)&cfg + rows[i].offs, &rows[i].bad, 4);
		assert_int_equal(
			blk_front_init(&f, mem, sizeof(mem), &cfg, &rig_ops, r),
			XPV_EINVAL);
	}
	cfg = r->cfg;
	cfg.dump = true; /* not with depth 32 */
	assert_int_equal(
		blk_front_init(&f, mem, sizeof(mem), &cfg, &rig_ops, r),
		XPV_EINVAL);
	cfg.dump = false;
	assert_true(blk_front_size(&cfg) <= sizeof(mem));
	assert_int_equal(blk_front_init(&f, mem, blk_front_size(&cfg) - 1, &cfg,
					&rig_ops, r),
			 XPV_ENOMEM);
	rig_free(r);
}

/* The owner's pages themselves, in both layouts. */
static void test_direct(void **state)
{
	unsigned abi;

	(void)state;
	for (abi = 0; abi < BLK_ABIS; abi++) {
		struct blk_front_cfg cfg = rig_cfg();
		struct blk_front_req q;
		struct be_req *b;
		struct rig *r;

		cfg.conn.abi = (enum blk_abi)abi;
		r = rig_new(cfg);
		rig_pieces(r, pc, 0, 3, 1024, 1536);
		q = rig_req(77, BLK_FRONT_WRITE, 100, pc, 3);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(blk_front_inflight(r->f), 1);
		assert_int_equal(r->notifies, 0);
		b = be_take(r);
		assert_int_equal(r->notifies, 1);
		assert_int_equal(b->op, WIRE_BLK_OP_WRITE);
		assert_int_equal(b->handle, 0x0a51);
		assert_int_equal(b->sector, 100);
		assert_int_equal(b->nsegs, 3);
		assert_int_equal(b->seg[1].first_sect, 2);
		assert_int_equal(b->seg[1].last_sect, 4);
		assert_true(r->grant[b->seg[1].gref].readonly);
		assert_int_equal(r->grant[b->seg[2].gref].frame,
				 OWNER_FRAME + 2);
		assert_int_equal(r->live, 3);
		be_answer(r, b->id, b->op, 0);
		assert_true(blk_front_has_work(r->f));
		rig_poll(r, 1);
		rig_last(r, 77, 0);
		assert_int_equal(r->live, 0);
		assert_int_equal(blk_front_inflight(r->f), 0);
		/* and reading, which fails */
		q.op = BLK_FRONT_READ;
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		b = be_serve(r, WIRE_BLK_RSP_ERROR);
		assert_int_equal(b->op, WIRE_BLK_OP_READ);
		rig_poll(r, 1);
		rig_last(r, 77, XPV_EIO);
		assert_int_equal(r->live, 0);
		rig_free(r);
	}
}

/* Memory that nobody can grant: no frame of it is ever named. */
static void test_ordinary_memory(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q;
	struct be_req *b;
	uint8_t mem[2][512];

	(void)state;
	for (int i = 0; i < 2; i++)
		pc[i] = (struct front_piece){
			.va = mem[i], .frame = UINT64_MAX, .len = 512};
	memset(mem, 0x5a, sizeof(mem));
	q = rig_req(1, BLK_FRONT_WRITE, 0, pc, 2);
	q.bounce = true;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_take(r);
	assert_int_equal(b->nsegs, 1);
	assert_int_equal(b->seg[0].last_sect, 1);
	assert_memory_equal(be_data(r, b, 0), mem, 1024);
	be_answer(r, b->id, b->op, 0);
	rig_poll(r, 1);
	rig_last(r, 1, 0);
	q.op = BLK_FRONT_READ;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_take(r);
	memset(be_data(r, b, 0), 0xc3, 1024);
	be_answer(r, b->id, b->op, 0);
	rig_poll(r, 1);
	rig_last(r, 1, 0);
	assert_int_equal(mem[0][0], 0xc3);
	assert_int_equal(mem[1][511], 0xc3);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

static void test_bad_requests(void **state)
{
	static const struct {
		enum blk_front_op op;
		uint64_t sector, count;
		uint32_t n, offset, len; /* of pieces */
		uint32_t features;
		bool secure;
		int rc;
	} rows[] = {
		{BLK_FRONT_OPS, 0, 0, 1, 0, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 8, 0, 0, 0, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 0, 1, 0, 0, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 0, 2, 1, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 0, 1, 0, 4097, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 0, 0, 3, 0, 513, 0, false, XPV_EINVAL},
		{BLK_FRONT_WRITE, 0, 0, 1, 0, 512, 0, false, XPV_EINVAL},
		{BLK_FRONT_WRITE, 4, 0, 1, 0, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 4096 - 8, 0, 2, 0, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, 4104, 0, 1, 0, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_READ, -8ull, 0, 2, 0, 4096, 0, false, XPV_EINVAL},
		{BLK_FRONT_WRITE, 0, 0, 1, 0, 4096, BLK_FRONT_F_READONLY, false,
		 XPV_EROFS},
		{BLK_FRONT_DISCARD, 0, 8, 0, 0, 0,
		 DISCARD | BLK_FRONT_F_READONLY, false, XPV_EROFS},
		{BLK_FRONT_DISCARD, 0, 8, 0, 0, 0, 0, false, XPV_ENOTSUP},
		{BLK_FRONT_DISCARD, 0, 8, 0, 0, 0, DISCARD, true, XPV_ENOTSUP},
		{BLK_FRONT_DISCARD, 0, 0, 0, 0, 0, DISCARD, false, XPV_EINVAL},
		{BLK_FRONT_DISCARD, 0, 9, 0, 0, 0, DISCARD, false, XPV_EINVAL},
		{BLK_FRONT_DISCARD, 1, 8, 0, 0, 0, DISCARD, false, XPV_EINVAL},
		{BLK_FRONT_DISCARD, 8, 4096, 0, 0, 0, DISCARD, false,
		 XPV_EINVAL},
		{BLK_FRONT_DISCARD, 8, -8ull, 0, 0, 0, DISCARD, false,
		 XPV_EINVAL},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct blk_front_cfg cfg = rig_cfg();
		struct blk_front_req q;
		struct rig *r;

		cfg.conn.features = rows[i].features;
		cfg.conn.block_size = 4096;
		r = rig_new(cfg);
		rig_pieces(r, pc, 0, rows[i].n, rows[i].offset, rows[i].len);
		q = rig_req(1, rows[i].op, rows[i].sector, pc, rows[i].n);
		q.count = rows[i].count;
		q.secure = rows[i].secure;
		assert_int_equal(blk_front_submit(r->f, &q), rows[i].rc);
		assert_true(be_empty(r));
		assert_int_equal(blk_front_inflight(r->f), 0);
		assert_int_equal(r->live, 0);
		rig_free(r);
	}
}

/* Fill the owner's N pieces, or check them, with what SEED gives. */
static void fill(struct front_piece *p, uint32_t n, uint32_t seed)
{
	for (; n > 0; n--, p++)
		for (uint32_t i = 0; i < p->len; i++)
			p->va[i] = (uint8_t)((seed = seed * 69069 + 1) >> 16);
}

static void check_filled(const struct front_piece *p, uint32_t n, uint32_t seed)
{
	for (; n > 0; n--, p++)
		for (uint32_t i = 0; i < p->len; i++)
			assert_int_equal(
				p->va[i],
				(uint8_t)((seed = seed * 69069 + 1) >> 16));
}

/*
 * Serve what comes until there is a result, as a disk of which only DISK (from
 * sector 0) exists. How many requests that took.
 */
static uint32_t serve_all(struct rig *r, uint8_t *disk)
{
	uint32_t before = r->results, n, i;

	for (n = 0; r->results == before; n++) {
		struct be_req *q = be_take(r);
		uint8_t *at = disk + q->sector * 512;

		for (i = 0; i < q->nsegs; i++) {
			uint32_t len = (q->seg[i].last_sect -
					q->seg[i].first_sect + 1u) *
				       512;

			if (be_op(q) == WIRE_BLK_OP_READ)
				memcpy(be_data(r, q, i), at, len);
			else
				memcpy(at, be_data(r, q, i), len);
			at += len;
		}
		be_answer(r, q->id, be_op(q), 0);
		assert_true(blk_front_poll(r->f, 10) >= 0);
	}
	assert_int_equal(r->result[(r->results - 1) % RESULTS].result, 0);
	return n;
}

/* Sizes, alignments, limits: how many passes, and the data is right. */
static void test_passes(void **state)
{
	static const struct {
		uint32_t n, offset, len; /* of pieces */
		uint32_t indirect, pages, features, align;
		uint32_t passes;
	} rows[] = {
		{1, 0, 512, 0, 1, 0, 512, 1},
		{11, 0, 4096, 0, 1, 0, 512, 1},
		{12, 0, 4096, 0, 1, 0, 512, 2},
		{40, 512, 1024, 0, 1, 0, 512, 4},
		{40, 512, 1024, 32, 1, 0, 512, 2}, /* one page of segments */
		{64, 0, 4096, 256, 16, 0, 512, 1},
		{70, 0, 4096, 32, 16, 0, 512, 3},
		{12, 0, 4096, 11, 16, 0, 512, 2}, /* no indirect at all */
		{1, 256, 512, 0, 1, 0, 512, 1},	  /* bounced from here on */
		{1, 512, 3584, 0, 1, 0, 4096, 1},
		{2, 0, 256, 0, 1, 0, 512, 1},
		{32, 16, 64, 0, 1, 0, 512, 1},
		{4, 256, 1024, 0, 1, 0, 512, 1},
		{6, 1, 2048, 0, 1, 0, 512, 3},
		{30, 256, 3584, 0, 16, 0, 512, 3}, /* 27 pages by 11 */
		{30, 256, 3584, 256, 16, 0, 512,
		 2}, /* by 15, one for segments */
		{30, 256, 3584, 256, 12, 0, 512, 3}, /* by 11 */
		{30, 256, 3584, 256, 11, 0, 512, 3},
		{30, 256, 3584, 256, 64, 0, 512, 1},
		{30, 256, 3584, 13, 64, 0, 512, 3},
		{30, 0, 4096, 256, 64, PERSISTENT, 512, 1},
		{1, 0, 4096, 256, 64, PERSISTENT, 512, 1},
		{20, 0, 4096, 0, 16, PERSISTENT, 512, 2},
	};
	static uint8_t disk[1 << 19];
	unsigned i;

	(void)state;
	for (i = 0; i < 2 * XPV_ARRAY_SIZE(rows); i++) {
		uint32_t k = i / 2, n = rows[k].n;
		struct blk_front_cfg cfg = rig_cfg();
		struct blk_front_req q;
		struct rig *r;

		cfg.conn.abi = i % 2 ? BLK_ABI_32 : BLK_ABI_64;
		cfg.conn.indirect_max = rows[k].indirect;
		cfg.conn.features = rows[k].features;
		cfg.pages = rows[k].pages;
		cfg.align = rows[k].align;
		r = rig_new(cfg);
		memset(disk, 0, sizeof(disk));
		rig_pieces(r, pc, 0, n, rows[k].offset, rows[k].len);
		fill(pc, n, i);
		q = rig_req(i, BLK_FRONT_WRITE, 3, pc, n);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(serve_all(r, disk), rows[k].passes);
		fill(pc, n, 999);
		q.op = BLK_FRONT_READ;
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(serve_all(r, disk), rows[k].passes);
		check_filled(pc, n, i);
		if (!(rows[k].features & PERSISTENT))
			assert_int_equal(r->live, 0);
		assert_int_equal(r->events[BLK_FRONT_EV_PINNED], 0);
		rig_free(r);
	}
}

/* Nothing of what went through a bounce page before can be seen. */
static void test_bounce_clean(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.pages = 1;
	r = rig_new(cfg);
	rig_pieces(r, pc, 0, 1, 1, 512);
	memset(pc[0].va, 0x77, 512);
	q = rig_req(1, BLK_FRONT_WRITE, 0, pc, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_serve(r, 0);
	for (i = 0; i < 4096; i++)
		assert_int_equal(be_data(r, b, 0)[i], i < 512 ? 0x77 : 0);
	rig_poll(r, 1);
	q.op = BLK_FRONT_READ;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_serve(r, 0);
	for (i = 0; i < 4096; i++)
		assert_int_equal(be_data(r, b, 0)[i], 0);
	rig_poll(r, 1);
	rig_free(r);
}

/* The descriptor page: granted read-only, its rest zero, echoed op either way. */
static void test_indirect(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct be_req *b;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.conn.indirect_max = 100000; /* cut to one page of segments */
	r = rig_new(cfg);
	rig_pieces(r, pc, 0, 12, 0, 4096);
	q = rig_req(5, BLK_FRONT_READ, 0, pc, 12);
	for (i = 0; i < 2; i++) {
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		b = be_take(r);
		assert_int_equal(b->op, WIRE_BLK_OP_INDIRECT);
		assert_int_equal(b->indirect_op, WIRE_BLK_OP_READ);
		assert_int_equal(b->handle, 0x0a51);
		assert_int_equal(b->nsegs, 12);
		assert_true(r->grant[b->gref].readonly);
		assert_int_equal(b->seg[12].gref, 0);
		assert_int_equal(r->live, 13);
		be_answer(r, b->id, i ? WIRE_BLK_OP_INDIRECT : 0, 0);
		rig_poll(r, 1);
		rig_last(r, 5, 0);
		assert_int_equal(r->live, 0);
	}
	/* All pages are taken by others: in passes of 11. */
	rig_pieces(r, pc + 100, 100, 31, 1, 2048);
	q = rig_req(6, BLK_FRONT_READ, 0, pc + 100, 31);
	q.npieces = 30; /* 15 pages, and one for descriptors */
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->nsegs, 15);
	q = rig_req(7, BLK_FRONT_READ, 0, pc, 12);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_take(r)->nsegs, 11);
	rig_free(r);
}

/* How FLUSH and FUA are done, by what the backend has. */
static void test_flush(void **state)
{
	static const struct {
		uint32_t features;
		uint8_t op; /* 0: nothing is sent */
	} rows[] = {
		{FLUSH, WIRE_BLK_OP_FLUSH},
		{FLUSH | BARRIER, WIRE_BLK_OP_FLUSH},
		{BARRIER, WIRE_BLK_OP_WRITE_BARRIER},
		{0, 0},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct blk_front_cfg cfg = rig_cfg();
		struct blk_front_req q;
		struct be_req *b;
		struct rig *r;

		cfg.conn.features = rows[i].features;
		r = rig_new(cfg);
		q = rig_req(1, BLK_FRONT_FLUSH, 99, pc, 30);
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		if (rows[i].op) {
			b = be_serve(r, 0);
			assert_int_equal(b->op, rows[i].op);
			assert_int_equal(b->nsegs, 0);
		}
		assert_int_equal(r->results, 0); /* not before a poll */
		assert_true(blk_front_has_work(r->f));
		rig_poll(r, 1);
		rig_last(r, 1, 0);
		/* WRITE and FUA: a flush follows. */
		rig_pieces(r, pc, 0, 1, 0, 4096);
		q = rig_req(2, BLK_FRONT_WRITE, 8, pc, 1);
		q.fua = true;
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(be_serve(r, 0)->op, WIRE_BLK_OP_WRITE);
		rig_poll(r, !rows[i].op);
		if (rows[i].op) {
			assert_int_equal(be_serve(r, 0)->op, rows[i].op);
			rig_poll(r, 1);
		}
		rig_last(r, 2, 0);
		q.op = BLK_FRONT_READ; /* which has no such thing */
		assert_int_equal(blk_front_submit(r->f, &q), 0);
		assert_int_equal(be_serve(r, 0)->op, WIRE_BLK_OP_READ);
		rig_poll(r, 1);
		assert_true(be_empty(r));
		rig_free(r);
	}
}

/* Offered, and then refused. */
static void test_unsupported(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q = rig_req(1, BLK_FRONT_FLUSH, 0, NULL, 0);
	struct be_req *b;
	struct rig *r;

	(void)state;
	cfg.conn.features |= BARRIER;
	r = rig_new(cfg);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	q.cookie = 2;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, -2)->op, WIRE_BLK_OP_FLUSH);
	rig_poll(r, 0);
	assert_int_equal(be_serve(r, -2)->op, WIRE_BLK_OP_FLUSH);
	assert_int_equal(be_serve(r, -2)->op, WIRE_BLK_OP_WRITE_BARRIER);
	/* Then there is nothing left, for the other one neither. */
	rig_poll(r, 1);
	rig_last(r, 1, XPV_ENOTSUP);
	assert_true(blk_front_has_work(r->f));
	rig_poll(r, 1);
	rig_last(r, 2, XPV_ENOTSUP);
	assert_int_equal(blk_front_features(r->f), DISCARD | SECURE);
	q = rig_req(3, BLK_FRONT_DISCARD, 8, NULL, 0);
	q.count = 16;
	q.secure = true;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	b = be_serve(r, -2);
	assert_int_equal(b->op, WIRE_BLK_OP_DISCARD);
	assert_int_equal(b->flag, WIRE_BLK_DISCARD_SECURE);
	assert_int_equal(b->sector, 8);
	assert_int_equal(b->count, 16);
	rig_poll(r, 1);
	rig_last(r, 3, XPV_ENOTSUP);
	assert_int_equal(blk_front_features(r->f), 0);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_ENOTSUP);
	/* A read that is not supported: what is said is handed on. */
	rig_pieces(r, pc, 0, 1, 0, 512);
	q = rig_req(4, BLK_FRONT_READ, 8, pc, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	be_serve(r, -2);
	rig_poll(r, 1);
	rig_last(r, 4, XPV_ENOTSUP);
	rig_free(r);
}

static void test_discard(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q = rig_req(3, BLK_FRONT_DISCARD, 0, NULL, 0);

	(void)state;
	q.count = SECTORS;
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(be_serve(r, 0)->flag, 0);
	rig_poll(r, 1);
	rig_last(r, 3, 0);
	/* The disk has shrunk, and grown again. */
	blk_front_resize(r->f, SECTORS - 1);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_EINVAL);
	blk_front_resize(r->f, SECTORS + 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	rig_free(r);
}

/* Everything is taken; and free again. */
static void test_busy(void **state)
{
	struct blk_front_cfg cfg = rig_cfg();
	struct blk_front_req q;
	struct rig *r;
	uint32_t i;

	(void)state;
	cfg.depth = 40; /* more than there are slots */
	r = rig_new(cfg);
	rig_pieces(r, pc, 0, 1, 0, 512);
	q = rig_req(0, BLK_FRONT_READ, 0, pc, 1);
	for (i = 0; i < 32; i++)
		assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_EBUSY);
	be_serve(r, 0);
	rig_poll(r, 1);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	rig_free(r);

	cfg.depth = 2;
	cfg.pages = 3;
	r = rig_new(cfg);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	rig_pieces(r, pc + 1, 1, 8, 1, 2048); /* bounced, in passes of 3 */
	q = rig_req(1, BLK_FRONT_READ, 0, pc + 1, 8);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_EBUSY); /* no tag */
	be_serve(r, 0);
	rig_poll(r, 1);
	assert_int_equal(blk_front_submit(r->f, &q), XPV_EBUSY); /* no page */
	assert_int_equal(blk_front_inflight(r->f), 1);
	be_serve(r, WIRE_BLK_RSP_ERROR);
	rig_poll(r, 1);
	rig_last(r, 1, XPV_EIO);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	rig_free(r);
}

static void test_events(void **state)
{
	struct rig *r = rig_new(rig_cfg());
	struct blk_front_req q = rig_req(0, BLK_FRONT_FLUSH, 0, NULL, 0);

	(void)state;
	assert_false(blk_front_has_work(r->f));
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	blk_front_flush(r->f);
	assert_int_equal(blk_front_submit(r->f, &q), 0);
	blk_front_flush(r->f);
	assert_int_equal(r->notifies, 1); /* no event was asked for again */
	assert_false(blk_front_arm(r->f));
	assert_int_equal(be_ring(r)->rsp_event, 1);
	be_serve(r, 0);
	be_serve(r, 0);
	assert_true(blk_front_arm(r->f));
	assert_int_equal(blk_front_poll(r->f, 1), 1);
	assert_int_equal(r->results, 1);
	assert_false(blk_front_poll(r->f, 1) != 1);
	assert_false(blk_front_arm(r->f));
	assert_int_equal(be_ring(r)->rsp_event, 3);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_ordinary_memory),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_passes),
		cmocka_unit_test(test_bounce_clean),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
