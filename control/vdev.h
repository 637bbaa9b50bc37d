/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The place of a LUN in a guest, as an administrator writes it:
 *
 *     H:C:T:L[,options]      "0:0:1:0,ro,serial=A1"
 *
 * H is the controller (xenstore's device id), C, T and L are what the guest's
 * SCSI layer shows. The numbers and the options are parsed by control/pdev.h,
 * for the daemon too; this adds what only whoever attaches has to know: the
 * comma, and what stock frontends can address.
 */
#ifndef CONTROL_VDEV_H
#define CONTROL_VDEV_H

#include <stdbool.h>
#include <stddef.h>

#include "control/pdev.h"

/* "65535:255:255:16383" and a NUL, with room to spare. */
#define VDEV_TEXT_MAX 32

/* Limits of Linux' xen-scsifront, the strictest of the stock frontends: its
 * host has max_channel 0, max_id 64 and max_lun 255. */
#define VDEV_CHANNEL_MAX 0
#define VDEV_TARGET_MAX	 63
#define VDEV_LUN_MAX	 255

/*
 * vdev_parse - the VDEV[,options] argument
 * @at: receives the address
 * @options: receives the options; NULL: none are allowed
 * @err, @len: one line when it fails: what, why, what to try
 *
 * Return: 0; -EINVAL: not that form, an unknown option, or a place that
 * frontends cannot address.
 */
int vdev_parse(struct pdev_vdev *at, struct pdev_options *options,
	       const char *text, char *err, size_t len) XPV_MUST_CHECK;

/* vdev_format - the canonical "H:C:T:L"; @text has VDEV_TEXT_MAX bytes. */
void vdev_format(const struct pdev_vdev *at, char *text);

/*
 * vdev_is - is @node, the value of a v-dev node, this place?
 *
 * Numbers are compared, not characters: other tools may write "0:0:01:0". What
 * is no vdev at all is no place; NULL is allowed.
 */
bool vdev_is(const struct pdev_vdev *at, const char *node);

#endif
