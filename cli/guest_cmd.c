/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of commands inside a guest, and what they share: guest_cmd.h. */
#include "cli/guest_cmd.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/text.h"
#include "control/vbd_name.h"
#include "control/vdev.h"

static int run_timeout(struct guest_ctx *ctx, int n, char **word);
static int run_sleep(struct guest_ctx *ctx, int n, char **word);
static int run_echo(struct guest_ctx *ctx, int n, char **word);
static int run_help(struct guest_ctx *ctx, int n, char **word);

const struct guest_cmd guest_cmds[] = {
	{"wait", "VDEV [SECONDS]", "until the disk is there (30)", 1, 2,
	 guest_wait},
	{"list", "", "all disks and other LUNs, as lsscsi does", 0, 0,
	 guest_list},
	{"inquiry", "VDEV [PAGE]", "standard data, or a VPD page (hex)", 1, 2,
	 guest_inquiry},
	{"read", "VDEV OFFSET LEN [FILE]", "bytes to a file, or as hex", 3, 4,
	 guest_read},
	{"write", "VDEV OFFSET FILE|LEN", "a file, or zeroes", 3, 3,
	 guest_write},
	{"verify", "VDEV [SIZE] [bs= qd= skew= cut= seed=]",
	 "write a pattern, read it back, compare", 1, 7, guest_verify},
	{"flush", "VDEV", "what was written gets onto the medium", 1, 1,
	 guest_flush},
	{"discard", "VDEV OFFSET LEN", "these bytes are needed no more", 3, 3,
	 guest_discard},
	{"bench", "VDEV... [rw=randread bs=4k qd=16 time=5 size= spin= --json]",
	 "IOPS and latency", 1, -1, guest_bench},
	{"tape-write", "VDEV COUNT BYTES",
	 "numbered blocks, up to number COUNT", 3, 3, guest_tape_write},
	{"tape-read", "VDEV COUNT BYTES", "likewise, and compare", 3, 3,
	 guest_tape_read},
	{"cdb", "VDEV HEX [IN_LEN]", "send any command", 2, 3, guest_cdb},
	{"reset", "VDEV", "reset the LUN", 1, 1, guest_reset},
	{"abort", "VDEV [COUNT]", "abort reads under way", 1, 2, guest_abort},
	{"timeout", "SECONDS", "that a command may take, from now on (30)", 1,
	 1, run_timeout},
	{"sleep", "SECONDS", "stay, and serve what changes", 1, 1, run_sleep},
	{"echo", "[WORD...]", "say so", 0, -1, run_echo},
	{"help", "", "this list", 0, 0, run_help},
	{0},
};

void guest_cmds_help(FILE *f)
{
	char left[80];

	for (const struct guest_cmd *c = guest_cmds; c->name; c++) {
		snprintf(left, sizeof(left), "%s %s", c->name, c->args);
		fprintf(f, "  %-40s  %s\n", left, c->summary);
	}
}

int guest_run(struct guest_ctx *ctx, char *line)
{
	const struct guest_cmd *c = guest_cmds;
	char *word[GUEST_WORDS_MAX + 1], *save = NULL, *p;
	int n = 0, words;

	for (p = strtok_r(line, " \t\r\n", &save);
	     p && n < GUEST_WORDS_MAX && !(n == 0 && *p == '#');
	     p = strtok_r(NULL, " \t\r\n", &save))
		word[n++] = p;
	if (!n)
		return 0;
	word[n] = NULL;
	words = n - 1;
	while (c->name && strcmp(c->name, word[0]))
		c++;
	if (!c->name) {
		text_error("guest: there is no command '%s': see 'help'",
			   word[0]);
		return 1;
	}
	if (words < c->min || (c->max >= 0 && words > c->max)) {
		text_error("guest: too %s words: use '%s %s'",
			   words < c->min ? "few" : "many", c->name, c->args);
		return 1;
	}
	return c->run(ctx, words, word + 1);
}

static int run_help(struct guest_ctx *ctx, int n, char **word)
{
	(void)ctx, (void)n, (void)word;
	guest_cmds_help(stdout);
	return 0;
}

static int run_echo(struct guest_ctx *ctx, int n, char **word)
{
	(void)ctx;
	for (int i = 0; i < n; i++)
		printf("%s%s", word[i], i + 1 < n ? " " : "");
	putchar('\n');
	return 0;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

/* Milliseconds that TEXT, a number of seconds, is; -1 after a line on stderr. */
static int parse_seconds(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end != text && !*end && s >= 0 && s < INT_MAX / 1000)
		return (int)(s * 1000);
	text_error("guest: '%s' is no number of seconds", text);
	return -1;
}

static int run_timeout(struct guest_ctx *ctx, int n, char **word)
{
	int ms = parse_seconds(word[0]);

	(void)n;
	if (ms < 0)
		return 1;
	ctx->session->timeout_ms = ms ? (uint32_t)ms : 1;
	return 0;
}

static int run_sleep(struct guest_ctx *ctx, int n, char **word)
{
	int ms = parse_seconds(word[0]), rc;

	(void)n;
	if (ms < 0)
		return 1;
	rc = session_wait(ctx->session, ms, ctx->stop, never, NULL);
	if (rc == -ETIMEDOUT)
		return 0;
	text_error("guest: sleep: %s", strerror(-rc));
	return 1;
}

int guest_step(struct guest_ctx *ctx, int timeout_ms)
{
	if (*ctx->stop)
		return -EINTR;
	return session_step(ctx->session, timeout_ms);
}

/* ----------------------------------------------------------------- devices */

