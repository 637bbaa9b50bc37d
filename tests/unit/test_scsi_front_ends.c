/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/scsi_front, how commands end that do not simply succeed: lies, ABORT,
 * RESET, suspend, and what is submitted meanwhile.
 */
#include "tests/unit/test_scsi_front_rig.h"

/* -------------------------------------------------- responses that lie */

static void lie_unknown(struct rig *r)
{
	respond(r, 5, 0);
}

static void lie_abort(struct rig *r)
{
	respond(r, ABORT + 1, WIRE_SCSI_RESET_SUCCESS);
}

static void lie_beyond(struct rig *r)
{
	respond(r, 2 * FULL, 0);
}

static void lie_far(struct rig *r)
{
	respond(r, 0xffff, 0);
}

static void lie_twice(struct rig *r)
{
	respond(r, 1, 0);
	respond(r, 1, 0);
}

static void lie_sense(struct rig *r)
{
	respond(r, 1, 2)->sense_len = WIRE_SCSI_SENSE + 1;
}

static void lie_too_many(struct rig *r)
{
	ring(r)->rsp_prod = 4;
}

static void lie_backwards(struct rig *r)
{
	ring(r)->rsp_prod = UINT32_MAX;
}

/* Tag 3 was submitted, but is not visible yet. */
static void lie_early(struct rig *r)
{
	struct wire_scsi_rsp *rsp = slot(r, 0);

	assert_int_equal(plain(r, 3), 3);
	memset(rsp, 0, sizeof(*rsp));
	rsp->rqid = 3;
	ring(r)->rsp_prod = 1;
}

static void lie_early_abort(struct rig *r)
{
	struct wire_scsi_rsp *rsp = slot(r, 0);

	assert_int_equal(scsi_front_abort(r->f, 1), 0);
	memset(rsp, 0, sizeof(*rsp));
	rsp->rqid = ABORT + 1;
	rsp->rslt = WIRE_SCSI_RESET_SUCCESS;
	ring(r)->rsp_prod = 1;
}

static const struct {
	const char *what;
	void (*lie)(struct rig *r);
	uint32_t event;
	uint32_t done; /* before it came out */
} lies[] = {
	{"free tag", lie_unknown, SCSI_FRONT_EV_BAD_RQID, 0},
	{"no ABORT", lie_abort, SCSI_FRONT_EV_BAD_RQID, 0},
	{"no tag", lie_beyond, SCSI_FRONT_EV_BAD_RQID, 0},
	{"far away", lie_far, SCSI_FRONT_EV_BAD_RQID, 0},
	{"twice", lie_twice, SCSI_FRONT_EV_BAD_RQID, 1},
	{"sense", lie_sense, SCSI_FRONT_EV_BAD_SENSE, 0},
	{"too many", lie_too_many, SCSI_FRONT_EV_BAD_RING, 0},
	{"backwards", lie_backwards, SCSI_FRONT_EV_BAD_RING, 0},
	{"too early", lie_early, SCSI_FRONT_EV_BAD_RQID, 0},
	{"ABORT too early", lie_early_abort, SCSI_FRONT_EV_BAD_RQID, 0},
};

static void no_submit_any_more(struct rig *r, const struct owned_result *o)
{
	struct scsi_front_cmd c = rig_cmd(0, NONE, NULL, 0);
	int rc = scsi_front_submit(r->f, &c);

	if (o->res.host == WIRE_SCSI_HOST_ERROR)
		assert_int_equal(rc, XPV_EPROTO);
	if (o->res.host == WIRE_SCSI_HOST_RESET)
		assert_int_equal(rc, XPV_ECANCELED);
	if (o->res.host != WIRE_SCSI_HOST_OK)
		assert_int_equal(scsi_front_resume(r->f, r->mem[RING_FRAME], 0),
				 XPV_EBUSY);
}

