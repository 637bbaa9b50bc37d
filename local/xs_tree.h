/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes of xenstore in memory, as a tree of which any number of versions
 * exist at a time. Nodes count their references; one that is referred to more
 * than once is never changed. Whoever changes something owns a reference of a
 * root, and everything on the way from there to the changed node is copied if
 * it belongs to other versions, too.
 *
 * The root of all has no name; below it are "/" and the nodes of the special
 * watches ("@releaseDomain"). A path is absolute or begins with '@', and was
 * checked by xs_path_check() (core/xs.h).
 *
 * There is no failure but a path that does not exist: without memory the
 * process ends.
 */
#ifndef LOCAL_XS_TREE_H
#define LOCAL_XS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/xs.h"

struct xs_node {
	uint32_t refs;
	uint32_t nchildren, room; /* of child */
	uint32_t nperms;
	uint64_t generation; /* differs whenever this node was changed */
	size_t len;	     /* bytes of value */
	size_t names;	     /* bytes of all children's names with their NULs */
	char *name;	     /* the last part of the path */
	char *value;	     /* a NUL follows */
	struct xs_perm *perm;
	struct xs_node **child; /* in the order of their names */
};

/* Memory that is there: as malloc() and realloc(). */
void *xs_alloc(size_t len);
void *xs_realloc(void *p, size_t len);
char *xs_strdup(const char *s);

/* xs_root_new - a root of nothing; the caller's reference. */
struct xs_node *xs_root_new(void);

struct xs_node *xs_node_ref(struct xs_node *n);
/* xs_node_unref - NULL is allowed. */
void xs_node_unref(struct xs_node *n);

/*
 * xs_path_part - the next part of a path
 * @pos: 0 at first
 *
 * Return: false at the end; else @part and its length.
 */
bool xs_path_part(const char *path, size_t *pos, const char **part,
		  size_t *len);

/* xs_path_parent - the path above; "/" for "/" and for a special one. To be
 * freed. */
char *xs_path_parent(const char *path);

/* xs_find - the node at @path, or NULL. */
const struct xs_node *xs_find(const struct xs_node *root, const char *path);

/*
 * xs_own - the node at @path, to be changed
 * @root: a reference that the caller owns; may become another one
 *
 * Return: NULL if there is no such node. Valid until the next call for this
 * root.
 */
struct xs_node *xs_own(struct xs_node **root, const char *path);

/* What may be done with what xs_own() gave. */

/* xs_node_add - a new child without value and permissions; there must be none
 * of that name (@len bytes). */
struct xs_node *xs_node_add(struct xs_node *n, const char *name, size_t len);
/* xs_node_remove - the child with all below it, if there is one. */
void xs_node_remove(struct xs_node *n, const char *name, size_t len);
void xs_node_set_value(struct xs_node *n, const void *value, size_t len);
void xs_node_set_perms(struct xs_node *n, const struct xs_perm *perm,
		       size_t count);

#endif
