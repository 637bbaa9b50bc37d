/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a PVSCSI frontend: conform/frontend.h, with a target of two LUNs. */
#ifndef CONFORM_VSCSI_FRONT_H
#define CONFORM_VSCSI_FRONT_H

#include "conform/frontend.h"
#include "conform/raw_vscsi.h"
#include "conform/target.h"

static inline struct raw_vscsi *vscsi_of(struct conform *c)
{
	return raw_vscsi(back_of(c));
}

/* As backend_conform() and backend_cases(). */
int vscsi_front_conform(const struct frontend_cfg *cfg,
			const struct conform_options *opt, uint32_t count[3],
			char *why, size_t len);
struct conform_case *vscsi_front_cases(size_t *n);

/* ---- for cases ---- */

/* A controller with two LUNs, connected, with SG_GRANT as feature-sg-grant (0:
 * none) and SCRIPT from the first request on. False: the case has failed. */
bool vscsi_connect(struct conform *c, uint32_t sg_grant, raw_script *script);

extern const struct front_list frontend_handshake, frontend_luns,
	frontend_requests, frontend_results, frontend_task, frontend_bogus;

#endif
