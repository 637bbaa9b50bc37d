/* SPDX-License-Identifier: BSD-2-Clause */
/* SCSI devices in libvirt's XML: see domxml.h. */
#include "control/domxml.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/late.h"
#include "control/vdev.h"

/* What is used of libxml2, which brings ICU with it. */
#define LIBXML2(X)                                                             \
	X(xmlDocGetRootElement)                                                \
	X(xmlFreeDoc)                                                          \
	X(xmlGetLastError)                                                     \
	X(xmlGetLineNo)                                                        \
	X(xmlReadMemory)

static struct {
	LIBXML2(LATE_MEMBER)
} lib;

static const char *const lib_names[] = {LIBXML2(LATE_NAME)};

/* Where an error is. */
struct source {
	const char *file;
	char *err;
	size_t len;
};

static int fail(const struct source *s, const xmlNode *node, int rc,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int fail(const struct source *s, const xmlNode *node, int rc,
		const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (node)
		snprintf(s->err, s->len, "%.200s:%ld: %s", s->file,
			 lib.xmlGetLineNo(node), text);
	else
		snprintf(s->err, s->len, "%.200s: %s", s->file, text);
	return rc;
}

/* --------------------------------------------------------------- elements */

static bool is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !node->ns &&
	       !strcmp((const char *)node->name, name);
}

static const xmlNode *child(const xmlNode *node, const char *name)
{
	for (const xmlNode *c = node ? node->children : NULL; c; c = c->next)
		if (is(c, name))
			return c;
	return NULL;
}

/* The text directly in NODES, "" if there is none. */
static const char *text_of(const xmlNode *nodes)
{
	if (!nodes || nodes->type != XML_TEXT_NODE || !nodes->content)
		return "";
	return (const char *)nodes->content;
}

/* An attribute's value; NULL if it is not there. */
static const char *attr(const xmlNode *node, const char *name)
{
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (!strcmp((const char *)a->name, name))
			return text_of(a->children);
	return NULL;
}

static bool attr_is(const xmlNode *node, const char *name, const char *value)
{
	const char *text = attr(node, name);

	return text && !strcmp(text, value);
}

/* An attribute that is a number up to MAX; 0 where it is not and may be so. */
static int number(const struct source *s, const xmlNode *node, const char *name,
		  bool must, unsigned long max, uint16_t *value)
{
	const char *text = attr(node, name);
	unsigned long n;
	char *end;

	*value = 0;
	if (!text && !must)
		return 0;
	if (!text)
		return fail(s, node, -EINVAL,
			    "<%s> lacks the attribute %s: give it",
			    (const char *)node->name, name);
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || strlen(text) > 5 || n > max)
		return fail(s, node, -EINVAL,
			    "%s='%.32s' of <%s> is not a number up to %lu",
			    name, text, (const char *)node->name, max);
	*value = (uint16_t)n;
	return 0;
}

/* ---------------------------------------------------------------- hostdev */

static int parse_source(const struct source *s, const xmlNode *hostdev,
			struct domxml_dev *dev)
{
	const xmlNode *source = child(hostdev, "source");
	const xmlNode *adapter = child(source, "adapter");
	const xmlNode *address = child(source, "address");
	const char *name, *prefix = "scsi_host";
	char *end;
	unsigned long host;
	int rc;

	if (!source)
		return fail(s, hostdev, -EINVAL,
			    "the <hostdev> has no <source>: it says which "
			    "device is meant");
	if (attr(source, "protocol"))
		return fail(s, source, -EOPNOTSUPP,
			    "a source with protocol='%.32s' is no SCSI device "
			    "of this host, which are the ones that are served: "
			    "name an <adapter> and an <address>",
			    attr(source, "protocol"));
	name = adapter ? attr(adapter, "name") : NULL;
	if (!name || strncmp(name, prefix, strlen(prefix)))
		return fail(s, adapter ? adapter : source, -EINVAL,
			    "the <source> has no <adapter name='scsi_hostN'/>: "
			    "'xenpv scsi-devices' shows N as the first "
			    "number");
	name += strlen(prefix);
	host = strtoul(name, &end, 10);
	if (*name < '0' || *name > '9' || *end || host > 65535)
		return fail(s, adapter, -EINVAL,
			    "adapter name='%.32s' is not scsi_hostN",
			    attr(adapter, "name"));
	if (!address)
		return fail(
			s, source, -EINVAL,
			"the <source> has no <address bus= target= unit=/>");
	dev->from.host = (uint16_t)host;
	rc = number(s, address, "bus", true, 255, &dev->from.channel);
	if (!rc)
		rc = number(s, address, "target", true, 65535,
			    &dev->from.target);
	if (!rc)
		rc = number(s, address, "unit", true, 65535, &dev->from.lun);
	return rc;
}

