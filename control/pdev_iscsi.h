/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of pdev.h that is about LUNs of iSCSI targets (PDEV_ISCSI):
 * iscsi://HOST[:PORT]/TARGET/LUN. For control/pdev.c and control/vscsi_lun.c.
 *
 * Control looks at a LUN in a session of its own, which ends with that, so that
 * what is wrong is known before a guest has it. What it passes on is a second
 * connection, which nobody has logged in over yet, and who is to: the session is
 * the worker's (lun/iscsi).
 */
#ifndef CONTROL_PDEV_ISCSI_H
#define CONTROL_PDEV_ISCSI_H

#include "control/pdev.h"

/* Does NAME begin as one does? */
bool pdev_iscsi_is(const char *name);

/* Check NAME and fill in PDEV, whose options are there; connects to nothing.
 * -EINVAL; -EOPNOTSUPP: this xenpv is built without libiscsi. */
int pdev_iscsi_parse(struct pdev *pdev, const char *name, char *err,
		     size_t len) XPV_MUST_CHECK;

/* As pdev_id(). */
void pdev_iscsi_id(const struct pdev *pdev, char *id);

/*
 * Look at the LUN and connect: as pdev_open(). May block for PDEV_ISCSI_MS, and as
 * long as looking up a host's name takes. -ETIMEDOUT; -ECONNREFUSED and others of
 * connect(2); -EACCES: the target refuses; -ENODEV: it has no such LUN; -EREMCHG:
 * it is at another portal.
 */
int pdev_iscsi_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *err, size_t len) XPV_MUST_CHECK;

#define PDEV_ISCSI_MS	    5000
#define PDEV_ISCSI_AGAIN_MS 1000 /* with pdev->again */

/*
 * A file in memory with a struct iscsi_login, for the worker of a guest's LUN:
 * PORT, any number, tells initiator ports apart and is the same whenever that LUN
 * is given. A descriptor, the caller's, or a negative errno.
 */
int pdev_iscsi_login(const struct pdev *pdev, uint64_t port, char *err,
		     size_t len) XPV_MUST_CHECK;

#endif
