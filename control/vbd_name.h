/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of disks in a guest and the numbers that stand for them: Xen's
 * docs/man/xen-vbd-interface(7).
 *
 *     name            number
 *     xvdX[N], dXpN   202 << 8 | X << 4 | N      X and N up to 15
 *                     1 << 28 | X << 8 | N       beyond that
 *     sdX[N]          8 << 8 | X << 4 | N        X and N up to 15
 *     hdX[N]          3 << 8 | X << 6 | N        hda, hdb; N up to 63
 *                     22 << 8 | (X - 2) << 6 | N hdc, hdd
 *
 * X is written as letters (a is 0, z 25, aa 26) or, in the form dXpN, as a
 * number; N, the partition, as a number from 1, and 0 is the whole disk.
 */
#ifndef CONTROL_VBD_NAME_H
#define CONTROL_VBD_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/port.h"

#define VBD_TEXT_MAX 32

/*
 * vbd_name_parse - the number of a name
 *
 * A plain number is taken, too, as xl does: decimal, or with 0x in front.
 *
 * Return: 0; -EINVAL with a line in @err: no such form, or beyond its limits.
 */
int vbd_name_parse(const char *name, uint32_t *number, char *err,
		   size_t len) XPV_MUST_CHECK;

/*
 * vbd_name_is - is @text the name of a disk, as people give it to a guest?
 *
 * The forms of vbd_name_parse(), also with "vbd/" in front. False: something
 * else may be meant.
 */
bool vbd_name_is(const char *text, uint32_t *number);

/* vbd_name_format - the name of @number; the number itself if it has none.
 * @name has VBD_TEXT_MAX bytes. */
void vbd_name_format(uint32_t number, char *name);

#endif
