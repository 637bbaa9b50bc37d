/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comparing ours with theirs. SAME(OURS, THEIRS) is defined by the includer: it
 * is the compiler that compares.
 */
#ifndef TEST_ABI_SAME_H
#define TEST_ABI_SAME_H

#define SAME_SIZE(ours, theirs) SAME(sizeof(ours), sizeof(theirs))

#define SAME_FIELD(ours, theirs, a, b)                                         \
	do {                                                                   \
		SAME(offsetof(ours, a), offsetof(theirs, b));                  \
		SAME(sizeof(((ours *)0)->a), sizeof(((theirs *)0)->b));        \
	} while (0)

/* The layout of blkif.h where a pointer has BITS bits. */
#define SAME_BLK(bits)                                                         \
	do {                                                                   \
		SAME_BLK_REQ(bits, operation);                                 \
		SAME_BLK_REQ(bits, nr_segments);                               \
		SAME_BLK_REQ(bits, handle);                                    \
		SAME_BLK_REQ(bits, id);                                        \
		SAME_BLK_REQ(bits, sector_number);                             \
		SAME_BLK_REQ(bits, seg);                                       \
		SAME_SIZE(struct wire_blk_req##bits, struct blkif_request);    \
		SAME_BLK_DISCARD(bits, operation);                             \
		SAME_BLK_DISCARD(bits, flag);                                  \
		SAME_BLK_DISCARD(bits, handle);                                \
		SAME_BLK_DISCARD(bits, id);                                    \
		SAME_BLK_DISCARD(bits, sector_number);                         \
		SAME_BLK_DISCARD(bits, nr_sectors);                            \
		SAME_SIZE(struct wire_blk_discard##bits,                       \
			  struct blkif_request_discard);                       \
		SAME_BLK_INDIRECT(bits, operation);                            \
		SAME_BLK_INDIRECT(bits, indirect_op);                          \
		SAME_BLK_INDIRECT(bits, nr_segments);                          \
		SAME_BLK_INDIRECT(bits, id);                                   \
		SAME_BLK_INDIRECT(bits, sector_number);                        \
		SAME_BLK_INDIRECT(bits, handle);                               \
		SAME_BLK_INDIRECT(bits, indirect_grefs);                       \
		SAME_SIZE(struct wire_blk_indirect##bits,                      \
			  struct blkif_request_indirect);                      \
		SAME_BLK_RSP(bits, id);                                        \
		SAME_BLK_RSP(bits, operation);                                 \
		SAME_BLK_RSP(bits, status);                                    \
		SAME_SIZE(struct wire_blk_rsp##bits, struct blkif_response);   \
		SAME_BLK_SEG(gref);                                            \
		SAME_BLK_SEG(first_sect);                                      \
		SAME_BLK_SEG(last_sect);                                       \
		SAME_SIZE(struct wire_blk_seg, struct blkif_request_segment);  \
		SAME(sizeof(struct wire_blk_req##bits),                        \
		     sizeof(union blkif_sring_entry));                         \
	} while (0)

#define SAME_BLK_REQ(bits, f)                                                  \
	SAME_FIELD(struct wire_blk_req##bits, struct blkif_request, f, f)
#define SAME_BLK_DISCARD(bits, f)                                              \
	SAME_FIELD(struct wire_blk_discard##bits,                              \
		   struct blkif_request_discard, f, f)
#define SAME_BLK_INDIRECT(bits, f)                                             \
	SAME_FIELD(struct wire_blk_indirect##bits,                             \
		   struct blkif_request_indirect, f, f)
#define SAME_BLK_RSP(bits, f)                                                  \
	SAME_FIELD(struct wire_blk_rsp##bits, struct blkif_response, f, f)
#define SAME_BLK_SEG(f)                                                        \
	SAME_FIELD(struct wire_blk_seg, struct blkif_request_segment, f, f)

#endif
