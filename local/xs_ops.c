/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What requests do to a version of the tree, as C xenstored does it: who may,
 * what is created on the way, which errors there are and in which order they
 * are found.
 */
#include <stdlib.h>
#include <string.h>

#include "local/xs_impl.h"

/* ------------------------------------------------------------ permissions */

static unsigned access_bits(char access)
{
	switch (access) {
	case XS_ACCESS_READ:
		return XS_MAY_READ;
	case XS_ACCESS_WRITE:
		return XS_MAY_WRITE;
	case XS_ACCESS_BOTH:
		return XS_MAY_READ | XS_MAY_WRITE;
	default:
		return 0;
	}
}

static bool is_meant(const struct xs_who *who, const struct xs_perm *p)
{
	return p->domid == who->domid || p->domid == who->target;
}

static unsigned rights(const struct xs_who *who, const struct xs_node *n)
{
	uint32_t i;

	if (who->privileged || is_meant(who, &n->perm[0]))
		return XS_MAY_READ | XS_MAY_WRITE | XS_MAY_OWN;
	for (i = 1; i < n->nperms; i++)
		if (is_meant(who, &n->perm[i]))
			return access_bits(n->perm[i].access);
	return access_bits(n->perm[0].access);
}

bool xs_may(const struct xs_who *who, const struct xs_node *n, unsigned what)
{
	return (rights(who, n) & what) == what;
}

/* The nearest node above PATH that exists. */
static const struct xs_node *above(const struct xs_node *root, const char *path)
{
	const struct xs_node *n = NULL;
	char *up = xs_path_parent(path), *next;

	while (!(n = xs_find(root, up))) {
		next = xs_path_parent(up);
		free(up);
		up = next;
	}
	free(up);
	return n;
}

/* Has the transaction touched more nodes than it may? It has failed then. */
static bool too_many(const struct xs_op *op)
{
	if (op->who.privileged || !op->tx->id ||
	    op->tx->ntouch <= op->server->limits.tx_nodes)
		return false;
	op->tx->failed = true;
	return true;
}

/*
 * Find PATH for WHAT. Who may not know that a node is missing is told EACCES:
 * that is for the nodes above it to say.
 */
static int find(const struct xs_op *op, const char *path, unsigned what,
		const struct xs_node **out)
{
	const struct xs_node *n = xs_find(op->tx->work, path);
	struct xs_tx *tx = op->tx;

	if (tx->id) {
		xs_tx_touch(tx, path);
		if (too_many(op))
			return XS_FAIL(ENOSPC);
	}
	*out = n;
	if (n)
		return xs_may(&op->who, n, what) ? 0 : XS_FAIL(EACCES);
	return rights(&op->who, above(tx->work, path)) & what ? XS_FAIL(ENOENT)
							      : XS_FAIL(EACCES);
}

int xs_op_get(const struct xs_op *op, const char *path,
	      const struct xs_node **out)
{
	return find(op, path, XS_MAY_READ, out);
}

/* ---------------------------------------------------------------- changes */

/*
 * A change is made on a reference of its own, so that it can be dropped when it
 * fails.
 */
static struct xs_node *change_begin(const struct xs_op *op)
{
	return xs_node_ref(op->tx->work);
}

static int change_end(const struct xs_op *op, struct xs_node *work, int rc)
{
	if (rc == 0 && too_many(op))
		rc = XS_FAIL(ENOSPC);
	if (rc) {
		xs_node_unref(work);
		return rc;
	}
	xs_node_unref(op->tx->work);
	op->tx->work = work;
	return 0;
}

static void changed(const struct xs_op *op, const char *path, struct xs_node *n,
		    enum xs_fire fire)
{
	struct xs_touch *t = xs_tx_touch(op->tx, path);

	t->modified = true;
	if (fire > t->fire)
		t->fire = fire;
	if (n)
		n->generation = ++op->server->generation;
}

static bool too_big(const struct xs_op *op, const struct xs_node *n)
{
	return !op->who.privileged &&
	       n->len + n->names + n->nperms * sizeof(*n->perm) >
		       op->server->limits.node_size;
}

/* Does the client own as many nodes as it may? */
static bool no_more(const struct xs_op *op)
{
	uint32_t domid = op->who.domid;

	return !op->who.privileged &&
	       xs_counts_get(&op->server->counts, domid) +
			       xs_counts_get(&op->tx->counts, domid) >=
		       (int64_t)op->server->limits.nodes;
}

