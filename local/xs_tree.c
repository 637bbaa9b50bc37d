/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/xs_tree.h"

#include <stdlib.h>
#include <string.h>

void *xs_alloc(size_t len)
{
	return xs_realloc(NULL, len);
}

void *xs_realloc(void *p, size_t len)
{
	p = realloc(p, len ? len : 1);
	if (!p)
		abort();
	return p;
}

static void *copy_of(const void *p, size_t len)
{
	void *to = xs_alloc(len);

	if (len)
		memcpy(to, p, len);
	return to;
}

char *xs_strdup(const char *s)
{
	return copy_of(s, strlen(s) + 1);
}

/* ------------------------------------------------------------------ nodes */

static struct xs_node *node_new(const char *name, size_t len)
{
	struct xs_node *n = xs_alloc(sizeof(*n));

	*n = (struct xs_node){.refs = 1};
	n->name = xs_alloc(len + 1);
	memcpy(n->name, name, len);
	n->name[len] = '\0';
	n->value = xs_strdup("");
	return n;
}

struct xs_node *xs_root_new(void)
{
	return node_new("", 0);
}

struct xs_node *xs_node_ref(struct xs_node *n)
{
	n->refs++;
	return n;
}

void xs_node_unref(struct xs_node *n)
{
	uint32_t i;

	if (!n || --n->refs)
		return;
	for (i = 0; i < n->nchildren; i++)
		xs_node_unref(n->child[i]);
	free(n->child);
	free(n->name);
	free(n->value);
	free(n->perm);
	free(n);
}

/* A node of the same content, whose children are shared. */
static struct xs_node *node_copy(const struct xs_node *n)
{
	struct xs_node *to = xs_alloc(sizeof(*to));
	uint32_t i;

	*to = *n;
	to->refs = 1;
	to->room = n->nchildren;
	to->name = xs_strdup(n->name);
	to->value = copy_of(n->value, n->len + 1);
	to->perm = copy_of(n->perm, n->nperms * sizeof(*n->perm));
	to->child = copy_of(n->child, n->nchildren * sizeof(*n->child));
	for (i = 0; i < to->nchildren; i++)
		xs_node_ref(to->child[i]);
	return to;
}

/* Order of NAME (LEN bytes) and the name of N. */
static int compare(const char *name, size_t len, const struct xs_node *n)
{
	int r = strncmp(name, n->name, len);

	return r ? r : -(n->name[len] != '\0');
}

/* Where the child of this name is (true), or would be. */
static bool child_at(const struct xs_node *n, const char *name, size_t len,
		     uint32_t *at)
{
	uint32_t lo = 0, hi = n->nchildren;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int r = compare(name, len, n->child[mid]);

		if (r == 0) {
			*at = mid;
			return true;
		}
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	*at = lo;
	return false;
}

struct xs_node *xs_node_add(struct xs_node *n, const char *name, size_t len)
{
	uint32_t at;

	XPV_ASSERT(n->refs == 1);
	XPV_ASSERT(!child_at(n, name, len, &at));
	if (n->nchildren == n->room) {
		n->room = n->room ? 2 * n->room : 4;
		n->child = xs_realloc(n->child, n->room * sizeof(*n->child));
	}
	memmove(&n->child[at + 1], &n->child[at],
		(n->nchildren - at) * sizeof(*n->child));
	n->child[at] = node_new(name, len);
	n->nchildren++;
	n->names += len + 1;
	return n->child[at];
}

void xs_node_remove(struct xs_node *n, const char *name, size_t len)
{
	uint32_t at;

	XPV_ASSERT(n->refs == 1);
	if (!child_at(n, name, len, &at))
		return;
	xs_node_unref(n->child[at]);
	n->nchildren--;
	n->names -= len + 1;
	memmove(&n->child[at], &n->child[at + 1],
		(n->nchildren - at) * sizeof(*n->child));
}

void xs_node_set_value(struct xs_node *n, const void *value, size_t len)
{
	char *to = xs_alloc(len + 1);

	XPV_ASSERT(n->refs == 1);
	if (len)
		memcpy(to, value, len);
	to[len] = '\0';
	free(n->value);
	n->value = to;
	n->len = len;
}

void xs_node_set_perms(struct xs_node *n, const struct xs_perm *perm,
		       size_t count)
{
	struct xs_perm *to = copy_of(perm, count * sizeof(*perm));

	XPV_ASSERT(n->refs == 1);
	free(n->perm);
	n->perm = to;
	n->nperms = (uint32_t)count;
}

/* ------------------------------------------------------------------ paths */

bool xs_path_part(const char *path, size_t *pos, const char **part, size_t *len)
{
	if (*pos == 0 && path[0] == '/') {
		*part = path;
		*len = *pos = 1;
		return true;
	}
	if (path[*pos] == '/')
		++*pos;
	*part = path + *pos;
	*len = strcspn(*part, "/");
	*pos += *len;
	return *len > 0;
}

char *xs_path_parent(const char *path)
{
	char *above = xs_strdup(path), *slash = strrchr(above, '/');

	if (above[0] == '/' && slash != above) {
		*slash = '\0';
		return above;
	}
	free(above);
	return xs_strdup("/");
}

const struct xs_node *xs_find(const struct xs_node *root, const char *path)
{
	const struct xs_node *n = root;
	const char *part;
	size_t pos = 0, len;
	uint32_t at;

	while (xs_path_part(path, &pos, &part, &len)) {
		if (!child_at(n, part, len, &at))
			return NULL;
		n = n->child[at];
	}
	return n;
}

/* Make *N, a reference of its owner's, one that nobody else has. */
static void make_own(struct xs_node **n)
{
	struct xs_node *to;

	if ((*n)->refs == 1)
		return;
	to = node_copy(*n);
	xs_node_unref(*n);
	*n = to;
}

struct xs_node *xs_own(struct xs_node **root, const char *path)
{
	struct xs_node **n = root;
	const char *part;
	size_t pos = 0, len;
	uint32_t at;

	if (!xs_find(*root, path))
		return NULL;
	make_own(n);
	while (xs_path_part(path, &pos, &part, &len)) {
		XPV_ASSERT(child_at(*n, part, len, &at));
		n = &(*n)->child[at];
		make_own(n);
	}
	return *n;
}
