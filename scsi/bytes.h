/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes: copying, and the big-endian fields of CDBs, parameter data and sense data (SPC-4 3.6.4: the
 * most significant byte comes first), at any alignment.
 */
#ifndef SCSI_BYTES_H
#define SCSI_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The four functions that a freestanding compiler may call anyway. */
static inline void scsi_copy(void *to, const void *from, size_t len)
{
	__builtin_memcpy(to, from, len);
}

static inline void scsi_fill(void *to, uint8_t byte, size_t len)
{
	__builtin_memset(to, byte, len);
}

static inline bool scsi_same(const void *a, const void *b, size_t len)
{
	return __builtin_memcmp(a, b, len) == 0;
}

/* Values at p, 2 to 8 bytes of it are read. */
static inline uint16_t scsi_get16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t scsi_get24(const uint8_t *p)
{
	return ((uint32_t)p[0] << 16) | ((uint32_t)p[1] << 8) | p[2];
}

static inline uint32_t scsi_get32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | scsi_get24(p + 1);
}

static inline uint64_t scsi_get64(const uint8_t *p)
{
	return ((uint64_t)scsi_get32(p) << 32) | scsi_get32(p + 4);
}

/* Stores at p, 2 to 8 bytes of it are written. */
static inline void scsi_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void scsi_put32(uint8_t *p, uint32_t v)
{
	scsi_put16(p, v >> 16);
	scsi_put16(p + 2, v & 0xffff);
}

static inline void scsi_put64(uint8_t *p, uint64_t v)
{
	scsi_put32(p, (uint32_t)(v >> 32));
	scsi_put32(p + 4, (uint32_t)v);
}

#endif
