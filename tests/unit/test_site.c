/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/site: what --host may say, and what follows from it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/site.h"

#define ERR_MAX 512

static char err[ERR_MAX];

static void taken(void **state)
{
	static const struct {
		const char *env, *text;
		const char *name, *whole, *place, *run, *state, *xenstore;
	} rows[] = {
		{NULL, NULL, "xen", "xen", NULL, XENPV_RUNDIR, XENPV_STATEDIR,
		 NULL},
		{"", NULL, "xen", "xen", NULL, XENPV_RUNDIR, XENPV_STATEDIR,
		 NULL},
		{"local:/e", NULL, "local", "local:/e", "/e", "/e/run",
		 "/e/lib", "/e/xenstore"},
		{"local:/e", "xen", "xen", "xen", NULL, XENPV_RUNDIR,
		 XENPV_STATEDIR, NULL},
		{"nonsense", "local:/d", "local", "local:/d", "/d", "/d/run",
		 "/d/lib", "/d/xenstore"},
		{NULL, "local:/d:e", "local", "local:/d:e", "/d:e", "/d:e/run",
		 "/d:e/lib", "/d:e/xenstore"},
		{NULL, "local:x", "local", "local:/tmp/x", "/tmp/x",
		 "/tmp/x/run", "/tmp/x/lib", "/tmp/x/xenstore"},
	};

	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct site site;

		if (rows[i].env)
			setenv("XENPV_HOST", rows[i].env, 1);
		else
			unsetenv("XENPV_HOST");
		if (site_init(&site, rows[i].text, err, sizeof(err)))
			fail_msg("row %zu: %s", i, err);
		assert_string_equal(site_name(&site), rows[i].name);
		assert_string_equal(site.text, rows[i].whole);
		assert_string_equal(site.run_dir, rows[i].run);
		assert_string_equal(site.state_dir, rows[i].state);
		if (rows[i].place)
			assert_string_equal(site_place(&site), rows[i].place);
		else
			assert_null(site_place(&site));
		if (rows[i].xenstore)
			assert_string_equal(site_store(&site),
					    rows[i].xenstore);
		else
			assert_null(site_store(&site));
	}
	unsetenv("XENPV_HOST");
}

static void refused(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *says;
	} rows[] = {
		{"", 0, ""}, /* as if nothing was said */
		{"kvm", -EINVAL, "'kvm' is not known: use xen or local:DIR"},
		{"Xen", -EINVAL, "'Xen'"},
		{"xe", -EINVAL, "'xe'"},
		{"xenx", -EINVAL, "'xenx'"},
		{":", -EINVAL, "':'"},
		{"/tmp/x", -EINVAL, "'/tmp/x'"},
		{"xen:", -EINVAL, "'xen:' has no directory"},
		{"local", -EINVAL, "'local' needs a directory"},
		{"local:", -EINVAL, "'local:' needs a directory"},
		{"local/d", -EINVAL, "'local/d' is not known"},
	};
	struct site site;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		err[0] = '\0';
		assert_int_equal(
			site_init(&site, rows[i].text, err, sizeof(err)),
			rows[i].rc);
		if (!strstr(err, rows[i].says) || strchr(err, '\n'))
			fail_msg("'%s': %s", rows[i].text, err);
	}
}

/* Every socket below the longest directory has a name that fits. */
static void the_longest_directory(void **state)
{
	char text[64 + SITE_DIR_MAX + 1] = "local:/";
	struct site site;

	(void)state;
	memset(text + 7, 'd', SITE_DIR_MAX - 2);
	assert_int_equal(site_init(&site, text, err, sizeof(err)), 0);
	assert_int_equal(strlen(site_place(&site)), SITE_DIR_MAX - 1);
	assert_true(strlen(site.run_dir) + strlen("/control") < 108);
	assert_true(strlen(site.xenstore) < 108);
	assert_true(strlen(site.xenstore) > SITE_DIR_MAX);
	strcat(text, "d");
	assert_int_equal(site_init(&site, text, err, sizeof(err)),
			 -ENAMETOOLONG);
	assert_non_null(strstr(err, "too long"));
}

/* Words for people name the host; none is missing where it may be said. */
static void words(void **state)
{
	static const char *const hosts[] = {"xen", "local:/d"};
	struct site site;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(hosts); i++) {
		assert_int_equal(site_init(&site, hosts[i], err, sizeof(err)),
				 0);
		for (size_t w = 0; w < SITE_WORDS; w++) {
			assert_null(strchr(site.word[w], '@'));
			if (w != SITE_NO_STORE)
				assert_string_not_equal(site.word[w], "");
		}
	}
	assert_string_equal(site.word[SITE_START_DAEMON],
			    "start it with 'xenpvd --host local:/d'");
	assert_int_equal(site_explain_store(&site, -ENOENT, err, sizeof(err)),
			 -ENODEV);
	assert_non_null(strstr(err, "no host local:/d: start it with"));
	assert_int_equal(site_explain_store(&site, -EACCES, err, sizeof(err)),
			 -EACCES);
	assert_non_null(strstr(err, "another user's"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),
		cmocka_unit_test(refused),
		cmocka_unit_test(the_longest_directory),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("site", tests, NULL, NULL);
}
