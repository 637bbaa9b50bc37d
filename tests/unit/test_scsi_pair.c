/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/scsi_front and core/scsi_back over one page: random traffic with aborts,
 * resets, errors, kept mappings and suspends, all data checked.
 */
#include "tests/unit/test_scsi_front_rig.h"

#include "core/scsi_back.h"

#define ZONES  12u /* owners of a part of the disk each, and of frames */
#define PLAIN  8u  /* others send commands without data, or resets */
#define OWNERS (ZONES + PLAIN)
#define PAGES  40u  /* of a zone */
#define BLOCKS 320u /* of a zone, 512 bytes each */
#define POISON 0x5a

/* A command that the backend has. */
struct job {
	bool used, cancelled;
	struct scsi_back_cmd cmd;
	struct wire_scsi_seg segs[256];
};

/* What an owner has asked for. */
struct asked {
	bool used, reset;
	uint16_t tag;
	struct scsi_front_cmd cmd;
	struct front_piece piece[PAGES];
	uint32_t lba, len;
	uint8_t data[PAGES * 4096]; /* of a write; of the disk, for a read */
};

struct pair {
	struct rig *r;
	struct scsi_back *b;
	void *engine;
	uint32_t segs_max;
	struct job job[SCSI_BACK_TAGS];
	uint8_t disk[ZONES * BLOCKS * 512];
	struct asked asked[OWNERS];
	bool retired[OWNERS]; /* the backend has kept a page of it */
	uint32_t pins;	      /* that may still be kept */
	uint32_t bounced, multipass, aborts, good, bad, pinned;
	bool suspending;
};

/* --------------------------------------------------------------- backend */

static void on_submit(void *host, const struct scsi_back_cmd *cmd)
{
	struct pair *p = host;
	struct job *j = &p->job[cmd->tag];

	assert_false(j->used);
	*j = (struct job){.used = true, .cmd = *cmd};
	if (cmd->nsegs)
		memcpy(j->segs, cmd->segs, cmd->nsegs * sizeof(*cmd->segs));
	/* Some backends map at once. */
	for (uint32_t i = 0; i < cmd->nsegs; i++)
		p->r->grant[j->segs[i].gref].mapped = true;
}

static void on_cancel(void *host, uint16_t tag)
{
	((struct pair *)host)->job[tag].cancelled = true;
}

static void on_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct pair *p = host;

	for (uint32_t i = 0; i < n; i++) {
		const struct grant *g = &p->r->grant[f[i].gref];

		assert_true(g->live && g->readonly);
		memcpy(f[i].to, p->r->mem[g->frame] + f[i].offset, f[i].len);
		f[i].ok = true;
	}
}

static void on_notify(void *host)
{
	(void)host;
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)host;
	fail_msg("the backend complains: %u %llu %llu", event,
		 (unsigned long long)a, (unsigned long long)b);
}

static const struct scsi_back_ops back_ops = {
	.submit = on_submit,
	.cancel = on_cancel,
	.fetch = on_fetch,
	.notify = on_notify,
	.trace = on_trace,
};

/* Move LEN bytes of the job's data from or to the disk at OFFSET. */
static void move(struct pair *p, struct job *j, uint32_t offset, uint32_t len)
{
	for (uint32_t i = 0; i < j->cmd.nsegs && len; i++) {
		const struct wire_scsi_seg *s = &j->segs[i];
		const struct grant *g = &p->r->grant[s->gref];
		uint8_t *page = p->r->mem[g->frame] + s->offset;
		uint32_t n = s->length < len ? s->length : len;

		assert_true(g->live);
		assert_int_equal(g->readonly, j->cmd.dir == WIRE_SCSI_DIR_OUT);
		if (j->cmd.dir == WIRE_SCSI_DIR_IN)
			memcpy(page, p->disk + offset, n);
		else
			memcpy(p->disk + offset, page, n);
		offset += n;
		len -= n;
	}
}

static void let_go(struct pair *p, struct job *j)
{
	for (uint32_t i = 0; i < j->cmd.nsegs; i++) {
		if (p->pins && pick(p->r, 2000) == 0)
			p->pins--; /* this one it keeps */
		else
			p->r->grant[j->segs[i].gref].mapped = false;
	}
}

