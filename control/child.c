/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that the daemon runs: see child.h. */
#include "control/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, defaults;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
						   POSIX_SPAWN_SETSIGDEF);
	if (!r)
		r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &defaults);
	return r;
}

static int set_files(posix_spawn_file_actions_t *actions, int fd, int as)
{
	int r;

	r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null",
					     O_RDONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO,
						     STDOUT_FILENO);
	if (!r && fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, fd, as);
	return r;
}

int child_start(const struct child *child, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r)
		goto out;
	r = set_signals(&attr);
	if (!r)
		r = set_files(&actions, child->fd, child->as);
	if (!r)
		r = posix_spawn(pid, child->program, &actions, &attr,
				(char *const *)child->argv,
				child->env ? child->env : environ);
	posix_spawnattr_destroy(&attr);
out:
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}
