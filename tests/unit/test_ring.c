/* SPDX-License-Identifier: BSD-2-Clause */
/* Each end of core/ring against another written with the rules of ring.h, and
 * against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ring.h"

#define SLOT 252u

struct page {
	_Alignas(4096) uint8_t bytes[4096];
};

static struct wire_ring *front(struct page *p)
{
	struct wire_ring *r = (struct wire_ring *)p->bytes;

	memset(p, 0, sizeof(*p));
	r->req_event = 1;
	r->rsp_event = 1;
	return r;
}

static uint8_t *slot_of(struct page *p, uint32_t i)
{
	return p->bytes + 64 + (i % 16) * SLOT;
}

static void test_slots(void **state)
{
	(void)state;
	assert_int_equal(ring_slots(1, 252), 16); /* vscsiif */
	assert_int_equal(ring_slots(1, 112), 32); /* blkif */
	assert_int_equal(ring_slots(4, 112), 128);
	assert_int_equal(ring_slots(16, 112), 512);
	assert_int_equal(ring_slots(1, 12), 256); /* netif tx */
	assert_int_equal(ring_slots(1, 4032), 1);
	assert_int_equal(ring_slots(1, 4033), 0);
	assert_int_equal(ring_slots(0, 12), 0);
	assert_int_equal(ring_slots(17, 12), 0);
	assert_int_equal(ring_slots(1, 0), 0);
}

static void test_init_refuses(void **state)
{
	static struct page p;
	struct ring_back r;

	(void)state;
	assert_int_equal(ring_back_init(&r, p.bytes, 1, 250, 0, 0), XPV_EINVAL);
	assert_int_equal(ring_back_init(&r, p.bytes, 1, 8192, 0, 0),
			 XPV_EINVAL);
}

/* Requests go through in order and whole, across the wrap of the index. */
static void test_order_and_wrap(void **state)
{
	static struct page p;
	struct wire_ring *f = front(&p);
	uint32_t start = 0xfffffff0u, i, n;
	uint8_t copy[SLOT], want[SLOT];
	struct ring_back r;

	(void)state;
	f->req_prod = start;
	assert_int_equal(ring_back_init(&r, p.bytes, 1, SLOT, start, start), 0);
	for (i = 0; i < 100; i++) {
		n = start + i;
		memset(slot_of(&p, n), (int)(i + 1), SLOT);
		f->req_prod = n + 1;
		assert_int_equal(ring_back_pending(&r), 1);
		ring_back_take(&r, copy);
		memset(want, (int)(i + 1), SLOT);
		assert_memory_equal(copy, want, SLOT);
		assert_int_equal(ring_back_pending(&r), 0);
		memset(want, 0xee, SLOT);
		ring_back_put(&r, want, 8);
		assert_int_equal(f->rsp_prod, i ? n : 0); /* not yet visible */
		ring_back_push(&r);
		assert_int_equal(f->rsp_prod, n + 1);
		memset(want + 8, 0, SLOT - 8); /* nothing old is left */
		assert_memory_equal(slot_of(&p, n), want, SLOT);
	}
}

static void test_overflow(void **state)
{
	static struct page p;
	struct wire_ring *f = front(&p);
	uint8_t copy[SLOT];
	struct ring_back r;

	(void)state;
	assert_int_equal(ring_back_init(&r, p.bytes, 1, SLOT, 0, 0), 0);
	f->req_prod = 16;
	assert_int_equal(ring_back_pending(&r), 16);
	f->req_prod = 17;
	assert_int_equal(ring_back_pending(&r), XPV_EPROTO);
	f->req_prod = 0xffffffff;
	assert_int_equal(ring_back_pending(&r), XPV_EPROTO);
	/* taken but not answered: their slots are not free */
	f->req_prod = 2;
	ring_back_take(&r, copy);
	ring_back_take(&r, copy);
	f->req_prod = 16;
	assert_int_equal(ring_back_pending(&r), 14);
	f->req_prod = 17;
	assert_int_equal(ring_back_pending(&r), XPV_EPROTO);
	f->req_prod = 1; /* taken back */
	assert_int_equal(ring_back_pending(&r), XPV_EPROTO);
}

