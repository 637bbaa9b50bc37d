/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * agent.c - PID 1 of a guest of the lab: runs what guest-run asks for over the console.
 *
 * Theory of operation
 *
 * The console is one stream of lines for everybody: the kernel before we start, then this program
 * alone, which silences the kernel and passes its messages on itself. So each line is whole. Lines
 * of ours start with "@lab", one write(2) each, at most 2 KiB, which a tty takes in one piece:
 *
 *	guest-run -> agent		agent -> guest-run
 *	@lab ID c BASE64  command	@lab ready
 *	@lab ID r         run it	@lab ID N o BASE64  standard output
 *	@lab ID i BASE64  its input	@lab ID N e BASE64  standard error
 *	@lab ID q         end of it	@lab ID N x STATUS  the end
 *	@lab ID k         kill it
 *
 * ID is guest-run's choice, no two alike. N counts an ID's lines from 0: a lost one is noticed.
 * Commands run side by side. A command ends when its shell exits: what it left running in the
 * background is let live, and its output from then on is dropped.
 */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base64.h"

#define JOBS_MAX  16
#define ID_SIZE	  24
#define LINE_MAX_ 2048
#define CHUNK	  1440 /* bytes of output a line: 1920 of base64, and the head */

/* klogctl(2): set the level below which messages of the kernel reach the console. */
#define KLOG_CONSOLE_LEVEL 8

struct bytes {
	char *data;
	size_t size, room;
};

struct job {
	char id[ID_SIZE]; /* empty: this slot is free */
	unsigned int sent;
	pid_t pid; /* 0 until it runs */
	bool input_ends;
	struct bytes command, input;
	int in, out, err; /* our ends of its pipes, -1 if closed */
};

static struct job jobs[JOBS_MAX];
static int console;

static void append(struct bytes *b, const void *data, size_t size)
{
	if (b->size + size > b->room) {
		b->room = 2 * (b->size + size);
		b->data = realloc(b->data, b->room);
		if (!b->data)
			abort();
	}
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

/* Puts one line on the console. */
static void say(const char *line, size_t size)
{
	while (size) {
		ssize_t n = write(console, line, size);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			line += n;
			size -= (size_t)n;
		}
	}
}

static void say_data(struct job *job, char kind, const void *data, size_t size)
{
	char line[LINE_MAX_];
	int head = snprintf(line, sizeof(line), "@lab %s %u %c ", job->id,
			    job->sent++, kind);
	size_t end = (size_t)head + base64_encode(line + head, data, size);

	line[end++] = '\n';
	say(line, end);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Passes on what a pipe of a job holds, at most one line of it. Returns false when it's empty. */
static bool pass_on(struct job *job, int *fd, char kind)
{
	char data[CHUNK];
	ssize_t n = *fd < 0 ? -1 : read(*fd, data, sizeof(data));

	if (n > 0)
		say_data(job, kind, data, (size_t)n);
	else if (!n)
		close_fd(fd);
	return n > 0;
}

/* Gives a job as much of its input as it takes now. */
static void feed(struct job *job)
{
	ssize_t n = 0;

	if (job->in < 0)
		return;
	if (job->input.size)
		n = write(job->in, job->input.data, job->input.size);
	if (n > 0) {
		job->input.size -= (size_t)n;
		memmove(job->input.data, job->input.data + n, job->input.size);
	}
	if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
	    (!job->input.size && job->input_ends))
		close_fd(&job->in);
}

static void finish(struct job *job, int status)
{
	char line[LINE_MAX_];
	int size;

	while (pass_on(job, &job->out, 'o'))
		;
	while (pass_on(job, &job->err, 'e'))
		;
	size = snprintf(line, sizeof(line), "@lab %s %u x %d\n", job->id,
			job->sent, status);
	say(line, (size_t)size);
	close_fd(&job->in);
	close_fd(&job->out);
	close_fd(&job->err);
	free(job->command.data);
	free(job->input.data);
	memset(job, 0, sizeof(*job));
}

