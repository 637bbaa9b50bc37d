/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words that come with a pdev, its vdev and its options: see pdev.h.
 */
#include "control/pdev.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/fail.h"

#define VDEV_HOST_MAX 65535u
#define VDEV_ID_MAX   255u   /* channel and target */
#define VDEV_LUN_MAX  16383u /* flat addressing, SAM-5 4.7.7.4 */

/* ------------------------------------------------------------------ vdev */

bool pdev_is_line(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

bool pdev_number(const char **text, unsigned long max, unsigned long *value)
{
	const char *p = *text;

	*value = 0;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		*value = *value * 10 + (unsigned long)(*p - '0');
		if (*value > max)
			return false;
	}
	*text = p;
	return true;
}

int pdev_vdev_parse(struct pdev_vdev *vdev, const char *text, char *err,
		    size_t len)
{
	static const unsigned long max[4] = {VDEV_HOST_MAX, VDEV_ID_MAX,
					     VDEV_ID_MAX, VDEV_LUN_MAX};
	unsigned long part[4];
	const char *p = text;

	if (!pdev_is_line(text))
		return fail(err, len, -EINVAL,
			    "vdev has a control character in it; try 0:0:0:0");
	for (int i = 0; i < 4; i++) {
		if (!pdev_number(&p, max[i], &part[i]) ||
		    *p != (i < 3 ? ':' : '\0'))
			return fail(
				err, len, -EINVAL,
				"vdev '%.64s' is not HOST:CHANNEL:TARGET:LUN (numbers up to %u:%u:%u:%u); try 0:0:0:0",
				text, VDEV_HOST_MAX, VDEV_ID_MAX, VDEV_ID_MAX,
				VDEV_LUN_MAX);
		if (i < 3)
			p++;
	}
	vdev->host = (uint16_t)part[0];
	vdev->channel = (uint16_t)part[1];
	vdev->target = (uint16_t)part[2];
	vdev->lun = (uint16_t)part[3];
	return 0;
}

/* --------------------------------------------------------------- options */

enum option {
	OPT_RO,
	OPT_RW,
	OPT_SHARED,
	OPT_FEATURE_HOST,
	OPT_SERIAL,
	OPT_PRODUCT,
	OPT_NAA,
	OPT_BLOCKSIZE,
	OPT_DIRECT,
	OPT_FORMAT,
	OPT_PASSTHROUGH,
	OPT_WWID,
	OPT_BACKEND,
	OPT_N,
};

static const struct {
	const char *name;
	const char *value; /* what it must be, for people; NULL: none */
} option_table[OPT_N] = {
	[OPT_RO] = {"ro", NULL},
	[OPT_RW] = {"rw", NULL},
	[OPT_SHARED] = {"shared", NULL},
	[OPT_FEATURE_HOST] = {"feature-host", NULL},
	[OPT_SERIAL] = {"serial", "1 to 31 printable characters"},
	[OPT_PRODUCT] = {"product", "1 to 16 printable characters"},
	[OPT_NAA] = {"naa", "16 hexadecimal digits beginning with 2, 3 or 5"},
	[OPT_BLOCKSIZE] = {"blocksize", "512 or 4096"},
	[OPT_DIRECT] = {"direct", "auto, on or off"},
	[OPT_FORMAT] = {"format", "raw, qcow2, vhdx, vpc or vmdk"},
	[OPT_PASSTHROUGH] = {"passthrough", NULL},
	[OPT_WWID] = {"wwid", "1 to 95 letters, digits and .:_-"},
	[OPT_BACKEND] = {"backend",
			 "xenpv, kernel, or a driver domain's name or number"},
};

static const char *const direct_names[] = {
	[PDEV_DIRECT_AUTO] = "auto",
	[PDEV_DIRECT_ON] = "on",
	[PDEV_DIRECT_OFF] = "off",
};

