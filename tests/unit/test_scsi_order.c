/* SPDX-License-Identifier: BSD-2-Clause */
/* Who waits for whom, cancelling, resets, and changes of size. */
#include "test_scsi_ram.h"

#define N 6

struct many {
	struct ram *r;
	struct scsi_task t[N];
	uint8_t *scratch[N];
};

static void many_init(struct many *m)
{
	m->r = ram_default();
	for (int i = 0; i < N; i++)
		m->scratch[i] = malloc(SCSI_SCRATCH_MIN);
	memset(m->t, 0, sizeof(m->t));
}

static void many_free(struct many *m)
{
	for (int i = 0; i < N; i++) {
		free(m->scratch[i]);
		free(m->t[i].data);
	}
	ram_free(m->r);
}

static enum scsi_step start(struct many *m, int i, const uint8_t *cdb,
			    uint32_t len, const void *out, uint32_t out_len,
			    uint32_t in_max)
{
	free(m->t[i].data);
	ram_task(m->r, &m->t[i], cdb, len, out, out_len, in_max);
	m->t[i].scratch = m->scratch[i];
	return scsi_lu_start(&m->r->lu, &m->t[i]);
}

static enum scsi_step step(struct many *m, int i)
{
	return scsi_lu_resume(&m->r->lu, &m->t[i], ram_do(m->r, &m->t[i]));
}

static void goes_on(struct many *m, int i)
{
	assert_ptr_equal(scsi_lu_next(&m->r->lu), &m->t[i]);
	assert_int_equal(scsi_lu_resume(&m->r->lu, &m->t[i], 0), SCSI_STEP_IO);
}

static const uint8_t zeroes[64 * 512];

static enum scsi_step wr(struct many *m, int i, uint8_t lba, uint8_t n)
{
	return start(m, i, CDB(0x2a, 0, 0, 0, 0, lba, 0, 0, n), 10, zeroes,
		     n * 512u, 0);
}

static enum scsi_step rd(struct many *m, int i, uint8_t lba, uint8_t n)
{
	return start(m, i, CDB(0x28, 0, 0, 0, 0, lba, 0, 0, n), 10, NULL, 0,
		     n * 512u);
}

static void apart_run_side_by_side(void **state)
{
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(wr(&m, 0, 0, 8), SCSI_STEP_IO);
	assert_int_equal(wr(&m, 1, 8, 8), SCSI_STEP_IO);
	assert_int_equal(rd(&m, 2, 16, 8), SCSI_STEP_IO);
	assert_int_equal(start(&m, 3, CDB(0x35), 10, NULL, 0, 0), SCSI_STEP_IO);
	assert_null(scsi_lu_next(&m.r->lu));
	for (int i = 3; i >= 0; i--)
		assert_int_equal(step(&m, i), SCSI_STEP_DONE);
	assert_null(m.r->lu.first);
	many_free(&m);
}

static void reads_do_not_wait_for_reads(void **state)
{
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(rd(&m, 0, 0, 8), SCSI_STEP_IO);
	assert_int_equal(rd(&m, 1, 0, 8), SCSI_STEP_IO);
	/* VERIFY reads, too */
	assert_int_equal(
		start(&m, 2, CDB(0x2f, 0, 0, 0, 0, 0, 0, 0, 8), 10, NULL, 0, 0),
		SCSI_STEP_IO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(step(&m, i), SCSI_STEP_DONE);
	many_free(&m);
}

/* Every overlap of [8, 12) with a write or a read of 4 blocks. */
static void overlaps_wait(void **state)
{
	struct many m;

	(void)state;
	many_init(&m);
	for (uint8_t lba = 0; lba < 20; lba++) {
		bool hit = lba + 4 > 8 && lba < 12;

		for (int kind = 0; kind < 3; kind++) {
			if (kind == 1)
				rd(&m, 0, 8, 4);
			else
				wr(&m, 0, 8, 4);
			if (kind == 2)
				rd(&m, 1, lba, 4);
			else
				wr(&m, 1, lba, 4);
			assert_int_equal(m.t[1].waiting, hit);
			assert_null(scsi_lu_next(&m.r->lu));
			assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
			if (hit)
				goes_on(&m, 1);
			assert_int_equal(step(&m, 1), SCSI_STEP_DONE);
		}
	}
	many_free(&m);
}

static void queue_is_fair(void **state)
{
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(rd(&m, 0, 0, 4), SCSI_STEP_IO);
	assert_int_equal(wr(&m, 1, 0, 8), SCSI_STEP_WAIT);
	/* would not hit 0, but must not overtake 1 */
	assert_int_equal(rd(&m, 2, 4, 4), SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 3, 0, 4), SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 4, 8, 4), SCSI_STEP_IO);
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	goes_on(&m, 1);
	assert_null(scsi_lu_next(&m.r->lu));
	assert_int_equal(step(&m, 1), SCSI_STEP_DONE);
	goes_on(&m, 2);
	goes_on(&m, 3);
	assert_null(scsi_lu_next(&m.r->lu));
	for (int i = 2; i < 5; i++)
		assert_int_equal(step(&m, i), SCSI_STEP_DONE);
	many_free(&m);
}

