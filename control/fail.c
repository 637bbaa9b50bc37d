/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/fail.h"

#include <stdarg.h>
#include <stdio.h>

int fail(char *err, size_t len, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return rc;
}
