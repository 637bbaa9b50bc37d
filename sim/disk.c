/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

struct opened {
	struct storage storage;
	struct disk *disk;
	uint32_t busy;
};

static struct opened *opened_of(const struct storage_io *io)
{
	return (struct opened *)io->storage;
}

struct disk *disk_next;

void disk_init(struct disk *d, struct world *w, uint32_t block_size,
	       uint32_t blocks)
{
	memset(d, 0, sizeof(*d));
	d->w = w;
	d->block_size = block_size;
	d->blocks = blocks;
	d->cache = calloc(blocks, block_size);
	d->medium = calloc(blocks, block_size);
	d->dirty = calloc(blocks, sizeof(*d->dirty));
	if (!d->cache || !d->medium || !d->dirty)
		abort();
	d->supports = rng_odds(&w->rng, 3, 4);
}

void disk_free(struct disk *d)
{
	free(d->cache);
	free(d->medium);
	free(d->dirty);
}

static uint8_t *at(uint8_t *image, const struct disk *d, uint32_t block)
{
	return image + (size_t)block * d->block_size;
}

static void to_medium(struct disk *d, uint32_t block)
{
	memcpy(at(d->medium, d, block), at(d->cache, d, block), d->block_size);
	d->dirty[block] = 0;
}

static bool flushing(const struct disk *d)
{
	uint32_t i;

	for (i = 0; i < DISK_IOS_MAX; i++)
		if (d->io[i].io && d->io[i].io->what == STORAGE_FLUSH)
			return true;
	return false;
}

/* ---- what operations do ---- */

/* Put blocks FIRST to LAST - 1 of IO into the cache. */
static void put(struct disk *d, const struct storage_io *io, uint32_t first,
		uint32_t last)
{
	uint32_t block = (uint32_t)(io->offset / d->block_size), i;

	for (i = first; i < last; i++) {
		/* A flush that is under way means what was there. */
		if (flushing(d) && d->dirty[block + i])
			to_medium(d, block + i);
		if (io->what == STORAGE_WRITE)
			memcpy(at(d->cache, d, block + i),
			       io->buf + (size_t)i * d->block_size,
			       d->block_size);
		else
			memset(at(d->cache, d, block + i), 0, d->block_size);
		d->dirty[block + i] = ++d->seq;
		if (rng_odds(&d->w->rng, 1, 8)) /* the drive has time for it */
			to_medium(d, block + i);
	}
}

static bool writes(const struct storage_io *io)
{
	return io->what == STORAGE_WRITE || io->what == STORAGE_DISCARD ||
	       io->what == STORAGE_ZERO;
}

static uint32_t blocks_of(const struct disk *d, const struct storage_io *io)
{
	return (uint32_t)(io->len / d->block_size);
}

/* Any of its blocks, each or not. */
static void put_some(struct disk *d, const struct storage_io *io)
{
	uint32_t i, n = blocks_of(d, io);

	for (i = 0; i < n; i++)
		if (rng_odds(&d->w->rng, 1, 2))
			put(d, io, i, i + 1);
}

static void make_stable(struct disk *d, const struct storage_io *io)
{
	uint32_t block = (uint32_t)(io->offset / d->block_size), i;

	for (i = 0; i < blocks_of(d, io); i++)
		if (d->dirty[block + i])
			to_medium(d, block + i);
}

static void flush(struct disk *d, uint64_t seq)
{
	uint32_t i;

	for (i = 0; i < d->blocks; i++)
		if (d->dirty[i] && d->dirty[i] <= seq)
			to_medium(d, i);
}

static void extent(struct disk *d, struct storage_io *io)
{
	io->extent_mapped = rng_odds(&d->w->rng, 1, 2);
	io->extent_len =
		(1 + (uint64_t)rng_below(&d->w->rng, blocks_of(d, io))) *
		d->block_size;
}

/* The operation takes effect. */
static void apply(struct disk *d, struct disk_io *x)
{
	struct storage_io *io = x->io;

	x->applied = true;
	switch (io->what) {
	case STORAGE_READ:
		memcpy(io->buf, d->cache + io->offset, io->len);
		break;
	case STORAGE_FLUSH:
		flush(d, x->flush_seq);
		break;
	case STORAGE_EXTENT:
		extent(d, io);
		break;
	case STORAGE_CUT: /* of files; disks keep their size */
		break;
	case STORAGE_WRITE:
	case STORAGE_DISCARD:
	case STORAGE_ZERO:
		put(d, io, 0, blocks_of(d, io));
		break;
	}
}

