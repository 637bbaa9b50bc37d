/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands that show xenpvd's status have in common. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * status_device_name - how people call DEVICE of the status: a disk by its name
 *	in the guest, all else by kind and number; in OUT of SIZE bytes, not
 *	cleaned
 * status_device_state - what is with it, in a word or a few
 * status_member - the number NAME in OBJECT; 0 if there is none
 */
void status_device_name(const json_t *device, char *out, size_t size);
const char *status_device_state(const json_t *device);
json_int_t status_member(const json_t *object, const char *name);

#endif
