/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backend on a local host (host/local_abi.h): the guest's whole memory is
 * mapped, and each copy does here what Xen does for a grant copy, without a
 * system call. This is the hypervisor's part in our process; the guest is not
 * trusted, we are.
 *
 * A copy must not go on after the guest has taken a page back. The grants in
 * use stand in our struct local_link before their entries are looked at; the
 * guest clears the entry before it looks there.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"
#include "host/local_abi.h"

_Static_assert(LOCAL_COPIES >= HOST_COPY_MAX, "one call's copies");

struct host_link {
	int fd; /* to xenpv-local; what we hold ends with it */
	struct local_memory *memory;
	uint32_t pages; /* of it */
	uint8_t *ring;	/* several pages of it, next to each other; or NULL */
	size_t ring_len;
	uint32_t self; /* the domain that this process acts as */
	uint32_t guest;
	uint32_t port; /* the guest's */
	struct local_link *in_use;
	int event;  /* eventfd: the guest's events */
	int upcall; /* pipe: it is to look at its pending bits */
	struct uring *uring;
	struct uring_op poll;
	bool closed; /* freed when the kernel is done with `poll` */
	void (*call)(void *ctx);
	void *ctx;
};

static void local_close(struct host_link *l)
{
	if (l->ring)
		munmap(l->ring, l->ring_len);
	if (l->memory)
		munmap(l->memory, (size_t)l->pages * WIRE_PAGE_SIZE);
	if (l->event >= 0)
		close(l->event);
	if (l->upcall >= 0)
		close(l->upcall);
	/* Last: until then the page is pinned. */
	if (l->fd >= 0)
		close(l->fd);
	/* The guest has a descriptor of the eventfd, too, and may write. */
	l->closed = true;
	if (l->uring)
		uring_cancel(l->uring, &l->poll);
	else
		free(l);
}

static uint8_t *page(const struct host_link *l, uint32_t frame)
{
	return (uint8_t *)l->memory + (size_t)frame * WIRE_PAGE_SIZE;
}

/*
 * Map page I of the ring into its place. The first map brings the guest's
 * memory with it, of which a ring of one page is a part; larger ones are mapped
 * once more, so that their pages stand next to each other.
 */
static int map_page(struct host_link *l, const struct host_ring *ring,
		    uint32_t i, void **shared)
{
	struct local_msg m = {
		.type = LOCAL_MAP, .domid = ring->domid, .gref = ring->gref[i]};
	int memory, rc = local_call(l->fd, &m, &memory, 1);
	void *at = NULL;

	if (rc < 0)
		return rc;
	if (i == 0) {
		l->pages = m.pages;
		l->memory = local_map_memory(memory, m.pages);
	}
	if (l->memory && m.pages == l->pages && m.frame < m.pages) {
		at = page(l, m.frame);
		if (l->ring)
			at = mmap(l->ring + (size_t)i * WIRE_PAGE_SIZE,
				  WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, memory,
				  (off_t)m.frame * (off_t)WIRE_PAGE_SIZE);
	}
	close(memory);
	if (!at || at == MAP_FAILED || m.link >= LOCAL_LINKS)
		return -EPROTO;
	if (i == 0) {
		l->in_use = &l->memory->link[m.link].l;
		*shared = at;
	}
	return 0;
}

