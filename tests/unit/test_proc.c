/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/proc: what counts as a process in its sandbox.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/proc.h"

#define STATUS                                                                 \
	"Name:\txenpv-worker\nVmRSS:\t    %s kB\nThreads:\t%s\nCapPrm:\t%s\n"  \
	"CapEff:\t%s\nCapBnd:\t%s\nNoNewPrivs:\t%s\nSeccomp:\t%s\n"

static void what_is_a_sandbox(void **state)
{
	static const struct {
		const char *permitted, *bounding, *locked, *seccomp;
		bool boxed;
	} rows[] = {
		{"0000000000000000", "0000000000000000", "1", "2", true},
		{"0000000000000000", "0000000000000000", "1", "0", false},
		{"0000000000000000", "0000000000000000", "1", "1", false},
		{"0000000000000000", "0000000000000000", "0", "2", false},
		{"0000000000200000", "0000000000000000", "1", "2", false},
		{"0000000000000000", "000001ffffffffff", "1", "2", false},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct proc proc;
		char text[512];

		snprintf(text, sizeof(text), STATUS, "2040", "3",
			 rows[i].permitted, rows[i].permitted, rows[i].bounding,
			 rows[i].locked, rows[i].seccomp);
		assert_int_equal(proc_parse(text, &proc), 0);
		assert_int_equal(proc.memory, 2040 * 1024);
		assert_int_equal(proc.threads, 3);
		assert_int_equal(proc.sandboxed, rows[i].boxed);
	}
}

static void what_is_no_status(void **state)
{
	struct proc proc;

	(void)state;
	assert_int_equal(proc_parse("", &proc), -EPROTO);
	assert_int_equal(proc_parse("VmRSS:\t10 kB\nThreads:\t1\n", &proc),
			 -EPROTO);
	/* a name that only ends like it, and one without a number */
	assert_int_equal(proc_parse("HugeVmRSS:\t10 kB\n", &proc), -EPROTO);
	assert_int_equal(proc_parse("VmRSS:\tmuch\n", &proc), -EPROTO);
}

static void the_kernel_says_the_same(void **state)
{
	struct proc proc;

	(void)state;
	assert_int_equal(proc_read(getpid(), &proc), 0);
	assert_true(proc.memory > 4096);
	assert_int_equal(proc.threads, 1);
	assert_false(proc.sandboxed);
	assert_int_equal(proc_read(0, &proc), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_sandbox),
		cmocka_unit_test(what_is_no_status),
		cmocka_unit_test(the_kernel_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
