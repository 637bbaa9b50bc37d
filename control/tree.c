/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A copy of a xenstore subtree; see tree.h.
 */
#include "control/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"

struct store_tree *tree_new(void)
{
	return calloc(1, sizeof(struct store_tree));
}

void tree_free(struct store_tree *tree)
{
	size_t i;

	if (!tree)
		return;
	for (i = 0; i < tree->n; i++) {
		free(tree->node[i].path);
		free(tree->node[i].value);
	}
	free(tree->node);
	free(tree);
}

int tree_add(struct store_tree *tree, const char *path, const void *value,
	     size_t len)
{
	struct store_node *grown, new = {.len = len};
	size_t room;

	if (tree->n == tree->room) {
		room = tree->room ? tree->room * 2 : 16;
		grown = reallocarray(tree->node, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		tree->node = grown;
		tree->room = room;
	}
	new.path = strdup(path);
	new.value = malloc(len + 1);
	if (!new.path || !new.value) {
		free(new.path);
		free(new.value);
		return -ENOMEM;
	}
	if (len)
		memcpy(new.value, value, len);
	new.value[len] = '\0';
	tree->node[tree->n++] = new;
	return 0;
}

/* '/' before all other characters, so that a subtree is one run of nodes. */
static int order_char(char c)
{
	if (c == '\0')
		return 0;
	return c == '/' ? 1 : 1 + (unsigned char)c;
}

static int order_path(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return order_char(*a) - order_char(*b);
}

static int order_node(const void *a, const void *b)
{
	const struct store_node *x = a, *y = b;

	return order_path(x->path, y->path);
}

/* Is the parent of `path` among the nodes, or does it need none? */
static bool has_parent(const struct store_tree *tree, char *path)
{
	char *slash = strrchr(path, '/');
	bool found;

	if (!*path)
		return true;
	if (!slash)
		return tree_find(tree, "");
	*slash = '\0';
	found = tree_find(tree, path);
	*slash = '/';
	return found;
}

void tree_sort(struct store_tree *tree)
{
	size_t i, total = tree->n;

	if (total)
		qsort(tree->node, total, sizeof(*tree->node), order_node);
	/* The nodes kept so far are a tree themselves: parents come first. */
	tree->n = 0;
	for (i = 0; i < total; i++) {
		struct store_node *node = &tree->node[i];

		if (tree_find(tree, node->path) ||
		    !has_parent(tree, node->path)) {
			free(node->path);
			free(node->value);
		} else {
			tree->node[tree->n++] = *node;
		}
	}
}

const struct store_node *tree_find(const struct store_tree *tree,
				   const char *path)
{
	size_t low = 0, high = tree->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = order_path(tree->node[mid].path, path);

		if (c == 0)
			return &tree->node[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const char *tree_get(const struct store_tree *tree, const char *path)
{
	const struct store_node *node = tree_find(tree, path);

	return node ? node->value : NULL;
}

bool tree_is(const struct store_tree *tree, const char *path, const char *text)
{
	const struct store_node *node = tree_find(tree, path);

	return node && node->len == strlen(text) &&
	       memcmp(node->value, text, node->len) == 0;
}

int tree_u64(const struct store_tree *tree, const char *path, uint64_t *out)
{
	const struct store_node *node = tree_find(tree, path);

	if (!node)
		return -ENOENT;
	return xs_parse_u64(node->value, node->len, out) < 0 ? -EINVAL : 0;
}

int tree_u32(const struct store_tree *tree, const char *path, uint32_t *out)
{
	const struct store_node *node = tree_find(tree, path);

	if (!node)
		return -ENOENT;
	return xs_parse_u32(node->value, node->len, out) < 0 ? -EINVAL : 0;
}

/* The first node after `node` that is not below it. */
static size_t skip_below(const struct store_tree *tree, size_t i)
{
	size_t len = strlen(tree->node[i].path);
	const char *path = tree->node[i].path;

	for (i++; i < tree->n; i++)
		if (strncmp(tree->node[i].path, path, len) != 0 ||
		    tree->node[i].path[len] != '/')
			break;
	return i;
}

const struct store_node *tree_child(const struct store_tree *tree,
				    const char *parent,
				    const struct store_node *prev)
{
	size_t len = strlen(parent);
	size_t i;

	if (prev) {
		i = skip_below(tree, (size_t)(prev - tree->node));
	} else {
		const struct store_node *p = tree_find(tree, parent);

		if (!p)
			return NULL;
		i = (size_t)(p - tree->node) + 1;
	}
	if (i >= tree->n || strncmp(tree->node[i].path, parent, len) != 0 ||
	    (len && tree->node[i].path[len] != '/'))
		return NULL;
	return &tree->node[i];
}

const char *tree_name(const struct store_node *node)
{
	const char *slash = strrchr(node->path, '/');

	return slash ? slash + 1 : node->path;
}
