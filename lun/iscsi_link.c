/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/iscsi_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "host/clock.h"
#include "lun/iscsi_own.h"

/* A task of libiscsi; it is part of it, and goes with it. */
struct iscsi_track {
	struct iscsi_link *link;
	struct scsi_task *task;
	struct iscsi_cmd *cmd; /* NULL: done */
	struct iscsi_track *next;
	struct scsi_iovec iov;
	bool over;     /* libiscsi has forgotten the task */
	bool aborting; /* an ABORT TASK for it is under way */
};

struct iscsi_link {
	struct iscsi_context *c;
	int fd, lun;
	struct iscsi_track *tracks;
	uint32_t spent; /* tracks of commands that are done */
	uint32_t functions, answered;
	void (*reset_done)(void *arg);
	void *reset_arg;
	bool over; /* of a login */
	int status;
};

/* ---- what is over ---- */

/* Is there something that is to be sent, whatever it waits for? */
static bool sending(const struct iscsi_link *link)
{
	return iscsi_out_queue_length(link->c) > 0 || iscsi_link_full(link);
}

static void done(struct iscsi_track *t, enum iscsi_end end)
{
	struct iscsi_cmd *cmd = t->cmd;

	t->cmd = NULL;
	t->link->spent++;
	cmd->track = NULL;
	cmd->end = end;
	cmd->done(cmd);
}

/* Free the tasks of what is done, when nothing waits for them any more. */
static void bury(struct iscsi_link *link)
{
	struct iscsi_track **p = &link->tracks, *t;

	if (!link->spent || sending(link))
		return;
	while ((t = *p)) {
		/* Of an aborted one libiscsi expects an answer still. */
		if (!t->cmd && !t->over)
			iscsi_scsi_cancel_task(link->c, t->task);
		if (t->cmd || t->aborting) {
			p = &t->next;
			continue;
		}
		*p = t->next;
		link->spent--;
		scsi_free_scsi_task(t->task); /* and *t */
	}
}

/* Free all of them, at the end. */
static void bury_all(struct iscsi_link *link)
{
	struct iscsi_track *t;

	while ((t = link->tracks)) {
		/* Not called back after a logout that the target wanted. */
		if (t->cmd)
			done(t, ISCSI_GONE);
		link->tracks = t->next;
		scsi_free_scsi_task(t->task);
	}
}

/* ---- commands ---- */

static void take_sense(struct iscsi_cmd *cmd, const struct scsi_task *task)
{
	const uint8_t *data = task->datain.data;
	size_t len;

	/* SenseLength, then as much (RFC 7143, 11.4.7). */
	if (task->datain.size < 2 || !data)
		return;
	len = (size_t)data[0] << 8 | data[1];
	if (len > (size_t)task->datain.size - 2)
		len = (size_t)task->datain.size - 2;
	if (len > ISCSI_SENSE_MAX)
		len = ISCSI_SENSE_MAX;
	memcpy(cmd->sense, data + 2, len);
	cmd->sense_len = (uint8_t)len;
}

static void answered(struct iscsi_context *c, int status, void *data, void *arg)
{
	struct iscsi_track *t = arg;
	struct iscsi_cmd *cmd = t->cmd;
	uint32_t len;

	(void)c;
	(void)data;
	t->over = true;
	if (!cmd)
		return; /* it was aborted */
	cmd->sense_len = 0;
	cmd->residual = 0;
	if (status < 0 || status > UINT8_MAX) {
		done(t, status == SCSI_STATUS_CANCELLED ? ISCSI_GONE
							: ISCSI_FAILED);
		return;
	}
	cmd->status = (uint8_t)status;
	if (status == SCSI_STATUS_CHECK_CONDITION)
		take_sense(cmd, t->task);
	len = cmd->out_len ? cmd->out_len : cmd->in_max;
	if (t->task->residual_status == SCSI_RESIDUAL_UNDERFLOW)
		cmd->residual = t->task->residual < len
					? (uint32_t)t->task->residual
					: len;
	done(t, ISCSI_ANSWERED);
}

static struct iscsi_track *make(struct iscsi_link *link, struct iscsi_cmd *cmd)
{
	int dir = cmd->out_len	? SCSI_XFER_WRITE
		  : cmd->in_max ? SCSI_XFER_READ
				: SCSI_XFER_NONE;
	uint32_t len = cmd->out_len ? cmd->out_len : cmd->in_max;
	struct scsi_task *task =
		scsi_create_task(cmd->cdb_len, cmd->cdb, dir, (int)len);
	struct iscsi_track *t = task ? scsi_malloc(task, sizeof(*t)) : NULL;

