/* SPDX-License-Identifier: BSD-2-Clause */
/* A medium changer: its commands and mode pages. */
#include "scsi/lu_changer.h"

#include "scsi/bytes.h"
#include "scsi/changer_status.h"
#include "scsi/common.h"
#include "scsi/sense.h"

struct scsi_changer *scsi_changer_of(const struct scsi_lu *lu)
{
	return lu->cfg.own;
}

static bool changer_cfg_ok(const struct scsi_lu_cfg *cfg)
{
	const struct scsi_changer *c = cfg->own;

	return c && !cfg->blocks && !cfg->block_size && c->drives >= 1 &&
	       c->drives <= CHANGER_DRIVES_MAX && c->slots >= 1 &&
	       c->slots <= CHANGER_SLOTS_MAX;
}

static uint16_t changer_not_ready(const struct scsi_lu *lu)
{
	(void)lu;
	return 0;
}

/* ---- elements ---- */

int scsi_changer_element(const struct scsi_changer *c, uint32_t address)
{
	if (address >= CHANGER_DRIVE && address - CHANGER_DRIVE < c->drives)
		return (int)(address - CHANGER_DRIVE);
	if (address >= CHANGER_SLOT && address - CHANGER_SLOT < c->slots)
		return (int)(address - CHANGER_SLOT + c->drives);
	return -1;
}

uint16_t scsi_changer_address(const struct scsi_changer *c, uint32_t i)
{
	return (uint16_t)(i < c->drives ? CHANGER_DRIVE + i
					: CHANGER_SLOT + i - c->drives);
}

void scsi_changer_moved(struct scsi_changer *c, uint32_t from, uint32_t to)
{
	if (from == to)
		return;
	c->element[to] = c->element[from];
	if (from >= c->drives)
		c->element[to].source = scsi_changer_address(c, from);
	scsi_fill(&c->element[from], 0, sizeof(c->element[from]));
	c->element[from].source = CHANGER_NOWHERE;
}

void scsi_changer_exchanged(struct scsi_changer *c, uint32_t from, uint32_t to,
			    uint32_t second)
{
	struct scsi_element out = c->element[to];

	if (to >= c->drives)
		out.source = scsi_changer_address(c, to);
	scsi_changer_moved(c, from, to);
	c->element[second] = out;
}

/* ---- moving ---- */

/* MOVE MEDIUM, SMC-3 6.6 */
static enum scsi_step move_start(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_changer *c = scsi_changer_of(lu);
	const uint8_t *cdb = task->cdb;

	if (scsi_get16(cdb + 2) != CHANGER_TRANSPORT ||
	    scsi_changer_element(c, scsi_get16(cdb + 4)) < 0 ||
	    scsi_changer_element(c, scsi_get16(cdb + 6)) < 0)
		return scsi_illegal(lu, task, SCSI_ASC_ELEMENT);
	if (cdb[10] & 0x01) /* INVERT */
		return scsi_bad_cdb(lu, task, 10, 0);
	return SCSI_STEP_IO;
}

static enum scsi_step move_failed(struct scsi_lu *lu, struct scsi_task *task,
				  int rc)
{
	if (rc == XPV_EBUSY)
		return scsi_status_only(task, SCSI_BUSY);
	if (rc == XPV_EACCES)
		return scsi_illegal(lu, task, SCSI_ASC_REMOVAL_PREVENTED);
	return scsi_check(lu, task, SCSI_KEY_HARDWARE_ERROR,
			  SCSI_ASC_INTERNAL_FAILURE);
}

static enum scsi_step move_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc)
{
	struct scsi_changer *c = scsi_changer_of(lu);
	int from = scsi_changer_element(c, scsi_get16(task->cdb + 4));
	int to = scsi_changer_element(c, scsi_get16(task->cdb + 6));

