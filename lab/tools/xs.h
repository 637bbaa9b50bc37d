/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xs.h - xenstore, as little of it as the lab's tools need: blocking requests on xenstored's socket.
 *
 * On purpose not the project's own codec: what tests the project shall not fail with it.
 */
#ifndef LAB_XS_H
#define LAB_XS_H

#include <stddef.h>
#include <stdint.h>

/* Request numbers of xen/io/xs_wire.h. */
enum xs_type {
	XS_DIRECTORY = 1,
	XS_READ = 2,
	XS_TRANSACTION_START = 6,
	XS_TRANSACTION_END = 7,
	XS_WRITE = 11,
	XS_RM = 13,
	XS_SET_PERMS = 14,
	XS_ERROR = 16,
};

#define XS_PAYLOAD_MAX 4096

/* Connects; ends the program when there is no xenstored. */
void xs_connect(void);

/*
 * One request. The reply's payload is left in reply, which has room for XS_PAYLOAD_MAX + 1 bytes,
 * with a NUL behind it. Returns its size, or -1 with the error's name, "EAGAIN", in reply.
 */
int xs_request(enum xs_type type, uint32_t transaction, const void *data,
	       size_t size, char *reply);

#endif
