/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/sg_cmd.h"

#include <string.h>

/* PERIPHERAL DEVICE TYPE, SPC-4 table 140. */
enum {
	TYPE_DISK = 0x00,
	TYPE_TAPE = 0x01,
	TYPE_CDROM = 0x05,
	TYPE_CHANGER = 0x08,
	TYPE_N = 0x20,
};

/* In the kernel's headers, but not in the C library's. */
#define FLAG_Q_AT_TAIL 0x10

#define SECONDS(n) ((n)*1000u)
#define MINUTES(n) SECONDS(60u * (n))
#define HOURS(n)   MINUTES(60u * (n))

#define ANY   UINT32_MAX
#define ON(t) (UINT32_C(1) << (t))
#define MEDIA (ON(TYPE_TAPE) | ON(TYPE_CHANGER))

/* What takes longer than usual, by device type; the first that fits counts. */
static const struct {
	uint8_t opcode;
	uint32_t types; /* bit per type */
	uint32_t ms;
} slow[] = {
	/* the whole medium */
	{0x04, ANY, HOURS(24)},		  /* FORMAT UNIT, FORMAT MEDIUM */
	{0x48, ANY, HOURS(24)},		  /* SANITIZE */
	{0x1d, ANY, HOURS(24)},		  /* SEND DIAGNOSTIC: self-test */
	{0x3b, ANY, HOURS(4)},		  /* WRITE BUFFER: new firmware */
	{0xa1, ON(TYPE_CDROM), HOURS(4)}, /* BLANK */
	{0x5b, ON(TYPE_CDROM), HOURS(4)}, /* CLOSE TRACK */
	{0x19, ON(TYPE_TAPE), HOURS(24)}, /* ERASE(6) */
	{0x93, ON(TYPE_TAPE), HOURS(24)}, /* ERASE(16) */
	{0x13, ON(TYPE_TAPE), HOURS(24)}, /* VERIFY(6) */
	{0x8f, ON(TYPE_TAPE), HOURS(24)}, /* VERIFY(16) */
	/* along a tape, or a library's arm */
	{0x01, ANY, HOURS(4)},		    /* REWIND */
	{0x07, ANY, HOURS(4)},		    /* INITIALIZE ELEMENT STATUS */
	{0x37, ON(TYPE_CHANGER), HOURS(4)}, /* the same, a range */
	{0xe7, ON(TYPE_CHANGER), HOURS(4)}, /* the same of some vendors */
	{0x10, ON(TYPE_TAPE), HOURS(4)},    /* WRITE FILEMARKS(6) */
	{0x80, ON(TYPE_TAPE), HOURS(4)},    /* WRITE FILEMARKS(16) */
	{0x11, ON(TYPE_TAPE), HOURS(4)},    /* SPACE(6) */
	{0x91, ON(TYPE_TAPE), HOURS(4)},    /* SPACE(16) */
	{0x2b, ANY, HOURS(4)},		 /* LOCATE(10), POSITION TO ELEMENT */
	{0x92, ON(TYPE_TAPE), HOURS(4)}, /* LOCATE(16) */
	{0x1b, MEDIA, HOURS(4)},	 /* LOAD UNLOAD */
	{0xa5, ON(TYPE_CHANGER), HOURS(4)}, /* MOVE MEDIUM */
	{0xa6, ON(TYPE_CHANGER), HOURS(4)}, /* EXCHANGE MEDIUM */
	{0xb8, ON(TYPE_CHANGER), HOURS(4)}, /* READ ELEMENT STATUS */
	/* caches to be emptied, motors to be started, ranges to be written */
	{0x1b, ANY, MINUTES(30)},	    /* START STOP UNIT */
	{0x35, ANY, MINUTES(30)},	    /* SYNCHRONIZE CACHE(10) */
	{0x91, ANY, MINUTES(30)},	    /* SYNCHRONIZE CACHE(16) */
	{0x41, ANY, MINUTES(30)},	    /* WRITE SAME(10) */
	{0x93, ANY, MINUTES(30)},	    /* WRITE SAME(16) */
	{0x42, ON(TYPE_DISK), MINUTES(30)}, /* UNMAP */
	{0x2f, ANY, MINUTES(30)},	    /* VERIFY(10) */
	{0x8f, ANY, MINUTES(30)},	    /* VERIFY(16) */
	{0x83, ANY, MINUTES(30)},	    /* EXTENDED COPY */
	{0x5e, ANY, MINUTES(5)},	    /* PERSISTENT RESERVE IN */
	{0x5f, ANY, MINUTES(5)},	    /* PERSISTENT RESERVE OUT */
	/* what asks, not moves */
	{0x00, ANY, MINUTES(5)}, /* TEST UNIT READY */
	{0x03, ANY, MINUTES(5)}, /* REQUEST SENSE */
	{0x12, ANY, MINUTES(5)}, /* INQUIRY */
	{0x1a, ANY, MINUTES(5)}, /* MODE SENSE(6) */
	{0x5a, ANY, MINUTES(5)}, /* MODE SENSE(10) */
	{0x4d, ANY, MINUTES(5)}, /* LOG SENSE */
};

