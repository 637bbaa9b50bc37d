/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv libvirt-hook, libvirt-attach, libvirt-detach, domxml-to-vscsi. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/device.h"
#include "cli/text.h"
#include "control/devlist.h"
#include "control/domxml.h"
#include "control/pdev.h"
#include "control/toolstack.h"
#include "control/vdev.h"

#define AGAIN_S	   5 /* for a device that somebody is about to let go */
#define STOPPED_MS 20000
#define POLL_MS	   50

/* What a command works on. */
struct job {
	const struct cli_args *args;
	struct domxml xml;
	struct guest_file gf; /* the same as a list */
	struct devlist list;
	struct toolstack *ts;
	struct ts_guest guest;
	char err[GUEST_ERR_MAX];
};

/* ------------------------------------------------------------------ files */

/* All of F, the caller's to free; NULL and a line in ERR. */
static char *read_all(FILE *f, const char *file, size_t *size, char *err)
{
	char *text = malloc(DOMXML_SIZE_MAX + 1);

	*size = text ? fread(text, 1, DOMXML_SIZE_MAX + 1, f) : 0;
	if (text && !ferror(f))
		return text; /* one byte too many is refused by the parser */
	snprintf(err, TS_ERR_MAX, "%.200s cannot be read: %s", file,
		 strerror(errno));
	free(text);
	return NULL;
}

/* FILE, or standard input for "-". */
static int read_xml(struct job *job, const char *file)
{
	bool in = !strcmp(file, "-");
	const char *name = in ? "standard input" : file;
	FILE *f = in ? stdin : fopen(file, "re");
	char *text = NULL;
	size_t size;
	int rc = -EIO;

	if (f)
		text = read_all(f, name, &size, job->err);
	else
		snprintf(job->err, sizeof(job->err),
			 "%.200s cannot be read: %s", file, strerror(errno));
	if (text)
		rc = domxml_parse(&job->xml, name, text, size, job->err,
				  sizeof(job->err));
	free(text);
	if (f && !in)
		fclose(f);
	return rc;
}

static int finish(struct job *job, int rc)
{
	if (rc)
		text_error("%s", job->err);
	ts_close(job->ts);
	devlist_free(&job->list);
	guest_file_free(&job->gf);
	domxml_free(&job->xml);
	return rc ? 1 : 0;
}

/* ---------------------------------------------------------------- one LUN */

static int attach(struct job *job, const struct domxml_dev *dev,
		  unsigned int timeout_s)
{
	struct pdev_props props;
	struct pdev pdev;
	char vdev[VDEV_TEXT_MAX];
	struct ts_request req = {
		.guest = &job->guest,
		.at = &dev->at,
		.pdev = &pdev,
		.timeout_s = timeout_s,
		.no_wait = job->args->option[ATTACH_NO_WAIT] != NULL,
	};
	int rc;

	rc = domxml_pdev(dev, &pdev, job->err, sizeof(job->err));
	if (!rc)
		rc = ts_pdev_free(job->ts, &pdev, job->err, sizeof(job->err));
	if (!rc)
		rc = pdev_check(&pdev, &props, job->err, sizeof(job->err));
	if (!rc)
		rc = ts_attach(job->ts, &req, job->err, sizeof(job->err));
	if (rc)
		return rc;
	vdev_format(&dev->at, vdev);
	device_say_attached(&req, vdev, &props);
	return 0;
}

/* ------------------------------------------------------------------- list */

static int add_item(struct job *job, const struct domxml_dev *dev)
{
	char text[PATH_MAX + VDEV_TEXT_MAX + PDEV_OPTIONS_MAX + 2];
	char vdev[VDEV_TEXT_MAX], options[PDEV_OPTIONS_MAX];
	struct guest_item *item;
	struct pdev pdev;
	int rc;

	rc = domxml_pdev(dev, &pdev, job->err, sizeof(job->err));
	if (rc)
		return rc;
	vdev_format(&dev->at, vdev);
	pdev_options_format(&pdev.options, options);
	snprintf(text, sizeof(text), "%s,%s%s%s", pdev.name, vdev,
		 *options ? "," : "", options);
	rc = guest_file_add(&job->gf, false, text, job->err, sizeof(job->err));
	if (rc)
		return rc;
	item = &job->gf.item[job->gf.n - 1];
	if (asprintf(&item->where, "<hostdev> of line %ld", dev->line) < 0)
		item->where = NULL; /* then messages are without */
	return 0;
}

