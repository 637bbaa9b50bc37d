/* SPDX-License-Identifier: BSD-2-Clause */
/* Xen, or a local host: see site.h. */
#include "control/site.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/local_start.h"
#include "control/store.h"

struct site_kind {
	const char *name;
	bool copies;  /* site_copies() */
	bool has_dir; /* NAME:DIR; then "@" below stands for all of it */
	const char *xenstore;
	const char *run_dir, *state_dir; /* if has_dir below that */
	int (*start)(const char *program, const char *dir, char *err,
		     size_t len);
	const char *program;  /* for start() */
	bool (*exists)(void); /* NULL: not without its xenstore */
	const char *word[SITE_WORDS];
};

static bool on_xen(void);

static const struct site_kind kinds[] = {
	{
		.name = "xen",
		.xenstore = "",
		.run_dir = XENPV_RUNDIR,
		.state_dir = XENPV_STATEDIR,
		.exists = on_xen,
		.word =
			{
				[SITE_NO_HOST] =
					"this machine does not run Xen (no xenstore): "
					"boot it with Xen and run this in dom0",
				[SITE_NO_STORE] =
					"xenstore does not answer: start xenstored "
					"with 'systemctl start xenstored', or run this "
					"in dom0",
				[SITE_NO_RIGHT] =
					"xenstore may not be opened by this user: run "
					"this as root",
				[SITE_START_DAEMON] =
					"start it with 'systemctl start xenpvd'",
				[SITE_DAEMON_LOG] =
					"see 'systemctl status xenpvd'",
				[SITE_GUESTS] = "see 'xl list'",
				[SITE_IS_IT_UP] =
					"is it running, with its driver loaded "
					"(Linux: xen-scsifront, for disks "
					"xen-blkfront)?",
				[SITE_GUEST_LOG] =
					"look at the guest's kernel log",
			},
	},
	{
		.name = "local",
		.copies = true,
		.has_dir = true,
		.xenstore = LOCAL_START_XENSTORE,
		.run_dir = "run",
		.state_dir = "lib",
		.start = local_start,
		.program = "xenpv-local",
		.word =
			{
				[SITE_NO_HOST] =
					"there is no host @: start it with "
					"'xenpvd --host @'",
				[SITE_NO_RIGHT] =
					"host @ is another user's: choose a directory "
					"of your own",
				[SITE_START_DAEMON] =
					"start it with 'xenpvd --host @'",
				[SITE_DAEMON_LOG] =
					"see what it says on stderr",
				[SITE_GUESTS] =
					"start it with 'xenpv --host @ guest'",
				[SITE_IS_IT_UP] = "is its process stopped?",
				[SITE_GUEST_LOG] =
					"look at what the guest says",
			},
	},
};

static bool on_xen(void)
{
	char type[8] = "";
	FILE *f = fopen("/sys/hypervisor/type", "re");

	if (!f)
		return false;
	if (!fgets(type, sizeof(type), f))
		type[0] = '\0';
	fclose(f);
	return !strncmp(type, "xen", 3);
}

/* ---------------------------------------------------------------- making */

static int bad(char *err, size_t len, const char *text, const char *why)
{
	snprintf(err, len, "host '%.200s' %s: use xen or local:DIR", text, why);
	return -EINVAL;
}

/* "NAME:" and DIR from the root on. */
static int absolute(struct site *site, const char *dir, char *err, size_t len)
{
	char cwd[SITE_DIR_MAX] = "";
	int n;

	if (*dir != '/' && !getcwd(cwd, sizeof(cwd)))
		n = SITE_DIR_MAX; /* too long, most likely */
	else
		n = snprintf(site->text, sizeof(site->text), "%s:%s%s%s",
			     site->kind->name, cwd, *cwd ? "/" : "", dir) -
		    (int)strlen(site->kind->name) - 1;
	if (n < SITE_DIR_MAX)
		return 0;
	snprintf(err, len,
		 "the directory of host '%.200s' has a path too long for the "
		 "sockets in it: choose one of less than %d bytes, from / on",
		 dir, SITE_DIR_MAX);
	return -ENAMETOOLONG;
}

static void put_path(const struct site *site, char *out, const char *name)
{
	const char *dir = site_place(site);

	snprintf(out, SITE_PATH_MAX, "%s%s%s", dir ? dir : "", dir ? "/" : "",
		 name);
}

/* A word of the table, with the host's name for "@". */
static void put_word(const struct site *site, char *out, const char *word)
{
	size_t n = 0;

	for (; word && *word && n + 1 < SITE_WORD_MAX; word++) {
		if (*word != '@')
			out[n++] = *word;
		else
			n += (size_t)snprintf(out + n, SITE_WORD_MAX - n, "%s",
					      site->text);
	}
	XPV_ASSERT(n < SITE_WORD_MAX);
	out[n] = '\0';
}

static const struct site_kind *find_kind(const char *text, size_t len)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].name) == len &&
		    !strncmp(kinds[i].name, text, len))
			return &kinds[i];
	return NULL;
}

int site_init(struct site *site, const char *text, char *err, size_t len)
{
	const struct site_kind *kind;
	const char *dir;
	int rc = 0;

	*site = (struct site){.kind = NULL};
	if (!text)
		text = getenv("XENPV_HOST");
	if (!text || !*text)
		text = kinds[0].name;
	dir = strchr(text, ':');
	kind = find_kind(text, strcspn(text, ":"));
	if (!kind)
		return bad(err, len, text, "is not known");
	if (!kind->has_dir && dir)
		return bad(err, len, text, "has no directory");
	if (kind->has_dir && (!dir || !dir[1]))
		return bad(err, len, text, "needs a directory");
	site->kind = kind;
	if (dir)
		rc = absolute(site, dir + 1, err, len);
	else
		strcpy(site->text, kind->name);
	if (rc)
		return rc;
	if (kind->xenstore[0])
		put_path(site, site->xenstore, kind->xenstore);
	put_path(site, site->run_dir, kind->run_dir);
	put_path(site, site->state_dir, kind->state_dir);
	for (size_t i = 0; i < SITE_WORDS; i++)
		put_word(site, site->word[i], kind->word[i]);
	return 0;
}

const char *site_name(const struct site *site)
{
	return site->kind->name;
}

bool site_copies(const struct site *site)
{
	return site->kind->copies;
}

const char *site_place(const struct site *site)
{
	const char *colon = strchr(site->text, ':');

	return colon ? colon + 1 : NULL;
}

/* ----------------------------------------------------------------- using */

int site_start(const struct site *site, const char *libexec, char *err,
	       size_t len)
{
	char program[PATH_MAX];
	struct store *st;

	if (!site->kind->start)
		return 0;
	/* The program may be missing where the host runs already. */
	if (!store_open(&st, site_store(site), NULL, NULL)) {
		store_close(st);
		return 0;
	}
	snprintf(program, sizeof(program), "%s/%s", libexec,
		 site->kind->program);
	return site->kind->start(program, site_place(site), err, len);
}

const char *site_store(const struct site *site)
{
	return site->xenstore[0] ? site->xenstore : NULL;
}

int site_explain_store(const struct site *site, int rc, char *err, size_t len)
{
	enum site_word word = SITE_NO_HOST;
	int result = -ENODEV;

	if (rc == -EACCES || rc == -EPERM) {
		word = SITE_NO_RIGHT;
		result = -EACCES;
	} else if (site->kind->exists && site->kind->exists()) {
		word = SITE_NO_STORE;
		result = -ENOENT;
	}
	snprintf(err, len, "%s (%s)", site->word[word], strerror(-rc));
	return result;
}
