/* SPDX-License-Identifier: BSD-2-Clause */
/* REWIND, SPACE, LOCATE, LOAD UNLOAD, READ POSITION of a tape (SSC-4 6, 7). */
#include "scsi/tape_move.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"

enum scsi_step tape_rewind_go(struct scsi_lu *lu, struct scsi_task *task)
{
	scsi_tape_of(lu)->at = cart_start();
	return scsi_good(task);
}

/* ---- moving from header to header ---- */

/* Read the header at OFFSET. */
static enum scsi_step ask_head(struct scsi_tape *t, struct scsi_task *task,
			       uint64_t offset)
{
	t->asked = true;
	t->buf_at = offset;
	task->io = (struct scsi_io){.op = SCSI_IO_READ,
				    .offset = offset,
				    .buf = task->scratch,
				    .len = CART_HEAD};
	return SCSI_STEP_IO;
}

/* The header that was asked for is here: is it well? */
static bool head_read(struct scsi_tape *t, struct scsi_task *task)
{
	t->asked = false;
	return cart_head_get(&t->cart, &t->record, t->buf_at, task->scratch) &&
	       cart_behind(&t->record).offset <= t->cart.end.offset;
}

/* The tape stays where it was before a place that cannot be read. */
static enum scsi_step damaged(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	t->at = t->to;
	return scsi_check_stream(lu, task, SCSI_KEY_MEDIUM_ERROR,
				 SCSI_ASC_READ_ERROR, 0, (int64_t)t->todo);
}

/* ---- SPACE ---- */

enum {
	CODE_BLOCKS = 0,
	CODE_MARKS = 1,
	CODE_END = 3,
};

static int64_t count_of(const uint8_t *cdb)
{
	if (cdb[0] == 0x91)
		return (int64_t)scsi_get64(cdb + 4);
	return (int32_t)(scsi_get24(cdb + 2) << 8) / 256;
}

enum scsi_step tape_space_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	uint8_t code = task->cdb[1] & 0x0f;
	int64_t count = count_of(task->cdb);

	if (code != CODE_BLOCKS && code != CODE_MARKS && code != CODE_END)
		return scsi_bad_cdb(lu, task, 1, 3);
	t->to = t->at;
	t->todo = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	return SCSI_STEP_IO;
}

/* SPACE ends before its time, where the tape is. */
static enum scsi_step stopped(struct scsi_lu *lu, struct scsi_task *task,
			      uint8_t key, uint16_t asc, uint8_t flags)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	t->at = t->to;
	return scsi_check_stream(lu, task, key, asc, flags, (int64_t)t->todo);
}

/* The header of the next record on the way, or why there is none. */
static enum scsi_step space_ask(struct scsi_lu *lu, struct scsi_task *task,
				bool back, bool marks)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (!back) {
		if (t->to.offset < t->cart.end.offset)
			return ask_head(t, task, t->to.offset);
		return stopped(lu, task, SCSI_KEY_BLANK_CHECK,
			       SCSI_ASC_END_OF_DATA, 0);
	}
	if (marks ? t->to.file : t->to.number)
		return ask_head(t, task,
				marks ? t->to.mark : cart_before(&t->to));
	t->to = cart_start();
	return stopped(lu, task, SCSI_KEY_NO_SENSE, SCSI_ASC_BEGIN_OF_MEDIUM,
		       SCSI_STREAM_EOM);
}

enum scsi_step tape_space_go(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	uint8_t code = task->cdb[1] & 0x0f;
	bool back = count_of(task->cdb) < 0;
	bool mark;

	if (code == CODE_END) {
		t->at = t->cart.end;
		return scsi_good(task);
	}
	if (t->asked) {
		if (!head_read(t, task))
			return damaged(lu, task);
		mark = t->record.type == CART_MARK;
		if (!back && !cart_follows(&t->record, &t->to))
			return damaged(lu, task);
		t->to = back ? t->record.at : cart_behind(&t->record);
		if (mark && code == CODE_BLOCKS)
			return stopped(lu, task, SCSI_KEY_NO_SENSE,
				       SCSI_ASC_FILEMARK, SCSI_STREAM_MARK);
		t->todo -= mark || code == CODE_BLOCKS;
	}
	if (t->todo)
		return space_ask(lu, task, back, code == CODE_MARKS);
	t->at = t->to;
	return scsi_good(task);
}

/* ---- LOCATE ---- */

#define DEST_OBJECT 0
#define DEST_FILE   1
#define DEST_END    3

static uint8_t dest_of(const uint8_t *cdb)
{
	return cdb[0] == 0x92 ? (cdb[1] >> 3) & 7 : DEST_OBJECT;
}

