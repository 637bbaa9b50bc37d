/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest does with its disk: draw, send, and know what may come back. */
#include "sim/blk.h"

#include <string.h>

#include "sim/mem.h"

void blk_load_init(struct blk_guest *g)
{
	static const uint32_t sizes[] = {1, 2, 8, 16, 48};

	g->next_id = 1;
	g->depth = rng_range(&g->w->rng, 1, BLK_SIM_OPS);
	g->big = sizes[rng_below(&g->w->rng, XPV_ARRAY_SIZE(sizes))];
	g->broken_pieces = rng_odds(&g->w->rng, 1, 3);
}

/* ---- buffers ---- */

static void free_buffer(struct blk_guest *g, struct blk_op *o, bool pinned)
{
	uint32_t i;

	for (i = 0; i < o->npieces; i++) {
		if (!pinned)
			mem_page_free(g->w->mem, g->dom, o->page[i]);
		else if (g->lost < BLK_SIM_PINS)
			g->page_lost[g->lost++] = o->page[i];
		else
			world_fail(g->w, "bound", "too many pages are lost");
	}
	o->npieces = 0;
}

static bool add_piece(struct blk_guest *g, struct blk_op *o, uint32_t most)
{
	struct rng *r = &g->w->rng;
	bool odd = g->broken_pieces && o->npieces < BLK_SIM_PIECES / 2;
	uint32_t frame = mem_page(g->w->mem, g->dom), offset = 0, len;

	if (frame == MEM_NONE)
		return false;
	if (odd && rng_odds(r, 1, 2))
		offset = rng_odds(r, 1, 2) ? 512 * rng_below(r, 8)
					   : rng_below(r, WIRE_PAGE_SIZE);
	len = WIRE_PAGE_SIZE - offset;
	if (odd && rng_odds(r, 1, 4))
		len = rng_range(r, 1, len);
	if (len > most)
		len = most;
	o->page[o->npieces] = frame;
	o->piece[o->npieces++] = (struct front_piece){
		.va = mem_va(g->w->mem, g->dom, frame) + offset,
		.frame = frame,
		.offset = (uint16_t)offset,
		.len = (uint16_t)len,
	};
	return true;
}

static bool buffer(struct blk_guest *g, struct blk_op *o)
{
	uint32_t done = 0;

	o->npieces = 0;
	if (g->w->mem->dom[g->dom].free < BLK_SIM_PIECES + 64)
		return false;
	while (done < o->len) {
		if (o->npieces == BLK_SIM_PIECES ||
		    !add_piece(g, o, o->len - done)) {
			free_buffer(g, o, false);
			return false;
		}
		done += o->piece[o->npieces - 1].len;
	}
	return true;
}

/* Each block holds one word, and the next block the next. */
static void fill(struct blk_guest *g, struct blk_op *o)
{
	uint32_t i, k, at = 0;

	for (i = 0; i < o->npieces; i++)
		for (k = 0; k < o->piece[i].len; k++, at++) {
			uint64_t word = o->word + at / g->disk.block_size;

			o->piece[i].va[k] = (uint8_t)(word >> at % 8 * 8);
		}
}

/* ---- drawing ---- */

static uint64_t oldest(const struct blk_guest *g)
{
	uint64_t start = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < BLK_SIM_OPS; i++)
		if (g->op[i].used && g->op[i].start < start)
			start = g->op[i].start;
	return start;
}

static bool begins(struct blk_guest *g, struct blk_op *o)
{
	o->start = model_tick(&g->model);
	if (o->op == BLK_FRONT_DISCARD)
		return model_write(&g->model, o->lba, o->blocks, 0, 0, o->start,
				   oldest(g));
	if (o->op == BLK_FRONT_WRITE)
		return model_write(&g->model, o->lba, o->blocks, o->word, 1,
				   o->start, oldest(g));
	return true;
}

static void range(struct blk_guest *g, struct blk_op *o)
{
	struct rng *r = &g->w->rng;
	uint32_t n = g->big * WIRE_PAGE_SIZE / g->disk.block_size;

	if (n > g->disk.blocks)
		n = g->disk.blocks;
	o->blocks = rng_range(r, 1, rng_odds(r, 3, 4) && n > 8 ? 8 : n);
	o->lba = rng_below(r, g->disk.blocks - o->blocks + 1);
	/* neighbours, for the backend to merge */
	if (g->next_id > 1 && rng_odds(r, 1, 3)) {
		const struct blk_op *p = &g->op[rng_below(r, BLK_SIM_OPS)];

		if (p->used && p->lba + p->blocks + o->blocks <= g->disk.blocks)
			o->lba = p->lba + p->blocks;
	}
	o->len = o->blocks * g->disk.block_size;
}

/* The second phase: all of the disk once, by whichever queue comes. */
static bool sweep(struct blk_guest *g, struct blk_op *o)
{
	uint32_t left = g->disk.blocks - g->sweep;

	if (left == 0)
		return false;
	o->op = BLK_FRONT_READ;
	o->lba = g->sweep;
	o->blocks = left < 16 ? left : 16;
	o->len = o->blocks * g->disk.block_size;
	if (!buffer(g, o))
		return false;
	g->sweep += o->blocks;
	return true;
}

