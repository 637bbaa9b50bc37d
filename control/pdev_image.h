/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image of another format than raw is served by a qemu-nbd(8) of its own,
 * for one connection; it ends with that. For control/pdev.c alone.
 */
#ifndef CONTROL_PDEV_IMAGE_H
#define CONTROL_PDEV_IMAGE_H

#include "control/pdev.h"

/*
 * Start a server for PDEV and be its client, as pdev_nbd_open() is. The format
 * is the one that was given; nothing is guessed from what is in the image. A
 * server that ends at once is started again for a while: the one before it may
 * not have let go of the image yet.
 *
 * May block for twice PDEV_NBD_PATIENCE_MS. Besides the errors there, those of
 * execvp(3).
 */
int pdev_image_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *err, size_t len) XPV_MUST_CHECK;

#endif
