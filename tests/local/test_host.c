/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a local host, host/local.c and host/local_front.c, with a real
 * xenpv-local between them (XENPV_LOCAL is its path).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/local_start.h"
#include "host/front.h"
#include "host/host.h"
#include "host/local_abi.h"

#define PAGE WIRE_PAGE_SIZE

static char dir[] = "/tmp/xenpv-test-local-XXXXXX";

/* ------------------------------------------------------------------- world */

/* A frontend with a ring page, some data pages and a port. */
struct world {
	struct front *f;
	uint32_t domid, ring_gref, port;
	uint8_t *va; /* eight pages; the first is the ring */
	uint64_t frame;
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *why;

	assert_int_equal(front_local.open(&w->f, dir, "guest", &why), 0);
	w->domid = front_local.domid(w->f);
	assert_int_equal(front_local.alloc(w->f, 0, 8, &w->va, &w->frame), 0);
	assert_int_equal(
		front_local.grant(w->f, w->frame, false, &w->ring_gref), 0);
	assert_int_equal(front_local.channel(w->f, 0, &w->port), 0);
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	front_local.close(w->f);
	free(w);
	return 0;
}

/* Open a ring of one page. */
static int open_link(struct host_link **l, uint32_t domid, uint32_t gref,
		     uint32_t port, void **shared)
{
	const struct host_ring ring = {
		.domid = domid, .port = port, .pages = 1, .gref = {gref}};
	const char *why = NULL;
	int rc = host_local.open(l, dir, &ring, shared, &why);

	if (rc < 0)
		assert_non_null(why);
	return rc;
}

static struct host_link *attach(struct world *w)
{
	struct host_link *l;
	void *ring;

	assert_int_equal(open_link(&l, w->domid, w->ring_gref, w->port, &ring),
			 0);
	return l;
}

/* What opening says of this reference and port. */
static int try_open(const struct world *w, uint32_t gref, uint32_t port)
{
	struct host_link *l;
	void *ring;
	int rc = open_link(&l, w->domid, gref, port, &ring);

	if (rc == 0)
		host_local.close(l);
	return rc;
}

static bool copy(struct host_link *l, uint32_t gref, unsigned offset,
		 unsigned len, void *local, bool to_guest)
{
	struct host_copy c = {gref, (uint16_t)offset, (uint16_t)len, local,
			      false};

	host_local.copy(l, &c, 1, to_guest);
	return c.ok;
}

static uint32_t grant(struct world *w, unsigned page, bool readonly)
{
	uint32_t gref;

	assert_int_equal(
		front_local.grant(w->f, w->frame + page, readonly, &gref), 0);
	return gref;
}

/* All of the guest's memory. */
static struct local_memory *memory_of(const struct world *w)
{
	return (struct local_memory *)(void *)(w->va - w->frame * PAGE);
}

