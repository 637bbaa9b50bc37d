/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/store and control/tree, against a small xenstored in a thread of
 * this process: it divides its answers in any way, lets transactions conflict,
 * refuses, talks nonsense, and goes away at any request.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/store.h"
#include "core/xs.h"
#include "tests/unit/test_store_server.h"

static void count_lost(struct store *st, int err, void *ctx)
{
	int *n = ctx;

	(void)st;
	assert_true(err < 0);
	(*n)++;
}

static void basic(uint32_t fragment)
{
	struct server s = {.fragment = fragment};
	struct store *st = client(&s, NULL, NULL);
	char *v, **names;
	size_t n;
	store_tx tx;

	assert_int_equal(store_sync_read(st, 0, "/a", &v, NULL), -ENOENT);
	assert_int_equal(store_sync_write(st, 0, "/a/b", "hello"), 0);
	assert_int_equal(store_sync_read(st, 0, "/a/b", &v, &n), 0);
	assert_string_equal(v, "hello");
	assert_int_equal(n, 5);
	free(v);
	assert_int_equal(store_sync_mkdir(st, 0, "/a/c"), 0);
	assert_int_equal(store_sync_ls(st, 0, "/a", &names, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "b");
	assert_string_equal(names[1], "c");
	assert_null(names[2]);
	free(names);
	assert_int_equal(store_sync_ls(st, 0, "/a/c", &names, NULL), 0);
	assert_null(names[0]);
	free(names);
	assert_int_equal(store_sync_set_perms(st, 0, "/a/c", 3, 0), 0);
	assert_int_equal(store_sync_begin(st, &tx), 0);
	assert_int_equal(store_sync_rm(st, tx, "/a/b"), 0);
	store_sync_abort(st, tx);
	assert_int_equal(store_sync_read(st, 0, "/a/b", &v, NULL), 0);
	free(v);
	assert_int_equal(store_sync_begin(st, &tx), 0);
	assert_int_equal(store_sync_rm(st, tx, "/a/b"), 0);
	assert_int_equal(store_sync_commit(st, tx), 0);
	assert_int_equal(store_sync_rm(st, 0, "/a/b"), 0);
	assert_int_equal(store_sync_get_domain_path(st, 5, &v), 0);
	assert_string_equal(v, "/local/domain/5");
	free(v);
	assert_int_equal(store_sync_write(st, 0, "/a//b", "x"), -EINVAL);
	assert_int_equal(store_sync_read(st, 0, "@releaseDomain", &v, NULL),
			 -EINVAL);
	store_close(st);
	server_end(&s);
}

static void any_fragmentation(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 24; i++)
		basic(i);
}

static void a_device(struct server *s)
{
	put(s, "/b/state", "4");
	put(s, "/b/vscsi-devs/dev-0/state", "4");
	put(s, "/b/vscsi-devs/dev-0/v-dev", "0:0:0:0");
	put(s, "/b/vscsi-devs/dev-10/state", "x");
	put(s, "/b/vscsi-devs/dev-1/state", "1");
	put(s, "/b/vscsi-devs-x", "no child of it");
	put(s, "/b/online", "1 ");
	put(s, "/bb", "not below");
}

