/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv block-attach, block-detach, block-list, block-resize, block-set. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/disk_spec.h"
#include "control/pdev.h"
#include "control/toolstack.h"

/* All words behind GUEST are one specification, as with xl. */
static int parse_spec(const struct cli_args *args, struct disk_spec *spec,
		      char *err, size_t len)
{
	char text[DISK_SPEC_MAX];
	size_t n = 0;

	for (int i = 1; i < args->n; i++) {
		size_t more = strlen(args->arg[i]) + (i > 1);

		if (n + more >= sizeof(text)) {
			snprintf(err, len,
				 "disk '%.64s...' is too long: give a shorter "
				 "path",
				 args->arg[1]);
			return -EINVAL;
		}
		n += (size_t)sprintf(text + n, "%s%s", i > 1 ? "," : "",
				     args->arg[i]);
	}
	return disk_spec_parse(spec, text, err, len);
}

/* Can each of several queues have a connection of its own? */
static int check_queues(const struct disk_spec *disk,
			const struct pdev_props *props, char *err, size_t len)
{
	if (disk->tune.value[TUNE_QUEUES] <= 1 || props->multi ||
	    !pdev_by_us(&disk->options))
		return 0;
	snprintf(err, len,
		 "'%.300s' takes one connection only, and so one queue: leave "
		 "out queues",
		 disk->target);
	return -EINVAL;
}

