/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real SCSI devices of this host: see sgdev.h.
 */
#include "control/sgdev.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/sysfs.h"

/* Most commands at once that make a difference. */
#define DEPTH_MAX 1024

const struct sgdev_roots sgdev_host = {.sys = "/sys", .proc = "/proc"};

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
static void read_serial(const char *dir, struct sgdev *dev)
{
	char page[260];
	ssize_t n = sysfs_bytes(dir, "vpd_pg80", page, sizeof(page));

	dev->serial[0] = '\0';
	if (n > 4)
		add_name(dev->serial, sizeof(dev->serial), page + 4);
}

/* An address changes with the next log-in or start of the host: it is used only
 * if there is nothing better. */
static void find_wwid(const char *dir, struct sgdev *dev)
{
	const char *const parts[] = {dev->vendor, dev->model,
				     dev->serial[0] ? dev->serial
						    : dev->address};
	char text[256];

	dev->wwid[0] = '\0';
	sysfs_line(dir, "wwid", text, sizeof(text));
	add_name(dev->wwid, sizeof(dev->wwid), text);
	if (dev->wwid[0])
		return;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(parts); i++) {
		if (i)
			add_name(dev->wwid, sizeof(dev->wwid), "-");
		add_name(dev->wwid, sizeof(dev->wwid), parts[i]);
	}
}

/* The limit of the device, or that of its host if that is lower. */
static uint32_t find_depth(const char *dir, const struct sgdev_roots *roots,
			   const char *address)
{
	uint32_t depth = sysfs_number(dir, "queue_depth", DEPTH_MAX), host;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/class/scsi_host/host%u",
		     roots->sys, (unsigned int)atoi(address)) >= PATH_MAX)
		return depth;
	host = sysfs_number(path, "can_queue", DEPTH_MAX);
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
	struct stat st;

	memset(dev, 0, sizeof(*dev));
	if (!realpath(dir, real) || stat(real, &st))
		return -ENODEV;
	dev->made = st.st_ino;
	name = strrchr(real, '/');
	name = name ? name + 1 : real;
	if (sscanf(name, "%u:%u:%u:%llu", &h, &c, &t, &l) != 4 ||
	    strlen(name) >= sizeof(dev->address) ||
	    !sysfs_join(path, real, "type") || access(path, F_OK))
		return -ENODEV;
	strcpy(dev->address, name);
	dev->type = sysfs_number(real, "type", 0x1f);
	sysfs_line(real, "vendor", dev->vendor, sizeof(dev->vendor));
	sysfs_line(real, "model", dev->model, sizeof(dev->model));
	sysfs_line(real, "rev", dev->rev, sizeof(dev->rev));
	read_serial(real, dev);
	dev->depth = find_depth(real, roots, dev->address);
	if (sysfs_join(path, real, "scsi_generic"))
		sysfs_first(path, "sg", dev->sg, sizeof(dev->sg));
	if (sysfs_join(path, real, "block"))
		sysfs_first(path, "", dev->block, sizeof(dev->block));
	if (dev->block[0] && sysfs_join(block, path, dev->block)) {
		(void)sysfs_dev(block, "dev", &dev->block_dev);
		if (dev->type == SGDEV_TYPE_DISK)
			dev->block_size = sysfs_number(
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

static int counter(const char *dir, const char *name, uint32_t *value)
{
	char text[32], *end;

	sysfs_line(dir, name, text, sizeof(text));
	*value = (uint32_t)strtoul(text, &end, 16);
	return end == text ? -ENODEV : 0;
}

int sgdev_active(const struct sgdev_roots *roots, const struct sgdev *dev,
		 uint32_t *count)
{
	char path[PATH_MAX];
	uint32_t done;
	int rc;

	if (snprintf(path, sizeof(path), "%s/class/scsi_device/%s/device",
		     roots->sys, dev->address) >= PATH_MAX)
		return -ENODEV;
	/* What has ended first: a command in between counts as under way. */
	rc = counter(path, "iodone_cnt", &done);
	if (!rc)
		rc = counter(path, "iorequest_cnt", count);
	if (!rc)
		*count -= done;
	return rc;
}

int sgdev_at(const struct sgdev_roots *roots, const char *address,
	     struct sgdev *dev)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/class/scsi_device/%s/device",
		     roots->sys, address) >= PATH_MAX)
		return -ENODEV;
	return look_at(roots, path, dev);
}

bool sgdev_is_there(const struct sgdev_roots *roots, const struct sgdev *dev)
{
	struct sgdev now;

	return !sgdev_at(roots, dev->address, &now) && now.made == dev->made;
}

