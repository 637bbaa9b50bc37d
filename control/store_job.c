/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes more than one request: a large directory, a snapshot, a
 * transaction; see store.h.
 *
 * Each is a job: a block of memory that counts its outstanding requests and
 * frees itself with the last answer. Every request is answered exactly once,
 * if need be by the loss of the connection, so that no job has to be found or
 * cancelled.
 */
#include "control/store.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"

/* A directory that changes while it is read in parts: begun again so often. */
#define PART_TRIES 8

const struct store_limits store_limits_default = {
	.max_nodes = 4096,
	.max_depth = 16,
	.max_bytes = 1024 * 1024,
};

/* -------------------------------------------------------- large directory */

struct listing {
	store_fn *fn;
	void *ctx;
	store_tx tx;
	uint64_t generation;
	uint32_t tries;
	size_t len, max; /* bytes at names, and allowed */
	char *names;
	char path[];
};

static void listing_done(struct store *st, struct listing *l, int err)
{
	struct store_reply rsp = {.err = err, .value = ""};

	if (!err && l->len) {
		rsp.value = l->names;
		rsp.len = l->len;
	}
	l->fn(st, &rsp, l->ctx);
	free(l->names);
	free(l);
}

static int listing_add(struct listing *l, const char *names, size_t len)
{
	char *grown;

	if (len > l->max - l->len)
		return -EOVERFLOW;
	/* One more for the NUL that every reply has. */
	grown = realloc(l->names, l->len + len + 1);
	if (!grown)
		return -ENOMEM;
	if (len)
		memcpy(grown + l->len, names, len);
	l->names = grown;
	l->len += len;
	grown[l->len] = '\0';
	return 0;
}

static void listing_part(struct store *st, const struct store_reply *rsp,
			 void *ctx)
{
	struct listing *l = ctx;
	struct xs_part part;
	int rc = rsp->err;

	if (!rc && xs_parse_part(rsp->value, rsp->len, &part) < 0)
		rc = -EPROTO;
	if (rc)
		goto out;
	if (l->len && part.generation != l->generation) {
		/* The offsets of another list: all over again. */
		if (++l->tries >= PART_TRIES) {
			rc = -EAGAIN;
			goto out;
		}
		l->len = 0;
	} else {
		l->generation = part.generation;
		rc = listing_add(l, part.names, part.len);
		if (rc || part.last)
			goto out;
	}
	rc = store_ls_part(st, l->tx, l->path, (uint32_t)l->len, listing_part,
			   l);
	if (!rc)
		return;
out:
	listing_done(st, l, rc);
}

static void listing_first(struct store *st, const struct store_reply *rsp,
			  void *ctx)
{
	struct listing *l = ctx;
	int rc = rsp->err;

	if (rc == -E2BIG) {
		rc = store_ls_part(st, l->tx, l->path, 0, listing_part, l);
		if (!rc)
			return;
	} else if (!rc) {
		rc = listing_add(l, rsp->value, rsp->len);
	}
	listing_done(st, l, rc);
}

int store_ls_all(struct store *st, store_tx tx, const char *path,
		 size_t max_bytes, store_fn *fn, void *ctx)
{
	size_t size = strlen(path) + 1;
	struct listing *l;
	int rc;

	l = calloc(1, sizeof(*l) + size);
	if (!l)
		return -ENOMEM;
	l->fn = fn;
	l->ctx = ctx;
	l->tx = tx;
	l->max = max_bytes < UINT32_MAX ? max_bytes : UINT32_MAX;
	memcpy(l->path, path, size);
	rc = store_ls(st, tx, path, listing_first, l);
	if (rc)
		free(l);
	return rc;
}

/* --------------------------------------------------------------- snapshot */

struct snapshot {
	store_tree_fn *fn;
	void *ctx;
	store_tx tx;
	struct store_limits limits;
	struct store_tree *tree;
	size_t nodes; /* asked for */
	size_t bytes; /* seen */
	size_t outstanding;
	int err; /* the first one */
	char root[];
};

/* A node of a snapshot; each request for it holds it. */
struct snapshot_node {
	struct snapshot *snap;
	uint32_t depth;
	uint32_t users;
	char path[]; /* relative */
};

static void snapshot_fail(struct snapshot *snap, int err)
{
	if (!snap->err)
		snap->err = err;
}

