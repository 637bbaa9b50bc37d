/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CD/DVD-ROM drive tells of itself and of the medium. */
#include "scsi/cdrom_info.h"

#include "scsi/bytes.h"
#include "scsi/lu_cdrom.h"
#include "scsi/sense.h"

#define LEAD_OUT 0xaa /* track number of the lead-out area */
#define DATA	 0x14 /* ADR 1, control: data track */

/* Profiles, MMC-6 table 95. */
#define PROFILE_CD  0x0008
#define PROFILE_DVD 0x0010

static uint16_t profile(const struct scsi_lu *lu)
{
	const struct scsi_cdrom *cd = scsi_cdrom_of(lu);

	if (!cd->medium || cd->open || cd->leaving)
		return 0;
	return lu->cfg.blocks > SCSI_CD_BLOCKS_MAX ? PROFILE_DVD : PROFILE_CD;
}

/* An address as minutes, seconds and frames; it begins at 00:02:00. */
static void put_msf(uint8_t *p, uint64_t lba)
{
	uint64_t frames = lba + 150, minutes = frames / (60 * 75);

	p[0] = (uint8_t)(minutes > 255 ? 255 : minutes);
	p[1] = (uint8_t)(frames / 75 % 60);
	p[2] = (uint8_t)(frames % 75);
}

static void put_address(uint8_t *p, bool msf, uint64_t lba)
{
	if (msf)
		put_msf(p + 1, lba);
	else
		scsi_put32(p, (uint32_t)lba);
}

/* ---- READ TOC/PMA/ATIP, MMC-6 6.24 ---- */

static uint8_t *toc_track(uint8_t *p, uint8_t track, bool msf, uint64_t lba)
{
	scsi_fill(p, 0, 8);
	p[1] = DATA;
	p[2] = track;
	put_address(p + 4, msf, lba);
	return p + 8;
}

/* Format 2: the lead-in area, of which only minutes and seconds are told. */
static uint8_t *toc_point(uint8_t *p, uint8_t point)
{
	scsi_fill(p, 0, 11);
	p[0] = 1; /* session */
	p[1] = DATA;
	p[3] = point;
	return p + 11;
}

static uint8_t *toc_raw(const struct scsi_lu *lu, uint8_t *p)
{
	uint8_t *first = p, *last, *out, *track;

	p = toc_point(p, 0xa0);
	first[8] = 1; /* number of the first track; disc type 0: CD-ROM */
	last = p;
	p = toc_point(p, 0xa1);
	last[8] = 1;
	out = p;
	p = toc_point(p, 0xa2);
	put_msf(out + 8, lu->cfg.blocks);
	track = p;
	p = toc_point(p, 1);
	put_msf(track + 8, 0);
	return p;
}

enum scsi_step cdrom_toc(struct scsi_lu *lu, struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	uint8_t *out = task->scratch, *p = out + 4;
	bool msf = cdb[1] & 0x02;
	/* before MMC-2 the format was in the control byte, and still is sent */
	uint8_t format = cdb[2] ? cdb[2] & 0x0f : cdb[9] >> 6;

	out[2] = out[3] = 1; /* first and last track or session */
	switch (format) {
	case 0:
		if (cdb[6] > 1 && cdb[6] != LEAD_OUT)
			return scsi_bad_cdb(lu, task, 6, 7);
		if (cdb[6] <= 1)
			p = toc_track(p, 1, msf, 0);
		p = toc_track(p, LEAD_OUT, msf, lu->cfg.blocks);
		break;
	case 1: /* first track of the last complete session */
		p = toc_track(p, 1, msf, 0);
		break;
	case 2:
		if (cdb[6] > 1)
			return scsi_bad_cdb(lu, task, 6, 7);
		p = toc_raw(lu, p);
		break;
	default: /* PMA, ATIP, CD-TEXT: not on a pressed CD without text */
		return scsi_bad_cdb(lu, task, 2, 3);
	}
	scsi_put16(out, (uint32_t)(p - out) - 2);
	return scsi_reply(task, out, (uint32_t)(p - out), scsi_get16(cdb + 7));
}

