/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of PVSCSI, raw: the nodes that a toolstack writes, the
 * handshake step by step, the ring, data in granted pages, over host/host.h. It
 * is for tests of a frontend: nothing of what is answered is looked at.
 *
 * Behind it is a target of its own (conform/target.h), so that a frontend finds
 * disks: raw_serve() answers every request, after a script has had a look.
 */
#ifndef CONFORM_RAW_BACK_H
#define CONFORM_RAW_BACK_H

#include "conform/conform.h"
#include "control/store.h"
#include "core/scsi_addr.h"
#include "host/host.h"
#include "wire/bus.h"
#include "wire/ring.h"
#include "wire/scsi.h"

/* The type in the backend's path: nobody else serves it. */
#define RAW_BACK_TYPE "conform-vscsi"

#define RAW_LUNS	 2
#define RAW_DISK_BYTES	 (8u << 20)
#define RAW_SEGS_MAX	 1024
#define RAW_BUFFER	 (RAW_SEGS_MAX * WIRE_PAGE_SIZE)
#define RAW_BACK_WAIT_MS 30000

/* A request, with its segments copied. */
struct raw_req {
	struct wire_scsi_req req;
	struct wire_scsi_seg seg[RAW_SEGS_MAX];
	uint32_t segs, bytes;
	bool open; /* not answered */
};

struct raw_back;

/* What a script does with a request: true if it has dealt with it, and the
 * target shall not. */
typedef bool raw_script(struct raw_back *k, struct raw_req *r);

struct raw_back {
	struct conform *c;
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
	struct host_link *link; /* NULL: not connected */
	void *ring;
	uint32_t req_cons, rsp_prod, rsp_seen;
	uint8_t *disk[RAW_LUNS], *buffer;
	uint32_t sg_grant; /* as offered: 0: not */
	raw_script *script;
	const void *arg; /* the script's own, as is this: */
	uint32_t step;
	int64_t since;
	void (*each)(struct raw_back *k); /* in every turn of serving */
	uint32_t luns;			  /* of raw_make() */
	int64_t patience;		  /* ms, that a handshake may take */
	/* by slot; a request keeps its place until it is answered */
	struct raw_req req[WIRE_SCSI_RING_SIZE];
	/* what came, since raw_make() */
	uint32_t requests, cdbs, reads, aborts, resets, listed;
	uint16_t abort_ref;
	/* since the beginning: what was wrong with requests */
	uint32_t all, ill, unclean;
	char ill_why[CONFORM_DETAIL_MAX];
};

/* Use xenstore (as in store_open()) and this host for frontends of domain
 * DOMID; units from UNIT on are ours. 0, or a negative errno and a line in WHY. */
int raw_back_open(struct raw_back *k, const struct host_ops *ops,
		  const char *place, const char *store, uint32_t domid,
		  uint32_t unit, char *why, size_t len);
void raw_back_close(struct raw_back *k);

/* Write all nodes of the next unit, with LUNS LUNs, as a toolstack does: both
 * states 1. */
bool raw_make(struct raw_back *k, uint32_t luns);

/* Add the nodes of one LUN, dev-N at VDEV, in STATE. */
void raw_add_dev(struct raw_back *k, uint32_t n, const char *vdev,
		 uint32_t state);

/* Write a node of the backend's. */
void raw_back_put(struct raw_back *k, const char *leaf, const char *value);
void raw_back_put_u32(struct raw_back *k, const char *leaf, uint32_t value);
void raw_dev_state(struct raw_back *k, uint32_t n, uint32_t state);

/* A number of the frontend's directory; 0 if there is none. */
uint32_t raw_front_u32(struct raw_back *k, const char *leaf);
uint32_t raw_front_dev(struct raw_back *k, uint32_t n);
bool raw_front_text(struct raw_back *k, const char *leaf, char *out,
		    size_t len);

/* Is the domain there? */
bool raw_domain(struct raw_back *k);

/* Serve until the frontend's node LEAF is A or B, or the time is over; its
 * value. Without a connection it only waits. */
uint32_t raw_serve_until(struct raw_back *k, const char *leaf, uint32_t a,
			 uint32_t b, int64_t ms);

/* Serve for MS, or until DONE says so. */
void raw_serve(struct raw_back *k, int64_t ms,
	       bool (*done)(struct raw_back *k));

/* Map the ring and bind, by the frontend's nodes. False: the case has failed. */
bool raw_attach(struct raw_back *k);

/* Unmap the ring and close the event channel, whatever is outstanding. */
void raw_detach(struct raw_back *k);

/* The honest way from raw_make() to state 4 at both ends. False: failed. */
bool raw_back_connect(struct raw_back *k);

/* Close by the backend, and remove all nodes. False: the frontend did not
 * come to state 6. */
bool raw_unmake(struct raw_back *k);

/* Answer R: with this result, by the target, or with any bytes at all. */
void raw_answer(struct raw_back *k, struct raw_req *r, int32_t rslt);
void raw_answer_as_disk(struct raw_back *k, struct raw_req *r);
void raw_answer_with(struct raw_back *k, struct raw_req *r,
		     const struct wire_scsi_rsp *rsp);

/* Make answers visible, with an event. */
void raw_back_push(struct raw_back *k);

/* Move LEN bytes of the buffer to the frontend's segments, or from them;
 * false: a grant does not hold. */
bool raw_copy(struct raw_back *k, const struct raw_req *r, uint32_t len,
	      bool to_guest);

#endif
