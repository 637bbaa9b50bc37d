/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker gives up, in named stages and before it has threads, all that it
 * does not need: what a guest that takes it over can still do is in
 * doc/threat-model.md. The stages are the rows of a table (sandbox.c), the
 * system calls that stay those of another (sandbox_calls.c).
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include "host/host.h"
#include "wire/port.h"

struct sandbox {
	const struct host_ops *host;
	const char *place;	 /* of the host, may be NULL */
	char *title;		 /* the command line in memory, for processes */
	size_t title_room;	 /* that are made here; bytes */
	uint32_t domid;		 /* of the guest, for sandbox_enter() */
	struct sock_fprog calls; /* of sandbox_calls_make(); starts as zero */
};

/*
 * sandbox_begin - the stages for which the guest need not be known
 * sandbox_enter - the others; the worker is that of guest S->domid, and of no
 *	other
 *
 * On Xen a stage that cannot be entered is an error. On a local host, whose
 * processes are one user's, it is left out, which is logged: without root it
 * depends on whether there are user namespaces. Builds with sanitizers and for
 * coverage, which open files and read /proc at their end, do without those that
 * stand in the way of that.
 *
 * Return: 0; or a negative errno with a line for people in ERR.
 */
int sandbox_begin(struct sandbox *s, char *err, size_t len) XPV_MUST_CHECK;
int sandbox_enter(struct sandbox *s, char *err, size_t len) XPV_MUST_CHECK;

/*
 * The last stage, in sandbox_calls.c: no system calls but those of its table.
 *
 * sandbox_calls_make - the program that says so to the kernel. To compile it
 *	takes more than a millisecond, so that it is done before there is a
 *	guest. It is for this process, whose number is in it. PROG->filter is
 *	the caller's to free.
 * sandbox_calls_enter - the stage; needs that no file executed gives privileges
 * sandbox_helper_calls - both, for a helper of the worker: the other table
 *
 * Return: 0 or a negative errno.
 */
int sandbox_calls_make(const struct host_ops *host,
		       struct sock_fprog *prog) XPV_MUST_CHECK;
int sandbox_calls_enter(const struct sock_fprog *prog) XPV_MUST_CHECK;
int sandbox_helper_calls(void) XPV_MUST_CHECK;

#endif
