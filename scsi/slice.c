/* SPDX-License-Identifier: BSD-2-Clause */
/* Dividing commands. */
#include "scsi/slice.h"

#include "scsi/bytes.h"
#include "scsi/disk_io.h"

/* Byte 1: RDPROTECT, WRPROTECT or VRPROTECT, and BYTCHK. */
#define PROTECT	 0xe0
#define BYTCHK	 0x06
#define BYTCHK_1 0x02

/* LBA of the 6 byte CDBs. */
#define LBA6_MAX 0x1fffff

/* What can be divided: the same command in each length. */
static const struct {
	uint8_t opcode;
	uint8_t len;
	uint8_t mask, value; /* of byte 1 */
} commands[] = {
	{0x08, 6, 0, 0}, /* READ */
	{0x28, 10, PROTECT, 0},
	{0xa8, 12, PROTECT, 0},
	{0x88, 16, PROTECT, 0},
	{0x0a, 6, 0, 0}, /* WRITE */
	{0x2a, 10, PROTECT, 0},
	{0xaa, 12, PROTECT, 0},
	{0x8a, 16, PROTECT, 0},
	{0x2e, 10, PROTECT, 0}, /* AND VERIFY */
	{0xae, 12, PROTECT, 0},
	{0x8e, 16, PROTECT, 0},
	{0x2f, 10, PROTECT | BYTCHK, BYTCHK_1}, /* VERIFY */
	{0xaf, 12, PROTECT | BYTCHK, BYTCHK_1},
	{0x8f, 16, PROTECT | BYTCHK, BYTCHK_1},
};

static bool divisible(const uint8_t *cdb, uint32_t cdb_len)
{
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(commands); i++)
		if (commands[i].opcode == cdb[0])
			return cdb_len >= commands[i].len &&
			       (cdb[1] & commands[i].mask) == commands[i].value;
	return false;
}

/* The reverse of disk_cdb_range(); false where the LBA has no room. */
static bool put_range(uint8_t *cdb, uint64_t lba, uint32_t blocks)
{
	switch (cdb[0] >> 5) { /* SPC-4 4.2.5.1: group code */
	case 0:
		if (lba > LBA6_MAX)
			return false;
		cdb[1] = (uint8_t)((cdb[1] & PROTECT) | (lba >> 16));
		scsi_put16(cdb + 2, (uint32_t)lba & 0xffff);
		cdb[4] = (uint8_t)blocks; /* 256 is 0 */
		return true;
	case 4:
		scsi_put64(cdb + 2, lba);
		scsi_put32(cdb + 10, blocks);
		return true;
	default:
		break;
	}
	if (lba > UINT32_MAX)
		return false;
	scsi_put32(cdb + 2, (uint32_t)lba);
	if (cdb[0] >> 5 == 5)
		scsi_put32(cdb + 6, blocks);
	else
		scsi_put16(cdb + 7, blocks);
	return true;
}

bool scsi_cdb_slice(const uint8_t *cdb, uint32_t cdb_len, uint32_t block_size,
		    uint32_t offset, uint32_t len, uint8_t *to)
{
	uint64_t lba, blocks, first, n;
	uint8_t made[16];

	if (cdb_len == 0 || cdb_len > sizeof(made) || !divisible(cdb, cdb_len))
		return false;
	if (block_size == 0 || offset % block_size != 0 ||
	    len % block_size != 0 || len == 0)
		return false;
	first = offset / block_size;
	n = len / block_size;
	disk_cdb_range(cdb, &lba, &blocks);
	if (first > blocks || n > blocks - first || lba > UINT64_MAX - first)
		return false;
	scsi_fill(made, 0, sizeof(made));
	scsi_copy(made, cdb, cdb_len);
	if (!put_range(made, lba + first, (uint32_t)n))
		return false;
	scsi_copy(to, made, sizeof(made));
	return true;
}
