/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/guest_file: vscsi= and xenpv_disk= of guests' files. What xend and the
 * patches for libxl took is listed form by form: it is understood as it was
 * there, or refused with the reason. The files are read by the real libxlutil,
 * as are all in doc/examples; run in the root of the sources, or with it in
 * XENPV_SOURCE_ROOT.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/guest_file.h"

static char err[GUEST_ERR_MAX];

/* ------------------------------------------------------------ one by one */

/*
 * xend: util/vscsi_util.py and xm/create.py of Xen 4.4. libxl: libxlu_vscsi.c of
 * the patches of 2015 to 2017. RC 0: understood like that.
 */
static const struct {
	const char *text; /* of an item */
	int rc;
	const char *pdev; /* as it goes on to be resolved; or of ERR */
	const char *vdev;
	int64_t backend; /* -1: not said */
	bool feature_host;
} forms[] = {
	/* pdevs: any text before the vdev; what it is is found out later */
	{"/dev/sdb,0:0:0:0", 0, "/dev/sdb", "0:0:0:0", -1, 0},
	{"/dev/sdb1,0:0:0:0", 0, "/dev/sdb1", "0:0:0:0", -1, 0},
	{"/dev/sg3,0:0:0:1", 0, "/dev/sg3", "0:0:0:1", -1, 0},
	{"/dev/st0,0:0:5:0", 0, "/dev/st0", "0:0:5:0", -1, 0},
	{"/dev/nst0,0:0:5:0", 0, "/dev/nst0", "0:0:5:0", -1, 0},
	{"/dev/sr0,1:0:0:0", 0, "/dev/sr0", "1:0:0:0", -1, 0},
	{"/dev/disk/by-id/scsi-1ATA_M,0:0:0:0", 0,
	 "/dev/disk/by-id/scsi-1ATA_M", "0:0:0:0", -1, 0},
	{"/dev/disk/by-path/pci-0000:00:1f.2-scsi-0:0:0:0,0:0:0:0", 0,
	 "/dev/disk/by-path/pci-0000:00:1f.2-scsi-0:0:0:0", "0:0:0:0", -1, 0},
	{"1:0:3:7,0:0:0:0", 0, "1:0:3:7", "0:0:0:0", -1, 0},
	{"10:0:0:12345678,0:0:0:0", 0, "10:0:0:12345678", "0:0:0:0", -1, 0},
	{"naa.6001405708ab297e:0,0:0:0:0", 0, "naa.6001405708ab297e:0",
	 "0:0:0:0", -1, 0},
	{"36001405708ab297e0000,0:0:0:0", 0, "36001405708ab297e0000", "0:0:0:0",
	 -1, 0}, /* a scsi_id */
	/* blanks */
	{" /dev/sdb , 0:0:0:0 ", 0, "/dev/sdb", "0:0:0:0", -1, 0},
	{"\t/dev/sdb,\t0:0:0:0", -EINVAL, "control character", NULL, 0, 0},
	{"/dev/sdb, 0:0:0:0, feature-host ", 0, "/dev/sdb", "0:0:0:0", -1, 1},
	/* paths that have what separates */
	{"/srv/a b.img,0:0:0:0", 0, "/srv/a b.img", "0:0:0:0", -1, 0},
	{"/srv/a,b.img,0:0:0:0", 0, "/srv/a,b.img", "0:0:0:0", -1, 0},
	{"/srv/a, b ,0:0:0:0,ro", 0, "/srv/a, b", "0:0:0:0", -1, 0},
	/* vdevs */
	{"/dev/sdb,12:0:63:255", 0, "/dev/sdb", "12:0:63:255", -1, 0},
	{"/dev/sdb,0:1:0:0", -EINVAL, "channel is larger", NULL, 0, 0},
	{"/dev/sdb,0:0:64:0", -EINVAL, "target is larger", NULL, 0, 0},
	{"/dev/sdb,0:0:0:256", -EINVAL, "LUN is larger", NULL, 0, 0},
	{"/dev/sdb,0:0:0", -EINVAL, "vdev '0:0:0' is not", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0:0", -EINVAL, "0:0:0:0:0", NULL, 0, 0},
	{"/dev/sdb,0:0:0:a", -EINVAL, "0:0:0:a", NULL, 0, 0},
	{"/dev/sdb,0:0::0", -EINVAL, "0:0::0", NULL, 0, 0},
	{"/dev/sdb", -EINVAL, "no vdev", NULL, 0, 0},
	{"/dev/sdb,", -EINVAL, "vdev '' is not", NULL, 0, 0},
	{",0:0:0:0", -EINVAL, "no pdev", NULL, 0, 0},
	{"", -EINVAL, "no pdev", NULL, 0, 0},
	{"  ", -EINVAL, "no pdev", NULL, 0, 0},
	/* xend: a whole adapter */
	{"2:0:0:0,host", -EOPNOTSUPP, "one by one", NULL, 0, 0},
	/* xend: the backend's domain */
	{"/dev/sdb,0:0:0:0,0", 0, "/dev/sdb", "0:0:0:0", 0, 0},
	{"/dev/sdb,0:0:0:0,Domain-0", 0, "/dev/sdb", "0:0:0:0", 0, 0},
	{"/dev/sdb, 0:0:0:0 , 7", 0, "/dev/sdb", "0:0:0:0", 7, 0},
	{"/dev/sdb,0:0:0:0,0,feature-host", 0, "/dev/sdb", "0:0:0:0", 0, 1},
	{"/dev/sdb,0:0:0:0,7,backend=8", -EINVAL, "given twice", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,storage", -EINVAL, "unknown option 'storage'", NULL,
	 0, 0},
	/* libxl: its one option, and what is wrong */
	{"/dev/sdb,0:0:0:0,feature-host", 0, "/dev/sdb", "0:0:0:0", -1, 1},
	{"/dev/sdb,0:0:0:0,feature_host", -EINVAL,
	 "did you mean 'feature-host'?", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,", -EINVAL, "nothing follows", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,0,", -EINVAL, "nothing follows", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,ro,,shared", -EINVAL, "empty part", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,ro,ro", -EINVAL, "twice", NULL, 0, 0},
	{"/dev/sdb,0:0:0:0,shard", -EINVAL, "did you mean 'shared'?", NULL, 0,
	 0},
};

static void forms_of_vscsi(void **state)
{
	char vdev[VDEV_TEXT_MAX];
	struct guest_item item;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(forms); i++) {
		int rc;

		err[0] = '\0';
		rc = guest_item_parse(&item, false, forms[i].text, NULL, err,
				      sizeof(err));
		if (rc != forms[i].rc)
			fail_msg("'%s': %d: %s", forms[i].text, rc, err);
		if (rc) {
			if (!strstr(err, forms[i].pdev) || strchr(err, '\n'))
				fail_msg("'%s' says: %s", forms[i].text, err);
			continue;
		}
		vdev_format(&item.at, vdev);
		assert_string_equal(item.name, forms[i].pdev);
		assert_string_equal(vdev, forms[i].vdev);
		if (item.backend != forms[i].backend ||
		    item.options.feature_host != forms[i].feature_host)
			fail_msg("'%s': backend or option", forms[i].text);
		if ((forms[i].backend > 0) != !!item.options.backend[0])
			fail_msg("'%s': backend", forms[i].text);
		guest_item_free(&item);
	}
}

