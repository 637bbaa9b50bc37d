/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv scsi-devices: what SCSI devices the host has, and who uses them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/pdev.h"
#include "control/sgdev.h"
#include "control/toolstack.h"

/* A real device of a guest. */
struct owned {
	char address[sizeof(((struct sgdev *)0)->address)];
	const struct ts_lun *lun;
};

/* What is listed, and what it is looked up in. */
struct listing {
	struct ts_list guests;
	struct owned *owned;
	size_t nowned;
	struct sgdev_users users;
	struct table table;
	json_t *json; /* NULL: the table is wanted */
};

struct facts {
	char name[256], nodes[128], use[256];
};

/* Which of the guests' LUNs are real devices. */
static int find_owned(struct listing *all)
{
	struct pdev_options options;
	char ignored[PDEV_ERR_MAX];
	struct pdev pdev;

	all->owned = calloc(all->guests.n + 1, sizeof(*all->owned));
	if (!all->owned)
		return -1;
	for (size_t i = 0; i < all->guests.n; i++) {
		const struct ts_lun *lun = &all->guests.lun[i];
		struct owned *o = &all->owned[all->nowned];

		if (lun->kernel ||
		    pdev_options_parse(&options, lun->options, ignored,
				       sizeof(ignored)) ||
		    pdev_parse(&pdev, lun->pname, &options, ignored,
			       sizeof(ignored)) ||
		    pdev.kind != PDEV_SG)
			continue;
		strcpy(o->address, pdev.sg.address);
		o->lun = lun;
		all->nowned++;
	}
	return 0;
}

/* Guests first: their workers are programs that have it open. */
static void find_use(const struct listing *all, const struct sgdev *dev,
		     char *text, size_t len)
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < all->nowned && n < len; i++)
		if (!strcmp(all->owned[i].address, dev->address))
			n += (size_t)snprintf(
				text + n, len - n, "%sguest %.64s as %s",
				n ? ", " : "", all->owned[i].lun->guest.name,
				all->owned[i].lun->vdev);
	if (!n)
		sgdev_holder(&sgdev_host, dev, text, len);
	if (!text[0])
		sgdev_user(&sgdev_host, &all->users, dev, text, len);
}

/* The keys are documented in xenpv(1): add to them, do not change them. */
static json_t *device_json(const struct sgdev *dev, const struct facts *facts)
{
	json_t *o = json_object();

	json_object_set_new(o, "address", json_string(dev->address));
	json_object_set_new(o, "type", json_string(sgdev_type(dev->type)));
	json_object_set_new(o, "vendor", device_json_maybe(dev->vendor));
	json_object_set_new(o, "product", device_json_maybe(dev->model));
	json_object_set_new(o, "revision", device_json_maybe(dev->rev));
	json_object_set_new(o, "serial", device_json_maybe(dev->serial));
	json_object_set_new(o, "wwid", device_json_maybe(dev->wwid));
	json_object_set_new(o, "name", device_json_maybe(facts->name));
	json_object_set_new(o, "nodes", device_json_maybe(facts->nodes));
	json_object_set_new(o, "used_by", device_json_maybe(facts->use));
	return o;
}

static void add_device(void *ctx, const struct sgdev *dev)
{
	struct listing *all = ctx;
	struct facts facts;

	sgdev_nodes(&sgdev_host, dev, facts.nodes, sizeof(facts.nodes));
	sgdev_name(&sgdev_host, "/dev", dev, facts.name, sizeof(facts.name));
	find_use(all, dev, facts.use, sizeof(facts.use));
	if (all->json) {
		json_array_append_new(all->json, device_json(dev, &facts));
		return;
	}
	table_add(&all->table, dev->address);
	table_add(&all->table, sgdev_type(dev->type));
	table_add(&all->table, dev->vendor);
	table_add(&all->table, dev->model);
	table_add(&all->table, dev->rev);
	table_add(&all->table, dev->serial);
	table_add(&all->table, facts.name);
	table_add(&all->table, facts.nodes);
	table_add(&all->table, facts.use);
}

static const struct table_column columns[] = {
	{"Address", 0}, {"Type", 0}, {"Vendor", 0}, {"Product", 0}, {"Rev", 0},
	{"Serial", 0},	{"Name", 0}, {"Nodes", 0},  {"Used by", 0}, {NULL, 0},
};

static void print(struct listing *all, bool json)
{
	all->json = json ? json_array() : NULL;
	table_init(&all->table, columns);
	sgdev_each(&sgdev_host, add_device, all);
	if (json) {
		json_dumpf(all->json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		table_print(&all->table, stdout);
	}
	json_decref(all->json);
	table_free(&all->table);
}

int scsi_devices(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct listing all = {0};
	int rc;

	(void)command;
	rc = device_open(&ts, args, err);
	if (!rc)
		rc = ts_list_add(ts, NULL, &all.guests, err, sizeof(err));
	if (!rc &&
	    (find_owned(&all) || sgdev_users_read(&sgdev_host, &all.users))) {
		snprintf(err, sizeof(err), "out of memory: try again");
		rc = -1;
	}
	if (rc)
		text_error("%s", err);
	else
		print(&all, args->option[LIST_JSON] != NULL);
	free(all.owned);
	sgdev_users_free(&all.users);
	ts_list_free(&all.guests);
	ts_close(ts);
	return rc ? 1 : 0;
}
