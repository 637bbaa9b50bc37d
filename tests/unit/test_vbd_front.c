/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/vbd_front: a frontend's nodes, as they should be and as a hostile
 * guest writes them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/vbd_front.h"
#include "wire/blk.h"

/* One queue of one page, and what we could announce at most. */
static const struct vbd_limits least = {.queues = 1, .ring_order = 0};
static const struct vbd_limits most = {.queues = VBD_QUEUES_MAX,
				       .ring_order = 4};

/* "node=value node=value": a tree of them. */
static struct store_tree *tree_of(const char *text)
{
	struct store_tree *tree = tree_new();
	char copy[2048], *word, *rest = copy, *value;

	assert_non_null(tree);
	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	assert_int_equal(tree_add(tree, "", "", 0), 0);
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		assert_non_null(value);
		*value++ = '\0';
		assert_int_equal(tree_add(tree, word, value, strlen(value)), 0);
	}
	tree_sort(tree);
	return tree;
}

#define ONE "ring-ref=8 event-channel=15"

static void rings_that_are_right(void **state)
{
	static const struct {
		const char *nodes;
		const struct vbd_limits *limits;
		enum blk_abi abi;
		uint32_t pages, queues, gref, port; /* of the last ring, page */
	} rows[] = {
		{ONE, &least, BLK_ABI_NATIVE, 1, 1, 8, 15},
		{ONE, &most, BLK_ABI_NATIVE, 1, 1, 8, 15},
		{ONE " protocol=x86_64-abi", &least, BLK_ABI_64, 1, 1, 8, 15},
		{ONE " protocol=x86_32-abi", &least, BLK_ABI_32, 1, 1, 8, 15},
		{ONE " protocol=arm-abi", &least, BLK_ABI_64, 1, 1, 8, 15},
		{ONE " multi-queue-num-queues=1", &least, BLK_ABI_NATIVE, 1, 1,
		 8, 15},
		{ONE " ring-page-order=0", &least, BLK_ABI_NATIVE, 1, 1, 8, 15},
		{ONE " num-ring-pages=1", &least, BLK_ABI_NATIVE, 1, 1, 8, 15},
		{"ring-ref0=9 event-channel=1 ring-page-order=0", &least,
		 BLK_ABI_NATIVE, 1, 1, 9, 1},
		{"ring-ref0=9 ring-ref1=7 event-channel=1 ring-page-order=1",
		 &most, BLK_ABI_NATIVE, 2, 1, 7, 1},
		{"ring-ref0=9 ring-ref1=7 event-channel=1 num-ring-pages=2",
		 &most, BLK_ABI_NATIVE, 2, 1, 7, 1},
		{"multi-queue-num-queues=2 queue-0= queue-0/ring-ref=1 "
		 "queue-0/event-channel=2 queue-1= queue-1/ring-ref=3 "
		 "queue-1/event-channel=4",
		 &most, BLK_ABI_NATIVE, 1, 2, 3, 4},
		{"multi-queue-num-queues=2 ring-page-order=1 queue-0= "
		 "queue-0/ring-ref0=1 queue-0/ring-ref1=11 "
		 "queue-0/event-channel=2 queue-1= queue-1/ring-ref0=3 "
		 "queue-1/ring-ref1=33 queue-1/event-channel=4294967295",
		 &most, BLK_ABI_NATIVE, 2, 2, 33, 4294967295u},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct store_tree *tree = tree_of(rows[i].nodes);
		const struct vbd_queue *queue;
		struct vbd_front front;
		struct ring_id ring;
		char err[200] = "";

		if (vbd_front_read(tree, rows[i].limits, &front, err,
				   sizeof(err)))
			fail_msg("row %zu: %s", i, err);
		assert_string_equal(err, "");
		assert_int_equal(front.abi, rows[i].abi);
		assert_int_equal(front.pages, rows[i].pages);
		assert_int_equal(front.nqueues, rows[i].queues);
		queue = &front.queue[front.nqueues - 1];
		assert_int_equal(queue->gref[front.pages - 1], rows[i].gref);
		assert_int_equal(queue->port, rows[i].port);
		ring = vbd_front_ring(tree);
		assert_true(ring.known);
		assert_int_equal(ring.gref, front.queue[0].gref[0]);
		assert_int_equal(ring.port, front.queue[0].port);
		tree_free(tree);
	}
}

