/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a toolstack does in xenstore for PVSCSI and for disks: find the guest,
 * give it a LUN or a disk, take it back, say what there is. xl never learnt it;
 * this is the part that xl's device code would be, for the xenpv command and
 * for whoever starts guests. It is blocking code for programs that do one thing and end; the
 * daemon's event loop has no use for it.
 *
 * Theory of operation
 *
 *     toolstack            backend (xenpvd)           frontend (guest)
 *     dev-N/state = 1
 *     state = 1 or 7  -->  walks the handshake  <-->  finds the device
 *     waits for 4 / 4
 *
 *     dev-N/state = 5
 *     state = 7       -->                       <-->  lets go of it
 *     waits for 6 / 4
 *     removes dev-N; with the last one the controller: online = 0, state = 5,
 *     waits for 6, removes both directories
 *
 * A disk is a device of its own: both directories are written at once, 4 / 4 is
 * waited for, and its end is that of a controller.
 *
 * Every change is one transaction which first reads what it decides on: nodes
 * that are written one by one are seen half done by stock frontends, and fail
 * there (wrong permissions, state missing). What has been started and does not
 * come to its end within the time limit is taken back by the same steps.
 *
 * Whatever a guest can write (all below its device/) is read only as a
 * number or as a string to be compared; the backend's directory, which belongs
 * to this domain, is what is believed.
 *
 * Every function that can fail takes ERR, room for LEN bytes (TS_ERR_MAX), and
 * leaves one line there without a newline: what is wrong, where, what to try.
 * It may hold characters that came from elsewhere: cli/text.h before it goes
 * to a terminal. Returns 0 or a negative errno.
 */
#ifndef CONTROL_TOOLSTACK_H
#define CONTROL_TOOLSTACK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/disk_spec.h"
#include "control/site.h"
#include "control/vdev.h"
#include "wire/port.h"

#define TS_ERR_MAX  1024
#define TS_NAME_MAX 256

/* Who serves a controller: the last but two part of the backend's path. */
#define TS_TYPE	       "xenpv-vscsi"
#define TS_TYPE_KERNEL "vscsi"
#define TS_TYPE_BLOCK  "xenpv-vbd"

struct toolstack;

struct ts_cfg {
	const struct site *site; /* stays the caller's */
	/* Set by a signal handler: give up, take back, return -EINTR. NULL is
	 * allowed. */
	const volatile sig_atomic_t *stop;
	/* Called with one line at each step; NULL: silence. */
	void (*step)(const char *line);
};

struct ts_guest {
	uint32_t domid;
	char name[TS_NAME_MAX]; /* the number if it has none */
};

/*
 * ts_open - connect to xenstore
 * @cfg: copied
 *
 * Return: what site_explain_store() does; -ENOMEM.
 */
int ts_open(struct toolstack **out, const struct ts_cfg *cfg, char *err,
	    size_t len) XPV_MUST_CHECK;

/* ts_close - NULL is allowed. */
void ts_close(struct toolstack *ts);

/*
 * ts_guest_find - by name or number, as xl does: only digits are a number
 *
 * Return: -ENOENT: no such guest; -ENOTUNIQ: two have this name (it happens
 * while one migrates); -EINVAL: it is the domain this runs in.
 */
int ts_guest_find(struct toolstack *ts, const char *text,
		  struct ts_guest *guest, char *err, size_t len) XPV_MUST_CHECK;

/* A SCSI adapter of this host (sgdev_host_made()). */
struct ts_adapter {
	uint32_t number;
	uint64_t made;
};

/* What to attach, or detach (then PDEV is not used), and how long to try. */
struct ts_request {
	const struct ts_guest *guest;
	const struct pdev_vdev *at; /* of a LUN */
	/* Of a disk, and not NULL then: where, and (attach) what it is. */
	const struct disk_spec *disk;
	const struct pdev *pdev;	  /* with its options; was checked */
	const struct ts_adapter *adapter; /* for ts_adapter_attach() alone */
	/* ts_attach() with no_wait: more LUNs of the same controller, in the same
	 * transaction: at and pdev of each. One that came after the others
	 * could be missed when the controller is connected just then. */
	const struct ts_request *more;
	size_t nmore;
	unsigned int timeout_s; /* not 0 */
	bool no_wait;
	bool force; /* detach: also from a guest that does not answer; medium:
			also one that the guest has locked */
};

