/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xenstore server under several clients, one of them domain 0: each
 * request has one reply, in order; counts and limits are what the tree says;
 * and a guest's request has changed nothing that the permissions of before do
 * not allow, whatever it was.
 */
#include "local/xs_impl.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS 4
#define DOMAINS 3
#define ASKED	64

struct client {
	struct xs_conn *conn;
	uint32_t domid;
	struct xs_reader reader;
	uint32_t tx, next_id;
	bool raw; /* what was sent is not known to be messages */
	struct {
		uint32_t id, type;
	} asked[ASKED]; /* without a reply */
	uint32_t n;
};

struct world {
	struct fuzz_in *in;
	struct xs_server *s;
	struct client client[CLIENTS];
};

static const struct xs_limits limits = {
	.nodes = 10,
	.node_size = 200,
	.perms = 3,
	.watches = 3,
	.transactions = 2,
	.tx_nodes = 12,
	.replies = 4,
	.backlog = 3000,
};

/* ---- what must hold of the tree ---- */

static void count(const struct xs_node *n, int64_t *owned)
{
	size_t names = 0;

	FUZZ_CHECK(n->refs && n->nperms && n->value[n->len] == '\0');
	if (n->perm[0].domid < DOMAINS)
		owned[n->perm[0].domid]++;
	for (uint32_t i = 0; i < n->nchildren; i++) {
		names += strlen(n->child[i]->name) + 1;
		FUZZ_CHECK(!i || strcmp(n->child[i - 1]->name,
					n->child[i]->name) < 0);
		count(n->child[i], owned);
	}
	FUZZ_CHECK(names == n->names);
}

/* Counts the domains' nodes and compares with what the server has counted. */
static void check_tree(const struct world *w, int64_t *owned)
{
	memset(owned, 0, DOMAINS * sizeof(*owned));
	for (uint32_t i = 0; i < w->s->root->nchildren; i++)
		count(w->s->root->child[i], owned);
	for (uint32_t d = 0; d < DOMAINS; d++)
		FUZZ_CHECK(owned[d] == xs_server_nodes(w->s, d));
}

/* docs/misc/xenstore.txt: the first entry is the owner and the others' rights,
 * further ones are those of single domains. */
static bool owns(const struct xs_node *n, const struct xs_who *who)
{
	return n->perm[0].domid == who->domid ||
	       n->perm[0].domid == who->target;
}

static bool may_write(const struct xs_node *n, const struct xs_who *who)
{
	char access = n->perm[0].access;

	for (uint32_t i = n->nperms; i-- > 1;)
		if (n->perm[i].domid == who->domid ||
		    n->perm[i].domid == who->target)
			access = n->perm[i].access;
	return owns(n, who) || access == 'w' || access == 'b';
}

static bool same_perms(const struct xs_node *a, const struct xs_node *b)
{
	if (a->nperms != b->nperms)
		return false;
	for (uint32_t i = 0; i < a->nperms; i++)
		if (a->perm[i].domid != b->perm[i].domid ||
		    a->perm[i].access != b->perm[i].access)
			return false;
	return true;
}

static const struct xs_node *child(const struct xs_node *n, const char *name)
{
	for (uint32_t i = 0; i < n->nchildren; i++)
		if (!strcmp(n->child[i]->name, name))
			return n->child[i];
	return NULL;
}

/* UP: the node above, NULL for the first ones. */
static void check_changes(const struct xs_node *was, const struct xs_node *is,
			  const struct xs_node *up, const struct xs_who *who)
{
	if (was == is)
		return;
	if (was->len != is->len || memcmp(was->value, is->value, was->len))
		FUZZ_CHECK(may_write(was, who));
	/* the owner; or it was removed and made anew */
	if (!same_perms(was, is))
		FUZZ_CHECK(owns(was, who) ||
			   (may_write(was, who) && up && may_write(up, who)));
	for (uint32_t i = 0; i < was->nchildren; i++) {
		const struct xs_node *now = child(is, was->child[i]->name);

		if (now)
			check_changes(was->child[i], now, was, who);
		else
			FUZZ_CHECK(may_write(was->child[i], who) ||
				   owns(was, who) || may_write(was, who));
	}
	for (uint32_t i = 0; i < is->nchildren; i++)
		if (!child(was, is->child[i]->name))
			FUZZ_CHECK(may_write(was, who));
}

/* ---- clients ---- */

