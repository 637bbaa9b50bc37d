/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went on at a device between two looks at its counters (the member
 * "stats" of a device in xenpvd's status; worker/proto.h, struct proto_stats).
 */
#ifndef CLI_RATES_H
#define CLI_RATES_H

#include <jansson.h>

struct rates {
	double reads, writes;		  /* a second */
	double read_bytes, written_bytes; /* a second */
	double errors, guest_errors;	  /* a second */
	/* Microseconds that so many of the requests took at most: within a
	 * step of the counters it is taken for evenly spread. 0: there was no
	 * request. */
	double median_us, p99_us;
};

/*
 * rates_of - of SECONDS between BEFORE and NOW
 *
 * BEFORE may be NULL, and later than NOW: another worker counts anew, and what
 * it has counted is all there is.
 */
void rates_of(const json_t *now, const json_t *before, double seconds,
	      struct rates *rates);

#endif
