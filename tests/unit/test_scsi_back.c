/* SPDX-License-Identifier: BSD-2-Clause */
/* core/scsi_back between a hand-made frontend and a recording host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/scsi_back.h"

#define SEGS_MAX 256u
#define EVENTS	 7u

/* One guest's ring and one host. */
struct world {
	_Alignas(4096) uint8_t page[4096];
	struct wire_ring *ring;
	uint32_t rsp_cons;
	struct scsi_back *b;
	void *mem;
	_Alignas(16) uint8_t journal[8192];
	/* what the host was asked */
	struct scsi_back_cmd cmd[64];
	struct wire_scsi_seg segs[64][SEGS_MAX];
	unsigned cmds, notifies, fetches, pieces;
	uint16_t cancelled[64];
	unsigned cancels;
	unsigned events[EVENTS];
	/* what fetch finds, and which piece of it fails */
	struct wire_scsi_seg list[26 * 512];
	int fail_piece;
};

static void on_submit(void *host, const struct scsi_back_cmd *cmd)
{
	struct world *w = host;

	assert_true(w->cmds < 64);
	w->cmd[w->cmds] = *cmd;
	if (cmd->nsegs)
		memcpy(w->segs[w->cmds], cmd->segs,
		       cmd->nsegs * sizeof(*cmd->segs));
	w->cmds++;
}

static void on_cancel(void *host, uint16_t tag)
{
	struct world *w = host;

	w->cancelled[w->cancels++] = tag;
}

/* Descriptor page G holds the elements of list from G * 512 on. */
static void on_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct world *w = host;
	uint32_t i;

	w->fetches++;
	for (i = 0; i < n; i++, w->pieces++) {
		f[i].ok = (int)w->pieces != w->fail_piece;
		if (f[i].ok)
			memcpy(f[i].to,
			       (uint8_t *)(w->list + (size_t)f[i].gref * 512) +
				       f[i].offset,
			       f[i].len);
	}
}

static void on_notify(void *host)
{
	((struct world *)host)->notifies++;
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	(void)a;
	(void)b;
	assert_true(event < EVENTS);
	((struct world *)host)->events[event]++;
}

static const struct scsi_back_ops ops = {
	.submit = on_submit,
	.cancel = on_cancel,
	.fetch = on_fetch,
	.notify = on_notify,
	.trace = on_trace,
};

/* An engine over the ring as it is. */
static void start(struct world *w, bool resume)
{
	const struct scsi_back_cfg cfg = {
		.shared = w->page,
		.segs_max = SEGS_MAX,
		.journal = w->journal,
		.resume = resume,
	};

	assert_true(scsi_back_journal_size() <= sizeof(w->journal));
	assert_int_equal(scsi_back_init(&w->b, w->mem, scsi_back_size(SEGS_MAX),
					&cfg, &ops, w),
			 0);
}

static int setup(void **state)
{
	struct world *w = aligned_alloc(4096, (sizeof(*w) + 4095) & ~4095ul);

	memset(w, 0, sizeof(*w));
	w->fail_piece = -1;
	w->ring = (struct wire_ring *)w->page;
	w->ring->req_event = 1;
	w->ring->rsp_event = 1;
	w->mem = malloc(scsi_back_size(SEGS_MAX));
	start(w, false);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	free(w->mem);
	free(w);
	return 0;
}

/* The next request slot, emptied and already counted in req_prod. */
static struct wire_scsi_req *request(struct world *w, uint8_t act,
				     uint16_t rqid)
{
	struct wire_scsi_req *r =
		(struct wire_scsi_req *)(w->page + 64 +
					 (w->ring->req_prod++ % 16) * 252);

	memset(r, 0, sizeof(*r));
	r->act = act;
	r->rqid = rqid;
	r->cmd_len = 6;
	r->sc_data_direction = WIRE_SCSI_DIR_NONE;
	return r;
}

