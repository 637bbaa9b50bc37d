/* SPDX-License-Identifier: BSD-2-Clause */
/* A logical unit: the life of a task, ordering, and unit attentions. */
#include "scsi/lu.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"

/* ---- set up ---- */

static bool text_ok(const char *text, uint32_t size, char lowest)
{
	for (uint32_t i = 0; i < size; i++) {
		if (!text[i])
			return true;
		if (text[i] < lowest || text[i] > 0x7e)
			return false;
	}
	return false; /* not terminated */
}

static bool cfg_ok(const struct scsi_lu_cfg *cfg)
{
	if (!cfg->type || !cfg->type->cfg_ok(cfg))
		return false;
	return text_ok(cfg->serial, sizeof(cfg->serial), 0x21) &&
	       text_ok(cfg->vendor, sizeof(cfg->vendor), 0x20) &&
	       text_ok(cfg->product, sizeof(cfg->product), 0x20) &&
	       text_ok(cfg->revision, sizeof(cfg->revision), 0x20);
}

int scsi_lu_init(struct scsi_lu *lu, const struct scsi_lu_cfg *cfg)
{
	if (!cfg_ok(cfg))
		return XPV_EINVAL;
	scsi_fill(lu, 0, sizeof(*lu));
	lu->cfg = *cfg;
	if (!lu->cfg.max_unmap_blocks)
		lu->cfg.max_unmap_blocks = UINT32_MAX;
	if (!lu->cfg.max_unmap_descriptors)
		lu->cfg.max_unmap_descriptors = 256;
	if (!lu->cfg.max_write_same)
		lu->cfg.max_write_same = 0x400000;
	lu->old_holder = SCSI_NEXUS_MAX;
	scsi_mode_default(lu, &lu->mode);
	if (!cfg->resumed)
		scsi_lu_attention_others(lu, SCSI_NEXUS_MAX, SCSI_UA_POWER_ON);
	return 0;
}

void scsi_lu_nexus(struct scsi_lu *lu, uint32_t index, uint64_t initiator_id)
{
	XPV_ASSERT(index < SCSI_NEXUS_MAX);
	lu->nexus[index].initiator = initiator_id;
	lu->nexus[index].known = true;
}

void scsi_lu_nexus_lost(struct scsi_lu *lu, uint32_t index)
{
	struct scsi_nexus *nexus;

	XPV_ASSERT(index < SCSI_NEXUS_MAX);
	nexus = &lu->nexus[index];
	nexus->prevent = false;
	nexus->known = false;
	scsi_pr_release_old(lu, index);
	scsi_lu_attention(lu, index, SCSI_UA_NEXUS_LOSS);
}

uint64_t scsi_lu_initiator(const struct scsi_lu *lu, uint32_t nexus)
{
	if (lu->nexus[nexus].known)
		return lu->nexus[nexus].initiator;
	return UINT64_MAX - nexus;
}

void scsi_lu_reset(struct scsi_lu *lu)
{
	scsi_pr_release_old(lu, SCSI_NEXUS_MAX);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		lu->nexus[i].prevent = false;
	scsi_mode_default(lu, &lu->mode);
	if (lu->cfg.type->reset)
		lu->cfg.type->reset(lu);
	scsi_lu_attention_others(lu, SCSI_NEXUS_MAX, SCSI_UA_RESET);
}

void scsi_lu_resize(struct scsi_lu *lu, uint64_t blocks)
{
	XPV_ASSERT(blocks &&
		   blocks <= (uint64_t)INT64_MAX / lu->cfg.block_size);
	if (blocks == lu->cfg.blocks)
		return;
	lu->cfg.blocks = blocks;
	scsi_lu_attention_others(lu, SCSI_NEXUS_MAX, SCSI_UA_CAPACITY);
}

bool scsi_lu_prevented(const struct scsi_lu *lu)
{
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (lu->nexus[i].prevent)
			return true;
	return false;
}

uint16_t scsi_lu_write_protected(const struct scsi_lu *lu)
{
	if (lu->cfg.read_only)
		return SCSI_ASC_WRITE_PROTECTED;
	return lu->mode.soft_wp ? SCSI_ASC_SOFT_WRITE_PROTECTED : 0;
}

/* ---- unit attentions ---- */

