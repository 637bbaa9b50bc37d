/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An iSCSI target of the tests' own, at the other end of a pair of sockets: what
 * a real one seldom does. target_begin(), and target_end().
 */
#ifndef TESTS_UNIT_ISCSI_TARGET_H
#define TESTS_UNIT_ISCSI_TARGET_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scsi/bytes.h"

#define BHS	  48
#define SEGMENT	  8192u	      /* MaxRecvDataSegmentLength of the target */
#define WRITE_LEN (64u << 10) /* 8 KiB with the command, the rest behind it */

/* RFC 7143, 11.1.1.2 */
enum {
	OP_COMMAND = 0x01,
	OP_FUNCTION = 0x02,
	OP_LOGIN = 0x03,
	OP_DATA_OUT = 0x05,
	OP_LOGOUT = 0x06,
	OP_RESPONSE = 0x21,
	OP_FUNCTION_RESPONSE = 0x22,
	OP_LOGIN_RESPONSE = 0x23,
	OP_DATA_IN = 0x25,
};

/* How the target behaves. */
enum mood {
	HONEST,
	SILENT,	  /* does not answer to a login */
	HANGS_UP, /* at a login */
	REFUSES,  /* a login */
	SENDS_AWAY,
};

/* What it does with a command, by operation code: vendor's ones. */
enum {
	CDB_GOOD = 0xc0,
	CDB_DATA,	 /* half of what is asked for, and says so */
	CDB_DATA_SILENT, /* half of it, and does not say so */
	CDB_DATA_BEYOND, /* behind the buffer */
	CDB_CHECK_EARLY, /* a WRITE: before it has read the data */
	CDB_SENSE_LIES,	 /* more sense data than there is */
	CDB_SENSE_NONE,	 /* CHECK CONDITION without any */
	CDB_HALF_A_PDU,	 /* and hangs up */
	CDB_NEVER,	 /* no answer; an abort ends it */
	CDB_NEVER_HEARD, /* an abort does not know it; GOOD then */
};

struct target {
	int fd;
	enum mood mood;
	pthread_t thread;
	uint32_t stat_sn, exp_sn;
	uint8_t never; /* CDB_NEVER... that is under way */
	uint8_t itt[4];
	bool let_go; /* read on, after CDB_CHECK_EARLY */
};