/* The next response, or NULL. */
static const struct wire_scsi_rsp *response(struct world *w)
{
	if (w->rsp_cons == w->ring->rsp_prod)
		return NULL;
	return (const struct wire_scsi_rsp *)(w->page + 64 +
					      (w->rsp_cons++ % 16) * 252);
}

static void expect(struct world *w, uint16_t rqid, int32_t rslt)
{
	const struct wire_scsi_rsp *r = response(w);

	assert_non_null(r);
	assert_int_equal(r->rqid, rqid);
	assert_int_equal(r->rslt, rslt);
}

static void good(struct world *w, uint16_t tag)
{
	struct scsi_back_result res = {.host = WIRE_SCSI_HOST_OK};

	scsi_back_complete(w->b, tag, &res);
}

static void test_init(void **state)
{
	struct world *w = *state;
	struct scsi_back *b;
	size_t len = scsi_back_size(SEGS_MAX);

	struct scsi_back_cfg cfg = {.shared = w->page, .segs_max = SEGS_MAX};

	assert_int_equal(scsi_back_init(&b, w->mem, len - 1, &cfg, &ops, w),
			 XPV_ENOMEM);
	assert_int_equal(scsi_back_init(&b, w->mem, len, &cfg, &ops, w), 0);
	cfg.segs_max = 25;
	assert_int_equal(scsi_back_init(&b, w->mem, len, &cfg, &ops, w),
			 XPV_EINVAL);
	cfg.segs_max = 1025;
	assert_int_equal(scsi_back_init(&b, w->mem, len, &cfg, &ops, w),
			 XPV_EINVAL);
	cfg.segs_max = SEGS_MAX;
	cfg.resume = true; /* there is none: its memory is what was here */
	memset(w->mem, 0, len);
	assert_int_equal(scsi_back_init(&b, w->mem, len, &cfg, &ops, w),
			 XPV_EPROTO);
}

static void test_one_command(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r = request(w, WIRE_SCSI_ACT_CDB, 7);
	const uint8_t sense[] = {0x70, 0, 5};
	struct scsi_back_result res = {
		.status = 2, .sense_len = 3, .sense = sense, .residual = 9};
	const struct wire_scsi_rsp *rsp;

	r->cmnd[0] = 0x28;
	r->cmd_len = 10;
	r->channel = 1;
	r->id = 2;
	r->lun = 3;
	r->sc_data_direction = WIRE_SCSI_DIR_IN;
	r->nr_segments = 3;
	r->seg[0] = (struct wire_scsi_seg){11, 512, 3584};
	r->seg[1] = (struct wire_scsi_seg){12, 0, 0}; /* dropped */
	r->seg[2] = (struct wire_scsi_seg){13, 0, 4096};
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	assert_int_equal(w->cmds, 1);
	assert_int_equal(w->cmd[0].act, SCSI_BACK_CDB);
	assert_int_equal(w->cmd[0].cdb[0], 0x28);
	assert_int_equal(w->cmd[0].cdb_len, 10);
	assert_int_equal(w->cmd[0].addr.channel, 1);
	assert_int_equal(w->cmd[0].addr.id, 2);
	assert_int_equal(w->cmd[0].addr.lun, 3);
	assert_int_equal(w->cmd[0].nsegs, 2);
	assert_int_equal(w->cmd[0].len, 7680);
	assert_int_equal(w->segs[0][1].gref, 13);
	assert_null(response(w));
	assert_int_equal(scsi_back_inflight(w->b), 1);
	scsi_back_complete(w->b, w->cmd[0].tag, &res);
	assert_null(response(w)); /* published by the poll */
	assert_true(scsi_back_has_work(w->b));
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	assert_int_equal(w->notifies, 0);
	scsi_back_flush(w->b);
	scsi_back_flush(w->b); /* once */
	assert_int_equal(w->notifies, 1);
	rsp = response(w);
	assert_non_null(rsp);
	assert_int_equal(rsp->rqid, 7);
	assert_int_equal(rsp->rslt, 2);
	assert_int_equal(rsp->residual_len, 9);
	assert_int_equal(rsp->sense_len, 3);
	assert_memory_equal(rsp->sense, sense, 3);
	assert_int_equal(rsp->sense[3], 0);
	assert_int_equal(scsi_back_inflight(w->b), 0);
}

