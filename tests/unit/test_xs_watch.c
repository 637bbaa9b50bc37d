/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore server: who is told of what, and transactions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_xs_client.h"

#define E(name) (1 + XS_ERR_##name)

/* Two clients of domain 0, and domain 1, which owns its "data". */
struct world {
	struct xs_server *s;
	struct client *a, *b, *guest;
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->s = xs_server_new(NULL);
	w->a = client_new(w->s, 0);
	w->b = client_new(w->s, 0);
	assert_int_equal(mk(w->a, "/local/domain/1/data"), 0);
	assert_int_equal(chmod1(w->a, "/local/domain/1/data", "n1"), 0);
	assert_int_equal(xs_server_introduce(w->s, 1), 0);
	w->guest = client_new(w->s, 1);
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	client_free(w->a);
	client_free(w->b);
	client_free(w->guest);
	xs_server_free(w->s);
	free(w);
	return 0;
}

static void assert_read(struct client *c, const char *path, const char *value)
{
	assert_int_equal(rd(c, path), 0);
	assert_string_equal(c->reply, value);
}

/* ---------------------------------------------------------------- watches */

static void test_first(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->a, "/not/there", "t"), 0);
	assert_string_equal(told(w->a), "/not/there t");
	assert_int_equal(watch(w->guest, "data", "t"), 0);
	assert_string_equal(told(w->guest), "data t");
	assert_int_equal(watch(w->a, "@introduceDomain", "t"), 0);
	assert_string_equal(told(w->a), "@introduceDomain t");
	/* the reply comes before the event */
	w->b->err = -1;
	assert_int_equal(watch(w->b, "/x", ""), 0);
	assert_string_equal(told(w->b), "/x ");
	assert_int_equal(watch(w->a, "/x/", "t"), E(EINVAL));
	assert_int_equal(ask1(w->a, WIRE_XS_WATCH, "/x"), E(EINVAL));
	assert_string_equal(told(w->a), "");
}

static void test_changes(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->a, "/a/b", "t"), 0);
	(void)told(w->a);
	assert_int_equal(wr(w->b, "/a/b/c/d", "x"), 0);
	assert_string_equal(told(w->a), "/a/b/c/d t");
	assert_int_equal(wr(w->b, "/a/b", "x"), 0);
	assert_string_equal(told(w->a), "/a/b t");
	assert_int_equal(mk(w->b, "/a/b/m"), 0);
	assert_string_equal(told(w->a), "/a/b/m t");
	assert_int_equal(mk(w->b, "/a/b/m"), 0); /* it is there */
	assert_string_equal(told(w->a), "");
	assert_int_equal(chmod1(w->b, "/a/b/m", "n5"), 0);
	assert_string_equal(told(w->a), "/a/b/m t");
	/* above, beside, and what only begins so */
	assert_int_equal(wr(w->b, "/a", "x"), 0);
	assert_int_equal(wr(w->b, "/a/bc", "x"), 0);
	assert_int_equal(wr(w->b, "/a/c", "x"), 0);
	assert_string_equal(told(w->a), "");
	/* a removal above is told as the watched path itself */
	assert_int_equal(rm(w->b, "/a"), 0);
	assert_string_equal(told(w->a), "/a/b t");
	assert_int_equal(rm(w->b, "/a"), 0);
	assert_string_equal(told(w->a), "");
	/* of one below only its root is told */
	assert_int_equal(wr(w->b, "/a/b/c/d", "x"), 0);
	(void)told(w->a);
	assert_int_equal(rm(w->b, "/a/b/c"), 0);
	assert_string_equal(told(w->a), "/a/b/c t");
	assert_int_equal(ask2(w->a, WIRE_XS_UNWATCH, "/a/b", "x"), E(ENOENT));
	assert_int_equal(ask2(w->a, WIRE_XS_UNWATCH, "/a/b", "t"), 0);
	assert_int_equal(wr(w->b, "/a/b", "x"), 0);
	assert_string_equal(told(w->a), "");
}

static void test_everything(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->a, "/", "t"), 0);
	(void)told(w->a);
	assert_int_equal(wr(w->b, "/x", ""), 0);
	assert_string_equal(told(w->a), "/x t");
	/* special events are below no path */
	assert_int_equal(xs_server_release(w->s, 1), 0);
	assert_string_equal(told(w->a), "/local/domain/1/data t");
}

