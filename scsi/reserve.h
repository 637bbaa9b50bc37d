/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reservations: PERSISTENT RESERVE IN and OUT (SPC-4 5.12, 6.15, 6.16), and
 * the older RESERVE and RELEASE (SPC-2 7.16 to 7.21).
 *
 * A registration belongs to an initiator id, a number that the caller gives
 * to an I_T nexus (scsi_lu_nexus()) and that stays the same over restarts. In
 * READ FULL STATUS it is the SAS address in a SAS TransportID (SPC-4 7.6.4.7):
 * the one format that holds 64 bits and that every initiator can print.
 *
 * Changes are made in a copy (scsi_lu.pr_new), saved when persistence through
 * power loss is on or was on, and only then become the state in force: an
 * initiator that has seen GOOD finds its reservation again after a restart,
 * and a failed save changes nothing.
 *
 * RESERVE and RELEASE follow SPC-2 (CRH 0 in REPORT CAPABILITIES): they
 * conflict while anyone is registered, and PERSISTENT RESERVE IN and OUT
 * conflict while a RESERVE is in force.
 */
#ifndef SCSI_RESERVE_H
#define SCSI_RESERVE_H

#include "scsi/task.h"
#include "wire/port.h"

struct scsi_lu;
struct scsi_op;

/* Initiators (I_T nexuses) one logical unit can tell apart. */
#define SCSI_NEXUS_MAX 64

/* Reservation types, SPC-4 table 70. */
enum scsi_pr_type {
	SCSI_PR_NONE = 0, /* ours: no reservation */
	SCSI_PR_WE = 1,
	SCSI_PR_EA = 3,
	SCSI_PR_WE_RO = 5,
	SCSI_PR_EA_RO = 6,
	SCSI_PR_WE_AR = 7,
	SCSI_PR_EA_AR = 8,
};

struct scsi_pr_reg {
	uint64_t initiator;
	uint64_t key;	 /* never 0 */
	uint32_t all_tg; /* registered with ALL_TG_PT */
	uint32_t pad;
};

/* Plain data without pointers; may live in shared memory. */
struct scsi_pr {
	uint32_t generation;
	uint32_t count;	 /* registrations, in the order they were made */
	uint32_t holder; /* index in reg; valid with a type but the AR ones */
	uint8_t type;	 /* enum scsi_pr_type */
	uint8_t aptpl;	 /* 1: kept through power loss */
	uint8_t pad[2];
	struct scsi_pr_reg reg[SCSI_NEXUS_MAX];
};

/* The largest image of SCSI_IO_SAVE, bytes. */
#define SCSI_PR_IMAGE_MAX (20 + SCSI_NEXUS_MAX * 20)

/*
 * Writes the image of the state to out (SCSI_PR_IMAGE_MAX bytes); returns its
 * length. Fixed big-endian layout: "XPVR", version, generation, count, type,
 * registrations, checksum. Without persistence there is nothing to keep, and
 * the image holds no registration.
 */
uint32_t scsi_pr_save(const struct scsi_pr *pr, uint8_t *out);

/* As scsi_pr_save(), but of everything, persistent or not: for scsi/keep. */
uint32_t scsi_pr_keep(const struct scsi_pr *pr, uint8_t *out);

/*
 * Takes the state back from what SCSI_IO_SAVE kept; call it between
 * scsi_lu_init() and the first command. len 0 means that nothing was kept.
 * Errors: XPV_EINVAL for anything that scsi_pr_save() cannot have written;
 * the state is then empty.
 */
int scsi_pr_load(struct scsi_lu *lu, const uint8_t *image,
		 uint32_t len) XPV_MUST_CHECK;

/*
 * Whether a command of the nexus conflicts with the reservations in force
 * (SPC-4 5.12.1). PERSISTENT RESERVE OUT and RESERVE look further by
 * themselves.
 */
bool scsi_pr_conflict(const struct scsi_lu *lu, const struct scsi_op *op,
		      const struct scsi_task *task);

/* Forgets RESERVE(6) and (10); of one nexus, or of all with SCSI_NEXUS_MAX. */
void scsi_pr_release_old(struct scsi_lu *lu, uint32_t nexus);

/* Handlers of the table. */
enum scsi_step scsi_pr_in(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step scsi_pr_out(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step scsi_pr_out_run(struct scsi_lu *lu, struct scsi_task *task,
			       int rc);
enum scsi_step scsi_reserve(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step scsi_reserve_run(struct scsi_lu *lu, struct scsi_task *task,
				int rc);
enum scsi_step scsi_release(struct scsi_lu *lu, struct scsi_task *task);

#endif
