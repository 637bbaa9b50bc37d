/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of all domains, and their grants, with Xen's rules: a grant names
 * one page and one peer, may be read-only, and cannot be ended while it is
 * mapped. What a guest does with its own pages is also looked at: a page that
 * is still granted must not be used for something else.
 */
#ifndef SIM_MEM_H
#define SIM_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/world.h"

#define MEM_DOMS   4
#define MEM_FRAMES 1024u /* pages of a domain */
#define MEM_GRANTS 1024u

#define MEM_NONE UINT32_MAX

/* What unused pages of guests, and private memory of backends, hold. */
#define MEM_GUEST_POISON   0x5a
#define MEM_PRIVATE_POISON 0xa5

struct mem_grant {
	bool used, readonly;
	uint8_t peer;
	uint16_t mapped; /* times */
	uint32_t frame;
};

struct mem_dom {
	uint8_t *bytes;
	uint32_t frames[MEM_FRAMES]; /* the free ones: a stack */
	uint32_t free;
	bool used[MEM_FRAMES];
	uint16_t granted[MEM_FRAMES]; /* grants of each page */
	struct mem_grant grant[MEM_GRANTS];
	uint32_t grants; /* in use */
};

struct mem {
	struct world *w;
	struct mem_dom dom[MEM_DOMS];
};

/* Make all of it new; the memory is kept from the last run. */
void mem_init(struct mem *m, struct world *w);

/* A page of DOM for its own use, filled with poison; MEM_NONE: there is none. */
uint32_t mem_page(struct mem *m, uint32_t dom);

/* N of them, one after the other: the first, or MEM_NONE. */
uint32_t mem_pages(struct mem *m, uint32_t dom, uint32_t n);

/* Put it back. It must not be granted. */
void mem_page_free(struct mem *m, uint32_t dom, uint32_t frame);

uint8_t *mem_va(struct mem *m, uint32_t dom, uint32_t frame);

/* The address in the page's domain, whoever it is; false: in no page. */
bool mem_find(const struct mem *m, const void *p, uint32_t *dom,
	      uint32_t *frame);

/* Grant FRAME to PEER. False when there is none free. */
bool mem_grant(struct mem *m, uint32_t dom, uint32_t peer, uint32_t frame,
	       bool readonly, uint32_t *gref);

/* End it; false while the peer has it mapped. */
bool mem_revoke(struct mem *m, uint32_t dom, uint32_t gref);

/* The grant that PEER may use, or NULL. */
struct mem_grant *mem_grant_of(struct mem *m, uint32_t dom, uint32_t peer,
			       uint32_t gref);

/* Grant copy by domain BY; false as Xen would say. */
bool mem_copy(struct mem *m, uint32_t by, uint32_t dom, uint32_t gref,
	      uint32_t offset, uint32_t len, void *local, bool to_guest);

/* Map for reading and writing; NULL as Xen would. */
uint8_t *mem_map(struct mem *m, uint32_t by, uint32_t dom, uint32_t gref);
void mem_unmap(struct mem *m, uint32_t dom, uint32_t gref);

/* The domain is resumed elsewhere: its grants exist no more. */
void mem_forget_grants(struct mem *m, uint32_t dom);

#endif
