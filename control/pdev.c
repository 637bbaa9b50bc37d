/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator gives to a guest: see pdev.h.
 */
#include "control/pdev.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "control/fail.h"
#include "control/pdev_image.h"
#include "control/pdev_iscsi.h"
#include "control/pdev_nbd.h"
#include "control/pdev_sg.h"
#include "control/pdev_vtl.h"
#include "control/probe.h"

#define BLOCK_MIN 512u
#define BLOCK_MAX 4096u
#define BLOCK_CD  2048u /* of a CD */

/* --------------------------------------------------------------- resolve */

static int parse_null(struct pdev *pdev, const char *name, char *err,
		      size_t len)
{
	static const char suffixes[] = "kMGT";
	const char *p = name + strlen("null:"), *suffix;
	unsigned long value;
	unsigned int shift = 0;

	if (!pdev_number(&p, UINT32_MAX, &value))
		goto bad;
	if (*p) {
		suffix = strchr(suffixes, *p);
		if (!suffix || p[1])
			goto bad;
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (!value || value > (UINT64_C(1) << 60 >> shift))
		goto bad;
	pdev->null_size = (uint64_t)value << shift;
	pdev->kind = PDEV_NULL;
	strcpy(pdev->name, name);
	strcpy(pdev->path, name);
	return 0;
bad:
	return fail(err, len, -EINVAL,
		    "pdev '%.64s' is not null:SIZE; try null:1G", name);
}

/* Why would somebody expect NAME to be there? */
static const char *missing_hint(const char *name)
{
	static const char *const prefixes[] = {
		"phy:", "file:", "tap:", "aio:", "qdisk:"};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(prefixes); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return "give the bare path, without the prefix";
	}
	return "check the path with ls -l";
}

static int make_absolute(struct pdev *pdev, const char *name, char *err,
			 size_t len)
{
	char cwd[PATH_MAX] = "";
	int r;

	if (name[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return fail(
			err, len, -errno,
			"pdev '%.200s' is relative and the current directory is not known: %s; give the whole path",
			name, strerror(errno));
	/* getcwd() of "/" must not give "//x". */
	r = snprintf(pdev->name, sizeof(pdev->name), "%s%s%s",
		     strcmp(cwd, "/") ? cwd : "", cwd[0] ? "/" : "", name);
	if (r < 0 || (size_t)r >= sizeof(pdev->name))
		return fail(err, len, -ENAMETOOLONG,
			    "pdev '%.64s...' is too long; give a shorter path",
			    name);
	return 0;
}

static const char *file_type(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISCHR(mode))
		return "a character device";
	if (S_ISFIFO(mode))
		return "a pipe";
	if (S_ISSOCK(mode))
		return "a socket";
	return "neither a file nor a block device";
}

static int parse_path(struct pdev *pdev, const char *name, char *err,
		      size_t len)
{
	struct stat st;
	int rc;

	rc = make_absolute(pdev, name, err, len);
	if (rc)
		return rc;
	if (!realpath(pdev->name, pdev->path) || stat(pdev->path, &st)) {
		if (pdev->options.wwid[0])
			return pdev_sg_parse(pdev, NULL, err, len);
		return fail(err, len, -errno, "pdev '%.300s': %s; %s", name,
			    strerror(errno), missing_hint(name));
	}
	if (pdev_sg_wanted(pdev, &st))
		return pdev_sg_parse(pdev, &st, err, len);
	if (pdev->options.passthrough || pdev->options.wwid[0])
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' is no SCSI device to be given itself; leave out the option '%s'",
			name,
			pdev->options.passthrough ? "passthrough" : "wwid");
	if (S_ISREG(st.st_mode)) {
		pdev->kind = PDEV_FILE;
	} else if (S_ISBLK(st.st_mode)) {
		pdev->kind = PDEV_BLOCK;
	} else {
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
		return fail(
			err, len, rc,
			"pdev '%.300s' is %s; give a file or a block device",
			name, file_type(st.st_mode));
	}
	return 0;
}

#define CDROM "cdrom:"

/* What is behind "fault:SPEC:", or NULL. */
static const char *behind_fault(const char *name)
{
	const char *colon;

	if (strncmp(name, "fault:", 6) != 0)
		return NULL;
	colon = strchr(name + 6, ':');
	return colon ? colon + 1 : NULL;
}

