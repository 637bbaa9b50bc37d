/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block backend: the ring, its events, and what answers hold. */
#include <inttypes.h>
#include <string.h>

#include "conform/backend.h"
#include "conform/blk.h"

#define SLOTS_MAX 1024

static struct wire_blk_req64 requests[SLOTS_MAX];
static struct wire_blk_rsp64 responses[SLOTS_MAX];

/* All slots at once, each a READ of a page; the last ones' data is known. */
static void fill_ring(struct blk_suite *b)
{
	uint32_t n = b->k.slots, first = n > BLK_PAGES ? n - BLK_PAGES : 0;

	memset(b->pages.at, 0, (size_t)BLK_PAGES * WIRE_PAGE_SIZE);
	for (uint32_t i = 0; i < n; i++)
		requests[i] = blk_rw(b, WIRE_BLK_OP_READ, i % BLK_PAGES * 8, 8,
				     i % BLK_PAGES);
	if (!blk_exchange(b, requests, n, responses))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (responses[i].status)
			conform_fail(&b->c, "request %" PRIu32 ": status %d", i,
				     responses[i].status);
	n = n - first < BLK_PAGES ? n - first : BLK_PAGES;
	if (!(b->info & WIRE_BLK_INFO_READONLY) &&
	    backend_differs(b->pages.at, 0, n * WIRE_PAGE_SIZE))
		conform_fail(&b->c, "the data is wrong");
}

static void full(struct conform *c, const void *arg)
{
	(void)arg;
	for (int i = 0; i < 8; i++)
		fill_ring(blk_of(c));
}

static void pages(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct raw_blk_how how = {.pages = 1};
	uint32_t order = b->order;

	(void)arg;
	if (!order) {
		conform_skip(c, "max-ring-page-order is not announced");
		return;
	}
	for (uint32_t i = 1; i <= order && i <= 4; i++) {
		how.pages = 1u << i;
		if (!blk_reconnect(b, &how, true))
			return;
		fill_ring(b);
	}
	conform_note(c, "up to %" PRIu32 " slots", b->k.slots);
	b->connected = false;
}

/* An answer to what is outstanding; else the case has failed. */
static bool take(struct blk_suite *b, struct wire_blk_rsp64 *rsp)
{
	if (raw_blk_get(&b->k, rsp, RAW_PATIENCE_MS))
		return true;
	b->connected = false;
	return conform_fail(&b->c, "an answer does not come");
}

/* Fill the first queues' rings, publish each, and take the answers then: no
 * queue waits for another. */
static bool all_queues(struct blk_suite *b, uint32_t n)
{
	for (uint32_t q = 0; q < n; q++) {
		raw_blk_use(&b->k, q);
		for (uint32_t i = 0; i < b->k.slots; i++) {
			struct wire_blk_req64 req = blk_rw(
				b, WIRE_BLK_OP_READ, i * 8, 8, i % BLK_PAGES);

			req.id = q << 16 | i;
			raw_blk_put(&b->k, &req);
		}
		raw_blk_push(&b->k);
	}
	for (uint32_t q = n; q-- > 0;) {
		struct wire_blk_rsp64 rsp;

		raw_blk_use(&b->k, q);
		for (uint32_t i = 0; i < b->k.slots; i++) {
			if (!take(b, &rsp))
				return false;
			if (rsp.status || rsp.id >> 16 != q)
				return conform_fail(&b->c,
						    "queue %" PRIu32
						    ": id %#" PRIx64
						    ", status %d",
						    q, rsp.id, rsp.status);
		}
	}
	return true;
}

/* What one queue writes, and another one reads. */
static void across(struct blk_suite *b, uint32_t n)
{
	struct wire_blk_req64 req;

	for (uint32_t q = 0; q < n; q++) {
		raw_blk_use(&b->k, q);
		memset(b->pages.at, (int)q + 1, WIRE_PAGE_SIZE);
		req = blk_rw(b, WIRE_BLK_OP_WRITE, BLK_SCRATCH + q * 8, 8, 0);
		if (blk_one(b, &req)) {
			conform_fail(&b->c, "a WRITE on queue %" PRIu32, q);
			return;
		}
	}
	for (uint32_t q = 0; q < n; q++) {
		raw_blk_use(&b->k, n - 1 - q);
		req = blk_rw(b, WIRE_BLK_OP_READ, BLK_SCRATCH + q * 8, 8, 0);
		if (blk_one(b, &req) || b->pages.at[77] != q + 1)
			conform_fail(&b->c,
				     "queue %" PRIu32
				     " reads not what queue %" PRIu32 " wrote",
				     n - 1 - q, q);
	}
}

static void queues(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct raw_blk_how how = {.pages = 1};

	(void)arg;
	how.queues = b->queues < RAW_QUEUES_MAX ? b->queues : RAW_QUEUES_MAX;
	if (how.queues < 2) {
		conform_skip(c, "multi-queue-max-queues is not 2 or more");
		return;
	}
	for (uint32_t i = 0; i <= b->order && i <= 4; i += 2) {
		how.pages = 1u << i;
		if (!blk_reconnect(b, &how, true) || !all_queues(b, how.queues))
			break;
	}
	if (c->verdict != CONFORM_FAIL && !(b->info & WIRE_BLK_INFO_READONLY))
		across(b, how.queues);
	conform_note(c, "%" PRIu32 " queues", how.queues);
	b->connected = false;
}

static void one_event(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
	struct wire_blk_rsp64 rsp;

	(void)arg;
	for (uint32_t i = 0; i < b->k.slots; i++) {
		req.id = i;
		raw_blk_put(&b->k, &req);
		raw_blk_publish(&b->k);
	}
	raw_notify(&b->k.f);
	for (uint32_t i = 0; i < b->k.slots; i++)
		if (!take(b, &rsp))
			return;
}

