/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/library.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/log.h"
#include "lun/cart_file.h"

/* struct storage_cfg: a library has one user at a time. */
#define FENCE 1

struct cartridge {
	int fd; /* the storage's */
	struct storage *storage;
};

struct library {
	struct library *next;
	uint32_t users;
	dev_t dev; /* of the file lock */
	ino_t ino;
	int lock;
	struct state inventory;
	uint32_t carts;
	struct vtl_cart cart[VTL_CARTS_MAX];
	struct cartridge file[VTL_CARTS_MAX];
	struct scsi_changer changer;
	struct library_drive *drive[CHANGER_DRIVES_MAX];
};

/* Those of this thread. */
static _Thread_local struct library *libraries;

/* ---- files, from control ---- */

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(VTL_FDS_MAX * sizeof(int))];
};

/* One message of LEN bytes with N descriptors; all or none of them. */
static int receive_fds(int from, void *bytes, size_t len, int *fds, size_t n)
{
	struct iovec iov = {bytes, len};
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(from, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	size_t have = 0;
	int all[VTL_FDS_MAX];

	if (got < 0)
		return -errno;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		have = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(all, CMSG_DATA(c), have * sizeof(int));
	}
	if ((size_t)got == len && have == n) {
		memcpy(fds, all, n * sizeof(int));
		return 0;
	}
	for (size_t i = 0; i < have; i++)
		close(all[i]);
	return -EPROTO;
}

static int receive_carts(struct library *l, int fd, int *cart)
{
	uint32_t n, said;
	int rc = 0;

	for (uint32_t i = 0; i < l->carts && !rc; i += n) {
		n = l->carts - i;
		if (n > VTL_FDS_MAX)
			n = VTL_FDS_MAX;
		rc = receive_fds(fd, &said, sizeof(said), cart + i, n);
	}
	return rc;
}

/* ---- a library ---- */

static void library_free(struct library *l)
{
	for (uint32_t i = 0; i < l->carts; i++)
		if (l->file[i].storage)
			l->file[i].storage->driver->close(l->file[i].storage);
	if (l->lock >= 0)
		close(l->lock);
	if (l->inventory.fd >= 0)
		close(l->inventory.fd);
	free(l);
}

static int read_inventory(struct library *l, uint32_t expected)
{
	uint8_t image[STATE_MAX];
	int n = state_load(&l->inventory, l->inventory.fd, image,
			   sizeof(image));

	if (n < 0)
		return n;
	if (!vtl_inventory_get(image, (uint32_t)n, l->cart, &l->carts) ||
	    l->carts != expected)
		return -EBADMSG;
	return 0;
}

/* The changer's view of the inventory. */
static int fill_elements(struct library *l, const char *serial)
{
	struct scsi_changer *c = &l->changer;

	for (uint32_t i = 0; i < c->drives + c->slots; i++)
		c->element[i].source = CHANGER_NOWHERE;
	for (uint32_t i = 0; i < c->drives; i++)
		vtl_serial(serial, (int)i, c->serial[i]);
	for (uint32_t i = 0; i < l->carts; i++) {
		int at = scsi_changer_element(c, l->cart[i].at);

		if (at < 0)
			return -EBADMSG;
		memcpy(c->element[at].barcode, l->cart[i].barcode,
		       sizeof(c->element[at].barcode));
		c->element[at].source = l->cart[i].source;
	}
	return 0;
}

/* Storages over the cartridges' files, which are theirs then. */
static int open_carts(struct library *l, int *cart, struct uring *u)
{
	struct storage_cfg cfg = {.size = UINT64_MAX, .fence = FENCE};
	int rc = 0;

	for (uint32_t i = 0; i < l->carts && !rc; i++) {
		cfg.fd = cart[i];
		rc = storage_file.open(&l->file[i].storage, &cfg, u);
		if (rc)
			break;
		l->file[i].fd = cart[i];
		cart[i] = -1;
	}
	return rc;
}

