/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/target.h"

#include <string.h>

#include "conform/clause.h"

#define BLOCKS (RAW_DISK_BYTES / 512)

void target_sense(struct wire_scsi_rsp *rsp, uint8_t key, uint16_t asc)
{
	rsp->rslt = 2;
	rsp->sense_len = 18;
	rsp->sense[0] = 0x70;
	rsp->sense[2] = key;
	rsp->sense[7] = 10;
	rsp->sense[12] = (uint8_t)(asc >> 8);
	rsp->sense[13] = (uint8_t)asc;
}

static uint32_t be(const uint8_t *p, uint32_t n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void put_be(uint8_t *p, uint32_t n, uint32_t v)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

bool target_range(const struct wire_scsi_req *req, uint64_t *block,
		  uint32_t *blocks)
{
	const uint8_t *c = req->cmnd;

	switch (c[0]) {
	case 0x08:
	case 0x0a:
		*block = be(c + 1, 3) & 0x1fffff;
		*blocks = c[4] ? c[4] : 256;
		return true;
	case 0x28:
	case 0x2a:
		*block = be(c + 2, 4);
		*blocks = be(c + 7, 2);
		return true;
	case 0x88:
	case 0x8a:
		*block = (uint64_t)be(c + 2, 4) << 32 | be(c + 6, 4);
		*blocks = be(c + 10, 4);
		return true;
	default:
		return false;
	}
}

bool target_is_read(const struct wire_scsi_req *req)
{
	return req->act == WIRE_SCSI_ACT_CDB &&
	       (req->cmnd[0] == 0x08 || req->cmnd[0] == 0x28 ||
		req->cmnd[0] == 0x88);
}

/* What a command returns: bytes in the buffer; -1: none of ours. */
static int32_t inquiry(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	uint8_t *out = k->buffer;

	memset(out, 0, 96);
	if (req->cmnd[1] & 1) {
		/* only the list of pages, and the list has this one */
		out[1] = req->cmnd[2];
		out[3] = 1;
		return req->cmnd[2] == 0 ? 5 : -1;
	}
	out[2] = 5;
	out[3] = 2;
	out[4] = 31;
	out[7] = 2; /* queueing */
	memcpy(out + 8, "XENPV   CONFORM         0001", 28);
	return 36;
}

static int32_t capacity_10(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	(void)req;
	put_be(k->buffer, 4, BLOCKS - 1);
	put_be(k->buffer + 4, 4, 512);
	return 8;
}

static int32_t capacity_16(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	if ((req->cmnd[1] & 0x1f) != 0x10)
		return -1;
	memset(k->buffer, 0, 32);
	put_be(k->buffer + 4, 4, BLOCKS - 1);
	put_be(k->buffer + 8, 4, 512);
	return 32;
}

static int32_t mode_sense_6(struct raw_vscsi *k,
			    const struct wire_scsi_req *req)
{
	(void)req;
	memset(k->buffer, 0, 4);
	k->buffer[0] = 3;
	return 4;
}

static int32_t mode_sense_10(struct raw_vscsi *k,
			     const struct wire_scsi_req *req)
{
	(void)req;
	memset(k->buffer, 0, 8);
	k->buffer[1] = 6;
	return 8;
}

static int32_t report_luns(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	(void)req;
	memset(k->buffer, 0, 24);
	k->buffer[3] = 8 * RAW_LUNS;
	k->buffer[17] = 1;
	return 8 + 8 * RAW_LUNS;
}

static int32_t nothing(struct raw_vscsi *k, const struct wire_scsi_req *req)
{
	(void)k, (void)req;
	return 0;
}

static const struct {
	uint8_t opcode;
	int32_t (*run)(struct raw_vscsi *k, const struct wire_scsi_req *req);
} opcodes[] = {
	{0x00, nothing},       {0x12, inquiry},	    {0x1a, mode_sense_6},
	{0x1b, nothing},       {0x25, capacity_10}, {0x35, nothing},
	{0x91, nothing},       {0x9e, capacity_16}, {0xa0, report_luns},
	{0x5a, mode_sense_10}, {0x1e, nothing},
};

static void transfer(struct raw_vscsi *k, const struct raw_req *r,
		     uint8_t *disk, uint64_t block, uint32_t blocks,
		     struct wire_scsi_rsp *rsp)
{
	uint32_t len = blocks * 512;
	bool good, rd = target_is_read(&r->req);

	if (block > BLOCKS || blocks > BLOCKS - block) {
		target_sense(rsp, 5, 0x2100);
		return;
	}
	if (len > r->bytes)
		len = r->bytes;
	if (len > RAW_BUFFER)
		len = RAW_BUFFER;
	if (rd)
		memcpy(k->buffer, disk + block * 512, len);
	good = raw_copy(k, r, len, rd);
	if (good && !rd)
		memcpy(disk + block * 512, k->buffer, len);
	if (!good)
		rsp->rslt = WIRE_SCSI_HOST_ERROR << 16;
	rsp->residual_len = r->bytes - len;
}

void target_execute(struct raw_vscsi *k, const struct raw_req *r,
		    struct wire_scsi_rsp *rsp)
{
	const struct wire_scsi_req *req = &r->req;
	uint32_t blocks, len;
	uint64_t block;
	int32_t n = -1;
	size_t i;

	if (req->channel || req->id || req->lun >= RAW_LUNS) {
		rsp->rslt = WIRE_SCSI_HOST_NO_CONNECT << 16;
		return;
	}
	if (target_range(req, &block, &blocks)) {
		transfer(k, r, k->disk[req->lun], block, blocks, rsp);
		return;
	}
	for (i = 0; i < XPV_ARRAY_SIZE(opcodes); i++)
		if (opcodes[i].opcode == req->cmnd[0])
			n = opcodes[i].run(k, req);
	rsp->residual_len = r->bytes;
	if (n < 0) {
		target_sense(rsp, 5,
			     i < XPV_ARRAY_SIZE(opcodes) ? 0x2400 : 0x2000);
		return;
	}
	len = (uint32_t)n < r->bytes ? (uint32_t)n : r->bytes;
	if (len && !raw_copy(k, r, len, true))
		rsp->rslt = WIRE_SCSI_HOST_ERROR << 16;
	rsp->residual_len = r->bytes - len;
}