int block_attach(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct pdev_props props;
	struct disk_spec disk;
	struct ts_guest guest;
	struct pdev pdev;
	struct ts_request req = {
		.guest = &guest,
		.disk = &disk,
		.pdev = &pdev,
		.no_wait = args->option[ATTACH_NO_WAIT] != NULL,
	};
	int rc;

	(void)command;
	/* What can be refused without Xen comes first, what costs last. */
	rc = parse_spec(args, &disk, err, sizeof(err));
	disk.options.no_scsi = true;
	if (!rc)
		rc = device_timeout(args->option[ATTACH_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = pdev_parse(&pdev, disk.target, &disk.options, err,
				sizeof(err));
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc && pdev_by_us(&pdev.options))
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = ts_pdev_free(ts, &pdev, err, sizeof(err));
	if (!rc)
		rc = pdev_check(&pdev, &props, err, sizeof(err));
	if (!rc)
		rc = check_queues(&disk, &props, err, sizeof(err));
	if (!rc) {
		device_catch_signals();
		rc = ts_block_attach(ts, &req, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	else
		device_say_attached(&req, disk.vdev, &props);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* The operand VDEV. */
static int parse_vdev(struct disk_spec *disk, const char *text, char *err,
		      size_t len)
{
	int rc;

	*disk = (struct disk_spec){0};
	if (!pdev_is_line(text)) {
		snprintf(err, len,
			 "vdev has a control character in it: try xvda");
		return -EINVAL;
	}
	rc = vbd_name_parse(text, &disk->number, err, len);
	/* A name that is right is short. */
	if (!rc)
		snprintf(disk->vdev, sizeof(disk->vdev), "%s", text);
	return rc;
}

int block_detach(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct disk_spec disk;
	struct ts_guest guest;
	struct ts_request req = {
		.guest = &guest,
		.disk = &disk,
		.no_wait = args->option[DETACH_NO_WAIT] != NULL,
		.force = args->option[DETACH_FORCE] != NULL,
	};
	int rc;

	(void)command;
	rc = parse_vdev(&disk, args->arg[1], err, sizeof(err));
	if (!rc)
		rc = device_timeout(args->option[DETACH_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = device_open(&ts, args, err);
	/* With --force it is for what is left when nobody answers any more. */
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc && !req.force && ts_by_us(ts, &req))
		rc = device_check_daemon(args, err);
	if (!rc) {
		device_catch_signals();
		rc = ts_block_detach(ts, &req, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	ts_close(ts);
	return rc ? 1 : 0;
}

int block_resize(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct disk_spec disk;
	struct ts_guest guest;
	struct ts_request req = {.guest = &guest, .disk = &disk};
	int rc;

	(void)command;
	rc = parse_vdev(&disk, args->arg[1], err, sizeof(err));
	if (!rc)
		rc = device_timeout(args->option[RESIZE_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc && ts_by_us(ts, &req))
		rc = device_check_daemon(args, err);
	if (!rc) {
		device_catch_signals();
		rc = ts_block_resize(ts, &req, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* KEY=VALUE, of those that can be changed while a disk is in use. */
static int parse_setting(struct disk_tune *tune, const char *text, char *err,
			 size_t len)
{
	uint32_t before = tune->given, now;
	int rc = disk_tune_set(tune, text, err, len);

	now = tune->given & ~before;
	if (!rc && !disk_tune_live((enum disk_tune_key)__builtin_ctz(now))) {
		snprintf(
			err, len,
			"'%.64s' is of a disk that is attached: detach it, and "
			"attach it with that",
			text);
		return -EINVAL;
	}
	if (rc == -ENOENT)
		snprintf(err, len,
			 "'%.64s' is no setting of a disk: try iops=1000, "
			 "iops-burst=N, bps=100M, bps-burst=N or "
			 "on-enospc=pause",
			 text);
	return rc;
}

int block_set(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct disk_spec disk;
	struct ts_guest guest;
	struct ts_request req = {.guest = &guest, .disk = &disk};
	int rc;

	(void)command;
	rc = parse_vdev(&disk, args->arg[1], err, sizeof(err));
	for (int i = 2; i < args->n && !rc; i++)
		rc = parse_setting(&disk.tune, args->arg[i], err, sizeof(err));
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc && ts_by_us(ts, &req))
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_block_set(ts, &req, err, sizeof(err));
	if (rc)
		text_error("%s", err);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ------------------------------------------------------------------- list */

/* One word for an administrator. */
static void disk_state(const struct ts_disk *disk, char *out, size_t len)
{
	if (*disk->error)
		snprintf(out, len, "failed: %s", disk->error);
	else
		snprintf(out, len, "%s", ts_state_name(disk->back_state));
}

/* What the guest was told, else what the storage has now. */
static bool disk_size(const struct ts_disk *disk, uint64_t *size)
{
	*size = disk->size;
	return disk->sized || (!strcmp(disk->backend, "xenpv") && disk->own &&
			       device_size(disk->pname, size));
}

static const struct table_column columns[] = {
	{"Guest", 0}, {"Vdev", 0}, {"Type", 0},	   {"Mode", 0},	 {"Size", 1},
	{"Pdev", 0},  {"ID", 1},   {"Backend", 0}, {"State", 0}, {NULL, 0},
};

static void print_table(const void *ctx)
{
	const struct ts_disks *disks = ctx;
	char size[24], number[16], state[256];
	struct table table;
	uint64_t bytes;

	table_init(&table, columns);
	for (size_t i = 0; i < disks->n; i++) {
		const struct ts_disk *disk = &disks->disk[i];
		bool sized = disk_size(disk, &bytes);

		disk_state(disk, state, sizeof(state));
		text_size(bytes, size);
		snprintf(number, sizeof(number), "%u", disk->number);
		table_add(&table, disk->guest.name);
		table_add(&table, disk->vdev);
		table_add(&table, *disk->type ? disk->type : NULL);
		table_add(&table, strcmp(disk->mode, "w") ? "ro" : "rw");
		table_add(&table, sized ? size : NULL);
		table_add(&table, *disk->pname ? disk->pname : NULL);
		table_add(&table, number);
		table_add(&table,
			  disk->own ? disk->backend : disk->server.name);
		table_add(&table, state);
	}
	table_print(&table, stdout);
	table_free(&table);
}

/* The keys are documented in xenpv(1): add to them, do not change them. */
static json_t *disk_json(const struct ts_disk *disk)
{
	json_t *o = json_object();
	char state[256];
	uint64_t bytes;
	bool sized = disk_size(disk, &bytes);

	disk_state(disk, state, sizeof(state));
	json_object_set_new(o, "guest", device_json_text(disk->guest.name));
	json_object_set_new(o, "domid", json_integer(disk->guest.domid));
	json_object_set_new(o, "vdev", device_json_text(disk->vdev));
	json_object_set_new(o, "id", json_integer(disk->number));
	json_object_set_new(o, "backend", json_string(disk->backend));
	json_object_set_new(o, "backend_domain",
			    device_json_text(disk->server.name));
	json_object_set_new(o, "type", device_json_maybe(disk->type));
	json_object_set_new(o, "read_only",
			    json_boolean(strcmp(disk->mode, "w") != 0));
	json_object_set_new(o, "size",
			    sized ? json_integer((json_int_t)bytes)
				  : json_null());
	json_object_set_new(o, "pdev", device_json_text(disk->pname));
	json_object_set_new(o, "pdev_resolved", device_json_text(disk->pdev));
	json_object_set_new(o, "options", device_json_text(disk->options));
	json_object_set_new(o, "state", device_json_text(state));
	json_object_set_new(o, "backend_state", json_integer(disk->back_state));
	json_object_set_new(o, "frontend_state",
			    json_integer(disk->front_state));
	json_object_set_new(o, "error", device_json_maybe(disk->error));
	return o;
}

static json_t *json_of(const void *ctx, size_t i)
{
	const struct ts_disks *disks = ctx;

	return i < disks->n ? disk_json(&disks->disk[i]) : NULL;
}

static int add(struct toolstack *ts, const struct ts_guest *guest, void *ctx,
	       char *err, size_t len)
{
	return ts_disks_add(ts, guest, ctx, err, len);
}

int block_list(const struct command *command, const struct cli_args *args)
{
	static const struct device_lister lister = {
		.add = add, .print = print_table, .json = json_of};
	struct ts_disks disks = {0};
	int status;

	(void)command;
	status = device_list(args, &lister, &disks);
	ts_disks_free(&disks);
	return status;
}
