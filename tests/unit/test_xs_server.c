/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore server: every request, who may do what, quotas, and clients that
 * do not behave. Watches and transactions are in test_xs_watch.c.
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

/* Domain 0, and two guests that are introduced and have nodes of their own. */
struct world {
	struct xs_server *s;
	struct client *dom0, *one, *two;
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->s = xs_server_new(NULL);
	w->dom0 = client_new(w->s, 0);
	assert_int_equal(mk(w->dom0, "/local/domain/1"), 0);
	assert_int_equal(chmod2(w->dom0, "/local/domain/1", "n0", "r1"), 0);
	assert_int_equal(mk(w->dom0, "/local/domain/1/data"), 0);
	assert_int_equal(chmod1(w->dom0, "/local/domain/1/data", "n1"), 0);
	assert_int_equal(mk(w->dom0, "/local/domain/2/data"), 0);
	assert_int_equal(chmod1(w->dom0, "/local/domain/2/data", "n2"), 0);
	assert_int_equal(xs_server_introduce(w->s, 1), 0);
	assert_int_equal(xs_server_introduce(w->s, 2), 0);
	w->one = client_new(w->s, 1);
	w->two = client_new(w->s, 2);
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	client_free(w->dom0);
	client_free(w->one);
	client_free(w->two);
	xs_server_free(w->s);
	free(w);
	return 0;
}

static void assert_reply(const struct client *c, const char *text, size_t len)
{
	assert_int_equal(c->err, 0);
	assert_int_equal(c->len, len);
	assert_memory_equal(c->reply, text, len);
}

/* ---------------------------------------------------------------- requests */

static void test_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(rd(w->dom0, "/local/domain/0/name"), 0);
	assert_reply(w->dom0, "Domain-0", 8);
	assert_int_equal(rd(w->dom0, "domid"), 0); /* relative */
	assert_reply(w->dom0, "0", 1);
	assert_int_equal(ls(w->dom0, "/tool"), 0);
	assert_reply(w->dom0, "xenstored", 10);
}

static void test_write_read(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->dom0, "/a/b/c", "value"), 0);
	assert_reply(w->dom0, "OK", 3);
	assert_int_equal(rd(w->dom0, "/a/b/c"), 0);
	assert_reply(w->dom0, "value", 5);
	assert_int_equal(rd(w->dom0, "/a/b"), 0);
	assert_reply(w->dom0, "", 0);
	assert_int_equal(ask(w->dom0, WIRE_XS_WRITE, "/a\0x\0y", 6), 0);
	assert_int_equal(rd(w->dom0, "/a"), 0);
	assert_reply(w->dom0, "x\0y", 3);
	assert_int_equal(ask(w->dom0, WIRE_XS_WRITE, "/a", 3), 0);
	assert_int_equal(rd(w->dom0, "/a"), 0);
	assert_reply(w->dom0, "", 0);
	assert_int_equal(rd(w->dom0, "/a/nothing"), E(ENOENT));
	assert_int_equal(rd(w->dom0, "/"), 0);
}

static void test_bad_paths(void **state)
{
	static const char *const bad[] = {"",	"//",	 "/a/",	    "/a//b",
					  "a/", "/a b",	 "/a\xc3",  "/a.b",
					  "@x", "@x/y/", "/a/b\nc", "a//b"};
	static const uint32_t types[] = {WIRE_XS_READ, WIRE_XS_DIRECTORY,
					 WIRE_XS_MKDIR, WIRE_XS_RM};
	struct world *w = *state;
	char path[WIRE_XS_ABS_PATH_MAX + 2];
	size_t i, j;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (j = 0; j < 4; j++)
			assert_int_equal(ask1(w->dom0, types[j], bad[i]),
					 E(EINVAL));
		assert_int_equal(wr(w->dom0, bad[i], "x"), E(EINVAL));
	}
	/* the longest, and one more */
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[WIRE_XS_ABS_PATH_MAX] = '\0';
	assert_int_equal(wr(w->dom0, path, "x"), 0);
	assert_int_equal(rd(w->dom0, path), 0);
	path[WIRE_XS_ABS_PATH_MAX] = 'x';
	path[WIRE_XS_ABS_PATH_MAX + 1] = '\0';
	assert_int_equal(wr(w->dom0, path, "x"), E(EINVAL));
	/* arguments that are none, or too many */
	for (j = 0; j < 4; j++) {
		assert_int_equal(ask(w->dom0, types[j], "", 0), E(EINVAL));
		assert_int_equal(ask(w->dom0, types[j], "/a", 2), E(EINVAL));
		assert_int_equal(ask(w->dom0, types[j], "/a\0b", 5), E(EINVAL));
	}
	assert_int_equal(ask(w->dom0, WIRE_XS_WRITE, "/a", 2), E(EINVAL));
	assert_int_equal(ask(w->dom0, WIRE_XS_SET_PERMS, "/\0", 2), E(EINVAL));
	assert_int_equal(chmod1(w->dom0, "/", "x0"), E(EINVAL));
	assert_int_equal(chmod1(w->dom0, "/", "n65536"), E(EINVAL));
	assert_int_equal(ask(w->dom0, WIRE_XS_SET_PERMS, "/\0n0", 4),
			 E(EINVAL));
}

