/* SPDX-License-Identifier: BSD-2-Clause */
/* A medium changer: what it tells of its elements, and moving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scsi/bytes.h"
#include "scsi/lu_changer.h"
#include "scsi/sense.h"

#define CDB(...) ((const uint8_t[SCSI_CDB_MAX]){__VA_ARGS__})
#define DRIVES	 2u
#define SLOTS	 4u

struct rig {
	struct scsi_lu lu;
	struct scsi_changer changer;
	struct scsi_task task;
	uint8_t data[4096], scratch[SCSI_SCRATCH_MIN];
	int moves, rc;
	enum scsi_io_op op;
	uint64_t from, to, second;
};

static struct rig *rig_new(void)
{
	struct scsi_lu_cfg cfg = {.type = &scsi_changer, .resumed = true};
	struct rig *r = calloc(1, sizeof(*r));
	struct scsi_changer *c;

	assert_non_null(r);
	c = &r->changer;
	cfg.own = c;
	assert_int_equal(scsi_lu_init(&r->lu, &cfg), XPV_EINVAL);
	c->drives = DRIVES;
	c->slots = SLOTS;
	for (uint32_t i = 0; i < DRIVES + SLOTS; i++)
		c->element[i].source = CHANGER_NOWHERE;
	strcpy(c->element[DRIVES].barcode, "XP0001L6");
	strcpy(c->element[DRIVES + 2].barcode, "XP0002L6");
	strcpy(c->serial[0], "0123D0");
	strcpy(c->serial[1], "0123D1");
	assert_int_equal(scsi_lu_init(&r->lu, &cfg), 0);
	return r;
}

static uint8_t run(struct rig *r, const uint8_t *cdb, uint8_t len, uint32_t in)
{
	enum scsi_step step;

	scsi_task_init(&r->task);
	memcpy(r->task.cdb, cdb, SCSI_CDB_MAX);
	r->task.cdb_len = len;
	r->task.data = r->data;
	r->task.in_max = in;
	r->task.scratch = r->scratch;
	r->task.scratch_len = sizeof(r->scratch);
	step = scsi_lu_start(&r->lu, &r->task);
	while (step == SCSI_STEP_IO) {
		r->op = r->task.io.op;
		r->moves++;
		r->from = r->task.io.offset;
		r->to = r->task.io.len;
		r->second = r->task.io.second;
		step = scsi_lu_resume(&r->lu, &r->task, r->rc);
	}
	assert_int_equal(step, SCSI_STEP_DONE);
	return r->task.status;
}

static uint8_t move(struct rig *r, uint16_t from, uint16_t to)
{
	return run(r,
		   CDB(0xa5, 0, 0, 0, (uint8_t)(from >> 8), (uint8_t)from,
		       (uint8_t)(to >> 8), (uint8_t)to),
		   12, 0);
}

static uint8_t exchange(struct rig *r, uint16_t from, uint16_t to,
			uint16_t second)
{
	return run(r,
		   CDB(0xa6, 0, 0, 0, (uint8_t)(from >> 8), (uint8_t)from,
		       (uint8_t)(to >> 8), (uint8_t)to, (uint8_t)(second >> 8),
		       (uint8_t)second),
		   12, 0);
}

/* READ ELEMENT STATUS of N elements from START on. */
static uint8_t status(struct rig *r, uint8_t type, uint16_t start, uint16_t n,
		      bool ids)
{
	return run(r,
		   CDB(0xb8, type, (uint8_t)(start >> 8), (uint8_t)start,
		       (uint8_t)(n >> 8), (uint8_t)n, ids, 0, 0x10, 0),
		   12, 4096);
}

#define assert_good(status) assert_int_equal((status), SCSI_GOOD)
#define assert_illegal(r, status, asc)                                         \
	do {                                                                   \
		assert_int_equal((status), SCSI_CHECK_CONDITION);              \
		assert_int_equal((r)->task.sense[2], 0x05);                    \
		assert_int_equal(scsi_get16((r)->task.sense + 12), (asc));     \
	} while (0)

