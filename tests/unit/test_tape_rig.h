/* SPDX-License-Identifier: BSD-2-Clause */
/* A tape drive over a file in memory, for the tests of scsi/lu_tape and of what
 * a crash leaves behind. */
#ifndef TEST_TAPE_RIG_H
#define TEST_TAPE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lun/cart_file.h"
#include "scsi/bytes.h"
#include "scsi/lu_tape.h"
#include "scsi/sense.h"

#define RIG_DATA (1u << 20)
#define CDB(...) ((const uint8_t[SCSI_CDB_MAX]){__VA_ARGS__})

struct rig {
	struct scsi_lu lu;
	struct scsi_tape tape;
	struct scsi_task task;
	int fd;
	uint8_t *data, *scratch;
	int ops, fail_at, fail_rc; /* which operation fails, from 1 on */
	int flushes;
	/* Called before each operation, and before the answer (IO NULL). */
	void (*spy)(struct rig *r, const struct scsi_io *io);
	void *ctx;
};

static inline void rig_cart(struct cart *c, int fd, uint64_t capacity,
			    uint32_t flags)
{
	memset(c, 0, sizeof(*c));
	c->id = 0x1122334455667788;
	c->capacity = capacity;
	c->flags = flags;
	strcpy(c->barcode, "XP0001L6");
	assert_int_equal(cart_file_create(fd, c), 0);
}

static inline struct rig *rig_empty(void)
{
	struct scsi_lu_cfg cfg = {.type = &scsi_tape, .resumed = true};
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->fd = memfd_create("cartridge", 0);
	assert_true(r->fd >= 0);
	r->data = malloc(RIG_DATA);
	r->scratch = malloc(SCSI_SCRATCH_MIN);
	cfg.own = &r->tape;
	assert_int_equal(scsi_lu_init(&r->lu, &cfg), 0);
	return r;
}

/* With a new cartridge, of which the initiator has heard. */
static inline struct rig *rig_of(uint64_t capacity, uint32_t flags)
{
	struct rig *r = rig_empty();
	struct cart c;

	rig_cart(&c, r->fd, capacity, flags);
	scsi_tape_insert(&r->lu, &c);
	assert_int_equal(scsi_lu_attention_take(&r->lu, 0),
			 SCSI_ASC_MEDIUM_CHANGED);
	return r;
}

static inline struct rig *rig_new(void)
{
	return rig_of(UINT64_C(64) << 20, 0);
}

static inline void rig_free(struct rig *r)
{
	close(r->fd);
	free(r->data);
	free(r->scratch);
	free(r);
}

static inline int rig_io(struct rig *r)
{
	struct scsi_io *io = &r->task.io;

	if (r->spy)
		r->spy(r, io);
	if (++r->ops == r->fail_at)
		return r->fail_rc;
	switch (io->op) {
	case SCSI_IO_READ:
		assert_true(io->len > 0);
		return pread(r->fd, io->buf, io->len, (off_t)io->offset) ==
				       (ssize_t)io->len
			       ? 0
			       : XPV_EIO;
	case SCSI_IO_WRITE:
		assert_int_equal(
			pwrite(r->fd, io->buf, io->len, (off_t)io->offset),
			io->len);
		return 0;
	case SCSI_IO_CUT:
		assert_int_equal(ftruncate(r->fd, (off_t)io->offset), 0);
		return 0;
	case SCSI_IO_FLUSH:
		r->flushes++;
		return 0;
	default:
		fail_msg("operation %d", io->op);
	}
	return XPV_EIO;
}

