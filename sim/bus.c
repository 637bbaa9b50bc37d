/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/bus.h"

#include <stdio.h>
#include <string.h>

#include "core/bus.h"
#include "core/bus_front.h"
#include "sim/controller.h"
#include "sim/mem.h"
#include "sim/store.h"

#define PATH_MAX_ 128

/* ---- paths ---- */

struct path_text {
	char s[PATH_MAX_];
};

static struct path_text back_path(const struct controller *c, const char *what)
{
	struct path_text p;

	snprintf(p.s, sizeof(p.s), "/local/domain/0/backend/sim/%u/%u%s%s",
		 c->dom, c->index, *what ? "/" : "", what);
	return p;
}

static struct path_text front_path(const struct controller *c, const char *what)
{
	struct path_text p;

	snprintf(p.s, sizeof(p.s), "/local/domain/%u/device/vscsi/%u%s%s",
		 c->dom, c->index, *what ? "/" : "", what);
	return p;
}

/* Of its own length: two paths in one would need the sum of both. */
static struct dev_text {
	char s[40];
} dev(uint32_t i)
{
	struct dev_text p;

	snprintf(p.s, sizeof(p.s), "vscsi-devs/dev-%u/state", i);
	return p;
}

#define BACK(what)  (back_path(c, what).s)
#define FRONT(what) (front_path(c, what).s)

/* Write VALUE unless it is there. */
static bool set(struct store_client *t, const char *path, uint32_t value,
		uint32_t was)
{
	if (value == was)
		return false;
	store_write(t, path, value);
	return true;
}

/* ---- an end looks, and acts later ---- */

static void plan(struct bus_end *e, uint64_t delay, event_fn *look)
{
	if (e->planned) {
		e->again = true;
		return;
	}
	e->planned = true;
	e->again = false;
	world_at(e->c->w, delay, look, e, 0);
}

/* It has acted: once more if it has changed something, or others have. */
static void acted(struct bus_end *e, bool changed, event_fn *look)
{
	e->planned = false;
	if (changed || e->again)
		plan(e, rng_range(&e->c->w->rng, 1, 60) * US, look);
}

static uint64_t think(struct controller *c)
{
	return rng_range(&c->w->rng, 1, 100) * US;
}

/* ---- the backend ---- */

struct seen {
	uint32_t own, other, own_dev[CONTROLLER_LUNS],
		other_dev[CONTROLLER_LUNS];
};

static struct {
	struct seen back, front;
} seen[CONTROLLERS_MAX];

static void back_act(void *ctx, uint32_t arg);

static bool ring_changed(struct controller *c)
{
	struct bus *b = &c->bus;

	return b->held_gref &&
	       (store_read(b->back.client, FRONT(WIRE_BUS_RING_REF)) !=
			b->held_gref ||
		store_read(b->back.client, FRONT(WIRE_BUS_EVENT_CHANNEL)) !=
			b->held_port);
}

static struct bus_facts back_facts(struct controller *c)
{
	struct store_client *t = c->bus.back.client;
	struct seen *s = &seen[c->index].back;
	struct bus_facts f = {0};
	uint32_t i;

	f.own = s->own = store_read(t, BACK(WIRE_BUS_STATE));
	f.front = s->other = store_read(t, FRONT(WIRE_BUS_STATE));
	f.online = store_read(t, BACK(WIRE_BUS_ONLINE)) == 1;
	f.front_gone = !store_there(t, FRONT(""));
	f.connected = c->life != LIFE_DOWN;
	f.ring_changed = ring_changed(c);
	for (i = 0; i < c->luns; i++) {
		s->own_dev[i] = store_read(t, BACK(dev(i).s));
		s->other_dev[i] = store_read(t, FRONT(dev(i).s));
	}
	f.failed = c->bus.failed;
	if (bus_back_forgives(&f))
		f.failed = c->bus.failed = false;
	return f;
}

static void back_look(void *ctx, uint32_t arg)
{
	struct bus_end *e = ctx;
	struct controller *c = e->c;

	(void)arg;
	if (c->back.frozen > c->w->now) {
		world_at(c->w, c->back.frozen - c->w->now, back_look, e, 0);
		return;
	}
	e->again = false;
	store_begin(e->client);
	(void)back_facts(c);
	world_at(c->w, think(c), back_act, e, 0);
}

/* Attach or detach as a step says. False: it takes time. */
static bool back_lun(struct controller *c, uint32_t i, enum bus_lun_action what)
{
	struct lun_state *l = &c->lun[i];

	if (what == BUS_LUN_ADD && l->going)
		return false;
	if (what == BUS_LUN_ADD && !l->there)
		controller_lun_add(c, i);
	if (what == BUS_LUN_DEL && l->there && !l->going)
		controller_lun_del(c, i);
	return what != BUS_LUN_DEL || !l->there;
}