static void a_snapshot_is_a_tree(void **state)
{
	struct server s = {.conflicts = 2, .fragment = 7};
	const struct store_node *c;
	struct store_tree *t;
	struct store *st;
	char names[64] = "";
	uint32_t v;
	uint64_t v64;

	(void)state;
	a_device(&s);
	st = client(&s, NULL, NULL);
	assert_int_equal(store_sync_snapshot(st, 0, "/b", NULL, &t), 0);
	assert_int_equal(t->n, 12);
	assert_string_equal(tree_get(t, ""), "");
	assert_string_equal(tree_get(t, "vscsi-devs/dev-0/v-dev"), "0:0:0:0");
	assert_null(tree_get(t, "vscsi-devs/dev-2/state"));
	assert_true(tree_is(t, "state", "4"));
	assert_false(tree_is(t, "state", "44"));
	assert_false(tree_is(t, "nothing", ""));
	assert_int_equal(tree_u32(t, "state", &v), 0);
	assert_int_equal(v, 4);
	assert_int_equal(tree_u64(t, "vscsi-devs/dev-1/state", &v64), 0);
	assert_int_equal(v64, 1);
	assert_int_equal(tree_u32(t, "online", &v), -EINVAL);
	assert_int_equal(tree_u64(t, "online", &v64), -EINVAL);
	assert_int_equal(tree_u32(t, "offline", &v), -ENOENT);
	assert_int_equal(tree_u64(t, "offline", &v64), -ENOENT);
	for (c = tree_child(t, "vscsi-devs", NULL); c;
	     c = tree_child(t, "vscsi-devs", c)) {
		strcat(names, tree_name(c));
		strcat(names, " ");
	}
	assert_string_equal(names, "dev-0 dev-1 dev-10 ");
	names[0] = '\0';
	for (c = tree_child(t, "", NULL); c; c = tree_child(t, "", c)) {
		strcat(names, tree_name(c));
		strcat(names, " ");
	}
	assert_string_equal(names, "online state vscsi-devs vscsi-devs-x ");
	assert_null(tree_child(t, "state", NULL));
	assert_null(tree_child(t, "nothing", NULL));
	tree_free(t);
	assert_int_equal(store_sync_snapshot(st, 0, "/none", NULL, &t), 0);
	assert_int_equal(t->n, 0);
	assert_null(tree_child(t, "", NULL));
	tree_free(t);
	store_close(st);
	server_end(&s);
}

static void a_snapshot_asks_for_what_is_wanted(void **state)
{
	const char *const skip[] = {"", "o*", "*/dev-1", "*/*/v-dev", NULL};
	struct store_limits limits = store_limits_default;
	struct server s = {0};
	struct store_tree *t;
	uint32_t all;
	struct store *st;

	(void)state;
	a_device(&s);
	st = client(&s, NULL, NULL);
	assert_int_equal(store_sync_snapshot(st, 0, "/b", NULL, &t), 0);
	tree_free(t);
	all = s.requests;
	limits.skip = skip;
	assert_int_equal(store_sync_snapshot(st, 0, "/b", &limits, &t), 0);
	assert_null(tree_find(t, "online"));
	assert_null(tree_find(t, "vscsi-devs/dev-1"));
	assert_null(tree_find(t, "vscsi-devs/dev-1/state"));
	assert_null(tree_find(t, "vscsi-devs/dev-0/v-dev"));
	assert_non_null(tree_find(t, ""));
	assert_string_equal(tree_get(t, "vscsi-devs/dev-0/state"), "4");
	assert_true(tree_is(t, "state", "4"));
	/* Of three leaves, and a directory with its names. */
	assert_int_equal(s.requests - all, all - 5);
	tree_free(t);
	store_close(st);
	server_end(&s);
}

static int limited(const struct store_limits *limits)
{
	struct server s = {0};
	struct store_tree *t;
	struct store *st;
	int rc;

	a_device(&s);
	st = client(&s, NULL, NULL);
	rc = store_sync_snapshot(st, 0, "/b", limits, &t);
	if (!rc)
		tree_free(t);
	store_close(st);
	server_end(&s);
	return rc;
}

static void limits_hold(void **state)
{
	struct store_limits l = {12, 3, 400, NULL};

	(void)state;
	assert_int_equal(limited(&l), 0);
	l.max_nodes = 11;
	assert_int_equal(limited(&l), -EOVERFLOW);
	l.max_nodes = 0;
	assert_int_equal(limited(&l), -EOVERFLOW);
	l = (struct store_limits){12, 2, 400, NULL};
	assert_int_equal(limited(&l), -EOVERFLOW);
	for (l.max_depth = 3, l.max_bytes = 0; l.max_bytes < 150; l.max_bytes++)
		assert_int_equal(limited(&l), -EOVERFLOW);
}

static void hidden_nodes_are_absent(void **state)
{
	struct server s = {.refuse = "/b/vscsi-devs"};
	struct store_tree *t;
	struct store *st;

	(void)state;
	a_device(&s);
	st = client(&s, NULL, NULL);
	assert_int_equal(store_sync_snapshot(st, 0, "/b", NULL, &t), 0);
	assert_null(tree_get(t, "vscsi-devs"));
	assert_non_null(tree_get(t, "state"));
	tree_free(t);
	s.refuse = "/b";
	assert_int_equal(store_sync_snapshot(st, 0, "/b", NULL, &t), -EACCES);
	store_close(st);
	server_end(&s);
}

