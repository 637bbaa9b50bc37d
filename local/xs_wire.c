/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: from a message to an operation, and the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local/xs_impl.h"

#define PATH_MAX_ABS (WIRE_XS_ABS_PATH_MAX + 32)

/* A request while it is being done. */
struct call {
	struct xs_conn *conn;
	struct xs_server *server;
	const struct xs_msg *m;
	struct xs_op op;
	struct xs_tx *one; /* the request's own transaction, or NULL */
	/* the reply's payload; nothing: "OK" */
	const void *reply;
	size_t len;
	char text[WIRE_XS_PAYLOAD_MAX]; /* for replies that are made */
	bool first_event;		/* after the reply */
};

/* ------------------------------------------------------------- arguments */

/* The only argument, whose NUL ends the payload; or NULL. */
static const char *one_arg(const struct call *c)
{
	const char *s;
	size_t rest;

	if (xs_strings(c->m->payload, c->m->len, &s, 1, &rest) != 1 ||
	    rest != c->m->len)
		return NULL;
	return s;
}

/* How many strings there are; up to MAX of them in ARG. */
static size_t args(const struct call *c, const char **arg, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < c->m->len; i++)
		n += c->m->payload[i] == '\0';
	(void)xs_strings(c->m->payload, c->m->len, arg, max, NULL);
	return n;
}

/*
 * TEXT as an absolute path in OUT, PATH_MAX_ABS bytes. PREFIX: how much of it
 * was not written by the client.
 */
static int path_arg(const struct call *c, const char *text, bool special,
		    char *out, size_t *prefix)
{
	int kind = text ? xs_path_check(text) : XPV_EINVAL;

	if (kind < 0 || (kind == XS_PATH_SPECIAL && !special))
		return XS_FAIL(EINVAL);
	*prefix = 0;
	if (kind == XS_PATH_RELATIVE)
		*prefix = (size_t)sprintf(out, "/local/domain/%u/",
					  c->conn->who.domid);
	strcpy(out + *prefix, text);
	return 0;
}

static int domid_arg(const char *text, uint32_t *domid)
{
	if (!text || xs_parse_u32(text, strlen(text), domid) < 0 ||
	    *domid > 0xffff)
		return XS_FAIL(EINVAL);
	return 0;
}

static int answer(struct call *c, const void *p, size_t len)
{
	c->reply = p;
	c->len = len;
	return len > WIRE_XS_PAYLOAD_MAX ? XS_FAIL(E2BIG) : 0;
}

static int answer_number(struct call *c, uint32_t v)
{
	return answer(c, c->text, xs_format_u64(c->text, v) + 1);
}

/* -------------------------------------------------------------- the tree */

/* The node that the path TEXT names, readable. */
static int get_node(struct call *c, const char *text, bool special,
		    const struct xs_node **n)
{
	char path[PATH_MAX_ABS];
	size_t prefix;
	int rc = path_arg(c, text, special, path, &prefix);

	return rc ? rc : xs_op_get(&c->op, path, n);
}

static int do_read(struct call *c)
{
	const struct xs_node *n;
	int rc = get_node(c, one_arg(c), false, &n);

	return rc ? rc : answer(c, n->value, n->len);
}

static int do_directory(struct call *c)
{
	const struct xs_node *n;
	uint32_t i;
	char *to = c->text;
	int rc = get_node(c, one_arg(c), false, &n);

	if (rc)
		return rc;
	if (n->names > WIRE_XS_PAYLOAD_MAX)
		return XS_FAIL(E2BIG);
	for (i = 0; i < n->nchildren; i++)
		to = stpcpy(to, n->child[i]->name) + 1;
	return answer(c, c->text, n->names);
}

/*
 * The generation, then whole names from byte OFFSET of all of them on, as many
 * as fit; after the last one an empty name.
 */