/* NAME without the prefixes that say what is made of it. */
static const char *bare(const char *name)
{
	const char *inner = behind_fault(name);

	if (inner)
		name = inner;
	return strncmp(name, CDROM, strlen(CDROM)) ? name
						   : name + strlen(CDROM);
}

bool pdev_is_cdrom(const char *name)
{
	const char *inner = behind_fault(name);

	return bare(name) != (inner ? inner : name);
}

bool pdev_is_whole(const char *name)
{
	bool may_be_empty = pdev_is_cdrom(name);

	name = bare(name);
	return name[0] == '/' || (!*name && may_be_empty) ||
	       !strncmp(name, "null:", 5) || pdev_nbd_is(name) ||
	       pdev_iscsi_is(name) || pdev_sg_is(name) ||
	       !strncmp(name, "vtl:/", 5);
}

/* Take "fault:SPEC:" off *NAME. */
static int parse_fault(struct pdev *pdev, const char **name, char *err,
		       size_t len)
{
	const char *inner = behind_fault(*name), *spec = *name + 6;
	struct fault_spec parsed;
	char why[192] = "";

	if (strncmp(*name, "fault:", 6) != 0)
		return 0;
	if (!inner)
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is not fault:SPEC:PDEV; try fault:eio/read/1M-2M:/path",
			*name);
	if ((size_t)(inner - 1 - spec) >= sizeof(pdev->fault))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s': its faults are longer than %zu characters; leave some out",
			*name, sizeof(pdev->fault) - 1);
	memcpy(pdev->fault, spec, (size_t)(inner - 1 - spec));
	if (fault_spec_parse(&parsed, pdev->fault, why, sizeof(why)))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' has wrong faults: %s; see 'Faults' in xenpv(1)",
			*name, why);
	if (!strncmp(inner, "fault:", 6))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' has faults twice; join them with a plus",
			*name);
	*name = inner;
	return 0;
}

/* The name that is kept, with what was taken off. */
static int name_prefixes(struct pdev *pdev, char *err, size_t len)
{
	char name[PATH_MAX];
	int n;

	if (!pdev->fault[0] && !pdev->cdrom)
		return 0;
	n = snprintf(name, sizeof(name), "%s%s%s%s%s",
		     pdev->fault[0] ? "fault:" : "", pdev->fault,
		     pdev->fault[0] ? ":" : "", pdev->cdrom ? CDROM : "",
		     pdev->name);
	if (n < 0 || (size_t)n >= sizeof(name))
		return fail(err, len, -ENAMETOOLONG,
			    "pdev '%.64s...' is too long; give a shorter path",
			    name);
	strcpy(pdev->name, name);
	return 0;
}

/* What makes no sense for a drive whose medium is NAME; NULL: all does. */
static int check_cdrom(const struct pdev *pdev, const char *name, char *err,
		       size_t len)
{
	const struct pdev_options *o = &pdev->options;

	if (o->no_scsi)
		return fail(err, len, -EINVAL,
			    "pdev '%.300s' is a SCSI device; give the file "
			    "itself, or use scsi-attach",
			    name);
	if (o->block_size || o->shared || o->kernel)
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is a CD, for which there is no option '%s'; leave it out",
			name,
			o->shared   ? "shared"
			: o->kernel ? "backend=kernel"
				    : "blocksize");
	if (pdev->kind == PDEV_SG || pdev->kind == PDEV_ISCSI)
		return fail(err, len, -EINVAL,
			    "pdev '%.300s' is a real device; leave out cdrom:",
			    name);
	return 0;
}

/* Take the prefix off *NAME, if it is there. */
static bool take_cdrom(const char **name)
{
	if (strncmp(*name, CDROM, strlen(CDROM)))
		return false;
	*name += strlen(CDROM);
	return true;
}

/* The device behind the prefix, or none: 0; 1: it is to be parsed. */
static int parse_medium(struct pdev *pdev, const char *name, char *err,
			size_t len)
{
	if (*name)
		return 1;
	if (pdev->fault[0] || pdev->options.format != PDEV_RAW)
		return fail(
			err, len, -EINVAL,
			"pdev 'cdrom:' has no medium that could be in a format or fail; leave that out");
	pdev->kind = PDEV_EMPTY;
	strcpy(pdev->path, CDROM);
	return 0;
}

