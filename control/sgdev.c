/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real SCSI devices of this host: see sgdev.h.
 */
#include "control/sgdev.h"

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

/* Character devices that one SCSI device can have: 8 of a tape, sg. */
#define NODES_MAX 16
/* Most commands at once that make a difference. */
#define DEPTH_MAX 1024

const struct sgdev_roots sgdev_host = {.sys = "/sys", .proc = "/proc"};

/* DIR/NAME into PATH (PATH_MAX bytes). */
static bool join(char *path, const char *dir, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX;
}

/* The bytes of DIR/NAME, a NUL behind; how many, or -1. */
static ssize_t read_bytes(const char *dir, const char *name, char *out,
			  size_t len)
{
	char path[PATH_MAX];
	ssize_t r;
	int fd;

	out[0] = '\0';
	if (!join(path, dir, name))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = read(fd, out, len - 1);
	close(fd);
	out[r > 0 ? r : 0] = '\0';
	return r;
}

/* The first line of DIR/NAME without blanks at its ends; "" if there is none. */
static void read_line(const char *dir, const char *name, char *out, size_t len)
{
	size_t n;

	if (read_bytes(dir, name, out, len) < 0)
		return;
	out[strcspn(out, "\n")] = '\0';
	n = strspn(out, " \t");
	memmove(out, out + n, strlen(out + n) + 1);
	for (n = strlen(out); n && (out[n - 1] == ' ' || out[n - 1] == '\t');)
		out[--n] = '\0';
}

static uint32_t read_number(const char *dir, const char *name, uint32_t max)
{
	char text[32];
	unsigned long v;

	read_line(dir, name, text, sizeof(text));
	v = strtoul(text, NULL, 10);
	return v > max ? max : (uint32_t)v;
}

/* "9:128" of DIR/NAME. */
static bool read_dev(const char *dir, const char *name, dev_t *dev)
{
	unsigned int maj, min;
	char text[32];

	read_line(dir, name, text, sizeof(text));
	if (sscanf(text, "%u:%u", &maj, &min) != 2)
		return false;
	*dev = makedev(maj, min);
	return true;
}

/* The first name in DIR that begins with PREFIX; "" if there is none. */
static void first_in(const char *dir, const char *prefix, char *out, size_t len)
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

/* Adds TEXT, which a device has said, to a name; other characters as '_'. */
static void add_name(char *out, size_t len, const char *text)
{
	size_t n = strlen(out);

	for (; *text && n + 1 < len; text++) {
		bool plain =
			isalnum((unsigned char)*text) || strchr(".:-", *text);

		/* One for each gap: some pad with dozens of blanks. */
		if (!plain && n && out[n - 1] == '_')
			continue;
		out[n++] = plain ? *text : '_';
	}
	while (n && out[n - 1] == '_')
		n--;
	out[n] = '\0';
}

/* VPD page 80h: the serial number behind four bytes. */
static void read_serial(const char *dir, char *out, size_t len)
{
	char page[260];
	ssize_t n = read_bytes(dir, "vpd_pg80", page, sizeof(page));

	snprintf(out, len, "%s", n > 4 ? page + 4 : "");
}

static void find_wwid(const char *dir, struct sgdev *dev)
{
	char text[256];

	dev->wwid[0] = '\0';
	read_line(dir, "wwid", text, sizeof(text));
	add_name(dev->wwid, sizeof(dev->wwid), text);
	if (dev->wwid[0])
		return;
	read_serial(dir, text, sizeof(text));
	add_name(dev->wwid, sizeof(dev->wwid), dev->vendor);
	add_name(dev->wwid, sizeof(dev->wwid), "-");
	add_name(dev->wwid, sizeof(dev->wwid), dev->model);
	add_name(dev->wwid, sizeof(dev->wwid), "-");
	add_name(dev->wwid, sizeof(dev->wwid), text);
	add_name(dev->wwid, sizeof(dev->wwid), "-");
	add_name(dev->wwid, sizeof(dev->wwid), dev->address);
}

