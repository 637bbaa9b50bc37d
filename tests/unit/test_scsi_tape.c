/* SPDX-License-Identifier: BSD-2-Clause */
/* A tape drive: reading, writing, moving, and what it says at every end. */
#include "scsi/keep.h"
#include "test_tape_rig.h"

static void test_empty(void **state)
{
	struct rig *r = rig_empty();
	uint32_t want = SENSE(SCSI_KEY_NOT_READY, SCSI_ASC_NO_MEDIUM);
	struct cart c;

	(void)state;
	assert_sense(r, rig_run(r, CDB(0x00), 6, 0, 0), want);
	assert_sense(r, rig_rewind(r), want);
	assert_sense(r, rig_write(r, 512, 0), want);
	assert_sense(r, rig_run(r, CDB(0x1b, 0, 0, 0, 1), 6, 0, 0), want);
	rig_cart(&c, r->fd, 1 << 20, 0);
	scsi_tape_insert(&r->lu, &c);
	assert_sense(r, rig_run(r, CDB(0x00), 6, 0, 0),
		     SENSE(SCSI_KEY_UNIT_ATTENTION, SCSI_ASC_MEDIUM_CHANGED));
	assert_good(rig_run(r, CDB(0x00), 6, 0, 0));
	/* unloaded, and loaded again */
	assert_good(rig_run(r, CDB(0x1b, 0, 0, 0, 0), 6, 0, 0));
	assert_sense(r, rig_rewind(r), want);
	assert_good(rig_run(r, CDB(0x1b, 0, 0, 0, 1), 6, 0, 0));
	assert_good(rig_rewind(r));
	/* not while it is prevented */
	assert_good(rig_run(r, CDB(0x1e, 0, 0, 0, 1), 6, 0, 0));
	assert_sense(
		r, rig_run(r, CDB(0x1b), 6, 0, 0),
		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_REMOVAL_PREVENTED));
	assert_int_equal(scsi_tape_removable(&r->lu), XPV_EACCES);
	assert_good(rig_run(r, CDB(0x1e), 6, 0, 0));
	assert_int_equal(scsi_tape_removable(&r->lu), 0);
	scsi_tape_remove(&r->lu);
	assert_sense(r, rig_rewind(r), want);
	rig_free(r);
}

/* Blocks of 1 byte to 1 MiB, as they were written. */
static void test_variable(void **state)
{
	static const uint32_t len[] = {1,     512,   513,	10240,
				       65472, 65473, 256 << 10, 1 << 20};
	struct rig *r = rig_new();

	(void)state;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(len); i++) {
		assert_good(rig_write(r, len[i], i));
		assert_int_equal(r->task.residual, 0);
	}
	assert_good(rig_marks(r, 1));
	assert_int_equal(rig_at(r), XPV_ARRAY_SIZE(len) + 1);
	assert_good(rig_rewind(r));
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(len); i++)
		rig_expect(r, len[i], i);
	assert_sense(r, rig_read(r, 0, 4096, 4096), MARK);
	assert_int_equal(rig_flags(r), SCSI_STREAM_MARK);
	assert_int_equal(rig_info(r), 4096);
	assert_sense(r, rig_read(r, 0, 4096, 4096), BLANK);
	assert_int_equal(rig_info(r), 4096);
	/* nothing at all is no movement */
	assert_good(rig_rewind(r));
	assert_good(rig_read(r, 0, 0, 0));
	assert_good(rig_run(r, CDB(0x0a), 6, 0, 0));
	assert_int_equal(rig_at(r), 0);
	rig_free(r);
}