static void every_lie_stops(void **state)
{
	struct front_piece p[2];
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(lies); i++) {
		struct rig *r = rig_new(26, 2);
		uint32_t notifies;

		print_message("# %s\n", lies[i].what);
		rig_pieces(r, p, 0, 1, 0, 512);
		rig_pieces(r, p + 1, 1, 1, 1, 512);
		submit(r, 0, IN, p, 1);
		submit(r, 1, IN, p + 1, 1);
		plain(r, 2);
		scsi_front_flush(r->f);
		if (lies[i].done == 0)
			r->on_done = no_submit_any_more;
		lies[i].lie(r);
		assert_true(scsi_front_has_work(r->f));
		assert_int_equal(scsi_front_poll(r->f, FULL), XPV_EPROTO);
		assert_int_equal(r->events[lies[i].event], 1);
		assert_in_range(r->results, 3, 4);
		assert_int_equal(r->result[lies[i].done].res.host,
				 WIRE_SCSI_HOST_ERROR);
		assert_int_equal(r->live, 0);
		assert_int_equal(scsi_front_inflight(r->f), 0);
		/* From now on. */
		r->on_done = NULL;
		notifies = r->notifies;
		assert_int_equal(scsi_front_poll(r->f, 1), XPV_EPROTO);
		assert_int_equal(submit(r, 9, NONE, NULL, 0), XPV_EPROTO);
		assert_int_equal(scsi_front_abort(r->f, 1), XPV_EPROTO);
		assert_int_equal(scsi_front_reset(r->f, lun, 1), XPV_EPROTO);
		scsi_front_flush(r->f);
		assert_int_equal(r->notifies, notifies);
		assert_false(scsi_front_arm(r->f));
		assert_false(scsi_front_has_work(r->f));
		/* Until it is connected anew. */
		assert_int_equal(scsi_front_resume(r->f, r->mem[RING_FRAME], 0),
				 0);
		assert_int_equal(submit(r, 10, IN, p + 1, 1), 0);
		answer(r, 0, 0);
		assert_int_equal(result(r, 10)->host, 0);
		rig_free(r);
	}
}

/* ---------------------------------------------------------------- ABORT */

static void abort_and_its_answers(void **state)
{
	struct rig *r = rig_new(26, 1);
	struct wire_scsi_req want = {
		.rqid = ABORT + 1,
		.act = WIRE_SCSI_ACT_ABORT,
		.id = 1,
		.lun = 2,
		.ref_rqid = 1,
		.sc_data_direction = NONE,
	};

	(void)state;
	assert_int_equal(scsi_front_abort(r->f, 0), XPV_ENOENT);
	assert_int_equal(scsi_front_abort(r->f, FULL), XPV_ENOENT);
	plain(r, 0);
	plain(r, 1);
	assert_int_equal(scsi_front_abort(r->f, 1), 0);
	assert_int_equal(scsi_front_abort(r->f, 1), 0); /* once is enough */
	assert_memory_equal(last(r), &want, sizeof(want));
	assert_int_equal(ring(r)->req_prod, 3);
	/* The command's own answer first, as backends do. */
	answer(r, 1, WIRE_SCSI_HOST_ABORT << 16);
	assert_int_equal(result(r, 1)->host, WIRE_SCSI_HOST_ABORT);
	assert_int_equal(plain(r, 2), 2); /* 1 is not free yet */
	assert_int_equal(scsi_front_abort(r->f, 1), XPV_ENOENT);
	answer(r, ABORT + 1, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 1);
	assert_int_equal(plain(r, 3), 1);
	/* It fails, the command goes on; then another one. */
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	last(r);
	answer(r, ABORT, WIRE_SCSI_RESET_FAILED);
	assert_int_equal(r->results, 1);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_ABORT);
	answer(r, 0, 0);
	assert_int_equal(result(r, 0)->host, 0);
	answer(r, ABORT, WIRE_SCSI_HOST_NO_CONNECT << 16);
	assert_int_equal(r->events[SCSI_FRONT_EV_UNANSWERED], 0);
	rig_free(r);
}

