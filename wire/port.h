/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What compilers and processors differ in, for everything that must build as
 * a Linux program and as a Windows kernel driver from one source: error
 * numbers, assertions, and ordered access to memory shared with another
 * domain.
 *
 * Engines (core/, scsi/) include this, <stdint.h>, <stddef.h>, <stdbool.h> and
 * each other, and nothing else.
 */
#ifndef WIRE_PORT_H
#define WIRE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Errors of every engine function that returns int: 0 or a count is success,
 * a negative number of this list is not. They are our own because errno
 * differs between systems; each edge (errno, NTSTATUS, DID_*, sense data) has
 * one mapping table.
 */
enum xpv_err {
	XPV_EINVAL = -1,     /* an argument or a value read is not allowed */
	XPV_ENOMEM = -2,     /* the caller's memory is too small */
	XPV_ENOENT = -3,     /* no such thing */
	XPV_EEXIST = -4,     /* it is there already */
	XPV_EBUSY = -5,	     /* in use; try again when something has ended */
	XPV_EPROTO = -6,     /* the peer broke the protocol: stop this ring */
	XPV_EIO = -7,	     /* the device, or a grant operation, failed */
	XPV_ENOSPC = -8,     /* no room left on the backing */
	XPV_EROFS = -9,	     /* the backing cannot be written */
	XPV_ENOTSUP = -10,   /* not offered here */
	XPV_ECANCELED = -11, /* stopped on request */
	XPV_EAGAIN = -12,    /* conflict: do the whole transaction again */
	XPV_ETIMEDOUT = -13, /* the time limit has passed */
	XPV_EACCES = -14,    /* the peer refuses it to us */
};

#if defined(_MSC_VER) && !defined(__clang__)
#	error "not tried with MSVC itself: clang --target=*-windows-msvc is"
#endif

#define XPV_MUST_CHECK __attribute__((warn_unused_result))

#define XPV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Our own mistake, never the guest's: stop this process at once. On in
 * production, because going on with a broken invariant corrupts a guest's
 * disk; the process is started again and finds its work in the journal.
 */
#define XPV_ASSERT(ok)                                                         \
	do {                                                                   \
		if (!(ok))                                                     \
			__builtin_trap();                                      \
	} while (0)

/*
 * The four functions an engine may import, under names that need no header:
 * compilers turn small constant sizes into plain moves.
 */
#define xpv_copy(to, from, len) __builtin_memcpy(to, from, len)
#define xpv_move(to, from, len) __builtin_memmove(to, from, len)
#define xpv_zero(to, len)	__builtin_memset(to, 0, len)
#define xpv_differ(a, b, len)	(__builtin_memcmp(a, b, len) != 0)

/* Orders everything before against everything after, reads and writes. */
static inline void xpv_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* One load of shared memory; what the peer wrote before it is visible. */
static inline uint32_t xpv_load32(const volatile uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* One store to shared memory; all that was written before is visible first. */
static inline void xpv_store32(volatile uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

#endif