/* Blocks of another length than was asked for. */
static void test_ili(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_good(rig_write(r, 1000, 1));
	assert_good(rig_write(r, 1000, 2));
	assert_good(rig_write(r, 200000, 3));
	assert_good(rig_write(r, 1000, 4));
	assert_good(rig_rewind(r));
	/* shorter than asked for: all of it, and how much is missing */
	assert_sense(r, rig_read(r, 0, 4096, 4096), NO_SENSE(0));
	assert_int_equal(rig_flags(r), SCSI_STREAM_ILI);
	assert_int_equal(rig_info(r), 3096);
	assert_int_equal(r->task.in_len, 1000);
	assert_int_equal(r->task.residual, 3096);
	/* which SILI leaves to the residual */
	assert_good(rig_read(r, 2, 4096, 4096));
	assert_int_equal(r->task.in_len, 1000);
	/* longer: the beginning; the tape is behind it all the same */
	assert_sense(r, rig_read(r, 0, 512, 512), NO_SENSE(0));
	assert_int_equal(rig_info(r), 512 - 200000);
	assert_int_equal(r->task.in_len, 512);
	rig_expect(r, 1000, 4);
	assert_good(rig_space(r, 0, -2));
	assert_good(rig_read(r, 2, 512, 512));
	/* less room than was asked for */
	assert_good(rig_rewind(r));
	assert_good(rig_read(r, 0, 1000, 100));
	assert_int_equal(r->task.in_len, 100);
	assert_int_equal(rig_at(r), 1);
	rig_free(r);
}

/* MODE SELECT(6) of a block length. */
static uint8_t set_block(struct rig *r, uint32_t size, uint8_t specific)
{
	const uint8_t list[12] = {0,
				  0,
				  specific,
				  8,
				  0,
				  0,
				  0,
				  0,
				  0,
				  (uint8_t)(size >> 16),
				  (uint8_t)(size >> 8),
				  (uint8_t)size};

	memcpy(r->data, list, sizeof(list));
	return rig_run(r, CDB(0x15, 0x10, 0, 0, 12), 6, 12, 0);
}

static void test_fixed(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_sense(r, rig_read(r, 1, 1, 512), BAD_CDB);
	assert_good(set_block(r, 512, 0x10));
	assert_good(rig_run(r, CDB(0x1a, 0, 0, 0, 12), 6, 0, 12));
	assert_int_equal(scsi_get24(r->data + 9), 512);
	assert_int_equal(r->data[2], 0x10);
	/* 300 at once are more than the scratch space holds */
	rig_pattern(r->data, 300 * 512, 9);
	assert_good(rig_run(r, CDB(0x0a, 1, 0, 1, 44), 6, 300 * 512, 0));
	assert_int_equal(rig_at(r), 300);
	assert_good(rig_marks(r, 1));
	assert_good(rig_write(r, 700, 1)); /* a variable one */
	assert_good(rig_rewind(r));
	memset(r->data, 0, 300 * 512);
	assert_good(rig_read(r, 1, 290, 290 * 512));
	assert_int_equal(r->task.in_len, 290 * 512);
	for (uint32_t i = 0; i < 290 * 512; i++)
		assert_int_equal(r->data[i],
				 (uint8_t)(9 * 31 + i * 7 + i / 256));
	/* up to the filemark, and how many were not there */
	assert_sense(r, rig_read(r, 1, 20, 20 * 512), MARK);
	assert_int_equal(r->task.in_len, 10 * 512);
	assert_int_equal(rig_info(r), 10);
	assert_int_equal(rig_at(r), 301);
	assert_sense(r, rig_read(r, 1, 2, 1024), NO_SENSE(0));
	assert_int_equal(rig_flags(r), SCSI_STREAM_ILI);
	assert_int_equal(rig_info(r), 2);
	assert_sense(r, rig_read(r, 1, 2, 1024), BLANK);
	assert_int_equal(rig_info(r), 2);
	assert_sense(r, rig_read(r, 3, 1, 512), BAD_CDB);
	rig_free(r);
}

/* Two files of three blocks each: 0 1 2 | 4 5 6 |. */
static struct rig *two_files(void)
{
	struct rig *r = rig_new();

	for (uint32_t i = 0; i < 8; i++) {
		if (i % 4 == 3)
			assert_good(rig_marks(r, 1));
		else
			assert_good(rig_write(r, 1000 + i, i));
	}
	return r;
}

