/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded memory for the data of requests, handed out in runs of pages. The
 * lowest run that fits is taken, so that a ring with little to do uses few pages
 * again and again; pages are taken from the system when they are first used.
 * Not for use by several threads.
 */
#ifndef WORKER_ARENA_H
#define WORKER_ARENA_H

#include <stdint.h>

#include "wire/ring.h"

#define ARENA_PAGES_MAX 8192u

struct arena {
	uint8_t *base;
	uint32_t pages;
	uint32_t used;			      /* pages that are handed out */
	uint64_t taken[ARENA_PAGES_MAX / 64]; /* a bit a page */
};

/* Make one of PAGES pages, a multiple of 64. 0 or a negative errno. */
int arena_init(struct arena *a, uint32_t pages);

/* Give all of it back to the system; nothing if there was no arena_init(). */
void arena_fini(struct arena *a);

/* A run of N pages, at least 1; NULL when there is none now. */
uint8_t *arena_get(struct arena *a, uint32_t n);

/* Give back the N pages at P, as they were got. */
void arena_put(struct arena *a, uint8_t *p, uint32_t n);

#endif
