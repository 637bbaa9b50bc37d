/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block backend: one request a row, and what its answer must be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/blk.h"

/* Symbols for grant references, which are numbers at run time. */
#define SYMBOL(kind, i) (0xa5000000u | (kind) << 8 | (i))
#define PAGE(i)		SYMBOL(0u, i)
#define READ_ONLY	SYMBOL(1u, 0u)
#define NEVER		0xffffffffu
#define KIND(gref)	((gref) >> 8 & 0xff)

/* One segment. */
#define SEG(gref, first, last) .nr_segments = 1, .seg = {{gref, first, last, 0}}
#define WHOLE		       SEG(PAGE(0), 0, 7)
#define READ_OP		       .operation = WIRE_BLK_OP_READ
#define WRITE_OP	       .operation = WIRE_BLK_OP_WRITE, .sector_number = BLK_SCRATCH

/* One request for each value of a byte from FIRST to LAST. */
#define SWEEP(field, first, last)                                              \
	.at = offsetof(struct wire_blk_req64, field), .from = (first),         \
	.to = (last) + 1

enum rule {
	RULE_DONE,    /* OKAY */
	RULE_REFUSE,  /* any other status that there is */
	RULE_UNKNOWN, /* EOPNOTSUPP, or ERROR */
	RULE_ANSWER,  /* any */
};

/* What it depends on; without it the case is skipped. */
enum need {
	NEED_NOTHING,
	NEED_WRITABLE,
	NEED_READONLY,
	NEED_FLUSH,
	NEED_NO_FLUSH,
	NEED_BARRIER,
	NEED_NO_BARRIER,
	NEED_DISCARD,
	NEED_NO_DISCARD,
	NEED_LARGE_BLOCKS,
};

struct row {
	const char *name;
	struct wire_blk_req64 req;
	uint64_t discard; /* sectors of a DISCARD */
	size_t at;	  /* SWEEP: the byte AT is FROM to TO - 1 */
	uint32_t from, to;
	bool end; /* sector_number counts from the end of the disk */
	enum rule rule;
	enum need need;
	const struct clause *clause;
	uint32_t flags; /* enum conform_flags */
};

static const struct row operations[] = {
	{"an honest READ", {READ_OP, WHOLE}, .clause = &clause_blk_rw},
	{"an honest WRITE",
	 {WRITE_OP, WHOLE},
	 .need = NEED_WRITABLE,
	 .clause = &clause_blk_rw},
	{"a WRITE of a page that may only be read",
	 {WRITE_OP, SEG(READ_ONLY, 0, 7)},
	 .need = NEED_WRITABLE,
	 .clause = &clause_blk_rw},
	{"operation 4",
	 {WHOLE},
	 SWEEP(operation, 4, 4),
	 .rule = RULE_UNKNOWN,
	 .clause = &clause_blk_operation},
	{"operations 7 to 255",
	 {WHOLE},
	 SWEEP(operation, 7, 255),
	 .rule = RULE_UNKNOWN,
	 .clause = &clause_blk_operation},
	{"a WRITE to a disk that is read-only",
	 {WRITE_OP, WHOLE},
	 .rule = RULE_REFUSE,
	 .need = NEED_READONLY,
	 .clause = &clause_blk_info},
	{"a FLUSH",
	 {.operation = WIRE_BLK_OP_FLUSH},
	 .need = NEED_FLUSH,
	 .clause = &clause_blk_flush},
	{"a FLUSH that was not announced",
	 {.operation = WIRE_BLK_OP_FLUSH},
	 .rule = RULE_UNKNOWN,
	 .need = NEED_NO_FLUSH,
	 .clause = &clause_blk_flush},
	{"an empty WRITE_BARRIER",
	 {.operation = WIRE_BLK_OP_WRITE_BARRIER},
	 .need = NEED_BARRIER,
	 .clause = &clause_blk_barrier},
	{"a WRITE_BARRIER that was not announced",
	 {.operation = WIRE_BLK_OP_WRITE_BARRIER,
	  .sector_number = BLK_SCRATCH,
	  WHOLE},
	 .rule = RULE_ANSWER,
	 .need = NEED_NO_BARRIER,
	 .clause = &clause_blk_barrier},
	{"any handle",
	 {READ_OP, WHOLE},
	 SWEEP(handle, 0, 255),
	 .rule = RULE_ANSWER,
	 .clause = &clause_blk_handle},
};

