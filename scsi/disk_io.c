/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk commands that move blocks. */
#include "scsi/disk_io.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"

/* Byte 1 of the CDBs. */
#define FUA	     0x08
#define BYTCHK	     0x06
#define BYTCHK_SHIFT 1

/* COMPARE AND WRITE: both halves of the data are in memory at once. */
#define CAW_BYTES_MAX (128u * 1024u)

void disk_cdb_range(const uint8_t *cdb, uint64_t *lba, uint64_t *blocks)
{
	switch (cdb[0] >> 5) { /* SPC-4 4.2.5.1: group code */
	case 0:
		*lba = scsi_get24(cdb + 1) & 0x1fffff;
		*blocks = cdb[4] ? cdb[4] : 256; /* SBC-3 5.10 */
		break;
	case 4:
		*lba = scsi_get64(cdb + 2);
		*blocks = scsi_get32(cdb + 10);
		break;
	case 5:
		*lba = scsi_get32(cdb + 2);
		*blocks = scsi_get32(cdb + 6);
		break;
	default: /* 1 and 2: 10 bytes */
		*lba = scsi_get32(cdb + 2);
		*blocks = scsi_get16(cdb + 7);
		break;
	}
}

bool disk_in_range(const struct scsi_lu *lu, uint64_t lba, uint64_t blocks)
{
	return lba <= lu->cfg.blocks && blocks <= lu->cfg.blocks - lba;
}

enum scsi_step disk_ask(const struct scsi_lu *lu, struct scsi_task *task,
			enum scsi_io_op op, uint64_t lba, uint64_t blocks,
			uint8_t *buf)
{
	XPV_ASSERT(blocks && (op == SCSI_IO_EXTENT || task->listed));
	task->io = (struct scsi_io){
		.op = op,
		.offset = lba * lu->cfg.block_size,
		.len = blocks * lu->cfg.block_size,
		.buf = buf,
	};
	return SCSI_STEP_IO;
}

bool disk_wants_fua(const struct scsi_lu *lu, const struct scsi_task *task)
{
	/* 6 byte CDBs have no FUA; there the bit is a part of the LBA */
	bool fua = (task->cdb[0] >> 5) != 0 && (task->cdb[1] & FUA);

	return fua || !lu->mode.write_cache;
}

uint32_t disk_caw_max(const struct scsi_lu *lu)
{
	uint32_t max = CAW_BYTES_MAX / lu->cfg.block_size;

	if (lu->cfg.shared) /* somebody else may write in between */
		return 0;

	if (max > 255) /* one byte in the CDB */
		max = 255;
	if (lu->cfg.max_transfer && lu->cfg.max_transfer < max)
		max = lu->cfg.max_transfer;
	return max;
}

uint64_t disk_chunk(const struct scsi_lu *lu, const struct scsi_task *task,
		    uint64_t left)
{
	uint32_t room = task->scratch_len / lu->cfg.block_size;

	return left < room ? left : room;
}

/*
 * Decodes the range. SCSI_STEP_IO: there are blocks to work on. SCSI_STEP_DONE:
 * the command is answered, GOOD where there are none.
 */
