/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real Xen, through libxengnttab and libxenevtchn.
 *
 * Data goes by grant copy, or through pages that the guest lets us keep mapped
 * (persistent grants), never by handing mapped guest pages to a layer that
 * merges (XSA-229). No other mapping can outlive an answer. The event
 * channel is masked by the kernel at each event until its port is written
 * back; we read and write the port through the io_uring, together with the
 * storage I/O of the same wake-up, so that it costs no system call.
 *
 * A process that has prepared has one descriptor of gntdev, which its links
 * share (the library and the driver keep nothing per call in it), and one of
 * evtchn for each link, used again and again.
 */
#include "host/host.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "host/xen_quiet.h"

struct host_link {
	xengnttab_handle *grants;
	xenevtchn_handle *events;
	void *ring;
	uint32_t pages; /* of it */
	uint32_t domid;
	int port;      /* local end */
	bool masked;   /* an event has come and the port was not written back */
	uint32_t seen; /* buffer of the queued read of a port */
	uint32_t mine; /* the port, as written back */
	struct uring *uring;
	struct uring_op poll;
	bool closed; /* freed when the kernel is done with `poll` */
	void (*call)(void *ctx);
	void *ctx;
	xengnttab_grant_copy_segment_t seg[HOST_COPY_MAX];
};

/* ------------------------------------------------ what is opened beforehand */

static struct {
	pthread_mutex_t lock;
	xengnttab_handle *grants;  /* NULL: not prepared */
	xenevtchn_handle **events; /* those that no link has */
	unsigned nevents;
} ready = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int xen_prepare(unsigned links, const char **why)
{
	xenevtchn_handle *events;

	*why = "out of memory";
	ready.events = calloc(links, sizeof(*ready.events));
	if (!ready.events)
		return -ENOMEM;
	*why = "/dev/xen/gntdev does not open";
	ready.grants = xengnttab_open(&xen_quiet, 0);
	if (!ready.grants)
		return errno ? -errno : -EIO;
	*why = "/dev/xen/evtchn does not open";
	while (ready.nevents < links) {
		events = xenevtchn_open(&xen_quiet, 0);
		if (!events)
			return errno ? -errno : -EIO;
		ready.events[ready.nevents++] = events;
	}
	return 0;
}

static int xen_restrict_to(uint32_t domid, const char **why)
{
	unsigned i;

	/* Both ends in one domain, for tests: the kernel takes 0 for an error. */
	if (!domid)
		return 0;
	*why = "/dev/xen/evtchn cannot be restricted to one guest";
	for (i = 0; i < ready.nevents; i++)
		if (xenevtchn_restrict(ready.events[i], (domid_t)domid) < 0)
			return errno ? -errno : -EIO;
	return 0;
}

static xengnttab_handle *get_grants(void)
{
	return ready.grants ? ready.grants : xengnttab_open(&xen_quiet, 0);
}

static void put_grants(xengnttab_handle *grants)
{
	if (grants != ready.grants)
		xengnttab_close(grants);
}

static xenevtchn_handle *get_events(void)
{
	xenevtchn_handle *events = NULL;

	if (!ready.grants)
		return xenevtchn_open(&xen_quiet, 0);
	pthread_mutex_lock(&ready.lock);
	if (ready.nevents > 0)
		events = ready.events[--ready.nevents];
	pthread_mutex_unlock(&ready.lock);
	errno = EMFILE;
	return events;
}

static void put_events(xenevtchn_handle *events)
{
	if (!ready.grants) {
		xenevtchn_close(events);
		return;
	}
	pthread_mutex_lock(&ready.lock);
	ready.events[ready.nevents++] = events;
	pthread_mutex_unlock(&ready.lock);
}

/* Forget ports that came before: the file wakes us only when it had none. */
static int empty(xenevtchn_handle *events)
{
	uint32_t port[16];
	int fd = xenevtchn_fd(events);

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	while (read(fd, port, sizeof(port)) > 0)
		;
	return 0;
}

/* -------------------------------------------------------------------- links */

static void xen_close(struct host_link *l)
{
	/* The poll has a reference of the file: closing does not unbind. */
	if (l->events && l->port > 0)
		(void)xenevtchn_unbind(l->events, (evtchn_port_t)l->port);
	if (l->events)
		put_events(l->events);
	if (l->ring)
		xengnttab_unmap(l->grants, l->ring, l->pages);
	if (l->grants)
		put_grants(l->grants);
	l->closed = true;
	if (l->uring)
		uring_cancel(l->uring, &l->poll);
	else
		free(l);
}

/* One mapping of all pages, in their order. */
static void *map_ring(struct host_link *l, const struct host_ring *ring)
{
	uint32_t gref[HOST_RING_MAX];

	memcpy(gref, ring->gref, sizeof(gref)); /* the library wants its own */
	return xengnttab_map_domain_grant_refs(l->grants, ring->pages,
					       ring->domid, gref,
					       PROT_READ | PROT_WRITE);
}

