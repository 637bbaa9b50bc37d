/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that every type of logical unit has. */
#include "scsi/common.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"

enum scsi_step scsi_nothing(struct scsi_lu *lu, struct scsi_task *task)
{
	(void)lu;
	return scsi_good(task);
}

/*
 * REQUEST SENSE, SPC-4 6.39: a pending unit attention, which is then no longer
 * pending; else why the unit is not ready; else nothing.
 */
static enum scsi_step request_sense(struct scsi_lu *lu, struct scsi_task *task)
{
	bool desc = task->cdb[1] & 0x01;
	uint16_t asc = scsi_lu_attention_take(lu, task->nexus);
	uint8_t key = SCSI_KEY_UNIT_ATTENTION;
	uint32_t len;

	if (!asc) {
		asc = lu->cfg.type->not_ready(lu);
		key = asc ? SCSI_KEY_NOT_READY : SCSI_KEY_NO_SENSE;
	}
	len = scsi_sense_put(task->scratch, desc, key, asc);
	return scsi_reply(task, task->scratch, len, task->cdb[4]);
}

/*
 * REPORT LUNS, SPC-4 6.33, as a target of this unit alone: LUN 0. A target of
 * several answers it before it reaches any of them (scsi/target.h).
 */
static enum scsi_step report_luns(struct scsi_lu *lu, struct scsi_task *task)
{
	uint32_t alloc_len = scsi_get32(task->cdb + 6);
	uint8_t *p = task->scratch;
	bool well_known = task->cdb[2] == 0x01;

	if (task->cdb[2] > 0x02)
		return scsi_bad_cdb(lu, task, 2, 7);
	if (alloc_len < 16)
		return scsi_bad_cdb(lu, task, 6, 7);
	scsi_lu_attention_clear(lu, task->nexus, SCSI_UA_LUNS);
	scsi_fill(p, 0, 16);
	p[3] = well_known ? 0 : 8; /* there is no well known unit */
	return scsi_reply(task, p, well_known ? 8 : 16, alloc_len);
}

/* SEND DIAGNOSTIC, SPC-4 6.42: the default self test, which passes. */
static enum scsi_step send_diagnostic(struct scsi_lu *lu,
				      struct scsi_task *task)
{
	if (task->cdb[1] & 0xe0) /* SELF-TEST CODE: no background tests */
		return scsi_bad_cdb(lu, task, 1, 7);
	if (scsi_get16(task->cdb + 3)) /* no diagnostic pages */
		return scsi_bad_cdb(lu, task, 3, 7);
	return scsi_good(task);
}

enum scsi_step scsi_prevent_allow(struct scsi_lu *lu, struct scsi_task *task)
{
	if (task->cdb[4] & 0x02) /* SBC-3 table 50: obsolete values */
		return scsi_bad_cdb(lu, task, 4, 1);
	lu->nexus[task->nexus].prevent = task->cdb[4] & 0x01;
	return scsi_good(task);
}

/* Rows that differ in little: MODE SENSE and SELECT, PERSISTENT RESERVE. */
#define MODE_SENSE(op_, len_, ...)                                             \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .dir = SCSI_DIR_IN,        \
		.allow = SCSI_ALLOW_READS, .timeout_s = 1,                     \
		.name = "MODE SENSE", .start = scsi_mode_sense, .usage = {     \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define MODE_SELECT(op_, len_, ...)                                            \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .dir = SCSI_DIR_OUT,       \
		.allow = SCSI_ALLOW_NONE, .timeout_s = 30,                     \
		.name = "MODE SELECT", .start = scsi_mode_select,              \
		.run = scsi_mode_select_run, .usage = {                        \
			__VA_ARGS__                                            \
		}                                                              \
	}
/* PERSISTENT RESERVE IN never conflicts; OUT decides by itself. */
#define PR_IN(sa_, name_)                                                      \
	{                                                                      \
		.opcode = 0x5e, .sa = (sa_),                                   \
		.flags = SCSI_OP_SA | SCSI_OP_ALONE, .cdb_len = 10,            \
		.dir = SCSI_DIR_IN, .allow = SCSI_ALLOW_PR, .timeout_s = 1,    \
		.name = (name_), .start = scsi_pr_in, .usage = {               \
			0x5e,                                                  \
			0x1f,                                                  \
			0,                                                     \
			0,                                                     \
			0,                                                     \
			0,                                                     \
			0,                                                     \
			0xff,                                                  \
			0xff,                                                  \
			0x00                                                   \
		}                                                              \
	}