/* The kernel's backend never answers a command that it has aborted. */
static void an_aborted_command_is_lost(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[2];
	unsigned i;

	(void)state;
	rig_pieces(r, p, 0, 2, 1, 2048);
	assert_int_equal(submit(r, 0, IN, p, 2), 0);
	memset(granted(r, last(r)->seg[0].gref), 3, 4096);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	last(r);
	answer(r, ABORT, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(result(r, 0)->host, WIRE_SCSI_HOST_ABORT);
	assert_int_equal(result(r, 0)->residual, 4096);
	assert_int_equal(p[0].va[0], 0); /* not taken for data */
	assert_int_equal(r->events[SCSI_FRONT_EV_UNANSWERED], 1);
	assert_int_equal(r->live, 0);
	assert_int_equal(scsi_front_inflight(r->f), 0);
	assert_int_equal(scsi_front_abort(r->f, 0), XPV_ENOENT);
	/* Its tag and its slot stay taken .. */
	for (i = 1; i < FULL; i++)
		assert_int_equal(plain(r, i), i);
	assert_int_equal(submit(r, 99, NONE, NULL, 0), XPV_EBUSY);
	/* .. until it is answered after all, and nobody hears of it. */
	answer(r, 0, 0);
	assert_int_equal(r->results, 1);
	assert_int_equal(plain(r, 16), 0);
	/* It ends once only. */
	last(r);
	answer(r, 0, 0);
	assert_int_equal(result(r, 16)->host, 0);
	respond(r, 0, 0);
	assert_int_equal(scsi_front_poll(r->f, 1), XPV_EPROTO);
	rig_free(r);
}

/* All slots are taken: the ABORT waits, and comes before new commands. */
static void an_abort_that_waits(void **state)
{
	struct rig *r = rig_new(26, 1);
	unsigned i;

	(void)state;
	for (i = 0; i < FULL; i++)
		plain(r, i);
	assert_int_equal(scsi_front_abort(r->f, 3), 0);
	assert_int_equal(scsi_front_abort(r->f, 4), 0);
	assert_int_equal(scsi_front_abort(r->f, 3), 0);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_CDB);
	/* One of them is answered: its ABORT is not needed any more. */
	answer(r, 4, 0);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_ABORT);
	assert_int_equal(last(r)->ref_rqid, 3);
	assert_int_equal(submit(r, 20, NONE, NULL, 0), XPV_EBUSY);
	answer(r, 3, 0);
	answer(r, ABORT + 3, WIRE_SCSI_RESET_FAILED);
	assert_int_equal(plain(r, 20), 3);
	assert_int_equal(plain(r, 21), 4);
	rig_free(r);
}

static void submit_another(struct rig *r, const struct owned_result *o)
{
	struct scsi_front_cmd c = rig_cmd(o->cookie + 100, NONE, NULL, 0);

	r->test = (void *)(intptr_t)scsi_front_submit(r->f, &c);
}

/* done() submits, but the ABORT was there before. */
static void an_abort_is_not_overtaken(void **state)
{
	struct rig *r = rig_new(26, 1);
	unsigned i;

	(void)state;
	for (i = 0; i < FULL; i++)
		plain(r, i);
	assert_int_equal(scsi_front_abort(r->f, 3), 0);
	last(r);
	r->on_done = submit_another;
	answer(r, 9, 0);
	assert_int_equal((intptr_t)r->test, XPV_EBUSY);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_ABORT);
	answer(r, 10, 0);
	assert_int_equal((intptr_t)r->test, 9);
	rig_free(r);
}

/* A command in passes: none is sent after an ABORT was asked for. */
static void abort_between_passes(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[8];
	unsigned i;

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 3072);
	submit(r, 1, IN, p, 8);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	last(r);
	answer(r, 0, 0);
	assert_int_equal(result(r, 1)->host, WIRE_SCSI_HOST_ABORT);
	assert_int_equal(result(r, 1)->residual, 8 * 3072 - 8192);
	assert_int_equal(r->live, 0);
	assert_int_equal(ring(r)->req_prod, 2);
	answer(r, ABORT, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 1);
	/* The ABORT itself had no slot yet. */
	submit(r, 2, IN, p, 8);
	for (i = 1; i < FULL; i++)
		plain(r, i);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	last(r);
	answer(r, 0, 0);
	assert_int_equal(result(r, 2)->host, WIRE_SCSI_HOST_ABORT);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_CDB);
	/* And the next pass had none, because of somebody else's ABORT. */
	submit(r, 3, IN, p, 8);
	assert_int_equal(scsi_front_abort(r->f, 5), 0);
	last(r);
	answer(r, 0, 0);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_ABORT);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	assert_int_equal(scsi_front_poll(r->f, 1), 0);
	assert_int_equal(result(r, 3)->host, WIRE_SCSI_HOST_ABORT);
	assert_int_equal(result(r, 3)->residual, 8 * 3072 - 8192);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