static const uint16_t ua_asc[SCSI_UA_COUNT] = {
	[SCSI_UA_POWER_ON] = SCSI_ASC_POWER_ON,
	[SCSI_UA_RESET] = SCSI_ASC_DEVICE_RESET,
	[SCSI_UA_NEXUS_LOSS] = SCSI_ASC_NEXUS_LOSS,
	[SCSI_UA_MODE] = SCSI_ASC_MODE_CHANGED,
	[SCSI_UA_CAPACITY] = SCSI_ASC_CAPACITY_CHANGED,
	[SCSI_UA_RESERVATIONS_PREEMPTED] = SCSI_ASC_RESERVATIONS_PREEMPTED,
	[SCSI_UA_RESERVATIONS_RELEASED] = SCSI_ASC_RESERVATIONS_RELEASED,
	[SCSI_UA_REGISTRATIONS_PREEMPTED] = SCSI_ASC_REGISTRATIONS_PREEMPTED,
	[SCSI_UA_COMMANDS_CLEARED] = SCSI_ASC_COMMANDS_CLEARED,
	[SCSI_UA_LUNS] = SCSI_ASC_LUNS_CHANGED,
	[SCSI_UA_MEDIUM] = SCSI_ASC_MEDIUM_CHANGED,
};

void scsi_lu_attention(struct scsi_lu *lu, uint32_t nexus, enum scsi_ua ua)
{
	struct scsi_nexus *n = &lu->nexus[nexus];

	XPV_ASSERT(nexus < SCSI_NEXUS_MAX && ua < SCSI_UA_COUNT);
	/* a reset says all that there is to say of what was before it; the
	 * stronger kind of reset stays (SAM-5 5.14, table 48) */
	if (ua <= SCSI_UA_RESET_LAST) {
		if (n->ua_count && n->ua[0] < (uint8_t)ua)
			return;
		n->ua_count = 0;
	}
	for (uint32_t i = 0; i < n->ua_count; i++)
		if (n->ua[i] == (uint8_t)ua)
			return;
	n->ua[n->ua_count++] = (uint8_t)ua;
}

uint16_t scsi_ua_code(enum scsi_ua ua)
{
	return ua_asc[ua];
}

void scsi_lu_attention_code(struct scsi_lu *lu, uint32_t nexus, uint16_t code)
{
	for (uint32_t i = 0; i < SCSI_UA_COUNT; i++)
		if (ua_asc[i] == code)
			scsi_lu_attention(lu, nexus, (enum scsi_ua)i);
}

void scsi_lu_attention_others(struct scsi_lu *lu, uint32_t nexus,
			      enum scsi_ua ua)
{
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (i != nexus)
			scsi_lu_attention(lu, i, ua);
}

void scsi_lu_attention_clear(struct scsi_lu *lu, uint32_t nexus,
			     enum scsi_ua ua)
{
	struct scsi_nexus *n = &lu->nexus[nexus];
	uint8_t kept = 0;

	for (uint8_t i = 0; i < n->ua_count; i++)
		if (n->ua[i] != (uint8_t)ua)
			n->ua[kept++] = n->ua[i];
	n->ua_count = kept;
}

uint16_t scsi_lu_attention_take(struct scsi_lu *lu, uint32_t nexus)
{
	struct scsi_nexus *n = &lu->nexus[nexus];
	uint8_t ua;

	if (!n->ua_count)
		return 0;
	ua = n->ua[0];
	scsi_lu_attention_clear(lu, nexus, (enum scsi_ua)ua);
	return ua_asc[ua];
}

/* ---- the list of tasks ---- */

void scsi_task_init(struct scsi_task *task)
{
	scsi_fill(task, 0, sizeof(*task));
}

void scsi_task_cancel(struct scsi_task *task)
{
	task->cancelled = true;
}

static void list_add(struct scsi_lu *lu, struct scsi_task *task)
{
	task->next = NULL;
	task->listed = true;
	if (lu->last)
		lu->last->next = task;
	else
		lu->first = task;
	lu->last = task;
}

static void list_remove(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_task *before = NULL;
	struct scsi_task *t = lu->first;

	while (t != task) {
		XPV_ASSERT(t);
		before = t;
		t = t->next;
	}
	if (before)
		before->next = task->next;
	else
		lu->first = task->next;
	if (lu->last == task)
		lu->last = before;
	task->next = NULL;
	task->listed = false;
}

static bool overlap(const struct scsi_task *a, const struct scsi_task *b)
{
	if (a->access == SCSI_ACCESS_STATE || b->access == SCSI_ACCESS_STATE)
		return a->access == b->access;
	if (!a->blocks || !b->blocks)
		return false;
	if (a->access != SCSI_ACCESS_WRITE && b->access != SCSI_ACCESS_WRITE)
		return false;
	/* ranges were checked against the capacity: no sum can wrap */
	return a->lba < b->lba + b->blocks && b->lba < a->lba + a->blocks;
}

/* Is a task that came before this one in its way? */
static bool must_wait(const struct scsi_lu *lu, const struct scsi_task *task)
{
	for (const struct scsi_task *t = lu->first; t && t != task; t = t->next)
		if (overlap(t, task))
			return true;
	return false;
}

struct scsi_task *scsi_lu_next(struct scsi_lu *lu)
{
	for (struct scsi_task *t = lu->first; t; t = t->next) {
		if (!t->waiting || (!t->cancelled && must_wait(lu, t)))
			continue;
		t->waiting = false;
		return t;
	}
	return NULL;
}

