/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real SCSI devices of this host, as sysfs tells them: from any node of a
 * device (sd, st, nst, sr, sch, sg) to its sg node, its identity, and who uses
 * it. Reads only, opens no device.
 */
#ifndef CONTROL_SGDEV_H
#define CONTROL_SGDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/port.h"

#define SGDEV_WWID_MAX 96

/* PERIPHERAL DEVICE TYPE, SPC-4 table 140. */
#define SGDEV_TYPE_DISK	 0
#define SGDEV_TYPE_CDROM 5

struct sgdev {
	char address[32]; /* "H:C:T:L" */
	uint32_t type;	  /* peripheral device type */
	char vendor[9], model[17];
	char sg[24];	/* "sg3"; "": there is none */
	char block[24]; /* "sda", "sr0"; "": no disk or CD */
	dev_t block_dev;
	uint32_t block_size; /* bytes, of disks; otherwise 0 */
	uint32_t depth;	     /* commands it takes at once; 0: not known */
	/* What it is known by when its nodes have other numbers: its world wide
	 * id, or vendor, model, serial number and address. Letters, digits and
	 * ".:_-" only. */
	char wwid[SGDEV_WWID_MAX];
};

/* Where things are; "/sys" and "/proc", except in tests. */
struct sgdev_roots {
	const char *sys, *proc;
};

extern const struct sgdev_roots sgdev_host;

/*
 * sgdev_find - the SCSI device that a device node is of
 * @block: @rdev is a block device
 *
 * Return: 0; -ENODEV if it is no SCSI device, or a partition.
 */
int sgdev_find(const struct sgdev_roots *roots, bool block, dev_t rdev,
	       struct sgdev *dev) XPV_MUST_CHECK;

/*
 * sgdev_find_wwid - the SCSI device with that identity
 *
 * Return: 0; -ENODEV if there is none; -EEXIST if there are several.
 */
int sgdev_find_wwid(const struct sgdev_roots *roots, const char *wwid,
		    struct sgdev *dev) XPV_MUST_CHECK;

/*
 * sgdev_user - who has one of its character devices open
 * @text: for people: "tar (process 123, st0)"; "" if nobody has
 *
 * The calling process does not count.
 */
void sgdev_user(const struct sgdev_roots *roots, const struct sgdev *dev,
		char *text, size_t len);

/*
 * sgdev_holder - what the host does with its disk
 * @text: for people: "mounted on /mnt", "part of dm-0"; "" if nothing is known
 */
void sgdev_holder(const struct sgdev_roots *roots, const struct sgdev *dev,
		  char *text, size_t len);

#endif
