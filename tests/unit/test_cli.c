/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command table: every command and option has help, and is in the manual
 * page and the shell completion. Parsing of arguments; text and tables for
 * terminals. Run in the root of the sources, or with it in XENPV_SOURCE_ROOT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"
#include "wire/port.h"

/* A file of the sources; the caller frees it. */
static char *source(const char *name)
{
	const char *root = getenv("XENPV_SOURCE_ROOT");
	char path[4096], *text = malloc(1 << 16);
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root ? root : ".", name);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s cannot be read: set XENPV_SOURCE_ROOT", path);
	assert_non_null(text);
	n = fread(text, 1, (1 << 16) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void has(const char *where, const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is not in %s", what, where);
}

/* What FN prints for a command; the caller frees it. */
static char *printed(const struct command *command,
		     void (*fn)(const struct command *command, FILE *f))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fn(command, f);
	fclose(f);
	return text;
}

static void all_help(const struct command *command, FILE *f)
{
	(void)command;
	commands_help(f);
}

static void table_is_complete(void **state)
{
	char *list = printed(NULL, all_help);

	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		char *help = printed(c, command_help), option[64];

		assert_non_null(c->args);
		assert_non_null(c->run);
		assert_true(c->args_max < 0 || c->args_max >= c->args_min);
		assert_string_not_equal(c->summary, "");
		assert_ptr_equal(command_find(c->name), c);
		has("xenpv --help", list, c->name);
		has("xenpv --help", list, c->summary);
		has(c->name, help, c->args);
		for (const struct cli_option *o = c->option; o->name; o++) {
			snprintf(option, sizeof(option), "--%s", o->name);
			assert_string_not_equal(o->help, "");
			has(c->name, help, option);
			has(c->name, help, o->help);
		}
		free(help);
	}
	assert_null(command_find("scsi"));
	free(list);
}

static void manual_and_completion_agree(void **state)
{
	char *man = source("man/xenpv.1");
	char *bash = source("packaging/bash-completion/xenpv");
	char want[64];

	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		snprintf(want, sizeof(want), ".Cm %s", c->name);
		has("man/xenpv.1", man, want);
		has("the completion", bash, c->name);
		for (const struct cli_option *o = c->option; o->name; o++) {
			snprintf(want, sizeof(want), "Fl Fl %s", o->name);
			has("man/xenpv.1", man, want);
			snprintf(want, sizeof(want), "--%s", o->name);
			has("the completion", bash, want);
		}
	}
	for (const struct cli_option *o = global_options; o->name; o++) {
		snprintf(want, sizeof(want), "Fl Fl %s", o->name);
		has("man/xenpv.1", man, want);
		snprintf(want, sizeof(want), "--%s", o->name);
		has("the completion", bash, want);
	}
	free(bash);
	free(man);
}

/* Parse LINE, words with one blank between them, as CMD's arguments. */
static int parse(const struct command *cmd, const char *line,
		 struct cli_args *args, bool *help)
{
	static char words[256];
	static char *argv[16];
	int argc = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	*args = (struct cli_args){0};
	return command_args(cmd, argc, argv, args, help);
}

static void arguments(void **state)
{
	const struct command *attach = command_find("scsi-attach");
	struct cli_args args;
	bool help;

	(void)state;
	assert_int_equal(
		parse(attach,
		      "scsi-attach web --timeout 5 /x --no-wait 0:0:0:0", &args,
		      &help),
		0);
	assert_false(help);
	assert_int_equal(args.n, 3);
	assert_string_equal(args.arg[2], "0:0:0:0");
	assert_string_equal(args.option[ATTACH_TIMEOUT], "5");
	assert_string_equal(args.option[ATTACH_NO_WAIT], "");
	assert_int_equal(parse(attach, "scsi-attach -t7 a b c", &args, &help),
			 0);
	assert_string_equal(args.option[ATTACH_TIMEOUT], "7");
	assert_null(args.option[ATTACH_NO_WAIT]);
	assert_true(parse(attach, "scsi-attach a b", &args, &help) < 0);
	assert_true(parse(attach, "scsi-attach a b c d", &args, &help) < 0);
	assert_true(parse(attach, "scsi-attach a b c -f", &args, &help) < 0);
	assert_true(parse(attach, "scsi-attach a b c -t", &args, &help) < 0);
	assert_int_equal(parse(attach, "scsi-attach -h", &args, &help), 0);
	assert_true(help);
}

