/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests that xenpv has made get when they come back: one file for each,
 * RUN_DIR/guests/UUID, the list of its devices (guest_file_pack()).
 *
 * A reboot from inside a guest is a domain destroyed and another one made, by
 * the process of xl that watches over it. That process inherits the lock on the
 * file: as long as it is held the guest may come back, and when it is not the
 * file means nothing and is removed (record_sweep(), by xenpvd).
 *
 * Who makes a guest holds a second lock, "busy", until it has its devices: it
 * attaches them itself, xenpvd stays away.
 *
 * A record is made under another name and renamed: nobody sees it unlocked, and
 * a guest that migrates within one host (for tests) has a new one.
 */
#ifndef CONTROL_RECORD_H
#define CONTROL_RECORD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/port.h"

#define RECORD_INCOMING "# the guest is on its way\n" /* instead of a list */

struct record {
	char path[PATH_MAX + 64];
	int alive; /* the lock that xl is to inherit: not close-on-exec */
	int busy;
};

/*
 * record_make - make the record of guest UUID, locked and busy
 * @run_dir: of xenpvd; must exist
 *
 * Return: 0; a negative errno of the files.
 */
int record_make(struct record *rec, const char *run_dir, const char *uuid,
		const char *text) XPV_MUST_CHECK;

/*
 * record_write - replace the text of UUID's record, which must exist
 * @rec: then it is busy, until record_close(), which does not let go of the guest
 *
 * Return: 0; -ENOENT; a negative errno.
 */
int record_write(struct record *rec, const char *run_dir, const char *uuid,
		 const char *text) XPV_MUST_CHECK;

/*
 * record_close - let go of it; it stays if somebody else holds the lock
 * @failed: it goes in any case
 */
void record_close(struct record *rec, bool failed);

/*
 * record_read - the text; malloc'ed
 * @busy: somebody is attaching the devices, or the guest is on its way
 *
 * Return: 0; -ENOENT: there is none that is held; a negative errno.
 */
int record_read(const char *run_dir, const char *uuid, char **text,
		bool *busy) XPV_MUST_CHECK;

/* record_sweep - remove what nobody holds. Does not wait. Return: how many are
 * left. */
size_t record_sweep(const char *run_dir);

#endif
