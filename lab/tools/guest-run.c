/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest-run.c - runs a command in a guest of the lab, from dom0, over the guest's console.
 *
 *	guest-run [-i] NAME SECONDS COMMAND	as if the command ran here; -i: with our input
 *	guest-run -r OFFSET NAME SECONDS	waits until the guest says it is ready, in its
 *						console's log behind OFFSET
 *
 * Exit status: the command's; 124 when the time is over (the command is killed), 125 when there is
 * no such guest, or it went away, or the console lost something.
 *
 * What is asked goes into the console's pty; see agent.c for how it is spelt. The answers are read
 * from the log that xenconsoled writes: unlike the pty, it can be read by several at once.
 * A guest that comes in by migration is logged to another file, so two are followed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base64.h"
#include "xs.h"

#define LOG_DIR	  "/var/log/xen"
#define LINE_SIZE 4096
#define ASK_CHUNK                                                              \
	660 /* bytes a line: 880 of base64; the console's ring takes 1 KiB */
#define POLL_MS 1000 /* between looks at a guest that says nothing */

enum {
	STATUS_TIME = 124,
	STATUS_FAILED = 125
};

struct log {
	int fd;
	size_t length;
	char line[LINE_SIZE];
};

static struct log logs[2];
static char path_tty[64 + XS_PAYLOAD_MAX], id[24];
static unsigned int seen;
static int tty = -1;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Finds the pty of a guest's console by the guest's name. Returns false if there's none. */
static bool find_tty(const char *name)
{
	char domains[XS_PAYLOAD_MAX + 1], reply[XS_PAYLOAD_MAX + 1], path[128];
	int size = xs_request(XS_DIRECTORY, 0, "/local/domain", 14, domains), i;

	for (i = 0; i < size; i += (int)strlen(domains + i) + 1) {
		int n = snprintf(path, sizeof(path), "/local/domain/%s/name",
				 domains + i);

		if (xs_request(XS_READ, 0, path, (size_t)n + 1, reply) < 0 ||
		    strcmp(reply, name))
			continue;
		n = snprintf(path, sizeof(path), "/local/domain/%s/console/tty",
			     domains + i);
		if (xs_request(XS_READ, 0, path, (size_t)n + 1, reply) < 0 ||
		    !reply[0])
			return false;
		snprintf(path_tty, sizeof(path_tty), "%s", reply);
		return true;
	}
	return false;
}

