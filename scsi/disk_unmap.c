/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk commands that make blocks go away or all the same. */
#include "scsi/disk_unmap.h"

#include "scsi/bytes.h"
#include "scsi/disk_io.h"
#include "scsi/sense.h"

/* ---- UNMAP, SBC-3 5.25 ---- */

#define UNMAP_HEAD 8
#define UNMAP_DESC 16

static uint32_t unmap_count(const struct scsi_task *task)
{
	return scsi_get16(task->data + 2) / UNMAP_DESC;
}

/* Descriptor i: first LBA and number of blocks. */
static void unmap_get(const struct scsi_task *task, uint64_t i, uint64_t *lba,
		      uint64_t *blocks)
{
	const uint8_t *p = task->data + UNMAP_HEAD + i * UNMAP_DESC;

	*lba = scsi_get64(p);
	*blocks = scsi_get32(p + 8);
}

/*
 * All descriptors are checked before the first block goes, so that a list that
 * is refused has changed nothing. The range for ordering is what spans them.
 */
static enum scsi_step unmap_check(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t total = 0, low = UINT64_MAX, high = 0;
	uint32_t count = unmap_count(task);
	uint64_t lba, blocks;

	if (count > lu->cfg.max_unmap_descriptors)
		return scsi_bad_list(lu, task, 2, 7);
	for (uint32_t i = 0; i < count; i++) {
		unmap_get(task, i, &lba, &blocks);
		if (!disk_in_range(lu, lba, blocks))
			return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
		if (!blocks)
			continue;
		total += blocks;
		if (lba < low)
			low = lba;
		if (lba + blocks > high)
			high = lba + blocks;
	}
	if (total > lu->cfg.max_unmap_blocks &&
	    lu->cfg.max_unmap_blocks != UINT32_MAX)
		return scsi_bad_list(lu, task, UNMAP_HEAD + 8, 7);
	if (!total) {
		task->out_used = scsi_get16(task->cdb + 7);
		return scsi_good(task);
	}
	task->lba = low;
	task->blocks = high - low;
	return SCSI_STEP_IO;
}

enum scsi_step disk_unmap(struct scsi_lu *lu, struct scsi_task *task)
{
	uint32_t len = scsi_get16(task->cdb + 7);
	const uint8_t *list = task->data;

	if (!len)
		return scsi_good(task);
	if (len < UNMAP_HEAD || len > task->out_len)
		return scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
	/* UNMAP BLOCK DESCRIPTOR DATA LENGTH; a part of a descriptor at its
	 * end is not looked at (SBC-3 5.25.2) */
	if (scsi_get16(list + 2) > len - UNMAP_HEAD)
		return scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
	return unmap_check(lu, task);
}

/* pos: number of the descriptor under way. phase 2: by writing zeroes. */
enum scsi_step disk_unmap_run(struct scsi_lu *lu, struct scsi_task *task,
			      int rc)
{
	uint32_t count = unmap_count(task);
	uint64_t lba, blocks;

	if (task->phase) {
		/* what cannot be unmapped stays mapped, but reads as zeroes
		 * where that was promised (LBPRZ) */
		if (rc == XPV_ENOTSUP && task->phase == 1 &&
		    lu->cfg.discard_zeroes) {
			unmap_get(task, task->pos, &lba, &blocks);
			task->phase = 2;
			disk_ask(lu, task, SCSI_IO_ZERO, lba, blocks, NULL);
			task->io.unmap = true;
			return SCSI_STEP_IO;
		}
		if (rc < 0 && (rc != XPV_ENOTSUP || task->phase == 2))
			return scsi_storage_failed(lu, task, rc, true);
		task->pos++;
	}
	for (; task->pos < count; task->pos++) {
		unmap_get(task, task->pos, &lba, &blocks);
		if (!blocks)
			continue;
		task->phase = 1;
		return disk_ask(lu, task, SCSI_IO_DISCARD, lba, blocks, NULL);
	}
	task->out_used = scsi_get16(task->cdb + 7);
	return scsi_good(task);
}

/* ---- WRITE SAME, SBC-3 5.41 and 5.42, NDOB from SBC-4 ---- */

#define WS_UNMAP 0x08
#define WS_NDOB	 0x01 /* 16 byte form: no data-out, the block is zeroes */

static bool ws_no_data(const struct scsi_task *task)
{
	return task->cdb[0] == 0x93 && (task->cdb[1] & WS_NDOB);
}

