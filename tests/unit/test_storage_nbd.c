/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storage/nbd against a server that the test itself is, at the other end of a
 * socket pair: what it is sent, byte by byte, and what happens when it says
 * what it should not. Real servers are in tests/local/nbd-disk.sh.
 */
#include "test_storage.h"

#include <endian.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define FLUSH 0x4u
#define FUA   0x8u
#define ZERO  0x40u

static uint8_t buf[256 * K], back[256 * K];

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));

/* The server's end. */
static int peer;

/* The storage's way to a successor, if it has one. */
static void (*successor)(void);

static struct storage *opened(const char *args)
{
	struct storage_cfg cfg = {.size = M, .args = args, .lost = successor};
	struct storage *s = NULL;
	struct timeval patience = {.tv_sec = 20};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer = fds[0];
	cfg.fd = fds[1];
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(storage_nbd.open(&s, &cfg, &uring), 0);
	return s;
}

/* Let what is queued go; take along what has come. */
static void turn(void)
{
	uring_submit(&uring, false);
	uring_reap(&uring);
}

/* What the driver sends next, whenever that is. */
static void take(void *data, size_t len)
{
	uint64_t end = now_ms() + 20000;
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		turn();
		n = recv(peer, (uint8_t *)data + got, len - got, MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		got += n > 0 ? (size_t)n : 0;
		assert_true(now_ms() < end);
	}
}

/* The next request must be this one; its cookie. */
static uint64_t expect(uint16_t type, uint16_t flags, uint64_t offset,
		       uint32_t len)
{
	struct request r;

	take(&r, sizeof(r));
	assert_int_equal(be32toh(r.magic), 0x25609513);
	assert_int_equal(be16toh(r.type), type);
	assert_int_equal(be16toh(r.flags), flags);
	assert_int_equal(be64toh(r.offset), offset);
	assert_int_equal(be32toh(r.length), len);
	return r.cookie;
}

static void give(const void *data, size_t len)
{
	assert_int_equal(send(peer, data, len, MSG_NOSIGNAL), len);
}

static void reply(uint64_t cookie, uint32_t error)
{
	struct reply r = {htobe32(0x67446698), htobe32(error), cookie};

	give(&r, sizeof(r));
}

static void bye(struct storage *s)
{
	struct request r;

	s->driver->close(s);
	turn();
	assert_int_equal(recv(peer, &r, sizeof(r), MSG_WAITALL), sizeof(r));
	assert_int_equal(be16toh(r.type), 2);
	assert_int_equal(recv(peer, &r, 1, 0), 0);
	close(peer);
}

static struct test_io io_of(enum storage_op what, uint64_t offset, uint64_t len)
{
	return (struct test_io){
		.io = {.what = what, .offset = offset, .len = len, .buf = buf}};
}

static void each_operation(void **state)
{
	struct storage *s = opened("4c 1048576");
	struct test_io t;
	uint64_t c;

	(void)state;
	t = io_of(STORAGE_READ, 4096, 512);
	begin(s, &t);
	c = expect(0, 0, 4096, 512);
	reply(c, 0);
	memset(back, 0x77, 512);
	give(back, 100);
	turn();
	assert_int_equal(t.ended, 0);
	give(back, 412);
	assert_int_equal(finish(&t), 0);
	assert_memory_equal(buf, back, 512);

	t = io_of(STORAGE_WRITE, 8192, 128 * K);
	t.io.fua = true;
	memset(buf, 0x55, 128 * K);
	begin(s, &t);
	c = expect(1, 1, 8192, 128 * K);
	take(back, 128 * K);
	assert_memory_equal(buf, back, 128 * K);
	reply(c, 0);
	assert_int_equal(finish(&t), 0);

	t = io_of(STORAGE_FLUSH, 123, 0);
	begin(s, &t);
	reply(expect(3, 0, 0, 0), 0);
	assert_int_equal(finish(&t), 0);

	t = io_of(STORAGE_DISCARD, 0, M);
	begin(s, &t);
	reply(expect(6, 0, 0, M), 0);
	assert_int_equal(finish(&t), 0);

	t = io_of(STORAGE_ZERO, 4096, 4096);
	t.io.fua = true;
	begin(s, &t);
	reply(expect(6, 3, 4096, 4096), 0);
	assert_int_equal(finish(&t), 0);
	assert_int_equal(run(s, STORAGE_EXTENT, 0, 4096, NULL), XPV_ENOTSUP);
	bye(s);
}

