/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data and the ways in which a command ends. */
#include "scsi/sense.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"

/* SPC-4 4.5.1: response codes of current errors. */
#define FIXED 0x70
#define DESC  0x72

/* Descriptor types, SPC-4 table 27. */
#define DESC_INFORMATION  0x00
#define DESC_KEY_SPECIFIC 0x02
#define DESC_STREAM	  0x04

uint32_t scsi_sense_put(uint8_t *out, bool desc, uint8_t key, uint16_t asc)
{
	scsi_fill(out, 0, SCSI_SENSE_FIXED_LEN);
	if (desc) {
		out[0] = DESC;
		out[1] = key;
		scsi_put16(out + 2, asc);
		return 8;
	}
	out[0] = FIXED;
	out[2] = key;
	out[7] = SCSI_SENSE_FIXED_LEN - 8; /* additional length */
	scsi_put16(out + 12, asc);
	return SCSI_SENSE_FIXED_LEN;
}

enum scsi_step scsi_status_only(struct scsi_task *task, uint8_t status)
{
	task->status = status;
	task->sense_len = 0;
	return SCSI_STEP_DONE;
}

enum scsi_step scsi_good(struct scsi_task *task)
{
	return scsi_status_only(task, SCSI_GOOD);
}

enum scsi_step scsi_check(const struct scsi_lu *lu, struct scsi_task *task,
			  uint8_t key, uint16_t asc)
{
	bool desc = lu && lu->mode.desc_sense;

	task->status = SCSI_CHECK_CONDITION;
	task->sense_len = (uint8_t)scsi_sense_put(task->sense, desc, key, asc);
	/* nothing of a command that failed is worth looking at */
	task->in_len = 0;
	task->out_used = 0;
	return SCSI_STEP_DONE;
}

enum scsi_step scsi_check_info(const struct scsi_lu *lu, struct scsi_task *task,
			       uint8_t key, uint16_t asc, uint64_t info)
{
	uint8_t *s = task->sense;

	scsi_check(lu, task, key, asc);
	if (s[0] == DESC) {
		s[7] = 12; /* additional sense length */
		scsi_fill(s + 8, 0, 12);
		s[8] = DESC_INFORMATION;
		s[9] = 10;
		s[10] = 0x80; /* VALID */
		scsi_put64(s + 12, info);
		task->sense_len = 20;
	} else if (info <= UINT32_MAX) {
		/* SPC-4 4.5.3: no VALID bit when it does not fit */
		s[0] |= 0x80;
		scsi_put32(s + 3, (uint32_t)info);
	}
	return SCSI_STEP_DONE;
}

enum scsi_step scsi_check_stream(const struct scsi_lu *lu,
				 struct scsi_task *task, uint8_t key,
				 uint16_t asc, uint8_t flags, int64_t info)
{
	uint32_t in_len = task->in_len;
	uint8_t *s = task->sense;

	if (lu->mode.desc_sense) {
		scsi_check_info(lu, task, key, asc, (uint64_t)info);
		s[7] += 4;
		s[20] = DESC_STREAM;
		s[21] = 2;
		s[22] = 0;
		s[23] = flags;
		task->sense_len = 24;
	} else if (info >= INT32_MIN && info <= INT32_MAX) {
		scsi_check_info(lu, task, key, asc, (uint32_t)info);
	} else {
		scsi_check(lu, task, key, asc);
	}
	if (!lu->mode.desc_sense)
		s[2] |= flags;
	task->in_len = in_len;
	return SCSI_STEP_DONE;
}

/* in_cdb: the C/D bit; SPC-4 table 32. */
static enum scsi_step bad_field(const struct scsi_lu *lu,
				struct scsi_task *task, bool in_cdb,
				uint32_t byte, int bit)
{
	uint8_t *s = task->sense;
	uint8_t *sks;

	scsi_illegal(lu, task,
		     in_cdb ? SCSI_ASC_CDB_FIELD : SCSI_ASC_LIST_FIELD);
	if (s[0] == DESC) {
		s[7] = 8;
		scsi_fill(s + 8, 0, 8);
		s[8] = DESC_KEY_SPECIFIC;
		s[9] = 6;
		sks = s + 12;
		task->sense_len = 16;
	} else {
		sks = s + 15;
	}
	sks[0] = (uint8_t)(0x80 | (in_cdb ? 0x40 : 0));
	if (bit >= 0)
		sks[0] |= (uint8_t)(0x08 | (bit & 7));
	scsi_put16(sks + 1, byte);
	return SCSI_STEP_DONE;
}

enum scsi_step scsi_bad_cdb(const struct scsi_lu *lu, struct scsi_task *task,
			    uint32_t byte, int bit)
{
	return bad_field(lu, task, true, byte, bit);
}

enum scsi_step scsi_bad_list(const struct scsi_lu *lu, struct scsi_task *task,
			     uint32_t byte, int bit)
{
	return bad_field(lu, task, false, byte, bit);
}

enum scsi_step scsi_illegal(const struct scsi_lu *lu, struct scsi_task *task,
			    uint16_t asc)
{
	return scsi_check(lu, task, SCSI_KEY_ILLEGAL_REQUEST, asc);
}

enum scsi_step scsi_storage_failed(const struct scsi_lu *lu,
				   struct scsi_task *task, int rc, bool write)
{
	switch (rc) {
	case XPV_ENOSPC:
		return scsi_check(lu, task, SCSI_KEY_DATA_PROTECT,
				  SCSI_ASC_SPACE_ALLOCATION);
	case XPV_EROFS:
		return scsi_check(lu, task, SCSI_KEY_DATA_PROTECT,
				  SCSI_ASC_WRITE_PROTECTED);
	case XPV_ECANCELED:
		scsi_check(lu, task, SCSI_KEY_NO_SENSE, SCSI_ASC_NONE);
		return scsi_status_only(task, SCSI_TASK_ABORTED);
	default:
		return scsi_check(lu, task, SCSI_KEY_MEDIUM_ERROR,
				  write ? SCSI_ASC_WRITE_ERROR
					: SCSI_ASC_READ_ERROR);
	}
}

enum scsi_step scsi_reply(struct scsi_task *task, const uint8_t *buf,
			  uint32_t len, uint32_t alloc_len)
{
	if (len > alloc_len)
		len = alloc_len;
	if (len > task->in_max)
		len = task->in_max;
	if (len)
		scsi_copy(task->data, buf, len);
	task->in_len = len;
	return scsi_good(task);
}
