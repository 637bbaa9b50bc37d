/* SPDX-License-Identifier: BSD-2-Clause */
/* Sense data, REQUEST SENSE, and unit attentions. */
#include "test_scsi_ram.h"

static uint8_t tur(struct ram *r, uint32_t nexus)
{
	r->nexus = nexus;
	return ram_in(r, CDB(0), 6, 0);
}

static void fixed_format(void **state)
{
	struct ram *r = ram_default();
	static const uint8_t want[18] = {0x70, 0,  5, 0,	0, 0,
					 0,    10, 0, 0,	0, 0,
					 0x24, 0,  0, 0xc8 | 7, 0, 2};

	(void)state;
	ram_in(r, CDB(0x12, 0, 1, 0, 96), 6, 96);
	assert_int_equal(r->task.sense_len, 18);
	assert_memory_equal(r->task.sense, want, 18);
	assert_int_equal(r->task.residual, 96);
	ram_free(r);
}

static void descriptor_format(void **state)
{
	struct ram *r = ram_default();
	static const uint8_t want[16] = {0x72, 5, 0x24, 0, 0,	     0, 0, 8,
					 2,    6, 0,	0, 0xc8 | 7, 0, 2, 0};
	static const uint8_t info[20] = {0x72, 0xe, 0x1d, 0, 0, 0, 0, 12, 0, 10,
					 0x80, 0,   0,	  0, 0, 0, 0, 0,  2, 1};
	uint8_t block[1024] = {[513] = 1};

	(void)state;
	r->lu.mode.desc_sense = true;
	ram_in(r, CDB(0x12, 0, 1, 0, 96), 6, 96);
	assert_int_equal(r->task.sense_len, 16);
	assert_memory_equal(r->task.sense, want, 16);
	ram_out(r, CDB(0x2f, 2, [8] = 2), 10, block, 1024);
	assert_int_equal(r->task.sense_len, 20);
	assert_memory_equal(r->task.sense, info, 20);
	ram_free(r);
}

/* INFORMATION that does not fit into 32 bits is not valid in fixed format. */
static void large_information(void **state)
{
	struct ram *r = ram_default();
	struct scsi_task *t = &r->task;

	(void)state;
	scsi_check_info(&r->lu, t, 3, 0x1100, UINT32_MAX);
	assert_int_equal(t->sense[0], 0xf0);
	assert_int_equal(scsi_get32(t->sense + 3), UINT32_MAX);
	scsi_check_info(&r->lu, t, 3, 0x1100, UINT32_MAX + 1ull);
	assert_int_equal(t->sense[0], 0x70);
	assert_int_equal(scsi_get32(t->sense + 3), 0);
	r->lu.mode.desc_sense = true;
	scsi_check_info(&r->lu, t, 3, 0x1100, UINT32_MAX + 1ull);
	assert_int_equal(scsi_get64(t->sense + 12), UINT32_MAX + 1ull);
	ram_free(r);
}

static struct ram *powered_on(void)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);

	cfg.resumed = false;
	return ram_new(&cfg);
}

static void power_on(void **state)
{
	struct ram *r = powered_on();

	(void)state;
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++) {
		r->nexus = i;
		/* these neither report nor clear it */
		assert_good(ram_in(r, CDB(0x12, 0, 0, 0, 96), 6, 96));
		assert_good(ram_in(r, CDB(0xa0, [9] = 16), 12, 16));
		assert_sense(r, tur(r, i), SENSE(6, 0x2900));
		assert_good(tur(r, i));
	}
	ram_free(r);
}

/* Also before an operation code that there is not. */
static void before_an_unknown_command(void **state)
{
	struct ram *r = powered_on();

	(void)state;
	assert_sense(r, ram_in(r, CDB(0xff), 16, 0), SENSE(6, 0x2900));
	assert_sense(r, ram_in(r, CDB(0xff), 16, 0), SENSE(5, 0x2000));
	ram_free(r);
}

