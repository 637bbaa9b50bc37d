/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any commands to a tape drive, with errors of its file, commands that are
 * cancelled, and bytes that change: nothing is asked of the file that is not
 * there, and all that is on the tape in the end is whole, unless bytes were changed.
 */
#include "scsi/cartridge.h"
#include "scsi/lu_tape.h"
#include "tests/fuzz/fuzz_lu.h"

#define FILE_MAX (128u << 10)

static uint8_t file[FILE_MAX];
static uint64_t size;

static const uint8_t *pick_cdb(struct fuzz_in *in, uint8_t *cdb, uint32_t *len)
{
	uint32_t n = scsi_tape.op_count + scsi_common_op_count;
	uint32_t i = fuzz_u8(in) % (n + 1);
	const struct scsi_op *op;

	fuzz_take(in, cdb, SCSI_CDB_MAX);
	*len = 16;
	if (i == n)
		return cdb; /* anything */
	op = i < scsi_tape.op_count ? &scsi_tape.ops[i]
				    : &scsi_common_ops[i - scsi_tape.op_count];
	*len = op->cdb_len;
	for (uint32_t at = 1; at < op->cdb_len; at++) {
		cdb[at] &= op->usage[at];
		/* short blocks and short ways */
		if (op->usage[at] == 0xff && at < 4 && fuzz_u8(in) % 8)
			cdb[at] = 0;
	}
	cdb[0] = op->opcode;
	if (op->flags & SCSI_OP_SA)
		cdb[1] = (uint8_t)((cdb[1] & 0xe0) | op->sa);
	return cdb;
}

static int do_io(struct scsi_task *t, int fail)
{
	struct scsi_io *io = &t->io;

	FUZZ_CHECK(io->op == SCSI_IO_READ || io->op == SCSI_IO_WRITE ||
		   io->op == SCSI_IO_FLUSH || io->op == SCSI_IO_CUT);
	if (fail)
		return fail;
	if (io->op == SCSI_IO_READ || io->op == SCSI_IO_WRITE) {
		FUZZ_CHECK(io->len);
		FUZZ_CHECK(fuzz_lu_inside(io, t->scratch, t->scratch_len) ||
			   fuzz_lu_inside(io, t->data,
					  io->op == SCSI_IO_READ ? t->in_max
								 : t->out_len));
	}
	if (io->op == SCSI_IO_CUT) {
		FUZZ_CHECK(io->offset >= CART_START);
		if (io->offset < size)
			size = io->offset;
	}
	if (io->op == SCSI_IO_WRITE) {
		if (io->offset > FILE_MAX || io->len > FILE_MAX - io->offset)
			return XPV_ENOSPC;
		if (io->offset > size)
			memset(file + size, 0, io->offset - size);
		memcpy(file + io->offset, io->buf, io->len);
		if (io->offset + io->len > size)
			size = io->offset + io->len;
	}
	if (io->op == SCSI_IO_READ) {
		if (io->offset > size || io->len > size - io->offset)
			return XPV_EIO;
		memcpy(io->buf, file + io->offset, io->len);
	}
	return 0;
}

static void run(struct fuzz_lu *f, struct fuzz_in *in, uint8_t how)
{
	static uint8_t data[64 << 10], scratch[SCSI_SCRATCH_MIN];
	struct scsi_task *t = &f->task;
	struct scsi_tape *tape = scsi_tape_of(&f->lu);
	enum scsi_step step;
	uint32_t len, n = 0;
	int fail_at = how & 0x40 ? how % 4 + 1 : 0;

	scsi_task_init(t);
	pick_cdb(in, t->cdb, &len);
	t->cdb_len = (uint8_t)len;
	t->data = data;
	t->scratch = scratch;
	t->scratch_len = sizeof(scratch);
	if (how & 1)
		t->out_len = fuzz_u16(in) & 0x1fff;
	else
		t->in_max = fuzz_u16(in);
	if (how & 1 && t->cdb[0] != 0x0a)
		fuzz_take(in, data, t->out_len < 64 ? t->out_len : 64);
	step = scsi_lu_start(&f->lu, t);
	while (step == SCSI_STEP_IO) {
		FUZZ_CHECK(++n < 100000);
		if (how & 0x80 && n == 2)
			scsi_task_cancel(t);
		step = scsi_lu_resume(
			&f->lu, t,
			do_io(t, (int)n == fail_at
					 ? (how & 2 ? XPV_ENOSPC : XPV_EIO)
					 : 0));
	}
	FUZZ_CHECK(step == SCSI_STEP_DONE);
	FUZZ_CHECK(t->in_len <= t->in_max && t->residual <= 65535);
	FUZZ_CHECK(!tape->present ||
		   (cart_place_ok(&tape->at) &&
		    tape->at.offset <= tape->cart.end.offset));
}

/* Every record up to the end is whole, as long as the file was not damaged. */
static void check_file(const struct scsi_tape *t)
{
	struct cart_place at = cart_start();
	struct cart_record r;

	FUZZ_CHECK(t->cart.end.offset <= size);
	while (at.offset < t->cart.end.offset) {
		FUZZ_CHECK(cart_head_get(&t->cart, &r, at.offset,
					 file + at.offset));
		FUZZ_CHECK(cart_follows(&r, &at));
		at = cart_behind(&r);
	}
	FUZZ_CHECK(at.offset == t->cart.end.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_in in = {bytes, len};
	struct scsi_tape tape = {0};
	struct scsi_lu_cfg cfg = {
		.type = &scsi_tape, .own = &tape, .resumed = true};
	static struct fuzz_lu f;
	uint8_t mode = fuzz_u8(&in);
	bool damaged = mode & 1;
	struct cart c = {.id = 77, .capacity = 64u << 10, .barcode = "A"};

	memset(&f, 0, sizeof(f));
	FUZZ_CHECK(scsi_lu_init(&f.lu, &cfg) == 0);
	size = CART_START;
	memset(file, 0, size);
	c.flags = (mode >> 1) & CART_FLAGS;
	c.saved = c.end = cart_start();
	scsi_tape_insert(&f.lu, &c);
	scsi_lu_attention_take(&f.lu, 0);
	while (in.left) {
		uint8_t how = fuzz_u8(&in);

		if (damaged && how % 16 == 15 && size > CART_START) {
			file[CART_START +
			     fuzz_u16(&in) % (size - CART_START)] ^=
				fuzz_u8(&in);
			continue;
		}
		if (how % 32 == 14)
			scsi_lu_reset(&f.lu);
		run(&f, &in, how);
	}
	if (!damaged)
		check_file(&tape);
	return 0;
}
