/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tape drive tells. */
#include "scsi/tape_info.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"

#define MEBI (1u << 20)

/* READ BLOCK LIMITS, SSC-4 7.5 */
enum scsi_step tape_limits(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *p = task->scratch;

	(void)lu;
	scsi_put32(p, CART_BLOCK_MAX); /* granularity 0 in the first byte */
	scsi_put16(p + 4, 1);
	return scsi_reply(task, p, 6, 6);
}

/* REPORT DENSITY SUPPORT, SSC-4 7.9: the one that there is. */
enum scsi_step tape_densities(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_tape *t = scsi_tape_of(lu);
	uint8_t *p = task->scratch;

	if (task->cdb[1] & 0x02) /* MEDIUM TYPE */
		return scsi_bad_cdb(lu, task, 1, 1);
	if ((task->cdb[1] & 0x01) && !(t->present && t->loaded))
		return scsi_check(lu, task, SCSI_KEY_NOT_READY,
				  SCSI_ASC_NO_MEDIUM);
	scsi_fill(p, 0, 56);
	scsi_put16(p, 54);
	p[4] = p[5] = TAPE_DENSITY;
	p[6] = 0xa0;		  /* WRTOK, DEFLT */
	scsi_put32(p + 8, 15142); /* bits per mm */
	scsi_put16(p + 12, 127);  /* width, 0.1 mm */
	scsi_put16(p + 14, 2176); /* tracks */
	scsi_put32(p + 16, (uint32_t)(t->present ? t->cart.capacity / 1000000
						 : 2500000));
	scsi_text(p + 20, "LTO-CVE", 8);
	scsi_text(p + 28, "U-616", 8);
	scsi_text(p + 36, "Ultrium 6/16T", 20);
	return scsi_reply(task, p, 56, scsi_get16(task->cdb + 7));
}

/* ---- LOG SENSE, SPC-4 6.6, 7.3 ---- */

/* A parameter of LEN bytes (4 or 8) with VALUE; the end of it. */
static uint8_t *parameter(uint8_t *p, uint16_t code, uint32_t len,
			  uint64_t value)
{
	scsi_put16(p, code);
	p[2] = 0x03; /* binary list */
	p[3] = (uint8_t)len;
	if (len == 8)
		scsi_put64(p + 4, value);
	else
		scsi_put32(p + 4, (uint32_t)value);
	return p + 4 + len;
}

static uint8_t *log_supported(const struct scsi_tape *t, uint8_t *p);

/* 02h, 03h: error counters: nothing was corrected, and the bytes. */
static uint8_t *log_errors(uint8_t *p, uint64_t bytes)
{
	for (uint16_t code = 0; code < 5; code++)
		p = parameter(p, code, 4, 0);
	p = parameter(p, 5, 8, bytes);
	return parameter(p, 6, 4, 0);
}

static uint8_t *log_writes(const struct scsi_tape *t, uint8_t *p)
{
	return log_errors(p, t->bytes_written);
}

static uint8_t *log_reads(const struct scsi_tape *t, uint8_t *p)
{
	return log_errors(p, t->bytes_read);
}

/* 2Eh: TapeAlert, SSC-4 8.2.4: no flag is set. */
static uint8_t *log_alerts(const struct scsi_tape *t, uint8_t *p)
{
	(void)t;
	for (uint16_t code = 1; code <= 64; code++, p += 5) {
		scsi_put16(p, code);
		p[2] = 0;
		p[3] = 1;
		p[4] = 0;
	}
	return p;
}

/* 31h: tape capacity of LTO drives, MiB: remaining and maximum, of the
 * partition and of one that is not there. */
static uint8_t *log_capacity(const struct scsi_tape *t, uint8_t *p)
{
	bool in = t->present && t->loaded;

	p = parameter(p, 1, 4, in ? cart_left(&t->cart) / MEBI : 0);
	p = parameter(p, 2, 4, 0);
	p = parameter(p, 3, 4, in ? t->cart.capacity / MEBI : 0);
	return parameter(p, 4, 4, 0);
}

