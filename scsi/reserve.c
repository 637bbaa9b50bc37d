/* SPDX-License-Identifier: BSD-2-Clause */
/* Reservations, persistent and old. */
#include "scsi/reserve.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "scsi/sense.h"

/* PERSISTENT RESERVE OUT service actions, SPC-4 table 213. */
enum pr_out {
	PR_REGISTER,
	PR_RESERVE,
	PR_RELEASE,
	PR_CLEAR,
	PR_PREEMPT,
	PR_PREEMPT_AND_ABORT,
	PR_REGISTER_AND_IGNORE,
};

#define PR_LIST_LEN 24

/* Byte 20 of the parameter list. */
#define SPEC_I_PT 0x08
#define ALL_TG_PT 0x04
#define APTPL	  0x01

/* ---- the state ---- */

static bool all_registrants(uint8_t type)
{
	return type == SCSI_PR_WE_AR || type == SCSI_PR_EA_AR;
}

/* The types under which every registered nexus has access. */
static bool registrants(uint8_t type)
{
	return type >= SCSI_PR_WE_RO;
}

static bool type_ok(uint8_t type)
{
	return type == SCSI_PR_WE || type == SCSI_PR_EA ||
	       (type >= SCSI_PR_WE_RO && type <= SCSI_PR_EA_AR);
}

/* The registration of an initiator; pr->count when it has none. */
static uint32_t find(const struct scsi_pr *pr, uint64_t initiator)
{
	uint32_t i = 0;

	while (i < pr->count && pr->reg[i].initiator != initiator)
		i++;
	return i;
}

static bool is_holder(const struct scsi_pr *pr, uint32_t i)
{
	return pr->type && i < pr->count &&
	       (all_registrants(pr->type) || i == pr->holder);
}

/*
 * The reservation of a registrant. Of the all registrants types everyone is the
 * holder, and none is remembered: it could go while the reservation stays.
 */
static void hold(struct scsi_pr *pr, uint8_t type, uint32_t i)
{
	pr->type = type;
	pr->holder = all_registrants(type) ? 0 : i;
}

/*
 * Takes a registration away; a reservation ends with its holder, or with the
 * last registrant (SPC-4 5.12.11.2).
 */
static void drop(struct scsi_pr *pr, uint32_t i)
{
	if (is_holder(pr, i) &&
	    (!all_registrants(pr->type) || pr->count == 1)) {
		pr->type = SCSI_PR_NONE;
		pr->holder = 0;
	}
	pr->count--;
	for (uint32_t k = i; k < pr->count; k++)
		pr->reg[k] = pr->reg[k + 1];
	if (pr->holder > i)
		pr->holder--;
	scsi_fill(&pr->reg[pr->count], 0, sizeof(pr->reg[0]));
}

/* Takes away the registrations with a key, but for one initiator's. */
static uint32_t drop_key(struct scsi_pr *pr, uint64_t key, bool any_key,
			 uint64_t keep)
{
	uint32_t dropped = 0;

	for (uint32_t i = pr->count; i-- > 0;) {
		if (!any_key && pr->reg[i].key != key)
			continue;
		if (pr->reg[i].initiator == keep)
			continue;
		drop(pr, i);
		dropped++;
	}
	return dropped;
}

/* ---- its image ---- */

#define IMAGE_VERSION 1
#define IMAGE_HEAD    16
#define IMAGE_REG     20

/* FNV-1a: against an image that is cut off or not ours, not against malice. */
static uint32_t checksum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 2166136261u;

	for (uint32_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 16777619u;
	return sum;
}

/*
 * 0 "XPVR", 4 version, 5 type, 6 holder, 7 count, 8 generation, 12 aptpl,
 * 16 registrations: initiator, key, all_tg; checksum over all before it.
 */
/* The image of the state, or that there is nothing to keep. */
static uint32_t put_image(const struct scsi_pr *pr, bool keep, uint8_t *out)
{
	uint32_t count = keep ? pr->count : 0;
	uint8_t *p = out + IMAGE_HEAD;

	scsi_fill(out, 0, IMAGE_HEAD);
	scsi_copy(out, "XPVR", 4);
	out[4] = IMAGE_VERSION;
	out[5] = keep ? pr->type : (uint8_t)SCSI_PR_NONE;
	out[6] = keep ? (uint8_t)pr->holder : 0;
	out[7] = (uint8_t)count;
	scsi_put32(out + 8, pr->generation);
	out[12] = pr->aptpl;
	for (uint32_t i = 0; i < count; i++, p += IMAGE_REG) {
		scsi_put64(p, pr->reg[i].initiator);
		scsi_put64(p + 8, pr->reg[i].key);
		scsi_put32(p + 16, pr->reg[i].all_tg);
	}
	scsi_put32(p, checksum(out, (uint32_t)(p - out)));
	return (uint32_t)(p - out) + 4;
}