static int parse_place(const struct source *s, const xmlNode *hostdev,
		       struct domxml_dev *dev)
{
	const xmlNode *address = child(hostdev, "address");
	char text[VDEV_TEXT_MAX], why[PDEV_ERR_MAX];
	struct pdev_vdev *at = &dev->at;
	int rc;

	dev->placed = address != NULL;
	if (!address)
		return 0;
	if (!attr_is(address, "type", "drive"))
		return fail(s, address, -EINVAL,
			    "the <address> of a SCSI device has type='drive'");
	rc = number(s, address, "controller", false, 65535, &at->host);
	if (!rc)
		rc = number(s, address, "bus", false, 255, &at->channel);
	if (!rc)
		rc = number(s, address, "target", false, 255, &at->target);
	if (!rc)
		rc = number(s, address, "unit", false, 16383, &at->lun);
	if (rc)
		return rc;
	vdev_format(at, text);
	/* Not all that is an address can be reached by a guest. */
	if (vdev_parse(at, NULL, text, why, sizeof(why)))
		return fail(s, address, -EINVAL, "%.350s", why);
	return 0;
}

static int parse_hostdev(const struct source *s, const xmlNode *hostdev,
			 struct domxml_dev *dev)
{
	int rc;

	*dev = (struct domxml_dev){
		.read_only = child(hostdev, "readonly"),
		.shared = child(hostdev, "shareable"),
		.filtered = attr_is(hostdev, "sgio", "filtered") &&
			    !attr_is(hostdev, "rawio", "yes"),
		.line = lib.xmlGetLineNo(hostdev),
	};
	rc = parse_source(s, hostdev, dev);
	return rc ? rc : parse_place(s, hostdev, dev);
}

static bool is_scsi(const xmlNode *node)
{
	return is(node, "hostdev") && attr_is(node, "type", "scsi") &&
	       (!attr(node, "mode") || attr_is(node, "mode", "subsystem"));
}

static int add(const struct source *s, struct domxml *xml, const xmlNode *node)
{
	struct domxml_dev *more;

	if (xml->n == DOMXML_DEVS_MAX)
		return fail(s, node, -E2BIG, "there are more than %d devices",
			    DOMXML_DEVS_MAX);
	more = realloc(xml->dev, (xml->n + 1) * sizeof(*more));
	if (!more)
		return fail(s, NULL, -ENOMEM, "out of memory");
	xml->dev = more;
	return parse_hostdev(s, node, &xml->dev[xml->n++]);
}

static int same_place(const struct source *s, const struct domxml *xml)
{
	for (size_t i = 0; i < xml->n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct domxml_dev *a = &xml->dev[i];
			const struct domxml_dev *b = &xml->dev[j];

			if (a->placed && b->placed &&
			    !memcmp(&a->at, &b->at, sizeof(a->at)))
				return fail(s, NULL, -EINVAL,
					    "the devices of lines %ld and %ld "
					    "have the same <address>",
					    b->line, a->line);
		}
	}
	return 0;
}

static int parse_domain(const struct source *s, struct domxml *xml,
			const xmlNode *root)
{
	const xmlNode *devices = child(root, "devices");
	uint16_t id;
	int rc = 0;

	xml->is_domain = true;
	xml->has_id = attr(root, "id") != NULL;
	if (xml->has_id) {
		rc = number(s, root, "id", true, 65535, &id);
		xml->id = id;
	}
	for (const xmlNode *c = devices ? devices->children : NULL; c && !rc;
	     c = c->next)
		if (is_scsi(c))
			rc = add(s, xml, c);
	return rc ? rc : same_place(s, xml);
}

static int parse_root(const struct source *s, struct domxml *xml,
		      const xmlDoc *doc, const xmlNode *root)
{
	const char *type;

	if (doc->intSubset || doc->extSubset)
		return fail(s, NULL, -EINVAL,
			    "it has a document type, which libvirt's XML has "
			    "not: remove <!DOCTYPE>");
	if (is(root, "domain"))
		return parse_domain(s, xml, root);
	if (is_scsi(root))
		return add(s, xml, root);
	type = attr(root, "type");
	if (is(root, "hostdev"))
		return fail(s, root, -EINVAL,
			    "it is a <hostdev> of type='%.32s', not 'scsi'",
			    type ? type : "");
	return fail(s, root, -EINVAL,
		    "it is a <%.32s>, neither a <domain> nor a <hostdev "
		    "mode='subsystem' type='scsi'>",
		    (const char *)root->name);
}

