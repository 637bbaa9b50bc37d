/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/cart_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scsi/crc32c.h"

/* LEN bytes, or -EBADMSG where the file ends before. */
static int read_all(int fd, void *buf, size_t len, uint64_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)buf + done, len - done,
			  (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)buf + done, len - done,
			   (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		done += (size_t)n;
	}
	return 0;
}

/* ---- labels ---- */

/* One more, with the checkpoint that is in C. */
static int write_label(int fd, struct cart *c)
{
	uint8_t label[CART_LABEL];
	uint32_t at;

	c->seq++;
	at = cart_label_put(c, label);
	return write_all(fd, label, sizeof(label), at);
}

int cart_file_create(int fd, struct cart *c)
{
	int rc;

	c->seq = 0;
	c->saved = c->end = cart_start();
	rc = ftruncate(fd, CART_START) < 0 ? -errno : 0;
	if (!rc)
		rc = write_label(fd, c);
	if (!rc)
		rc = write_label(fd, c);
	if (!rc && fdatasync(fd) < 0)
		rc = -errno;
	return rc;
}

int cart_file_label(int fd, struct cart *c)
{
	struct cart one, best = {0};
	uint8_t label[CART_LABEL];
	bool found = false;
	int rc;

	for (uint32_t i = 0; i < 2; i++) {
		memset(&one, 0, sizeof(one));
		rc = read_all(fd, label, sizeof(label), i * CART_LABEL_STEP);
		if (rc < 0 && rc != -EBADMSG)
			return rc;
		if (rc < 0 || !cart_label_get(&one, label))
			continue;
		if (!found || one.seq > best.seq)
			best = one;
		found = true;
	}
	if (!found)
		return -EBADMSG;
	best.end = best.saved;
	*c = best;
	return 0;
}

/* ---- records ---- */

/* The record at the place TO, its data in BUF: 1; 0: there is none. */
static int read_record(int fd, const struct cart *c,
		       const struct cart_place *to, struct cart_record *r,
		       uint8_t *buf)
{
	uint8_t head[CART_HEAD];
	int rc = read_all(fd, head, sizeof(head), to->offset);

	if (!rc &&
	    (!cart_head_get(c, r, to->offset, head) || !cart_follows(r, to)))
		rc = -EBADMSG;
	if (!rc && r->len)
		rc = read_all(fd, buf, r->len, to->offset + CART_HEAD);
	if (!rc && r->len && scsi_crc32c(0, buf, r->len) != r->crc)
		rc = -EBADMSG;
	if (rc == -EBADMSG)
		return 0;
	return rc < 0 ? rc : 1;
}

/* Is there a record that ends at the checkpoint? */
static int check_saved(int fd, const struct cart *c)
{
	uint64_t before = c->saved.number ? cart_before(&c->saved) : 0;
	uint8_t head[CART_HEAD];
	struct cart_record r;
	struct cart_place behind;
	int rc;

	if (!c->saved.number)
		return 1;
	rc = read_all(fd, head, sizeof(head), before);
	if (rc == -EBADMSG || (!rc && !cart_head_get(c, &r, before, head)))
		return 0;
	if (rc < 0)
		return rc;
	behind = cart_behind(&r);
	r.at = behind;
	return cart_follows(&r, &c->saved);
}

int cart_file_load(int fd, struct cart *c)
{
	struct cart_record r;
	uint8_t *buf;
	int rc = cart_file_label(fd, c);

	if (rc < 0)
		return rc;
	buf = malloc(CART_BLOCK_MAX);
	if (!buf)
		return -ENOMEM;
	rc = check_saved(fd, c);
	if (rc == 0)
		c->end = cart_start();
	while (rc >= 0) {
		rc = read_record(fd, c, &c->end, &r, buf);
		if (rc <= 0)
			break;
		c->end = cart_behind(&r);
	}
	free(buf);
	return rc;
}

int cart_file_trim(int fd, const struct cart *c)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return -errno;
	if ((uint64_t)size <= c->end.offset)
		return 0;
	if (ftruncate(fd, (off_t)c->end.offset) < 0 || fdatasync(fd) < 0)
		return -errno;
	return 0;
}

int cart_file_sync(int fd, struct cart *c)
{
	int rc = fdatasync(fd) < 0 ? -errno : 0;

	if (rc < 0)
		return rc;
	c->saved = c->end;
	rc = write_label(fd, c);
	if (!rc && fdatasync(fd) < 0)
		rc = -errno;
	return rc;
}

int cart_file_append(int fd, struct cart *c, const void *data, uint32_t len)
{
	struct cart_record r = {.type = len ? CART_BLOCK : CART_MARK,
				.len = len,
				.crc = scsi_crc32c(0, data, len),
				.at = c->end};
	uint8_t head[CART_HEAD];
	int rc = 0;

	if (cart_left(c) < CART_HEAD + (uint64_t)len)
		return -ENOSPC;
	if (len)
		rc = write_all(fd, data, len, r.at.offset + CART_HEAD);
	cart_head_put(c, &r, head);
	if (!rc)
		rc = write_all(fd, head, sizeof(head), r.at.offset);
	if (!rc)
		c->end = cart_behind(&r);
	return rc;
}

int cart_file_scan(int fd, const struct cart *c, struct cart_sum *sum,
		   int (*fn)(void *ctx, const struct cart_record *r,
			     const uint8_t *data),
		   void *ctx)
{
	struct cart_place at = cart_start();
	uint8_t *buf = malloc(CART_BLOCK_MAX);
	struct cart_record r;
	int rc = 0;

	memset(sum, 0, sizeof(*sum));
	if (!buf)
		return -ENOMEM;
	while (!rc) {
		rc = read_record(fd, c, &at, &r, buf);
		if (rc <= 0)
			break;
		rc = fn ? fn(ctx, &r, buf) : 0;
		at = cart_behind(&r);
		sum->blocks += r.type == CART_BLOCK;
		sum->marks += r.type == CART_MARK;
		sum->bytes += r.len;
	}
	sum->at = at;
	sum->damaged = at.offset < c->end.offset || at.offset < c->saved.offset;
	free(buf);
	return rc;
}
