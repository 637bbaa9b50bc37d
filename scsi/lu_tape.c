/* SPDX-License-Identifier: BSD-2-Clause */
/* A tape drive: its commands, how one is executed, and its cartridge. */
#include "scsi/lu_tape.h"

#include "scsi/bytes.h"
#include "scsi/common.h"
#include "scsi/sense.h"
#include "scsi/tape_info.h"
#include "scsi/tape_move.h"
#include "scsi/tape_rw.h"

struct scsi_tape *scsi_tape_of(const struct scsi_lu *lu)
{
	return lu->cfg.own;
}

/* ---- the cartridge ---- */

static bool tape_cfg_ok(const struct scsi_lu_cfg *cfg)
{
	return cfg->own && !cfg->blocks && !cfg->block_size;
}

static uint16_t tape_not_ready(const struct scsi_lu *lu)
{
	const struct scsi_tape *t = scsi_tape_of(lu);

	return t->present && t->loaded ? 0 : SCSI_ASC_NO_MEDIUM;
}

void scsi_tape_insert(struct scsi_lu *lu, const struct cart *c)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	t->present = t->loaded = true;
	t->cart = *c;
	t->at = cart_start();
	t->unsynced = c->saved.offset != c->end.offset;
	t->stale = false;
	lu->cfg.read_only = c->flags & CART_PROTECTED;
	scsi_lu_attention_others(lu, SCSI_NEXUS_MAX, SCSI_UA_MEDIUM);
}

int scsi_tape_removable(const struct scsi_lu *lu)
{
	if (lu->first)
		return XPV_EBUSY;
	return scsi_lu_prevented(lu) ? XPV_EACCES : 0;
}

void scsi_tape_remove(struct scsi_lu *lu)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	XPV_ASSERT(!lu->first);
	t->present = t->loaded = false;
	lu->cfg.read_only = false;
}

uint64_t scsi_tape_warning(const struct cart *c)
{
	return c->capacity / 32;
}

/* ---- for scsi/keep ---- */

#define KEEP_LEN	57u
#define KEEP_LOADED	0x01
#define KEEP_UNBUFFERED 0x02
#define KEEP_COMPRESS	0x04

static uint32_t tape_keep(const struct scsi_lu *lu, uint8_t *out)
{
	const struct scsi_tape *t = scsi_tape_of(lu);
	const struct cart_place *at = &t->at;

	scsi_fill(out, 0, KEEP_LEN);
	out[0] = (uint8_t)((t->loaded ? KEEP_LOADED : 0) |
			   (lu->mode.unbuffered ? KEEP_UNBUFFERED : 0) |
			   (lu->mode.compression ? KEEP_COMPRESS : 0));
	scsi_put32(out + 1, lu->mode.block_size);
	if (!t->present)
		return KEEP_LEN;
	scsi_put64(out + 5, t->cart.id);
	scsi_put64(out + 13, at->offset);
	scsi_put64(out + 21, at->number);
	scsi_put64(out + 29, at->file);
	scsi_put64(out + 37, at->mark);
	scsi_put32(out + 45, at->prev);
	scsi_put64(out + 49, t->cart.end.offset);
	return KEEP_LEN;
}

/* The tape stands where it stood; if it is another, initiators hear of it. */
static bool tape_take_over(struct scsi_lu *lu, const uint8_t *own, uint32_t len)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	struct cart_place at = {0};

	if (len != KEEP_LEN)
		return false;
	lu->mode.block_size = scsi_get32(own + 1);
	lu->mode.unbuffered = own[0] & KEEP_UNBUFFERED;
	lu->mode.compression = own[0] & KEEP_COMPRESS;
	if (lu->mode.block_size > CART_BLOCK_MAX)
		return false;
	if (scsi_get64(own + 5) != (t->present ? t->cart.id : 0)) {
		if (t->present)
			scsi_lu_attention_others(lu, SCSI_NEXUS_MAX,
						 SCSI_UA_MEDIUM);
		return true;
	}
	if (!t->present)
		return true;
	t->loaded = own[0] & KEEP_LOADED;
	at.offset = scsi_get64(own + 13);
	at.number = scsi_get64(own + 21);
	at.file = scsi_get64(own + 29);
	at.mark = scsi_get64(own + 37);
	at.prev = scsi_get32(own + 45);
	if (!cart_place_ok(&at) || at.offset > t->cart.end.offset)
		return false;
	t->at = at;
	t->known_end = scsi_get64(own + 49);
	return true;
}

/* ---- how a command is executed ---- */

