/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore codec: any stream of bytes in any division, every parser over
 * what comes out of it, and every message that can be written read back as it
 * was meant.
 */
#include "core/xs.h"
#include "tests/fuzz/fuzz.h"

#define PERMS 8

/* A parsed number, written again, is the same; so is its shortest text. */
static void check_number(const char *s, size_t len)
{
	char text[XS_NUM_MAX];
	uint64_t v, w;
	uint32_t small;

	if (xs_parse_u64(s, len, &v) < 0) {
		FUZZ_CHECK(xs_parse_u32(s, len, &small) == XPV_EINVAL);
		return;
	}
	FUZZ_CHECK(xs_parse_u64(text, xs_format_u64(text, v), &w) == 0);
	FUZZ_CHECK(v == w);
	FUZZ_CHECK((xs_parse_u32(s, len, &small) == 0) == (v <= UINT32_MAX));
}

static void check_path(const char *s)
{
	int kind = xs_path_check(s);

	FUZZ_CHECK(xs_path_depth(s, s) == 0);
	if (kind == XS_PATH_ABSOLUTE)
		FUZZ_CHECK(xs_path_depth("/", s) >= (s[1] != '\0'));
	if (xs_name_check(s) == 0)
		FUZZ_CHECK(kind == XS_PATH_RELATIVE ||
			   kind == XS_PATH_SPECIAL ||
			   strlen(s) > WIRE_XS_REL_PATH_MAX);
}

static void check_perms(const char *s, size_t len)
{
	struct xs_perm perm[PERMS], again[PERMS];
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf)};
	const size_t head = sizeof(struct wire_xs_hdr) + sizeof("/p");
	int n = xs_parse_perms(s, len, perm, PERMS);
	int whole;

	if (n < 0)
		return;
	FUZZ_CHECK(n >= 1 && n <= PERMS);
	whole = xs_enc_set_perms(&o, "/p", perm, (size_t)n);
	FUZZ_CHECK(whole > 0);
	FUZZ_CHECK(xs_parse_perms((char *)buf + head, (size_t)whole - head,
				  again, PERMS) == n);
	for (int i = 0; i < n; i++)
		FUZZ_CHECK(perm[i].domid == again[i].domid &&
			   perm[i].access == again[i].access);
}

static void check_names(const char *s, size_t len)
{
	const char *name;
	size_t pos = 0, last;

	for (last = 0; xs_list_next(s, len, &pos, &name) == 1; last = pos)
		FUZZ_CHECK(pos > last && pos <= len && !xs_name_check(name));
}

/* Everything that looks into a payload; it lies in memory of its own. */
static void check_payload(const struct xs_msg *msg)
{
	const char *s[3], *path, *token;
	char *copy = malloc(msg->len + 1);
	char text[XS_TOKEN_MAX];
	struct xs_part part;
	size_t n, rest;
	uint64_t id;
	uint32_t tx;

	FUZZ_CHECK(copy && msg->payload[msg->len] == '\0');
	memcpy(copy, msg->payload, msg->len + 1);
	n = xs_strings(copy, msg->len, s, 3, &rest);
	FUZZ_CHECK(n <= 3 && rest <= msg->len);
	for (size_t i = 0; i < n; i++) {
		check_path(s[i]);
		if (xs_parse_token(s[i], &id) == 0) {
			xs_token(text, id);
			FUZZ_CHECK(!strcmp(text, s[i]));
		}
	}
	check_number(copy, msg->len);
	check_perms(copy, msg->len);
	check_names(copy, msg->len);
	FUZZ_CHECK((uint32_t)xs_err_parse(copy, msg->len) < XS_ERR_COUNT);
	if (xs_parse_part(copy, msg->len, &part) == 0)
		check_names(part.names, part.len);
	if (xs_parse_event(copy, msg->len, &path, &token) == 0)
		FUZZ_CHECK(token == path + strlen(path) + 1);
	if (xs_parse_tx(copy, msg->len, &tx) == 0)
		FUZZ_CHECK(tx != 0);
	free(copy);
}

