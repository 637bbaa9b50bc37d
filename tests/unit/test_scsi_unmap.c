/* SPDX-License-Identifier: BSD-2-Clause */
/* UNMAP, WRITE SAME, GET LBA STATUS. */
#include "test_scsi_ram.h"

static struct ram *disk_of(uint8_t byte, bool thin)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	cfg.thin = thin;
	r = ram_new(&cfg);
	memset(r->bytes, byte, r->size);
	return r;
}

/* The blocks [lba, lba + n) are byte, and their neighbours are not. */
static void only_these(const struct ram *r, uint64_t lba, uint64_t n,
		       uint8_t byte, uint8_t others)
{
	for (uint64_t i = 0; i < r->size; i++) {
		bool in = i / 512 >= lba && i / 512 < lba + n;

		if (r->bytes[i] != (in ? byte : others))
			fail_msg("byte %ju", (uintmax_t)i);
	}
}

struct desc {
	uint64_t lba;
	uint32_t n;
};

static uint8_t list[8 + 300 * 16];

static uint32_t make_list(const struct desc *d, uint32_t count)
{
	uint32_t len = 8 + count * 16;

	memset(list, 0, sizeof(list));
	scsi_put16(list, len - 2);
	scsi_put16(list + 2, len - 8);
	for (uint32_t i = 0; i < count; i++) {
		scsi_put64(list + 8 + 16 * i, d[i].lba);
		scsi_put32(list + 16 + 16 * i, d[i].n);
	}
	return len;
}

static uint8_t unmap(struct ram *r, const struct desc *d, uint32_t count)
{
	uint32_t len = make_list(d, count);

	return ram_out(r, CDB(0x42, [7] = (uint8_t)(len >> 8), (uint8_t)len),
		       10, list, len);
}

static void unmap_some(void **state)
{
	static const struct desc d[] = {{10, 5}, {0, 0}, {15, 1}, {9, 1}};
	struct ram *r = disk_of(7, true);

	(void)state;
	assert_good(unmap(r, d, 4));
	only_these(r, 9, 7, 0, 7);
	assert_int_equal(r->count[SCSI_IO_DISCARD], 3);
	assert_int_equal(r->task.residual, 0);
	ram_free(r);
}

static void unmap_nothing(void **state)
{
	static const struct desc end = {RAM_BLOCKS, 0};
	struct ram *r = disk_of(7, true);

	(void)state;
	assert_good(unmap(r, &end, 1));
	assert_good(unmap(r, NULL, 0));
	assert_good(ram_out(r, CDB(0x42), 10, NULL, 0));
	assert_int_equal(r->ops, 0);
	ram_free(r);
}

/* An error anywhere in the list means that nothing was unmapped. */
static void unmap_all_or_nothing(void **state)
{
	static const struct desc bad[] = {
		{RAM_BLOCKS + 1, 0}, {RAM_BLOCKS - 1, 2}, {UINT64_MAX, 2},
		{0, UINT32_MAX},     {UINT64_MAX, 0},
	};
	struct desc d[3] = {{0, 8}, {0, 0}, {16, 8}};
	struct ram *r = disk_of(7, true);

	(void)state;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		for (uint32_t at = 0; at < 3; at++) {
			struct desc keep = d[at];

			d[at] = bad[i];
			assert_sense(r, unmap(r, d, 3), BAD_LBA);
			d[at] = keep;
		}
	}
	assert_int_equal(r->ops, 0);
	ram_free(r);
}

static void unmap_limits(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	static const struct desc d[300];
	static const struct desc two[] = {{0, 60}, {100, 41}};
	struct ram *r;

	(void)state;
	cfg.max_unmap_blocks = 100;
	r = ram_new(&cfg);
	assert_good(unmap(r, d, 256));
	assert_sense(r, unmap(r, d, 257), BAD_LIST);
	assert_sense(r, unmap(r, two, 2), BAD_LIST);
	assert_good(unmap(r, two, 1));
	ram_free(r);
}