static bool is_iso(const struct pdev *pdev)
{
	size_t n = strlen(pdev->name);

	return pdev->kind == PDEV_FILE && !pdev->options.no_scsi &&
	       !pdev->options.kernel && n > 4 &&
	       !strcasecmp(pdev->name + n - 4, ".iso");
}

/* What NAME means is known where it is. */
static int parse_elsewhere(struct pdev *pdev, const char *name, char *err,
			   size_t len)
{
	if (!pdev_is_whole(name))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is to be found by domain '%s', whose directory is another one; give the whole path",
			name, pdev->options.backend);
	pdev->kind = PDEV_ELSEWHERE;
	pdev->cdrom = pdev_is_cdrom(name);
	strcpy(pdev->name, name);
	strcpy(pdev->path, name);
	return 0;
}

int pdev_parse(struct pdev *pdev, const char *name,
	       const struct pdev_options *options, char *err, size_t len)
{
	const char *given = name;
	int rc;

	memset(pdev, 0, sizeof(*pdev));
	if (options)
		pdev->options = *options;
	if (!*name)
		return fail(err, len, -EINVAL,
			    "pdev is empty; give a file or a block device");
	if (!pdev_is_line(name))
		return fail(
			err, len, -EINVAL,
			"pdev has a control character in it; rename the file");
	if (strlen(name) >= sizeof(pdev->name))
		return fail(err, len, -ENAMETOOLONG,
			    "pdev '%.64s...' is too long; give a shorter path",
			    name);
	if (pdev->options.backend[0])
		return parse_elsewhere(pdev, name, err, len);
	pdev->cdrom = take_cdrom(&name);
	rc = parse_fault(pdev, &name, err, len);
	if (rc)
		return rc;
	pdev->cdrom = take_cdrom(&name) || pdev->cdrom;
	rc = pdev->cdrom ? parse_medium(pdev, name, err, len) : 1;
	if (rc <= 0)
		;
	else if (!strncmp(name, "null:", 5))
		rc = parse_null(pdev, name, err, len);
	else if (pdev_nbd_is(name))
		rc = pdev_nbd_parse(pdev, name, err, len);
	else if (pdev_iscsi_is(name))
		rc = pdev_iscsi_parse(pdev, name, err, len);
	else if (pdev_vtl_is(name))
		rc = pdev_vtl_parse(pdev, name, err, len);
	else if (pdev_sg_is(name))
		rc = pdev_sg_parse_name(pdev, name, err, len);
	else
		rc = parse_path(pdev, name, err, len);
	if (!rc && pdev->options.format != PDEV_RAW && pdev->kind != PDEV_FILE)
		rc = fail(
			err, len, -EINVAL,
			"pdev '%.200s' is no file, as format=%s is for; leave out the format",
			name, pdev_format_name(pdev->options.format));
	if (rc)
		return rc;
	pdev->cdrom = pdev->cdrom || is_iso(pdev);
	if (pdev->cdrom) {
		rc = check_cdrom(pdev, given, err, len);
		if (rc)
			return rc;
		pdev->options.read_only = true;
	}
	return name_prefixes(pdev, err, len);
}

/* -------------------------------------------------------------------- id */

static void format_id(const struct stat *st, char *id)
{
	if (S_ISBLK(st->st_mode))
		snprintf(id, PDEV_ID_MAX, "block:%u:%u", major(st->st_rdev),
			 minor(st->st_rdev));
	else
		snprintf(id, PDEV_ID_MAX, "file:%" PRIx64 ":%" PRIx64,
			 (uint64_t)st->st_dev, (uint64_t)st->st_ino);
}

/* Names of exports are long: PDEV_ID_MAX has room for a hash. */
static void name_nbd(const struct pdev *pdev, char *id)
{
	snprintf(id, PDEV_ID_MAX, "nbd:%016" PRIx64, probe_naa(pdev->path));
}

int pdev_id(const struct pdev *pdev, char *id)
{
	struct stat st;

	id[0] = '\0';
	if (pdev->kind == PDEV_NULL || pdev->kind == PDEV_EMPTY)
		return 0;
	if (pdev->kind == PDEV_NBD) {
		name_nbd(pdev, id);
		return 0;
	}
	if (pdev->kind == PDEV_ISCSI) {
		pdev_iscsi_id(pdev, id);
		return 0;
	}
	if (pdev->kind == PDEV_VTL)
		return pdev_vtl_id(pdev, id);
	if (pdev->kind == PDEV_SG && !pdev->sg.block[0]) {
		snprintf(id, PDEV_ID_MAX, "scsi:%s", pdev->sg.address);
		return 0;
	}
	if (stat(pdev->path, &st))
		return -errno;
	format_id(&st, id);
	return 0;
}

