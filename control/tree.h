/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A copy of a xenstore subtree in memory: what store_snapshot() (control/
 * store.h) gives, and what the daemon decides on. It does not change by
 * itself and knows nothing of the connection it came from.
 *
 * Paths are relative to the root of the copy, without a slash at either end:
 * "" is the root itself, "vscsi-devs/dev-0/state" a node below it. A subtree
 * that did not exist is a tree of no nodes.
 *
 * All functions of this file may be called from any thread as long as nobody
 * frees the tree; none of them sets errno.
 */
#ifndef CONTROL_TREE_H
#define CONTROL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/port.h"

/* One node. The strings belong to the tree. */
struct store_node {
	char *path;  /* relative to the tree's root; "" is the root */
	char *value; /* len bytes as stored, then a NUL that is not counted */
	size_t len;  /* bytes; larger than strlen(value) if there are NULs */
};

/*
 * The nodes in ascending order of their paths, where '/' is smaller than any
 * other character: a node stands directly before everything below it.
 */
struct store_tree {
	struct store_node *node;
	size_t n;
	size_t room; /* nodes allocated; of tree.c only */
};

/*
 * tree_new - a tree of no nodes
 *
 * Return: the tree, which the caller frees with tree_free(), or NULL if there
 * is no memory.
 */
struct store_tree *tree_new(void);

/* tree_free - frees a tree and all strings in it; NULL is allowed. */
void tree_free(struct store_tree *tree);

/*
 * tree_add - append a node; tree_sort() must follow before any lookup
 * @path: relative path; copied
 * @value: @len bytes; copied. NULL with @len 0 is an empty value
 *
 * Return: 0 or -ENOMEM, which leaves the tree as it was.
 */
int tree_add(struct store_tree *tree, const char *path, const void *value,
	     size_t len) XPV_MUST_CHECK;

/*
 * tree_sort - bring the nodes into order after tree_add()
 *
 * Of two nodes with one path one remains. A node whose parent is not there is
 * freed: the parent vanished while the copy was made.
 */
void tree_sort(struct store_tree *tree);

/* tree_find - the node at @path, or NULL. Takes O(log n). */
const struct store_node *tree_find(const struct store_tree *tree,
				   const char *path);

/* tree_get - the value at @path, or NULL if there is no such node. A value
 * with NULs inside looks shorter than it is: see store_node.len. */
const char *tree_get(const struct store_tree *tree, const char *path);

/* tree_is - is there a node at @path with exactly the value @text? */
bool tree_is(const struct store_tree *tree, const char *path, const char *text);

/*
 * tree_u32 - the number at @path
 * @out: is written on success only
 *
 * The value must be a decimal number from the first byte to the last, without
 * sign, blank or NUL (xs_parse_u32(), core/xs.h): it may come from a guest.
 *
 * Return: 0; -ENOENT if there is no such node; -EINVAL if it is no number or
 * does not fit.
 */
int tree_u32(const struct store_tree *tree, const char *path,
	     uint32_t *out) XPV_MUST_CHECK;

/* tree_u64 - as tree_u32(), for 64 bits. */
int tree_u64(const struct store_tree *tree, const char *path,
	     uint64_t *out) XPV_MUST_CHECK;

/*
 * tree_child - iterate over the nodes directly below @parent, in order
 * @parent: relative path, "" for the root
 * @prev: what the last call returned; NULL gives the first child
 *
 *     for (c = tree_child(t, "vscsi-devs", NULL); c;
 *          c = tree_child(t, "vscsi-devs", c))
 *             printf("%s\n", tree_name(c));
 *
 * Return: a node, or NULL after the last one.
 */
const struct store_node *tree_child(const struct store_tree *tree,
				    const char *parent,
				    const struct store_node *prev);

/* tree_name - the last component of a node's path ("dev-0"). */
const char *tree_name(const struct store_node *node);

#endif
