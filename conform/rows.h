/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request a row, and what its answer must be; the words that rows are in.
 * A row is a case, by the family of its table.
 */
#ifndef CONFORM_ROWS_H
#define CONFORM_ROWS_H

#include "conform/backend.h"

/* Symbols for grant references in the tables, which are numbers at run time. */
#define SYMBOL(kind, i) (0xa5000000u | (kind) << 8 | (i))
#define PAGE(i)		SYMBOL(0u, i)
#define LIST(i)		SYMBOL(1u, i)
#define READ_ONLY	SYMBOL(2u, 0u)
#define RING		SYMBOL(3u, 0u)
#define NEVER		0xffffffffu

/* Of a row's list: as many entries as are allowed, and one more. */
#define LIST_FULL 0xfffe
#define LIST_OVER 0xffff

#define BAD    (WIRE_SCSI_HOST_ERROR << 16)
#define ABSENT (WIRE_SCSI_HOST_NO_CONNECT << 16)

/* Where the known data stands, and where table rows may write. */
#define KNOWN	0, 0, 0, 0
#define SCRATCH 0, 0, 0x10, 0

#define TUR .act = WIRE_SCSI_ACT_CDB, .cmd_len = 6
#define INQUIRY                                                                \
	.act = WIRE_SCSI_ACT_CDB, .cmd_len = 6, .cmnd = {0x12, 0, 0, 0, 96}
#define READ(n)                                                                \
	.act = WIRE_SCSI_ACT_CDB, .cmd_len = 10,                               \
	.cmnd = {0x28, 0, KNOWN, 0, (n) >> 8, (n)&0xff}
#define WRITE(n)                                                               \
	.act = WIRE_SCSI_ACT_CDB, .cmd_len = 10,                               \
	.cmnd = {0x2a, 0, SCRATCH, 0, (n) >> 8, (n)&0xff}
#define REPORT_LUNS(bytes)                                                     \
	.act = WIRE_SCSI_ACT_CDB, .cmd_len = 12, .cmnd = {0xa0,                \
							  0,                   \
							  0,                   \
							  0,                   \
							  0,                   \
							  0,                   \
							  0,                   \
							  (bytes) >> 16,       \
							  (bytes) >> 8 & 0xff, \
							  (bytes)&0xff}
#define IN   .sc_data_direction = WIRE_SCSI_DIR_IN
#define OUT  .sc_data_direction = WIRE_SCSI_DIR_OUT
#define NONE .sc_data_direction = WIRE_SCSI_DIR_NONE

/* One segment. */
#define SEG(gref, offset, length)                                              \
	.nr_segments = 1, .seg = {{gref, offset, length}}

/* A list in one page. */
#define LISTED .nr_segments = WIRE_SCSI_SG_GRANT | 1

/* One request for each value of a byte from FIRST to LAST. */
#define SWEEP(field, first, last)                                              \
	.at = offsetof(struct wire_scsi_req, field), .from = (first),          \
	.to = (last) + 1

/* What the protocol asks of the answer. */
enum rule {
	RULE_DONE,   /* GOOD */
	RULE_REFUSE, /* not GOOD: a status or a host result says so */
	RULE_ANSWER, /* that there is one */
	RULE_TMF,    /* success or failure of an abort or a reset */
};

struct row {
	const char *name;
	struct wire_scsi_req req;
	/* SWEEP: the byte AT is FROM to TO - 1 */
	size_t at;
	uint32_t from, to;
	/* The LISTs are filled with N times this, and seg[0] names
	 * as much of them */
	struct wire_scsi_seg entry;
	uint32_t n;
	enum rule rule;
	/* what our own backend promises: --strict */
	int32_t want;
	uint16_t asc; /* additional sense code and qualifier, 0: any */
	bool or_good; /* what is right depends on the guest */
	bool shared;  /* only where other grants are of another's kernel */
	const struct clause *clause;
	uint32_t flags; /* enum conform_flags */
};

/* The cases of all rows, appended to LIST, which has room for row_count(). */
size_t row_count(void);
void row_cases(struct conform_case *list);

#endif
