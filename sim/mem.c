/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/mem.h"

#include <stdlib.h>
#include <string.h>

#include "wire/ring.h"

void mem_init(struct mem *m, struct world *w)
{
	uint32_t d, i;

	m->w = w;
	for (d = 0; d < MEM_DOMS; d++) {
		struct mem_dom *dom = &m->dom[d];
		uint8_t *bytes = dom->bytes;

		memset(dom, 0, sizeof(*dom));
		dom->bytes = bytes;
		if (!bytes &&
		    posix_memalign((void **)&dom->bytes, WIRE_PAGE_SIZE,
				   MEM_FRAMES * WIRE_PAGE_SIZE))
			abort();
		dom->free = MEM_FRAMES;
		for (i = 0; i < MEM_FRAMES; i++)
			dom->frames[i] = MEM_FRAMES - 1 - i;
	}
	w->mem = m;
}

uint8_t *mem_va(struct mem *m, uint32_t dom, uint32_t frame)
{
	return m->dom[dom].bytes + (size_t)frame * WIRE_PAGE_SIZE;
}

bool mem_find(const struct mem *m, const void *p, uint32_t *dom,
	      uint32_t *frame)
{
	const uint8_t *b = p;
	uint32_t d;

	for (d = 0; d < MEM_DOMS; d++) {
		const uint8_t *first = m->dom[d].bytes;

		if (b < first || b >= first + MEM_FRAMES * WIRE_PAGE_SIZE)
			continue;
		*dom = d;
		*frame = (uint32_t)((size_t)(b - first) / WIRE_PAGE_SIZE);
		return true;
	}
	return false;
}

uint32_t mem_page(struct mem *m, uint32_t dom)
{
	struct mem_dom *d = &m->dom[dom];
	uint32_t frame;

	if (d->free == 0)
		return MEM_NONE;
	frame = d->frames[--d->free];
	if (d->granted[frame])
		world_fail(m->w, "pages",
			   "page %u of domain %u is used anew, but granted",
			   frame, dom);
	d->used[frame] = true;
	memset(mem_va(m, dom, frame), MEM_GUEST_POISON, WIRE_PAGE_SIZE);
	return frame;
}

/* FRAME is free no more. */
static void take_frame(struct mem_dom *d, uint32_t frame)
{
	uint32_t i;

	for (i = 0; d->frames[i] != frame; i++)
		;
	memmove(d->frames + i, d->frames + i + 1,
		(d->free - i - 1) * sizeof(d->frames[0]));
	d->free--;
	d->used[frame] = true;
}

uint32_t mem_pages(struct mem *m, uint32_t dom, uint32_t n)
{
	struct mem_dom *d = &m->dom[dom];
	uint32_t frame, run = 0, i;

	for (frame = 0; frame < MEM_FRAMES && run < n; frame++)
		run = d->used[frame] ? 0 : run + 1;
	if (run < n)
		return MEM_NONE;
	frame -= n;
	for (i = 0; i < n; i++)
		take_frame(d, frame + i);
	memset(mem_va(m, dom, frame), 0, (size_t)n * WIRE_PAGE_SIZE);
	return frame;
}

void mem_page_free(struct mem *m, uint32_t dom, uint32_t frame)
{
	struct mem_dom *d = &m->dom[dom];

	if (!d->used[frame])
		world_fail(m->w, "pages", "page %u of domain %u freed twice",
			   frame, dom);
	if (d->granted[frame])
		world_fail(m->w, "pages",
			   "page %u of domain %u given back, but granted",
			   frame, dom);
	d->used[frame] = false;
	d->frames[d->free++] = frame;
}

bool mem_grant(struct mem *m, uint32_t dom, uint32_t peer, uint32_t frame,
	       bool readonly, uint32_t *gref)
{
	struct mem_dom *d = &m->dom[dom];
	uint32_t i;

	if (d->grants > MEM_GRANTS / 2 || world_fault(m->w, FAULT_GRANT))
		return false;
	if (frame >= MEM_FRAMES || !d->used[frame])
		world_fail(m->w, "pages",
			   "a page that is not there is granted"
			   " (%u)",
			   frame);
	/* None of our frontends has a reason to. */
	if (d->granted[frame])
		world_fail(m->w, "pages",
			   "page %u of domain %u is granted again, but the "
			   "backend still has it",
			   frame, dom);
	/* Any free one: one that was just ended may come back at once. 0 is
	 * xenstore's, 1 the console's. */
	do
		i = rng_range(&m->w->rng, 8, MEM_GRANTS - 1);
	while (d->grant[i].used);
	d->grant[i] = (struct mem_grant){.used = true,
					 .readonly = readonly,
					 .peer = (uint8_t)peer,
					 .frame = frame};
	d->grants++;
	d->granted[frame]++;
	*gref = i;
	return true;
}

bool mem_revoke(struct mem *m, uint32_t dom, uint32_t gref)
{
	struct mem_dom *d = &m->dom[dom];
	struct mem_grant *g = &d->grant[gref < MEM_GRANTS ? gref : 0];

	if (!g->used)
		world_fail(m->w, "pages",
			   "grant %u of domain %u is ended, but is none", gref,
			   dom);
	if (g->mapped)
		return false;
	g->used = false;
	d->grants--;
	d->granted[g->frame]--;
	return true;
}

struct mem_grant *mem_grant_of(struct mem *m, uint32_t dom, uint32_t peer,
			       uint32_t gref)
{
	struct mem_grant *g;

	if (gref >= MEM_GRANTS)
		return NULL;
	g = &m->dom[dom].grant[gref];
	return g->used && g->peer == peer ? g : NULL;
}

bool mem_copy(struct mem *m, uint32_t by, uint32_t dom, uint32_t gref,
	      uint32_t offset, uint32_t len, void *local, bool to_guest)
{
	struct mem_grant *g = mem_grant_of(m, dom, by, gref);
	uint8_t *va;

	if (!g || offset > WIRE_PAGE_SIZE || len > WIRE_PAGE_SIZE - offset)
		return false;
	if (to_guest && g->readonly)
		return false;
	va = mem_va(m, dom, g->frame) + offset;
	if (to_guest)
		memcpy(va, local, len);
	else
		memcpy(local, va, len);
	return true;
}

uint8_t *mem_map(struct mem *m, uint32_t by, uint32_t dom, uint32_t gref)
{
	struct mem_grant *g = mem_grant_of(m, dom, by, gref);

	if (!g || g->readonly)
		return NULL;
	g->mapped++;
	return mem_va(m, dom, g->frame);
}

void mem_unmap(struct mem *m, uint32_t dom, uint32_t gref)
{
	struct mem_grant *g = &m->dom[dom].grant[gref];

	if (!g->used || g->mapped == 0)
		world_fail(m->w, "pages", "grant %u is not mapped", gref);
	g->mapped--;
}

void mem_forget_grants(struct mem *m, uint32_t dom)
{
	struct mem_dom *d = &m->dom[dom];
	uint32_t i;

	for (i = 0; i < MEM_GRANTS; i++) {
		if (!d->grant[i].used)
			continue;
		if (d->grant[i].mapped)
			world_fail(
				m->w, "pages",
				"grant %u of a domain that is gone is mapped",
				i);
		d->grant[i].used = false;
		d->granted[d->grant[i].frame]--;
	}
	d->grants = 0;
}