/* The rule of RING_PUSH_RESPONSES_AND_CHECK_NOTIFY. */
static void test_notify(void **state)
{
	static struct page p;
	struct wire_ring *f = front(&p);
	uint8_t copy[SLOT] = {0};
	struct ring_back r;
	uint32_t i;

	(void)state;
	assert_int_equal(ring_back_init(&r, p.bytes, 1, SLOT, 0, 0), 0);
	assert_false(ring_back_push(&r)); /* nothing to say */
	f->req_prod = 8;
	for (i = 0; i < 8; i++)
		ring_back_take(&r, copy);
	f->rsp_event = 3; /* wants to hear of the third */
	ring_back_put(&r, copy, 4);
	assert_false(ring_back_push(&r));
	ring_back_put(&r, copy, 4);
	ring_back_put(&r, copy, 4);
	assert_true(ring_back_push(&r));
	ring_back_put(&r, copy, 4);
	assert_false(ring_back_push(&r)); /* once */
	f->rsp_event = 5;
	ring_back_put(&r, copy, 4);
	ring_back_put(&r, copy, 4);
	assert_true(ring_back_push(&r)); /* passed it */
}

static void test_arm(void **state)
{
	static struct page p;
	struct wire_ring *f = front(&p);
	uint8_t copy[SLOT];
	struct ring_back r;

	(void)state;
	assert_int_equal(ring_back_init(&r, p.bytes, 1, SLOT, 0, 0), 0);
	assert_false(ring_back_arm(&r));
	assert_int_equal(f->req_event, 1);
	assert_false(ring_back_has_work(&r));
	f->req_prod = 1;
	assert_true(ring_back_has_work(&r));
	assert_true(ring_back_arm(&r));
	ring_back_take(&r, copy);
	assert_false(ring_back_arm(&r));
	assert_int_equal(f->req_event, 2);
}

/* ------------------------------------------------------------ the frontend */

static void test_front_init(void **state)
{
	static struct page p;
	struct ring_front r;
	uint32_t i;

	(void)state;
	assert_int_equal(ring_front_init(&r, p.bytes, 1, 250), XPV_EINVAL);
	assert_int_equal(ring_front_init(&r, p.bytes, 1, 8192), XPV_EINVAL);
	memset(p.bytes, 0xd5, sizeof(p.bytes));
	assert_int_equal(ring_front_init(&r, p.bytes, 1, SLOT), 0);
	assert_int_equal(r.slots, 16);
	assert_int_equal(ring_front_room(&r), 16);
	for (i = 0; i < 4096; i++)
		assert_int_equal(p.bytes[i], i == 4 || i == 12);
}

/* Room is what is not outstanding; a slot is free when its answer was taken. */
static void test_front_room(void **state)
{
	static struct page p;
	struct wire_ring *b = (struct wire_ring *)p.bytes;
	uint8_t req[SLOT], rsp[SLOT];
	struct ring_front r;
	uint32_t i;

	(void)state;
	assert_int_equal(ring_front_init(&r, p.bytes, 1, SLOT), 0);
	for (i = 0; i < 16; i++) {
		memset(slot_of(&p, i), 0xd5, SLOT);
		memset(req, (int)i + 1, SLOT);
		ring_front_put(&r, req, 8);
		assert_int_equal(ring_front_room(&r), 15 - i);
		assert_memory_equal(slot_of(&p, i), req, 8);
		memset(req, 0, SLOT);
		assert_memory_equal(slot_of(&p, i) + 8, req, SLOT - 8);
	}
	assert_int_equal(b->req_prod, 0); /* not yet visible */
	ring_front_push(&r);
	assert_int_equal(b->req_prod, 16);
	memset(slot_of(&p, 0), 0x77, SLOT);
	b->rsp_prod = 1;
	assert_int_equal(ring_front_pending(&r), 1);
	assert_int_equal(ring_front_room(&r), 0);
	ring_front_take(&r, rsp);
	assert_memory_equal(rsp, slot_of(&p, 0), SLOT);
	assert_int_equal(ring_front_room(&r), 1);
	assert_int_equal(ring_front_pending(&r), 0);
}

