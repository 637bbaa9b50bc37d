/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside a guest: what devices there are, and commands sent to them by hand. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/guest_cmd.h"
#include "cli/table.h"
#include "cli/text.h"
#include "control/vbd_name.h"
#include "scsi/bytes.h"

#define WAIT_MS	     30000
#define SETTLE_MS    5000
#define CDB_DATA_MAX 65536

/* SPC-4 table 139, as lsscsi shortens it. */
static const char *type_name(uint8_t type)
{
	static const char *const name[] = {
		"disk",	  "tape",    "printer", "process", "worm",
		"cd/dvd", "scanner", "optical", "mediumx", "comms"};

	if (type < XPV_ARRAY_SIZE(name))
		return name[type];
	return type == 0x0c ? "storage" : type == 0x0d ? "enclosu" : "-";
}

int guest_wait(struct guest_ctx *ctx, int n, char **word)
{
	int ms = n > 1 ? atoi(word[1]) * 1000 : WAIT_MS;
	struct guest_lun lun;
	struct vdisk d;
	char err[SESSION_ERR_MAX], size[24];

	if (ms <= 0) {
		text_error("guest: '%s' is no number of seconds", word[1]);
		return 1;
	}
	if (guest_disk_find(ctx, word[0], ms, &lun))
		return 1;
	if (guest_open(&lun, &d, err, sizeof(err))) {
		text_error("guest: %s: %s", word[0], err);
		return 1;
	}
	text_size(d.blocks * d.block, size);
	printf("%s is there: %s", word[0], type_name(d.type));
	if (d.v)
		printf(" %s %s", d.vendor, d.product);
	if (d.has_blocks)
		printf(", %s, blocks of %" PRIu32, size, d.block);
	printf("%s\n", d.write_protected ? ", read-only" : "");
	return 0;
}

/* ------------------------------------------------------------------- list */

static const struct table_column list_columns[] = {
	{"VDEV", 0}, {"Type", 0},  {"Vendor", 0}, {"Model", 0}, {"Revision", 0},
	{"Size", 1}, {"Block", 1}, {"State", 0},  {NULL, 0},
};

static bool settled(void *ctx)
{
	return session_settled(ctx);
}

/* All but the first column. */
static void list_disk(struct table *t, const struct vdisk *d)
{
	char text[24], block[24];

	table_add(t, type_name(d->type));
	table_add(t, d->v ? d->vendor : NULL);
	table_add(t, d->v ? d->product : NULL);
	table_add(t, d->v ? d->revision : NULL);
	text_size(d->blocks * d->block, text);
	table_add(t, d->has_blocks ? text : NULL);
	snprintf(block, sizeof(block), "%" PRIu32, d->block);
	table_add(t, d->has_blocks ? block : NULL);
	table_add(t, d->write_protected ? "read-only" : "running");
}

static void list_lun(struct table *t, struct pvscsi *v, struct pvscsi_lun *lun)
{
	char vdev[40], err[SESSION_ERR_MAX] = "";
	struct vdisk d = {0};

	snprintf(vdev, sizeof(vdev), "%" PRIu32 ":%u:%u:%u", v->dev.unit,
		 lun->addr.channel, lun->addr.id, lun->addr.lun);
	table_add(t, vdev);
	if (!lun->present || vdisk_open(&d, v, lun->addr, err, sizeof(err))) {
		for (int i = 0; i < 6; i++)
			table_add(t, NULL);
		table_add(t, *err ? err : "not ready");
		return;
	}
	list_disk(t, &d);
}

static void list_luns(struct table *t, struct pvscsi *v)
{
	for (uint32_t i = 0; i < v->nluns; i++)
		if (v->lun[i].named)
			list_lun(t, v, &v->lun[i]);
}

static void list_vbd(struct table *t, struct vbd *b)
{
	char name[VBD_TEXT_MAX];
	struct vdisk d;

	vbd_name_format(b->dev.unit, name);
	table_add(t, name);
	if (!b->dev.connected) {
		for (int i = 0; i < 6; i++)
			table_add(t, NULL);
		table_add(t, "not ready");
		return;
	}
	vdisk_open_vbd(&d, b);
	list_disk(t, &d);
}

