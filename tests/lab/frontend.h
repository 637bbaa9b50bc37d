/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PVSCSI frontend as a program in a guest: the handshake, the ring, granted
 * pages. It needs no driver and no library of Xen's: grants come from
 * /dev/xen/gntalloc, events from /dev/xen/evtchn, and xenstore is spoken over
 * /dev/xen/xenbus.
 *
 * It is for tests of a backend: nothing of what is sent is looked at. What the
 * guest's own kernel refuses ends the program with TAP's "Bail out!".
 */
#ifndef TESTS_LAB_FRONTEND_H
#define TESTS_LAB_FRONTEND_H

#include "core/xs.h"
#include "wire/bus.h"
#include "wire/ring.h"
#include "wire/scsi.h"

/* How long a backend may take for anything; it is emulated, and busy. */
#define FRONT_PATIENCE_MS 30000

struct front {
	uint32_t unit;	  /* device/vscsi/UNIT */
	uint32_t back_id; /* the backend's domain */
	char back[128];	  /* its directory */
	int xs, gnt, evt; /* the devices */
	struct xs_reader reader;
	/* the ring, new with each front_connect() */
	struct wire_ring *ring;
	uint64_t ring_index;
	uint32_t ring_gref, port;
	uint32_t req_prod; /* requests written, published or not */
	uint32_t rsp_cons; /* answers taken */
};

/* Pages of ours, granted to the backend; index is gntalloc's name for them. */
struct front_pages {
	uint8_t *at;
	uint32_t n;
	uint32_t gref[64];
	uint64_t index;
};

/* End the program: something that is no part of the test does not work. */
void front_die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

int64_t front_now_ms(void);

/* Open the devices, find the backend of controller UNIT. */
void front_open(struct front *f, uint32_t unit);

/*
 * The handshake with a new ring, from both ends' start. RING_REF and PORT are
 * what to write for the ring's nodes, NULL for the truth. Returns the backend's
 * state afterwards: WIRE_BUS_CONNECTED, or another if it would not.
 */
uint32_t front_connect(struct front *f, const char *ring_ref, const char *port);

/*
 * Close our end, after the backend's or before, and come back to where
 * front_connect() begins. False if the backend does not follow.
 */
bool front_again(struct front *f);

/* The backend's state, once it is A or B or the time is over. */
uint32_t front_wait(struct front *f, uint32_t a, uint32_t b);

/* A number in the backend's directory; 0 if there is none. */
uint32_t front_back_u32(struct front *f, const char *leaf);

/* Grant N pages, for the backend to write, too, or only to read. */
void front_grant(struct front *f, struct front_pages *p, uint32_t n,
		 bool writable);

/* End these grants and give the pages back, whoever uses them. */
void front_ungrant(struct front *f, struct front_pages *p);

/* Requests that may be put before answers have been taken. */
uint32_t front_room(const struct front *f);

/* Write a request into the next slot; publish all that were written. */
void front_put(struct front *f, const struct wire_scsi_req *req);
void front_push(struct front *f);

/* Send the backend an event. */
void front_notify(struct front *f);

/* Take an answer. False if none comes in this time. */
bool front_get(struct front *f, struct wire_scsi_rsp *rsp, int64_t ms);

#endif
