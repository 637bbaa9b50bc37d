/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual tape libraries: see pdev_vtl.h. */
#include "control/pdev_vtl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/fail.h"
#include "control/probe.h"
#include "control/vtl_dir.h"
#include "control/vtl_send.h"
#include "lun/cart_file.h"

#define PREFIX "vtl:"

bool pdev_vtl_is(const char *name)
{
	return !strncmp(name, PREFIX, strlen(PREFIX));
}

/* ----------------------------------------------------------------- parse */

/* The drive's number, or -1, of the word behind the last colon. */
static bool parse_part(const char *word, int *drive)
{
	unsigned long n;

	*drive = -1;
	if (!strcmp(word, "changer"))
		return true;
	if (strncmp(word, "drive", 5))
		return false;
	word += 5;
	if (!pdev_number(&word, CHANGER_DRIVES_MAX - 1, &n) || *word)
		return false;
	*drive = (int)n;
	return true;
}

/* What may not be said of it. */
static const char *senseless(const struct pdev *pdev)
{
	const struct pdev_options *o = &pdev->options;

	return o->read_only	       ? "ro"
	       : o->shared	       ? "shared"
	       : o->passthrough	       ? "passthrough"
	       : o->kernel	       ? "backend=kernel"
	       : o->direct	       ? "direct"
	       : o->format != PDEV_RAW ? "format"
	       : o->block_size	       ? "blocksize"
	       : o->naa		       ? "naa"
	       : o->serial[0]	       ? "serial"
	       : o->product[0]	       ? "product"
	       : o->wwid[0]	       ? "wwid"
				       : NULL;
}

static int check_said(const struct pdev *pdev, const char *name, char *err,
		      size_t len)
{
	const char *bad = senseless(pdev);

	if (pdev->options.no_scsi)
		return fail(err, len, -EINVAL,
			    "pdev '%.300s' is no disk; use scsi-attach", name);
	if (pdev->fault[0] || pdev->cdrom)
		return fail(err, len, -EINVAL,
			    "pdev '%.300s' is of a tape library; leave out %s",
			    name, pdev->cdrom ? "cdrom:" : "fault:");
	if (bad)
		return fail(err, len, -EINVAL,
			    "pdev '%.200s' is of a tape library, for which "
			    "there is no option '%s'; leave it out%s",
			    name, bad,
			    pdev->options.read_only
				    ? ", or see xenpv vtl protect"
				    : "");
	return 0;
}

int pdev_vtl_parse(struct pdev *pdev, const char *name, char *err, size_t len)
{
	const char *dir = name + strlen(PREFIX), *colon = strrchr(dir, ':');
	char given[PATH_MAX], real[PATH_MAX];
	int n, rc = check_said(pdev, name, err, len);

	if (rc)
		return rc;
	if (!colon || colon == dir || (size_t)(colon - dir) >= sizeof(given) ||
	    !parse_part(colon + 1, &pdev->vtl_drive))
		return fail(err, len, -EINVAL,
			    "pdev '%.200s' is neither vtl:DIR:changer nor "
			    "vtl:DIR:driveN, N from 0 to %u",
			    name, CHANGER_DRIVES_MAX - 1);
	memcpy(given, dir, (size_t)(colon - dir));
	given[colon - dir] = '\0';
	if (!realpath(given, real))
		return fail(err, len, -errno,
			    "pdev '%.200s': %s; make a library with xenpv vtl "
			    "create",
			    name, strerror(errno));
	n = snprintf(pdev->path, sizeof(pdev->path), PREFIX "%s%s", real,
		     colon);
	if (n < 0 || (size_t)n >= sizeof(pdev->path))
		return fail(err, len, -ENAMETOOLONG,
			    "pdev '%.64s...' is too long; give a shorter path",
			    name);
	strcpy(pdev->name, pdev->path);
	pdev->kind = PDEV_VTL;
	return 0;
}

/* The folder, in OUT (PATH_MAX bytes). */
static const char *folder(const struct pdev *pdev, char *out)
{
	strcpy(out, pdev->path + strlen(PREFIX));
	*strrchr(out, ':') = '\0';
	return out;
}

int pdev_vtl_id(const struct pdev *pdev, char *id)
{
	char dir[PATH_MAX];
	struct stat st;

	if (stat(folder(pdev, dir), &st))
		return -errno;
	snprintf(id, PDEV_ID_MAX, PREFIX "%" PRIx64 ":%" PRIx64 ":%d",
		 (uint64_t)st.st_dev, (uint64_t)st.st_ino, pdev->vtl_drive);
	return 0;
}

/* ------------------------------------------------------------------ open */

static void close_all(int *fds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The cartridges' files; one whose labels are damaged is said now. */
static int open_carts(const struct vtl *v, int *cart, char *err, size_t len)
{
	struct cart c;

	for (uint32_t i = 0; i < v->ncarts; i++) {
		int rc;

		cart[i] = vtl_open_cart(v, &v->cart[i], O_RDWR, err, len);
		if (cart[i] < 0)
			return cart[i];
		rc = cart_file_label(cart[i], &c);
		if (!rc && strcmp(c.barcode, v->cart[i].barcode))
			rc = -EBADMSG;
		if (rc)
			return fail(err, len, rc,
				    "cartridge %s is damaged: neither of its "
				    "labels can be read; see xenpv vtl verify",
				    v->cart[i].barcode);
	}
	return 0;
}

static int send_files(const struct vtl *v, int *fd, char *err, size_t len)
{
	int cart[VTL_CARTS_MAX], pair[2] = {-1, -1};
	int rc;

	memset(cart, -1, sizeof(cart));
	rc = open_carts(v, cart, err, len);
	if (!rc && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		rc = fail(err, len, -errno, "no socket: %s", strerror(errno));
	if (!rc) {
		rc = vtl_send(pair[1], v, cart);
		if (rc)
			fail(err, len, rc, "its files cannot be given: %s",
			     strerror(-rc));
		close(pair[1]);
	}
	close_all(cart, v->ncarts);
	if (!rc)
		*fd = pair[0];
	else if (pair[0] >= 0)
		close(pair[0]);
	return rc;
}

int pdev_vtl_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		  char *err, size_t len)
{
	char dir[PATH_MAX], why[PDEV_ERR_MAX];
	int drive = pdev->vtl_drive, rc;
	struct vtl *v = malloc(sizeof(*v));

	if (!v)
		return fail(err, len, -ENOMEM, "out of memory; try again");
	rc = vtl_open(v, folder(pdev, dir), VTL_USE, why, sizeof(why));
	if (!rc) {
		if (drive >= (int)v->drives) {
			snprintf(why, sizeof(why), "it has %u drives only",
				 v->drives);
			rc = -ENODEV;
		} else {
			rc = send_files(v, fd, why, sizeof(why));
		}
		vtl_serial(v->serial, drive, props->serial);
		vtl_close(v);
	}
	free(v);
	if (rc)
		return fail(err, len, rc, "pdev '%.200s': %s", pdev->name, why);
	props->naa = probe_naa(props->serial);
	props->storage = "vtl";
	snprintf(props->args, sizeof(props->args), "%d", drive);
	return pdev_vtl_id(pdev, props->id);
}
