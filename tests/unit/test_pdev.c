/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/pdev and control/probe: what may be typed, what may be opened, and
 * that an identity stays the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/pdev.h"
#include "control/probe.h"

static char dir[] = "/tmp/test_pdev.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][256];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static void make_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_sized(const char *name, off_t size)
{
	make_file(name, "");
	assert_int_equal(truncate(in_dir(name), size), 0);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void vdev_is_strict(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"0:0:0",
		"0:0:0:0:0",
		"a:0:0:0",
		"0:0:0:x",
		" 0:0:0:0",
		"0:0:0:0 ",
		"-1:0:0:0",
		"65536:0:0:0",
		"0:256:0:0",
		"0:0:256:0",
		"0:0:0:16384",
		"0::0:0",
		"+0:0:0:0",
		"99999999999999999999:0:0:0",
	};
	struct pdev_vdev v;
	char err[PDEV_ERR_MAX];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		assert_int_equal(pdev_vdev_parse(&v, bad[i], err, sizeof(err)),
				 -EINVAL);
		assert_non_null(strstr(err, "HOST:CHANNEL:TARGET:LUN"));
	}
	assert_int_equal(
		pdev_vdev_parse(&v, "65535:255:254:16383", err, sizeof(err)),
		0);
	assert_int_equal(v.host, 65535);
	assert_int_equal(v.channel, 255);
	assert_int_equal(v.target, 254);
	assert_int_equal(v.lun, 16383);
}

static void options_come_back(void **state)
{
	static const char all[] =
		"ro,shared,serial=0123456789012345678901234567890,"
		"product=0123456789ABCDEF,naa=3123456789abcdef,"
		"blocksize=4096,direct=auto,format=qcow2";
	static const char *const same[] = {
		"",
		"ro",
		"shared",
		"serial=A 1",
		"ro,shared,direct=off",
		"ro,format=vhdx",
		"format=vpc",
		"naa=5000c50012345678,blocksize=512,direct=on",
		"shared,passthrough,wwid=naa.3333333000007d0",
		"ro,backend=kernel",
		"ro,backend=storage-1",
	};
	struct pdev_options o;
	char text[PDEV_OPTIONS_MAX], err[PDEV_ERR_MAX];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(same); i++) {
		assert_int_equal(
			pdev_options_parse(&o, same[i], err, sizeof(err)), 0);
		pdev_options_format(&o, text);
		assert_string_equal(text, same[i]);
	}
	assert_int_equal(pdev_options_parse(&o, all, err, sizeof(err)), 0);
	o.direct = PDEV_DIRECT_OFF;
	pdev_options_format(&o, text);
	assert_true(strlen(text) < PDEV_OPTIONS_MAX);
	assert_int_equal(pdev_options_parse(&o, text, err, sizeof(err)), 0);
	assert_int_equal(o.naa, 0x3123456789abcdef);
	assert_int_equal(
		pdev_options_parse(&o, " rw , feature-host ", err, sizeof(err)),
		0);
	assert_true(o.feature_host);
	pdev_options_format(&o, text);
	assert_string_equal(text, "");
	assert_int_equal(pdev_options_parse(&o, NULL, err, sizeof(err)), 0);
}

static void options_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"sharde", "did you mean 'shared'"},
		{"readonly", "unknown option 'readonly'"},
		{"read\nonly", "control character"},
		{"block-size=512", "did you mean 'blocksize'"},
		{"ro=1", "takes no value"},
		{"serial", "1 to 31"},
		{"serial=", "1 to 31"},
		{"serial=01234567890123456789012345678901", "1 to 31"},
		{"product=0123456789ABCDEFG", "1 to 16"},
		{"product=\x1b[2J", "control character"},
		{"naa=1", "16 hexadecimal"},
		{"naa=6123456789abcdef", "beginning with 2, 3 or 5"},
		{"blocksize=1024", "512 or 4096"},
		{"direct=yes", "auto, on or off"},
		{"ro,rw", "contradict"},
		{"ro,ro", "twice"},
		{"ro,,shared", "extra comma"},
		{"ro,", "extra comma"},
	};
	struct pdev_options o;
	char err[PDEV_ERR_MAX];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		assert_int_equal(
			pdev_options_parse(&o, bad[i].text, err, sizeof(err)),
			-EINVAL);
		if (!strstr(err, bad[i].says))
			fail_msg("'%s' says: %s", bad[i].text, err);
	}
}

static int open_named(const char *name, const char *options, char *err,
		      struct pdev_props *props)
{
	static struct pdev pdev;
	struct pdev_options o;

