/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk commands that move blocks, and what a disk says of itself. */
#include "test_scsi_ram.h"

static uint8_t pattern[1024 * 1024];

static void fill_pattern(uint8_t seed)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 509 + seed);
}

/* A CDB of 6, 10, 12 or 16 bytes for a range. */
static const uint8_t *cdb_for(uint8_t opcode, uint8_t byte1, uint64_t lba,
			      uint32_t blocks, uint32_t *len)
{
	static uint8_t cdb[SCSI_CDB_MAX];

	memset(cdb, 0, sizeof(cdb));
	cdb[0] = opcode;
	cdb[1] = byte1;
	switch (opcode >> 5) {
	case 0:
		*len = 6;
		scsi_put32(cdb, (uint32_t)lba & 0x1fffff);
		cdb[0] = opcode;
		cdb[4] = (uint8_t)blocks;
		break;
	case 4:
		*len = 16;
		scsi_put64(cdb + 2, lba);
		scsi_put32(cdb + 10, blocks);
		break;
	case 5:
		*len = 12;
		scsi_put32(cdb + 2, (uint32_t)lba);
		scsi_put32(cdb + 6, blocks);
		break;
	default:
		*len = 10;
		scsi_put32(cdb + 2, (uint32_t)lba);
		scsi_put16(cdb + 7, blocks);
		break;
	}
	return cdb;
}

static uint8_t do_in(struct ram *r, uint8_t op, uint8_t b1, uint64_t lba,
		     uint32_t n, uint32_t in_max)
{
	uint32_t len;
	const uint8_t *cdb = cdb_for(op, b1, lba, n, &len);

	return ram_in(r, cdb, len, in_max);
}

static uint8_t do_out(struct ram *r, uint8_t op, uint8_t b1, uint64_t lba,
		      uint32_t n, const void *out, uint32_t out_len)
{
	uint32_t len;
	const uint8_t *cdb = cdb_for(op, b1, lba, n, &len);

	return ram_out(r, cdb, len, out, out_len);
}

static const uint8_t reads[] = {0x08, 0x28, 0xa8, 0x88};
static const uint8_t writes[] = {0x0a, 0x2a, 0xaa, 0x8a};
static const uint8_t verifies[] = {0x2f, 0xaf, 0x8f};
static const uint8_t write_verifies[] = {0x2e, 0xae, 0x8e};

static void write_then_read(struct ram *r, uint32_t size)
{
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t n = 1; n <= 128; n += 1 + n / 2) {
			fill_pattern((uint8_t)(i + n));
			assert_good(do_out(r, writes[i], 0, 100, n, pattern,
					   n * size));
			assert_int_equal(r->task.residual, 0);
			assert_memory_equal(r->bytes + 100 * size, pattern,
					    n * size);
			assert_good(do_in(r, reads[i], 0, 100, n, n * size));
			assert_int_equal(r->task.residual, 0);
			assert_memory_equal(r->data, pattern, n * size);
			/* up to the last block */
			assert_good(do_in(r, reads[i], 0, RAM_BLOCKS - n, n,
					  n * size));
		}
	}
}

static void write_and_read(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	write_then_read(r, 512);
	ram_free(r);
}

static void write_and_read_4096(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(4096);
	struct ram *r = ram_new(&cfg);

	(void)state;
	write_then_read(r, 4096);
	ram_free(r);
}

static void six_byte_length_0_is_256(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	fill_pattern(1);
	assert_good(do_out(r, 0x0a, 0, 5, 0, pattern, 256 * 512));
	assert_memory_equal(r->bytes + 5 * 512, pattern, 256 * 512);
	assert_good(do_in(r, 0x08, 0, 5, 0, 256 * 512));
	assert_int_equal(r->task.in_len, 256 * 512);
	assert_memory_equal(r->data, pattern, 256 * 512);
	ram_free(r);
}

