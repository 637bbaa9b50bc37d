/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore codec; see xs.h.
 */
#include "core/xs.h"

static size_t text_len(const char *s, size_t max)
{
	size_t n;

	for (n = 0; n < max && s[n]; n++)
		;
	return n;
}

/* --------------------------------------------------------------- numbers */

int xs_parse_u64(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (len == 0)
		return XPV_EINVAL;
	for (i = 0; i < len; i++) {
		uint32_t digit = (uint32_t)(unsigned char)s[i] - '0';

		if (digit > 9)
			return XPV_EINVAL;
		if (v > (UINT64_MAX - digit) / 10)
			return XPV_EINVAL;
		v = v * 10 + digit;
	}
	*out = v;
	return 0;
}

int xs_parse_u32(const char *s, size_t len, uint32_t *out)
{
	uint64_t v;

	if (xs_parse_u64(s, len, &v) < 0 || v > UINT32_MAX)
		return XPV_EINVAL;
	*out = (uint32_t)v;
	return 0;
}

size_t xs_format_u64(char out[XS_NUM_MAX], uint64_t v)
{
	char digit[XS_NUM_MAX];
	size_t n = 0, i;

	do {
		digit[n++] = (char)('0' + (char)(v % 10));
		v /= 10;
	} while (v);
	for (i = 0; i < n; i++)
		out[i] = digit[n - 1 - i];
	out[n] = '\0';
	return n;
}

/* ---------------------------------------------------------------- errors */

/*
 * Names as arrays, not pointers: a table of pointers has relocations and so
 * would be writable data. EISDIR, ENOTEMPTY and E2BIG have no number of ours;
 * all three say that the request does not fit what is there.
 */
static const struct {
	char name[12];
	int8_t xpv;
} errors[XS_ERR_COUNT] = {
	[XS_ERR_EINVAL] = {"EINVAL", XPV_EINVAL},
	[XS_ERR_EACCES] = {"EACCES", XPV_EACCES},
	[XS_ERR_EEXIST] = {"EEXIST", XPV_EEXIST},
	[XS_ERR_EISDIR] = {"EISDIR", XPV_EINVAL},
	[XS_ERR_ENOENT] = {"ENOENT", XPV_ENOENT},
	[XS_ERR_ENOMEM] = {"ENOMEM", XPV_ENOMEM},
	[XS_ERR_ENOSPC] = {"ENOSPC", XPV_ENOSPC},
	[XS_ERR_EIO] = {"EIO", XPV_EIO},
	[XS_ERR_ENOTEMPTY] = {"ENOTEMPTY", XPV_EINVAL},
	[XS_ERR_ENOSYS] = {"ENOSYS", XPV_ENOTSUP},
	[XS_ERR_EROFS] = {"EROFS", XPV_EROFS},
	[XS_ERR_EBUSY] = {"EBUSY", XPV_EBUSY},
	[XS_ERR_EAGAIN] = {"EAGAIN", XPV_EAGAIN},
	[XS_ERR_EISCONN] = {"EISCONN", XPV_EEXIST},
	[XS_ERR_E2BIG] = {"E2BIG", XPV_EINVAL},
	[XS_ERR_EPERM] = {"EPERM", XPV_EACCES},
};

const char *xs_err_name(enum xs_err err)
{
	if ((uint32_t)err >= XS_ERR_COUNT)
		err = XS_ERR_EIO;
	return errors[err].name;
}

enum xs_err xs_err_parse(const char *s, size_t len)
{
	uint32_t i;

	len = text_len(s, len);
	for (i = 0; i < XS_ERR_COUNT; i++)
		if (len == text_len(errors[i].name, sizeof(errors[i].name)) &&
		    !xpv_differ(s, errors[i].name, len))
			return (enum xs_err)i;
	return XS_ERR_EIO;
}

enum xpv_err xs_err_to_xpv(enum xs_err err)
{
	if ((uint32_t)err >= XS_ERR_COUNT)
		return XPV_EIO;
	return (enum xpv_err)errors[err].xpv;
}

enum xs_err xs_err_from_xpv(int err)
{
	uint32_t i;

	/* The first match is the plain one: see the order of the table. */
	for (i = 0; i < XS_ERR_COUNT; i++)
		if (errors[i].xpv == err)
			return (enum xs_err)i;
	return XS_ERR_EIO;
}

/* ----------------------------------------------------------------- paths */

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '@';
}

