/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's own socket, RUN_DIR/control: a stream of lines, one JSON object
 * each, one answer a line. Only root may connect (mode 0600).
 *
 *     {"cmd":"ping"}     {"ok":true,"version":"0.1.0","pid":812}
 *     {"cmd":"status"}   {"ok":true,"version":...,"pid":...,"started_us":...,
 *                         "ready":true,"guests":[
 *                          {"domid":5,"name":"web","uuid":"...","worker":813,
 *                           "earlier":false,"down":false,"restarts":2,
 *                           "gap_us":8120,"gap_max_us":9800,"restored_us":...,
 *                           "devices":[
 *                             {"type":"scsi","id":0,"state":4,"frontend":4,
 *                              "connected":true,"down":false,"broken":false,
 *                              "quarantined":false,"reason":"",
 *                              "stats":{"requests":12,...},
 *                              "luns":[{"dev":0,"vdev":"0:0:0:0","state":4,
 *                                       "pdev":"/dev/sdb","size":1048576,
 *                                       "serving":true,"error":""}]}]}]}
 *     {"cmd":"upgrade"}  {"ok":true,"started_us":...}, and the installed program
 *                         takes our place
 *     anything else      {"ok":false,"error":"..."}
 *
 * "worker" 0: there is none; "earlier": another xenpvd has started it;
 * "restarts": workers that died; "gap_us": how long the guest was not served the
 * last time; "restored_us": since when it is again; "down": it is not.
 * "started_us" and "restored_us" are of CLOCK_REALTIME.
 * "state" and "frontend" are XenbusState numbers. Counters are asked of the
 * workers for each answer; those of a worker that does not answer within
 * CTL_STATS_MS are the last ones known. New members may be added to answers.
 */
#ifndef CONTROL_CTL_H
#define CONTROL_CTL_H

#include <jansson.h>

#include "control/daemon.h"
#include "wire/port.h"

#define CTL_CLIENTS_MAX 16
#define CTL_LINE_MAX	1024
#define CTL_IDLE_S	30 /* without a whole request */
#define CTL_STATS_MS	1000

struct ctl;

/* ctl_new - listen; a socket that is there is replaced (the daemon holds its
 * lock by now). */
int ctl_new(struct ctl **out, struct daemon *daemon) XPV_MUST_CHECK;

/* ctl_free - close all, remove the socket; NULL is allowed. */
void ctl_free(struct ctl *ctl);

/* ctl_stats_done - all counters that were asked for are there. */
void ctl_stats_done(struct ctl *ctl);

/* ctl_text - TEXT as JSON; what is not UTF-8 (a file's name may be anything) is
 * made so. */
json_t *ctl_text(const char *text);

#endif
