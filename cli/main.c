/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv: the command. What it can do is in commands.c. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"
#include "control/site.h"
#include "control/toolstack.h"

static int run(const struct command *command, int argc, char **argv,
	       struct cli_args *args, const char *host)
{
	char err[TS_ERR_MAX];
	struct site site;
	bool help;

	if (command_args(command, argc, argv, args, &help))
		return 1;
	if (help) {
		command_help(command, stdout);
		return 0;
	}
	if (site_init(&site, host, err, sizeof(err))) {
		text_error("%s", err);
		return 1;
	}
	args->site = &site;
	return command->run(command, args);
}

/* What was printed must have arrived: a full disk is not success. */
static int flush(int status)
{
	if ((fflush(stdout) || ferror(stdout)) && !status) {
		text_error("standard output cannot be written: is the disk "
			   "full?");
		return 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *global[GLOBALS] = {NULL};
	const struct command *command;
	struct cli_args args = {0};
	int i;

	setlocale(LC_CTYPE, "");
	i = global_args(argc, argv, global);
	if (i < 0)
		return 1;
	if (global[GLOBAL_HELP]) {
		commands_help(stdout);
		return flush(0);
	}
	if (global[GLOBAL_VERSION]) {
		printf("xenpv %s\n", XENPV_VERSION);
		return flush(0);
	}
	args.verbose = global[GLOBAL_VERBOSE] != NULL;
	if (i >= argc) {
		text_error("a command is missing: see 'xenpv --help'");
		return 1;
	}
	command = command_find(argv[i]);
	if (!command) {
		text_error("there is no command '%s': see 'xenpv --help'",
			   argv[i]);
		return 1;
	}
	return flush(
		run(command, argc - i, argv + i, &args, global[GLOBAL_HOST]));
}
