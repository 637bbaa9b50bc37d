/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking half of the xenstore client; see store.h.
 *
 * Each call makes its asynchronous request with a context on the stack and
 * polls until that is answered. The request cannot outlive the context: if the
 * time is up, the connection is given up, which answers everything.
 */
#include "control/store.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"
#include "host/clock.h"

/*
 * Wait for the connection until `end` (ms; negative: for ever), then dispatch.
 * After a negative return other than -ETIMEDOUT the store may be gone: a
 * callback may have closed it.
 */
static int turn(struct store *st, int64_t end)
{
	struct pollfd pfd = {.fd = store_fd(st), .events = store_events(st)};
	int64_t left = -1;
	int r;

	if (pfd.fd < 0)
		return store_dispatch(st);
	if (pfd.events & POLLOUT) {
		/* /dev/xen/xenbus takes what is written, and never says so. */
		r = store_dispatch(st);
		if (r < 0 || !(store_events(st) & POLLOUT))
			return r;
	}
	if (end >= 0) {
		left = end - clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (left > INT_MAX)
			left = INT_MAX;
	}
	r = poll(&pfd, 1, (int)left);
	if (r < 0 && errno != EINTR)
		return -errno;
	return r > 0 ? store_dispatch(st) : 0;
}

struct call {
	bool done;
	int err;
	char *value; /* malloc'ed; wanted if want is set */
	size_t len;
	bool want;
	store_tx tx;
	struct store_tree *tree;
	size_t failed;
};

static void call_done(struct store *st, const struct store_reply *rsp,
		      void *ctx)
{
	struct call *call = ctx;

	(void)st;
	call->done = true;
	call->err = rsp->err;
	call->tx = rsp->tx;
	if (rsp->err || !call->want)
		return;
	call->len = rsp->len;
	call->value = malloc(rsp->len + 1);
	if (!call->value) {
		call->err = -ENOMEM;
		return;
	}
	memcpy(call->value, rsp->value, rsp->len);
	call->value[rsp->len] = '\0';
}

static void call_tree(struct store *st, int err, struct store_tree *tree,
		      void *ctx)
{
	struct call *call = ctx;

	(void)st;
	call->done = true;
	call->err = err;
	call->tree = tree;
}

static void call_txn(struct store *st, const struct store_txn_result *res,
		     void *ctx)
{
	struct call *call = ctx;

	(void)st;
	call->done = true;
	call->err = res->err;
	call->failed = res->failed;
}

/* Wait for the answer of a request that returned `rc`. */
static int finish(struct store *st, int rc, struct call *call)
{
	int64_t end = clock_ms() + STORE_SYNC_TIMEOUT_MS;

	if (rc)
		return rc;
	while (!call->done) {
		rc = turn(st, end);
		if (call->done)
			break;
		if (rc < 0) {
			/* The context dies with this function: no answer may
			 * come later. The loss answers, also this one. */
			store_fail(st, rc);
			XPV_ASSERT(call->done);
			return rc;
		}
	}
	return call->err;
}

/* Callbacks may not block: their dispatch is under way. */
static int may_wait(struct store *st)
{
	return store_in_callback(st) ? -EDEADLK : 0;
}

/* The answer to a change within a transaction. */
static void change_done(struct store *st, const struct store_reply *rsp,
			void *ctx)
{
	struct store_unanswered *changes = ctx;

	(void)st;
	changes->n--;
	if (!changes->err)
		changes->err = rsp->err;
}

static void rm_done(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct store_reply reply = *rsp;

	if (reply.err == -ENOENT)
		reply.err = 0;
	change_done(st, &reply, ctx);
}

/* A change was requested: in a transaction its answer is the commit's matter. */
static int change(struct store *st, store_tx tx, struct call *call)
{
	if (!tx)
		return finish(st, 0, call);
	store_unanswered(st)->n++;
	return 0;
}

/* Whose answer it is, and what that gets. */
static store_fn *change_fn(store_tx tx)
{
	return tx ? change_done : call_done;
}

static void *change_ctx(struct store *st, store_tx tx, struct call *call)
{
	return tx ? (void *)store_unanswered(st) : call;
}

