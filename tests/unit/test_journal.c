/* SPDX-License-Identifier: BSD-2-Clause */
/* core/journal, and the file that the worker keeps it in. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/journal.h"
#include "worker/journal_file.h"

#define SLOTS 4u
#define SIZE  20u /* no multiple of 8: the checksum has a rest */

struct rig {
	struct journal j;
	uint32_t rsp_prod, req_cons;
	_Alignas(16) uint8_t mem[1024];
};

static struct rig *rig_new(uint32_t first)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_true(journal_size(SLOTS, SIZE) <= sizeof(r->mem));
	memset(r->mem, 0xaa, sizeof(r->mem));
	journal_init(&r->j, r->mem, SLOTS, SIZE, first);
	r->rsp_prod = r->req_cons = first;
	return r;
}

static void take(struct rig *r, uint32_t entry)
{
	memset(journal_slot(&r->j, entry), (int)r->req_cons, SIZE);
	journal_accept(&r->j, entry, r->req_cons++);
}

static void answer(struct rig *r, uint32_t entry)
{
	journal_answer(&r->j, entry, ++r->rsp_prod);
}

/* A successor finds the indexes, and N entries as listed. */
static void resumes(struct rig *r, uint32_t n, const uint16_t *want)
{
	uint32_t rsp_prod, req_cons, age = UINT32_MAX, i;
	struct journal j;

	assert_int_equal(
		journal_resume(&j, r->mem, SLOTS, SIZE, &rsp_prod, &req_cons),
		0);
	assert_int_equal(rsp_prod, r->rsp_prod);
	assert_int_equal(req_cons, r->req_cons);
	for (i = 0; i < n; i++)
		assert_int_equal(journal_next(&j, req_cons, &age), want[i]);
	assert_int_equal(journal_next(&j, req_cons, &age), SLOTS);
	assert_int_equal(journal_inflight(&j), n);
}

static void refused(struct rig *r)
{
	uint32_t rsp_prod, req_cons;
	struct journal j;

	assert_int_equal(
		journal_resume(&j, r->mem, SLOTS, SIZE, &rsp_prod, &req_cons),
		XPV_EPROTO);
}

static void test_empty(void **state)
{
	struct rig *r = rig_new(0);

	(void)state;
	resumes(r, 0, NULL);
	free(r);
	r = rig_new(0xfffffffeu);
	resumes(r, 0, NULL);
	free(r);
}

/* Answered in another order than taken, over the end of the indexes. */
static void test_order(void **state)
{
	static const uint16_t first[] = {2, 0, 3}, then[] = {2, 3, 0};
	struct rig *r = rig_new(0xfffffffeu);

	(void)state;
	take(r, 2);
	take(r, 0);
	take(r, 3);
	resumes(r, 3, first);
	answer(r, 0);
	take(r, 0);
	resumes(r, 3, then);
	assert_int_equal(journal_index(&r->j, 2), 0xfffffffeu);
	assert_int_equal(journal_index(&r->j, 0), 1);
	answer(r, 3);
	answer(r, 0);
	resumes(r, 1, then);
	answer(r, 2);
	resumes(r, 0, NULL);
	free(r);
}

/* Dead with half a slot in a free entry: the request is still on the ring. */
static void test_half_a_slot(void **state)
{
	struct rig *r = rig_new(0);

	(void)state;
	memset(journal_slot(&r->j, 1), 0x55, SIZE / 2);
	resumes(r, 0, NULL);
	free(r);
}

/* Dead between the commit and FREE: it is not answered again. */
static void test_answered_not_free(void **state)
{
	static const uint16_t other[] = {3};
	struct rig *r = rig_new(0);
	uint8_t before[64 + 4 * 48];

	(void)state;
	take(r, 1);
	take(r, 3);
	memcpy(before, r->mem + 64, sizeof(before));
	answer(r, 1);
	memcpy(r->mem + 64, before, sizeof(before)); /* all but the commit */
	resumes(r, 1, other);
	resumes(r, 1, other); /* a successor of the successor */
	free(r);
}

static void test_damage(void **state)
{
	struct rig *r = rig_new(0);
	uint32_t index;

	(void)state;
	take(r, 0);
	take(r, 1);
	((uint8_t *)journal_slot(&r->j, 0))[SIZE - 1] ^= 1;
	refused(r);
	((uint8_t *)journal_slot(&r->j, 0))[SIZE - 1] ^= 1;
	resumes(r, 2, (const uint16_t[]){0, 1});
	/* its index is a part of the checksum */
	index = 7;
	memcpy((uint8_t *)journal_slot(&r->j, 0) - 12, &index, sizeof(index));
	refused(r);
	free(r);

	r = rig_new(0);
	take(r, 0);
	memcpy((uint8_t *)journal_slot(&r->j, 1) - 16,
	       (uint8_t *)journal_slot(&r->j, 0) - 16, 16 + SIZE);
	refused(r); /* one request twice */
	free(r);

	r = rig_new(0);
	r->mem[0]++; /* another version */
	refused(r);
	free(r);
}

