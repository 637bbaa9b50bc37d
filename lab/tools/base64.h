/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base64.h - bytes as text that survives a console.
 */
#ifndef LAB_BASE64_H
#define LAB_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/* What base64_encode() writes for n bytes, its final NUL included. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Encodes size bytes into text, which has room for BASE64_SIZE(size). Returns its length. */
size_t base64_encode(char *text, const void *data, size_t size);

/* Decodes text into data, which has room for 3/4 of its length. Returns the size, -1 if malformed. */
ssize_t base64_decode(void *data, const char *text);

#endif
