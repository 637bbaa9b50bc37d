/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers' scope units: see scope.h. */
#include "control/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "host/log.h"

#define SYSTEMD	     "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
/* As systemctl reaches it: root's own, without a message bus. */
#define SYSTEMD_ADDRESS "unix:path=/run/systemd/private"

/* A thread a ring, and some of io_uring's. */
#define TASKS_MAX 2048

struct scopes {
	sd_event *event;
	sd_bus *bus; /* NULL: not yet, or lost */
	struct scope_limits limits;
	bool complained;
};

struct scopes *scopes_new(sd_event *event, const struct scope_limits *limits)
{
	struct scopes *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->event = event;
	s->limits = *limits;
	return s;
}

static void drop_bus(struct scopes *s)
{
	if (s->bus)
		(void)sd_bus_detach_event(s->bus);
	s->bus = sd_bus_close_unref(s->bus);
}

void scopes_free(struct scopes *s)
{
	if (!s)
		return;
	drop_bus(s);
	free(s);
}

static void complain(struct scopes *s, int priority, const char *why)
{
	if (!s->complained)
		log_line(priority, NULL,
			 "workers have no scope of their own and no limits of "
			 "memory and processors: %s",
			 why);
	s->complained = true;
}

/* systemd is there, or is asked again by the next worker. */
static int open_bus(struct scopes *s)
{
	int rc;

	if (s->bus && sd_bus_is_open(s->bus) > 0)
		return 0;
	drop_bus(s);
	rc = sd_bus_new(&s->bus);
	if (rc >= 0)
		rc = sd_bus_set_address(s->bus, SYSTEMD_ADDRESS);
	if (rc >= 0)
		rc = sd_bus_start(s->bus);
	if (rc >= 0)
		rc = sd_bus_attach_event(s->bus, s->event,
					 SD_EVENT_PRIORITY_NORMAL);
	if (rc < 0)
		drop_bus(s);
	return rc < 0 ? rc : 0;
}

static int on_reply(sd_bus_message *reply, void *ctx, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)unused;
	/* A worker that has ended meanwhile needs none. */
	if (error && sd_bus_error_get_errno(error) != ESRCH)
		complain(ctx, LOG_WARNING,
			 error->message ? error->message : error->name);
	return 0;
}

static int add_limits(const struct scopes *s, sd_bus_message *m)
{
	int rc = sd_bus_message_append(m, "(sv)(sv)", "TasksMax", "t",
				       (uint64_t)TASKS_MAX, "CPUWeight", "t",
				       (uint64_t)100);

	if (rc >= 0 && s->limits.memory_mib)
		rc = sd_bus_message_append(m, "(sv)", "MemoryMax", "t",
					   (uint64_t)s->limits.memory_mib
						   << 20);
	if (rc >= 0 && s->limits.cpu_percent)
		rc = sd_bus_message_append(m, "(sv)", "CPUQuotaPerSecUSec", "t",
					   (uint64_t)s->limits.cpu_percent *
						   10000);
	return rc;
}

/* What the scope is: systemd.unit(5) and systemd.scope(5) say more. */
static int add_properties(const struct scopes *s, sd_bus_message *m, pid_t pid,
			  uint32_t domid, const char *name)
{
	char text[320];
	int rc;

	snprintf(text, sizeof(text),
		 "Disks of Xen guest %s (domain %" PRIu32 ")", name, domid);
	rc = sd_bus_message_append(m, "(sv)(sv)(sv)", "Description", "s", text,
				   "Slice", "s", "xenpv.slice", "CollectMode",
				   "s", "inactive-or-failed");
	/* When the host goes down guests are saved or stopped first. */
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "Before", "as", 2,
					   "xendomains.service",
					   "libvirtd.service");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1,
					   (uint32_t)pid);
	return rc < 0 ? rc : add_limits(s, m);
}

static int ask(struct scopes *s, pid_t pid, uint32_t domid, const char *name)
{
	sd_bus_message *m = NULL;
	char unit[64];
	int rc;

	snprintf(unit, sizeof(unit), "xenpv-%" PRIu32 "-%d.scope", domid,
		 (int)pid);
	rc = sd_bus_message_new_method_call(s->bus, &m, SYSTEMD, SYSTEMD_PATH,
					    SYSTEMD ".Manager",
					    "StartTransientUnit");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "ss", unit, "fail");
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(sv)");
	if (rc >= 0)
		rc = add_properties(s, m, pid, domid, name);
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (rc >= 0)
		rc = sd_bus_call_async(s->bus, NULL, m, on_reply, s, 0);
	sd_bus_message_unref(m);
	return rc < 0 ? rc : 0;
}

void scopes_put(struct scopes *s, pid_t pid, uint32_t domid, const char *name)
{
	int rc;

	if (!s)
		return;
	if (sd_booted() <= 0) {
		complain(s, LOG_INFO, "systemd does not run here");
		return;
	}
	rc = open_bus(s);
	if (!rc)
		rc = ask(s, pid, domid, name);
	if (rc)
		complain(s, LOG_WARNING, strerror(-rc));
}
