/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/journal.h"

enum {
	ENTRY_FREE = 0,
	ENTRY_ACCEPTED = 0x41434350, /* "PCCA": not by chance */
};

/* At the beginning of the memory. */
struct head {
	uint32_t version;
	uint32_t slots, slot_size;
	uint32_t pad;
	uint64_t commit; /* rsp_prod << 32 | index answered last */
	uint64_t pad2[5];
};

struct entry {
	uint32_t state;
	uint32_t index;
	uint64_t sum; /* of index and slot */
};

_Static_assert(sizeof(struct head) == 64 && sizeof(struct entry) == 16,
	       "slots are aligned to 16");

static size_t stride(uint32_t slot_size)
{
	return sizeof(struct entry) + ((slot_size + 15) & ~(size_t)15);
}

static struct head *head(const struct journal *j)
{
	return (struct head *)(void *)j->mem;
}

static struct entry *entry_of(const struct journal *j, uint32_t i)
{
	XPV_ASSERT(i < j->slots);
	return (struct entry *)(void *)(j->mem + sizeof(struct head) +
					i * stride(j->slot_size));
}

static uint64_t mixed(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

/*
 * A checksum that a slot which is half written, or was written over, does not
 * have by chance; it is no protection against malice.
 */
static uint64_t sum_of(const struct journal *j, uint32_t i)
{
	const uint8_t *p = journal_slot(j, i);
	const uint8_t *end = p + j->slot_size / sizeof(uint64_t) * 8;
	uint64_t h = 0x9e3779b97f4a7c15u ^ entry_of(j, i)->index;
	uint64_t word;

	for (; p != end; p += sizeof(word)) {
		xpv_copy(&word, p, sizeof(word));
		h = mixed(h, word);
	}
	if (j->slot_size % sizeof(word)) {
		word = 0;
		xpv_copy(&word, p, j->slot_size % sizeof(word));
		h = mixed(h, word);
	}
	return h;
}

static uint64_t commit_of(uint32_t rsp_prod, uint32_t index)
{
	return (uint64_t)rsp_prod << 32 | index;
}

/* The stores that make a step: after all before, in one piece. */
static void store64(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static void set_state(struct entry *e, uint32_t state)
{
	xpv_store32(&e->state, state);
}

size_t journal_size(uint32_t slots, uint32_t slot_size)
{
	return sizeof(struct head) + slots * stride(slot_size);
}

void journal_init(struct journal *j, void *mem, uint32_t slots,
		  uint32_t slot_size, uint32_t rsp_prod)
{
	journal_look(j, mem, slots, slot_size);
	xpv_zero(mem, journal_size(slots, slot_size));
	head(j)->slots = slots;
	head(j)->slot_size = slot_size;
	/* no request of that index is on the ring */
	head(j)->commit = commit_of(rsp_prod, rsp_prod - 1);
	xpv_store32(&head(j)->version, JOURNAL_VERSION);
}

/* Is each request accepted once? (How long ago, there is no limit to.) */
static bool distinct(const struct journal *j)
{
	const struct entry *x, *y;
	uint32_t i, k;

	for (i = 0; i < j->slots; i++) {
		x = entry_of(j, i);
		for (k = 0; k < i && x->state != ENTRY_FREE; k++) {
			y = entry_of(j, k);
			if (y->state != ENTRY_FREE && y->index == x->index)
				return false;
		}
	}
	return true;
}

int journal_resume(struct journal *j, void *mem, uint32_t slots,
		   uint32_t slot_size, uint32_t *rsp_prod, uint32_t *req_cons)
{
	uint32_t i, n = 0, answered;
	struct entry *e;

	journal_look(j, mem, slots, slot_size);
	if (head(j)->version != JOURNAL_VERSION || head(j)->slots != slots ||
	    head(j)->slot_size != slot_size)
		return XPV_EPROTO;
	answered = (uint32_t)head(j)->commit;
	for (i = 0; i < slots; i++) {
		e = entry_of(j, i);
		if (e->state == ENTRY_FREE)
			continue;
		if (e->state != ENTRY_ACCEPTED || e->sum != sum_of(j, i))
			return XPV_EPROTO;
		if (e->index == answered)
			set_state(e, ENTRY_FREE); /* died just before that */
		else
			n++;
	}
	*rsp_prod = journal_answered(j);
	*req_cons = *rsp_prod + n;
	return distinct(j) ? 0 : XPV_EPROTO;
}

void *journal_slot(const struct journal *j, uint32_t i)
{
	return (uint8_t *)entry_of(j, i) + sizeof(struct entry);
}

void journal_accept(struct journal *j, uint32_t i, uint32_t index)
{
	struct entry *e = entry_of(j, i);

	XPV_ASSERT(e->state == ENTRY_FREE);
	e->index = index;
	e->sum = sum_of(j, i);
	set_state(e, ENTRY_ACCEPTED);
}

void journal_answer(struct journal *j, uint32_t i, uint32_t rsp_prod)
{
	struct entry *e = entry_of(j, i);

	XPV_ASSERT(e->state == ENTRY_ACCEPTED &&
		   rsp_prod == journal_answered(j) + 1);
	store64(&head(j)->commit, commit_of(rsp_prod, e->index));
	set_state(e, ENTRY_FREE);
}

uint32_t journal_index(const struct journal *j, uint32_t i)
{
	return entry_of(j, i)->index;
}

uint32_t journal_next(const struct journal *j, uint32_t req_cons, uint32_t *age)
{
	uint32_t i, is, next = 0, found = j->slots;

	for (i = 0; i < j->slots; i++) {
		if (entry_of(j, i)->state == ENTRY_FREE)
			continue;
		is = req_cons - journal_index(j, i);
		if (is >= *age || is <= next)
			continue;
		next = is;
		found = i;
	}
	*age = next;
	return found;
}

uint32_t journal_answered(const struct journal *j)
{
	return (uint32_t)(head(j)->commit >> 32);
}

void journal_look(struct journal *j, void *mem, uint32_t slots,
		  uint32_t slot_size)
{
	*j = (struct journal){mem, slots, slot_size};
}

uint32_t journal_inflight(const struct journal *j)
{
	uint32_t i, n = 0;

	for (i = 0; i < j->slots; i++)
		n += entry_of(j, i)->state != ENTRY_FREE;
	return n;
}