/*
 * ts_pdev_free - is PDEV no other LUN's?
 *
 * Return: -EBUSY: a LUN of some guest has it, and not both said "shared". (Two
 * commands at the same moment both pass here; xenpvd decides between them.)
 */
int ts_pdev_free(struct toolstack *ts, const struct pdev *pdev, char *err,
		 size_t len) XPV_MUST_CHECK;

/*
 * ts_attach - give a guest a LUN and wait until the guest has it
 *
 * With the option backend=kernel the kernel's backend is set up for it (lio.h).
 *
 * Return: -EEXIST: the place is taken; -EXDEV: the controller is another
 * backend's; -EINVAL: the controller's feature-host differs; -ETIMEDOUT; -EIO:
 * backend or frontend refuse the device; -ESRCH: the guest went away; -EINTR.
 * With backend=kernel also what lio_add()
 * returns. After each of these xenstore is as it was before.
 */
int ts_attach(struct toolstack *ts, const struct ts_request *req, char *err,
	      size_t len) XPV_MUST_CHECK;

/*
 * ts_adapter_attach - give a guest a whole adapter, as a controller of its own,
 * and wait until the guest has that
 *
 * Of req->at the first number counts. Its LUNs are xenpvd's matter.
 *
 * Return: -EEXIST: there is such a controller; otherwise as ts_attach().
 */
int ts_adapter_attach(struct toolstack *ts, const struct ts_request *req,
		      char *err, size_t len) XPV_MUST_CHECK;

/*
 * ts_detach - take a LUN back; with the last one its controller goes, and an
 * adapter goes as a whole
 *
 * Return: -ENOENT: there is nothing at this place; -EXDEV; -ETIMEDOUT: the
 * guest does not let go (the LUN stays unless req->force); -EINTR.
 */
int ts_detach(struct toolstack *ts, const struct ts_request *req, char *err,
	      size_t len) XPV_MUST_CHECK;

/*
 * ts_by_kernel - does the kernel's backend serve the controller of AT?
 *
 * What ts_detach() looks at, for who has to know whether xenpvd is needed.
 */
bool ts_by_kernel(struct toolstack *ts, const struct ts_guest *guest,
		  const struct pdev_vdev *at);

/*
 * ts_kernel_sweep - remove what the kernel's backend has of guests that ended
 *
 * Neither Xen nor xl removes its nodes, nor what it serves from configfs, where
 * it keeps the devices open.
 */
int ts_kernel_sweep(struct toolstack *ts, char *err, size_t len) XPV_MUST_CHECK;

/* ts_kernel_sweep_aside - the same for who must not wait, in a process of its
 * own that is nobody's child, if there is anything; it says on stderr what went
 * wrong. */
void ts_kernel_sweep_aside(const struct site *site);

/* ts_kernel_left - has a guest that has ended, of this name or number, left
 * anything for ts_kernel_sweep()? */
bool ts_kernel_left(struct toolstack *ts, const char *guest);

/* ts_block_attach - give a guest a disk: as ts_attach(). */
int ts_block_attach(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len) XPV_MUST_CHECK;

/*
 * ts_block_detach - take a disk back: as ts_detach()
 *
 * After -ETIMEDOUT the guest keeps it, and gives it back as soon as it can: it
 * cannot be asked to forget the question.
 */
int ts_block_detach(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len) XPV_MUST_CHECK;

/*
 * ts_block_resize - tell a guest that its disk has another size now
 *
 * Return: -ENOENT: there is no such disk; -ENOTCONN: it is not connected (it
 * will have its size when it is); -EIO: xenpvd could not; -ETIMEDOUT, -EINTR.
 */
int ts_block_resize(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len) XPV_MUST_CHECK;

/*
 * ts_change_medium - put req->pdev, which is a CD or none, into a drive
 *
 * Return: -ENOENT: there is no such LUN; -EINVAL: it is no drive; -ENOTCONN;
 * -EIO: xenpvd could not, or the guest keeps its medium and req->force is not
 * set; -ETIMEDOUT, -EINTR.
 */
