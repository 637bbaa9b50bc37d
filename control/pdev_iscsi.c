/* SPDX-License-Identifier: BSD-2-Clause */
/* LUNs of iSCSI targets: see pdev_iscsi.h. */
#include "control/pdev_iscsi.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/fail.h"
#include "control/iscsi_login.h"
#include "control/pdev_sg.h"
#include "control/portal.h"
#include "control/probe.h"
#include "scsi/bytes.h"

#define PREFIX	"iscsi://"
#define PORT	"3260" /* IANA's */
#define LUN_MAX 16383  /* what flat addressing has room for */

/* SPC-4: 6.6.2, and the status and sense key that count here. */
#define QUALIFIER     0xe0 /* of the first byte of INQUIRY data: there is a LUN */
#define TYPE_DISK     0x00
#define CHECK	      0x02
#define KEY_ATTENTION 0x06

struct place {
	struct portal portal;
	char target[ISCSI_NAME_MAX];
	uint32_t lun;
};

/* ------------------------------------------------------------------- names */

bool pdev_iscsi_is(const char *name)
{
	return !strncmp(name, "iscsi:", 6);
}

static bool split(struct place *p, const char *name)
{
	const char *text = name + strlen(PREFIX);
	unsigned long lun;
	size_t n;

	memset(p, 0, sizeof(*p));
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    !portal_split(&p->portal, &text, PORT) || *text++ != '/')
		return false;
	n = strcspn(text, "/");
	if (!n || n >= sizeof(p->target) || text[n] != '/')
		return false;
	for (size_t i = 0; i < n; i++) /* names do not tell case apart */
		p->target[i] = (char)tolower((unsigned char)text[i]);
	text += n + 1;
	if (!iscsi_name_ok(p->target) || !pdev_number(&text, LUN_MAX, &lun) ||
	    *text)
		return false;
	p->lun = (uint32_t)lun;
	return true;
}

int pdev_iscsi_parse(struct pdev *pdev, const char *name, char *err, size_t len)
{
	char portal[PORTAL_TEXT_MAX];
	struct place p;
	int rc;

	if (strchr(name, '@'))
		return fail(
			err, len, -EINVAL,
			"pdev 'iscsi:...' has a user in it, and guests can read it; /etc/xenpv/iscsi-logins is the place for users and passwords");
	if (!split(&p, name))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is not iscsi://HOST[:PORT]/TARGET/LUN, as iscsi://san/iqn.2026-01.org.example:tapes/1",
			name);
	if (pdev->options.no_scsi)
		return fail(err, len, -EINVAL,
			    "pdev '%.200s' is a SCSI device; use scsi-attach",
			    name);
	rc = pdev_sg_check_said(pdev, name, err, len);
	if (rc)
		return rc;
#ifndef XENPV_ISCSI
	return fail(err, len, -EOPNOTSUPP,
		    "pdev '%.200s': this xenpv was built without libiscsi",
		    name);
#endif
	pdev->kind = PDEV_ISCSI;
	strcpy(pdev->name, name);
	portal_format(&p.portal, portal);
	snprintf(pdev->path, sizeof(pdev->path), PREFIX "%s/%s/%" PRIu32,
		 portal, p.target, p.lun);
	return 0;
}

/* Not by the portal: a target may have several. */
void pdev_iscsi_id(const struct pdev *pdev, char *id)
{
	const char *target = strchr(pdev->path + strlen(PREFIX), '/');

	snprintf(id, PDEV_ID_MAX, "iscsi:%016" PRIx64, probe_naa(target));
}

#ifdef XENPV_ISCSI

/* ---------------------------------------------------------------- sessions */

static int find_login(const struct pdev *pdev, const struct place *p,
		      struct iscsi_login *login, char *err, size_t len)
{
	char why[PDEV_ERR_MAX - 64];
	int rc;

	memset(login, 0, sizeof(*login));
	strcpy(login->target, p->target);
	login->lun = p->lun;
	rc = iscsi_login_find(login, why, sizeof(why));
	if (rc)
		fail(err, len, rc, "pdev '%.100s': %s", pdev->name, why);
	return rc;
}

static unsigned int patience(const struct pdev *pdev)
{
	return pdev->again ? PDEV_ISCSI_AGAIN_MS : PDEV_ISCSI_MS;
}

static int connect_to(const struct pdev *pdev, const struct place *p, int *fd,
		      char *err, size_t len)
{
	char why[128];
	int rc = portal_connect(&p->portal, patience(pdev), fd, why,
				sizeof(why));

	if (rc)
		fail(err, len, rc, "pdev '%.200s': %s:%s: %s", pdev->name,
		     p->portal.host, p->portal.port, why);
	return rc;
}

/* A command, and whether it is over. */
struct question {
	struct iscsi_cmd cmd;
	bool over;
};

static void replied(struct iscsi_cmd *cmd)
{
	((struct question *)cmd)->over = true;
}

/* The first IN_MAX bytes of the answer to CDB, of LEN bytes, to IN; zeroes where
 * it has fewer. 0 or a negative errno: -EIO: an error of the LUN. */
static int ask(struct iscsi_link *link, const uint8_t *cdb, uint8_t len,
	       uint8_t *in, uint32_t in_max, unsigned int ms)
{
	struct question q;
	int rc, tries = 10; /* unit attentions */

	do {
		memset(&q, 0, sizeof(q));
		memcpy(q.cmd.cdb, cdb, len);
		memset(in, 0, in_max);
		q.cmd.cdb_len = len;
		q.cmd.data = in;
		q.cmd.in_max = in_max;
		q.cmd.done = replied;
		rc = iscsi_link_send(link, &q.cmd);
		if (!rc)
			rc = iscsi_link_wait(link, &q.over, ms);
		if (!rc && q.cmd.end != ISCSI_ANSWERED)
			rc = -EPROTO;
	} while (!rc && q.cmd.status == CHECK && q.cmd.sense_len > 2 &&
		 (q.cmd.sense[2] & 0xf) == KEY_ATTENTION && --tries);
	if (rc)
		return rc;
	return q.cmd.status ? -EIO : 0;
}

