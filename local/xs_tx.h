/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Versions of the tree that are being worked on: a transaction of a client, or
 * a single request, which is a transaction of its own that cannot conflict.
 */
#ifndef LOCAL_XS_TX_H
#define LOCAL_XS_TX_H

#include "local/xs_tree.h"

/* How many nodes domains own, or how many more or fewer. */
struct xs_counts {
	struct {
		uint32_t domid;
		int64_t n;
	} * e;
	size_t n, room;
};

void xs_counts_add(struct xs_counts *c, uint32_t domid, int64_t n);
int64_t xs_counts_get(const struct xs_counts *c, uint32_t domid);
void xs_counts_free(struct xs_counts *c);

/* Which watches are to be fired for a changed path. */
enum xs_fire {
	XS_FIRE_NONE,
	XS_FIRE_EXACT,	 /* those set on this path */
	XS_FIRE_SUBTREE, /* those, and those set above it */
};

/* A path that was looked at or changed. */
struct xs_touch {
	char *path;
	bool modified; /* the node itself, or its being there */
	enum xs_fire fire;
};

struct xs_tx {
	struct xs_tx *next; /* of the same connection */
	uint32_t id;	    /* 0: a single request */
	bool failed;	    /* a change was refused half way: no commit */
	struct xs_node *base, *work;
	struct xs_counts counts; /* nodes more or fewer than in base */
	struct xs_touch *touch;	 /* in the order of the first touch */
	uint32_t ntouch, room;
	uint32_t *index; /* hash of path -> touch + 1; 0: free */
	uint32_t slots;	 /* of index, a power of two; more than ntouch */
};

/* xs_tx_begin - @root gets two references more. */
struct xs_tx *xs_tx_begin(struct xs_node *root, uint32_t id);
void xs_tx_free(struct xs_tx *tx);

/* xs_tx_touch - remember @path; valid until the next call. */
struct xs_touch *xs_tx_touch(struct xs_tx *tx, const char *path);

/* xs_tx_stands - is all that was touched in @root what it was in the base? */
bool xs_tx_stands(const struct xs_tx *tx, const struct xs_node *root);

/*
 * xs_tx_apply - do in @root, a reference of the caller's, what was done in the
 * transaction; xs_tx_stands() holds
 * @counts: what that changes is added
 * @generation: the last one used; counts on
 */
void xs_tx_apply(const struct xs_tx *tx, struct xs_node **root,
		 struct xs_counts *counts, uint64_t *generation);

/* xs_count_nodes - add @n times the nodes from @node on to the owners'. */
void xs_count_nodes(struct xs_counts *c, const struct xs_node *node, int n);

#endif