enum scsi_step disk_write_same(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t lba, blocks;

	if ((task->cdb[1] & WS_UNMAP) && !lu->cfg.thin)
		return scsi_bad_cdb(lu, task, 1, 3);
	disk_cdb_range(task->cdb, &lba, &blocks);
	if (!disk_in_range(lu, lba, blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	if (!blocks) /* to the end: WSNZ 0 in page B0h */
		blocks = lu->cfg.blocks - lba;
	if (blocks > lu->cfg.max_write_same)
		return scsi_bad_cdb(lu, task, task->op->cdb_len == 16 ? 10 : 7,
				    7);
	if (!ws_no_data(task) && task->out_len != lu->cfg.block_size)
		return scsi_illegal(lu, task, SCSI_ASC_SHORT_DATA_OUT);
	task->lba = lba;
	task->blocks = blocks;
	return blocks ? SCSI_STEP_IO : scsi_good(task);
}

static bool ws_zeroes(const struct scsi_lu *lu, const struct scsi_task *task)
{
	uint32_t size = lu->cfg.block_size;

	/* all bytes are the same as their neighbours, and the first is 0 */
	return ws_no_data(task) ||
	       (task->data[0] == 0 &&
		scsi_same(task->data, task->data + 1, size - 1));
}

/* Fills the scratch space with as many copies of the block as are needed. */
static void ws_fill(const struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t n = disk_chunk(lu, task, task->blocks);
	uint32_t size = lu->cfg.block_size;

	for (uint64_t i = 0; i < n; i++) {
		if (ws_no_data(task))
			scsi_fill(task->scratch + i * size, 0, size);
		else
			scsi_copy(task->scratch + i * size, task->data, size);
	}
}

/* phase 1: zeroing in one go. phase 2: writing copies; pos counts blocks. */
enum scsi_step disk_write_same_run(struct scsi_lu *lu, struct scsi_task *task,
				   int rc)
{
	uint64_t n;

	if (task->phase == 0 && ws_zeroes(lu, task)) {
		task->phase = 1;
		disk_ask(lu, task, SCSI_IO_ZERO, task->lba, task->blocks, NULL);
		task->io.unmap = task->cdb[1] & WS_UNMAP;
		task->io.fua = !lu->mode.write_cache;
		return SCSI_STEP_IO;
	}
	if (task->phase == 0 || (task->phase == 1 && rc == XPV_ENOTSUP)) {
		ws_fill(lu, task);
		task->phase = 2;
	} else if (rc < 0) {
		return scsi_storage_failed(lu, task, rc, true);
	} else if (task->phase == 1) {
		task->pos = task->blocks;
	} else {
		task->pos += disk_chunk(lu, task, task->blocks - task->pos);
	}
	n = disk_chunk(lu, task, task->blocks - task->pos);
	if (n) {
		disk_ask(lu, task, SCSI_IO_WRITE, task->lba + task->pos, n,
			 task->scratch);
		task->io.fua = !lu->mode.write_cache;
		return SCSI_STEP_IO;
	}
	task->out_used = ws_no_data(task) ? 0 : lu->cfg.block_size;
	return scsi_good(task);
}

/* ---- GET LBA STATUS, SBC-3 5.4 ---- */

#define STATUS_MAPPED	   0x0
#define STATUS_DEALLOCATED 0x1

/* The answer: one descriptor, which begins with the LBA asked for. */
static enum scsi_step status_reply(struct scsi_task *task, uint64_t blocks,
				   bool mapped)
{
	uint8_t *p = task->scratch;

	scsi_fill(p, 0, 24);
	scsi_put32(p, 20); /* parameter data length */
	scsi_put64(p + 8, task->lba);
	scsi_put32(p + 16, blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks);
	p[20] = mapped ? STATUS_MAPPED : STATUS_DEALLOCATED;
	return scsi_reply(task, p, 24, scsi_get32(task->cdb + 10));
}

enum scsi_step disk_lba_status(struct scsi_lu *lu, struct scsi_task *task)
{
	task->lba = scsi_get64(task->cdb + 2);
	if (task->lba >= lu->cfg.blocks)
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	if (!lu->cfg.thin)
		return status_reply(task, lu->cfg.blocks - task->lba, true);
	/* only the first block orders it: an answer about the rest is old as
	 * soon as it is given, and must not wait for the whole disk */
	task->blocks = 1;
	return SCSI_STEP_IO;
}

/* pos: blocks from there to the end, as it was when the question was asked. */
enum scsi_step disk_lba_status_run(struct scsi_lu *lu, struct scsi_task *task,
				   int rc)
{
	uint64_t left = task->pos;
	uint64_t blocks;

	if (task->phase++ == 0) {
		task->pos = lu->cfg.blocks - task->lba;
		return disk_ask(lu, task, SCSI_IO_EXTENT, task->lba, task->pos,
				NULL);
	}
	if (rc == XPV_ENOTSUP)
		return status_reply(task, left, true);
	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, false);
	blocks = task->io.extent_len / lu->cfg.block_size;
	if (!blocks) /* a part of a block is mapped: so is the block */
		return status_reply(task, 1, true);
	return status_reply(task, blocks < left ? blocks : left,
			    task->io.extent_mapped);
}
