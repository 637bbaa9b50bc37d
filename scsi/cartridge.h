/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tape cartridge as a file: what its bytes mean (doc/vtl-format.md), without
 * reading or writing any.
 *
 *     0     the label, and at 4096 another: the newer one counts
 *     8192  records, one behind the other: a header of CART_HEAD bytes, and the
 *           data of a block
 *
 * The tape ends where there is no valid record. A label says where that was at
 * some time (the checkpoint), so that not all of the tape has to be looked at.
 * Numbers are big-endian.
 */
#ifndef SCSI_CARTRIDGE_H
#define SCSI_CARTRIDGE_H

#include "wire/port.h"

#define CART_LABEL	 512u  /* bytes of a label */
#define CART_LABEL_STEP	 4096u /* from the first to the second */
#define CART_START	 8192u /* of the first record */
#define CART_HEAD	 64u
#define CART_BARCODE_MAX 16u
#define CART_BLOCK_MAX	 0x400000u /* bytes of a block */

/* Flags of a label. */
#define CART_PROTECTED 0x01u /* the switch: must not be written */
#define CART_WORM      0x02u /* what was written stays */
#define CART_FLAGS     0x03u

/* A place between two records. The whole of it follows from the record behind
 * it, and from the one before it. */
struct cart_place {
	uint64_t offset; /* bytes: where the next record begins */
	uint64_t number; /* records before it, blocks and filemarks */
	uint64_t file;	 /* filemarks before it */
	uint64_t mark;	 /* offset of the last of those; 0: there is none */
	uint32_t prev;	 /* bytes of data of the record before */
};

struct cart {
	uint64_t id;	   /* of this cartridge, in each of its records */
	uint64_t capacity; /* bytes for records, with their headers */
	uint64_t seq;	   /* of the newer label */
	uint32_t flags;	   /* CART_* */
	char barcode[CART_BARCODE_MAX + 1];
	struct cart_place saved; /* the checkpoint */
	struct cart_place end;	 /* behind the last record */
};

enum cart_type {
	CART_BLOCK = 1,
	CART_MARK = 2, /* a filemark */
};

struct cart_record {
	enum cart_type type;
	uint32_t len; /* bytes of data */
	uint32_t crc; /* of the data */
	struct cart_place at;
};

/* The beginning of the tape. */
struct cart_place cart_start(void);

/* The place behind the record. */
struct cart_place cart_behind(const struct cart_record *r);

/* Offset of the header of the record before AT, which is not the beginning. */
uint64_t cart_before(const struct cart_place *at);

/* Can there be such a place? */
bool cart_place_ok(const struct cart_place *at);

/* Is it one of 1 to CART_BARCODE_MAX characters of A-Z, 0-9? */
bool cart_barcode_ok(const char *text);

/* The label with c->saved as its checkpoint, into OUT (CART_LABEL bytes); where
 * in the file it goes is the result. */
uint32_t cart_label_put(const struct cart *c, uint8_t *out);

/* Take over what one label says, but for c->end; false if it is damaged. */
bool cart_label_get(struct cart *c, const uint8_t *label);

/* A header, into OUT (CART_HEAD bytes). */
void cart_head_put(const struct cart *c, const struct cart_record *r,
		   uint8_t *out);

/* The header of a record of C that begins at OFFSET; false if it is none. */
bool cart_head_get(const struct cart *c, struct cart_record *r, uint64_t offset,
		   const uint8_t *head);

/* Is it the one that follows on AT, and not another? */
bool cart_follows(const struct cart_record *r, const struct cart_place *at);

/* Bytes that can be written behind C's last record. */
uint64_t cart_left(const struct cart *c);

#endif
