/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/blk_front and core/blk_back over one set of pages: random traffic with
 * flushes, disk errors, persistent mappings, lost connections, worker deaths
 * and both layouts, all data checked against what the owners know.
 *
 * Each owner has a zone of the disk and of memory to itself, and one request at
 * a time, so that it knows what its zone holds. What is written is volatile
 * until a flush; a dead host loses what it likes of that.
 */
#include "tests/unit/test_blk_front_rig.h"

#include "core/blk_back.h"

#define ZONES  24u
#define PAGES  20u	       /* of a zone, in memory */
#define BLOCKS 160u	       /* of a zone, on the disk */
#define ZONE   (BLOCKS * 512u) /* bytes */

/* A command that the backend's host has. */
struct job {
	bool used;
	struct blk_back_cmd cmd;
	struct blk_back_seg segs[256];
};

/* What an owner has asked for. */
struct asked {
	bool used;
	struct blk_front_req req;
	struct front_piece piece[PAGES];
	uint32_t at, len; /* in the zone */
	uint8_t data[PAGES * 4096];
};

struct pair {
	struct rig *r;
	struct blk_back *b;
	void *engine;
	struct blk_back_cfg cfg;
	struct job job[BLK_BACK_TAGS_MAX];
	uint32_t jobs;
	_Alignas(16) uint8_t journal[BLK_BACK_TAGS_MAX * 128 + 64];
	uint8_t cache[ZONES * ZONE], disk[ZONES * ZONE];
	uint32_t mapped[256]; /* gref by slot, 0: none */
	struct asked asked[ZONES];
	uint8_t zone[ZONES][ZONE];   /* what the owner has written */
	bool unknown[ZONES][BLOCKS]; /* a write of it has failed */
	uint64_t seed;
	uint32_t good, bad, resumes, replays;
	uint32_t errors; /* in a thousand */
};

static uint32_t pick(struct pair *p, uint32_t n)
{
	p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(p->seed >> 33) % n;
}

/* --------------------------------------------------------------- backend */

static void on_submit(void *host, const struct blk_back_cmd *cmd)
{
	struct pair *p = host;
	struct job *j = &p->job[cmd->tag];

	assert_false(j->used);
	*j = (struct job){.used = true, .cmd = *cmd};
	if (cmd->nsegs)
		memcpy(j->segs, cmd->segs, cmd->nsegs * sizeof(*cmd->segs));
	p->jobs++;
}

static void on_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct pair *p = host;

	for (uint32_t i = 0; i < n; i++) {
		const struct grant *g = &p->r->grant[f[i].gref];

		assert_true(g->live);
		memcpy(f[i].to, p->r->mem[g->frame] + f[i].offset, f[i].len);
		f[i].ok = true;
	}
}

static void on_map(void *host, struct pgrant_map *m, uint32_t n)
{
	struct pair *p = host;

	for (uint32_t i = 0; i < n; i++) {
		struct grant *g = &p->r->grant[m[i].gref];

		m[i].ok = g->live && !g->readonly && pick(p, 20);
		if (!m[i].ok)
			continue;
		assert_int_equal(p->mapped[m[i].slot], 0);
		p->mapped[m[i].slot] = m[i].gref;
		g->mapped = true;
	}
}

static void on_unmap(void *host, const uint32_t *slot, uint32_t n)
{
	struct pair *p = host;

	for (uint32_t i = 0; i < n; i++) {
		p->r->grant[p->mapped[slot[i]]].mapped = false;
		p->mapped[slot[i]] = 0;
	}
}

static void on_notify(void *host)
{
	(void)host;
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)host;
	(void)b;
	/* This guest is good; it asks for the layout. */
	assert_true(event == BLK_BACK_EV_BAD_MAP ||
		    (event == BLK_BACK_EV_BAD_OP && a == 0xff));
}

static const struct blk_back_ops back_ops = {
	.submit = on_submit,
	.fetch = on_fetch,
	.map = on_map,
	.unmap = on_unmap,
	.notify = on_notify,
	.trace = on_trace,
};