static int do_directory_part(struct call *c)
{
	const struct xs_node *n;
	const char *arg[2];
	size_t at = 0, len, name;
	uint32_t offset, i;
	int rc;

	if (args(c, arg, 2) != 2 ||
	    xs_parse_u32(arg[1], strlen(arg[1]), &offset) < 0)
		return XS_FAIL(EINVAL);
	rc = get_node(c, arg[0], false, &n);
	if (rc)
		return rc;
	len = xs_format_u64(c->text, n->generation) + 1;
	for (i = 0; i < n->nchildren; i++, at += name) {
		name = strlen(n->child[i]->name) + 1;
		if (at < offset)
			continue;
		if (len + name >= sizeof(c->text))
			return answer(c, c->text, len);
		memcpy(c->text + len, n->child[i]->name, name);
		len += name;
	}
	c->text[len++] = '\0';
	return answer(c, c->text, len);
}

static int do_get_perms(struct call *c)
{
	const struct xs_node *n;
	size_t len = 0;
	uint32_t i;
	int rc = get_node(c, one_arg(c), true, &n);

	for (i = 0; rc == 0 && i < n->nperms; i++) {
		if (len + 1 + XS_NUM_MAX > sizeof(c->text))
			return XS_FAIL(E2BIG);
		c->text[len++] = n->perm[i].access;
		len += xs_format_u64(c->text + len, n->perm[i].domid) + 1;
	}
	return rc ? rc : answer(c, c->text, len);
}

static int do_write(struct call *c)
{
	char path[PATH_MAX_ABS];
	const char *text;
	size_t prefix, rest;
	int rc;

	if (xs_strings(c->m->payload, c->m->len, &text, 1, &rest) != 1)
		return XS_FAIL(EINVAL);
	rc = path_arg(c, text, false, path, &prefix);
	return rc ? rc
		  : xs_op_write(&c->op, path, c->m->payload + rest,
				c->m->len - rest);
}

static int do_mkdir(struct call *c)
{
	char path[PATH_MAX_ABS];
	size_t prefix;
	int rc = path_arg(c, one_arg(c), false, path, &prefix);

	return rc ? rc : xs_op_mkdir(&c->op, path);
}

static int do_rm(struct call *c)
{
	char path[PATH_MAX_ABS];
	size_t prefix;
	int rc = path_arg(c, one_arg(c), false, path, &prefix);

	return rc ? rc : xs_op_rm(&c->op, path);
}

static int do_set_perms(struct call *c)
{
	struct xs_perm perm[WIRE_XS_PAYLOAD_MAX / 3];
	char path[PATH_MAX_ABS];
	const char *text;
	size_t prefix, rest;
	int n, rc;

	if (xs_strings(c->m->payload, c->m->len, &text, 1, &rest) != 1)
		return XS_FAIL(EINVAL);
	n = xs_parse_perms(c->m->payload + rest, c->m->len - rest, perm,
			   XPV_ARRAY_SIZE(perm));
	if (n < 0)
		return XS_FAIL(EINVAL);
	rc = path_arg(c, text, true, path, &prefix);
	return rc ? rc : xs_op_set_perms(&c->op, path, perm, (size_t)n);
}

/* --------------------------------------------------------------- watches */

static uint32_t features(const struct call *c)
{
	const struct xs_domain *d =
		xs_domain_find(c->server, c->conn->who.domid);

	return d ? d->features : XS_FEATURES;
}

static int do_watch(struct call *c)
{
	char path[PATH_MAX_ABS];
	const char *arg[3];
	size_t n = args(c, arg, 3), prefix;
	uint32_t depth = 0;
	int rc;

	if (n == 3 && features(c) & WIRE_XS_FEATURE_WATCHDEPTH) {
		if (xs_parse_u32(arg[2], strlen(arg[2]), &depth) < 0 ||
		    depth > INT32_MAX)
			return XS_FAIL(EINVAL);
	} else if (n != 2) {
		return XS_FAIL(EINVAL);
	}
	rc = path_arg(c, arg[0], true, path, &prefix);
	if (rc == 0)
		rc = xs_watch_add(c->conn, path, prefix, arg[1],
				  n == 3 ? (int)depth : -1);
	c->first_event = rc == 0;
	return rc;
}

static int do_unwatch(struct call *c)
{
	char path[PATH_MAX_ABS];
	const char *arg[2];
	size_t prefix;
	int rc;

	if (args(c, arg, 2) != 2)
		return XS_FAIL(EINVAL);
	rc = path_arg(c, arg[0], true, path, &prefix);
	return rc ? rc : xs_watch_remove(c->conn, path, arg[1]);
}

