/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *m)
{
	memset(m, 0, sizeof(*m));
	m->last = &m->first;
	m->fd = eventfd(0, EFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	pthread_mutex_init(&m->lock, NULL);
	return 0;
}

void mailbox_fini(struct mailbox *m)
{
	struct mail *mail;

	while ((mail = mailbox_get(m))) {
		while (mail->nfds > 0)
			close(mail->fds[--mail->nfds]);
		free(mail);
	}
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
}

void mailbox_put(struct mailbox *m, const struct proto_msg *msg, const int *fds,
		 int nfds)
{
	struct mail *mail = calloc(1, sizeof(*mail));
	uint64_t one = 1;

	if (!mail)
		abort();
	mail->msg = *msg;
	if (nfds > 0) /* else FDS may be NULL */
		memcpy(mail->fds, fds, (size_t)nfds * sizeof(*fds));
	mail->nfds = nfds;
	pthread_mutex_lock(&m->lock);
	*m->last = mail;
	m->last = &mail->next;
	pthread_mutex_unlock(&m->lock);
	if (write(m->fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes 2^64 of them */
}

static void listen_again(struct mailbox *m)
{
	struct io_uring_sqe *sqe = uring_sqe(m->uring);

	io_uring_prep_read(sqe, m->fd, &m->count, sizeof(m->count), 0);
	uring_attach(sqe, &m->op);
}

static void rang(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct mailbox *m =
		(struct mailbox *)((char *)op - offsetof(struct mailbox, op));

	(void)flags;
	if (res == -ECANCELED)
		return;
	m->rung = true;
	listen_again(m);
}

void mailbox_listen(struct mailbox *m, struct uring *u)
{
	m->uring = u;
	m->op.done = rang;
	listen_again(m);
}

struct mail *mailbox_get(struct mailbox *m)
{
	struct mail *mail;

	pthread_mutex_lock(&m->lock);
	mail = m->first;
	if (mail) {
		m->first = mail->next;
		if (!m->first)
			m->last = &m->first;
	} else {
		m->rung = false;
	}
	pthread_mutex_unlock(&m->lock);
	return mail;
}
