/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between control and a worker: see proto.h.
 */
#include "worker/proto.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Ancillary data with room for all descriptors, aligned as cmsg(3) asks. */
union control_buf {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(PROTO_FDS_MAX * sizeof(int))];
};

int proto_send(int fd, const struct proto_msg *msg, const int *fds, int nfds)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg,
			    .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	union control_buf buf;
	struct cmsghdr *cmsg;
	ssize_t r;

	if (nfds < 0 || nfds > PROTO_FDS_MAX)
		return -EINVAL;
	if (nfds) {
		memset(&buf, 0, sizeof(buf));
		hdr.msg_control = buf.bytes;
		hdr.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, (size_t)nfds * sizeof(int));
	}
	do {
		r = sendmsg(fd, &hdr, MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Takes the descriptors out of HDR; returns how many there are. */
static int take_fds(struct msghdr *hdr, int *fds)
{
	struct cmsghdr *cmsg;
	int n = 0;

	for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		/* The kernel has cut off what has no room in the buffer. */
		memcpy(fds, CMSG_DATA(cmsg), (size_t)n * sizeof(int));
		break;
	}
	return n;
}

/* Whatever the peer has sent, its strings end. */
static void end_strings(struct proto_msg *msg)
{
	uint32_t type = msg->type == PROTO_ITEM ? msg->item : msg->type;
	struct proto_hello *hello = &msg->u.hello;
	struct proto_lun *lun = &msg->u.lun;
	struct proto_blk *blk = &msg->u.blk;

	msg->text[sizeof(msg->text) - 1] = '\0';
	if (type == PROTO_LUN_ADD) {
		lun->kind[sizeof(lun->kind) - 1] = '\0';
		lun->storage[sizeof(lun->storage) - 1] = '\0';
		lun->args[sizeof(lun->args) - 1] = '\0';
		lun->serial[sizeof(lun->serial) - 1] = '\0';
		lun->product[sizeof(lun->product) - 1] = '\0';
		lun->id[sizeof(lun->id) - 1] = '\0';
	} else if (type == PROTO_BLK_OPEN) {
		blk->storage[sizeof(blk->storage) - 1] = '\0';
		blk->args[sizeof(blk->args) - 1] = '\0';
		blk->id[sizeof(blk->id) - 1] = '\0';
	} else if (type == PROTO_HELLO || type == PROTO_BEGIN) {
		hello->uuid[sizeof(hello->uuid) - 1] = '\0';
		hello->build[sizeof(hello->build) - 1] = '\0';
	}
}

int proto_recv(int fd, struct proto_msg *msg, int *fds, int *nfds)
{
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	union control_buf buf;
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = buf.bytes,
			     /* not CMSG_SPACE: its padding has room for one
			      * more than the caller has */
			     .msg_controllen =
				     CMSG_LEN(PROTO_FDS_MAX * sizeof(int))};
	ssize_t r;

	*nfds = 0;
	do {
		r = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*nfds = take_fds(&hdr, fds);
	if (!r && !*nfds)
		return 0;
	if (r != (ssize_t)sizeof(*msg) ||
	    (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (*nfds)
			close(fds[--*nfds]);
		return -EPROTO;
	}
	end_strings(msg);
	return 1;
}
