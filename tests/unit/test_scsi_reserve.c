/* SPDX-License-Identifier: BSD-2-Clause */
/* Persistent reservations, and the old ones. */
#include "test_scsi_ram.h"

enum {
	REGISTER,
	RESERVE,
	RELEASE,
	CLEAR,
	PREEMPT,
	ABORT,
	IGNORE
};

/* Three initiators: the holder, one that is registered, one that is not. */
enum {
	HOLDER,
	OTHER,
	STRANGER
};

#define KEY_H 0x1111222233334444u
#define KEY_O 0x5555u

static const uint8_t types[] = {1, 3, 5, 6, 7, 8};

static uint8_t out_flags(struct ram *r, uint32_t nexus, uint8_t sa,
			 uint8_t type, uint64_t key, uint64_t sakey,
			 uint8_t flags)
{
	uint8_t list[24] = {0};

	scsi_put64(list, key);
	scsi_put64(list + 8, sakey);
	list[20] = flags;
	r->nexus = nexus;
	return ram_out(r, CDB(0x5f, sa, type, [8] = 24), 10, list, 24);
}

static uint8_t pr_out(struct ram *r, uint32_t nexus, uint8_t sa, uint8_t type,
		      uint64_t key, uint64_t sakey)
{
	return out_flags(r, nexus, sa, type, key, sakey, 0);
}

static uint8_t pr_in(struct ram *r, uint32_t nexus, uint8_t sa)
{
	r->nexus = nexus;
	return ram_in(r, CDB(0x5e, sa, [7] = 0x10), 10, 4096);
}

static struct ram *registered(void)
{
	struct ram *r = ram_default();

	assert_good(pr_out(r, HOLDER, REGISTER, 0, 0, KEY_H));
	assert_good(pr_out(r, OTHER, IGNORE, 0, 0, KEY_O));
	return r;
}

static struct ram *reserved(uint8_t type)
{
	struct ram *r = registered();

	assert_good(pr_out(r, HOLDER, RESERVE, type, KEY_H, 0));
	return r;
}

/* The type in force and the key of its holder. */
static void is_reserved(struct ram *r, uint8_t type, uint64_t key)
{
	assert_good(pr_in(r, STRANGER, 1));
	if (!type) {
		assert_int_equal(r->task.in_len, 8);
		return;
	}
	assert_int_equal(r->task.in_len, 24);
	assert_int_equal(scsi_get32(r->data + 4), 16);
	assert_int_equal(scsi_get64(r->data + 8), key);
	assert_int_equal(r->data[21], type);
}

static void keys_are(struct ram *r, uint32_t count, uint64_t a, uint64_t b)
{
	uint64_t want[2] = {a, b};

	assert_good(pr_in(r, STRANGER, 0));
	assert_int_equal(scsi_get32(r->data + 4), count * 8);
	assert_int_equal(r->task.in_len, 8 + count * 8);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(scsi_get64(r->data + 8 + 8 * i), want[i]);
}

static uint32_t generation(struct ram *r)
{
	assert_good(pr_in(r, STRANGER, 0));
	return scsi_get32(r->data);
}

static void attention_is(struct ram *r, uint32_t nexus, uint16_t asc)
{
	r->nexus = nexus;
	if (asc)
		assert_sense(r, ram_in(r, CDB(0), 6, 0),
			     SENSE(SCSI_KEY_UNIT_ATTENTION, asc));
	assert_good(ram_in(r, CDB(0), 6, 0));
}

static void registering(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	keys_are(r, 0, 0, 0);
	/* a key to be registered with no old one */
	assert_int_equal(pr_out(r, HOLDER, REGISTER, 0, 9, KEY_H), 0x18);
	assert_good(pr_out(r, HOLDER, REGISTER, 0, 0, KEY_H));
	assert_int_equal(generation(r), 1);
	keys_are(r, 1, KEY_H, 0);
	/* another key: only with the old one */
	assert_int_equal(pr_out(r, HOLDER, REGISTER, 0, 0, 7), 0x18);
	assert_int_equal(pr_out(r, HOLDER, REGISTER, 0, KEY_H + 1, 7), 0x18);
	assert_int_equal(generation(r), 1);
	assert_good(pr_out(r, HOLDER, REGISTER, 0, KEY_H, 7));
	keys_are(r, 1, 7, 0);
	assert_good(pr_out(r, HOLDER, IGNORE, 0, 0x999, 8));
	keys_are(r, 1, 8, 0);
	assert_good(pr_out(r, OTHER, REGISTER, 0, 0, KEY_O));
	keys_are(r, 2, 8, KEY_O);
	assert_int_equal(generation(r), 4);
	/* away again */
	assert_good(pr_out(r, HOLDER, REGISTER, 0, 8, 0));
	keys_are(r, 1, KEY_O, 0);
	/* what is not there cannot go, and that is well */
	assert_good(pr_out(r, HOLDER, REGISTER, 0, 0, 0));
	assert_good(pr_out(r, HOLDER, IGNORE, 0, 0, 0));
	assert_int_equal(generation(r), 5);
	/* without a registration everything else conflicts */
	for (uint8_t sa = RESERVE; sa <= ABORT; sa++)
		assert_int_equal(pr_out(r, HOLDER, sa, 1, 0, KEY_O), 0x18);
	for (uint8_t sa = RESERVE; sa <= ABORT; sa++)
		assert_int_equal(pr_out(r, OTHER, sa, 1, KEY_O + 1, 8), 0x18);
	ram_free(r);
}

