/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine reads each word of a slot once, and writes only what is its own to
 * write: a peer can change what is shared between two looks at it (the class of
 * XSA-155). See sim/fetch.h for how this is known.
 */
#include "sim/fetch.h"

#include <string.h>

#include "sim/check.h"
#include "sim/controller.h"
#include "wire/ring.h"

#define SLOT_WORDS (sizeof(struct wire_scsi_req) / 4)

/* What one end has read of one ring. */
struct looks {
	uint8_t *ring;
	uint32_t gen;
	bool seen[WIRE_SCSI_RING_SIZE][SLOT_WORDS];
};

static struct looks looks[CONTROLLERS_MAX][2];

/* The step that is going on, and those in the middle of which it is. */
#define DEPTH 4

static struct step {
	struct controller *who; /* NULL: nothing is looked at */
	bool by_back;
	struct looks *now;
} step[DEPTH], *s = step;

static bool built;

static void begin(struct world *w)
{
	(void)w;
	memset(looks, 0, sizeof(looks));
	s = step;
	s->who = NULL;
}

bool fetch_built(void)
{
	return built;
}

void fetch_step(struct controller *c, bool back)
{
	struct looks *l = &looks[c->index][back];

	if (l->ring != c->spy.ring || l->gen != c->gen) {
		memset(l, 0, sizeof(*l));
		l->ring = c->spy.ring;
		l->gen = c->gen;
	}
	if (++s == step + DEPTH)
		world_fail(c->w, "fetch", "steps inside of steps");
	*s = (struct step){c->spy.ring ? c : NULL, back, l};
}

void fetch_step_end(void)
{
	s--;
}

void fetch_forget(struct controller *c)
{
	memset(&looks[c->index][true], 0, sizeof(looks[0][0]));
}

/* Where P is on the ring of this step; false: elsewhere. */
static bool on_ring(const void *p, uint32_t *offset)
{
	size_t diff;

	built = true;
	if (!s->who)
		return false;
	diff = (size_t)((const uint8_t *)p - s->now->ring);
	*offset = (uint32_t)diff;
	return diff < WIRE_PAGE_SIZE;
}

static bool slot_word(uint32_t offset, uint32_t *slot, uint32_t *word)
{
	if (offset < WIRE_RING_SLOTS_OFFS)
		return false;
	offset -= WIRE_RING_SLOTS_OFFS;
	*slot = offset / sizeof(struct wire_scsi_req);
	*word = offset % sizeof(struct wire_scsi_req) / 4;
	return *slot < WIRE_SCSI_RING_SIZE;
}

/* The other processor has a moment. */
static void meanwhile(bool slot)
{
	struct controller *c = s->who;

	if (!world_has(c->w, FAULT_MEANWHILE) ||
	    (slot && !rng_odds(&c->w->rng, 1, 32)))
		return;
	s->who = NULL;
	if (s->by_back)
		controller_meanwhile(c);
	else
		backend_meanwhile(c);
	s->who = c;
}

static void loads(const void *p, uint32_t len)
{
	uint32_t offset, slot, word, i;

	if (!on_ring(p, &offset))
		return;
	if (!slot_word(offset, &slot, &word)) {
		meanwhile(false);
		return;
	}
	for (i = word; i < word + (len + 3) / 4 && i < SLOT_WORDS; i++) {
		if (s->now->seen[slot][i])
			world_fail(s->who->w, "fetch",
				   "controller %u: the %s reads word %u of "
				   "slot %u again",
				   s->who->index,
				   s->by_back ? "backend" : "frontend", i,
				   slot);
		s->now->seen[slot][i] = true;
	}
	meanwhile(true);
}

static void stores(const void *p)
{
	static const uint32_t own[2][2] = {{0, 12}, {8, 4}};
	uint32_t offset, slot, word;

	if (s->who && s->by_back)
		backend_stores(s->who);
	if (!on_ring(p, &offset))
		return;
	if (s->by_back && s->who->back.path.peer.broken)
		world_fail(s->who->w, "fetch",
			   "controller %u: the backend writes to a ring that "
			   "it has given up",
			   s->who->index);
	if (slot_word(offset, &slot, &word)) {
		memset(s->now->seen[slot], 0, sizeof(s->now->seen[slot]));
		meanwhile(true);
		return;
	}
	if (offset != own[s->by_back][0] && offset != own[s->by_back][1])
		world_fail(s->who->w, "fetch",
			   "controller %u: the %s writes at %u of the ring",
			   s->who->index, s->by_back ? "backend" : "frontend",
			   offset);
	meanwhile(false); /* before it is stored */
}

const struct checker check_fetch = {
	.name = "fetch",
	.begin = begin,
};

/* ---- what compilers call ---- */

#define ACCESS(n)                                                              \
	void __tsan_read##n(void *p);                                          \
	void __tsan_write##n(void *p);                                         \
	void __tsan_unaligned_read##n(void *p);                                \
	void __tsan_unaligned_write##n(void *p);                               \
	void __tsan_volatile_read##n(void *p);                                 \
	void __tsan_volatile_write##n(void *p);                                \
	void __tsan_read##n(void *p)                                           \
	{                                                                      \
		loads(p, n);                                                   \
	}                                                                      \
	void __tsan_write##n(void *p)                                          \
	{                                                                      \
		stores(p);                                                     \
	}                                                                      \
	void __tsan_unaligned_read##n(void *p)                                 \
	{                                                                      \
		loads(p, n);                                                   \
	}                                                                      \
	void __tsan_unaligned_write##n(void *p)                                \
	{                                                                      \
		stores(p);                                                     \
	}                                                                      \
	void __tsan_volatile_read##n(void *p)                                  \
	{                                                                      \
		loads(p, n);                                                   \
	}                                                                      \
	void __tsan_volatile_write##n(void *p)                                 \
	{                                                                      \
		stores(p);                                                     \
	}

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void *pc);
void __tsan_read_range(void *p, long len);
void __tsan_write_range(void *p, long len);
unsigned __tsan_atomic32_load(const volatile void *p, int order);
void __tsan_atomic32_store(volatile void *p, unsigned v, int order);
void __tsan_atomic64_store(volatile void *p, uint64_t v, int order);
void __tsan_atomic_thread_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void *pc)
{
	(void)pc;
}

void __tsan_read_range(void *p, long len)
{
	loads(p, (uint32_t)len);
}

void __tsan_write_range(void *p, long len)
{
	(void)len;
	stores(p);
}

unsigned __tsan_atomic32_load(const volatile void *p, int order)
{
	(void)order;
	loads((const void *)(uintptr_t)p, 4);
	return *(const volatile unsigned *)p;
}

void __tsan_atomic32_store(volatile void *p, unsigned v, int order)
{
	(void)order;
	stores((const void *)(uintptr_t)p);
	*(volatile unsigned *)p = v;
}

void __tsan_atomic64_store(volatile void *p, uint64_t v, int order)
{
	(void)order;
	stores((const void *)(uintptr_t)p);
	*(volatile uint64_t *)p = v;
}

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
}
