/* SPDX-License-Identifier: BSD-2-Clause */
/* scsi/again: each command that changes what is on a tape, or where it stands,
 * must not be executed twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scsi/again.h"
#include "scsi/lu_disk.h"

static enum scsi_again again(uint8_t type, uint8_t op, uint8_t sa)
{
	const uint8_t cdb[16] = {op, sa};

	return scsi_again(type, cdb);
}

/* SSC-4 table 14, SMC-3 table 10: what moves or writes. */
static void test_tapes_and_changers(void **state)
{
	static const uint8_t tape[] = {0x01 /* REWIND */,
				       0x04 /* FORMAT MEDIUM */,
				       0x08 /* READ(6) */,
				       0x0a /* WRITE(6) */,
				       0x0b /* SET CAPACITY */,
				       0x0f /* READ REVERSE(6) */,
				       0x10 /* WRITE FILEMARKS */,
				       0x11 /* SPACE(6) */,
				       0x13 /* VERIFY(6) */,
				       0x19 /* ERASE(6) */,
				       0x1b /* LOAD UNLOAD */,
				       0x2b /* LOCATE(10) */,
				       0x80 /* WRITE FILEMARKS(16) */,
				       0x88 /* READ(16) */,
				       0x8a /* WRITE(16) */,
				       0x8d /* WRITE ATTRIBUTE */,
				       0x8f /* VERIFY(16) */,
				       0x91 /* SPACE(16) */,
				       0x92 /* LOCATE(16) */,
				       0x93 /* ERASE(16) */,
				       0x03 /* REQUEST SENSE */,
				       0x5f /* PERSISTENT RESERVE OUT */,
				       0x15 /* MODE SELECT(6) */};
	static const uint8_t changer[] = {0x07, 0xa5 /* MOVE MEDIUM */,
					  0xa6 /* EXCHANGE MEDIUM */,
					  0x2b /* POSITION TO ELEMENT */};
	uint32_t i;

	(void)state;
	for (i = 0; i < sizeof(tape); i++)
		assert_int_equal(again(1, tape[i], 0), SCSI_AGAIN_NO);
	for (i = 0; i < sizeof(changer); i++)
		assert_int_equal(again(8, changer[i], 0), SCSI_AGAIN_NO);
	assert_int_equal(again(1, 0x34, 0), SCSI_AGAIN_READS);
	assert_int_equal(again(8, 0xb8, 0), SCSI_AGAIN_READS);
	assert_int_equal(again(1, 0x00, 0), SCSI_AGAIN_READS);
	/* of a device that nobody knows, nothing but questions */
	assert_int_equal(again(0x1f, 0x0a, 0), SCSI_AGAIN_NO);
	assert_int_equal(again(0x1f, 0x28, 0), SCSI_AGAIN_NO);
	assert_int_equal(again(0x1f, 0x12, 0), SCSI_AGAIN_READS);
}

static void test_disks(void **state)
{
	(void)state;
	assert_int_equal(again(0, 0x28, 0), SCSI_AGAIN_READS);
	assert_int_equal(again(0, 0x2a, 0), SCSI_AGAIN_WRITES);
	assert_int_equal(again(0, 0x89, 0), SCSI_AGAIN_NO); /* COMPARE AND
							       WRITE */
	assert_int_equal(again(0, 0x5f, 0), SCSI_AGAIN_NO);
	assert_int_equal(again(0, 0x9e, 0x10), SCSI_AGAIN_READS);
	assert_int_equal(again(0, 0x9e, 0x14), SCSI_AGAIN_NO);
	assert_int_equal(again(0, 0xa3, 0x0c), SCSI_AGAIN_READS);
	assert_int_equal(again(0, 0xa4, 0x06), SCSI_AGAIN_NO);
	assert_int_equal(again(5, 0x28, 0), SCSI_AGAIN_READS);
	assert_int_equal(again(5, 0x2a, 0), SCSI_AGAIN_NO);
}

/* Whatever our disk executes, this table has thought of. */
static void test_all_of_lu_disk(void **state)
{
	uint32_t i, no = 0;

	(void)state;
	for (i = 0; i < scsi_disk.op_count; i++) {
		const struct scsi_op *op = &scsi_disk.ops[i];
		enum scsi_again is = again(0, op->opcode, op->sa);

		if (op->access == SCSI_ACCESS_WRITE)
			assert_int_not_equal(is, SCSI_AGAIN_READS);
		no += is == SCSI_AGAIN_NO;
	}
	assert_int_equal(no, 1); /* COMPARE AND WRITE */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tapes_and_changers),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_all_of_lu_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