struct sought {
	struct guest_ctx *ctx;
	const struct gdev_ops *kind;
	uint32_t unit;
	struct scsi_addr addr;
	struct gdev *d;
};

static bool is_there(void *ctx)
{
	struct sought *s = ctx;

	s->d = gdev_find(s->ctx->session, s->kind, s->unit);
	return s->d && s->d->connected &&
	       (s->kind == &vbd_device ||
		pvscsi_lun_find((struct pvscsi *)s->d, s->addr));
}

/* Why is it not there? */
static void say_missing(const struct sought *s, const char *text, int rc)
{
	const char *noun = s->kind->noun;

	if (rc != -ETIMEDOUT)
		text_error("guest: %s: %s", text, strerror(-rc));
	else if (!s->d)
		text_error("guest: there is no %s %u: has %s been attached? "
			   "See 'list'",
			   noun, s->unit, text);
	else if (s->d->foreign)
		text_error("guest: %s %u belongs to a driver of this kernel: "
			   "unload %s first",
			   noun, s->unit, s->kind->driver);
	else if (!s->d->connected)
		text_error("guest: %s %u is not connected%s%s", noun, s->unit,
			   *s->d->trouble ? ": " : "", s->d->trouble);
	else
		text_error("guest: there is no LUN at %s: see 'list'", text);
}

/* Which device TEXT names; false after a line on stderr. */
static bool parse_place(const char *text, struct sought *s)
{
	struct pdev_vdev at;
	char err[PDEV_ERR_MAX];

	if (vbd_name_is(text, &s->unit)) {
		s->kind = &vbd_device;
		return true;
	}
	if (!strchr(text, ':')) {
		text_error("guest: '%s' is no place of a disk: use H:C:T:L, or "
			   "a name such as xvda",
			   text);
		return false;
	}
	if (vdev_parse(&at, NULL, text, err, sizeof(err))) {
		text_error("guest: %s", err);
		return false;
	}
	s->kind = &pvscsi_device;
	s->unit = at.host;
	s->addr = (struct scsi_addr){(uint16_t)at.channel, (uint16_t)at.target,
				     (uint16_t)at.lun};
	return true;
}

int guest_disk_find(struct guest_ctx *ctx, const char *text, int ms,
		    struct guest_lun *lun)
{
	struct sought s = {.ctx = ctx};
	int rc;

	if (!parse_place(text, &s))
		return -1;
	rc = session_wait(ctx->session, ms, ctx->stop, is_there, &s);
	if (rc) {
		say_missing(&s, text, rc);
		return -1;
	}
	*lun = (struct guest_lun){.text = text, .addr = s.addr};
	if (s.kind == &vbd_device)
		lun->b = (struct vbd *)s.d;
	else
		lun->v = (struct pvscsi *)s.d;
	return 0;
}

int guest_lun(struct guest_ctx *ctx, const char *text, int ms,
	      struct guest_lun *lun)
{
	uint32_t number;

	if (vbd_name_is(text, &number)) {
		text_error("guest: %s is a block device: this command is for "
			   "SCSI devices, H:C:T:L",
			   text);
		return -1;
	}
	return guest_disk_find(ctx, text, ms, lun);
}

int guest_open(const struct guest_lun *lun, struct vdisk *d, char *err,
	       size_t len)
{
	if (lun->v)
		return vdisk_open(d, lun->v, lun->addr, err, len);
	vdisk_open_vbd(d, lun->b);
	return 0;
}

int guest_disk(struct guest_ctx *ctx, const char *text, struct vdisk *d)
{
	struct guest_lun lun;
	char err[SESSION_ERR_MAX];

	if (guest_disk_find(ctx, text, GUEST_PATIENCE_MS, &lun))
		return -1;
	if (guest_open(&lun, d, err, sizeof(err))) {
		text_error("guest: %s: %s", text, err);
		return -1;
	}
	if (!d->has_blocks) {
		text_error("guest: %s is no disk, or has no medium", text);
		return -1;
	}
	return 0;
}

int guest_memory(struct gdev *d, uint32_t n, uint8_t **va, uint64_t *frame)
{
	int rc = gdev_memory(d, n, va, frame);

	if (!rc)
		return 0;
	text_error("guest: %u pages cannot be granted: %s: try a smaller qd or "
		   "bs",
		   n, strerror(-rc));
	return -1;
}

/* ------------------------------------------------------------------- text */

bool guest_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "kmgt";
	const char *unit;
	unsigned shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*bytes = strtoull(text, &end, 0);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit || !*unit || end[1])
			return false;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (*bytes > (UINT64_MAX >> 1) >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

void guest_hex(FILE *f, const uint8_t *data, size_t len)
{
	bool folded = false;

	for (size_t at = 0; at < len; at += 16) {
		/* As hexdump(1): of equal lines the first, then a star. */
		if (at && at + 16 < len &&
		    !memcmp(data + at, data + at - 16, 16)) {
			if (!folded)
				fputs("*\n", f);
			folded = true;
			continue;
		}
		folded = false;
		fprintf(f, "%06zx ", at);
		for (size_t i = at; i < at + 16; i++) {
			if (i < len)
				fprintf(f, "%s%02x", i == at + 8 ? "  " : " ",
					data[i]);
			else
				fprintf(f, "%s", i == at + 8 ? "    " : "   ");
		}
		fputs("  |", f);
		for (size_t i = at; i < at + 16 && i < len; i++)
			fputc(data[i] >= ' ' && data[i] <= '~' ? data[i] : '.',
			      f);
		fputs("|\n", f);
	}
}

const char *guest_option(const char *word, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(word, key, n) && word[n] == '=' ? word + n + 1 : NULL;
}
