/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking things up in the tables of operation codes. */
#include "scsi/cdb.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "scsi/sense.h"

/* SAM-5 5.2: NACA in the control byte; we offer no ACA (NORMACA 0). */
#define CONTROL_NACA 0x04

static bool op_present(const struct scsi_lu *lu, const struct scsi_op *op)
{
	if ((op->flags & SCSI_OP_ALONE) && lu->cfg.shared)
		return false;
	return !(op->flags & SCSI_OP_THIN) || lu->cfg.thin;
}

/* Row number i over both tables, NULL behind the last one. */
static const struct scsi_op *op_at(const struct scsi_lu *lu, uint32_t i)
{
	const struct scsi_lu_type *type = lu->cfg.type;

	if (i < type->op_count)
		return &type->ops[i];
	i -= type->op_count;
	return i < scsi_common_op_count ? &scsi_common_ops[i] : NULL;
}

/* sa: only looked at in rows that have one. */
static const struct scsi_op *op_find(const struct scsi_lu *lu, uint8_t opcode,
				     uint16_t sa, bool *known)
{
	const struct scsi_op *op;

	*known = false;
	for (uint32_t i = 0; (op = op_at(lu, i)) != NULL; i++) {
		if (op->opcode != opcode || !op_present(lu, op))
			continue;
		*known = true;
		if (!(op->flags & SCSI_OP_SA) || op->sa == sa)
			return op;
	}
	return NULL;
}

const struct scsi_op *scsi_cdb_find(const struct scsi_lu *lu,
				    const uint8_t *cdb, bool *known)
{
	return op_find(lu, cdb[0], cdb[1] & 0x1f, known);
}

int scsi_cdb_check(const struct scsi_op *op, const uint8_t *cdb,
		   uint32_t cdb_len)
{
	if (cdb_len < op->cdb_len)
		return SCSI_CDB_SHORT;
	for (uint32_t i = 1; i < op->cdb_len; i++) {
		uint8_t allowed = op->usage[i];
		uint8_t bad;

		if (i + 1u == op->cdb_len)
			allowed |= (uint8_t)~CONTROL_NACA;
		if (i == 1 && op->cdb_len == 6)
			allowed |= 0xe0;
		bad = (uint8_t)(cdb[i] & ~allowed);
		if (!bad)
			continue;
		for (int bit = 7; bit >= 0; bit--)
			if (bad & (1u << bit))
				return (int)(i * 8) + bit;
	}
	return -1;
}

/* Command timeouts descriptor, SPC-4 6.35.4; returns its length. */
static uint32_t put_timeouts(uint8_t *p, const struct scsi_op *op)
{
	scsi_fill(p, 0, 12);
	scsi_put16(p, 10);
	scsi_put32(p + 4, op->timeout_s);
	/* recommended: what the storage may take is not ours to know, so
	 * twice the nominal time and the half minute initiators start from */
	scsi_put32(p + 8, op->timeout_s * 2u + 30u);
	return 12;
}

/* All commands, SPC-4 6.35.2. */
static enum scsi_step report_all(struct scsi_lu *lu, struct scsi_task *task,
				 bool timeouts, uint32_t alloc_len)
{
	uint8_t *out = task->scratch;
	const struct scsi_op *op;
	uint32_t len = 4;

	for (uint32_t i = 0; (op = op_at(lu, i)) != NULL; i++) {
		uint8_t *p = out + len;

		if (!op_present(lu, op))
			continue;
		XPV_ASSERT(len + 20 <= task->scratch_len);
		scsi_fill(p, 0, 8);
		p[0] = op->opcode;
		if (op->flags & SCSI_OP_SA) {
			scsi_put16(p + 2, op->sa);
			p[5] |= 0x01; /* SERVACTV */
		}
		scsi_put16(p + 6, op->cdb_len);
		len += 8;
		if (timeouts) {
			p[5] |= 0x02; /* CTDP */
			len += put_timeouts(p + 8, op);
		}
	}
	scsi_put32(out, len - 4);
	return scsi_reply(task, out, len, alloc_len);
}

/* One command, SPC-4 6.35.3; op NULL: it is not supported. */
static enum scsi_step report_one(struct scsi_task *task,
				 const struct scsi_op *op, bool timeouts,
				 uint32_t alloc_len)
{
	uint8_t *out = task->scratch;
	uint32_t len;

	scsi_fill(out, 0, 4);
	if (!op) {
		out[1] = 0x01;
		return scsi_reply(task, out, 4, alloc_len);
	}
	out[1] = 0x03; /* supported in conformance with a standard */
	scsi_put16(out + 2, op->cdb_len);
	scsi_copy(out + 4, op->usage, op->cdb_len);
	/* the codes stand for themselves instead of a bit map */
	out[4] = op->opcode;
	if (op->flags & SCSI_OP_SA)
		out[5] = (uint8_t)((out[5] & 0xe0) | op->sa);
	len = 4u + op->cdb_len;
	if (timeouts) {
		out[1] |= 0x80; /* CTDP */
		len += put_timeouts(out + len, op);
	}
	return scsi_reply(task, out, len, alloc_len);
}

enum scsi_step scsi_cdb_report(struct scsi_lu *lu, struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	uint32_t alloc_len = scsi_get32(cdb + 6);
	uint16_t sa = scsi_get16(cdb + 4);
	bool timeouts = cdb[2] & 0x80; /* RCTD */
	const struct scsi_op *op;
	bool known, has_sa;

	if ((cdb[2] & 7) == 0)
		return report_all(lu, task, timeouts, alloc_len);
	if ((cdb[2] & 7) > 3)
		return scsi_bad_cdb(lu, task, 2, 2);
	op = op_find(lu, cdb[3], sa, &known);
	has_sa = known && (!op || (op->flags & SCSI_OP_SA));
	switch (cdb[2] & 7) {
	case 1: /* by operation code: wrong for those with service actions */
		if (has_sa)
			return scsi_bad_cdb(lu, task, 2, 2);
		break;
	case 2: /* by service action: wrong for those without */
		if (known && !has_sa)
			return scsi_bad_cdb(lu, task, 2, 2);
		break;
	default: /* 3: whichever it is */
		if (op && !has_sa && sa)
			op = NULL;
		break;
	}
	return report_one(task, op, timeouts, alloc_len);
}
