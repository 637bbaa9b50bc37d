/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct row slots[] = {
	{"an honest READ",
	 {READ(8), IN, SEG(PAGE(1), 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_segments},
	{"request 0",
	 {TUR, NONE},
	 SWEEP(act, 0, 0),
	 .want = BAD,
	 .clause = &clause_act,
	 .rule = RULE_REFUSE},
	{"requests 4 to 255",
	 {TUR, NONE},
	 SWEEP(act, 4, 255),
	 .want = BAD,
	 .clause = &clause_act,
	 .rule = RULE_REFUSE},
	{"CDB of no bytes",
	 {TUR, NONE},
	 SWEEP(cmd_len, 0, 0),
	 .want = BAD,
	 .clause = &clause_cdb,
	 .rule = RULE_REFUSE},
	{"CDBs of 1 to 5 bytes",
	 {TUR, NONE},
	 SWEEP(cmd_len, 1, 5),
	 .want = CHECK,
	 .asc = 0x2000,
	 .clause = &clause_cdb,
	 .rule = RULE_ANSWER},
	{"CDBs of 17 to 255 bytes",
	 {TUR, NONE},
	 SWEEP(cmd_len, 17, 255),
	 .want = BAD,
	 .clause = &clause_cdb,
	 .rule = RULE_REFUSE},
	{"directions 4 to 255",
	 {INQUIRY, SEG(PAGE(0), 0, 96)},
	 SWEEP(sc_data_direction, 4, 255),
	 .want = BAD,
	 .clause = &clause_direction,
	 .rule = RULE_REFUSE},
	{"27 to 127 segments",
	 {INQUIRY, IN},
	 SWEEP(nr_segments, 27, 127),
	 .want = BAD,
	 .clause = &clause_many_segments,
	 .rule = RULE_REFUSE},
	{"a list in 0 pages",
	 {INQUIRY, IN},
	 SWEEP(nr_segments, 128, 128),
	 .want = BAD,
	 .clause = &clause_list,
	 .rule = RULE_ANSWER},
	{"lists in 27 to 127 pages",
	 {INQUIRY, IN},
	 SWEEP(nr_segments, 155, 255),
	 .want = BAD,
	 .clause = &clause_many_segments,
	 .rule = RULE_REFUSE},
	{"26 segments of no length",
	 {TUR, NONE, .nr_segments = 26, .seg = {{NEVER, 0, 0}}},
	 .want = GOOD,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
};

static const struct row segments[] = {
	{"end of the page passed",
	 {INQUIRY, IN, SEG(PAGE(0), 4000, 200)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"by one byte",
	 {INQUIRY, IN, SEG(PAGE(0), 4001, 96)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"not passed",
	 {INQUIRY, IN, SEG(PAGE(0), 4000, 96)},
	 .want = GOOD,
	 .clause = &clause_page},
	{"offset 4096, 1 byte",
	 {INQUIRY, IN, SEG(PAGE(0), 4096, 1)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"offset 4096, no byte",
	 {INQUIRY, IN, SEG(PAGE(0), 4096, 0)},
	 .want = GOOD,
	 .clause = &clause_page,
	 .rule = RULE_ANSWER},
	{"offset 4097, no byte",
	 {INQUIRY, IN, SEG(PAGE(0), 4097, 0)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_ANSWER},
	{"4097 bytes",
	 {INQUIRY, IN, SEG(PAGE(0), 0, 4097)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"65535 bytes",
	 {INQUIRY, IN, SEG(PAGE(0), 0, 65535)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"sum wraps to 0",
	 {INQUIRY, IN, SEG(PAGE(0), 1, 65535)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"sum wraps to 1",
	 {INQUIRY, IN, SEG(PAGE(0), 65535, 2)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"both 65535",
	 {INQUIRY, IN, SEG(PAGE(0), 65535, 65535)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"as data-out",
	 {WRITE(1), OUT, SEG(PAGE(0), 65000, 1024)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"without data",
	 {TUR, NONE, SEG(PAGE(0), 65000, 1024)},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_ANSWER},
	{"only the second is wrong",
	 {READ(1), IN, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 256}, {PAGE(0), 4000, 256}}},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"26 times the same bytes",
	 {READ(1), IN, .nr_segments = 26, .seg = {{PAGE(0), 0, 512}}},
	 .want = GOOD,
	 .clause = &clause_segments},
};

static const struct row grants[] = {
	/* 0 and 1 are the console's and xenstore's ring, granted to dom0, and
	 * from 8 on they are the drivers': data-out only */
	{"gref 0 as data-out",
	 {WRITE(1), OUT, SEG(0, 0, 512)},
	 .want = BAD,
	 .or_good = true,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER,
	 .shared = true},
	{"gref 1 as data-out",
	 {WRITE(1), OUT, SEG(1, 0, 512)},
	 .want = BAD,
	 .or_good = true,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER,
	 .shared = true},
	{"gref 8 as data-out",
	 {WRITE(1), OUT, SEG(8, 0, 512)},
	 .want = BAD,
	 .or_good = true,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER,
	 .shared = true},
	{"gref behind the table as data-in",
	 {READ(1), IN, SEG(0x10000, 0, 512)},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"gref 2^31 as data-in",
	 {READ(1), IN, SEG(1u << 31, 0, 512)},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"gref 2^32 - 1 as data-in",
	 {READ(1), IN, SEG(NEVER, 0, 512)},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"gref 2^32 - 1 as data-out",
	 {WRITE(1), OUT, SEG(NEVER, 0, 512)},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"a read-only page as data-in",
	 {READ(8), IN, SEG(READ_ONLY, 0, 4096)},
	 .want = BAD,
	 .clause = &clause_grant_ro,
	 .rule = RULE_REFUSE},
	{"a read-only page as data-out",
	 {WRITE(8), OUT, SEG(READ_ONLY, 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_grant_ro},
	{"the ring itself as data-out",
	 {WRITE(8), OUT, SEG(RING, 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER},
	{"only the second is not granted, data-in",
	 {READ(2), IN, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 512}, {NEVER, 0, 512}}},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"only the second is not granted, data-out",
	 {WRITE(2), OUT, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 512}, {NEVER, 0, 512}}},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"the one that is not granted is not needed",
	 {INQUIRY, IN, .nr_segments = 2,
	  .seg = {{PAGE(0), 0, 96}, {NEVER, 0, 512}}},
	 .want = GOOD,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER},
	{"not granted, and no data",
	 {TUR, NONE, SEG(NEVER, 0, 512)},
	 .want = GOOD,
	 .clause = &clause_grant,
	 .rule = RULE_ANSWER},
};

#define TWO_LISTED   .nr_segments = WIRE_SCSI_SG_GRANT | 2
#define THREE_LISTED .nr_segments = WIRE_SCSI_SG_GRANT | 3

/* A page full of entries, and so many of them. */
#define FULL_LIST                                                              \
	{                                                                      \
		LIST(0), 0, 4096                                               \
	}
#define TWO_FULL   FULL_LIST, FULL_LIST
#define EIGHT_FULL TWO_FULL, TWO_FULL, TWO_FULL, TWO_FULL

static const struct row lists[] = {
	{"an honest list",
	 {READ(8), IN, LISTED},
	 .entry = {PAGE(0), 0, 512},
	 .n = 8,
	 .want = GOOD,
	 .clause = &clause_list},
	{"the longest that is offered",
	 {READ(256), IN, LISTED},
	 .entry = {PAGE(0), 0, 512},
	 .n = LIST_FULL,
	 .want = GOOD,
	 .clause = &clause_list_max,
	 .rule = RULE_ANSWER},
	{"one entry more",
	 {READ(256), IN, LISTED},
	 .entry = {PAGE(0), 0, 512},
	 .n = LIST_OVER,
	 .want = BAD,
	 .clause = &clause_list_max,
	 .rule = RULE_REFUSE},
	{"three whole pages of entries",
	 {READ(256), IN, LISTED},
	 .entry = {PAGE(0), 0, 512},
	 .n = LISTS * WIRE_SCSI_SEGS_PER_PAGE,
	 .want = BAD,
	 .clause = &clause_list_max,
	 .rule = RULE_REFUSE},
	{"three pages, together too many",
	 {READ(1), IN, THREE_LISTED, .seg = {TWO_FULL, {LIST(2), 0, 8}}},
	 .want = BAD,
	 .clause = &clause_list_max,
	 .rule = RULE_REFUSE},
	{"26 pages of 512",
	 {READ(1), IN, .nr_segments = WIRE_SCSI_SG_GRANT | 26,
	  .seg = {EIGHT_FULL, EIGHT_FULL, EIGHT_FULL, TWO_FULL}},
	 .want = BAD,
	 .clause = &clause_list_max,
	 .rule = RULE_REFUSE},
	{"the list is not granted",
	 {READ(1), IN, LISTED, .seg = {{NEVER, 0, 8}}},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"the second page of it is not granted",
	 {READ(1), IN, TWO_LISTED, .seg = {{LIST(0), 0, 8}, {NEVER, 0, 8}}},
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"not a number of entries",
	 {READ(1), IN, LISTED, .seg = {{LIST(0), 0, 12}}},
	 .want = BAD,
	 .clause = &clause_list,
	 .rule = RULE_REFUSE},
	{"the list passes its page",
	 {READ(1), IN, LISTED, .seg = {{LIST(0), 4088, 16}}},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"the list is behind its page",
	 {READ(1), IN, LISTED, .seg = {{LIST(0), 4096, 8}}},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"its offset and length wrap",
	 {READ(1), IN, LISTED, .seg = {{LIST(0), 65528, 16}}},
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	/* the kernel's backend reads in front of a table of no entries: an oops
	 * in dom0 */
	{"an empty list",
	 {TUR, IN, LISTED, .seg = {{LIST(0), 0, 0}}},
	 .want = GOOD,
	 .clause = &clause_list,
	 .rule = RULE_ANSWER,
	 .flags = CONFORM_DANGEROUS},
	{"entries that pass their page",
	 {READ(8), IN, LISTED},
	 .entry = {PAGE(0), 4000, 512},
	 .n = 8,
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"entries that wrap",
	 {READ(8), IN, LISTED},
	 .entry = {PAGE(0), 65535, 65535},
	 .n = 8,
	 .want = BAD,
	 .clause = &clause_page,
	 .rule = RULE_REFUSE},
	{"entries that are not granted",
	 {READ(8), IN, LISTED},
	 .entry = {NEVER, 0, 512},
	 .n = 8,
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"entries that are not granted, data-out",
	 {WRITE(8), OUT, LISTED},
	 .entry = {NEVER, 0, 512},
	 .n = 8,
	 .want = BAD,
	 .clause = &clause_grant,
	 .rule = RULE_REFUSE},
	{"entries of no length",
	 {READ(8), IN, LISTED},
	 .entry = {NEVER, 0, 0},
	 .n = LIST_FULL,
	 .want = GOOD,
	 .clause = &clause_list,
	 .rule = RULE_ANSWER},
	{"the list is its own data",
	 {READ(8), IN, LISTED},
	 .entry = {LIST(0), 0, 512},
	 .n = 8,
	 .want = GOOD,
	 .clause = &clause_list,
	 .rule = RULE_ANSWER},
	{"a read-only page as list",
	 {TUR, NONE, LISTED, .seg = {{READ_ONLY, 0, 8}}},
	 .want = GOOD,
	 .clause = &clause_grant_ro,
	 .rule = RULE_ANSWER},
};

/* A READ(16) and its range. */
#define READ16(a, n)                                                           \
	.act = WIRE_SCSI_ACT_CDB, .cmd_len = 16,                               \
	.cmnd = {0x88, 0, a, a, a, a, a, a, a, a, n, n, n, n, 0, 0}

static const struct row commands[] = {
	{"READ of more than the segments hold",
	 {READ(8), IN, SEG(PAGE(0), 0, 512)},
	 .want = GOOD,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
	{"READ into 7 bytes",
	 {READ(8), IN, SEG(PAGE(0), 1, 7)},
	 .want = GOOD,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER,
	 .flags = CONFORM_DANGEROUS},
	{"READ into nothing",
	 {READ(8), IN},
	 .want = GOOD,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
	{"READ without a direction",
	 {READ(8), NONE, SEG(PAGE(0), 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_direction,
	 .rule = RULE_ANSWER},
	{"READ as data-out",
	 {READ(8), OUT, SEG(PAGE(0), 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_direction,
	 .rule = RULE_ANSWER},
	{"WRITE of more than was sent",
	 {WRITE(8), OUT, SEG(PAGE(0), 0, 512)},
	 .want = CHECK,
	 .asc = 0x0e03,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
	{"WRITE of nothing that was sent",
	 {WRITE(8), OUT},
	 .want = CHECK,
	 .asc = 0x0e03,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
	{"WRITE as data-in",
	 {WRITE(8), IN, SEG(PAGE(0), 0, 4096)},
	 .want = CHECK,
	 .asc = 0x0e03,
	 .clause = &clause_direction,
	 .rule = RULE_ANSWER},
	/* the kernel's backend never answers it, and then never closes, in a
	 * thread that all backends of its domain share */
	{"WRITE in the direction of those that know none",
	 {WRITE(8), SEG(PAGE(0), 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_direction,
	 .rule = RULE_ANSWER,
	 .flags = CONFORM_DANGEROUS},
	{"READ beyond the end",
	 {READ16(0x7f, 0), IN},
	 .want = CHECK,
	 .asc = 0x2100,
	 .clause = &clause_scsi_error,
	 .rule = RULE_REFUSE},
	{"READ whose range wraps",
	 {READ16(0xff, 0xff), IN},
	 .want = CHECK,
	 .asc = 0x2100,
	 .clause = &clause_scsi_error,
	 .rule = RULE_REFUSE},
	{"READ of 2^32 - 1 blocks",
	 {READ16(0, 0xff), IN},
	 .want = CHECK,
	 .asc = 0x2100,
	 .clause = &clause_scsi_error,
	 .rule = RULE_REFUSE},
	{"READ of more than is offered",
	 {READ(0x7fff), IN},
	 .want = CHECK,
	 .asc = 0x2400,
	 .clause = &clause_segments,
	 .rule = RULE_ANSWER},
	{"READ(10) in 6 bytes",
	 {.act = WIRE_SCSI_ACT_CDB, .cmd_len = 6, .cmnd = {0x28}, IN},
	 .want = CHECK,
	 .asc = 0x2400,
	 .clause = &clause_cdb,
	 .rule = RULE_ANSWER},
	{"an unknown command",
	 {.act = WIRE_SCSI_ACT_CDB, .cmd_len = 16, .cmnd = {0xff}, NONE},
	 .want = CHECK,
	 .asc = 0x2000,
	 .clause = &clause_scsi_error,
	 .rule = RULE_REFUSE},
	{"NACA",
	 {.act = WIRE_SCSI_ACT_CDB,
	  .cmd_len = 6,
	  .cmnd = {0, 0, 0, 0, 0, 4},
	  NONE},
	 .want = CHECK,
	 .asc = 0x2400,
	 .clause = &clause_scsi_error,
	 .rule = RULE_ANSWER},
};

static const struct row addresses[] = {
	{"an absent LUN",
	 {TUR, NONE, .lun = 5},
	 .want = CHECK,
	 .asc = 0x2500,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"LUN 65535",
	 {TUR, NONE, .lun = 65535},
	 .want = CHECK,
	 .asc = 0x2500,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"INQUIRY of an absent LUN",
	 {INQUIRY, IN, .lun = 5, SEG(PAGE(0), 0, 96)},
	 .want = GOOD,
	 .clause = &clause_address,
	 .rule = RULE_ANSWER},
	{"WRITE to an absent LUN",
	 {WRITE(1), OUT, .lun = 5, SEG(PAGE(0), 0, 512)},
	 .want = CHECK,
	 .asc = 0x2500,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"an absent target",
	 {TUR, NONE, .id = 1},
	 .want = ABSENT,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"target 65535",
	 {TUR, NONE, .id = 65535},
	 .want = ABSENT,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"an absent channel",
	 {TUR, NONE, .channel = 1},
	 .want = ABSENT,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"channel 65535",
	 {TUR, NONE, .channel = 65535},
	 .want = ABSENT,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"REPORT LUNS of an absent LUN",
	 {REPORT_LUNS(4096), IN, .lun = 5, SEG(PAGE(0), 0, 4096)},
	 .want = GOOD,
	 .clause = &clause_address,
	 .rule = RULE_ANSWER},
	{"REPORT LUNS of an absent target",
	 {REPORT_LUNS(4096), IN, .id = 1, SEG(PAGE(0), 0, 4096)},
	 .want = ABSENT,
	 .clause = &clause_address,
	 .rule = RULE_REFUSE},
	{"REPORT LUNS with 15 bytes",
	 {REPORT_LUNS(15), IN, SEG(PAGE(0), 0, 4096)},
	 .want = CHECK,
	 .asc = 0x2400,
	 .clause = &clause_report_luns,
	 .rule = RULE_ANSWER},
	{"ABORT of nothing",
	 {.act = WIRE_SCSI_ACT_ABORT, .ref_rqid = 0xdead},
	 .want = WIRE_SCSI_RESET_SUCCESS,
	 .clause = &clause_reset_result,
	 .rule = RULE_TMF},
	{"ABORT at an absent target",
	 {.act = WIRE_SCSI_ACT_ABORT, .id = 9, .ref_rqid = 0xdead},
	 .want = WIRE_SCSI_RESET_SUCCESS,
	 .clause = &clause_reset_result,
	 .rule = RULE_TMF},
	{"RESET of an absent LUN",
	 {.act = WIRE_SCSI_ACT_RESET, .lun = 5},
	 .want = WIRE_SCSI_RESET_FAILED,
	 .clause = &clause_reset_result,
	 .rule = RULE_TMF},
	{"RESET of an absent target",
	 {.act = WIRE_SCSI_ACT_RESET, .id = 9},
	 .want = WIRE_SCSI_RESET_FAILED,
	 .clause = &clause_reset_result,
	 .rule = RULE_TMF},
	{"RESET with a bad rest",
	 {.act = WIRE_SCSI_ACT_RESET,
	  .lun = 1,
	  .cmd_len = 255,
	  .sc_data_direction = 255,
	  .nr_segments = 255},
	 .want = WIRE_SCSI_RESET_SUCCESS,
	 .clause = &clause_reset_result,
	 .rule = RULE_TMF},
};

/* ---- running them ---- */

static uint32_t gref_of(const struct backend *b, uint32_t gref)
{
	uint32_t i = gref & 0xff;

	if (gref >> 16 != SYMBOL(0u, 0u) >> 16)
		return gref;
	switch (gref >> 8 & 0xff) {
	case 0:
		return b->pages.gref[i];
	case 1:
		return b->list.gref[i];
	case 2:
		return b->read_only.gref[0];
	default:
		return b->front.ring_gref;
	}
}

static void fill_list(struct backend *b, const struct row *row,
		      struct wire_scsi_req *req)
{
	struct wire_scsi_seg *entry = (void *)b->list.at;
	uint32_t i, here, pages, n = row->n;

	if (n == LIST_FULL || n == LIST_OVER)
		n = b->segs_max + (n == LIST_OVER);
	if (n > LISTS * WIRE_SCSI_SEGS_PER_PAGE)
		n = LISTS * WIRE_SCSI_SEGS_PER_PAGE;
	if (n == 0)
		return;
	for (i = 0; i < n; i++) {
		entry[i] = row->entry;
		entry[i].gref = gref_of(b, row->entry.gref);
	}
	for (pages = 0; n; n -= here, pages++) {
		here = n < WIRE_SCSI_SEGS_PER_PAGE ? n
						   : WIRE_SCSI_SEGS_PER_PAGE;
		req->seg[pages].gref = b->list.gref[pages];
		req->seg[pages].length = (uint16_t)(here * sizeof(*entry));
	}
	req->nr_segments = (uint8_t)(WIRE_SCSI_SG_GRANT | pages);
}

/* Is it too long only for a peer that offers less than this one? */
static bool is_offered(const struct backend *b, const struct row *row)
{
	uint32_t n = row->n, i;

	if (row->clause != &clause_list_max || row->want != BAD ||
	    n == LIST_OVER || (row->req.nr_segments & 0x7f) > LISTS)
		return false;
	if (n == 0) {
		for (i = 0; i < LISTS; i++)
			n += row->req.seg[i].length;
		n /= (uint32_t)sizeof(struct wire_scsi_seg);
	}
	return n <= b->segs_max;
}

/*
 * A row's address: LUN 0 and 1 are ours, others are meant not to be there, on
 * the same target unless they say otherwise.
 */
static void set_address(const struct backend *b, struct wire_scsi_req *req)
{
	const struct scsi_addr *base = &b->addr[0];

	if (!req->channel && !req->id && req->lun == 1 && b->luns > 1)
		base = &b->addr[1];
	if (!req->channel && !req->id && req->lun < 2)
		req->lun = base->lun;
	req->channel = (uint16_t)(base->channel + req->channel);
	req->id = (uint16_t)(base->id + req->id);
}

static bool fits(struct backend *b, const struct row *row)
{
	bool list = row->req.nr_segments & WIRE_SCSI_SG_GRANT && !row->to;

	if (row->shared && !b->front.ops->release)
		conform_skip(&b->c, "no other grants of our domain are there");
	else if (row->n == LIST_OVER &&
		 b->segs_max >= LISTS * WIRE_SCSI_SEGS_PER_PAGE)
		conform_skip(&b->c, "it offers more than we can send");
	else if (is_offered(b, row))
		conform_skip(&b->c, "it offers as many");
	else if (!list || backend_lists(b))
		return true;
	return false;
}

static bool follows(const struct row *row, const struct wire_scsi_rsp *rsp)
{
	switch (row->rule) {
	case RULE_DONE:
		return rsp->rslt == GOOD;
	case RULE_REFUSE:
		return rsp_failed(rsp);
	case RULE_TMF:
		return rsp->rslt == WIRE_SCSI_RESET_SUCCESS ||
		       rsp->rslt == WIRE_SCSI_RESET_FAILED;
	case RULE_ANSWER:
		break;
	}
	return true;
}

static bool judge(struct backend *b, const struct row *row, uint32_t value,
		  const struct wire_scsi_rsp *rsp)
{
	bool good = follows(row, rsp);
	char which[32] = "";

	if (good && b->c.opt->strict)
		good = (rsp->rslt == row->want &&
			(!row->asc || rsp_asc(rsp) == row->asc)) ||
		       (row->or_good && rsp->rslt == GOOD);
	if (good)
		return true;
	if (row->to)
		snprintf(which, sizeof(which), " for %" PRIu32, value);
	return conform_fail(&b->c,
			    "rslt %#" PRIx32 ", additional sense %#x%s%s",
			    (uint32_t)rsp->rslt, rsp_asc(rsp), which,
			    rsp_failed(rsp) ? "" : ": as if it were done");
}

/* As many requests at once as fit. */
static void run_row(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const struct row *row = arg;
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	uint32_t i, n, first, value = row->from;
	uint32_t end = row->to ? row->to : value + 1;

	if (!fits(b, row))
		return;
	while (value < end) {
		first = value;
		for (n = 0; n < WIRE_SCSI_RING_SIZE && value < end; n++) {
			req[n] = row->req;
			for (i = 0; i < WIRE_SCSI_SEGS; i++)
				req[n].seg[i].gref =
					gref_of(b, row->req.seg[i].gref);
			fill_list(b, row, &req[n]);
			set_address(b, &req[n]);
			if (row->to)
				((uint8_t *)&req[n])[row->at] = (uint8_t)value;
			value++;
		}
		if (!backend_exchange(b, req, n, rsp, NULL))
			return;
		for (i = 0; i < n; i++)
			if (!judge(b, row, first + i, &rsp[i]))
				return;
	}
	if (row->rule == RULE_ANSWER)
		conform_note(c, "rslt %#" PRIx32, (uint32_t)rsp[0].rslt);
}

static const struct {
	const char *family;
	const struct row *row;
	size_t n;
} tables[] = {
	{"slots", slots, XPV_ARRAY_SIZE(slots)},
	{"segments", segments, XPV_ARRAY_SIZE(segments)},
	{"grants", grants, XPV_ARRAY_SIZE(grants)},
	{"lists", lists, XPV_ARRAY_SIZE(lists)},
	{"commands", commands, XPV_ARRAY_SIZE(commands)},
	{"addresses", addresses, XPV_ARRAY_SIZE(addresses)},
};

size_t row_count(void)
{
	size_t i, n = 0;

	for (i = 0; i < XPV_ARRAY_SIZE(tables); i++)
		n += tables[i].n;
	return n;
}

void row_cases(struct conform_case *list)
{
	size_t i, j;

	for (i = 0; i < XPV_ARRAY_SIZE(tables); i++)
		for (j = 0; j < tables[i].n; j++)
			*list++ = (struct conform_case){
				.family = tables[i].family,
				.name = tables[i].row[j].name,
				.clause = tables[i].row[j].clause,
				.flags = tables[i].row[j].flags,
				.run = run_row,
				.arg = &tables[i].row[j],
			};
}
