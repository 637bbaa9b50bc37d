/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk may hold: for each block the values that a read may return, by
 * the writes that were made, when each began and ended, and how. A value is no
 * longer possible when another write began after it had ended and has itself
 * ended well; one that failed may have happened or not. After a loss of power
 * those that were not flushed may be gone.
 *
 * Times are counted, not measured: each begin and each end is one tick.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct world;

#define MODEL_VALUES 16u

/* A write, as one block sees it. */
struct value {
	uint64_t word;	     /* what each 8 bytes of the block hold */
	uint64_t start, end; /* ticks; end UINT64_MAX: under way */
	bool good;	     /* it has ended well */
	bool stable;	     /* it has been flushed */
	uint64_t dead; /* when a read has shown that it is not there; or 0 */
	bool gone;     /* and no loss of power brings it back */
	bool survived; /* it may be what a loss of power has left */
};

struct model_block {
	uint32_t count;
	struct value value[MODEL_VALUES];
};

struct model {
	struct world *w;
	uint32_t blocks, block_size;
	uint64_t tick, lost_at; /* now, and when the power last failed */
	struct model_block *block;
};

void model_init(struct model *m, struct world *w, uint32_t block_size,
		uint32_t blocks);
void model_free(struct model *m);

/* The next tick. */
uint64_t model_tick(struct model *m);

/*
 * A write of WORD + STRIDE * i to N blocks from LBA on begins. False if a block
 * has as many possible values as fit: flush, or write something else. OLDEST:
 * when the oldest command that is under way began.
 */
bool model_write(struct model *m, uint32_t lba, uint32_t n, uint64_t word,
		 uint32_t stride, uint64_t start, uint64_t oldest);

/* That write, which began at START, has ended; FUA: to the medium. */
void model_written(struct model *m, uint32_t lba, uint32_t n, uint64_t start,
		   bool good, bool fua);

/* It was never made. */
void model_unwritten(struct model *m, uint32_t lba, uint32_t n, uint64_t start);

/* A flush that began at START has ended well. */
void model_flushed(struct model *m, uint64_t start);

/* A read that began at START has found WORD. False if that cannot be. */
bool model_read(struct model *m, uint32_t lba, uint64_t start, uint64_t word);

/* The only value that a block can have if nothing is under way there. */
bool model_known(const struct model *m, uint32_t lba, uint64_t *word);

/* The power has failed. */
void model_power_loss(struct model *m);

#endif
