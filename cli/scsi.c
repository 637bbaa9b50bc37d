/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv scsi-attach, scsi-detach, scsi-list. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/pdev.h"
#include "control/toolstack.h"
#include "control/vdev.h"

#define TIMEOUT_S     30
#define TIMEOUT_S_MAX 86400

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* A signal while we wait means: take it back, then end. */
static void catch_signals(void)
{
	static const int sig[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(sig); i++)
		sigaction(sig[i], &sa, NULL);
}

static void print_step(const char *line)
{
	text_error("%s", line);
}

static int open_toolstack(struct toolstack **ts, const struct cli_args *args,
			  char *err)
{
	struct ts_cfg cfg = {
		.site = args->site,
		.stop = &stop,
		.step = args->verbose ? print_step : NULL,
	};

	return ts_open(ts, &cfg, err, TS_ERR_MAX);
}

/* Nobody would serve what we write: then it is not written. */
static int check_daemon(const struct cli_args *args, char *err)
{
	json_t *reply = NULL;
	int rc = daemon_ask(args->site, "ping", &reply, err, TS_ERR_MAX);

	json_decref(reply);
	return rc;
}

static int parse_timeout(const char *text, unsigned int *seconds, char *err)
{
	unsigned long n = 0;
	char *end;

	*seconds = TIMEOUT_S;
	if (!text)
		return 0;
	if (*text >= '0' && *text <= '9') {
		errno = 0;
		n = strtoul(text, &end, 10);
		if (errno || *end)
			n = 0;
	}
	if (!n || n > TIMEOUT_S_MAX) {
		snprintf(err, TS_ERR_MAX,
			 "timeout '%s' is not a number of seconds from 1 to "
			 "%d: try --timeout 60, or --no-wait",
			 text, TIMEOUT_S_MAX);
		return -EINVAL;
	}
	*seconds = (unsigned int)n;
	return 0;
}

/* ----------------------------------------------------------------- attach */

static void say_attached(const struct ts_request *req, const char *vdev,
			 const struct pdev_props *props)
{
	char *guest = text_clean(req->guest->name);
	char *name = text_clean(req->pdev->name);
	char size[24];

	text_size(props->size, size);
	printf(req->no_wait ? "guest %s will get %s: %s, %s%s\n"
			    : "guest %s has %s: %s, %s%s\n",
	       guest, vdev, name, size, props->read_only ? ", read-only" : "");
	free(name);
	free(guest);
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
	if (!rc)
		rc = parse_timeout(args->option[ATTACH_TIMEOUT], &req.timeout_s,
				   err);
	if (!rc)
		rc = pdev_parse(&pdev, args->arg[1], &options, err,
				sizeof(err));
	if (!rc)
		rc = open_toolstack(&ts, args, err);
	if (!rc)
		rc = check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc)
		rc = ts_pdev_free(ts, &pdev, err, sizeof(err));
	if (!rc)
		rc = pdev_check(&pdev, &props, err, sizeof(err));
	if (!rc) {
		catch_signals();
		rc = ts_attach(ts, &req, err, sizeof(err));
	}
	if (rc) {
		text_error("%s", err);
	} else {
		vdev_format(&at, vdev);
		say_attached(&req, vdev, &props);
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
		rc = parse_timeout(args->option[DETACH_TIMEOUT], &req.timeout_s,
				   err);
	if (!rc)
		rc = open_toolstack(&ts, args, err);
	/* With --force it is for what is left when nobody answers any more. */
	if (!rc && !req.force)
		rc = check_daemon(args, err);
	if (!rc)
		rc = ts_guest_find(ts, args->arg[0], &guest, err, sizeof(err));
	if (!rc) {
		catch_signals();
		rc = ts_detach(ts, &req, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	ts_close(ts);
	return rc ? 1 : 0;
}

/* ------------------------------------------------------------------- list */

/* What the list adds to xenstore's view. */
struct facts {
	bool known; /* a LUN of ours: type, vendor, product, revision */
	bool sized;
	uint64_t size;
	const char *vendor, *product, *revision;
	struct pdev_options options;
	char state[256];
};

/* Bytes of a block device, of sysfs: opening it could start a medium. */
static bool block_size(dev_t dev, uint64_t *size)
{
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev),
		 minor(dev));
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%" SCNu64, size) == 1;
	fclose(f);
	*size *= 512;
	return ok;
}

static bool pdev_size(const char *pname, uint64_t *size)
{
	char ignored[PDEV_ERR_MAX];
	struct pdev pdev;
	struct stat st;

	if (pdev_parse(&pdev, pname, NULL, ignored, sizeof(ignored)))
		return false;
	if (pdev.kind == PDEV_NULL) {
		*size = pdev.null_size;
		return true;
	}
	if (stat(pdev.path, &st))
		return false;
	if (S_ISBLK(st.st_mode))
		return block_size(st.st_rdev, size);
	*size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode);
}

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

