/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A logger that says nothing, for Xen's libraries: they would write to stderr
 * by themselves, as often as a guest offers a page that is not granted. What
 * failed is said by our own callers, where it is limited.
 */
#ifndef HOST_XEN_QUIET_H
#define HOST_XEN_QUIET_H

#include <xentoollog.h>

/* For any thread and any number of handles; never destroyed. */
extern struct xentoollog_logger xen_quiet;

#endif
