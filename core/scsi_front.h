/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVSCSI frontend engine: one ring of vscsiif requests (Xen
 * public/io/vscsiif.h), the guest's end. It grants pages, writes requests,
 * checks every response against what was asked, and hands back results.
 *
 *     owner (a SCSI midlayer)                              backend's ring
 *       scsi_front_submit() --> grant or bounce, put  --> +-----------+
 *                                                         | requests  |
 *       done(cookie, result) <-- check, copy, revoke  <-- | responses |
 *                    scsi_front_poll()                    +-----------+
 *
 * The backend is not trusted. A response that answers nothing that was asked,
 * sense data longer than there is room for, or an index that the ring cannot
 * hold stops the engine: poll returns XPV_EPROTO from then on, and everything
 * outstanding ends with WIRE_SCSI_HOST_ERROR. A page that the backend still has
 * mapped when its command ends is never used again by us, and the owner is told
 * so (scsi_front_result.pinned). More than SCSI_FRONT_PINNED_MAX such commands
 * on one connection stop the engine, too: what a backend can cost the owner has
 * a bound.
 *
 * Two strange answers are only traced, because good backends give them: a
 * residual longer than the data (the kernel's says so when a CDB names more
 * than the buffers hold: all was transferred, and the residual is 0), and a
 * host byte that is not known (WIRE_SCSI_HOST_ERROR). The response's act is not
 * looked at: it is deprecated, and the kernel's backend leaves there whatever
 * was in the slot.
 *
 * Buffers. A command's data is a list of pieces, each inside one page. If all
 * begin and end at multiples of `align` bytes (the last may end anywhere) and
 * their number fits the ring's limit, the owner's pages themselves are granted.
 * Else the data goes through the engine's bounce pages: copied there before, or
 * copied back from there after. Memory is fixed: a command that needs more
 * bounce pages than there are at all goes in several passes, one request after
 * the other, each with a CDB that ops->slice() makes; the results are put
 * together and done() is called once. Where slice() says that the command
 * cannot be divided it is refused (XPV_ENOMEM), before anything is sent.
 *
 * Bounce pages hold zeros where no data of the command is, so that neither end
 * sees what went through them before.
 *
 * ABORT and RESET take ring slots like other requests, are states of the
 * engine, and never make another command wait. When one has succeeded, the
 * commands that it was for have ended, answered or not: the kernel's backend
 * never answers an aborted command. Such a request keeps its slot and its tag
 * until it is answered after all (or for ever; one slot always stays usable).
 *
 * One engine belongs to one thread; it does no I/O, allocates nothing, and its
 * memory is given to it. Downcalls are made from submit (grant, revoke, slice,
 * trace), flush (notify), poll and suspend (revoke, slice, done, trace). done()
 * may call submit, abort and reset, and nothing else of the engine.
 */
#ifndef CORE_SCSI_FRONT_H
#define CORE_SCSI_FRONT_H

#include "core/bounce.h"
#include "core/ring.h"
#include "core/scsi_addr.h"
#include "wire/scsi.h"

/* Requests in flight: as many as the one-page ring has slots. */
#define SCSI_FRONT_TAGS WIRE_SCSI_RING_SIZE

/* Segments of one request that we ever use: one page of descriptors. */
#define SCSI_FRONT_SEGS_MAX WIRE_SCSI_SEGS_PER_PAGE

/* Commands of one connection whose pages a backend may keep. A good one keeps
 * none; one that was slow to let go of what was aborted is forgiven. */
#define SCSI_FRONT_PINNED_MAX 64u

/* A command. PIECE stays the owner's and unchanged until done. */
struct scsi_front_cmd {
	uint64_t cookie; /* the owner's; unique among those outstanding */
	struct scsi_addr addr;
	uint8_t cdb_len; /* 1 to 16 */
	uint8_t cdb[WIRE_SCSI_CDB];
	uint8_t dir; /* WIRE_SCSI_DIR_*, not BIDI */
	uint16_t
		timeout; /* seconds; told to the backend, which may ignore it */
	uint32_t npieces;
	const struct front_piece *piece;
};

struct scsi_front_result {
	uint8_t host;	/* enum wire_scsi_host */
	uint8_t status; /* SAM status, when host is OK */
	uint8_t sense_len;
	uint8_t sense[WIRE_SCSI_SENSE];
	uint32_t residual; /* bytes not transferred, at most those asked for */
	bool pinned;	   /* the backend can still reach the owner's pages:
			      never use them again */
};

/* Events for ops->trace: what a backend did that it should not. */
enum scsi_front_event {
	SCSI_FRONT_EV_BAD_RING,	    /* a: responses claimed (2^32 modulo) */
	SCSI_FRONT_EV_BAD_RQID,	    /* a: rqid */
	SCSI_FRONT_EV_BAD_SENSE,    /* a: rqid, b: sense_len */
	SCSI_FRONT_EV_BAD_RESIDUAL, /* a: rqid, b: residual_len */
	SCSI_FRONT_EV_BAD_RESULT,   /* a: rqid, b: rslt */
	SCSI_FRONT_EV_PINNED,	    /* a: gref that could not be taken back */
	SCSI_FRONT_EV_MANY_PINNED,  /* a: commands */
	SCSI_FRONT_EV_UNANSWERED,   /* a: rqid, aborted or reset unanswered */
	SCSI_FRONT_EVENTS,
};