/* Sixteen at once, answered backwards, one notification. */
static void test_batch(void **state)
{
	struct world *w = *state;
	unsigned i;

	for (i = 0; i < 16; i++)
		request(w, WIRE_SCSI_ACT_CDB, (uint16_t)i);
	assert_int_equal(scsi_back_poll(w->b, 5), 5); /* the budget holds */
	assert_int_equal(scsi_back_poll(w->b, 16), 11);
	for (i = 16; i-- > 0;)
		good(w, w->cmd[i].tag);
	w->ring->rsp_event = 1;
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	assert_int_equal(scsi_back_poll(w->b, 16), 0); /* owed all the same */
	scsi_back_flush(w->b);
	assert_int_equal(w->notifies, 1);
	for (i = 16; i-- > 0;)
		expect(w, (uint16_t)i, 0);
	assert_null(response(w));
}

#define ACT  SCSI_BACK_EV_BAD_ACT
#define CDB  SCSI_BACK_EV_BAD_CDB
#define DIR  SCSI_BACK_EV_BAD_DIR
#define SEGS SCSI_BACK_EV_BAD_SEGS
#define SEG  SCSI_BACK_EV_BAD_SEG

/* Requests that are wrong in themselves, and what the host hears of each. */
static const struct {
	const char *what;
	uint8_t act, cmd_len, dir, nr;
	struct wire_scsi_seg seg;
	uint32_t event;
} wrong[] = {
	{"act 0", 0, 6, 3, 0, {0}, ACT},
	{"SG_PRESET", 4, 6, 3, 0, {0}, ACT},
	{"act 255", 255, 6, 3, 0, {0}, ACT},
	{"no CDB", 1, 0, 3, 0, {0}, CDB},
	{"long CDB", 1, 17, 3, 0, {0}, CDB},
	{"direction", 1, 6, 4, 0, {0}, DIR},
	{"27 segments", 1, 6, 2, 27, {0}, SEGS},
	{"127 segments", 1, 6, 2, 127, {0}, SEGS},
	{"past page", 1, 6, 2, 1, {1, 1, 4096}, SEG},
	{"wraps", 1, 6, 2, 1, {1, 0xffff, 0xffff}, SEG},
	{"offset", 1, 6, 2, 1, {1, 4097, 0}, SEG},
	{"no page", 1, 6, 2, 0x80, {0}, SEGS},
	{"27 pages", 1, 6, 2, 0x9b, {0}, SEGS},
	{"odd list", 1, 6, 2, 0x81, {0, 0, 12}, SEG},
	{"list out", 1, 6, 2, 0x81, {0, 8, 4096}, SEG},
	{"list at end", 1, 6, 2, 0x81, {0, 4096, 8}, SEG},
	{"long list", 1, 6, 2, 0x81, {0, 0, 2056}, SEGS},
};

static void test_bad_requests(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r;
	unsigned i, before;

	for (i = 0; i < XPV_ARRAY_SIZE(wrong); i++) {
		print_message("# %s\n", wrong[i].what);
		r = request(w, wrong[i].act, (uint16_t)(100 + i));
		r->cmd_len = wrong[i].cmd_len;
		r->sc_data_direction = wrong[i].dir;
		r->nr_segments = wrong[i].nr;
		r->seg[0] = wrong[i].seg;
		before = w->events[wrong[i].event];
		assert_int_equal(scsi_back_poll(w->b, 16), 1);
		assert_int_equal(w->events[wrong[i].event], before + 1);
		expect(w, (uint16_t)(100 + i), WIRE_SCSI_HOST_ERROR << 16);
		assert_int_equal(w->cmds, 0);
		assert_int_equal(scsi_back_inflight(w->b), 0);
	}
}

