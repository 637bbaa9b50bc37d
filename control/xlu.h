/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' files as xl reads them: by Xen's own parser, of libxlutil.
 *
 * The library is loaded when it is needed, and only then. It takes libxenlight
 * with it, and its name changes with every version of Xen: linked with, it would
 * tie the whole command to one of them, and to a machine that has Xen. What is
 * called here, reading of strings and lists, has had one form since Xen 4.2; the
 * prototypes are those of the header that this was built with. A helper program
 * would have been as good for the crash of a parser, but it would have to be
 * built for each Xen, and another form be invented to hand over what it has
 * read.
 *
 * The library that goes with the running Xen is looked for first, then any, new
 * ones first; the environment's XENPV_LIBXLUTIL names another file.
 *
 * It does not say where in a file a value is. xlu_place() finds it by
 * reading the text again, by the same rules for words.
 *
 * Not for the daemon: it blocks, and it is somebody else's parser.
 */
#ifndef CONTROL_XLU_H
#define CONTROL_XLU_H

#include <stddef.h>

#include "wire/port.h"

struct xlu;

/* A place in a text; lines and columns (bytes) count from 1; 0: not known. */
struct xlu_place {
	unsigned int line, column;
};

/*
 * xlu_parse - parse TEXT, which came from FILE
 * @file: only for messages
 * @err, @len: one line when it fails, "FILE:LINE:COLUMN: ..." if it is the text
 *
 * Return: 0; -EINVAL: it is not right; -ELIBACC: there is no libxlutil; -ENOMEM.
 */
int xlu_parse(struct xlu **out, const char *text, const char *file, char *err,
	      size_t len) XPV_MUST_CHECK;

/* xlu_free - NULL is allowed. */
void xlu_free(struct xlu *xlu);

/*
 * xlu_string - the value of KEY; NULL if there is none, or it is a list
 *
 * It lives as long as XLU.
 */
const char *xlu_string(const struct xlu *xlu, const char *key);

/*
 * xlu_list_size - of the list KEY
 *
 * Return: how many; -ENOENT: there is no such key; -EINVAL: it is not a list.
 */
int xlu_list_size(const struct xlu *xlu, const char *key);

/* xlu_list_item - NULL: it is not a string. It lives as long as XLU. */
const char *xlu_list_item(const struct xlu *xlu, const char *key, int n);

/*
 * xlu_place - where TEXT has item N of list KEY; N negative: where KEY is
 *
 * Return: the place, {0, 0} if it is not found. @value: of the item as the text
 * has it between its quotes, *VALUE_LEN bytes; may be NULL.
 */
struct xlu_place xlu_place(const char *text, const char *key, int n,
			   const char **value, size_t *value_len);

#endif