static void test_mkdir_rm(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->dom0, "/a", "kept"), 0);
	assert_int_equal(mk(w->dom0, "/a"), 0);
	assert_int_equal(mk(w->dom0, "/a/b/c"), 0);
	assert_int_equal(rd(w->dom0, "/a"), 0);
	assert_reply(w->dom0, "kept", 4);
	assert_int_equal(ls(w->dom0, "/a"), 0);
	assert_reply(w->dom0, "b", 2);
	assert_int_equal(rm(w->dom0, "/a/b"), 0);
	assert_int_equal(rd(w->dom0, "/a/b/c"), E(ENOENT));
	assert_int_equal(ls(w->dom0, "/a"), 0);
	assert_reply(w->dom0, "", 0);
	/* what is not there can be removed, if the node above it is there */
	assert_int_equal(rm(w->dom0, "/a/b"), 0);
	assert_int_equal(rm(w->dom0, "/a/b/c"), E(ENOENT));
	assert_int_equal(rm(w->dom0, "/"), E(EINVAL));
}

static void test_directory(void **state)
{
	struct world *w = *state;

	assert_int_equal(mk(w->dom0, "/d/two"), 0);
	assert_int_equal(mk(w->dom0, "/d/one"), 0);
	assert_int_equal(mk(w->dom0, "/d/one/below"), 0);
	assert_int_equal(mk(w->dom0, "/d/on"), 0);
	assert_int_equal(ls(w->dom0, "/d"), 0);
	assert_reply(w->dom0, "on\0one\0two", 11);
	assert_int_equal(ls(w->dom0, "/no"), E(ENOENT));
}

/* More names than one reply holds: in parts, as the stock tools ask for it. */
static void test_directory_part(void **state)
{
	struct world *w = *state;
	char path[64], offset[16];
	struct xs_part part;
	uint64_t generation = 0;
	uint32_t at = 0, names = 0, parts = 0;
	const char *name;
	size_t pos;
	int i;

	for (i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/big/node-%d", i);
		assert_int_equal(wr(w->dom0, path, "x"), 0);
	}
	assert_int_equal(ls(w->dom0, "/big"), E(E2BIG));
	do {
		snprintf(offset, sizeof(offset), "%u", at);
		assert_int_equal(
			ask2(w->dom0, WIRE_XS_DIRECTORY_PART, "/big", offset),
			0);
		assert_int_equal(
			xs_parse_part(w->dom0->reply, w->dom0->len, &part), 0);
		assert_true(parts == 0 || part.generation == generation);
		generation = part.generation;
		for (pos = 0;
		     xs_list_next(part.names, part.len, &pos, &name) > 0;)
			names++;
		assert_int_equal(pos, part.len);
		at += (uint32_t)part.len;
		parts++;
	} while (!part.last);
	assert_int_equal(names, 1000);
	assert_int_equal(parts, 3);
	/* behind the end: nothing but the end */
	assert_int_equal(ask2(w->dom0, WIRE_XS_DIRECTORY_PART, "/big", "99999"),
			 0);
	assert_int_equal(xs_parse_part(w->dom0->reply, w->dom0->len, &part), 0);
	assert_true(part.last && part.len == 0);
	/* the generation changes with the list */
	assert_int_equal(rm(w->dom0, "/big/node-0"), 0);
	assert_int_equal(ask2(w->dom0, WIRE_XS_DIRECTORY_PART, "/big", "0"), 0);
	assert_int_equal(xs_parse_part(w->dom0->reply, w->dom0->len, &part), 0);
	assert_true(part.generation != generation);
	assert_int_equal(ask1(w->dom0, WIRE_XS_DIRECTORY_PART, "/big"),
			 E(EINVAL));
	assert_int_equal(ask2(w->dom0, WIRE_XS_DIRECTORY_PART, "/big", "x"),
			 E(EINVAL));
	assert_int_equal(ask2(w->dom0, WIRE_XS_DIRECTORY_PART, "/no", "0"),
			 E(ENOENT));
}

