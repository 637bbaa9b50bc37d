/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv config-attach: what a guest's file lists, for one that is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/device.h"
#include "cli/text.h"
#include "control/devlist.h"
#include "control/record.h"

/* For a device that another guest, or the same before, is about to let go. */
#define AGAIN_WAIT_S 20

/* Whose file is looked for. */
struct wanted {
	char name[TS_NAME_MAX], uuid[GUEST_UUID_MAX];
	struct guest_file *gf; /* what was found */
	dev_t dev;
	ino_t ino;
	bool by_uuid;
	char other[PATH_MAX]; /* a second one; "": none */
};

/* Files that editors and packages leave beside the real ones. */
static bool is_leftover(const char *name)
{
	static const char *const ends[] = {
		"~",	     ".bak",	  ".orig",	".swp",	   ".save",
		".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmnew", ".rpmsave"};
	size_t n = strlen(name), m;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(ends); i++) {
		m = strlen(ends[i]);
		if (n > m && !strcmp(name + n - m, ends[i]))
			return true;
	}
	return name[0] == '.' || name[0] == '#';
}

/* Does FILE have one of our words in it? Others are not even parsed. */
static bool has_our_words(const char *file)
{
	char *text = malloc(GUEST_FILE_MAX);
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = text && fd >= 0 ? read(fd, text, GUEST_FILE_MAX) : -1;
	bool has;

	has = n > 0 && (memmem(text, (size_t)n, "vscsi", 5) ||
			memmem(text, (size_t)n, "xenpv_disk", 10));
	if (fd >= 0)
		close(fd);
	free(text);
	return has;
}

/* FILE is the guest's: keep it, if it is better than what there is. */
static void take_match(struct wanted *wanted, struct guest_file *gf,
		       const struct stat *st)
{
	bool by_uuid = *wanted->uuid && !strcmp(gf->uuid, wanted->uuid);
	bool first = !*wanted->gf->file;

	if (!first && st->st_dev == wanted->dev && st->st_ino == wanted->ino) {
		guest_file_free(gf); /* a link to it */
	} else if (first || (by_uuid && !wanted->by_uuid)) {
		guest_file_free(wanted->gf);
		*wanted->gf = *gf;
		wanted->dev = st->st_dev;
		wanted->ino = st->st_ino;
		wanted->by_uuid = by_uuid;
		wanted->other[0] = '\0';
	} else {
		if (by_uuid || !wanted->by_uuid)
			strcpy(wanted->other, gf->file);
		guest_file_free(gf);
	}
}

static void look_at(struct wanted *wanted, const char *file)
{
	struct guest_file *gf;
	char err[GUEST_ERR_MAX];
	struct stat st;

	if (stat(file, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size > GUEST_FILE_MAX || !has_our_words(file))
		return;
	gf = malloc(sizeof(*gf));
	if (!gf)
		return;
	if (guest_file_read(gf, file, NULL, err, sizeof(err)))
		/* It may be another guest's; who looks for this one's has to
		 * know why it is not found. */
		text_error("%s", err);
	else if (strcmp(gf->name, wanted->name) ||
		 (*gf->uuid && *wanted->uuid && strcmp(gf->uuid, wanted->uuid)))
		guest_file_free(gf);
	else
		take_match(wanted, gf, &st);
	free(gf);
}

static void look_into(struct wanted *wanted, const char *dir)
{
	struct dirent **names = NULL;
	char path[PATH_MAX];
	int n = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (!is_leftover(names[i]->d_name) &&
		    snprintf(path, sizeof(path), "%s/%s", dir,
			     names[i]->d_name) < (int)sizeof(path))
			look_at(wanted, path);
		free(names[i]);
	}
	free(names);
}

