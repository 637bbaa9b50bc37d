/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data path of one ring of a disk: between the ring and a storage, without
 * a thread, a clock or a system call of its own. A queue (worker/queue.c) turns
 * it, as it does worker/path.
 *
 *     finish    one grant copy call brings what was read to the guest, then
 *               each request is completed at the engine
 *     poll      the engine publishes responses, takes requests and submits
 *               them: they go to `fresh`
 *     begin     requests that the device's limits let go get memory, in their
 *               order; one grant copy call brings
 *               what is to be written from the guest, then each starts at the
 *               storage, as one contiguous operation; neighbours on the disk
 *               that came one after the other are one together
 *     tell      one event for several responses
 *
 * Memory for data is bounded (worker/arena): requests that find no room wait in
 * `fresh`, and nobody overtakes them. The engine (core/blk_back) sees to it that
 * of overlapping writes only the first is here.
 *
 * A piece that cannot be copied, and whatever the storage cannot do, fails its
 * own request alone: what fails for several together is done again for each.
 * What finds no space waits for some, and is tried again every second, if the
 * device is to do so (limit_pause()) and the ring is not closing. A path belongs to one thread. Errors are negative errno.
 */
#ifndef WORKER_BLK_PATH_H
#define WORKER_BLK_PATH_H

#include "core/blk_back.h"
#include "storage/storage.h"
#include "worker/arena.h"
#include "worker/limit.h"
#include "worker/peer.h"

struct blk_path;

/* A request from submit until its answer is on the ring. */
struct blk_slot {
	struct storage_io io;
	struct blk_path *path;
	struct blk_slot *next; /* in a list */
	/* Those that are one operation with this one, in the order of their
	 * sectors, each with its data right behind. */
	struct blk_slot *more;
	uint64_t len;	/* bytes of its own */
	uint64_t taken; /* peer_taken() */
	uint16_t tag;
	bool lost; /* a copy of its data failed */
	bool secure;
	const struct blk_back_seg *segs; /* the engine's, until completed */
	uint32_t nsegs;
	uint32_t pages; /* that io.buf has */
	struct limit_ticket ticket;
};

/* A page of the guest that is kept mapped. */
struct blk_map {
	uint8_t *at; /* NULL: none */
	uint32_t gref;
};

/* First in, first out. */
struct blk_slots {
	struct blk_slot *first, **last;
};

struct blk_path {
	struct peer peer;
	/* the ring, while it is open */
	struct blk_back *engine;
	void *engine_mem;
	struct storage *storage;
	struct limit *limit; /* the device's; held while the ring is open */
	uint64_t wake;	     /* when the first in fresh may go; 0: it may */
	struct arena arena;
	struct blk_slot *slot; /* one for each slot of the ring */
	struct blk_map *map;   /* one for each of persistent_max; or NULL */
	struct blk_slots fresh, finished;
	struct blk_slots alone;	 /* each on its own: together they failed */
	struct blk_slots paused; /* writes that found no space */
	uint64_t retry; /* when they are tried again; 0: there are none */
};

/* Make a path without a ring in P. */
void blk_path_init(struct blk_path *p, const struct peer_cfg *cfg);

/*
 * Connect the ring that BLK describes to STORAGE, which is the path's then and
 * closed with the ring; on failure it stays the caller's and *WHY says what
 * failed. JOURNAL is memory for core/journal, to be gone on with if BLK says
 * PROTO_RING_RECOVER, or NULL. LIMIT is the device's (limit_hold()), or NULL; it
 * is the path's as long as the ring is open, and its caller's to drop. With
 * persistent_max grants are kept mapped, and data is copied by the processor; it
 * never lies in a page of the guest while the storage has it.
 */
int blk_path_open(struct blk_path *p, const struct proto_blk *blk,
		  void *journal, struct storage *storage, struct limit *limit,
		  const char **why);

/* The device has SIZE bytes now. Without a ring: nothing. */
void blk_path_resize(struct blk_path *p, uint64_t size);

/* Take no more requests; what is in flight goes on. */
void blk_path_close(struct blk_path *p);

/* The ring is closing and nothing is in flight: give it and the storage back.
 * True if so. */
bool blk_path_closed(struct blk_path *p);

/*
 * One turn: finish, poll, begin. True when there was something to do. Sets
 * p->peer.broken when the ring is.
 */
bool blk_path_turn(struct blk_path *p);

/* When a turn is due though nothing has come; 0: never. */
uint64_t blk_path_deadline(const struct blk_path *p);

/* Are grants kept mapped? Those that were not used since the last blk_path_age()
 * are let go by the next. */
bool blk_path_maps(const struct blk_path *p);
void blk_path_age(struct blk_path *p);

/* Notify the guest if it has to be. */
void blk_path_tell(struct blk_path *p);

/* Notify now, or wait for company? */
void blk_path_tell_some(struct blk_path *p);

/* A cheap look: would a turn find requests? */
bool blk_path_has_work(const struct blk_path *p);

/*
 * Before sleeping: notify, ask the guest for an event, let the next one
 * through. False when there is work already.
 */
bool blk_path_rest(struct blk_path *p);

#endif