static void test_space(void **state)
{
	struct rig *r = two_files();

	(void)state;
	assert_good(rig_rewind(r));
	assert_good(rig_space(r, 0, 2));
	rig_expect(r, 1002, 2);
	assert_good(rig_space(r, 0, -1));
	rig_expect(r, 1002, 2);
	/* a filemark is in the way: behind it forwards, before it backwards */
	assert_good(rig_rewind(r));
	assert_sense(r, rig_space(r, 0, 5), MARK);
	assert_int_equal(rig_info(r), 2);
	assert_int_equal(rig_at(r), 4);
	assert_sense(r, rig_space(r, 0, -2), MARK);
	assert_int_equal(rig_info(r), 2);
	assert_int_equal(rig_at(r), 3);
	/* filemarks */
	assert_good(rig_rewind(r));
	assert_good(rig_space(r, 1, 2));
	assert_int_equal(rig_at(r), 8);
	assert_sense(r, rig_space(r, 1, 1), BLANK);
	assert_int_equal(rig_info(r), 1);
	assert_good(rig_space(r, 1, -2));
	assert_int_equal(rig_at(r), 3);
	assert_sense(r, rig_space(r, 1, -3),
		     NO_SENSE(SCSI_ASC_BEGIN_OF_MEDIUM));
	assert_int_equal(rig_flags(r), SCSI_STREAM_EOM);
	assert_int_equal(rig_info(r), 3);
	assert_int_equal(rig_at(r), 0);
	assert_sense(r, rig_space(r, 0, -1),
		     NO_SENSE(SCSI_ASC_BEGIN_OF_MEDIUM));
	/* the end */
	assert_good(rig_space(r, 3, 0));
	assert_int_equal(rig_at(r), 8);
	assert_sense(r, rig_space(r, 0, 1), BLANK);
	assert_sense(r, rig_space(r, 2, 1), BAD_CDB);
	/* SPACE(16) */
	assert_good(rig_run(r,
			    CDB(0x91, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
				0xff, 0xff, 0xff),
			    16, 0, 0));
	assert_int_equal(rig_at(r), 7);
	rig_free(r);
}

static void test_locate(void **state)
{
	struct rig *r = two_files();

	(void)state;
	for (uint8_t from = 0; from <= 8; from++)
		for (uint8_t to = 0; to <= 8; to++) {
			assert_good(rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, from),
					    10, 0, 0));
			assert_good(rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, to), 10,
					    0, 0));
			assert_int_equal(rig_at(r), to);
			if (to % 4 != 3 && to < 8)
				rig_expect(r, 1000u + to, to);
		}
	assert_sense(r, rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, 9), 10, 0, 0),
		     BLANK);
	assert_int_equal(rig_at(r), 8);
	/* LOCATE(16): file 1, and the end */
	assert_good(rig_run(r, CDB(0x92, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
			    16, 0, 0));
	assert_int_equal(rig_at(r), 4);
	assert_good(rig_run(r, CDB(0x92, 0x08), 16, 0, 0));
	assert_int_equal(rig_at(r), 0);
	assert_good(rig_run(r, CDB(0x92, 0x18), 16, 0, 0));
	assert_int_equal(rig_at(r), 8);
	/* READ POSITION as st asks, and in the long form */
	assert_good(rig_run(r, CDB(0x34, 0x01), 10, 0, 20));
	assert_int_equal(scsi_get32(r->data + 4), 8);
	assert_good(rig_run(r, CDB(0x34, 0x06), 10, 0, 32));
	assert_int_equal(scsi_get64(r->data + 8), 8);
	assert_int_equal(scsi_get64(r->data + 16), 2);
	rig_free(r);
}

/* What is written somewhere is the end of the tape. */
static void test_overwrite(void **state)
{
	struct rig *r = two_files();
	struct cart c;

	(void)state;
	assert_good(rig_rewind(r));
	assert_good(rig_space(r, 0, 1));
	assert_good(rig_write(r, 1001, 77)); /* as long as what was there */
	assert_sense(r, rig_read(r, 0, 100, 100), BLANK);
	assert_sense(r, rig_space(r, 1, 1), BLANK);
	assert_int_equal(cart_file_load(r->fd, &c), 0);
	assert_int_equal(c.end.number, 2);
	assert_good(rig_rewind(r));
	rig_expect(r, 1000, 0);
	rig_expect(r, 1001, 77);
	/* ERASE likewise */
	assert_good(rig_rewind(r));
	assert_good(rig_run(r, CDB(0x19, 1), 6, 0, 0));
	assert_sense(r, rig_read(r, 0, 100, 100), BLANK);
	assert_int_equal(cart_file_load(r->fd, &c), 0);
	assert_int_equal(c.end.number, 0);
	rig_free(r);
}