/* The limit of the device, or that of its host if that is lower. */
static uint32_t find_depth(const char *dir, const struct sgdev_roots *roots,
			   const char *address)
{
	uint32_t depth = read_number(dir, "queue_depth", DEPTH_MAX), host;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/class/scsi_host/host%u",
		     roots->sys, (unsigned int)atoi(address)) >= PATH_MAX)
		return depth;
	host = read_number(path, "can_queue", DEPTH_MAX);
	return host && (!depth || host < depth) ? host : depth;
}

/* Fill in DEV for the directory DIR of a SCSI device. */
static int look_at(const struct sgdev_roots *roots, const char *dir,
		   struct sgdev *dev)
{
	char real[PATH_MAX], path[PATH_MAX], block[PATH_MAX];
	unsigned int h, c, t;
	unsigned long long l;
	const char *name;

	memset(dev, 0, sizeof(*dev));
	if (!realpath(dir, real))
		return -ENODEV;
	name = strrchr(real, '/');
	name = name ? name + 1 : real;
	if (sscanf(name, "%u:%u:%u:%llu", &h, &c, &t, &l) != 4 ||
	    strlen(name) >= sizeof(dev->address) || !join(path, real, "type") ||
	    access(path, F_OK))
		return -ENODEV;
	strcpy(dev->address, name);
	dev->type = read_number(real, "type", 0x1f);
	read_line(real, "vendor", dev->vendor, sizeof(dev->vendor));
	read_line(real, "model", dev->model, sizeof(dev->model));
	dev->depth = find_depth(real, roots, dev->address);
	if (join(path, real, "scsi_generic"))
		first_in(path, "sg", dev->sg, sizeof(dev->sg));
	if (join(path, real, "block"))
		first_in(path, "", dev->block, sizeof(dev->block));
	if (dev->block[0] && join(block, path, dev->block)) {
		(void)read_dev(block, "dev", &dev->block_dev);
		if (dev->type == SGDEV_TYPE_DISK)
			dev->block_size = read_number(
				block, "queue/logical_block_size", 1 << 20);
	}
	find_wwid(real, dev);
	return 0;
}

int sgdev_find(const struct sgdev_roots *roots, bool block, dev_t rdev,
	       struct sgdev *dev)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/dev/%s/%u:%u/device", roots->sys,
		     block ? "block" : "char", major(rdev),
		     minor(rdev)) >= PATH_MAX)
		return -ENODEV;
	return look_at(roots, path, dev);
}

int sgdev_find_wwid(const struct sgdev_roots *roots, const char *wwid,
		    struct sgdev *dev)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct sgdev other;
	struct dirent *e;
	int found = 0;
	DIR *d;

	if (!join(dir, roots->sys, "class/scsi_device"))
		return -ENODEV;
	d = opendir(dir);
	if (!d)
		return -ENODEV;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s/device", dir,
			     e->d_name) >= PATH_MAX ||
		    look_at(roots, path, &other) || strcmp(other.wwid, wwid))
			continue;
		*dev = other;
		found++;
	}
	closedir(d);
	return found == 1 ? 0 : found ? -EEXIST : -ENODEV;
}

/* ------------------------------------------------------------------ users */

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
			    !read_dev(dir, file, &nodes[n].dev))
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

	if (!join(path, dir, "fd"))
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
		    !join(dir, roots->proc, e->d_name))
			continue;
		name = opened_by(dir, nodes, n);
		if (!name)
			continue;
		read_line(dir, "comm", comm, sizeof(comm));
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

	if (!join(path, roots->proc, "self/mountinfo"))
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

/* The same of a disk or partition whose directory is DIR. */
static bool is_held(const struct sgdev_roots *roots, const char *dir,
		    char *text, size_t len)
{
	char path[PATH_MAX], name[64];
	dev_t dev;

	if (read_dev(dir, "dev", &dev) && is_mounted(roots, dev, text, len))
		return true;
	if (!join(path, dir, "holders"))
		return false;
	first_in(path, "", name, sizeof(name));
	if (name[0])
		snprintf(text, len, "part of %s", name);
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
		    join(part, dir, e->d_name))
			(void)is_held(roots, part, text, len);
	if (d)
		closedir(d);
}