static void table_full(void **state)
{
	struct ram *r = ram_default();
	uint32_t full = SENSE(SCSI_KEY_ILLEGAL_REQUEST, 0x5504);

	(void)state;
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		assert_good(pr_out(r, i, REGISTER, 0, 0, i + 1));
	scsi_lu_nexus(&r->lu, 0, 4711); /* somebody else */
	assert_sense(r, pr_out(r, 0, REGISTER, 0, 0, 99), full);
	assert_good(pr_in(r, 0, 3));
	assert_int_equal(scsi_get32(r->data + 4), 48 * SCSI_NEXUS_MAX);
	ram_free(r);
}

static void bad_requests(void **state)
{
	struct ram *r = registered();
	uint8_t list[48] = {0};

	(void)state;
	for (uint8_t len = 0; len < 40; len++)
		if (len != 24)
			assert_sense(r,
				     ram_out(r, CDB(0x5f, 0, [8] = len), 10,
					     list, 40),
				     BAD_LENGTH);
	for (uint32_t len = 0; len < 24; len++)
		assert_sense(r,
			     ram_out(r, CDB(0x5f, 0, [8] = 24), 10, list, len),
			     BAD_LENGTH);
	assert_sense(r, out_flags(r, STRANGER, REGISTER, 0, 0, 1, 0x08),
		     BAD_LIST);
	list[20] = 0x08;
	assert_sense(r, ram_out(r, CDB(0x5f, 0, [8] = 48), 10, list, 48),
		     BAD_LIST);
	for (uint8_t type = 0; type < 16; type++)
		if (!memchr(types, type, sizeof(types)))
			assert_sense(r,
				     pr_out(r, HOLDER, RESERVE, type, KEY_H, 0),
				     BAD_CDB);
	assert_sense(r, pr_out(r, HOLDER, RESERVE, 0x11, KEY_H, 0), BAD_CDB);
	assert_sense(r, pr_out(r, HOLDER, 7, 1, KEY_H, 0), BAD_CDB);
	for (uint8_t sa = 4; sa < 32; sa++)
		assert_sense(r, pr_in(r, HOLDER, sa), BAD_CDB);
	keys_are(r, 2, KEY_H, KEY_O);
	ram_free(r);
}

static void reserve_and_release(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(types); i++) {
		uint8_t type = types[i];
		bool all = type >= 7;
		struct ram *r = reserved(type);

		is_reserved(r, type, all ? 0 : KEY_H);
		/* the same again; another type; another initiator */
		assert_good(pr_out(r, HOLDER, RESERVE, type, KEY_H, 0));
		assert_int_equal(
			pr_out(r, HOLDER, RESERVE, type == 1 ? 3 : 1, KEY_H, 0),
			0x18);
		assert_int_equal(pr_out(r, OTHER, RESERVE, type, KEY_O, 0),
				 all ? SCSI_GOOD : 0x18);
		assert_sense(
			r,
			pr_out(r, HOLDER, RELEASE, type == 1 ? 3 : 1, KEY_H, 0),
			SENSE(5, 0x2604));
		if (!all) { /* not his: nothing happens */
			assert_good(pr_out(r, OTHER, RELEASE, type, KEY_O, 0));
			is_reserved(r, type, KEY_H);
		}
		assert_int_equal(generation(r), 2);
		assert_good(pr_out(r, HOLDER, RELEASE, type, KEY_H, 0));
		is_reserved(r, 0, 0);
		attention_is(r, OTHER,
			     type >= 5 ? SCSI_ASC_RESERVATIONS_RELEASED : 0);
		attention_is(r, HOLDER, 0);
		attention_is(r, STRANGER, 0);
		assert_good(pr_out(r, HOLDER, RELEASE, type, KEY_H, 0));
		ram_free(r);
	}
}