static void test_several(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->a, "/a", "1"), 0);
	assert_int_equal(watch(w->a, "/a", "2"), 0);
	assert_int_equal(watch(w->a, "/a", "1"), E(EEXIST));
	assert_int_equal(watch(w->a, "/a/b", "1"), 0);
	assert_int_equal(watch(w->b, "/a", "1"), 0);
	(void)told(w->a);
	(void)told(w->b);
	assert_int_equal(wr(w->b, "/a/b", "x"), 0);
	assert_string_equal(told(w->a), "/a/b 1, /a/b 2, /a/b 1");
	assert_string_equal(told(w->b), "/a/b 1"); /* its own change, too */
	assert_int_equal(ask2(w->a, WIRE_XS_UNWATCH, "/a", "1"), 0);
	assert_int_equal(wr(w->b, "/a/b", "x"), 0);
	assert_string_equal(told(w->a), "/a/b 2, /a/b 1");
	assert_int_equal(ask1(w->a, WIRE_XS_RESET_WATCHES, ""), 0);
	assert_int_equal(wr(w->b, "/a/b", "x"), 0);
	assert_string_equal(told(w->a), "");
	assert_int_equal(watch(w->a, "/a", "1"), 0);
	assert_string_equal(told(w->a), "/a 1");
}

static void test_depth(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask3(w->a, WIRE_XS_WATCH, "/a", "0", "0"), 0);
	assert_int_equal(ask3(w->a, WIRE_XS_WATCH, "/a", "1", "1"), 0);
	assert_int_equal(ask3(w->a, WIRE_XS_WATCH, "/a", "2", "2"), 0);
	assert_int_equal(ask3(w->b, WIRE_XS_WATCH, "/", "1", "1"), 0);
	assert_int_equal(ask3(w->a, WIRE_XS_WATCH, "/a", "x", "x"), E(EINVAL));
	assert_int_equal(ask3(w->a, WIRE_XS_WATCH, "/a", "x", "-1"), E(EINVAL));
	(void)told(w->a);
	(void)told(w->b);
	assert_int_equal(wr(w->a, "/a", ""), 0);
	assert_string_equal(told(w->a), "/a 0, /a 1, /a 2");
	assert_int_equal(wr(w->a, "/a/b", ""), 0);
	assert_string_equal(told(w->a), "/a/b 1, /a/b 2");
	assert_int_equal(wr(w->a, "/a/b/c", ""), 0);
	assert_string_equal(told(w->a), "/a/b/c 2");
	assert_int_equal(wr(w->a, "/a/b/c/d", ""), 0);
	assert_string_equal(told(w->a), "");
	assert_string_equal(told(w->b), "/a 1");
}

static void test_relative(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->guest, "data/x", "rel"), 0);
	assert_int_equal(watch(w->guest, "/local/domain/1/data", "abs"), 0);
	/* the same one by another name */
	assert_int_equal(watch(w->guest, "data", "abs"), E(EEXIST));
	(void)told(w->guest);
	assert_int_equal(wr(w->a, "/local/domain/1/data/x/y", ""), 0);
	assert_string_equal(told(w->guest),
			    "data/x/y rel, /local/domain/1/data/x/y abs");
	assert_int_equal(rm(w->a, "/local/domain/1/data"), 0);
	/* the parent cannot be read, the nodes could */
	assert_string_equal(told(w->guest),
			    "data/x rel, /local/domain/1/data abs");
	assert_int_equal(ask2(w->guest, WIRE_XS_UNWATCH,
			      "/local/domain/1/data/x", "rel"),
			 0);
}

/* Events are for who may read the node, or could, or may see its name. */
static void test_unreadable(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->guest, "/secret", "t"), 0);
	(void)told(w->guest);
	assert_int_equal(wr(w->a, "/secret", "x"), 0);
	assert_string_equal(told(w->guest), "");
	assert_int_equal(chmod2(w->a, "/secret", "n0", "r1"), 0);
	assert_string_equal(told(w->guest), "/secret t");
	assert_int_equal(wr(w->a, "/secret", "y"), 0);
	assert_string_equal(told(w->guest), "/secret t");
	assert_int_equal(wr(w->a, "/secret/a/b", "y"), 0);
	assert_string_equal(told(w->guest), "/secret/a/b t");
	/* told that it is secret from now on */
	assert_int_equal(chmod1(w->a, "/secret", "n0"), 0);
	assert_string_equal(told(w->guest), "/secret t");
	assert_int_equal(wr(w->a, "/secret", "z"), 0);
	assert_string_equal(told(w->guest), "");
	assert_int_equal(watch(w->guest, "@releaseDomain", "t"), 0);
	assert_string_equal(told(w->guest), "@releaseDomain t");
	assert_int_equal(xs_server_introduce(w->s, 2), 0);
	assert_int_equal(xs_server_release(w->s, 2), 0);
	assert_string_equal(told(w->guest), "");
	assert_int_equal(chmod2(w->a, "@releaseDomain", "n0", "r1"), 0);
	(void)told(w->guest);
	assert_int_equal(xs_server_introduce(w->s, 2), 0);
	assert_int_equal(xs_server_release(w->s, 2), 0);
	assert_string_equal(told(w->guest), "@releaseDomain t");
}

