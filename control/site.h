/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which host a program works on, as its option --host or the environment's
 * XENPV_HOST says: the real Xen of this machine, or a local host, which is a
 * directory (local/). All that differs between them for the daemon and the
 * command is in the table of site.c: where xenstore and the daemon's sockets
 * are, what has to be started first, and what an error tells people to try.
 *
 * A site is made once, at the start of a program, and only read afterwards.
 */
#ifndef CONTROL_SITE_H
#define CONTROL_SITE_H

#include <stddef.h>

#include "wire/port.h"

/* Names of sockets come after it, and struct sockaddr_un has 108 bytes. */
#define SITE_DIR_MAX  88
#define SITE_PATH_MAX (SITE_DIR_MAX + 16)
#define SITE_WORD_MAX (SITE_DIR_MAX + 160)

/* Parts of messages: what to do, with the host's own names in it. */
enum site_word {
	SITE_NO_HOST,	   /* there is none: "...: do that" */
	SITE_NO_STORE,	   /* there is, but its xenstore does not answer */
	SITE_NO_RIGHT,	   /* this user may not */
	SITE_START_DAEMON, /* how xenpvd is started */
	SITE_DAEMON_LOG,   /* where its log is */
	SITE_GUESTS,	   /* how to see which guests there are */
	SITE_IS_IT_UP,	   /* what a guest that does not answer lacks */
	SITE_GUEST_LOG,	   /* where a guest says what happened */
	SITE_WORDS,
};

struct site_kind;

struct site {
	const struct site_kind *kind;
	char text[SITE_PATH_MAX]; /* as in --host, the directory absolute */
	/* Empty: wherever it is (see store_open()). */
	char xenstore[SITE_PATH_MAX];
	char run_dir[SITE_PATH_MAX], state_dir[SITE_PATH_MAX];
	char word[SITE_WORDS][SITE_WORD_MAX];
};

/*
 * site_init - the host that TEXT says
 * @text: "xen" or "local:DIR"; NULL: what XENPV_HOST says, or "xen"
 * @err: one line when it fails: what is wrong, and what to try; @len bytes
 *
 * Looks at nothing but the texts and the working directory.
 *
 * Return: 0; -EINVAL; -ENAMETOOLONG.
 */
int site_init(struct site *site, const char *text, char *err,
	      size_t len) XPV_MUST_CHECK;

/* site_name - "xen" or "local", as front_ops and host_ops are called. */
const char *site_name(const struct site *site);

/* site_copies - does a copy by grants cost no more than one by the processor? */
bool site_copies(const struct site *site);

/* site_place - what follows the colon in --host, for front_ops.open(); NULL if
 * nothing does. */
const char *site_place(const struct site *site);

/*
 * site_start - make sure that the host runs
 * @libexec: directory of our helper programs
 *
 * The real Xen runs or does not: that is found out later. Blocks until a local
 * host answers.
 *
 * Return: 0 or a negative errno, and a line in @err (empty: it was said on
 * stderr).
 */
int site_start(const struct site *site, const char *libexec, char *err,
	       size_t len) XPV_MUST_CHECK;

/* site_store - what to give to store_open(). */
const char *site_store(const struct site *site);

/*
 * site_explain_store - why store_open() has returned RC, in ERR
 *
 * Return: -EACCES; -ENODEV: there is no such host; -ENOENT: there is, but no
 * xenstore.
 */
int site_explain_store(const struct site *site, int rc, char *err, size_t len);

#endif
