/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As whom we log in to iSCSI targets. The administrator says it in the file
 * iscsi-logins of the directory XENPV_CONFDIR (an environment variable, or as
 * built: /etc/xenpv), because xenstore, where a pdev is, is no place for
 * passwords: guests read it. A line for each target, the first that fits counts:
 *
 *	TARGET [initiator=NAME] [user=NAME password=TEXT]
 *	       [peer-user=NAME peer-password=TEXT]
 *
 * TARGET is an iSCSI name, or * for all; words have no spaces; # begins a
 * comment. Without an initiator it is that of the host's own initiator
 * (/etc/iscsi/initiatorname.iscsi), or else a name made of the host's machine-id.
 */
#ifndef CONTROL_ISCSI_LOGIN_H
#define CONTROL_ISCSI_LOGIN_H

#include "lun/iscsi_link.h"

/*
 * Fill in names and passwords of LOGIN, whose target is there. 0, or a negative
 * errno with a line in ERR that names the file: -EINVAL for what cannot be
 * understood, -EACCES for a file with passwords that others may read.
 */
int iscsi_login_find(struct iscsi_login *login, char *err,
		     size_t len) XPV_MUST_CHECK;

/* iscsi_name_ok - is it an iSCSI name (RFC 7143, 4.2.7: iqn., eui., naa.)? */
bool iscsi_name_ok(const char *name);

#endif