static void test_special(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->a, "@introduceDomain", "i"), 0);
	assert_int_equal(watch(w->a, "@releaseDomain", "r"), 0);
	assert_int_equal(
		ask3(w->b, WIRE_XS_WATCH, "@introduceDomain", "i", "1"), 0);
	assert_int_equal(ask3(w->b, WIRE_XS_WATCH, "@releaseDomain", "r", "1"),
			 0);
	assert_int_equal(watch(w->b, "@releaseDomain/3", "3"), 0);
	(void)told(w->a);
	(void)told(w->b);
	assert_int_equal(xs_server_introduce(w->s, 2), 0);
	assert_string_equal(told(w->a), "@introduceDomain i");
	assert_string_equal(told(w->b), "@introduceDomain/2 i");
	assert_int_equal(xs_server_introduce(w->s, 3), 0);
	(void)told(w->a);
	(void)told(w->b);
	assert_int_equal(xs_server_release(w->s, 2), 0);
	assert_string_equal(told(w->a), "@releaseDomain r");
	assert_string_equal(told(w->b), "@releaseDomain/2 r");
	assert_int_equal(ask1(w->a, WIRE_XS_RELEASE, "3"), 0);
	assert_string_equal(told(w->a), "@releaseDomain r");
	assert_string_equal(told(w->b),
			    "@releaseDomain/3 r, @releaseDomain/3 3");
	assert_int_equal(ask3(w->a, WIRE_XS_INTRODUCE, "3", "1", "1"), 0);
	assert_string_equal(told(w->a), "@introduceDomain i");
	assert_int_equal(ask3(w->a, WIRE_XS_INTRODUCE, "3", "1", "1"), 0);
	assert_string_equal(told(w->a), "");
	/* released by hand already: no second event when it ends */
	assert_int_equal(ask1(w->a, WIRE_XS_RELEASE, "3"), 0);
	(void)told(w->a);
	assert_int_equal(xs_server_release(w->s, 3), 0);
	assert_string_equal(told(w->a), "");
}

static void test_toolstack(void **state)
{
	const struct xs_perm perm[] = {{0, 'n'}, {1, 'r'}};
	struct world *w = *state;
	size_t len;

	assert_int_equal(watch(w->a, "/x", "t"), 0);
	(void)told(w->a);
	assert_int_equal(xs_server_write(w->s, "/x/y", "v", 1), 0);
	assert_int_equal(xs_server_mkdir(w->s, "/x/z"), 0);
	assert_int_equal(xs_server_set_perms(w->s, "/x/y", perm, 2), 0);
	assert_string_equal(xs_server_read(w->s, "/x/y", &len), "v");
	assert_read(w->guest, "/x/y", "v");
	assert_int_equal(xs_server_rm(w->s, "/x/y"), 0);
	assert_null(xs_server_read(w->s, "/x/y", &len));
	assert_string_equal(told(w->a), "/x/y t, /x/z t, /x/y t, /x/y t");
	assert_int_equal(xs_server_rm(w->s, "/no/such"), XPV_ENOENT);
	assert_int_equal(xs_server_write(w->s, "relative", "", 0), XPV_EINVAL);
	assert_int_equal(xs_server_rm(w->s, "@releaseDomain"), XPV_EINVAL);
}

/* ------------------------------------------------------------ transactions */

static void test_isolation(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->a, "/t/x", "old"), 0);
	assert_int_equal(watch(w->b, "/t", "w"), 0);
	(void)told(w->b);
	begin(w->a);
	assert_int_equal(wr(w->a, "/t/x", "new"), 0);
	assert_int_equal(wr(w->a, "/t/y", "1"), 0);
	assert_int_equal(wr(w->a, "/t/y", "2"), 0);
	assert_read(w->a, "/t/x", "new");
	assert_read(w->b, "/t/x", "old");
	assert_int_equal(rd(w->b, "/t/y"), E(ENOENT));
	assert_string_equal(told(w->b), "");
	assert_int_equal(end(w->a, "T"), 0);
	assert_read(w->b, "/t/x", "new");
	assert_read(w->b, "/t/y", "2");
	assert_string_equal(told(w->b), "/t/x w, /t/y w");
}

