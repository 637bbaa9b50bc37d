/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A turn does a bounded amount of work, whatever the guest writes, and a run
 * needs bounded memory, all of which it gives back.
 */
#include <malloc.h>

#include "sim/check.h"
#include "sim/controller.h"
#include "wire/scsi.h"

/* What the whole world may need at once, bytes. */
#define HEAP_MOST (24u << 20)

/*
 * What the allocator keeps for itself: glibc counts freed blocks in its caches
 * as used, 240 KiB after 300 runs and 513 KiB after 5000 of which, by memcheck,
 * none had lost a byte.
 */
#define HEAP_SLACK (2u << 20)

static uint64_t copies, requests;
static size_t heap_before;

static void begin(struct world *w)
{
	(void)w;
	if (!heap_before) /* the first run: what leaks adds up */
		heap_before = mallinfo2().uordblks;
}

static void turn(struct controller *c, struct path *p)
{
	(void)c;
	copies = p->peer.stats.copies;
	requests = p->peer.stats.requests;
}

static void turned(struct controller *c, struct path *p)
{
	uint64_t most = (uint64_t)SCSI_BACK_TAGS *
			(WIRE_SCSI_SEGS + 2 * (uint64_t)p->segs_max);

	if (p->peer.stats.copies - copies > most)
		world_fail(c->w, "bound", "%llu copies in one turn",
			   (unsigned long long)(p->peer.stats.copies - copies));
	/* Those taken, and a RESET for each that has waited. */
	if (p->peer.stats.requests - requests > 2 * SCSI_BACK_TAGS)
		world_fail(c->w, "bound", "%llu commands in one turn",
			   (unsigned long long)(p->peer.stats.requests -
						requests));
	if (c->w->step % 256 == 0 &&
	    mallinfo2().uordblks > heap_before + HEAP_MOST)
		world_fail(c->w, "memory", "more than %u bytes in use",
			   HEAP_MOST);
}

static bool inside(const void *p, uint32_t len, const void *from, size_t size)
{
	const uint8_t *a = p, *b = from;

	return a >= b && a + len <= b + size;
}

/* Inside of one page there, and of the memory for it here. */
static void copy(struct controller *c, const struct host_copy *copy,
		 bool to_guest)
{
	const struct path *p = &c->back.path;

	(void)to_guest;
	if (copy->offset + copy->len > WIRE_PAGE_SIZE)
		world_fail(c->w, "bound", "a copy of %u bytes at %u", copy->len,
			   copy->offset);
	if (!inside(copy->local, copy->len, p->arena, p->arena_len) &&
	    !inside(copy->local, copy->len, p->engine_mem,
		    scsi_back_size(p->segs_max)))
		world_fail(c->w, "bound", "a copy outside of all buffers");
}

static void end(struct world *w)
{
	size_t now = mallinfo2().uordblks;

	if (now > heap_before + HEAP_SLACK)
		world_fail(w, "memory", "%zu bytes were not given back",
			   now - heap_before);
}

const struct checker check_bound = {
	.name = "bound",
	.begin = begin,
	.turn = turn,
	.turned = turned,
	.copy = copy,
	.end = end,
};
