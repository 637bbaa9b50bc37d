/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk in memory for the tests of scsi/: executes what a logical unit asks
 * for, one command at a time, and watches over every buffer.
 */
#ifndef TEST_SCSI_RAM_H
#define TEST_SCSI_RAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scsi/bytes.h"
#include "scsi/lu_disk.h"
#include "scsi/sense.h"

#define RAM_BLOCKS 2048u
#define CANARY	   0xa5
#define CANARY_LEN 64u
#define CDB(...)   ((const uint8_t[SCSI_CDB_MAX]){__VA_ARGS__})

struct ram {
	struct scsi_lu lu;
	struct scsi_task task; /* of the last command */
	uint64_t size;	       /* bytes */
	uint8_t *bytes;
	uint8_t *unmapped; /* one for each block */
	uint8_t *data;	   /* of the task, with canaries behind */
	uint8_t *scratch;
	uint32_t scratch_len;
	uint32_t nexus; /* of the next command */
	/* the storage */
	int ops;     /* how many operations it was asked for */
	int fail_at; /* which one fails, from 1 on; 0: none */
	int fail_rc;
	int refuse_op; /* enum scsi_io_op that is not supported, or -1 */
	int count[8];  /* by enum scsi_io_op */
	bool fua;      /* of the last write */
	bool unmap;    /* of the last zero */
	uint8_t saved[SCSI_PR_IMAGE_MAX];
	uint32_t saved_len;
};

static inline struct scsi_lu_cfg ram_cfg(uint32_t block_size)
{
	return (struct scsi_lu_cfg){
		.type = &scsi_disk,
		.blocks = RAM_BLOCKS,
		.block_size = block_size,
		.thin = true,
		.discard_zeroes = true,
		.can_save = true,
		.resumed = true, /* no unit attention in most tests */
		.serial = "0123456789",
		.naa = 0x5123456789abcdefu,
	};
}

static inline struct ram *ram_new(const struct scsi_lu_cfg *cfg)
{
	struct ram *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->size = cfg->blocks * cfg->block_size;
	r->bytes = calloc(1, r->size);
	r->unmapped = calloc(1, cfg->blocks);
	r->scratch_len = SCSI_SCRATCH_MIN;
	r->scratch = malloc(r->scratch_len);
	r->refuse_op = -1;
	assert_int_equal(scsi_lu_init(&r->lu, cfg), 0);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		scsi_lu_nexus(&r->lu, i, 1000 + i);
	return r;
}

static inline struct ram *ram_default(void)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);

	return ram_new(&cfg);
}

static inline void ram_free(struct ram *r)
{
	free(r->bytes);
	free(r->unmapped);
	free(r->scratch);
	free(r->data);
	free(r);
}

/* buf must lie in the task's data, in its scratch space, or in the image. */
static inline void ram_check_buf(const struct ram *r,
				 const struct scsi_task *task)
{
	const struct scsi_io *io = &task->io;
	uint32_t data_len =
		io->op == SCSI_IO_READ ? task->in_max : task->out_len;
	bool ok = false;

	if (io->buf >= task->scratch &&
	    io->buf <= task->scratch + task->scratch_len)
		ok = io->len <=
		     (uint64_t)(task->scratch + task->scratch_len - io->buf);
	else if (task->data && io->buf >= task->data &&
		 io->buf <= task->data + data_len)
		ok = io->len <= (uint64_t)(task->data + data_len - io->buf);
	else if (io->op == SCSI_IO_SAVE)
		ok = io->buf == r->lu.image && io->len <= SCSI_PR_IMAGE_MAX;
	assert_true(ok);
}

static inline void ram_extent(struct ram *r, struct scsi_io *io)
{
	uint64_t size = r->lu.cfg.block_size;
	uint64_t at = io->offset / size, n = 0;

	while (n < io->len / size && r->unmapped[at + n] == r->unmapped[at])
		n++;
	io->extent_len = n * size;
	io->extent_mapped = !r->unmapped[at];
}

/* Does what the task wants; returns the result for scsi_lu_resume(). */
static inline int ram_do(struct ram *r, struct scsi_task *task)
{
	struct scsi_io *io = &task->io;
	uint64_t size = r->lu.cfg.block_size;
	bool blocks = io->op != SCSI_IO_FLUSH && io->op != SCSI_IO_SAVE;

	r->count[io->op]++;
	if (++r->ops == r->fail_at)
		return r->fail_rc;
	if ((int)io->op == r->refuse_op)
		return XPV_ENOTSUP;
	if (blocks) {
		assert_true(io->len && io->len % size == 0);
		assert_true(io->offset % size == 0);
		assert_true(io->offset <= r->size &&
			    io->len <= r->size - io->offset);
	}
	switch (io->op) {
	case SCSI_IO_READ:
		ram_check_buf(r, task);
		memcpy(io->buf, r->bytes + io->offset, io->len);
		break;
	case SCSI_IO_WRITE:
		ram_check_buf(r, task);
		r->fua = io->fua;
		memcpy(r->bytes + io->offset, io->buf, io->len);
		memset(r->unmapped + io->offset / size, 0, io->len / size);
		break;
	case SCSI_IO_ZERO:
	case SCSI_IO_DISCARD:
		r->unmap = io->unmap;
		r->fua = io->fua;
		memset(r->bytes + io->offset, 0, io->len);
		memset(r->unmapped + io->offset / size,
		       io->op == SCSI_IO_DISCARD || io->unmap, io->len / size);
		break;
	case SCSI_IO_EXTENT:
		ram_extent(r, io);
		break;
	case SCSI_IO_SAVE:
		ram_check_buf(r, task);
		memcpy(r->saved, io->buf, io->len);
		r->saved_len = (uint32_t)io->len;
		break;
	case SCSI_IO_FLUSH:
		break;
	case SCSI_IO_CUT:
	case SCSI_IO_MOVE:
	case SCSI_IO_SWAP:
		fail_msg("of no disk");
	}
	return 0;
}

