/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets of a local host: connections that set things up (host/
 * local_abi.h), and those that speak xenstore.
 */
#ifndef LOCAL_SERVE_H
#define LOCAL_SERVE_H

#include "local/domain.h"
#include "local/loop.h"
#include "local/nodes.h"

struct serve;

/*
 * serve_new - serve the two listening sockets, from now on this one's
 * @loop: of loop_new()
 *
 * Return: NULL without memory or descriptors.
 */
struct serve *serve_new(int loop, int host_socket, int store_socket);

/* serve_free - all domains end, all connections are closed. */
void serve_free(struct serve *s);

/*
 * serve_pump - move what waits between xenstore's connections and their sockets
 *
 * After each turn of the loop: what one client does makes output for others.
 */
void serve_pump(struct serve *s);

/* serve_clients - how many connections there are. */
unsigned serve_clients(const struct serve *s);

#endif
