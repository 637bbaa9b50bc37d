/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frontend on a local host (host/local_abi.h). Granting a page and taking it
 * back are changes of one word in this domain's memory, as on Xen; xenpv-local
 * is asked for event channels and for streams of xenstore.
 *
 * The grant table and the pending bits are shared with a backend that we do not
 * trust: which references and ports are ours is known from private memory, and
 * nothing there is waited for without an end.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/front.h"
#include "host/local_abi.h"

/*
 * How often to look whether a copy through a grant has ended before we give it
 * up. A backend that was stopped there for so long (seconds) is as one that
 * keeps a page mapped.
 */
#define COPY_TURNS 100000

/* Pages that were allocated together. */
struct batch {
	struct batch *next;
	uint32_t frame, n;
	bool spare; /* given back: for the next alloc() of as many */
};

struct front {
	int fd;	    /* to xenpv-local; the domain ends with it */
	int upcall; /* pipe */
	uint32_t domid, pages;
	struct local_memory *memory;
	uint32_t next_frame; /* those below are in a batch */
	struct batch *batch;
	uint16_t *peer;	     /* by frame: whom it may be granted to */
	uint32_t *free_gref; /* a stack */
	uint32_t nfree;
	uint32_t granted[LOCAL_GRANTS]; /* the frame; 0: not ours to revoke */
	int port[LOCAL_PORTS];		/* eventfd to send by; -1: not open */
};

static void front_close(struct front *f)
{
	struct batch *b;
	uint32_t i;

	while ((b = f->batch)) {
		f->batch = b->next;
		free(b);
	}
	for (i = 0; i < LOCAL_PORTS; i++)
		if (f->port[i] >= 0)
			close(f->port[i]);
	if (f->memory)
		munmap(f->memory, (size_t)f->pages * WIRE_PAGE_SIZE);
	if (f->upcall >= 0)
		close(f->upcall);
	if (f->fd >= 0)
		close(f->fd);
	free(f->peer);
	free(f->free_gref);
	free(f);
}

static int join(struct front *f, const char *name, const char **why)
{
	struct local_msg m = {.type = LOCAL_JOIN};
	int fds[2], rc;

	*why = "the domain's name is too long";
	if (snprintf(m.name, sizeof(m.name), "%s", name) >= (int)sizeof(m.name))
		return -EINVAL;
	rc = local_call(f->fd, &m, fds, 2);
	*why = rc == -EEXIST ? "a domain of this name is there already"
	       : rc == -EINVAL
		       ? "a domain's name has letters, digits and -_.+, and "
			 "is no number"
		       : "the local host refuses a domain";
	if (rc < 0)
		return rc;
	f->domid = m.domid;
	f->pages = m.pages;
	f->upcall = fds[1];
	f->memory = local_map_memory(fds[0], m.pages);
	close(fds[0]);
	*why = "the domain's memory cannot be mapped";
	return f->memory ? 0 : -ENOMEM;
}

static int front_open(struct front **out, const char *where, const char *name,
		      const char **why)
{
	struct front *f = calloc(1, sizeof(*f));
	uint32_t i;
	int rc = -ENOMEM;

	*why = "out of memory";
	if (!f)
		return rc;
	f->fd = f->upcall = -1;
	for (i = 0; i < LOCAL_PORTS; i++)
		f->port[i] = -1;
	f->free_gref = calloc(LOCAL_GRANTS, sizeof(*f->free_gref));
	if (!f->free_gref)
		goto fail;
	for (i = LOCAL_GRANTS; i-- > LOCAL_GREF_FIRST;)
		f->free_gref[f->nfree++] = i;
	f->fd = rc = local_connect(where, why);
	if (rc < 0)
		goto fail;
	rc = join(f, name ? name : "", why);
	if (rc < 0)
		goto fail;
	f->next_frame = LOCAL_FRAME_FIRST;
	f->peer = calloc(f->pages, sizeof(*f->peer));
	*why = "out of memory";
	rc = -ENOMEM;
	if (!f->peer)
		goto fail;
	*out = f;
	return 0;

fail:
	front_close(f);
	return rc;
}

static uint32_t front_domid(const struct front *f)
{
	return f->domid;
}

static int front_store(struct front *f)
{
	struct local_msg m = {.type = LOCAL_STORE};
	int fd, rc = local_call(f->fd, &m, &fd, 1);

	return rc < 0 ? rc : fd;
}

/* ------------------------------------------------------------------- pages */

static int front_alloc(struct front *f, uint32_t peer, uint32_t n, uint8_t **va,
		       uint64_t *frame)
{
	struct batch *b;
	uint32_t i;

	if (n == 0 || peer > UINT16_MAX)
		return -EINVAL;
	for (b = f->batch; b && !(b->spare && b->n == n); b = b->next)
		;
	if (!b) {
		if (n > f->pages - f->next_frame)
			return -ENOMEM;
		b = calloc(1, sizeof(*b));
		if (!b)
			return -ENOMEM;
		*b = (struct batch){f->batch, f->next_frame, n, false};
		f->batch = b;
		f->next_frame += n;
	}
	*frame = b->frame;
	*va = (uint8_t *)f->memory + (size_t)b->frame * WIRE_PAGE_SIZE;
	if (b->spare)
		memset(*va, 0, (size_t)n * WIRE_PAGE_SIZE);
	b->spare = false;
	for (i = 0; i < n; i++)
		f->peer[b->frame + i] = (uint16_t)peer;
	return 0;
}

