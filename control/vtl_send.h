/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of a virtual tape library on their way from control to a worker,
 * which opens nothing by itself: messages in a socket (struct vtl_hello).
 */
#ifndef CONTROL_VTL_SEND_H
#define CONTROL_VTL_SEND_H

#include "control/vtl_dir.h"

/* Send V's files to FD, one end of a pair (SOCK_SEQPACKET): 0 or a negative
 * errno. CART are the cartridges' descriptors. All stay the caller's. */
int vtl_send(int fd, const struct vtl *v, const int *cart);

#endif
