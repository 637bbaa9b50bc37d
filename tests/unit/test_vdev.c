/* SPDX-License-Identifier: BSD-2-Clause */
/* VDEV[,options]: what is taken, what is refused and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/vdev.h"

static void takes(void **state)
{
	char err[PDEV_ERR_MAX] = "", text[VDEV_TEXT_MAX];
	struct pdev_options options;
	struct pdev_vdev at;

	(void)state;
	assert_int_equal(
		vdev_parse(&at, &options, "65535:0:63:255", err, sizeof(err)),
		0);
	vdev_format(&at, text);
	assert_string_equal(text, "65535:0:63:255");
	assert_false(options.read_only);

	assert_int_equal(vdev_parse(&at, &options, "1:0:2:3,ro,serial=A1", err,
				    sizeof(err)),
			 0);
	assert_int_equal(at.host, 1);
	assert_int_equal(at.target, 2);
	assert_int_equal(at.lun, 3);
	assert_true(options.read_only);
	assert_string_equal(options.serial, "A1");
	assert_string_equal(err, "");
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"0:0:0",
		"0:0:0:0:0",
		"0:0:0:",
		":0:0:0",
		"a:0:0:0",
		"-1:0:0:0",
		"+1:0:0:0",
		" 0:0:0:0",
		"0:0:0:0 ",
		"0x0:0:0:0",
		"65536:0:0:0",
		"0:1:0:0",
		"0:0:64:0",
		"0:0:0:256",
		"0:0:0:18446744073709551616",
		"0:0:0:0000000000000000000000000000000000000000",
		"0:0:0:0,",
		"0:0:0:0,nonsense",
		"0:0:0:0,ro,rw",
		"0:0:0:0,ro,",
		",ro",
		"host",
		"0:0:0:0\n",
		"0:0:\t0:0,ro",
		"0:0:0:0,a\nb",
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		char err[PDEV_ERR_MAX] = "";
		struct pdev_options options;
		struct pdev_vdev at;

		if (vdev_parse(&at, &options, bad[i], err, sizeof(err)) !=
		    -EINVAL)
			fail_msg("'%s' was not refused", bad[i]);
		assert_string_not_equal(err, "");
		assert_null(strchr(err, '\n'));
	}
}

static void explains(void **state)
{
	char err[PDEV_ERR_MAX] = "";
	struct pdev_options options;
	struct pdev_vdev at;

	(void)state;
	assert_int_equal(
		vdev_parse(&at, &options, "0:0:64:0", err, sizeof(err)),
		-EINVAL);
	assert_non_null(strstr(err, "0:0:64:0"));
	assert_non_null(strstr(err, "target"));
	assert_int_equal(
		vdev_parse(&at, &options, "0:0:0:0,shred", err, sizeof(err)),
		-EINVAL);
	assert_non_null(strstr(err, "shred"));
	assert_non_null(strstr(err, "'shared'"));
	/* scsi-detach has no use for options. */
	assert_int_equal(vdev_parse(&at, NULL, "0:0:0:0,ro", err, sizeof(err)),
			 -EINVAL);
	assert_non_null(strstr(err, "options"));
	assert_int_equal(vdev_parse(&at, NULL, "0:0:0:0", err, sizeof(err)), 0);
}

static void compares(void **state)
{
	const struct pdev_vdev at = {.host = 1, .target = 2, .lun = 3};

	(void)state;
	assert_true(vdev_is(&at, "1:0:2:3"));
	assert_false(vdev_is(&at, "0:0:2:3"));
	assert_false(vdev_is(&at, "1:1:2:3"));
	assert_false(vdev_is(&at, "1:0:3:3"));
	assert_false(vdev_is(&at, "1:0:2:4"));
	assert_false(vdev_is(&at, "1:0:2"));
	assert_false(vdev_is(&at, ""));
	assert_false(vdev_is(&at, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(explains),
		cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests_name("vdev", tests, NULL, NULL);
}
