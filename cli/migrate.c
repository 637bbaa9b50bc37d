/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv migrate, and its far end, migrate-receive. All goes through one command
 * that reaches the other host:
 *
 *     here                                   there: xenpv migrate-receive UUID
 *     the guest's list of devices  -------->  --check: xenpvd runs, the devices
 *                                             are there and free
 *     xl migrate  ------------------------->  xl migrate-receive -p
 *     its devices here are closed: what was
 *     in flight has ended
 *     the list  --------------------------->  --finish: attached, unpaused
 *
 * Only the last step comes after the point of no return. It is the last one
 * because a write that is on its way here must not arrive after one that the
 * guest sends there; what fails in it leaves the guest paused, with its memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/device.h"
#include "cli/launch.h"
#include "cli/text.h"

#define GONE_S	60 /* for our devices to be closed when the guest has left */
#define AGAIN_S 20 /* there: for devices that are still held */

/* ------------------------------------------------------------------ here */

/* Words for a shell on the way: nothing in HOST may mean anything to it. */
static int check_host(const char *host, char *err)
{
	if (*host && *host != '-' &&
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.:_@%[]-") == strlen(host))
		return 0;
	snprintf(err, GUEST_ERR_MAX,
		 "host '%s' is no host's name: give what ssh takes, as in "
		 "root@other",
		 host);
	return -EINVAL;
}

/* "SSH HOST xenpv migrate-receive OPTIONS UUID"; malloc'ed. */
static char *far_command(const char *ssh, const char *host, const char *options,
			 const char *uuid)
{
	char *line;

	return asprintf(&line, "exec %s %s xenpv migrate-receive %s%s%s", ssh,
			host, options, *options ? " " : "", uuid) < 0
		       ? NULL
		       : line;
}

/* In the child: LINE of the shell, from IN, all that it says to OUT. */
static void become(const char *line, int in, int out)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

/* TEXT as a file to be read. */
static int as_file(const char *text)
{
	size_t len = strlen(text);
	int fd = memfd_create("list", MFD_CLOEXEC);

	if (fd >= 0 &&
	    (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The last line of what FD gives, without the name that ours have in front. */
static void last_line(int fd, char *said, size_t len)
{
	static const char name[] = "xenpv: ";
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	FILE *f = fdopen(fd, "r");
	bool ours;

	*said = '\0';
	while (f && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		ours = !strncmp(line, name, sizeof(name) - 1);
		snprintf(said, len, "%s",
			 ours ? line + sizeof(name) - 1 : line);
	}
	free(line);
	if (f)
		fclose(f);
	else
		close(fd);
}

/*
 * Run LINE with TEXT on its standard input; its exit status, or negative. What it
 * said last is in SAID.
 */
static int run_with(const char *line, const char *text, char *said, size_t len)
{
	int in = line ? as_file(text) : -1, out[2], status = 0;
	pid_t pid;

	*said = '\0';
	if (in < 0)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC)) {
		close(in);
		return -EMFILE;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		become(line, in, out[1]);
	close(in);
	close(out[1]);
	last_line(out[0], said, len);
	if (pid < 0)
		return -EAGAIN;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

struct journey {
	struct toolstack *ts;
	struct ts_guest guest;
	struct guest_file gf;
	const char *ssh, *host;
	char *text; /* the list */
	bool paused;
};

static int pack(struct journey *j, char *err)
{
	for (size_t i = 0; i < j->gf.n; i++)
		(void)device_size(j->gf.item[i].name, &j->gf.item[i].size);
	j->text = guest_file_pack(&j->gf);
	if (!*j->gf.uuid) {
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' has no UUID: xl has not made it",
			 j->guest.name);
		return -EINVAL;
	}
	if (j->text)
		return 0;
	snprintf(err, GUEST_ERR_MAX, "out of memory");
	return -ENOMEM;
}

static int ask_target(struct journey *j, char *err)
{
	char *line = far_command(j->ssh, j->host, "--check", j->gf.uuid);
	char said[GUEST_ERR_MAX / 2];
	int status = run_with(line, j->text, said, sizeof(said));

	free(line);
	if (!status)
		return 0;
	/* What is not our own command's status is the way's there. */
	if (status != 1)
		snprintf(err, GUEST_ERR_MAX,
			 "host '%s' cannot be asked ('%s %s xenpv' must work): "
			 "%s; guest '%s' goes on here",
			 j->host, j->ssh, j->host,
			 *said ? said : "it says nothing", j->guest.name);
	else
		snprintf(err, GUEST_ERR_MAX,
			 "host '%s' cannot have guest '%s', which goes on "
			 "here: %s",
			 j->host, j->guest.name, said);
	return -EHOSTUNREACH;
}

static int travel(struct journey *j, char *err)
{
	char *line = far_command(j->ssh, j->host, "", j->gf.uuid);
	char number[16];
	/* No words of its own for ssh: what it gets as the host is run. */
	const char *words[] = {"migrate", "-s", "", number, line, NULL};
	int status;

	snprintf(number, sizeof(number), "%" PRIu32, j->guest.domid);
	status = line ? xl_run(words) : -ENOMEM;
	free(line);
	if (!status)
		return 0;
	if (ts_guest_exists(j->ts, j->guest.domid))
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is still here: xl migrate failed, see "
			 "above",
			 j->guest.name);
	else
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is not here any more, and xl migrate "
			 "failed, see above: look for it on %s with 'xl list', "
			 "and give it its devices with 'xenpv config-attach'",
			 j->guest.name, j->host);
	return -EIO;
}

/* xenpvd removes the nodes when the devices are closed. */
static int await_closed(struct journey *j, char *err)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < GONE_S * 50; i++) {
		if (!ts_guest_exists(j->ts, j->guest.domid) &&
		    !ts_left(j->ts, j->guest.domid))
			return 0;
		nanosleep(&pause, NULL);
	}
	snprintf(
		err, GUEST_ERR_MAX,
		"guest '%s' is on %s, with its devices, but paused: those here "
		"are not closed after %d s; when 'xenpv status' here does not "
		"show it any more, run 'xl unpause %s' there",
		j->guest.name, j->host, GONE_S, j->guest.name);
	return -ETIMEDOUT;
}