/* ---- READ SUB-CHANNEL, MMC-6 6.22 ---- */

enum scsi_step cdrom_sub_channel(struct scsi_lu *lu, struct scsi_task *task)
{
	bool msf = task->cdb[1] & 0x02, subq = task->cdb[2] & 0x40;
	uint8_t *out = task->scratch;
	uint32_t len = 4;

	scsi_fill(out, 0, 24);
	out[1] = 0x15; /* no audio status to return: nothing is played */
	if (subq) {
		out[4] = task->cdb[3];
		switch (task->cdb[3]) {
		case 1: /* current position: where the track begins */
			out[5] = DATA;
			out[6] = out[7] = 1; /* track, index */
			put_address(out + 8, msf, 0);
			put_address(out + 12, msf, 0);
			len = 16;
			break;
		case 2: /* media catalog number: there is none */
			len = 24;
			break;
		case 3: /* ISRC: there is none */
			if (task->cdb[6] != 1)
				return scsi_bad_cdb(lu, task, 6, 7);
			out[5] = DATA;
			out[6] = 1;
			len = 24;
			break;
		default:
			return scsi_bad_cdb(lu, task, 3, 7);
		}
	}
	scsi_put16(out + 2, len - 4);
	return scsi_reply(task, out, len, scsi_get16(task->cdb + 7));
}

/* ---- READ DISC INFORMATION, READ TRACK INFORMATION, MMC-6 6.21, 6.26 ---- */

enum scsi_step cdrom_disc_info(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *out = task->scratch;

	if (task->cdb[1] & 0x07) /* resources of BD */
		return scsi_bad_cdb(lu, task, 1, 2);
	scsi_fill(out, 0, 34);
	scsi_put16(out, 32);
	out[2] = 0x0e; /* last session complete, disc finalized */
	out[3] = 1;    /* first track */
	out[4] = 1;    /* sessions */
	out[5] = 1;    /* first and last track of the last session */
	out[6] = 1;
	out[7] = 0x20; /* URU: unrestricted use */
	return scsi_reply(task, out, 34, scsi_get16(task->cdb + 7));
}

enum scsi_step cdrom_track_info(struct scsi_lu *lu, struct scsi_task *task)
{
	uint32_t at = scsi_get32(task->cdb + 2);
	uint8_t *out = task->scratch;

	switch (task->cdb[1] & 0x03) {
	case 0: /* by LBA */
		if (at >= lu->cfg.blocks)
			return scsi_illegal(lu, task, SCSI_ASC_LBA_RANGE);
		break;
	case 1: /* by track, by session */
	case 2:
		if (at != 1)
			return scsi_bad_cdb(lu, task, 2, 7);
		break;
	default:
		return scsi_bad_cdb(lu, task, 1, 1);
	}
	scsi_fill(out, 0, 36);
	scsi_put16(out, 34);
	out[2] = 1;    /* track */
	out[3] = 1;    /* session */
	out[5] = 0x04; /* data, recorded uninterrupted */
	out[6] = 0x01; /* mode 1 */
	scsi_put32(out + 24, (uint32_t)lu->cfg.blocks);
	return scsi_reply(task, out, 36, scsi_get16(task->cdb + 7));
}

/* ---- READ DISC STRUCTURE, MMC-6 6.22: of a DVD ---- */

#define STRUCTURE_LEN (2048u + 4u)

/* Physical format information, MMC-6 table 397. */
static void dvd_physical(const struct scsi_lu *lu, uint8_t *p)
{
	uint32_t last = 0x30000u + (uint32_t)lu->cfg.blocks - 1;

	p[0] = 0x01;		    /* DVD-ROM, version 1 */
	p[1] = 0x0f;		    /* 120 mm, rate not specified */
	p[2] = 0x01;		    /* one layer, embossed */
	scsi_put32(p + 4, 0x30000); /* physical sector of LBA 0 */
	scsi_put32(p + 8, last);
}

enum scsi_step cdrom_structure(struct scsi_lu *lu, struct scsi_task *task)
{
	static const uint16_t length[] = {
		[0x00] = STRUCTURE_LEN, [0x01] = 8, [0x04] = STRUCTURE_LEN};
	uint8_t *out = task->scratch;
	uint8_t format = task->cdb[7];
	uint32_t len = 4;

