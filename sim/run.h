/* SPDX-License-Identifier: BSD-2-Clause */
/* One run: a world is made, both phases happen, all is taken down. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* Of all runs. */
struct run_sum {
	uint64_t steps, ops, hash;
};

/* Run SEED with STEPS events in its first phase. Returns its hash. */
uint64_t run_seed(uint64_t seed, uint64_t steps, bool trace,
		  struct run_sum *sum);

#endif
