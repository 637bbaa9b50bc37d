/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside a guest: bytes of a disk to a file and back, and a checked pattern. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/guest_cmd.h"
#include "cli/text.h"

/* Bytes moved at a time by read and write, and the most that read shows. */
#define STRIDE	 (1u << 20)
#define SHOW_MAX (1u << 20)

static int io_failed(const char *vdev, const char *what, uint64_t offset,
		     const struct vdisk_io *io, int rc)
{
	if (io->sense.key)
		text_error("guest: %s: %s at byte %" PRIu64
			   " fails: %s (sense key %#x, ASC/ASCQ %#06x)",
			   vdev, what, offset, strerror(-rc), io->sense.key,
			   io->sense.asc);
	else
		text_error("guest: %s: %s at byte %" PRIu64 " fails: %s", vdev,
			   what, offset, strerror(-rc));
	return 1;
}

/* OFFSET and LEN of a command's words, inside D. */
static bool parse_range(const struct vdisk *d, const char *offset,
			const char *len, uint64_t *at, uint64_t *n)
{
	uint64_t size = d->blocks * d->block;

	if (!guest_size(offset, at) || !guest_size(len, n)) {
		text_error("guest: '%s %s' is no offset and length: use bytes, "
			   "or 4k, 1M",
			   offset, len);
		return false;
	}
	if ((*at | *n) & (d->block - 1)) {
		text_error("guest: offset and length must be multiples of the "
			   "block, %" PRIu32 " bytes",
			   d->block);
		return false;
	}
	if (*at > size || *n > size - *at) {
		text_error("guest: the disk has %" PRIu64 " bytes only", size);
		return false;
	}
	return true;
}

int guest_read(struct guest_ctx *ctx, int n, char **word)
{
	struct vdisk_io io = {.op = DISK_READ};
	uint64_t at, left, shown = 0;
	struct vdisk d;
	FILE *f = NULL;
	uint8_t *data;
	int rc = 1, err;

	if (guest_disk(ctx, word[0], &d) ||
	    !parse_range(&d, word[1], word[2], &at, &left))
		return 1;
	if (n < 4 && left > SHOW_MAX) {
		text_error("guest: that is much to be shown: name a file");
		return 1;
	}
	data = malloc(STRIDE);
	if (n > 3)
		f = fopen(word[3], "we");
	if (!data || (n > 3 && !f)) {
		text_error("guest: %s: %s", n > 3 ? word[3] : "memory",
			   strerror(errno));
		goto out;
	}
	for (; left; left -= io.len, at += io.len) {
		io.offset = at;
		io.len = left < STRIDE ? left : STRIDE;
		io.data = data;
		err = vdisk_exec(&d, &io);
		if (err) {
			io_failed(word[0], "read", at, &io, err);
			goto out;
		}
		if (f && fwrite(data, 1, io.len, f) != io.len) {
			text_error("guest: %s: %s", word[3], strerror(errno));
			goto out;
		}
		if (!f)
			guest_hex(stdout, data, io.len);
		shown += io.len;
	}
	rc = 0;
	if (f)
		printf("%s: %" PRIu64 " bytes to %s\n", word[0], shown,
		       word[3]);
out:
	if (f && fclose(f) && !rc) {
		text_error("guest: %s: %s", word[3], strerror(errno));
		rc = 1;
	}
	free(data);
	return rc;
}

/* The next bytes of the file, or zeroes; a last block is filled up with zeroes.
 * 0 at the end. */
static size_t next_bytes(FILE *f, uint8_t *data, uint64_t *left, uint32_t block)
{
	size_t n = *left < STRIDE ? (size_t)*left : STRIDE;

	if (f)
		n = fread(data, 1, STRIDE, f);
	else
		*left -= n;
	if (n % block) {
		memset(data + n, 0, block - n % block);
		n += block - n % block;
	}
	return n;
}

int guest_write(struct guest_ctx *ctx, int n, char **word)
{
	struct vdisk_io io = {.op = DISK_WRITE};
	uint64_t at, left = 0, len, start;
	struct vdisk d;
	FILE *f = NULL;
	uint8_t *data = NULL;
	int rc = 1, err;

	(void)n;
	if (guest_disk(ctx, word[0], &d))
		return 1;
	if (!guest_size(word[2], &left)) {
		f = fopen(word[2], "re");
		if (!f) {
			text_error("guest: %s is no length, and no file: %s",
				   word[2], strerror(errno));
			return 1;
		}
	}
	if (!parse_range(&d, word[1], f ? "0" : word[2], &at, &len))
		goto out;
	data = calloc(1, STRIDE);
	if (!data)
		goto out;
	for (start = at; (len = next_bytes(f, data, &left, d.block));) {
		io.offset = at;
		io.len = len;
		io.data = data;
		err = vdisk_exec(&d, &io);
		if (err) {
			io_failed(word[0], "write", at, &io, err);
			goto out;
		}
		at += len;
	}
	if (f && ferror(f)) {
		text_error("guest: %s: %s", word[2], strerror(errno));
		goto out;
	}
	io.op = DISK_FLUSH;
	err = vdisk_exec(&d, &io);
	if (err) {
		io_failed(word[0], "flush", 0, &io, err);
		goto out;
	}
	printf("%s: %" PRIu64 " bytes written\n", word[0], at - start);
	rc = 0;
out:
	if (f)
		fclose(f);
	free(data);
	return rc;
}