int guest_list(struct guest_ctx *ctx, int n, char **word)
{
	struct session *s = ctx->session;
	struct table t;
	int rc;

	(void)n, (void)word;
	rc = session_wait(s, SETTLE_MS, ctx->stop, settled, s);
	if (rc && rc != -ETIMEDOUT) {
		text_error("guest: list: %s", strerror(-rc));
		return 1;
	}
	table_init(&t, list_columns);
	for (struct gdev *d = s->devices; d; d = d->next) {
		if (d->gone)
			continue;
		if (d->foreign || !d->connected)
			text_error("guest: %s %" PRIu32 " %s%s%s", d->ops->noun,
				   d->unit,
				   d->foreign ? "belongs to a driver of this "
						"kernel"
					      : "is not connected",
				   *d->trouble ? ": " : "", d->trouble);
		if (d->ops == &vbd_device)
			list_vbd(&t, (struct vbd *)d);
		else
			list_luns(&t, (struct pvscsi *)d);
	}
	if (t.cells)
		table_print(&t, stdout);
	else
		puts("there is no disk");
	table_free(&t);
	return 0;
}

/* ---------------------------------------------------------------- inquiry */

static void print_text(const char *what, const uint8_t *p, size_t n)
{
	char text[256];
	char *clean;

	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	clean = text_clean(text);
	printf("  %s: %s\n", what, clean);
	free(clean);
}

static void show_standard(const uint8_t *p, uint32_t n)
{
	printf("standard INQUIRY:\n");
	printf("  PQual=%u  PDT=%u (%s)  RMB=%u  version=0x%02x\n", p[0] >> 5,
	       p[0] & 0x1f, type_name(p[0] & 0x1f), p[1] >> 7, p[2]);
	printf("  NormACA=%u  HiSUP=%u  Resp_data_format=%u  SCCS=%u  "
	       "TPGS=%u  3PC=%u  Protect=%u\n",
	       p[3] >> 5 & 1, p[3] >> 4 & 1, p[3] & 0xf, p[5] >> 7,
	       p[5] >> 4 & 3, p[5] >> 3 & 1, p[5] & 1);
	printf("  EncServ=%u  MultiP=%u  CmdQue=%u  length=%u\n", p[6] >> 6 & 1,
	       p[6] >> 4 & 1, p[7] >> 1 & 1, p[4] + 5);
	print_text("Vendor identification", p + 8, 8);
	print_text("Product identification", p + 16, 16);
	print_text("Product revision level", p + 32, 4);
	for (uint32_t i = 58; i + 1 < n && i < 74; i += 2)
		if (scsi_get16(p + i))
			printf("  version descriptor: 0x%04x\n",
			       scsi_get16(p + i));
}

/* SPC-4 7.8.6: designators, each with a head of 4 bytes. */
static void show_ids(const uint8_t *p, uint32_t n)
{
	static const char *const name[] = {
		"vendor",     "T10 vendor", "EUI-64", "NAA",	  "target port",
		"port group", "LU group",   "MD5",    "SCSI name"};
	uint32_t i, len;

	for (i = 4; i + 4 <= n; i += 4 + len) {
		len = p[i + 3];
		if (len > n - i - 4)
			break;
		printf("  designator: %s, ",
		       (p[i + 1] & 0xf) < XPV_ARRAY_SIZE(name)
			       ? name[p[i + 1] & 0xf]
			       : "?");
		if ((p[i] & 0xf) == 1) {
			for (uint32_t j = 0; j < len; j++)
				printf("%02x", p[i + 4 + j]);
			putchar('\n');
		} else {
			printf("text\n");
			print_text("  is", p + i + 4, len);
		}
	}
}

/* A target says as much of this page as it knows; LIO has 20 bytes. */
static void show_limits(const uint8_t *p, uint32_t n)
{
	static const struct {
		uint8_t at, bytes;
		const char *what;
	} field[] = {
		{6, 2, "optimal transfer granularity, blocks"},
		{8, 4, "maximum transfer length, blocks"},
		{12, 4, "optimal transfer length, blocks"},
		{20, 4, "maximum unmap LBA count"},
		{24, 4, "maximum unmap descriptors"},
		{28, 4, "optimal unmap granularity"},
		{36, 8, "maximum write same length"},
	};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(field); i++) {
		uint64_t value = 0;

		if (n < field[i].at + field[i].bytes)
			return;
		for (uint8_t b = 0; b < field[i].bytes; b++)
			value = value << 8 | p[field[i].at + b];
		printf("  %s: %" PRIu64 "\n", field[i].what, value);
	}
}

static void show_pages(const uint8_t *p, uint32_t n)
{
	printf("  pages:");
	for (uint32_t i = 4; i < n; i++)
		printf(" 0x%02x", p[i]);
	putchar('\n');
}