int xs_path_check(const char *path)
{
	enum xs_path_kind kind = XS_PATH_RELATIVE;
	size_t max = WIRE_XS_REL_PATH_MAX;
	size_t i;

	if (path[0] == '/') {
		if (path[1] == '\0')
			return XS_PATH_ABSOLUTE;
		kind = XS_PATH_ABSOLUTE;
		max = WIRE_XS_ABS_PATH_MAX;
	} else if (path[0] == '@') {
		kind = XS_PATH_SPECIAL;
	}
	for (i = 0; path[i]; i++) {
		if (i == max)
			return XPV_EINVAL;
		if (name_char(path[i]))
			continue;
		if (path[i] != '/' || path[i + 1] == '/' || !path[i + 1])
			return XPV_EINVAL;
	}
	return i ? (int)kind : XPV_EINVAL;
}

int xs_name_check(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (i == WIRE_XS_ABS_PATH_MAX || !name_char(name[i]))
			return XPV_EINVAL;
	return i ? 0 : XPV_EINVAL;
}

int xs_path_depth(const char *base, const char *path)
{
	int depth = 0;
	size_t i;

	for (i = 0; base[i]; i++)
		if (path[i] != base[i])
			return XPV_ENOENT;
	if (!path[i])
		return 0;
	/* "/" is the one base that ends in the slash itself. */
	if (i > 0 && base[i - 1] == '/')
		i--;
	if (path[i] != '/')
		return XPV_ENOENT;
	for (; path[i]; i++)
		depth += path[i] == '/';
	return depth;
}

/* -------------------------------------------------------------- encoding */

#define DOMID_MAX 65535u

/* A message that grows. Nothing is written once `err` is set. */
struct build {
	uint8_t *buf;
	size_t room;
	size_t len; /* header included */
	int err;
};

static struct build start(const struct xs_out *o)
{
	struct build b = {
		.buf = (uint8_t *)o->buf,
		.room = o->room,
		.len = sizeof(struct wire_xs_hdr),
	};

	if (b.room < b.len)
		b.err = XPV_ENOMEM;
	return b;
}

static void put(struct build *b, const void *p, size_t n)
{
	if (b->err)
		return;
	if (n > XS_MSG_MAX - b->len) {
		b->err = XPV_ENOSPC;
		return;
	}
	if (n > b->room - b->len) {
		b->err = XPV_ENOMEM;
		return;
	}
	if (n)
		xpv_copy(b->buf + b->len, p, n);
	b->len += n;
}

/* A string with its NUL. */
static void put_text(struct build *b, const char *s)
{
	/* Never looks further than what fits; put() refuses the rest. */
	put(b, s, text_len(s, WIRE_XS_PAYLOAD_MAX) + 1);
}

static void put_path(struct build *b, const char *path, bool special)
{
	int kind = xs_path_check(path);

	if (kind < 0 || (kind == XS_PATH_SPECIAL && !special)) {
		b->err = XPV_EINVAL;
		return;
	}
	put_text(b, path);
}

static void put_number(struct build *b, uint64_t v)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, v);
	put_text(b, text);
}

static void put_domid(struct build *b, uint32_t domid)
{
	if (domid > DOMID_MAX)
		b->err = XPV_EINVAL;
	put_number(b, domid);
}

static int finish(struct build *b, const struct xs_out *o,
		  enum wire_xs_type type)
{
	struct wire_xs_hdr hdr = {
		.type = (uint32_t)type,
		.req_id = o->req_id,
		.tx_id = o->tx_id,
	};

	if (b->err)
		return b->err;
	hdr.len = (uint32_t)(b->len - sizeof(hdr));
	xpv_copy(b->buf, &hdr, sizeof(hdr));
	return (int)b->len;
}

int xs_enc_path(const struct xs_out *o, enum wire_xs_type type,
		const char *path)
{
	struct build b = start(o);

	put_path(&b, path, false);
	return finish(&b, o, type);
}

int xs_enc_directory_part(const struct xs_out *o, const char *path,
			  uint32_t offset)
{
	struct build b = start(o);

	put_path(&b, path, false);
	put_number(&b, offset);
	return finish(&b, o, WIRE_XS_DIRECTORY_PART);
}

int xs_enc_write(const struct xs_out *o, const char *path, const void *value,
		 size_t len)
{
	struct build b = start(o);

	put_path(&b, path, false);
	put(&b, value, len);
	return finish(&b, o, WIRE_XS_WRITE);
}