/* Create the node at PATH, which does not exist, with those missing above. */
static int create(const struct xs_op *op, struct xs_node **work,
		  const char *path)
{
	char *parent = xs_path_parent(path);
	struct xs_node *up, *n;
	const char *name;
	int rc = 0;

	if (!xs_find(*work, parent))
		rc = create(op, work, parent);
	else if (op->tx->id)
		xs_tx_touch(op->tx, parent);
	if (rc == 0 && no_more(op))
		rc = XS_FAIL(ENOSPC);
	if (rc)
		goto out;
	up = xs_own(work, parent);
	name = strrchr(path, '/') + 1;
	n = xs_node_add(up, name, strlen(name));
	up->generation = ++op->server->generation;
	xs_node_set_perms(n, up->perm, up->nperms);
	if (!op->who.privileged)
		n->perm[0].domid = op->who.domid;
	xs_counts_add(&op->tx->counts, n->perm[0].domid, 1);
	changed(op, path, n, XS_FIRE_NONE);
	if (too_big(op, up))
		rc = XS_FAIL(ENOSPC);
out:
	/* What was touched and counted is wrong now. */
	op->tx->failed |= rc != 0;
	free(parent);
	return rc;
}

int xs_op_write(const struct xs_op *op, const char *path, const void *value,
		size_t len)
{
	struct xs_node *work, *n;
	const struct xs_node *old;
	int rc = find(op, path, XS_MAY_WRITE, &old);

	if (rc && rc != XS_FAIL(ENOENT))
		return rc;
	work = change_begin(op);
	rc = rc ? create(op, &work, path) : 0;
	if (rc)
		return change_end(op, work, rc);
	n = xs_own(&work, path);
	xs_node_set_value(n, value, len);
	if (too_big(op, n)) {
		op->tx->failed |= !old; /* it was created for nothing */
		return change_end(op, work, XS_FAIL(ENOSPC));
	}
	changed(op, path, n, XS_FIRE_SUBTREE);
	return change_end(op, work, 0);
}

int xs_op_mkdir(const struct xs_op *op, const char *path)
{
	const struct xs_node *old;
	struct xs_node *work;
	int rc = find(op, path, XS_MAY_WRITE, &old);

	if (rc != XS_FAIL(ENOENT))
		return rc;
	work = change_begin(op);
	rc = create(op, &work, path);
	if (rc == 0)
		changed(op, path, NULL, XS_FIRE_SUBTREE);
	return change_end(op, work, rc);
}

/* All of N, at PATH, is about to go. */
static void going(const struct xs_op *op, const char *path,
		  const struct xs_node *n, enum xs_fire fire)
{
	size_t len = strlen(path);
	uint32_t i;

	for (i = 0; i < n->nchildren; i++) {
		const char *name = n->child[i]->name;
		size_t room = strlen(name) + 1;
		char *below = xs_alloc(len + 1 + room);

		memcpy(below, path, len);
		below[len] = '/';
		memcpy(below + len + 1, name, room);
		going(op, below, n->child[i], XS_FIRE_EXACT);
		free(below);
	}
	changed(op, path, NULL, fire);
}

/* PATH is not "/". */
static void remove_node(const struct xs_op *op, struct xs_node **work,
			const char *path)
{
	const struct xs_node *gone = xs_find(*work, path);
	char *parent = xs_path_parent(path);
	struct xs_node *up;

	going(op, path, gone, XS_FIRE_SUBTREE);
	xs_count_nodes(&op->tx->counts, gone, -1);
	if (op->tx->id)
		xs_tx_touch(op->tx, parent);
	up = xs_own(work, parent);
	xs_node_remove(up, strrchr(path, '/') + 1,
		       strlen(strrchr(path, '/') + 1));
	up->generation = ++op->server->generation;
	free(parent);
}

int xs_op_rm(const struct xs_op *op, const char *path)
{
	const struct xs_node *n;
	struct xs_node *work;
	int rc = find(op, path, XS_MAY_WRITE, &n);
	char *parent;

	if (rc == XS_FAIL(ENOENT)) {
		/* It need not have been there, but what was to hold it. */
		parent = xs_path_parent(path);
		if (xs_find(op->tx->work, parent)) {
			if (op->tx->id)
				xs_tx_touch(op->tx, parent);
			rc = 0;
		}
		free(parent);
		return rc;
	}
	if (rc == 0 && strcmp(path, "/") == 0)
		rc = XS_FAIL(EINVAL);
	if (rc)
		return rc;
	work = change_begin(op);
	remove_node(op, &work, path);
	return change_end(op, work, 0);
}