static void test_unknown(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask1(w->dom0, 20, ""), E(ENOSYS));
	assert_int_equal(ask1(w->dom0, 999, ""), E(ENOSYS));
	assert_int_equal(ask1(w->dom0, WIRE_XS_INVALID, ""), E(ENOSYS));
	assert_int_equal(ask1(w->dom0, UINT32_MAX, ""), E(ENOSYS));
	assert_int_equal(ask1(w->dom0, WIRE_XS_WATCH_EVENT, ""), E(ENOSYS));
	assert_int_equal(ask1(w->dom0, WIRE_XS_ERROR, ""), E(ENOSYS));
}

/* ------------------------------------------------------------- permissions */

/* What domain 1 may do with a node of these permissions. */
static void test_matrix(void **state)
{
	static const struct {
		const char *perm, *more; /* "": none */
		bool read, write, own;
	} rows[] = {
		{"n0", "", false, false, false},
		{"r0", "", true, false, false},
		{"w0", "", false, true, false},
		{"b0", "", true, true, false},
		{"n0", "r1", true, false, false},
		{"n0", "w1", false, true, false},
		{"n0", "b1", true, true, false},
		{"b0", "n1", false, false, false},
		{"b0", "r1", true, false, false},
		{"n0", "b2", false, false, false},
		{"r2", "n3", true, false, false},
		{"n1", "", true, true, true},
		{"n1", "n1", true, true, true},
	};
	struct world *w = *state;
	size_t i;
	int err;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(wr(w->dom0, "/p", "x"), 0);
		err = rows[i].more[0] ? chmod2(w->dom0, "/p", rows[i].perm,
					       rows[i].more)
				      : chmod1(w->dom0, "/p", rows[i].perm);
		assert_int_equal(err, 0);
		assert_int_equal(rd(w->one, "/p"),
				 rows[i].read ? 0 : E(EACCES));
		assert_int_equal(ls(w->one, "/p"),
				 rows[i].read ? 0 : E(EACCES));
		assert_int_equal(ask1(w->one, WIRE_XS_GET_PERMS, "/p"),
				 rows[i].read ? 0 : E(EACCES));
		assert_int_equal(wr(w->one, "/p", "y"),
				 rows[i].write ? 0 : E(EACCES));
		assert_int_equal(mk(w->one, "/p/new"),
				 rows[i].write ? 0 : E(EACCES));
		assert_int_equal(chmod1(w->one, "/p", "r1"),
				 rows[i].own ? 0 : E(EACCES));
		/* whether something is there is not for everybody */
		assert_int_equal(rd(w->one, "/p/no"),
				 rows[i].read ? E(ENOENT) : E(EACCES));
		assert_int_equal(rm(w->one, "/p"),
				 rows[i].write ? 0 : E(EACCES));
		assert_int_equal(rm(w->dom0, "/p"), 0);
	}
}

