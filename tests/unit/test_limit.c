/* SPDX-License-Identifier: BSD-2-Clause */
/* worker/limit: what goes through in a time that is only counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/port.h"
#include "worker/limit.h"

#define MS     1000000ull
#define SECOND (1000 * MS)

/* A queue that always has a request, and looks when it may go or LATE after
 * that; how many went from START to END. */
static uint64_t flood(struct limit *l, uint64_t bytes, uint64_t start,
		      uint64_t end, uint64_t late)
{
	struct limit_ticket t = {0};
	uint64_t now = start, went = 0;

	while (now < end) {
		if (limit_may_go(l, &t, bytes, now)) {
			went++;
			t = (struct limit_ticket){0};
		} else {
			assert_true(t.at > now);
			now = t.at + late;
		}
	}
	return went;
}

/* Within 5 %, or one. */
static void assert_about(uint64_t n, uint64_t want)
{
	uint64_t off = want / 20 ? want / 20 : 1;

	if (n + off < want || n > want + off)
		fail_msg("%llu, and not %llu within 5 %%",
			 (unsigned long long)n, (unsigned long long)want);
}

static void rates_hold(void **state)
{
	static const uint64_t rates[] = {10, 100, 1000, 7777, 100000, 3000000};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rates); i++) {
		const struct proto_limits iops = {.iops = rates[i]};
		const struct proto_limits bps = {.bps = rates[i] * 4096};
		struct limit *l = limit_hold(7);

		/* in each second, also the first; however late one looks,
		 * within the burst */
		limit_set(l, &iops);
		for (uint64_t s = 1; s < 4; s++)
			assert_about(flood(l, 1 << 20, s * SECOND,
					   (s + 1) * SECOND, 20 * MS),
				     rates[i]);
		limit_set(l, &bps);
		for (uint64_t s = 5; s < 8; s++)
			assert_about(
				flood(l, 4096, s * SECOND, (s + 1) * SECOND, 0),
				rates[i]);
		limit_drop(l);
	}
}

/* Of two limits the one that gives less holds. */
static void both_hold(void **state)
{
	const struct proto_limits both = {.iops = 1000, .bps = 10 << 20};
	struct limit *l = limit_hold(1);

	(void)state;
	limit_set(l, &both);
	assert_about(flood(l, 512, SECOND, 3 * SECOND, 0), 2000);
	limit_set(l, &(struct proto_limits){0});
	limit_set(l, &both);
	assert_about(flood(l, 1 << 20, SECOND, 11 * SECOND, 0), 100);
	limit_drop(l);
}

/* Two queues together have what one has alone, and share it. */
static void queues_share(void **state)
{
	const struct proto_limits iops = {.iops = 1000};
	struct limit *a = limit_hold(3), *b = limit_hold(3);
	struct limit *other = limit_hold(4);
	struct limit_ticket t[2] = {{0}};
	uint64_t went[2] = {0};

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, other);
	limit_set(a, &iops);
	for (uint64_t now = SECOND; now < 5 * SECOND; now += 100000) {
		for (int q = 0; q < 2; q++) {
			while (limit_may_go(q ? a : b, &t[q], 4096, now)) {
				went[q]++;
				t[q] = (struct limit_ticket){0};
				if (went[q] > 10000)
					fail_msg("no limit");
			}
		}
	}
	assert_about(went[0] + went[1], 4000);
	assert_true(went[0] > 1500 && went[1] > 1500);
	/* and a neighbour is not touched */
	assert_false(limit_any(other));
	limit_drop(a);
	assert_true(limit_any(b));
	limit_drop(b);
	limit_drop(other);
	a = limit_hold(3);
	assert_false(limit_any(a));
	limit_drop(a);
}

static uint64_t at_once(struct limit *l, uint64_t now)
{
	return flood(l, 4096, now, now + 1, 0);
}

static void bursts(void **state)
{
	const struct proto_limits iops = {.iops = 100, .iops_burst = 50};
	struct limit *l = limit_hold(9);

	(void)state;
	limit_set(l, &iops);
	assert_in_range(at_once(l, SECOND), 50, 51);
	assert_int_equal(at_once(l, SECOND + 1), 0);
	/* it comes back at the rate, and no more than that of it */
	assert_in_range(at_once(l, SECOND + 100 * MS), 8, 11);
	assert_in_range(at_once(l, 100 * SECOND), 50, 51);
	/* one that is larger than every burst goes, and is paid for after */
	limit_set(l, &(struct proto_limits){.bps = 1 << 20});
	assert_int_equal(flood(l, 16 << 20, SECOND, 10 * SECOND, 0), 1);
	limit_drop(l);
}

/* What waits goes by the new limits. */
static void changes(void **state)
{
	const struct proto_limits slow = {.iops = 1}, fast = {.iops = 10000};
	struct limit *l = limit_hold(9);
	struct limit_ticket t = {0};

	(void)state;
	limit_set(l, &slow);
	while (limit_may_go(l, &t, 4096, SECOND))
		t = (struct limit_ticket){0};
	assert_true(t.at > SECOND + 900 * MS);
	limit_set(l, &slow); /* is no change */
	assert_false(limit_may_go(l, &t, 4096, SECOND + MS));
	limit_set(l, &fast);
	assert_true(limit_may_go(l, &t, 4096, SECOND + MS));
	assert_about(flood(l, 4096, 2 * SECOND, 3 * SECOND, 0), 10000);
	limit_set(l, &(struct proto_limits){0});
	assert_false(limit_any(l));
	t = (struct limit_ticket){0};
	assert_true(limit_may_go(l, &t, UINT64_MAX, SECOND));
	limit_drop(l);
}

/* Nothing overflows, whatever is asked. */
static void extremes(void **state)
{
	struct limit *l = limit_hold(2);
	struct limit_ticket t = {0};

	(void)state;
	limit_set(l, &(struct proto_limits){.iops = UINT64_MAX,
					    .iops_burst = UINT64_MAX,
					    .bps = 1,
					    .bps_burst = UINT64_MAX});
	assert_true(limit_may_go(l, &t, 1 << 30, SECOND));
	t = (struct limit_ticket){0};
	limit_set(l, &(struct proto_limits){.bps = 1});
	assert_true(limit_may_go(l, &t, UINT64_MAX, SECOND));
	t = (struct limit_ticket){0};
	assert_false(limit_may_go(l, &t, 1, SECOND));
	assert_true(t.at > 1000000 * SECOND);
	limit_drop(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_hold),	cmocka_unit_test(both_hold),
		cmocka_unit_test(queues_share), cmocka_unit_test(bursts),
		cmocka_unit_test(changes),	cmocka_unit_test(extremes),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
