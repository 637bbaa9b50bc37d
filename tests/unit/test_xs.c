/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/xs: round trips, every division of a stream, every limit, and a million
 * messages of random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/xs.h"

static char buf[XS_MSG_MAX];
static const struct xs_out out = {
	.buf = buf, .room = sizeof(buf), .req_id = 7, .tx_id = 9};
static const struct xs_out out0 = {
	.buf = buf, .room = sizeof(buf), .req_id = 7};

/* The encoded message in buf must have this type and payload. */
static void is_message(int len, uint32_t type, const char *payload, size_t n)
{
	struct xs_reader r;
	struct xs_msg m;
	size_t used;

	assert_int_equal(len, 16 + n);
	xs_reader_init(&r);
	assert_int_equal(xs_reader_feed(&r, buf, (size_t)len, &used, &m), 1);
	assert_int_equal(used, len);
	assert_int_equal(m.type, type);
	assert_int_equal(m.len, n);
	assert_memory_equal(m.payload, payload, n);
	assert_int_equal(m.payload[n], 0);
}

static void requests(void **state)
{
	struct xs_perm p[2] = {{0, 'n'}, {65535, 'r'}};

	(void)state;
	is_message(xs_enc_path(&out, WIRE_XS_READ, "/a"), 2, "/a", 3);
	is_message(xs_enc_directory_part(&out, "a/b", 10), 22, "a/b\00010", 7);
	is_message(xs_enc_write(&out, "/a", "x\0y", 3), 11, "/a\0x\0y", 6);
	is_message(xs_enc_write(&out, "/a", NULL, 0), 11, "/a", 3);
	is_message(xs_enc_set_perms(&out, "/a", p, 2), 14, "/a\0n0\0r65535",
		   13);
	is_message(xs_enc_watch(&out, "@releaseDomain", "t", -1), 4,
		   "@releaseDomain\0t", 17);
	is_message(xs_enc_watch(&out, "/a", "t", 0), 4, "/a\0t\0000", 7);
	is_message(xs_enc_unwatch(&out, "/a", "t"), 5, "/a\0t", 5);
	is_message(xs_enc_begin(&out0), 6, "", 1);
	assert_int_equal(xs_enc_begin(&out), XPV_EINVAL);
	is_message(xs_enc_end(&out, true), 7, "T", 2);
	is_message(xs_enc_end(&out, false), 7, "F", 2);
	is_message(xs_enc_domid(&out, WIRE_XS_GET_DOMAIN_PATH, 5), 10, "5", 2);
	is_message(xs_enc_introduce(&out, 1, UINT64_MAX, 3), 8,
		   "1\00018446744073709551615\0003", 25);
	is_message(xs_enc_reset_watches(&out), 21, "", 1);
	is_message(xs_enc_reply(&out, WIRE_XS_READ, "v", 1), 2, "v", 1);
	is_message(xs_enc_ok(&out, WIRE_XS_RM), 13, "OK", 3);
	is_message(xs_enc_error(&out, XS_ERR_ENOENT), 16, "ENOENT", 7);
	is_message(xs_enc_event(&out, "@x", "t"), 15, "@x\0t", 5);
}

