/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/blk_back: what waits for what, and which references stay mapped; also by
 * chance, watched by a model.
 */
#include "tests/unit/test_blk_back_rig.h"

/* Put a write (or what OP is) of one page at SECTOR. */
static void put(struct rig *r, uint8_t op, uint64_t id, uint64_t sector)
{
	struct guest_req q = guest_rw(op, id, sector, 1);

	q.count = 8;
	guest_put(&r->g, &q);
}

static void done(struct rig *r, unsigned cmd, int result)
{
	blk_back_complete(r->b, r->cmd[cmd].tag, result);
}

/* Everything in the order of a barrier. */
static void test_barrier(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));

	(void)state;
	put(r, WIRE_BLK_OP_WRITE, 0, 0);
	put(r, WIRE_BLK_OP_DISCARD, 1, 8);
	put(r, WIRE_BLK_OP_READ, 2, 16);
	put(r, WIRE_BLK_OP_WRITE_BARRIER, 3, 24);
	put(r, WIRE_BLK_OP_WRITE, 4, 32);
	put(r, WIRE_BLK_OP_READ, 5, 24); /* reads and flushes go on */
	put(r, WIRE_BLK_OP_DISCARD, 6, 40);
	rig_poll(r, 4);
	assert_int_equal(r->cmd[0].sector, 0);
	assert_int_equal(r->cmd[1].act, BLK_BACK_DISCARD);
	assert_int_equal(r->cmd[2].act, BLK_BACK_READ);
	assert_int_equal(r->cmd[3].sector, 24);
	done(r, 0, 0);
	rig_poll(r, 0);
	assert_int_equal(blk_back_inflight(r->b), 6);
	done(r, 1, XPV_EIO); /* it has ended, well or not */
	assert_true(blk_back_has_work(r->b));
	rig_poll(r, 1); /* the read is not waited for */
	assert_int_equal(r->cmd[4].act, BLK_BACK_FLUSH);
	assert_int_equal(r->cmd[4].index, 3);
	assert_int_equal(r->cmd[4].nsegs, 0);
	done(r, 4, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[5].act, BLK_BACK_WRITE);
	assert_int_equal(r->cmd[5].sector, 24);
	assert_int_equal(r->cmd[5].tag, r->cmd[4].tag);
	assert_true(r->cmd[5].fua);
	rig_poll(r, 0);
	done(r, 5, 0);
	rig_poll(r, 2);
	assert_int_equal(r->cmd[6].sector + r->cmd[7].sector, 72);
	guest_expect(&r->g, 0, WIRE_BLK_OP_WRITE, 0);
	guest_expect(&r->g, 1, WIRE_BLK_OP_DISCARD, -1);
	guest_expect(&r->g, 3, WIRE_BLK_OP_WRITE_BARRIER, 0);
	rig_free(r);
}

/* Two barriers, without data, one after the other; the first fails. */
static void test_barriers(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_32));
	struct guest_req q = guest_rw(WIRE_BLK_OP_WRITE_BARRIER, 1, ~0ull, 0);

	(void)state;
	guest_put(&r->g, &q);
	q.id = 2;
	guest_put(&r->g, &q);
	put(r, WIRE_BLK_OP_WRITE, 3, 0);
	put(r, WIRE_BLK_OP_WRITE_BARRIER, 4, 8);
	rig_poll(r, 1);
	done(r, 0, XPV_ENOTSUP);
	rig_poll(r, 1);
	guest_expect(&r->g, 1, WIRE_BLK_OP_WRITE_BARRIER, -2);
	assert_int_equal(r->cmd[1].index, 1);
	done(r, 1, 0);
	rig_poll(r, 1);
	guest_expect(&r->g, 2, WIRE_BLK_OP_WRITE_BARRIER, 0);
	assert_int_equal(r->cmd[2].act, BLK_BACK_WRITE);
	done(r, 2, 0);
	rig_poll(r, 1);
	/* No data is written when the flush before it has failed. */
	assert_int_equal(r->cmd[3].act, BLK_BACK_FLUSH);
	done(r, 3, XPV_EIO);
	rig_poll(r, 0);
	guest_expect(&r->g, 3, WIRE_BLK_OP_WRITE, 0);
	guest_expect(&r->g, 4, WIRE_BLK_OP_WRITE_BARRIER, -1);
	rig_free(r);
}

