/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/local_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int local_connect(const char *place, const char **why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, n, rc;

	*why = "no directory is given: local:DIR";
	if (!place || !place[0])
		return -EINVAL;
	*why = "the path of the local host's directory is too long";
	n = snprintf(to.sun_path, sizeof(to.sun_path), "%s/" LOCAL_HOST, place);
	if (n < 0 || (size_t)n >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	*why = "no socket can be had";
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*why = "no local host runs there (xenpv-local)";
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(LOCAL_FDS_MAX * sizeof(int))];
};

int local_send_msg(int fd, const struct local_msg *m, const int *fds,
		   unsigned nfds)
{
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	union control control = {.align = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	ssize_t n;

	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*m) ? 0 : -EIO;
}

int local_recv_msg(int fd, struct local_msg *m, int *fds, unsigned *nfds)
{
	struct iovec iov = {m, sizeof(*m)};
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	*nfds = 0;
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
	}
	if (n == 0)
		return 0;
	if (n == (ssize_t)sizeof(*m) && m->version == LOCAL_VERSION &&
	    !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	while (*nfds)
		close(fds[--*nfds]);
	return -EPROTO;
}

int local_call(int fd, struct local_msg *m, int *fds, unsigned nfds)
{
	int got[LOCAL_FDS_MAX];
	uint32_t type = m->type;
	unsigned n = 0;
	int rc;

	m->version = LOCAL_VERSION;
	rc = local_send_msg(fd, m, NULL, 0);
	if (rc < 0)
		return rc;
	rc = local_recv_msg(fd, m, got, &n);
	if (rc == 0)
		rc = -ECONNRESET;
	if (rc < 0)
		return rc;
	rc = m->rc < 0 ? m->rc : 0;
	if (rc == 0 && m->type == type && n == nfds) {
		if (n)
			memcpy(fds, got, n * sizeof(int));
		return 0;
	}
	while (n)
		close(got[--n]);
	return rc < 0 ? rc : -EPROTO;
}

struct local_memory *local_map_memory(int fd, uint32_t pages)
{
	int seals = fcntl(fd, F_GET_SEALS);
	size_t len = (size_t)pages * WIRE_PAGE_SIZE;
	struct stat st;
	void *p;

	/* Memory that could become smaller would be a trap: SIGBUS. */
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 ||
	    st.st_size != (off_t)len || pages <= LOCAL_FRAME_FIRST)
		return NULL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}
