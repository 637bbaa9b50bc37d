/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of pdev.h that is about real SCSI devices (PDEV_SG); for
 * control/pdev.c alone.
 */
#ifndef CONTROL_PDEV_SG_H
#define CONTROL_PDEV_SG_H

#include <sys/stat.h>

#include "control/pdev.h"

/* Is the thing to be given itself, not by a disk that is emulated on it? */
bool pdev_sg_wanted(const struct pdev *pdev, const struct stat *st);

/*
 * PDEV, whose name and options are there, becomes the device that ST is a node
 * of; or the one that was under that name when it was attached (option wwid),
 * for which ST may be NULL. As pdev_parse().
 */
int pdev_sg_parse(struct pdev *pdev, const struct stat *st, char *err,
		  size_t len) XPV_MUST_CHECK;

/* Is NAME the name of a SCSI device, not a path: "H:C:T:L", "naa.WWN:LUN"? */
bool pdev_sg_is(const char *name);

/*
 * PDEV, whose options are there, becomes the device that has such a NAME, or
 * the one that had it when it was attached. As pdev_parse().
 */
int pdev_sg_parse_name(struct pdev *pdev, const char *name, char *err,
		       size_t len) XPV_MUST_CHECK;

/* What may not be said of a device that is given as it is: -EINVAL for an option,
 * or faults, of PDEV. */
int pdev_sg_check_said(const struct pdev *pdev, const char *name, char *err,
		       size_t len) XPV_MUST_CHECK;

/* Does the host use SG, by a program that has a node of it open, or a file system?
 * Then -EBUSY, with who in the line; else 0. */
int pdev_sg_unused(const struct pdev *pdev, const struct sgdev *sg, char *err,
		   size_t len) XPV_MUST_CHECK;

/* As pdev_open(). *FD is O_PATH, of the sg node. */
int pdev_sg_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		 char *err, size_t len) XPV_MUST_CHECK;

#endif
