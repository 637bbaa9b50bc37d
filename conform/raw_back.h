/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of a device, raw: the nodes that a toolstack writes, the
 * handshake step by step, rings, events, data in granted pages, over
 * host/host.h. It is for tests of a frontend: nothing of what is answered is
 * looked at. What a protocol has of its own is a struct raw_kind:
 * conform/raw_vscsi.h, conform/raw_vbd.h.
 */
#ifndef CONFORM_RAW_BACK_H
#define CONFORM_RAW_BACK_H

#include "conform/conform.h"
#include "control/store.h"
#include "host/host.h"
#include "wire/bus.h"
#include "wire/ring.h"

#define RAW_RINGS_MAX	 4
#define RAW_BACK_WAIT_MS 30000

struct raw_back;

struct raw_kind {
	const char *type;   /* in the backend's path: nobody else serves it */
	const char *device; /* in the frontend's path */
	uint32_t next;	    /* from one unit's number to the next one's */
	/* Write the nodes that a new unit has besides those of all kinds. */
	void (*nodes)(struct raw_back *b);
	/* Map the rings that the frontend's nodes name, by raw_map(). False:
	 * the case has failed. */
	bool (*attach)(struct raw_back *b);
	/* What is written before state 4, and after the frontend's state 4;
	 * may be NULL. */
	void (*connecting)(struct raw_back *b);
	void (*connected)(struct raw_back *b);
	/* Take what is on the rings, and answer it or let a script do so. */
	void (*work)(struct raw_back *b);
	/* No more scripts; answer what they have kept, so that the frontend
	 * has nothing to wait for. */
	void (*end)(struct raw_back *b);
};

struct raw_ring {
	struct host_link *link;
	void *shared; /* its pages, one after the other */
	uint32_t req_cons, rsp_prod, rsp_seen;
};

struct raw_back {
	struct conform *c;
	const struct raw_kind *kind;
	const struct host_ops *ops;
	const char *place;
	struct store *st;
	uint32_t own, domid, unit;
	char back[160], front[160];
	char broken[CONFORM_DETAIL_MAX];
	bool made; /* the nodes are there */
	struct uring u;
	struct uring_op tick;
	bool ticking;
	struct raw_ring ring[RAW_RINGS_MAX];
	uint32_t rings; /* 0: not connected */
	/* of scripts: */
	const void *arg;
	uint32_t step;
	int64_t since;
	void (*each)(struct raw_back *b); /* in every turn of serving */
	int64_t patience;		  /* ms, that a handshake may take */
	/* what came, since raw_make() */
	uint32_t requests;
	/* since the beginning: what was wrong with requests */
	uint32_t all, ill;
	char ill_why[CONFORM_DETAIL_MAX];
};

/* Use xenstore (as in store_open()) and this host for frontends of domain
 * DOMID; units from UNIT on are ours. 0, or a negative errno and a line in WHY. */
int raw_back_open(struct raw_back *b, const struct raw_kind *kind,
		  const struct host_ops *ops, const char *place,
		  const char *store, uint32_t domid, uint32_t unit, char *why,
		  size_t len);
void raw_back_close(struct raw_back *b);

/* Write all nodes of the next unit, as a toolstack does: both states 1. */
bool raw_make(struct raw_back *b);

/* Write a node of the backend's. */
void raw_back_put(struct raw_back *b, const char *leaf, const char *value);
void raw_back_put_u32(struct raw_back *b, const char *leaf, uint32_t value);

/* Write a node of the frontend's that is the toolstack's. */
void raw_front_put(struct raw_back *b, const char *leaf, const char *value);

/* A number of the frontend's directory; 0 if there is none. */
uint32_t raw_front_u32(struct raw_back *b, const char *leaf);
bool raw_front_text(struct raw_back *b, const char *leaf, char *out,
		    size_t len);

/* Is the domain there? */
bool raw_domain(struct raw_back *b);

/* Serve until the frontend's node LEAF is WANT or OTHER, or the time is over; its
 * value. Without a connection it only waits. */
uint32_t raw_serve_until(struct raw_back *b, const char *leaf, uint32_t want,
			 uint32_t other, int64_t ms);

/* Serve for MS, or until DONE says so. */
void raw_serve(struct raw_back *b, int64_t ms,
	       bool (*done)(struct raw_back *b));

/* Map the rings and bind, by the frontend's nodes. False: the case has failed. */
bool raw_attach(struct raw_back *b);

/* For raw_kind.attach: one more ring. */
bool raw_map(struct raw_back *b, const struct host_ring *ring);

/* Unmap the rings and close the event channels, whatever is outstanding. */
void raw_detach(struct raw_back *b);

/* The honest way from raw_make() to state 4 at both ends. False: failed. */
bool raw_back_connect(struct raw_back *b);

/* Close by the backend, and remove all nodes. False: the frontend did not
 * come to state 6. */
bool raw_unmake(struct raw_back *b);

/* ---- for a kind ---- */

/* A request is wrong: counted, and the first reason kept. */
void raw_ill(struct raw_back *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* How many requests are on ring R, of SLOTS slots. More than it has slots is
 * wrong, and none. */
uint32_t raw_pending(struct raw_back *b, struct raw_ring *r, uint32_t slots);

/* Make answers visible, if there are any, with an event; and only the event. */
void raw_back_push(struct raw_back *b, struct raw_ring *r);
void raw_back_notify(struct raw_back *b, struct raw_ring *r);

/* Lies: rsp_prod is BY answers further than those that there are; slots full of
 * one BYTE, one of which is an answer; N events for nothing. */
void raw_back_jump(struct raw_back *b, struct raw_ring *r, uint32_t by);
void raw_back_garbage(struct raw_back *b, struct raw_ring *r, uint8_t byte);
void raw_back_storm(struct raw_back *b, struct raw_ring *r, uint32_t n);

/* host_ops.copy() of N pieces, as many as there are; false: one has failed. */
bool raw_pieces(struct raw_back *b, struct raw_ring *r, struct host_copy *piece,
		uint32_t n, bool to_guest);

#endif
