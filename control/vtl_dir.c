/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/vtl_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/fail.h"
#include "lun/cart_file.h"

#define NAME_MAX_CART (CART_BARCODE_MAX + 6) /* ".tape" */

int vtl_save(struct vtl *v, char *err, size_t len)
{
	uint8_t image[STATE_MAX];
	uint32_t n = vtl_inventory_put(v->cart, v->ncarts, image);
	int rc = state_save(&v->inventory, image, n, true);

	if (rc < 0)
		return fail(err, len, rc, "the inventory cannot be saved: %s",
			    strerror(-rc));
	return 0;
}

/* ---- opening ---- */

/* The one file that people may read: words and numbers, in this order. */
#define TEXT                                                                   \
	"xenpv virtual tape library 1\n"                                       \
	"serial %16[0-9A-F]\n"                                                 \
	"drives %" SCNu32 "\n"                                                 \
	"slots %" SCNu32 "%n"

static int read_text(struct vtl *v, const char *path, char *err, size_t len)
{
	char text[256];
	ssize_t n = -1;
	int end = 0, fd = openat(v->dir, "library", O_RDONLY | O_CLOEXEC), rc;

	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	rc = -errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return fail(err, len, rc,
			    "'%.200s' is no virtual tape library: library: %s; "
			    "make one with xenpv vtl create",
			    path, strerror(-rc));
	text[n] = '\0';
	if (sscanf(text, TEXT, v->serial, &v->drives, &v->slots, &end) != 3 ||
	    strcmp(text + end, "\n") != 0 || strlen(v->serial) < 8 ||
	    v->drives < 1 || v->drives > CHANGER_DRIVES_MAX || v->slots < 1 ||
	    v->slots > CHANGER_SLOTS_MAX)
		return fail(err, len, -EBADMSG,
			    "'%.200s': its file library is damaged; it has "
			    "four lines",
			    path);
	return 0;
}

static bool places_ok(const struct vtl *v)
{
	struct scsi_changer c = {.drives = v->drives, .slots = v->slots};

	for (uint32_t i = 0; i < v->ncarts; i++)
		if (scsi_changer_element(&c, v->cart[i].at) < 0)
			return false;
	return true;
}

static int read_inventory(struct vtl *v, const char *path, enum vtl_use use,
			  char *err, size_t len)
{
	int flags = use == VTL_LOOK ? O_RDONLY : O_RDWR, fd, n;
	uint8_t image[STATE_MAX];

	fd = openat(v->dir, "inventory", flags | O_CLOEXEC);
	if (fd < 0) {
		n = -errno;
		return fail(err, len, n, "'%.200s': inventory: %s", path,
			    strerror(-n));
	}
	n = state_load(&v->inventory, fd, image, sizeof(image));
	if (n < 0 ||
	    !vtl_inventory_get(image, (uint32_t)n, v->cart, &v->ncarts) ||
	    !places_ok(v))
		return fail(err, len, -EBADMSG,
			    "'%.200s': its file inventory is damaged", path);
	return 0;
}

static int take_lock(struct vtl *v, const char *path, enum vtl_use use,
		     char *err, size_t len)
{
	int how = use == VTL_CHANGE ? LOCK_EX : LOCK_SH, rc;

	v->lock = openat(v->dir, "lock", O_RDWR | O_CLOEXEC);
	if (v->lock >= 0 &&
	    (use == VTL_LOOK || flock(v->lock, how | LOCK_NB) == 0))
		return 0;
	rc = -errno;
	if (rc == -EWOULDBLOCK)
		return fail(err, len, -EBUSY,
			    "'%.200s' is in use: by a guest (see xenpv "
			    "scsi-list), or another xenpv vtl; try again when "
			    "it is not",
			    path);
	return fail(err, len, rc, "'%.200s': lock: %s", path, strerror(-rc));
}

int vtl_open(struct vtl *v, const char *path, enum vtl_use use, char *err,
	     size_t len)
{
	int rc;

	memset(v, 0, sizeof(*v));
	v->lock = v->inventory.fd = -1;
	v->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->dir < 0)
		return fail(err, len, -errno, "'%.200s': %s", path,
			    strerror(errno));
	rc = read_text(v, path, err, len);
	if (!rc)
		rc = take_lock(v, path, use, err, len);
	if (!rc)
		rc = read_inventory(v, path, use, err, len);
	if (rc)
		vtl_close(v);
	return rc;
}

void vtl_close(struct vtl *v)
{
	int fds[] = {v->dir, v->lock, v->inventory.fd};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	v->dir = v->lock = v->inventory.fd = -1;
}

/* ---- cartridges ---- */

struct vtl_cart *vtl_find(struct vtl *v, const char *barcode)
{
	for (uint32_t i = 0; i < v->ncarts; i++)
		if (!strcmp(v->cart[i].barcode, barcode))
			return &v->cart[i];
	return NULL;
}

struct vtl_cart *vtl_at(struct vtl *v, uint32_t address)
{
	for (uint32_t i = 0; i < v->ncarts; i++)
		if (v->cart[i].at == address)
			return &v->cart[i];
	return NULL;
}

uint16_t vtl_free_slot(struct vtl *v)
{
	for (uint32_t i = 0; i < v->slots; i++)
		if (!vtl_at(v, CHANGER_SLOT + i))
			return (uint16_t)(CHANGER_SLOT + i);
	return CHANGER_NOWHERE;
}

static void cart_name(const char *barcode, char *out)
{
	snprintf(out, NAME_MAX_CART, "%s.tape", barcode);
}

