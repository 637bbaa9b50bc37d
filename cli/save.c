/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv save, restore: xl's, with the list of the guest's devices behind the end
 * of what xl has written. xl reads no further than that end, so that the file is
 * one for it, too; and the list cannot be lost on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

static int append_list(const char *file, const struct guest_file *gf)
{
	char *text = guest_file_pack(gf);
	char tail[TAIL_LEN + 16];
	FILE *f = text ? fopen(file, "ae") : NULL;
	int rc = text ? f ? 0 : -errno : -ENOMEM;

	if (!rc) {
		snprintf(tail, sizeof(tail), TAIL_WORD "%08zx\n", strlen(text));
		if (fprintf(f, "%s%s", text, tail) < 0 || fflush(f) ||
		    fsync(fileno(f)))
			rc = -errno;
		fclose(f);
	}
	free(text);
	return rc;
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
	if (!rc)
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

int save_guest(const struct command *command, const struct cli_args *args)
{
	const char *words[6] = {"save"}, *file = args->arg[1];
	struct guest_file gf = {.n = 0};
	char err[GUEST_ERR_MAX] = "";
	struct toolstack *ts = NULL;
	struct ts_guest guest;
	char number[16];
	int n = 1, rc;

	(void)command;
	rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = devlist_collect(&gf, ts, &guest, err, sizeof(err));
	if (rc)
		goto out;
	if (args->option[SAVE_CHECKPOINT])
		words[n++] = "-c";
	if (args->option[SAVE_PAUSED])
		words[n++] = "-p";
	snprintf(number, sizeof(number), "%" PRIu32, guest.domid);
	words[n++] = number;
	words[n++] = file;
	words[n] = NULL;
	if (xl_run(words)) {
		snprintf(err, sizeof(err),
			 "guest '%s' is not saved: xl save failed, see above",
			 guest.name);
		rc = -EIO;
		goto out;
	}
	rc = append_list(file, &gf);
	if (rc)
		snprintf(err, sizeof(err),
			 "guest '%s' is saved in %s, but the list of its "
			 "devices cannot be added (%s): restore it with xl "
			 "restore -p, then xenpv config-attach and xl unpause",
			 guest.name, file, strerror(-rc));
out:
	if (rc)
		text_error("%s", err);
	guest_file_free(&gf);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ---------------------------------------------------------------- restore */

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
	if (!rc && !*gf->uuid) {
		snprintf(err, GUEST_ERR_MAX, "%s: the list has no UUID", file);
		rc = -EINVAL;
	}
	return rc;
}

int restore_guest(const struct command *command, const struct cli_args *args)
{
	const char *words[8] = {"restore", "-p"},
		   *file = args->arg[args->n - 1];
	struct launch launch = {
		.args = args,
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
	rc = load_list(&gf, file, err);
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
		char number[16];
		const char *console[] = {"console", number, NULL};

		snprintf(number, sizeof(number), "%" PRIu32,
			 launch.guest.domid);
		xl_exec(console);
		rc = -ENOENT;
	}
	return rc ? 1 : 0;
}