/* ------------------------------------------------------------------ open */

static int explain_open(const struct pdev *pdev, int error, char *err,
			size_t len)
{
	const char *hint = "check the path with ls -l";

	switch (error) {
	case EBUSY:
		hint = "it is mounted, part of a volume or RAID, or given to a guest already; free it first";
		break;
	case EROFS:
	case EACCES:
	case EPERM:
		hint = pdev->options.read_only
			       ? "check its permissions"
			       : "it cannot be written; check its permissions, or add the option ro";
		break;
	case ENOMEDIUM:
		hint = "insert a medium";
		break;
	case ENXIO:
	case ENODEV:
		hint = "the device is gone; check with lsblk";
		break;
	default:
		break;
	}
	return fail(err, len, -error, "pdev '%.300s': %s; %s", pdev->name,
		    strerror(error), hint);
}

/* The daemon is root, to whom permissions do not apply: ask what they say. */
static int check_mode(const struct pdev *pdev, const struct stat *st, char *err,
		      size_t len)
{
	if (pdev->kind != PDEV_FILE)
		return 0;
	if (!(st->st_mode & 0444))
		return fail(
			err, len, -EACCES,
			"pdev '%.300s' may be read by nobody; try chmod u+r",
			pdev->name);
	if (!(st->st_mode & 0222) && !pdev->options.read_only)
		return fail(
			err, len, -EROFS,
			"pdev '%.300s' may be written by nobody; add the option ro, or try chmod u+w",
			pdev->name);
	return 0;
}

static int open_storage(const struct pdev *pdev, int *fd,
			struct pdev_props *props, char *err, size_t len)
{
	const struct pdev_options *o = &pdev->options;
	int flags = O_CLOEXEC | O_NOCTTY | (o->read_only ? O_RDONLY : O_RDWR);
	struct stat st;

	if (pdev->kind == PDEV_BLOCK && !o->shared)
		flags |= O_EXCL;
	*fd = -1;
	if (o->direct != PDEV_DIRECT_OFF) {
		*fd = open(pdev->path, flags | O_DIRECT);
		if (*fd < 0 && errno != EINVAL)
			return explain_open(pdev, errno, err, len);
		props->direct = *fd >= 0;
	}
	if (*fd < 0)
		*fd = open(pdev->path, flags);
	if (*fd < 0)
		return explain_open(pdev, errno, err, len);
	if (fstat(*fd, &st))
		return explain_open(pdev, errno, err, len);
	if ((pdev->kind == PDEV_FILE && !S_ISREG(st.st_mode)) ||
	    (pdev->kind == PDEV_BLOCK && !S_ISBLK(st.st_mode)))
		return fail(err, len, -ESTALE,
			    "pdev '%.300s' has just been replaced; try again",
			    pdev->name);
	return check_mode(pdev, &st, err, len);
}

static int measure_file(const struct pdev *pdev, int fd,
			struct pdev_props *props, char *identity, char *err,
			size_t len)
{
	struct probe_caps caps;
	struct stat st;

	if (fstat(fd, &st))
		return explain_open(pdev, errno, err, len);
	props->size = (uint64_t)st.st_size;
	props->block_size = pdev->options.block_size;
	if (!props->block_size)
		props->block_size = BLOCK_MIN;
	props->phys_size = BLOCK_MAX;
	probe_file_caps(fd, &caps);
	props->discard = caps.discard;
	props->zero = caps.zero;
	props->discard_granularity = caps.discard_granularity;
	format_id(&st, props->id);
	snprintf(identity, PROBE_IDENTITY_MAX, "file:%s", pdev->path);
	return 0;
}

