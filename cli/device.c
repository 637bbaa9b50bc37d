/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands for devices share: see device.h. */
#include "cli/device.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli/daemon.h"
#include "cli/text.h"
#include "control/pdev.h"

#define TIMEOUT_S     30
#define TIMEOUT_S_MAX 86400

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

void device_catch_signals(void)
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

int device_open(struct toolstack **ts, const struct cli_args *args, char *err)
{
	struct ts_cfg cfg = {
		.site = args->site,
		.stop = &stop,
		.step = args->verbose ? print_step : NULL,
	};

	return ts_open(ts, &cfg, err, TS_ERR_MAX);
}

int device_check_daemon(const struct cli_args *args, char *err)
{
	json_t *reply = NULL;
	int rc = daemon_ask(args->site, "ping", &reply, err, TS_ERR_MAX);

	json_decref(reply);
	return rc;
}

int device_timeout(const char *text, unsigned int *seconds, char *err)
{
	uint64_t n = TIMEOUT_S;

	if (text && !text_number(text, 1, TIMEOUT_S_MAX, &n)) {
		snprintf(err, TS_ERR_MAX,
			 "timeout '%s' is not a number of seconds from 1 to "
			 "%d: try --timeout 60, or --no-wait",
			 text, TIMEOUT_S_MAX);
		return -EINVAL;
	}
	*seconds = (unsigned int)n;
	return 0;
}

void device_say_attached(const struct ts_request *req, const char *vdev,
			 const struct pdev_props *props)
{
	char *guest = text_clean(req->guest->name);
	char *name = text_clean(req->pdev->name);
	const struct sgdev *sg = &req->pdev->sg;
	char *what = NULL;
	char text[96];

	if (req->pdev->kind == PDEV_SG) {
		snprintf(text, sizeof(text), "%s %s (%s, %s)", sg->vendor,
			 sg->model, sg->sg, sg->address);
		what = text_clean(text);
	} else if (req->pdev->kind == PDEV_ISCSI) {
		what = text_clean(props->model);
	} else if (req->pdev->kind == PDEV_VTL) {
		snprintf(text, sizeof(text), "%s, serial number %s",
			 req->pdev->vtl_drive < 0 ? "changer" : "tape drive",
			 props->serial);
	} else if (req->pdev->kind == PDEV_ELSEWHERE) {
		snprintf(text, sizeof(text), "of domain %s",
			 req->pdev->options.backend);
	} else if (req->pdev->kind == PDEV_EMPTY) {
		snprintf(text, sizeof(text), "no medium");
	} else {
		text_size(props->size, text);
	}
	printf(req->no_wait ? "guest %s will get %s: %s, %s%s\n"
			    : "guest %s has %s: %s, %s%s\n",
	       guest, vdev, name, what ? what : text,
	       props->read_only ? ", read-only" : "");
	free(what);
	free(name);
	free(guest);
}

void device_say_list(const struct devlist *list, const struct ts_guest *guest,
		     bool will)
{
	for (size_t i = 0; i < list->gf->n; i++) {
		const struct guest_item *item = &list->gf->item[i];
		struct ts_request req = {.guest = guest,
					 .pdev = &list->pdev[i],
					 .no_wait = will};
		char vdev[VDEV_TEXT_MAX];

		if (list->had[i])
			continue;
		vdev_format(&item->at, vdev);
		device_say_attached(&req, item->disk ? item->spec->vdev : vdev,
				    &list->props[i]);
	}
}

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

bool device_size(const char *pname, uint64_t *size)
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

json_t *device_json_text(const char *text)
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

json_t *device_json_maybe(const char *text)
{
	return text && *text ? device_json_text(text) : json_null();
}

static void print_json(const struct device_lister *lister, const void *list)
{
	json_t *all = json_array(), *item;

	for (size_t i = 0; (item = lister->json(list, i)); i++)
		json_array_append_new(all, item);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int device_list(const struct cli_args *args, const struct device_lister *lister,
		void *list)
{
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";
	struct ts_guest guest;
	int rc, status = 0;

	rc = device_open(&ts, args, err);
	if (!rc && !args->n)
		rc = lister->add(ts, NULL, list, err, sizeof(err));
	/* As ls does: an unknown one is reported, the others are listed. */
	for (int i = 0; !rc && i < args->n; i++) {
		if (ts_guest_find(ts, args->arg[i], &guest, err, sizeof(err))) {
			text_error("%s", err);
			status = 1;
			continue;
		}
		rc = lister->add(ts, &guest, list, err, sizeof(err));
	}
	if (rc)
		text_error("%s", err);
	else if (args->option[LIST_JSON])
		print_json(lister, list);
	else
		lister->print(list);
	ts_close(ts);
	return rc ? 1 : status;
}
