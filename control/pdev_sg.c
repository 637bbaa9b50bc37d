/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real SCSI devices as pdevs: see pdev_sg.h.
 */
#include "control/pdev_sg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/major.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/probe.h"

static int fail(char *err, size_t len, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(char *err, size_t len, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return rc;
}

bool pdev_sg_wanted(const struct pdev *pdev, const struct stat *st)
{
	if (pdev->options.no_scsi)
		return false;
	if (S_ISCHR(st->st_mode))
		return true;
	/* A CD drive is more than the medium in it. */
	return S_ISBLK(st->st_mode) && (pdev->options.passthrough ||
					major(st->st_rdev) == SCSI_CDROM_MAJOR);
}

/* What makes no sense for a device that speaks for itself. */
static const char *senseless(const struct pdev_options *o)
{
	if (o->read_only)
		return "ro";
	if (o->serial[0])
		return "serial";
	if (o->product[0])
		return "product";
	if (o->naa)
		return "naa";
	if (o->block_size)
		return "blocksize";
	if (o->format != PDEV_RAW)
		return "format";
	return o->direct != PDEV_DIRECT_AUTO ? "direct" : NULL;
}

static int no_device(const struct pdev *pdev, const struct stat *st, char *err,
		     size_t len)
{
	if (S_ISCHR(st->st_mode))
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is a character device, but of no SCSI device; give a file, a block device, or a node of a SCSI device as in lsscsi -g",
			pdev->name);
	return fail(
		err, len, -EINVAL,
		"pdev '%.300s' is no whole SCSI disk; leave out the option passthrough",
		pdev->name);
}

/* The device that was attached, wherever its nodes are now. */
static int find_again(struct pdev *pdev, char *err, size_t len)
{
	const char *wwid = pdev->options.wwid;
	int rc = sgdev_find_wwid(&sgdev_host, wwid, &pdev->sg);

	if (rc == -EEXIST)
		return fail(
			err, len, rc,
			"pdev '%.200s': several devices are %s; detach it, and attach it by a name in /dev/disk or /dev/tape",
			pdev->name, wwid);
	if (rc)
		return fail(
			err, len, rc,
			"pdev '%.200s' is not %s any more, which is gone; check with lsscsi -g",
			pdev->name, wwid);
	return 0;
}

int pdev_sg_parse(struct pdev *pdev, const struct stat *st, char *err,
		  size_t len)
{
	struct pdev_options *o = &pdev->options;
	const char *bad = senseless(o);
	struct sgdev *sg = &pdev->sg;
	int rc = -ENODEV;

	if (pdev->fault[0])
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is a real device, which has no faults of ours; leave out fault:",
			pdev->name);
	if (bad)
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is given as it is, for which there is no option '%s'; leave it out",
			pdev->name, bad);
	if (st) {
		rc = sgdev_find(&sgdev_host, S_ISBLK(st->st_mode), st->st_rdev,
				sg);
		if (rc && !o->wwid[0])
			return no_device(pdev, st, err, len);
	}
	if (o->wwid[0] && (rc || strcmp(o->wwid, sg->wwid) != 0)) {
		rc = find_again(pdev, err, len);
		if (rc)
			return rc;
	}
	if (!sg->sg[0])
		return fail(err, len, -ENODEV,
			    "pdev '%.300s' has no sg node; try modprobe sg",
			    pdev->name);
	pdev->kind = PDEV_SG;
	strcpy(o->wwid, sg->wwid);
	/* Of a disk: what an emulated one on it would have, too. */
	snprintf(pdev->path, sizeof(pdev->path), "/dev/%s",
		 sg->block[0] ? sg->block : sg->sg);
	return 0;
}

/* ------------------------------------------------------------------ open */

static int busy(const struct pdev *pdev, const char *who, char *err, size_t len)
{
	return fail(
		err, len, -EBUSY,
		"pdev '%.200s' is in use: %s; free it first, or add the option shared",
		pdev->name, who[0] ? who : "by whom is not known");
}

/* The host's own disk driver must keep off. */
int pdev_guard(const struct pdev *pdev, int *fd, char *err, size_t len)
{
	char path[64], who[192];

	*fd = -1;
	if (pdev->kind != PDEV_SG || pdev->options.shared || !pdev->sg.block[0])
		return 0;
	snprintf(path, sizeof(path), "/dev/%s", pdev->sg.block);
	*fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	/* Anything else is between the guest and the device. */
	if (*fd >= 0 || errno != EBUSY)
		return 0;
	sgdev_holder(&sgdev_host, &pdev->sg, who, sizeof(who));
	return busy(pdev, who, err, len);
}

/* Try what the worker will do: it has to open the node itself, see lun/sg.c. */
static int try_open(const struct pdev *pdev, const char *path, char *err,
		    size_t len)
{
	int flags = O_RDWR | O_NONBLOCK | O_CLOEXEC;
	char who[192] = "";
	int fd, rc;

	if (!pdev->options.shared) {
		flags |= O_EXCL;
		sgdev_user(&sgdev_host, &pdev->sg, who, sizeof(who));
		if (who[0])
			return busy(pdev, who, err, len);
	}
	fd = open(path, flags);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	rc = -errno;
	if (rc == -EBUSY)
		return busy(pdev, who, err, len);
	return fail(err, len, rc,
		    "pdev '%.200s': %s: %s; check it with sg_inq %s",
		    pdev->name, path, strerror(-rc), path);
}

int pdev_sg_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		 char *err, size_t len)
{
	char path[64], identity[SGDEV_WWID_MAX + 8];
	int rc;

	snprintf(path, sizeof(path), "/dev/%s", pdev->sg.sg);
	rc = try_open(pdev, path, err, len);
	if (rc)
		return rc;
	*fd = open(path, O_PATH | O_CLOEXEC);
	if (*fd < 0)
		return fail(err, len, -errno, "pdev '%.200s': %s: %s",
			    pdev->name, path, strerror(errno));
	props->block_size = pdev->sg.block_size;
	props->depth = pdev->sg.depth;
	props->storage = "none";
	snprintf(identity, sizeof(identity), "scsi:%s", pdev->sg.wwid);
	props->naa = probe_naa(identity);
	snprintf(props->serial, sizeof(props->serial), "%016" PRIx64,
		 props->naa);
	return pdev_id(pdev, props->id);
}
