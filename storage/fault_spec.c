/* SPDX-License-Identifier: BSD-2-Clause */
/* The text that says what is to be broken: fault_spec.h. */
#include "storage/fault_spec.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "storage/storage.h"

#define TIME_MAX_MS 3600000u

#define BIT(op) (1u << (op))
#define ALL                                                                    \
	(BIT(STORAGE_READ) | BIT(STORAGE_WRITE) | BIT(STORAGE_FLUSH) |         \
	 BIT(STORAGE_DISCARD) | BIT(STORAGE_ZERO) | BIT(STORAGE_EXTENT))

static const struct {
	const char *name;
	uint32_t ops;	 /* when none is named */
	uint32_t may;	 /* those that may be named */
	bool takes_time; /* NAME=TIME */
} effects[] = {
	[FAULT_EIO] = {"eio", ALL, ALL, false},
	[FAULT_ENOSPC] = {"enospc", BIT(STORAGE_WRITE) | BIT(STORAGE_ZERO), ALL,
			  false},
	[FAULT_SHORT] = {"short", BIT(STORAGE_READ) | BIT(STORAGE_WRITE),
			 BIT(STORAGE_READ) | BIT(STORAGE_WRITE), false},
	[FAULT_SLOW] = {"slow", ALL, ALL, true},
	[FAULT_HANG] = {"hang", ALL, ALL, true},
	[FAULT_CRASH] = {"crash", ALL, ALL, false},
};

static const char *const op_names[] = {
	[STORAGE_READ] = "read",       [STORAGE_WRITE] = "write",
	[STORAGE_FLUSH] = "flush",     [STORAGE_ZERO] = "zero",
	[STORAGE_DISCARD] = "discard", [STORAGE_EXTENT] = "extent",
};

static int bad(char *err, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int bad(char *err, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return XPV_EINVAL;
}

/* Digits at *TEXT, a value of at most MAX; *TEXT moves behind them. */
static bool number(const char **text, uint64_t max, uint64_t *value)
{
	const char *p = *text;
	uint64_t digit;

	*value = 0;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		digit = (uint64_t)(*p - '0');
		if (*value > (max - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	*text = p;
	return true;
}

/* Bytes: digits and perhaps k, M, G or T. */
static bool bytes(const char **text, uint64_t *value)
{
	static const char units[] = "kMGT";
	const char *unit;
	unsigned shift;

	if (!number(text, UINT64_MAX >> 1, value))
		return false;
	unit = **text ? strchr(units, **text) : NULL;
	if (!unit)
		return true;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*value > (UINT64_MAX >> 1) >> shift)
		return false;
	*value <<= shift;
	(*text)++;
	return true;
}

static bool take_time(const char *p, uint32_t *ms)
{
	uint64_t n;

	if (!number(&p, TIME_MAX_MS, &n))
		return false;
	if (!strcmp(p, "s"))
		n *= 1000;
	else if (strcmp(p, "ms") != 0)
		return false;
	*ms = (uint32_t)n;
	return n <= TIME_MAX_MS;
}

/* "25%" or "0.1%", in a million. */
static bool take_chance(const char *p, uint32_t *chance)
{
	uint64_t n, scale = FAULT_CERTAIN / 100;

	if (!number(&p, 100, &n))
		return false;
	n *= scale;
	if (*p == '.' && p[1] != '%') {
		for (p++; *p >= '0' && *p <= '9' && scale > 1; p++) {
			scale /= 10;
			n += (uint64_t)(*p - '0') * scale;
		}
	}
	*chance = (uint32_t)n;
	return !strcmp(p, "%") && n > 0 && n <= FAULT_CERTAIN;
}

static bool take_range(const char *p, struct fault_part *part)
{
	uint64_t from, to = UINT64_MAX;

	if (!bytes(&p, &from) || *p++ != '-' || (*p && !bytes(&p, &to)))
		return false;
	part->from = from;
	part->to = to;
	return !*p && from < to;
}

static bool take_times(const char *p, uint32_t *times)
{
	uint64_t n;

	if (*p++ != 'x' || !number(&p, UINT32_MAX, &n) || *p || !n)
		return false;
	*times = (uint32_t)n;
	return true;
}

static bool take_op(const char *word, uint32_t *ops)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(op_names); i++) {
		if (strcmp(word, op_names[i]) != 0)
			continue;
		*ops |= BIT(i);
		return true;
	}
	return false;
}

/* The first word of a part. */
static int take_effect(struct fault_part *part, char *word, char *err,
		       size_t len)
{
	char *value = strchr(word, '=');
	size_t i;

	if (value)
		*value++ = '\0';
	for (i = 0; i < XPV_ARRAY_SIZE(effects); i++)
		if (!strcmp(word, effects[i].name))
			break;
	if (i == XPV_ARRAY_SIZE(effects))
		return bad(err, len,
			   "'%.32s' is none of eio, enospc, short, slow, hang "
			   "and seed",
			   word);
	if (!effects[i].takes_time && value)
		return bad(err, len, "'%s' takes no value", word);
	if (effects[i].takes_time &&
	    (!value || !take_time(value, &part->delay_ms)))
		return bad(err, len,
			   "'%s' needs a time up to an hour, as in %s=20ms or "
			   "%s=5s",
			   word, word, word);
	*part = (struct fault_part){
		.effect = (enum fault_effect)i,
		.chance = FAULT_CERTAIN,
		.to = UINT64_MAX,
		.delay_ms = part->delay_ms,
	};
	return 0;
}

static int take_part(struct fault_part *part, char *text, char *err, size_t len)
{
	char *word = strsep(&text, "/");
	int rc = take_effect(part, word, err, len);

	while (!rc && (word = strsep(&text, "/"))) {
		if (take_op(word, &part->ops) || take_range(word, part) ||
		    take_chance(word, &part->chance) ||
		    take_times(word, &part->times))
			continue;
		rc = bad(err, len,
			 "'%.32s' is no operation (read write flush discard "
			 "zero extent), range of bytes (1M-2M), chance (10%%) "
			 "or number of times (x3)",
			 word);
	}
	if (rc)
		return rc;
	if (!part->ops)
		part->ops = effects[part->effect].ops;
	if (part->ops & ~effects[part->effect].may)
		return bad(err, len, "'%s' is for read and write only",
			   effects[part->effect].name);
	return 0;
}

static bool take_seed(const char *part, uint64_t *seed)
{
	part += strlen("seed=");
	return number(&part, UINT64_MAX, seed) && !*part;
}

int fault_spec_parse(struct fault_spec *spec, const char *text, char *err,
		     size_t len)
{
	char copy[FAULT_TEXT_MAX], *rest = copy, *part;
	int rc;

	memset(spec, 0, sizeof(*spec));
	if (strlen(text) >= sizeof(copy))
		return bad(err, len, "it is longer than %d characters",
			   FAULT_TEXT_MAX - 1);
	strcpy(copy, text);
	while ((part = strsep(&rest, "+"))) {
		if (!strncmp(part, "seed=", 5)) {
			if (!take_seed(part, &spec->seed))
				return bad(err, len, "'%.32s' is no number",
					   part);
			continue;
		}
		if (spec->n == FAULT_PARTS_MAX)
			return bad(err, len, "it has more than %d parts",
				   FAULT_PARTS_MAX);
		rc = take_part(&spec->part[spec->n++], part, err, len);
		if (rc)
			return rc;
	}
	if (!spec->n)
		return bad(err, len, "it breaks nothing");
	return 0;
}
