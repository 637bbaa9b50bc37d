/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/xs_server.h"

#include <stdlib.h>
#include <string.h>

#include "local/xs_impl.h"

/* What domain 0 may have more than others of xs_limits.backlog. */
#define BACKLOG_FACTOR 16

/* Domain 0 has no limit of replies; it must take some after these bytes. */
#define OUTPUT_FULL 0x40000u

const struct xs_limits xs_limits_default = {
	.nodes = 1000,
	.node_size = 2048,
	.perms = 5,
	.watches = 128,
	.transactions = 10,
	.tx_nodes = 1024,
	.replies = 20,
	.backlog = 0x100000,
};

/* ---------------------------------------------------- domain 0's own part */

/* An operation of this process, as domain 0. */
static struct xs_op own_op(struct xs_server *s)
{
	return (struct xs_op){s, {.privileged = true}, xs_tx_begin(s->root, 0)};
}

static int own_end(struct xs_op *op, int rc)
{
	if (rc == 0)
		rc = xs_commit(op->server, &op->who, op->tx);
	xs_tx_free(op->tx);
	return rc ? (int)xs_err_to_xpv((enum xs_err)(rc - 1)) : 0;
}

/* May PATH be used? Special ones only if SPECIAL. */
static bool usable(const char *path, bool special)
{
	int kind = xs_path_check(path);

	return kind == XS_PATH_ABSOLUTE || (special && kind == XS_PATH_SPECIAL);
}

int xs_server_write(struct xs_server *s, const char *path, const void *value,
		    size_t len)
{
	struct xs_op op;

	if (!usable(path, false))
		return XPV_EINVAL;
	op = own_op(s);
	return own_end(&op, xs_op_write(&op, path, value, len));
}

int xs_server_mkdir(struct xs_server *s, const char *path)
{
	struct xs_op op;

	if (!usable(path, false))
		return XPV_EINVAL;
	op = own_op(s);
	return own_end(&op, xs_op_mkdir(&op, path));
}

int xs_server_set_perms(struct xs_server *s, const char *path,
			const struct xs_perm *perm, size_t n)
{
	struct xs_op op;

	if (!usable(path, true) || n == 0)
		return XPV_EINVAL;
	op = own_op(s);
	return own_end(&op, xs_op_set_perms(&op, path, perm, n));
}

int xs_server_rm(struct xs_server *s, const char *path)
{
	struct xs_op op;

	if (!usable(path, false))
		return XPV_EINVAL;
	op = own_op(s);
	return own_end(&op, xs_op_rm(&op, path));
}

const char *xs_server_read(const struct xs_server *s, const char *path,
			   size_t *len)
{
	const struct xs_node *n;

	if (!usable(path, false))
		return NULL;
	n = xs_find(s->root, path);
	if (!n)
		return NULL;
	*len = n->len;
	return n->value;
}

uint32_t xs_server_nodes(const struct xs_server *s, uint32_t domid)
{
	return (uint32_t)xs_counts_get(&s->counts, domid);
}

/* ----------------------------------------------------------------- server */

/* A node of domain 0 directly below the root of all. */
static void plant(struct xs_server *s, const char *name)
{
	const struct xs_perm perm = {0, XS_ACCESS_NONE};
	struct xs_node *n = xs_node_add(s->root, name, strlen(name));

	xs_node_set_perms(n, &perm, 1);
	n->generation = ++s->generation;
	xs_counts_add(&s->counts, 0, 1);
}

struct xs_server *xs_server_new(const struct xs_limits *limits)
{
	static const char *const nodes[][2] = {
		{"/tool/xenstored", ""},
		{"/local/domain/0/domid", "0"},
		{"/local/domain/0/name", "Domain-0"},
	};
	struct xs_server *s = xs_alloc(sizeof(*s));
	size_t i;
	int rc;

	*s = (struct xs_server){.limits = limits ? *limits : xs_limits_default};
	s->root = xs_root_new();
	s->conn_end = &s->conn;
	plant(s, "/");
	plant(s, XS_INTRODUCE);
	plant(s, XS_RELEASE);
	for (i = 0; i < XPV_ARRAY_SIZE(nodes); i++) {
		rc = xs_server_write(s, nodes[i][0], nodes[i][1],
				     strlen(nodes[i][1]));
		XPV_ASSERT(rc == 0);
	}
	return s;
}

void xs_server_free(struct xs_server *s)
{
	struct xs_domain *d;

	if (!s)
		return;
	while (s->conn)
		xs_conn_close(s->conn);
	while ((d = s->domain)) {
		s->domain = d->next;
		free(d);
	}
	xs_node_unref(s->root);
	xs_counts_free(&s->counts);
	free(s);
}

/* ---------------------------------------------------------------- domains */

struct xs_domain *xs_domain_find(const struct xs_server *s, uint32_t domid)
{
	struct xs_domain *d;

	for (d = s->domain; d && d->domid != domid; d = d->next)
		;
	return d;
}

void xs_domain_introduce(struct xs_server *s, struct xs_domain *d)
{
	d->introduced = true;
	xs_watch_special(s, XS_INTRODUCE, d->domid);
}

void xs_domain_release(struct xs_server *s, struct xs_domain *d)
{
	struct xs_conn *c;
	bool introduced = d->introduced;

	d->introduced = false;
	for (c = s->conn; c; c = c->next)
		if (c->who.domid == d->domid && !c->who.privileged)
			xs_conn_kill(c);
	xs_forget_owner(s, d->domid);
	if (introduced)
		xs_watch_special(s, XS_RELEASE, d->domid);
}

