/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block backend: persistent grants, which both ends have said to have. */
#include <inttypes.h>
#include <string.h>

#include "conform/backend.h"
#include "conform/blk.h"

struct step {
	void (*run)(struct blk_suite *b);
	bool writes;
};

/* A case has a connection with persistent grants; the next one gets another. */
static void run(struct conform *c, const void *arg)
{
	static const struct raw_blk_how how = {.persistent = true};
	const struct step *step = arg;
	struct blk_suite *b = blk_of(c);

	if (!b->persistent) {
		conform_skip(c, "feature-persistent is not announced");
	} else if (step->writes && (b->info & WIRE_BLK_INFO_READONLY)) {
		conform_skip(c, "the disk is read-only");
	} else if (blk_reconnect(b, &how, true)) {
		step->run(b);
		b->connected = false;
	}
}

/* PAGES from PAGE on, written and read; KIND is what is in them. */
static bool there_and_back(struct blk_suite *b, uint32_t page, uint32_t pages,
			   uint32_t kind)
{
	uint8_t *data = b->pages.at + (size_t)page * WIRE_PAGE_SIZE;
	uint32_t len = pages * WIRE_PAGE_SIZE;
	struct wire_blk_req64 req;
	int16_t status;

	for (uint32_t i = 0; i < len; i++)
		data[i] = backend_known(i + kind);
	req = blk_rw(b, WIRE_BLK_OP_WRITE, BLK_SCRATCH, pages * 8, page);
	status = blk_one(b, &req);
	memset(data, 0, len);
	req.operation = WIRE_BLK_OP_READ;
	if (!status)
		status = blk_one(b, &req);
	if (status)
		return conform_fail(&b->c, "page %" PRIu32 ": status %d", page,
				    status);
	if (backend_differs(data, kind, len))
		return conform_fail(
			&b->c, "page %" PRIu32 ": the data is wrong", page);
	return true;
}

static void again(struct blk_suite *b)
{
	for (uint32_t i = 0; i < 64; i++)
		if (!there_and_back(b, i % 3, 1 + i % 8, 1000 + i))
			return;
	for (uint32_t i = 0; i + 8 <= BLK_PAGES; i += 4)
		if (!there_and_back(b, i, 8, 2000 + i))
			return;
}

/* A part of a page is moved, and the rest of it is left alone. */
static void part(struct blk_suite *b)
{
	struct wire_blk_req64 req;

	if (b->block > WIRE_BLK_SECTOR) {
		conform_skip(&b->c, "blocks are of more than 512 bytes");
		return;
	}
	memset(b->pages.at, 0xee, WIRE_PAGE_SIZE);
	req = blk_rw(b, WIRE_BLK_OP_READ, 16, 8, 0);
	req.seg[0].first_sect = 2;
	req.seg[0].last_sect = 4;
	if (blk_one(b, &req)) {
		conform_fail(&b->c, "a READ of a part of a page does not work");
		return;
	}
	for (uint32_t i = 0; i < WIRE_PAGE_SIZE; i++) {
		bool ours = i < 2 * 512 || i >= 5 * 512;

		if (ours && b->pages.at[i] != 0xee) {
			conform_fail(&b->c, "byte %" PRIu32 " was overwritten",
				     i);
			return;
		}
	}
	if (!(b->info & WIRE_BLK_INFO_READONLY) &&
	    backend_differs(b->pages.at + 2 * 512, 16 * 512, 3 * 512))
		conform_fail(&b->c, "the data is wrong");
}

/* Such a page cannot be kept mapped by who would write to it. */
static void read_only(struct blk_suite *b)
{
	struct wire_blk_req64 req;
	int16_t status;

	for (int i = 0; i < 3; i++) {
		req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8, 0);
		req.seg[0].gref = b->read_only.gref[0];
		status = blk_one(b, &req);
		if (status == 1)
			return;
		if (status != WIRE_BLK_RSP_ERROR)
			conform_fail(&b->c, "READ: status %d", status);
		req.operation = WIRE_BLK_OP_WRITE;
		req.sector_number = BLK_SCRATCH;
		if (blk_one(b, &req) == 1)
			return;
		/* what can be mapped goes on */
		if (!there_and_back(b, 8, 2, 3000))
			return;
	}
}

static void never_granted(struct blk_suite *b)
{
	struct wire_blk_req64 req[4];
	struct wire_blk_rsp64 rsp[4];

	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(req); i++)
		req[i] = blk_rw(b, WIRE_BLK_OP_READ, i * 8, 24, 4 * i);
	req[1].seg[1].gref = UINT32_MAX;
	req[3].seg[0].gref = 0x00fffff0;
	memset(b->pages.at, 0, (size_t)16 * WIRE_PAGE_SIZE);
	if (!blk_exchange(b, req, XPV_ARRAY_SIZE(req), rsp))
		return;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(req); i++) {
		const uint8_t *data =
			b->pages.at + (size_t)4 * i * WIRE_PAGE_SIZE;
		bool bad = i % 2;

		if (bad != (rsp[i].status == WIRE_BLK_RSP_ERROR))
			conform_fail(&b->c, "request %" PRIu32 ": status %d", i,
				     rsp[i].status);
		else if (!bad && !(b->info & WIRE_BLK_INFO_READONLY) &&
			 backend_differs(data, i * 8 * 512, 3 * WIRE_PAGE_SIZE))
			conform_fail(&b->c, "request %" PRIu32 ": other data",
				     i);
	}
}

/* When the backend is at Closed, it has nothing mapped any more. */
static void let_go(struct blk_suite *b)
{
	struct raw_front *f = &b->k.f;
	struct raw_pages own;
	struct wire_blk_req64 req;

	if (!raw_grant(f, &own, WIRE_BLK_SEGS, true)) {
		conform_fail(&b->c, "on our side: %s", f->broken);
		return;
	}
	req = blk_rw(b, WIRE_BLK_OP_READ, 0, 8 * WIRE_BLK_SEGS, 0);
	for (uint32_t i = 0; i < WIRE_BLK_SEGS; i++)
		req.seg[i].gref = own.gref[i];
	if (blk_one(b, &req))
		conform_fail(&b->c, "a READ does not work");
	(void)raw_again(f, true);
	b->connected = false;
	for (uint32_t i = 0; i < WIRE_BLK_SEGS; i++)
		if (!f->ops->revoke(f->f, own.gref[i]))
			conform_fail(&b->c, "page %" PRIu32 " is mapped still",
				     i);
}

static const struct step steps[] = {
	{again, true},		{part, false},	 {read_only, true},
	{never_granted, false}, {let_go, false},
};

static const struct conform_case cases[] = {
	{.family = "persistent",
	 .name = "the same pages again and again",
	 .clause = &clause_blk_persistent,
	 .run = run,
	 .arg = &steps[0]},
	{.family = "persistent",
	 .name = "a part of a page",
	 .clause = &clause_blk_persistent,
	 .run = run,
	 .arg = &steps[1]},
	{.family = "persistent",
	 .name = "a page that may only be read",
	 .clause = &clause_grant_ro,
	 .run = run,
	 .arg = &steps[2]},
	{.family = "persistent",
	 .name = "references that were never granted, among others",
	 .clause = &clause_grant,
	 .run = run,
	 .arg = &steps[3]},
	{.family = "persistent",
	 .name = "nothing is mapped after the close",
	 .clause = &clause_blk_persistent,
	 .run = run,
	 .arg = &steps[4]},
};

const struct blk_list blk_persistent = {cases, XPV_ARRAY_SIZE(cases)};
