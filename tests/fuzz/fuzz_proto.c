/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the other process may send over the socket between control and worker:
 * packets of any size and content, with any number of descriptors. Strings end,
 * no descriptor is lost, a wrong size is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "worker/proto.h"

#define FDS 5 /* more than the protocol has */

static void send_packet(int fd, const void *p, size_t len, unsigned int nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS * sizeof(int))];
	} buf = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[FDS] = {fd, fd, fd, fd, fd};
	struct cmsghdr *cmsg;

	if (nfds) {
		hdr.msg_control = buf.bytes;
		hdr.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	FUZZ_CHECK(sendmsg(fd, &hdr, MSG_NOSIGNAL) == (ssize_t)len);
}

static bool ends(const char *s, size_t room)
{
	return memchr(s, '\0', room);
}

static void receive(int fd, size_t len, unsigned int nfds)
{
	struct proto_msg *msg = malloc(sizeof(*msg));
	int fds[PROTO_FDS_MAX], n = -1, rc;

	FUZZ_CHECK(msg);
	rc = proto_recv(fd, msg, fds, &n);
	if (len != sizeof(*msg) || nfds > PROTO_FDS_MAX) {
		/* a packet of nothing looks like the end */
		FUZZ_CHECK(rc == (len || nfds ? -EPROTO : 0) && n == 0);
		goto out;
	}
	FUZZ_CHECK(rc == 1 && n == (int)nfds);
	FUZZ_CHECK(ends(msg->text, sizeof(msg->text)));
	if (msg->type == PROTO_LUN_ADD)
		FUZZ_CHECK(
			ends(msg->u.lun.kind, sizeof(msg->u.lun.kind)) &&
			ends(msg->u.lun.storage, sizeof(msg->u.lun.storage)) &&
			ends(msg->u.lun.serial, sizeof(msg->u.lun.serial)) &&
			ends(msg->u.lun.product, sizeof(msg->u.lun.product)));
	while (n)
		FUZZ_CHECK(close(fds[--n]) == 0);
out:
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	static int pair[2] = {-1, -1};
	static int lowest;
	uint8_t bytes[sizeof(struct proto_msg) + 64];
	int next;

	if (pair[0] < 0) {
		FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
				       0, pair));
		lowest = dup(pair[0]);
		close(lowest);
	}
	for (int i = 0; in.left && i < 16; i++) {
		uint8_t what = fuzz_u8(&in);
		size_t len = what & 8 ? fuzz_u16(&in) % sizeof(bytes)
				      : sizeof(struct proto_msg);
		unsigned int nfds = (what & 7) % (FDS + 1);

		/* the type, then few bytes all over it */
		memset(bytes, what >> 4, sizeof(bytes));
		bytes[0] = fuzz_u8(&in) % 16;
		memset(bytes + 1, 0, 3);
		fuzz_take(&in, bytes + fuzz_u8(&in), 16);
		send_packet(pair[1], bytes, len, nfds);
		receive(pair[0], len, nfds);
	}
	/* every descriptor that came was closed */
	next = dup(pair[0]);
	FUZZ_CHECK(next == lowest && !close(next));
	return 0;
}
