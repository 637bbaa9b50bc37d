/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SENSE and MODE SELECT (SPC-4 6.11 to 6.14, 7.5), 6 and 10 byte forms.
 * Nothing is saved over a power cycle: SP and the saved values are refused.
 */
#ifndef SCSI_MODE_H
#define SCSI_MODE_H

#include "scsi/task.h"
#include "wire/port.h"

struct scsi_lu;

/* What initiators have set. */
struct scsi_mode {
	bool write_cache; /* WCE, caching page, SBC-3 6.5.5 */
	bool desc_sense;  /* D_SENSE, control page, SPC-4 7.5.8 */
	bool soft_wp;	  /* SWP, control page */
	/* of a tape (SSC-4 8.3) */
	uint32_t block_size; /* bytes; 0: variable */
	bool unbuffered;     /* buffered mode 0 */
	bool compression;    /* DCE */
};

/* Which values of a page are meant, SPC-4 table 165. */
enum scsi_mode_pc {
	SCSI_PC_CURRENT,
	SCSI_PC_CHANGEABLE,
	SCSI_PC_DEFAULT,
	SCSI_PC_SAVED,
};

#define SCSI_MODE_PAGE_MAX 64

/* A block descriptor (SPC-4 7.5.5); blocks UINT64_MAX: all that there are. */
struct scsi_mode_block {
	uint8_t density; /* not of long ones */
	uint64_t blocks;
	uint32_t size; /* bytes of a block */
};

/* Header and block descriptor, which each type fills in its own way. */
struct scsi_mode_frame {
	/* The device specific parameter, without WP. */
	uint8_t (*specific)(const struct scsi_lu *lu);
	/* MODE SELECT has SPECIFIC there: take it over into MODE, or return
	 * false. NULL: it is not looked at. */
	bool (*specific_set)(struct scsi_mode *mode, uint8_t specific);
	/* The block descriptor; NULL: there is none. */
	void (*block)(const struct scsi_lu *lu, struct scsi_mode_block *block);
	/* The same for MODE SELECT; NULL: it can change nothing. */
	bool (*block_set)(const struct scsi_lu *lu, struct scsi_mode *mode,
			  const struct scsi_mode_block *block);
	/* MODE SENSE of page 00h is header and block descriptor alone, as
	 * drivers of tapes ask for it. */
	bool bare;
};

struct scsi_mode_page {
	uint8_t code;
	uint8_t len; /* with its two byte header; at most SCSI_MODE_PAGE_MAX */
	/*
	 * Fills the page after its header, which is zeroed, from the values
	 * given; for SCSI_PC_CHANGEABLE it sets the bits that may change.
	 */
	void (*get)(const struct scsi_lu *lu, const struct scsi_mode *mode,
		    enum scsi_mode_pc pc, uint8_t *page);
	/* Takes over the bits that may change; the others are checked. */
	void (*set)(struct scsi_mode *mode, const uint8_t *page);
};

/* The specific parameter of those that have nothing in it. */
uint8_t scsi_mode_no_specific(const struct scsi_lu *lu);

/* For pages in which nothing can be said, or nothing can be set. */
void scsi_mode_get_nothing(const struct scsi_lu *lu,
			   const struct scsi_mode *mode, enum scsi_mode_pc pc,
			   uint8_t *page);
void scsi_mode_set_nothing(struct scsi_mode *mode, const uint8_t *page);

/* Pages that several types have: caching, control, exceptions. */
extern const struct scsi_mode_page scsi_mode_caching;
extern const struct scsi_mode_page scsi_mode_control;
extern const struct scsi_mode_page scsi_mode_exceptions;

/* The values after power on. */
void scsi_mode_default(const struct scsi_lu *lu, struct scsi_mode *mode);

/* Handlers of the table. */
enum scsi_step scsi_mode_sense(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step scsi_mode_select(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step scsi_mode_select_run(struct scsi_lu *lu, struct scsi_task *task,
				    int rc);

#endif
