/* SPDX-License-Identifier: BSD-2-Clause */
/* What cases for a frontend have in common, and running them: frontend.h. */
#include "conform/frontend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool frontend_wants(struct conform *c, uint32_t want, const char *when)
{
	uint32_t state = raw_serve_until(back_of(c), WIRE_BUS_STATE, want, want,
					 RAW_BACK_WAIT_MS);

	return state == want ||
	       conform_fail(c, "%s its state is %" PRIu32, when, state);
}

void frontend_idle(struct raw_back *b, int64_t ms)
{
	int64_t end = conform_now() + conform_left(b->c, ms);
	uint32_t before;

	do {
		before = b->requests;
		/* a driver that does nothing by itself has done nothing yet */
		raw_serve(b, before ? 1000 : 400, NULL);
	} while (b->requests != before && conform_now() < end && !*b->broken);
}

int frontend_stimulate(struct raw_back *b)
{
	int pid, status = 0;

	if (!b->c->opt->stimulus)
		return 0;
	pid = conform_start(b->c->opt->stimulus, NULL);
	while (!conform_ended(pid, &status)) {
		if (conform_left(b->c, 1) == 0)
			return conform_finish(b->c, pid);
		raw_serve(b, 20, NULL);
	}
	return status;
}

int frontend_stimulus(struct raw_back *b)
{
	return b->c->opt->stimulus ? conform_start(b->c->opt->stimulus, NULL)
				   : -1;
}

void frontend_stimulus_end(struct raw_back *b, int pid)
{
	int status;

	if (pid <= 0)
		return;
	/* it may have been freed by what was answered last */
	raw_serve(b, 500, NULL);
	if (!conform_ended(pid, &status))
		conform_kill(pid);
}

void frontend_lie(struct conform *c)
{
	struct raw_back *b = back_of(c);
	int pid = -1;

	b->patience = 5000;
	/* after a lie the handshake may stop: that is no failure of the case */
	if (!raw_back_connect(b)) {
		if (!b->step)
			return;
		c->verdict = CONFORM_PASS;
	}
	frontend_idle(b, 3000);
	if (!b->step)
		pid = frontend_stimulus(b);
	raw_serve(b, 3000, NULL);
	/* what hangs in there by now is the lie's doing */
	frontend_stimulus_end(b, pid);
	if (!b->step)
		conform_skip(c, "it has sent none: --stimulus");
	if (c->verdict == CONFORM_PASS)
		c->detail[0] = '\0';
	conform_note(c, "its state is %" PRIu32,
		     raw_front_u32(b, WIRE_BUS_STATE));
}

void frontend_all_requests(struct conform *c, const void *arg)
{
	struct raw_back *b = back_of(c);

	(void)arg;
	if (b->ill)
		conform_fail(c, "%s, and %" PRIu32 " others of %" PRIu32,
			     b->ill_why, b->ill - 1, b->all);
	conform_note(c, "%" PRIu32 " requests", b->all);
}

static bool ready(struct conform *c, char *why, size_t len)
{
	struct raw_back *b = back_of(c);

	if (*b->broken)
		snprintf(why, len, "on our side: %s", b->broken);
	else if (!raw_domain(b))
		snprintf(why, len, "domain %" PRIu32 " is gone", b->domid);
	else
		return true;
	return false;
}

/* The nodes of the case go; the domain must be well, and take another
 * device after what was to break the one before. */
static bool well(struct conform *c, const struct conform_case *at, char *why,
		 size_t len)
{
	struct raw_back *b = back_of(c);
	enum conform_verdict verdict = c->verdict;
	char detail[CONFORM_DETAIL_MAX];
	bool good, gone = raw_unmake(b);

	memcpy(detail, c->detail, sizeof(detail));
	good = ready(c, why, len);
	if (good && c->opt->check &&
	    conform_command(c, c->opt->check, NULL) != 0) {
		snprintf(why, len, "the command of --check fails");
		good = false;
		conform_dead(c, "%s", why);
	}
	if (good && !gone && !(at->flags & CONFORM_BREAKS)) {
		snprintf(why, len, "the frontend does not close");
		good = false;
	}
	if (good && (!gone || at->flags & CONFORM_BREAKS)) {
		c->verdict = CONFORM_PASS;
		good = frontend_of(c)->connect(c);
		frontend_idle(b, 5000);
		good = raw_unmake(b) && good;
		if (!good) {
			snprintf(why, len, "another device: %.150s",
				 *c->detail ? c->detail : "does not close");
			conform_dead(c, "%s", why);
		}
	}
	c->verdict = verdict;
	memcpy(c->detail, detail, sizeof(detail));
	return good;
}

struct conform_case *frontend_all(const struct front_list *const *lists,
				  size_t lists_n, size_t *n)
{
	struct conform_case *all;
	size_t i, at = 0;

	*n = 0;
	for (i = 0; i < lists_n; i++)
		*n += lists[i]->n;
	all = calloc(*n, sizeof(*all));
	if (!all)
		return NULL;
	for (i = 0; i < lists_n; at += lists[i++]->n)
		memcpy(all + at, lists[i]->at, lists[i]->n * sizeof(*all));
	return all;
}

int frontend_run(struct frontend *f, const struct conform_case *cases, size_t n,
		 const struct conform_options *opt, uint32_t count[3],
		 char *why, size_t len)
{
	f->c = (struct conform){.opt = opt, .ready = ready, .well = well};
	f->b->c = &f->c;
	if (!ready(&f->c, why, len))
		return -ENOENT;
	conform_run(&f->c, cases, n);
	memcpy(count, f->c.count, sizeof(f->c.count));
	return 0;
}