static void unmap_list_lengths(void **state)
{
	static const struct desc d[] = {{10, 5}, {20, 5}};
	struct ram *r = disk_of(7, true);

	(void)state;
	make_list(d, 2);
	for (uint8_t len = 1; len < 40; len++)
		assert_sense(r, ram_out(r, CDB(0x42, [8] = len), 10, list, 40),
			     BAD_LENGTH);
	for (uint32_t len = 0; len < 40; len++)
		assert_sense(r, ram_out(r, CDB(0x42, [8] = 40), 10, list, len),
			     BAD_LENGTH);
	assert_int_equal(r->ops, 0);
	/* a part of a descriptor does not count */
	scsi_put16(list + 2, 31);
	assert_good(ram_out(r, CDB(0x42, [8] = 40), 10, list, 40));
	only_these(r, 10, 5, 0, 7);
	ram_free(r);
}

static void unmap_without_discard(void **state)
{
	static const struct desc d = {10, 5};
	struct ram *r = disk_of(7, true);

	(void)state;
	/* zeroes were promised, so they are written */
	r->refuse_op = SCSI_IO_DISCARD;
	assert_good(unmap(r, &d, 1));
	only_these(r, 10, 5, 0, 7);
	assert_true(r->unmap);
	/* and when they cannot be */
	r->refuse_op = -1;
	r->lu.cfg.discard_zeroes = false;
	memset(r->bytes, 7, r->size);
	r->refuse_op = SCSI_IO_DISCARD;
	assert_good(unmap(r, &d, 1));
	only_these(r, 0, 0, 0, 7);
	ram_free(r);
}

static void unmap_fails(void **state)
{
	static const struct desc d[] = {{10, 5}, {20, 5}};
	struct ram *r = disk_of(7, true);

	(void)state;
	for (int n = 1; n <= 3; n++) {
		r->ops = 0;
		r->fail_at = n;
		r->fail_rc = XPV_EIO;
		unmap(r, d, 2);
		assert_int_equal(r->task.status == SCSI_GOOD, n == 3);
	}
	/* both DISCARD and its substitute refused: that is an error */
	r->fail_at = r->ops + 2;
	r->fail_rc = XPV_ENOTSUP;
	r->refuse_op = SCSI_IO_DISCARD;
	assert_sense(r, unmap(r, d, 1), SENSE(3, SCSI_ASC_WRITE_ERROR));
	ram_free(r);
}

static uint8_t same10(struct ram *r, uint8_t b1, uint16_t lba, uint16_t n,
		      const void *out, uint32_t len)
{
	return ram_out(r,
		       CDB(0x41, b1, 0, 0, (uint8_t)(lba >> 8), (uint8_t)lba, 0,
			   (uint8_t)(n >> 8), (uint8_t)n),
		       10, out, len);
}

static uint8_t same16(struct ram *r, uint8_t b1, uint16_t lba, uint16_t n,
		      const void *out, uint32_t len)
{
	return ram_out(r,
		       CDB(0x93, b1, 0, 0, 0, 0, 0, 0, (uint8_t)(lba >> 8),
			   (uint8_t)lba, 0, 0, (uint8_t)(n >> 8), (uint8_t)n),
		       16, out, len);
}

static uint8_t block[1024];

static void write_same(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		uint8_t (*same)(struct ram *, uint8_t, uint16_t, uint16_t,
				const void *, uint32_t) =
			wide ? same16 : same10;

		for (uint16_t n = 1; n < 600; n = (uint16_t)(n * 3 + 1)) {
			memset(r->bytes, 7, r->size);
			memset(block, 0x5a, 512);
			assert_good(same(r, 0, 3, n, block, 512));
			only_these(r, 3, n, 0x5a, 7);
			assert_int_equal(r->count[SCSI_IO_ZERO], 0);
			assert_int_equal(r->task.residual, 0);
		}
		/* zeroes take one step, unmapping only when asked for */
		memset(block, 0, 512);
		assert_good(same(r, 0, 3, 500, block, 512));
		assert_int_equal(r->count[SCSI_IO_ZERO], 1);
		assert_false(r->unmap);
		only_these(r, 3, 500, 0, 7);
		assert_good(same(r, 0x08, 3, 500, block, 512));
		assert_true(r->unmap);
		assert_int_equal(r->unmapped[3], 1);
		/* the last byte counts */
		block[511] = 1;
		assert_good(same(r, 0x08, 3, 5, block, 512));
		assert_int_equal(r->count[SCSI_IO_ZERO], 2);
		assert_memory_equal(r->bytes + 7 * 512, block, 512);
		block[511] = 0;
		r->count[SCSI_IO_ZERO] = 0;
	}
	ram_free(r);
}

