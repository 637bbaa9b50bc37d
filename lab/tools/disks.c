/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage: disks
 *
 * Runs in a guest, and writes a line for each disk that comes or goes, at the moment
 * at which its kernel says so: "DISK NAME 1", with its size known, or "DISK NAME 0".
 * It waits in a socket, so that what is measured by it is not slowed by it.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The value of NAME in the N bytes of strings at TEXT; "" if there is none. */
static const char *value(const char *text, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < n; at += strlen(text + at) + 1)
		if (!strncmp(text + at, name, len) && text[at + len] == '=')
			return text + at + len + 1;
	return "";
}

static int has_size(const char *disk)
{
	unsigned long long blocks = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/size", disk);
	f = fopen(path, "r");
	if (f && fscanf(f, "%llu", &blocks) != 1)
		blocks = 0;
	if (f)
		fclose(f);
	return blocks > 0;
}

int main(void)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	char text[8192];
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror("disks");
		return 1;
	}
	while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		const char *action, *disk;

		text[n] = '\0';
		if (strcmp(value(text, (size_t)n, "DEVTYPE"), "disk"))
			continue;
		action = value(text, (size_t)n, "ACTION");
		disk = value(text, (size_t)n, "DEVNAME");
		if (!strcmp(action, "remove"))
			printf("DISK %s 0\n", disk);
		else if (has_size(disk)) /* add, or change of one without */
			printf("DISK %s 1\n", disk);
		fflush(stdout);
	}
	perror("disks");
	return 1;
}