static const char *const format_names[] = {
	[PDEV_RAW] = "raw", [PDEV_QCOW2] = "qcow2", [PDEV_VHDX] = "vhdx",
	[PDEV_VPC] = "vpc", [PDEV_VMDK] = "vmdk",
};

const char *pdev_format_name(enum pdev_format format)
{
	return format_names[format];
}

/* Edits (insert, delete, replace) from A to B, of at most 31 characters. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int row[32], diag, up, best;
	size_t lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (; *a; a++) {
		diag = row[0]++;
		for (size_t j = 1; j <= lb; j++) {
			up = row[j];
			best = diag + (*a != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = up;
			row[j] = best;
		}
	}
	return row[lb];
}

static const char *nearest_option(const char *name)
{
	unsigned int best = UINT32_MAX, d;
	const char *nearest = NULL;

	for (int i = 0; i < OPT_N; i++) {
		d = edit_distance(name, option_table[i].name);
		if (d < best) {
			best = d;
			nearest = option_table[i].name;
		}
	}
	return nearest;
}

static bool copy_text(char *out, size_t room, const char *value)
{
	size_t n = strlen(value);

	if (!n || n >= room)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (value[i] < 0x20 || value[i] > 0x7e)
			return false;
	}
	memcpy(out, value, n + 1);
	return true;
}

static bool parse_naa(const char *value, uint64_t *naa)
{
	char *end;

	if (!strncmp(value, "naa.", 4))
		value += 4;
	else if (!strncasecmp(value, "0x", 2))
		value += 2;
	if (strlen(value) != 16 ||
	    strspn(value, "0123456789abcdefABCDEF") != 16 ||
	    !strchr("235", value[0]))
		return false;
	*naa = strtoull(value, &end, 16);
	return true;
}

/* A WWID, or a domain's name. */
static bool is_word(const char *value)
{
	return strspn(value, "0123456789.:_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz") == strlen(value);
}

static bool set_option(struct pdev_options *o, enum option option,
		       const char *value)
{
	switch (option) {
	case OPT_RO:
		o->read_only = true;
		return true;
	case OPT_RW:
		return true;
	case OPT_SHARED:
		o->shared = true;
		return true;
	case OPT_FEATURE_HOST:
		o->feature_host = true;
		return true;
	case OPT_SERIAL:
		return copy_text(o->serial, sizeof(o->serial), value);
	case OPT_PRODUCT:
		return copy_text(o->product, sizeof(o->product), value);
	case OPT_NAA:
		return parse_naa(value, &o->naa);
	case OPT_BLOCKSIZE:
		if (strcmp(value, "512") && strcmp(value, "4096"))
			return false;
		o->block_size = (uint32_t)atoi(value);
		return true;
	case OPT_DIRECT:
		for (size_t i = 0; i < XPV_ARRAY_SIZE(direct_names); i++) {
			if (strcmp(value, direct_names[i]))
				continue;
			o->direct = (enum pdev_direct)i;
			return true;
		}
		return false;
	case OPT_FORMAT:
		for (size_t i = 0; i < XPV_ARRAY_SIZE(format_names); i++) {
			if (strcmp(value, format_names[i]))
				continue;
			o->format = (enum pdev_format)i;
			return true;
		}
		return false;
	case OPT_PASSTHROUGH:
		o->passthrough = true;
		return true;
	case OPT_WWID:
		return is_word(value) &&
		       copy_text(o->wwid, sizeof(o->wwid), value);
	case OPT_BACKEND:
		o->kernel = !strcmp(value, "kernel");
		return o->kernel || !strcmp(value, "xenpv") ||
		       (is_word(value) &&
			copy_text(o->backend, sizeof(o->backend), value));
	case OPT_N:
		break;
	}
	return false;
}

