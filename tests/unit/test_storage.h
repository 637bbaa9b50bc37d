/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of storage drivers: a storage on a real io_uring, one operation at
 * a time, each with its result.
 */
#ifndef TEST_STORAGE_H
#define TEST_STORAGE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/storage.h"

#define K 1024u
#define M (K * K)

static struct uring uring;

/* An operation of a test. */
struct test_io {
	struct storage_io io;
	int ended;
};

static inline void test_done(struct storage_io *io)
{
	((struct test_io *)io)->ended++;
}

/* Begin T; its end must not come from within. */
static inline void begin(struct storage *s, struct test_io *t)
{
	t->io.done = test_done;
	t->ended = 0;
	t->io.result = 12345;
	s->driver->submit(s, &t->io);
	assert_int_equal(t->ended, 0);
}

static inline int finish(struct test_io *t)
{
	while (!t->ended) {
		uring_submit(&uring, true);
		uring_reap(&uring);
	}
	assert_int_equal(t->ended, 1);
	return t->io.result;
}

/* One operation on its own: its result. */
static inline int run(struct storage *s, enum storage_op what, uint64_t offset,
		      uint64_t len, void *buf)
{
	struct test_io t = {
		.io = {.what = what, .offset = offset, .len = len, .buf = buf}};

	begin(s, &t);
	return finish(&t);
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A group's; without io_uring there is nothing to test. */
static inline int uring_up(void **state)
{
	(void)state;
	return uring_init(&uring, 64);
}

static inline int uring_down(void **state)
{
	(void)state;
	uring_fini(&uring);
	return 0;
}

#endif
