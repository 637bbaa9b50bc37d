/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a frontend, whoever wrote it: the suite is the backend
 * (conform/raw_back.h) of controllers that the frontend's domain gets for the
 * time of a case each. What the driver does by itself when it finds a disk
 * (INQUIRY, READ CAPACITY, looking for partitions) is enough for most; some
 * want more I/O, which the command of --stimulus makes.
 */
#ifndef CONFORM_FRONTEND_H
#define CONFORM_FRONTEND_H

#include "conform/clause.h"
#include "conform/conform.h"
#include "conform/raw_back.h"
#include "conform/target.h"

struct frontend {
	struct conform c; /* first: frontend_of() */
	struct raw_back back;
};

static inline struct raw_back *back_of(struct conform *c)
{
	return &((struct frontend *)c)->back;
}

struct frontend_cfg {
	const struct host_ops *ops;
	const char *place; /* as in host_ops.open */
	const char *store; /* as in store_open() */
	uint32_t domid;
	uint32_t unit; /* the first of ours */
};

/* As backend_conform() and backend_cases(). */
int frontend_conform(const struct frontend_cfg *cfg,
		     const struct conform_options *opt, uint32_t count[3],
		     char *why, size_t len);
struct conform_case *frontend_cases(size_t *n);

/* ---- for cases ---- */

/* A controller with two LUNs, connected, with SG_GRANT as feature-sg-grant (0:
 * none) and SCRIPT from the first request on. False: the case has failed. */
bool frontend_connect(struct conform *c, uint32_t sg_grant, raw_script *script);

/* Serve until nothing has come for a second, at most MS: the driver has looked
 * at its new disks. */
void frontend_idle(struct raw_back *k, int64_t ms);

/* Let the command of --stimulus run, and serve meanwhile. Its status; 0 if
 * there is none. */
int frontend_stimulate(struct raw_back *k);

/* The same in the background, and its end at once: of what may hang. -1 if
 * there is none. */
int frontend_stimulus(struct raw_back *k);
void frontend_stimulus_end(struct raw_back *k, int pid);

/* One file per family. */
struct front_list {
	const struct conform_case *at;
	size_t n;
};

extern const struct front_list frontend_handshake, frontend_luns,
	frontend_requests, frontend_results, frontend_task, frontend_bogus;

#endif
