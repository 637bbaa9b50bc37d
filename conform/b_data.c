/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a backend: data and what is said of it. Maximal requests, scattered
 * and odd buffers, residuals, sense data, REPORT LUNS, time limits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

/* Blocks that a request of N may have here. */
static uint32_t at_most(const struct backend *b, uint32_t n)
{
	if (b->blocks_max && n > b->blocks_max)
		n = b->blocks_max;
	return n < KNOWN_BLOCKS ? n : KNOWN_BLOCKS;
}

static uint8_t *page(const struct backend *b, uint32_t i)
{
	return b->pages.at + (size_t)i * WIRE_PAGE_SIZE;
}

static void all_direct(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t blocks = at_most(b, WIRE_SCSI_SEGS * 8);
	struct wire_scsi_req req = backend_read(b, 0, 0, blocks, 0);
	struct wire_scsi_rsp rsp;
	uint32_t wrong;

	(void)arg;
	memset(page(b, 0), 0, blocks * 512);
	if (!backend_good(b, &req, &rsp, "READ"))
		return;
	wrong = backend_differs(page(b, 0), 0, blocks * 512);
	if (wrong || rsp.residual_len)
		conform_fail(c,
			     "%" PRIu32 " bytes are wrong, residual %" PRIu32,
			     wrong, rsp.residual_len);
	conform_note(c, "%" PRIu32 " bytes", blocks * 512);
}

/* A list of N whole pages, beginning at byte OFFSET of the list pages; PARTS
 * areas name it. */
static void list_of(struct backend *b, struct wire_scsi_req *req, uint32_t n,
		    uint32_t offset, uint32_t parts)
{
	struct wire_scsi_seg *entry = (void *)(b->list.at + offset);
	uint32_t i, done = 0, here;

	for (i = 0; i < n; i++)
		entry[i] = backend_seg(b, i, 0, WIRE_PAGE_SIZE);
	memset(req->seg, 0, sizeof(req->seg));
	for (i = 0; i < parts; i++) {
		here = i + 1 < parts ? n / parts : n - done;
		req->seg[i] = (struct wire_scsi_seg){
			b->list.gref[0], (uint16_t)(offset + done * 8),
			(uint16_t)(here * 8)};
		done += here;
	}
	req->nr_segments = (uint8_t)(WIRE_SCSI_SG_GRANT | parts);
}

struct shape {
	uint32_t pages; /* 0: as many as may be */
	uint32_t offset, parts;
};

static void listed(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const struct shape *s = arg;
	uint32_t n = s->pages ? s->pages : b->segs_max, blocks, wrong;
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;

	if (!backend_lists(b))
		return;
	if (n > DATA_PAGES)
		n = DATA_PAGES;
	blocks = at_most(b, n * 8);
	n = (blocks + 7) / 8;
	req = backend_read(b, 0, 0, blocks, 0);
	list_of(b, &req, n, s->offset, s->parts);
	memset(page(b, 0), 0, (size_t)n * WIRE_PAGE_SIZE);
	if (!backend_good(b, &req, &rsp, "READ"))
		return;
	wrong = backend_differs(page(b, 0), 0, blocks * 512);
	if (wrong)
		conform_fail(c, "%" PRIu32 " bytes are wrong", wrong);
	conform_note(c, "%" PRIu32 " segments, %" PRIu32 " bytes", n,
		     blocks * 512);
}

static void read_only_list(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 16, 0);
	struct wire_scsi_seg *entry = (void *)b->read_only.at;
	struct wire_scsi_rsp rsp;

	(void)arg;
	if (!backend_lists(b))
		return;
	entry[0] = backend_seg(b, 0, 0, WIRE_PAGE_SIZE);
	entry[1] = backend_seg(b, 1, 0, WIRE_PAGE_SIZE);
	req.seg[0] = (struct wire_scsi_seg){b->read_only.gref[0], 0, 16};
	req.nr_segments = WIRE_SCSI_SG_GRANT | 1;
	memset(page(b, 0), 0, 8192);
	if (backend_good(b, &req, &rsp, "READ") &&
	    backend_differs(page(b, 0), 0, 8192))
		conform_fail(c, "the data is wrong");
	memset(entry, 0, WIRE_PAGE_SIZE);
}

