/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local host as a program to be started: whoever is told "--host local:DIR"
 * makes sure first that it runs. It is a process of its own, so that it
 * outlives what uses it, as Xen does.
 */
#ifndef CONTROL_LOCAL_START_H
#define CONTROL_LOCAL_START_H

#include <stddef.h>

#include "wire/port.h"

/* What follows "local:" is a directory; in it are these sockets. */
#define LOCAL_START_XENSTORE "xenstore" /* for store_open(), XENSTORED_PATH */

/*
 * local_start - make sure that a local host runs in DIR
 * @program: path of xenpv-local
 * @err: receives one line without a newline: what is wrong; @len bytes. Empty
 *       when the program has said it on stderr itself
 *
 * DIR is created if need be. The program is started unless it runs in DIR
 * already; it ends by itself some time after the last connection to it. Blocks
 * until it answers, some milliseconds.
 *
 * Return: 0 or a negative errno.
 */
int local_start(const char *program, const char *dir, char *err,
		size_t len) XPV_MUST_CHECK;

#endif