/*
 * SPC-4 table 65 and SBC-3 table 13, as letters: for each command what a
 * registered and an unregistered initiator may do under WE, EA, and the
 * registrants forms of both. A: allowed. c: conflict.
 */
static const struct {
	uint8_t cdb[SCSI_CDB_MAX];
	uint8_t len;
	const char *may; /* WE, EA, unregistered under WE RR and EA RR */
	char old;	 /* under RESERVE(6) of another */
} rules[] = {
	{{0x00}, 6, "AAAA", 'c'},	     /* TEST UNIT READY */
	{{0x03, [4] = 18}, 6, "AAAA", 'A'},  /* REQUEST SENSE */
	{{0x12, [4] = 36}, 6, "AAAA", 'A'},  /* INQUIRY */
	{{0xa0, [9] = 16}, 12, "AAAA", 'A'}, /* REPORT LUNS */
	{{0x5e, [8] = 64}, 10, "AAAA", 'c'}, /* PERSISTENT RESERVE IN */
	{{0x25}, 10, "AAAA", 'A'},	     /* READ CAPACITY */
	{{0x9e, 0x10}, 16, "AAAA", 'A'},
	{{0x1a, 0, 0x3f, 0, 64}, 6, "AcAc", 'c'}, /* MODE SENSE */
	{{0x5a, 0, 0x3f, [8] = 64}, 10, "AcAc", 'c'},
	{{0xa3, 0x0c, [9] = 64}, 12, "AcAc", 'c'},
	{{0x15, 0x10}, 6, "cccc", 'c'}, /* MODE SELECT */
	{{0x55, 0x10}, 10, "cccc", 'c'},
	{{0x1d, 0x04}, 6, "cccc", 'c'},	      /* SEND DIAGNOSTIC */
	{{0x1e, 0, 0, 0, 0}, 6, "AAAA", 'A'}, /* allow removal */
	{{0x1e, 0, 0, 0, 1}, 6, "cccc", 'c'}, /* prevent it */
	{{0x1b, 0, 0, 0, 1}, 6, "AAAA", 'A'}, /* start */
	{{0x1b, 0, 0, 0, 0}, 6, "cccc", 'c'}, /* stop */
	{{0x08}, 6, "AcAc", 'c'},	      /* reads */
	{{0x28}, 10, "AcAc", 'c'},
	{{0xa8}, 12, "AcAc", 'c'},
	{{0x88}, 16, "AcAc", 'c'},
	{{0x2f}, 10, "AcAc", 'c'}, /* VERIFY */
	{{0xaf}, 12, "AcAc", 'c'},
	{{0x8f}, 16, "AcAc", 'c'},
	{{0x34}, 10, "AcAc", 'c'}, /* PRE-FETCH */
	{{0x90}, 16, "AcAc", 'c'},
	{{0x9e, 0x12}, 16, "AcAc", 'c'}, /* GET LBA STATUS */
	{{0x0a}, 6, "cccc", 'c'},	 /* writes */
	{{0x2a}, 10, "cccc", 'c'},
	{{0xaa}, 12, "cccc", 'c'},
	{{0x8a}, 16, "cccc", 'c'},
	{{0x2e}, 10, "cccc", 'c'},
	{{0xae}, 12, "cccc", 'c'},
	{{0x8e}, 16, "cccc", 'c'},
	{{0x41}, 10, "cccc", 'c'},
	{{0x93}, 16, "cccc", 'c'},
	{{0x42}, 10, "cccc", 'c'},
	{{0x89}, 16, "cccc", 'c'},
	{{0x35}, 10, "cccc", 'c'}, /* SYNCHRONIZE CACHE */
	{{0x91}, 16, "cccc", 'c'},
};

static bool conflicts(struct ram *r, uint32_t nexus, uint32_t rule)
{
	bool c;

	r->nexus = nexus;
	c = ram_in(r, rules[rule].cdb, rules[rule].len, 512) ==
	    SCSI_RESERVATION_CONFLICT;
	r->lu.stopped = false;
	return c;
}

static void who_may_do_what(void **state)
{
	static const uint8_t column[] = {0, 1, 2, 3, 2, 3};

	(void)state;
	for (uint32_t t = 0; t < sizeof(types); t++) {
		struct ram *r = reserved(types[t]);

		for (uint32_t i = 0; i < XPV_ARRAY_SIZE(rules); i++) {
			bool c = rules[i].may[column[t]] == 'c';

			assert_false(conflicts(r, HOLDER, i));
			/* registered: all is allowed under the RR types */
			assert_int_equal(conflicts(r, OTHER, i),
					 types[t] < 5 && c);
			assert_int_equal(conflicts(r, STRANGER, i), c);
		}
		ram_free(r);
	}
}

