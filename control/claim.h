/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nothing is given out twice: what each LUN and each disk of this daemon holds.
 * A claim lives in whatever holds; it is held from claim_take() to
 * claim_drop().
 */
#ifndef CONTROL_CLAIM_H
#define CONTROL_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control/pdev.h"
#include "wire/port.h"

#define CLAIM_PLACE_MAX 32

struct guest;

struct claim {
	LIST_ENTRY(claim) entry;
	bool held;
	const struct guest *guest;
	char place[CLAIM_PLACE_MAX]; /* "0:0:1:0", "xvda": where it is there */
	char id[PDEV_ID_MAX];	     /* "": what nobody shares */
	uint64_t naa;		     /* 0: it has none */
	bool shared;
};

LIST_HEAD(claim_list, claim);

/*
 * claim_check - may PDEV become what PROPS says, beside all that is held?
 * @props: id, and naa (0: none), are used
 *
 * The same thing may be held twice when both say shared, or are CDs.
 *
 * @err, @len: receives the line that says who has it
 *
 * Return: 0 or -EBUSY.
 */
int claim_check(const struct claim_list *list, const struct pdev *pdev,
		const struct pdev_props *props, char *err,
		size_t len) XPV_MUST_CHECK;

/*
 * claim_check_library - may GUEST have a part of this tape library at PLACE?
 *
 * All parts of it that are given out are on one controller of one guest: -EBUSY
 * if another is elsewhere.
 */
int claim_check_library(const struct claim_list *list, const struct pdev *pdev,
			const struct pdev_props *props,
			const struct guest *guest, const char *place, char *err,
			size_t len) XPV_MUST_CHECK;

/*
 * claim_check_before - the same before PDEV is opened: the reason is clearer
 * than that of an exclusive open which fails. 0 also if PDEV is not there:
 * opening it will say why.
 */
int claim_check_before(const struct claim_list *list, const struct pdev *pdev,
		       char *err, size_t len) XPV_MUST_CHECK;

/* claim_take - hold it. @claim must not be held. */
void claim_take(struct claim_list *list, struct claim *claim,
		const struct guest *guest, const char *place,
		const struct pdev *pdev, const struct pdev_props *props);

/* claim_hold - the same for what an earlier xenpvd has taken. */
void claim_hold(struct claim_list *list, struct claim *claim,
		const struct guest *guest, const char *place, const char *id,
		uint64_t naa, bool shared);

/* claim_drop - hold it no more; nothing if it was not held. */
void claim_drop(struct claim *claim);

/* claim_replace - what CLAIM held is free; it holds what NEXT has held. */
void claim_replace(struct claim_list *list, struct claim *claim,
		   struct claim *next);

#endif
