/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv scsi-attach, scsi-detach, scsi-list. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/pdev.h"
#include "control/pdev_iscsi.h"
#include "control/toolstack.h"
#include "control/vdev.h"

/* ----------------------------------------------------------------- attach */

/* "host:N", and what must be right of it. */
static int find_adapter(const char *name, const struct pdev_options *options,
			struct ts_adapter *adapter, char *err)
{
	char said[PDEV_OPTIONS_MAX], end;

	if (sscanf(name, "host:%" SCNu32 "%c", &adapter->number, &end) != 1 ||
	    name[5] == '+' || name[5] == '-' || name[5] == ' ') {
		snprintf(err, TS_ERR_MAX,
			 "pdev '%.100s' is not host:N, the number of a SCSI "
			 "adapter: try the first number of an address in xenpv "
			 "scsi-devices",
			 name);
		return -EINVAL;
	}
	pdev_options_format(options, said);
	if (said[0]) {
		snprintf(err, TS_ERR_MAX,
			 "pdev '%s' is an adapter, for which there is no "
			 "option '%s': leave it out",
			 name, said);
		return -EINVAL;
	}
	adapter->made = sgdev_host_made(&sgdev_host, adapter->number);
	if (adapter->made)
		return 0;
	snprintf(err, TS_ERR_MAX,
		 "pdev '%s': this host has no such SCSI adapter: see xenpv "
		 "scsi-devices, or ls /sys/class/scsi_host",
		 name);
	return -ENODEV;
}

