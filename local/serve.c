/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of requests read at a time; what is not taken waits there. */
#define STORE_INPUT 16384

/* Streams of xenstore that one domain may have. */
#define DOMAIN_STORES 16

/* A connection that speaks xenstore. */
struct store_conn {
	struct loop_fd io;
	struct store_conn *next;
	struct serve *serve;
	struct xs_conn *xs;
	const struct domain *domain; /* NULL: domain 0 */
	bool eof;
	size_t at, len; /* of in: what waits */
	uint8_t in[STORE_INPUT];
};

/* A connection for local_abi.h's messages. */
struct client {
	struct loop_fd io;
	struct client *next;
	struct serve *serve;
	struct domain *domain; /* that it is, or NULL: domain 0 */
};

struct listener {
	struct loop_fd io;
	struct serve *serve;
	bool paused; /* there are no descriptors left */
};

struct serve {
	int loop;
	struct listener host, store;
	struct domains domains;
	struct client *client;
	struct store_conn *conn;
	unsigned count; /* of both */
};

unsigned serve_clients(const struct serve *s)
{
	return s->count;
}

/* ---------------------------------------------------------------- xenstore */

/* A descriptor is free again. */
static void resume(struct serve *s)
{
	struct listener *l[] = {&s->host, &s->store};
	size_t i;

	for (i = 0; i < XPV_ARRAY_SIZE(l); i++)
		if (l[i]->paused) {
			l[i]->paused = false;
			loop_want(s->loop, &l[i]->io, EPOLLIN);
		}
}