	if (task->phase++) {
		if (rc < 0)
			return move_failed(lu, task, rc);
		scsi_changer_moved(c, (uint32_t)from, (uint32_t)to);
		return scsi_good(task);
	}
	if (!c->element[from].barcode[0])
		return scsi_illegal(lu, task, SCSI_ASC_SOURCE_EMPTY);
	if (from == to)
		return scsi_good(task);
	if (c->element[to].barcode[0])
		return scsi_illegal(lu, task, SCSI_ASC_DESTINATION_FULL);
	task->io = (struct scsi_io){.op = SCSI_IO_MOVE,
				    .offset = (uint64_t)from,
				    .len = (uint64_t)to};
	return SCSI_STEP_IO;
}

/* EXCHANGE MEDIUM, SMC-3 6.2 */
static enum scsi_step exchange_start(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_changer *c = scsi_changer_of(lu);
	const uint8_t *cdb = task->cdb;

	if (scsi_get16(cdb + 2) != CHANGER_TRANSPORT ||
	    scsi_changer_element(c, scsi_get16(cdb + 4)) < 0 ||
	    scsi_changer_element(c, scsi_get16(cdb + 6)) < 0 ||
	    scsi_changer_element(c, scsi_get16(cdb + 8)) < 0)
		return scsi_illegal(lu, task, SCSI_ASC_ELEMENT);
	if (scsi_get16(cdb + 4) == scsi_get16(cdb + 6)) /* with itself */
		return scsi_bad_cdb(lu, task, 6, 7);
	if (cdb[10] & 0x03) /* INV1, INV2 */
		return scsi_bad_cdb(lu, task, 10, cdb[10] & 0x02 ? 1 : 0);
	return SCSI_STEP_IO;
}

static enum scsi_step exchange_run(struct scsi_lu *lu, struct scsi_task *task,
				   int rc)
{
	struct scsi_changer *c = scsi_changer_of(lu);
	int from = scsi_changer_element(c, scsi_get16(task->cdb + 4));
	int to = scsi_changer_element(c, scsi_get16(task->cdb + 6));
	int second = scsi_changer_element(c, scsi_get16(task->cdb + 8));

	if (task->phase++) {
		if (rc < 0)
			return move_failed(lu, task, rc);
		scsi_changer_exchanged(c, (uint32_t)from, (uint32_t)to,
				       (uint32_t)second);
		return scsi_good(task);
	}
	if (!c->element[from].barcode[0] || !c->element[to].barcode[0])
		return scsi_illegal(lu, task, SCSI_ASC_SOURCE_EMPTY);
	if (second != from && c->element[second].barcode[0])
		return scsi_illegal(lu, task, SCSI_ASC_DESTINATION_FULL);
	task->io = (struct scsi_io){.op = SCSI_IO_SWAP,
				    .offset = (uint64_t)from,
				    .len = (uint64_t)to,
				    .second = (uint64_t)second};
	return SCSI_STEP_IO;
}

/* POSITION TO ELEMENT, SMC-3 6.7 */
static enum scsi_step position(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_changer *c = scsi_changer_of(lu);

	if (scsi_get16(task->cdb + 2) != CHANGER_TRANSPORT ||
	    scsi_changer_element(c, scsi_get16(task->cdb + 4)) < 0)
		return scsi_illegal(lu, task, SCSI_ASC_ELEMENT);
	return scsi_good(task);
}

/* ---- mode pages ---- */

/* 1Dh: element address assignment, SMC-3 7.2.3. */
static void addresses_get(const struct scsi_lu *lu,
			  const struct scsi_mode *mode, enum scsi_mode_pc pc,
			  uint8_t *page)
{
	const struct scsi_changer *c = scsi_changer_of(lu);

	(void)mode;
	if (pc == SCSI_PC_CHANGEABLE)
		return;
	scsi_put16(page + 2, CHANGER_TRANSPORT);
	scsi_put16(page + 4, 1);
	scsi_put16(page + 6, CHANGER_SLOT);
	scsi_put16(page + 8, c->slots);
	scsi_put16(page + 14, CHANGER_DRIVE); /* no import/export before it */
	scsi_put16(page + 16, c->drives);
}

