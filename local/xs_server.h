/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A xenstore server without I/O: bytes of clients in, bytes for clients out.
 * It reads no clock, has no descriptors and no randomness, so that the same
 * calls always give the same bytes: the program xenpv-local puts sockets around
 * it, a simulator or a fuzzer runs it in its own process.
 *
 *     xs_conn_feed() -> message -> operation on the tree -> reply
 *                                        |
 *                                     events of watches
 *                                        v
 *     xs_conn_output() <- bytes of this and of other connections
 *
 * Behaviour is that of Xen's C xenstored (docs/misc/xenstore.txt), where that
 * has room, in its current version: watches with a depth, @releaseDomain/DOMID.
 *
 * Theory of operation
 *
 * The tree consists of nodes with reference counts (local/xs_tree.h). A node
 * that is referred to once is changed in place, else a copy is changed. To hold
 * a reference of the root is to have a snapshot. Each request that changes
 * something does so on such a snapshot and replaces the root when it has gone
 * well: a request that fails half way changes nothing.
 *
 * A transaction has two snapshots, the base and its own work, and the set of
 * paths it has looked at or changed. The commit is refused with EAGAIN when one
 * of those nodes (its value, permissions, list of children) is another one in
 * the tree of now than in the base; else what it changed is carried over, and
 * its watch events are sent.
 *
 * Clients other than domain 0 are not trusted: all memory that they can make
 * the server use is bounded by struct xs_limits.
 *
 * A server belongs to one thread. Functions that return int: 0 or a negative
 * enum xpv_err (wire/port.h). When malloc() fails the process ends.
 */
#ifndef LOCAL_XS_SERVER_H
#define LOCAL_XS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/xs.h"

/*
 * What each domain other than 0 may have; the protocol answers ENOSPC beyond.
 * Domain 0 has no limits but the last.
 */
struct xs_limits {
	uint32_t nodes;	       /* that it owns */
	uint32_t node_size;    /* bytes of a node: value, children, perms */
	uint32_t perms;	       /* entries of a node's permissions */
	uint32_t watches;      /* of all its connections */
	uint32_t transactions; /* open at a time */
	uint32_t tx_nodes;     /* that one transaction may touch */
	uint32_t replies; /* not yet taken by the client; no further request is
			     looked at before one is */
	/* Bytes not yet taken, events included, at which a connection ends. For
	 * domain 0 sixteen times as much. */
	uint32_t backlog;
};

/* Those of xenstored: 1000 nodes, 2048 bytes, 128 watches, ... */
extern const struct xs_limits xs_limits_default;

struct xs_server;
struct xs_conn;

/*
 * xs_server_new - a server with the nodes that xenstored starts with
 * @limits: NULL: xs_limits_default; copied
 *
 * There are "/", "/tool/xenstored", "/local/domain/0" with its "domid" and
 * "name" (Domain-0), and the special watches' nodes, all domain 0's.
 */
struct xs_server *xs_server_new(const struct xs_limits *limits);

/* xs_server_free - with all connections. NULL is allowed. */
void xs_server_free(struct xs_server *s);

/* ---------------------------------------------------------------- domains */

/*
 * xs_server_introduce - a domain exists and may use xenstore
 * @domid: 1 to 32751
 *
 * Fires @introduceDomain; its nodes should exist before. Connections of a
 * domain may be made before and after.
 *
 * Return: XPV_EEXIST, XPV_EINVAL.
 */
int xs_server_introduce(struct xs_server *s, uint32_t domid) XPV_MUST_CHECK;

/*
 * xs_server_release - a domain has ended
 *
 * Its connections end (xs_conn_dead()), the nodes that it owns are removed with
 * what is below them, its permissions on others' too; then @releaseDomain is
 * fired. What the toolstack made for it stays (see xs_server_rm()).
 *
 * Return: XPV_ENOENT.
 */
int xs_server_release(struct xs_server *s, uint32_t domid) XPV_MUST_CHECK;

/* xs_server_introduced - as IS_DOMAIN_INTRODUCED says; true for 0. */
bool xs_server_introduced(const struct xs_server *s, uint32_t domid);

/*
 * What a toolstack in this process does, as domain 0; watches fire. Errors are
 * those of the protocol.
 */
int xs_server_write(struct xs_server *s, const char *path, const void *value,
		    size_t len) XPV_MUST_CHECK;
int xs_server_mkdir(struct xs_server *s, const char *path) XPV_MUST_CHECK;
int xs_server_set_perms(struct xs_server *s, const char *path,
			const struct xs_perm *perm, size_t n) XPV_MUST_CHECK;
int xs_server_rm(struct xs_server *s, const char *path) XPV_MUST_CHECK;

/*
 * xs_server_read - the value of a node
 * @len: its length is stored there
 *
 * Return: the bytes, with a NUL after them; valid until the next call of
 * anything. NULL if there is no such node.
 */
const char *xs_server_read(const struct xs_server *s, const char *path,
			   size_t *len);

/* xs_server_nodes - how many nodes domain @domid owns (for tests). */
uint32_t xs_server_nodes(const struct xs_server *s, uint32_t domid);

/* ------------------------------------------------------------ connections */

/*
 * xs_server_connect - a client of domain @domid
 * @privileged: it may do everything, as domain 0 may
 *
 * Return: the connection; the caller ends it with xs_conn_close().
 */
struct xs_conn *xs_server_connect(struct xs_server *s, uint32_t domid,
				  bool privileged);

/* xs_conn_close - forget it with its watches and transactions. NULL is
 * allowed. */
void xs_conn_close(struct xs_conn *c);

/*
 * xs_conn_feed - what the client has sent
 * @p: @n bytes, in any division
 *
 * Return: how many bytes were taken; the rest is to be given again, when some
 * of xs_conn_output() has been taken. Less than @n only if xs_conn_full() or
 * xs_conn_dead().
 */
size_t xs_conn_feed(struct xs_conn *c, const void *p, size_t n);

/* xs_conn_full - the client must first take what waits for it. */
bool xs_conn_full(const struct xs_conn *c);

/*
 * xs_conn_output - bytes that wait for the client
 *
 * Return: how many there are, at @p; valid until the next call of anything. 0:
 * none. Any call for any connection of the server may add some.
 */
size_t xs_conn_output(const struct xs_conn *c, const void **p);

/* xs_conn_sent - the first @n bytes of xs_conn_output() are the client's. */
void xs_conn_sent(struct xs_conn *c, size_t n);

/*
 * xs_conn_dead - the server has given this connection up
 *
 * The client has broken the protocol, does not take what waits for it, or its
 * domain has been released. Nothing is taken from it any more and there is no
 * output; close it.
 */
bool xs_conn_dead(const struct xs_conn *c);

#endif