int guest_flush(struct guest_ctx *ctx, int n, char **word)
{
	struct vdisk_io io = {.op = DISK_FLUSH};
	struct vdisk d;
	int err;

	(void)n;
	if (guest_disk(ctx, word[0], &d))
		return 1;
	err = vdisk_exec(&d, &io);
	if (err)
		return io_failed(word[0], "flush", 0, &io, err);
	printf("%s: flushed\n", word[0]);
	return 0;
}

int guest_discard(struct guest_ctx *ctx, int n, char **word)
{
	struct vdisk_io io = {.op = DISK_UNMAP};
	struct vdisk d;
	int err;

	(void)n;
	if (guest_disk(ctx, word[0], &d) ||
	    !parse_range(&d, word[1], word[2], &io.offset, &io.len))
		return 1;
	err = vdisk_exec(&d, &io);
	if (err)
		return io_failed(word[0], "discard", io.offset, &io, err);
	printf("%s: %" PRIu64 " bytes discarded\n", word[0], io.len);
	return 0;
}

/* ----------------------------------------------------------------- verify */

#define VERIFY_QD_MAX 64

/*
 * The pattern: each unit of 64 bytes has its place on the disk, the seed, and
 * 48 bytes that follow from both, so that a unit that is misplaced, old or
 * damaged is seen, and said to be which.
 */
#define UNIT 64u

struct verify {
	struct guest_ctx *ctx;
	struct vdisk d;
	const char *vdev;
	uint64_t size, bs, seed;
	uint64_t next; /* offset to begin with */
	uint64_t bad, bad_at;
	uint32_t running;
	int err;
	bool granted;
	uint64_t frame; /* of the buffers */
	struct vdisk_io failed;
	uint64_t failed_at;
	struct vdisk_io io[VERIFY_QD_MAX];
};

