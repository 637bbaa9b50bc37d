/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/passthrough.h"

#include <errno.h>

#include "scsi/bytes.h"
#include "scsi/sense.h"

bool pass_can_carry(struct lun_cmd *cmd)
{
	struct scsi_task *t = &cmd->task;

	if (t->cdb_len < 6)
		scsi_illegal(NULL, t, SCSI_ASC_OPCODE);
	else if (t->out_len && t->in_max)
		scsi_illegal(NULL, t, SCSI_ASC_CDB_FIELD);
	else
		return true;
	cmd->host = WIRE_SCSI_HOST_OK;
	t->residual = t->in_max ? t->in_max : t->out_len;
	return false;
}

void pass_refused(struct lun_cmd *cmd, int error, bool too_long)
{
	struct scsi_task *t = &cmd->task;

	cmd->host = WIRE_SCSI_HOST_OK;
	t->in_len = 0;
	if (error == EINVAL || error == EMSGSIZE || error == E2BIG ||
	    (error == ENOMEM && too_long)) {
		scsi_illegal(NULL, t, SCSI_ASC_CDB_FIELD);
	} else if (error == EDOM || error == ENOMEM || error == EAGAIN ||
		   error == EBUSY) {
		scsi_status_only(t, SCSI_BUSY);
	} else if (error == ENODEV || error == ENXIO) {
		cmd->host = WIRE_SCSI_HOST_NO_CONNECT;
	} else {
		cmd->host = WIRE_SCSI_HOST_ERROR;
	}
	t->residual = t->out_len ? t->out_len : t->in_max;
}

bool pass_attention(struct lun_cmd *cmd)
{
	struct scsi_task *t = &cmd->task;

	if (t->cdb[0] == 0x03 || t->cdb[0] == 0x12 || t->cdb[0] == 0xa0)
		return false;
	cmd->host = WIRE_SCSI_HOST_OK;
	t->in_len = 0;
	scsi_check(NULL, t, SCSI_KEY_UNIT_ATTENTION, SCSI_ASC_POWER_ON);
	t->residual = t->out_len ? t->out_len : t->in_max;
	return true;
}

void pass_limit_transfers(struct lun_cmd *cmd, uint32_t block_size,
			  uint32_t max)
{
	struct scsi_task *t = &cmd->task;
	uint32_t blocks, at;

	if (!block_size || t->cdb[0] != 0x12 || !(t->cdb[1] & 1) ||
	    t->cdb[2] != 0xb0 || t->status != SCSI_GOOD || t->in_len < 12)
		return;
	blocks = max / block_size;
	/* MAXIMUM TRANSFER LENGTH, where 0 is no limit */
	if (scsi_get32(t->data + 8) == 0 || scsi_get32(t->data + 8) > blocks)
		scsi_put32(t->data + 8, blocks);
	/* OPTIMAL and MAXIMUM PREFETCH LENGTH, which are not more than that */
	for (at = 12; at <= 16 && at + 4 <= t->in_len; at += 4)
		if (scsi_get32(t->data + at) > blocks)
			scsi_put32(t->data + at, blocks);
}
