/* SPDX-License-Identifier: BSD-2-Clause */
/* What cases for a frontend have in common, and running them: frontend.h. */
#include "conform/frontend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool frontend_connect(struct conform *c, uint32_t sg_grant, raw_script *script)
{
	struct raw_back *k = back_of(c);

	k->sg_grant = sg_grant;
	if (!raw_make(k, RAW_LUNS))
		return conform_fail(c, "on our side: %s", k->broken);
	k->script = script;
	return raw_back_connect(k);
}

void frontend_idle(struct raw_back *k, int64_t ms)
{
	int64_t end = conform_now() + conform_left(k->c, ms);
	uint32_t before;

	do {
		before = k->requests;
		/* a driver that does nothing by itself has done nothing yet */
		raw_serve(k, before ? 1000 : 400, NULL);
	} while (k->requests != before && conform_now() < end && !*k->broken);
}

int frontend_stimulate(struct raw_back *k)
{
	int pid, status = 0;

	if (!k->c->opt->stimulus)
		return 0;
	pid = conform_start(k->c->opt->stimulus, NULL);
	while (!conform_ended(pid, &status)) {
		if (conform_left(k->c, 1) == 0)
			return conform_finish(k->c, pid);
		raw_serve(k, 20, NULL);
	}
	return status;
}

int frontend_stimulus(struct raw_back *k)
{
	return k->c->opt->stimulus ? conform_start(k->c->opt->stimulus, NULL)
				   : -1;
}

void frontend_stimulus_end(struct raw_back *k, int pid)
{
	int status;

	if (pid <= 0)
		return;
	/* it may have been freed by what was answered last */
	raw_serve(k, 500, NULL);
	if (!conform_ended(pid, &status))
		conform_kill(pid);
}

static bool ready(struct conform *c, char *why, size_t len)
{
	struct raw_back *k = back_of(c);

	if (*k->broken)
		snprintf(why, len, "on our side: %s", k->broken);
	else if (!raw_domain(k))
		snprintf(why, len, "domain %" PRIu32 " is gone", k->domid);
	else
		return true;
	return false;
}

/* The nodes of the case go; the domain must be well, and take another
 * controller after what was to break the one before. */
static bool well(struct conform *c, const struct conform_case *at, char *why,
		 size_t len)
{
	struct raw_back *k = back_of(c);
	enum conform_verdict verdict = c->verdict;
	char detail[CONFORM_DETAIL_MAX];
	bool good, gone = raw_unmake(k);

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
		good = frontend_connect(c, 0, NULL);
		frontend_idle(k, 5000);
		good = raw_unmake(k) && good;
		if (!good) {
			snprintf(why, len, "another controller: %.150s",
				 *c->detail ? c->detail : "does not close");
			conform_dead(c, "%s", why);
		}
	}
	c->verdict = verdict;
	memcpy(c->detail, detail, sizeof(detail));
	return good;
}

struct conform_case *frontend_cases(size_t *n)
{
	static const struct front_list *const lists[] = {
		&frontend_handshake, &frontend_luns,	 &frontend_results,
		&frontend_task,	     &frontend_requests, &frontend_bogus,
	};
	struct conform_case *all;
	size_t i, at = 0;

	*n = 0;
	for (i = 0; i < XPV_ARRAY_SIZE(lists); i++)
		*n += lists[i]->n;
	all = calloc(*n, sizeof(*all));
	if (!all)
		return NULL;
	for (i = 0; i < XPV_ARRAY_SIZE(lists); at += lists[i++]->n)
		memcpy(all + at, lists[i]->at, lists[i]->n * sizeof(*all));
	return all;
}

int frontend_conform(const struct frontend_cfg *cfg,
		     const struct conform_options *opt, uint32_t count[3],
		     char *why, size_t len)
{
	static struct frontend f;
	struct conform_case *all;
	size_t n;
	int rc;

	memset(&f, 0, sizeof(f));
	f.c = (struct conform){.opt = opt, .ready = ready, .well = well};
	all = frontend_cases(&n);
	if (!all) {
		snprintf(why, len, "out of memory");
		return -ENOMEM;
	}
	rc = raw_back_open(&f.back, cfg->ops, cfg->place, cfg->store,
			   cfg->domid, cfg->unit, why, len);
	f.back.c = &f.c;
	if (!rc && !ready(&f.c, why, len))
		rc = -ENOENT;
	if (!rc) {
		conform_run(&f.c, all, n);
		memcpy(count, f.c.count, sizeof(f.c.count));
		raw_back_close(&f.back);
	}
	free(all);
	return rc;
}
