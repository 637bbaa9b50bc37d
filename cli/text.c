/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on its way to a terminal: see text.h. */
#include "cli/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"
#include "wire/port.h"

/* Length of the UTF-8 sequence at S and its character; 0: it is none. */
static size_t take_utf8(const unsigned char *s, uint32_t *ch)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;

	if (s[0] < 0x80) {
		*ch = s[0];
		return s[0] ? 1 : 0;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	*ch = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*ch = *ch << 6 | (s[i] & 0x3f);
	}
	if (*ch < least[n] || *ch > 0x10ffff ||
	    (*ch >= 0xd800 && *ch <= 0xdfff))
		return 0;
	return n;
}

/* Characters that have a shape and no effect. */
static bool harmless(uint32_t ch)
{
	if (ch < 0x20 || (ch >= 0x7f && ch < 0xa0))
		return false; /* C0, DEL, C1 */
	if (ch == 0xad || ch == 0x61c || ch == 0xfeff)
		return false; /* soft hyphen, Arabic mark, byte order mark */
	if (ch >= 0x200b && ch <= 0x200f)
		return false; /* no width, direction marks */
	if (ch >= 0x2028 && ch <= 0x202e)
		return false; /* line ends, direction overrides */
	if (ch >= 0x2060 && ch <= 0x206f)
		return false; /* invisible operators, isolates */
	return ch < 0xe0000;  /* tags, private planes */
}

char *text_clean(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out = malloc(4 * strlen(text) + 1), *p = out;
	uint32_t ch;
	size_t n;

	if (!out) {
		fputs("xenpv: out of memory\n", stderr);
		exit(1);
	}
	while (*s) {
		n = take_utf8(s, &ch);
		if (n && harmless(ch)) {
			memcpy(p, s, n);
			p += n;
			s += n;
			continue;
		}
		p += sprintf(p, "\\x%02x", *s);
		s++;
	}
	*p = '\0';
	return out;
}

size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void text_size(uint64_t bytes, char *out)
{
	static const char *const unit[] = {"B",	  "KiB", "MiB", "GiB",
					   "TiB", "PiB", "EiB"};
	uint64_t whole = bytes, rest = 0;
	size_t i = 0;

	while (whole >= 1024 && i + 1 < XPV_ARRAY_SIZE(unit)) {
		rest = whole % 1024;
		whole /= 1024;
		i++;
	}
	if (whole < 10 && rest * 10 / 1024)
		snprintf(out, 24, "%" PRIu64 ".%" PRIu64 " %s", whole,
			 rest * 10 / 1024, unit[i]);
	else
		snprintf(out, 24, "%" PRIu64 " %s", whole, unit[i]);
}

bool text_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (xs_parse_u64(text, strlen(text), &n) || n < min || n > max)
		return false;
	*out = n;
	return true;
}

void text_error(const char *fmt, ...)
{
	char line[2048];
	char *clean;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	clean = text_clean(line);
	fprintf(stderr, "xenpv: %s\n", clean);
	free(clean);
}