static void move(struct pair *p, const struct job *j)
{
	uint8_t *at = p->cache + j->cmd.sector * 512;

	for (uint32_t i = 0; i < j->cmd.nsegs; i++) {
		const struct blk_back_seg *s = &j->segs[i];
		const struct grant *g = &p->r->grant[s->gref];
		uint8_t *page = p->r->mem[g->frame] + s->offset;

		assert_true(g->live);
		if (s->slot != PGRANT_NONE)
			assert_int_equal(p->mapped[s->slot], s->gref);
		if (j->cmd.act == BLK_BACK_WRITE) {
			memcpy(at, page, s->len);
		} else {
			assert_false(g->readonly);
			memcpy(page, at, s->len);
		}
		at += s->len;
	}
	if (j->cmd.fua)
		memcpy(p->disk + j->cmd.sector * 512,
		       p->cache + j->cmd.sector * 512, j->cmd.count * 512);
}

/* Execute the job of TAG, or let it fail. */
static void execute(struct pair *p, uint16_t tag)
{
	struct job *j = &p->job[tag];
	int result = 0;

	j->used = false;
	p->jobs--;
	assert_true(j->cmd.sector + j->cmd.count <= ZONES * BLOCKS);
	if (pick(p, 1000) < p->errors)
		result = XPV_EIO;
	else if (j->cmd.act == BLK_BACK_FLUSH)
		memcpy(p->disk, p->cache, sizeof(p->disk));
	else if (j->cmd.act == BLK_BACK_DISCARD)
		memset(p->cache + j->cmd.sector * 512, 0, j->cmd.count * 512);
	else
		move(p, j);
	blk_back_complete(p->b, tag, result);
}

static void unmap_all(struct pair *p)
{
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(p->mapped); i++) {
		if (p->mapped[i])
			p->r->grant[p->mapped[i]].mapped = false;
		p->mapped[i] = 0;
	}
}

/* A new engine over the ring as it is. */
static void back_start(struct pair *p, bool resume)
{
	p->cfg.shared = p->r->mem[0];
	p->cfg.pages = p->r->cfg.conn.ring_pages;
	p->cfg.journal = p->journal;
	p->cfg.resume = resume;
	assert_true(blk_back_journal_size(&p->cfg) <= sizeof(p->journal));
	free(p->engine);
	p->engine = malloc(blk_back_size(&p->cfg));
	assert_int_equal(blk_back_init(&p->b, p->engine, blk_back_size(&p->cfg),
				       &p->cfg, &back_ops, p),
			 0);
	memset(p->job, 0, sizeof(p->job));
	p->jobs = 0;
}

/*
 * The worker dies; of what it had begun some was executed. The next one
 * executes it all again, in order.
 */
static void die(struct pair *p)
{
	uint32_t i;

	for (i = 0; i < BLK_BACK_TAGS_MAX; i++)
		if (p->job[i].used && p->job[i].cmd.act == BLK_BACK_WRITE &&
		    pick(p, 2))
			move(p, &p->job[i]);
	p->replays += blk_back_inflight(p->b);
	unmap_all(p);
	back_start(p, true);
}

/* -------------------------------------------------------------- frontend */

/* What the owner of ZONE knows after its request. */
static void learn(struct pair *p, uint32_t zone, int result)
{
	struct asked *a = &p->asked[zone];
	uint32_t first = a->at / 512, n = a->len / 512, i, at = 0;
	uint8_t *known = p->zone[zone] + a->at;

	if (a->req.op == BLK_FRONT_READ && result == 0)
		for (i = 0; i < a->req.npieces; at += a->piece[i++].len)
			memcpy(a->data + at, a->piece[i].va, a->piece[i].len);
	for (i = 0; i < n; i++) {
		if (a->req.op == BLK_FRONT_READ) {
			if (result == 0 && !p->unknown[zone][first + i])
				assert_memory_equal(a->data + i * 512,
						    known + i * 512, 512);
		} else {
			p->unknown[zone][first + i] = result != 0;
			memcpy(known + i * 512, a->data + i * 512, 512);
		}
	}
}

static void on_done(struct rig *r, const struct owned_result *o)
{
	struct pair *p = r->test;
	struct asked *a = &p->asked[o->cookie];

	assert_true(a->used);
	assert_false(o->pinned);
	a->used = false;
	if (o->result == 0)
		p->good++;
	else if (o->result != XPV_ENOTSUP || a->req.op != BLK_FRONT_DISCARD)
		p->bad++; /* the next backend may have no discard */
	if (a->req.op == BLK_FRONT_FLUSH) {
		/* All zones that are known have reached the disk. */
		for (uint32_t z = 0; z < ZONES && o->result == 0; z++)
			for (uint32_t i = 0; i < BLOCKS; i++)
				if (!p->unknown[z][i] && !p->asked[z].used)
					assert_memory_equal(
						p->disk + z * ZONE + i * 512,
						p->zone[z] + i * 512, 512);
		return;
	}
	learn(p, (uint32_t)o->cookie, o->result);
	if (o->result == 0 && a->req.op == BLK_FRONT_WRITE && a->req.fua)
		assert_memory_equal(p->disk + o->cookie * ZONE + a->at, a->data,
				    a->len);
}

