/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a local host agree on: the sockets in its directory, the
 * messages to xenpv-local (local/), and the memory of a domain, which that
 * domain, the backends of its devices and xenpv-local share.
 *
 *     frontend                xenpv-local               backend
 *     host/local_front.c      local/                    host/local.c
 *       JOIN  ------------->  a domain: memory, name
 *       PORT  ------------->  an event channel
 *       grants pages, in its memory
 *                             pins the page   <-------  MAP
 *                             ties the ends   <-------  BIND
 *       event ------------- eventfd ----------------->
 *       <-- pending bit and pipe ---------------------  event
 *       <-- copies through grants, checked here ------
 *
 * xenpv-local is asked when something is set up; events and data go without
 * it. What a connection has got lasts as long as the connection: when a process
 * dies its domain ends, or its maps and event channels are given back. A
 * connection that has not joined acts as domain 0.
 *
 * The guest may write anything into its memory at any time. It is sealed so
 * that it cannot become smaller. Nor can it make us wait: what a guest has a
 * descriptor of may block (its flags are the guest's, too), so that a backend
 * only polls the eventfd, and has an end of the pipe that is its own.
 */
#ifndef HOST_LOCAL_ABI_H
#define HOST_LOCAL_ABI_H

#include <stdint.h>

#include "wire/ring.h"

/* In the host's directory: a SOCK_SEQPACKET socket for these messages, and a
 * stream socket that speaks xenstore as domain 0. */
#define LOCAL_HOST     "host"
#define LOCAL_XENSTORE "xenstore"

/* ---------------------------------------------------------------- messages */

#define LOCAL_VERSION  1
#define LOCAL_NAME_MAX 128 /* of a domain, with its NUL */
#define LOCAL_FDS_MAX  2

enum local_type {
	/* Become a domain of this NAME. -> DOMID, PAGES; its memory, and the end
	 * of a pipe that gets a byte when a bit of PENDING becomes set. */
	LOCAL_JOIN = 1,
	/* -> a stream socket that speaks xenstore as this domain. */
	LOCAL_STORE,
	/* An event channel that DOMID may bind to. -> PORT; an eventfd: writing
	 * to it sends an event. */
	LOCAL_PORT,
	/* Close PORT. */
	LOCAL_PORT_CLOSE,
	/* Map the page that DOMID granted as GREF, for writing, too, unless
	 * READONLY. -> FRAME, PAGES, LINK; the memory of DOMID. */
	LOCAL_MAP,
	/* Give back one map of GREF of DOMID. */
	LOCAL_UNMAP,
	/* Bind to PORT of DOMID. -> an eventfd that receives its events (treat
	 * it as if there were one: some may have been lost), and the other end
	 * of its pipe. */
	LOCAL_BIND,
};

/* A request, and the reply to it, of the same type. */
struct local_msg {
	uint32_t version; /* LOCAL_VERSION */
	uint32_t type;	  /* enum local_type */
	int32_t rc;	  /* in the reply: 0 or a negative errno */
	uint32_t domid;
	uint32_t gref;
	uint32_t port;
	uint32_t readonly;
	uint32_t pages; /* of the memory */
	uint32_t frame; /* of the mapped page */
	uint32_t link;	/* which struct local_link is this connection's */
	char name[LOCAL_NAME_MAX];
};

/* ------------------------------------------------------------------ memory */

#define LOCAL_PAGES  65536u /* taken from the system as they are used */
#define LOCAL_PORTS  1024u
#define LOCAL_LINKS  64u
#define LOCAL_GRANTS 16384u
#define LOCAL_COPIES 512u /* grants that are in use by copies of one link */

/* References below this one are Xen's own (GNTTAB_NR_RESERVED_ENTRIES). */
#define LOCAL_GREF_FIRST 8u

/* As Xen's grant_entry_v1; read and changed as a whole. */
struct local_grant {
	uint16_t flags; /* LOCAL_GRANT_*; 0: free */
	uint16_t domid; /* who may use it */
	uint32_t frame;
};

#define LOCAL_GRANT_ACCESS   1u	 /* the kind that there is */
#define LOCAL_GRANT_KIND     3u	 /* mask */
#define LOCAL_GRANT_READONLY 4u	 /* set by the guest */
#define LOCAL_GRANT_READING  8u	 /* set while it is mapped */
#define LOCAL_GRANT_WRITING  16u /* while it is mapped for writing */

/*
 * Which grants a backend is copying through right now. It writes them here,
 * then looks at their entries; the guest clears an entry, then looks here: at
 * least one sees the other. xenpv-local clears COUNT when the backend dies.
 */
struct local_link {
	uint32_t count; /* 0: none */
	uint32_t gref[LOCAL_COPIES];
};

/* The beginning of a domain's memory; its free pages follow. */
struct local_memory {
	uint64_t pending[LOCAL_PORTS / 64]; /* a bit a port */
	uint64_t links;			    /* a bit a link in use */
	uint8_t pad[WIRE_PAGE_SIZE - LOCAL_PORTS / 8 - 8];
	union {
		struct local_link l;
		uint8_t page[WIRE_PAGE_SIZE];
	} link[LOCAL_LINKS];
	uint64_t grant[LOCAL_GRANTS]; /* struct local_grant */
};

#define LOCAL_FRAME_FIRST                                                      \
	((uint32_t)(sizeof(struct local_memory) / WIRE_PAGE_SIZE))

_Static_assert(sizeof(struct local_grant) == 8, "one word");
_Static_assert(sizeof(struct local_link) <= WIRE_PAGE_SIZE, "one page");
_Static_assert(offsetof(struct local_memory, link) == WIRE_PAGE_SIZE, "pages");
_Static_assert(sizeof(struct local_memory) % WIRE_PAGE_SIZE == 0, "pages");

static inline struct local_grant local_grant_of(uint64_t word)
{
	struct local_grant g;

	__builtin_memcpy(&g, &word, sizeof(g));
	return g;
}

static inline uint64_t local_grant_word(struct local_grant g)
{
	uint64_t word;

	__builtin_memcpy(&word, &g, sizeof(word));
	return word;
}

/*
 * May DOMID use this grant, for writing if WRITE? Checked by whoever uses it,
 * on his own copy of the entry, in this order (as Xen does). PAGES: of the
 * memory, from a source that the guest cannot write.
 */
static inline bool local_grant_ok(struct local_grant g, uint32_t domid,
				  bool write, uint32_t pages)
{
	return (g.flags & LOCAL_GRANT_KIND) == LOCAL_GRANT_ACCESS &&
	       g.domid == domid && !(write && g.flags & LOCAL_GRANT_READONLY) &&
	       g.frame >= LOCAL_FRAME_FIRST && g.frame < pages;
}

/* ------------------------------------------------------- for either end */

/*
 * local_connect - a connection to xenpv-local in the directory PLACE
 *
 * Return: a descriptor, or a negative errno and *WHY.
 */
int local_connect(const char *place, const char **why);

/*
 * local_call - send M, receive the reply to it in M
 * @fds: room for the @nfds descriptors that a good reply has
 *
 * Return: 0; the negative errno of the reply, or of the connection (-EPROTO:
 * it is no such reply).
 */
int local_call(int fd, struct local_msg *m, int *fds, unsigned nfds);

/*
 * local_send_msg, local_recv_msg - one message and its descriptors
 *
 * Receiving: -EPROTO if it is none; 0 at the end of the connection, else 1 and
 * *NFDS descriptors, LOCAL_FDS_MAX at most. -EAGAIN if the socket does not
 * block.
 */
int local_send_msg(int fd, const struct local_msg *m, const int *fds,
		   unsigned nfds);
int local_recv_msg(int fd, struct local_msg *m, int *fds, unsigned *nfds);

/* local_map_memory - map a domain's memory; NULL if it is not of PAGES pages
 * that stay. Unmap with munmap(). */
struct local_memory *local_map_memory(int fd, uint32_t pages);

#endif
