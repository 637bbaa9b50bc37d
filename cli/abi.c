/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/abi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int abi_option(const char *text, enum blk_abi *abi, char *why, size_t len)
{
	*abi = BLK_ABI_NATIVE;
	if (!text)
		return 0;
	for (*abi = 0; *abi < BLK_ABIS; ++*abi)
		if (!strcmp(text, blk_abi_protocol(*abi)))
			return 0;
	snprintf(why, len, "--protocol '%s' is neither %s nor %s", text,
		 blk_abi_protocol(BLK_ABI_64), blk_abi_protocol(BLK_ABI_32));
	return -EINVAL;
}
