/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small xenstored in a thread, for test_store.c: what it is to do wrong is
 * set in struct server before server_start() (or between two requests). It has
 * one client and one transaction at a time.
 */
#ifndef TESTS_UNIT_TEST_STORE_SERVER_H
#define TESTS_UNIT_TEST_STORE_SERVER_H

#include <pthread.h>
#include <sys/socket.h>

#define NODES  6000
#define TOKENS 8

struct node {
	char *path, *value;
	size_t len;
};

struct nodes {
	struct node n[NODES];
	size_t count;
};

struct server {
	int fd, client;
	pthread_t thread;
	struct nodes *live, *tx; /* tx: the one transaction that may be open */
	struct {
		char path[128], token[32];
	} watch[TOKENS];
	uint32_t requests;
	uint64_t generation;
	uint32_t in_tx; /* requests in the transaction */
	/* what it is to do */
	uint32_t fragment;  /* bytes per write; 0: all */
	uint32_t conflicts; /* commits to refuse with EAGAIN */
	void (*ended)(struct server *s, bool committed); /* play the others */
	uint32_t close_at;   /* request at which to close, from 1 */
	uint32_t garbage_at; /* request to answer with nonsense */
	int garbage;	     /* which nonsense */
	const char *refuse;  /* path to refuse with EACCES */
	size_t list_max;     /* bytes of names that DIRECTORY can answer */
	uint32_t moves;	     /* parts after which a directory changes */
};

static struct nodes *nodes_copy(const struct nodes *from)
{
	struct nodes *to = calloc(1, sizeof(*to));
	size_t i;

	for (i = 0; from && i < from->count; i++) {
		to->n[i] = from->n[i];
		to->n[i].path = strdup(from->n[i].path);
		to->n[i].value = malloc(from->n[i].len + 1);
		memcpy(to->n[i].value, from->n[i].value, from->n[i].len + 1);
	}
	to->count = from ? from->count : 0;
	return to;
}

static void nodes_free(struct nodes *nodes)
{
	size_t i;

	for (i = 0; nodes && i < nodes->count; i++) {
		free(nodes->n[i].path);
		free(nodes->n[i].value);
	}
	free(nodes);
}

static struct node *nodes_find(struct nodes *nodes, const char *path)
{
	size_t i;

	for (i = 0; i < nodes->count; i++)
		if (strcmp(nodes->n[i].path, path) == 0)
			return &nodes->n[i];
	return NULL;
}

static void nodes_set(struct nodes *nodes, const char *path, const char *value,
		      size_t len)
{
	struct node *n = nodes_find(nodes, path);
	char above[256];
	char *slash;

	if (!n) {
		snprintf(above, sizeof(above), "%s", path);
		slash = strrchr(above, '/');
		if (slash && slash != above) {
			*slash = '\0';
			if (!nodes_find(nodes, above))
				nodes_set(nodes, above, "", 0);
		}
		assert_true(nodes->count < NODES);
		n = &nodes->n[nodes->count++];
		n->path = strdup(path);
		n->value = NULL;
	}
	free(n->value);
	n->value = malloc(len + 1);
	memcpy(n->value, value, len);
	n->value[len] = '\0';
	n->len = len;
}

static void nodes_rm(struct nodes *nodes, const char *path)
{
	size_t i, kept = 0;

	for (i = 0; i < nodes->count; i++) {
		if (xs_path_depth(path, nodes->n[i].path) >= 0) {
			free(nodes->n[i].path);
			free(nodes->n[i].value);
		} else {
			nodes->n[kept++] = nodes->n[i];
		}
	}
	nodes->count = kept;
}

static size_t nodes_list(struct nodes *nodes, const char *path, char *out)
{
	size_t i, len = 0;

	for (i = 0; i < nodes->count; i++)
		if (xs_path_depth(path, nodes->n[i].path) == 1) {
			const char *name = strrchr(nodes->n[i].path, '/') + 1;

			strcpy(out + len, name);
			len += strlen(name) + 1;
		}
	return len;
}

/* Write a node, making what is above it. */
static void put(struct server *s, const char *path, const char *value)
{
	if (!s->live)
		s->live = nodes_copy(NULL);
	nodes_set(s->live, path, value, strlen(value));
}

static void server_send(struct server *s, const void *buf, int len)
{
	const char *p = buf;

	assert_true(len > 0);
	while (len) {
		int part = len;
		ssize_t r;

		if (s->fragment && part > (int)s->fragment)
			part = (int)s->fragment;
		r = send(s->fd, p, (size_t)part, MSG_NOSIGNAL);
		if (r <= 0)
			return;
		p += r;
		len -= (int)r;
	}
}

