/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's file lists: see guest_file.h. */
#include "control/guest_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/fail.h"

static const char *const keys[2] = {"vscsi", "xenpv_disk"};

/* ------------------------------------------------------------ an item of it */

/* A part of an item, without blanks around it. */
struct part {
	const char *p;
	size_t len;
	bool more; /* a comma follows */
};

static struct part part_at(const char *p)
{
	struct part part;

	p += strspn(p, " \t");
	part.p = p;
	part.len = strcspn(p, ",");
	part.more = p[part.len] == ',';
	while (part.len && strchr(" \t", p[part.len - 1]))
		part.len--;
	return part;
}

/* What follows the comma behind PART. */
static const char *behind(struct part part)
{
	const char *p = strchr(part.p + part.len, ',');

	return p ? p + 1 : part.p + part.len;
}

/* Four numbers, or what xend had for a whole adapter. */
static bool looks_like_vdev(struct part part)
{
	size_t colons = 0;

	if (part.len == 4 && !strncmp(part.p, "host", 4))
		return true;
	for (size_t i = 0; i < part.len; i++) {
		colons += part.p[i] == ':';
		if (part.p[i] != ':' && !isdigit((unsigned char)part.p[i]))
			return false;
	}
	return colons == 3;
}

/* The part that is the vdev: the first that looks like one, else the second. */
static struct part find_vdev(const char *text)
{
	struct part part = part_at(text), second = {0};

	while (part.more) {
		part = part_at(behind(part));
		if (!second.p)
			second = part;
		if (looks_like_vdev(part))
			return part;
	}
	return second;
}

static char *copy_part(struct part part)
{
	return strndup(part.p, part.len);
}

/* xend's third field; *REST moves behind it, and is NULL if that was all. */
static int64_t take_backend(const char **rest)
{
	static const char dom0[] = "Domain-0";
	struct part part = part_at(*rest);
	int64_t domid = 0;

	if (!part.len)
		return -1;
	if (part.len != strlen(dom0) || strncmp(part.p, dom0, part.len)) {
		for (size_t i = 0; i < part.len; i++) {
			if (!isdigit((unsigned char)part.p[i]) || part.len > 5)
				return -1;
			domid = domid * 10 + part.p[i] - '0';
		}
	}
	*rest = part.more ? behind(part) : NULL;
	return domid;
}

static int parse_vdev(struct guest_item *item, struct part vdev, char *err,
		      size_t len)
{
	char *text = copy_part(vdev);
	int rc;

	if (!text)
		return fail(err, len, -ENOMEM, "out of memory");
	if (!strcmp(text, "host"))
		rc = fail(err, len, -EOPNOTSUPP,
			  "vdev 'host', a whole adapter, is not for a guest's "
			  "file: list its devices one by one, as in "
			  "/dev/sdb,0:0:0:0, or give it to the running guest "
			  "with xenpv scsi-attach");
	else
		rc = vdev_parse(&item->at, NULL, text, err, len);
	free(text);
	return rc;
}

/* xend's third field and the option say the same. */
static int settle_backend(struct guest_item *item, char *err, size_t len)
{
	struct pdev_options *o = &item->options;

	if (item->backend <= 0)
		return 0;
	if (o->kernel || o->backend[0])
		return fail(err, len, -EINVAL,
			    "the backend's domain is given twice, as %" PRId64
			    " behind the vdev and by the option backend: "
			    "remove one",
			    item->backend);
	snprintf(o->backend, sizeof(o->backend), "%" PRId64, item->backend);
	return 0;
}

