/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Persistent grants of a backend: which references the host keeps mapped, as a
 * policy that maps nothing itself (Xen public/io/blkif.h, feature-persistent).
 *
 * A pool has a bounded number of slots; a reference in use has one. What nobody
 * uses stays, and leaves when its slot is needed, the least recently used
 * first. Changes are collected: before anything of them is used, the owner lets
 * its host first unmap `stale` and then map `fresh`.
 *
 * References are chosen by the guest, so they are hashed with a secret number:
 * who does not know it cannot make many of them meet.
 */
#ifndef CORE_PGRANT_H
#define CORE_PGRANT_H

#include "wire/port.h"

/* No slot: copy, the reference is not kept mapped. */
#define PGRANT_NONE UINT32_MAX

/* Slots that a pool can have. */
#define PGRANT_MAX 65536u

/* A reference to map, writable, at SLOT. The host sets OK. */
struct pgrant_map {
	uint32_t gref, slot;
	bool ok;
};

struct pgrant;

struct pgrant_pool {
	uint32_t max;
	uint32_t used; /* slots that have a reference */
	struct pgrant_map *fresh;
	uint32_t nfresh;
	uint32_t *stale; /* slots */
	uint32_t nstale;
	/* the pool's own */
	struct pgrant *entry;
	uint32_t *bucket;
	uint32_t shift, factor;
	uint32_t free;	       /* first of a list */
	uint32_t oldest, last; /* of those that nobody uses */
};

/* Bytes of memory for a pool of MAX slots. */
size_t pgrant_size(uint32_t max);

/*
 * Make a pool of MAX slots, 0 to PGRANT_MAX, in MEM (aligned to 16). SALT is
 * any number that the guest does not know.
 */
void pgrant_init(struct pgrant_pool *p, void *mem, uint32_t max, uint32_t salt);

/*
 * The slot of GREF, which is in use once more; PGRANT_NONE when all are in use.
 * May add to stale and fresh.
 */
uint32_t pgrant_get(struct pgrant_pool *p, uint32_t gref);

/* SLOT is in use once less. */
void pgrant_put(struct pgrant_pool *p, uint32_t slot);

/*
 * What is in fresh and stale has been done; references that could not be mapped
 * are forgotten: their slots must be put back by all who got them, who can ask
 * pgrant_bad(). True when there are some.
 */
bool pgrant_done(struct pgrant_pool *p);
bool pgrant_bad(const struct pgrant_pool *p, uint32_t slot);

/* Let go (into stale) of what nobody uses, the oldest first, down to KEEP. */
void pgrant_trim(struct pgrant_pool *p, uint32_t keep);

/* Let go (into stale) of what was not used since this was last called. */
void pgrant_age(struct pgrant_pool *p);

#endif
