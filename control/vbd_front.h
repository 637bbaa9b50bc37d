/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk's frontend has written into its directory: its layout, and the
 * rings of its queues (Xen public/io/blkif.h, "Frontend XenBus Nodes"). All of
 * it is a guest's: numbers are read as numbers, held against what was announced,
 * and nothing is read that was not.
 */
#ifndef CONTROL_VBD_FRONT_H
#define CONTROL_VBD_FRONT_H

#include <stddef.h>
#include <stdint.h>

#include "control/ring_id.h"
#include "control/tree.h"
#include "core/blk_abi.h"
#include "wire/port.h"
#include "worker/proto.h"

/* Queues that could be announced. */
#define VBD_QUEUES_MAX 16

/* What was announced. */
struct vbd_limits {
	uint32_t queues; /* multi-queue-max-queues, at most VBD_QUEUES_MAX */
	uint32_t ring_order; /* max-ring-page-order: pages are at most
				PROTO_BLK_PAGES_MAX */
};

struct vbd_queue {
	uint32_t gref[PROTO_BLK_PAGES_MAX];
	uint32_t port;
};

struct vbd_front {
	enum blk_abi abi;
	uint32_t pages; /* of each ring */
	uint32_t nqueues;
	struct vbd_queue queue[VBD_QUEUES_MAX];
};

/*
 * vbd_front_read - the rings of a frontend
 * @err, @len: one line about the first node that is wrong
 *
 * Whoever does not write `protocol` has the layout of this build, as with every
 * backend. Either name of the number of pages is taken, ring-page-order or
 * num-ring-pages, and ring-ref or ring-ref0 for a ring of one page.
 *
 * Return: 0; -EINVAL: missing, no number, unknown, or more than was announced.
 */
int vbd_front_read(const struct store_tree *front,
		   const struct vbd_limits *limits, struct vbd_front *out,
		   char *err, size_t len) XPV_MUST_CHECK;

/* vbd_front_ring - what names the first page of the first queue. */
struct ring_id vbd_front_ring(const struct store_tree *front);

#endif