static int parse_option(struct pdev_options *o, char *item, uint32_t *seen,
			char *err, size_t len)
{
	char *value = strchr(item, '=');
	int i;

	if (value)
		*value++ = '\0';
	for (i = 0; i < OPT_N; i++) {
		if (!strcmp(item, option_table[i].name))
			break;
	}
	if (i == OPT_N)
		return fail(err, len, -EINVAL,
			    "unknown option '%.64s'; did you mean '%s'?", item,
			    nearest_option(item));
	if (value && !option_table[i].value)
		return fail(err, len, -EINVAL,
			    "option '%s' takes no value; write just '%s'", item,
			    item);
	if (option_table[i].value &&
	    (!value || !set_option(o, (enum option)i, value)))
		return fail(err, len, -EINVAL,
			    "option '%s=%.64s' is not valid; it must be %s",
			    item, value ? value : "", option_table[i].value);
	if (*seen & (1u << i))
		return fail(err, len, -EINVAL,
			    "option '%s' is given twice; remove one", item);
	if (!option_table[i].value)
		(void)set_option(o, (enum option)i, NULL);
	*seen |= 1u << i;
	return 0;
}

int pdev_options_parse(struct pdev_options *options, const char *text,
		       char *err, size_t len)
{
	struct pdev_options o = {0};
	char copy[PDEV_OPTIONS_MAX];
	char *item, *rest = copy;
	uint32_t seen = 0;
	int rc;

	if (text && *text) {
		if (!pdev_is_line(text))
			return fail(
				err, len, -EINVAL,
				"options have a control character in them; leave it out");
		if (strlen(text) >= sizeof(copy))
			return fail(
				err, len, -EINVAL,
				"options are longer than %d characters; leave some out",
				PDEV_OPTIONS_MAX - 1);
		strcpy(copy, text);
		while ((item = strsep(&rest, ","))) {
			item += strspn(item, " \t");
			for (size_t n = strlen(item);
			     n && (item[n - 1] == ' ' || item[n - 1] == '\t');)
				item[--n] = '\0';
			if (!*item)
				return fail(
					err, len, -EINVAL,
					"options '%.128s' have an empty part; remove the extra comma",
					text);
			rc = parse_option(&o, item, &seen, err, len);
			if (rc)
				return rc;
		}
	}
	if ((seen & (1u << OPT_RO)) && (seen & (1u << OPT_RW)))
		return fail(
			err, len, -EINVAL,
			"options 'ro' and 'rw' contradict each other; remove one");
	*options = o;
	return 0;
}

void pdev_options_format(const struct pdev_options *o, char *text)
{
	size_t n = 0;

	/* The longest: below PDEV_OPTIONS_MAX, see test_pdev. */
	text[0] = '\0';
	if (o->read_only)
		n += (size_t)sprintf(text + n, ",ro");
	if (o->shared)
		n += (size_t)sprintf(text + n, ",shared");
	if (o->serial[0])
		n += (size_t)sprintf(text + n, ",serial=%s", o->serial);
	if (o->product[0])
		n += (size_t)sprintf(text + n, ",product=%s", o->product);
	if (o->naa)
		n += (size_t)sprintf(text + n, ",naa=%016" PRIx64, o->naa);
	if (o->block_size)
		n += (size_t)sprintf(text + n, ",blocksize=%" PRIu32,
				     o->block_size);
	if (o->direct != PDEV_DIRECT_AUTO)
		n += (size_t)sprintf(text + n, ",direct=%s",
				     direct_names[o->direct]);
	if (o->format != PDEV_RAW)
		n += (size_t)sprintf(text + n, ",format=%s",
				     format_names[o->format]);
	if (o->passthrough)
		n += (size_t)sprintf(text + n, ",passthrough");
	if (o->wwid[0])
		n += (size_t)sprintf(text + n, ",wwid=%s", o->wwid);
	if (o->kernel)
		n += (size_t)sprintf(text + n, ",backend=kernel");
	if (o->backend[0])
		n += (size_t)sprintf(text + n, ",backend=%s", o->backend);
	if (n)
		memmove(text, text + 1, n);
}