	err[0] = '\0';
	assert_int_equal(pdev_options_parse(&o, options, err, PDEV_ERR_MAX), 0);
	if (pdev_parse(&pdev, name, &o, err, PDEV_ERR_MAX))
		return -1;
	return pdev_check(&pdev, props, err, PDEV_ERR_MAX);
}

struct bad_pdev {
	const char *name, *options, *says;
};

static void check_refused(const struct bad_pdev *bad)
{
	struct pdev_props props;
	char err[PDEV_ERR_MAX];

	assert_true(open_named(bad->name, bad->options, err, &props) < 0);
	if (!strstr(err, bad->says))
		fail_msg("'%s' says: %s", bad->name, err);
	assert_null(strchr(err, '\n'));
}

static void bad_names_of_devices_are_refused(void **state)
{
	static const struct bad_pdev bad[] = {
		{"4711:0:0:0", "", "no such SCSI device"},
		{"4711:0:0:0", "ro", "no option 'ro'"},
		{"4711:0:0:0", "wwid=naa.1", "is not naa.1 any more"},
		{"1:0:0", "", "No such file"},
		{"1:0:0:", "", "No such file"},
		{"naa.5000c500a1b2c3d4:0", "", "no such SCSI device"},
		{"naa.5000c500a1b2c3d4", "", "is not naa.WWN:LUN"},
		{"naa.5000c500a1b2c3d4:x", "", "is not naa.WWN:LUN"},
		{"naa.5000c500a1b2c3:0", "", "is not naa.WWN:LUN"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		check_refused(&bad[i]);
}

static void bad_pdevs_are_refused(void **state)
{
	static const struct bad_pdev bad[] = {
		{"missing", "", "No such file"},
		{"/dev/null", "", "a character device"},
		{"/tmp", "", "a directory"},
		{"empty", "", "is empty"},
		{"odd", "", "try truncate -s 1024"},
		{"half", "blocksize=4096", "try truncate -s 8192"},
		{"locked", "", "may be written by nobody; add the option ro"},
		{"secret", "ro", "may be read by nobody"},
		{"pipe", "", "a pipe"},
		{"dangling", "", "No such file"},
		{"null:", "", "try null:1G"},
		{"null:0", "", "try null:1G"},
		{"null:1X", "", "try null:1G"},
		{"null:-1", "", "try null:1G"},
		{"null:1Gk", "", "try null:1G"},
		{"null:2000000T", "", "try null:1G"},
		{"null:513", "", "no multiple"},
		{"null:1G", "format=qcow2", "is no file"},
		{"phy:/dev/sda", "", "without the prefix"},
		{"iscsi://host", "", "is not iscsi://"},
		{"iscsi://host/iqn.a", "", "is not iscsi://"},
		{"iscsi://host/iqn.a/", "", "is not iscsi://"},
		{"iscsi://host/iqn.a/1x", "", "is not iscsi://"},
		{"iscsi://host/iqn.a/-1", "", "is not iscsi://"},
		{"iscsi://host/iqn.a/16384", "", "is not iscsi://"},
		{"iscsi://host:0/iqn.a/1", "", "is not iscsi://"},
		{"iscsi:///iqn.a/1", "", "is not iscsi://"},
		{"iscsi://u%p@host/iqn.a/1", "", "guests can read it"},
		{"iscsi://host/iqn.a/1", "ro", "no option 'ro'"},
		{"nbd:host", "", "is neither nbd:unix:"},
		{"nbd:unix:", "", "is neither nbd:unix:"},
		{"nbd:unix:relative", "", "is neither nbd:unix:"},
		{"nbd:unix:/x:", "", "is neither nbd:unix:"},
		{"nbd://", "", "is neither nbd:unix:"},
		{"nbd://host:", "", "is neither nbd:unix:"},
		{"nbd://host:0", "", "is neither nbd:unix:"},
		{"nbd://host:65536", "", "is neither nbd:unix:"},
		{"nbd://host:1x", "", "is neither nbd:unix:"},
		{"nbd://[::1", "", "is neither nbd:unix:"},
		{"nbd:unix:/nowhere/socket", "", "does that server run"},
		{"fault:", "", "is not fault:SPEC:PDEV"},
		{"fault:eio", "", "is not fault:SPEC:PDEV"},
		{"fault::odd", "", "has wrong faults"},
		{"fault:eio/1-:missing", "", "No such file"},
		{"fault:eio:fault:eio:odd", "", "faults twice"},
		{"fault:eio:odd", "", "try truncate -s 1024"},
		{"fault:eio:null:", "", "try null:1G"},
		{"", "", "empty"},
		{"a\nb", "", "control character"},
	};
	struct pdev_props props;
	char err[PDEV_ERR_MAX];

	(void)state;
	make_sized("empty", 0);
	make_sized("odd", 600);
	make_sized("half", 4608);
	make_sized("locked", 4096);
	make_sized("secret", 4096);
	chmod(in_dir("locked"), 0444);
	chmod(in_dir("secret"), 0);
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	assert_int_equal(symlink("nowhere", in_dir("dangling")), 0);
	assert_int_equal(chdir(dir), 0);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++)
		check_refused(&bad[i]);
	assert_int_equal(open_named("locked", "ro", err, &props), 0);
	assert_true(props.read_only);
	assert_int_equal(chdir("/"), 0);
}

static void faults_are_of_a_pdev(void **state)
{
	struct pdev_props plain, props;
	char err[PDEV_ERR_MAX], name[300];
	struct pdev pdev;

	(void)state;
	make_sized("broken", 1 << 20);
	assert_int_equal(open_named(in_dir("broken"), "", err, &plain), 0);
	assert_string_equal(plain.storage, "file");
	assert_string_equal(plain.args, "");
	snprintf(name, sizeof(name), "fault:eio/1%%:%s", in_dir("broken"));
	assert_int_equal(open_named(name, "ro", err, &props), 0);
	assert_string_equal(props.storage, "fault");
	assert_string_equal(props.args, "file eio/1%");
	assert_string_equal(props.id, plain.id); /* the same device */
	assert_true(props.naa == plain.naa);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(pdev_parse(&pdev, "fault:eio/1%:broken", NULL, err,
				    sizeof(err)),
			 0);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(pdev.name, name);
	assert_true(pdev_is_whole(pdev.name));
	assert_string_equal(pdev.path, in_dir("broken"));
	assert_int_equal(open_named("fault:hang=1s:null:1M", "", err, &props),
			 0);
	assert_string_equal(props.args, "null hang=1s");
	assert_true(pdev_is_whole("fault:eio:null:1M"));
	assert_false(pdev_is_whole("fault:eio:broken"));
	assert_false(pdev_is_whole("fault:/broken"));
}

static void cds_are_told_by_their_names(void **state)
{
	struct pdev_options options = {0};
	char err[PDEV_ERR_MAX], name[300];
	struct pdev_props props;
	struct pdev pdev;

	(void)state;
	make_sized("a.ISO", 4096);
	make_sized("a.img", 4096);
	snprintf(name, sizeof(name), "cdrom:%s", in_dir("a.ISO"));
	/* by its suffix, or the prefix: the same whole name */
	assert_int_equal(open_named(in_dir("a.ISO"), "", err, &props), 0);
	assert_int_equal(props.block_size, 2048);
	assert_true(props.read_only);
	assert_int_equal(
		pdev_parse(&pdev, in_dir("a.ISO"), NULL, err, sizeof(err)), 0);
	assert_true(pdev.cdrom && pdev.options.read_only);
	assert_string_equal(pdev.name, name);
	assert_int_equal(pdev_parse(&pdev, name, NULL, err, sizeof(err)), 0);
	assert_string_equal(pdev.name, name);
	assert_string_equal(pdev.path, in_dir("a.ISO"));
	assert_true(pdev_is_cdrom(name) && pdev_is_whole(name));
	/* a disk of a device that has only blocks */
	options.no_scsi = true;
	assert_int_equal(
		pdev_parse(&pdev, in_dir("a.ISO"), &options, err, sizeof(err)),
		0);
	assert_false(pdev.cdrom);
	assert_true(pdev_parse(&pdev, name, &options, err, sizeof(err)) < 0);
	/* faults before or behind, one whole name */
	snprintf(name, sizeof(name), "cdrom:fault:eio:%s", in_dir("a.img"));
	assert_int_equal(pdev_parse(&pdev, name, NULL, err, sizeof(err)), 0);
	snprintf(name, sizeof(name), "fault:eio:cdrom:%s", in_dir("a.img"));
	assert_string_equal(pdev.name, name);
	assert_true(pdev_is_cdrom(name) && pdev_is_whole(name));
	assert_false(pdev_is_cdrom(in_dir("a.img")));
	assert_false(pdev_is_whole("cdrom:a.img"));
	/* none */
	assert_int_equal(open_named("cdrom:", "", err, &props), 0);
	assert_true(props.size == 0);
	assert_string_equal(props.id, "");
	assert_true(pdev_is_cdrom("cdrom:") && pdev_is_whole("cdrom:"));
	assert_true(open_named("cdrom:", "format=qcow2", err, &props) < 0);
}

static void a_file_has_an_identity(void **state)
{
	struct pdev_props a, b;
	struct stat before, after;
	struct pdev pdev;
	char err[PDEV_ERR_MAX];

	(void)state;
	make_sized("disk", 1 << 20);
	assert_int_equal(symlink("disk", in_dir("link")), 0);
	assert_int_equal(stat(in_dir("disk"), &before), 0);
	assert_int_equal(open_named(in_dir("disk"), "", err, &a), 0);
	assert_int_equal(open_named(in_dir("link"), "serial=S1", err, &b), 0);
	assert_int_equal(stat(in_dir("disk"), &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim,
			    sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim,
			    sizeof(before.st_ctim));
	assert_int_equal(a.size, 1 << 20);
	assert_int_equal(a.block_size, 512);
	assert_int_equal(a.naa >> 60, 3);
	assert_int_equal(a.naa, b.naa);
	assert_string_equal(a.id, b.id);
	assert_int_equal(strlen(a.serial), 16);
	assert_string_equal(b.serial, "S1");
	assert_true(!a.direct || (a.align && a.align <= a.block_size));

	assert_int_equal(open_named(in_dir("disk"), "direct=off", err, &a), 0);
	assert_false(a.direct);
	assert_int_equal(
		open_named(in_dir("disk"), "naa=5000c50000000001", err, &a), 0);
	assert_int_equal(a.naa, 0x5000c50000000001);

	assert_int_equal(chdir(dir), 0);
	assert_int_equal(pdev_parse(&pdev, "link", NULL, err, sizeof(err)), 0);
	assert_string_equal(pdev.name, in_dir("link"));
	assert_string_equal(pdev.path, in_dir("disk"));
	assert_int_equal(chdir("/"), 0);

	assert_int_equal(open_named("null:1G", "", err, &a), 0);
	assert_int_equal(a.size, 1 << 30);
	assert_string_equal(a.id, "");
}

/* The hash is written down: a change would give every disk a new name. */
static void the_hash_does_not_change(void **state)
{
	(void)state;
	assert_int_equal(probe_naa(""), 0x3bf29ce484222329);
	assert_int_equal(probe_naa("a"), 0x3f63dc4c8601ec86);
}

static void sysfs_names_a_device(void **state)
{
	const dev_t rdev = makedev(8, 1);
	char out[PROBE_IDENTITY_MAX];
	struct probe_caps caps;

	(void)state;
	mkdir(in_dir("sda"), 0700);
	mkdir(in_dir("sda/queue"), 0700);
	mkdir(in_dir("sda/device"), 0700);
	mkdir(in_dir("sda/sda1"), 0700);
	mkdir(in_dir("by-id"), 0700);
	make_file("sda/queue/discard_max_bytes", "2147450880\n");
	make_file("sda/queue/write_zeroes_max_bytes", "0\n");
	make_file("sda/queue/rotational", "1\n");
	make_file("sda/queue/discard_granularity", "4096\n");
	make_file("sda/discard_alignment", "512\n");
	make_file("sda/sda1/partition", "1\n");
	probe_block_caps(in_dir("sda"), &caps);
	assert_false(caps.discard); /* not by fallocate(2) */
	assert_false(caps.zero);
	make_file("sda/queue/write_zeroes_max_bytes", "65536\n");
	probe_block_caps(in_dir("sda"), &caps);
	assert_true(caps.discard);
	assert_true(caps.zero);
	assert_true(caps.rotational);
	assert_int_equal(caps.discard_granularity, 4096);
	assert_int_equal(caps.discard_alignment, 512);
	probe_block_caps(in_dir("sda/sda1"), &caps);
	assert_true(caps.discard);

	probe_block_identity(in_dir("sda"), in_dir("by-id"), rdev, "/dev/x",
			     out);
	assert_string_equal(out, "path:/dev/x");
	make_file("sda/device/wwid", "  t10.ATA\x01 disk  \n");
	probe_block_identity(in_dir("sda"), in_dir("by-id"), rdev, "/dev/x",
			     out);
	assert_string_equal(out, "t10.ATA? disk");
	probe_block_identity(in_dir("sda/sda1"), in_dir("by-id"), rdev,
			     "/dev/x", out);
	assert_string_equal(out, "t10.ATA? disk-part1");
	probe_block_caps(in_dir("none"), &caps);
	assert_false(caps.discard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vdev_is_strict),
		cmocka_unit_test(options_come_back),
		cmocka_unit_test(options_say_what_is_wrong),
		cmocka_unit_test(bad_names_of_devices_are_refused),
		cmocka_unit_test(bad_pdevs_are_refused),
		cmocka_unit_test(faults_are_of_a_pdev),
		cmocka_unit_test(cds_are_told_by_their_names),
		cmocka_unit_test(a_file_has_an_identity),
		cmocka_unit_test(the_hash_does_not_change),
		cmocka_unit_test(sysfs_names_a_device),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
