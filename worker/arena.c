/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

int arena_init(struct arena *a, uint32_t pages)
{
	void *p;

	memset(a, 0, sizeof(*a));
	if (pages == 0 || pages > ARENA_PAGES_MAX || pages % 64 != 0)
		return -EINVAL;
	p = mmap(NULL, (size_t)pages * WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	a->base = p;
	a->pages = pages;
	return 0;
}

void arena_fini(struct arena *a)
{
	if (a->base)
		munmap(a->base, (size_t)a->pages * WIRE_PAGE_SIZE);
	a->base = NULL;
	a->pages = 0;
}

/* The first page from AT on that is taken (or is not); END or more if there is
 * none before END. */
static uint32_t next(const struct arena *a, uint32_t at, uint32_t end,
		     bool taken)
{
	uint64_t bits;

	while (at < end) {
		bits = taken ? a->taken[at / 64] : ~a->taken[at / 64];
		bits >>= at % 64;
		if (bits)
			return at + (uint32_t)__builtin_ctzll(bits);
		at = (at / 64 + 1) * 64;
	}
	return end;
}

static void mark(struct arena *a, uint32_t at, uint32_t n, bool taken)
{
	uint32_t left = n, bit, k;
	uint64_t bits;

	for (; left > 0; left -= k, at += k) {
		bit = at % 64;
		k = left < 64 - bit ? left : 64 - bit;
		bits = (k == 64 ? ~0ull : (1ull << k) - 1) << bit;
		/* each page is handed out once, and given back once */
		XPV_ASSERT((a->taken[at / 64] & bits) == (taken ? 0 : bits));
		a->taken[at / 64] ^= bits;
	}
	a->used = taken ? a->used + n : a->used - n;
}

uint8_t *arena_get(struct arena *a, uint32_t n)
{
	uint32_t at = 0, end;

	if (n == 0 || n > a->pages - a->used)
		return NULL;
	for (;;) {
		at = next(a, at, a->pages, false);
		if (at >= a->pages || n > a->pages - at)
			return NULL;
		end = next(a, at, at + n, true);
		if (end - at >= n)
			break;
		at = end;
	}
	mark(a, at, n, true);
	return a->base + (size_t)at * WIRE_PAGE_SIZE;
}

void arena_put(struct arena *a, uint8_t *p, uint32_t n)
{
	size_t at = (size_t)(p - a->base) / WIRE_PAGE_SIZE;

	XPV_ASSERT(at < a->pages && n <= a->pages - at);
	mark(a, (uint32_t)at, n, false);
}
