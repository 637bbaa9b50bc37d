/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv guest: be a guest, and use its devices from the command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/abi.h"
#include "cli/commands.h"
#include "cli/guest_cmd.h"
#include "cli/text.h"
#include "control/site.h"
#include "guest/gdev.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* The domain is to end in an orderly way. No SA_RESTART: reading a line ends,
 * too. */
static void catch_signals(void)
{
	static const int sig[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(sig); i++)
		sigaction(sig[i], &sa, NULL);
}

static int queues_option(const char *text, uint32_t *queues, char *why,
			 size_t len)
{
	uint64_t n = 1;

	if (text && !text_number(text, 1, DEVICE_RINGS_MAX, &n)) {
		snprintf(why, len, "--queues '%s' is not a number from 1 to %d",
			 text, DEVICE_RINGS_MAX);
		return -EINVAL;
	}
	*queues = (uint32_t)n;
	return 0;
}

static int join(const struct cli_args *args, struct session **out)
{
	const struct site *site = args->site;
	struct session_cfg cfg = {
		.ops = session_host(site_name(site)),
		.where = site_place(site),
		.name = args->n ? args->arg[0] : NULL,
	};
	char err[SESSION_ERR_MAX] = "";

	if (cfg.where && !cfg.name) {
		text_error("guest: a local host's guest needs a name: 'xenpv "
			   "--host %s guest NAME'",
			   site->text);
		return -EINVAL;
	}
	if (!cfg.where && args->option[GUEST_ATTACH]) {
		text_error("guest: --attach is for a local host: in a guest of "
			   "Xen use 'xenpv scsi-attach' in dom0");
		return -EINVAL;
	}
	if (abi_option(args->option[GUEST_PROTOCOL], &cfg.blk_abi, err,
		       sizeof(err)) ||
	    queues_option(args->option[GUEST_QUEUES], &cfg.blk_queues, err,
			  sizeof(err)) ||
	    site_start(site, XENPV_LIBEXECDIR, err, sizeof(err)) ||
	    session_open(out, &cfg, err, sizeof(err))) {
		if (*err)
			text_error("guest: %s", err);
		return -EIO;
	}
	return 0;
}

/* What is attached before the commands: the toolstack's part. */
static int attach(const struct cli_args *args, const char *text)
{
	struct cli_args sub = {.n = 3,
			       .verbose = args->verbose,
			       .site = args->site,
			       .option[ATTACH_NO_WAIT] = ""};
	char *copy = strdup(text), *comma;
	char *arg[] = {args->arg[0], copy, NULL, NULL};
	int rc = 1;

	comma = copy ? strchr(copy, ',') : NULL;
	if (!comma) {
		text_error("guest: --attach %s: use PDEV,VDEV[,OPTION...], as "
			   "in --attach disk.img,0:0:0:0",
			   text);
		goto out;
	}
	*comma = '\0';
	arg[2] = comma + 1;
	sub.arg = arg;
	rc = scsi_attach(command_find("scsi-attach"), &sub);
out:
	free(copy);
	return rc;
}

/* One command. */
static int run(struct guest_ctx *ctx, const char *text)
{
	char *line = strdup(text);
	int rc;

	if (!line)
		return 1;
	rc = guest_run(ctx, line);
	free(line);
	fflush(stdout);
	if (ctx->session->lost) {
		text_error("guest: the connection to xenstore is lost: %s",
			   strerror(-ctx->session->lost));
		rc = 1;
	}
	return rc;
}

/*
 * Commands of standard input. While nobody types, the devices are served: the
 * line is read by read(2) here and not by stdio.
 */
struct input {
	struct guest_ctx *ctx;
	char text[4096];
	size_t used;
	bool end, keep_going;
};

static int take_line(struct input *in)
{
	char *feed;
	ssize_t n;
	int rc = 0;

	n = read(STDIN_FILENO, in->text + in->used,
		 sizeof(in->text) - 1 - in->used);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	in->end = n <= 0;
	in->used += n > 0 ? (size_t)n : 0;
	in->text[in->used] = '\0';
	while ((!rc || in->keep_going) && (feed = strchr(in->text, '\n'))) {
		*feed = '\0';
		rc |= run(in->ctx, in->text);
		in->used -= (size_t)(feed + 1 - in->text);
		memmove(in->text, feed + 1, in->used + 1);
	}
	if (in->end && in->used && (!rc || in->keep_going))
		return rc | run(in->ctx, in->text);
	if (in->used == sizeof(in->text) - 1) {
		text_error("guest: a line is too long");
		return 1;
	}
	return rc;
}

static int run_input(struct guest_ctx *ctx, bool keep_going)
{
	struct input in = {.ctx = ctx, .keep_going = keep_going};
	bool prompt = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int rc = 0;

	in.keep_going |= prompt;
	ctx->session->extra_fd = STDIN_FILENO;
	while (!in.end && !stop && (!rc || in.keep_going)) {
		if (prompt && !in.used) {
			fputs("guest> ", stdout);
			fflush(stdout);
		}
		ctx->session->extra_ready = false;
		while (!ctx->session->extra_ready && !stop)
			if (session_step(ctx->session, 500))
				return 1;
		if (!stop)
			rc |= take_line(&in);
	}
	return prompt ? 0 : rc;
}

int guest_command(const struct command *command, const struct cli_args *args)
{
	const bool keep_going = args->option[GUEST_KEEP_GOING] != NULL;
	struct guest_ctx ctx = {.stop = &stop};
	int rc = 0;

	(void)command;
	if (join(args, &ctx.session))
		return 1;
	for (int i = 0; i < args->ngiven && !rc; i++)
		if (args->given[i].option == GUEST_ATTACH)
			rc = attach(args, args->given[i].value);
	catch_signals();
	if (!args->option[GUEST_COMMAND] && !rc)
		rc = run_input(&ctx, keep_going);
	for (int i = 0; i < args->ngiven && (!rc || keep_going) && !stop; i++)
		if (args->given[i].option == GUEST_COMMAND)
			rc |= run(&ctx, args->given[i].value);
	session_close(ctx.session);
	return rc || stop ? 1 : 0;
}