static bool draw(struct blk_guest *g, struct blk_op *o)
{
	struct rng *r = &g->w->rng;
	uint32_t pick = rng_below(r, 32);

	o->fua = false;
	o->len = o->blocks = o->npieces = 0;
	if (g->w->live)
		return sweep(g, o);
	o->op = pick < 12   ? BLK_FRONT_READ
		: pick < 26 ? BLK_FRONT_WRITE
		: pick < 29 ? BLK_FRONT_FLUSH
			    : BLK_FRONT_DISCARD;
	if (o->op == BLK_FRONT_FLUSH)
		return true;
	range(g, o);
	if (o->op == BLK_FRONT_DISCARD)
		return true;
	o->fua = o->op == BLK_FRONT_WRITE && rng_odds(r, 1, 8);
	if (!buffer(g, o))
		return false;
	o->word = 0x1100000000000000ull | (uint64_t)g->index << 52 |
		  (uint64_t)o->id << 16;
	if (o->op == BLK_FRONT_WRITE)
		fill(g, o);
	return true;
}

struct blk_op *blk_load_next(struct blk_sim_queue *q)
{
	struct blk_guest *g = q->g;
	struct blk_op *o = g->op;

	if (g->out >= g->depth)
		return NULL;
	while (o->used)
		o++;
	o->id = g->next_id++;
	o->q = q;
	o->sent = false;
	o->live = g->w->live;
	o->torn = o->again = false;
	if (!draw(g, o))
		return NULL;
	if (!begins(g, o)) {
		/* too many values are possible there: flush */
		free_buffer(g, o, false);
		o->op = BLK_FRONT_FLUSH;
		o->fua = false;
		o->len = o->blocks = 0;
	}
	o->used = true;
	g->out++;
	world_note(g->w, "op", o->op, (uint64_t)o->lba << 16 | o->blocks);
	return o;
}

/* ---- the end ---- */

static bool writes(const struct blk_op *o)
{
	return o->op == BLK_FRONT_WRITE || o->op == BLK_FRONT_DISCARD;
}

static void over(struct blk_guest *g, struct blk_op *o, bool pinned)
{
	free_buffer(g, o, pinned);
	o->used = false;
	g->out--;
}

void blk_load_back(struct blk_guest *g, struct blk_op *o, bool refused)
{
	(void)refused;
	if (writes(o))
		model_unwritten(&g->model, o->lba, o->blocks, o->start);
	if (o->live && o->lba < g->sweep)
		g->sweep = o->lba; /* again later */
	over(g, o, false);
}

/* The block before AT is read: WORD is what it holds all over. */
static void check_block(struct blk_guest *g, const struct blk_op *o,
			uint32_t at, uint64_t word)
{
	uint32_t block = o->lba + at / g->disk.block_size - 1;

	if (!model_read(&g->model, block, o->start, word))
		world_fail(g->w, "data", "guest %u: block %u holds %llx",
			   g->index, block, (unsigned long long)word);
}

static void check_read(struct blk_guest *g, const struct blk_op *o)
{
	uint32_t size = g->disk.block_size, i, k, at = 0;
	uint8_t first[8] = {0};
	uint64_t word;

	for (i = 0; i < o->npieces; i++) {
		for (k = 0; k < o->piece[i].len; k++) {
			uint8_t byte = o->piece[i].va[k];

			if (at % size < 8)
				first[at % size] = byte;
			else if (first[at % 8] != byte)
				world_fail(g->w, "data",
					   "guest %u: block %u is of no one "
					   "write",
					   g->index, o->lba + at / size);
			if (++at % size)
				continue;
			memcpy(&word, first, sizeof(word));
			check_block(g, o, at, word);
		}
	}
}

void blk_load_done(struct blk_guest *g, struct blk_op *o, int result,
		   bool pinned, bool lost)
{
	bool good = result == 0 && !lost;

	world_note(g->w, "op-done", o->op, (uint64_t)(int64_t)result);
	if (g->kind == BLK_HONEST && o->live && !good && !lost)
		world_fail(g->w, "live", "a read ends with %d", result);
	/* A worker that died may have done some of what the next one refuses. */
	if (writes(o) && result == XPV_ENOTSUP && !lost && !o->again)
		model_unwritten(&g->model, o->lba, o->blocks, o->start);
	else if (writes(o))
		/* passes that were over before the power failed are not made
		 * again */
		model_written(&g->model, o->lba, o->blocks, o->start,
			      good && !o->torn, o->fua);
	else if (good && o->op == BLK_FRONT_FLUSH)
		model_flushed(&g->model, o->start);
	else if (good && g->kind == BLK_HONEST && !o->torn)
		check_read(g, o);
	if (o->live && !good && o->lba < g->sweep)
		g->sweep = o->lba;
	g->w->ops++;
	over(g, o, pinned);
}

bool blk_load_again(struct blk_guest *g)
{
	uint32_t i;

	for (i = 0; i < BLK_SIM_OPS; i++) {
		struct blk_op *o = &g->op[i];

		o->torn = true;
		if (o->used && writes(o) && !begins(g, o))
			return false;
	}
	return true;
}

bool blk_load_finished(const struct blk_guest *g)
{
	return g->out == 0 && g->sweep == g->disk.blocks;
}