/* One answer less to wait for; the last one ends the job. */
static void snapshot_step(struct store *st, struct snapshot *snap)
{
	if (--snap->outstanding)
		return;
	if (snap->err) {
		tree_free(snap->tree);
		snap->tree = NULL;
	} else {
		tree_sort(snap->tree);
	}
	snap->fn(st, snap->err, snap->tree, snap->ctx);
	free(snap);
}

static void snapshot_node_put(struct snapshot_node *node)
{
	if (--node->users == 0)
		free(node);
}

static bool snapshot_charge(struct snapshot *snap, size_t bytes)
{
	if (bytes > snap->limits.max_bytes - snap->bytes) {
		snapshot_fail(snap, -EOVERFLOW);
		return false;
	}
	snap->bytes += bytes;
	return true;
}

/*
 * Is this the error of a node that is to be left out? Below the root a guest
 * may remove nodes at any time, and hide them from us if we are not dom0.
 */
static bool snapshot_absent(const struct snapshot_node *node, int err)
{
	return err == -ENOENT || (err == -EACCES && node->depth > 0);
}

static int snapshot_ask(struct store *st, struct snapshot_node *node,
			bool children);

/*
 * A value is a leaf's: two thirds of a device's nodes are, and each question
 * takes xenstored the same time. The root was asked for both at once.
 */
static void snapshot_value(struct store *st, const struct store_reply *rsp,
			   void *ctx)
{
	struct snapshot_node *node = ctx;
	struct snapshot *snap = node->snap;
	int rc = rsp->err;

	if (!rc && !snap->err && snapshot_charge(snap, rsp->len))
		rc = tree_add(snap->tree, node->path, rsp->value, rsp->len);
	if (!rc && !snap->err && !rsp->len && node->depth)
		rc = snapshot_ask(st, node, true);
	if (rc && !snapshot_absent(node, rc))
		snapshot_fail(snap, rc);
	snapshot_node_put(node);
	snapshot_step(st, snap);
}

static int snapshot_visit(struct store *st, struct snapshot *snap,
			  const char *parent, const char *name, uint32_t depth);

static void snapshot_children(struct store *st, const struct store_reply *rsp,
			      void *ctx)
{
	struct snapshot_node *node = ctx;
	struct snapshot *snap = node->snap;
	const char *name;
	size_t pos = 0;
	int rc = rsp->err;

	if (rc && !snapshot_absent(node, rc))
		snapshot_fail(snap, rc);
	while (!rc && !snap->err) {
		int r = xs_list_next(rsp->value, rsp->len, &pos, &name);

		if (r == 0)
			break;
		rc = r < 0 ? -EPROTO
			   : snapshot_visit(st, snap, node->path, name,
					    node->depth + 1);
		if (rc)
			snapshot_fail(snap, rc);
	}
	snapshot_node_put(node);
	snapshot_step(st, snap);
}

/* The path of a node for xenstored, malloc'ed. */
static char *snapshot_path(const struct snapshot *snap, const char *path)
{
	size_t root = strlen(snap->root), rest = strlen(path);
	char *full = malloc(root + rest + 2);

	if (!full)
		return NULL;
	memcpy(full, snap->root, root);
	if (rest) {
		/* "/" has its slash already. */
		if (snap->root[root - 1] != '/')
			full[root++] = '/';
		memcpy(full + root, path, rest);
	}
	full[root + rest] = '\0';
	return full;
}

/* Ask for a node's value, or for its children. */
static int snapshot_ask(struct store *st, struct snapshot_node *node,
			bool children)
{
	struct snapshot *snap = node->snap;
	char *full = snapshot_path(snap, node->path);
	int rc;

	if (!full)
		return -ENOMEM;
	rc = children ? store_ls_all(st, snap->tx, full, snap->limits.max_bytes,
				     snapshot_children, node)
		      : store_read(st, snap->tx, full, snapshot_value, node);
	free(full);
	if (rc)
		return rc;
	snap->outstanding++;
	node->users++;
	return 0;
}

static bool snapshot_skips(const struct snapshot *snap, const char *path)
{
	const char *const *skip = snap->limits.skip;

	while (skip && *skip) {
		if (!fnmatch(*skip++, path, FNM_PATHNAME))
			return true;
	}
	return false;
}

