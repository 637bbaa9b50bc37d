/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulator's own random numbers: the same on every machine and with every
 * libc, so that a seed means the same run everywhere. (xoshiro256**, public
 * domain, by Blackman and Vigna.)
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* Begin the sequence of SEED. */
void rng_init(struct rng *r, uint64_t seed);

uint64_t rng_next(struct rng *r);

/* 0 to N - 1; 0 if N is 0. */
uint32_t rng_below(struct rng *r, uint32_t n);

/* LOW to HIGH, both possible. */
uint32_t rng_range(struct rng *r, uint32_t low, uint32_t high);

/* True NUM times in DEN. */
bool rng_odds(struct rng *r, uint32_t num, uint32_t den);

#endif
