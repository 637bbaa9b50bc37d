/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/local_start.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* It ends when nobody has been connected for so many seconds. */
#define IDLE "60"

extern char **environ;

int local_start(const char *program, const char *dir, char *err, size_t len)
{
	/* execve() takes them as they are, and changes none. */
	char *argv[] = {(char *)(uintptr_t) "xenpv-local",
			(char *)(uintptr_t) "--background",
			(char *)(uintptr_t) "--idle",
			(char *)(uintptr_t)IDLE,
			(char *)(uintptr_t) "--",
			(char *)(uintptr_t)dir,
			NULL};
	int rc, status;
	pid_t pid;

	err[0] = '\0';
	rc = posix_spawn(&pid, program, NULL, NULL, argv, environ);
	if (rc) {
		snprintf(err, len, "cannot start '%s': %s", program,
			 strerror(rc));
		return -rc;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!WIFEXITED(status))
		snprintf(err, len, "'%s' died", program);
	return -EIO;
}
