/* SPDX-License-Identifier: BSD-2-Clause */
/* A CD/DVD-ROM drive: what it tells, its medium, its tray. */
#include "scsi/cdrom_info.h"
#include "scsi/keep.h"
#include "scsi/lu_cdrom.h"
#include "test_scsi_ram.h"

#define BLOCKS	  700u
#define NO_MEDIUM SENSE(SCSI_KEY_NOT_READY, SCSI_ASC_NO_MEDIUM_CLOSED)
#define TRAY_OPEN SENSE(SCSI_KEY_NOT_READY, SCSI_ASC_NO_MEDIUM_OPEN)
#define CHANGED	  SENSE(SCSI_KEY_UNIT_ATTENTION, SCSI_ASC_MEDIUM_CHANGED)

static struct scsi_cdrom cd;

static struct ram *drive(uint64_t blocks)
{
	struct scsi_lu_cfg cfg = {
		.type = &scsi_cdrom,
		.own = &cd,
		.blocks = blocks,
		.block_size = SCSI_CDROM_BLOCK,
		.read_only = true,
		.no_write_cache = true,
		.resumed = true,
		.serial = "0123456789",
		.naa = 0x5123456789abcdefu,
	};
	struct ram *r;

	memset(&cd, 0, sizeof(cd));
	r = ram_new(&cfg);
	for (uint64_t i = 0; i < r->size; i++)
		r->bytes[i] = (uint8_t)(i * 7 + i / 2048);
	return r;
}

/* A drive whose medium has more blocks than there is memory behind. */
static struct ram *drive_of(uint64_t blocks)
{
	struct ram *r = drive(1);

	r->lu.cfg.blocks = blocks;
	return r;
}

static uint8_t turs(struct ram *r)
{
	return ram_in(r, CDB(0x00), 6, 0);
}

static uint8_t start_stop(struct ram *r, uint8_t what)
{
	return ram_in(r, CDB(0x1b, 0, 0, 0, what), 6, 0);
}

/* The media event; the status in *STATUS. */
static uint8_t event(struct ram *r, uint8_t *status)
{
	assert_good(ram_in(r, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 10, 8));
	assert_int_equal(r->task.in_len, 8);
	assert_int_equal(scsi_get16(r->data), 6);
	assert_int_equal(r->data[2], 4);
	assert_int_equal(r->data[3], 0x10);
	*status = r->data[5];
	return r->data[4];
}

static void test_inquiry(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0x12, 0, 0, 0, 96), 6, 96));
	assert_int_equal(r->data[0], 0x05);
	assert_int_equal(r->data[1], 0x80);
	assert_memory_equal(r->data + 8, "XENPV   CD-ROM          0001", 28);
	assert_int_equal(scsi_get16(r->data + 62), 0x04e0);
	/* the block limits of a disk are not a CD's */
	assert_sense(r, ram_in(r, CDB(0x12, 1, 0xb0, 0, 96), 6, 96), BAD_CDB);
	ram_free(r);
}

static void test_cfg(void **state)
{
	struct scsi_lu_cfg cfg = {.type = &scsi_cdrom, .blocks = 1};
	struct scsi_lu *lu = malloc(sizeof(*lu));

	(void)state;
	assert_non_null(lu);
	cfg.block_size = SCSI_CDROM_BLOCK;
	assert_int_equal(scsi_lu_init(lu, &cfg), XPV_EINVAL);
	cfg.own = &cd;
	assert_int_equal(scsi_lu_init(lu, &cfg), 0);
	cfg.block_size = 512;
	assert_int_equal(scsi_lu_init(lu, &cfg), XPV_EINVAL);
	cfg.block_size = SCSI_CDROM_BLOCK;
	cfg.blocks = 1ull << 32;
	assert_int_equal(scsi_lu_init(lu, &cfg), XPV_EINVAL);
	free(lu);
}

static void test_read(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0x25), 10, 8));
	assert_int_equal(scsi_get32(r->data), BLOCKS - 1);
	assert_int_equal(scsi_get32(r->data + 4), 2048);
	assert_good(ram_in(r, CDB(0x28, 0, 0, 0, 0, 5, 0, 0, 3), 10, 6144));
	assert_memory_equal(r->data, r->bytes + 5 * 2048, 6144);
	assert_good(ram_in(r, CDB(0xa8, 0, 0, 0, 2, 0xbb, 0, 0, 0, 1), 12,
			   2048)); /* the last one */
	assert_memory_equal(r->data, r->bytes + 699 * 2048, 2048);
	assert_sense(r,
		     ram_in(r, CDB(0x28, 0, 0, 0, 2, 0xbb, 0, 0, 2), 10, 4096),
		     BAD_LBA);
	assert_sense(r,
		     ram_out(r, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 10, r->bytes,
			     2048),
		     SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_OPCODE));
	r->fail_at = r->ops + 1;
	r->fail_rc = XPV_EIO;
	assert_sense(r, ram_in(r, CDB(0x28, 0, 0, 0, 0, 5, 0, 0, 1), 10, 2048),
		     SENSE(SCSI_KEY_MEDIUM_ERROR, SCSI_ASC_READ_ERROR));
	ram_free(r);
}