static const struct {
	uint8_t code;
	uint8_t *(*fill)(const struct scsi_tape *t, uint8_t *p);
} log_pages[] = {
	{0x00, log_supported}, {0x02, log_writes},   {0x03, log_reads},
	{0x2e, log_alerts},    {0x31, log_capacity},
};

static uint8_t *log_supported(const struct scsi_tape *t, uint8_t *p)
{
	(void)t;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(log_pages); i++)
		*p++ = log_pages[i].code;
	return p;
}

enum scsi_step tape_log(struct scsi_lu *lu, struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	uint8_t *p = task->scratch;
	uint32_t i = 0, len;

	if (cdb[1] & 0x01) /* SP */
		return scsi_bad_cdb(lu, task, 1, 0);
	if (cdb[2] >> 6 != 1) /* PC: cumulative values are all there is */
		return scsi_bad_cdb(lu, task, 2, 7);
	while (i < XPV_ARRAY_SIZE(log_pages) &&
	       log_pages[i].code != (cdb[2] & 0x3f))
		i++;
	if (i == XPV_ARRAY_SIZE(log_pages) || cdb[3])
		return scsi_bad_cdb(lu, task, cdb[3] ? 3 : 2, -1);
	if (scsi_get16(cdb + 5)) /* from a parameter on */
		return scsi_bad_cdb(lu, task, 5, 7);
	len = (uint32_t)(log_pages[i].fill(scsi_tape_of(lu), p + 4) - p);
	p[0] = log_pages[i].code;
	p[1] = 0;
	scsi_put16(p + 2, len - 4);
	return scsi_reply(task, p, len, scsi_get16(cdb + 7));
}

/* ---- READ ATTRIBUTE, SPC-4 6.17, 7.4 ---- */

#define READ_ONLY 0x80
#define BINARY	  0x00
#define ASCII	  0x01
#define TEXT	  0x02

static const struct attribute {
	uint16_t id;
	uint8_t format;
	uint16_t len;
} attributes[] = {
	{0x0000, READ_ONLY | BINARY, 8}, /* remaining capacity, MiB */
	{0x0001, READ_ONLY | BINARY, 8}, /* maximum capacity, MiB */
	{0x0005, READ_ONLY | ASCII, 8},	 /* assigning organization */
	{0x0006, READ_ONLY | BINARY, 1}, /* formatted density code */
	{0x0400, READ_ONLY | ASCII, 8},	 /* medium manufacturer */
	{0x0401, READ_ONLY | ASCII, 32}, /* medium serial number */
	{0x0405, READ_ONLY | BINARY, 1}, /* medium density code */
	{0x0408, READ_ONLY | BINARY, 1}, /* medium type: 80h is WORM */
	{0x0806, TEXT, 32},		 /* barcode */
};

static void attribute_value(const struct cart *c, uint16_t id, uint8_t *p)
{
	static const char digits[] = "0123456789ABCDEF";

	switch (id) {
	case 0x0000:
		scsi_put64(p, cart_left(c) / MEBI);
		break;
	case 0x0001:
		scsi_put64(p, c->capacity / MEBI);
		break;
	case 0x0005:
		scsi_text(p, "LTO-CVE", 8);
		break;
	case 0x0400:
		scsi_text(p, "XENPV", 8);
		break;
	case 0x0401:
		scsi_text(p, "", 32);
		for (uint32_t i = 0; i < 16; i++)
			p[i] = (uint8_t)digits[(c->id >> (60 - 4 * i)) & 0xf];
		break;
	case 0x0408:
		p[0] = (uint8_t)(c->flags & CART_WORM ? 0x80 : 0x00);
		break;
	case 0x0806:
		scsi_text(p, c->barcode, 32);
		break;
	default: /* the density codes */
		p[0] = TAPE_DENSITY;
		break;
	}
}