static void test_overlap(void **state)
{
	struct rig *r = rig_new(rig_cfg(BLK_ABI_64));

	(void)state;
	put(r, WIRE_BLK_OP_WRITE, 0, 8);
	put(r, WIRE_BLK_OP_WRITE, 1, 15);   /* waits for 0 */
	put(r, WIRE_BLK_OP_WRITE, 2, 0);    /* touches, does not overlap */
	put(r, WIRE_BLK_OP_DISCARD, 3, 22); /* waits for 1 */
	put(r, WIRE_BLK_OP_WRITE, 4, 7);    /* waits for 0 and 2 */
	put(r, WIRE_BLK_OP_READ, 5, 8);
	put(r, WIRE_BLK_OP_WRITE, 6, 23); /* only for 3 */
	rig_poll(r, 3);
	assert_int_equal(r->cmd[1].index, 2);
	assert_int_equal(r->cmd[2].act, BLK_BACK_READ);
	done(r, 0, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[3].index, 1);
	done(r, 1, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[4].index, 4);
	done(r, 3, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[5].index, 3);
	done(r, 4, 0);
	rig_poll(r, 0);
	done(r, 5, 0);
	rig_poll(r, 1);
	assert_int_equal(r->cmd[6].index, 6);
	rig_free(r);
}

/* ---- persistent grants ---- */

static struct rig *pool_rig(uint32_t max)
{
	struct blk_back_cfg cfg = rig_cfg(BLK_ABI_64);

	cfg.persistent_max = max;
	cfg.salt = 0x1234567;
	return rig_new(cfg);
}

/* Read one page into GREF; the number of the command. */
static unsigned use(struct rig *r, uint32_t gref)
{
	struct guest_req q = guest_rw(WIRE_BLK_OP_READ, gref, 0, 1);

	q.seg[0].gref = gref;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	return r->cmds - 1;
}

static void use_and_end(struct rig *r, uint32_t gref)
{
	done(r, use(r, gref), 0);
}

static void test_pool(void **state)
{
	struct rig *r = pool_rig(3);
	unsigned a, b;

	(void)state;
	use_and_end(r, 8);
	use_and_end(r, 9);
	use_and_end(r, 10);
	assert_int_equal(r->maps, 3);
	use_and_end(r, 8); /* so that 9 is the oldest */
	assert_int_equal(r->maps, 3);
	a = use(r, 11);
	assert_int_equal(r->maps, 4);
	assert_int_equal(r->unmaps, 1);
	b = use(r, 10);
	assert_int_equal(r->maps, 4);
	done(r, use(r, 9), 0); /* 8 had to go */
	assert_int_equal(r->maps, 5);
	assert_int_equal(r->unmaps, 2);
	done(r, a, 0);
	done(r, b, 0);
	/* Twice in use, once mapped, there until both have ended. */
	a = use(r, 10);
	b = use(r, 10);
	done(r, a, 0);
	blk_back_trim(r->b, 0);
	assert_int_equal(r->maps - r->unmaps, 1);
	assert_int_equal(r->maps, 5);
	assert_int_equal(r->mapped[r->segs[b][0].slot], 10);
	done(r, b, 0);
	blk_back_trim(r->b, 1);
	assert_int_equal(r->maps - r->unmaps, 1);
	blk_back_trim(r->b, 0);
	assert_int_equal(r->maps - r->unmaps, 0);
	rig_free(r);
}

