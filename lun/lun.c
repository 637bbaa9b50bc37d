/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/lun.h"

#include <string.h>

const struct lun_type *const lun_types[] = {
	&lun_cdrom, &lun_changer, &lun_emulated,
#ifdef XENPV_ISCSI
	&lun_iscsi,
#endif
	&lun_sg,    &lun_tape,	  NULL,
};

const struct lun_type *lun_find(const char *name)
{
	const struct lun_type *const *t;

	for (t = lun_types; *t; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}
