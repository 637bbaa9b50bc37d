/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv upgrade: the installed xenpvd and workers take the place of those that
 * run. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/toolstack.h"

#define TIMEOUT_S 120
#define PAUSE_NS  20000000

static const struct table_column columns[] = {
	{"Guest", 0},		{"ID", 1}, {"Worker", 1},
	{"Without service", 1}, {NULL, 0},
};

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* Does the xenpvd that has said STATUS still run what was there before? */
static bool is_under_way(const json_t *status, json_int_t before)
{
	const json_t *guest;
	size_t i;

	if (number(status, "started_us") == before ||
	    !json_is_true(json_object_get(status, "ready")))
		return true;
	json_array_foreach(json_object_get(status, "guests"), i, guest)
	{
		if (json_is_true(json_object_get(guest, "earlier")) ||
		    json_is_true(json_object_get(guest, "down")))
			return true;
	}
	return false;
}

static void print_result(const json_t *status)
{
	const char *version =
		json_string_value(json_object_get(status, "version"));
	char pid[24], domid[24], gap[32];
	struct table table;
	const json_t *guest;
	size_t i;

	printf("xenpvd %s, process %" JSON_INTEGER_FORMAT "\n",
	       version ? version : "?", number(status, "pid"));
	table_init(&table, columns);
	json_array_foreach(json_object_get(status, "guests"), i, guest)
	{
		snprintf(domid, sizeof(domid), "%" JSON_INTEGER_FORMAT,
			 number(guest, "domid"));
		snprintf(pid, sizeof(pid), "%" JSON_INTEGER_FORMAT,
			 number(guest, "worker"));
		snprintf(gap, sizeof(gap), "%.1f ms",
			 (double)number(guest, "gap_us") / 1000);
		table_add(&table,
			  json_string_value(json_object_get(guest, "name")));
		table_add(&table, domid);
		table_add(&table, pid);
		table_add(&table, gap);
	}
	if (table.cells)
		table_print(&table, stdout);
	table_free(&table);
}

int upgrade_run(const struct command *command, const struct cli_args *args)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	time_t end = time(NULL) + TIMEOUT_S;
	char err[TS_ERR_MAX] = "";
	json_t *reply = NULL;
	json_int_t before;
	int rc;

	(void)command;
	if (daemon_ask(args->site, "upgrade", &reply, err, sizeof(err))) {
		text_error("%s", err);
		return 1;
	}
	before = number(reply, "started_us");
	json_decref(reply);
	for (;;) {
		rc = daemon_ask(args->site, "status", &reply, err, sizeof(err));
		if (!rc && !is_under_way(reply, before))
			break;
		if (!rc)
			json_decref(reply);
		if (time(NULL) > end) {
			text_error("%s",
				   rc ? err
				      : "some workers have not been replaced "
					"within 2 minutes; see 'xenpv "
					"status' and xenpvd's log");
			return 1;
		}
		nanosleep(&pause, NULL);
	}
	print_result(reply);
	json_decref(reply);
	return 0;
}
