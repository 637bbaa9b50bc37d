/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's SCSI target by configfs: see lio.h. */
#include "control/lio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/fail.h"

#define CONFIGFS "/sys/kernel/config"
#define TARGET	 CONFIGFS "/target"
#define FABRIC	 TARGET "/xen-pvscsi"

/* LIO numbers its adapters; targetcli takes the lowest that is free. */
#define ADAPTER 30832u

/* NAA 3 and the letters "xen". */
#define NAA_PREFIX "naa.378656e0"

/* A backstore's name begins so: which guest's it is. */
#define STORE_NAME "xenpv.d%" PRIu32

#define LUNS_MAX 256
#define LIO_PATH 256
/* Names of files in LIO: FD_MAX_DEV_NAME, SE_UDEV_PATH_LEN. */
#define FILE_NAME_MAX 255

/* A guest that has just ended still has its backend for a moment. */
#define BUSY_TRIES 100
#define BUSY_US	   20000

/* ------------------------------------------------------------------ names */

void lio_name(uint32_t domid, uint32_t controller, char *text)
{
	snprintf(text, LIO_PDEV_MAX, NAA_PREFIX "%04" PRIx32 "%04" PRIx32,
		 domid & 0xffff, controller & 0xffff);
}

bool lio_parse(const char *name, uint32_t *domid, uint32_t *controller)
{
	const size_t prefix = sizeof(NAA_PREFIX) - 1;

	return !strncmp(name, NAA_PREFIX, prefix) &&
	       strspn(name + prefix, "0123456789abcdef") == 8 &&
	       !name[prefix + 8] &&
	       sscanf(name + prefix, "%4" SCNx32 "%4" SCNx32, domid,
		      controller) == 2;
}

static int dir_path(char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int dir_path(char *path, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, LIO_PATH, fmt, ap);
	va_end(ap);
	return n < 0 || n >= LIO_PATH ? -ENAMETOOLONG : 0;
}

/* --------------------------------------------------------------- configfs */

static int make_dir(const char *path)
{
	return !mkdir(path, 0755) || errno == EEXIST ? 0 : -errno;
}

static int remove_dir(const char *path)
{
	return !rmdir(path) || errno == ENOENT ? 0 : -errno;
}

