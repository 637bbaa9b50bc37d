/* SPDX-License-Identifier: BSD-2-Clause */
/* A CD/DVD-ROM drive: its commands, mode pages, tray and medium. */
#include "scsi/lu_cdrom.h"

#include "scsi/bytes.h"
#include "scsi/cdrom_info.h"
#include "scsi/common.h"
#include "scsi/disk_io.h"
#include "scsi/sense.h"

struct scsi_cdrom *scsi_cdrom_of(const struct scsi_lu *lu)
{
	return lu->cfg.own;
}

/* ---- tray and medium ---- */

static bool cdrom_cfg_ok(const struct scsi_lu_cfg *cfg)
{
	struct scsi_cdrom *cd = cfg->own;

	/* LBAs of MMC have 32 bits */
	if (!cd || cfg->block_size != SCSI_CDROM_BLOCK ||
	    cfg->blocks > UINT32_MAX)
		return false;
	cd->medium = cfg->blocks > 0;
	return true;
}

static uint16_t cdrom_not_ready(const struct scsi_lu *lu)
{
	const struct scsi_cdrom *cd = scsi_cdrom_of(lu);

	if (cd->open)
		return SCSI_ASC_NO_MEDIUM_OPEN;
	if (cd->leaving)
		return SCSI_ASC_BECOMING_READY;
	return cd->medium ? 0 : SCSI_ASC_NO_MEDIUM_CLOSED;
}

void scsi_cdrom_leave(struct scsi_lu *lu)
{
	scsi_cdrom_of(lu)->leaving = true;
}

void scsi_cdrom_insert(struct scsi_lu *lu, uint64_t blocks)
{
	struct scsi_cdrom *cd = scsi_cdrom_of(lu);

	XPV_ASSERT(cd->leaving && blocks <= UINT32_MAX);
	/* one event at a time: that there is another medium says it all */
	cd->removed = cd->medium && !cd->open && !blocks;
	cd->leaving = cd->open = cd->eject_wanted = false;
	cd->medium = cd->new_medium = blocks > 0;
	lu->cfg.blocks = blocks;
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		lu->nexus[i].prevent = false;
	if (blocks)
		scsi_lu_attention_others(lu, SCSI_NEXUS_MAX, SCSI_UA_MEDIUM);
}

/* ---- for scsi/keep ---- */

#define KEEP_LEN     1u
#define KEEP_OPEN    0x01
#define KEEP_NEW     0x02
#define KEEP_REMOVED 0x04
#define KEEP_WANTED  0x08

static uint32_t cdrom_keep(const struct scsi_lu *lu, uint8_t *out)
{
	const struct scsi_cdrom *cd = scsi_cdrom_of(lu);

	out[0] = (uint8_t)((cd->open ? KEEP_OPEN : 0) |
			   (cd->new_medium ? KEEP_NEW : 0) |
			   (cd->removed ? KEEP_REMOVED : 0) |
			   (cd->eject_wanted ? KEEP_WANTED : 0));
	return KEEP_LEN;
}

/* The tray is as it was; what lies in it is the caller's matter. A version that
 * kept nothing of it had it closed. */
static bool cdrom_take_over(struct scsi_lu *lu, const uint8_t *own,
			    uint32_t len)
{
	struct scsi_cdrom *cd = scsi_cdrom_of(lu);

	if (!len)
		return true;
	if (len != KEEP_LEN ||
	    own[0] > (KEEP_OPEN | KEEP_NEW | KEEP_REMOVED | KEEP_WANTED))
		return false;
	cd->open = own[0] & KEEP_OPEN;
	cd->new_medium = own[0] & KEEP_NEW;
	cd->removed = own[0] & KEEP_REMOVED;
	cd->eject_wanted = own[0] & KEEP_WANTED;
	return true;
}

void scsi_cdrom_want_eject(struct scsi_lu *lu)
{
	scsi_cdrom_of(lu)->eject_wanted = true;
}

/* START STOP UNIT, MMC-6 6.42 */
#define START 0x01
#define LOEJ  0x02

static enum scsi_step start_stop(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_cdrom *cd = scsi_cdrom_of(lu);
	uint8_t what = task->cdb[4];

	if (what & 0xf0) /* power conditions: we have none */
		return scsi_bad_cdb(lu, task, 4, 7);
	/* a disc that was stopped spins up by itself when it is read */
	if (!(what & LOEJ))
		return scsi_good(task);
	if (what & START) {
		if (cd->open && cd->medium) {
			cd->new_medium = true;
			scsi_lu_attention_others(lu, SCSI_NEXUS_MAX,
						 SCSI_UA_MEDIUM);
		}
		cd->open = false;
		return scsi_good(task);
	}
	if (!cd->open && scsi_lu_prevented(lu))
		return scsi_illegal(lu, task, SCSI_ASC_REMOVAL_PREVENTED);
	cd->removed = cd->medium && !cd->open;
	cd->open = true;
	cd->new_medium = cd->eject_wanted = false;
	return scsi_good(task);
}

