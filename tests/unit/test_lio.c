/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's target: its names, and what it is not asked for. What it does
 * is shown on the real kernel, in tests/lab/kernel-backend.sh.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/lio.h"

static void names_come_back(void **state)
{
	static const struct {
		uint32_t domid, controller;
		const char *name;
	} rows[] = {
		{5, 0, "naa.378656e000050000"},
		{0x7fef, 65535, "naa.378656e07fefffff"},
		{255, 16, "naa.378656e000ff0010"},
	};
	/* Of targetcli, of other tools, and nearly ours. */
	static const char *const others[] = {
		"naa.5001405123456789",	 "naa.6001405000050000",
		"naa.378656e00005000",	 "naa.378656e0000500000",
		"naa.378656e00005000g",	 "discovery_auth",
		"naa.378656e000050000 ", "",
	};
	char text[LIO_PDEV_MAX];
	uint32_t domid, controller;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		lio_name(rows[i].domid, rows[i].controller, text);
		assert_string_equal(text, rows[i].name);
		assert_true(lio_parse(text, &domid, &controller));
		assert_int_equal(domid, rows[i].domid);
		assert_int_equal(controller, rows[i].controller);
	}
	for (size_t i = 0; i < XPV_ARRAY_SIZE(others); i++)
		assert_false(lio_parse(others[i], &domid, &controller));
}

static void what_it_cannot_is_named(void **state)
{
	static const struct {
		enum pdev_kind kind;
		const char *path, *options, *word; /* NULL: it can */
	} rows[] = {
		{PDEV_BLOCK, "/dev/sda", "backend=kernel,ro,serial=A", NULL},
		{PDEV_FILE, "/a", "blocksize=4096,product=P", NULL},
		{PDEV_SG, "/dev/sg0", "", NULL},
		{PDEV_NULL, "null:1G", "", "null:1G"},
		{PDEV_NBD, "nbd:x", "", "nbd:x"},
		{PDEV_FILE, "/a", "ro", "'ro'"},
		{PDEV_SG, "/dev/sg0", "ro", "'ro'"},
		{PDEV_BLOCK, "/dev/sda", "shared", "'shared'"},
		{PDEV_BLOCK, "/dev/sda", "feature-host", "'feature-host'"},
		{PDEV_BLOCK, "/dev/sda", "naa=5000c50012345678", "'naa'"},
		{PDEV_BLOCK, "/dev/sda", "direct=off", "'direct'"},
		{PDEV_BLOCK, "/dev/sda", "blocksize=4096", "'blocksize'"},
		{PDEV_FILE, "/a", "format=qcow2", "'format'"},
		{PDEV_FILE, "/a,b", "", "comma"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct pdev pdev = {.kind = rows[i].kind};
		char err[PDEV_ERR_MAX] = "";
		int rc;

		strcpy(pdev.path, rows[i].path);
		strcpy(pdev.name, rows[i].path);
		assert_int_equal(pdev_options_parse(&pdev.options,
						    rows[i].options, err,
						    sizeof(err)),
				 0);
		rc = lio_check(&pdev, err, sizeof(err));
		if (rc != (rows[i].word ? -EOPNOTSUPP : 0) ||
		    (rows[i].word && !strstr(err, rows[i].word)))
			fail_msg("row %zu: %d, %s", i, rc, err);
	}
}

/* Names that are not ours are somebody else's to remove. */
static void others_are_left_alone(void **state)
{
	static const char *const names[] = {"naa.6001405000050000:0",
					    "/dev/sda", "naa.378656e000050000",
					    "naa.378656e000050000:x", ""};
	char err[PDEV_ERR_MAX] = "";

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(names); i++)
		assert_int_equal(lio_remove(names[i], err, sizeof(err)), 0);
	assert_string_equal(err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(what_it_cannot_is_named),
		cmocka_unit_test(others_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