uint64_t sgdev_host_made(const struct sgdev_roots *roots, uint32_t number)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/class/scsi_host/host%u",
		     roots->sys, number) >= PATH_MAX ||
	    stat(path, &st))
		return 0;
	return st.st_ino;
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* 2:0:0:0 before 10:0:0:0. */
static int in_order(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

void sgdev_each(const struct sgdev_roots *roots, sgdev_fn *fn, void *ctx)
{
	struct dirent **names = NULL;
	char dir[PATH_MAX];
	struct sgdev dev;
	int n;

	if (!sysfs_join(dir, roots->sys, "class/scsi_device"))
		return;
	n = scandir(dir, &names, no_dots, in_order);
	for (int i = 0; i < n; i++) {
		if (!sgdev_at(roots, names[i]->d_name, &dev))
			fn(ctx, &dev);
		free(names[i]);
	}
	free(names);
}

/* ------------------------------------------------------------------ search */

struct search {
	const struct sgdev_roots *roots;
	const char *text;
	uint64_t lun;
	struct sgdev *dev;
	int found;
};

static int searched(const struct search *s)
{
	return s->found == 1 ? 0 : s->found ? -EEXIST : -ENODEV;
}

static void match_wwid(void *ctx, const struct sgdev *dev)
{
	struct search *s = ctx;

	if (strcmp(dev->wwid, s->text))
		return;
	*s->dev = *dev;
	s->found++;
}

int sgdev_find_wwid(const struct sgdev_roots *roots, const char *wwid,
		    struct sgdev *dev)
{
	struct search s = {.roots = roots, .text = wwid, .dev = dev};

	sgdev_each(roots, match_wwid, &s);
	return searched(&s);
}

/* Is the attribute DIR/NAME of class CLASS "0x" and the number that is sought? */
static bool port_is(const struct search *s, const char *class, const char *dir,
		    const char *name)
{
	char path[PATH_MAX], text[64];

	if (snprintf(path, sizeof(path), "%s/class/%s/%s", s->roots->sys, class,
		     dir) >= PATH_MAX)
		return false;
	sysfs_line(path, name, text, sizeof(text));
	return !strncasecmp(text, "0x", 2) && !strcasecmp(text + 2, s->text);
}

static void match_port(void *ctx, const struct sgdev *dev)
{
	struct search *s = ctx;
	unsigned int h, c, t;
	unsigned long long l;
	char target[48], host[24], device[64];

	if (sscanf(dev->address, "%u:%u:%u:%llu", &h, &c, &t, &l) != 4 ||
	    l != s->lun)
		return;
	snprintf(target, sizeof(target), "target%u:%u:%u", h, c, t);
	snprintf(host, sizeof(host), "host%u", h);
	snprintf(device, sizeof(device), "%s/device", dev->address);
	if ((strncmp(dev->wwid, "naa.", 4) ||
	     strcasecmp(dev->wwid + 4, s->text)) &&
	    !port_is(s, "fc_transport", target, "port_name") &&
	    !port_is(s, "fc_host", host, "port_name") &&
	    !port_is(s, "scsi_device", device, "sas_address"))
		return;
	*s->dev = *dev;
	s->found++;
}

int sgdev_find_port(const struct sgdev_roots *roots, const char *wwn,
		    uint64_t lun, struct sgdev *dev)
{
	struct search s = {.roots = roots, .text = wwn, .lun = lun, .dev = dev};

	sgdev_each(roots, match_port, &s);
	return searched(&s);
}

/* Where sysfs says that it is there is "sessionN" in between, of that target. */
static void match_iscsi(void *ctx, const struct sgdev *dev)
{
	struct search *s = ctx;
	char path[PATH_MAX], real[PATH_MAX], text[256], *at;
	const char *lun = strrchr(dev->address, ':');

	if (!lun || strtoull(lun + 1, NULL, 10) != s->lun ||
	    snprintf(path, sizeof(path), "%s/class/scsi_device/%s/device",
		     s->roots->sys, dev->address) >= PATH_MAX ||
	    !realpath(path, real))
		return;
	at = strstr(real, "/session");
	if (!at)
		return;
	at[1 + strcspn(at + 1, "/")] = '\0';
	if (snprintf(path, sizeof(path), "%s/class/iscsi_session%s",
		     s->roots->sys, at) >= PATH_MAX)
		return;
	sysfs_line(path, "targetname", text, sizeof(text));
	if (strcasecmp(text, s->text))
		return;
	*s->dev = *dev;
	s->found++;
}

int sgdev_find_iscsi(const struct sgdev_roots *roots, const char *target,
		     uint64_t lun, struct sgdev *dev)
{
	struct search s = {
		.roots = roots, .text = target, .lun = lun, .dev = dev};

	sgdev_each(roots, match_iscsi, &s);
	return searched(&s);
}
