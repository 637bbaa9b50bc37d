/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/check.h"

const struct checker *const checkers[] = {
	&check_once,  &check_wire,  &check_writes, &check_leak,
	&check_bound, &check_fetch, NULL,
};

#define ALL(hook, ...)                                                         \
	do {                                                                   \
		const struct checker *const *k;                                \
                                                                               \
		for (k = checkers; *k; k++)                                    \
			if ((*k)->hook)                                        \
				(*k)->hook(__VA_ARGS__);                       \
	} while (0)

void check_begin(struct world *w)
{
	ALL(begin, w);
}

void check_request(struct controller *c, const struct spied *req)
{
	ALL(request, c, req);
}

void check_response(struct controller *c, const struct spied *req,
		    const struct wire_scsi_rsp *rsp)
{
	ALL(response, c, req, rsp);
}

void check_copy(struct controller *c, const struct host_copy *copy,
		bool to_guest)
{
	ALL(copy, c, copy, to_guest);
}

void check_turn(struct controller *c, struct path *p)
{
	ALL(turn, c, p);
}

void check_turned(struct controller *c, struct path *p)
{
	ALL(turned, c, p);
}

void check_settled(struct controller *c)
{
	ALL(settled, c);
}

void check_end(struct world *w)
{
	ALL(end, w);
}
