/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpvd: its command line. It stays in the foreground; systemd, or whoever
 * has started it, sees to the rest.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/daemon.h"
#include "core/xs.h"
#include "host/log.h"

/* Where xl's are, by custom; a local host has none. */
#define GUEST_DIRS "/etc/xen:/etc/xen/auto"

/* Of a hundred rings with their data areas, and far more than most guests have:
 * what takes more is not what we have written. */
#define WORKER_MEMORY_MIB 2048

static int set_host(struct daemon_cfg *cfg, const char *value)
{
	static struct site site;
	char err[SITE_WORD_MAX + PATH_MAX];

	if (site_init(&site, value, err, sizeof(err))) {
		fprintf(stderr, "xenpvd: %s\n", err);
		return -EINVAL;
	}
	cfg->site = &site;
	return 0;
}

static int set_worker(struct daemon_cfg *cfg, const char *value)
{
	cfg->worker = value;
	return 0;
}

static int set_run_dir(struct daemon_cfg *cfg, const char *value)
{
	cfg->run_dir = value;
	return 0;
}

static int set_state_dir(struct daemon_cfg *cfg, const char *value)
{
	cfg->state_dir = value;
	return 0;
}

static int set_xenstore(struct daemon_cfg *cfg, const char *value)
{
	cfg->xenstore = value;
	return 0;
}

static int set_command(struct daemon_cfg *cfg, const char *value)
{
	cfg->command = value;
	return 0;
}

static int set_guest_dirs(struct daemon_cfg *cfg, const char *value)
{
	cfg->guest_dirs = value;
	return 0;
}

static int set_level(struct daemon_cfg *cfg, const char *value)
{
	static const char *const names[] = {
		[LOG_ERR] = "error",	 [LOG_WARNING] = "warning",
		[LOG_NOTICE] = "notice", [LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};

	for (size_t i = LOG_ERR; i < XPV_ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]))
			continue;
		cfg->log_level = (int)i;
		return 0;
	}
	fprintf(stderr,
		"xenpvd: --log-level '%s' is not error, warning, notice, info or debug\n",
		value);
	return -EINVAL;
}

static int set_no_sandbox(struct daemon_cfg *cfg, const char *value)
{
	(void)value;
	cfg->no_sandbox = true;
	return 0;
}

/* OPTION's number; 0 is no limit. */
static int set_limit(uint32_t *limit, const char *option, const char *value,
		     const char *unit)
{
	if (!xs_parse_u32(value, strlen(value), limit))
		return 0;
	fprintf(stderr, "xenpvd: %s '%s' is no number of %s; 0 is no limit\n",
		option, value, unit);
	return -EINVAL;
}

static int set_worker_memory(struct daemon_cfg *cfg, const char *value)
{
	return set_limit(&cfg->limits.memory_mib, "--worker-memory", value,
			 "MiB");
}

static int set_worker_cpu(struct daemon_cfg *cfg, const char *value)
{
	return set_limit(&cfg->limits.cpu_percent, "--worker-cpu", value,
			 "percent of a processor");
}

static int show_help(struct daemon_cfg *cfg, const char *value);

static int show_version(struct daemon_cfg *cfg, const char *value)
{
	(void)cfg;
	(void)value;
	printf("xenpvd %s\n", XENPV_VERSION);
	exit(EXIT_SUCCESS);
}

