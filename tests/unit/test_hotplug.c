/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/hotplug: what the kernel says of sg nodes makes the controllers of
 * real devices look. In a network namespace of our own, where we may have the
 * kernel say something.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include <cmocka.h>

#include "control/daemon.h"
#include "control/device.h"
#include "control/hotplug.h"

/* Of which the second is no controller of SCSI devices. */
static const struct device_class scsi = {.hotplug = true};
static const struct device_class other = {.hotplug = false};

static struct daemon daemon_;
static struct guest guests[2];
/* Busy, so that a kick is only remembered. */
static struct device devices[3];

static void add(size_t n, struct guest *guest, const struct device_class *class)
{
	devices[n] = (struct device){.class = class, .busy = true};
	TAILQ_INSERT_TAIL(&guest->devices, &devices[n], entry);
}

static int set_up(void **state)
{
	(void)state;
	TAILQ_INIT(&daemon_.guests);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(guests); i++) {
		TAILQ_INIT(&guests[i].devices);
		TAILQ_INSERT_TAIL(&daemon_.guests, &guests[i], entry);
	}
	add(0, &guests[0], &scsi);
	add(1, &guests[0], &other);
	add(2, &guests[1], &scsi);
	return sd_event_new(&daemon_.event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	sd_event_unref(daemon_.event);
	return 0;
}

static void nobody_looks(void)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(devices); i++)
		devices[i].dirty = false;
}

/* Have the kernel say TEXT, LEN bytes with a NUL behind each line, to all that
 * listen. */
static void announce(const char *text, size_t len)
{
	struct {
		struct nlmsghdr head;
		char text[256];
	} msg = {.head = {.nlmsg_type = NLMSG_MIN_TYPE,
			  .nlmsg_flags = NLM_F_REQUEST}};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	assert_true(fd >= 0);
	assert_true(len <= sizeof(msg.text));
	memcpy(msg.text, text, len);
	msg.head.nlmsg_len = NLMSG_LENGTH((uint32_t)len);
	assert_int_equal(sendto(fd, &msg, msg.head.nlmsg_len, 0,
				(const struct sockaddr *)&kernel,
				sizeof(kernel)),
			 msg.head.nlmsg_len);
	close(fd);
}

/* Until somebody looks, or for MS. */
static bool look_within(unsigned int ms)
{
	uint64_t now, end;

	assert_true(sd_event_now(daemon_.event, CLOCK_MONOTONIC, &now) >= 0);
	for (end = now + ms * 1000u; now < end && !devices[0].dirty;) {
		assert_true(sd_event_run(daemon_.event, end - now) >= 0);
		assert_true(sd_event_now(daemon_.event, CLOCK_MONOTONIC,
					 &now) >= 0);
	}
	return devices[0].dirty;
}

#define SAY(text) announce(text, sizeof(text))

static void who_looks(void **state)
{
	struct hotplug *h;

	(void)state;
	assert_int_equal(hotplug_new(&h, &daemon_), 0);

	nobody_looks();
	SAY("add@/devices/virtual/net/dummy0\0SUBSYSTEM=net");
	SAY("add@/x\0NOT_SUBSYSTEM=scsi_generic\0SUBSYSTEM=scsi_generics");
	assert_false(look_within(700));

	SAY("add@/devices/h/2:0:0:0/scsi_generic/sg1\0ACTION=add\0"
	    "SUBSYSTEM=scsi_generic\0MAJOR=21");
	assert_true(look_within(5000));
	assert_true(devices[2].dirty);
	assert_false(devices[1].dirty);

	/* Others may have it open still: they look once more. */
	nobody_looks();
	assert_true(look_within(5000));
	hotplug_free(h);
}

/* More than the socket holds: some are lost, and nobody knows which. */
static void lost_events(void **state)
{
	struct hotplug *h;

	(void)state;
	assert_int_equal(hotplug_new(&h, &daemon_), 0);
	nobody_looks();
	for (int i = 0; i < 5000; i++)
		SAY("add@/devices/virtual/net/dummy0\0SUBSYSTEM=net");
	assert_true(look_within(5000));
	hotplug_free(h);
}

static void nobody_listens(void **state)
{
	(void)state;
	hotplug_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_looks),
		cmocka_unit_test(lost_events),
		cmocka_unit_test(nobody_listens),
	};

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		print_message("1..0 # SKIP no namespace of our own: %s\n",
			      strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
