/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every fuzz target needs: bytes of the input as choices, and a check
 * that ends the process.
 *
 * A target is one function, LLVMFuzzerTestOneInput(). With clang and the build
 * option `fuzz` libFuzzer calls it; in every other build replay.c does, once
 * for each file of the target's corpus.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input; it is the code's fault if it does not. */
#define FUZZ_CHECK(ok)                                                         \
	do {                                                                   \
		if (!(ok)) {                                                   \
			fprintf(stderr, "%s:%d: does not hold: %s\n",          \
				__FILE__, __LINE__, #ok);                      \
			abort();                                               \
		}                                                              \
	} while (0)

/*
 * The rest of the input. It is taken from the front; where it has ended every
 * choice is 0, so that any input is one.
 */
struct fuzz_in {
	const uint8_t *p;
	size_t left;
};

static inline void fuzz_take(struct fuzz_in *in, void *to, size_t n)
{
	size_t got = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (got)
		memcpy(to, in->p, got);
	in->p += got;
	in->left -= got;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	uint8_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
	uint16_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint32_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

/* A number below N, which is at most 256. */
static inline uint32_t fuzz_below(struct fuzz_in *in, uint32_t n)
{
	return fuzz_u8(in) % n;
}

/*
 * At most MAX bytes in memory of exactly their size, so that a read beyond
 * them is found. The caller frees them.
 */
static inline uint8_t *fuzz_bytes(struct fuzz_in *in, size_t max, size_t *len)
{
	size_t n = max > 255 ? fuzz_u16(in) : fuzz_u8(in);
	uint8_t *p;

	if (n > max)
		n %= max + 1;
	if (n > in->left)
		n = in->left;
	p = malloc(n ? n : 1);
	FUZZ_CHECK(p);
	fuzz_take(in, p, n);
	*len = n;
	return p;
}

/* The same as a string with its NUL, which ends where one was in the input. */
static inline char *fuzz_text(struct fuzz_in *in, size_t max)
{
	size_t n;
	char *s = (char *)fuzz_bytes(in, max, &n);

	s = realloc(s, n + 1);
	FUZZ_CHECK(s);
	s[n] = '\0';
	return realloc(s, strlen(s) + 1);
}

#endif