/* Lists on several pages, fetched in one go for several requests. */
static void test_sg_grant(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r;
	unsigned i, k;

	for (i = 0; i < 26 * 512; i++)
		w->list[i] = (struct wire_scsi_seg){1000 + i, 0, 4096};
	for (k = 0; k < 3; k++) {
		r = request(w, WIRE_SCSI_ACT_CDB, (uint16_t)k);
		r->sc_data_direction = WIRE_SCSI_DIR_OUT;
		r->nr_segments = WIRE_SCSI_SG_GRANT | 2;
		r->seg[0] = (struct wire_scsi_seg){k, 3200, 112 * 8};
		r->seg[1] = (struct wire_scsi_seg){k + 1, 0, 144 * 8};
	}
	w->fail_piece = 3; /* the second request's second page */
	assert_int_equal(scsi_back_poll(w->b, 16), 3);
	assert_int_equal(w->fetches, 1);
	assert_int_equal(w->pieces, 6);
	assert_int_equal(w->events[SCSI_BACK_EV_BAD_FETCH], 1);
	assert_int_equal(w->cmds, 2);
	expect(w, 1, WIRE_SCSI_HOST_ERROR << 16);
	for (k = 0; k < 2; k++) {
		assert_int_equal(w->cmd[k].nsegs, 256);
		assert_int_equal(w->cmd[k].len, 256 * 4096);
		assert_int_equal(w->segs[k][0].gref, 1000 + 2 * k * 512 + 400);
		assert_int_equal(w->segs[k][111].gref,
				 1000 + 2 * k * 512 + 511);
		assert_int_equal(w->segs[k][112].gref,
				 1000 + (2 * k + 1) * 512);
		good(w, w->cmd[k].tag);
	}
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 0, 0);
	expect(w, 2, 0);
}

/* A fetch that fails at any one piece fails that request and no other. */
static void test_fetch_nth_failure(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r;
	const struct wire_scsi_rsp *rsp;
	int n, k, bad;

	for (n = 0; n <= 8; n++) {
		w->pieces = 0;
		w->fail_piece = n;
		w->cmds = 0;
		for (k = 0; k < 4; k++) {
			r = request(w, WIRE_SCSI_ACT_CDB, (uint16_t)k);
			r->sc_data_direction = WIRE_SCSI_DIR_IN;
			r->nr_segments = WIRE_SCSI_SG_GRANT | 2;
			r->seg[0].length = 8;
			r->seg[1].length = 8;
		}
		assert_int_equal(scsi_back_poll(w->b, 16), 4);
		assert_int_equal(w->cmds, n < 8 ? 3 : 4);
		for (k = 0; k < (int)w->cmds; k++)
			good(w, w->cmd[k].tag);
		assert_int_equal(scsi_back_poll(w->b, 16), 0);
		for (bad = -1, k = 0; k < 4; k++) {
			rsp = response(w);
			assert_non_null(rsp);
			if (rsp->rslt)
				bad = rsp->rqid;
		}
		assert_int_equal(bad, n < 8 ? n / 2 : -1);
	}
}

static void test_hostile_list(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r = request(w, WIRE_SCSI_ACT_CDB, 1);

	w->list[0] = (struct wire_scsi_seg){1, 0, 4096};
	w->list[1] = (struct wire_scsi_seg){1, 4000, 4096};
	r->sc_data_direction = WIRE_SCSI_DIR_IN;
	r->nr_segments = WIRE_SCSI_SG_GRANT | 1;
	r->seg[0].length = 16;
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	expect(w, 1, WIRE_SCSI_HOST_ERROR << 16);
	assert_int_equal(w->cmds, 0);
}

