/* SPDX-License-Identifier: BSD-2-Clause */
/* libxlutil, and where in a text its values are: see xlu.h. */
#include "control/xlu.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxlutil.h>

#define NEWEST 40 /* of Xen 4.x that is looked for */
#define OLDEST 14 /* that xenpv works with */

/* ------------------------------------------------------------ the library */

static struct {
	void *handle;
	__typeof__(xlu_cfg_init) *init;
	__typeof__(xlu_cfg_readdata) *readdata;
	__typeof__(xlu_cfg_destroy) *destroy;
	__typeof__(xlu_cfg_get_string) *get_string;
	__typeof__(xlu_cfg_get_list) *get_list;
	__typeof__(xlu_cfg_get_listitem) *get_listitem;
} lib;

struct xlu {
	XLU_Config *cfg;
	FILE *report;
	char *said; /* what the library has reported */
	size_t said_len;
};

/* The version of the running Xen, "4.17"; false if none runs. */
static bool running_version(char *out, size_t len)
{
	static const char *const files[] = {"major", "minor"};
	unsigned int value[2];

	for (int i = 0; i < 2; i++) {
		char path[64];
		FILE *f;
		bool ok;

		snprintf(path, sizeof(path), "/sys/hypervisor/version/%s",
			 files[i]);
		f = fopen(path, "re");
		if (!f)
			return false;
		ok = fscanf(f, "%u", &value[i]) == 1;
		fclose(f);
		if (!ok)
			return false;
	}
	snprintf(out, len, "%u.%u", value[0], value[1]);
	return true;
}

