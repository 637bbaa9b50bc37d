/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv create: a guest with the devices that its file lists. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/text.h"

/* A list of words for xl. */
struct words {
	const char *word[XL_WORDS_MAX + 1];
	int n;
};

static void add_word(struct words *words, const char *word)
{
	if (words->n < XL_WORDS_MAX)
		words->word[words->n++] = word;
	words->word[words->n] = NULL;
}

/* Version 4, of RFC 9562. */
static int random_uuid(char *text)
{
	unsigned char b[16];
	int n = 0;

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		n += sprintf(text + n, "%s%02x",
			     i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			     b[i]);
	return 0;
}

/* FILE and KEY=VALUE words, in any order, as xl takes them. */
static int sort_operands(const struct cli_args *args, const char **file,
			 char **extra, char *err)
{
	int n = 0;

	*file = args->option[CREATE_DEFCONFIG];
	for (int i = 0; i < args->n; i++) {
		if (strchr(args->arg[i], '=')) {
			extra[n++] = args->arg[i];
		} else if (!*file) {
			*file = args->arg[i];
		} else {
			snprintf(err, GUEST_ERR_MAX,
				 "create: '%s' is a second file (after '%s'): "
				 "give one, and KEY=VALUE words",
				 args->arg[i], *file);
			return -EINVAL;
		}
	}
	extra[n] = NULL;
	if (*file)
		return 0;
	snprintf(err, GUEST_ERR_MAX,
		 "create: no guest's file is given: see 'xenpv help create'");
	return -EINVAL;
}

/* xl's own option letters, where they are not what we do for it. */
static void add_options(struct words *words, const struct cli_args *args)
{
	static const struct {
		int option;
		const char *word;
	} pass[] = {
		{CREATE_QUIET, "-q"},		{CREATE_DEBUG, "-d"},
		{CREATE_NO_MONITOR, "-e"},	{CREATE_DRYRUN, "-n"},
		{CREATE_IGNORE_AFFINITY, "-i"}, {CREATE_VNCVIEWER, "-V"},
		{CREATE_VNC_AUTOPASS, "-A"},
	};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(pass); i++)
		if (args->option[pass[i].option])
			add_word(words, pass[i].word);
}

static int create(struct launch *launch, const struct cli_args *args,
		  const char *file, char *const *extra, char *err)
{
	const struct guest_file *gf = launch->gf;
	struct words words = {.n = 0};
	char uuid[GUEST_UUID_MAX], word[64];
	int rc;

	add_word(&words, "create");
	if (!args->option[CREATE_DRYRUN])
		add_word(&words, "-p");
	add_options(&words, args);
	add_word(&words, file);
	for (; *extra; extra++)
		add_word(&words, *extra);
	strcpy(uuid, gf->uuid);
	rc = *uuid ? 0 : random_uuid(uuid);
	if (rc) {
		snprintf(err, GUEST_ERR_MAX, "no random numbers: %s",
			 strerror(-rc));
		return rc;
	}
	snprintf(word, sizeof(word), "uuid=\"%s\"", uuid);
	if (!*gf->uuid)
		add_word(&words, word);
	launch->uuid = uuid;
	if (words.n == XL_WORDS_MAX) {
		snprintf(err, GUEST_ERR_MAX,
			 "too many words for xl: put them "
			 "into the guest's file");
		return -E2BIG;
	}
	rc = launch_prepare(launch, 0, err);
	if (rc)
		return rc;
	if (!args->option[CREATE_DRYRUN])
		return launch_run(launch, words.word, err);
	rc = xl_run(words.word);
	if (rc)
		snprintf(err, GUEST_ERR_MAX, "xl refuses %s, see above", file);
	return rc ? -EINVAL : 0;
}

int create_guest(const struct command *command, const struct cli_args *args)
{
	struct launch launch = {
		.args = args,
		.fresh = true,
		.paused = args->option[CREATE_PAUSED] != NULL,
		.quiet = args->option[CREATE_QUIET] != NULL,
	};
	char err[GUEST_ERR_MAX] = "", *extra[CLI_GIVEN_MAX + 1];
	struct guest_file gf = {.n = 0};
	const char *file;
	int rc = -E2BIG;

	(void)command;
	if (args->n > CLI_GIVEN_MAX)
		snprintf(err, sizeof(err),
			 "create: too many KEY=VALUE words: put them into the "
			 "guest's file");
	else
		rc = sort_operands(args, &file, extra, err);
	if (!rc)
		rc = guest_file_read(&gf, file, extra, err, sizeof(err));
	launch.gf = &gf;
	if (!rc)
		rc = create(&launch, args, file, extra, err);
	if (rc)
		text_error("%s", err);
	launch_end(&launch);
	guest_file_free(&gf);
	if (!rc && args->option[CREATE_CONSOLE] &&
	    !args->option[CREATE_DRYRUN]) {
		launch_console(&launch);
		rc = -ENOENT;
	}
	return rc ? 1 : 0;
}