/* The victim is answered before its ABORT, others go on. */
static void test_abort(void **state)
{
	struct world *w = *state;

	request(w, WIRE_SCSI_ACT_CDB, 1);
	request(w, WIRE_SCSI_ACT_CDB, 2);
	request(w, WIRE_SCSI_ACT_ABORT, 3)->ref_rqid = 1;
	assert_int_equal(scsi_back_poll(w->b, 16), 3);
	assert_int_equal(w->cancels, 1);
	assert_int_equal(w->cancelled[0], w->cmd[0].tag);
	assert_null(response(w));
	good(w, w->cmd[1].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 2, 0);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 1, WIRE_SCSI_HOST_ABORT << 16);
	expect(w, 3, WIRE_SCSI_RESET_SUCCESS);
	assert_null(response(w));
}

/* Nothing to abort; another LUN's command is none of its business. */
static void test_abort_of_nothing(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r;

	request(w, WIRE_SCSI_ACT_CDB, 1)->lun = 5;
	r = request(w, WIRE_SCSI_ACT_ABORT, 2);
	r->ref_rqid = 1;
	request(w, WIRE_SCSI_ACT_ABORT, 3)->ref_rqid = 99;
	assert_int_equal(scsi_back_poll(w->b, 16), 3);
	expect(w, 2, WIRE_SCSI_RESET_SUCCESS);
	expect(w, 3, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(w->cancels, 0);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 1, 0);
}

/* Two ABORTs and a RESET wait for one command; all get their answers. */
static void test_waiters(void **state)
{
	struct world *w = *state;

	request(w, WIRE_SCSI_ACT_CDB, 1);
	request(w, WIRE_SCSI_ACT_ABORT, 2)->ref_rqid = 1;
	request(w, WIRE_SCSI_ACT_ABORT, 3)->ref_rqid = 1;
	request(w, WIRE_SCSI_ACT_RESET, 4);
	assert_int_equal(scsi_back_poll(w->b, 16), 4);
	good(w, w->cmd[0].tag);
	assert_int_equal(w->cmds, 2); /* the reset goes to the LUN now */
	assert_int_equal(w->cmd[1].act, SCSI_BACK_RESET);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 1, WIRE_SCSI_HOST_ABORT << 16);
	expect(w, 2, WIRE_SCSI_RESET_SUCCESS);
	expect(w, 3, WIRE_SCSI_RESET_SUCCESS);
	assert_null(response(w));
	good(w, w->cmd[1].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 4, WIRE_SCSI_RESET_SUCCESS);
}

static void test_reset(void **state)
{
	struct world *w = *state;
	struct scsi_back_result gone = {.host = WIRE_SCSI_HOST_NO_CONNECT};

	request(w, WIRE_SCSI_ACT_CDB, 1);
	request(w, WIRE_SCSI_ACT_CDB, 2)->id = 9;
	request(w, WIRE_SCSI_ACT_CDB, 3);
	request(w, WIRE_SCSI_ACT_RESET, 4);
	request(w, WIRE_SCSI_ACT_RESET, 5)->id = 8; /* nothing in flight */
	assert_int_equal(scsi_back_poll(w->b, 16), 5);
	assert_int_equal(w->cancels, 2);
	assert_int_equal(w->cmds, 4);
	assert_int_equal(w->cmd[3].act, SCSI_BACK_RESET);
	assert_int_equal(w->cmd[3].addr.id, 8);
	scsi_back_complete(w->b, w->cmd[3].tag, &gone);
	good(w, w->cmd[0].tag);
	assert_int_equal(w->cmds, 4);
	good(w, w->cmd[2].tag);
	assert_int_equal(w->cmds, 5);
	good(w, w->cmd[4].tag);
	good(w, w->cmd[1].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 5, WIRE_SCSI_RESET_FAILED);
	expect(w, 1, WIRE_SCSI_HOST_RESET << 16);
	expect(w, 3, WIRE_SCSI_HOST_RESET << 16);
	expect(w, 4, WIRE_SCSI_RESET_SUCCESS);
	expect(w, 2, 0);
}

