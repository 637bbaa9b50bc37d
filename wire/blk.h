/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block requests as they travel: Xen's public/io/blkif.h with fixed-width
 * fields, and the names of its xenstore nodes.
 *
 * A 32 bit x86 guest aligns 64 bit fields to 4 bytes, all others to 8: two
 * layouts, of which frontends name theirs in WIRE_BLK_KEY_PROTOCOL. Responses
 * differ in nothing but their length. Segments are the same everywhere.
 *
 * A sector here is always 512 bytes: sector numbers, first_sect, last_sect and
 * the node `sectors`, whatever `sector-size` says (what all frontends and
 * backends do but those that use feature-large-sector-size).
 */
#ifndef WIRE_BLK_H
#define WIRE_BLK_H

#include "wire/port.h"

/* operation (section "REQUEST CODES") */
#define WIRE_BLK_OP_READ	  0
#define WIRE_BLK_OP_WRITE	  1
#define WIRE_BLK_OP_WRITE_BARRIER 2
#define WIRE_BLK_OP_FLUSH	  3
#define WIRE_BLK_OP_RESERVED_1	  4 /* packets of SLES, refused */
#define WIRE_BLK_OP_DISCARD	  5
#define WIRE_BLK_OP_INDIRECT	  6

/* status (section "STATUS RETURN CODES") */
#define WIRE_BLK_RSP_OKAY	0
#define WIRE_BLK_RSP_ERROR	-1
#define WIRE_BLK_RSP_EOPNOTSUPP -2

#define WIRE_BLK_SECTOR		512u
#define WIRE_BLK_SEGS		11 /* segments in the slot itself */
#define WIRE_BLK_INDIRECT_PAGES 8  /* pages of segments of one request */
#define WIRE_BLK_DISCARD_SECURE 1  /* flag: ignored unless it was announced */

#define WIRE_BLK_RING_PAGES_MAX 16 /* what Linux, Xen's libraries and we use */

/* node `info` (VDISK_*) */
#define WIRE_BLK_INFO_CDROM	1
#define WIRE_BLK_INFO_REMOVABLE 2
#define WIRE_BLK_INFO_READONLY	4

struct wire_blk_seg {
	uint32_t gref;
	uint8_t first_sect, last_sect; /* in the page, both included */
	uint16_t pad;
};

/* Segments in one page of an indirect request. */
#define WIRE_BLK_SEGS_PER_PAGE (4096u / sizeof(struct wire_blk_seg))

/* ---- 64 bit, and ARM of both widths ---- */

struct wire_blk_req64 {
	uint8_t operation;
	uint8_t nr_segments;
	uint16_t handle;
	uint32_t pad;
	uint64_t id;
	uint64_t sector_number;
	struct wire_blk_seg seg[WIRE_BLK_SEGS];
};

struct wire_blk_discard64 {
	uint8_t operation;
	uint8_t flag;
	uint16_t handle;
	uint32_t pad;
	uint64_t id;
	uint64_t sector_number;
	uint64_t nr_sectors;
};

struct wire_blk_indirect64 {
	uint8_t operation;
	uint8_t indirect_op;
	uint16_t nr_segments;
	uint32_t pad;
	uint64_t id;
	uint64_t sector_number;
	uint16_t handle;
	uint16_t pad2;
	uint32_t indirect_grefs[WIRE_BLK_INDIRECT_PAGES];
	uint32_t pad3;
};

struct wire_blk_rsp64 {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;
	uint32_t pad2;
};

/* ---- 32 bit x86 ---- */

#define WIRE_BLK_PACKED __attribute__((packed))

struct wire_blk_req32 {
	uint8_t operation;
	uint8_t nr_segments;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	struct wire_blk_seg seg[WIRE_BLK_SEGS];
} WIRE_BLK_PACKED;

struct wire_blk_discard32 {
	uint8_t operation;
	uint8_t flag;
	uint16_t handle;
	uint64_t id;
	uint64_t sector_number;
	uint64_t nr_sectors;
} WIRE_BLK_PACKED;

struct wire_blk_indirect32 {
	uint8_t operation;
	uint8_t indirect_op;
	uint16_t nr_segments;
	uint64_t id;
	uint64_t sector_number;
	uint16_t handle;
	uint16_t pad;
	uint32_t indirect_grefs[WIRE_BLK_INDIRECT_PAGES];
	uint64_t pad2;
} WIRE_BLK_PACKED;

struct wire_blk_rsp32 {
	uint64_t id;
	uint8_t operation;
	uint8_t pad;
	int16_t status;
} WIRE_BLK_PACKED;

