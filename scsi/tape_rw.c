/* SPDX-License-Identifier: BSD-2-Clause */
/* READ, WRITE, WRITE FILEMARKS, ERASE of a tape (SSC-4 5). */
#include "scsi/tape_rw.h"

#include "scsi/bytes.h"
#include "scsi/crc32c.h"
#include "scsi/sense.h"

/* Byte 1 */
#define FIXED 0x01
#define SILI  0x02
#define IMMED 0x01 /* of WRITE FILEMARKS */
#define WSMK  0x02

/* Bytes behind the checkpoint at which a WRITE syncs: so many have to be read
 * when the cartridge is loaded after a crash, and everybody waits. */
#define CHECKPOINT_MAX (64u << 20)

/* How many records, of how many bytes, the command is about. */
static enum scsi_step transfer(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	uint32_t n = scsi_get24(task->cdb + 2);

	t->fixed = task->cdb[1] & FIXED;
	if (t->fixed && !lu->mode.block_size)
		return scsi_bad_cdb(lu, task, 1, 0);
	t->each = t->fixed ? lu->mode.block_size : n;
	t->todo = t->fixed ? n : n > 0;
	if (t->each > CART_BLOCK_MAX)
		return scsi_bad_cdb(lu, task, 2, 7);
	return SCSI_STEP_IO;
}

/* INFORMATION: what of the command was not done. */
static int64_t left(const struct scsi_tape *t)
{
	return t->fixed ? (int64_t)t->todo : (int64_t)t->each;
}

static enum scsi_step ask(struct scsi_task *task, enum scsi_io_op op,
			  uint64_t offset, uint8_t *buf, uint64_t len)
{
	task->io = (struct scsi_io){
		.op = op, .offset = offset, .buf = buf, .len = len};
	return SCSI_STEP_IO;
}

/* ---- reading ---- */

enum scsi_step tape_read_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	enum scsi_step step = transfer(lu, task);

	if (step != SCSI_STEP_DONE && (task->cdb[1] & FIXED) &&
	    (task->cdb[1] & SILI))
		return scsi_bad_cdb(lu, task, 1, 1);
	return step;
}

/* What is not as it was written. */
static enum scsi_step damaged(struct scsi_lu *lu, struct scsi_task *task)
{
	return scsi_check_stream(lu, task, SCSI_KEY_MEDIUM_ERROR,
				 SCSI_ASC_READ_ERROR, 0,
				 left(scsi_tape_of(lu)));
}

/* Bytes of the block that the initiator has asked for, and has room for. */
static uint32_t wanted(const struct scsi_tape *t, const struct scsi_task *task)
{
	uint32_t n = t->record.len < t->each ? t->record.len : t->each;
	uint32_t room = task->in_max - t->done;

	return n < room ? n : room;
}

/* The block was read, COPY bytes of it: go on, or end (DONE). */
static enum scsi_step block_read(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	int64_t diff = (int64_t)t->each - t->record.len;
	bool sili = task->cdb[1] & SILI;

	t->at = cart_behind(&t->record);
	t->done += t->copy;
	t->bytes_read += t->copy;
	task->in_len = t->done;
	/* SSC-4 5.5: SILI is for blocks that are shorter, and for longer ones
	 * where the block length is variable */
	if (diff && !(sili && (diff > 0 || !lu->mode.block_size)))
		return scsi_check_stream(lu, task, SCSI_KEY_NO_SENSE,
					 SCSI_ASC_NONE, SCSI_STREAM_ILI, diff);
	t->todo--;
	return SCSI_STEP_IO;
}

/* The next record's header is at HEAD, ROOM bytes of the file with it. */
static enum scsi_step record_read(struct scsi_lu *lu, struct scsi_task *task,
				  const uint8_t *head, uint32_t room)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	struct cart_record *r = &t->record;

	if (!cart_head_get(&t->cart, r, t->at.offset, head) ||
	    !cart_follows(r, &t->at) ||
	    cart_behind(r).offset > t->cart.end.offset)
		return damaged(lu, task);
	if (r->type == CART_MARK) {
		t->at = cart_behind(r);
		return scsi_check_stream(lu, task, SCSI_KEY_NO_SENSE,
					 SCSI_ASC_FILEMARK, SCSI_STREAM_MARK,
					 left(t));
	}
	if (t->fixed && r->len != t->each) {
		t->at = cart_behind(r);
		return scsi_check_stream(lu, task, SCSI_KEY_NO_SENSE,
					 SCSI_ASC_NONE, SCSI_STREAM_ILI,
					 left(t));
	}
	t->copy = wanted(t, task);
	if (room - CART_HEAD >= r->len) {
		if (scsi_crc32c(0, head + CART_HEAD, r->len) != r->crc)
			return damaged(lu, task);
		if (t->copy)
			scsi_copy(task->data + t->done, head + CART_HEAD,
				  t->copy);
		return block_read(lu, task);
	}
	if (!t->copy)
		return block_read(lu, task);
	t->asked = true;
	return ask(task, SCSI_IO_READ, r->at.offset + CART_HEAD,
		   task->data + t->done, t->copy);
}