int xs_server_introduce(struct xs_server *s, uint32_t domid)
{
	struct xs_domain *d;

	if (domid == 0 || domid >= XS_DOMID_END)
		return XPV_EINVAL;
	if (xs_domain_find(s, domid))
		return XPV_EEXIST;
	d = xs_alloc(sizeof(*d));
	*d = (struct xs_domain){.next = s->domain,
				.domid = domid,
				.target = domid,
				.features = XS_FEATURES};
	s->domain = d;
	xs_domain_introduce(s, d);
	return 0;
}

int xs_server_release(struct xs_server *s, uint32_t domid)
{
	struct xs_domain **at, *d;
	struct xs_conn *c;

	for (at = &s->domain; *at && (*at)->domid != domid; at = &(*at)->next)
		;
	d = *at;
	if (!d)
		return XPV_ENOENT;
	xs_domain_release(s, d);
	*at = d->next;
	free(d);
	/* Nobody acts for it any more; its number may come again. */
	for (d = s->domain; d; d = d->next)
		if (d->target == domid)
			d->target = d->domid;
	for (c = s->conn; c; c = c->next)
		if (c->who.target == domid)
			c->who.target = c->who.domid;
	return 0;
}

bool xs_server_introduced(const struct xs_server *s, uint32_t domid)
{
	const struct xs_domain *d = xs_domain_find(s, domid);

	return domid == 0 || (d && d->introduced);
}

/* ------------------------------------------------------------ connections */

struct xs_conn *xs_server_connect(struct xs_server *s, uint32_t domid,
				  bool privileged)
{
	const struct xs_domain *d = xs_domain_find(s, domid);
	struct xs_conn *c = xs_alloc(sizeof(*c));

	*c = (struct xs_conn){.server = s};
	c->who = (struct xs_who){domid, d ? d->target : domid, privileged};
	xs_reader_init(&c->reader);
	c->watch_end = &c->watch;
	if (!privileged)
		c->reply_end =
			xs_alloc(s->limits.replies * sizeof(*c->reply_end));
	*s->conn_end = c;
	s->conn_end = &c->next;
	return c;
}

void xs_conn_reset(struct xs_conn *c)
{
	struct xs_tx *tx;

	xs_watch_clear(c);
	while ((tx = c->tx)) {
		c->tx = tx->next;
		xs_tx_free(tx);
	}
}

void xs_conn_kill(struct xs_conn *c)
{
	c->dead = true;
	c->out_at = c->out_len = 0;
}

void xs_conn_close(struct xs_conn *c)
{
	struct xs_conn **at;

	if (!c)
		return;
	for (at = &c->server->conn; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	if (c->server->conn_end == &c->next)
		c->server->conn_end = at;
	xs_conn_reset(c);
	free(c->out);
	free(c->reply_end);
	free(c);
}

bool xs_conn_full(const struct xs_conn *c)
{
	if (c->who.privileged)
		return c->out_len - c->out_at >= OUTPUT_FULL;
	return c->replies >= c->server->limits.replies;
}

size_t xs_conn_feed(struct xs_conn *c, const void *p, size_t n)
{
	size_t at = 0, used;
	struct xs_msg m;
	int rc;

	while (at < n && !c->dead && !xs_conn_full(c)) {
		rc = xs_reader_feed(&c->reader, (const uint8_t *)p + at, n - at,
				    &used, &m);
		at += used;
		if (rc < 0)
			xs_conn_kill(c);
		else if (rc > 0)
			xs_request(c, &m);
	}
	return at;
}

void xs_conn_put(struct xs_conn *c, const void *msg, int len, bool is_reply)
{
	uint32_t max = c->server->limits.replies, slot;
	uint64_t backlog = c->server->limits.backlog;
	size_t waiting = c->out_len - c->out_at;

	XPV_ASSERT(len > 0);
	if (c->dead)
		return;
	if (c->who.privileged)
		backlog *= BACKLOG_FACTOR;
	if (waiting + (size_t)len > backlog) {
		xs_conn_kill(c);
		return;
	}
	if (c->out_len + (size_t)len > c->out_room) {
		/* What was taken makes room, or the room grows. */
		if (waiting)
			memmove(c->out, c->out + c->out_at, waiting);
		c->out_at = 0;
		c->out_len = waiting;
		if (2 * (waiting + (size_t)len) > c->out_room) {
			c->out_room = 2 * (waiting + (size_t)len);
			c->out = xs_realloc(c->out, c->out_room);
		}
	}
	memcpy(c->out + c->out_len, msg, (size_t)len);
	c->out_len += (size_t)len;
	if (is_reply && c->reply_end) {
		slot = (c->reply_first + c->replies++) % max;
		c->reply_end[slot] = c->sent + c->out_len - c->out_at;
	}
}

size_t xs_conn_output(const struct xs_conn *c, const void **p)
{
	*p = c->out ? c->out + c->out_at : NULL;
	return c->out_len - c->out_at;
}

void xs_conn_sent(struct xs_conn *c, size_t n)
{
	XPV_ASSERT(n <= c->out_len - c->out_at);
	c->out_at += n;
	c->sent += n;
	while (c->replies && c->reply_end[c->reply_first] <= c->sent) {
		c->reply_first =
			(c->reply_first + 1) % c->server->limits.replies;
		c->replies--;
	}
	if (c->out_at < c->out_len)
		return;
	c->out_at = c->out_len = 0;
	/* A client that has once had much to take need not keep the room. */
	if (c->out_room > OUTPUT_FULL) {
		free(c->out);
		c->out = NULL;
		c->out_room = 0;
	}
}

bool xs_conn_dead(const struct xs_conn *c)
{
	return c->dead;
}