/* The same as for one device, but that there is nothing to be opened. */
static int adapter_attach(const struct cli_args *args, struct pdev_vdev *at,
			  const struct pdev_options *options, char *err)
{
	struct toolstack *ts = NULL;
	struct ts_adapter adapter;
	struct ts_guest guest;
	struct ts_request req = {
		.guest = &guest,
		.at = at,
		.adapter = &adapter,
		.no_wait = args->option[ATTACH_NO_WAIT] != NULL,
	};
	int rc;

	rc = find_adapter(args->arg[1], options, &adapter, err);
	if (!rc)
		rc = device_timeout(args->option[ATTACH_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, TS_ERR_MAX);
	if (!rc) {
		device_catch_signals();
		rc = ts_adapter_attach(ts, &req, err, TS_ERR_MAX);
	}
	if (!rc)
		printf("guest %s has controller %u: adapter %s\n", args->arg[0],
		       (unsigned int)at->host, args->arg[1]);
	ts_close(ts);
	return rc;
}

int scsi_attach(const struct command *command, const struct cli_args *args)
{
	struct pdev_options options;
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct pdev_props props;
	struct ts_guest guest;
	struct pdev_vdev at;
	struct pdev pdev;
	char vdev[VDEV_TEXT_MAX];
	struct ts_request req = {
		.guest = &guest,
		.at = &at,
		.pdev = &pdev,
		.no_wait = args->option[ATTACH_NO_WAIT] != NULL,
	};
	int rc;

	(void)command;
	/* What can be refused without Xen comes first, what costs last. */
	rc = vdev_parse(&at, &options, args->arg[2], err, sizeof(err));
	if (!rc && !strncmp(args->arg[1], "host:", 5)) {
		rc = adapter_attach(args, &at, &options, err);
		if (rc)
			text_error("%s", err);
		return rc ? 1 : 0;
	}
	if (!rc)
		rc = device_timeout(args->option[ATTACH_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = pdev_parse(&pdev, args->arg[1], &options, err,
				sizeof(err));
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc && pdev_by_us(&options))
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = ts_pdev_free(ts, &pdev, err, sizeof(err));
	if (!rc)
		rc = pdev_check(&pdev, &props, err, sizeof(err));
	if (!rc) {
		device_catch_signals();
		rc = ts_attach(ts, &req, err, sizeof(err));
	}
	if (rc) {
		text_error("%s", err);
	} else {
		vdev_format(&at, vdev);
		device_say_attached(&req, vdev, &props);
	}
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ----------------------------------------------------------------- detach */

int scsi_detach(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct ts_guest guest;
	struct pdev_vdev at;
	struct ts_request req = {
		.guest = &guest,
		.at = &at,
		.no_wait = args->option[DETACH_NO_WAIT] != NULL,
		.force = args->option[DETACH_FORCE] != NULL,
	};
	int rc;

	(void)command;
	rc = vdev_parse(&at, NULL, args->arg[1], err, sizeof(err));
	if (!rc)
		rc = device_timeout(args->option[DETACH_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (rc == -ENOENT && ts_kernel_left(ts, args->arg[0])) {
		rc = ts_kernel_sweep(ts, err, sizeof(err));
		goto out;
	}
	/* With --force it is for what is left when nobody answers any more. */
	if (!rc && !req.force && !ts_by_kernel(ts, &guest, &at) &&
	    ts_by_us(ts, &req))
		rc = device_check_daemon(args, err);
	if (!rc) {
		device_catch_signals();
		rc = ts_detach(ts, &req, err, sizeof(err));
	}
out:
	if (rc)
		text_error("%s", err);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ----------------------------------------------------------------- medium */

/* FILE as the medium of a drive, or none of FILE NULL. */
static int parse_medium(struct pdev *pdev, const char *file, char *err)
{
	char name[PATH_MAX + 8];

	if (!file) {
		strcpy(name, "cdrom:");
	} else if (!*file || pdev_is_cdrom(file)) {
		snprintf(err, TS_ERR_MAX,
			 "'%.64s' is no image of a CD; give the file", file);
		return -EINVAL;
	} else {
		snprintf(name, sizeof(name), "cdrom:%s", file);
	}
	return pdev_parse(pdev, name, NULL, err, TS_ERR_MAX);
}

static void say_medium(const struct ts_request *req, const char *vdev,
		       const struct pdev_props *props)
{
	char *guest = text_clean(req->guest->name);
	char *name = text_clean(req->pdev->name);
	char size[24];

	text_size(props->size, size);
	if (req->pdev->kind == PDEV_EMPTY)
		printf("guest %s has no medium in %s\n", guest, vdev);
	else
		printf("guest %s has a medium in %s: %s, %s\n", guest, vdev,
		       name, size);
	free(name);
	free(guest);
}

int scsi_change_medium(const struct command *command,
		       const struct cli_args *args)
{
	bool eject = args->option[MEDIUM_EJECT] != NULL;
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct pdev_props props;
	struct ts_guest guest;
	struct pdev_vdev at;
	struct pdev pdev;
	char vdev[VDEV_TEXT_MAX];
	struct ts_request req = {
		.guest = &guest,
		.at = &at,
		.pdev = &pdev,
		.force = args->option[MEDIUM_FORCE] != NULL,
	};
	int rc;

	(void)command;
	rc = vdev_parse(&at, NULL, args->arg[1], err, sizeof(err));
	if (!rc && eject != (args->n == 2)) {
		snprintf(err, sizeof(err),
			 "scsi-change-medium: give a FILE, or else --eject");
		rc = -EINVAL;
	}
	if (!rc)
		rc = device_timeout(args->option[MEDIUM_TIMEOUT],
				    &req.timeout_s, err);
	if (!rc)
		rc = parse_medium(&pdev, eject ? NULL : args->arg[2], err);
	if (!rc)
		rc = device_open(&ts, args, err);
	if (!rc)
		rc = device_check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = ts_pdev_free(ts, &pdev, err, sizeof(err));
	if (!rc)
		rc = pdev_check(&pdev, &props, err, sizeof(err));
	if (!rc) {
		device_catch_signals();
		rc = ts_change_medium(ts, &req, err, sizeof(err));
	}
	if (rc) {
		text_error("%s", err);
	} else {
		vdev_format(&at, vdev);
		say_medium(&req, vdev, &props);
	}
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ------------------------------------------------------------------- list */

/* What the list adds to xenstore's view. */
struct facts {
	bool sized;
	uint64_t size;
	const char *type, *vendor, *product, *revision;
	bool real;
	struct sgdev sg; /* if real */
	struct pdev_options options;
	char state[256];
};

/* One word for an administrator, of four numbers for the protocol. */
static void lun_state(const struct ts_lun *lun, char *out, size_t len)
{
	if (*lun->error)
		snprintf(out, len, "failed: %s", lun->error);
	else if (lun->front_dev_state == 6 && lun->dev_state == 4)
		snprintf(out, len, "refused by the guest");
	else if (lun->dev_state == 4 && lun->back_state != 4)
		snprintf(out, len, "%s", ts_state_name(lun->back_state));
	else
		snprintf(out, len, "%s", ts_state_name(lun->dev_state));
}

/* A real device says of itself what it is. */
static void find_device(const struct pdev *pdev, struct facts *facts)
{
	facts->real = true;
	facts->sg = pdev->sg;
	facts->type = sgdev_type(facts->sg.type);
	facts->vendor = facts->sg.vendor;
	facts->product = facts->sg.model;
	facts->revision = facts->sg.rev;
	if (!facts->sg.block[0])
		facts->sized = false;
}

/* What it was given by, and of a real device where that is now. */
static void pdev_text(const struct ts_lun *lun, const struct facts *facts,
		      char *out, size_t len)
{
	if (facts->real && strcmp(lun->pname, facts->sg.address))
		snprintf(out, len, "%s (%s)", lun->pname, facts->sg.address);
	else
		snprintf(out, len, "%s", lun->pname);
}

static void find_facts(const struct ts_lun *lun, struct facts *facts)
{
	char ignored[PDEV_ERR_MAX];
	struct pdev pdev;
	bool parsed;

	*facts = (struct facts){0};
	lun_state(lun, facts->state, sizeof(facts->state));
	/* Of one that others have made it is a name within the target; and of a
	 * driver domain's nothing is known here. */
	if ((lun->kernel && lun->pname[0] != '/') || !lun->own)
		return;
	/* Of what is at a target only it knows. */
	if (pdev_iscsi_is(lun->pname))
		return;
	facts->type = "disk";
	facts->sized = device_size(lun->pname, &facts->size);
	facts->vendor = lun->kernel ? "LIO-ORG" : "XENPV";
	facts->product = lun->kernel ? NULL : "DISK";
	facts->revision = lun->kernel ? NULL : "0001";
	parsed = !pdev_options_parse(&facts->options, lun->options, ignored,
				     sizeof(ignored));
	if (parsed && facts->options.product[0])
		facts->product = facts->options.product;
	if (pdev_parse(&pdev, lun->pname, parsed ? &facts->options : NULL,
		       ignored, sizeof(ignored)))
		return;
	if (pdev.cdrom) {
		facts->type = "cd/dvd";
		if (!facts->options.product[0])
			facts->product = "CD-ROM";
	}
	if (pdev.kind == PDEV_VTL) {
		facts->type = pdev.vtl_drive < 0 ? "changer" : "tape";
		facts->product =
			pdev.vtl_drive < 0 ? "VTL changer" : "Ultrium 6-VTL";
	}
	/* Of an image the file's size is not the disk's. */
	if (parsed && facts->options.format != PDEV_RAW)
		facts->sized = false;
	if (pdev.kind == PDEV_SG)
		find_device(&pdev, facts);
}

static const struct table_column columns[] = {
	{"Guest", 0},	{"Vdev", 0},  {"Type", 0}, {"Vendor", 0},
	{"Product", 0}, {"Rev", 0},   {"Size", 1}, {"Pdev", 0},
	{"Backend", 0}, {"State", 0}, {NULL, 0},
};

static void print_table(const void *ctx)
{
	const struct ts_list *list = ctx;
	struct table table;
	struct facts facts;
	char size[24], pdev[PATH_MAX + 40];

	table_init(&table, columns);
	for (size_t i = 0; i < list->n; i++) {
		const struct ts_lun *lun = &list->lun[i];

		find_facts(lun, &facts);
		text_size(facts.size, size);
		table_add(&table, lun->guest.name);
		table_add(&table, lun->vdev);
		table_add(&table, facts.type);
		table_add(&table, facts.vendor);
		table_add(&table, facts.product);
		table_add(&table, facts.revision);
		table_add(&table, facts.sized ? size : NULL);
		pdev_text(lun, &facts, pdev, sizeof(pdev));
		table_add(&table, pdev);
		table_add(&table, lun->kernel ? "kernel"
				  : lun->own  ? "xenpv"
					      : lun->server.name);
		table_add(&table, facts.state);
	}
	table_print(&table, stdout);
	table_free(&table);
}

static json_t *device_json(const struct sgdev *sg)
{
	char nodes[128];
	json_t *o = json_object();

	sgdev_nodes(&sgdev_host, sg, nodes, sizeof(nodes));
	json_object_set_new(o, "address", json_string(sg->address));
	json_object_set_new(o, "nodes", device_json_maybe(nodes));
	json_object_set_new(o, "wwid", device_json_maybe(sg->wwid));
	return o;
}

/* The keys are documented in xenpv(1): add to them, do not change them. */
static json_t *lun_json(const struct ts_lun *lun)
{
	struct facts facts;
	json_t *o = json_object();

	find_facts(lun, &facts);
	json_object_set_new(o, "guest", device_json_text(lun->guest.name));
	json_object_set_new(o, "domid", json_integer(lun->guest.domid));
	json_object_set_new(o, "vdev", device_json_text(lun->vdev));
	json_object_set_new(o, "controller", json_integer(lun->controller));
	json_object_set_new(o, "dev", json_integer(lun->dev));
	json_object_set_new(o, "backend",
			    json_string(lun->kernel ? "kernel" : "xenpv"));
	json_object_set_new(o, "backend_domain",
			    device_json_text(lun->server.name));
	json_object_set_new(o, "type", device_json_maybe(facts.type));
	json_object_set_new(o, "vendor", device_json_maybe(facts.vendor));
	json_object_set_new(o, "product", device_json_maybe(facts.product));
	json_object_set_new(o, "revision", device_json_maybe(facts.revision));
	json_object_set_new(o, "size",
			    facts.sized ? json_integer((json_int_t)facts.size)
					: json_null());
	json_object_set_new(o, "pdev", device_json_text(lun->pname));
	json_object_set_new(o, "pdev_resolved", device_json_text(lun->pdev));
	json_object_set_new(o, "options", device_json_text(lun->options));
	json_object_set_new(o, "device",
			    facts.real ? device_json(&facts.sg) : json_null());
	json_object_set_new(o, "state", device_json_text(facts.state));
	json_object_set_new(o, "dev_state", json_integer(lun->dev_state));
	json_object_set_new(o, "backend_state", json_integer(lun->back_state));
	json_object_set_new(o, "frontend_state",
			    json_integer(lun->front_state));
	json_object_set_new(o, "error", device_json_maybe(lun->error));
	return o;
}

static json_t *json_of(const void *ctx, size_t i)
{
	const struct ts_list *list = ctx;

	return i < list->n ? lun_json(&list->lun[i]) : NULL;
}

static int add(struct toolstack *ts, const struct ts_guest *guest, void *ctx,
	       char *err, size_t len)
{
	return ts_list_add(ts, guest, ctx, err, len);
}

int scsi_list(const struct command *command, const struct cli_args *args)
{
	static const struct device_lister lister = {
		.add = add, .print = print_table, .json = json_of};
	struct ts_list list = {0};
	int status;

	(void)command;
	status = device_list(args, &lister, &list);
	ts_list_free(&list);
	return status;
}