static int do_reset_watches(struct call *c)
{
	xs_conn_reset(c->conn);
	return 0;
}

/* ----------------------------------------------------------- transactions */

static struct xs_tx **find_tx(struct xs_conn *c, uint32_t id)
{
	struct xs_tx **tx;

	for (tx = &c->tx; *tx && (*tx)->id != id; tx = &(*tx)->next)
		;
	return tx;
}

static uint32_t open_transactions(const struct xs_server *s, uint32_t domid)
{
	const struct xs_conn *c;
	const struct xs_tx *tx;
	uint32_t n = 0;

	for (c = s->conn; c; c = c->next)
		for (tx = c->who.domid == domid ? c->tx : NULL; tx;
		     tx = tx->next)
			n++;
	return n;
}

static int do_transaction_start(struct call *c)
{
	struct xs_conn *conn = c->conn;
	struct xs_tx *tx;

	if (c->m->tx_id)
		return XS_FAIL(EBUSY);
	if (!conn->who.privileged &&
	    open_transactions(c->server, conn->who.domid) >=
		    c->server->limits.transactions)
		return XS_FAIL(ENOSPC);
	do {
		conn->next_tx++;
	} while (conn->next_tx == 0 || *find_tx(conn, conn->next_tx));
	tx = xs_tx_begin(c->server->root, conn->next_tx);
	tx->next = conn->tx;
	conn->tx = tx;
	return answer_number(c, tx->id);
}

static int do_transaction_end(struct call *c)
{
	const char *arg = one_arg(c);
	struct xs_tx **at, *tx;
	int rc = 0;

	if (!arg || (strcmp(arg, "T") != 0 && strcmp(arg, "F") != 0))
		return XS_FAIL(EINVAL);
	if (!c->m->tx_id)
		return XS_FAIL(ENOENT);
	at = find_tx(c->conn, c->m->tx_id);
	tx = *at;
	*at = tx->next;
	if (arg[0] == 'T')
		rc = xs_commit(c->server, &c->conn->who, tx);
	xs_tx_free(tx);
	return rc;
}

/* ---------------------------------------------------------------- domains */

/* The domain that the one argument names, which is not domain 0. */
static int one_domain(const struct call *c, struct xs_domain **d)
{
	uint32_t domid;
	int rc = domid_arg(one_arg(c), &domid);

	if (rc || domid == 0)
		return XS_FAIL(EINVAL);
	*d = xs_domain_find(c->server, domid);
	return *d && (*d)->introduced ? 0 : XS_FAIL(ENOENT);
}

static int do_introduce(struct call *c)
{
	const char *arg[3];
	struct xs_domain *d;
	struct xs_conn *conn;
	uint32_t domid, port;
	int rc;

	if (args(c, arg, 3) < 3)
		return XS_FAIL(EINVAL);
	rc = domid_arg(arg[0], &domid);
	if (rc || xs_parse_u32(arg[2], strlen(arg[2]), &port) < 0 || port == 0)
		return XS_FAIL(EINVAL);
	d = xs_domain_find(c->server, domid);
	if (!d)
		return XS_FAIL(ENOENT);
	for (conn = d->introduced ? c->server->conn : NULL; conn;
	     conn = conn->next)
		if (conn->who.domid == domid)
			xs_conn_reset(conn);
	if (!d->introduced)
		xs_domain_introduce(c->server, d);
	return 0;
}

static int do_release(struct call *c)
{
	struct xs_domain *d;
	int rc = one_domain(c, &d);

	if (rc == 0)
		xs_domain_release(c->server, d);
	return rc;
}

/* A domain here does not come back from a shutdown, which @releaseDomain would
 * have to be armed for. */
static int do_resume(struct call *c)
{
	struct xs_domain *d;

	return one_domain(c, &d);
}

static int do_get_domain_path(struct call *c)
{
	uint32_t domid;
	int rc = domid_arg(one_arg(c), &domid);

	return rc ? rc
		  : answer(c, c->text,
			   (size_t)sprintf(c->text, "/local/domain/%u", domid) +
				   1);
}

