/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/xs_tx.h"

#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- counts */

static size_t counts_at(const struct xs_counts *c, uint32_t domid)
{
	size_t i;

	for (i = 0; i < c->n && c->e[i].domid != domid; i++)
		;
	return i;
}

void xs_counts_add(struct xs_counts *c, uint32_t domid, int64_t n)
{
	size_t i = counts_at(c, domid);

	if (n == 0)
		return;
	if (i == c->n) {
		if (c->n == c->room) {
			c->room = c->room ? 2 * c->room : 4;
			c->e = xs_realloc(c->e, c->room * sizeof(*c->e));
		}
		c->e[c->n].domid = domid;
		c->e[c->n++].n = 0;
	}
	c->e[i].n += n;
	if (c->e[i].n == 0)
		c->e[i] = c->e[--c->n];
}

int64_t xs_counts_get(const struct xs_counts *c, uint32_t domid)
{
	size_t i = counts_at(c, domid);

	return i < c->n ? c->e[i].n : 0;
}

void xs_counts_free(struct xs_counts *c)
{
	free(c->e);
	*c = (struct xs_counts){0};
}

void xs_count_nodes(struct xs_counts *c, const struct xs_node *node, int n)
{
	uint32_t i;

	xs_counts_add(c, node->perm[0].domid, n);
	for (i = 0; i < node->nchildren; i++)
		xs_count_nodes(c, node->child[i], n);
}

/* ------------------------------------------------------------ transactions */

struct xs_tx *xs_tx_begin(struct xs_node *root, uint32_t id)
{
	struct xs_tx *tx = xs_alloc(sizeof(*tx));

	*tx = (struct xs_tx){.id = id};
	tx->base = xs_node_ref(root);
	tx->work = xs_node_ref(root);
	return tx;
}

void xs_tx_free(struct xs_tx *tx)
{
	uint32_t i;

	for (i = 0; i < tx->ntouch; i++)
		free(tx->touch[i].path);
	free(tx->touch);
	free(tx->index);
	xs_counts_free(&tx->counts);
	xs_node_unref(tx->base);
	xs_node_unref(tx->work);
	free(tx);
}

/* FNV-1a. Who chooses paths that collide makes only his own requests slow, and
 * no slower than tx_nodes allows. */
static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* Where in the index this path is, or the free place for it. */
static uint32_t slot_of(const struct xs_tx *tx, const char *path)
{
	uint32_t i = hash(path) & (tx->slots - 1);

	while (tx->index[i] &&
	       strcmp(tx->touch[tx->index[i] - 1].path, path) != 0)
		i = (i + 1) & (tx->slots - 1);
	return i;
}

static void grow(struct xs_tx *tx)
{
	uint32_t i;

	tx->room = tx->room ? 2 * tx->room : 8;
	tx->slots = 2 * tx->room;
	tx->touch = xs_realloc(tx->touch, tx->room * sizeof(*tx->touch));
	tx->index = xs_realloc(tx->index, tx->slots * sizeof(*tx->index));
	memset(tx->index, 0, tx->slots * sizeof(*tx->index));
	for (i = 0; i < tx->ntouch; i++)
		tx->index[slot_of(tx, tx->touch[i].path)] = i + 1;
}

struct xs_touch *xs_tx_touch(struct xs_tx *tx, const char *path)
{
	uint32_t slot;

	if (tx->ntouch == tx->room)
		grow(tx);
	slot = slot_of(tx, path);
	if (!tx->index[slot]) {
		tx->touch[tx->ntouch] =
			(struct xs_touch){.path = xs_strdup(path)};
		tx->index[slot] = ++tx->ntouch;
	}
	return &tx->touch[tx->index[slot] - 1];
}

bool xs_tx_stands(const struct xs_tx *tx, const struct xs_node *root)
{
	const struct xs_node *was, *is;
	uint32_t i;

	for (i = 0; i < tx->ntouch && root != tx->base; i++) {
		was = xs_find(tx->base, tx->touch[i].path);
		is = xs_find(root, tx->touch[i].path);
		if (!was != !is || (was && was->generation != is->generation))
			return false;
	}
	return true;
}

static void remove_at(struct xs_node **root, const char *path,
		      struct xs_counts *counts, uint64_t *generation)
{
	const struct xs_node *gone = xs_find(*root, path);
	struct xs_node *above;
	char *parent;

	if (!gone)
		return; /* with the node above it */
	xs_count_nodes(counts, gone, -1);
	parent = xs_path_parent(path);
	above = xs_own(root, parent);
	xs_node_remove(above, gone->name, strlen(gone->name));
	above->generation = ++*generation;
	free(parent);
}

/* Make the node at PATH what it is in WORK, and what is missing above it. */
static void set_at(struct xs_node **root, const char *path,
		   const struct xs_node *work, struct xs_counts *counts,
		   uint64_t *generation)
{
	const struct xs_node *from = xs_find(work, path);
	struct xs_node *to = xs_own(root, path), *above;
	char *parent;

	if (to) {
		xs_counts_add(counts, to->perm[0].domid, -1);
	} else {
		parent = xs_path_parent(path);
		if (!xs_find(*root, parent))
			set_at(root, parent, work, counts, generation);
		above = xs_own(root, parent);
		above->generation = ++*generation;
		to = xs_node_add(above, from->name, strlen(from->name));
		free(parent);
	}
	xs_node_set_value(to, from->value, from->len);
	xs_node_set_perms(to, from->perm, from->nperms);
	to->generation = ++*generation;
	xs_counts_add(counts, to->perm[0].domid, 1);
}

void xs_tx_apply(const struct xs_tx *tx, struct xs_node **root,
		 struct xs_counts *counts, uint64_t *generation)
{
	uint32_t i;

	for (i = 0; i < tx->ntouch; i++)
		if (tx->touch[i].modified &&
		    !xs_find(tx->work, tx->touch[i].path))
			remove_at(root, tx->touch[i].path, counts, generation);
	for (i = 0; i < tx->ntouch; i++)
		if (tx->touch[i].modified &&
		    xs_find(tx->work, tx->touch[i].path))
			set_at(root, tx->touch[i].path, tx->work, counts,
			       generation);
}