/* Read the next header; with it blocks that are short. */
static enum scsi_step ask_record(struct scsi_tape *t, struct scsi_task *task)
{
	uint64_t want = CART_HEAD + (uint64_t)t->each;
	uint64_t max = t->cart.end.offset - t->at.offset;

	want = want > SCSI_SCRATCH_MIN ? CART_HEAD : want * t->todo;
	if (want > SCSI_SCRATCH_MIN)
		want = SCSI_SCRATCH_MIN;
	if (want > max)
		want = max;
	t->buf_at = t->at.offset;
	t->buf_len = (uint32_t)want;
	return ask(task, SCSI_IO_READ, t->buf_at, task->scratch, want);
}

enum scsi_step tape_read_go(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	enum scsi_step step;
	uint64_t in;

	if (t->asked) { /* a long block was read to where it belongs */
		t->asked = false;
		if (t->copy == t->record.len &&
		    scsi_crc32c(0, task->data + t->done, t->copy) !=
			    t->record.crc)
			return damaged(lu, task);
		if (block_read(lu, task) == SCSI_STEP_DONE)
			return SCSI_STEP_DONE;
	}
	while (t->todo) {
		if (t->at.offset >= t->cart.end.offset)
			return scsi_check_stream(lu, task, SCSI_KEY_BLANK_CHECK,
						 SCSI_ASC_END_OF_DATA, 0,
						 left(t));
		in = t->at.offset - t->buf_at;
		if (t->at.offset < t->buf_at || in + CART_HEAD > t->buf_len ||
		    (t->each + CART_HEAD <= SCSI_SCRATCH_MIN && in > 0 &&
		     in + CART_HEAD + t->each > t->buf_len))
			return ask_record(t, task);
		step = record_read(lu, task, task->scratch + in,
				   t->buf_len - (uint32_t)in);
		if (step == SCSI_STEP_DONE || t->asked)
			return step;
	}
	return scsi_good(task);
}

/* ---- writing ---- */

/* May it be written where the tape stands? */
static bool may_write(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_tape *t = scsi_tape_of(lu);
	uint16_t asc = scsi_lu_write_protected(lu);

	if (!asc && (t->cart.flags & CART_WORM) &&
	    t->at.offset != t->cart.end.offset)
		asc = SCSI_ASC_WORM_OVERWRITE;
	if (asc)
		scsi_check(lu, task, SCSI_KEY_DATA_PROTECT, asc);
	return !asc;
}

enum scsi_step tape_write_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (transfer(lu, task) == SCSI_STEP_DONE || !may_write(lu, task))
		return SCSI_STEP_DONE;
	if (t->todo * t->each > task->out_len)
		return scsi_illegal(lu, task, SCSI_ASC_SHORT_DATA_OUT);
	if (!t->todo)
		t->need = TAPE_NEED_NOTHING;
	return SCSI_STEP_IO;
}

enum scsi_step tape_write_failed(struct scsi_lu *lu, struct scsi_task *task,
				 int rc)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (rc == XPV_ECANCELED)
		return scsi_storage_failed(lu, task, rc, true);
	/* no room on the host is the end of the tape, as well */
	if (rc == XPV_ENOSPC)
		scsi_check_stream(lu, task, SCSI_KEY_VOLUME_OVERFLOW,
				  SCSI_ASC_END_OF_MEDIUM, SCSI_STREAM_EOM,
				  left(t));
	else
		scsi_check_stream(lu, task, SCSI_KEY_MEDIUM_ERROR,
				  SCSI_ASC_WRITE_ERROR, 0, left(t));
	task->out_used = t->done;
	return SCSI_STEP_DONE;
}

/* All is written: sync if it has to be, and warn if the end is near. */
static enum scsi_step written(struct scsi_lu *lu, struct scsi_task *task,
			      bool sync)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (t->cart.end.offset - t->cart.saved.offset > CHECKPOINT_MAX)
		sync = true;
	if (sync && t->unsynced && t->need != TAPE_NEED_SYNC) {
		t->need = TAPE_NEED_SYNC;
		t->pre = TAPE_PRE_NONE;
		return SCSI_STEP_IO;
	}
	scsi_good(task);
	if (cart_left(&t->cart) < scsi_tape_warning(&t->cart))
		scsi_check_stream(lu, task, SCSI_KEY_NO_SENSE,
				  SCSI_ASC_END_OF_MEDIUM, SCSI_STREAM_EOM, 0);
	task->out_used = t->done;
	return SCSI_STEP_DONE;
}

