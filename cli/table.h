/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text table for people: a head line, columns as wide as they need to be,
 * two blanks between them. Cells are cleaned (cli/text.h).
 *
 * Running out of memory ends the program: it prints a list and has nothing to
 * undo.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *head;
	int right; /* numbers are flush right */
};

struct table {
	const struct table_column *column;
	size_t columns;
	char **cell; /* rows * columns, malloc'ed, cleaned */
	size_t cells;
};

/* table_init - @column stays the caller's and ends with a NULL head. */
void table_init(struct table *table, const struct table_column *column);

/* table_add - the next cell, row after row; NULL is "-". Copied. */
void table_add(struct table *table, const char *text);

/* table_print - everything, to F. No row: only the head line. */
void table_print(const struct table *table, FILE *f);

void table_free(struct table *table);

#endif