static void test_status(void **state)
{
	struct rig *r = rig_new();
	const uint8_t *p = r->data;

	(void)state;
	/* all, with volume tags */
	assert_good(status(r, 0x10, 0, 0xffff, false));
	assert_int_equal(scsi_get16(p), CHANGER_TRANSPORT);
	assert_int_equal(scsi_get16(p + 2), 1 + DRIVES + SLOTS);
	assert_int_equal(scsi_get24(p + 5) + 8u, r->task.in_len);
	assert_int_equal(r->task.in_len, 8 + 3 * 8 + (1 + DRIVES + SLOTS) * 52);
	p += 8; /* the transport */
	assert_int_equal(p[0], 1);
	assert_int_equal(p[1], 0x80);
	assert_int_equal(scsi_get16(p + 2), 52);
	assert_int_equal(scsi_get24(p + 5), 52);
	p += 8 + 52; /* drives */
	assert_int_equal(p[0], 4);
	assert_int_equal(scsi_get16(p + 8), CHANGER_DRIVE);
	assert_int_equal(p[10], 0x08);
	p += 8 + 2 * 52; /* slots */
	assert_int_equal(p[0], 2);
	assert_int_equal(scsi_get16(p + 8), CHANGER_SLOT);
	assert_int_equal(p[10], 0x09);
	assert_memory_equal(p + 8 + 12, "XP0001L6                        \0\0",
			    34);
	assert_int_equal(p[8 + 52 + 2], 0x08); /* the next is empty */
	assert_int_equal(p[8 + 52 + 12], 0);
	/* some of one type */
	assert_good(status(r, 0x02, CHANGER_SLOT + 1, 2, false));
	assert_int_equal(scsi_get16(r->data), CHANGER_SLOT + 1);
	assert_int_equal(scsi_get16(r->data + 2), 2);
	assert_int_equal(r->task.in_len, 8 + 8 + 2 * 16);
	/* none */
	assert_good(status(r, 0x02, CHANGER_SLOT + SLOTS, 2, false));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(scsi_get16(r->data + 2), 0);
	assert_illegal(r, status(r, 0x05, 0, 1, false), SCSI_ASC_CDB_FIELD);
	free(r);
}

/* By what an initiator finds the unit of a drive. */
static void test_ids(void **state)
{
	struct rig *r = rig_new();
	const uint8_t *p = r->data + 16;

	(void)state;
	assert_good(status(r, 0x14, 0, 0xffff, true));
	p += scsi_get16(r->data + 10) + 12 + 36; /* of the second */
	assert_int_equal(p[0], 2);
	assert_int_equal(p[1], 1);
	assert_int_equal(p[3], 30);
	assert_memory_equal(p + 4, "XENPV   Ultrium 6-VTL   0123D1", 30);
	free(r);
}

static void test_move(void **state)
{
	struct rig *r = rig_new();
	const uint8_t *p = r->data + 16;

	(void)state;
	assert_good(move(r, CHANGER_SLOT, CHANGER_DRIVE + 1));
	assert_int_equal(r->op, SCSI_IO_MOVE);
	assert_int_equal(r->from, DRIVES);
	assert_int_equal(r->to, 1);
	/* it says where it came from */
	assert_good(status(r, 0x14, CHANGER_DRIVE + 1, 1, false));
	assert_int_equal(p[2], 0x09);
	assert_int_equal(p[9], 0x81);
	assert_int_equal(scsi_get16(p + 10), CHANGER_SLOT);
	assert_memory_equal(p + 12, "XP0001L6 ", 9);
	assert_illegal(r, move(r, CHANGER_SLOT, CHANGER_DRIVE),
		       SCSI_ASC_SOURCE_EMPTY);
	assert_illegal(r, move(r, CHANGER_SLOT + 2, CHANGER_DRIVE + 1),
		       SCSI_ASC_DESTINATION_FULL);
	assert_illegal(r, move(r, CHANGER_SLOT + SLOTS, CHANGER_DRIVE),
		       SCSI_ASC_ELEMENT);
	assert_illegal(r, move(r, CHANGER_DRIVE + 1, CHANGER_DRIVE + DRIVES),
		       SCSI_ASC_ELEMENT);
	assert_int_equal(r->moves, 1);
	assert_good(move(r, CHANGER_DRIVE + 1, CHANGER_DRIVE + 1));
	assert_int_equal(r->moves, 1);
	/* from drive to drive: the slot is known still */
	assert_good(move(r, CHANGER_DRIVE + 1, CHANGER_DRIVE));
	assert_int_equal(r->changer.element[0].source, CHANGER_SLOT);
	/* what cannot be moved stays */
	r->rc = XPV_EACCES;
	assert_illegal(r, move(r, CHANGER_DRIVE, CHANGER_SLOT),
		       SCSI_ASC_REMOVAL_PREVENTED);
	r->rc = XPV_EBUSY;
	assert_int_equal(move(r, CHANGER_DRIVE, CHANGER_SLOT), SCSI_BUSY);
	r->rc = XPV_EIO;
	assert_int_equal(move(r, CHANGER_DRIVE, CHANGER_SLOT),
			 SCSI_CHECK_CONDITION);
	assert_string_equal(r->changer.element[0].barcode, "XP0001L6");
	r->rc = 0;
	assert_good(move(r, CHANGER_DRIVE, CHANGER_SLOT + 3));
	assert_int_equal(r->changer.element[DRIVES + 3].source, CHANGER_SLOT);
	free(r);
}