static int parse_vscsi(struct guest_item *item, size_t *at, char *err,
		       size_t len)
{
	const char *text = item->text, *rest, *end;
	struct part vdev = find_vdev(text);
	char *options;
	int rc;

	*at = strspn(text, " \t");
	text += *at;
	if (!*text || *text == ',')
		return fail(err, len, -EINVAL,
			    "no pdev: name a device, as in /dev/sdb,0:0:0:0");
	if (!vdev.p)
		return fail(err, len, -EINVAL,
			    "no vdev: name the place in the guest, as in "
			    "%.300s,0:0:0:0",
			    text);
	for (end = vdev.p - 1; *end != ',';)
		end--;
	while (end > text && strchr(" \t", end[-1]))
		end--;
	item->name = strndup(text, (size_t)(end - text));
	if (!item->name)
		return fail(err, len, -ENOMEM, "out of memory");
	*at = (size_t)(vdev.p - item->text);
	rc = parse_vdev(item, vdev, err, len);
	if (rc || !vdev.more)
		return rc;
	rest = behind(vdev);
	item->backend = take_backend(&rest);
	if (!rest)
		return settle_backend(item, err, len);
	*at = (size_t)(rest - item->text) + strspn(rest, " \t");
	if (!rest[strspn(rest, " \t")])
		return fail(err, len, -EINVAL,
			    "nothing follows the comma behind the vdev: name "
			    "an option or leave the comma out");
	options = strdup(rest);
	rc = options ? pdev_options_parse(&item->options, options, err, len)
		     : fail(err, len, -ENOMEM, "out of memory");
	free(options);
	return rc ? rc : settle_backend(item, err, len);
}

static int parse_disk(struct guest_item *item, char *err, size_t len)
{
	int rc;

	item->spec = malloc(sizeof(*item->spec));
	if (!item->spec)
		return fail(err, len, -ENOMEM, "out of memory");
	rc = disk_spec_parse(item->spec, item->text, err, len);
	if (rc)
		return rc;
	item->spec->options.no_scsi = true;
	item->options = item->spec->options;
	item->name = strdup(item->spec->target);
	return item->name ? 0 : fail(err, len, -ENOMEM, "out of memory");
}

int guest_item_parse(struct guest_item *item, bool disk, const char *text,
		     size_t *part, char *err, size_t len)
{
	size_t at = 0;
	int rc;

	*item = (struct guest_item){.disk = disk, .backend = -1};
	item->text = strdup(text);
	if (!item->text)
		rc = fail(err, len, -ENOMEM, "out of memory");
	else if (!pdev_is_line(text))
		rc = fail(err, len, -EINVAL,
			  "there is a control character in it: leave it out");
	else
		rc = disk ? parse_disk(item, err, len)
			  : parse_vscsi(item, &at, err, len);
	if (part)
		*part = at;
	if (rc)
		guest_item_free(item);
	return rc;
}

void guest_item_free(struct guest_item *item)
{
	free(item->text);
	free(item->where);
	free(item->name);
	free(item->spec);
	*item = (struct guest_item){0};
}

/* ----------------------------------------------------------------- a list */

/* Room for one more; NULL: no memory. */
static struct guest_item *next_item(struct guest_file *gf)
{
	struct guest_item *more;

