/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a SCSI device of this host: see sgdev.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/sgdev.h"
#include "control/sysfs.h"

/* Character devices that one SCSI device can have: 8 of a tape, sg. */
#define NODES_MAX 16

struct node {
	dev_t dev;
	char name[24];
};

/* Every character device of DEV. */
static size_t nodes_of(const struct sgdev_roots *roots, const struct sgdev *dev,
		       struct node *nodes)
{
	static const char *const kinds[] = {"scsi_generic", "scsi_tape",
					    "scsi_changer"};
	char dir[PATH_MAX], file[64];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(kinds); i++) {
		if (snprintf(dir, sizeof(dir),
			     "%s/class/scsi_device/%s/device/%s", roots->sys,
			     dev->address, kinds[i]) >= PATH_MAX)
			continue;
		d = opendir(dir);
		while (d && n < NODES_MAX && (e = readdir(d))) {
			if (e->d_name[0] == '.' ||
			    strlen(e->d_name) >= sizeof(nodes[n].name) ||
			    snprintf(file, sizeof(file), "%.40s/dev",
				     e->d_name) >= (int)sizeof(file) ||
			    !sysfs_dev(dir, file, &nodes[n].dev))
				continue;
			strcpy(nodes[n++].name, e->d_name);
		}
		if (d)
			closedir(d);
	}
	return n;
}

static int add(struct sgdev_users *users, pid_t pid, dev_t dev)
{
	struct sgdev_open *open = users->open;

	/* many have the same terminal several times */
	for (size_t i = users->n; i > 0 && open[i - 1].pid == pid; i--)
		if (open[i - 1].dev == dev)
			return 0;
	if ((users->n & (users->n + 1)) == 0) { /* full: 2^k - 1 */
		open = realloc(open, (2 * users->n + 1) * sizeof(*open));
		if (!open)
			return -ENOMEM;
		users->open = open;
	}
	open[users->n++] = (struct sgdev_open){.pid = pid, .dev = dev};
	return 0;
}

/* What process PID has open, in its directory FD. */
static int add_process(struct sgdev_users *users, pid_t pid, const char *fd)
{
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(fd);
	int rc = 0;

	while (d && !rc && (e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    !fstatat(dirfd(d), e->d_name, &st, 0) &&
		    S_ISCHR(st.st_mode))
			rc = add(users, pid, st.st_rdev);
	if (d)
		closedir(d);
	return rc;
}

int sgdev_users_read(const struct sgdev_roots *roots, struct sgdev_users *users)
{
	DIR *d = opendir(roots->proc);
	char path[PATH_MAX];
	struct dirent *e;
	int rc = 0;

	memset(users, 0, sizeof(*users));
	while (d && !rc && (e = readdir(d))) {
		pid_t pid = atoi(e->d_name);

		if (!isdigit((unsigned char)e->d_name[0]) || pid == getpid() ||
		    snprintf(path, sizeof(path), "%s/%d/fd", roots->proc,
			     pid) >= PATH_MAX)
			continue;
		rc = add_process(users, pid, path);
	}
	if (d)
		closedir(d);
	if (rc)
		sgdev_users_free(users);
	return rc;
}

void sgdev_users_free(struct sgdev_users *users)
{
	free(users->open);
	memset(users, 0, sizeof(*users));
}

void sgdev_user(const struct sgdev_roots *roots,
		const struct sgdev_users *users, const struct sgdev *dev,
		char *text, size_t len)
{
	struct node nodes[NODES_MAX];
	size_t n = nodes_of(roots, dev, nodes);
	char dir[PATH_MAX], comm[32];

	text[0] = '\0';
	for (size_t i = 0; i < users->n * n; i++) {
		const struct sgdev_open *open = &users->open[i / n];
		const struct node *node = &nodes[i % n];

		if (open->dev != node->dev ||
		    snprintf(dir, sizeof(dir), "%s/%d", roots->proc,
			     open->pid) >= PATH_MAX)
			continue;
		sysfs_line(dir, "comm", comm, sizeof(comm));
		snprintf(text, len, "%s (process %d, %s)", comm, open->pid,
			 node->name);
		return;
	}
}

/* Where one of the block devices below DIR, "8:0", is mounted. */
static bool is_mounted(const struct sgdev_roots *roots, dev_t dev, char *text,
		       size_t len)
{
	char line[PATH_MAX + 256], place[PATH_MAX], path[PATH_MAX];
	unsigned int maj, min;
	bool found = false;
	FILE *f;

	if (!sysfs_join(path, roots->proc, "self/mountinfo"))
		return false;
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u %u:%u %*s %4095s", &maj, &min,
			   place) != 3 ||
		    makedev(maj, min) != dev)
			continue;
		snprintf(text, len, "mounted on %.128s", place);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* A line of proc/swaps begins with the path of its device. */
static bool is_swap(const struct sgdev_roots *roots, const char *dir,
		    char *text, size_t len)
{
	const char *name = strrchr(dir, '/') + 1;
	char line[512], path[PATH_MAX], want[64];
	bool found = false;
	FILE *f;

	snprintf(want, sizeof(want), "/dev/%.50s ", name);
	if (!sysfs_join(path, roots->proc, "swaps"))
		return false;
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		for (char *p = line; *p; p++)
			if (*p == '\t')
				*p = ' ';
		found = !strncmp(line, want, strlen(want));
	}
	if (f)
		fclose(f);
	if (found)
		snprintf(text, len, "swap space");
	return found;
}

/* "dm-0" is "vg0-root" for people; a RAID is known by its node. */
static void name_holder(const struct sgdev_roots *roots, const char *name,
			char *text, size_t len)
{
	char path[PATH_MAX], dm[128] = "";

	if (snprintf(path, sizeof(path), "%s/class/block/%s", roots->sys,
		     name) < PATH_MAX)
		sysfs_line(path, "dm/name", dm, sizeof(dm));
	if (dm[0])
		snprintf(text, len, "part of %s (%s)", dm, name);
	else
		snprintf(text, len, "part of %s", name);
}

/* The same of a disk or partition whose directory is DIR. */
static bool is_held(const struct sgdev_roots *roots, const char *dir,
		    char *text, size_t len)
{
	char path[PATH_MAX], name[64];
	dev_t dev;

	if ((sysfs_dev(dir, "dev", &dev) &&
	     is_mounted(roots, dev, text, len)) ||
	    is_swap(roots, dir, text, len))
		return true;
	if (!sysfs_join(path, dir, "holders"))
		return false;
	sysfs_first(path, "", name, sizeof(name));
	if (name[0])
		name_holder(roots, name, text, len);
	return name[0] != '\0';
}

void sgdev_holder(const struct sgdev_roots *roots, const struct sgdev *dev,
		  char *text, size_t len)
{
	char dir[PATH_MAX], part[PATH_MAX];
	struct dirent *e;
	DIR *d;

	text[0] = '\0';
	if (!dev->block[0] ||
	    snprintf(dir, sizeof(dir), "%s/class/block/%s", roots->sys,
		     dev->block) >= PATH_MAX ||
	    is_held(roots, dir, text, len))
		return;
	d = opendir(dir);
	while (d && !text[0] && (e = readdir(d)))
		if (!strncmp(e->d_name, dev->block, strlen(dev->block)) &&
		    sysfs_join(part, dir, e->d_name))
			(void)is_held(roots, part, text, len);
	if (d)
		closedir(d);
}
