/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block backend: indirect requests. */
#include <inttypes.h>
#include <string.h>

#include "conform/backend.h"
#include "conform/blk.h"

static bool offered(struct blk_suite *b)
{
	if (b->indirect)
		return true;
	conform_skip(&b->c, "feature-max-indirect-segments is not announced");
	return false;
}

static struct wire_blk_seg *entry(const struct blk_suite *b, uint32_t i)
{
	return (struct wire_blk_seg *)(void *)b->list.at + i;
}

/* A request of N segments of whole pages, with the list filled in. */
static struct wire_blk_indirect64 indirect(struct blk_suite *b, uint8_t op,
					   uint64_t sector, uint32_t n)
{
	struct wire_blk_indirect64 req = {
		.operation = WIRE_BLK_OP_INDIRECT,
		.indirect_op = op,
		.nr_segments = (uint16_t)n,
		.sector_number = sector,
	};
	const uint32_t room = BLK_LISTS * (uint32_t)WIRE_BLK_SEGS_PER_PAGE;

	for (uint32_t i = 0; i < n && i < room; i++)
		*entry(b, i) = blk_seg(b, i % BLK_PAGES);
	for (uint32_t i = 0; i < BLK_LISTS; i++)
		req.indirect_grefs[i] = b->list.gref[i];
	return req;
}

static int16_t send(struct blk_suite *b, const struct wire_blk_indirect64 *in)
{
	struct wire_blk_req64 req;

	memset(&req, 0, sizeof(req));
	memcpy(&req, in, sizeof(*in));
	return blk_one(b, &req);
}

/* Send IN; it must be refused. */
static void refuse(struct blk_suite *b, const struct wire_blk_indirect64 *in,
		   const char *what, uint32_t value)
{
	int16_t status = send(b, in);

	if (status == WIRE_BLK_RSP_OKAY || status < WIRE_BLK_RSP_EOPNOTSUPP)
		conform_fail(&b->c, "%s %" PRIu32 ": status %d", what, value,
			     status);
}

/* Segments that one request may have here. */
static uint32_t most(const struct blk_suite *b)
{
	return b->indirect < BLK_PAGES ? b->indirect : BLK_PAGES;
}

static void honest(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	uint32_t n = most(b), len = n * WIRE_PAGE_SIZE;
	struct wire_blk_indirect64 req;
	int16_t status;

	(void)arg;
	if (!offered(b))
		return;
	memset(b->pages.at, 0, len);
	req = indirect(b, WIRE_BLK_OP_READ, 0, n);
	status = send(b, &req);
	if (status)
		conform_fail(c, "READ of %" PRIu32 " segments: status %d", n,
			     status);
	else if (!(b->info & WIRE_BLK_INFO_READONLY) &&
		 backend_differs(b->pages.at, 0, len))
		conform_fail(c, "the data is wrong");
	conform_note(c, "%" PRIu32 " segments", n);
}

static void written(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	uint32_t n = most(b), len = n * WIRE_PAGE_SIZE;
	struct wire_blk_indirect64 req;
	int16_t status;

	(void)arg;
	if (!offered(b))
		return;
	if (b->info & WIRE_BLK_INFO_READONLY) {
		conform_skip(c, "the disk is read-only");
		return;
	}
	for (uint32_t i = 0; i < len; i++)
		b->pages.at[i] = backend_known(i + 77);
	req = indirect(b, WIRE_BLK_OP_WRITE, BLK_SCRATCH, n);
	status = send(b, &req);
	memset(b->pages.at, 0, len);
	req = indirect(b, WIRE_BLK_OP_READ, BLK_SCRATCH, n);
	if (status || send(b, &req) || backend_differs(b->pages.at, 77, len))
		conform_fail(c, "status %d, or the data is wrong", status);
}

static void numbers(struct conform *c, const void *arg)
{
	static const uint32_t beyond[] = {1, 2, 100, 0};
	struct blk_suite *b = blk_of(c);
	struct wire_blk_indirect64 req;

	(void)arg;
	if (!offered(b))
		return;
	req = indirect(b, WIRE_BLK_OP_READ, 0, 0);
	refuse(b, &req, "segments:", 0);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(beyond); i++) {
		uint32_t n = beyond[i] ? b->indirect + beyond[i] : UINT16_MAX;

		if (n <= b->indirect || n > UINT16_MAX)
			continue;
		req = indirect(b, WIRE_BLK_OP_READ, 0, n);
		refuse(b, &req, "segments:", n);
	}
}