static void *open_version(const char *version)
{
	char name[64];

	snprintf(name, sizeof(name), "libxlutil.so.%s", version);
	return dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

static void *open_library(void)
{
	const char *named = getenv("XENPV_LIBXLUTIL");
	char version[32];
	void *handle = NULL;

	if (named && *named)
		return dlopen(named, RTLD_NOW | RTLD_LOCAL);
	if (running_version(version, sizeof(version)))
		handle = open_version(version);
	for (int minor = NEWEST; !handle && minor >= OLDEST; minor--) {
		snprintf(version, sizeof(version), "4.%d", minor);
		handle = open_version(version);
	}
	return handle;
}

static int load(char *err, size_t len)
{
	const struct {
		const char *name;
		void **at;
	} wanted[] = {
		{"xlu_cfg_init", (void **)&lib.init},
		{"xlu_cfg_readdata", (void **)&lib.readdata},
		{"xlu_cfg_destroy", (void **)&lib.destroy},
		{"xlu_cfg_get_string", (void **)&lib.get_string},
		{"xlu_cfg_get_list", (void **)&lib.get_list},
		{"xlu_cfg_get_listitem", (void **)&lib.get_listitem},
	};

	if (lib.handle)
		return 0;
	lib.handle = open_library();
	for (size_t i = 0; lib.handle && i < XPV_ARRAY_SIZE(wanted); i++) {
		*wanted[i].at = dlsym(lib.handle, wanted[i].name);
		if (*wanted[i].at)
			continue;
		dlclose(lib.handle);
		lib.handle = NULL;
	}
	if (lib.handle)
		return 0;
	snprintf(
		err, len,
		"guests' files are read with Xen's libxlutil, which cannot be "
		"loaded here: install Xen's tools (Debian: xen-utils), or name "
		"the file in XENPV_LIBXLUTIL");
	return -ELIBACC;
}

/* ----------------------------------------------------------------- errors */

/* The N-th line of TEXT, from 1 on, and how long it is. */
static const char *line_of(const char *text, unsigned long n, size_t *len)
{
	for (; n > 1 && text; n--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	*len = text ? strcspn(text, "\n") : 0;
	return text;
}

static bool word_char(const char *p)
{
	return isalnum((unsigned char)*p) || *p == '_' || *p == '.';
}

/* WORD of N characters in LINE, not as a part of a longer one; NULL if it is
 * there more than once: which one is meant is not said. */
static const char *find_word(const char *line, size_t len, const char *word,
			     size_t n)
{
	const char *p = line, *end = line + len, *found = NULL;

	for (; n && (p = memmem(p, (size_t)(end - p), word, n)); p++) {
		if (word_char(p) && p > line && word_char(p - 1))
			continue;
		if (found)
			return NULL;
		found = p;
	}
	return found;
}

/* "FILE:LINE: config parsing error near `WORD': ...": the column of WORD. */
static unsigned int column_of(const char *text, unsigned long number,
			      const char *message)
{
	const char *word = strchr(message, '`'), *end, *line, *at;
	size_t len;

	line = line_of(text, number, &len);
	if (!line)
		return 0;
	if (!word)
		return (unsigned int)len + 1; /* "near <newline>" */
	word++;
	end = strstr(word, "': ");
	at = end ? find_word(line, len, word, (size_t)(end - word)) : NULL;
	return at ? (unsigned int)(at - line) + 1 : 0;
}

/* What the library has said first, with the column, in one line. */
static void explain(const struct xlu *xlu, const char *text, const char *file,
		    char *err, size_t len)
{
	const char *said = xlu->said ? xlu->said : "";
	size_t n = strlen(file);
	unsigned long line;
	unsigned int column;
	char *end;

	if (strncmp(said, file, n) || said[n] != ':' ||
	    (line = strtoul(said + n + 1, &end, 10)) == 0 || *end != ':') {
		n = strcspn(said, "\n");
		snprintf(err, len, "%s: cannot be read: %.*s", file, (int)n,
			 said);
		return;
	}
	end += 1 + (end[1] == ' ');
	column = column_of(text, line, end);
	n = strcspn(end, "\n");
	if (column)
		snprintf(err, len, "%s:%lu:%u: %.*s: see xl.cfg(5)", file, line,
			 column, (int)n, end);
	else
		snprintf(err, len, "%s:%lu: %.*s: see xl.cfg(5)", file, line,
			 (int)n, end);
}

/* ----------------------------------------------------------------- values */

int xlu_parse(struct xlu **out, const char *text, const char *file, char *err,
	      size_t len)
{
	struct xlu *xlu = NULL;
	int rc;

	rc = load(err, len);
	if (rc)
		return rc;
	xlu = calloc(1, sizeof(*xlu));
	if (xlu)
		xlu->report = open_memstream(&xlu->said, &xlu->said_len);
	if (xlu && xlu->report)
		xlu->cfg = lib.init(xlu->report, file);
	if (!xlu || !xlu->cfg) {
		snprintf(err, len, "out of memory");
		rc = -ENOMEM;
	} else if (strlen(text) > INT32_MAX ||
		   lib.readdata(xlu->cfg, text, (int)strlen(text))) {
		fflush(xlu->report);
		explain(xlu, text, file, err, len);
		rc = -EINVAL;
	}
	if (rc)
		xlu_free(xlu);
	else
		*out = xlu;
	return rc;
}

void xlu_free(struct xlu *xlu)
{
	if (!xlu)
		return;
	if (xlu->cfg)
		lib.destroy(xlu->cfg);
	if (xlu->report)
		fclose(xlu->report);
	free(xlu->said);
	free(xlu);
}

const char *xlu_string(const struct xlu *xlu, const char *key)
{
	const char *value;

	return lib.get_string(xlu->cfg, key, &value, 1) ? NULL : value;
}

int xlu_list_size(const struct xlu *xlu, const char *key)
{
	int n = 0;
	int rc = lib.get_list(xlu->cfg, key, NULL, &n, 1);

	if (rc)
		return rc == ESRCH ? -ENOENT : -EINVAL;
	return n;
}

const char *xlu_list_item(const struct xlu *xlu, const char *key, int n)
{
	XLU_ConfigList *list;
	int size;

	if (lib.get_list(xlu->cfg, key, &list, &size, 1) || n < 0 || n >= size)
		return NULL;
	return lib.get_listitem(list, n);
}

/* ----------------------------------------------------------------- places */

/* A text as words. The rules are those of libxlutil's lexer. */
struct reader {
	const char *text, *p;
	const char *word; /* the last one; kind 0 at the end of the text */
	size_t len;
	char kind; /* 'a' name or number, 's' string, '\n', else itself */
};

static void next_word(struct reader *r)
{
	const char *p = r->p + strspn(r->p, " \t\r");

	if (*p == '#') {
		p += strcspn(p, "\n");
	}
	r->word = p;
	r->kind = *p;
	if (isalnum((unsigned char)*p)) {
		r->kind = 'a';
		while (word_char(p))
			p++;
	} else if (*p == '"' || *p == '\'') {
		r->kind = 's';
		for (p++; *p && *p != '\n' && *p != *r->word; p++)
			p += *p == '\\' && p[1];
		p += *p == *r->word;
	} else if (*p) {
		p++;
	}
	r->len = (size_t)(p - r->word);
	r->p = p;
}

static struct xlu_place place_of(const struct reader *r)
{
	struct xlu_place place = {1, 1};

	for (const char *p = r->text; p < r->word; p++) {
		place.column++;
		if (*p != '\n')
			continue;
		place.line++;
		place.column = 1;
	}
	return place;
}

static void take_value(const struct reader *r, const char **value,
		       size_t *value_len)
{
	if (!value)
		return;
	*value = r->word + (r->kind == 's');
	*value_len = r->len - (r->kind == 's' ? 2 : 0);
}

/* Behind "[": goes to the end of the list. N is counted down to its item. */
static void find_item(struct reader *r, int *n, struct xlu_place *place,
		      const char **value, size_t *value_len)
{
	unsigned int depth = 1;

	for (next_word(r); r->kind && depth; next_word(r)) {
		bool item = r->kind == 's' || r->kind == 'a' || r->kind == '[';

		if (depth == 1 && item && (*n)-- == 0) {
			*place = place_of(r);
			place->column += r->kind == 's';
			take_value(r, value, value_len);
		}
		depth += r->kind == '[';
		depth -= r->kind == ']';
		if (!depth)
			break;
	}
}

struct xlu_place xlu_place(const char *text, const char *key, int n,
			   const char **value, size_t *value_len)
{
	struct reader r = {.text = text, .p = text};
	struct xlu_place found = {0, 0};
	bool start = true; /* of an assignment */
	int left = n;

	for (next_word(&r); r.kind; next_word(&r)) {
		bool ours = start && r.kind == 'a' && r.len == strlen(key) &&
			    !strncmp(r.word, key, r.len);
		struct xlu_place at = place_of(&r);

		start = r.kind == '\n' || r.kind == ';';
		if (!ours)
			continue;
		next_word(&r);
		if (r.kind == '+') {
			next_word(&r); /* what it adds to goes on */
		} else {
			left = n; /* it begins again */
			found = (struct xlu_place){0, 0};
		}
		if (n < 0)
			found = at;
		if (r.kind == '=')
			next_word(&r);
		if (r.kind == '[')
			find_item(&r, &left, &found, value, value_len);
		start = r.kind == '\n';
	}
	return found;
}