static void same_id(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
	struct wire_blk_rsp64 rsp;

	(void)arg;
	req.id = 7;
	for (uint32_t i = 0; i < b->k.slots; i++)
		raw_blk_put(&b->k, &req);
	raw_blk_push(&b->k);
	for (uint32_t i = 0; i < b->k.slots; i++) {
		if (!take(b, &rsp))
			return;
		if (rsp.id != 7 || rsp.status)
			conform_fail(c, "id %" PRIu64 ", status %d", rsp.id,
				     rsp.status);
	}
}

static void any_id(struct conform *c, const void *arg)
{
	static const uint64_t value[] = {0,
					 1,
					 31,
					 32,
					 UINT16_MAX,
					 UINT32_MAX,
					 UINT64_C(1) << 32,
					 UINT64_C(1) << 63,
					 UINT64_MAX};
	struct blk_suite *b = blk_of(c);
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
	struct wire_blk_rsp64 rsp;

	(void)arg;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(value); i++) {
		req.id = value[i];
		raw_blk_put(&b->k, &req);
		raw_blk_push(&b->k);
		if (!take(b, &rsp))
			return;
		if (rsp.id != value[i])
			conform_fail(c, "%#" PRIx64 " is answered as %#" PRIx64,
				     value[i], rsp.id);
	}
}

/* The ring is not looked at before an event has come. */
static void told_of_answers(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	const uint32_t *n = arg;
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
	struct wire_blk_rsp64 rsp;

	for (uint32_t round = 0; round < 20; round++) {
		raw_drain(&b->k.f);
		xpv_store32(&raw_blk_ring(&b->k)->rsp_event,
			    b->k.rsp_cons + *n);
		for (uint32_t i = 0; i < *n; i++)
			raw_blk_put(&b->k, &req);
		raw_blk_push(&b->k);
		if (!raw_event(&b->k.f, 10000)) {
			b->connected = false;
			conform_fail(c,
				     "no event after %" PRIu32
				     " answers were asked for, %" PRIu32
				     " are there",
				     *n, raw_blk_answers(&b->k));
			return;
		}
		for (uint32_t i = 0; i < *n; i++)
			if (!take(b, &rsp))
				return;
	}
}

/* Slots change while they are read: each has one answer. */
static void changing(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
	struct wire_blk_rsp64 rsp;
	uint32_t i, good = 0;

	(void)arg;
	for (i = 0; i < 2000 && conform_left(c, 1); i++) {
		volatile uint8_t *slot = raw_blk_slot(&b->k, b->k.req_prod);

		raw_blk_put(&b->k, &req);
		raw_blk_push(&b->k);
		for (uint32_t turn = 0;
		     raw_blk_answers(&b->k) == 0 && turn < 5000; turn++) {
			slot[1] = 255; /* nr_segments */
			slot[0] = WIRE_BLK_OP_INDIRECT;
			slot[1] = 1;
			slot[0] = WIRE_BLK_OP_READ;
		}
		if (!take(b, &rsp))
			return;
		good += rsp.status == WIRE_BLK_RSP_OKAY;
	}
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " were done", i, good);
}

/* More requests than there are slots: the ring is broken, and no answer can be
 * right. A new connection is served. */
static void bounds(struct conform *c, const void *arg)
{
	static const struct raw_blk_how plain;
	struct blk_suite *b = blk_of(c);
	const uint32_t *more = arg;

	xpv_store32(&raw_blk_ring(&b->k)->req_prod,
		    b->k.req_prod + b->k.slots + *more);
	raw_notify(&b->k.f);
	conform_sleep(300);
	if (raw_blk_answers(&b->k))
		conform_fail(c, "%" PRIu32 " answers", raw_blk_answers(&b->k));
	(void)blk_reconnect(b, &plain, true);
}

static const uint32_t one = 1, five = 5, far = 1u << 31;

static const struct conform_case cases[] = {
	{.family = "ring",
	 .name = "all slots at once",
	 .clause = &clause_blk_ring_full,
	 .run = full},
	{.family = "ring",
	 .name = "rings of several pages",
	 .clause = &clause_blk_ring_order,
	 .run = pages},
	{.family = "ring",
	 .name = "several queues",
	 .clause = &clause_blk_queues,
	 .run = queues},
	{.family = "ring",
	 .name = "one event for all requests",
	 .clause = &clause_ring_event,
	 .run = one_event},
	{.family = "ring",
	 .name = "one id for all requests",
	 .clause = &clause_ring_once,
	 .run = same_id},
	{.family = "ring",
	 .name = "ids of any value",
	 .clause = &clause_blk_id,
	 .run = any_id},
	{.family = "ring",
	 .name = "an event for each answer",
	 .clause = &clause_ring_rsp_event,
	 .run = told_of_answers,
	 .arg = &one},
	{.family = "ring",
	 .name = "an event for the fifth answer",
	 .clause = &clause_ring_rsp_event,
	 .run = told_of_answers,
	 .arg = &five},
	{.family = "ring",
	 .name = "slots that change while they are read",
	 .clause = &clause_ring_copy,
	 .run = changing},
	{.family = "ring",
	 .name = "one request more than slots",
	 .clause = &clause_ring_bounds,
	 .flags = CONFORM_BREAKS,
	 .run = bounds,
	 .arg = &one},
	{.family = "ring",
	 .name = "two thousand million requests more than slots",
	 .clause = &clause_ring_bounds,
	 .flags = CONFORM_BREAKS,
	 .run = bounds,
	 .arg = &far},
};

const struct blk_list blk_ring = {cases, XPV_ARRAY_SIZE(cases)};
