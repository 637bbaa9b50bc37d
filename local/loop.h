/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An epoll loop for one thread.
 */
#ifndef LOCAL_LOOP_H
#define LOCAL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* A descriptor that is waited for. It may be freed by its call(), and only
 * there or outside of loop_turn(). */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLL*; those asked for */
	void (*call)(struct loop_fd *f, uint32_t events);
};

/* loop_new - the epoll descriptor, or a negative errno. */
int loop_new(void);

/* loop_add - wait for f->events of f->fd. 0 or a negative errno. */
int loop_add(int loop, struct loop_fd *f);

/* loop_want - wait for EVENTS from now on. */
void loop_want(int loop, struct loop_fd *f, uint32_t events);

/* loop_remove - wait no longer. */
void loop_remove(int loop, struct loop_fd *f);

/*
 * loop_turn - wait for one descriptor, call its function
 * @timeout_ms: -1: for ever
 *
 * Return: false when the time was over.
 */
bool loop_turn(int loop, int timeout_ms);

#endif
