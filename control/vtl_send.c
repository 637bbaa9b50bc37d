/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/vtl_send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(VTL_FDS_MAX * sizeof(int))];
};

static int send_fds(int to, const void *bytes, size_t len, const int *fds,
		    size_t n)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	union control control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int vtl_send(int fd, const struct vtl *v, const int *cart)
{
	struct vtl_hello hello = {.version = VTL_VERSION,
				  .drives = v->drives,
				  .slots = v->slots,
				  .carts = v->ncarts};
	int first[2] = {v->lock, v->inventory.fd}, rc;
	uint32_t n;

	memcpy(hello.serial, v->serial, sizeof(hello.serial));
	rc = send_fds(fd, &hello, sizeof(hello), first, 2);
	for (uint32_t i = 0; i < v->ncarts && !rc; i += n) {
		n = v->ncarts - i;
		if (n > VTL_FDS_MAX)
			n = VTL_FDS_MAX;
		rc = send_fds(fd, &n, sizeof(n), cart + i, n);
	}
	return rc;
}