/* All of the LUNs' states; true if one was written. */
static bool back_luns(struct controller *c, const struct bus_facts *f,
		      const struct bus_step *step, bool *later)
{
	struct seen *s = &seen[c->index].back;
	bool changed = false;
	uint32_t i;

	for (i = 0; i < c->luns; i++) {
		struct bus_lun_step l =
			bus_lun_step(f, step, s->own_dev[i], s->other_dev[i]);

		if (!back_lun(c, i, l.action))
			*later = true;
		else
			changed |= set(c->bus.back.client, BACK(dev(i).s),
				       l.next, s->own_dev[i]);
	}
	return changed;
}

/* Connect what the frontend's nodes name. */
static bool back_connect(struct controller *c)
{
	struct store_client *t = c->bus.back.client;
	uint32_t gref = store_read(t, FRONT(WIRE_BUS_RING_REF));
	uint32_t port = store_read(t, FRONT(WIRE_BUS_EVENT_CHANNEL));

	c->bus.held_gref = gref;
	c->bus.held_port = port;
	return controller_connect(c, gref, port);
}

/* True when it is done; false when it takes time, or has failed. */
static bool back_do(struct controller *c, const struct bus_step *step)
{
	switch (step->action) {
	case BUS_ANNOUNCE:
		store_write(c->bus.back.client, BACK(WIRE_BUS_SCSI_SG_GRANT),
			    c->segs_max);
		return true;
	case BUS_CONNECT:
		if (back_connect(c))
			return true;
		c->bus.failed = true;
		return false;
	case BUS_DISCONNECT:
		controller_disconnect(c);
		return c->life == LIFE_DOWN;
	case BUS_REMOVE:
		c->bus.removed = true;
		store_rm(c->bus.back.client, BACK(""));
		return true;
	default:
		return true;
	}
}

static void back_act(void *ctx, uint32_t arg)
{
	struct bus_end *e = ctx;
	struct controller *c = e->c;
	struct bus_facts f = back_facts(c);
	struct bus_step step = bus_back_step(&f);
	bool changed = false, later = false;

	(void)arg;
	world_note(c->w, "back-step", (uint64_t)f.own << 8 | f.front,
		   (uint64_t)step.action << 8 | step.next);
	if (!back_do(c, &step)) {
		store_end(e->client, false);
		acted(e, c->bus.failed && step.action == BUS_CONNECT,
		      back_look);
		return;
	}
	if (step.action == BUS_REMOVE) {
		changed = !store_end(e->client, true);
		c->bus.removed = !changed;
		acted(e, changed, back_look);
		return;
	}
	f.connected = c->life != LIFE_DOWN;
	changed = back_luns(c, &f, &step, &later);
	/* A state that says that LUNs have changed waits for them. */
	if (!later)
		changed |=
			set(e->client, BACK(WIRE_BUS_STATE), step.next, f.own);
	if (!store_end(e->client, true))
		changed = true;
	acted(e, changed || step.action == BUS_DISCONNECT, back_look);
}

static void back_changed(void *ctx)
{
	plan(ctx, US, back_look);
}

void bus_back_changed(struct controller *c)
{
	if (!c->bus.removed)
		back_changed(&c->bus.back);
}

/* ---- the frontend ---- */

static void front_look(void *ctx, uint32_t arg);
static void front_act(void *ctx, uint32_t arg);

static struct bus_front_facts front_facts(struct controller *c)
{
	struct store_client *t = c->bus.front.client;
	struct seen *s = &seen[c->index].front;
	struct bus *b = &c->bus;
	struct bus_front_facts f = {0};
	uint32_t i;

	f.own = s->own = store_read(t, FRONT(WIRE_BUS_STATE));
	f.back = s->other = store_read(t, BACK(WIRE_BUS_STATE));
	f.online = store_read(t, BACK(WIRE_BUS_ONLINE)) != 0;
	f.back_gone = !store_there(t, BACK(""));
	f.ring = b->ring;
	f.wanted = !b->unwanted;
	for (i = 0; i < c->luns; i++) {
		s->own_dev[i] = store_read(t, FRONT(dev(i).s));
		s->other_dev[i] = store_read(t, BACK(dev(i).s));
	}
	if (b->seen_own != f.own || b->seen_back != f.back) {
		b->seen_own = f.own;
		b->seen_back = f.back;
		b->moved_at = c->w->now;
	}
	f.late = c->w->now - b->moved_at >= SEC;
	return f;
}

static void front_again(void *ctx, uint32_t arg)
{
	struct controller *c = ctx;

	(void)arg;
	plan(&c->bus.front, US, front_look);
}