static void ranges(void **state)
{
	static const uint8_t ops[] = {0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a,
				      0x2f, 0xaf, 0x8f, 0x2e, 0xae, 0x8e,
				      0x34, 0x90, 0x35, 0x91};
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 0; i < sizeof(ops); i++) {
		uint64_t far[] = {RAM_BLOCKS + 1, 0x80000000u, UINT32_MAX,
				  0x8000000000000000u, UINT64_MAX};
		uint32_t n_far = ops[i] >> 5 == 4 ? 5 : 3;

		/* no blocks at the end are well, beyond it they are not */
		assert_int_equal(do_in(r, ops[i], 0, RAM_BLOCKS, 0, 0),
				 SCSI_GOOD);
		for (uint32_t k = 0; k < n_far; k++) {
			assert_sense(r, do_in(r, ops[i], 0, far[k], 0, 0),
				     BAD_LBA);
			assert_sense(r, do_in(r, ops[i], 0, far[k], 1, 512),
				     BAD_LBA);
		}
		assert_sense(r, do_in(r, ops[i], 0, RAM_BLOCKS - 1, 2, 1024),
			     BAD_LBA);
		assert_sense(r, do_in(r, ops[i], 0, RAM_BLOCKS, 1, 512),
			     BAD_LBA);
	}
	assert_int_equal(r->count[SCSI_IO_READ] + r->count[SCSI_IO_WRITE], 0);
	/* length + LBA wraps around 2^64 */
	assert_sense(r, do_in(r, 0x88, 0, UINT64_MAX, 2, 1024), BAD_LBA);
	assert_sense(r, do_in(r, 0x08, 0, 0x1fffff, 1, 512), BAD_LBA);
	ram_free(r);
}

static void protection_is_refused(void **state)
{
	static const uint8_t ops[] = {0x28, 0xa8, 0x88, 0x2a, 0xaa,
				      0x8a, 0x2f, 0xaf, 0x8f, 0x2e,
				      0xae, 0x8e, 0x41, 0x93, 0x89};
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 0; i < sizeof(ops); i++)
		for (uint32_t p = 1; p < 8; p++)
			assert_sense(r,
				     do_out(r, ops[i], (uint8_t)(p << 5), 0, 1,
					    pattern, 512),
				     BAD_CDB);
	ram_free(r);
}

static void fua(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 1; i < 4; i++) {
		assert_good(do_out(r, writes[i], 0x00, 0, 1, pattern, 512));
		assert_false(r->fua);
		assert_good(do_out(r, writes[i], 0x08, 0, 1, pattern, 512));
		assert_true(r->fua);
		assert_good(do_out(r, writes[i], 0x10, 0, 1, pattern, 512));
		assert_false(r->fua); /* DPO alone */
		assert_good(do_out(r, writes[i], 0x1a, 0, 1, pattern, 512));
		assert_good(do_in(r, reads[i], 0x18, 0, 1, 512));
	}
	/* bit 3 of byte 1 is LBA 0x080000 in a 6 byte CDB */
	assert_good(do_out(r, 0x0a, 0, 0, 1, pattern, 512));
	assert_false(r->fua);
	/* without a write cache every write is */
	r->lu.mode.write_cache = false;
	assert_good(do_out(r, 0x0a, 0, 0, 1, pattern, 512));
	assert_true(r->fua);
	ram_free(r);
}

/* Room that is smaller or larger than what is read. */
static void read_residuals(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	fill_pattern(3);
	memcpy(r->bytes, pattern, 4096);
	for (uint32_t room = 0; room <= 1700; room++) {
		uint32_t want = room < 1024 ? room : 1024;

		assert_good(do_in(r, 0x28, 0, 0, 2, room));
		assert_int_equal(r->task.in_len, want);
		assert_int_equal(r->task.residual, room - want);
		assert_memory_equal(r->data, pattern, want);
		for (uint32_t i = want; i < room; i++)
			assert_int_equal(r->data[i], CANARY);
	}
	ram_free(r);
}

static void write_residuals(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	fill_pattern(3);
	for (uint32_t len = 0; len < 1024; len += 64)
		assert_sense(r, do_out(r, 0x2a, 0, 0, 2, pattern, len),
			     BAD_SHORT);
	assert_int_equal(r->count[SCSI_IO_WRITE], 0);
	assert_good(do_out(r, 0x2a, 0, 0, 2, pattern, 1500));
	assert_int_equal(r->task.residual, 476);
	assert_memory_equal(r->bytes, pattern, 1024);
	assert_int_equal(r->bytes[1024], 0);
	ram_free(r);
}

