/* SPDX-License-Identifier: BSD-2-Clause */
#include "storage/storage.h"

#include <errno.h>
#include <string.h>

const struct storage_driver *const storage_drivers[] = {
	&storage_fault, &storage_file, &storage_nbd, &storage_null, NULL,
};

const struct storage_driver *storage_find(const char *name)
{
	const struct storage_driver *const *d;

	for (d = storage_drivers; *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}

int storage_result(int err)
{
	switch (err) {
	case 0:
		return 0;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return XPV_ENOSPC;
	case -EROFS:
	case -EPERM:
	case -EBADF: /* opened for reading only */
		return XPV_EROFS;
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -ENODEV: /* fallocate on what is no file */
		return XPV_ENOTSUP;
	case -ECANCELED:
	case -EINTR:
		return XPV_ECANCELED;
	default:
		return XPV_EIO;
	}
}
