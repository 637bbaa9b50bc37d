/* SPDX-License-Identifier: BSD-2-Clause */
/* A direct access block device: its commands, VPD pages and mode pages. */
#include "scsi/lu_disk.h"

#include "scsi/bytes.h"
#include "scsi/common.h"
#include "scsi/disk_io.h"
#include "scsi/disk_unmap.h"
#include "scsi/sense.h"

/* ---- READ CAPACITY, SBC-3 5.15 and 5.16 ---- */

static enum scsi_step capacity10(struct scsi_lu *lu, struct scsi_task *task)
{
	uint64_t last = lu->cfg.blocks - 1;
	uint8_t *p = task->scratch;

	/* without PMI (obsolete) there must be no LBA */
	if (!(task->cdb[8] & 0x01) && scsi_get32(task->cdb + 2))
		return scsi_bad_cdb(lu, task, 2, 7);
	scsi_put32(p, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	scsi_put32(p + 4, lu->cfg.block_size);
	return scsi_reply(task, p, 8, 8);
}

static enum scsi_step capacity16(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *p = task->scratch;

	if (!(task->cdb[14] & 0x01) && scsi_get64(task->cdb + 2))
		return scsi_bad_cdb(lu, task, 2, 7);
	scsi_fill(p, 0, 32);
	scsi_put64(p, lu->cfg.blocks - 1);
	scsi_put32(p + 8, lu->cfg.block_size);
	p[13] = lu->cfg.physical_exponent;
	if (lu->cfg.thin)
		p[14] = (uint8_t)(0x80 | (lu->cfg.discard_zeroes ? 0x40 : 0));
	return scsi_reply(task, p, 32, scsi_get32(task->cdb + 10));
}

/* ---- START STOP UNIT, SBC-3 5.21 ---- */

#define START	 0x01
#define LOEJ	 0x02
#define NO_FLUSH 0x04

static enum scsi_step start_stop(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t what = task->cdb[4];

	if (what & 0xf0) /* power conditions: we have none */
		return scsi_bad_cdb(lu, task, 4, 7);
	if (what & LOEJ) /* not removable */
		return scsi_bad_cdb(lu, task, 4, 1);
	if (!(what & START) && !(what & NO_FLUSH) && !lu->stopped)
		return SCSI_STEP_IO;
	lu->stopped = !(what & START);
	return scsi_good(task);
}

/* Stopping writes the cache to the medium first. */
static enum scsi_step start_stop_run(struct scsi_lu *lu, struct scsi_task *task,
				     int rc)
{
	enum scsi_step step = disk_sync_run(lu, task, rc);

	if (step == SCSI_STEP_DONE && task->status == SCSI_GOOD)
		lu->stopped = true;
	return step;
}

/* ---- VPD pages ---- */

/* B0h: block limits, SBC-3 6.6.4. */
static uint32_t vpd_limits(const struct scsi_lu *lu, uint8_t *page)
{
	const struct scsi_lu_cfg *cfg = &lu->cfg;

	page[5] = (uint8_t)disk_caw_max(lu);
	scsi_put16(page + 6, 1u << (cfg->physical_exponent & 15));
	scsi_put32(page + 8, cfg->max_transfer);
	scsi_put32(page + 12, cfg->optimal_transfer);
	if (cfg->thin) {
		scsi_put32(page + 20, cfg->max_unmap_blocks);
		scsi_put32(page + 24, cfg->max_unmap_descriptors);
		scsi_put32(page + 28, cfg->unmap_granularity);
		if (cfg->unmap_granularity)
			page[32] = 0x80; /* UGAVALID, alignment 0 */
	}
	scsi_put64(page + 36, cfg->max_write_same);
	return 64;
}

/* B1h: block device characteristics, SBC-3 6.6.3. */
static uint32_t vpd_characteristics(const struct scsi_lu *lu, uint8_t *page)
{
	/* 1: does not rotate; 0: not told, which means that it does */
	scsi_put16(page + 4, lu->cfg.rotational ? 0 : 1);
	return 64;
}

/* B2h: logical block provisioning, SBC-3 6.6.5. */
static uint32_t vpd_provisioning(const struct scsi_lu *lu, uint8_t *page)
{
	if (lu->cfg.thin) {
		page[5] = 0x80 | 0x40 | 0x20; /* LBPU, LBPWS, LBPWS10 */
		if (lu->cfg.discard_zeroes)
			page[5] |= 0x04; /* LBPRZ */
		page[6] = 2;		 /* thin provisioned */
	}
	return 8;
}

static const struct scsi_vpd_page disk_vpd[] = {
	{0xb0, vpd_limits},
	{0xb1, vpd_characteristics},
	{0xb2, vpd_provisioning},
};

static const struct scsi_mode_page *const disk_mode[] = {
	&scsi_mode_caching,
	&scsi_mode_control,
	&scsi_mode_exceptions,
};

/* ---- what differs between types ---- */

static bool disk_cfg_ok(const struct scsi_lu_cfg *cfg)
{
	if (cfg->block_size != 512 && cfg->block_size != 4096)
		return false;
	/* a byte offset must fit in 63 bits, whatever the LBA */
	return cfg->blocks &&
	       cfg->blocks <= (uint64_t)INT64_MAX / cfg->block_size &&
	       cfg->physical_exponent <= 15;
}

static uint16_t disk_not_ready(const struct scsi_lu *lu)
{
	return lu->stopped ? SCSI_ASC_START_NEEDED : 0;
}

static uint8_t disk_specific(const struct scsi_lu *lu)
{
	(void)lu;
	return 0x10; /* DPOFUA, SBC-3 6.5.1 */
}

static void disk_block(const struct scsi_lu *lu, struct scsi_mode_block *block)
{
	block->blocks = lu->cfg.blocks;
	block->size = lu->cfg.block_size;
}

/* ---- operation codes ---- */

/* CDB layouts: operation code, byte 1, LBA, group number, length, control. */
#define CDB6(op_, b1_)                                                         \
	{                                                                      \
		(op_), (b1_), 0xff, 0xff, 0xff, 0x00                           \
	}
#define CDB10(op_, b1_)                                                        \
	{                                                                      \
		(op_), (b1_), 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0x00   \
	}
#define CDB12(op_, b1_)                                                        \
	{                                                                      \
		(op_), (b1_), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  \
			0x1f, 0x00                                             \
	}
#define CDB16(op_, b1_)                                                        \
	{                                                                      \
		(op_), (b1_), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  \
			0xff, 0xff, 0xff, 0xff, 0x1f, 0x00                     \
	}

/* Byte 1: DPO, FUA; FUA_NV is obsolete and means nothing, but is still sent. */
#define RW_BITS	    0x1a
#define VERIFY_BITS 0x16 /* DPO, BYTCHK */

#define READ(op_, len_, name_, ...)                                            \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.dir = SCSI_DIR_IN, .access = SCSI_ACCESS_READ,                \
		.allow = SCSI_ALLOW_READS, .timeout_s = 30, .name = (name_),   \
		.start = disk_read, .run = disk_read_run, .usage = __VA_ARGS__ \
	}