static uint64_t information(const struct ram *r)
{
	assert_true(r->task.sense[0] & 0x80);
	return scsi_get32(r->task.sense + 3);
}

static void verify(void **state)
{
	uint32_t n = 200, miscompare = SENSE(SCSI_KEY_MISCOMPARE, 0x1d00);
	struct ram *r = ram_default();

	(void)state;
	fill_pattern(9);
	memcpy(r->bytes + 512, pattern, n * 512);
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t op = verifies[i];

		assert_good(do_out(r, op, 0x02, 1, n, pattern, n * 512));
		assert_int_equal(r->task.residual, 0);
		for (uint32_t at = 0; at < n * 512; at += 511) {
			pattern[at] ^= 1;
			assert_sense(
				r, do_out(r, op, 0x02, 1, n, pattern, n * 512),
				miscompare);
			assert_int_equal(information(r), at);
			/* the medium alone is well */
			assert_good(do_out(r, op, 0x00, 1, n, pattern, 0));
			pattern[at] ^= 1;
		}
		assert_sense(r, do_out(r, op, 0x02, 1, n, pattern, n * 512 - 1),
			     BAD_SHORT);
		assert_sense(r, do_out(r, op, 0x04, 1, n, pattern, n * 512),
			     BAD_CDB);
		/* BYTCHK 3: one block for all */
		assert_sense(r, do_out(r, op, 0x06, 1, 2, pattern, 512),
			     miscompare);
		assert_good(do_out(r, op, 0x06, 1, 1, pattern, 512));
		assert_good(do_out(r, op, 0x06, 1000, 300, r->bytes, 512));
		assert_int_equal(r->task.residual, 0);
		assert_sense(r, do_out(r, op, 0x06, 1, 1, pattern, 511),
			     BAD_SHORT);
	}
	ram_free(r);
}

static void write_and_verify(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		for (uint8_t b1 = 0; b1 <= 2; b1 += 2) {
			fill_pattern((uint8_t)(i * 2 + b1));
			assert_good(do_out(r, write_verifies[i], b1, 7, 200,
					   pattern, 200 * 512));
			assert_true(r->fua);
			assert_int_equal(r->task.residual, 0);
			assert_memory_equal(r->bytes + 7 * 512, pattern,
					    200 * 512);
		}
		assert_sense(
			r, do_out(r, write_verifies[i], 4, 7, 1, pattern, 512),
			BAD_CDB);
		assert_sense(
			r, do_out(r, write_verifies[i], 6, 7, 1, pattern, 512),
			BAD_CDB);
	}
	/* 128 blocks fit into the scratch space */
	assert_int_equal(r->count[SCSI_IO_READ], 3 * 2 * 2);
	ram_free(r);
}

/* A disk that does not give back what was written. */
static void write_and_verify_finds_a_lie(void **state)
{
	struct ram *r = ram_default();
	struct scsi_task *t = &r->task;

	(void)state;
	ram_task(r, t, CDB(0x2e, 2, 0, 0, 0, 0, 0, 0, 1), 10, pattern, 512, 0);
	r->data = t->data;
	assert_int_equal(scsi_lu_start(&r->lu, t), SCSI_STEP_IO);
	assert_int_equal(scsi_lu_resume(&r->lu, t, ram_do(r, t)), SCSI_STEP_IO);
	r->bytes[77] ^= 1;
	assert_int_equal(scsi_lu_resume(&r->lu, t, ram_do(r, t)),
			 SCSI_STEP_DONE);
	assert_int_equal(t->status, SCSI_CHECK_CONDITION);
	assert_int_equal(ram_sense(r), SENSE(SCSI_KEY_MISCOMPARE, 0x1d00));
	assert_int_equal(information(r), 77);
	ram_free(r);
}

#define CAW(lba, n) CDB(0x89, 0, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, n)