/* One write(2): that is how attributes take their values. */
static int write_attr(const char *dir, const char *attr, const char *text)
{
	char path[LIO_PATH + 32];
	ssize_t n;
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", dir, attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	rc = n == (ssize_t)strlen(text) ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

/* Nobody else of ours changes the target meanwhile. *FD is to be closed. */
static int lock(int *fd)
{
	*fd = open(TARGET, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	while (flock(*fd, LOCK_EX)) {
		int rc = -errno;

		if (rc == -EINTR)
			continue;
		close(*fd);
		*fd = -1;
		return rc;
	}
	return 0;
}

/* ---------------------------------------------------------------- modules */

static bool loaded(const char *module)
{
	char path[LIO_PATH];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static bool load(const char *module)
{
	char *argv[] = {(char[]){"modprobe"}, (char[]){"-q"}, (char *)module,
			NULL};
	char *const envp[] = {(char[]){"PATH=/usr/sbin:/sbin"}, NULL};
	int status = -1;
	pid_t pid;

	if (loaded(module))
		return true;
	if (posix_spawn(&pid, "/sbin/modprobe", NULL, NULL, argv, envp))
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	/* Built in, it may be without a folder. */
	return status == 0;
}

/* All of them, so that one line names all that are missing. */
static int load_modules(const char *driver, char *err, size_t len)
{
	const char *const wanted[] = {"target_core_mod", driver,
				      "xen_scsiback"};
	char missing[128] = "";

	for (size_t i = 0; i < XPV_ARRAY_SIZE(wanted); i++) {
		size_t n = strlen(missing);

		if (!load(wanted[i]))
			snprintf(missing + n, sizeof(missing) - n, "%s%s",
				 n ? ", " : "", wanted[i]);
	}
	if (missing[0])
		return fail(
			err, len, -ENODEV,
			"backend=kernel needs modules that cannot be loaded: "
			"%s: try 'modprobe -a' with them as root, or leave out "
			"backend=kernel",
			missing);
	if (access(TARGET, F_OK))
		return fail(
			err, len, -ENODEV,
			"backend=kernel needs " TARGET
			", which is not there: 'mount -t configfs none " CONFIGFS
			"' first");
	return 0;
}

/* -------------------------------------------------------------- backstore */

/* What LIO has for a kind of thing. */
struct driver {
	const char *name, *module;
	/* What its attribute "control" is told, into TEXT. */
	int (*control)(const struct pdev *pdev, const struct pdev_props *props,
		       char *text, size_t len);
};

static int control_iblock(const struct pdev *pdev,
			  const struct pdev_props *props, char *text,
			  size_t len)
{
	(void)props;
	snprintf(text, len, "udev_path=%s,readonly=%d", pdev->path,
		 pdev->options.read_only);
	return 0;
}

static int control_fileio(const struct pdev *pdev,
			  const struct pdev_props *props, char *text,
			  size_t len)
{
	snprintf(text, len, "fd_dev_name=%s,fd_dev_size=%" PRIu64, pdev->path,
		 props->size);
	return 0;
}

static int control_pscsi(const struct pdev *pdev,
			 const struct pdev_props *props, char *text, size_t len)
{
	unsigned int h, c, t, l;

	(void)props;
	if (sscanf(pdev->sg.address, "%u:%u:%u:%u", &h, &c, &t, &l) != 4)
		return -EINVAL;
	snprintf(text, len,
		 "scsi_host_id=%u,scsi_channel_id=%u,scsi_target_id=%u,"
		 "scsi_lun_id=%u",
		 h, c, t, l);
	return 0;
}

static const struct driver drivers[] = {
	[PDEV_FILE] = {"fileio", "target_core_file", control_fileio},
	[PDEV_BLOCK] = {"iblock", "target_core_iblock", control_iblock},
	[PDEV_SG] = {"pscsi", "target_core_pscsi", control_pscsi},
};

static const struct driver *driver_of(const struct pdev *pdev)
{
	const struct driver *d = NULL;

	if ((size_t)pdev->kind < XPV_ARRAY_SIZE(drivers))
		d = &drivers[pdev->kind];
	return d && d->name && !pdev->fault[0] ? d : NULL;
}

int lio_check(const struct pdev *pdev, char *err, size_t len)
{
	const struct pdev_options *o = &pdev->options;
	bool block = pdev->kind == PDEV_BLOCK;
	const struct {
		bool given;
		const char *option, *why;
	} lacks[] = {
		{o->read_only && !block, "ro",
		 "has it for block devices only: losetup -r makes one of a file"},
		{o->shared, "shared", "gives a device to one guest"},
		{o->feature_host, "feature-host", "does not know it"},
		{o->naa, "naa", "derives it"},
		{o->direct != PDEV_DIRECT_AUTO, "direct",
		 "decides that itself"},
		{o->format != PDEV_RAW, "format", "reads raw files only"},
		{o->block_size && pdev->kind != PDEV_FILE, "blocksize",
		 "takes the device's own"},
	};

	if (!driver_of(pdev))
		return fail(err, len, -EOPNOTSUPP,
			    "pdev '%.300s': the kernel's backend serves files, "
			    "block devices and SCSI devices only: leave out "
			    "backend=kernel",
			    pdev->name);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(lacks); i++) {
		if (lacks[i].given)
			return fail(err, len, -EOPNOTSUPP,
				    "option '%s' does not go with "
				    "backend=kernel, which %s: leave one out",
				    lacks[i].option, lacks[i].why);
	}
	/* Commas and line ends part the words of "control". */
	if (strpbrk(pdev->path, ",\n") || strlen(pdev->path) > FILE_NAME_MAX)
		return fail(
			err, len, -EOPNOTSUPP,
			"pdev '%.300s': the kernel's backend takes no path with "
			"a comma in it or of more than %d characters: make a "
			"link with another name",
			pdev->path, FILE_NAME_MAX);
	return 0;
}

/* The adapter goes with its last backstore. */
static int remove_store(const char *store)
{
	char adapter[LIO_PATH];
	int rc = remove_dir(store);

	snprintf(adapter, sizeof(adapter), "%s", store);
	*strrchr(adapter, '/') = '\0';
	if (!rc)
		(void)rmdir(adapter);
	return rc;
}

static int fill_store(const char *store, const struct pdev *pdev,
		      const struct pdev_props *props, const char **what)
{
	const char *serial = pdev->options.serial;
	char text[LIO_PATH + FILE_NAME_MAX];
	int rc;

	*what = "control";
	rc = driver_of(pdev)->control(pdev, props, text, sizeof(text));
	if (!rc)
		rc = write_attr(store, "control", text);
	if (!rc)
		rc = write_attr(store, "udev_path", pdev->path);
	if (!rc) {
		*what = "enable";
		rc = write_attr(store, "enable", "1");
	}
	/* A device that is given itself says these things itself. */
	if (rc || pdev->kind == PDEV_SG)
		return rc;
	*what = "vpd_unit_serial";
	rc = write_attr(store, "wwn/vpd_unit_serial",
			serial[0] ? serial : props->serial);
	if (!rc && pdev->options.product[0]) {
		*what = "product_id";
		rc = write_attr(store, "wwn/product_id", pdev->options.product);
	}
	if (!rc && pdev->options.block_size) {
		*what = "block_size";
		snprintf(text, sizeof(text), "%" PRIu32,
			 pdev->options.block_size);
		rc = write_attr(store, "attrib/block_size", text);
	}
	return rc;
}

static int make_store(uint32_t domid, const struct pdev_vdev *at,
		      const struct pdev *pdev, char *store, char *err,
		      size_t len)
{
	const struct driver *driver = driver_of(pdev);
	const char *what = "mkdir";
	struct pdev_props props;
	char *name;
	int rc;

	rc = pdev_check(pdev, &props, err, len);
	if (rc)
		return rc;
	rc = dir_path(store, TARGET "/core/%s_%u/" STORE_NAME ".%u:%u:%u:%u",
		      driver->name, ADAPTER, domid, at->host, at->channel,
		      at->target, at->lun);
	if (rc)
		return fail(err, len, rc, "configfs: a name is too long");
	name = strrchr(store, '/');
	*name = '\0';
	rc = make_dir(store);
	*name = '/';
	/* One that is there and no LUN's: somebody has been killed here. */
	if (!rc && mkdir(store, 0755) &&
	    (errno != EEXIST || rmdir(store) || mkdir(store, 0755)))
		rc = -errno;
	if (rc)
		return fail(err, len, rc,
			    "the kernel's target refuses to make '%.200s': %s",
			    store, strerror(-rc));
	rc = fill_store(store, pdev, &props, &what);
	if (!rc)
		return 0;
	(void)remove_store(store);
	return fail(err, len, rc,
		    "the kernel's target does not take '%.300s' (%s: %s): see "
		    "dmesg",
		    pdev->name, what, strerror(-rc));
}

/* -------------------------------------------------------- targets and LUNs */

static int make_target(const char *name, char *tpg)
{
	char path[LIO_PATH];
	int rc;

	rc = make_dir(FABRIC);
	if (!rc)
		rc = dir_path(path, FABRIC "/%s", name);
	if (!rc)
		rc = make_dir(path);
	if (!rc)
		rc = dir_path(tpg, FABRIC "/%s/tpgt_0", name);
	if (!rc)
		rc = make_dir(tpg);
	if (!rc)
		rc = write_attr(tpg, "nexus", name);
	return rc == -EEXIST ? 0 : rc;
}

/* The lowest number that is free. */
static int make_lun(const char *tpg, const char *store, unsigned int *lun)
{
	char dir[LIO_PATH], link[LIO_PATH + 8];
	int rc;

	for (*lun = 0; *lun < LUNS_MAX; ++*lun) {
		rc = dir_path(dir, "%s/lun/lun_%u", tpg, *lun);
		if (rc)
			return rc;
		if (!mkdir(dir, 0755))
			break;
		if (errno != EEXIST)
			return -errno;
	}
	if (*lun == LUNS_MAX)
		return -ENOSPC;
	snprintf(link, sizeof(link), "%s/unit", dir);
	if (!symlink(store, link))
		return 0;
	rc = -errno;
	(void)rmdir(dir);
	return rc;
}

static bool has_luns(const char *tpg)
{
	char path[LIO_PATH];
	struct dirent *d;
	bool has = false;
	DIR *dir;

	if (dir_path(path, "%s/lun", tpg))
		return true;
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		has |= !strncmp(d->d_name, "lun_", 4);
	if (dir)
		closedir(dir);
	return has;
}

/*
 * A target without LUNs goes. Only when the kernel gives back its session: with
 * a backend that still uses it, removing the directory would leave that with
 * freed memory.
 */
static int remove_target(const char *name)
{
	char tpg[LIO_PATH], path[LIO_PATH];
	int rc = -EBUSY;

	if (dir_path(tpg, FABRIC "/%s/tpgt_0", name) ||
	    dir_path(path, FABRIC "/%s", name))
		return -ENAMETOOLONG;
	if (has_luns(tpg))
		return 0;
	for (int i = 0; i < BUSY_TRIES && rc == -EBUSY; i++) {
		if (i)
			usleep(BUSY_US);
		rc = write_attr(tpg, "nexus", "NULL");
	}
	if (rc && rc != -ENODEV && rc != -ENOENT)
		return rc;
	rc = remove_dir(tpg);
	return rc ? rc : remove_dir(path);
}

/* The LUN in DIR, and the backstore that it links to. */
static int remove_lun(const char *dir)
{
	char path[LIO_PATH + 256], to[LIO_PATH], store[LIO_PATH] = "";
	const char *core;
	struct dirent *d;
	DIR *stream;
	ssize_t n;
	int rc;

	stream = opendir(dir);
	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		if (n <= 0)
			continue; /* no link: it goes with the directory */
		to[n] = '\0';
		/* configfs makes it relative. */
		core = strstr(to, "/core/");
		if (core)
			(void)dir_path(store, TARGET "%s", core);
		if (unlink(path))
			break;
	}
	rc = d ? -errno : 0;
	closedir(stream);
	if (!rc)
		rc = remove_dir(dir);
	if (!rc && store[0])
		rc = remove_store(store);
	return rc;
}

static int remove_failed(char *err, size_t len, int rc, const char *what)
{
	return fail(err, len, rc,
		    "the kernel's target does not let go of %.100s (%s): see "
		    "dmesg and " FABRIC,
		    what, strerror(-rc));
}

/* ----------------------------------------------------------------- doors */

int lio_add(uint32_t domid, const struct pdev_vdev *at, const struct pdev *pdev,
	    char *p_dev, char *err, size_t len)
{
	char name[LIO_PDEV_MAX], tpg[LIO_PATH], store[LIO_PATH];
	unsigned int lun = 0;
	int rc, fd;

	rc = lio_check(pdev, err, len);
	if (!rc)
		rc = load_modules(driver_of(pdev)->module, err, len);
	if (rc)
		return rc;
	rc = lock(&fd);
	if (rc)
		return fail(err, len, rc, TARGET ": %s: is this run as root?",
			    strerror(-rc));
	rc = make_store(domid, at, pdev, store, err, len);
	if (rc)
		goto out;
	lio_name(domid, at->host, name);
	rc = make_target(name, tpg);
	if (!rc)
		rc = make_lun(tpg, store, &lun);
	if (rc) {
		(void)remove_target(name);
		(void)remove_store(store);
		fail(err, len, rc,
		     "the kernel's target refuses a LUN of '%.300s': %s: see "
		     "dmesg",
		     pdev->name, strerror(-rc));
		goto out;
	}
	snprintf(p_dev, LIO_PDEV_MAX, "%.30s:%u", name, lun);
out:
	close(fd);
	return rc;
}

int lio_remove(const char *p_dev, char *err, size_t len)
{
	const char *colon = strchr(p_dev, ':');
	uint32_t domid, controller;
	char name[LIO_PDEV_MAX], dir[LIO_PATH];
	unsigned int lun;
	int rc, fd;

	if (!colon || colon - p_dev >= LIO_PDEV_MAX ||
	    sscanf(colon, ":%u", &lun) != 1)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(colon - p_dev), p_dev);
	if (!lio_parse(name, &domid, &controller))
		return 0;
	rc = lock(&fd);
	if (rc)
		return rc == -ENOENT ? 0 : remove_failed(err, len, rc, p_dev);
	rc = dir_path(dir, FABRIC "/%s/tpgt_0/lun/lun_%u", name, lun);
	if (!rc)
		rc = remove_lun(dir);
	if (!rc)
		rc = remove_target(name);
	if (rc)
		remove_failed(err, len, rc, p_dev);
	close(fd);
	return rc;
}

