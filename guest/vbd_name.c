/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and names of disks: xen-vbd-interface(7). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/xs.h"
#include "guest/vbd.h"

/* A block major with so many disks, of so many partitions each. */
struct family {
	const char *prefix;
	uint32_t major;
	uint32_t first, disks; /* those that have this major */
	uint32_t shift;	       /* bits of a partition's number */
};

static const struct family families[] = {
	{"xvd", 202, 0, 16, 4},
	{"sd", 8, 0, 16, 4},
	{"hd", 3, 0, 2, 6},
	{"hd", 22, 2, 2, 6},
};

/* All disks that have no place above: 20 bits of disk, 8 of partition. */
#define EXTENDED       (1u << 28)
#define EXTENDED_SHIFT 8
#define EXTENDED_DISKS (1u << 20)

/* "a" is 0, "z" 25, "aa" 26. The bytes used, or 0. */
static size_t parse_letters(const char *text, uint32_t *disk)
{
	size_t n = 0;
	uint32_t d = 0;

	for (; text[n] >= 'a' && text[n] <= 'z' && n < 5; n++)
		d = d * 26 + (uint32_t)(text[n] - 'a') + 1;
	*disk = d - 1;
	return n;
}

/* A number to the end of TEXT, without zeroes before it; none is 0. */
static bool parse_partition(const char *text, uint32_t *part)
{
	*part = 0;
	if (!*text)
		return true;
	return *text != '0' && !xs_parse_u32(text, strlen(text), part);
}

static bool number_of(const char *prefix, uint32_t disk, uint32_t part,
		      uint32_t *number)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(families); i++) {
		const struct family *f = &families[i];

		if (strcmp(f->prefix, prefix) || disk < f->first ||
		    disk - f->first >= f->disks || part >> f->shift)
			continue;
		*number = f->major << 8 | (disk - f->first) << f->shift | part;
		return true;
	}
	if (strcmp(prefix, "xvd") || disk >= EXTENDED_DISKS ||
	    part >> EXTENDED_SHIFT)
		return false;
	*number = EXTENDED | disk << EXTENDED_SHIFT | part;
	return true;
}

/* "d3p1" is partition 1 of disk 3. */
static bool parse_plain(const char *text, uint32_t *number)
{
	unsigned disk, part = 0;
	int end = 0, more = 0;

	if (*text != 'd' || text[1] < '0' || text[1] > '9' ||
	    sscanf(text, "d%7u%n", &disk, &end) != 1)
		return false;
	if (text[end] == 'p' && text[end + 1] >= '0' && text[end + 1] <= '9' &&
	    sscanf(text + end, "p%3u%n", &part, &more) != 1)
		return false;
	return !text[end + more] && number_of("xvd", disk, part, number);
}

bool vbd_number(const char *text, uint32_t *number)
{
	static const char *const prefix[] = {"xvd", "sd", "hd"};
	uint32_t disk, part;

	if (!strncmp(text, "vbd/", 4))
		text += 4;
	if (*text >= '1' && *text <= '9')
		return !xs_parse_u32(text, strlen(text), number);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(prefix); i++) {
		const char *p = text + strlen(prefix[i]);
		size_t n;

		if (strncmp(text, prefix[i], strlen(prefix[i])))
			continue;
		n = parse_letters(p, &disk);
		return n && parse_partition(p + n, &part) &&
		       number_of(prefix[i], disk, part, number);
	}
	return parse_plain(text, number);
}

static void format(const char *prefix, uint32_t disk, uint32_t part,
		   char name[VBD_NAME_MAX])
{
	char letters[8], number[12] = "";
	size_t n = sizeof(letters) - 1;

	letters[n] = '\0';
	for (disk++; disk && n; disk = (disk - 1) / 26)
		letters[--n] = (char)('a' + (disk - 1) % 26);
	if (part)
		snprintf(number, sizeof(number), "%" PRIu32, part);
	snprintf(name, VBD_NAME_MAX, "%s%s%s", prefix, letters + n, number);
}

void vbd_name(uint32_t number, char name[VBD_NAME_MAX])
{
	uint32_t disk, part;

	if (number >> 28 == 1) {
		disk = (number & (EXTENDED - 1)) >> EXTENDED_SHIFT;
		part = number & ((1u << EXTENDED_SHIFT) - 1);
		if (disk >> 4 || part >> 4) {
			format("xvd", disk, part, name);
			return;
		}
	}
	for (size_t i = 0; i < XPV_ARRAY_SIZE(families); i++) {
		const struct family *f = &families[i];

		disk = (number & 0xff) >> f->shift;
		part = number & ((1u << f->shift) - 1);
		if (number >> 8 != f->major || disk >= f->disks)
			continue;
		format(f->prefix, f->first + disk, part, name);
		return;
	}
	snprintf(name, VBD_NAME_MAX, "%" PRIu32, number);
}