static bool get(int fd, void *to, size_t len)
{
	uint8_t *p = to;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void put(struct target *t, const void *data, size_t len)
{
	(void)!send(t->fd, data, len, MSG_NOSIGNAL);
}

/* A PDU with OPCODE and FLAGS in answer to ITT, and LEN bytes of data. */
static void answer(struct target *t, uint8_t opcode, uint8_t flags,
		   const uint8_t *itt, uint8_t *bhs, const void *data,
		   uint32_t len)
{
	static const uint8_t padding[4];

	bhs[0] = opcode;
	bhs[1] = flags;
	bhs[5] = (uint8_t)(len >> 16);
	scsi_put16(bhs + 6, len & 0xffff);
	memcpy(bhs + 16, itt, 4);
	scsi_put32(bhs + 24, t->stat_sn++);
	scsi_put32(bhs + 28, t->exp_sn);
	scsi_put32(bhs + 32, t->exp_sn + 31);
	put(t, bhs, BHS);
	put(t, data, len);
	put(t, padding, -len & 3);
}

static void login(struct target *t, const uint8_t *in)
{
	static const char keys[] =
		"HeaderDigest=None\0DataDigest=None\0ImmediateData=Yes\0"
		"InitialR2T=No\0FirstBurstLength=65536\0MaxBurstLength=262144\0"
		"MaxRecvDataSegmentLength=8192";
	static const char method[] = "AuthMethod=None";
	static const char away[] = "TargetAddress=192.0.2.1:3260,1";
	uint8_t bhs[BHS] = {0};
	bool security = !(in[1] >> 2 & 3);

	memcpy(bhs + 8, in + 8, 6);
	bhs[15] = 1; /* TSIH */
	if (t->mood == REFUSES || t->mood == SENDS_AWAY) {
		bhs[36] = t->mood == REFUSES ? 2 : 1;
		bhs[37] = t->mood == REFUSES ? 3 : 1; /* no such target */
		answer(t, OP_LOGIN_RESPONSE, 0, in + 16, bhs, away,
		       t->mood == REFUSES ? 0 : sizeof(away));
	} else if (security) {
		answer(t, OP_LOGIN_RESPONSE, 0x81, in + 16, bhs, method,
		       sizeof(method));
	} else {
		answer(t, OP_LOGIN_RESPONSE, 0x87, in + 16, bhs, keys,
		       sizeof(keys));
	}
}

static void respond(struct target *t, const uint8_t *itt, uint8_t status,
		    const void *sense, uint32_t len)
{
	uint8_t bhs[BHS] = {0};

	bhs[3] = status;
	answer(t, OP_RESPONSE, 0x80, itt, bhs, sense, len);
}

/* Data-in with the status in it: LEN bytes at OFFSET, RESIDUAL not there. */
static void data_in(struct target *t, const uint8_t *itt, uint32_t offset,
		    uint32_t len, uint32_t residual)
{
	uint8_t bhs[BHS] = {0}, data[SEGMENT];

	memset(data, 0xa5, sizeof(data));
	scsi_put32(bhs + 40, offset);
	scsi_put32(bhs + 44, residual);
	answer(t, OP_DATA_IN, residual ? 0x83 : 0x81, itt, bhs, data, len);
}

static void command(struct target *t, const uint8_t *in)
{
	static const uint8_t sense[20] = {0, 18, 0x70, 0, 0x05, 0, 0,	0,
					  0, 10, 0,    0, 0,	0, 0x24};
	uint8_t lies[20];
	uint32_t len = scsi_get32(in + 20);

	switch (in[32]) {
	case CDB_GOOD:
		respond(t, in + 16, 0, NULL, 0);
		break;
	case CDB_DATA:
		data_in(t, in + 16, 0, len / 2, len - len / 2);
		break;
	case CDB_DATA_SILENT:
		data_in(t, in + 16, 0, len / 2, 0);
		break;
	case CDB_DATA_BEYOND:
		data_in(t, in + 16, len - 8, 64, 0);
		break;
	case CDB_CHECK_EARLY:
		respond(t, in + 16, 2, sense, sizeof(sense));
		while (!__atomic_load_n(&t->let_go, __ATOMIC_ACQUIRE))
			usleep(1000);
		break;
	case CDB_SENSE_LIES:
		memcpy(lies, sense, sizeof(lies));
		scsi_put16(lies, 0xffff);
		respond(t, in + 16, 2, lies, sizeof(lies));
		break;
	case CDB_SENSE_NONE:
		respond(t, in + 16, 2, NULL, 0);
		break;
	case CDB_HALF_A_PDU:
		put(t, "\x21\x80", 2);
		shutdown(t->fd, SHUT_RDWR);
		break;
	case CDB_NEVER:
	case CDB_NEVER_HEARD:
		t->never = in[32];
		memcpy(t->itt, in + 16, 4);
		break;
	default:
		break;
	}
}

static void function(struct target *t, const uint8_t *in)
{
	uint8_t bhs[BHS] = {0};
	bool unknown = t->never == CDB_NEVER_HEARD;

	bhs[2] = unknown; /* 0: complete; 1: there is no such task */
	answer(t, OP_FUNCTION_RESPONSE, 0x80, in + 16, bhs, NULL, 0);
	if (unknown)
		respond(t, t->itt, 0, NULL, 0);
	t->never = 0;
}

static void *target_main(void *arg)
{
	struct target *t = arg;
	uint8_t in[BHS], data[SEGMENT + 4];

	while (get(t->fd, in, BHS)) {
		uint32_t len = ((uint32_t)in[5] << 16 | scsi_get16(in + 6));
		uint8_t opcode = in[0] & 0x3f;

		if (len > SEGMENT || !get(t->fd, data, (len + 3) & ~3u))
			break;
		/* A login, which is immediate, takes no number. */
		if (opcode == OP_COMMAND || opcode == OP_LOGIN)
			t->exp_sn =
				scsi_get32(in + 24) + (opcode == OP_COMMAND);
		if (opcode == OP_LOGIN && t->mood == HANGS_UP)
			shutdown(t->fd, SHUT_RDWR);
		else if (opcode == OP_LOGIN && t->mood != SILENT)
			login(t, in);
		else if (opcode == OP_COMMAND)
			command(t, in);
		else if (opcode == OP_FUNCTION)
			function(t, in);
		else if (opcode == OP_LOGOUT)
			break;
	}
	return NULL;
}

/* Our end of its connection, not blocking; -1: there is none. */
static int target_begin(struct target *t, enum mood mood)
{
	int pair[2], small = 4096;

	memset(t, 0, sizeof(*t));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	t->fd = pair[1];
	t->mood = mood;
	return pthread_create(&t->thread, NULL, target_main, t) ? -1 : pair[0];
}

/* Our end is closed, or shut down. */
static void target_end(struct target *t)
{
	pthread_join(t->thread, NULL);
	close(t->fd);
}

#endif