/* The records of the batch are there. */
static void batch_written(struct scsi_tape *t)
{
	struct cart_record r = {.type = t->each ? CART_BLOCK : CART_MARK,
				.len = t->each};

	for (; t->batch; t->batch--) {
		r.at = t->cart.end;
		t->cart.end = cart_behind(&r);
		t->done += t->each;
		t->bytes_written += t->each;
		t->todo--;
	}
	t->at = t->cart.end;
	t->unsynced = true;
	t->stale = false;
}

/* Records of EACH bytes of the task's data, as many as there is room for, into
 * the scratch space. */
static enum scsi_step ask_batch(struct scsi_tape *t, struct scsi_task *task)
{
	uint32_t size = CART_HEAD + t->each;
	uint64_t n = SCSI_SCRATCH_MIN / size, room = cart_left(&t->cart) / size;
	struct cart_record r = {.type = t->each ? CART_BLOCK : CART_MARK,
				.len = t->each,
				.at = t->cart.end};
	uint8_t *p = task->scratch;
	const uint8_t *data = task->data;

	if (n > t->todo)
		n = t->todo;
	if (n > room)
		n = room;
	for (t->batch = 0; t->batch < n; t->batch++) {
		if (t->each) {
			data = task->data + t->done + t->batch * t->each;
			scsi_copy(p + CART_HEAD, data, t->each);
			r.crc = scsi_crc32c(0, data, t->each);
		}
		cart_head_put(&t->cart, &r, p);
		r.at = cart_behind(&r);
		p += size;
	}
	t->stale = true;
	return ask(task, SCSI_IO_WRITE, t->cart.end.offset, task->scratch,
		   (uint64_t)(p - task->scratch));
}

/* A block that is longer than the scratch space: its data, then its header, so
 * that there is no header of a block that is not there. */
static enum scsi_step ask_long(struct scsi_tape *t, struct scsi_task *task)
{
	uint8_t *data = task->data + t->done;
	struct cart_record r = {
		.type = CART_BLOCK, .len = t->each, .at = t->cart.end};

	t->stale = true;
	t->batch = 1;
	t->head = !t->head;
	if (t->head)
		return ask(task, SCSI_IO_WRITE, r.at.offset + CART_HEAD, data,
			   t->each);
	r.crc = scsi_crc32c(0, data, t->each);
	cart_head_put(&t->cart, &r, task->scratch);
	return ask(task, SCSI_IO_WRITE, r.at.offset, task->scratch, CART_HEAD);
}

static enum scsi_step write_on(struct scsi_lu *lu, struct scsi_task *task,
			       bool sync)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (t->head)
		return ask_long(t, task);
	if (t->batch)
		batch_written(t);
	if (!t->todo)
		return written(lu, task, sync);
	if (cart_left(&t->cart) < CART_HEAD + (uint64_t)t->each)
		return tape_write_failed(lu, task, XPV_ENOSPC);
	if (CART_HEAD + t->each <= SCSI_SCRATCH_MIN)
		return ask_batch(t, task);
	return ask_long(t, task);
}

enum scsi_step tape_write_go(struct scsi_lu *lu, struct scsi_task *task)
{
	return write_on(lu, task, lu->mode.unbuffered);
}

enum scsi_step tape_marks_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (task->cdb[1] & WSMK)
		return scsi_bad_cdb(lu, task, 1, 1);
	t->fixed = true; /* what is left is a number */
	t->each = 0;
	t->todo = scsi_get24(task->cdb + 2);
	if (!t->todo) { /* sync alone */
		t->need = TAPE_NEED_SYNC;
		return SCSI_STEP_IO;
	}
	return may_write(lu, task) ? SCSI_STEP_IO : SCSI_STEP_DONE;
}

enum scsi_step tape_marks_go(struct scsi_lu *lu, struct scsi_task *task)
{
	return write_on(lu, task, !(task->cdb[1] & IMMED));
}

/* ---- erasing ---- */

enum scsi_step tape_erase_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	return may_write(lu, task) ? SCSI_STEP_IO : SCSI_STEP_DONE;
}

enum scsi_step tape_erase_go(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	/* cut off already; now the label is to know */
	if (t->need != TAPE_NEED_SYNC) {
		t->need = TAPE_NEED_SYNC;
		t->pre = TAPE_PRE_NONE;
		t->unsynced = true;
		return SCSI_STEP_IO;
	}
	return scsi_good(task);
}