static void test_perms(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->dom0, "/p", "x"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/p"), 0);
	assert_reply(w->dom0, "n0", 3);
	assert_int_equal(chmod2(w->dom0, "/p", "b1", "r65535"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/p"), 0);
	assert_reply(w->dom0, "b1\0r65535", 10);
	/* what is created below has the same; a guest owns what it creates */
	assert_int_equal(mk(w->dom0, "/p/zero"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/p/zero"), 0);
	assert_reply(w->dom0, "b1\0r65535", 10);
	assert_int_equal(wr(w->two, "/p/two/deep", ""), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/p/two/deep"), 0);
	assert_reply(w->dom0, "b2\0r65535", 10);
	/* a guest cannot give a node away */
	assert_int_equal(chmod1(w->two, "/p/two", "n1"), E(EPERM));
	assert_int_equal(chmod2(w->two, "/p/two", "n2", "b0"), 0);
	assert_int_equal(chmod1(w->two, "/p", "n2"), E(EACCES));
	assert_int_equal(chmod1(w->dom0, "/no", "n0"), E(ENOENT));
	/* the special watches have some */
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "@releaseDomain"), 0);
	assert_reply(w->dom0, "n0", 3);
	assert_int_equal(chmod1(w->one, "@releaseDomain", "r1"), E(EACCES));
	assert_int_equal(chmod2(w->dom0, "@releaseDomain", "n0", "r1"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "@nothing"),
			 E(ENOENT));
}

/* SET_TARGET: one domain may do what another may. */
static void test_target(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->one, "data/x", "1"), 0);
	assert_int_equal(rd(w->two, "/local/domain/1/data/x"), E(EACCES));
	assert_int_equal(ask2(w->two, WIRE_XS_SET_TARGET, "2", "1"), E(EACCES));
	assert_int_equal(ask2(w->dom0, WIRE_XS_SET_TARGET, "2", "9"),
			 E(ENOENT));
	assert_int_equal(ask2(w->dom0, WIRE_XS_SET_TARGET, "2", "1"), 0);
	assert_int_equal(rd(w->two, "/local/domain/1/data/x"), 0);
	assert_int_equal(rd(w->one, "/local/domain/2/data"), E(EACCES));
	assert_int_equal(xs_server_release(w->s, 1), 0);
	assert_int_equal(xs_server_introduce(w->s, 1), 0);
	assert_int_equal(wr(w->dom0, "/q", ""), 0);
	assert_int_equal(chmod1(w->dom0, "/q", "n1"), 0);
	assert_int_equal(rd(w->two, "/q"), E(EACCES));
}

/* ---------------------------------------------------------------- domains */

static void test_domains(void **state)
{
	struct world *w = *state;
	static const uint32_t privileged[] = {
		WIRE_XS_INTRODUCE,  WIRE_XS_RELEASE,	 WIRE_XS_RESUME,
		WIRE_XS_SET_TARGET, WIRE_XS_SET_FEATURE, WIRE_XS_CONTROL,
		WIRE_XS_GET_QUOTA,
	};
	size_t i;

	assert_int_equal(ask1(w->one, WIRE_XS_GET_DOMAIN_PATH, "007"), 0);
	assert_reply(w->one, "/local/domain/7", 16);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_DOMAIN_PATH, "x"),
			 E(EINVAL));
	assert_int_equal(ask1(w->dom0, WIRE_XS_IS_DOMAIN_INTRODUCED, "1"), 0);
	assert_reply(w->dom0, "T", 2);
	assert_int_equal(ask1(w->dom0, WIRE_XS_IS_DOMAIN_INTRODUCED, "0"), 0);
	assert_reply(w->dom0, "T", 2);
	assert_int_equal(ask1(w->dom0, WIRE_XS_IS_DOMAIN_INTRODUCED, "3"), 0);
	assert_reply(w->dom0, "F", 2);
	for (i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++)
		assert_int_equal(ask2(w->one, privileged[i], "2", "1"),
				 E(EACCES));
	assert_int_equal(ask3(w->dom0, WIRE_XS_INTRODUCE, "9", "1", "1"),
			 E(ENOENT));
	assert_int_equal(ask3(w->dom0, WIRE_XS_INTRODUCE, "1", "1", "0"),
			 E(EINVAL));
	assert_int_equal(ask2(w->dom0, WIRE_XS_INTRODUCE, "1", "1"), E(EINVAL));
	assert_int_equal(ask3(w->dom0, WIRE_XS_INTRODUCE, "1", "1", "1"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_RESUME, "1"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_RELEASE, "0"), E(EINVAL));
	assert_int_equal(ask1(w->dom0, WIRE_XS_RELEASE, "9"), E(ENOENT));
	assert_int_equal(ask1(w->dom0, WIRE_XS_RELEASE, "1"), 0);
	assert_true(xs_conn_dead(w->one->conn));
	assert_int_equal(ask1(w->dom0, WIRE_XS_IS_DOMAIN_INTRODUCED, "1"), 0);
	assert_reply(w->dom0, "F", 2);
	assert_int_equal(xs_server_introduce(w->s, 1), XPV_EEXIST);
	assert_int_equal(xs_server_introduce(w->s, 0), XPV_EINVAL);
	assert_int_equal(xs_server_introduce(w->s, 0x7ff0), XPV_EINVAL);
	assert_int_equal(xs_server_release(w->s, 7), XPV_ENOENT);
}