static void find_facts(const struct ts_lun *lun, struct facts *facts)
{
	char ignored[PDEV_ERR_MAX];

	*facts = (struct facts){0};
	lun_state(lun, facts->state, sizeof(facts->state));
	if (lun->kernel)
		return; /* its pdev is a name within the kernel's target */
	facts->known = true;
	facts->sized = pdev_size(lun->pname, &facts->size);
	facts->vendor = "XENPV";
	facts->product = "DISK";
	facts->revision = "0001";
	if (pdev_options_parse(&facts->options, lun->options, ignored,
			       sizeof(ignored)))
		return;
	if (facts->options.product[0])
		facts->product = facts->options.product;
	/* Of an image the file's size is not the disk's. */
	if (facts->options.format != PDEV_RAW)
		facts->sized = false;
}

static const struct table_column columns[] = {
	{"Guest", 0},	{"Vdev", 0},  {"Type", 0}, {"Vendor", 0},
	{"Product", 0}, {"Rev", 0},   {"Size", 1}, {"Pdev", 0},
	{"Backend", 0}, {"State", 0}, {NULL, 0},
};

static void print_table(const struct ts_list *list)
{
	struct table table;
	struct facts facts;
	char size[24];

	table_init(&table, columns);
	for (size_t i = 0; i < list->n; i++) {
		const struct ts_lun *lun = &list->lun[i];

		find_facts(lun, &facts);
		text_size(facts.size, size);
		table_add(&table, lun->guest.name);
		table_add(&table, lun->vdev);
		table_add(&table, facts.known ? "disk" : NULL);
		table_add(&table, facts.vendor);
		table_add(&table, facts.product);
		table_add(&table, facts.revision);
		table_add(&table, facts.sized ? size : NULL);
		table_add(&table, lun->pname);
		table_add(&table, lun->kernel ? "kernel" : "xenpv");
		table_add(&table, facts.state);
	}
	table_print(&table, stdout);
	table_free(&table);
}

/* A string that jansson takes: what is not UTF-8 is escaped as in tables. */
static json_t *json_text(const char *text)
{
	json_t *value = json_string(text);
	char *clean;

	if (value)
		return value;
	clean = text_clean(text);
	value = json_string(clean);
	free(clean);
	return value;
}

static json_t *json_maybe(const char *text)
{
	return text && *text ? json_text(text) : json_null();
}

/* The keys are documented in xenpv(1): add to them, do not change them. */
static json_t *lun_json(const struct ts_lun *lun)
{
	struct facts facts;
	json_t *o = json_object();

	find_facts(lun, &facts);
	json_object_set_new(o, "guest", json_text(lun->guest.name));
	json_object_set_new(o, "domid", json_integer(lun->guest.domid));
	json_object_set_new(o, "vdev", json_text(lun->vdev));
	json_object_set_new(o, "controller", json_integer(lun->controller));
	json_object_set_new(o, "dev", json_integer(lun->dev));
	json_object_set_new(o, "backend",
			    json_string(lun->kernel ? "kernel" : "xenpv"));
	json_object_set_new(o, "type", json_maybe(facts.known ? "disk" : NULL));
	json_object_set_new(o, "vendor", json_maybe(facts.vendor));
	json_object_set_new(o, "product", json_maybe(facts.product));
	json_object_set_new(o, "revision", json_maybe(facts.revision));
	json_object_set_new(o, "size",
			    facts.sized ? json_integer((json_int_t)facts.size)
					: json_null());
	json_object_set_new(o, "pdev", json_text(lun->pname));
	json_object_set_new(o, "pdev_resolved", json_text(lun->pdev));
	json_object_set_new(o, "options", json_text(lun->options));
	json_object_set_new(o, "state", json_text(facts.state));
	json_object_set_new(o, "dev_state", json_integer(lun->dev_state));
	json_object_set_new(o, "backend_state", json_integer(lun->back_state));
	json_object_set_new(o, "frontend_state",
			    json_integer(lun->front_state));
	json_object_set_new(o, "error", json_maybe(lun->error));
	return o;
}

static void print_json(const struct ts_list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(all, lun_json(&list->lun[i]));
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int scsi_list(const struct command *command, const struct cli_args *args)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct ts_list list = {0};
	struct ts_guest guest;
	int rc, status = 0;

	(void)command;
	rc = open_toolstack(&ts, args, err);
	if (!rc && !args->n)
		rc = ts_list_add(ts, NULL, &list, err, sizeof(err));
	/* As ls does: an unknown one is reported, the others are listed. */
	for (int i = 0; !rc && i < args->n; i++) {
		if (ts_guest_find(ts, args->arg[i], &guest, err, sizeof(err))) {
			text_error("%s", err);
			status = 1;
			continue;
		}
		rc = ts_list_add(ts, &guest, &list, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	else if (args->option[LIST_JSON])
		print_json(&list);
	else
		print_table(&list);
	ts_list_free(&list);
	ts_close(ts);
	return rc ? 1 : status;
}