static void front_look(void *ctx, uint32_t arg)
{
	struct bus_end *e = ctx;
	struct controller *c = e->c;

	(void)arg;
	if (c->frozen > c->w->now) {
		world_at(c->w, c->frozen - c->w->now, front_look, e, 0);
		return;
	}
	e->again = false;
	store_begin(e->client);
	(void)front_facts(c);
	world_at(c->w, think(c), front_act, e, 0);
}

static void wanted(void *ctx, uint32_t arg)
{
	(void)arg;
	bus_wanted(ctx);
}

static bool front_publish(struct controller *c)
{
	struct bus *b = &c->bus;

	if (!controller_ring_up(c)) {
		b->unwanted = true;
		world_at(c->w, MS, wanted, c, 0);
		return false;
	}
	b->ring = true;
	store_write(b->front.client, FRONT(WIRE_BUS_RING_REF), c->gref);
	store_write(b->front.client, FRONT(WIRE_BUS_EVENT_CHANNEL), c->port);
	return true;
}

/*
 * Let go of the ring. What is in flight is waited for while the backend serves:
 * it may still write to our pages.
 */
static bool front_disconnect(struct controller *c)
{
	struct bus *b = &c->bus;

	if (b->connected) {
		b->draining = true;
		controller_quiesce(c);
		if (c->load.out && c->life != LIFE_DOWN)
			return false;
	}
	controller_ring_down(c);
	b->ring = b->connected = b->draining = false;
	return true;
}

static bool front_do(struct controller *c, const struct bus_front_step *step)
{
	struct bus *b = &c->bus;

	switch (step->action) {
	case BUS_FRONT_PUBLISH:
		return front_publish(c);
	case BUS_FRONT_CONNECT:
		if (!b->connected)
			controller_use(c);
		b->connected = true;
		return true;
	case BUS_FRONT_DISCONNECT:
		return front_disconnect(c);
	default:
		return true;
	}
}

static void front_act(void *ctx, uint32_t arg)
{
	struct bus_end *e = ctx;
	struct controller *c = e->c;
	struct seen *s = &seen[c->index].front;
	struct bus_front_facts f = front_facts(c);
	struct bus_front_step step = bus_front_step(&f);
	bool ring = c->bus.ring, changed = false;
	uint32_t i;

	(void)arg;
	world_note(c->w, "front-step", (uint64_t)f.own << 8 | f.back,
		   (uint64_t)step.action << 8 | step.next);
	if (c->bus.draining && step.action != BUS_FRONT_DISCONNECT) {
		c->bus.draining = false; /* it is wanted after all */
		controller_use(c);
	}
	if (step.action == BUS_FRONT_REMOVE || !front_do(c, &step)) {
		store_end(e->client, false);
		acted(e, false, front_look);
		return;
	}
	for (i = 0; i < c->luns; i++) {
		struct bus_front_lun_step l = bus_front_lun_step(
			&f, &step, s->own_dev[i], s->other_dev[i]);

		changed |=
			set(e->client, FRONT(dev(i).s), l.next, s->own_dev[i]);
	}
	changed |= set(e->client, FRONT(WIRE_BUS_STATE), step.next, f.own);
	if (!store_end(e->client, true)) {
		changed = true;
		/* Its nodes were not written: there is no ring yet. */
		if (step.action == BUS_FRONT_PUBLISH && !ring) {
			controller_ring_down(c);
			c->bus.ring = false;
		}
	}
	if (!changed && !f.late)
		world_at(c->w, SEC, front_again, c, 0);
	acted(e, changed, front_look);
}

static void front_changed(void *ctx)
{
	plan(ctx, US, front_look);
}

void bus_front_changed(struct controller *c)
{
	if (c->bus.draining)
		front_changed(&c->bus.front);
}

void bus_leave(struct controller *c)
{
	c->bus.unwanted = true;
	front_changed(&c->bus.front);
	world_at(c->w, rng_range(&c->w->rng, 10, 3000) * US, wanted, c, 0);
}

void bus_wanted(struct controller *c)
{
	c->bus.unwanted = c->closed;
	front_changed(&c->bus.front);
}

/* ---- the toolstack ---- */

static void tool_again(void *ctx, uint32_t arg);

