/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tape drive tells of itself and its cartridge: handlers of the table in
 * lu_tape.c, mode pages, vital product data. */
#ifndef SCSI_TAPE_INFO_H
#define SCSI_TAPE_INFO_H

#include "scsi/lu_tape.h"

enum scsi_step tape_limits(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_densities(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_log(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_attributes(struct scsi_lu *lu, struct scsi_task *task);

/* Mode pages and vital product data, TAPE_PAGES and TAPE_VPDS of them. */
#define TAPE_PAGES 4
#define TAPE_VPDS  1
extern const struct scsi_mode_page *const tape_mode[TAPE_PAGES];
extern const struct scsi_vpd_page tape_vpd[TAPE_VPDS];

/* For struct scsi_mode_frame. */
uint8_t tape_specific(const struct scsi_lu *lu);
bool tape_specific_set(struct scsi_mode *mode, uint8_t specific);
void tape_block(const struct scsi_lu *lu, struct scsi_mode_block *block);
bool tape_block_set(const struct scsi_lu *lu, struct scsi_mode *mode,
		    const struct scsi_mode_block *block);

#endif