static void store_close(struct store_conn *c)
{
	struct serve *s = c->serve;
	struct store_conn **at;

	for (at = &s->conn; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	s->count -= !c->domain;
	xs_conn_close(c->xs);
	close(c->io.fd);
	free(c);
	resume(s);
}

/* The next bytes of the client, if the last ones have been taken. */
static void store_read(struct store_conn *c)
{
	ssize_t n;

	if (c->at < c->len || c->eof)
		return;
	n = recv(c->io.fd, c->in, sizeof(c->in), MSG_DONTWAIT);
	c->at = c->len = 0;
	if (n > 0)
		c->len = (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->eof = true;
}

/* True if any byte was moved. */
static bool store_move(struct store_conn *c)
{
	const void *p;
	size_t used, len;
	ssize_t n = 0;

	used = xs_conn_feed(c->xs, c->in + c->at, c->len - c->at);
	c->at += used;
	len = xs_conn_output(c->xs, &p);
	if (len)
		n = send(c->io.fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		xs_conn_sent(c->xs, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->eof = true;
	return used || n > 0;
}

static void store_call(struct loop_fd *io, uint32_t events)
{
	struct store_conn *c = (struct store_conn *)io;

	if (events & ~(uint32_t)EPOLLOUT)
		store_read(c);
}

void serve_pump(struct serve *s)
{
	struct store_conn *c, *next;
	const void *p;
	uint32_t want;
	bool moved;

	do {
		moved = false;
		for (c = s->conn; c; c = c->next)
			while (store_move(c))
				moved = true;
	} while (moved);
	for (c = s->conn; c; c = next) {
		next = c->next;
		if (c->eof || xs_conn_dead(c->xs)) {
			store_close(c);
			continue;
		}
		want = c->at == c->len ? EPOLLIN : 0;
		if (xs_conn_output(c->xs, &p))
			want |= EPOLLOUT;
		loop_want(s->loop, &c->io, want);
	}
}

/* FD, now the connection's, speaks xenstore as DOMAIN. */
static int store_new(struct serve *s, int fd, const struct domain *domain)
{
	struct store_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->io = (struct loop_fd){fd, EPOLLIN, store_call};
	if (loop_add(s->loop, &c->io) < 0) {
		free(c);
		return -ENOMEM;
	}
	c->serve = s;
	c->domain = domain;
	c->xs = xs_server_connect(s->domains.xs, domain ? domain->domid : 0,
				  !domain);
	c->next = s->conn;
	s->conn = c;
	/* A domain's streams live and end with its connection. */
	s->count += !domain;
	return 0;
}

/* ---------------------------------------------------------------- requests */

/* One request; what the reply needs is in M. Descriptors in it stay ours,
 * unless *GIVE: the last of them goes. */
struct request {
	struct client *client;
	struct serve *serve;
	struct local_msg *m;
	uint32_t self; /* the domain that asks */
	int fds[LOCAL_FDS_MAX];
	unsigned nfds;
	int give; /* a descriptor to be closed after the reply, or -1 */
};

static int do_join(struct request *r)
{
	struct domain *d;
	int rc;

	if (r->client->domain)
		return -EISCONN;
	r->m->name[LOCAL_NAME_MAX - 1] = '\0';
	rc = domain_new(&r->serve->domains, r->m->name, r->client, &d);
	if (rc < 0)
		return rc;
	r->client->domain = d;
	r->m->domid = d->domid;
	r->m->pages = LOCAL_PAGES;
	r->fds[0] = d->memory_fd;
	r->fds[1] = d->upcall[0];
	r->nfds = 2;
	return 0;
}

static int do_store(struct request *r)
{
	const struct store_conn *c;
	unsigned n = 0;
	int pair[2], rc;

	if (!r->client->domain)
		return -EINVAL;
	for (c = r->serve->conn; c; c = c->next)
		n += c->domain == r->client->domain;
	if (n >= DOMAIN_STORES)
		return -ENOSPC;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	rc = store_new(r->serve, pair[0], r->client->domain);
	if (rc < 0) {
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	r->fds[0] = r->give = pair[1];
	r->nfds = 1;
	return 0;
}

static int do_port(struct request *r)
{
	if (!r->client->domain)
		return -EINVAL;
	r->nfds = 1;
	return domain_port_new(r->client->domain, r->m->domid, &r->m->port,
			       &r->fds[0]);
}

static int do_port_close(struct request *r)
{
	if (!r->client->domain)
		return -EINVAL;
	return domain_port_close(r->client->domain, r->m->port);
}

static int do_map(struct request *r)
{
	struct domain *d = domain_find(&r->serve->domains, r->m->domid);

	if (!d)
		return -ESRCH;
	r->fds[0] = d->memory_fd;
	r->nfds = 1;
	r->m->pages = LOCAL_PAGES;
	return domain_map(d, r->m->gref, r->self, r->m->readonly, r->client,
			  &r->m->frame, &r->m->link);
}

static int do_unmap(struct request *r)
{
	struct domain *d = domain_find(&r->serve->domains, r->m->domid);

	return d ? domain_unmap(d, r->m->gref, r->client) : -ESRCH;
}

static int do_bind(struct request *r)
{
	struct domain *d = domain_find(&r->serve->domains, r->m->domid);

	if (!d)
		return -ESRCH;
	r->fds[1] = d->upcall[1];
	r->nfds = 2;
	return domain_bind(d, r->m->port, r->self, r->client, &r->fds[0]);
}

static int (*const table[])(struct request *r) = {
	[LOCAL_JOIN] = do_join,
	[LOCAL_STORE] = do_store,
	[LOCAL_PORT] = do_port,
	[LOCAL_MAP] = do_map,
	[LOCAL_PORT_CLOSE] = do_port_close,
	[LOCAL_UNMAP] = do_unmap,
	[LOCAL_BIND] = do_bind,
};

static void client_close(struct client *c)
{
	struct serve *s = c->serve;
	struct store_conn *conn;
	struct client **at;

	for (at = &s->client; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	s->count--;
	domain_forget_owner(&s->domains, c);
	if (c->domain) {
		for (conn = s->conn; conn; conn = conn->next)
			if (conn->domain == c->domain)
				conn->eof = true;
		domain_free(&s->domains, c->domain);
	}
	close(c->io.fd);
	free(c);
	resume(s);
}

static void client_call(struct loop_fd *io, uint32_t events)
{
	struct client *c = (struct client *)io;
	struct local_msg m;
	struct request r = {
		.client = c,
		.serve = c->serve,
		.m = &m,
		.self = c->domain ? c->domain->domid : 0,
		.give = -1,
	};
	int rc = local_recv_msg(io->fd, &m, r.fds, &r.nfds);

	(void)events;
	while (r.nfds) /* nobody asked for them */
		close(r.fds[--r.nfds]);
	if (rc == -EAGAIN)
		return;
	if (rc <= 0) {
		client_close(c);
		return;
	}
	rc = -EINVAL;
	if (m.type < XPV_ARRAY_SIZE(table) && table[m.type])
		rc = table[m.type](&r);
	m.rc = rc;
	/* Who does not take his replies is not worth waiting for. */
	rc = local_send_msg(io->fd, &m, r.fds, rc < 0 ? 0 : r.nfds);
	if (r.give >= 0)
		close(r.give);
	if (rc < 0)
		client_close(c);
}

static int client_new(struct serve *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->io = (struct loop_fd){fd, EPOLLIN, client_call};
	if (loop_add(s->loop, &c->io) < 0) {
		free(c);
		return -ENOMEM;
	}
	c->serve = s;
	c->next = s->client;
	s->client = c;
	s->count++;
	return 0;
}

/* --------------------------------------------------------------- listening */

static void listener_call(struct loop_fd *io, uint32_t events)
{
	struct listener *l = (struct listener *)io;
	struct serve *s = l->serve;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc;

	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			l->paused = true;
			loop_want(s->loop, io, 0);
		}
		return;
	}
	rc = l == &s->host ? client_new(s, fd) : store_new(s, fd, NULL);
	if (rc < 0)
		close(fd);
}

static int listen_on(struct serve *s, struct listener *l, int fd)
{
	l->serve = s;
	l->io = (struct loop_fd){fd, EPOLLIN, listener_call};
	return loop_add(s->loop, &l->io);
}

struct serve *serve_new(int loop, int host_socket, int store_socket)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->domains.xs = xs_server_new(NULL);
	nodes_init(s->domains.xs);
	if (listen_on(s, &s->host, host_socket) < 0 ||
	    listen_on(s, &s->store, store_socket) < 0) {
		xs_server_free(s->domains.xs);
		free(s);
		return NULL;
	}
	return s;
}

void serve_free(struct serve *s)
{
	while (s->client)
		client_close(s->client);
	while (s->conn)
		store_close(s->conn);
	close(s->host.io.fd);
	close(s->store.io.fd);
	xs_server_free(s->domains.xs);
	free(s);
}
