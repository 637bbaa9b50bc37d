/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/link and worker/proto: every request is answered exactly once,
 * whatever the worker does. The worker is the other end of a socket pair,
 * played by the test itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/link.h"

struct world {
	sd_event *event;
	struct link *link;
	int worker;		 /* its end */
	int answers, last, lost; /* lost: error, 0 until then */
	int broken;		 /* controller, -1 until then */
	uint64_t requests;	 /* of the last PROTO_STATS */
	uint32_t hello;		 /* pid in it */
	int items;
};

static void on_broken(void *ctx, enum proto_class class, uint32_t id,
		      const char *text)
{
	assert_int_equal(class, PROTO_CLASS_SCSI);
	assert_string_equal(text, "why");
	((struct world *)ctx)->broken = (int)id;
}

static void on_lost(void *ctx, int err, const char *why)
{
	struct world *w = ctx;

	assert_int_equal(w->lost, 0);
	assert_true(strlen(why) > 0);
	w->lost = err;
}

static void on_hello(void *ctx, const struct proto_hello *hello)
{
	((struct world *)ctx)->hello = hello->pid;
}

static void on_item(void *ctx, const struct proto_msg *msg)
{
	assert_int_equal(msg->controller, 3);
	((struct world *)ctx)->items++;
}

static const struct link_ops ops = {
	.hello = on_hello,
	.item = on_item,
	.broken = on_broken,
	.lost = on_lost,
};

static void on_reply(void *ctx, int rc, const struct proto_msg *reply)
{
	struct world *w = ctx;

	w->answers++;
	w->last = rc;
	if (reply)
		w->requests = reply->u.stats.requests;
}

static int set_up(void **state)
{
	static struct world w;
	int sock[2];

	memset(&w, 0, sizeof(w));
	w.broken = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock))
		return -1;
	w.worker = sock[1];
	*state = &w;
	return sd_event_new(&w.event) < 0 ||
	       link_new(&w.link, w.event, sock[0], &ops, &w);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	link_free(w->link);
	sd_event_unref(w->event);
	if (w->worker >= 0)
		close(w->worker);
	return 0;
}

/* Until nothing is left to do. */
static void turn(struct world *w)
{
	while (sd_event_run(w->event, 0) > 0)
		;
}

static void send_type(struct world *w, uint32_t type, uint32_t cookie, int rc)
{
	struct proto_msg msg = {.type = type, .cookie = cookie, .rc = rc};

	if (type == PROTO_HELLO)
		msg.u.hello = (struct proto_hello){
			.version = PROTO_VERSION, .pid = 77, .serial = cookie};
	if (type == PROTO_REPLY)
		msg.u.stats.requests = 5;
	msg.controller = 3;
	strcpy(msg.text, "why");
	assert_int_equal(proto_send(w->worker, &msg, NULL, 0), 0);
}

static void ask(struct world *w, uint32_t type, const int *fds, int nfds)
{
	struct proto_msg msg = {.type = type};

	assert_int_equal(link_call(w->link, &msg, fds, nfds, on_reply, w), 0);
}

static void descriptors_arrive(void **state)
{
	struct world *w = *state;
	int pipe_fds[2], fds[PROTO_FDS_MAX], nfds;
	struct proto_msg msg;

	assert_int_equal(pipe(pipe_fds), 0);
	ask(w, PROTO_LUN_ADD, (int[]){-1, pipe_fds[1]}, 2);
	turn(w);
	/* Nothing is sent before the hello. */
	fcntl(w->worker, F_SETFL, O_NONBLOCK);
	assert_int_equal(proto_recv(w->worker, &msg, fds, &nfds), -EAGAIN);
	send_type(w, PROTO_HELLO, 0, 0);
	turn(w);
	assert_int_equal(w->hello, 77);
	assert_int_equal(proto_recv(w->worker, &msg, fds, &nfds), 1);
	assert_int_equal(msg.type, PROTO_LUN_ADD);
	assert_int_equal(nfds, 1);
	assert_int_equal(write(fds[0], "x", 1), 1);
	close(fds[0]);
	/* The link has closed its copy: this was the last writer. */
	assert_int_equal(read(pipe_fds[0], fds, 2), 1);
	assert_int_equal(read(pipe_fds[0], fds, 2), 0);
	close(pipe_fds[0]);
	send_type(w, PROTO_REPLY, msg.cookie, -ENOSPC);
	turn(w);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->last, -ENOSPC);
}

static void answers_may_change_places(void **state)
{
	struct world *w = *state;
	struct proto_msg msg[2];
	int fds[PROTO_FDS_MAX], nfds;

	send_type(w, PROTO_HELLO, 0, 0);
	ask(w, PROTO_SCSI_CLOSE, NULL, 0);
	ask(w, PROTO_STATS, NULL, 0);
	turn(w);
	assert_int_equal(proto_recv(w->worker, &msg[0], fds, &nfds), 1);
	assert_int_equal(proto_recv(w->worker, &msg[1], fds, &nfds), 1);
	send_type(w, PROTO_REPLY, msg[1].cookie, 0);
	send_type(w, PROTO_BROKEN, 0, 0);
	turn(w);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->requests, 5);
	assert_int_equal(w->broken, 3);
	send_type(w, PROTO_REPLY, msg[0].cookie, -EIO);
	turn(w);
	assert_int_equal(w->answers, 2);
	assert_int_equal(w->last, -EIO);
	assert_int_equal(w->lost, 0);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000;
}

