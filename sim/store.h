/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenstore in the world: the real server (local/xs_server), and clients that
 * speak its protocol (core/xs). Requests are answered at once; watch events
 * come later: in order for one client, in any order between clients, and
 * several may come as one, which is all that xenstore promises.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/xs.h"

#define STORE_CLIENTS_MAX 32u

struct world;
struct xs_server;
struct xs_conn;
struct store;

struct store_client {
	struct store *store;
	struct xs_conn *conn;
	struct xs_reader reader;
	/* Something that is watched has changed. */
	void (*changed)(void *ctx);
	void *ctx;
	bool planned;
	uint32_t tx; /* the open transaction, 0: none */
};

struct store {
	struct world *w;
	struct xs_server *server;
	uint32_t clients;
	struct store_client client[STORE_CLIENTS_MAX];
};

/* A new server, and its end. */
void store_init(struct store *s, struct world *w);
void store_fini(struct store *s);

/* A client of DOMID, for as long as the server. */
struct store_client *store_client(struct store *s, uint32_t domid,
				  void (*changed)(void *ctx), void *ctx);

void store_watch(struct store_client *c, const char *path);

/* A transaction; end: false if it is refused with EAGAIN (or COMMIT is false,
 * which is never refused). */
void store_begin(struct store_client *c);
bool store_end(struct store_client *c, bool commit);

/* The number in a node; 0 if there is none. In the open transaction, if any. */
uint32_t store_read(struct store_client *c, const char *path);
void store_write(struct store_client *c, const char *path, uint32_t value);
void store_rm(struct store_client *c, const char *path);
bool store_there(struct store_client *c, const char *path);

/* A directory that OWNER may write and READER may read. */
void store_dir(struct store *s, const char *path, uint32_t owner,
	       uint32_t reader);

#endif
