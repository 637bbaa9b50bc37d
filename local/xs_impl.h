/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the xenstore server, for its parts: xs_server.c (domains,
 * connections), xs_wire.c (requests), xs_ops.c (what they do to the tree),
 * xs_watch.c.
 */
#ifndef LOCAL_XS_IMPL_H
#define LOCAL_XS_IMPL_H

#include "local/xs_server.h"
#include "local/xs_tx.h"

#define XS_INTRODUCE "@introduceDomain"
#define XS_RELEASE   "@releaseDomain"

/* Domain ids from here on are Xen's own (DOMID_FIRST_RESERVED, xen.h). */
#define XS_DOMID_END 0x7ff0u

/* What we offer, for GET_FEATURE. */
#define XS_FEATURES WIRE_XS_FEATURE_WATCHDEPTH

/*
 * How an operation ended: 0, or an error of the protocol as XS_FAIL(ENOENT).
 */
#define XS_FAIL(name) (1 + (int)XS_ERR_##name)

/* Who does something. */
struct xs_who {
	uint32_t domid;
	uint32_t target; /* SET_TARGET: it may what this one may; else domid */
	bool privileged;
};

struct xs_domain {
	struct xs_domain *next;
	uint32_t domid, target;
	uint32_t features;
	bool introduced;
};

struct xs_watch {
	struct xs_watch *next;
	char *path;    /* absolute */
	size_t prefix; /* of the path, which the client does not see */
	char *token;
	int depth; /* negative: no limit */
};

struct xs_conn {
	struct xs_conn *next;
	struct xs_server *server;
	struct xs_who who;
	bool dead;
	struct xs_reader reader;
	struct xs_watch *watch;
	struct xs_watch **watch_end; /* oldest first */
	struct xs_tx *tx;
	uint32_t next_tx;
	/* bytes for the client */
	uint8_t *out;
	size_t out_at, out_len, out_room; /* waiting: out_at to out_len */
	uint64_t sent;			  /* bytes taken since the start */
	/* where replies end, as `sent` counts; not of a privileged client */
	uint64_t *reply_end;
	uint32_t reply_first, replies;
};

struct xs_server {
	struct xs_limits limits;
	struct xs_node *root;
	struct xs_counts counts; /* nodes of each domain */
	uint64_t generation;	 /* the last one given to a node */
	struct xs_domain *domain;
	struct xs_conn *conn;
	struct xs_conn **conn_end; /* oldest first */
};

/* ---- xs_ops.c: reading and changing one version of the tree ---- */

/* One operation: by whom, in which transaction. */
struct xs_op {
	struct xs_server *server;
	struct xs_who who;
	struct xs_tx *tx;
};

/* May WHO do all of this with N? */
#define XS_MAY_READ  1u
#define XS_MAY_WRITE 2u
#define XS_MAY_OWN   4u
bool xs_may(const struct xs_who *who, const struct xs_node *n, unsigned what);

/* What a request does. PATH is absolute and valid; special ones are allowed
 * for the permissions. */
int xs_op_get(const struct xs_op *op, const char *path,
	      const struct xs_node **out);
int xs_op_write(const struct xs_op *op, const char *path, const void *value,
		size_t len);
int xs_op_mkdir(const struct xs_op *op, const char *path);
int xs_op_rm(const struct xs_op *op, const char *path);
int xs_op_set_perms(const struct xs_op *op, const char *path,
		    const struct xs_perm *perm, size_t n);

/*
 * Carry TX over into the server's tree and fire its watches; TX stays the
 * caller's.
 */
int xs_commit(struct xs_server *s, const struct xs_who *who, struct xs_tx *tx);

/* Remove what DOMID owns, and it from all permissions. */
void xs_forget_owner(struct xs_server *s, uint32_t domid);

/* ---- xs_watch.c ---- */

/* PREFIX: bytes of PATH that the client did not write. */
int xs_watch_add(struct xs_conn *c, const char *path, size_t prefix,
		 const char *token, int depth);
int xs_watch_remove(struct xs_conn *c, const char *path, const char *token);
void xs_watch_clear(struct xs_conn *c);

/* Send the newest watch of C its first event. */
void xs_watch_first(struct xs_conn *c);

/* PATH was changed between two versions of the tree. */
void xs_watch_fire(struct xs_server *s, const char *path, enum xs_fire fire,
		   const struct xs_node *before, const struct xs_node *after);

/* NAME (XS_INTRODUCE or XS_RELEASE) happened to DOMID. */
void xs_watch_special(struct xs_server *s, const char *name, uint32_t domid);

/* ---- xs_wire.c ---- */

/* Do what M asks and queue the reply. */
void xs_request(struct xs_conn *c, const struct xs_msg *m);

/* ---- xs_server.c ---- */

/* Queue a message of LEN bytes; IS_REPLY: it counts as one. */
void xs_conn_put(struct xs_conn *c, const void *msg, int len, bool is_reply);

/* The server gives this connection up. */
void xs_conn_kill(struct xs_conn *c);

/* Its watches and transactions go. */
void xs_conn_reset(struct xs_conn *c);

struct xs_domain *xs_domain_find(const struct xs_server *s, uint32_t domid);

/* As xs_server_introduce() and _release(), for one that is known. */
void xs_domain_introduce(struct xs_server *s, struct xs_domain *d);
void xs_domain_release(struct xs_server *s, struct xs_domain *d);

#endif