/* The next pass had no slot, and gets the next one. */
static void a_pass_that_waits(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[8];
	unsigned i;

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 3072);
	submit(r, 30, OUT, p, 8);
	for (i = 1; i < FULL; i++)
		plain(r, i);
	assert_int_equal(scsi_front_abort(r->f, 5), 0);
	last(r);
	answer(r, 0, 0);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_ABORT);
	answer(r, 6, 0);
	assert_int_equal(last(r)->rqid, 0);
	assert_int_equal(lba_of(last(r)), 16);
	answer(r, 0, 0);
	answer(r, 0, 0);
	assert_int_equal(result(r, 30)->residual, 0);
	rig_free(r);
}

/* ---------------------------------------------------------------- RESET */

static void reset_and_its_answers(void **state)
{
	static const struct {
		int32_t rslt;
		uint8_t host;
	} cases[] = {
		{WIRE_SCSI_RESET_SUCCESS, WIRE_SCSI_HOST_OK},
		{WIRE_SCSI_RESET_FAILED, WIRE_SCSI_HOST_ERROR},
		{0, WIRE_SCSI_HOST_ERROR},
		{2, WIRE_SCSI_HOST_ERROR},
		{WIRE_SCSI_HOST_NO_CONNECT << 16, WIRE_SCSI_HOST_NO_CONNECT},
		{0x01000000, WIRE_SCSI_HOST_NO_CONNECT},
		{0x04000000, WIRE_SCSI_HOST_ERROR},
	};
	struct rig *r = rig_new(26, 1);
	struct wire_scsi_req want = {
		.act = WIRE_SCSI_ACT_RESET,
		.id = 1,
		.lun = 2,
		.sc_data_direction = NONE,
	};
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		assert_int_equal(scsi_front_reset(r->f, lun, 40 + i), 0);
		assert_int_equal(scsi_front_inflight(r->f), 1);
		assert_memory_equal(last(r), &want, sizeof(want));
		assert_int_equal(scsi_front_abort(r->f, 0), XPV_ENOENT);
		answer(r, 0, cases[i].rslt);
		assert_int_equal(result(r, 40 + i)->host, cases[i].host);
		assert_int_equal(result(r, 40 + i)->status, 0);
		assert_int_equal(result(r, 40 + i)->residual, 0);
	}
	rig_free(r);
}

/* A RESET that has succeeded ends what was sent before, to this LUN. */
static void victims(void **state)
{
	struct rig *r = rig_new(26, 1);
	struct scsi_front_cmd c = rig_cmd(3, NONE, NULL, 0);

	(void)state;
	plain(r, 0);
	plain(r, 1);
	plain(r, 2);
	c.addr.lun = 7;
	assert_int_equal(scsi_front_submit(r->f, &c), 3);
	/* Others' with parts of its address, and then gone again. */
	c.cookie = 8;
	c.addr = (struct scsi_addr){1, 1, 2};
	assert_int_equal(scsi_front_submit(r->f, &c), 4);
	c.addr = (struct scsi_addr){0, 2, 2};
	assert_int_equal(scsi_front_submit(r->f, &c), 5);
	assert_int_equal(scsi_front_reset(r->f, lun, 49), 6);
	last(r);
	answer(r, 4, 0);
	answer(r, 5, 0);
	assert_int_equal(result(r, 8)->host, 0);
	answer(r, 6, WIRE_SCSI_RESET_FAILED);
	assert_int_equal(scsi_front_reset(r->f, lun, 50), 4);
	assert_int_equal(scsi_front_reset(r->f, lun, 51), 5);
	plain(r, 6); /* after it */
	last(r);
	answer(r, 1, 0); /* with its own result */
	assert_int_equal(result(r, 1)->host, 0);
	plain(r, 7); /* has its tag, and is new */
	last(r);
	r->results = 0;
	answer(r, 4, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 3);
	assert_int_equal(r->result[0].cookie, 0);
	assert_int_equal(r->result[0].res.host, WIRE_SCSI_HOST_RESET);
	assert_int_equal(r->result[1].cookie, 2);
	assert_int_equal(result(r, 50)->host, WIRE_SCSI_HOST_OK);
	assert_int_equal(r->events[SCSI_FRONT_EV_UNANSWERED], 2);
	/* The second RESET: nobody is left. */
	answer(r, 5, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 4);
	answer(r, 1, 0);
	assert_int_equal(result(r, 7)->host, 0);
	answer(r, 0, WIRE_SCSI_HOST_RESET << 16); /* late */
	assert_int_equal(r->results, 5);
	assert_int_equal(scsi_front_inflight(r->f), 2); /* 3 and 6 */
	rig_free(r);
}

