/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/bounce.h"

void bounce_init(struct bounce_pool *p, struct bounce *mem,
		 const struct front_page *page, uint32_t n)
{
	uint32_t i;

	p->page = mem;
	p->first_free = BOUNCE_NIL;
	p->free = 0;
	p->good = n;
	for (i = n; i-- > 0;) {
		mem[i].page = page[i];
		bounce_give(p, i);
	}
}

uint32_t bounce_take(struct bounce_pool *p, uint32_t n)
{
	uint32_t i, page, first = BOUNCE_NIL;

	XPV_ASSERT(n <= p->free);
	for (i = 0; i < n; i++) {
		page = p->first_free;
		p->first_free = p->page[page].next;
		p->page[page].next = first;
		first = page;
	}
	p->free -= n;
	return first;
}

void bounce_give(struct bounce_pool *p, uint32_t i)
{
	p->page[i].next = p->first_free;
	p->first_free = i;
	p->free++;
}

void bounce_lose(struct bounce_pool *p)
{
	XPV_ASSERT(p->good > p->free);
	p->good--;
}

/* AT, which is inside of its piece, goes N bytes on. */
static void advance(const struct front_piece *piece, struct bounce_at *at,
		    uint32_t n)
{
	at->offset += n;
	if (at->offset == piece[at->piece].len) {
		at->piece++;
		at->offset = 0;
	}
}

void front_skip(const struct front_piece *piece, struct bounce_at *at,
		uint32_t len)
{
	uint32_t n;

	for (; len > 0; len -= n) {
		n = piece[at->piece].len - at->offset;
		if (n > len)
			n = len;
		advance(piece, at, n);
	}
}

static void move(const struct bounce_pool *p, uint32_t page,
		 const struct front_piece *piece, struct bounce_at *at,
		 uint32_t len, bool out)
{
	uint32_t offset = 0;

	while (len > 0) {
		const struct front_piece *s = &piece[at->piece];
		uint8_t *ours = p->page[page].page.va + offset;
		uint8_t *owners = s->va + at->offset;
		uint32_t n = WIRE_PAGE_SIZE - offset;

		if (n > s->len - at->offset)
			n = s->len - at->offset;
		if (n > len)
			n = len;
		if (out)
			xpv_copy(ours, owners, n);
		else
			xpv_copy(owners, ours, n);
		len -= n;
		offset += n;
		if (offset == WIRE_PAGE_SIZE) {
			page = p->page[page].next;
			offset = 0;
		}
		advance(piece, at, n);
	}
}

void bounce_read(const struct bounce_pool *p, uint32_t first,
		 const struct front_piece *piece, struct bounce_at *at,
		 uint32_t len)
{
	move(p, first, piece, at, len, false);
}

void bounce_fill(const struct bounce_pool *p, uint32_t first,
		 const struct front_piece *piece, struct bounce_at *at,
		 uint32_t len)
{
	uint32_t page, n;

	move(p, first, piece, at, len, true);
	for (page = first; page != BOUNCE_NIL; page = p->page[page].next) {
		n = len < WIRE_PAGE_SIZE ? len : WIRE_PAGE_SIZE;
		xpv_zero(p->page[page].page.va + n, WIRE_PAGE_SIZE - n);
		len -= n;
	}
}

int front_pieces(const struct front_piece *piece, uint32_t n, uint32_t align,
		 uint32_t *len, bool *aligned)
{
	uint32_t i, sum = 0;

	if (n > UINT32_MAX / WIRE_PAGE_SIZE)
		return XPV_EINVAL;
	*aligned = true;
	for (i = 0; i < n; i++) {
		const struct front_piece *p = &piece[i];

		if (p->len == 0 || p->len > WIRE_PAGE_SIZE ||
		    p->offset > WIRE_PAGE_SIZE - p->len)
			return XPV_EINVAL;
		if (p->offset % align != 0 ||
		    (p->len % align != 0 && i + 1 < n))
			*aligned = false;
		sum += p->len;
	}
	*len = sum;
	return 0;
}
