/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties and identity of opened storage: see probe.h.
 */
#include "control/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NAA_LOCAL (UINT64_C(3) << 60)
#define NAA_MASK  ((UINT64_C(1) << 60) - 1)

/* Larger than any page; pread() for the probe only reads one block. */
#define PROBE_ALIGN_MAX 4096u

uint64_t probe_naa(const char *identity)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a offset basis */

	for (const char *p = identity; *p; p++) {
		hash ^= (uint8_t)*p;
		hash *= UINT64_C(0x100000001b3); /* FNV prime */
	}
	return NAA_LOCAL | ((hash ^ (hash >> 60)) & NAA_MASK);
}

/* First line of DIR/NAME, blanks at the ends cut; false if empty or absent. */
static bool read_line(const char *dir, const char *name, char *out, size_t len)
{
	char path[PATH_MAX];
	ssize_t r;
	size_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	r = read(fd, out, len - 1);
	close(fd);
	if (r <= 0)
		return false;
	out[r] = '\0';
	out[strcspn(out, "\n")] = '\0';
	n = strspn(out, " \t");
	memmove(out, out + n, strlen(out + n) + 1);
	for (n = strlen(out); n && (out[n - 1] == ' ' || out[n - 1] == '\t');)
		out[--n] = '\0';
	return n > 0;
}

static uint64_t read_number(const char *dir, const char *name)
{
	char text[32];

	if (!read_line(dir, name, text, sizeof(text)))
		return 0;
	return strtoull(text, NULL, 10);
}

/* Text of sysfs becomes part of one-line messages and of state file names. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c > 0x7e)
			*text = '?';
	}
}

void probe_block_caps(const char *sysdir, struct probe_caps *caps)
{
	char queue[PATH_MAX];
	uint64_t granularity, alignment;

	memset(caps, 0, sizeof(*caps));
	if (snprintf(queue, sizeof(queue), "%s/queue", sysdir) >=
	    (int)sizeof(queue))
		return;
	if (access(queue, F_OK)) {
		/* A partition: the kernel resolves ".." on the real path. */
		if (snprintf(queue, sizeof(queue), "%s/../queue", sysdir) >=
		    (int)sizeof(queue))
			return;
	}
	caps->zero = read_number(queue, "write_zeroes_max_bytes") > 0;
	/* A hole in a block device is what the kernel makes by writing zeroes
	 * that unmap (Linux 6.1, block/fops.c, blkdev_fallocate()): a device
	 * that can only discard refuses it. */
	caps->discard =
		caps->zero && read_number(queue, "discard_max_bytes") > 0;
	caps->rotational = read_number(queue, "rotational") == 1;
	granularity = read_number(queue, "discard_granularity");
	if (granularity <= UINT32_MAX)
		caps->discard_granularity = (uint32_t)granularity;
	/* Of a partition it is the partition's own. */
	alignment = read_number(sysdir, "discard_alignment");
	if (caps->discard && alignment <= UINT32_MAX)
		caps->discard_alignment = (uint32_t)alignment;
}

/* The first name, in alphabetical order, of a link in DIR to device RDEV. */
static bool find_link(const char *dir, dev_t rdev, char *out, size_t len)
{
	struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return false;
	while ((entry = readdir(d))) {
		if (fstatat(dirfd(d), entry->d_name, &st, 0) ||
		    !S_ISBLK(st.st_mode) || st.st_rdev != rdev ||
		    strlen(entry->d_name) >= len)
			continue;
		if (found && strcmp(entry->d_name, out) >= 0)
			continue;
		strcpy(out, entry->d_name);
		found = true;
	}
	closedir(d);
	return found;
}

void probe_block_identity(const char *sysdir, const char *by_id, dev_t rdev,
			  const char *path, char *out)
{
	static const struct {
		const char *file, *prefix;
	} sources[] = {
		{"device/wwid", ""},   {"wwid", ""},
		{"dm/uuid", "dm:"},    {"md/uuid", "md:"},
		{"serial", "serial:"}, {"device/serial", "serial:"},
	};
	char disk[PATH_MAX], text[256], part[16] = "";
	size_t i;

	if (read_line(sysdir, "partition", text, sizeof(text)) &&
	    snprintf(disk, sizeof(disk), "%s/..", sysdir) < (int)sizeof(disk)) {
		snprintf(part, sizeof(part), "-part%.8s", text);
		sysdir = disk;
	}
	for (i = 0; i < XPV_ARRAY_SIZE(sources); i++) {
		if (!read_line(sysdir, sources[i].file, text, sizeof(text)))
			continue;
		snprintf(out, PROBE_IDENTITY_MAX, "%s%s%s", sources[i].prefix,
			 text, part);
		make_printable(out);
		return;
	}
	/* These name the partition itself. */
	if (find_link(by_id, rdev, text, sizeof(text)))
		snprintf(out, PROBE_IDENTITY_MAX, "by-id:%s", text);
	else
		snprintf(out, PROBE_IDENTITY_MAX, "path:%s", path);
	make_printable(out);
}

void probe_file_caps(int fd, struct probe_caps *caps)
{
	/* fallocate(2): who has PUNCH_HOLE, who ZERO_RANGE as well. */
	static const struct {
		uint32_t magic;
		bool discard, zero;
	} known[] = {
		{EXT4_SUPER_MAGIC, true, true},
		{XFS_SUPER_MAGIC, true, true},
		{BTRFS_SUPER_MAGIC, true, true},
		{F2FS_SUPER_MAGIC, true, true},
		{TMPFS_MAGIC, true, false},
		{0x2fc12fc1 /* ZFS */, true, false},
		{0x01161970 /* GFS2 */, true, false},
		{0x7461636f /* OCFS2 */, true, false},
		{NFS_SUPER_MAGIC, true, false},
		{0x65735546 /* FUSE */, true, false},
	};
	struct statfs sf;
	struct stat st;

	memset(caps, 0, sizeof(*caps));
	if (fstatfs(fd, &sf) || fstat(fd, &st))
		return;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(known); i++) {
		if ((uint32_t)sf.f_type != known[i].magic)
			continue;
		caps->discard = known[i].discard;
		caps->zero = known[i].zero;
	}
	if (caps->discard && st.st_blksize > 0)
		caps->discard_granularity = (uint32_t)st.st_blksize;
}

uint32_t probe_direct_align(int fd, uint32_t block_size)
{
	uint32_t align;
	void *buf;
	ssize_t r;

#ifdef STATX_DIOALIGN
	struct statx stx;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		align = stx.stx_dio_offset_align;
		if (align && align < stx.stx_dio_mem_align)
			align = stx.stx_dio_mem_align;
		return align <= PROBE_ALIGN_MAX ? align : 0;
	}
#endif
	/* Kernels before 6.1 do not say; a read that is refused does. */
	if (posix_memalign(&buf, PROBE_ALIGN_MAX, PROBE_ALIGN_MAX))
		return 0;
	for (align = block_size; align <= PROBE_ALIGN_MAX; align *= 2) {
		r = pread(fd, buf, align, align);
		if (r >= 0 || errno != EINVAL)
			break;
	}
	free(buf);
	return align <= PROBE_ALIGN_MAX ? align : 0;
}