	if (gf->n == GUEST_ITEMS_MAX)
		return NULL;
	more = realloc(gf->item, (gf->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	gf->item = more;
	return &gf->item[gf->n];
}

int guest_file_add(struct guest_file *gf, bool disk, const char *text,
		   char *err, size_t len)
{
	struct guest_item *item = next_item(gf);
	int rc;

	if (!item)
		return fail(err, len, -ENOMEM,
			    "more than %d devices, or no memory for them",
			    GUEST_ITEMS_MAX);
	rc = guest_item_parse(item, disk, text, NULL, err, len);
	if (!rc)
		gf->n++;
	return rc;
}

/* "FILE:LINE:COLUMN: KEY", as far as it is known. */
static char *where_is(const struct guest_file *gf, const char *key,
		      struct xlu_place place)
{
	char *where = NULL;
	int n;

	if (!place.line)
		n = asprintf(&where, "%s: %s", gf->file, key);
	else
		n = asprintf(&where, "%s:%u:%u: %s", gf->file, place.line,
			     place.column, key);
	return n < 0 ? NULL : where;
}

/* One item of the file's list. */
static int take_item(struct guest_file *gf, const struct xlu *xlu,
		     const char *text, bool disk, int n, char *err, size_t len)
{
	const char *key = keys[disk], *value = xlu_list_item(xlu, key, n), *raw;
	size_t part = 0, raw_len = 0;
	struct xlu_place place = xlu_place(text, key, n, &raw, &raw_len);
	struct guest_item *item = next_item(gf);
	char why[DISK_SPEC_MAX + 512];
	int rc;

	if (!item)
		return fail(err, len, -ENOMEM,
			    "%s: %s has more than %d devices: that is too many",
			    gf->file, key, GUEST_ITEMS_MAX);
	if (value)
		rc = guest_item_parse(item, disk, value, &part, why,
				      sizeof(why));
	else
		rc = fail(why, sizeof(why), -EINVAL,
			  "an item is not a string: write it in quotes");
	/* With escapes in it offsets are others. */
	if (rc && value && raw_len == strlen(value) &&
	    !strncmp(raw, value, raw_len))
		place.column += (unsigned int)part;
	if (rc && place.line)
		return fail(err, len, rc, "%s:%u:%u: %s: %s", gf->file,
			    place.line, place.column, key, why);
	if (rc)
		return fail(err, len, rc, "%s: %s: %s", gf->file, key, why);
	item->where = where_is(gf, key, place);
	gf->n++;
	return item->where ? 0 : fail(err, len, -ENOMEM, "out of memory");
}

static int take_list(struct guest_file *gf, const struct xlu *xlu,
		     const char *text, bool disk, char *err, size_t len)
{
	int size = xlu_list_size(xlu, keys[disk]), rc = 0;
	struct xlu_place place;

	if (size == -ENOENT)
		return 0;
	if (size < 0) {
		place = xlu_place(text, keys[disk], -1, NULL, NULL);
		return fail(err, len, -EINVAL,
			    "%s:%u:%u: %s is not a list: write %s = [ '...' ]",
			    gf->file, place.line, place.column, keys[disk],
			    keys[disk]);
	}
	for (int i = 0; i < size && !rc; i++)
		rc = take_item(gf, xlu, text, disk, i, err, len);
	return rc;
}

/* ------------------------------------------------------ items beside others */

static bool same_place(const struct guest_item *a, const struct guest_item *b)
{
	if (a->disk != b->disk)
		return false;
	if (a->disk)
		return a->spec->number == b->spec->number;
	return !memcmp(&a->at, &b->at, sizeof(a->at));
}

static int check_pair(const struct guest_item *a, const struct guest_item *b,
		      char *err, size_t len)
{
	char vdev[VDEV_TEXT_MAX];

	if (same_place(a, b)) {
		vdev_format(&b->at, vdev);
		return fail(err, len, -EINVAL,
			    "%s: vdev %s is given twice (also to '%s'): choose "
			    "another place",
			    b->where, b->disk ? b->spec->vdev : vdev, a->name);
	}
	if (!a->disk && !b->disk && a->at.host == b->at.host &&
	    a->options.feature_host != b->options.feature_host)
		return fail(
			err, len, -EINVAL,
			"%s: the devices of controller %u do not agree on "
			"feature-host ('%s' %s it): give it to all of them or "
			"to none",
			b->where, (unsigned int)b->at.host, a->name,
			a->options.feature_host ? "has" : "has not");
	return 0;
}

static int check_pairs(const struct guest_file *gf, char *err, size_t len)
{
	int rc = 0;

	for (size_t i = 1; i < gf->n && !rc; i++)
		for (size_t j = 0; j < i && !rc; j++)
			rc = check_pair(&gf->item[j], &gf->item[i], err, len);
	return rc;
}

/* ------------------------------------------------------------- the whole */

/* 32 digits, dashes anywhere, as xl takes it; "" for what is none. */
static void copy_uuid(char *out, const char *text)
{
	char digits[33];
	size_t n = 0;

	*out = '\0';
	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (!isxdigit((unsigned char)*text) || n == 32)
			return;
		digits[n++] = (char)tolower((unsigned char)*text);
	}
	if (n != 32)
		return;
	digits[n] = '\0';
	snprintf(out, GUEST_UUID_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", digits,
		 digits + 8, digits + 12, digits + 16, digits + 20);
}

int guest_file_parse(struct guest_file *gf, const char *text, const char *file,
		     char *err, size_t len)
{
	struct xlu *xlu = NULL;
	const char *value;
	int rc;

	*gf = (struct guest_file){.n = 0};
	snprintf(gf->file, sizeof(gf->file), "%s", file);
	rc = xlu_parse(&xlu, text, file, err, len);
	if (rc)
		return rc;
	value = xlu_string(xlu, "name");
	snprintf(gf->name, sizeof(gf->name), "%s", value ? value : "");
	value = xlu_string(xlu, "uuid");
	copy_uuid(gf->uuid, value ? value : "");
	rc = take_list(gf, xlu, text, false, err, len);
	if (!rc)
		rc = take_list(gf, xlu, text, true, err, len);
	for (size_t i = 0; i < gf->n && !rc; i++) {
		value = xlu_list_item(xlu, "xenpv_size", (int)i);
		gf->item[i].size = value ? strtoull(value, NULL, 10) : 0;
	}
	if (!rc)
		rc = check_pairs(gf, err, len);
	if (rc)
		guest_file_free(gf);
	xlu_free(xlu);
	return rc;
}

/* The file and the words; malloc'ed. */
static int read_text(char **out, const char *file, char *const *extra)
{
	size_t size = 0, room;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st))
		rc = -errno;
	else if (S_ISDIR(st.st_mode))
		rc = -EISDIR;
	room = GUEST_FILE_MAX + 1;
	for (char *const *p = extra; p && *p; p++)
		room += strlen(*p) + 1;
	text = rc ? NULL : malloc(room + 2);
	if (!rc && !text)
		rc = -ENOMEM;
	while (!rc && n > 0 && size <= GUEST_FILE_MAX) {
		n = read(fd, text + size, GUEST_FILE_MAX + 1 - size);
		if (n < 0)
			rc = errno == EINTR ? 0 : -errno;
		else
			size += (size_t)n;
	}
	if (!rc && size > GUEST_FILE_MAX)
		rc = -EFBIG;
	if (fd >= 0)
		close(fd);
	if (rc) {
		free(text);
		return rc;
	}
	text[size++] = '\n';
	for (char *const *p = extra; p && *p; p++)
		size += (size_t)sprintf(text + size, "%s\n", *p);
	text[size] = '\0';
	*out = text;
	return strlen(text) == size ? 0 : -EILSEQ;
}