uint32_t scsi_pr_save(const struct scsi_pr *pr, uint8_t *out)
{
	return put_image(pr, pr->aptpl, out);
}

uint32_t scsi_pr_keep(const struct scsi_pr *pr, uint8_t *out)
{
	return put_image(pr, true, out);
}

static bool image_ok(const uint8_t *image, uint32_t len)
{
	uint32_t count;

	if (len < IMAGE_HEAD + 4 || !scsi_same(image, "XPVR", 4) ||
	    image[4] != IMAGE_VERSION)
		return false;
	count = image[7];
	if (count > SCSI_NEXUS_MAX ||
	    len != IMAGE_HEAD + count * IMAGE_REG + 4 ||
	    scsi_get32(image + len - 4) != checksum(image, len - 4))
		return false;
	if (image[5] && (!type_ok(image[5]) || !count))
		return false;
	/* with all registrants any number may stand there: see hold() */
	return image[6] < count || image[6] == 0 || all_registrants(image[5]);
}

int scsi_pr_load(struct scsi_lu *lu, const uint8_t *image, uint32_t len)
{
	struct scsi_pr *pr = &lu->pr;
	const uint8_t *p = image + IMAGE_HEAD;

	scsi_fill(pr, 0, sizeof(*pr));
	if (!len)
		return 0;
	if (!image_ok(image, len))
		return XPV_EINVAL;
	for (uint32_t i = 0; i < image[7]; i++, p += IMAGE_REG) {
		uint64_t key = scsi_get64(p + 8);

		/* each initiator once, with a key */
		if (!key || find(pr, scsi_get64(p)) < pr->count) {
			scsi_fill(pr, 0, sizeof(*pr));
			return XPV_EINVAL;
		}
		pr->reg[i].initiator = scsi_get64(p);
		pr->reg[i].key = key;
		pr->reg[i].all_tg = scsi_get32(p + 16) != 0;
		pr->count++;
	}
	hold(pr, image[5], image[6]);
	pr->aptpl = image[12] != 0;
	/* SPC-4 6.15.2: the generation starts at 0 with power on */
	if (lu->cfg.resumed)
		pr->generation = scsi_get32(image + 8);
	return 0;
}

/* ---- who may do what ---- */

static bool mild(const struct scsi_op *op, const struct scsi_task *task)
{
	return op->mild_mask &&
	       (task->cdb[4] & op->mild_mask) == op->mild_value;
}

bool scsi_pr_conflict(const struct scsi_lu *lu, const struct scsi_op *op,
		      const struct scsi_task *task)
{
	const struct scsi_pr *pr = &lu->pr;
	uint32_t me;

	if (lu->old_holder != SCSI_NEXUS_MAX) {
		/* SPC-2 5.5.1: not even the holder may mix the two kinds */
		if (op->opcode == 0x5e || op->opcode == 0x5f)
			return true;
		return lu->old_holder != task->nexus && !mild(op, task) &&
		       !(op->allow & SCSI_ALLOW_OLD);
	}
	if (!pr->type || mild(op, task))
		return false;
	me = find(pr, scsi_lu_initiator(lu, task->nexus));
	if (is_holder(pr, me) || (me < pr->count && registrants(pr->type)))
		return false;
	switch (pr->type) {
	case SCSI_PR_WE:
		return !(op->allow & SCSI_ALLOW_WE);
	case SCSI_PR_EA:
		return !(op->allow & SCSI_ALLOW_EA);
	case SCSI_PR_WE_RO:
	case SCSI_PR_WE_AR:
		return !(op->allow & SCSI_ALLOW_WE_RR);
	default:
		return !(op->allow & SCSI_ALLOW_EA_RR);
	}
}

/* ---- PERSISTENT RESERVE IN, SPC-4 6.15 ---- */

static uint32_t read_keys(const struct scsi_pr *pr, uint8_t *p)
{
	scsi_put32(p, pr->generation);
	scsi_put32(p + 4, pr->count * 8);
	for (uint32_t i = 0; i < pr->count; i++)
		scsi_put64(p + 8 + i * 8, pr->reg[i].key);
	return 8 + pr->count * 8;
}

