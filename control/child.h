/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that the daemon runs. They start as if a shell had run them: no signal
 * is blocked (we block those that sd-event takes) and SIGPIPE is not ignored. Their
 * standard input is empty, and what they print is in the daemon's log.
 */
#ifndef CONTROL_CHILD_H
#define CONTROL_CHILD_H

#include <sys/types.h>

#include "wire/port.h"

struct child {
	const char *program;	 /* its path */
	const char *const *argv; /* ends with NULL */
	char *const *env;	 /* likewise; NULL is the daemon's own */
	int fd;			 /* that the program gets as AS; -1: none */
	int as;
};

/*
 * child_start - run CHILD
 * @pid: whoever starts it also waits for it
 *
 * Return: 0; a negative errno when it cannot be run, and no process is left.
 */
int child_start(const struct child *child, pid_t *pid) XPV_MUST_CHECK;

#endif
