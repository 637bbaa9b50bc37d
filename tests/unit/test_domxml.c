/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI devices in libvirt's XML. What is accepted here is also valid by
 * libvirt's own schema (package libvirt0), so that it is what libvirt has.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>

#include "control/domxml.h"
#include "control/vdev.h"

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"

#define DOMAIN(id, devices)                                                    \
	"<domain type='xen'" id "><name>web</name>"                            \
	"<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"                    \
	"<memory unit='KiB'>219136</memory>"                                   \
	"<vcpu>1</vcpu><os><type arch='x86_64' machine='xenpv'>xen</type>"     \
	"</os><devices>" devices "</devices></domain>"
#define HOSTDEV(attrs, host, more)                                             \
	"<hostdev mode='subsystem' type='scsi'" attrs ">"                      \
	"<source><adapter name='scsi_host" host "'/>"                          \
	"<address bus='1' target='2' unit='3'/></source>" more "</hostdev>"
#define AT(c, t, u)                                                            \
	"<address type='drive' controller='" c "' bus='0' target='" t          \
	"' unit='" u "'/>"
#define DISK                                                                   \
	"<disk type='block' device='disk'><source dev='/dev/sda'/>"            \
	"<target dev='xvda' bus='xen'/></disk>"
#define PCI                                                                    \
	"<hostdev mode='subsystem' type='pci' managed='yes'><source>"          \
	"<address domain='0x0000' bus='0x06' slot='0x02' function='0x0'/>"     \
	"</source></hostdev>"

static xmlRelaxNG *schema;

static int set_up(void **state)
{
	xmlRelaxNGParserCtxt *ctxt = xmlRelaxNGNewParserCtxt(SCHEMA);

	(void)state;
	schema = xmlRelaxNGParse(ctxt);
	xmlRelaxNGFreeParserCtxt(ctxt);
	if (!schema)
		print_error(SCHEMA " is missing: install libvirt0\n");
	return schema ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	xmlRelaxNGFree(schema);
	xmlCleanupParser();
	return 0;
}

static bool libvirt_takes(const char *text)
{
	xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, 0);
	xmlRelaxNGValidCtxt *ctxt = xmlRelaxNGNewValidCtxt(schema);
	int rc;

	assert_non_null(doc);
	rc = xmlRelaxNGValidateDoc(ctxt, doc);
	xmlRelaxNGFreeValidCtxt(ctxt);
	xmlFreeDoc(doc);
	return rc == 0;
}

/* What is found, as text: "H:C:T:L>H:C:T:L,ro,shared,filtered ..." */
static void describe(const struct domxml *xml, char *out)
{
	char from[VDEV_TEXT_MAX], at[VDEV_TEXT_MAX];

	*out = '\0';
	for (size_t i = 0; i < xml->n; i++) {
		const struct domxml_dev *d = &xml->dev[i];

		vdev_format(&d->from, from);
		vdev_format(&d->at, at);
		out += sprintf(out, "%s%s>%s%s%s%s", i ? " " : "", from,
			       d->placed ? at : "-", d->read_only ? ",ro" : "",
			       d->shared ? ",shared" : "",
			       d->filtered ? ",filtered" : "");
	}
}

