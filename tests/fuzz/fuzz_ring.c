/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of a ring under a peer that writes anything anywhere in
 * the page at any moment between two calls, beside a model of the indexes.
 */
#include "core/ring.h"
#include "tests/fuzz/fuzz.h"

struct model {
	struct ring_back ring;
	uint8_t *page;
	uint32_t bytes, taken, answered, seen;
};

static struct wire_ring *header(struct model *m)
{
	return (struct wire_ring *)(void *)m->page;
}

static void peer(struct model *m, struct fuzz_in *in)
{
	uint32_t at = fuzz_u16(in) % m->bytes;

	switch (fuzz_below(in, 4)) {
	case 0: /* an honest one */
		header(m)->req_prod = m->taken + fuzz_below(in, 20);
		break;
	case 1:
		header(m)->req_prod = fuzz_u32(in);
		break;
	case 2:
		header(m)->rsp_event = m->seen + fuzz_below(in, 20) - 2;
		break;
	default:
		fuzz_take(in, m->page + at,
			  at % 7 < m->bytes - at ? at % 7 : 1);
		break;
	}
}

static void take(struct model *m)
{
	uint8_t *copy = malloc(m->ring.slot_size);
	uint32_t i = m->taken & (m->ring.slots - 1);
	int n = ring_back_pending(&m->ring);
	uint32_t claimed = header(m)->req_prod - m->answered;

	FUZZ_CHECK(copy);
	if (claimed > m->ring.slots || claimed < m->taken - m->answered) {
		FUZZ_CHECK(n == XPV_EPROTO);
	} else {
		FUZZ_CHECK(n == (int)(header(m)->req_prod - m->taken));
		if (n) {
			ring_back_take(&m->ring, copy);
			FUZZ_CHECK(!memcmp(copy,
					   m->page + WIRE_RING_SLOTS_OFFS +
						   i * m->ring.slot_size,
					   m->ring.slot_size));
			m->taken++;
		}
	}
	free(copy);
}

/* Nothing but the response's slot changes, and all of that. */
static void put(struct model *m, struct fuzz_in *in)
{
	uint32_t len = fuzz_u8(in) * 4u, size = m->ring.slot_size;
	uint8_t *want = malloc(m->bytes), *rsp;

	if (len > size)
		len = size;
	rsp = malloc(len ? len : 1);
	FUZZ_CHECK(want && rsp);
	memset(rsp, (int)fuzz_u8(in), len);
	if (m->taken != m->answered) {
		uint8_t *slot = want + WIRE_RING_SLOTS_OFFS +
				(m->answered & (m->ring.slots - 1)) * size;

		memcpy(want, m->page, m->bytes);
		memset(slot, 0, size);
		memcpy(slot, rsp, len);
		ring_back_put(&m->ring, rsp, len);
		m->answered++;
		FUZZ_CHECK(!memcmp(want, m->page, m->bytes));
	}
	free(rsp);
	free(want);
}

/* The event is due when the index passes rsp_event: ring.h of Xen. */
static void push(struct model *m)
{
	uint32_t event = header(m)->rsp_event;
	bool due = false;

	for (uint32_t i = m->seen; i != m->answered; i++)
		due |= i + 1 == event;
	FUZZ_CHECK(ring_back_push(&m->ring) == due);
	if (m->seen != m->answered)
		FUZZ_CHECK(header(m)->rsp_prod == m->answered);
	m->seen = m->answered;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	uint32_t pages = fuzz_below(&in, 18), slot = fuzz_u16(&in) % 300;
	uint32_t slots = ring_slots(pages, slot);
	struct model m = {.taken = fuzz_u32(&in)};
	void *room = NULL;
	int rc;

	m.answered = m.seen = m.taken;
	m.bytes = pages * WIRE_PAGE_SIZE;
	if (posix_memalign(&room, 64, m.bytes ? m.bytes : 1))
		return 0;
	m.page = room;
	memset(room, 0, m.bytes);
	rc = ring_back_init(&m.ring, room, pages, slot, m.seen, m.taken);
	FUZZ_CHECK(rc == (slots && slot % 4 == 0 ? 0 : XPV_EINVAL));
	if (slots)
		FUZZ_CHECK(!(slots & (slots - 1)) &&
			   slots * slot + WIRE_RING_SLOTS_OFFS <= m.bytes);
	while (rc == 0 && in.left) {
		switch (fuzz_below(&in, 5)) {
		case 0:
			peer(&m, &in);
			break;
		case 1:
			take(&m);
			break;
		case 2:
			put(&m, &in);
			break;
		case 3:
			push(&m);
			break;
		default:
			FUZZ_CHECK(ring_back_arm(&m.ring) ==
				   ring_back_has_work(&m.ring));
			FUZZ_CHECK(header(&m)->req_event == m.taken + 1);
			break;
		}
	}
	free(room);
	return 0;
}
