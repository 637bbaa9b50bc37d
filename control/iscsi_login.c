/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/iscsi_login.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/probe.h"

#define FILE_NAME  "iscsi-logins"
#define HOSTS_FILE "/etc/iscsi/initiatorname.iscsi"
#define MACHINE_ID "/etc/machine-id"
#define LINE_MAX_  2048
#define SPACE	   " \t\n"

bool iscsi_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n >= ISCSI_NAME_MAX || n < 5 ||
	    (strncmp(name, "iqn.", 4) != 0 && strncmp(name, "eui.", 4) != 0 &&
	     strncmp(name, "naa.", 4) != 0))
		return false;
	/* ASCII of what RFC 3722 leaves, after folding; and UTF-8 as it is. */
	for (; *name; name++)
		if (!(*name >= 'a' && *name <= 'z') &&
		    !(*name >= '0' && *name <= '9') && !strchr("-.:_", *name) &&
		    !(*name & 0x80))
			return false;
	return true;
}

/* ---- the host's own name ---- */

/* InitiatorName= of open-iscsi's file. */
static bool host_name(char *name)
{
	char line[LINE_MAX_];
	FILE *file = fopen(HOSTS_FILE, "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *value = line + strspn(line, SPACE);

		if (strncmp(value, "InitiatorName=", 14) != 0)
			continue;
		value += 14;
		value[strcspn(value, SPACE)] = '\0';
		found = iscsi_name_ok(value);
		if (found)
			strcpy(name, value);
	}
	if (file)
		fclose(file);
	return found;
}

static void default_name(char *name)
{
	char text[80] = "host:";
	FILE *file;

	if (host_name(name))
		return;
	file = fopen(MACHINE_ID, "re");
	if (file) {
		if (!fgets(text + 5, sizeof(text) - 5, file))
			text[5] = '\0';
		fclose(file);
	}
	snprintf(name, ISCSI_NAME_MAX, "naa.%016" PRIx64, probe_naa(text));
}

/* ---- the file ---- */

static const struct {
	const char *key;
	size_t offset, room;
} keys[] = {
#define KEY(word, member)                                                      \
	{                                                                      \
		word, offsetof(struct iscsi_login, member),                    \
			sizeof(((struct iscsi_login *)0)->member)              \
	}
	KEY("initiator=", initiator),	      KEY("user=", user),
	KEY("password=", password),	      KEY("peer-user=", peer_user),
	KEY("peer-password=", peer_password),
#undef KEY
};

/* What is wrong with it, or NULL. */
static const char *take_word(struct iscsi_login *login, const char *word)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(keys); i++) {
		size_t n = strlen(keys[i].key);

		if (strncmp(word, keys[i].key, n) != 0)
			continue;
		if (!word[n])
			return "has no value";
		if (strlen(word + n) >= keys[i].room)
			return "is too long";
		strcpy((char *)login + keys[i].offset, word + n);
		return NULL;
	}
	return "is not known; initiator=, user=, password=, peer-user= and peer-password= are";
}

/* The rest of a line that fits. */
static const char *take_line(struct iscsi_login *login, char *rest, char *word,
			     size_t room)
{
	const char *why = NULL;
	char *save, *next;

	for (next = strtok_r(rest, SPACE, &save); next && !why;
	     next = strtok_r(NULL, SPACE, &save)) {
		/* Up to the value, which may be secret. */
		snprintf(word, room, "%.*s", (int)(strcspn(next, "=") + 1),
			 next);
		why = take_word(login, next);
	}
	if (why)
		return why;
	word[0] = '\0';
	if (!login->user[0] != !login->password[0] ||
	    !login->peer_user[0] != !login->peer_password[0])
		return "a user and its password go together";
	if (login->peer_user[0] && !login->user[0])
		return "a target proves who it is only to one that does: user= is missing";
	if (login->initiator[0] && !iscsi_name_ok(login->initiator))
		return "initiator is no iSCSI name, as iqn.2026-01.org.example:host";
	return NULL;
}

static int read_file(struct iscsi_login *login, FILE *file, const char *path,
		     char *err, size_t len)
{
	char line[LINE_MAX_], word[64] = "";
	const char *why = NULL;
	unsigned int number = 0;
	bool found = false;
	struct stat st;

	while (!found && !why && fgets(line, sizeof(line), file)) {
		char *save, *name;

		number++;
		line[strcspn(line, "#")] = '\0';
		name = strtok_r(line, SPACE, &save);
		if (!name || (strcmp(name, "*") != 0 &&
			      strcmp(name, login->target) != 0))
			continue;
		found = true;
		why = take_line(login, save, word, sizeof(word));
	}
	explicit_bzero(line, sizeof(line));
	if (why) {
		snprintf(err, len, "%.200s, line %u: %s%s%s", path, number,
			 word, word[0] ? " " : "", why);
		return -EINVAL;
	}
	if (login->password[0] && !fstat(fileno(file), &st) &&
	    st.st_mode & 077) {
		snprintf(
			err, len,
			"%.200s has passwords, and others may read it; try chmod 600",
			path);
		return -EACCES;
	}
	return 0;
}

int iscsi_login_find(struct iscsi_login *login, char *err, size_t len)
{
	const char *dir = getenv("XENPV_CONFDIR");
	char path[PATH_MAX];
	FILE *file;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/" FILE_NAME,
		 dir && *dir ? dir : "/etc/xenpv");
	file = fopen(path, "re");
	if (!file && errno != ENOENT) {
		rc = -errno;
		snprintf(err, len, "%.200s: %s", path, strerror(errno));
		return rc;
	}
	if (file) {
		rc = read_file(login, file, path, err, len);
		fclose(file);
	}
	if (!rc && !login->initiator[0])
		default_name(login->initiator);
	return rc;
}