static void devices_are_found(void **state)
{
	static const struct {
		const char *text, *found;
	} rows[] = {
		{DOMAIN("", ""), ""},
		{DOMAIN("", DISK PCI), ""},
		{DOMAIN("", DISK HOSTDEV(" managed='no'", "5", "") PCI),
		 "5:1:2:3>-"},
		{DOMAIN(" id='7'",
			HOSTDEV("", "0", AT("0", "4", "1")) HOSTDEV(
				" rawio='yes' sgio='filtered'", "10",
				"<readonly/><shareable/>" AT("3", "0", "255"))),
		 "0:1:2:3>0:0:4:1 10:1:2:3>3:0:0:255,ro,shared"},
		{DOMAIN("", HOSTDEV(" sgio='filtered'", "1", "")),
		 "1:1:2:3>-,filtered"},
		{DOMAIN("", HOSTDEV(" sgio='unfiltered'", "1",
				    "<boot order='1'/><alias name='ua-x'/>")),
		 "1:1:2:3>-"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		char err[PDEV_ERR_MAX] = "", text[512];
		struct domxml xml;

		if (!libvirt_takes(rows[i].text))
			fail_msg("row %zu is not what libvirt has", i);
		if (domxml_parse(&xml, "f", rows[i].text, strlen(rows[i].text),
				 err, sizeof(err)))
			fail_msg("row %zu: %s", i, err);
		describe(&xml, text);
		assert_string_equal(text, rows[i].found);
		assert_true(xml.is_domain);
		assert_true(xml.has_id ==
			    (strstr(rows[i].text, "id='7'") != NULL));
		domxml_free(&xml);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *word;
	} rows[] = {
		{"", -EINVAL, "not XML"},
		{"\n\n<domain>", -EINVAL, "f.xml:3:"},
		{"PDEV,0:0:0:0", -EINVAL, "not XML"},
		{"<network/>", -EINVAL, "f.xml:1: it is a <network>"},
		{"<hostdev mode='subsystem' type='usb'/>", -EINVAL,
		 "type='usb'"},
		{"<!DOCTYPE d [<!ENTITY a SYSTEM '/etc/passwd'>]>"
		 "<domain><name>&a;</name></domain>",
		 -EINVAL, "<!DOCTYPE>"},
		{"<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x'><domain/>",
		 -EINVAL, "<!DOCTYPE>"},
		{"<hostdev type='scsi'/>", -EINVAL, "<source>"},
		{"<hostdev type='scsi'><source protocol='iscsi' name='x'/>"
		 "</hostdev>",
		 -EOPNOTSUPP, "protocol='iscsi'"},
		{"<hostdev type='scsi'><source/></hostdev>", -EINVAL,
		 "scsi_hostN"},
		{"<hostdev type='scsi'><source><adapter name='usb1'/>"
		 "</source></hostdev>",
		 -EINVAL, "scsi_hostN"},
		{HOSTDEV("", "x", ""), -EINVAL, "scsi_hostx"},
		{HOSTDEV("", "99999", ""), -EINVAL, "scsi_host99999"},
		{"<hostdev type='scsi'><source><adapter name='scsi_host1'/>"
		 "<address bus='0' target='-1' unit='0'/></source></hostdev>",
		 -EINVAL, "target='-1'"},
		{"<hostdev type='scsi'><source><adapter name='scsi_host1'/>"
		 "<address bus='0' target='0'/></source></hostdev>",
		 -EINVAL, "unit"},
		{HOSTDEV("", "1", "<address type='pci' slot='0x1'/>"), -EINVAL,
		 "type='drive'"},
		{HOSTDEV("", "1", AT("0", "64", "0")), -EINVAL, "larger than"},
		{HOSTDEV("", "1", AT("0", "0", "99999")), -EINVAL, "unit="},
		{DOMAIN("", HOSTDEV("", "1", AT("0", "0", "1"))
				    HOSTDEV("", "2", AT("0", "0", "1"))),
		 -EINVAL, "same <address>"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		char err[PDEV_ERR_MAX] = "";
		struct domxml xml;
		int rc;

		rc = domxml_parse(&xml, "f.xml", rows[i].text,
				  strlen(rows[i].text), err, sizeof(err));
		if (rc != rows[i].rc || !strstr(err, rows[i].word) ||
		    strchr(err, '\n') || xml.dev)
			fail_msg("row %zu: %d, %s", i, rc, err);
	}
}

static bool first_two(const struct pdev_vdev *at, void *ctx)
{
	(void)ctx;
	return !at->host && !at->target && at->lun < 2;
}

static void free_places_are_given(void **state)
{
	static const char text[] = DOMAIN(
		"", HOSTDEV("", "1", "") HOSTDEV("", "2", AT("0", "0", "3"))
			    HOSTDEV("", "3", "") HOSTDEV("", "4", ""));
	char err[PDEV_ERR_MAX] = "", found[512];
	struct domxml xml;

	(void)state;
	assert_int_equal(
		domxml_parse(&xml, "f", text, strlen(text), err, sizeof(err)),
		0);
	assert_int_equal(domxml_place(&xml, first_two, NULL, err, sizeof(err)),
			 0);
	describe(&xml, found);
	assert_string_equal(found, "1:1:2:3>0:0:0:2 2:1:2:3>0:0:0:3 "
				   "3:1:2:3>0:0:0:4 4:1:2:3>0:0:0:5");
	domxml_free(&xml);
}

static void one_that_is_not_there(void **state)
{
	static const char text[] = HOSTDEV("", "4711", "");
	char err[PDEV_ERR_MAX] = "";
	static struct pdev pdev;
	struct domxml xml;

	(void)state;
	assert_int_equal(
		domxml_parse(&xml, "f", text, strlen(text), err, sizeof(err)),
		0);
	assert_int_equal(domxml_pdev(&xml.dev[0], &pdev, err, sizeof(err)),
			 -ENODEV);
	assert_non_null(strstr(err, "4711:1:2:3"));
	domxml_free(&xml);
}

static char *example(const char *name)
{
	const char *root = getenv("XENPV_SOURCE_ROOT");
	char path[4096], *text = calloc(1, 1 << 14);
	FILE *f;

	snprintf(path, sizeof(path), "%s/doc/examples/%s", root ? root : ".",
		 name);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s cannot be read: set XENPV_SOURCE_ROOT", path);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 14) - 1, f) > 0);
	fclose(f);
	return text;
}

/* They are what they say; libvirt has no schema of one device. */
static void examples_are_right(void **state)
{
	char *domain = example("libvirt.xml"),
	     *dev = example("libvirt-disk.xml");
	char err[PDEV_ERR_MAX] = "", found[512], whole[1 << 12];
	struct domxml xml;

	(void)state;
	assert_true(libvirt_takes(domain));
	if (domxml_parse(&xml, "f", domain, strlen(domain), err, sizeof(err)))
		fail_msg("%s", err);
	describe(&xml, found);
	assert_true(xml.is_domain);
	assert_string_equal(found, "2:0:0:1>0:0:1:0 2:0:0:3>0:0:1:1 "
				   "1:0:0:0>0:0:2:0");
	domxml_free(&xml);

	if (domxml_parse(&xml, "f", dev, strlen(dev), err, sizeof(err)))
		fail_msg("%s", err);
	describe(&xml, found);
	assert_false(xml.is_domain);
	assert_string_equal(found, "1:0:0:1>-,ro,shared");
	domxml_free(&xml);
	snprintf(whole, sizeof(whole), DOMAIN("", "%s"),
		 strstr(dev, "<hostdev"));
	assert_true(libvirt_takes(whole));
	free(dev);
	free(domain);
}

/* Every prefix of a document is refused or read, and every byte changed. */
static void broken_documents(void **state)
{
	static const char text[] =
		DOMAIN(" id='7'", HOSTDEV("", "1", AT("0", "0", "1")));
	char copy[sizeof(text)], err[PDEV_ERR_MAX];
	struct domxml xml;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		assert_int_equal(
			domxml_parse(&xml, "f", text, i, err, sizeof(err)),
			i + 1 < sizeof(text) ? -EINVAL : 0);
		domxml_free(&xml);
		memcpy(copy, text, sizeof(text));
		copy[i] ^= 0x11;
		if (!domxml_parse(&xml, "f", copy, strlen(text), err,
				  sizeof(err)))
			domxml_free(&xml);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_found),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(free_places_are_given),
		cmocka_unit_test(one_that_is_not_there),
		cmocka_unit_test(examples_are_right),
		cmocka_unit_test(broken_documents),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
