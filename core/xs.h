/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore protocol as a codec: bytes into messages, messages into bytes,
 * and the small texts inside them (paths, numbers, permissions, error names).
 * It serves a client and a server alike, over a socket, a device or the
 * shared page; it does no I/O and remembers nothing but a half-read message.
 *
 *     request  = xs_enc_*()  -> bytes -> xs_reader_feed() -> xs_strings()
 *     reply    = xs_enc_reply()/_error()/_event() -> ... -> xs_parse_*()
 *
 * Wire format: Xen's public/io/xs_wire.h and docs/misc/xenstore.txt. Names
 * that libxenstore exports (xs_read, xs_watch, ...) are avoided here, because a
 * program may have both.
 *
 * Every function may be called in any context. Errors are enum xpv_err.
 */
#ifndef CORE_XS_H
#define CORE_XS_H

#include "wire/xs.h"

/* A whole message: header and the largest payload. */
#define XS_MSG_MAX (sizeof(struct wire_xs_hdr) + WIRE_XS_PAYLOAD_MAX)

/* --------------------------------------------------------------- numbers */

/*
 * xs_parse_u32 - the decimal number that the @len bytes at @s are
 *
 * The whole of them, at least one digit, nothing but digits: no sign, blank or
 * NUL. Leading zeros are allowed. Nodes of a guest may hold anything.
 *
 * Return: 0, and the number in @out; XPV_EINVAL (@out is left alone) if it is
 * no such number or does not fit.
 */
int xs_parse_u32(const char *s, size_t len, uint32_t *out) XPV_MUST_CHECK;

/* xs_parse_u64 - as xs_parse_u32(), for 64 bits. */
int xs_parse_u64(const char *s, size_t len, uint64_t *out) XPV_MUST_CHECK;

/* Room that any 64-bit number needs in decimal, with its NUL. */
#define XS_NUM_MAX 21

/* xs_format_u64 - @v in decimal at @out with a NUL. Return: digits. */
size_t xs_format_u64(char out[XS_NUM_MAX], uint64_t v);

/* ---------------------------------------------------------------- errors */

/* The errors of xs_wire.h, in its order. */
enum xs_err {
	XS_ERR_EINVAL,
	XS_ERR_EACCES,
	XS_ERR_EEXIST,
	XS_ERR_EISDIR,
	XS_ERR_ENOENT,
	XS_ERR_ENOMEM,
	XS_ERR_ENOSPC,
	XS_ERR_EIO,
	XS_ERR_ENOTEMPTY,
	XS_ERR_ENOSYS,
	XS_ERR_EROFS,
	XS_ERR_EBUSY,
	XS_ERR_EAGAIN,
	XS_ERR_EISCONN,
	XS_ERR_E2BIG,
	XS_ERR_EPERM,
	XS_ERR_COUNT,
};

/* xs_err_name - the name on the wire ("ENOENT"); "EIO" for other numbers. */
const char *xs_err_name(enum xs_err err);

/*
 * xs_err_parse - the number of the name in an ERROR's payload
 * @s: @len bytes, with or without the NUL at the end
 *
 * Return: the number; XS_ERR_EIO for an unknown name.
 */
enum xs_err xs_err_parse(const char *s, size_t len);

/* xs_err_to_xpv - the nearest of enum xpv_err. */
enum xpv_err xs_err_to_xpv(enum xs_err err);

/* xs_err_from_xpv - what to answer for a negative enum xpv_err; XS_ERR_EIO for
 * what has no counterpart. */
enum xs_err xs_err_from_xpv(int err);

/* ----------------------------------------------------------------- paths */

enum xs_path_kind {
	XS_PATH_ABSOLUTE, /* "/local/domain/0/name", "/" */
	XS_PATH_RELATIVE, /* "device/vbd": below the own domain's path */
	XS_PATH_SPECIAL,  /* "@introduceDomain": for watches only */
};

/*
 * xs_path_check - is this string a path, and of which kind?
 * @path: NUL-terminated; never read past WIRE_XS_ABS_PATH_MAX + 1 bytes
 *
 * Letters, digits and "-_@", in components of at least one character that are
 * divided by '/'; no '/' at the end, except in "/"; at most 3072 characters
 * when absolute, 2048 when relative (xenstore.txt; xs_wire.h).
 *
 * Return: an enum xs_path_kind; XPV_EINVAL.
 */