	if (!t) {
		scsi_free_scsi_task(task);
		return NULL;
	}
	*t = (struct iscsi_track){
		.link = link,
		.task = task,
		.cmd = cmd,
		.iov = {.iov_base = cmd->data, .iov_len = len}};
	if (cmd->out_len)
		scsi_task_set_iov_out(task, &t->iov, 1);
	else if (cmd->in_max)
		scsi_task_set_iov_in(task, &t->iov, 1);
	return t;
}

int iscsi_link_send(struct iscsi_link *link, struct iscsi_cmd *cmd)
{
	struct iscsi_track *t = make(link, cmd);

	if (!t)
		return -ENOMEM;
	cmd->in_len = 0;
	if (iscsi_scsi_command_async(link->c, link->lun, t->task, answered,
				     NULL, t)) {
		scsi_free_scsi_task(t->task);
		return -ENOMEM;
	}
	cmd->track = t;
	t->next = link->tracks;
	link->tracks = t;
	return 0;
}

/* ---- task management, RFC 7143 11.5 and 11.6 ---- */

static void function_over(struct iscsi_link *link)
{
	link->functions--;
	link->answered++;
}

static void aborted(struct iscsi_context *c, int status, void *data, void *arg)
{
	struct iscsi_track *t = arg;

	(void)c;
	t->aborting = false;
	function_over(t->link);
	/* Function complete. Anything else, and a task that does not exist:
	 * its answer is still to come. */
	if (status == SCSI_STATUS_GOOD && *(uint32_t *)data == 0 && t->cmd)
		done(t, ISCSI_ABORTED);
}

void iscsi_link_abort(struct iscsi_link *link, struct iscsi_cmd *cmd)
{
	struct iscsi_track *t = cmd->track;

	if (t->aborting ||
	    iscsi_task_mgmt_abort_task_async(link->c, t->task, aborted, t))
		return;
	t->aborting = true;
	link->functions++;
}

static void was_reset(struct iscsi_context *c, int status, void *data,
		      void *arg)
{
	struct iscsi_link *link = arg;

	(void)c;
	(void)data;
	function_over(link);
	if (status == SCSI_STATUS_GOOD)
		link->reset_done(link->reset_arg);
}

int iscsi_link_reset(struct iscsi_link *link, void (*reset_done)(void *arg),
		     void *arg)
{
	link->reset_done = reset_done;
	link->reset_arg = arg;
	/* Not iscsi_task_mgmt_lun_reset_async(), which forgets what is half
	 * sent. */
	if (iscsi_task_mgmt_async(link->c, link->lun, ISCSI_TM_LUN_RESET,
				  0xffffffff, 0, was_reset, link))
		return -ENOMEM;
	link->functions++;
	return 0;
}

uint32_t iscsi_link_functions(const struct iscsi_link *link, uint32_t *answers)
{
	*answers = link->answered;
	return link->functions;
}

/* ---- the connection ---- */

/* LEN bytes of data-in are at AT. */
static void taken(void *arg, const void *at, size_t len)
{
	struct iscsi_link *link = arg;
	struct iscsi_track *t;

	for (t = link->tracks; t; t = t->next) {
		size_t from;

		if (!t->cmd)
			continue;
		/* libiscsi's own iov is on the move just now */
		from = (size_t)((const uint8_t *)at - t->cmd->data);
		if (from >= t->cmd->in_max)
			continue;
		if (from + len > t->cmd->in_len)
			t->cmd->in_len = (uint32_t)(from + len);
		return;
	}
}

static int service(struct iscsi_link *link, int events)
{
	int rc;

	iscsi_own_watch(taken, link);
	rc = iscsi_service(link->c, events);
	iscsi_own_watch(NULL, NULL);
	return rc ? -EPIPE : 0;
}

bool iscsi_link_full(const struct iscsi_link *link)
{
	return iscsi_which_events(link->c) & POLLOUT;
}