/* Random pieces that make up a multiple of 512 bytes. */
static void make_pieces(struct pair *p, uint32_t zone)
{
	struct asked *a = &p->asked[zone];
	uint32_t n = 1 + pick(p, PAGES), i, kind = pick(p, 3);

	a->len = 0;
	for (i = 0; i < n; i++) {
		struct front_piece *s = &a->piece[i];
		uint32_t unit = kind == 0 ? 4096 : kind == 1 ? 512 : 4;
		uint32_t offset = pick(p, 4096 / unit) * unit;
		uint32_t len = (1 + pick(p, (4096 - offset) / unit)) * unit;

		if (i + 1 == n && (a->len + len) % 512) {
			offset = pick(p, 4) * 100;
			len = 1024 - a->len % 512;
		}
		s->frame = OWNER_FRAME + zone * PAGES + i;
		s->offset = (uint16_t)offset;
		s->len = (uint16_t)len;
		s->va = p->r->mem[s->frame] + offset;
		a->len += len;
	}
	a->req.npieces = n;
	a->req.piece = a->piece;
}

static void ask(struct pair *p, uint32_t zone)
{
	struct asked *a = &p->asked[zone];
	uint32_t kind = pick(p, 12), i, k, at = 0;
	int rc;

	a->req = (struct blk_front_req){.cookie = zone};
	a->len = 0;
	if (kind == 0) {
		a->req.op = BLK_FRONT_FLUSH;
	} else if (kind == 1) {
		a->req.op = BLK_FRONT_DISCARD;
		a->len = (1 + pick(p, BLOCKS)) * 512;
		memset(a->data, 0, sizeof(a->data));
	} else {
		a->req.op = kind < 6 ? BLK_FRONT_READ : BLK_FRONT_WRITE;
		a->req.fua = pick(p, 4) == 0;
		make_pieces(p, zone);
	}
	a->at = pick(p, (ZONE - a->len) / 512 + 1) * 512;
	a->req.sector = zone * BLOCKS + a->at / 512;
	if (kind == 1)
		a->req.count = a->len / 512;
	for (i = 0; i < a->req.npieces; at += a->piece[i++].len)
		for (k = 0; k < a->piece[i].len; k++)
			a->piece[i].va[k] = a->data[at + k] =
				(uint8_t)pick(p, 256);
	a->used = true;
	rc = blk_front_submit(p->r->f, &a->req);
	if (rc == 0)
		return;
	a->used = false;
	assert_true(rc == XPV_EBUSY ||
		    (kind == 1 && rc == XPV_ENOTSUP &&
		     !(blk_front_features(p->r->f) & DISCARD)));
}

static uint32_t random_features(struct pair *p, uint32_t *back)
{
	uint32_t f = 0;

	*back = 0;
	if (pick(p, 3))
		f |= FLUSH, *back |= BLK_BACK_F_FLUSH;
	if (pick(p, 2))
		f |= BARRIER, *back |= BLK_BACK_F_BARRIER;
	if (!f)
		f |= FLUSH, *back |= BLK_BACK_F_FLUSH;
	if (pick(p, 2))
		f |= DISCARD, *back |= BLK_BACK_F_DISCARD;
	if (pick(p, 2))
		f |= PERSISTENT;
	return f;
}

/* What both ends agree on. */
static void negotiate(struct pair *p, struct blk_front_conn *c)
{
	static const uint32_t limits[] = {0, 11, 12, 32, 256};

	c->ring_pages = 1u << pick(p, 3);
	c->detect = pick(p, 2);
	c->abi = pick(p, 2) ? BLK_ABI_32 : BLK_ABI_64;
	p->cfg.abi = c->abi;
	if (c->detect)
		c->abi = BLK_ABI_64;
	c->features = random_features(p, &p->cfg.features);
	c->indirect_max = limits[pick(p, 5)];
	p->cfg.indirect_max = c->indirect_max;
	c->block_size = p->cfg.block_size = 512;
	c->sectors = p->cfg.sectors = ZONES * BLOCKS;
	p->cfg.persistent_max = c->features & PERSISTENT ? 1 + pick(p, 200) : 0;
}