/* A broken ring is left alone; what is in flight ends quietly. */
static void test_broken_ring(void **state)
{
	struct world *w = *state;

	request(w, WIRE_SCSI_ACT_CDB, 1);
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	w->ring->req_prod += 16;
	assert_int_equal(scsi_back_poll(w->b, 16), XPV_EPROTO);
	assert_int_equal(w->events[SCSI_BACK_EV_BAD_RING], 1);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_inflight(w->b), 0);
	assert_int_equal(scsi_back_poll(w->b, 16), XPV_EPROTO);
	assert_int_equal(w->events[SCSI_BACK_EV_BAD_RING], 1);
	assert_int_equal(w->ring->rsp_prod, 0);
	assert_false(scsi_back_arm(w->b));
	assert_false(scsi_back_has_work(w->b));
}

static void test_close(void **state)
{
	struct world *w = *state;

	request(w, WIRE_SCSI_ACT_CDB, 1);
	assert_false(!scsi_back_arm(w->b));
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	assert_false(scsi_back_arm(w->b));
	scsi_back_close(w->b);
	request(w, WIRE_SCSI_ACT_CDB, 2);
	assert_false(scsi_back_has_work(w->b));
	assert_false(scsi_back_arm(w->b));
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 1, 0);
	assert_null(response(w));
}

/* Random slots: never a crash, never more or less than one answer each. */
static void test_random(void **state)
{
	struct world *w = *state;
	uint32_t seed = 1, i, k, n, answered = 0, sent = 0;
	bool busy[SCSI_BACK_TAGS] = {false};
	uint8_t *raw;

	for (i = 0; i < 100000; i++) {
		seed = seed * 1664525u + 1013904223u;
		n = (seed >> 28) % (16 - (sent - answered) + 1);
		for (k = 0; k < n; k++, sent++) {
			raw = (uint8_t *)request(w, 1, 0);
			seed = seed * 1664525u + 1013904223u;
			raw[(seed >> 8) % 252] = (uint8_t)(seed >> 24);
			raw[2] = (uint8_t)(1 + (seed >> 20) % 4);
			raw[seed % 252] = (uint8_t)(seed >> 16);
		}
		w->cmds = 0;
		w->cancels = 0;
		assert_true(scsi_back_poll(w->b, 16) >= 0);
		for (k = 0; k < w->cmds; k++) {
			assert_false(busy[w->cmd[k].tag]);
			busy[w->cmd[k].tag] = true;
		}
		for (k = 0; k < SCSI_BACK_TAGS; k++) {
			seed = seed * 1664525u + 1013904223u;
			if (!busy[k] || seed >> 31)
				continue;
			busy[k] = false;
			w->cmds = 0;
			good(w, (uint16_t)k);
			for (n = 0; n < w->cmds; n++) /* RESETs go on */
				busy[w->cmd[n].tag] = true;
		}
		assert_true(scsi_back_poll(w->b, 0) >= 0);
		while (response(w))
			answered++;
		assert_true(answered <= sent);
	}
	for (k = 0; k < SCSI_BACK_TAGS * 2; k++) {
		w->cmds = 0;
		if (!busy[k % SCSI_BACK_TAGS])
			continue;
		busy[k % SCSI_BACK_TAGS] = false;
		good(w, (uint16_t)(k % SCSI_BACK_TAGS));
		for (n = 0; n < w->cmds; n++)
			busy[w->cmd[n].tag] = true;
	}
	assert_int_equal(scsi_back_poll(w->b, 0), 0);
	while (response(w))
		answered++;
	assert_int_equal(answered, sent);
}

/* The process dies; another one takes over. */
static void take_over(struct world *w)
{
	memset(w->mem, 0xd5, scsi_back_size(SEGS_MAX));
	w->cmds = w->cancels = w->notifies = w->fetches = 0;
	start(w, true);
}

