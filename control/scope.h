/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker may take of the host: each is a scope unit of systemd,
 * xenpv-DOMID-PID.scope in xenpv.slice, with a limit of memory and threads and
 * a share of the processors that does not grow with the number of its rings. So
 * what one guest makes its worker do is not taken from other guests' workers,
 * nor from dom0. A scope outlives xenpvd, as its worker does, and ends with it.
 *
 * Where systemd does not run, workers are where xenpvd is. That is said once in
 * the log, and is no error.
 *
 * Rules: org.freedesktop.systemd1(5), StartTransientUnit(); systemd.scope(5);
 * systemd.resource-control(5).
 */
#ifndef CONTROL_SCOPE_H
#define CONTROL_SCOPE_H

#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

struct scope_limits {
	uint32_t memory_mib;  /* 0: no limit */
	uint32_t cpu_percent; /* of one processor; 0: no limit */
};

struct scopes;

/*
 * scopes_new - for the workers of this xenpvd
 * @event: of the caller, which outlives it
 *
 * Nothing is asked of systemd yet. Return: NULL, if there is no memory.
 */
struct scopes *scopes_new(sd_event *event, const struct scope_limits *limits);

/* scopes_free - NULL is allowed. Scopes that are there stay. */
void scopes_free(struct scopes *scopes);

/*
 * scopes_put - ask systemd for a scope, and to put process PID there
 * @domid, @name: of the guest that it serves
 *
 * Nobody waits for it: the worker serves already. If it cannot be, that is
 * logged once. @scopes may be NULL: nothing is asked.
 */
void scopes_put(struct scopes *scopes, pid_t pid, uint32_t domid,
		const char *name);

#endif
