/* SPDX-License-Identifier: BSD-2-Clause */
/* xenpv vtl: folders that are virtual tape libraries. */
#include "cli/vtl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/guest_cmd.h"
#include "cli/table.h"
#include "cli/text.h"
#include "lun/cart_file.h"

/* ----------------------------------------------------------------- create */

#define CAPACITY_DEFAULT (UINT64_C(2500) << 30) /* of LTO-6; files grow */
#define CAPACITY_MIN	 (UINT64_C(1) << 20)
#define CAPACITY_MAX	 (UINT64_C(1) << 50)

static int number(const struct cli_args *args, int option, uint32_t min,
		  uint32_t max, uint32_t *value, char *err)
{
	const char *text = args->option[option];
	uint64_t n = *value;

	if (text && !text_number(text, min, max, &n)) {
		snprintf(err, VTL_ERR_MAX,
			 "vtl create: --%s '%.40s' is no number from %u to %u",
			 vtl_options[option].name, text, min, max);
		return -EINVAL;
	}
	*value = (uint32_t)n;
	return 0;
}

static int create(const struct cli_args *args, char *err)
{
	struct vtl_plan plan = {.drives = 2, .slots = 24};
	const char *capacity = args->option[VTL_CAPACITY];
	int rc;

	plan.capacity = CAPACITY_DEFAULT;
	rc = number(args, VTL_DRIVES, 1, CHANGER_DRIVES_MAX, &plan.drives, err);
	if (!rc)
		rc = number(args, VTL_SLOTS, 1, CHANGER_SLOTS_MAX, &plan.slots,
			    err);
	plan.tapes = plan.slots - plan.slots / 6;
	if (!rc)
		rc = number(args, VTL_TAPES, 0, plan.slots, &plan.tapes, err);
	if (!rc)
		rc = number(args, VTL_WORM, 0, plan.tapes, &plan.worm, err);
	if (!rc && capacity &&
	    (!guest_size(capacity, &plan.capacity) ||
	     plan.capacity < CAPACITY_MIN || plan.capacity > CAPACITY_MAX)) {
		snprintf(err, VTL_ERR_MAX,
			 "vtl create: --capacity '%.40s' is no size from 1M "
			 "to 1024T",
			 capacity);
		rc = -EINVAL;
	}
	if (!rc)
		rc = vtl_create(args->arg[1], &plan, err, VTL_ERR_MAX);
	if (!rc)
		printf("%s: %u drives, %u slots, %u cartridges\n", args->arg[1],
		       plan.drives, plan.slots, plan.tapes);
	return rc;
}

/* ------------------------------------------------------------------- list */

static const char *flags_text(uint32_t flags)
{
	if (flags & CART_WORM)
		return flags & CART_PROTECTED ? "worm, protected" : "worm";
	return flags & CART_PROTECTED ? "protected" : "-";
}

struct row {
	char place[16];
	struct vtl_cart *in; /* NULL: nothing */
	struct cart cart;
	bool damaged;
};

static void find_row(struct vtl *v, uint32_t address, struct row *row)
{
	char ignored[VTL_ERR_MAX];
	int fd;

	memset(row, 0, sizeof(*row));
	vtl_place_name(address, row->place);
	row->in = vtl_at(v, address);
	if (!row->in)
		return;
	fd = vtl_open_cart(v, row->in, O_RDONLY, ignored, sizeof(ignored));
	row->damaged = fd < 0 || cart_file_label(fd, &row->cart) < 0;
	if (fd >= 0)
		close(fd);
}

static uint32_t address_of(const struct vtl *v, uint32_t i)
{
	return i < v->drives ? CHANGER_DRIVE + i : CHANGER_SLOT + i - v->drives;
}