static int arrive(struct journey *j, char *err)
{
	char *line = far_command(j->ssh, j->host,
				 j->paused ? "--finish --paused" : "--finish",
				 j->gf.uuid);
	char said[GUEST_ERR_MAX / 2];
	int status = run_with(line, j->text, said, sizeof(said));

	free(line);
	if (!status && *said)
		text_error("%s: %s", j->host, said); /* a warning */
	if (!status)
		return 0;
	snprintf(err, GUEST_ERR_MAX,
		 "guest '%s' is on %s, paused, without all its devices (%s): "
		 "when that is right, run there 'xenpv config-attach %s' and "
		 "'xl unpause %s'",
		 j->guest.name, j->host, said, j->guest.name, j->guest.name);
	return -EIO;
}

/* The guest may not run there before all has ended here. */
static int await_and_arrive(struct journey *j, char *err)
{
	char more[GUEST_ERR_MAX];
	int rc = await_closed(j, err);

	if (!rc)
		return arrive(j, err);
	j->paused = true;
	if (arrive(j, more))
		strcpy(err, more);
	return rc;
}

int migrate_guest(const struct command *command, const struct cli_args *args)
{
	struct journey j = {
		.ssh = args->option[MIGRATE_SSH] ? args->option[MIGRATE_SSH]
						 : "ssh",
		.host = args->arg[1],
		.paused = args->option[MIGRATE_PAUSED] != NULL,
	};
	char err[GUEST_ERR_MAX] = "";
	int rc;

	(void)command;
	rc = check_host(j.host, err);
	if (!rc)
		rc = device_open(&j.ts, args, err);
	if (!rc)
		rc = ts_guest_find(j.ts, args->arg[0], &j.guest, err,
				   sizeof(err));
	if (!rc)
		rc = devlist_collect(&j.gf, j.ts, &j.guest, err, sizeof(err));
	if (!rc)
		rc = pack(&j, err);
	if (!rc)
		rc = ask_target(&j, err);
	if (!rc && !args->option[MIGRATE_CHECK]) {
		rc = travel(&j, err);
		if (!rc)
			rc = await_and_arrive(&j, err);
	}
	if (rc)
		text_error("%s", err);
	free(j.text);
	guest_file_free(&j.gf);
	ts_close(j.ts);
	return rc ? 1 : 0;
}

