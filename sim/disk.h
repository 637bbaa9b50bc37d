/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk with a write cache. What is written is in the cache first; some of it
 * goes to the medium at once, by chance, and all that was complete goes there
 * with a flush. When the power fails each block of the cache is on the medium
 * or not. Operations take time, end in any order, and may fail; a write that
 * fails, or was under way when the power failed, has reached any of its blocks.
 *
 * As a storage_driver it has no use for the uring. The disk itself outlives the
 * storage that is opened on it, as a disk does.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/storage.h"

struct world;

#define DISK_IOS_MAX 64u

struct disk_io {
	struct storage_io *io; /* NULL: free */
	uint16_t gen;
	bool applied;
	uint64_t flush_seq; /* FLUSH: what it covers */
};

struct disk {
	struct world *w;
	uint32_t block_size, blocks;
	uint8_t *cache, *medium;
	uint64_t *
		dirty; /* per block: the sequence of its last write, 0: clean */
	uint64_t seq;
	bool supports; /* zeroing, discarding, extents */
	bool open;
	void (*woken)(void *ctx); /* after each completion */
	void *ctx;
	struct disk_io io[DISK_IOS_MAX];
};

/* Make a disk of zeroes; DISK_FREE gives its memory back. */
void disk_init(struct disk *d, struct world *w, uint32_t block_size,
	       uint32_t blocks);
void disk_free(struct disk *d);

/* The power fails; nothing of what was under way completes. */
void disk_power_loss(struct disk *d);

/* The process that used it has died: what was under way ends without it. */
void disk_orphan(struct disk *d);

/* Which disk the next open() gets: storage_cfg has no place for it. */
extern struct disk *disk_next;

extern const struct storage_driver storage_sim;

#endif
