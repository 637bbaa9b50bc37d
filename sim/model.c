/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/model.h"

#include <stdlib.h>
#include <string.h>

void model_init(struct model *m, struct world *w, uint32_t block_size,
		uint32_t blocks)
{
	uint32_t i;

	m->w = w;
	m->blocks = blocks;
	m->block_size = block_size;
	m->tick = 1;
	m->lost_at = 0;
	m->block = malloc(blocks * sizeof(*m->block));
	if (!m->block)
		abort();
	for (i = 0; i < blocks; i++) {
		m->block[i].count = 1;
		m->block[i].value[0] =
			(struct value){.good = true, .stable = true};
	}
}

void model_free(struct model *m)
{
	free(m->block);
}

uint64_t model_tick(struct model *m)
{
	return ++m->tick;
}

static void drop(struct model_block *b, uint32_t i)
{
	b->value[i] = b->value[--b->count];
}

/* Is V overwritten for good, by something that ended before BY? */
static bool over(const struct model_block *b, const struct value *v,
		 bool stable, uint64_t by)
{
	uint32_t i;

	for (i = 0; i < b->count; i++) {
		const struct value *o = &b->value[i];

		if (o->good && (o->stable || !stable) && o->start > v->end &&
		    o->end < by)
			return true;
	}
	return false;
}

/* Forget what neither a read nor a loss of power can bring back. */
static void prune(struct model_block *b, uint64_t oldest)
{
	uint32_t i = 0;

	while (i < b->count) {
		if (over(b, &b->value[i], true, oldest) ||
		    (b->value[i].gone && b->value[i].dead < oldest))
			drop(b, i);
		else
			i++;
	}
}

bool model_write(struct model *m, uint32_t lba, uint32_t n, uint64_t word,
		 uint32_t stride, uint64_t start, uint64_t oldest)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		prune(&m->block[lba + i], oldest);
		if (m->block[lba + i].count == MODEL_VALUES)
			return false;
	}
	for (i = 0; i < n; i++) {
		struct model_block *b = &m->block[lba + i];

		b->value[b->count++] =
			(struct value){.word = word + (uint64_t)stride * i,
				       .start = start,
				       .end = UINT64_MAX};
	}
	return true;
}

static struct value *find(struct model_block *b, uint64_t start)
{
	uint32_t i;

	for (i = 0; i < b->count; i++)
		if (b->value[i].start == start && b->value[i].end == UINT64_MAX)
			return &b->value[i];
	return NULL;
}

void model_written(struct model *m, uint32_t lba, uint32_t n, uint64_t start,
		   bool good, bool fua)
{
	uint64_t end = model_tick(m);
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct value *v = find(&m->block[lba + i], start);

		if (!v) /* the power has failed meanwhile */
			continue;
		v->end = end;
		v->good = good;
		v->stable = good && fua;
	}
}

void model_unwritten(struct model *m, uint32_t lba, uint32_t n, uint64_t start)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct model_block *b = &m->block[lba + i];
		struct value *v = find(b, start);

		if (v)
			drop(b, (uint32_t)(v - b->value));
	}
}

void model_flushed(struct model *m, uint64_t start)
{
	uint32_t i, j;

	if (start < m->lost_at)
		return;
	for (i = 0; i < m->blocks; i++)
		for (j = 0; j < m->block[i].count; j++) {
			struct value *v = &m->block[i].value[j];

			if (v->good && v->end < start)
				v->stable = true;
		}
}

/*
 * Nothing was under way at the block during the read: what it has found is what
 * is there, and what a loss of power had left is no question any more.
 */
static void settle(struct model *m, struct model_block *b, uint64_t start,
		   uint64_t word)
{
	uint64_t now = model_tick(m);
	bool survived = true; /* it is surely one of those */
	uint32_t i;

	for (i = 0; i < b->count; i++) {
		const struct value *v = &b->value[i];

		if (v->end >= start)
			return;
		if (v->word == word && !v->dead && !over(b, v, false, start))
			survived &= v->survived;
	}
	for (i = 0; i < b->count; i++) {
		struct value *v = &b->value[i];

		if (v->word == word || v->dead)
			continue;
		v->dead = now;
		v->gone = survived && v->survived;
	}
}

bool model_read(struct model *m, uint32_t lba, uint64_t start, uint64_t word)
{
	struct model_block *b = &m->block[lba];
	uint32_t i;

	for (i = 0; i < b->count; i++) {
		struct value *v = &b->value[i];

		if (v->word != word || (v->dead && v->dead < start))
			continue;
		if (over(b, v, false, start))
			continue;
		/* What it saw may have been before the power failed. */
		if (!v->dead && start > m->lost_at)
			settle(m, b, start, word);
		return true;
	}
	return false;
}

bool model_known(const struct model *m, uint32_t lba, uint64_t *word)
{
	const struct model_block *b = &m->block[lba];
	uint32_t i, n = 0;

	for (i = 0; i < b->count; i++) {
		const struct value *v = &b->value[i];

		if (v->end == UINT64_MAX)
			return false;
		if (v->dead || over(b, v, false, UINT64_MAX))
			continue;
		*word = v->word;
		n++;
	}
	return n == 1;
}

void model_power_loss(struct model *m)
{
	uint64_t end = model_tick(m);
	uint32_t i, j;

	m->lost_at = end;
	for (i = 0; i < m->blocks; i++) {
		struct model_block *b = &m->block[i];
		struct value old[MODEL_VALUES];
		uint32_t n = b->count;

		memcpy(old, b->value, sizeof(old));
		for (j = 0; j < n; j++)
			b->value[j].survived =
				!old[j].gone &&
				!over(b, &old[j], true, UINT64_MAX);
		for (j = 0; j < b->count;) {
			struct value *v = &b->value[j];

			if (!v->survived) {
				drop(b, j);
				continue;
			}
			v->dead = 0;
			v->good = false;
			v->stable = false;
			if (v->end == UINT64_MAX)
				v->end = end;
			j++;
		}
		/* One that must be there is as good as flushed. */
		if (b->count == 1)
			b->value[0].good = b->value[0].stable = true;
	}
}