/* Every command of the table is in the rules, or is one of these. */
static void no_command_is_forgotten(void **state)
{
	static const uint8_t others[] = {0x16, 0x17, 0x56, 0x57, 0x5f};
	uint32_t n = scsi_disk.op_count + scsi_common_op_count;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		const struct scsi_op *op =
			i < scsi_disk.op_count
				? &scsi_disk.ops[i]
				: &scsi_common_ops[i - scsi_disk.op_count];
		bool found = memchr(others, op->opcode, sizeof(others)) != NULL;

		for (uint32_t k = 0; k < XPV_ARRAY_SIZE(rules); k++)
			found |= rules[k].cdb[0] == op->opcode;
		assert_true(found);
	}
}

static void unregistering_releases(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(types); i++) {
		uint8_t type = types[i];
		struct ram *r = reserved(type);

		assert_good(pr_out(r, HOLDER, REGISTER, 0, KEY_H, 0));
		/* all registrants hold it: it stays with the other one */
		is_reserved(r, type >= 7 ? type : 0, 0);
		attention_is(r, OTHER,
			     type == 5 || type == 6
				     ? SCSI_ASC_RESERVATIONS_RELEASED
				     : 0);
		assert_good(pr_out(r, OTHER, REGISTER, 0, KEY_O, 0));
		is_reserved(r, 0, 0);
		keys_are(r, 0, 0, 0);
		ram_free(r);
	}
}

/* The other one goes; the holder's index moves. */
static void holder_stays_when_another_goes(void **state)
{
	struct ram *r = registered();

	(void)state;
	assert_good(pr_out(r, OTHER, RESERVE, 1, KEY_O, 0));
	assert_good(pr_out(r, HOLDER, REGISTER, 0, KEY_H, 0));
	is_reserved(r, 1, KEY_O);
	attention_is(r, OTHER, 0);
	ram_free(r);
}

static void clearing(void **state)
{
	struct ram *r = reserved(6);

	(void)state;
	assert_good(pr_out(r, OTHER, CLEAR, 0, KEY_O, 0));
	is_reserved(r, 0, 0);
	keys_are(r, 0, 0, 0);
	assert_int_equal(generation(r), 3);
	attention_is(r, HOLDER, SCSI_ASC_RESERVATIONS_PREEMPTED);
	attention_is(r, OTHER, 0);
	attention_is(r, STRANGER, 0);
	ram_free(r);
}

static void preempting_the_holder(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct ram *r = reserved(types[i]);

		assert_good(pr_out(r, OTHER, PREEMPT, 3, KEY_O, KEY_H));
		is_reserved(r, 3, KEY_O);
		keys_are(r, 1, KEY_O, 0);
		assert_int_equal(generation(r), 3);
		attention_is(r, HOLDER, SCSI_ASC_REGISTRATIONS_PREEMPTED);
		attention_is(r, OTHER, 0);
		ram_free(r);
	}
}