/* Fills in a task, with its data-out and canaries behind its data-in. */
static inline void ram_task(struct ram *r, struct scsi_task *task,
			    const uint8_t *cdb, uint32_t cdb_len,
			    const void *out, uint32_t out_len, uint32_t in_max)
{
	uint32_t room = out_len > in_max ? out_len : in_max;

	scsi_task_init(task);
	memcpy(task->cdb, cdb, SCSI_CDB_MAX);
	task->cdb_len = (uint8_t)cdb_len;
	task->nexus = r->nexus;
	task->data = malloc(room + CANARY_LEN);
	memset(task->data, CANARY, room + CANARY_LEN);
	if (out_len)
		memcpy(task->data, out, out_len);
	task->out_len = out_len;
	task->in_max = in_max;
	task->scratch = r->scratch;
	task->scratch_len = r->scratch_len;
}

static inline void ram_done(const struct scsi_task *task)
{
	uint32_t room =
		task->out_len > task->in_max ? task->out_len : task->in_max;

	for (uint32_t i = 0; i < CANARY_LEN; i++)
		assert_int_equal(task->data[room + i], CANARY);
	assert_true(task->in_len <= task->in_max);
	assert_true(task->sense_len <= SCSI_SENSE_MAX);
	assert_int_equal(task->status == SCSI_CHECK_CONDITION,
			 task->sense_len != 0);
	if (!task->out_len) {
		assert_int_equal(task->residual, task->in_max - task->in_len);
		for (uint32_t i = task->in_len;
		     i < task->in_max && task->status != SCSI_GOOD; i++)
			if (task->data[i] != CANARY)
				return; /* a READ that failed half way */
	}
}

/* One command from start to end; its status. */
static inline uint8_t ram_run(struct ram *r, const uint8_t *cdb,
			      uint32_t cdb_len, const void *out,
			      uint32_t out_len, uint32_t in_max)
{
	enum scsi_step step;

	free(r->data);
	ram_task(r, &r->task, cdb, cdb_len, out, out_len, in_max);
	r->data = r->task.data;
	step = scsi_lu_start(&r->lu, &r->task);
	while (step == SCSI_STEP_IO)
		step = scsi_lu_resume(&r->lu, &r->task, ram_do(r, &r->task));
	assert_int_equal(step, SCSI_STEP_DONE);
	assert_null(r->lu.first);
	assert_null(r->lu.last);
	assert_null(scsi_lu_next(&r->lu));
	ram_done(&r->task);
	return r->task.status;
}

static inline uint8_t ram_in(struct ram *r, const uint8_t *cdb, uint32_t len,
			     uint32_t in_max)
{
	return ram_run(r, cdb, len, NULL, 0, in_max);
}

static inline uint8_t ram_out(struct ram *r, const uint8_t *cdb, uint32_t len,
			      const void *out, uint32_t out_len)
{
	return ram_run(r, cdb, len, out, out_len, 0);
}

/* Sense key << 16 | additional code, of either format; 0 without sense. */
static inline uint32_t ram_sense(const struct ram *r)
{
	const uint8_t *s = r->task.sense;

	if (!r->task.sense_len)
		return 0;
	if (s[0] & 0x02)
		return (uint32_t)(s[1] << 16) | scsi_get16(s + 2);
	return (uint32_t)((s[2] & 0xf) << 16) | scsi_get16(s + 12);
}

#define SENSE(key, asc) ((uint32_t)(key) << 16 | (asc))
#define BAD_CDB		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_CDB_FIELD)
#define BAD_LIST	SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_FIELD)
#define BAD_LENGTH	SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH)
#define BAD_LBA		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE)
#define BAD_SHORT	SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SHORT_DATA_OUT)

#define assert_good(status) assert_int_equal((status), SCSI_GOOD)
#define assert_sense(r, status, want)                                          \
	do {                                                                   \
		assert_int_equal((status), SCSI_CHECK_CONDITION);              \
		assert_int_equal(ram_sense(r), (want));                        \
	} while (0)

#endif
