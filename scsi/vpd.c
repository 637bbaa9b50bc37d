/* SPDX-License-Identifier: BSD-2-Clause */
/* INQUIRY: standard data and the vital product data of every device type. */
#include "scsi/vpd.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "scsi/sense.h"

/* SPC-4 table 143: version 6 is SPC-4; 7 (SPC-5) is unknown to many. */
#define VERSION_SPC4 6

/* SPC-4 table 150: version descriptors without a revision claimed. */
#define VD_SAM5 0x00a0
#define VD_SPC4 0x0460

/* Device identification, SPC-4 tables 554 to 558. */
#define CODE_SET_BINARY 1
#define CODE_SET_ASCII	2
#define DESIG_T10	1
#define DESIG_NAA	3

static uint32_t text_len(const char *text, uint32_t max)
{
	uint32_t len = 0;

	while (len < max && text[len])
		len++;
	return len;
}

void scsi_text(uint8_t *field, const char *text, uint32_t width)
{
	uint32_t len = text_len(text, width);

	scsi_fill(field, ' ', width);
	scsi_copy(field, text, len);
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text[0] ? text : otherwise;
}

/* 00h: supported pages (SPC-4 7.8.15) is made by scsi_inquiry(). */
static uint32_t vpd_supported(const struct scsi_lu *lu, uint8_t *page)
{
	(void)lu;
	(void)page;
	return 4;
}

/* 80h: unit serial number, SPC-4 7.8.17. */
static uint32_t vpd_serial(const struct scsi_lu *lu, uint8_t *page)
{
	uint32_t len = text_len(lu->cfg.serial, sizeof(lu->cfg.serial));

	scsi_copy(page + 4, lu->cfg.serial, len);
	return 4 + len;
}

/* Header of a designation descriptor for this logical unit. */
static uint8_t *desig(uint8_t *p, uint8_t code_set, uint8_t type, uint32_t len)
{
	p[0] = code_set;
	p[1] = type; /* association 0: the logical unit */
	p[3] = (uint8_t)len;
	return p + 4;
}

/*
 * 83h: device identification, SPC-4 7.8.6: the NAA name, which systems take as
 * the identity, and vendor with serial number for those that want text.
 */
static uint32_t vpd_identity(const struct scsi_lu *lu, uint8_t *page)
{
	uint32_t serial = text_len(lu->cfg.serial, sizeof(lu->cfg.serial));
	uint8_t *p = page + 4;

	if (lu->cfg.naa) {
		p = desig(p, CODE_SET_BINARY, DESIG_NAA, 8);
		scsi_put64(p, lu->cfg.naa);
		p += 8;
	}
	p = desig(p, CODE_SET_ASCII, DESIG_T10, 8 + 16 + serial);
	scsi_text(p, text_or(lu->cfg.vendor, "XENPV"), 8);
	scsi_text(p + 8, text_or(lu->cfg.product, lu->cfg.type->name), 16);
	scsi_copy(p + 24, lu->cfg.serial, serial);
	p += 24 + serial;
	return (uint32_t)(p - page);
}

/* 86h: extended INQUIRY data, SPC-4 7.8.7. */
static uint32_t vpd_extended(const struct scsi_lu *lu, uint8_t *page)
{
	page[5] = 0x01;				     /* SIMPSUP: SIMPLE tasks */
	page[6] = lu->cfg.no_write_cache ? 0 : 0x01; /* V_SUP */
	page[7] = 0x01; /* LUICLR: unit attentions are per I_T nexus */
	return 64;
}

static const struct scsi_vpd_page common_pages[] = {
	{0x00, vpd_supported},
	{0x80, vpd_serial},
	{0x83, vpd_identity},
	{0x86, vpd_extended},
};

/* Page number i over both tables, NULL behind the last one. */
static const struct scsi_vpd_page *page_at(const struct scsi_lu *lu, uint32_t i)
{
	const struct scsi_lu_type *type = lu->cfg.type;

	if (i < XPV_ARRAY_SIZE(common_pages))
		return &common_pages[i];
	i -= (uint32_t)XPV_ARRAY_SIZE(common_pages);
	return i < type->vpd_count ? &type->vpd[i] : NULL;
}

static enum scsi_step vital(struct scsi_lu *lu, struct scsi_task *task,
			    uint32_t alloc_len)
{
	const struct scsi_vpd_page *p;
	uint8_t *page = task->scratch;
	uint8_t code = task->cdb[2];
	uint32_t i = 0;
	uint32_t len;

	while ((p = page_at(lu, i)) != NULL && p->code != code)
		i++;
	if (!p)
		return scsi_bad_cdb(lu, task, 2, 7);
	scsi_fill(page, 0, SCSI_VPD_MAX);
	len = p->fill(lu, page);
	if (code == 0)
		for (i = 0; (p = page_at(lu, i)) != NULL; i++)
			page[len++] = p->code;
	XPV_ASSERT(len <= SCSI_VPD_MAX);
	page[0] = lu->cfg.type->peripheral;
	page[1] = code;
	scsi_put16(page + 2, len - 4);
	return scsi_reply(task, page, len, alloc_len);
}

enum scsi_step scsi_inquiry(struct scsi_lu *lu, struct scsi_task *task)
{
	const struct scsi_lu_type *type = lu->cfg.type;
	uint32_t alloc_len = scsi_get16(task->cdb + 3);
	uint8_t *p = task->scratch;

	if (task->cdb[1] & 0x01) /* EVPD */
		return vital(lu, task, alloc_len);
	if (task->cdb[2])
		return scsi_bad_cdb(lu, task, 2, 7);
	scsi_fill(p, 0, SCSI_INQUIRY_LEN);
	p[0] = type->peripheral;
	p[1] = type->removable ? 0x80 : 0; /* RMB */
	p[2] = VERSION_SPC4;
	p[3] = 0x12; /* HISUP, response data format 2 */
	p[4] = SCSI_INQUIRY_LEN - 5;
	p[7] = 0x02; /* CMDQUE */
	scsi_text(p + 8, text_or(lu->cfg.vendor, "XENPV"), 8);
	scsi_text(p + 16, text_or(lu->cfg.product, type->name), 16);
	scsi_text(p + 32, text_or(lu->cfg.revision, "0001"), 4);
	scsi_put16(p + 58, VD_SAM5);
	scsi_put16(p + 60, VD_SPC4);
	for (uint32_t i = 0; i < type->version_count; i++)
		scsi_put16(p + 62 + 2 * i, type->version[i]);
	return scsi_reply(task, p, SCSI_INQUIRY_LEN, alloc_len);
}