static enum scsi_step range(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t lba, blocks;

	disk_cdb_range(task->cdb, &lba, &blocks);
	if (!disk_in_range(lu, lba, blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	if (lu->cfg.max_transfer && blocks > lu->cfg.max_transfer)
		return scsi_bad_cdb(lu, task,
				    task->op->cdb_len == 16   ? 10
				    : task->op->cdb_len == 10 ? 7
				    : task->op->cdb_len == 12 ? 6
							      : 4,
				    7);
	task->lba = lba;
	task->blocks = blocks;
	return blocks ? SCSI_STEP_IO : scsi_good(task);
}

/* ---- READ, SBC-3 5.10 to 5.13 ---- */

enum scsi_step disk_read(struct scsi_lu *lu, struct scsi_task *task)
{
	enum scsi_step step = range(lu, task);
	uint64_t bytes = task->blocks * lu->cfg.block_size;

	if (step == SCSI_STEP_DONE)
		return step;
	if (!task->in_max)
		return scsi_good(task);
	task->pos = bytes < task->in_max ? bytes : task->in_max;
	return SCSI_STEP_IO;
}

enum scsi_step disk_read_run(struct scsi_lu *lu, struct scsi_task *task, int rc)
{
	uint32_t size = lu->cfg.block_size;
	uint64_t whole = task->pos / size;
	uint32_t rest = (uint32_t)(task->pos % size);

	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, false);
	if (task->phase == 0) {
		task->phase = 1;
		if (whole)
			return disk_ask(lu, task, SCSI_IO_READ, task->lba,
					whole, task->data);
	}
	if (task->phase == 1 && rest) {
		/* the room ends inside a block */
		task->phase = 2;
		return disk_ask(lu, task, SCSI_IO_READ, task->lba + whole, 1,
				task->scratch);
	}
	if (rest)
		scsi_copy(task->data + whole * size, task->scratch, rest);
	task->in_len = (uint32_t)task->pos;
	return scsi_good(task);
}

/* ---- WRITE, SBC-3 5.32 to 5.36 ---- */

/* The range, and that bytes of data-out for it are all there. */
static enum scsi_step range_out(struct scsi_lu *lu, struct scsi_task *task,
				uint32_t copies)
{
	enum scsi_step step = range(lu, task);

	if (step == SCSI_STEP_IO &&
	    task->blocks * lu->cfg.block_size * copies > task->out_len)
		return scsi_illegal(lu, task, SCSI_ASC_SHORT_DATA_OUT);
	return step;
}

enum scsi_step disk_write(struct scsi_lu *lu, struct scsi_task *task)
{
	return range_out(lu, task, 1);
}

enum scsi_step disk_write_run(struct scsi_lu *lu, struct scsi_task *task,
			      int rc)
{
	if (task->phase++ == 0) {
		disk_ask(lu, task, SCSI_IO_WRITE, task->lba, task->blocks,
			 task->data);
		task->io.fua = disk_wants_fua(lu, task);
		return SCSI_STEP_IO;
	}
	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, true);
	task->out_used = (uint32_t)(task->blocks * lu->cfg.block_size);
	return scsi_good(task);
}

/* ---- comparing ---- */

enum verify_how {
	VERIFY_MEDIUM = 0, /* only that it can be read */
	VERIFY_BLOCKS = 1, /* against as many blocks */
	VERIFY_SAME = 3,   /* every block against the same one */
};

/* Index of the first byte that differs; len when none does. */
static uint64_t differ_at(const uint8_t *a, const uint8_t *b, uint64_t len)
{
	uint64_t i = 0;

	if (scsi_same(a, b, (size_t)len))
		return len;
	while (a[i] == b[i])
		i++;
	return i;
}

/* Reads the next blocks from task->pos on into the scratch space. */
static enum scsi_step compare_ask(struct scsi_lu *lu, struct scsi_task *task)
{
	return disk_ask(lu, task, SCSI_IO_READ, task->lba + task->pos,
			disk_chunk(lu, task, task->blocks - task->pos),
			task->scratch);
}

/*
 * Takes what compare_ask() has read. DONE: failed and answered. IO: go on, with
 * task->pos behind it.
 */
static enum scsi_step compare_take(struct scsi_lu *lu, struct scsi_task *task,
				   enum verify_how how, int rc)
{
	uint64_t n = disk_chunk(lu, task, task->blocks - task->pos);
	uint32_t size = lu->cfg.block_size;

	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, false);
	for (uint64_t i = 0; i < n && how != VERIFY_MEDIUM; i++) {
		uint64_t at = how == VERIFY_SAME ? 0 : (task->pos + i) * size;
		uint64_t bad = differ_at(task->scratch + i * size,
					 task->data + at, size);

		if (bad < size)
			return scsi_check_info(lu, task, SCSI_KEY_MISCOMPARE,
					       SCSI_ASC_MISCOMPARE, at + bad);
	}
	task->pos += n;
	return SCSI_STEP_IO;
}

/* ---- VERIFY, SBC-3 5.26 to 5.29; WRITE AND VERIFY, 5.37 to 5.40 ---- */

static enum verify_how verify_how(const struct scsi_task *task)
{
	return (enum verify_how)((task->cdb[1] & BYTCHK) >> BYTCHK_SHIFT);
}

enum scsi_step disk_verify(struct scsi_lu *lu, struct scsi_task *task)
{
	enum scsi_step step;

	switch (verify_how(task)) {
	case VERIFY_MEDIUM:
		return range_out(lu, task, 0);
	case VERIFY_BLOCKS:
		return range_out(lu, task, 1);
	case VERIFY_SAME:
		step = range(lu, task);
		if (step == SCSI_STEP_IO && task->out_len < lu->cfg.block_size)
			return scsi_illegal(lu, task, SCSI_ASC_SHORT_DATA_OUT);
		return step;
	default:
		return scsi_bad_cdb(lu, task, 1, 2);
	}
}

enum scsi_step disk_verify_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc)
{
	enum verify_how how = verify_how(task);