static void test_resume(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		r = request(w, WIRE_SCSI_ACT_CDB, (uint16_t)(10 + i));
		r->cmnd[0] = (uint8_t)i;
		r->lun = 1;
	}
	r->sc_data_direction = WIRE_SCSI_DIR_IN;
	r->nr_segments = WIRE_SCSI_SG_GRANT | 1;
	r->seg[0].length = 8;
	w->list[0].length = 100;
	assert_int_equal(scsi_back_poll(w->b, 16), 4);
	assert_false(w->cmd[0].again);
	/* One answer is seen, one is written only. */
	good(w, w->cmd[1].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 11, 0);
	r = request(w, WIRE_SCSI_ACT_ABORT, 20);
	r->ref_rqid = 10;
	r->lun = 1;
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	assert_int_equal(w->cancels, 1);
	good(w, w->cmd[2].tag);
	assert_null(response(w));
	r = request(w, WIRE_SCSI_ACT_CDB, 30);

	take_over(w);
	assert_true(scsi_back_has_work(w->b));
	assert_int_equal(scsi_back_poll(w->b, 0), 0);
	expect(w, 12, 0);
	assert_null(response(w));
	scsi_back_flush(w->b);
	scsi_back_flush(w->b);
	assert_int_equal(w->notifies, 1);
	/* What was not answered goes on, and the ABORT has its victim. */
	assert_int_equal(w->cmds, 2);
	assert_true(w->cmd[0].again && w->cmd[1].again);
	assert_int_equal(w->cmd[0].cdb[0], 0);
	assert_int_equal(w->cmd[1].cdb[0], 3);
	assert_int_equal(w->cmd[1].len, 100);
	assert_int_equal(w->fetches, 1);
	assert_int_equal(w->cancels, 1);
	assert_int_equal(w->cancelled[0], w->cmd[0].tag);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 1);
	assert_false(w->cmd[2].again);
	expect(w, 10, WIRE_SCSI_HOST_ABORT << 16);
	expect(w, 20, WIRE_SCSI_RESET_SUCCESS);

	/* Once more; nothing new has come, but the guest is told. */
	take_over(w);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	assert_int_equal(w->cmds, 2);
	scsi_back_flush(w->b);
	assert_int_equal(w->notifies, 1);
	good(w, w->cmd[1].tag);
	good(w, w->cmd[0].tag);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 30, 0);
	expect(w, 13, 0);
	assert_null(response(w));
	assert_int_equal(scsi_back_inflight(w->b), 0);
}

/* A request that was refused, but not answered yet, is refused again. */
static void test_resume_refused(void **state)
{
	struct world *w = *state;
	struct wire_scsi_req *r = request(w, 77, 5);
	struct journal j;

	journal_init(&j, w->journal, SCSI_BACK_TAGS, sizeof(*r), 0);
	memcpy(journal_slot(&j, 3), r, sizeof(*r));
	journal_accept(&j, 3, 0);
	take_over(w);
	assert_int_equal(scsi_back_poll(w->b, 16), 0);
	expect(w, 5, WIRE_SCSI_HOST_ERROR << 16);
	assert_int_equal(w->events[SCSI_BACK_EV_BAD_ACT], 1);
	assert_int_equal(w->cmds, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_init),
		CASE(test_one_command),
		CASE(test_batch),
		CASE(test_bad_requests),
		CASE(test_sg_grant),
		CASE(test_fetch_nth_failure),
		CASE(test_hostile_list),
		CASE(test_abort),
		CASE(test_abort_of_nothing),
		CASE(test_waiters),
		CASE(test_reset),
		CASE(test_broken_ring),
		CASE(test_close),
		CASE(test_random),
		CASE(test_resume),
		CASE(test_resume_refused),
	};

	return cmocka_run_group_tests_name("scsi_back", tests, NULL, NULL);
}