static uint32_t read_reservation(const struct scsi_pr *pr, uint8_t *p)
{
	scsi_fill(p, 0, 24);
	scsi_put32(p, pr->generation);
	if (!pr->type)
		return 8;
	scsi_put32(p + 4, 16);
	if (!all_registrants(pr->type))
		scsi_put64(p + 8, pr->reg[pr->holder].key);
	p[21] = pr->type; /* scope 0: the logical unit */
	return 24;
}

static uint32_t report_capabilities(const struct scsi_lu *lu, uint8_t *p)
{
	scsi_fill(p, 0, 8);
	p[1] = 8;
	p[2] = 0x04; /* ATP_C: there is one target port, so ALL_TG_PT is easy */
	if (lu->cfg.can_save)
		p[2] |= 0x01; /* PTPL_C */
	p[3] = 0x80;	      /* TMV; ALLOW COMMANDS 0: nothing told */
	if (lu->pr.aptpl)
		p[3] |= 0x01; /* PTPL_A */
	p[4] = 0xea;	      /* WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX */
	p[5] = 0x01;	      /* EX_AC_AR */
	return 8;
}

static uint32_t read_full_status(const struct scsi_pr *pr, uint8_t *out)
{
	uint8_t *p = out + 8;

	scsi_put32(out, pr->generation);
	for (uint32_t i = 0; i < pr->count; i++, p += 48) {
		scsi_fill(p, 0, 48);
		scsi_put64(p, pr->reg[i].key);
		if (pr->reg[i].all_tg)
			p[12] = 0x02; /* ALL_TG_PT */
		else
			scsi_put16(p + 18, 1); /* relative target port */
		if (is_holder(pr, i)) {
			p[12] |= 0x01; /* R_HOLDER */
			p[13] = pr->type;
		}
		scsi_put32(p + 20, 24);
		p[24] = 0x06; /* TransportID: SAS, SPC-4 7.6.4.7 */
		scsi_put64(p + 28, pr->reg[i].initiator);
	}
	scsi_put32(out + 4, (uint32_t)(p - out) - 8);
	return (uint32_t)(p - out);
}

enum scsi_step scsi_pr_in(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *p = task->scratch;
	uint32_t len;

	switch (task->op->sa) {
	case 0x00:
		len = read_keys(&lu->pr, p);
		break;
	case 0x01:
		len = read_reservation(&lu->pr, p);
		break;
	case 0x02:
		len = report_capabilities(lu, p);
		break;
	default:
		len = read_full_status(&lu->pr, p);
		break;
	}
	return scsi_reply(task, p, len, scsi_get16(task->cdb + 7));
}

/* ---- PERSISTENT RESERVE OUT, SPC-4 6.16: what is asked for ---- */

struct pr_request {
	uint64_t me;	  /* initiator id */
	uint32_t reg;	  /* its registration, or count */
	uint64_t key;	  /* RESERVATION KEY */
	uint64_t new_key; /* SERVICE ACTION RESERVATION KEY */
	uint8_t scope, type;
	uint8_t flags; /* byte 20 of the list */
};

static void request_get(const struct scsi_lu *lu, const struct scsi_task *task,
			struct pr_request *req)
{
	req->me = scsi_lu_initiator(lu, task->nexus);
	req->reg = find(&lu->pr, req->me);
	req->key = scsi_get64(task->data);
	req->new_key = scsi_get64(task->data + 8);
	req->flags = task->data[20];
	req->scope = task->cdb[2] >> 4;
	req->type = task->cdb[2] & 0x0f;
}

/* ---- what is done, in a copy of the state; DONE: refused and answered ---- */

static enum scsi_step conflict(struct scsi_task *task)
{
	return scsi_status_only(task, SCSI_RESERVATION_CONFLICT);
}

static enum scsi_step do_register(struct scsi_lu *lu, struct scsi_task *task,
				  const struct pr_request *req)
{
	struct scsi_pr *pr = &lu->pr_new;
	bool known = req->reg < pr->count;
	struct scsi_pr_reg *reg;

	if (task->op->sa == PR_REGISTER &&
	    req->key != (known ? pr->reg[req->reg].key : 0))
		return conflict(task);
	if (req->flags & SPEC_I_PT)
		return scsi_bad_list(lu, task, 20, 3);
	if ((req->flags & APTPL) && !lu->cfg.can_save)
		return scsi_bad_list(lu, task, 20, 0);
	if (!req->new_key && !known)
		return SCSI_STEP_IO; /* nothing to take away */
	if (!known && pr->count == SCSI_NEXUS_MAX)
		return scsi_illegal(lu, task, SCSI_ASC_NO_REGISTRATION_ROOM);
	pr->generation++;
	pr->aptpl = req->flags & APTPL;
	if (!req->new_key) {
		drop(pr, req->reg);
		return SCSI_STEP_IO;
	}
	reg = &pr->reg[req->reg];
	if (!known)
		pr->count++;
	reg->initiator = req->me;
	reg->key = req->new_key;
	reg->all_tg = (req->flags & ALL_TG_PT) != 0;
	return SCSI_STEP_IO;
}