static void orphans_are_dropped(void **state)
{
	struct store_tree *t = tree_new();

	(void)state;
	assert_int_equal(tree_add(t, "a/b/c", "1", 1), 0);
	assert_int_equal(tree_add(t, "a", NULL, 0), 0);
	assert_int_equal(tree_add(t, "", "r", 1), 0);
	assert_int_equal(tree_add(t, "a", "2", 1), 0);
	assert_int_equal(tree_add(t, "a/d", "3", 1), 0);
	tree_sort(t);
	assert_int_equal(t->n, 3);
	assert_non_null(tree_get(t, "a/d"));
	assert_null(tree_get(t, "a/b/c"));
	tree_free(t);
	tree_free(NULL);
}

static void large_directories(void **state)
{
	struct server s = {.list_max = 100};
	struct store_limits l = {5000, 4, 1 << 20, NULL};
	char path[64], **names;
	struct store_tree *t;
	struct store *st;
	uint32_t moves;
	size_t n;
	int i;

	(void)state;
	for (i = 0; i < 1500; i++) {
		snprintf(path, sizeof(path), "/big/node-%d", i);
		put(&s, path, "v");
	}
	st = client(&s, NULL, NULL);
	for (moves = 0; moves < 7; moves++) {
		s.moves = moves;
		assert_int_equal(store_sync_ls(st, 0, "/big", &names, &n), 0);
		assert_int_equal(n, 1500);
		assert_string_equal(names[1499], "node-1499");
		free(names);
	}
	s.moves = 1000;
	assert_int_equal(store_sync_ls(st, 0, "/big", &names, &n), -EAGAIN);
	s.moves = 0;
	assert_int_equal(store_sync_snapshot(st, 0, "/", &l, &t), 0);
	assert_int_equal(t->n, 0);
	tree_free(t);
	assert_int_equal(store_sync_snapshot(st, 0, "/big", &l, &t), 0);
	assert_int_equal(t->n, 1501);
	tree_free(t);
	l.max_nodes = 1500;
	assert_int_equal(store_sync_snapshot(st, 0, "/big", &l, &t),
			 -EOVERFLOW);
	l = (struct store_limits){5000, 4, 4000, NULL};
	assert_int_equal(store_sync_snapshot(st, 0, "/big", &l, &t),
			 -EOVERFLOW);
	store_close(st);
	server_end(&s);
}

static const struct store_op create[] = {
	{.kind = STORE_OP_EXPECT, .path = "/d/state"},
	{.kind = STORE_OP_EXPECT, .path = "/here", .value = "yes"},
	{.kind = STORE_OP_MKDIR, .path = "/d"},
	{.kind = STORE_OP_PERMS, .path = "/d", .owner = 0, .reader = 5},
	{.kind = STORE_OP_WRITE, .path = "/d/bin", .value = "a\0b", .len = 3},
	{.kind = STORE_OP_WRITE, .path = "/d/state", .value = "1"},
	{.kind = STORE_OP_WRITE, .path = "/d/empty", .value = ""},
	{.kind = STORE_OP_RM, .path = "/old"},
	{.kind = STORE_OP_RM, .path = "/never"},
};

