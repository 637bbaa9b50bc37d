/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/vbd: what backends announce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/vbd.h"

struct node {
	const char *path, *value;
};

static int read_info(struct vbd_info *info, const struct node *node)
{
	struct store_tree *t = tree_new();
	int rc;

	assert_int_equal(tree_add(t, "", NULL, 0), 0);
	for (; node->path; node++)
		assert_int_equal(tree_add(t, node->path, node->value,
					  strlen(node->value)),
				 0);
	tree_sort(t);
	rc = vbd_read_info(info, t);
	tree_free(t);
	return rc;
}

static void test_info(void **state)
{
	struct vbd_info info;

	(void)state;
	assert_int_equal(
		read_info(&info, (struct node[]){{"sectors", "8"}, {0}}), 0);
	assert_int_equal(info.sectors, 8);
	assert_int_equal(info.block, 512);
	assert_int_equal(info.physical, 512);
	assert_int_equal(info.features, 0);
	assert_int_equal(info.segs, WIRE_BLK_SEGS);
	assert_int_equal(info.queues, 1);
	assert_int_equal(
		read_info(&info,
			  (struct node[]){
				  {"sectors", "800"},
				  {"sector-size", "4096"},
				  {"physical-sector-size", "8192"},
				  {"info", "6"},
				  {"feature-flush-cache", "1"},
				  {"feature-barrier", "1"},
				  {"feature-discard", "1"},
				  {"discard-secure", "0"},
				  {"discard-granularity", "65536"},
				  {"feature-persistent", "1"},
				  {"multi-queue-max-queues", "4"},
				  {"feature-max-indirect-segments", "4096"},
				  {0}}),
		0);
	assert_int_equal(info.features,
			 BLK_FRONT_F_READONLY | BLK_FRONT_F_FLUSH |
				 BLK_FRONT_F_BARRIER | BLK_FRONT_F_DISCARD |
				 BLK_FRONT_F_PERSISTENT);
	assert_int_equal(info.segs, BLK_FRONT_SEGS_MAX);
	assert_int_equal(info.physical, 8192);
	assert_int_equal(info.granularity, 65536);
	assert_int_equal(info.queues, 4);
}

/* A backend may write anything. */
static void test_bad_info(void **state)
{
	static const struct node bad[][3] = {
		{{0}},
		{{"sectors", ""}, {0}},
		{{"sectors", "-1"}, {0}},
		{{"sectors", "18446744073709551615"}, {0}},
		{{"sectors", "18014398509481984"}, {0}},
		{{"sectors", "8"}, {"sector-size", "0"}, {0}},
		{{"sectors", "8"}, {"sector-size", "256"}, {0}},
		{{"sectors", "8"}, {"sector-size", "520"}, {0}},
		{{"sectors", "8"}, {"sector-size", "8192"}, {0}},
	};
	struct vbd_info info;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		assert_int_equal(read_info(&info, bad[i]), -22);
	/* what is no number is as if it were not there */
	assert_int_equal(
		read_info(&info, (struct node[]){{"sectors", "8"},
						 {"sector-size", "big"},
						 {"feature-discard", "yes"},
						 {0}}),
		0);
	assert_int_equal(info.block, 512);
	assert_int_equal(info.features, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_bad_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