static uint64_t mix(uint64_t x)
{
	/* The finaliser of splitmix64. */
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void make_unit(uint64_t seed, uint64_t at, uint8_t *unit)
{
	uint64_t w[UNIT / 8] = {at, seed};

	for (size_t i = 2; i < XPV_ARRAY_SIZE(w); i++)
		w[i] = mix(mix(at ^ seed) + i);
	memcpy(unit, w, UNIT);
}

static void fill(const struct verify *v, uint64_t at, uint8_t *p, uint64_t len)
{
	for (uint64_t i = 0; i < len; i += UNIT)
		make_unit(v->seed, at + i, p + i);
}

static void compare(struct verify *v, uint64_t at, const uint8_t *p,
		    uint64_t len)
{
	uint8_t want[UNIT];

	for (uint64_t i = 0; i < len; i += UNIT) {
		make_unit(v->seed, at + i, want);
		if (!memcmp(want, p + i, UNIT))
			continue;
		if (!v->bad++)
			v->bad_at = at + i;
	}
}

static void verify_next(struct verify *v, struct vdisk_io *io)
{
	if (v->err || v->next >= v->size)
		return;
	io->offset = v->next;
	io->len = v->size - v->next < v->bs ? v->size - v->next : v->bs;
	v->next += io->len;
	v->running++;
	if (io->op == DISK_WRITE)
		fill(v, io->offset, io->data, io->len);
	else
		memset(io->data, 0xa5, io->len);
	vdisk_submit(&v->d, io);
}

static void verify_done(struct vdisk_io *io)
{
	struct verify *v = io->ctx;

	v->running--;
	if (io->err && !v->err) {
		v->err = io->err;
		v->failed = *io;
		v->failed_at = io->offset;
	}
	if (!io->err && io->op == DISK_READ)
		compare(v, io->offset, io->data, io->len);
	verify_next(v, io);
}

/* One way through: all is written, or all is read. */
static int verify_pass(struct verify *v, enum vdisk_op op, uint32_t qd)
{
	int rc = 0;

	v->next = 0;
	for (uint32_t i = 0; i < qd; i++) {
		v->io[i].op = op;
		verify_next(v, &v->io[i]);
	}
	while (v->running && !v->err && !rc)
		rc = guest_step(v->ctx, -1);
	while (v->running) {
		/* What is under way uses memory of ours. */
		if (v->d.dev->session->lost || guest_step(v->ctx, 100))
			gdev_abandon(v->d.dev);
	}
	if (!v->err && !rc)
		return 0;
	if (!v->err) {
		text_error("guest: %s: %s", v->vdev, strerror(-rc));
		return 1;
	}
	return io_failed(v->vdev, op == DISK_WRITE ? "write" : "read",
			 v->failed_at, &v->failed, v->err);
}

struct verify_args {
	uint64_t size, bs, qd, skew, cut, seed;
};

static bool verify_parse(struct verify_args *a, int n, char **word)
{
	const struct {
		const char *key;
		uint64_t *to;
	} keys[] = {{"bs", &a->bs},
		    {"qd", &a->qd},
		    {"skew", &a->skew},
		    {"cut", &a->cut},
		    {"seed", &a->seed}};
	const char *value;

	for (int i = 1; i < n; i++) {
		uint64_t *to = &a->size;

		value = word[i];
		for (size_t k = 0; k < XPV_ARRAY_SIZE(keys); k++)
			if (guest_option(word[i], keys[k].key)) {
				value = guest_option(word[i], keys[k].key);
				to = keys[k].to;
			}
		if (!guest_size(value, to)) {
			text_error("guest: verify: '%s' is not understood",
				   word[i]);
			return false;
		}
	}
	if (a->qd < 1 || a->qd > VERIFY_QD_MAX || a->skew >= 4096 ||
	    a->cut > 4096) {
		text_error("guest: verify: qd is 1 to %d, skew below 4096, cut "
			   "at most 4096",
			   VERIFY_QD_MAX);
		return false;
	}
	return true;
}

/* Buffers for QD ios, each SKEW bytes into a page of its own. */
static int verify_memory(struct verify *v, const struct verify_args *a)
{
	uint32_t pages = (uint32_t)((a->bs + a->skew + 4095) / 4096);
	uint8_t *va;

	if (guest_memory(v->d.dev, pages * (uint32_t)a->qd, &va, &v->frame))
		return -1;
	v->granted = true;
	for (uint32_t i = 0; i < a->qd; i++)
		v->io[i] = (struct vdisk_io){
			.data = va + (size_t)i * pages * 4096 + a->skew,
			.granted = true,
			.memory = va,
			.frame = v->frame,
			.cut = (uint32_t)a->cut,
			.done = verify_done,
			.ctx = v,
		};
	return 0;
}

int guest_verify(struct guest_ctx *ctx, int n, char **word)
{
	struct verify_args a = {
		.bs = 64 << 10, .qd = 8, .seed = session_clock()};
	struct verify *v = calloc(1, sizeof(*v));
	struct vdisk_io flush = {.op = DISK_FLUSH};
	char size[24];
	int rc = 1;

	if (!v || !verify_parse(&a, n, word))
		goto out;
	v->ctx = ctx;
	v->vdev = word[0];
	if (guest_disk(ctx, word[0], &v->d))
		goto out;
	v->size = v->d.blocks * v->d.block;
	if (a.size && a.size < v->size)
		v->size = a.size;
	v->bs = a.bs;
	v->seed = a.seed;
	if ((v->size | v->bs) & (v->d.block - 1) || !v->bs ||
	    v->bs > v->d.transfer) {
		text_error("guest: verify: size and bs must be multiples of "
			   "the block, %" PRIu32
			   " bytes, and bs at most %" PRIu32,
			   v->d.block, v->d.transfer);
		goto out;
	}
	if (verify_memory(v, &a))
		goto out;
	if (verify_pass(v, DISK_WRITE, (uint32_t)a.qd))
		goto out;
	if (vdisk_exec(&v->d, &flush)) {
		io_failed(word[0], "flush", 0, &flush, flush.err);
		goto out;
	}
	if (verify_pass(v, DISK_READ, (uint32_t)a.qd))
		goto out;
	text_size(v->size, size);
	if (v->bad) {
		text_error("guest: %s: %" PRIu64 " units of %u bytes differ, "
			   "the first at byte %" PRIu64,
			   word[0], v->bad, UNIT, v->bad_at);
		goto out;
	}
	printf("%s: %s written, read back and compared: no difference\n",
	       word[0], size);
	rc = 0;
out:
	if (v && v->granted)
		gdev_memory_free(v->d.dev, v->frame);
	free(v);
	return rc;
}
