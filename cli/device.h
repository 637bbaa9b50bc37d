/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the families of commands for devices share: the connection, waiting and
 * being stopped, JSON of names.
 */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "cli/commands.h"
#include "control/devlist.h"
#include "control/toolstack.h"

/* device_open - connect as ARGS say; @err: TS_ERR_MAX bytes. */
int device_open(struct toolstack **ts, const struct cli_args *args, char *err);

/* device_check_daemon - nobody would serve what we write if xenpvd does not
 * run: then it is not written. */
int device_check_daemon(const struct cli_args *args, char *err);

/* device_timeout - seconds of --timeout; TEXT NULL: the default. */
int device_timeout(const char *text, unsigned int *seconds, char *err);

/* device_catch_signals - a signal while we wait means: take it back, then
 * end. */
void device_catch_signals(void);

/* device_say_attached - the line of success. */
void device_say_attached(const struct ts_request *req, const char *vdev,
			 const struct pdev_props *props);

/* device_say_list - the lines of success for all that LIST has given to GUEST.
 * @will: it will get them when it runs */
void device_say_list(const struct devlist *list, const struct ts_guest *guest,
		     bool will);

/* A class of devices, for device_list(). LIST is that class's own; the lister
 * fills it in and the caller frees it. */
struct device_lister {
	/* Append those of GUEST, or of all guests when it is NULL. */
	int (*add)(struct toolstack *ts, const struct ts_guest *guest,
		   void *list, char *err, size_t len);
	void (*print)(const void *list);
	/* The I-th, which is the caller's; NULL behind the last one. */
	json_t *(*json)(const void *list, size_t i);
};

/* device_list - list the devices of the guests that ARGS name, or of all, as a
 * table or, with --json, as JSON. The exit status: 1 when one is unknown. */
int device_list(const struct cli_args *args, const struct device_lister *lister,
		void *list);

/* device_size - bytes of what PNAME names, without opening it; false: it is not
 * known. */
bool device_size(const char *pname, uint64_t *size);

/* device_json_text - a string that jansson takes: what is not UTF-8 is escaped
 * as in tables. */
json_t *device_json_text(const char *text);

/* device_json_maybe - null for NULL and "". */
json_t *device_json_maybe(const char *text);

#endif
