/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *      0  "XPVK", version, flags, who has a RESERVE, number of nexuses
 *      8  bytes of the reservations' image
 *     12  a nexus: index, prevent, number of unit attentions, 0, their codes
 *         (SCSI_UA_COUNT places of two bytes, oldest first)
 *         the reservations (scsi_pr_keep())
 *         what only the type knows of
 *
 * Unit attentions are their sense codes, which mean the same in any version.
 */
#include "scsi/keep.h"

#include "scsi/bytes.h"

#define VERSION 1
#define HEAD	12u
#define NEXUS	(4u + 2u * SCSI_UA_COUNT)

enum {
	FLAG_WRITE_CACHE = 1,
	FLAG_DESC_SENSE = 2,
	FLAG_SOFT_WP = 4,
	FLAG_STOPPED = 8,
};

static uint8_t *put_nexus(const struct scsi_nexus *n, uint32_t index,
			  uint8_t *p)
{
	uint32_t i;

	scsi_fill(p, 0, NEXUS);
	p[0] = (uint8_t)index;
	p[1] = n->prevent;
	p[2] = n->ua_count;
	for (i = 0; i < n->ua_count; i++)
		scsi_put16(p + 4 + 2 * i, scsi_ua_code((enum scsi_ua)n->ua[i]));
	return p + NEXUS;
}

uint32_t scsi_lu_keep(const struct scsi_lu *lu, uint8_t *out)
{
	uint8_t *p = out + HEAD;
	uint32_t i, pr, own = 0;

	scsi_fill(out, 0, HEAD);
	scsi_copy(out, "XPVK", 4);
	out[4] = VERSION;
	out[5] = (uint8_t)((lu->mode.write_cache ? FLAG_WRITE_CACHE : 0) |
			   (lu->mode.desc_sense ? FLAG_DESC_SENSE : 0) |
			   (lu->mode.soft_wp ? FLAG_SOFT_WP : 0) |
			   (lu->stopped ? FLAG_STOPPED : 0));
	out[6] = (uint8_t)lu->old_holder;
	for (i = 0; i < SCSI_NEXUS_MAX; i++) {
		if (!lu->nexus[i].prevent && lu->nexus[i].ua_count == 0)
			continue;
		p = put_nexus(&lu->nexus[i], i, p);
		out[7]++;
	}
	pr = scsi_pr_keep(&lu->pr, p);
	scsi_put32(out + 8, pr);
	if (lu->cfg.type->keep)
		own = lu->cfg.type->keep(lu, p + pr);
	XPV_ASSERT(own <= SCSI_KEEP_OWN_MAX);
	return (uint32_t)(p - out) + pr + own;
}

static bool code_known(uint16_t code)
{
	uint32_t i;

	for (i = 0; i < SCSI_UA_COUNT; i++)
		if (scsi_ua_code((enum scsi_ua)i) == code)
			return true;
	return false;
}

static bool nexus_ok(const uint8_t *p)
{
	uint32_t i;

	if (p[0] >= SCSI_NEXUS_MAX || p[1] > 1 || p[2] > SCSI_UA_COUNT)
		return false;
	for (i = 0; i < p[2]; i++)
		if (!code_known(scsi_get16(p + 4 + 2 * i)))
			return false;
	return true;
}

static bool image_ok(const struct scsi_lu *lu, const uint8_t *image,
		     uint32_t len)
{
	uint32_t i, left;

	if (len < HEAD || !scsi_same(image, "XPVK", 4) || image[4] != VERSION)
		return false;
	if (image[6] > SCSI_NEXUS_MAX || image[7] > SCSI_NEXUS_MAX ||
	    len < HEAD + image[7] * NEXUS)
		return false;
	left = len - HEAD - image[7] * NEXUS;
	if (scsi_get32(image + 8) > left ||
	    (scsi_get32(image + 8) < left && !lu->cfg.type->take_over))
		return false;
	for (i = 0; i < image[7]; i++)
		if (!nexus_ok(image + HEAD + i * NEXUS))
			return false;
	return true;
}

static void get_nexus(struct scsi_lu *lu, const uint8_t *p)
{
	uint32_t i;

	lu->nexus[p[0]].prevent = p[1];
	for (i = 0; i < p[2]; i++)
		scsi_lu_attention_code(lu, p[0], scsi_get16(p + 4 + 2 * i));
}

int scsi_lu_take_over(struct scsi_lu *lu, const uint8_t *image, uint32_t len)
{
	uint32_t i, at, own;

	if (!image_ok(lu, image, len))
		return XPV_EINVAL;
	at = HEAD + image[7] * NEXUS;
	own = at + scsi_get32(image + 8);
	if (scsi_pr_load(lu, image + at, own - at) < 0)
		return XPV_EINVAL;
	if (lu->cfg.type->take_over &&
	    !lu->cfg.type->take_over(lu, image + own, len - own))
		return XPV_EINVAL;
	lu->mode.write_cache = image[5] & FLAG_WRITE_CACHE;
	lu->mode.desc_sense = image[5] & FLAG_DESC_SENSE;
	lu->mode.soft_wp = image[5] & FLAG_SOFT_WP;
	lu->stopped = image[5] & FLAG_STOPPED;
	lu->old_holder = image[6];
	for (i = 0; i < image[7]; i++)
		get_nexus(lu, image + HEAD + i * NEXUS);
	return 0;
}