/* More answers than there are requests it can have seen. */
static void test_front_overflow(void **state)
{
	static struct page p;
	struct wire_ring *b = (struct wire_ring *)p.bytes;
	uint8_t buf[SLOT] = {0};
	struct ring_front r;

	(void)state;
	assert_int_equal(ring_front_init(&r, p.bytes, 1, SLOT), 0);
	b->rsp_prod = 1;
	assert_int_equal(ring_front_pending(&r), XPV_EPROTO);
	b->rsp_prod = 0;
	ring_front_put(&r, buf, 4);
	ring_front_put(&r, buf, 4);
	b->rsp_prod = 1; /* it is not visible */
	assert_int_equal(ring_front_pending(&r), XPV_EPROTO);
	assert_true(ring_front_has_work(&r)); /* so that somebody looks */
	assert_true(ring_front_arm(&r));
	ring_front_push(&r);
	assert_int_equal(ring_front_pending(&r), 1);
	b->rsp_prod = 3;
	assert_int_equal(ring_front_pending(&r), XPV_EPROTO);
	b->rsp_prod = 2;
	ring_front_take(&r, buf);
	b->rsp_prod = 0; /* taken back */
	assert_int_equal(ring_front_pending(&r), XPV_EPROTO);
	b->rsp_prod = 0x80000001;
	assert_int_equal(ring_front_pending(&r), XPV_EPROTO);
}

static void test_front_notify(void **state)
{
	static struct page p;
	struct wire_ring *b = (struct wire_ring *)p.bytes;
	uint8_t buf[SLOT] = {0};
	struct ring_front r;

	(void)state;
	assert_int_equal(ring_front_init(&r, p.bytes, 1, SLOT), 0);
	assert_false(ring_front_push(&r)); /* nothing to say */
	b->req_event = 3;
	ring_front_put(&r, buf, 4);
	assert_false(ring_front_push(&r));
	ring_front_put(&r, buf, 4);
	ring_front_put(&r, buf, 4);
	assert_true(ring_front_push(&r));
	ring_front_put(&r, buf, 4);
	assert_false(ring_front_push(&r)); /* once */
	assert_false(ring_front_arm(&r));
	assert_int_equal(b->rsp_event, 1);
	b->rsp_prod = 1;
	assert_true(ring_front_arm(&r));
	ring_front_take(&r, buf);
	assert_false(ring_front_arm(&r));
	assert_int_equal(b->rsp_event, 2);
}

/* Both ends, more often than indexes have numbers. */
static void test_both_ends(void **state)
{
	static struct page p;
	uint32_t start = 0xffffff80u, sent = 0, got = 0, word, i, k;
	uint8_t buf[SLOT];
	struct ring_front f;
	struct ring_back b;

	(void)state;
	assert_int_equal(ring_front_init(&f, p.bytes, 1, SLOT), 0);
	assert_int_equal(ring_back_init(&b, p.bytes, 1, SLOT, start, start), 0);
	f.req_prod = f.req_seen = f.rsp_cons = start;
	f.shared->req_prod = f.shared->rsp_prod = start;
	for (i = 0; i < 400; i++) {
		for (k = i % 17; k && ring_front_room(&f); k--) {
			sent++;
			ring_front_put(&f, &sent, sizeof(sent));
		}
		ring_front_push(&f);
		for (k = i % 5; k && ring_back_pending(&b) > 0; k--) {
			ring_back_take(&b, buf);
			ring_back_put(&b, buf, 4);
		}
		ring_back_push(&b);
		for (k = i % 7; k && ring_front_pending(&f) > 0; k--) {
			ring_front_take(&f, buf);
			memcpy(&word, buf, sizeof(word));
			assert_int_equal(word, ++got);
		}
		assert_true(ring_front_pending(&f) >= 0);
		assert_true(ring_back_pending(&b) >= 0);
	}
	assert_true(got > 500 && sent - got <= 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_init_refuses),
		cmocka_unit_test(test_order_and_wrap),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_arm),
		cmocka_unit_test(test_front_init),
		cmocka_unit_test(test_front_room),
		cmocka_unit_test(test_front_overflow),
		cmocka_unit_test(test_front_notify),
		cmocka_unit_test(test_both_ends),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
