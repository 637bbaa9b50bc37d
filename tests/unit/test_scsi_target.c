/* SPDX-License-Identifier: BSD-2-Clause */
/* What a target answers for units that are not there, and REPORT LUNS. */
#include "test_scsi_ram.h"

#include "scsi/target.h"

static uint16_t luns[9000];

static void task(struct ram *r, const uint8_t *cdb, uint32_t len, uint32_t room)
{
	free(r->data);
	ram_task(r, &r->task, cdb, len, NULL, 0, room);
	r->data = r->task.data;
}

static uint8_t report(struct ram *r, uint8_t select, uint32_t count,
		      uint32_t alloc_len, uint32_t room)
{
	uint8_t cdb[SCSI_CDB_MAX] = {0xa0, 0, select};

	scsi_put32(cdb + 6, alloc_len);
	task(r, cdb, 12, room);
	assert_true(scsi_target_wants(&r->task));
	scsi_target_report_luns(&r->task, luns, count);
	ram_done(&r->task);
	return r->task.status;
}

static void report_luns(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	luns[1] = 1;
	luns[2] = 255;
	luns[3] = 256;
	luns[4] = 16383;
	assert_good(report(r, 0, 5, 256, 256));
	assert_int_equal(r->task.in_len, 48);
	assert_int_equal(r->task.residual, 208);
	assert_int_equal(scsi_get32(r->data), 40);
	assert_int_equal(scsi_get64(r->data + 8), 0);
	assert_int_equal(scsi_get64(r->data + 16), 1ull << 48);
	assert_int_equal(scsi_get64(r->data + 24), 255ull << 48);
	assert_int_equal(scsi_get64(r->data + 32), 0x4100ull << 48);
	assert_int_equal(scsi_get64(r->data + 40), 0x7fffull << 48);
	assert_good(report(r, 2, 5, 256, 256));
	assert_int_equal(r->task.in_len, 48);
	assert_good(report(r, 1, 5, 256, 256));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(scsi_get32(r->data), 0);
	assert_sense(r, report(r, 3, 5, 256, 256), BAD_CDB);
	for (uint32_t len = 0; len < 16; len++)
		assert_sense(r, report(r, 0, 5, len, 256), BAD_CDB);
	for (uint32_t len = 16; len < 60; len++) {
		assert_good(report(r, 0, 5, len, 256));
		assert_int_equal(r->task.in_len, len < 48 ? len : 48);
		assert_int_equal(scsi_get32(r->data), 40);
		assert_good(report(r, 0, 5, 256, len - 16));
		assert_int_equal(r->task.in_len, len - 16 < 48 ? len - 16 : 48);
	}
	ram_free(r);
}

static void long_lists(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (uint16_t i = 0; i < 9000; i++)
		luns[i] = i;
	assert_good(report(r, 0, 9000, 65536, 65536));
	assert_int_equal(r->task.in_len, 65536);
	assert_int_equal(scsi_get32(r->data), 72000);
	assert_int_equal(scsi_get16(r->data + 65528), 0x4000 | 8190);
	assert_good(report(r, 0, 9000, UINT32_MAX, 80000));
	assert_int_equal(r->task.in_len, 72008);
	ram_free(r);
}

static void absent_units(void **state)
{
	struct ram *r = ram_default();
	uint32_t absent = SENSE(5, 0x2500);

	(void)state;
	for (uint32_t op = 0; op < 256; op++) {
		task(r, CDB((uint8_t)op), 16, 64);
		scsi_target_absent(&r->task);
		ram_done(&r->task);
		if (op != 0x12 && op != 0x03)
			assert_sense(r, r->task.status, absent);
		else
			assert_good(r->task.status);
	}
	task(r, CDB(0x12, 0, 0, 0, 36), 6, 36);
	scsi_target_absent(&r->task);
	assert_int_equal(r->data[0], 0x7f);
	assert_int_equal(r->data[4], 31);
	assert_int_equal(r->task.in_len, 36);
	task(r, CDB(0x12, 1, 0, 0, 36), 6, 36);
	scsi_target_absent(&r->task);
	assert_sense(r, r->task.status, BAD_CDB);
	task(r, CDB(0x12, 0, 9, 0, 36), 6, 36);
	scsi_target_absent(&r->task);
	assert_sense(r, r->task.status, BAD_CDB);
	task(r, CDB(0x03, 0, 0, 0, 18), 6, 36);
	scsi_target_absent(&r->task);
	assert_int_equal(r->data[2], 5);
	assert_int_equal(scsi_get16(r->data + 12), 0x2500);
	assert_int_equal(r->task.residual, 18);
	task(r, CDB(0x03, 1, 0, 0, 18), 6, 36);
	scsi_target_absent(&r->task);
	assert_int_equal(r->data[0], 0x72);
	task(r, CDB(0xa0), 11, 36);
	assert_false(scsi_target_wants(&r->task));
	task(r, CDB(0x12), 5, 36);
	scsi_target_absent(&r->task);
	assert_sense(r, r->task.status, absent);
	ram_free(r);
}

/* The unit's own answer, for a target of one. */
static void report_luns_of_a_unit(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_good(ram_in(r, CDB(0xa0, [9] = 16), 12, 16));
	assert_int_equal(r->task.in_len, 16);
	assert_int_equal(scsi_get32(r->data), 8);
	assert_int_equal(scsi_get64(r->data + 8), 0);
	assert_good(ram_in(r, CDB(0xa0, 0, 1, [9] = 16), 12, 16));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(scsi_get32(r->data), 0);
	assert_sense(r, ram_in(r, CDB(0xa0, 0, 3, [9] = 16), 12, 16), BAD_CDB);
	assert_sense(r, ram_in(r, CDB(0xa0, 0, 0, [9] = 15), 12, 16), BAD_CDB);
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_luns),
		cmocka_unit_test(long_lists),
		cmocka_unit_test(absent_units),
		cmocka_unit_test(report_luns_of_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
