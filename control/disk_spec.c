/* SPDX-License-Identifier: BSD-2-Clause */
/* xl's syntax of disks: see disk_spec.h. */
#include "control/disk_spec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is positional, in its order. */
enum position {
	AT_TARGET,
	AT_FORMAT,
	AT_VDEV,
	AT_ACCESS,
	POSITIONS,
};

struct parser {
	struct disk_spec *spec;
	char ours[PDEV_OPTIONS_MAX]; /* our options, for pdev_options_parse() */
	bool given[POSITIONS];
	enum position next;
	bool access; /* was given a value */
	char *err;
	size_t len;
};

static int set_ours(struct parser *p, const char *item);

static int fail(struct parser *p, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct parser *p, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->len, fmt, ap);
	va_end(ap);
	return rc;
}

/* ------------------------------------------------------------- positional */

static int set_target(struct parser *p, const char *value)
{
	/* xl still takes these in front: what follows is the old order, without
	 * a format. */
	static const char *const prefixes[] = {"raw:", "phy:", "file:"};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (!strncmp(value, prefixes[i], n)) {
			value += n;
			p->given[AT_FORMAT] = true;
			break;
		}
	}
	if (strlen(value) >= sizeof(p->spec->target))
		return fail(
			p, -EINVAL,
			"target '%.64s...' is too long: give a shorter path",
			value);
	strcpy(p->spec->target, value);
	return 0;
}

/* xl's words, the last two ours; what a LUN's option calls it (NULL: none). */
static int set_format(struct parser *p, const char *value)
{
	static const struct {
		const char *word, *option;
	} known[] = {
		{"qcow2", "format=qcow2"},
		{"vhd", "format=vpc"},
		{"qcow", NULL},
		{"qed", NULL},
		{"empty", NULL},
		{"vhdx", "format=vhdx"},
		{"vmdk", "format=vmdk"},
	};

	if (!*value || !strcmp(value, "raw"))
		return 0;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(known); i++) {
		if (strcmp(value, known[i].word))
			continue;
		if (known[i].option)
			return set_ours(p, known[i].option);
		return fail(p, -EOPNOTSUPP,
			    "format '%s' is not supported: convert it with "
			    "qemu-img convert -O qcow2",
			    value);
	}
	return fail(p, -EINVAL,
		    "format '%.64s' is unknown: try raw, qcow2, vhd, vhdx or "
		    "vmdk",
		    value);
}

static int set_vdev(struct parser *p, const char *value)
{
	static const char suffix[] = ":cdrom"; /* an old form of xl's */
	size_t n = strlen(value), m = sizeof(suffix) - 1;

	if (n > m && !strcmp(value + n - m, suffix)) {
		p->spec->cdrom = true;
		n -= m;
	}
	if (n >= sizeof(p->spec->vdev))
		return fail(p, -EINVAL,
			    "vdev '%.64s' is no name of a disk: try xvda",
			    value);
	memcpy(p->spec->vdev, value, n);
	p->spec->vdev[n] = '\0';
	return 0;
}

static int set_access(struct parser *p, const char *value)
{
	static const struct {
		const char *word;
		bool read_only;
	} words[] = {{"rw", false}, {"w", false}, {"ro", true}, {"r", true}};

	if (!*value)
		return 0;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i].word))
			continue;
		p->spec->options.read_only = words[i].read_only;
		p->access = true;
		return 0;
	}
	return fail(p, -EINVAL, "access '%.64s' is unknown: try rw or ro",
		    value);
}

static const struct {
	const char *key;
	int (*set)(struct parser *p, const char *value);
} positional[POSITIONS] = {
	[AT_TARGET] = {"target", set_target},
	[AT_FORMAT] = {"format", set_format},
	[AT_VDEV] = {"vdev", set_vdev},
	[AT_ACCESS] = {"access", set_access},
};

static int set_positional(struct parser *p, enum position at, const char *value)
{
	if (p->given[at])
		return fail(p, -EINVAL, "%s is given twice: leave one out",
			    positional[at].key);
	p->given[at] = true;
	return positional[at].set(p, value);
}

/* ------------------------------------------------------------- parameters */

static int set_devtype(struct parser *p, const char *value)
{
	if (strcmp(value, "cdrom") && strcmp(value, "disk"))
		return fail(p, -EINVAL,
			    "devtype '%.64s' is unknown: try disk or cdrom",
			    value);
	p->spec->cdrom = !strcmp(value, "cdrom");
	return 0;
}