/* Ask for a node: its value, and at the root for its children. */
static int snapshot_visit(struct store *st, struct snapshot *snap,
			  const char *parent, const char *name, uint32_t depth)
{
	size_t above = strlen(parent), len = strlen(name);
	struct snapshot_node *node;
	int rc;

	if (depth > snap->limits.max_depth ||
	    snap->nodes >= snap->limits.max_nodes)
		return -EOVERFLOW;
	node = calloc(1, sizeof(*node) + above + len + 2);
	if (!node)
		return -ENOMEM;
	node->snap = snap;
	node->depth = depth;
	node->users = 1;
	memcpy(node->path, parent, above);
	if (above)
		node->path[above++] = '/';
	memcpy(node->path + above, name, len + 1);
	rc = 0;
	if (depth && snapshot_skips(snap, node->path))
		goto out;
	rc = -EOVERFLOW;
	if (!snapshot_charge(snap, above + len))
		goto out;
	rc = snapshot_ask(st, node, false);
	if (rc)
		goto out;
	snap->nodes++;
	if (!depth)
		rc = snapshot_ask(st, node, true);
out:
	snapshot_node_put(node);
	return rc;
}

int store_snapshot(struct store *st, store_tx tx, const char *path,
		   const struct store_limits *limits, store_tree_fn *fn,
		   void *ctx)
{
	size_t size = strlen(path) + 1;
	struct snapshot *snap;
	int rc;

	snap = calloc(1, sizeof(*snap) + size);
	if (!snap)
		return -ENOMEM;
	snap->fn = fn;
	snap->ctx = ctx;
	snap->tx = tx;
	snap->limits = limits ? *limits : store_limits_default;
	memcpy(snap->root, path, size);
	rc = -ENOMEM;
	snap->tree = tree_new();
	if (!snap->tree)
		goto out;
	rc = snapshot_visit(st, snap, "", "", 0);
	if (rc && snap->outstanding) {
		/* One request is under way: its answer ends the job. */
		snapshot_fail(snap, rc);
		return 0;
	}
out:
	if (rc) {
		tree_free(snap->tree);
		free(snap);
	}
	return rc;
}

/* ------------------------------------------------------------ transaction */

struct txn;

/* What one change hands to its request. */
struct txn_slot {
	struct txn *txn;
	struct store_op op; /* strings inside txn->text */
};

struct txn {
	store_txn_fn *fn;
	void *ctx;
	size_t n;
	uint32_t tries, tries_max;
	store_tx tx;
	size_t outstanding;
	int err;       /* of the change with the smallest index */
	size_t failed; /* that index; n if it is none of them */
	char *text;
	struct txn_slot slot[];
};

static void txn_done(struct store *st, struct txn *txn, int err, size_t failed)
{
	struct store_txn_result res = {
		.err = err,
		.failed = failed,
		.path = failed < txn->n ? txn->slot[failed].op.path : "",
		.tries = txn->tries,
	};

	txn->fn(st, &res, txn->ctx);
	free(txn->text);
	free(txn);
}

static int txn_begin(struct store *st, struct txn *txn);

static void txn_ended(struct store *st, const struct store_reply *rsp,
		      void *ctx)
{
	struct txn *txn = ctx;
	int rc = rsp->err;

	if (txn->err) {
		/* It was an abort: how that went does not matter. */
		txn_done(st, txn, txn->err, txn->failed);
		return;
	}
	if (rc == -EAGAIN && txn->tries < txn->tries_max) {
		rc = txn_begin(st, txn);
		if (!rc)
			return;
	}
	txn_done(st, txn, rc, txn->n);
}

static void txn_end(struct store *st, struct txn *txn)
{
	int rc = store_end(st, txn->tx, txn->err == 0, txn_ended, txn);

	if (!rc)
		return;
	if (txn->err)
		txn_done(st, txn, txn->err, txn->failed);
	else
		txn_done(st, txn, rc, txn->n);
}

static void txn_fail(struct txn *txn, int err, size_t index)
{
	if (txn->err && index >= txn->failed)
		return;
	txn->err = err;
	txn->failed = index;
}

static int txn_judge(const struct store_op *op, const struct store_reply *rsp)
{
	if (op->kind == STORE_OP_RM && rsp->err == -ENOENT)
		return 0;
	if (op->kind != STORE_OP_EXPECT)
		return rsp->err;
	if (rsp->err == -ENOENT)
		return op->value ? -ESTALE : 0;
	if (rsp->err)
		return rsp->err;
	return op->value && rsp->len == op->len &&
			       memcmp(rsp->value, op->value, op->len) == 0
		       ? 0
		       : -ESTALE;
}