static int xen_open(struct host_link **out, const char *place,
		    const struct host_ring *ring, void **shared,
		    const char **why)
{
	struct host_link *l;
	int rc;

	(void)place;
	*why = "a ring has no such number of pages";
	if (ring->pages == 0 || ring->pages > HOST_RING_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	*why = "out of memory";
	if (!l)
		return -ENOMEM;
	l->domid = ring->domid;
	l->pages = ring->pages;
	*why = "/dev/xen/gntdev does not open";
	l->grants = get_grants();
	if (!l->grants)
		goto fail;
	*why = "the guest's ring pages cannot be mapped";
	l->ring = map_ring(l, ring);
	if (!l->ring)
		goto fail;
	*why = "/dev/xen/evtchn does not open";
	l->events = get_events();
	if (!l->events)
		goto fail;
	*why = "/dev/xen/evtchn cannot be made non-blocking";
	if (empty(l->events) < 0)
		goto fail;
	*why = "the guest's event channel cannot be bound";
	l->port =
		xenevtchn_bind_interdomain(l->events, ring->domid, ring->port);
	if (l->port < 0)
		goto fail;
	l->mine = (uint32_t)l->port;
	*shared = l->ring;
	*out = l;
	return 0;

fail:
	rc = errno ? -errno : -EIO;
	xen_close(l);
	return rc;
}

static void xen_copy(struct host_link *l, struct host_copy *c, unsigned n,
		     bool to_guest)
{
	unsigned i;
	int r;

	assert(n <= HOST_COPY_MAX);
	for (i = 0; i < n; i++) {
		xengnttab_grant_copy_segment_t *s = &l->seg[i];

		s->len = c[i].len;
		s->status = GNTST_general_error;
		if (to_guest) {
			s->flags = GNTCOPY_dest_gref;
			s->source.virt = c[i].local;
			s->dest.foreign.ref = c[i].gref;
			s->dest.foreign.offset = c[i].offset;
			s->dest.foreign.domid = (uint16_t)l->domid;
		} else {
			s->flags = GNTCOPY_source_gref;
			s->source.foreign.ref = c[i].gref;
			s->source.foreign.offset = c[i].offset;
			s->source.foreign.domid = (uint16_t)l->domid;
			s->dest.virt = c[i].local;
		}
	}
	r = xengnttab_grant_copy(l->grants, n, l->seg);
	/* XSA-361: the call may succeed while an element has not. */
	for (i = 0; i < n; i++)
		c[i].ok = r == 0 && l->seg[i].status == GNTST_okay;
}

static int xen_map(struct host_link *l, uint32_t gref, void **at)
{
	void *page = xengnttab_map_grant_ref(l->grants, l->domid, gref,
					     PROT_READ | PROT_WRITE);

	*at = page;
	if (page)
		return 0;
	return errno ? -errno : -EIO;
}

static void xen_unmap(struct host_link *l, uint32_t gref, void *at)
{
	(void)gref;
	xengnttab_unmap(l->grants, at, 1);
}

static void xen_notify(struct host_link *l)
{
	/* Fails only when the guest has closed its end: nobody to tell. */
	(void)xenevtchn_notify(l->events, l->mine);
}

static void listen_again(struct host_link *l)
{
	struct io_uring_sqe *sqe = uring_sqe(l->uring);

	io_uring_prep_poll_multishot(sqe, xenevtchn_fd(l->events), POLLIN);
	uring_attach(sqe, &l->poll);
}

static void xen_event(struct uring_op *op, int32_t res, uint32_t flags)
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
	if (res >= 0) {
		l->masked = true;
		l->call(l->ctx);
	}
	if (!(flags & IORING_CQE_F_MORE))
		listen_again(l);
}

static void xen_listen(struct host_link *l, struct uring *u,
		       void (*call)(void *ctx), void *ctx)
{
	l->uring = u;
	l->poll.done = xen_event;
	l->call = call;
	l->ctx = ctx;
	listen_again(l);
}

static void xen_rearm(struct host_link *l, struct uring *u)
{
	struct io_uring_sqe *sqe;
	int fd = xenevtchn_fd(l->events);

	if (!l->masked)
		return;
	l->masked = false;
	/*
	 * The file wakes us only when its buffer of ports was empty, so the
	 * port must be read out before it is unmasked: linked in that order.
	 */
	sqe = uring_sqe(u);
	io_uring_prep_read(sqe, fd, &l->seen, sizeof(l->seen), 0);
	sqe->flags |= IOSQE_IO_HARDLINK;
	uring_detach(u, sqe);
	sqe = uring_sqe(u);
	io_uring_prep_write(sqe, fd, &l->mine, sizeof(l->mine), 0);
	uring_detach(u, sqe);
}

const struct host_ops host_xen = {
	.name = "xen",
	.prepare = xen_prepare,
	.restrict_to = xen_restrict_to,
	.open = xen_open,
	.close = xen_close,
	.copy = xen_copy,
	.map = xen_map,
	.unmap = xen_unmap,
	.notify = xen_notify,
	.listen = xen_listen,
	.rearm = xen_rearm,
};
