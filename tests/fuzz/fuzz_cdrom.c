/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any commands to a CD drive, whose media change: what is read is what the
 * medium holds, and nothing is asked of a storage that is not there.
 */
#include "scsi/lu_cdrom.h"
#include "tests/fuzz/fuzz_lu.h"

#define MEDIUM_MAX (LU_BYTES / SCSI_CDROM_BLOCK)

static const uint8_t *pick_cdb(struct fuzz_in *in, uint8_t *cdb, uint32_t *len)
{
	uint32_t n = scsi_cdrom.op_count + scsi_common_op_count;
	uint32_t i = fuzz_u8(in) % (n + 1);
	const struct scsi_op *op;

	fuzz_take(in, cdb, SCSI_CDB_MAX);
	*len = 16;
	if (i == n)
		return cdb; /* anything */
	op = i < scsi_cdrom.op_count
		     ? &scsi_cdrom.ops[i]
		     : &scsi_common_ops[i - scsi_cdrom.op_count];
	*len = op->cdb_len;
	/* addresses and lengths that are near what there is */
	for (uint32_t at = 1; at < op->cdb_len; at++) {
		cdb[at] &= op->usage[at];
		if (op->usage[at] == 0xff && at % 4 != 1)
			cdb[at] &= fuzz_u8(in);
	}
	cdb[0] = op->opcode;
	if (op->flags & SCSI_OP_SA)
		cdb[1] = (uint8_t)((cdb[1] & 0xe0) | op->sa);
	return cdb;
}

/* What a READ that is GOOD has brought. */
static void check_read(const struct fuzz_lu *f, const uint8_t *cdb)
{
	uint64_t lba = scsi_get32(cdb + 2);

	if (f->task.status != SCSI_GOOD || !f->task.in_len)
		return;
	if (cdb[0] != 0x28 && cdb[0] != 0xa8 && cdb[0] != 0xbe)
		return;
	FUZZ_CHECK(lba < f->lu.cfg.blocks);
	FUZZ_CHECK(!memcmp(f->task.data, f->bytes + lba * SCSI_CDROM_BLOCK,
			   f->task.in_len));
}

static void event(struct fuzz_lu *f, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);

	switch (what % 4) {
	case 0:
		if (!scsi_cdrom_of(&f->lu)->leaving)
			scsi_cdrom_leave(&f->lu);
		break;
	case 1:
		if (scsi_cdrom_of(&f->lu)->leaving)
			scsi_cdrom_insert(&f->lu, what / 4 % (MEDIUM_MAX + 1));
		break;
	case 2:
		scsi_cdrom_want_eject(&f->lu);
		break;
	default:
		scsi_lu_reset(&f->lu);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	struct scsi_cdrom cd = {0};
	struct scsi_lu_cfg cfg = {
		.type = &scsi_cdrom,
		.own = &cd,
		.blocks = MEDIUM_MAX,
		.block_size = SCSI_CDROM_BLOCK,
		.read_only = true,
		.no_write_cache = true,
		.resumed = true,
		.serial = "0123456789",
	};
	uint8_t cdb[SCSI_CDB_MAX], none[64] = {0};
	static uint8_t medium[LU_BYTES];
	static struct fuzz_lu f;
	uint32_t len, out_len;

	fuzz_lu_new(&f, &cfg);
	for (uint32_t i = 0; !medium[1] && i < LU_BYTES; i++)
		medium[i] = (uint8_t)(i * 7 + i / 2048);
	memcpy(f.bytes, medium, LU_BYTES);
	while (in.left) {
		uint8_t how = fuzz_u8(&in);

		if (how % 8 == 7) {
			event(&f, &in);
			continue;
		}
		memset(cdb, 0, sizeof(cdb));
		pick_cdb(&in, cdb, &len);
		out_len = how & 8 ? how / 16 * 4 : 0;
		fuzz_lu_run(&f, how % 2, cdb, len, none, out_len,
			    out_len ? 0 : fuzz_u16(&in));
		check_read(&f, cdb);
	}
	fuzz_lu_task_free(&f.task);
	fuzz_lu_free(&f);
	return 0;
}