static void test_features(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w->one, WIRE_XS_GET_FEATURE, "", 0), 0);
	assert_reply(w->one, "4", 2);
	assert_int_equal(ask1(w->one, WIRE_XS_GET_FEATURE, "1"), E(EACCES));
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_FEATURE, "1"), 0);
	assert_reply(w->dom0, "4", 2);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_FEATURE, "9"), E(ENOENT));
	/* not for a domain that runs; without it a depth is refused */
	assert_int_equal(ask2(w->dom0, WIRE_XS_SET_FEATURE, "1", "0"),
			 E(EBUSY));
	assert_int_equal(ask3(w->one, WIRE_XS_WATCH, "data", "t", "0"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_RELEASE, "1"), 0);
	assert_int_equal(ask2(w->dom0, WIRE_XS_SET_FEATURE, "1", "8"),
			 E(EINVAL));
	assert_int_equal(ask2(w->dom0, WIRE_XS_SET_FEATURE, "1", "0"), 0);
	assert_int_equal(ask3(w->dom0, WIRE_XS_INTRODUCE, "1", "1", "1"), 0);
	client_free(w->one);
	w->one = client_new(w->s, 1);
	assert_int_equal(ask3(w->one, WIRE_XS_WATCH, "data", "t", "0"),
			 E(EINVAL));
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_QUOTA, "nodes"), 0);
	assert_reply(w->dom0, "1000", 5);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_QUOTA, "x"), E(EINVAL));
	assert_int_equal(ask1(w->dom0, WIRE_XS_CONTROL, "help"), 0);
}

/* What a domain owned goes with it, and its name on other nodes. */
static void test_release(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->one, "data/deep/er", "x"), 0);
	assert_int_equal(wr(w->dom0, "/local/domain/1/data/dom0", "x"), 0);
	assert_int_equal(wr(w->dom0, "/k", "x"), 0);
	assert_int_equal(ask(w->dom0, WIRE_XS_SET_PERMS, "/k\0n0\0r1\0r2", 12),
			 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 3 + 1);
	assert_int_equal(xs_server_release(w->s, 1), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 0);
	assert_true(xs_conn_dead(w->one->conn));
	assert_int_equal(ls(w->dom0, "/local/domain/1"), 0);
	assert_reply(w->dom0, "", 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/k"), 0);
	assert_reply(w->dom0, "n0\0r2", 6);
	assert_int_equal(ask1(w->dom0, WIRE_XS_GET_PERMS, "/local/domain/1"),
			 0);
	assert_reply(w->dom0, "n0", 3);
	/* the number may come again, and owns nothing */
	assert_int_equal(xs_server_introduce(w->s, 1), 0);
	client_free(w->one);
	w->one = client_new(w->s, 1);
	assert_int_equal(rd(w->one, "/k"), E(EACCES));
}

