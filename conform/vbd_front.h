/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a block frontend: conform/frontend.h, with one disk of 8 MiB. The
 * command of --stimulus finds in $CONFORM_SECTORS how many sectors of 512 bytes
 * it has; it reads all of them, writes, and has them on the disk.
 */
#ifndef CONFORM_VBD_FRONT_H
#define CONFORM_VBD_FRONT_H

#include "conform/frontend.h"
#include "conform/raw_vbd.h"

static inline struct raw_vbd *vbd_of(struct conform *c)
{
	return raw_vbd(back_of(c));
}

/* As backend_conform() and backend_cases(). */
int vbd_front_conform(const struct frontend_cfg *cfg,
		      const struct conform_options *opt, uint32_t count[3],
		      char *why, size_t len);
struct conform_case *vbd_front_cases(size_t *n);

/* ---- for cases ---- */

/* The nodes of another disk with OFFER, and SCRIPT from the first request on;
 * and that connected. False: the case has failed. */
bool vbd_make(struct conform *c, const struct vbd_offer *offer,
	      vbd_script *script);
bool vbd_connect(struct conform *c, const struct vbd_offer *offer,
		 vbd_script *script);

/* frontend_stimulate(), with the disk's size. */
int vbd_stimulate(struct raw_vbd *k);

extern const struct front_list vbd_front_offers, vbd_front_results,
	vbd_front_bogus, vbd_front_requests;

#endif