/* A third registrant learns that a registrants reservation has gone. */
static void preempting_tells_those_who_stay(void **state)
{
	struct ram *r = reserved(5);

	(void)state;
	assert_good(pr_out(r, 3, REGISTER, 0, 0, 0x33));
	assert_good(pr_out(r, OTHER, PREEMPT, 5, KEY_O, KEY_H));
	attention_is(r, 3, 0); /* the same type: nothing changed for it */
	attention_is(r, HOLDER, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_good(pr_out(r, OTHER, PREEMPT, 1, KEY_O, KEY_O));
	attention_is(r, 3, SCSI_ASC_RESERVATIONS_RELEASED);
	is_reserved(r, 1, KEY_O);
	keys_are(r, 2, KEY_O, 0x33);
	ram_free(r);
}

static void preempting_registrations(void **state)
{
	struct ram *r = registered();

	(void)state;
	assert_good(pr_out(r, 3, REGISTER, 0, 0, KEY_O)); /* shares a key */
	assert_int_equal(pr_out(r, HOLDER, PREEMPT, 1, KEY_H, 0x77), 0x18);
	assert_sense(r, pr_out(r, HOLDER, PREEMPT, 1, KEY_H, 0), BAD_LIST);
	assert_good(pr_out(r, HOLDER, PREEMPT, 1, KEY_H, KEY_O));
	keys_are(r, 1, KEY_H, 0);
	is_reserved(r, 0, 0);
	attention_is(r, OTHER, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	attention_is(r, 3, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	/* itself */
	assert_good(pr_out(r, HOLDER, PREEMPT, 1, KEY_H, KEY_H));
	keys_are(r, 0, 0, 0);
	ram_free(r);
	/* a registration that does not hold the reservation */
	r = reserved(1);
	assert_good(pr_out(r, HOLDER, PREEMPT, 3, KEY_H, KEY_O));
	is_reserved(r, 1, KEY_H);
	keys_are(r, 1, KEY_H, 0);
	ram_free(r);
}

static void preempting_all_registrants(void **state)
{
	struct ram *r = reserved(8);

	(void)state;
	assert_good(pr_out(r, 3, REGISTER, 0, 0, 0x33));
	/* one of them only */
	assert_good(pr_out(r, OTHER, PREEMPT, 1, KEY_O, 0x33));
	is_reserved(r, 8, 0);
	keys_are(r, 2, KEY_H, KEY_O);
	attention_is(r, 3, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	/* key 0: all but itself, and a new reservation */
	assert_good(pr_out(r, OTHER, PREEMPT, 1, KEY_O, 0));
	is_reserved(r, 1, KEY_O);
	keys_are(r, 1, KEY_O, 0);
	attention_is(r, HOLDER, SCSI_ASC_REGISTRATIONS_PREEMPTED);
	assert_sense(r, pr_out(r, OTHER, PREEMPT, 0x12, KEY_O, KEY_O), BAD_CDB);
	assert_sense(r, pr_out(r, OTHER, PREEMPT, 2, KEY_O, KEY_O), BAD_CDB);
	ram_free(r);
}

/* PREEMPT AND ABORT ends what the preempted one has under way. */
static void preempt_and_abort(void **state)
{
	struct ram *r = reserved(6);
	struct scsi_task t[2];
	uint8_t *scratch = malloc(SCSI_SCRATCH_MIN);
	uint8_t list[24] = {0};
	struct scsi_task pr;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		r->nexus = i ? OTHER : HOLDER;
		ram_task(r, &t[i], CDB(0x28, [8] = 1), 10, NULL, 0, 512);
		assert_int_equal(scsi_lu_start(&r->lu, &t[i]), SCSI_STEP_IO);
	}
	scsi_put64(list, KEY_O);
	scsi_put64(list + 8, KEY_H);
	r->nexus = OTHER;
	ram_task(r, &pr, CDB(0x5f, ABORT, 6, [8] = 24), 10, list, 24, 0);
	pr.scratch = scratch;
	assert_int_equal(scsi_lu_start(&r->lu, &pr), SCSI_STEP_DONE);
	assert_good(pr.status);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(scsi_lu_resume(&r->lu, &t[i], 0),
				 SCSI_STEP_DONE);
		assert_int_equal(t[i].status,
				 i ? SCSI_GOOD : SCSI_TASK_ABORTED);
		free(t[i].data);
	}
	is_reserved(r, 6, KEY_O);
	free(pr.data);
	free(scratch);
	ram_free(r);
}

static void capabilities(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_good(pr_in(r, HOLDER, 2));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(scsi_get16(r->data), 8);
	assert_int_equal(r->data[2], 0x05);
	assert_int_equal(r->data[3], 0x80);
	assert_int_equal(scsi_get16(r->data + 4), 0xea01);
	assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 1));
	assert_good(pr_in(r, HOLDER, 2));
	assert_int_equal(r->data[3], 0x81);
	r->lu.cfg.can_save = false;
	assert_good(pr_in(r, HOLDER, 2));
	assert_int_equal(r->data[2], 0x04);
	assert_sense(r, out_flags(r, OTHER, REGISTER, 0, 0, KEY_H, 1),
		     BAD_LIST);
	ram_free(r);
}

static void full_status(void **state)
{
	struct ram *r = ram_default();
	const uint8_t *p;

	(void)state;
	assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 4));
	assert_good(pr_out(r, OTHER, REGISTER, 0, 0, KEY_O));
	assert_good(pr_out(r, OTHER, RESERVE, 6, KEY_O, 0));
	assert_good(pr_in(r, STRANGER, 3));
	assert_int_equal(r->task.in_len, 8 + 96);
	p = r->data + 8;
	assert_int_equal(scsi_get64(p), KEY_H);
	assert_int_equal(p[12], 0x02); /* ALL_TG_PT */
	assert_int_equal(p[13], 0);
	assert_int_equal(p[24], 0x06);
	assert_int_equal(scsi_get64(p + 28), 1000 + HOLDER);
	p += 48;
	assert_int_equal(scsi_get64(p), KEY_O);
	assert_int_equal(p[12], 0x01); /* R_HOLDER */
	assert_int_equal(p[13], 6);
	assert_int_equal(scsi_get16(p + 18), 1);
	assert_int_equal(scsi_get32(p + 20), 24);
	assert_int_equal(scsi_get64(p + 28), 1000 + OTHER);
	ram_free(r);
}