static void reply(struct client *c, const struct xs_msg *m)
{
	if (m->type == WIRE_XS_WATCH_EVENT) {
		const char *path, *token;

		FUZZ_CHECK(m->req_id == 0 && m->tx_id == 0 &&
			   !xs_parse_event(m->payload, m->len, &path, &token));
		return;
	}
	if (c->raw)
		return;
	FUZZ_CHECK(c->n && m->req_id == c->asked[0].id);
	FUZZ_CHECK(m->type == c->asked[0].type || m->type == WIRE_XS_ERROR);
	if (m->type == WIRE_XS_TRANSACTION_START)
		FUZZ_CHECK(!xs_parse_tx(m->payload, m->len, &c->tx));
	if (m->type == WIRE_XS_TRANSACTION_END)
		c->tx = 0;
	memmove(c->asked, c->asked + 1, --c->n * sizeof(c->asked[0]));
}

/* Takes at most MAX of the bytes that wait. */
static void take(struct client *c, size_t max)
{
	const void *p;
	size_t n = xs_conn_output(c->conn, &p), at = 0, used;
	struct xs_msg m;
	int rc;

	FUZZ_CHECK(n <= 16 * limits.backlog);
	if (n > max)
		n = max;
	while (at < n) {
		rc = xs_reader_feed(&c->reader, (const uint8_t *)p + at, n - at,
				    &used, &m);
		FUZZ_CHECK(rc >= 0);
		at += used;
		if (rc)
			reply(c, &m);
	}
	xs_conn_sent(c->conn, n);
}

static void connect(struct world *w, uint32_t i)
{
	struct client *c = &w->client[i];

	xs_conn_close(c->conn);
	memset(c, 0, sizeof(*c));
	c->domid = i % DOMAINS;
	c->conn = xs_server_connect(w->s, c->domid, c->domid == 0);
	xs_reader_init(&c->reader);
}

/* Sends bytes; they are one message, unless RAW. */
static void send(struct world *w, struct client *c, const uint8_t *p, size_t n)
{
	struct xs_who who = c->conn->who;
	struct xs_node *was = NULL;
	int64_t before[DOMAINS], after[DOMAINS];
	uint8_t how = fuzz_u8(w->in);
	size_t at = 0;

	check_tree(w, before);
	/* half the time: who holds the old tree makes the server copy it */
	if (c->domid && how & 1)
		was = xs_node_ref(w->s->root);
	while (at < n && !xs_conn_dead(c->conn)) {
		size_t some = how & 2 && n - at > how ? how : n - at;
		size_t fed = xs_conn_feed(c->conn, p + at, some);

		FUZZ_CHECK(fed == some || xs_conn_full(c->conn) ||
			   xs_conn_dead(c->conn));
		at += fed;
		if (fed < some)
			take(c, how & 4 ? 20 : SIZE_MAX);
	}
	FUZZ_CHECK(at == n || xs_conn_dead(c->conn));
	check_tree(w, after);
	for (uint32_t i = 0; was && i < was->nchildren; i++) {
		const struct xs_node *is =
			child(w->s->root, was->child[i]->name);

		FUZZ_CHECK(is);
		check_changes(was->child[i], is, NULL, &who);
	}
	/* quotas: no request of a guest brings it beyond */
	for (uint32_t d = 1; c->domid && d < DOMAINS; d++)
		FUZZ_CHECK(after[d] <= before[d] || after[d] <= limits.nodes);
	xs_node_unref(was);
	if (how & 8)
		take(c, how >> 4 ? SIZE_MAX : 7);
	/* its domain was released, or it does not take what waits */
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (xs_conn_dead(w->client[i].conn))
			connect(w, i);
}

/* ---- messages ---- */

static const char *const paths[] = {
	"/",
	"/a",
	"/a/b",
	"/a/b/c/d",
	"/local/domain/1",
	"/local/domain/1/data",
	"/local/domain/1/data/x/y",
	"/local/domain/2/data",
	"/local/domain/2",
	"data",
	"data/x",
	"@introduceDomain",
	"@releaseDomain",
	"/tool/xenstored",
};

/* Appends a string with its NUL; most are known paths. */
static size_t put(struct world *w, uint8_t *p, bool path)
{
	static const char *const words[] = {"T", "F",  "0",  "1",  "2",
					    "3", "n1", "b2", "w0", "r1"};
	uint8_t what = fuzz_u8(w->in);
	const char *s = path ? paths[what % XPV_ARRAY_SIZE(paths)]
			     : words[what % XPV_ARRAY_SIZE(words)];

	if (what >= 240) {
		char *any = fuzz_text(w->in, 100);
		size_t n = strlen(any) + 1;

		memcpy(p, any, n);
		free(any);
		return n;
	}
	memcpy(p, s, strlen(s) + 1);
	return strlen(s) + 1;
}