static void test_dropped(void **state)
{
	struct world *w = *state;

	assert_int_equal(watch(w->b, "/t", "w"), 0);
	(void)told(w->b);
	begin(w->a);
	assert_int_equal(wr(w->a, "/t/x", "new"), 0);
	assert_int_equal(end(w->a, "F"), 0);
	assert_int_equal(rd(w->b, "/t/x"), E(ENOENT));
	assert_string_equal(told(w->b), "");
	/* numbers that are none any more, or never were */
	w->a->tx = 1;
	assert_int_equal(rd(w->a, "/"), E(ENOENT));
	w->a->tx = 77;
	assert_int_equal(rd(w->a, "/"), E(ENOENT));
	assert_int_equal(ask1(w->a, WIRE_XS_TRANSACTION_START, ""), E(ENOENT));
	w->a->tx = 0;
	assert_int_equal(end(w->a, "T"), E(ENOENT));
	begin(w->a);
	assert_int_equal(ask1(w->a, WIRE_XS_TRANSACTION_START, ""), E(EBUSY));
	assert_int_equal(ask1(w->a, WIRE_XS_TRANSACTION_END, "X"), E(EINVAL));
	w->b->tx = w->a->tx; /* another connection's */
	assert_int_equal(rd(w->b, "/"), E(ENOENT));
	w->b->tx = 0;
	assert_int_equal(end(w->a, "T"), 0);
}

/* What a transaction has done, and what happened meanwhile: does it conflict? */
enum {
	READ,
	WRITE,
	MKDIR,
	RM,
	LIST,
	PERM
};

static const struct {
	int mine;
	const char *path;
	int theirs;
	const char *other;
	bool conflict;
} conflict_rows[] = {
	{READ, "/t/a", WRITE, "/t/a", true},
	{READ, "/t/a", PERM, "/t/a", true},
	{READ, "/t/a", RM, "/t/a", true},
	{READ, "/t/a", MKDIR, "/t/a/new", true}, /* its list */
	{READ, "/t/a", WRITE, "/t/b", false},
	{READ, "/t/a", WRITE, "/t/a/x", false},
	{READ, "/t/a", MKDIR, "/t/new", false},
	{READ, "/t/new", MKDIR, "/t/new", true}, /* it was not there */
	{LIST, "/t", MKDIR, "/t/new", true},
	{LIST, "/t", RM, "/t/b", true},
	{LIST, "/t", WRITE, "/t/b", false},
	{WRITE, "/t/a", WRITE, "/t/a", true},
	{WRITE, "/t/a", WRITE, "/t/b", false},
	{WRITE, "/t/a", WRITE, "/t", false},
	{WRITE, "/t/a", READ, "/t/a", false},
	{WRITE, "/t/new", WRITE, "/t/new", true},
	{WRITE, "/t/new", WRITE, "/t/new2", true}, /* one list */
	{WRITE, "/t/a/new", RM, "/t/a", true},
	{WRITE, "/t/a/n/e/w", RM, "/t", true},
	{WRITE, "/t/a", WRITE, "/else", false},
	{RM, "/t/a", WRITE, "/t/a/x", true},
	{RM, "/t/a", MKDIR, "/t/a/x/new", true},
	{RM, "/t/a", WRITE, "/t/b", false},
	{RM, "/t/nothing", WRITE, "/t/b", false},
	{RM, "/t/nothing", MKDIR, "/t/nothing", true},
	{PERM, "/t/a", WRITE, "/t/a", true},
	{MKDIR, "/t/a", RM, "/t/a", true},
};