static void options_of_ours(void **state)
{
	struct guest_item item;

	(void)state;
	assert_int_equal(guest_item_parse(&item, false,
					  "a.img,0:0:0:0, 0, ro, serial=A1 ,"
					  "blocksize=4096",
					  NULL, err, sizeof(err)),
			 0);
	assert_true(item.options.read_only);
	assert_string_equal(item.options.serial, "A1");
	assert_int_equal(item.options.block_size, 4096);
	guest_item_free(&item);
	assert_int_equal(guest_item_parse(&item, true,
					  "/srv/a.img,raw,xvda,ro,shared", NULL,
					  err, sizeof(err)),
			 0);
	assert_string_equal(item.name, "/srv/a.img");
	assert_true(item.options.read_only && item.options.shared &&
		    item.options.no_scsi);
	guest_item_free(&item);
}

/* ------------------------------------------------------------- whole files */

static void good_files(void **state)
{
	struct guest_file gf;

	(void)state;
	if (guest_file_parse(&gf,
			     "# vscsi = [ 'not this' ]\n"
			     "name = 'web'; memory=512\n"
			     "uuid=\"6F3A1C521D0B4F6A9F0E2B7C9D0E4A11\"\n"
			     "vscsi = [ 'old,0:0:9:0' ]\n"
			     "vscsi = [\n"
			     "  # a comment with ] and ' in it\n"
			     "  \"/dev/sdb,0:0:0:0\", '/dev/sdc,0:0:1:0,ro',\n"
			     "]\n"
			     "vscsi += [ '/dev/sdd,1:0:0:0,feature-host' ]\n"
			     "xenpv_disk = ['/a.img,raw,xvda,rw']\n",
			     "web.cfg", err, sizeof(err)))
		fail_msg("%s", err);
	assert_string_equal(gf.name, "web");
	assert_string_equal(gf.uuid, "6f3a1c52-1d0b-4f6a-9f0e-2b7c9d0e4a11");
	assert_int_equal(gf.n, 4);
	assert_string_equal(gf.item[0].name, "/dev/sdb");
	assert_string_equal(gf.item[0].where, "web.cfg:7:4: vscsi");
	assert_string_equal(gf.item[1].where, "web.cfg:7:24: vscsi");
	assert_string_equal(gf.item[2].where, "web.cfg:9:13: vscsi");
	assert_true(gf.item[3].disk);
	assert_string_equal(gf.item[3].where, "web.cfg:10:16: xenpv_disk");
	guest_file_free(&gf);

	/* Without any: a guest like others. */
	assert_int_equal(guest_file_parse(&gf, "name='a'\nvif=['']\n", "a", err,
					  sizeof(err)),
			 0);
	assert_int_equal(gf.n, 0);
	guest_file_free(&gf);
}