static void a_transaction_is_all_or_nothing(void **state)
{
	struct server s = {.fragment = 11};
	struct store_op bad = {.kind = STORE_OP_WRITE, .path = "/d//x"};
	static char big[4096];
	struct store *st;
	size_t failed, n;
	char *v;

	(void)state;
	put(&s, "/here", "yes");
	put(&s, "/old/x", "1");
	st = client(&s, NULL, NULL);
	for (s.conflicts = 0; s.conflicts < 1; s.conflicts++)
		assert_int_equal(store_sync_txn(st, create, 9, NULL), 0);
	assert_int_equal(store_sync_read(st, 0, "/d/bin", &v, &n), 0);
	assert_memory_equal(v, "a\0b", 4);
	free(v);
	assert_int_equal(store_sync_read(st, 0, "/old", &v, &n), -ENOENT);
	/* The first condition does not hold any more. */
	assert_int_equal(store_sync_txn(st, create, 9, &failed), -ESTALE);
	assert_int_equal(failed, 0);
	assert_int_equal(store_sync_rm(st, 0, "/d"), 0);
	assert_int_equal(store_sync_write(st, 0, "/here", "no"), 0);
	assert_int_equal(store_sync_txn(st, create, 9, &failed), -ESTALE);
	assert_int_equal(failed, 1);
	assert_int_equal(store_sync_rm(st, 0, "/here"), 0);
	assert_int_equal(store_sync_txn(st, create, 9, &failed), -ESTALE);
	assert_int_equal(failed, 1);
	assert_int_equal(store_sync_write(st, 0, "/here", "yes"), 0);
	s.refuse = "/d/empty";
	assert_int_equal(store_sync_txn(st, create, 9, &failed), -EACCES);
	assert_int_equal(failed, 6);
	assert_int_equal(store_sync_read(st, 0, "/d/state", &v, &n), -ENOENT);
	s.refuse = NULL;
	/* Conflicts: as many as it takes, and too many. */
	s.conflicts = STORE_TXN_TRIES - 1;
	assert_int_equal(store_sync_txn(st, create, 9, &failed), 0);
	s.conflicts = STORE_TXN_TRIES;
	assert_int_equal(store_sync_txn(st, create + 4, 5, &failed), -EAGAIN);
	assert_int_equal(failed, 5);
	s.conflicts = 0;
	assert_int_equal(store_sync_txn(st, create, 0, &failed), 0);
	/* What is refused at once. */
	bad.value = "x";
	assert_int_equal(store_sync_txn(st, &bad, 1, NULL), -EINVAL);
	bad.path = "@special";
	assert_int_equal(store_sync_txn(st, &bad, 1, NULL), -EINVAL);
	bad.path = "/d/x";
	bad.value = NULL;
	assert_int_equal(store_sync_txn(st, &bad, 1, NULL), -EINVAL);
	bad.value = big;
	bad.len = sizeof(big);
	assert_int_equal(store_sync_txn(st, &bad, 1, NULL), -E2BIG);
	bad = (struct store_op){
		.kind = STORE_OP_PERMS, .path = "/d", .owner = 1 << 16};
	assert_int_equal(store_sync_txn(st, &bad, 1, NULL), -EINVAL);
	store_close(st);
	server_end(&s);
}

struct seen {
	int fired, err;
	char path[64];
};

static void on_watch(struct store *st, int err, const char *path, void *ctx)
{
	struct seen *seen = ctx;

	seen->fired++;
	seen->err = err;
	snprintf(seen->path, sizeof(seen->path), "%s", path);
	assert_int_equal(store_sync_write(st, 0, "/x", "1"), -EDEADLK);
	assert_int_equal(store_dispatch(st), -EDEADLK);
}

static int fired_at(struct store *st, void *ctx)
{
	struct seen *seen = ctx;

	(void)st;
	return strcmp(seen->path, "/w/a/b") == 0;
}

static int gives_up(struct store *st, void *ctx)
{
	(void)st;
	(void)ctx;
	return -EIO;
}

/* What changes something there is not waited for: its error is the commit's. */
static void a_commit_tells_of_a_change(void **state)
{
	struct server s = {.refuse = "/no"};
	struct store *st = client(&s, NULL, NULL);
	char path[16], *v;
	store_tx tx;

	(void)state;
	assert_int_equal(store_sync_begin(st, &tx), 0);
	assert_int_equal(store_sync_write(st, tx, "/a", "1"), 0);
	assert_int_equal(store_sync_write(st, tx, "/no", "1"), 0);
	assert_int_equal(store_sync_write(st, tx, "/b", "1"), 0);
	assert_int_equal(store_sync_read(st, tx, "/b", &v, NULL), 0);
	free(v);
	assert_int_equal(store_sync_commit(st, tx), -EACCES);
	assert_int_equal(store_sync_read(st, 0, "/a", &v, NULL), -ENOENT);

	/* Nor does an error outlive its transaction. */
	assert_int_equal(store_sync_begin(st, &tx), 0);
	assert_int_equal(store_sync_write(st, tx, "/no", "1"), 0);
	store_sync_abort(st, tx);
	assert_int_equal(store_sync_begin(st, &tx), 0);
	assert_int_equal(store_sync_rm(st, tx, "/none/here"), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/c/%d", i);
		assert_int_equal(store_sync_write(st, tx, path, "x"), 0);
	}
	assert_int_equal(store_sync_commit(st, tx), 0);
	assert_int_equal(store_sync_read(st, 0, "/c/99", &v, NULL), 0);
	free(v);
	store_close(st);
	server_end(&s);
}

