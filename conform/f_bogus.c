/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a frontend: a backend that lies. A driver may give the controller
 * up; its domain must stay well, and take another one.
 */
#include <inttypes.h>
#include <string.h>

#include "conform/vscsi_front.h"

/* What is done instead of answering the first READ; R is answered or kept. */
struct lie {
	void (*tell)(struct raw_vscsi *k, struct raw_req *r, uint32_t value);
	uint32_t value;
};

static bool lie_once(struct raw_vscsi *k, struct raw_req *r)
{
	const struct lie *lie = k->b.arg;

	if (!target_is_read(&r->req) || k->b.step)
		return false;
	k->b.step = 1;
	lie->tell(k, r, lie->value);
	return true;
}

static void lies(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	k->b.arg = arg;
	k->sg_grant = 0;
	raw_make_luns(k, RAW_LUNS);
	k->script = lie_once;
	frontend_lie(c);
}

static void other_rqid(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	struct wire_scsi_rsp rsp = {.rqid = (uint16_t)value};

	raw_answer_with(k, r, &rsp);
}

static void twice(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid};

	(void)value;
	raw_answer_as_disk(k, r);
	raw_answer_with(k, NULL, &rsp);
}

static void jump(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	(void)r;
	raw_back_jump(&k->b, &k->b.ring[0], value);
}

static void long_sense(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid};

	target_sense(&rsp, 3, 0x1100);
	memset(rsp.sense + 18, 0xff, sizeof(rsp.sense) - 18);
	rsp.sense_len = (uint8_t)value;
	raw_answer_with(k, r, &rsp);
}

static void residual(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid,
				    .residual_len = r->bytes + value};

	raw_answer_with(k, r, &rsp);
}

static void garbage(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	(void)r;
	raw_back_garbage(&k->b, &k->b.ring[0], (uint8_t)value);
}

static void storm(struct raw_vscsi *k, struct raw_req *r, uint32_t value)
{
	raw_back_storm(&k->b, &k->b.ring[0], value);
	raw_answer_as_disk(k, r);
}

#define LIE(text, rule, flag, ...)                                             \
	{                                                                      \
		.family = "bogus", .name = (text), .clause = &(rule),          \
		.flags = (flag), .seconds = 90, .run = lies,                   \
		.arg = &(const struct lie)                                     \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct conform_case cases[] = {
	LIE("an event storm", clause_survive, 0, storm, 5000),
	LIE("sense_len 97", clause_sense, 0, long_sense, 97),
	LIE("sense_len 255", clause_sense, 0, long_sense, 255),
	LIE("a residual longer than the request", clause_residual,
	    CONFORM_BREAKS, residual, 1),
	LIE("a residual of 2^32 - 1", clause_residual, CONFORM_BREAKS, residual,
	    UINT32_MAX - 4096),
	LIE("an answer to rqid 65535", clause_rqid, CONFORM_BREAKS, other_rqid,
	    65535),
	LIE("an answer to rqid 15, which is not open", clause_rqid,
	    CONFORM_BREAKS, other_rqid, 15),
	LIE("two answers to one request", clause_ring_once, CONFORM_BREAKS,
	    twice, 0),
	LIE("rsp_prod jumps by 17", clause_ring_bounds, CONFORM_BREAKS, jump,
	    17),
	LIE("rsp_prod jumps by 2^31", clause_ring_bounds, CONFORM_BREAKS, jump,
	    1u << 31),
	LIE("rsp_prod goes back", clause_ring_bounds, CONFORM_BREAKS, jump,
	    UINT32_MAX),
	LIE("slots of 0xff", clause_survive, CONFORM_BREAKS, garbage, 0xff),
};

const struct front_list frontend_bogus = {cases, XPV_ARRAY_SIZE(cases)};
