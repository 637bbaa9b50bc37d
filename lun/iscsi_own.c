/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/iscsi_own.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "wire/port.h"

static _Thread_local int handed = -1;
static _Thread_local void (*told)(void *arg, const void *at, size_t len);
static _Thread_local void *told_arg;

void iscsi_own_hand(int fd)
{
	handed = fd;
}

void iscsi_own_watch(void (*taken)(void *arg, const void *at, size_t len),
		     void *arg)
{
	told = taken;
	told_arg = arg;
}

int iscsi_own_socket(int domain, int type, int protocol)
{
	int fd = handed;

	(void)domain;
	(void)type;
	(void)protocol;
	handed = -1;
	if (fd < 0)
		errno = ENOTCONN;
	return fd;
}

int iscsi_own_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd;
	(void)addr;
	(void)len;
	return 0;
}

int iscsi_own_close(int fd)
{
	(void)fd;
	return 0;
}

/* It is not blocking already. */
int iscsi_own_fcntl(int fd, int cmd, ...)
{
	(void)fd;
	(void)cmd;
	return 0;
}

int iscsi_own_setsockopt(int fd, int level, int name, const void *value,
			 socklen_t len)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	return 0;
}

/* SO_ERROR is all that is asked for: what is wrong is said by what fails. */
int iscsi_own_getsockopt(int fd, int level, int name, void *value,
			 socklen_t *len)
{
	(void)fd;
	(void)level;
	(void)name;
	memset(value, 0, *len);
	return 0;
}

int iscsi_own_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	(void)fd;
	(void)addr;
	(void)len;
	return -1;
}

int iscsi_own_getaddrinfo(const char *node, const char *service,
			  const struct addrinfo *hints, struct addrinfo **out)
{
	static struct sockaddr_in nowhere = {.sin_family = AF_INET};
	static struct addrinfo one = {.ai_family = AF_INET,
				      .ai_addr = (struct sockaddr *)&nowhere,
				      .ai_addrlen = sizeof(nowhere)};

	(void)node;
	(void)service;
	(void)hints;
	*out = &one;
	return 0;
}

void iscsi_own_freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

/* The link has one piece of memory for each command. */
ssize_t iscsi_own_readv(int fd, const struct iovec *iov, int count)
{
	ssize_t n = readv(fd, iov, count);

	if (n > 0 && told)
		told(told_arg, iov->iov_base, (size_t)n);
	return n;
}

/* Without the signal for a target that has gone. */
ssize_t iscsi_own_writev(int fd, const struct iovec *iov, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov,
			     .msg_iovlen = (size_t)count};

	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int iscsi_own_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

/* A challenge of CHAP that can be foreseen would be none (RFC 7143, 9.2.1). */
int iscsi_own_rand(void)
{
	unsigned int value;

	XPV_ASSERT(getrandom(&value, sizeof(value), 0) == sizeof(value));
	return (int)(value & RAND_MAX);
}

void iscsi_own_srand(unsigned int seed)
{
	(void)seed;
}

time_t iscsi_own_time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

char *iscsi_own_getenv(const char *name)
{
	(void)name;
	return NULL;
}

int iscsi_reconnect(struct iscsi_context *iscsi)
{
	(void)iscsi;
	return -1;
}

void iscsi_init_iser_transport(struct iscsi_context *iscsi)
{
	(void)iscsi;
}