static void fire(struct server *s, const char *path)
{
	char buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf)};
	int i;

	for (i = 0; i < TOKENS; i++)
		if (s->watch[i].token[0] &&
		    xs_path_depth(s->watch[i].path, path) >= 0)
			server_send(s, buf,
				    xs_enc_event(&o, path, s->watch[i].token));
}

static void nonsense(struct server *s, const struct xs_msg *m)
{
	struct wire_xs_hdr h = {m->type, m->req_id, m->tx_id, 3};

	switch (s->garbage) {
	case 0: /* a length that cannot be */
		h.len = WIRE_XS_PAYLOAD_MAX + 1;
		break;
	case 1: /* an answer to nothing */
		h.req_id += 1000;
		break;
	case 2: /* an answer to something else */
		h.type = h.type == WIRE_XS_RM ? WIRE_XS_MKDIR : WIRE_XS_RM;
		break;
	case 3: /* an event without a token */
		h.type = WIRE_XS_WATCH_EVENT;
		break;
	}
	server_send(s, &h, sizeof(h));
	server_send(s, "OK", 3);
}

static int do_part(struct server *s, struct nodes *nodes, struct xs_out *o,
		   const char *path, const char *offset)
{
	static char list[NODES * 32];
	char out[WIRE_XS_PAYLOAD_MAX];
	size_t len = nodes_list(nodes, path, list), at, n;
	uint32_t off = (uint32_t)atoi(offset);

	if (off && s->moves) {
		s->moves--;
		s->generation++;
	}
	at = xs_format_u64(out, s->generation) + 1;
	for (n = 0; off + n < len && n < 1000;)
		n += strlen(list + off + n) + 1;
	memcpy(out + at, list + off, n);
	at += n;
	if (off + n >= len)
		out[at++] = '\0';
	return xs_enc_reply(o, WIRE_XS_DIRECTORY_PART, out, at);
}

static int do_read(struct server *s, struct nodes *nodes, struct xs_out *o,
		   const struct xs_msg *m, const char **arg)
{
	static char list[NODES * 32];
	struct node *n = nodes_find(nodes, arg[0]);
	size_t len;

	if (!n)
		return xs_enc_error(o, XS_ERR_ENOENT);
	switch (m->type) {
	case WIRE_XS_READ:
		return xs_enc_reply(o, WIRE_XS_READ, n->value, n->len);
	case WIRE_XS_DIRECTORY:
		len = nodes_list(nodes, arg[0], list);
		if (len > s->list_max)
			return xs_enc_error(o, XS_ERR_E2BIG);
		return xs_enc_reply(o, WIRE_XS_DIRECTORY, list, len);
	default:
		return do_part(s, nodes, o, arg[0], arg[1]);
	}
}

static int do_end(struct server *s, struct xs_out *o, bool commit)
{
	if (!s->tx)
		return xs_enc_error(o, XS_ERR_ENOENT);
	if (commit && s->conflicts) {
		s->conflicts--;
		nodes_free(s->tx);
		s->tx = NULL;
		if (s->ended)
			s->ended(s, false);
		return xs_enc_error(o, XS_ERR_EAGAIN);
	}
	if (commit) {
		nodes_free(s->live);
		s->live = s->tx;
	} else {
		nodes_free(s->tx);
	}
	s->tx = NULL;
	if (commit && s->ended)
		s->ended(s, true);
	return xs_enc_ok(o, WIRE_XS_TRANSACTION_END);
}

static int do_watch(struct server *s, struct xs_out *o, const char **arg)
{
	int i;

	for (i = 0; i < TOKENS && s->watch[i].token[0]; i++)
		;
	assert_true(i < TOKENS);
	snprintf(s->watch[i].path, sizeof(s->watch[i].path), "%s", arg[0]);
	snprintf(s->watch[i].token, sizeof(s->watch[i].token), "%s", arg[1]);
	return xs_enc_ok(o, WIRE_XS_WATCH);
}

static int do_unwatch(struct server *s, struct xs_out *o, const char **arg)
{
	int i;

	for (i = 0; i < TOKENS; i++)
		if (strcmp(s->watch[i].token, arg[1]) == 0)
			s->watch[i].token[0] = '\0';
	return xs_enc_ok(o, WIRE_XS_UNWATCH);
}

