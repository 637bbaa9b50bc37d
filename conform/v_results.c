/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a block frontend: requests that fail, or are answered late or in
 * another order. It stays connected and goes on.
 */
#include <inttypes.h>

#include "conform/vbd_front.h"

struct outcome {
	uint8_t op;
	int16_t status;
	uint32_t times; /* how many of these; 0: one */
};

static const struct vbd_offer everything = {
	.indirect = 64, .flush = true, .barrier = true, .discard = true};

static bool spoil(struct raw_vbd *k, struct raw_vbd_req *r)
{
	const struct outcome *o = k->b.arg;

	if (r->req.op != o->op || k->b.step >= (o->times ? o->times : 1))
		return false;
	k->b.step++;
	raw_vbd_answer(k, r, o->status);
	return true;
}

static void outcome(struct conform *c, const void *arg)
{
	struct raw_vbd *k = vbd_of(c);
	uint32_t reads;

	k->b.arg = arg;
	if (!vbd_connect(c, &everything, spoil))
		return;
	frontend_idle(&k->b, 20000);
	if (!k->b.step)
		vbd_stimulate(k);
	if (!k->b.step)
		conform_skip(c, "it has sent none: --stimulus");
	/* it goes on */
	reads = k->count[WIRE_BLK_OP_READ];
	for (int i = 0; i < 3 && k->count[WIRE_BLK_OP_READ] == reads; i++)
		vbd_stimulate(k);
	if (c->opt->stimulus && k->count[WIRE_BLK_OP_READ] == reads)
		conform_fail(c, "no READ comes after it");
	frontend_wants(c, WIRE_BUS_CONNECTED, "after it");
	conform_note(c, "%" PRIu32 " requests", k->b.requests);
}

/* Nothing is answered before a pause; then the last request is the first. */
static bool keep(struct raw_vbd *k, struct raw_vbd_req *r)
{
	(void)r;
	k->b.since = conform_now();
	return true;
}

static void backwards(struct raw_back *b)
{
	const uint32_t *ms = b->arg;
	struct raw_vbd *k = raw_vbd(b);

	if (conform_now() < b->since + *ms)
		return;
	for (uint32_t i = RAW_VBD_OPEN; i-- > 0;)
		if (k->req[i].open)
			raw_vbd_answer_as_disk(k, &k->req[i]);
}

static void late(struct conform *c, const void *arg)
{
	struct raw_vbd *k = vbd_of(c);
	uint32_t before = k->b.ill;

	k->b.arg = arg;
	if (!vbd_make(c, &everything, keep))
		return;
	k->b.each = backwards;
	k->b.patience = 100000;
	if (!raw_back_connect(&k->b))
		return;
	frontend_idle(&k->b, 20000);
	if (vbd_stimulate(k))
		conform_fail(c, "the command of --stimulus fails");
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	frontend_wants(c, WIRE_BUS_CONNECTED, "after it");
	conform_note(c, "%" PRIu32 " requests", k->b.requests);
}

#define RESULT(text, rule, operation, what, n)                                 \
	{                                                                      \
		.family = "results", .name = (text), .clause = &(rule),        \
		.seconds = 120, .run = outcome, .arg = &(const struct outcome) \
		{                                                              \
			.op = (operation), .status = (what), .times = (n)      \
		}                                                              \
	}

static const uint32_t some_ms = 30, many_ms = 1000;

static const struct conform_case cases[] = {
	RESULT("a READ fails", clause_blk_operation, WIRE_BLK_OP_READ,
	       WIRE_BLK_RSP_ERROR, 1),
	RESULT("five READs fail", clause_blk_operation, WIRE_BLK_OP_READ,
	       WIRE_BLK_RSP_ERROR, 5),
	RESULT("a READ is not supported", clause_blk_operation,
	       WIRE_BLK_OP_READ, WIRE_BLK_RSP_EOPNOTSUPP, 1),
	RESULT("a READ has status -7", clause_blk_operation, WIRE_BLK_OP_READ,
	       -7, 1),
	RESULT("a READ has status 1", clause_blk_operation, WIRE_BLK_OP_READ, 1,
	       1),
	RESULT("a WRITE fails", clause_blk_operation, WIRE_BLK_OP_WRITE,
	       WIRE_BLK_RSP_ERROR, 1),
	RESULT("a flush fails", clause_blk_flush, WIRE_BLK_OP_FLUSH,
	       WIRE_BLK_RSP_ERROR, 1),
	RESULT("a flush is not supported after all", clause_blk_flush,
	       WIRE_BLK_OP_FLUSH, WIRE_BLK_RSP_EOPNOTSUPP, 1),
	RESULT("a discard fails", clause_blk_discard, WIRE_BLK_OP_DISCARD,
	       WIRE_BLK_RSP_ERROR, 1),
	RESULT("a discard is not supported after all", clause_blk_discard,
	       WIRE_BLK_OP_DISCARD, WIRE_BLK_RSP_EOPNOTSUPP, 1),
	{.family = "results",
	 .name = "answers in another order",
	 .clause = &clause_ring_once,
	 .run = late,
	 .arg = &some_ms},
	{.family = "results",
	 .name = "answers after a second",
	 .clause = &clause_ring_once,
	 .run = late,
	 .arg = &many_ms},
};

const struct front_list vbd_front_results = {cases, XPV_ARRAY_SIZE(cases)};

static const struct conform_case last[] = {
	{.family = "requests",
	 .name = "all requests so far",
	 .clause = &clause_blk_sects,
	 .run = frontend_all_requests},
};

const struct front_list vbd_front_requests = {last, XPV_ARRAY_SIZE(last)};
