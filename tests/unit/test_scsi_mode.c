/* SPDX-License-Identifier: BSD-2-Clause */
/* INQUIRY, vital product data, MODE SENSE and MODE SELECT. */
#include "test_scsi_ram.h"

static uint8_t vpd(struct ram *r, uint8_t page)
{
	return ram_in(r, CDB(0x12, 1, page, 0, 255), 6, 255);
}

static uint8_t sense6(struct ram *r, uint8_t page)
{
	return ram_in(r, CDB(0x1a, 0x08, page, 0, 255), 6, 255);
}

static void inquiry(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r = ram_new(&cfg);

	(void)state;
	assert_good(ram_in(r, CDB(0x12, 0, 0, 1, 0), 6, 256));
	assert_int_equal(r->task.in_len, 96);
	assert_int_equal(r->data[0], 0);
	assert_int_equal(r->data[1], 0);
	assert_int_equal(r->data[2], 6);
	assert_int_equal(r->data[3] & 0x0f, 2);
	assert_int_equal(r->data[4], 91);
	assert_int_equal(r->data[7], 2);
	assert_memory_equal(r->data + 8, "XENPV   DISK            0001", 28);
	assert_int_equal(scsi_get16(r->data + 58), 0x00a0);
	assert_int_equal(scsi_get16(r->data + 60), 0x0460);
	assert_int_equal(scsi_get16(r->data + 62), 0x04c0);
	assert_int_equal(scsi_get16(r->data + 64), 0);
	/* a page without EVPD */
	assert_sense(r, ram_in(r, CDB(0x12, 0, 1, 0, 255), 6, 255), BAD_CDB);
	ram_free(r);
	strcpy(cfg.vendor, "ACME");
	strcpy(cfg.product, "sixteen letters!");
	strcpy(cfg.revision, "9");
	r = ram_new(&cfg);
	assert_good(ram_in(r, CDB(0x12, 0, 0, 0, 255), 6, 255));
	assert_memory_equal(r->data + 8, "ACME    sixteen letters!9   ", 28);
	ram_free(r);
}

static void vpd_pages(void **state)
{
	static const uint8_t pages[] = {0, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2};
	struct ram *r = ram_default();

	(void)state;
	assert_good(vpd(r, 0));
	assert_int_equal(r->task.in_len, 4 + sizeof(pages));
	assert_memory_equal(r->data + 4, pages, sizeof(pages));
	for (uint32_t i = 0; i < sizeof(pages); i++) {
		assert_good(vpd(r, pages[i]));
		assert_int_equal(r->data[0], 0);
		assert_int_equal(r->data[1], pages[i]);
		assert_int_equal(scsi_get16(r->data + 2) + 4, r->task.in_len);
	}
	for (uint32_t page = 0; page < 256; page++)
		if (!memchr(pages, (int)page, sizeof(pages)))
			assert_sense(r, vpd(r, (uint8_t)page), BAD_CDB);
	ram_free(r);
}

static void identity(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r = ram_new(&cfg);

	(void)state;
	assert_good(vpd(r, 0x80));
	assert_int_equal(r->task.in_len, 14);
	assert_memory_equal(r->data + 4, "0123456789", 10);
	assert_good(vpd(r, 0x83));
	assert_memory_equal(r->data + 4, "\x01\x03\x00\x08", 4);
	assert_int_equal(scsi_get64(r->data + 8), cfg.naa);
	assert_memory_equal(r->data + 16, "\x02\x01\x00\x22", 4);
	assert_memory_equal(r->data + 20, "XENPV   DISK            0123456789",
			    34);
	assert_int_equal(r->task.in_len, 54);
	ram_free(r);
	cfg.naa = 0;
	memcpy(cfg.serial, "01234567890123456789", 21);
	r = ram_new(&cfg);
	assert_good(vpd(r, 0x83));
	assert_int_equal(r->task.in_len, 4 + 4 + 44);
	assert_int_equal(r->data[5], 1);
	ram_free(r);
}

