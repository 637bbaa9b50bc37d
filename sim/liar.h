/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backend that lies to the frontend engine: it answers what was not asked,
 * twice or not at all, says what cannot be, keeps pages mapped, changes what it
 * has written, and writes to the ring what is not its own. Nothing can be
 * expected of data then; but each command must end once, and a page that the
 * backend still has must not be used again.
 */
#ifndef SIM_LIAR_H
#define SIM_LIAR_H

#include <stdbool.h>

struct controller;

/* Take the ring of C; false as a host says. Then it lies until liar_close(),
 * after which controller_closed() follows. */
bool liar_open(struct controller *c);
void liar_close(struct controller *c);

#endif