/* The same when a client asks for it: its own request changes nothing back. */
static void test_release_asked(void **state)
{
	struct world *w = *state;

	assert_int_equal(wr(w->one, "data/deep", "x"), 0);
	assert_int_equal(ask1(w->dom0, WIRE_XS_RELEASE, "1"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 0);
	assert_int_equal(ls(w->dom0, "/local/domain/1"), 0);
	assert_reply(w->dom0, "", 0);
}

/* ----------------------------------------------------------------- quotas */

static void test_quota_nodes(void **state)
{
	struct world *w = *state;
	char path[64];
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0; i++) {
		snprintf(path, sizeof(path), "data/%u/x%u", i % 100, i);
		err = wr(w->one, path, "x");
	}
	assert_int_equal(err, E(ENOSPC));
	assert_int_equal(xs_server_nodes(w->s, 1), 1000);
	/* half of a path is not created */
	assert_int_equal(rm(w->one, "data/0/x0"), 0);
	assert_int_equal(wr(w->one, "data/1/new/new", "x"), E(ENOSPC));
	assert_int_equal(rd(w->one, "data/1/new"), E(ENOENT));
	assert_int_equal(xs_server_nodes(w->s, 1), 999);
	assert_int_equal(wr(w->one, "data/1/new", "x"), 0);
	/* what is there may be changed; others are not concerned */
	assert_int_equal(wr(w->one, "data/1/new", "y"), 0);
	assert_int_equal(wr(w->two, "data/x", "x"), 0);
	assert_int_equal(wr(w->dom0, "/local/domain/1/data/more", "x"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 1001);
	assert_int_equal(rm(w->dom0, "/local/domain/1/data"), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 0);
}

static void test_quota_size(void **state)
{
	struct world *w = *state;
	char value[3000], path[64];
	uint32_t i;
	int err = 0;

	memset(value, 'v', sizeof(value));
	value[2048 - 8 + 1] = '\0'; /* one byte too many, with a permission */
	assert_int_equal(wr(w->one, "data/x", value), E(ENOSPC));
	assert_int_equal(rd(w->one, "data/x"), E(ENOENT));
	value[2048 - 8] = '\0';
	assert_int_equal(wr(w->one, "data/x", value), 0);
	assert_int_equal(wr(w->dom0, "/x", value), 0);
	/* the names of children count */
	for (i = 0; err == 0; i++) {
		snprintf(path, sizeof(path), "data/dir/a-long-name-%09u", i);
		err = mk(w->one, path);
	}
	assert_int_equal(err, E(ENOSPC));
	assert_int_equal(i, 2040 / 22 + 1);
	/* and the permissions */
	assert_int_equal(
		ask(w->one, WIRE_XS_SET_PERMS, "data\0n1\0r2\0r3\0r4\0r5", 20),
		0);
	assert_int_equal(ask(w->one, WIRE_XS_SET_PERMS,
			     "data\0n1\0r2\0r3\0r4\0r5\0r6", 23),
			 E(ENOSPC));
}

static void test_quota_watches(void **state)
{
	struct world *w = *state;
	struct client *more = client_new(w->s, 1);
	char token[16];
	int i;

	for (i = 0; i < 128; i++) {
		snprintf(token, sizeof(token), "%d", i);
		assert_int_equal(watch(i % 2 ? w->one : more, "data", token),
				 0);
		(void)told(i % 2 ? w->one : more);
	}
	assert_int_equal(watch(w->one, "data", "x"), E(ENOSPC));
	assert_int_equal(watch(more, "data", "x"), E(ENOSPC));
	assert_int_equal(watch(w->two, "data", "x"), 0);
	client_free(more);
	assert_int_equal(watch(w->one, "data", "x"), 0);
}

static void test_quota_transactions(void **state)
{
	struct world *w = *state;
	char path[64];
	uint32_t tx, i;
	int err = 0;

	for (i = 0; i < 10; i++) {
		begin(w->one);
		tx = w->one->tx;
		w->one->tx = 0;
	}
	assert_int_equal(ask1(w->one, WIRE_XS_TRANSACTION_START, ""),
			 E(ENOSPC));
	/* one that touches too many nodes cannot be committed */
	w->one->tx = tx;
	for (i = 0; err == 0; i++) {
		snprintf(path, sizeof(path), "data/%u", i);
		err = rd(w->one, path);
		if (err == E(ENOENT))
			err = 0;
	}
	assert_int_equal(err, E(ENOSPC));
	assert_int_equal(i, 1025);
	assert_int_equal(end(w->one, "T"), E(ENOMEM));
	begin(w->one);
	w->one->tx = 0;
	assert_int_equal(ask(w->one, WIRE_XS_RESET_WATCHES, "", 1), 0);
	begin(w->one);
	assert_int_equal(end(w->one, "T"), 0);
}

/* ------------------------------------------------------------ bad behaviour */

/* A guest that asks and does not take the answers is not listened to. */
static void test_backlog_replies(void **state)
{
	struct world *w = *state;
	struct wire_xs_hdr h = {WIRE_XS_READ, 1, 0, 5};
	uint8_t buf[21];
	const void *p;
	size_t n, taken = 0;
	int i;

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), "data", 5);
	for (i = 0; i < 100; i++)
		taken += xs_conn_feed(w->one->conn, buf, sizeof(buf));
	assert_int_equal(taken, 20 * sizeof(buf));
	assert_true(xs_conn_full(w->one->conn));
	n = xs_conn_output(w->one->conn, &p);
	assert_int_equal(n, 20 * sizeof(h));
	/* half an answer is none */
	xs_conn_sent(w->one->conn, sizeof(h) - 1);
	assert_true(xs_conn_full(w->one->conn));
	xs_conn_sent(w->one->conn, 1);
	assert_false(xs_conn_full(w->one->conn));
	assert_int_equal(xs_conn_feed(w->one->conn, buf, 21), 21);
	assert_true(xs_conn_full(w->one->conn));
	/* domain 0 has more, not all */
	while (!xs_conn_full(w->dom0->conn))
		assert_int_equal(xs_conn_feed(w->dom0->conn, buf, 21), 21);
	assert_int_equal(xs_conn_feed(w->dom0->conn, buf, 21), 0);
	n = xs_conn_output(w->dom0->conn, &p);
	assert_true(n < 0x50000);
	xs_conn_sent(w->dom0->conn, n);
}