static bool open_tty(const char *name)
{
	struct termios t;

	if (!find_tty(name))
		return false;
	tty = open(path_tty, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (tty < 0 || tcgetattr(tty, &t))
		return false;
	cfmakeraw(&t);
	return !tcsetattr(tty, TCSANOW, &t);
}

/* Opens the logs of a guest's console at an offset; at their end if it is negative. */
static void open_logs(const char *name, long long offset)
{
	static const char *const suffix[] = {"", "--incoming"};
	char path[256];
	size_t i;

	for (i = 0; i < 2; i++) {
		if (i || logs[i].fd > 0)
			if (logs[i].fd > 0)
				continue;
		snprintf(path, sizeof(path), LOG_DIR "/guest-%s%s.log", name,
			 suffix[i]);
		logs[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		if (logs[i].fd >= 0 && offset < 0)
			lseek(logs[i].fd, 0, SEEK_END);
		else if (logs[i].fd >= 0 && !i)
			lseek(logs[i].fd, offset, SEEK_SET);
	}
}

/* Sends one line to the agent. Returns false if the guest went away, or the time is over. */
static bool ask(char verb, const void *data, size_t size, long long until)
{
	char line[64 + BASE64_SIZE(ASK_CHUNK)], *p = line;
	int head = snprintf(line, sizeof(line), "@lab %s %c ", id, verb);
	size_t left = (size_t)head + base64_encode(line + head, data, size);

	line[left++] = '\n';
	while (left) {
		struct pollfd fd = {.fd = tty, .events = POLLOUT};
		ssize_t n = write(tty, p, left);

		if (n > 0) {
			p += n;
			left -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (now_ms() > until || poll(&fd, 1, 10) < 0 ||
		    fd.revents & POLLHUP)
			return false;
	}
	return true;
}

static bool ask_all(char verb, const char *data, size_t size, long long until)
{
	while (size) {
		size_t n = size < ASK_CHUNK ? size : ASK_CHUNK;

		if (!ask(verb, data, n, until))
			return false;
		data += n;
		size -= n;
	}
	return true;
}

static void put(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			exit(STATUS_FAILED);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
}

/* Takes one line of the log. Returns the command's exit status, -1 if it hasn't ended. */
static int take(const char *line, bool wait_ready)
{
	char its_id[24], text[LINE_SIZE] = "", data[LINE_SIZE], kind;
	unsigned int number;
	ssize_t size;

	if (wait_ready)
		return strcmp(line, "@lab ready") ? -1 : 0;
	if (sscanf(line, "@lab %23s %u %c %4095s", its_id, &number, &kind,
		   text) < 3 ||
	    strcmp(its_id, id))
		return -1;
	if (number != seen++)
		errx(STATUS_FAILED, "the console lost line %u of the output",
		     seen - 1);
	if (kind == 'x')
		return atoi(text);
	size = base64_decode(data, text);
	if (size < 0)
		errx(STATUS_FAILED, "the console garbled line %u of the output",
		     number);
	put(kind == 'e' ? STDERR_FILENO : STDOUT_FILENO, data, (size_t)size);
	return -1;
}

/* Takes what's new in a log. Returns the command's exit status, -1 if it hasn't ended. */
static int follow(struct log *log, bool wait_ready)
{
	char data[65536];
	ssize_t n, i;
	int status;

	while (log->fd >= 0 && (n = read(log->fd, data, sizeof(data))) > 0) {
		for (i = 0; i < n; i++) {
			if (data[i] == '\r')
				continue;
			if (data[i] != '\n') {
				log->line[log->length] = data[i];
				log->length +=
					log->length < sizeof(log->line) - 1;
				continue;
			}
			log->line[log->length] = '\0';
			log->length = 0;
			status = take(log->line, wait_ready);
			if (status >= 0)
				return status;
		}
	}
	return -1;
}

static int usage(void)
{
	fprintf(stderr, "usage: guest-run [-i] NAME SECONDS COMMAND\n"
			"       guest-run -r OFFSET NAME SECONDS\n");
	return STATUS_FAILED;
}

/* Give the guest COMMAND to run, with standard input to come or without. */
static void send_command(const char *name, const char *command, bool input,
			 long long until)
{
	snprintf(id, sizeof(id), "%d.%lld", getpid(), now_ms());
	if (!ask_all('c', command, strlen(command), until) ||
	    !ask('r', "", 0, until) || (!input && !ask('q', "", 0, until)))
		errx(STATUS_FAILED, "%s does not listen", name);
}

int main(int argc, char **argv)
{
	bool input = false, wait_ready = false, more;
	long long offset = -1, until;
	const char *name;
	int option, notify, status;

	while ((option = getopt(argc, argv, "+ir:")) != -1) {
		if (option == 'i')
			input = true;
		else if (option == 'r')
			wait_ready = true, offset = atoll(optarg);
		else
			return usage();
	}
	if (argc - optind != (wait_ready ? 2 : 3))
		return usage();
	name = argv[optind];
	until = now_ms() + (long long)(atof(argv[optind + 1]) * 1000);

	xs_connect();
	notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	inotify_add_watch(notify, LOG_DIR, IN_MODIFY | IN_CREATE);
	logs[0].fd = logs[1].fd = -1;
	open_logs(name, offset);
	if (!open_tty(name))
		errx(STATUS_FAILED, "no guest %s with a console", name);

	more = input;
	if (!wait_ready)
		send_command(name, argv[optind + 2], input, until);
	for (;;) {
		struct pollfd fds[3] = {
			{.fd = notify, .events = POLLIN},
			{.fd = tty},
			{.fd = more ? STDIN_FILENO : -1, .events = POLLIN},
		};
		char data[4096];
		long long left;

		open_logs(name, offset < 0 ? -1 : 0);
		status = follow(&logs[0], wait_ready);
		if (status < 0)
			status = follow(&logs[1], wait_ready);
		if (status >= 0)
			return status;
		left = until - now_ms();
		if (left <= 0)
			break;
		poll(fds, 3, (int)(left < POLL_MS ? left : POLL_MS));
		while (fds[0].revents && read(notify, data, sizeof(data)) > 0)
			;
		if (fds[2].revents) {
			ssize_t n = read(STDIN_FILENO, data, ASK_CHUNK);

			more = n > 0;
			if (!(more ? ask('i', data, (size_t)n, until)
				   : ask('q', "", 0, until)))
				errx(STATUS_FAILED, "%s does not listen", name);
		}
		if (fds[1].revents & (POLLHUP | POLLERR)) {
			/* The pty is gone: the last words may be in the log. */
			status = follow(&logs[0], wait_ready);
			if (status < 0)
				errx(STATUS_FAILED, "%s went away", name);
			return status;
		}
	}
	if (!wait_ready)
		ask('k', "", 0, now_ms() + 1000);
	warnx("%s: the time is over", name);
	return STATUS_TIME;
}
