/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_ABI_H
#define CLI_ABI_H

#include "core/blk_abi.h"

/* --protocol: the layout that TEXT names; that of this build if it is NULL.
 * -EINVAL and a line in WHY (LEN bytes) for another text. */
int abi_option(const char *text, enum blk_abi *abi, char *why,
	       size_t len) XPV_MUST_CHECK;

#endif