/* Many requests for one device may take longer than the time that each has. */
static void an_answer_gives_time_to_later_ones(void **state)
{
	struct world *w = *state;
	struct proto_msg msg[4], other = {.type = PROTO_STATS, .controller = 1};
	int fds[PROTO_FDS_MAX], nfds;
	uint64_t before, then;

	send_type(w, PROTO_HELLO, 0, 0);
	assert_int_equal(link_deadline_us(w->link), UINT64_MAX);
	for (int i = 0; i < 3; i++)
		ask(w, PROTO_STATS, NULL, 0);
	turn(w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(proto_recv(w->worker, &msg[i], fds, &nfds), 1);
	before = link_deadline_us(w->link);
	usleep(1000);
	then = now_us() + LINK_TIMEOUT_S * 1000000ull;
	assert_true(before < then);
	/* The first waits for something else than the second did. */
	send_type(w, PROTO_REPLY, msg[1].cookie, 0);
	turn(w);
	assert_int_equal(link_deadline_us(w->link), before);
	/* When it is answered, too, the third has all its time. */
	send_type(w, PROTO_REPLY, msg[0].cookie, 0);
	turn(w);
	assert_true(link_deadline_us(w->link) >= then);
	assert_int_equal(w->answers, 2);
	/* Another device is nothing to it. */
	before = link_deadline_us(w->link);
	assert_int_equal(link_call(w->link, &other, NULL, 0, on_reply, w), 0);
	turn(w);
	assert_int_equal(proto_recv(w->worker, &msg[3], fds, &nfds), 1);
	usleep(1000);
	send_type(w, PROTO_REPLY, msg[2].cookie, 0);
	turn(w);
	then = now_us() + LINK_TIMEOUT_S * 1000000ull;
	assert_true(link_deadline_us(w->link) > before);
	assert_true(link_deadline_us(w->link) <= then - 1000);
	send_type(w, PROTO_REPLY, msg[3].cookie, 0);
	turn(w);
	assert_int_equal(link_deadline_us(w->link), UINT64_MAX);
}

static void a_lost_worker_answers_all(void **state)
{
	struct world *w = *state;
	struct proto_msg msg = {.type = PROTO_STATS};

	for (int i = 0; i < 1000; i++)
		ask(w, PROTO_STATS, NULL, 0); /* more than a socket takes */
	send_type(w, PROTO_HELLO, 0, 0);
	turn(w);
	assert_int_equal(w->answers, 0);
	close(w->worker);
	w->worker = -1;
	turn(w);
	assert_int_equal(w->answers, 1000);
	assert_int_equal(w->last, -ECONNRESET);
	assert_int_equal(w->lost, -ECONNRESET);
	assert_int_equal(link_call(w->link, &msg, NULL, 0, on_reply, w),
			 -ECONNRESET);
}

/* A worker that has served an earlier xenpvd may still answer that. */
static void answers_to_another_are_left_alone(void **state)
{
	struct world *w = *state;
	struct proto_msg msg;
	int fds[PROTO_FDS_MAX], nfds;

	send_type(w, PROTO_HELLO, 2, 0);
	ask(w, PROTO_LIST, NULL, 0);
	turn(w);
	assert_int_equal(proto_recv(w->worker, &msg, fds, &nfds), 1);
	assert_int_equal(msg.cookie, PROTO_SERIAL(2u) + 1);
	send_type(w, PROTO_REPLY, PROTO_SERIAL(1u) + 1, 0);
	send_type(w, PROTO_ITEM, msg.cookie, 0);
	turn(w);
	assert_int_equal(w->answers, 0);
	assert_int_equal(w->items, 1);
	send_type(w, PROTO_REPLY, msg.cookie, 0);
	turn(w);
	assert_int_equal(w->answers, 1);
	send_type(w, PROTO_REPLY, msg.cookie, 0);
	turn(w);
	assert_int_equal(w->lost, -EPROTO);
}

static void nonsense_loses_the_link(void **state)
{
	struct world *w = *state;

	send_type(w, PROTO_HELLO, 0, 0);
	turn(w);
	ask(w, PROTO_STATS, NULL, 0);
	assert_int_equal(send(w->worker, "nonsense", 8, 0), 8);
	turn(w);
	assert_int_equal(w->lost, -EPROTO);
	assert_int_equal(w->answers, 1);
}

static void another_version_is_refused(void **state)
{
	struct world *w = *state;
	struct proto_msg msg = {.type = PROTO_HELLO,
				.u.hello.version = PROTO_VERSION + 1};

	assert_int_equal(proto_send(w->worker, &msg, NULL, 0), 0);
	turn(w);
	assert_int_equal(w->lost, -ESTALE);
}

/* Its messages may be of another length. */
static void another_version_is_refused_whatever_it_says(void **state)
{
	struct world *w = *state;

	assert_int_equal(send(w->worker, "version", 8, 0), 8);
	turn(w);
	assert_int_equal(w->lost, -ESTALE);
}

static void a_reply_that_nobody_asked_for(void **state)
{
	struct world *w = *state;

	send_type(w, PROTO_HELLO, 0, 0);
	send_type(w, PROTO_REPLY, 99, 0);
	turn(w);
	assert_int_equal(w->lost, -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(descriptors_arrive, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(answers_may_change_places,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_answer_gives_time_to_later_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_worker_answers_all,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_loses_the_link, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_version_is_refused,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			another_version_is_refused_whatever_it_says, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			answers_to_another_are_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reply_that_nobody_asked_for,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
