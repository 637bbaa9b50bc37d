/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to call a SCSI device of this host: see sgdev.h.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/sgdev.h"
#include "control/sysfs.h"

const char *sgdev_type(uint32_t type)
{
	static const char *const types[0x20] = {
		[0x00] = "disk",    [0x01] = "tape",	  [0x02] = "printer",
		[0x03] = "process", [0x04] = "worm",	  [0x05] = "cd/dvd",
		[0x06] = "scanner", [0x07] = "optical",	  [0x08] = "changer",
		[0x0c] = "storage", [0x0d] = "enclosure", [0x0e] = "disk",
		[0x11] = "osd",	    [0x14] = "zbc",
	};

	return types[type & 0x1f] ? types[type & 0x1f] : "other";
}

/* Add NAME to the list in TEXT. */
static void add(char *text, size_t len, const char *name)
{
	size_t n = strlen(text);

	if (name[0] && n < len)
		snprintf(text + n, len - n, "%s%s", n ? " " : "", name);
}

/* Of a tape's eight nodes those two that people use: st0, nst0. */
void sgdev_nodes(const struct sgdev_roots *roots, const struct sgdev *dev,
		 char *text, size_t len)
{
	static const struct {
		const char *kind, *prefix;
	} others[] = {{"scsi_tape", "st"}, {"scsi_changer", ""}};
	char dir[PATH_MAX], name[32], rewinds_not[40];

	text[0] = '\0';
	add(text, len, dev->block);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(others); i++) {
		if (snprintf(dir, sizeof(dir),
			     "%s/class/scsi_device/%s/device/%s", roots->sys,
			     dev->address, others[i].kind) >= PATH_MAX)
			continue;
		sysfs_first(dir, others[i].prefix, name, sizeof(name));
		/* st0l, st0m, st0a are its other modes. */
		if (name[0] && others[i].prefix[0]) {
			name[2 + strspn(name + 2, "0123456789")] = '\0';
			snprintf(rewinds_not, sizeof(rewinds_not), "n%s", name);
			add(text, len, name);
			add(text, len, rewinds_not);
		} else {
			add(text, len, name);
		}
	}
	add(text, len, dev->sg);
}

/* Is WORD in LIST, which has blanks between? */
static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

/* The shortest link in DIR to one of NODES: others say the same at length. */
static bool find_link(const char *dir, const char *nodes, char *text,
		      size_t len)
{
	char path[PATH_MAX], real[PATH_MAX];
	bool found = false;
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		const char *name;

		if (e->d_name[0] == '.' || !sysfs_join(path, dir, e->d_name) ||
		    !realpath(path, real) || strlen(path) >= len)
			continue;
		name = strrchr(real, '/') + 1;
		if (!listed(nodes, name) ||
		    (found && (strlen(path) > strlen(text) ||
			       (strlen(path) == strlen(text) &&
				strcmp(path, text) > 0))))
			continue;
		strcpy(text, path);
		found = true;
	}
	if (d)
		closedir(d);
	return found;
}

void sgdev_name(const struct sgdev_roots *roots, const char *dev_dir,
		const struct sgdev *dev, char *text, size_t len)
{
	static const char *const dirs[] = {"tape/by-id", "disk/by-id"};
	char nodes[128], dir[PATH_MAX];
	const char *lun = strrchr(dev->address, ':') + 1;
	struct sgdev same;

	sgdev_nodes(roots, dev, nodes, sizeof(nodes));
	for (size_t i = 0; i < XPV_ARRAY_SIZE(dirs); i++)
		if (sysfs_join(dir, dev_dir, dirs[i]) &&
		    find_link(dir, nodes, text, len))
			return;
	if (!strncmp(dev->wwid, "naa.", 4) &&
	    strspn(dev->wwid + 4, "0123456789abcdefABCDEF") ==
		    strlen(dev->wwid + 4) &&
	    !sgdev_find_port(roots, dev->wwid + 4, strtoull(lun, NULL, 10),
			     &same))
		snprintf(text, len, "%s:%s", dev->wwid, lun);
	else
		snprintf(text, len, "%s", dev->address);
}
