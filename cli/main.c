/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv: the command. What it can do is in commands.c. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"

static int run(const struct command *command, int argc, char **argv,
	       struct cli_args *args)
{
	bool help;

	if (command_args(command, argc, argv, args, &help))
		return 1;
	if (help) {
		command_help(command, stdout);
		return 0;
	}
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

static const struct cli_option *global_find(const char *arg)
{
	for (const struct cli_option *o = global_options; o->name; o++)
		if ((arg[1] == '-' && !strcmp(arg + 2, o->name)) ||
		    (arg[1] == o->letter && !arg[2]))
			return o;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct cli_option *global;
	const struct command *command;
	struct cli_args args = {0};
	int i;

	setlocale(LC_CTYPE, "");
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		global = global_find(argv[i]);
		if (!global) {
			text_error("unknown option %s: see 'xenpv --help'",
				   argv[i]);
			return 1;
		}
		if (global->letter == 'h') {
			commands_help(stdout);
			return flush(0);
		}
		if (global->letter == 'V') {
			printf("xenpv %s\n", XENPV_VERSION);
			return flush(0);
		}
		args.verbose = true;
	}
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
	return flush(run(command, argc - i, argv + i, &args));
}
