/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants of a frontend's bounce pages. Either one is made for each use of a
 * page, or, with `keep`, it is made at the first use and stays as long as the
 * connection (Xen public/io/blkif.h, feature-persistent). A page that the
 * backend can still reach when its grant should end is lost: never used again.
 */
#ifndef CORE_KEPT_H
#define CORE_KEPT_H

#include "core/bounce.h"

struct kept_page {
	uint32_t gref; /* if it is kept */
	bool kept;
	bool lost;
};

struct kept {
	struct bounce_pool pool;
	struct kept_page *page;
	uint32_t pages;
	bool keep; /* changed only while nothing is granted */
	/* The engine's; as the downcalls of these names. */
	int (*grant)(void *engine, uint64_t frame, bool readonly,
		     uint32_t *gref);
	bool (*revoke)(void *engine, uint32_t gref);
	void *engine;
};

/* Grant page I: XPV_ENOSPC as the downcall. */
int kept_grant(struct kept *k, uint32_t i, bool readonly,
	       uint32_t *gref) XPV_MUST_CHECK;

/* With `keep`: grant all pages now, those that can be used. XPV_ENOSPC. */
int kept_grant_all(struct kept *k) XPV_MUST_CHECK;

/* Page I, which was taken, is free again, or is lost. */
void kept_give(struct kept *k, uint32_t i);

/* All pages of the chain that begins with FIRST, likewise. */
void kept_give_chain(struct kept *k, uint32_t first);

/*
 * The connection has ended: nothing is kept. GONE: the grants do not exist any
 * more. Pages in use that cannot be taken back are marked as lost.
 */
void kept_drop(struct kept *k, bool gone);

#endif
