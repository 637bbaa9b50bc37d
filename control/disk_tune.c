/* SPDX-License-Identifier: BSD-2-Clause */
/* How a disk is served: see disk_tune.h. */
#include "control/disk_tune.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/vbd_front.h"
#include "core/xs.h"

static const struct row {
	const char *name;
	uint64_t min, max;
	const char *value; /* what it must be, for people */
} rows[TUNE_N] = {
	[TUNE_QUEUES] = {"queues", 1, VBD_QUEUES_MAX, "a number from 1 to 16"},
};

_Static_assert(VBD_QUEUES_MAX == 16, "what is said of queues=");

const char *disk_tune_name(enum disk_tune_key key)
{
	return rows[key].name;
}

static int set(struct disk_tune *tune, size_t i, const char *value, char *err,
	       size_t len)
{
	uint64_t n;

	if (xs_parse_u64(value, strlen(value), &n) || n < rows[i].min ||
	    n > rows[i].max) {
		snprintf(err, len, "'%s=%.64s' is not valid: it must be %s",
			 rows[i].name, value, rows[i].value);
		return -EINVAL;
	}
	tune->value[i] = n;
	return 0;
}

int disk_tune_set(struct disk_tune *tune, const char *item, char *err,
		  size_t len)
{
	for (size_t i = 0; i < TUNE_N; i++) {
		size_t n = strlen(rows[i].name);

		if (strncmp(item, rows[i].name, n) || item[n] != '=')
			continue;
		if (tune->value[i]) {
			snprintf(err, len, "%s is given twice: leave one out",
				 rows[i].name);
			return -EINVAL;
		}
		return set(tune, i, item + n + 1, err, len);
	}
	return -ENOENT;
}

int disk_tune_read(struct disk_tune *tune, const struct store_tree *back,
		   char *err, size_t len)
{
	const char *text;
	int rc = 0;

	*tune = (struct disk_tune){0};
	for (size_t i = 0; i < TUNE_N && !rc; i++) {
		text = tree_get(back, rows[i].name);
		if (text)
			rc = set(tune, i, text, err, len);
	}
	return rc;
}