static void request_sense_clears(void **state)
{
	struct ram *r = powered_on();

	(void)state;
	assert_good(ram_in(r, CDB(3, 0, 0, 0, 18), 6, 18));
	assert_int_equal(r->task.in_len, 18);
	assert_int_equal(r->data[0], 0x70);
	assert_int_equal(r->data[2], 6);
	assert_int_equal(scsi_get16(r->data + 12), 0x2900);
	assert_good(ram_in(r, CDB(3, 0, 0, 0, 18), 6, 18));
	assert_int_equal(r->data[2], 0);
	assert_good(tur(r, 0));
	/* in descriptor format, whatever D_SENSE says */
	assert_good(ram_in(r, CDB(3, 1, 0, 0, 18), 6, 18));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(r->data[0], 0x72);
	ram_free(r);
}

/* In the order in which they came, each once. */
static void in_order(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	scsi_lu_attention(&r->lu, 1, SCSI_UA_LUNS);
	scsi_lu_attention(&r->lu, 1, SCSI_UA_CAPACITY);
	scsi_lu_attention(&r->lu, 1, SCSI_UA_LUNS);
	scsi_lu_attention(&r->lu, 1, SCSI_UA_MODE);
	scsi_lu_attention(&r->lu, 1, SCSI_UA_COMMANDS_CLEARED);
	assert_good(tur(r, 0));
	assert_sense(r, tur(r, 1), SENSE(6, 0x3f0e));
	assert_sense(r, tur(r, 1), SENSE(6, 0x2a09));
	assert_sense(r, tur(r, 1), SENSE(6, 0x2a01));
	assert_sense(r, tur(r, 1), SENSE(6, 0x2f00));
	assert_good(tur(r, 1));
	ram_free(r);
}

static void report_luns_clears_its_own(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	scsi_lu_attention(&r->lu, 0, SCSI_UA_LUNS);
	scsi_lu_attention(&r->lu, 0, SCSI_UA_MODE);
	assert_good(ram_in(r, CDB(0xa0, [9] = 16), 12, 16));
	assert_sense(r, tur(r, 0), SENSE(6, 0x2a01));
	assert_good(tur(r, 0));
	assert_int_equal(scsi_lu_attention_take(&r->lu, 0), 0);
	ram_free(r);
}

/* A reset says it all; the stronger one stays. */
static void resets_replace_the_rest(void **state)
{
	struct ram *r = powered_on();

	(void)state;
	scsi_lu_reset(&r->lu);
	assert_sense(r, tur(r, 0), SENSE(6, 0x2900));
	assert_good(tur(r, 0));
	scsi_lu_attention(&r->lu, 0, SCSI_UA_MODE);
	scsi_lu_reset(&r->lu);
	scsi_lu_attention(&r->lu, 0, SCSI_UA_CAPACITY);
	assert_sense(r, tur(r, 0), SENSE(6, 0x2903));
	assert_sense(r, tur(r, 0), SENSE(6, 0x2a09));
	assert_good(tur(r, 0));
	ram_free(r);
}

/* Every kind at once fits, and twice as well. */
static void all_kinds_fit(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (int twice = 0; twice < 2; twice++)
		for (int ua = 0; ua < SCSI_UA_COUNT; ua++)
			scsi_lu_attention(&r->lu, 0, (enum scsi_ua)ua);
	assert_true(r->lu.nexus[0].ua_count <= SCSI_UA_COUNT);
	assert_sense(r, tur(r, 0), SENSE(6, 0x2900));
	ram_free(r);
}

/* SAM-5 5.3.3: a reset comes before a conflict, the others after it. */
static void precedence_over_conflicts(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	r->nexus = 0;
	assert_good(ram_in(r, CDB(0x16), 6, 0));
	scsi_lu_attention(&r->lu, 1, SCSI_UA_MODE);
	assert_int_equal(tur(r, 1), SCSI_RESERVATION_CONFLICT);
	scsi_lu_attention(&r->lu, 1, SCSI_UA_NEXUS_LOSS);
	assert_sense(r, tur(r, 1), SENSE(6, 0x2907));
	assert_int_equal(tur(r, 1), SCSI_RESERVATION_CONFLICT);
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_format),
		cmocka_unit_test(descriptor_format),
		cmocka_unit_test(large_information),
		cmocka_unit_test(power_on),
		cmocka_unit_test(before_an_unknown_command),
		cmocka_unit_test(request_sense_clears),
		cmocka_unit_test(in_order),
		cmocka_unit_test(report_luns_clears_its_own),
		cmocka_unit_test(resets_replace_the_rest),
		cmocka_unit_test(all_kinds_fit),
		cmocka_unit_test(precedence_over_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