static void show_serial(const uint8_t *p, uint32_t n)
{
	if (n > 4)
		print_text("serial number", p + 4, n - 4);
}

static void show_medium(const uint8_t *p, uint32_t n)
{
	if (n >= 6)
		printf("  rotation rate: %u%s\n", scsi_get16(p + 4),
		       scsi_get16(p + 4) == 1 ? " (solid state)" : "");
}

static void show_thin(const uint8_t *p, uint32_t n)
{
	if (n >= 7)
		printf("  LBPU=%u  LBPWS=%u  LBPWS10=%u  LBPRZ=%u  "
		       "provisioning type=%u\n",
		       p[5] >> 7, p[5] >> 6 & 1, p[5] >> 5 & 1, p[5] >> 2 & 7,
		       p[6] & 7);
}

static const struct {
	uint8_t page;
	const char *name;
	void (*show)(const uint8_t *p, uint32_t n);
} pages[] = {
	{0x00, "Supported VPD pages", show_pages},
	{0x80, "Unit serial number", show_serial},
	{0x83, "Device identification", show_ids},
	{0xb0, "Block limits", show_limits},
	{0xb1, "Block device characteristics", show_medium},
	{0xb2, "Logical block provisioning", show_thin},
};

static void show_page(uint8_t page, const uint8_t *p, uint32_t n)
{
	const char *name = "page";
	void (*show)(const uint8_t *p, uint32_t n) = NULL;
	uint32_t len;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(pages); i++) {
		if (pages[i].page != page)
			continue;
		name = pages[i].name;
		show = pages[i].show;
	}
	printf("VPD INQUIRY: %s (0x%02x)\n", name, page);
	if (n < 4)
		return;
	len = scsi_get16(p + 2) + 4u;
	if (show)
		show(p, len < n ? len : n);
}

static int failed(const struct guest_lun *lun, const char *what,
		  const struct pvscsi_cmd *cmd)
{
	char why[96];

	vdisk_why(cmd, why, sizeof(why));
	text_error("guest: %s: %s fails: %s", lun->text, what, why);
	return 1;
}

int guest_inquiry(struct guest_ctx *ctx, int n, char **word)
{
	uint8_t cdb[6] = {0x12}, data[1024] = {0};
	struct guest_lun lun;
	struct pvscsi_cmd cmd;
	uint32_t got, want = 96;
	char *end;
	unsigned long page;

	if (n > 1) {
		page = strtoul(word[1], &end, 16);
		if (!*word[1] || *end || page > 0xff) {
			text_error("guest: '%s' is no VPD page: use hex, as "
				   "in 'inquiry %s 83'",
				   word[1], word[0]);
			return 1;
		}
		cdb[1] = 1;
		cdb[2] = (uint8_t)page;
		want = sizeof(data);
	}
	if (guest_lun(ctx, word[0], GUEST_PATIENCE_MS, &lun))
		return 1;
	scsi_put16(cdb + 3, want);
	if (vdisk_cmd(lun.v, &cmd, lun.addr, cdb, sizeof(cdb), data, want,
		      &got))
		return failed(&lun, "INQUIRY", &cmd);
	if (n > 1)
		show_page(cdb[2], data, got);
	else
		show_standard(data, got);
	want = n > 1 ? scsi_get16(data + 2) + 4u : data[4] + 5u;
	guest_hex(stdout, data, got < want ? got : want);
	return 0;
}

/* ----------------------------------------------------------- cdb, reset */

static int parse_hex(const char *text, uint8_t *out, size_t max)
{
	size_t n = strlen(text);
	char two[3] = "", *end;

	if (!n || n % 2 || n / 2 > max)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		memcpy(two, text + i, 2);
		out[i / 2] = (uint8_t)strtoul(two, &end, 16);
		if (*end)
			return -1;
	}
	return (int)(n / 2);
}

