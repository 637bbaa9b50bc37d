/* SPDX-License-Identifier: BSD-2-Clause */
/* What a SCSI target answers when no logical unit can. */
#include "scsi/target.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "scsi/sense.h"

#define INQUIRY	      0x12
#define REQUEST_SENSE 0x03
#define REPORT_LUNS   0xa0

/* Appends len bytes at position at of the whole answer, as far as it fits. */
static void put(struct scsi_task *task, uint32_t room, uint32_t at,
		const uint8_t *bytes, uint32_t len)
{
	if (at >= room)
		return;
	if (len > room - at)
		len = room - at;
	scsi_copy(task->data + at, bytes, len);
	task->in_len = at + len;
}

static void finish(struct scsi_task *task)
{
	task->residual =
		task->out_len ? task->out_len : task->in_max - task->in_len;
}

bool scsi_target_wants(const struct scsi_task *task)
{
	return task->cdb_len >= 12 && task->cdb[0] == REPORT_LUNS;
}

void scsi_target_report_luns(struct scsi_task *task, const uint16_t *luns,
			     uint32_t count)
{
	uint32_t alloc_len = scsi_get32(task->cdb + 6);
	uint32_t room = alloc_len < task->in_max ? alloc_len : task->in_max;
	uint8_t entry[8] = {0};

	if (task->cdb[2] > 0x02) {
		scsi_bad_cdb(NULL, task, 2, 7);
		finish(task);
		return;
	}
	if (alloc_len < 16) {
		scsi_bad_cdb(NULL, task, 6, 7);
		finish(task);
		return;
	}
	if (task->cdb[2] == 0x01) /* only well known units: there is none */
		count = 0;
	scsi_put32(entry, count * 8);
	put(task, room, 0, entry, 8);
	for (uint32_t i = 0; i < count; i++) {
		XPV_ASSERT(luns[i] < 0x4000);
		scsi_fill(entry, 0, 8);
		scsi_put16(entry, luns[i] < 256 ? luns[i] : luns[i] | 0x4000u);
		put(task, room, 8 + i * 8, entry, 8);
	}
	scsi_good(task);
	finish(task);
}

void scsi_target_absent(struct scsi_task *task)
{
	uint8_t answer[36] = {0};
	uint32_t len;

	if (task->cdb_len >= 6 && task->cdb[0] == INQUIRY) {
		if (task->cdb[1] & 0x01 || task->cdb[2]) {
			scsi_bad_cdb(NULL, task, task->cdb[1] & 0x01 ? 1 : 2,
				     0);
			finish(task);
			return;
		}
		/* qualifier 3, type 1Fh: no unit can be here */
		answer[0] = 0x7f;
		answer[2] = 0x06;
		answer[3] = 0x12;
		answer[4] = 36 - 5;
		scsi_text(answer + 8, "XENPV", 8);
		scsi_text(answer + 16, "", 16);
		scsi_text(answer + 32, "0001", 4);
		scsi_reply(task, answer, 36, scsi_get16(task->cdb + 3));
	} else if (task->cdb_len >= 6 && task->cdb[0] == REQUEST_SENSE) {
		len = scsi_sense_put(answer, task->cdb[1] & 0x01,
				     SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_NO_LUN);
		scsi_reply(task, answer, len, task->cdb[4]);
	} else {
		scsi_illegal(NULL, task, SCSI_ASC_NO_LUN);
	}
	finish(task);
}