/* Does a condition become true within five seconds? */
static bool soon(bool (*is)(void *ctx), void *ctx)
{
	const struct timespec nap = {.tv_nsec = 2000000};
	int i;

	for (i = 0; i < 2500; i++) {
		if (is(ctx))
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

/* -------------------------------------------------------------------- grants */

static void test_copy(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint32_t rw = grant(w, 1, false), ro = grant(w, 2, true);
	char buf[PAGE];

	memcpy(w->va + PAGE + 100, "from guest", 10);
	assert_true(copy(l, rw, 100, 10, buf, false));
	assert_memory_equal(buf, "from guest", 10);
	assert_true(copy(l, rw, PAGE - 4, 4, (char[]){"last"}, true));
	assert_memory_equal(w->va + 2 * PAGE - 4, "last", 4);
	assert_true(copy(l, ro, 0, PAGE, buf, false));
	assert_false(copy(l, ro, 0, 1, buf, true));
	assert_true(copy(l, rw, 0, 0, buf, true));
	host_local.close(l);
}

static void test_copy_outside(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint32_t rw = grant(w, 1, false);
	const uint64_t looks_good = local_grant_word(
		(struct local_grant){LOCAL_GRANT_ACCESS, 0, LOCAL_FRAME_FIRST});
	char buf[PAGE] = "";

	/* what is behind the table, as an entry */
	assert_int_equal(w->frame, LOCAL_FRAME_FIRST);
	memcpy(w->va, &looks_good, sizeof(looks_good));
	assert_false(copy(l, rw, 1, PAGE, buf, true));
	assert_false(copy(l, rw, PAGE, 1, buf, true));
	assert_false(copy(l, rw, 65535, 1, buf, false));
	assert_false(copy(l, rw, 0, 65535, buf, false));
	assert_false(copy(l, rw + 1, 0, 1, buf, false)); /* not granted */
	assert_false(copy(l, 0, 0, 1, buf, false));
	assert_false(copy(l, LOCAL_GRANTS, 0, 1, buf, false));
	assert_false(copy(l, UINT32_MAX, 0, 1, buf, false));
	host_local.close(l);
}

static void test_copy_neighbours(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	char buf[4] = "abcd";
	struct host_copy c[3] = {
		{grant(w, 1, false), 0, 1, &buf[0], false},
		{12345, 0, 1, &buf[1], true},
		{grant(w, 2, false), 0, 1, &buf[2], false},
	};

	host_local.copy(l, c, 3, true);
	assert_true(c[0].ok);
	assert_false(c[1].ok);
	assert_true(c[2].ok);
	assert_int_equal(w->va[PAGE], 'a');
	assert_int_equal(w->va[2 * PAGE], 'c');
	host_local.close(l);
}

static void test_other_domain(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint8_t *va;
	uint64_t frame;
	uint32_t gref;
	char buf[4] = "";

	/* Granted to domain 7; we act as domain 0. */
	assert_int_equal(front_local.alloc(w->f, 7, 1, &va, &frame), 0);
	assert_int_equal(front_local.grant(w->f, frame, false, &gref), 0);
	assert_false(copy(l, gref, 0, 1, buf, false));
	assert_false(copy(l, gref, 0, 1, buf, true));
	assert_int_equal(try_open(w, gref, w->port), -EINVAL);
	host_local.close(l);
}

static void test_revoke(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint32_t rw = grant(w, 1, false);
	char buf[4] = "";

	assert_true(copy(l, rw, 0, 1, buf, false));
	assert_true(front_local.revoke(w->f, rw));
	assert_false(copy(l, rw, 0, 1, buf, false));
	/* The ring is mapped. */
	assert_false(front_local.revoke(w->f, w->ring_gref));
	host_local.close(l);
}

/* Is the ring's page not mapped any more? Takes it back then. */
static bool unmapped(void *ctx)
{
	struct world *w = ctx;

	return front_local.revoke(w->f, w->ring_gref);
}

/* A ring of several pages: they are one after the other, in the order of their
 * references, and all of them are held until it is closed. */
static void test_ring_of_pages(void **state)
{
	static const unsigned order[] = {5, 2, 0, 7, 3};
	struct world *w = *state;
	struct host_ring ring = {
		.domid = w->domid, .port = w->port, .pages = 5};
	struct host_link *l;
	const char *why = NULL;
	uint8_t *at;
	void *shared;
	uint32_t i;

	for (i = 0; i < 5; i++) {
		w->va[order[i] * PAGE] = (uint8_t)('a' + i);
		ring.gref[i] = grant(w, order[i], false);
	}
	assert_int_equal(host_local.open(&l, dir, &ring, &shared, &why), 0);
	at = shared;
	for (i = 0; i < 5; i++) {
		assert_int_equal(at[i * PAGE], 'a' + i);
		at[(i + 1) * PAGE - 1] = (uint8_t)i;
		assert_int_equal(w->va[(order[i] + 1) * PAGE - 1], i);
		assert_false(front_local.revoke(w->f, ring.gref[i]));
	}
	host_local.close(l);
	w->ring_gref = ring.gref[4];
	assert_true(soon(unmapped, w));

	/* one that is not granted: all are given back */
	ring.gref[3] = 12345;
	assert_int_equal(host_local.open(&l, dir, &ring, &shared, &why),
			 -EINVAL);
	assert_non_null(why);
	w->ring_gref = ring.gref[0];
	assert_true(soon(unmapped, w));
	ring.pages = HOST_RING_MAX + 1;
	assert_int_equal(host_local.open(&l, dir, &ring, &shared, &why),
			 -EINVAL);
	ring.pages = 0;
	assert_int_equal(host_local.open(&l, dir, &ring, &shared, &why),
			 -EINVAL);
}

/* Pages that are given back come again, empty; not those still mapped. */
static void test_release(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint32_t rw = grant(w, 1, false), gref;
	uint8_t *va, *again;
	uint64_t frame, second;
	char buf[4] = "";

	assert_int_equal(front_local.alloc(w->f, 0, 3, &va, &frame), 0);
	assert_int_equal(front_local.grant(w->f, frame + 2, false, &gref), 0);
	va[2 * PAGE] = 'x';
	assert_true(copy(l, gref, 0, 1, buf, false));
	front_local.release(w->f, frame);
	assert_false(copy(l, gref, 0, 1, buf, false));
	assert_int_equal(front_local.alloc(w->f, 0, 2, &again, &second), 0);
	assert_true(second >= frame + 3);
	assert_int_equal(front_local.alloc(w->f, 0, 3, &again, &second), 0);
	assert_int_equal(second, frame);
	assert_int_equal(va[2 * PAGE], 0);
	/* the ring is mapped: it is no grant any more, and stays ours */
	front_local.release(w->f, w->frame);
	assert_false(copy(l, rw, 0, 1, buf, false));
	assert_int_equal(front_local.alloc(w->f, 0, 8, &again, &second), 0);
	assert_true(second != w->frame);
	host_local.close(l);
}

static void test_close_releases(void **state)
{
	struct world *w = *state;

	host_local.close(attach(w));
	assert_true(soon(unmapped, w));
}

/* What is in the grant table may be anything. */
static void test_scribbled_table(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	struct local_memory *m = memory_of(w);
	const struct local_grant bad[] = {
		{LOCAL_GRANT_ACCESS, 0, 0},
		{LOCAL_GRANT_ACCESS, 0, LOCAL_FRAME_FIRST - 1},
		{LOCAL_GRANT_ACCESS, 0, LOCAL_PAGES},
		{LOCAL_GRANT_ACCESS, 0, UINT32_MAX},
		{0, 0, LOCAL_FRAME_FIRST},
		{2, 0, LOCAL_FRAME_FIRST},
		{3, 0, LOCAL_FRAME_FIRST},
		{LOCAL_GRANT_ACCESS, 1, LOCAL_FRAME_FIRST},
	};
	char buf[4] = "";
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m->grant[100] = local_grant_word(bad[i]);
		assert_false(copy(l, 100, 0, 1, buf, false));
		assert_int_equal(try_open(w, 100, w->port), -EINVAL);
	}
	m->grant[100] = local_grant_word(
		(struct local_grant){LOCAL_GRANT_ACCESS, 0, LOCAL_PAGES - 1});
	assert_true(copy(l, 100, 0, 1, buf, false));
	memset(m, 0xff, sizeof(*m));
	assert_false(copy(l, 100, 0, 1, buf, false));
	host_local.close(l);
}

static void test_memory_is_sealed(void **state)
{
	struct world *w = *state;
	struct local_msg msg = {
		.type = LOCAL_MAP, .domid = w->domid, .gref = w->ring_gref};
	const char *why;
	int fd = local_connect(dir, &why), memory;

	assert_true(fd >= 0);
	assert_int_equal(local_call(fd, &msg, &memory, 1), 0);
	assert_int_equal(ftruncate(memory, 4096), -1);
	assert_int_equal(ftruncate(memory, (off_t)LOCAL_PAGES * PAGE * 2), -1);
	assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(memory);
	close(fd);
}

/* A readonly map does not give a page that may be written, and two maps need
 * two releases. */
static void test_maps(void **state)
{
	struct world *w = *state;
	uint32_t ro = grant(w, 1, true);
	struct local_msg m = {.type = LOCAL_MAP, .domid = w->domid, .gref = ro};
	const char *why;
	int fd = local_connect(dir, &why), memory;

	assert_int_equal(local_call(fd, &m, &memory, 1), -EACCES);
	for (int i = 0; i < 2; i++) {
		m = (struct local_msg){.type = LOCAL_MAP,
				       .domid = w->domid,
				       .gref = ro,
				       .readonly = 1};
		assert_int_equal(local_call(fd, &m, &memory, 1), 0);
		assert_int_equal(m.frame, w->frame + 1);
		close(memory);
	}
	for (int i = 0; i < 2; i++) {
		assert_false(front_local.revoke(w->f, ro));
		m = (struct local_msg){
			.type = LOCAL_UNMAP, .domid = w->domid, .gref = ro};
		assert_int_equal(local_call(fd, &m, NULL, 0), 0);
	}
	m = (struct local_msg){
		.type = LOCAL_UNMAP, .domid = w->domid, .gref = ro};
	assert_int_equal(local_call(fd, &m, NULL, 0), -EINVAL);
	assert_true(front_local.revoke(w->f, ro));
	close(fd);
}

/* ------------------------------------------------------------------- deaths */

/*
 * Run WHAT with a link in another process, which is killed then. It runs until
 * it has written to the pipe.
 */
static void in_killed_process(struct world *w,
			      void (*what)(struct host_link *l))
{
	int pipefd[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		struct host_link *l;
		void *ring;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (open_link(&l, w->domid, w->ring_gref, w->port, &ring) < 0)
			_exit(1);
		what(l);
		if (write(pipefd[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void nothing(struct host_link *l)
{
	(void)l;
}

static void test_killed_mapper(void **state)
{
	struct world *w = *state;

	in_killed_process(w, nothing);
	assert_true(soon(unmapped, w));
}

static bool can_attach(void *ctx)
{
	struct world *w = ctx;

	return try_open(w, w->ring_gref, w->port) == 0;
}

static int copying[2]; /* pipe: the copy has begun */

static void in_copy(int signal_number)
{
	(void)signal_number;
	if (write(copying[1], "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Copy from memory that cannot be read; in_copy() is called out of it. */
static void copy_and_fault(const struct world *w, uint32_t gref)
{
	void *trap =
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct host_link *l;
	void *ring;

	if (open_link(&l, w->domid, w->ring_gref, w->port, &ring) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGSEGV, in_copy);
	copy(l, gref, 0, PAGE, trap, true);
	_exit(0);
}

struct revoking {
	struct world *w;
	uint32_t gref;
};

static bool revoked(void *ctx)
{
	struct revoking *r = ctx;

	return front_local.revoke(r->w->f, r->gref);
}

/* A backend is killed in the middle of a copy: until then the page cannot be
 * taken back, others can. */
static void test_killed_in_copy(void **state)
{
	struct world *w = *state;
	struct revoking r = {w, grant(w, 1, false)};
	uint32_t other = grant(w, 2, false), again;
	struct host_link *l;
	int status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(copying), 0);
	pid = fork();
	if (pid == 0)
		copy_and_fault(w, r.gref);
	close(copying[1]);
	assert_int_equal(read(copying[0], &byte, 1), 1);
	assert_true(front_local.revoke(w->f, other));
	assert_false(front_local.revoke(w->f, r.gref));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(soon(revoked, &r));
	assert_true(soon(can_attach, w));
	/* nothing of it is left for who comes after it */
	l = attach(w);
	again = grant(w, 1, false);
	assert_int_equal(again, r.gref);
	assert_true(front_local.revoke(w->f, again));
	host_local.close(l);
	close(copying[0]);
}

/* ----------------------------------------------------------- event channels */

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

struct listener {
	struct uring uring;
	unsigned events;
};

static void on_event(void *ctx)
{
	((struct listener *)ctx)->events++;
}

/* How many events come within some milliseconds. */
static unsigned events(struct listener *u)
{
	struct timespec nap = {.tv_nsec = 1000000};

	u->events = 0;
	for (int i = 0; i < 20; i++) {
		uring_submit(&u->uring, false);
		(void)io_uring_get_events(&u->uring.ring);
		uring_reap(&u->uring);
		nanosleep(&nap, NULL);
	}
	return u->events;
}

static void test_events(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	struct listener u = {.events = 0};
	uint32_t port = 0;

	/* to the guest: several are one */
	assert_false(front_local.event(w->f, &port));
	host_local.notify(l);
	host_local.notify(l);
	assert_true(readable(front_local.event_fd(w->f), 1000));
	assert_true(front_local.event(w->f, &port));
	assert_int_equal(port, w->port);
	assert_false(front_local.event(w->f, &port));
	assert_false(readable(front_local.event_fd(w->f), 0));
	host_local.notify(l);
	assert_true(readable(front_local.event_fd(w->f), 1000));
	assert_true(front_local.event(w->f, &port));

	/* from the guest: one is there at once, since some may be lost */
	assert_int_equal(uring_init(&u.uring, 8), 0);
	host_local.listen(l, &u.uring, on_event, &u);
	assert_int_equal(events(&u), 1);
	host_local.rearm(l, &u.uring);
	assert_int_equal(events(&u), 0);
	front_local.notify(w->f, w->port);
	assert_int_equal(events(&u), 1);
	host_local.rearm(l, &u.uring);
	front_local.notify(w->f, w->port);
	front_local.notify(w->f, w->port);
	front_local.notify(w->f, w->port);
	assert_in_range(events(&u), 1, 3);
	host_local.close(l);
	uring_fini(&u.uring);
}

/* The guest sends events to a link that was closed: it is not heard of. */
static void test_events_after_close(void **state)
{
	struct world *w = *state;
	struct listener u = {.events = 0};
	struct host_link *l = attach(w);

	assert_int_equal(uring_init(&u.uring, 8), 0);
	host_local.listen(l, &u.uring, on_event, &u);
	assert_int_equal(events(&u), 1);
	front_local.notify(w->f, w->port);
	host_local.close(l);
	front_local.notify(w->f, w->port);
	assert_int_equal(events(&u), 0);
	front_local.notify(w->f, w->port);
	assert_int_equal(events(&u), 0);
	/* closed before its first event was heard of */
	assert_true(soon(can_attach, w));
	l = attach(w);
	host_local.listen(l, &u.uring, on_event, &u);
	host_local.close(l);
	assert_int_equal(events(&u), 0);
	/* and at once before the end */
	assert_true(soon(can_attach, w));
	l = attach(w);
	host_local.listen(l, &u.uring, on_event, &u);
	host_local.close(l);
	uring_fini(&u.uring);
}

static void test_bind(void **state)
{
	struct world *w = *state;
	struct host_link *l = attach(w);
	uint32_t port;

	assert_int_equal(try_open(w, w->ring_gref, w->port), -EINVAL);
	host_local.close(l);
	assert_true(soon(can_attach, w));
	assert_int_equal(try_open(w, w->ring_gref, 0), -EINVAL);
	assert_int_equal(try_open(w, w->ring_gref, w->port + 1), -EINVAL);
	assert_int_equal(try_open(w, w->ring_gref, LOCAL_PORTS), -EINVAL);
	assert_int_equal(try_open(w, w->ring_gref, UINT32_MAX), -EINVAL);
	/* another domain's */
	assert_int_equal(front_local.channel(w->f, 3, &port), 0);
	assert_int_equal(try_open(w, w->ring_gref, port), -EINVAL);
	front_local.channel_close(w->f, w->port);
	assert_int_equal(try_open(w, w->ring_gref, w->port), -EINVAL);
	assert_int_equal(front_local.channel(w->f, 0, &w->port), 0);
	assert_true(soon(can_attach, w));
}

/* The binder was killed; another process binds to the same port, and has an
 * event although the guest has sent none since. */
static void test_rebind(void **state)
{
	struct world *w = *state;
	struct listener u = {.events = 0};
	struct host_link *l;
	uint32_t port;

	in_killed_process(w, nothing);
	assert_true(soon(can_attach, w));
	l = attach(w);
	assert_int_equal(uring_init(&u.uring, 8), 0);
	host_local.listen(l, &u.uring, on_event, &u);
	assert_int_equal(events(&u), 1);
	/* and both directions work again */
	front_local.notify(w->f, w->port);
	assert_int_equal(events(&u), 1);
	host_local.notify(l);
	assert_true(front_local.event(w->f, &port));
	host_local.close(l);
	uring_fini(&u.uring);
}

/* -------------------------------------------------------------------- domains */

static void test_names(void **state)
{
	static const char *const bad[] = {"", "12", "a/b", "a b", "Domain-0"};
	struct front *f;
	const char *why;
	char name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(front_local.open(&f, dir, bad[i], &why),
				 -EINVAL);
	assert_int_equal(front_local.open(&f, dir, "guest", &why), -EEXIST);
	assert_string_equal(why, "a domain of this name is there already");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(front_local.open(&f, dir, name, &why), -EINVAL);
	name[LOCAL_NAME_MAX - 1] = '\0';
	assert_int_equal(front_local.open(&f, dir, name, &why), 0);
	front_local.close(f);
	assert_int_equal(front_local.open(&f, "/nowhere", "x", &why), -ENOENT);
	assert_int_equal(front_local.open(&f, NULL, "x", &why), -EINVAL);
}

/* The memory stays for those who have it mapped. */
static void test_guest_dies(void **state)
{
	struct front *f;
	struct host_link *l;
	uint8_t *va;
	uint64_t frame;
	uint32_t gref, port, domid;
	const char *why;
	void *ring;
	char buf[4];

	(void)state;
	assert_int_equal(front_local.open(&f, dir, "other", &why), 0);
	domid = front_local.domid(f);
	assert_int_equal(front_local.alloc(f, 0, 1, &va, &frame), 0);
	memcpy(va, "data", 4);
	assert_int_equal(front_local.grant(f, frame, false, &gref), 0);
	assert_int_equal(front_local.channel(f, 0, &port), 0);
	assert_int_equal(open_link(&l, domid, gref, port, &ring), 0);
	front_local.close(f);
	assert_memory_equal(ring, "data", 4);
	assert_true(copy(l, gref, 0, 4, buf, false));
	host_local.notify(l);
	host_local.close(l);
	/* Its number is not used again at once. */
	assert_int_equal(open_link(&l, domid, gref, port, &ring), -ESRCH);
}

static void test_limits(void **state)
{
	struct world *w = *state;
	uint32_t port, n = 0, gref;
	uint8_t *va;
	uint64_t frame;
	int rc;

	while ((rc = front_local.channel(w->f, 0, &port)) == 0)
		n++;
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(n, LOCAL_PORTS - 2);
	assert_int_equal(front_local.alloc(w->f, 0, LOCAL_PAGES, &va, &frame),
			 -ENOMEM);
	for (n = 0; front_local.grant(w->f, w->frame, false, &gref) == 0; n++)
		;
	assert_int_equal(n, LOCAL_GRANTS - LOCAL_GREF_FIRST - 1);
	assert_true(front_local.revoke(w->f, gref));
	assert_int_equal(front_local.grant(w->f, w->frame, false, &gref), 0);
}

/* Messages that are none end the connection, and nothing else. */
static void test_nonsense(void **state)
{
	struct world *w = *state;
	struct local_msg m = {.type = 99};
	const char *why;
	char byte;
	int fd = local_connect(dir, &why);

	assert_int_equal(local_call(fd, &m, NULL, 0), -EINVAL);
	for (uint32_t type = LOCAL_STORE; type <= LOCAL_BIND; type++) {
		m = (struct local_msg){.type = type, .domid = 12345};
		assert_true(local_call(fd, &m, NULL, 0) < 0);
	}
	close(fd);
	fd = local_connect(dir, &why);
	assert_int_equal(write(fd, "?", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	assert_true(can_attach(w));
}

static int start(void **state)
{
	char err[256];
	int rc;

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* see host_ops.notify */
	if (!mkdtemp(dir))
		return -1;
	rc = local_start(getenv("XENPV_LOCAL"), dir, err, sizeof(err));
	if (rc < 0)
		fprintf(stderr, "%s\n", err);
	/* and again, which changes nothing */
	return rc < 0 ? rc
		      : local_start(getenv("XENPV_LOCAL"), dir, err,
				    sizeof(err));
}

static bool is_gone(void *ctx)
{
	return access(ctx, F_OK) < 0;
}

static int stop(void **state)
{
	char path[64], text[16] = "";
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	unlink(path);
	assert_int_equal(kill(atoi(text), SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/host", dir);
	assert_true(soon(is_gone, path));
	snprintf(path, sizeof(path), "%s/xenstore", dir);
	assert_true(soon(is_gone, path));
	return rmdir(dir);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_copy),
		WORLD(test_copy_outside),
		WORLD(test_copy_neighbours),
		WORLD(test_other_domain),
		WORLD(test_revoke),
		WORLD(test_ring_of_pages),
		WORLD(test_release),
		WORLD(test_close_releases),
		WORLD(test_scribbled_table),
		WORLD(test_memory_is_sealed),
		WORLD(test_maps),
		WORLD(test_killed_mapper),
		WORLD(test_killed_in_copy),
		WORLD(test_events),
		WORLD(test_events_after_close),
		WORLD(test_bind),
		WORLD(test_rebind),
		WORLD(test_names),
		WORLD(test_guest_dies),
		WORLD(test_limits),
		WORLD(test_nonsense),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