/* The checksum at the end of an image: FNV-1a. */
static uint32_t fnv(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 2166136261u;

	while (len--)
		sum = (sum ^ *p++) * 16777619u;
	return sum;
}

/* Another process takes over from the saved state. */
static struct ram *restart(const struct ram *before, bool resumed)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	cfg.resumed = resumed;
	r = ram_new(&cfg);
	assert_int_equal(scsi_pr_load(&r->lu, before->saved, before->saved_len),
			 0);
	for (r->nexus = 0; !resumed && r->nexus < 4; r->nexus++)
		assert_sense(r, ram_in(r, CDB(0), 6, 0), SENSE(6, 0x2900));
	return r;
}

static void kept_over_a_restart(void **state)
{
	struct ram *r = ram_default(), *next;

	(void)state;
	assert_good(out_flags(r, OTHER, REGISTER, 0, 0, KEY_O, 1));
	assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 1 | 4));
	assert_good(pr_out(r, HOLDER, RESERVE, 3, KEY_H, 0));
	assert_int_equal(r->count[SCSI_IO_SAVE], 3);
	next = restart(r, true);
	is_reserved(next, 3, KEY_H);
	keys_are(next, 2, KEY_O, KEY_H);
	assert_int_equal(generation(next), 2);
	assert_memory_equal(&next->lu.pr, &r->lu.pr, sizeof(r->lu.pr));
	next->nexus = STRANGER;
	assert_int_equal(ram_in(next, CDB(0x28, [8] = 1), 10, 512), 0x18);
	ram_free(next);
	/* power on: the generation starts anew */
	next = restart(r, false);
	is_reserved(next, 3, KEY_H);
	assert_int_equal(generation(next), 0);
	/* APTPL off by the next REGISTER: nothing is kept */
	assert_good(pr_out(next, HOLDER, REGISTER, 0, KEY_H, KEY_H));
	assert_int_equal(next->count[SCSI_IO_SAVE], 1);
	ram_free(r);
	r = restart(next, true);
	keys_are(r, 0, 0, 0);
	is_reserved(r, 0, 0);
	/* and now nothing is saved any more */
	assert_good(pr_out(next, HOLDER, RELEASE, 3, KEY_H, 0));
	assert_int_equal(next->count[SCSI_IO_SAVE], 1);
	ram_free(next);
	ram_free(r);
}

/* A reservation of all registrants outlives the one that has made it. */
static void kept_when_its_maker_has_gone(void **state)
{
	(void)state;
	for (uint8_t type = 7; type <= 8; type++) {
		struct ram *r = ram_default(), *next;

		assert_good(out_flags(r, OTHER, REGISTER, 0, 0, KEY_O, 1));
		assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 1));
		assert_good(pr_out(r, HOLDER, RESERVE, type, KEY_H, 0));
		assert_good(out_flags(r, HOLDER, REGISTER, 0, KEY_H, 0, 1));
		is_reserved(r, type, 0);
		next = restart(r, true);
		is_reserved(next, type, 0);
		keys_are(next, 1, KEY_O, 0);
		ram_free(next);
		/* as older versions have saved it: the maker's number */
		r->saved[6] = 1;
		scsi_put32(r->saved + r->saved_len - 4,
			   fnv(r->saved, r->saved_len - 4));
		next = restart(r, true);
		is_reserved(next, type, 0);
		ram_free(next);
		ram_free(r);
	}
}

static void failed_save_changes_nothing(void **state)
{
	struct ram *r = ram_default();
	struct scsi_pr before;

	(void)state;
	assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 1));
	before = r->lu.pr;
	r->fail_at = r->ops + 1;
	r->fail_rc = XPV_EIO;
	assert_sense(r, pr_out(r, HOLDER, RESERVE, 3, KEY_H, 0),
		     SENSE(SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_INTERNAL_FAILURE));
	assert_memory_equal(&before, &r->lu.pr, sizeof(before));
	is_reserved(r, 0, 0);
	assert_good(pr_out(r, HOLDER, RESERVE, 3, KEY_H, 0));
	ram_free(r);
}