static const struct scsi_mode_page page_addresses = {
	.code = 0x1d,
	.len = 20,
	.get = addresses_get,
	.set = scsi_mode_set_nothing,
};

/* 1Eh: transport geometry, SMC-3 7.2.5: nothing can be turned over. */
static const struct scsi_mode_page page_geometry = {
	.code = 0x1e,
	.len = 4,
	.get = scsi_mode_get_nothing,
	.set = scsi_mode_set_nothing,
};

/* 1Fh: device capabilities, SMC-3 7.2.2: what holds cartridges, and between
 * what MOVE MEDIUM moves and EXCHANGE MEDIUM exchanges them. */
#define SLOT  0x02
#define DRIVE 0x08

static void capabilities_get(const struct scsi_lu *lu,
			     const struct scsi_mode *mode, enum scsi_mode_pc pc,
			     uint8_t *page)
{
	(void)lu;
	(void)mode;
	if (pc == SCSI_PC_CHANGEABLE)
		return;
	page[2] = SLOT | DRIVE;
	page[5] = SLOT | DRIVE;	 /* from slots */
	page[7] = SLOT | DRIVE;	 /* from drives */
	page[13] = SLOT | DRIVE; /* exchanged from slots */
	page[15] = SLOT | DRIVE; /* from drives */
}

static const struct scsi_mode_page page_capabilities = {
	.code = 0x1f,
	.len = 20,
	.get = capabilities_get,
	.set = scsi_mode_set_nothing,
};

static const struct scsi_mode_page *const changer_mode[] = {
	&scsi_mode_control,
	&page_addresses,
	&page_geometry,
	&page_capabilities,
};

/* ---- operation codes ---- */

static const struct scsi_op changer_ops[] = {
	{
		.opcode = 0x07,
		.cdb_len = 6,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 1,
		.name = "INITIALIZE ELEMENT STATUS", /* it is known */
		.start = scsi_nothing,
		.usage = {0x07, 0, 0, 0, 0, 0x00},
	},
	SCSI_PREVENT_ALLOW,
	{
		.opcode = 0x2b,
		.cdb_len = 10,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 1,
		.name = "POSITION TO ELEMENT",
		.start = position,
		.usage = {0x2b, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x00},
	},
	{
		.opcode = 0x37,
		.cdb_len = 10,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 1,
		.name = "INITIALIZE ELEMENT STATUS WITH RANGE",
		.start = scsi_nothing,
		.usage = {0x37, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0x00},
	},
	{
		.opcode = 0xa5,
		.cdb_len = 12,
		.access = SCSI_ACCESS_STATE,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 60,
		.name = "MOVE MEDIUM",
		.start = move_start,
		.run = move_run,
		.usage = {0xa5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
			  0x01, 0x00},
	},
	{
		.opcode = 0xa6,
		.cdb_len = 12,
		.access = SCSI_ACCESS_STATE,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 60,
		.name = "EXCHANGE MEDIUM",
		.start = exchange_start,
		.run = exchange_run,
		.usage = {0xa6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0x03, 0x00},
	},
	{
		.opcode = 0xb8,
		.cdb_len = 12,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_READS,
		.timeout_s = 1,
		.name = "READ ELEMENT STATUS",
		.start = changer_status,
		.usage = {0xb8, 0x1f, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff,
			  0xff, 0, 0x00},
	},
};

const struct scsi_lu_type scsi_changer = {
	.name = "VTL changer",
	.peripheral = 0x08,
	.op_count = (uint32_t)XPV_ARRAY_SIZE(changer_ops),
	.ops = changer_ops,
	.mode_count = (uint32_t)XPV_ARRAY_SIZE(changer_mode),
	.mode = changer_mode,
	.version_count = 1,
	.version = {0x0480}, /* SMC-3, no revision claimed */
	.removable = true,
	.cfg_ok = changer_cfg_ok,
	.not_ready = changer_not_ready,
	.frame = {.specific = scsi_mode_no_specific},
};
