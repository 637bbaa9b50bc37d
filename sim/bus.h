/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the two ends of a controller find each other: the handshake of xenbus
 * through the real xenstore server, decided by core/bus and core/bus_front,
 * and a toolstack that makes the nodes and adds, removes and closes. Each end
 * looks, and acts some time later in the same transaction, so that the others
 * come in between.
 */
#ifndef SIM_BUS_H
#define SIM_BUS_H

#include <stdbool.h>
#include <stdint.h>

struct controller;
struct store;

/* One end. */
struct bus_end {
	struct controller *c;
	struct store_client *client;
	bool planned; /* it looks, or acts, soon */
	bool again;   /* something has changed since it looked */
};

struct bus {
	struct bus_end back, front, tool;
	bool failed;		       /* the backend has lost its worker */
	bool unwanted;		       /* the frontend wants to close */
	bool ring;		       /* the frontend has one */
	bool connected;		       /* and uses it */
	bool draining;		       /* it waits for its last answers */
	uint32_t held_gref, held_port; /* what the backend connected last */
	uint64_t moved_at; /* when a state last changed, as the frontend saw */
	uint32_t seen_own, seen_back;
	bool removed;	 /* the backend has removed its nodes */
	uint32_t change; /* LUN that the toolstack changes, plus 1 */
	bool adds;
};

/* Make the nodes of C and let both ends look. */
void bus_init(struct controller *c, struct store *s);

/* The backend has given the ring back, lost its worker, or a LUN. */
void bus_back_changed(struct controller *c);

/* The frontend has had its last answer. */
void bus_front_changed(struct controller *c);

/* The frontend closes the device, and comes back later. */
void bus_leave(struct controller *c);

/* The frontend wants it (again). */
void bus_wanted(struct controller *c);

/* The toolstack adds or removes a LUN. */
void bus_change_luns(struct controller *c);

/* The toolstack removes the device. */
void bus_remove(struct controller *c);

/* Both ends Connected, all LUNs at both; after bus_remove(): all gone. */
bool bus_settled(struct controller *c);

#endif
