/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/pgrant.h"

#define NIL PGRANT_NONE

struct pgrant {
	uint32_t gref;
	uint32_t users;
	uint32_t chain;	       /* next in the bucket, or of the free ones */
	uint32_t older, newer; /* of those that nobody uses */
	bool bad;	       /* could not be mapped, is in no bucket */
	bool recent;	       /* used since the last pgrant_age() */
};

/* Buckets are 2^BITS, as many as slots or more. */
static uint32_t bucket_bits(uint32_t max)
{
	uint32_t bits;

	for (bits = 1; (1u << bits) < max; bits++)
		;
	return bits;
}

size_t pgrant_size(uint32_t max)
{
	return (size_t)max * (sizeof(struct pgrant) +
			      sizeof(struct pgrant_map) + sizeof(uint32_t)) +
	       (sizeof(uint32_t) << bucket_bits(max));
}

void pgrant_init(struct pgrant_pool *p, void *mem, uint32_t max, uint32_t salt)
{
	uint32_t i, bits = bucket_bits(max);

	XPV_ASSERT(max <= PGRANT_MAX);
	xpv_zero(p, sizeof(*p));
	p->max = max;
	p->entry = mem;
	p->fresh = (struct pgrant_map *)(p->entry + max);
	p->stale = (uint32_t *)(p->fresh + max);
	p->bucket = p->stale + max;
	p->shift = 32 - bits;
	p->factor = (salt ^ 0x9e3779b1u) | 1;
	p->free = p->oldest = p->last = NIL;
	for (i = 0; i < (1u << bits); i++)
		p->bucket[i] = NIL;
	for (i = max; i-- > 0;) {
		xpv_zero(&p->entry[i], sizeof(p->entry[i]));
		p->entry[i].chain = p->free;
		p->free = i;
	}
}

static uint32_t *bucket_of(const struct pgrant_pool *p, uint32_t gref)
{
	/* The upper bits of a product depend on all of both factors. */
	return &p->bucket[(gref * p->factor) >> p->shift];
}

static void unhash(struct pgrant_pool *p, uint32_t slot)
{
	uint32_t *at = bucket_of(p, p->entry[slot].gref);

	while (*at != slot)
		at = &p->entry[*at].chain;
	*at = p->entry[slot].chain;
}

static void make_free(struct pgrant_pool *p, uint32_t slot)
{
	p->entry[slot].chain = p->free;
	p->free = slot;
	p->used--;
}

/* SLOT leaves those that nobody uses. */
static void unlink_idle(struct pgrant_pool *p, uint32_t slot)
{
	struct pgrant *e = &p->entry[slot];

	if (e->older == NIL)
		p->oldest = e->newer;
	else
		p->entry[e->older].newer = e->newer;
	if (e->newer == NIL)
		p->last = e->older;
	else
		p->entry[e->newer].older = e->older;
}

static void link_idle(struct pgrant_pool *p, uint32_t slot)
{
	struct pgrant *e = &p->entry[slot];

	e->older = p->last;
	e->newer = NIL;
	if (p->last == NIL)
		p->oldest = slot;
	else
		p->entry[p->last].newer = slot;
	p->last = slot;
}

/* Nobody uses SLOT: it is to be unmapped, and free. */
static void let_go(struct pgrant_pool *p, uint32_t slot)
{
	XPV_ASSERT(p->nstale < p->max);
	unlink_idle(p, slot);
	unhash(p, slot);
	make_free(p, slot);
	p->stale[p->nstale++] = slot;
}

uint32_t pgrant_get(struct pgrant_pool *p, uint32_t gref)
{
	uint32_t *bucket = bucket_of(p, gref);
	struct pgrant *e;
	uint32_t slot;

	for (slot = *bucket; slot != NIL; slot = p->entry[slot].chain) {
		e = &p->entry[slot];
		if (e->gref != gref)
			continue;
		if (e->users++ == 0)
			unlink_idle(p, slot);
		e->recent = true;
		return slot;
	}
	if (p->free == NIL && p->oldest != NIL)
		let_go(p, p->oldest);
	slot = p->free;
	if (slot == NIL)
		return NIL;
	e = &p->entry[slot];
	p->free = e->chain;
	p->used++;
	e->gref = gref;
	e->users = 1;
	e->recent = true;
	e->chain = *bucket;
	*bucket = slot;
	p->fresh[p->nfresh].gref = gref;
	p->fresh[p->nfresh].slot = slot;
	p->fresh[p->nfresh++].ok = false;
	return slot;
}

void pgrant_put(struct pgrant_pool *p, uint32_t slot)
{
	struct pgrant *e = &p->entry[slot];

	XPV_ASSERT(e->users > 0);
	if (--e->users > 0)
		return;
	if (e->bad) {
		e->bad = false;
		make_free(p, slot);
	} else {
		link_idle(p, slot);
	}
}

bool pgrant_done(struct pgrant_pool *p)
{
	bool some = false;
	uint32_t i;

	for (i = 0; i < p->nfresh; i++) {
		if (p->fresh[i].ok)
			continue;
		unhash(p, p->fresh[i].slot);
		p->entry[p->fresh[i].slot].bad = true;
		some = true;
	}
	p->nfresh = p->nstale = 0;
	return some;
}

bool pgrant_bad(const struct pgrant_pool *p, uint32_t slot)
{
	return p->entry[slot].bad;
}

void pgrant_trim(struct pgrant_pool *p, uint32_t keep)
{
	while (p->used > keep && p->oldest != NIL)
		let_go(p, p->oldest);
}

void pgrant_age(struct pgrant_pool *p)
{
	uint32_t slot, newer;

	for (slot = p->oldest; slot != NIL; slot = newer) {
		newer = p->entry[slot].newer;
		if (!p->entry[slot].recent)
			let_go(p, slot);
		p->entry[slot].recent = false;
	}
}