/* ---- the file ---- */

static struct proto_msg ring_msg(uint32_t flags)
{
	struct proto_msg m = {
		.type = PROTO_SCSI_OPEN,
		.controller = 3,
		.u.ring = {.gref = 8, .port = 9, .segs_max = 26},
		.text = "a guest",
	};

	m.u.ring.flags = PROTO_RING_JOURNAL | flags;
	return m;
}

/* The file, opened anew. */
static int again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int opened(struct journal_file *f, int fd, uint32_t flags)
{
	struct proto_msg m = ring_msg(flags);
	const char *why;

	return journal_file_open(f, fd, &m, 5, SLOTS, SIZE, &why);
}

static void test_file(void **state)
{
	int kept = memfd_create("journal", MFD_CLOEXEC), other;
	struct journal_file f;
	struct journal_look look;
	struct journal j;
	uint32_t rsp_prod, req_cons;

	(void)state;
	assert_true(kept >= 0);
	assert_int_equal(journal_file_look(kept, &look), -EBADMSG);
	assert_int_equal(opened(&f, again(kept), 0), 0);
	journal_init(&j, journal_file_mem(&f), SLOTS, SIZE, 0);
	journal_accept(&j, 0, 0);
	journal_accept(&j, 1, 1);
	journal_answer(&j, 0, 1);
	journal_file_busy(&f, true);

	/* As long as it lives nobody else takes it. */
	other = again(kept);
	{
		struct journal_file g;

		assert_int_equal(opened(&g, other, PROTO_RING_RECOVER), -EBUSY);
	}
	assert_int_equal(journal_file_look(kept, &look), 0);
	assert_string_equal(look.open.text, "a guest");
	assert_int_equal(look.open.u.ring.port, 9);
	assert_int_equal(look.open.u.ring.flags, PROTO_RING_JOURNAL);
	assert_int_equal(look.domid, 5);
	assert_int_equal(look.answered, 1);
	assert_int_equal(look.inflight, 1);
	assert_int_equal(look.resumed, 0);
	assert_true(look.busy);

	journal_file_close(&f);
	assert_null(journal_file_mem(&f));
	assert_int_equal(opened(&f, other, PROTO_RING_RECOVER), 0);
	assert_int_equal(journal_resume(&j, journal_file_mem(&f), SLOTS, SIZE,
					&rsp_prod, &req_cons),
			 0);
	assert_int_equal(rsp_prod, 1);
	assert_int_equal(req_cons, 2);
	assert_int_equal(journal_file_look(kept, &look), 0);
	assert_int_equal(look.resumed, 1);
	journal_file_close(&f);
	close(kept);
}

/* What is not the journal of this ring is not taken over. */
static void test_file_of_another(void **state)
{
	int kept = memfd_create("journal", MFD_CLOEXEC), fd;
	struct proto_msg m = ring_msg(0);
	struct journal_file f;
	struct journal_look look;
	const char *why;
	uint8_t byte;

	(void)state;
	fd = again(kept);
	assert_int_equal(opened(&f, fd, PROTO_RING_RECOVER), -EBADMSG);
	assert_int_equal(opened(&f, fd, 0), 0);
	journal_file_close(&f);

	m.u.ring.flags |= PROTO_RING_RECOVER;
	fd = again(kept);
	m.controller++;
	assert_int_equal(journal_file_open(&f, fd, &m, 5, SLOTS, SIZE, &why),
			 -EBADMSG);
	m.controller--;
	assert_int_equal(journal_file_open(&f, fd, &m, 6, SLOTS, SIZE, &why),
			 -EBADMSG);
	assert_int_equal(
		journal_file_open(&f, fd, &m, 5, 2 * SLOTS, SIZE, &why),
		-EBADMSG);
	/* damaged */
	assert_int_equal(pread(kept, &byte, 1, 100), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(kept, &byte, 1, 100), 1);
	assert_int_equal(journal_file_open(&f, fd, &m, 5, SLOTS, SIZE, &why),
			 -EBADMSG);
	assert_string_equal(why, "its journal is damaged");
	assert_int_equal(journal_file_look(kept, &look), -EBADMSG);
	close(fd);
	close(kept);
}

static void test_no_file(void **state)
{
	struct journal_file f;

	(void)state;
	journal_file_none(&f);
	assert_null(journal_file_mem(&f));
	journal_file_busy(&f, true);
	journal_file_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_half_a_slot),
		cmocka_unit_test(test_answered_not_free),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_of_another),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