	if (task->cdb[1] & 0x0f) /* BD */
		return scsi_bad_cdb(lu, task, 1, 3);
	if (format == 0xff) { /* which there are */
		for (uint32_t i = 0; i < XPV_ARRAY_SIZE(length); i++) {
			if (!length[i])
				continue;
			scsi_fill(out + len, 0, 4);
			out[len] = (uint8_t)i;
			out[len + 1] = 0x40; /* RDS: can be read */
			scsi_put16(out + len + 2, length[i]);
			len += 4;
		}
		scsi_fill(out, 0, 4);
	} else {
		if (profile(lu) != PROFILE_DVD)
			return scsi_illegal(lu, task,
					    SCSI_ASC_INCOMPATIBLE_FORMAT);
		if (format >= XPV_ARRAY_SIZE(length) || !length[format])
			return scsi_bad_cdb(lu, task, 7, 7);
		if (task->cdb[6]) /* layer */
			return scsi_bad_cdb(lu, task, 6, 7);
		len = length[format];
		scsi_fill(out, 0, len);
		if (format == 0)
			dvd_physical(lu, out + 4);
	}
	scsi_put16(out, len - 2);
	return scsi_reply(task, out, len, scsi_get16(task->cdb + 8));
}

/* ---- GET CONFIGURATION, MMC-6 6.5 and 5.3 ---- */

#define VERSION(n_) ((n_) << 2)
#define PERSISTENT  0x02
#define CURRENT	    0x01

struct feature {
	uint16_t code;
	uint8_t flags;	   /* version and PERSISTENT */
	uint16_t profiles; /* CURRENT with these: 1 CD, 2 DVD, 4 no medium */
	uint8_t len;
	uint8_t data[8];
};

static const struct feature features[] = {
	/* core: SCSI, DBE */
	{0x0001, VERSION(2) | PERSISTENT, 7, 8, {0, 0, 0, 1, 0x01}},
	/* morphing: OCEvent, no asynchronous events */
	{0x0002, VERSION(1) | PERSISTENT, 7, 4, {0x02}},
	/* removable medium: tray, ejects, loads, locks */
	{0x0003, VERSION(2) | PERSISTENT, 7, 4, {0x39}},
	/* random readable: 2048 bytes, blocking 1 */
	{0x0010, 0, 3, 8, {0, 0, 0x08, 0, 0, 1, 0, 0}},
	/* multi-read, CD read, DVD read */
	{0x001d, 0, 1, 0, {0}},
	{0x001e, VERSION(2), 1, 4, {0}},
	{0x001f, VERSION(1), 2, 4, {0}},
	/* power management, timeout */
	{0x0100, PERSISTENT, 7, 0, {0}},
	{0x0105, VERSION(1) | PERSISTENT, 7, 4, {0}},
};

static uint8_t *put_profiles(uint8_t *p, uint16_t now)
{
	static const uint16_t profiles[] = {PROFILE_DVD, PROFILE_CD};

	scsi_fill(p, 0, 12);
	p[2] = PERSISTENT | CURRENT;
	p[3] = 8;
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(profiles); i++) {
		scsi_put16(p + 4 + 4 * i, profiles[i]);
		p[6 + 4 * i] = profiles[i] == now;
	}
	return p + 12;
}

enum scsi_step cdrom_configuration(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t rt = task->cdb[1] & 0x03;
	uint16_t start = scsi_get16(task->cdb + 2), now = profile(lu);
	uint8_t bit = now == PROFILE_CD ? 1 : now == PROFILE_DVD ? 2 : 4;
	uint8_t *out = task->scratch, *p = out + 8;

	if (rt == 3)
		return scsi_bad_cdb(lu, task, 1, 1);
	scsi_fill(out, 0, 8);
	scsi_put16(out + 6, now);
	if (start == 0)
		p = put_profiles(p, now);
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];
		bool current = f->profiles & bit;

		/* RT 0: all from start on; 1: current ones; 2: this one */
		if (f->code < start || (rt == 1 && !current) ||
		    (rt == 2 && f->code != start))
			continue;
		scsi_put16(p, f->code);
		p[2] = (uint8_t)(f->flags | (current ? CURRENT : 0));
		p[3] = f->len;
		scsi_copy(p + 4, f->data, f->len);
		p += 4 + f->len;
	}
	scsi_put32(out, (uint32_t)(p - out) - 4);
	return scsi_reply(task, out, (uint32_t)(p - out),
			  scsi_get16(task->cdb + 7));
}

