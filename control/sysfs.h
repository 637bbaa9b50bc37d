/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading sysfs and proc: small files that hold one line, a number, or bytes;
 * directories of one name. What is not there reads as "" or 0, since
 * everything may vanish while it is looked at.
 */
#ifndef CONTROL_SYSFS_H
#define CONTROL_SYSFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* DIR/NAME into PATH (PATH_MAX bytes); false: too long. */
bool sysfs_join(char *path, const char *dir, const char *name);

/* The bytes of DIR/NAME, a NUL behind; how many, or -1. */
ssize_t sysfs_bytes(const char *dir, const char *name, char *out, size_t len);

/* The first line of DIR/NAME without blanks at its ends. */
void sysfs_line(const char *dir, const char *name, char *out, size_t len);

/* The decimal number in DIR/NAME, at most MAX. */
uint32_t sysfs_number(const char *dir, const char *name, uint32_t max);

/* "9:128" of DIR/NAME; false: it is none. */
bool sysfs_dev(const char *dir, const char *name, dev_t *dev);

/* The first name in DIR that begins with PREFIX; "" if there is none. */
void sysfs_first(const char *dir, const char *prefix, char *out, size_t len);

#endif