/* 0 blocks: to the end. */
static void write_same_to_the_end(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	assert_good(
		same10(r, 0, RAM_BLOCKS - 9, 0, memset(block, 0, 512), 512));
	only_these(r, RAM_BLOCKS - 9, 9, 0, 7);
	assert_good(same16(r, 0, RAM_BLOCKS, 0, block, 512));
	assert_sense(r, same16(r, 0, RAM_BLOCKS + 1, 0, block, 512), BAD_LBA);
	assert_sense(r, same16(r, 0, RAM_BLOCKS - 1, 2, block, 512), BAD_LBA);
	r->lu.cfg.max_write_same = 100;
	assert_sense(r, same10(r, 0, 0, 0, block, 512), BAD_CDB);
	assert_sense(r, same10(r, 0, 0, 101, block, 512), BAD_CDB);
	assert_int_equal(scsi_get16(r->task.sense + 16), 7);
	assert_sense(r, same16(r, 0, 0, 101, block, 512), BAD_CDB);
	assert_int_equal(scsi_get16(r->task.sense + 16), 10);
	assert_good(same10(r, 0, RAM_BLOCKS - 100, 0, block, 512));
	ram_free(r);
}

static void write_same_without_data(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	assert_good(same16(r, 0x01, 4, 300, NULL, 0));
	only_these(r, 4, 300, 0, 7);
	/* the 10 byte form has no NDOB */
	assert_sense(r, same10(r, 0x01, 4, 1, NULL, 0), BAD_CDB);
	/* by writing when it must be */
	memset(r->bytes, 7, r->size);
	r->refuse_op = SCSI_IO_ZERO;
	assert_good(same16(r, 0x01, 4, 300, NULL, 0));
	only_these(r, 4, 300, 0, 7);
	memset(r->bytes, 7, r->size);
	assert_good(same16(r, 0x08, 4, 300, memset(block, 0, 512), 512));
	only_these(r, 4, 300, 0, 7);
	ram_free(r);
}

static void write_same_data_length(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	assert_sense(r, same10(r, 0, 0, 1, block, 256), BAD_SHORT);
	assert_sense(r, same10(r, 0, 0, 1, block, 1024), BAD_SHORT);
	assert_sense(r, same16(r, 0, 0, 1, NULL, 0), BAD_SHORT);
	assert_sense(r, same10(r, 0x10, 0, 1, block, 512), BAD_CDB);
	ram_free(r);
}

static void write_same_thick(void **state)
{
	struct ram *r = disk_of(7, false);

	(void)state;
	assert_sense(r, same10(r, 0x08, 0, 1, block, 512), BAD_CDB);
	assert_sense(r, same16(r, 0x09, 0, 1, NULL, 0), BAD_CDB);
	assert_good(same16(r, 0x01, 0, 1, NULL, 0));
	ram_free(r);
}

static void write_same_fails(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	memset(block, 1, 512);
	for (int n = 1; n <= 4; n++) {
		r->ops = 0;
		r->fail_at = n;
		r->fail_rc = XPV_ENOSPC;
		same10(r, 0, 0, 300, block, 512);
		if (n < 4)
			assert_int_equal(ram_sense(r), SENSE(7, 0x2707));
		else
			assert_good(r->task.status);
	}
	r->ops = 0;
	r->fail_at = 1;
	assert_sense(r, same16(r, 1, 0, 300, NULL, 0), SENSE(7, 0x2707));
	ram_free(r);
}

