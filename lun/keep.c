/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/keep.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/log.h"
#include "scsi/bytes.h"

_Static_assert(SCSI_KEEP_MAX <= STATE_MAX, "a slot holds it");

/* The one nexus that a LUN has, with the unit attentions not answered yet. */
#define NEXUS 0

/* The unit attention that CMD was ended with, or 0. */
static uint16_t told(const struct lun_cmd *cmd)
{
	const struct scsi_task *t = &cmd->task;
	bool desc = (t->sense[0] & 0x7f) >= 0x72;

	if (t->status != SCSI_CHECK_CONDITION || t->sense_len < 14 - desc * 6)
		return 0;
	if ((t->sense[desc ? 1 : 2] & 0x0f) != 0x06)
		return 0;
	return scsi_get16(t->sense + (desc ? 2 : 12));
}

/* Commands that cannot have changed anything are the many. */
static bool plain(const struct scsi_task *t)
{
	return t->op && t->status == SCSI_GOOD &&
	       (t->op->access == SCSI_ACCESS_READ ||
		t->op->access == SCSI_ACCESS_WRITE);
}

void keep_state(struct keep *k, const struct scsi_lu *lu)
{
	static _Thread_local struct scsi_lu with;
	uint8_t image[SCSI_KEEP_MAX];
	uint32_t i, len;
	int rc;

	if (k->file.fd < 0)
		return;
	if (k->told) {
		with = *lu;
		for (i = 0; i < k->told; i++)
			scsi_lu_attention_code(&with, NEXUS, k->code[i]);
		lu = &with;
	}
	len = scsi_lu_keep(lu, image);
	if (len == k->len && memcmp(image, k->image, len) == 0)
		return;
	rc = state_save(&k->file, image, len, false);
	if (rc < 0) {
		log_line(LOG_ERR, NULL, "the state of a LUN cannot be kept: %s",
			 strerror(-rc));
		return;
	}
	memcpy(k->image, image, len);
	k->len = len;
}

int keep_open(struct keep *k, int fd, struct scsi_lu *lu, bool resumed)
{
	uint8_t image[SCSI_KEEP_MAX];
	int len = 0;

	memset(k, 0, sizeof(*k));
	k->file.fd = -1;
	if (fd < 0)
		return 0;
	if (resumed)
		len = state_load(&k->file, fd, image, sizeof(image));
	else if (ftruncate(fd, 0) < 0) /* of another one */
		len = -errno;
	if (len < 0)
		return len;
	if (len > 0 && scsi_lu_take_over(lu, image, (uint32_t)len) < 0)
		return -EBADMSG;
	k->file.fd = fd;
	keep_state(k, lu);
	return 0;
}

void keep_close(struct keep *k)
{
	if (k->file.fd >= 0)
		close(k->file.fd);
	k->file.fd = -1;
}

bool keep_ended(struct keep *k, const struct scsi_lu *lu,
		const struct lun_cmd *cmd)
{
	uint16_t code;

	if (k->file.fd < 0 || plain(&cmd->task))
		return false;
	code = told(cmd);
	if (code && k->told < XPV_ARRAY_SIZE(k->code))
		k->code[k->told++] = code;
	keep_state(k, lu);
	return code != 0;
}

void keep_answered(struct keep *k, const struct scsi_lu *lu,
		   const struct lun_cmd *cmd)
{
	uint16_t code = told(cmd);
	uint32_t i;

	for (i = 0; i < k->told && k->code[i] != code; i++)
		;
	if (i == k->told)
		return;
	k->told--;
	memmove(&k->code[i], &k->code[i + 1],
		(k->told - i) * sizeof(k->code[0]));
	keep_state(k, lu);
}
