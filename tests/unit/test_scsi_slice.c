/* SPDX-License-Identifier: BSD-2-Clause */
/* scsi/slice: every command that can be divided, and those that cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scsi/disk_io.h"
#include "scsi/slice.h"

#define K 1024u

static const struct {
	const char *what;
	uint32_t cdb_len, block, offset, len;
	bool ok;
	uint8_t cdb[16], made[16];
} cases[] = {
	{"READ(6), 256 blocks: first part",
	 6,
	 512,
	 0,
	 64 * K,
	 true,
	 {0x08, 0xff, 0xff, 0x00, 0, 0x80}, /* old LUN bits, LBA 0x1fff00 */
	 {0x08, 0xff, 0xff, 0x00, 128, 0x80}},
	{"READ(6): last part",
	 6,
	 512,
	 64 * K,
	 64 * K,
	 true,
	 {0x08, 0x01, 0xff, 0xc0, 0, 0},
	 {0x08, 0x02, 0x00, 0x40, 128, 0}},
	{"READ(6): whole",
	 6,
	 512,
	 0,
	 128 * K,
	 true,
	 {0x08, 0, 0, 1, 0, 0},
	 {0x08, 0, 0, 1, 0, 0}},
	{"READ(6): behind its end",
	 6,
	 512,
	 128 * K,
	 512,
	 false,
	 {0x08, 0, 0, 1, 0, 0},
	 {0}},
	{"READ(6): far behind its end",
	 6,
	 512,
	 129 * K,
	 512,
	 false,
	 {0x08, 0, 0, 1, 0, 0},
	 {0}},
	{"READ(6): LBA has no room",
	 6,
	 512,
	 512,
	 512,
	 false,
	 {0x08, 0x1f, 0xff, 0xff, 2, 0},
	 {0}},
	{"WRITE(6)",
	 6,
	 4096,
	 4096,
	 8192,
	 true,
	 {0x0a, 0, 0, 1, 4, 0},
	 {0x0a, 0, 0, 2, 2, 0}},
	{"READ(10)",
	 10,
	 512,
	 4096,
	 4096,
	 true,
	 {0x28, 0x18, 0, 0, 0xff, 0xfe, 0x1f, 1, 0, 0x40},
	 {0x28, 0x18, 0, 1, 0, 6, 0x1f, 0, 8, 0x40}},
	{"WRITE(10)",
	 10,
	 4096,
	 4096,
	 4096,
	 true,
	 {0x2a, 0x08, 0, 0, 0, 7, 0, 0, 2, 0},
	 {0x2a, 0x08, 0, 0, 0, 8, 0, 0, 1, 0}},
	{"WRITE(10): LBA has no room",
	 10,
	 512,
	 512,
	 512,
	 false,
	 {0x2a, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0},
	 {0}},
	{"READ(12)",
	 12,
	 512,
	 0x10000,
	 0x20000,
	 true,
	 {0xa8, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0},
	 {0xa8, 0, 0, 0, 0, 0x81, 0, 0, 1, 0, 0, 0}},
	{"WRITE(12)",
	 12,
	 512,
	 512,
	 512,
	 true,
	 {0xaa, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0},
	 {0xaa, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0}},
	{"WRITE(12): LBA has no room",
	 12,
	 512,
	 512,
	 512,
	 false,
	 {0xaa, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0},
	 {0}},
	{"READ(16)",
	 16,
	 512,
	 512,
	 1024,
	 true,
	 {0x88, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 3, 4},
	 {0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4}},
	{"WRITE(16)",
	 16,
	 4096,
	 0,
	 4096,
	 true,
	 {0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0},
	 {0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0}},
	{"READ(16): LBA has no room",
	 16,
	 512,
	 512,
	 512,
	 false,
	 {0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2},
	 {0}},
	{"WRITE AND VERIFY(10)",
	 10,
	 512,
	 512,
	 512,
	 true,
	 {0x2e, 2, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0x2e, 2, 0, 0, 0, 2, 0, 0, 1, 0}},
	{"WRITE AND VERIFY(12)",
	 12,
	 512,
	 512,
	 512,
	 true,
	 {0xae, 0, 0, 0, 0, 1, 0, 0, 0, 2},
	 {0xae, 0, 0, 0, 0, 2, 0, 0, 0, 1}},
	{"WRITE AND VERIFY(16)",
	 16,
	 512,
	 512,
	 512,
	 true,
	 {0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2},
	 {0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1}},
	{"VERIFY(10), BYTCHK 1",
	 10,
	 512,
	 512,
	 512,
	 true,
	 {0x2f, 2, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0x2f, 2, 0, 0, 0, 2, 0, 0, 1, 0}},
	{"VERIFY(12), BYTCHK 1",
	 12,
	 512,
	 512,
	 512,
	 true,
	 {0xaf, 2, 0, 0, 0, 1, 0, 0, 0, 2},
	 {0xaf, 2, 0, 0, 0, 2, 0, 0, 0, 1}},
	{"VERIFY(16), BYTCHK 1",
	 16,
	 512,
	 512,
	 512,
	 true,
	 {0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2},
	 {0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1}},
	{"VERIFY(10), no data",
	 10,
	 512,
	 0,
	 512,
	 false,
	 {0x2f, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"VERIFY(10), one block for all",
	 10,
	 512,
	 0,
	 512,
	 false,
	 {0x2f, 6, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"protection information",
	 10,
	 512,
	 0,
	 512,
	 false,
	 {0x28, 0x20, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"COMPARE AND WRITE",
	 16,
	 512,
	 0,
	 512,
	 false,
	 {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2},
	 {0}},
	{"WRITE SAME(10)",
	 10,
	 512,
	 0,
	 512,
	 false,
	 {0x41, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"INQUIRY", 6, 512, 0, 512, false, {0x12, 0, 0, 4, 0, 0}, {0}},
	{"no CDB", 0, 512, 0, 512, false, {0x08, 0, 0, 1, 2, 0}, {0}},
	{"more than a CDB", 17, 512, 0, 512, false, {0x08, 0, 0, 1, 2, 0}, {0}},
	{"a part of a CDB",
	 9,
	 512,
	 0,
	 512,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"no blocks",
	 10,
	 512,
	 0,
	 512,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 0, 0},
	 {0}},
	{"nothing of it",
	 10,
	 512,
	 512,
	 0,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"one block too many",
	 10,
	 512,
	 512,
	 1024,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"offset inside a block",
	 10,
	 4096,
	 512,
	 4096,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"len inside a block",
	 10,
	 4096,
	 0,
	 4608,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
	{"no block size",
	 10,
	 0,
	 0,
	 512,
	 false,
	 {0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0},
	 {0}},
};

static void every_case(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		uint8_t to[16], untouched[16];

		print_message("# %s\n", cases[i].what);
		memset(to, 0xd5, sizeof(to));
		memset(untouched, 0xd5, sizeof(to));
		assert_int_equal(scsi_cdb_slice(cases[i].cdb, cases[i].cdb_len,
						cases[i].block, cases[i].offset,
						cases[i].len, to),
				 cases[i].ok);
		assert_memory_equal(to, cases[i].ok ? cases[i].made : untouched,
				    16);
	}
}

/* All parts of a command together are the command. */
static void parts_are_the_whole(void **state)
{
	uint8_t cdb[16] = {0x28, 0, 0, 0, 0xff, 0x80, 0, 0x12, 0x34, 0};
	const uint32_t whole = 0x1234 * 512, part = 40 * K;
	uint64_t lba, blocks, next = 0xff80;
	uint32_t at, n;

	(void)state;
	for (at = 0; at < whole; at += n) {
		uint8_t to[16];

		n = whole - at < part ? whole - at : part;
		assert_true(scsi_cdb_slice(cdb, 10, 512, at, n, to));
		disk_cdb_range(to, &lba, &blocks);
		assert_int_equal(lba, next);
		assert_int_equal(blocks, n / 512);
		next += blocks;
	}
	assert_int_equal(next, 0xff80 + 0x1234);
	/* in place */
	assert_true(scsi_cdb_slice(cdb, 10, 512, 512, 512, cdb));
	assert_int_equal(cdb[5], 0x81);
	assert_int_equal(cdb[8], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case),
		cmocka_unit_test(parts_are_the_whole),
	};

	return cmocka_run_group_tests_name("scsi_slice", tests, NULL, NULL);
}
