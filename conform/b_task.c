/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a backend: abort, reset, and that LUNs are apart. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

/* As long a READ as may be. */
static struct wire_scsi_req large(const struct backend *b, uint32_t lun)
{
	uint32_t blocks = WIRE_SCSI_SEGS * 8;

	if (b->blocks_max && blocks > b->blocks_max)
		blocks = b->blocks_max;
	return backend_read(b, lun, 0, blocks, 0);
}

static bool is_tmf(int32_t rslt)
{
	return rslt == WIRE_SCSI_RESET_SUCCESS ||
	       rslt == WIRE_SCSI_RESET_FAILED;
}

/* What to do to four large READs of LUN 0, and how those that are meant may
 * end if they do not end well. */
struct end {
	uint8_t act;
	uint8_t victim;
};

/*
 * Each is answered once, the victims and the others; what is said to be
 * aborted was answered before, because a frontend then uses it again.
 */
static void end_running(struct conform *c, const void *arg)
{
	const struct end *end = arg;
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[5];
	struct wire_scsi_rsp rsp[5];
	uint32_t order[5], i, ended = 0;

	for (i = 0; i < 4; i++)
		req[i] = large(b, 0);
	req[4] = backend_plain(b, 0, end->act);
	req[4].ref_rqid = 1;
	if (!backend_exchange(b, req, 5, rsp, order))
		return;
	if (!is_tmf(rsp[4].rslt) ||
	    (c->opt->strict && rsp[4].rslt != WIRE_SCSI_RESET_SUCCESS))
		conform_fail(c, "its result is %#" PRIx32,
			     (uint32_t)rsp[4].rslt);
	for (i = 0; i < 4; i++) {
		bool meant = end->act == WIRE_SCSI_ACT_RESET || i == 1;

		if (rsp[i].rslt != GOOD && !meant)
			conform_fail(c, "another command ends with %#" PRIx32,
				     (uint32_t)rsp[i].rslt);
		if (rsp[i].rslt != GOOD && c->opt->strict &&
		    rsp[i].rslt != end->victim << 16)
			conform_fail(c, "a victim ends with %#" PRIx32,
				     (uint32_t)rsp[i].rslt);
		if (meant && rsp[4].rslt == WIRE_SCSI_RESET_SUCCESS &&
		    order[i] > order[4])
			conform_fail(c, "a victim is answered later");
		ended += rsp[i].rslt != GOOD;
	}
	conform_note(c, "result %#" PRIx32 ", %" PRIu32 " of 4 commands ended",
		     (uint32_t)rsp[4].rslt, ended);
}

/* An abort of something that is over, or was never; twice at once. */
static void abort_twice(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[4];
	struct wire_scsi_rsp rsp[4];
	uint32_t i;

	(void)arg;
	req[0] = large(b, 0);
	for (i = 1; i < 4; i++) {
		req[i] = backend_plain(b, 0, WIRE_SCSI_ACT_ABORT);
		req[i].ref_rqid = i == 3 ? 0x7fff : 0;
	}
	if (!backend_exchange(b, req, 4, rsp, NULL))
		return;
	for (i = 1; i < 4; i++)
		if (!is_tmf(rsp[i].rslt))
			conform_fail(c, "rslt %#" PRIx32,
				     (uint32_t)rsp[i].rslt);
}

static void abort_itself(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[2];
	struct wire_scsi_rsp rsp[2];

	(void)arg;
	/* each the other */
	req[0] = req[1] = backend_plain(b, 0, WIRE_SCSI_ACT_ABORT);
	req[0].ref_rqid = 1;
	req[1].ref_rqid = 0;
	if (backend_exchange(b, req, 2, rsp, NULL) &&
	    !(is_tmf(rsp[0].rslt) && is_tmf(rsp[1].rslt)))
		conform_fail(c, "rslt %#" PRIx32 ", %#" PRIx32,
			     (uint32_t)rsp[0].rslt, (uint32_t)rsp[1].rslt);
}

