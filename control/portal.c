/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/portal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"

/* A peer that is gone without a word is noticed after so long. */
#define SILENCE_MS 30000

/* N characters of TEXT into OUT; false if there are none, or too many. */
static bool copy(char *out, size_t room, const char *text, size_t n)
{
	if (!n || n >= room)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

bool portal_split(struct portal *p, const char **text, const char *port)
{
	bool bracket = **text == '[';
	const char *at = *text + bracket;
	size_t n = strcspn(at, bracket ? "]" : ":/");

	if (!copy(p->host, sizeof(p->host), at, n))
		return false;
	at += n;
	if (bracket && *at++ != ']')
		return false;
	snprintf(p->port, sizeof(p->port), "%s", port);
	if (*at == ':') {
		n = strspn(++at, "0123456789");
		if (!copy(p->port, sizeof(p->port), at, n) ||
		    atoi(p->port) < 1 || atoi(p->port) > 65535)
			return false;
		at += n;
	}
	*text = at;
	return !*at || *at == '/';
}

void portal_format(const struct portal *p, char *text)
{
	bool bracket = strchr(p->host, ':');

	snprintf(text, PORTAL_TEXT_MAX, "%s%s%s:%d", bracket ? "[" : "",
		 p->host, bracket ? "]" : "", atoi(p->port));
}

/* Until END: 0 when FD is connected. */
static int wait_connected(int fd, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);
	int64_t left;

	do {
		left = end - clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
	} while (poll(&p, 1, (int)left) <= 0);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int connect_one(const struct addrinfo *ai, int64_t end, int *fd)
{
	int rc = 0, s = socket(ai->ai_family,
			       ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
			       ai->ai_protocol);

	if (s < 0)
		return -errno;
	if (connect(s, ai->ai_addr, ai->ai_addrlen))
		rc = errno == EINPROGRESS ? wait_connected(s, end) : -errno;
	if (rc) {
		close(s);
		return rc;
	}
	portal_tune(s);
	*fd = s;
	return 0;
}

int portal_connect(const struct portal *p, unsigned int ms, int *fd, char *why,
		   size_t len)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM};
	int64_t end = clock_ms() + ms;
	struct addrinfo *list, *ai;
	int rc = getaddrinfo(p->host, p->port, &hints, &list);

	if (rc) {
		snprintf(why, len, "%s", gai_strerror(rc));
		return -ENOENT;
	}
	rc = -ENOENT;
	for (ai = list; ai && rc; ai = ai->ai_next)
		rc = connect_one(ai, end, fd);
	freeaddrinfo(list);
	if (rc)
		snprintf(why, len, "%s", strerror(-rc));
	return rc;
}

static void set(int fd, int level, int name, int value)
{
	/* Not fatal: a socket that has no such thing needs it less. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void portal_tune(int fd)
{
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS);
}