/* The devices of a domain, as its file for xl would list them. */
static int make_list(struct job *job)
{
	int rc;

	rc = domxml_place(&job->xml, NULL, NULL, job->err, sizeof(job->err));
	for (size_t i = 0; i < job->xml.n && !rc; i++)
		rc = add_item(job, &job->xml.dev[i]);
	return rc;
}

/* ------------------------------------------------------------------- hook */

/* Before the domain is made: a reason not to is said here, by libvirt. */
static int hook_start(struct job *job)
{
	int rc;

	rc = device_check_daemon(job->args, job->err);
	if (!rc)
		rc = make_list(job);
	if (!rc)
		rc = devlist_resolve(&job->list, &job->gf, job->err,
				     sizeof(job->err));
	if (!rc)
		rc = devlist_check(&job->list, job->ts, UINT32_MAX, AGAIN_S,
				   job->err, sizeof(job->err));
	return rc;
}

/* It is there, and may run already; who waits here keeps libvirt waiting. */
static int hook_started(struct job *job)
{
	char number[16];
	int rc;

	if (!job->xml.has_id) {
		snprintf(job->err, sizeof(job->err),
			 "the XML of a domain that has started lacks its id: "
			 "which libvirt is this?");
		return -EINVAL;
	}
	snprintf(number, sizeof(number), "%u", job->xml.id);
	rc = hook_start(job);
	if (!rc)
		rc = ts_guest_find(job->ts, number, &job->guest, job->err,
				   sizeof(job->err));
	return rc ? rc
		  : devlist_attach(&job->list, job->ts, &job->guest, 0,
				   job->err, sizeof(job->err));
}

/*
 * The domain is gone, and xenpvd lets go of its devices. Who stops one may start
 * another one with the same devices next, or, when it reboots, this one: they
 * are free when libvirt says that it is off.
 */
static int hook_stopped(struct job *job)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000};
	const struct ts_guest gone = {.domid = job->xml.id};
	int rc;

	rc = ts_kernel_sweep(job->ts, job->err, sizeof(job->err));
	if (!rc && job->xml.has_id)
		rc = device_check_daemon(job->args, job->err);
	if (rc || !job->xml.has_id)
		return rc;
	for (int i = 0; i < STOPPED_MS / POLL_MS; i++) {
		struct ts_list left = {0};
		bool none;

		rc = ts_list_add(job->ts, &gone, &left, job->err,
				 sizeof(job->err));
		none = !left.n;
		ts_list_free(&left);
		if (rc || none)
			return rc;
		nanosleep(&pause, NULL);
	}
	snprintf(job->err, sizeof(job->err),
		 "xenpvd has not let go of the devices of domain %u, which has "
		 "ended, within %d s: see its log",
		 job->xml.id, STOPPED_MS / 1000);
	return -ETIMEDOUT;
}

/* Operations of libvirt's hook; others are none of ours. */
static const struct hook {
	const char *name;
	int (*run)(struct job *job);
} hooks[] = {
	{"start", hook_start},
	{"started", hook_started},
	{"stopped", hook_stopped},
	{"release", hook_stopped},
};

int libvirt_hook(const struct command *command, const struct cli_args *args)
{
	struct job job = {.args = args};
	const struct hook *hook = NULL;
	int rc;

	(void)command;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(hooks); i++)
		if (!strcmp(args->arg[1], hooks[i].name))
			hook = &hooks[i];
	if (!hook)
		return 0;
	rc = read_xml(&job, "-");
	if (!rc && !job.xml.is_domain) {
		rc = -EINVAL;
		snprintf(job.err, sizeof(job.err),
			 "standard input is one device, not a <domain>: "
			 "libvirt-hook is run by libvirt, see xenpv(1)");
	}
	/* Most domains have none: nothing of theirs depends on us. */
	if (!rc && job.xml.n) {
		rc = device_open(&job.ts, args, job.err);
		if (!rc)
			rc = hook->run(&job);
	}
	return finish(&job, rc);
}

/* --------------------------------------------------------- attach, detach */

static bool is_taken(const struct pdev_vdev *at, void *ctx)
{
	const struct ts_list *list = ctx;

	for (size_t i = 0; i < list->n; i++)
		if (vdev_is(at, list->lun[i].vdev))
			return true;
	return false;
}