static uint8_t lba_status(struct ram *r, uint64_t lba, uint32_t room)
{
	uint8_t cdb[SCSI_CDB_MAX] = {0x9e, 0x12};

	scsi_put64(cdb + 2, lba);
	scsi_put32(cdb + 10, room);
	return ram_in(r, cdb, 16, room);
}

static void get_lba_status(void **state)
{
	struct ram *r = disk_of(7, true);

	(void)state;
	memset(r->unmapped + 10, 1, 20);
	assert_good(lba_status(r, 3, 24));
	assert_int_equal(scsi_get32(r->data), 20);
	assert_int_equal(scsi_get64(r->data + 8), 3);
	assert_int_equal(scsi_get32(r->data + 16), 7);
	assert_int_equal(r->data[20], 0);
	assert_good(lba_status(r, 12, 24));
	assert_int_equal(scsi_get64(r->data + 8), 12);
	assert_int_equal(scsi_get32(r->data + 16), 18);
	assert_int_equal(r->data[20], 1);
	assert_good(lba_status(r, RAM_BLOCKS - 1, 24));
	assert_int_equal(scsi_get32(r->data + 16), 1);
	assert_sense(r, lba_status(r, RAM_BLOCKS, 24), BAD_LBA);
	assert_sense(r, lba_status(r, UINT64_MAX, 24), BAD_LBA);
	/* a storage that does not know */
	r->refuse_op = SCSI_IO_EXTENT;
	assert_good(lba_status(r, 12, 24));
	assert_int_equal(scsi_get32(r->data + 16), RAM_BLOCKS - 12);
	assert_int_equal(r->data[20], 0);
	r->fail_at = r->ops + 1;
	r->fail_rc = XPV_EIO;
	assert_sense(r, lba_status(r, 12, 24), SENSE(3, 0x1100));
	ram_free(r);
	/* and a disk that cannot unmap */
	r = disk_of(7, false);
	assert_good(lba_status(r, 12, 24));
	assert_int_equal(scsi_get32(r->data + 16), RAM_BLOCKS - 12);
	assert_int_equal(r->ops, 0);
	ram_free(r);
}

/* Answers of the storage that are not in whole blocks, or too long. */
static void odd_extents(void **state)
{
	struct ram *r = disk_of(7, true);
	static const struct {
		uint64_t len;
		bool mapped;
		uint32_t want, status;
	} odd[] = {
		{100, false, 1, 0},
		{0, false, 1, 0},
		{1000, false, 1, 1},
		{UINT64_MAX, true, RAM_BLOCKS - 9, 0},
	};

	(void)state;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(odd); i++) {
		struct scsi_task t;

		ram_task(r, &t, CDB(0x9e, 0x12, [9] = 9, [13] = 24), 16, NULL,
			 0, 24);
		assert_int_equal(scsi_lu_start(&r->lu, &t), SCSI_STEP_IO);
		t.io.extent_len = odd[i].len;
		t.io.extent_mapped = odd[i].mapped;
		assert_int_equal(scsi_lu_resume(&r->lu, &t, 0), SCSI_STEP_DONE);
		assert_int_equal(scsi_get32(t.data + 16), odd[i].want);
		assert_int_equal(t.data[20], odd[i].status);
		free(t.data);
	}
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unmap_some),
		cmocka_unit_test(unmap_nothing),
		cmocka_unit_test(unmap_all_or_nothing),
		cmocka_unit_test(unmap_limits),
		cmocka_unit_test(unmap_list_lengths),
		cmocka_unit_test(unmap_without_discard),
		cmocka_unit_test(unmap_fails),
		cmocka_unit_test(write_same),
		cmocka_unit_test(write_same_to_the_end),
		cmocka_unit_test(write_same_without_data),
		cmocka_unit_test(write_same_data_length),
		cmocka_unit_test(write_same_thick),
		cmocka_unit_test(write_same_fails),
		cmocka_unit_test(get_lba_status),
		cmocka_unit_test(odd_extents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
