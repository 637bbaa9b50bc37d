/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv conform: the conformance suite, its table and its JSON. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/abi.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/text.h"
#include "conform/backend.h"
#include "conform/blk.h"
#include "conform/vbd_front.h"
#include "conform/vscsi_front.h"
#include "control/site.h"
#include "control/toolstack.h"
#include "control/vbd_name.h"

/* How long the controller may take to be attached. */
#define WAIT_S 30

static const struct table_column columns[] = {
	{"Case", 0}, {"Checks", 0}, {"Result", 0}, {"Detail", 0}, {NULL, 0},
};

/* A run as it goes: what is printed at the end, and a line for each case on
 * stderr meanwhile, for it takes minutes. */
struct output {
	struct table table;
	json_t *results;
	bool verbose;
};

static void report(void *ctx, const struct conform_result *r)
{
	struct output *out = ctx;
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "case", r->id,
		"family", r->at->family, "name", r->at->name, "where",
		r->at->clause->where, "checks", r->at->clause->text, "result",
		conform_word(r->verdict), "detail", r->detail, "ms", r->ms);

	json_array_append_new(out->results, o);
	table_add(&out->table, r->id);
	table_add(&out->table, r->at->clause->where);
	table_add(&out->table, conform_word(r->verdict));
	table_add(&out->table, r->detail);
	if (out->verbose)
		text_error("%s: %s%s%s", r->id, conform_word(r->verdict),
			   *r->detail ? ": " : "", r->detail);
}

/* ---- the two kinds of peers ---- */

struct kind {
	const char *name;
	struct conform_case *(*cases)(size_t *n);
	/* with its operands; 0, or a negative errno and a line in WHY */
	int (*run)(const struct cli_args *args,
		   const struct conform_options *opt, uint32_t count[3],
		   char *why, size_t len);
	int args_min, args_max; /* behind the kind's name */
};

static const struct front_ops *const fronts[] = {&front_xen, &front_local};
static const struct host_ops *const hosts[] = {&host_xen, &host_local};

static const struct front_ops *find_front(const char *name)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(fronts); i++)
		if (!strcmp(fronts[i]->name, name))
			return fronts[i];
	return NULL;
}

static const struct host_ops *find_host(const char *name)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(hosts); i++)
		if (!strcmp(hosts[i]->name, name))
			return hosts[i];
	return NULL;
}

/* A number from 0 to MAX; NULL is FALLBACK. */
static int number(const char *text, const char *what, uint64_t max,
		  uint64_t fallback, uint64_t *out, char *why, size_t len)
{
	*out = fallback;
	if (!text || text_number(text, 0, max, out))
		return 0;
	snprintf(why, len, "%s '%s' is not a number from 0 to %" PRIu64, what,
		 text, max);
	return -EINVAL;
}

static int run_backend(const struct cli_args *args,
		       const struct conform_options *opt, uint32_t count[3],
		       char *why, size_t len)
{
	struct backend_cfg cfg = {.name = args->option[CONFORM_NAME],
				  .wait_s = WAIT_S};
	uint64_t unit;
	int rc;

	rc = number(args->n > 1 ? args->arg[1] : NULL, "controller", UINT16_MAX,
		    0, &unit, why, len);
	if (rc)
		return rc;
	cfg.unit = (uint32_t)unit;
	cfg.ops = find_front(site_name(args->site));
	cfg.where = site_place(args->site);
	if (!cfg.ops) {
		snprintf(why, len, "there is no frontend for host %s",
			 site_name(args->site));
		return -EINVAL;
	}
	if (!cfg.name)
		cfg.name = "conform";
	return backend_conform(&cfg, opt, count, why, len);
}

/* The disk that the guest knows as xvda; and one of those with numbers for
 * which there are no others (xen-vbd-interface(7)), where ours begin. */
#define XVDA	      51712
#define FIRST_OF_OURS (1u << 28 | 100u << 8)

/* The disk that operand N names, if there is one. */
static int disk_number(const struct cli_args *args, int n, uint32_t *unit,
		       char *why, size_t len)
{
	if (args->n <= n || vbd_name_is(args->arg[n], unit))
		return 0;
	snprintf(why, len, "disk '%s' is no name such as xvda, or vbd/51712",
		 args->arg[n]);
	return -EINVAL;
}