/* What an operation code does, in the table below. */
struct tape_cmd {
	uint8_t opcode;
	enum scsi_tape_need need;
	enum scsi_step (*begin)(struct scsi_lu *lu, struct scsi_task *task);
	enum scsi_step (*go)(struct scsi_lu *lu, struct scsi_task *task);
};

static const struct tape_cmd tape_cmds[] = {
	{0x01, TAPE_NEED_SYNC, NULL, tape_rewind_go},
	{0x08, TAPE_NEED_NOTHING, tape_read_begin, tape_read_go},
	{0x0a, TAPE_NEED_CUT, tape_write_begin, tape_write_go},
	{0x10, TAPE_NEED_CUT, tape_marks_begin, tape_marks_go},
	{0x11, TAPE_NEED_SYNC, tape_space_begin, tape_space_go},
	{0x19, TAPE_NEED_CUT, tape_erase_begin, tape_erase_go},
	{0x1b, TAPE_NEED_SYNC, tape_load_begin, tape_load_go},
	{0x2b, TAPE_NEED_SYNC, tape_locate_begin, tape_locate_go},
	{0x91, TAPE_NEED_SYNC, tape_space_begin, tape_space_go},
	{0x92, TAPE_NEED_SYNC, tape_locate_begin, tape_locate_go},
};

/* NULL: it is none of the tape's motion. */
static const struct tape_cmd *find_cmd(const struct scsi_task *task)
{
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(tape_cmds); i++)
		if (tape_cmds[i].opcode == task->cdb[0])
			return &tape_cmds[i];
	return NULL;
}

static const struct tape_cmd *cmd_of(const struct scsi_task *task)
{
	const struct tape_cmd *c = find_cmd(task);

	XPV_ASSERT(c);
	return c;
}

bool scsi_tape_again(struct scsi_lu *lu, const struct scsi_task *task,
		     const uint8_t *before, uint32_t len)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	const struct tape_cmd *c = find_cmd(task);

	if (before &&
	    (len != KEEP_LEN ||
	     scsi_get64(before + 5) != (t->present ? t->cart.id : 0) ||
	     !tape_take_over(lu, before, len)))
		return false;
	/*
	 * What is behind the end that initiators know has come of this command.
	 * A cartridge that cannot be overwritten takes it only at its end.
	 */
	if (c && c->need == TAPE_NEED_CUT && t->present && !lu->first &&
	    t->at.offset == t->known_end) {
		t->cart.end = t->at;
		t->stale = true;
	}
	return true;
}

/* A new label, with AT as the checkpoint. */
static void ask_label(struct scsi_tape *t, struct scsi_task *task,
		      const struct cart_place *at)
{
	struct cart next = t->cart;

	t->label = next.saved = *at;
	next.seq++;
	task->io =
		(struct scsi_io){.op = SCSI_IO_WRITE,
				 .offset = cart_label_put(&next, task->scratch),
				 .buf = task->scratch,
				 .len = CART_LABEL};
	t->buf_len = 0; /* was in the same place */
}

static void label_written(struct scsi_tape *t)
{
	t->cart.saved = t->label;
	t->cart.seq++;
}

static bool ask_flush(struct scsi_tape *t, struct scsi_task *task,
		      enum scsi_tape_pre pre)
{
	task->io = (struct scsi_io){.op = SCSI_IO_FLUSH};
	t->pre = pre;
	return true;
}

static bool done(struct scsi_tape *t)
{
	t->pre = TAPE_PRE_DONE;
	return false;
}

/* The first thing that has to be done: true if it is an operation. */
static bool pre_begin(struct scsi_tape *t, struct scsi_task *task)
{
	if (t->need == TAPE_NEED_SYNC) {
		if (!t->present || !t->unsynced)
			return done(t);
		return ask_flush(t, task, TAPE_PRE_FLUSH);
	}
	if (t->need != TAPE_NEED_CUT ||
	    (!t->stale && t->at.offset == t->cart.end.offset))
		return done(t);
	if (t->cart.saved.offset > t->at.offset) {
		ask_label(t, task, &t->at);
		t->pre = TAPE_PRE_CUT_LABEL;
		return true;
	}
	t->pre = TAPE_PRE_CUT_LABEL_FLUSH;
	return false;
}

