/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the data plane needs of the machine it runs on: map a guest's ring,
 * copy to and from granted pages, send and receive events. One table of
 * functions per kind of host: the real Xen (host/xen.c), and the local host
 * (host/local.c).
 *
 * A host_link belongs to one thread and serves one ring.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "host/uring.h"

/* Elements one call of copy() takes; longer lists are cut into such calls. */
#define HOST_COPY_MAX 512

/* One piece between a granted page and our own memory. */
struct host_copy {
	uint32_t gref;
	uint16_t offset; /* in the granted page, bytes */
	uint16_t len;	 /* offset + len <= 4096 */
	void *local;
	bool ok; /* set by copy() */
};

/* Pages of a ring. */
#define HOST_RING_MAX 16

/* A ring as a guest names it. */
struct host_ring {
	uint32_t domid;
	uint32_t port; /* of the guest's end of the event channel */
	uint32_t pages;
	uint32_t gref[HOST_RING_MAX]; /* the first PAGES are used */
};

struct host_link;

struct host_ops {
	const char *name; /* as in --host */

	/*
	 * Before there are links, in a process that will not be able to open
	 * anything later: get what LINKS of them at a time need. NULL where
	 * nothing is needed. Negative errno and *WHY.
	 */
	int (*prepare)(unsigned links, const char **why);

	/* After that: it is all for guest DOMID, as far as the kernel can be
	 * told. NULL where there is nothing to tell. Negative errno and *WHY. */
	int (*restrict_to)(uint32_t domid, const char **why);

	/*
	 * Map the pages of RING for reading and writing and bind to its event
	 * channel. They are at *SHARED, one after the other, until close().
	 * PLACE is what follows the colon in --host (local: the host's
	 * directory; Xen: NULL). Negative errno, and *WHY says what failed;
	 * -EINVAL for a number of pages that cannot be.
	 */
	int (*open)(struct host_link **out, const char *place,
		    const struct host_ring *ring, void **shared,
		    const char **why);

	/* Undo open(), before uring_fini() of listen()'s ring. The guest's end
	 * of the event channel stays usable. */
	void (*close)(struct host_link *l);

	/*
	 * Copy N pieces (at most HOST_COPY_MAX) to the guest or from it, and
	 * set ok of each: one may fail while its neighbours do not.
	 */
	void (*copy)(struct host_link *l, struct host_copy *c, unsigned n,
		     bool to_guest);

	/*
	 * Map the page of GREF for reading and writing, for a long time; it is
	 * at *AT until unmap(), which is due before close(). A negative errno
	 * when the guest has not granted it so.
	 */
	int (*map)(struct host_link *l, uint32_t gref, void **at);
	void (*unmap)(struct host_link *l, uint32_t gref, void *at);

	/* Send the guest an event. The process ignores SIGPIPE: on a local
	 * host the guest's end of a pipe may have gone with it. */
	void (*notify)(struct host_link *l);

	/* Start listening: CALL(CTX) runs from uring_reap() at an event. */
	void (*listen)(struct host_link *l, struct uring *u,
		       void (*call)(void *ctx), void *ctx);

	/*
	 * Let the next event through: events that came since the last one are
	 * held back until then. Queued, done by the next submission. Call it
	 * right before sleeping.
	 */
	void (*rearm)(struct host_link *l, struct uring *u);
};

/* The real Xen: /dev/xen/gntdev and /dev/xen/evtchn of this domain. */
extern const struct host_ops host_xen;
/* A directory in which xenpv-local runs (local/). */
extern const struct host_ops host_local;

#endif
