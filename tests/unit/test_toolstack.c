/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the toolstack writes depending on the state it finds, and that it
 * decides again when somebody was faster: control/ts_*.c against the small
 * xenstored of test_store_server.h, whose hook plays the backend.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/store.h"
#include "control/ts_place.h"
#include "core/xs.h"
#include "tests/unit/test_store_server.h"

#define BACK  "/local/domain/0/backend/xenpv-vscsi/5/0"
#define FRONT "/local/domain/5/device/vscsi/0"
#define STATE BACK "/state"
#define OLD   BACK "/vscsi-devs/dev-0"
#define ADDED BACK "/vscsi-devs/dev-1"

static struct site xen;
static const struct ts_guest guest = {.domid = 5, .name = "web"};
static const struct pdev_vdev old_place = {0, 0, 0, 0};
static const struct pdev_vdev new_place = {0, 0, 0, 1};
static const struct pdev pdev = {
	.name = "null:1G", .path = "null:1G", .kind = PDEV_NULL};

/* A guest with one LUN on a controller in this state. */
static void a_controller(struct server *s, const char *state)
{
	put(s, "/local/domain/5/name", "web");
	put(s, FRONT "/backend", BACK);
	put(s, FRONT "/state", "4");
	put(s, BACK "/frontend", FRONT);
	put(s, BACK "/feature-host", "0");
	put(s, BACK "/online", "1");
	put(s, OLD "/v-dev", "0:0:0:0");
	put(s, OLD "/state", "4");
	put(s, STATE, state);
}

static const char *value(struct server *s, const char *path)
{
	struct node *n = nodes_find(s->live, path);

	return n ? n->value : "-";
}

static int run(struct server *s, bool attach, bool no_wait)
{
	const struct ts_request req = {
		.guest = &guest,
		.at = attach ? &new_place : &old_place,
		.pdev = attach ? &pdev : NULL,
		.timeout_s = no_wait ? 1 : 2,
		.no_wait = no_wait,
	};
	struct toolstack ts = {.cfg.site = &xen};
	char err[TS_ERR_MAX] = "";
	int rc;

	assert_int_equal(site_init(&xen, "xen", err, sizeof(err)), 0);
	ts.st = client(s, NULL, NULL);
	rc = attach ? ts_attach(&ts, &req, err, sizeof(err))
		    : ts_detach(&ts, &req, err, sizeof(err));

	if (rc && !err[0])
		fail_msg("%d without a line", rc);
	store_close(ts.st);
	return rc;
}

static const char *conflict_state;

static void moves_on(struct server *s, bool committed)
{
	if (!committed)
		put(s, STATE, conflict_state);
}

/* 7 only where 4 was found, in the same transaction. */
static void state_7_takes_state_4(void **state)
{
	static const struct {
		bool attach;
		const char *found; /* the controller's state */
		const char *then;  /* after a conflict; NULL: none */
		int rc;
		const char *left; /* the controller's state afterwards */
		const char *lun;  /* and the LUN's */
	} rows[] = {
		{true, "1", NULL, 0, "1", "1"},
		{true, "2", NULL, 0, "2", "1"},
		{true, "4", NULL, 0, "7", "1"},
		{true, "4", "2", 0, "2", "1"},
		{true, "4", "1", 0, "1", "1"},
		{true, "2", "4", 0, "7", "1"},
		{true, "4", "5", -ETIMEDOUT, "5", "-"},
		{false, "1", NULL, 0, "1", "5"},
		{false, "2", NULL, 0, "2", "5"},
		{false, "4", NULL, 0, "7", "5"},
		{false, "4", "2", 0, "2", "5"},
		{false, "4", "6", 0, "6", "5"},
		{false, "2", "4", 0, "7", "5"},
		{false, "4", "8", -ETIMEDOUT, "8", "4"},
	};

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		struct server s = {.conflicts = rows[i].then ? 1 : 0,
				   .ended = moves_on};
		int rc;

		conflict_state = rows[i].then;
		a_controller(&s, rows[i].found);
		rc = run(&s, rows[i].attach, true);
		if (rc != rows[i].rc ||
		    strcmp(value(&s, STATE), rows[i].left) ||
		    strcmp(value(&s, rows[i].attach ? ADDED "/state"
						    : OLD "/state"),
			   rows[i].lun))
			fail_msg("row %zu: %d, state %s", i, rc,
				 value(&s, STATE));
		server_end(&s);
	}
}

static int withdraw(struct place *p, store_tx tx)
{
	return place_move(p, tx, (struct place_states){5, 7},
			  (struct place_states){4, 4});
}

/* Both states have to be as expected, or nothing is written. */
static void a_move_is_of_both_or_none(void **state)
{
	static const struct {
		const char *lun, *controller;
		int rc;
		const char *lun_left, *left;
	} rows[] = {
		{"5", "7", 0, "4", "4"},
		{"5", "8", TXN_NOTHING, "5", "8"},
		{"4", "7", TXN_NOTHING, "4", "7"},
		{"", "7", TXN_NOTHING, "", "7"},
	};
	char err[TS_ERR_MAX];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		const struct ts_request req = {
			.guest = &guest, .at = &old_place, .timeout_s = 1};
		struct server s = {.fragment = 0};
		struct toolstack ts;
		struct place p;

		a_controller(&s, rows[i].controller);
		put(&s, OLD "/state", rows[i].lun);
		ts = (struct toolstack){.st = client(&s, NULL, NULL)};
		place_init(&p, &ts, &req, err, sizeof(err));
		assert_int_equal(place_txn(&p, withdraw), rows[i].rc);
		store_close(ts.st);
		assert_string_equal(value(&s, OLD "/state"), rows[i].lun_left);
		assert_string_equal(value(&s, STATE), rows[i].left);
		server_end(&s);
	}
}

static int asked;

/* A backend that misses the first 7, and adds the LUN at the second. */
static void misses_one(struct server *s, bool committed)
{
	if (!committed || strcmp(value(s, STATE), "7"))
		return;
	if (asked++)
		put(s, ADDED "/state", "4");
	put(s, STATE, "4");
	fire(s, STATE);
}

static void a_missed_lun_is_asked_for_again(void **state)
{
	struct server s = {.ended = misses_one};

	(void)state;
	asked = 0;
	a_controller(&s, "4");
	assert_int_equal(run(&s, true, false), 0);
	assert_int_equal(asked, 2);
	server_end(&s);
}

/* A guest that does not look: what was asked is taken back. */
static void a_detach_unheard_is_withdrawn(void **state)
{
	struct server s = {.fragment = 0};

	(void)state;
	a_controller(&s, "4");
	assert_int_equal(run(&s, false, false), -ETIMEDOUT);
	assert_string_equal(value(&s, STATE), "4");
	assert_string_equal(value(&s, OLD "/state"), "4");
	server_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_7_takes_state_4),
		cmocka_unit_test(a_move_is_of_both_or_none),
		cmocka_unit_test(a_missed_lun_is_asked_for_again),
		cmocka_unit_test(a_detach_unheard_is_withdrawn),
	};

	return cmocka_run_group_tests_name("toolstack", tests, NULL, NULL);
}