static int measure_block(const struct pdev *pdev, int fd,
			 struct pdev_props *props, char *identity, char *err,
			 size_t len)
{
	int read_only = 0, logical = 0;
	unsigned int physical = 0;
	struct probe_caps caps;
	char sysdir[64];
	struct stat st;

	if (fstat(fd, &st) || ioctl(fd, BLKGETSIZE64, &props->size) ||
	    ioctl(fd, BLKSSZGET, &logical) ||
	    ioctl(fd, BLKPBSZGET, &physical) || ioctl(fd, BLKROGET, &read_only))
		return explain_open(pdev, errno, err, len);
	if (read_only && !pdev->options.read_only)
		return explain_open(pdev, EROFS, err, len);
	props->block_size = pdev->options.block_size;
	if (!props->block_size)
		props->block_size = (uint32_t)logical;
	if (props->block_size > BLOCK_MAX || (uint32_t)logical > BLOCK_MAX)
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' has blocks of %d bytes; only 512 and 4096 can be served",
			pdev->name, logical);
	if (props->block_size < (uint32_t)logical)
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' has blocks of %d bytes, which cannot be served as %u; leave out blocksize",
			pdev->name, logical, props->block_size);
	props->phys_size = physical;
	snprintf(sysdir, sizeof(sysdir), "/sys/dev/block/%u:%u",
		 major(st.st_rdev), minor(st.st_rdev));
	probe_block_caps(sysdir, &caps);
	props->discard = caps.discard;
	props->zero = caps.zero;
	props->rotational = caps.rotational;
	props->discard_granularity = caps.discard_granularity;
	props->discard_alignment = caps.discard_alignment;
	format_id(&st, props->id);
	probe_block_identity(sysdir, "/dev/disk/by-id", st.st_rdev, pdev->path,
			     identity);
	return 0;
}

/* A file that qemu-nbd is needed for. */
static bool is_image(const struct pdev *pdev)
{
	return pdev->kind == PDEV_FILE && pdev->options.format != PDEV_RAW;
}

static int open_image(const struct pdev *pdev, int *fd,
		      struct pdev_props *props, char *identity, char *err,
		      size_t len)
{
	struct stat st;
	int rc;

	if (stat(pdev->path, &st))
		return explain_open(pdev, errno, err, len);
	rc = check_mode(pdev, &st, err, len);
	if (rc)
		return rc;
	format_id(&st, props->id);
	snprintf(identity, PROBE_IDENTITY_MAX, "file:%s", pdev->path);
	return pdev_image_open(pdev, fd, props, err, len);
}

static int open_nbd(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *identity, char *err, size_t len)
{
	name_nbd(pdev, props->id);
	snprintf(identity, PROBE_IDENTITY_MAX, "%s", pdev->path);
	return pdev_nbd_open(pdev, fd, props, err, len);
}

static int check_size(const struct pdev *pdev, const struct pdev_props *props,
		      char *err, size_t len)
{
	uint64_t odd = props->size % props->block_size;

	if (pdev->kind == PDEV_EMPTY)
		return 0;
	if (!props->size)
		return fail(err, len, -EINVAL, "pdev '%.300s' is empty; %s",
			    pdev->name,
			    pdev->kind == PDEV_FILE
				    ? "give it a size, as with truncate -s 1G"
				    : "is there a medium in it?");
	if (odd)
		return fail(
			err, len, -EINVAL,
			"pdev '%.300s' has %" PRIu64
			" bytes, which is no multiple of its blocks of %u; try truncate -s %" PRIu64,
			pdev->name, props->size, props->block_size,
			props->size - odd + props->block_size);
	return 0;
}

/* Direct I/O or not: what was asked for and what there is. */
static int settle_direct(const struct pdev *pdev, int fd,
			 struct pdev_props *props, char *err, size_t len)
{
	bool must = pdev->options.direct == PDEV_DIRECT_ON;
	int flags;

	props->align = 1;
	if (props->direct) {
		props->align = probe_direct_align(fd, BLOCK_MIN);
		/* A guest's single block must be possible. */
		if (props->align && props->align <= props->block_size)
			return 0;
		if (props->align && must)
			return fail(
				err, len, -EOPNOTSUPP,
				"pdev '%.300s' has direct I/O in units of %u bytes only; add blocksize=%u, or direct=off",
				pdev->name, props->align, props->align);
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_DIRECT))
			return explain_open(pdev, errno, err, len);
		props->direct = false;
		props->align = 1;
	}
	if (must)
		return fail(
			err, len, -EOPNOTSUPP,
			"pdev '%.300s' is on a file system without direct I/O; leave out direct=on",
			pdev->name);
	return 0;
}