int guest_file_read(struct guest_file *gf, const char *file, char *const *extra,
		    char *err, size_t len)
{
	char *text = NULL;
	int rc;

	rc = read_text(&text, file, extra);
	if (rc == -EFBIG)
		fail(err, len, rc, "%s is no guest's file: it is too large",
		     file);
	else if (rc == -EILSEQ)
		fail(err, len, rc,
		     "%s is no guest's file: there are zero bytes in it", file);
	else if (rc)
		fail(err, len, rc,
		     "the guest's file %s cannot be read: %s: give the path of "
		     "what xl create takes",
		     file, strerror(-rc));
	else
		rc = guest_file_parse(gf, text, file, err, len);
	free(text);
	return rc;
}

void guest_file_free(struct guest_file *gf)
{
	for (size_t i = 0; i < gf->n; i++)
		guest_item_free(&gf->item[i]);
	free(gf->item);
	gf->item = NULL;
	gf->n = 0;
}

/* ------------------------------------------------------------------- pack */

/* A string of the file's form. */
static void put_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static void put_list(FILE *f, const struct guest_file *gf, bool disk)
{
	bool any = false;

	for (size_t i = 0; i < gf->n; i++) {
		if (gf->item[i].disk != disk)
			continue;
		if (any)
			fputs(",\n\t", f);
		else
			fprintf(f, "%s = [\n\t", keys[disk]);
		put_string(f, gf->item[i].text);
		any = true;
	}
	if (any)
		fputs("\n]\n", f);
}

/* In the order in which the others are read. */
static void put_sizes(FILE *f, const struct guest_file *gf)
{
	fputs("xenpv_size = [", f);
	for (int disk = 0; disk < 2; disk++)
		for (size_t i = 0; i < gf->n; i++)
			if (gf->item[i].disk == disk)
				fprintf(f, " \"%" PRIu64 "\",",
					gf->item[i].size);
	fputs(" ]\n", f);
}

char *guest_file_pack(const struct guest_file *gf)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool bad;

	if (!f)
		return NULL;
	fputs("name = ", f);
	put_string(f, gf->name);
	fputs("\nuuid = ", f);
	put_string(f, gf->uuid);
	fputc('\n', f);
	put_list(f, gf, false);
	put_list(f, gf, true);
	put_sizes(f, gf);
	bad = ferror(f);
	if (fclose(f) || bad) {
		free(text);
		return NULL;
	}
	return text;
}