/* What is in each element, and the slots they came from. */
static void assert_places(const struct rig *r, const char *const *barcode,
			  const uint16_t *source)
{
	for (uint32_t i = 0; i < DRIVES + SLOTS; i++) {
		assert_string_equal(r->changer.element[i].barcode, barcode[i]);
		assert_int_equal(r->changer.element[i].source, source[i]);
	}
}

static void test_exchange(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_good(move(r, CHANGER_SLOT, CHANGER_DRIVE + 1));
	/* what is in the drive goes to where the other was */
	assert_good(exchange(r, CHANGER_SLOT + 2, CHANGER_DRIVE + 1,
			     CHANGER_SLOT + 2));
	assert_int_equal(r->op, SCSI_IO_SWAP);
	assert_int_equal(r->from, DRIVES + 2);
	assert_int_equal(r->to, 1);
	assert_int_equal(r->second, DRIVES + 2);
	assert_places(
		r,
		(const char *const[]){"", "XP0002L6", "", "", "XP0001L6", ""},
		(const uint16_t[]){CHANGER_NOWHERE, CHANGER_SLOT + 2,
				   CHANGER_NOWHERE, CHANGER_NOWHERE,
				   CHANGER_SLOT, CHANGER_NOWHERE});
	/* or somewhere else; between slots, too */
	assert_good(exchange(r, CHANGER_DRIVE + 1, CHANGER_SLOT + 2,
			     CHANGER_DRIVE));
	assert_places(
		r,
		(const char *const[]){"XP0001L6", "", "", "", "XP0002L6", ""},
		(const uint16_t[]){CHANGER_SLOT + 2, CHANGER_NOWHERE,
				   CHANGER_NOWHERE, CHANGER_NOWHERE,
				   CHANGER_SLOT + 2, CHANGER_NOWHERE});
	assert_int_equal(r->moves, 3);
	free(r);
}