/* More in use than there are slots: the rest is copied. */
static void test_pool_full(void **state)
{
	struct rig *r = pool_rig(10);
	struct guest_req q = guest_rw(WIRE_BLK_OP_READ, 1, 0, 11);
	unsigned i;

	(void)state;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	assert_int_equal(r->maps, 10);
	for (i = 0; i < 11; i++)
		assert_int_equal(r->segs[0][i].slot == PGRANT_NONE, i == 10);
	done(r, 0, 0);
	/* Evicted and taken again in one batch. */
	for (i = 0; i < 11; i++)
		q.seg[i].gref = 50 + i;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	assert_int_equal(r->unmaps, 10);
	assert_int_equal(r->maps, 20);
	done(r, 1, 0);
	rig_free(r);
}

/* A reference that cannot be mapped is copied, and tried again next time. */
static void test_pool_bad(void **state)
{
	struct rig *r = pool_rig(4);
	struct guest_req q = guest_rw(WIRE_BLK_OP_READ, 1, 0, 4);
	unsigned i;

	(void)state;
	r->map_fails = 9;
	q.seg[3].gref = 9;
	guest_put(&r->g, &q);
	q.nsegs = 0; /* refused, beside it */
	guest_put(&r->g, &q);
	q.nsegs = 4;
	guest_put(&r->g, &q);
	rig_poll(r, 2);
	assert_int_equal(r->maps, 2);
	assert_int_equal(r->events[BLK_BACK_EV_BAD_MAP], 4);
	for (i = 0; i < 4; i++) {
		assert_int_equal(r->segs[0][i].slot == PGRANT_NONE, i % 2);
		assert_int_equal(r->segs[1][i].slot == PGRANT_NONE, i % 2);
	}
	r->map_fails = 0;
	guest_put(&r->g, &q);
	rig_poll(r, 1);
	assert_int_equal(r->maps, 3);
	assert_int_not_equal(r->segs[2][1].slot, PGRANT_NONE);
	for (i = 0; i < 3; i++)
		done(r, i, 0);
	blk_back_trim(r->b, 0);
	assert_int_equal(r->unmaps, 3);
	rig_free(r);
}

static void test_pool_age(void **state)
{
	struct rig *r = pool_rig(8);
	unsigned busy;

	(void)state;
	use_and_end(r, 8);
	busy = use(r, 9);
	use_and_end(r, 10);
	blk_back_age(r->b); /* all were used lately */
	assert_int_equal(r->unmaps, 0);
	use_and_end(r, 10);
	blk_back_age(r->b);
	assert_int_equal(r->unmaps, 1);
	blk_back_age(r->b);
	assert_int_equal(r->unmaps, 2);
	done(r, busy, 0);
	blk_back_age(r->b);
	blk_back_age(r->b);
	assert_int_equal(r->unmaps, 3);
	rig_free(r);
}

/* A large pool by chance: each mapping is right (rig_submit()), none is lost. */
static void test_pool_random(void **state)
{
	uint32_t i, j, k, seed = 1;

	(void)state;
	for (i = 0; i < 60; i++) {
		struct rig *r = pool_rig(1 + i * 3);
		bool open[1024] = {0};

		for (j = 0; j < 900; j++) {
			seed = seed * 1103515245 + 12345;
			r->map_fails = seed >> 5 & 63;
			if (r->g.ring->req_prod - r->g.ring->rsp_prod < 30)
				open[use(r, 1 + (seed >> 16) % 300)] = true;
			for (k = r->cmds < 40 ? 0 : r->cmds - 40; k < r->cmds;
			     k++) {
				seed = seed * 1103515245 + 12345;
				if (!open[k] || (seed >> 16) % 20)
					continue;
				open[k] = false;
				done(r, k, 0);
			}
			if ((seed >> 20) % 100 == 0)
				blk_back_age(r->b);
			rig_poll(r, 0);
			assert_true(r->maps - r->unmaps <= 1 + i * 3);
			if (r->cmds > 1000)
				break;
		}
		for (k = 0; k < r->cmds; k++)
			if (open[k])
				done(r, k, 0);
		blk_back_trim(r->b, 0);
		assert_int_equal(r->maps, r->unmaps);
		rig_free(r);
	}
}

