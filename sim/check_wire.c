/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A response says only what the protocol has words for, and every byte of it
 * that says nothing is zero.
 */
#include "sim/check.h"
#include "sim/controller.h"
#include "wire/scsi.h"

static bool zero(const void *p, size_t len)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i++)
		if (b[i])
			return false;
	return true;
}

static void bytes(struct controller *c, const struct wire_scsi_rsp *rsp)
{
	if (rsp->sense_len > WIRE_SCSI_SENSE)
		world_fail(c->w, "wire", "%u bytes of sense data",
			   rsp->sense_len);
	if (rsp->act ||
	    !zero(rsp->sense + rsp->sense_len,
		  WIRE_SCSI_SENSE - rsp->sense_len) ||
	    !zero(rsp->reserved, sizeof(rsp->reserved)))
		world_fail(c->w, "wire",
			   "response %u has bytes that are not zero",
			   rsp->rqid);
}

/* ABORT and RESET have answers of their own. */
static void of_tmf(struct controller *c, const struct wire_scsi_rsp *rsp)
{
	if (rsp->rslt != WIRE_SCSI_RESET_SUCCESS &&
	    rsp->rslt != WIRE_SCSI_RESET_FAILED)
		world_fail(c->w, "wire", "an ABORT or RESET ended with %x",
			   (unsigned)rsp->rslt);
	if (rsp->sense_len || rsp->residual_len)
		world_fail(c->w, "wire", "an ABORT or RESET has sense data");
}

static bool known_status(uint32_t status)
{
	return status == 0x00 || status == 0x02 || status == 0x04 ||
	       status == 0x08 || status == 0x18 || status == 0x28 ||
	       status == 0x40;
}

static void response(struct controller *c, const struct spied *req,
		     const struct wire_scsi_rsp *rsp)
{
	uint32_t host = (uint32_t)rsp->rslt >> 16;
	uint32_t status = (uint32_t)rsp->rslt & 0xffff;

	/* Who changes requests changes responses, too. */
	if (!req || c->spy.loose)
		return;
	bytes(c, rsp);
	if (req->req.act == WIRE_SCSI_ACT_ABORT ||
	    req->req.act == WIRE_SCSI_ACT_RESET) {
		of_tmf(c, rsp);
		return;
	}
	if (host > WIRE_SCSI_HOST_TRANSPORT_MARGINAL || !known_status(status) ||
	    (host && status))
		world_fail(c->w, "wire", "result %x is none",
			   (unsigned)rsp->rslt);
	if (rsp->residual_len > req->len && c->type->honest)
		world_fail(c->w, "wire", "residual %u of %u bytes",
			   rsp->residual_len, req->len);
	if (rsp->rslt == 0x02 && rsp->sense_len < 8)
		world_fail(c->w, "wire", "CHECK CONDITION with %u bytes",
			   rsp->sense_len);
	if (rsp->rslt != 0x02 && rsp->sense_len)
		world_fail(c->w, "wire", "sense data with result %x",
			   (unsigned)rsp->rslt);
}

const struct checker check_wire = {
	.name = "wire",
	.response = response,
};
