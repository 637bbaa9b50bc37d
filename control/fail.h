/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An error with its line for people, in the place where it is found.
 */
#ifndef CONTROL_FAIL_H
#define CONTROL_FAIL_H

#include <stddef.h>

/*
 * fail - leave a line in ERR, LEN bytes, and return RC
 *
 * The line says what is wrong, with what, and what to try, without a newline; it
 * is cut where there is no more room. So that `return fail(err, len, -EINVAL,
 * "...")` is all that there is to write.
 */
int fail(char *err, size_t len, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