static int do_is_domain_introduced(struct call *c)
{
	uint32_t domid;
	int rc = domid_arg(one_arg(c), &domid);

	if (rc)
		return rc;
	return answer(c, xs_server_introduced(c->server, domid) ? "T" : "F", 2);
}

static int do_set_target(struct call *c)
{
	struct xs_domain *d, *target;
	const char *arg[2];
	uint32_t domid[2];
	struct xs_conn *conn;

	if (args(c, arg, 2) < 2 || domid_arg(arg[0], &domid[0]) ||
	    domid_arg(arg[1], &domid[1]))
		return XS_FAIL(EINVAL);
	d = xs_domain_find(c->server, domid[0]);
	target = xs_domain_find(c->server, domid[1]);
	if (!d || !target)
		return XS_FAIL(ENOENT);
	d->target = target->domid;
	for (conn = c->server->conn; conn; conn = conn->next)
		if (conn->who.domid == d->domid)
			conn->who.target = d->target;
	return 0;
}

static int do_get_feature(struct call *c)
{
	const struct xs_domain *d;
	const char *arg[1];
	uint32_t domid;

	/* Without an argument: a payload of nothing, or of one NUL. */
	if (c->m->len == 0 || (c->m->len == 1 && !c->m->payload[0]))
		return answer_number(c, features(c));
	if (!c->conn->who.privileged)
		return XS_FAIL(EACCES);
	if (args(c, arg, 1) != 1 || domid_arg(arg[0], &domid))
		return XS_FAIL(EINVAL);
	d = xs_domain_find(c->server, domid);
	return d ? answer_number(c, d->features) : XS_FAIL(ENOENT);
}

static int do_set_feature(struct call *c)
{
	struct xs_domain *d;
	const char *arg[2];
	uint32_t domid, bits;

	if (args(c, arg, 2) != 2 || domid_arg(arg[0], &domid) ||
	    xs_parse_u32(arg[1], strlen(arg[1]), &bits) < 0)
		return XS_FAIL(EINVAL);
	d = xs_domain_find(c->server, domid);
	if (!d)
		return XS_FAIL(ENOENT);
	if (d->introduced)
		return XS_FAIL(EBUSY);
	if (bits & ~XS_FEATURES)
		return XS_FAIL(EINVAL);
	d->features = bits;
	return 0;
}

/* ----------------------------------------------------------------- quotas */

static const struct {
	const char *name;
	size_t offset; /* in struct xs_limits */
} quotas[] = {
	{"nodes", offsetof(struct xs_limits, nodes)},
	{"watches", offsetof(struct xs_limits, watches)},
	{"transactions", offsetof(struct xs_limits, transactions)},
	{"outstanding", offsetof(struct xs_limits, replies)},
	{"transaction-nodes", offsetof(struct xs_limits, tx_nodes)},
	{"node-size", offsetof(struct xs_limits, node_size)},
	{"permissions", offsetof(struct xs_limits, perms)},
};

/* The limits are the same for all domains here, and fixed. */
static int do_get_quota(struct call *c)
{
	const char *arg[2];
	size_t n = args(c, arg, 2), len = 0, i;
	uint32_t value, domid;

	if (n == 0 || (n == 1 && !arg[0][0])) {
		for (i = 0; i < XPV_ARRAY_SIZE(quotas); i++)
			len += (size_t)sprintf(c->text + len, "%s%s",
					       i ? " " : "", quotas[i].name);
		return answer(c, c->text, len + 1);
	}
	if (n > 2 || (n == 2 && domid_arg(arg[0], &domid)))
		return XS_FAIL(EINVAL);
	for (i = 0; i < XPV_ARRAY_SIZE(quotas); i++)
		if (strcmp(quotas[i].name, arg[n - 1]) == 0) {
			memcpy(&value,
			       (const char *)&c->server->limits +
				       quotas[i].offset,
			       sizeof(value));
			return answer_number(c, value);
		}
	return XS_FAIL(EINVAL);
}

/* ---------------------------------------------------------------- control */

