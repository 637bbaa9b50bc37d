/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches: who is told of which change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/xs_impl.h"

/* --------------------------------------------------------------- the list */

static uint32_t count(const struct xs_server *s, uint32_t domid)
{
	const struct xs_conn *c;
	const struct xs_watch *w;
	uint32_t n = 0;

	for (c = s->conn; c; c = c->next)
		for (w = c->who.domid == domid ? c->watch : NULL; w;
		     w = w->next)
			n++;
	return n;
}

static struct xs_watch **find(struct xs_conn *c, const char *path,
			      const char *token)
{
	struct xs_watch **w;

	for (w = &c->watch; *w; w = &(*w)->next)
		if (strcmp((*w)->path, path) == 0 &&
		    strcmp((*w)->token, token) == 0)
			break;
	return w;
}

int xs_watch_add(struct xs_conn *c, const char *path, size_t prefix,
		 const char *token, int depth)
{
	struct xs_watch *w;

	if (*find(c, path, token))
		return XS_FAIL(EEXIST);
	if (!c->who.privileged &&
	    count(c->server, c->who.domid) >= c->server->limits.watches)
		return XS_FAIL(ENOSPC);
	w = xs_alloc(sizeof(*w));
	*w = (struct xs_watch){.prefix = prefix, .depth = depth};
	w->path = xs_strdup(path);
	w->token = xs_strdup(token);
	*c->watch_end = w;
	c->watch_end = &w->next;
	return 0;
}

static void free_watch(struct xs_watch *w)
{
	free(w->path);
	free(w->token);
	free(w);
}

int xs_watch_remove(struct xs_conn *c, const char *path, const char *token)
{
	struct xs_watch **at = find(c, path, token), *w = *at;

	if (!w)
		return XS_FAIL(ENOENT);
	*at = w->next;
	if (c->watch_end == &w->next)
		c->watch_end = at;
	free_watch(w);
	return 0;
}

void xs_watch_clear(struct xs_conn *c)
{
	struct xs_watch *w;

	while ((w = c->watch)) {
		c->watch = w->next;
		free_watch(w);
	}
	c->watch_end = &c->watch;
}

/* ----------------------------------------------------------------- events */

static void send_event(struct xs_conn *c, const struct xs_watch *w,
		       const char *path)
{
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf)};
	int len = xs_enc_event(&o, path + w->prefix, w->token);

	/* Path and token may be too long together, long as both may be; the
	 * path that was watched fitted, and says as much. */
	if (len < 0)
		len = xs_enc_event(&o, w->path + w->prefix, w->token);
	xs_conn_put(c, buf, len, false);
}

void xs_watch_first(struct xs_conn *c)
{
	const struct xs_watch *w;

	for (w = c->watch; w->next; w = w->next)
		;
	send_event(c, w, w->path);
}

static bool matches(const struct xs_watch *w, const char *path,
		    enum xs_fire fire)
{
	int depth;

	if (fire == XS_FIRE_EXACT)
		return strcmp(w->path, path) == 0;
	depth = xs_path_depth(w->path, path);
	return depth >= 0 && (w->depth < 0 || depth <= w->depth);
}

static bool readable(const struct xs_conn *c, const struct xs_node *n)
{
	return n && xs_may(&c->who, n, XS_MAY_READ);
}

void xs_watch_fire(struct xs_server *s, const char *path, enum xs_fire fire,
		   const struct xs_node *before, const struct xs_node *after)
{
	char *parent = xs_path_parent(path);
	const struct xs_node *see[4] = {
		xs_find(before, path),
		xs_find(after, path),
		xs_find(before, parent),
		xs_find(after, parent),
	};
	const struct xs_watch *w;
	struct xs_conn *c;
	unsigned i;

	for (c = s->conn; c; c = c->next) {
		/* The node or the one above was or is readable. */
		for (i = 0; i < 4 && !readable(c, see[i]); i++)
			;
		for (w = i < 4 ? c->watch : NULL; w && !c->dead; w = w->next)
			if (matches(w, path, fire))
				send_event(c, w, path);
	}
	free(parent);
}

/*
 * Watches of NAME without a depth are told NAME; those with depth 1, and those
 * of NAME/DOMID, which domain it was.
 */
void xs_watch_special(struct xs_server *s, const char *name, uint32_t domid)
{
	const struct xs_node *n = xs_find(s->root, name);
	char with_domid[32];
	const struct xs_watch *w;
	struct xs_conn *c;

	snprintf(with_domid, sizeof(with_domid), "%s/%u", name, domid);
	for (c = s->conn; c; c = c->next) {
		for (w = readable(c, n) ? c->watch : NULL; w && !c->dead;
		     w = w->next) {
			bool same = strcmp(w->path, name) == 0;

			if (same && w->depth < 0)
				send_event(c, w, name);
			else if ((same && w->depth > 0) ||
				 strcmp(w->path, with_domid) == 0)
				send_event(c, w, with_domid);
		}
	}
}
