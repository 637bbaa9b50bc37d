/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's end of PVSCSI, raw (conform/raw_back.h). Behind it is a target
 * of its own (conform/target.h), so that a frontend finds disks: raw_serve()
 * answers every request, after a script has had a look.
 */
#ifndef CONFORM_RAW_VSCSI_H
#define CONFORM_RAW_VSCSI_H

#include "conform/frontend.h"
#include "conform/raw_back.h"
#include "core/scsi_addr.h"
#include "wire/scsi.h"

#define RAW_LUNS       2
#define RAW_DISK_BYTES (8u << 20)
#define RAW_SEGS_MAX   1024
#define RAW_BUFFER     (RAW_SEGS_MAX * WIRE_PAGE_SIZE)

/* A request, with its segments copied. */
struct raw_req {
	struct wire_scsi_req req;
	struct wire_scsi_seg seg[RAW_SEGS_MAX];
	uint32_t segs, bytes;
	bool open; /* not answered */
};

struct raw_vscsi;

/* What a script does with a request: true if it has dealt with it, and the
 * target shall not. */
typedef bool raw_script(struct raw_vscsi *k, struct raw_req *r);

struct raw_vscsi {
	struct raw_back b; /* first: raw_vscsi() */
	uint8_t *disk[RAW_LUNS], *buffer;
	uint32_t sg_grant; /* as offered: 0: not */
	uint32_t luns;	   /* of raw_make_luns() */
	raw_script *script;
	/* by slot; a request keeps its place until it is answered */
	struct raw_req req[WIRE_SCSI_RING_SIZE];
	/* what came, since raw_make_luns() */
	uint32_t cdbs, reads, aborts, resets, listed;
	uint16_t abort_ref;
	/* since the beginning: requests with bytes that should be zero */
	uint32_t unclean;
};

static inline struct raw_vscsi *raw_vscsi(struct raw_back *b)
{
	return (struct raw_vscsi *)b;
}

/* As raw_back_open() and raw_back_close(). */
int raw_vscsi_open(struct raw_vscsi *k, const struct frontend_cfg *cfg,
		   char *why, size_t len);
void raw_vscsi_close(struct raw_vscsi *k);

/* raw_make() with LUNS LUNs. */
bool raw_make_luns(struct raw_vscsi *k, uint32_t luns);

/* Add the nodes of one LUN, dev-N at VDEV, in STATE. */
void raw_add_dev(struct raw_vscsi *k, uint32_t n, const char *vdev,
		 uint32_t state);
void raw_dev_state(struct raw_vscsi *k, uint32_t n, uint32_t state);
uint32_t raw_front_dev(struct raw_vscsi *k, uint32_t n);

/* Answer R: with this result, by the target, or with any bytes at all. */
void raw_answer(struct raw_vscsi *k, struct raw_req *r, int32_t rslt);
void raw_answer_as_disk(struct raw_vscsi *k, struct raw_req *r);
void raw_answer_with(struct raw_vscsi *k, struct raw_req *r,
		     const struct wire_scsi_rsp *rsp);

/* Move LEN bytes of the buffer to the frontend's segments, or from them;
 * false: a grant does not hold. */
bool raw_copy(struct raw_vscsi *k, const struct raw_req *r, uint32_t len,
	      bool to_guest);

#endif
