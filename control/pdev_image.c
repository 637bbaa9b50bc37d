/* SPDX-License-Identifier: BSD-2-Clause */
/* Images that qemu-nbd serves: see pdev_image.h. */
#include "control/pdev_image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/pdev_nbd.h"

/* sd_listen_fds(3): the first descriptor that is passed. */
#define LISTEN_FD 3

/* Waits between attempts: 0.2 + 0.4 + 0.8 + 1.6 seconds. */
#define FIRST_WAIT_US 200000u
#define ATTEMPTS      5

/* A listening socket in no directory, and one that is connected to it. */
static int make_sockets(int *listener, int *client)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr.sun_family); /* unix(7): autobind */
	int rc = 0;

	*client = -1;
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || bind(*listener, (struct sockaddr *)&addr, len) ||
	    listen(*listener, 1))
		goto fail;
	len = sizeof(addr);
	if (getsockname(*listener, (struct sockaddr *)&addr, &len))
		goto fail;
	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*client < 0 || connect(*client, (struct sockaddr *)&addr, len))
		goto fail;
	return 0;
fail:
	rc = -errno;
	if (*listener >= 0)
		close(*listener);
	if (*client >= 0)
		close(*client);
	return rc;
}

/* In the child's child: become qemu-nbd, or write the error to FD. */
static void become(const struct pdev *pdev, int listener, int log, int fd)
{
	char format[32], pid[16];
	const char *args[12];
	sigset_t none;
	int n = 0;

	snprintf(format, sizeof(format), "--format=%s",
		 pdev_format_name(pdev->options.format));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	args[n++] = "qemu-nbd";
	args[n++] = format;
	args[n++] = "--discard=unmap";
	if (pdev->options.read_only)
		args[n++] = "--read-only";
	if (pdev->options.direct == PDEV_DIRECT_ON)
		args[n++] = "--cache=none";
	args[n++] = "--";
	args[n++] = pdev->path;
	args[n] = NULL;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* FD must not be in the way; a copy of it is not inherited either. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
	if (fd >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
	    dup2(log, STDERR_FILENO) >= 0 &&
	    dup2(fcntl(listener, F_DUPFD_CLOEXEC, LISTEN_FD + 1), LISTEN_FD) >=
		    0 &&
	    !setenv("LISTEN_FDS", "1", 1) && !setenv("LISTEN_PID", pid, 1))
		execvp(args[0], (char *const *)args);
	n = errno;
	(void)!write(fd, &n, sizeof(n));
	_exit(127);
}

/* Start a server on LISTENER that is nobody's child, and writes to LOG what it
 * has to say: 0, or why it cannot. */
static int start(const struct pdev *pdev, int listener, int log)
{
	int report[2], error = 0, rc = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			become(pdev, listener, log, report[1]);
		_exit(pid < 0);
	}
	if (pid < 0)
		rc = -errno;
	close(report[1]);
	/* Its end without a word: the program runs. */
	if (pid > 0 && read(report[0], &error, sizeof(error)) > 0)
		rc = -error;
	close(report[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

static int attempt(const struct pdev *pdev, int log, int *fd,
		   struct pdev_props *props, char *err, size_t len)
{
	int listener, client, rc;

	rc = make_sockets(&listener, &client);
	if (rc) {
		snprintf(err, len, "pdev '%.200s': no socket: %s", pdev->name,
			 strerror(-rc));
		return rc;
	}
	rc = start(pdev, listener, log);
	close(listener);
	if (rc) {
		snprintf(
			err, len,
			"pdev '%.200s': qemu-nbd cannot be started: %s; is the package qemu-utils installed?",
			pdev->name, strerror(-rc));
		close(client);
		return rc;
	}
	return pdev_nbd_negotiate(pdev, client, fd, props, err, len);
}

/* The last line that a server has written. */
static void last_line(int log, char *out, size_t room)
{
	off_t end = lseek(log, 0, SEEK_END);
	off_t from = end < (off_t)room ? 0 : end - (off_t)room + 1;
	ssize_t n = pread(log, out, room - 1, from);
	char *line;

	out[n > 0 ? n : 0] = '\0';
	n = (ssize_t)strlen(out);
	while (n && out[n - 1] == '\n')
		out[--n] = '\0';
	line = strrchr(out, '\n');
	if (line)
		memmove(out, line + 1, strlen(line));
	if (!pdev_is_line(out))
		out[0] = '\0';
}

int pdev_image_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *err, size_t len)
{
	int log = memfd_create("qemu-nbd", MFD_CLOEXEC), rc;
	unsigned wait = FIRST_WAIT_US;
	char said[200];

	if (log < 0) {
		rc = -errno;
		snprintf(err, len, "out of memory; try again");
		return rc;
	}
	rc = attempt(pdev, log, fd, props, err, len);
	for (int i = 1; i < ATTEMPTS && rc == -EPIPE; i++, wait *= 2) {
		usleep(wait);
		rc = attempt(pdev, log, fd, props, err, len);
	}
	if (rc == -EPIPE) {
		last_line(log, said, sizeof(said));
		snprintf(
			err, len,
			"pdev '%.150s' cannot be served as %s: %s; is it in that format, and not in use?",
			pdev->name, pdev_format_name(pdev->options.format),
			said[0] ? said : "qemu-nbd has ended");
	}
	close(log);
	return rc;
}
