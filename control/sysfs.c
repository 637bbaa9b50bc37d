/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading sysfs and proc: see sysfs.h.
 */
#include "control/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool sysfs_join(char *path, const char *dir, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX;
}

ssize_t sysfs_bytes(const char *dir, const char *name, char *out, size_t len)
{
	char path[PATH_MAX];
	ssize_t r;
	int fd;

	out[0] = '\0';
	if (!sysfs_join(path, dir, name))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = read(fd, out, len - 1);
	close(fd);
	out[r > 0 ? r : 0] = '\0';
	return r;
}

void sysfs_line(const char *dir, const char *name, char *out, size_t len)
{
	size_t n;

	if (sysfs_bytes(dir, name, out, len) < 0)
		return;
	out[strcspn(out, "\n")] = '\0';
	n = strspn(out, " \t");
	memmove(out, out + n, strlen(out + n) + 1);
	for (n = strlen(out); n && (out[n - 1] == ' ' || out[n - 1] == '\t');)
		out[--n] = '\0';
}

uint32_t sysfs_number(const char *dir, const char *name, uint32_t max)
{
	char text[32];
	unsigned long v;

	sysfs_line(dir, name, text, sizeof(text));
	v = strtoul(text, NULL, 10);
	return v > max ? max : (uint32_t)v;
}

bool sysfs_dev(const char *dir, const char *name, dev_t *dev)
{
	unsigned int maj, min;
	char text[32];

	sysfs_line(dir, name, text, sizeof(text));
	if (sscanf(text, "%u:%u", &maj, &min) != 2)
		return false;
	*dev = makedev(maj, min);
	return true;
}

void sysfs_first(const char *dir, const char *prefix, char *out, size_t len)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	out[0] = '\0';
	if (!d)
		return;
	while (!out[0] && (e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    !strncmp(e->d_name, prefix, strlen(prefix)) &&
		    strlen(e->d_name) < len)
			strcpy(out, e->d_name);
	closedir(d);
}