static int set_cdrom(struct parser *p, const char *value)
{
	(void)value;
	p->spec->cdrom = true;
	return 0;
}

static int set_discard(struct parser *p, const char *value)
{
	(void)value;
	p->spec->no_discard = false;
	return 0;
}

static int set_no_discard(struct parser *p, const char *value)
{
	(void)value;
	p->spec->no_discard = true;
	return 0;
}

/* It is said to a backend that does not do it by itself; ours does. */
static int set_nothing(struct parser *p, const char *value)
{
	(void)p;
	(void)value;
	return 0;
}

static int set_refused(struct parser *p, const char *value);
static int set_backend(struct parser *p, const char *item);

enum value {
	NO_VALUE,
	VALUE,
};

static const struct parameter {
	const char *key;
	enum value value;
	int (*set)(struct parser *p, const char *value);
	const char *why; /* of set_refused */
} parameters[] = {
	{"devtype", VALUE, set_devtype, NULL},
	{"cdrom", NO_VALUE, set_cdrom, NULL},
	{"discard", NO_VALUE, set_discard, NULL},
	{"no-discard", NO_VALUE, set_no_discard, NULL},
	{"direct-io-safe", NO_VALUE, set_nothing, NULL},
	{"shared", NO_VALUE, set_ours, NULL},
	{"blocksize", VALUE, set_ours, NULL},
	{"direct", VALUE, set_ours, NULL},
	{"backendtype", VALUE, set_refused,
	 "the backend is always xenpvd: leave it out"},
	{"backend", VALUE, set_backend, NULL},
	{"script", VALUE, set_refused,
	 "no script is run: give the device that it would make as target"},
	{"specification", VALUE, set_refused,
	 "disks are Xen's, not virtio: leave it out"},
	{"trusted", NO_VALUE, set_refused, "use xl, or leave it out"},
	{"untrusted", NO_VALUE, set_refused, "use xl, or leave it out"},
	{"grant_usage", VALUE, set_refused, "it is for virtio: leave it out"},
	{"colo", NO_VALUE, set_refused, "use xl for replication"},
	{"no-colo", NO_VALUE, set_nothing, NULL},
	{"colo-host", VALUE, set_refused, "use xl for replication"},
	{"colo-port", VALUE, set_refused, "use xl for replication"},
	{"colo-export", VALUE, set_refused, "use xl for replication"},
	{"active-disk", VALUE, set_refused, "use xl for replication"},
	{"hidden-disk", VALUE, set_refused, "use xl for replication"},
};

/* ITEM is that parameter, for a line; and it is not to be had. */
static int set_refused(struct parser *p, const char *item)
{
	size_t n = strcspn(item, "=");

	for (size_t i = 0; i < XPV_ARRAY_SIZE(parameters); i++) {
		if (strlen(parameters[i].key) == n &&
		    !strncmp(parameters[i].key, item, n))
			return fail(p, -EOPNOTSUPP,
				    "'%.64s' is not supported: %s", item,
				    parameters[i].why);
	}
	return fail(p, -EOPNOTSUPP, "'%.64s' is not supported: leave it out",
		    item);
}

/* Checked with the others when all are there. */
static int set_ours(struct parser *p, const char *item)
{
	size_t n = strlen(p->ours);

	if (n + strlen(item) + 2 > sizeof(p->ours))
		return fail(p, -EINVAL, "options are too long: leave some out");
	snprintf(p->ours + n, sizeof(p->ours) - n, "%s%s", n ? "," : "", item);
	return 0;
}

static int set_backend(struct parser *p, const char *item)
{
	if (!strcmp(item, "backend=kernel"))
		return fail(p, -EOPNOTSUPP,
			    "'%s' is not supported: use 'xl block-attach' for "
			    "a disk of the kernel's backend",
			    item);
	return set_ours(p, item);
}

/* Is ITEM the parameter KEY? Then *VALUE is behind the "=", or NULL. */
static bool item_is(const char *item, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (strncmp(item, key, n) || (item[n] && item[n] != '='))
		return false;
	*value = item[n] ? item + n + 1 : NULL;
	return true;
}