static void test_end(void **state)
{
	uint32_t warned = SENSE(0, SCSI_ASC_END_OF_MEDIUM), n = 0;
	struct rig *r = rig_of(1 << 20, 0);

	(void)state;
	while (rig_write(r, 10000, n) == SCSI_GOOD)
		n++;
	/* the first that warns is written */
	assert_int_equal(rig_sense(r), warned);
	assert_int_equal(rig_flags(r), SCSI_STREAM_EOM);
	assert_int_equal(rig_info(r), 0);
	assert_int_equal(r->task.residual, 0);
	for (n++; rig_write(r, 10000, n), rig_sense(r) == warned; n++)
		;
	assert_int_equal(rig_sense(r), SENSE(SCSI_KEY_VOLUME_OVERFLOW,
					     SCSI_ASC_END_OF_MEDIUM));
	assert_int_equal(rig_info(r), 10000);
	assert_int_equal(r->task.residual, 10000);
	assert_true(n * 10064 <= 1 << 20 && (n + 1) * 10064 > 1 << 20);
	assert_int_equal(rig_at(r), n);
	assert_true(r->data[0] & 0x40); /* EOP */
	/* a filemark still fits */
	assert_sense(r, rig_marks(r, 1), warned);
	assert_good(rig_rewind(r));
	for (uint32_t i = 0; i < n; i++)
		rig_expect(r, 10000, i);
	rig_free(r);
}

static void test_protected(void **state)
{
	struct rig *r = rig_of(1 << 20, CART_PROTECTED);
	uint32_t want = SENSE(SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);

	(void)state;
	assert_sense(r, rig_write(r, 10, 0), want);
	assert_sense(r, rig_marks(r, 1), want);
	assert_good(rig_marks(r, 0));
	assert_sense(r, rig_run(r, CDB(0x19), 6, 0, 0), want);
	assert_good(rig_run(r, CDB(0x1a, 0, 0, 0, 12), 6, 0, 12));
	assert_int_equal(r->data[2], 0x90);
	rig_free(r);
}

static void test_worm(void **state)
{
	struct rig *r = rig_of(1 << 20, CART_WORM);
	uint32_t want = SENSE(SCSI_KEY_DATA_PROTECT, SCSI_ASC_WORM_OVERWRITE);

	(void)state;
	assert_good(rig_write(r, 10, 0));
	assert_good(rig_marks(r, 1));
	assert_good(rig_rewind(r));
	assert_sense(r, rig_write(r, 10, 1), want);
	assert_sense(r, rig_marks(r, 1), want);
	assert_sense(r, rig_run(r, CDB(0x19), 6, 0, 0), want);
	assert_good(rig_space(r, 3, 0));
	assert_good(rig_write(r, 10, 1));
	assert_good(rig_run(r, CDB(0x12, 1, 0xb0, 0, 64), 6, 0, 64));
	assert_int_equal(r->data[4], 1);
	rig_free(r);
}

/* When it is on stable storage, and when the label knows. */
static void test_sync(void **state)
{
	struct rig *r = rig_new();
	struct cart c;

	(void)state;
	assert_good(rig_write(r, 100, 0));
	assert_good(rig_run(r, CDB(0x10, 1, 0, 0, 1), 6, 0, 0)); /* IMMED */
	assert_int_equal(r->flushes, 0);
	assert_good(rig_marks(r, 0));
	assert_int_equal(r->flushes, 1);
	assert_int_equal(cart_file_label(r->fd, &c), 0);
	assert_int_equal(c.saved.number, 2);
	assert_good(rig_marks(r, 0)); /* there is nothing to do */
	assert_good(rig_rewind(r));
	assert_int_equal(r->flushes, 1);
	assert_good(rig_space(r, 3, 0));
	assert_good(set_block(r, 0, 0x00)); /* unbuffered */
	assert_good(rig_write(r, 100, 2));
	assert_int_equal(r->flushes, 2);
	assert_int_equal(cart_file_label(r->fd, &c), 0);
	assert_int_equal(c.saved.number, 3);
	rig_free(r);
}

