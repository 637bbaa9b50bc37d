/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv-local: what Xen and xenstored are, for a machine without Xen. One
 * process serves one directory; see doc/architecture.md, "The local host".
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "local/serve.h"

#define LOCK_NAME "lock"

struct options {
	const char *dir;
	long idle; /* seconds; 0: serve for ever */
	bool background;
};

static const char usage[] =
	"Usage: xenpv-local [OPTION]... DIR\n"
	"Be a host for xenpv on a machine without Xen, in the directory DIR: "
	"domains made\n"
	"of shared memory, event channels made of eventfds, and a xenstore "
	"(the tools of\n"
	"the package xenstore-utils work on it with XENSTORED_PATH="
	"DIR/xenstore).\n\n"
	"  --background    return when it answers; none is started if one "
	"runs there\n"
	"  --idle SECONDS  end when nobody has been connected for so long\n"
	"  --help          show this and exit\n"
	"  --version       show the version and exit\n";

/* Ends with 1 after one line that says what is wrong. */
static void __attribute__((format(printf, 1, 2), noreturn))
fail(const char *fmt, ...)
{
	va_list ap;

	fputs("xenpv-local: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"background", no_argument, NULL, 'b'},
		{"idle", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			o->background = true;
			break;
		case 'i':
			o->idle = strtol(optarg, &end, 10);
			if (*end || end == optarg || o->idle < 1 ||
			    o->idle > 1000000)
				fail("--idle '%s': not a number of seconds, "
				     "at least 1",
				     optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case 'v':
			puts("xenpv-local " XENPV_VERSION);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_FAILURE); /* getopt has said why */
		}
	}
	if (optind != argc - 1)
		fail("which directory? See xenpv-local --help");
	o->dir = argv[optind];
}

/* ------------------------------------------------------------ the directory */

/*
 * Enter the directory, so that its sockets have short names, and take its lock.
 * Returns the lock's descriptor; -1 if another one runs there.
 */
static int take(const char *dir, char *pid, size_t len)
{
	ssize_t n;
	int fd;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		fail("cannot make the directory '%s': %s", dir,
		     strerror(errno));
	if (chdir(dir) < 0)
		fail("cannot use '%s' as a directory: %s", dir,
		     strerror(errno));
	fd = open(LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		fail("cannot write in '%s': %s", dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno != EWOULDBLOCK)
		fail("cannot lock '%s/" LOCK_NAME "': %s", dir,
		     strerror(errno));
	n = read(fd, pid, len - 1);
	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	close(fd);
	return -1;
}

/* A listening socket NAME in the current directory. */
static int listen_at(const char *dir, const char *name, int type)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, name);
	(void)unlink(name); /* of one that was killed: we have the lock */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 128) < 0)
		fail("cannot listen at '%s/%s': %s", dir, name,
		     strerror(errno));
	return fd;
}

/* Wait until another one that has the lock answers. */
static void wait_for_other(const char *dir, const char *pid)
{
	const struct timespec nap = {.tv_nsec = 10000000};
	const char *why;
	int i, fd;

	for (i = 0; i < 500; i++) {
		fd = local_connect(".", &why);
		if (fd >= 0)
			exit(EXIT_SUCCESS);
		nanosleep(&nap, NULL);
	}
	fail("process %s has '%s', but does not answer", pid, dir);
}

/* ------------------------------------------------------------------ running */

static bool stopping;

static void on_signal(struct loop_fd *f, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	stopping = read(f->fd, &info, sizeof(info)) == sizeof(info);
}

static void write_pid(int lock)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, (size_t)n, 0) != n)
		fail("cannot write the process number: %s", strerror(errno));
}

/*
 * Go on in a child; the parent ends when the child says so through *READY, or
 * dies, with its status.
 */
static void detach(int *ready)
{
	int pipefd[2];
	pid_t pid;
	char byte;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		fail("no pipe can be had: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fail("no process can be had: %s", strerror(errno));
	if (pid) {
		close(pipefd[1]);
		/* Without the byte it has said why. */
		_exit(read(pipefd[0], &byte, 1) == 1 ? EXIT_SUCCESS
						     : EXIT_FAILURE);
	}
	close(pipefd[0]);
	setsid();
	*ready = pipefd[1];
}

/* It answers now: whoever has started it may go on. */
static void tell_ready(int ready)
{
	int null;

	if (ready < 0)
		return;
	if (write(ready, "", 1) != 1)
		fail("nobody waits for it any more");
	close(ready);
	/* Its terminal, or pipe, is not ours to hold. Errors stay visible. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
}

static void run(const struct options *o, int loop, struct serve *s)
{
	time_t busy = time(NULL), now;

	/* The coarse clock of time() may be set; that ends us early or late,
	 * and only when nobody is connected. */
	while (!stopping) {
		loop_turn(loop, o->idle ? 500 : -1);
		serve_pump(s);
		now = time(NULL);
		if (serve_clients(s) || now < busy)
			busy = now;
		if (o->idle && now - busy >= o->idle)
			break;
	}
}

static int signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Event channels are descriptors: as many as we may have. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct loop_fd stop = {-1, EPOLLIN, on_signal};
	struct serve *s = NULL;
	int lock, loop, host, store, ready = -1;
	char pid[16];

	parse(&o, argc, argv);
	umask(077);
	lock = take(o.dir, pid, sizeof(pid));
	if (lock < 0 && o.background)
		wait_for_other(o.dir, pid);
	if (lock < 0)
		fail("'%s' is taken: process %s serves it; use another "
		     "directory, or stop that",
		     o.dir, pid);
	if (o.background)
		detach(&ready);
	prctl(PR_SET_NAME, "xenpv-local", 0, 0, 0);
	raise_limit();
	write_pid(lock);
	stop.fd = signals();
	host = listen_at(o.dir, LOCAL_HOST, SOCK_SEQPACKET);
	store = listen_at(o.dir, LOCAL_XENSTORE, SOCK_STREAM);
	loop = loop_new();
	if (loop >= 0 && stop.fd >= 0 && loop_add(loop, &stop) == 0)
		s = serve_new(loop, host, store);
	if (!s)
		fail("out of memory or descriptors");
	tell_ready(ready);
	run(&o, loop, s);
	(void)unlink(LOCAL_HOST);
	(void)unlink(LOCAL_XENSTORE);
	serve_free(s);
	return EXIT_SUCCESS;
}