/* ---- GET EVENT STATUS NOTIFICATION, MMC-6 6.6 ---- */

#define CLASS_MEDIA 4

/* Media events, MMC-6 table 332. */
#define EVENT_NONE    0
#define EVENT_EJECT   1
#define EVENT_NEW     2
#define EVENT_REMOVED 3

static uint8_t media_event(struct scsi_cdrom *cd)
{
	if (cd->removed) {
		cd->removed = false;
		return EVENT_REMOVED;
	}
	if (cd->new_medium) {
		cd->new_medium = false;
		return EVENT_NEW;
	}
	if (cd->eject_wanted) {
		cd->eject_wanted = false;
		return EVENT_EJECT;
	}
	return EVENT_NONE;
}

enum scsi_step cdrom_events(struct scsi_lu *lu, struct scsi_task *task)
{
	struct scsi_cdrom *cd = scsi_cdrom_of(lu);
	uint32_t alloc_len = scsi_get16(task->cdb + 7), len = 4;
	uint8_t *out = task->scratch;

	if (!(task->cdb[1] & 0x01)) /* IMMED: without it, asynchronous */
		return scsi_bad_cdb(lu, task, 1, 0);
	scsi_fill(out, 0, 8);
	out[3] = 1u << CLASS_MEDIA;
	if (task->cdb[4] & (1u << CLASS_MEDIA)) {
		out[2] = CLASS_MEDIA;
		/* an event is told once: not to one who has no room for it */
		if (alloc_len > 4 && task->in_max > 4)
			out[4] = media_event(cd);
		out[5] = (uint8_t)((cd->open ? 0x01 : 0) |
				   (cd->medium && !cd->leaving ? 0x02 : 0));
		len = 8;
	} else {
		out[2] = 0x80; /* NEA: no event of these classes */
	}
	scsi_put16(out, len - 2);
	return scsi_reply(task, out, len, alloc_len);
}

/* ---- MECHANISM STATUS, GET PERFORMANCE, MMC-6 6.11 and 6.7 ---- */

enum scsi_step cdrom_mechanism(struct scsi_lu *lu, struct scsi_task *task)
{
	uint8_t *out = task->scratch;

	scsi_fill(out, 0, 8);
	if (scsi_cdrom_of(lu)->open)
		out[1] = 0x10; /* door open */
	return scsi_reply(task, out, 8, scsi_get16(task->cdb + 8));
}

/* Nominal performance: the same everywhere. */
#define KB_S_CD	 8467u	/* 48 times 176.4 */
#define KB_S_DVD 22160u /* 16 times 1385 */

enum scsi_step cdrom_performance(struct scsi_lu *lu, struct scsi_task *task)
{
	bool wants_one = scsi_get16(task->cdb + 8) > 0;
	uint32_t speed =
		lu->cfg.blocks > SCSI_CD_BLOCKS_MAX ? KB_S_DVD : KB_S_CD;
	uint8_t *out = task->scratch;

	if (task->cdb[10]) /* TYPE: performance data only */
		return scsi_bad_cdb(lu, task, 10, 7);
	if (task->cdb[1] & 0x04) /* WRITE */
		return scsi_bad_cdb(lu, task, 1, 2);
	scsi_fill(out, 0, 24);
	scsi_put32(out, 4 + (wants_one ? 16 : 0));
	scsi_put32(out + 12, speed);
	scsi_put32(out + 16, (uint32_t)lu->cfg.blocks - 1);
	scsi_put32(out + 20, speed);
	return scsi_reply(task, out, wants_one ? 24 : 8, UINT32_MAX);
}
