/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block frontend engine: one ring of block requests (Xen public/io/blkif.h), the
 * guest's end. It grants pages, writes requests, checks every response against
 * what was asked, and hands back results.
 *
 *     owner (a disk driver)                                backend's ring
 *       blk_front_submit() --> grant or bounce, put  --> +-----------+
 *                                                        | requests  |
 *       done(cookie, result) <-- check, copy, revoke <-- | responses |
 *                     blk_front_poll()                   +-----------+
 *
 * The backend is not trusted. A response that answers nothing that was asked or
 * names another operation, or an index that the ring cannot hold, stops the
 * engine: poll returns XPV_EPROTO from then on, and everything outstanding ends
 * with XPV_EIO. A page that the backend still has mapped when its request ends
 * is never used again by us, and the owner is told so (done's PINNED).
 *
 * Buffers. Data is a list of pieces, each inside one page. If all begin and end
 * at multiples of `align` and of the logical block, the owner's pages
 * themselves are granted, unless the request says `bounce`. Else the data goes
 * through the engine's bounce pages (core/bounce). A request that is more than
 * the backend takes, or than there are bounce pages, goes in several passes, one
 * after the other; done() is called once. With persistent grants all data goes
 * through bounce pages, which are granted at their first use and stay granted.
 *
 * A FLUSH, and what follows a WRITE with `fua`, is a FLUSH_DISKCACHE, or an
 * empty WRITE_BARRIER where the backend has only that; where it has neither,
 * there is nothing that could be flushed. An operation that was offered and is
 * answered EOPNOTSUPP is not sent again; blk_front_features() tells.
 *
 * Layout. A backend that knows nothing of the node `protocol` expects requests
 * in the layout of its own width. To find out, `detect` makes the engine's
 * first request one of the operation 0xff, which no backend has and every one
 * refuses, echoing the request's id. GPLPV's xenvbd sent two of these and
 * looked whether the answer to the second was where it had to be. One suffices:
 * the first slot begins at the same place in both layouts, but its id is at
 * byte 8 in one and at byte 4 in the other, so both fields are filled with
 * different values, and the one that comes back tells the layout. Requests that
 * are submitted meanwhile wait.
 *
 * Suspend and resume. What is outstanding when the connection goes stays
 * outstanding; on the new ring it is sent again, in the order in which it was
 * submitted, from the pass on that was not answered.
 *
 * Crash dumps (`dump`): memory is what init got, all grants are made by init,
 * one request at a time, and the owner polls: no event is asked for.
 *
 * One engine belongs to one thread; it does no I/O, allocates nothing, and its
 * memory is given to it. Downcalls are made from init and resume (grant), submit
 * (grant, revoke, trace), flush (notify), poll, suspend and abandon (all).
 * done() may call submit, and nothing else of the engine.
 */
#ifndef CORE_BLK_FRONT_H
#define CORE_BLK_FRONT_H

#include "core/blk_abi.h"
#include "core/kept.h"
#include "core/ring.h"

/* Requests in flight that an engine can have. */
#define BLK_FRONT_TAGS_MAX 512u

/* Segments of one request that we ever use: one page of descriptors. */
#define BLK_FRONT_SEGS_MAX ((uint32_t)WIRE_BLK_SEGS_PER_PAGE)

enum blk_front_op {
	BLK_FRONT_READ,
	BLK_FRONT_WRITE,
	BLK_FRONT_FLUSH,
	BLK_FRONT_DISCARD,
	BLK_FRONT_OPS,
};

/* A request. PIECE stays the owner's and unchanged until done. */
struct blk_front_req {
	uint64_t cookie; /* the owner's */
	enum blk_front_op op;
	bool fua;	  /* WRITE: done when it is on stable storage */
	bool secure;	  /* DISCARD: no copy may remain */
	bool bounce;	  /* the pieces cannot be granted; no frame is read */
	uint64_t sector;  /* of 512 bytes; a multiple of the logical block */
	uint64_t count;	  /* DISCARD: sectors */
	uint32_t npieces; /* READ, WRITE */
	const struct front_piece *piece;
};

/* What the backend has published. */
enum blk_front_feature {
	BLK_FRONT_F_READONLY = 1, /* info */
	BLK_FRONT_F_FLUSH = 2,	  /* feature-flush-cache */
	BLK_FRONT_F_BARRIER = 4,  /* feature-barrier */
	BLK_FRONT_F_DISCARD = 8,  /* feature-discard */
	BLK_FRONT_F_SECURE = 16,  /* discard-secure */
	BLK_FRONT_F_PERSISTENT =
		32, /* feature-persistent, which we offer too */
};

/* A connection: what is new after each handshake. */
struct blk_front_conn {
	void *ring; /* granted pages, one after the other; made empty here */
	uint32_t ring_pages;   /* 1 to WIRE_BLK_RING_PAGES_MAX */
	enum blk_abi abi;      /* that we have published, or */
	bool detect;	       /* find out which one the backend has */
	uint16_t handle;       /* virtual-device, told in each request */
	uint32_t features;     /* of enum blk_front_feature */
	uint32_t indirect_max; /* feature-max-indirect-segments; 0: none.
				  Cut to BLK_FRONT_SEGS_MAX */
	uint32_t block_size;   /* sector-size: a power of two, 512 to 4096 */
	uint64_t sectors;      /* of 512 bytes */
};

struct blk_front_cfg {
	struct blk_front_conn conn;
	/* Pages for the engine alone, to bounce and for descriptors: at least
	 * one, at most BOUNCE_MAX. */
	const struct front_page *page;
	uint32_t pages;
	uint32_t depth; /* requests in flight, 1 to BLK_FRONT_TAGS_MAX */
	uint32_t align; /* bytes, a power of two from 512 to 4096 */
	bool dump;	/* of depth 1 */
};

/* Events for ops->trace: what a backend did that it should not. */
enum blk_front_event {
	BLK_FRONT_EV_BAD_RING,	 /* a: responses claimed (2^32 modulo) */
	BLK_FRONT_EV_BAD_ID,	 /* a: id */
	BLK_FRONT_EV_BAD_OP,	 /* a: operation, b: that was asked for */
	BLK_FRONT_EV_BAD_STATUS, /* a: operation, b: status */
	BLK_FRONT_EV_PINNED,	 /* a: gref that could not be taken back */
	BLK_FRONT_EVENTS,
};

struct blk_front_ops {
	/* Let the backend reach FRAME. 0 and *GREF, or XPV_ENOSPC when there
	 * is no grant left now. */
	int (*grant)(void *host, uint64_t frame, bool readonly, uint32_t *gref);
	/* Take it back. False: the backend still has it mapped; that grant
	 * stays the host's to deal with. */
	bool (*revoke)(void *host, uint32_t gref);
	/* Send the backend an event. */
	void (*notify)(void *host);
	/* A request has ended, once: 0 or XPV_E*. PINNED: the backend can still
	 * reach the owner's pages: never use them again. */
	void (*done)(void *host, uint64_t cookie, int result, bool pinned);
	/* A backend's error, enum blk_front_event; the host counts, limits. */
	void (*trace)(void *host, uint32_t event, uint64_t a, uint64_t b);
};

struct blk_front;

/* Bytes of memory for an engine with such a configuration. */
size_t blk_front_size(const struct blk_front_cfg *cfg);

/*
 * Make an engine in MEM (LEN bytes, aligned to 16, the caller's until the end).
 * The list of pages is copied. XPV_ENOMEM when LEN is short, XPV_EINVAL for a
 * configuration that cannot be, XPV_ENOSPC when `dump` gets no grants. What
 * `detect` sends is made visible by the next flush, as requests are.
 */
int blk_front_init(struct blk_front **out, void *mem, size_t len,
		   const struct blk_front_cfg *cfg,
		   const struct blk_front_ops *ops, void *host) XPV_MUST_CHECK;

/*
 * Send R (made visible by the next blk_front_flush()). 0, and done() is called
 * once, by a later poll or abandon; or one of these, and it is not called:
 * XPV_EBUSY      no tag, slot, grant or bounce page is free: again after a
 *                done()
 * XPV_EINVAL     it is no request, or beyond the end of the disk
 * XPV_EROFS      the disk cannot be written
 * XPV_ENOTSUP    the backend has no discard, or no secure one
 * XPV_ENOMEM     it has to bounce, and no page is left that could
 * XPV_ECANCELED  the engine is suspended
 * XPV_EPROTO     the backend has broken the protocol: the engine has stopped
 * XPV_EBUSY never comes when nothing is in flight, unless ops->grant() refuses.
 */
int blk_front_submit(struct blk_front *f,
		     const struct blk_front_req *r) XPV_MUST_CHECK;

/*
 * Take at most BUDGET responses and call done() for what has ended; write
 * requests that were waiting. How many were taken, or XPV_EPROTO. A pass that
 * gets no grant waits while others are in flight; if none is, its request ends
 * with XPV_ENOSPC.
 */
int blk_front_poll(struct blk_front *f, uint32_t budget) XPV_MUST_CHECK;

/* Make new requests visible, and send the backend an event if it wants one. */
void blk_front_flush(struct blk_front *f);

/*
 * Before sleeping: ask for an event at the next response. True when there is
 * one already, so that the caller must not sleep. False if stopped.
 */
bool blk_front_arm(struct blk_front *f);

/* True when poll would find something. */
bool blk_front_has_work(const struct blk_front *f);

/* The disk has SECTORS now: those that are submitted from now on. */
void blk_front_resize(struct blk_front *f, uint64_t sectors);

/* What the backend offers, less what it has refused. */
uint32_t blk_front_features(const struct blk_front *f);

/*
 * The connection is gone: the domain was suspended, or the backend has closed
 * (not earlier: until then it may have persistent grants mapped). The ring is
 * not touched any more. GRANTS_GONE: the grants do not exist any more (the
 * domain was resumed elsewhere); else they are taken back, and a request whose
 * pages the backend keeps ends with XPV_EIO.
 */
void blk_front_suspend(struct blk_front *f, bool grants_gone);

/*
 * Go on over a new connection, after suspend, also when stopped: what is
 * outstanding is sent again (visible by the next flush). A request that is none
 * for this disk ends, by the next poll, with what submit would return, or with
 * XPV_EIO if its pieces do not fit larger blocks. Memory is what init had:
 * larger values of indirect_max are cut. XPV_EBUSY if not suspended; XPV_EINVAL
 * and XPV_ENOSPC as init: it is suspended still.
 */
int blk_front_resume(struct blk_front *f,
		     const struct blk_front_conn *conn) XPV_MUST_CHECK;

/* There will be no other connection: suspend(f, false) unless that was called,
 * and everything outstanding ends with XPV_ECANCELED. */
void blk_front_abandon(struct blk_front *f);

/* Requests that were submitted and are not done. */
uint32_t blk_front_inflight(const struct blk_front *f);

#endif