static const struct row segments[] = {
	{"a READ of no segment",
	 {READ_OP},
	 .rule = RULE_ANSWER,
	 .clause = &clause_blk_segments},
	{"12 to 255 segments",
	 {READ_OP, WHOLE},
	 SWEEP(nr_segments, 12, 255),
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_segments},
	{"first_sect beyond last_sect",
	 {READ_OP, SEG(PAGE(0), 5, 4)},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sects},
	{"all first_sect beyond last_sect 0",
	 {READ_OP, SEG(PAGE(0), 1, 0)},
	 SWEEP(seg[0].first_sect, 1, 255),
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sects},
	{"last_sect behind the page",
	 {READ_OP, WHOLE},
	 SWEEP(seg[0].last_sect, 8, 255),
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sects},
	{"the second segment is bad",
	 {READ_OP, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 7, 0}, {PAGE(1), 0, 8, 0}}},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sects},
	{"a reference that was never granted",
	 {READ_OP, SEG(NEVER, 0, 7)},
	 .rule = RULE_REFUSE,
	 .clause = &clause_grant},
	{"a WRITE from a reference that was never granted",
	 {WRITE_OP, SEG(NEVER, 0, 7)},
	 .rule = RULE_REFUSE,
	 .clause = &clause_grant},
	{"the second reference was never granted",
	 {READ_OP, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 7, 0}, {NEVER, 0, 7, 0}}},
	 .rule = RULE_REFUSE,
	 .clause = &clause_grant},
	{"a READ into a page that may only be read",
	 {READ_OP, SEG(READ_ONLY, 0, 7)},
	 .rule = RULE_REFUSE,
	 .clause = &clause_grant_ro},
	{"one page eleven times",
	 {READ_OP, .nr_segments = 11,
	  .seg = {{PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0},
		  {PAGE(0), 0, 7, 0}}},
	 .clause = &clause_blk_rw},
};

static const struct row places[] = {
	{"the last sectors",
	 {READ_OP, .sector_number = (uint64_t)-8, WHOLE},
	 .end = true,
	 .clause = &clause_blk_sectors},
	{"a READ across the end",
	 {READ_OP, .sector_number = (uint64_t)-8, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 7, 0}, {PAGE(1), 0, 7, 0}}},
	 .end = true,
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"a READ at the end",
	 {READ_OP, WHOLE},
	 .end = true,
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"a WRITE at the end",
	 {.operation = WIRE_BLK_OP_WRITE, WHOLE},
	 .end = true,
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"the last sector that there can be",
	 {READ_OP, .sector_number = UINT64_MAX, WHOLE},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"sectors that wrap around to 0",
	 {READ_OP, .sector_number = UINT64_MAX - 7, WHOLE},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"sectors that wrap around into the disk",
	 {.operation = WIRE_BLK_OP_WRITE,
	  .sector_number = UINT64_MAX - 7,
	  .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 7, 0}, {PAGE(1), 0, 7, 0}}},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"bytes that wrap around",
	 {READ_OP, .sector_number = UINT64_C(1) << 55, WHOLE},
	 .rule = RULE_REFUSE,
	 .clause = &clause_blk_sectors},
	{"less than a block",
	 {READ_OP, SEG(PAGE(0), 0, 0)},
	 .rule = RULE_REFUSE,
	 .need = NEED_LARGE_BLOCKS,
	 .clause = &clause_blk_sector_size},
	{"blocks that begin inside one",
	 {READ_OP, .sector_number = 1, WHOLE},
	 .rule = RULE_REFUSE,
	 .need = NEED_LARGE_BLOCKS,
	 .clause = &clause_blk_sector_size},
};

#define DISCARD_OP .operation = WIRE_BLK_OP_DISCARD

static const struct row discards[] = {
	{"an honest DISCARD",
	 {DISCARD_OP, .sector_number = BLK_SCRATCH},
	 .discard = 2048,
	 .need = NEED_DISCARD,
	 .clause = &clause_blk_discard},
	{"a DISCARD that was not announced",
	 {DISCARD_OP, .sector_number = BLK_SCRATCH},
	 .discard = 8,
	 .rule = RULE_UNKNOWN,
	 .need = NEED_NO_DISCARD,
	 .clause = &clause_blk_discard},
	{"a DISCARD across the end",
	 {DISCARD_OP, .sector_number = (uint64_t)-8},
	 .discard = 16,
	 .end = true,
	 .rule = RULE_REFUSE,
	 .need = NEED_DISCARD,
	 .clause = &clause_blk_sectors},
	{"a DISCARD that wraps around into the disk",
	 {DISCARD_OP, .sector_number = UINT64_MAX - 7},
	 .discard = 16,
	 .rule = RULE_REFUSE,
	 .need = NEED_DISCARD,
	 .clause = &clause_blk_sectors},
	{"a DISCARD of all sectors that there can be",
	 {DISCARD_OP, .sector_number = 8},
	 .discard = UINT64_MAX,
	 .rule = RULE_REFUSE,
	 .need = NEED_DISCARD,
	 .clause = &clause_blk_sectors},
	{"a DISCARD of a disk that is read-only",
	 {DISCARD_OP},
	 .discard = 8,
	 .rule = RULE_REFUSE,
	 .need = NEED_READONLY,
	 .clause = &clause_blk_info},
};

