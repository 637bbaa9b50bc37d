/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a frontend: results of all kinds for the first READ; everything
 * else is answered as a disk does. The frontend stays connected and goes on.
 */
#include <inttypes.h>
#include <string.h>

#include "conform/vscsi_front.h"

struct outcome {
	int32_t rslt;
	uint8_t key; /* of sense data; 0: none */
	uint16_t asc;
	uint8_t sense_len; /* instead of 18, with bytes of 0xff behind */
	uint32_t times;	   /* how many READs; 0: one */
	bool short_read;   /* GOOD, and a residual of all that was asked for */
};

static bool spoil(struct raw_vscsi *k, struct raw_req *r)
{
	const struct outcome *o = k->b.arg;
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid, .rslt = o->rslt};

	if (!target_is_read(&r->req) || k->b.step >= (o->times ? o->times : 1))
		return false;
	k->b.step++;
	rsp.residual_len = o->rslt || o->short_read ? r->bytes : 0;
	if (o->key)
		target_sense(&rsp, o->key, o->asc);
	if (o->sense_len > rsp.sense_len) {
		memset(rsp.sense + rsp.sense_len, 0xff,
		       sizeof(rsp.sense) - rsp.sense_len);
		rsp.sense_len = o->sense_len;
	}
	rsp.rslt = o->rslt;
	raw_answer_with(k, r, &rsp);
	return true;
}

static void outcome(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t state, i;

	k->b.arg = arg;
	if (!vscsi_connect(c, 0, spoil))
		return;
	frontend_idle(&k->b, 20000);
	/* a driver need not look at its disks, or try again, by itself */
	for (i = 0; i < 4 && k->reads <= k->b.step; i++) {
		frontend_stimulate(&k->b);
		if (k->reads <= k->b.step)
			frontend_idle(&k->b, 5000);
	}
	state = raw_front_u32(&k->b, WIRE_BUS_STATE);
	if (state != WIRE_BUS_CONNECTED)
		conform_fail(c, "its state is %" PRIu32, state);
	if (!k->b.step)
		conform_skip(c, "it has sent no READ: --stimulus");
	else if (k->reads <= k->b.step && c->opt->stimulus)
		conform_fail(c,
			     "no READ comes after it, %" PRIu32
			     " aborts, %" PRIu32 " resets",
			     k->aborts, k->resets);
	conform_note(
		c, "%" PRIu32 " READs, %" PRIu32 " aborts, %" PRIu32 " resets",
		k->reads, k->aborts, k->resets);
}

#define RESULT(text, rule, ...)                                                \
	{                                                                      \
		.family = "results", .name = (text), .clause = &(rule),        \
		.seconds = 120, .run = outcome, .arg = &(const struct outcome) \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define EH(text, value)                                                        \
	{                                                                      \
		.family = "results", .name = (text), .clause = &clause_rslt,   \
		.flags = CONFORM_BREAKS, .seconds = 120, .run = outcome,       \
		.arg = &(const struct outcome)                                 \
		{                                                              \
			.rslt = (value)                                        \
		}                                                              \
	}
#define HOST(text, code)                                                       \
	RESULT("host result " text, clause_rslt, .rslt = (code) << 16)
#define SENSE(text, k, code)                                                   \
	RESULT("sense data, " text, clause_sense, .rslt = 2, .key = (k),       \
	       .asc = (code))

static const struct conform_case cases[] = {
	HOST("NO_CONNECT", WIRE_SCSI_HOST_NO_CONNECT),
	HOST("BUS_BUSY", WIRE_SCSI_HOST_BUS_BUSY),
	HOST("BAD_TARGET", WIRE_SCSI_HOST_BAD_TARGET),
	HOST("ABORT", WIRE_SCSI_HOST_ABORT),
	HOST("PARITY", WIRE_SCSI_HOST_PARITY),
	HOST("ERROR", WIRE_SCSI_HOST_ERROR),
	HOST("RESET", WIRE_SCSI_HOST_RESET),
	HOST("PASSTHROUGH", WIRE_SCSI_HOST_PASSTHROUGH),
	HOST("SOFT_ERROR", WIRE_SCSI_HOST_SOFT_ERROR),
	HOST("IMM_RETRY", WIRE_SCSI_HOST_IMM_RETRY),
	HOST("REQUEUE", WIRE_SCSI_HOST_REQUEUE),
	HOST("TRANSPORT_DISRUPTED", WIRE_SCSI_HOST_TRANSPORT_DISRUPTED),
	HOST("TRANSPORT_FAILFAST", WIRE_SCSI_HOST_TRANSPORT_FAILFAST),
	HOST("TARGET_FAILURE", WIRE_SCSI_HOST_TARGET_FAILURE),
	HOST("NEXUS_FAILURE", WIRE_SCSI_HOST_NEXUS_FAILURE),
	HOST("ALLOC_FAILURE", WIRE_SCSI_HOST_ALLOC_FAILURE),
	HOST("MEDIUM_ERROR", WIRE_SCSI_HOST_MEDIUM_ERROR),
	HOST("TRANSPORT_MARGINAL", WIRE_SCSI_HOST_TRANSPORT_MARGINAL),
	HOST("21, of which nobody knows", 21),
	HOST("255, of which nobody knows", 255),
	RESULT("status BUSY three times", clause_rslt, .rslt = 0x08,
	       .times = 3),
	RESULT("status TASK SET FULL", clause_rslt, .rslt = 0x28),
	RESULT("status TASK ABORTED", clause_rslt, .rslt = 0x40),
	RESULT("status RESERVATION CONFLICT", clause_rslt, .rslt = 0x18),
	RESULT("the high byte of rslt", clause_rslt, .rslt = 0x06000000),
	SENSE("UNIT ATTENTION", 6, 0x2900),
	SENSE("NOT READY", 2, 0x0402),
	SENSE("MEDIUM ERROR", 3, 0x1100),
	SENSE("HARDWARE ERROR", 4, 0x4400),
	SENSE("ILLEGAL REQUEST", 5, 0x2400),
	SENSE("ABORTED COMMAND", 0xb, 0x0000),
	RESULT("CHECK CONDITION without sense data", clause_sense, .rslt = 2),
	RESULT("96 bytes of sense data", clause_sense, .rslt = 2, .key = 3,
	       .asc = 0x1100, .sense_len = 96),
	RESULT("a residual of everything", clause_residual, .short_read = true),
	/* for these the stock Linux driver's error handling begins */
	EH("host result TIME_OUT", WIRE_SCSI_HOST_TIME_OUT << 16),
	EH("host result BAD_INTR", WIRE_SCSI_HOST_BAD_INTR << 16),
	EH("status 0xff", 0xff),
	EH("all bits of rslt", -1),
};

const struct front_list frontend_results = {cases, XPV_ARRAY_SIZE(cases)};