/* Where is it nearer from: the beginning, the end, where the tape stands? */
static void locate_from(struct scsi_tape *t)
{
	uint64_t way = t->at.number > t->target ? t->at.number - t->target
						: t->target - t->at.number;

	t->to = t->at;
	if (t->target < way) {
		t->to = cart_start();
		way = t->target;
	}
	if (t->cart.end.number - t->target < way)
		t->to = t->cart.end;
}

enum scsi_step tape_locate_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	const uint8_t *cdb = task->cdb;
	uint8_t dest = dest_of(cdb);

	/* CP with a partition that is not there */
	if ((cdb[1] & 0x02) && cdb[cdb[0] == 0x92 ? 3 : 8])
		return scsi_bad_cdb(lu, task, cdb[0] == 0x92 ? 3 : 8, 7);
	if (dest != DEST_OBJECT && dest != DEST_FILE && dest != DEST_END)
		return scsi_bad_cdb(lu, task, 1, 5);
	t->target = cdb[0] == 0x92 ? scsi_get64(cdb + 4) : scsi_get32(cdb + 3);
	t->to = t->cart.end;
	if (dest == DEST_OBJECT && t->target < t->cart.end.number)
		locate_from(t);
	return SCSI_STEP_IO;
}

/* By the chain of filemarks, from the end. */
static enum scsi_step locate_file(struct scsi_tape *t, struct scsi_task *task)
{
	if (t->target == 0) {
		t->at = cart_start();
		return scsi_good(task);
	}
	if (t->to.file >= t->target)
		return ask_head(t, task, t->to.mark);
	t->at = cart_behind(&t->record);
	return scsi_good(task);
}

enum scsi_step tape_locate_go(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	uint8_t dest = dest_of(task->cdb);
	bool file = dest == DEST_FILE;

	if (dest == DEST_END) {
		t->at = t->cart.end;
		return scsi_good(task);
	}
	if (t->target > (file ? t->cart.end.file : t->cart.end.number)) {
		t->at = t->cart.end;
		return scsi_check(lu, task, SCSI_KEY_BLANK_CHECK,
				  SCSI_ASC_END_OF_DATA);
	}
	if (t->asked) {
		if (!head_read(t, task))
			return damaged(lu, task);
		t->to = !file && t->to.number < t->target
				? cart_behind(&t->record)
				: t->record.at;
	}
	if (file)
		return locate_file(t, task);
	if (t->to.number < t->target)
		return ask_head(t, task, t->to.offset);
	if (t->to.number > t->target)
		return ask_head(t, task, cart_before(&t->to));
	t->at = t->to;
	return scsi_good(task);
}

/* ---- LOAD UNLOAD ---- */

#define LOAD 0x01
#define EOT  0x04

enum scsi_step tape_load_begin(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_tape *t = scsi_tape_of(lu);

	if (task->cdb[4] & EOT)
		return scsi_bad_cdb(lu, task, 4, 2);
	if (!t->present)
		return scsi_check(lu, task, SCSI_KEY_NOT_READY,
				  SCSI_ASC_NO_MEDIUM);
	if (!(task->cdb[4] & LOAD) && scsi_lu_prevented(lu))
		return scsi_illegal(lu, task, SCSI_ASC_REMOVAL_PREVENTED);
	return SCSI_STEP_IO;
}

enum scsi_step tape_load_go(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	bool load = task->cdb[4] & LOAD;

	if (load && !t->loaded)
		scsi_lu_attention_others(lu, task->nexus, SCSI_UA_MEDIUM);
	t->loaded = load;
	t->at = cart_start();
	return scsi_good(task);
}

/* ---- READ POSITION ---- */

#define BOP  0x80
#define EOP  0x40
#define PERR 0x02

enum scsi_step tape_position(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_tape *t = scsi_tape_of(lu);
	bool is_long = (task->cdb[1] & 0x1f) == 0x06;
	uint32_t len = is_long ? 32 : 20;
	uint8_t *p = task->scratch;

	scsi_fill(p, 0, len);
	if (t->at.number == 0)
		p[0] |= BOP;
	if (t->at.offset - CART_START + scsi_tape_warning(&t->cart) >
	    t->cart.capacity)
		p[0] |= EOP;
	if (is_long) {
		scsi_put64(p + 8, t->at.number);
		scsi_put64(p + 16, t->at.file);
	} else if (t->at.number <= UINT32_MAX) {
		scsi_put32(p + 4, (uint32_t)t->at.number);
		scsi_put32(p + 8, (uint32_t)t->at.number);
	} else {
		p[0] |= PERR;
	}
	return scsi_reply(task, p, len, len);
}