int store_sync_read(struct store *st, store_tx tx, const char *path,
		    char **value, size_t *len)
{
	struct call call = {.want = true};
	int rc = may_wait(st);

	if (!rc)
		rc = store_read(st, tx, path, call_done, &call);
	rc = finish(st, rc, &call);
	if (rc)
		return rc;
	*value = call.value;
	if (len)
		*len = call.len;
	return 0;
}

void store_free_many(char **value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(value[i]);
		value[i] = NULL;
	}
}

/* Wait for the answers of the first `sent` of `n` requests, of which the next one
 * was refused with `rc`. The first error counts; -ENOENT is an answer. */
static int finish_reads(struct store *st, struct call *call, char **value,
			size_t n, size_t sent, int rc)
{
	for (size_t i = 0; i < sent; i++) {
		int err = finish(st, 0, &call[i]);

		value[i] = call[i].value;
		if (!rc && err != -ENOENT)
			rc = err;
	}
	if (rc)
		store_free_many(value, n);
	return rc;
}

int store_sync_read_many(struct store *st, store_tx tx, const char *const *path,
			 char **value, size_t n)
{
	struct call *call;
	int rc = may_wait(st);
	size_t sent = 0;

	memset(value, 0, n * sizeof(*value));
	if (rc || !n)
		return rc;
	call = calloc(n, sizeof(*call));
	if (!call)
		return -ENOMEM;
	while (sent < n && !rc) {
		call[sent].want = true;
		rc = store_read(st, tx, path[sent], call_done, &call[sent]);
		sent += !rc;
	}
	rc = finish_reads(st, call, value, n, sent, rc);
	free(call);
	return rc;
}

/* An array of pointers and what they point to, in one block. */
static int split_names(const char *list, size_t len, char ***names, size_t *n)
{
	size_t count = 0, pos = 0, i = 0;
	const char *name;
	char **out, *text;
	int rc;

	while ((rc = xs_list_next(list, len, &pos, &name)) > 0)
		count++;
	if (rc < 0)
		return -EPROTO;
	out = malloc((count + 1) * sizeof(*out) + len);
	if (!out)
		return -ENOMEM;
	text = (char *)(out + count + 1);
	memcpy(text, list, len);
	for (pos = 0; i < count; pos += strlen(text + pos) + 1)
		out[i++] = text + pos;
	out[i] = NULL;
	*names = out;
	if (n)
		*n = count;
	return 0;
}

int store_sync_ls(struct store *st, store_tx tx, const char *path,
		  char ***names, size_t *n)
{
	struct call call = {.want = true};
	int rc = may_wait(st);

	if (!rc)
		rc = store_ls_all(st, tx, path, UINT32_MAX, call_done, &call);
	rc = finish(st, rc, &call);
	if (!rc)
		rc = split_names(call.value, call.len, names, n);
	free(call.value);
	return rc;
}

int store_sync_write(struct store *st, store_tx tx, const char *path,
		     const char *value)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_write(st, tx, path, value, strlen(value),
				 change_fn(tx), change_ctx(st, tx, &call));
	return rc ? rc : change(st, tx, &call);
}

int store_sync_mkdir(struct store *st, store_tx tx, const char *path)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_mkdir(st, tx, path, change_fn(tx),
				 change_ctx(st, tx, &call));
	return rc ? rc : change(st, tx, &call);
}

int store_sync_rm(struct store *st, store_tx tx, const char *path)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_rm(st, tx, path, tx ? rm_done : call_done,
			      change_ctx(st, tx, &call));
	if (!rc)
		rc = change(st, tx, &call);
	return rc == -ENOENT ? 0 : rc;
}

int store_sync_set_perms(struct store *st, store_tx tx, const char *path,
			 uint32_t owner, uint32_t reader)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_set_perms(st, tx, path, owner, reader, change_fn(tx),
				     change_ctx(st, tx, &call));
	return rc ? rc : change(st, tx, &call);
}

int store_sync_get_domain_path(struct store *st, uint32_t domid, char **path)
{
	struct call call = {.want = true};
	int rc = may_wait(st);

	if (!rc)
		rc = store_get_domain_path(st, domid, call_done, &call);
	rc = finish(st, rc, &call);
	if (!rc)
		*path = call.value;
	return rc;
}

