/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of disks: see vbd_name.h. */
#include "control/vbd_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAJOR_XVD 202u
#define MAJOR_SD  8u
#define MAJOR_HD0 3u  /* hda, hdb */
#define MAJOR_HD1 22u /* hdc, hdd */

#define EXTENDED (UINT32_C(1) << 28)

#define XVD_DISK_MAX ((UINT32_C(1) << 20) - 1)
#define XVD_PART_MAX 255u

struct place {
	uint32_t disk, part;
};

static uint32_t xvd_number(struct place at)
{
	if (at.disk <= 15 && at.part <= 15)
		return MAJOR_XVD << 8 | at.disk << 4 | at.part;
	return EXTENDED | at.disk << 8 | at.part;
}

static uint32_t sd_number(struct place at)
{
	return MAJOR_SD << 8 | at.disk << 4 | at.part;
}

static uint32_t hd_number(struct place at)
{
	return (at.disk < 2 ? MAJOR_HD0 : MAJOR_HD1) << 8 | (at.disk & 1) << 6 |
	       at.part;
}

static const struct family {
	const char *prefix;
	struct place max;
	uint32_t (*number)(struct place at);
} families[] = {
	{"xvd", {XVD_DISK_MAX, XVD_PART_MAX}, xvd_number},
	{"sd", {15, 15}, sd_number},
	{"hd", {3, 63}, hd_number},
};

/* A decimal number without a leading zero, at most MAX; moves *P on. */
static bool take_number(const char **p, uint32_t max, uint32_t *value)
{
	const char *start = *p;
	uint64_t n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (uint32_t)(**p - '0');
		if (n > max)
			return false;
	}
	*value = (uint32_t)n;
	return *p > start && (*start != '0' || *p == start + 1);
}

/* Letters as a number; at most MAX. */
static bool take_letters(const char **p, uint32_t max, uint32_t *value)
{
	const char *start = *p;
	uint32_t n = 0;

	for (; **p >= 'a' && **p <= 'z'; (*p)++) {
		n = (*p == start ? 0 : (n + 1) * 26) + (uint32_t)(**p - 'a');
		if (n > max)
			return false;
	}
	*value = n;
	return *p > start;
}

/* "a", "a1": what follows a family's prefix. */
static bool take_disk(const char *p, const struct place *max, struct place *at)
{
	at->part = 0;
	if (!take_letters(&p, max->disk, &at->disk))
		return false;
	return !*p ||
	       (take_number(&p, max->part, &at->part) && at->part && !*p);
}

/* "d5p2" */
static bool take_pair(const char *p, struct place *at)
{
	if (*p++ != 'd' || !take_number(&p, XVD_DISK_MAX, &at->disk) ||
	    *p++ != 'p' || !take_number(&p, XVD_PART_MAX, &at->part))
		return false;
	return !*p;
}

/* A number itself: what a guest's tools may show. */
static bool take_raw(const char *p, uint32_t *number)
{
	uint32_t n = 0;
	int digit;

	if (p[0] != '0' || p[1] != 'x')
		return take_number(&p, EXTENDED * 2 - 1, number) && !*p;
	for (p += 2; *p; p++) {
		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			digit = *p - 'a' + 10;
		else
			return false;
		if (n >> 25)
			return false;
		n = n << 4 | (uint32_t)digit;
	}
	*number = n;
	return p[-1] != 'x';
}

int vbd_name_parse(const char *name, uint32_t *number, char *err, size_t len)
{
	struct place at;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(families); i++) {
		const struct family *f = &families[i];

		if (strncmp(name, f->prefix, strlen(f->prefix)))
			continue;
		if (!take_disk(name + strlen(f->prefix), &f->max, &at))
			break;
		*number = f->number(at);
		return 0;
	}
	if (take_pair(name, &at)) {
		*number = xvd_number(at);
		return 0;
	}
	if (take_raw(name, number))
		return 0;
	snprintf(
		err, len,
		"vdev '%.64s' is no name of a disk: try xvda (to xvdzz and on), sda (to sdp), hda (to hdd), or d0p0",
		name);
	return -EINVAL;
}

bool vbd_name_is(const char *text, uint32_t *number)
{
	char err[160];

	if (!strncmp(text, "vbd/", 4))
		text += 4;
	return vbd_name_parse(text, number, err, sizeof(err)) == 0;
}

/* Letters of DISK, from the last to the first. */
static const char *letters(uint32_t disk, char *end)
{
	char *p = end;

	*p = '\0';
	for (;;) {
		*--p = (char)('a' + disk % 26);
		if (disk < 26)
			return p;
		disk = disk / 26 - 1;
	}
}

void vbd_name_format(uint32_t number, char *name)
{
	uint32_t major = number >> 8, minor = number & 0xff;
	const char *prefix = "xvd";
	struct place at = {minor >> 4, minor & 15};
	char disk[8];

	if (number & EXTENDED && number < 2 * EXTENDED) {
		at = (struct place){(number & ~EXTENDED) >> 8, minor};
	} else if (major == MAJOR_SD) {
		prefix = "sd";
	} else if ((major == MAJOR_HD0 || major == MAJOR_HD1) && minor < 128) {
		prefix = "hd";
		at = (struct place){(minor >> 6) + (major == MAJOR_HD1) * 2u,
				    minor & 63};
	} else if (major != MAJOR_XVD) {
		snprintf(name, VBD_TEXT_MAX, "%" PRIu32, number);
		return;
	}
	snprintf(name, VBD_TEXT_MAX, "%s%s", prefix,
		 letters(at.disk, disk + sizeof(disk) - 1));
	if (at.part)
		snprintf(name + strlen(name), VBD_TEXT_MAX - strlen(name),
			 "%" PRIu32, at.part);
}