/* ---- running one ---- */

static bool has(const struct blk_suite *b, enum need need)
{
	bool readonly = b->info & WIRE_BLK_INFO_READONLY;
	const bool is[] = {
		[NEED_NOTHING] = true,
		[NEED_WRITABLE] = !readonly,
		[NEED_READONLY] = readonly,
		[NEED_FLUSH] = b->flush,
		[NEED_NO_FLUSH] = !b->flush,
		[NEED_BARRIER] = b->barrier,
		[NEED_NO_BARRIER] = !b->barrier && !readonly,
		[NEED_DISCARD] = b->discard && !readonly,
		[NEED_NO_DISCARD] = !b->discard && !readonly,
		[NEED_LARGE_BLOCKS] = b->block > 512,
	};

	return is[need];
}

static const char *missing(enum need need)
{
	static const char *const text[] = {
		[NEED_WRITABLE] = "the disk is read-only",
		[NEED_READONLY] = "the disk can be written",
		[NEED_FLUSH] = "feature-flush-cache is not announced",
		[NEED_NO_FLUSH] = "feature-flush-cache is announced",
		[NEED_BARRIER] = "feature-barrier is not announced",
		[NEED_NO_BARRIER] = "feature-barrier is announced",
		[NEED_DISCARD] = "feature-discard is not announced",
		[NEED_NO_DISCARD] = "feature-discard is announced",
		[NEED_LARGE_BLOCKS] = "blocks are of 512 bytes",
	};

	return need < XPV_ARRAY_SIZE(text) && text[need] ? text[need] : "";
}

static bool fits(enum rule rule, int16_t status)
{
	bool refused = status == WIRE_BLK_RSP_ERROR ||
		       status == WIRE_BLK_RSP_EOPNOTSUPP;

	switch (rule) {
	case RULE_DONE:
		return status == WIRE_BLK_RSP_OKAY;
	case RULE_REFUSE:
	case RULE_UNKNOWN:
		return refused;
	case RULE_ANSWER:
		return refused || status == WIRE_BLK_RSP_OKAY;
	}
	return false;
}

static struct wire_blk_req64 make(const struct blk_suite *b,
				  const struct row *r)
{
	struct wire_blk_req64 req = r->req;
	struct wire_blk_discard64 *d = (void *)&req;

	for (size_t i = 0; i < WIRE_BLK_SEGS; i++) {
		uint32_t *gref = &req.seg[i].gref;

		if (*gref >> 24 != 0xa5)
			continue;
		*gref = KIND(*gref) ? b->read_only.gref[0]
				    : b->pages.gref[*gref & 0xff];
	}
	if (r->end)
		req.sector_number += b->sectors;
	if (r->discard)
		d->nr_sectors = r->discard;
	return req;
}

static void run_row(struct conform *c, const void *arg)
{
	struct blk_suite *b = blk_of(c);
	const struct row *r = arg;
	struct wire_blk_req64 req;
	int16_t status;
	uint32_t value = r->from;

	if (!has(b, r->need)) {
		conform_skip(c, "%s", missing(r->need));
		return;
	}
	do {
		req = make(b, r);
		if (r->to)
			((uint8_t *)&req)[r->at] = (uint8_t)value;
		status = blk_one(b, &req);
		if (status == 1)
			return;
		if (!fits(r->rule, status))
			conform_fail(c, "value %" PRIu32 ": status %d", value,
				     status);
	} while (++value < r->to);
}

static const struct {
	const char *family;
	const struct row *row;
	size_t n;
} tables[] = {
	{"operation", operations, XPV_ARRAY_SIZE(operations)},
	{"segment", segments, XPV_ARRAY_SIZE(segments)},
	{"place", places, XPV_ARRAY_SIZE(places)},
	{"discard", discards, XPV_ARRAY_SIZE(discards)},
};

size_t blk_rows(struct conform_case *list)
{
	size_t at = 0;

	for (size_t t = 0; t < XPV_ARRAY_SIZE(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++, at++)
			if (list)
				list[at] = (struct conform_case){
					.family = tables[t].family,
					.name = tables[t].row[i].name,
					.clause = tables[t].row[i].clause,
					.flags = tables[t].row[i].flags,
					.run = run_row,
					.arg = &tables[t].row[i]};
	return at;
}
