/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices that a guest is to have, as an administrator lists them in the
 * file that xl reads:
 *
 *     vscsi = [ '/dev/disk/by-id/scsi-35000c500,0:0:0:0',
 *               '/dev/nst0, 0:0:1:0, wwid=naa.5000e111' ]
 *     xenpv_disk = [ '/dev/vg0/web,raw,xvda,rw' ]
 *
 * An item of vscsi= is PDEV,VDEV[,OPTION...], with blanks where one likes: what
 * xend had, and the patches that would have given xl the same. The vdev is the
 * first part behind the first comma that is one, so that a path may have commas.
 * Where xend had the backend's domain, in front of the options, it may stand:
 * a number, or Domain-0; it must be the domain that this runs in.
 *
 * An item of xenpv_disk= is what `disk=` of xl takes (control/disk_spec.h).
 *
 * The same form is the list that travels with a guest: see guest_file_pack().
 */
#ifndef CONTROL_GUEST_FILE_H
#define CONTROL_GUEST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/disk_spec.h"
#include "control/pdev.h"
#include "control/vdev.h"
#include "control/xlu.h"
#include "wire/port.h"

#define GUEST_FILE_MAX	(1u << 20)
#define GUEST_NAME_MAX	256
#define GUEST_UUID_MAX	37
#define GUEST_ITEMS_MAX 1024 /* of one guest; each is a device of its own */
#define GUEST_WHERE_MAX (PATH_MAX + 64)
#define GUEST_ERR_MAX	(GUEST_WHERE_MAX + PATH_MAX + 1024)

/* One device. */
struct guest_item {
	bool disk; /* of xenpv_disk */
	char *text;
	char *where;   /* "FILE:LINE:COLUMN: vscsi", for messages */
	char *name;    /* pdev, as written */
	uint64_t size; /* bytes it had where the list was made; 0: not said */
	/* Of vscsi: */
	struct pdev_vdev at;
	struct pdev_options options;
	int64_t backend; /* domain id; -1: not said */
	/* Of xenpv_disk: */
	struct disk_spec *spec;
};

struct guest_file {
	char file[PATH_MAX];
	char name[GUEST_NAME_MAX]; /* of the guest; "": none */
	char uuid[GUEST_UUID_MAX]; /* lower case, with dashes; "": none */
	struct guest_item *item;
	size_t n;
};

/*
 * guest_item_parse - one item of vscsi= (@disk false) or xenpv_disk=
 * @err, @len: one line when it fails, without the place
 * @part: then the offset in TEXT of the part that is wrong; may be NULL
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, -ENOMEM. guest_item_free() it after 0 only.
 */
int guest_item_parse(struct guest_item *item, bool disk, const char *text,
		     size_t *part, char *err, size_t len) XPV_MUST_CHECK;

void guest_item_free(struct guest_item *item);

/*
 * guest_file_read - read FILE, with what xl's command line adds
 * @extra: KEY=VALUE words, NULL-terminated; NULL: none
 * @err: GUEST_ERR_MAX bytes at @len: one line, "FILE:LINE:COLUMN: ..." if it is
 *       about something in the file
 *
 * Places in a guest that are given twice, and controllers whose devices do not
 * agree on feature-host, are refused here; what exists is not looked at.
 *
 * Return: 0, and guest_file_free() it; errors of open(2) and read(2); -EFBIG;
 * what xlu_parse() and guest_item_parse() do.
 */
int guest_file_read(struct guest_file *gf, const char *file, char *const *extra,
		    char *err, size_t len) XPV_MUST_CHECK;

/* guest_file_parse - the same of a text. */
int guest_file_parse(struct guest_file *gf, const char *text, const char *file,
		     char *err, size_t len) XPV_MUST_CHECK;

void guest_file_free(struct guest_file *gf);

/*
 * guest_file_pack - the list as text: name=, uuid=, vscsi=, xenpv_disk=
 *
 * The form of a guest's file, so that guest_file_parse() reads it; the sizes of
 * the devices are in one more list, xenpv_size=.
 *
 * Return: malloc'ed; NULL: no memory.
 */
char *guest_file_pack(const struct guest_file *gf);

/* guest_file_add - add an item to a list that is to be packed; TEXT is copied.
 * What guest_item_parse() returns. */
int guest_file_add(struct guest_file *gf, bool disk, const char *text,
		   char *err, size_t len) XPV_MUST_CHECK;

#endif
