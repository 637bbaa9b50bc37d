/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one round of a PVSCSI controller does with what was read: shared by
 * vscsi.c, which has the rounds, and vscsi_round.c. Nobody else includes this.
 *
 *     vscsi_decide --> forget --------------------------+
 *                  \-> LUNs: add, delete --> open ------+--> write --> end
 *                                              |fails: forget, decide again
 */
#ifndef CONTROL_VSCSI_ROUND_H
#define CONTROL_VSCSI_ROUND_H

#include "control/vscsi.h"

/* vscsi_decide - facts, LUNs and snapshots are there: go on to the end. */
void vscsi_decide(struct vscsi *dev);

/* vscsi_round_end - @dev may be gone on return. @retry_us not 0: another
 * round after that time though nothing has changed. */
void vscsi_round_end(struct vscsi *dev, uint64_t retry_us);

/* vscsi_path - of a node in the backend's directory; "" is that itself. */
void vscsi_path(const struct vscsi *dev, const char *name, char *path,
		size_t len);

/* vscsi_number - a decimal number from the first to the last character? */
bool vscsi_number(const char *text, uint32_t *value);

/* vscsi_where - for log lines. */
struct log_where vscsi_where(const struct vscsi *dev);

#endif
