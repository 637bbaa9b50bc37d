/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a server is on the network, HOST[:PORT] with IPv6 in brackets, and
 * connections to it that a worker will have.
 */
#ifndef CONTROL_PORTAL_H
#define CONTROL_PORTAL_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/port.h"

#define PORTAL_TEXT_MAX 272 /* with NUL */

struct portal {
	char host[256], port[6];
};

/* Take HOST[:PORT] off *TEXT, up to a slash or its end; PORT if it has none. */
bool portal_split(struct portal *p, const char **text, const char *port);

/* The one spelling of P, into TEXT, PORTAL_TEXT_MAX bytes. */
void portal_format(const struct portal *p, char *text);

/*
 * Connect to P: *FD does not block, and is the caller's. Looks up the host's
 * name, which may take its time, then waits for at most MS milliseconds in all.
 * A negative errno (-ETIMEDOUT, -ENOENT: no such host), and why in WHY, LEN
 * bytes.
 */
int portal_connect(const struct portal *p, unsigned int ms, int *fd, char *why,
		   size_t len) XPV_MUST_CHECK;

/* A TCP connection for requests and answers: small ones go at once, and a peer
 * that is gone without a word is noticed. Of another socket: nothing. */
void portal_tune(int fd);

#endif