int xs_enc_set_perms(const struct xs_out *o, const char *path,
		     const struct xs_perm *perm, size_t n)
{
	struct build b = start(o);
	size_t i;

	put_path(&b, path, true);
	if (n == 0)
		b.err = XPV_EINVAL;
	for (i = 0; i < n && !b.err; i++) {
		char c = perm[i].access;

		if (c != XS_ACCESS_NONE && c != XS_ACCESS_READ &&
		    c != XS_ACCESS_WRITE && c != XS_ACCESS_BOTH)
			b.err = XPV_EINVAL;
		put(&b, &c, 1);
		put_domid(&b, perm[i].domid);
	}
	return finish(&b, o, WIRE_XS_SET_PERMS);
}

int xs_enc_watch(const struct xs_out *o, const char *path, const char *token,
		 int depth)
{
	struct build b = start(o);

	put_path(&b, path, true);
	put_text(&b, token);
	if (depth >= 0)
		put_number(&b, (uint64_t)depth);
	return finish(&b, o, WIRE_XS_WATCH);
}

int xs_enc_unwatch(const struct xs_out *o, const char *path, const char *token)
{
	struct build b = start(o);

	put_path(&b, path, true);
	put_text(&b, token);
	return finish(&b, o, WIRE_XS_UNWATCH);
}

int xs_enc_begin(const struct xs_out *o)
{
	struct build b = start(o);

	if (o->tx_id != 0)
		b.err = XPV_EINVAL;
	put_text(&b, "");
	return finish(&b, o, WIRE_XS_TRANSACTION_START);
}

int xs_enc_end(const struct xs_out *o, bool commit)
{
	struct build b = start(o);

	put_text(&b, commit ? "T" : "F");
	return finish(&b, o, WIRE_XS_TRANSACTION_END);
}

int xs_enc_domid(const struct xs_out *o, enum wire_xs_type type, uint32_t domid)
{
	struct build b = start(o);

	put_domid(&b, domid);
	return finish(&b, o, type);
}

int xs_enc_introduce(const struct xs_out *o, uint32_t domid, uint64_t gfn,
		     uint32_t evtchn)
{
	struct build b = start(o);

	put_domid(&b, domid);
	put_number(&b, gfn);
	put_number(&b, evtchn);
	return finish(&b, o, WIRE_XS_INTRODUCE);
}

int xs_enc_reset_watches(const struct xs_out *o)
{
	struct build b = start(o);

	put_text(&b, "");
	return finish(&b, o, WIRE_XS_RESET_WATCHES);
}

int xs_enc_reply(const struct xs_out *o, enum wire_xs_type type,
		 const void *payload, size_t len)
{
	struct build b = start(o);

	put(&b, payload, len);
	return finish(&b, o, type);
}

int xs_enc_ok(const struct xs_out *o, enum wire_xs_type type)
{
	return xs_enc_reply(o, type, "OK", 3);
}

int xs_enc_error(const struct xs_out *o, enum xs_err err)
{
	struct build b = start(o);

	put_text(&b, xs_err_name(err));
	return finish(&b, o, WIRE_XS_ERROR);
}

int xs_enc_event(const struct xs_out *o, const char *path, const char *token)
{
	struct xs_out to = {.buf = o->buf, .room = o->room};
	struct build b = start(&to);

	put_path(&b, path, true);
	put_text(&b, token);
	return finish(&b, &to, WIRE_XS_WATCH_EVENT);
}

/* -------------------------------------------------------------- decoding */

void xs_reader_init(struct xs_reader *r)
{
	r->have = 0;
	r->broken = false;
}

/* Fill the buffer up to `want` bytes; true when they are there. */
static bool fill(struct xs_reader *r, size_t want, const uint8_t *p, size_t n,
		 size_t *used)
{
	size_t take = want - r->have;

	if (take > n - *used)
		take = n - *used;
	if (take)
		xpv_copy(r->buf + r->have, p + *used, take);
	*used += take;
	r->have += (uint32_t)take;
	return r->have == want;
}

int xs_reader_feed(struct xs_reader *r, const void *p, size_t n, size_t *used,
		   struct xs_msg *msg)
{
	struct wire_xs_hdr hdr;