static void run(struct job *job)
{
	int in[2], out[2], err[2];
	sigset_t none;

	append(&job->command, "", 1);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		abort();
	job->pid = fork();
	if (!job->pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execl("/bin/bash", "bash", "-c", job->command.data, NULL);
		execl("/bin/sh", "sh", "-c", job->command.data, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	job->in = in[1];
	job->out = out[0];
	job->err = err[0];
	fcntl(job->in, F_SETFL, O_NONBLOCK);
	fcntl(job->out, F_SETFL, O_NONBLOCK);
	fcntl(job->err, F_SETFL, O_NONBLOCK);
	if (job->pid < 0) {
		job->pid = 0;
		finish(job, 126);
	}
}

static struct job *find_job(const char *id)
{
	struct job *job, *unused = NULL;

	for (job = jobs; job < jobs + JOBS_MAX; job++) {
		if (!strcmp(job->id, id))
			return job;
		if (!job->id[0])
			unused = job;
	}
	if (unused) {
		snprintf(unused->id, sizeof(unused->id), "%s", id);
		unused->in = unused->out = unused->err = -1;
	}
	return unused;
}

/* Obeys one line of the console; what isn't for us is somebody typing. */
static void obey(const char *line)
{
	char id[ID_SIZE], text[LINE_MAX_] = "", data[LINE_MAX_], verb;
	struct job *job;
	ssize_t size;

	if (sscanf(line, "@lab %23s %c %2047s", id, &verb, text) < 2)
		return;
	job = find_job(id);
	size = base64_decode(data, text);
	if (!job || size < 0)
		return;
	switch (verb) {
	case 'c':
		append(&job->command, data, (size_t)size);
		break;
	case 'i':
		append(&job->input, data, (size_t)size);
		break;
	case 'q':
		job->input_ends = true;
		break;
	case 'r':
		if (!job->pid)
			run(job);
		break;
	case 'k':
		if (job->pid)
			kill(-job->pid, SIGKILL);
		break;
	}
	if (job->pid)
		feed(job);
}

static void read_console(void)
{
	static char line[LINE_MAX_];
	static size_t length;
	char data[512];
	ssize_t n = read(console, data, sizeof(data)), i;

	for (i = 0; i < n; i++) {
		if (data[i] != '\n' && data[i] != '\r') {
			line[length] = data[i];
			length += length < sizeof(line) - 1;
			continue;
		}
		line[length] = '\0';
		length = 0;
		obey(line);
	}
}

/* Passes on one message of the kernel, "level,number,microseconds,flags;text". */
static void read_kernel(int kmsg)
{
	char data[8192], line[LINE_MAX_], *text;
	ssize_t n = read(kmsg, data, sizeof(data) - 1);
	unsigned long long time;
	int size;

	if (n <= 0)
		return;
	data[n] = '\0';
	text = strchr(data, ';');
	if (!text || sscanf(data, "%*u,%*u,%llu", &time) != 1)
		return;
	text[1 + strcspn(text + 1, "\n")] = '\0';
	size = snprintf(line, sizeof(line) - 1, "[%5llu.%06llu] %.1900s\n",
			time / 1000000, time % 1000000, text + 1);
	say(line, (size_t)size);
}

static void reap(int signals)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct job *job;

		for (job = jobs; job < jobs + JOBS_MAX; job++)
			if (job->pid == pid)
				finish(job, WIFEXITED(status)
						    ? WEXITSTATUS(status)
						    : 128 + WTERMSIG(status));
	}
}

/* What a shell and its tools expect of a system, done here because starting a program is slow. */
static void furnish(void)
{
	static const struct {
		const char *type, *dir;
	} mounts[] = {
		{"devpts", "/dev/pts"}, {"tmpfs", "/dev/shm"},
		{"tmpfs", "/run"},	{"tmpfs", "/tmp"},
		{"xenfs", "/proc/xen"},
	};
	static const struct {
		const char *to, *link;
	} links[] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
		/* "xl shutdown" and "xl reboot" make the kernel call these. */
		{"/lab/poweroff", "/sbin/poweroff"},
		{"/lab/poweroff", "/sbin/reboot"},
	};
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t i;

	for (i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].dir, 0755);
		mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL);
	}
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		unlink(links[i].link);
		if (symlink(links[i].to, links[i].link))
			continue;
	}
	mkdir("/root", 0700);
	if (chdir("/root"))
		return;
	chmod("/tmp", 01777);
	ioctl(fd, SIOCSIFFLAGS, &loopback);
	close(fd);
	setenv("PATH",
	       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	       1);
	setenv("HOME", "/root", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
}

static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(console, &t))
		return;
	cfmakeraw(&t);
	tcsetattr(console, TCSANOW, &t);
}

int main(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC),
	    signals;
	sigset_t set;

	console = open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		return 1;
	furnish();
	make_raw();
	klogctl(KLOG_CONSOLE_LEVEL, NULL, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	say("\n@lab ready\n", 12);

	for (;;) {
		struct pollfd fds[3 + 3 * JOBS_MAX] = {
			{.fd = console, .events = POLLIN},
			{.fd = signals, .events = POLLIN},
			{.fd = kmsg, .events = POLLIN},
		};
		struct pollfd *fd = fds + 3;
		struct job *job;

		for (job = jobs; job < jobs + JOBS_MAX; job++, fd += 3) {
			bool runs = job->pid;

			fd[0] = (struct pollfd){.fd = runs ? job->out : -1,
						.events = POLLIN};
			fd[1] = (struct pollfd){.fd = runs ? job->err : -1,
						.events = POLLIN};
			fd[2] = (struct pollfd){
				.fd = runs && job->input.size ? job->in : -1,
				.events = POLLOUT};
		}
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;
		if (fds[0].revents)
			read_console();
		if (fds[2].revents & POLLIN)
			read_kernel(kmsg);
		for (job = jobs, fd = fds + 3; job < jobs + JOBS_MAX;
		     job++, fd += 3) {
			if (fd[0].revents)
				pass_on(job, &job->out, 'o');
			if (fd[1].revents)
				pass_on(job, &job->err, 'e');
			if (fd[2].revents)
				feed(job);
		}
		if (fds[1].revents)
			reap(signals);
	}
}
