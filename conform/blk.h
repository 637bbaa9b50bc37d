/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a block backend, whoever wrote it: what they find, and what they
 * have in common. The suite is the frontend (conform/raw_blk.h) of one disk of
 * at least 16 MiB, whose content is lost.
 */
#ifndef CONFORM_BLK_H
#define CONFORM_BLK_H

#include "conform/clause.h"
#include "conform/conform.h"
#include "conform/raw_blk.h"

/* Sectors of known content, from the first on; behind them cases may write. */
#define BLK_KNOWN_SECTORS 1024u
#define BLK_SCRATCH	  4096u /* sector */

/* Data pages of cases. */
#define BLK_PAGES 64u

/* Pages of descriptors of indirect requests. */
#define BLK_LISTS WIRE_BLK_INDIRECT_PAGES

struct blk_suite {
	struct conform c; /* first: blk_of() */
	struct raw_blk k;
	struct raw_pages pages, list, read_only;
	bool connected; /* as far as we know */
	bool opened;	/* once before */
	uint64_t id;	/* of the next request */
	/* what the backend announces */
	uint64_t sectors;
	uint32_t block, info, indirect, order, queues;
	bool flush, barrier, discard, secure, persistent;
};

static inline struct blk_suite *blk_of(struct conform *c)
{
	return (struct blk_suite *)c;
}

struct blk_suite_cfg {
	const struct front_ops *ops;
	const char *where, *name; /* as in front_ops.open */
	uint32_t unit;
	enum blk_abi abi; /* of the rings */
	uint32_t wait_s;  /* for the disk */
};

/* As backend_conform() and backend_cases() of conform/backend.h. */
int blk_backend_conform(const struct blk_suite_cfg *cfg,
			const struct conform_options *opt, uint32_t count[3],
			char *why, size_t len);
struct conform_case *blk_backend_cases(size_t *n);

/* ---- for cases ---- */

/* Connect, if need be: a ring of one page that is empty. */
bool blk_ready(struct blk_suite *b, char *why, size_t len);

/* Connect anew in this way; false, and the case has failed, if the backend does
 * not come to state 4. */
bool blk_reconnect(struct blk_suite *b, const struct raw_blk_how *how,
		   bool politely);

/*
 * Send N requests, at most as many as the ring has slots, with one event, and
 * get their answers: each one, once, with the operation that was asked for, and
 * no other. Else the case has failed, and false.
 */
bool blk_exchange(struct blk_suite *b, struct wire_blk_req64 *req, uint32_t n,
		  struct wire_blk_rsp64 *rsp);

/* One request; its status, or 1 if no answer comes (the case has failed). */
int16_t blk_one(struct blk_suite *b, const struct wire_blk_req64 *req);

/* A segment that is page I as a whole; a READ or WRITE of SECTORS from SECTOR on
 * through whole pages from PAGE on, at most as many as a slot names. */
struct wire_blk_seg blk_seg(const struct blk_suite *b, uint32_t i);
struct wire_blk_req64 blk_rw(const struct blk_suite *b, uint8_t op,
			     uint64_t sector, uint32_t sectors, uint32_t page);

/* Does it serve an honest driver? False and a line in WHY. */
bool blk_serves(struct blk_suite *b, char *why, size_t len);

/* One file per family. */
struct blk_list {
	const struct conform_case *at;
	size_t n;
};

extern const struct blk_list blk_indirect, blk_persistent, blk_ring,
	blk_handshake;

/* The cases of all rows, appended to LIST; with NULL, how many. */
size_t blk_rows(struct conform_case *list);

#endif