static void test_conflicts(void **state)
{
	struct world *w = *state;
	size_t i;

	assert_int_equal(wr(w->a, "/t2", "x"), 0);
	for (i = 0; i < sizeof(conflict_rows) / sizeof(conflict_rows[0]); i++) {
		assert_int_equal(rm(w->a, "/t"), 0);
		assert_int_equal(rm(w->a, "/else"), 0);
		assert_int_equal(wr(w->a, "/t/a/x", "1"), 0);
		assert_int_equal(wr(w->a, "/t/b", "1"), 0);
		begin(w->a);
		for (int j = 0; j < 2; j++) {
			struct client *c = j ? w->b : w->a;
			const char *path = j ? conflict_rows[i].other
					     : conflict_rows[i].path;

			switch (j ? conflict_rows[i].theirs
				  : conflict_rows[i].mine) {
			case READ:
				(void)rd(c, path);
				break;
			case WRITE:
				assert_int_equal(wr(c, path, "2"), 0);
				break;
			case MKDIR:
				assert_int_equal(mk(c, path), 0);
				break;
			case RM:
				assert_int_equal(rm(c, path), 0);
				break;
			case LIST:
				assert_int_equal(ls(c, path), 0);
				break;
			case PERM:
				assert_int_equal(chmod1(c, path, "n3"), 0);
				break;
			}
		}
		/* something is to be committed in any case */
		assert_int_equal(wr(w->a, "/t2", "x"), 0);
		if (end(w->a, "T") !=
		    (conflict_rows[i].conflict ? E(EAGAIN) : 0))
			fail_msg("row %zu: %s", i,
				 conflict_rows[i].conflict ? "no conflict"
							   : "conflict");
	}
}

/* Both are done, whatever came between. */
static void test_merge(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->a, "/t/a/x", "1"), 0);
	assert_int_equal(wr(w->a, "/t/b/x", "1"), 0);
	assert_int_equal(wr(w->a, "/t/c/x", "1"), 0);
	assert_int_equal(watch(w->b, "/t", "w"), 0);
	(void)told(w->b);
	begin(w->a);
	assert_int_equal(rm(w->a, "/t/a"), 0);
	assert_int_equal(wr(w->a, "/t/a/y/z", "2"), 0);
	assert_int_equal(chmod1(w->a, "/t/a/y", "r7"), 0);
	assert_int_equal(wr(w->a, "/t/b/x", "2"), 0);
	assert_int_equal(wr(w->b, "/t/c/x", "3"), 0);
	assert_int_equal(wr(w->b, "/else", "3"), 0);
	assert_string_equal(told(w->b), "/t/c/x w");
	assert_int_equal(end(w->a, "T"), 0);
	assert_int_equal(rd(w->b, "/t/a/x"), E(ENOENT));
	assert_read(w->b, "/t/a/y/z", "2");
	assert_read(w->b, "/t/b/x", "2");
	assert_read(w->b, "/t/c/x", "3");
	assert_read(w->b, "/else", "3");
	assert_int_equal(ask1(w->b, WIRE_XS_GET_PERMS, "/t/a/y"), 0);
	assert_string_equal(w->b->reply, "r7");
	assert_string_equal(told(w->b),
			    "/t/a w, /t/a/y/z w, /t/a/y w, /t/b/x w");
}

/* A snapshot: all of it is of one moment. */
static void test_snapshot(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->a, "/t/x", "1"), 0);
	assert_int_equal(wr(w->a, "/t/y", "1"), 0);
	begin(w->a);
	assert_read(w->a, "/t/x", "1");
	assert_int_equal(wr(w->b, "/t/x", "2"), 0);
	assert_int_equal(wr(w->b, "/t/y", "2"), 0);
	assert_int_equal(wr(w->b, "/t/z", "2"), 0);
	assert_read(w->a, "/t/y", "1");
	assert_int_equal(rd(w->a, "/t/z"), E(ENOENT));
	assert_int_equal(end(w->a, "T"), E(EAGAIN));
}

/* Created and removed in one: nothing is left, and the owner's count is right.
 */
static void test_counts(void **state)
{
	struct world *w = *state;
	uint32_t before = xs_server_nodes(w->s, 1);

	begin(w->guest);
	assert_int_equal(wr(w->guest, "data/a/b", "1"), 0);
	assert_int_equal(rm(w->guest, "data/a"), 0);
	assert_int_equal(end(w->guest, "T"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), before);
	begin(w->guest);
	assert_int_equal(wr(w->guest, "data/a/b", "1"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), before);
	assert_int_equal(end(w->guest, "T"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), before + 2);
	begin(w->guest);
	assert_int_equal(rm(w->guest, "data/a"), 0);
	assert_int_equal(wr(w->guest, "data/a", "2"), 0);
	assert_int_equal(end(w->guest, "T"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), before + 1);
	begin(w->a);
	assert_int_equal(chmod1(w->a, "/local/domain/1/data/a", "n5"), 0);
	assert_int_equal(end(w->a, "T"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), before);
	assert_int_equal(xs_server_nodes(w->s, 5), 1);
}

