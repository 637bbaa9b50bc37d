/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xl writes into xenstore when it makes a domain, and removes afterwards.
 */
#ifndef LOCAL_NODES_H
#define LOCAL_NODES_H

#include "local/xs_server.h"

struct domain;

/* nodes_init - those of domain 0 that a toolstack expects at the start. */
void nodes_init(struct xs_server *xs);

/* nodes_create - the domain's nodes; then it is introduced. */
void nodes_create(struct xs_server *xs, const struct domain *d);

/* nodes_remove - it is released; then what nodes_create() made goes. */
void nodes_remove(struct xs_server *xs, const struct domain *d);

#endif