static int run_blk_backend(const struct cli_args *args,
			   const struct conform_options *opt, uint32_t count[3],
			   char *why, size_t len)
{
	struct blk_suite_cfg cfg = {.name = args->option[CONFORM_NAME],
				    .unit = XVDA,
				    .wait_s = WAIT_S};

	if (disk_number(args, 1, &cfg.unit, why, len) ||
	    abi_option(args->option[CONFORM_PROTOCOL], &cfg.abi, why, len))
		return -EINVAL;
	cfg.ops = find_front(site_name(args->site));
	cfg.where = site_place(args->site);
	if (!cfg.ops) {
		snprintf(why, len, "there is no frontend for host %s",
			 site_name(args->site));
		return -EINVAL;
	}
	if (!cfg.name)
		cfg.name = "conform";
	return blk_backend_conform(&cfg, opt, count, why, len);
}

/* Whose frontend, and how to reach it: all of CFG but `unit`. */
static int find_guest(const struct cli_args *args, struct frontend_cfg *cfg,
		      char *why, size_t len)
{
	struct ts_cfg ts_cfg = {.site = args->site};
	struct toolstack *ts = NULL;
	struct ts_guest guest;
	int rc;

	rc = ts_open(&ts, &ts_cfg, why, len);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[1], &guest, why, len);
	ts_close(ts);
	if (rc)
		return rc;
	*cfg = (struct frontend_cfg){
		.ops = find_host(site_name(args->site)),
		.place = site_place(args->site),
		.store = site_store(args->site),
		.domid = guest.domid,
	};
	if (cfg->ops)
		return 0;
	snprintf(why, len, "there is no backend for host %s",
		 site_name(args->site));
	return -EINVAL;
}

static int run_frontend(const struct cli_args *args,
			const struct conform_options *opt, uint32_t count[3],
			char *why, size_t len)
{
	struct frontend_cfg cfg;
	uint64_t unit;
	int rc;

	rc = number(args->n > 2 ? args->arg[2] : NULL, "controller", 60000, 100,
		    &unit, why, len);
	if (!rc)
		rc = find_guest(args, &cfg, why, len);
	if (rc)
		return rc;
	cfg.unit = (uint32_t)unit;
	return vscsi_front_conform(&cfg, opt, count, why, len);
}

static int run_blk_frontend(const struct cli_args *args,
			    const struct conform_options *opt,
			    uint32_t count[3], char *why, size_t len)
{
	struct frontend_cfg cfg;
	uint32_t unit = FIRST_OF_OURS;
	int rc;

	rc = disk_number(args, 2, &unit, why, len);
	if (!rc)
		rc = find_guest(args, &cfg, why, len);
	if (rc)
		return rc;
	cfg.unit = unit;
	return vbd_front_conform(&cfg, opt, count, why, len);
}

static const struct kind kinds[] = {
	{
		.name = "blk-backend",
		.cases = blk_backend_cases,
		.run = run_blk_backend,
		.args_max = 1,
	},
	{
		.name = "blk-frontend",
		.cases = vbd_front_cases,
		.run = run_blk_frontend,
		.args_min = 1,
		.args_max = 2,
	},
	{
		.name = "vscsi-backend",
		.cases = backend_cases,
		.run = run_backend,
		.args_max = 1,
	},
	{
		.name = "vscsi-frontend",
		.cases = vscsi_front_cases,
		.run = run_frontend,
		.args_min = 1,
		.args_max = 2,
	},
};

static const struct kind *find_kind(const struct cli_args *args)
{
	bool list = args->option[CONFORM_LIST] != NULL;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, args->arg[0]) &&
		    args->n - 1 >= (list ? 0 : kinds[i].args_min) &&
		    args->n - 1 <= kinds[i].args_max)
			return &kinds[i];
	return NULL;
}

/* ---- the list, the run ---- */