/* ---- reading ---- */

/* READ CAPACITY, MMC-6 6.18 */
static enum scsi_step capacity(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *p = task->scratch;

	scsi_put32(p, (uint32_t)lu->cfg.blocks - 1);
	scsi_put32(p + 4, SCSI_CDROM_BLOCK);
	return scsi_reply(task, p, 8, 8);
}

/* READ CD, MMC-6 6.17 */
#define USER_DATA 0x10 /* byte 9 */

static enum scsi_step read_cd(struct scsi_lu *lu, struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	uint8_t type = (cdb[1] >> 2) & 7;
	uint64_t lba = scsi_get32(cdb + 2), blocks = scsi_get24(cdb + 6);
	uint64_t bytes = blocks * SCSI_CDROM_BLOCK;

	if (!disk_in_range(lu, lba, blocks))
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	if (type != 0 && type != 2) /* any, mode 1: it is mode 1 that we have */
		return scsi_illegal(lu, task, SCSI_ASC_MODE_FOR_TRACK);
	if (cdb[10] & 0x07) /* no sub-channel was recorded */
		return scsi_bad_cdb(lu, task, 10, 2);
	if (!cdb[9] || !blocks)
		return scsi_good(task);
	/* an image has no sync, headers, EDC and ECC */
	if (cdb[9] != USER_DATA)
		return scsi_bad_cdb(lu, task, 9, 7);
	if (!task->in_max)
		return scsi_good(task);
	task->lba = lba;
	task->blocks = blocks;
	task->pos = bytes < task->in_max ? bytes : task->in_max;
	return SCSI_STEP_IO;
}

/* SEEK(10), MMC-6 6.35 */
static enum scsi_step seek(struct scsi_lu *lu, struct scsi_task *task)
{
	if (scsi_get32(task->cdb + 2) >= lu->cfg.blocks)
		return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
	return scsi_good(task);
}

/* ---- mode pages ---- */

/* 01h: read error recovery, MMC-6 7.2: all that can be done is done. */
static const struct scsi_mode_page page_recovery = {
	.code = 0x01,
	.len = 12,
	.get = scsi_mode_get_nothing,
	.set = scsi_mode_set_nothing,
};

/* 0Dh: CD device parameters, MMC-3 annex C: seconds in a minute, frames in a
 * second. */
static void device_get(const struct scsi_lu *lu, const struct scsi_mode *mode,
		       enum scsi_mode_pc pc, uint8_t *page)
{
	(void)lu;
	(void)mode;
	if (pc == SCSI_PC_CHANGEABLE)
		return;
	scsi_put16(page + 4, 60);
	scsi_put16(page + 6, 75);
}

static const struct scsi_mode_page page_device = {
	.code = 0x0d,
	.len = 8,
	.get = device_get,
	.set = scsi_mode_set_nothing,
};

/* 1Ah: power condition, SPC-4 7.5.13: no timers. */
static const struct scsi_mode_page page_power = {
	.code = 0x1a,
	.len = 12,
	.get = scsi_mode_get_nothing,
	.set = scsi_mode_set_nothing,
};

/* 2Ah: capabilities and mechanical status, MMC-3 annex D (legacy, and what
 * systems look at). */
#define SPEED_CD 8467u /* KB/s, 48 times 176.4 */

static void capabilities_get(const struct scsi_lu *lu,
			     const struct scsi_mode *mode, enum scsi_mode_pc pc,
			     uint8_t *page)
{
	(void)mode;
	if (pc == SCSI_PC_CHANGEABLE)
		return;
	page[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
	page[4] = 0x40; /* multi-session */
	page[6] = 0x20 | 0x08 | 0x01; /* tray, ejects, locks */
	if (scsi_lu_prevented(lu))
		page[6] |= 0x02;
	scsi_put16(page + 8, SPEED_CD);
	scsi_put16(page + 12, 256); /* KiB of buffer */
	scsi_put16(page + 14, SPEED_CD);
}

static const struct scsi_mode_page page_capabilities = {
	.code = 0x2a,
	.len = 22,
	.get = capabilities_get,
	.set = scsi_mode_set_nothing,
};

static const struct scsi_mode_page *const cdrom_mode[] = {
	&page_recovery, &scsi_mode_control,    &page_device,
	&page_power,	&scsi_mode_exceptions, &page_capabilities,
};

/* ---- operation codes ---- */

/* Tells something; READY: of the medium. */
#define TELL(op_, len_, name_, fn_, ready_, ...)                               \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = (ready_),         \
		.dir = SCSI_DIR_IN, .allow = SCSI_ALLOW_READS, .timeout_s = 1, \
		.name = (name_), .start = (fn_), .usage = __VA_ARGS__          \
	}