/* ---- the life of a task ---- */

static enum scsi_step finish(struct scsi_lu *lu, struct scsi_task *task)
{
	if (task->listed)
		list_remove(lu, task);
	if (task->out_len)
		task->residual = task->out_len - task->out_used;
	else
		task->residual = task->in_max - task->in_len;
	return SCSI_STEP_DONE;
}

/* Hands a command that is well and may go on to its handler. */
static enum scsi_step run(struct scsi_lu *lu, struct scsi_task *task, int rc)
{
	enum scsi_step step = task->op->run(lu, task, rc);

	XPV_ASSERT(step != SCSI_STEP_WAIT);
	return step == SCSI_STEP_DONE ? finish(lu, task) : step;
}

/* There is no such command, or not with this service action. */
static enum scsi_step unknown(struct scsi_lu *lu, struct scsi_task *task,
			      bool known)
{
	if (known)
		return scsi_bad_cdb(lu, task, 1, 4);
	return scsi_illegal(lu, task, SCSI_ASC_OPCODE);
}

/* Reports the oldest unit attention if it is one of those up to last. */
static bool attention(struct scsi_lu *lu, struct scsi_task *task, uint8_t last)
{
	const struct scsi_nexus *nexus = &lu->nexus[task->nexus];

	if (!nexus->ua_count || nexus->ua[0] > last)
		return false;
	scsi_check(lu, task, SCSI_KEY_UNIT_ATTENTION,
		   scsi_lu_attention_take(lu, task->nexus));
	return true;
}

/* Everything that keeps a command from being looked at; true: answered. */
static bool refused(struct scsi_lu *lu, struct scsi_task *task,
		    const struct scsi_op *op)
{
	bool no_ua = op->flags & SCSI_OP_NO_UA;
	uint16_t asc;
	int field;

	if (scsi_pr_conflict(lu, op, task)) {
		scsi_status_only(task, SCSI_RESERVATION_CONFLICT);
		return true;
	}
	if (!no_ua && attention(lu, task, SCSI_UA_COUNT))
		return true;
	field = scsi_cdb_check(op, task->cdb, task->cdb_len);
	if (field == SCSI_CDB_SHORT) {
		scsi_illegal(lu, task, SCSI_ASC_CDB_FIELD);
		return true;
	}
	if (field >= 0) {
		scsi_bad_cdb(lu, task, (uint32_t)field / 8, field % 8);
		return true;
	}
	asc = op->flags & SCSI_OP_READY ? lu->cfg.type->not_ready(lu) : 0;
	if (asc) {
		scsi_check(lu, task, SCSI_KEY_NOT_READY, asc);
		return true;
	}
	asc = scsi_lu_write_protected(lu);
	if (op->access == SCSI_ACCESS_WRITE && asc) {
		scsi_check(lu, task, SCSI_KEY_DATA_PROTECT, asc);
		return true;
	}
	return false;
}

enum scsi_step scsi_lu_start(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_op *op = NULL;
	bool known = false;

	XPV_ASSERT(task->nexus < SCSI_NEXUS_MAX && !task->listed);
	XPV_ASSERT(task->scratch_len >= SCSI_SCRATCH_MIN);
	/* the shortest CDB has 6 bytes: SAM-5 5.2 */
	if (task->cdb_len >= 6 && task->cdb_len <= SCSI_CDB_MAX)
		op = scsi_cdb_find(lu, task->cdb, &known);
	if (!(op && (op->flags & SCSI_OP_NO_UA)) &&
	    attention(lu, task, SCSI_UA_RESET_LAST))
		return finish(lu, task);
	if (!op) {
		unknown(lu, task, known);
		return finish(lu, task);
	}
	if (refused(lu, task, op))
		return finish(lu, task);
	task->op = op;
	task->access = op->access;
	if (op->start(lu, task) == SCSI_STEP_DONE)
		return finish(lu, task);
	list_add(lu, task);
	if (must_wait(lu, task)) {
		task->waiting = true;
		return SCSI_STEP_WAIT;
	}
	return run(lu, task, 0);
}

enum scsi_step scsi_lu_resume(struct scsi_lu *lu, struct scsi_task *task,
			      int rc)
{
	XPV_ASSERT(task->listed && !task->waiting);
	if (task->cancelled) {
		scsi_storage_failed(lu, task, XPV_ECANCELED, false);
		return finish(lu, task);
	}
	/* the unit may have become smaller while the task was waiting */
	if (task->phase == 0 && task->blocks &&
	    (task->lba > lu->cfg.blocks ||
	     task->blocks > lu->cfg.blocks - task->lba)) {
		scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
		return finish(lu, task);
	}
	return run(lu, task, rc);
}
