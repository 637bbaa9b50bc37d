/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a frontend: a READ that is not answered. A frontend may wait as
 * long as it likes before it sends an abort; the stock Linux driver does after
 * 30 seconds.
 */
#include <inttypes.h>
#include <string.h>

#include "conform/vscsi_front.h"

/* What is done at the abort, and at the reset which may follow. */
struct plan {
	int32_t abort, reset; /* results; 0: not answered */
	int32_t victim;	      /* of the READ, before the abort's; -1: kept
				 until the reset; -2: for ever */
	int64_t late_ms;      /* before the abort is answered */
};

static struct raw_req *find(struct raw_vscsi *k, uint8_t act)
{
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (k->req[i].open && k->req[i].req.act == act)
			return &k->req[i];
	return NULL;
}

/* Keep the first READ, and all that asks for it. */
static bool keep(struct raw_vscsi *k, struct raw_req *r)
{
	if (r->req.act != WIRE_SCSI_ACT_CDB) {
		k->b.since = conform_now();
		return true;
	}
	if (!target_is_read(&r->req) || k->b.step)
		return false;
	k->b.step = 1;
	return true;
}

static void end_task(struct raw_vscsi *k, uint8_t act, int32_t rslt)
{
	const struct plan *plan = k->b.arg;
	struct raw_req *task = find(k, act);
	struct raw_req *victim = find(k, WIRE_SCSI_ACT_CDB);

	if (!task || !rslt || conform_now() < k->b.since + plan->late_ms)
		return;
	if (victim && act == WIRE_SCSI_ACT_RESET && plan->victim == -1)
		raw_answer(k, victim, WIRE_SCSI_HOST_RESET << 16);
	else if (victim && plan->victim == 0)
		raw_answer_as_disk(k, victim);
	else if (victim && plan->victim > 0)
		raw_answer(k, victim, plan->victim);
	raw_answer(k, task, rslt);
}

static void turn(struct raw_back *b)
{
	struct raw_vscsi *k = raw_vscsi(b);
	const struct plan *plan = k->b.arg;

	end_task(k, WIRE_SCSI_ACT_ABORT, plan->abort);
	end_task(k, WIRE_SCSI_ACT_RESET, plan->reset);
}

static bool asked(struct raw_back *b)
{
	return raw_vscsi(b)->aborts || raw_vscsi(b)->resets;
}

static void unanswered(struct conform *c, const void *arg)
{
	const struct plan *plan = arg;
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t state;
	int pid = -1;

	k->b.arg = arg;
	k->sg_grant = 0;
	raw_make_luns(k, RAW_LUNS);
	k->script = keep;
	k->b.each = turn;
	/* a driver may read before it says that it is connected */
	k->b.patience = 100000;
	if (!raw_back_connect(&k->b))
		return;
	frontend_idle(&k->b, 5000);
	if (!k->b.step)
		pid = frontend_stimulus(&k->b);
	/* without a READ nothing is to be waited for */
	raw_serve(&k->b, 5000, asked);
	if (k->b.step)
		raw_serve(&k->b, 75000, asked);
	frontend_idle(&k->b, 15000);
	frontend_stimulus_end(&k->b, pid);
	conform_note(c, "%" PRIu32 " aborts, %" PRIu32 " resets", k->aborts,
		     k->resets);
	if (!k->b.step)
		conform_skip(c, "it has sent no READ: --stimulus");
	else if (!asked(&k->b))
		conform_skip(c, "it goes on waiting, as it may");
	else if (k->aborts && plan->abort == WIRE_SCSI_RESET_FAILED &&
		 !k->resets)
		conform_note(c, "no reset follows");
	state = raw_front_u32(&k->b, WIRE_BUS_STATE);
	if (state != WIRE_BUS_CONNECTED)
		conform_fail(c, "its state is %" PRIu32, state);
}

/* The abort names what it is for. */
static void names_it(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	struct raw_req *victim;

	unanswered(c, arg);
	victim = find(k, WIRE_SCSI_ACT_CDB);
	if (c->verdict == CONFORM_PASS && k->aborts && victim &&
	    k->abort_ref != victim->req.rqid)
		conform_fail(c, "ref_rqid is %u, of the READ %u", k->abort_ref,
			     victim->req.rqid);
}

#define TASK(text, rule, function, ...)                                        \
	{                                                                      \
		.family = "task", .name = (text), .clause = &(rule),           \
		.seconds = 200, .run = (function), .arg = &(const struct plan) \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct conform_case cases[] = {
	TASK("an abort, which succeeds", clause_abort, unanswered,
	     .abort = WIRE_SCSI_RESET_SUCCESS, .reset = WIRE_SCSI_RESET_SUCCESS,
	     .victim = WIRE_SCSI_HOST_ABORT << 16),
	TASK("an abort, answered late", clause_abort, unanswered,
	     .abort = WIRE_SCSI_RESET_SUCCESS, .reset = WIRE_SCSI_RESET_SUCCESS,
	     .victim = WIRE_SCSI_HOST_ABORT << 16, .late_ms = 5000),
	TASK("an abort, too late: the command is done", clause_reset_result,
	     unanswered, .abort = WIRE_SCSI_RESET_FAILED,
	     .reset = WIRE_SCSI_RESET_SUCCESS, .victim = 0),
	TASK("an abort fails, the reset succeeds", clause_reset, unanswered,
	     .abort = WIRE_SCSI_RESET_FAILED, .reset = WIRE_SCSI_RESET_SUCCESS,
	     .victim = -1),
	TASK("abort and reset fail", clause_reset_result, names_it,
	     .abort = WIRE_SCSI_RESET_FAILED, .reset = WIRE_SCSI_RESET_FAILED,
	     .victim = -2),
};

const struct front_list frontend_task = {cases, XPV_ARRAY_SIZE(cases)};
