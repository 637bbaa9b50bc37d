/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel says of a process of ours, from /proc: not what the process
 * says of itself.
 */
#ifndef CONTROL_PROC_H
#define CONTROL_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/port.h"

struct proc {
	uint64_t memory;  /* resident, bytes */
	uint32_t threads; /* the first of them, too */
	bool sandboxed;	  /* a filter of system calls, no capabilities, and none
			     to be had */
};

/* proc_read - of process PID. Negative errno: it is gone, or -EPROTO. */
int proc_read(pid_t pid, struct proc *out) XPV_MUST_CHECK;

/* proc_parse - the same from the text of a status file of /proc. */
int proc_parse(const char *text, struct proc *out) XPV_MUST_CHECK;

#endif