static void refusals(void **state)
{
	static char big[5000];
	struct xs_perm bad[2] = {{0, 'x'}, {65536, 'n'}};
	struct xs_out small = out;

	(void)state;
	assert_int_equal(xs_enc_path(&out, WIRE_XS_READ, "a/"), XPV_EINVAL);
	assert_int_equal(xs_enc_path(&out, WIRE_XS_READ, "@x"), XPV_EINVAL);
	assert_int_equal(xs_enc_set_perms(&out, "/a", bad, 1), XPV_EINVAL);
	assert_int_equal(xs_enc_set_perms(&out, "/a", bad + 1, 1), XPV_EINVAL);
	assert_int_equal(xs_enc_set_perms(&out, "/a", bad, 0), XPV_EINVAL);
	assert_int_equal(xs_enc_set_perms(&out, "a/", bad, 2), XPV_EINVAL);
	assert_int_equal(xs_enc_set_perms(&out, "/a", bad, 2), XPV_EINVAL);
	assert_int_equal(xs_enc_domid(&out, WIRE_XS_RELEASE, 65536),
			 XPV_EINVAL);
	/* 4096 bytes and not one more, over all parts of the payload. */
	assert_int_equal(xs_enc_write(&out, "/a", big, 4093), 16 + 4096);
	assert_int_equal(xs_enc_write(&out, "/a", big, 4094), XPV_ENOSPC);
	assert_int_equal(xs_enc_write(&out, "/a", big, SIZE_MAX), XPV_ENOSPC);
	memset(big, 'a', sizeof(big) - 1);
	assert_int_equal(xs_enc_watch(&out, "/a", big, -1), XPV_ENOSPC);
	/* Any room that is too small. */
	for (small.room = 0; small.room < 16 + 5; small.room++)
		assert_int_equal(xs_enc_unwatch(&small, "/a", "t"), XPV_ENOMEM);
	assert_int_equal(xs_enc_unwatch(&small, "/a", "t"), 16 + 5);
}

static void any_division(void **state)
{
	char stream[3 * XS_MSG_MAX];
	size_t len = 0, step, at, used;
	struct xs_reader r;
	struct xs_msg m;
	int n, rc;

	(void)state;
	n = xs_enc_write(&out, "/a", "value", 5);
	memcpy(stream, buf, (size_t)n);
	len += (size_t)n;
	n = xs_enc_reply(&out, WIRE_XS_READ, "", 0);
	memcpy(stream + len, buf, (size_t)n);
	len += (size_t)n;
	n = xs_enc_event(&out, "/a", "t");
	memcpy(stream + len, buf, (size_t)n);
	len += (size_t)n;
	for (step = 1; step <= len; step++) {
		int seen = 0;

		xs_reader_init(&r);
		for (at = 0; at < len;) {
			size_t part = len - at < step ? len - at : step;

			rc = xs_reader_feed(&r, stream + at, part, &used, &m);
			assert_true(rc >= 0 && used <= part);
			assert_true(rc == 1 || used == part);
			at += used;
			if (rc == 1)
				assert_int_equal(m.type,
						 "\013\002\017"[seen++]);
			assert_int_equal(xs_reader_empty(&r),
					 rc == 1 || at == len);
		}
		assert_int_equal(seen, 3);
	}
	/* A message may become whole without a further byte of its own. */
	xs_reader_init(&r);
	assert_int_equal(xs_reader_feed(&r, NULL, 0, &used, &m), 0);
	assert_int_equal(used, 0);
}

static void hostile_lengths(void **state)
{
	static const uint32_t len[] = {4097, 65536, INT32_MAX, UINT32_MAX,
				       UINT32_MAX - 15};
	static char payload[4096];
	struct wire_xs_hdr h = {2, 1, 0, 4096};
	struct xs_reader r;
	struct xs_msg m;
	size_t used, i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(len); i++) {
		h.len = len[i];
		xs_reader_init(&r);
		assert_int_equal(xs_reader_feed(&r, &h, 16, &used, &m),
				 XPV_EPROTO);
		assert_int_equal(xs_reader_feed(&r, &h, 16, &used, &m),
				 XPV_EPROTO);
		assert_int_equal(used, 0);
		assert_false(xs_reader_empty(&r));
	}
	h.len = 4096;
	xs_reader_init(&r);
	assert_int_equal(xs_reader_feed(&r, &h, 16, &used, &m), 0);
	assert_int_equal(xs_reader_feed(&r, payload, 4096, &used, &m), 1);
	assert_int_equal(m.len, 4096);
}

