/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv metrics: the counters of xenpvd's status as OpenMetrics text (version
 * 1.0, https://openmetrics.io), whole families one after the other. With --http
 * as the answer to a request on standard input, for one connection of a socket
 * that systemd listens at.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/status.h"
#include "cli/text.h"
#include "control/toolstack.h"

#define TEXT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Of a request that is read: as long as its head may be. */
#define HEAD_MAX 16384

enum of {
	DEVICE,
	DEVICE_STATS,
	GUEST
};

enum kind {
	COUNTER,
	GAUGE,
	MICROSECONDS, /* a gauge, of seconds */
	FLAG	      /* a gauge, of a boolean */
};

static const struct family {
	const char *name, *help;
	enum of of;
	enum kind kind;
	const char *member;
} families[] = {
	{"requests", "Requests taken off the rings.", DEVICE_STATS, COUNTER,
	 "requests"},
	{"responses", "Requests answered.", DEVICE_STATS, COUNTER, "responses"},
	{"errors", "Requests answered with anything but success.", DEVICE_STATS,
	 COUNTER, "errors"},
	{"guest_errors", "Requests against the protocol's rules.", DEVICE_STATS,
	 COUNTER, "guest_errors"},
	{"reads", "Successful reads.", DEVICE_STATS, COUNTER, "read_ops"},
	{"read_bytes", "Bytes read.", DEVICE_STATS, COUNTER, "read_bytes"},
	{"writes", "Successful writes.", DEVICE_STATS, COUNTER, "write_ops"},
	{"written_bytes", "Bytes written.", DEVICE_STATS, COUNTER,
	 "write_bytes"},
	{"wakeups", "Times that the worker's thread slept.", DEVICE_STATS,
	 COUNTER, "wakeups"},
	{"notifications", "Events sent to the guest.", DEVICE_STATS, COUNTER,
	 "notifies"},
	{"grant_copies", "Pieces copied from and to the guest.", DEVICE_STATS,
	 COUNTER, "copies"},
	{"mapped_pages", "Pages of the guest that are kept mapped.",
	 DEVICE_STATS, GAUGE, "mapped"},
	{"inflight", "Requests not answered yet.", DEVICE_STATS, GAUGE,
	 "inflight"},
	{"connected", "Whether the frontend is connected.", DEVICE, FLAG,
	 "connected"},
	{"down", "Whether the device waits for a worker.", DEVICE, FLAG,
	 "down"},
	{"quarantined", "Whether workers have died of the device.", DEVICE,
	 FLAG, "quarantined"},
	{"worker_restarts", "Workers that had to be replaced.", GUEST, COUNTER,
	 "restarts"},
	{"worker_memory_bytes", "Memory of the guest's worker.", GUEST, GAUGE,
	 "memory"},
	{"worker_threads", "Threads of the guest's worker.", GUEST, GAUGE,
	 "threads"},
	{"longest_gap_seconds", "The longest time without a worker.", GUEST,
	 MICROSECONDS, "gap_max_us"},
};

/* A value of a label: quotation marks, backslashes, line feeds are escaped. */
static void print_value(FILE *f, const char *text)
{
	char *clean = text_clean(text ? text : "");

	for (const char *p = clean; *p; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', f);
		fputc(*p, f);
	}
	free(clean);
}

/* Without the braces: another label may follow. DEVICE may be NULL. */
static void print_labels(FILE *f, const json_t *guest, const json_t *device)
{
	char name[48];

	fputs("guest=\"", f);
	print_value(f, json_string_value(json_object_get(guest, "name")));
	fprintf(f, "\",domid=\"%" JSON_INTEGER_FORMAT "\"",
		status_member(guest, "domid"));
	if (!device)
		return;
	status_device_name(device, name, sizeof(name));
	fputs(",device=\"", f);
	print_value(f, name);
	fputs("\",type=\"", f);
	print_value(f, json_string_value(json_object_get(device, "type")));
	fputc('"', f);
}

static void print_sample(FILE *f, const struct family *family,
			 const json_t *guest, const json_t *device)
{
	const json_t *from = family->of == DEVICE_STATS
				     ? json_object_get(device, "stats")
			     : family->of == DEVICE ? device
						    : guest;
	const json_t *value = json_object_get(from, family->member);

	/* Without a worker there is no memory of it. */
	if (!value)
		return;
	fprintf(f, "xenpv_%s%s{", family->name,
		family->kind == COUNTER ? "_total" : "");
	print_labels(f, guest, device);
	if (family->kind == FLAG)
		fprintf(f, "} %d\n", json_is_true(value));
	else if (family->kind == MICROSECONDS)
		fprintf(f, "} %.6f\n",
			(double)json_integer_value(value) * 1e-6);
	else
		fprintf(f, "} %" JSON_INTEGER_FORMAT "\n",
			json_integer_value(value));
}