/* A file, and the whole line that it is refused with. */
static const struct {
	const char *text, *says;
} bad[] = {
	/* of libxlutil, with a column */
	{"name = \"a\"\nvscsi = [ '/dev/sdb,0:0:0:0'\nmemory = 512\n",
	 "f.cfg:3:1: config parsing error near `memory': syntax error, "},
	{"name = \"a\nmemory = 512\n",
	 "f.cfg:1:8: config parsing error near `"},
	{"name = a\n", "f.cfg:1:8: config parsing error near `a'"},
	{"Name = 'a'\n", "f.cfg:1:1: config parsing error near `Name'"},
	{"memory = = 3\n", "f.cfg:1: config parsing error near `='"},
	/* of vscsi= */
	{"vscsi = '/dev/sdb,0:0:0:0'\n",
	 "f.cfg:1:1: vscsi is not a list: write vscsi = [ '...' ]"},
	{"vscsi = [ [ 'a' ] ]\n", "f.cfg:1:11: vscsi: an item is not a string"},
	{"vscsi = [ '/dev/sdb,0:0:0:0,rr' ]\n",
	 "f.cfg:1:29: vscsi: unknown option 'rr'; did you mean 'ro'?"},
	{"\nvscsi = [ '/dev/sdb, 0:0:0' ]\n",
	 "f.cfg:2:22: vscsi: vdev '0:0:0' is not"},
	{"vscsi = [ '' ]\n", "f.cfg:1:12: vscsi: no pdev"},
	/* of several together */
	{"vscsi = [ 'a,0:0:0:0', 'b,0:0:00:0' ]\n",
	 "f.cfg:1:25: vscsi: vdev 0:0:0:0 is given twice (also to 'a'): "},
	{"vscsi = [ 'a,0:0:0:0', 'b,0:0:1:0,feature-host' ]\n",
	 "f.cfg:1:25: vscsi: the devices of controller 0 do not agree on "
	 "feature-host ('a' has not it)"},
	{"xenpv_disk = [ 'a,raw,xvda', 'b,raw,xvda' ]\n",
	 "f.cfg:1:31: xenpv_disk: vdev xvda is given twice (also to 'a')"},
	/* of xenpv_disk= */
	{"xenpv_disk = [ 'a,raw,vda' ]\n",
	 "f.cfg:1:17: xenpv_disk: vdev 'vda'"},
};

static void bad_files(void **state)
{
	struct guest_file gf;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		if (guest_file_parse(&gf, bad[i].text, "f.cfg", err,
				     sizeof(err)) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		if (strncmp(err, bad[i].says, strlen(bad[i].says)) ||
		    strchr(err, '\n'))
			fail_msg("%s\nsays: %s\nwant: %s", bad[i].text, err,
				 bad[i].says);
	}
}

/* What cannot be read at all, and what the command line adds. */
static void on_disk(void **state)
{
	char name[] = "/tmp/xenpv-guest-XXXXXX", *extra[3];
	struct guest_file gf;
	int fd = mkstemp(name);
	static char zeros[64];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "name='a'\nmemory=1", 17), 17);
	extra[0] = strdup("name='b'");
	extra[1] = strdup("vscsi=['/dev/sdb,0:0:0:0']");
	extra[2] = NULL;
	if (guest_file_read(&gf, name, extra, err, sizeof(err)))
		fail_msg("%s", err);
	assert_string_equal(gf.name, "b");
	assert_int_equal(gf.n, 1);
	guest_file_free(&gf);
	free(extra[0]);
	free(extra[1]);

	assert_int_equal(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
	assert_int_equal(guest_file_read(&gf, name, NULL, err, sizeof(err)),
			 -EILSEQ);
	assert_int_equal(ftruncate(fd, GUEST_FILE_MAX + 1), 0);
	assert_int_equal(guest_file_read(&gf, name, NULL, err, sizeof(err)),
			 -EFBIG);
	close(fd);
	unlink(name);
	assert_int_equal(guest_file_read(&gf, name, NULL, err, sizeof(err)),
			 -ENOENT);
	assert_non_null(strstr(err, name));
	assert_int_equal(guest_file_read(&gf, "/", NULL, err, sizeof(err)),
			 -EISDIR);
}

