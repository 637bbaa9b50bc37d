/* SPDX-License-Identifier: BSD-2-Clause */
#include "lun/keep.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/log.h"
#include "scsi/bytes.h"

_Static_assert(KEEP_IMAGE_MAX <= STATE_MAX, "a slot holds it");

/* The one nexus that a LUN has, with the unit attentions not answered yet. */
#define NEXUS 0

/* The unit attention that CMD was ended with, or 0. */
static uint16_t told(const struct lun_cmd *cmd)
{
	const struct scsi_task *t = &cmd->task;
	bool desc = (t->sense[0] & 0x7f) >= 0x72;

	if (t->status != SCSI_CHECK_CONDITION || t->sense_len < 14 - desc * 6)
		return 0;
	if ((t->sense[desc ? 1 : 2] & 0x0f) != 0x06)
		return 0;
	return scsi_get16(t->sense + (desc ? 2 : 12));
}

/* Commands that cannot have changed anything are the many. */
static bool plain(const struct scsi_task *t)
{
	return t->op && t->status == SCSI_GOOD &&
	       (t->op->access == SCSI_ACCESS_READ ||
		t->op->access == SCSI_ACCESS_WRITE);
}

/* ---- the state before commands that are not answered ---- */

/*
 * What goes before the unit's own image, if there is something:
 *
 *      0  "XPVB", index, n, length of the state
 *     16  the state
 */
#define BEFORE_HEAD 16u

static uint32_t before_put(const struct keep_before *b, uint8_t *out)
{
	if (!b->n)
		return 0;
	memcpy(out, "XPVB", 4);
	scsi_put32(out + 4, b->index);
	scsi_put32(out + 8, b->n);
	scsi_put32(out + 12, b->len);
	memcpy(out + BEFORE_HEAD, b->own, b->len);
	return BEFORE_HEAD + b->len;
}

/* Bytes that it takes of IMAGE, or -EBADMSG. */
static int before_get(struct keep_before *b, const uint8_t *image, uint32_t len)
{
	memset(b, 0, sizeof(*b));
	if (len < 4 || memcmp(image, "XPVB", 4))
		return 0;
	if (len < BEFORE_HEAD || scsi_get32(image + 12) > sizeof(b->own) ||
	    scsi_get32(image + 12) > len - BEFORE_HEAD)
		return -EBADMSG;
	b->index = scsi_get32(image + 4);
	b->n = scsi_get32(image + 8);
	b->len = scsi_get32(image + 12);
	memcpy(b->own, image + BEFORE_HEAD, b->len);
	return (int)(BEFORE_HEAD + b->len);
}

static uint32_t own_of(const struct scsi_lu *lu, uint8_t *out)
{
	return lu->cfg.type->keep ? lu->cfg.type->keep(lu, out) : 0;
}

/* CMD has ended: it can be taken back if it has changed the state. */
static void note_before(struct keep *k, const struct scsi_lu *lu,
			struct lun_cmd *cmd)
{
	struct keep_before *b = &k->before;
	uint8_t own[SCSI_KEEP_OWN_MAX];
	uint32_t len = own_of(lu, own);

	if (len == k->own_len && memcmp(own, k->own, len) == 0)
		return;
	if (!b->n) {
		b->index = cmd->index;
		b->len = k->own_len;
		memcpy(b->own, k->own, k->own_len);
	}
	b->n++;
	cmd->moved = true;
}

enum keep_again keep_again(const struct keep *k, const struct lun_cmd *cmd)
{
	if (!k->dead)
		return KEEP_AS_IT_IS;
	/* They are answered in the order in which they end, and that is the
	 * order of requests: the oldest of the record is not answered, either */
	if ((int32_t)(cmd->index - k->before.index) <= 0)
		return KEEP_BEFORE;
	return k->before.n == 1 ? KEEP_AS_IT_IS : KEEP_UNKNOWN;
}

void keep_forget(struct keep *k, const struct scsi_lu *lu)
{
	k->before.n = 0;
	k->dead = false;
	keep_state(k, lu);
}

/* ---- the file ---- */

void keep_state(struct keep *k, const struct scsi_lu *lu)
{
	static _Thread_local struct scsi_lu with;
	uint8_t image[KEEP_IMAGE_MAX];
	uint32_t i, len;
	int rc;

	if (k->file.fd < 0)
		return;
	if (k->told) {
		with = *lu;
		for (i = 0; i < k->told; i++)
			scsi_lu_attention_code(&with, NEXUS, k->code[i]);
		lu = &with;
	}
	k->own_len = own_of(lu, k->own);
	len = before_put(&k->before, image);
	len += scsi_lu_keep(lu, image + len);
	if (len == k->len && memcmp(image, k->image, len) == 0)
		return;
	rc = state_save(&k->file, image, len, false);
	if (rc < 0) {
		log_line(LOG_ERR, NULL, "the state of a LUN cannot be kept: %s",
			 strerror(-rc));
		return;
	}
	memcpy(k->image, image, len);
	k->len = len;
}

int keep_open(struct keep *k, int fd, struct scsi_lu *lu, bool resumed)
{
	uint8_t image[KEEP_IMAGE_MAX];
	int len = 0, at;

	memset(k, 0, sizeof(*k));
	k->file.fd = -1;
	if (fd < 0)
		return 0;
	if (resumed)
		len = state_load(&k->file, fd, image, sizeof(image));
	else if (ftruncate(fd, 0) < 0) /* of another one */
		len = -errno;
	if (len < 0)
		return len;
	at = before_get(&k->before, image, (uint32_t)len);
	if (at < 0 || (len > 0 && scsi_lu_take_over(lu, image + at,
						    (uint32_t)(len - at)) < 0))
		return -EBADMSG;
	k->dead = k->before.n > 0;
	k->file.fd = fd;
	keep_state(k, lu);
	return 0;
}

void keep_close(struct keep *k)
{
	if (k->file.fd >= 0)
		close(k->file.fd);
	k->file.fd = -1;
}

bool keep_ended(struct keep *k, const struct scsi_lu *lu, struct lun_cmd *cmd)
{
	uint16_t code;

	if (k->file.fd < 0 || plain(&cmd->task))
		return false;
	code = told(cmd);
	if (code && k->told < XPV_ARRAY_SIZE(k->code))
		k->code[k->told++] = code;
	note_before(k, lu, cmd);
	keep_state(k, lu);
	return code != 0 || cmd->moved;
}

void keep_answered(struct keep *k, const struct scsi_lu *lu,
		   const struct lun_cmd *cmd)
{
	uint16_t code = told(cmd);
	bool changed = cmd->moved && --k->before.n == 0;
	uint32_t i;

	for (i = 0; i < k->told && k->code[i] != code; i++)
		;
	if (i < k->told) {
		k->told--;
		memmove(&k->code[i], &k->code[i + 1],
			(k->told - i) * sizeof(k->code[0]));
		changed = true;
	}
	if (changed)
		keep_state(k, lu);
}