enum scsi_step tape_attributes(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_tape *t = scsi_tape_of(lu);
	bool list = (task->cdb[1] & 0x1f) == 0x01;
	uint16_t first = scsi_get16(task->cdb + 8);
	uint8_t *p = task->scratch;
	uint32_t len = 4;

	if (task->cdb[7]) /* there is one partition */
		return scsi_bad_cdb(lu, task, 7, 7);
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(attributes); i++) {
		const struct attribute *a = &attributes[i];

		if (a->id < first)
			continue;
		scsi_put16(p + len, a->id);
		len += 2;
		if (list)
			continue;
		p[len] = a->format;
		scsi_put16(p + len + 1, a->len);
		attribute_value(&t->cart, a->id, p + len + 3);
		len += 3u + a->len;
	}
	scsi_put32(p, len - 4);
	return scsi_reply(task, p, len, scsi_get32(task->cdb + 10));
}

/* ---- mode pages ---- */

/* 0Fh: data compression, SSC-4 8.3.2. Initiators switch it; the bytes on the
 * tape are the initiator's all the same. */
#define DCE 0x80
#define DCC 0x40
#define DDE 0x80

static void compression_get(const struct scsi_lu *lu,
			    const struct scsi_mode *mode, enum scsi_mode_pc pc,
			    uint8_t *page)
{
	(void)lu;
	if (pc == SCSI_PC_CHANGEABLE) {
		page[2] = DCE;
		return;
	}
	page[2] = (uint8_t)(DCC | (mode->compression ? DCE : 0));
	page[3] = DDE;
	scsi_put32(page + 4, 1); /* of LTO drives */
	scsi_put32(page + 8, 1);
}

static void compression_set(struct scsi_mode *mode, const uint8_t *page)
{
	mode->compression = page[2] & DCE;
}

static const struct scsi_mode_page page_compression = {
	.code = 0x0f,
	.len = 16,
	.get = compression_get,
	.set = compression_set,
};

/* 10h: device configuration, SSC-4 8.3.3. */
static void configuration_get(const struct scsi_lu *lu,
			      const struct scsi_mode *mode,
			      enum scsi_mode_pc pc, uint8_t *page)
{
	(void)lu;
	(void)mode;
	if (pc == SCSI_PC_CHANGEABLE)
		return;
	page[8] = 0x40;	 /* LOIS: READ POSITION, LOCATE */
	page[10] = 0x18; /* EEG, SEW: sync at early warning is for the
			    initiator to do */
	page[14] = 0x01; /* compression: page 0Fh */
}

static const struct scsi_mode_page page_configuration = {
	.code = 0x10,
	.len = 16,
	.get = configuration_get,
	.set = scsi_mode_set_nothing,
};

const struct scsi_mode_page *const tape_mode[TAPE_PAGES] = {
	&scsi_mode_control,
	&page_compression,
	&page_configuration,
	&scsi_mode_exceptions,
};

/* The device-specific parameter, SSC-4 8.3.1: buffered mode. */
uint8_t tape_specific(const struct scsi_lu *lu)
{
	return lu->mode.unbuffered ? 0x00 : 0x10;
}

bool tape_specific_set(struct scsi_mode *mode, uint8_t specific)
{
	uint8_t buffered = (specific >> 4) & 7;

	if (buffered > 1)
		return false;
	mode->unbuffered = buffered == 0;
	return true;
}

void tape_block(const struct scsi_lu *lu, struct scsi_mode_block *block)
{
	block->density = TAPE_DENSITY;
	block->blocks = 0; /* all that remain */
	block->size = lu->mode.block_size;
}

/* Density 00h is the default one, 7Fh what there is. */
bool tape_block_set(const struct scsi_lu *lu, struct scsi_mode *mode,
		    const struct scsi_mode_block *block)
{
	(void)lu;
	if (block->density != 0 && block->density != 0x7f &&
	    block->density != TAPE_DENSITY)
		return false;
	if (block->size > CART_BLOCK_MAX)
		return false;
	mode->block_size = block->size;
	return true;
}

/* B0h: sequential-access device capabilities, SSC-4 8.5.2: WORM. */
static uint32_t vpd_capabilities(const struct scsi_lu *lu, uint8_t *page)
{
	(void)lu;
	page[4] = 0x01;
	return 6;
}

const struct scsi_vpd_page tape_vpd[TAPE_VPDS] = {
	{0xb0, vpd_capabilities},
};
