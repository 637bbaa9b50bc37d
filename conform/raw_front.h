/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frontend's end of PVSCSI, raw: the handshake, the ring, granted pages,
 * over host/front.h. It is for tests of a backend: nothing of what is sent is
 * looked at. (What has nothing to do with the ring serves any protocol:
 * conform/raw_blk.h.)
 *
 * What our own machine refuses is noted in `broken`, after which nothing does
 * anything any more; whoever runs cases looks there.
 */
#ifndef CONFORM_RAW_FRONT_H
#define CONFORM_RAW_FRONT_H

#include "conform/conform.h"
#include "control/store.h"
#include "host/front.h"
#include "wire/bus.h"
#include "wire/ring.h"
#include "wire/scsi.h"

/* The most pages of one raw_grant(). */
#define RAW_PAGES_MAX 256

/* How long a backend may take for anything; it may be emulated, and busy. */
#define RAW_PATIENCE_MS 30000

struct raw_front {
	struct conform *c; /* whose time limit counts; NULL: none runs */
	const struct front_ops *ops;
	struct front *f;
	struct store *st;
	const char *type;
	uint32_t unit;	  /* device/TYPE/UNIT */
	uint32_t back_id; /* the backend's domain */
	char back[256];	  /* its directory */
	char broken[CONFORM_DETAIL_MAX];
	/* the ring, new with each raw_connect() */
	struct wire_ring *ring;
	uint64_t ring_frame;
	uint32_t ring_gref, port;
	bool ported;
	/* a page that was granted; where the host takes none back */
	uint8_t *spare;
	uint64_t spare_frame;
	uint32_t req_prod; /* requests written, published or not */
	uint32_t rsp_cons; /* answers taken */
};

/* Pages of ours, granted to the backend. */
struct raw_pages {
	uint8_t *at; /* NULL: there are none */
	uint64_t frame;
	uint32_t n;
	uint32_t gref[RAW_PAGES_MAX];
};

/*
 * Become a domain (front_ops.open), and find the backend of device/TYPE/UNIT,
 * for which a toolstack has SECONDS. 0, or a negative errno and one line in
 * WHY.
 */
int raw_open(struct raw_front *f, const struct front_ops *ops,
	     const char *where, const char *name, const char *type,
	     uint32_t unit, uint32_t seconds, char *why, size_t len);

void raw_close(struct raw_front *f);

/* Numbers in the backend's directory, and in our own; 0 if there is none. */
uint32_t raw_back_u32(struct raw_front *f, const char *leaf);
uint32_t raw_own_u32(struct raw_front *f, const char *leaf);

/* A text in the backend's directory: false if there is none. */
bool raw_back_text(struct raw_front *f, const char *leaf, char *out,
		   size_t len);

/* Write a node of ours; remove it. */
void raw_put_node(struct raw_front *f, const char *leaf, const char *value);
void raw_put_u32(struct raw_front *f, const char *leaf, uint32_t value);
void raw_remove(struct raw_front *f, const char *leaf);

/* A number in the backend's directory, once it is A or B or the time, or the
 * case's, is over. */
uint32_t raw_wait_leaf(struct raw_front *f, const char *leaf, uint32_t a,
		       uint32_t b, int64_t ms);
uint32_t raw_wait(struct raw_front *f, uint32_t a, uint32_t b);

/*
 * The handshake with a new ring. RING_REF and PORT are what to write for the
 * ring's nodes, NULL for the truth. Returns the backend's state afterwards:
 * WIRE_BUS_CONNECTED, or another if it would not.
 */
uint32_t raw_connect(struct raw_front *f, const char *ring_ref,
		     const char *port);

/* The same without waiting for state 2: as a driver that comes back does. */
uint32_t raw_connect_now(struct raw_front *f, const char *ring_ref,
			 const char *port);

/*
 * Close our end, and come back to where raw_connect_now() begins: by way of
 * state 5 or, if POLITELY is false, straight to 6. The backend's state then: 2
 * if it begins anew; 6 if it only stays closed.
 */
uint32_t raw_again(struct raw_front *f, bool politely);

/* Grant N pages, for the backend to write, too, or only to read. False, with
 * P->at NULL, if that fails. */
bool raw_grant(struct raw_front *f, struct raw_pages *p, uint32_t n,
	       bool writable);

/* End these grants and give the pages back, whoever uses them. */
void raw_ungrant(struct raw_front *f, struct raw_pages *p);

/* Requests that may be put before answers have been taken. */
uint32_t raw_room(const struct raw_front *f);

/* Write a request into the next slot; publish all that were written, with an
 * event, or with one if the backend has asked for it. */
void raw_put(struct raw_front *f, const struct wire_scsi_req *req);
void raw_publish(struct raw_front *f);
void raw_push(struct raw_front *f);
bool raw_push_held(struct raw_front *f);

/* Send the backend an event. */
void raw_notify(struct raw_front *f);

/* Wait for an event of the backend, without looking at the ring. */
bool raw_event(struct raw_front *f, int64_t ms);

/* Forget events that have come. */
void raw_drain(struct raw_front *f);

/* Answers that can be taken now. */
uint32_t raw_answers(const struct raw_front *f);

/* Take an answer. False if none comes in this time. */
bool raw_get(struct raw_front *f, struct wire_scsi_rsp *rsp, int64_t ms);

#endif