static enum scsi_step do_reserve(struct scsi_lu *lu, struct scsi_task *task,
				 const struct pr_request *req)
{
	struct scsi_pr *pr = &lu->pr_new;

	if (req->scope)
		return scsi_bad_cdb(lu, task, 2, 7);
	if (!type_ok(req->type))
		return scsi_bad_cdb(lu, task, 2, 3);
	if (pr->type) {
		/* the same again is GOOD, anything else is not */
		if (is_holder(pr, req->reg) && pr->type == req->type)
			return SCSI_STEP_IO;
		return conflict(task);
	}
	hold(pr, req->type, req->reg);
	return SCSI_STEP_IO;
}

static enum scsi_step do_release(struct scsi_lu *lu, struct scsi_task *task,
				 const struct pr_request *req)
{
	struct scsi_pr *pr = &lu->pr_new;

	if (!is_holder(pr, req->reg))
		return SCSI_STEP_IO;
	if (req->scope || req->type != pr->type)
		return scsi_illegal(lu, task, SCSI_ASC_BAD_RELEASE);
	pr->type = SCSI_PR_NONE;
	pr->holder = 0;
	return SCSI_STEP_IO;
}

static enum scsi_step do_clear(struct scsi_lu *lu, struct scsi_task *task,
			       const struct pr_request *req)
{
	struct scsi_pr *pr = &lu->pr_new;

	(void)task;
	(void)req;
	pr->generation++;
	pr->count = 0;
	pr->type = SCSI_PR_NONE;
	pr->holder = 0;
	scsi_fill(pr->reg, 0, sizeof(pr->reg));
	return SCSI_STEP_IO;
}

/* SPC-4 5.12.11.2.4 to 5.12.11.2.7. */
static enum scsi_step do_preempt(struct scsi_lu *lu, struct scsi_task *task,
				 const struct pr_request *req)
{
	struct scsi_pr *pr = &lu->pr_new;
	bool all = all_registrants(pr->type) && !req->new_key;
	bool holders = all;

	if (pr->type && !all_registrants(pr->type))
		holders = pr->reg[pr->holder].key == req->new_key;
	if (!all && !req->new_key)
		return scsi_bad_list(lu, task, 8, 7);
	if (!holders) {
		/* only registrations go; its own one may be among them */
		bool self = pr->reg[req->reg].key == req->new_key;

		if (!drop_key(pr, req->new_key, false, req->me) && !self)
			return conflict(task);
		if (self)
			drop(pr, find(pr, req->me));
		pr->generation++;
		return SCSI_STEP_IO;
	}
	if (req->scope)
		return scsi_bad_cdb(lu, task, 2, 7);
	if (!type_ok(req->type))
		return scsi_bad_cdb(lu, task, 2, 3);
	drop_key(pr, req->new_key, all, req->me);
	pr->generation++;
	hold(pr, req->type, find(pr, req->me));
	return SCSI_STEP_IO;
}

static enum scsi_step change(struct scsi_lu *lu, struct scsi_task *task)
{
	enum pr_out sa = (enum pr_out)task->op->sa;
	struct pr_request req;

	request_get(lu, task, &req);
	lu->pr_new = lu->pr;
	/* all but registering need a registration and its key */
	if (sa != PR_REGISTER && sa != PR_REGISTER_AND_IGNORE &&
	    (req.reg == lu->pr.count || lu->pr.reg[req.reg].key != req.key))
		return conflict(task);
	switch (sa) {
	case PR_RESERVE:
		return do_reserve(lu, task, &req);
	case PR_RELEASE:
		return do_release(lu, task, &req);
	case PR_CLEAR:
		return do_clear(lu, task, &req);
	case PR_PREEMPT:
	case PR_PREEMPT_AND_ABORT:
		return do_preempt(lu, task, &req);
	case PR_REGISTER:
	case PR_REGISTER_AND_IGNORE:
	default:
		return do_register(lu, task, &req);
	}
}

/* ---- what the others are told ---- */