#define PR_OUT(sa_, name_)                                                     \
	{                                                                      \
		.opcode = 0x5f, .sa = (sa_),                                   \
		.flags = SCSI_OP_SA | SCSI_OP_ALONE, .cdb_len = 10,            \
		.dir = SCSI_DIR_OUT, .access = SCSI_ACCESS_STATE,              \
		.allow = SCSI_ALLOW_PR, .timeout_s = 30, .name = (name_),      \
		.start = scsi_pr_out, .run = scsi_pr_out_run, .usage = {       \
			0x5f,                                                  \
			0x1f,                                                  \
			0xff,                                                  \
			0,                                                     \
			0,                                                     \
			0xff,                                                  \
			0xff,                                                  \
			0xff,                                                  \
			0xff,                                                  \
			0x00                                                   \
		}                                                              \
	}

const struct scsi_op scsi_common_ops[] = {
	{
		.opcode = 0x00,
		.cdb_len = 6,
		.flags = SCSI_OP_READY,
		.allow = SCSI_ALLOW_PR,
		.timeout_s = 1,
		.name = "TEST UNIT READY",
		.start = scsi_nothing,
		.usage = {0x00, 0, 0, 0, 0, 0x00},
	},
	{
		.opcode = 0x03,
		.cdb_len = 6,
		.flags = SCSI_OP_NO_UA,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "REQUEST SENSE",
		.start = request_sense,
		.usage = {0x03, 0x01, 0, 0, 0xff, 0x00},
	},
	{
		.opcode = 0x12,
		.cdb_len = 6,
		.flags = SCSI_OP_NO_UA,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "INQUIRY",
		.start = scsi_inquiry,
		.usage = {0x12, 0x01, 0xff, 0xff, 0xff, 0x00},
	},
	MODE_SELECT(0x15, 6, 0x15, 0x11, 0, 0, 0xff, 0x00),
	{
		.opcode = 0x16,
		.cdb_len = 6,
		.flags = SCSI_OP_ALONE,
		.allow = SCSI_ALLOW_ALL, /* decides by itself */
		.timeout_s = 1,
		.name = "RESERVE(6)",
		.access = SCSI_ACCESS_STATE,
		.start = scsi_reserve,
		.run = scsi_reserve_run,
		.usage = {0x16, 0, 0, 0, 0, 0x00},
	},
	{
		.opcode = 0x17,
		.cdb_len = 6,
		.flags = SCSI_OP_ALONE,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "RELEASE(6)",
		.start = scsi_release,
		.usage = {0x17, 0, 0, 0, 0, 0x00},
	},
	MODE_SENSE(0x1a, 6, 0x1a, 0x08, 0xff, 0xff, 0xff, 0x00),
	{
		.opcode = 0x1d,
		.cdb_len = 6,
		.dir = SCSI_DIR_OUT,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 1,
		.name = "SEND DIAGNOSTIC",
		.start = send_diagnostic,
		.usage = {0x1d, 0xf7, 0, 0xff, 0xff, 0x00},
	},
	MODE_SELECT(0x55, 10, 0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00),
	{
		.opcode = 0x56,
		.cdb_len = 10,
		.flags = SCSI_OP_ALONE,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "RESERVE(10)",
		.access = SCSI_ACCESS_STATE,
		.start = scsi_reserve,
		.run = scsi_reserve_run,
		.usage = {0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0x00},
	},
	{
		.opcode = 0x57,
		.cdb_len = 10,
		.flags = SCSI_OP_ALONE,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "RELEASE(10)",
		.start = scsi_release,
		.usage = {0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0x00},
	},
	MODE_SENSE(0x5a, 10, 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x00),
	PR_IN(0x00, "READ KEYS"),
	PR_IN(0x01, "READ RESERVATION"),
	PR_IN(0x02, "REPORT CAPABILITIES"),
	PR_IN(0x03, "READ FULL STATUS"),
	PR_OUT(0x00, "REGISTER"),
	PR_OUT(0x01, "RESERVE"),
	PR_OUT(0x02, "RELEASE"),
	PR_OUT(0x03, "CLEAR"),
	PR_OUT(0x04, "PREEMPT"),
	PR_OUT(0x05, "PREEMPT AND ABORT"),
	PR_OUT(0x06, "REGISTER AND IGNORE EXISTING KEY"),
	{
		.opcode = 0xa0,
		.cdb_len = 12,
		.flags = SCSI_OP_NO_UA,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_ALL,
		.timeout_s = 1,
		.name = "REPORT LUNS",
		.start = report_luns,
		.usage = {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0,
			  0x00},
	},
	{
		.opcode = 0xa3,
		.sa = 0x0c,
		.cdb_len = 12,
		.flags = SCSI_OP_SA,
		.dir = SCSI_DIR_IN,
		.allow = SCSI_ALLOW_READS,
		.timeout_s = 1,
		.name = "REPORT SUPPORTED OPERATION CODES",
		.start = scsi_cdb_report,
		.usage = {0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			  0xff, 0, 0x00},
	},
};

const uint32_t scsi_common_op_count = (uint32_t)XPV_ARRAY_SIZE(scsi_common_ops);