/* Execute one job, one of those that are there. */
static bool back_work(struct pair *p)
{
	uint32_t tag = pick(p->r, SCSI_BACK_TAGS), i;
	const uint8_t sense[18] = {0x70, 0, 3};
	struct scsi_back_result res = {.host = 0};
	struct job *j;
	uint32_t lba, len;

	for (i = 0; i < SCSI_BACK_TAGS && !p->job[tag].used; i++)
		tag = (tag + 1) % SCSI_BACK_TAGS;
	j = &p->job[tag];
	if (!j->used)
		return false;
	j->used = false;
	lba = (uint32_t)j->cmd.cdb[2] << 24 | j->cmd.cdb[3] << 16 |
	      j->cmd.cdb[4] << 8 | j->cmd.cdb[5];
	len = j->cmd.len;
	if (len) {
		assert_int_equal(len,
				 (j->cmd.cdb[7] << 8 | j->cmd.cdb[8]) * 512u);
		assert_true(lba * 512ull + len <= sizeof(p->disk));
	}
	for (i = j->cmd.cdb_len; i < 16; i++)
		assert_int_equal(j->cmd.cdb[i], 0);
	if (pick(p->r, 16) == 0) { /* an error in the middle */
		res.status = 2;
		res.sense = sense;
		res.sense_len = sizeof(sense);
		res.residual = len ? pick(p->r, len + 1) : 0;
	} else if (pick(p->r, 32) == 0) { /* and less without one */
		res.residual = len ? pick(p->r, len + 1) : 0;
	} else if (pick(p->r, 32) == 0) {
		res.host = WIRE_SCSI_HOST_BUS_BUSY;
		res.residual = len;
	}
	if (j->cancelled && pick(p->r, 2))
		res.residual = len;
	move(p, j, lba * 512, len - res.residual);
	let_go(p, j);
	scsi_back_complete(p->b, (uint16_t)tag, &res);
	return true;
}

static void back_new(struct pair *p, uint32_t segs_max)
{
	const struct scsi_back_cfg cfg = {.shared = p->r->mem[RING_FRAME],
					  .segs_max = segs_max};
	size_t len = scsi_back_size(segs_max);

	for (uint32_t i = 0; i < SCSI_BACK_TAGS; i++) {
		if (p->job[i].used)
			let_go(p, &p->job[i]);
		p->job[i].used = false;
	}
	free(p->engine);
	p->engine = malloc(len);
	assert_int_equal(
		scsi_back_init(&p->b, p->engine, len, &cfg, &back_ops, p), 0);
}

/* ------------------------------------------------------------------ owner */

/* Random pieces, whole blocks in sum. Returns the bytes. */
static uint32_t cut(struct pair *p, uint32_t zone, struct asked *a)
{
	uint32_t n = pick(p->r, 3) ? pick(p->r, 6) : pick(p->r, PAGES);
	bool odd = pick(p->r, 3) == 0, whole = pick(p->r, 2);
	uint32_t i, len = 0, drop;

	for (i = 0; i < n; i++) {
		struct front_piece *q = &a->piece[i];
		uint32_t offset = pick(p->r, 8) * 512;
		uint32_t bytes = (1 + pick(p->r, 8)) * 512;

		if (whole)
			offset = 0, bytes = 4096;
		if (odd && pick(p->r, 2)) {
			offset = pick(p->r, 4096);
			bytes = 1 + pick(p->r, 4096);
		}
		if (bytes > 4096 - offset)
			bytes = 4096 - offset;
		rig_pieces(p->r, q, zone * PAGES + i, 1, offset, bytes);
		len += bytes;
	}
	drop = len % 512;
	len -= drop;
	while (drop) {
		uint32_t d = a->piece[n - 1].len;

		d = d < drop ? d : drop;
		a->piece[n - 1].len = (uint16_t)(a->piece[n - 1].len - d);
		drop -= d;
		if (a->piece[n - 1].len == 0)
			n--;
	}
	a->cmd.npieces = n;
	return len;
}

static uint8_t *byte_of(struct asked *a, uint32_t *piece, uint32_t *at)
{
	uint8_t *byte = a->piece[*piece].va + *at;

	if (++*at == a->piece[*piece].len) {
		++*piece;
		*at = 0;
	}
	return byte;
}

