/* SPDX-License-Identifier: BSD-2-Clause */
/* INQUIRY: standard data and vital product data (SPC-4 6.6, 7.8). */
#ifndef SCSI_VPD_H
#define SCSI_VPD_H

#include "scsi/task.h"
#include "wire/port.h"

struct scsi_lu;

struct scsi_vpd_page {
	uint8_t code;
	/*
	 * Fills the page after its four byte header; page is zeroed and has
	 * SCSI_VPD_MAX bytes. Returns the length of the whole page.
	 */
	uint32_t (*fill)(const struct scsi_lu *lu, uint8_t *page);
};

#define SCSI_VPD_MAX 256

/* Length of the standard data: up to and with the version descriptors. */
#define SCSI_INQUIRY_LEN 96

/* Handler of the table. */
enum scsi_step scsi_inquiry(struct scsi_lu *lu, struct scsi_task *task);

/*
 * Copies text into a field of width bytes, left-aligned and filled up with
 * spaces (SPC-4 4.4.1).
 */
void scsi_text(uint8_t *field, const char *text, uint32_t width);

#endif