/* Two transactions that each stay below the quota do not pass it together. */
static void test_quota(void **state)
{
	struct world *w = *state;
	struct client *more = client_new(w->s, 1);
	char path[64];
	int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(
			mk(w->guest, &"data/a\0data/b\0data/c\0data/d"[7 * i]),
			0);
	begin(w->guest);
	begin(more);
	for (i = 0; i < 600; i++) {
		snprintf(path, sizeof(path), "data/%s/%d", i % 2 ? "a" : "b",
			 i);
		assert_int_equal(mk(w->guest, path), 0);
		snprintf(path, sizeof(path), "data/%s/%d", i % 2 ? "c" : "d",
			 i);
		assert_int_equal(mk(more, path), 0);
	}
	assert_int_equal(end(w->guest, "T"), 0);
	assert_int_equal(end(more, "T"), E(ENOSPC));
	assert_int_equal(xs_server_nodes(w->s, 1), 1 + 4 + 600);
	/* refused half way: it cannot be committed */
	begin(more);
	for (i = 0; mk(more, path) == 0; i++)
		snprintf(path, sizeof(path), "data/%s/%d", i % 2 ? "c" : "d",
			 i);
	assert_int_equal(more->err, E(ENOSPC));
	assert_int_equal(end(more, "T"), E(ENOMEM));
	assert_int_equal(xs_server_nodes(w->s, 1), 1 + 4 + 600);
	client_free(more);
}

/* An open transaction of somebody who leaves. */
static void test_left_open(void **state)
{
	struct world *w = *state;

	begin(w->guest);
	assert_int_equal(wr(w->guest, "data/a/b", "1"), 0);
	assert_int_equal(watch(w->a, "/local", "t"), 0);
	(void)told(w->a);
	assert_int_equal(xs_server_release(w->s, 1), 0);
	assert_string_equal(told(w->a), "/local/domain/1/data t");
}

/* Whatever is done in transactions: one after the other gives the same. */
static void test_random(void **state)
{
	static const char *const paths[] = {"/r",     "/r/a", "/r/a/b",
					    "/r/a/c", "/r/d", "/r/d/e"};
	struct world *w = *state;
	struct xs_server *plain = xs_server_new(NULL);
	struct client *p = client_new(plain, 0), *c;
	uint32_t x = 1, i, j, op, n, commits = 0, conflicts = 0;
	const char *path;
	char value[16];
	size_t len;

	for (i = 0; i < 5000; i++) {
		uint32_t log[8][2], logged = 0;

		begin(w->a);
		for (n = 0; n < 6; n++) {
			x = x * 1664525 + 1013904223;
			op = x >> 28;
			path = paths[(x >> 16) % 6];
			c = op < 12 ? w->a : w->b;
			snprintf(value, sizeof(value), "%u", x);
			if (op % 4 == 0)
				(void)rm(c, path);
			else
				assert_int_equal(wr(c, path, value), 0);
			if (c == w->a) {
				log[logged][0] = op;
				log[logged++][1] = x;
			} else if (op % 4 == 0) {
				(void)rm(p, path);
			} else {
				(void)wr(p, path, value);
			}
		}
		if (end(w->a, "T")) {
			conflicts++;
			continue;
		}
		commits++;
		for (j = 0; j < logged; j++) {
			path = paths[(log[j][1] >> 16) % 6];
			snprintf(value, sizeof(value), "%u", log[j][1]);
			if (log[j][0] % 4 == 0)
				(void)rm(p, path);
			else
				(void)wr(p, path, value);
		}
		for (j = 0; j < 6; j++) {
			const char *one = xs_server_read(w->s, paths[j], &len);
			const char *two = xs_server_read(plain, paths[j], &len);

			assert_int_equal(!one, !two);
			if (one)
				assert_string_equal(one, two);
		}
		assert_int_equal(xs_server_nodes(w->s, 0),
				 xs_server_nodes(plain, 0) + 1);
	}
	assert_true(commits > 1000 && conflicts > 500);
	client_free(p);
	xs_server_free(plain);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_first),	WORLD(test_changes),
		WORLD(test_everything), WORLD(test_several),
		WORLD(test_depth),	WORLD(test_relative),
		WORLD(test_unreadable), WORLD(test_special),
		WORLD(test_toolstack),	WORLD(test_isolation),
		WORLD(test_dropped),	WORLD(test_conflicts),
		WORLD(test_merge),	WORLD(test_snapshot),
		WORLD(test_counts),	WORLD(test_quota),
		WORLD(test_left_open),	WORLD(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