static int open_null(const struct pdev *pdev, struct pdev_props *props,
		     char *identity)
{
	props->size = pdev->null_size;
	props->block_size = pdev->options.block_size;
	if (!props->block_size)
		props->block_size = BLOCK_MIN;
	props->phys_size = props->block_size;
	props->align = 1;
	snprintf(identity, PROBE_IDENTITY_MAX, "%s", pdev->path);
	return 0;
}

/* Which driver the worker is to use, and how. */
static void choose_storage(const struct pdev *pdev, struct pdev_props *props)
{
	static const char *const drivers[] = {
		[PDEV_FILE] = "file",  [PDEV_BLOCK] = "file",
		[PDEV_NULL] = "null",  [PDEV_NBD] = "nbd",
		[PDEV_EMPTY] = "null",
	};
	char own[sizeof(props->args)];

	props->storage = drivers[is_image(pdev) ? PDEV_NBD : pdev->kind];
	if (!pdev->fault[0])
		return;
	strcpy(own, props->args);
	snprintf(props->args, sizeof(props->args), "%s %s%s%.20s",
		 props->storage, pdev->fault, own[0] ? " " : "", own);
	props->storage = "fault";
}

int pdev_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
	      char *err, size_t len)
{
	char identity[PROBE_IDENTITY_MAX];
	int rc;

	memset(props, 0, sizeof(*props));
	*fd = -1;
	if (pdev->kind == PDEV_ELSEWHERE)
		return fail(
			err, len, -EXDEV,
			"pdev '%.200s' is a device of domain '%s', not of this one; attach it again",
			pdev->name, pdev->options.backend);
	props->read_only = pdev->options.read_only;
	props->multi = pdev->kind != PDEV_NBD && !is_image(pdev);
	if (pdev->kind == PDEV_SG)
		return pdev_sg_open(pdev, fd, props, err, len);
	if (pdev->kind == PDEV_ISCSI)
		return pdev_iscsi_open(pdev, fd, props, err, len);
	if (pdev->kind == PDEV_VTL)
		return pdev_vtl_open(pdev, fd, props, err, len);
	if (pdev->kind == PDEV_NULL || pdev->kind == PDEV_EMPTY) {
		rc = open_null(pdev, props, identity);
	} else if (pdev->kind == PDEV_NBD) {
		rc = open_nbd(pdev, fd, props, identity, err, len);
	} else if (is_image(pdev)) {
		rc = open_image(pdev, fd, props, identity, err, len);
	} else {
		rc = open_storage(pdev, fd, props, err, len);
		if (rc)
			goto out;
		if (pdev->kind == PDEV_FILE)
			rc = measure_file(pdev, *fd, props, identity, err, len);
		else
			rc = measure_block(pdev, *fd, props, identity, err,
					   len);
	}
	if (rc)
		goto out;
	if (pdev->cdrom)
		props->block_size = BLOCK_CD;
	rc = check_size(pdev, props, err, len);
	if (rc)
		goto out;
	if (pdev->kind == PDEV_BLOCK ||
	    (pdev->kind == PDEV_FILE && !is_image(pdev))) {
		rc = settle_direct(pdev, *fd, props, err, len);
		if (rc)
			goto out;
	}
	props->naa =
		pdev->options.naa ? pdev->options.naa : probe_naa(identity);
	if (pdev->options.serial[0])
		strcpy(props->serial, pdev->options.serial);
	else
		snprintf(props->serial, sizeof(props->serial), "%016" PRIx64,
			 props->naa);
	choose_storage(pdev, props);
out:
	if (rc && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

int pdev_check(const struct pdev *pdev, struct pdev_props *props, char *err,
	       size_t len)
{
	struct pdev_props ignored;
	int fd, rc;

	/* Its own xenpvd does, and says so. */
	if (pdev->kind == PDEV_ELSEWHERE) {
		if (props)
			memset(props, 0, sizeof(*props));
		return 0;
	}
	rc = pdev_guard(pdev, &fd, err, len);
	if (!rc && fd >= 0)
		close(fd);
	if (rc)
		return rc;
	rc = pdev_open(pdev, &fd, props ? props : &ignored, err, len);
	if (!rc && fd >= 0)
		close(fd);
	return rc;
}
