/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block backend engine: one ring of block requests (Xen public/io/blkif.h), of
 * one page or several, in any of the layouts of core/blk_abi. It takes requests
 * off the ring, checks every field, hands them to its host, and writes exactly
 * one response for each. A device with several queues has an engine for each.
 *
 *      guest's ring                                     host (a queue thread)
 *     +-----------+  poll: copy, check      submit(cmd)
 *     | requests  | ----------------------> ------------>  execute
 *     +-----------+        fetch(indirect pages), unmap, map
 *     | responses | <---------------------- <------------  blk_back_complete()
 *     +-----------+  push at the end of poll; flush: at most one notify()
 *
 * Order. Reads, and writes that do not overlap, are submitted as they come.
 *   - A write or discard that overlaps an earlier one waits for it, so that
 *     executing unanswered requests again, in order, after a crash, ends as the
 *     first execution did.
 *   - A WRITE_BARRIER waits for all writes and discards before it, is then a
 *     FLUSH and a WRITE with `fua`, and those after it wait for its end.
 * Waiting is a state of a request: the ring is read on all the while.
 *
 * Copies of requests are in a journal (core/journal), in memory that may outlive
 * the process. An engine that resumes with it executes again what was taken and
 * not answered, in that order, before it takes anything new, and notifies the
 * guest once.
 *
 * Refused is (status ERROR, or EOPNOTSUPP for what was not announced): what is
 * no request, is beyond the end, is no multiple of the logical block, or writes
 * to a read-only device. A guest that breaks the ring's indexes stops the
 * engine: poll returns XPV_EPROTO from then on and nothing is written to the
 * ring any more.
 *
 * Guest's pages are named, never touched: cmd.segs has the reference of each
 * piece. If persistent grants were negotiated, the engine also decides which
 * references the host keeps mapped (core/pgrant), and a segment names the slot
 * of its mapping; where it has none, the host copies. A host that always copies
 * has a pool of 0. A mapped page can change at any moment and belongs to the
 * guest: data is copied out of it or into it, and it is not given to anything
 * that merges or keeps it (XSA-229).
 *
 * One engine belongs to one thread; it does no I/O, and its memory is given to
 * it by its host. Downcalls are made from poll, flush (notify), trim and age
 * (unmap), and nowhere else: blk_back_complete() makes none.
 */
#ifndef CORE_BLK_BACK_H
#define CORE_BLK_BACK_H

#include "core/blk_abi.h"
#include "core/grant.h"
#include "core/journal.h"
#include "core/pgrant.h"
#include "core/ring.h"

/* Requests in flight: as many as the ring has slots, at most these. */
#define BLK_BACK_TAGS_MAX 512u

/* Segments of an indirect request that can be announced. */
#define BLK_BACK_SEGS_MAX                                                      \
	(WIRE_BLK_INDIRECT_PAGES * (uint32_t)WIRE_BLK_SEGS_PER_PAGE)

enum blk_back_act {
	BLK_BACK_READ,
	BLK_BACK_WRITE,
	BLK_BACK_FLUSH, /* what was completed before gets to stable storage */
	BLK_BACK_DISCARD,
};

/* A piece of a granted page: offset and len are multiples of 512. */
struct blk_back_seg {
	uint32_t gref;
	uint32_t slot; /* of its mapping, or PGRANT_NONE: copy */
	uint16_t offset, len;
};

/* A checked request. SEGS stays valid until the tag is completed. */
struct blk_back_cmd {
	enum blk_back_act act;
	uint16_t tag;	/* below the ring's slots, free again when completed */
	uint32_t index; /* of the request in the ring, modulo 2^32 */
	bool fua;	/* WRITE: on stable storage before it is completed */
	bool secure;	/* DISCARD: no copy may remain */
	uint64_t sector, count; /* 512 bytes each; FLUSH: 0 */
	uint32_t nsegs;		/* their lengths make up count */
	const struct blk_back_seg *segs;
};

/* Events for ops->trace: what a guest did that it should not. */
enum blk_back_event {
	BLK_BACK_EV_BAD_OP,    /* a: operation, not announced or unknown */
	BLK_BACK_EV_READONLY,  /* a: operation */
	BLK_BACK_EV_BAD_SEGS,  /* a: nr_segments */
	BLK_BACK_EV_BAD_SEG,   /* a: first_sect, b: last_sect */
	BLK_BACK_EV_BAD_FETCH, /* a: gref of the descriptor page */
	BLK_BACK_EV_BAD_RANGE, /* a: sector, b: sectors from there */
	BLK_BACK_EV_UNALIGNED, /* a: sector, b: sectors from there */
	BLK_BACK_EV_BAD_MAP,   /* a: gref that could not be kept mapped */
	BLK_BACK_EV_BAD_RING,  /* a: requests claimed (2^32 modulo) */
	BLK_BACK_EVENTS,
};

