/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a frontend engine, and moving data through it. An owner's data is a
 * list of pieces, each inside one page. Where they cannot be granted as they
 * are, the data goes through bounce pages: a fixed set of whole pages, of which
 * each is in the free list or in the chain of one request.
 *
 * What is given back last is taken first, so that the same few pages are used
 * as long as they suffice: what a backend keeps mapped stays in use (Xen
 * public/io/blkif.h, feature-persistent).
 */
#ifndef CORE_BOUNCE_H
#define CORE_BOUNCE_H

#include "wire/ring.h"

/* No page: behind every index. */
#define BOUNCE_NIL UINT32_MAX

/* Pages that a pool can have. */
#define BOUNCE_MAX 65536u

/* A whole page of ours. FRAME is what the host's grant() understands. */
struct front_page {
	uint8_t *va;
	uint64_t frame;
};

/* A part of a page of the owner's: offset + len <= 4096, len > 0. */
struct front_piece {
	uint8_t *va; /* of the part itself, not of its page */
	uint64_t frame;
	uint16_t offset, len;
};

struct bounce {
	struct front_page page;
	uint32_t next; /* in its chain */
};

struct bounce_pool {
	struct bounce *page;
	uint32_t first_free, free;
	uint32_t good; /* pages that are not lost */
};

/* Where the next byte is in a list of pieces. */
struct bounce_at {
	uint32_t piece, offset;
};

/* Make a pool of the N pages in PAGE, in MEM, which has room for N. */
void bounce_init(struct bounce_pool *p, struct bounce *mem,
		 const struct front_page *page, uint32_t n);

/* A chain of N free pages, of which there must be so many; its first. */
uint32_t bounce_take(struct bounce_pool *p, uint32_t n);

/* Page I is free again. */
void bounce_give(struct bounce_pool *p, uint32_t i);

/* A page that was taken can never be used again. */
void bounce_lose(struct bounce_pool *p);

/* The page after I in its chain, or BOUNCE_NIL. */
static inline uint32_t bounce_next(const struct bounce_pool *p, uint32_t i)
{
	return p->page[i].next;
}

/*
 * Copy LEN bytes from the chain that begins with page FIRST to the pieces, from
 * AT on, which is moved.
 */
void bounce_read(const struct bounce_pool *p, uint32_t first,
		 const struct front_piece *piece, struct bounce_at *at,
		 uint32_t len);

/*
 * Copy LEN bytes from the pieces, from AT on, which is moved, to the chain that
 * begins with page FIRST, and zeros to the rest of its pages, so that neither
 * end sees what went through them before.
 */
void bounce_fill(const struct bounce_pool *p, uint32_t first,
		 const struct front_piece *piece, struct bounce_at *at,
		 uint32_t len);

/* Move AT on by LEN bytes of the pieces. */
void front_skip(const struct front_piece *piece, struct bounce_at *at,
		uint32_t len);

/* Bytes of N pieces, and do all begin and end at multiples of ALIGN bytes? The
 * last may end anywhere. XPV_EINVAL when one is none. */
int front_pieces(const struct front_piece *piece, uint32_t n, uint32_t align,
		 uint32_t *len, bool *aligned) XPV_MUST_CHECK;

#endif
