/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frontend in user space needs of the machine it runs on: pages that it
 * can grant, event channels, and a connection to xenstore as its own domain.
 * One table of functions per kind of host: the real Xen (host/xen_front.c:
 * /dev/xen/gntalloc, evtchn and xenbus, inside a guest or dom0), and the local
 * host (host/local_front.c).
 *
 * A front belongs to one thread.
 */
#ifndef HOST_FRONT_H
#define HOST_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/port.h"

struct front;

struct front_ops {
	const char *name; /* as in --host */

	/*
	 * Become a domain. WHERE is what follows the colon in --host (local:
	 * the host's directory; Xen: unused, NULL). NAME is the new domain's
	 * name (local), or unused: on Xen the domain is the one we run in.
	 * Negative errno, and *WHY says what failed.
	 */
	int (*open)(struct front **out, const char *where, const char *name,
		    const char **why);

	/* Everything is given back; on a local host the domain ends. */
	void (*close)(struct front *f);

	uint32_t (*domid)(const struct front *f);

	/* A descriptor that speaks the xenstore protocol as this domain, for
	 * store_open_fd(); the caller's to close. Or a negative errno. */
	int (*store)(struct front *f);

	/*
	 * N pages, adjacent at *VA and zeroed, that may be granted to domain
	 * PEER. Page I has the frame *FRAME + I. Kept until close(). 0 or a
	 * negative errno.
	 */
	int (*alloc)(struct front *f, uint32_t peer, uint32_t n, uint8_t **va,
		     uint64_t *frame);

	/*
	 * Let the peer of FRAME reach it. 0 and *GREF; XPV_ENOSPC. On Xen the
	 * grant exists since alloc(), and is writable.
	 */
	int (*grant)(struct front *f, uint64_t frame, bool readonly,
		     uint32_t *gref);

	/* Take it back; false when the peer still has it mapped. (On Xen it
	 * lasts until close(): always true.) */
	bool (*revoke)(struct front *f, uint32_t gref);

	/* An event channel that PEER may bind to. 0 or a negative errno. */
	int (*channel)(struct front *f, uint32_t peer, uint32_t *port);

	void (*channel_close)(struct front *f, uint32_t port);

	/* Send the peer an event. */
	void (*notify)(struct front *f, uint32_t port);

	/* A descriptor that is readable when an event may have come for any
	 * port; stays the front's. */
	int (*event_fd)(const struct front *f);

	/*
	 * Take one event: the port it came for in *PORT, which is let through
	 * again. False when there is none. Does not block.
	 */
	bool (*event)(struct front *f, uint32_t *port);

	/* For tests of a backend; NULL: not on this host. */

	/* As alloc(), of pages that the peer may only read: on Xen that is
	 * decided here. grant() them with readonly. */
	int (*alloc_readonly)(struct front *f, uint32_t peer, uint32_t n,
			      uint8_t **va, uint64_t *frame);

	/*
	 * Give all pages of one alloc() back, which began at FRAME, and end
	 * their grants, whatever the peer is doing with them. (What it still
	 * has mapped stays the kernel's until it lets go.)
	 */
	void (*release)(struct front *f, uint64_t frame);
};

/* This domain of the real Xen. */
extern const struct front_ops front_xen;
/* A domain of a local host (local/). */
extern const struct front_ops front_local;

#endif
