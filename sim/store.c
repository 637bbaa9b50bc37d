/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/store.h"

#include <stdlib.h>
#include <string.h>

#include "local/xs_server.h"
#include "sim/world.h"

/* The last reply: its payload, with a NUL. */
static char reply[WIRE_XS_PAYLOAD_MAX + 1];
static uint32_t reply_len, reply_type;

void store_init(struct store *s, struct world *w)
{
	memset(s, 0, sizeof(*s));
	s->w = w;
	s->server = xs_server_new(NULL);
}

void store_fini(struct store *s)
{
	uint32_t i;

	for (i = 0; i < s->clients; i++)
		xs_conn_close(s->client[i].conn);
	xs_server_free(s->server);
	s->server = NULL;
}

static void deliver(void *ctx, uint32_t arg)
{
	struct store_client *c = ctx;

	(void)arg;
	c->planned = false;
	world_note(c->store->w, "watch", (uint64_t)(c - c->store->client), 0);
	c->changed(c->ctx);
}

static void event(struct store_client *c)
{
	struct world *w = c->store->w;
	uint64_t delay = rng_range(&w->rng, 1, 300) * US;

	if (c->planned)
		return;
	if (world_fault(w, FAULT_EVENT_LATE))
		delay += rng_below(&w->rng, 20) * MS;
	c->planned = true;
	world_at(w, delay, deliver, c, 0);
}

/* Take all that waits for C: events, and the reply if there is one. */
static void drain(struct store_client *c)
{
	struct xs_msg msg;
	const void *p;
	size_t n, used;
	int rc;

	while ((n = xs_conn_output(c->conn, &p)) > 0) {
		rc = xs_reader_feed(&c->reader, p, n, &used, &msg);
		if (rc < 0)
			world_fail(c->store->w, "store", "no protocol");
		if (rc > 0 && msg.type == WIRE_XS_WATCH_EVENT) {
			event(c);
		} else if (rc > 0) {
			reply_type = msg.type;
			reply_len = msg.len;
			memcpy(reply, msg.payload, msg.len);
			reply[msg.len] = '\0';
		}
		xs_conn_sent(c->conn, used);
	}
}

/* Send the LEN bytes in BUF and take the reply. Its error, or -1. */
static int call(struct store_client *c, const void *buf, int len)
{
	struct store *s = c->store;
	uint32_t i;

	if (len < 0)
		world_fail(s->w, "store", "a request cannot be made: %d", len);
	reply_type = WIRE_XS_INVALID;
	if (xs_conn_feed(c->conn, buf, (size_t)len) != (size_t)len)
		world_fail(s->w, "store", "a request is not taken");
	for (i = 0; i < s->clients; i++)
		if (&s->client[i] != c)
			drain(&s->client[i]);
	drain(c);
	if (reply_type == WIRE_XS_INVALID)
		world_fail(s->w, "store", "no reply");
	return reply_type == WIRE_XS_ERROR ? (int)xs_err_parse(reply, reply_len)
					   : -1;
}

static uint8_t buf[XS_MSG_MAX];

static struct xs_out out(const struct store_client *c)
{
	return (struct xs_out){
		.buf = buf, .room = sizeof(buf), .req_id = 1, .tx_id = c->tx};
}

struct store_client *store_client(struct store *s, uint32_t domid,
				  void (*changed)(void *ctx), void *ctx)
{
	struct store_client *c = &s->client[s->clients++];

	c->store = s;
	c->conn = xs_server_connect(s->server, domid, domid == 0);
	xs_reader_init(&c->reader);
	c->changed = changed;
	c->ctx = ctx;
	return c;
}

static void must(struct store_client *c, int err, const char *path)
{
	if (err >= 0)
		world_fail(c->store->w, "store", "%s: %s", path,
			   xs_err_name((enum xs_err)err));
}

void store_watch(struct store_client *c, const char *path)
{
	struct xs_out o = out(c);

	must(c, call(c, buf, xs_enc_watch(&o, path, "sim", -1)), path);
}

void store_begin(struct store_client *c)
{
	struct xs_out o = out(c);

	must(c, call(c, buf, xs_enc_begin(&o)), "begin");
	if (xs_parse_tx(reply, reply_len, &c->tx) < 0)
		world_fail(c->store->w, "store", "no transaction");
}

bool store_end(struct store_client *c, bool commit)
{
	struct xs_out o = out(c);
	int err = call(c, buf, xs_enc_end(&o, commit));

	c->tx = 0;
	if (err >= 0 && err != XS_ERR_EAGAIN)
		must(c, err, "end");
	return err < 0;
}

uint32_t store_read(struct store_client *c, const char *path)
{
	struct xs_out o = out(c);
	uint32_t v;

	if (call(c, buf, xs_enc_path(&o, WIRE_XS_READ, path)) >= 0 ||
	    xs_parse_u32(reply, reply_len, &v) < 0)
		return 0;
	return v;
}

bool store_there(struct store_client *c, const char *path)
{
	struct xs_out o = out(c);

	return call(c, buf, xs_enc_path(&o, WIRE_XS_READ, path)) < 0;
}

void store_write(struct store_client *c, const char *path, uint32_t value)
{
	struct xs_out o = out(c);
	char text[XS_NUM_MAX];
	size_t len = xs_format_u64(text, value);

	must(c, call(c, buf, xs_enc_write(&o, path, text, len)), path);
}

void store_rm(struct store_client *c, const char *path)
{
	struct xs_out o = out(c);
	int err = call(c, buf, xs_enc_path(&o, WIRE_XS_RM, path));

	if (err >= 0 && err != XS_ERR_ENOENT)
		must(c, err, path);
}

void store_dir(struct store *s, const char *path, uint32_t owner,
	       uint32_t reader)
{
	struct xs_perm perm[2] = {{owner, XS_ACCESS_NONE},
				  {reader, XS_ACCESS_READ}};

	if (xs_server_mkdir(s->server, path) < 0 ||
	    xs_server_set_perms(s->server, path, perm, 2) < 0)
		world_fail(s->w, "store", "%s cannot be made", path);
}