/* One reader is given all at once, one in pieces: both say the same. */
static void read_stream(struct fuzz_in *in)
{
	static struct xs_reader whole, pieces;
	struct fuzz_in size = *in;
	size_t at = 0, used, n;
	struct xs_msg a, b;
	int rc, rc2;

	xs_reader_init(&whole);
	xs_reader_init(&pieces);
	do {
		rc = xs_reader_feed(&whole, in->p, in->left, &used, &a);
		FUZZ_CHECK(used <= in->left);
		in->p += used;
		in->left -= used;
		rc2 = 0;
		for (size_t end = at + used; rc2 == 0 && at < end; at += n) {
			n = 1 + fuzz_below(&size, 40);
			if (n > end - at)
				n = end - at;
			rc2 = xs_reader_feed(&pieces, in->p - (end - at), n, &n,
					     &b);
		}
		FUZZ_CHECK(rc == rc2);
		if (rc != 1)
			break;
		FUZZ_CHECK(a.type == b.type && a.len == b.len &&
			   a.req_id == b.req_id && a.tx_id == b.tx_id &&
			   !memcmp(a.payload, b.payload, a.len + 1));
		FUZZ_CHECK(xs_reader_empty(&whole));
		check_payload(&a);
	} while (in->left);
}

/* What was written, read. The room is of exactly the size. */
static void read_back(const uint8_t *buf, int len, uint32_t type,
		      const char *first, const char *second)
{
	static struct xs_reader r;
	struct xs_msg msg;
	const char *s[2];
	size_t used, want = second ? 2 : 1;

	if (len < 0)
		return;
	xs_reader_init(&r);
	FUZZ_CHECK(xs_reader_feed(&r, buf, (size_t)len, &used, &msg) == 1);
	FUZZ_CHECK(used == (size_t)len && msg.type == type);
	FUZZ_CHECK(xs_strings(msg.payload, msg.len, s, want, NULL) == want);
	FUZZ_CHECK(!strcmp(s[0], first));
	FUZZ_CHECK(!second || !strcmp(s[1], second));
	check_payload(&msg);
}

static void write_message(struct fuzz_in *in)
{
	uint32_t which = fuzz_below(in, 10), number = fuzz_u32(in);
	size_t room = fuzz_u8(in), n;
	char *path = fuzz_text(in, 4000), *token = fuzz_text(in, 300);
	uint8_t *value = fuzz_bytes(in, 5000, &n);
	/* Mostly room for all; at times for too little. */
	struct xs_out o = {.room = room < 200 ? XS_MSG_MAX : room};
	uint8_t *buf = o.buf = malloc(o.room);
	char text[XS_NUM_MAX];

	FUZZ_CHECK(buf);
	xs_format_u64(text, number);
	switch (which) {
	case 0:
		read_back(buf, xs_enc_path(&o, WIRE_XS_READ, path),
			  WIRE_XS_READ, path, NULL);
		break;
	case 1:
		read_back(buf, xs_enc_directory_part(&o, path, number),
			  WIRE_XS_DIRECTORY_PART, path, text);
		break;
	case 2:
		read_back(buf, xs_enc_write(&o, path, value, n), WIRE_XS_WRITE,
			  path, NULL);
		break;
	case 3:
		read_back(buf, xs_enc_watch(&o, path, token, (int)number),
			  WIRE_XS_WATCH, path, token);
		break;
	case 4:
		read_back(buf, xs_enc_unwatch(&o, path, token), WIRE_XS_UNWATCH,
			  path, token);
		break;
	case 5:
		read_back(buf, xs_enc_event(&o, path, token),
			  WIRE_XS_WATCH_EVENT, path, token);
		break;
	case 6:
		read_back(buf, xs_enc_domid(&o, WIRE_XS_RELEASE, number),
			  WIRE_XS_RELEASE, text, NULL);
		break;
	case 7:
		read_back(buf, xs_enc_error(&o, (enum xs_err)number),
			  WIRE_XS_ERROR, xs_err_name((enum xs_err)number),
			  NULL);
		break;
	case 8:
		if (xs_enc_reply(&o, WIRE_XS_READ, value, n) >= 0)
			FUZZ_CHECK(!memcmp(buf + sizeof(struct wire_xs_hdr),
					   value, n));
		break;
	default:
		read_back(buf, xs_enc_introduce(&o, number, number, number),
			  WIRE_XS_INTRODUCE, text, text);
		break;
	}
	free(buf);
	free(value);
	free(token);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};

	if (fuzz_u8(&in) % 2)
		write_message(&in);
	else
		read_stream(&in);
	return 0;
}
