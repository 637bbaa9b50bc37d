/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker/arena: runs of pages that never overlap, the lowest first, and a limit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/arena.h"

#define PAGES 256u

static void the_lowest_that_fits(void **state)
{
	struct arena a;
	uint8_t *p[4];

	(void)state;
	assert_int_equal(arena_init(&a, PAGES), 0);
	p[0] = arena_get(&a, 1);
	p[1] = arena_get(&a, 70); /* over the end of a word */
	p[2] = arena_get(&a, 2);
	assert_ptr_equal(p[0], a.base);
	assert_ptr_equal(p[1], a.base + WIRE_PAGE_SIZE);
	assert_ptr_equal(p[2], a.base + 71 * WIRE_PAGE_SIZE);
	arena_put(&a, p[1], 70);
	assert_int_equal(a.used, 3);
	/* what does not fit the hole goes behind it, what does goes in */
	p[3] = arena_get(&a, 71);
	assert_ptr_equal(p[3], a.base + 73 * WIRE_PAGE_SIZE);
	p[1] = arena_get(&a, 64);
	assert_ptr_equal(p[1], a.base + WIRE_PAGE_SIZE);
	memset(p[3], 0xee, 71 * WIRE_PAGE_SIZE);
	arena_fini(&a);
}

static void no_more_than_there_is(void **state)
{
	struct arena a;
	uint8_t *p[PAGES], *all;
	uint32_t i;

	(void)state;
	assert_int_equal(arena_init(&a, 0), -EINVAL);
	assert_int_equal(arena_init(&a, 63), -EINVAL);
	assert_int_equal(arena_init(&a, ARENA_PAGES_MAX + 64), -EINVAL);
	arena_fini(&a); /* nothing */
	assert_int_equal(arena_init(&a, PAGES), 0);
	assert_null(arena_get(&a, 0));
	assert_null(arena_get(&a, PAGES + 1));
	assert_null(arena_get(&a, UINT32_MAX));
	for (i = 0; i < PAGES; i++)
		assert_non_null(p[i] = arena_get(&a, 1));
	assert_null(arena_get(&a, 1));
	/* holes of one page, and none of two */
	for (i = 0; i < PAGES; i += 2)
		arena_put(&a, p[i], 1);
	assert_null(arena_get(&a, 2));
	assert_ptr_equal(arena_get(&a, 1), p[0]);
	arena_put(&a, p[0], 1);
	for (i = 1; i < PAGES; i += 2)
		arena_put(&a, p[i], 1);
	all = arena_get(&a, PAGES);
	assert_ptr_equal(all, a.base);
	arena_put(&a, all, PAGES);
	assert_int_equal(a.used, 0);
	arena_fini(&a);
}

/* Many turns against a plain model: a byte for each page. */
static void as_a_plain_model(void **state)
{
	struct {
		uint8_t *p;
		uint32_t n;
	} run[40] = {{0}};
	uint8_t taken[PAGES] = {0};
	uint32_t round, i, k, at, fits, seed = 1;
	struct arena a;

	(void)state;
	assert_int_equal(arena_init(&a, PAGES), 0);
	for (round = 0; round < 20000; round++) {
		seed = seed * 1664525 + 1013904223;
		i = (seed >> 16) % 40;
		if (run[i].p) {
			arena_put(&a, run[i].p, run[i].n);
			at = (uint32_t)(run[i].p - a.base) / WIRE_PAGE_SIZE;
			memset(taken + at, 0, run[i].n);
			run[i].p = NULL;
			continue;
		}
		run[i].n = 1 + (seed >> 24) % (seed & 0x8000 ? 80 : 5);
		for (fits = at = k = 0; k < PAGES && fits < run[i].n; k++) {
			fits = taken[k] ? 0 : fits + 1;
			at = k + 1 - fits;
		}
		run[i].p = arena_get(&a, run[i].n);
		if (fits < run[i].n) {
			assert_null(run[i].p);
			continue;
		}
		assert_ptr_equal(run[i].p, a.base + at * WIRE_PAGE_SIZE);
		memset(taken + at, 1, run[i].n);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_that_fits),
		cmocka_unit_test(no_more_than_there_is),
		cmocka_unit_test(as_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
