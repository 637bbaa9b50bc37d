/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In a driver domain: the node that tells toolstacks in other domains that
 * xenpvd is there, with its version. A domain may write below its data/
 * (docs/misc/xenstore-paths.pandoc), and nobody takes more from it than that it
 * is worth asking. Our own domain's xenpvd is asked by its socket instead.
 */
#ifndef CONTROL_PRESENCE_H
#define CONTROL_PRESENCE_H

#include "control/store.h"

#define PRESENCE_NODE "data/xenpvd"

/* presence_tell - find out which domain this is, and if it is not dom0, write the
 * node. Answers come later; nothing waits for them. */
void presence_tell(struct store *st);

#endif