/* No more than so much is to be looked at when it is loaded. */
static void test_checkpoint(void **state)
{
	struct rig *r = rig_of(UINT64_C(1) << 30, 0);
	struct cart c;

	(void)state;
	for (uint32_t i = 0; i < 63; i++)
		assert_good(rig_write(r, 1 << 20, i));
	assert_int_equal(r->flushes, 0);
	assert_good(rig_write(r, 1 << 20, 63));
	assert_int_equal(r->flushes, 1);
	assert_int_equal(cart_file_label(r->fd, &c), 0);
	assert_int_equal(c.saved.number, 64);
	assert_good(rig_write(r, 1 << 20, 64));
	assert_int_equal(r->flushes, 1);
	rig_free(r);
}

/* Errors of the file, at each operation of a command. */
static void test_errors(void **state)
{
	static const uint32_t want[] = {
		SENSE(SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_WRITE_ERROR),
		SENSE(SCSI_KEY_VOLUME_OVERFLOW, SCSI_ASC_END_OF_MEDIUM)};

	(void)state;
	for (uint32_t k = 0; k < 2; k++)
		for (int at = 1; at <= 6; at++) {
			struct rig *r = two_files();

			assert_good(rig_rewind(r));
			assert_good(rig_space(r, 0, 2));
			r->ops = 0;
			r->fail_at = at;
			r->fail_rc = k ? XPV_ENOSPC : XPV_EIO;
			if (at > 5) { /* label, flush, cut, flush, record */
				assert_good(rig_write(r, 500, 50));
			} else {
				assert_sense(r, rig_write(r, 500, 50), want[k]);
				assert_int_equal(rig_at(r), 2);
				r->fail_at = 0;
				assert_good(rig_write(r, 400, 50));
				assert_good(rig_space(r, 0, -1));
				rig_expect(r, 400, 50);
			}
			rig_free(r);
		}
}

/* A byte that has changed on the disk. */
static void test_damage(void **state)
{
	uint32_t bad = SENSE(SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR);
	struct rig *r = rig_new();

	(void)state;
	assert_good(rig_write(r, 1000, 0));
	assert_good(rig_write(r, 200000, 1));
	assert_good(rig_marks(r, 0));
	assert_int_equal(pwrite(r->fd, "!", 1, CART_START + 64 + 500), 1);
	assert_int_equal(pwrite(r->fd, "!", 1, CART_START + 1064 + 70000), 1);
	assert_good(rig_rewind(r));
	assert_sense(r, rig_read(r, 0, 1000, 1000), bad);
	assert_int_equal(r->task.in_len, 0);
	assert_int_equal(rig_at(r), 0);
	assert_good(rig_space(r, 0, 1));
	assert_sense(r, rig_read(r, 0, 200000, 200000), bad);
	/* a header: it cannot be passed, either */
	assert_int_equal(pwrite(r->fd, "!", 1, CART_START + 1064 + 20), 1);
	assert_sense(r, rig_read(r, 0, 200000, 200000), bad);
	assert_sense(r, rig_space(r, 0, 1), bad);
	assert_good(rig_space(r, 3, 0));
	assert_sense(r, rig_space(r, 0, -1), bad);
	rig_free(r);
}

