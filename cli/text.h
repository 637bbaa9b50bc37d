/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on its way to a terminal. Names and values come from guests, files and
 * other tools: a terminal must never see their control characters.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text_clean - a copy of TEXT that may be printed
 *
 * Printable characters, also beyond ASCII, stay; what a terminal might obey or
 * hide (control characters, changes of writing direction, bytes that are not
 * UTF-8) becomes \xHH, byte for byte. So does a line feed: a line stays one.
 *
 * Return: malloc'ed, valid UTF-8; the program ends if there is no memory.
 */
char *text_clean(const char *text);

/* text_width - columns that cleaned text takes: its characters. */
size_t text_width(const char *text);

/* text_size - "64 MiB", "1.5 TiB", "512 B" in OUT, which has 24 bytes. */
void text_size(uint64_t bytes, char *out);

/*
 * text_number - TEXT of an option as a number from MIN to MAX, decimal
 *
 * Return: false, with OUT left alone, if it is no such number.
 */
bool text_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* text_error - "xenpv: LINE" on stderr, cleaned, with a line feed. */
void text_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