static int no_xml(const struct source *s)
{
	const xmlError *e = lib.xmlGetLastError();
	int n = e && e->message ? (int)strcspn(e->message, "\n") : 0;
	char at[16] = "";

	if (e && e->line)
		snprintf(at, sizeof(at), "%d: ", e->line);
	snprintf(s->err, s->len, "%.200s:%s%sit is not XML (%.*s)", s->file, at,
		 *at ? "" : " ", n > 200 ? 200 : n, n ? e->message : "");
	return -EINVAL;
}

int domxml_parse(struct domxml *xml, const char *file, const char *text,
		 size_t size, char *err, size_t len)
{
	const struct source s = {file, err, len};
	const xmlNode *root;
	xmlDoc *doc;
	int rc;

	*xml = (struct domxml){0};
	rc = late_load("libxml2.so.2", lib_names, &lib,
		       XPV_ARRAY_SIZE(lib_names), err, len);
	if (rc)
		return rc;
	if (size > DOMXML_SIZE_MAX)
		return fail(&s, NULL, -E2BIG, "it has more than %u bytes",
			    DOMXML_SIZE_MAX);
	/* Entities are not replaced, nothing else is loaded. */
	doc = lib.xmlReadMemory(text, (int)size, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR |
					XML_PARSE_NOWARNING);
	root = doc ? lib.xmlDocGetRootElement(doc) : NULL;
	rc = root ? parse_root(&s, xml, doc, root) : no_xml(&s);
	if (doc)
		lib.xmlFreeDoc(doc);
	if (rc)
		domxml_free(xml);
	return rc;
}

void domxml_free(struct domxml *xml)
{
	free(xml->dev);
	*xml = (struct domxml){0};
}

/* ---------------------------------------------------------------- places */

static bool in_use(const struct domxml *xml, const struct pdev_vdev *at)
{
	for (size_t i = 0; i < xml->n; i++)
		if (xml->dev[i].placed &&
		    !memcmp(&xml->dev[i].at, at, sizeof(*at)))
			return true;
	return false;
}

int domxml_place(struct domxml *xml,
		 bool (*taken)(const struct pdev_vdev *at, void *ctx),
		 void *ctx, char *err, size_t len)
{
	for (size_t i = 0; i < xml->n; i++) {
		struct pdev_vdev at = {0};

		if (xml->dev[i].placed)
			continue;
		while (in_use(xml, &at) || (taken && taken(&at, ctx))) {
			if (at.lun++ < VDEV_LUN_MAX)
				continue;
			snprintf(err, len,
				 "no place 0:0:0:LUN is free for the device of "
				 "line %ld: give it an <address type='drive'>",
				 xml->dev[i].line);
			return -ENOSPC;
		}
		xml->dev[i].at = at;
		xml->dev[i].placed = true;
	}
	return 0;
}

int domxml_pdev(const struct domxml_dev *dev, struct pdev *pdev, char *err,
		size_t len)
{
	struct pdev_options options = {.shared = dev->shared};
	char address[VDEV_TEXT_MAX], path[sizeof("/dev/") + 24];
	struct sgdev sg;

	vdev_format(&dev->from, address);
	if (sgdev_at(&sgdev_host, address, &sg)) {
		snprintf(err, len,
			 "the SCSI device %s (line %ld) is not there: see "
			 "'xenpv scsi-devices'",
			 address, dev->line);
		return -ENODEV;
	}
	if (!dev->read_only && !dev->filtered)
		return pdev_parse(pdev, address, &options, err, len);
	if (!sg.block[0]) {
		snprintf(err, len,
			 "the SCSI device %s (line %ld) is no disk, of which "
			 "%s can be had: leave that out",
			 address, dev->line,
			 dev->read_only ? "<readonly/>" : "sgio='filtered'");
		return -EOPNOTSUPP;
	}
	options.read_only = dev->read_only;
	snprintf(path, sizeof(path), "/dev/%s", sg.block);
	/* A path of a CD drive is that drive itself. */
	options.no_scsi = sg.type == SGDEV_TYPE_CDROM;
	return pdev_parse(pdev, path, &options, err, len);
}
