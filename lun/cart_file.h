/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a tape cartridge (scsi/cartridge.h), read and written at once and
 * in the caller's thread: what is done now and then. A guest's data goes another
 * way (scsi/lu_tape.h). All return 0 or a negative errno, -EBADMSG for what is
 * damaged.
 */
#ifndef LUN_CART_FILE_H
#define LUN_CART_FILE_H

#include "scsi/cartridge.h"

/* Both labels of a new cartridge, with nothing on it, on stable storage. */
int cart_file_create(int fd, struct cart *c);

/* The newer label into C; c->end is its checkpoint. Looks at nothing else. */
int cart_file_label(int fd, struct cart *c);

/*
 * The label, and where the tape really ends: from the checkpoint on as far as
 * there are whole records; from the beginning, if the checkpoint does not lie
 * behind a record.
 */
int cart_file_load(int fd, struct cart *c);

/* Nothing stays behind c->end. */
int cart_file_trim(int fd, const struct cart *c);

/* All on stable storage; then the label has the end. Flags are written, too. */
int cart_file_sync(int fd, struct cart *c);

/* A record behind c->end. LEN 0: a filemark. Not synced. */
int cart_file_append(int fd, struct cart *c, const void *data, uint32_t len);

/* What is on a cartridge that was read from its beginning to its end. */
struct cart_sum {
	uint64_t blocks, marks, bytes;
	/* Where it is damaged: everything before is well. */
	bool damaged;
	struct cart_place at;
};

/*
 * Read all of C (cart_file_load()), and check it. FN (may be NULL) is called for
 * each record, with a block's data; an error of it ends it all. The end is
 * damaged, too, if it is before the checkpoint.
 */
int cart_file_scan(int fd, const struct cart *c, struct cart_sum *sum,
		   int (*fn)(void *ctx, const struct cart_record *r,
			     const uint8_t *data),
		   void *ctx);

#endif