static void compare_and_write(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t n = 1; n <= 255; n += 1 + n / 3) {
		uint32_t half = n * 512;

		fill_pattern((uint8_t)n);
		memcpy(r->bytes + 9 * 512, pattern, half);
		pattern[half - 27] ^= 1;
		assert_sense(r, ram_out(r, CAW(9, n), 16, pattern, 2 * half),
			     SENSE(SCSI_KEY_MISCOMPARE, 0x1d00));
		assert_int_equal(information(r), half - 27);
		pattern[half - 27] ^= 1;
		/* nothing was written */
		assert_memory_equal(r->bytes + 9 * 512, pattern, half);
		assert_good(ram_out(r, CAW(9, n), 16, pattern, 2 * half));
		assert_int_equal(r->task.residual, 0);
		assert_memory_equal(r->bytes + 9 * 512, pattern + half, half);
		assert_sense(r,
			     ram_out(r, CAW(9, n), 16, pattern, 2 * half - 1),
			     BAD_SHORT);
	}
	assert_good(ram_out(r, CAW(9, 0), 16, pattern, 0));
	ram_free(r);
}

static void compare_and_write_limit(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(4096);
	struct ram *r = ram_new(&cfg);

	(void)state;
	assert_good(ram_in(r, CDB(0x12, 1, 0xb0, 0, 255), 6, 255));
	assert_int_equal(r->data[5], 32);
	assert_sense(r, ram_out(r, CAW(0, 33), 16, pattern, 66 * 4096),
		     BAD_CDB);
	assert_good(ram_out(r, CAW(0, 32), 16,
			    memset(pattern, 0, sizeof(pattern)), 64 * 4096));
	ram_free(r);
}

static void transfer_limit(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	(void)state;
	cfg.max_transfer = 64;
	r = ram_new(&cfg);
	assert_good(do_in(r, 0x28, 0, 0, 64, 32768));
	assert_sense(r, do_in(r, 0x28, 0, 0, 65, 65536), BAD_CDB);
	assert_int_equal(scsi_get16(r->task.sense + 16), 7);
	assert_sense(r, do_in(r, 0x88, 0, 0, 65, 65536), BAD_CDB);
	assert_int_equal(scsi_get16(r->task.sense + 16), 10);
	assert_good(ram_in(r, CDB(0x12, 1, 0xb0, 0, 255), 6, 255));
	assert_int_equal(scsi_get32(r->data + 8), 64);
	assert_int_equal(r->data[5], 64);
	ram_free(r);
}

static void capacity(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(4096);
	struct ram *r;

	(void)state;
	cfg.physical_exponent = 3;
	r = ram_new(&cfg);
	assert_good(ram_in(r, CDB(0x25), 10, 8));
	assert_int_equal(scsi_get32(r->data), RAM_BLOCKS - 1);
	assert_int_equal(scsi_get32(r->data + 4), 4096);
	assert_sense(r, ram_in(r, CDB(0x25, 0, 0, 0, 0, 1), 10, 8), BAD_CDB);
	assert_good(ram_in(r, CDB(0x25, 0, 0, 0, 0, 1, 0, 0, 1), 10, 8));
	assert_good(ram_in(r, CDB(0x9e, 0x10, [13] = 32), 16, 32));
	assert_int_equal(r->task.in_len, 32);
	assert_int_equal(scsi_get64(r->data), RAM_BLOCKS - 1);
	assert_int_equal(scsi_get32(r->data + 8), 4096);
	assert_int_equal(r->data[13], 3);
	assert_int_equal(r->data[14], 0xc0); /* LBPME, LBPRZ */
	assert_sense(r, ram_in(r, CDB(0x9e, 0x10, [9] = 1, [13] = 32), 16, 32),
		     BAD_CDB);
	/* more than 32 bits of blocks */
	r->lu.cfg.blocks = 0x100000001u;
	assert_good(ram_in(r, CDB(0x25), 10, 8));
	assert_int_equal(scsi_get32(r->data), UINT32_MAX);
	assert_good(ram_in(r, CDB(0x9e, 0x10, [13] = 32), 16, 32));
	assert_int_equal(scsi_get64(r->data), 0x100000000u);
	ram_free(r);
}

