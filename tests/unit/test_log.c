/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/log: the form of a line, and that a guest cannot fill the journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/log.h"

static void a_line_says_where(void **state)
{
	struct log_where where = {true, 5, "web", "scsi/0", "0:0:0"};
	char out[LOG_LINE_MAX];
	int n;

	(void)state;
	n = log_format(out, true, LOG_INFO, &where, "connected");
	assert_string_equal(out, "<6>dom=5 name=web dev=scsi/0 lun=0:0:0 "
				 "connected\n");
	assert_int_equal(n, strlen(out));
	where.name = NULL;
	where.lun = NULL;
	log_init("xenpvd");
	log_format(out, false, LOG_ERR, &where, "broken");
	assert_string_equal(out, "xenpvd: error: dom=5 dev=scsi/0 broken\n");
	log_format(out, false, 99, NULL, "x");
	assert_string_equal(out, "xenpvd: error: x\n");
}

static void a_line_is_one_line(void **state)
{
	char text[2 * LOG_LINE_MAX], out[LOG_LINE_MAX + 1];
	int n;

	(void)state;
	log_format(out, true, LOG_INFO, NULL, "a\nb\x1b[2Jc\x7f");
	assert_string_equal(out, "<6>a?b?[2Jc?\n");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	out[LOG_LINE_MAX] = '!';
	n = log_format(out, true, LOG_INFO, NULL, text);
	assert_true(n < LOG_LINE_MAX);
	assert_int_equal(out[n - 1], '\n');
	assert_int_equal(out[LOG_LINE_MAX], '!');
}

static void a_guest_is_held_back(void **state)
{
	struct log_rate rate = {0};
	uint64_t now = 1000;
	uint32_t swallowed = 99;
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		n += log_allow(&rate, now, &swallowed);
	assert_int_equal(n, LOG_RATE_BURST);
	assert_int_equal(swallowed, 0);
	assert_false(log_allow(&rate, now + LOG_RATE_NS - 1, &swallowed));
	now += LOG_RATE_NS;
	assert_true(log_allow(&rate, now, &swallowed));
	assert_int_equal(swallowed, 1000 - LOG_RATE_BURST + 1);
	assert_false(log_allow(&rate, now, &swallowed));
	/* After a long silence the whole burst is there again. */
	now += 1000 * LOG_RATE_NS;
	for (n = 0; log_allow(&rate, now, &swallowed); n++)
		;
	assert_int_equal(n, LOG_RATE_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_where),
		cmocka_unit_test(a_line_is_one_line),
		cmocka_unit_test(a_guest_is_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
