/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/kept.h"

int kept_grant(struct kept *k, uint32_t i, bool readonly, uint32_t *gref)
{
	uint64_t frame = k->pool.page[i].page.frame;
	struct kept_page *p = &k->page[i];
	int rc = 0;

	if (!k->keep)
		return k->grant(k->engine, frame, readonly, gref);
	if (!p->kept)
		rc = k->grant(k->engine, frame, false, &p->gref);
	p->kept = rc >= 0;
	*gref = p->gref;
	return rc;
}

int kept_grant_all(struct kept *k)
{
	uint32_t i, gref;
	int rc;

	for (i = 0; i < k->pages; i++) {
		rc = k->page[i].lost ? 0 : kept_grant(k, i, false, &gref);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void kept_give(struct kept *k, uint32_t i)
{
	if (k->page[i].lost)
		bounce_lose(&k->pool);
	else
		bounce_give(&k->pool, i);
}

void kept_give_chain(struct kept *k, uint32_t first)
{
	uint32_t i, next;

	for (i = first; i != BOUNCE_NIL; i = next) {
		next = bounce_next(&k->pool, i);
		kept_give(k, i);
	}
}

void kept_drop(struct kept *k, bool gone)
{
	uint32_t i;

	for (i = 0; i < k->pages; i++) {
		struct kept_page *p = &k->page[i];

		if (p->kept && !gone && !k->revoke(k->engine, p->gref))
			p->lost = true;
		p->kept = false;
	}
	/* Those that are free and lost are free no more. */
	kept_give_chain(k, bounce_take(&k->pool, k->pool.free));
}