/* Another process goes on where this one was. */
static void test_keep(void **state)
{
	struct scsi_lu_cfg cfg = {.type = &scsi_tape, .resumed = true};
	uint8_t image[SCSI_KEEP_MAX];
	struct rig *r = two_files();
	struct scsi_tape tape = {0};
	struct scsi_lu *next = malloc(sizeof(*next));
	uint32_t len;

	(void)state;
	assert_good(set_block(r, 512, 0x00));
	assert_good(rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, 5), 10, 0, 0));
	len = scsi_lu_keep(&r->lu, image);
	cfg.own = &tape;
	for (int other = 0; other < 2; other++) {
		memset(&tape, 0, sizeof(tape));
		assert_int_equal(cart_file_load(r->fd, &tape.cart), 0);
		tape.cart.id += (uint64_t)other;
		tape.present = tape.loaded = true;
		tape.at = cart_start();
		assert_int_equal(scsi_lu_init(next, &cfg), 0);
		assert_int_equal(scsi_lu_take_over(next, image, len), 0);
		assert_int_equal(next->mode.block_size, 512);
		assert_true(next->mode.unbuffered);
		assert_int_equal(tape.at.number, other ? 0 : 5);
		assert_int_equal(scsi_lu_attention_take(next, 0),
				 other ? SCSI_ASC_MEDIUM_CHANGED : 0);
	}
	/* a place behind the end, and what is cut off */
	memset(&tape, 0, sizeof(tape));
	assert_int_equal(cart_file_load(r->fd, &tape.cart), 0);
	tape.present = tape.loaded = true;
	tape.cart.end = cart_start();
	assert_int_equal(scsi_lu_init(next, &cfg), 0);
	assert_int_equal(scsi_lu_take_over(next, image, len), XPV_EINVAL);
	assert_int_equal(scsi_lu_take_over(next, image, len - 1), XPV_EINVAL);
	free(next);
	rig_free(r);
}

/* Another process goes on with R's cartridge, from what IMAGE says. */
static void heir(struct rig *r, const uint8_t *image, uint32_t len)
{
	struct scsi_lu_cfg cfg = {.type = &scsi_tape, .resumed = true};

	memset(&r->tape, 0, sizeof(r->tape));
	assert_int_equal(cart_file_load(r->fd, &r->tape.cart), 0);
	r->tape.present = r->tape.loaded = true;
	r->tape.at = cart_start();
	cfg.own = &r->tape;
	assert_int_equal(scsi_lu_init(&r->lu, &cfg), 0);
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len), 0);
	scsi_task_init(&r->task);
	r->task.cdb[0] = 0x0a;
}

/* There are N blocks, and nothing else. */
static void assert_blocks(struct rig *r, uint32_t n)
{
	assert_good(rig_rewind(r));
	for (uint32_t i = 0; i < n; i++)
		rig_expect(r, 1000 + i, i);
	assert_sense(r, rig_read(r, 0, 1000, 1000), BLANK);
}

/* A dead process had begun to write block 2, and may have come to its end. */
static void test_again(void **state)
{
	uint32_t refused =
		SENSE(SCSI_KEY_DATA_PROTECT, SCSI_ASC_WORM_OVERWRITE);
	uint8_t a[SCSI_KEEP_MAX], b[SCSI_KEEP_MAX], own[SCSI_KEEP_OWN_MAX];
	uint32_t a_len, b_len, own_len;

	(void)state;
	for (int worm = 0; worm < 2; worm++) {
		struct rig *r = rig_of(1 << 20, worm ? CART_WORM : 0);

		for (uint32_t i = 0; i < 2; i++)
			assert_good(rig_write(r, 1000 + i, i));
		a_len = scsi_lu_keep(&r->lu, a);
		own_len = scsi_tape.keep(&r->lu, own);
		assert_good(rig_write(r, 1002, 2));
		b_len = scsi_lu_keep(&r->lu, b);
		/* it has written it, and nobody knows */
		heir(r, a, a_len);
		if (worm)
			assert_sense(r, rig_write(r, 1002, 2), refused);
		heir(r, a, a_len);
		assert_true(scsi_tape_again(&r->lu, &r->task, NULL, 0));
		assert_good(rig_write(r, 1002, 2));
		assert_blocks(r, 3);
		/* the state knows already */
		heir(r, b, b_len);
		assert_true(scsi_tape_again(&r->lu, &r->task, own, own_len));
		assert_good(rig_write(r, 1002, 2));
		assert_blocks(r, 3);
		/* what was there before is not this command's */
		assert_good(rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, 1), 10, 0, 0));
		a_len = scsi_lu_keep(&r->lu, a);
		heir(r, a, a_len);
		assert_true(scsi_tape_again(&r->lu, &r->task, NULL, 0));
		assert_int_equal(rig_at(r), 1);
		if (worm)
			assert_sense(r, rig_write(r, 1001, 1), refused);
		assert_blocks(r, 3);
		/* another cartridge, and half of a state */
		assert_false(scsi_tape_again(&r->lu, &r->task, own, 49));
		r->tape.cart.id++;
		assert_false(scsi_tape_again(&r->lu, &r->task, own, own_len));
		rig_free(r);
	}
}