int xs_op_set_perms(const struct xs_op *op, const char *path,
		    const struct xs_perm *perm, size_t count)
{
	const struct xs_node *old;
	struct xs_node *work, *n;
	int rc;

	if (!op->who.privileged && count > op->server->limits.perms)
		return XS_FAIL(ENOSPC);
	rc = find(op, path, XS_MAY_WRITE | XS_MAY_OWN, &old);
	if (rc)
		return rc;
	if (!op->who.privileged && perm[0].domid != old->perm[0].domid)
		return XS_FAIL(EPERM);
	work = change_begin(op);
	n = xs_own(&work, path);
	xs_node_set_perms(n, perm, count);
	if (too_big(op, n))
		return change_end(op, work, XS_FAIL(ENOSPC));
	xs_counts_add(&op->tx->counts, old->perm[0].domid, -1);
	xs_counts_add(&op->tx->counts, perm[0].domid, 1);
	changed(op, path, n, XS_FIRE_SUBTREE);
	return change_end(op, work, 0);
}

/* ----------------------------------------------------------------- commit */

/* ROOT, a reference, becomes the server's tree. */
static void install(struct xs_server *s, const struct xs_tx *tx,
		    struct xs_node *root, const struct xs_counts *counts)
{
	struct xs_node *before = s->root;
	size_t i;

	s->root = root;
	for (i = 0; i < counts->n; i++)
		xs_counts_add(&s->counts, counts->e[i].domid, counts->e[i].n);
	for (i = 0; i < tx->ntouch; i++)
		if (tx->touch[i].fire)
			xs_watch_fire(s, tx->touch[i].path, tx->touch[i].fire,
				      before, root);
	xs_node_unref(before);
}

static int commit_tx(struct xs_server *s, const struct xs_who *who,
		     struct xs_tx *tx)
{
	struct xs_counts counts = {0};
	struct xs_node *root;
	int64_t more;

	if (tx->failed)
		return XS_FAIL(ENOMEM);
	if (!xs_tx_stands(tx, s->root))
		return XS_FAIL(EAGAIN);
	root = xs_node_ref(s->root);
	xs_tx_apply(tx, &root, &counts, &s->generation);
	more = xs_counts_get(&counts, who->domid);
	if (!who->privileged && more > 0 &&
	    xs_counts_get(&s->counts, who->domid) + more >
		    (int64_t)s->limits.nodes) {
		xs_node_unref(root);
		xs_counts_free(&counts);
		return XS_FAIL(ENOSPC);
	}
	install(s, tx, root, &counts);
	xs_counts_free(&counts);
	return 0;
}

int xs_commit(struct xs_server *s, const struct xs_who *who, struct xs_tx *tx)
{
	if (tx->id)
		return commit_tx(s, who, tx);
	/* The tree may be another one by now: RELEASE changes it by itself. */
	if (tx->work != tx->base)
		install(s, tx, xs_node_ref(tx->work), &tx->counts);
	return 0;
}

/* -------------------------------------------------------- a domain's death */

/* Collects work for xs_forget_owner(): one after the other. */
struct forget {
	const struct xs_op *op;
	struct xs_node *work;
	uint32_t domid;
};

/* N without the domain's entries behind the first, at PATH. */
static void strip(struct forget *f, const char *path, const struct xs_node *n)
{
	struct xs_node *own;
	uint32_t i, kept = 1;

	for (i = 1; i < n->nperms && n->perm[i].domid != f->domid; i++)
		;
	if (i >= n->nperms)
		return;
	own = xs_own(&f->work, path);
	for (i = 1; i < own->nperms; i++)
		if (own->perm[i].domid != f->domid)
			own->perm[kept++] = own->perm[i];
	own->nperms = kept;
	changed(f->op, path, own, XS_FIRE_NONE);
}

static void forget_below(struct forget *f, const char *path)
{
	const struct xs_node *n = xs_find(f->work, path);
	const char *slash = path[1] ? "/" : "";
	uint32_t i;

	if (n->perm[0].domid == f->domid && strcmp(path, "/") != 0 &&
	    path[0] != '@') {
		remove_node(f->op, &f->work, path);
		return;
	}
	strip(f, path, n);
	n = xs_find(f->work, path);
	for (i = n->nchildren; i-- > 0;) {
		const char *name = n->child[i]->name;
		size_t room = strlen(path) + strlen(name) + 2;
		char *below = xs_alloc(room);

		strcpy(below, path);
		strcat(below, slash);
		strcat(below, name);
		forget_below(f, below);
		free(below);
		/* Changes made below may have copied this one. */
		n = xs_find(f->work, path);
	}
}

void xs_forget_owner(struct xs_server *s, uint32_t domid)
{
	struct xs_tx *tx = xs_tx_begin(s->root, 0);
	struct xs_op op = {s, {.privileged = true}, tx};
	struct forget f = {&op, change_begin(&op), domid};

	forget_below(&f, "/");
	forget_below(&f, XS_INTRODUCE);
	forget_below(&f, XS_RELEASE);
	(void)change_end(&op, f.work, 0);
	(void)xs_commit(s, &op.who, tx);
	xs_tx_free(tx);
}
