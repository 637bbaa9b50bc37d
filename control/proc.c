/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECCOMP_FILTER 2 /* seccomp(2): SECCOMP_MODE_FILTER */

/* The number in the line of TEXT that begins with NAME. */
static int number(const char *text, const char *name, int base, uint64_t *out)
{
	const char *line = text;
	char *end;

	while (line && strncmp(line, name, strlen(name))) {
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	if (!line)
		return -EPROTO;
	errno = 0;
	*out = strtoull(line + strlen(name), &end, base);
	return errno || end == line + strlen(name) ? -EPROTO : 0;
}

int proc_parse(const char *text, struct proc *out)
{
	uint64_t kib, threads, seccomp, effective, bounding, locked;

	if (number(text, "VmRSS:", 10, &kib) ||
	    number(text, "Threads:", 10, &threads) ||
	    number(text, "Seccomp:", 10, &seccomp) ||
	    number(text, "NoNewPrivs:", 10, &locked) ||
	    number(text, "CapPrm:", 16, &effective) ||
	    number(text, "CapBnd:", 16, &bounding))
		return -EPROTO;
	out->memory = kib * 1024;
	out->threads = (uint32_t)threads;
	out->sandboxed = seccomp == SECCOMP_FILTER && locked == 1 &&
			 effective == 0 && bounding == 0;
	return 0;
}

int proc_read(pid_t pid, struct proc *out)
{
	char path[32], text[4096];
	ssize_t n;
	int fd, rc;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	rc = n < 0 ? -errno : 0;
	close(fd);
	if (rc)
		return rc;
	text[n] = '\0';
	return proc_parse(text, out);
}
