/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/journal_file.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal.h"
#include "wire/ring.h"

#define MAGIC	0x4c4e4a5658ull /* "XVJNL" */
#define VERSION 1u

/* What does not change while the ring is open. */
struct identity {
	struct proto_msg open;
	uint32_t domid;
	uint32_t slots, slot_size;
	uint32_t pad;
};

/* Page 0. */
struct head {
	uint64_t magic; /* written last */
	uint32_t version;
	uint32_t resumed;
	uint32_t busy;
	uint32_t pad;
	uint64_t sum; /* of id */
	struct identity id;
};

_Static_assert(sizeof(struct head) <= WIRE_PAGE_SIZE, "it has a page");

/* FNV-1a, 64 bits. */
static uint64_t sum_of(const struct identity *id)
{
	const uint8_t *p = (const uint8_t *)id;
	uint64_t h = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < sizeof(*id); i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static bool head_ok(const struct head *h)
{
	return h->magic == MAGIC && h->version == VERSION &&
	       h->sum == sum_of(&h->id);
}

/* MSG without what differs between the first opening and a later one. */
static struct proto_msg plain(const struct proto_msg *msg)
{
	struct proto_msg m = *msg;

	m.cookie = 0;
	m.rc = 0;
	if (m.type == PROTO_BLK_OPEN)
		m.u.blk.flags &= ~PROTO_RING_RECOVER;
	else
		m.u.ring.flags &= ~PROTO_RING_RECOVER;
	return m;
}

static bool recovers(const struct proto_msg *msg)
{
	uint32_t flags = msg->type == PROTO_BLK_OPEN ? msg->u.blk.flags
						     : msg->u.ring.flags;

	return flags & PROTO_RING_RECOVER;
}

void journal_file_none(struct journal_file *f)
{
	*f = (struct journal_file){.fd = -1};
}

/* A new journal: what is in the file is from nobody. */
static void write_head(struct head *h, const struct proto_msg *msg,
		       uint32_t domid, uint32_t slots, uint32_t slot_size)
{
	memset(h, 0, WIRE_PAGE_SIZE);
	h->version = VERSION;
	h->id.open = plain(msg);
	h->id.domid = domid;
	h->id.slots = slots;
	h->id.slot_size = slot_size;
	h->sum = sum_of(&h->id);
	/* The worker may die between any two of these stores: control finds no
	 * journal then, of a ring that nobody has served yet. */
	__atomic_store_n(&h->magic, MAGIC, __ATOMIC_RELEASE);
}

/* Is it the journal of this ring, though opened with other storage? */
static bool same_ring(const struct head *h, const struct proto_msg *msg,
		      uint32_t domid, uint32_t slots, uint32_t slot_size)
{
	return h->id.domid == domid && h->id.slots == slots &&
	       h->id.slot_size == slot_size && h->id.open.type == msg->type &&
	       h->id.open.controller == msg->controller &&
	       h->id.open.queue == msg->queue;
}

int journal_file_open(struct journal_file *f, int fd,
		      const struct proto_msg *msg, uint32_t domid,
		      uint32_t slots, uint32_t slot_size, const char **why)
{
	size_t len = WIRE_PAGE_SIZE + journal_size(slots, slot_size);
	struct journal_file file = {.fd = fd, .len = len};
	bool recover = recovers(msg);
	struct head *h;
	struct stat st;
	int rc;

	*why = "its journal is in use: another process serves the ring";
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*why = "its journal cannot be made";
	if (!recover && ftruncate(fd, 0) < 0)
		return -errno;
	if (!recover && ftruncate(fd, (off_t)len) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	*why = "its journal is damaged";
	if ((uint64_t)st.st_size < len)
		return -EBADMSG;
	file.map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file.map == MAP_FAILED)
		return -errno;
	h = file.map;
	rc = -EBADMSG;
	if (recover && !head_ok(h))
		goto unmap;
	*why = "its journal is that of another ring";
	if (recover && !same_ring(h, msg, domid, slots, slot_size))
		goto unmap;
	if (recover)
		h->resumed++;
	else
		write_head(h, msg, domid, slots, slot_size);
	*f = file;
	return 0;

unmap:
	munmap(file.map, len);
	return rc;
}

void *journal_file_mem(const struct journal_file *f)
{
	return f->fd < 0 ? NULL : (uint8_t *)f->map + WIRE_PAGE_SIZE;
}

void journal_file_busy(struct journal_file *f, bool busy)
{
	struct head *h = f->map;

	if (f->fd >= 0)
		__atomic_store_n(&h->busy, busy, __ATOMIC_RELEASE);
}

void journal_file_close(struct journal_file *f)
{
	if (f->fd < 0)
		return;
	munmap(f->map, f->len);
	close(f->fd);
	journal_file_none(f);
}

int journal_file_look(int fd, struct journal_look *look)
{
	struct journal j;
	struct head *h;
	struct stat st;
	size_t len;
	void *map;
	int rc = -EBADMSG;

	if (fstat(fd, &st) < 0)
		return -errno;
	len = (size_t)st.st_size;
	if (len < WIRE_PAGE_SIZE)
		return -EBADMSG;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	h = map;
	if (!head_ok(h) || h->id.slots > len || h->id.slot_size > len ||
	    len < WIRE_PAGE_SIZE + journal_size(h->id.slots, h->id.slot_size))
		goto out;
	journal_look(&j, (uint8_t *)map + WIRE_PAGE_SIZE, h->id.slots,
		     h->id.slot_size);
	*look = (struct journal_look){
		.open = h->id.open,
		.domid = h->id.domid,
		.answered = journal_answered(&j),
		.inflight = journal_inflight(&j),
		.resumed = h->resumed,
		.busy = h->busy,
	};
	rc = 0;
out:
	munmap(map, len);
	return rc;
}