static void tool_act(void *ctx, uint32_t arg)
{
	struct bus_end *e = ctx;
	struct controller *c = e->c;
	struct bus *b = &c->bus;
	uint32_t i = b->change - 1, state, own;

	(void)arg;
	e->planned = false;
	if (!b->change || b->removed)
		return;
	b->change = 0;
	store_begin(e->client);
	state = store_read(e->client, BACK(WIRE_BUS_STATE));
	own = store_read(e->client, BACK(dev(i).s));
	/* Also while another change is under way; not while the device comes or
	 * goes. */
	if ((state != WIRE_BUS_CONNECTED && state != WIRE_BUS_RECONFIGURING &&
	     state != WIRE_BUS_RECONFIGURED) ||
	    own != (b->adds ? WIRE_BUS_CLOSED : WIRE_BUS_CONNECTED)) {
		store_end(e->client, false);
		return;
	}
	store_write(e->client, BACK(dev(i).s),
		    b->adds ? WIRE_BUS_INITIALISING : WIRE_BUS_CLOSING);
	store_write(e->client, BACK(WIRE_BUS_STATE), WIRE_BUS_RECONFIGURING);
	/* Who attaches one disk often attaches more: while both ends move. */
	if (store_end(e->client, true) && !c->w->live &&
	    rng_odds(&c->w->rng, 3, 4))
		world_at(c->w, rng_range(&c->w->rng, 1, 800) * US, tool_again,
			 c, 0);
}

static void tool_again(void *ctx, uint32_t arg)
{
	(void)arg;
	bus_change_luns(ctx);
}

static void tool_changed(void *ctx)
{
	(void)ctx;
}

void bus_change_luns(struct controller *c)
{
	struct bus *b = &c->bus;
	uint32_t i = rng_below(&c->w->rng, c->luns);

	if (b->change || b->tool.planned)
		return;
	b->change = i + 1;
	b->adds = !c->lun[i].there;
	b->tool.planned = true;
	world_at(c->w, think(c), tool_act, &b->tool, 0);
}

/* Whatever was removed is to be there in the second phase. */
static void add_missing(struct controller *c)
{
	struct bus *b = &c->bus;
	uint32_t i;

	for (i = 0; i < c->luns && !b->change && !b->tool.planned; i++) {
		if (c->lun[i].there)
			continue;
		b->change = i + 1;
		b->adds = true;
		b->tool.planned = true;
		world_at(c->w, MS, tool_act, &b->tool, 0);
	}
}

void bus_remove(struct controller *c)
{
	struct store_client *t = c->bus.tool.client;

	do {
		store_begin(t);
		store_write(t, BACK(WIRE_BUS_ONLINE), 0);
		store_write(t, BACK(WIRE_BUS_STATE), WIRE_BUS_CLOSING);
	} while (!store_end(t, true));
	c->bus.unwanted = true;
	front_changed(&c->bus.front);
}

static void end_init(struct bus_end *e, struct controller *c, struct store *s,
		     uint32_t dom, void (*changed)(void *ctx))
{
	e->c = c;
	e->client = store_client(s, dom, changed, e);
}

void bus_init(struct controller *c, struct store *s)
{
	struct bus *b = &c->bus;
	struct store_client *t;
	uint32_t i;

	memset(b, 0, sizeof(*b));
	store_dir(s, BACK(""), 0, c->dom);
	store_dir(s, FRONT(""), c->dom, 0);
	end_init(&b->back, c, s, 0, back_changed);
	end_init(&b->front, c, s, c->dom, front_changed);
	end_init(&b->tool, c, s, 0, tool_changed);
	t = b->tool.client;
	for (i = 0; i < c->luns; i++)
		store_write(t, BACK(dev(i).s), WIRE_BUS_INITIALISING);
	store_write(t, BACK(WIRE_BUS_ONLINE), 1);
	store_write(t, BACK(WIRE_BUS_STATE), WIRE_BUS_INITIALISING);
	store_write(t, FRONT(WIRE_BUS_STATE), WIRE_BUS_INITIALISING);
	store_watch(b->back.client, BACK(""));
	store_watch(b->back.client, FRONT(""));
	store_watch(b->front.client, BACK(""));
	store_watch(b->front.client, FRONT(""));
}

bool bus_settled(struct controller *c)
{
	struct store_client *t = c->bus.tool.client;
	uint32_t i;

	if (c->closed)
		return c->bus.removed && !c->bus.ring && c->life == LIFE_DOWN;
	if (store_read(t, BACK(WIRE_BUS_STATE)) != WIRE_BUS_CONNECTED ||
	    store_read(t, FRONT(WIRE_BUS_STATE)) != WIRE_BUS_CONNECTED)
		return false;
	for (i = 0; i < c->luns; i++) {
		if (c->lun[i].there &&
		    store_read(t, BACK(dev(i).s)) == WIRE_BUS_CONNECTED &&
		    store_read(t, FRONT(dev(i).s)) == WIRE_BUS_CONNECTED)
			continue;
		add_missing(c);
		return false;
	}
	return c->bus.connected;
}