static void watches_fire(void **state)
{
	struct server s = {.fragment = 5};
	struct seen all = {0}, flat = {0}, refused = {0};
	struct store_watch *w, *wf;
	struct store *st = client(&s, NULL, NULL);

	(void)state;
	assert_int_equal(store_watch(st, "/w", -1, on_watch, &all, &w), 0);
	assert_int_equal(store_watch(st, "/w", 1, on_watch, &flat, &wf), 0);
	assert_int_equal(store_watch(st, "/w/", 1, on_watch, &flat, NULL),
			 -EINVAL);
	assert_int_equal(store_sync_write(st, 0, "/w/a/b", "1"), 0);
	assert_int_equal(store_sync_wait(st, 5000, fired_at, &all), 0);
	assert_int_equal(store_sync_write(st, 0, "/w/a", "1"), 0);
	assert_int_equal(store_sync_write(st, 0, "/v", "1"), 0);
	assert_int_equal(all.fired, 3);
	assert_int_equal(flat.fired, 2);
	assert_string_equal(flat.path, "/w/a");
	store_unwatch(st, w);
	store_unwatch(st, NULL);
	assert_int_equal(store_sync_write(st, 0, "/w/a", "2"), 0);
	assert_int_equal(store_sync_write(st, 0, "/v", "2"), 0);
	assert_int_equal(all.fired, 3);
	assert_int_equal(flat.fired, 3);
	assert_int_equal(store_sync_wait(st, 1, fired_at, &flat), -ETIMEDOUT);
	assert_int_equal(store_sync_wait(st, 1, gives_up, NULL), -EIO);
	s.refuse = "/secret";
	assert_int_equal(store_watch(st, "/secret", 0, on_watch, &refused, &w),
			 0);
	assert_int_equal(store_sync_write(st, 0, "/v", "3"), 0);
	assert_int_equal(refused.fired, 1);
	assert_int_equal(refused.err, -EACCES);
	store_close(st);
	server_end(&s);
}

/* Several nodes, and several subtrees, for one wait. */
static int several(struct store *st)
{
	static const char *const path[] = {"/b/state", "/none", "/b"};
	struct store_tree *t[3];
	char *v[3];
	int rc;

	rc = store_sync_read_many(st, 0, path, v, 3);
	if (rc) {
		assert_true(!v[0] && !v[1] && !v[2]);
		return rc;
	}
	assert_string_equal(v[0], "4");
	assert_null(v[1]);
	assert_string_equal(v[2], "");
	store_free_many(v, 3);
	assert_null(v[0]);
	rc = store_sync_snapshots(st, path, 3, NULL, t);
	if (rc) {
		assert_true(!t[0] && !t[1] && !t[2]);
		return rc;
	}
	assert_true(tree_is(t[0], "", "4"));
	assert_int_equal(t[1]->n, 0);
	assert_true(tree_is(t[2], "vscsi-devs/dev-1/state", "1"));
	for (int i = 0; i < 3; i++)
		tree_free(t[i]);
	return 0;
}

static void several_at_once(void **state)
{
	struct server s = {.conflicts = 2, .fragment = 5};
	struct store_tree *t[2];
	char *v[2] = {NULL, NULL};
	struct store *st;

	(void)state;
	a_device(&s);
	put(&s, "/b/hidden", "x");
	s.refuse = "/b/hidden";
	st = client(&s, NULL, NULL);
	assert_int_equal(several(st), 0);
	/* One that is refused: all are. */
	assert_int_equal(store_sync_read_many(
				 st, 0,
				 (const char *const[]){"/b/state", s.refuse}, v,
				 2),
			 -EACCES);
	assert_true(!v[0] && !v[1]);
	assert_int_equal(store_sync_read_many(st, 0,
					      (const char *const[]){"/b", "//"},
					      v, 2),
			 -EINVAL);
	assert_true(!v[0] && !v[1]);
	assert_int_equal(store_sync_read_many(st, 0, NULL, v, 0), 0);
	assert_int_equal(store_sync_snapshots(st,
					      (const char *const[]){"/b", "//"},
					      2, NULL, t),
			 -EINVAL);
	assert_true(!t[0] && !t[1]);
	store_close(st);
	server_end(&s);
}