int guest_cdb(struct guest_ctx *ctx, int n, char **word)
{
	struct pvscsi_cmd cmd = {.timeout_ms = ctx->session->timeout_ms,
				 .dir = WIRE_SCSI_DIR_NONE};
	static uint8_t data[CDB_DATA_MAX];
	struct guest_lun lun;
	uint64_t len = 0;
	int bytes;

	bytes = parse_hex(word[1], cmd.cdb, sizeof(cmd.cdb));
	if (bytes < 0) {
		text_error("guest: '%s' is no CDB: use 1 to 16 bytes in hex",
			   word[1]);
		return 1;
	}
	if (n > 2 && (!guest_size(word[2], &len) || len > sizeof(data))) {
		text_error("guest: '%s' is no length from 0 to %zu", word[2],
			   sizeof(data));
		return 1;
	}
	if (guest_lun(ctx, word[0], GUEST_PATIENCE_MS, &lun))
		return 1;
	memset(data, 0, len);
	cmd.addr = lun.addr;
	cmd.cdb_len = (uint8_t)bytes;
	cmd.len = (uint32_t)len;
	cmd.data = data;
	if (len)
		cmd.dir = WIRE_SCSI_DIR_IN;
	if (pvscsi_exec(lun.v, &cmd))
		return failed(&lun, "the command", &cmd);
	printf("host %u, status 0x%02x, residual %" PRIu32 "\n", cmd.res.host,
	       cmd.res.status, cmd.res.residual);
	if (cmd.res.sense_len) {
		printf("sense:\n");
		guest_hex(stdout, cmd.res.sense, cmd.res.sense_len);
	}
	guest_hex(stdout, data, len - cmd.res.residual);
	return cmd.res.host || cmd.res.status ? 1 : 0;
}

int guest_reset(struct guest_ctx *ctx, int n, char **word)
{
	struct pvscsi_cmd cmd = {.reset = true,
				 .timeout_ms = ctx->session->timeout_ms};
	struct guest_lun lun;

	(void)n;
	if (guest_lun(ctx, word[0], GUEST_PATIENCE_MS, &lun))
		return 1;
	cmd.addr = lun.addr;
	if (pvscsi_exec(lun.v, &cmd) || cmd.res.host)
		return failed(&lun, "the reset", &cmd);
	printf("%s: reset\n", word[0]);
	return 0;
}

/* ----------------------------------------------------------------- abort */

#define ABORTS_MAX 256

struct aborts {
	int left, good, aborted, unsent, other;
};

static void abort_done(struct pvscsi_cmd *cmd)
{
	struct aborts *a = cmd->ctx;

	a->left--;
	if (!cmd->err && !cmd->res.host && !cmd->res.status)
		a->good++;
	else if (!cmd->err && cmd->res.host == WIRE_SCSI_HOST_ABORT)
		a->aborted++;
	else if (cmd->err == -ECANCELED)
		a->unsent++;
	else
		a->other++;
}

/* Long reads, every second of which is aborted as soon as it was sent. */
int guest_abort(struct guest_ctx *ctx, int n, char **word)
{
	static struct pvscsi_cmd cmd[ABORTS_MAX];
	int count = n > 1 ? atoi(word[1]) : 16, rc = 0;
	struct aborts a = {.left = count};
	struct guest_lun lun;
	struct vdisk d;
	uint32_t blocks;
	uint8_t *data;

	if (count < 1 || count > ABORTS_MAX) {
		text_error("guest: '%s' is no count from 1 to %d", word[1],
			   ABORTS_MAX);
		return 1;
	}
	if (guest_lun(ctx, word[0], GUEST_PATIENCE_MS, &lun) ||
	    guest_disk(ctx, word[0], &d))
		return 1;
	data = malloc(d.transfer);
	if (!data)
		return 1;
	blocks = d.transfer / d.block;
	if (blocks > d.blocks)
		blocks = (uint32_t)d.blocks;
	for (int i = 0; i < count; i++) {
		cmd[i] = (struct pvscsi_cmd){
			.addr = d.addr,
			.cdb = {0x28},
			.cdb_len = 10,
			.dir = WIRE_SCSI_DIR_IN,
			.timeout_ms = ctx->session->timeout_ms,
			.data = data,
			.len = blocks * d.block,
			.done = abort_done,
			.ctx = &a,
		};
		scsi_put16(cmd[i].cdb + 7, blocks);
		pvscsi_submit(d.v, &cmd[i]);
		if (!rc)
			rc = guest_step(ctx, 0);
		if (i % 2)
			pvscsi_cancel(d.v, &cmd[i]);
	}
	while (a.left && !rc)
		rc = guest_step(ctx, -1);
	if (a.left)
		gdev_abandon(&d.v->dev);
	free(data);
	printf("%s: %d reads, %d GOOD, %d aborted, %d not sent, %d other\n",
	       word[0], count, a.good, a.aborted, a.unsent, a.other);
	return rc || a.other ? 1 : 0;
}
