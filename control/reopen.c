/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/reopen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_by(int fd, int flags)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, flags | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int reopen_keep(struct reopen *r, int fd, bool excl)
{
	int flags = fcntl(fd, F_GETFL), named;
	struct stat st;

	if (flags < 0 || fstat(fd, &st))
		return -errno;
	named = flags & O_PATH ? fcntl(fd, F_DUPFD_CLOEXEC, 0)
			       : open_by(fd, O_PATH);
	if (named < 0)
		return flags & O_PATH ? -errno : named;
	reopen_drop(r);
	/* The way to it is a link. */
	r->kept = true;
	r->named = named;
	r->flags = (flags & ~O_NOFOLLOW) |
		   (excl && S_ISBLK(st.st_mode) ? O_EXCL : 0);
	return 0;
}

int reopen_open(const struct reopen *r)
{
	int fd;

	if (!r->kept)
		return -EBADF;
	if (!(r->flags & O_PATH))
		return open_by(r->named, r->flags);
	fd = fcntl(r->named, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

void reopen_drop(struct reopen *r)
{
	if (r->kept)
		close(r->named);
	r->kept = false;
}
