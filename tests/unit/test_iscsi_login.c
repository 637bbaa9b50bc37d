/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file that says as whom to log in to iSCSI targets.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/iscsi_login.h"

#define TARGET "iqn.2026-11.test:one"

static char dir[] = "/tmp/test_iscsi_login.XXXXXX";
static char path[sizeof(dir) + 16];

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* What comes of TEXT for TARGET. */
static int find(const char *text, struct iscsi_login *login, char *err)
{
	memset(login, 0, sizeof(*login));
	strcpy(login->target, TARGET);
	err[0] = '\0';
	if (text)
		write_file(text, 0600);
	return iscsi_login_find(login, err, 512);
}

static void test_lines(void **state)
{
	static const struct {
		const char *text, *initiator, *user, *password, *peer;
	} good[] = {
		{"", NULL, "", "", ""},
		{"# nothing\n\n", NULL, "", "", ""},
		{"iqn.2026-11.test:two user=u password=p\n", NULL, "", "", ""},
		{TARGET " user=u password=p\n", NULL, "u", "p", ""},
		{TARGET "\tuser=u\tpassword=a=b# comment\n", NULL, "u", "a=b",
		 ""},
		{"* initiator=iqn.2026-11.test:us\n", "iqn.2026-11.test:us", "",
		 "", ""},
		{TARGET " user=u password=p peer-user=t peer-password=q", NULL,
		 "u", "p", "t"},
		/* the first that fits */
		{TARGET "\n* user=u password=p\n", NULL, "", "", ""},
		{"* user=a password=b\n" TARGET " user=u password=p\n", NULL,
		 "a", "b", ""},
	};
	struct iscsi_login login;
	char err[512];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(good); i++) {
		assert_int_equal(find(good[i].text, &login, err), 0);
		assert_string_equal(login.user, good[i].user);
		assert_string_equal(login.password, good[i].password);
		assert_string_equal(login.peer_user, good[i].peer);
		if (good[i].initiator)
			assert_string_equal(login.initiator, good[i].initiator);
		assert_true(iscsi_name_ok(login.initiator));
	}
}

static void test_wrong_lines(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{TARGET " user=u", "line 1: a user and its password"},
		{"\n" TARGET " password=p", "line 2: a user and its password"},
		{TARGET " peer-user=u peer-password=p", "user= is missing"},
		{TARGET " user=", "user= has no value"},
		{TARGET " pasword=secret", "pasword= is not known"},
		{TARGET " secret", "secret is not known"},
		{TARGET " initiator=me", "no iSCSI name"},
	};
	char err[512], text[700];
	struct iscsi_login login;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		assert_int_equal(find(bad[i].text, &login, err), -EINVAL);
		assert_non_null(strstr(err, bad[i].want));
		assert_non_null(strstr(err, path));
		assert_null(strstr(err, "secret is") ? NULL
						     : strstr(err, "=secret"));
	}
	snprintf(text, sizeof(text), TARGET " user=u password=%0300d", 1);
	assert_int_equal(find(text, &login, err), -EINVAL);
	assert_non_null(strstr(err, "password= is too long"));
}

static void test_file(void **state)
{
	struct iscsi_login login;
	char err[512];

	(void)state;
	unlink(path);
	assert_int_equal(find(NULL, &login, err), 0);
	assert_true(iscsi_name_ok(login.initiator));
	write_file(TARGET " user=u password=p\n", 0640);
	assert_int_equal(find(NULL, &login, err), -EACCES);
	assert_non_null(strstr(err, "chmod 600"));
	/* without a password it may be read */
	write_file(TARGET " initiator=iqn.2026-11.test:us\n", 0644);
	assert_int_equal(find(NULL, &login, err), 0);
}

static void test_names(void **state)
{
	static const char *const good[] = {"iqn.2026-11.test:one",
					   "eui.02004567a425678d",
					   "naa.52004567ba64678d"};
	static const char *const bad[] = {"",	     "iqn.",	"iqn.A",
					  "iqn.a b", "iqn.a/b", "host",
					  "iqn.a\n", "iqn.a,b", "iqn.a\x7f"};
	char name[ISCSI_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(good); i++)
		assert_true(iscsi_name_ok(good[i]));
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_false(iscsi_name_ok(bad[i]));
	memset(name, 'a', sizeof(name));
	memcpy(name, "iqn.", 4);
	name[ISCSI_NAME_MAX] = '\0';
	assert_false(iscsi_name_ok(name));
	name[ISCSI_NAME_MAX - 1] = '\0';
	assert_true(iscsi_name_ok(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_wrong_lines),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_names),
	};
	int rc;

	if (!mkdtemp(dir) || setenv("XENPV_CONFDIR", dir, 1))
		return 1;
	snprintf(path, sizeof(path), "%s/iscsi-logins", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return rc;
}
