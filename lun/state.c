/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x5453565058ull /* "XPVST" */

struct head {
	uint64_t magic;
	uint64_t seq;
	uint64_t len;
	uint64_t sum; /* FNV-1a, 64 bits, of seq, len and the bytes */
};

struct slot {
	struct head head;
	uint8_t bytes[STATE_MAX];
};

static uint64_t fnv(uint64_t h, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static uint64_t checksum(const struct slot *s)
{
	uint64_t h = 0xcbf29ce484222325ull;

	h = fnv(h, &s->head.seq, sizeof(s->head.seq));
	h = fnv(h, &s->head.len, sizeof(s->head.len));
	return fnv(h, s->bytes, s->head.len);
}

static off_t slot_at(uint64_t seq)
{
	return (seq & 1) ? (off_t)sizeof(struct slot) : 0;
}

/* True when slot number WHICH of FD is whole. */
static int read_slot(int fd, uint64_t which, struct slot *s)
{
	ssize_t n = pread(fd, s, sizeof(*s), slot_at(which));

	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(s->head) || s->head.magic != MAGIC ||
	    s->head.len > STATE_MAX ||
	    (size_t)n < sizeof(s->head) + s->head.len ||
	    s->head.sum != checksum(s))
		return 0;
	return 1;
}

int state_load(struct state *s, int fd, void *buf, size_t len)
{
	struct slot slot;
	uint64_t which;
	int got = 0, r;

	s->fd = fd;
	s->seq = 0;
	if (fd < 0)
		return 0;
	for (which = 0; which < 2; which++) {
		r = read_slot(fd, which, &slot);
		if (r < 0)
			return r;
		if (r == 0 || slot.head.seq < s->seq)
			continue;
		if (slot.head.len > len)
			return -EFBIG;
		s->seq = slot.head.seq;
		got = (int)slot.head.len;
		memcpy(buf, slot.bytes, slot.head.len);
	}
	return got;
}

int state_save(struct state *s, const void *buf, size_t len, bool sync)
{
	struct slot slot;
	size_t total = sizeof(slot.head) + len;
	ssize_t n;

	if (s->fd < 0)
		return -EOPNOTSUPP;
	if (len > STATE_MAX)
		return -EFBIG;
	slot.head = (struct head){MAGIC, s->seq + 1, len, 0};
	memcpy(slot.bytes, buf, len);
	slot.head.sum = checksum(&slot);
	n = pwrite(s->fd, &slot, total, slot_at(slot.head.seq));
	if (n < 0)
		return -errno;
	if ((size_t)n != total)
		return -ENOSPC;
	if (sync && fdatasync(s->fd) < 0)
		return -errno;
	s->seq++;
	return 0;
}