static void send(struct pair *p, uint32_t owner)
{
	struct asked *a = &p->asked[owner];
	uint32_t i, piece = 0, at = 0, len = 0;
	uint8_t dir = pick(p->r, 2) ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_OUT;
	int rc;

	if (a->used || p->retired[owner])
		return;
	if (owner < ZONES)
		len = cut(p, owner, a);
	if (len == 0)
		a->cmd.npieces = 0;
	a->len = len;
	a->reset = len == 0 && pick(p->r, 4) == 0;
	a->cmd = rig_cmd(owner, dir, a->piece, a->cmd.npieces);
	a->cmd.addr.lun = owner % 3 + 1u;
	if (len) {
		a->lba = owner * BLOCKS + pick(p->r, BLOCKS - len / 512 + 1);
		a->cmd.cdb[4] = (uint8_t)(a->lba >> 8);
		a->cmd.cdb[5] = (uint8_t)a->lba;
		for (i = 0; i < PAGES; i++)
			memset(p->r->mem[OWNER_FRAME + owner * PAGES + i],
			       POISON, 4096);
	}
	for (i = 0; i < len; i++) {
		if (dir == WIRE_SCSI_DIR_IN) {
			a->data[i] = p->disk[a->lba * 512 + i];
		} else {
			a->data[i] = (uint8_t)pick(p->r, 256);
			*byte_of(a, &piece, &at) = a->data[i];
		}
	}
	if (a->reset)
		rc = scsi_front_reset(p->r->f, a->cmd.addr, owner);
	else
		rc = scsi_front_submit(p->r->f, &a->cmd);
	if (rc == XPV_EBUSY || (p->suspending && rc == XPV_ECANCELED))
		return;
	/* No bounce pages are left when the backend has kept them. */
	if (rc == XPV_ENOMEM && p->r->events[SCSI_FRONT_EV_PINNED])
		return;
	assert_in_range(rc, 0, SCSI_FRONT_TAGS - 1);
	for (i = 0; i < OWNERS; i++)
		assert_false(p->asked[i].used && p->asked[i].tag == rc);
	a->used = true;
	a->tag = (uint16_t)rc;
}

static void check_data(struct pair *p, struct asked *a,
		       const struct scsi_front_result *res)
{
	uint32_t i, piece = 0, at = 0, got = a->len - res->residual;
	uint8_t *disk = p->disk + a->lba * 512;

	assert_true(res->residual <= a->len);
	if (a->cmd.dir == WIRE_SCSI_DIR_OUT) {
		assert_memory_equal(disk, a->data, got);
		return;
	}
	for (i = 0; i < got; i++)
		if (*byte_of(a, &piece, &at) != a->data[i])
			fail_msg("byte %u of %u (%u) is wrong", i, got, a->len);
	/*
	 * An answer that is not its own may come after the data did; else
	 * nothing is there that was not transferred.
	 */
	if (res->host != WIRE_SCSI_HOST_OK)
		return;
	for (; i < a->len; i++)
		assert_int_equal(*byte_of(a, &piece, &at), POISON);
}

static void on_done(struct rig *r, const struct owned_result *o)
{
	struct pair *p = r->test;
	struct asked *a = &p->asked[o->cookie];

	assert_true(a->used);
	a->used = false;
	if (a->reset) {
		assert_true(o->res.host == WIRE_SCSI_HOST_OK || p->suspending ||
			    o->res.host == WIRE_SCSI_HOST_ERROR);
		return;
	}
	if (o->res.host == WIRE_SCSI_HOST_OK && o->res.status == 0 &&
	    o->res.residual == 0)
		p->good++;
	else
		p->bad++;
	if (o->res.status == 2) {
		assert_int_equal(o->res.sense_len, 18);
		assert_int_equal(o->res.sense[2], 3);
	}
	if (o->res.pinned) {
		p->retired[o->cookie] = true;
		p->pinned++;
	}
	if (a->len && !(p->suspending && a->cmd.dir == WIRE_SCSI_DIR_OUT))
		check_data(p, a, &o->res);
	/* From inside, too. */
	if (pick(r, 4) == 0)
		send(p, pick(r, OWNERS));
}

static void suspend(struct pair *p, uint32_t segs_max)
{
	bool gone = pick(p->r, 2);
	uint32_t i;

	p->suspending = true;
	if (gone) { /* the domain goes on elsewhere */
		for (i = 0; i < GRANTS; i++)
			p->r->grant[i].live = p->r->grant[i].mapped = false;
		memset(p->r->shared, 0, sizeof(p->r->shared));
		p->r->live = 0;
	} else { /* the backend has gone, and let go of all but some */
		for (i = 0; i < SCSI_BACK_TAGS; i++) {
			if (p->job[i].used)
				let_go(p, &p->job[i]);
			p->job[i].used = false;
		}
	}
	scsi_front_suspend(p->r->f, gone);
	assert_int_equal(scsi_front_inflight(p->r->f), 0);
	assert_int_equal(scsi_front_poll(p->r->f, 16), 0);
	assert_false(scsi_front_arm(p->r->f));
	for (i = 0; i < OWNERS; i++)
		assert_false(p->asked[i].used);
	p->suspending = false;
	assert_int_equal(
		scsi_front_resume(p->r->f, p->r->mem[RING_FRAME], segs_max), 0);
	back_new(p, segs_max < 26 ? 26 : segs_max);
}