static void block_limits(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r;

	(void)state;
	cfg.max_transfer = 0x10000;
	cfg.optimal_transfer = 0x800;
	cfg.physical_exponent = 3;
	cfg.unmap_granularity = 8;
	cfg.max_unmap_blocks = 0x12345;
	cfg.max_unmap_descriptors = 33;
	cfg.max_write_same = 0x4321;
	r = ram_new(&cfg);
	assert_good(vpd(r, 0xb0));
	assert_int_equal(r->task.in_len, 64);
	assert_int_equal(r->data[4], 0); /* WSNZ */
	assert_int_equal(r->data[5], 255);
	assert_int_equal(scsi_get16(r->data + 6), 8);
	assert_int_equal(scsi_get32(r->data + 8), 0x10000);
	assert_int_equal(scsi_get32(r->data + 12), 0x800);
	assert_int_equal(scsi_get32(r->data + 20), 0x12345);
	assert_int_equal(scsi_get32(r->data + 24), 33);
	assert_int_equal(scsi_get32(r->data + 28), 8);
	assert_int_equal(scsi_get32(r->data + 32), 0x80000000);
	assert_int_equal(scsi_get64(r->data + 36), 0x4321);
	assert_good(vpd(r, 0xb2));
	assert_int_equal(r->data[5], 0xe4);
	assert_int_equal(r->data[6], 2);
	assert_good(vpd(r, 0xb1));
	assert_int_equal(scsi_get16(r->data + 4), 1);
	assert_int_equal(r->task.in_len, 64);
	ram_free(r);
	cfg.thin = false;
	cfg.rotational = true;
	r = ram_new(&cfg);
	assert_good(vpd(r, 0xb0));
	for (int i = 20; i < 36; i++)
		assert_int_equal(r->data[i], 0);
	assert_good(vpd(r, 0xb1));
	assert_int_equal(scsi_get16(r->data + 4), 0);
	assert_good(vpd(r, 0xb2));
	assert_int_equal(r->data[5], 0);
	assert_int_equal(r->data[6], 0);
	assert_good(ram_in(r, CDB(0x9e, 0x10, [13] = 32), 16, 32));
	assert_int_equal(r->data[14], 0);
	ram_free(r);
}

static void extended_inquiry(void **state)
{
	struct scsi_lu_cfg cfg = ram_cfg(512);
	struct ram *r = ram_new(&cfg);

	(void)state;
	assert_good(vpd(r, 0x86));
	assert_int_equal(r->task.in_len, 64);
	assert_int_equal(r->data[5], 1);
	assert_int_equal(r->data[6], 1);
	ram_free(r);
	cfg.no_write_cache = true;
	r = ram_new(&cfg);
	assert_good(vpd(r, 0x86));
	assert_int_equal(r->data[6], 0);
	ram_free(r);
}

static void mode_sense(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	assert_good(ram_in(r, CDB(0x1a, 0, 0x3f, 0, 255), 6, 255));
	assert_int_equal(r->task.in_len, 4 + 8 + 20 + 12 + 12);
	assert_int_equal(r->data[0], r->task.in_len - 1);
	assert_int_equal(r->data[2], 0x10);
	assert_int_equal(r->data[3], 8);
	assert_int_equal(scsi_get32(r->data + 4), RAM_BLOCKS);
	assert_int_equal(scsi_get32(r->data + 8), 512);
	assert_memory_equal(r->data + 12, "\x08\x12\x04", 3);
	assert_memory_equal(r->data + 32, "\x0a\x0a\x00\x10", 4);
	assert_memory_equal(r->data + 44, "\x1c\x0a", 2);
	/* without block descriptor, one page */
	assert_good(sense6(r, 0x0a));
	assert_int_equal(r->task.in_len, 16);
	assert_int_equal(r->data[3], 0);
	/* ten bytes, long LBA */
	assert_good(ram_in(r, CDB(0x5a, 0x10, 0x08, 0xff, [8] = 255), 10, 255));
	assert_int_equal(r->task.in_len, 8 + 16 + 20);
	assert_int_equal(scsi_get16(r->data), r->task.in_len - 2);
	assert_int_equal(r->data[4], 1);
	assert_int_equal(scsi_get16(r->data + 6), 16);
	assert_int_equal(scsi_get64(r->data + 8), RAM_BLOCKS);
	assert_int_equal(scsi_get32(r->data + 20), 512);
	/* changeable, default, saved */
	assert_good(sense6(r, 0x48));
	assert_memory_equal(r->data + 4, "\x08\x12\x04\0", 4);
	assert_good(sense6(r, 0x4a));
	assert_memory_equal(r->data + 4, "\x0a\x0a\x04\0\x08\0", 6);
	assert_good(sense6(r, 0x88));
	assert_memory_equal(r->data + 4, "\x08\x12\x04\0", 4);
	assert_sense(r, sense6(r, 0xc8), SENSE(5, 0x3900));
	/* pages and subpages there are not */
	assert_sense(r, sense6(r, 0x01), BAD_CDB);
	assert_sense(r, ram_in(r, CDB(0x1a, 0, 0x08, 1, 255), 6, 255), BAD_CDB);
	/* a disk of more than 2^32 blocks */
	r->lu.cfg.blocks = 0x200000000u;
	assert_good(ram_in(r, CDB(0x1a, 0, 0x3f, 0, 255), 6, 255));
	assert_int_equal(scsi_get32(r->data + 4), UINT32_MAX);
	ram_free(r);
}