static void list_table(struct vtl *v)
{
	static const struct table_column columns[] = {
		{"Place", 0}, {"Cartridge", 0}, {"Used", 1}, {"Capacity", 1},
		{"Files", 1}, {"Flags", 0},	{NULL, 0},
	};
	struct table table;
	char text[24];
	struct row row;

	table_init(&table, columns);
	for (uint32_t i = 0; i < v->drives + v->slots; i++) {
		find_row(v, address_of(v, i), &row);
		if (!row.in && i >= v->drives)
			continue;
		table_add(&table, row.place);
		table_add(&table, row.in ? row.in->barcode : NULL);
		text_size(row.cart.end.offset - CART_START, text);
		table_add(&table, row.in && !row.damaged ? text : NULL);
		text_size(row.cart.capacity, text);
		table_add(&table, row.in && !row.damaged ? text : NULL);
		snprintf(text, sizeof(text), "%" PRIu64, row.cart.end.file);
		table_add(&table, row.in && !row.damaged ? text : NULL);
		table_add(&table,
			  row.damaged ? "damaged" : flags_text(row.cart.flags));
	}
	table_print(&table, stdout);
	table_free(&table);
}

static json_t *row_json(const struct row *row)
{
	const struct cart *c = &row->cart;

	if (!row->in)
		return json_pack("{s:s, s:n}", "place", row->place,
				 "cartridge");
	if (row->damaged)
		return json_pack("{s:s, s:s, s:b}", "place", row->place,
				 "cartridge", row->in->barcode, "damaged", 1);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:b}", "place",
			 row->place, "cartridge", row->in->barcode, "used",
			 (json_int_t)(c->end.offset - CART_START), "capacity",
			 (json_int_t)c->capacity, "files",
			 (json_int_t)c->end.file, "worm",
			 c->flags & CART_WORM ? 1 : 0, "protected",
			 c->flags & CART_PROTECTED ? 1 : 0);
}