static void mixed(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[4];
	struct wire_scsi_rsp rsp[4];
	uint32_t i;

	(void)arg;
	if (!backend_lists(b))
		return;
	for (i = 0; i < 4; i++)
		req[i] = backend_read(b, 0, i * 8, 8, 32 + i);
	list_of(b, &req[1], 1, 0, 1);
	list_of(b, &req[3], 1, 2048, 1);
	((struct wire_scsi_seg *)(void *)b->list.at)[0] =
		backend_seg(b, 33, 0, WIRE_PAGE_SIZE);
	((struct wire_scsi_seg *)(void *)(b->list.at + 2048))[0] =
		backend_seg(b, 35, 0, WIRE_PAGE_SIZE);
	memset(page(b, 32), 0, 4 * WIRE_PAGE_SIZE);
	if (!backend_exchange(b, req, 4, rsp, NULL))
		return;
	for (i = 0; i < 4; i++)
		if (rsp[i].rslt != GOOD ||
		    backend_differs(page(b, 32 + i), i * WIRE_PAGE_SIZE,
				    WIRE_PAGE_SIZE))
			conform_fail(c, "request %" PRIu32 ": rslt %#" PRIx32,
				     i, (uint32_t)rsp[i].rslt);
}

/* A buffer in pieces, some of them in one page, against the order of pages. */
struct piece {
	uint8_t page;
	uint16_t offset, len;
};

struct scatter {
	const struct piece *piece;
	uint32_t n, blocks;
};

static const struct piece fragments[] = {
	{9, 3584, 512}, {2, 1024, 1536}, {9, 0, 1024},
	{5, 512, 3584}, {3, 0, 512},	 {2, 0, 1024},
};

static const struct piece odd[] = {
	{9, 1, 4095}, {2, 4093, 3}, {4, 17, 1}, {5, 3, 997}, {6, 1000, 3096},
};

static void scattered(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const struct scatter *s = arg;
	struct wire_scsi_req rd = backend_read(b, 0, 5, s->blocks, 0);
	struct wire_scsi_req wr = backend_write(b, 0, 5, s->blocks, 0);
	struct wire_scsi_rsp rsp;
	uint32_t i, pass, wrong = 0, at = 0;

	rd.nr_segments = (uint8_t)s->n;
	for (i = 0; i < s->n; i++)
		rd.seg[i] = backend_seg(b, s->piece[i].page, s->piece[i].offset,
					s->piece[i].len);
	wr.nr_segments = rd.nr_segments;
	memcpy(wr.seg, rd.seg, sizeof(wr.seg));
	/* read; write what was read; read again */
	for (pass = 0; pass < 2; pass++) {
		memset(page(b, 0), 0, 10 * WIRE_PAGE_SIZE);
		if (!backend_good(b, &rd, &rsp, "READ"))
			return;
		for (i = 0, at = 0; i < s->n; at += s->piece[i++].len)
			wrong += backend_differs(page(b, s->piece[i].page) +
							 s->piece[i].offset,
						 5 * 512 + at, s->piece[i].len);
		if (wrong) {
			conform_fail(c, "%" PRIu32 " bytes are wrong", wrong);
			return;
		}
		if (pass == 0 && !backend_good(b, &wr, &rsp, "WRITE"))
			return;
	}
}

static void write_and_read(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t lun = b->luns - 1, blocks = at_most(b, 26 * 8), i, wrong = 0;
	struct wire_scsi_req wr = backend_write(b, lun, 8192, blocks, 0);
	struct wire_scsi_req rd = backend_read(b, lun, 8192, blocks, 26);
	struct wire_scsi_rsp rsp;

	(void)arg;
	for (i = 0; i < blocks * 512; i++)
		page(b, 0)[i] = (uint8_t)(i * 13 + i / 512);
	memset(page(b, 26), 0, blocks * 512);
	if (!backend_good(b, &wr, &rsp, "WRITE") ||
	    !backend_good(b, &rd, &rsp, "READ"))
		return;
	for (i = 0; i < blocks * 512; i++)
		wrong += page(b, 0)[i] != page(b, 26)[i];
	if (wrong)
		conform_fail(c, "%" PRIu32 " bytes are wrong", wrong);
}