/* Sends back a page with the byte at set to value. */
static uint8_t select6(struct ram *r, uint8_t page, uint8_t at, uint8_t value)
{
	uint8_t list[64];
	uint32_t len;

	assert_good(sense6(r, page));
	len = r->task.in_len;
	memcpy(list, r->data, len);
	list[0] = 0;
	list[2] = 0;
	list[4 + at] = value;
	return ram_out(r, CDB(0x15, 0x10, 0, 0, (uint8_t)len), 6, list, len);
}

static void mode_select(void **state)
{
	struct ram *r = ram_default();
	uint32_t changed = SENSE(SCSI_KEY_UNIT_ATTENTION, 0x2a01);

	(void)state;
	/* nothing changes, nobody is told */
	assert_good(select6(r, 0x0a, 0, 0x8a)); /* PS comes back */
	r->nexus = 1;
	assert_good(ram_in(r, CDB(0), 6, 0));
	/* D_SENSE */
	r->nexus = 0;
	assert_good(select6(r, 0x0a, 2, 0x04));
	assert_int_equal(r->task.residual, 0);
	assert_good(ram_in(r, CDB(0), 6, 0));
	assert_sense(r, ram_in(r, CDB(0x12, 0, 1, 0, 96), 6, 96), BAD_CDB);
	assert_int_equal(r->task.sense[0], 0x72);
	assert_int_equal(r->task.sense_len, 16);
	r->nexus = 1;
	assert_sense(r, ram_in(r, CDB(0), 6, 0), changed);
	assert_int_equal(r->task.sense_len, 8);
	assert_good(ram_in(r, CDB(0), 6, 0));
	assert_good(sense6(r, 0x0a));
	assert_int_equal(r->data[6], 4);
	assert_good(sense6(r, 0x8a)); /* the default stays */
	assert_int_equal(r->data[6], 0);
	/* SWP */
	assert_good(select6(r, 0x0a, 4, 0x08));
	assert_sense(r, ram_in(r, CDB(0x0a, 0, 0, 0, 1), 6, 0),
		     SENSE(SCSI_KEY_DATA_PROTECT, 0x2702));
	assert_good(sense6(r, 0x0a));
	assert_int_equal(r->data[2], 0x90);
	/* all of it back by a reset */
	scsi_lu_reset(&r->lu);
	assert_int_equal(ram_in(r, CDB(0), 6, 0), SCSI_CHECK_CONDITION);
	assert_good(sense6(r, 0x0a));
	assert_int_equal(r->data[2], 0x10);
	assert_int_equal(r->data[6], 0);
	ram_free(r);
}

static void write_cache_off_flushes(void **state)
{
	struct ram *r = ram_default();

	(void)state;
	r->fail_at = 1;
	r->fail_rc = XPV_EIO;
	assert_sense(r, select6(r, 0x08, 2, 0x00), SENSE(3, 0x0c00));
	assert_true(r->lu.mode.write_cache);
	assert_good(select6(r, 0x08, 2, 0x00));
	assert_int_equal(r->count[SCSI_IO_FLUSH], 2);
	assert_false(r->lu.mode.write_cache);
	assert_good(select6(r, 0x08, 2, 0x04));
	assert_int_equal(r->count[SCSI_IO_FLUSH], 2);
	assert_true(r->lu.mode.write_cache);
	/* where there is none, it cannot be turned on */
	ram_free(r);
	r = ram_default();
	r->lu.cfg.no_write_cache = true;
	scsi_lu_reset(&r->lu);
	assert_int_equal(ram_in(r, CDB(0), 6, 0), SCSI_CHECK_CONDITION);
	assert_sense(r, select6(r, 0x08, 2, 0x04), BAD_LIST);
	assert_int_equal(scsi_get16(r->task.sense + 16), 4 + 2);
	ram_free(r);
}