static void operations(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct wire_blk_indirect64 req;

	(void)arg;
	if (!offered(b))
		return;
	for (uint32_t op = WIRE_BLK_OP_RESERVED_1; op <= UINT8_MAX; op++) {
		req = indirect(b, (uint8_t)op, BLK_SCRATCH, 12);
		refuse(b, &req, "indirect_op:", op);
	}
}

static void bad_list(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct wire_blk_indirect64 req;

	(void)arg;
	if (!offered(b))
		return;
	req = indirect(b, WIRE_BLK_OP_READ, 0, 12);
	req.indirect_grefs[0] = UINT32_MAX;
	refuse(b, &req, "list: page", 0);
	if (b->indirect <= WIRE_BLK_SEGS_PER_PAGE)
		return;
	req = indirect(b, WIRE_BLK_OP_READ, 0,
		       (uint32_t)WIRE_BLK_SEGS_PER_PAGE + 1);
	req.indirect_grefs[1] = UINT32_MAX;
	refuse(b, &req, "list: page", 1);
}

static void bad_entries(struct conform *c, const void *arg)
{
	static const struct wire_blk_seg bad[] = {{UINT32_MAX, 0, 7, 0},
						  {0, 5, 4, 0},
						  {0, 0, 8, 0},
						  {0, 0, 255, 0},
						  {0, 255, 0, 0}};
	struct blk_suite *b = blk_of(c);
	struct wire_blk_indirect64 req;

	(void)arg;
	if (!offered(b))
		return;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		req = indirect(b, WIRE_BLK_OP_READ, 0, 12);
		*entry(b, 11) = bad[i];
		if (!bad[i].gref)
			entry(b, 11)->gref = b->pages.gref[11];
		refuse(b, &req, "bad segment:", i);
	}
	req = indirect(b, WIRE_BLK_OP_READ, b->sectors - 8 * 11, 12);
	refuse(b, &req, "across the end:", 0);
	req = indirect(b, WIRE_BLK_OP_READ, UINT64_MAX - 8 * 11 + 1, 12);
	refuse(b, &req, "wraps around:", 0);
}

/* The list changes while it is read: each answer is one, and no harm is done. */
static void changing(struct conform *c, const void *arg)
{
	const struct wire_blk_seg bad = {UINT32_MAX, 7, 255, 0xffff};
	struct blk_suite *b = blk_of(c);
	uint32_t n = most(b), good = 0, i;
	struct wire_blk_indirect64 in;
	struct wire_blk_req64 req;
	struct wire_blk_rsp64 rsp;

	(void)arg;
	if (!offered(b))
		return;
	memset(&req, 0, sizeof(req));
	for (i = 0; i < 2000 && conform_left(c, 1); i++) {
		in = indirect(b, WIRE_BLK_OP_READ, 0, n);
		in.id = b->id++;
		memcpy(&req, &in, sizeof(in));
		raw_blk_put(&b->k, &req);
		raw_blk_push(&b->k);
		for (uint32_t turn = 0;
		     raw_blk_answers(&b->k) == 0 && turn < 20000; turn++) {
			volatile struct wire_blk_seg *e = entry(b, turn % n);

			e->gref = bad.gref;
			e->last_sect = bad.last_sect;
			e->gref = b->pages.gref[turn % n % BLK_PAGES];
			e->last_sect = 7;
		}
		if (!raw_blk_get(&b->k, &rsp, RAW_PATIENCE_MS) ||
		    rsp.id != in.id) {
			b->connected = false;
			conform_fail(c,
				     "no answer, or a wrong one, to request "
				     "%" PRIu32,
				     i);
			return;
		}
		good += rsp.status == WIRE_BLK_RSP_OKAY;
	}
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " were done", i, good);
}

static const struct conform_case cases[] = {
	{.family = "indirect",
	 .name = "an honest READ of all segments",
	 .clause = &clause_blk_indirect,
	 .run = honest},
	{.family = "indirect",
	 .name = "an honest WRITE of all segments",
	 .clause = &clause_blk_indirect,
	 .run = written},
	{.family = "indirect",
	 .name = "no segment, and more than announced",
	 .clause = &clause_blk_indirect_max,
	 .run = numbers},
	{.family = "indirect",
	 .name = "operations that cannot be indirect",
	 .clause = &clause_blk_indirect_op,
	 .run = operations},
	{.family = "indirect",
	 .name = "a list that was never granted",
	 .clause = &clause_grant,
	 .run = bad_list},
	{.family = "indirect",
	 .name = "bad segments in the list",
	 .clause = &clause_blk_sects,
	 .run = bad_entries},
	{.family = "indirect",
	 .name = "a list that changes while it is read",
	 .clause = &clause_ring_copy,
	 .run = changing},
};

const struct blk_list blk_indirect = {cases, XPV_ARRAY_SIZE(cases)};