int xs_path_check(const char *path);

/* xs_name_check - is this one component of a path? 0 or XPV_EINVAL. */
int xs_name_check(const char *name);

/*
 * xs_path_depth - how far below @base is @path?
 *
 * Return: 0 if they are equal, 1 for a child, and so on; XPV_ENOENT if @path
 * is not at or below @base.
 */
int xs_path_depth(const char *base, const char *path);

/* ----------------------------------------------------------- permissions */

enum xs_access {
	XS_ACCESS_NONE = 'n',
	XS_ACCESS_READ = 'r',
	XS_ACCESS_WRITE = 'w',
	XS_ACCESS_BOTH = 'b',
};

/* The first of a list names the owner, and what all others may do. */
struct xs_perm {
	uint32_t domid; /* at most 65535 */
	char access;	/* enum xs_access */
};

/*
 * xs_parse_perms - the list in the payload of GET_PERMS' reply, or in the rest
 * of SET_PERMS' after the path
 * @max: entries @out has room for
 *
 * Return: entries, at least 1; XPV_EPROTO if it is not such a list; XPV_ENOMEM
 * if there are more than @max.
 */
int xs_parse_perms(const char *s, size_t len, struct xs_perm *out, size_t max);

/* -------------------------------------------------------------- encoding */

/*
 * Where a message goes and what it is called. All xs_enc_*() return the bytes
 * written, header included, or:
 * XPV_EINVAL  a path, number or string is not allowed
 * XPV_ENOSPC  the payload is larger than WIRE_XS_PAYLOAD_MAX
 * XPV_ENOMEM  it does not fit in @room
 * and then @buf may hold anything. Strings are NUL-terminated.
 */
struct xs_out {
	void *buf;
	size_t room;	 /* bytes at buf; XS_MSG_MAX is always enough */
	uint32_t req_id; /* requests: chosen; replies: that of the request */
	uint32_t tx_id;	 /* 0: none */
};

/* xs_enc_path - a request that is only a path: DIRECTORY, READ, GET_PERMS,
 * MKDIR, RM. */
int xs_enc_path(const struct xs_out *o, enum wire_xs_type type,
		const char *path) XPV_MUST_CHECK;

/* xs_enc_directory_part - children from byte @offset of the list on. */
int xs_enc_directory_part(const struct xs_out *o, const char *path,
			  uint32_t offset) XPV_MUST_CHECK;

/* xs_enc_write - @value may hold any @len bytes. */
int xs_enc_write(const struct xs_out *o, const char *path, const void *value,
		 size_t len) XPV_MUST_CHECK;

/* xs_enc_set_perms - @n entries, at least one. */
int xs_enc_set_perms(const struct xs_out *o, const char *path,
		     const struct xs_perm *perm, size_t n) XPV_MUST_CHECK;

/* xs_enc_watch - @depth negative: none is sent (else the server must have
 * WIRE_XS_FEATURE_WATCHDEPTH). A special path is allowed. */
int xs_enc_watch(const struct xs_out *o, const char *path, const char *token,
		 int depth) XPV_MUST_CHECK;

int xs_enc_unwatch(const struct xs_out *o, const char *path,
		   const char *token) XPV_MUST_CHECK;

/* xs_enc_begin - TRANSACTION_START; o->tx_id must be 0. */
int xs_enc_begin(const struct xs_out *o) XPV_MUST_CHECK;

/* xs_enc_end - TRANSACTION_END of o->tx_id. */
int xs_enc_end(const struct xs_out *o, bool commit) XPV_MUST_CHECK;

/* xs_enc_domid - a request that is only a domain: GET_DOMAIN_PATH,
 * IS_DOMAIN_INTRODUCED, RELEASE, RESUME, GET_FEATURE. */
int xs_enc_domid(const struct xs_out *o, enum wire_xs_type type,
		 uint32_t domid) XPV_MUST_CHECK;

int xs_enc_introduce(const struct xs_out *o, uint32_t domid, uint64_t gfn,
		     uint32_t evtchn) XPV_MUST_CHECK;

/* xs_enc_reset_watches - forget all watches and transactions of this client. */
int xs_enc_reset_watches(const struct xs_out *o) XPV_MUST_CHECK;