/* Every bit that may not change is refused, and nothing changes with it. */
static void only_changeable_bits_change(void **state)
{
	static const uint8_t pages[] = {0x08, 0x0a, 0x1c};
	static const uint8_t lens[] = {20, 12, 12};
	struct ram *r = ram_default();

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		for (uint8_t bit = 16; bit < lens[i] * 8; bit++) {
			uint8_t mask = (uint8_t)(1 << bit % 8);
			uint8_t at = bit / 8, now;
			struct scsi_mode before = r->lu.mode;

			assert_good(sense6(r, pages[i] | 0x40));
			if (r->data[4 + at] & mask)
				continue;
			assert_good(sense6(r, pages[i]));
			now = r->data[4 + at];
			assert_sense(r, select6(r, pages[i], at, now ^ mask),
				     BAD_LIST);
			assert_int_equal(scsi_get16(r->task.sense + 16),
					 4 + at);
			assert_memory_equal(&before, &r->lu.mode,
					    sizeof(before));
		}
	}
	ram_free(r);
}

/* An error in the second page leaves the first one as it was. */
static void lists_are_taken_whole(void **state)
{
	struct ram *r = ram_default();
	uint8_t list[64] = {[4] = 0x0a, 0x0a, 0x04, 0x10, [16] = 0x1c, 0x0a, 1};

	(void)state;
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 28), 6, list, 28),
		     BAD_LIST);
	assert_false(r->lu.mode.desc_sense);
	list[18] = 0;
	assert_good(ram_out(r, CDB(0x15, 0x10, 0, 0, 28), 6, list, 28));
	assert_true(r->lu.mode.desc_sense);
	ram_free(r);
}

static void bad_lists(void **state)
{
	struct ram *r = ram_default();
	uint8_t list[64] = {[3] = 8,	 [10] = 2, [12] = 0x0a,
			    [13] = 0x0a, [14] = 0, [15] = 0x10};

	(void)state;
	assert_good(ram_out(r, CDB(0x15, 0x10), 6, NULL, 0));
	assert_sense(r, ram_out(r, CDB(0x15, 0x00, 0, 0, 24), 6, list, 24),
		     BAD_CDB); /* PF */
	assert_sense(r, ram_out(r, CDB(0x15, 0x11, 0, 0, 24), 6, list, 24),
		     BAD_CDB); /* SP */
	assert_good(ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24));
	assert_good(ram_out(r, CDB(0x15, 0x10, 0, 0, 12), 6, list, 12));
	for (uint8_t len = 1; len < 24; len++)
		if (len != 12)
			assert_sense(r,
				     ram_out(r, CDB(0x15, 0x10, 0, 0, len), 6,
					     list, 24),
				     BAD_LENGTH);
	for (uint32_t len = 0; len < 24; len++)
		assert_sense(
			r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, len),
			BAD_LENGTH);
	list[10] = 4; /* block size 1024 */
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	list[10] = 2;
	list[7] = 1; /* one block */
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	memset(list + 4, 0xff, 4);
	assert_good(ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24));
	list[3] = 7;
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	list[3] = 8;
	list[12] = 0x4a; /* SPF */
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	list[12] = 0x01;
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	list[12] = 0x0a;
	list[13] = 9;
	assert_sense(r, ram_out(r, CDB(0x15, 0x10, 0, 0, 24), 6, list, 24),
		     BAD_LIST);
	ram_free(r);
}

static void ten_byte_select(void **state)
{
	struct ram *r = ram_default();
	uint8_t list[36] = {[4] = 1,	 [7] = 16,    [22] = 2,	  [24] = 0x0a,
			    [25] = 0x0a, [26] = 0x04, [27] = 0x10};

	(void)state;
	assert_good(ram_out(r, CDB(0x55, 0x10, [8] = 36), 10, list, 36));
	assert_true(r->lu.mode.desc_sense);
	list[4] = 0; /* 16 bytes are only well with LONGLBA */
	assert_sense(r, ram_out(r, CDB(0x55, 0x10, [8] = 36), 10, list, 36),
		     BAD_LIST);
	assert_sense(r, ram_out(r, CDB(0x55, 0x10, [8] = 7), 10, list, 36),
		     BAD_LENGTH);
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inquiry),
		cmocka_unit_test(vpd_pages),
		cmocka_unit_test(identity),
		cmocka_unit_test(block_limits),
		cmocka_unit_test(extended_inquiry),
		cmocka_unit_test(mode_sense),
		cmocka_unit_test(mode_select),
		cmocka_unit_test(write_cache_off_flushes),
		cmocka_unit_test(only_changeable_bits_change),
		cmocka_unit_test(lists_are_taken_whole),
		cmocka_unit_test(bad_lists),
		cmocka_unit_test(ten_byte_select),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
