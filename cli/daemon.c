/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to xenpvd: see daemon.h. */
#include "cli/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_S  10
#define REPLY_MAX (16u << 20)

const char *daemon_run_dir(const struct site *site)
{
	const char *dir = getenv("XENPV_RUNDIR");

	return dir && *dir ? dir : site->run_dir;
}

static const char *socket_path(const struct site *site,
			       struct sockaddr_un *addr)
{
	int n;

	addr->sun_family = AF_UNIX;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/control",
		     daemon_run_dir(site));
	return n < (int)sizeof(addr->sun_path) ? addr->sun_path : NULL;
}

static int dial(const struct sockaddr_un *addr)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (const struct sockaddr *)addr, sizeof(*addr))) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int send_all(int fd, const char *text)
{
	size_t left = strlen(text);
	ssize_t n;

	while (left) {
		n = send(fd, text, left, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

/* One line, without its line feed, malloc'ed. */
static int read_line(int fd, char **line)
{
	size_t used = 0, room = 0;
	char *buf = NULL, *more;
	ssize_t n;
	int rc;

	for (;;) {
		if (room - used < 2) {
			room = room ? 2 * room : 4096;
			more = room <= REPLY_MAX ? realloc(buf, room) : NULL;
			if (!more) {
				rc = -ENOMEM;
				break;
			}
			buf = more;
		}
		n = recv(fd, buf + used, room - used - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n ? -errno : -EPROTO;
			break;
		}
		used += (size_t)n;
		buf[used] = '\0';
		more = memchr(buf + used - (size_t)n, '\n', (size_t)n);
		if (more) {
			*more = '\0';
			*line = buf;
			return 0;
		}
	}
	free(buf);
	return rc;
}

static int explain(const struct site *site, int rc, const char *path, char *err,
		   size_t len)
{
	if (rc == -EACCES || rc == -EPERM) {
		snprintf(err, len,
			 "xenpvd may not be asked by this user (%s): run this "
			 "as the user it runs as",
			 path);
		return -EACCES;
	}
	if (rc == -ENOENT || rc == -ECONNREFUSED) {
		snprintf(err, len,
			 "xenpvd is not running (nobody listens at %s): %s",
			 path, site->word[SITE_START_DAEMON]);
		return -ENOENT;
	}
	if (rc == -EAGAIN || rc == -EWOULDBLOCK) {
		snprintf(err, len,
			 "xenpvd has not answered within %d s (%s): %s",
			 ANSWER_S, path, site->word[SITE_DAEMON_LOG]);
		return -ETIMEDOUT;
	}
	snprintf(err, len, "xenpvd cannot be asked (%s: %s): %s", path,
		 strerror(-rc), site->word[SITE_DAEMON_LOG]);
	return rc;
}

static int check_reply(json_t *reply, const char *path, char *err, size_t len)
{
	const char *error;

	if (json_is_true(json_object_get(reply, "ok")))
		return 0;
	error = json_string_value(json_object_get(reply, "error"));
	snprintf(err, len,
		 "xenpvd refuses (%s: %s): are command and daemon of one "
		 "version? See 'xenpv --version' and 'xenpvd --version'",
		 path, error ? error : "not an answer");
	return -EPROTO;
}

int daemon_ask(const struct site *site, const char *cmd, json_t **reply,
	       char *err, size_t len)
{
	struct sockaddr_un addr = {0};
	const char *path = socket_path(site, &addr);
	char *line = NULL, ask[64];
	json_t *root = NULL;
	int fd = -1, rc;

	if (!path) {
		snprintf(err, len,
			 "XENPV_RUNDIR is too long for a socket's name: "
			 "shorten it");
		return -ENAMETOOLONG;
	}
	snprintf(ask, sizeof(ask), "{\"cmd\":\"%s\"}\n", cmd);
	fd = dial(&addr);
	rc = fd < 0 ? fd : send_all(fd, ask);
	if (!rc)
		rc = read_line(fd, &line);
	if (rc) {
		rc = explain(site, rc, path, err, len);
		goto out;
	}
	root = json_loads(line, 0, NULL);
	rc = check_reply(root, path, err, len);
	if (!rc) {
		*reply = root;
		root = NULL;
	}
out:
	json_decref(root);
	free(line);
	if (fd >= 0)
		close(fd);
	return rc;
}
