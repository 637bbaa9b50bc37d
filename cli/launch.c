/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests that xl makes: see launch.h. */
#include "cli/launch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/device.h"
#include "cli/text.h"

/* -------------------------------------------------------------------- xl */

void xl_exec(const char *const *words)
{
	const char *argv[XL_WORDS_MAX + 2] = {"xl"};
	int n = 1;

	for (; *words && n <= XL_WORDS_MAX; words++)
		argv[n++] = *words;
	argv[n] = NULL;
	fflush(NULL);
	execvp(argv[0], (char *const *)argv);
	text_error("xl cannot be run (%s): install Xen's tools (Debian: "
		   "xen-utils), and run this in dom0",
		   strerror(errno));
}

int xl_run(const char *const *words)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		text_error("xl cannot be started: %s", strerror(errno));
		return -errno;
	}
	if (!pid) {
		xl_exec(words);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!WIFEXITED(status))
		return 128;
	return WEXITSTATUS(status) == 127 ? -ENOENT : WEXITSTATUS(status);
}

int xl_on_domain(const char *word, uint32_t domid)
{
	const char *words[3] = {word};
	char number[16];

	snprintf(number, sizeof(number), "%" PRIu32, domid);
	words[1] = number;
	return xl_run(words);
}

/* --------------------------------------------------------------- launching */

/* A guest with that UUID is there already: xl would make a second one. */
static int check_fresh(struct launch *launch, char *err)
{
	struct ts_guest guest;
	int rc;

	rc = ts_guest_by_uuid(launch->ts, launch->uuid, &guest, err,
			      GUEST_ERR_MAX);
	if (rc == -ENOENT)
		return 0;
	if (!rc || rc == -ENOTUNIQ) {
		snprintf(err, GUEST_ERR_MAX,
			 "%s: UUID %s is that of guest '%s', which is there: "
			 "shut it down first, or give this one another",
			 launch->gf->file, launch->uuid, guest.name);
		rc = -EEXIST;
	}
	return rc;
}

int launch_open(struct launch *launch, char *err)
{
	int rc;

	rc = devlist_resolve(&launch->list, launch->gf, err, GUEST_ERR_MAX);
	if (!rc)
		rc = device_open(&launch->ts, launch->args, err);
	if (!rc)
		rc = device_check_daemon(launch->args, err);
	return rc;
}

int launch_prepare(struct launch *launch, unsigned int wait_s, char *err)
{
	int rc = launch_open(launch, err);

	if (!rc && launch->fresh)
		rc = check_fresh(launch, err);
	if (!rc)
		rc = devlist_check(&launch->list, launch->ts, UINT32_MAX,
				   wait_s, err, GUEST_ERR_MAX);
	return rc;
}

int launch_finish(struct launch *launch, char *err)
{
	int rc;

	rc = devlist_attach(&launch->list, launch->ts, &launch->guest, 0, err,
			    GUEST_ERR_MAX);
	if (!rc && !launch->quiet)
		device_say_list(&launch->list, &launch->guest, true);
	if (!rc && !launch->paused &&
	    xl_on_domain("unpause", launch->guest.domid)) {
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' has its devices, but xl cannot unpause it",
			 launch->guest.name);
		rc = -EIO;
	}
	return rc;
}

/* The list is known before the guest is: xl's monitor takes the lock along. */
static int start_record(struct launch *launch, char *err)
{
	char *text = guest_file_pack(launch->gf);
	int rc = -ENOMEM;

	if (text)
		rc = record_make(&launch->record,
				 daemon_run_dir(launch->args->site),
				 launch->uuid, text);
	free(text);
	launch->recorded = !rc;
	if (rc)
		snprintf(err, GUEST_ERR_MAX,
			 "the list of devices cannot be written in %s: %s",
			 daemon_run_dir(launch->args->site), strerror(-rc));
	return rc;
}

int launch_run(struct launch *launch, const char *const *xl, char *err)
{
	int rc, status;

	/* A guest without devices is xl's alone. */
	rc = launch->gf->n ? start_record(launch, err) : 0;
	if (rc)
		return rc;
	device_catch_signals();
	status = xl_run(xl);
	if (status) {
		snprintf(err, GUEST_ERR_MAX,
			 status < 0 ? "no guest was made: xl did not run"
				    : "no guest was made: xl %s failed, see "
				      "above",
			 xl[0]);
		rc = -EIO;
	} else {
		rc = ts_guest_by_uuid(launch->ts, launch->uuid, &launch->guest,
				      err, GUEST_ERR_MAX);
	}
	if (rc)
		goto out;
	rc = launch_finish(launch, err);
	if (rc && xl_on_domain("destroy", launch->guest.domid))
		text_error("guest '%s' cannot be destroyed, it is left paused",
			   launch->guest.name);
out:
	if (launch->recorded)
		record_close(&launch->record, rc != 0);
	launch->recorded = false;
	return rc;
}

void launch_end(struct launch *launch)
{
	if (launch->recorded)
		record_close(&launch->record, true);
	devlist_free(&launch->list);
	ts_close(launch->ts);
}

void launch_console(const struct launch *launch)
{
	char number[16];
	const char *const words[] = {"console", number, NULL};

	snprintf(number, sizeof(number), "%" PRIu32, launch->guest.domid);
	xl_exec(words);
}