static void message(struct world *w, struct client *c)
{
	uint8_t buf[sizeof(struct wire_xs_hdr) + 1024];
	uint8_t *p = buf + sizeof(struct wire_xs_hdr);
	uint8_t type = fuzz_u8(w->in), how = fuzz_u8(w->in);
	struct wire_xs_hdr hdr = {.type = type % 28, .req_id = ++c->next_id};

	hdr.tx_id = how & 1 ? c->tx : 0;
	if (how >= 0xf8)
		hdr.tx_id = fuzz_u8(w->in);
	switch (hdr.type) {
	case WIRE_XS_TRANSACTION_START:
	case WIRE_XS_RESET_WATCHES:
		*p++ = 0;
		break;
	case WIRE_XS_TRANSACTION_END:
		hdr.tx_id = c->tx;
		p += put(w, p, false);
		break;
	case WIRE_XS_INTRODUCE:
	case WIRE_XS_RELEASE:
	case WIRE_XS_GET_DOMAIN_PATH:
	case WIRE_XS_IS_DOMAIN_INTRODUCED:
	case WIRE_XS_RESUME:
	case WIRE_XS_SET_TARGET:
	case WIRE_XS_GET_FEATURE:
	case WIRE_XS_SET_FEATURE:
	case WIRE_XS_GET_QUOTA:
		break;
	default:
		p += put(w, p, true);
		break;
	}
	for (uint32_t i = how >> 1 & 3; i > 0; i--)
		p += put(w, p, false);
	if (hdr.type == WIRE_XS_WRITE && how & 8) {
		size_t n = fuzz_u8(w->in);

		memset(p, how, n);
		p += n;
	}
	hdr.len = (uint32_t)(p - buf - sizeof(hdr));
	memcpy(buf, &hdr, sizeof(hdr));
	/* one that has had its say before does not make others wait */
	if (c->raw)
		c->n = 0;
	while (c->n >= ASKED / 2)
		take(c, SIZE_MAX);
	c->asked[c->n].id = hdr.req_id;
	c->asked[c->n++].type = hdr.type;
	send(w, c, buf, (size_t)(p - buf));
}

static void step(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);
	struct client *c = &w->client[what % CLIENTS];
	int64_t owned[DOMAINS];
	uint32_t domid = 1 + what % 2u;
	uint8_t *p;
	size_t n;

	switch (what >> 4) {
	default:
		message(w, c);
		break;
	case 12:
		take(c, fuzz_u8(w->in));
		break;
	case 13:
		p = fuzz_bytes(w->in, 60, &n);
		c->raw = true;
		send(w, c, p, n);
		free(p);
		break;
	case 14:
		connect(w, what % CLIENTS);
		break;
	case 15:
		if (what & 4) {
			(void)!xs_server_introduce(w->s, domid);
		} else if (!xs_server_release(w->s, domid)) {
			check_tree(w, owned);
			/* but "/" and the special nodes, which cannot go */
			for (uint32_t i = 0; i < w->s->root->nchildren; i++)
				owned[domid] -=
					w->s->root->child[i]->perm[0].domid ==
					domid;
			FUZZ_CHECK(!owned[domid]);
		}
		for (uint32_t i = 0; i < CLIENTS; i++)
			if (xs_conn_dead(w->client[i].conn))
				connect(w, i);
		break;
	}
}

/* What a toolstack makes: a guest's own place, and one to write in. */
static void furnish(struct xs_server *s)
{
	struct xs_perm perm[2] = {{1, 'n'}, {2, 'r'}};

	FUZZ_CHECK(!xs_server_write(s, "/a/b", "x", 1));
	FUZZ_CHECK(!xs_server_mkdir(s, "/local/domain/1/data"));
	FUZZ_CHECK(!xs_server_mkdir(s, "/local/domain/2"));
	FUZZ_CHECK(!xs_server_set_perms(s, "/local/domain/1", perm, 2));
	FUZZ_CHECK(!xs_server_set_perms(s, "/local/domain/1/data", perm, 1));
	perm[0].domid = 2;
	FUZZ_CHECK(!xs_server_set_perms(s, "/local/domain/2", perm, 1));
	perm[0] = (struct xs_perm){0, 'r'};
	perm[1] = (struct xs_perm){1, 'b'};
	FUZZ_CHECK(!xs_server_set_perms(s, "/a", perm, 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct fuzz_in in = {data, size};
	int64_t owned[DOMAINS];

	memset(&w, 0, sizeof(w));
	w.in = &in;
	w.s = xs_server_new(&limits);
	furnish(w.s);
	for (uint32_t d = 1; d < DOMAINS; d++)
		FUZZ_CHECK(!xs_server_introduce(w.s, d));
	for (uint32_t i = 0; i < CLIENTS; i++)
		connect(&w, i);
	while (in.left)
		step(&w);
	/* all that was asked is answered */
	for (uint32_t i = 0; i < CLIENTS; i++) {
		take(&w.client[i], SIZE_MAX);
		FUZZ_CHECK(w.client[i].raw || !w.client[i].n);
		FUZZ_CHECK(xs_reader_empty(&w.client[i].reader));
	}
	check_tree(&w, owned);
	xs_server_free(w.s);
	return 0;
}
