/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real SCSI devices as pdevs: see pdev_sg.h.
 */
#include "control/pdev_sg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/fail.h"
#include "control/probe.h"

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
			"pdev '%.300s' is a character device, but of no SCSI device; give a file, a block device, or a SCSI device as in xenpv scsi-devices",
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
			"pdev '%.200s' is not %s any more, which is gone; see xenpv scsi-devices",
			pdev->name, wwid);
	return 0;
}

int pdev_sg_check_said(const struct pdev *pdev, const char *name, char *err,
		       size_t len)
{
	const char *bad = senseless(&pdev->options);

	if (pdev->fault[0])
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is a real device, which has no faults of ours; leave out fault:",
			name);
	if (bad)
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is given as it is, for which there is no option '%s'; leave it out",
			name, bad);
	return 0;
}

/* A device was found, RC being 0, or not: is it the one that is meant? */
static int settle(struct pdev *pdev, int rc, char *err, size_t len)
{
	struct pdev_options *o = &pdev->options;
	struct sgdev *sg = &pdev->sg;

	if (o->wwid[0] && (rc || strcmp(o->wwid, sg->wwid) != 0)) {
		rc = find_again(pdev, err, len);
		if (rc)
			return rc;
	}
	if (!sg->sg[0])
		return fail(
			err, len, -ENODEV,
			"pdev '%.300s' has no sg node (%s); try modprobe sg",
			pdev->name, sg->address);
	pdev->kind = PDEV_SG;
	strcpy(o->wwid, sg->wwid);
	/* Of a disk: what an emulated one on it would have, too. */
	snprintf(pdev->path, sizeof(pdev->path), "/dev/%s",
		 sg->block[0] ? sg->block : sg->sg);
	return 0;
}

int pdev_sg_parse(struct pdev *pdev, const struct stat *st, char *err,
		  size_t len)
{
	int rc = pdev_sg_check_said(pdev, pdev->name, err, len);

	if (rc)
		return rc;
	rc = -ENODEV;
	if (st) {
		rc = sgdev_find(&sgdev_host, S_ISBLK(st->st_mode), st->st_rdev,
				&pdev->sg);
		if (rc && !pdev->options.wwid[0])
			return no_device(pdev, st, err, len);
	}
	return settle(pdev, rc, err, len);
}

/* ----------------------------------------------------------------- names */

/* "naa.WWN:LUN": where WWN is, how long, and LUN. */
static bool is_port(const char *name, size_t *digits, uint64_t *lun)
{
	char *end;

	if (strncmp(name, "naa.", 4) != 0)
		return false;
	*digits = strspn(name + 4, "0123456789abcdefABCDEF");
	if ((*digits != 16 && *digits != 32) || name[4 + *digits] != ':' ||
	    name[5 + *digits] < '0' || name[5 + *digits] > '9')
		return false;
	*lun = strtoull(name + 5 + *digits, &end, 10);
	return !*end;
}

/* "H:C:T:L", and nothing else. */
static bool is_address(const char *name)
{
	int colons = 0;

	for (const char *p = name; *p; p++) {
		if (*p == ':' && p > name && p[-1] != ':')
			colons++;
		else if (*p < '0' || *p > '9')
			return false;
	}
	return colons == 3 && name[strlen(name) - 1] != ':' &&
	       strlen(name) < sizeof(((struct sgdev *)0)->address);
}

bool pdev_sg_is(const char *name)
{
	return is_address(name) || strncmp(name, "naa.", 4) == 0;
}

/* The device that NAME is a name of; an error has its line. */
static int find_named(struct pdev *pdev, const char *name, char *err,
		      size_t len)
{
	char wwn[33] = "";
	uint64_t lun;
	size_t digits;
	int rc;

	if (is_address(name)) {
		rc = sgdev_at(&sgdev_host, name, &pdev->sg);
	} else if (is_port(name, &digits, &lun)) {
		memcpy(wwn, name + 4, digits);
		rc = sgdev_find_port(&sgdev_host, wwn, lun, &pdev->sg);
	} else {
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is not naa.WWN:LUN (16 or 32 hexadecimal digits, a number); see xenpv scsi-devices",
			name);
	}
	/* What it was is looked for by the option. */
	if (!rc || pdev->options.wwid[0])
		return 0;
	if (rc == -EEXIST)
		return fail(
			err, len, rc,
			"pdev '%.200s': there are several such devices, or paths to it; give one by its address, see xenpv scsi-devices",
			name);
	return fail(
		err, len, -ENODEV,
		"pdev '%.200s': there is no such SCSI device; see xenpv scsi-devices",
		name);
}

int pdev_sg_parse_name(struct pdev *pdev, const char *name, char *err,
		       size_t len)
{
	int rc;

	if (pdev->options.no_scsi)
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is a SCSI device, which a disk cannot be; give the path of its block device, or use xenpv scsi-attach",
			name);
	strcpy(pdev->name, name);
	rc = pdev_sg_check_said(pdev, name, err, len);
	if (!rc)
		rc = find_named(pdev, name, err, len);
	return rc ? rc
		  : settle(pdev, pdev->sg.address[0] ? 0 : -ENODEV, err, len);
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

int pdev_sg_unused(const struct pdev *pdev, const struct sgdev *sg, char *err,
		   size_t len)
{
	struct sgdev_users users;
	char who[192] = "";
	int rc = sgdev_users_read(&sgdev_host, &users);

	if (rc)
		return fail(err, len, rc, "out of memory; try again");
	sgdev_user(&sgdev_host, &users, sg, who, sizeof(who));
	sgdev_users_free(&users);
	if (!who[0] && sg->block[0])
		sgdev_holder(&sgdev_host, sg, who, sizeof(who));
	return who[0] ? busy(pdev, who, err, len) : 0;
}

/* Try what the worker will do: it has to open the node itself, see lun/sg.c. */
static int try_open(const struct pdev *pdev, const char *path, char *err,
		    size_t len)
{
	int flags = O_RDWR | O_NONBLOCK | O_CLOEXEC;
	int fd, rc;

	if (!pdev->options.shared) {
		flags |= O_EXCL;
		rc = pdev_sg_unused(pdev, &pdev->sg, err, len);
		if (rc)
			return rc;
	}
	fd = open(path, flags);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	rc = -errno;
	if (rc == -EBUSY)
		return busy(pdev, "", err, len);
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
