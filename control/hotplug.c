/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI devices that come and go: see hotplug.h.
 */
#include "control/hotplug.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device.h"

/* Group of the kernel's own events; those of udev have another. */
#define GROUP_KERNEL 1

/*
 * When to look after an event: devices come in crowds, and for a while others
 * may have them open, udev first of all. Microseconds, each from the one before.
 */
static const uint64_t looks_us[] = {300000, 1000000, 3000000, 10000000};

#define EVENT_MAX 4096

struct hotplug {
	struct daemon *daemon;
	int fd;
	sd_event_source *io, *timer;
	size_t look; /* of looks_us[], the next */
};

static void look_later(struct hotplug *h)
{
	if (h->look == XPV_ARRAY_SIZE(looks_us))
		return;
	(void)sd_event_source_set_time_relative(h->timer, looks_us[h->look++]);
	(void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static int look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct hotplug *h = ctx;
	struct guest *guest;
	struct device *dev;

	(void)source;
	(void)usec;
	TAILQ_FOREACH(guest, &h->daemon->guests, entry)
		TAILQ_FOREACH(dev, &guest->devices, entry)
			if (dev->class->hotplug)
				device_kick(dev);
	look_later(h);
	return 0;
}

/* Text with a NUL behind each line: ACTION@PATH, then NAME=VALUE. */
static bool is_ours(const char *text, size_t len)
{
	for (size_t at = 0; at < len; at += strnlen(text + at, len - at) + 1)
		if (!strcmp(text + at, "SUBSYSTEM=scsi_generic"))
			return true;
	return false;
}

static int on_event(sd_event_source *source, int fd, uint32_t revents,
		    void *ctx)
{
	struct hotplug *h = ctx;
	char text[EVENT_MAX + 1];
	bool any = false;
	ssize_t n;

	(void)source;
	(void)revents;
	for (;;) {
		n = recv(fd, text, EVENT_MAX, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			any = any || errno == ENOBUFS; /* some were lost */
			if (errno == ENOBUFS)
				continue;
			break;
		}
		text[n] = '\0';
		any = any || is_ours(text, (size_t)n);
	}
	if (any) {
		h->look = 0;
		look_later(h);
	}
	return 0;
}

static int listen_to_kernel(struct hotplug *h)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK,
				   .nl_groups = GROUP_KERNEL};

	h->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);
	if (h->fd < 0 ||
	    bind(h->fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return 0;
}

int hotplug_new(struct hotplug **out, struct daemon *daemon)
{
	struct hotplug *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return -ENOMEM;
	h->daemon = daemon;
	h->look = XPV_ARRAY_SIZE(looks_us);
	rc = listen_to_kernel(h);
	if (!rc)
		rc = sd_event_add_io(daemon->event, &h->io, h->fd, EPOLLIN,
				     on_event, h);
	if (rc >= 0)
		rc = sd_event_add_time(daemon->event, &h->timer,
				       CLOCK_MONOTONIC, UINT64_MAX, 0, look, h);
	if (rc < 0) {
		hotplug_free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void hotplug_free(struct hotplug *h)
{
	if (!h)
		return;
	sd_event_source_disable_unref(h->io);
	sd_event_source_disable_unref(h->timer);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}
