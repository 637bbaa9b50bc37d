/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of pdev.h that is about virtual tape libraries (PDEV_VTL):
 * vtl:DIR:changer and vtl:DIR:driveN; for control/pdev.c alone.
 */
#ifndef CONTROL_PDEV_VTL_H
#define CONTROL_PDEV_VTL_H

#include "control/pdev.h"

bool pdev_vtl_is(const char *name);

/* PDEV, whose options are there, becomes that. As pdev_parse(). */
int pdev_vtl_parse(struct pdev *pdev, const char *name, char *err,
		   size_t len) XPV_MUST_CHECK;

/* As pdev_id(): the library, a colon, and what of it. */
int pdev_vtl_id(const struct pdev *pdev, char *id) XPV_MUST_CHECK;

/* As pdev_open(). *FD is one end of a pair with the library's files in it
 * (control/vtl_send.h). */
int pdev_vtl_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		  char *err, size_t len) XPV_MUST_CHECK;

#endif
