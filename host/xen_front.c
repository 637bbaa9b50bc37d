/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frontend's needs on the real Xen, from the devices that Linux has for
 * programs: pages from /dev/xen/gntalloc (libxengnttab), event channels from
 * /dev/xen/evtchn (libxenevtchn), xenstore through /dev/xen/xenbus. In a guest,
 * or in dom0, with dom0 itself or another domain as the backend's.
 *
 * gntalloc grants a page for as long as it lives: grant() only looks the
 * reference up, and revoke() has nothing to do. A page that the backend still
 * maps when we end stays out of use in the kernel until it lets go.
 */
#include "host/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "core/xs.h"
#include "host/xen_quiet.h"
#include "wire/ring.h"

#define XENBUS "/dev/xen/xenbus"

/* Pages that were granted together. */
struct batch {
	struct batch *next;
	void *va;
	uint64_t frame; /* the first */
	uint32_t n;
};

struct front {
	xengntshr_handle *pages;
	xenevtchn_handle *events;
	uint32_t domid;
	struct batch *batch;
	uint32_t *gref; /* by frame */
	uint32_t frames;
};

/* The reply to REQ (LEN bytes) in REPLY, which points into READER. */
static int ask(int fd, const uint8_t *req, int len, struct xs_reader *reader,
	       struct xs_msg *reply)
{
	uint8_t bytes[XS_MSG_MAX];
	size_t used, at;
	ssize_t n;
	int rc;

	if (len < 0)
		return -EINVAL;
	if (write(fd, req, (size_t)len) != len)
		return -EIO;
	for (;;) {
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return n ? -errno : -EIO;
		for (at = 0; at < (size_t)n; at += used) {
			rc = xs_reader_feed(reader, bytes + at, (size_t)n - at,
					    &used, reply);
			if (rc)
				return rc == 1 ? 0 : -EPROTO;
		}
	}
}

