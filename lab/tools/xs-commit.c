/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xs-commit.c - changes xenstore by a list of lines on standard input, in one transaction.
 *
 *	w PATH [VALUE]		write; the value is the rest of the line
 *	p PATH PERMISSION...	permissions as xenstore-chmod spells them: n0 r5
 *	r PATH			remove, if it's there
 *
 * A xenbus device has to appear at once, permissions included: the kernel's backends and frontends
 * act on every node the moment they see it. The stock tools write one node a transaction.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xs.h"

#define LINES_MAX 1024
#define TRIES_MAX 100

/* Makes a request of a line: what goes over the wire is "path\0value" or "path\0n0\0r5\0". */
static int apply(uint32_t transaction, const char *line)
{
	char data[XS_PAYLOAD_MAX], reply[XS_PAYLOAD_MAX + 1], *value;
	size_t size = strlen(line);
	enum xs_type type;

	if (size < 3 || size - 2 >= sizeof(data) || line[1] != ' ')
		errx(2, "malformed: %s", line);
	size -= 2;
	memcpy(data, line + 2, size + 1);
	value = strchr(data, ' ');
	if (value)
		*value = '\0';
	switch (line[0]) {
	case 'w':
		type = XS_WRITE;
		size += !value;
		break;
	case 'p':
		type = XS_SET_PERMS;
		while (value && (value = strchr(value + 1, ' ')))
			*value = '\0';
		size++;
		break;
	case 'r':
		type = XS_RM;
		size++;
		break;
	default:
		errx(2, "malformed: %s", line);
	}
	if (xs_request(type, transaction, data, size, reply) >= 0)
		return 0;
	if (type == XS_RM && !strcmp(reply, "ENOENT"))
		return 0;
	warnx("%s: %s", line, reply);
	return -1;
}

int main(void)
{
	static char *lines[LINES_MAX];
	char reply[XS_PAYLOAD_MAX + 1];
	size_t count = 0, room = 0, i;
	ssize_t n;
	int tries;

	while (count < LINES_MAX &&
	       (n = getline(&lines[count], &room, stdin)) > 0) {
		if (lines[count][n - 1] == '\n')
			lines[count][n - 1] = '\0';
		count++;
		room = 0;
	}
	if (count == LINES_MAX)
		errx(2, "more than %d lines", LINES_MAX - 1);

	xs_connect();
	for (tries = 0; tries < TRIES_MAX; tries++) {
		uint32_t transaction;
		int bad = 0;

		if (xs_request(XS_TRANSACTION_START, 0, "", 1, reply) < 0)
			errx(1, "transaction start: %s", reply);
		transaction = (uint32_t)strtoul(reply, NULL, 10);
		for (i = 0; i < count && !bad; i++)
			bad = apply(transaction, lines[i]);
		if (xs_request(XS_TRANSACTION_END, transaction, bad ? "F" : "T",
			       2, reply) >= 0)
			return bad ? 1 : 0;
		if (strcmp(reply, "EAGAIN"))
			errx(1, "transaction end: %s", reply);
	}
	errx(1, "somebody else always wins: gave up after %d tries", TRIES_MAX);
}