static void what_a_server_lacks(void **state)
{
	struct storage *s = opened("0 65536");
	struct test_io t = io_of(STORAGE_WRITE, 0, 100 * K);
	uint64_t c;

	(void)state;
	assert_int_equal(run(s, STORAGE_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(run(s, STORAGE_ZERO, 0, 4096, NULL), XPV_ENOTSUP);
	assert_int_equal(run(s, STORAGE_DISCARD, 0, 4096, NULL), XPV_ENOTSUP);
	/* In parts, one after the other. */
	begin(s, &t);
	c = expect(1, 0, 0, 64 * K);
	take(back, 64 * K);
	reply(c, 0);
	c = expect(1, 0, 64 * K, 36 * K);
	take(back, 36 * K);
	reply(c, 0);
	assert_int_equal(finish(&t), 0);
	bye(s);
	/* FUA by a flush behind it. */
	s = opened("4 65536");
	t = io_of(STORAGE_WRITE, 0, 512);
	t.io.fua = true;
	begin(s, &t);
	c = expect(1, 0, 0, 512);
	take(back, 512);
	reply(c, 0);
	c = expect(3, 0, 0, 0);
	assert_int_equal(t.ended, 0);
	reply(c, 0);
	assert_int_equal(finish(&t), 0);
	bye(s);
}

static void errors_of_a_server(void **state)
{
	static const struct {
		uint32_t error;
		int result;
	} map[] = {{5, XPV_EIO},     {28, XPV_ENOSPC},	    {1, XPV_EROFS},
		   {22, XPV_EIO},    {95, XPV_ENOTSUP},	    {108, XPV_EIO},
		   {12345, XPV_EIO}, {0x80000000, XPV_EIO}, {4095, XPV_EIO}};
	struct storage *s = opened("4c 1048576");
	struct test_io t;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(map); i++) {
		t = io_of(STORAGE_READ, 0, 4096);
		begin(s, &t);
		reply(expect(0, 0, 0, 4096), map[i].error);
		assert_int_equal(finish(&t), map[i].result);
	}
	bye(s);
}

/* More than there are slots, answered in another order. */
static void many_at_once(void **state)
{
	static struct test_io t[200];
	static uint64_t cookie[200];
	struct storage *s = opened("4c 1048576");
	uint32_t i, at = 0, told = 0;

	(void)state;
	for (i = 0; i < 200; i++) {
		t[i] = io_of(STORAGE_READ, i * 512, 512);
		t[i].io.buf = buf + i * 512;
		begin(s, &t[i]);
	}
	while (told < 200) {
		struct request r;

		turn();
		while (recv(peer, &r, sizeof(r), MSG_DONTWAIT) > 0) {
			assert_int_equal(be64toh(r.offset), at * 512u);
			cookie[at++] = r.cookie;
			turn();
		}
		assert_true(at - told <= 64);
		for (i = at; i-- > told;) {
			memset(back, (int)i, 512);
			reply(cookie[i], 0);
			give(back, 512);
			turn();
		}
		told = at;
	}
	for (i = 0; i < 200; i++) {
		assert_int_equal(finish(&t[i]), 0);
		assert_int_equal(t[i].io.buf[511], (uint8_t)i);
	}
	bye(s);
}

/* All that is under way, and all that comes, fails. */
static void is_lost(struct storage *s, struct test_io *t, struct test_io *u)
{
	assert_int_equal(finish(t), XPV_EIO);
	assert_int_equal(finish(u), XPV_EIO);
	assert_int_equal(run(s, STORAGE_READ, 0, 512, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_FLUSH, 0, 0, NULL), XPV_EIO);
	s->driver->close(s);
	turn();
	close(peer);
}

static void a_server_that_goes(void **state)
{
	static const struct reply bad[] = {
		{0, 0, 0},
		{0x66984467, 0, 0}, /* the magic in the other order */
		{0x98664467, 0, UINT64_MAX},
		{0x98664467, 0, 63ull << 56}, /* a slot that is free */
	};
	struct test_io t, u;
	struct storage *s;
	uint64_t c;

	(void)state;
	for (size_t i = 0; i < 4 + XPV_ARRAY_SIZE(bad); i++) {
		s = opened("4c 1048576");
		t = io_of(STORAGE_READ, 0, 4096);
		u = io_of(STORAGE_WRITE, 0, 4096);
		begin(s, &t);
		begin(s, &u);
		c = expect(0, 0, 0, 4096);
		if (i == 0) { /* without a word */
			shutdown(peer, SHUT_RDWR);
		} else if (i == 1) { /* within a header */
			give("\x67\x44", 2);
			shutdown(peer, SHUT_WR);
		} else if (i == 2) { /* within the data */
			reply(c, 0);
			give(back, 100);
			shutdown(peer, SHUT_WR);
		} else if (i == 3) { /* with requests unread */
			close(peer);
			peer = dup(0);
		} else {
			give(&bad[i - 4], sizeof(bad[0]));
		}
		is_lost(s, &t, &u);
	}
}

/* What does not return, as in a worker. */
#define SUCCEEDED 75
static void make_way(void)
{
	_exit(SUCCEEDED);
}

/* The status of a process that does what FN does. */
static int in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)uring_up(NULL);
		successor = make_way;
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void lost_under_way(void)
{
	struct storage *s = opened("4c 1048576");
	struct test_io t = io_of(STORAGE_WRITE, 0, 4096);

	begin(s, &t);
	(void)expect(1, 0, 0, 4096);
	close(peer);
	(void)finish(&t);
}