static void options_before_the_command(void **state)
{
	static const struct {
		const char *line;
		int used; /* words; negative: refused */
		const char *host, *verbose;
	} rows[] = {
		{"xenpv status", 1, NULL, NULL},
		{"xenpv --host local:/d status", 3, "local:/d", NULL},
		{"xenpv --host=local:/d -v status -h", 3, "local:/d", ""},
		{"xenpv --host= status", 2, "", NULL},
		{"xenpv --verbose", 2, NULL, ""},
		{"xenpv --host", -1, NULL, NULL},
		{"xenpv --hos xen status", -1, NULL, NULL},
		{"xenpv --hostx xen status", -1, NULL, NULL},
		{"xenpv --verbose=1 status", -1, NULL, NULL},
		{"xenpv -x status", -1, NULL, NULL},
		{"xenpv -vv status", -1, NULL, NULL},
		{"xenpv - status", -1, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		const char *option[GLOBALS] = {NULL};
		char words[64], *argv[8];
		int argc = 0, used;

		strcpy(words, rows[i].line);
		for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
			argv[argc++] = w;
		used = global_args(argc, argv, option);
		if (rows[i].used < 0 ? used >= 0 : used != rows[i].used)
			fail_msg("%s: %d", rows[i].line, used);
		if (used < 0)
			continue;
		if (rows[i].host)
			assert_string_equal(option[GLOBAL_HOST], rows[i].host);
		else
			assert_null(option[GLOBAL_HOST]);
		assert_true(!option[GLOBAL_VERBOSE] == !rows[i].verbose);
		assert_null(option[GLOBAL_HELP]);
	}
}

static void cleans_text(void **state)
{
	static const struct {
		const char *in, *out;
	} row[] = {
		{"plain text", "plain text"},
		{"\033[31mred", "\\x1b[31mred"},
		{"two\nlines\r", "two\\x0alines\\x0d"},
		{"\x7f", "\\x7f"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xc2\x9b"
		 "31m",
		 "\\xc2\\x9b31m"}, /* C1 CSI */
		{"\xe2\x80\xae"
		 "x",
		 "\\xe2\\x80\\xaex"},		     /* override */
		{"\xc0\xaf", "\\xc0\\xaf"},	     /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
		{"\xff\xfe", "\\xff\\xfe"},
		{"cut \xe2\x82", "cut \\xe2\\x82"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(row); i++) {
		char *clean = text_clean(row[i].in);

		assert_string_equal(clean, row[i].out);
		free(clean);
	}
	assert_int_equal(text_width("gr\xc3\xbc\xc3\x9f"), 4);
}

static void shows_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} row[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1 KiB"},
		{1536, "1.5 KiB"},
		{64 << 20, "64 MiB"},
		{UINT64_C(2000398934016), "1.8 TiB"},
		{UINT64_MAX, "15 EiB"},
	};
	char text[24];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(row); i++) {
		text_size(row[i].bytes, text);
		assert_string_equal(text, row[i].text);
	}
}

static void aligns_tables(void **state)
{
	static const struct table_column column[] = {
		{"Name", 0}, {"Size", 1}, {"State", 0}, {NULL, 0}};
	struct table table;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	table_init(&table, column);
	table_add(&table, "gr\xc3\xbcn");
	table_add(&table, "5 B");
	table_add(&table, "ok");
	table_add(&table, "a\tb");
	table_add(&table, "1000 B");
	table_add(&table, NULL);
	table_print(&table, f);
	table_free(&table);
	fclose(f);
	assert_string_equal(text, "Name      Size  State\n"
				  "gr\xc3\xbcn       5 B  ok\n"
				  "a\\x09b  1000 B  -\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_complete),
		cmocka_unit_test(manual_and_completion_agree),
		cmocka_unit_test(arguments),
		cmocka_unit_test(options_before_the_command),
		cmocka_unit_test(cleans_text),
		cmocka_unit_test(shows_sizes),
		cmocka_unit_test(aligns_tables),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
