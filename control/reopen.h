/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same file for one worker after the other. Each needs an open file of its
 * own: what the kernel still does for a worker that has died keeps that worker's
 * open file and its locks, which the next one waits for (storage/file.c). So we
 * keep a descriptor that only names the file (O_PATH), and open it by that: not
 * by its path, which may be another file's by now.
 */
#ifndef CONTROL_REOPEN_H
#define CONTROL_REOPEN_H

#include <stdbool.h>

#include "wire/port.h"

struct reopen {
	bool kept;
	int named; /* O_PATH */
	int flags; /* of open(2) */
};

/* reopen_keep - remember what @fd is open on, which stays the caller's. A
 * block device is opened exclusively if @excl. What was kept is dropped. */
int reopen_keep(struct reopen *r, int fd, bool excl) XPV_MUST_CHECK;

/* reopen_open - open it: a descriptor, the caller's. -EBUSY: exclusively, and a
 * worker that has died is not done with it. What only names something (an sg
 * node) is only copied. */
int reopen_open(const struct reopen *r) XPV_MUST_CHECK;

/* reopen_drop - forget it; nothing if nothing is kept. */
void reopen_drop(struct reopen *r);

#endif
