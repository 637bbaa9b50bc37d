/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xs.c - xenstore, as little of it as the lab's tools need.
 */
#include <err.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "xs.h"

/* struct xsd_sockmsg of xen/io/xs_wire.h. */
struct head {
	uint32_t type, request, transaction, size;
};

static int store;

void xs_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
				      .sun_path = "/run/xenstored/socket"};

	store = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (store < 0 ||
	    connect(store, (struct sockaddr *)&address, sizeof(address)))
		err(125, "%s", address.sun_path);
}

static void transfer(ssize_t (*move)(int, void *, size_t), void *data,
		     size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = move(store, p, size);

		if (n <= 0)
			err(125, "xenstored");
		p += n;
		size -= (size_t)n;
	}
}

static ssize_t put(int fd, void *data, size_t size)
{
	return write(fd, data, size);
}

int xs_request(enum xs_type type, uint32_t transaction, const void *data,
	       size_t size, char *reply)
{
	struct head head = {.type = type,
			    .transaction = transaction,
			    .size = (uint32_t)size};
	char message[sizeof(head) + XS_PAYLOAD_MAX];

	if (size > XS_PAYLOAD_MAX)
		errx(125, "xenstore: a request of %zu bytes is too long", size);
	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), data, size);
	transfer(put, message, sizeof(head) + size);
	transfer(read, &head, sizeof(head));
	if (head.size > XS_PAYLOAD_MAX)
		errx(125, "xenstore: a reply of %u bytes is too long",
		     head.size);
	transfer(read, reply, head.size);
	reply[head.size] = '\0';
	return head.type == XS_ERROR ? -1 : (int)head.size;
}
