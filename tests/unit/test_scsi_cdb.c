/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of operation codes, and REPORT SUPPORTED OPERATION CODES. */
#include "test_scsi_ram.h"

static uint32_t op_count(void)
{
	return scsi_disk.op_count + scsi_common_op_count;
}

static const struct scsi_op *op_at(uint32_t i)
{
	if (i < scsi_disk.op_count)
		return &scsi_disk.ops[i];
	return &scsi_common_ops[i - scsi_disk.op_count];
}

static void rows_are_consistent(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < op_count(); i++) {
		const struct scsi_op *op = op_at(i);
		static const uint8_t len[8] = {6, 10, 10, 0, 16, 12, 0, 0};

		assert_int_equal(op->usage[0], op->opcode);
		assert_int_equal(op->cdb_len, len[op->opcode >> 5]);
		assert_non_null(op->name);
		assert_non_null(op->start);
		assert_int_equal(op->usage[op->cdb_len - 1], 0);
		if (op->flags & SCSI_OP_SA)
			assert_int_equal(op->usage[1] & 0x1f, 0x1f);
		if (op->access == SCSI_ACCESS_WRITE) {
			/* nobody else's write passes a reservation */
			assert_int_equal(op->allow, 0);
			assert_int_equal(op->dir, SCSI_DIR_OUT);
		}
		for (uint32_t k = 0; k < i; k++)
			assert_false(op_at(k)->opcode == op->opcode &&
				     op_at(k)->sa == op->sa);
	}
}

/* Every bit that no row names is refused, and the field pointer says which. */
static void reserved_bits_are_refused(void **state)
{
	struct ram *r = ram_default();
	uint8_t cdb[SCSI_CDB_MAX];

	(void)state;
	for (uint32_t i = 0; i < op_count(); i++) {
		const struct scsi_op *op = op_at(i);

		for (int bit = 8; bit < op->cdb_len * 8; bit++) {
			int byte = bit / 8;
			bool named = op->usage[byte] & (1 << bit % 8);
			bool lun = op->cdb_len == 6 && byte == 1 && bit >= 13;

			if (named || lun ||
			    (byte == op->cdb_len - 1 && bit % 8 != 2))
				continue;
			memset(cdb, 0, sizeof(cdb));
			cdb[0] = op->opcode;
			cdb[1] = op->sa;
			cdb[byte] |= (uint8_t)(1 << bit % 8);
			assert_int_equal(scsi_cdb_check(op, cdb, op->cdb_len),
					 bit);
			assert_sense(r, ram_in(r, cdb, op->cdb_len, 64),
				     BAD_CDB);
			assert_int_equal(r->task.sense[15], 0xc8 | bit % 8);
			assert_int_equal(scsi_get16(r->task.sense + 16), byte);
		}
	}
	ram_free(r);
}

static void naca_is_refused_the_rest_of_control_forgiven(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_sense(r, ram_in(r, CDB(0, 0, 0, 0, 0, 0x04), 6, 0), BAD_CDB);
	assert_good(ram_in(r, CDB(0, 0xe0, 0, 0, 0, 0xc3), 6, 0));
	ram_free(r);
}

static void short_cdbs_are_refused(void **state)
{
	struct ram *r = ram_default();
	uint32_t illegal = SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_OPCODE);

	(void)state;
	assert_sense(r, ram_in(r, CDB(0x28), 9, 512), BAD_CDB);
	assert_sense(r, ram_in(r, CDB(0), 5, 0), illegal);
	assert_sense(r, ram_in(r, CDB(0), 0, 0), illegal);
	assert_sense(r, ram_in(r, CDB(0), 17, 0), illegal);
	assert_sense(r, ram_in(r, CDB(0xff), 16, 0), illegal);
	ram_free(r);
}

static void unknown_service_action_points_at_it(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_sense(r, ram_in(r, CDB(0x9e, 0x1f), 16, 64), BAD_CDB);
	assert_int_equal(scsi_get16(r->task.sense + 16), 1);
	assert_sense(r, ram_in(r, CDB(0x5f, 0x07), 10, 0), BAD_CDB);
	ram_free(r);
}

#define RSOC(opt, op, sa, n)                                                   \
	CDB(0xa3, 0x0c, opt, op, 0, sa, 0, 0, (n) >> 8, (n)&0xff)

