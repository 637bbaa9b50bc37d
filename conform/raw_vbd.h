/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of a block device, raw (conform/raw_back.h): one ring or
 * several, of any layout and size that was offered. Behind it is a disk in
 * memory, so that a frontend finds one: raw_serve() answers every request,
 * after a script has had a look, and looks at what blkif.h says of each.
 */
#ifndef CONFORM_RAW_VBD_H
#define CONFORM_RAW_VBD_H

#include "conform/frontend.h"
#include "conform/raw_back.h"
#include "core/blk_abi.h"

#define RAW_VBD_SECTORS	 16384u /* of 512 bytes, as offered */
#define RAW_VBD_MOST	 32768u /* that it can grow to */
#define RAW_VBD_SEGS_MAX 256u
#define RAW_VBD_OPEN	 1024u /* requests that are not answered */

/* What a unit announces; a node that is 0 is not written. */
struct vbd_offer {
	uint32_t order, queues, indirect;
	bool flush, barrier, discard, persistent;
	uint32_t info;
	uint32_t block; /* 0: 512 */
	/* One more node, or another value of one of these. */
	const char *leaf, *value;
};

/* A request, with all of its segments. */
struct raw_vbd_req {
	struct blk_req req;
	struct wire_blk_seg seg[RAW_VBD_SEGS_MAX];
	uint32_t segs, sectors, ring;
	bool open; /* not answered */
};

struct raw_vbd;

/* As raw_script of conform/raw_vscsi.h. */
typedef bool vbd_script(struct raw_vbd *k, struct raw_vbd_req *r);

struct raw_vbd {
	struct raw_back b; /* first: raw_vbd() */
	struct vbd_offer offer;
	enum blk_abi abi; /* of the frontend, as are: */
	uint32_t slots, queues, order;
	uint8_t *disk;
	uint32_t sectors; /* that it has now */
	vbd_script *script;
	struct raw_vbd_req *req; /* RAW_VBD_OPEN */
	/* what came, since raw_vbd_make(), by operation; and indirect ones */
	uint32_t count[WIRE_BLK_OP_INDIRECT + 1];
	uint32_t rings_used; /* bits */
};

static inline struct raw_vbd *raw_vbd(struct raw_back *b)
{
	return (struct raw_vbd *)b;
}

/* As raw_back_open() and raw_back_close(). */
int raw_vbd_open(struct raw_vbd *k, const struct frontend_cfg *cfg, char *why,
		 size_t len);
void raw_vbd_close(struct raw_vbd *k);

/* raw_make() with this offer. */
bool raw_vbd_make(struct raw_vbd *k, const struct vbd_offer *offer);

/* The disk has another size: the node, and an event of state 4. */
void raw_vbd_resize(struct raw_vbd *k, uint32_t sectors);

/* Answer R: with this status, by the disk, or, of ring RING, with any id and
 * operation. */
void raw_vbd_answer(struct raw_vbd *k, struct raw_vbd_req *r, int16_t status);
void raw_vbd_answer_as_disk(struct raw_vbd *k, struct raw_vbd_req *r);
void raw_vbd_put(struct raw_vbd *k, uint32_t ring, const struct blk_rsp *rsp);

#endif
