/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a frontend, whoever wrote it: the suite is the backend
 * (conform/raw_back.h) of devices that the frontend's domain gets for the time
 * of a case each. What the driver does by itself when it finds a disk (looking
 * at what it is, and for partitions) is enough for most; some want more I/O,
 * which the command of --stimulus makes. What is there for PVSCSI is in
 * conform/vscsi_front.h, for block devices in conform/vbd_front.h.
 */
#ifndef CONFORM_FRONTEND_H
#define CONFORM_FRONTEND_H

#include "conform/clause.h"
#include "conform/conform.h"
#include "conform/raw_back.h"

struct frontend {
	struct conform c; /* first: frontend_of() */
	struct raw_back *b;
	/* Another unit, in the plain way: its nodes; and connected. False: the
	 * case has failed. */
	bool (*make)(struct conform *c);
	bool (*connect)(struct conform *c);
};

static inline struct frontend *frontend_of(struct conform *c)
{
	return (struct frontend *)c;
}

static inline struct raw_back *back_of(struct conform *c)
{
	return frontend_of(c)->b;
}

struct frontend_cfg {
	const struct host_ops *ops;
	const char *place; /* as in host_ops.open */
	const char *store; /* as in store_open() */
	uint32_t domid;
	uint32_t unit; /* the first of ours */
};

/* One file per family. */
struct front_list {
	const struct conform_case *at;
	size_t n;
};

/* All cases of the N lists, malloc'd; NULL: out of memory. */
struct conform_case *frontend_all(const struct front_list *const *lists,
				  size_t lists_n, size_t *n);

/* Run the N cases, against the domain of F's device, which is open. 0, or a
 * negative errno and a line in WHY. COUNT by verdict. F is all but `c`. */
int frontend_run(struct frontend *f, const struct conform_case *cases, size_t n,
		 const struct conform_options *opt, uint32_t count[3],
		 char *why, size_t len);

/* ---- for cases ---- */

/* Wait for the frontend's state; the case has failed if it is another. WHEN
 * begins the line. */
bool frontend_wants(struct conform *c, uint32_t state, const char *when);

/* Serve until nothing has come for a second, at most MS: the driver has looked
 * at its new disks. */
void frontend_idle(struct raw_back *b, int64_t ms);

/* Let the command of --stimulus run, and serve meanwhile. Its status; 0 if
 * there is none. */
int frontend_stimulate(struct raw_back *b);

/* The same in the background, and its end at once: of what may hang. -1 if
 * there is none. */
int frontend_stimulus(struct raw_back *b);
void frontend_stimulus_end(struct raw_back *b, int pid);

/* Connect a unit that is made, whose script tells a lie once something comes for
 * it, and then has a step: with what the driver does by itself, or the command
 * of --stimulus. Whatever comes of it is no failure; the look at the domain
 * afterwards is the case. */
void frontend_lie(struct conform *c);

/* A case: what was wrong with any request so far. */
void frontend_all_requests(struct conform *c, const void *arg);

/* What is the same for all devices. */
extern const struct front_list frontend_bus;

#endif
