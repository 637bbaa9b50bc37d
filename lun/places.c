/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/places.h"

#include <errno.h>
#include <sys/mman.h>

int places_init(struct places *p)
{
	uint8_t *arena =
		mmap(NULL, (size_t)PLACES * PLACE_DATA, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (arena == MAP_FAILED)
		return -ENOMEM;
	p->arena = arena;
	p->free_last = &p->free;
	for (uint32_t i = 0; i < PLACES; i++) {
		p->place[i].buf = arena + (size_t)i * PLACE_DATA;
		place_give(p, &p->place[i]);
	}
	return 0;
}

void places_fini(struct places *p)
{
	if (p->arena)
		munmap(p->arena, (size_t)PLACES * PLACE_DATA);
}

void place_give(struct places *p, struct place *place)
{
	place->cmd = NULL;
	place->busy = false;
	place->next = NULL;
	*p->free_last = place;
	p->free_last = &place->next;
}

/* The place that comes next has been idle the longest. */
static void trim_next(struct places *p)
{
	struct place *place = p->free;

	if (!place || place->used <= PLACE_SMALL)
		return;
	(void)madvise(place->buf + PLACE_SMALL, place->used - PLACE_SMALL,
		      MADV_FREE);
	place->used = 0;
}

struct place *place_take(struct places *p, uint32_t len)
{
	struct place *place = p->free;

	p->free = place->next;
	if (!p->free)
		p->free_last = &p->free;
	if (place->used < len)
		place->used = len;
	trim_next(p);
	return place;
}

void cmd_list_init(struct cmd_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void cmd_list_put(struct cmd_list *list, struct lun_cmd *cmd)
{
	cmd->next = NULL;
	*list->last = cmd;
	list->last = &cmd->next;
}

void cmd_list_drop(struct cmd_list *list, struct lun_cmd *cmd)
{
	struct lun_cmd **p = &list->first;

	while (*p != cmd)
		p = &(*p)->next;
	*p = cmd->next;
	if (!*p)
		list->last = p;
}

struct lun_cmd *cmd_list_take(struct cmd_list *list)
{
	struct lun_cmd *cmd = list->first;

	if (cmd)
		cmd_list_drop(list, cmd);
	return cmd;
}