int store_sync_begin(struct store *st, store_tx *tx)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_begin(st, call_done, &call);
	rc = finish(st, rc, &call);
	if (rc)
		return rc;
	*tx = call.tx;
	store_unanswered(st)->err = 0; /* of one that was aborted */
	return 0;
}

static int sync_end(struct store *st, store_tx tx, bool commit)
{
	struct call call = {0};
	int rc = may_wait(st);

	if (!rc)
		rc = store_end(st, tx, commit, call_done, &call);
	return finish(st, rc, &call);
}

/* Wait for the answers to all changes. After an error of the connection the
 * store may be gone. */
static int finish_changes(struct store *st)
{
	int64_t end = clock_ms() + STORE_SYNC_TIMEOUT_MS;
	int rc = may_wait(st);

	while (!rc && store_unanswered(st)->n) {
		rc = turn(st, end);
		if (rc == -ETIMEDOUT)
			store_fail(st, rc);
	}
	return rc;
}

int store_sync_commit(struct store *st, store_tx tx)
{
	int rc = finish_changes(st);

	if (rc)
		return rc;
	rc = store_unanswered(st)->err;
	if (!rc)
		return sync_end(st, tx, true);
	store_sync_abort(st, tx);
	return rc;
}

void store_sync_abort(struct store *st, store_tx tx)
{
	/* Nothing can be done about a failure, and nothing needs to be. */
	(void)!sync_end(st, tx, false);
}

static void free_trees(struct store_tree **tree, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tree_free(tree[i]);
		tree[i] = NULL;
	}
}

/* All of them at once; after an error no tree is left. */
static int read_trees(struct store *st, store_tx tx, const char *const *path,
		      size_t n, const struct store_limits *limits,
		      struct store_tree **out)
{
	struct call *call = calloc(n, sizeof(*call));
	int rc = call ? may_wait(st) : -ENOMEM;
	size_t sent = 0;

	while (sent < n && !rc) {
		rc = store_snapshot(st, tx, path[sent], limits, call_tree,
				    &call[sent]);
		sent += !rc;
	}
	for (size_t i = 0; i < sent; i++) {
		int err = finish(st, 0, &call[i]);

		out[i] = call[i].tree;
		if (!rc)
			rc = err;
	}
	if (rc)
		free_trees(out, sent);
	free(call);
	return rc;
}

int store_sync_snapshots(struct store *st, const char *const *path, size_t n,
			 const struct store_limits *limits,
			 struct store_tree **out)
{
	store_tx tx;
	int rc;

	memset(out, 0, n * sizeof(struct store_tree *));
	for (uint32_t tries = 0; tries < STORE_TXN_TRIES; tries++) {
		rc = store_sync_begin(st, &tx);
		if (rc)
			return rc;
		rc = read_trees(st, tx, path, n, limits, out);
		/* After -ECANCELED there is no store any more. */
		if (rc && rc != -ECANCELED)
			store_sync_abort(st, tx);
		if (rc && rc != -EAGAIN)
			return rc;
		if (rc)
			continue;
		/* Nothing was changed: the commit only proves one moment. */
		rc = store_sync_commit(st, tx);
		if (!rc)
			return 0;
		free_trees(out, n);
		if (rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}

int store_sync_snapshot(struct store *st, store_tx tx, const char *path,
			const struct store_limits *limits,
			struct store_tree **out)
{
	struct store_tree *tree = NULL;
	int rc;

	rc = tx ? read_trees(st, tx, &path, 1, limits, &tree)
		: store_sync_snapshots(st, &path, 1, limits, &tree);
	if (!rc)
		*out = tree;
	return rc;
}

int store_sync_txn(struct store *st, const struct store_op *op, size_t n,
		   size_t *failed)
{
	struct call call = {.failed = n};
	int rc = may_wait(st);

	if (!rc)
		rc = store_txn(st, op, n, 0, call_txn, &call);
	rc = finish(st, rc, &call);
	if (failed)
		*failed = call.failed;
	return rc;
}

int store_sync_wait(struct store *st, int timeout_ms, store_pred_fn *pred,
		    void *ctx)
{
	int64_t end = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
	int rc = may_wait(st);

	while (!rc) {
		rc = pred(st, ctx);
		if (rc)
			return rc < 0 ? rc : 0;
		rc = turn(st, end);
	}
	return rc;
}
