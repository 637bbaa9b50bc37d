/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What outlives xenpvd: see rundir.h.
 */
#include "control/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/xs.h"

#define SOCKET "worker"

/* CLASS-ID-QUEUE */
#define NAME_LEN 48

static void guest_path(char *path, size_t len, const char *run, uint32_t domid,
		       const char *uuid)
{
	snprintf(path, len, "%s/guest/%" PRIu32 ".%s", run, domid, uuid);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int rundir_init(const char *run)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/guest", run);
	return make_dir(path);
}

int rundir_open(const char *run, uint32_t domid, const char *uuid, bool make)
{
	char path[PATH_MAX];
	int rc, fd;

	guest_path(path, sizeof(path), run, domid, uuid);
	rc = make ? make_dir(path) : 0;
	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Calls FN for each name in DIR but those that begin with a dot. */
static void each(int dir, void (*fn)(void *ctx, const char *name), void *ctx)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			fn(ctx, entry->d_name);
	closedir(d);
}

static void unlink_one(void *ctx, const char *name)
{
	(void)unlinkat(*(int *)ctx, name, 0);
}

void rundir_remove(const char *run, uint32_t domid, const char *uuid)
{
	char path[PATH_MAX];
	int dir;

	guest_path(path, sizeof(path), run, domid, uuid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	each(dir, unlink_one, &dir);
	close(dir);
	(void)rmdir(path);
}

struct visit {
	void (*guest)(void *ctx, uint32_t domid, const char *uuid);
	void (*journal)(void *ctx, const char *word, uint32_t id);
	void *ctx;
};

static void visit_guest(void *ctx, const char *name)
{
	const struct visit *v = ctx;
	const char *dot = strchr(name, '.');
	uint32_t domid;

	if (dot && !xs_parse_u32(name, (size_t)(dot - name), &domid))
		v->guest(v->ctx, domid, dot + 1);
}

void rundir_guests(const char *run,
		   void (*fn)(void *ctx, uint32_t domid, const char *uuid),
		   void *ctx)
{
	struct visit v = {.guest = fn, .ctx = ctx};
	char path[PATH_MAX];
	int dir;

	snprintf(path, sizeof(path), "%s/guest", run);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	each(dir, visit_guest, &v);
	close(dir);
}

static void visit_journal(void *ctx, const char *name)
{
	const struct visit *v = ctx;
	const char *id = strchr(name, '-'), *queue = strrchr(name, '-');
	char word[NAME_LEN];
	uint32_t number;

	if (!id || id == queue ||
	    xs_parse_u32(id + 1, (size_t)(queue - id - 1), &number))
		return;
	snprintf(word, sizeof(word), "%.*s", (int)(id - name), name);
	v->journal(v->ctx, word, number);
}

void rundir_journals(int dir,
		     void (*fn)(void *ctx, const char *word, uint32_t id),
		     void *ctx)
{
	struct visit v = {.journal = fn, .ctx = ctx};

	each(dir, visit_journal, &v);
}

/* ---------------------------------------------------------------- sockets */

/* Through the descriptor: paths of sockets are short. */
static struct sockaddr_un address(int dir)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path),
		 "/proc/self/fd/%d/" SOCKET, dir);
	return addr;
}

int rundir_bind(int dir)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(dir);
	mode_t mask;
	int rc;

	if (fd < 0)
		return -errno;
	(void)unlinkat(dir, SOCKET, 0);
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : fd;
	umask(mask);
	if (rc < 0)
		close(fd);
	return rc;
}

int rundir_connect(int dir)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(dir);
	int rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : fd;
	if (rc < 0)
		close(fd);
	return rc;
}

/* --------------------------------------------------------------- journals */

static const char *journal_name(char *name, const char *word, uint32_t id,
				unsigned int queue)
{
	snprintf(name, NAME_LEN, "%s-%" PRIu32 "-%u", word, id, queue);
	return name;
}

int rundir_journal_find(int dir, const char *word, uint32_t id,
			unsigned int queue)
{
	char name[NAME_LEN];
	struct stat st;
	int fd;

	fd = openat(dir, journal_name(name, word, id, queue),
		    O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -ENOENT;
}

int rundir_journal_make(int dir, const char *word, uint32_t id,
			unsigned int queue)
{
	char name[NAME_LEN];
	int fd;

	(void)unlinkat(dir, journal_name(name, word, id, queue), 0);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return rundir_journal_find(dir, word, id, queue);
}

int rundir_journal_open(int named)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rundir_lun(int dir, const char *name)
{
	char file[NAME_LEN];
	int fd;

	snprintf(file, sizeof(file), "lun.%s", name);
	fd = openat(dir, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

void rundir_journal_remove(int dir, const char *word, uint32_t id,
			   unsigned int queue)
{
	char name[NAME_LEN];

	(void)unlinkat(dir, journal_name(name, word, id, queue), 0);
}