/* Which domain are we? Its own node "domid" says so, in dom0, too. */
static int read_domid(uint32_t *domid)
{
	uint8_t req[XS_MSG_MAX];
	const struct xs_out out = {.buf = req, .room = sizeof(req)};
	struct xs_reader reader;
	struct xs_msg reply;
	int fd, rc;

	fd = open(XENBUS, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	xs_reader_init(&reader);
	rc = ask(fd, req, xs_enc_path(&out, WIRE_XS_READ, "domid"), &reader,
		 &reply);
	if (!rc && (reply.type == WIRE_XS_ERROR ||
		    xs_parse_u32(reply.payload, reply.len, domid)))
		rc = -EPROTO;
	close(fd);
	return rc;
}

static void xen_close(struct front *f)
{
	struct batch *b;

	if (f->events)
		xenevtchn_close(f->events); /* unbinds all ports */
	while ((b = f->batch)) {
		f->batch = b->next;
		xengntshr_unshare(f->pages, b->va, b->n);
		free(b);
	}
	if (f->pages)
		xengntshr_close(f->pages);
	free(f->gref);
	free(f);
}

static int xen_open(struct front **out, const char *where, const char *name,
		    const char **why)
{
	struct front *f;
	int rc;

	(void)where, (void)name;
	*why = "out of memory";
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	*why = "this domain's number cannot be read through " XENBUS
	       " (is this a Xen domain?)";
	rc = read_domid(&f->domid);
	if (rc)
		goto fail;
	*why = "/dev/xen/gntalloc does not open (load the module "
	       "xen-gntalloc)";
	f->pages = xengntshr_open(&xen_quiet, 0);
	if (!f->pages)
		goto fail_errno;
	*why = "/dev/xen/evtchn does not open (load the module xen-evtchn)";
	f->events = xenevtchn_open(&xen_quiet, 0);
	if (!f->events ||
	    fcntl(xenevtchn_fd(f->events), F_SETFL, O_NONBLOCK) < 0)
		goto fail_errno;
	*out = f;
	return 0;

fail_errno:
	rc = errno ? -errno : -EIO;
fail:
	xen_close(f);
	return rc;
}

static uint32_t xen_domid(const struct front *f)
{
	return f->domid;
}

static int xen_store(struct front *f)
{
	int fd = open(XENBUS, O_RDWR | O_CLOEXEC);

	(void)f;
	return fd < 0 ? -errno : fd;
}

static int share(struct front *f, uint32_t peer, uint32_t n, bool writable,
		 uint8_t **va, uint64_t *frame)
{
	uint32_t *more;
	struct batch *b;
	int rc;

	if (!n || n > UINT32_MAX / sizeof(*more) - f->frames)
		return -EINVAL;
	more = realloc(f->gref, (f->frames + n) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->gref = more;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->n = n;
	b->va = xengntshr_share_pages(f->pages, peer, (int)n,
				      f->gref + f->frames, writable);
	if (!b->va) {
		rc = errno ? -errno : -EIO;
		free(b);
		return rc;
	}
	b->frame = f->frames;
	b->next = f->batch;
	f->batch = b;
	memset(b->va, 0, (size_t)n * WIRE_PAGE_SIZE);
	*va = b->va;
	*frame = f->frames;
	f->frames += n;
	return 0;
}

static int xen_alloc(struct front *f, uint32_t peer, uint32_t n, uint8_t **va,
		     uint64_t *frame)
{
	return share(f, peer, n, true, va, frame);
}

static int xen_alloc_readonly(struct front *f, uint32_t peer, uint32_t n,
			      uint8_t **va, uint64_t *frame)
{
	return share(f, peer, n, false, va, frame);
}

static void xen_release(struct front *f, uint64_t frame)
{
	struct batch **at = &f->batch, *b;

	while (*at && (*at)->frame != frame)
		at = &(*at)->next;
	b = *at;
	XPV_ASSERT(b);
	*at = b->next;
	xengntshr_unshare(f->pages, b->va, b->n);
	free(b);
}

static int xen_grant(struct front *f, uint64_t frame, bool readonly,
		     uint32_t *gref)
{
	(void)readonly;
	XPV_ASSERT(frame < f->frames);
	*gref = f->gref[frame];
	return 0;
}

static bool xen_revoke(struct front *f, uint32_t gref)
{
	(void)f, (void)gref;
	return true;
}

static int xen_channel(struct front *f, uint32_t peer, uint32_t *port)
{
	xenevtchn_port_or_error_t p =
		xenevtchn_bind_unbound_port(f->events, peer);

	if (p < 0)
		return errno ? -errno : -EIO;
	*port = (uint32_t)p;
	return 0;
}

static void xen_channel_close(struct front *f, uint32_t port)
{
	(void)xenevtchn_unbind(f->events, port);
}

static void xen_notify(struct front *f, uint32_t port)
{
	/* Fails only when the backend has not bound its end yet. */
	(void)xenevtchn_notify(f->events, port);
}

static int xen_event_fd(const struct front *f)
{
	return xenevtchn_fd(f->events);
}

static bool xen_event(struct front *f, uint32_t *port)
{
	xenevtchn_port_or_error_t p = xenevtchn_pending(f->events);

	if (p < 0)
		return false;
	*port = (uint32_t)p;
	(void)xenevtchn_unmask(f->events, (evtchn_port_t)p);
	return true;
}

const struct front_ops front_xen = {
	.name = "xen",
	.open = xen_open,
	.close = xen_close,
	.domid = xen_domid,
	.store = xen_store,
	.alloc = xen_alloc,
	.grant = xen_grant,
	.revoke = xen_revoke,
	.channel = xen_channel,
	.channel_close = xen_channel_close,
	.notify = xen_notify,
	.event_fd = xen_event_fd,
	.event = xen_event,
	.alloc_readonly = xen_alloc_readonly,
	.release = xen_release,
};