/* The domain goes elsewhere, or the backend begins anew. */
static void lose(struct pair *p)
{
	struct rig *r = p->r;
	bool gone = pick(p, 2);

	unmap_all(p);
	blk_front_suspend(r->f, gone);
	if (gone) {
		memset(r->grant, 0, sizeof(r->grant));
		memset(r->shared, 0, sizeof(r->shared));
		r->live = 0;
	}
	assert_int_equal(r->live, 0);
	negotiate(p, &r->cfg.conn);
	assert_int_equal(blk_front_resume(r->f, &r->cfg.conn), 0);
	back_start(p, false);
	p->resumes++;
}

static void step(struct pair *p)
{
	uint32_t i, n = pick(p, 6);

	for (i = 0; i < n; i++) {
		uint32_t zone = pick(p, ZONES);

		if (!p->asked[zone].used)
			ask(p, zone);
	}
	if (pick(p, 3))
		blk_front_flush(p->r->f);
	if (pick(p, 3))
		assert_true(blk_back_poll(p->b, 1 + pick(p, 40)) >= 0);
	for (i = 0; i < BLK_BACK_TAGS_MAX && p->jobs > 0; i++)
		if (p->job[i].used && pick(p, 3) == 0)
			execute(p, (uint16_t)i);
	if (pick(p, 3))
		assert_true(blk_back_poll(p->b, pick(p, 2)) >= 0);
	if (pick(p, 3))
		assert_true(blk_front_poll(p->r->f, 1 + pick(p, 20)) >= 0);
	if (pick(p, 40) == 0)
		blk_back_age(p->b);
	if (pick(p, 50) == 0)
		die(p);
	if (pick(p, 300) == 0)
		lose(p);
}

static void finish(struct pair *p)
{
	uint32_t i, k;

	for (k = 0; blk_front_inflight(p->r->f) > 0; k++) {
		assert_true(k < 1000);
		blk_front_flush(p->r->f);
		assert_true(blk_back_poll(p->b, 1000) >= 0);
		for (i = 0; i < BLK_BACK_TAGS_MAX; i++)
			if (p->job[i].used)
				execute(p, (uint16_t)i);
		assert_true(blk_back_poll(p->b, 1000) >= 0);
		assert_true(blk_front_poll(p->r->f, 1000) >= 0);
	}
	for (i = 0; i < ZONES; i++)
		assert_false(p->asked[i].used);
	assert_int_equal(blk_back_inflight(p->b), 0);
	blk_back_trim(p->b, 0);
	blk_front_abandon(p->r->f);
	assert_int_equal(p->r->live, 0);
}

/* What has happened over all seeds, so that nothing is missed unseen. */
static struct {
	uint32_t good, bad, resumes, replays;
} total;

static void one_seed(uint64_t seed)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct blk_front_cfg cfg = rig_cfg();
	uint32_t i;

	p->seed = seed;
	p->errors = pick(p, 2) ? 20 : 0;
	negotiate(p, &cfg.conn);
	cfg.conn.indirect_max = 256; /* room for all that may come */
	p->cfg.indirect_max = 256;
	cfg.pages = 1 + pick(p, 60);
	cfg.depth = 1 + pick(p, ZONES);
	p->r = rig_new(cfg);
	p->r->test = p;
	p->r->on_done = on_done;
	back_start(p, false);
	for (i = 0; i < 1500; i++)
		step(p);
	finish(p);
	total.good += p->good;
	total.bad += p->bad;
	total.resumes += p->resumes;
	total.replays += p->replays;
	assert_true(p->good > 50);
	if (!p->errors)
		assert_int_equal(p->bad, 0);
	assert_int_equal(p->r->events[BLK_FRONT_EV_PINNED], 0);
	rig_free(p->r);
	free(p->engine);
	free(p);
}

static void test_seeds(void **state)
{
	const char *n = getenv("PAIR_SEEDS");
	uint64_t seed, seeds = n ? strtoull(n, NULL, 10) : 16;

	(void)state;
	for (seed = 1; seed <= seeds; seed++)
		one_seed(seed);
	print_message(
		"# %u good, %u failed, %u connections lost, %u replayed\n",
		total.good, total.bad, total.resumes, total.replays);
	assert_true(total.good > 0 && total.bad > 0 && total.resumes > 0 &&
		    total.replays > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
