/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What outlives xenpvd, in its run directory (tmpfs): for each guest with a
 * worker a directory, which names the guest so that another one which gets the
 * same number later is not taken for it.
 *
 *     RUN/guest/DOMID.UUID/worker        the socket at which the worker waits for
 *                                        the next xenpvd (worker/door.h)
 *     RUN/guest/DOMID.UUID/CLASS-ID-QUEUE  the journal of a ring
 *                                        (worker/journal_file.h)
 *
 * Everything is root's alone. Errors are negative errno; descriptors are the
 * caller's, close-on-exec.
 */
#ifndef CONTROL_RUNDIR_H
#define CONTROL_RUNDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/port.h"

/* rundir_init - make RUN/guest. */
int rundir_init(const char *run) XPV_MUST_CHECK;

/* rundir_open - the directory of a guest; -ENOENT unless it is to be made. */
int rundir_open(const char *run, uint32_t domid, const char *uuid,
		bool make) XPV_MUST_CHECK;

/* rundir_remove - remove it with all that is in it. */
void rundir_remove(const char *run, uint32_t domid, const char *uuid);

/* rundir_guests - call FN for every directory of a guest. */
void rundir_guests(const char *run,
		   void (*fn)(void *ctx, uint32_t domid, const char *uuid),
		   void *ctx);

/* rundir_journals - call FN for every journal in DIR. */
void rundir_journals(int dir,
		     void (*fn)(void *ctx, const char *word, uint32_t id),
		     void *ctx);

/* rundir_bind - a socket for the worker, bound and not listening; one that was
 * there is gone. */
int rundir_bind(int dir) XPV_MUST_CHECK;

/* rundir_connect - knock at the worker's door. -ECONNREFUSED or -ENOENT: there
 * is no worker. */
int rundir_connect(int dir) XPV_MUST_CHECK;

/*
 * rundir_journal_make - a new, empty journal; one that was there is gone
 * rundir_journal_find - the one that is there; -ENOENT
 *
 * The descriptor only names the file (O_PATH); rundir_journal_open() opens it.
 */
int rundir_journal_make(int dir, const char *word, uint32_t id,
			unsigned int queue) XPV_MUST_CHECK;
int rundir_journal_find(int dir, const char *word, uint32_t id,
			unsigned int queue) XPV_MUST_CHECK;
int rundir_journal_open(int named) XPV_MUST_CHECK;

/*
 * rundir_lun - the file of what a worker's successor must know of a LUN, made if
 * it is not there; it goes with the directory
 * @name: of the LUN, one word
 */
int rundir_lun(int dir, const char *name) XPV_MUST_CHECK;

void rundir_journal_remove(int dir, const char *word, uint32_t id,
			   unsigned int queue);

#endif
