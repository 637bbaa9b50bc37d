/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Libraries that are loaded when they are needed: those that few commands use,
 * and that bring many others. A command that does not use libnbd would spend
 * more time on loading gnutls for it than on all of its work.
 *
 * The functions of a library are a list X(name)..., the struct of pointers is
 * made from it, so that their types are those of the library's own header:
 *
 *     #define LIBNBD(X) X(nbd_create) X(nbd_close)
 *     static struct { LIBNBD(LATE_MEMBER) } nbd;
 *     static const char *const nbd_names[] = {LIBNBD(LATE_NAME)};
 *     late_load("libnbd.so.0", nbd_names, &nbd, XPV_ARRAY_SIZE(nbd_names), ...)
 */
#ifndef CONTROL_LATE_H
#define CONTROL_LATE_H

#include <stddef.h>

#include "wire/port.h"

#define LATE_MEMBER(name) __typeof__(&name) name;
#define LATE_NAME(name)	  #name,

/*
 * late_load - load SONAME and look up N functions of it
 * @table: a struct of N pointers, in the order of NAMES
 *
 * The library stays for ever. A second call for the same table does nothing.
 * Not for several threads at once.
 *
 * Return: 0; -ELIBACC with a line in ERR.
 */
int late_load(const char *soname, const char *const *names, void *table,
	      size_t n, char *err, size_t len) XPV_MUST_CHECK;

#endif
