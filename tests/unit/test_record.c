/* SPDX-License-Identifier: BSD-2-Clause */
/* control/record: lists in files that live as long as a process holds them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/record.h"

#define UUID "6f3a1c52-1d0b-4f6a-9f0e-2b7c9d0e4a11"

static char dir[] = "/tmp/xenpv-record-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir); /* nothing is left in it */
}

/* What there is to read: its text, or "" and RC. */
static void reads(const char *want, int want_rc, bool want_busy)
{
	char *text = NULL;
	bool busy = false;
	int rc = record_read(dir, UUID, &text, &busy);

	assert_int_equal(rc, want_rc);
	if (!rc) {
		assert_string_equal(text, want);
		assert_int_equal(busy, want_busy);
		free(text);
	}
}

/* A process that has inherited what we hold, as xl does; kill it. */
static pid_t heir(void)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		/* As if it had called exec: what closes then is closed. */
		for (int fd = 3; fd < 64; fd++) {
			int flags = fcntl(fd, F_GETFD);

			if (flags >= 0 && (flags & FD_CLOEXEC))
				close(fd);
		}
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nobody_holds_it(void **state)
{
	struct record rec;

	(void)state;
	reads("", -ENOENT, false);
	assert_int_equal(record_write(&rec, dir, UUID, "a list"), -ENOENT);
	assert_int_equal(record_make(&rec, dir, UUID, "a list"), 0);
	reads("a list", 0, true);
	assert_int_equal(record_sweep(dir), 1);
	record_close(&rec, false);
	reads("", -ENOENT, false);
	assert_int_equal(record_sweep(dir), 0);
}

static void an_heir_keeps_it(void **state)
{
	struct record rec;
	pid_t pid;

	(void)state;
	assert_int_equal(record_make(&rec, dir, UUID, "a list"), 0);
	pid = heir();
	record_close(&rec, false);
	reads("a list", 0, false);
	assert_int_equal(record_sweep(dir), 1);
	assert_int_equal(record_write(&rec, dir, UUID, "b"), 0);
	reads("b", 0, true);
	record_close(&rec, false);
	reads("b", 0, false);
	end(pid);
	assert_int_equal(record_sweep(dir), 0);
	reads("", -ENOENT, false);
}

static void failed_is_gone(void **state)
{
	struct record rec;
	pid_t pid;

	(void)state;
	assert_int_equal(record_make(&rec, dir, UUID, "a list"), 0);
	pid = heir();
	record_close(&rec, true);
	reads("", -ENOENT, false);
	end(pid);
	assert_int_equal(record_sweep(dir), 0);
}

/* Within one host a guest arrives before it has left. */
static void a_new_one_takes_its_place(void **state)
{
	struct record old, new;
	pid_t first, second;

	(void)state;
	assert_int_equal(record_make(&old, dir, UUID, "old"), 0);
	first = heir();
	record_close(&old, false);
	assert_int_equal(record_make(&new, dir, UUID, RECORD_INCOMING), 0);
	second = heir();
	record_close(&new, false);
	reads(RECORD_INCOMING, 0, true);
	end(first);
	assert_int_equal(record_sweep(dir), 1);
	assert_int_equal(record_write(&new, dir, UUID, "new"), 0);
	reads("new", 0, true);
	record_close(&new, false);
	reads("new", 0, false);
	end(second);
	assert_int_equal(record_sweep(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_holds_it),
		cmocka_unit_test(an_heir_keeps_it),
		cmocka_unit_test(failed_is_gone),
		cmocka_unit_test(a_new_one_takes_its_place),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
