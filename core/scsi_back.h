/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVSCSI backend engine: one ring of vscsiif requests (Xen
 * public/io/vscsiif.h). It takes requests off the ring, checks every field,
 * hands commands to its host, and writes exactly one response for each.
 *
 *      guest's ring                                     host (a queue thread)
 *     +-----------+  poll: copy, check      submit(cmd)
 *     | requests  | ----------------------> ------------>  execute
 *     +-----------+        fetch(sg pages)  cancel(tag)
 *     | responses | <---------------------- <------------  scsi_back_complete()
 *     +-----------+  push at the end of poll, at most one notify()
 *
 * ABORT and RESET are states, never waits: the victims are cancelled, each is
 * answered (DID_ABORT, DID_RESET, or its own result when that was first), and
 * only then the ABORT or RESET itself, since the stock Linux frontend reuses a
 * command as soon as its abort has succeeded. Other commands go on meanwhile.
 *
 * Its copies of requests are in a journal (core/journal), in memory that may
 * outlive the process. An engine that resumes with it submits again, with
 * `again` set, what was taken and not answered, oldest first, before it takes
 * anything new, and notifies the guest once.
 *
 * A request that is wrong in itself gets a response saying so (DID_ERROR).
 * A guest that breaks the ring's indexes stops the engine: poll returns
 * XPV_EPROTO from then on and nothing is written to the ring any more.
 *
 * One engine belongs to one thread; it does no I/O, and its memory is given to
 * it by its host. Downcalls are made from poll and, to submit a RESET whose
 * victims have ended, from complete.
 */
#ifndef CORE_SCSI_BACK_H
#define CORE_SCSI_BACK_H

#include "core/grant.h"
#include "core/journal.h"
#include "core/ring.h"
#include "core/scsi_addr.h"
#include "wire/scsi.h"

/* Requests in flight: as many as the one-page ring has slots. */
#define SCSI_BACK_TAGS WIRE_SCSI_RING_SIZE

enum scsi_back_act {
	SCSI_BACK_CDB,
	SCSI_BACK_RESET, /* reset this LUN; nothing of it is in flight */
};

/* A checked command. SEGS stays valid until the tag is completed. */
struct scsi_back_cmd {
	enum scsi_back_act act;
	uint16_t tag; /* below SCSI_BACK_TAGS, free again when completed */
	struct scsi_addr addr;
	uint8_t cdb_len; /* 1 to 16 */
	uint8_t cdb[WIRE_SCSI_CDB];
	uint8_t dir;	/* WIRE_SCSI_DIR_* */
	uint32_t nsegs; /* each 1 to 4096 bytes inside one page */
	const struct wire_scsi_seg *segs;
	uint32_t len;	/* sum of the segments, bytes */
	uint32_t index; /* of the request on the ring */
	bool again; /* it was taken before the engine resumed: it may have been
		       executed, in part or whole */
};

/* How a command ended. SENSE is copied before complete returns. */
struct scsi_back_result {
	uint8_t host;	/* enum wire_scsi_host */
	uint8_t status; /* SAM status */
	uint8_t sense_len;
	const uint8_t *sense;
	uint32_t residual; /* bytes not transferred */
};

/* Events for ops->trace: what a guest did that it should not. */
enum scsi_back_event {
	SCSI_BACK_EV_BAD_ACT,	/* a: act */
	SCSI_BACK_EV_BAD_CDB,	/* a: cmd_len */
	SCSI_BACK_EV_BAD_DIR,	/* a: sc_data_direction */
	SCSI_BACK_EV_BAD_SEGS,	/* a: nr_segments as sent, b: segments found */
	SCSI_BACK_EV_BAD_SEG,	/* a: offset, b: length */
	SCSI_BACK_EV_BAD_FETCH, /* a: gref of the descriptor page */
	SCSI_BACK_EV_BAD_RING,	/* a: requests claimed (2^32 modulo) */
};

struct scsi_back_ops {
	/* Take CMD; never completes it before returning. */
	void (*submit)(void *host, const struct scsi_back_cmd *cmd);
	/* Please end TAG early; it is completed all the same, once. */
	void (*cancel)(void *host, uint16_t tag);
	/* Copy N pieces from the guest now; set ok of each. */
	void (*fetch)(void *host, struct grant_fetch *f, uint32_t n);
	/* Send the guest an event. */
	void (*notify)(void *host);
	/* A guest's error, enum scsi_back_event; the host counts and limits. */
	void (*trace)(void *host, uint32_t event, uint64_t a, uint64_t b);
};

struct scsi_back_cfg {
	void *shared;	   /* the ring's page */
	uint32_t segs_max; /* announced as feature-sg-grant: WIRE_SCSI_SEGS to
			      1024 */
	/* scsi_back_journal_size() bytes, aligned to 16, the caller's until the end;
	 * NULL: a part of the engine's memory. */
	void *journal;
	bool resume;	/* go on with the journal; else it is written over */
	uint32_t first; /* unless resume: of requests and responses; 0 for a
			   ring that the guest has just made */
};

struct scsi_back;

/* Bytes of a journal. */
size_t scsi_back_journal_size(void);

/* Bytes of memory for an engine with at most SEGS_MAX segments a request. */
size_t scsi_back_size(uint32_t segs_max);

/*
 * Make an engine in MEM (LEN bytes, aligned to 16, the caller's until the end).
 * XPV_ENOMEM when LEN is short, XPV_EINVAL for a wrong limit, XPV_EPROTO for a
 * journal that cannot be resumed.
 */
int scsi_back_init(struct scsi_back **out, void *mem, size_t len,
		   const struct scsi_back_cfg *cfg,
		   const struct scsi_back_ops *ops, void *host) XPV_MUST_CHECK;

/*
 * Take at most BUDGET requests, submit them, and push all responses. Returns
 * how many were taken; XPV_EPROTO when the ring is broken. Whether the guest
 * has to be notified is decided here, once; scsi_back_flush() does it.
 */
int scsi_back_poll(struct scsi_back *b, uint32_t budget) XPV_MUST_CHECK;

/*
 * Send the notification that the polls since the last flush have found to be
 * due, if any. A host that polls again at once may leave it for later, so that
 * one event tells of several batches; it must come before the host sleeps.
 */
void scsi_back_flush(struct scsi_back *b);

/*
 * The command with TAG has ended with RES (RESET: host OK means it succeeded).
 * The response is visible to the guest after the next poll. Any moment but
 * inside a downcall.
 */
void scsi_back_complete(struct scsi_back *b, uint16_t tag,
			const struct scsi_back_result *res);

/* Before sleeping: as ring_back_arm(). False for a closed or broken ring. */
bool scsi_back_arm(struct scsi_back *b);

/* True when poll would find something; a cheap look for polling hosts. */
bool scsi_back_has_work(const struct scsi_back *b);

/* Take no more requests; those in flight still get their responses. */
void scsi_back_close(struct scsi_back *b);

/* Commands submitted and not completed. */
uint32_t scsi_back_inflight(const struct scsi_back *b);

#endif