/* T's step has ended well: the next one, likewise. */
static bool pre_next(struct scsi_tape *t, struct scsi_task *task)
{
	switch (t->pre) {
	case TAPE_PRE_NONE:
		return pre_begin(t, task);
	case TAPE_PRE_FLUSH:
		t->unsynced = false;
		if (t->cart.saved.offset == t->cart.end.offset)
			return done(t);
		ask_label(t, task, &t->cart.end);
		t->pre = TAPE_PRE_LABEL;
		return true;
	case TAPE_PRE_LABEL:
		label_written(t);
		return done(t);
	case TAPE_PRE_CUT_LABEL:
		label_written(t);
		return ask_flush(t, task, TAPE_PRE_CUT_LABEL_FLUSH);
	case TAPE_PRE_CUT_LABEL_FLUSH:
		t->cart.end = t->at;
		t->stale = true;
		task->io = (struct scsi_io){.op = SCSI_IO_CUT,
					    .offset = t->at.offset};
		t->pre = TAPE_PRE_CUT;
		return true;
	case TAPE_PRE_CUT:
		t->stale = false;
		return ask_flush(t, task, TAPE_PRE_CUT_FLUSH);
	case TAPE_PRE_CUT_FLUSH:
		return done(t);
	case TAPE_PRE_DONE:
		break;
	}
	return false;
}

/* True: an operation is to be done first. */
static bool pre(struct scsi_tape *t, struct scsi_task *task)
{
	while (t->pre != TAPE_PRE_DONE)
		if (pre_next(t, task))
			return true;
	return false;
}

/* When no earlier command is under way. */
static enum scsi_step begin(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	const struct tape_cmd *c = cmd_of(task);
	uint16_t asc = tape_not_ready(lu);

	/* one before it may have unloaded the tape */
	if ((task->op->flags & SCSI_OP_READY) && asc)
		return scsi_check(lu, task, SCSI_KEY_NOT_READY, asc);
	t->need = c->need;
	t->pre = TAPE_PRE_NONE;
	t->asked = t->head = false;
	t->batch = t->done = t->buf_len = 0;
	t->each = 0;
	t->todo = 0;
	t->fixed = true;
	return c->begin ? c->begin(lu, task) : SCSI_STEP_IO;
}

static enum scsi_step tape_failed(struct scsi_lu *lu, struct scsi_task *task,
				  int rc)
{
	struct scsi_tape *t = scsi_tape_of(lu);

	if (t->pre != TAPE_PRE_DONE || t->need == TAPE_NEED_CUT)
		return tape_write_failed(lu, task, rc);
	return scsi_storage_failed(lu, task, rc, false);
}

static enum scsi_step tape_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc)
{
	struct scsi_tape *t = scsi_tape_of(lu);
	const struct tape_cmd *c = cmd_of(task);
	enum scsi_step step;

	if (task->phase == 0) {
		task->phase = 1;
		if (begin(lu, task) == SCSI_STEP_DONE)
			return SCSI_STEP_DONE;
	} else if (rc < 0) {
		return tape_failed(lu, task, rc);
	}
	do {
		if (pre(t, task))
			return SCSI_STEP_IO;
		step = c->go(lu, task);
	} while (step == SCSI_STEP_IO && t->pre == TAPE_PRE_NONE);
	return step;
}

/* All that there is to check is checked when no other is in the way. */
static enum scsi_step tape_start(struct scsi_lu *lu, struct scsi_task *task)
{
	(void)lu;
	(void)task;
	return SCSI_STEP_IO;
}

/* ---- operation codes ---- */

#define USAGE(...)                                                             \
	{                                                                      \
		__VA_ARGS__                                                    \
	}
/* Of the tape: one after the other. */
#define MOVE(op_, len_, ready_, s_, name_, ...)                                \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .flags = (ready_),         \
		.access = SCSI_ACCESS_STATE, .allow = SCSI_ALLOW_NONE,         \
		.timeout_s = (s_), .name = (name_), .start = tape_start,       \
		.run = tape_run, .usage = __VA_ARGS__                          \
	}
#define TELL(op_, len_, sa_, flags_, name_, fn_, ...)                          \
	{                                                                      \
		.opcode = (op_), .cdb_len = (len_), .sa = (sa_),               \
		.flags = (flags_), .dir = SCSI_DIR_IN,                         \
		.allow = SCSI_ALLOW_READS, .timeout_s = 1, .name = (name_),    \
		.start = (fn_), .usage = __VA_ARGS__                           \
	}

