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

#define SGDEV_WWID_MAX	 96
#define SGDEV_SERIAL_MAX 64

/* PERIPHERAL DEVICE TYPE, SPC-4 table 140. */
#define SGDEV_TYPE_DISK	 0
#define SGDEV_TYPE_CDROM 5

struct sgdev {
	char address[32]; /* "H:C:T:L" */
	uint32_t type;	  /* peripheral device type */
	char vendor[9], model[17], rev[5];
	char serial[SGDEV_SERIAL_MAX]; /* ""; characters as in wwid */
	char sg[24];		       /* "sg3"; "": there is none */
	char block[24];		       /* "sda", "sr0"; "": no disk or CD */
	dev_t block_dev;
	uint32_t block_size; /* bytes, of disks; otherwise 0 */
	uint64_t made;	/* another number for another device at this address */
	uint32_t depth; /* commands it takes at once; 0: not known */
	/* What it is known by when its nodes have other numbers: its world wide
	 * id, or vendor, model and serial number, or without one the address.
	 * Letters, digits and ".:_-" only. */
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

/* sgdev_at - the SCSI device at "H:C:T:L"; -ENODEV if there is none. */
int sgdev_at(const struct sgdev_roots *roots, const char *address,
	     struct sgdev *dev) XPV_MUST_CHECK;

/*
 * sgdev_is_there - is it still what it was when @dev was filled in?
 *
 * False if it has gone, even if it, or another one, is at its address now: its
 * nodes are another device's.
 */
bool sgdev_is_there(const struct sgdev_roots *roots, const struct sgdev *dev);

/*
 * sgdev_find_port - the SCSI device behind a port
 * @wwn: hexadecimal digits: of a target port (Fibre Channel, SAS), of a port of
 *       this host (Fibre Channel; a virtual one of NPIV is a host, too), or the
 *       NAA identifier of the logical unit itself
 * @lun: its LUN there
 *
 * Return: 0; -ENODEV if there is none; -EEXIST if there are several.
 */
int sgdev_find_port(const struct sgdev_roots *roots, const char *wwn,
		    uint64_t lun, struct sgdev *dev) XPV_MUST_CHECK;

/*
 * sgdev_find_iscsi - the SCSI device that this host's own initiator has of a target
 * @target: its iSCSI name
 *
 * Return: 0; -ENODEV if it has none; -EEXIST if by several sessions: @dev is one.
 */
int sgdev_find_iscsi(const struct sgdev_roots *roots, const char *target,
		     uint64_t lun, struct sgdev *dev) XPV_MUST_CHECK;

typedef void sgdev_fn(void *ctx, const struct sgdev *dev);

/* sgdev_each - FN for each SCSI device of the host, in order of address. */
void sgdev_each(const struct sgdev_roots *roots, sgdev_fn *fn, void *ctx);

/* sgdev_host_made - as sgdev.made, of an adapter; 0: there is no such one. */
uint64_t sgdev_host_made(const struct sgdev_roots *roots, uint32_t number);

/* sgdev_type - "disk", "tape", "changer", ... "other" for a device type. */
const char *sgdev_type(uint32_t type);

/*
 * sgdev_nodes - its nodes in /dev
 * @text: "sda sg0", "st0 nst0 sg2"; "" if there are none
 */
void sgdev_nodes(const struct sgdev_roots *roots, const struct sgdev *dev,
		 char *text, size_t len);

/*
 * sgdev_name - what to call it by so that it is found again
 * @dev_dir: "/dev"
 * @text: a link in DEV_DIR/tape/by-id or DEV_DIR/disk/by-id; without udev
 *        "naa.WWN:LUN" if that is unambiguous, or its address
 */
void sgdev_name(const struct sgdev_roots *roots, const char *dev_dir,
		const struct sgdev *dev, char *text, size_t len);

/*
 * sgdev_active - commands that the device has been given, of whoever, and has not
 *                ended
 * @count: by the counters of Linux (iorequest_cnt, iodone_cnt), which do not
 *         agree for ever: before 6.2 a command that has timed out has no end, so
 *         that another count of the same device is to be taken off
 *
 * A command that waits in the host's own queue is not among them. It is given to
 * the device when that has room, or 3 ms after the device has said that it is busy
 * (SCSI_QUEUE_DELAY).
 *
 * Return: 0; -ENODEV if the device is gone.
 */
int sgdev_active(const struct sgdev_roots *roots, const struct sgdev *dev,
		 uint32_t *count) XPV_MUST_CHECK;

/* A character device that a process has open. */
struct sgdev_open {
	pid_t pid;
	dev_t dev;
};

struct sgdev_users {
	struct sgdev_open *open;
	size_t n;
};

/*
 * sgdev_users_read - all character devices that other processes have open
 *
 * Looks at every descriptor of every process: once for many devices. Free it
 * with sgdev_users_free(). Return: 0 or -ENOMEM.
 */
int sgdev_users_read(const struct sgdev_roots *roots,
		     struct sgdev_users *users) XPV_MUST_CHECK;
void sgdev_users_free(struct sgdev_users *users);

/*
 * sgdev_user - who of @users has one of its character devices open
 * @text: for people: "tar (process 123, st0)"; "" if nobody has
 */
void sgdev_user(const struct sgdev_roots *roots,
		const struct sgdev_users *users, const struct sgdev *dev,
		char *text, size_t len);

/*
 * sgdev_holder - what the host does with its disk
 * @text: for people: "mounted on /mnt", "swap space", "part of vg0-root (dm-0)";
 *        "" if nothing is known
 */
void sgdev_holder(const struct sgdev_roots *roots, const struct sgdev *dev,
		  char *text, size_t len);

#endif
