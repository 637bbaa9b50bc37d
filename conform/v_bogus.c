/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a block frontend: a backend that lies. A driver may give the device
 * up; its domain must stay well, and take another one.
 */
#include <inttypes.h>
#include <string.h>

#include "conform/vbd_front.h"

/* What is done instead of answering the first READ; R is answered or kept. */
struct lie {
	void (*tell)(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value);
	uint64_t value;
};

static bool lie_once(struct raw_vbd *k, struct raw_vbd_req *r)
{
	const struct lie *lie = k->b.arg;

	if (r->req.op != WIRE_BLK_OP_READ || k->b.step)
		return false;
	k->b.step = 1;
	lie->tell(k, r, lie->value);
	return true;
}

static void lies(struct conform *c, const void *arg)
{
	static const struct vbd_offer plain;

	back_of(c)->arg = arg;
	if (vbd_make(c, &plain, lie_once))
		frontend_lie(c);
}

/* R stays open. */
static void other_id(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	struct blk_rsp rsp = {.id = value, .op = r->req.op};

	raw_vbd_put(k, r->ring, &rsp);
}

/* An id that the frontend knows, of a request that it has not sent. */
static void not_open(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	other_id(k, r, r->req.id ^ value);
}

static void twice(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	struct blk_rsp rsp = {.id = r->req.id, .op = r->req.op};

	(void)value;
	raw_vbd_answer_as_disk(k, r);
	raw_vbd_put(k, r->ring, &rsp);
}

static void other_op(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	struct blk_rsp rsp = {.id = r->req.id, .op = (uint8_t)value};

	raw_vbd_put(k, r->ring, &rsp);
	r->open = false;
}

static void jump(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	raw_back_jump(&k->b, &k->b.ring[r->ring],
		      value ? (uint32_t)value : k->slots + 1);
}

static void garbage(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	raw_back_garbage(&k->b, &k->b.ring[r->ring], (uint8_t)value);
}

static void storm(struct raw_vbd *k, struct raw_vbd_req *r, uint64_t value)
{
	raw_back_storm(&k->b, &k->b.ring[r->ring], (uint32_t)value);
	raw_vbd_answer_as_disk(k, r);
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
	LIE("an answer to id 2^64 - 1", clause_blk_id, CONFORM_BREAKS, other_id,
	    UINT64_MAX),
	LIE("an answer to id 4096", clause_blk_id, CONFORM_BREAKS, other_id,
	    4096),
	LIE("an answer to a request that is not open", clause_blk_id,
	    CONFORM_BREAKS, not_open, 7),
	LIE("two answers to one request", clause_ring_once, CONFORM_BREAKS,
	    twice, 0),
	LIE("an answer to a WRITE", clause_ring_once, CONFORM_BREAKS, other_op,
	    WIRE_BLK_OP_WRITE),
	LIE("an answer to a discard", clause_ring_once, CONFORM_BREAKS,
	    other_op, WIRE_BLK_OP_DISCARD),
	LIE("an answer to operation 255", clause_ring_once, CONFORM_BREAKS,
	    other_op, 255),
	LIE("rsp_prod jumps by more than the ring has", clause_ring_bounds,
	    CONFORM_BREAKS, jump, 0),
	LIE("rsp_prod jumps by 2^31", clause_ring_bounds, CONFORM_BREAKS, jump,
	    1u << 31),
	LIE("rsp_prod goes back", clause_ring_bounds, CONFORM_BREAKS, jump,
	    UINT32_MAX),
	LIE("slots of 0xff", clause_survive, CONFORM_BREAKS, garbage, 0xff),
};

const struct front_list vbd_front_bogus = {cases, XPV_ARRAY_SIZE(cases)};