/* Nor is one kept that does not take its events. */
static void test_backlog_events(void **state)
{
	struct world *w = *state;
	uint32_t i;

	assert_int_equal(watch(w->one, "data", "t"), 0);
	for (i = 0; i < 100000 && !xs_conn_dead(w->one->conn); i++)
		assert_int_equal(wr(w->dom0, "/local/domain/1/data", "x"), 0);
	assert_true(xs_conn_dead(w->one->conn));
	assert_in_range(i * 23, 900000, 1100000);
	assert_int_equal(xs_conn_feed(w->one->conn, "x", 1), 0);
	assert_int_equal(wr(w->dom0, "/local/domain/1/data", "x"), 0);
}

static void test_too_long(void **state)
{
	struct world *w = *state;
	struct wire_xs_hdr h = {WIRE_XS_READ, 1, 0, WIRE_XS_PAYLOAD_MAX + 1};

	(void)xs_conn_feed(w->one->conn, &h, sizeof(h));
	assert_true(xs_conn_dead(w->one->conn));
	assert_false(xs_conn_dead(w->dom0->conn));
}

/* Requests of random bytes, some of which mean something: nobody dies but who
 * sends a length that cannot be, and all ends as it began. */
static void test_random(void **state)
{
	static const char *const words[] = {
		"/", "data", "data/a",	"/local",	  "T",
		"F", "n1",   "b0",	"@releaseDomain", "1",
		"0", "r2",   "data/b/c"};
	struct world *w = *state;
	uint32_t x = 12345, i, j, n, type;
	char buf[256];
	size_t len;

	for (i = 0; i < 100000; i++) {
		struct client *c = i % 2 ? w->one : w->two;

		len = 0;
		x = x * 1664525 + 1013904223;
		n = x >> 24 & 3;
		type = x >> 16 & 31;
		for (j = 0; j < n; j++) {
			x = x * 1664525 + 1013904223;
			strcpy(buf + len, words[(x >> 16) % 13]);
			len += strlen(buf + len) + (x >> 13 & 7 ? 1 : 0);
		}
		c->tx = x >> 28 & 1 ? 0 : x >> 24 & 7;
		(void)ask(c, type, buf, len);
		(void)told(w->one);
		(void)told(w->two);
	}
	assert_false(xs_conn_dead(w->one->conn));
	assert_int_equal(xs_server_release(w->s, 1), 0);
	assert_int_equal(xs_server_release(w->s, 2), 0);
	assert_int_equal(xs_server_nodes(w->s, 1), 0);
	assert_int_equal(xs_server_nodes(w->s, 2), 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_start),	     WORLD(test_write_read),
		WORLD(test_bad_paths),	     WORLD(test_mkdir_rm),
		WORLD(test_directory),	     WORLD(test_directory_part),
		WORLD(test_unknown),	     WORLD(test_matrix),
		WORLD(test_perms),	     WORLD(test_target),
		WORLD(test_domains),	     WORLD(test_features),
		WORLD(test_release),	     WORLD(test_release_asked),
		WORLD(test_quota_nodes),     WORLD(test_quota_size),
		WORLD(test_quota_watches),   WORLD(test_quota_transactions),
		WORLD(test_backlog_replies), WORLD(test_backlog_events),
		WORLD(test_too_long),	     WORLD(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
