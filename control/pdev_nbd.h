/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pdev that an NBD server serves: nbd:unix:/SOCKET[:EXPORT] and
 * nbd://HOST[:PORT][/EXPORT]. For control/pdev.c alone, which has the rules
 * for errors, too.
 *
 * Connecting, and the negotiation that NBD begins with, are libnbd's. What is
 * passed on is the socket behind that: the worker speaks no more than requests
 * and replies (storage/nbd.c). So each opening is a connection of its own, and
 * the server must take one after another: the command line looks before it
 * attaches, and a worker that has died gets a new one.
 */
#ifndef CONTROL_PDEV_NBD_H
#define CONTROL_PDEV_NBD_H

#include "control/pdev.h"

/* Does NAME begin as one of these do? */
bool pdev_nbd_is(const char *name);

/* Check NAME and fill in PDEV; connects to nothing. -EINVAL. */
int pdev_nbd_parse(struct pdev *pdev, const char *name, char *err,
		   size_t len) XPV_MUST_CHECK;

/*
 * Connect, negotiate, and measure: all of PROPS but its identity. *FD is the
 * caller's. May block for PDEV_NBD_PATIENCE_MS, and as long as looking up a
 * host's name takes. -ETIMEDOUT; -ECONNREFUSED and others of connect(2);
 * -EPROTO for a server that refuses or speaks something else; -EROFS for an
 * export that is read-only while PDEV is not; -EINVAL for block sizes that
 * cannot be served.
 */
int pdev_nbd_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		  char *err, size_t len) XPV_MUST_CHECK;

#define PDEV_NBD_PATIENCE_MS 5000
#define PDEV_NBD_AGAIN_MS    1000 /* with pdev->again */

/*
 * The same with a server that is connected already, by CLIENT, which becomes
 * libnbd's. -EPIPE: it has hung up.
 */
int pdev_nbd_negotiate(const struct pdev *pdev, int client, int *fd,
		       struct pdev_props *props, char *err,
		       size_t len) XPV_MUST_CHECK;

#endif
