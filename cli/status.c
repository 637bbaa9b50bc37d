/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv status: what the daemon says of itself and its guests. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/status.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/toolstack.h"

static const struct table_column columns[] = {
	{"Guest", 0},	{"ID", 1},	{"Worker", 1},	  {"Memory", 1},
	{"Sandbox", 0}, {"Device", 0},	{"LUNs", 1},	  {"Requests", 1},
	{"Read", 1},	{"Written", 1}, {"In flight", 1}, {"Restarts", 1},
	{"State", 0},	{NULL, 0},
};

static void add_number(struct table *table, const json_t *value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(value));
	table_add(table, json_is_integer(value) ? text : NULL);
}

static void add_bytes(struct table *table, const json_t *value)
{
	char text[24];

	text_size((uint64_t)json_integer_value(value), text);
	table_add(table, json_is_integer(value) ? text : NULL);
}

json_int_t status_member(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

void status_device_name(const json_t *device, char *out, size_t size)
{
	const char *name = json_string_value(json_object_get(device, "vdev"));
	const char *type = json_string_value(json_object_get(device, "type"));

	if (name && *name)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%s/%" JSON_INTEGER_FORMAT,
			 type ? type : "?", status_member(device, "id"));
}

const char *status_device_state(const json_t *device)
{
	if (json_is_true(json_object_get(device, "broken")))
		return "broken by the guest";
	if (json_is_true(json_object_get(device, "quarantined")))
		return "quarantined";
	if (json_is_true(json_object_get(device, "down")))
		return "waiting for a worker";
	return ts_state_name((uint32_t)status_member(device, "state"));
}

static void add_device(struct table *table, const json_t *guest,
		       const json_t *device)
{
	const json_t *stats = json_object_get(device, "stats");
	const json_t *list = json_object_get(device, "luns");
	const json_t *boxed = json_object_get(guest, "sandbox");
	char name[48];
	json_t *luns = list ? json_integer((json_int_t)json_array_size(list))
			    : json_null();

	table_add(table, json_string_value(json_object_get(guest, "name")));
	add_number(table, json_object_get(guest, "domid"));
	/* 0: there is none yet, no frontend has connected. */
	add_number(table, json_integer_value(json_object_get(guest, "worker"))
				  ? json_object_get(guest, "worker")
				  : NULL);
	add_bytes(table, json_object_get(guest, "memory"));
	table_add(table, !boxed ? NULL : json_is_true(boxed) ? "yes" : "no");
	status_device_name(device, name, sizeof(name));
	table_add(table, name);
	add_number(table, luns);
	add_number(table, json_object_get(stats, "requests"));
	add_bytes(table, json_object_get(stats, "read_bytes"));
	add_bytes(table, json_object_get(stats, "write_bytes"));
	add_number(table, json_object_get(stats, "inflight"));
	add_number(table, json_object_get(guest, "restarts"));
	table_add(table, status_device_state(device));
	json_decref(luns);
}

static void print_status(const json_t *reply)
{
	const json_t *guests = json_object_get(reply, "guests");
	const json_t *guest, *device, *devices;
	char *version = text_clean("?");
	struct table table;
	size_t i, j;

	if (json_is_string(json_object_get(reply, "version"))) {
		free(version);
		version = text_clean(
			json_string_value(json_object_get(reply, "version")));
	}
	printf("xenpvd %s, process %" JSON_INTEGER_FORMAT "\n", version,
	       json_integer_value(json_object_get(reply, "pid")));
	free(version);
	table_init(&table, columns);
	json_array_foreach(guests, i, guest)
	{
		devices = json_object_get(guest, "devices");
		json_array_foreach(devices, j, device)
			add_device(&table, guest, device);
	}
	if (table.cells)
		table_print(&table, stdout);
	else
		puts("no guest has a device");
	table_free(&table);
}

int status_show(const struct command *command, const struct cli_args *args)
{
	char err[TS_ERR_MAX] = "";
	json_t *reply = NULL;

	(void)command;
	if (daemon_ask(args->site, "status", &reply, err, sizeof(err))) {
		text_error("%s", err);
		return 1;
	}
	if (args->option[STATUS_JSON]) {
		json_object_del(reply, "ok");
		json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
		putchar('\n');
	} else {
		print_status(reply);
	}
	json_decref(reply);
	return 0;
}
