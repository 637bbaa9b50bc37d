/* SPDX-License-Identifier: BSD-2-Clause */
/* How a disk is served: see disk_tune.h. */
#include "control/disk_tune.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/vbd_front.h"
#include "core/xs.h"

#define RATE_MAX (UINT64_C(1) << 50)

static const char *const enospc_words[] = {"fail", "pause", NULL};

static const struct row {
	const char *name;
	uint64_t min, max;
	bool bytes;		  /* may end in k, M, G or T */
	bool live;		  /* may be changed; 0 is the default then */
	const char *value;	  /* what it must be, for people */
	const char *const *words; /* instead of a number */
} rows[TUNE_N] = {
	[TUNE_QUEUES] = {"queues", 1, VBD_QUEUES_MAX, false, false,
			 "a number from 1 to 16"},
	[TUNE_PERSISTENT] = {"persistent", 0, 4096, false, false,
			     "a number of grants from 0 to 4096"},
	[TUNE_IOPS] = {"iops", 1, 1000000000, false, true,
		       "requests a second, 1 to 1000000000, or 0 for no limit"},
	[TUNE_IOPS_BURST] = {"iops-burst", 1, 1000000000, false, true,
			     "requests, 1 to 1000000000, or 0 for the default"},
	[TUNE_BPS] = {"bps", 4096, RATE_MAX, true, true,
		      "bytes a second, at least 4096, as in 100M, or 0 for no "
		      "limit"},
	[TUNE_BPS_BURST] = {"bps-burst", 4096, RATE_MAX, true, true,
			    "bytes, at least 4096, as in 10M, or 0 for the "
			    "default"},
	[TUNE_ON_ENOSPC] = {"on-enospc", 0, 1, false, true, "fail or pause",
			    enospc_words},
};

_Static_assert(VBD_QUEUES_MAX == 16, "what is said of queues=");

const char *disk_tune_name(enum disk_tune_key key)
{
	return rows[key].name;
}

bool disk_tune_live(enum disk_tune_key key)
{
	return rows[key].live;
}

bool disk_tune_is_set(const struct disk_tune *tune, enum disk_tune_key key)
{
	return tune->value[key] || (tune->given & 1u << key && !rows[key].live);
}

/* "100M": false if it is no such number. */
static bool parse(const struct row *row, const char *value, uint64_t *n)
{
	static const char suffixes[] = "kMGT";
	size_t len = strlen(value);
	const char *suffix = NULL;
	unsigned shift = 0;

	for (*n = 0; row->words && row->words[*n]; ++*n)
		if (!strcmp(value, row->words[*n]))
			return true;
	if (row->words)
		return false;
	if (row->bytes && len > 1)
		suffix = strchr(suffixes, value[len - 1]);
	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		len--;
	}
	if (xs_parse_u64(value, len, n) || *n > row->max >> shift)
		return false;
	*n <<= shift;
	return *n >= row->min || (row->live && *n == 0);
}

void disk_tune_text(const struct disk_tune *tune, enum disk_tune_key key,
		    char *text)
{
	uint64_t value = tune->value[key];

	if (rows[key].words)
		snprintf(text, TUNE_TEXT_MAX, "%s", rows[key].words[value]);
	else
		xs_format_u64(text, value);
}

static int set(struct disk_tune *tune, size_t i, const char *value, char *err,
	       size_t len)
{
	uint64_t n;

	if (!parse(&rows[i], value, &n)) {
		snprintf(err, len, "'%s=%.64s' is not valid: it must be %s",
			 rows[i].name, value, rows[i].value);
		return -EINVAL;
	}
	tune->value[i] = n;
	tune->given |= 1u << i;
	return 0;
}

int disk_tune_set(struct disk_tune *tune, const char *item, char *err,
		  size_t len)
{
	for (size_t i = 0; i < TUNE_N; i++) {
		size_t n = strlen(rows[i].name);

		if (strncmp(item, rows[i].name, n) || item[n] != '=')
			continue;
		if (tune->given & 1u << i) {
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