/* How it fails this time, or 0. */
static int failure(struct disk *d, const struct storage_io *io)
{
	switch (io->what) {
	case STORAGE_READ:
		return world_fault(d->w, FAULT_READ) ? XPV_EIO : 0;
	case STORAGE_FLUSH:
		return world_fault(d->w, FAULT_FLUSH) ? XPV_EIO : 0;
	case STORAGE_WRITE:
		break;
	default:
		if (!d->supports || world_fault(d->w, FAULT_UNSUPPORTED))
			return XPV_ENOTSUP;
		if (io->what == STORAGE_EXTENT)
			return 0;
	}
	if (world_fault(d->w, FAULT_FULL))
		return XPV_ENOSPC;
	return world_fault(d->w, FAULT_WRITE) ? XPV_EIO : 0;
}

static void done(void *ctx, uint32_t arg)
{
	struct disk *d = ctx;
	struct disk_io *x = &d->io[arg & 0xffff];
	struct storage_io *io = x->io;

	if (!io || x->gen != arg >> 16)
		return;
	io->result = x->applied ? 0 : failure(d, io);
	if (io->result == 0 && !x->applied)
		apply(d, x);
	else if (io->result == XPV_EIO && writes(io))
		put_some(d, io);
	if (io->result == 0 && io->fua)
		make_stable(d, io);
	x->io = NULL;
	x->gen++;
	opened_of(io)->busy--;
	world_note(d->w, "disk-done", (uint32_t)io->what, (uint32_t)io->result);
	io->done(io);
	d->woken(d->ctx);
}

/* ---- the storage driver ---- */

static uint64_t duration(struct disk *d)
{
	uint64_t ns = rng_range(&d->w->rng, 2000, 150000);

	if (world_fault(d->w, FAULT_SLOW))
		ns += rng_below(&d->w->rng, 50) * MS;
	return ns;
}

static void sim_submit(struct storage *s, struct storage_io *io)
{
	struct disk *d = ((struct opened *)s)->disk;
	uint32_t i;

	if (io->what != STORAGE_FLUSH &&
	    (io->offset % d->block_size || io->len % d->block_size ||
	     io->len == 0 ||
	     io->offset + io->len > (uint64_t)d->blocks * d->block_size))
		world_fail(d->w, "disk", "operation %u at %llx of %llx bytes",
			   io->what, (unsigned long long)io->offset,
			   (unsigned long long)io->len);
	for (i = 0; i < DISK_IOS_MAX && d->io[i].io; i++)
		;
	if (i == DISK_IOS_MAX)
		world_fail(d->w, "bound", "%u operations at one disk", i);
	io->storage = s;
	d->io[i].io = io;
	d->io[i].applied = false;
	d->io[i].flush_seq = d->seq;
	opened_of(io)->busy++;
	world_note(d->w, "disk", (uint32_t)io->what, io->offset);
	/* Some take effect now and say so later. */
	if (io->what == STORAGE_READ && rng_odds(&d->w->rng, 1, 2) &&
	    !world_has(d->w, FAULT_READ))
		apply(d, &d->io[i]);
	world_at(d->w, duration(d), done, d, i | (uint32_t)d->io[i].gen << 16);
}

static void sim_cancel(struct storage *s, struct storage_io *io)
{
	struct disk *d = ((struct opened *)s)->disk;
	uint32_t i;

	/* It ends soon, as it would have. */
	for (i = 0; i < DISK_IOS_MAX; i++)
		if (d->io[i].io == io && rng_odds(&d->w->rng, 1, 2))
			world_at(d->w, 1000, done, d,
				 i | (uint32_t)d->io[i].gen << 16);
}

void disk_orphan(struct disk *d)
{
	uint32_t i;

	for (i = 0; i < DISK_IOS_MAX; i++) {
		if (!d->io[i].io)
			continue;
		if (writes(d->io[i].io) && !d->io[i].applied)
			put_some(d, d->io[i].io);
		opened_of(d->io[i].io)->busy--;
		d->io[i].io = NULL;
		d->io[i].gen++;
	}
}

void disk_power_loss(struct disk *d)
{
	uint32_t i;

	disk_orphan(d);
	for (i = 0; i < d->blocks; i++) {
		if (!d->dirty[i])
			continue;
		if (rng_odds(&d->w->rng, 1, 2))
			to_medium(d, i);
		else
			memcpy(at(d->cache, d, i), at(d->medium, d, i),
			       d->block_size);
		d->dirty[i] = 0;
	}
}

static void sim_close(struct storage *s)
{
	struct opened *o = (struct opened *)s;

	if (o->busy)
		world_fail(o->disk->w, "disk",
			   "closed with %u operations under way", o->busy);
	o->disk->open = false;
	free(o);
}

static int sim_open(struct storage **out, const struct storage_cfg *cfg,
		    struct uring *u)
{
	struct opened *o = calloc(1, sizeof(*o));

	(void)cfg;
	(void)u;
	if (!o)
		return -ENOMEM;
	o->storage.driver = &storage_sim;
	o->disk = disk_next;
	o->disk->open = true;
	*out = &o->storage;
	return 0;
}

const struct storage_driver storage_sim = {
	.name = "sim",
	.open = sim_open,
	.submit = sim_submit,
	.cancel = sim_cancel,
	.close = sim_close,
};