#define READ(op_, len_, name_, fn_, ...)                                       \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = SCSI_OP_READY,    \
		.dir = SCSI_DIR_IN, .access = SCSI_ACCESS_READ,                \
		.allow = SCSI_ALLOW_READS, .timeout_s = 30, .name = (name_),   \
		.start = (fn_), .run = disk_read_run, .usage = __VA_ARGS__     \
	}
#define CDB10(...)                                                             \
	{                                                                      \
		__VA_ARGS__, 0x00                                              \
	}

static const struct scsi_op cdrom_ops[] = {
	{
		.opcode = 0x1b,
		.cdb_len = 6,
		.allow = SCSI_ALLOW_NONE,
		.mild_mask = 0xf3,
		.mild_value = START,
		.timeout_s = 30,
		.name = "START STOP UNIT",
		.start = start_stop,
		.usage = {0x1b, 0x01, 0, 0, 0xf3, 0x00},
	},
	SCSI_PREVENT_ALLOW,
	TELL(0x25, 10, "READ CAPACITY", capacity, SCSI_OP_READY,
	     CDB10(0x25, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01)),
	READ(0x28, 10, "READ(10)", disk_read,
	     CDB10(0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff)),
	{
		.opcode = 0x2b,
		.cdb_len = 10,
		.flags = SCSI_OP_READY,
		.allow = SCSI_ALLOW_READS,
		.timeout_s = 5,
		.name = "SEEK(10)",
		.start = seek,
		.usage = {0x2b, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x00},
	},
	TELL(0x42, 10, "READ SUB-CHANNEL", cdrom_sub_channel, SCSI_OP_READY,
	     CDB10(0x42, 0x02, 0x40, 0xff, 0, 0, 0xff, 0xff, 0xff)),
	TELL(0x43, 10, "READ TOC/PMA/ATIP", cdrom_toc, SCSI_OP_READY,
	     CDB10(0x43, 0x02, 0x0f, 0, 0, 0, 0xff, 0xff, 0xff)),
	/* These two never report a unit attention (MMC-6 6.5, 6.6). */
	TELL(0x46, 10, "GET CONFIGURATION", cdrom_configuration, SCSI_OP_NO_UA,
	     CDB10(0x46, 0x03, 0xff, 0xff, 0, 0, 0, 0xff, 0xff)),
	TELL(0x4a, 10, "GET EVENT STATUS NOTIFICATION", cdrom_events,
	     SCSI_OP_NO_UA, CDB10(0x4a, 0x01, 0, 0, 0xff, 0, 0, 0xff, 0xff)),
	TELL(0x51, 10, "READ DISC INFORMATION", cdrom_disc_info, SCSI_OP_READY,
	     CDB10(0x51, 0x07, 0, 0, 0, 0, 0, 0xff, 0xff)),
	TELL(0x52, 10, "READ TRACK INFORMATION", cdrom_track_info,
	     SCSI_OP_READY,
	     CDB10(0x52, 0x03, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff)),
	READ(0xa8, 12, "READ(12)", disk_read,
	     {0xa8, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80,
	      0x00}),
	TELL(0xac, 12, "GET PERFORMANCE", cdrom_performance, SCSI_OP_READY,
	     {0xac, 0x1f, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff,
	      0x00}),
	TELL(0xad, 12, "READ DISC STRUCTURE", cdrom_structure, SCSI_OP_READY,
	     {0xad, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0,
	      0x00}),
	{
		.opcode = 0xbb,
		.cdb_len = 12,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 1,
		.name = "SET CD SPEED", /* it is what it is */
		.start = scsi_nothing,
		.usage = {0xbb, 0x03, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0,
			  0x00},
	},
	TELL(0xbd, 12, "MECHANISM STATUS", cdrom_mechanism, 0,
	     {0xbd, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0x00}),
	READ(0xbe, 12, "READ CD", read_cd,
	     {0xbe, 0x1e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x07,
	      0x00}),
};

const struct scsi_lu_type scsi_cdrom = {
	.name = "CD-ROM",
	.peripheral = 0x05,
	.op_count = (uint32_t)XPV_ARRAY_SIZE(cdrom_ops),
	.ops = cdrom_ops,
	.mode_count = (uint32_t)XPV_ARRAY_SIZE(cdrom_mode),
	.mode = cdrom_mode,
	.version_count = 1,
	.version = {0x04e0}, /* MMC-6, no revision claimed */
	.removable = true,
	.cfg_ok = cdrom_cfg_ok,
	.not_ready = cdrom_not_ready,
	.keep = cdrom_keep,
	.take_over = cdrom_take_over,
	.frame = {.specific = scsi_mode_no_specific},
};
