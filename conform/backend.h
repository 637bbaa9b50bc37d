/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a backend, whoever wrote it: what they find, and what they have in
 * common. The suite is the frontend (conform/raw_front.h) of one controller,
 * with one LUN of at least 16 MiB whose content is lost, and better two. Where
 * there are two, the second is the one that may be left stopped or reserved.
 */
#ifndef CONFORM_BACKEND_H
#define CONFORM_BACKEND_H

#include "conform/clause.h"
#include "conform/conform.h"
#include "conform/raw_front.h"
#include "core/scsi_addr.h"

/* Blocks, of 512 bytes, of known content from the first on. */
#define KNOWN_BLOCKS 1024
/* The data pages of cases; the first PAGES are also those of rows. */
#define PAGES	   64
#define DATA_PAGES 130
#define LISTS	   3

/* SAM status in rslt; there are no others in here. */
#define GOOD  0
#define CHECK 2

struct backend {
	struct conform c; /* first: backend_of() */
	struct raw_front front;
	struct raw_pages pages, list, read_only;
	uint32_t segs_max;   /* feature-sg-grant, or 0 */
	uint32_t blocks_max; /* that a READ may ask for; 0: not said */
	struct scsi_addr addr[2];
	uint32_t luns;	  /* of them in addr[]: 1 or 2 */
	bool connected;	  /* as far as we know */
	bool opened;	  /* once before */
	uint16_t rqid;	  /* of the next request */
	uint64_t seed;	  /* of random requests */
	uint32_t answers; /* taken in all */
	/* what was wrong in an answer, of those that cases do not look at */
	char stain[CONFORM_DETAIL_MAX];
	uint32_t stained;
	uint32_t stale; /* answers with rests of our own requests in them */
};

static inline struct backend *backend_of(struct conform *c)
{
	return (struct backend *)c;
}

/* What opens and runs it all. */
struct backend_cfg {
	const struct front_ops *ops;
	const char *where, *name; /* as in front_ops.open */
	uint32_t unit;
	uint32_t wait_s; /* for the controller */
};

/*
 * Run all cases. 0; or a negative errno and one line in WHY, when it could not
 * begin. COUNT, by enum conform_verdict, is what cases came to.
 */
int backend_conform(const struct backend_cfg *cfg,
		    const struct conform_options *opt, uint32_t count[3],
		    char *why, size_t len);

/* The cases, as many as there are; free() the list. NULL: out of memory. */
struct conform_case *backend_cases(size_t *n);

/* ---- for cases ---- */

/* Can we begin, with a ring that is empty? Connects if need be. */
bool backend_ready(struct backend *b, char *why, size_t len);

/*
 * Send N requests, at most as many as the ring has slots, with one event, and
 * get their answers: each one, once, and no other. ORDER, if not NULL, gets the
 * order of the answers. An ABORT's ref_rqid is an index into REQ, if it can be.
 * Else the case has failed, and false.
 */
bool backend_exchange(struct backend *b, struct wire_scsi_req *req, uint32_t n,
		      struct wire_scsi_rsp *rsp, uint32_t *order);

/* Take an answer and look at what each must have; see exchange. */
bool backend_get(struct backend *b, struct wire_scsi_rsp *rsp, int64_t ms);

/* One request; its answer's rslt, or -1 if there is none. */
int32_t backend_one(struct backend *b, const struct wire_scsi_req *req,
		    struct wire_scsi_rsp *rsp);

/* The same; the case has failed if it is not GOOD. WHAT says what it was. */
bool backend_good(struct backend *b, const struct wire_scsi_req *req,
		  struct wire_scsi_rsp *rsp, const char *what);

/* Unit attentions are taken until the LUN is ready. */
bool backend_settle(struct backend *b, uint32_t lun);

/* The byte of the known data at OFFSET; fill it in; what differs in LEN bytes.
 */
uint8_t backend_known(uint32_t offset);
uint32_t backend_differs(const uint8_t *data, uint32_t offset, uint32_t len);

/* Does LUN serve an honest driver? False and a line in WHY. */
bool backend_serves(struct backend *b, uint32_t lun, char *why, size_t len);

/* A segment of data page I. */
struct wire_scsi_seg backend_seg(const struct backend *b, uint32_t i,
				 uint16_t offset, uint16_t length);

/* READ(10) of BLOCKS from BLOCK on of LUN into data pages from PAGE on, whole
 * ones, as direct segments; WRITE(10) likewise. */
struct wire_scsi_req backend_read(const struct backend *b, uint32_t lun,
				  uint32_t block, uint32_t blocks,
				  uint32_t page);
struct wire_scsi_req backend_write(const struct backend *b, uint32_t lun,
				   uint32_t block, uint32_t blocks,
				   uint32_t page);

/* A request of no data for LUN: act, and TEST UNIT READY in it. */
struct wire_scsi_req backend_plain(const struct backend *b, uint32_t lun,
				   uint8_t act);

/* Is there a second LUN? Else the case is skipped. */
bool backend_second(struct backend *b);

/* Is there feature-sg-grant? Else the case is skipped. */
bool backend_lists(struct backend *b);

uint16_t rsp_asc(const struct wire_scsi_rsp *rsp);

/* Has it failed for all to see: a status, or a host result? */
bool rsp_failed(const struct wire_scsi_rsp *rsp);

/* One file per family; each list has its number of cases behind it. */
struct case_list {
	const struct conform_case *at;
	size_t n;
};

extern const struct case_list backend_handshake, backend_data, backend_ring,
	backend_task, backend_change, backend_plug, backend_random,
	backend_broken;

#endif