static const struct scsi_op tape_ops[] = {
	MOVE(0x01, 6, SCSI_OP_READY, 60, "REWIND",
	     USAGE(0x01, 0x01, 0, 0, 0, 0x00)),
	TELL(0x05, 6, 0, 0, "READ BLOCK LIMITS", tape_limits,
	     USAGE(0x05, 0, 0, 0, 0, 0x00)),
	{
		.opcode = 0x08,
		.cdb_len = 6,
		.flags = SCSI_OP_READY,
		.dir = SCSI_DIR_IN,
		.access = SCSI_ACCESS_STATE,
		.allow = SCSI_ALLOW_READS,
		.timeout_s = 60,
		.name = "READ(6)",
		.start = tape_start,
		.run = tape_run,
		.usage = {0x08, 0x03, 0xff, 0xff, 0xff, 0x00},
	},
	{
		.opcode = 0x0a,
		.cdb_len = 6,
		.flags = SCSI_OP_READY,
		.dir = SCSI_DIR_OUT,
		.access = SCSI_ACCESS_STATE,
		.allow = SCSI_ALLOW_NONE,
		.timeout_s = 60,
		.name = "WRITE(6)",
		.start = tape_start,
		.run = tape_run,
		.usage = {0x0a, 0x01, 0xff, 0xff, 0xff, 0x00},
	},
	MOVE(0x10, 6, SCSI_OP_READY, 60, "WRITE FILEMARKS(6)",
	     USAGE(0x10, 0x03, 0xff, 0xff, 0xff, 0x00)),
	MOVE(0x11, 6, SCSI_OP_READY, 200, "SPACE(6)",
	     USAGE(0x11, 0x0f, 0xff, 0xff, 0xff, 0x00)),
	MOVE(0x19, 6, SCSI_OP_READY, 60, "ERASE(6)",
	     USAGE(0x19, 0x03, 0, 0, 0, 0x00)),
	MOVE(0x1b, 6, 0, 60, "LOAD UNLOAD",
	     USAGE(0x1b, 0x01, 0, 0, 0x0f, 0x00)),
	SCSI_PREVENT_ALLOW,
	MOVE(0x2b, 10, SCSI_OP_READY, 200, "LOCATE(10)",
	     USAGE(0x2b, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0x00)),
	TELL(0x34, 10, 0x00, SCSI_OP_SA | SCSI_OP_READY,
	     "READ POSITION, short form", tape_position,
	     USAGE(0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00)),
	/* the addresses of Linux' st: blocks as the drive counts them, which is
	 * how we count all */
	TELL(0x34, 10, 0x01, SCSI_OP_SA | SCSI_OP_READY,
	     "READ POSITION, short form, vendor-specific", tape_position,
	     USAGE(0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00)),
	TELL(0x34, 10, 0x06, SCSI_OP_SA | SCSI_OP_READY,
	     "READ POSITION, long form", tape_position,
	     USAGE(0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00)),
	TELL(0x44, 10, 0, 0, "REPORT DENSITY SUPPORT", tape_densities,
	     USAGE(0x44, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0x00)),
	TELL(0x4d, 10, 0, 0, "LOG SENSE", tape_log,
	     USAGE(0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x00)),
	TELL(0x8c, 16, 0x00, SCSI_OP_SA | SCSI_OP_READY,
	     "READ ATTRIBUTE, values", tape_attributes,
	     USAGE(0x8c, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0xff, 0x01, 0x00)),
	TELL(0x8c, 16, 0x01, SCSI_OP_SA | SCSI_OP_READY, "READ ATTRIBUTE, list",
	     tape_attributes,
	     USAGE(0x8c, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0xff, 0x01, 0x00)),
	MOVE(0x91, 16, SCSI_OP_READY, 200, "SPACE(16)",
	     USAGE(0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0, 0, 0, 0x00)),
	MOVE(0x92, 16, SCSI_OP_READY, 200, "LOCATE(16)",
	     USAGE(0x92, 0x3b, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0xff, 0, 0, 0, 0x00)),
};

const struct scsi_lu_type scsi_tape = {
	.name = "Ultrium 6-VTL",
	.peripheral = 0x01,
	.op_count = (uint32_t)XPV_ARRAY_SIZE(tape_ops),
	.ops = tape_ops,
	.vpd_count = TAPE_VPDS,
	.vpd = tape_vpd,
	.mode_count = TAPE_PAGES,
	.mode = tape_mode,
	.version_count = 1,
	.version = {0x0520}, /* SSC-4, no revision claimed */
	.removable = true,
	.cfg_ok = tape_cfg_ok,
	.not_ready = tape_not_ready,
	.frame =
		{
			.specific = tape_specific,
			.specific_set = tape_specific_set,
			.block = tape_block,
			.block_set = tape_block_set,
			.bare = true,
		},
	.keep = tape_keep,
	.take_over = tape_take_over,
};