/* The whole use of a store, whatever happens to the connection. */
static int everything(struct store *st)
{
	struct store_tree *t;
	char **names, *v;
	store_tx tx;
	int rc;

	rc = store_watch(st, "/b", -1, on_watch, &(struct seen){0}, NULL);
	if (!rc)
		rc = store_sync_snapshot(st, 0, "/b", NULL, &t);
	if (rc)
		return rc;
	tree_free(t);
	rc = several(st);
	if (!rc)
		rc = store_sync_txn(st, create, 9, NULL);
	if (!rc)
		rc = store_sync_ls(st, 0, "/b", &names, NULL);
	if (rc)
		return rc;
	free(names);
	rc = store_sync_begin(st, &tx);
	if (!rc)
		rc = store_sync_read(st, tx, "/b/state", &v, NULL);
	if (rc)
		return rc;
	free(v);
	rc = store_sync_write(st, tx, "/b/state", "5");
	if (!rc)
		rc = store_sync_rm(st, tx, "/b/online");
	return rc ? rc : store_sync_commit(st, tx);
}

static uint32_t with_fault(uint32_t n, int garbage)
{
	struct server s = {.list_max = 20, .conflicts = 2};
	struct store *st;
	uint32_t requests;
	int rc, lost = 0;

	if (garbage < 0)
		s.close_at = n;
	else
		s.garbage_at = n;
	s.garbage = garbage;
	a_device(&s);
	put(&s, "/here", "yes");
	st = client(&s, count_lost, &lost);
	rc = everything(st);
	if (rc) {
		assert_int_equal(lost, 1);
		assert_true(garbage < 0 ? rc == -ECONNRESET : rc == -EPROTO);
		assert_int_equal(store_dispatch(st), rc);
		assert_int_equal(store_fd(st), -1);
		assert_int_equal(store_events(st), 0);
		assert_int_equal(store_sync_mkdir(st, 0, "/x"), -ENOTCONN);
	}
	store_close(st);
	requests = s.requests;
	server_end(&s);
	return rc ? 0 : requests;
}

static void a_fault_at_every_request(void **state)
{
	uint32_t total = with_fault(0, -1), n;
	int garbage;

	(void)state;
	assert_true(total > 40);
	for (garbage = -1; garbage < 4; garbage++)
		for (n = 1; n < total; n++)
			assert_int_equal(with_fault(n, garbage), 0);
}

struct order {
	int next, errors;
};

static void in_order(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct order *o = ctx;

	(void)st;
	if (rsp->err) {
		o->errors++;
		return;
	}
	assert_int_equal(atoi(rsp->value), o->next++);
}

/* A terminal that passes all bytes as they are. */
static void raw(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
}

static void turn(struct store *st)
{
	struct pollfd p = {.fd = store_fd(st), .events = store_events(st)};

	assert_true(poll(&p, 1, 5000) > 0);
	store_dispatch(st);
}

static void many_requests_are_pipelined(void **state)
{
	struct server s = {0};
	struct order o = {0}, gone = {0};
	char path[32], value[16];
	struct store *st;
	int i;

	(void)state;
	for (i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "/n%d", i);
		snprintf(value, sizeof(value), "%d", i);
		put(&s, path, value);
	}
	st = client(&s, NULL, NULL);
	assert_int_equal(store_events(st), POLLIN);
	for (i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "/n%d", i);
		assert_int_equal(store_read(st, 0, path, in_order, &o), 0);
	}
	assert_int_equal(store_events(st), POLLIN | POLLOUT);
	while (o.next < 500)
		turn(st);
	assert_int_equal(o.errors, 0);
	/* What is outstanding at the end is answered. */
	for (i = 0; i < 100; i++)
		assert_int_equal(store_read(st, 0, "/n0", in_order, &gone), 0);
	store_close(st);
	assert_int_equal(gone.errors + gone.next, 100);
	assert_true(gone.errors > 0);
	server_end(&s);
}

/*
 * A device, as /dev/xen/xenbus is one: there is no second request before the
 * first is answered. A terminal stands for it.
 */