static int map_ring(struct host_link *l, const struct host_ring *ring,
		    void **shared)
{
	uint32_t i;
	void *at;
	int rc = 0;

	if (ring->pages > 1) {
		l->ring_len = (size_t)ring->pages * WIRE_PAGE_SIZE;
		at = mmap(NULL, l->ring_len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			return -errno;
		l->ring = at;
	}
	for (i = 0; i < ring->pages && rc == 0; i++)
		rc = map_page(l, ring, i, shared);
	return rc;
}

static int bind_port(struct host_link *l, uint32_t domid, uint32_t port)
{
	struct local_msg m = {.type = LOCAL_BIND, .domid = domid, .port = port};
	int fds[2], rc = local_call(l->fd, &m, fds, 2);

	if (rc < 0)
		return rc;
	l->event = fds[0];
	l->upcall = fds[1];
	l->port = port;
	return port < LOCAL_PORTS ? 0 : -EPROTO;
}

static int local_open(struct host_link **out, const char *place,
		      const struct host_ring *ring, void **shared,
		      const char **why)
{
	struct host_link *l;
	int rc;

	*why = "a ring has no such number of pages";
	if (ring->pages == 0 || ring->pages > HOST_RING_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	*why = "out of memory";
	if (!l)
		return -ENOMEM;
	l->event = l->upcall = -1;
	l->guest = ring->domid;
	l->fd = rc = local_connect(place, why);
	if (rc < 0)
		goto fail;
	*why = "the guest's ring pages cannot be mapped";
	rc = map_ring(l, ring, shared);
	if (rc < 0)
		goto fail;
	*why = "the guest's event channel cannot be bound";
	rc = bind_port(l, ring->domid, ring->port);
	if (rc < 0)
		goto fail;
	*out = l;
	return 0;

fail:
	local_close(l);
	return rc;
}

/* ----------------------------------------------------------------- copying */

static bool copy_one(const struct host_link *l, const struct host_copy *c,
		     bool to_guest)
{
	struct local_grant g;
	uint8_t *at;

	if (c->gref >= LOCAL_GRANTS || c->offset > WIRE_PAGE_SIZE ||
	    c->len > WIRE_PAGE_SIZE - c->offset)
		return false;
	g = local_grant_of(
		__atomic_load_n(&l->memory->grant[c->gref], __ATOMIC_ACQUIRE));
	if (!local_grant_ok(g, l->self, to_guest, l->pages))
		return false;
	at = page(l, g.frame) + c->offset;
	if (to_guest)
		memcpy(at, c->local, c->len);
	else
		memcpy(c->local, at, c->len);
	return true;
}

static void local_copy(struct host_link *l, struct host_copy *c, unsigned n,
		       bool to_guest)
{
	unsigned i;

	XPV_ASSERT(n <= HOST_COPY_MAX);
	for (i = 0; i < n; i++)
		__atomic_store_n(&l->in_use->gref[i], c[i].gref,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&l->in_use->count, n, __ATOMIC_RELEASE);
	xpv_mb(); /* they stand there before an entry is looked at */
	for (i = 0; i < n; i++)
		c[i].ok = copy_one(l, &c[i], to_guest);
	__atomic_store_n(&l->in_use->count, 0, __ATOMIC_RELEASE);
}

/* --------------------------------------------------------- kept mappings */

/* The guest's memory is mapped: what is asked for is that the grant stays. */
static int local_map(struct host_link *l, uint32_t gref, void **at)
{
	struct local_msg m = {
		.type = LOCAL_MAP, .domid = l->guest, .gref = gref};
	int memory, rc = local_call(l->fd, &m, &memory, 1);

	if (rc < 0)
		return rc;
	close(memory);
	if (m.frame >= l->pages)
		return -EPROTO;
	*at = page(l, m.frame);
	return 0;
}

static void local_unmap(struct host_link *l, uint32_t gref, void *at)
{
	struct local_msg m = {
		.type = LOCAL_UNMAP, .domid = l->guest, .gref = gref};

	(void)at;
	(void)local_call(l->fd, &m, NULL, 0);
}

/* ------------------------------------------------------------------ events */

static void local_notify(struct host_link *l)
{
	const uint64_t bit = 1ull << (l->port % 64);
	uint64_t *word = &l->memory->pending[l->port / 64];

	/* A bit that is set already has been told of. */
	if (!(__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit))
		(void)!write(l->upcall, "", 1); /* full: it has enough */
}

static void poll_for_event(struct host_link *l)
{
	struct io_uring_sqe *sqe = uring_sqe(l->uring);

	io_uring_prep_poll_multishot(sqe, l->event, POLLIN);
	uring_attach(sqe, &l->poll);
}

static void local_event(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct host_link *l =
		(struct host_link *)((char *)op -
				     offsetof(struct host_link, poll));

	if (l->closed) {
		if (flags & IORING_CQE_F_MORE)
			return;
		uring_left(l->uring);
		free(l);
		return;
	}
	if (res >= 0)
		l->call(l->ctx);
	if (!(flags & IORING_CQE_F_MORE))
		poll_for_event(l);
}

/*
 * Each write to an eventfd wakes a multishot poll, whatever its counter is: it
 * is never read, and nothing needs to be armed. Writes that come before the
 * kernel has told us of the first are one event. The event that there is after
 * binding is the end of a NOP, after which the poll begins.
 */
static void local_listen(struct host_link *l, struct uring *u,
			 void (*call)(void *ctx), void *ctx)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	l->uring = u;
	l->poll.done = local_event;
	l->call = call;
	l->ctx = ctx;
	io_uring_prep_nop(sqe);
	uring_attach(sqe, &l->poll);
}

static void local_rearm(struct host_link *l, struct uring *u)
{
	(void)l, (void)u;
}

const struct host_ops host_local = {
	.name = "local",
	.open = local_open,
	.close = local_close,
	.copy = local_copy,
	.map = local_map,
	.unmap = local_unmap,
	.notify = local_notify,
	.listen = local_listen,
	.rearm = local_rearm,
};