static int do_control(struct call *c)
{
	const char *arg[1];

	if (args(c, arg, 1) < 1)
		return XS_FAIL(EINVAL);
	if (strcmp(arg[0], "help") == 0)
		return answer(c, "help", sizeof("help"));
	return XS_FAIL(EINVAL);
}

/* ------------------------------------------------------------ the request */

#define PRIVILEGED 1 /* not for guests */
#define NO_TX	   2 /* tx_id is ignored */

static const struct {
	int (*call)(struct call *c);
	int flags;
} table[] = {
	[WIRE_XS_CONTROL] = {do_control, PRIVILEGED},
	[WIRE_XS_DIRECTORY] = {do_directory, 0},
	[WIRE_XS_READ] = {do_read, 0},
	[WIRE_XS_GET_PERMS] = {do_get_perms, 0},
	[WIRE_XS_WATCH] = {do_watch, NO_TX},
	[WIRE_XS_UNWATCH] = {do_unwatch, NO_TX},
	[WIRE_XS_TRANSACTION_START] = {do_transaction_start, 0},
	[WIRE_XS_TRANSACTION_END] = {do_transaction_end, 0},
	[WIRE_XS_INTRODUCE] = {do_introduce, PRIVILEGED},
	[WIRE_XS_RELEASE] = {do_release, PRIVILEGED},
	[WIRE_XS_GET_DOMAIN_PATH] = {do_get_domain_path, 0},
	[WIRE_XS_WRITE] = {do_write, 0},
	[WIRE_XS_MKDIR] = {do_mkdir, 0},
	[WIRE_XS_RM] = {do_rm, 0},
	[WIRE_XS_SET_PERMS] = {do_set_perms, 0},
	[WIRE_XS_IS_DOMAIN_INTRODUCED] = {do_is_domain_introduced, 0},
	[WIRE_XS_RESUME] = {do_resume, PRIVILEGED},
	[WIRE_XS_SET_TARGET] = {do_set_target, PRIVILEGED},
	[WIRE_XS_RESET_WATCHES] = {do_reset_watches, 0},
	[WIRE_XS_DIRECTORY_PART] = {do_directory_part, 0},
	[WIRE_XS_GET_FEATURE] = {do_get_feature, 0},
	[WIRE_XS_SET_FEATURE] = {do_set_feature, PRIVILEGED},
	[WIRE_XS_GET_QUOTA] = {do_get_quota, PRIVILEGED},
};

/* Do it in its transaction, or in one of its own. */
static int run(struct call *c)
{
	uint32_t tx_id = c->m->tx_id;
	int rc;

	if (c->m->type >= XPV_ARRAY_SIZE(table) || !table[c->m->type].call)
		return XS_FAIL(ENOSYS);
	if (table[c->m->type].flags & PRIVILEGED && !c->conn->who.privileged)
		return XS_FAIL(EACCES);
	if (table[c->m->type].flags & NO_TX)
		tx_id = 0;
	if (tx_id)
		c->op.tx = *find_tx(c->conn, tx_id);
	else
		c->op.tx = c->one = xs_tx_begin(c->server->root, 0);
	if (!c->op.tx)
		return XS_FAIL(ENOENT);
	rc = table[c->m->type].call(c);
	if (c->one && rc == 0)
		rc = xs_commit(c->server, &c->op.who, c->one);
	return rc;
}

void xs_request(struct xs_conn *conn, const struct xs_msg *m)
{
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {buf, sizeof(buf), m->req_id, m->tx_id};
	struct call c = {
		.conn = conn,
		.server = conn->server,
		.m = m,
		.op = {.server = conn->server, .who = conn->who},
		.reply = "OK",
		.len = sizeof("OK"),
	};
	int rc = run(&c), len;

	if (rc)
		len = xs_enc_error(&o, (enum xs_err)(rc - 1));
	else
		len = xs_enc_reply(&o, (enum wire_xs_type)m->type, c.reply,
				   c.len);
	if (c.one)
		xs_tx_free(c.one);
	xs_conn_put(conn, buf, len, true);
	if (c.first_event && !conn->dead)
		xs_watch_first(conn);
}