static int do_change(struct nodes *nodes, struct xs_out *o,
		     const struct xs_msg *m, const char **arg, size_t rest)
{
	if (m->type == WIRE_XS_RM && !nodes_find(nodes, arg[0]))
		return xs_enc_error(o, XS_ERR_ENOENT);
	if (m->type == WIRE_XS_RM)
		nodes_rm(nodes, arg[0]);
	else if (m->type == WIRE_XS_WRITE)
		nodes_set(nodes, arg[0], m->payload + rest, m->len - rest);
	else if (m->type == WIRE_XS_MKDIR && !nodes_find(nodes, arg[0]))
		nodes_set(nodes, arg[0], "", 0);
	return xs_enc_ok(o, (enum wire_xs_type)m->type);
}

static int serve(struct server *s, struct xs_out *o, const struct xs_msg *m)
{
	struct nodes *nodes = m->tx_id ? s->tx : s->live;
	const char *arg[2] = {"", ""};
	size_t rest, n;
	char text[64];

	n = xs_strings(m->payload, m->len, arg,
		       m->type == WIRE_XS_WRITE ? 1 : 2, &rest);
	assert_true(n > 0);
	if (!nodes)
		return xs_enc_error(o, XS_ERR_ENOENT);
	if (s->refuse && strcmp(arg[0], s->refuse) == 0)
		return xs_enc_error(o, XS_ERR_EACCES);
	switch (m->type) {
	case WIRE_XS_READ:
	case WIRE_XS_DIRECTORY:
	case WIRE_XS_DIRECTORY_PART:
		return do_read(s, nodes, o, m, arg);
	case WIRE_XS_WRITE:
	case WIRE_XS_MKDIR:
	case WIRE_XS_RM:
	case WIRE_XS_SET_PERMS:
		return do_change(nodes, o, m, arg, rest);
	case WIRE_XS_TRANSACTION_START:
		nodes_free(s->tx);
		s->tx = nodes_copy(s->live);
		return xs_enc_reply(o, WIRE_XS_TRANSACTION_START, "7", 2);
	case WIRE_XS_TRANSACTION_END:
		return do_end(s, o, arg[0][0] == 'T');
	case WIRE_XS_WATCH:
		return do_watch(s, o, arg);
	case WIRE_XS_UNWATCH:
		return do_unwatch(s, o, arg);
	case WIRE_XS_GET_DOMAIN_PATH:
		snprintf(text, sizeof(text), "/local/domain/%s", arg[0]);
		return xs_enc_reply(o, WIRE_XS_GET_DOMAIN_PATH, text,
				    strlen(text) + 1);
	case WIRE_XS_IS_DOMAIN_INTRODUCED:
		return xs_enc_reply(o, WIRE_XS_IS_DOMAIN_INTRODUCED, "T", 2);
	default:
		return xs_enc_error(o, XS_ERR_ENOSYS);
	}
}

/* Returns false when it is to go away. */
static bool server_message(struct server *s, const struct xs_msg *m)
{
	char buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf,
			   .room = sizeof(buf),
			   .req_id = m->req_id,
			   .tx_id = m->tx_id};
	char path[WIRE_XS_PAYLOAD_MAX + 1];
	int len;

	s->requests++;
	if (s->requests == s->close_at)
		return false;
	if (s->requests == s->garbage_at) {
		nonsense(s, m);
		return true;
	}
	memcpy(path, m->payload, m->len);
	path[m->len] = '\0';
	len = serve(s, &o, m);
	server_send(s, buf, len);
	if (m->type == WIRE_XS_WRITE || m->type == WIRE_XS_RM)
		fire(s, path);
	if (m->type == WIRE_XS_WATCH && !memcmp(buf, &m->type, 4))
		server_send(s, buf,
			    xs_enc_event(&o, path, path + strlen(path) + 1));
	return true;
}

static void *server_run(void *arg)
{
	struct server *s = arg;
	struct xs_reader r;
	char in[512];
	ssize_t n;

	xs_reader_init(&r);
	while ((n = read(s->fd, in, sizeof(in))) > 0) {
		size_t at = 0, used;
		struct xs_msg m;

		while (xs_reader_feed(&r, in + at, (size_t)n - at, &used, &m) >
		       0) {
			at += used;
			if (!server_message(s, &m))
				goto out;
		}
	}
out:
	close(s->fd);
	return NULL;
}

static void server_start(struct server *s)
{
	int sv[2];

	if (!s->live)
		s->live = nodes_copy(NULL);
	if (!s->list_max)
		s->list_max = WIRE_XS_PAYLOAD_MAX;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	s->fd = sv[0];
	s->client = sv[1];
	assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	nodes_free(s->live);
	nodes_free(s->tx);
}

static struct store *client(struct server *s, store_lost_fn *lost, void *ctx)
{
	struct store *st;

	server_start(s);
	assert_int_equal(store_open_fd(&st, s->client, lost, ctx), 0);
	return st;
}

#endif