/* VENDOR and PRODUCT IDENTIFICATION, without the spaces behind them. */
static void name_model(const uint8_t *inquiry, char *out, size_t room)
{
	char text[2][17] = {""};

	memcpy(text[0], inquiry + 8, 8);
	memcpy(text[1], inquiry + 16, 16);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(text); i++) {
		size_t n = strlen(text[i]);

		while (n && text[i][n - 1] == ' ')
			text[i][--n] = '\0';
	}
	snprintf(out, room, "%s%s%s", text[0], text[1][0] ? " " : "", text[1]);
}

/* What is known of a LUN, by INQUIRY and, of a disk, READ CAPACITY(10). */
static int look(const struct pdev *pdev, struct iscsi_link *link,
		struct pdev_props *props, char *err, size_t len)
{
	static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
	static const uint8_t capacity[10] = {0x25};
	uint8_t data[36];
	int rc = ask(link, inquiry, sizeof(inquiry), data, sizeof(data),
		     patience(pdev));

	if (rc)
		return fail(err, len, rc,
			    "pdev '%.200s': INQUIRY fails: %s; try iscsi-inq",
			    pdev->name, strerror(-rc));
	if (data[0] & QUALIFIER)
		return fail(
			err, len, -ENODEV,
			"pdev '%.200s': the target has no such LUN; see iscsi-ls --show-luns",
			pdev->name);
	snprintf(props->args, sizeof(props->args), "%02x", data[0]);
	name_model(data, props->model, sizeof(props->model));
	if (data[0] != TYPE_DISK)
		return 0;
	/* One that is not ready has its blocks, too. */
	rc = ask(link, capacity, sizeof(capacity), data, 8, patience(pdev));
	props->block_size = rc ? 512 : scsi_get32(data + 4);
	return rc == -EIO ? 0 : rc;
}

/* The host's own initiator may have it, too; that is no harm as long as nobody
 * uses it. Once the guest has it, it is too late to ask. */
static int check_host(const struct pdev *pdev, const struct place *p, char *err,
		      size_t len)
{
	struct sgdev sg;

	if (pdev->options.shared || pdev->again ||
	    sgdev_find_iscsi(&sgdev_host, p->target, p->lun, &sg) == -ENODEV)
		return 0;
	return pdev_sg_unused(pdev, &sg, err, len);
}

/* In a session of our own, which ends here. */
static int try_it(const struct pdev *pdev, const struct place *p,
		  struct pdev_props *props, char *err, size_t len)
{
	struct iscsi_login login;
	struct iscsi_link *link;
	char why[300];
	int fd, rc = find_login(pdev, p, &login, err, len);

	if (!rc)
		rc = connect_to(pdev, p, &fd, err, len);
	if (rc)
		return rc;
	login.isid = (uint64_t)getpid();
	rc = iscsi_link_open(&link, &login, fd, patience(pdev), why,
			     sizeof(why));
	if (rc) {
		fail(err, len, rc, "pdev '%.200s': as %s: %s", pdev->name,
		     login.initiator, why);
	} else {
		rc = look(pdev, link, props, err, len);
		iscsi_link_close(link);
	}
	close(fd);
	explicit_bzero(&login, sizeof(login));
	return rc;
}

int pdev_iscsi_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *err, size_t len)
{
	struct place p;
	int rc;

	if (!split(&p, pdev->path))
		return fail(err, len, -EINVAL, "pdev '%.200s' is no path",
			    pdev->name);
	rc = check_host(pdev, &p, err, len);
	if (!rc)
		rc = try_it(pdev, &p, props, err, len);
	if (!rc)
		rc = connect_to(pdev, &p, fd, err, len);
	if (rc)
		return rc;
	props->storage = "iscsi";
	props->naa = probe_naa(pdev->path);
	snprintf(props->serial, sizeof(props->serial), "%016" PRIx64,
		 props->naa);
	pdev_iscsi_id(pdev, props->id);
	return 0;
}

int pdev_iscsi_login(const struct pdev *pdev, uint64_t port, char *err,
		     size_t len)
{
	struct iscsi_login login;
	struct place p;
	int fd, rc = split(&p, pdev->path) ? 0 : -EINVAL;

	if (!rc)
		rc = find_login(pdev, &p, &login, err, len);
	if (rc)
		return rc;
	/* Never that of a look, which is shorter. */
	login.isid = (port ^ port >> 40) | UINT64_C(1) << 39;
	fd = memfd_create("iscsi-login", MFD_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	if (!rc && write(fd, &login, sizeof(login)) != sizeof(login))
		rc = -EIO;
	explicit_bzero(&login, sizeof(login));
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return fail(err, len, rc, "pdev '%.200s': its login: %s", pdev->name,
		    strerror(-rc));
}

#else

int pdev_iscsi_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		    char *err, size_t len)
{
	(void)pdev;
	(void)fd;
	(void)props;
	return fail(err, len, -EOPNOTSUPP, "there is no libiscsi");
}

int pdev_iscsi_login(const struct pdev *pdev, uint64_t port, char *err,
		     size_t len)
{
	(void)pdev;
	(void)port;
	return fail(err, len, -EOPNOTSUPP, "there is no libiscsi");
}

#endif
