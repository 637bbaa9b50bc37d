/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disk commands that move blocks: READ, WRITE, VERIFY, WRITE AND VERIFY,
 * COMPARE AND WRITE, SYNCHRONIZE CACHE, PRE-FETCH (SBC-3 5). Handlers of the
 * table in lu_disk.c.
 */
#ifndef SCSI_DISK_IO_H
#define SCSI_DISK_IO_H

#include "scsi/lu.h"

/* First LBA and number of blocks in a 6, 10, 12 or 16 byte CDB. */
void disk_cdb_range(const uint8_t *cdb, uint64_t *lba, uint64_t *blocks);

/* Do the blocks exist? No blocks at all may start right behind the end. */
bool disk_in_range(const struct scsi_lu *lu, uint64_t lba, uint64_t blocks);

/* Asks for an operation on blocks; buf NULL for those without data. */
enum scsi_step disk_ask(const struct scsi_lu *lu, struct scsi_task *task,
			enum scsi_io_op op, uint64_t lba, uint64_t blocks,
			uint8_t *buf);

/* FUA, or no write cache in use: writes must be on stable storage. */
bool disk_wants_fua(const struct scsi_lu *lu, const struct scsi_task *task);

/* COMPARE AND WRITE takes no more blocks than this (page B0h). */
uint32_t disk_caw_max(const struct scsi_lu *lu);

/* Whole blocks that fit in the task's scratch space, at most left. */
uint64_t disk_chunk(const struct scsi_lu *lu, const struct scsi_task *task,
		    uint64_t left);

enum scsi_step disk_read(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_read_run(struct scsi_lu *lu, struct scsi_task *task,
			     int rc);
enum scsi_step disk_write(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_write_run(struct scsi_lu *lu, struct scsi_task *task,
			      int rc);
enum scsi_step disk_verify(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_verify_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc);
enum scsi_step disk_write_verify(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_write_verify_run(struct scsi_lu *lu, struct scsi_task *task,
				     int rc);
enum scsi_step disk_caw(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_caw_run(struct scsi_lu *lu, struct scsi_task *task, int rc);
enum scsi_step disk_sync(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_sync_run(struct scsi_lu *lu, struct scsi_task *task,
			     int rc);
enum scsi_step disk_prefetch(struct scsi_lu *lu, struct scsi_task *task);

#endif