uint32_t sg_timeout_ms(uint8_t type, uint8_t opcode)
{
	uint32_t bit = ON(type & (TYPE_N - 1));
	size_t i;

	for (i = 0; i < XPV_ARRAY_SIZE(slow); i++)
		if (slow[i].opcode == opcode && (slow[i].types & bit))
			return slow[i].ms;
	/* A tape may search for a good place for a quarter of an hour; what is
	 * the vendor's own is known to him alone. */
	if ((bit & MEDIA) || opcode >= 0xc0)
		return MINUTES(60);
	return MINUTES(5);
}

void sg_cmd_prepare(struct sg_io_hdr *hdr, const struct lun_cmd *cmd,
		    uint8_t type, uint8_t *buf, uint8_t *sense)
{
	const struct scsi_task *t = &cmd->task;

	memset(hdr, 0, sizeof(*hdr));
	hdr->interface_id = 'S';
	hdr->cmd_len = t->cdb_len;
	hdr->cmdp = (unsigned char *)t->cdb;
	hdr->mx_sb_len = SCSI_SENSE_MAX;
	hdr->sbp = sense;
	hdr->timeout = sg_timeout_ms(type, t->cdb[0]);
	/* Behind those that were given before: order is all for a tape. */
	hdr->flags = FLAG_Q_AT_TAIL;
	hdr->dxfer_direction = SG_DXFER_NONE;
	if (t->out_len) {
		hdr->dxfer_direction = SG_DXFER_TO_DEV;
		hdr->dxferp = t->data;
		hdr->dxfer_len = t->out_len;
	} else if (t->in_max) {
		/* TO_FROM_DEV, which fills the kernel's buffer from ours
		 * before, fails on Linux 6.1 with ENOMEM. So all hangs on the
		 * residual: see sg_cmd_answer(). */
		hdr->dxfer_direction = SG_DXFER_FROM_DEV;
		hdr->dxferp = buf;
		hdr->dxfer_len = t->in_max;
	}
}

void sg_cmd_answer(struct lun_cmd *cmd, const struct sg_io_hdr *hdr,
		   const uint8_t *sense, uint8_t *buf)
{
	struct scsi_task *t = &cmd->task;
	uint32_t len = t->out_len ? t->out_len : t->in_max;
	uint32_t left = hdr->resid > 0 ? (uint32_t)hdr->resid : 0;

	if (left > len)
		left = len;
	cmd->host = WIRE_SCSI_HOST_OK;
	if (hdr->host_status)
		cmd->host =
			hdr->host_status <= WIRE_SCSI_HOST_TRANSPORT_MARGINAL
				? (uint8_t)hdr->host_status
				: (uint8_t)WIRE_SCSI_HOST_ERROR;
	t->status = hdr->status;
	t->sense_len = hdr->sb_len_wr <= SCSI_SENSE_MAX ? hdr->sb_len_wr
							: SCSI_SENSE_MAX;
	memcpy(t->sense, sense, t->sense_len);
	t->residual = left;
	/* Data that came with an error counts, too: short blocks of a tape.
	 * Nothing behind the residual is told: it was in the kernel before. */
	if (!t->out_len) {
		t->data = buf;
		t->in_len = len - left;
	}
}
