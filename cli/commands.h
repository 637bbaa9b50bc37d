/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of xenpv: one table. Parsing, --help, and the tests that hold
 * the manual page and the shell completion to it, all read this table.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_OPTIONS_MAX 16
#define CLI_GIVEN_MAX	64 /* options of one command line */

#ifndef XENPV_VERSION
#	define XENPV_VERSION "0.1.0"
#endif

struct site; /* control/site.h */

struct cli_option {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	const char *arg;  /* placeholder of its argument; NULL: takes none */
	const char *help;
};

/* What a command is given. */
struct cli_args {
	char **arg; /* operands */
	int n;
	/* By the option's position in the command's table: NULL: not given;
	 * its argument, or "" if it takes none. */
	const char *option[CLI_OPTIONS_MAX];
	/* All that were given, in their order: for those that may be given more
	 * than once. */
	struct {
		int option;
		const char *value;
	} given[CLI_GIVEN_MAX];
	int ngiven;
	bool verbose;
	const struct site *site; /* the host to work on */
};

struct command {
	const char *name;
	const char *args; /* for the usage line */
	const char *summary;
	const char *details;		 /* for its own --help; may be NULL */
	int args_min, args_max;		 /* args_max -1: any number */
	const struct cli_option *option; /* ends with a NULL name; never NULL */
	int (*run)(const struct command *command,
		   const struct cli_args *args); /* exit status */
};

/* Ends with a NULL name. */
extern const struct command commands[];

/* Options of xenpv itself, before the command; ends with a NULL name. */
extern const struct cli_option global_options[];
enum {
	GLOBAL_HELP,
	GLOBAL_HOST,
	GLOBAL_VERBOSE,
	GLOBAL_VERSION,
	GLOBALS
};

/*
 * global_args - parse what stands before the command's name
 * @option: GLOBALS pointers: NULL: not given; its argument, or ""
 *
 * Return: how many words of @argv were used, that of the program among them;
 * -EINVAL after a line on stderr.
 */
int global_args(int argc, char **argv, const char **option);

const struct command *command_find(const char *name);

/* command_usage - "xenpv scsi-detach [options] GUEST VDEV". */
void command_usage(const struct command *command, FILE *f);

/* command_help - usage, summary, options and details. */
void command_help(const struct command *command, FILE *f);

/* commands_help - all commands in short. */
void commands_help(FILE *f);

/*
 * command_args - parse what follows the command's name
 * @argv: argv[0] is the command's name
 * @help: set if --help was given (then the rest was not checked)
 *
 * Return: 0, or -EINVAL after a line on stderr.
 */
int command_args(const struct command *command, int argc, char **argv,
		 struct cli_args *args, bool *help);

/* One file per family. */
int block_attach(const struct command *command, const struct cli_args *args);
int block_detach(const struct command *command, const struct cli_args *args);
int block_list(const struct command *command, const struct cli_args *args);
int block_resize(const struct command *command, const struct cli_args *args);
int block_set(const struct command *command, const struct cli_args *args);
int config_attach(const struct command *command, const struct cli_args *args);
int create_guest(const struct command *command, const struct cli_args *args);
int migrate_guest(const struct command *command, const struct cli_args *args);
int migrate_receive(const struct command *command, const struct cli_args *args);
int restore_guest(const struct command *command, const struct cli_args *args);
int save_guest(const struct command *command, const struct cli_args *args);
int scsi_attach(const struct command *command, const struct cli_args *args);
int scsi_change_medium(const struct command *command,
		       const struct cli_args *args);
int scsi_detach(const struct command *command, const struct cli_args *args);
int scsi_devices(const struct command *command, const struct cli_args *args);
int scsi_list(const struct command *command, const struct cli_args *args);
int libvirt_hook(const struct command *command, const struct cli_args *args);
int libvirt_attach(const struct command *command, const struct cli_args *args);
int libvirt_detach(const struct command *command, const struct cli_args *args);
int domxml_to_vscsi(const struct command *command, const struct cli_args *args);
int guest_command(const struct command *command, const struct cli_args *args);
int status_show(const struct command *command, const struct cli_args *args);
int metrics_show(const struct command *command, const struct cli_args *args);
int top_show(const struct command *command, const struct cli_args *args);
int vtl_run(const struct command *command, const struct cli_args *args);
int upgrade_run(const struct command *command, const struct cli_args *args);
int conform_command_run(const struct command *command,
			const struct cli_args *args);
int help_show(const struct command *command, const struct cli_args *args);

/* Positions in the option tables. */
enum {
	ATTACH_NO_WAIT,
	ATTACH_TIMEOUT
};
enum {
	CONFIG_AUTO,
	CONFIG_DIRS,
	CONFIG_TIMEOUT
};
enum {
	CREATE_PAUSED,
	CREATE_CONSOLE,
	CREATE_QUIET,
	CREATE_DRYRUN,
	CREATE_DEFCONFIG,
	CREATE_NO_MONITOR,
	CREATE_DEBUG,
	CREATE_IGNORE_AFFINITY,
	CREATE_VNCVIEWER,
	CREATE_VNC_AUTOPASS
};
enum {
	MIGRATE_SSH,
	MIGRATE_PAUSED,
	MIGRATE_CHECK
};
enum {
	RECEIVE_CHECK,
	RECEIVE_FINISH,
	RECEIVE_PAUSED
};
enum {
	RESTORE_PAUSED,
	RESTORE_CONSOLE,
	RESTORE_NO_MONITOR,
	RESTORE_DEBUG
};
enum {
	DETACH_NO_WAIT,
	DETACH_TIMEOUT,
	DETACH_FORCE
};
enum {
	MEDIUM_EJECT,
	MEDIUM_FORCE,
	MEDIUM_TIMEOUT
};
enum {
	GUEST_ATTACH,
	GUEST_COMMAND,
	GUEST_KEEP_GOING,
	GUEST_PROTOCOL,
	GUEST_QUEUES
};
enum {
	LIST_JSON
};
enum {
	RESIZE_TIMEOUT
};
enum {
	STATUS_JSON
};
enum {
	TOP_DELAY,
	TOP_COUNT,
	TOP_JSON
};
enum {
	METRICS_HTTP
};
enum {
	CONFORM_JSON,
	CONFORM_LIST,
	CONFORM_ONLY,
	CONFORM_NAME,
	CONFORM_PROTOCOL,
	CONFORM_WITH_DANGEROUS,
	CONFORM_WITH_STRICT,
	CONFORM_HOTPLUG,
	CONFORM_STIMULUS,
	CONFORM_CHECK,
	CONFORM_TIME,
	CONFORM_SEED
};
enum {
	VTL_DRIVES,
	VTL_SLOTS,
	VTL_TAPES,
	VTL_WORM,
	VTL_CAPACITY,
	VTL_JSON
};
extern const struct cli_option vtl_options[];

#endif