static int library_new(struct library **out, const struct vtl_hello *hello,
		       int fd, const int *first, struct uring *u)
{
	struct library *l = calloc(1, sizeof(*l));
	int cart[VTL_CARTS_MAX], rc;

	if (!l) {
		close(first[0]);
		close(first[1]);
		return -ENOMEM;
	}
	memset(cart, -1, sizeof(cart));
	l->lock = first[0];
	l->inventory.fd = first[1];
	l->changer.drives = hello->drives;
	l->changer.slots = hello->slots;
	rc = read_inventory(l, hello->carts);
	if (!rc)
		rc = receive_carts(l, fd, cart);
	if (!rc)
		rc = open_carts(l, cart, u);
	if (!rc)
		rc = fill_elements(l, hello->serial);
	for (uint32_t i = 0; i < l->carts; i++)
		if (cart[i] >= 0)
			close(cart[i]);
	if (rc)
		library_free(l);
	else
		*out = l;
	return rc;
}

static struct library *find(const struct stat *st)
{
	struct library *l = libraries;

	while (l && (l->dev != st->st_dev || l->ino != st->st_ino))
		l = l->next;
	return l;
}

int library_get(struct library **out, int fd, struct uring *u)
{
	struct vtl_hello hello;
	struct stat st;
	int first[2], rc;

	rc = receive_fds(fd, &hello, sizeof(hello), first, 2);
	if (rc < 0)
		return rc;
	rc = fstat(first[0], &st) < 0 ? -errno : 0;
	if (!rc && (hello.version != VTL_VERSION || hello.drives < 1 ||
		    hello.drives > CHANGER_DRIVES_MAX || hello.slots < 1 ||
		    hello.slots > CHANGER_SLOTS_MAX))
		rc = -EPROTO;
	*out = rc ? NULL : find(&st);
	if (rc || *out) {
		close(first[0]);
		close(first[1]);
	} else {
		hello.serial[VTL_SERIAL_MAX] = '\0';
		rc = library_new(out, &hello, fd, first, u);
		if (rc)
			return rc;
		(*out)->dev = st.st_dev;
		(*out)->ino = st.st_ino;
		(*out)->next = libraries;
		libraries = *out;
	}
	if (!rc)
		(*out)->users++;
	return rc;
}

void library_put(struct library *l)
{
	struct library **at = &libraries;

	if (--l->users)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	library_free(l);
}

struct scsi_changer *library_changer(struct library *l)
{
	return &l->changer;
}

/* ---- drives ---- */

/* The number of the cartridge in an element; -1: it is empty. */
static int cart_in(const struct library *l, uint32_t element)
{
	uint16_t address = scsi_changer_address(&l->changer, element);

	for (uint32_t i = 0; i < l->carts; i++)
		if (l->cart[i].at == address)
			return (int)i;
	return -1;
}

/* Where the tape ends, and nothing behind it. */
static int load(const struct library *l, int cart, struct cart *c)
{
	int rc = cart_file_load(l->file[cart].fd, c);

	if (!rc)
		rc = cart_file_trim(l->file[cart].fd, c);
	if (rc)
		log_line(LOG_ERR, NULL, "cartridge %s cannot be loaded: %s",
			 l->cart[cart].barcode,
			 rc == -EBADMSG ? "its label is damaged"
					: strerror(-rc));
	return rc;
}

int library_join(struct library *l, struct library_drive *d)
{
	int cart, rc;

	if (d->number >= l->changer.drives)
		return -ENODEV;
	if (l->drive[d->number])
		return -EBUSY;
	cart = cart_in(l, d->number);
	if (cart >= 0) {
		rc = load(l, cart, &d->tape.cart);
		if (rc)
			return rc;
		d->tape.present = d->tape.loaded = true;
		d->tape.at = cart_start();
		d->tape.unsynced =
			d->tape.cart.saved.offset != d->tape.cart.end.offset;
		d->e.storage = l->file[cart].storage;
	}
	d->library = l;
	l->drive[d->number] = d;
	return 0;
}