static void test_tells(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_good(rig_run(r, CDB(0x05), 6, 0, 6));
	assert_int_equal(scsi_get32(r->data), 0x400000);
	assert_int_equal(scsi_get16(r->data + 4), 1);
	assert_good(rig_run(r, CDB(0x12, 0, 0, 0, 96), 6, 0, 96));
	assert_int_equal(r->data[0], 0x01);
	assert_int_equal(r->data[1], 0x80);
	assert_good(
		rig_run(r, CDB(0x44, 0, 0, 0, 0, 0, 0, 0, 200), 10, 0, 200));
	assert_int_equal(r->task.in_len, 56);
	assert_int_equal(r->data[4], TAPE_DENSITY);
	/* all mode pages, and none (what drivers of tapes ask for) */
	assert_good(rig_run(r, CDB(0x1a, 0, 0x3f, 0, 255), 6, 0, 255));
	assert_int_equal(r->task.in_len, 12 + 12 + 16 + 16 + 12);
	assert_good(rig_run(r, CDB(0x1a, 0, 0x00, 0, 255), 6, 0, 255));
	assert_int_equal(r->task.in_len, 12);
	assert_int_equal(r->data[4], TAPE_DENSITY);
	/* compression is switched on */
	memset(r->data, 0, 20);
	memcpy(r->data + 4, "\x0f\x0e\xc0\x80\0\0\0\1\0\0\0\1", 12);
	r->data[2] = 0x10;
	assert_good(rig_run(r, CDB(0x15, 0x10, 0, 0, 20), 6, 20, 0));
	assert_good(rig_run(r, CDB(0x1a, 0x08, 0x0f, 0, 255), 6, 0, 255));
	assert_int_equal(r->data[6], 0xc0);
	/* logs: which there are, and the capacity */
	assert_good(
		rig_run(r, CDB(0x4d, 0, 0x40, 0, 0, 0, 0, 1, 0), 10, 0, 256));
	assert_int_equal(scsi_get16(r->data + 2), 5);
	assert_good(
		rig_run(r, CDB(0x4d, 0, 0x71, 0, 0, 0, 0, 1, 0), 10, 0, 256));
	assert_int_equal(scsi_get32(r->data + 8), 64);
	/* the barcode is a MAM attribute */
	assert_good(rig_run(
		r, CDB(0x8c, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x06, 0, 0, 1, 0), 16,
		0, 256));
	assert_int_equal(scsi_get16(r->data + 4), 0x0806);
	assert_memory_equal(r->data + 9, "XP0001L6 ", 9);
	rig_free(r);
}

/* Flags and residual in descriptor format. */
static void test_descriptor_sense(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	r->lu.mode.desc_sense = true;
	assert_good(rig_marks(r, 1));
	assert_good(rig_rewind(r));
	assert_sense(r, rig_read(r, 0, 100, 100), MARK);
	assert_int_equal(r->task.sense_len, 24);
	assert_int_equal(scsi_get64(r->task.sense + 12), 100);
	assert_int_equal(r->task.sense[20], 0x04);
	assert_int_equal(r->task.sense[23], SCSI_STREAM_MARK);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_variable),
		cmocka_unit_test(test_ili),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_locate),
		cmocka_unit_test(test_overwrite),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_protected),
		cmocka_unit_test(test_worm),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_checkpoint),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_tells),
		cmocka_unit_test(test_descriptor_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
