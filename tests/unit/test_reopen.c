/* SPDX-License-Identifier: BSD-2-Clause */
/* control/reopen: the same file for one worker after the other. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/reopen.h"

static char dir[] = "/tmp/xenpv-reopen-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int make(const char *name, const char *text, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	fd = open(name, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void holds(int fd, const char *text)
{
	char buf[32] = {0};

	assert_int_equal(pread(fd, buf, sizeof(buf) - 1, 0), strlen(text));
	assert_string_equal(buf, text);
}

static int opens(const struct reopen *r)
{
	int fd = reopen_open(r);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

/* Not by its name, under which there is another file by now. */
static void the_same_file(void **state)
{
	struct reopen r = {0};
	int fd = make("disk", "mine", O_RDWR), again, third;

	(void)state;
	assert_int_equal(reopen_keep(&r, fd, false), 0);
	assert_int_equal(rename("disk", "old"), 0);
	close(make("disk", "another", O_RDWR));
	again = opens(&r);
	holds(again, "mine");
	/* and written by it */
	assert_int_equal(pwrite(again, "ours", 4, 0), 4);
	holds(fd, "ours");
	/* also when it has no name any more, nor anybody who has it open */
	assert_int_equal(unlink("old"), 0);
	close(fd);
	close(again);
	third = opens(&r);
	holds(third, "ours");
	close(third);
	reopen_drop(&r);
	assert_int_equal(unlink("disk"), 0);
}

/* An open file of its own: what a dead worker's holds is not held by it. */
static void an_open_file_of_its_own(void **state)
{
	struct reopen r = {0};
	int fd = make("disk", "x", O_RDWR), again;

	(void)state;
	assert_int_equal(reopen_keep(&r, fd, false), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	again = opens(&r);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(lseek(again, 1, SEEK_SET), 1);
	fd = opens(&r);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	close(again);
	reopen_drop(&r);
	assert_int_equal(unlink("disk"), 0);
}

/* Read-only, and past the page cache, as it was. */
static void the_same_flags(void **state)
{
	struct reopen r = {0};
	int fd = make("disk", "x", O_RDONLY), again;

	(void)state;
	assert_int_equal(reopen_keep(&r, fd, true), 0);
	close(fd);
	again = opens(&r);
	assert_int_equal(fcntl(again, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(write(again, "y", 1), -1);
	close(again);
	reopen_drop(&r);
	assert_int_equal(unlink("disk"), 0);
}

/* What only names a node, as that of an sg device, stays what only names it. */
static void names_are_copied(void **state)
{
	struct reopen r = {0};
	struct stat a, b;
	int fd = open("/dev/null", O_PATH | O_CLOEXEC), again;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(reopen_keep(&r, fd, true), 0);
	assert_int_equal(fstat(fd, &a), 0);
	close(fd);
	again = opens(&r);
	assert_int_equal(fstat(again, &b), 0);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_true(fcntl(again, F_GETFL) & O_PATH);
	assert_int_equal(write(again, "y", 1), -1);
	close(again);
	reopen_drop(&r);
}

/* A device that came back is another file: the old one is dropped for it, and
 * kept when the new one is none. */
static void another_in_its_place(void **state)
{
	struct reopen r = {0};
	int fd = make("one", "one", O_RDWR), two = make("two", "2", O_RDWR);
	int again, lowest;

	(void)state;
	assert_int_equal(reopen_open(&r), -EBADF);
	assert_int_equal(reopen_keep(&r, fd, false), 0);
	assert_int_equal(reopen_keep(&r, -1, false), -EBADF);
	again = opens(&r);
	holds(again, "one");
	close(again);
	lowest = dup(fd);
	close(lowest);
	for (int i = 0; i < 10; i++)
		assert_int_equal(reopen_keep(&r, i % 2 ? fd : two, false), 0);
	assert_int_equal(reopen_keep(&r, two, false), 0);
	again = opens(&r);
	holds(again, "2");
	/* Nothing has been left open on the way: the one that is kept may have
	 * another number. */
	assert_true(again <= lowest + 1);
	close(again);
	reopen_drop(&r);
	assert_int_equal(reopen_open(&r), -EBADF);
	reopen_drop(&r);
	close(fd);
	close(two);
	assert_int_equal(unlink("one") | unlink("two"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file),
		cmocka_unit_test(an_open_file_of_its_own),
		cmocka_unit_test(the_same_flags),
		cmocka_unit_test(names_are_copied),
		cmocka_unit_test(another_in_its_place),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