/* Nothing comes between the compare and the write. */
static void compare_and_write_is_atomic(void **state)
{
	uint8_t out[1024] = {[512] = 1};
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(start(&m, 0, CDB(0x89, [13] = 1), 16, out, 1024, 0),
			 SCSI_STEP_IO);
	assert_int_equal(start(&m, 1, CDB(0x89, [13] = 1), 16, out, 1024, 0),
			 SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 2, 0, 1), SCSI_STEP_WAIT);
	assert_int_equal(step(&m, 0), SCSI_STEP_IO); /* has compared */
	assert_null(scsi_lu_next(&m.r->lu));
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	assert_int_equal(m.t[0].status, SCSI_GOOD);
	goes_on(&m, 1);
	assert_int_equal(step(&m, 1), SCSI_STEP_DONE);
	assert_int_equal(m.t[1].status, SCSI_CHECK_CONDITION);
	goes_on(&m, 2);
	assert_int_equal(step(&m, 2), SCSI_STEP_DONE);
	assert_int_equal(m.t[2].data[0], 1);
	many_free(&m);
}

static void unmap_and_write_same_wait(void **state)
{
	/* blocks 4 and 20: all between them counts */
	static const uint8_t list[40] = {
		[1] = 38, [3] = 32, [15] = 4, [19] = 1, [31] = 20, [35] = 1};
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(wr(&m, 0, 20, 1), SCSI_STEP_IO);
	assert_int_equal(start(&m, 1, CDB(0x42, [8] = 40), 10, list, 40, 0),
			 SCSI_STEP_WAIT);
	assert_int_equal(start(&m, 2, CDB(0x41, 0, 0, 0, 0, 3, 0, 0, 2), 10,
			       zeroes, 512, 0),
			 SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 3, 3, 1), SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 4, 21, 1), SCSI_STEP_IO);
	/* GET LBA STATUS of a block that is being unmapped */
	assert_int_equal(start(&m, 5, CDB(0x9e, 0x12, [9] = 20, [13] = 24), 16,
			       NULL, 0, 24),
			 SCSI_STEP_WAIT);
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	goes_on(&m, 1);
	assert_int_equal(step(&m, 1), SCSI_STEP_IO);
	assert_int_equal(step(&m, 1), SCSI_STEP_DONE);
	goes_on(&m, 2);
	goes_on(&m, 5);
	assert_int_equal(step(&m, 5), SCSI_STEP_DONE);
	assert_int_equal(m.t[5].data[20], 1);
	assert_int_equal(step(&m, 2), SCSI_STEP_DONE);
	goes_on(&m, 3);
	assert_int_equal(step(&m, 3), SCSI_STEP_DONE);
	assert_int_equal(step(&m, 4), SCSI_STEP_DONE);
	assert_null(m.r->lu.first);
	many_free(&m);
}