static void a_device_gets_one_request_at_a_time(void **state)
{
	const struct xs_out out = {.buf = (uint8_t[XS_MSG_MAX]){0},
				   .room = XS_MSG_MAX};
	struct order o = {0};
	struct xs_reader reader;
	struct xs_out reply = out;
	uint8_t bytes[256];
	struct store *st;
	struct xs_msg msg;
	int device, end, len, i;
	size_t used;
	ssize_t n;
	char value[16];

	(void)state;
	assert_int_equal(openpty(&device, &end, NULL, NULL, NULL), 0);
	raw(end);
	assert_int_equal(store_open_fd(&st, device, NULL, NULL), 0);
	xs_reader_init(&reader);
	for (i = 0; i < 3; i++)
		assert_int_equal(store_read(st, 0, "/n", in_order, &o), 0);
	for (i = 0; i < 3; i++) {
		store_dispatch(st);
		n = read(end, bytes, sizeof(bytes));
		assert_int_equal(
			xs_reader_feed(&reader, bytes, (size_t)n, &used, &msg),
			1);
		assert_int_equal(used, n); /* and nothing after it */
		assert_int_equal(store_events(st), POLLIN);
		reply.req_id = msg.req_id;
		snprintf(value, sizeof(value), "%d", i);
		len = xs_enc_reply(&reply, WIRE_XS_READ, value, strlen(value));
		assert_int_equal(write(end, reply.buf, (size_t)len), len);
		turn(st);
		assert_int_equal(o.next, i + 1);
	}
	assert_int_equal(o.errors, 0);
	store_close(st);
	close(end);
}

static void close_inside(struct store *st, const struct store_reply *rsp,
			 void *ctx)
{
	struct order *o = ctx;

	assert_int_equal(store_ls(st, 0, "/", NULL, NULL),
			 rsp->err ? -ENOTCONN : 0);
	o->next++;
	store_close(st);
}

static void close_lost(struct store *st, int err, void *ctx)
{
	int *n = ctx;

	(void)err;
	(*n)++;
	store_close(st);
}

static void a_callback_may_close(void **state)
{
	struct server s = {0}, t = {.close_at = 1};
	struct order o = {0};
	struct store *st;
	int i, lost = 0;

	(void)state;
	put(&s, "/a", "0");
	st = client(&s, close_lost, &lost);
	for (i = 0; i < 40; i++)
		assert_int_equal(store_read(st, 0, "/a", close_inside, &o), 0);
	while (o.next == 0)
		turn(st);
	assert_int_equal(o.next, 40);
	assert_int_equal(lost, 0);
	server_end(&s);

	o.next = 0;
	st = client(&t, close_lost, &lost);
	assert_int_equal(store_is_introduced(st, 1, in_order, &o), 0);
	while (!lost)
		turn(st);
	assert_int_equal(o.errors, 1);
	server_end(&t);
}

static void errors_have_numbers(void **state)
{
	struct store *st;
	int i;

	(void)state;
	assert_int_equal(store_errno(XPV_EPROTO), EPROTO);
	assert_int_equal(store_errno(XPV_ETIMEDOUT), ETIMEDOUT);
	assert_int_equal(store_errno(XPV_EINVAL), EINVAL);
	for (i = -100; i < 10; i++)
		assert_true(store_errno(i) > 0);
	assert_int_equal(store_open(&st, "/nowhere/at/all", NULL, NULL),
			 -ENOENT);
	assert_int_equal(setenv("XENSTORED_PATH", "/nowhere", 1), 0);
	assert_int_equal(store_open(&st, NULL, NULL, NULL), -ENOENT);
	store_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_fragmentation),
		cmocka_unit_test(a_snapshot_is_a_tree),
		cmocka_unit_test(a_snapshot_asks_for_what_is_wanted),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(hidden_nodes_are_absent),
		cmocka_unit_test(orphans_are_dropped),
		cmocka_unit_test(large_directories),
		cmocka_unit_test(a_transaction_is_all_or_nothing),
		cmocka_unit_test(a_commit_tells_of_a_change),
		cmocka_unit_test(watches_fire),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(a_fault_at_every_request),
		cmocka_unit_test(many_requests_are_pipelined),
		cmocka_unit_test(a_device_gets_one_request_at_a_time),
		cmocka_unit_test(a_callback_may_close),
		cmocka_unit_test(errors_have_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