static void test_read_cd(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(
		ram_in(r, CDB(0xbe, 0, 0, 0, 0, 7, 0, 0, 2, 0x10), 12, 4096));
	assert_memory_equal(r->data, r->bytes + 7 * 2048, 4096);
	/* mode 1 alone, less room than blocks */
	assert_good(ram_in(r, CDB(0xbe, 0x08, 0, 0, 0, 7, 0, 0, 2, 0x10), 12,
			   2100));
	assert_int_equal(r->task.in_len, 2100);
	assert_memory_equal(r->data, r->bytes + 7 * 2048, 2100);
	/* nothing of a sector */
	assert_good(ram_in(r, CDB(0xbe, 0, 0, 0, 0, 7, 0, 0, 2, 0), 12, 4096));
	assert_int_equal(r->task.in_len, 0);
	/* audio; raw sectors; sub-channel; beyond the end */
	assert_sense(
		r,
		ram_in(r, CDB(0xbe, 0x04, 0, 0, 0, 7, 0, 0, 1, 0x10), 12, 2048),
		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_MODE_FOR_TRACK));
	assert_sense(
		r, ram_in(r, CDB(0xbe, 0, 0, 0, 0, 7, 0, 0, 1, 0xf8), 12, 2352),
		BAD_CDB);
	assert_sense(
		r,
		ram_in(r, CDB(0xbe, 0, 0, 0, 0, 7, 0, 0, 1, 0x10, 1), 12, 2048),
		BAD_CDB);
	assert_sense(
		r,
		ram_in(r, CDB(0xbe, 0, 0, 0, 2, 0xbc, 0, 0, 1, 0x10), 12, 2048),
		BAD_LBA);
	ram_free(r);
}

static void test_toc(void **state)
{
	static const uint8_t toc[] = {0,    18, 1, 1, 0, 0x14, 1,
				      0,    0,	0, 0, 0, 0,    0x14,
				      0xaa, 0,	0, 0, 2, 0xbc};
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 100), 10, 100));
	assert_int_equal(r->task.in_len, sizeof(toc));
	assert_memory_equal(r->data, toc, sizeof(toc));
	/* MSF: block 700 is 00:11:25 */
	assert_good(ram_in(r, CDB(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100), 10, 100));
	assert_int_equal(r->task.in_len, 12);
	assert_memory_equal(r->data + 8, ((uint8_t[]){0, 0, 11, 25}), 4);
	assert_sense(r, ram_in(r, CDB(0x43, 0, 0, 0, 0, 0, 2, 0, 100), 10, 100),
		     BAD_CDB);
	/* sessions, also in the old place of the format */
	assert_good(ram_in(r, CDB(0x43, 0, 1, 0, 0, 0, 0, 0, 100), 10, 100));
	assert_int_equal(r->task.in_len, 12);
	assert_good(
		ram_in(r, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40), 10, 100));
	assert_int_equal(r->task.in_len, 12);
	assert_int_equal(r->data[6], 1);
	/* raw */
	assert_good(ram_in(r, CDB(0x43, 2, 2, 0, 0, 0, 1, 0, 100), 10, 100));
	assert_int_equal(r->task.in_len, 4 + 4 * 11);
	assert_int_equal(r->data[4 + 3], 0xa0);
	assert_int_equal(r->data[4 + 8], 1);
	assert_memory_equal(r->data + 4 + 22 + 8, ((uint8_t[]){0, 11, 25}), 3);
	assert_memory_equal(r->data + 4 + 33 + 8, ((uint8_t[]){0, 2, 0}), 3);
	/* ATIP: of what can be written */
	assert_sense(r, ram_in(r, CDB(0x43, 2, 4, 0, 0, 0, 0, 0, 100), 10, 100),
		     BAD_CDB);
	/* cut to the allocation length */
	assert_good(ram_in(r, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 4), 10, 100));
	assert_int_equal(r->task.in_len, 4);
	ram_free(r);
}