static void report_all_lists_each_row(void **state)
{
	struct ram *r = ram_default();
	uint32_t n = 0;

	(void)state;
	assert_good(ram_in(r, RSOC(0, 0, 0, 4096), 12, 4096));
	assert_int_equal(scsi_get32(r->data) + 4, r->task.in_len);
	assert_int_equal(r->task.in_len, 4 + 8 * op_count());
	for (n = 0; n < op_count(); n++) {
		const uint8_t *p = r->data + 4 + 8 * n;

		assert_int_equal(p[0], op_at(n)->opcode);
		assert_int_equal(scsi_get16(p + 2), op_at(n)->sa);
		assert_int_equal(p[5], op_at(n)->flags & SCSI_OP_SA);
		assert_int_equal(scsi_get16(p + 6), op_at(n)->cdb_len);
	}
	assert_good(ram_in(r, RSOC(0x80, 0, 0, 4096), 12, 4096));
	assert_int_equal(r->task.in_len, 4 + 20 * op_count());
	assert_int_equal(r->data[9] & 2, 2);
	assert_int_equal(scsi_get16(r->data + 12), 10);
	ram_free(r);
}

static void report_one(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	/* READ(10) */
	assert_good(ram_in(r, RSOC(1, 0x28, 0, 255), 12, 255));
	assert_int_equal(r->task.in_len, 14);
	assert_int_equal(r->data[1], 3);
	assert_int_equal(r->data[4], 0x28);
	assert_int_equal(r->data[5] & 0x18, 0x18);
	assert_good(ram_in(r, RSOC(0x81, 0x28, 0, 255), 12, 255));
	assert_int_equal(r->task.in_len, 26);
	assert_int_equal(r->data[1], 0x83);
	/* service actions want option 2, others 1, and 3 takes both */
	assert_sense(r, ram_in(r, RSOC(1, 0x9e, 0x10, 255), 12, 255), BAD_CDB);
	assert_sense(r, ram_in(r, RSOC(2, 0x28, 0, 255), 12, 255), BAD_CDB);
	assert_good(ram_in(r, RSOC(2, 0x9e, 0x10, 255), 12, 255));
	assert_int_equal(r->data[1], 3);
	assert_int_equal(r->data[5], 0x10);
	assert_good(ram_in(r, RSOC(3, 0x9e, 0x12, 255), 12, 255));
	assert_int_equal(r->data[1], 3);
	assert_good(ram_in(r, RSOC(3, 0x28, 0, 255), 12, 255));
	assert_int_equal(r->data[1], 3);
	assert_good(ram_in(r, RSOC(3, 0x28, 1, 255), 12, 255));
	assert_int_equal(r->data[1], 1);
	/* not there */
	assert_good(ram_in(r, RSOC(1, 0xff, 0, 255), 12, 255));
	assert_int_equal(r->task.in_len, 4);
	assert_int_equal(r->data[1], 1);
	assert_good(ram_in(r, RSOC(2, 0x9e, 0x1f, 255), 12, 255));
	assert_int_equal(r->data[1], 1);
	assert_sense(r, ram_in(r, RSOC(4, 0x28, 0, 255), 12, 255), BAD_CDB);
	ram_free(r);
}

/* Others use the medium without us: nothing may pretend to know of them. */
static void shared_disks_keep_nothing_between_initiators(void **state)
{
	static const uint8_t gone[] = {0x16, 0x17, 0x56, 0x57,
				       0x5e, 0x5f, 0x89};
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	(void)state;
	cfg.shared = true;
	r = ram_new(&cfg);
	for (uint32_t i = 0; i < sizeof(gone); i++)
		assert_sense(r, ram_in(r, CDB(gone[i]), 10, 64),
			     SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_OPCODE));
	ram_free(r);
}

static void thick_disks_have_no_unmap(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	(void)state;
	cfg.thin = false;
	r = ram_new(&cfg);
	assert_sense(r, ram_in(r, CDB(0x42), 10, 0),
		     SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_OPCODE));
	assert_good(ram_in(r, RSOC(1, 0x42, 0, 255), 12, 255));
	assert_int_equal(r->data[1], 1);
	assert_good(ram_in(r, RSOC(0, 0, 0, 4096), 12, 4096));
	assert_int_equal(r->task.in_len, 4 + 8 * (op_count() - 1));
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_consistent),
		cmocka_unit_test(reserved_bits_are_refused),
		cmocka_unit_test(naca_is_refused_the_rest_of_control_forgiven),
		cmocka_unit_test(short_cdbs_are_refused),
		cmocka_unit_test(unknown_service_action_points_at_it),
		cmocka_unit_test(report_all_lists_each_row),
		cmocka_unit_test(report_one),
		cmocka_unit_test(shared_disks_keep_nothing_between_initiators),
		cmocka_unit_test(thick_disks_have_no_unmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
