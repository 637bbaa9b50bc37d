/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a CD/DVD-ROM drive tells of itself and of the medium (MMC-6 6): handlers
 * of the table in lu_cdrom.c.
 */
#ifndef SCSI_CDROM_INFO_H
#define SCSI_CDROM_INFO_H

#include "scsi/lu.h"

/* More blocks than this do not fit on a CD: 80 minutes of 60 * 75 sectors. */
#define SCSI_CD_BLOCKS_MAX (80u * 60u * 75u)

enum scsi_step cdrom_toc(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_sub_channel(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_disc_info(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_track_info(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_structure(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_configuration(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_events(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_mechanism(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step cdrom_performance(struct scsi_lu *lu, struct scsi_task *task);

#endif
