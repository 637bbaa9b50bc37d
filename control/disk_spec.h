/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk as an administrator writes it: xl's syntax, xl-disk-configuration(5).
 *
 *     /dev/vg0/web,raw,xvda,rw                        by position
 *     format=raw, vdev=xvda, access=rw, target=/dev/vg0/web
 *
 * Parts are separated by commas, blanks before them mean nothing. Words that
 * are no known parameter are target, format, vdev and access, in this order,
 * and may be empty. target= takes all that follows. Of xl's parameters those
 * that make sense here are understood; the others are refused by name, so that
 * nobody's disk is quietly another one than they wrote. Ours besides: shared,
 * blocksize= and direct=, as of a LUN (control/pdev.h), and how the disk is
 * served (control/disk_tune.h).
 *
 * xl's own parser, of libxlutil, is not used: it takes libxenlight into the
 * program, whose name changes with every version of Xen, and it would have to
 * be there where there is no Xen, too. A test holds this one beside it.
 */
#ifndef CONTROL_DISK_SPEC_H
#define CONTROL_DISK_SPEC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/disk_tune.h"
#include "control/pdev.h"
#include "control/vbd_name.h"
#include "wire/port.h"

#define DISK_SPEC_MAX (PATH_MAX + 512)

struct disk_spec {
	char target[PATH_MAX];
	char vdev[VBD_TEXT_MAX]; /* as written */
	uint32_t number;	 /* of it */
	bool cdrom;
	bool no_discard;
	struct pdev_options options; /* read_only: of access */
	struct disk_tune tune;
};

/*
 * disk_spec_parse - the DISK-SPEC argument
 * @err, @len: one line when it fails: what, why, what to try
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP: xl's syntax, but nothing we serve.
 */
int disk_spec_parse(struct disk_spec *spec, const char *text, char *err,
		    size_t len) XPV_MUST_CHECK;

#endif
