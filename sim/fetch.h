/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every access of the engines to memory, one by one. core/ is compiled a second
 * time for the simulator with -fsanitize=thread, which makes compilers call a
 * function before each load and store; those functions are here instead of in
 * the sanitizer's library (which is not linked). So the checker `fetch` sees
 * each word that is read from a shared page, and the peer can change that page
 * between any two of them, as another processor would.
 */
#ifndef SIM_FETCH_H
#define SIM_FETCH_H

#include <stdbool.h>
#include <stdint.h>

struct controller;

/* A step of an engine of C begins or ends; within it, accesses to its ring are
 * looked at. BACK: the backend's. */
void fetch_step(struct controller *c, bool back);
void fetch_step_end(void);

/* The backend of C is another process now: what the last one has read, it may
 * read. */
void fetch_forget(struct controller *c);

/* Is this program built so? */
bool fetch_built(void);

#endif