/* What travels with a guest says the same at its end. */
static void pack_and_parse(void **state)
{
	struct guest_file gf = {.name = "a \"b\"", .uuid = ""}, back;
	char *text;

	(void)state;
	strcpy(gf.uuid, "6f3a1c52-1d0b-4f6a-9f0e-2b7c9d0e4a11");
	assert_int_equal(guest_file_add(&gf, false,
					"/a\\x 'q' \"d\",0:0:0:0,ro", err,
					sizeof(err)),
			 0);
	assert_int_equal(guest_file_add(&gf, true,
					"vdev=xvda,access=rw,target=/a,b", err,
					sizeof(err)),
			 0);
	assert_int_equal(
		guest_file_add(&gf, false, "/c,0:0:1:0", err, sizeof(err)), 0);
	assert_int_equal(guest_file_add(&gf, false, "/c", err, sizeof(err)),
			 -EINVAL);
	gf.item[1].size = 4096;
	text = guest_file_pack(&gf);
	assert_non_null(text);
	if (guest_file_parse(&back, text, "packed", err, sizeof(err)))
		fail_msg("%s\n%s", err, text);
	assert_string_equal(back.name, gf.name);
	assert_string_equal(back.uuid, gf.uuid);
	assert_int_equal(back.n, 3);
	assert_string_equal(back.item[0].text, gf.item[0].text);
	assert_string_equal(back.item[1].text, gf.item[2].text);
	assert_string_equal(back.item[2].text, gf.item[1].text);
	assert_int_equal(back.item[1].size, 0);
	assert_int_equal(back.item[2].size, 4096);
	free(text);
	guest_file_free(&gf);
	guest_file_free(&back);
}

static void examples_are_read(void **state)
{
	const char *root = getenv("XENPV_SOURCE_ROOT");
	struct guest_file gf;
	char pattern[4096];
	size_t devices = 0;
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/doc/examples/*.cfg",
		 root ? root : ".");
	if (glob(pattern, 0, NULL, &found))
		fail_msg("no %s: set XENPV_SOURCE_ROOT", pattern);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (guest_file_read(&gf, found.gl_pathv[i], NULL, err,
				    sizeof(err)))
			fail_msg("%s", err);
		assert_string_not_equal(gf.name, "");
		assert_true(gf.n > 0);
		devices += gf.n;
		guest_file_free(&gf);
	}
	assert_true(found.gl_pathc >= 4 && devices >= 9);
	globfree(&found);
}

/*
 * The examples in the documentation: what is indented by four there and begins
 * with vscsi or xenpv_disk is an assignment, until the bracket is closed.
 */
static void documentation_is_right(void **state)
{
	const char *root = getenv("XENPV_SOURCE_ROOT");
	static char text[1 << 16], path[4096], line[4096];
	struct guest_file gf;
	size_t n = 0, lists = 0;
	bool in = false;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/doc/guest-configuration.md",
		 root ? root : ".");
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s cannot be read: set XENPV_SOURCE_ROOT", path);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "    vscsi ", 10) ||
		    !strncmp(line, "    xenpv_disk ", 15)) {
			in = true;
			n = 0;
			lists++;
		}
		if (!in)
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", line);
		assert_true(n < sizeof(text));
		if (!strchr(line, ']'))
			continue;
		in = false;
		if (guest_file_parse(&gf, text, path, err, sizeof(err)))
			fail_msg("%s\n%s", err, text);
		assert_true(gf.n > 0);
		guest_file_free(&gf);
	}
	fclose(f);
	assert_true(lists >= 2 && !in);
}

static void no_library(void **state)
{
	(void)state;
	/* Loaded once for the whole process: this is a process of its own. */
	setenv("XENPV_LIBXLUTIL", "/nonexistent.so", 1);
	if (!fork()) {
		struct guest_file gf;
		int rc = guest_file_parse(&gf, "", "f", err, sizeof(err));

		_exit(rc == -ELIBACC && strstr(err, "XENPV_LIBXLUTIL") ? 0 : 1);
	}
	unsetenv("XENPV_LIBXLUTIL");
	{
		int status = -1;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_library), /* before it is loaded */
		cmocka_unit_test(forms_of_vscsi),
		cmocka_unit_test(options_of_ours),
		cmocka_unit_test(good_files),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(on_disk),
		cmocka_unit_test(pack_and_parse),
		cmocka_unit_test(examples_are_read),
		cmocka_unit_test(documentation_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