const char *iscsi_link_why(const struct iscsi_link *link)
{
	/* What libiscsi says last of all, whatever came before. */
	static const char no_more[] = "iscsi_service_reconnect_if_loggedin";
	const char *why = iscsi_get_error(link->c);

	return why && why[0] && strncmp(why, no_more, strlen(no_more))
		       ? why
		       : "it has closed the connection";
}

int iscsi_link_serve(struct iscsi_link *link, bool readable)
{
	int rc = readable ? service(link, POLLIN) : 0;

	if (!rc && iscsi_link_full(link))
		rc = service(link, POLLOUT);
	if (!rc)
		bury(link);
	return rc;
}

int iscsi_link_wait(struct iscsi_link *link, const bool *over, unsigned int ms)
{
	int64_t end = clock_ms() + ms, left;
	struct pollfd p = {.fd = link->fd};

	while (!*over) {
		left = end - clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		p.events = (short)iscsi_which_events(link->c);
		p.revents = 0;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p.revents && service(link, p.revents))
			return -EPIPE;
	}
	return 0;
}

/* ---- login and logout ---- */

static void logged_in(struct iscsi_context *c, int status, void *data,
		      void *arg)
{
	struct iscsi_link *link = arg;

	(void)c;
	(void)data;
	link->over = true;
	link->status = status;
}

static void connected(struct iscsi_context *c, int status, void *data,
		      void *arg)
{
	if (status != SCSI_STATUS_GOOD || iscsi_login_async(c, logged_in, arg))
		logged_in(c, SCSI_STATUS_ERROR, data, arg);
}

static int set_names(struct iscsi_context *c, const struct iscsi_login *login)
{
	int rc = iscsi_set_targetname(c, login->target);

	iscsi_set_session_type(c, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(c, ISCSI_HEADER_DIGEST_NONE_CRC32C);
	iscsi_set_isid_random(c, (uint32_t)(login->isid >> 16) & 0xffffff,
			      (uint32_t)login->isid & 0xffff);
	if (!rc && login->user[0])
		rc = iscsi_set_initiator_username_pwd(c, login->user,
						      login->password);
	if (!rc && login->peer_user[0])
		rc = iscsi_set_target_username_pwd(c, login->peer_user,
						   login->peer_password);
	return rc;
}

/* Why there is no session, RC being what came of it. */
static int explain(struct iscsi_link *link, int rc, char *err, size_t len)
{
	const char *elsewhere = iscsi_get_target_address(link->c);

	if (elsewhere && elsewhere[0]) {
		rc = -EREMCHG;
		snprintf(err, len,
			 "the target is at portal %.100s; give that one",
			 elsewhere);
	} else if (rc == -ETIMEDOUT) {
		snprintf(err, len, "the target does not answer");
	} else {
		snprintf(err, len, "%.250s", iscsi_link_why(link));
	}
	for (char *p = err; *p; p++) /* what a target says is no line of ours */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return rc;
}

int iscsi_link_open(struct iscsi_link **out, const struct iscsi_login *login,
		    int fd, unsigned int ms, char *err, size_t len)
{
	struct iscsi_link *link = calloc(1, sizeof(*link));
	int rc = -ENOMEM;

	snprintf(err, len, "out of memory");
	if (!link)
		return -ENOMEM;
	link->fd = fd;
	/* SAM-5 4.7.7.1: peripheral addressing, or flat addressing. */
	link->lun = (int)(login->lun < 256 ? login->lun : 0x4000 | login->lun);
	link->c = iscsi_create_context(login->initiator);
	if (!link->c || set_names(link->c, login))
		goto fail;
	iscsi_own_hand(fd);
	/* Where to is said by the socket. */
	rc = iscsi_connect_async(link->c, "portal", connected, link) ? -ENOMEM
								     : 0;
	iscsi_own_hand(-1);
	if (!rc)
		rc = iscsi_link_wait(link, &link->over, ms);
	if (!rc && link->status != SCSI_STATUS_GOOD)
		rc = -EACCES;
	if (rc)
		rc = explain(link, rc, err, len);
	if (rc)
		goto fail;
	*out = link;
	return 0;

fail:
	if (link->c)
		iscsi_destroy_context(link->c);
	free(link);
	return rc;
}

void iscsi_link_close(struct iscsi_link *link)
{
	if (!sending(link) && !iscsi_logout_async(link->c, NULL, NULL))
		(void)iscsi_service(link->c, POLLOUT);
	iscsi_destroy_context(link->c);
	bury_all(link);
	free(link);
}
