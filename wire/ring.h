/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared ring of Xen's split drivers, as laid out by DEFINE_RING_TYPES in
 * Xen's public/io/ring.h: a header of four indexes and padding, then a power
 * of two of slots. Indexes run freely modulo 2^32.
 */
#ifndef WIRE_RING_H
#define WIRE_RING_H

#include "wire/port.h"

#define WIRE_PAGE_SIZE	     4096u
#define WIRE_RING_SLOTS_OFFS 64u

struct wire_ring {
	uint32_t req_prod;  /* frontend: requests written */
	uint32_t req_event; /* backend: notify me when req_prod passes this */
	uint32_t rsp_prod;  /* backend: responses written */
	uint32_t rsp_event; /* frontend: notify me when rsp_prod passes this */
	uint8_t pad[48];
};

_Static_assert(sizeof(struct wire_ring) == WIRE_RING_SLOTS_OFFS, "ring.h");

#endif
