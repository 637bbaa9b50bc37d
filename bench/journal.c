/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the journal of a ring costs: nanoseconds for each request, of the copy of
 * its slot, which a backend without a journal makes as well, and of what is
 * there for a successor: checksum, index, state, commit (core/journal.h). In
 * shared memory of a file, as a worker has it, with as many requests under way
 * as given (16).
 *
 *	build/bench/journal [DEPTH]
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/blk_abi.h"
#include "core/journal.h"
#include "wire/scsi.h"

#define SLOTS  64u
#define ROUNDS 9
#define COUNT  (UINT32_C(1) << 20)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* COUNT requests, DEPTH at once, each answered in the order of the ring. */
static double run(struct journal *j, uint32_t depth, bool journaled)
{
	static uint8_t ring[SLOTS][512];
	uint64_t start = now_ns();
	uint32_t i, n, rsp = journal_answered(j);

	for (i = 0; i < COUNT; i += depth) {
		for (n = 0; n < depth; n++) {
			ring[n][0] = (uint8_t)(i + n);
			memcpy(journal_slot(j, n), ring[n], j->slot_size);
			__asm__ volatile("" ::: "memory");
			if (journaled)
				journal_accept(j, n, i + n);
		}
		for (n = 0; n < depth && journaled; n++)
			journal_answer(j, n, ++rsp);
	}
	return (double)(now_ns() - start) / COUNT;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct journal *j, uint32_t depth, bool journaled)
{
	double ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		ns[i] = run(j, depth, journaled);
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	return ns[ROUNDS / 2];
}

static int measure(const char *what, uint32_t slot, uint32_t depth)
{
	size_t len = journal_size(SLOTS, slot);
	int fd = memfd_create("journal", MFD_CLOEXEC);
	struct journal j;
	double copy, all;
	void *mem;

	if (fd < 0 || ftruncate(fd, (off_t)len))
		return 1;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mem == MAP_FAILED)
		return 1;
	journal_init(&j, mem, SLOTS, slot, 0);
	copy = median(&j, depth, false);
	all = median(&j, depth, true);
	printf("| %s | %u | %.0f | %.0f |\n", what, (unsigned int)slot, copy,
	       all - copy);
	munmap(mem, len);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t depth = argc > 1 ? (uint32_t)atoi(argv[1]) : 16;

	if (depth < 1 || depth > SLOTS) {
		fprintf(stderr, "usage: journal [DEPTH], 1 to %u\n", SLOTS);
		return 1;
	}
	printf("| ring | slot, bytes | copy of the slot, ns | journal, ns |\n"
	       "|---|---|---|---|\n");
	return measure("PVSCSI", sizeof(struct wire_scsi_req), depth) ||
	       measure("block", blk_abi_slot(BLK_ABI_NATIVE), depth);
}
