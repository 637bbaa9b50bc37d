/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains of a local host: their memory, grants, event channels and nodes in
 * xenstore. What Xen and xl are elsewhere; no sockets.
 *
 * Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef LOCAL_DOMAIN_H
#define LOCAL_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "host/local_abi.h"
#include "local/xs_server.h"

/* The guest's end of an event channel. */
struct local_port {
	bool used;
	uint32_t peer;	    /* the domain that may bind to it */
	int event;	    /* eventfd: what the guest sends arrives here */
	const void *binder; /* the connection that has bound to it, or NULL */
};

/* A grant that is mapped. */
struct local_pin {
	struct local_pin *next;
	const void *owner; /* the connection that has mapped it */
	uint32_t gref;
	bool readonly;
};

struct domain {
	struct domain *next;
	const void *owner; /* the connection that is this domain */
	uint32_t domid;
	char name[LOCAL_NAME_MAX];
	char uuid[37];
	int memory_fd;
	int upcall[2]; /* pipe: bytes for its pending bits */
	struct local_memory *memory;
	const void *link_owner[LOCAL_LINKS];
	struct local_pin *pin;
	struct local_port port[LOCAL_PORTS];
};

struct domains {
	struct xs_server *xs;
	struct domain *first;
	uint32_t last_domid;
};

/*
 * domain_new - a domain begins
 * @owner: whoever it is to end with; not looked into
 *
 * -EINVAL: this is no name; -EEXIST: it is another domain's.
 */
int domain_new(struct domains *all, const char *name, const void *owner,
	       struct domain **out);

/* domain_free - it ends; for those that have its pages mapped the memory
 * stays. */
void domain_free(struct domains *all, struct domain *d);

struct domain *domain_find(const struct domains *all, uint32_t domid);

/* domain_forget_owner - a connection that had maps and bindings is gone. */
void domain_forget_owner(struct domains *all, const void *owner);

/* domain_port_new - an event channel for @peer. @event: stays the domain's.
 * -ENOSPC. */
int domain_port_new(struct domain *d, uint32_t peer, uint32_t *port,
		    int *event);
int domain_port_close(struct domain *d, uint32_t port);

/*
 * domain_bind - @owner, a process of domain @peer, becomes the other end
 * @event: stays the domain's
 *
 * -EINVAL: @peer may not, or somebody has (Xen's answer to both).
 */
int domain_bind(struct domain *d, uint32_t port, uint32_t peer,
		const void *owner, int *event);

/*
 * domain_map - pin what was granted to @peer as @gref
 * @link: the index of @owner's struct local_link
 *
 * -EINVAL: no such grant for @peer; -EACCES: it is read-only; -ENOSPC: there
 * are LOCAL_LINKS others.
 */
int domain_map(struct domain *d, uint32_t gref, uint32_t peer, bool readonly,
	       const void *owner, uint32_t *frame, uint32_t *link);
int domain_unmap(struct domain *d, uint32_t gref, const void *owner);

#endif