bool lio_in_use(void)
{
	uint32_t domid, controller;
	DIR *stream = opendir(FABRIC);
	struct dirent *d;
	bool ours = false;

	while (stream && !ours && (d = readdir(stream)))
		ours = lio_parse(d->d_name, &domid, &controller);
	if (stream)
		closedir(stream);
	return ours;
}

/* All LUNs of a target, and then the target. */
static int remove_all(const char *name)
{
	char path[LIO_PATH], dir[LIO_PATH];
	struct dirent *d;
	DIR *stream;
	int rc = 0, r;

	if (dir_path(path, FABRIC "/%s/tpgt_0/lun", name))
		return -ENAMETOOLONG;
	stream = opendir(path);
	while (stream && (d = readdir(stream))) {
		if (strncmp(d->d_name, "lun_", 4) ||
		    dir_path(dir, "%s/%.32s", path, d->d_name))
			continue;
		r = remove_lun(dir);
		rc = rc ? rc : r;
	}
	if (stream)
		closedir(stream);
	r = remove_target(name);
	return rc ? rc : r;
}

/* Backstores which nobody has come to make a LUN of. */
static void remove_stores(bool (*alive)(uint32_t domid, void *ctx), void *ctx)
{
	char path[LIO_PATH], store[LIO_PATH];
	struct dirent *d;
	uint32_t domid;
	DIR *stream;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(drivers); i++) {
		if (!drivers[i].name || dir_path(path, TARGET "/core/%s_%u",
						 drivers[i].name, ADAPTER))
			continue;
		stream = opendir(path);
		while (stream && (d = readdir(stream))) {
			if (sscanf(d->d_name, "xenpv.d%" SCNu32, &domid) == 1 &&
			    !alive(domid, ctx) &&
			    !dir_path(store, "%s/%.64s", path, d->d_name))
				(void)remove_store(store);
		}
		if (stream)
			closedir(stream);
	}
}

int lio_remove_dead(bool (*alive)(uint32_t domid, void *ctx), void *ctx,
		    char *err, size_t len)
{
	uint32_t domid, controller;
	struct dirent *d;
	DIR *stream;
	int rc, fd, r;

	stream = opendir(FABRIC);
	if (!stream)
		return 0; /* nobody has used it */
	rc = lock(&fd);
	if (rc)
		remove_failed(err, len, rc, FABRIC);
	while (fd >= 0 && (d = readdir(stream))) {
		if (!lio_parse(d->d_name, &domid, &controller) ||
		    alive(domid, ctx))
			continue;
		r = remove_all(d->d_name);
		if (r && !rc)
			rc = remove_failed(err, len, r, d->d_name);
	}
	closedir(stream);
	if (fd >= 0) {
		remove_stores(alive, ctx);
		close(fd);
	}
	return rc;
}
