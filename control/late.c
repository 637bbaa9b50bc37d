/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries that are loaded when they are needed: see late.h. */
#include "control/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *soname, char *err, size_t len)
{
	const char *why = dlerror();

	snprintf(err, len,
		 "%s cannot be used (%.200s): install the package that has it",
		 soname, why ? why : "?");
	return -ELIBACC;
}

int late_load(const char *soname, const char *const *names, void *table,
	      size_t n, char *err, size_t len)
{
	char *pointer = table;
	void *library, *first;

	/* The last one is written last. */
	memcpy(&first, pointer + (n - 1) * sizeof(void *), sizeof(first));
	if (first)
		return 0;
	library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return fail(soname, err, len);
	for (size_t i = 0; i < n; i++) {
		void *function = dlsym(library, names[i]);

		if (!function)
			return fail(soname, err, len);
		memcpy(pointer + i * sizeof(void *), &function,
		       sizeof(function));
	}
	return 0;
}