/* ---- by chance ---- */

/* A request and what has become of it. */
struct track {
	uint8_t op;
	uint64_t from, to;
	bool submitted, flushed, answered;
};

static bool is_write(const struct track *t)
{
	return t->op == WIRE_BLK_OP_WRITE || t->op == WIRE_BLK_OP_DISCARD ||
	       t->op == WIRE_BLK_OP_WRITE_BARRIER;
}

/* May request I be executed, as far as those before it are concerned? */
static void check_order(const struct track *t, uint32_t i)
{
	uint32_t j;

	for (j = 0; j < i && is_write(&t[i]); j++) {
		if (t[j].answered || !is_write(&t[j]))
			continue;
		assert_int_not_equal(t[j].op, WIRE_BLK_OP_WRITE_BARRIER);
		assert_int_not_equal(t[i].op, WIRE_BLK_OP_WRITE_BARRIER);
		assert_true(t[j].to <= t[i].from || t[i].to <= t[j].from);
	}
}

static void one_seed(uint32_t seed, uint32_t pages, uint32_t spread)
{
	static const uint8_t ops[] = {
		WIRE_BLK_OP_READ,  WIRE_BLK_OP_WRITE,	WIRE_BLK_OP_WRITE,
		WIRE_BLK_OP_WRITE, WIRE_BLK_OP_DISCARD, WIRE_BLK_OP_FLUSH,
	};
	struct blk_back_cfg cfg = rig_cfg(seed & 1 ? BLK_ABI_64 : BLK_ABI_32);
	struct track t[400] = {0};
	uint32_t sent = 0, answered = 0, seen = 0, steps = 0;
	bool running[1024] = {0};
	struct rig *r;

#define PICK(n) ((seed = seed * 1103515245u + 12345u) >> 16) % (n)
	cfg.pages = pages;
	r = rig_new(cfg);
	while (answered < 400) {
		uint32_t n = PICK(12), i;

		assert_true(steps++ < 100000);
		for (; n > 0 && sent < 400 && sent - answered < r->g.slots;
		     n--, sent++) {
			t[sent].op = PICK(12) ? ops[PICK(6)]
					      : WIRE_BLK_OP_WRITE_BARRIER;
			t[sent].from = PICK(spread);
			t[sent].to = t[sent].from + 8;
			put(r, t[sent].op, sent, t[sent].from);
		}
		assert_true(blk_back_poll(r->b, 1 + PICK(40)) >= 0);
		for (; seen < r->cmds; seen++) {
			i = r->cmd[seen].index;
			assert_false(t[i].answered);
			check_order(t, i);
			running[seen] = true;
		}
		for (i = 0; i < r->cmds; i++) {
			if (!running[i] || PICK(3))
				continue;
			running[i] = false;
			done(r, i, 0);
		}
		assert_true(blk_back_poll(r->b, 0) >= 0);
		while (guest_answers(&r->g) > 0) {
			int16_t status;
			uint8_t op;
			uint64_t id = guest_take(&r->g, &op, &status);

			assert_true(id < sent && !t[id].answered);
			assert_int_equal(op, t[id].op);
			assert_int_equal(status, 0);
			t[id].answered = true;
			answered++;
		}
		/* Submitted by the poll that took no more than answers. */
		for (; seen < r->cmds; seen++) {
			check_order(t, r->cmd[seen].index);
			running[seen] = true;
		}
	}
	assert_int_equal(blk_back_inflight(r->b), 0);
	rig_free(r);
#undef PICK
}

static void test_random(void **state)
{
	uint32_t seed;

	(void)state;
	for (seed = 1; seed <= 60; seed++)
		one_seed(seed, seed % 3 ? 1 : 4, seed % 5 ? 1000 : 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_barriers),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_full),
		cmocka_unit_test(test_pool_bad),
		cmocka_unit_test(test_pool_age),
		cmocka_unit_test(test_pool_random),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