/* The guest's file in the directories of DIRS, "DIR:DIR". */
static int find_file(struct guest_file *gf, const struct ts_guest *guest,
		     const char *uuid, const char *dirs, char *err)
{
	static const char incoming[] = "--incoming"; /* while it migrates */
	struct wanted wanted = {.gf = gf};
	char *copy = strdup(dirs), *rest = copy, *dir;
	size_t n, m = strlen(incoming);

	*gf = (struct guest_file){.n = 0};
	snprintf(wanted.name, sizeof(wanted.name), "%s", guest->name);
	n = strlen(wanted.name);
	if (n > m && !strcmp(wanted.name + n - m, incoming))
		wanted.name[n - m] = '\0';
	strcpy(wanted.uuid, uuid);
	while ((dir = strsep(&rest, ":")))
		if (*dir)
			look_into(&wanted, dir);
	free(copy);
	if (wanted.other[0]) {
		snprintf(
			err, GUEST_ERR_MAX,
			"guest '%s' has two files, %.1000s and %.1000s: remove "
			"one, or give them its uuid= and another",
			wanted.name, gf->file, wanted.other);
		guest_file_free(gf);
		return -ENOTUNIQ;
	}
	if (*gf->file)
		return 0;
	snprintf(err, GUEST_ERR_MAX,
		 "no file in %s lists devices of guest '%s': give its path",
		 dirs, wanted.name);
	return -ENOENT;
}

/*
 * What the guest is to have: of the list it was created with, or of its file.
 * -EALREADY: somebody is giving it to the guest just now.
 */
static int find_list(struct guest_file *gf, const struct cli_args *args,
		     struct toolstack *ts, const struct ts_guest *guest,
		     char *err)
{
	const char *dirs = args->option[CONFIG_DIRS];
	char uuid[GUEST_UUID_MAX];
	char *text = NULL;
	bool busy;
	int rc;

	ts_guest_uuid(ts, guest, uuid);
	rc = *uuid ? record_read(daemon_run_dir(args->site), uuid, &text, &busy)
		   : -ENOENT;
	if (rc)
		return find_file(gf, guest, uuid,
				 dirs ? dirs : "/etc/xen:/etc/xen/auto", err);
	if (busy) {
		snprintf(err, GUEST_ERR_MAX,
			 "guest '%s' is being given its devices just now: see "
			 "'xenpv scsi-list' and 'xenpv block-list'",
			 guest->name);
		rc = -EALREADY;
	} else {
		rc = guest_file_parse(gf, text, "the guest's list", err,
				      GUEST_ERR_MAX);
	}
	free(text);
	return rc;
}

int config_attach(const struct command *command, const struct cli_args *args)
{
	/* For xenpvd the guest is none that anybody waits for. */
	bool alone = args->option[CONFIG_AUTO] != NULL;
	struct devlist list = {.gf = NULL};
	struct guest_file gf = {.n = 0};
	char err[GUEST_ERR_MAX] = "";
	struct toolstack *ts = NULL;
	struct ts_guest guest;
	unsigned int wait_s;
	int rc;

	(void)command;
	rc = device_timeout(args->option[CONFIG_TIMEOUT], &wait_s, err);
	if (!rc && args->n > 1)
		rc = guest_file_read(&gf, args->arg[1], NULL, err, sizeof(err));
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc && args->n < 2)
		rc = find_list(&gf, args, ts, &guest, err);
	if (alone && (rc == -EALREADY || rc == -ENOENT)) {
		rc = 0; /* it is not ours to do anything for */
		goto out;
	}
	if (!rc)
		rc = devlist_resolve(&list, &gf, err, sizeof(err));
	if (!rc)
		rc = devlist_mark(&list, ts, &guest, err, sizeof(err));
	if (!rc)
		rc = devlist_check(&list, ts, UINT32_MAX,
				   alone ? AGAIN_WAIT_S : 0, err, sizeof(err));
	if (!rc) {
		device_catch_signals();
		rc = devlist_attach(&list, ts, &guest, alone ? 0 : wait_s, err,
				    sizeof(err));
		if (!rc && !alone)
			device_say_list(&list, &guest, false);
	}
	if (rc)
		text_error("%s", err);
out:
	devlist_free(&list);
	ts_close(ts);
	guest_file_free(&gf);
	return rc ? 1 : 0;
}