/* What is acknowledged is in the label before a cartridge leaves its drive. */
static int drive_sync(struct library_drive *d)
{
	int cart = cart_in(d->library, d->number), rc = 0;

	if (d->tape.present && d->tape.unsynced && cart >= 0)
		rc = cart_file_sync(d->library->file[cart].fd, &d->tape.cart);
	if (!rc)
		d->tape.unsynced = false;
	return rc;
}

void library_leave(struct library_drive *d)
{
	int rc = drive_sync(d);

	if (rc)
		log_line(LOG_ERR, NULL, "the cartridge of drive %u: %s",
			 d->number, strerror(-rc));
	d->e.storage = NULL;
	d->library->drive[d->number] = NULL;
}

static struct library_drive *drive_at(const struct library *l, uint32_t element)
{
	return element < l->changer.drives ? l->drive[element] : NULL;
}

/* A cartridge goes from one element to another. */
struct move {
	int cart;
	uint32_t from, to;
	struct cart loaded; /* if TO is a drive that is a LUN */
};

/* The inventory after the N moves at M: 0 or a negative errno. */
static int save_moves(struct library *l, const struct move *m, uint32_t n)
{
	struct vtl_cart was[VTL_CARTS_MAX];
	uint8_t image[STATE_MAX];
	int rc;

	memcpy(was, l->cart, sizeof(was));
	for (uint32_t i = 0; i < n; i++) {
		struct vtl_cart *c = &l->cart[m[i].cart];

		if (m[i].from >= l->changer.drives)
			c->source = c->at;
		c->at = scsi_changer_address(&l->changer, m[i].to);
	}
	rc = state_save(&l->inventory, image,
			vtl_inventory_put(l->cart, l->carts, image), true);
	if (rc < 0)
		memcpy(l->cart, was, sizeof(was));
	return rc;
}

/* Whether the drives among the elements of M let it happen: 0 or XPV_E*. */
static int allowed(const struct library *l, const struct move *m)
{
	struct library_drive *out = drive_at(l, m->from);
	struct library_drive *in = drive_at(l, m->to);
	int rc = m->cart < 0 ? XPV_EIO : 0;

	if (!rc && out)
		rc = scsi_tape_removable(&out->e.lu);
	if (!rc && in && in->e.lu.first)
		rc = XPV_EBUSY;
	return rc;
}

static int prepare(const struct library *l, struct move *m)
{
	struct library_drive *out = drive_at(l, m->from);
	int rc = out ? drive_sync(out) : 0;

	if (!rc && drive_at(l, m->to))
		rc = load(l, m->cart, &m->loaded);
	return rc;
}

static void take_out(const struct library *l, const struct move *m)
{
	struct library_drive *out = drive_at(l, m->from);

	if (!out)
		return;
	scsi_tape_remove(&out->e.lu);
	out->e.storage = NULL;
	keep_state(&out->e.keep, &out->e.lu);
}

static void put_in(const struct library *l, const struct move *m)
{
	struct library_drive *in = drive_at(l, m->to);

	if (!in)
		return;
	in->e.storage = l->file[m->cart].storage;
	scsi_tape_insert(&in->e.lu, &m->loaded);
	keep_state(&in->e.keep, &in->e.lu);
}

/* All N of them, or none. */
static int move_all(struct library *l, struct move *m, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; i < n && !rc; i++)
		rc = allowed(l, &m[i]);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = prepare(l, &m[i]);
	if (!rc)
		rc = save_moves(l, m, n);
	if (rc)
		return XPV_EIO;
	for (uint32_t i = 0; i < n; i++)
		take_out(l, &m[i]);
	for (uint32_t i = 0; i < n; i++)
		put_in(l, &m[i]);
	return 0;
}

int library_move(struct library *l, uint32_t from, uint32_t to)
{
	struct move m = {.cart = cart_in(l, from), .from = from, .to = to};

	return move_all(l, &m, 1);
}

int library_exchange(struct library *l, uint32_t from, uint32_t to,
		     uint32_t second)
{
	struct move m[] = {
		{.cart = cart_in(l, from), .from = from, .to = to},
		{.cart = cart_in(l, to), .from = to, .to = second},
	};

	return move_all(l, m, 2);
}
