/* SPDX-License-Identifier: BSD-2-Clause */
/* The command's end of xenpvd's control socket (control/ctl.h). */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include <jansson.h>
#include <stddef.h>

#include "control/site.h"
#include "wire/port.h"

/* daemon_run_dir - xenpvd's: the site's, or what the environment's XENPV_RUNDIR
 * names. */
const char *daemon_run_dir(const struct site *site);

/*
 * daemon_ask - send {"cmd":@cmd} and wait for the answer
 * @reply: the answer, which says "ok": json_decref() it
 * @err, @len: one line when it fails
 *
 * The socket is "control" in daemon_run_dir().
 *
 * Return: 0; -ENOENT: xenpvd does not run; -EACCES; -ETIMEDOUT: it does not
 * answer; -EPROTO: not with what was asked.
 */
int daemon_ask(const struct site *site, const char *cmd, json_t **reply,
	       char *err, size_t len) XPV_MUST_CHECK;

#endif