/* One that fails ends nothing, and is forgotten. */
static void victims_of_a_failure(void **state)
{
	struct rig *r = rig_new(26, 2);
	struct front_piece p[8];

	(void)state;
	rig_pieces(r, p, 0, 8, 1, 3072);
	submit(r, 0, IN, p, 8);
	assert_int_equal(scsi_front_reset(r->f, lun, 50), 1);
	last(r);
	answer(r, 1, WIRE_SCSI_RESET_FAILED);
	answer(r, 0, 0); /* the next pass follows */
	assert_int_equal(r->results, 1);
	assert_int_equal(lba_of(last(r)), 16);
	/* While one is on its way, no pass is sent. */
	assert_int_equal(scsi_front_reset(r->f, lun, 51), 1);
	last(r);
	answer(r, 0, 0);
	assert_int_equal(result(r, 0)->host, WIRE_SCSI_HOST_RESET);
	assert_int_equal(result(r, 0)->residual, 8 * 3072 - 16384);
	answer(r, 1, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(result(r, 51)->host, 0);
	assert_int_equal(r->live, 0);
	rig_free(r);
}

/* A victim whose ABORT waits, or is out. */
static void victim_with_abort(void **state)
{
	struct rig *r = rig_new(26, 1);
	unsigned i;

	(void)state;
	plain(r, 0);
	assert_int_equal(scsi_front_reset(r->f, lun, 50), 1);
	assert_int_equal(scsi_front_abort(r->f, 0), 0);
	last(r);
	answer(r, 1, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->result[0].res.host, WIRE_SCSI_HOST_RESET);
	answer(r, ABORT, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 2);
	answer(r, 0, 0);
	r->results = 0;
	/* It waits: not needed any more. */
	for (i = 0; i < FULL - 1; i++)
		plain(r, i);
	assert_int_equal(scsi_front_reset(r->f, lun, 51), 15);
	assert_int_equal(scsi_front_abort(r->f, 2), 0);
	last(r);
	answer(r, 15, WIRE_SCSI_RESET_SUCCESS);
	assert_int_equal(r->results, 16);
	assert_int_equal(last(r)->act, WIRE_SCSI_ACT_RESET);
	/* One slot is always left. */
	assert_int_equal(plain(r, 60), 15);
	assert_int_equal(submit(r, 61, NONE, NULL, 0), XPV_EBUSY);
	rig_free(r);
}

/* ------------------------------------------------------ suspend, resume */

static void suspend_with_everything(struct rig *r, bool gone)
{
	struct front_piece p[64];
	uint64_t revokes;

	rig_pieces(r, p, 0, 64, 0, 4096);
	submit(r, 0, IN, p, 30); /* a list */
	rig_pieces(r, p, 0, 64, 1, 3072);
	submit(r, 1, OUT, p, 8); /* in passes */
	last(r);
	answer(r, 1, 0); /* in the middle */
	assert_int_equal(scsi_front_reset(r->f, lun, 2), 2);
	plain(r, 3);
	plain(r, 4);
	assert_int_equal(scsi_front_abort(r->f, 3), 0);
	assert_int_equal(scsi_front_abort(r->f, 4), 0);
	last(r);
	answer(r, ABORT + 4, WIRE_SCSI_RESET_SUCCESS); /* lost */
	r->results = 0;
	revokes = r->revokes;
	r->on_done = no_submit_any_more;
	assert_int_equal(scsi_front_resume(r->f, r->mem[RING_FRAME], 0),
			 XPV_EBUSY);
	scsi_front_suspend(r->f, gone);
	r->on_done = NULL;
	assert_int_equal(r->results, 4);
	assert_int_equal(r->result[0].res.host, WIRE_SCSI_HOST_RESET);
	assert_int_equal(r->result[1].res.host, WIRE_SCSI_HOST_RESET);
	assert_int_equal(r->result[2].cookie, 2);
	assert_int_equal(r->result[0].res.residual, 30 * 4096);
	assert_int_equal(r->revokes - revokes, gone ? 0 : 33);
	assert_int_equal(scsi_front_inflight(r->f), 0);
}

static void suspend_and_resume(void **state)
{
	struct front_piece p[64];
	unsigned gone, i;

	(void)state;
	for (gone = 0; gone < 2; gone++) {
		struct rig *r = rig_new(40, 2);

		suspend_with_everything(r, gone);
		assert_int_equal(submit(r, 9, NONE, NULL, 0), XPV_ECANCELED);
		assert_int_equal(scsi_front_abort(r->f, 1), XPV_ECANCELED);
		assert_int_equal(scsi_front_reset(r->f, lun, 1), XPV_ECANCELED);
		ring(r)->rsp_prod = 77; /* nobody looks there any more */
		assert_int_equal(scsi_front_poll(r->f, 1), 0);
		assert_false(scsi_front_arm(r->f));
		assert_false(scsi_front_has_work(r->f));
		scsi_front_suspend(r->f, gone); /* again is nothing */
		if (gone) {
			memset(r->grant, 0, sizeof(r->grant));
			memset(r->shared, 0, sizeof(r->shared));
			r->live = 0;
		}
		/* Another backend, that has fewer segments. */
		assert_int_equal(scsi_front_resume(r->f, r->mem[RING_FRAME], 0),
				 0);
		assert_int_equal(ring(r)->rsp_prod, 0);
		rig_pieces(r, p, 0, 64, 0, 512);
		for (i = 0; i < FULL; i++) /* all tags, no pages lost */
			assert_int_equal(submit(r, i, IN, p, 1), i);
		for (i = 0; i < FULL; i++)
			answer(r, i, 0);
		rig_pieces(r, p, 0, 64, 0, 256);
		assert_int_equal(submit(r, 1, IN, p, 30), 0);
		assert_int_equal(last(r)->nr_segments, 2); /* bounced */
		answer(r, 0, 0);
		/* And one that has more than there is memory for. */
		scsi_front_suspend(r->f, false);
		assert_int_equal(
			scsi_front_resume(r->f, r->mem[RING_FRAME], 65535), 0);
		rig_pieces(r, p, 0, 64, 0, 512);
		assert_int_equal(submit(r, 1, IN, p, 40), 0);
		assert_int_equal(last(r)->seg[0].length, 40 * 8);
		assert_int_equal(submit(r, 2, IN, p, 41), 1);
		assert_int_equal(last(r)->nr_segments, 2); /* bounced */
		rig_free(r);
	}
}

/* Owners that go on from inside of done(). */
static void done_submits(void **state)
{
	struct rig *r = rig_new(26, 1);
	unsigned i;

	(void)state;
	r->on_done = submit_another;
	plain(r, 0);
	for (i = 0; i < 40; i++) {
		last(r);
		answer(r, 0, 0);
		assert_int_equal((intptr_t)r->test, 0);
		assert_int_equal(r->result[i].cookie, i * 100);
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lie_stops),
		cmocka_unit_test(abort_and_its_answers),
		cmocka_unit_test(an_aborted_command_is_lost),
		cmocka_unit_test(an_abort_that_waits),
		cmocka_unit_test(an_abort_is_not_overtaken),
		cmocka_unit_test(abort_between_passes),
		cmocka_unit_test(a_pass_that_waits),
		cmocka_unit_test(reset_and_its_answers),
		cmocka_unit_test(victims),
		cmocka_unit_test(victims_of_a_failure),
		cmocka_unit_test(victim_with_abort),
		cmocka_unit_test(suspend_and_resume),
		cmocka_unit_test(done_submits),
	};

	return cmocka_run_group_tests_name("scsi_front_ends", tests, NULL,
					   NULL);
}