/* Nothing behind what was read is touched. */
static void residual(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	uint32_t i, touched = 0;

	(void)arg;
	req.nr_segments = 3;
	req.seg[1] = backend_seg(b, 1, 0, WIRE_PAGE_SIZE);
	req.seg[2] = backend_seg(b, 2, 0, 512);
	memset(page(b, 0), 0xee, 3 * WIRE_PAGE_SIZE);
	if (!backend_good(b, &req, &rsp, "READ"))
		return;
	for (i = WIRE_PAGE_SIZE; i < 3 * WIRE_PAGE_SIZE; i++)
		touched += page(b, 0)[i] != 0xee;
	if (touched)
		conform_fail(c,
			     "%" PRIu32 " bytes behind what was asked for "
			     "are written to",
			     touched);
	else if (backend_differs(page(b, 0), 0, WIRE_PAGE_SIZE))
		conform_fail(c, "the data is wrong");
	else if (rsp.residual_len != WIRE_PAGE_SIZE + 512)
		conform_fail(c, "residual %" PRIu32 " instead of 4608",
			     rsp.residual_len);
}

/* The CDB says how much is written, not the buffer. */
static void write_less(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	uint32_t lun = b->luns - 1, i, wrong = 0;
	struct wire_scsi_req wr = backend_write(b, lun, 8192, 24, 0);
	struct wire_scsi_req rd = backend_read(b, lun, 8192, 24, 8);
	struct wire_scsi_rsp rsp;

	(void)arg;
	memset(page(b, 0), 0x11, 3 * WIRE_PAGE_SIZE);
	if (!backend_good(b, &wr, &rsp, "WRITE"))
		return;
	memset(page(b, 0), 0x22, 3 * WIRE_PAGE_SIZE);
	wr.cmnd[8] = 8;
	/* that it refuses the request is as good */
	if (backend_one(b, &wr, &rsp) < 0 ||
	    !backend_good(b, &rd, &rsp, "READ"))
		return;
	for (i = WIRE_PAGE_SIZE; i < 3 * WIRE_PAGE_SIZE; i++)
		wrong += page(b, 8)[i] != 0x11;
	if (wrong)
		conform_fail(c,
			     "%" PRIu32 " bytes behind the range are "
			     "overwritten on the disk",
			     wrong);
}

static void sense(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	struct wire_scsi_rsp rsp;

	(void)arg;
	req.cmnd[0] = 0xff;
	if (backend_one(b, &req, &rsp) < 0)
		return;
	if ((rsp.rslt & 0xff) != CHECK)
		conform_fail(c, "rslt %#" PRIx32, (uint32_t)rsp.rslt);
	else if (rsp.sense_len < 8 || (rsp.sense[0] & 0x7f) < 0x70 ||
		 (rsp.sense[0] & 0x7f) > 0x73)
		conform_fail(c, "%u bytes of sense data, the first %#x",
			     rsp.sense_len, rsp.sense[0]);
}

static void report_luns(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const uint32_t *bytes = arg;
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	struct wire_scsi_rsp rsp;
	uint32_t i, list;

	req.sc_data_direction = WIRE_SCSI_DIR_IN;
	req.cmd_len = 12;
	req.cmnd[0] = 0xa0;
	req.cmnd[7] = (uint8_t)(*bytes >> 16);
	req.cmnd[8] = (uint8_t)(*bytes >> 8);
	req.cmnd[9] = (uint8_t)*bytes;
	for (i = 0; i * WIRE_PAGE_SIZE < *bytes; i++)
		req.seg[i] = backend_seg(b, i, 0, WIRE_PAGE_SIZE);
	req.nr_segments = (uint8_t)i;
	if (*bytes < WIRE_PAGE_SIZE)
		req.seg[0].length = (uint16_t)*bytes;
	memset(page(b, 0), 0xee, (size_t)i * WIRE_PAGE_SIZE);
	if (!backend_good(b, &req, &rsp, "REPORT LUNS"))
		return;
	list = (uint32_t)page(b, 0)[2] << 8 | page(b, 0)[3];
	if (page(b, 0)[0] || page(b, 0)[1] || list == 0 || list % 8)
		conform_fail(c, "the list's length is %" PRIu32, list);
	else if (list + 8 <= *bytes && rsp.residual_len != *bytes - 8 - list)
		conform_fail(c, "%" PRIu32 " LUNs, residual %" PRIu32, list / 8,
			     rsp.residual_len);
	conform_note(c, "%" PRIu32 " LUNs", list / 8);
}