/* While one change is being saved the next one waits. */
static void changes_take_turns(void **state)
{
	struct ram *r = ram_default();
	uint8_t list[24] = {[15] = 5, [20] = 1};
	struct scsi_task t[3];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		r->nexus = i;
		ram_task(r, &t[i], CDB(0x5f, 0, 0, [8] = 24), 10, list, 24, 0);
	}
	r->nexus = 2;
	ram_task(r, &t[2], CDB(0x16), 6, NULL, 0, 0);
	assert_int_equal(scsi_lu_start(&r->lu, &t[0]), SCSI_STEP_IO);
	assert_int_equal(t[0].io.op, SCSI_IO_SAVE);
	assert_int_equal(scsi_lu_start(&r->lu, &t[1]), SCSI_STEP_WAIT);
	assert_int_equal(scsi_lu_start(&r->lu, &t[2]), SCSI_STEP_WAIT);
	assert_null(scsi_lu_next(&r->lu));
	assert_int_equal(r->lu.pr.count, 0); /* not yet in force */
	assert_int_equal(scsi_lu_resume(&r->lu, &t[0], 0), SCSI_STEP_DONE);
	assert_int_equal(r->lu.pr.count, 1);
	assert_ptr_equal(scsi_lu_next(&r->lu), &t[1]);
	assert_int_equal(scsi_lu_resume(&r->lu, &t[1], 0), SCSI_STEP_IO);
	assert_int_equal(scsi_lu_resume(&r->lu, &t[1], 0), SCSI_STEP_DONE);
	assert_int_equal(r->lu.pr.count, 2);
	assert_ptr_equal(scsi_lu_next(&r->lu), &t[2]);
	assert_int_equal(scsi_lu_resume(&r->lu, &t[2], 0), SCSI_STEP_DONE);
	assert_int_equal(t[2].status, SCSI_RESERVATION_CONFLICT);
	for (uint32_t i = 0; i < 3; i++)
		free(t[i].data);
	ram_free(r);
}

/* RESERVE gets its turn between two PERSISTENT RESERVE OUT. */
static void reserve_between_registers(void **state)
{
	struct ram *r = ram_default();
	uint8_t away[24] = {[7] = 5, [20] = 1}, again[24] = {[15] = 6};
	struct scsi_task t[3];

	(void)state;
	assert_good(out_flags(r, 0, REGISTER, 0, 0, 5, 1));
	ram_task(r, &t[0], CDB(0x5f, 0, 0, [8] = 24), 10, away, 24, 0);
	ram_task(r, &t[1], CDB(0x16), 6, NULL, 0, 0);
	ram_task(r, &t[2], CDB(0x5f, 6, 0, [8] = 24), 10, again, 24, 0);
	assert_int_equal(scsi_lu_start(&r->lu, &t[0]), SCSI_STEP_IO);
	assert_int_equal(scsi_lu_start(&r->lu, &t[1]), SCSI_STEP_WAIT);
	assert_int_equal(scsi_lu_start(&r->lu, &t[2]), SCSI_STEP_WAIT);
	for (uint32_t i = 0; i < 3; i++) {
		if (i)
			assert_ptr_equal(scsi_lu_next(&r->lu), &t[i]);
		assert_int_equal(scsi_lu_resume(&r->lu, &t[i], 0),
				 SCSI_STEP_DONE);
		assert_int_equal(t[i].status, i == 2 ? 0x18 : SCSI_GOOD);
		free(t[i].data);
	}
	assert_int_equal(r->lu.old_holder, 0);
	assert_int_equal(r->lu.pr.count, 0);
	ram_free(r);
}