/* ----------------------------------------------------------------- there */

/* The list, from standard input; malloc'ed. */
static char *read_stdin(void)
{
	char *text = malloc(GUEST_FILE_MAX + 1);
	size_t n = text ? fread(text, 1, GUEST_FILE_MAX, stdin) : 0;

	if (text)
		text[n] = '\0';
	return text;
}

static int check_uuid(const char *uuid, char *err)
{
	if (strlen(uuid) == GUEST_UUID_MAX - 1 &&
	    strspn(uuid, "0123456789abcdef-") == GUEST_UUID_MAX - 1)
		return 0;
	snprintf(err, GUEST_ERR_MAX,
		 "'%s' is not a UUID: xenpv migrate runs this, not people",
		 uuid);
	return -EINVAL;
}

/* Could the guest be here? On a host that it migrates within, it is. */
static int receive_check(struct launch *launch, char *err)
{
	uint32_t but = UINT32_MAX;
	struct ts_guest guest;
	int rc = launch_open(launch, err);

	if (rc)
		return rc;
	if (!ts_guest_by_uuid(launch->ts, launch->uuid, &guest, err,
			      GUEST_ERR_MAX))
		but = guest.domid;
	return devlist_check(&launch->list, launch->ts, but, 0, err,
			     GUEST_ERR_MAX);
}

static int receive_finish(struct launch *launch, const char *text, char *err)
{
	bool recorded;
	int rc;

	/* Before it can fail: config-attach goes by it, and so does a reboot. */
	rc = record_write(&launch->record, daemon_run_dir(launch->args->site),
			  launch->uuid, text);
	recorded = !rc;
	if (rc)
		text_error("after a reboot guest '%s' will lack its devices: "
			   "its list cannot be written: %s",
			   launch->gf->name, strerror(-rc));
	rc = launch_prepare(launch, AGAIN_S, err);
	if (!rc)
		rc = ts_guest_by_uuid(launch->ts, launch->uuid, &launch->guest,
				      err, GUEST_ERR_MAX);
	if (!rc)
		rc = launch_finish(launch, err);
	if (recorded)
		record_close(&launch->record, false);
	return rc;
}

/* Becomes xl, which hands the lock on to the guest's monitor. */
static int receive_transfer(struct launch *launch, char *err)
{
	static const char *const words[] = {"migrate-receive", "-p", NULL};
	int rc;

	rc = record_make(&launch->record, daemon_run_dir(launch->args->site),
			 launch->uuid, RECORD_INCOMING);
	if (rc) {
		snprintf(err, GUEST_ERR_MAX,
			 "%s cannot be written: %s: is xenpvd running?",
			 daemon_run_dir(launch->args->site), strerror(-rc));
		return rc;
	}
	xl_exec(words);
	record_close(&launch->record, true);
	snprintf(err, GUEST_ERR_MAX, "no guest can be received");
	return -ENOENT;
}

int migrate_receive(const struct command *command, const struct cli_args *args)
{
	struct launch launch = {
		.args = args,
		.uuid = args->arg[0],
		.paused = args->option[RECEIVE_PAUSED] != NULL,
		.quiet = true,
	};
	bool check = args->option[RECEIVE_CHECK] != NULL;
	bool finish = args->option[RECEIVE_FINISH] != NULL;
	struct guest_file gf = {.n = 0};
	char err[GUEST_ERR_MAX] = "";
	char *text = NULL;
	int rc;

	(void)command;
	launch.gf = &gf;
	rc = check_uuid(launch.uuid, err);
	if (!rc && !check && !finish) {
		rc = receive_transfer(&launch, err);
	} else if (!rc) {
		text = read_stdin();
		rc = guest_file_parse(&gf, text ? text : "", "the guest's list",
				      err, sizeof(err));
		if (!rc)
			rc = check ? receive_check(&launch, err)
				   : receive_finish(&launch, text, err);
	}
	if (rc)
		text_error("%s", err);
	free(text);
	launch_end(&launch);
	guest_file_free(&gf);
	return rc ? 1 : 0;
}