int vtl_open_cart(const struct vtl *v, const struct vtl_cart *c, int flags,
		  char *err, size_t len)
{
	char name[NAME_MAX_CART];
	int fd;

	cart_name(c->barcode, name);
	fd = openat(v->dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(err, len, -errno, "cartridge %s: %s: %s",
			    c->barcode, name, strerror(errno));
	return fd;
}

static uint64_t some_number(void)
{
	uint64_t n = 0;

	while (n == 0)
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = 0;
	return n;
}

int vtl_add(struct vtl *v, const char *barcode, uint64_t capacity,
	    uint32_t flags, struct cart *c, int *fd, char *err, size_t len)
{
	struct vtl_cart *to = &v->cart[v->ncarts];
	uint16_t slot = vtl_free_slot(v);
	int rc;

	if (!cart_barcode_ok(barcode))
		return fail(err, len, -EINVAL,
			    "'%.64s' is no barcode: up to %u of A-Z and 0-9",
			    barcode, CART_BARCODE_MAX);
	if (vtl_find(v, barcode))
		return fail(err, len, -EEXIST,
			    "there is a cartridge %s already", barcode);
	if (slot == CHANGER_NOWHERE || v->ncarts == VTL_CARTS_MAX)
		return fail(err, len, -ENOSPC,
			    "there is no slot free for cartridge %s", barcode);
	snprintf(to->barcode, sizeof(to->barcode), "%s", barcode);
	to->at = slot;
	to->source = CHANGER_NOWHERE;
	*fd = vtl_open_cart(v, to, O_RDWR | O_CREAT | O_EXCL, err, len);
	if (*fd < 0)
		return *fd;
	memset(c, 0, sizeof(*c));
	c->id = some_number();
	c->capacity = capacity;
	c->flags = flags;
	snprintf(c->barcode, sizeof(c->barcode), "%s", barcode);
	v->ncarts++;
	rc = cart_file_create(*fd, c);
	if (!rc && fsync(v->dir) < 0)
		rc = -errno;
	if (!rc)
		return 0;
	close(*fd);
	vtl_add_undo(v);
	return fail(err, len, rc, "cartridge %s: %s", barcode, strerror(-rc));
}

void vtl_add_undo(struct vtl *v)
{
	char name[NAME_MAX_CART];

	v->ncarts--;
	cart_name(v->cart[v->ncarts].barcode, name);
	unlinkat(v->dir, name, 0);
}

/* ---- a new library ---- */

static int write_text(struct vtl *v)
{
	char text[128];
	int n = snprintf(text, sizeof(text),
			 "xenpv virtual tape library 1\n"
			 "serial %s\ndrives %u\nslots %u\n",
			 v->serial, v->drives, v->slots);
	int fd = openat(v->dir, "library", O_WRONLY | O_CREAT | O_EXCL, 0644);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)n) != n)
		rc = -ENOSPC;
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* "XP0001L6", of WORM cartridges "XP0001LW". */
static int add_tapes(struct vtl *v, const struct vtl_plan *plan, char *err,
		     size_t len)
{
	char barcode[CART_BARCODE_MAX + 1];
	struct cart c;
	int fd, rc = 0;

	for (uint32_t i = 0; i < plan->tapes && !rc; i++) {
		bool worm = i >= plan->tapes - plan->worm;

		snprintf(barcode, sizeof(barcode), "XP%04u%s", i + 1,
			 worm ? "LW" : "L6");
		rc = vtl_add(v, barcode, plan->capacity, worm ? CART_WORM : 0,
			     &c, &fd, err, len);
		if (!rc)
			close(fd);
	}
	return rc;
}

static int fill(struct vtl *v, const struct vtl_plan *plan, char *err,
		size_t len)
{
	int rc;

	snprintf(v->serial, sizeof(v->serial), "%012" PRIX64,
		 some_number() & 0xffffffffffff);
	v->drives = plan->drives;
	v->slots = plan->slots;
	v->lock = openat(v->dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			 0600);
	v->inventory.fd = openat(v->dir, "inventory",
				 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (v->lock < 0 || v->inventory.fd < 0)
		return fail(err, len, -errno, "%s", strerror(errno));
	rc = add_tapes(v, plan, err, len);
	if (!rc)
		rc = vtl_save(v, err, len);
	if (rc)
		return rc;
	/* the last one: without it there is no library */
	rc = write_text(v);
	if (!rc && fsync(v->dir) < 0)
		rc = -errno;
	return rc ? fail(err, len, rc, "%s", strerror(-rc)) : 0;
}

static void undo(struct vtl *v, const char *path)
{
	while (v->ncarts)
		vtl_add_undo(v);
	unlinkat(v->dir, "library", 0);
	unlinkat(v->dir, "inventory", 0);
	unlinkat(v->dir, "lock", 0);
	rmdir(path);
}

int vtl_create(const char *path, const struct vtl_plan *plan, char *err,
	       size_t len)
{
	char why[256] = "";
	struct vtl v = {.dir = -1, .lock = -1, .inventory.fd = -1};
	int rc;

	if (mkdir(path, 0700) < 0)
		return fail(err, len, -errno, "'%.200s': %s%s", path,
			    strerror(errno),
			    errno == EEXIST ? "; a library gets a new folder"
					    : "");
	v.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = v.dir < 0 ? -errno : fill(&v, plan, why, sizeof(why));
	if (rc) {
		fail(err, len, rc, "'%.200s': %s", path,
		     why[0] ? why : strerror(-rc));
		undo(&v, path);
	}
	vtl_close(&v);
	return rc;
}
