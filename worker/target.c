/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/target.h"

static int compare(const struct scsi_addr *a, const struct scsi_addr *b)
{
	if (a->channel != b->channel)
		return a->channel < b->channel ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->lun != b->lun)
		return a->lun < b->lun ? -1 : 1;
	return 0;
}

static bool same_target(const struct scsi_addr *a, const struct scsi_addr *b)
{
	return a->channel == b->channel && a->id == b->id;
}

/* Index of the first LUN that is not before ADDR. */
static uint32_t lower_bound(const struct target *t,
			    const struct scsi_addr *addr)
{
	uint32_t lo = 0, hi = t->count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (compare(&t->lun[mid]->addr, addr) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct target_lun *target_find(const struct target *t,
			       const struct scsi_addr *addr)
{
	uint32_t i = lower_bound(t, addr);

	if (i == t->count || compare(&t->lun[i]->addr, addr) != 0)
		return NULL;
	return t->lun[i];
}

/* Tell the LUNs of ADDR's target that their neighbours have changed. */
static void list_changed(const struct target *t, const struct scsi_addr *addr)
{
	uint32_t i;

	for (i = 0; i < t->count; i++)
		if (same_target(&t->lun[i]->addr, addr) &&
		    compare(&t->lun[i]->addr, addr) != 0)
			t->lun[i]->lun->type->luns_changed(t->lun[i]->lun);
}

int target_add(struct target *t, const struct scsi_addr *addr, struct lun *lun,
	       bool resumed)
{
	uint32_t at = lower_bound(t, addr);
	struct target_lun *tl;

	if (target_find(t, addr))
		return -EEXIST;
	if (t->count == TARGET_LUNS_MAX)
		return -ENOSPC;
	tl = calloc(1, sizeof(*tl));
	if (!tl)
		return -ENOMEM;
	tl->addr = *addr;
	tl->lun = lun;
	memmove(&t->lun[at + 1], &t->lun[at],
		(t->count - at) * sizeof(t->lun[0]));
	t->lun[at] = tl;
	t->count++;
	if (!resumed)
		list_changed(t, addr);
	return 0;
}

void target_remove(struct target *t, struct target_lun *tl)
{
	uint32_t at = lower_bound(t, &tl->addr);

	memmove(&t->lun[at], &t->lun[at + 1],
		(t->count - at - 1) * sizeof(t->lun[0]));
	t->count--;
	if (tl->going)
		list_changed(t, &tl->addr);
	tl->lun->type->close(tl->lun);
	free(tl);
}

/* The LUN numbers of ADDR's target; returns how many. */
static uint32_t numbers(const struct target *t, const struct scsi_addr *addr,
			uint16_t *out)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->count; i++)
		if (same_target(&t->lun[i]->addr, addr) && !t->lun[i]->going)
			out[n++] = t->lun[i]->addr.lun;
	return n;
}

bool target_answer(const struct target *t, const struct scsi_addr *addr,
		   struct lun_cmd *cmd)
{
	bool wants = scsi_target_wants(&cmd->task);
	uint16_t luns[TARGET_LUNS_MAX];
	struct target_lun *tl = target_find(t, addr);
	uint32_t n;

	if (tl && !tl->going && !wants)
		return false;
	n = numbers(t, addr, luns);
	cmd->host = WIRE_SCSI_HOST_OK;
	if (n == 0)
		cmd->host = WIRE_SCSI_HOST_NO_CONNECT;
	else if (wants)
		scsi_target_report_luns(&cmd->task, luns, n);
	else
		scsi_target_absent(&cmd->task);
	return true;
}