/* One command; OUT bytes of r->data go with it, or there is room for IN. */
static inline uint8_t rig_run(struct rig *r, const uint8_t *cdb,
			      uint8_t cdb_len, uint32_t out, uint32_t in)
{
	enum scsi_step step;

	scsi_task_init(&r->task);
	memcpy(r->task.cdb, cdb, SCSI_CDB_MAX);
	r->task.cdb_len = cdb_len;
	r->task.data = r->data;
	r->task.out_len = out;
	r->task.in_max = in;
	r->task.scratch = r->scratch;
	r->task.scratch_len = SCSI_SCRATCH_MIN;
	memset(r->scratch, 0xa5, SCSI_SCRATCH_MIN);
	step = scsi_lu_start(&r->lu, &r->task);
	while (step == SCSI_STEP_IO)
		step = scsi_lu_resume(&r->lu, &r->task, rig_io(r));
	assert_int_equal(step, SCSI_STEP_DONE);
	assert_null(r->lu.first);
	assert_true(r->task.in_len <= in);
	if (r->spy)
		r->spy(r, NULL);
	return r->task.status;
}

/* Sense key << 16 | additional code; of stream flags, see rig_flags(). */
static inline uint32_t rig_sense(const struct rig *r)
{
	const uint8_t *s = r->task.sense;

	if (!r->task.sense_len)
		return 0;
	if (s[0] & 0x02)
		return (uint32_t)(s[1] << 16) | scsi_get16(s + 2);
	return (uint32_t)((s[2] & 0xf) << 16) | scsi_get16(s + 12);
}

static inline uint8_t rig_flags(const struct rig *r)
{
	return r->task.sense[2] & 0xe0;
}

static inline int32_t rig_info(const struct rig *r)
{
	assert_true(r->task.sense[0] & 0x80);
	return (int32_t)scsi_get32(r->task.sense + 3);
}

#define SENSE(key, asc) ((uint32_t)(key) << 16 | (asc))
#define NO_SENSE(asc)	SENSE(SCSI_KEY_NO_SENSE, asc)
#define MARK		NO_SENSE(SCSI_ASC_FILEMARK)
#define BLANK		SENSE(SCSI_KEY_BLANK_CHECK, SCSI_ASC_END_OF_DATA)
#define BAD_CDB		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_CDB_FIELD)

#define assert_good(status) assert_int_equal((status), SCSI_GOOD)
#define assert_sense(r, status, want)                                          \
	do {                                                                   \
		assert_int_equal((status), SCSI_CHECK_CONDITION);              \
		assert_int_equal(rig_sense(r), (want));                        \
	} while (0)

/* ---- commands ---- */

static inline void rig_pattern(uint8_t *p, uint32_t len, uint32_t n)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(n * 31 + i * 7 + i / 256);
}

static inline uint8_t rig_write(struct rig *r, uint32_t len, uint32_t n)
{
	rig_pattern(r->data, len, n);
	return rig_run(r,
		       CDB(0x0a, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			   (uint8_t)len),
		       6, len, 0);
}

static inline uint8_t rig_read(struct rig *r, uint8_t flags, uint32_t len,
			       uint32_t room)
{
	return rig_run(r,
		       CDB(0x08, flags, (uint8_t)(len >> 16),
			   (uint8_t)(len >> 8), (uint8_t)len),
		       6, 0, room);
}

/* A block that is LEN bytes of number N. */
static inline void rig_expect(struct rig *r, uint32_t len, uint32_t n)
{
	uint8_t *want = malloc(len);

	assert_good(rig_read(r, 0, len, len));
	assert_int_equal(r->task.in_len, len);
	rig_pattern(want, len, n);
	assert_memory_equal(r->data, want, len);
	free(want);
}

static inline uint8_t rig_marks(struct rig *r, uint8_t n)
{
	return rig_run(r, CDB(0x10, 0, 0, 0, n), 6, 0, 0);
}

static inline uint8_t rig_rewind(struct rig *r)
{
	return rig_run(r, CDB(0x01), 6, 0, 0);
}

static inline uint8_t rig_space(struct rig *r, uint8_t code, int32_t n)
{
	return rig_run(r,
		       CDB(0x11, code, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			   (uint8_t)n),
		       6, 0, 0);
}

/* The number of the next record. */
static inline uint32_t rig_at(struct rig *r)
{
	assert_good(rig_run(r, CDB(0x34), 10, 0, 20));
	return scsi_get32(r->data + 4);
}

#endif