/* xs_enc_reply - any reply: @len bytes as they are. */
int xs_enc_reply(const struct xs_out *o, enum wire_xs_type type,
		 const void *payload, size_t len) XPV_MUST_CHECK;

/* xs_enc_ok - the reply of what has no other. */
int xs_enc_ok(const struct xs_out *o, enum wire_xs_type type) XPV_MUST_CHECK;

int xs_enc_error(const struct xs_out *o, enum xs_err err) XPV_MUST_CHECK;

/* xs_enc_event - WATCH_EVENT; ids are sent as 0. */
int xs_enc_event(const struct xs_out *o, const char *path,
		 const char *token) XPV_MUST_CHECK;

/* -------------------------------------------------------------- decoding */

/* A whole message. */
struct xs_msg {
	uint32_t type; /* enum wire_xs_type, or any number */
	uint32_t req_id;
	uint32_t tx_id;
	uint32_t len;	     /* bytes of payload, at most WIRE_XS_PAYLOAD_MAX */
	const char *payload; /* inside the reader, with a NUL after it */
};

/* A half-read message. The members are the reader's own. */
struct xs_reader {
	uint32_t have; /* bytes in buf */
	bool broken;
	uint8_t buf[XS_MSG_MAX + 1];
};

void xs_reader_init(struct xs_reader *r);

/*
 * xs_reader_feed - take bytes until a message is whole
 * @p: @n bytes, in any division
 * @used: bytes that were taken; give the rest again in the next call
 * @msg: the message, if there is one; valid until the next call
 *
 * Return: 1 a message is in @msg; 0 all @n bytes were taken, more are needed;
 * XPV_EPROTO the header claims more than WIRE_XS_PAYLOAD_MAX: from then on the
 * stream has no meaning, and every further call says the same.
 */
int xs_reader_feed(struct xs_reader *r, const void *p, size_t n, size_t *used,
		   struct xs_msg *msg) XPV_MUST_CHECK;

/* xs_reader_empty - is no message half read? (End of stream is clean then.) */
bool xs_reader_empty(const struct xs_reader *r);

/*
 * xs_strings - the NUL-terminated strings that a payload begins with
 * @out: pointers into @payload
 * @max: how many are wanted
 * @rest: offset of what follows them; may be NULL
 *
 * Return: how many there are, at most @max. Bytes after the last NUL are no
 * string.
 */
size_t xs_strings(const char *payload, size_t len, const char **out, size_t max,
		  size_t *rest);

/*
 * xs_list_next - the next name in a list of children
 * @pos: offset of it; 0 at first
 *
 *     for (pos = 0; (rc = xs_list_next(p, len, &pos, &name)) > 0;)
 *
 * Return: 1 and @name; 0 at the end; XPV_EPROTO if it is no list of names.
 */
int xs_list_next(const char *payload, size_t len, size_t *pos,
		 const char **name) XPV_MUST_CHECK;

/* A part of a directory: DIRECTORY_PART's reply. */
struct xs_part {
	uint64_t generation; /* differs from the last part's: begin again */
	const char *names;   /* for xs_list_next() */
	size_t len; /* bytes of names; the next offset is this further */
	bool last;
};

/* xs_parse_part - Return: 0; XPV_EPROTO. */
int xs_parse_part(const char *payload, size_t len,
		  struct xs_part *part) XPV_MUST_CHECK;

/* xs_parse_event - path and token of a WATCH_EVENT. Return: 0; XPV_EPROTO. */
int xs_parse_event(const char *payload, size_t len, const char **path,
		   const char **token) XPV_MUST_CHECK;

/*
 * xs_parse_tx - the transaction in TRANSACTION_START's reply
 *
 * Return: 0 and the number, which is not 0; XPV_EPROTO.
 */
int xs_parse_tx(const char *payload, size_t len, uint32_t *tx) XPV_MUST_CHECK;

/* Room for a token of xs_token(), with its NUL. */
#define XS_TOKEN_MAX 18

/* xs_token - a watch token that carries @id: 't' and 16 hexadecimal digits. */
void xs_token(char out[XS_TOKEN_MAX], uint64_t id);

/* xs_parse_token - the id in a token of xs_token(). Return: 0; XPV_EINVAL if
 * it is not one of ours. */
int xs_parse_token(const char *token, uint64_t *id) XPV_MUST_CHECK;

#endif
