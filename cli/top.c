/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv top: what goes on at the guests' devices, again and again. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/rates.h"
#include "cli/status.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/toolstack.h"

#define DELAY_S	    2.0
#define DELAY_MIN_S 0.1
#define DELAY_MAX_S 3600.0

static const struct table_column columns[] = {
	{"Guest", 0},	 {"ID", 1},	   {"Device", 0},    {"Reads/s", 1},
	{"Writes/s", 1}, {"Read/s", 1},	   {"Written/s", 1}, {"Median", 1},
	{"99 %", 1},	 {"In flight", 1}, {"Errors/s", 1},  {"State", 0},
	{NULL, 0},
};

struct look {
	json_t *status;
	struct timespec at;
};

static double between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) +
	       (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

/* The same device of the same guest in an earlier status. */
static const json_t *earlier(const json_t *status, const json_t *guest,
			     const json_t *device)
{
	const json_t *g, *d;
	size_t i, j;

	json_array_foreach(json_object_get(status, "guests"), i, g)
	{
		if (status_member(g, "domid") != status_member(guest, "domid"))
			continue;
		json_array_foreach(json_object_get(g, "devices"), j, d)
		{
			if (status_member(d, "id") ==
				    status_member(device, "id") &&
			    json_equal(json_object_get(d, "type"),
				       json_object_get(device, "type")))
				return json_object_get(d, "stats");
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- a table */

static void add_rate(struct table *table, double rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%.0f", rate);
	table_add(table, rate > 0 ? text : "0");
}

static void add_bytes(struct table *table, double rate)
{
	char text[24];

	text_size(rate > 0 ? (uint64_t)rate : 0, text);
	table_add(table, text);
}

static void add_time(struct table *table, double us)
{
	char text[32];

	if (us >= 1e6)
		snprintf(text, sizeof(text), "%.1f s", us / 1e6);
	else if (us >= 1e3)
		snprintf(text, sizeof(text), "%.1f ms", us / 1e3);
	else
		snprintf(text, sizeof(text), "%.0f us", us);
	table_add(table, us > 0 ? text : NULL);
}

static void add_row(struct table *table, const json_t *guest,
		    const json_t *device, const struct rates *rates)
{
	const json_t *stats = json_object_get(device, "stats");
	char text[48];

	table_add(table, json_string_value(json_object_get(guest, "name")));
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		 status_member(guest, "domid"));
	table_add(table, text);
	status_device_name(device, text, sizeof(text));
	table_add(table, text);
	add_rate(table, rates->reads);
	add_rate(table, rates->writes);
	add_bytes(table, rates->read_bytes);
	add_bytes(table, rates->written_bytes);
	add_time(table, rates->median_us);
	add_time(table, rates->p99_us);
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		 status_member(stats, "inflight"));
	table_add(table, text);
	add_rate(table, rates->errors);
	table_add(table, status_device_state(device));
}

/* -------------------------------------------------------------- for programs */

static json_t *row_json(const json_t *device, const struct rates *rates)
{
	const json_t *stats = json_object_get(device, "stats");
	char name[48];

	status_device_name(device, name, sizeof(name));
	return json_pack(
		"{ss sO sO sf sf sf sf sf sf sI sf sf ss}", "device", name,
		"type", json_object_get(device, "type"), "id",
		json_object_get(device, "id"), "reads", rates->reads, "writes",
		rates->writes, "read_bytes", rates->read_bytes, "written_bytes",
		rates->written_bytes, "median_us", rates->median_us, "p99_us",
		rates->p99_us, "inflight", status_member(stats, "inflight"),
		"errors", rates->errors, "guest_errors", rates->guest_errors,
		"state", status_device_state(device));
}

/* --------------------------------------------------------------- both looks */

struct output {
	bool json;
	struct table table;
	json_t *guests; /* an array, to which a guest's devices belong */
};

static void add_guest(struct output *out, const json_t *guest,
		      const json_t *was, double seconds)
{
	json_t *rows = json_array();
	struct rates rates;
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(guest, "devices"), i, device)
	{
		rates_of(json_object_get(device, "stats"),
			 earlier(was, guest, device), seconds, &rates);
		if (out->json)
			json_array_append_new(rows, row_json(device, &rates));
		else
			add_row(&out->table, guest, device, &rates);
	}
	json_array_append_new(out->guests,
			      json_pack("{sO sO so}", "name",
					json_object_get(guest, "name"), "domid",
					json_object_get(guest, "domid"),
					"devices", rows));
}

static void print_table(struct output *out, double seconds)
{
	char clock[16];
	time_t now = time(NULL);
	struct tm tm;

	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	printf("%s, of %.1f s\n", clock, seconds);
	if (out->table.cells)
		table_print(&out->table, stdout);
	else
		puts("no guest has a device");
	if (!isatty(STDOUT_FILENO))
		putchar('\n');
}

static void show(const struct look *was, const struct look *is, bool json)
{
	struct output out = {.json = json, .guests = json_array()};
	double seconds = between(&was->at, &is->at);
	const json_t *guest;
	json_t *all;
	size_t i;

	table_init(&out.table, columns);
	json_array_foreach(json_object_get(is->status, "guests"), i, guest)
		add_guest(&out, guest, was->status, seconds);
	if (json) {
		all = json_pack("{sf sO}", "seconds", seconds, "guests",
				out.guests);
		json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(all);
	} else {
		print_table(&out, seconds);
	}
	fflush(stdout);
	json_decref(out.guests);
	table_free(&out.table);
}

static int look(const struct site *site, struct look *look)
{
	char err[TS_ERR_MAX] = "";

	look->status = NULL;
	if (daemon_ask(site, "status", &look->status, err, sizeof(err))) {
		text_error("%s", err);
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &look->at);
	return 0;
}

/* A number from MIN to MAX that the option NAME has been given as TEXT. */
static int number(const char *name, const char *text, double min, double max,
		  double *value)
{
	char *end;
	double v;

	if (!text)
		return 0;
	errno = 0;
	v = strtod(text, &end);
	if (errno || end == text || *end || !(v >= min && v <= max)) {
		text_error("--%s %s: a number from %g to %g", name, text, min,
			   max);
		return -1;
	}
	*value = v;
	return 0;
}

static void pause_for(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

int top_show(const struct command *command, const struct cli_args *args)
{
	double delay = DELAY_S, count = HUGE_VAL;
	struct look was, is;
	int rc = 1;

	(void)command;
	if (number("delay", args->option[TOP_DELAY], DELAY_MIN_S, DELAY_MAX_S,
		   &delay) ||
	    number("count", args->option[TOP_COUNT], 1, 1e9, &count) ||
	    look(args->site, &was))
		return 1;
	for (; count >= 1; count--) {
		pause_for(delay);
		if (look(args->site, &is))
			goto out;
		show(&was, &is, args->option[TOP_JSON]);
		json_decref(was.status);
		was = is;
	}
	rc = 0;
out:
	json_decref(was.status);
	return rc;
}
