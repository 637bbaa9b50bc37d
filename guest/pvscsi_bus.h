/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A controller's handshake through xenstore: reads both ends as snapshots, lets
 * core/bus_front decide, carries it out, writes the result in one transaction.
 */
#ifndef GUEST_PVSCSI_BUS_H
#define GUEST_PVSCSI_BUS_H

#include "guest/pvscsi.h"

/* pvscsi_bus_changed - something below the device's nodes is new: look. */
void pvscsi_bus_changed(struct pvscsi *v);

/* pvscsi_bus_failed - the engine has stopped: close, and try again later. */
void pvscsi_bus_failed(struct pvscsi *v);

/* pvscsi_bus_times - called at each step, for what only time tells. */
void pvscsi_bus_times(struct pvscsi *v);

/* pvscsi_bus_leave - close the device: the program ends. */
void pvscsi_bus_leave(struct pvscsi *v);

/* pvscsi_bus_left - has that come to its end? */
bool pvscsi_bus_left(const struct pvscsi *v);

/* pvscsi_bus_free - forget what belongs to it. */
void pvscsi_bus_free(struct pvscsi *v);

#endif
