/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block requests and responses in each of their layouts, for both ends. All
 * works on private copies of slots; nothing is checked here but what would lead
 * outside of one.
 */
#ifndef CORE_BLK_ABI_H
#define CORE_BLK_ABI_H

#include "wire/blk.h"

enum blk_abi {
	BLK_ABI_64, /* 64 bit x86, ARM */
	BLK_ABI_32, /* 32 bit x86 */
	BLK_ABIS,
};

/* Of whoever says nothing (public/io/protocols.h): that of this build. */
#if defined(__i386__)
#	define BLK_ABI_NATIVE BLK_ABI_32
#else
#	define BLK_ABI_NATIVE BLK_ABI_64
#endif

/* A slot of any layout fits. */
#define BLK_SLOT_MAX sizeof(struct wire_blk_req64)

/* A request without its layout. */
struct blk_req {
	uint8_t op; /* WIRE_BLK_OP_*; of an indirect one what it stands for */
	bool indirect;
	uint8_t flag; /* DISCARD: WIRE_BLK_DISCARD_* */
	uint16_t handle;
	uint16_t nsegs; /* as sent, whatever fits */
	uint64_t id, sector;
	uint64_t count; /* DISCARD: sectors */
	/* the first nsegs, at most WIRE_BLK_SEGS; not if indirect */
	struct wire_blk_seg seg[WIRE_BLK_SEGS];
	/* indirect: as many as NSEGS needs, at most WIRE_BLK_INDIRECT_PAGES */
	uint32_t gref[WIRE_BLK_INDIRECT_PAGES];
};

struct blk_rsp {
	uint64_t id;
	uint8_t op;
	int16_t status; /* WIRE_BLK_RSP_* */
};

/* What a frontend's node `protocol` says of it. */
static inline const char *blk_abi_protocol(enum blk_abi abi)
{
	return abi == BLK_ABI_32 ? WIRE_BLK_PROTO_X86_32
				 : WIRE_BLK_PROTO_X86_64;
}

/* Bytes of a slot, which are those of a request; and of a response. */
uint32_t blk_abi_slot(enum blk_abi abi);
uint32_t blk_abi_rsp(enum blk_abi abi);

/* Pages of descriptors that NSEGS segments need. */
static inline uint32_t blk_abi_pages(uint32_t nsegs)
{
	return (nsegs + (uint32_t)WIRE_BLK_SEGS_PER_PAGE - 1) /
	       (uint32_t)WIRE_BLK_SEGS_PER_PAGE;
}

/* Read the copy of a slot. */
void blk_abi_get_req(enum blk_abi abi, const uint8_t *slot,
		     struct blk_req *req);
void blk_abi_get_rsp(const uint8_t *slot, struct blk_rsp *rsp);

/* Make a slot; all of it that is not used is zero. */
void blk_abi_put_req(enum blk_abi abi, uint8_t *slot,
		     const struct blk_req *req);
void blk_abi_put_rsp(enum blk_abi abi, uint8_t *slot,
		     const struct blk_rsp *rsp);

#endif
