/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/rates.h"

#include <string.h>

#include "cli/status.h"

#define STEPS_MAX 64

static double since(const json_t *now, const json_t *before, const char *name)
{
	return (double)(status_member(now, name) - status_member(before, name));
}

/* How many requests fell in each step; how many in all. */
static double count_steps(const json_t *now, const json_t *before,
			  double *count, size_t *steps)
{
	const json_t *is = json_object_get(now, "latency");
	const json_t *was = json_object_get(before, "latency");
	double all = 0;
	size_t i, n = json_array_size(is);

	*steps = n < STEPS_MAX ? n : STEPS_MAX;
	for (i = 0; i < *steps; i++) {
		count[i] = (double)(json_integer_value(json_array_get(is, i)) -
				    json_integer_value(json_array_get(was, i)));
		all += count[i];
	}
	return all;
}

/* Step I ends at 2^I microseconds, and begins where the one before ends. */
static double percentile(const double *count, size_t steps, double rank)
{
	double seen = 0, from, to = 1;

	for (size_t i = 0; i < steps; i++, to *= 2) {
		from = i ? to / 2 : 0;
		if (seen + count[i] >= rank && count[i] > 0)
			return from + (to - from) * (rank - seen) / count[i];
		seen += count[i];
	}
	return 0;
}

void rates_of(const json_t *now, const json_t *before, double seconds,
	      struct rates *rates)
{
	double count[STEPS_MAX], all;
	size_t steps;

	memset(rates, 0, sizeof(*rates));
	if (seconds <= 0)
		return;
	if (since(now, before, "responses") < 0 ||
	    since(now, before, "requests") < 0)
		before = NULL;
	rates->reads = since(now, before, "read_ops") / seconds;
	rates->writes = since(now, before, "write_ops") / seconds;
	rates->read_bytes = since(now, before, "read_bytes") / seconds;
	rates->written_bytes = since(now, before, "write_bytes") / seconds;
	rates->errors = since(now, before, "errors") / seconds;
	rates->guest_errors = since(now, before, "guest_errors") / seconds;
	all = count_steps(now, before, count, &steps);
	if (all <= 0)
		return;
	rates->median_us = percentile(count, steps, all * 0.5);
	rates->p99_us = percentile(count, steps, all * 0.99);
}