static void numbers(void **state)
{
	static const char *const bad[] = {"",  " 1", "1 ",  "+1", "-1",
					  "x", "0x", "1\n", "/",  ":"};
	char text[XS_NUM_MAX];
	uint32_t v = 77;
	uint64_t w = 77;
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_int_equal(xs_parse_u32(bad[i], strlen(bad[i]), &v),
				 XPV_EINVAL);
	assert_int_equal(xs_parse_u32("1\0", 2, &v), XPV_EINVAL);
	assert_int_equal(xs_parse_u32("4294967296", 10, &v), XPV_EINVAL);
	assert_int_equal(xs_parse_u64("18446744073709551616", 20, &w),
			 XPV_EINVAL);
	assert_int_equal(xs_parse_u64("99999999999999999999", 20, &w),
			 XPV_EINVAL);
	assert_int_equal(v, 77);
	assert_int_equal(w, 77);
	assert_int_equal(xs_parse_u32("4294967295", 10, &v), 0);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(xs_parse_u32("007", 3, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(xs_parse_u64("18446744073709551615", 20, &w), 0);
	assert_true(w == UINT64_MAX);
	assert_int_equal(xs_format_u64(text, 0), 1);
	assert_string_equal(text, "0");
	assert_int_equal(xs_format_u64(text, UINT64_MAX), 20);
	assert_string_equal(text, "18446744073709551615");
}

static void errors(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < XS_ERR_COUNT; i++) {
		const char *name = xs_err_name((enum xs_err)i);
		enum xpv_err err = xs_err_to_xpv((enum xs_err)i);

		assert_int_equal(xs_err_parse(name, strlen(name)), i);
		assert_int_equal(xs_err_parse(name, strlen(name) + 1), i);
		assert_true(err < 0);
		/* There and back gives the same of ours. */
		assert_int_equal(xs_err_to_xpv(xs_err_from_xpv(err)), err);
	}
	assert_int_equal(xs_err_parse("EWHAT", 5), XS_ERR_EIO);
	assert_int_equal(xs_err_parse("EINVA", 5), XS_ERR_EIO);
	assert_int_equal(xs_err_parse("", 0), XS_ERR_EIO);
	assert_string_equal(xs_err_name((enum xs_err)99), "EIO");
	assert_int_equal(xs_err_to_xpv((enum xs_err)99), XPV_EIO);
	assert_int_equal(xs_err_from_xpv(XPV_ETIMEDOUT), XS_ERR_EIO);
	assert_int_equal(xs_err_from_xpv(XPV_EAGAIN), XS_ERR_EAGAIN);
}

static void paths(void **state)
{
	static const char *const bad[] = {"",	 "//",	   "/a/", "a//b",
					  "a b", "a:b",	   "a.b", "a/",
					  "@",	 "/a\x80", "\n",  "a~"};
	static char text[4000];
	size_t i;

	(void)state;
	/* "@" alone is a name of one character, and is watched by nobody. */
	for (i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_int_equal(xs_path_check(bad[i]),
				 strcmp(bad[i], "@") ? XPV_EINVAL
						     : XS_PATH_SPECIAL);
	assert_int_equal(xs_path_check("/"), XS_PATH_ABSOLUTE);
	assert_int_equal(xs_path_check("/a-Z_9@"), XS_PATH_ABSOLUTE);
	assert_int_equal(xs_path_check("a/b"), XS_PATH_RELATIVE);
	assert_int_equal(xs_path_check("@releaseDomain"), XS_PATH_SPECIAL);
	memset(text, 'a', sizeof(text) - 1);
	text[0] = '/';
	assert_int_equal(xs_path_check(text), XPV_EINVAL);
	text[3073] = '\0';
	assert_int_equal(xs_path_check(text), XPV_EINVAL);
	text[3072] = '\0';
	assert_int_equal(xs_path_check(text), XS_PATH_ABSOLUTE);
	text[0] = 'a';
	assert_int_equal(xs_name_check(text), 0);
	text[3072] = 'a';
	assert_int_equal(xs_name_check(text), XPV_EINVAL);
	text[2049] = '\0';
	assert_int_equal(xs_path_check(text), XPV_EINVAL);
	text[2048] = '\0';
	assert_int_equal(xs_path_check(text), XS_PATH_RELATIVE);
	assert_int_equal(xs_name_check(""), XPV_EINVAL);
	assert_int_equal(xs_name_check("a/b"), XPV_EINVAL);
	assert_int_equal(xs_path_depth("/a", "/a"), 0);
	assert_int_equal(xs_path_depth("/a", "/a/b"), 1);
	assert_int_equal(xs_path_depth("/a", "/a/b/c"), 2);
	assert_int_equal(xs_path_depth("/a", "/ab"), XPV_ENOENT);
	assert_int_equal(xs_path_depth("/a/b", "/a"), XPV_ENOENT);
	assert_int_equal(xs_path_depth("/", "/a"), 1);
	assert_int_equal(xs_path_depth("/", "/a/b"), 2);
	assert_int_equal(xs_path_depth("", "a"), XPV_ENOENT);
}

static void lists(void **state)
{
	const char *name, *s[2];
	size_t pos = 0, rest;
	struct xs_part part;

	(void)state;
	assert_int_equal(xs_list_next("a\0bc\0", 5, &pos, &name), 1);
	assert_string_equal(name, "a");
	assert_int_equal(xs_list_next("a\0bc\0", 5, &pos, &name), 1);
	assert_string_equal(name, "bc");
	assert_int_equal(xs_list_next("a\0bc\0", 5, &pos, &name), 0);
	pos = 0;
	assert_int_equal(xs_list_next("abc", 3, &pos, &name), XPV_EPROTO);
	assert_int_equal(xs_list_next("\0", 1, &pos, &name), XPV_EPROTO);
	assert_int_equal(xs_list_next("../x\0", 5, &pos, &name), XPV_EPROTO);
	assert_int_equal(xs_strings("a\0b\0c", 5, s, 2, &rest), 2);
	assert_int_equal(rest, 4);
	assert_int_equal(xs_strings("a\0b", 3, s, 2, NULL), 1);

	assert_int_equal(xs_parse_part("12\0a\0b\0", 7, &part), 0);
	assert_int_equal(part.generation, 12);
	assert_int_equal(part.len, 4);
	assert_false(part.last);
	assert_int_equal(xs_parse_part("12\0a\0\0", 6, &part), 0);
	assert_int_equal(part.len, 2);
	assert_true(part.last);
	assert_int_equal(xs_parse_part("12\0\0", 4, &part), 0);
	assert_int_equal(part.len, 0);
	assert_true(part.last);
	assert_int_equal(xs_parse_part("12\0ab", 5, &part), 0);
	assert_false(part.last);
	assert_int_equal(xs_parse_part("12\0", 3, &part), XPV_EPROTO);
	assert_int_equal(xs_parse_part("x\0a\0", 4, &part), XPV_EPROTO);
	assert_int_equal(xs_parse_part("12", 2, &part), XPV_EPROTO);
}

static void permissions(void **state)
{
	struct xs_perm p[2];
	static const char *const bad[] = {"n", "x1", "n-1", "n65536", "n1 "};
	size_t i;

	(void)state;
	assert_int_equal(xs_parse_perms("b1\0w0\0", 6, p, 2), 2);
	assert_int_equal(p[0].domid, 1);
	assert_int_equal(p[0].access, 'b');
	assert_int_equal(p[1].access, 'w');
	assert_int_equal(xs_parse_perms("n1\0r0\0r2\0", 9, p, 2), XPV_ENOMEM);
	assert_int_equal(xs_parse_perms("n1", 2, p, 2), XPV_EPROTO);
	assert_int_equal(xs_parse_perms("", 0, p, 2), XPV_EPROTO);
	for (i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_int_equal(
			xs_parse_perms(bad[i], strlen(bad[i]) + 1, p, 2),
			XPV_EPROTO);
	p[0].access = 'b';
	p[1].access = 'w';
	assert_true(xs_enc_set_perms(&out, "/a", p, 2) > 0);
}

static void events_and_transactions(void **state)
{
	const char *path, *token;
	uint32_t tx = 5;

	(void)state;
	assert_int_equal(xs_parse_event("/a\0t\0", 5, &path, &token), 0);
	assert_string_equal(path, "/a");
	assert_string_equal(token, "t");
	assert_int_equal(xs_parse_event("/a\0t", 4, &path, &token), XPV_EPROTO);
	assert_int_equal(xs_parse_tx("12\0", 3, &tx), 0);
	assert_int_equal(tx, 12);
	assert_int_equal(xs_parse_tx("0\0", 2, &tx), XPV_EPROTO);
	assert_int_equal(xs_parse_tx("x\0", 2, &tx), XPV_EPROTO);
	assert_int_equal(xs_parse_tx("1\0002\0", 4, &tx), XPV_EPROTO);
	assert_int_equal(xs_parse_tx("12", 2, &tx), XPV_EPROTO);
	assert_int_equal(tx, 12);
}

static void tokens(void **state)
{
	static const char *const bad[] = {"",
					  "t",
					  "x0123456789abcdef",
					  "t0123456789abcdeg",
					  "t0123456789abcde",
					  "t0123456789abcdef0",
					  "t0123456789ABCDEF"};
	static const uint64_t id[] = {0, 1, 0x0123456789abcdef, UINT64_MAX};
	char text[XS_TOKEN_MAX];
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(id); i++) {
		xs_token(text, id[i]);
		assert_int_equal(strlen(text), XS_TOKEN_MAX - 1);
		assert_int_equal(xs_parse_token(text, &v), 0);
		assert_true(v == id[i]);
	}
	for (i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_int_equal(xs_parse_token(bad[i], &v), XPV_EINVAL);
}

/* Everything that parses a payload, on memory that ends where it ends. */
static void parse_all(const char *p, size_t len)
{
	struct xs_perm perm[3];
	struct xs_part part;
	const char *a, *b;
	size_t pos = 0, last = 0;
	uint32_t v;
	uint64_t w;

	(void)!xs_parse_u32(p, len, &v);
	(void)!xs_parse_u64(p, len, &w);
	(void)xs_err_parse(p, len);
	(void)xs_parse_perms(p, len, perm, 3);
	(void)!xs_parse_part(p, len, &part);
	(void)!xs_parse_event(p, len, &a, &b);
	(void)!xs_parse_tx(p, len, &v);
	while (xs_list_next(p, len, &pos, &a) > 0) {
		assert_true(pos > last && pos <= len);
		last = pos;
	}
}

static void a_million_random_messages(void **state)
{
	static const char alphabet[] = "0129nrwbaz/@-\0\0\0\0 \xff:";
	uint64_t seed = 1;
	struct xs_reader r;
	uint32_t i, n;

	(void)state;
	xs_reader_init(&r);
	for (i = 0; i < 1000000; i++) {
		uint8_t b[40], *p;
		size_t used, len;
		struct xs_msg m;

		for (n = 0; n < sizeof(b); n++) {
			seed = seed * 6364136223846793005u + 1;
			b[n] = (uint8_t)(seed >> 33);
			if (n >= 16)
				b[n] = (uint8_t)alphabet[b[n] % 20];
		}
		len = b[0] % 24;
		/* A heap block of exactly this size: ASan sees one byte off. */
		p = malloc(len ? len : 1);
		assert_non_null(p);
		memcpy(p, b + 16, len);
		parse_all((const char *)p, len);
		free(p);
		/* Mostly lengths that can be, in a header of random bytes. */
		if (b[1] & 15)
			b[13] = b[14] = b[15] = 0;
		n = 0;
		while (n < sizeof(b)) {
			int rc = xs_reader_feed(&r, b + n, sizeof(b) - n, &used,
						&m);

			n += (uint32_t)used;
			if (rc < 0)
				xs_reader_init(&r);
			if (rc <= 0)
				break;
			assert_true(m.len <= WIRE_XS_PAYLOAD_MAX);
			assert_int_equal(m.payload[m.len], 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(refusals),
		cmocka_unit_test(any_division),
		cmocka_unit_test(hostile_lengths),
		cmocka_unit_test(numbers),
		cmocka_unit_test(errors),
		cmocka_unit_test(paths),
		cmocka_unit_test(lists),
		cmocka_unit_test(permissions),
		cmocka_unit_test(events_and_transactions),
		cmocka_unit_test(tokens),
		cmocka_unit_test(a_million_random_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