static void test_sub_channel(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0x42, 2, 0, 0, 0, 0, 0, 0, 48), 10, 48));
	assert_int_equal(r->task.in_len, 4);
	assert_int_equal(r->data[1], 0x15);
	assert_good(ram_in(r, CDB(0x42, 2, 0x40, 1, 0, 0, 0, 0, 48), 10, 48));
	assert_int_equal(r->task.in_len, 16);
	assert_int_equal(scsi_get16(r->data + 2), 12);
	assert_memory_equal(r->data + 8, ((uint8_t[]){0, 0, 2, 0}), 4);
	assert_good(ram_in(r, CDB(0x42, 0, 0x40, 3, 0, 0, 1, 0, 48), 10, 48));
	assert_int_equal(r->task.in_len, 24);
	assert_sense(r,
		     ram_in(r, CDB(0x42, 0, 0x40, 4, 0, 0, 1, 0, 48), 10, 48),
		     BAD_CDB);
	ram_free(r);
}

static void test_information(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0x51, 0, 0, 0, 0, 0, 0, 0, 40), 10, 40));
	assert_int_equal(r->task.in_len, 34);
	assert_int_equal(r->data[2], 0x0e);
	assert_sense(r, ram_in(r, CDB(0x51, 1, 0, 0, 0, 0, 0, 0, 40), 10, 40),
		     BAD_CDB);
	for (uint8_t how = 0; how < 3; how++) {
		assert_good(ram_in(r, CDB(0x52, how, 0, 0, 0, 1, 0, 0, 40), 10,
				   40));
		assert_int_equal(r->task.in_len, 36);
		assert_int_equal(scsi_get32(r->data + 24), BLOCKS);
	}
	assert_sense(r, ram_in(r, CDB(0x52, 1, 0, 0, 0, 2, 0, 0, 40), 10, 40),
		     BAD_CDB);
	assert_sense(r,
		     ram_in(r, CDB(0x52, 0, 0, 0, 2, 0xbc, 0, 0, 40), 10, 40),
		     BAD_LBA);
	assert_good(ram_in(r, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 12, 8));
	assert_int_equal(r->data[1], 0);
	ram_free(r);
}

/* The current profile, and how long the whole answer is. */
static uint16_t profile(struct ram *r, uint32_t *len)
{
	assert_good(ram_in(r, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), 10, 256));
	*len = r->task.in_len;
	assert_int_equal(scsi_get32(r->data), *len - 4);
	return scsi_get16(r->data + 6);
}

static void test_configuration(void **state)
{
	struct ram *cd_r = drive(BLOCKS), *dvd, *none;
	uint32_t len, at = 8;

	(void)state;
	assert_int_equal(profile(cd_r, &len), 0x0008);
	/* a chain of features, codes rising, up to the end */
	for (uint32_t last = 0; at < len; at += 4u + cd_r->data[at + 3]) {
		assert_true(at == 8 || scsi_get16(cd_r->data + at) > last);
		last = scsi_get16(cd_r->data + at);
	}
	assert_int_equal(at, len);
	assert_int_equal(cd_r->data[8 + 10], 1); /* CD profile is current */
	assert_int_equal(cd_r->data[8 + 6], 0);
	/* one feature; current ones from there on; a reserved RT */
	assert_good(ram_in(cd_r, CDB(0x46, 2, 0, 0x1e, 0, 0, 0, 1, 0), 10, 99));
	assert_int_equal(cd_r->task.in_len, 16);
	assert_int_equal(cd_r->data[10] & 1, 1);
	assert_good(ram_in(cd_r, CDB(0x46, 2, 0, 0x1f, 0, 0, 0, 1, 0), 10, 99));
	assert_int_equal(cd_r->data[10] & 1, 0);
	assert_good(ram_in(cd_r, CDB(0x46, 1, 0, 0x1f, 0, 0, 0, 1, 0), 10, 99));
	assert_int_equal(scsi_get16(cd_r->data + 8), 0x0100);
	assert_sense(cd_r,
		     ram_in(cd_r, CDB(0x46, 3, 0, 0, 0, 0, 0, 1, 0), 10, 99),
		     BAD_CDB);
	ram_free(cd_r);

	none = drive_of(BLOCKS);
	scsi_cdrom_leave(&none->lu);
	scsi_cdrom_insert(&none->lu, 0);
	assert_int_equal(profile(none, &len), 0);
	ram_free(none);

	dvd = drive_of(SCSI_CD_BLOCKS_MAX + 1);
	assert_int_equal(profile(dvd, &len), 0x0010);
	ram_free(dvd);
}