static void list_json(struct vtl *v)
{
	json_t *places = json_array(), *all;
	struct row row;

	for (uint32_t i = 0; i < v->drives + v->slots; i++) {
		find_row(v, address_of(v, i), &row);
		json_array_append_new(places, row_json(&row));
	}
	all = json_pack("{s:s, s:i, s:i, s:o}", "serial", v->serial, "drives",
			(int)v->drives, "slots", (int)v->slots, "places",
			places);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int list(const struct cli_args *args, char *err)
{
	struct vtl v;
	int rc = vtl_open(&v, args->arg[1], VTL_LOOK, err, VTL_ERR_MAX);

	if (rc)
		return rc;
	if (args->option[VTL_JSON])
		list_json(&v);
	else
		list_table(&v);
	vtl_close(&v);
	return 0;
}

/* ----------------------------------------------------------------- verify */

int vtl_named(struct vtl *v, const char *barcode, int flags,
	      struct vtl_cart **cart, int *fd, char *err)
{
	*cart = vtl_find(v, barcode);
	if (!*cart) {
		snprintf(err, VTL_ERR_MAX,
			 "there is no cartridge '%.64s'; see xenpv vtl list",
			 barcode);
		return -ENOENT;
	}
	*fd = vtl_open_cart(v, *cart, flags, err, VTL_ERR_MAX);
	return *fd < 0 ? *fd : 0;
}

/* What of the cartridge is readable, one line; true if that is all. */
static bool verify_one(const struct vtl *v, const struct vtl_cart *vc)
{
	char err[VTL_ERR_MAX];
	int fd = vtl_open_cart(v, vc, O_RDONLY, err, sizeof(err)), rc;
	struct cart_sum sum = {0};
	struct cart c;

	if (fd < 0) {
		printf("%s\n", err);
		return false;
	}
	rc = cart_file_load(fd, &c);
	if (!rc && strcmp(c.barcode, vc->barcode))
		rc = -EBADMSG;
	if (!rc)
		rc = cart_file_scan(fd, &c, &sum, NULL, NULL);
	close(fd);
	if (rc) {
		printf("cartridge %s: damaged: %s\n", vc->barcode,
		       rc == -EBADMSG ? "neither of its labels can be read"
				      : strerror(-rc));
		return false;
	}
	printf("cartridge %s: %s: %" PRIu64 " blocks, %" PRIu64
	       " filemarks, %" PRIu64 " bytes",
	       vc->barcode, sum.damaged ? "damaged" : "good", sum.blocks,
	       sum.marks, sum.bytes);
	if (sum.damaged)
		printf(" are readable; record %" PRIu64 " at byte %" PRIu64
		       " is not",
		       sum.at.number, sum.at.offset);
	putchar('\n');
	return !sum.damaged;
}

static int verify(const struct cli_args *args, char *err)
{
	struct vtl v;
	int rc = vtl_open(&v, args->arg[1], VTL_CHANGE, err, VTL_ERR_MAX);
	uint32_t bad = 0;

	if (rc)
		return rc;
	for (uint32_t i = 0; i < v.ncarts; i++)
		bad += !verify_one(&v, &v.cart[i]);
	if (bad) {
		snprintf(err, VTL_ERR_MAX, "%u of %u cartridges are damaged",
			 bad, v.ncarts);
		rc = -EBADMSG;
	}
	vtl_close(&v);
	return rc;
}

/* ---------------------------------------------------------------- protect */

static int protect(const struct cli_args *args, char *err)
{
	bool on = !strcmp(args->arg[3], "on");
	struct vtl_cart *vc;
	struct cart c;
	struct vtl v;
	int fd, rc;

	if (!on && strcmp(args->arg[3], "off")) {
		snprintf(err, VTL_ERR_MAX,
			 "vtl protect: '%.40s' is neither on nor off",
			 args->arg[3]);
		return -EINVAL;
	}
	rc = vtl_open(&v, args->arg[1], VTL_CHANGE, err, VTL_ERR_MAX);
	if (rc)
		return rc;
	rc = vtl_named(&v, args->arg[2], O_RDWR, &vc, &fd, err);
	if (!rc) {
		rc = cart_file_load(fd, &c);
		c.flags = on ? c.flags | CART_PROTECTED
			     : c.flags & ~CART_PROTECTED;
		if (!rc)
			rc = cart_file_sync(fd, &c);
		if (rc)
			snprintf(err, VTL_ERR_MAX, "cartridge %s: %s",
				 vc->barcode, strerror(-rc));
		close(fd);
	}
	vtl_close(&v);
	return rc;
}

/* ------------------------------------------------------------------- main */

static const struct {
	const char *name, *args;
	int words; /* with the name */
	int (*run)(const struct cli_args *args, char *err);
} subcommands[] = {
	{"create", "DIR", 2, create},
	{"list", "DIR", 2, list},
	{"verify", "DIR", 2, verify},
	{"protect", "DIR BARCODE on|off", 4, protect},
	{"import", "DIR BARCODE FILE", 4, vtl_import},
	{"export", "DIR BARCODE FILE", 4, vtl_export},
};

int vtl_run(const struct command *command, const struct cli_args *args)
{
	char err[VTL_ERR_MAX] = "";
	size_t i = 0;
	int rc;

	(void)command;
	while (i < XPV_ARRAY_SIZE(subcommands) &&
	       strcmp(subcommands[i].name, args->arg[0]))
		i++;
	if (i == XPV_ARRAY_SIZE(subcommands)) {
		text_error("vtl: '%s' is none of create, list, verify, "
			   "protect, import, export",
			   args->arg[0]);
		return 1;
	}
	if (args->n != subcommands[i].words) {
		text_error("vtl %s: give %s: xenpv vtl %s %s", args->arg[0],
			   subcommands[i].args, args->arg[0],
			   subcommands[i].args);
		return 1;
	}
	rc = subcommands[i].run(args, err);
	if (rc)
		text_error("%s", err);
	return rc ? 1 : 0;
}
