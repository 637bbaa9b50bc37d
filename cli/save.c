/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv save, restore: xl's, with the list of the guest's devices behind the end
 * of what xl has written. xl reads no further than that end, so that the file is
 * one for it, too; and the list cannot be lost on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/launch.h"
#include "cli/text.h"

/* The last bytes of a file that has a list: "\nxenpv-devices XXXXXXXX\n", the
 * list's length in hexadecimal digits. */
#define TAIL_LEN  24
#define TAIL_WORD "\nxenpv-devices "
#define AGAIN_S	  20 /* a device of the guest that was saved just now */

/* -------------------------------------------------------------- the list */

/* TEXT into FILE, as fopen() MODE says, and TAIL behind it; on the disk. */
static int write_text(const char *file, const char *mode, const char *text,
		      const char *tail)
{
	FILE *f = fopen(file, mode);
	int rc = 0;

	if (!f)
		return -errno;
	if (fputs(text, f) < 0 || fputs(tail, f) < 0 || fflush(f))
		rc = -errno;
	/* EINVAL: a pipe, or what else keeps nothing. */
	if (!rc && fsync(fileno(f)) && errno != EINVAL)
		rc = -errno;
	fclose(f);
	return rc;
}

static int append_list(const char *file, const char *text)
{
	char tail[TAIL_LEN + 16];

	snprintf(tail, sizeof(tail), TAIL_WORD "%08zx\n", strlen(text));
	return write_text(file, "ae", text, tail);
}

/* The text of the list in FILE; malloc'ed. -ENODATA: there is none. */
static int read_list(const char *file, char **text)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc = -ENODATA;
	char tail[TAIL_LEN + 1] = "", *end;
	unsigned long len;
	struct stat st;
	off_t at;

	*text = NULL;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_size < TAIL_LEN ||
	    pread(fd, tail, TAIL_LEN, st.st_size - TAIL_LEN) != TAIL_LEN ||
	    strncmp(tail, TAIL_WORD, strlen(TAIL_WORD)))
		goto out;
	len = strtoul(tail + strlen(TAIL_WORD), &end, 16);
	at = st.st_size - TAIL_LEN - (off_t)len;
	if (*end != '\n' || len > GUEST_FILE_MAX || at < 0)
		goto out;
	*text = malloc(len + 1);
	rc = *text ? 0 : -ENOMEM;
	if (!rc && pread(fd, *text, len, at) != (ssize_t)len)
		rc = -EIO;
	else if (!rc)
		(*text)[len] = '\0';
out:
	close(fd);
	if (rc) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

/* ------------------------------------------------------------------- save */

/*
 * xl save, and the list behind it. The list is in a file of its own until that
 * is done: the guest is gone by then, and what it had is known nowhere else.
 */
static int save_with_list(const struct ts_guest *guest, const char *file,
			  const char *text, char *err)
{
	char number[16], beside[PATH_MAX];
	const char *const words[] = {"save", number, file, NULL};
	int rc;

	snprintf(number, sizeof(number), "%" PRIu32, guest->domid);
	rc = snprintf(beside, sizeof(beside), "%s.devices", file) >=
			     (int)sizeof(beside)
		     ? -ENAMETOOLONG
		     : write_text(beside, "we", text, "");
	if (rc) {
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is not saved: %s cannot be written: %s",
			 guest->name, beside, strerror(-rc));
		return rc;
	}
	if (xl_run(words)) {
		(void)unlink(beside);
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is not saved: xl save failed, see above",
			 guest->name);
		return -EIO;
	}
	rc = append_list(file, text);
	if (!rc)
		(void)unlink(beside);
	else
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is saved in %s, but the list of its "
			 "devices is not in it, but in %s (%s): restore it "
			 "with 'xl restore -p %s', 'xenpv config-attach %s "
			 "%s', 'xl unpause %s'",
			 guest->name, file, beside, strerror(-rc), file,
			 guest->name, beside, guest->name);
	return rc;
}

int save_guest(const struct command *command, const struct cli_args *args)
{
	struct guest_file gf = {.n = 0};
	char err[GUEST_ERR_MAX] = "";
	struct toolstack *ts = NULL;
	struct ts_guest guest;
	char *text = NULL;
	int rc;

	(void)command;
	rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = devlist_collect(&gf, ts, &guest, err, sizeof(err));
	if (rc)
		goto out;
	text = guest_file_pack(&gf);
	if (!text) {
		snprintf(err, sizeof(err), "out of memory");
		rc = -ENOMEM;
		goto out;
	}
	rc = save_with_list(&guest, args->arg[1], text, err);
out:
	if (rc)
		text_error("%s", err);
	free(text);
	guest_file_free(&gf);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ---------------------------------------------------------------- restore */

/* What is behind xl's end in FILE. */
static int load_list(struct guest_file *gf, const char *file, char *err)
{
	char *text;
	int rc;

	rc = read_list(file, &text);
	if (rc == -ENODATA)
		snprintf(err, GUEST_ERR_MAX,
			 "%s has no list of devices: it was not written by "
			 "xenpv save; use xl restore, and xenpv config-attach",
			 file);
	else if (rc)
		snprintf(err, GUEST_ERR_MAX,
			 "%s cannot be read: %s: give what xenpv save has "
			 "written",
			 file, strerror(-rc));
	else
		rc = guest_file_parse(gf, text, file, err, GUEST_ERR_MAX);
	free(text);
	return rc;
}

/* The list that counts: xl forgets what it has saved when it gets a CONFIG. */
static int find_list(struct guest_file *gf, const struct cli_args *args,
		     char *err)
{
	const char *file = args->arg[0]; /* CONFIG, or FILE alone */
	int rc;

	rc = args->n > 1 ? guest_file_read(gf, file, NULL, err, GUEST_ERR_MAX)
			 : load_list(gf, file, err);
	if (rc || *gf->uuid)
		return rc;
	snprintf(err, GUEST_ERR_MAX,
		 "%s: there is no uuid=, by which the guest is known: add the "
		 "one that it had",
		 file);
	return -EINVAL;
}

int restore_guest(const struct command *command, const struct cli_args *args)
{
	const char *words[8] = {"restore", "-p"};
	struct launch launch = {
		.args = args,
		.fresh = true,
		.paused = args->option[RESTORE_PAUSED] != NULL,
	};
	struct guest_file gf = {.n = 0};
	char err[GUEST_ERR_MAX] = "";
	int n = 2, rc;

	(void)command;
	if (args->option[RESTORE_NO_MONITOR])
		words[n++] = "-e";
	if (args->option[RESTORE_DEBUG])
		words[n++] = "-d";
	for (int i = 0; i < args->n; i++)
		words[n++] = args->arg[i];
	words[n] = NULL;
	rc = find_list(&gf, args, err);
	launch.gf = &gf;
	launch.uuid = gf.uuid;
	if (!rc)
		rc = launch_prepare(&launch, AGAIN_S, err);
	if (!rc)
		rc = launch_run(&launch, words, err);
	if (rc)
		text_error("%s", err);
	launch_end(&launch);
	guest_file_free(&gf);
	if (!rc && args->option[RESTORE_CONSOLE]) {
		launch_console(&launch);
		rc = -ENOENT;
	}
	return rc ? 1 : 0;
}
