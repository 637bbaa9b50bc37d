/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block device that a program drives: a device (guest/gdev.h) that sends
 * requests through core/blk_front, over one ring.
 *
 *     vbd_submit() --> [queue] --> a slot --> engine (bounces) --> ring
 *     done()        <-------------------------  session_step()
 *
 * Data in ordinary memory goes through the engine's bounce pages; data in
 * memory of gdev_memory() is granted itself, unless grants are persistent.
 *
 * The protocol has no way to abort a request. One that is not answered in its
 * time costs the connection: it ends with -ETIMEDOUT, the others are sent again
 * over the next one, as they are when the backend closes and comes back.
 *
 * All functions belong to the session's thread.
 */
#ifndef GUEST_VBD_H
#define GUEST_VBD_H

#include "core/blk_front.h"
#include "guest/gdev.h"

/* Requests with an engine, and pages of the ring that has so many slots. */
#define VBD_DEPTH      128
#define VBD_RING_ORDER 2

/* Bytes of one request; the engine makes several of it if need be. */
#define VBD_TRANSFER_MAX (1u << 20)

/* Pieces of one request: those bytes with a page begun, or 128 KiB in sectors.
 */
#define VBD_PIECES_MAX 257

/* A request. The caller's memory until done(). */
struct vbd_req {
	/* set by the caller */
	enum blk_front_op op;
	bool fua;	 /* WRITE: on the medium when done */
	bool none;	 /* no request: it ends in the next step, with err */
	uint64_t sector; /* of 512 bytes */
	uint64_t count;	 /* DISCARD: sectors */
	uint32_t len;	 /* READ, WRITE: bytes, at most VBD_TRANSFER_MAX */
	uint32_t timeout_ms; /* not 0 */
	void *data;	     /* any alignment */
	/* DATA is memory of gdev_memory(), whose first page has FRAME. */
	bool granted;
	uint64_t frame;
	uint8_t *memory;
	/* Cut the data into pieces of at most so many bytes; 0: as few as
	 * possible. For tests. */
	uint32_t cut;
	void (*done)(struct vbd_req *req);
	void *ctx;

	/* The result: 0; -EIO; -EINVAL, it is no request for this disk; -EROFS;
	 * -EOPNOTSUPP; -ETIMEDOUT; -ENODEV, the device is not there;
	 * -ECANCELED. */
	int err;

	/* the library's */
	struct vbd_req *next;
	uint64_t deadline, order;
};

/* What the backend says of the disk. */
struct vbd_info {
	uint64_t sectors;     /* of 512 bytes */
	uint32_t block;	      /* bytes: 512 to 4096, a power of two */
	uint32_t physical;    /* bytes */
	uint32_t features;    /* of enum blk_front_feature */
	uint32_t segs;	      /* of one request */
	uint32_t info;	      /* WIRE_BLK_INFO_* */
	uint32_t granularity; /* of a discard, bytes; 0: not said */
	uint32_t queues;      /* that it could have */
};

struct vbd_slot {
	struct vbd_req *req; /* NULL: free */
	struct front_piece piece[VBD_PIECES_MAX];
};

/* A ring, its engine, and what is under way there. */
struct vbd_queue {
	struct vbd *vbd;
	struct gdev_ring *ring;
	struct blk_front *engine; /* NULL: none has been made */
	void *engine_mem;
	struct vbd_slot *slots; /* VBD_DEPTH */
	uint32_t busy;
};

struct vbd {
	struct gdev dev; /* the first member */

	struct vbd_info info; /* when connected */
	uint16_t handle;      /* virtual-device */
	bool cdrom;	      /* device-type */
	bool persistent;      /* we offer persistent grants */
	uint32_t resized;     /* how often, while connected */

	bool running; /* the engines have rings */
	uint32_t queues;
	struct vbd_queue queue[DEVICE_RINGS_MAX];
	uint32_t next; /* the queue whose turn it is */
	uint32_t peer; /* whom their pages are granted to */
	int ending;    /* what is outstanding ends with this; 0: it does not */
	bool requeue;  /* but that whose time is not over */
	struct vbd_req *head, **tail; /* that wait for a slot */
	uint64_t orders, look;
	uint64_t events[BLK_FRONT_EVENTS]; /* counted */
};

extern const struct gdev_ops vbd_device;

/* vbd_find - the device with this number; NULL: there is none (now). */
struct vbd *vbd_find(struct session *s, uint32_t number);

/* vbd_submit - send REQ, or queue it. done() is called exactly once, never from
 * inside this. */
void vbd_submit(struct vbd *v, struct vbd_req *req);

/*
 * vbd_read_info - what a backend's nodes say of its disk
 *
 * 0, or -EINVAL where nothing can be done with it: no size, or blocks that
 * cannot be.
 */
int vbd_read_info(struct vbd_info *info,
		  const struct store_tree *back) XPV_MUST_CHECK;

#endif
