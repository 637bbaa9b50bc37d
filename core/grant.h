/* SPDX-License-Identifier: BSD-2-Clause */
/* What a backend engine asks its host to read out of granted pages. */
#ifndef CORE_GRANT_H
#define CORE_GRANT_H

#include "wire/port.h"

/* A piece of a granted page to be copied to TO. The host sets OK. */
struct grant_fetch {
	uint32_t gref;
	uint16_t offset, len;
	void *to;
	bool ok;
};

#endif
