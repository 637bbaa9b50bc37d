/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/xen_quiet.h"

static void say_nothing(struct xentoollog_logger *logger,
			xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list al)
{
	(void)logger, (void)level, (void)errnoval;
	(void)context, (void)format, (void)al;
}

static void stay(struct xentoollog_logger *logger)
{
	(void)logger; /* it is no memory of its own */
}

struct xentoollog_logger xen_quiet = {
	.vmessage = say_nothing,
	.destroy = stay,
};