struct scsi_front_ops {
	/* Let the backend reach FRAME. 0 and *GREF, or XPV_ENOSPC when there
	 * is no grant left now. */
	int (*grant)(void *host, uint64_t frame, bool readonly, uint32_t *gref);
	/* Take it back. False: the backend still has it mapped; that grant
	 * stays the host's to deal with. */
	bool (*revoke)(void *host, uint32_t gref);
	/* Send the backend an event. */
	void (*notify)(void *host);
	/* The command has ended, once. */
	void (*done)(void *host, uint64_t cookie,
		     const struct scsi_front_result *res);
	/* Make TO, a CDB of the same length, for the LEN bytes at OFFSET of
	 * CMD's data, where OFFSET and LEN are multiples of 4096 (the last LEN
	 * may be any). False if this command cannot be divided so. May be NULL:
	 * none can. */
	bool (*slice)(void *host, const struct scsi_front_cmd *cmd,
		      uint32_t offset, uint32_t len, uint8_t *to);
	/* A backend's error, enum scsi_front_event; the host counts, limits. */
	void (*trace)(void *host, uint32_t event, uint64_t a, uint64_t b);
};

struct scsi_front;

struct scsi_front_cfg {
	/* feature-sg-grant of the backend: segments of one request; 0 or at
	 * most WIRE_SCSI_SEGS: not used; larger than SCSI_FRONT_SEGS_MAX:
	 * cut. */
	uint32_t segs_max;
	/* The granted ring page; made empty here. */
	void *ring;
	/* Pages for the engine alone: first SCSI_FRONT_TAGS for descriptors if
	 * segs_max is above WIRE_SCSI_SEGS, the rest is for bouncing, at least
	 * one and at most BOUNCE_MAX. */
	const struct front_page *page;
	uint32_t pages;
	uint32_t
		align; /* bytes, a power of two up to 4096; GPLPV's rule: 512 */
};

/* Bytes of memory for an engine with such a configuration. */
size_t scsi_front_size(uint32_t segs_max, uint32_t pages);

/*
 * Make an engine in MEM (LEN bytes, aligned to 16, the caller's until the end).
 * The list in CFG is copied. XPV_ENOMEM when LEN is short, XPV_EINVAL for a
 * configuration that cannot be.
 */
int scsi_front_init(struct scsi_front **out, void *mem, size_t len,
		    const struct scsi_front_cfg *cfg,
		    const struct scsi_front_ops *ops,
		    void *host) XPV_MUST_CHECK;

/*
 * Send CMD (made visible by the next scsi_front_flush()). Returns its tag, 0 to
 * SCSI_FRONT_TAGS - 1, and done() is called once, by a later poll or suspend;
 * or one of these, and it is not called:
 * XPV_EBUSY      no slot, grant or bounce page is free: again after a done()
 * XPV_EINVAL     the command is not one
 * XPV_ENOMEM     it needs more bounce pages than there are, and cannot be
 *                divided
 * XPV_ECANCELED  the engine is suspended or closed
 * XPV_EPROTO     the backend has broken the protocol: the engine has stopped
 * XPV_EBUSY never comes when nothing is in flight and no slot is lost, unless
 * ops->grant() refuses.
 */
int scsi_front_submit(struct scsi_front *f,
		      const struct scsi_front_cmd *cmd) XPV_MUST_CHECK;

/*
 * Ask the backend to abort the command with TAG, which is outstanding. The
 * command is done() by its own response, or with WIRE_SCSI_HOST_ABORT when the
 * backend says that it was aborted; a pass that succeeds meanwhile is the last.
 * A tag is not used again before both the command and its ABORT are answered.
 * Sent when a slot is free. 0 (also while one that was asked for before is not
 * answered; after one that has failed, the next is sent); XPV_ENOENT: no
 * command is outstanding there; XPV_ECANCELED, XPV_EPROTO.
 */
int scsi_front_abort(struct scsi_front *f, uint16_t tag) XPV_MUST_CHECK;

/*
 * Ask the backend to reset the LUN at ADDR. done() is called for COOKIE: host
 * OK when it has succeeded, after the commands sent to the LUN before, which
 * end with their own responses or WIRE_SCSI_HOST_RESET. Returns as submit does.
 */
int scsi_front_reset(struct scsi_front *f, struct scsi_addr addr,
		     uint64_t cookie) XPV_MUST_CHECK;

/*
 * Take at most BUDGET responses and call done() for what has ended; write
 * requests that were waiting (next passes, aborts), for the next flush. How many
 * were taken, 0 when suspended, or XPV_EPROTO.
 */
int scsi_front_poll(struct scsi_front *f, uint32_t budget) XPV_MUST_CHECK;

/* Make new requests visible, and send the backend an event if it wants one. */
void scsi_front_flush(struct scsi_front *f);

/*
 * Before sleeping: ask for an event at the next response. True when there is
 * one already, so that the caller must not sleep. False if stopped.
 */
bool scsi_front_arm(struct scsi_front *f);

/* True when poll would find something. */
bool scsi_front_has_work(const struct scsi_front *f);

/*
 * The connection is gone: the domain was suspended, or the backend has closed.
 * The ring is not touched any more; everything outstanding ends with
 * WIRE_SCSI_HOST_RESET. GRANTS_GONE: the grants do not exist any more (the
 * domain was resumed elsewhere); else they are taken back.
 */
void scsi_front_suspend(struct scsi_front *f, bool grants_gone);

/*
 * Go on over a new ring page (it may be the old one if no backend has it any
 * more) with another backend's SEGS_MAX, which is cut to what init had memory
 * for. XPV_EBUSY unless suspended or stopped, and inside of done().
 */
int scsi_front_resume(struct scsi_front *f, void *ring,
		      uint32_t segs_max) XPV_MUST_CHECK;

/* Commands and resets that were submitted and are not done. */
uint32_t scsi_front_inflight(const struct scsi_front *f);

#endif