static void txn_op_done(struct store *st, const struct store_reply *rsp,
			void *ctx)
{
	struct txn_slot *slot = ctx;
	struct txn *txn = slot->txn;
	int err = txn_judge(&slot->op, rsp);

	if (err)
		txn_fail(txn, err, (size_t)(slot - txn->slot));
	if (--txn->outstanding == 0)
		txn_end(st, txn);
}

static int txn_issue(struct store *st, struct txn *txn, struct txn_slot *slot)
{
	const struct store_op *op = &slot->op;

	switch (op->kind) {
	case STORE_OP_WRITE:
		return store_write(st, txn->tx, op->path, op->value, op->len,
				   txn_op_done, slot);
	case STORE_OP_MKDIR:
		return store_mkdir(st, txn->tx, op->path, txn_op_done, slot);
	case STORE_OP_RM:
		return store_rm(st, txn->tx, op->path, txn_op_done, slot);
	case STORE_OP_PERMS:
		return store_set_perms(st, txn->tx, op->path, op->owner,
				       op->reader, txn_op_done, slot);
	case STORE_OP_EXPECT:
		return store_read(st, txn->tx, op->path, txn_op_done, slot);
	}
	return -EINVAL;
}

static void txn_begun(struct store *st, const struct store_reply *rsp,
		      void *ctx)
{
	struct txn *txn = ctx;
	size_t i;

	if (rsp->err) {
		txn_done(st, txn, rsp->err, txn->n);
		return;
	}
	txn->tx = rsp->tx;
	for (i = 0; i < txn->n; i++) {
		int rc = txn_issue(st, txn, &txn->slot[i]);

		if (rc) {
			txn_fail(txn, rc, i);
			break;
		}
		txn->outstanding++;
	}
	if (txn->outstanding == 0)
		txn_end(st, txn);
}

static int txn_begin(struct store *st, struct txn *txn)
{
	txn->tries++;
	return store_begin(st, txn_begun, txn);
}

/* What xenstored, or the encoder, would refuse later is refused at once. */
static int txn_check(const struct store_op *op, size_t len)
{
	int kind = xs_path_check(op->path);

	if (kind < 0 || op->kind > STORE_OP_EXPECT ||
	    (kind == XS_PATH_SPECIAL && op->kind != STORE_OP_PERMS))
		return -EINVAL;
	if (op->kind == STORE_OP_PERMS &&
	    (op->owner > UINT16_MAX || op->reader > UINT16_MAX))
		return -EINVAL;
	if (op->kind == STORE_OP_WRITE && !op->value)
		return -EINVAL;
	if (len > WIRE_XS_PAYLOAD_MAX - strlen(op->path) - 1)
		return -E2BIG;
	return 0;
}

static size_t value_len(const struct store_op *op)
{
	return op->len || !op->value ? op->len : strlen(op->value);
}

/* Copies the strings of all changes into one block. */
static int txn_copy(struct txn *txn, const struct store_op *op)
{
	size_t i, size = 1;
	char *p;

	for (i = 0; i < txn->n; i++) {
		int rc = txn_check(&op[i], value_len(&op[i]));

		if (rc)
			return rc;
		size += strlen(op[i].path) + 1 + value_len(&op[i]);
	}
	p = txn->text = malloc(size);
	if (!p)
		return -ENOMEM;
	for (i = 0; i < txn->n; i++) {
		struct txn_slot *slot = &txn->slot[i];
		size_t path = strlen(op[i].path) + 1;

		slot->txn = txn;
		slot->op = op[i];
		slot->op.len = value_len(&op[i]);
		slot->op.path = memcpy(p, op[i].path, path);
		p += path;
		if (op[i].value)
			slot->op.value = memcpy(p, op[i].value, slot->op.len);
		p += slot->op.len;
	}
	return 0;
}

int store_txn(struct store *st, const struct store_op *op, size_t n,
	      uint32_t tries, store_txn_fn *fn, void *ctx)
{
	struct txn *txn;
	int rc;

	if (n > SIZE_MAX / 2 / sizeof(txn->slot[0]))
		return -ENOMEM;
	txn = calloc(1, sizeof(*txn) + n * sizeof(txn->slot[0]));
	if (!txn)
		return -ENOMEM;
	txn->fn = fn;
	txn->ctx = ctx;
	txn->n = n;
	txn->failed = n;
	txn->tries_max = tries ? tries : STORE_TXN_TRIES;
	rc = txn_copy(txn, op);
	if (!rc)
		rc = txn_begin(st, txn);
	if (rc) {
		free(txn->text);
		free(txn);
	}
	return rc;
}