int ts_change_medium(struct toolstack *ts, const struct ts_request *req,
		     char *err, size_t len) XPV_MUST_CHECK;

/*
 * ts_block_set - change how a disk is served
 *
 * What req->disk->tune was given is written; xenpvd follows. -ENOENT: there is
 * no such disk.
 */
int ts_block_set(struct toolstack *ts, const struct ts_request *req, char *err,
		 size_t len) XPV_MUST_CHECK;

/* One LUN as xenstore has it. State 0: there is no such node. */
struct ts_lun {
	struct ts_guest guest;
	struct ts_guest server; /* the domain whose backend it is */
	bool own;		/* ours */
	bool kernel;		/* served by xen-scsiback */
	uint32_t controller;	/* U */
	uint32_t dev;		/* N of dev-N */
	char *vdev, *pname, *pdev, *options, *error; /* never NULL */
	uint32_t back_state, front_state;	     /* of the controller */
	uint32_t dev_state, front_dev_state;
};

struct ts_list {
	struct ts_lun *lun; /* by guest, controller and dev number */
	size_t n;
};

/*
 * ts_list - the LUNs of one guest, or of all
 * @guest: NULL for all
 * @list: what is found is added; ts_list_free() it in any case
 */
int ts_list_add(struct toolstack *ts, const struct ts_guest *guest,
		struct ts_list *list, char *err, size_t len) XPV_MUST_CHECK;

void ts_list_free(struct ts_list *list);

/* One disk as xenstore has it. */
struct ts_disk {
	struct ts_guest guest;
	struct ts_guest server; /* the domain whose backend it is */
	bool own;		/* ours */
	const char *backend;	/* "xenpv", "kernel", "qemu" */
	uint32_t number;
	/* never NULL; mode: "r", "w" */
	char *vdev, *pname, *pdev, *options, *mode, *type, *error;
	uint32_t back_state, front_state;
	bool sized;
	uint64_t size; /* bytes */
};

struct ts_disks {
	struct ts_disk *disk; /* by guest and number */
	size_t n;
};

/* ts_disks_add - as ts_list_add(); ts_disks_free() in any case. */
int ts_disks_add(struct toolstack *ts, const struct ts_guest *guest,
		 struct ts_disks *disks, char *err, size_t len) XPV_MUST_CHECK;

void ts_disks_free(struct ts_disks *disks);

/* ts_self - the domain this runs in. */
uint32_t ts_self(const struct toolstack *ts);

/*
 * ts_guest_uuid - which guest it is, whatever its name and number are now
 * @uuid: GUEST_UUID_MAX bytes of guest_file.h; lower case, "" if it has none
 */
void ts_guest_uuid(struct toolstack *ts, const struct ts_guest *guest,
		   char *uuid);

/*
 * ts_guest_by_uuid - the domain that a guest is now
 *
 * Return: -ENOENT: none; -ENOTUNIQ: two (it happens when one migrates within a
 * host); @guest is one of them then.
 */
int ts_guest_by_uuid(struct toolstack *ts, const char *uuid,
		     struct ts_guest *guest, char *err,
		     size_t len) XPV_MUST_CHECK;

/* ts_guest_exists - is there a domain of that number? */
bool ts_guest_exists(struct toolstack *ts, uint32_t domid);

/* ts_pdev_free_but - as ts_pdev_free(), but guest DOMID may have it. */
int ts_pdev_free_but(struct toolstack *ts, const struct pdev *pdev,
		     uint32_t domid, char *err, size_t len) XPV_MUST_CHECK;

/* ts_served - has xenpvd looked at the device at REQ's place? The backend's
 * state is InitWait or beyond, or there is no such device. */
bool ts_served(struct toolstack *ts, const struct ts_request *req);

/* ts_left - are there nodes of backends of ours, or of driver domains, for guest
 * DOMID? */
bool ts_left(struct toolstack *ts, uint32_t domid);

/* ts_by_us - is the device at REQ's place our domain's, if there is one, and not a
 * driver domain's? */
bool ts_by_us(struct toolstack *ts, const struct ts_request *req);

/* ts_state_name - "connected" for 4, "-" for 0, "?" beyond the protocol. */
const char *ts_state_name(uint32_t state);

#endif