static void rings_that_are_wrong(void **state)
{
	static const struct {
		const char *nodes;
		const struct vbd_limits *limits;
		const char *says;
	} rows[] = {
		{"", &most, "event-channel is missing"},
		{"event-channel=1", &most, "ring-ref0 is missing"},
		{"ring-ref=1", &most, "event-channel is missing"},
		{"ring-ref=x event-channel=1", &most, "ring-ref is not"},
		{"ring-ref=-1 event-channel=1", &most, "ring-ref is not"},
		{"ring-ref=1 event-channel=4294967296", &most,
		 "event-channel is not"},
		{"ring-ref=1 event-channel=0x10", &most,
		 "event-channel is not"},
		{ONE " protocol=", &most, "protocol"},
		{ONE " protocol=x86_64-abi-2", &most, "protocol"},
		{ONE " protocol=X86_64-ABI", &most, "protocol"},
		{ONE " multi-queue-num-queues=0", &most, "from 1"},
		{ONE " multi-queue-num-queues=2", &least, "from 1 to the 1"},
		{ONE " multi-queue-num-queues=17", &most, "from 1 to the 16"},
		{ONE " multi-queue-num-queues=4294967295", &most, "from 1"},
		{ONE " multi-queue-num-queues=a", &most, "not a number"},
		/* Two queues, and none in a directory. */
		{ONE " multi-queue-num-queues=2", &most,
		 "queue-0/event-channel is missing"},
		{"multi-queue-num-queues=2 queue-0= queue-0/ring-ref=1 "
		 "queue-0/event-channel=2",
		 &most, "queue-1/event-channel is missing"},
		{ONE " ring-page-order=1", &least, "beyond the 0"},
		{ONE " ring-page-order=5", &most, "beyond the 4"},
		{ONE " ring-page-order=32", &most, "beyond the 4"},
		{ONE " ring-page-order=4294967295", &most, "beyond the 4"},
		{ONE " ring-page-order=one", &most, "not a number"},
		{ONE " ring-page-order=1", &most, "ring-ref0 is missing"},
		{ONE " ring-page-order=1 ring-ref0=1", &most,
		 "ring-ref1 is missing"},
		{ONE " num-ring-pages=0", &most, "power of two"},
		{ONE " num-ring-pages=3", &most, "power of two"},
		{ONE " num-ring-pages=32", &most, "at most 16"},
		{ONE " num-ring-pages=2", &least, "at most 1"},
		/* The newer name is believed, and it is wrong. */
		{ONE " num-ring-pages=1 ring-page-order=9", &most,
		 "ring-page-order is 9"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct store_tree *tree = tree_of(rows[i].nodes);
		struct vbd_front front;
		char err[200] = "";

		if (vbd_front_read(tree, rows[i].limits, &front, err,
				   sizeof(err)) != -EINVAL)
			fail_msg("row %zu is taken", i);
		if (!strstr(err, rows[i].says))
			fail_msg("row %zu says '%s'", i, err);
		tree_free(tree);
	}
}

/* A value with a NUL in it, or with blanks, is no known word and no number. */
static void bytes_are_counted(void **state)
{
	static const struct {
		const char *node, *value;
		size_t len;
	} rows[] = {
		{"protocol", "x86_64-abi\0", 11},
		{"protocol", "x86_64-abi ", 11},
		{"ring-ref", "8\0", 2},
		{"event-channel", "15\n", 3},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct store_tree *tree = tree_new();
		struct vbd_front front;
		char err[200] = "";

		assert_non_null(tree);
		assert_int_equal(tree_add(tree, "", "", 0), 0);
		assert_int_equal(tree_add(tree, rows[i].node, rows[i].value,
					  rows[i].len),
				 0);
		if (strcmp(rows[i].node, "ring-ref"))
			assert_int_equal(tree_add(tree, "ring-ref", "8", 1), 0);
		if (strcmp(rows[i].node, "event-channel"))
			assert_int_equal(
				tree_add(tree, "event-channel", "15", 2), 0);
		tree_sort(tree);
		if (vbd_front_read(tree, &most, &front, err, sizeof(err)) !=
		    -EINVAL)
			fail_msg("row %zu is taken", i);
		tree_free(tree);
	}
}

static void no_ring_is_none(void **state)
{
	static const char *const rows[] = {
		"",
		"ring-ref=1",
		"event-channel=1",
		"ring-ref=x event-channel=1",
		"queue-0= ring-ref=1 event-channel=1",
		"queue-0= queue-0/ring-ref=1",
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct store_tree *tree = tree_of(rows[i]);

		if (vbd_front_ring(tree).known)
			fail_msg("row %zu", i);
		tree_free(tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_that_are_right),
		cmocka_unit_test(rings_that_are_wrong),
		cmocka_unit_test(bytes_are_counted),
		cmocka_unit_test(no_ring_is_none),
	};

	return cmocka_run_group_tests_name("vbd_front", tests, NULL, NULL);
}