struct blk_back_ops {
	/* Take CMD; never completes it before returning. */
	void (*submit)(void *host, const struct blk_back_cmd *cmd);
	/* Copy N pieces from the guest now; set ok of each. */
	void (*fetch)(void *host, struct grant_fetch *f, uint32_t n);
	/* Map N references, writable; set ok of each. One that is not ok is
	 * copied. NULL without persistent grants. */
	void (*map)(void *host, struct pgrant_map *m, uint32_t n);
	/* Unmap N slots, which no command in flight uses. Likewise. */
	void (*unmap)(void *host, const uint32_t *slot, uint32_t n);
	/* Send the guest an event. */
	void (*notify)(void *host);
	/* A guest's error, enum blk_back_event; the host counts and limits. */
	void (*trace)(void *host, uint32_t event, uint64_t a, uint64_t b);
};

/* What was announced to the guest. */
enum blk_back_feature {
	BLK_BACK_F_READONLY = 1, /* info, mode */
	BLK_BACK_F_FLUSH = 2,	 /* feature-flush-cache */
	BLK_BACK_F_BARRIER = 4,	 /* feature-barrier */
	BLK_BACK_F_DISCARD = 8,	 /* feature-discard */
	BLK_BACK_F_SECURE = 16,	 /* discard-secure */
};

struct blk_back_cfg {
	void *shared;	/* the ring's pages, mapped one after the other */
	uint32_t pages; /* 1 to WIRE_BLK_RING_PAGES_MAX */
	enum blk_abi abi;
	/* blk_back_journal_size() bytes, aligned to 16, the caller's until the
	 * end; NULL: a part of the engine's memory. */
	void *journal;
	bool resume;	   /* go on with the journal; else it is written over */
	uint32_t first;	   /* unless resume: of requests and responses; 0 for a
			      ring that the guest has just made */
	uint32_t features; /* of enum blk_back_feature */
	uint32_t indirect_max;	 /* feature-max-indirect-segments; 0: none */
	uint32_t persistent_max; /* references kept mapped; 0: none */
	uint32_t salt;		 /* for core/pgrant */
	uint32_t block_size; /* of the device, bytes: a power of two from 512 */
	uint64_t sectors;    /* of 512 bytes */
};

struct blk_back;

/* Bytes of a journal, and of memory for an engine, of this configuration; 0 if
 * it cannot be. */
size_t blk_back_journal_size(const struct blk_back_cfg *cfg);
size_t blk_back_size(const struct blk_back_cfg *cfg);

/*
 * Make an engine in MEM (LEN bytes, aligned to 16, the caller's until the end).
 * XPV_ENOMEM when LEN is short, XPV_EINVAL for a configuration that cannot be,
 * XPV_EPROTO for a journal that cannot be resumed.
 */
int blk_back_init(struct blk_back **out, void *mem, size_t len,
		  const struct blk_back_cfg *cfg,
		  const struct blk_back_ops *ops, void *host) XPV_MUST_CHECK;

/*
 * Submit what waited and may go on, take at most BUDGET requests, submit them,
 * and push all responses. Returns how many were taken; XPV_EPROTO when the ring
 * is broken. Whether the guest has to be notified is decided here, once;
 * blk_back_flush() does it.
 */
int blk_back_poll(struct blk_back *b, uint32_t budget) XPV_MUST_CHECK;

/* Send the notification that is due, as scsi_back_flush(). */
void blk_back_flush(struct blk_back *b);

/*
 * The command with TAG has ended: 0, or XPV_E*; XPV_ENOTSUP becomes EOPNOTSUPP,
 * all else ERROR. The response is visible to the guest after the next poll,
 * which must come. Any moment but inside a downcall.
 */
void blk_back_complete(struct blk_back *b, uint16_t tag, int result);

/*
 * The device has SECTORS now. Requests taken from now on are judged by it; those
 * in flight go on.
 */
void blk_back_resize(struct blk_back *b, uint64_t sectors);

/* Keep at most KEEP references mapped that no command in flight uses. */
void blk_back_trim(struct blk_back *b, uint32_t keep);

/* Unmap references that were not used since this was last called. */
void blk_back_age(struct blk_back *b);

/* References that are kept mapped. */
uint32_t blk_back_mapped(const struct blk_back *b);

/* Before sleeping: as ring_back_arm(). False for a closed or broken ring. */
bool blk_back_arm(struct blk_back *b);

/* True when poll would find something; a cheap look for polling hosts. */
bool blk_back_has_work(const struct blk_back *b);

/* Take no more requests; those in flight still get their responses. */
void blk_back_close(struct blk_back *b);

/*
 * Requests taken and not answered; of a broken ring, those that the host has.
 * When it is 0, nothing calls back any more but by trim and age.
 */
uint32_t blk_back_inflight(const struct blk_back *b);

#endif