static void print_family(FILE *f, const struct family *family,
			 const json_t *guests)
{
	const json_t *guest, *device;
	size_t i, j;

	fprintf(f, "# TYPE xenpv_%s %s\n# HELP xenpv_%s %s\n", family->name,
		family->kind == COUNTER ? "counter" : "gauge", family->name,
		family->help);
	json_array_foreach(guests, i, guest)
	{
		if (family->of == GUEST) {
			print_sample(f, family, guest, NULL);
			continue;
		}
		json_array_foreach(json_object_get(guest, "devices"), j, device)
			print_sample(f, family, guest, device);
	}
}

/* Step I of the counters ends at 2^I microseconds; a bucket has all before it,
 * too, and the last step has no end. */
static void print_latency(FILE *f, const json_t *guest, const json_t *device)
{
	const json_t *stats = json_object_get(device, "stats");
	const json_t *steps = json_object_get(stats, "latency");
	size_t n = json_array_size(steps), i;
	json_int_t all = 0;
	double end = 1e-6;

	for (i = 0; i < n; i++, end *= 2) {
		all += json_integer_value(json_array_get(steps, i));
		fputs("xenpv_request_seconds_bucket{", f);
		print_labels(f, guest, device);
		if (i + 1 < n)
			fprintf(f, ",le=\"%g\"} ", end);
		else
			fputs(",le=\"+Inf\"} ", f);
		fprintf(f, "%" JSON_INTEGER_FORMAT "\n", all);
	}
	fputs("xenpv_request_seconds_sum{", f);
	print_labels(f, guest, device);
	fprintf(f, "} %.9f\nxenpv_request_seconds_count{",
		(double)status_member(stats, "latency_ns") * 1e-9);
	print_labels(f, guest, device);
	fprintf(f, "} %" JSON_INTEGER_FORMAT "\n", all);
}

static void print_metrics(FILE *f, const json_t *status)
{
	const json_t *guests = json_object_get(status, "guests");
	const json_t *guest, *device;
	size_t i, j;

	for (i = 0; i < XPV_ARRAY_SIZE(families); i++)
		print_family(f, &families[i], guests);
	fputs("# TYPE xenpv_request_seconds histogram\n"
	      "# HELP xenpv_request_seconds Time from taking a request off the "
	      "ring to its answer.\n",
	      f);
	json_array_foreach(guests, i, guest)
	{
		json_array_foreach(json_object_get(guest, "devices"), j, device)
			print_latency(f, guest, device);
	}
	fputs("# TYPE xenpvd info\n# HELP xenpvd The daemon.\n"
	      "xenpvd_info{version=\"",
	      f);
	print_value(f, json_string_value(json_object_get(status, "version")));
	fputs("\"} 1\n# EOF\n", f);
}

/* ------------------------------------------------------------------- http */

/* Read the head of a request. True when it asks for the metrics. */
static bool read_request(const char **answer)
{
	char line[1024], method[8], path[256];
	size_t len = 0, n;

	*answer = "400 Bad Request";
	if (!fgets(line, sizeof(line), stdin) ||
	    sscanf(line, "%7s %255s HTTP/1.%*1[01]", method, path) != 2)
		return false;
	do {
		if (!fgets(line, sizeof(line), stdin))
			return false;
		n = strlen(line);
		len += n;
	} while (len < HEAD_MAX && strcmp(line, "\r\n") && strcmp(line, "\n"));
	if (len >= HEAD_MAX)
		return false;
	*answer = "405 Method Not Allowed";
	if (strcmp(method, "GET") != 0)
		return false;
	*answer = "404 Not Found";
	path[strcspn(path, "?")] = '\0';
	return !strcmp(path, "/metrics");
}

static void answer_http(const char *answer, const char *type, const char *body,
			size_t len)
{
	printf("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	       "Connection: close\r\n\r\n",
	       answer, type, len);
	fwrite(body, 1, len, stdout);
}

static int answer_error(const char *answer, const char *why)
{
	char body[TS_ERR_MAX + 2];

	snprintf(body, sizeof(body), "%s\n", why);
	answer_http(answer, "text/plain; charset=utf-8", body, strlen(body));
	return fflush(stdout) ? 1 : 0;
}

int metrics_show(const struct command *command, const struct cli_args *args)
{
	bool http = args->option[METRICS_HTTP] != NULL;
	char err[TS_ERR_MAX] = "", *text = NULL;
	const char *answer;
	json_t *status = NULL;
	size_t len = 0;
	FILE *f;

	(void)command;
	if (http && !read_request(&answer))
		return answer_error(answer, "there is /metrics, for GET");
	if (daemon_ask(args->site, "status", &status, err, sizeof(err))) {
		if (http)
			return answer_error("503 Service Unavailable", err);
		text_error("%s", err);
		return 1;
	}
	f = open_memstream(&text, &len);
	if (!f)
		abort();
	print_metrics(f, status);
	fclose(f);
	json_decref(status);
	if (http)
		answer_http("200 OK", TEXT_TYPE, text, len);
	else
		fwrite(text, 1, len, stdout);
	free(text);
	return fflush(stdout) ? 1 : 0;
}