static void turn(struct pair *p)
{
	uint32_t i;
	int rc;

	switch (pick(p->r, 8)) {
	case 0:
	case 1:
	case 2:
		send(p, pick(p->r, OWNERS));
		break;
	case 3:
		rc = scsi_front_poll(p->r->f, 1 + pick(p->r, 16));
		assert_true(rc >= 0);
		scsi_front_flush(p->r->f);
		break;
	case 4:
		assert_true(scsi_back_poll(p->b, 1 + pick(p->r, 16)) >= 0);
		break;
	case 5:
	case 6:
		back_work(p);
		break;
	case 7:
		i = pick(p->r, OWNERS);
		if (pick(p->r, 4) || !p->asked[i].used || p->asked[i].reset)
			break;
		p->aborts++;
		assert_int_equal(scsi_front_abort(p->r->f, p->asked[i].tag), 0);
		break;
	}
}

/* Until nothing moves: everything is answered, nothing stays granted. */
static void settle(struct pair *p)
{
	uint32_t i, quiet = 0, kept = 0;

	while (quiet < 4) {
		int n = scsi_front_poll(p->r->f, 16);

		assert_true(n >= 0);
		scsi_front_flush(p->r->f);
		n += scsi_back_poll(p->b, 16);
		n += back_work(p);
		quiet = n ? 0 : quiet + 1;
		p->r->on_done = on_done;
	}
	assert_int_equal(scsi_front_inflight(p->r->f), 0);
	assert_false(scsi_front_has_work(p->r->f));
	for (i = 0; i < OWNERS; i++)
		assert_false(p->asked[i].used);
	for (i = 0; i < GRANTS; i++)
		kept += p->r->grant[i].live;
	assert_int_equal(kept, p->r->events[SCSI_FRONT_EV_PINNED] ? kept : 0);
	assert_int_equal(kept, p->r->live);
}

static void one_life(struct pair *p, uint64_t seed)
{
	static const uint32_t segs[] = {0, 26, 27, 64, 128};
	uint32_t steps = 300;

	memset(p, 0, sizeof(*p));
	p->segs_max = segs[seed % XPV_ARRAY_SIZE(segs)];
	p->r = rig_new(p->segs_max, 1 + (uint32_t)(seed * 7 % 60));
	p->r->seed = seed;
	p->r->test = p;
	p->r->on_done = on_done;
	p->pins = seed % 4 == 0 ? 3 : 0;
	back_new(p, p->segs_max < 26 ? 26 : p->segs_max);
	while (steps--) {
		turn(p);
		if (pick(p->r, 400) == 0)
			suspend(p, segs[pick(p->r, XPV_ARRAY_SIZE(segs))]);
	}
	settle(p);
	assert_int_equal(p->r->events[SCSI_FRONT_EV_BAD_RING] +
				 p->r->events[SCSI_FRONT_EV_BAD_RQID] +
				 p->r->events[SCSI_FRONT_EV_BAD_RESULT] +
				 p->r->events[SCSI_FRONT_EV_BAD_RESIDUAL] +
				 p->r->events[SCSI_FRONT_EV_UNANSWERED],
			 0);
}

static void random_traffic(void **state)
{
	uint32_t good = 0, bad = 0, aborts = 0, pinned = 0, slices = 0;
	struct pair *p = malloc(sizeof(*p));
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 600; seed++) {
		one_life(p, seed);
		good += p->good;
		bad += p->bad;
		aborts += p->aborts;
		pinned += p->pinned;
		slices += p->r->slices;
		free(p->engine);
		rig_free(p->r);
	}
	print_message("# %u good, %u not, %u aborts, %u pinned, %u slices\n",
		      good, bad, aborts, pinned, slices);
	assert_true(good > 1000 && bad > 1000 && aborts > 100 && pinned > 3 &&
		    slices > 1000);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_traffic),
	};

	return cmocka_run_group_tests_name("scsi_pair", tests, NULL, NULL);
}
