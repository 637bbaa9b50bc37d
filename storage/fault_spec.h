/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What storage/fault.c is to break: the text that an administrator types,
 * parsed. Control uses it to refuse a wrong one, the worker to obey it.
 *
 *   SPEC    PART[+PART]...
 *   PART    seed=N | EFFECT[/WORD]...
 *   EFFECT  eio         fail at once
 *           enospc      fail at once, as a full disk does
 *           short       move the first half of the data, then fail
 *           slow=TIME   begin later; a cancelled one ends at once
 *           hang=TIME   do nothing for so long, whoever wants it back, and
 *                       then fail
 *           crash       the worker dies
 *   TIME    20ms or 5s, up to an hour
 *   WORD    read write flush discard zero extent    only these operations
 *           FROM-TO or FROM-    only what touches these bytes; FROM is the
 *                       first of them, TO the first behind; k M G T go
 *           N%          so often, by chance; also as 0.1%
 *           xN          no more than N times
 *
 *   eio/read/1M-2M+slow=20ms/write/10%/x100+seed=7
 *
 * For each operation the first part that applies is the one that is obeyed.
 * Without operations named, enospc is of write and zero, short of read and
 * write, all others of all. Chance is a generator of the part's own, begun
 * from the seed (0), that is asked once for each operation which the part is
 * about: the same operations in the same order fail every time.
 */
#ifndef STORAGE_FAULT_SPEC_H
#define STORAGE_FAULT_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "wire/port.h"

#define FAULT_PARTS_MAX 8
#define FAULT_TEXT_MAX	96 /* with NUL */
#define FAULT_CERTAIN	1000000u

enum fault_effect {
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_SHORT,
	FAULT_SLOW,
	FAULT_HANG,
	FAULT_CRASH,
};

struct fault_part {
	enum fault_effect effect;
	uint32_t ops;	   /* bit per enum storage_op */
	uint32_t chance;   /* in a million */
	uint32_t times;	   /* 0: any number */
	uint64_t from, to; /* bytes; 0, UINT64_MAX: all */
	uint32_t delay_ms;
};

struct fault_spec {
	uint64_t seed;
	uint32_t n;
	struct fault_part part[FAULT_PARTS_MAX];
};

/*
 * fault_spec_parse - TEXT into SPEC
 * @err: room for @len bytes; receives one line that says what is wrong
 *
 * Return: 0, or XPV_EINVAL. SPEC is undefined then.
 */
int fault_spec_parse(struct fault_spec *spec, const char *text, char *err,
		     size_t len) XPV_MUST_CHECK;

#endif