static void reset_idle(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_RESET);
	struct wire_scsi_rsp rsp;

	(void)arg;
	if (backend_one(b, &req, &rsp) < 0)
		return;
	if (rsp.rslt != WIRE_SCSI_RESET_SUCCESS)
		conform_fail(c, "rslt %#" PRIx32, (uint32_t)rsp.rslt);
	if (!backend_settle(b, 0))
		conform_fail(c, "the LUN is not ready afterwards");
}

/* READs of the second LUN in one ring with what hits the first: its bytes are
 * counted once before. */
static void others_go_on(struct conform *c, const void *arg)
{
	const uint8_t *act = arg;
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[8];
	struct wire_scsi_rsp rsp[8];
	uint32_t round, i;

	if (!backend_second(b))
		return;
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 8; i++)
			req[i] = backend_read(b, 1, 0, 8, 40 + i);
		for (i = 0; i < 8; i += 2)
			req[i] = large(b, 0);
		if (*act) {
			req[6] = backend_plain(b, 0, *act);
			req[6].ref_rqid = 2;
		} else {
			/* requests that are wrong */
			req[0].seg[0].gref = 0xffffffff;
			req[2].cmnd[0] = 0xff;
			req[4].seg[0].offset = 4000;
			req[6].nr_segments = 27;
		}
		if (!backend_exchange(b, req, 8, rsp, NULL))
			return;
		for (i = 1; i < 8; i += 2)
			if (rsp[i].rslt != GOOD)
				conform_fail(c,
					     "the second LUN's READ ends with "
					     "%#" PRIx32,
					     (uint32_t)rsp[i].rslt);
		if (!backend_settle(b, 0))
			return;
	}
}

/* The abort names a running command, and another LUN. */
static void abort_elsewhere(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[3];
	struct wire_scsi_rsp rsp[3];

	(void)arg;
	if (!backend_second(b))
		return;
	req[0] = large(b, 0);
	req[1] = large(b, 0);
	req[2] = backend_plain(b, 1, WIRE_SCSI_ACT_ABORT);
	req[2].ref_rqid = 1;
	if (!backend_exchange(b, req, 3, rsp, NULL))
		return;
	if (rsp[0].rslt != GOOD || rsp[1].rslt != GOOD)
		conform_fail(c, "READs end with %#" PRIx32 ", %#" PRIx32,
			     (uint32_t)rsp[0].rslt, (uint32_t)rsp[1].rslt);
	if (!is_tmf(rsp[2].rslt))
		conform_fail(c, "its result is %#" PRIx32,
			     (uint32_t)rsp[2].rslt);
}

#define TASK(fam, text, rule, function, ...)                                   \
	{                                                                      \
		.family = (fam), .name = (text), .clause = &(rule),            \
		.run = (function), .arg = (__VA_ARGS__)                        \
	}

static const struct end abort_end = {WIRE_SCSI_ACT_ABORT, WIRE_SCSI_HOST_ABORT};
static const struct end reset_end = {WIRE_SCSI_ACT_RESET, WIRE_SCSI_HOST_RESET};
static const uint8_t wrong, act_abort = WIRE_SCSI_ACT_ABORT,
			    act_reset = WIRE_SCSI_ACT_RESET;

static const struct conform_case cases[] = {
	TASK("task", "abort of a running command", clause_abort, end_running,
	     &abort_end),
	TASK("task", "aborts of one command", clause_reset_result, abort_twice,
	     NULL),
	TASK("task", "aborts of each other", clause_abort, abort_itself, NULL),
	TASK("task", "abort with another LUN", clause_abort, abort_elsewhere,
	     NULL),
	TASK("task", "reset of an idle LUN", clause_reset, reset_idle, NULL),
	TASK("task", "reset of running commands", clause_ring_once, end_running,
	     &reset_end),
	TASK("isolation", "wrong requests for another LUN", clause_alone,
	     others_go_on, &wrong),
	TASK("isolation", "aborts on another LUN", clause_alone, others_go_on,
	     &act_abort),
	TASK("isolation", "resets of another LUN", clause_alone, others_go_on,
	     &act_reset),
};

const struct case_list backend_task = {cases, XPV_ARRAY_SIZE(cases)};