static void test_structure(void **state)
{
	struct ram *r = drive_of(SCSI_CD_BLOCKS_MAX + 1);

	(void)state;
	assert_good(
		ram_in(r, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 0x10, 0), 12, 4096));
	assert_int_equal(r->task.in_len, 2052);
	assert_int_equal(scsi_get32(r->data + 8), 0x30000);
	assert_int_equal(scsi_get32(r->data + 12),
			 0x30000 + SCSI_CD_BLOCKS_MAX);
	assert_good(
		ram_in(r, CDB(0xad, 0, 0, 0, 0, 0, 0, 0xff, 1, 0), 12, 256));
	assert_int_equal(r->task.in_len, 4 + 3 * 4);
	assert_sense(r,
		     ram_in(r, CDB(0xad, 0, 0, 0, 0, 0, 0, 3, 1, 0), 12, 256),
		     BAD_CDB);
	assert_sense(r,
		     ram_in(r, CDB(0xad, 0, 0, 0, 0, 0, 1, 0, 1, 0), 12, 256),
		     BAD_CDB);
	r->lu.cfg.blocks = BLOCKS; /* a CD has none */
	assert_sense(
		r, ram_in(r, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 1, 0), 12, 256),
		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INCOMPATIBLE_FORMAT));
	ram_free(r);
}

static void test_performance(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	assert_good(ram_in(r, CDB(0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1), 12, 24));
	assert_int_equal(r->task.in_len, 24);
	assert_int_equal(scsi_get32(r->data + 16), BLOCKS - 1);
	assert_good(ram_in(r, CDB(0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 0), 12, 24));
	assert_int_equal(r->task.in_len, 8);
	assert_sense(
		r,
		ram_in(r, CDB(0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 3), 12, 24),
		BAD_CDB);
	ram_free(r);
}

static void test_mode(void **state)
{
	struct ram *r = drive(BLOCKS);

	(void)state;
	/* no block descriptor, whether it is wanted or not */
	assert_good(ram_in(r, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), 10, 128));
	assert_int_equal(r->task.in_len, 8 + 22);
	assert_int_equal(scsi_get16(r->data + 6), 0);
	assert_int_equal(r->data[8], 0x2a);
	assert_int_equal(r->data[8 + 6], 0x29); /* tray, ejects, locks */
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 1), 6, 0));
	assert_good(ram_in(r, CDB(0x1a, 0, 0x2a, 0, 128), 6, 128));
	assert_int_equal(r->data[4 + 6], 0x2b); /* and is locked */
	assert_good(ram_in(r, CDB(0x1a, 0, 0x0d, 0, 128), 6, 128));
	assert_int_equal(scsi_get16(r->data + 4 + 4), 60);
	assert_good(ram_in(r, CDB(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255), 10, 255));
	assert_int_equal(r->task.in_len, 8 + 12 + 12 + 8 + 12 + 12 + 22);
	assert_sense(r, ram_in(r, CDB(0x1a, 0, 0x08, 0, 128), 6, 128), BAD_CDB);
	ram_free(r);
}

static void test_tray(void **state)
{
	struct ram *r = drive(BLOCKS);
	uint8_t status;

	(void)state;
	assert_good(turs(r));
	assert_int_equal(event(r, &status), 0);
	assert_int_equal(status, 0x02);
	/* locked */
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 1), 6, 0));
	assert_sense(
		r, start_stop(r, 2),
		SENSE(SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_REMOVAL_PREVENTED));
	assert_good(turs(r));
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 0), 6, 0));
	/* open; twice is no error */
	assert_good(start_stop(r, 2));
	assert_good(start_stop(r, 2));
	assert_sense(r, turs(r), TRAY_OPEN);
	assert_sense(r, ram_in(r, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 10, 2048),
		     TRAY_OPEN);
	assert_sense(r, ram_in(r, CDB(0x25), 10, 8), TRAY_OPEN);
	assert_good(ram_in(r, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 12, 8));
	assert_int_equal(r->data[1], 0x10);
	assert_int_equal(event(r, &status), 0); /* the second open: no event */
	assert_int_equal(status, 0x03);
	/* closed again: another medium may lie in it */
	assert_good(start_stop(r, 3));
	assert_int_equal(event(r, &status), 2);
	assert_int_equal(status, 0x02);
	assert_sense(r, turs(r), CHANGED);
	assert_good(turs(r));
	/* START without LOEJ moves nothing */
	assert_good(start_stop(r, 0));
	assert_good(start_stop(r, 1));
	assert_good(turs(r));
	ram_free(r);
}