	*used = 0;
	if (r->broken)
		return XPV_EPROTO;
	if (r->have < sizeof(hdr) &&
	    !fill(r, sizeof(hdr), (const uint8_t *)p, n, used))
		return 0;
	xpv_copy(&hdr, r->buf, sizeof(hdr));
	if (hdr.len > WIRE_XS_PAYLOAD_MAX) {
		r->broken = true;
		return XPV_EPROTO;
	}
	if (!fill(r, sizeof(hdr) + hdr.len, (const uint8_t *)p, n, used))
		return 0;
	r->buf[r->have] = '\0';
	r->have = 0;
	msg->type = hdr.type;
	msg->req_id = hdr.req_id;
	msg->tx_id = hdr.tx_id;
	msg->len = hdr.len;
	msg->payload = (const char *)r->buf + sizeof(hdr);
	return 1;
}

bool xs_reader_empty(const struct xs_reader *r)
{
	/* A broken one keeps the header that broke it. */
	return r->have == 0;
}

size_t xs_strings(const char *payload, size_t len, const char **out, size_t max,
		  size_t *rest)
{
	size_t pos = 0, n = 0;

	while (n < max) {
		size_t l = text_len(payload + pos, len - pos);

		if (l == len - pos)
			break;
		out[n++] = payload + pos;
		pos += l + 1;
	}
	if (rest)
		*rest = pos;
	return n;
}

int xs_list_next(const char *payload, size_t len, size_t *pos,
		 const char **name)
{
	const char *s;
	size_t rest;

	if (*pos >= len)
		return 0;
	if (xs_strings(payload + *pos, len - *pos, &s, 1, &rest) != 1 ||
	    xs_name_check(s) < 0)
		return XPV_EPROTO;
	*pos += rest;
	*name = s;
	return 1;
}

int xs_parse_part(const char *payload, size_t len, struct xs_part *part)
{
	const char *gen;
	size_t rest;

	if (xs_strings(payload, len, &gen, 1, &rest) != 1 ||
	    xs_parse_u64(gen, rest - 1, &part->generation) < 0)
		return XPV_EPROTO;
	part->names = payload + rest;
	part->len = len - rest;
	/* The end is one empty name, after the others or alone. */
	part->last = part->len > 0 && part->names[part->len - 1] == '\0' &&
		     (part->len == 1 || part->names[part->len - 2] == '\0');
	if (part->last)
		part->len--;
	/* A part without a name that is not the last would never end. */
	if (part->len == 0 && !part->last)
		return XPV_EPROTO;
	return 0;
}

int xs_parse_event(const char *payload, size_t len, const char **path,
		   const char **token)
{
	const char *s[2];

	if (xs_strings(payload, len, s, 2, NULL) != 2)
		return XPV_EPROTO;
	*path = s[0];
	*token = s[1];
	return 0;
}

int xs_parse_tx(const char *payload, size_t len, uint32_t *tx)
{
	const char *s;
	size_t rest;
	uint32_t v;

	if (xs_strings(payload, len, &s, 1, &rest) != 1 || rest != len ||
	    xs_parse_u32(s, len - 1, &v) < 0 || v == 0)
		return XPV_EPROTO;
	*tx = v;
	return 0;
}

int xs_parse_perms(const char *s, size_t len, struct xs_perm *out, size_t max)
{
	size_t pos = 0, n = 0;

	while (pos < len) {
		const char *t;
		size_t rest;
		uint32_t domid;

		if (xs_strings(s + pos, len - pos, &t, 1, &rest) != 1 ||
		    rest < 3 || xs_parse_u32(t + 1, rest - 2, &domid) < 0 ||
		    domid > DOMID_MAX)
			return XPV_EPROTO;
		if (t[0] != XS_ACCESS_NONE && t[0] != XS_ACCESS_READ &&
		    t[0] != XS_ACCESS_WRITE && t[0] != XS_ACCESS_BOTH)
			return XPV_EPROTO;
		if (n == max)
			return XPV_ENOMEM;
		out[n].access = t[0];
		out[n++].domid = domid;
		pos += rest;
	}
	return n ? (int)n : XPV_EPROTO;
}

void xs_token(char out[XS_TOKEN_MAX], uint64_t id)
{
	uint32_t i;

	out[0] = 't';
	for (i = 0; i < 16; i++)
		out[1 + i] = "0123456789abcdef"[(id >> (60 - 4 * i)) & 15];
	out[17] = '\0';
}

int xs_parse_token(const char *token, uint64_t *id)
{
	uint64_t v = 0;
	uint32_t i;

	if (token[0] != 't')
		return XPV_EINVAL;
	for (i = 1; i < 17; i++) {
		char c = token[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return XPV_EINVAL;
	}
	if (token[17])
		return XPV_EINVAL;
	*id = v;
	return 0;
}
