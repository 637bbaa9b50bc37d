/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one round of a device does with what was read: shared by device.c, which
 * has the rounds, device_round.c, and the classes. Nobody else includes this.
 *
 *     device_decide --> forget ---------------------------------+
 *                   \-> class's run --> device_write -----------+--> end
 *                          | fails: device_give_up: forget, decide again
 */
#ifndef CONTROL_DEVICE_ROUND_H
#define CONTROL_DEVICE_ROUND_H

#include "control/device.h"

/* After an error that is nobody's fault in particular. */
#define DEVICE_RETRY_US 1000000u

/* device_decide - facts and trees are there: go on to the end. */
void device_decide(struct device *dev);

/* device_round_end - @dev may be gone on return. @retry_us not 0: another
 * round after that time though nothing has changed. */
void device_round_end(struct device *dev, uint64_t retry_us);

/*
 * Questions to the worker, then THEN:
 *
 *     device_begin(dev, then);
 *     device_ask(dev, &msg, fds, nfds);    any number, or calls of one's own
 *     device_end(dev);                     that are counted in dev->calls
 *
 * THEN is called when all have been answered, perhaps from device_end(). dev->rc
 * is then 0 or what the first that failed has said, with dev->why for people;
 * after a failure nothing more is asked. Class and device are put into the
 * message here, and descriptors are closed in any case.
 */
void device_begin(struct device *dev, void (*then)(struct device *dev));
void device_ask(struct device *dev, struct proto_msg *msg, const int *fds,
		int nfds);
void device_end(struct device *dev);

/* device_message - fill in class and device; device_ask() does it itself. */
void device_message(const struct device *dev, struct proto_msg *msg);

/* device_ask_stats - ask for the counters of ring @queue. */
void device_ask_stats(struct device *dev, uint16_t queue);

/*
 * device_ask_ring - device_ask() with @msg, which opens ring @n on @storage (-1:
 * none), and a new journal for it
 * device_resume_ring - the same with the journal that there is
 *
 * Rings are opened from 0 on. @storage is closed in any case.
 */
void device_ask_ring(struct device *dev, unsigned int n, struct proto_msg *msg,
		     int storage);
void device_resume_ring(struct device *dev, unsigned int n,
			struct proto_msg *msg, int storage);

/* device_ring_open - the message by which ring @n was opened first, of its
 * journal; NULL: there is none, and dev->rc and dev->why say so. */
const struct proto_msg *device_ring_open(struct device *dev, unsigned int n);

/* device_look - before the first round: what an earlier xenpvd has left. Goes on
 * with THEN, perhaps at once. */
void device_look(struct device *dev, void (*then)(struct device *dev));

/* device_restore_now - in a round: give it to a worker, and decide again. */
void device_restore_now(struct device *dev);

/* device_item_of - the worker's PROTO_ITEM of @type, at @addr (NULL: any) or of
 * queue @queue; NULL if it has none. It is taken by this. */
struct proto_msg *device_item_of(struct device *dev, enum proto_type type,
				 const struct proto_addr *addr,
				 unsigned int queue);

/* device_item_left - one that nobody has taken, which is taken by this. */
struct proto_msg *device_item_left(struct device *dev, enum proto_type type);

/* device_restored - the class has done its part: @rc, with @why for people.
 * -EAGAIN: it must be done in a round, since trees are needed. */
void device_restored(struct device *dev, int rc, const char *why);

/* device_drop_rings - they are closed: no journals. */
void device_drop_rings(struct device *dev);

/* device_drop_items - what the worker had is known to be wrong. */
void device_drop_items(struct device *dev);

/* device_connected - the worker has the rings now. */
void device_connected(struct device *dev);

/* device_failed - the worker has let go of what it had; decide again, knowing
 * that connecting has failed. */
void device_failed(struct device *dev);

/* device_give_up - the rings are not to be had: say so, have the worker forget
 * the device, decide again. */
void device_give_up(struct device *dev, const char *what, const char *why);

/* device_echo - a transaction that begins now writes the node NAME below the
 * device's directory; device_echo_drop - it has failed: of that one xenstore will
 * not tell us. */
void device_echo(struct device *dev, const char *name);
void device_echo_drop(struct device *dev);

/* device_write - write what the class adds, and the state; then end. */
void device_write(struct device *dev);

/* For the class's `writes`. VALUE is kept by reference if it is longer than a
 * number; NULL for STORE_OP_RM. Names are relative to the backend. */
void device_add_write(struct device_writes *w, const struct device *dev,
		      enum store_op_kind kind, const char *name,
		      const char *value);
void device_add_number(struct device_writes *w, const struct device *dev,
		       enum store_op_kind kind, const char *name,
		       uint64_t value);

/* The frontend's node NAME goes, if it is there. */
void device_add_front_rm(struct device_writes *w, const struct device *dev,
			 const char *name);

/* device_number - a decimal number from the first to the last character? */
bool device_number(const char *text, uint32_t *value);

#endif
