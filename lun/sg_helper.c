/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/sg_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <scsi/scsi_ioctl.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/major.h>

/* In the kernel's headers, but not in the C library's. */
#define RESET_NO_ESCALATE 0x100

#define NODE  "/sg"
#define TITLE "xenpv-sg-helper"

#define RESETS_MAX 16 /* at a time */

/* What it is asked for, beside the descriptor and a pipe for the answer, which
 * is an int32_t: 0 or a negative errno. */
struct request {
	uint32_t what;
	uint32_t user; /* who is to own the node; whoever asks, for himself */
};

enum what {
	MAKE_NODE = 1,
	REMOVE_NODE,
	RESET,
};

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(2 * sizeof(int))];
};

static struct {
	int fd; /* socket to it, or -1 */
	pthread_mutex_t node_lock;
} helper = {.fd = -1, .node_lock = PTHREAD_MUTEX_INITIALIZER};

static int reset_device(int fd)
{
	int what = SG_SCSI_RESET_DEVICE | RESET_NO_ESCALATE;

	return ioctl(fd, SG_SCSI_RESET, &what) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------- the process */

static int make_node(const struct stat *st, uid_t user)
{
	(void)unlinkat(AT_FDCWD, NODE, 0);
	if (mknodat(AT_FDCWD, NODE, S_IFCHR | 0600, st->st_rdev) < 0 ||
	    fchownat(AT_FDCWD, NODE, user, user, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int remove_node(void)
{
	return unlinkat(AT_FDCWD, NODE, 0) < 0 ? -errno : 0;
}

/* Do what R asks for with FD. */
static int serve(const struct request *r, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != SCSI_GENERIC_MAJOR)
		return -ENOTTY;
	switch (r->what) {
	case MAKE_NODE:
		return make_node(&st, r->user);
	case REMOVE_NODE:
		return remove_node();
	case RESET:
		return reset_device(fd);
	}
	return -EINVAL;
}

static void answer(int pipe, int32_t rc)
{
	(void)!write(pipe, &rc, sizeof(rc)); /* it waits, or has gone */
}

/* The next request: 1, or 0 when there are no more. */
static int next(int sock, struct request *r, int *fds)
{
	struct iovec iov = {r, sizeof(*r)};
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	c = n == sizeof(*r) ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return 0;
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 1;
}

static void run(int sock)
{
	unsigned resets = 0;
	struct request r;
	int fds[2];

	while (next(sock, &r, fds)) {
		while (resets > 0 && waitpid(-1, NULL, WNOHANG) > 0)
			resets--;
		/* A reset takes seconds, which others do not wait for. */
		if (r.what == RESET && resets < RESETS_MAX && fork() == 0) {
			answer(fds[1], serve(&r, fds[0]));
			_exit(0);
		}
		if (r.what != RESET)
			answer(fds[1], serve(&r, fds[0]));
		else if (resets < RESETS_MAX)
			resets++;
		else
			answer(fds[1], -EBUSY);
		close(fds[0]);
		close(fds[1]);
	}
}

static void be_helper(int sock, char *title, size_t room, int (*confine)(void))
{
	memset(title, 0, room);
	snprintf(title, room, TITLE);
	prctl(PR_SET_NAME, TITLE, 0, 0, 0);
	if (dup2(sock, 0) == 0 && close_range(1, ~0u, 0) == 0 && confine() == 0)
		run(0);
	_exit(0);
}

int sg_helper_start(char *title, size_t room, int (*confine)(void))
{
	int sock[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_helper(sock[1], title, room, confine);
	close(sock[1]);
	if (pid < 0) {
		close(sock[0]);
		return -EAGAIN;
	}
	helper.fd = sock[0];
	return 0;
}

/* -------------------------------------------------------------- the worker */

/* Have WHAT done with FD, and wait for it. */
static int ask(enum what what, int fd)
{
	struct request r = {.what = what, .user = geteuid()};
	struct iovec iov = {&r, sizeof(r)};
	union control control = {.align = {0}};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pipe[2], fds[2];
	int32_t rc = 0;
	ssize_t n;

	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	fds[0] = fd;
	fds[1] = pipe[1];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (sendmsg(helper.fd, &msg, MSG_NOSIGNAL) < 0)
		rc = -errno;
	close(pipe[1]);
	while (rc == 0) {
		n = read(pipe[0], &rc, sizeof(rc));
		if (n == sizeof(rc))
			break;
		if (n < 0 && errno == EINTR)
			continue;
		rc = -EPIPE; /* it has died */
	}
	close(pipe[0]);
	return rc;
}

int sg_helper_open(int path_fd, int flags)
{
	char path[32];
	int fd, rc = 0;

	if (helper.fd < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
		fd = open(path, flags);
		return fd < 0 ? -errno : fd;
	}
	pthread_mutex_lock(&helper.node_lock);
	rc = ask(MAKE_NODE, path_fd);
	if (rc == 0) {
		fd = open(NODE, flags);
		rc = fd < 0 ? -errno : fd;
		(void)ask(REMOVE_NODE, path_fd);
	}
	pthread_mutex_unlock(&helper.node_lock);
	return rc;
}

int sg_helper_reset(int fd)
{
	return helper.fd < 0 ? reset_device(fd) : ask(RESET, fd);
}