static void write_protected(void **state)
{
	static const uint8_t ops[] = {0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae,
				      0x8e, 0x41, 0x93, 0x42, 0x89};
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	(void)state;
	cfg.read_only = true;
	r = ram_new(&cfg);
	for (uint32_t i = 0; i < sizeof(ops); i++)
		assert_sense(r, do_out(r, ops[i], 0, 0, 1, pattern, 1024),
			     SENSE(SCSI_KEY_DATA_PROTECT, 0x2700));
	assert_good(do_in(r, 0x28, 0, 0, 1, 512));
	assert_good(do_in(r, 0x35, 0, 0, 0, 0));
	assert_good(ram_in(r, CDB(0x1a, 0, 0x3f, 0, 255), 6, 255));
	assert_int_equal(r->data[2], 0x90);
	ram_free(r);
}

static void start_and_stop(void **state)
{
	uint32_t stopped = SENSE(SCSI_KEY_NOT_READY, 0x0402);
	struct ram *r = ram_default();

	(void)state;
	assert_good(ram_in(r, CDB(0x1b, 0, 0, 0, 0), 6, 0));
	assert_int_equal(r->count[SCSI_IO_FLUSH], 1);
	assert_sense(r, ram_in(r, CDB(0), 6, 0), stopped);
	assert_sense(r, do_in(r, 0x28, 0, 0, 1, 512), stopped);
	assert_good(ram_in(r, CDB(0x12, 0, 0, 0, 255), 6, 255));
	assert_good(ram_in(r, CDB(3, 0, 0, 0, 18), 6, 18));
	assert_int_equal(r->data[2], SCSI_KEY_NOT_READY);
	assert_good(ram_in(r, CDB(0x1b, 0, 0, 0, 1), 6, 0));
	assert_good(ram_in(r, CDB(0), 6, 0));
	/* NO_FLUSH */
	assert_good(ram_in(r, CDB(0x1b, 0, 0, 0, 4), 6, 0));
	assert_int_equal(r->count[SCSI_IO_FLUSH], 1);
	assert_true(r->lu.stopped);
	assert_good(ram_in(r, CDB(0x1b, 0, 0, 0, 1), 6, 0));
	/* a failed flush leaves it running */
	r->fail_at = r->ops + 1;
	r->fail_rc = XPV_EIO;
	assert_sense(r, ram_in(r, CDB(0x1b, 0, 0, 0, 0), 6, 0),
		     SENSE(SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR));
	assert_good(ram_in(r, CDB(0), 6, 0));
	assert_sense(r, ram_in(r, CDB(0x1b, 0, 0, 0, 2), 6, 0), BAD_CDB);
	assert_sense(r, ram_in(r, CDB(0x1b, 0, 0, 0, 0x10), 6, 0), BAD_CDB);
	ram_free(r);
}

static void small_commands(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 1), 6, 0));
	assert_true(r->lu.nexus[0].prevent);
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 0), 6, 0));
	assert_false(r->lu.nexus[0].prevent);
	assert_sense(r, ram_in(r, CDB(0x1e, 0, 0, 0, 2), 6, 0), BAD_CDB);
	assert_good(ram_in(r, CDB(0x1d, 4), 6, 0));
	assert_sense(r, ram_in(r, CDB(0x1d, 0x20), 6, 0), BAD_CDB);
	assert_sense(r, ram_in(r, CDB(0x1d, 0, 0, 0, 4), 6, 0), BAD_CDB);
	assert_good(do_in(r, 0x91, 2, 0, 0, 0));
	assert_int_equal(r->count[SCSI_IO_FLUSH], 1);
	ram_free(r);
}

/* What each result of the storage becomes. */
static void storage_errors(void **state)
{
	static const struct {
		int rc;
		uint32_t read, write;
	} want[] = {
		{XPV_EIO, SENSE(3, 0x1100), SENSE(3, 0x0c00)},
		{XPV_EINVAL, SENSE(3, 0x1100), SENSE(3, 0x0c00)},
		{XPV_ENOSPC, SENSE(7, 0x2707), SENSE(7, 0x2707)},
		{XPV_EROFS, SENSE(7, 0x2700), SENSE(7, 0x2700)},
	};
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(want); i++) {
		r->fail_rc = want[i].rc;
		r->fail_at = r->ops + 1;
		assert_sense(r, do_in(r, 0x28, 0, 0, 1, 512), want[i].read);
		assert_int_equal(r->task.residual, 512);
		r->fail_at = r->ops + 1;
		assert_sense(r, do_out(r, 0x2a, 0, 0, 1, pattern, 512),
			     want[i].write);
		assert_int_equal(r->task.residual, 512);
		r->fail_at = r->ops + 1;
		assert_sense(r, do_in(r, 0x35, 0, 0, 0, 0), want[i].write);
	}
	r->fail_rc = XPV_ECANCELED;
	r->fail_at = r->ops + 1;
	assert_int_equal(do_in(r, 0x28, 0, 0, 1, 512), SCSI_TASK_ABORTED);
	assert_int_equal(r->task.sense_len, 0);
	ram_free(r);
}