static void timeouts(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	static const uint16_t seconds[] = {0, 1, 30, 65535};
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	size_t i;

	(void)c, (void)arg;
	for (i = 0; i < XPV_ARRAY_SIZE(seconds); i++) {
		req.timeout_per_command = seconds[i];
		if (!backend_good(b, &req, &rsp, "READ"))
			return;
	}
}

/* Bytes that mean nothing, in a request that is good else. */
static void unused_bytes(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;

	(void)arg;
	req.ref_rqid = 0xffff;
	memset(&req.cmnd[10], 0xff, 6);
	memset(&req.seg[1], 0xff, 25 * sizeof(req.seg[0]));
	memset(req.reserved, 0xff, sizeof(req.reserved));
	if (backend_good(b, &req, &rsp, "READ") &&
	    backend_differs(page(b, 0), 0, WIRE_PAGE_SIZE))
		conform_fail(c, "the data is wrong");
}

#define SCATTER(text, list, count, flag)                                       \
	{                                                                      \
		.family = "data", .name = (text), .clause = &clause_segments,  \
		.flags = (flag), .run = scattered,                             \
		.arg = &(const struct scatter)                                 \
		{                                                              \
			(list), XPV_ARRAY_SIZE(list), (count)                  \
		}                                                              \
	}
#define LISTED(text, rule, ...)                                                \
	{                                                                      \
		.family = "data", .name = (text), .clause = &(rule),           \
		.run = listed, .arg = &(const struct shape)                    \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define REPORT(text, bytes, flag)                                              \
	{                                                                      \
		.family = "data", .name = "REPORT LUNS with " text " bytes",   \
		.clause = &clause_report_luns, .flags = (flag),                \
		.run = report_luns, .arg = &(const uint32_t)                   \
		{                                                              \
			bytes                                                  \
		}                                                              \
	}
#define DATA(text, rule, function)                                             \
	{                                                                      \
		.family = "data", .name = (text), .clause = &(rule),           \
		.run = (function)                                              \
	}

static const struct conform_case cases[] = {
	DATA("26 whole pages", clause_many_segments, all_direct),
	LISTED("a list of one page", clause_list, 1, 0, 1),
	LISTED("a list of 27 pages", clause_list, 27, 0, 1),
	LISTED("the longest list of whole pages", clause_list_max, 0, 0, 1),
	LISTED("a list inside its page", clause_list, 10, 1000, 1),
	LISTED("a list in 3 areas", clause_list, 32, 0, 3),
	LISTED("a list in 26 areas", clause_many_segments, 26, 8, 26),
	DATA("a list that may only be read", clause_grant_ro, read_only_list),
	DATA("direct and listed requests at once", clause_list_mix, mixed),
	SCATTER("fragments of pages", fragments, 16, 0),
	/* a block device's driver may never have seen such a buffer */
	SCATTER("fragments at odd bytes", odd, 16, CONFORM_DANGEROUS),
	DATA("what is written is read", clause_segments, write_and_read),
	DATA("a buffer longer than the data", clause_residual, residual),
	DATA("a WRITE with a buffer longer than its range", clause_scsi_range,
	     write_less),
	DATA("sense data", clause_sense, sense),
	REPORT("16", 16, 0),
	REPORT("4096", 4096, 0),
	/* known to crash a dom0 whose backend maps the pages for this */
	REPORT("8192", 8192, CONFORM_DANGEROUS),
	REPORT("65536", 65536, CONFORM_DANGEROUS),
	DATA("time limits", clause_timeout, timeouts),
	DATA("bytes that mean nothing", clause_reserved, unused_bytes),
};

const struct case_list backend_data = {cases, XPV_ARRAY_SIZE(cases)};