#define WRITE(op_, len_, name_, fn_, ...)                                      \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.dir = SCSI_DIR_OUT, .access = SCSI_ACCESS_WRITE,              \
		.allow = SCSI_ALLOW_NONE, .timeout_s = 30, .name = (name_),    \
		.start = fn_, .run = fn_##_run, .usage = __VA_ARGS__           \
	}
#define VERIFY(op_, len_, name_, ...)                                          \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.dir = SCSI_DIR_OUT, .access = SCSI_ACCESS_READ,               \
		.allow = SCSI_ALLOW_READS, .timeout_s = 60, .name = (name_),   \
		.start = disk_verify, .run = disk_verify_run,                  \
		.usage = __VA_ARGS__                                           \
	}
#define SYNC(op_, len_, name_, ...)                                            \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.allow = SCSI_ALLOW_NONE, .timeout_s = 60, .name = (name_),    \
		.start = disk_sync, .run = disk_sync_run, .usage = __VA_ARGS__ \
	}
#define PREFETCH(op_, len_, name_, ...)                                        \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.allow = SCSI_ALLOW_READS, .timeout_s = 1, .name = (name_),    \
		.start = disk_prefetch, .usage = __VA_ARGS__                   \
	}

static const struct scsi_op disk_ops[] = {
	READ(0x08, 6, "READ(6)", CDB6(0x08, 0x1f)),
	WRITE(0x0a, 6, "WRITE(6)", disk_write, CDB6(0x0a, 0x1f)),
	{
		.opcode = 0x1b,
		.cdb_len = 6,
		.allow = SCSI_ALLOW_NONE,
		.mild_mask = 0xf1,
		.mild_value = START,
		.timeout_s = 60,
		.name = "START STOP UNIT",
		.start = start_stop,
		.run = start_stop_run,
		.usage = {0x1b, 0x01, 0, 0x0f, 0xf7, 0x00},
	},
	SCSI_PREVENT_ALLOW,
	{
		.opcode = 0x25,
		.cdb_len = 10,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "READ CAPACITY(10)",
		.start = capacity10,
		.usage = {0x25, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01, 0x00},
	},
	READ(0x28, 10, "READ(10)", CDB10(0x28, RW_BITS)),
	WRITE(0x2a, 10, "WRITE(10)", disk_write, CDB10(0x2a, RW_BITS)),
	WRITE(0x2e, 10, "WRITE AND VERIFY(10)", disk_write_verify,
	      CDB10(0x2e, VERIFY_BITS)),
	VERIFY(0x2f, 10, "VERIFY(10)", CDB10(0x2f, VERIFY_BITS)),
	PREFETCH(0x34, 10, "PRE-FETCH(10)", CDB10(0x34, 0x02)),
	SYNC(0x35, 10, "SYNCHRONIZE CACHE(10)", CDB10(0x35, 0x06)),
	WRITE(0x41, 10, "WRITE SAME(10)", disk_write_same, CDB10(0x41, 0x08)),
	{
		.opcode = 0x42,
		.cdb_len = 10,
		.flags = SCSI_OP_READY | SCSI_OP_THIN,
		.dir = SCSI_DIR_OUT,
		.access = SCSI_ACCESS_WRITE,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 60,
		.name = "UNMAP",
		.start = disk_unmap,
		.run = disk_unmap_run,
		.usage = {0x42, 0, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0x00},
	},
	READ(0x88, 16, "READ(16)", CDB16(0x88, RW_BITS)),
	{
		.opcode = 0x89,
		.cdb_len = 16,
		.flags = SCSI_OP_READY | SCSI_OP_ALONE,
		.dir = SCSI_DIR_OUT,
		.access = SCSI_ACCESS_WRITE,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 30,
		.name = "COMPARE AND WRITE",
		.start = disk_caw,
		.run = disk_caw_run,
		.usage = {0x89, RW_BITS, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0xff, 0, 0, 0, 0xff, 0x1f, 0x00},
	},
	WRITE(0x8a, 16, "WRITE(16)", disk_write, CDB16(0x8a, RW_BITS)),
	WRITE(0x8e, 16, "WRITE AND VERIFY(16)", disk_write_verify,
	      CDB16(0x8e, VERIFY_BITS)),
	VERIFY(0x8f, 16, "VERIFY(16)", CDB16(0x8f, VERIFY_BITS)),
	PREFETCH(0x90, 16, "PRE-FETCH(16)", CDB16(0x90, 0x02)),
	SYNC(0x91, 16, "SYNCHRONIZE CACHE(16)", CDB16(0x91, 0x06)),
	WRITE(0x93, 16, "WRITE SAME(16)", disk_write_same, CDB16(0x93, 0x09)),
	{
		.opcode = 0x9e,
		.sa = 0x10,
		.cdb_len = 16,
		.flags = SCSI_OP_SA,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "READ CAPACITY(16)",
		.start = capacity16,
		.usage = {0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00},
	},
	{
		.opcode = 0x9e,
		.sa = 0x12,
		.cdb_len = 16,
		.flags = SCSI_OP_SA | SCSI_OP_READY,
		.dir = SCSI_DIR_IN,
		.access = SCSI_ACCESS_READ,
		.allow = SCSI_ALLOW_READS,
		.timeout_s = 30,
		.name = "GET LBA STATUS",
		.start = disk_lba_status,
		.run = disk_lba_status_run,
		.usage = {0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x00},
	},
	READ(0xa8, 12, "READ(12)", CDB12(0xa8, RW_BITS)),
	WRITE(0xaa, 12, "WRITE(12)", disk_write, CDB12(0xaa, RW_BITS)),
	WRITE(0xae, 12, "WRITE AND VERIFY(12)", disk_write_verify,
	      CDB12(0xae, VERIFY_BITS)),
	VERIFY(0xaf, 12, "VERIFY(12)", CDB12(0xaf, VERIFY_BITS)),
};

const struct scsi_lu_type scsi_disk = {
	.name = "DISK",
	.peripheral = 0x00,
	.op_count = (uint32_t)XPV_ARRAY_SIZE(disk_ops),
	.ops = disk_ops,
	.vpd_count = (uint32_t)XPV_ARRAY_SIZE(disk_vpd),
	.vpd = disk_vpd,
	.mode_count = (uint32_t)XPV_ARRAY_SIZE(disk_mode),
	.mode = disk_mode,
	.version_count = 1,
	.version = {0x04c0}, /* SBC-3, no revision claimed */
	.cfg_ok = disk_cfg_ok,
	.not_ready = disk_not_ready,
	.frame = {.specific = disk_specific, .block = disk_block},
};