/* One device, and the guest. */
static int begin(struct job *job, struct ts_list *list)
{
	const char *file = job->args->arg[1];
	int rc;

	rc = read_xml(job, file);
	if (!rc && job->xml.is_domain) {
		snprintf(job->err, sizeof(job->err),
			 "%.200s is a whole <domain>: give a file with one "
			 "<hostdev>, as for 'virsh attach-device'",
			 file);
		rc = -EINVAL;
	}
	if (!rc)
		rc = device_open(&job->ts, job->args, job->err);
	if (!rc)
		rc = device_check_daemon(job->args, job->err);
	if (!rc)
		rc = ts_guest_find(job->ts, job->args->arg[0], &job->guest,
				   job->err, sizeof(job->err));
	if (!rc)
		rc = ts_list_add(job->ts, &job->guest, list, job->err,
				 sizeof(job->err));
	return rc;
}

int libvirt_attach(const struct command *command, const struct cli_args *args)
{
	struct job job = {.args = args};
	struct ts_list list = {0};
	unsigned int timeout_s;
	int rc;

	(void)command;
	rc = device_timeout(args->option[ATTACH_TIMEOUT], &timeout_s, job.err);
	if (!rc)
		rc = begin(&job, &list);
	if (!rc)
		rc = domxml_place(&job.xml, is_taken, &list, job.err,
				  sizeof(job.err));
	if (!rc) {
		device_catch_signals();
		rc = attach(&job, &job.xml.dev[0], timeout_s);
	}
	ts_list_free(&list);
	return finish(&job, rc);
}

/*
 * Where the guest has the device that the XML names; if the XML says where, too,
 * it must be there: another device may have that place by now. One that the host
 * has lost is known by its address alone.
 */
static int find_place(struct job *job, const struct ts_list *list)
{
	struct domxml_dev *dev = &job->xml.dev[0];
	char address[VDEV_TEXT_MAX], ignored[PDEV_ERR_MAX];
	struct pdev_vdev at;
	struct pdev pdev;
	int rc;

	vdev_format(&dev->from, address);
	rc = domxml_pdev(dev, &pdev, job->err, sizeof(job->err));
	if (rc && rc != -ENODEV)
		return rc;
	for (size_t i = 0; i < list->n; i++) {
		const struct ts_lun *lun = &list->lun[i];

		if (rc ? strcmp(lun->pname, address)
		       : strcmp(lun->pdev, pdev.path))
			continue;
		if (pdev_vdev_parse(&at, lun->vdev, ignored, sizeof(ignored)) ||
		    (dev->placed && !vdev_is(&dev->at, lun->vdev)))
			continue;
		dev->at = at;
		return 0;
	}
	if (!rc)
		snprintf(job->err, sizeof(job->err),
			 "guest '%.200s' has not the device '%.200s'%s: see "
			 "'xenpv scsi-list'",
			 job->guest.name, pdev.name,
			 dev->placed ? " at this <address>" : "");
	return rc ? rc : -ENOENT;
}

int libvirt_detach(const struct command *command, const struct cli_args *args)
{
	struct job job = {.args = args};
	struct ts_list list = {0};
	struct ts_request req = {
		.guest = &job.guest,
		.no_wait = args->option[DETACH_NO_WAIT] != NULL,
		.force = args->option[DETACH_FORCE] != NULL,
	};
	int rc;

	(void)command;
	rc = device_timeout(args->option[DETACH_TIMEOUT], &req.timeout_s,
			    job.err);
	if (!rc)
		rc = begin(&job, &list);
	if (!rc)
		rc = find_place(&job, &list);
	if (!rc) {
		req.at = &job.xml.dev[0].at;
		device_catch_signals();
		rc = ts_detach(job.ts, &req, job.err, sizeof(job.err));
	}
	ts_list_free(&list);
	return finish(&job, rc);
}

/* ---------------------------------------------------------------- convert */

int domxml_to_vscsi(const struct command *command, const struct cli_args *args)
{
	struct job job = {.args = args};
	int rc;

	(void)command;
	rc = read_xml(&job, args->arg[0]);
	if (!rc)
		rc = make_list(&job);
	/* All or nothing. */
	if (!rc) {
		printf("vscsi = [\n");
		for (size_t i = 0; i < job.gf.n; i++)
			printf("    '%s',\n", job.gf.item[i].text);
		printf("]\n");
	}
	return finish(&job, rc);
}