_Static_assert(sizeof(struct wire_blk_seg) == 8, "blkif.h");
_Static_assert(sizeof(struct wire_blk_req64) == 112, "blkif.h");
_Static_assert(sizeof(struct wire_blk_discard64) == 32, "blkif.h");
_Static_assert(sizeof(struct wire_blk_indirect64) == 64, "blkif.h");
_Static_assert(sizeof(struct wire_blk_rsp64) == 16, "blkif.h");
_Static_assert(sizeof(struct wire_blk_req32) == 108, "blkif.h");
_Static_assert(sizeof(struct wire_blk_discard32) == 28, "blkif.h");
_Static_assert(sizeof(struct wire_blk_indirect32) == 64, "blkif.h");
_Static_assert(sizeof(struct wire_blk_rsp32) == 12, "blkif.h");
_Static_assert(offsetof(struct wire_blk_req64, id) == 8, "blkif.h");
_Static_assert(offsetof(struct wire_blk_req64, seg) == 24, "blkif.h");
_Static_assert(offsetof(struct wire_blk_req32, id) == 4, "blkif.h");
_Static_assert(offsetof(struct wire_blk_req32, seg) == 20, "blkif.h");

/*
 * Xenstore nodes. The sections are those of blkif.h.
 */

/* "Backend Device Identification (PRIVATE)" */
#define WIRE_BLK_KEY_MODE	     "mode" /* "r", "w" */
#define WIRE_BLK_KEY_PARAMS	     "params"
#define WIRE_BLK_KEY_PHYSICAL_DEVICE "physical-device"
#define WIRE_BLK_KEY_PHYSICAL_PATH   "physical-device-path"
#define WIRE_BLK_KEY_TYPE	     "type"
#define WIRE_BLK_KEY_DIRECT_IO_SAFE  "direct-io-safe"

/* "Backend XenBus Nodes", "Features"; persistent: both ends */
#define WIRE_BLK_KEY_BARRIER	"feature-barrier"
#define WIRE_BLK_KEY_FLUSH	"feature-flush-cache"
#define WIRE_BLK_KEY_DISCARD	"feature-discard"
#define WIRE_BLK_KEY_PERSISTENT "feature-persistent"
/* at BLKIF_OP_INDIRECT: segments of one request */
#define WIRE_BLK_KEY_INDIRECT "feature-max-indirect-segments"

/* "Backend XenBus Nodes", "Request Transport Parameters" */
#define WIRE_BLK_KEY_MAX_RING_ORDER "max-ring-page-order"
#define WIRE_BLK_KEY_MAX_RING_PAGES "max-ring-pages" /* deprecated */
/* "Multiple hardware queues/rings" */
#define WIRE_BLK_KEY_MAX_QUEUES "multi-queue-max-queues"

/* "Backend Device Properties" */
#define WIRE_BLK_KEY_DISCARD_ENABLE	  "discard-enable"
#define WIRE_BLK_KEY_DISCARD_ALIGNMENT	  "discard-alignment"	/* bytes */
#define WIRE_BLK_KEY_DISCARD_GRANULARITY  "discard-granularity" /* bytes */
#define WIRE_BLK_KEY_DISCARD_SECURE	  "discard-secure"
#define WIRE_BLK_KEY_INFO		  "info"
#define WIRE_BLK_KEY_SECTOR_SIZE	  "sector-size"		 /* bytes */
#define WIRE_BLK_KEY_PHYSICAL_SECTOR_SIZE "physical-sector-size" /* bytes */
#define WIRE_BLK_KEY_SECTORS		  "sectors" /* of 512 bytes */

/* "Frontend XenBus Nodes", "Request Transport Parameters" */
#define WIRE_BLK_KEY_EVENT_CHANNEL "event-channel"
#define WIRE_BLK_KEY_RING_REF	   "ring-ref"	/* of a ring of one page */
#define WIRE_BLK_KEY_RING_REF_N	   "ring-ref%u" /* of a larger one, from 0 */
#define WIRE_BLK_KEY_PROTOCOL	   "protocol"
#define WIRE_BLK_KEY_RING_ORDER	   "ring-page-order"
#define WIRE_BLK_KEY_RING_PAGES	   "num-ring-pages" /* deprecated */
/* "Multiple hardware queues/rings" */
#define WIRE_BLK_KEY_QUEUES "multi-queue-num-queues"
#define WIRE_BLK_KEY_QUEUE  "queue-%u" /* directory, if there are two or more */

/* "Frontend XenBus Nodes", "Features" */
#define WIRE_BLK_KEY_LARGE_SECTORS "feature-large-sector-size" /* deprecated */
#define WIRE_BLK_KEY_TRUSTED	   "trusted"

/* "Virtual Device Properties" */
#define WIRE_BLK_KEY_DEVICE_TYPE    "device-type"
#define WIRE_BLK_KEY_VIRTUAL_DEVICE "virtual-device"

/* Values of `protocol` (public/io/protocols.h). */
#define WIRE_BLK_PROTO_X86_32 "x86_32-abi"
#define WIRE_BLK_PROTO_X86_64 "x86_64-abi"
#define WIRE_BLK_PROTO_ARM    "arm-abi"

#endif
