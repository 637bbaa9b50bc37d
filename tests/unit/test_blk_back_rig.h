/* SPDX-License-Identifier: BSD-2-Clause */
/* core/blk_back between a frontend made by hand and a host that records. */
#ifndef TEST_BLK_BACK_RIG_H
#define TEST_BLK_BACK_RIG_H

#include "core/blk_back.h"
#include "tests/unit/test_blk_guest.h"

#define SECTORS	  8192u
#define LIST_REFS 16u /* references of descriptor pages: from 100 on */
#define MAPPINGS  4096u

struct rig {
	struct guest g;
	struct blk_back *b;
	void *mem;
	/* what the host was asked */
	struct blk_back_cmd cmd[1024];
	struct blk_back_seg segs[1024][64]; /* the first of each */
	unsigned cmds, notifies, fetches, pieces, maps, unmaps;
	unsigned events[BLK_BACK_EVENTS];
	uint64_t event_a[BLK_BACK_EVENTS];
	/* descriptor pages, and which piece of all that are fetched fails */
	struct wire_blk_seg list[LIST_REFS][512];
	int fail_piece;
	/* what is mapped where, 0: nothing; a reference that cannot be */
	uint32_t mapped[MAPPINGS], map_fails;
};

static inline void rig_submit(void *host, const struct blk_back_cmd *cmd)
{
	struct rig *r = host;
	uint32_t i;

	assert_true(r->cmds < 1024);
	r->cmd[r->cmds] = *cmd;
	for (i = 0; i < cmd->nsegs; i++) {
		const struct blk_back_seg *s = &cmd->segs[i];

		if (i < 64)
			r->segs[r->cmds][i] = *s;
		if (s->slot != PGRANT_NONE)
			assert_int_equal(r->mapped[s->slot], s->gref);
	}
	r->cmds++;
}

static inline void rig_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct rig *r = host;
	uint32_t i;

	r->fetches++;
	for (i = 0; i < n; i++, r->pieces++) {
		f[i].ok = (int)r->pieces != r->fail_piece &&
			  f[i].gref - 100 < LIST_REFS;
		assert_true(f[i].offset + f[i].len <= 4096);
		if (f[i].ok)
			memcpy(f[i].to, r->list[f[i].gref - 100], f[i].len);
	}
}

static inline void rig_map(void *host, struct pgrant_map *m, uint32_t n)
{
	struct rig *r = host;
	uint32_t i;

	assert_int_not_equal(n, 0);
	for (i = 0; i < n; i++) {
		assert_true(m[i].slot < MAPPINGS && !m[i].ok);
		assert_int_equal(r->mapped[m[i].slot], 0);
		m[i].ok = m[i].gref != r->map_fails;
		if (!m[i].ok)
			continue;
		r->mapped[m[i].slot] = m[i].gref;
		r->maps++;
	}
}

static inline void rig_unmap(void *host, const uint32_t *slot, uint32_t n)
{
	struct rig *r = host;
	uint32_t i;

	assert_int_not_equal(n, 0);
	for (i = 0; i < n; i++, r->unmaps++) {
		assert_int_not_equal(r->mapped[slot[i]], 0);
		r->mapped[slot[i]] = 0;
	}
}

static inline void rig_notify(void *host)
{
	((struct rig *)host)->notifies++;
}

static inline void rig_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	struct rig *r = host;

	(void)b;
	assert_true(event < BLK_BACK_EVENTS);
	r->events[event]++;
	r->event_a[event] = a;
}

static const struct blk_back_ops rig_ops = {
	.submit = rig_submit,
	.fetch = rig_fetch,
	.map = rig_map,
	.unmap = rig_unmap,
	.notify = rig_notify,
	.trace = rig_trace,
};

#define ALL_FEATURES                                                           \
	(BLK_BACK_F_FLUSH | BLK_BACK_F_BARRIER | BLK_BACK_F_DISCARD |          \
	 BLK_BACK_F_SECURE)

/* What most tests begin with. */
static inline struct blk_back_cfg rig_cfg(enum blk_abi abi)
{
	return (struct blk_back_cfg){
		.pages = 1,
		.abi = abi,
		.features = ALL_FEATURES,
		.indirect_max = 256,
		.block_size = 512,
		.sectors = SECTORS,
	};
}

static inline struct rig *rig_new(struct blk_back_cfg cfg)
{
	struct rig *r = aligned_alloc(4096, (sizeof(*r) + 4095) & ~4095ul);
	size_t len = blk_back_size(&cfg);

	memset(r, 0, sizeof(*r));
	r->fail_piece = -1;
	cfg.shared = r->g.page;
	r->mem = malloc(len);
	memset(r->mem, 0xd5, len);
	assert_int_equal(blk_back_init(&r->b, r->mem, len, &cfg, &rig_ops, r),
			 0);
	guest_init(&r->g, cfg.abi, cfg.pages * 32, cfg.first);
	return r;
}

static inline void rig_free(struct rig *r)
{
	free(r->mem);
	free(r);
}

/* Poll, and N commands must be submitted by it. */
static inline void rig_poll(struct rig *r, unsigned n)
{
	unsigned before = r->cmds;

	assert_true(blk_back_poll(r->b, 1000) >= 0);
	assert_int_equal(r->cmds - before, n);
}

/* Put one request, poll, and it must be answered at once, unsubmitted. */
static inline void rig_refused(struct rig *r, const struct guest_req *q,
			       uint8_t op, int16_t status)
{
	guest_put(&r->g, q);
	rig_poll(r, 0);
	guest_expect(&r->g, q->id, op, status);
	assert_int_equal(guest_answers(&r->g), 0);
	assert_int_equal(blk_back_inflight(r->b), 0);
}

#endif
