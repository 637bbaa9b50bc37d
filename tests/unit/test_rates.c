/* SPDX-License-Identifier: BSD-2-Clause */
/* cli/rates: two looks at the counters of a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/rates.h"

/* Counters: as many of each as N, and these steps of latency. */
static json_t *counters(int n, const char *latency)
{
	json_t *steps = json_loads(latency, 0, NULL);

	assert_non_null(steps);
	return json_pack("{si si si si si si si si so}", "requests", n,
			 "responses", n, "read_ops", n, "write_ops", 2 * n,
			 "read_bytes", 3 * n, "write_bytes", 4 * n, "errors",
			 5 * n, "guest_errors", 6 * n, "latency", steps);
}

static struct rates between(json_t *now, json_t *before, double seconds)
{
	struct rates rates;

	rates_of(now, before, seconds, &rates);
	json_decref(now);
	json_decref(before);
	return rates;
}

static void test_rates(void **state)
{
	struct rates r = between(counters(30, "[0]"), counters(10, "[0]"), 2);

	(void)state;
	assert_true(r.reads == 10 && r.writes == 20);
	assert_true(r.read_bytes == 30 && r.written_bytes == 40);
	assert_true(r.errors == 50 && r.guest_errors == 60);
	assert_true(r.median_us == 0 && r.p99_us == 0);
}

/* Another worker, or none before. */
static void test_anew(void **state)
{
	struct rates r = between(counters(10, "[10]"), counters(30, "[30]"), 1);

	(void)state;
	assert_true(r.reads == 10 && r.median_us > 0);
	r = between(counters(10, "[10]"), NULL, 1);
	assert_true(r.reads == 10 && r.median_us > 0);
	r = between(counters(10, "[10]"), NULL, 0);
	assert_true(r.reads == 0);
	r = between(json_null(), json_null(), 1);
	assert_true(r.reads == 0 && r.median_us == 0);
}

static void test_percentiles(void **state)
{
	/* All within 4 to 8 us: half of them within 6. */
	struct rates r = between(counters(1, "[0, 0, 0, 100]"),
				 counters(0, "[0, 0, 0, 0]"), 1);

	(void)state;
	assert_true(r.median_us == 6 && r.p99_us > 7.9 && r.p99_us < 8);
	/* 98 of 100 below 1 us, one of 2 to 4, one of 4 to 8. */
	r = between(counters(1, "[98, 0, 1, 1]"), NULL, 1);
	assert_true(r.median_us > 0.5 && r.median_us < 0.52);
	assert_true(r.p99_us == 4);
	/* Only what came since. */
	r = between(counters(2, "[5, 0, 0, 1]"), counters(1, "[5, 0, 0, 0]"),
		    1);
	assert_true(r.median_us == 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_anew),
		cmocka_unit_test(test_percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