/* Cancels what a preempted initiator has under way, SPC-4 5.12.11.2.6. */
static void abort_tasks(struct scsi_lu *lu, uint64_t initiator)
{
	for (struct scsi_task *t = lu->first; t; t = t->next)
		if (scsi_lu_initiator(lu, t->nexus) == initiator)
			scsi_task_cancel(t);
}

/* One initiator that was registered, and not the one that sent the command. */
static void tell_one(struct scsi_lu *lu, uint32_t nexus, enum pr_out sa,
		     uint64_t initiator)
{
	const struct scsi_pr *was = &lu->pr, *is = &lu->pr_new;
	bool gone = find(is, initiator) == is->count;
	bool freed = registrants(was->type) && is->type != was->type;

	if (sa == PR_CLEAR) {
		scsi_lu_attention(lu, nexus, SCSI_UA_RESERVATIONS_PREEMPTED);
	} else if (gone) {
		scsi_lu_attention(lu, nexus, SCSI_UA_REGISTRATIONS_PREEMPTED);
		if (sa == PR_PREEMPT_AND_ABORT)
			abort_tasks(lu, initiator);
	} else if (freed) {
		scsi_lu_attention(lu, nexus, SCSI_UA_RESERVATIONS_RELEASED);
	}
}

/* The new state comes into force. */
static enum scsi_step commit(struct scsi_lu *lu, struct scsi_task *task)
{
	enum pr_out sa = (enum pr_out)task->op->sa;
	uint64_t me = scsi_lu_initiator(lu, task->nexus);

	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++) {
		uint64_t initiator = scsi_lu_initiator(lu, i);

		if (initiator != me && find(&lu->pr, initiator) < lu->pr.count)
			tell_one(lu, i, sa, initiator);
	}
	lu->pr = lu->pr_new;
	task->out_used = PR_LIST_LEN;
	return scsi_good(task);
}

enum scsi_step scsi_pr_out(struct scsi_lu *lu, struct scsi_task *task)
{
	uint32_t len = scsi_get32(task->cdb + 5);

	if (len != PR_LIST_LEN || len > task->out_len) {
		/* SPEC_I_PT makes the list longer, and is refused as itself */
		if (len > PR_LIST_LEN && task->out_len >= PR_LIST_LEN &&
		    (task->data[20] & SPEC_I_PT))
			return scsi_bad_list(lu, task, 20, 3);
		return scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
	}
	return SCSI_STEP_IO;
}

enum scsi_step scsi_pr_out_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc)
{
	if (task->phase++ == 0) {
		/* a RESERVE may have been before us */
		if (lu->old_holder != SCSI_NEXUS_MAX)
			return conflict(task);
		if (change(lu, task) == SCSI_STEP_DONE)
			return SCSI_STEP_DONE;
		if (!lu->pr.aptpl && !lu->pr_new.aptpl)
			return commit(lu, task);
		lu->image_len = scsi_pr_save(&lu->pr_new, lu->image);
		task->io = (struct scsi_io){
			.op = SCSI_IO_SAVE,
			.buf = lu->image,
			.len = lu->image_len,
		};
		return SCSI_STEP_IO;
	}
	if (rc < 0)
		return scsi_check(lu, task, SCSI_KEY_HARDWARE_ERROR,
				  SCSI_ASC_INTERNAL_FAILURE);
	return commit(lu, task);
}

/* ---- RESERVE and RELEASE, SPC-2 7.16, 7.17, 7.21, 7.22 ---- */

void scsi_pr_release_old(struct scsi_lu *lu, uint32_t nexus)
{
	if (nexus == SCSI_NEXUS_MAX || nexus == lu->old_holder)
		lu->old_holder = SCSI_NEXUS_MAX;
}

enum scsi_step scsi_reserve(struct scsi_lu *lu, struct scsi_task *task)
{
	(void)lu;
	(void)task;
	return SCSI_STEP_IO; /* in turn with PERSISTENT RESERVE OUT */
}

enum scsi_step scsi_reserve_run(struct scsi_lu *lu, struct scsi_task *task,
				int rc)
{
	(void)rc;
	if (lu->pr.count ||
	    (lu->old_holder != SCSI_NEXUS_MAX && lu->old_holder != task->nexus))
		return conflict(task);
	lu->old_holder = task->nexus;
	return scsi_good(task);
}

enum scsi_step scsi_release(struct scsi_lu *lu, struct scsi_task *task)
{
	if (lu->pr.count)
		return conflict(task);
	scsi_pr_release_old(lu, task->nexus);
	return scsi_good(task);
}