/* Nobody wants anything of it. */
static void lost_idle(void)
{
	struct storage *s = opened("4c 1048576");

	close(peer);
	for (int i = 0; i < 100; i++) {
		turn();
		usleep(1000);
	}
	s->driver->close(s);
}

static void lost_before(void)
{
	struct storage *s = opened("4c 1048576");
	struct test_io t = io_of(STORAGE_READ, 0, 4096);

	close(peer);
	for (int i = 0; i < 100; i++) {
		turn();
		usleep(1000);
	}
	begin(s, &t);
	(void)finish(&t);
}

static void a_successor_goes_on(void **state)
{
	(void)state;
	assert_int_equal(in_child(lost_under_way), SUCCEEDED);
	assert_int_equal(in_child(lost_idle), 0);
	assert_int_equal(in_child(lost_before), SUCCEEDED);
}

/* Answers before it has the data: its mistake, not ours. */
static void a_hasty_server(void **state)
{
	struct storage *s = opened("4c 1048576");
	struct test_io t = io_of(STORAGE_WRITE, 0, 256 * K);
	int small = 4096;

	(void)state;
	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	begin(s, &t);
	turn();
	reply(expect(1, 0, 0, 256 * K), 0);
	assert_int_equal(finish(&t), 0);
	s->driver->close(s);
	close(peer);
	while (uring.leaving) {
		uring_submit(&uring, true);
		uring_reap(&uring);
	}
}

static void wrong_arguments(void **state)
{
	static const char *const bad[] = {NULL, "", "4c", "x 4096", "4c 512"};
	struct storage_cfg cfg = {.fd = 0};
	struct storage *s;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		cfg.args = bad[i];
		assert_int_equal(storage_nbd.open(&s, &cfg, &uring), -EINVAL);
	}
	cfg.fd = -1;
	cfg.args = "4c 65536";
	assert_int_equal(storage_nbd.open(&s, &cfg, &uring), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation),
		cmocka_unit_test(what_a_server_lacks),
		cmocka_unit_test(errors_of_a_server),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(a_server_that_goes),
		cmocka_unit_test(a_successor_goes_on),
		cmocka_unit_test(a_hasty_server),
		cmocka_unit_test(wrong_arguments),
	};

	return cmocka_run_group_tests(tests, uring_up, uring_down);
}
