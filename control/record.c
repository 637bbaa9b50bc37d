/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of guests' devices in files with locks: see record.h. */
#include "control/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)
#define DIR_NAME "guests"

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);
	off_t at = 0;
	ssize_t n;

	while (left) {
		n = pwrite(fd, text, left, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		at += n;
		left -= (size_t)n;
	}
	return ftruncate(fd, at) ? -errno : 0;
}

/* Open file descriptions have locks of their own: others of this process, too. */
static int lock_busy(int fd, bool test)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	if (!test)
		return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
	if (fcntl(fd, F_OFD_GETLK, &lock))
		return -errno;
	return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

/* ---------------------------------------------------------------- making */

static int make_once(struct record *rec, const char *dir, const char *uuid,
		     const char *text)
{
	char temp[PATH_MAX];
	int rc;

	rec->alive = rec->busy = -1;
	if (snprintf(temp, sizeof(temp), "%s/.%s.%d", dir, uuid,
		     (int)getpid()) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	snprintf(rec->path, sizeof(rec->path), "%s/%s", dir, uuid);
	rec->alive = open(temp, O_RDWR | O_CREAT | O_TRUNC, 0600);
	rec->busy = open(temp, O_RDWR | O_CLOEXEC);
	if (rec->alive < 0 || rec->busy < 0 || flock(rec->alive, LOCK_SH))
		rc = -errno;
	else
		rc = lock_busy(rec->busy, false);
	if (!rc)
		rc = write_all(rec->busy, text);
	if (!rc && rename(temp, rec->path))
		rc = -errno;
	if (!rc)
		return 0;
	(void)unlink(temp);
	record_close(rec, false);
	return rc;
}

int record_make(struct record *rec, const char *run_dir, const char *uuid,
		const char *text)
{
	char dir[PATH_MAX];
	int rc = -ENOENT;

	if (snprintf(dir, sizeof(dir), "%s/" DIR_NAME, run_dir) >=
	    (int)sizeof(dir) - 64)
		return -ENAMETOOLONG;
	/* A sweep may take away what is new, before it is locked. */
	for (int i = 0; i < 5 && rc == -ENOENT; i++) {
		if (mkdir(dir, 0700) && errno != EEXIST)
			return -errno;
		rc = make_once(rec, dir, uuid, text);
	}
	return rc;
}

int record_write(struct record *rec, const char *run_dir, const char *uuid,
		 const char *text)
{
	int rc;

	rec->alive = -1;
	snprintf(rec->path, sizeof(rec->path), "%s/" DIR_NAME "/%s", run_dir,
		 uuid);
	rec->busy = open(rec->path, O_RDWR | O_CLOEXEC);
	if (rec->busy < 0)
		return -errno;
	rc = lock_busy(rec->busy, false);
	if (!rc)
		rc = write_all(rec->busy, text);
	if (rc)
		record_close(rec, false);
	return rc;
}

/* Remove PATH if nobody holds its lock; true if it is gone. */
static bool remove_free(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool gone = fd < 0;

	if (!gone && !flock(fd, LOCK_EX | LOCK_NB)) {
		(void)unlink(path);
		gone = true;
	}
	if (fd >= 0)
		close(fd);
	return gone;
}

void record_close(struct record *rec, bool failed)
{
	if (failed)
		(void)unlink(rec->path);
	if (rec->busy >= 0)
		close(rec->busy);
	if (rec->alive >= 0) {
		/* Not flock(LOCK_UN): it would be undone for xl, too. */
		close(rec->alive);
		(void)remove_free(rec->path);
	}
	rec->alive = rec->busy = -1;
}

/* --------------------------------------------------------------- reading */

int record_read(const char *run_dir, const char *uuid, char **text, bool *busy)
{
	char path[PATH_MAX];
	size_t used = 0;
	ssize_t n = 1;
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s/" DIR_NAME "/%s", run_dir, uuid);
	if (remove_free(path))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*busy = lock_busy(fd, true) != 0;
	*text = malloc(TEXT_MAX);
	if (!*text)
		rc = -ENOMEM;
	while (!rc && n > 0 && used < TEXT_MAX - 1) {
		n = read(fd, *text + used, TEXT_MAX - 1 - used);
		if (n < 0)
			rc = -errno;
		else
			used += (size_t)n;
	}
	close(fd);
	if (rc) {
		free(*text);
		return rc;
	}
	(*text)[used] = '\0';
	*busy = *busy || !strcmp(*text, RECORD_INCOMING);
	return 0;
}

size_t record_sweep(const char *run_dir)
{
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	size_t left = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/" DIR_NAME, run_dir);
	d = opendir(dir);
	if (!d)
		return 0;
	while ((entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		left += !remove_free(path);
	}
	closedir(d);
	if (!left)
		(void)rmdir(dir);
	return left;
}
