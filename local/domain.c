/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "local/nodes.h"

/* As many numbers as Xen has for domains (DOMID_FIRST_RESERVED, xen.h). */
#define DOMID_END 0x7ff0u

/* The guest may be changing the entry at the same time, forever. */
#define GRANT_TRIES 4

/* ------------------------------------------------------------ life, death */

struct domain *domain_find(const struct domains *all, uint32_t domid)
{
	struct domain *d;

	for (d = all->first; d && d->domid != domid; d = d->next)
		;
	return d;
}

static int check_name(const struct domains *all, const char *name)
{
	const struct domain *d;
	size_t len = strnlen(name, LOCAL_NAME_MAX);

	if (len == 0 || len == LOCAL_NAME_MAX || strcmp(name, "Domain-0") == 0)
		return -EINVAL;
	/* Digits alone would be taken for a domain's number; see xl(1). */
	if (strspn(name, "0123456789") == len ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+") != len)
		return -EINVAL;
	for (d = all->first; d; d = d->next)
		if (strcmp(d->name, name) == 0)
			return -EEXIST;
	return 0;
}

static int memory_new(struct domain *d)
{
	d->memory_fd =
		memfd_create("xenpv-domain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memory_fd < 0 ||
	    ftruncate(d->memory_fd, (off_t)LOCAL_PAGES * WIRE_PAGE_SIZE) < 0 ||
	    fcntl(d->memory_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	d->memory = local_map_memory(d->memory_fd, LOCAL_PAGES);
	if (!d->memory)
		return -ENOMEM;
	return pipe2(d->upcall, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

static void make_uuid(char out[37])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 4122: random */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void domain_drop(struct domain *d)
{
	struct local_pin *p;
	uint32_t i;

	while ((p = d->pin)) {
		d->pin = p->next;
		free(p);
	}
	for (i = 0; i < LOCAL_PORTS; i++)
		if (d->port[i].used)
			close(d->port[i].event);
	if (d->memory)
		munmap(d->memory, (size_t)LOCAL_PAGES * WIRE_PAGE_SIZE);
	if (d->memory_fd >= 0)
		close(d->memory_fd);
	for (i = 0; i < 2; i++)
		if (d->upcall[i] >= 0)
			close(d->upcall[i]);
	free(d);
}

int domain_new(struct domains *all, const char *name, const void *owner,
	       struct domain **out)
{
	struct domain *d;
	int rc = check_name(all, name);

	if (rc < 0)
		return rc;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->memory_fd = d->upcall[0] = d->upcall[1] = -1;
	d->owner = owner;
	strcpy(d->name, name);
	make_uuid(d->uuid);
	rc = memory_new(d);
	if (rc < 0) {
		domain_drop(d);
		return rc;
	}
	do {
		if (++all->last_domid >= DOMID_END)
			all->last_domid = 1;
	} while (domain_find(all, all->last_domid));
	d->domid = all->last_domid;
	d->next = all->first;
	all->first = d;
	nodes_create(all->xs, d);
	*out = d;
	return 0;
}

void domain_free(struct domains *all, struct domain *d)
{
	struct domain **at;

	for (at = &all->first; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	nodes_remove(all->xs, d);
	domain_drop(d);
}

/* --------------------------------------------------------- event channels */

int domain_port_new(struct domain *d, uint32_t peer, uint32_t *port, int *event)
{
	uint32_t i;

	/* Port 0 is none, as on Xen. */
	for (i = 1; i < LOCAL_PORTS && d->port[i].used; i++)
		;
	if (i == LOCAL_PORTS)
		return -ENOSPC;
	d->port[i].event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->port[i].event < 0)
		return -errno;
	d->port[i].used = true;
	d->port[i].peer = peer;
	d->port[i].binder = NULL;
	*event = d->port[i].event;
	*port = i;
	return 0;
}

int domain_port_close(struct domain *d, uint32_t port)
{
	if (port >= LOCAL_PORTS || !d->port[port].used)
		return -EINVAL;
	close(d->port[port].event);
	d->port[port].used = false;
	return 0;
}

int domain_bind(struct domain *d, uint32_t port, uint32_t peer,
		const void *owner, int *event)
{
	struct local_port *p = &d->port[port < LOCAL_PORTS ? port : 0];

	if (!p->used || p->peer != peer || p->binder)
		return -EINVAL;
	p->binder = owner;
	*event = p->event;
	return 0;
}

/* ----------------------------------------------------------------- grants */

/* Mark the entry as in use; its content in *G. */
static int pin_entry(struct domain *d, uint32_t gref, uint32_t peer,
		     bool readonly, struct local_grant *g)
{
	uint64_t *entry = &d->memory->grant[gref], word, next;
	int i;

	for (i = 0; i < GRANT_TRIES; i++) {
		word = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
		*g = local_grant_of(word);
		if (!local_grant_ok(*g, peer, false, LOCAL_PAGES))
			return -EINVAL;
		if (!local_grant_ok(*g, peer, !readonly, LOCAL_PAGES))
			return -EACCES;
		g->flags |= LOCAL_GRANT_READING;
		if (!readonly)
			g->flags |= LOCAL_GRANT_WRITING;
		next = local_grant_word(*g);
		if (__atomic_compare_exchange_n(entry, &word, next, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return 0;
	}
	return -EINVAL;
}

/* The entry of GREF says in use as far as pins that are left need it. */
static void unpin_entry(struct domain *d, uint32_t gref)
{
	struct local_grant keep = {
		.flags = 0xffff, .domid = 0xffff, .frame = UINT32_MAX};
	const struct local_pin *p;
	bool reading = false, writing = false;

	for (p = d->pin; p; p = p->next)
		if (p->gref == gref) {
			reading = true;
			writing |= !p->readonly;
		}
	if (!reading)
		keep.flags &= (uint16_t)~LOCAL_GRANT_READING;
	if (!writing)
		keep.flags &= (uint16_t)~LOCAL_GRANT_WRITING;
	__atomic_fetch_and(&d->memory->grant[gref], local_grant_word(keep),
			   __ATOMIC_SEQ_CST);
}

static int link_of(struct domain *d, const void *owner, uint32_t *link)
{
	uint32_t i, free_one = LOCAL_LINKS;

	for (i = 0; i < LOCAL_LINKS; i++) {
		if (d->link_owner[i] == owner)
			break;
		if (!d->link_owner[i] && free_one == LOCAL_LINKS)
			free_one = i;
	}
	if (i == LOCAL_LINKS)
		i = free_one;
	if (i == LOCAL_LINKS)
		return -ENOSPC;
	d->link_owner[i] = owner;
	__atomic_fetch_or(&d->memory->links, 1ull << i, __ATOMIC_SEQ_CST);
	*link = i;
	return 0;
}

int domain_map(struct domain *d, uint32_t gref, uint32_t peer, bool readonly,
	       const void *owner, uint32_t *frame, uint32_t *link)
{
	struct local_grant g;
	struct local_pin *p;
	int rc;

	if (gref >= LOCAL_GRANTS)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	rc = pin_entry(d, gref, peer, readonly, &g);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*p = (struct local_pin){d->pin, owner, gref, readonly};
	d->pin = p;
	*frame = g.frame;
	rc = link_of(d, owner, link);
	if (rc < 0)
		(void)domain_unmap(d, gref, owner);
	return rc;
}

int domain_unmap(struct domain *d, uint32_t gref, const void *owner)
{
	struct local_pin **at, *p;

	for (at = &d->pin; *at; at = &(*at)->next)
		if ((*at)->owner == owner && (*at)->gref == gref)
			break;
	p = *at;
	if (!p)
		return -EINVAL;
	*at = p->next;
	free(p);
	unpin_entry(d, gref);
	return 0;
}

/* ------------------------------------------------------ a connection ended */

static void forget(struct domain *d, const void *owner)
{
	struct local_pin *p, *next;
	uint32_t i;

	for (i = 0; i < LOCAL_LINKS; i++) {
		if (d->link_owner[i] != owner)
			continue;
		/* It may have died while it was copying. */
		__atomic_store_n(&d->memory->link[i].l.count, 0,
				 __ATOMIC_SEQ_CST);
		__atomic_fetch_and(&d->memory->links, ~(1ull << i),
				   __ATOMIC_SEQ_CST);
		d->link_owner[i] = NULL;
	}
	for (p = d->pin; p; p = next) {
		next = p->next;
		if (p->owner == owner)
			(void)domain_unmap(d, p->gref, owner);
	}
	for (i = 0; i < LOCAL_PORTS; i++)
		if (d->port[i].used && d->port[i].binder == owner)
			d->port[i].binder = NULL;
}

void domain_forget_owner(struct domains *all, const void *owner)
{
	struct domain *d;

	for (d = all->first; d; d = d->next)
		forget(d, owner);
}