static int front_grant(struct front *f, uint64_t frame, bool readonly,
		       uint32_t *gref)
{
	struct local_grant g = {.flags = LOCAL_GRANT_ACCESS};

	if (frame < LOCAL_FRAME_FIRST || frame >= f->next_frame)
		return XPV_EINVAL;
	if (f->nfree == 0)
		return XPV_ENOSPC;
	g.frame = (uint32_t)frame;
	g.domid = f->peer[frame];
	if (readonly)
		g.flags |= LOCAL_GRANT_READONLY;
	*gref = f->free_gref[--f->nfree];
	f->granted[*gref] = (uint32_t)frame;
	/* What is in the page is there before it can be reached. */
	__atomic_store_n(&f->memory->grant[*gref], local_grant_word(g),
			 __ATOMIC_RELEASE);
	return 0;
}

/* Is a backend copying through it right now? */
static bool in_use(const struct front *f, uint32_t gref)
{
	uint64_t links = __atomic_load_n(&f->memory->links, __ATOMIC_ACQUIRE);
	const struct local_link *l;
	uint32_t i, count;

	for (; links; links &= links - 1) {
		l = &f->memory->link[__builtin_ctzll(links)].l;
		count = __atomic_load_n(&l->count, __ATOMIC_ACQUIRE);
		for (i = 0; i < count && i < LOCAL_COPIES; i++)
			if (__atomic_load_n(&l->gref[i], __ATOMIC_RELAXED) ==
			    gref)
				return true;
	}
	return false;
}

/* Clear the entry, unless it is mapped. */
static bool clear(uint64_t *entry)
{
	uint64_t word = __atomic_load_n(entry, __ATOMIC_RELAXED);

	do {
		if (local_grant_of(word).flags &
		    (LOCAL_GRANT_READING | LOCAL_GRANT_WRITING))
			return false;
	} while (!__atomic_compare_exchange_n(
		entry, &word, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

static bool front_revoke(struct front *f, uint32_t gref)
{
	int turns;

	XPV_ASSERT(gref < LOCAL_GRANTS && f->granted[gref]);
	if (!clear(&f->memory->grant[gref]))
		return false;
	xpv_mb(); /* cleared before we look for copies that saw it */
	for (turns = 0; in_use(f, gref); turns++) {
		if (turns == COPY_TURNS)
			return false;
		sched_yield();
	}
	f->granted[gref] = 0;
	f->free_gref[f->nfree++] = gref;
	return true;
}

static void front_release(struct front *f, uint64_t frame)
{
	struct batch *b;
	bool lost = false;
	uint32_t i;

	for (b = f->batch; b && (b->spare || b->frame != frame); b = b->next)
		;
	XPV_ASSERT(b);
	for (i = LOCAL_GREF_FIRST; i < LOCAL_GRANTS; i++) {
		if (f->granted[i] < b->frame ||
		    f->granted[i] - b->frame >= b->n || front_revoke(f, i))
			continue;
		/* The peer has it still: neither it nor the pages are used
		 * again. No copy goes through it from now on. */
		__atomic_store_n(&f->memory->grant[i], 0, __ATOMIC_SEQ_CST);
		f->granted[i] = 0;
		lost = true;
	}
	if (lost)
		b->frame = 0;
	else
		b->spare = true;
}

/* ------------------------------------------------------------------ events */

static int front_channel(struct front *f, uint32_t peer, uint32_t *port)
{
	struct local_msg m = {.type = LOCAL_PORT, .domid = peer};
	int fd, rc = local_call(f->fd, &m, &fd, 1);

	if (rc < 0)
		return rc;
	if (m.port >= LOCAL_PORTS || f->port[m.port] >= 0) {
		close(fd);
		return -EPROTO;
	}
	f->port[m.port] = fd;
	*port = m.port;
	return 0;
}

static void front_channel_close(struct front *f, uint32_t port)
{
	struct local_msg m = {.type = LOCAL_PORT_CLOSE, .port = port};

	close(f->port[port]);
	f->port[port] = -1;
	/* Without an answer the host is gone, and the port with it. */
	(void)local_call(f->fd, &m, NULL, 0);
}

static void front_notify(struct front *f, uint32_t port)
{
	const uint64_t one = 1;

	(void)!write(f->port[port], &one, sizeof(one));
}

static int front_event_fd(const struct front *f)
{
	return f->upcall;
}

/* A pending bit of an open port, which is cleared. */
static bool take_pending(struct front *f, uint32_t *port)
{
	uint64_t bits, bit;
	uint32_t i;

	for (i = 0; i < LOCAL_PORTS / 64; i++) {
		bits = __atomic_load_n(&f->memory->pending[i],
				       __ATOMIC_RELAXED);
		for (; bits; bits &= bits - 1) {
			bit = bits & -bits;
			*port = i * 64 + (uint32_t)__builtin_ctzll(bits);
			__atomic_fetch_and(&f->memory->pending[i], ~bit,
					   __ATOMIC_SEQ_CST);
			if (f->port[*port] >= 0)
				return true;
		}
	}
	return false;
}

static bool front_event(struct front *f, uint32_t *port)
{
	char bytes[256];

	if (take_pending(f, port))
		return true;
	/* Nothing: let the descriptor wait again, then look once more, since a
	 * bit may have been set before that. */
	return read(f->upcall, bytes, sizeof(bytes)) > 0 &&
	       take_pending(f, port);
}

const struct front_ops front_local = {
	.name = "local",
	.open = front_open,
	.close = front_close,
	.domid = front_domid,
	.store = front_store,
	.alloc = front_alloc,
	.grant = front_grant,
	.revoke = front_revoke,
	.channel = front_channel,
	.channel_close = front_channel_close,
	.notify = front_notify,
	.event_fd = front_event_fd,
	.event = front_event,
	.release = front_release,
};