static const struct option_row {
	const char *name;
	const char *value; /* what it takes, for people; NULL: nothing */
	const char *help;
	int (*set)(struct daemon_cfg *cfg, const char *value);
} options[] = {
	{"--host", "HOST", "xen (default) or local:DIR, which needs no Xen",
	 set_host},
	{"--log-level", "LEVEL",
	 "error, warning, notice, info (default) or debug", set_level},
	{"--worker", "PATH", "the worker (" XENPV_LIBEXECDIR "/xenpv-worker)",
	 set_worker},
	{"--run-dir", "DIR",
	 "sockets and the lock (" XENPV_RUNDIR ", or DIR/run)", set_run_dir},
	{"--state-dir", "DIR",
	 "what outlives a boot (" XENPV_STATEDIR ", or DIR/lib)",
	 set_state_dir},
	{"--xenstore", "PATH", "xenstored's socket, or /dev/xen/xenbus",
	 set_xenstore},
	{"--no-sandbox", NULL, "workers keep all their rights: for debugging",
	 set_no_sandbox},
	{"--worker-memory", "MIB",
	 "what each worker may take, where systemd runs (2048); 0: all",
	 set_worker_memory},
	{"--worker-cpu", "PERCENT",
	 "likewise, percent of one processor (0: all)", set_worker_cpu},
	{"--command", "PATH",
	 "the command xenpv, for guests that appear (" XENPV_SBINDIR "/xenpv)",
	 set_command},
	{"--guest-dirs", "DIRS",
	 "where guests' files are (" GUEST_DIRS "); '' for nowhere",
	 set_guest_dirs},
	{"--help", NULL, "show this and exit", show_help},
	{"--version", NULL, "show the version and exit", show_version},
};

static int show_help(struct daemon_cfg *cfg, const char *value)
{
	(void)cfg;
	(void)value;
	printf("Usage: xenpvd [OPTION]...\n"
	       "Serve paravirtual SCSI devices to the guests of a Xen host, or of a local\n"
	       "host, which is a directory. It stays in the foreground and writes its log to\n"
	       "stderr.\n\n");
	for (size_t i = 0; i < XPV_ARRAY_SIZE(options); i++)
		printf("  %-15s %-7s %s\n", options[i].name,
		       options[i].value ? options[i].value : "",
		       options[i].help);
	exit(EXIT_SUCCESS);
}

/* Takes ARG, and the value in it or in NEXT; returns the words used, or 0. */
static int take_option(struct daemon_cfg *cfg, const char *arg,
		       const char *next)
{
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] ? arg + len + 1 : NULL;
	const struct option_row *row;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(options); i++) {
		row = &options[i];
		if (strlen(row->name) != len || strncmp(row->name, arg, len))
			continue;
		if (!row->value && value) {
			fprintf(stderr, "xenpvd: %s takes no value\n",
				row->name);
			return 0;
		}
		if (row->value && !value && !next) {
			fprintf(stderr, "xenpvd: %s needs a value: %s %s\n",
				row->name, row->name, row->value);
			return 0;
		}
		if (row->set(cfg, value ? value : next))
			return 0;
		return row->value && !value ? 2 : 1;
	}
	fprintf(stderr, "xenpvd: unknown argument '%s'; see xenpvd --help\n",
		arg);
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon_cfg cfg = {
		.worker = XENPV_LIBEXECDIR "/xenpv-worker",
		.command = XENPV_SBINDIR "/xenpv",
		.log_level = LOG_INFO,
		.limits = {.memory_mib = WORKER_MEMORY_MIB},
	};
	int used;

	cfg.argv = argv;
	cfg.renew = getenv(DAEMON_RENEW) != NULL;
	(void)unsetenv(DAEMON_RENEW);
	for (int i = 1; i < argc; i += used) {
		used = take_option(&cfg, argv[i],
				   i + 1 < argc ? argv[i + 1] : NULL);
		if (!used)
			return EXIT_FAILURE;
	}
	if (!cfg.site && set_host(&cfg, NULL))
		return EXIT_FAILURE;
	if (!cfg.run_dir)
		cfg.run_dir = cfg.site->run_dir;
	if (!cfg.state_dir)
		cfg.state_dir = cfg.site->state_dir;
	if (!cfg.guest_dirs)
		cfg.guest_dirs = site_place(cfg.site) ? "" : GUEST_DIRS;
	if (!cfg.xenstore)
		cfg.xenstore = site_store(cfg.site);
	log_init("xenpvd");
	log_set_level(cfg.log_level);
	signal(SIGPIPE, SIG_IGN);
	return daemon_run(&cfg) ? EXIT_FAILURE : EXIT_SUCCESS;
}