/* Descriptors that overlap: [4, 6) and [5, 15). */
static void unmap_spans_its_descriptors(void **state)
{
	uint8_t list[40] = {
		[1] = 38, [3] = 32, [15] = 4, [19] = 2, [31] = 5, [35] = 10};
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(start(&m, 0, CDB(0x42, [8] = 40), 10, list, 40, 0),
			 SCSI_STEP_IO);
	assert_int_equal(rd(&m, 1, 14, 1), SCSI_STEP_WAIT);
	assert_int_equal(rd(&m, 2, 15, 1), SCSI_STEP_IO);
	assert_int_equal(rd(&m, 3, 0, 4), SCSI_STEP_IO);
	assert_int_equal(step(&m, 0), SCSI_STEP_IO);
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	goes_on(&m, 1);
	for (int i = 1; i < 4; i++)
		assert_int_equal(step(&m, i), SCSI_STEP_DONE);
	many_free(&m);
}

static void cancelling(void **state)
{
	struct many m;

	(void)state;
	many_init(&m);
	assert_int_equal(wr(&m, 0, 0, 4), SCSI_STEP_IO);
	assert_int_equal(wr(&m, 1, 0, 4), SCSI_STEP_WAIT);
	assert_int_equal(wr(&m, 2, 0, 4), SCSI_STEP_WAIT);
	/* one that waits comes out at once */
	scsi_task_cancel(&m.t[1]);
	assert_ptr_equal(scsi_lu_next(&m.r->lu), &m.t[1]);
	assert_int_equal(scsi_lu_resume(&m.r->lu, &m.t[1], 0), SCSI_STEP_DONE);
	assert_int_equal(m.t[1].status, SCSI_TASK_ABORTED);
	assert_int_equal(m.t[1].residual, 4 * 512);
	assert_null(scsi_lu_next(&m.r->lu));
	/* one that is under way still blocks the others until it is back */
	scsi_task_cancel(&m.t[0]);
	assert_null(scsi_lu_next(&m.r->lu));
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	assert_int_equal(m.t[0].status, SCSI_TASK_ABORTED);
	assert_int_equal(m.t[0].sense_len, 0);
	goes_on(&m, 2);
	assert_int_equal(step(&m, 2), SCSI_STEP_DONE);
	assert_int_equal(m.t[2].status, SCSI_GOOD);
	many_free(&m);
}

static void growing_and_shrinking(void **state)
{
	uint32_t changed = SENSE(SCSI_KEY_UNIT_ATTENTION, 0x2a09);
	struct many m;

	(void)state;
	many_init(&m);
	scsi_lu_resize(&m.r->lu, RAM_BLOCKS); /* nothing changes */
	assert_good(ram_in(m.r, CDB(0), 6, 0));
	assert_int_equal(wr(&m, 0, 200, 20), SCSI_STEP_IO);
	assert_int_equal(wr(&m, 1, 210, 8), SCSI_STEP_WAIT);
	scsi_lu_resize(&m.r->lu, 215);
	assert_int_equal(step(&m, 0), SCSI_STEP_DONE);
	assert_int_equal(m.t[0].status, SCSI_GOOD);
	assert_ptr_equal(scsi_lu_next(&m.r->lu), &m.t[1]);
	assert_int_equal(scsi_lu_resume(&m.r->lu, &m.t[1], 0), SCSI_STEP_DONE);
	assert_int_equal(m.t[1].status, SCSI_CHECK_CONDITION);
	assert_int_equal(scsi_get16(m.t[1].sense + 12), SCSI_ASC_LBA_RANGE);
	for (m.r->nexus = 0; m.r->nexus < 3; m.r->nexus++) {
		assert_sense(m.r, ram_in(m.r, CDB(0), 6, 0), changed);
		assert_good(ram_in(m.r, CDB(0x25), 10, 8));
		assert_int_equal(scsi_get32(m.r->data), 214);
	}
	many_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apart_run_side_by_side),
		cmocka_unit_test(reads_do_not_wait_for_reads),
		cmocka_unit_test(overlaps_wait),
		cmocka_unit_test(queue_is_fair),
		cmocka_unit_test(compare_and_write_is_atomic),
		cmocka_unit_test(unmap_and_write_same_wait),
		cmocka_unit_test(unmap_spans_its_descriptors),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(growing_and_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