static int take_parameter(struct parser *p, const struct parameter *param,
			  const char *item, const char *value)
{
	if (param->value == VALUE && !value)
		return fail(p, -EINVAL, "parameter '%s' needs a value: %s=...",
			    param->key, param->key);
	if (param->value == NO_VALUE && value)
		return fail(p, -EINVAL,
			    "parameter '%s' takes no value: write just '%s'",
			    param->key, param->key);
	if (param->set == set_ours || param->set == set_refused ||
	    param->set == set_backend)
		return param->set(p, item);
	return param->set(p, value);
}

/* One part, without blanks around it. */
static int take_item(struct parser *p, const char *item)
{
	const char *value;
	size_t key;
	int rc;

	for (size_t i = 0; i < POSITIONS; i++) {
		if (item_is(item, positional[i].key, &value) && value)
			return set_positional(p, (enum position)i, value);
	}
	for (size_t i = 0; i < XPV_ARRAY_SIZE(parameters); i++) {
		if (item_is(item, parameters[i].key, &value))
			return take_parameter(p, &parameters[i], item, value);
	}
	rc = disk_tune_set(&p->spec->tune, item, p->err, p->len);
	if (rc != -ENOENT)
		return rc;
	key = strspn(item, "abcdefghijklmnopqrstuvwxyz0123456789-_");
	if (key && item[key] == '=')
		return fail(p, -EINVAL,
			    "parameter '%.*s' is unknown: see "
			    "xl-disk-configuration(5) and xenpv(1)",
			    (int)(key < 64 ? key : 64), item);
	/* What was named is not meant by position any more. */
	while (p->next < POSITIONS && p->given[p->next])
		p->next++;
	if (p->next == POSITIONS)
		return fail(p, -EINVAL,
			    "'%.64s' is too much: the positions are "
			    "TARGET,FORMAT,VDEV,ACCESS",
			    item);
	return set_positional(p, p->next, item);
}

/* ------------------------------------------------------------------ whole */

static int finish(struct parser *p)
{
	struct disk_spec *spec = p->spec;
	bool read_only = spec->options.read_only;
	int rc;

	if (!spec->target[0])
		return spec->cdrom
			       ? fail(p, -EOPNOTSUPP,
				      "a CD drive without a medium is not "
				      "supported yet: name an image")
			       : fail(p, -EINVAL,
				      "no target: name a file or a block "
				      "device, as in /dev/vg0/web,raw,xvda,rw");
	if (!spec->vdev[0])
		return fail(p, -EINVAL,
			    "no vdev: name the disk's place in the guest, as "
			    "in %.300s,raw,xvda,rw",
			    spec->target);
	rc = vbd_name_parse(spec->vdev, &spec->number, p->err, p->len);
	if (!rc)
		rc = pdev_options_parse(&spec->options, p->ours, p->err,
					p->len);
	if (rc)
		return rc;
	if (spec->cdrom && p->access && !read_only)
		return fail(p, -EINVAL,
			    "a cdrom cannot be written: access=ro, or leave "
			    "out cdrom");
	spec->options.read_only = read_only || spec->cdrom;
	return 0;
}

int disk_spec_parse(struct disk_spec *spec, const char *text, char *err,
		    size_t len)
{
	struct parser p = {.spec = spec, .err = err, .len = len};
	char copy[DISK_SPEC_MAX];
	char *item, *end, *rest = copy;
	int rc = 0;

	*spec = (struct disk_spec){0};
	if (!pdev_is_line(text))
		return fail(&p, -EINVAL,
			    "disk has a control character in it: leave it out");
	if (strlen(text) >= sizeof(copy))
		return fail(&p, -EINVAL,
			    "disk '%.64s...' is too long: give a shorter path",
			    text);
	if (!*text)
		return fail(&p, -EINVAL,
			    "disk is empty: try /dev/vg0/web,raw,xvda,rw");
	strcpy(copy, text);
	while (!rc && rest) {
		rest += strspn(rest, " ");
		/* It takes the commas, too. */
		if (!strncmp(rest, "target=", 7)) {
			rc = set_positional(&p, AT_TARGET, rest + 7);
			break;
		}
		item = strsep(&rest, ",");
		end = item + strlen(item);
		while (end > item && end[-1] == ' ')
			*--end = '\0';
		if (*item || rest) /* a comma at the end means nothing */
			rc = take_item(&p, item);
	}
	return rc ? rc : finish(&p);
}