static void test_change(void **state)
{
	struct ram *r = drive(BLOCKS);
	uint8_t status;

	(void)state;
	scsi_cdrom_want_eject(&r->lu);
	assert_int_equal(event(r, &status), 1);
	assert_int_equal(event(r, &status), 0);
	/* another medium */
	assert_good(ram_in(r, CDB(0x1e, 0, 0, 0, 1), 6, 0));
	scsi_cdrom_leave(&r->lu);
	assert_sense(r, turs(r),
		     SENSE(SCSI_KEY_NOT_READY, SCSI_ASC_BECOMING_READY));
	assert_sense(r, ram_in(r, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 10, 2048),
		     SENSE(SCSI_KEY_NOT_READY, SCSI_ASC_BECOMING_READY));
	scsi_cdrom_insert(&r->lu, 10);
	assert_false(scsi_lu_prevented(&r->lu));
	assert_int_equal(event(r, &status), 2);
	assert_sense(r, turs(r), CHANGED);
	assert_good(turs(r));
	assert_good(ram_in(r, CDB(0x25), 10, 8));
	assert_int_equal(scsi_get32(r->data), 9);
	/* none */
	scsi_cdrom_leave(&r->lu);
	scsi_cdrom_insert(&r->lu, 0);
	assert_int_equal(event(r, &status), 3);
	assert_int_equal(status, 0x00);
	assert_sense(r, turs(r), NO_MEDIUM);
	assert_sense(r, ram_in(r, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 9), 10, 9),
		     NO_MEDIUM);
	/* REQUEST SENSE tells why */
	assert_good(ram_in(r, CDB(0x03, 0, 0, 0, 18), 6, 18));
	assert_int_equal(r->data[2], SCSI_KEY_NOT_READY);
	/* into an open tray, which closes */
	assert_good(start_stop(r, 2));
	scsi_cdrom_leave(&r->lu);
	scsi_cdrom_insert(&r->lu, 5);
	assert_sense(r, turs(r), CHANGED);
	assert_good(turs(r));
	ram_free(r);
}

/* An event is told once, and to one who has room for it. */
static void test_events(void **state)
{
	struct ram *r = drive(BLOCKS);
	uint8_t status;

	(void)state;
	scsi_cdrom_leave(&r->lu);
	scsi_cdrom_insert(&r->lu, 10);
	assert_good(ram_in(r, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4), 10, 8));
	assert_int_equal(r->task.in_len, 4);
	assert_good(ram_in(r, CDB(0x4a, 1, 0, 0, 0x04, 0, 0, 0, 8), 10, 8));
	assert_int_equal(r->data[2], 0x80);
	assert_sense(r, ram_in(r, CDB(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), 10, 8),
		     BAD_CDB);
	assert_int_equal(event(r, &status), 2);
	/* nor has any of it taken the unit attention away */
	assert_sense(r, turs(r), CHANGED);
	ram_free(r);
}

/* Another process goes on: the tray is as it was, and so is what is to be told. */
static void test_keep(void **state)
{
	uint8_t image[SCSI_KEEP_MAX], status;
	struct ram *r = drive(BLOCKS);
	uint32_t closed, len;

	(void)state;
	closed = scsi_lu_keep(&r->lu, image);
	/* as one that kept nothing of its tray */
	assert_int_equal(scsi_lu_take_over(&r->lu, image, closed - 1), 0);
	assert_good(turs(r));
	assert_good(start_stop(r, 2));
	len = scsi_lu_keep(&r->lu, image);
	ram_free(r);

	r = drive(BLOCKS);
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len), 0);
	assert_sense(r, turs(r), TRAY_OPEN);
	assert_int_equal(event(r, &status), 3);
	assert_int_equal(status, 0x03);
	assert_good(start_stop(r, 3));
	len = scsi_lu_keep(&r->lu, image);
	ram_free(r);

	r = drive(BLOCKS);
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len), 0);
	assert_int_equal(event(r, &status), 2);
	assert_sense(r, turs(r), CHANGED);
	assert_good(turs(r));
	scsi_cdrom_want_eject(&r->lu);
	len = scsi_lu_keep(&r->lu, image);
	ram_free(r);

	r = drive(BLOCKS);
	image[len - 1] |= 0x10;
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len), XPV_EINVAL);
	image[len - 1] &= 0x0f;
	image[len] = 0;
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len + 1), XPV_EINVAL);
	assert_int_equal(event(r, &status), 0);
	assert_int_equal(scsi_lu_take_over(&r->lu, image, len), 0);
	assert_int_equal(event(r, &status), 1);
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inquiry),
		cmocka_unit_test(test_cfg),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_cd),
		cmocka_unit_test(test_toc),
		cmocka_unit_test(test_sub_channel),
		cmocka_unit_test(test_information),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_performance),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_tray),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
