/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of the xenstore server in the same process, for its tests: requests
 * in, the reply and the events that came out. Each message goes in and out in
 * pieces of another size.
 */
#ifndef TESTS_UNIT_TEST_XS_CLIENT_H
#define TESTS_UNIT_TEST_XS_CLIENT_H

#include <string.h>

#include "local/xs_server.h"

#define EVENTS 64

struct client {
	struct xs_conn *conn;
	struct xs_reader reader;
	uint32_t req_id, tx; /* of the next request, of all */
	/* of the last reply; err -1: none */
	int err;
	uint32_t type, len;
	char reply[WIRE_XS_PAYLOAD_MAX + 1];
	/* events since the last look */
	char event[EVENTS][256]; /* "PATH TOKEN" */
	uint32_t events;
};

static struct client *client_new(struct xs_server *s, uint32_t domid)
{
	struct client *c = calloc(1, sizeof(*c));

	c->conn = xs_server_connect(s, domid, domid == 0);
	xs_reader_init(&c->reader);
	return c;
}

static void client_free(struct client *c)
{
	xs_conn_close(c->conn);
	free(c);
}

static void client_message(struct client *c, const struct xs_msg *m)
{
	const char *path, *token;

	if (m->type == WIRE_XS_WATCH_EVENT) {
		assert_int_equal(m->req_id, 0);
		assert_int_equal(m->tx_id, 0);
		assert_int_equal(
			xs_parse_event(m->payload, m->len, &path, &token), 0);
		assert_true(c->events < EVENTS);
		snprintf(c->event[c->events++], sizeof(c->event[0]),
			 "%.200s %s", path, token);
		return;
	}
	assert_int_equal(c->err, -1); /* one reply to a request */
	assert_int_equal(m->req_id, c->req_id);
	assert_int_equal(m->tx_id, c->tx);
	c->type = m->type;
	c->len = m->len;
	memcpy(c->reply, m->payload, m->len + 1);
	c->err = 0;
	if (m->type == WIRE_XS_ERROR)
		c->err = 1 + (int)xs_err_parse(m->payload, m->len);
}

/* Take what the server has for this client. */
static void client_take(struct client *c)
{
	static size_t piece;
	const void *p;
	struct xs_msg m;
	size_t n, used;
	int rc;

	while ((n = xs_conn_output(c->conn, &p))) {
		piece = piece % 4113 + 1021;
		if (n > piece)
			n = piece;
		rc = xs_reader_feed(&c->reader, p, n, &used, &m);
		assert_true(rc >= 0);
		if (rc > 0)
			client_message(c, &m);
		xs_conn_sent(c->conn, used);
	}
}

/* Send bytes, and take what there is. */
static void client_send(struct client *c, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t n, at = 0;

	while (at < len && !xs_conn_dead(c->conn)) {
		n = len - at < 7 ? len - at : (at % 5 + 1) * 7;
		if (n > len - at)
			n = len - at;
		at += xs_conn_feed(c->conn, p + at, n);
		client_take(c);
	}
}

/* A request; returns 0 or 1 + enum xs_err. */
static int ask(struct client *c, uint32_t type, const void *payload, size_t len)
{
	struct wire_xs_hdr h = {type, ++c->req_id, c->tx, (uint32_t)len};
	uint8_t buf[XS_MSG_MAX];

	client_take(c);
	memcpy(buf, &h, sizeof(h));
	if (len)
		memcpy(buf + sizeof(h), payload, len);
	c->err = -1;
	client_send(c, buf, sizeof(h) + len);
	if (c->err == 0)
		assert_int_equal(c->type, type);
	return c->err;
}

/* Strings are an argument each, with their NULs. */
static int ask1(struct client *c, uint32_t type, const char *a)
{
	return ask(c, type, a, strlen(a) + 1);
}

static int ask2(struct client *c, uint32_t type, const char *a, const char *b)
{
	char buf[WIRE_XS_PAYLOAD_MAX];
	size_t n = strlen(a) + 1;

	memcpy(buf, a, n);
	strcpy(buf + n, b);
	return ask(c, type, buf, n + strlen(b) + 1);
}

static int ask3(struct client *c, uint32_t type, const char *a, const char *b,
		const char *d)
{
	char buf[WIRE_XS_PAYLOAD_MAX];
	size_t n = (size_t)sprintf(buf, "%s%c%s", a, 0, b) + 1;

	strcpy(buf + n, d);
	return ask(c, type, buf, n + strlen(d) + 1);
}

static int wr(struct client *c, const char *path, const char *value)
{
	char buf[WIRE_XS_PAYLOAD_MAX];
	size_t n = strlen(path) + 1;

	memcpy(buf, path, n);
	memcpy(buf + n, value, strlen(value));
	return ask(c, WIRE_XS_WRITE, buf, n + strlen(value));
}

static int rd(struct client *c, const char *path)
{
	return ask1(c, WIRE_XS_READ, path);
}

static int rm(struct client *c, const char *path)
{
	return ask1(c, WIRE_XS_RM, path);
}

static int ls(struct client *c, const char *path)
{
	return ask1(c, WIRE_XS_DIRECTORY, path);
}

static int mk(struct client *c, const char *path)
{
	return ask1(c, WIRE_XS_MKDIR, path);
}

static int watch(struct client *c, const char *path, const char *token)
{
	return ask2(c, WIRE_XS_WATCH, path, token);
}

static int chmod1(struct client *c, const char *path, const char *perm)
{
	return ask2(c, WIRE_XS_SET_PERMS, path, perm);
}

static int chmod2(struct client *c, const char *path, const char *perm,
		  const char *perm2)
{
	return ask3(c, WIRE_XS_SET_PERMS, path, perm, perm2);
}

/* Requests from now on are of this transaction. */
static void begin(struct client *c)
{
	assert_int_equal(ask1(c, WIRE_XS_TRANSACTION_START, ""), 0);
	assert_int_equal(xs_parse_tx(c->reply, c->len, &c->tx), 0);
}

static int end(struct client *c, const char *how)
{
	int err = ask1(c, WIRE_XS_TRANSACTION_END, how);

	c->tx = 0;
	return err;
}

/* The events that there are, "PATH TOKEN, PATH TOKEN"; forgets them. */
static const char *told(struct client *c)
{
	static char text[EVENTS * 256];
	uint32_t i;

	client_take(c);
	text[0] = '\0';
	for (i = 0; i < c->events; i++) {
		strcat(text, i ? ", " : "");
		strcat(text, c->event[i]);
	}
	c->events = 0;
	return text;
}

#endif
