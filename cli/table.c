/* SPDX-License-Identifier: BSD-2-Clause */
/* Text tables: see table.h. */
#include "cli/table.h"

#include <stdlib.h>

#include "cli/text.h"
#include "wire/port.h"

void table_init(struct table *table, const struct table_column *column)
{
	*table = (struct table){.column = column};
	while (column[table->columns].head)
		table->columns++;
	XPV_ASSERT(table->columns && table->columns <= TABLE_COLUMNS_MAX);
}

void table_add(struct table *table, const char *text)
{
	char **cell = realloc(table->cell, (table->cells + 1) * sizeof(*cell));

	if (!cell) {
		text_error("out of memory");
		exit(1);
	}
	table->cell = cell;
	cell[table->cells++] = text_clean(text && *text ? text : "-");
}

static void print_cell(FILE *f, const char *text, size_t width, int right,
		       int last)
{
	int pad = (int)(width - text_width(text));

	if (right)
		fprintf(f, "%*s%s", pad, "", text);
	else if (last)
		fputs(text, f); /* no blanks at the end of a line */
	else
		fprintf(f, "%s%*s", text, pad, "");
	fputs(last ? "\n" : "  ", f);
}

void table_print(const struct table *table, FILE *f)
{
	size_t width[TABLE_COLUMNS_MAX], n = table->columns, w;

	/* A row that was begun and not finished would be our mistake. */
	XPV_ASSERT(table->cells % n == 0);
	for (size_t i = 0; i < n; i++)
		width[i] = text_width(table->column[i].head);
	for (size_t i = 0; i < table->cells; i++) {
		w = text_width(table->cell[i]);
		if (w > width[i % n])
			width[i % n] = w;
	}
	for (size_t i = 0; i < n; i++)
		print_cell(f, table->column[i].head, width[i],
			   table->column[i].right, i + 1 == n);
	for (size_t i = 0; i < table->cells; i++)
		print_cell(f, table->cell[i], width[i % n],
			   table->column[i % n].right, i % n + 1 == n);
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	table->cell = NULL;
	table->cells = 0;
}
