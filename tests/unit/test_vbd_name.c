/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/vbd_name: names of disks and their numbers, as in xen-vbd-interface(7).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "control/vbd_name.h"

static const struct {
	const char *name;
	uint32_t number;
	const char *back; /* what the number is called; NULL: as it was */
} right[] = {
	{"xvda", 202 << 8, NULL},
	{"xvda1", 202 << 8 | 1, NULL},
	{"xvda15", 202 << 8 | 15, NULL},
	{"xvda16", 1 << 28 | 16, NULL},
	{"xvda255", 1 << 28 | 255, NULL},
	{"xvdb", 202 << 8 | 1 << 4, NULL},
	{"xvdp15", 202 << 8 | 15 << 4 | 15, NULL},
	{"xvdq", 1 << 28 | 16 << 8, NULL},
	{"xvdz3", 1 << 28 | 25 << 8 | 3, NULL},
	{"xvdaa", 1 << 28 | 26 << 8, NULL},
	{"xvdab", 1 << 28 | 27 << 8, NULL},
	{"xvdba", 1 << 28 | 52 << 8, NULL},
	{"xvdzz", 1 << 28 | 701 << 8, NULL},
	{"xvdaaa", 1 << 28 | 702 << 8, NULL},
	{"sda", 8 << 8, NULL},
	{"sdp15", 8 << 8 | 255, NULL},
	{"hda", 3 << 8, NULL},
	{"hdb63", 3 << 8 | 1 << 6 | 63, NULL},
	{"hdc", 22 << 8, NULL},
	{"hdd1", 22 << 8 | 1 << 6 | 1, NULL},
	{"d0p0", 202 << 8, "xvda"},
	{"d5p2", 202 << 8 | 5 << 4 | 2, "xvdf2"},
	{"d16p0", 1 << 28 | 16 << 8, "xvdq"},
	{"d1048575p255", (1 << 28) + (((1 << 20) - 1) << 8) + 255, NULL},
	{"51712", 51712, "xvda"},
	{"0xca00", 51712, "xvda"},
	{"768", 768, "hda"},
	{"5632", 22 << 8, "hdc"},
	{"5", 5, "5"},
};

static void names_are_numbers(void **state)
{
	char err[200] = "", name[VBD_TEXT_MAX];
	uint32_t number;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(right); i++) {
		if (vbd_name_parse(right[i].name, &number, err, sizeof(err)))
			fail_msg("%s: %s", right[i].name, err);
		if (number != right[i].number)
			fail_msg("%s is %u", right[i].name, number);
		vbd_name_format(number, name);
		if (!strcmp(right[i].name, "d1048575p255"))
			continue; /* letters as well */
		if (strcmp(name, right[i].back ? right[i].back : right[i].name))
			fail_msg("%s comes back as %s", right[i].name, name);
	}
}

static void every_number_has_a_name(void **state)
{
	char err[200], name[VBD_TEXT_MAX];
	uint32_t number, again;

	(void)state;
	for (number = 0; number < UINT32_C(1) << 29;
	     number += number < 70000 ? 1 : 997) {
		vbd_name_format(number, name);
		if (vbd_name_parse(name, &again, err, sizeof(err)))
			fail_msg("%u: %s", number, err);
		/* The first sixteen have a short form of their own. */
		if (again != number && !(number >> 28 && again >> 8 == 202))
			fail_msg("%u: %s is %u", number, name, again);
	}
}

static void what_is_no_name(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		"xvd",
		"xvdA",
		"xvda0",
		"xvda01",
		"xvda256",
		"xvda1x",
		"xvd1",
		"xvda ",
		"sdq",
		"sda16",
		"hde",
		"hda64",
		"sd",
		"hd1",
		"vda",
		"d",
		"d1",
		"dp1",
		"d1p",
		"d1p256",
		"d1048576p0",
		"d01p0",
		"d1p2 ",
		"-1",
		"536870912",
		"4294967296",
		"0x",
		"0xg",
		"0x20000000",
		"0xfffffffff",
		"51712 ",
		"xvdzzzzzzzzzz",
		"d99999999999p0",
		"007",
	};
	char err[200];
	uint32_t number;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(wrong); i++) {
		err[0] = '\0';
		if (vbd_name_parse(wrong[i], &number, err, sizeof(err)) !=
		    -EINVAL)
			fail_msg("'%s' is %u", wrong[i], number);
		assert_non_null(strstr(err, "try xvda"));
	}
}

static void names_in_a_guest(void **state)
{
	uint32_t number;

	(void)state;
	assert_true(vbd_name_is("xvdb", &number) && number == 51728);
	assert_true(vbd_name_is("vbd/xvdb", &number) && number == 51728);
	assert_true(vbd_name_is("vbd/51712", &number) && number == 51712);
	assert_false(vbd_name_is("vbd/", &number));
	assert_false(vbd_name_is("vbd", &number));
	assert_false(vbd_name_is("0:0:0:0", &number));
	assert_false(vbd_name_is("-1", &number));
	assert_false(vbd_name_is("4294967296", &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_a_guest),
		cmocka_unit_test(names_are_numbers),
		cmocka_unit_test(every_number_has_a_name),
		cmocka_unit_test(what_is_no_name),
	};

	return cmocka_run_group_tests_name("vbd_name", tests, NULL, NULL);
}