static void damaged_images_are_refused(void **state)
{
	struct ram *r = ram_default();
	uint8_t image[SCSI_PR_IMAGE_MAX];
	uint32_t len;

	(void)state;
	assert_good(out_flags(r, HOLDER, REGISTER, 0, 0, KEY_H, 1));
	assert_good(pr_out(r, HOLDER, RESERVE, 6, KEY_H, 0));
	len = r->saved_len;
	assert_int_equal(scsi_pr_load(&r->lu, r->saved, len), 0);
	for (uint32_t i = 0; i < len * 8; i++) {
		memcpy(image, r->saved, len);
		image[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(scsi_pr_load(&r->lu, image, len), XPV_EINVAL);
		assert_int_equal(r->lu.pr.count, 0);
		assert_int_equal(r->lu.pr.type, 0);
	}
	for (uint32_t i = 1; i < len; i++)
		assert_int_equal(scsi_pr_load(&r->lu, r->saved, i), XPV_EINVAL);
	assert_int_equal(scsi_pr_load(&r->lu, r->saved, 0), 0);
	assert_int_equal(r->lu.pr.count, 0);
	ram_free(r);
}

/* Well-formed images of states that cannot be. */
static void impossible_images_are_refused(void **state)
{
	struct ram *r = ram_default();
	struct scsi_pr good = {.count = 2, .type = 1, .holder = 1, .aptpl = 1};
	struct scsi_pr bad;
	uint8_t image[SCSI_PR_IMAGE_MAX];

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		good.reg[i] = (struct scsi_pr_reg){.initiator = i, .key = 5};
	assert_int_equal(
		scsi_pr_load(&r->lu, image, scsi_pr_save(&good, image)), 0);
	assert_int_equal(r->lu.pr.holder, 1);
	for (int i = 0; i < 5; i++) {
		bad = good;
		if (i == 0)
			bad.type = 2;
		else if (i == 1)
			bad.holder = 2;
		else if (i == 2)
			bad.reg[1].key = 0;
		else if (i == 3)
			bad.reg[1].initiator = 0;
		else
			bad.count = 0;
		assert_int_equal(
			scsi_pr_load(&r->lu, image, scsi_pr_save(&bad, image)),
			XPV_EINVAL);
		assert_int_equal(r->lu.pr.count, 0);
	}
	ram_free(r);
}

static void old_reservations(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		const uint8_t *reserve = wide ? CDB(0x56) : CDB(0x16);
		const uint8_t *release = wide ? CDB(0x57) : CDB(0x17);
		uint32_t len = wide ? 10 : 6;

		r->nexus = HOLDER;
		assert_good(ram_in(r, reserve, len, 0));
		assert_good(ram_in(r, reserve, len, 0));
		for (uint32_t i = 0; i < XPV_ARRAY_SIZE(rules); i++) {
			assert_int_equal(conflicts(r, HOLDER, i),
					 rules[i].cdb[0] == 0x5e);
			assert_int_equal(conflicts(r, OTHER, i),
					 rules[i].old == 'c');
		}
		assert_int_equal(pr_out(r, HOLDER, REGISTER, 0, 0, 1), 0x18);
		r->nexus = OTHER;
		assert_int_equal(ram_in(r, reserve, len, 0), 0x18);
		assert_good(ram_in(r, release, len, 0)); /* does nothing */
		assert_int_equal(ram_in(r, CDB(0), 6, 0), 0x18);
		r->nexus = HOLDER;
		assert_good(ram_in(r, release, len, 0));
		r->nexus = OTHER;
		assert_good(ram_in(r, CDB(0), 6, 0));
	}
	ram_free(r);
}

static void old_reservations_end(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	r->nexus = HOLDER;
	assert_good(ram_in(r, CDB(0x16), 6, 0));
	scsi_lu_nexus_lost(&r->lu, OTHER);
	attention_is(r, HOLDER, 0);
	r->nexus = OTHER;
	assert_sense(r, ram_in(r, CDB(0), 6, 0), SENSE(6, 0x2907));
	assert_int_equal(ram_in(r, CDB(0), 6, 0), 0x18);
	scsi_lu_nexus_lost(&r->lu, HOLDER);
	attention_is(r, OTHER, 0);
	attention_is(r, HOLDER, SCSI_ASC_NEXUS_LOSS);
	assert_good(ram_in(r, CDB(0x16), 6, 0));
	scsi_lu_reset(&r->lu);
	attention_is(r, OTHER, SCSI_ASC_DEVICE_RESET);
	attention_is(r, HOLDER, SCSI_ASC_DEVICE_RESET);
	/* while anybody is registered they conflict */
	assert_good(pr_out(r, OTHER, REGISTER, 0, 0, 1));
	assert_int_equal(ram_in(r, CDB(0x16), 6, 0), 0x18);
	assert_int_equal(ram_in(r, CDB(0x17), 6, 0), 0x18);
	/* a reset leaves persistent ones alone */
	scsi_lu_reset(&r->lu);
	attention_is(r, STRANGER, SCSI_ASC_DEVICE_RESET);
	keys_are(r, 1, 1, 0);
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registering),
		cmocka_unit_test(table_full),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(reserve_and_release),
		cmocka_unit_test(who_may_do_what),
		cmocka_unit_test(no_command_is_forgotten),
		cmocka_unit_test(unregistering_releases),
		cmocka_unit_test(holder_stays_when_another_goes),
		cmocka_unit_test(clearing),
		cmocka_unit_test(preempting_the_holder),
		cmocka_unit_test(preempting_tells_those_who_stay),
		cmocka_unit_test(preempting_registrations),
		cmocka_unit_test(preempting_all_registrants),
		cmocka_unit_test(preempt_and_abort),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(full_status),
		cmocka_unit_test(kept_over_a_restart),
		cmocka_unit_test(kept_when_its_maker_has_gone),
		cmocka_unit_test(failed_save_changes_nothing),
		cmocka_unit_test(changes_take_turns),
		cmocka_unit_test(reserve_between_registers),
		cmocka_unit_test(damaged_images_are_refused),
		cmocka_unit_test(impossible_images_are_refused),
		cmocka_unit_test(old_reservations),
		cmocka_unit_test(old_reservations_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