static void test_exchange_refused(void **state)
{
	struct rig *r = rig_new();
	const struct scsi_changer before = r->changer;

	(void)state;
	/* an empty one is neither exchanged nor exchanged with */
	assert_illegal(
		r,
		exchange(r, CHANGER_SLOT + 1, CHANGER_SLOT, CHANGER_SLOT + 1),
		SCSI_ASC_SOURCE_EMPTY);
	assert_illegal(
		r, exchange(r, CHANGER_SLOT, CHANGER_SLOT + 1, CHANGER_SLOT),
		SCSI_ASC_SOURCE_EMPTY);
	/* with the first, nor to its own place */
	assert_illegal(
		r, exchange(r, CHANGER_SLOT, CHANGER_SLOT, CHANGER_SLOT + 1),
		SCSI_ASC_CDB_FIELD);
	assert_illegal(
		r,
		exchange(r, CHANGER_SLOT, CHANGER_SLOT + 2, CHANGER_SLOT + 2),
		SCSI_ASC_DESTINATION_FULL);
	/* no such element */
	assert_illegal(r,
		       exchange(r, CHANGER_SLOT + SLOTS, CHANGER_SLOT,
				CHANGER_SLOT + 1),
		       SCSI_ASC_ELEMENT);
	assert_illegal(
		r,
		exchange(r, CHANGER_SLOT, CHANGER_DRIVE + DRIVES, CHANGER_SLOT),
		SCSI_ASC_ELEMENT);
	assert_illegal(
		r,
		exchange(r, CHANGER_SLOT, CHANGER_SLOT + 2, CHANGER_TRANSPORT),
		SCSI_ASC_ELEMENT);
	assert_illegal(r,
		       run(r, CDB(0xa6, 0, 0, 1, 4, 0, 4, 2, 4, 0, 0), 12, 0),
		       SCSI_ASC_ELEMENT);
	/* nothing can be turned over */
	assert_illegal(r,
		       run(r, CDB(0xa6, 0, 0, 0, 4, 0, 4, 2, 4, 0, 1), 12, 0),
		       SCSI_ASC_CDB_FIELD);
	assert_illegal(r,
		       run(r, CDB(0xa6, 0, 0, 0, 4, 0, 4, 2, 4, 0, 2), 12, 0),
		       SCSI_ASC_CDB_FIELD);
	assert_int_equal(r->moves, 0);
	/* what could not be done has changed nothing */
	r->rc = XPV_EACCES;
	assert_illegal(
		r, exchange(r, CHANGER_SLOT, CHANGER_SLOT + 2, CHANGER_SLOT),
		SCSI_ASC_REMOVAL_PREVENTED);
	r->rc = XPV_EBUSY;
	assert_int_equal(
		exchange(r, CHANGER_SLOT, CHANGER_SLOT + 2, CHANGER_SLOT),
		SCSI_BUSY);
	assert_int_equal(r->moves, 2);
	assert_memory_equal(&r->changer, &before, sizeof(before));
	free(r);
}

static void test_tells(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_good(run(r, CDB(0x12, 0, 0, 0, 96), 6, 96));
	assert_int_equal(r->data[0], 0x08);
	assert_good(run(r, CDB(0x1a, 0x08, 0x1d, 0, 255), 6, 255));
	assert_int_equal(scsi_get16(r->data + 4 + 6), CHANGER_SLOT);
	assert_int_equal(scsi_get16(r->data + 4 + 8), SLOTS);
	assert_int_equal(scsi_get16(r->data + 4 + 14), CHANGER_DRIVE);
	assert_int_equal(scsi_get16(r->data + 4 + 16), DRIVES);
	assert_good(run(r, CDB(0x1a, 0x08, 0x1f, 0, 255), 6, 255));
	assert_int_equal(r->data[4 + 5], 0x0a);
	assert_int_equal(r->data[4 + 7], 0x0a);
	assert_int_equal(r->data[4 + 13], 0x0a); /* to exchange */
	assert_int_equal(r->data[4 + 15], 0x0a);
	/* REPORT SUPPORTED OPERATION CODES, of EXCHANGE MEDIUM */
	assert_good(
		run(r, CDB(0xa3, 0x0c, 0x01, 0xa6, 0, 0, 0, 0, 0, 64), 12, 64));
	assert_int_equal(r->data[1] & 0x07, 3);
	assert_int_equal(scsi_get16(r->data + 2), 12);
	assert_memory_equal(r->data + 4,
			    "\xa6\0\xff\xff\xff\xff\xff\xff\xff\xff\x03\0", 12);
	assert_good(run(r, CDB(0x07), 6, 0));
	assert_good(run(r, CDB(0x2b, 0, 0, 0, 1, 1), 10, 0));
	assert_illegal(r, run(r, CDB(0x2b, 0, 0, 0, 2, 0), 10, 0),
		       SCSI_ASC_ELEMENT);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_exchange_refused),
		cmocka_unit_test(test_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