static int list_cases(const struct kind *kind, bool json)
{
	json_t *list = json_array();
	struct conform_case *at;
	char id[CONFORM_ID_MAX];
	size_t n, i;

	at = kind->cases(&n);
	if (!at)
		return 1;
	for (i = 0; i < n; i++) {
		conform_id(&at[i], id);
		if (json)
			json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:s, s:b}", "case", id,
					  "where", at[i].clause->where,
					  "checks", at[i].clause->text,
					  "dangerous",
					  at[i].flags & CONFORM_DANGEROUS));
		else
			printf("%s%s\n\t%s: %s\n", id,
			       at[i].flags & CONFORM_DANGEROUS ? " (dangerous)"
							       : "",
			       at[i].clause->where, at[i].clause->text);
	}
	free(at);
	if (json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	return 0;
}

/* Does PATTERN (NULL: all) name a case of KIND? Else a line in WHY. */
static int any_case(const struct kind *kind, const char *pattern, char *why,
		    size_t len)
{
	size_t n, i;
	struct conform_case *at = kind->cases(&n);
	bool found = false;

	for (i = 0; at && i < n && !found; i++)
		found = conform_named(&at[i], pattern);
	free(at);
	if (found || !pattern)
		return 0;
	snprintf(why, len,
		 "no case is named '%s': 'xenpv conform --list %s' shows all",
		 pattern, kind->name);
	return -ENOENT;
}

static void print(struct output *out, const struct kind *kind,
		  const uint32_t count[3], bool json)
{
	json_t *all;

	if (!json) {
		table_print(&out->table, stdout);
		printf("\n%" PRIu32 " pass, %" PRIu32 " fail, %" PRIu32
		       " skipped\n",
		       count[CONFORM_PASS], count[CONFORM_FAIL],
		       count[CONFORM_SKIP]);
		return;
	}
	all = json_pack("{s:s, s:i, s:i, s:i, s:O}", "peer", kind->name, "pass",
			count[CONFORM_PASS], "fail", count[CONFORM_FAIL],
			"skip", count[CONFORM_SKIP], "results", out->results);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

static int read_options(const struct cli_args *args,
			struct conform_options *opt, char *why, size_t len)
{
	const char *const *o = args->option;
	uint64_t seconds = 0;
	int rc;

	rc = number(o[CONFORM_TIME], "time", 86400, 20, &seconds, why, len);
	if (!rc)
		rc = number(o[CONFORM_SEED], "seed", UINT64_MAX, 0, &opt->seed,
			    why, len);
	opt->seconds = (uint32_t)seconds;
	opt->only = o[CONFORM_ONLY];
	opt->dangerous = o[CONFORM_WITH_DANGEROUS] != NULL;
	opt->strict = o[CONFORM_WITH_STRICT] != NULL;
	opt->hotplug = o[CONFORM_HOTPLUG];
	opt->stimulus = o[CONFORM_STIMULUS];
	opt->check = o[CONFORM_CHECK];
	return rc;
}

int conform_command_run(const struct command *command,
			const struct cli_args *args)
{
	const struct kind *kind = find_kind(args);
	bool json = args->option[CONFORM_JSON] != NULL;
	struct output out = {.verbose = args->verbose};
	struct conform_options opt = {.report = report, .ctx = &out};
	char why[TS_ERR_MAX] = "";
	uint32_t count[3] = {0};
	int rc;

	if (!kind) {
		text_error("%s: use 'xenpv conform %s'", command->name,
			   command->args);
		return 1;
	}
	if (args->option[CONFORM_LIST])
		return list_cases(kind, json);
	rc = read_options(args, &opt, why, sizeof(why));
	table_init(&out.table, columns);
	out.results = json_array();
	signal(SIGPIPE, SIG_IGN); /* see host_ops.notify */
	if (!rc)
		rc = any_case(kind, opt.only, why, sizeof(why));
	if (!rc)
		rc = kind->run(args, &opt, count, why, sizeof(why));
	if (rc)
		text_error("%s", why);
	else
		print(&out, kind, count, json);
	table_free(&out.table);
	json_decref(out.results);
	return rc || count[CONFORM_FAIL] ? 1 : 0;
}
