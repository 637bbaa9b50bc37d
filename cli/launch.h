/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that xl makes and we give devices: xl is asked for one that is paused,
 * the devices are attached, the guest may run. Creation, restoring and
 * the far end of a migration are the same here.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include <stdbool.h>

#include "cli/commands.h"
#include "control/devlist.h"
#include "control/record.h"
#include "wire/port.h"

#define XL_WORDS_MAX 96

struct launch {
	const struct cli_args *args;
	struct toolstack *ts;
	const struct guest_file *gf; /* stays the caller's */
	struct devlist list;
	struct record record;
	bool recorded;
	const char *uuid; /* that the guest will have */
	bool fresh;	  /* no guest may have that yet */
	bool paused;	  /* leave it so */
	bool quiet;
	struct ts_guest guest; /* when it is there */
};

/*
 * launch_open - the list's devices are there, and so are Xen and xenpvd
 *
 * Return: as of launch_prepare(), which begins with it.
 */
int launch_open(struct launch *launch, char *err) XPV_MUST_CHECK;

/*
 * launch_prepare - check everything that can be checked before
 * @wait_s: as of devlist_check()
 *
 * Return: 0 or a negative errno and a line in ERR, GUEST_ERR_MAX bytes;
 * launch_end() in any case.
 */
int launch_prepare(struct launch *launch, unsigned int wait_s,
		   char *err) XPV_MUST_CHECK;

/*
 * launch_run - run xl, attach, let it run
 * @xl: what follows "xl"; NULL-terminated; it must make the guest paused
 *
 * After a failure the guest is destroyed.
 */
int launch_run(struct launch *launch, const char *const *xl,
	       char *err) XPV_MUST_CHECK;

/* launch_finish - the second half: the guest is there, and paused; what fails
 * leaves it so. */
int launch_finish(struct launch *launch, char *err) XPV_MUST_CHECK;

void launch_end(struct launch *launch);

/* launch_console - become xl console of the guest; returns as xl_exec() does. */
void launch_console(const struct launch *launch);

/*
 * xl_run - run xl and wait for it
 *
 * Return: its exit status; 128 if it was killed; -ENOENT after a line on stderr
 * when there is no xl.
 */
int xl_run(const char *const *words);

/* xl_exec - become xl; returns only when there is none, after a line. */
void xl_exec(const char *const *words);

/* xl_on_domain - xl WORD DOMID, as in pause and destroy. */
int xl_on_domain(const char *word, uint32_t domid);

#endif
