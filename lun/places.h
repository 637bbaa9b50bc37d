/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for the data-in of commands that a device has, and a list of those that
 * wait for their turn. For LUNs that are a real device.
 *
 * A path copies data-in from a place to the guest after done(). Places are used
 * in turn: as long as a LUN has no more than PLACES / 2 commands under way, none
 * is used again before that. Nearly all commands are small: what a large one has
 * used beyond PLACE_SMALL is offered to the kernel again.
 *
 * For the LUN's thread alone. Nothing allocates but places_init().
 */
#ifndef LUN_PLACES_H
#define LUN_PLACES_H

#include "lun/lun.h"

#define PLACES	    32u
#define PLACE_DATA  (4u << 20)	 /* bytes, most data-in of a command */
#define PLACE_SMALL (256u << 10) /* of them that a place keeps */

/* A command that the device has, or the place for one. */
struct place {
	struct lun_cmd *cmd; /* NULL: cancelled, or not in use */
	struct place *next;  /* of the free ones */
	uint8_t *buf;	     /* PLACE_DATA bytes, zeroes at first */
	uint32_t used;	     /* bytes of it, since it was given back */
	bool busy;
	bool harmless; /* reads, so that others may overtake it */
};

struct places {
	struct place place[PLACES];
	struct place *free, **free_last;
	uint8_t *arena;
};

/* 0 or -ENOMEM; places_fini() may be called after either, and of zeroes. */
int places_init(struct places *p) XPV_MUST_CHECK;
void places_fini(struct places *p);

/* The place that has been idle the longest, for LEN bytes of data-in; there must
 * be one. Its cmd and busy are the caller's to set. */
struct place *place_take(struct places *p, uint32_t len);
void place_give(struct places *p, struct place *place);

static inline uint32_t place_number(const struct places *p,
				    const struct place *place)
{
	return (uint32_t)(place - p->place);
}

/* First in, first out; linked by the commands' next. */
struct cmd_list {
	struct lun_cmd *first, **last;
};

void cmd_list_init(struct cmd_list *list);
void cmd_list_put(struct cmd_list *list, struct lun_cmd *cmd);
/* The first, or NULL. */
struct lun_cmd *cmd_list_take(struct cmd_list *list);
/* CMD is in it. */
void cmd_list_drop(struct cmd_list *list, struct lun_cmd *cmd);

#endif
