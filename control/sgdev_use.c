/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a SCSI device of this host: see sgdev.h.
 */
#include <ctype.h>
#include <dirent.h>
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

/* The name of one of NODES that the process whose directory is DIR has open. */
static const char *opened_by(const char *dir, const struct node *nodes,
			     size_t n)
{
	const char *name = NULL;
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (!sysfs_join(path, dir, "fd"))
		return NULL;
	d = opendir(path);
	while (d && !name && (e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    fstatat(dirfd(d), e->d_name, &st, 0) ||
		    !S_ISCHR(st.st_mode))
			continue;
		for (size_t i = 0; i < n; i++)
			if (nodes[i].dev == st.st_rdev)
				name = nodes[i].name;
	}
	if (d)
		closedir(d);
	return name;
}

void sgdev_user(const struct sgdev_roots *roots, const struct sgdev *dev,
		char *text, size_t len)
{
	struct node nodes[NODES_MAX];
	char dir[PATH_MAX], comm[32];
	const char *name;
	struct dirent *e;
	size_t n;
	DIR *d;

	text[0] = '\0';
	n = nodes_of(roots, dev, nodes);
	d = n ? opendir(roots->proc) : NULL;
	while (d && !text[0] && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    atoi(e->d_name) == getpid() ||
		    !sysfs_join(dir, roots->proc, e->d_name))
			continue;
		name = opened_by(dir, nodes, n);
		if (!name)
			continue;
		sysfs_line(dir, "comm", comm, sizeof(comm));
		snprintf(text, len, "%s (process %.10s, %s)", comm, e->d_name,
			 name);
	}
	if (d)
		closedir(d);
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