	if (task->phase == 0)
		task->phase = 1;
	else if (compare_take(lu, task, how, rc) == SCSI_STEP_DONE)
		return SCSI_STEP_DONE;
	if (task->pos < task->blocks)
		return compare_ask(lu, task);
	if (how == VERIFY_BLOCKS)
		task->out_used = (uint32_t)(task->blocks * lu->cfg.block_size);
	else if (how == VERIFY_SAME)
		task->out_used = lu->cfg.block_size;
	return scsi_good(task);
}

enum scsi_step disk_write_verify(struct scsi_lu *lu, struct scsi_task *task)
{
	if (verify_how(task) > VERIFY_BLOCKS)
		return scsi_bad_cdb(lu, task, 1, 2);
	return range_out(lu, task, 1);
}

enum scsi_step disk_write_verify_run(struct scsi_lu *lu, struct scsi_task *task,
				     int rc)
{
	switch (task->phase) {
	case 0:
		task->phase = 1;
		disk_ask(lu, task, SCSI_IO_WRITE, task->lba, task->blocks,
			 task->data);
		task->io.fua = true; /* it is the medium that is verified */
		return SCSI_STEP_IO;
	case 1:
		if (rc < 0)
			return scsi_storage_failed(lu, task, rc, true);
		task->phase = 2;
		break;
	default:
		if (compare_take(lu, task, verify_how(task), rc) ==
		    SCSI_STEP_DONE)
			return SCSI_STEP_DONE;
		break;
	}
	if (task->pos < task->blocks)
		return compare_ask(lu, task);
	task->out_used = (uint32_t)(task->blocks * lu->cfg.block_size);
	return scsi_good(task);
}

/* ---- COMPARE AND WRITE, SBC-3 5.3 ---- */

enum scsi_step disk_caw(struct scsi_lu *lu, struct scsi_task *task)
{
	uint32_t size = lu->cfg.block_size;

	task->lba = scsi_get64(task->cdb + 2);
	task->blocks = task->cdb[13];
	if (task->blocks > disk_caw_max(lu))
		return scsi_bad_cdb(lu, task, 13, 7);
	if (!disk_in_range(lu, task->lba, task->blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	if (!task->blocks)
		return scsi_good(task);
	if (2 * task->blocks * size > task->out_len)
		return scsi_illegal(lu, task, SCSI_ASC_SHORT_DATA_OUT);
	return SCSI_STEP_IO;
}

enum scsi_step disk_caw_run(struct scsi_lu *lu, struct scsi_task *task, int rc)
{
	uint64_t half = task->blocks * lu->cfg.block_size;

	switch (task->phase) {
	case 0:
		task->phase = 1;
		return compare_ask(lu, task);
	case 1:
		if (compare_take(lu, task, VERIFY_BLOCKS, rc) == SCSI_STEP_DONE)
			return SCSI_STEP_DONE;
		if (task->pos < task->blocks)
			return compare_ask(lu, task);
		task->phase = 2;
		disk_ask(lu, task, SCSI_IO_WRITE, task->lba, task->blocks,
			 task->data + half);
		task->io.fua = disk_wants_fua(lu, task);
		return SCSI_STEP_IO;
	default:
		if (rc < 0)
			return scsi_storage_failed(lu, task, rc, true);
		task->out_used = (uint32_t)(2 * half);
		return scsi_good(task);
	}
}

/* ---- SYNCHRONIZE CACHE, SBC-3 5.22 and 5.23; PRE-FETCH, 5.8 and 5.9 ---- */

/* All of the cache is written, whatever the range; but it must exist. */
enum scsi_step disk_sync(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t lba, blocks;

	disk_cdb_range(task->cdb, &lba, &blocks);
	if (!disk_in_range(lu, lba, blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	return SCSI_STEP_IO;
}

/* IMMED or not: GOOD comes when it is done. */
enum scsi_step disk_sync_run(struct scsi_lu *lu, struct scsi_task *task, int rc)
{
	if (task->phase++ == 0) {
		task->io = (struct scsi_io){.op = SCSI_IO_FLUSH};
		return SCSI_STEP_IO;
	}
	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, true);
	return scsi_good(task);
}

/*
 * A hint that is not taken: there is no cache of ours to read into. GOOD says
 * just that, CONDITION MET would promise that the blocks are there (SBC-3
 * 5.10).
 */
enum scsi_step disk_prefetch(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t lba, blocks;

	disk_cdb_range(task->cdb, &lba, &blocks);
	if (!disk_in_range(lu, lba, blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	return scsi_good(task);
}