/* The n-th operation fails, for every n, until the command gets through. */
static void nth_operation_fails(void **state)
{
	static const struct {
		uint8_t op, b1;
		uint32_t n, out_len, in_max;
		int ops; /* how many it takes when all is well */
	} cases[] = {
		{0x28, 0, 4, 0, 2048, 1},     {0x28, 0, 4, 0, 1000, 2},
		{0x28, 0, 4, 0, 100, 1},      {0x2a, 0, 4, 2048, 0, 1},
		{0x2f, 0, 300, 0, 0, 3},      {0x2f, 2, 300, 153600, 0, 3},
		{0x2e, 2, 300, 153600, 0, 4}, {0x35, 0, 0, 0, 0, 1},
	};
	struct ram *r = ram_default();

	(void)state;
	memset(pattern, 0, sizeof(pattern));
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		int n = 0;

		do {
			r->ops = 0;
			r->fail_at = ++n;
			r->fail_rc = XPV_EIO;
			if (cases[i].in_max)
				do_in(r, cases[i].op, cases[i].b1, 0,
				      cases[i].n, cases[i].in_max);
			else
				do_out(r, cases[i].op, cases[i].b1, 0,
				       cases[i].n, pattern, cases[i].out_len);
			if (n <= cases[i].ops)
				assert_int_equal(ram_sense(r) >> 16,
						 SCSI_KEY_MEDIUM_ERROR);
		} while (r->task.status != SCSI_GOOD);
		assert_int_equal(n, cases[i].ops + 1);
	}
	/* COMPARE AND WRITE: 2 reads and the write */
	for (int n = 1; n <= 4; n++) {
		r->ops = 0;
		r->fail_at = n;
		ram_out(r, CAW(0, 200), 16, pattern, 204800);
		assert_int_equal(r->task.status == SCSI_GOOD, n == 4);
	}
	ram_free(r);
}

static void bad_configurations(void **state)
{
	struct scsi_lu_cfg good = ram_cfg(512), cfg;
	static struct scsi_lu lu;

	(void)state;
	assert_int_equal(scsi_lu_init(&lu, &good), 0);
	cfg = good;
	cfg.type = NULL;
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg = good;
	cfg.block_size = 520;
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg = good;
	cfg.blocks = 0;
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg.blocks = UINT64_MAX / 512;
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg = good;
	cfg.physical_exponent = 16;
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg = good;
	memset(cfg.serial, 'x', sizeof(cfg.serial));
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
	cfg = good;
	cfg.product[0] = '\n';
	assert_int_equal(scsi_lu_init(&lu, &cfg), XPV_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_and_read),
		cmocka_unit_test(write_and_read_4096),
		cmocka_unit_test(six_byte_length_0_is_256),
		cmocka_unit_test(ranges),
		cmocka_unit_test(protection_is_refused),
		cmocka_unit_test(fua),
		cmocka_unit_test(read_residuals),
		cmocka_unit_test(write_residuals),
		cmocka_unit_test(verify),
		cmocka_unit_test(write_and_verify),
		cmocka_unit_test(write_and_verify_finds_a_lie),
		cmocka_unit_test(compare_and_write),
		cmocka_unit_test(compare_and_write_limit),
		cmocka_unit_test(transfer_limit),
		cmocka_unit_test(capacity),
		cmocka_unit_test(write_protected),
		cmocka_unit_test(start_and_stop),
		cmocka_unit_test(small_commands),
		cmocka_unit_test(storage_errors),
		cmocka_unit_test(nth_operation_fails),
		cmocka_unit_test(bad_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
